// Package bolt is the storage engine that keeps everything in one file, through
// bbolt: a B+ tree with copy-on-write pages, read through a memory map.
//
// Updates that wait at the same time are committed together, and nil from Update
// means that the disk has the data.
package bolt

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/gate"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// Store is a store in one file. It implements storage.Storage, storage.Sizer and
// storage.Compacter. A process opens a file once; the handle is safe for concurrent use.
type Store struct {
	path  string
	db    *bbolt.DB // which Compact replaces; guarded by begins, and the leader's
	file  *os.File  // bbolt's own
	opts  Options
	gate  *gate.Gate
	queue queue

	pageSize int
	recent   recent // commits that are not in bbolt yet
	late     late   // of a file that is open for reading until something is written

	idle   idle        // transactions of Views that have ended
	begins sync.Mutex  // held while a transaction begins
	lost   error       // the file could not be opened again; guarded by begins
	dead   atomic.Bool // bbolt panicked and holds locks: it must not be called again
	frozen atomic.Bool // the outcome of a commit is unknown

	// unsaved says that the file does not hold the list of its free pages. It
	// belongs to the leader, and after the gate is shut to Close.
	unsaved bool

	commitTx func(*bbolt.Tx) error // (*bbolt.Tx).Commit, replaced by tests
	steps    func(string) error    // see Store.step; set by tests
}

// View calls fn with a reader on the state after the last commit.
func (s *Store) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.view(ctx, func(r *reader, l *layers) error {
		if l == nil {
			return fn(r)
		}
		return fn(new(overlay.Stack).Over(base{r}, l.active, l.frozen))
	})
}

// view calls fn with a reader of bbolt and what lies over that.
func (s *Store) view(ctx context.Context, fn func(*reader, *layers) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // catchFaults would allocate
	k, l, err := s.beginView()
	if err != nil {
		return err
	}
	r := &reader{tx: k.tx, buckets: k.buckets}
	defer func() {
		k.buckets = r.buckets
		r.close()
		v := recover()
		if v == nil {
			s.idle.give(k)
			return
		}
		k.tx.Rollback()
		if err = corruption(v); err == nil {
			panic(v)
		}
	}()
	return fn(r, l)
}

// beginView begins a transaction for reading, or takes one that is kept, and returns the
// layers that lie over it.
func (s *Store) beginView() (kept, *layers, error) {
	s.begins.Lock()
	defer s.begins.Unlock()
	l := s.recent.layers.Load() // first: see freeze
	if s.lost == nil && !s.dead.Load() {
		if k, ok := s.idle.take(); ok {
			return k, l, nil
		}
	}
	tx, err := s.beginLocked(false)
	return kept{tx: tx}, l, err
}

// begin begins a bbolt transaction. A panic in it is the last thing that bbolt
// does in this process: it holds its locks then.
func (s *Store) begin(writable bool) (tx *bbolt.Tx, err error) {
	if writable {
		if err := s.openWriting(); err != nil {
			return nil, err
		}
	}
	s.begins.Lock()
	defer s.begins.Unlock()
	return s.beginLocked(writable)
}

// beginLocked is begin for those who hold begins.
func (s *Store) beginLocked(writable bool) (tx *bbolt.Tx, err error) {
	if s.dead.Load() {
		return nil, storage.ErrCorrupt
	}
	if s.lost != nil {
		return nil, s.lost
	}
	defer func() {
		if v := recover(); v != nil {
			s.dead.Store(true)
			if err = corruption(v); err == nil {
				panic(v)
			}
		}
	}()
	if writable {
		s.idle.writing()
		defer func() { s.idle.wrote(tx) }()
	}
	tx, err = s.db.Begin(writable)
	return tx, readable(err)
}

// Close waits for running Views and Updates, writes what is in the log alone into
// the file, and the list of free pages, so that the next Open need not search for
// them, and closes the file. A log that could not be written into it stays, and the
// next Open goes on with it.
func (s *Store) Close() error {
	if !s.gate.Shut() {
		return nil
	}
	defer catchFaults()()
	defer s.closeInside()
	s.stopKeeper()
	finished := s.finishLog()
	saved := s.saveFreelist(finished)
	if s.recent.log != nil {
		s.closeLog(finished && saved)
	}
	if s.dead.Load() {
		return s.file.Close() // the mapping stays until the process ends
	}
	s.late.retired.Wait()
	if s.lost != nil && !s.late.reading.Load() {
		return nil
	}
	s.idle.reset(nil)
	return errors.Join(s.unlockFailed(), s.db.Close())
}

// saveFreelist commits the list of free pages, and that the log is finished, and
// reports whether it did. That it may fail is no concern of Close: without the list
// the file is as sound as after a crash.
func (s *Store) saveFreelist(finished bool) bool {
	if s.opts.ReadOnly || !s.unsaved || s.frozen.Load() || s.dead.Load() || s.lost != nil {
		return false
	}
	s.db.NoFreelistSync = false
	s.db.NoSync = false
	tx, err := s.begin(true)
	if err != nil {
		return false
	}
	defer s.abandon(tx)
	defer func() { _ = recover() }()
	if finished {
		err = putMark(tx, mark{id: s.recent.log.ID(), next: s.recent.log.Head()})
	}
	s.chooseStep(tx)
	return err == nil && tx.Commit() == nil
}

// abandon rolls back a transaction, if it is not closed already.
func (s *Store) abandon(tx *bbolt.Tx) {
	defer func() {
		if recover() != nil {
			s.dead.Store(true)
		}
	}()
	if id := tx.ID(); tx.Rollback() == nil && tx.Writable() {
		s.idle.undone(id)
	}
}

// Size returns the size of the file and how much of it holds data, to the page:
// Used grows by just the pages that a commit adds, and those of a log inside the file do not count. Of a store opened for reading
// the free pages are not known and count as used. With a log, Total has its size as
// well, and what is in it alone is written into the file first; then Size must not be
// called from within an Update.
func (s *Store) Size() (storage.Size, error) {
	if !s.gate.Enter() {
		return storage.Size{}, storage.ErrClosed
	}
	defer s.gate.Leave()
	defer catchFaults()()
	logged := s.settleLayers()
	s.recent.flushing.Lock() // so that bbolt counts the free pages of this transaction
	defer s.recent.flushing.Unlock()
	tx, err := s.begin(false)
	if err != nil {
		return storage.Size{}, err
	}
	used, db := tx.Size()-s.insidePages(tx), tx.DB()
	if err := tx.Rollback(); err != nil {
		return storage.Size{}, err
	}
	s.begins.Lock()
	info, err := s.file.Stat()
	s.begins.Unlock()
	if err != nil {
		return storage.Size{}, err
	}
	stats := db.Stats()
	free := stats.FreePageN + stats.PendingPageN
	if db.IsReadOnly() {
		free = s.late.found.free
	}
	used -= int64(free) * int64(s.pageSize)
	return storage.Size{Total: info.Size() + logged, Used: used}, nil
}
