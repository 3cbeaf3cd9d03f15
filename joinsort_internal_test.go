package siftdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortedKeys: keys come out as a plain sort has them, each once: with much in common, with nothing,
// one the beginning of another, with zeros at the end, and too many for short numbers.
func TestSortedKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 2, 3, 100, 3000, 70_000} {
		for kind := range 4 {
			var keys [][]byte
			for range n {
				var key []byte
				switch kind {
				case 0:
					key = fmt.Appendf(nil, "user%06d@example.org", r.IntN(n))
				case 1:
					for range r.IntN(5) {
						key = append(key, byte(r.IntN(3)))
					}
				case 2:
					key = append(bytes.Repeat([]byte{0}, r.IntN(12)), byte(r.IntN(2)))
				case 3:
					for range 1 + r.IntN(30) {
						key = append(key, byte(r.IntN(256)))
					}
				}
				keys = append(keys, key)
			}
			want := slices.Clone(keys)
			slices.SortFunc(want, bytes.Compare)
			want = slices.CompactFunc(want, bytes.Equal)
			if got := sortedKeys(keys); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%d keys of kind %d: %d, want %d", n, kind, len(got), len(want))
			}
		}
	}
}
