package siftdb_test

import (
	"fmt"
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkFindProposed finds a 25th of 100,000 people in a file by an index, all of them and
// those of a half that a second condition leaves. Columns would answer it otherwise; there are none.
// With -cpu 1,2 it shows what the cores give.
func BenchmarkFindProposed(b *testing.B) {
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, b.TempDir()+"/bench.db", &siftdb.Options{ColumnBytes: -1}))
	defer db.Close()
	ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people"}))
	must[siftdb.BulkResult](b)(ds.Append(ctx, people(100_000)))
	if err := ds.CreateIndex(ctx, siftdb.IndexSpec{Name: "team", Fields: []siftdb.IndexField{{Name: "Team"}}}); err != nil {
		b.Fatal(err)
	}
	for name, where := range map[string]siftdb.M{"exact": {"Team": "team 7"}, "tested": {"Team": "team 7", "Score": siftdb.M{"$lt": 500}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(must[[]*siftdb.Entry](b)(ds.Find(ctx, siftdb.Query{Where: where})))
			}
			if n < 1000 {
				b.Fatal(fmt.Sprint(n, " entries"))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
}
