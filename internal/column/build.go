package column

import (
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// Builder makes a Table of a data source.
type Builder struct {
	table   *Table
	numbers []uint16
	columns []*Column
	full    bool // a dictionary has no room
}

// NewBuilder returns a builder of a Table with some columns.
func NewBuilder(numbers []uint16) *Builder {
	b := &Builder{numbers: slices.Clone(numbers), table: &Table{columns: make(map[uint16]*Column)}}
	for _, number := range numbers {
		c := &Column{dict: newDict(), sorting: new(sync.Mutex)}
		b.columns = append(b.columns, c)
		b.table.columns[number] = c
	}
	return b
}

// Add adds an entry. Entries come by ascending id.
func (b *Builder) Add(id int64, doc document.Value) {
	row := len(b.table.ids)
	b.table.ids = append(b.table.ids, id)
	for i, c := range b.columns {
		b.full = !c.push(row, doc.Column(b.numbers[i]).Raw()) || b.full
	}
}

// Finish returns the Table, as after a commit. ok is false when a column has too many values.
func (b *Builder) Finish(commit int64) (t *Table, ok bool) {
	b.table.Commit, b.table.live = commit, len(b.table.ids)
	b.table.dead = NewBits(len(b.table.ids))
	for _, c := range b.columns {
		c.known = c.dict.view()
	}
	return b.table, !b.full
}

// push sets the code of the row that comes next.
func (c *Column) push(row int, raw []byte) bool {
	if row%chunkRows == 0 {
		c.chunks = append(c.chunks, make([]uint32, 0, chunkRows))
	}
	code, ok := c.dict.code(raw)
	last := len(c.chunks) - 1
	c.chunks[last] = append(c.chunks[last], code)
	return ok
}

// Change is what has become of an entry.
type Change struct {
	ID   int64
	Gone bool
	Doc  document.Value // a stored document; of no account when the entry is gone
}

// Apply returns the Table as after a later commit, given every entry that was touched since, by
// ascending id. ok is false when it must be built anew.
func (t *Table) Apply(commit int64, changes []Change) (next *Table, ok bool) {
	p := &patch{next: &Table{Commit: commit, ids: t.ids, dead: slices.Clone(t.dead), live: t.live, columns: make(map[uint16]*Column, len(t.columns))}}
	for number, c := range t.columns {
		p.next.columns[number] = &Column{dict: c.dict, chunks: slices.Clone(c.chunks), sorting: new(sync.Mutex)}
	}
	for _, change := range changes {
		if !p.apply(change) {
			return nil, false
		}
	}
	for _, c := range p.next.columns {
		c.known = c.dict.view()
		if c.wasteful(len(p.next.ids)) {
			return nil, false
		}
	}
	return p.next, 4*p.next.live >= len(p.next.ids)
}

// wasteful reports whether most values of the dictionary must be of entries that have
// changed since.
func (c *Column) wasteful(rows int) bool { return c.known.Len() > 2*rows+1024 }

// patch is a Table in the making.
type patch struct {
	next  *Table
	owned map[ownedChunk]bool
}

type ownedChunk struct {
	column uint16
	chunk  int
}

func (p *patch) apply(change Change) bool {
	t := p.next
	row, ok := t.Row(change.ID)
	switch {
	case !ok && change.Gone:
		return true // came and went meanwhile
	case !ok && row < len(t.ids):
		return false // an entry that is back, between others
	case !ok:
		t.ids = append(t.ids, change.ID)
		if row%64 == 0 {
			t.dead = append(t.dead, 0)
		}
		t.live++
		for number, c := range t.columns {
			if row%chunkRows != 0 {
				p.own(number, c, row/chunkRows)
			} else {
				p.mark(number, row/chunkRows)
			}
			if !c.push(row, change.Doc.Column(number).Raw()) {
				return false
			}
		}
		return true
	}
	switch was := t.dead.Has(row); {
	case change.Gone && !was:
		t.dead.Set(row)
		t.live--
	case !change.Gone && was:
		t.dead[row>>6] &^= 1 << (row & 63)
		t.live++
	}
	for number, c := range t.columns {
		code, ok := uint32(0), true
		if !change.Gone {
			code, ok = c.dict.code(change.Doc.Column(number).Raw())
		}
		if !ok {
			return false
		}
		if c.Code(row) != code {
			p.own(number, c, row/chunkRows)
			c.chunks[row/chunkRows][row%chunkRows] = code
		}
	}
	return true
}

// own copies a chunk that others see.
func (p *patch) own(number uint16, c *Column, chunk int) {
	if p.mark(number, chunk) {
		copied := make([]uint32, len(c.chunks[chunk]), chunkRows)
		copy(copied, c.chunks[chunk])
		c.chunks[chunk] = copied
	}
}

// mark notes that a chunk is nobody else's, and reports whether that is new.
func (p *patch) mark(number uint16, chunk int) bool {
	key := ownedChunk{number, chunk}
	if p.owned[key] {
		return false
	}
	if p.owned == nil {
		p.owned = make(map[ownedChunk]bool)
	}
	p.owned[key] = true
	return true
}
