package column

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// Builder makes a Table of a data source from pieces of it, which several goroutines may fill and
// give to it at a time.
type Builder struct {
	parts []*part
	rows  int // that there will be, about
	room  int // for bytes of values that are expected

	mu    sync.Mutex // guards what follows; taken before that of a part
	table *Table
	next  int            // the place of the piece that the table goes on with
	given map[int]*Piece // what comes behind that
	bytes int            // of given
	spare []*Piece       // to be filled again
	mixed bool           // the ids did not ascend
}

// part is a column in the making.
type part struct {
	number uint16
	c      *Column // its chunks are the Builder's
	size   atomic.Int64
	gone   atomic.Bool // given up

	mu    sync.Mutex // held by whoever turns values into codes
	coded int        // rows
}

// NewBuilder returns a builder of a Table with some columns and about so many rows. It takes memory
// for these beforehand, as far as they take no more than some bytes.
func NewBuilder(numbers []uint16, rows, room int) *Builder {
	b := &Builder{rows: rows, room: room / max(len(numbers), 1), table: &Table{ids: make([]int64, 0, min(rows, room/16)), columns: make(map[uint16]*Column)}, given: make(map[int]*Piece)}
	for _, number := range numbers {
		c := &Column{dict: newDict(), order: new(sorting)}
		b.parts, b.table.columns[number] = append(b.parts, &part{number: number, c: c}), c
	}
	return b
}

// Piece returns an empty piece for about so many rows, to be filled by one goroutine.
func (b *Builder) Piece(rows int) *Piece {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.spare); n > 0 {
		p := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return p
	}
	p := &Piece{b: b, ids: make([]int64, 0, rows), columns: make([]pieceColumn, len(b.parts))}
	for i := range p.columns {
		c, batch := &p.columns[i], min(rows, batchRows)
		c.codes = make([]uint32, 0, rows)
		c.added.ends, c.added.hashes = make([]int, 0, batch), make([]uint64, 0, batch)
	}
	return p
}

// Give adds a piece at a place among the others; they are counted from 0 on. It is the builder's
// from then on.
func (b *Builder) Give(p *Piece, place int) {
	p.Code()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given[place] = p
	b.bytes += p.size()
	for {
		p := b.given[b.next]
		if p == nil {
			return
		}
		delete(b.given, b.next)
		b.next++
		b.bytes -= p.size()
		b.take(p)
	}
}

// take adds a piece to the table.
func (b *Builder) take(p *Piece) {
	t := b.table
	for _, q := range p.placed {
		t.placed = append(t.placed, Place{q.Order, q.Row + len(t.ids)})
	}
	if len(p.ids) > 0 {
		b.mixed = b.mixed || p.mixed || len(t.ids) > 0 && t.ids[len(t.ids)-1] > p.ids[0]
	}
	t.ids = append(t.ids, p.ids...)
	for i, part := range b.parts {
		if !part.gone.Load() {
			part.c.extend(p.columns[i].codes)
		}
	}
	p.reset()
	b.spare = append(b.spare, p)
}

// Drop gives a column up.
func (b *Builder) Drop(number uint16) {
	for _, part := range b.parts {
		if part.number == number {
			part.gone.Store(true)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clean()
}

// clean lets go of the columns that have been given up.
func (b *Builder) clean() {
	for _, part := range b.parts {
		if part.gone.Load() && b.table.columns[part.number] != nil {
			delete(b.table.columns, part.number)
			part.mu.Lock()
			part.c = nil
			part.mu.Unlock()
		}
	}
}

// Numbers returns the columns that have not been given up.
func (b *Builder) Numbers() (list []uint16) {
	for _, part := range b.parts {
		if !part.gone.Load() {
			list = append(list, part.number)
		}
	}
	return list
}

// Size returns about how many bytes of memory the builder takes, but for pieces that are being
// filled.
func (b *Builder) Size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clean()
	n := b.table.Size() + b.bytes
	for _, part := range b.parts {
		n += b.columnSize(part)
	}
	return n
}

// ColumnSize returns how many of them are for a column.
func (b *Builder) ColumnSize(number uint16) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range b.parts {
		if part.number == number {
			n += b.columnSize(part)
		}
	}
	return n
}

func (b *Builder) columnSize(p *part) int {
	if p.gone.Load() {
		return 0
	}
	return int(p.size.Load()) + 4*ChunkRows*len(p.c.chunks)
}

// Finish returns the Table of all pieces, as after a commit; nil when every column was given up.
func (b *Builder) Finish(commit int64) *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clean()
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
