package siftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/query"
)

// user is a row with 20 departments, a salary of its own for most, and a text that is one's own.
func user(i int) json.RawMessage {
	bio := "likes long walks and short meetings"
	if i%5000 == 77 {
		bio = "keeps Bees in the garden"
	}
	return json.RawMessage(fmt.Sprintf(`{"First Name":"First%d","Last Name":"Last%d","Email":"user%d@example.org","Age":%d,"Department":"Department %d",`+
		`"Salary":%d.%02d,"Active":%v,"Score":%d,"Team":"team %d","Bio":"number %d %s"}`,
		i, i*7%9973, i, 18+i*31%60, i*7919%20, 25000+i*37%175000, i%100, i%3 == 0, i*13%1000, i%25, i, bio))
}

func users(n int) []any {
	rows := make([]any, n)
	for i := range rows {
		rows[i] = user(i)
	}
	return rows
}

// columnBenches are the queries of BenchmarkColumns.
var columnBenches = []struct {
	name string
	run  func(context.Context, *siftdb.DataSource) error
}{
	{"count", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Count(ctx, siftdb.Query{Where: `{"Department":"Department 7","Age":{"$gte":40}}`})
		return err
	}},
	{"range", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Count(ctx, siftdb.Query{Where: `{"Salary":{"$gte":90000,"$lt":100000}}`})
		return err
	}},
	{"unique", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Index(ctx, "Department")
		return err
	}},
	{"contains", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Where: `{"Bio":{"$iLike":"%bees%"}}`})
		return err
	}},
	{"find", func(ctx context.Context, ds *siftdb.DataSource) error {
		list, err := ds.Find(ctx, siftdb.Query{Where: `{"Department":{"$in":["Department 3","Department 8"]},"Age":{"$gte":39}}`})
		for _, e := range list {
			e.Map()
		}
		return err
	}},
	{"page", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Last Name")}, Offset: 50_000, Limit: new(25)})
		return err
	}},
	{"pages", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Department"), siftdb.Desc("Last Name")}, Offset: 50_000, Limit: new(25)})
		return err
	}},
	{"best", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Find(ctx, siftdb.Query{Where: `{"Age":{"$gte":30,"$lt":36}}`, Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(25)})
		return err
	}},
	{"group", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Aggregate(ctx, `[{"$group":{"_id":"$data.Department","count":{"$sum":1},"avg":{"$avg":"$data.Salary"},"oldest":{"$max":"$data.Age"}}},{"$sort":{"count":-1,"_id":1}}]`, siftdb.Query{})
		return err
	}},
	{"strict", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Count(ctx, siftdb.Query{Where: `{"Department":{"$in":["Department 7","Department 8"]},"Age":{"$gte":40}}`, Dialect: query.Strict})
		return err
	}},
	{"bare", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Aggregate(ctx, `[{"$count":"n"}]`, siftdb.Query{})
		return err
	}},
	{"sort", func(ctx context.Context, ds *siftdb.DataSource) error {
		_, err := ds.Aggregate(ctx, `[{"$match":{"data.Age":{"$gte":30}}},{"$sort":{"data.Salary":-1,"data.Email":1}},{"$limit":25}]`, siftdb.Query{})
		return err
	}},
}

// BenchmarkColumns asks 100,000 users without an index: with no columns at all, and from columns
// that are in memory. It reports what the first query and the second took, which begins to
// read the columns.
func BenchmarkColumns(b *testing.B) {
	for _, mode := range []string{"scan", "columns"} {
		limit := 0
		if mode == "scan" {
			limit = -1
		}
		db := must[*siftdb.DB](b)(siftdb.Open(ctx, b.TempDir()+"/bench.db", &siftdb.Options{ColumnBytes: limit}))
		b.Cleanup(func() { db.Close() })
		ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "users"}))
		must[siftdb.BulkResult](b)(ds.Append(ctx, users(100_000)))
		for _, c := range columnBenches {
			b.Run(c.name+"/"+mode, func(b *testing.B) {
				if siftdb.ForgetColumns(ds); mode == "columns" {
					for i := range 3 {
						began := time.Now()
						if err := c.run(ctx, ds); err != nil {
							b.Fatal(err)
						}
						if i < 2 {
							took := time.Since(began).Seconds() * 1e3
							defer func() { b.ReportMetric(took, []string{"first-ms", "second-ms"}[i]) }()
						}
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := c.run(ctx, ds); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
