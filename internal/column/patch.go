package column

import (
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// Change is what has become of an entry.
type Change struct {
	ID    int64
	Gone  bool
	Order float64
	Doc   document.Value // a stored document; of no account when the entry is gone
}

// Apply returns the Table as after a later commit, given every entry that was touched since, by
// ascending id. It is called for the newest Table of a data source only. A column that gets too
// many values is dropped; nil is returned when none is left.
func (t *Table) Apply(commit int64, changes []Change) *Table {
	if len(t.ids) > 4*t.live+1024 || t.wasteful() {
		t = t.rearranged(t.returned(changes, true))
	} else if back := t.returned(changes, false); len(back) > 0 {
		t = t.rearranged(t.returned(changes, true))
	}
	p := &patch{
		next:  &Table{Commit: commit, ids: t.ids, dead: slices.Clone(t.dead), live: t.live, placed: t.placed, columns: make(map[uint16]*Column, len(t.columns))},
		parts: make(map[uint16]*columnPatch, len(t.columns)), orders: make(map[int]float64),
	}
	for number, c := range t.columns {
		next := &Column{dict: c.dict, chunks: slices.Clone(c.chunks)}
		p.next.columns[number] = next
		p.parts[number] = &columnPatch{c: next, owned: NewBits(len(c.chunks) + len(changes)/ChunkRows + 1)}
	}
	for _, change := range changes {
		p.apply(change)
	}
	p.place()
	for number, part := range p.parts {
		part.c.seal()
		part.c.order = t.columns[number].order.after(part.changed, len(p.next.ids))
		if len(part.changed) == 0 {
			part.c.firsts.Store(t.columns[number].firsts.Load())
		}
	}
	if len(p.next.columns) == 0 {
		return nil
	}
	return p.next
}

// returned lists the entries that are back, between others; those that have a row still only
// if dead is true.
func (t *Table) returned(changes []Change, dead bool) (ids []int64) {
	for _, change := range changes {
		row, ok := t.Row(change.ID)
		if !change.Gone && row < len(t.ids) && (!ok || dead && t.dead.Has(row)) {
			ids = append(ids, change.ID)
		}
	}
	return ids
}

func (t *Table) wasteful() bool {
	for _, c := range t.columns {
		if c.dict.wasteful() {
			return true
		}
	}
	return false
}

// rearranged returns the table without dead rows, with rows for more entries, which are dead
// as yet, and with no values in its dictionaries that no row has, where they are many.
func (t *Table) rearranged(more []int64) *Table {
	next := &Table{Commit: t.Commit, live: t.live, columns: make(map[uint16]*Column, len(t.columns))}
	var from []int // the row of before; -1 for none
	for row := 0; row < len(t.ids) || len(more) > 0; {
		switch {
		case row < len(t.ids) && t.dead.Has(row):
			row++
		case row == len(t.ids) || len(more) > 0 && more[0] < t.ids[row]:
			next.ids, from, more = append(next.ids, more[0]), append(from, -1), more[1:]
		default:
			next.ids, from = append(next.ids, t.ids[row]), append(from, row)
			row++
		}
	}
	next.dead = NewBits(len(next.ids))
	to := make([]int, len(t.ids))
	for row, old := range from {
		if old < 0 {
			next.dead.Set(row)
		} else {
			to[old] = row
		}
	}
	next.placed = slices.Clone(t.placed)
	for i := range next.placed {
		next.placed[i].Row = to[next.placed[i].Row]
	}
	for number, c := range t.columns {
		next.columns[number] = c.rearranged(from)
	}
	return next
}

func (c *Column) rearranged(from []int) *Column {
	next := &Column{dict: c.dict, order: new(sorting)}
	codes := []uint32(nil) // of the new dictionary, by those of the old one
	if c.dict.wasteful() {
		next.dict, codes = newDict(), make([]uint32, len(c.dict.ends))
	}
	for _, row := range from {
		code := uint32(0)
		if row >= 0 {
			code = c.Code(row)
		}
		if codes != nil && code > 0 {
			if codes[code] == 0 {
				codes[code], _ = next.dict.code(c.dict.value(code)) // there is room: the old one had it
			}
			code = codes[code]
			next.dict.use(code, 0)
		}
		next.append(code)
	}
	next.seal()
	return next
}

// patch is a Table in the making.
type patch struct {
	next   *Table
	parts  map[uint16]*columnPatch
	orders map[int]float64 // of changed rows, where any may be other than 0
}

// columnPatch is a Column in the making.
type columnPatch struct {
	c       *Column
	owned   Bits     // chunks that are nobody else's
	changed []uint32 // rows
}

func (p *patch) apply(change Change) {
	t := p.next
	row, ok := t.Row(change.ID)
	was := ok && !t.dead.Has(row)
	if !was && change.Gone {
		return // came and went meanwhile
	}
	if !ok { // it is the last one
		t.ids = append(t.ids, change.ID)
		if row%64 == 0 {
			t.dead = append(t.dead, 0)
		}
	}
	switch {
	case change.Gone:
		t.dead.Set(row)
		t.live--
		change.Order = 0
	case !was:
		t.dead.Clear(row)
		t.live++
	}
	if change.Order != 0 || len(t.placed) > 0 {
		p.orders[row] = change.Order
	}
	for number, part := range p.parts {
		code, room := uint32(0), true
		if !change.Gone {
			code, room = part.c.dict.code(change.Doc.Column(number).Raw())
		}
		if !room {
			delete(p.parts, number)
			delete(t.columns, number)
			continue
		}
		part.set(row, code, change.Gone || !was)
	}
}

// place notes the orders of the entries.
func (p *patch) place() {
	if len(p.orders) == 0 {
		return
	}
	list := make([]Place, 0, len(p.next.placed))
	for _, q := range p.next.placed {
		if _, changed := p.orders[q.Row]; !changed {
			list = append(list, q)
		}
	}
	for row, order := range p.orders {
		if order != 0 {
			list = append(list, Place{order, row})
		}
	}
	slices.SortFunc(list, Place.compare)
	p.next.placed = list
}

// set gives a row a code. Whoever comes or goes counts as changed in any case.
func (p *columnPatch) set(row int, code uint32, changed bool) {
	c, at := p.c, row/ChunkRows
	had := uint32(0)
	fresh := at == len(c.chunks) || row%ChunkRows == len(c.chunks[at])
	if !fresh {
		had = c.Code(row)
	}
	if changed || had != code {
		p.changed = append(p.changed, uint32(row))
	}
	if !fresh && had == code {
		return
	}
	c.dict.use(code, had)
	if fresh { // behind what others see
		c.append(code)
		return
	}
	if !p.owned.Has(at) {
		copied := make([]uint32, len(c.chunks[at]), ChunkRows)
		copy(copied, c.chunks[at])
		c.chunks[at] = copied
		p.owned.Set(at)
	}
	c.chunks[at][row%ChunkRows] = code
}
