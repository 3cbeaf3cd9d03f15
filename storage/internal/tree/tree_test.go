package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// walk returns the keys between the bounds as the cursor gives them.
func walk(t *Tree, b Bounds, reverse bool) []string {
	var keys []string
	c := t.Scan(b, reverse)
	for k, _, ok := c.Next(); ok; k, _, ok = c.Next() {
		keys = append(keys, string(k))
	}
	return keys
}

// expect is what walk must return for a model of the tree.
func expect(model map[string]string, b Bounds, reverse bool) []string {
	var keys []string
	for k := range model {
		if b.Contains([]byte(k)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if reverse {
		slices.Reverse(keys)
	}
	return keys
}

func randomBounds(r *rand.Rand) Bounds {
	var b Bounds
	if r.IntN(4) > 0 {
		b.From = randomKey(r)
	}
	if r.IntN(4) > 0 {
		b.To = randomKey(r)
	}
	return b
}

func randomKey(r *rand.Rand) []byte { return fmt.Appendf(nil, "%03d", r.IntN(1000)) }

// TestModel compares a tree, and copies taken on the way, with maps.
func TestModel(t *testing.T) {
	type snapshot struct {
		tree  *Tree
		model map[string]string
	}
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	tr, model := New(), map[string]string{}
	var snapshots []snapshot
	for step := range 20000 {
		switch n := r.IntN(100); {
		case n < 60:
			k := randomKey(r)
			tr.Set(k, []byte(fmt.Sprint(step)))
			model[string(k)] = fmt.Sprint(step)
		case n < 90:
			k := randomKey(r)
			tr.Delete(k)
			delete(model, string(k))
		case n < 92:
			b := randomBounds(r)
			tr.DeleteRange(b)
			maps.DeleteFunc(model, func(k, _ string) bool { return b.Contains([]byte(k)) })
		case n == 99 && len(snapshots) < 50:
			snapshots = append(snapshots, snapshot{tr.Copy(), maps.Clone(model)})
		default:
			b, reverse := randomBounds(r), r.IntN(2) == 0
			if got, want := walk(tr, b, reverse), expect(model, b, reverse); !slices.Equal(got, want) {
				t.Fatalf("step %d: walk %q reverse %v\n got %q\nwant %q", step, b, reverse, got, want)
			}
		}
	}
	for i, s := range append(snapshots, snapshot{tr, model}) {
		var size int64
		for k, v := range s.model {
			size += int64(len(k) + len(v))
			if got, ok := s.tree.Get([]byte(k)); !ok || string(got) != v {
				t.Fatalf("snapshot %d: %q is %q, want %q", i, k, got, v)
			}
		}
		if s.tree.Len() != len(s.model) || s.tree.Bytes() != size {
			t.Fatalf("snapshot %d: %d keys, %d bytes, want %d and %d", i, s.tree.Len(), s.tree.Bytes(), len(s.model), size)
		}
	}
}

// TestCursorSurvivesWrites changes the tree at every step of a walk: what is
// returned stays in order, without repeats, and includes every key that was
// there throughout.
func TestCursorSurvivesWrites(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			tr, always := New(), map[string]bool{}
			for range 300 {
				k := randomKey(r)
				tr.Set(k, k)
				always[string(k)] = true
			}
			var seen []string
			c := tr.Scan(Bounds{}, reverse)
			for k, _, ok := c.Next(); ok; k, _, ok = c.Next() {
				seen = append(seen, string(k))
				for range r.IntN(4) {
					k := randomKey(r)
					if r.IntN(2) == 0 {
						tr.Set(k, k)
					} else {
						tr.Delete(k)
						delete(always, string(k))
					}
				}
			}
			check := slices.Clone(seen)
			if reverse {
				slices.Reverse(check)
			}
			for i := 1; i < len(check); i++ {
				if check[i] <= check[i-1] {
					t.Fatalf("reverse %v: %q after %q", reverse, check[i], check[i-1])
				}
			}
			for k := range always {
				if !slices.Contains(seen, k) {
					t.Fatalf("reverse %v: %q was there throughout and not returned", reverse, k)
				}
			}
		}
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	tr := New()
	for i := range 1000 {
		tr.Set(fmt.Appendf(nil, "%06d", i), []byte("v"))
	}
	key := []byte("000500")
	if n := testing.AllocsPerRun(100, func() { tr.Get(key) }); n != 0 {
		t.Errorf("%v allocations in Get", n)
	}
}

// TestSeek finds the first keys with prefixes, and the ranges that they begin.
func TestSeek(t *testing.T) {
	tr := New()
	for _, k := range []string{"a", "ab", "ab\x00", "ab\xff", "ab\xff\xff", "ac", "\xff", "\xff\xff"} {
		tr.Set([]byte(k), []byte{1})
	}
	for prefix, want := range map[string]string{
		"": "a", "a": "a", "ab": "ab", "ab\x00": "ab\x00", "ab\x01": "", "ab\xff": "ab\xff", "ac": "ac", "aca": "", "b": "", "\xff": "\xff", "\xff\xff\xff": "",
	} {
		k, v, ok := tr.Seek([]byte(prefix), []byte(prefix))
		if string(k) != want || ok != (want != "") || ok != (len(v) == 1) {
			t.Errorf("%q: %q %v %v, want %q", prefix, k, v, ok, want)
		}
		b := Prefixed([]byte(prefix))
		for _, k := range walk(tr, Bounds{}, false) {
			if strings.HasPrefix(k, prefix) != b.Contains([]byte(k)) {
				t.Errorf("%q in the range of %q: %v", k, prefix, b)
			}
		}
	}
}
