package column

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// ranks orders the codes of a column as values are ordered (spec 4.2): values that are equal
// in that order have one rank.
type ranks struct {
	of    []uint32 // by code
	count int
	rows  [2][]uint32 // the rows, ascending and descending by rank, then by number; nil when not asked for
}

func (r *ranks) size() int { return 4 * (cap(r.of) + cap(r.rows[0]) + cap(r.rows[1])) }

func newRanks(d Dict) *ranks {
	type item struct {
		key  []byte
		code uint32
	}
	items := make([]item, d.Len())
	var keys []byte
	for code := range items {
		at := len(keys)
		keys = document.AppendKey(keys, d.Value(uint32(code)))
		items[code] = item{code: uint32(code), key: []byte{}}
		items[code].key = keys[at:len(keys):len(keys)]
	}
	slices.SortFunc(items, func(a, b item) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(a.code, b.code)
	})
	r := &ranks{of: make([]uint32, len(items))}
	for i, it := range items {
		if i > 0 && !bytes.Equal(it.key, items[i-1].key) {
			r.count++
		}
		r.of[it.code] = uint32(r.count)
	}
	r.count++
	return r
}

// Sorted returns all rows by the order of a column, then by number. It is made once; nobody
// may change it.
func (t *Table) Sorted(number uint16, desc bool) []uint32 {
	c := t.columns[number]
	c.sorting.Lock()
	defer c.sorting.Unlock()
	if c.order == nil {
		c.order = newRanks(c.known)
	}
	which := 0
	if desc {
		which = 1
	}
	if c.order.rows[which] == nil {
		c.order.rows[which] = c.order.sort(c, len(t.ids), desc)
	}
	return c.order.rows[which]
}

// sort lists the rows by counting.
func (r *ranks) sort(c *Column, rows int, desc bool) []uint32 {
	starts := make([]uint32, r.count+1)
	rank := func(code uint32) uint32 {
		if desc {
			return uint32(r.count) - 1 - r.of[code]
		}
		return r.of[code]
	}
	for _, chunk := range c.chunks {
		for _, code := range chunk {
			starts[rank(code)+1]++
		}
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	sorted := make([]uint32, rows)
	row := uint32(0)
	for _, chunk := range c.chunks {
		for _, code := range chunk {
			k := rank(code)
			sorted[starts[k]] = row
			starts[k]++
			row++
		}
	}
	return sorted
}
