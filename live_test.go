package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// liveTQuery is a live query that a test pulls: an update covers all that was written
// since the one before.
type liveTQuery struct {
	pull   func() (*siftdb.LiveUpdate, error, bool)
	stop   func()
	result []string // as the updates tell it: by id, or in order where there is a Result
	by     map[int64]string
}

func liveTStart(t testing.TB, ds *siftdb.DataSource, q siftdb.Query) *liveTQuery {
	t.Helper()
	l := &liveTQuery{by: map[int64]string{}}
	l.pull, l.stop = iter.Pull2(ds.Live(feedTContext(t), q))
	t.Cleanup(l.stop)
	return l
}

// next is the next update, after which result is what it should make of the result.
func (l *liveTQuery) next(t testing.TB) *siftdb.LiveUpdate {
	t.Helper()
	u, err, ok := l.pull()
	if err != nil || !ok {
		t.Fatalf("a live query ends with %v, %v", err, ok)
	}
	l.result = liveTApply(t, l.by, u)
	return u
}

// liveTApply applies an update to a result, and returns that.
func liveTApply(t testing.TB, by map[int64]string, u *siftdb.LiveUpdate) (result []string) {
	t.Helper()
	for i, list := range [][]*siftdb.Entry{u.Entered, u.Changed, u.Left} {
		for _, e := range list {
			if _, was := by[e.ID]; was != (i > 0) {
				t.Errorf("version %d: %s in list %d, which was in the result: %v", u.Version, feedTEntry(e), i, was)
			}
			if by[e.ID] = feedTEntry(e); i == 2 {
				delete(by, e.ID)
			}
		}
	}
	if u.Result == nil {
		for _, id := range slices.Sorted(maps.Keys(by)) {
			result = append(result, by[id])
		}
		return result
	}
	for _, e := range u.Result {
		if result = append(result, feedTEntry(e)); by[e.ID] != feedTEntry(e) || len(u.Result) != len(by) {
			t.Errorf("version %d: of %d entries, %d in the result, one is %s and was told as %s", u.Version, len(by), len(u.Result), feedTEntry(e), by[e.ID])
		}
	}
	return result
}

// liveTIDs lists the ids of the whole result; nil when it is not given.
func liveTIDs(u *siftdb.LiveUpdate) (ids []int64) {
	if u.Result != nil {
		ids = []int64{}
	}
	for _, e := range u.Result {
		ids = append(ids, e.ID)
	}
	return ids
}

// liveTDescribe describes an update.
func liveTDescribe(u *siftdb.LiveUpdate) string {
	parts := []string{fmt.Sprint(u.Version)}
	for i, list := range [][]*siftdb.Entry{u.Entered, u.Changed, u.Left} {
		for _, e := range list {
			parts = append(parts, fmt.Sprintf("%c%d%s", "+~-"[i], e.ID, e.JSON()))
		}
	}
	if slices.Sort(parts[1:]); u.Result != nil {
		parts = append(parts, fmt.Sprint(liveTIDs(u)))
	}
	return strings.Join(parts, " ")
}

