package siftdb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestJoinedEntriesReturnedAreNotHeld: joined entries that Find returns do not count against
// Limits.QueryBytes, whether a scan, an index or columns lead to them; nor does a single large
// one that is read before it is known who gets it.
func TestJoinedEntriesReturnedAreNotHeld(t *testing.T) {
	for name, test := range map[string]struct {
		each, one int // bytes of the joined entries, and of one of them
		required  bool
		byColumns bool
	}{
		"columns":              {each: 10_000, byColumns: true},
		"index":                {each: 10_000, required: true},
		"index, a large one":   {each: 10, one: 250_000, required: true},
		"columns, a large one": {each: 10, one: 250_000, byColumns: true},
	} {
		t.Run(name, func(t *testing.T) {
			db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: 200_000}})
			parents, others := table(t, db, "parents"), table(t, db, "others")
			var rows, joined []any
			for i := range 400 {
				for range 4 {
					rows = append(rows, siftdb.M{"who": fmt.Sprint("p", i), "n": i})
				}
				size := test.each
				if i == 7 {
					size = max(size, test.one)
				}
				joined = append(joined, siftdb.M{"key": fmt.Sprint("p", i), "text": strings.Repeat("x", size)})
			}
			must[siftdb.BulkResult](t)(parents.Append(ctx, rows))
			must[siftdb.BulkResult](t)(others.Append(ctx, joined))
			if test.byColumns {
				siftdb.ColumnsFrom(db, 1)
				must[[]*siftdb.Entry](t)(others.Find(ctx, siftdb.Query{Where: siftdb.M{"key": "p"}}))
			} else {
				create(t, parents, indexOn("n"))
				create(t, others, indexOn("key"))
			}
			q := siftdb.Query{Where: siftdb.M{"n": siftdb.M{"$lt": 25}},
				Joins: []siftdb.Join{{Name: "j", DataSourceID: others.ID(), On: siftdb.On{"who": "key"}, Required: test.required}}}
			for _, way := range []string{"scan", ""} {
				siftdb.Access(db, way)
				list := must[[]*siftdb.Entry](t)(parents.Find(ctx, q))
				if len(list) != 100 || len(list[99].Joined("j")) != 1 {
					t.Errorf("%q: %d entries", way, len(list))
				}
			}
			if n := siftdb.JoinsByColumns(parents); test.byColumns != (n > 0) {
				t.Errorf("%d sides were read from columns", n)
			}
			n := 0
			for e, err := range parents.Each(ctx, q) {
				if err != nil || len(e.Joined("j")) != 1 {
					t.Fatal(e, err)
				}
				n++
			}
			if n != 100 {
				t.Errorf("Each gives %d", n)
			}
		})
	}
}
