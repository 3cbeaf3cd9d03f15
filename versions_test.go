package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestEveryWriteLeavesAVersion is spec 9.1 and 9.2: each write leaves one, with its
// action, holding what it found.
func TestEveryWriteLeavesAVersion(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		var id int64
		writes := []struct {
			action                     string
			inserted, updated, deleted int64
			write                      func() (any, error)
		}{
			{"insert", 1, 0, 0, func() (any, error) { e, err := ds.Insert(ctx, siftdb.M{"a": 1}); id = e.ID; return nil, err }},
			{"update", 0, 1, 0, func() (any, error) { return ds.UpdateEntry(ctx, id, siftdb.M{"b": 1}) }},
			{"import", 3, 0, 0, func() (any, error) { return ds.Append(ctx, raws(`{"c":1}`, `{"c":2}`, `{"c":3}`)) }},
			{"commit", 1, 1, 1, func() (any, error) {
				return ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: []int64{id + 1}, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"d": 1}}, {ID: id, Data: siftdb.M{"d": 2}}}})
			}},
			{"update", 0, 4, 0, func() (any, error) { return ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"e": 1}}) }},
			{"query", 0, 0, 2, func() (any, error) { return ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"c":{"$gt":1}}`}) }},
			{"delete", 0, 0, 1, func() (any, error) { return nil, ds.Remove(ctx, id) }},
			{"pre-restore", 4, 0, 1, func() (any, error) { return ds.Restore(ctx, versionsOf(t, ds)[3].ID) }},
			{"import", 0, 0, 4, func() (any, error) { return ds.ReplaceWith(ctx, nil) }},
			{"insert", 1, 0, 0, func() (any, error) { return ds.Insert(ctx, siftdb.M{}) }},
		}
		var states [][]string
		var columns [][]string
		for i, w := range writes {
			states, columns = append(states, describeEntries(all(t, ds))), append(columns, infoOf(t, ds).Columns)
			if _, err := w.write(); err != nil {
				t.Fatal(i, err)
			}
			list := versionsOf(t, ds)
			v := list[0]
			if len(list) != i+1 || v.Action != w.action || v.Count != int64(len(states[i])) || v.Inserted != w.inserted || v.Updated != w.updated || v.Deleted != w.deleted ||
				!cmp.Equal(v.Columns, columns[i]) || v.DataSourceID != ds.ID() || v.User != nil || v.Source != "" {
				t.Errorf("write %d left %+v", i, v)
			}
		}
		list := versionsOf(t, ds)
		slices.Reverse(list)
		keys := map[string]bool{}
		for i, v := range list {
			old := ds.At(v.ID)
			if diff := cmp.Diff(states[i], describeEntries(must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, v.ID, siftdb.VersionQuery{})))); diff != "" {
				t.Errorf("version %d: %s", i, diff)
			}
			if info := infoOf(t, old); info.EntriesCount != v.Count || !cmp.Equal(info.Columns, v.Columns) || info.Name != "t" {
				t.Errorf("at version %d: %+v", i, info)
			}
			if n := must[int64](t)(old.Count(ctx, siftdb.Query{})); n != v.Count {
				t.Errorf("at version %d: %d entries", i, n)
			}
			if n := len(versionsOf(t, old)); n != i {
				t.Errorf("version %d knows %d older ones", i, n)
			}
			if i > 0 && v.ID <= list[i-1].ID || keys[v.Key] || !strings.HasPrefix(v.Key, fmt.Sprintf("data-sources/%d/versions/%s/", ds.ID(), v.CreatedAt.Format("2006-01"))) {
				t.Errorf("version %d has key %s", v.ID, v.Key)
			}
			keys[v.Key] = true
		}
		// Restoring any of them, in any order, is exact, and each restore can be undone.
		for _, i := range []int{3, 0, 6, 4, 9, 1} {
			before := describeEntries(all(t, ds))
			count := len(versionsOf(t, ds))
			left := must[int64](t)(ds.Restore(ctx, list[i].ID))
			if diff := cmp.Diff(states[i], describeEntries(all(t, ds))); diff != "" {
				t.Errorf("restore %d: %s", i, diff)
			}
			if got := infoOf(t, ds).Columns; !cmp.Equal(got, columns[i]) {
				t.Errorf("restore %d: columns %v, want %v", i, got, columns[i])
			}
			if again := must[int64](t)(ds.Restore(ctx, list[i].ID)); again != 0 || left != 0 && len(versionsOf(t, ds)) != count+1 {
				t.Errorf("restore %d again left %d", i, again)
			}
			if v := versionsOf(t, ds)[0]; left != 0 && (v.ID != left || v.Action != "pre-restore") {
				t.Errorf("restore %d left %+v", i, v)
			}
			if left == 0 {
				continue
			}
			must[int64](t)(ds.Restore(ctx, left))
			if diff := cmp.Diff(before, describeEntries(all(t, ds))); diff != "" {
				t.Errorf("restore %d undone: %s", i, diff)
			}
			must[int64](t)(ds.Restore(ctx, list[i].ID))
		}
	})
}

// TestVersionBody is spec 9.2 and 9.3(1).
func TestVersionBody(t *testing.T) {
	clock, options := stopped()
	ds := table(t, memoryDB(t, options), "t")
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Column 1": 1}, siftdb.ByUser(siftdb.User{ID: 1, FirstName: "Nicholas", LastName: "Valbusa", FullName: "other"})))
	clock.move(time.Hour)
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Column 2": 1}, siftdb.ByUser(siftdb.User{FirstName: "Nobody"})))
	key := `"key":"data-sources/1/versions/2026-02/HEX.json"`
	body := regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllString(asJSON(t, versionsOf(t, ds)), "HEX")
	want := `[{"id":2,"dataSourceId":1,"pageId":null,"userId":null,"user":null,"data":{"action":"insert","columns":["Column 1"],"entries":{"count":1,` + key + `}},"createdAt":"2026-02-03T05:05:06.007Z","updatedAt":"2026-02-03T05:05:06.007Z"},` +
		`{"id":1,"dataSourceId":1,"pageId":null,"userId":1,"user":{"id":1,"firstName":"Nicholas","lastName":"Valbusa","fullName":"Nicholas Valbusa"},"data":{"action":"insert","columns":null,"entries":{"count":0,` + key + `}},"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z"}]`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	for range 1100 {
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
	}
	ids := func(page siftdb.Page) (out []int64) {
		for _, v := range must[[]siftdb.Version](t)(ds.Versions(ctx, page)) {
			out = append(out, v.ID)
		}
		return out
	}
	if got := ids(siftdb.Page{}); len(got) != 1000 || got[0] != 1102 || got[999] != 103 {
		t.Errorf("%d versions without a limit", len(got))
	}
	if got := ids(siftdb.Page{Limit: new(2000)}); len(got) != 1102 || got[1101] != 1 {
		t.Errorf("%d versions with a limit of 2000", len(got))
	}
	for _, test := range []struct {
		page siftdb.Page
		want []int64
	}{{siftdb.Page{Limit: new(2)}, []int64{1102, 1101}}, {siftdb.Page{Limit: new(2), Offset: 1}, []int64{1101, 1100}}, {siftdb.Page{Limit: new(0)}, nil},
		{siftdb.Page{Offset: 1100}, []int64{2, 1}}, {siftdb.Page{Offset: 1102}, nil}, {siftdb.Page{Offset: math.MaxInt, Limit: new(math.MaxInt)}, nil}} {
		if got := ids(test.page); !slices.Equal(got, test.want) {
			t.Errorf("%+v lists %v, want %v", test.page, got, test.want)
		}
	}
	for _, page := range []siftdb.Page{{Limit: new(-1)}, {Offset: -1}} {
		_, err := ds.Versions(ctx, page)
		fails(t, "a negative page", err, siftdb.ErrInvalidQuery)
	}
	// Times never go back, whatever the clock does.
	clock.move(-48 * time.Hour)
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
	if list := versionsOf(t, ds); list[0].CreatedAt.Before(list[1].CreatedAt) {
		t.Errorf("a version of %v follows one of %v", list[0].CreatedAt, list[1].CreatedAt)
	}
}

// TestVersionEntries is spec 9.3(2) and (4): where with entry fields, limit,
// default order.
func TestVersionEntries(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`)
		id := entryIDs(t, ds)
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: id[2], Data: siftdb.M{}, Order: json.Number("-1.50")}}}))
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"m":1}`)))
		v := versionsOf(t, ds)[0].ID
		for _, test := range []struct {
			q    siftdb.VersionQuery
			want string
		}{
			{siftdb.VersionQuery{}, `{"n":3} {"n":1} {"n":2}`}, {siftdb.VersionQuery{Limit: new(2)}, `{"n":3} {"n":1}`}, {siftdb.VersionQuery{Limit: new(0)}, ``},
			{siftdb.VersionQuery{Where: `{"n":{"$gte":2}}`}, `{"n":3} {"n":2}`}, {siftdb.VersionQuery{Where: siftdb.M{"id": id[1]}}, `{"n":2}`},
			{siftdb.VersionQuery{Where: siftdb.M{"order": -1.5}, Limit: new(4)}, `{"n":3}`}, {siftdb.VersionQuery{Where: `{"m":1}`}, ``},
		} {
			if got := strings.Join(texts(must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, v, test.q))), " "); got != test.want {
				t.Errorf("%+v gives %s, want %s", test.q, got, test.want)
			}
		}
		if e := must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, v, siftdb.VersionQuery{Limit: new(1)})); !strings.Contains(asJSON(t, e), `"order":-1.50,`) {
			t.Errorf("the order lost its digits: %s", asJSON(t, e))
		}
		_, err := ds.VersionEntries(ctx, v, siftdb.VersionQuery{Limit: new(-1)})
		fails(t, "a negative limit", err, siftdb.ErrInvalidQuery)
		other := table(t, db, "other", `{}`)
		foreign := versionsOf(t, other)[0].ID
		before := portrait(t, db)
		for _, version := range []int64{foreign, 0, -1, 12345, 1 << 62} {
			for what, err := range map[string]error{
				"VersionEntries": func() error { _, err := ds.VersionEntries(ctx, version, siftdb.VersionQuery{}); return err }(),
				"Restore":        func() error { _, err := ds.Restore(ctx, version); return err }(),
				"At.FindByID":    func() error { _, err := ds.At(version).FindByID(ctx, id[0]); return err }(),
				"At.Count":       func() error { _, err := ds.At(version).Count(ctx, siftdb.Query{}); return err }(),
				"At.Each":        eachError(ds.At(version).Each(ctx, siftdb.Query{})),
				"At.Info":        func() error { _, err := ds.At(version).Info(ctx); return err }(),
				"At.Index":       func() error { _, err := ds.At(version).Index(ctx, "n"); return err }(),
				"At.Versions":    func() error { _, err := ds.At(version).Versions(ctx, siftdb.Page{}); return err }(),
				"Create": func() error {
					_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: version}})
					return err
				}(),
			} {
				if e := fails(t, fmt.Sprintf("%s %d", what, version), err, siftdb.ErrNotFound); e.DataSourceID != ds.ID() {
					t.Errorf("%s: the error names data source %d", what, e.DataSourceID)
				}
			}
			if version != 0 { // which is Now
				_, err := collectDiff(ds, version, siftdb.Now)
				fails(t, fmt.Sprintf("Diff %d", version), err, siftdb.ErrNotFound)
			}
		}
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("unknown versions changed something: %s", diff)
		}
	})
}

// collectDiff describes a diff.
func collectDiff(ds *siftdb.DataSource, from, to int64) (out []string, err error) {
	for c, err := range ds.Diff(ctx, from, to) {
		if err != nil {
			return out, err
		}
		text := ""
		if c.Before != nil {
			text = string(c.Before.JSON())
		}
		text += ">"
		if c.After != nil {
			text += string(c.After.JSON())
		}
		out = append(out, text)
		if c.Created() != (c.Before == nil) || c.Deleted() != (c.After == nil) || c.Updated() != (c.Before != nil && c.After != nil) || c.ID() == 0 {
			return out, fmt.Errorf("change %+v describes itself wrongly", c)
		}
	}
	return out, nil
}

// TestDiff compares every pair of states, in both directions.
func TestDiff(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`)
		id := entryIDs(t, ds)
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id[0], siftdb.M{"n": 10}))
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id[1], siftdb.M{"n": 20}))
		if err := ds.Remove(ctx, id[2]); err != nil {
			t.Fatal(err)
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 5}))
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: id[3], Data: siftdb.M{}, Order: 3}}}))
		v := versionsOf(t, ds) // newest first: commit, insert, remove, update, update, import
		check := func(ds *siftdb.DataSource, from, to int64, want ...string) {
			t.Helper()
			got, err := collectDiff(ds, from, to)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		}
		check(ds, v[5].ID, siftdb.Now, `>{"n":10}`, `>{"n":20}`, `>{"n":4}`, `>{"n":5}`)
		check(ds, siftdb.Now, v[5].ID, `{"n":10}>`, `{"n":20}>`, `{"n":4}>`, `{"n":5}>`)
		check(ds, v[4].ID, siftdb.Now, `{"n":1}>{"n":10}`, `{"n":2}>{"n":20}`, `{"n":3}>`, `{"n":4}>{"n":4}`, `>{"n":5}`)
		check(ds, siftdb.Now, v[4].ID, `{"n":10}>{"n":1}`, `{"n":20}>{"n":2}`, `>{"n":3}`, `{"n":4}>{"n":4}`, `{"n":5}>`)
		check(ds, v[3].ID, v[2].ID, `{"n":2}>{"n":20}`)
		check(ds, v[2].ID, v[3].ID, `{"n":20}>{"n":2}`)
		check(ds.At(v[2].ID), v[4].ID, siftdb.Now, `{"n":1}>{"n":10}`, `{"n":2}>{"n":20}`)
		for _, same := range []int64{siftdb.Now, v[0].ID, v[5].ID} {
			check(ds, same, same)
		}
		must[int64](t)(ds.Restore(ctx, v[4].ID))
		check(ds, v[4].ID, siftdb.Now) // changed, and changed back
		// Every pair, against two full reads.
		list := versionsOf(t, ds)
		for _, a := range list {
			for _, b := range list {
				was := map[int64]string{}
				for _, e := range must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, a.ID, siftdb.VersionQuery{})) {
					was[e.ID] = asJSON(t, e)
				}
				for c, err := range ds.Diff(ctx, a.ID, b.ID) {
					if err != nil {
						t.Fatal(err)
					}
					delete(was, c.ID())
					if c.After != nil {
						was[c.ID()] = asJSON(t, c.After)
					}
				}
				is := map[int64]string{}
				for _, e := range must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, b.ID, siftdb.VersionQuery{})) {
					is[e.ID] = asJSON(t, e)
				}
				if diff := cmp.Diff(is, was); diff != "" {
					t.Errorf("%d to %d: %s", a.ID, b.ID, diff)
				}
			}
		}
		for range ds.Diff(ctx, v[5].ID, siftdb.Now) {
			break // may be left early
		}
	})
}

