package siftdb_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkJoinColumns joins 100,000 users with 100,000 orders by a column without an index: by
// reading the entries, and by columns that are in memory.
func BenchmarkJoinColumns(b *testing.B) {
	for _, mode := range []string{"scan", "columns"} {
		limit := 0
		if mode == "scan" {
			limit = -1
		}
		db := must[*siftdb.DB](b)(siftdb.Open(ctx, b.TempDir()+"/bench.db", &siftdb.Options{ColumnBytes: limit}))
		b.Cleanup(func() { db.Close() })
		ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "users"}))
		must[siftdb.BulkResult](b)(ds.Append(ctx, users(100_000)))
		orders := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "orders"}))
		rows := make([]any, 100_000)
		for i := range rows {
			rows[i] = json.RawMessage(fmt.Sprintf(`{"User":"user%d@example.org","Total":%d.5,"State":"state %d","Note":"order number %d of somebody"}`, i*7919%60_000, i%1000, i%5, i))
		}
		must[siftdb.BulkResult](b)(orders.Append(ctx, rows))
		for _, c := range []struct{ name, body string }{
			{"entries", `{"order":["Salary","DESC"],"limit":25,"join":{"o":{"dataSourceName":"orders","on":{"Email":"User"}}}}`},
			{"sum", `{"order":["Salary","DESC"],"limit":25,"join":{"o":{"dataSourceName":"orders","on":{"Email":"User"},"sum":"Total"}}}`},
			{"required", `{"order":["Salary","DESC"],"limit":25,"pagination":true,"join":{"o":{"dataSourceName":"orders","on":{"Email":"User"},"required":true,"has":true,"where":{"State":"state 3","Total":{"$gte":900}}}}}`},
		} {
			b.Run(c.name+"/"+mode, func(b *testing.B) {
				q := must[siftdb.Query](b)(siftdb.ParseQuery([]byte(c.body)))
				for range 4 {
					must[*siftdb.Result](b)(ds.Query(ctx, q))
				}
				b.ReportAllocs()
				for b.Loop() {
					must[*siftdb.Result](b)(ds.Query(ctx, q))
				}
			})
		}
	}
}
