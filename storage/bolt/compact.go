package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// compactSuffix is what the name of the file ends in into which Compact copies. Who
// holds the lock of the file itself may remove it.
const compactSuffix = ".siftdb-compact"

// compactBatch is how many bytes are copied in one transaction.
const compactBatch = 8 << 20

// renameOpen says that a file which is open may take another's name. Tests change it.
var renameOpen = runtime.GOOS != "windows"

// Compact writes what the store holds into a new file, which then takes the place of the
// old one: nothing that was deleted or written over is in it any more, and its free
// pages go back to the system. Views go on meanwhile, Updates wait, and Compact waits in
// the end for the Views that read the old file; it must not be called from within one.
//
// The file is durable under its name when Compact returns nil, and has the mode and the
// owner of the old one. After an error, or a crash, the store is as it was; but where it is
// not known whether the new file is durable, the error is a *storage.CommitError with
// Unknown, as of Update. It fails when another file has been put at the path. The context
// does not end the wait for Views. Where a file that is open cannot be renamed (Windows),
// Views wait while it is closed, and a store that can then not be opened again returns
// that error from every later call. It fails with storage.ErrReadOnly, ErrClosed, ErrFull
// and ErrCorrupt as Update does.
func (s *Store) Compact(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	if s.opts.ReadOnly || s.frozen.Load() {
		return storage.ErrReadOnly
	}
	c := newCall(ctx, nil)
	c.alone = true
	if !s.queue.join(c) {
		select {
		case <-c.wake:
		case <-ctx.Done():
			if s.queue.withdraw(c) {
				return ctx.Err()
			}
			<-c.wake
		}
	}
	s.queue.remove(c)
	old, err := s.compact(ctx)
	if old != nil {
		err = errors.Join(err, old.Close()) // waits for those who read it
	}
	if err != nil {
		return fmt.Errorf("storage/bolt: compact %s: %w", s.path, full(err))
	}
	return nil
}

// compact does the work of Compact and passes the lead on, which the caller has. It
// returns what is to be closed then.
func (s *Store) compact(ctx context.Context) (old *bbolt.DB, err error) {
	defer s.queue.pass()
	if s.frozen.Load() { // by the group before
		return nil, storage.ErrReadOnly
	}
	if s.recent.log != nil {
		s.recent.flushing.Lock()
		defer s.recent.flushing.Unlock()
		if err := s.drain(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.compactLog(err == nil)) }()
	}
	made, err := s.copyAll(ctx)
	if err == nil {
		err = s.step("copied")
	}
	if err != nil {
		return nil, errors.Join(err, made.discard())
	}
	if renameOpen {
		return s.swap(made)
	}
	return nil, s.swapClosed(made)
}

// compactLog goes on in the log where the file says that is now open, and removes from it
// what was written to it, when that is the new file. The file has all of it. One inside the file is
// opened anew, since it is another one, or was closed with the old file.
func (s *Store) compactLog(compacted bool) error {
	m, ok, err := s.readMark()
	if err != nil || !ok {
		s.frozen.Store(true) // it is not known where to go on
		return err
	}
	if s.recent.inside {
		return s.takeInside(m)
	}
	s.recent.log.Restart(m.next)
	if !compacted {
		return nil
	}
	return s.recent.log.Reset(m.next)
}

// opened is a file that bbolt has open.
type opened struct {
	db   *bbolt.DB
	file *os.File
	path string
}

// discard closes and removes a file that is not needed after all.
func (o *opened) discard() error {
	if o == nil {
		return nil
	}
	var err error
	if o.db != nil {
		err = o.db.Close()
	}
	if gone := os.Remove(o.path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// copyAll copies everything into a new file, durably. The file is open, and locked.
func (s *Store) copyAll(ctx context.Context) (made *opened, err error) {
	defer catchFaults()()
	defer func() {
		if v := recover(); v != nil {
			if err = corruption(v); err == nil {
				err = fmt.Errorf("panic in bbolt: %v", v)
			}
		}
	}()
	made = &opened{path: s.path + compactSuffix}
	if err := s.inPlace(); err != nil {
		return nil, err
	}
	if err := removeLeftover(s.path); err != nil {
		return nil, err
	}
	if err := s.openNew(made); err != nil {
		return made, err
	}
	tx, err := s.begin(false)
	if err != nil {
		return made, err
	}
	defer tx.Rollback()
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		if isOwn(name) {
			return nil
		}
		return copyBucket(ctx, made.db, name, b)
	})
	if err == nil {
		err = s.markCopy(tx, made.db)
	}
	if err == nil {
		err = made.db.Sync()
	}
	return made, err
}

