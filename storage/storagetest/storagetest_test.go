package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

const rows = storage.Keyspace("rows")

var background = context.Background()

// work is an operation of eight calls.
func work(s storage.Storage) error {
	return s.Update(background, func(w storage.Writer) error {
		if _, err := w.Get(rows, []byte("a")); err != nil {
			return err
		}
		for _, k := range []string{"a", "b", "c"} {
			if err := w.Put(rows, []byte(k), []byte("new")); err != nil {
				return err
			}
		}
		if err := w.Delete(rows, []byte("b")); err != nil {
			return err
		}
		if err := w.DeleteRange(rows, []byte("x"), nil); err != nil {
			return err
		}
		c := w.Scan(rows, nil, nil, false)
		for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
		}
		return c.Err()
	})
}

// state returns the content as text.
func state(t *testing.T, s storage.Storage) (text string) {
	t.Helper()
	err := s.View(background, func(r storage.Reader) error {
		c := r.Scan(rows, nil, nil, false)
		for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
			text += fmt.Sprintf("%s=%s ", k, v)
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const old, done = "a=old x=old ", "a=new c=new "

func newStore(t *testing.T) storage.Storage {
	s := memory.New()
	err := s.Update(background, func(w storage.Writer) error {
		return errors.Join(w.Put(rows, []byte("a"), []byte("old")), w.Put(rows, []byte("x"), []byte("old")))
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFaultyEveryCall fails each call of an operation, in each way.
func TestFaultyEveryCall(t *testing.T) {
	for mode, calls := range map[storagetest.Mode]int{
		storagetest.NotApplied: 8, storagetest.UnknownApplied: 8,
		storagetest.UnknownNotApplied: 8, storagetest.ReadError: 2,
	} {
		for _, sticky := range []bool{false, true} {
			for n := 1; n <= calls+1; n++ {
				name := fmt.Sprintf("%v, call %d, sticky %v", mode, n, sticky)
				s, faults := storagetest.Faulty(newStore(t))
				faults.Arm(storagetest.Fault{Call: n, Mode: mode, Sticky: sticky})
				err := work(s)
				if n > calls {
					if err != nil || faults.Calls() != calls || faults.Hits() != 0 {
						t.Errorf("%s: %v, %d calls, %d hits", name, err, faults.Calls(), faults.Hits())
					}
					continue
				}
				if !errors.Is(err, storagetest.ErrInjected) || faults.Hits() != 1 {
					t.Errorf("%s: %v, %d hits", name, err, faults.Hits())
				}
				checkAfter(t, name, s, faults, err, mode, n == 8)
			}
		}
	}
}

// checkAfter checks the store after a call, or the commit, failed with err.
func checkAfter(t *testing.T, name string, s storage.Storage, faults *storagetest.Faults, err error,
	mode storagetest.Mode, commit bool) {
	t.Helper()
	var c *storage.CommitError
	unknown := commit && mode != storagetest.NotApplied
	if errors.As(err, &c) != commit || commit && (c.Outcome == storage.Unknown) != unknown {
		t.Errorf("%s: %v", name, err)
	}
	faults.Arm(storagetest.Fault{})
	want := old
	if unknown && mode == storagetest.UnknownApplied {
		want = done
	}
	if got := state(t, s); got != want {
		t.Errorf("%s: content %q, want %q", name, got, want)
	}
	if err := work(s); unknown && err != storage.ErrReadOnly || !unknown && err != nil {
		t.Errorf("%s: the next Update: %v", name, err)
	}
	faults.Reopen()
	if err := work(s); err != nil || state(t, s) != done {
		t.Errorf("%s: after Reopen: %v", name, err)
	}
}

func TestFaultyView(t *testing.T) {
	s, faults := storagetest.Faulty(newStore(t))
	faults.Arm(storagetest.Fault{Call: 2, Mode: storagetest.ReadError})
	err := s.View(background, func(r storage.Reader) error {
		if v, err := r.Get(rows, []byte("a")); string(v) != "old" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		_, err := r.Get(rows, []byte("a"))
		return err
	})
	if err != storagetest.ErrInjected {
		t.Error(err)
	}
}

// TestTwice finds a function with an effect outside its writer.
func TestTwice(t *testing.T) {
	s := storagetest.Twice(memory.New())
	effects := 0
	err := s.Update(background, func(w storage.Writer) error {
		effects++
		if v, _ := w.Get(rows, []byte("a")); v != nil {
			t.Error("the first run's writes were applied")
		}
		return w.Put(rows, []byte("a"), []byte("1"))
	})
	if err != nil || effects != 2 {
		t.Errorf("%v, %d runs", err, effects)
	}
	if got := state(t, s); got != "a=1 " {
		t.Errorf("content %q", got)
	}
}

// TestOptionalInterfaces: a wrapper has those of the store within, no others.
func TestOptionalInterfaces(t *testing.T) {
	plain := struct{ storage.Storage }{memory.New()}
	faulty, _ := storagetest.Faulty(plain)
	for _, s := range []storage.Storage{storagetest.Twice(plain), faulty} {
		if _, ok := s.(storage.Forker); ok {
			t.Errorf("%T forks", s)
		}
		if _, ok := s.(storage.Sizer); ok {
			t.Errorf("%T tells its size", s)
		}
	}
	f, err := storagetest.Twice(memory.New()).(storage.Forker).Fork()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.(storage.Sizer); !ok {
		t.Error("a fork lost its wrapper")
	}
}
