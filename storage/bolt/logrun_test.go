package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// spy counts the syncs of a log, and fails calls when it is told to.
type spy struct {
	syncs     atomic.Int32
	failSync  atomic.Bool
	failWrite atomic.Bool
}

// spiedFile is the file of a log that a spy sees.
type spiedFile struct {
	commitlog.File
	*spy
}

func (f spiedFile) Sync() error {
	f.syncs.Add(1)
	if f.failSync.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f spiedFile) WriteAt(b []byte, at int64) (int, error) {
	if f.failWrite.Load() && len(bytes.Trim(b, "\x00")) > 0 {
		return 0, errDisk
	}
	return f.File.WriteAt(b, at)
}

// spied opens a store whose log, which it has already, is seen by a spy.
func spied(t testing.TB, o Options, sizes *logSizes) (*Store, *spy, string) {
	t.Helper()
	f := &spy{}
	path := filepath.Join(t.TempDir(), "db")
	o.sizes, o.wrapLog = sizes, func(file commitlog.File) commitlog.File { return spiedFile{file, f} }
	s := withLog(t, path, o)
	f.syncs.Store(0)
	return s, f, path
}

// TestGroupIsOneSync: a group waits for the disk once, and bbolt has nothing to do.
func TestGroupIsOneSync(t *testing.T) { eachPlace(t, testGroupIsOneSync) }

func testGroupIsOneSync(t *testing.T, o Options) {
	s, f, _ := spied(t, o, &stillSizes)
	var commits atomic.Int32
	s.commitTx = func(tx *bbolt.Tx) error { commits.Add(1); return tx.Commit() }
	errs := together(t, s, putter("a"), putter("b"),
		func(w storage.Writer) error { w.Put(rows, []byte("x"), nil); return errDisk },
		func(w storage.Writer) error { w.Put(rows, []byte("y"), nil); panic("boom") },
		putter("c"))
	if errs[0] != nil || errs[1] != nil || errs[4] != nil || errs[2] != errDisk || errs[3] == nil {
		t.Errorf("errors %v", errs)
	}
	if f.syncs.Load() != 1 || commits.Load() != 0 {
		t.Errorf("%d syncs of the log, %d commits of bbolt", f.syncs.Load(), commits.Load())
	}
	for i, k := range []string{"a", "b", "c"} {
		if v := get(t, s, k); v != fmt.Sprint(i) {
			t.Errorf("%s saw %s keys, want %d", k, v, i)
		}
	}
	if count(t, s) != 3 {
		t.Error("dropped writes were applied")
	}
	if err := s.Update(background, func(storage.Writer) error { return nil }); err != nil || f.syncs.Load() != 1 {
		t.Errorf("a write of nothing: %v, %d syncs", err, f.syncs.Load())
	}
}

// TestFailedLogSync: what became of the commit is not known, and the store is read-only until
// it is opened again; then the commit is there whole or not at all.
func TestFailedLogSync(t *testing.T) { eachPlace(t, testFailedLogSync) }

func testFailedLogSync(t *testing.T, o Options) {
	s, f, path := spied(t, o, &stillSizes)
	mustPut(t, s, "before", "1")
	f.failSync.Store(true)
	errs := together(t, s, putter("a"), putter("b"))
	for _, err := range errs {
		wantOutcome(t, err, storage.Unknown)
	}
	f.failSync.Store(false)
	syncs := f.syncs.Load()
	if err := put(s, "x", "1"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("a write afterwards: %v", err)
	}
	if err := s.Compact(background); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("Compact afterwards: %v", err)
	}
	if get(t, s, "before") != "1" {
		t.Error("it cannot be read")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if f.syncs.Load() != syncs {
		t.Error("the sync was tried again")
	}
	s = openStore(t, path, o)
	if a, b := get(t, s, "a"), get(t, s, "b"); get(t, s, "before") != "1" || a == "-" != (b == "-") {
		t.Errorf("opened again: a is %s, b is %s", a, b)
	}
	mustPut(t, s, "x", "1")
}

