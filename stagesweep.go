package siftdb

import (
	"bytes"
	"context"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// sweepStaged removes what a staging has left behind that did not end. Nobody else may
// write meanwhile.
func (db *DB) sweepStaged(ctx context.Context) error {
	if !db.unswept.Load() {
		return nil
	}
	var left []int64
	err := db.store.View(ctx, func(r storage.Reader) (err error) {
		left, err = layout.Staged(r)
		return err
	})
	for _, id := range left {
		if err == nil {
			err = db.sweepSource(ctx, id)
		}
	}
	if err == nil {
		db.unswept.Store(false)
	}
	return fromStorage(err)
}

// sweepSource is sweepStaged for one data source: its entries with ids, and images of
// commits, that were not given out, entries that were to come back, the keys of these in
// indexes and in the list of orders, and blocks. The mark goes last.
func (db *DB) sweepSource(ctx context.Context, id int64) error {
	s := sweep{id: id}
	for done := false; !done; {
		var next sweep
		err := db.store.Update(ctx, func(w storage.Writer) (err error) {
			next = s
			done, err = next.part(w)
			return err
		})
		if err != nil {
			return err
		}
		s = next
	}
	return nil
}

// sweep is how far the sweeping of a data source has come.
type sweep struct {
	id    int64
	phase int
	key   []byte        // to go on from in a phase; nil for the first
	entry int64         // to go on from among those that were to come back
	back  history.IDSet // the ids of these

	head layout.Head
	meta layout.Meta
}

// sweptAtOnce is how many keys go, and are looked at, in one transaction.
const (
	sweptAtOnce  = 50_000
	lookedAtOnce = 1_000_000
)

// part removes some of what is left, and reports whether that was all.
func (s *sweep) part(w storage.Writer) (done bool, err error) {
	if s.meta, _, err = layout.ReadMeta(w); err != nil {
		return false, err
	}
	if s.head, _, err = layout.ReadHead(w, s.id); err != nil {
		return false, err
	}
	phases := []func(storage.Writer) (ended bool, err error){s.entries, s.orders, s.restored, s.images, s.indexes, s.rest}
	ended, err := phases[s.phase](w)
	if ended {
		s.phase, s.key = s.phase+1, nil
	}
	return s.phase == len(phases), err
}

// entries removes a block of entries whose ids were not given out. Values may be damaged: they
// are not looked at.
func (s *sweep) entries(w storage.Writer) (ended bool, err error) {
	lo, hi := layout.EntryRange(s.id, s.head.NextID)
	c := sealed.Raw(w).Scan(layout.Entries, lo, hi, false)
	if key, _, ok := c.Next(); ok {
		end := (layout.EntryID(key)/layout.BlockSize + 1) * layout.BlockSize
		return false, w.DeleteRange(layout.Entries, lo, layout.EntryKey(s.id, end))
	}
	return true, c.Err()
}

// orders takes the entries that were to come back out of the list of orders, before they go.
func (s *sweep) orders(w storage.Writer) (ended bool, err error) {
	b, err := layout.ReadStaged(w, s.id)
	if err == nil && b != nil {
		s.back, err = history.DecodeIDSet(b)
	}
	if err != nil || len(s.back) == 0 {
		return err == nil, err
	}
	return s.keys(w, layout.Orders, func(key, _ []byte) (bool, error) {
		_, id := layout.OrderParts(key)
		return s.back.Has(id), nil
	})
}

// restored removes some entries that were to come back. None of them was there before.
func (s *sweep) restored(w storage.Writer) (ended bool, err error) {
	left := int64(sweptAtOnce)
	for _, run := range s.back {
		first := max(run.First, s.entry)
		if last := min(run.Last, first+left-1); first <= last {
			if err := w.DeleteRange(layout.Entries, layout.EntryKey(s.id, first), layout.EntryKey(s.id, last+1)); err != nil {
				return false, err
			}
			s.entry, left = last+1, left-(last-first+1)
		}
		if left == 0 {
			return false, nil
		}
	}
	return true, nil
}

// images removes some images of commits that were not made.
func (s *sweep) images(w storage.Writer) (ended bool, err error) {
	return s.keys(w, layout.Images, func(key, _ []byte) (bool, error) { return layout.ImageVersion(key) > s.meta.Commit, nil })
}

// indexes removes some keys of entries whose ids were not given out, and of indexes whose
// numbers were not.
func (s *sweep) indexes(w storage.Writer) (ended bool, err error) {
	states, err := layout.DecodeIndexes(s.head.Indexes)
	if err != nil {
		return false, err
	}
	counts := make(map[int64]bool)
	for _, x := range states.List {
		counts[x.Number] = true
	}
	return s.keys(w, layout.Index, func(key, value []byte) (bool, error) {
		number, _, entry, _ := layout.IndexParts(key)
		if len(value) == 0 || entry < s.head.NextID || !counts[number] {
			return entry >= s.head.NextID || !counts[number], nil
		}
		kept, err := sweepBlock(w, key, value, s.head.NextID)
		return !kept, err
	})
}

// keys removes some keys of a keyspace that do not count.
func (s *sweep) keys(w storage.Writer, ks storage.Keyspace, extra func(key, value []byte) (bool, error)) (ended bool, err error) {
	n, looked := 0, 0
	lo, hi := layout.Prefix(s.id)
	if s.key != nil {
		lo = s.key
	}
	c := sealed.Raw(w).Scan(ks, lo, hi, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if looked++; looked > lookedAtOnce || n == sweptAtOnce {
			s.key = bytes.Clone(key)
			return false, nil
		}
		if gone, err := extra(key, value); err != nil {
			return false, err
		} else if !gone {
			continue
		}
		n++
		if err := w.Delete(ks, key); err != nil {
			return false, err
		}
	}
	return true, c.Err()
}

// rest removes the blocks, and what tells that there was something to sweep.
func (s *sweep) rest(w storage.Writer) (ended bool, err error) {
	_, end := layout.BlockRange()
	if err := w.DeleteRange(layout.Catalog, layout.BlockKey(s.meta.NextBlock), end); err != nil {
		return false, err
	}
	if s.head.Staged {
		s.head.Staged = false
		if err := layout.WriteHead(w, s.id, s.head); err != nil {
			return false, err
		}
	}
	return true, w.Delete(layout.Catalog, layout.StagedKey(s.id))
}
