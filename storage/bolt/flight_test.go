package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// slow is a log whose next record waits, written and not durable, or not even written, and then
// fails, if it is to. Its writes have to be durable before the next one.
type slow struct {
	commitlog.File
	t       *testing.T
	hold    atomic.Bool
	inWrite bool
	failed  atomic.Bool // all writes fail from now on
	came    chan struct{}
	result  chan error
	dirty   atomic.Bool
}

func (f *slow) wait() error {
	if !f.hold.CompareAndSwap(true, false) {
		return nil
	}
	f.came <- struct{}{}
	return <-f.result
}

func (f *slow) WriteAt(b []byte, at int64) (int, error) {
	if len(bytes.Trim(b, "\x00")) == 0 { // what makes room, or takes a record back
		return f.File.WriteAt(b, at)
	}
	if f.failed.Load() {
		return 0, errDisk
	}
	if f.inWrite {
		if err := f.wait(); err != nil {
			return 0, err
		}
	}
	if f.dirty.Swap(true) {
		f.t.Error("a record was begun before the one before it was durable")
	}
	return f.File.WriteAt(b, at)
}

func (f *slow) Sync() error {
	if !f.inWrite {
		if err := f.wait(); err != nil {
			return err
		}
	}
	defer f.dirty.Store(false)
	return f.File.Sync()
}

func (f *slow) SyncAll() error {
	defer f.dirty.Store(false)
	return f.File.SyncAll()
}

// slowStore opens a store whose log is slow.
func slowStore(t *testing.T, inWrite bool) (*Store, *slow, string) {
	f := &slow{t: t, inWrite: inWrite, came: make(chan struct{}), result: make(chan error)}
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{Log: true, sizes: &stillSizes, wrapLog: func(file commitlog.File) commitlog.File {
		f.File = file
		return f
	}})
	return s, f, path
}

// later runs an Update beside the test.
type later struct {
	runs atomic.Int32
	err  error
	done chan struct{}
}

func startUpdate(s *Store, fn func(storage.Writer) error) *later {
	l := &later{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.err = s.Update(background, func(w storage.Writer) error {
			err := fn(w)
			l.runs.Add(1)
			return err
		})
	}()
	return l
}

func (l *later) told() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *later) wait() error {
	<-l.done
	return l.err
}

// taken refuses to put a key that is there.
func taken(key string) func(storage.Writer) error {
	return func(w storage.Writer) error {
		v, err := w.Get(rows, []byte(key))
		if err == nil && v != nil {
			err = errTaken
		}
		return errors.Join(err, w.Put(rows, []byte(key), []byte("mine")))
	}
}

var errTaken = errors.New("the key is taken")

// TestNextGroupRunsMeanwhile: while a group is on its way to the disk, the next one runs on
// what it wrote. Nobody sees either of them, or is told anything, before the disk has it.
func TestNextGroupRunsMeanwhile(t *testing.T) {
	s, f, _ := slowStore(t, false)
	mustPut(t, s, "before", "1")
	f.hold.Store(true)
	first := startUpdate(s, putter("a"))
	<-f.came
	second, refused := startUpdate(s, putter("b")), startUpdate(s, taken("a"))
	waitFor(t, func() bool { return second.runs.Load() == 1 && refused.runs.Load() == 1 })
	if first.told() || second.told() || refused.told() || count(t, s) != 1 {
		t.Error("something is known of what is not durable")
	}
	close(f.result)
	if err := errors.Join(first.wait(), second.wait()); err != nil {
		t.Error(err)
	}
	if err := refused.wait(); !errors.Is(err, errTaken) {
		t.Errorf("a key that is taken: %v", err)
	}
	if a, b := get(t, s, "a"), get(t, s, "b"); a != "1" || b != "2" || count(t, s) != 3 {
		t.Errorf("they saw %s and %s keys", a, b)
	}
	if second.runs.Load() != 1 {
		t.Errorf("the second ran %d times", second.runs.Load())
	}
}

