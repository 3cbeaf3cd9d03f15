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

const twelveKeys = `{"id":1,"name":"Test","organizationId":null,"appId":null,"appCapabilities":null,"hooks":[],"encrypted":false,"columns":null,` +
	`"type":null,"public":false,"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z"}`

// TestDataSourceJSON is spec 1.3: twelve keys always, further ones when set.
func TestDataSourceJSON(t *testing.T) {
	_, options := stopped()
	db := memoryDB(t, options)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "Test"}))
	if diff := cmp.Diff(twelveKeys, asJSON(t, infoOf(t, ds))); diff != "" {
		t.Error(diff)
	}
	full := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: " Full\t", OrganizationID: new(int64(123)), AppID: new(int64(456)),
		AppCapabilities: json.RawMessage(`[1.10, "x"]`), Hooks: json.RawMessage(`[{"type":"operations","runOn":["insert"]}]`), Type: new("menu"), Public: new(true),
		Definition: json.RawMessage(`{"views": [], "other": 1e400}`), AccessRules: json.RawMessage(`[]`), Bundle: new(false), Columns: []string{"a", "", "b", " ", "a"}}))
	want := `{"id":2,"name":"Full","organizationId":123,"appId":456,"appCapabilities":[1.10,"x"],"hooks":[{"type":"operations","runOn":["insert"]}],"encrypted":false,"columns":["a","b"],` +
		`"type":"menu","public":true,"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z","definition":{"views":[],"other":1e400},"accessRules":[],"bundle":false}`
	if diff := cmp.Diff(want, asJSON(t, infoOf(t, full))); diff != "" {
		t.Error(diff)
	}
	list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{}))
	if diff := cmp.Diff("["+twelveKeys+","+want+"]", asJSON(t, list)); diff != "" {
		t.Error(diff)
	}
	updated := must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{}))
	if diff := cmp.Diff(strings.TrimSuffix(twelveKeys, "}")+`,"definition":{}}`, asJSON(t, updated)); diff != "" {
		t.Errorf("an update always has a definition: %s", diff)
	}
	if err := ds.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	trash := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: true}))
	if diff := cmp.Diff("["+strings.TrimSuffix(twelveKeys, "}")+`,"deletedAt":"2026-02-03T04:05:06.007Z"}]`, asJSON(t, trash)); diff != "" {
		t.Errorf("the trash has deletedAt: %s", diff)
	}
	restored := must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, 1))
	if diff := cmp.Diff(twelveKeys, asJSON(t, infoOf(t, restored))); diff != "" {
		t.Error(diff)
	}
}

// TestDataSourceNames is spec 1.3: 1 to 255 characters after trimming, not unique.
func TestDataSourceNames(t *testing.T) {
	db := memoryDB(t, nil)
	long := strings.Repeat("é", 255)
	for name, want := range map[string]string{"a": "a", " a b\n": "a b", long: long, "\t" + long + " ": long, "123": "123", "a/b,c%": "a/b,c%"} {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: name}))
		if got := infoOf(t, ds).Name; got != want {
			t.Errorf("%q is kept as %q", name, got)
		}
	}
	ds := table(t, db, "a")
	before := portrait(t, db)
	for _, name := range []string{"", " \t\n", long + "x", "bad\xff"} {
		_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: name})
		fails(t, fmt.Sprintf("create %.10q", name), err, siftdb.ErrInvalidInput)
		_, err = ds.Update(ctx, siftdb.DataSourceUpdate{Name: &name, Bundle: new(true)})
		fails(t, fmt.Sprintf("update %.10q", name), err, siftdb.ErrInvalidInput)
	}
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("refused names changed something: %s", diff)
	}
}

