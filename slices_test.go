package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

func raws(rows ...string) []any {
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = json.RawMessage(r)
	}
	return out
}

// numbered makes a data source of n entries {"n":0,"even":true,...}, every tenth
// with an order of its own.
func numbered(t testing.TB, db *siftdb.DB, n int) *siftdb.DataSource {
	t.Helper()
	ds := table(t, db, "numbers")
	c := siftdb.Commit{Entries: make([]siftdb.CommitEntry, n)}
	for i := range c.Entries {
		c.Entries[i].Data = json.RawMessage(fmt.Sprintf(`{"n":%d,"even":%v,"mod":%d}`, i, i%2 == 0, i%7))
		if i%10 == 9 {
			c.Entries[i].Order = float64(i%5) - 2.5
		}
	}
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
	return ds
}

// disturb makes one random change to a data source.
func disturb(t testing.TB, rng *rand.Rand, ds *siftdb.DataSource, ids []int64) {
	t.Helper()
	id := ids[rng.IntN(len(ids))]
	var err error
	switch rng.IntN(6) {
	case 0: // out of, or into, any filter
		_, err = ds.UpdateEntry(ctx, id, siftdb.M{"even": rng.IntN(2) == 0, "n": rng.IntN(100000), "mod": rng.IntN(7)})
	case 1: // to another place in the default order
		_, err = ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{
			{ID: id, Data: siftdb.M{}, Order: rng.IntN(9) - 4}}})
	case 2, 3:
		err = ds.Remove(ctx, id)
	case 4:
		_, err = ds.Insert(ctx, siftdb.M{"n": -1, "even": true, "mod": 3, fmt.Sprintf("new%d", rng.IntN(50)): 1})
	case 5: // everything in one half of the table
		_, err = ds.UpdateWhere(ctx, siftdb.M{"mod": rng.IntN(7)}, siftdb.Patch{Set: siftdb.M{"even": rng.IntN(2) == 0}})
	}
	if err != nil && !isNotFound(err) && !isInvalid(err) {
		t.Fatal(err)
	}
}

// TestSlicesStayOnSnapshot streams entries while the loop's own body changes the
// table between the slices, and expects what the table held at the beginning.
func TestSlicesStayOnSnapshot(t *testing.T) {
	queries := map[string]siftdb.Query{
		"all":           {},
		"where":         {Where: `{"even":true}`},
		"order":         {Order: siftdb.Order{siftdb.Desc("mod"), siftdb.Asc("n")}},
		"order limit":   {Order: siftdb.Order{siftdb.Asc("mod")}, Limit: new(1500), Offset: 20},
		"limit offset":  {Where: `{"mod":{"$lt":5}}`, Limit: new(1200), Offset: 100},
		"attributes":    {Attributes: []string{"n"}},
		"distinct":      {Attributes: []string{"mod"}, Distinct: true},
		"entry fields":  {Where: `{"id":{"$mod":[3,0]},"createdAt":{"$gte":"2001-01-01"}}`},
		"nothing":       {Where: `{"even":"maybe"}`},
		"limit nothing": {Limit: new(0)},
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for name, q := range queries {
			t.Run(name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, 7))
				ds := numbered(t, db, 2500)
				var ids []int64
				for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{})) {
					ids = append(ids, e.ID)
				}
				for round := range 3 { // each round also reads at the version before it
					handle := ds
					if round == 2 {
						handle = ds.At(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[20].ID)
					}
					want := describeEntries(must[[]*siftdb.Entry](t)(handle.Find(ctx, q)))
					var got []*siftdb.Entry
					for e, err := range handle.Each(ctx, q) {
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, e)
						if len(got)%37 == 1 || len(got) < 40 {
							disturb(t, rng, ds, ids)
						}
					}
					if diff := cmp.Diff(want, describeEntries(got)); diff != "" {
						t.Fatalf("round %d (-snapshot +stream):\n%s", round, diff)
					}
					for range 30 {
						disturb(t, rng, ds, ids)
					}
				}
			})
		}
	})
}

// TestReadersAndWriters runs both at once: every read must see whole commits. Each
// commit keeps the sum of all "balance" columns at zero.
func TestReadersAndWriters(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rows := make([]string, 3000)
		for i := range rows {
			rows[i] = `{"balance":0}`
		}
		ds := table(t, db, "accounts", rows...)
		first := must[*siftdb.Entry](t)(ds.FindOne(ctx, siftdb.Query{})).ID
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(w), 3))
				for range 40 {
					a, b := first+rng.Int64N(3000), first+rng.Int64N(3000)
					if a == b {
						continue
					}
					for {
						x, err := ds.FindByID(ctx, a)
						y, err2 := ds.FindByID(ctx, b)
						if err != nil || err2 != nil {
							t.Error(err, err2)
							return
						}
						amount := float64(rng.IntN(100))
						_, err = ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{
							{ID: a, IfChanged: x.Changed, Data: siftdb.M{"balance": x.Get("balance").(float64) - amount}},
							{ID: b, IfChanged: y.Changed, Data: siftdb.M{"balance": y.Get("balance").(float64) + amount}},
						}})
						if err == nil {
							break
						}
						if !isConflict(err) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		for range 3 {
			wg.Go(func() {
				for range 10 {
					var sum float64
					n := 0
					for e, err := range ds.Each(ctx, siftdb.Query{}) {
						if err != nil {
							t.Error(err)
							return
						}
						sum += e.Get("balance").(float64)
						n++
					}
					if n != 3000 || sum != 0 {
						t.Errorf("a read saw %d entries that sum to %v", n, sum)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, v := range slices.Backward(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{Limit: new(20)}))) {
			var sum float64
			for _, e := range must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, v.ID, siftdb.VersionQuery{})) {
				sum += e.Get("balance").(float64)
			}
			if sum != 0 && v.Count == 3000 {
				t.Errorf("version %d sums to %v", v.ID, sum)
			}
		}
	})
}