// liveTModel is the update that a write must bring, from the results before and after
// it; nil for none.
func liveTModel(version int64, before, after []*siftdb.Entry, window bool) *siftdb.LiveUpdate {
	u := &siftdb.LiveUpdate{Version: version}
	was := make(map[int64]*siftdb.Entry)
	for _, e := range before {
		was[e.ID] = e
	}
	if window {
		u.Result = append([]*siftdb.Entry{}, after...)
	}
	for _, e := range after {
		switch a := was[e.ID]; {
		case a == nil:
			u.Entered = append(u.Entered, e)
		case a.Changed != e.Changed:
			u.Changed = append(u.Changed, e)
		}
		delete(was, e.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		u.Left = append(u.Left, was[id])
	}
	if len(u.Entered)+len(u.Changed)+len(u.Left) == 0 {
		return nil
	}
	return u
}

// TestLiveOfEveryWrite: every kind of write, and what it does to results of every
// kind.
func TestLiveOfEveryWrite(t *testing.T) {
	window := siftdb.Order{siftdb.Desc("n")}
	queries := []siftdb.Query{
		{},
		{Where: `{"n":{"$gte":30}}`},
		{Where: `{"n":{"$lt":30}}`, Attributes: []string{"n"}},
		{Attributes: []string{}},
		{Where: `{"id":{"$mod":[2,0]}}`},
		{Views: []string{"big"}},
		{Views: []string{"big", "second"}, Where: `{"n":{"$ne":40}}`},
		{Where: `{"nothing":"here"}`},
		{Order: window},
		{Order: siftdb.Order{siftdb.Asc("x"), siftdb.Desc("id")}, Attributes: []string{"x"}},
		{Order: window, Limit: new(2)},
		{Order: window, Limit: new(2), Offset: 1, Where: `{"n":{"$gt":1}}`},
		{Limit: new(3)},
		{Offset: 2},
		{Limit: new(0)},
		{Limit: new(2), Offset: 1, Views: []string{"big"}, Attributes: []string{"n"}},
	}
	views := json.RawMessage(`{"views":[{"name":"big","filter":{"n":{"$gt":"session.low"}}},{"name":"second","filter":{"id":"session.id"}}]}`)
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: views}))
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{
			{Data: siftdb.M{"n": 1}}, {Data: siftdb.M{"n": 2}}, {Data: siftdb.M{"n": 3}, Order: -1}, {Data: siftdb.M{"n": 4}}}}))
		ds = ds.WithSession(&security.Session{EntryID: 2, Values: siftdb.M{"low": 20}})
		other := table(t, db, "other", `{"n":1}`)
		lives, before, told := make([]*liveTQuery, len(queries)), make([][]*siftdb.Entry, len(queries)), make([]int, len(queries))
		for i, q := range queries {
			lives[i], before[i] = liveTStart(t, ds, q), must[[]*siftdb.Entry](t)(ds.Find(ctx, q))
			u := lives[i].next(t)
			if !u.Initial || len(u.Changed)+len(u.Left) > 0 || u.Version < versionsOf(t, ds)[0].ID || !slices.Equal(describeEntries(u.Entered), describeEntries(before[i])) {
				t.Errorf("%+v begins with %s", q, liveTDescribe(u))
			}
		}
		for n, op := range feedTOps {
			must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": n}))
			if err := op.run(db, ds, other, entryIDs(t, ds), versionsOf(t, ds)); err != nil {
				t.Fatal(err)
			}
			for i, q := range queries {
				ordered := len(q.Order) > 0 || q.Limit != nil || q.Offset > 0
				after := must[[]*siftdb.Entry](t)(ds.Find(ctx, q))
				want := liveTModel(versionsOf(t, ds)[0].ID, before[i], after, ordered)
				if before[i] = after; want == nil {
					continue
				}
				told[i]++
				u := lives[i].next(t)
				if got := liveTDescribe(u); got != liveTDescribe(want) || u.Initial {
					t.Errorf("operation %d, %+v:\n%s\nwant\n%s", n, q, got, liveTDescribe(want))
				}
				result := make([]string, 0, len(after))
				if !ordered {
					slices.SortFunc(after, func(a, b *siftdb.Entry) int { return int(a.ID - b.ID) })
				}
				for _, e := range after {
					result = append(result, feedTEntry(e))
				}
				if !slices.Equal(result, lives[i].result) {
					t.Errorf("operation %d, %+v: the result is %s", n, q, cmp.Diff(result, lives[i].result))
				}
			}
		}
		for i, q := range queries {
			if none := q.Limit != nil && *q.Limit == 0 || q.Where == `{"nothing":"here"}`; none != (told[i] == 0) {
				t.Errorf("%+v had %d updates", q, told[i])
			}
		}
	})
}