// TestBadSpecs: attributes of the wrong form are refused, and nothing is created.
func TestBadSpecs(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	before := portrait(t, db)
	bad := map[string]siftdb.DataSourceSpec{
		"hooks object":       {Hooks: json.RawMessage(`{}`)},
		"hooks of numbers":   {Hooks: json.RawMessage(`[1]`)},
		"hooks of null":      {Hooks: json.RawMessage(`[null]`)},
		"hooks without type": {Hooks: json.RawMessage(`[{"runOn":["insert"]}]`)},
		"definition array":   {Definition: json.RawMessage(`[]`)},
		"definition text":    {Definition: json.RawMessage(`{`)},
		"rules object":       {AccessRules: json.RawMessage(`{}`)},
		"capabilities":       {AppCapabilities: json.RawMessage(`nope`)},
		"encrypted":          {Encrypted: true}, // spec 14.1: there is no cipher
		"entry no object":    {Entries: []any{siftdb.M{"a": 1}, 7}},
		"column not UTF-8":   {Columns: []string{"a\xff"}},
		"column too long":    {Columns: []string{strings.Repeat("x", 1025)}},
		"entries or version": {Entries: raws(`{}`), Version: &siftdb.VersionRef{DataSourceID: 1, ID: 1}},
	}
	for name, spec := range bad {
		spec.Name = "x"
		_, err := db.Create(ctx, spec)
		fails(t, name, err, siftdb.ErrInvalidInput)
		change := siftdb.DataSourceUpdate{Name: new("y"), Hooks: spec.Hooks, Definition: spec.Definition, AccessRules: spec.AccessRules,
			AppCapabilities: spec.AppCapabilities, Columns: spec.Columns}
		if spec.Encrypted {
			change.Encrypted = &spec.Encrypted
		}
		if spec.Entries != nil || spec.Version != nil {
			continue
		}
		_, err = ds.Update(ctx, change)
		fails(t, "update with "+name, err, siftdb.ErrInvalidInput)
	}
	_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: 99, ID: 1}})
	fails(t, "version of an unknown data source", err, siftdb.ErrNotFound)
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("refused attributes changed something: %s", diff)
	}
}

// TestDataSourceScopes: spec 12.1(3): exact case, the organization, first the app,
// then the lowest id; trashed ones are not found.
func TestDataSourceScopes(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		create := func(name string, org, app int64) int64 {
			spec := siftdb.DataSourceSpec{Name: name}
			if org != 0 {
				spec.OrganizationID = &org
			}
			if app != 0 {
				spec.AppID = &app
			}
			return must[*siftdb.DataSource](t)(db.Create(ctx, spec)).ID()
		}
		none := create("Users", 0, 0)
		one := create("Users", 1, 0)
		app7 := create("Users", 1, 7)
		other7 := create("Users", 2, 7)
		lower := create("users", 1, 7)
		trashed := create("Gone", 1, 0)
		create("Users2", 1, 7)
		if err := must[*siftdb.DataSource](t)(db.DataSource(ctx, trashed)).Delete(ctx); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name     string
			org, app int64
			want     int64
		}{
			{"Users", 0, 0, none}, {"Users", 1, 0, one}, {"Users", 1, 7, app7}, {"Users", 2, 0, other7}, {"Users", 0, 7, app7},
			{"Users", 1, 99, one}, {"users", 0, 0, lower}, {"USERS", 0, 0, 0}, {"Users", 3, 7, 0}, {"Gone", 0, 0, 0}, {"Use", 0, 0, 0}, {"", 0, 0, 0},
			{fmt.Sprint(one), 0, 0, 0},
		}
		for _, test := range tests {
			var scope siftdb.Scope
			if test.org != 0 {
				scope.OrganizationID = &test.org
			}
			if test.app != 0 {
				scope.AppID = &test.app
			}
			ds, err := db.DataSourceByName(ctx, test.name, scope)
			if test.want == 0 {
				fails(t, fmt.Sprintf("%+v", test), err, siftdb.ErrNotFound)
			} else if err != nil || ds.ID() != test.want {
				t.Errorf("%+v gives %v, %v", test, ds, err)
			}
		}
		// A new name is found at once, and the old one no more.
		ds := must[*siftdb.DataSource](t)(db.DataSource(ctx, lower))
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("renamed")}))
		if found, err := db.DataSourceByName(ctx, "renamed", siftdb.Scope{}); err != nil || found.ID() != lower {
			t.Errorf("the new name gives %v", err)
		}
		_, err := db.DataSourceByName(ctx, "users", siftdb.Scope{})
		fails(t, "the old name", err, siftdb.ErrNotFound)
		if e := fails(t, "an unknown id", func() error { _, err := db.DataSource(ctx, 999); return err }(), siftdb.ErrNotFound); e.DataSourceID != 999 {
			t.Errorf("the error names data source %d", e.DataSourceID)
		}
		for _, id := range []int64{0, -1, 1 << 32, 1 << 62} {
			_, err := db.DataSource(ctx, id)
			fails(t, fmt.Sprint("id ", id), err, siftdb.ErrNotFound)
		}

		ids := func(options siftdb.ListOptions) (out []int64) {
			for _, info := range must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, options)) {
				out = append(out, info.ID)
			}
			return out
		}
		for _, test := range []struct {
			options siftdb.ListOptions
			want    []int64
		}{
			{siftdb.ListOptions{}, []int64{1, 2, 3, 4, 5, 7}},
			{siftdb.ListOptions{OrganizationID: new(int64(1))}, []int64{2, 3, 5, 7}},
			{siftdb.ListOptions{AppID: new(int64(7))}, []int64{3, 4, 5, 7}},
			{siftdb.ListOptions{AppID: new(int64(7)), OrganizationID: new(int64(2))}, []int64{4}},
			{siftdb.ListOptions{OrganizationID: new(int64(9))}, nil},
			{siftdb.ListOptions{Trashed: true}, []int64{6}},
			{siftdb.ListOptions{Trashed: true, OrganizationID: new(int64(2))}, nil},
		} {
			if got := ids(test.options); !slices.Equal(got, test.want) {
				t.Errorf("%+v lists %v, want %v", test.options, got, test.want)
			}
		}
	})
}