// TestAtTime reads the state after every write up to and including a millisecond.
func TestAtTime(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	ds := table(t, db, "t")
	begin := clock.read()
	clock.move(time.Second)
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 0}))
	for i := range 40 {
		if i%2 == 0 {
			clock.move(10 * time.Millisecond)
		}
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": i + 1}))
	}
	first := begin.Add(time.Second)
	for ms := -1; ms <= 210; ms++ {
		at := first.Add(time.Duration(ms)*time.Millisecond + 900*time.Microsecond)
		list := must[[]*siftdb.Entry](t)(ds.AtTime(at).Find(ctx, siftdb.Query{}))
		if ms < 0 {
			if len(list) != 0 {
				t.Errorf("before the first write: %s", texts(list))
			}
			continue
		}
		if want := fmt.Sprintf(`{"n":%d}`, min(ms/10*2, 40)); len(list) != 1 || string(list[0].JSON()) != want {
			t.Errorf("after %d ms: %s, want %s", ms, texts(list), want)
		}
	}
	for _, at := range []time.Time{{}, begin.AddDate(-100, 0, 0)} {
		if n := must[int64](t)(ds.AtTime(at).Count(ctx, siftdb.Query{})); n != 0 {
			t.Errorf("at %v: %d entries", at, n)
		}
	}
	if n := must[int64](t)(ds.AtTime(begin.AddDate(100, 0, 0)).Count(ctx, siftdb.Query{Where: `{"n":40}`})); n != 1 {
		t.Error("a time to come does not read what is")
	}
}

