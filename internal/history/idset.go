package history

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
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

// Union returns the ids that are in any of some sets.
func Union(sets ...IDSet) IDSet {
	runs := slices.Concat(sets...)
	slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(a.First, b.First) })
	s := runs[:0]
	for _, r := range runs {
		if n := len(s); n > 0 && r.First <= s[n-1].Last+1 {
			s[n-1].Last = max(s[n-1].Last, r.Last)
			continue
		}
		s = append(s, r)
	}
	return s
}

// Add returns the set with an id that is larger than all in it. It may write to the set's array.
func (s IDSet) Add(id int64) IDSet {
	if n := len(s); n > 0 && s[n-1].Last+1 == id {
		s[n-1].Last = id
		return s
	}
	return append(s, Run{id, id})
}

// Has reports whether an id is in the set.
func (s IDSet) Has(id int64) bool {
	i := s.from(id)
	return i < len(s) && s[i].First <= id
}

// from returns the first run that does not end before an id.
func (s IDSet) from(id int64) int {
	i, _ := slices.BinarySearchFunc(s, id, func(r Run, id int64) int { return cmp.Compare(r.Last, id) })
	return i
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
func (s IDSet) All() iter.Seq[int64] { return s.From(math.MinInt64) }

// From yields the ids that are at least first, ascending.
func (s IDSet) From(first int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, r := range s[s.from(first):] {
			for id := max(r.First, first); id <= r.Last; id++ {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// Encode returns the set as DecodeIDSet reads it.
func (s IDSet) Encode() []byte { return s.append(nil) }

// DecodeIDSet reads a set. Anything else than what Encode returns is ErrCorrupt.
func DecodeIDSet(b []byte) (IDSet, error) {
	d := layout.NewDecoder(b)
	s, ok := decodeIDSet(&d)
	if !ok || len(d.Rest()) > 0 {
		return nil, errs.New(errs.Corrupt, "a set of entry ids cannot be read")
	}
	return s, nil
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