// TestUpdateAttributes changes each attribute alone: it moves updatedAt, nothing
// else, and leaves no version (spec 9.1).
func TestUpdateAttributes(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	tests := []struct {
		change siftdb.DataSourceUpdate
		key    string
		want   string // "" for a key that is left out
	}{
		{siftdb.DataSourceUpdate{Name: new(" New ")}, "name", `"New"`},
		{siftdb.DataSourceUpdate{Type: new("likes")}, "type", `"likes"`},
		{siftdb.DataSourceUpdate{Type: new("")}, "type", `null`},
		{siftdb.DataSourceUpdate{Public: new(false)}, "public", `false`},
		{siftdb.DataSourceUpdate{PublicNull: true}, "public", `null`},
		{siftdb.DataSourceUpdate{AppID: new(int64(9))}, "appId", `9`},
		{siftdb.DataSourceUpdate{AppID: new(int64(0))}, "appId", `null`},
		{siftdb.DataSourceUpdate{Bundle: new(false)}, "bundle", `false`},
		{siftdb.DataSourceUpdate{Encrypted: new(false)}, "", ``},
		{siftdb.DataSourceUpdate{AppCapabilities: json.RawMessage(`{"a":1}`)}, "appCapabilities", `{"a":1}`},
		{siftdb.DataSourceUpdate{AppCapabilities: json.RawMessage(`null`)}, "appCapabilities", `null`},
		{siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"x","runOn":["y"]}, {"runOn":["insert"],"type":"web","a":1}]`)}, "hooks", `[{"type":"x","runOn":["y"]},{"runOn":["insert"],"type":"web","a":1}]`},
		{siftdb.DataSourceUpdate{Hooks: json.RawMessage(`null`)}, "hooks", `[]`},
		{siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[]`)}, "hooks", `[]`},
		{siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"only": 1}`)}, "definition", `{"only":1}`},
		{siftdb.DataSourceUpdate{AccessRules: json.RawMessage(`[{"type":["select"],"allow":"all"}]`)}, "accessRules", `[{"type":["select"],"allow":"all"}]`},
		{siftdb.DataSourceUpdate{Columns: []string{"z", "a", "z", " "}}, "columns", `["z","a"]`},
		{siftdb.DataSourceUpdate{Columns: []string{}}, "columns", `[]`},
		{siftdb.DataSourceUpdate{NewColumns: []string{"new", "a", "new"}}, "columns", `["a","b","new"]`},
		{siftdb.DataSourceUpdate{Columns: []string{"q"}, NewColumns: []string{"a", "q"}}, "columns", `["q","a"]`},
		{siftdb.DataSourceUpdate{}, "", ""},
	}
	for i, test := range tests {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AppID: new(int64(1)), OrganizationID: new(int64(2)), Type: new("x"), Public: new(true),
			Hooks: json.RawMessage(`[{"type":"x","runOn":["y"]}]`), Definition: json.RawMessage(`{"d":1}`), AccessRules: json.RawMessage(`[]`), Bundle: new(true), AppCapabilities: json.RawMessage(`5`)}))
		must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"a":1,"b":2}`)))
		versions := len(versionsOf(t, ds))
		decode := func(v any) (m map[string]json.RawMessage) {
			if err := json.Unmarshal([]byte(asJSON(t, v)), &m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		want := decode(infoOf(t, ds))
		clock.move(time.Second)
		got := decode(must[siftdb.DataSourceInfo](t)(ds.Update(ctx, test.change)))
		want["updatedAt"], _ = json.Marshal(clock.read().Format("2006-01-02T15:04:05.000Z"))
		if test.key != "" {
			want[test.key] = json.RawMessage(test.want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("change %d: %s", i, diff)
		}
		if diff := cmp.Diff(want, decode(infoOf(t, ds))); diff != "" {
			t.Errorf("change %d, read again: %s", i, diff)
		}
		if n := len(versionsOf(t, ds)); n != versions {
			t.Errorf("change %d left a version", i)
		}
		if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"a":1,"b":2}`}) {
			t.Errorf("change %d touched the data: %v", i, got)
		}
	}
}

// TestColumnsList is spec 14.4.
func TestColumnsList(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		columns := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, infoOf(t, ds).Columns); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		columns("at first")
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
		columns("after an empty entry")
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"b":{"x":1},"a":null}`)))
		columns("insert", "b", "a")
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, json.RawMessage(`{"d":1,"a":2,"c":3}`)))
		columns("update", "b", "a", "d", "c")
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"f":1}`, `{"e":1,"f":2}`)))
		columns("append", "b", "a", "d", "c", "f", "e")
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"h": 1}}, {ID: e.ID, Data: siftdb.M{"g": 1}}}}))
		columns("commit, in the order of its members", "b", "a", "d", "c", "f", "e", "h", "g")
		must[int64](t)(ds.UpdateWhere(ctx, `{"h":1}`, siftdb.Patch{Set: siftdb.M{"i": 1}}))
		columns("update where", "b", "a", "d", "c", "f", "e", "h", "g", "i")
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"a":1,"j":1}`)))
		columns("replace removes none", "b", "a", "d", "c", "f", "e", "h", "g", "i", "j")
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, nil))
		columns("truncate removes none", "b", "a", "d", "c", "f", "e", "h", "g", "i", "j")

		// A list that is set leaves the data alone; missing keys come back when written.
		e = must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"a":1,"b":2}`)))
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Columns: []string{"a", "z"}}))
		columns("set", "a", "z")
		if got := string(must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)).JSON()); got != `{"a":1,"b":2}` {
			t.Errorf("the data are %s", got)
		}
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"a": 5}))
		columns("b was not written", "a", "z")
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"b": 5}))
		columns("b was written", "a", "z", "b")
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Columns: []string{"q", "q", "", "a"}, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"new": 1}}}}))
		columns("a commit sets the list and adds its own", "q", "a", "new")
		if v := versionsOf(t, ds)[0]; !cmp.Equal(v.Columns, []string{"a", "z", "b"}) {
			t.Errorf("the version remembers %v", v.Columns)
		}
		must[int64](t)(ds.Restore(ctx, versionsOf(t, ds)[0].ID))
		columns("a restore sets the list", "a", "z", "b")
		must[int64](t)(ds.Restore(ctx, versionsOf(t, ds)[len(versionsOf(t, ds))-1].ID))
		columns("a restore to the time before any column")
		if infoOf(t, ds).Columns != nil {
			t.Error("the list is empty, not null")
		}
	})
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestGUIDColumn is spec 14.5.
func TestGUIDColumn(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: json.RawMessage(`{"guid":"my id"}`),
			Entries: []any{siftdb.M{"n": 0}}}))
		rows := []string{`{"n":1}`, `{"n":2,"my id":null}`, `{"my id":"","n":3}`, `{"my id":"mine"}`, `{"my id":0}`, `{"my id":false}`, `{"my id":[]}`}
		kept := map[string]bool{`"mine"`: true, `0`: true, `false`: true, `[]`: true}
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, raws(rows[0])[0]))
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(rows...)))
		c := siftdb.Commit{Append: new(true)}
		for _, r := range raws(rows...) {
			c.Entries = append(c.Entries, siftdb.CommitEntry{Data: r})
		}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
		seen := map[string]bool{}
		filled := 0
		for _, e := range all(t, ds) {
			v := asJSON(t, e.Get("my id"))
			if kept[v] {
				continue
			}
			id, _ := e.Get("my id").(string)
			if !uuid4.MatchString(id) || seen[id] {
				t.Errorf("%s is no new UUID", e.JSON())
			}
			seen[id] = true
			filled++
		}
		if filled != 8 {
			t.Errorf("%d entries got a UUID, want 8", filled)
		}
		if got := infoOf(t, ds).Columns; !slices.Contains(got, "my id") {
			t.Errorf("the column is not listed: %v", got)
		}
		// Updates never change it on their own.
		for _, data := range []string{`{"n":9}`, `{"my id":""}`, `{"my id":null}`} {
			e = must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, json.RawMessage(data)))
		}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: e.ID, Data: siftdb.M{"n": 10}}}}))
		if got := string(must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)).JSON()); got != `{"n":10}` {
			t.Errorf("updates made %s", got)
		}
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"guid":7}`)}))
		if got := string(must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1})).JSON()); got != `{"n":1}` {
			t.Errorf("a guid that is no name fills %s", got)
		}
	})
}

