package siftdb_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestIndexesDigits: numbers that are equal are one value, whatever their digits, and are
// shown with the digits of the first, which JSON keeps (spec 1.2, 2.4).
func TestIndexesDigits(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1.10}`, `{"n":1.1}`, `{"n":[100, 1e2, "1e2"]}`, `{"n":1E+2}`, `{"n":-0}`, `{"n":0.0}`, `{"n":1e400}`, `{"n":2e400}`,
			`{"n":12345678901234567890}`, `{"n":12345678901234567891}`, `{"n":0.1e1}`, `{"n":1}`,
			`{"n":{"b":1.0,"a":2.50}}`, `{"n":{"a":2.5,"b":1}}`, `{"n":"1.10"}`)
		got := must[map[string][]json.RawMessage](t)(ds.IndexesJSON(ctx, "n", "nobody"))
		want := `{"n":[1.10,100,"1e2",-0,1e400,12345678901234567890,0.1e1,{"b":1.0,"a":2.50},"1.10"],"nobody":[]}`
		if diff := cmp.Diff(want, asJSON(t, got)); diff != "" {
			t.Error(diff)
		}
		values := must[[]any](t)(ds.Index(ctx, "n"))
		if len(values) != len(got["n"]) || values[0] != 1.1 || values[1] != 100.0 || values[3] != 0.0 {
			t.Errorf("as Go values: %v", values)
		}
		// The first in default order decides, which an order changes.
		ids := entryIDs(t, ds)
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: ids[1], Data: siftdb.M{}, Order: -1}}}))
		if got := must[map[string][]json.RawMessage](t)(ds.IndexesJSON(ctx, "n"))["n"]; string(got[0]) != "1.1" {
			t.Errorf("the first value is %s", got[0])
		}
	})
}

// TestPublicNull: public can be null, which is kept, shown, and means false (spec 1.3).
func TestPublicNull(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", PublicNull: true}))
		if info := infoOf(t, ds); info.Public != nil {
			t.Errorf("it is %v", *info.Public)
		}
		if info := must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("u")})); info.Public != nil {
			t.Errorf("another change makes it %v", *info.Public)
		}
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Public: new(true)}))
		if info := must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{PublicNull: true})); info.Public != nil {
			t.Errorf("it is %v again", *info.Public)
		}
		if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{PublicNull: true, Public: new(true)}); !isInvalid(err) {
			t.Errorf("null and true: %v", err)
		}
		if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "w", PublicNull: true, Public: new(false)}); !isInvalid(err) {
			t.Errorf("created with null and false: %v", err)
		}
		if info := infoOf(t, must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "v"}))); info.Public == nil || *info.Public {
			t.Errorf("not given, it is %v", info.Public)
		}
	})
}
