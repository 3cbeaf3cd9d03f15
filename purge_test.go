package siftdb_test

import (
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestPurgeTrashed removes what is in the trash, and nothing else.
func TestPurgeTrashed(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`)
		fails(t, "a purge of what is not in the trash", db.PurgeTrashed(ctx, ds.ID()), siftdb.ErrNotFound)
		if err := ds.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		again := must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
		fails(t, "a purge of what was taken out of the trash", db.PurgeTrashed(ctx, ds.ID()), siftdb.ErrNotFound)
		if n := must[int64](t)(again.Count(ctx, siftdb.Query{})); n != 1 {
			t.Errorf("%d entries are left", n)
		}
		if err := again.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		if err := db.PurgeTrashed(ctx, ds.ID()); err != nil {
			t.Error(err)
		}
		fails(t, "a second purge", db.PurgeTrashed(ctx, ds.ID()), siftdb.ErrNotFound)
	})
}

// TestPurgeAgainstWrites purges a data source while it is restored to a version, imported to
// and written: each of them happens before, or finds nothing.
func TestPurgeAgainstWrites(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		siftdb.StageAt(db, 1, 50, 1)
		for range 40 {
			ds := table(t, db, "t", `{"a":1}`, `{"a":2}`)
			must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"a":3}`)))
			version := versionsOf(t, ds)[0].ID
			var wg sync.WaitGroup
			for what, write := range map[string]func() error{
				"a restore":   func() error { _, err := ds.Restore(ctx, version); return err },
				"an import":   func() error { _, err := ds.AppendSeq(ctx, sequence([]string{`{"b":1}`, `{"b":2}`})); return err },
				"an insert":   func() error { _, err := ds.Insert(ctx, siftdb.M{"c": 1}); return err },
				"a deletion":  func() error { return ds.Delete(ctx) },
				"a look back": func() error { _, err := ds.At(version).Find(ctx, siftdb.Query{}); return err },
			} {
				wg.Go(func() {
					if err := write(); err != nil && !isNotFound(err) {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			wg.Go(func() {
				if err := db.Purge(ctx, ds.ID()); err != nil {
					t.Errorf("the purge: %v", err)
				}
			})
			wg.Wait()
			fails(t, "what was purged", func() error { _, err := db.DataSource(ctx, ds.ID()); return err }(), siftdb.ErrNotFound)
		}
	})
}
