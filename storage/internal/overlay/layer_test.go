package overlay

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// wantContent compares what a base holds in a range, and at each key, with a model.
func wantContent(t *testing.T, what string, r *rand.Rand, b Base, model map[string]string) {
	t.Helper()
	for i := range 100 {
		k := fmt.Sprintf("%02d", i)
		v, _ := b.Get("a", []byte(k))
		if want, ok := model[k]; ok != (v != nil) || string(v) != want {
			t.Fatalf("%s: %s is %q, want %q", what, k, v, want)
		}
	}
	for i := range 11 {
		prefix := strings.TrimSuffix(strconv.Itoa(i), "10") // of many keys, and of all
		first := ""
		for k := range model {
			if strings.HasPrefix(k, prefix) && (first == "" || k < first) {
				first = k
			}
		}
		k, v, ok, err := b.Seek("a", []byte(prefix))
		if string(k) != first || string(v) != model[first] || ok != (first != "") || err != nil {
			t.Fatalf("%s: the first with %q is %q (%q, %v, %v), want %q", what, prefix, k, v, ok, err, first)
		}
	}
	from, to := randomBounds(r)
	reverse := r.IntN(2) == 0
	var got, want []string
	c := reader{b}.Scan("a", from, to, reverse)
	for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
		got = append(got, string(k)+"="+string(v))
	}
	for k, v := range model {
		if (tree.Bounds{From: from, To: to}).Contains([]byte(k)) {
			want = append(want, k+"="+v)
		}
	}
	slices.Sort(want)
	if reverse {
		slices.Reverse(want)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: scan %q to %q reverse %v\n got %q\nwant %q", what, from, to, reverse, got, want)
	}
}

// TestLayerModel applies random sets to a stack of layers, the upper ones copies that others
// still read, and to layers that read them as bytes.
func TestLayerModel(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		bottom, model := tree.New(), map[string]string{}
		for range r.IntN(60) {
			k := randomKey(r)
			bottom.Set(k, []byte("base"))
			model[string(k)] = "base"
		}
		var below Base = base{tree: bottom}
		layer, read := NewLayer(), NewLayer()
		for step := range 30 {
			name := fmt.Sprintf("seed %d, step %d", seed, step)
			if r.IntN(10) == 0 {
				below, layer, read = layer.Over(below), NewLayer(), NewLayer()
			}
			was, old := layer, maps.Clone(model)
			layer = layer.Copy()
			set := New(layer.Over(below))
			for range r.IntN(6) {
				change(r, set, model)
			}
			bytes := set.AppendTo(nil)
			layer.Apply(set.Spaces())
			if err := read.Read(bytes); err != nil {
				t.Fatal(name, err)
			}
			wantContent(t, name, r, layer.Over(below), model)
			wantContent(t, name+", read", r, read.Over(below), model)
			wantContent(t, name+", before", r, was.Over(below), old)
			// Where the layer is in the base already, it changes nothing.
			wantContent(t, name+", twice", r, layer.Over(layer.Over(below)), model)
		}
	}
}

// TestLayerWeight: deleted keys, and ranges, weigh something.
func TestLayerWeight(t *testing.T) {
	l := NewLayer()
	if !l.Empty() || l.Weight() != 0 {
		t.Error("a new layer is not empty")
	}
	last := int64(0)
	for _, write := range []func(*Set){
		func(s *Set) { s.Put("a", []byte("k"), []byte("value")) },
		func(s *Set) { s.Delete("a", []byte("other")) },
		func(s *Set) { s.DeleteRange("a", []byte("x"), []byte("y")) },
		func(s *Set) { s.Put("b", []byte("k"), nil) },
	} {
		s := New(l.Over(base{tree: tree.New()}))
		write(s)
		l.Apply(s.Spaces())
		if w := l.Weight(); w <= last {
			t.Errorf("weight %d after %d", w, last)
		} else {
			last = w
		}
	}
	if l.Empty() || len(l.Spaces()) != 2 {
		t.Error("the layer has lost something")
	}
}

// TestReadCut reads every beginning of sets as bytes.
func TestReadCut(t *testing.T) {
	s := New(base{tree: tree.New()})
	s.Put("a", []byte("key"), []byte("value"))
	s.Put("a", []byte("empty"), nil)
	s.Delete("b", []byte("gone"))
	s.DeleteRange("b", nil, []byte("c"))
	s.DeleteRange("b", []byte("x"), nil)
	whole := s.AppendTo(nil)
	for n := 1; n < len(whole); n++ {
		if err := NewLayer().Read(bytes.Clone(whole[:n])); err == nil {
			t.Errorf("%d of %d bytes are read as whole", n, len(whole))
		}
	}
	if err := NewLayer().Read(nil); err != nil {
		t.Errorf("no set: %v", err)
	}
}

// FuzzRead reads bytes as sets. What can be read is the same when it is written and read again.
func FuzzRead(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 4))
		s, model := newCase(r)
		for range seed {
			change(r, s, model)
		}
		f.Add(s.AppendTo(nil))
	}
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F})
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLayer()
		if l.Read(bytes.Clone(b)) != nil {
			return
		}
		again := NewLayer()
		if err := again.Read((&Set{spaces: l.spaces}).AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		for _, sp := range l.Spaces() {
			got := again.find(sp.Name)
			if got == nil || got.Writes.Len() != sp.Writes.Len() || len(got.Deleted) != len(sp.Deleted) {
				t.Fatalf("%q is not the same", sp.Name)
			}
			all := sp.Writes.Scan(tree.Bounds{}, false)
			for k, v, ok := all.Next(); ok; k, v, ok = all.Next() {
				if w, ok := got.Writes.Get(k); !ok || !bytes.Equal(v, w) || (v == nil) != (w == nil) {
					t.Fatalf("%q: %q is %q, want %q", sp.Name, k, w, v)
				}
			}
		}
	})
}

// find returns a keyspace of the layer.
func (l *Layer) find(ks storage.Keyspace) *Space { return (&over{layer: l}).find(ks) }

// TestUntouchedRange: where a layer has nothing, what lies below is read itself.
func TestUntouchedRange(t *testing.T) {
	bottom := tree.New()
	bottom.Set([]byte("e"), []byte("below"))
	below := base{tree: bottom}
	set, layer := New(below), NewLayer()
	if err := set.Put("a", []byte("d"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := set.DeleteRange("a", []byte("g"), []byte("i")); err != nil {
		t.Fatal(err)
	}
	layer.Apply(set.Spaces())
	for bounds, touched := range map[[2]string]bool{
		{"e", "f"}: false, {"a", "d"}: false, {"e", "g"}: false, {"i", ""}: false,
		{"a", "e"}: true, {"d", "e"}: true, {"f", "h"}: true, {"h", "z"}: true, {"e", ""}: true,
	} {
		b := tree.Bounds{From: []byte(bounds[0])}
		if bounds[1] != "" {
			b.To = []byte(bounds[1])
		}
		for _, reverse := range []bool{false, true} {
			if _, merged := layer.Over(below).Scan("a", b, reverse).(*merged); merged != touched {
				t.Errorf("%q: merged is %v", bounds, merged)
			}
		}
	}
}
