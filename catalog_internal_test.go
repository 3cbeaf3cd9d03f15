package siftdb

import (
	"context"
	"testing"
)

// TestCatalogKeepsWhatItHas: a write that changes nothing that is cached of a data source leaves that
// where it is, with what is remembered for it; one that does replaces it.
func TestCatalogKeepsWhatItHas(t *testing.T) {
	ctx := context.Background()
	db, err := OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := db.Check(ctx)
		if err == nil {
			err = report.Err()
		}
		if err != nil {
			t.Error(err)
		}
		db.Close()
	})
	ds, err := db.Create(ctx, DataSourceSpec{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := ds.Insert(ctx, M{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []struct {
		name    string
		do      func() error
		replace bool
	}{
		{"update", func() error { _, err := ds.UpdateEntry(ctx, e.ID, M{"a": 2}); return err }, false},
		{"insert", func() error { _, err := ds.Insert(ctx, M{"a": 3}); return err }, false},
		{"column", func() error { _, err := ds.Insert(ctx, M{"b": 3}); return err }, true},
		{"index", func() error { return ds.CreateIndex(ctx, IndexSpec{Name: "a", Fields: []IndexField{{Name: "a"}}}) }, true},
		{"indexed", func() error { _, err := ds.UpdateEntry(ctx, e.ID, M{"a": 4}); return err }, false},
		{"name", func() error { _, err := ds.Update(ctx, DataSourceUpdate{Name: new("two")}); return err }, true},
		{"remove", func() error { return ds.Remove(ctx, e.ID) }, false},
	} {
		before := db.catalog.cached(ds.id)
		if err := write.do(); err != nil {
			t.Fatal(write.name, err)
		}
		if replaced := db.catalog.cached(ds.id) != before; replaced != write.replace {
			t.Errorf("%s: replaced is %v", write.name, replaced)
		}
	}
}
