package siftdb_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestJoinKnownParentsMakeRoom: the keys of parents that are kept from the look-up of the joined
// entries on give way where there is no room for them beside what these take, so that a query has as
// much as when they are worked out anew; and it still has no more.
func TestJoinKnownParentsMakeRoom(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, from := range []int{1, 1 << 30} {
		for _, room := range []int{1 << 20, 70_000, 60_000, 55_000, 50_000, 45_000, 20_000} {
			t.Run(fmt.Sprint(from, "/", room), func(t *testing.T) {
				defer siftdb.SpreadFrom(from)()
				db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: room}})
				parents, others := table(t, db, "parents"), table(t, db, "others")
				var rows, joined []any
				for i := range 4200 {
					rows = append(rows, siftdb.M{"who": fmt.Sprint("p", i), "n": i % 14})
				}
				const matches, each = 20, 15
				for i := range matches { // one key's after the other's, all of parents with n 0
					for j := range each {
						joined = append(joined, siftdb.M{"key": fmt.Sprint("p", 14*i), "j": j})
					}
				}
				for i := range 5000 {
					joined = append(joined, siftdb.M{"key": fmt.Sprint("q", i)})
				}
				must[siftdb.BulkResult](t)(parents.Append(ctx, rows))
				must[siftdb.BulkResult](t)(others.Append(ctx, joined))
				create(t, parents, indexOn("n"))
				create(t, others, indexOn("key"))
				q := siftdb.Query{Where: siftdb.M{"n": 0}, Joins: []siftdb.Join{
					{Name: "j", DataSourceID: others.ID(), On: siftdb.On{"who": "key"}, Required: true}}}
				list, err := parents.Find(ctx, q)
				if room == 20_000 { // the rows of the joined entries alone take more
					if !errors.Is(err, siftdb.ErrTooLarge) {
						t.Fatalf("%d entries, %v", len(list), err)
					}
					return
				}
				if err != nil || len(list) != matches {
					t.Fatalf("%d entries, %v", len(list), err)
				}
				for i, e := range list {
					if found := e.Joined("j"); e.Get("who") != fmt.Sprint("p", 14*i) || len(found) != each || found[each-1].Get("j") != float64(each-1) {
						t.Errorf("entry %d has %d", i, len(found))
					}
				}
				n := 0
				for e, err := range parents.Each(ctx, q) {
					if err != nil || len(e.Joined("j")) != each {
						t.Fatal(e, err)
					}
					n++
				}
				if n != matches {
					t.Errorf("Each gives %d", n)
				}
			})
		}
	}
}