// TestTrash moves a data source to the trash, back, and away for good.
func TestTrash(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		keep, ds := table(t, db, "keep", `{"k":1}`), table(t, db, "t", `{"a":1}`, `{"a":2}`)
		must[int64](t)(ds.UpdateWhere(ctx, `{"a":1}`, siftdb.Patch{Set: siftdb.M{"a": 9}}))
		kept := texts(all(t, keep))
		entries, versions := describeEntries(all(t, ds)), versionsOf(t, ds)
		_, err := db.RestoreDataSource(ctx, ds.ID())
		fails(t, "restoring what is not in the trash", err, siftdb.ErrNotFound)
		for range 2 {
			if err := ds.Delete(ctx); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{
				"get":          func() error { _, err := db.DataSource(ctx, ds.ID()); return err }(),
				"get by name":  func() error { _, err := db.DataSourceByName(ctx, "t", siftdb.Scope{}); return err }(),
				"find":         func() error { _, err := ds.Find(ctx, siftdb.Query{}); return err }(),
				"insert":       func() error { _, err := ds.Insert(ctx, siftdb.M{}); return err }(),
				"versions":     func() error { _, err := ds.Versions(ctx, siftdb.Page{}); return err }(),
				"delete again": ds.Delete(ctx),
				"copy": func() error {
					_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "c", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: versions[0].ID}})
					return err
				}(),
			} {
				fails(t, what+" in the trash", err, siftdb.ErrNotFound)
			}
			again := must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
			if diff := cmp.Diff(entries, describeEntries(all(t, again))); diff != "" {
				t.Errorf("entries out of the trash: %s", diff)
			}
			if diff := cmp.Diff(versions, versionsOf(t, ds)); diff != "" {
				t.Errorf("versions out of the trash: %s", diff)
			}
			if infoOf(t, ds).DeletedAt != nil {
				t.Error("deletedAt stays set")
			}
		}

		// Purge: from the trash, and directly. Ids are never used again.
		last := int64(0)
		for i := range 3 {
			used := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{})).ID
			if used <= last {
				t.Errorf("entry id %d after %d", used, last)
			}
			last = used
			if i == 1 {
				if err := ds.Delete(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Purge(ctx, ds.ID()); err != nil {
				t.Fatal(err)
			}
			fails(t, "a second purge", db.Purge(ctx, ds.ID()), siftdb.ErrNotFound)
			_, err := db.RestoreDataSource(ctx, ds.ID())
			fails(t, "restoring what was purged", err, siftdb.ErrNotFound)
			_, err = ds.FindByID(ctx, used)
			fails(t, "an entry of what was purged", err, siftdb.ErrNotFound)
			for _, trashed := range []bool{false, true} {
				for _, info := range must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: trashed})) {
					if info.ID == ds.ID() {
						t.Error("a purged data source is listed")
					}
				}
			}
			next := table(t, db, "t", `{"a":1}`)
			if next.ID() <= ds.ID() {
				t.Errorf("id %d after %d", next.ID(), ds.ID())
			}
			if n := len(versionsOf(t, next)); n != 1 {
				t.Errorf("a new data source has %d versions", n)
			}
			ds = next
		}
		if diff := cmp.Diff(kept, texts(all(t, keep))); diff != "" {
			t.Errorf("another data source changed: %s", diff)
		}
	})
}

