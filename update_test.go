package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestUpdateEntry is spec 2.2(2): keys sent replace whole columns, null is stored,
// the rest stays.
func TestUpdateEntry(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	for _, test := range []struct{ stored, sent, want string }{
		{`{"a":1,"b":{"x":1,"y":2},"c":[1]}`, `{"b":{"x":9}}`, `{"a":1,"b":{"x":9},"c":[1]}`},
		{`{"a":1,"b":2}`, `{"b":null}`, `{"a":1,"b":null}`},
		{`{"a":1,"b":2}`, `{"c":3,"a":4}`, `{"a":4,"b":2,"c":3}`},
		{`{"a":1}`, `{"a":1.0}`, `{"a":1.0}`},
		{`{"a":[1,2]}`, `{"a":[]}`, `{"a":[]}`},
		{`{"a.b":1,"a":{"b":2}}`, `{"a.b":3}`, `{"a.b":3,"a":{"b":2}}`},
		{`{}`, `{"id":5,"order":1}`, `{"id":5,"order":1}`},
	} {
		ds := table(t, db, "t", test.stored)
		before := all(t, ds)[0]
		clock.move(time.Second)
		after := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, before.ID, json.RawMessage(test.sent)))
		if got := string(after.JSON()); got != test.want {
			t.Errorf("%s with %s gives %s", test.stored, test.sent, got)
		}
		if !after.CreatedAt.Equal(before.CreatedAt) || !after.UpdatedAt.Equal(clock.read()) || after.Changed <= before.Changed || after.ID != before.ID || after.DataSourceID != ds.ID() {
			t.Errorf("%s with %s gives %s", test.stored, test.sent, asJSON(t, after))
		}
		if diff := cmp.Diff(asJSON(t, after), asJSON(t, must[*siftdb.Entry](t)(ds.FindByID(ctx, before.ID)))); diff != "" {
			t.Errorf("read again: %s", diff)
		}
	}
	// What changes nothing leaves times and versions alone (spec 8.2(9)).
	ds := table(t, db, "t", `{"a":1.0,"b":[{"x":null}]}`)
	before := portrait(t, db)
	clock.move(time.Second)
	for _, sent := range []string{`{}`, `{"a":1.0}`, `{"b":[{"x":null}],"a":1.0}`, `{"dataSourceId":7}`} {
		e := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, entryIDs(t, ds)[0], json.RawMessage(sent)))
		if string(e.JSON()) != `{"a":1.0,"b":[{"x":null}]}` {
			t.Errorf("%s gives %s", sent, e.JSON())
		}
	}
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("empty updates changed something: %s", diff)
	}
}

