package siftdb

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// staging is a bulk write that is too large for one transaction. While it lasts nobody
// else writes, so the id of its commit is known from the beginning. Its rows, and the
// images of what it replaces, are written in as many transactions as it takes; the
// counters of the data source and of the store stay as they are. So nobody sees the
// rows: their ids are not given out yet, and they are touched by a commit that is to
// come. The last transaction moves the counters, which makes all of it count at once.
//
// A mark in the catalog tells that there are such rows. When a staging fails they are
// swept before anybody else writes, after a crash as the database is opened.
type staging struct {
	ds *DataSource
	t  *tx // what it has come to; the transactions work on copies
}

// stage makes a bulk write in several transactions.
func (ds *DataSource) stage(ctx context.Context, g *gathered, b bulkWrite, opts writeOptions) (result BulkResult, err error) {
	s, commit, err := ds.staged(ctx, opts, func(s *staging) (int64, error) { return s.run(ctx, g, b) })
	if err != nil {
		return result, err
	}
	result.IDs = make([]int64, 0, g.count)
	for id := range s.t.sources[ds.id].inserted.All() {
		result.IDs = append(result.IDs, id)
	}
	result.Version = commit
	return result, nil
}

// staged makes a write in several transactions, with what run does in the middle.
func (ds *DataSource) staged(ctx context.Context, opts writeOptions, run func(*staging) (int64, error)) (s *staging, commit int64, err error) {
	db := ds.db
	if err := db.turnstile.close(ctx); err != nil {
		return nil, 0, err
	}
	defer db.turnstile.open()
	if err := db.sweepStaged(ctx); err != nil {
		return nil, 0, err
	}
	s = &staging{ds: ds, t: &tx{db: db, opts: opts, staged: true}}
	db.unswept.Store(true) // as long as there is a mark
	if commit, err = run(s); err != nil {
		return nil, 0, errors.Join(err, ignoreClosed(db.sweepStaged(context.WithoutCancel(ctx))))
	}
	db.unswept.Store(false)
	db.wrote(s.t, commit)
	return s, commit, nil
}

// ignoreClosed leaves out that nothing can be swept, where the next open does it.
func ignoreClosed(err error) error {
	if errors.Is(err, ErrClosed) || errors.Is(err, ErrReadOnly) {
		return nil
	}
	return err
}

func (s *staging) run(ctx context.Context, g *gathered, b bulkWrite) (commit int64, err error) {
	err = s.step(ctx, func(t *tx) error {
		if err := t.begin(); err != nil {
			return err
		}
		st, err := t.source(s.ds.id, false)
		if err != nil {
			return err
		}
		if err := b.hooks.confirm(st); err != nil {
			return err
		}
		if st.begin("import"); b.commit {
			st.begin("commit")
			st.label = b.label
		}
		st.nameColumns(b)
		if b.replace {
			if err := st.renewIndexes(); err != nil {
				return err
			}
		}
		return layout.WriteStaged(t.w, st.id, nil)
	})
	for r, failed := range g.batches(s.ds.db.sizes.bytes) {
		if err == nil {
			err = failed
		}
		if err == nil {
			err = s.step(ctx, func(t *tx) error {
				st := t.sources[s.ds.id]
				if _, err := st.insertAnew(r); err != nil {
					return err
				}
				return st.writeIndexes()
			})
		}
		if err != nil {
			return 0, err
		}
	}
	if err == nil && b.replace {
		err = s.images(ctx)
	}
	if err != nil {
		return 0, err
	}
	return s.publish(ctx, func(st *sourceTx) error {
		if b.replace {
			return st.removeAll(nil, nil)
		}
		return nil
	})
}