// TestNextGroupAfterUnknown: what became of a group is not known. What ran on it is not
// committed.
func TestNextGroupAfterUnknown(t *testing.T) {
	s, f, path := slowStore(t, false)
	mustPut(t, s, "before", "1")
	f.hold.Store(true)
	first := startUpdate(s, putter("a"))
	<-f.came
	second, refused := startUpdate(s, putter("b")), startUpdate(s, taken("a"))
	waitFor(t, func() bool { return second.runs.Load() == 1 && refused.runs.Load() == 1 })
	f.result <- errDisk
	wantOutcome(t, first.wait(), storage.Unknown)
	for _, l := range []*later{second, refused} {
		if err := l.wait(); !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("what ran on it: %v", err)
		}
	}
	if count(t, s) != 1 {
		t.Error("there is more than what is durable")
	}
	s.Close()
	s = openStore(t, path, Options{})
	if get(t, s, "before") != "1" || get(t, s, "b") != "-" {
		t.Error("opened again: the content is another")
	}
}

// TestNextGroupAfterNotApplied: a group is not applied. It is tried again, and what ran on it
// runs again without it.
func TestNextGroupAfterNotApplied(t *testing.T) {
	for _, forever := range []bool{false, true} {
		s, f, path := slowStore(t, true)
		mustPut(t, s, "before", "1")
		f.hold.Store(true)
		first := startUpdate(s, putter("a"))
		<-f.came
		second, refused := startUpdate(s, putter("b")), startUpdate(s, taken("a"))
		waitFor(t, func() bool { return second.runs.Load() == 1 && refused.runs.Load() == 1 })
		f.failed.Store(forever)
		f.result <- errDisk
		if forever {
			for _, l := range []*later{first, second, refused} {
				wantOutcome(t, l.wait(), storage.NotApplied)
			}
			f.failed.Store(false)
			if count(t, s) != 1 {
				t.Error("what was not applied is there")
			}
		} else {
			if err := errors.Join(first.wait(), second.wait()); err != nil {
				t.Error(err)
			}
			if err := refused.wait(); err != nil && !errors.Is(err, errTaken) { // a was put first, or last
				t.Error(err)
			}
			if a, b := get(t, s, "a"), get(t, s, "b"); a == "-" || a == "mine" || b == "-" || count(t, s) != 3 {
				t.Errorf("a is %s, b is %s, of %d keys", a, b, count(t, s))
			}
		}
		if second.runs.Load() < 2 || refused.runs.Load() < 2 {
			t.Error("what ran on what was not applied did not run again")
		}
		mustPut(t, s, "after", "1")
		want := dump(t, s)
		if got := dump(t, openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})); got != want {
			t.Errorf("after a crash the content is\n%s\nwant\n%s", got, want)
		}
	}
}

// TestGroupsUnderFailures has writers count up together on a log that fails now and then: each
// number that was told is there once, and no other.
func TestGroupsUnderFailures(t *testing.T) {
	s, f, path := spied(t, &tinySizes)
	var wg sync.WaitGroup
	var told atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for n := range 100 {
				if i == 0 {
					f.failWrite.Store(n%3 == 1)
				}
				err := s.Update(background, func(w storage.Writer) error {
					v, err := w.Get(rows, []byte("n"))
					if err != nil {
						return err
					}
					at := 0
					fmt.Sscan(string(v), &at)
					next := fmt.Append(nil, at+1)
					return errors.Join(w.Put(rows, []byte("n"), next), w.Put(rows, append([]byte("x"), next...), next))
				})
				if err == nil {
					told.Add(1)
				} else if !notApplied(err) {
					t.Errorf("a write: %v", err)
				}
			}
			if i == 0 {
				f.failWrite.Store(false)
			}
		})
	}
	wg.Wait()
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), Options{})
	for _, s := range []*Store{s, left} {
		if n := count(t, s); get(t, s, "n") != fmt.Sprint(told.Load()) || n != int(told.Load())+1 {
			t.Errorf("%d were told, the last number is %s, and there are %d keys", told.Load(), get(t, s, "n"), n)
		}
	}
	if told.Load() < 100 {
		t.Errorf("only %d were told", told.Load())
	}
}
