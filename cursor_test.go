package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// shows describes a cursor: its page, its marks and what it holds.
func shows(c *siftdb.Cursor) string {
	marks := ""
	if c.IsFirstPage() {
		marks += "F"
	}
	if c.IsLastPage() {
		marks += "L"
	}
	numbers := make([]string, 0, len(c.Entries()))
	for _, e := range c.Entries() {
		numbers = append(numbers, fmt.Sprint(e.Get("n")))
	}
	return fmt.Sprintf("%d%s@%d/%d of %d: %s", c.CurrentPage(), marks, c.Offset(), c.Limit(), c.Total(), strings.Join(numbers, ","))
}

// TestCursorPages is spec 2.5.
func TestCursorPages(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		rows := make([]any, 25)
		for i := range rows {
			rows[i] = siftdb.M{"n": i, "even": i%2 == 0}
		}
		must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
		want := func(what string, c *siftdb.Cursor, want string) {
			t.Helper()
			if got := shows(c); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		update := func(c *siftdb.Cursor, keep bool) {
			t.Helper()
			if err := c.Update(ctx, keep); err != nil {
				t.Fatal(err)
			}
		}
		c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{}))
		want("ten by default, page 0 at once", c, "0F@0/10 of 25: 0,1,2,3,4,5,6,7,8,9")
		c = must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"even":true}`, Order: siftdb.Order{siftdb.Desc("n")}, Limit: new(5), Attributes: []string{"n"}}))
		want("a query", c, "0F@0/5 of 13: 24,22,20,18,16")
		c.Prev()
		want("Prev on the first page", c, "0F@0/5 of 13: 24,22,20,18,16")
		c.Next()
		want("Next only moves", c, "1@5/5 of 13: 24,22,20,18,16")
		update(c, false)
		want("Update replaces", c, "1@5/5 of 13: 14,12,10,8,6")
		c.Next()
		update(c, true)
		want("Update keeps", c, "2L@10/5 of 13: 14,12,10,8,6,4,2,0")
		c.Next()
		want("Next on the last page", c, "2L@10/5 of 13: 14,12,10,8,6,4,2,0")
		c.Prev()
		update(c, false)
		want("Prev", c, "1@5/5 of 13: 14,12,10,8,6")
		for page, at := range map[int]int{-1: 0, math.MinInt: 0, 0: 0, 2: 2, 3: 2, 1000: 2, math.MaxInt: 2} {
			if c.SetPage(page); c.CurrentPage() != at {
				t.Errorf("SetPage(%d) goes to %d, want %d", page, c.CurrentPage(), at)
			}
		}
		c.SetOffset(6)
		want("SetOffset", c, "1@5/5 of 13: 14,12,10,8,6")
		c.SetOffset(-3)
		if c.Offset() != 0 {
			t.Errorf("a negative offset goes to %d", c.Offset())
		}
		c.SetOffset(11)
		c.SetLimit(4)
		update(c, false)
		want("SetLimit stays with the first entry", c, "2@8/4 of 13: 8,6,4,2")
		c.SetLimit(0)
		if c.Limit() != 1 {
			t.Errorf("a limit of 0 is taken as %d", c.Limit())
		}
		c.SetLimit(math.MaxInt)
		update(c, false)
		if c.CurrentPage() != 0 || !c.IsLastPage() || len(c.Entries()) != 13 {
			t.Errorf("one page of everything: %s", shows(c))
		}
		c.SetLimit(5)
		c.SetPage(2)
		c.SetQuery(siftdb.Query{Where: `{"even":false}`, Limit: new(99), Offset: 7})
		update(c, false)
		want("SetQuery", c, "0F@0/5 of 12: 1,3,5,7,9")
		if got := c.Query().Where; got != `{"even":false}` {
			t.Errorf("Query is %v", got)
		}

		// The total belongs to the page: both are of one snapshot, taken anew by Update.
		c.SetPage(2)
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, rows[:8]))
		want("not before Update", c, "2L@10/5 of 12: 1,3,5,7,9")
		update(c, false)
		want("a page beyond the end is the last", c, "2L@10/5 of 4: ")
		c.SetPage(2)
		update(c, false)
		want("and SetPage clamps", c, "0FL@0/5 of 4: 1,3,5,7")
		c.SetLimit(2)
		c.SetPage(1)
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, nil))
		update(c, false)
		if !c.IsFirstPage() || !c.IsLastPage() {
			t.Errorf("an empty result is both first and last page, not %s", shows(c))
		}
		empty := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"n":-1}`, Limit: new(3)}))
		want("nothing", empty, "0FL@0/3 of 0: ")
		empty.Next()
		empty.SetPage(4)
		want("nothing to go to", empty, "0FL@0/3 of 0: ")

		must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
		offset := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Offset: 7, Limit: new(5)}))
		want("the page that holds the offset", offset, "1@5/5 of 25: 5,6,7,8,9")
		exact := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Limit: new(25)}))
		if !exact.IsLastPage() {
			t.Error("offset + limit = total is not the last page")
		}
		old := must[*siftdb.Cursor](t)(ds.At(versionsOf(t, ds)[1].ID).Cursor(ctx, siftdb.Query{Limit: new(3), Offset: 6}))
		want("of a version", old, "2L@6/3 of 8: 6,7")
	})
}

// TestCursorErrors: a query that cannot be paged is refused, and a failed Update
// leaves the cursor as it was.
func TestCursorErrors(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"n":1}`, `{"n":2}`)
	for _, q := range []siftdb.Query{{Limit: new(0)}, {Limit: new(-1)}, {Offset: -1}, {Type: "delete", Where: `{}`}, {CountOnly: true}, {Where: `{"n":{"$foo":1}}`}} {
		c, err := ds.Cursor(ctx, q)
		fails(t, fmt.Sprintf("%+v", q), err, siftdb.ErrInvalidQuery)
		if c != nil && err != nil && c.Entries() != nil {
			t.Errorf("%+v gives a filled cursor with its error", q)
		}
	}
	c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Limit: new(1)}))
	c.Next()
	before := shows(c)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Update(cancelled, true); !errors.Is(err, context.Canceled) || shows(c) != before {
		t.Errorf("a failed update gives %v and leaves %s", err, shows(c))
	}
	c.SetQuery(siftdb.Query{Type: "delete", Where: `{}`})
	fails(t, "a cursor over a delete", c.Update(ctx, false), siftdb.ErrInvalidQuery)
	if n := len(all(t, ds)); n != 2 {
		t.Errorf("a cursor deleted entries: %d are left", n)
	}
}
