package siftdb_test

import (
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkEncryption does the same to a data source that is encrypted and to one that is
// not; "flag" encrypts 10,000 entries and decrypts them again.
func BenchmarkEncryption(b *testing.B) {
	const n = 10_000
	open := func(b *testing.B, encrypted bool) *siftdb.DataSource {
		db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), &siftdb.Options{Keys: oneKey}))
		b.Cleanup(func() { db.Close() })
		ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people", Encrypted: encrypted}))
		must[siftdb.BulkResult](b)(ds.Append(ctx, people(n)))
		return ds
	}
	for _, encrypted := range []bool{false, true} {
		name := "/plain"
		if encrypted {
			name = "/encrypted"
		}
		b.Run("get"+name, func(b *testing.B) {
			ds := open(b, encrypted)
			ids := entryIDs(b, ds)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := ds.FindByID(ctx, ids[i*7919%n]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("scan"+name, func(b *testing.B) {
			ds := open(b, encrypted)
			b.ReportAllocs()
			for b.Loop() {
				if list, err := ds.Find(ctx, siftdb.Query{Where: twoFields}); err != nil || len(list) == 0 {
					b.Fatal(err)
				}
			}
		})
		b.Run("insert"+name, func(b *testing.B) {
			ds := open(b, encrypted)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := ds.Insert(ctx, person(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("flag", func(b *testing.B) {
		ds := open(b, false)
		b.ReportAllocs()
		for b.Loop() {
			for _, encrypted := range []bool{true, false} {
				if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: &encrypted}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