// TestFailedLogWrite: nothing was applied, and the store goes on.
func TestFailedLogWrite(t *testing.T) { eachPlace(t, testFailedLogWrite) }

func testFailedLogWrite(t *testing.T, o Options) {
	s, f, path := spied(t, o, &stillSizes)
	mustPut(t, s, "before", "1")
	f.failWrite.Store(true)
	for range 3 {
		for _, err := range together(t, s, putter("a"), putter("b")) {
			wantOutcome(t, err, storage.NotApplied)
		}
	}
	f.failWrite.Store(false)
	if count(t, s) != 1 {
		t.Error("what was not applied is there")
	}
	mustPut(t, s, "after", "1")
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
	if n := count(t, left); n != 2 {
		t.Errorf("%d keys after a crash", n)
	}
}

// TestViewsAcrossFlushes: a View sees its state however many flushes there are meanwhile, and
// holds up nobody.
func TestViewsAcrossFlushes(t *testing.T) { eachPlace(t, testViewsAcrossFlushes) }

func testViewsAcrossFlushes(t *testing.T, o Options) {
	s, _, _ := spied(t, o, &stillSizes)
	flush := func() {
		t.Helper()
		s.lead()
		s.freeze()
		s.queue.pass()
		s.recent.flushing.Lock()
		defer s.recent.flushing.Unlock()
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
	}
	write := func(n int) {
		t.Helper()
		err := s.Update(background, func(w storage.Writer) error {
			err := w.DeleteRange(rows, key(n%7), key(n%7+2))
			for i := range 10 {
				err = errors.Join(err, w.Put(rows, key(i+n%3), fmt.Append(nil, n)), w.Put("a", key(i), fmt.Append(nil, n)))
			}
			return errors.Join(err, w.Delete(rows, key(n%10)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(r storage.Reader) (all string) {
		for _, ks := range []storage.Keyspace{rows, "a"} {
			for _, reverse := range []bool{false, true} {
				c := r.Scan(ks, nil, nil, reverse)
				for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
					all += fmt.Sprintf("%s=%s ", k, v)
				}
			}
		}
		return all
	}
	// Views in every state of the layers, held open while the next ones come.
	var views sync.WaitGroup
	proceed := make(chan struct{})
	defer views.Wait()
	hold := func() {
		began := make(chan struct{})
		views.Go(func() {
			err := s.View(background, func(r storage.Reader) error {
				first := text(r)
				close(began)
				<-proceed
				if again := text(r); again != first {
					return fmt.Errorf("a view saw %q, and then %q", first, again)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-began
	}
	s.steps = func(string) error { hold(); return nil }
	for n := range 30 {
		hold()
		write(n)
		hold()
		if n%3 == 0 {
			s.lead()
			s.freeze()
			s.queue.pass()
			write(n + 100)
			hold()
			flush()
		}
	}
	s.steps = nil
	close(proceed)
}

// TestLayersAreBounded: while layers cannot be written into bbolt, they grow to a bound, and
// then writes fail as not applied; once they can, all goes on.
func TestLayersAreBounded(t *testing.T) { eachPlace(t, testLayersAreBounded) }

func testLayersAreBounded(t *testing.T, o Options) {
	sizes := tinySizes
	sizes.idle = 10 * time.Millisecond
	s, _, _ := spied(t, o, &sizes)
	s.recent.flushing.Lock()
	commit := s.commitTx
	s.commitTx = func(tx *bbolt.Tx) error { return failBefore(tx) }
	s.recent.flushing.Unlock()
	committed := 0
	var err error
	for ; committed < 10_000 && err == nil; committed++ {
		err = put(s, fmt.Sprint(committed), "some value")
	}
	committed--
	wantOutcome(t, err, storage.NotApplied)
	l := s.recent.get()
	if w := l.active.Weight() + l.frozen.Weight(); w > 4*sizes.flush || committed < 20 {
		t.Errorf("the layers weigh %d bytes after %d commits", w, committed)
	}
	if n := count(t, s); n != committed {
		t.Errorf("%d keys, %d were committed", n, committed)
	}
	s.recent.flushing.Lock()
	s.commitTx = commit
	s.recent.flushing.Unlock()
	mustPut(t, s, "more", "1")
	waitFor(t, func() bool { return s.recent.layers.Load() == nil })
	if n := count(t, s); n != committed+1 {
		t.Errorf("%d keys, %d were committed", n, committed+1)
	}
}

// TestUnknownFlush: the second sync of bbolt fails in the background. Nothing is lost.
func TestUnknownFlush(t *testing.T) { eachPlace(t, testUnknownFlush) }

func testUnknownFlush(t *testing.T, o Options) {
	s, _, path := spied(t, o, &stillSizes)
	mustPut(t, s, "a", "1")
	s.commitTx = failAfter
	s.freeze()
	s.recent.flushing.Lock()
	err := s.flush()
	s.recent.flushing.Unlock()
	wantOutcome(t, err, storage.Unknown)
	if err := put(s, "b", "1"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if get(t, s, "a") != "1" {
		t.Error("a is lost")
	}
	s.Close()
	s = openStore(t, path, o)
	if get(t, s, "a") != "1" {
		t.Error("a is lost")
	}
	mustPut(t, s, "b", "1")
}

// TestFailedClose: what cannot be written into bbolt stays in the log.
func TestFailedClose(t *testing.T) { eachPlace(t, testFailedClose) }

func testFailedClose(t *testing.T, o Options) {
	s, _, path := spied(t, o, &stillSizes)
	mustPut(t, s, "a", "1")
	s.commitTx = failBefore
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	logIn(t, o, path)
	if get(t, openStore(t, path, Options{}), "a") != "1" {
		t.Error("a is lost")
	}
}

// TestCompactWithLog: nothing is left of what was written over, in the log neither.
func TestCompactWithLog(t *testing.T) { eachPlace(t, testCompactWithLog) }

func testCompactWithLog(t *testing.T, o Options) {
	compactions(t, func(t *testing.T) {
		s, _, path := spied(t, o, nil)
		litter(t, s)
		if !bytes.Contains(logOf(t, s, path).held(), []byte(planted)) {
			t.Fatal("the log does not hold what was written over: the test shows nothing")
		}
		want := dump(t, s)
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, logOf(t, s, path).path} {
			if raw, err := os.ReadFile(name); err != nil || bytes.Contains(raw, []byte(planted)) {
				t.Errorf("%s holds what was written over, or: %v", name, err)
			}
		}
		for i := range 3 {
			mustPut(t, s, fmt.Sprint("later", i), "1")
			left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
			if n := count(t, left); n != i+1 {
				t.Errorf("%d keys after a crash", n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, path, Options{})
		if got := dump(t, s); len(got) <= len(want) || got[:len(want)] != want {
			t.Error("the content is another")
		}
	})
}

// TestCompactStepsWithLog crashes at each step, and fails it.
func TestCompactStepsWithLog(t *testing.T) { eachPlace(t, testCompactStepsWithLog) }

func testCompactStepsWithLog(t *testing.T, o Options) {
	for _, at := range []string{"copied", "renamed"} {
		s, _, path := spied(t, o, &stillSizes)
		litter(t, s)
		want, left := dump(t, s), ""
		s.steps = func(name string) error {
			if name == at {
				left = copyDir(t, filepath.Dir(path))
				return errDisk
			}
			return nil
		}
		if err := s.Compact(background); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		if got := dump(t, openStore(t, filepath.Join(left, "db"), Options{})); got != want {
			t.Errorf("after a crash at %s the content is another", at)
		}
		s.steps = nil
		if at == "renamed" {
			s.Close()
			o.sizes = &stillSizes
			s = openStore(t, path, o)
		}
		mustPut(t, s, "x", "1")
		left = copyDir(t, filepath.Dir(path))
		if got := dump(t, openStore(t, filepath.Join(left, "db"), Options{})); got != want+"rows 78 31\n" {
			t.Errorf("after failing at %s, and another commit, the content is another", at)
		}
	}
}
