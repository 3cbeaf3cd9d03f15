package siftdb

import (
	"cmp"
	"context"
	"encoding/binary"
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
	f := &joinFill{run: run, several: make(map[string]*Joined)}
	if run.c.kind == joinEntries {
		if err := f.readEntries(ctx); err != nil {
			return err
		}
	}
	for i := range run.ends {
		if i&255 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		set(i, *f.found(run.groupsOf(i)))
	}
	run.reset()
	return nil
}

// groupsOf returns the groups of a parent, ascending.
func (run *joinRun) groupsOf(parent int) []int32 {
	from := int32(0)
	if parent > 0 {
		from = run.ends[parent-1]
	}
	groups := run.refs[from:run.ends[parent]]
	slices.Sort(groups)
	return groups
}

// joinFill is one fill: what the parents at hand get. Parents with the same keys get
// the same lists.
type joinFill struct {
	run     *joinRun
	several map[string]*Joined // of parents with several keys, by their groups
	key     []byte
	joined  []Joined // room
	entries []*Entry // room
}

// fillRoom is how many results, and entries in them, are made at a time.
const fillRoom = 64

// found returns what a parent of some groups gets.
func (f *joinFill) found(groups []int32) *Joined {
	run := f.run
	switch len(groups) {
	case 0:
		return f.make(nil)
	case 1:
		g := &run.list[groups[0]]
		if g.built == nil {
			g.built = f.make(groups)
			run.shared = append(run.shared, groups[0])
		}
		return g.built
	}
	f.key = f.key[:0]
	for _, g := range groups {
		f.key = binary.LittleEndian.AppendUint32(f.key, uint32(g))
	}
	found := f.several[string(f.key)]
	if found == nil {
		found = f.make(groups)
		f.several[string(f.key)] = found
	}
	return found
}

// make works out what the parents of some groups get.
func (f *joinFill) make(groups []int32) *Joined {
	run := f.run
	if len(f.joined) == 0 {
		f.joined = make([]Joined, min(fillRoom, len(run.ends)))
	}
	j := &f.joined[0]
	f.joined = f.joined[1:]
	j.Name = run.c.Name
	if run.c.kind != joinEntries {
		j.Value = run.value(groups)
		return j
	}
	rows := run.rowsOf(groups)
	if len(rows) > len(f.entries) {
		f.entries = make([]*Entry, max(len(rows), min(fillRoom, len(run.ends))))
	}
	j.Entries, f.entries = f.entries[:len(rows):len(rows)], f.entries[len(rows):]
	if len(rows) == 0 {
		j.Entries = []*Entry{} // never nil
	}
	for i, n := range rows {
		row := &run.rows[n]
		j.Entries[i] = row.entry
		j.size += row.size
	}
	return j
}

// rowsOf returns the joined entries of a parent, in order, each once, and no more than
// the join's limit.
func (run *joinRun) rowsOf(groups []int32) []int32 {
	limit := run.c.query.limit
	var rows []int32
	switch len(groups) {
	case 0:
	case 1:
		rows = run.list[groups[0]].rows
	default:
		for _, g := range groups { // no more than limit of each can be wanted
			part := run.list[g].rows
			if limit >= 0 {
				part = part[:min(limit, len(part))]
			}
			rows = append(rows, part...)
		}
		slices.SortFunc(rows, run.compare)
		rows = slices.Compact(rows)
	}
	if limit >= 0 {
		rows = rows[:min(limit, len(rows))]
	}
	return rows
}

// value is what a join that asks for a value gives a parent.
func (run *joinRun) value(groups []int32) any {
	var t total
	if len(groups) == 1 {
		t = run.list[groups[0]].all
	} else {
		var rows []int32
		for _, g := range groups {
			t.add(run.list[g].single)
			rows = append(rows, run.list[g].rows...)
		}
		slices.Sort(rows)
		for _, n := range slices.Compact(rows) {
			t.add(total{1, run.rows[n].value})
		}
	}
	switch run.c.kind {
	case joinHas:
		return t.count > 0
	case joinCount:
		return t.count
	}
	return t.sum
}

// readEntries reads the joined entries that the parents will get and that were only
// taken down by id.
func (f *joinFill) readEntries(ctx context.Context) error {
	run := f.run
	var missing []int32
	seen := make(map[string]struct{})
	done := make([]bool, len(run.list))
	held := 0
	for i := range run.ends {
		if i&255 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		groups := run.groupsOf(i)
		if f.looked(groups, seen, done) {
			continue
		}
		rows := run.rowsOf(groups)
		for _, n := range rows {
			if row := &run.rows[n]; row.entry == nil && !row.wanted {
				row.wanted = true
				missing = append(missing, n)
			}
		}
		held += 8 * len(rows)
		if err := run.hold(8 * len(rows)); err != nil {
			return err
		}
	}
	run.noted += held
	return run.fetch(ctx, missing)
}

// looked reports whether a parent of the same groups came before.
func (f *joinFill) looked(groups []int32, seen map[string]struct{}, done []bool) bool {
	if len(groups) == 1 {
		was := done[groups[0]]
		done[groups[0]] = true
		return was
	}
	f.key = f.key[:0]
	for _, g := range groups {
		f.key = binary.LittleEndian.AppendUint32(f.key, uint32(g))
	}
	_, was := seen[string(f.key)]
	seen[string(f.key)] = struct{}{}
	return was
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
			run.copyEntry(row, rec)
			found++
		}
		return nil
	})
	if err == nil && found < len(rows) {
		err = errs.New(errs.Corrupt, "entry %d of data source %d is gone from the state that is read", ids[found], run.rd.ds.id)
	}
	return err
}

// forget forgets all parents and groups.
func (run *joinRun) forget() {
	run.refs, run.ends = run.refs[:0], run.ends[:0]
	clear(run.groups)
	run.list = run.list[:0]
	run.noted = 0
	_ = run.hold(-run.held)
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
	gone := run.noted
	if !run.whole {
		clear(run.groups)
		run.list, run.rows = run.list[:0], run.rows[:0]
		gone = run.held
	}
	run.noted = 0
	_ = run.hold(-gone)
}
