package siftdb_test

import (
	"fmt"
	"testing"

	"github.com/siftdb/siftdb"
)

// indexOn declares an index called after its fields.
func indexOn(fields ...string) siftdb.IndexSpec {
	spec := siftdb.IndexSpec{}
	for _, f := range fields {
		spec.Fields = append(spec.Fields, siftdb.IndexField{Name: f})
		spec.Name += f + "."
	}
	return spec
}

func uniqueOn(fields ...string) siftdb.IndexSpec {
	spec := indexOn(fields...)
	spec.Unique = true
	return spec
}

func create(t testing.TB, ds *siftdb.DataSource, specs ...siftdb.IndexSpec) {
	t.Helper()
	for _, spec := range specs {
		if err := ds.CreateIndex(ctx, spec); err != nil {
			t.Fatal(err)
		}
	}
}

func describeIndexes(t testing.TB, ds *siftdb.DataSource) []string {
	t.Helper()
	out := []string{}
	for _, x := range must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)) {
		out = append(out, fmt.Sprintf("%s %v unique %v ready %v, %d entries, %d keys", x.Name, x.Fields, x.Unique, x.Ready, x.Entries, x.Keys))
	}
	return out
}

func TestIndexFollowsWrites(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "people", `{"Name":"Bob","Age":30}`, `{"Name":"Ann","Age":"41"}`, `{"Name":null}`)
		create(t, ds, indexOn("Name"), indexOn("Age", "Name"), indexOn("data.nowhere"))
		t.Log(describeIndexes(t, ds))
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Name": "Cid", "Tags": []string{"a", "b"}}))
		create(t, ds, indexOn("Tags"))
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"Tags": []string{"b", "c", "d"}}))
		if err := ds.Remove(ctx, entryIDs(t, ds)[0]); err != nil {
			t.Fatal(err)
		}
		t.Log(describeIndexes(t, ds))
	})
}
