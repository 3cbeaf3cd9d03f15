package siftdb

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestColumnsDivided reads columns on all cores, of entries some of which have an order of their
// own: they answer as a scan does.
func TestColumnsDivided(t *testing.T) {
	db, list := columnDB(t, 16<<20, 1, dividedBuild+3000)
	ds := list[0]
	c := Commit{Append: new(true)}
	for i := range 40 {
		c.Entries = append(c.Entries, CommitEntry{Data: M{"n": i % 7, "text": fmt.Sprint("late ", i)}, Order: i%9 - 4})
	}
	if _, err := ds.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	ids := func(q Query) (ids []int64) {
		t.Helper()
		entries, err := ds.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		return ids
	}
	for _, q := range []Query{
		{Where: `{"n":{"$lt":2},"other":1}`},
		{Where: `{"text":{"$gte":"text 19"}}`},
		{Where: `{"n":3}`, Order: Order{Desc("text")}, Limit: new(200)},
		{Where: `{"other":{"$exists":false}}`},
		{Order: Order{Asc("n"), Desc("text")}, Offset: 5000, Limit: new(300)},
	} {
		ForgetColumns(ds)
		want := ids(q)
		ids(q)
		if plan, err := ds.Explain(t.Context(), q); err != nil || !strings.Contains(plan.String(), "columns  ") || len(want) == 0 {
			t.Fatalf("%v finds %d by %v, %v", q.Where, len(want), plan, err)
		}
		if got := ids(q); !slices.Equal(got, want) {
			t.Errorf("%v finds other entries by columns", q.Where)
		}
	}
	if db.columns.bytes > 16<<20 || db.columns.builds != 0 {
		t.Errorf("%d bytes, %d are being read", db.columns.bytes, db.columns.builds)
	}
}

// TestColumnsDividedBesideWriter has columns read again and again while somebody writes: no answer is
// of a state that never was.
func TestColumnsDividedBesideWriter(t *testing.T) {
	_, list := columnDB(t, 16<<20, 1, dividedBuild)
	ds := list[0]
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			// As many entries leave 3 as come to it.
			if _, err := ds.UpdateWhere(t.Context(), fmt.Sprintf(`{"text":{"$in":["text %d","text %d"]}}`, 7*(i%200)+3, 7*(i%200)+4),
				Patch{Set: M{"n": 3}}); err != nil {
				t.Error(err)
				return
			}
			if _, err := ds.UpdateWhere(t.Context(), fmt.Sprintf(`{"text":"text %d"}`, 7*(i%200)+4), Patch{Set: M{"n": 4}}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	least := int64((dividedBuild + 3) / 7) // of 3, and at times one of 4 is among them
	for range 12 {
		ForgetColumns(ds)
		for range 3 {
			if n := count(t, ds, `{"n":3}`, 1); n < least-1 || n > least+1 {
				t.Errorf("%d entries, not about %d", n, least)
			}
			if n := count(t, ds, `{"n":{"$in":[3,4]}}`, 1); n != int64((dividedBuild+3)/7+(dividedBuild+2)/7) {
				t.Errorf("%d entries of two values", n)
			}
		}
	}
	close(stop)
	wg.Wait()
}