// TestUnknownEntries is spec 2.2(3) and (5).
func TestUnknownEntries(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"a":1}`, `{"a":2}`), table(t, db, "other", `{"a":1}`)
		gone := entryIDs(t, ds)[1]
		if err := ds.Remove(ctx, gone); err != nil {
			t.Fatal(err)
		}
		before := portrait(t, db)
		for _, id := range []int64{gone, entryIDs(t, other)[0], 0, -1, 999, 1 << 62} {
			_, err := ds.UpdateEntry(ctx, id, siftdb.M{"a": 9, "new column": 1})
			if e := fails(t, "update", err, siftdb.ErrNotFound); e.EntryID != id || e.DataSourceID != ds.ID() {
				t.Errorf("the error names %d of %d", e.EntryID, e.DataSourceID)
			}
			if e := fails(t, "remove", ds.Remove(ctx, id), siftdb.ErrNotFound); e.EntryID != id || e.DataSourceID != ds.ID() {
				t.Errorf("the error names %d of %d", e.EntryID, e.DataSourceID)
			}
			if id <= 0 {
				continue
			}
			_, err = ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"x": 1}}, {ID: id, Data: siftdb.M{}}}})
			if e := fails(t, "commit", err, siftdb.ErrInvalidInput); e.DataSourceID != ds.ID() || !strings.Contains(e.Message, fmt.Sprint(id)) {
				t.Errorf("the error does not list %d: %v", id, err)
			}
		}
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: -5, Data: siftdb.M{}}}})
		fails(t, "a negative id", err, siftdb.ErrInvalidInput)
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("refused writes changed something: %s", diff)
		}
	})
}

// TestCommitSteps is spec 8.2: what 8.4 does not show.
func TestCommitSteps(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	ds := table(t, db, "t", `{"a":1,"b":1}`, `{"a":2}`, `{"a":3}`, `{"a":4}`)
	before := all(t, ds)
	id := func(i int) int64 { return before[i].ID }
	clock.move(time.Second)
	r := must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Delete: []int64{id(2), id(2), 777, 0, -4}, ReturnEntries: true, Entries: []siftdb.CommitEntry{
		{Data: siftdb.M{"n": 1}, ClientID: "c1"},
		{ID: id(0), Data: json.RawMessage(`{"c":1}`)},
		{ID: id(0), Data: json.RawMessage(`{"c":2,"a":7}`), ClientID: "ignored"}, // the same id twice, in order
		{Data: siftdb.M{"n": 2}},
		{ID: id(1), Data: siftdb.M{"a": 2}},        // changes nothing
		{ID: id(2), Data: siftdb.M{"a": "gone"}},   // updated and deleted: deleted
		{ID: id(3), Data: siftdb.M{}, Order: -2.5}, // order alone is a change
		{Data: siftdb.M{"n": 3}, ClientID: "c1", Order: 1},
	}}, siftdb.WithSource("w"), siftdb.ByUser(siftdb.User{ID: 3, FirstName: "Ann"})))
	if got := strings.Join(texts(all(t, ds)), " "); got != `{"a":4} {"a":7,"b":1,"c":2} {"a":2} {"n":1} {"n":2} {"n":3}` {
		t.Errorf("got %s", got)
	}
	if diff := cmp.Diff(describeEntries(all(t, ds)), describeEntries(r.Entries)); diff != "" {
		t.Errorf("the commit returns other entries: %s", diff)
	}
	if len(r.Inserted) != 3 || !slices.IsSorted(r.Inserted) || r.Inserted[0] <= id(3) {
		t.Errorf("inserted %v", r.Inserted)
	}
	body := asJSON(t, &siftdb.CommitResult{ClientIDs: r.ClientIDs})
	if want := fmt.Sprintf(`{"clientIds":[{"clientId":"c1","id":%d},{"clientId":"c1","id":%d}]}`, r.Inserted[0], r.Inserted[2]); body != want {
		t.Errorf("client ids %s, want %s", body, want)
	}
	for i, moved := range map[int]bool{0: true, 1: false, 3: true} {
		e := must[*siftdb.Entry](t)(ds.FindByID(ctx, id(i)))
		if e.UpdatedAt.Equal(clock.read()) != moved || !e.CreatedAt.Equal(before[i].CreatedAt) || (e.Changed == r.Version) != moved {
			t.Errorf("entry %d: %s, changed by %d", i, asJSON(t, e), e.Changed)
		}
	}
	v := versionsOf(t, ds)[0]
	if v.ID != r.Version || v.Action != "commit" || v.Count != 4 || v.Inserted != 3 || v.Updated != 2 || v.Deleted != 1 || v.Source != "w" || v.User.FullName != "Ann" {
		t.Errorf("the commit left %+v", v)
	}
	// extend false: data become exactly what was sent, in its order.
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: id(0), Data: json.RawMessage(`{"z":1.0,"a":null}`)}}}))
	if got := string(must[*siftdb.Entry](t)(ds.FindByID(ctx, id(0))).JSON()); got != `{"z":1.0,"a":null}` {
		t.Errorf("replaced data are %s", got)
	}
	// Nothing changed at all: no version, also without append.
	stands := portrait(t, db)
	clock.move(time.Second)
	c := siftdb.Commit{Entries: []siftdb.CommitEntry{}}
	for _, e := range all(t, ds) {
		c.Entries = append(c.Entries, siftdb.CommitEntry{ID: e.ID, Data: json.RawMessage(e.JSON())})
	}
	for _, c := range []siftdb.Commit{c, {Delete: []int64{777}}, {Append: new(true)}, {Append: new(true), Entries: []siftdb.CommitEntry{}}} {
		if r := must[*siftdb.CommitResult](t)(ds.Commit(ctx, c)); r.Version != 0 {
			t.Errorf("%+v left version %d", c, r.Version)
		}
	}
	// Nothing is deleted by omission.
	for _, c := range []siftdb.Commit{{}, {Append: new(false)}, {Append: new(false), Delete: []int64{id(0)}}} {
		_, err := ds.Commit(ctx, c)
		if e := fails(t, fmt.Sprintf("%+v", c), err, siftdb.ErrInvalidInput); e.Path != "entries" {
			t.Errorf("the fault is at %q", e.Path)
		}
	}
	if diff := cmp.Diff(stands, portrait(t, db)); diff != "" {
		t.Errorf("something changed: %s", diff)
	}
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}}))
	if n := len(all(t, ds)); n != 0 {
		t.Errorf("an empty list leaves %d entries", n)
	}
}

// TestBulk is spec 2.3.
func TestBulk(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		r := must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"n": 2}, json.RawMessage(`{"id":1,"n":3}`), struct{ N int }{4}}))
		if got := strings.Join(texts(all(t, ds)), " "); got != `{"n":1} {"n":2} {"id":1,"n":3} {"N":4}` {
			t.Errorf("append leaves %s", got)
		}
		if !cmp.Equal(r.IDs, entryIDs(t, ds)[1:]) || versionsOf(t, ds)[0].ID != r.Version {
			t.Errorf("append returns %+v", r)
		}
		old := entryIDs(t, ds)
		r = must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(fmt.Sprintf(`{"id":%d}`, old[0]), `{"n":1}`)))
		if !cmp.Equal(r.IDs, entryIDs(t, ds)) || r.IDs[0] <= old[3] || len(r.IDs) != 2 {
			t.Errorf("replace returns %+v after %v", r, old)
		}
		if v := versionsOf(t, ds); v[0].ID != r.Version || v[0].Action != "import" || v[0].Count != 4 || v[0].Deleted != 4 || v[0].Inserted != 2 {
			t.Errorf("replace left %+v", v[0])
		}
		before := portrait(t, db)
		for _, rows := range [][]any{nil, {}} {
			if r := must[siftdb.BulkResult](t)(ds.Append(ctx, rows)); r.Version != 0 || len(r.IDs) != 0 {
				t.Errorf("no rows give %+v", r)
			}
		}
		for what, rows := range map[string][]any{"the last": {siftdb.M{}, siftdb.M{"c": 1}, []any{}}, "a nil": {siftdb.M{}, siftdb.M{}, nil}} {
			_, err := ds.Append(ctx, rows)
			if e := fails(t, what, err, siftdb.ErrInvalidInput); !strings.Contains(e.Message, "row 2") {
				t.Errorf("the message names no row: %v", err)
			}
			_, err = ds.ReplaceWith(ctx, rows)
			fails(t, what, err, siftdb.ErrInvalidInput)
		}
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("refused rows changed something: %s", diff)
		}
	})
}

// TestUpdateWherePatches changes every match: columns set, removed, or computed.
func TestUpdateWherePatches(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		double := func(e *siftdb.Entry) (any, error) {
			if e.Get("n") == 2.0 {
				return nil, nil
			}
			return siftdb.M{"n": 2 * e.Get("n").(float64), "by": e.ID > 0}, nil
		}
		for _, test := range []struct {
			where string
			patch siftdb.Patch
			n     int64
			want  string
		}{
			{`{}`, siftdb.Patch{Set: siftdb.M{"o": nil}}, 3, `{"n":1,"o":null} {"n":2,"o":null} {"n":3,"o":null}`},
			{`{"n":{"$gt":1}}`, siftdb.Patch{Set: json.RawMessage(`{"x":1.0}`)}, 2, `{"n":1,"o":{"p":1}} {"n":2,"o":{"p":2},"x":1.0} {"n":3,"x":1.0}`},
			{`{"n":9}`, siftdb.Patch{Set: siftdb.M{"unseen": 1}}, 0, `{"n":1,"o":{"p":1}} {"n":2,"o":{"p":2}} {"n":3}`},
			{`{}`, siftdb.Patch{Unset: []string{"o", "unknown"}}, 2, `{"n":1} {"n":2} {"n":3}`},
			{`{}`, siftdb.Patch{Unset: []string{"n"}, Set: siftdb.M{"n": 0}}, 3, `{"o":{"p":1},"n":0} {"o":{"p":2},"n":0} {"n":0}`},
			{`{}`, siftdb.Patch{Func: double}, 2, `{"n":2,"o":{"p":1},"by":true} {"n":2,"o":{"p":2}} {"n":6,"by":true}`},
			{`{}`, siftdb.Patch{Unset: []string{"o"}, Set: siftdb.M{"n": -1, "s": 1}, Func: double}, 2, `{"n":2,"s":1,"by":true} {"n":2,"o":{"p":2}} {"n":6,"s":1,"by":true}`},
			{`{}`, siftdb.Patch{Set: siftdb.M{"n": 2}}, 2, `{"n":2,"o":{"p":1}} {"n":2,"o":{"p":2}} {"n":2}`}, // one has it already
			{`{}`, siftdb.Patch{}, 0, `{"n":1,"o":{"p":1}} {"n":2,"o":{"p":2}} {"n":3}`},
			{`{}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) { return siftdb.M{}, nil }}, 0, `{"n":1,"o":{"p":1}} {"n":2,"o":{"p":2}} {"n":3}`},
		} {
			ds := table(t, db, "t", `{"n":1,"o":{"p":1}}`, `{"n":2,"o":{"p":2}}`, `{"n":3}`)
			n := must[int64](t)(ds.UpdateWhere(ctx, test.where, test.patch, siftdb.WithSource("uw")))
			if got := strings.Join(texts(all(t, ds)), " "); got != test.want || n != test.n {
				t.Errorf("%s %+v changes %d:\n%s, want %d:\n%s", test.where, test.patch, n, got, test.n, test.want)
			}
			list := versionsOf(t, ds)
			if len(list) != 1+int(min(n, 1)) || n > 0 && (list[0].Action != "update" || list[0].Updated != n || list[0].Source != "uw") {
				t.Errorf("%s left %+v", test.where, list[0])
			}
			if slices.Contains(infoOf(t, ds).Columns, "unseen") {
				t.Error("a column that nobody got is listed")
			}
		}
	})
}