// TestLiveMerges: what is written while the loop takes its time is one update.
func TestLiveMerges(t *testing.T) {
	retained(t, siftdb.Retention{Versions: -1}, time.Hour, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":0}`)
		id := entryIDs(t, ds)
		scan := liveTStart(t, ds, siftdb.Query{Where: `{"n":{"$gt":0}}`})
		window := liveTStart(t, ds, siftdb.Query{Where: `{"n":{"$gt":0}}`, Order: siftdb.Order{siftdb.Desc("n")}, Limit: new(3)})
		scan.next(t)
		if u := window.next(t); !slices.Equal(liveTIDs(u), []int64{id[3], id[2], id[1]}) {
			t.Errorf("the window begins with %d", liveTIDs(u))
		}
		for i := range 5 {
			setN(t, clock, ds, id[0], 10+i) // moves to the top of the window
		}
		setN(t, clock, ds, id[1], 0) // leaves
		setN(t, clock, ds, id[2], 0) // leaves and comes back
		setN(t, clock, ds, id[2], 5)
		setN(t, clock, ds, id[4], 6) // enters, changes
		setN(t, clock, ds, id[4], 7)
		gone := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 99})) // comes and goes
		must[int64](t)(0, ds.Remove(ctx, gone.ID))
		must[int64](t)(0, ds.Remove(ctx, id[3]))
		last := versionsOf(t, ds)[0].ID
		for name, test := range map[string]struct {
			live *liveTQuery
			want string
		}{
			"scan": {scan, fmt.Sprintf(`%d +%d{"n":7} -%d{"n":2} -%d{"n":4} ~%d{"n":14} ~%d{"n":5}`, last, id[4], id[1], id[3], id[0], id[2])},
			"window": {window, fmt.Sprintf(`%d +%d{"n":14} +%d{"n":7} -%d{"n":2} -%d{"n":4} ~%d{"n":5} [%d %d %d]`,
				last, id[0], id[4], id[1], id[3], id[2], id[0], id[4], id[2])},
		} {
			if got := liveTDescribe(test.live.next(t)); got != test.want {
				t.Errorf("%s: merged to\n%s\nwant\n%s", name, got, test.want)
			}
		}
		setN(t, clock, ds, id[1], 0)                                     // outside: no update of its own
		gone = must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 99})) // nothing is left of it
		must[int64](t)(0, ds.Remove(ctx, gone.ID))
		setN(t, clock, ds, id[2], 20)
		want := fmt.Sprintf(`%d ~%d{"n":20}`, versionsOf(t, ds)[0].ID, id[2])
		if got := liveTDescribe(scan.next(t)); got != want {
			t.Errorf("scan: then %s, want %s", got, want)
		}
		if got, want := liveTDescribe(window.next(t)), want+fmt.Sprintf(" [%d %d %d]", id[2], id[0], id[4]); got != want {
			t.Errorf("window: then %s, want %s", got, want)
		}
		scan.stop()
		window.stop()
		setN(t, clock, ds, id[2], 21)
		setN(t, clock, ds, id[2], 22)
		if n := len(versionsOf(t, ds)); n > 1 {
			t.Errorf("%d versions are held by live queries that were left", n)
		}
	})
}

// TestLiveWaits: an update comes without being asked for, and the stream ends with its
// context, with the database and with the data source.
func TestLiveWaits(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for end, want := range map[string]error{"context": context.Canceled, "purge": siftdb.ErrNotFound} {
			ds := table(t, db, "t", `{"n":0}`)
			id := entryIDs(t, ds)[0]
			c, cancel := context.WithCancel(ctx)
			defer cancel()
			updates, ended := make(chan *siftdb.LiveUpdate, 100), make(chan error, 2)
			for _, q := range []siftdb.Query{{}, {Limit: new(5)}} {
				go func() {
					for u, err := range ds.Live(c, q) {
						if err != nil {
							ended <- err
							return
						}
						updates <- u
					}
				}()
			}
			for i := range 20 {
				for range 2 {
					if u := feedTWait(t, "an update", updates); u.Initial != (i == 0) || i > 0 && u.Changed[0].Get("n") != float64(i) {
						t.Fatalf("%s, update %d: %s", end, i, liveTDescribe(u))
					}
				}
				must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": i + 1}))
			}
			if end == "context" {
				cancel()
			} else if err := db.Purge(ctx, ds.ID()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := feedTWait(t, "the end", ended); !errors.Is(err, want) {
					t.Errorf("%s: ended with %v", end, err)
				}
			}
		}
	})
	db := must[*siftdb.DB](t)(siftdb.OpenMemory(nil))
	for u, err := range table(t, db, "t", `{"n":1}`).Live(ctx, siftdb.Query{}) {
		if u == nil {
			fails(t, "a closed database", err, siftdb.ErrClosed)
		} else if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLiveRefuses what a live query cannot have, and ends when history is lost.
func TestLiveRefuses(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		for what, q := range map[string]siftdb.Query{
			"a join":            {Joins: []siftdb.Join{{}}},
			"distinct":          {Distinct: true},
			"an aggregate":      {Aggregate: []any{}},
			"countOnly":         {CountOnly: true},
			"a delete":          {Type: "delete", Where: `{}`},
			"a negative limit":  {Limit: new(-1)},
			"a negative offset": {Offset: -1},
			"a bad where":       {Where: `{"n":{"$nope":1}}`},
			"an unknown view":   {Views: []string{"none"}},
		} {
			fails(t, what, eachError(ds.Live(feedTContext(t), q)), siftdb.ErrInvalidQuery)
		}
		fails(t, "an old version", eachError(ds.At(versionsOf(t, ds)[0].ID).Live(feedTContext(t), siftdb.Query{})), siftdb.ErrInvalidInput)
		if err := ds.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		fails(t, "a data source in the trash", eachError(ds.Live(feedTContext(t), siftdb.Query{})), siftdb.ErrNotFound)
	})
	retained(t, siftdb.Retention{Versions: -1}, time.Nanosecond, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":1}`)
		id := entryIDs(t, ds)[0]
		for _, q := range []siftdb.Query{{}, {Limit: new(1)}} {
			live := liveTStart(t, ds, q)
			live.next(t)
			for i := range 3 {
				setN(t, clock, ds, id, i)
			}
			_, err, _ := live.pull()
			fails(t, "a loop slower than the age of a read", err, siftdb.ErrHistoryLost)
			if _, _, ok := live.pull(); ok {
				t.Error("a stream goes on after its error")
			}
		}
	})
}

