package column

import (
	"iter"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// chunkRows is how many rows share a chunk of codes, which is copied when one changes.
const chunkRows = 1 << 12

// Table holds columns of a data source as they are after one commit. Row numbers follow the
// entry ids.
type Table struct {
	Commit int64 // the last commit that changed entries

	ids     []int64 // of the rows, ascending
	dead    Bits    // rows whose entry is gone
	live    int
	columns map[uint16]*Column
}

// Column is one column of a Table.
type Column struct {
	dict    *dict // the owner's, which may know more
	known   Dict
	chunks  [][]uint32
	sorting *sync.Mutex // guards order
	order   *ranks      // made when first asked for; see Table.Sorted
}

// Live returns how many entries there are.
func (t *Table) Live() int { return t.live }

// Rows returns how many rows there are, with those of entries that are gone.
func (t *Table) Rows() int { return len(t.ids) }

// ID returns the entry of a row.
func (t *Table) ID(row int) int64 { return t.ids[row] }

// Row returns the row of an entry, ok false when it has none.
func (t *Table) Row(id int64) (row int, ok bool) { return slices.BinarySearch(t.ids, id) }

// Has reports whether a column is held.
func (t *Table) Has(number uint16) bool { return t.columns[number] != nil }

// Column returns a column, nil when it is not held.
func (t *Table) Column(number uint16) *Column { return t.columns[number] }

// Dict returns the distinct values of a column; some may have no entry any more.
func (c *Column) Dict() Dict { return c.known }

// Code returns the code of a row.
func (c *Column) Code(row int) uint32 { return c.chunks[row/chunkRows][row%chunkRows] }

// Distinct yields the distinct values of a column by the first row that has them, as they are
// stored: numbers that are equal and have other digits are two.
func (t *Table) Distinct(number uint16) iter.Seq[document.Value] {
	return func(yield func(document.Value) bool) {
		c := t.columns[number]
		seen := make([]bool, c.known.Len())
		row := 0
		for _, chunk := range c.chunks {
			for _, code := range chunk {
				if !seen[code] && !t.dead.Has(row) {
					if seen[code] = true; !yield(c.known.Value(code)) {
						return
					}
				}
				row++
			}
		}
	}
}

// Size returns about how many bytes of memory the table takes.
func (t *Table) Size() int {
	n := 8*cap(t.ids) + 8*len(t.dead)
	for _, c := range t.columns {
		n += c.dict.size() + 4*chunkRows*len(c.chunks)
		c.sorting.Lock()
		if c.order != nil {
			n += c.order.size()
		}
		c.sorting.Unlock()
	}
	return n
}

// All returns the rows of entries that are there. The set is the caller's.
func (t *Table) All() Bits {
	rows := NewBits(len(t.ids))
	copy(rows, t.dead)
	rows.Not(len(t.ids))
	return rows
}

// Numbers returns the columns that are held, ascending.
func (t *Table) Numbers() []uint16 {
	list := make([]uint16, 0, len(t.columns))
	for number := range t.columns {
		list = append(list, number)
	}
	slices.Sort(list)
	return list
}
