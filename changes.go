package siftdb

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// ChangeSet is what one write did to a data source, or a part of it.
type ChangeSet struct {
	// Version is the write. Its ID is what DataSource.Changes goes on after.
	Version Version
	// Changes are the entries that the write created, then those that it updated,
	// then those that it deleted, each by ascending id. A write that changed only
	// the list of columns has none.
	Changes []Change
	// More says that the next set is a further part of the same write. A set holds
	// 1,000 changes at most.
	More bool
}

// FromNow makes Changes begin with the next write.
const FromNow int64 = -1

// Changes streams the writes to the data source after a version, in commit order,
// and then waits for new ones until the context ends, with whose error the stream
// ends. It resumes after any version, also after a restart: keep the ID of the last
// Version whose sets were all handled, and pass it. Any commit will do, such as
// Entry.Changed or CommitResult.Version. With 0 it begins with the first
// write, with FromNow with the next one.
//
// A version that does not exist yet is ErrNotFound. When retention has dropped what
// is needed, the stream ends with ErrHistoryLost; while it waits, or reads faster
// than Options.SnapshotAge, that does not happen. A loop that is slow costs writers
// nothing, and holds one set in memory. Each set is read in transactions of its own,
// none of which is open while the loop's body runs.
func (ds *DataSource) Changes(ctx context.Context, since int64) iter.Seq2[*ChangeSet, error] {
	return func(yield func(*ChangeSet, error) bool) {
		guarded, err := ds.remembering(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		f, err := guarded.feed(ctx, since)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.close()
		f.asker = ds
		follow(ctx, &f.follower, f.next, yield)
	}
}

// feed reads the log of a data source onwards from a commit.
type feed struct {
	follower
	ds    *DataSource
	asker *DataSource // the caller's handle, by which rules are asked again
	open  *openWrite  // the write at hand; nil between two
}

// openWrite is a write that is being read, a part at a time.
type openWrite struct {
	ds   *DataSource
	info Version
	ids  []int64 // entries that are still to be read
}

// openWrite begins to read a write.
func (ds *DataSource) openWrite(r storage.Reader, v *history.Version) (*openWrite, error) {
	info, err := ds.version(r, v)
	return &openWrite{ds: ds, info: info, ids: idsOf(v)}, err
}

// part reads the next changes of the write. It leaves the write as it was, so that
// a transaction that fails has done nothing, and returns what is left to read.
func (w *openWrite) part(r storage.Reader, src *source) (set *ChangeSet, left []int64, err error) {
	set, left = &ChangeSet{Version: w.info}, w.ids
	d := differ{ds: w.ds, a: w.info.ID - 1, b: w.info.ID}
	for b := newBudget(); len(left) > 0 && len(set.Changes) < fullBatch && !b.spent(); left = left[1:] {
		c, differs, err := d.compare(r, src, left[0])
		if err != nil {
			return nil, nil, err
		}
		if differs {
			set.Changes = append(set.Changes, c)
		}
	}
	return set, left, nil
}

// feed begins after a version.
func (ds *DataSource) feed(ctx context.Context, since int64) (*feed, error) {
	if since < FromNow {
		return nil, errs.New(errs.InvalidInput, "%d is no version", since)
	}
	if ds.at.kind != latest {
		return nil, &Error{Code: errs.InvalidInput, DataSourceID: ds.id, Message: "a handle on an old state of data source " + itoa(ds.id) + " sees no changes"}
	}
	f := &feed{follower: ds.db.follower(), ds: ds}
	err := ds.db.view(ctx, func(r storage.Reader) error {
		head, _, err := ds.load(r, false)
		if err != nil {
			return err
		}
		meta, _, err := layout.ReadMeta(r)
		if err != nil {
			return err
		}
		switch f.pos = since; {
		case since < 0:
			f.pos = meta.Commit
		case since > meta.Commit:
			return unknownVersion(ds.id, since)
		case lost(head, since):
			return historyLost(ds.id)
		}
		f.pos = max(f.pos, head.Floor)
		f.goOn()
		return nil
	})
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// lost reports whether retention has dropped a write after a commit. (The floor of a
// data source that has lost nothing is the commit at which it was made.)
func lost(head layout.Head, commit int64) bool { return head.Floor > commit && head.FirstSeq > 1 }

func historyLost(source int64) error {
	return &Error{Code: errs.HistoryLost, DataSourceID: source, Message: "changes of data source " + itoa(source) + " that were not read yet have been dropped by retention"}
}

// peek finds the next write. There may be none.
func (f *feed) peek(r storage.Reader) (layout.Head, *source, *history.Version, error) {
	head, src, err := f.ds.load(r, true)
	if err != nil {
		return head, nil, nil, err
	}
	if lost(head, f.pos) {
		return head, nil, nil, historyLost(f.ds.id)
	}
	if head.Last > f.pos {
		for v, err := range history.Range(r, f.ds.id, f.pos+1, 0, false) {
			return head, src, v, err
		}
		return head, nil, nil, errs.New(errs.Corrupt, "data source %d has lost the version of its last write", f.ds.id)
	}
	meta, _, err := layout.ReadMeta(r)
	f.pos = max(f.pos, meta.Commit) // nothing of this data source up to there
	return head, src, nil, err
}

// next reads the next set, nil when the log has no more for now. When the definition
// has changed, the rules are asked again first.
func (f *feed) next(ctx context.Context) (*ChangeSet, error) {
	for {
		set, err := f.nextRuled(ctx)
		if !errors.Is(err, errReruled) {
			return set, err
		}
		if err := f.renew(ctx); err != nil {
			return nil, err
		}
	}
}

// nextRuled is next, unless the rules have to be asked again.
func (f *feed) nextRuled(ctx context.Context) (set *ChangeSet, err error) {
	var open *openWrite
	var left []int64
	err = f.ds.db.view(ctx, func(r storage.Reader) error {
		var src *source
		if open, src, err = f.atHand(r); err != nil || open == nil {
			return err
		}
		set, left, err = open.part(r, src)
		return err
	})
	if err != nil || set == nil {
		return nil, err
	}
	open.ids, f.open = left, open
	if set.More = len(left) > 0; !set.More {
		f.pos, f.open = open.info.ID, nil
	}
	f.goOn()
	return set, nil
}

// atHand returns the write that is being read, or else the next one; nil when there
// is none.
func (f *feed) atHand(r storage.Reader) (*openWrite, *source, error) {
	if f.open == nil {
		head, src, write, err := f.peek(r)
		if err != nil {
			return nil, nil, err
		}
		if wait, err := f.ruled(head); wait || err != nil || write == nil {
			return nil, nil, err
		}
		open, err := f.ds.openWrite(r, write)
		return open, src, err
	}
	head, src, err := f.ds.load(r, true)
	if err == nil && lost(head, f.pos) {
		err = historyLost(f.ds.id)
	}
	if err != nil {
		return nil, nil, err
	}
	if wait, err := f.ruled(head); wait || err != nil {
		return nil, nil, err
	}
	open, err := f.reopen(r)
	return open, src, err
}

// ruled makes sure that what is read is read under the rules of now. In the trash there
// are none to ask: wait says so.
func (f *feed) ruled(head layout.Head) (wait bool, err error) {
	switch {
	case !f.ds.reruled(head.Revision):
		return false, nil
	case head.Trashed:
		return true, nil
	}
	return false, errReruled
}

// idsOf lists the entries that a write touched: inserted, updated, deleted.
func idsOf(v *history.Version) []int64 {
	ids := make([]int64, 0, v.Inserted.Len()+v.Updated.Len()+v.Deleted.Len())
	for _, set := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
		ids = slices.AppendSeq(ids, set.All())
	}
	return ids
}
