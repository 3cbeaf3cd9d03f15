package siftdb

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// Changes streams the writes to all data sources after a commit, as
// DataSource.Changes does for one: in commit order, and those of one commit by
// ascending data source, which Version.DataSourceID tells. While More is true, further
// sets of the same commit follow. Go on after the ID of the last commit whose sets
// were all handled. Writes to a data source that is purged before they are read are
// passed over.
func (db *DB) Changes(ctx context.Context, since int64) iter.Seq2[*ChangeSet, error] {
	return func(yield func(*ChangeSet, error) bool) {
		f, err := db.feed(ctx, since)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.close()
		follow(ctx, &f.follower, f.next, yield)
	}
}

// storeFeed reads the logs of all data sources onwards from a commit.
type storeFeed struct {
	follower
	queue []pendingWrite // the next write of each data source, in order
	until int64          // the queue knows every write up to this commit
	open  *openWrite     // the write at hand; nil between two
}

// pendingWrite is a write that has not been read yet.
type pendingWrite struct{ commit, source int64 }

func (p pendingWrite) compare(q pendingWrite) int {
	return cmp.Or(cmp.Compare(p.commit, q.commit), cmp.Compare(p.source, q.source))
}

// feed begins after a commit.
func (db *DB) feed(ctx context.Context, since int64) (*storeFeed, error) {
	if since < FromNow {
		return nil, errs.New(errs.InvalidInput, "%d is no commit", since)
	}
	if err := db.everything("follow the whole database"); err != nil {
		return nil, err
	}
	f := &storeFeed{follower: db.follower()}
	err := db.view(ctx, func(r storage.Reader) error {
		meta, _, err := layout.ReadMeta(r)
		if err != nil {
			return err
		}
		switch f.pos = since; {
		case since < 0:
			f.pos = meta.Commit
		case since > meta.Commit:
			return errs.New(errs.NotFound, "commit %d does not exist", since)
		}
		f.until = f.pos
		f.goOn()
		return nil
	})
	if err != nil {
		f.close()
	}
	return f, err
}

// next reads the next set, nil when the log has no more for now.
func (f *storeFeed) next(ctx context.Context) (set *ChangeSet, err error) {
	err = f.db.view(ctx, func(r storage.Reader) error {
		for set == nil {
			if f.open == nil {
				if more, err := f.advance(r); err != nil || !more {
					return err
				}
			}
			if set, err = f.part(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		f.goOn()
	}
	return set, err
}

// advance finds the next write, and reports whether there is one.
func (f *storeFeed) advance(r storage.Reader) (bool, error) {
	if len(f.queue) == 0 || f.queue[0].commit > f.until {
		f.pos = f.until
		if err := f.refill(r); err != nil || len(f.queue) == 0 {
			return false, err
		}
	}
	f.pos = f.queue[0].commit - 1
	next := f.queue[0]
	f.queue = f.queue[1:]
	ds := &DataSource{db: f.db, id: next.source}
	v, err := history.Read(r, ds.id, next.commit)
	if err != nil {
		return false, err
	}
	if v == nil {
		if head, ok, err := layout.ReadHead(r, ds.id); err != nil || ok && lost(head, next.commit-1) {
			return false, cmp.Or(err, historyLost(ds.id))
		}
		return true, nil // purged meanwhile
	}
	f.open, err = ds.openWrite(r, v)
	return true, err
}

// refill looks for the next write of each data source.
func (f *storeFeed) refill(r storage.Reader) error {
	meta, _, err := layout.ReadMeta(r)
	if err != nil {
		return err
	}
	f.queue = f.queue[:0]
	from, to := layout.HeadRange()
	c := r.Scan(layout.Heads, from, to, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		head, err := layout.DecodeHead(key, value)
		if err != nil {
			return err
		}
		if head.Last <= f.pos {
			continue
		}
		src, err := f.db.catalog.refresh(r, layout.SourceOf(key), head)
		if err != nil {
			return err
		}
		if f.db.conceals(&src.def) {
			continue
		}
		if lost(head, f.pos) {
			return historyLost(layout.SourceOf(key))
		}
		if err := f.push(r, layout.SourceOf(key), f.pos); err != nil {
			return err
		}
	}
	f.until = max(f.until, meta.Commit)
	if len(f.queue) == 0 {
		f.pos = f.until
	}
	return c.Err()
}

// push puts the first write of a data source after a commit into the queue.
func (f *storeFeed) push(r storage.Reader, source, after int64) error {
	for v, err := range history.Range(r, source, after+1, 0, false) {
		if err != nil {
			return err
		}
		p := pendingWrite{v.ID, source}
		at, _ := slices.BinarySearchFunc(f.queue, p, pendingWrite.compare)
		f.queue = slices.Insert(f.queue, at, p)
		break
	}
	return nil
}

// part reads a part of the write at hand, nil when its data source was purged.
func (f *storeFeed) part(r storage.Reader) (*ChangeSet, error) {
	w := f.open
	if w == nil {
		return nil, nil
	}
	head, ok, err := layout.ReadHead(r, w.ds.id)
	if err != nil {
		return nil, err
	}
	if !ok {
		f.open = nil
		return nil, nil
	}
	if lost(head, w.info.ID-1) {
		return nil, historyLost(w.ds.id)
	}
	src, err := f.db.catalog.refresh(r, w.ds.id, head)
	if err != nil {
		return nil, err
	}
	set, left, err := w.part(r, src)
	if err != nil {
		return nil, err
	}
	if w.ids = left; len(left) > 0 {
		set.More = true
		return set, nil
	}
	f.open = nil
	if err := f.push(r, w.ds.id, w.info.ID); err != nil {
		return nil, err
	}
	if set.More = len(f.queue) > 0 && f.queue[0].commit == w.info.ID; !set.More {
		f.pos = w.info.ID
	}
	return set, nil
}
