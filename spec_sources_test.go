package siftdb_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestDataSourceShape is the JSON of spec 1.3: twelve keys always, more once set.
func TestDataSourceShape(t *testing.T) {
	c := newClock()
	db := memoryDB(t, c.options())
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "  Test ", OrganizationID: new(int64(123))}))
	body, _ := json.Marshal(must[siftdb.DataSourceInfo](t)(ds.Info(ctx)))
	want := `{"id":1,"name":"Test","organizationId":123,"appId":null,"appCapabilities":null,"hooks":[],"encrypted":false,"columns":null,` +
		`"type":null,"public":false,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	c.move(time.Second)
	info := must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("New name"), Columns: []string{"Foo", "Bar", "Foo", " "},
		Type: new("menu"), Public: new(true), AppID: new(int64(4)), Bundle: new(true), AppCapabilities: json.RawMessage(` {"x" : 1}`),
		Hooks: json.RawMessage(`[{"type":"web","runOn":["insert"]}]`), Definition: json.RawMessage(`{"views": []}`), AccessRules: json.RawMessage(`[]`)}))
	body, _ = json.Marshal(info)
	want = `{"id":1,"name":"New name","organizationId":123,"appId":4,"appCapabilities":{"x":1},"hooks":[{"type":"web","runOn":["insert"]}],"encrypted":false,"columns":["Foo","Bar"],` +
		`"type":"menu","public":true,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:06.678Z","definition":{"views":[]},"accessRules":[],"bundle":true}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	info = must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Type: new(""), AppID: new(int64(0)), Hooks: json.RawMessage(`null`),
		Definition: json.RawMessage(`null`), NewColumns: []string{"Bar", "Baz"}}))
	if info.Type != nil || info.AppID != nil || string(info.Hooks) != "[]" || string(info.Definition) != "{}" || !cmp.Equal(info.Columns, []string{"Foo", "Bar", "Baz"}) {
		t.Errorf("after clearing: %+v", info)
	}
}

func TestDataSourceRefusals(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	for name, spec := range map[string]siftdb.DataSourceSpec{
		"no name":             {},
		"blank name":          {Name: " \t"},
		"long name":           {Name: strings.Repeat("é", 256)},
		"bad name":            {Name: "a\xff"},
		"encrypted":           {Name: "x", Encrypted: true},
		"hooks":               {Name: "x", Hooks: json.RawMessage(`{}`)},
		"hook member":         {Name: "x", Hooks: json.RawMessage(`[1]`)},
		"null hook":           {Name: "x", Hooks: json.RawMessage(`[null]`)},
		"definition":          {Name: "x", Definition: json.RawMessage(`[]`)},
		"rules":               {Name: "x", AccessRules: json.RawMessage(`{}`)},
		"no JSON":             {Name: "x", AppCapabilities: json.RawMessage(`{`)},
		"bad column":          {Name: "x", Columns: []string{"a\xff"}},
		"long column":         {Name: "x", Columns: []string{strings.Repeat("a", 1025)}},
		"bad entry":           {Name: "x", Entries: []any{1}},
		"entries and version": {Name: "x", Entries: []any{}, Version: &siftdb.VersionRef{}},
	} {
		if _, err := db.Create(ctx, spec); !isInvalid(err) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	for name, change := range map[string]siftdb.DataSourceUpdate{
		"name": {Name: new("")}, "encrypted": {Encrypted: new(true)}, "hooks": {Hooks: json.RawMessage(`1`)}, "columns": {NewColumns: []string{"\xff"}},
	} {
		if _, err := ds.Update(ctx, change); !isInvalid(err) {
			t.Errorf("update of %s gives %v", name, err)
		}
	}
	if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: strings.Repeat("é", 255)}); err != nil {
		t.Error(err)
	}
	if n := len(must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{}))); n != 2 {
		t.Errorf("%d data sources", n)
	}
}

