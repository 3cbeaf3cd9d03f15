package siftdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// checkFixture is a store with one data source of ten entries and some history.
func checkFixture(t *testing.T) *memory.Store { return checkFixtureOf(t, nil) }

// checkFixtureOf is checkFixture with options; with keys its data source is encrypted.
func checkFixtureOf(t *testing.T, options *Options) *memory.Store {
	t.Helper()
	ctx := context.Background()
	store := memory.New()
	db, err := OpenStorage(ctx, store, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ds, err := db.Create(ctx, DataSourceSpec{Name: "t", Encrypted: options != nil && options.Keys != nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := ds.CreateIndex(ctx, IndexSpec{Name: "text", Fields: []IndexField{{Name: "text"}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := ds.Insert(ctx, M{"n": i, "text": fmt.Sprint("entry ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	c := Commit{Append: new(true), Extend: true, Delete: []int64{3}, Entries: []CommitEntry{{ID: 1, Data: M{"n": 100}, Order: 2}, {ID: 2, Data: M{"new": 1}}}}
	if _, err := ds.Commit(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, err := ds.UpdateWhere(ctx, `{"n":{"$gt":6}}`, Patch{Set: M{"text": "changed"}}); err != nil {
		t.Fatal(err)
	}
	return store
}

// tamper opens a fork of a store in which fn has changed the bytes.
func tamper(t *testing.T, store *memory.Store, fn func(w storage.Writer) error) *DB {
	t.Helper()
	return tamperWith(t, store, nil, fn)
}

func tamperWith(t *testing.T, store *memory.Store, options *Options, fn func(w storage.Writer) error) *DB {
	t.Helper()
	ctx := context.Background()
	fork, err := store.Fork()
	if err != nil {
		t.Fatal(err)
	}
	if err := fork.Update(ctx, fn); err != nil {
		t.Fatal(err)
	}
	db, err := OpenStorage(ctx, fork, options)
	if err != nil {
		return nil // damaged counters are found by opening
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestCheckFindsFaults plants faults that carry sound checksums, one by one.
func TestCheckFindsFaults(t *testing.T) {
	ctx := context.Background()
	store := checkFixture(t)
	head := func(change func(*layout.Head)) func(storage.Writer) error {
		return func(w storage.Writer) error {
			h, _, err := layout.ReadHead(w, 1)
			if err != nil {
				return err
			}
			change(&h)
			return layout.WriteHead(w, 1, h)
		}
	}
	version := func(change func(*history.Version)) func(storage.Writer) error {
		return func(w storage.Writer) error {
			v, err := history.Read(w, 1, 5)
			if err != nil {
				return err
			}
			change(v)
			return history.Write(w, 1, v)
		}
	}
	entry := func(change func(*layout.Record)) func(storage.Writer) error {
		return func(w storage.Writer) error {
			key := layout.EntryKey(1, 5)
			value, err := w.Get(layout.Entries, key)
			if err != nil {
				return err
			}
			var rec layout.Record
			if err := rec.DecodeEntry(key, value); err != nil {
				return err
			}
			change(&rec)
			changed, _ := rec.EncodeEntry(key)
			return w.Put(layout.Entries, key, changed)
		}
	}
	drop := func(ks storage.Keyspace, key []byte) func(storage.Writer) error {
		return func(w storage.Writer) error { return w.Delete(ks, key) }
	}
	for name, plant := range map[string]struct {
		kind string
		fn   func(storage.Writer) error
	}{
		"entry gone":             {"counter", drop(layout.Entries, layout.EntryKey(1, 5))},
		"entry stale":            {"counter", entry(func(r *layout.Record) { r.Changed-- })},
		"entry of the future":    {"counter", entry(func(r *layout.Record) { r.Changed = 999 })},
		"entry ordered unlisted": {"order", entry(func(r *layout.Record) { r.Order = []byte{3, 7} })},
		"document damaged":       {"decode", entry(func(r *layout.Record) { r.Doc = bytes.Repeat([]byte{9}, 20) })},
		"document of no column":  {"decode", entry(func(r *layout.Record) { r.Doc = []byte{9, 0, 1, 99, 0, 1, 0} })},
		"entry in a strange block": {"block", func(w storage.Writer) error {
			rec := layout.Record{ID: 99999, Born: 1, Changed: 1, Doc: []byte{9, 0, 0}}
			key := layout.EntryKey(1, rec.ID)
			value, _ := rec.EncodeEntry(key)
			return w.Put(layout.Entries, key, value)
		}},
		"count":               {"counter", head(func(h *layout.Head) { h.Count++ })},
		"ordered":             {"counter", head(func(h *layout.Head) { h.Ordered = 0 })},
		"digest":              {"counter", head(func(h *layout.Head) { h.Digest[1]++ })},
		"last":                {"history-gap", head(func(h *layout.Head) { h.Last++ })},
		"sequence":            {"history-gap", head(func(h *layout.Head) { h.Seq++ })},
		"columns gone":        {"checksum", head(func(h *layout.Head) { h.Columns = 50 })},
		"names gone":          {"checksum", head(func(h *layout.Head) { h.Names = 50 })},
		"listed twice":        {"order", func(w storage.Writer) error { return w.Put(layout.Orders, layout.OrderKey(1, 7, 5), []byte{}) }},
		"list gone":           {"order", drop(layout.Orders, layout.OrderKey(1, 2, 1))},
		"version gone":        {"history-gap", drop(layout.Versions, layout.VersionKey(1, 5))},
		"newest version gone": {"history-gap", drop(layout.Versions, layout.VersionKey(1, 12))},
		"image gone":          {"history-no-doc", drop(layout.Images, layout.ImageKey(1, 3, 11))},
		"image too many": {"extra-entry", func(w storage.Writer) error {
			return history.WriteImage(w, 1, 4, &layout.Record{ID: 2, Born: 1, Changed: 1, Doc: []byte{9, 0, 0}})
		}},
		"image of another state": {"history-gap", func(w storage.Writer) error {
			return history.WriteImage(w, 1, 11, &layout.Record{ID: 3, Born: 3, Changed: 3, Doc: []byte{9, 0, 0}})
		}},
		"version count":     {"history-gap", version(func(v *history.Version) { v.Count++ })},
		"version ids":       {"history-gap", version(func(v *history.Version) { v.Inserted = nil })},
		"version of a list": {"columns", version(func(v *history.Version) { v.Columns = 77 })},
		"version time":      {"history-gap", version(func(v *history.Version) { v.Time = 1 })},
		"stranger's entry": {"extra-entry", func(w storage.Writer) error {
			return w.Put(layout.Entries, layout.EntryKey(42, 1), []byte("x"))
		}},
		"name gone":       {"missing-entry", drop(layout.Catalog, layout.ByNameKey("t", 1))},
		"name of another": {"extra-entry", func(w storage.Writer) error { return w.Put(layout.Catalog, layout.ByNameKey("u", 1), []byte{}) }},
		"block of nobody": {"block", func(w storage.Writer) error { return layout.WriteBlock(w, 0, 9) }},
		"source not given out": {"counter", func(w storage.Writer) error {
			return layout.WriteHead(w, 77, layout.Head{FirstSeq: 1})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			db := tamper(t, store, plant.fn)
			report, err := db.Check(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings {
				if f.Kind == plant.kind {
					if !errors.Is(report.Err(), ErrCorrupt) || !strings.Contains(report.Err().Error(), report.Findings[0].Kind) {
						t.Errorf("the report's error is %v", report.Err())
					}
					return
				}
			}
			t.Errorf("no finding of kind %s, but %v", plant.kind, report.Findings)
		})
	}
	report, err := tamper(t, store, func(storage.Writer) error { return nil }).Check(ctx)
	if err != nil || report.Err() != nil || report.Entries != 9 || report.Versions != 12 || report.DataSources != 1 {
		t.Errorf("the sound store: %+v, %v", report, err)
	}
}

// TestEveryFlippedByte flips a bit in every value of the store: no read gives a
// wrong answer, and the check finds it.
func TestEveryFlippedByte(t *testing.T) {
	t.Run("plain", func(t *testing.T) { everyFlippedByte(t, nil) })
	t.Run("encrypted", func(t *testing.T) { everyFlippedByte(t, &Options{Keys: testKeys(t)}) })
}

// testKeys is a keyring with one key.
func testKeys(t testing.TB) Keyring {
	t.Helper()
	keys, err := FixedKeys("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func everyFlippedByte(t *testing.T, options *Options) {
	ctx := context.Background()
	store := checkFixtureOf(t, options)
	read := func(db *DB) (out string, err error) {
		ds, err := db.DataSource(ctx, 1)
		if err != nil {
			return "", err
		}
		entries, err := ds.Find(ctx, Query{})
		if err != nil {
			return "", err
		}
		info, err := ds.Info(ctx)
		if err != nil {
			return "", err
		}
		versions, err := ds.Versions(ctx, Page{})
		if err != nil {
			return "", err
		}
		out = fmt.Sprint(info.Name, info.Columns, info.EntriesCount, len(versions))
		for _, e := range entries {
			out += string(e.AppendJSON(nil))
		}
		for _, v := range versions {
			old, err := ds.At(v.ID).Find(ctx, Query{})
			if err != nil {
				return "", err
			}
			out += fmt.Sprintf("\n%d %s %d %v:", v.ID, v.Action, v.Count, v.Columns)
			for _, e := range old {
				out += string(e.AppendJSON(nil))
			}
		}
		return out, nil
	}
	want, err := read(tamperWith(t, store, options, func(storage.Writer) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		ks         storage.Keyspace
		key, value []byte
	}
	var places []place
	err = store.View(ctx, func(r storage.Reader) error {
		for _, ks := range layout.Keyspaces {
			c := r.Scan(ks, nil, nil, false)
			for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
				if len(v) > 0 {
					places = append(places, place{ks, bytes.Clone(k), bytes.Clone(v)})
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	flips := 0
	for _, p := range places {
		for i := range p.value {
			flips++
			bad := bytes.Clone(p.value)
			bad[i] ^= 1 << (i % 8)
			db := tamperWith(t, store, options, func(w storage.Writer) error { return w.Put(p.ks, p.key, bad) })
			if db == nil {
				continue
			}
			got, err := read(db)
			switch {
			case err == nil && got != want:
				t.Fatalf("byte %d of %x in %s: a wrong answer: %s", i, p.key, p.ks, got)
			case err != nil && !errors.Is(err, ErrCorrupt):
				t.Fatalf("byte %d of %x in %s: %v", i, p.key, p.ks, err)
			}
			report, checkErr := db.Check(ctx)
			if checkErr == nil && report.Err() == nil {
				t.Fatalf("byte %d of %x in %s: the check finds nothing", i, p.key, p.ks)
			}
			db.Close()
		}
	}
	t.Logf("%d flips in %d values", flips, len(places))
}
