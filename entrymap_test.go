package siftdb_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
)

// TestMapOutlivesFile: what Map has made of entries, however these were read, stays when the entries
// are changed, when other maps of them are, and when the file is closed and nothing of it is in memory.
func TestMapOutlivesFile(t *testing.T) {
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, filepath.Join(t.TempDir(), "test.db"), nil))
	ds := table(t, db, "one")
	create(t, ds, uniqueOn("v"))
	rows := make([]any, 20)
	for i := range rows {
		rows[i] = siftdb.M{"v": fmt.Sprint("text ", i), "list": []any{fmt.Sprint("item ", i), 1.5}, "in": siftdb.M{"x": fmt.Sprint("deep ", i)},
			"long": strings.Repeat(fmt.Sprint(i, " "), 1+i*150)} // from some on longer than what is shared
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	must[storage.Size](t)(db.Size()) // which leaves nothing in the log
	ids := entryIDs(t, ds)
	maps := make([][]map[string]any, len(rows))
	list := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{}))
	for i, id := range ids {
		byID := must[*siftdb.Entry](t)(ds.FindByID(ctx, id))
		where := siftdb.Query{Where: siftdb.M{"v": fmt.Sprint("text ", i)}}
		for _, e := range []*siftdb.Entry{byID, list[i], must[*siftdb.Entry](t)(ds.FindOne(ctx, where)), must[*siftdb.Entry](t)(ds.FindOne(ctx, where)), byID} {
			maps[i] = append(maps[i], e.Map())
		}
		other := byID.Map()
		other["v"], other["in"].(map[string]any)["x"], other["list"].([]any)[0] = "changed", "changed", "changed"
		if _, err := ds.UpdateEntry(ctx, id, siftdb.M{"v": fmt.Sprint("after ", i), "long": nil}); err != nil {
			t.Fatal(err)
		}
	}
	if report := must[*siftdb.Report](t)(db.Check(ctx)); report.Err() != nil {
		t.Error(report.Err())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	list = nil
	runtime.GC()
	for i := range rows {
		want := map[string]any{"v": fmt.Sprint("text ", i), "list": []any{fmt.Sprint("item ", i), 1.5}, "in": map[string]any{"x": fmt.Sprint("deep ", i)},
			"long": strings.Repeat(fmt.Sprint(i, " "), 1+i*150)}
		for k, got := range maps[i] {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("map %d of entry %d: %.200v", k, i, got)
			}
		}
	}
}

// TestMapCopiesNothing: the texts of an entry that was read alone are those in its data.
func TestMapCopiesNothing(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "one", `{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8"}`)
	e := must[*siftdb.Entry](t)(ds.FindByID(ctx, entryIDs(t, ds)[0]))
	if n := testing.AllocsPerRun(100, func() { _ = e.Map() }); n > 4 { // one less than with a copy
		t.Errorf("a map of eight texts takes %v allocations", n)
	}
}
