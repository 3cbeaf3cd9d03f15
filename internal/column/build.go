package column

import (
	"cmp"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// Builder makes a Table of a data source.
type Builder struct {
	table *Table
	parts []part
	last  int64 // the id that came last
	mixed bool  // they did not ascend
}

// part is a column in the making.
type part struct {
	number uint16
	c      *Column
}

// NewBuilder returns a builder of a Table with some columns.
func NewBuilder(numbers []uint16) *Builder {
	b := &Builder{table: &Table{columns: make(map[uint16]*Column)}}
	for _, number := range numbers {
		c := &Column{dict: newDict(), order: new(sorting)}
		b.parts, b.table.columns[number] = append(b.parts, part{number, c}), c
	}
	return b
}

// Add adds an entry with its order. A column that has too many values is dropped.
func (b *Builder) Add(id int64, order float64, doc document.Value) {
	t := b.table
	if order != 0 {
		t.placed = append(t.placed, Place{order, len(t.ids)})
	}
	t.ids = append(t.ids, id)
	b.mixed = b.mixed || id < b.last
	b.last = id
	full := -1
	for _, p := range b.parts {
		code, ok := p.c.dict.code(doc.Column(p.number).Raw())
		if !ok {
			full = int(p.number)
			continue
		}
		p.c.dict.use(code, 0)
		p.c.append(code)
	}
	if full >= 0 {
		b.Drop(uint16(full))
	}
}

// Drop gives a column up.
func (b *Builder) Drop(number uint16) {
	delete(b.table.columns, number)
	b.parts = slices.DeleteFunc(b.parts, func(p part) bool { return p.number == number })
}

// Numbers returns the columns that have not been given up.
func (b *Builder) Numbers() []uint16 { return b.table.Numbers() }

// Size returns about how many bytes of memory the builder takes.
func (b *Builder) Size() int {
	n := b.table.Size()
	for number := range b.table.columns {
		n += b.ColumnSize(number)
	}
	return n
}

// ColumnSize returns how many of them are for a column.
func (b *Builder) ColumnSize(number uint16) int {
	c := b.table.columns[number]
	return c.dict.size() + 4*ChunkRows*len(c.chunks)
}

// Finish returns the Table, as after a commit; nil when every column was given up.
func (b *Builder) Finish(commit int64) *Table {
	t := b.table
	if len(t.columns) == 0 {
		return nil
	}
	t.Commit, t.live = commit, len(t.ids)
	if b.mixed {
		t.arrange()
	}
	slices.SortFunc(t.placed, Place.compare)
	t.dead = NewBits(len(t.ids))
	for _, c := range t.columns {
		c.seal()
	}
	return t
}

// seal notes what the dictionary knows now.
func (c *Column) seal() { c.known, c.used, c.size = c.dict.view(), c.dict.used, c.dict.size() }

// arrange sorts the rows by their ids.
func (t *Table) arrange() {
	from := make([]int, len(t.ids))
	for i := range from {
		from[i] = i
	}
	slices.SortFunc(from, func(a, b int) int { return cmp.Compare(t.ids[a], t.ids[b]) })
	ids, to := make([]int64, len(from)), make([]int, len(from))
	for row, old := range from {
		ids[row], to[old] = t.ids[old], row
	}
	t.ids = ids
	for i := range t.placed {
		t.placed[i].Row = to[t.placed[i].Row]
	}
	for _, c := range t.columns {
		was := Column{chunks: c.chunks}
		c.chunks = nil
		for _, old := range from {
			c.append(was.Code(old))
		}
	}
}

func (p Place) compare(q Place) int {
	if c := cmp.Compare(p.Order, q.Order); c != 0 {
		return c
	}
	return cmp.Compare(p.Row, q.Row)
}
