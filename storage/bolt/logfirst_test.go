package bolt

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// alone fails the test when there is something beside the file.
func alone(t *testing.T, path, when string) {
	t.Helper()
	if list, _ := filepath.Glob(path + "*"); len(list) != 1 {
		t.Errorf("%s: %v", when, list)
	}
}

// TestLogComesWithTheFirstCommit: who opens a file and reads it, or writes nothing, makes no log
// and leaves the file as it is.
func TestLogComesWithTheFirstCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{Log: true})
	mustPut(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path, Options{Log: true})
	alone(t, path, "opened")
	if get(t, s, "a") != "1" {
		t.Error("a is lost")
	}
	_ = s.Update(background, func(w storage.Writer) error { return errDisk })
	_ = s.Update(background, func(w storage.Writer) error { return nil })
	if _, err := s.Size(); err != nil {
		t.Error(err)
	}
	alone(t, path, "read")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alone(t, path, "closed")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed, or: %v", err)
	}
	s = openStore(t, path, Options{Log: true})
	mustPut(t, s, "b", "1")
	if _, err := os.Stat(path + logSuffix); err != nil {
		t.Error(err)
	}
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
	if n := count(t, left); n != 2 {
		t.Errorf("%d keys after a crash", n)
	}
}

// TestLargeFirstCommit goes into the file itself, which needs no log for it.
func TestLargeFirstCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{Log: true, sizes: &stillSizes})
	mustPut(t, s, "large", string(make([]byte, stillSizes.direct)))
	alone(t, path, "written")
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
	if n := count(t, left); n != 1 {
		t.Errorf("%d keys after a crash", n)
	}
	mustPut(t, s, "small", "1")
	if n := count(t, s); n != 2 {
		t.Errorf("%d keys", n)
	}
}

// unmade is the file of a log that cannot be made, for a reason.
type unmade struct {
	commitlog.File
	reason *atomic.Pointer[error]
}

func (f unmade) WriteAt(b []byte, at int64) (int, error) {
	if err := f.reason.Load(); err != nil {
		return 0, *err
	}
	return f.File.WriteAt(b, at)
}

func withUnmade(t *testing.T) (s *Store, path string, fail func(error)) {
	var reason atomic.Pointer[error]
	path = filepath.Join(t.TempDir(), "db")
	s = openStore(t, path, Options{Log: true, wrapLog: func(f commitlog.File) commitlog.File { return unmade{f, &reason} }})
	return s, path, func(err error) { reason.Store(&err) }
}

// TestNoLogCanBeMade: the commit is not applied, and the next one tries again.
func TestNoLogCanBeMade(t *testing.T) {
	s, path, fail := withUnmade(t)
	fail(errDisk)
	for range 2 {
		for _, err := range together(t, s, putter("a"), putter("b")) {
			wantOutcome(t, err, storage.NotApplied)
		}
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d keys", n)
	}
	alone(t, path, "failed")
	s.commitTx = failBefore
	s.opts.wrapLog = nil
	wantOutcome(t, put(s, "a", "1"), storage.NotApplied)
	alone(t, path, "its name could not be noted")
	s.commitTx = (*bbolt.Tx).Commit
	mustPut(t, s, "a", "1")
	if _, err := os.Stat(path + logSuffix); err != nil {
		t.Error(err)
	}
}

// TestNoSpaceForLog: what is committed goes into the file itself, as long as that has room.
func TestNoSpaceForLog(t *testing.T) {
	s, path, fail := withUnmade(t)
	fail(syscall.ENOSPC)
	mustPut(t, s, "a", "1")
	alone(t, path, "full")
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
	if n := count(t, left); n != 1 {
		t.Errorf("%d keys after a crash", n)
	}
	s.opts.wrapLog = nil
	mustPut(t, s, "b", "1")
	if _, err := os.Stat(path + logSuffix); err != nil {
		t.Error(err)
	}
	if n := count(t, s); n != 2 {
		t.Errorf("%d keys", n)
	}
}

// TestUnknownLog: whether the file says that it has a log is not known. The commit is not
// applied, and the store is read-only until it is opened again.
func TestUnknownLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{Log: true})
	s.commitTx = failAfter
	wantOutcome(t, put(s, "a", "1"), storage.NotApplied)
	if err := put(s, "b", "1"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path, Options{Log: true})
	if n := count(t, s); n != 0 {
		t.Errorf("%d keys", n)
	}
	mustPut(t, s, "b", "1")
}
