package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// span is a stretch of the log that is read at once: from the state after one commit
// to that after another.
type span struct {
	from, to int64
	ids      []int64 // what was touched in it, ascending
	revision int64   // of the definition, now
	trashed  bool    // the data source is in the trash now
}

// spanEntry is what happened to one entry in a span.
type spanEntry struct {
	event event
	entry *Entry
}

// nextSpan finds the next write, or all writes up to now as one span. When there are
// none for now it returns false, and a span without entries.
func (f *feed) nextSpan(ctx context.Context, all bool) (sp span, found bool, err error) {
	err = f.ds.db.view(ctx, func(r storage.Reader) error {
		head, _, write, err := f.peek(r)
		sp = span{from: f.pos, to: f.pos, revision: head.Revision, trashed: head.Trashed}
		if err != nil || write == nil {
			return err
		}
		found = true
		if !all {
			sp.from, sp.to, sp.ids = write.ID-1, write.ID, idsOf(write)
			slices.Sort(sp.ids)
			return nil
		}
		meta, _, err := layout.ReadMeta(r)
		if err != nil {
			return err
		}
		sp.to = max(meta.Commit, head.Last)
		sp.ids, err = touched(r, f.ds.id, sp.from+1, sp.to+1)
		return err
	})
	return sp, found, err
}

// read sorts what happened in a span, in slices of short transactions. It fails with
// errReruled when the rules that granted the scope may not be those of now.
func (f *feed) read(ctx context.Context, s *scope, sp span) ([]spanEntry, error) {
	var list []spanEntry
	for ids := sp.ids; len(ids) > 0; {
		var part []spanEntry
		err := f.ds.db.view(ctx, func(r storage.Reader) error {
			part = part[:0]
			head, src, err := s.ds.load(r, true)
			if err != nil {
				return err
			}
			if lost(head, sp.from) {
				return historyLost(f.ds.id)
			}
			if s.ds.reruled(head.Revision) {
				return errReruled
			}
			if err := s.bind(src); err != nil {
				return err
			}
			for b := newBudget(); len(ids) > 0 && len(part) < fullBatch && !b.spent(); ids = ids[1:] {
				what, e, err := s.compare(r, ids[0], sp.from, sp.to)
				if err != nil {
					return err
				}
				if what != nothing {
					part = append(part, spanEntry{what, e})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return list, nil
}

// done notes that a span has been dealt with.
func (f *feed) done(sp span) {
	f.pos = max(f.pos, sp.to)
	f.goOn()
}
