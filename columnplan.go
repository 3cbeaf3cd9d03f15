package siftdb

import (
	"context"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// columnPlan answers a query, or a part of it, from columns in memory.
type columnPlan struct {
	columnView
	rows  column.Bits // that match; nil is all that are there
	apart []apart     // matches among the moved entries
	exact bool        // nothing else is to be tested
	columnOrder
}

// columnOrder is the order that is wanted; none is the default one.
type columnOrder struct {
	keys []query.OrderColumn // the columns of the order; what is hidden is absent
	sort []column.SortColumn // those of them that tell entries apart
	byID bool                // there is an order, in which all are equal
}

// apart is a match that is not told by its row.
type apart struct {
	place
	key []byte // to sort by
}

// columnNeeds is what a query asks of columns.
type columnNeeds struct {
	shape   *query.Shape // nil for no condition
	exact   bool
	order   columnOrder
	numbers []uint16
	wanted  bool // columns are wanted themselves
	hidden  column.Hides
	few     bool   // there are so few entries that a scan is as quick
	reason  string // else, why columns cannot serve; empty when they can
}

// needs says what a query asks of columns, before it has asked for any.
func (rd *reading) needs() columnNeeds {
	n := columnNeeds{exact: true}
	src := rd.st.source
	if src.veil != nil { // what is hidden is absent
		n.hidden = func(number uint16) bool { return src.veil.hides(src.names.Name(number)) }
	}
	switch {
	case rd.ds.db.wanted() == accessScan:
		n.reason = "a scan is wanted"
	case rd.sight.filters():
		n.reason = "views look at columns that are excluded"
	case rd.ds.db.opts.ColumnBytes < 0:
		n.reason = "Options.ColumnBytes allows none"
	case rd.st.head.Count < rd.ds.db.columns.from:
		n.few = true
		rd.ds.db.columns.forget(rd.ds.id)
	}
	return n
}

// filter adds what a where, and an order if there is one, ask of columns.
func (n *columnNeeds) filter(where *query.Matcher, order *query.BoundOrder) {
	if n.refused() {
		return
	}
	if !where.MatchesAll() {
		var rest *query.Matcher
		if n.shape, rest = where.Shape(); n.shape == nil {
			n.reason = "no condition is on one column"
			return
		}
		n.exact = rest == nil
		n.numbers = column.Needs(n.numbers, n.shape, n.hidden)
	}
	if order == nil {
		if n.shape == nil && !n.wanted {
			n.reason = "there is no condition and no order"
		}
		return
	}
	keys, ok := order.Columns()
	switch {
	case !ok:
		n.reason = "the order is not by columns alone"
	case !n.exact:
		n.reason = "some conditions are not on one column"
	default:
		n.sortBy(keys)
	}
}

// sortBy adds what an order asks of columns. A column that stands in it twice counts once.
func (n *columnNeeds) sortBy(keys []query.OrderColumn) {
	n.order.keys = keys
	for i := range keys {
		k := &keys[i]
		if k.Absent = k.Absent || n.hides(k.Number); k.Absent {
			continue
		}
		if !slices.ContainsFunc(n.order.sort, func(c column.SortColumn) bool { return c.Number == k.Number }) {
			n.order.sort = append(n.order.sort, column.SortColumn{Number: k.Number, Desc: k.Desc})
			n.numbers = append(n.numbers, k.Number)
		}
	}
	n.order.byID = len(n.order.sort) == 0
}

// columns adds columns that are wanted themselves.
func (n *columnNeeds) columns(src *source, names []string) {
	for _, name := range names {
		number, ok := src.names.Lookup(name)
		switch {
		case !ok && src.names.Len() >= document.MaxNames:
			n.reason = "a column stands in the entries by its name"
		case ok && !n.hides(number):
			n.numbers = append(n.numbers, number)
		}
		n.wanted = true
	}
}

// hides reports whether a column counts as absent.
func (n *columnNeeds) hides(number uint16) bool { return n.hidden != nil && n.hidden(number) }

func (n *columnNeeds) refused() bool { return n.few || n.reason != "" }

// table looks for the table that has what is needed, as needs tells in the first slice, and has
// took take what it needs of the store in the same slice. It reports whether there is one.
func (rd *reading) table(ctx context.Context, needs func(storage.Reader) (columnNeeds, error), took func(storage.Reader, columnNeeds, columnView) error) (bool, error) {
	var set *columnSet
	var n columnNeeds
	why := columnsMissing
	look := func(r storage.Reader) (err error) {
		if n, err = needs(r); err != nil || n.refused() {
			return err
		}
		slices.Sort(n.numbers)
		n.numbers = slices.Compact(n.numbers)
		if set == nil {
			set = rd.ds.db.columns.use(rd.ds.id, n.numbers)
		}
		var v columnView
		if v, why, err = rd.tableAt(ctx, r, set, n.numbers); err == nil && why == columnsThere {
			err = took(r, n, v)
		}
		return err
	}
	for asked, tries := false, 0; ; tries++ {
		if err := rd.slice(ctx, look); err != nil || n.refused() {
			return false, err
		}
		switch {
		case why == columnsThere:
			return true, nil
		case why == columnsAhead && tries < 10: // the next slice is not behind, unless somebody was quicker again
		case why != columnsMissing || asked:
			return false, nil
		default:
			asked = true
			if b := rd.ds.db.askColumns(set, n.numbers, rd.st.head.Count); b == nil || !b.wait(ctx) {
				return false, nil
			}
		}
	}
}

// columns looks for columns that answer a query, which bind binds in the first slice and then
// tells. It returns nil when there are none.
// names are columns that must be there beside those that it takes to answer.
func (rd *reading) columns(ctx context.Context, bind func(storage.Reader) (*matching, *query.BoundOrder, error), names ...string) (*columnPlan, error) {
	var m *matching
	var order *query.BoundOrder
	var n columnNeeds
	p := &columnPlan{}
	ok, err := rd.table(ctx, func(r storage.Reader) (_ columnNeeds, err error) {
		if m, order, err = bind(r); err != nil {
			return columnNeeds{}, err
		}
		needs := rd.needs()
		needs.columns(rd.st.source, names)
		needs.joins(m.required)
		needs.filter(m.where, order)
		return needs, nil
	}, func(r storage.Reader, needs columnNeeds, v columnView) error {
		n, p.columnView = needs, v
		return p.matchMoved(ctx, r, rd, m, order)
	})
	if err != nil || !ok {
		return nil, err
	}
	p.exact, p.columnOrder = n.exact, n.order
	if n.shape != nil {
		if p.rows, err = p.table.Select(ctx, n.shape, n.hidden); err != nil {
			return nil, ctx.Err() // what else is wrong the scan tells, and of which entry
		}
		rd.ds.db.columns.measure(rd.ds.id) // texts are held in lower case too, maybe
	}
	if err := m.required.narrow(ctx, p, n.hidden); err != nil {
		return nil, err
	}
	if p.rows == nil && len(p.moved) > 0 {
		p.rows = p.table.All()
	}
	for _, id := range p.moved {
		if row, ok := p.table.Row(id); ok {
			p.rows.Clear(row)
		}
	}
	return p, nil
}

// matchMoved tests the moved entries as they are in the state that is read.
func (p *columnPlan) matchMoved(ctx context.Context, r storage.Reader, rd *reading, m *matching, order *query.BoundOrder) error {
	p.apart = nil
	return rd.eachMoved(ctx, r, p.columnView, func(rec *layout.Record) error {
		ok, err := m.match(rec)
		if ok && m.required != nil {
			ok, err = m.required.passes(m)
		}
		if !ok {
			return err
		}
		a := apart{place: place{rec.OrderValue(), rec.ID}}
		if order != nil {
			a.key = order.AppendKey(nil, &m.rec)
		}
		p.apart = append(p.apart, a)
		return nil
	})
}

// eachMoved calls fn with the moved entries that are there in the state that is read.
func (rd *reading) eachMoved(ctx context.Context, r storage.Reader, v columnView, fn func(*layout.Record) error) error {
	for i, id := range v.moved {
		if i%256 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		var rec layout.Record
		ok, err := history.StateAt(r, rd.ds.id, id, rd.st.commit, &rec)
		if err == nil && ok {
			rd.st.source.lift(&rec)
			err = fn(&rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count returns how many matches there are; proposals, when the plan is not exact.
func (p *columnPlan) count() int {
	if p.rows == nil {
		return p.table.Live()
	}
	return p.rows.Count() + len(p.apart)
}

// pick returns what the plan says of entries, to be asked by ascending id.
func (p *columnPlan) pick() func(id int64) query.Verdict {
	row := 0
	return func(id int64) query.Verdict {
		for row < p.table.Rows() && p.table.ID(row) < id {
			row++
		}
		switch {
		case row == p.table.Rows() || p.table.ID(row) != id || p.rows == nil:
			return query.Unsure
		case !p.rows.Has(row):
			if _, moved := slices.BinarySearch(p.moved, id); !moved {
				return query.No
			}
		case p.exact:
			return query.Yes
		}
		return query.Unsure
	}
}

// ids returns the entries in the order wanted, after the first skip, at most most of them;
// below 0 is all.
func (p *columnPlan) ids(skip, most int) []int64 {
	n := max(p.count()-skip, 0)
	if most >= 0 {
		n = min(n, most)
	}
	ids := make([]int64, 0, n)
	if n == 0 {
		return ids
	}
	for id := range p.all(&skip) {
		if skip--; skip < 0 {
			if ids = append(ids, id); len(ids) == n {
				break
			}
		}
	}
	return ids
}

// byColumns looks for columns that answer the query.
func (f *finder) byColumns(ctx context.Context) (*columnPlan, error) {
	if f.joins.required() {
		f.m.required = f.joins
	}
	return f.rd.columns(ctx, func(r storage.Reader) (*matching, *query.BoundOrder, error) {
		if err := f.bind(r); err != nil {
			return nil, nil, err
		}
		return &f.m, f.order, nil
	})
}

// selective reports whether reading the entries of a plan one by one is quicker than a scan
// of all.
func (f *finder) selective(p *columnPlan) bool {
	const scanned = 12 // entries of a scan in the time of one by id
	wanted := p.count()
	if p.exact && f.seen == nil && f.left >= 0 {
		wanted = min(wanted, f.left)
	}
	return wanted*scanned < p.table.Live()
}

// planned yields the entries that a plan finds.
func (f *finder) planned(ctx context.Context, p *columnPlan) iter.Seq2[*Entry, error] {
	skip, most := 0, -1
	if p.exact && f.seen == nil {
		if f.count {
			f.total, f.count = int64(p.count()), false
		}
		skip, most, f.skip = f.skip, f.left, 0
	}
	ids := p.ids(skip, most)
	if len(p.sort) > 0 {
		f.rd.ds.db.columns.measure(f.ds.id)
	}
	if len(p.sort) > 1 {
		f.rd.ds.db.columns.orders.Add(1)
	}
	return f.fetched(ctx, ids, !p.exact)
}

// explainColumns tells of columns: those that answer the query, or why none do. Behind a veil
// it says nothing.
func (f *finder) explainColumns(ctx context.Context, p *Plan) {
	var n columnNeeds
	why := columnsMissing
	err := f.rd.slice(ctx, func(r storage.Reader) (err error) {
		n = f.rd.needs()
		if n.columns(f.rd.st.source, f.wanted); n.refused() {
			return nil
		}
		if f.joins.required() {
			n.joins(f.joins)
		}
		if n.filter(f.m.where, f.order); n.refused() {
			return nil
		}
		if set := f.rd.ds.db.columns.held(f.ds.id); set != nil {
			_, why, err = f.rd.tableAt(ctx, r, set, n.numbers)
		}
		return err
	})
	if err != nil || n.few || f.rd.st.source.veil != nil {
		return
	}
	names, note := n.explain(f.rd, why)
	if note == "" {
		p.Step, p.Detail = "columns", names+" of "+p.Detail
		return
	}
	p.Notes = append(p.Notes, note)
}

// explain names the columns that are needed, and says why they do not serve if they do not.
func (n *columnNeeds) explain(rd *reading, why columnsWhy) (names, note string) {
	slices.Sort(n.numbers)
	n.numbers = slices.Compact(n.numbers)
	list := make([]string, len(n.numbers))
	for i, number := range n.numbers {
		list[i] = rd.st.source.names.Name(number)
	}
	names = quoteAll(list)
	switch {
	case n.reason != "":
		note = "columns in memory do not serve: " + n.reason
	case why == columnsThere:
	case why == columnsMissing:
		note = rd.ds.db.columns.explain(rd.ds.id, n.numbers, names)
	default:
		note = "columns in memory do not serve: too much has been written since the state that is read"
	}
	return names, note
}
