package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestColumnsSortSooner: where an index proposes many entries that are to be sorted, columns that
// are held answer instead, before and after writes, and say what a scan says; of few entries the
// index does.
func TestColumnsSortSooner(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1)
	ds := table(t, db, "people")
	r := rand.New(rand.NewPCG(7, 7))
	rows := make([]any, 3000)
	for i := range rows {
		rows[i] = siftdb.M{"Age": 18 + r.IntN(50), "Salary": r.IntN(900) * 100, "Few": i % 1500}
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	create(t, ds, indexOn("Age", "Salary"), indexOn("Few"))
	many := siftdb.Query{Where: siftdb.M{"Age": siftdb.M{"$gte": 30, "$lte": 32}}, Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(25)}
	few := siftdb.Query{Where: siftdb.M{"Few": 7}, Order: many.Order}
	explains := func(q siftdb.Query, step string) {
		t.Helper()
		if p := must[*siftdb.Plan](t)(ds.Explain(ctx, q)); !strings.Contains(p.String(), step) {
			t.Errorf("not by %s:\n%s", step, p)
		}
	}
	explains(many, "index ")
	for range 3 { // the second one has the columns read
		must[[]siftdb.Document](t)(ds.Aggregate(ctx, `[{"$group":{"_id":"$data.Age","n":{"$max":"$data.Salary"}}}]`, siftdb.Query{}))
	}
	for range 20 {
		explains(many, "columns ")
		explains(few, "index ")
		for _, q := range []siftdb.Query{many, few, {Where: many.Where, Order: many.Order, Offset: 20}} {
			got := texts(must[[]*siftdb.Entry](t)(ds.Find(ctx, q)))
			siftdb.Access(db, "scan")
			want := texts(must[[]*siftdb.Entry](t)(ds.Find(ctx, q)))
			siftdb.Access(db, "")
			if fmt.Sprint(got) != fmt.Sprint(want) || len(got) == 0 {
				t.Fatalf("got %v\nwant %v", got, want)
			}
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Age": 30 + r.IntN(4), "Salary": r.IntN(90_000)}))
		must[int64](t)(ds.UpdateWhere(ctx, siftdb.M{"Few": r.IntN(1500)}, siftdb.Patch{Set: siftdb.M{"Age": 31, "Salary": r.IntN(100_000)}}))
	}
}
