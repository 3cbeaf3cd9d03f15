package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// columnView is a table with what it takes to read a state from it that is not newer.
type columnView struct {
	table *column.Table
	moved []int64 // entries touched after the state, up to the table's, ascending: of these it tells nothing
}

// columnsWhy says why there is no table for a state.
type columnsWhy int

const (
	columnsThere   columnsWhy = iota
	columnsMissing            // they are not held
	columnsAhead              // the table is of a later moment than the transaction
	columnsFar                // too much has changed in between
)

// tableAt returns the table of a data source for the state that is read. It is brought up to
// date first, where it is older.
func (rd *reading) tableAt(ctx context.Context, r storage.Reader, set *columnSet, numbers []uint16) (v columnView, why columnsWhy, err error) {
	head, commit := &rd.st.head, rd.st.commit
	t := set.table.Load()
	if !t.Has(numbers...) {
		return v, columnsMissing, nil
	}
	if t.Commit < min(head.Last, commit) {
		if t, err = rd.refreshTable(ctx, r, set); err != nil {
			return v, columnsMissing, err
		}
	}
	switch {
	case !t.Has(numbers...):
		return v, columnsMissing, nil
	case t.Commit > head.Last:
		return v, columnsAhead, nil
	case t.Commit == head.Last && int64(t.Live()) != head.Count: // never seen
		rd.ds.db.columns.keep(set, nil)
		return v, columnsMissing, nil
	}
	v.table = t
	if t.Commit > commit {
		ids, ok, err := changedIDs(ctx, r, rd.ds.id, commit+1, t.Commit, mostMoved(t))
		if err != nil || !ok {
			return v, columnsFar, err
		}
		v.moved = ids
	}
	return v, columnsThere, nil
}

// refreshTable brings the table up to date, and returns it; nil when it is better read anew.
func (rd *reading) refreshTable(ctx context.Context, r storage.Reader, set *columnSet) (*column.Table, error) {
	set.updating.Lock()
	defer set.updating.Unlock()
	t := set.table.Load()
	if t == nil || t.Commit >= rd.st.head.Last { // somebody else did
		return t, nil
	}
	next, err := catchUp(ctx, r, t, rd.ds.id, rd.st.head, rd.st.source.names)
	if err != nil {
		return nil, err
	}
	rd.ds.db.columns.keep(set, next)
	return next, nil
}

// mostMoved is how many entries a table catches up with at most: beyond, reading it anew, or a
// scan, is about as quick.
func mostMoved(t *column.Table) int { return 1024 + t.Rows()/16 }

// changedIDs lists the entries that some commits touched, ascending; ok is false when they are too
// many.
func changedIDs(ctx context.Context, r storage.Reader, source, from, to int64, most int) (ids []int64, ok bool, err error) {
	for v, err := range history.Range(r, source, from, 0, false) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, false, err
		}
		if v.ID > to {
			break
		}
		for _, set := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
			if int64(len(ids))+set.Len() > int64(most) {
				return nil, false, nil
			}
			ids = slices.AppendSeq(ids, set.All())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), true, nil
}

// catchUp returns a table as it is at a head, nil when it is better read anew.
func catchUp(ctx context.Context, r storage.Reader, t *column.Table, id int64, head layout.Head, names *document.Names) (*column.Table, error) {
	if t.Commit >= head.Last {
		return t, nil
	}
	if head.Floor > t.Commit {
		return nil, nil
	}
	ids, ok, err := changedIDs(ctx, r, id, t.Commit+1, head.Last, mostMoved(t))
	if err != nil || !ok {
		return nil, err
	}
	changes := make([]column.Change, len(ids))
	var rec layout.Record
	for i, entry := range ids {
		if i%256 == 255 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		there, err := history.Now(r, id, entry, head.Last, &rec)
		if err != nil {
			return nil, err
		}
		if changes[i] = (column.Change{ID: entry, Gone: !there}); there {
			changes[i].Order, changes[i].Doc = rec.OrderValue(), document.Stored(rec.Doc, names)
		}
	}
	return t.Apply(head.Last, changes), nil
}
