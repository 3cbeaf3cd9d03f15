package siftdb_test

import (
	"fmt"
	"testing"

	"github.com/siftdb/siftdb"
)

// BenchmarkPlan asks a table of 100,000 entries, with indexes and without any use of them.
func BenchmarkPlan(b *testing.B) {
	db := memoryDB(b, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := table(b, db, "people")
	rows := make([]any, 100_000)
	for i := range rows {
		rows[i] = siftdb.M{"Email": fmt.Sprintf("user%d@example.com", i), "Age": i % 97, "City": fmt.Sprint("city", i%1000),
			"Status": []string{"active", "gone"}[i%2], "Note": fmt.Sprintf("the note of %d, which is %d long", i*7919%100_003, i)}
	}
	must[siftdb.BulkResult](b)(ds.Append(ctx, rows))
	for _, name := range []string{"Email", "Age", "City", "Status"} {
		create(b, ds, indexOn(name))
	}
	create(b, ds, siftdb.IndexSpec{Name: "note", Trigram: true, Fields: []siftdb.IndexField{{Name: "Note"}}})
	for _, c := range []struct {
		name string
		q    siftdb.Query
	}{
		{"one of all", siftdb.Query{Where: `{"Email":"user4711@example.com"}`}},
		{"a thousandth", siftdb.Query{Where: `{"City":"city7"}`}},
		{"two conditions", siftdb.Query{Where: `{"Age":12,"City":"city7"}`}},
		{"either", siftdb.Query{Where: `{"$or":[{"City":"city7"},{"Email":"user9@example.com"}]}`}},
		{"half with a limit", siftdb.Query{Where: `{"Status":"active"}`, Limit: new(25)}},
		{"half", siftdb.Query{Where: `{"Status":"active","Age":{"$gt":95}}`}},
		{"in order", siftdb.Query{Order: siftdb.Order{siftdb.Desc("Email")}, Limit: new(25)}},
		{"contains", siftdb.Query{Where: `{"Note":{"$iLike":"of 4711,"}}`}},
		{"count", siftdb.Query{Where: `{"City":{"$in":["city7","city8"]}}`, CountOnly: true}},
	} {
		for _, way := range []string{"", "scan"} {
			b.Run(c.name+"/"+map[string]string{"": "best", "scan": "scan"}[way], func(b *testing.B) {
				siftdb.Access(db, way)
				for b.Loop() {
					must[*siftdb.Result](b)(ds.Query(ctx, c.q))
				}
			})
		}
	}
}
