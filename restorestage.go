package siftdb

import (
	"context"
	"math"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
)

// stageRestore restores a version in several transactions; see staging. The entries that come
// back stand among the others, under ids that were given out long ago: the head says so, whoever
// reads leaves out what a commit to come has touched, and the mark tells their ids to whoever
// sweeps. Indexes are made anew, for the entries that will be there.
func (ds *DataSource) stageRestore(ctx context.Context, version, last int64, opts writeOptions) (commit int64, err error) {
	_, commit, err = ds.staged(ctx, opts, func(s *staging) (int64, error) {
		r := stagedRestore{staging: s}
		if err := r.begin(ctx, version, last); err != nil {
			return 0, err
		}
		return r.run(ctx)
	})
	return commit, err
}

type stagedRestore struct {
	*staging
	restorePlan
	v *history.Version
}

// begin finds out what there is to do, and marks the data source.
func (s *stagedRestore) begin(ctx context.Context, version, last int64) error {
	return s.step(ctx, func(t *tx) error {
		if err := t.begin(); err != nil {
			return err
		}
		st, v, err := s.ds.restoreOf(t, version, last)
		if err != nil {
			return err
		}
		touched, err := touchedSet(t.w, st.id, v.ID, 0)
		if err != nil {
			return err
		}
		s.v, s.restorePlan = v, restorePlan{}
		if err := s.find(t.w, st.id, v.ID-1, touched, math.MaxInt64); err != nil {
			return err
		}
		if err := st.renewIndexes(); err != nil {
			return err
		}
		if len(s.back) > 0 { // else the last transaction may have no reason to write the head
			head := st.found
			head.Staged = true
			if err := layout.WriteHead(t.w, st.id, head); err != nil {
				return err
			}
		}
		return layout.WriteStaged(t.w, st.id, s.back.Encode())
	})
}

func (s *stagedRestore) run(ctx context.Context) (commit int64, err error) {
	if err := s.each(ctx, s.back, s.bringBack); err != nil {
		return 0, err
	}
	if err := s.each(ctx, s.gone, imageOf); err != nil {
		return 0, err
	}
	if err := s.indexRest(ctx); err != nil {
		return 0, err
	}
	return s.publish(ctx, s.finish)
}

// each does something to each of some entries, in as many transactions as it takes. do returns
// about how many bytes it has written.
func (s *staging) each(ctx context.Context, ids history.IDSet, do func(st *sourceTx, id int64) (int, error)) error {
	for next, done := int64(0), false; !done; {
		from := next
		err := s.step(ctx, func(t *tx) error {
			st, size := t.sources[s.ds.id], 0
			done = true
			for id := range ids.From(from) {
				if size > t.db.sizes.bytes {
					next, done = id, false
					break
				}
				n, err := do(st, id)
				if err != nil {
					return err
				}
				size += n + rowWeight
			}
			return st.writeIndexes()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bringBack stores an entry as it was.
func (s *stagedRestore) bringBack(st *sourceTx, id int64) (int, error) {
	var rec layout.Record
	existed, err := history.StateAt(st.t.w, st.id, id, s.v.ID-1, &rec)
	if err != nil || !existed {
		return 0, err
	}
	rec.Born, rec.Changed = st.t.commit(), st.t.commit()
	return len(rec.Doc), st.add(&rec)
}

// imageOf writes the image of an entry that goes.
func imageOf(st *sourceTx, id int64) (int, error) {
	var rec layout.Record
	exists, err := st.get(id, &rec)
	if err != nil || !exists {
		return 0, err
	}
	return len(rec.Doc), history.WriteImage(st.t.w, st.id, st.t.commit(), &rec)
}

// indexRest gives the new indexes the keys of the entries that stay, as they will be.
func (s *stagedRestore) indexRest(ctx context.Context) error {
	for next, done := int64(0), false; !done; {
		from := next
		err := s.step(ctx, func(t *tx) (err error) {
			st := t.sources[s.ds.id]
			if st.indexing == nil {
				done = true
				return nil
			}
			st.indexing.state = s.then
			if next, done, err = s.indexFrom(st, from); err != nil {
				return err
			}
			return st.writeIndexes()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stagedRestore) indexFrom(st *sourceTx, from int64) (next int64, done bool, err error) {
	lo, _ := layout.EntryRange(st.id, from)
	c := st.t.w.Scan(layout.Entries, lo, layout.EntryKey(st.id, st.found.NextID), false)
	var rec layout.Record
	size := 0
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		id := layout.EntryID(key)
		if size += rowWeight + len(value); size > st.t.db.sizes.bytes && size > rowWeight+len(value) {
			return id, false, nil
		}
		if s.back.Has(id) || s.gone.Has(id) {
			continue
		}
		if err := rec.DecodeEntry(key, value); err != nil {
			return 0, false, err
		}
		if s.change.Has(id) {
			if _, err := s.then(st, id, &rec); err != nil {
				return 0, false, err
			}
		}
		if err := st.reindex(nil, &rec); err != nil {
			return 0, false, err
		}
	}
	return 0, true, c.Err()
}

// then sets rec to an entry as it will be, which is what a unique index judges.
func (s *stagedRestore) then(st *sourceTx, id int64, rec *layout.Record) (bool, error) {
	if s.change.Has(id) {
		return history.StateAt(st.t.w, st.id, id, s.v.ID-1, rec)
	}
	return st.get(id, rec)
}

// finish is what the last transaction does to entries: what goes and what is changed where it
// stands. The indexes know of it.
func (s *stagedRestore) finish(st *sourceTx) error {
	var now, then layout.Record
	for id := range s.change.All() {
		if _, err := st.get(id, &now); err != nil {
			return err
		}
		if _, err := history.StateAt(st.t.w, st.id, id, s.v.ID-1, &then); err != nil {
			return err
		}
		if sameState(&now, &then) {
			continue
		}
		then.Born, then.Changed = now.Born, st.t.commit()
		if err := st.overwrite(&now, &then); err != nil {
			return err
		}
	}
	st.imaged = true
	for _, run := range s.gone {
		for id := run.First; id <= run.Last; id++ {
			if _, err := st.get(id, &now); err != nil {
				return err
			}
			if err := st.leave(&now); err != nil {
				return err
			}
		}
		if err := st.t.w.DeleteRange(layout.Entries, layout.EntryKey(st.id, run.First), layout.EntryKey(st.id, run.Last+1)); err != nil {
			return err
		}
	}
	return st.restoreColumns(s.v)
}
