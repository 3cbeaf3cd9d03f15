package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestRequiredJoinKeeps: joins whose parents an index proposes read these once, as far as there is
// room for them, and say what they say when everything is scanned: with much room and with little,
// several joins, texts that read as numbers, orders, limits and distinct, and under writes.
func TestRequiredJoinKeeps(t *testing.T) {
	for _, size := range []int{4 << 20, 3000, 0} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			defer siftdb.KeepAtMost(size)()
			db := memoryDB(t, nil)
			r := rand.New(rand.NewPCG(uint64(size), 3))
			orders, people := table(t, db, "orders"), table(t, db, "people")
			keys := []any{"5", 5, "5.0", "a@example", "A@example", "ä", true, "true", nil, "", "0x10", 16}
			key := func() any {
				if r.IntN(4) == 0 {
					return keys[r.IntN(len(keys))]
				}
				return fmt.Sprintf("p%d", r.IntN(300))
			}
			var rows, others []any
			for i := range 900 {
				rows = append(rows, siftdb.M{"Who": key(), "Boss": key(), "State": i % 16, "Text": strings.Repeat("x", i%90)})
				if i < 500 {
					others = append(others, siftdb.M{"Key": key(), "Name": fmt.Sprint("name ", r.IntN(50))})
				}
			}
			must[siftdb.BulkResult](t)(orders.Append(ctx, rows))
			must[siftdb.BulkResult](t)(people.Append(ctx, others))
			create(t, orders, indexOn("State"))
			create(t, people, indexOn("Key"))
			version := must[*siftdb.CommitResult](t)(orders.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"Who": "p1", "State": 2}}}})).Version
			must[int64](t)(orders.UpdateWhere(ctx, siftdb.M{"Who": "p2"}, siftdb.Patch{Set: siftdb.M{"State": 1}}))
			who := siftdb.Join{Name: "who", DataSourceID: people.ID(), On: siftdb.On{"Who": "Key"}, Required: true}
			boss := siftdb.Join{Name: "boss", DataSourceID: people.ID(), On: siftdb.On{"Boss": "Key"}, Required: true, Where: siftdb.M{"Name": siftdb.M{"$like": "name 1%"}}}
			queries := []siftdb.Query{
				{Joins: []siftdb.Join{who}},
				{Joins: []siftdb.Join{who, boss}},
				{Joins: []siftdb.Join{boss}, Limit: new(7), Offset: 3},
				{Joins: []siftdb.Join{who}, Order: siftdb.Order{siftdb.Desc("Who")}},
				{Joins: []siftdb.Join{who, boss}, Distinct: true, Attributes: []string{"Boss"}},
			}
			for i, q := range queries {
				q.Where = siftdb.M{"State": 1, "Text": siftdb.M{"$like": "xxx%"}}
				for _, ds := range []*siftdb.DataSource{orders, orders.At(version)} {
					answer := func(way string) string {
						siftdb.Access(db, way)
						text := ""
						for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, q)) {
							text += string(e.AppendJSON(nil)) + "\n"
						}
						for e, err := range ds.Each(ctx, q) {
							if err != nil {
								t.Fatal(err)
							}
							text += string(e.AppendJSON(nil)) + "\n"
						}
						return text
					}
					want := answer("scan")
					for _, way := range []string{"always", ""} {
						if got := answer(way); got != want || want == "" {
							t.Fatalf("query %d by %q: %d bytes, want %d", i, way, len(got), len(want))
						}
					}
				}
			}
		})
	}
}
