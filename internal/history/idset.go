package history

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
)

// Run is a range of consecutive ids, First to Last, both included.
type Run struct{ First, Last int64 }

// IDSet is a set of entry ids as ascending runs that neither touch nor overlap.
// A bulk import is one run, whatever its size.
type IDSet []Run

// MakeIDSet returns the set of the ids given, which it sorts in place.
func MakeIDSet(ids []int64) IDSet {
	slices.Sort(ids)
	var s IDSet
	for _, id := range ids {
		switch n := len(s); {
		case n > 0 && id <= s[n-1].Last:
		case n > 0 && id == s[n-1].Last+1:
			s[n-1].Last = id
		default:
			s = append(s, Run{id, id})
		}
	}
	return s
}

// Len returns how many ids the set holds.
func (s IDSet) Len() int64 {
	var n int64
	for _, r := range s {
		n += r.Last - r.First + 1
	}
	return n
}

// All yields the ids, ascending.
func (s IDSet) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, r := range s {
			for id := r.First; id <= r.Last; id++ {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func (s IDSet) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	var end int64
	for _, r := range s {
		dst = binary.AppendUvarint(dst, uint64(r.First-end))
		dst = binary.AppendUvarint(dst, uint64(r.Last-r.First))
		end = r.Last
	}
	return dst
}

// decodeIDSet reads a set; ids that overflow or do not ascend fail the decoder.
func decodeIDSet(d *layout.Decoder) (s IDSet, ok bool) {
	n := d.Uvarint()
	if d.Failed() || n > uint64(len(d.Rest())) {
		return nil, false
	}
	if n == 0 {
		return nil, true
	}
	s = make(IDSet, 0, n)
	var end int64
	for range n {
		first := end + d.Int()
		last := first + d.Int()
		if d.Failed() || first <= end || last < first {
			return nil, false
		}
		s = append(s, Run{first, last})
		end = last
	}
	return s, true
}
