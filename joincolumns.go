package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// joinColumns is one use of columns in memory on a side of a join: what it needs of an entry is
// worked out once for each distinct value of the column that it is joined by.
type joinColumns struct {
	run   *joinRun
	needs columnNeeds
	view  columnView
	c     *column.Column // that joins; nil when no entry has a value there
	hits  []int32        // by code, the group of the key of a value, or one of these below
	more  map[uint32][]int32
	sum   *column.Column
	sums  []float64 // by code of that
}

// What hits has in place of a group.
const (
	hitUnknown = -1 - iota
	hitNone
	hitSeveral // groups, which more has
)

// columnNeeds says what it takes to read the joined entries from columns.
func (run *joinRun) columnNeeds() columnNeeds {
	n := run.rd.needs()
	if n.refused() {
		return n
	}
	if len(run.to.names) != 1 {
		n.reason = "the join is on several pairs"
		return n
	}
	n.key(run.to.names[0])
	if run.c.kind == joinSum {
		number, absent, ok := run.sum.Column()
		if n.value(number, absent, ok); !ok {
			n.reason = "the sum is not of a column"
		}
	}
	if run.order != nil && run.c.kind == joinEntries {
		keys, ok := run.order.Columns()
		if n.sortBy(keys); !ok {
			n.reason = "the order is not by columns alone"
		}
	}
	if n.filter(run.m.where, nil); !n.exact {
		n.reason = "some conditions are not on one column"
	}
	return n
}

// key adds what it takes to have the keys of a join.
func (n *columnNeeds) key(name *query.BoundName) {
	number, absent, ok := name.Column()
	if n.value(number, absent, ok); !ok {
		n.reason = "the join is not on a column"
	}
}

// value adds a column whose values are wanted, unless it is absent.
func (n *columnNeeds) value(number uint16, absent, ok bool) {
	n.wanted = true
	if ok && !absent && !n.hides(number) {
		n.numbers = append(n.numbers, number)
	}
}

// byColumns reads the joined entries from columns, and reports whether it could.
func (run *joinRun) byColumns(ctx context.Context) (bool, error) {
	if run.rd.chosen != nil || run.rd.scan.at.id >= 0 || run.c.kind == joinEntries && run.c.query.limit < 0 && run.whole && !run.eager {
		return false, nil
	}
	j := &joinColumns{run: run}
	ok, err := run.rd.table(ctx, func(r storage.Reader) (n columnNeeds, err error) {
		if err = run.narrowOnce(r); err == nil && run.rd.chosen == nil {
			return run.columnNeeds(), nil
		}
		return columnNeeds{reason: "indexes propose few"}, err
	}, func(_ storage.Reader, n columnNeeds, v columnView) error {
		j.needs, j.view = n, v
		return nil
	})
	if err != nil || !ok || len(j.view.moved) > 0 || len(j.view.table.Placed()) > 0 {
		return false, err
	}
	t := j.view.table
	rows := t.All()
	if j.needs.shape != nil {
		if rows, err = t.Select(ctx, j.needs.shape, j.needs.hidden); err != nil {
			return false, ctx.Err()
		}
	}
	j.prepare()
	if !run.whole && run.c.kind == joinEntries && run.c.query.limit < 0 && j.count(rows)*scanned > t.Live() {
		return false, nil
	}
	if err := j.take(ctx, rows); err != nil {
		return true, err
	}
	run.sortGroups()
	run.rd.ds.db.columns.measure(run.rd.ds.id)
	run.rd.ds.db.columns.joins.Add(1)
	return true, nil
}

// narrowOnce has indexes propose joined entries, when it is called first.
func (run *joinRun) narrowOnce(r storage.Reader) error {
	if run.narrowed || run.rd.chosen != nil {
		return nil
	}
	run.narrowed = true
	return run.rd.narrow(r, run.m.where, -1)
}

// column returns a column of the table, nil when it counts as absent.
func (j *joinColumns) column(number uint16, absent bool) *column.Column {
	if absent || j.needs.hides(number) {
		return nil
	}
	return j.view.table.Column(number)
}

func (j *joinColumns) prepare() {
	number, absent, _ := j.run.to.names[0].Column()
	if j.c = j.column(number, absent); j.c != nil {
		j.hits = slices.Repeat([]int32{hitUnknown}, j.c.Dict().Len())
	}
	if j.run.c.kind != joinSum {
		return
	}
	number, absent, _ = j.run.sum.Column()
	if j.sum = j.column(number, absent); j.sum == nil {
		return
	}
	dict := j.sum.Dict()
	j.sums = make([]float64, dict.Len())
	for code := range j.sums {
		j.sums[code], _ = query.Decimal(dict.Value(uint32(code)))
	}
}

// groups returns the groups of the keys of a value. Where every joined entry is read it makes them.
func (j *joinColumns) groups(code uint32) ([]int32, error) {
	switch j.hits[code] {
	case hitUnknown:
	case hitNone:
		return nil, nil
	case hitSeveral:
		return j.more[code], nil
	default:
		return j.hits[code : code+1], nil
	}
	var full error
	var several []int32
	j.hits[code] = hitNone
	err := eachKey(&j.run.to, j.c.Dict().Value(code), func(key []byte) {
		g, ok := j.run.groups[string(key)]
		if !ok && j.run.whole && full == nil {
			g, full = j.run.group(key)
			ok = full == nil
		}
		switch {
		case !ok:
		case j.hits[code] == hitNone:
			j.hits[code] = g
		default:
			if several == nil {
				several = []int32{j.hits[code]}
			}
			several = append(several, g)
		}
	})
	if several != nil {
		if j.more == nil {
			j.more = make(map[uint32][]int32)
		}
		j.hits[code], j.more[code] = hitSeveral, several
	}
	if err = firstError(err, full); err != nil {
		return nil, err
	}
	return j.groups(code)
}

