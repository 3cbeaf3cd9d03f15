package siftdb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// TestCloseEndsGoroutines: no goroutine is left after Close, whatever was going on
// before it: writers in parallel, streams that were left early, cancelled reads.
func TestCloseEndsGoroutines(t *testing.T) {
	for _, kind := range []string{"memory", "bolt"} {
		before := goleak.IgnoreCurrent()
		db, err := siftdb.OpenMemory(nil)
		if kind == "bolt" {
			db, err = siftdb.Open(ctx, filepath.Join(t.TempDir(), "test.db"), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 5 {
					if _, err := ds.Insert(ctx, siftdb.M{"n": 1}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, err := range ds.Each(ctx, siftdb.Query{}) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("a second Close returns %v", err)
		}
		goleak.VerifyNone(t, before)
	}
}

// fails reports whether err is an *Error of a kind, and returns it.
func fails(t testing.TB, what string, err, kind error) *siftdb.Error {
	t.Helper()
	var e *siftdb.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Errorf("%s gives %v, want the kind %q", what, err, kind)
		return new(siftdb.Error)
	}
	if e.Message == "" {
		t.Errorf("%s gives an error without a message", what)
	}
	return e
}

// handClock is a clock that only a test moves, also while a database reads it: to build an
// index, for example.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *handClock) options() *siftdb.Options { return &siftdb.Options{Now: c.read} }

// stopped returns a clock that stands, and options that use it.
func stopped() (*handClock, *siftdb.Options) {
	c := &handClock{now: time.Date(2026, 2, 3, 4, 5, 6, 7e6, time.UTC)}
	return c, c.options()
}

// portrait is everything that a database shows of itself.
func portrait(t testing.TB, db *siftdb.DB) string {
	t.Helper()
	text, err := tryPortrait(db)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func tryPortrait(db *siftdb.DB) (string, error) {
	var b strings.Builder
	line := func(v any) {
		text, err := json.Marshal(v)
		fmt.Fprintf(&b, "%s %v\n", text, err)
	}
	trash, err := db.DataSources(ctx, siftdb.ListOptions{Trashed: true})
	if err != nil {
		return "", err
	}
	live, err := db.DataSources(ctx, siftdb.ListOptions{})
	if err != nil {
		return "", err
	}
	line(trash)
	for _, info := range live {
		line(info)
		fmt.Fprintln(&b, info.EntriesCount)
		ds, err := db.DataSource(ctx, info.ID)
		if err != nil {
			return "", err
		}
		entries, err := ds.Find(ctx, siftdb.Query{})
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			line(e)
			fmt.Fprintln(&b, e.Changed)
		}
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err != nil {
			return "", err
		}
		for _, v := range versions {
			line(v)
			fmt.Fprintln(&b, v.Source, v.Inserted, v.Updated, v.Deleted)
			old, err := ds.VersionEntries(ctx, v.ID, siftdb.VersionQuery{})
			if err != nil {
				return "", err
			}
			for _, e := range old {
				line(e)
			}
		}
	}
	return b.String(), nil
}

// versionsOf lists the versions of a data source, newest first.
func versionsOf(t testing.TB, ds *siftdb.DataSource) []siftdb.Version {
	t.Helper()
	return must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))
}

// infoOf describes a data source.
func infoOf(t testing.TB, ds *siftdb.DataSource) siftdb.DataSourceInfo {
	t.Helper()
	return must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
}

// find returns the data of the entries that a query body selects, in one line.
func find(t testing.TB, ds *siftdb.DataSource, body string) string {
	t.Helper()
	q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
	return strings.Join(texts(must[[]*siftdb.Entry](t)(ds.Find(ctx, q))), " ")
}

// asJSON is json.Marshal for a test.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	return string(must[[]byte](t)(json.Marshal(v)))
}

