package siftdb_test

import (
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkColumns asks 100,000 entries without an index, from columns that are in memory and,
// under scan, with none.
func BenchmarkColumns(b *testing.B) {
	for _, mode := range []string{"columns", "scan"} {
		_, ds, path := benchDB(b, 100_000)
		if mode == "scan" {
			db := must[*siftdb.DB](b)(siftdb.OpenMemory(&siftdb.Options{ColumnBytes: -1}))
			b.Cleanup(func() { db.Close() })
			ds = must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people"}))
			must[siftdb.BulkResult](b)(ds.Append(ctx, people(100_000)))
		}
		_ = path
		for _, c := range []struct {
			name string
			run  func() error
		}{
			{"count", func() error { _, err := ds.Count(ctx, siftdb.Query{Where: twoFields}); return err }},
			{"find", func() error { _, err := ds.Find(ctx, siftdb.Query{Where: twoFields}); return err }},
			{"contains", func() error {
				_, err := ds.Find(ctx, siftdb.Query{Where: `{"Notes":{"$like":"%row number 77777%"}}`})
				return err
			}},
			{"page", func() error {
				_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Last Name")}, Offset: 50_000, Limit: new(25)})
				return err
			}},
			{"range and order", func() error {
				_, err := ds.Find(ctx, siftdb.Query{Where: `{"Age":{"$gte":30,"$lt":40}}`, Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(25)})
				return err
			}},
		} {
			b.Run(c.name+"/"+mode, func(b *testing.B) {
				for range 3 {
					if err := c.run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := c.run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
