package siftdb

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// fetched yields entries of the state that is read by their ids, those that match the where
// if test is true. Many are read on all cores, a batch at a time, and taken in their order on one.
func (f *finder) fetched(ctx context.Context, ids []int64, test bool) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for size := f.firstBatch(); len(ids) > 0 && (f.left != 0 || f.count); size = fullBatch {
			f.empty()
			ahead := f.ahead(ctx, ids, size, test)
			err := f.rd.slice(ctx, func(r storage.Reader) error {
				b := newBudget()
				for i := 0; len(ids) > 0 && len(f.batch) < size && f.weight < batchBytes && (f.left != 0 || f.count) && !b.spent(); i++ {
					var k *keptRecord
					if i < len(ahead) && ahead[i].state == keptRead {
						k = &ahead[i]
					}
					if err := f.fetch(r, ids[0], k, test); err != nil {
						return err
					}
					ids = ids[1:]
				}
				return nil
			})
			clear(ahead) // whoever takes the batch may take long
			if !f.deliver(ctx, err, yield) {
				return
			}
		}
	}
}

// fetch accepts an entry by its id, if test is true only when it matches the where. It may have
// been read before.
func (f *finder) fetch(r storage.Reader, id int64, ahead *keptRecord, test bool) error {
	if f.bare && !test {
		f.batch = append(f.batch, &Entry{ID: id})
		return nil
	}
	var read layout.Record
	rec := &read
	if ahead != nil {
		rec = &ahead.rec
	} else {
		ok, err := history.StateAt(r, f.ds.id, id, f.rd.st.commit, rec)
		if err != nil {
			return err
		}
		if !ok {
			return errs.New(errs.Corrupt, "entry %d of data source %d is gone from the state that is read", id, f.ds.id)
		}
	}
	f.rd.st.source.lift(rec) // the definition may hide more than when it was read
	if test {
		f.ran.looked++
		if ok, err := f.m.match(rec); !ok {
			return err
		}
		f.ran.matched++
	}
	if f.joins != nil {
		f.m.fill(rec)
	}
	if test { // it lies beside some that do not match
		ahead = nil
	}
	return f.accept(rec, ahead)
}

// ahead reads the first of some entries on all cores, where they are many, as far as there is room
// for what a batch holds. It is called between slices. What it does not return, or returns without
// having read it, is to be read in its turn; then whatever fails is met.
func (f *finder) ahead(ctx context.Context, ids []int64, size int, test bool) []keptRecord {
	n := min(len(ids), size)
	if f.left >= 0 && !f.count {
		n = min(n, saturated(f.skip, f.left)) // if all of them match
	}
	if f.crowded || f.bare && !test || !f.rd.spreadable(n) {
		return nil
	}
	f.kept = slices.Grow(f.kept[:0], n)[:n]
	clear(f.kept)
	var held atomic.Int64
	err := f.rd.spread(ctx, n, func() spreadWork {
		a := &aheadReader{rd: f.rd, held: &held, most: int64(min(f.rd.mostKept(), batchBytes)), kept: f.kept, id: func(i int) int64 { return ids[i] }}
		return a.read
	})
	f.crowded = errors.Is(err, errFull) // what comes later would be read twice
	return f.kept
}
