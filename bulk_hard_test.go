package siftdb_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/bolt"
	"github.com/siftdb/siftdb/storage/memory"
)

// hooked is a store that asks before every update whether it fails.
type hooked struct {
	storage.Storage
	mu sync.Mutex
	on func() error
}

func (h *hooked) set(on func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = on
}

func (h *hooked) Update(ctx context.Context, fn func(storage.Writer) error) error {
	h.mu.Lock()
	on := h.on
	h.mu.Unlock()
	if on != nil {
		if err := on(); err != nil {
			return err
		}
	}
	return h.Storage.Update(ctx, fn)
}

// manyRows are rows of some size.
func manyRows(n int) func(yield func(any, error) bool) {
	return func(yield func(any, error) bool) {
		for i := range n {
			if !yield(siftdb.M{"staged": i, "pad": strings.Repeat("x", 80)}, nil) {
				return
			}
		}
	}
}

// TestWriterBehindFailedStaging waits with a write behind a staging that fails, and whose
// sweep fails too: the write goes in only when everything is swept.
func TestWriterBehindFailedStaging(t *testing.T) {
	for failAt := 2; failAt < 18; failAt += 3 {
		store := &hooked{Storage: memory.New()}
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
		checked(t, db)
		a, b := table(t, db, "a", `{"x":1}`), table(t, db, "b", `{"x":1}`)
		siftdb.StageAt(db, 1, 100_000, 1)
		reached, goOn := make(chan struct{}), make(chan struct{})
		n, fails := 0, 0
		store.set(func() error {
			if n++; n < failAt {
				return nil
			}
			if n == failAt {
				close(reached)
				<-goOn
			}
			if fails < 2 { // the step and its sweep
				fails++
				return errors.New("the disk is full for a moment")
			}
			return nil
		})
		staged, wrote := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := a.AppendSeq(ctx, manyRows(20_000))
			staged <- err
		}()
		<-reached
		go func() {
			var entries []siftdb.CommitEntry
			for i := range 4200 { // more than a block of ids
				entries = append(entries, siftdb.CommitEntry{Data: siftdb.M{"mine": i}})
			}
			c := siftdb.Commit{Append: new(true), Entries: entries}
			_, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: b, Commit: c}, {DataSource: a, Commit: c}})
			wrote <- err
		}()
		time.Sleep(20 * time.Millisecond) // it waits now
		close(goOn)
		if err := <-staged; err == nil {
			t.Errorf("failing at %d: the staging does not fail", failAt)
		}
		if err := <-wrote; err != nil {
			t.Errorf("failing at %d: %v", failAt, err)
		}
		if siftdb.Unswept(db) || siftdb.Staged(db) {
			t.Errorf("failing at %d: something is left when the write is in", failAt)
		}
		if n := must[int64](t)(a.Count(ctx, siftdb.Query{})); n != 4201 {
			t.Errorf("failing at %d: %d entries", failAt, n)
		}
	}
}

// TestBulkTwice uses a bulk write again, after it succeeded and after it failed: it is refused,
// and nothing happens.
func TestBulkTwice(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		for _, at := range []int{1, 1 << 20} { // spooled or not
			siftdb.StageAt(db, at, 1000, 1<<30)
			for _, fail := range []bool{false, true} {
				before := must[int64](t)(ds.Count(ctx, siftdb.Query{}))
				b := ds.Bulk()
				for i := range 100 {
					if err := b.Add(siftdb.M{"i": i}); err != nil {
						t.Fatal(err)
					}
				}
				gone, cancel := context.WithCancel(ctx)
				want := before
				if fail {
					cancel()
				} else {
					want += 100
				}
				if _, err := b.Append(gone); (err != nil) != fail {
					t.Fatal(err)
				}
				cancel()
				for what, again := range map[string]func() error{
					"append":  func() error { _, err := b.Append(ctx); return err },
					"replace": func() error { _, err := b.ReplaceWith(ctx); return err },
					"add":     func() error { return b.Add(siftdb.M{"i": 1}) },
				} {
					if err := again(); !isInvalid(err) {
						t.Errorf("%s again: %v", what, err)
					}
				}
				if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != want {
					t.Errorf("%d entries, want %d", n, want)
				}
				b.Reset()
				if err := b.Add(siftdb.M{"i": 1}); err != nil {
					t.Error(err)
				}
				if _, err := b.Append(ctx); err != nil {
					t.Error(err)
				}
				b.Close()
			}
		}
	})
}

// TestDamagedLeftover opens an encrypted file in which a value is damaged that does not count.
func TestDamagedLeftover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	inner := must[*bolt.Store](t)(bolt.Open(path, bolt.Options{NoSync: true}))
	store := &hooked{Storage: inner}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, &siftdb.Options{Keys: oneKey}))
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: true, Entries: raws(`{"n":1}`)}))
	siftdb.StageAt(db, 1, 10_000, 1)
	n := 0
	store.set(func() error {
		if n++; n > 5 {
			return errors.New("the process dies here")
		}
		return nil
	})
	if _, err := ds.AppendSeq(ctx, manyRows(1000)); err == nil {
		t.Fatal("the staging does not fail")
	}
	store.set(nil)
	err := inner.Update(ctx, func(w storage.Writer) error {
		for _, ks := range []storage.Keyspace{"entry"} {
			c := w.Scan(ks, nil, nil, true) // the last ones
			k, v, ok := c.Next()
			if !ok || !siftdb.Unswept(db) {
				return errors.New("nothing is left")
			}
			bad := bytes.Clone(v)
			bad[len(bad)-1] ^= 1
			if err := w.Put(ks, bytes.Clone(k), bad); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 2})) // sweeps
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = fileDB(t, path, &siftdb.Options{Keys: oneKey})
	if n := must[int64](t)(must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID())).Count(ctx, siftdb.Query{})); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestReplaceLargeEntries replaces few entries that are large by one: in several transactions.
func TestReplaceLargeEntries(t *testing.T) {
	store := &hooked{Storage: memory.New()}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	checked(t, db)
	ds := table(t, db, "t")
	for range 20 {
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"pad": strings.Repeat("x", 10_000)}))
	}
	siftdb.StageAt(db, 100_000, 50_000, 1<<30)
	n := 0
	store.set(func() error { n++; return nil })
	must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"n":1}`)))
	if n < 4 {
		t.Errorf("it takes %d transactions", n)
	}
	if got := must[int64](t)(ds.Count(ctx, siftdb.Query{})); got != 1 {
		t.Errorf("%d entries", got)
	}
}

// TestImportErrors says where a file is wrong, and ends with its context.
func TestImportErrors(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{Keys: 2}})
	ds := table(t, db, "t")
	for file, want := range map[string]string{
		"a,b,c\n1,2,3\n":                            "line 2 of the file",
		"a,b\n\"x\ny\",2\n1,2,3\n":                  "line 4 of the file",
		`[{"a":1},` + "\n" + `{"a":1,"b":2,"c":3}]`: "line 2",
	} {
		if _, err := ds.Import(ctx, strings.NewReader(file), siftdb.ImportOptions{}); !isInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	read := 0
	body := readerFunc(func(b []byte) (int, error) {
		if read++; read == 3 {
			cancel()
		}
		return copy(b, "a,b\n1,2\n"), nil // without end
	})
	if _, err := ds.Import(gone, body, siftdb.ImportOptions{Format: siftdb.ImportCSV}); !errors.Is(err, context.Canceled) || read > 10 {
		t.Errorf("after %d reads: %v", read, err)
	}
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(b []byte) (int, error) { return r(b) }
