package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// TestFindAhead compares finds whose proposals are read, tested and made into entries on all cores
// with those of a scan: exact proposals and others, projections, totals, joins, encrypted data, old
// versions, little room, and writers beside.
func TestFindAhead(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, store := range []string{"memory", "file", "encrypted"} {
		for _, keep := range []int{16 << 20, 30_000, 3000} {
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

// aheadPeople returns 3,000 rows with indexes on three columns, and a version of them.
func aheadPeople(t *testing.T, db *siftdb.DB) (*siftdb.DataSource, int64) {
	people := table(t, db, "people")
	var rows []any
	for i := range 3000 {
		rows = append(rows, siftdb.M{"Name": fmt.Sprint("name ", i), "State": i % 16, "Age": i % 50, "Boss": fmt.Sprint("name ", i%100), "Tags": []any{i % 3, "x"}, "Info": siftdb.M{"Rank": -i}})
	}
	must[siftdb.BulkResult](t)(people.Append(ctx, rows))
	create(t, people, indexOn("State"))
	create(t, people, indexOn("Age"))
	create(t, people, indexOn("Name"))
	return people, must[*siftdb.CommitResult](t)(people.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"Name": "last", "State": 3}}}})).Version
}

// compareAhead asks finds of all kinds by indexes, where these are best and always, and by a scan.
func compareAhead(t *testing.T, db *siftdb.DB, ds *siftdb.DataSource, r *rand.Rand) {
	t.Helper()
	boss := siftdb.Join{Name: "boss", DataSourceID: ds.ID(), On: siftdb.On{"Boss": "Name"}}
	needed := boss
	needed.Required = true
	for i, q := range []siftdb.Query{
		{Where: siftdb.M{"State": r.IntN(8)}},
		{Where: siftdb.M{"State": r.IntN(8), "Age": siftdb.M{"$gte": r.IntN(30)}}},
		{Where: siftdb.M{"Age": siftdb.M{"$in": []any{7, 8, 9}}, "Tags": r.IntN(3)}},
		{Where: siftdb.M{"Age": siftdb.M{"$in": []any{1, 7, "9"}}, "Name": siftdb.M{"$regex": "1[0-9]*7$"}}},
		{Where: siftdb.M{"State": 3}, Attributes: []string{"Name", "Age"}},
		{Where: siftdb.M{"State": 3, "Tags": 1}, Attributes: []string{"Name"}},
		{Where: siftdb.M{"State": 3, "Tags": 1}, Attributes: []string{"Name"}, Distinct: true},
		{Where: siftdb.M{"State": 5}, Joins: []siftdb.Join{boss}},
		{Where: siftdb.M{"State": 5, "Age": siftdb.M{"$lt": 25}}, Joins: []siftdb.Join{boss}},
		{Where: siftdb.M{"State": 5, "Age": siftdb.M{"$lt": 25}}, Joins: []siftdb.Join{needed}},
		{Where: siftdb.M{"State": 4}, Offset: 7, Limit: new(100)},
	} {
		answer := func(way string) string {
			siftdb.Access(db, way)
			q.IncludePagination = i%2 == 1
			result := must[*siftdb.Result](t)(ds.Query(ctx, q))
			text := fmt.Append(nil, result.Pagination)
			for _, e := range result.Entries {
				text = append(e.AppendJSON(text), '\n')
			}
			for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, q)) {
				text = append(e.AppendJSON(text), '\n')
			}
			return string(text)
		}
		want := answer("scan")
		for _, way := range []string{"", "always"} {
			if got := answer(way); got != want || len(want) < 200 {
				t.Fatalf("query %d, %q: %d bytes, want %d", i, way, len(got), len(want))
			}
		}
	}
}

// TestFindAheadDivides: what an index proposes is read in more than one transaction at a time, and
// the entries that do not match are not read again.
func TestFindAheadDivides(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	views := &viewCounter{Storage: memory.New()}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, views, &siftdb.Options{ColumnBytes: -1}))
	checked(t, db)
	people, _ := aheadPeople(t, db)
	for _, where := range []siftdb.M{{"State": 3}, {"State": 3, "Tags": 1}} {
		count := func(from int) (n, looked int64) {
			defer siftdb.SpreadFrom(from)()
			before := views.n.Load()
			must[[]*siftdb.Entry](t)(people.Find(ctx, siftdb.Query{Where: where}))
			n = views.n.Load() - before
			plan := must[*siftdb.Plan](t)(people.ExplainAnalyze(ctx, siftdb.Query{Where: where}))
			return n, plan.Ran.Looked
		}
		one, looked := count(1 << 30)
		all, lookedAhead := count(64)
		if all <= one || looked != lookedAhead {
			t.Errorf("%v: %d transactions, on one core %d; looked at %d, on one core %d", where, all, one, lookedAhead, looked)
		}
	}
}

