package siftdb

import (
	"cmp"
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
)

// fill reads what the parents noted ask for and sets what each of them found.
func (run *joinRun) fill(ctx context.Context, set func(parent int, found Joined)) error {
	if !run.whole {
		if err := run.readNoted(ctx); err != nil {
			return err
		}
	}
	if run.c.kind == joinEntries {
		if err := run.fillEntries(ctx, set); err != nil {
			return err
		}
	} else {
		for i := range run.ends {
			set(i, Joined{Name: run.c.Name, Value: run.value(run.groupsOf(i))})
		}
	}
	run.reset()
	return nil
}

// groupsOf returns the groups of a parent.
func (run *joinRun) groupsOf(parent int) []int32 {
	from := int32(0)
	if parent > 0 {
		from = run.ends[parent-1]
	}
	return run.refs[from:run.ends[parent]]
}

// rowsOf returns the joined entries of a parent, in order, each once.
func (run *joinRun) rowsOf(groups []int32) []int32 {
	switch len(groups) {
	case 0:
		return nil
	case 1:
		return run.list[groups[0]].rows
	}
	var rows []int32
	for _, g := range groups {
		rows = append(rows, run.list[g].rows...)
	}
	slices.SortFunc(rows, run.compare)
	return slices.Compact(rows)
}

// value is what a join that asks for a value gives a parent.
func (run *joinRun) value(groups []int32) any {
	var count int64
	var sum float64
	for _, g := range groups {
		count += run.list[g].count
		sum += run.list[g].sum
	}
	for _, row := range run.rowsOf(groups) {
		count++
		sum += run.rows[row].value
	}
	switch run.c.kind {
	case joinHas:
		return count > 0
	case joinCount:
		return count
	}
	return sum
}

// fillEntries gives each parent its joined entries. A list that several parents
// share is made once.
func (run *joinRun) fillEntries(ctx context.Context, set func(int, Joined)) error {
	lists := make([][]int32, len(run.ends))
	var missing []int32
	transient := 0
	for i := range lists {
		groups := run.groupsOf(i)
		if len(groups) == 1 && run.list[groups[0]].built != nil {
			continue
		}
		rows := run.rowsOf(groups)
		if limit := run.c.query.limit; limit >= 0 {
			rows = rows[:min(limit, len(rows))]
		}
		lists[i] = rows
		for _, n := range rows {
			if row := &run.rows[n]; row.entry == nil && !row.wanted {
				row.wanted = true
				missing = append(missing, n)
			}
		}
		if len(groups) == 1 {
			run.list[groups[0]].built = make([]*Entry, len(rows))
			run.shared = append(run.shared, groups[0])
		}
		transient += 8 * len(rows)
		if err := run.hold(8 * len(rows)); err != nil {
			return err
		}
	}
	run.hold(-transient)
	if err := run.fetch(ctx, missing); err != nil {
		return err
	}
	for i, rows := range lists {
		var list []*Entry
		if groups := run.groupsOf(i); len(groups) == 1 {
			list = run.list[groups[0]].built
		} else {
			list = make([]*Entry, len(rows))
		}
		for n, row := range rows {
			list[n] = run.rows[row].entry
		}
		set(i, Joined{Name: run.c.Name, Entries: slices.Clip(list)})
	}
	return nil
}

// fetch reads joined entries that were only taken down by id.
func (run *joinRun) fetch(ctx context.Context, rows []int32) error {
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Compare(run.rows[a].place.id, run.rows[b].place.id) })
	ids := make([]int64, len(rows))
	for i, n := range rows {
		ids[i] = run.rows[n].place.id
	}
	run.fetched = rows
	found := 0
	err := run.each(ctx, ids, func(rec *layout.Record) error {
		if row := &run.rows[rows[found]]; row.place.id == rec.ID {
			row.entry = run.copyEntry(rec)
			found++
		}
		return nil
	})
	if err == nil && found < len(rows) {
		err = errs.New(errs.Corrupt, "entry %d of data source %d is gone from the state that is read", ids[found], run.rd.ds.id)
	}
	return err
}

// reset forgets the parents, and what was read for them alone.
func (run *joinRun) reset() {
	run.refs, run.ends = run.refs[:0], run.ends[:0]
	for _, g := range run.shared {
		run.list[g].built = nil
	}
	for _, row := range run.fetched {
		run.rows[row].entry, run.rows[row].wanted = nil, false
	}
	run.shared, run.fetched = run.shared[:0], nil
	if !run.whole {
		clear(run.groups)
		run.list, run.rows = run.list[:0], run.rows[:0]
		run.hold(-run.held)
	}
}
