package siftdb

import (
	"context"
	"fmt"
	"testing"
)

// TestColumnCache holds the columns of several data sources in little memory: what was used
// longest ago goes, what is too large for itself is never held, and the sums are right.
func TestColumnCache(t *testing.T) {
	ctx := context.Background()
	limit := 300 << 10
	db, err := OpenMemory(&Options{ColumnBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	make := func(name string, rows int, text string) *DataSource {
		t.Helper()
		ds, err := db.Create(ctx, DataSourceSpec{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		data := []any{}
		for i := range rows {
			data = append(data, M{"n": i % 7, "text": fmt.Sprint(text, i)})
		}
		if _, err := ds.Append(ctx, data); err != nil {
			t.Fatal(err)
		}
		return ds
	}
	ask := func(ds *DataSource, where string) {
		t.Helper()
		for range 3 {
			if _, err := ds.Count(ctx, Query{Where: where}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sums := func() {
		t.Helper()
		total := 0
		for id, set := range db.columns.sources {
			size := 0
			if table := set.table.Load(); table != nil {
				size = table.Size()
				for _, n := range table.Numbers() {
					size += table.ColumnSize(n)
				}
			}
			if size != set.bytes {
				t.Errorf("data source %d takes %d bytes, noted as %d", id, size, set.bytes)
			}
			total += size
		}
		if total != db.columns.bytes || total > limit {
			t.Errorf("all take %d bytes, noted as %d, the limit is %d", total, db.columns.bytes, limit)
		}
	}
	held := func(ds *DataSource) bool { return db.columns.sources[ds.id].table.Load() != nil }

	var list []*DataSource
	for i := range 8 {
		ds := make(fmt.Sprint("t", i), 4000, "a")
		list = append(list, ds)
		if _, err := ds.Count(ctx, Query{Where: `{"n":3}`}); err != nil {
			t.Fatal(err)
		}
		if held(ds) {
			t.Error("columns are held after one query")
		}
		ask(ds, `{"n":3}`)
		if !held(ds) {
			t.Errorf("columns of data source %d are not held", ds.id)
		}
		sums()
	}
	if held(list[0]) || !held(list[7]) || !held(list[6]) {
		t.Error("what was used longest ago is held, or what was used last is not")
	}
	large := make("large", 30_000, "a text that is a good deal longer than those of the others, number ")
	ask(large, `{"text":"x"}`)
	if held(large) {
		t.Error("columns that are too large are held")
	}
	sums()
	if _, err := list[7].UpdateWhere(ctx, `{"n":{"$lt":3}}`, Patch{Set: M{"n": 9}}); err != nil { // more than is caught up with
		t.Fatal(err)
	}
	n, err := list[7].Count(ctx, Query{Where: `{"n":9}`})
	if err != nil || n < 1500 {
		t.Errorf("%d entries, %v", n, err)
	}
	sums()
	if err := db.Purge(ctx, list[7].id); err != nil {
		t.Fatal(err)
	}
	if db.columns.sources[list[7].id] != nil {
		t.Error("columns of a data source are held that has been purged")
	}
	sums()
}
