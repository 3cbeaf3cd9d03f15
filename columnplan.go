package siftdb

import (
	"context"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// columnPlan answers a query, or a part of it, from columns in memory.
type columnPlan struct {
	table *column.Table
	rows  column.Bits // that match; nil is all that are there
	exact bool        // nothing else is to be tested
	sort  uint16      // the column to sort by
	desc  bool
	sorts bool
}

// columnNeeds is what a query asks of columns.
type columnNeeds struct {
	shape   *query.Shape // nil for no condition
	exact   bool
	sort    uint16
	desc    bool
	sorts   bool
	numbers []uint16
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
	case rd.ds.at.kind != latest:
		n.reason = "columns are held of the latest state only"
	case rd.st.head.Ordered > 0:
		n.reason = "columns are not held of a data source whose entries have an order of their own"
	case rd.sight.filters():
		n.reason = "views look at columns that are excluded"
	case rd.ds.db.opts.ColumnBytes < 0:
		n.reason = "Options.ColumnBytes allows none"
	case rd.st.head.Count < rd.ds.db.columns.from:
		n.few = true
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
		n.numbers = column.Needs(nil, n.shape, n.hidden)
	}
	if order == nil {
		if n.shape == nil {
			n.reason = "there is no condition and no order"
		}
		return
	}
	number, desc, absent, ok := order.Column()
	switch {
	case !ok:
		n.reason = "the order is not by one column"
	case !n.exact:
		n.reason = "some conditions are not on one column"
	case !absent && (n.hidden == nil || !n.hidden(number)): // else all are equal, and the id counts
		n.sort, n.desc, n.sorts = number, desc, true
		n.numbers = append(n.numbers, number)
	}
}

func (n *columnNeeds) refused() bool { return n.few || n.reason != "" }

// table returns the table that has what is needed, as needs tells in the first slice; nil when
// there is none.
func (rd *reading) table(ctx context.Context, needs func(storage.Reader) (columnNeeds, error)) (t *column.Table, n columnNeeds, err error) {
	var set *columnSet
	last := int64(-1)
	look := func(r storage.Reader) error {
		if n, err = needs(r); err != nil || n.refused() {
			return err
		}
		if last < 0 {
			last = rd.st.head.Last
		}
		if rd.st.head.Last != last || last > rd.st.commit {
			return nil // somebody wrote while columns were read
		}
		slices.Sort(n.numbers)
		n.numbers = slices.Compact(n.numbers)
		set = rd.ds.db.columns.of(rd.ds.id)
		t, err = rd.ds.db.tableAt(r, set, rd.ds.id, rd.st.head, rd.st.source.names, n.numbers)
		return err
	}
	if err := rd.slice(ctx, look); err != nil || set == nil {
		return nil, n, err
	}
	if build := rd.ds.db.columns.ask(set, n.numbers); t == nil && len(build) > 0 {
		if err := rd.ds.db.buildTable(ctx, set, rd.ds.id, build); err != nil {
			return nil, n, err
		}
		if err := rd.slice(ctx, look); err != nil {
			return nil, n, err
		}
	}
	return t, n, nil
}

// columns looks for columns that answer a query, which bind binds in the first slice and then
// tells. It returns nil when there are none.
func (rd *reading) columns(ctx context.Context, bind func(storage.Reader) (*query.Matcher, *query.BoundOrder, error)) (*columnPlan, error) {
	t, n, err := rd.table(ctx, func(r storage.Reader) (columnNeeds, error) {
		where, order, err := bind(r)
		if err != nil {
			return columnNeeds{}, err
		}
		n := rd.needs()
		n.filter(where, order)
		return n, nil
	})
	if err != nil || t == nil {
		return nil, err
	}
	p := &columnPlan{table: t, exact: n.exact, sort: n.sort, desc: n.desc, sorts: n.sorts}
	if n.shape != nil {
		rows, ok := t.Select(n.shape, n.hidden)
		if !ok {
			return nil, nil // the scan says of which entry
		}
		p.rows = rows
	}
	return p, nil
}

// count returns how many rows there are.
func (p *columnPlan) count() int {
	if p.rows == nil {
		return p.table.Live()
	}
	return p.rows.Count()
}

// pick returns what the plan says of entries, to be asked by ascending id.
func (p *columnPlan) pick() func(id int64) query.Verdict {
	row := 0
	return func(id int64) query.Verdict {
		for row < p.table.Rows() && p.table.ID(row) < id {
			row++
		}
		switch {
		case row == p.table.Rows() || p.table.ID(row) != id:
			return query.Unsure
		case !p.rows.Has(row):
			return query.No
		case p.exact:
			return query.Yes
		}
		return query.Unsure
	}
}

// matches is count of a plan that there may not be.
func (p *columnPlan) matches() int64 {
	if p == nil {
		return 0
	}
	return int64(p.count())
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
	rows := p.rows
	if rows == nil {
		rows = p.table.All()
	}
	take := func(row int) bool {
		if skip--; skip < 0 {
			ids = append(ids, p.table.ID(row))
		}
		return len(ids) < n
	}
	if !p.sorts {
		rows.Each(0, take)
		return ids
	}
	for _, row := range p.table.Sorted(p.sort, p.desc) {
		if rows.Has(int(row)) && !take(int(row)) {
			break
		}
	}
	return ids
}

// byColumns looks for columns that answer the query.
func (f *finder) byColumns(ctx context.Context) (*columnPlan, error) {
	if f.joins.required() {
		return nil, nil
	}
	return f.rd.columns(ctx, func(r storage.Reader) (*query.Matcher, *query.BoundOrder, error) {
		if err := f.bind(r); err != nil {
			return nil, nil, err
		}
		var order *query.BoundOrder
		if len(f.c.order) > 0 {
			order = f.c.order.Bind(f.rd.st.source.schema())
		}
		return f.m.where, order, nil
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
	return f.fetched(ctx, p.ids(skip, most), !p.exact)
}

// explain tells of columns: those that answer the query, or why none do. Behind a veil it says
// nothing.
func (f *finder) explainColumns(p *Plan) {
	n := f.rd.needs()
	if n.few || f.rd.st.source.veil != nil || f.joins.required() {
		return
	}
	var order *query.BoundOrder
	if len(f.c.order) > 0 {
		order = f.c.order.Bind(f.rd.st.source.schema())
	}
	if n.filter(f.m.where, order); n.reason != "" {
		p.Notes = append(p.Notes, "columns in memory do not serve: "+n.reason)
		return
	}
	names := make([]string, len(n.numbers))
	for i, number := range n.numbers {
		names[i] = f.rd.st.source.names.Name(number)
	}
	if f.rd.ds.db.columns.holds(f.ds.id, n.numbers) {
		p.Step, p.Detail = "columns", quoteAll(names)+" of "+p.Detail
		return
	}
	p.Notes = append(p.Notes, "the columns "+quoteAll(names)+" are read into memory when a second query asks for them")
}
