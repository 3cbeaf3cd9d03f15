package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

var errDisk = errors.New("the disk failed")

// failBefore fails a commit before anything is written.
func failBefore(tx *bbolt.Tx) error {
	tx.Rollback()
	return errDisk
}

// failAfter fails a commit as bbolt does when its second sync fails.
func failAfter(tx *bbolt.Tx) error {
	if err := tx.Commit(); err != nil {
		return err
	}
	return errDisk
}

// wantOutcome checks that err is a CommitError because of errDisk.
func wantOutcome(t *testing.T, err error, want storage.Outcome) {
	t.Helper()
	var c *storage.CommitError
	if !errors.As(err, &c) || c.Outcome != want || !errors.Is(err, errDisk) {
		t.Errorf("error %v, want a CommitError %v because of %v", err, want, errDisk)
	}
}

// together runs calls so that they form one group, in order: the first waits in
// its function until the others are in line.
func together(t *testing.T, s *Store, fns ...func(storage.Writer) error) []error {
	t.Helper()
	running, proceed := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	wg.Go(func() {
		var once sync.Once
		errs[0] = s.Update(background, func(w storage.Writer) error {
			once.Do(func() { close(running); <-proceed })
			return fns[0](w)
		})
	})
	<-running
	for i := 1; i < len(fns); i++ {
		wg.Go(func() { errs[i] = s.Update(background, fns[i]) })
		waitFor(t, func() bool { return waiting(s) == i })
	}
	close(proceed)
	wg.Wait()
	return errs
}

func waiting(s *Store) int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatal("timed out")
		}
		runtime.Gosched()
	}
}

// putter returns a function that puts a key, whose value tells the keys it saw.
func putter(k string) func(storage.Writer) error {
	return func(w storage.Writer) error {
		n := 0
		c := w.Scan(rows, nil, nil, false)
		for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
			n++
		}
		return w.Put(rows, []byte(k), []byte(strconv.Itoa(n)))
	}
}

func TestGroupIsOneCommit(t *testing.T) {
	s := newStore(t)
	var commits atomic.Int32
	s.commitTx = func(tx *bbolt.Tx) error { commits.Add(1); return tx.Commit() }
	errs := together(t, s, putter("a"), putter("b"),
		func(w storage.Writer) error { w.Put(rows, []byte("x"), nil); return errDisk },
		func(w storage.Writer) error { w.Put(rows, []byte("y"), nil); panic("boom") },
		putter("c"))
	if errs[0] != nil || errs[1] != nil || errs[4] != nil || errs[2] != errDisk {
		t.Errorf("errors %v", errs)
	}
	var p *storage.PanicError
	if !errors.As(errs[3], &p) || p.Value != "boom" {
		t.Errorf("error %v, want the panic", errs[3])
	}
	if n := commits.Load(); n != 1 {
		t.Errorf("%d commits", n)
	}
	for i, k := range []string{"a", "b", "c"} {
		if v := get(t, s, k); v != strconv.Itoa(i) {
			t.Errorf("%s saw %s keys, want %d", k, v, i)
		}
	}
	if count(t, s) != 3 {
		t.Error("dropped writes were applied")
	}
}

// TestWritersAreGrouped counts the commits of 16 writers on a synced store.
func TestWritersAreGrouped(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "db"), Options{})
	var commits atomic.Int32
	s.commitTx = func(tx *bbolt.Tx) error { commits.Add(1); return tx.Commit() }
	const writers, rounds = 16, 50
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range rounds {
				if err := put(s, fmt.Sprint(n, "-", i), "v"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != writers*rounds {
		t.Errorf("%d keys", n)
	}
	if n := commits.Load(); n > writers*rounds/2 {
		t.Errorf("%d commits for %d updates", n, writers*rounds)
	} else {
		t.Logf("%d commits for %d updates", n, writers*rounds)
	}
}

func TestReadsAndEmptyUpdatesDoNotCommit(t *testing.T) {
	s := newStore(t)
	s.commitTx = func(*bbolt.Tx) error { t.Error("commit"); return errDisk }
	for _, fn := range []func(storage.Writer) error{
		func(storage.Writer) error { return nil },
		func(w storage.Writer) error { _, err := w.Get(rows, []byte("a")); return err },
		func(storage.Writer) error { return errDisk },
	} {
		if err := s.Update(background, fn); err != nil && err != errDisk {
			t.Error(err)
		}
	}
}

func TestFailedCommitNotApplied(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	s.commitTx = failBefore
	wantOutcome(t, put(s, "b", "2"), storage.NotApplied)
	s.commitTx = (*bbolt.Tx).Commit
	if count(t, s) != 1 {
		t.Error("applied")
	}
	mustPut(t, s, "c", "3")
	if count(t, s) != 2 {
		t.Error("the store does not work on")
	}
}

func TestFailedCommitUnknown(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	s.commitTx = failAfter
	wantOutcome(t, put(s, "b", "2"), storage.Unknown)
	s.commitTx = (*bbolt.Tx).Commit
	if err := put(s, "c", "3"); err != storage.ErrReadOnly {
		t.Errorf("Update after that: %v, want ErrReadOnly", err)
	}
	if get(t, s, "a") != "1" {
		t.Error("the store cannot be read")
	}
	path := s.file.Name()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if freelistSaved(t, path) {
		t.Error("Close wrote to the file")
	}
	s = openStore(t, path, Options{})
	mustPut(t, s, "c", "3")
	if n := count(t, s); n != 3 {
		t.Errorf("%d keys after reopening", n)
	}
}

// TestSharedCommitNotApplied fails a group's commit, and then that of one member.
func TestSharedCommitNotApplied(t *testing.T) {
	s := newStore(t)
	commits := 0
	s.commitTx = func(tx *bbolt.Tx) error {
		commits++
		if commits == 1 || commits == 3 {
			return failBefore(tx)
		}
		return tx.Commit()
	}
	fails := func(w storage.Writer) error {
		if v, _ := w.Get(rows, []byte("b")); v != nil {
			return errors.New("b is there")
		}
		return w.Put(rows, []byte("d"), []byte("v"))
	}
	errs := together(t, s, putter("a"), putter("b"), putter("c"), fails)
	if errs[0] != nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("errors %v: one member's failure fails others", errs)
	}
	wantOutcome(t, errs[1], storage.NotApplied)
	for k, want := range map[string]string{"a": "0", "b": "-", "c": "1", "d": "v"} {
		if v := get(t, s, k); v != want {
			t.Errorf("%s is %s, want %s", k, v, want)
		}
	}
	if commits != 5 {
		t.Errorf("%d commits", commits)
	}
}

