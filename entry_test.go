package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestEntryShape is spec 1.4: seven keys, digits and key order as given.
func TestEntryShape(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	ds := table(t, db, "t")
	data := `{"z":1.10,"big":12345678901234567890,"huge":1e400,"tiny":-0.0,"a":{"y":[1,{"x":null}],"b":true},"":"","é✓":"\u0000\"<>&","$k":1,"a.b":2}`
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(data)))
	want := fmt.Sprintf(`{"id":%d,"data":%s,"order":0,"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z","deletedAt":null,"dataSourceId":%d}`, e.ID, data, ds.ID())
	if diff := cmp.Diff(want, string(must[[]byte](t)(e.MarshalJSON()))); diff != "" {
		t.Error(diff)
	}
	if got := string(e.AppendJSON([]byte("x"))); got != "x"+want {
		t.Errorf("AppendJSON gives %s", got)
	}
	clock.move(1500 * time.Millisecond)
	e = must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, json.RawMessage(`{"big":1E+2,"new":{}}`)))
	want = strings.Replace(strings.Replace(want, "12345678901234567890", "1E+2", 1), `"a.b":2}`, `"a.b":2,"new":{}}`, 1)
	want = strings.Replace(want, `"updatedAt":"2026-02-03T04:05:06.007Z"`, `"updatedAt":"2026-02-03T04:05:07.507Z"`, 1)
	for _, got := range []*siftdb.Entry{e, must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)), all(t, ds)[0]} {
		if diff := cmp.Diff(want, string(must[[]byte](t)(got.MarshalJSON()))); diff != "" {
			t.Error(diff)
		}
	}
}

// TestReservedKeys is spec 1.4(5) and (6): in flat bodies only dataSourceId and
// dataSourceEntryId are reserved; in a commit nothing in data is, and nothing
// beside it changes the bookkeeping.
func TestReservedKeys(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		sent := json.RawMessage(`{"id":7,"dataSourceId":99,"order":3,"createdAt":"x","updatedAt":1,"deletedAt":true,"dataSourceEntryId":5,"data":{"dataSourceId":1},"n":1}`)
		kept := `{"id":7,"order":3,"createdAt":"x","updatedAt":1,"deletedAt":true,"data":{"dataSourceId":1},"n":1}`
		first := must[*siftdb.Entry](t)(ds.Insert(ctx, sent))
		if got := string(first.JSON()); got != kept || first.Order != 0 || first.DataSourceID != ds.ID() {
			t.Errorf("insert: %s, order %v", got, first.Order)
		}
		if got := string(must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, first.ID, sent)).JSON()); got != kept {
			t.Errorf("update: %s", got)
		}
		must[siftdb.BulkResult](t)(ds.Append(ctx, []any{sent, siftdb.M{"dataSourceEntryId": 1}, struct {
			ID int `json:"dataSourceId"`
			N  int
		}{1, 2}}))
		if diff := cmp.Diff([]string{kept, kept, `{}`, `{"N":2}`}, texts(all(t, ds))); diff != "" {
			t.Errorf("append: %s", diff)
		}
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, []any{sent}))
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"dataSourceId": 4, "m": 1}}))
		if diff := cmp.Diff([]string{strings.TrimSuffix(kept, "}") + `,"m":1}`}, texts(all(t, ds))); diff != "" {
			t.Errorf("replace: %s", diff)
		}
		for _, c := range infoOf(t, ds).Columns {
			if c == "dataSourceId" || c == "dataSourceEntryId" {
				t.Errorf("the reserved key %s became a column", c)
			}
		}
		before := all(t, ds)[0]
		c := must[siftdb.Commit](t)(siftdb.ParseCommit(fmt.Appendf(nil, `{"append":true,"entries":[{"id":%d,"data":%s,"createdAt":"2001-01-01T00:00:00.000Z","updatedAt":"2001-01-01T00:00:00.000Z",
			"deletedAt":"2001-01-01T00:00:00.000Z","dataSourceId":77}]}`, before.ID, sent)))
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
		after := all(t, ds)[0]
		if string(after.JSON()) != string(sent) || !after.CreatedAt.Equal(before.CreatedAt) || after.UpdatedAt.Year() == 2001 || after.DataSourceID != ds.ID() {
			t.Errorf("commit: %s", asJSON(t, after))
		}
	})
}

