package column

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/document"
)

// ChunkRows is how many rows share a chunk of codes, which is copied when one changes.
const ChunkRows = 1 << 12

// Table holds columns of a data source as they are after one commit. Row numbers follow the
// entry ids.
type Table struct {
	Commit int64 // the last commit that changed entries

	ids     []int64 // of the rows, ascending
	dead    Bits    // rows whose entry is gone
	live    int
	placed  []Place // entries with an order of their own, by that and then by row
	columns map[uint16]*Column
}

// Place is where an entry with an order of its own stands.
type Place struct {
	Order float64
	Row   int
}

// Column is one column of a Table.
type Column struct {
	dict   *dict // the owner's, which may know more
	known  Dict
	used   int // codes above 0 that a row has
	size   int // of the dictionary, when the Table was made
	chunks [][]uint32
	order  *sorting
	firsts atomic.Pointer[[]uint32] // made when first asked for; see Table.Distinct
}

// Live returns how many entries there are.
func (t *Table) Live() int { return t.live }

// Rows returns how many rows there are, with those of entries that are gone.
func (t *Table) Rows() int { return len(t.ids) }

// ID returns the entry of a row.
func (t *Table) ID(row int) int64 { return t.ids[row] }

// Row returns the row of an entry, ok false when it has none.
func (t *Table) Row(id int64) (row int, ok bool) { return slices.BinarySearch(t.ids, id) }

// Has reports whether columns are held.
func (t *Table) Has(numbers ...uint16) bool {
	return t != nil && !slices.ContainsFunc(numbers, func(n uint16) bool { return t.columns[n] == nil })
}

// Column returns a column, nil when it is not held.
func (t *Table) Column(number uint16) *Column { return t.columns[number] }

// Placed returns the entries that have an order of their own, in that order. Nobody may change
// the list.
func (t *Table) Placed() []Place { return t.placed }

// Dict returns the distinct values of a column; some may have no entry any more.
func (c *Column) Dict() Dict { return c.known }

// Chunk returns the codes of up to ChunkRows rows, the first of which is chunk times as many.
// Nobody may change them.
func (c *Column) Chunk(chunk int) []uint32 { return c.chunks[chunk] }

// Code returns the code of a row.
func (c *Column) Code(row int) uint32 { return c.chunks[row/ChunkRows][row%ChunkRows] }

// Distinct yields the distinct values of a column, each with the first row that has it, as they
// are stored: numbers that are equal and have other digits are two. Rows of without, which may
// be nil, do not count.
func (t *Table) Distinct(number uint16, without Bits) iter.Seq2[int, document.Value] {
	return func(yield func(int, document.Value) bool) {
		c := t.columns[number]
		rows := c.firsts.Load()
		if without != nil || rows == nil {
			rows = new(t.firstRows(c, without))
			if without == nil {
				c.firsts.Store(rows)
			}
		}
		for _, row := range *rows {
			if !yield(int(row), c.known.Value(c.Code(int(row)))) {
				return
			}
		}
	}
}

// firstRows returns the first row of each value that a row has.
func (t *Table) firstRows(c *Column, without Bits) []uint32 {
	list := make([]uint32, 0, c.used)
	seen := make([]bool, c.known.Len())
	seen[0] = true
	row := 0
	for _, chunk := range c.chunks {
		for _, code := range chunk {
			if !seen[code] && !t.dead.Has(row) && !without.Has(row) {
				seen[code] = true
				if list = append(list, uint32(row)); len(list) == c.used {
					return list
				}
			}
			row++
		}
	}
	return list
}

// Size returns about how many bytes of memory the table takes besides its columns.
func (t *Table) Size() int { return 8*cap(t.ids) + 8*len(t.dead) + 16*cap(t.placed) }

// ColumnSize returns about how many bytes of memory a column takes, with what has been made of
// it to answer quicker.
func (t *Table) ColumnSize(number uint16) int {
	c := t.columns[number]
	n := t.BareSize(number) + c.dict.floats.size() + c.dict.ranking.size() + c.order.size()
	if rows := c.firsts.Load(); rows != nil {
		n += 4 * cap(*rows)
	}
	return n
}

// BareSize is ColumnSize without what has been made of the column.
func (t *Table) BareSize(number uint16) int {
	c := t.columns[number]
	return c.size + 4*ChunkRows*len(c.chunks)
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
	if t == nil {
		return nil
	}
	list := make([]uint16, 0, len(t.columns))
	for number := range t.columns {
		list = append(list, number)
	}
	slices.Sort(list)
	return list
}

// Without returns the table without some columns; nil when none is left.
func (t *Table) Without(numbers ...uint16) *Table {
	next := *t
	next.columns = make(map[uint16]*Column, len(t.columns))
	for number, c := range t.columns {
		if !slices.Contains(numbers, number) {
			next.columns[number] = c
		}
	}
	if len(next.columns) == 0 {
		return nil
	}
	return &next
}

// With returns the table with the columns of another one of the same data source and commit,
// which is no longer to be used.
func (t *Table) With(other *Table) *Table {
	next := *t
	next.columns = make(map[uint16]*Column, len(t.columns)+len(other.columns))
	for number, c := range t.columns {
		next.columns[number] = c
	}
	same := slices.Equal(t.ids, other.ids)
	for number, c := range other.columns {
		if !same {
			c = c.moved(t, other)
		}
		next.columns[number] = c
	}
	return &next
}

// moved returns a column of one table laid out as another one.
func (c *Column) moved(to, from *Table) *Column {
	m := &Column{dict: c.dict, known: c.known, used: c.used, size: c.size, order: new(sorting)}
	at := 0
	for row, id := range to.ids {
		for at < len(from.ids) && from.ids[at] < id {
			at++
		}
		code := uint32(0)
		if at < len(from.ids) && from.ids[at] == id && !to.dead.Has(row) {
			code = c.Code(at)
		}
		m.append(code)
	}
	return m
}

// append adds the code of the row that comes next.
func (c *Column) append(code uint32) {
	if n := len(c.chunks); n == 0 || len(c.chunks[n-1]) == ChunkRows {
		c.chunks = append(c.chunks, make([]uint32, 0, ChunkRows))
	}
	last := &c.chunks[len(c.chunks)-1]
	*last = append(*last, code)
}

// extend adds the codes of the rows that come next.
func (c *Column) extend(codes []uint32) {
	for len(codes) > 0 {
		if n := len(c.chunks); n == 0 || len(c.chunks[n-1]) == ChunkRows {
			c.chunks = append(c.chunks, make([]uint32, 0, ChunkRows))
		}
		last := &c.chunks[len(c.chunks)-1]
		n := min(ChunkRows-len(*last), len(codes))
		*last, codes = append(*last, codes[:n]...), codes[n:]
	}
}
