package siftdb_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// benchJoin is a file with people and n orders of theirs.
func benchJoin(b *testing.B, people, n int) (orders, customers *siftdb.DataSource) {
	b.Helper()
	db, customers, _ := benchDB(b, people)
	orders = must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "orders"}))
	rows := make([]any, n)
	for i := range rows {
		rows[i] = json.RawMessage(fmt.Sprintf(`{"Customer":"user%d@example.org","Product":"product %d","Quantity":%d,"Price":%d.5,"Paid":%v,"Comment":"order number %d"}`,
			i*7919%people, i%300, 1+i%9, i%500, i%4 > 0, i))
	}
	must[siftdb.BulkResult](b)(orders.Append(ctx, rows))
	return orders, customers
}

// scanAll reads every entry of a data source.
func scanAll(b *testing.B, ds *siftdb.DataSource) (n int) {
	for _, err := range ds.Each(ctx, siftdb.Query{}) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}

// BenchmarkJoin joins 100,000 orders to 100,000 customers, gathered and streamed, and
// reads both data sources from end to end without a join. They take turns, and the
// ratios to the two plain scans are reported.
func BenchmarkJoin(b *testing.B) {
	orders, customers := benchJoin(b, 100_000, 100_000)
	q := siftdb.Query{Joins: []siftdb.Join{{Name: "customer", DataSourceID: customers.ID(), On: siftdb.On{"data.Customer": "data.Email"}}}}
	var scans, find, each time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if n := scanAll(b, orders) + scanAll(b, customers); n != 200_000 {
			b.Fatal(n)
		}
		scans += time.Since(began)
		began = time.Now()
		list := must[[]*siftdb.Entry](b)(orders.Find(ctx, q))
		find += time.Since(began)
		if len(list) != 100_000 || len(list[500].Joined("customer")) != 1 {
			b.Fatal(len(list))
		}
		began = time.Now()
		for e, err := range orders.Each(ctx, q) {
			if err != nil || len(e.Joined("customer")) != 1 {
				b.Fatal(err)
			}
		}
		each += time.Since(began)
	}
	b.ReportMetric(scans.Seconds()*1e3/float64(b.N), "scans-ms")
	b.ReportMetric(float64(find)/float64(scans), "find-ratio")
	b.ReportMetric(float64(each)/float64(scans), "each-ratio")
}

// BenchmarkJoinCounts counts the orders of 100,000 customers.
func BenchmarkJoinCounts(b *testing.B) {
	orders, customers := benchJoin(b, 100_000, 100_000)
	q := siftdb.Query{Joins: []siftdb.Join{{Name: "orders", DataSourceID: orders.ID(), On: siftdb.On{"Email": "Customer"}, Count: true}}}
	b.ReportAllocs()
	for b.Loop() {
		must[[]*siftdb.Entry](b)(customers.Find(ctx, q))
	}
}

// BenchmarkJoinPage joins a page of 25 orders to their customers, by a column and by
// the entry field id.
func BenchmarkJoinPage(b *testing.B) {
	orders, customers := benchJoin(b, 100_000, 1000)
	first := entryIDs(b, customers)[0]
	for i, e := range entryIDs(b, orders) {
		must[*siftdb.Entry](b)(orders.UpdateEntry(ctx, e, siftdb.M{"ref": first + int64(i*97)}))
	}
	for name, on := range map[string]siftdb.On{"column": {"Customer": "Email"}, "id": {"ref": "id"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				list := must[[]*siftdb.Entry](b)(orders.Find(ctx, siftdb.Query{Limit: new(25), Joins: []siftdb.Join{{Name: "c", DataSourceID: customers.ID(), On: on}}}))
				if len(list) != 25 || len(list[24].Joined("c")) != 1 {
					b.Fatal(len(list))
				}
			}
		})
	}
}

// BenchmarkAggregate groups 100,000 entries by one column, and by one of a few that a
// $match lets through.
func BenchmarkAggregate(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	group := `{"$group":{"_id":"$data.City","n":{"$sum":1},"avg":{"$avg":"$data.Age"},"max":{"$max":"$data.Salary"}}},{"$sort":{"_id":1}}`
	for name, pipeline := range map[string]string{
		"group": `[` + group + `]`,
		"match": `[{"$match":{"data.Team":"team 7"}},` + group + `]`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list := must[[]siftdb.Document](b)(ds.Aggregate(ctx, pipeline, siftdb.Query{})); len(list) == 0 {
					b.Fatal("no groups")
				}
			}
		})
	}
}

// BenchmarkLookupFew finds, for 20 of 100,000 entries, the one with the same e-mail: by what they
// look for, without an index and with one, and by reading the whole data source as a $lookup
// inside of a $facet does.
func BenchmarkLookupFew(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	const lookup = `{"$limit":20},{"$lookup":{"from":1,"localField":"data.Email","foreignField":"data.Email","as":"found"}},{"$project":{"n":{"$size":"$found"}}}`
	run := func(name, pipeline string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list := must[[]siftdb.Document](b)(ds.Aggregate(ctx, pipeline, siftdb.Query{})); len(list) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
	run("whole", `[{"$facet":{"f":[`+lookup+`]}}]`)
	run("searched", `[`+lookup+`]`)
	create(b, ds, indexOn("Email"))
	run("indexed", `[`+lookup+`]`)
}

// BenchmarkTable reads 100,000 entries as structs, and by way of json.Unmarshal.
func BenchmarkTable(b *testing.B) {
	type row struct {
		First  string `json:"First Name"`
		Email  string
		Age    int
		City   string
		Salary float64
		Active bool
	}
	_, ds, _ := benchDB(b, 100_000)
	users := siftdb.Of[row](ds)
	var typed, plain, text time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		scanAll(b, ds)
		plain += time.Since(began)
		began = time.Now()
		for _, err := range users.Each(ctx, siftdb.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
		typed += time.Since(began)
		began = time.Now()
		for e, err := range ds.Each(ctx, siftdb.Query{}) {
			var r row
			if err == nil {
				err = json.Unmarshal(e.JSON(), &r)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		text += time.Since(began)
	}
	b.ReportMetric(float64(typed)/float64(plain), "ratio-to-plain")
	b.ReportMetric(float64(text)/float64(plain), "json-ratio")
}

// BenchmarkFeed reads a log of 20,000 single updates.
func BenchmarkFeed(b *testing.B) {
	db := must[*siftdb.DB](b)(siftdb.OpenMemory(nil))
	b.Cleanup(func() { db.Close() })
	ds := table(b, db, "t")
	must[siftdb.BulkResult](b)(ds.Append(ctx, people(1000)))
	ids := entryIDs(b, ds)
	const writes = 20_000
	for i := range writes {
		must[*siftdb.Entry](b)(ds.UpdateEntry(ctx, ids[i%len(ids)], siftdb.M{"Score": i}))
	}
	last := versionsOf(b, ds)[0].ID
	b.ReportAllocs()
	for b.Loop() {
		for set, err := range ds.Changes(ctx, 0) {
			if err != nil {
				b.Fatal(err)
			}
			if set.Version.ID == last {
				break
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N*writes), "ns/write")
}