func TestSharedCommitUnknown(t *testing.T) {
	s := newStore(t)
	s.commitTx = failAfter
	errs := together(t, s, putter("a"), putter("b"),
		func(storage.Writer) error { return context.Canceled }, putter("c"))
	for _, i := range []int{0, 1, 3} {
		wantOutcome(t, errs[i], storage.Unknown)
	}
	if errs[2] != context.Canceled {
		t.Errorf("the function's own error became %v", errs[2])
	}
}

// TestUnknownWhileTryingAlone: those not yet tried are certainly not applied.
func TestUnknownWhileTryingAlone(t *testing.T) {
	s := newStore(t)
	commits := 0
	s.commitTx = func(tx *bbolt.Tx) error {
		if commits++; commits == 1 {
			return failBefore(tx)
		}
		return failAfter(tx)
	}
	errs := together(t, s, putter("a"), putter("b"), putter("c"))
	wantOutcome(t, errs[0], storage.Unknown)
	if errs[1] != storage.ErrReadOnly || errs[2] != storage.ErrReadOnly {
		t.Errorf("errors %v", errs)
	}
	if count(t, s) != 1 {
		t.Error("writes of a call that got ErrReadOnly were applied")
	}
}

func TestPanicInCommit(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	s.commitTx = func(*bbolt.Tx) error { panic(errDisk) }
	var c *storage.CommitError
	if err := put(s, "b", "2"); !errors.As(err, &c) || c.Outcome != storage.Unknown {
		t.Errorf("error %v, want Unknown", err)
	}
	if err := put(s, "b", "2"); err != storage.ErrReadOnly {
		t.Errorf("error %v, want ErrReadOnly", err)
	}
	if get(t, s, "a") != "1" || get(t, s, "b") != "-" {
		t.Error("the store cannot be read")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestExitInGroup: a function ends the leader's goroutine, which is not its own.
func TestExitInGroup(t *testing.T) {
	s := newStore(t)
	exit := func(w storage.Writer) error {
		w.Put(rows, []byte("x"), nil)
		runtime.Goexit()
		return nil
	}
	errs := together(t, s, putter("a"), putter("b"), exit, putter("c"))
	var p *storage.PanicError
	if !errors.As(errs[2], &p) || !errors.Is(errs[2], errExit) {
		t.Errorf("error %v, want the exit", errs[2])
	}
	if errs[1] != nil || errs[3] != nil {
		t.Errorf("errors %v", errs)
	}
	if get(t, s, "b") == "-" || get(t, s, "c") == "-" || get(t, s, "x") != "-" {
		t.Error("the others were not applied, or the exit was")
	}
	mustPut(t, s, "d", "v")
}

func TestFullDisk(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, fmt.Errorf("file resize error: %s", syscall.EFBIG)} {
		s := newStore(t)
		s.commitTx = func(tx *bbolt.Tx) error { tx.Rollback(); return cause }
		err := put(s, "a", "1")
		var c *storage.CommitError
		if !errors.Is(err, storage.ErrFull) || !errors.As(err, &c) || c.Outcome != storage.NotApplied {
			t.Errorf("%v, want ErrFull, not applied", err)
		}
	}
}

// TestBigGroups puts more in line than one group takes.
func TestBigGroups(t *testing.T) {
	s := newStore(t)
	const calls = 2*maxGroupCalls + 50
	fns := make([]func(storage.Writer) error, calls)
	for i := range fns {
		fns[i] = func(w storage.Writer) error {
			for j := range 20 {
				if err := w.Put(rows, key(i*20+j), nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	var commits atomic.Int32
	s.commitTx = func(tx *bbolt.Tx) error { commits.Add(1); return tx.Commit() }
	if err := errors.Join(together(t, s, fns...)...); err != nil {
		t.Error(err)
	}
	if n := count(t, s); n != calls*20 {
		t.Errorf("%d keys", n)
	}
	if n := commits.Load(); n < 3 || n > 6 {
		t.Errorf("%d commits", n)
	}
}
