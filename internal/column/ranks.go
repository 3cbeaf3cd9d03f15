package column

import (
	"bytes"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// ranking is the order of the values of a dictionary (spec 4.2), made when first asked for, and
// patched by merging when there are more. Nobody changes the lists.
type ranking struct {
	mu    sync.Mutex
	codes []uint32 // by their values
	ranks []uint32 // by their codes; equal values have one rank
}

func (r *ranking) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 4*cap(r.codes) + 4*cap(r.ranks)
}

// ranked returns the ranks of the codes: codes of lower values have lower ranks, those of equal
// ones have one rank. Nobody may change them.
func (d Dict) ranked() []uint32 {
	r := d.ranking
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := d.Len(); len(r.ranks) < n {
		r.extend(d)
	}
	return r.ranks[:d.Len()]
}

// extend ranks the codes that are new.
func (r *ranking) extend(d Dict) {
	known := len(r.ranks)
	if known < d.Len()/2 {
		r.codes, known = nil, 0
	}
	come, first := d.sortCodes(uint32(known))
	codes, old := make([]uint32, 0, d.Len()), r.codes
	var key, own []byte
	for _, code := range come {
		n := 0
		if len(old) > 0 {
			own = document.AppendKey(own[:0], d.Value(code))
			n, _ = slices.BinarySearchFunc(old, own, func(code uint32, want []byte) int {
				key = document.AppendKey(key[:0], d.Value(code))
				return bytes.Compare(key, want)
			})
		}
		codes = append(append(codes, old[:n]...), code)
		old = old[n:]
	}
	codes = append(codes, old...)
	ranks, rank := make([]uint32, d.Len()), uint32(0)
	for i, code := range codes {
		if i > 0 && (known == 0 && first[i] || known > 0 && !r.equal(d, codes[i-1], code, known)) {
			rank++
		}
		ranks[code] = rank
	}
	r.codes, r.ranks = codes, ranks
}

// equal reports whether two codes have equal values; those below known have been ranked.
func (r *ranking) equal(d Dict, a, b uint32, known int) bool {
	if int(a) < known && int(b) < known {
		return r.ranks[a] == r.ranks[b]
	}
	return bytes.Equal(document.AppendKey(nil, d.Value(a)), document.AppendKey(nil, d.Value(b)))
}
