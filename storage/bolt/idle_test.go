package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

// value returns the value of a key as a View sees it.
func value(t testing.TB, s *Store, k string) string {
	t.Helper()
	var v []byte
	err := s.View(background, func(r storage.Reader) (err error) {
		v, err = r.Get(rows, []byte(k))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return string(v)
}

// TestIdleIsUsed counts the transactions that bbolt begins: as long as nobody writes, one is
// enough for any number of Views that come one after the other.
func TestIdleIsUsed(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "k", "1")
	before := s.db.Stats().TxN
	for range 100 {
		if v := value(t, s, "k"); v != "1" {
			t.Fatalf("the value is %q", v)
		}
	}
	if n := s.db.Stats().TxN - before; n != 1 {
		t.Errorf("100 Views began %d transactions", n)
	}
	if n := s.db.Stats().OpenTxN; n != 1 {
		t.Errorf("%d transactions are open", n)
	}
	mustPut(t, s, "k", "2")
	if n := s.db.Stats().OpenTxN; n != 0 {
		t.Errorf("%d transactions are open after a commit", n)
	}
	if v := value(t, s, "k"); v != "2" {
		t.Errorf("the value is %q after a commit", v)
	}
}

// TestIdleAfterNothing looks at Views between writes that come to nothing.
func TestIdleAfterNothing(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "k", "1")
	gone := errors.New("no")
	for range 3 {
		if err := s.Update(background, func(storage.Writer) error { return gone }); !errors.Is(err, gone) {
			t.Fatal(err)
		}
		before := s.db.Stats().TxN
		for range 10 {
			if v := value(t, s, "k"); v != "1" {
				t.Fatalf("the value is %q", v)
			}
		}
		if n := s.db.Stats().TxN - before; n != 1 {
			t.Errorf("10 Views began %d transactions", n)
		}
	}
	s.commitTx = failBefore
	wantOutcome(t, put(s, "k", "2"), storage.NotApplied)
	s.commitTx = (*bbolt.Tx).Commit
	if v := value(t, s, "k"); v != "1" {
		t.Errorf("the value is %q after a commit that failed", v)
	}
	mustPut(t, s, "k", "3")
	if v := value(t, s, "k"); v != "3" {
		t.Errorf("the value is %q", v)
	}
}

// TestIdleReaderIsClosed uses a reader after its View, whose transaction another one has.
func TestIdleReaderIsClosed(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "k", "1")
	var stale storage.Reader
	s.View(background, func(r storage.Reader) error {
		stale = r
		_, err := r.Get(rows, []byte("k"))
		return err
	})
	s.View(background, func(storage.Reader) error {
		if _, err := stale.Get(rows, []byte("k")); !errors.Is(err, errDone) {
			t.Errorf("Get of a reader after its View: %v", err)
		}
		if c := stale.Scan(rows, nil, nil, false); c.Err() == nil {
			t.Error("Scan of a reader after its View gives no error")
		}
		return nil
	})
}

// TestIdleNested has Views within Views, and one that panics.
func TestIdleNested(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "k", "1")
	var nest func(depth int) error
	nest = func(depth int) error {
		return s.View(background, func(r storage.Reader) error {
			if depth < 2*maxIdle {
				if err := nest(depth + 1); err != nil {
					return err
				}
			}
			v, err := r.Get(rows, []byte("k"))
			if string(v) != "1" {
				return fmt.Errorf("the value is %q at depth %d", v, depth)
			}
			return err
		})
	}
	if err := nest(0); err != nil {
		t.Error(err)
	}
	if n := s.db.Stats().OpenTxN; n != maxIdle {
		t.Errorf("%d transactions are kept", n)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of a View was lost")
			}
		}()
		s.View(background, func(storage.Reader) error { panic("no") })
	}()
	if n := s.db.Stats().OpenTxN; n != maxIdle-1 {
		t.Errorf("%d transactions are kept after a panic", n)
	}
}

// TestIdleSeesCommits has readers that must never see less than what was acknowledged before
// they began, while a writer commits, and fails to, and the store is compacted.
func TestIdleSeesCommits(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "n", "0")
	var done, stop atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for stop.Load() == 0 {
				least := done.Load()
				n, err := strconv.ParseInt(value(t, s, "n"), 10, 64)
				if err != nil || n < least {
					t.Errorf("a View sees %d (%v), %d was acknowledged before it", n, err, least)
					return
				}
			}
		})
	}
	for i := int64(1); i <= 600 && !t.Failed(); i++ {
		if err := put(s, "n", strconv.FormatInt(i, 10)); err != nil {
			t.Error(err)
		}
		done.Store(i)
		switch {
		case i%7 == 0:
			_ = s.Update(background, func(storage.Writer) error { return errDisk })
		case i%100 == 0:
			if err := s.Compact(background); err != nil {
				t.Error(err)
			}
		}
	}
	stop.Store(1)
	wg.Wait()
}

// TestIdleHoldsNothingBack has a View between all writes: the file must be able to grow beyond
// its mapping, and 100 MiB of values that are written over must leave about as much behind as in a
// store which keeps no transactions.
func TestIdleHoldsNothingBack(t *testing.T) {
	var sizes [2]int64
	for k := range sizes {
		s := openStore(t, filepath.Join(t.TempDir(), "db"), Options{NoSync: true, InitialMmapSize: 1 << 16})
		big := make([]byte, 1<<20)
		for i := range 100 {
			if k == 0 {
				s.idle.reset(nil)
			}
			if err := s.Update(background, func(w storage.Writer) error { return w.Put(rows, key(i%8), big) }); err != nil {
				t.Fatal(err)
			}
			value(t, s, string(key(i%8)))
		}
		size, err := s.Size()
		if err != nil {
			t.Fatal(err)
		}
		sizes[k] = size.Total
	}
	if sizes[1] > 2*sizes[0] { // which free pages bbolt takes is a matter of chance
		t.Errorf("the file has %d bytes, and %d without transactions that are kept", sizes[1], sizes[0])
	}
}

// TestIdleEnds closes a store, and compacts one, with transactions that are kept.
func TestIdleEnds(t *testing.T) {
	for _, open := range []bool{true, false} {
		renameOpen = open
		defer func(was bool) { renameOpen = was }(true)
		path := filepath.Join(t.TempDir(), "db")
		s := openStore(t, path, Options{NoSync: true})
		mustPut(t, s, "k", "1")
		value(t, s, "k")
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		if v := value(t, s, "k"); v != "1" {
			t.Errorf("the value is %q after a compaction", v)
		}
		mustPut(t, s, "k", "2")
		if v := value(t, s, "k"); v != "2" {
			t.Errorf("the value is %q", v)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if v := value(t, openStore(t, path, Options{NoSync: true}), "k"); v != "2" {
			t.Errorf("the value is %q after the store was opened again", v)
		}
	}
}
