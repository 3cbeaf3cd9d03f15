package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestFindAhead compares finds whose proposals are read, tested and made into entries on all cores
// with those of a scan: exact proposals and others, projections, totals, joins, regular expressions
// that cost too much, encrypted data, old versions, little room, and writers beside.
func TestFindAhead(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, store := range []string{"memory", "file", "encrypted"} {
		for _, keep := range []int{16 << 20, 60_000, 3000} {
			t.Run(fmt.Sprint(store, keep), func(t *testing.T) {
				defer siftdb.KeepAtMost(keep)()
				var db *siftdb.DB
				if store == "memory" {
					db = memoryDB(t, &siftdb.Options{ColumnBytes: -1})
				} else {
					db = fileDB(t, filepath.Join(t.TempDir(), "test.db"), &siftdb.Options{Keys: oneKey, ColumnBytes: -1})
				}
				people, version := aheadPeople(t, db)
				if store == "encrypted" {
					must[siftdb.DataSourceInfo](t)(people.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
				}
				r := rand.New(rand.NewPCG(3, 9))
				compareAhead(t, db, people, r)
				compareAhead(t, db, people.At(version), r)
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range 200 {
						_, err := people.UpdateWhere(ctx, siftdb.M{"Name": fmt.Sprint("name ", i*7%3000)}, siftdb.Patch{Set: siftdb.M{"State": i % 8}})
						if err == nil && i%5 == 0 {
							err = people.Remove(ctx, int64(i*11%3000+1))
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
				for range 3 {
					compareAhead(t, db, people.At(version), r)
				}
				wg.Wait()
				compareAhead(t, db, people, r)
			})
		}
	}
}

// aheadPeople returns 3,000 rows with an index on two columns, and a version of them.
func aheadPeople(t *testing.T, db *siftdb.DB) (*siftdb.DataSource, int64) {
	people := table(t, db, "people")
	var rows []any
	for i := range 3000 {
		rows = append(rows, siftdb.M{"Name": fmt.Sprint("name ", i), "State": i % 8, "Age": i % 50, "Boss": fmt.Sprint("name ", i%100), "Tags": []any{i % 3, "x"}})
	}
	must[siftdb.BulkResult](t)(people.Append(ctx, rows))
	create(t, people, indexOn("State"))
	create(t, people, indexOn("Age"))
	create(t, people, indexOn("Name"))
	return people, must[*siftdb.CommitResult](t)(people.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"Name": "last", "State": 3}}}})).Version
}

// compareAhead asks finds of all kinds by indexes and by a scan.
func compareAhead(t *testing.T, db *siftdb.DB, ds *siftdb.DataSource, r *rand.Rand) {
	t.Helper()
	boss := siftdb.Join{Name: "boss", DataSourceID: ds.ID(), On: siftdb.On{"Boss": "Name"}}
	must := must[[]*siftdb.Entry](t)
	for i, q := range []siftdb.Query{
		{Where: siftdb.M{"State": r.IntN(8)}},
		{Where: siftdb.M{"State": r.IntN(8), "Age": siftdb.M{"$gte": r.IntN(50)}}},
		{Where: siftdb.M{"Age": siftdb.M{"$lt": 10 + r.IntN(20)}, "Tags": r.IntN(3)}},
		{Where: siftdb.M{"Age": siftdb.M{"$in": []any{1, 7, "9"}}, "Name": siftdb.M{"$regex": "1[0-9]*5$"}}},
		{Where: siftdb.M{"State": 2, "Age": siftdb.M{"$gte": 100}}},
		{Where: siftdb.M{"State": 3}, Attributes: []string{"Name", "Age"}},
		{Where: siftdb.M{"State": 3, "Tags": 1}, Attributes: []string{"Name"}, Distinct: true},
		{Where: siftdb.M{"State": 5}, Joins: []siftdb.Join{boss}},
		{Where: siftdb.M{"State": 5, "Age": siftdb.M{"$lt": 25}}, Joins: []siftdb.Join{boss}},
		{Where: siftdb.M{"State": 4}, Offset: 7, Limit: new(100)},
	} {
		siftdb.Access(db, "scan")
		want := must(ds.Find(ctx, q))
		siftdb.Access(db, "")
		got := must(ds.Find(ctx, q))
		if len(got) != len(want) {
			t.Fatalf("query %d: %d entries, want %d", i, len(got), len(want))
		}
		for j := range got {
			if g, w := string(got[j].AppendJSON(nil)), string(want[j].AppendJSON(nil)); g != w {
				t.Fatalf("query %d: entry %d is %s, want %s", i, j, g, w)
			}
		}
	}
}
