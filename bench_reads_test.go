package siftdb_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
)

// employee is a row with fields inside fields, a list and a text: 17 values in all.
func employee(i int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"Name":"First%d %c. Last%d","Email":"%s","Department":"Department %d","Office":"Office %d","Age":%d,"Salary":%d.%02d,`+
		`"Status":"Active","Tags":["tag%02d","tag%02d"],"Address":{"City":"City %d","Zip":"%05d","Geo":{"Lat":%d.%06d,"Lng":-%d.%06d}},`+
		`"StartDate":"20%02d-%02d-%02d","Notes":"lorem ipsum dolor sit amet %d consectetur adipiscing elit sed do eiusmod tempor","Score":"%d"}`,
		i%60, 'A'+i%26, i*7%9973, employeeEmail(i), i%12, i%20, 18+i*31%53, 25000+i*7919%175000, i%100,
		i%50, i*7%50, i%20, i*37%100000, i%90, i*7919%1000000, i%180, i*104729%1000000, i%26, 1+i%12, 1+i%28, i, i%101))
}

func employeeEmail(i int) string { return fmt.Sprintf("first%d.last%d@example.com", i, i*7%9973) }

// benchEmployees is a file with n employees in it, and the indexes that reads of them want.
func benchEmployees(b *testing.B, n int) (*siftdb.DB, *siftdb.DataSource) {
	b.Helper()
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
	b.Cleanup(func() { db.Close() })
	ds := table(b, db, "employees")
	rows := make([]any, n)
	for i := range rows {
		rows[i] = employee(i)
	}
	must[siftdb.BulkResult](b)(ds.Append(ctx, rows))
	create(b, ds, uniqueOn("Email"), indexOn("Name"), indexOn("Age", "Salary"))
	return db, ds
}

// BenchmarkFindUnique finds one of 100,000 entries by a value that is its own: in a file that nobody
// writes to, as a map too, and where the last commit is in the log alone.
func BenchmarkFindUnique(b *testing.B) {
	const n = 100_000
	db, ds := benchEmployees(b, n)
	emails := make([]string, n)
	for i := range emails {
		emails[i] = employeeEmail(i * 7919 % n)
	}
	find := func(b *testing.B, i int) *siftdb.Entry {
		e, err := ds.FindOne(ctx, siftdb.Query{Where: siftdb.M{"Email": emails[i%n]}})
		if err != nil || e == nil {
			b.Fatal(e, err)
		}
		return e
	}
	must[storage.Size](b)(db.Size()) // which leaves nothing in the log
	b.Run("entry", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			find(b, i)
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if m := find(b, i).Map(); len(m) != 12 {
				b.Fatal(m)
			}
		}
	})
	id := find(b, 0).ID
	b.Run("logged", func(b *testing.B) {
		must[*siftdb.Entry](b)(ds.UpdateEntry(ctx, id, siftdb.M{"Status": "Moved"}))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%100_000 == 0 {
				must[*siftdb.Entry](b)(ds.UpdateEntry(ctx, id, siftdb.M{"Age": i / 100_000}))
			}
			find(b, i)
		}
	})
}

// BenchmarkEntryMap decodes an entry of 17 values.
func BenchmarkEntryMap(b *testing.B) {
	_, ds := benchEmployees(b, 1000)
	list := must[[]*siftdb.Entry](b)(ds.Find(ctx, siftdb.Query{}))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if len(list[i%len(list)].Map()) != 12 {
			b.Fatal("a field is missing")
		}
	}
}

// BenchmarkFindRangeOrdered finds the best 25 of some 11,000 by another column than that of the range.
func BenchmarkFindRangeOrdered(b *testing.B) {
	_, ds := benchEmployees(b, 100_000)
	q := siftdb.Query{Where: siftdb.M{"Age": siftdb.M{"$gte": 30, "$lte": 35}}, Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(25)}
	b.ReportAllocs()
	for b.Loop() {
		if list, err := ds.Find(ctx, q); err != nil || len(list) != 25 {
			b.Fatal(len(list), err)
		}
	}
}

// BenchmarkJoinFew joins 2,000 of 200,000 orders to the employees that they name.
func BenchmarkJoinFew(b *testing.B) {
	const n = 100_000
	db, ds := benchEmployees(b, n)
	orders := table(b, db, "orders")
	rows := make([]any, 2*n)
	for i := range rows {
		status := "paid"
		if i%100 == 7 {
			status = "refunded"
		}
		rows[i] = json.RawMessage(fmt.Sprintf(`{"OrderNo":"ORD-%07d","CustomerEmail":"%s","Amount":%d.%02d,"Status":"%s","PlacedAt":"2026-%02d-%02dT10:00:00Z"}`,
			i, employeeEmail(i*7919%n), i%2000, i%100, status, 1+i%12, 1+i%28))
	}
	must[siftdb.BulkResult](b)(orders.Append(ctx, rows))
	create(b, orders, indexOn("Status"))
	q := siftdb.Query{Where: siftdb.M{"Status": "refunded"},
		Joins: []siftdb.Join{{Name: "customer", DataSourceID: ds.ID(), On: siftdb.On{"CustomerEmail": "Email"}, Required: true}}}
	b.ReportAllocs()
	for b.Loop() {
		list, err := orders.Find(ctx, q)
		if err != nil || len(list) != 2000 || len(list[0].Joined("customer")) != 1 {
			b.Fatal(len(list), err)
		}
	}
}