type person2 struct {
	Name  string           `json:"name"`
	Age   int              `json:"age,omitempty"`
	Tags  []string         `json:"tags"`
	Inner *struct{ X int } `json:"inner"`
	When  time.Time        `json:"when"`
	More  map[string]any   `json:"more,omitempty"`
	Raw   json.RawMessage  `json:"raw,omitempty"`
	Skip  string           `json:"-"`
	low   int
}

// TestDataForms stores the same object given in every form.
func TestDataForms(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		forms := map[string]struct {
			data any
			want string
		}{
			"raw":          {json.RawMessage(`{"b":1.0,"a":[]}`), `{"b":1.0,"a":[]}`},
			"spaced":       {json.RawMessage(" {\n\"b\" : 1 , \"a\" : [ ] } "), `{"b":1,"a":[]}`},
			"bytes":        {[]byte(`{"b":1e0}`), `{"b":1e0}`},
			"M":            {siftdb.M{"b": 1, "a": nil}, `{"a":null,"b":1}`},
			"map":          {map[string]int{"b": 2, "a": 1}, `{"a":1,"b":2}`},
			"D":            {siftdb.D{{Key: "b", Value: 1}, {Key: "a", Value: siftdb.D{}}}, `{"b":1,"a":{}}`},
			"number":       {siftdb.M{"n": json.Number("1.100"), "f": 0.1, "g": float32(0.1), "u": uint64(math.MaxUint64), "i": int64(math.MinInt64)}, `{"f":0.1,"g":0.1,"i":-9223372036854775808,"n":1.100,"u":18446744073709551615}`},
			"struct":       {person2{Name: "Ann", Tags: []string{"x"}, When: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), Raw: json.RawMessage(`{"k":1.0}`), Skip: "s", low: 1}, `{"name":"Ann","tags":["x"],"inner":null,"when":"2020-01-02T03:04:05Z","raw":{"k":1.0}}`},
			"pointer":      {&person2{Name: "Bob", Age: 3, More: map[string]any{"z": 1}}, `{"name":"Bob","age":3,"tags":null,"inner":null,"when":"0001-01-01T00:00:00Z","more":{"z":1}}`},
			"repeated key": {json.RawMessage(`{"a":1,"b":2,"a":3}`), `{"a":3,"b":2}`},
			"surrogates":   {json.RawMessage(`{"s":"\ud83d\ude00\u00e9\n"}`), `{"s":"😀é\n"}`},
			"empty":        {siftdb.M{}, `{}`},
		}
		for name, form := range forms {
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, form.data))
			if diff := cmp.Diff(form.want, string(must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)).JSON())); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		// An entry read can be stored again, and the caller's bytes may change afterwards.
		raw := []byte(`{"k":"before"}`)
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, raw))
		copy(raw, `{"k":"AFTER!`)
		if again := must[*siftdb.Entry](t)(ds.Insert(ctx, e.Map())); string(again.JSON()) != `{"k":"before"}` {
			t.Errorf("stored again: %s", again.JSON())
		}
	})
}

