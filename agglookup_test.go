package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// lookupBoth runs a $lookup of two data sources, and the same inside of a $facet, where it reads the
// other data source whole, and holds what they give against each other.
func lookupBoth(t *testing.T, ds *siftdb.DataSource, lookup, body string) []string {
	t.Helper()
	whole := aggTRun(t, ds, `[{"$facet":{"f":[`+lookup+`]}},{"$unwind":"$f"},{"$replaceRoot":{"newRoot":"$f"}}]`, body)
	got := aggTRun(t, ds, `[`+lookup+`]`, body)
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Fatalf("%s with %s (-whole +searched): %s", lookup, body, diff)
	}
	return got
}

// TestLookupFinds: a $lookup to which few entries come finds what belongs to them by every way that
// a where has, in states of now and before, beside writes.
func TestLookupFinds(t *testing.T) {
	for _, engine := range []string{"memory", "bolt"} {
		t.Run(engine, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 12))
			var db *siftdb.DB
			if engine == "memory" {
				db = memoryDB(t, nil)
			} else {
				db = fileDB(t, filepath.Join(t.TempDir(), "db"), nil)
			}
			siftdb.ColumnsFrom(db, 1)
			value := func() string {
				return []string{`1`, `"1"`, `2`, `2.5`, `"x"`, `"X"`, `null`, `true`, `"é"`, `[1,"x"]`, `[]`, `""`, `{"a":1}`}[rng.IntN(13)]
			}
			rows := func(n int) (list []string) {
				for i := range n {
					list = append(list, fmt.Sprintf(`{"k":%s,"u":%d}`, value(), i))
				}
				return list
			}
			ds, other := table(t, db, "few", rows(6)...), table(t, db, "many", rows(120)...)
			create(t, other, indexOn("k"))
			found := 0
			for round := range 40 {
				ids := entryIDs(t, other)
				id := ids[rng.IntN(len(ids))]
				switch rng.IntN(5) {
				case 0:
					must[*siftdb.Entry](t)(other.Insert(ctx, raws(rows(1)[0])[0]))
				case 1:
					if err := other.Remove(ctx, id); err != nil {
						t.Fatal(err)
					}
				case 2:
					must[*siftdb.Entry](t)(other.UpdateEntry(ctx, id, siftdb.M{"order": rng.IntN(5)}))
				default:
					must[*siftdb.Entry](t)(other.UpdateEntry(ctx, id, raws(fmt.Sprintf(`{"k":%s}`, value()))[0]))
				}
				siftdb.Access(db, []string{"", "scan", "always"}[round%3])
				from := ds
				if versions := versionsOf(t, ds); rng.IntN(3) == 0 {
					from = ds.At(versions[rng.IntN(len(versions))].ID)
				} else if rng.IntN(2) == 0 {
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, entryIDs(t, ds)[0], raws(fmt.Sprintf(`{"k":%s}`, value()))[0]))
				}
				foreign := []string{"data.k", "data.k", "data.u", "data.nowhere", "id"}[rng.IntN(5)]
				body := []string{`{}`, `{"limit":3}`, `{"where":{"k":{"$in":[1,2,"x"]}}}`}[rng.IntN(3)]
				for _, row := range lookupBoth(t, from, `{"$lookup":{"from":"many","localField":"data.k","foreignField":"`+foreign+`","as":"o"}}`, body) {
					if strings.Contains(row, `"o":[{`) {
						found++
					}
				}
			}
			if found == 0 {
				t.Error("no $lookup found anything")
			}
		})
	}
}

// TestLookupReadsLittle: where few entries look for others, a data source that is larger than
// what a pipeline may hold is no hindrance; and an index that would find them is advised.
func TestLookupReadsLittle(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: 256 << 10}})
	few, many := table(t, db, "few", `{"k":7}`, `{"k":1999}`, `{"k":5000}`), table(t, db, "many")
	var rows []any
	for i := range 2000 {
		rows = append(rows, siftdb.M{"k": i, "text": strings.Repeat("x", 300)})
	}
	must[siftdb.BulkResult](t)(many.Append(ctx, rows))
	const lookup = `{"$lookup":{"from":"many","localField":"data.k","foreignField":"data.k","as":"o"}},{"$project":{"n":{"$size":"$o"}}}`
	for _, indexed := range []bool{false, true} {
		if indexed {
			create(t, many, indexOn("k"))
		}
		aggTWants(t, few, `[`+lookup+`]`, `{}`, `{"n":1}`, `{"n":1}`, `{"n":0}`)
		if advice := must[[]siftdb.Advice](t)(many.Advise(ctx)); indexed != (len(advice) == 0) {
			t.Errorf("an index is there: %v, and advised is %v", indexed, advice)
		}
	}
	aggTFails(t, few, `[{"$facet":{"f":[`+lookup+`]}}]`, `{}`, siftdb.ErrTooLarge)
	aggTFails(t, many, `[{"$lookup":{"from":"many","localField":"data.k","foreignField":"data.k","as":"o"}}]`, `{}`, siftdb.ErrTooLarge)
}