// markCopy puts the mark of the log into the copy of a file, and an empty log where that is inside.
func (s *Store) markCopy(tx *bbolt.Tx, to *bbolt.DB) error {
	m, known, err := getMark(tx)
	if err != nil || !known {
		return err
	}
	return to.Update(func(tx *bbolt.Tx) error {
		switch {
		case s.recent.log == nil:
			m.open = false // nothing was ever in it
			return putMark(tx, m)
		case s.recent.inside:
			return s.putInside(tx, s.opts.leastInside())
		}
		return putMark(tx, s.markAt(commitlog.First(s.recent.log.Head().Seq)))
	})
}

// openNew opens the file into which everything is copied.
func (s *Store) openNew(made *opened) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	flag := os.O_EXCL // what somebody else put there is not touched
	err = withLess(s.opts.mmapSize(info.Size()), func(mmap int) (err error) {
		made.db, err = bbolt.Open(made.path, 0o600, &bbolt.Options{
			Timeout:         minLockTimeout,
			NoSync:          true, // until everything is there
			NoGrowSync:      true,
			NoFreelistSync:  true,
			FreelistType:    bbolt.FreelistMapType,
			PageSize:        s.pageSize,
			InitialMmapSize: mmap,
			OpenFile: func(name string, flags int, perm os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flags|flag, perm)
				made.file, flag = f, 0
				return f, err
			},
		})
		return err
	})
	if err != nil {
		return err
	}
	made.db.AllocSize = allocSize
	return takeRights(made.file, info)
}

// copyBucket copies a keyspace, in key order and a batch at a time.
func copyBucket(ctx context.Context, to *bbolt.DB, name []byte, from *bbolt.Bucket) error {
	c := from.Cursor()
	k, v := c.First()
	for more := true; more; more = k != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := to.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			b.FillPercent = appendFill
			for size := 0; k != nil && size < compactBatch; k, v = c.Next() {
				if err := b.Put(k, v); err != nil {
					return err
				}
				size += len(k) + len(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// swap gives the new file the name of the old one, and lets new transactions begin in it.
// Both files are locked all the while. It returns the old one.
func (s *Store) swap(made *opened) (old *bbolt.DB, err error) {
	err = s.inPlace()
	if err == nil {
		err = os.Rename(made.path, s.path)
	}
	if err != nil {
		return nil, errors.Join(err, made.discard())
	}
	old = s.take(made)
	if err = s.step("renamed"); err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil { // a crash may bring the old file back, without what is written from now on
		s.frozen.Store(true)
		err = &storage.CommitError{Outcome: storage.Unknown, Err: full(err)}
	}
	return old, err
}

// take makes a file the one in which transactions begin, and returns the former.
func (s *Store) take(made *opened) (old *bbolt.DB) {
	s.begins.Lock()
	defer s.begins.Unlock()
	old = s.db
	made.db.NoSync, made.db.NoGrowSync = s.opts.NoSync, false
	s.db, s.file, s.unsaved = made.db, made.file, true
	s.late.reading.Store(false)
	s.idle.reset(s.db)
	return old
}

// swapClosed is swap where neither file may be open. No transaction begins meanwhile.
func (s *Store) swapClosed(made *opened) error {
	s.begins.Lock()
	defer s.begins.Unlock()
	err := made.db.Close()
	made.db = nil
	if err != nil {
		return errors.Join(err, made.discard())
	}
	if err := s.inPlace(); err != nil {
		return errors.Join(err, made.discard())
	}
	s.idle.reset(nil)
	s.closeInside() // compactLog opens it again
	if err := s.db.Close(); err != nil {
		s.lost = err
		return errors.Join(err, made.discard())
	}
	if err = os.Rename(made.path, s.path); err != nil {
		err = errors.Join(err, made.discard())
	} else {
		err = syncDir(filepath.Dir(s.path))
	}
	s.late.reading.Store(false)
	if s.lost = s.reopen(); s.lost != nil {
		return errors.Join(err, s.lost)
	}
	s.unsaved = true
	return err
}

// reopen opens the file again after it was closed.
func (s *Store) reopen() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	s.file = nil
	return s.open(s.path, info.Size(), time.Now().Add(s.opts.LockTimeout))
}

// removeLeftover removes what a compaction left behind that a crash cut off. The caller
// holds the lock of the file at path.
func removeLeftover(path string) error {
	err := os.Remove(path + compactSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// step is where tests look at, or fail, what Compact does.
func (s *Store) step(name string) error {
	if s.steps == nil {
		return nil
	}
	return s.steps(name)
}
