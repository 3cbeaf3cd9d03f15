package column

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// Builder makes a Table of a data source. What has been added is turned into codes by the batch,
// while more is added.
type Builder struct {
	table *Table
	parts []*part
	last  int64 // the id that came last
	mixed bool  // they did not ascend
	batch int   // entries that have been added since the last Flush
	busy  chan struct{}
	err   error // of the batch before
}

// part is a column in the making.
type part struct {
	number uint16
	c      *Column
	full   bool // there were too many values
	added  values
	coding values // what is being turned into codes
}

// values are stored values, one after the other.
type values struct {
	blob []byte
	ends []int
}

// mostBatch is how many entries are added before they are flushed in any case.
const mostBatch = 4096

// NewBuilder returns a builder of a Table with some columns.
func NewBuilder(numbers []uint16) *Builder {
	b := &Builder{table: &Table{columns: make(map[uint16]*Column)}}
	for _, number := range numbers {
		c := &Column{dict: newDict(), order: new(sorting)}
		b.parts, b.table.columns[number] = append(b.parts, &part{number: number, c: c}), c
	}
	return b
}

// Add adds an entry with its order.
func (b *Builder) Add(id int64, order float64, doc document.Value) {
	t := b.table
	if order != 0 {
		t.placed = append(t.placed, Place{order, len(t.ids)})
	}
	t.ids = append(t.ids, id)
	b.mixed = b.mixed || id < b.last
	b.last = id
	for _, p := range b.parts {
		p.added.blob = append(p.added.blob, doc.Column(p.number).Raw()...)
		p.added.ends = append(p.added.ends, len(p.added.blob))
	}
	if b.batch++; b.batch == mostBatch {
		b.Flush()
	}
}

// Flush begins to turn into codes what has been added.
func (b *Builder) Flush() {
	b.Wait()
	b.batch = 0
	for _, p := range b.parts {
		p.added, p.coding = values{p.coding.blob[:0], p.coding.ends[:0]}, p.added
	}
	b.busy = make(chan struct{})
	go func() {
		defer close(b.busy)
		defer func() {
			if v := recover(); v != nil {
				b.err = fmt.Errorf("turning values into codes panicked: %v", v)
			}
		}()
		for _, p := range b.parts {
			p.code()
		}
	}()
}

// Wait waits for what Flush has begun, and drops columns that have too many values.
func (b *Builder) Wait() {
	if b.busy == nil {
		return
	}
	<-b.busy
	b.busy = nil
	for _, p := range slices.Clone(b.parts) {
		if p.full || b.err != nil {
			b.Drop(p.number)
		}
	}
}

func (p *part) code() {
	from := 0
	for _, to := range p.coding.ends {
		code, ok := p.c.dict.code(p.coding.blob[from:to])
		if from = to; !ok {
			p.full = true
			return
		}
		p.c.dict.use(code, 0)
		p.c.append(code)
	}
}

// Drop gives a column up.
func (b *Builder) Drop(number uint16) {
	b.Wait()
	delete(b.table.columns, number)
	b.parts = slices.DeleteFunc(b.parts, func(p *part) bool { return p.number == number })
}

// Numbers returns the columns that have not been given up.
func (b *Builder) Numbers() []uint16 { return b.table.Numbers() }

// Size returns about how many bytes of memory the builder takes, but for what has been added
// since the last Flush.
func (b *Builder) Size() int {
	b.Wait()
	n := b.table.Size()
	for number := range b.table.columns {
		n += b.ColumnSize(number)
	}
	return n
}

// ColumnSize returns how many of them are for a column.
func (b *Builder) ColumnSize(number uint16) int {
	b.Wait()
	c := b.table.columns[number]
	return c.dict.size() + 4*ChunkRows*len(c.chunks)
}

// Finish returns the Table, as after a commit; nil when every column was given up.
func (b *Builder) Finish(commit int64) *Table {
	t := b.table
	b.Flush()
	b.Wait()
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