// TestFindAheadFails: a text that costs a regular expression too much, among what is tested ahead, is
// the error that a scan makes; and where queries may hold nothing, nothing is read ahead.
func TestFindAheadFails(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, most := range []int{0, 1, 1400} {
		db := memoryDB(t, &siftdb.Options{ColumnBytes: -1, Limits: siftdb.Limits{QueryBytes: most}})
		people := table(t, db, "people")
		var rows []any
		for i := range 2000 {
			rows = append(rows, siftdb.M{"State": i % 16, "Text": "short"})
		}
		rows = append(rows, siftdb.M{"State": 2, "Text": strings.Repeat("a", 1<<20)})
		must[siftdb.BulkResult](t)(people.Append(ctx, rows))
		create(t, people, indexOn("State"))
		if list := must[[]*siftdb.Entry](t)(people.Find(ctx, siftdb.Query{Where: siftdb.M{"State": 1}})); len(list) != 125 {
			t.Errorf("%d: %d entries", most, len(list))
		}
		admin := people.As(&security.Principal{Admin: true}) // whose expressions have a limit
		for state, fails := range map[int]bool{1: false, 2: true} {
			q := siftdb.Query{Where: siftdb.M{"State": state, "Text": siftdb.M{"$regex": "(x+x+)+y|short|abcdefghijklmnopqrstuvwxyz"}}}
			for _, way := range []string{"scan", "", "always"} {
				siftdb.Access(db, way)
				list, err := admin.Find(ctx, q)
				if errors.Is(err, siftdb.ErrTooLarge) != fails || !fails && (err != nil || len(list) != 125) {
					t.Errorf("%d, state %d, %q: %d entries, %v", most, state, way, len(list), err)
				}
			}
		}
	}
}

// viewHook calls a function before one of the Views, counted from 1.
type viewHook struct {
	storage.Storage
	n, at atomic.Int64
	call  func()
}

// View is storage.Storage's.
func (s *viewHook) View(ctx context.Context, fn func(storage.Reader) error) error {
	if s.n.Add(1) == s.at.Load() {
		s.call()
	}
	return s.Storage.View(ctx, fn)
}

// TestFindAheadKeepsMeanings: somebody makes a column between two transactions of a find whose where,
// or whose order, means something else then. The answer is that of before, or that of after.
func TestFindAheadKeepsMeanings(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for name, c := range map[string]struct {
		where siftdb.M
		order siftdb.Order
		comes siftdb.M // an entry with a column of its own
	}{
		"where": {where: siftdb.M{"State": 3, "createdAt": siftdb.M{"$gt": "2000"}}, comes: siftdb.M{"createdAt": "3000"}},
		"order": {where: siftdb.M{"State": 3}, order: siftdb.Order{{Name: "Info.Rank"}}, comes: siftdb.M{"Info.Rank": 1}},
		"order, downwards": {where: siftdb.M{"Age": siftdb.M{"$lt": 20}}, order: siftdb.Order{{Name: "Info.Rank", Desc: true}},
			comes: siftdb.M{"Info.Rank": 1, "Age": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c.comes["State"], c.comes["Boss"] = 3, "name 3"
			keepsMeaning(t, siftdb.Query{Where: c.where, Order: c.order}, c.comes)
		})
	}
}

func keepsMeaning(t *testing.T, q siftdb.Query, comes siftdb.M) {
	texts := func(list []*siftdb.Entry) string {
		var b []byte
		for _, e := range list {
			b = append(e.AppendJSON(b), '\n')
		}
		return string(b)
	}
	answers := map[string]int{}
	for at := range int64(16) {
		hook := &viewHook{Storage: memory.New()}
		hook.at.Store(-1)
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, hook, &siftdb.Options{ColumnBytes: -1}))
		checked(t, db)
		people, _ := aheadPeople(t, db)
		bosses := table(t, db, "bosses")
		must[siftdb.BulkResult](t)(bosses.Append(ctx, []any{siftdb.M{"Who": "name 3"}, siftdb.M{"Who": "name 19"}, siftdb.M{"Who": "name 99"}}))
		q.Joins = []siftdb.Join{{Name: "boss", DataSourceID: bosses.ID(), On: siftdb.On{"Boss": "Who"}, Required: true}}
		before := texts(must[[]*siftdb.Entry](t)(people.Find(ctx, q)))
		hook.call = func() { must[*siftdb.Entry](t)(people.Insert(ctx, comes)) }
		hook.n.Store(0)
		hook.at.Store(at + 1)
		got := texts(must[[]*siftdb.Entry](t)(people.Find(ctx, q)))
		hook.at.Store(-1)
		after := texts(must[[]*siftdb.Entry](t)(people.Find(ctx, q)))
		if len(before) < 100 || before == after && at < 3 {
			t.Fatalf("the answers are %d and %d bytes", len(before), len(after))
		}
		switch got {
		case before:
			answers["before"]++
		case after:
			answers["after"]++
		default:
			t.Errorf("with a column made before transaction %d the answer is %d bytes, neither that of before, of %d, nor of after, of %d",
				at+1, len(got), len(before), len(after))
		}
	}
	if answers["before"] == 0 || answers["after"] == 0 {
		t.Errorf("the column was never made before, or never after: %v", answers)
	}
}