// TestUpdateWhereConflict: the function is called again when a match was changed
// meanwhile, and after three tries the write is a conflict. What does not concern
// the matches does not disturb it.
func TestUpdateWhereConflict(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"n":1,"in":true}`, `{"n":2,"in":true}`, `{"n":3,"in":false}`), table(t, db, "other", `{}`)
		ids := entryIDs(t, ds)
		type meddling func(call int) error
		set := func(id int64, data siftdb.M) error { _, err := ds.UpdateEntry(ctx, id, data); return err }
		run := func(meddle meddling) (calls int, err error) {
			_, err = ds.UpdateWhere(ctx, `{"in":true}`, siftdb.Patch{Func: func(e *siftdb.Entry) (any, error) {
				if calls++; e.ID == ids[0] {
					if err := meddle(calls); err != nil {
						return nil, err
					}
				}
				return siftdb.M{"sum": e.Get("n").(float64) + 100}, nil
			}})
			return calls, err
		}
		once := func(do func() error) meddling {
			return func(call int) error {
				if call > 2 {
					return nil
				}
				return do()
			}
		}
		for what, test := range map[string]struct {
			meddle meddling
			calls  int
		}{
			"nobody":             {func(int) error { return nil }, 2},
			"another source":     {func(int) error { return set2(other) }, 2},
			"an entry outside":   {func(call int) error { return set(ids[2], siftdb.M{"n": call}) }, 2},
			"a match":            {once(func() error { return set(ids[1], siftdb.M{"n": 77}) }), 4},
			"the entry itself":   {once(func() error { return set(ids[0], siftdb.M{"n": 77}) }), 4},
			"into the matches":   {once(func() error { return set(ids[2], siftdb.M{"in": true}) }), 5},
			"a new entry inside": {once(func() error { _, err := ds.Insert(ctx, siftdb.M{"n": 9, "in": true}); return err }), 0},
		} {
			before := must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"n":1,"in":true}`, `{"n":2,"in":true}`, `{"n":3,"in":false}`)))
			ids = before.IDs
			calls, err := run(test.meddle)
			if err != nil || test.calls != 0 && calls != test.calls || test.calls == 0 && calls != 5 {
				t.Errorf("%s: %d calls, %v", what, calls, err)
			}
			for _, e := range all(t, ds) {
				if in := e.Get("in") == true; in && e.Get("sum") != e.Get("n").(float64)+100 || !in && e.Get("sum") != nil {
					t.Errorf("%s: leaves %s", what, e.JSON())
				}
			}
		}
		ids = must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"n":1,"in":true}`, `{"n":2,"in":true}`))).IDs
		calls, err := run(func(call int) error { return set(ids[1], siftdb.M{"n": 1000 + call}) })
		if e := fails(t, "three changes", err, siftdb.ErrConflict); calls != 6 || e.DataSourceID != ds.ID() {
			t.Errorf("%d calls, then %v", calls, err)
		}
		if got := strings.Join(texts(all(t, ds)), " "); got != `{"n":1,"in":true} {"n":1005,"in":true}` {
			t.Errorf("a conflict leaves %s", got)
		}

		// The function's own error passes through and changes nothing.
		stands := portrait(t, db)
		own := errors.New("my own error")
		n, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"x": 1}, Func: func(e *siftdb.Entry) (any, error) {
			if e.ID == ids[1] {
				return nil, own
			}
			return siftdb.M{"y": 1}, nil
		}})
		if !errors.Is(err, own) || n != 0 {
			t.Errorf("got %d, %v", n, err)
		}
		for what, patch := range map[string]siftdb.Patch{"set": {Set: []int{1}}, "func": {Func: func(*siftdb.Entry) (any, error) { return "text", nil }}, "value": {Set: siftdb.M{"a": func() {}}}} {
			_, err := ds.UpdateWhere(ctx, `{}`, patch)
			fails(t, what, err, siftdb.ErrInvalidInput)
		}
		if diff := cmp.Diff(stands, portrait(t, db)); diff != "" {
			t.Errorf("failures changed something: %s", diff)
		}
	})
}

func set2(ds *siftdb.DataSource) error {
	_, err := ds.Insert(ctx, siftdb.M{"in": true})
	return err
}
