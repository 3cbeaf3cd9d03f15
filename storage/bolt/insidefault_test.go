package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

// putUntilFailure commits until that fails, and returns how many were acknowledged.
func putUntilFailure(s *Store, before func()) (acked int, err error) {
	for ; acked < 2_000; acked++ {
		before()
		if err = put(s, fmt.Sprintf("%06d", acked), string(make([]byte, 2000))); err != nil {
			return acked, err
		}
	}
	return acked, nil
}

// wantAcked opens a file, and looks for what was acknowledged and nothing else.
func wantAcked(t *testing.T, path string, acked int) {
	t.Helper()
	s := openStore(t, path, inside)
	if n := count(t, s); n != acked {
		t.Errorf("%d keys, %d were acknowledged", n, acked)
	}
	mustPut(t, s, "more", "1")
}

// makesInside reports whether a transaction puts a new log into the file.
func makesInside(tx *bbolt.Tx) bool {
	b := tx.Bucket(insideBucket)
	return b != nil && b.Root() == 0
}

// TestUnknownGrowth: whether the file has a larger log is not known, or whether it has what was in the
// old one. Nothing is written to either.
func TestUnknownGrowth(t *testing.T) {
	t.Run("larger log", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "db")
		s := withLog(t, path, inside)
		s.recent.flushing.Lock()
		s.commitTx = func(tx *bbolt.Tx) error {
			if makesInside(tx) {
				return failAfter(tx)
			}
			return tx.Commit()
		}
		s.recent.flushing.Unlock()
		acked, err := putUntilFailure(s, func() {})
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("after %d commits: %v", acked, err)
		}
		s.Close()
		wantAcked(t, path, acked)
	})
	t.Run("what was in it", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "db")
		s := withLog(t, path, inside)
		acked, err := putUntilFailure(s, func() {
			s.lead()
			s.recent.flushing.Lock()
			if s.outgrown() && !s.crowded() && s.recent.layers.Load() != nil {
				s.commitTx = failAfter
			}
			s.recent.flushing.Unlock()
			s.queue.pass()
		})
		if !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("after %d commits: %v", acked, err)
		}
		s.Close()
		wantAcked(t, path, acked)
	})
}

// TestUnknownRoom: a group that deletes goes on where the disk is full, but not where it is not known
// whether the file has what was in the log.
func TestUnknownRoom(t *testing.T) {
	eachPlace(t, func(t *testing.T, o Options) {
		path := filepath.Join(t.TempDir(), "db")
		o.sizes = &logSizes{flush: 1 << 30, direct: 4 << 10, room: 64 << 10, most: 256 << 10, idle: -1}
		s := openStore(t, path, o)
		mustPut(t, s, "deleted", "1")
		crowded := func() bool {
			s.lead()
			defer s.queue.pass()
			return s.crowded()
		}
		for !crowded() {
			mustPut(t, s, "filler", string(make([]byte, 2000)))
		}
		s.commitTx = func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), syscall.ENOSPC) }
		err := s.Update(background, func(w storage.Writer) error { return w.Delete(rows, []byte("deleted")) })
		if err == nil {
			t.Error("it was acknowledged")
		}
		s.Close()
		s = openStore(t, path, o)
		if get(t, s, "deleted") != "1" {
			t.Errorf("it was applied, and is %v", err)
		}
	})
}

// TestGrowthOfARenamedFile: the log there is goes on.
func TestGrowthOfARenamedFile(t *testing.T) {
	if !renameOpen {
		t.Skip("files that are open cannot be renamed here")
	}
	path := filepath.Join(t.TempDir(), "db")
	s := withLog(t, path, inside)
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	acked, err := putUntilFailure(s, func() {})
	if err != nil {
		t.Errorf("after %d commits: %v", acked, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantAcked(t, path+"2", acked)
}

// TestInsideElement has the page of the log say something else of its size.
func TestInsideElement(t *testing.T) {
	path := crashedWith(t, inside)
	log := logIn(t, inside, path)
	page := int64(os.Getpagesize())
	element := log.raw[log.from-page+headerSize:]
	length := order.Uint32(element[12:])
	for bit := range 32 {
		order.PutUint32(element[12:], length^1<<bit)
		log.write()
		for _, o := range []Options{{ReadOnly: true}, {}} {
			if s, err := Open(path, o); !errors.Is(err, storage.ErrCorrupt) {
				if t.Errorf("bit %d, %+v: %v", bit, o, err); err == nil {
					s.Close()
				}
			}
		}
	}
}

// TestInsidePage has the page of the log damaged in a file that has its list of free pages. Neither Open
// nor Recover panics.
func TestInsidePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := withLog(t, path, inside)
	mustPut(t, s, "a", "1")
	from := logOf(t, s, path).from
	s.commitTx = failBefore
	s.Close()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 8, 10, 12, headerSize + 4, headerSize + 8} {
		b := append([]byte(nil), raw...)
		b[from-int64(os.Getpagesize())+at] ^= 0x55
		damaged := writeFile(t, b)
		for _, open := range []func() error{
			func() error { _, err := Open(damaged, Options{ReadOnly: true}); return err },
			func() error { _, err := Open(damaged, Options{LockTimeout: soon}); return err },
			func() error { _, err := Recover(damaged, Options{LockTimeout: soon}); return err },
		} {
			if err := open(); err != nil && !errors.Is(err, storage.ErrCorrupt) && !errors.Is(err, storage.ErrLocked) {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	}
}

// TestInsideSizeBesideCommits asks for the size while logs grow.
func TestInsideSizeBesideCommits(t *testing.T) {
	o := inside
	o.NoSync = true
	s := openStore(t, filepath.Join(t.TempDir(), "db"), o)
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		for i := range 3000 {
			if err := put(s, fmt.Sprint(i%50), string(make([]byte, 3000))); err != nil {
				t.Error(err)
			}
		}
	})
	for !done.Load() {
		if size, err := s.Size(); err != nil || size.Used < 0 || size.Used > size.Total {
			t.Errorf("%+v, %v", size, err)
		}
	}
	wg.Wait()
}

// TestInsideCompacted: the log of a store that was compacted is a small one again.
func TestInsideCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	o := inside
	o.NoSync = true
	s := openStore(t, path, o)
	for i := range 3000 {
		mustPut(t, s, fmt.Sprint(i%50), string(make([]byte, 3000)))
	}
	write(t, s, func(w storage.Writer) error { return w.DeleteRange(rows, nil, nil) })
	if s.openLogNow().Size() <= firstInside {
		t.Fatal("the log has not grown: the test shows nothing")
	}
	if err := s.Compact(background); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 2<<20 {
		t.Errorf("all but empty it has %d bytes, %v", info.Size(), err)
	}
}