// eachKey calls fn with the keys of an entry that has a value in the column that it is joined by.
func eachKey(k *joinKeys, v document.Value, fn func([]byte)) error {
	if k.names[0].Whole() && v.Kind() != document.Array {
		ok := false
		if k.one, ok = query.AppendMatchKey(k.one[:0], v); ok {
			k.key = appendPart(k.key[:0], k.one)
			fn(k.key)
		}
		return nil
	}
	k.column, k.value = true, v
	defer func() { k.column, k.value = false, document.Value{} }()
	return k.each(nil, fn)
}

// count returns how many joined entries some parent asks for.
func (j *joinColumns) count(rows column.Bits) (n int) {
	if j.c == nil {
		return 0
	}
	rows.Each(0, func(row int) bool {
		if hits, _ := j.groups(j.c.Code(row)); len(hits) > 0 {
			n++
		}
		return true
	})
	return n
}

// take takes joined entries into the groups of their keys, in default order.
func (j *joinColumns) take(ctx context.Context, rows column.Bits) (err error) {
	if j.c == nil {
		return nil
	}
	n := 0
	rows.Each(0, func(row int) bool {
		if n++; n%column.ChunkRows == 0 {
			if err = ctx.Err(); err != nil {
				return false
			}
		}
		var hits []int32
		if hits, err = j.groups(j.c.Code(row)); err == nil && len(hits) > 0 {
			err = j.child(row, hits)
		}
		return err == nil
	})
	return err
}

// child takes a joined entry into groups, as joinRun.child does.
func (j *joinColumns) child(row int, hits []int32) error {
	run := j.run
	taken := joinRow{place: place{0, j.view.table.ID(row)}}
	if run.c.kind == joinEntries {
		if run.order != nil {
			run.key = appendSortKey(run.key[:0], j.view.table, j.needs.order.keys, row)
			taken.key = run.arena.copy(run.key)
		}
	} else {
		if j.sum != nil {
			taken.value = j.sums[j.sum.Code(row)]
		}
		if run.tally(hits, taken.value) {
			return nil
		}
	}
	return run.add(taken, hits)
}

// joins adds what it takes to tell which parents have a match in every required join.
func (n *columnNeeds) joins(j *joiner) {
	if j == nil || n.refused() {
		return
	}
	for _, run := range j.runs {
		if !run.c.Required {
			continue
		}
		if len(run.from.names) != 1 {
			n.reason = "a required join is on several pairs"
			return
		}
		n.key(run.from.names[0])
	}
}

// narrow leaves the rows whose entries have a match in every required join.
func (j *joiner) narrow(ctx context.Context, p *columnPlan, hidden column.Hides) error {
	if j == nil {
		return nil
	}
	for _, run := range j.runs {
		if !run.c.Required {
			continue
		}
		number, absent, _ := run.from.names[0].Column()
		c := p.table.Column(number)
		if absent || hidden != nil && hidden(number) || c == nil {
			p.rows = column.NewBits(p.table.Rows())
			continue
		}
		if p.rows == nil {
			p.rows = p.table.All()
		}
		if err := run.narrowRows(ctx, p.rows, c); err != nil {
			return run.c.fault(err)
		}
		run.rd.ds.db.columns.joins.Add(1)
	}
	return nil
}

// narrowRows takes out the rows whose entries have no match.
func (run *joinRun) narrowRows(ctx context.Context, rows column.Bits, c *column.Column) (err error) {
	const unknown, no, yes = 0, 1, 2
	known := make([]uint8, c.Dict().Len())
	n := 0
	rows.Each(0, func(row int) bool {
		if n++; n%column.ChunkRows == 0 {
			if err = ctx.Err(); err != nil {
				return false
			}
		}
		code := c.Code(row)
		if known[code] == unknown {
			known[code] = no
			err = eachKey(&run.from, c.Dict().Value(code), func(key []byte) {
				if _, ok := run.find(key); ok {
					known[code] = yes
				}
			})
		}
		if known[code] == no {
			rows.Clear(row)
		}
		return err == nil
	})
	return err
}

// explainColumns notes the columns from which the joined entries are read, or why there are none.
func (run *joinRun) explainColumns(ctx context.Context) error {
	var n columnNeeds
	why := columnsMissing
	err := run.rd.slice(ctx, func(r storage.Reader) (err error) {
		if n = run.columnNeeds(); n.refused() {
			return nil
		}
		if set := run.rd.ds.db.columns.held(run.rd.ds.id); set != nil {
			_, why, err = run.rd.tableAt(ctx, r, set, n.numbers)
		}
		return err
	})
	if err != nil || n.few || run.rd.st.source.veil != nil {
		return err
	}
	names, note := n.explain(run.rd, why)
	run.columnNote = note
	if note == "" {
		run.columnNames = names
	}
	return nil
}