// TestLiveViews: session values are of the handle, or of the context. When a view is
// defined anew the result is that of the new one; when it is gone the stream ends.
func TestLiveViews(t *testing.T) {
	views := `{"views":[{"name":"mine","filter":{"owner":"session.Email"}},{"name":"big","filter":{"n":{"$gt":5}}}]}`
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: json.RawMessage(views)}))
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"n":1,"owner":"ann"}`, `{"n":9,"owner":"bob"}`)))
		ann, bob := &security.Session{User: siftdb.M{"Email": "ann"}}, &security.Session{User: siftdb.M{"Email": "bob"}}
		for want, seq := range map[string]iter.Seq2[*siftdb.LiveUpdate, error]{
			`{"n":1,"owner":"ann"}`:                       ds.WithSession(ann).Live(siftdb.ContextWithSession(feedTContext(t), bob), siftdb.Query{Views: []string{"mine"}}),
			`{"n":9,"owner":"bob"}`:                       ds.Live(siftdb.ContextWithSession(feedTContext(t), bob), siftdb.Query{Views: []string{"mine"}, Limit: new(9)}),
			`{"n":1,"owner":"ann"} {"n":9,"owner":"bob"}`: ds.WithSession(ann).Live(feedTContext(t), siftdb.Query{Views: []string{"big", "mine"}}),
			``: ds.Live(feedTContext(t), siftdb.Query{Views: []string{"mine"}}),
		} {
			for u, err := range seq {
				if got := strings.Join(texts(must[*siftdb.LiveUpdate](t)(u, err).Entered), " "); got != want {
					t.Errorf("the result is %s, want %s", got, want)
				}
				break
			}
		}
		for _, q := range []siftdb.Query{{Views: []string{"big"}}, {Views: []string{"big"}, Limit: new(100)}} {
			redefine := func(text string) {
				must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(text)}))
			}
			redefine(views)
			live := liveTStart(t, ds, q)
			live.next(t)
			redefine(`{"views":[{"name":"big","filter":{"n":{"$lt":5}}}]}`) // tells without a write
			for range 2 {
				u := live.next(t)
				if want := feedTResult(q, must[[]*siftdb.Entry](t)(ds.Find(ctx, q))); len(live.result) != len(want) || len(u.Entered) != 1 {
					t.Errorf("%+v: after its view was changed the result is %q, and Find gives %q", q, live.result, want)
				}
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 3}))
			}
			live.next(t)
			redefine(`{"views":[{"name":"large","filter":{}}]}`)
			_, err, _ := live.pull()
			fails(t, "a view that is gone", err, siftdb.ErrInvalidQuery)
			must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"n":1}`, `{"n":9}`)))
		}
	})
}

