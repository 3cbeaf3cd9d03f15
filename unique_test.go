package siftdb_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestIndexes is spec 2.4.
func TestIndexes(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t",
			`{"v":"b","n":5,"Role":{"Name":"admin"},"mixed":[1,"1",[2],{"a":1}],"id":"x","a.b":1}`,
			`{"v":"a","n":"5","Role":{"Name":"user"},"mixed":1.0,"a":{"b":2}}`,
			`{"v":"b","n":5.0,"Role":null,"mixed":{"a":1.0}}`,
			`{"v":"","n":null,"Role":{"Name":["guest","admin"]},"mixed":[[2.0],null]}`,
			`{"v":"B","n":5.5,"mixed":[]}`,
			`{"v":"first","n":true,"mixed":{"b":1,"a":2}}`,
			`{"v":"b","n":"true","mixed":{"a":2,"b":1}}`,
			`{"n":12345678901234567890}`)
		ids := entryIDs(t, ds)
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: ids[5], Data: siftdb.M{}, Order: -1}}}))
		want := map[string][]any{
			"v":         {"first", "b", "a", "", "B"}, // in default entry order
			"n":         {true, 5.0, "5", 5.5, "true", json.Number("12345678901234567890")},
			"Role.Name": {"admin", "user", "guest"},
			"Role":      {map[string]any{"Name": "admin"}, map[string]any{"Name": "user"}, map[string]any{"Name": []any{"guest", "admin"}}},
			"mixed":     {map[string]any{"b": 1.0, "a": 2.0}, 1.0, "1", []any{2.0}, map[string]any{"a": 1.0}},
			"unknown":   {},
			"Role.x":    {},
			"id":        {"x"}, // a column, never the entry field
			"createdAt": {},
			"a.b":       {1.0}, // a whole column name wins
			"":          {},
		}
		names := []string{"v", "v"}
		for name := range want {
			names = append(names, name)
		}
		got := must[map[string][]any](t)(ds.Indexes(ctx, names...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got) %s", diff)
		}
		for name, values := range want {
			if diff := cmp.Diff(values, must[[]any](t)(ds.Index(ctx, name))); diff != "" {
				t.Errorf("Index %q: %s", name, diff)
			}
			if asJSON(t, got[name]) == "null" {
				t.Errorf("%q is null, not an empty list", name)
			}
		}
		if got := must[map[string][]any](t)(ds.Indexes(ctx)); got == nil || len(got) != 0 {
			t.Errorf("no columns give %v", got)
		}
		// Values are the caller's to keep and to change.
		got["mixed"][0].(map[string]any)["b"] = "changed"
		if diff := cmp.Diff(want["mixed"], must[[]any](t)(ds.Index(ctx, "mixed"))); diff != "" {
			t.Errorf("a change reached the database: %s", diff)
		}
		// And those of an old state.
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"v":"new"}`)))
		if diff := cmp.Diff(want["v"], must[[]any](t)(ds.At(versionsOf(t, ds)[0].ID).Index(ctx, "v"))); diff != "" {
			t.Errorf("at a version: %s", diff)
		}
		if diff := cmp.Diff([]any{"new"}, must[[]any](t)(ds.Index(ctx, "v"))); diff != "" {
			t.Error(diff)
		}
	})
}
