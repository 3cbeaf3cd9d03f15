package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// base is a tree as a Base; its cursors may fail.
type base struct {
	tree *tree.Tree
	err  error
}

func (b base) Get(_ storage.Keyspace, key []byte) ([]byte, error) {
	v, _ := b.tree.Get(key)
	return v, b.err
}

func (b base) Seek(_ storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error) {
	key, value, ok = b.tree.Seek(prefix, prefix)
	return key, value, ok && b.err == nil, b.err
}

func (b base) Scan(_ storage.Keyspace, r tree.Bounds, reverse bool) Cursor {
	return &baseCursor{b.tree, r, reverse, b.tree.Scan(r, reverse), b.err}
}

type baseCursor struct {
	tree    *tree.Tree
	bounds  tree.Bounds
	reverse bool
	*tree.Cursor
	err error
}

func (c *baseCursor) Next() (k, v []byte, ok bool) {
	if c.err != nil {
		return nil, nil, false
	}
	return c.Cursor.Next()
}

func (c *baseCursor) Err() error { return c.err }

func (c *baseCursor) Skip(key []byte) {
	if c.reverse {
		c.bounds.To = key
	} else {
		c.bounds.From = key
	}
	c.Cursor = c.tree.Scan(c.bounds, c.reverse)
}

func randomKey(r *rand.Rand) []byte { return fmt.Appendf(nil, "%02d", r.IntN(100)) }

func randomBounds(r *rand.Rand) (from, to []byte) {
	if r.IntN(5) > 0 {
		from = randomKey(r)
	}
	if r.IntN(5) > 0 {
		to = randomKey(r)
	}
	return from, to
}

// change makes a random write in the set and in its model.
func change(r *rand.Rand, s *Set, model map[string]string) {
	switch r.IntN(8) {
	case 0, 1, 2, 3:
		k, v := randomKey(r), fmt.Sprint(r.IntN(1000))
		s.Put("a", k, []byte(v))
		model[string(k)] = v
	case 4, 5:
		k := randomKey(r)
		s.Delete("a", k)
		delete(model, string(k))
		k[0] = 'x' // not retained
	default:
		from, to := randomBounds(r)
		s.DeleteRange("a", from, to)
		b := tree.Bounds{From: from, To: to}
		maps.DeleteFunc(model, func(k, _ string) bool { return b.Contains([]byte(k)) })
	}
}

func newCase(r *rand.Rand) (*Set, map[string]string) {
	b, model := tree.New(), map[string]string{}
	for range r.IntN(60) {
		k := randomKey(r)
		b.Set(k, []byte("base"))
		model[string(k)] = "base"
	}
	return New(base{tree: b}), model
}

func TestModel(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		s, model := newCase(r)
		for range 20 {
			change(r, s, model)
			for i := range 100 {
				k := fmt.Sprintf("%02d", i)
				v, _ := s.Get("a", []byte(k))
				if want, ok := model[k]; ok != (v != nil) || string(v) != want {
					t.Fatalf("seed %d: %s is %q, want %q", seed, k, v, want)
				}
			}
			from, to := randomBounds(r)
			reverse := r.IntN(2) == 0
			var got, want []string
			c := s.Scan("a", from, to, reverse)
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
				t.Fatalf("seed %d: scan %q to %q reverse %v\n got %q\nwant %q", seed, from, to, reverse, got, want)
			}
		}
		for _, sp := range s.Spaces() {
			for i := 1; i < len(sp.Deleted); i++ {
				if p := sp.Deleted[i-1]; p.To == nil || bytes.Compare(p.To, sp.Deleted[i].From) >= 0 {
					t.Fatalf("seed %d: deleted ranges touch: %q", seed, sp.Deleted)
				}
			}
		}
	}
}

// TestCursorUnderWrites writes at every step of a walk.
func TestCursorUnderWrites(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, model := newCase(r)
		change(r, s, model)
		reverse := r.IntN(2) == 0
		always := maps.Clone(model)
		var seen []string
		c := s.Scan("a", nil, nil, reverse)
		for k, _, ok := c.Next(); ok; k, _, ok = c.Next() {
			seen = append(seen, string(k))
			if r.IntN(3) == 0 {
				change(r, s, model)
				maps.DeleteFunc(always, func(k, _ string) bool { _, ok := model[k]; return !ok })
			}
		}
		for i := 1; i < len(seen); i++ {
			if (seen[i] > seen[i-1]) == reverse || seen[i] == seen[i-1] {
				t.Fatalf("seed %d: reverse %v: %q after %q", seed, reverse, seen[i], seen[i-1])
			}
		}
		for k := range always {
			if !slices.Contains(seen, k) {
				t.Fatalf("seed %d: %q was there throughout and not returned", seed, k)
			}
		}
	}
}

func TestBaseErrorEndsTheWalk(t *testing.T) {
	b := base{tree.New(), errors.New("bad page")}
	b.tree.Set([]byte("k"), []byte("v"))
	s := New(b)
	s.Put("a", []byte("a"), nil)
	c := s.Scan("a", nil, nil, false)
	if k, _, ok := c.Next(); ok {
		t.Errorf("Next returned %q", k)
	}
	if c.Err() != b.err {
		t.Errorf("Err is %v", c.Err())
	}
}

func BenchmarkPutAscending(b *testing.B) {
	keys := make([][]byte, 100_000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "%016d", i)
	}
	value := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		s := New(base{tree: tree.New()})
		for _, k := range keys {
			s.Put("a", k, value)
		}
	}
}