// subTGate is a storage whose reads a test can hold up.
type subTGate struct {
	storage.Storage
	mu      sync.Mutex
	hold    chan struct{} // closed to let reads go on; nil when none is held up
	arrived chan struct{}
}

func (g *subTGate) View(c context.Context, fn func(storage.Reader) error) error {
	g.mu.Lock()
	hold := g.hold
	g.mu.Unlock()
	if hold != nil {
		g.arrived <- struct{}{}
		<-hold
	}
	return g.Storage.View(c, fn)
}

func (g *subTGate) set(hold chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = hold
}

// TestSubscribePauseWhileReading: a pause that begins, and perhaps ends, while the
// subscription looks for news counts like any other: nothing is told in it, and what
// was written in it is one call.
func TestSubscribePauseWhileReading(t *testing.T) {
	for _, short := range []bool{true, false} {
		gate := &subTGate{Storage: memory.New(), arrived: make(chan struct{}, 100)}
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, gate, nil))
		checked(t, db)
		ds, other := table(t, db, "t", `{"n":1}`), table(t, db, "other", `{"n":1}`)
		s := subTStart(t, ds, siftdb.SubscribeOptions{})
		hold := make(chan struct{})
		gate.set(hold)
		must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": 2})) // wakes it
		feedTWait(t, "a read of the subscription", gate.arrived)
		s.Pause()
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 2}))
		e = must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": 3}))
		if short {
			s.Resume()
		}
		gate.set(nil)
		close(hold)
		for range 200 { // time to do wrong; to do right takes none
			must[int64](t)(ds.Count(ctx, siftdb.Query{}))
			if runtime.Gosched(); !short && len(s.calls) > 0 {
				t.Fatalf("called while paused: %s", s.next(t))
			}
		}
		s.Resume()
		s.expect(t, "what was written in the pause", fmt.Sprintf(`%d +%d{"n":3}`, e.Changed, e.ID))
	}
}

// TestSubscribeMemory: a subscriber that is stuck costs no memory for what it misses.
func TestSubscribeMemory(t *testing.T) {
	db := fileDB(t, t.TempDir()+"/m.db", nil)
	ds := table(t, db, "t", `{"n":1}`)
	id := entryIDs(t, ds)[0]
	begun, gate := make(chan struct{}, 1000), make(chan struct{})
	stuck := must[*siftdb.Subscription](t)(ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(siftdb.Changes) {
		begun <- struct{}{}
		<-gate
	}))
	paused := subTStart(t, ds, siftdb.SubscribeOptions{})
	paused.Pause()
	live, feed := liveTStart(t, ds, siftdb.Query{}), feedTContext(t)
	live.next(t)
	pull, stop := iter.Pull2(ds.Changes(feed, 0))
	defer stop()
	must[*siftdb.ChangeSet](t)(func() (*siftdb.ChangeSet, error) { set, err, _ := pull(); return set, err }())
	heap := func() int64 {
		must[storage.Size](t)(db.Size()) // so that the file has what a commit log holds in memory
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	write := func(n int) {
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": n, "text": strings.Repeat("0123456789", 20_000)}))
	}
	write(0)
	feedTWait(t, "a call", begun)
	before := heap()
	for n := range 150 { // 30 MB
		write(n + 1)
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d bytes are held for subscribers that do not read", grown)
	}
	close(gate)
	for range 150 {
		feedTWait(t, "a call", begun)
	}
	stuck.Unsubscribe()
	paused.Resume()
	if c := feedTWait(t, "a call", paused.calls); len(c.Updated) != 1 || c.Updated[0].Get("n") != 150.0 {
		t.Errorf("the merged call has %d updates", len(c.Updated))
	}
}

// TestSubscribeLargeWrite: a write of any size is one call.
func TestSubscribeLargeWrite(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 2500)
		s, even := subTStart(t, ds, siftdb.SubscribeOptions{}), subTStart(t, ds, siftdb.SubscribeOptions{Where: `{"even":true}`})
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"x": 1}}))
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, people(1500)))
		for i, want := range [][4]int{{0, 2500, 0, 1250}, {1500, 0, 2500, 0}} {
			c, d := feedTWait(t, "a call", s.calls), feedTWait(t, "a call", even.calls)
			if got := [4]int{len(c.Inserted), len(c.Updated), len(c.Deleted), len(d.Updated)}; got != want {
				t.Errorf("write %d: %d, want %d", i, got, want)
			}
		}
	})
}

