package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// subTSub is a subscription whose calls go to a channel.
type subTSub struct {
	*siftdb.Subscription
	calls chan siftdb.Changes
}

func subTStart(t testing.TB, ds *siftdb.DataSource, options siftdb.SubscribeOptions) *subTSub {
	t.Helper()
	s := &subTSub{calls: make(chan siftdb.Changes, 1000)}
	s.Subscription = must[*siftdb.Subscription](t)(ds.Subscribe(ctx, options, func(c siftdb.Changes) { s.calls <- c }))
	return s
}

// next is the next call, described.
func (s *subTSub) next(t testing.TB) string {
	t.Helper()
	return subTCall(feedTWait(t, "a call", s.calls))
}

func (s *subTSub) expect(t testing.TB, what, want string) {
	t.Helper()
	if got := s.next(t); got != want {
		t.Errorf("%s is told as\n%s\nwant\n%s", what, got, want)
	}
}

// subTCall describes a call: + inserted, ~ updated, - deleted; of the ones that left
// the scope only the id.
func subTCall(c siftdb.Changes) string {
	parts := []string{fmt.Sprint(c.Version)}
	for i, list := range [][]*siftdb.Entry{c.Inserted, c.Updated, c.Deleted} {
		for _, e := range list {
			text := string("+~-"[i]) + fmt.Sprint(e.ID)
			if !e.CreatedAt.IsZero() || len(e.Map()) > 0 {
				text += string(e.JSON())
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

func subTClosed(t testing.TB, what string, s *siftdb.Subscription) error {
	t.Helper()
	feedTWait(t, "the end of "+what, s.Done())
	if s.Status() != siftdb.SubscriptionEnded {
		t.Errorf("%s has ended and is %s", what, s.Status())
	}
	return s.Err()
}

// subTModel is what one write must be told as, worked out from the entries before and
// after it; empty for no call.
func subTModel(version int64, before, after []*siftdb.Entry, in func(*siftdb.Entry) bool, events []siftdb.EventKind) string {
	c := siftdb.Changes{Version: version}
	was, is := make(map[int64]*siftdb.Entry), make(map[int64]*siftdb.Entry)
	for _, e := range before {
		was[e.ID] = e
	}
	for _, e := range after {
		is[e.ID] = e
	}
	wants := func(k siftdb.EventKind) bool { return events == nil || slices.Contains(events, k) }
	ids := maps.Clone(was)
	maps.Copy(ids, is)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		a, b := was[id], is[id]
		inA, inB := a != nil && in(a), b != nil && in(b)
		switch {
		case a != nil && b != nil && a.Changed == b.Changed:
		case !inA && inB && wants(siftdb.InsertEvent):
			c.Inserted = append(c.Inserted, b)
		case inA && inB && wants(siftdb.UpdateEvent):
			c.Updated = append(c.Updated, b)
		case inA && b == nil && wants(siftdb.DeleteEvent):
			c.Deleted = append(c.Deleted, a)
		case inA && !inB && wants(siftdb.DeleteEvent):
			c.Deleted = append(c.Deleted, &siftdb.Entry{ID: id})
		}
	}
	if len(c.Inserted)+len(c.Updated)+len(c.Deleted) == 0 {
		return ""
	}
	return subTCall(c)
}

// TestSubscribeToEveryWrite is spec 2.6.1, 2.6.2 and 2.6.5: every kind of write, told
// to every kind of subscription, one call each and never an empty one.
func TestSubscribeToEveryWrite(t *testing.T) {
	number := func(e *siftdb.Entry) float64 { n, _ := e.Get("n").(float64); return n }
	every := func(*siftdb.Entry) bool { return true }
	scopes := []struct {
		name    string
		options siftdb.SubscribeOptions
		in      func(*siftdb.Entry) bool
	}{
		{"all", siftdb.SubscribeOptions{}, every},
		{"inserts", siftdb.SubscribeOptions{Events: []siftdb.EventKind{"insert"}}, every},
		{"updates", siftdb.SubscribeOptions{Events: []siftdb.EventKind{"update"}}, every},
		{"deletes", siftdb.SubscribeOptions{Events: []siftdb.EventKind{"delete", "delete"}}, every},
		{"two kinds", siftdb.SubscribeOptions{Events: []siftdb.EventKind{"delete", "insert"}}, every},
		{"one entry", siftdb.SubscribeOptions{ID: 2}, func(e *siftdb.Entry) bool { return e.ID == 2 }},
		{"where", siftdb.SubscribeOptions{Where: `{"n":{"$gte":30}}`}, func(e *siftdb.Entry) bool { return number(e) >= 30 }},
		{"where, as a map", siftdb.SubscribeOptions{Where: siftdb.M{"n": siftdb.M{"$lt": 30}}, Events: []siftdb.EventKind{"insert", "update"}},
			func(e *siftdb.Entry) bool { return e.Get("n") != nil && number(e) < 30 }},
		{"one entry and where", siftdb.SubscribeOptions{ID: 2, Where: `{"n":{"$gt":2}}`}, func(e *siftdb.Entry) bool { return e.ID == 2 && number(e) > 2 }},
		{"id in where", siftdb.SubscribeOptions{Where: `{"id":{"$gt":5}}`}, func(e *siftdb.Entry) bool { return e.ID > 5 }},
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`)
		other := table(t, db, "other", `{"n":40}`)
		subs := make([]*subTSub, len(scopes))
		want := make([][]string, len(scopes))
		for i, s := range scopes {
			subs[i] = subTStart(t, ds, s.options)
		}
		before := all(t, ds)
		for i, op := range feedTOps {
			must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": 100 + i}))
			if err := op.run(db, ds, other, entryIDs(t, ds), versionsOf(t, ds)); err != nil {
				t.Fatalf("operation %d: %v", i, err)
			}
			after := all(t, ds)
			for k, s := range scopes {
				if call := subTModel(versionsOf(t, ds)[0].ID, before, after, s.in, s.options.Events); call != "" {
					want[k] = append(want[k], call)
				}
			}
			before = after
		}
		for k, s := range scopes {
			var got []string
			for range want[k] {
				got = append(got, subs[k].next(t))
			}
			if diff := cmp.Diff(want[k], got); diff != "" || len(got) < 2 {
				t.Errorf("%s: %d calls: %s", s.name, len(got), diff)
			}
			subs[k].Unsubscribe()
			if err := subTClosed(t, s.name, subs[k].Subscription); err != nil || len(subs[k].calls) > 0 {
				t.Errorf("%s ends with %v and %d more calls", s.name, err, len(subs[k].calls))
			}
		}
	})
}

// TestSubscribeLists: lists of events not asked for are absent; entries are full,
// those that left have their two ids and nothing else.
func TestSubscribeLists(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1,"x":[1.50]}`, `{"n":5}`)
		ids := entryIDs(t, ds)
		s := subTStart(t, ds, siftdb.SubscribeOptions{Where: `{"n":{"$lt":9}}`})
		last := must[*siftdb.Entry](t)(ds.FindByID(ctx, ids[0]))
		left := siftdb.Commit{Append: new(true), Extend: true, Delete: ids[:1], Entries: []siftdb.CommitEntry{{ID: ids[1], Data: siftdb.M{"n": 10}, Order: 4}}}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, left))
		c := feedTWait(t, "a call", s.calls)
		if len(c.Deleted) != 2 || c.Inserted != nil || c.Updated != nil || feedTEntry(c.Deleted[0]) != feedTEntry(last) {
			t.Fatalf("told as %+v", c)
		}
		gone := c.Deleted[1]
		if diff := cmp.Diff(siftdb.Entry{ID: ids[1], DataSourceID: ds.ID()}, *gone, cmpopts.IgnoreUnexported(siftdb.Entry{})); diff != "" {
			t.Errorf("what left has more than its ids: %s", diff)
		}
		if len(gone.Map()) > 0 || gone.Get("n") != nil || !json.Valid([]byte(asJSON(t, gone))) || !strings.Contains(asJSON(t, gone), `"data":{}`) {
			t.Errorf("what left shows data: %s", asJSON(t, gone))
		}
		if text := asJSON(t, c); strings.Contains(text, "inserted") || strings.Contains(text, "updated\"") || !strings.HasPrefix(text, fmt.Sprintf(`{"version":%d,"deleted":[{"id":%d,`, c.Version, ids[0])) {
			t.Errorf("as JSON: %s", text)
		}
		e := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[1], siftdb.M{"n": 2}))
		if c = feedTWait(t, "a call", s.calls); len(c.Inserted) != 1 || feedTEntry(c.Inserted[0]) != feedTEntry(e) || c.Updated != nil || c.Deleted != nil || c.Version != e.Changed {
			t.Errorf("what came back is told as %+v", c)
		}
	})
}