// TestIDsOutOfRange: an id that no data source can have is not found, and never
// stands for another one.
func TestIDsOutOfRange(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`)
		version := versionsOf(t, ds)[0].ID
		trashed := table(t, db, "trashed")
		if err := trashed.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		before := portrait(t, db)
		for _, high := range []int64{1 << 32, 5 << 40, -1 << 32} {
			_, err := db.DataSource(ctx, high+ds.ID())
			fails(t, "DataSource", err, siftdb.ErrNotFound)
			_, err = db.RestoreDataSource(ctx, high+trashed.ID())
			fails(t, "RestoreDataSource", err, siftdb.ErrNotFound)
			_, err = db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: high + ds.ID(), ID: version}})
			fails(t, "Create from a version", err, siftdb.ErrNotFound)
			fails(t, "Purge", db.Purge(ctx, high+ds.ID()), siftdb.ErrNotFound)
		}
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("an id out of range stood for another data source: %s", diff)
		}
	})
}

// TestCreateFilled creates with entries, with columns, and from a version (spec
// 9.5). Entries are flat rows (spec 12.2): reserved keys are dropped as in 1.4(6).
// They leave one version of count 0 (docs/decisions.md).
func TestCreateFilled(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Columns: []string{"z", "a"},
			Entries: raws(`{"b":1.10,"a":2}`, `{"dataSourceId":1,"c":1,"dataSourceEntryId":2,"id":3}`)}, siftdb.WithSource("seed")))
		if diff := cmp.Diff([]string{`{"b":1.10,"a":2}`, `{"c":1,"id":3}`}, texts(all(t, ds))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"z", "a", "b", "c", "id"}, infoOf(t, ds).Columns); diff != "" {
			t.Error(diff)
		}
		if v := versionsOf(t, ds); len(v) != 0 { // spec 12.3(4): no listed version
			t.Errorf("creation with entries left %+v", v)
		}
		if e := all(t, ds)[0]; e.Changed == 0 { // but a commit
			t.Error("the first entries have no commit")
		}
		empty := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "e", Columns: []string{"x"}, Entries: []any{}}))
		if n := len(versionsOf(t, empty)); n != 0 {
			t.Errorf("creation without entries left %d versions", n)
		}

		ids := entryIDs(t, ds)
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: ids[0], Data: siftdb.M{}, Order: json.Number("2.50")}}}))
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"later":1}`)))
		version := versionsOf(t, ds)[0]
		copied := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "copy", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: version.ID}}))
		var got []string
		for _, e := range all(t, copied) {
			got = append(got, fmt.Sprintf("%s %v %s", e.JSON(), e.Order, regexp.MustCompile(`"order":[^,]*`).FindString(asJSON(t, e))))
			if slices.Contains(ids, e.ID) || e.DataSourceID != copied.ID() {
				t.Errorf("the copy has entry %d of data source %d", e.ID, e.DataSourceID)
			}
		}
		if diff := cmp.Diff([]string{`{"c":1,"id":3} 0 "order":0`, `{"b":1.10,"a":2} 2.5 "order":2.50`}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(version.Columns, infoOf(t, copied).Columns); diff != "" {
			t.Errorf("columns of the copy: %s", diff)
		}
		// The copy is of its own: writing to it, and purging its origin, changes nothing there.
		if err := db.Purge(ctx, ds.ID()); err != nil {
			t.Fatal(err)
		}
		must[*siftdb.Entry](t)(copied.Insert(ctx, siftdb.M{"brand new": 1}))
		if n := len(all(t, copied)); n != 3 {
			t.Errorf("the copy has %d entries", n)
		}
		_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: copied.ID(), ID: 12345}})
		fails(t, "an unknown version", err, siftdb.ErrNotFound)
	})
}