// TestUpdatesCostLittle: 200 single updates on 50,000 entries of 250 bytes add less
// than 4 KiB of pages in use each, and the file grows by no more than 2 MiB in all.
func TestUpdatesCostLittle(t *testing.T) {
	db := fileDB(t, filepath.Join(t.TempDir(), "cost.db"), nil)
	ds := table(t, db, "t")
	const n = 50_000
	rows := make([]any, n)
	for i := range rows {
		row := fmt.Sprintf(`{"id":%d,"name":"person %d","email":"person%d@example.org","score":%d,"notes":"`, i, i, i, i*7919%1000)
		rows[i] = json.RawMessage(row + strings.Repeat("x", 250-2-len(row)) + `"}`)
	}
	ids := must[siftdb.BulkResult](t)(ds.Append(ctx, rows)).IDs
	before, err := db.Size()
	if err != nil || before.Total < n*250 || before.Used > before.Total {
		t.Fatalf("size %+v, %v", before, err)
	}
	for i := range 200 {
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[i*7919%n], siftdb.M{"score": 1000 + i}))
	}
	after, err := db.Size()
	if err != nil {
		t.Fatal(err)
	}
	each, grown := (after.Used-before.Used)/200, after.Total-before.Total
	t.Logf("an update adds %d bytes of pages, the file grew by %d", each, grown)
	if each >= 4<<10 || grown > 2<<20 {
		t.Errorf("an update adds %d bytes of pages, the file grew by %d", each, grown)
	}
	first := versionsOf(t, ds)[199]
	if e := must[*siftdb.Entry](t)(ds.At(first.ID).FindByID(ctx, ids[0])); first.Action != "update" || len(e.JSON()) != 250 {
		t.Errorf("the oldest update found %s", e.JSON())
	}
}
