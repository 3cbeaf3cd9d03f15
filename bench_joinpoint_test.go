package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkJoinPoint gives 2,000 of 200,000 orders, found by an index, each the one of 100,000
// employees whose e-mail it names: as entries, and each of them as a map; where the join is required
// and where it is not.
func BenchmarkJoinPoint(b *testing.B) {
	const people, all, wanted = 100_000, 200_000, 2000
	db, staff := benchEmployees(b, people)
	orders := table(b, db, "orders")
	rows := make([]any, all)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		state := "paid"
		if i%(all/wanted) == 7 {
			state = "refunded"
		}
		rows[i] = json.RawMessage(fmt.Sprintf(`{"OrderNo":"ORD-%07d","CustomerEmail":"%s","Amount":%d.%02d,"Status":"%s","PlacedAt":"2026-%02d-%02dT%02d:%02d:%02dZ"}`,
			i, employeeEmail(r.IntN(people)), i*31%2000, i%100, state, 1+i%12, 1+i%28, i%24, i%60, i*7%60))
	}
	must[siftdb.BulkResult](b)(orders.Append(ctx, rows))
	create(b, orders, indexOn("Status"))
	for _, required := range []bool{true, false} {
		q := siftdb.Query{Where: siftdb.M{"Status": "refunded"}, Joins: []siftdb.Join{{Name: "c", DataSourceID: staff.ID(),
			On: siftdb.On{"CustomerEmail": "Email"}, Required: required}}}
		for _, maps := range []bool{false, true} {
			b.Run(fmt.Sprintf("required=%v/maps=%v", required, maps), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					list := must[[]*siftdb.Entry](b)(orders.Find(ctx, q))
					if len(list) != wanted || len(list[wanted-1].Joined("c")) != 1 {
						b.Fatal(len(list))
					}
					if !maps {
						continue
					}
					for _, e := range list {
						if len(e.Map()) != 5 || len(e.Joined("c")[0].Map()) != 12 {
							b.Fatal(e.Map(), e.Joined("c"))
						}
					}
				}
			})
		}
	}
}
