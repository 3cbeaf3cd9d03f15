package overlay

import (
	"bytes"
	"slices"
	"sort"

	"github.com/siftdb/siftdb/storage/internal/tree"
)

// deleted returns the deleted range that key lies in, nil when there is none.
func (sp *Space) deleted(key []byte) *tree.Bounds {
	i := sp.firstEndingAfter(key)
	if i < len(sp.Deleted) && sp.Deleted[i].Contains(key) {
		return &sp.Deleted[i]
	}
	return nil
}

// touches reports whether anything was written or deleted between two bounds that are not
// empty.
func (sp *Space) touches(b tree.Bounds) bool {
	if i := sp.firstEndingAfter(b.From); i < len(sp.Deleted) && b.Before(sp.Deleted[i].From) {
		return true
	}
	return sp.Writes.HasBetween(b)
}

// remember adds a range to the deleted ones, and merges those that it touches.
func (sp *Space) remember(b tree.Bounds) {
	// Ranges lo to hi overlap b or meet it end to end.
	lo := sort.Search(len(sp.Deleted), func(i int) bool {
		to := sp.Deleted[i].To
		return to == nil || bytes.Compare(to, b.From) >= 0
	})
	hi := lo
	for ; hi < len(sp.Deleted); hi++ {
		r := sp.Deleted[hi]
		if b.To != nil && bytes.Compare(r.From, b.To) > 0 {
			break
		}
		if bytes.Compare(r.From, b.From) < 0 {
			b.From = r.From
		}
		if b.To != nil && (r.To == nil || bytes.Compare(r.To, b.To) > 0) {
			b.To = r.To
		}
	}
	sp.Deleted = slices.Replace(sp.Deleted, lo, hi, b)
}

// firstEndingAfter returns the index of the first deleted range that ends above key.
func (sp *Space) firstEndingAfter(key []byte) int {
	if len(sp.Deleted) == 0 {
		return 0
	}
	return sort.Search(len(sp.Deleted), func(i int) bool { return sp.Deleted[i].Before(key) })
}