// TestSubscribeEnds: each way to end, and what may be called afterwards.
func TestSubscribeEnds(t *testing.T) {
	retained(t, siftdb.Retention{Versions: -1}, time.Nanosecond, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds, other := table(t, db, "t", `{"n":0}`), table(t, db, "other", `{"n":0}`)
		id := entryIDs(t, ds)[0]
		c, cancel := context.WithCancel(ctx)
		none := func(siftdb.Changes) {}
		subs := map[string]*siftdb.Subscription{
			"unsubscribed": subTStart(t, ds, siftdb.SubscribeOptions{}).Subscription,
			"cancelled":    must[*siftdb.Subscription](t)(ds.Subscribe(c, siftdb.SubscribeOptions{}, none)),
			"paused":       must[*siftdb.Subscription](t)(ds.Subscribe(c, siftdb.SubscribeOptions{}, none)),
			"lost":         subTStart(t, ds, siftdb.SubscribeOptions{}).Subscription,
			"purged":       subTStart(t, other, siftdb.SubscribeOptions{}).Subscription,
			"idle":         subTStart(t, other, siftdb.SubscribeOptions{}).Subscription,
		}
		names := make(map[string]bool)
		for name, s := range subs {
			if s.Status() != siftdb.SubscriptionActive || s.Err() != nil || s.ID() == "" || names[s.ID()] {
				t.Errorf("%s begins %s, %v, as %q", name, s.Status(), s.Err(), s.ID())
			}
			names[s.ID()] = true
		}
		subs["unsubscribed"].Unsubscribe()
		subs["paused"].Pause()
		cancel()
		subs["lost"].Pause()
		for i, end := 0, time.Now().Add(feedTDeadline); i < 4 || len(versionsOf(t, ds)) > 1; i++ { // what a pause misses is kept for SnapshotAge only
			if setN(t, clock, ds, id, i); time.Now().After(end) {
				t.Fatal("a pause holds history for ever")
			}
		}
		subs["lost"].Resume()
		if err := other.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		if s := subs["idle"]; s.Status() != siftdb.SubscriptionActive {
			t.Errorf("the trash ended a subscription: %v", s.Err())
		}
		if err := db.Purge(ctx, other.ID()); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]error{"unsubscribed": nil, "cancelled": context.Canceled, "paused": context.Canceled,
			"lost": siftdb.ErrHistoryLost, "purged": siftdb.ErrNotFound, "idle": siftdb.ErrNotFound} {
			s := subs[name]
			if err := subTClosed(t, name, s); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: ended with %v, want %v", name, err, want)
			}
			err := s.Err()
			s.Pause()
			s.Resume()
			s.Unsubscribe()
			if s.UpdateOptions(ctx, siftdb.SubscribeOptions{ID: 1}); s.Status() != siftdb.SubscriptionEnded || s.Err() != err {
				t.Errorf("%s: after the end it is %s, %v", name, s.Status(), s.Err())
			}
		}
	})
}

// TestChangesWaitForLong: what waits for longer than SnapshotAge loses nothing: its
// age counts from when there is something to read.
func TestChangesWaitForLong(t *testing.T) {
	clock, options := stopped()
	options.Retention.Versions, options.SnapshotAge = -1, 2*time.Second
	ds := table(t, memoryDB(t, options), "t", `{"n":-1}`)
	id, v := entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID
	feed, sub := feedTStart(feedTContext(t), ds, v-1), subTStart(t, ds, siftdb.SubscribeOptions{})
	feed.next(t)
	<-time.After(options.SnapshotAge + 100*time.Millisecond)
	for i := range 3 {
		setN(t, clock, ds, id, i)
	}
	for i := range int64(3) {
		if set := feed.next(t); set.Version.ID != v+i+1 {
			t.Errorf("after write %d comes %d", v+i, set.Version.ID)
		}
		sub.expect(t, "a write", fmt.Sprintf(`%d ~%d{"n":%d}`, v+i+1, id, i))
	}
}
