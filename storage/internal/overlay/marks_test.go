package overlay

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

func markedKey(i int) []byte { return binary.BigEndian.AppendUint64([]byte("entry"), uint64(i)) }

// TestMarks writes keys to copies of a layer that others read meanwhile. Each copy has the keys that
// it had, and what it does not have is mostly told without a search.
func TestMarks(t *testing.T) {
	const keys = 20_000
	bottom := tree.New()
	for i := range keys {
		bottom.Set(markedKey(4*i), []byte("below"))
	}
	r := rand.New(rand.NewPCG(5, 6))
	layer, has := NewLayer(), map[int]string{}
	var readers sync.WaitGroup
	for step := 0; len(has) < keys; step++ {
		layer = layer.Copy()
		set := New(base{tree: bottom})
		for range 1 + r.IntN(300) {
			i := 2 * r.IntN(2*keys)
			value := fmt.Sprint("at ", step)
			if r.IntN(8) == 0 {
				_ = set.Delete("a", markedKey(i))
				value = ""
			} else if err := set.Put("a", markedKey(i), []byte(value)); err != nil {
				t.Fatal(err)
			}
			has[i] = value
		}
		layer.Apply(set.Spaces())
		if step%20 > 0 {
			continue
		}
		was, some := layer, map[int]string{}
		for i, value := range has {
			if some[i] = value; len(some) == 2000 {
				break
			}
		}
		readers.Go(func() {
			over := was.Over(base{tree: bottom})
			for i, want := range some {
				if got, err := over.Get("a", markedKey(i)); string(got) != want || err != nil {
					t.Errorf("key %d is %q (%v), want %q", i, got, err, want)
					return
				}
				if got, _ := over.Get("a", markedKey(i+1)); got != nil {
					t.Errorf("key %d is %q, want none", i+1, got)
					return
				}
			}
		})
	}
	readers.Wait()
	sp := layer.space("a")
	for i := range has {
		if !sp.marks.may(markedKey(i)) {
			t.Fatalf("key %d is not marked", i)
		}
	}
	searched := 0
	for i := range keys {
		if sp.marks.may(markedKey(2*i + 1)) {
			searched++
		}
	}
	if searched > keys/10 {
		t.Errorf("%d of %d keys that are not there are searched for", searched, keys)
	}
}

// BenchmarkLayerGet gets keys that a layer of 10,000 keys does not have: with marks, and by a search.
func BenchmarkLayerGet(b *testing.B) {
	layer := NewLayer()
	for i := range 10_000 {
		layer.space("a").write(markedKey(97*i%1_000_000), []byte("x"))
	}
	marked := layer.space("a")
	for name, sp := range map[string]*Space{"marked": marked, "searched": {Name: "a", Writes: marked.Writes}} {
		b.Run(name, func(b *testing.B) {
			over := (&Layer{spaces: []*Space{sp}}).Over(nothing{})
			b.ReportAllocs()
			key := markedKey(0)
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint64(key[5:], uint64(97*(i*7919%10_000)+1)) // between two that are there
				if v, err := over.Get("a", key); v != nil || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// nothing is a base without keys.
type nothing struct{ Base }

func (nothing) Get(storage.Keyspace, []byte) ([]byte, error) { return nil, nil }
