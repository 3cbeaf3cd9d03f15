package siftdb_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestNamesAreConfirmed writes rows with new columns from many goroutines, so that
// rows are encoded with numbers for their columns that others take first.
func TestNamesAreConfirmed(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "columns")
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 30 {
					row := siftdb.D{{Key: fmt.Sprintf("c%d-%d", w, i), Value: w}, {Key: "shared", Value: i}, {Key: fmt.Sprint("s", (w+i)%40), Value: "x"}}
					e, err := ds.Insert(ctx, row)
					if err != nil {
						t.Error(err)
						return
					}
					if e, err = ds.UpdateEntry(ctx, e.ID, siftdb.D{{Key: fmt.Sprintf("u%d-%d", i, w), Value: i}}); err != nil {
						t.Error(err)
						return
					}
					want := fmt.Sprintf(`{"c%d-%d":%d,"shared":%d,"s%d":"x","u%d-%d":%d}`, w, i, w, i, (w+i)%40, i, w, i)
					if got := string(e.JSON()); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				}
			})
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, e := range all(t, ds) {
			text := string(e.JSON())
			var w, i, n int
			if _, err := fmt.Sscanf(text, `{"c%d-%d":%d,`, &w, &i, &n); err != nil || n != w || e.Get("shared") != float64(i) || e.Get(fmt.Sprintf("u%d-%d", i, w)) != float64(i) {
				t.Errorf("entry %d reads %s", e.ID, text)
			}
			seen[text] = true
		}
		if len(seen) != 240 {
			t.Errorf("%d different entries, want 240", len(seen))
		}
	})
}

// TestManyColumns goes past the 4,096 names that a data source interns.
func TestManyColumns(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "wide")
		const width = 700
		for r := range 8 {
			row := make(siftdb.D, width)
			for i := range row {
				row[i] = siftdb.E{Key: fmt.Sprintf("column %d", r*width+i), Value: r*width + i}
			}
			row = append(row, siftdb.E{Key: "row", Value: r})
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, row))
			if r > 3 {
				must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"column 5": "low", "column 5000": "high", fmt.Sprint("late ", r): r}))
			}
		}
		columns := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns
		if distinct := slices.Compact(slices.Sorted(slices.Values(columns))); len(columns) != 8*width+1+4 || len(distinct) != len(columns) {
			t.Errorf("%d columns, %d of them distinct", len(columns), len(distinct))
		}
		for i := range 8 * width {
			q := siftdb.Query{Where: siftdb.M{fmt.Sprintf("column %d", i): i}}
			if i == 5000 {
				q.Where = `{"row":7}`
			}
			if i%97 != 0 && i != 5000 {
				continue
			}
			e := must[*siftdb.Entry](t)(ds.FindOne(ctx, q))
			if e == nil || e.Get("row") != float64(i/width) {
				t.Fatalf("column %d is not found", i)
			}
		}
		high := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: `{"column 5000":"high"}`, Order: siftdb.Order{siftdb.Desc("late 7"), siftdb.Desc("row")}, Attributes: []string{"row", "column 5000"}}))
		if got := strings.Join(texts(high), ""); !cmp.Equal(len(high), 4) || !strings.Contains(got, `"row":7`) || !strings.Contains(got, `"column 5000":"high"`) {
			t.Errorf("got %s", got)
		}
	})
}