// TestDataSourceByName is spec 12.1(3) and the trash.
func TestDataSourceByName(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		create := func(name string, org, app int64) *siftdb.DataSource {
			return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: name, OrganizationID: &org, AppID: &app}))
		}
		a, b, c := create("Users", 1, 10), create("Users", 1, 20), create("Users", 2, 10)
		find := func(name string, scope siftdb.Scope) int64 {
			ds, err := db.DataSourceByName(ctx, name, scope)
			if isNotFound(err) {
				return 0
			}
			return must[*siftdb.DataSource](t)(ds, err).ID()
		}
		one, two, twenty := new(int64(1)), new(int64(2)), new(int64(20))
		for i, test := range []struct {
			got, want int64
		}{
			{find("Users", siftdb.Scope{}), a.ID()}, {find("users", siftdb.Scope{}), 0}, {find("Users ", siftdb.Scope{}), 0},
			{find("Users", siftdb.Scope{OrganizationID: two}), c.ID()}, {find("Users", siftdb.Scope{OrganizationID: one, AppID: twenty}), b.ID()},
			{find("Users", siftdb.Scope{OrganizationID: two, AppID: twenty}), c.ID()}, {find("Users", siftdb.Scope{OrganizationID: new(int64(3))}), 0},
		} {
			if test.got != test.want {
				t.Errorf("look-up %d finds %d, want %d", i, test.got, test.want)
			}
		}
		must[*siftdb.Entry](t)(a.Insert(ctx, siftdb.M{"n": 1}))
		if err := a.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		if err := a.Delete(ctx); !isNotFound(err) {
			t.Errorf("deleting twice gives %v", err)
		}
		if got := find("Users", siftdb.Scope{}); got != b.ID() {
			t.Errorf("with the first in the trash %d is found", got)
		}
		trash := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: true}))
		if len(trash) != 1 || trash[0].DeletedAt == nil || trash[0].EntriesCount != 1 {
			t.Errorf("the trash is %+v", trash)
		}
		if list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{OrganizationID: one})); len(list) != 1 || list[0].ID != b.ID() {
			t.Errorf("the list is %+v", list)
		}
		if list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{AppID: new(int64(10))})); len(list) != 1 || list[0].ID != c.ID() {
			t.Errorf("the list is %+v", list)
		}
		if _, err := db.DataSource(ctx, a.ID()); !isNotFound(err) {
			t.Errorf("a trashed one gives %v", err)
		}
		must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, a.ID()))
		if _, err := db.RestoreDataSource(ctx, a.ID()); !isNotFound(err) {
			t.Errorf("restoring twice gives %v", err)
		}
		if n := len(all(t, a)); n != 1 {
			t.Errorf("%d entries after the trash", n)
		}
		must[siftdb.DataSourceInfo](t)(b.Update(ctx, siftdb.DataSourceUpdate{Name: new("People")}))
		if got := find("People", siftdb.Scope{}); got != b.ID() || find("Users", siftdb.Scope{AppID: twenty}) != a.ID() {
			t.Errorf("after renaming %d is found", got)
		}
		ids := entryIDs(t, a)
		if err := db.Purge(ctx, a.ID()); err != nil {
			t.Fatal(err)
		}
		if err := db.Purge(ctx, a.ID()); !isNotFound(err) {
			t.Errorf("purging twice gives %v", err)
		}
		d := table(t, db, "new", `{}`)
		if d.ID() <= c.ID() || slices.Contains(ids, entryIDs(t, d)[0]) {
			t.Errorf("ids are used again: %d, %v", d.ID(), entryIDs(t, d))
		}
	})
}

