package siftdb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestStagedColumnOverPath: a bulk write in several transactions brings a column whose name is
// the path of an indexed field. Whether it succeeds or not, indexes and their definitions are as
// after a write in one.
func TestStagedColumnOverPath(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace bool
		fails   bool // the last row is in conflict
	}{
		{"append", false, false}, {"append that fails", false, true}, {"replace", true, false}, {"replace that fails", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
			siftdb.StageAt(db, 2000, 2000, 10)
			ds := table(t, db, "x", `{"u": "taken", "a": {"b": 5}}`)
			create(t, ds, indexOn("a.b"), uniqueOn("u"))
			rows := []any{siftdb.M{"a.b": 7, "u": "same"}}
			for i := range 400 {
				rows = append(rows, siftdb.M{"a": siftdb.M{"b": i}, "u": i})
			}
			if c.fails {
				last := "taken"
				if c.replace {
					last = "same"
				}
				rows = append(rows, siftdb.M{"u": last})
			}
			write := ds.Append
			if c.replace {
				write = ds.ReplaceWith
			}
			if _, err := write(ctx, rows); c.fails != errors.Is(err, siftdb.ErrConflict) || !c.fails && err != nil {
				t.Fatalf("the write: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}

			db = fileDB(t, path, nil)
			ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
			create(t, ds, indexOn("p"), indexOn("q"), indexOn("r"), indexOn("s"))
			for i := range 5 {
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"p": i, "q": i, "r": i, "s": i, "u": fmt.Sprint("new", i)}))
			}
			for _, where := range []string{`{"r": 3}`, `{"a.b": 7}`, `{"a.b": 5}`, `{"u": 17}`} {
				siftdb.Access(db, "scan")
				want := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where}))
				siftdb.Access(db, "always")
				if got := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where})); got != want {
					t.Errorf("%s counts %d by index, and %d by scan", where, got, want)
				}
			}
			for _, x := range must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)) {
				if !x.Ready {
					create(t, ds, x.IndexSpec)
				}
			}
			if n := len(must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx))); n != 6 {
				t.Errorf("there are %d indexes", n)
			}
		})
	}
}
