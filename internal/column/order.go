package column

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// sorting holds the rows of a column in order. They are sorted when that is first asked for;
// after a write the rows that have changed are merged in, when it is next asked for.
type sorting struct {
	mu      sync.Mutex
	lists   [2][]uint32 // live rows, ascending and descending by value, then by number; nil when not made
	stale   [2][]uint32 // else, those of an earlier Table
	changed []uint32    // rows that have changed since, as it may be more than once
}

func (o *sorting) size() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.lists {
		n += 4 * max(cap(o.lists[i]), cap(o.stale[i]))
	}
	return n + 4*cap(o.changed)
}

// after returns the sorting of the Table that follows, in which some more rows have changed.
func (o *sorting) after(changed []uint32, rows int) *sorting {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := &sorting{}
	for i, list := range o.lists {
		if next.stale[i] = o.stale[i]; list != nil {
			next.stale[i] = list
		}
	}
	if next.stale[0] == nil && next.stale[1] == nil {
		return next
	}
	if len(o.changed)+len(changed) > rows/4+64 {
		return &sorting{} // quicker sorted anew
	}
	next.changed = slices.Concat(o.changed, changed)
	return next
}

// Sorted returns the rows of all entries by the order of a column, then by number. Nobody may
// change the list.
func (t *Table) Sorted(number uint16, desc bool) []uint32 {
	c := t.columns[number]
	o := c.order
	o.mu.Lock()
	defer o.mu.Unlock()
	which := 0
	if desc {
		which = 1
	}
	if o.lists[which] == nil {
		if o.stale[which] != nil {
			o.lists[which] = t.merged(c, o.stale[which], o.changed, desc)
		} else {
			o.lists[which] = t.sorted(c, desc)
		}
	}
	return o.lists[which]
}

// merged brings a list up to date.
func (t *Table) merged(c *Column, stale, changed []uint32, desc bool) []uint32 {
	marks := NewBits(len(t.ids))
	for _, row := range changed {
		marks.Set(int(row))
	}
	var come []sortRow
	marks.Each(0, func(row int) bool {
		if !t.dead.Has(row) {
			come = append(come, sortRow{c.sortKey(nil, row, desc), uint32(row)})
		}
		return true
	})
	slices.SortFunc(come, sortRow.compare)
	list := make([]uint32, 0, t.live)
	kept := make([]uint32, 0, len(stale))
	for _, row := range stale {
		if !marks.Has(int(row)) {
			kept = append(kept, row)
		}
	}
	var key []byte
	for _, r := range come {
		n, _ := slices.BinarySearchFunc(kept, r, func(row uint32, r sortRow) int {
			key = c.sortKey(key[:0], int(row), desc)
			return sortRow{key, row}.compare(r)
		})
		list = append(append(list, kept[:n]...), r.row)
		kept = kept[n:]
	}
	return append(list, kept...)
}

// sortRow is a row with its sort key.
type sortRow struct {
	key []byte
	row uint32
}

func (a sortRow) compare(b sortRow) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Compare(a.row, b.row)
}

// SortKey appends the sort key of a row, by which Sorted orders, to dst.
func (t *Table) SortKey(dst []byte, number uint16, row int, desc bool) []byte {
	return t.columns[number].sortKey(dst, row, desc)
}

func (c *Column) sortKey(dst []byte, row int, desc bool) []byte {
	at := len(dst)
	dst = document.AppendKey(dst, c.known.Value(c.Code(row)))
	if desc {
		document.InvertKey(dst[at:])
	}
	return dst
}

// sorted lists the rows by counting, once the values are in order.
func (t *Table) sorted(c *Column, desc bool) []uint32 {
	ranks, count := c.known.ranks()
	rank := func(code uint32) uint32 {
		if desc {
			return count - 1 - ranks[code]
		}
		return ranks[code]
	}
	starts := make([]uint32, count+1)
	row := 0
	for _, chunk := range c.chunks {
		for _, code := range chunk {
			if !t.dead.Has(row) {
				starts[rank(code)+1]++
			}
			row++
		}
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	list := make([]uint32, t.live)
	row = 0
	for _, chunk := range c.chunks {
		for _, code := range chunk {
			if !t.dead.Has(row) {
				k := rank(code)
				list[starts[k]] = uint32(row)
				starts[k]++
			}
			row++
		}
	}
	return list
}

// ranks orders codes as values are ordered (spec 4.2): values that are equal in that order
// have one rank. count is how many there are.
func (d Dict) ranks() (of []uint32, count uint32) {
	list, first := d.sortCodes(0)
	of = make([]uint32, len(list))
	for i, code := range list {
		if i > 0 && first[i] {
			count++
		}
		of[code] = count
	}
	return of, count + 1
}