// TestIDs: entry ids are unique over the store, grow, and come in aligned blocks.
func TestIDs(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		a, b := table(t, db, "a"), table(t, db, "b")
		owner := map[int64]string{}
		last := map[string]int64{}
		for i := range 6 {
			for name, ds := range map[string]*siftdb.DataSource{"a": a, "b": b} {
				rows := make([]any, 1+i*700)
				for j := range rows {
					rows[j] = siftdb.M{}
				}
				for _, id := range must[siftdb.BulkResult](t)(ds.Append(ctx, rows)).IDs {
					if id <= last[name] {
						t.Fatalf("id %d of %s after %d", id, name, last[name])
					}
					last[name] = id
					if o := owner[id/4096]; o != "" && o != name {
						t.Fatalf("block %d belongs to %s and %s", id/4096, o, name)
					}
					owner[id/4096] = name
				}
			}
		}
		if _, err := a.FindByID(ctx, last["b"]); !isNotFound(err) {
			t.Errorf("an entry of another data source gives %v", err)
		}
		if _, err := a.UpdateEntry(ctx, last["b"], siftdb.M{}); !isNotFound(err) {
			t.Errorf("updating an entry of another data source gives %v", err)
		}
		if err := a.Remove(ctx, last["b"]); !isNotFound(err) {
			t.Errorf("removing an entry of another data source gives %v", err)
		}
		if _, err := a.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: last["b"], Data: siftdb.M{}}}}); !isInvalid(err) {
			t.Errorf("committing an entry of another data source gives %v", err)
		}
		must[*siftdb.CommitResult](t)(a.Commit(ctx, siftdb.Commit{Delete: []int64{last["b"]}, Entries: []siftdb.CommitEntry{}}))
		if _, err := b.FindByID(ctx, last["b"]); err != nil {
			t.Errorf("a commit reached another data source: %v", err)
		}
	})
}

// TestColumns is spec 14.4.
func TestColumns(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	check := func(step string, want ...string) {
		t.Helper()
		if got := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns; !cmp.Equal(got, want) {
			t.Errorf("%s: columns are %q, want %q", step, got, want)
		}
	}
	check("empty")
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"b":1,"a":{"x":1}}`)))
	check("insert", "b", "a")
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"c.d": 1}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"e":1,"b":1}`)))
	check("update and append", "b", "a", "c.d", "e")
	must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"f":1}`)))
	check("replace removes nothing", "b", "a", "c.d", "e", "f")
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Columns: []string{"f", "b"}, Entries: []siftdb.CommitEntry{{Data: json.RawMessage(`{"g":1,"b":1}`)}}}))
	check("commit sets and adds", "f", "b", "g")
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Columns: []string{}}))
	check("set to none", []string{}...)
	ids := entryIDs(t, ds)
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: ids[0], Data: siftdb.M{"h": 1}}}}))
	check("only what is sent comes back", "h")
	must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"i": 1}, Unset: []string{"h"}}))
	check("update where", "h", "i")
}

// TestGUID is the definition's guid, spec 14.5.
func TestGUID(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: json.RawMessage(`{"guid":"Key"}`)}))
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"Key":null}`, `{"Key":""}`, `{"Key":"mine"}`, `{"Key":0}`)))
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{}}}}))
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for i, e := range all(t, ds) {
		switch key := e.Get("Key"); i {
		case 3:
			if key != "mine" {
				t.Errorf("a given key became %v", key)
			}
		case 4:
			if key != 0.0 {
				t.Errorf("a key 0 became %v", key)
			}
		default:
			if text, _ := key.(string); !form.MatchString(text) || seen[text] {
				t.Errorf("entry %d has key %v", i, key)
			} else {
				seen[text] = true
			}
		}
	}
	updated := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": 2}))
	if updated.Get("Key") != e.Get("Key") {
		t.Error("an update changed the key")
	}
	if cleared := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"Key": nil})); cleared.Get("Key") != nil {
		t.Error("an update filled the key")
	}
	if columns := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns; !cmp.Equal(columns, []string{"n", "Key"}) {
		t.Errorf("columns are %v", columns)
	}
}

