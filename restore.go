package siftdb

import (
	"bytes"
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// Restore makes the entries and columns exactly those of a version, as one write:
// same ids, data, order and times; entries that are not in it are removed (spec
// 9.4). It returns the version that it leaves, so that it can be undone; 0 when
// there was nothing to change. It costs what the difference costs. Entries that come back, and
// those that go, are written in several transactions where they are many, so they take little
// memory; entries that are in both, and differ, are written in one.
func (ds *DataSource) Restore(ctx context.Context, version int64, options ...WriteOption) (int64, error) {
	if err := ds.writable(); err != nil {
		return 0, err
	}
	last, err := ds.restoring(ctx, version)
	if err != nil {
		return 0, err
	}
	opts, err := ds.db.writable(options)
	if err != nil {
		return 0, err
	}
	if opts.ifChanged == 0 {
		large, err := ds.restoresMuch(ctx, version)
		if err != nil {
			return 0, err
		}
		if large {
			return ds.stageRestore(ctx, version, last, opts)
		}
	}
	return ds.db.write(ctx, options, func(t *tx) error {
		st, v, err := ds.restoreOf(t, version, last)
		if err != nil {
			return err
		}
		return st.restore(v)
	})
}

// restoreOf begins to restore a version. last is the commit that rules were asked about, or -1.
func (ds *DataSource) restoreOf(t *tx, version, last int64) (*sourceTx, *history.Version, error) {
	st, err := t.source(ds.id, false)
	if err != nil {
		return nil, nil, err
	}
	if last >= 0 && st.head.Last != last {
		return nil, nil, ds.overtaken()
	}
	v, err := history.Read(t.w, ds.id, version)
	if err != nil {
		return nil, nil, err
	}
	if v == nil {
		return nil, nil, unknownVersion(ds.id, version)
	}
	st.begin("pre-restore")
	return st, v, nil
}

// restore writes back what has been touched since a version.
func (st *sourceTx) restore(v *history.Version) error {
	ids, err := touchedSet(st.t.w, st.id, v.ID, 0)
	if err != nil {
		return err
	}
	for id := range ids.All() {
		if err := st.restoreEntry(id, v.ID-1); err != nil {
			return err
		}
	}
	return st.restoreColumns(v)
}

// restoreColumns brings the list of columns of a version back.
func (st *sourceTx) restoreColumns(v *history.Version) error {
	columns, err := layout.ReadColumns(st.t.w, st.id, v.Columns)
	if err != nil {
		return err
	}
	if !slices.Equal(columns, st.src.columns) || (columns == nil) != (st.src.columns == nil) {
		st.src.setColumns(columns)
		st.columnsMoved = true
	}
	return nil
}

// restoreEntry gives an entry the state that it had after a commit.
func (st *sourceTx) restoreEntry(id, commit int64) error {
	var now, then layout.Record
	exists, err := st.get(id, &now)
	if err != nil {
		return err
	}
	existed, err := history.StateAt(st.t.w, st.id, id, commit, &then)
	if err != nil {
		return err
	}
	switch {
	case existed && !exists:
		then.Born, then.Changed = st.t.commit(), st.t.commit()
		return st.add(&then)
	case existed && !sameState(&now, &then):
		then.Born, then.Changed = now.Born, st.t.commit()
		return st.replace(&now, &then)
	case exists && !existed:
		return st.remove(&now)
	}
	return nil
}

// sameState reports whether two records of an entry look the same to a caller.
func sameState(a, b *layout.Record) bool {
	return bytes.Equal(a.Doc, b.Doc) && bytes.Equal(a.Order, b.Order) && a.CreatedAt == b.CreatedAt && a.UpdatedAt == b.UpdatedAt
}

// restorePlan says what a restore does to which entries.
type restorePlan struct {
	back   history.IDSet // come back
	change history.IDSet // are in both states, and were touched between
	gone   history.IDSet // are not in the version
	weight int64         // of those that come or go
}

// find finds out about entries, until the weight of what comes and goes is above some bytes.
func (p *restorePlan) find(r storage.Reader, source, commit int64, touched history.IDSet, most int64) error {
	var now, then layout.Record
	for id := range touched.All() {
		key := layout.EntryKey(source, id)
		value, err := r.Get(layout.Entries, key)
		if err == nil && value != nil {
			err = now.DecodeEntry(key, value)
		}
		if err != nil {
			return err
		}
		existed, err := history.StateAt(r, source, id, commit, &then)
		if err != nil {
			return err
		}
		switch {
		case existed && value != nil:
			p.change = p.change.Add(id)
		case existed:
			p.back, p.weight = p.back.Add(id), p.weight+rowWeight+int64(len(then.Doc))
		case value != nil:
			p.gone, p.weight = p.gone.Add(id), p.weight+rowWeight+int64(len(value))
		}
		if p.weight > most {
			return nil
		}
	}
	return nil
}

// restoresMuch reports whether so many entries come or go that it takes several transactions.
func (ds *DataSource) restoresMuch(ctx context.Context, version int64) (bool, error) {
	var p restorePlan
	most := ds.db.sizes.from
	err := ds.db.view(ctx, func(r storage.Reader) error {
		touched, err := touchedSet(r, ds.id, version, 0)
		if err != nil {
			return err
		}
		return p.find(r, ds.id, version-1, touched, most)
	})
	return p.weight > most, err
}