// publish is the last transaction: what all of them have written counts from then on. fn is what
// there is left to do to entries.
func (s *staging) publish(ctx context.Context, fn func(*sourceTx) error) (commit int64, err error) {
	err = s.step(ctx, func(t *tx) error {
		t.staged = false
		st := t.sources[s.ds.id]
		if err := fn(st); err != nil {
			return err
		}
		if err := st.swapIndexes(); err != nil {
			return err
		}
		if err := t.w.Delete(layout.Catalog, layout.StagedKey(st.id)); err != nil {
			return err
		}
		t.now = max(t.now, t.db.opts.Now().UnixMilli()) // it is only seen from now on
		commit, err = t.finish()
		return err
	})
	return commit, err
}

// insertAnew is insertAll for rows whose names may have moved.
func (st *sourceTx) insertAnew(r *rows) ([]layout.Record, error) {
	docs, err := st.confirm(r)
	if errors.Is(err, errStale) {
		if r, err = restate(r, st.src.names); err == nil {
			docs, err = st.confirm(r)
		}
	}
	if err != nil {
		return nil, err
	}
	return st.insertDocs(docs, nil)
}

// images writes the images of all entries that the data source has.
func (s *staging) images(ctx context.Context) error {
	for next, done := int64(0), false; !done; {
		from := next
		err := s.step(ctx, func(t *tx) (err error) {
			next, done, err = t.sources[s.ds.id].imagesFrom(from)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// imagesFrom writes the images of some entries, and returns where to go on.
func (st *sourceTx) imagesFrom(from int64) (next int64, done bool, err error) {
	st.imaged = true
	lo, _ := layout.EntryRange(st.id, from)
	c := st.t.w.Scan(layout.Entries, lo, layout.EntryKey(st.id, st.found.NextID), false)
	var rec layout.Record
	size := 0
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if size += len(value); size > st.t.db.sizes.bytes && size > len(value) {
			return layout.EntryID(key), false, nil
		}
		if err := rec.DecodeEntry(key, value); err != nil {
			return 0, false, err
		}
		if err := history.WriteImage(st.t.w, st.id, st.t.commit(), &rec); err != nil {
			return 0, false, err
		}
	}
	return 0, true, c.Err()
}

// step runs one transaction. It works on a copy of what the staging has come to, since
// it may run again.
func (s *staging) step(ctx context.Context, fn func(*tx) error) error {
	var next *tx
	err := s.ds.db.store.Update(ctx, func(w storage.Writer) error {
		next = s.t.copy(w)
		return fn(next)
	})
	if err != nil {
		return fromStorage(err)
	}
	s.t = next
	return nil
}

// copy returns a write that goes on from this one with another writer.
func (t *tx) copy(w storage.Writer) *tx {
	other := *t
	other.w = w
	other.sources = make(map[int64]*sourceTx, len(t.sources))
	for id, st := range t.sources {
		own, src := *st, *st.src
		if st.columnsMoved {
			src.columns, src.columnSet = slices.Clone(src.columns), maps.Clone(src.columnSet)
		}
		own.t, own.src = &other, &src
		own.inserted, own.met = slices.Clone(st.inserted), slices.Clone(st.met)
		own.indexing = st.indexing.copy()
		own.updated, own.deleted = slices.Clone(st.updated), slices.Clone(st.deleted)
		other.sources[id] = &own
	}
	return &other
}

// enter lets a write in: not while a bulk write in several transactions goes on, and not
// before what one has left behind is gone. Whoever was let in leaves the turnstile.
func (db *DB) enter(ctx context.Context) error {
	for {
		if db.unswept.Load() {
			if err := db.turnstile.close(ctx); err != nil {
				return err
			}
			err := db.sweepStaged(ctx)
			db.turnstile.open()
			if err != nil {
				return unsweepable(err)
			}
		}
		if err := db.turnstile.enter(ctx); err != nil {
			return err
		}
		if !db.unswept.Load() {
			return nil
		}
		db.turnstile.leave() // a bulk write has failed while this one waited for it
	}
}

// unsweepable is the error of a write that has to wait until something is swept.
func unsweepable(err error) error {
	for _, known := range []error{ErrClosed, ErrReadOnly, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	return errs.Wrap(errs.Unavailable, err, "what a bulk write that failed has left behind cannot be removed")
}