// TestEntryData: structs, maps and raw JSON; digits, key order, reserved keys.
func TestEntryData(t *testing.T) {
	type address struct {
		City string `json:"city"`
	}
	type user struct {
		Name    string   `json:"Name"`
		Age     int      `json:"Age,omitempty"`
		Address *address `json:"address"`
		Secret  string   `json:"-"`
		Tags    []string
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		for _, test := range []struct {
			data any
			want string
		}{
			{user{Name: "Bob", Address: &address{"Oslo"}, Secret: "x"}, `{"Name":"Bob","address":{"city":"Oslo"},"Tags":null}`},
			{&user{Name: "Ann", Age: 3}, `{"Name":"Ann","Age":3,"address":null,"Tags":null}`},
			{siftdb.M{"b": 1, "a": []any{true, nil, "x"}}, `{"a":[true,null,"x"],"b":1}`},
			{map[string]int{"z": 1}, `{"z":1}`},
			{siftdb.D{{Key: "b", Value: 1}, {Key: "a", Value: siftdb.D{{Key: "d", Value: 2}, {Key: "c", Value: 3}}}}, `{"b":1,"a":{"d":2,"c":3}}`},
			{json.RawMessage(`{"n":1.10,"big":12345678901234567890,"huge":1e400,"neg":-0,"i":1e2}`), `{"n":1.10,"big":12345678901234567890,"huge":1e400,"neg":-0,"i":1e2}`},
			{[]byte(`{"id":"mine","order":"x","createdAt":1,"dataSourceId":5,"dataSourceEntryId":6,"data":{"dataSourceId":7}}`), `{"id":"mine","order":"x","createdAt":1,"data":{"dataSourceId":7}}`},
			{json.RawMessage(`{"a":1,"b":2,"a":3,"__proto__":{},"":0,"x.y":"é\u0000😀"}`), `{"a":3,"b":2,"__proto__":{},"":0,"x.y":"é\u0000😀"}`},
		} {
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, test.data))
			again := must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID))
			if string(e.JSON()) != test.want || string(again.JSON()) != test.want {
				t.Errorf("%v comes back as %s and %s, want %s", test.data, e.JSON(), again.JSON(), test.want)
			}
		}
		result := must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: json.RawMessage(`{"dataSourceId":5}`)}}}))
		e := must[*siftdb.Entry](t)(ds.FindByID(ctx, result.Inserted[0]))
		if string(e.JSON()) != `{"dataSourceId":5}` {
			t.Errorf("a commit dropped a key: %s", e.JSON())
		}
	})
}

func TestEntryAccess(t *testing.T) {
	db := must[*siftdb.DB](t)(siftdb.OpenMemory(nil))
	ds := table(t, db, "t", `{"a":{"b":[{"c":1},{"c":2.5}]},"a.b":"whole","n":null,"big":12345678901234567890,"t":true}`)
	e := all(t, ds)[0]
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{"a.b": "whole", "a.b.1.c": 2.5, "big": json.Number("12345678901234567890"), "t": true, "n": nil, "a.b.5": nil, "zz": nil, "": nil, "a.b.x": nil} {
		got, ok := e.Lookup(path)
		if wantOK := want != nil || path == "n"; !cmp.Equal(got, want) || ok != wantOK || !cmp.Equal(e.Get(path), want) {
			t.Errorf("%q is %v, %v", path, got, ok)
		}
	}
	if got, err := e.Path(`$.a.b[?(@.c > 1)].c`); err != nil || !cmp.Equal(got, []any{2.5}) {
		t.Errorf("path gives %v, %v", got, err)
	}
	if _, err := e.Path(`$[`); !isInvalidQuery(err) {
		t.Errorf("a bad path gives %v", err)
	}
	var target struct {
		A struct{ B []struct{ C float64 } }
		T bool
	}
	if err := e.Decode(&target); err != nil || !target.T || target.A.B[1].C != 2.5 {
		t.Errorf("decoded %+v, %v", target, err)
	}
	var bad struct{ T int }
	if err := e.Decode(&bad); !isInvalid(err) {
		t.Errorf("decoding into the wrong type gives %v", err)
	}
	m := e.Map()
	m["t"] = "changed"
	if e.Get("t") != true {
		t.Error("a map shares the entry's data")
	}
	var zero siftdb.Entry
	if text, err := json.Marshal(&zero); err != nil || !json.Valid(text) || zero.Get("x") != nil || zero.Map() != nil {
		t.Errorf("the zero entry is %s, %v", text, err)
	}
}