// planted makes a database over a store that a test can spoil: a data source of 30
// entries, some with an order, with a version of every kind, another, and one in
// the trash.
func planted(t *testing.T) (*memory.Store, *siftdb.DataSource) {
	store := memory.New()
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	t.Cleanup(func() { db.Close() })
	ds := numbered(t, db, 30)
	id := entryIDs(t, ds)
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id[4], siftdb.M{"n": 100, "late": 1}))
	if err := ds.Remove(ctx, id[7]); err != nil {
		t.Fatal(err)
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"n":5}`), siftdb.ByUser(siftdb.User{ID: 4})))
	table(t, db, "other", `{"a":1}`)
	if err := table(t, db, "trashed", `{"a":1}`).Delete(ctx); err != nil {
		t.Fatal(err)
	}
	return store, ds
}

// spoilt opens a fork of a store that spoil has written to.
func spoilt(t *testing.T, store *memory.Store, spoil func(storage.Writer) error) (*siftdb.DB, error) {
	t.Helper()
	fork := must[storage.Storage](t)(store.Fork())
	if err := fork.Update(ctx, spoil); err != nil {
		t.Fatal(err)
	}
	db, err := siftdb.OpenStorage(ctx, fork, nil)
	if err == nil {
		t.Cleanup(func() { db.Close() })
	}
	return db, err
}

// readings is every way to read the entries of a data source from end to end.
var readings = map[string]func(*siftdb.DataSource) error{
	"Find": func(ds *siftdb.DataSource) error { _, err := ds.Find(ctx, siftdb.Query{}); return err },
	"Find where": func(ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Where: `{"even":true}`})
		return err
	},
	"Find order": func(ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Desc("n")}})
		return err
	},
	"Find distinct": func(ds *siftdb.DataSource) error { _, err := ds.Find(ctx, siftdb.Query{Distinct: true}); return err },
	"Each":          func(ds *siftdb.DataSource) error { return eachError(ds.Each(ctx, siftdb.Query{})) },
	"Count":         func(ds *siftdb.DataSource) error { _, err := ds.Count(ctx, siftdb.Query{Where: `{"n":1}`}); return err },
	"Query total": func(ds *siftdb.DataSource) error {
		_, err := ds.Query(ctx, siftdb.Query{Where: `{"n":1}`, Limit: new(1), IncludePagination: true})
		return err
	},
	"Indexes": func(ds *siftdb.DataSource) error { _, err := ds.Indexes(ctx, "n"); return err },
}

// TestSpoiltEntries: an entry with a flipped bit is ErrCorrupt for whoever meets it,
// and one that has vanished fails every read from end to end.
func TestSpoiltEntries(t *testing.T) {
	store, ds := planted(t)
	for _, e := range all(t, ds)[:29] {
		key := layout.EntryKey(ds.ID(), e.ID)
		vanish := func(w storage.Writer) error { return w.Delete(layout.Entries, key) }
		flip := func(w storage.Writer) error {
			value, err := w.Get(layout.Entries, key)
			if err != nil {
				return err
			}
			value = bytes.Clone(value)
			value[len(value)-int(e.ID)%8-1] ^= 0x10
			return w.Put(layout.Entries, key, value)
		}
		for what, spoil := range map[string]func(storage.Writer) error{"vanished": vanish, "flipped": flip} {
			db, err := spoilt(t, store, spoil)
			if err != nil {
				t.Fatal(err)
			}
			bad := must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
			for name, read := range readings {
				fails(t, fmt.Sprintf("%s of %s entry %d", name, what, e.ID), read(bad), siftdb.ErrCorrupt)
			}
			if _, err := bad.FindByID(ctx, e.ID); what == "flipped" && !errors.Is(err, siftdb.ErrCorrupt) || what == "vanished" && !isNotFound(err) {
				t.Errorf("%s entry %d by id gives %v", what, e.ID, err)
			}
			if what == "flipped" {
				_, err := bad.UpdateEntry(ctx, e.ID, siftdb.M{"n": 1})
				fails(t, "update of a flipped entry", err, siftdb.ErrCorrupt)
				fails(t, "removal of a flipped entry", bad.Remove(ctx, e.ID), siftdb.ErrCorrupt)
			}
			report := must[*siftdb.Report](t)(db.Check(ctx))
			if fails(t, what, report.Err(), siftdb.ErrCorrupt); !strings.Contains(report.Err().Error(), report.Findings[0].String()) {
				t.Errorf("the error does not name its finding: %v", report.Err())
			}
			if other, err := db.DataSourceByName(ctx, "other", siftdb.Scope{}); err != nil || len(all(t, other)) != 1 {
				t.Errorf("another data source suffers: %v", err)
			}
		}
	}
}

// TestCheckFindsMissingKeys takes every single key of the store away: the check, or
// opening it, finds each.
func TestCheckFindsMissingKeys(t *testing.T) {
	store, _ := planted(t)
	n := 0
	for _, ks := range layout.Keyspaces {
		var keys [][]byte
		if err := store.View(ctx, func(r storage.Reader) error {
			c := r.Scan(ks, nil, nil, false)
			for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
				keys = append(keys, bytes.Clone(key))
			}
			return c.Err()
		}); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			n++
			db, err := spoilt(t, store, func(w storage.Writer) error { return w.Delete(ks, key) })
			if err != nil {
				continue
			}
			if report, err := db.Check(ctx); err == nil && report.Err() == nil {
				t.Errorf("nobody misses %x in %s", key, ks)
			}
		}
	}
	if db, err := spoilt(t, store, func(storage.Writer) error { return nil }); err != nil || must[*siftdb.Report](t)(db.Check(ctx)).Err() != nil {
		t.Errorf("the sound store is not: %v", err)
	}
	if n < 50 {
		t.Errorf("only %d keys", n)
	}
}
