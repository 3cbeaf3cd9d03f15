package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// indexWatch counts how often an index is looked into.
type indexWatch struct {
	storage.Storage
	looks *atomic.Int64
}

func (s indexWatch) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.Storage.View(ctx, func(r storage.Reader) error { return fn(indexWatchReader{r, s.looks}) })
}

type indexWatchReader struct {
	storage.Reader
	looks *atomic.Int64
}

func (r indexWatchReader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	if ks == layout.Index {
		r.looks.Add(1)
	}
	return r.Reader.Scan(ks, from, to, reverse)
}

func (r indexWatchReader) Seek(ks storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error) {
	if ks == layout.Index {
		r.looks.Add(1)
	}
	return r.Reader.(storage.Seeker).Seek(ks, prefix)
}

// holding returns the one entry that has a text in v, or 0.
func holding(t testing.TB, ds *siftdb.DataSource, text string) int64 {
	t.Helper()
	q := siftdb.Query{Where: siftdb.M{"v": text}}
	e := must[*siftdb.Entry](t)(ds.FindOne(ctx, q))
	list := must[[]*siftdb.Entry](t)(ds.Find(ctx, q))
	switch {
	case e == nil && len(list) == 0:
		return 0
	case e == nil || len(list) != 1 || list[0].ID != e.ID || e.Get("v") != text || list[0].Get("v") != text:
		t.Fatalf("%q: one is %v, all are %v", text, e, texts(list))
	}
	return e.ID
}

// TestEqualHint: what was found by a unique index is found again without it, until the entry is
// another one; then the index tells.
func TestEqualHint(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprint("encrypted ", encrypted), func(t *testing.T) {
			looks := new(atomic.Int64)
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, indexWatch{memory.New(), looks}, &siftdb.Options{Keys: oneKey}))
			checked(t, db)
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "one", Encrypted: encrypted}))
			create(t, ds, uniqueOn("v"), indexOn("w"))
			for _, v := range []string{"a", "b", "c"} {
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"v": v, "w": "same"}))
			}
			ids := entryIDs(t, ds)
			see := func(text string, want int64, most int64) {
				t.Helper()
				looks.Store(0)
				if id := holding(t, ds, text); id != want {
					t.Fatalf("%q is found in %d, want %d", text, id, want)
				}
				if n := looks.Load(); n > most {
					t.Errorf("%q took %d looks into the index", text, n)
				}
			}
			see("a", ids[0], 1)
			see("a", ids[0], 0)
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"v": "d", "w": "same", "new": 1}))
			see("a", ids[0], 0) // columns and counts are others now
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"v": "z"}))
			see("a", 0, 2)
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[1], siftdb.M{"v": "a"}))
			see("a", ids[1], 1)
			see("a", ids[1], 0)
			see("z", ids[0], 1)
			if err := ds.Remove(ctx, ids[1]); err != nil {
				t.Fatal(err)
			}
			see("a", 0, 2)
			version := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID // before the removal
			if _, err := ds.Restore(ctx, version); err != nil {
				t.Fatal(err)
			}
			see("a", ids[1], 2)

			// What is not unique is asked as ever: the first of those that have it.
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"w": "other"}))
			one := siftdb.Query{Where: siftdb.M{"w": "same"}}
			if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, one)); e.ID != ids[1] {
				t.Errorf("the first is %d", e.ID)
			}
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"w": "same"}))
			if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, one)); e.ID != ids[0] {
				t.Errorf("the first is %d now", e.ID)
			}
			if err := ds.DropIndex(ctx, uniqueOn("v").Name); err != nil {
				t.Fatal(err)
			}
			create(t, ds, indexOn("v"))
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"v": "a"}))
			if list := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: siftdb.M{"v": "a"}})); len(list) != 2 || list[0].ID != ids[0] {
				t.Errorf("without uniqueness: %v", texts(list))
			}
		})
	}
}

// TestEqualHintOfOthers: an entry that cannot be read fails the queries that it answers, and not
// one for which it is but remembered.
func TestEqualHintOfOthers(t *testing.T) {
	store := memory.New()
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	t.Cleanup(func() { db.Close() })
	ds := table(t, db, "one", `{"v":"a"}`, `{"v":"b"}`)
	create(t, ds, uniqueOn("v"))
	ids := entryIDs(t, ds)
	holding(t, ds, "a")
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"v": "z"}))
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[1], siftdb.M{"v": "a"}))
	err := store.Update(ctx, func(w storage.Writer) error {
		key := layout.EntryKey(ds.ID(), ids[0])
		value, err := w.Get(layout.Entries, key)
		if err != nil {
			return err
		}
		damaged := append([]byte(nil), value...)
		damaged[len(damaged)-1] ^= 1
		return w.Put(layout.Entries, key, damaged)
	})
	if err != nil {
		t.Fatal(err)
	}
	if id := holding(t, ds, "a"); id != ids[1] {
		t.Errorf("found %d", id)
	}
	if _, err := ds.FindOne(ctx, siftdb.Query{Where: siftdb.M{"v": "z"}}); !errors.Is(err, siftdb.ErrCorrupt) {
		t.Errorf("the damaged one: %v", err)
	}
}

// TestEqualHintWhileTextsMove: many look texts up while they move from entry to entry, several in one
// commit, so that each is always somewhere. No look-up misses one, or finds another.
func TestEqualHintWhileTextsMove(t *testing.T) {
	const n, rounds, readers = 40, 60, 4
	db := fileDB(t, filepath.Join(t.TempDir(), "test.db"), nil)
	ds := table(t, db, "one")
	create(t, ds, uniqueOn("v"))
	rows := make([]any, n)
	for i := range rows {
		rows[i] = json.RawMessage(fmt.Sprintf(`{"v":"t%d"}`, i))
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	ids := entryIDs(t, ds)
	over := make(chan struct{})
	var wg sync.WaitGroup
	for k := range readers {
		wg.Go(func() {
			g := rand.New(rand.NewPCG(uint64(k), 1))
			for {
				select {
				case <-over:
					return
				default:
				}
				text := fmt.Sprint("t", g.IntN(n))
				e, err := ds.FindOne(ctx, siftdb.Query{Where: siftdb.M{"v": text}})
				if err != nil || e == nil || e.Get("v") != text {
					t.Errorf("%s: %v, %v", text, e, err)
					return
				}
			}
		})
	}
	g := rand.New(rand.NewPCG(5, 5))
	at := g.Perm(n)
	for range rounds {
		i, j, k := g.IntN(n), g.IntN(n), g.IntN(n)
		if i == j || j == k || i == k {
			continue
		}
		at[i], at[j], at[k] = at[j], at[k], at[i]
		c := siftdb.Commit{Append: new(true)}
		for e, text := range at {
			c.Entries = append(c.Entries, siftdb.CommitEntry{ID: ids[e], Data: siftdb.M{"v": fmt.Sprint("t", text)}})
		}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
	}
	close(over)
	wg.Wait()
}