// TestSubscribeByCursor: its where and its views count, its page does not.
func TestSubscribeByCursor(t *testing.T) {
	views := json.RawMessage(`{"views":[{"name":"mine","filter":{"owner":"session.Email"}},{"name":"big","filter":{"n":{"$gt":10}}}]}`)
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: views, Entries: raws(`{"n":1,"owner":"ann"}`, `{"n":2,"owner":"bob"}`)}))
		ann, bob := &security.Session{User: siftdb.M{"Email": "ann"}}, &security.Session{User: siftdb.M{"Email": "bob"}}
		page := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"n":{"$gte":2}}`, Limit: new(1), Offset: 5, Order: siftdb.Order{siftdb.Desc("n")}, Attributes: []string{"owner"}}))
		mine := must[*siftdb.Cursor](t)(ds.WithSession(ann).Cursor(ctx, siftdb.Query{Views: []string{"mine", "big"}, Where: `{"n":{"$ne":4}}`}))
		wheres := map[string]*subTSub{
			"where":              subTStart(t, ds, siftdb.SubscribeOptions{Cursor: page}),
			"views":              subTStart(t, ds.WithSession(ann), siftdb.SubscribeOptions{Cursor: mine}),
			"the cursor's own":   subTStart(t, ds, siftdb.SubscribeOptions{Cursor: mine}),
			"views alone":        subTStart(t, ds.WithSession(bob), siftdb.SubscribeOptions{Views: []string{"mine"}}),
			"nobody's view":      subTStart(t, ds, siftdb.SubscribeOptions{Views: []string{"mine"}}),
			"view and where":     subTStart(t, ds.WithSession(ann), siftdb.SubscribeOptions{Views: []string{"mine"}, Where: `{"n":{"$lt":5}}`}),
			"session of context": {calls: make(chan siftdb.Changes, 100)},
		}
		c := wheres["session of context"]
		c.Subscription = must[*siftdb.Subscription](t)(ds.Subscribe(siftdb.ContextWithSession(ctx, bob), siftdb.SubscribeOptions{Views: []string{"mine"}}, func(x siftdb.Changes) { c.calls <- x }))
		want := make(map[string][]string)
		note := func(text string, names ...string) {
			for _, name := range names {
				want[name] = append(want[name], text)
			}
		}
		insert := func(data string) string {
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(data)))
			return fmt.Sprintf("%d +%d%s", e.Changed, e.ID, data)
		}
		note(insert(`{"n":3,"owner":"ann"}`), "where", "views", "the cursor's own", "view and where")
		note(insert(`{"n":4,"owner":"ann"}`), "where", "view and where")
		note(insert(`{"n":5,"owner":"bob"}`), "where", "views alone", "session of context")
		note(insert(`{"n":11,"owner":"eve"}`), "where", "views", "the cursor's own")
		note(insert(`{"n":0,"owner":"session.Email"}`))
		note(insert(`{"n":12,"owner":"bob"}`), "where", "views", "the cursor's own", "views alone", "session of context")
		note(insert(`{"n":1,"owner":null}`))
		note(insert(`{"n":1,"owner":"ann"}`), "views", "the cursor's own", "view and where")
		for name, s := range wheres {
			var got []string
			for late := false; len(got) < len(want[name]) && !late; {
				select {
				case c := <-s.calls:
					got = append(got, subTCall(c))
				case <-time.After(feedTDeadline):
					late = true
				}
			}
			s.Unsubscribe()
			if err := subTClosed(t, name, s.Subscription); err != nil || len(s.calls) > 0 {
				t.Errorf("%s ends with %v, and %d calls too many", name, err, len(s.calls))
			}
			if diff := cmp.Diff(want[name], got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

// TestSubscribeRefuses bad options, when subscribing and in UpdateOptions, which then
// changes nothing.
func TestSubscribeRefuses(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"n":1}`), table(t, db, "other", `{"n":1}`)
		page := func(ds *siftdb.DataSource) *siftdb.Cursor {
			return must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"n":1}`}))
		}
		foreign := table(t, memoryDB(t, nil), "t", `{"n":1}`)
		s := subTStart(t, ds, siftdb.SubscribeOptions{Where: `{"n":7}`})
		for what, options := range map[string]siftdb.SubscribeOptions{
			"an unknown event":                {Events: []siftdb.EventKind{"insert", "select"}},
			"an empty event":                  {Events: []siftdb.EventKind{""}},
			"a where with an operator":        {Where: `{"n":{"$nope":1}}`},
			"a where that is no JSON":         {Where: `{`},
			"a where that is null":            {Where: `null`},
			"a where of another type":         {Where: 5},
			"a negative id":                   {ID: -1},
			"an unknown view":                 {Views: []string{"none"}},
			"a cursor and a where":            {Cursor: page(ds), Where: `{"n":1}`},
			"a cursor and a view":             {Cursor: page(ds), Views: []string{"v"}},
			"a cursor of another data source": {Cursor: page(other)},
			"a cursor of another database":    {Cursor: page(foreign)},
		} {
			sub, err := ds.Subscribe(ctx, options, func(siftdb.Changes) {})
			fails(t, what, err, siftdb.ErrInvalidQuery)
			if sub != nil {
				t.Errorf("%s: a subscription is returned", what)
			}
			fails(t, what+" later", s.UpdateOptions(ctx, options), siftdb.ErrInvalidQuery)
		}
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 7}))
		s.expect(t, "an insert after options that were refused", fmt.Sprintf(`%d +%d{"n":7}`, e.Changed, e.ID))
		v, none := versionsOf(t, ds)[0].ID, func(siftdb.Changes) {}
		_, err := ds.Subscribe(ctx, siftdb.SubscribeOptions{}, nil)
		fails(t, "no callback", err, siftdb.ErrInvalidInput)
		_, err = ds.At(v).Subscribe(ctx, siftdb.SubscribeOptions{}, none)
		fails(t, "a handle on an old version", err, siftdb.ErrInvalidInput)
		_, err = ds.AtTime(time.Now()).Subscribe(ctx, siftdb.SubscribeOptions{}, none)
		fails(t, "a handle on an old time", err, siftdb.ErrInvalidInput)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err = ds.Subscribe(ended, siftdb.SubscribeOptions{}, none); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended gives %v", err)
		}
		if err := other.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		_, err = other.Subscribe(ctx, siftdb.SubscribeOptions{}, none)
		fails(t, "a data source in the trash", err, siftdb.ErrNotFound)
	})
	db := must[*siftdb.DB](t)(siftdb.OpenMemory(nil))
	ds := table(t, db, "t")
	db.Close()
	_, err := ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(siftdb.Changes) {})
	fails(t, "a closed database", err, siftdb.ErrClosed)
}

// TestSubscribeScope is IsInScope, and UpdateOptions.
func TestSubscribeScope(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"n":1,"m":1}`, `{"n":5}`, `{"n":9}`), table(t, db, "other", `{"n":5}`)
		if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"views":[{"name":"v","filter":{"n":{"$gt":"session.low"}}}]}`)}); err != nil {
			t.Fatal(err)
		}
		entries := all(t, ds)
		s := subTStart(t, ds.WithSession(&security.Session{Values: siftdb.M{"low": 4}}), siftdb.SubscribeOptions{})
		shows := func() (out string) {
			for _, e := range entries {
				out += map[bool]string{true: "x", false: "."}[s.IsInScope(e)]
			}
			return out
		}
		page := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Where: `{"n":{"$in":[1,9]}}`, Limit: new(1)}))
		for _, test := range []struct {
			options siftdb.SubscribeOptions
			want    string
		}{
			{siftdb.SubscribeOptions{Where: `{"n":{"$gte":5}}`}, ".xx"},
			{siftdb.SubscribeOptions{Where: `{"m":null}`}, ".xx"},
			{siftdb.SubscribeOptions{ID: entries[0].ID}, "x.."},
			{siftdb.SubscribeOptions{ID: entries[1].ID, Where: `{"n":{"$gt":5}}`}, "..."},
			{siftdb.SubscribeOptions{Where: siftdb.M{"id": entries[2].ID}, Events: []siftdb.EventKind{"delete"}}, "..x"},
			{siftdb.SubscribeOptions{Views: []string{"v"}}, ".xx"},
			{siftdb.SubscribeOptions{Cursor: page}, "x.x"},
			{siftdb.SubscribeOptions{}, "xxx"},
		} {
			if err := s.UpdateOptions(ctx, test.options); err != nil {
				t.Fatal(err)
			}
			if got := shows(); got != test.want {
				t.Errorf("%+v: in scope are %s, want %s", test.options, got, test.want)
			}
		}
		if err := s.UpdateOptions(ctx, siftdb.SubscribeOptions{Where: `{"n":5}`, Events: []siftdb.EventKind{"update"}}); err != nil {
			t.Fatal(err)
		}
		old := entries[1]
		now := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, old.ID, siftdb.M{"n": 6}))
		if !s.IsInScope(old) || s.IsInScope(now) || s.IsInScope(nil) || s.IsInScope(all(t, other)[0]) || s.IsInScope(&siftdb.Entry{}) || s.IsInScope(&siftdb.Entry{ID: old.ID, DataSourceID: ds.ID()}) {
			t.Error("an entry is not judged as it is given")
		}
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, old.ID, siftdb.M{"n": 5}))
		now = must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, old.ID, siftdb.M{"late": true}))
		s.expect(t, "the only update in scope", fmt.Sprintf("%d ~%d%s", now.Changed, now.ID, now.JSON()))
		s.Unsubscribe()
		subTClosed(t, "it", s.Subscription)
		if !s.IsInScope(now) || s.IsInScope(entries[0]) {
			t.Error("the scope is gone with the end")
		}
	})
}

// TestSubscribePause is spec 2.6.4: what was missed comes in one call on resume,
// merged for each entry; what was not, as always.
func TestSubscribePause(t *testing.T) {
	// The clock stands, so that what is changed back is as it was, and nothing to tell.
	retained(t, siftdb.Retention{}, 0, func(t *testing.T, db *siftdb.DB, _ *handClock) {
		ds := table(t, db, "t", `{"n":1,"k":"update, delete"}`, `{"n":1,"k":"delete, restore"}`, `{"n":1,"k":"out, in"}`, `{"n":1,"k":"out, delete"}`,
			`{"n":1,"k":"update, out"}`, `{"n":1,"k":"twice"}`, `{"n":0,"k":"in, out"}`, `{"n":0,"k":"in, twice"}`, `{"n":1,"k":"never"}`, `{"n":1,"k":"changed back"}`)
		id := entryIDs(t, ds)
		s, witness := subTStart(t, ds, siftdb.SubscribeOptions{Where: `{"n":{"$gt":0}}`}), subTStart(t, ds, siftdb.SubscribeOptions{})
		set := func(i int, n any) *siftdb.Entry {
			return must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id[i], siftdb.M{"n": n}))
		}
		e := set(0, 2)
		s.expect(t, "a write before the pause", fmt.Sprintf("%d ~%d%s", e.Changed, e.ID, e.JSON()))
		s.Resume() // is not paused
		if s.Pause(); s.Status() != "paused" || s.Err() != nil {
			t.Errorf("paused it is %s, %v", s.Status(), s.Err())
		}
		s.Pause()
		for i, step := range []func(){
			func() { set(0, 3) }, func() { must[int64](t)(0, ds.Remove(ctx, id[0])) },
			func() { must[int64](t)(0, ds.Remove(ctx, id[1])) }, func() { must[int64](t)(ds.Restore(ctx, versionsOf(t, ds)[0].ID)) },
			func() { set(2, 0) }, func() { set(2, 4) }, func() { set(3, 0) }, func() { must[int64](t)(0, ds.Remove(ctx, id[3])) },
			func() { set(4, 5) }, func() { set(4, -1) }, func() { set(5, 6) }, func() { set(5, 7) }, func() { set(6, 8) }, func() { set(6, 0) },
			func() { set(7, 8) }, func() { set(7, 9) }, func() { set(9, 0) }, func() { set(9, 1) },
		} {
			step()
			if witness.next(t); len(s.calls) > 0 {
				t.Fatalf("step %d is told while paused", i)
			}
		}
		stays := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1, "k": "insert, update"}))
		stays = must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, stays.ID, siftdb.M{"n": 2}))
		goes := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1, "k": "insert, delete"}))
		must[int64](t)(0, ds.Remove(ctx, goes.ID))
		out := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1, "k": "insert, out"}))
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, out.ID, siftdb.M{"n": 0}))
		last := versionsOf(t, ds)[0].ID
		if s.Resume(); s.Status() != "active" {
			t.Errorf("resumed it is %s", s.Status())
		}
		s.Resume()
		c := feedTWait(t, "what was missed", s.calls)
		if len(c.Deleted) == 3 && c.Deleted[1].ID == id[3] {
			c.Deleted[1] = &siftdb.Entry{ID: id[3]} // with its last state or without: it left, and then was deleted
		}
		want := fmt.Sprintf(`%d +%d{"n":9,"k":"in, twice"} +%d{"k":"insert, update","n":2} ~%d{"n":1,"k":"delete, restore"} ~%d{"n":4,"k":"out, in"} ~%d{"n":7,"k":"twice"} ~%d{"n":1,"k":"changed back"} -%d{"n":3,"k":"update, delete"} -%d -%d`,
			last, id[7], stays.ID, id[1], id[2], id[5], id[9], id[0], id[3], id[4])
		if got := subTCall(c); got != want {
			t.Errorf("the merged call is\n%s\nwant\n%s", got, want)
		}
		for i := range 3 { // and then each write again
			e := set(5, 10+i)
			s.expect(t, "a write afterwards", fmt.Sprintf("%d ~%d%s", e.Changed, e.ID, e.JSON()))
		}
		s.Pause()
		goes = must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1}))
		must[int64](t)(0, ds.Remove(ctx, goes.ID))
		s.Resume() // nothing is left to tell
		s.Pause()
		s.Resume()
		e = set(5, 20)
		s.expect(t, "a write after nothing", fmt.Sprintf("%d ~%d%s", e.Changed, e.ID, e.JSON()))
	})
}

// TestSubscribeCallbacks: what a callback may do: unsubscribe, pause, resume, change
// options, write to the same data source, read it, subscribe; and panic.
func TestSubscribeCallbacks(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":0}`)
		id := entryIDs(t, ds)[0]
		witness := subTStart(t, ds, siftdb.SubscribeOptions{Where: `{"n":{"$gte":0}}`})
		write := func(n int) {
			t.Helper()
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": n}))
			witness.next(t)
		}
		// subscribe makes a subscription whose callback gets itself.
		subscribe := func(do func(s *siftdb.Subscription, c siftdb.Changes)) *subTSub {
			s, self := &subTSub{calls: make(chan siftdb.Changes, 1000)}, make(chan *siftdb.Subscription, 1)
			s.Subscription = must[*siftdb.Subscription](t)(ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(c siftdb.Changes) {
				me := <-self
				self <- me
				defer func() { s.calls <- c }()
				do(me, c)
			}))
			self <- s.Subscription
			return s
		}
		once := subscribe(func(s *siftdb.Subscription, _ siftdb.Changes) { s.Unsubscribe(); s.Unsubscribe() })
		panics := subscribe(func(*siftdb.Subscription, siftdb.Changes) { panic("from the callback") })
		exits := subscribe(func(*siftdb.Subscription, siftdb.Changes) { runtime.Goexit() })
		write(1)
		write(2)
		if err := subTClosed(t, "one that unsubscribes", once.Subscription); err != nil || len(once.calls) != 1 {
			t.Errorf("after Unsubscribe in the callback: %v, %d calls", err, len(once.calls))
		}
		var e *siftdb.Error
		if err := subTClosed(t, "one that panics", panics.Subscription); !errors.As(err, &e) || !strings.Contains(err.Error(), "from the callback") || len(panics.calls) != 1 {
			t.Errorf("a callback that panics ends it with %v after %d calls", err, len(panics.calls))
		}
		subTClosed(t, "one that ends its goroutine", exits.Subscription)

		pauses := subscribe(func(s *siftdb.Subscription, _ siftdb.Changes) { s.Pause() })
		write(3)
		pauses.next(t)
		write(4)
		write(5)
		if pauses.Status() != siftdb.SubscriptionPaused || len(pauses.calls) > 0 {
			t.Errorf("paused from the callback it is %s", pauses.Status())
		}
		pauses.Resume()
		if c := feedTWait(t, "what was missed", pauses.calls); len(c.Updated) != 1 || c.Updated[0].Get("n") != 5.0 {
			t.Errorf("after a pause in the callback: %s", subTCall(c))
		}
		pauses.Unsubscribe()

		writes := subscribe(func(s *siftdb.Subscription, c siftdb.Changes) {
			n := int(c.Updated[0].Get("n").(float64))
			if _, err := ds.Find(ctx, siftdb.Query{}); err != nil {
				t.Error(err)
			}
			if s.Pause(); n < 20 {
				if _, err := ds.UpdateEntry(ctx, id, siftdb.M{"n": n + 1}); err != nil {
					t.Error(err)
				}
			}
			s.Resume()
		})
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": 10}))
		for n := 10; n <= 20; n++ {
			if c := feedTWait(t, "a write of the callback", writes.calls); c.Updated[0].Get("n") != float64(n) {
				t.Fatalf("write %d is told as %s", n, subTCall(c))
			}
			witness.next(t)
		}
		writes.Unsubscribe()

		narrows := subscribe(func(s *siftdb.Subscription, _ siftdb.Changes) {
			if err := s.UpdateOptions(ctx, siftdb.SubscribeOptions{Where: `{"n":{"$gt":100}}`}); err != nil && !errors.Is(err, siftdb.ErrClosed) { // the last call may come late
				t.Error(err)
			}
			nested, err := ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(siftdb.Changes) {})
			if err != nil {
				t.Error(err)
				return
			}
			nested.Unsubscribe()
			<-nested.Done()
		})
		for _, n := range []int{30, 31, 101, 102} {
			write(n)
			if n == 30 {
				narrows.next(t)
			}
		}
		if c := feedTWait(t, "the first in the new scope", narrows.calls); len(c.Inserted) != 1 || c.Inserted[0].Get("n") != 101.0 {
			t.Errorf("after UpdateOptions in the callback: %s", subTCall(c))
		}
		narrows.Unsubscribe() // it is told of the last write, too, which takes until after the test
		<-narrows.Done()
	})
}