// TestEntryReaders: Get, Lookup, Path, Map, Decode and JSON.
func TestEntryReaders(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t")
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"n":1.50,"big":12345678901234567890,"huge":1e400,"s":"x","b":false,"null":null,
		"list":[{"x":1},[2,3]],"o":{"p":{"q":"deep"},"p.q":"dotted","0":"zero"},"o.p":{"q":"top"},"a.b":1}`)))
	for path, want := range map[string]any{
		"n": 1.5, "big": json.Number("12345678901234567890"), "huge": json.Number("1e400"), "s": "x", "b": false, "null": nil,
		"list.0.x": 1.0, "list.1": []any{2.0, 3.0}, "list.1.1": 3.0, "o.0": "zero", "o.p.q": "top", "o.p": map[string]any{"q": "top"}, "a.b": 1.0,
	} {
		got, ok := e.Lookup(path)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s: %v %s", path, ok, diff)
		}
		if diff := cmp.Diff(want, e.Get(path)); diff != "" {
			t.Errorf("Get %s: %s", path, diff)
		}
	}
	for _, path := range []string{"", "N", "a", "list.2", "list.-1", "list.x", "s.0", "o.", ".o", "o.p.q.r", "null.x"} {
		if v, ok := e.Lookup(path); ok || v != nil || e.Get(path) != nil {
			t.Errorf("%q is %v", path, v)
		}
	}
	if got := must[[]any](t)(e.Path(`$.list[0].x`)); !cmp.Equal(got, []any{1.0}) {
		t.Errorf("Path gives %v", got)
	}
	if got := must[[]any](t)(e.Path(`$.nothing[*]`)); len(got) != 0 {
		t.Errorf("Path to nothing gives %v", got)
	}
	_, err := e.Path(`$.[`)
	fails(t, "a malformed path", err, siftdb.ErrInvalidQuery)
	m := e.Map()
	if len(m) != 10 || m["n"] != 1.5 {
		t.Errorf("Map gives %v", m)
	}
	m["n"] = "changed"
	m["list"].([]any)[0] = nil
	if e.Get("n") != 1.5 || e.Get("list.0.x") != 1.0 {
		t.Error("a change to the map reached the entry")
	}
	var into struct {
		N    float64
		Big  json.Number
		List []json.RawMessage
	}
	if err := e.Decode(&into); err != nil || into.N != 1.5 || into.Big != "12345678901234567890" || string(into.List[1]) != `[2,3]` {
		t.Errorf("Decode gives %+v, %v", into, err)
	}
	if got := fails(t, "Decode into the wrong type", e.Decode(&struct{ S int }{}), siftdb.ErrInvalidInput); got.EntryID != e.ID || got.DataSourceID != ds.ID() {
		t.Errorf("the error names %d and %d", got.DataSourceID, got.EntryID)
	}
	var zero siftdb.Entry
	if zero.Get("x") != nil || !json.Valid([]byte(asJSON(t, &zero))) {
		t.Error("the zero entry is not usable")
	}
}

// TestEntriesOwnTheirBytes: entries outlive the read, later writes, and the
// database.
func TestEntriesOwnTheirBytes(t *testing.T) {
	for _, kind := range []string{"memory", "bolt"} {
		db, err := siftdb.OpenMemory(nil)
		if kind == "bolt" {
			db, err = siftdb.Open(ctx, filepath.Join(t.TempDir(), "t.db"), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		ds := numbered(t, db, 500)
		kept := all(t, ds)
		for e, err := range ds.Each(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Desc("n")}}) {
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, e)
		}
		kept = append(kept, must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Attributes: []string{"n", "mod"}}))...)
		want := describeEntries(kept)
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"n": "overwritten", "even": "overwritten"}}))
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, nil))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, describeEntries(kept)); diff != "" {
			t.Errorf("%s: entries changed: %s", kind, diff)
		}
	}
}

// TestEntryIDs is spec 1.2: entry ids are unique over the store, grow within a data
// source, and are never used again; they come in aligned blocks of 4,096.
func TestEntryIDs(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		a, b := table(t, db, "a"), table(t, db, "b")
		owner := map[int64]int64{} // of each block
		seen := map[int64]bool{}
		last := map[int64]int64{}
		note := func(ds *siftdb.DataSource, ids ...int64) {
			t.Helper()
			for _, id := range ids {
				block := id / 4096
				if seen[id] || id <= last[ds.ID()] || owner[block] != 0 && owner[block] != ds.ID() {
					t.Fatalf("id %d of data source %d: seen %v, last %d, block of %d", id, ds.ID(), seen[id], last[ds.ID()], owner[block])
				}
				seen[id], last[ds.ID()], owner[block] = true, id, ds.ID()
			}
		}
		e := must[*siftdb.Entry](t)(a.Insert(ctx, siftdb.M{}))
		if e.ID != 1 {
			t.Errorf("the first id is %d", e.ID)
		}
		note(a, e.ID)
		rows := make([]any, 1500)
		for i := range rows {
			rows[i] = json.RawMessage(`{"n":1}`)
		}
		for round := range 4 {
			note(a, must[siftdb.BulkResult](t)(a.Append(ctx, rows)).IDs...)
			note(b, must[*siftdb.Entry](t)(b.Insert(ctx, siftdb.M{})).ID)
			switch round {
			case 0:
				must[siftdb.BulkResult](t)(a.ReplaceWith(ctx, nil))
			case 1:
				if err := a.Remove(ctx, last[a.ID()]); err != nil {
					t.Fatal(err)
				}
			case 2: // ids of entries that a restore took away keep counting as used
				must[int64](t)(a.Restore(ctx, versionsOf(t, a)[0].ID))
			}
			note(b, must[siftdb.BulkResult](t)(b.ReplaceWith(ctx, raws(`{"id":5}`, `{"id":5}`))).IDs...)
		}
		if len(owner) < 3 {
			t.Errorf("%d blocks", len(owner))
		}
		for id := range seen { // and every id is found where it belongs, or nowhere
			if id%311 != 0 {
				continue
			}
			if e, err := b.FindByID(ctx, id); owner[id/4096] == a.ID() && !isNotFound(err) {
				t.Errorf("entry %d of another data source gives %v, %v", id, e, err)
			}
		}
	})
}

// TestUpdatedAtMoves: on every write to the entries, and not on what changes
// nothing (spec 1.3).
func TestUpdatedAtMoves(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	ds := table(t, db, "t", `{"n":0}`)
	id := entryIDs(t, ds)[0]
	writes := []struct {
		name  string
		moves bool
		write func() error
	}{
		{"insert", true, func() error { _, err := ds.Insert(ctx, siftdb.M{"n": 1}); return err }},
		{"update", true, func() error { _, err := ds.UpdateEntry(ctx, id, siftdb.M{"n": 2}); return err }},
		{"same update", false, func() error { _, err := ds.UpdateEntry(ctx, id, siftdb.M{"n": 2}); return err }},
		{"failed update", false, func() error { ds.UpdateEntry(ctx, 999, siftdb.M{"n": 2}); return nil }},
		{"append", true, func() error { _, err := ds.Append(ctx, raws(`{"n":7}`)); return err }},
		{"append nothing", false, func() error { _, err := ds.Append(ctx, nil); return err }},
		{"commit", true, func() error {
			_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 5}}}})
			return err
		}},
		{"update where", true, func() error {
			_, err := ds.UpdateWhere(ctx, `{"n":5}`, siftdb.Patch{Set: siftdb.M{"n": 6}})
			return err
		}},
		{"query", true, func() error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":6}`})
			return err
		}},
		{"empty query", false, func() error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":6}`})
			return err
		}},
		{"remove", true, func() error { return ds.Remove(ctx, id) }},
		{"restore", true, func() error { _, err := ds.Restore(ctx, versionsOf(t, ds)[0].ID); return err }},
		{"replace", true, func() error { _, err := ds.ReplaceWith(ctx, nil); return err }},
		{"replace nothing", false, func() error { _, err := ds.ReplaceWith(ctx, nil); return err }},
		{"find", false, func() error { _, err := ds.Find(ctx, siftdb.Query{}); return err }},
		{"trash and back", true, func() error {
			if err := ds.Delete(ctx); err != nil {
				return err
			}
			_, err := db.RestoreDataSource(ctx, ds.ID())
			return err
		}},
	}
	for _, w := range writes {
		before := infoOf(t, ds)
		clock.move(time.Minute)
		if err := w.write(); err != nil {
			t.Fatal(w.name, err)
		}
		after := infoOf(t, ds)
		if moved := after.UpdatedAt.Equal(clock.read()); moved != w.moves || !moved && !after.UpdatedAt.Equal(before.UpdatedAt) {
			t.Errorf("%s: updatedAt went from %v to %v", w.name, before.UpdatedAt, after.UpdatedAt)
		}
		if !after.CreatedAt.Equal(before.CreatedAt) {
			t.Errorf("%s moved createdAt", w.name)
		}
	}
}