// TestUniqueValues is spec 2.4.
func TestUniqueValues(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":"x","r":{"n":"Manager"}}`, `{"a":5}`, `{"a":"5"}`, `{"a":null}`, `{}`, `{"a":""}`, `{"a":5.0,"r":{"n":"Dev"}}`,
			`{"a":["x","y",["z"],null]}`, `{"a":{"k":1,"l":2}}`, `{"a":{"l":2,"k":1}}`, `{"a":false,"r.n":"Dot"}`, `{"r":[{"n":"One"},{"n":"Dev"}]}`)
		got := must[map[string][]any](t)(ds.Indexes(ctx, "a", "r.n", "nope", "a"))
		want := map[string][]any{
			"a":    {"x", 5.0, "5", "", "y", []any{"z"}, map[string]any{"k": 1.0, "l": 2.0}, false},
			"r.n":  {"Dot"},
			"nope": {},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := must[[]any](t)(ds.Index(ctx, "r.0.n")); !cmp.Equal(got, []any{"One"}) {
			t.Errorf("a path through a list gives %v", got)
		}
	})
}

// TestCursor is spec 2.5.
func TestCursor(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	for i := range 25 {
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": i, "even": i%2 == 0}))
	}
	c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Desc("n")}}))
	state := func() string {
		return fmt.Sprint(c.Limit(), c.Offset(), c.CurrentPage(), c.IsFirstPage(), c.IsLastPage(), len(c.Entries()))
	}
	step := func(want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("the cursor is at %s, want %s", got, want)
		}
	}
	step("10 0 0 true false 10")
	c.Prev()
	step("10 0 0 true false 10")
	c.Next()
	c.Next()
	c.Next()
	step("10 20 2 false true 10")
	if err := c.Update(ctx, false); err != nil {
		t.Fatal(err)
	}
	step("10 20 2 false true 5")
	c.SetPage(-3)
	if err := c.Update(ctx, true); err != nil {
		t.Fatal(err)
	}
	step("10 0 0 true false 15")
	c.SetPage(99)
	step("10 20 2 false true 15")
	c.SetLimit(7)
	step("7 14 2 false false 15")
	c.SetQuery(siftdb.Query{Where: `{"even":true}`})
	if err := c.Update(ctx, false); err != nil {
		t.Fatal(err)
	}
	step("7 0 0 true false 7")
	if c.Total() != 13 {
		t.Errorf("total %d", c.Total())
	}
	c.SetQuery(siftdb.Query{Where: `{"bad":{"$nope":1}}`})
	if err := c.Update(ctx, false); !isInvalidQuery(err) || len(c.Entries()) != 7 {
		t.Errorf("a bad query gives %v", err)
	}
	empty := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"n":-1}`}))
	if !empty.IsFirstPage() || !empty.IsLastPage() {
		t.Error("an empty result is not first and last page")
	}
	for _, q := range []siftdb.Query{{Limit: new(0)}, {Limit: new(-1)}, {Offset: -1}, {Type: "delete", Where: `{}`}, {CountOnly: true}} {
		if _, err := ds.Cursor(ctx, q); !isInvalidQuery(err) {
			t.Errorf("a cursor of %+v gives %v", q, err)
		}
	}
	if n := len(all(t, ds)); n != 25 {
		t.Errorf("a cursor removed entries: %d", n)
	}
}