// TestSubscribeBlocked: a callback that blocks holds up neither writers nor other
// subscriptions; each write is told later, in order; Close waits for it.
func TestSubscribeBlocked(t *testing.T) {
	for name, open := range map[string]func() (*siftdb.DB, error){
		"memory": func() (*siftdb.DB, error) { return siftdb.OpenMemory(nil) },
		"bolt":   func() (*siftdb.DB, error) { return siftdb.Open(ctx, filepath.Join(t.TempDir(), "b.db"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			db := must[*siftdb.DB](t)(open())
			ds := table(t, db, "t", `{"n":0}`)
			var begun, told = make(chan int64, 1000), make(chan int64, 1000)
			gate := make(chan struct{})
			var finished atomic.Bool
			s := must[*siftdb.Subscription](t)(ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(c siftdb.Changes) {
				begun <- c.Version
				<-gate
				finished.Store(c.Version > 0)
				told <- c.Version
			}))
			other := subTStart(t, ds, siftdb.SubscribeOptions{})
			var want []int64
			for i := range 100 {
				want = append(want, must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": i})).Changed)
				other.next(t)
			}
			if v := feedTWait(t, "the first call", begun); v != want[0] || len(begun) > 0 || finished.Load() {
				t.Errorf("write %d is told first, and %d more at the same time", v, len(begun))
			}
			for _, v := range want {
				gate <- struct{}{}
				if got := feedTWait(t, "a call", told); got != v {
					t.Fatalf("write %d is told where %d was due", got, v)
				}
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": -1}))
			for range want {
				feedTWait(t, "the last call", begun)
			}
			finished.Store(false)
			closed := make(chan error, 1)
			go func() { closed <- db.Close() }()
			for err := error(nil); !errors.Is(err, siftdb.ErrClosed); _, err = ds.Count(ctx, siftdb.Query{}) {
				runtime.Gosched()
			}
			if fails(t, "other", subTClosed(t, "one that does not block", other.Subscription), siftdb.ErrClosed); len(closed) > 0 {
				t.Error("Close does not wait for a callback")
			}
			select {
			case <-s.Done():
				t.Error("a subscription is done while its callback runs")
			default:
			}
			close(gate)
			if err := feedTWait(t, "Close", closed); err != nil || !finished.Load() {
				t.Errorf("Close returned %v, before a callback: %v", err, !finished.Load())
			}
			fails(t, "Err after Close", subTClosed(t, "it", s), siftdb.ErrClosed)
		})
	}
}
