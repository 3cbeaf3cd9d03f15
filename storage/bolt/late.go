package bolt

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/siftdb/siftdb/storage"
)

// bbolt reads the list of free pages when it opens a file for writing, which for a long list takes
// most of the time that opening takes. Only who writes needs the list. So a file with a long one is
// opened for reading, and for writing when the first transaction begins that writes.

// lateFrom is how many free pages make a list a long one. Tests change it.
var lateFrom = 512

// late is what a store needs that has its file open for reading until it writes.
type late struct {
	reading atomic.Bool    // bbolt has the file open for reading; set before the store is used, cleared under begins
	found   file           // what Open found in the file, which is in it as long as reading is set
	opening sync.Mutex     // held while the file is opened for writing
	failed  error          // why that is not tried again; guarded by opening, and Close's after the gate is shut
	retired sync.WaitGroup // Views in what was open for reading, after reading is cleared

	tryMap func(*os.File, int) error // tryMap, replaced by tests
}

// errOvertaken is met when another handle had the file while this one took its lock anew.
var errOvertaken = errors.New("another handle has had the file")

// readsFirst reports whether a file is to be opened for reading until something is written.
func (s *Store) readsFirst(found file) bool {
	return lockTwice && !s.opts.ReadOnly && !s.unsaved && found.kept != nil && found.free >= lateFrom
}

// openReading opens the file for reading, whose exclusive lock s.file holds, and holds it after.
//
// bbolt makes that lock a shared one for a moment. Nobody can write then, but others can take a
// shared one, too, and the system may let somebody in when it changes a lock. Then Open begins anew.
func (s *Store) openReading(path string, found file, deadline time.Time) error {
	f := s.file
	err := guarded(func() (err error) {
		s.db, err = bbolt.Open(path, 0, &bbolt.Options{
			Timeout:  max(time.Until(deadline), minLockTimeout),
			ReadOnly: true,
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		})
		return err
	})
	if err != nil {
		f.Close() // unless bbolt did
		if errors.Is(err, berrors.ErrTimeout) {
			return storage.ErrLocked
		}
		return err
	}
	s.late.found = found
	if err := s.lockAgain(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.late.tryMap = tryMap
	s.late.reading.Store(true)
	s.idle.reset(s.db)
	return nil
}

// lockAgain makes the lock of s.file exclusive, and makes sure that nothing was written since the
// file was looked at.
func (s *Store) lockAgain() error {
	ok, err := tryLock(s.file, true)
	if err != nil {
		return err
	}
	if m, sound := readMeta(s.file); !ok || !sound || m != s.late.found.meta {
		return errOvertaken
	}
	return nil
}

// openWriting opens the file for writing, where it is open for reading. What ran in that goes on;
// until it has ended, a transaction is held open that keeps its pages from being used again.
func (s *Store) openWriting() error {
	if !s.late.reading.Load() {
		return nil
	}
	s.late.opening.Lock()
	defer s.late.opening.Unlock()
	if !s.late.reading.Load() || s.dead.Load() {
		return nil
	}
	if s.late.failed != nil {
		return s.late.failed
	}
	made, pin, err := s.openAgain()
	if err != nil {
		return openError(s.path, err)
	}
	s.begins.Lock()
	old := s.db
	s.db, s.file = made.db, made.file
	s.idle.reset(s.db)
	s.late.reading.Store(false)
	s.begins.Unlock()
	s.retire(old, pin)
	return nil
}

// retire closes what was open for reading, once nobody reads in it, and lets go of its pages.
func (s *Store) retire(old *bbolt.DB, pin *bbolt.Tx) {
	end := func() {
		_ = old.Close() // waits
		_ = pin.Rollback()
	}
	if old.Stats().OpenTxN == 0 {
		end()
		return
	}
	s.late.retired.Add(1)
	go func() {
		defer s.late.retired.Done()
		end()
	}()
}

// openAgain opens the file for writing beside the handle for reading, which shares its lock, and
// begins a transaction.
func (s *Store) openAgain() (made opened, pin *bbolt.Tx, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return made, nil, err
	}
	// bbolt lets go of the lock when it cannot map the file. So that is tried before.
	room := 0
	err = withLess(s.opts.mmapSize(info.Size()), func(mmap int) error {
		room = mmap
		return s.late.tryMap(s.file, mapSize(max(info.Size(), int64(mmap))))
	})
	if err != nil {
		return made, nil, err
	}
	if made.file, err = duplicate(s.file); err != nil {
		return made, nil, err
	}
	err = guarded(func() (err error) {
		made.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
			Timeout:         minLockTimeout,
			NoSync:          s.opts.NoSync,
			NoFreelistSync:  true, // while open: see Store.saveFreelist
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: room,
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return made.file, nil },
		})
		if err == nil {
			pin, err = made.db.Begin(false)
		}
		return err
	})
	if err == nil {
		return made, pin, nil
	}
	made.file.Close() // never through bbolt, which would let go of the lock
	return made, nil, s.notWriting(err)
}

// notWriting is called when bbolt could not open the file for writing. After damage it is not tried
// again, since each time leaves a mapping behind. Where bbolt let go of the lock, and somebody else
// was faster to take it, the store has lost its file.
func (s *Store) notWriting(err error) error {
	if errors.Is(err, storage.ErrCorrupt) {
		s.late.failed = openError(s.path, err)
	}
	if lost := s.lockAgain(); lost != nil {
		if errors.Is(lost, errOvertaken) {
			lost = storage.ErrLocked
		}
		err = errors.Join(fmt.Errorf("the lock of the file is lost: %w", lost), err)
		s.late.failed = openError(s.path, err)
		s.begins.Lock()
		s.lost = s.late.failed
		s.begins.Unlock()
	}
	return err
}

// unlockFailed lets go of the lock of a file that could not be opened for writing: the mapping that
// stayed would hold it until the process ends. The store is about to be closed.
func (s *Store) unlockFailed() error {
	if s.late.failed == nil || !s.late.reading.Load() {
		return nil
	}
	return unlock(s.file)
}

// mapSize is how much bbolt maps to have room for size bytes.
func mapSize(size int64) int {
	const step = 1 << 30
	for fit := int64(32 << 10); fit <= step; fit *= 2 {
		if size <= fit {
			return int(fit)
		}
	}
	return int((size + step - 1) / step * step)
}

// guarded calls open, and makes an error of the panic that damage is met with.
func guarded(open func() error) (err error) {
	defer catchFaults()()
	defer func() {
		if v := recover(); v != nil {
			if err = corruption(v); err == nil {
				panic(v)
			}
		}
	}()
	return open()
}
