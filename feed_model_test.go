package siftdb_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// feedTMachine makes random writes and notes, after each, what Find gives. Feeds,
// subscriptions and live queries run beside it, and must tell exactly that.
type feedTMachine struct {
	t       *testing.T
	rng     *rand.Rand
	options siftdb.Options
	path    string // empty for memory
	db      *siftdb.DB
	ds      *siftdb.DataSource
	noise   *siftdb.DataSource
	clock   *handClock
	steps   []string

	mu      sync.Mutex
	history []feedTMoment // ascending; the first is the empty data source
}

// feedTMoment is what every query gives after one write.
type feedTMoment struct {
	version int64
	results [][]string
}

var feedTQueries = []siftdb.Query{
	{},
	{Where: `{"n":{"$gte":4}}`},
	{Where: `{"tag":{"$in":["a","b"]},"id":{"$mod":[2,1]}}`},
	{Where: `{"n":{"$gte":2}}`, Order: siftdb.Order{siftdb.Desc("n"), siftdb.Asc("tag")}, Limit: new(4), Offset: 1},
	{Limit: new(5)},
	{Where: `{"tag":null}`, Order: siftdb.Order{siftdb.Asc("updatedAt")}, Attributes: []string{"n"}},
}

func feedTWindow(q siftdb.Query) bool { return len(q.Order) > 0 || q.Limit != nil }

// feedTResult describes a result; by id where the query has no order of its own.
func feedTResult(q siftdb.Query, entries []*siftdb.Entry) []string {
	if entries = slices.Clone(entries); !feedTWindow(q) {
		slices.SortFunc(entries, func(a, b *siftdb.Entry) int { return int(a.ID - b.ID) })
	}
	return describeEntries(entries)
}

func (m *feedTMachine) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\nlast steps: %q", append(args, m.steps[max(len(m.steps)-8, 0):])...)
}

func (m *feedTMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.fatalf("%v", err)
	}
}

func (m *feedTMachine) open() {
	var err error
	if m.path == "" {
		m.db, err = siftdb.OpenMemory(&m.options)
	} else {
		m.db, err = siftdb.Open(ctx, m.path, &m.options)
	}
	m.must(err)
	if m.ds != nil {
		m.ds, err = m.db.DataSource(ctx, m.ds.ID())
		m.must(err)
		m.noise, err = m.db.DataSource(ctx, m.noise.ID())
		m.must(err)
	}
}

// note keeps what the queries give, if a write has left a version.
func (m *feedTMachine) note() {
	m.t.Helper()
	list := versionsOf(m.t, m.ds)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(list) == 0 || len(m.history) > 0 && list[0].ID == m.history[len(m.history)-1].version {
		return
	}
	now := feedTMoment{version: list[0].ID}
	for _, q := range feedTQueries {
		entries, err := m.ds.Find(ctx, q)
		m.must(err)
		now.results = append(now.results, feedTResult(q, entries))
	}
	m.history = append(m.history, now)
}

// at is the moment after a commit, and whether the commit wrote to the data source.
func (m *feedTMachine) at(commit int64) (feedTMoment, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := slices.BinarySearchFunc(m.history, commit, func(h feedTMoment, v int64) int { return int(h.version - v) })
	if found {
		return m.history[i], true
	}
	return m.history[i-1], false
}

func (m *feedTMachine) last() feedTMoment { return m.history[len(m.history)-1] }

func (m *feedTMachine) data() siftdb.M {
	d := siftdb.M{"n": m.rng.IntN(8)}
	if m.rng.IntN(3) > 0 {
		d["tag"] = []any{"a", "b", "c", nil}[m.rng.IntN(4)]
	}
	return d
}

func (m *feedTMachine) rows(n int) (rows []any) {
	for range n {
		rows = append(rows, m.data())
	}
	return rows
}

// write makes one random write, mostly to the data source that is watched.
func (m *feedTMachine) write() {
	m.t.Helper()
	m.clock.move(time.Millisecond) // so that what is written twice differs
	ids, versions := entryIDs(m.t, m.ds), versionsOf(m.t, m.ds)
	id := func() int64 { return append(ids, 0)[m.rng.IntN(len(ids)+1)] }
	op := m.rng.IntN(20)
	m.steps = append(m.steps, fmt.Sprint("write ", op))
	var err error
	switch {
	case len(ids) == 0 || op < 4:
		_, err = m.ds.Insert(ctx, m.data())
	case op < 8:
		_, err = m.ds.UpdateEntry(ctx, id(), m.data())
	case op < 10:
		err = m.ds.Remove(ctx, id())
	case op == 10:
		_, err = m.ds.Append(ctx, m.rows(m.rng.IntN(5)))
	case op == 11 && m.rng.IntN(4) == 0:
		_, err = m.ds.ReplaceWith(ctx, m.rows(m.rng.IntN(12)))
	case op < 14:
		c := siftdb.Commit{Append: new(true), Extend: m.rng.IntN(2) == 0, Delete: []int64{id(), id()}, Entries: []siftdb.CommitEntry{
			{Data: m.data(), Order: m.rng.IntN(5) - 2}, {ID: ids[0], Data: m.data()}, {ID: ids[len(ids)-1], Data: m.data(), Order: m.rng.IntN(5) - 2}}}
		_, err = m.db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: m.ds, Commit: c}, {DataSource: m.noise, Commit: siftdb.Commit{Append: new(true), Entries: c.Entries[:1]}}})
	case op == 14:
		_, err = m.ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"n": m.rng.IntN(8)}, Limit: new(3)})
	case op == 15:
		_, err = m.ds.UpdateWhere(ctx, siftdb.M{"n": m.rng.IntN(8)}, siftdb.Patch{Set: m.data()})
	case op == 16 && len(versions) > 0:
		_, err = m.ds.Restore(ctx, versions[m.rng.IntN(min(len(versions), 12))].ID)
	case op == 17:
		_, err = m.ds.Commit(ctx, siftdb.Commit{Append: new(true), Columns: []string{"n", "tag", "c" + strconv.Itoa(m.rng.IntN(3))}})
	default:
		_, err = m.noise.Insert(ctx, m.data())
	}
	if err != nil && !isNotFound(err) {
		m.fatalf("%v", err)
	}
	m.note()
}

// feedTReplay is what a reader of the feed has rebuilt.
type feedTReplay struct {
	pos   int64 // the last write that is whole
	whole map[int64]string
	dirty map[int64]string // with the parts of the next one
}

func (r *feedTReplay) apply(set *siftdb.ChangeSet) error {
	if r.dirty == nil {
		r.dirty = maps.Clone(r.whole)
	}
	for _, c := range set.Changes {
		before, was := r.dirty[c.ID()]
		if was != (c.Before != nil) || was && before != describeEntries([]*siftdb.Entry{c.Before})[0] {
			return fmt.Errorf("write %d found %s and not %q", set.Version.ID, feedTEntry(c.Before), before)
		}
		if delete(r.dirty, c.ID()); c.After != nil {
			r.dirty[c.ID()] = describeEntries([]*siftdb.Entry{c.After})[0]
		}
	}
	if set.More {
		return nil
	}
	r.pos, r.whole, r.dirty = set.Version.ID, r.dirty, nil
	return nil
}

func (r *feedTReplay) result() []string {
	out := []string{}
	for _, id := range slices.Sorted(maps.Keys(r.whole)) {
		out = append(out, r.whole[id])
	}
	return out
}

// replay reads the feed up to now, leaving and resuming at random, and holds it
// against every moment. It loses history exactly when a version it needs is gone.
func (m *feedTMachine) replay(r *feedTReplay) {
	m.t.Helper()
	for last := m.last().version; r.pos < last; {
		kept := make(map[int64]bool)
		for _, v := range versionsOf(m.t, m.ds) {
			kept[v.ID] = true
		}
		lost := slices.ContainsFunc(m.history, func(h feedTMoment) bool { return h.version > r.pos && !kept[h.version] })
		r.dirty = nil
		for set, err := range m.ds.Changes(feedTContext(m.t), r.pos) {
			if lost || errors.Is(err, siftdb.ErrHistoryLost) {
				if !lost || !errors.Is(err, siftdb.ErrHistoryLost) {
					m.fatalf("the feed after %d, of which something is lost: %v, gives %v", r.pos, lost, err)
				}
				r.pos, r.whole = last, make(map[int64]string) // read the data source anew
				for _, e := range all(m.t, m.ds) {
					r.whole[e.ID] = describeEntries([]*siftdb.Entry{e})[0]
				}
				break
			}
			m.must(err)
			m.must(r.apply(set))
			if !set.More {
				now, found := m.at(r.pos)
				if diff := cmp.Diff(now.results[0], r.result()); diff != "" || !found {
					m.fatalf("rebuilt at %d, a write: %v: %s", r.pos, found, diff)
				}
			}
			if r.pos == last || m.rng.IntN(6) == 0 {
				break
			}
		}
	}
}

// feedTMirror is a result that a consumer keeps up to date. It is held against the
// machine once the machine has noted the moments.
type feedTMirror struct {
	query int
	mu    sync.Mutex // held by a test to make the consumer slow
	by    map[int64]string
	seen  chan feedTMoment // of each call: the version, and the result that it makes
	sub   *siftdb.Subscription
	end   chan error
}

// put applies lists of entries that come, change and go.
func (c *feedTMirror) put(version int64, ids []int64, lists ...[]*siftdb.Entry) error {
	for i, list := range lists {
		for _, e := range list {
			if _, was := c.by[e.ID]; was != (i > 0) {
				return fmt.Errorf("query %d, version %d: entry %d in list %d, which was in the result: %v", c.query, version, e.ID, i, was)
			}
			if c.by[e.ID] = describeEntries([]*siftdb.Entry{e})[0]; i == 2 {
				delete(c.by, e.ID)
			}
		}
	}
	if ids == nil {
		ids = slices.Sorted(maps.Keys(c.by))
	}
	result := []string{}
	for _, id := range ids {
		result = append(result, c.by[id])
	}
	c.seen <- feedTMoment{version, [][]string{result}}
	return nil
}

// subscribe keeps a mirror through a subscription, which begins with what Find gives.
func (m *feedTMachine) subscribe(query int) *feedTMirror {
	c := &feedTMirror{query: query, by: make(map[int64]string), seen: make(chan feedTMoment, 5000), end: make(chan error, 1)}
	for _, e := range must[[]*siftdb.Entry](m.t)(m.ds.Find(ctx, feedTQueries[query])) {
		c.by[e.ID] = describeEntries([]*siftdb.Entry{e})[0]
	}
	c.sub = must[*siftdb.Subscription](m.t)(m.ds.Subscribe(ctx, siftdb.SubscribeOptions{Where: feedTQueries[query].Where}, func(x siftdb.Changes) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.put(x.Version, nil, x.Inserted, x.Updated, x.Deleted); err != nil {
			c.end <- err
		}
	}))
	return c
}

// live keeps a mirror through a live query.
func (m *feedTMachine) live(query int) *feedTMirror {
	c := &feedTMirror{query: query, by: make(map[int64]string), seen: make(chan feedTMoment, 5000), end: make(chan error, 2)}
	go func(ds *siftdb.DataSource) {
		for u, err := range ds.Live(ctx, feedTQueries[query]) {
			c.mu.Lock()
			if err == nil {
				err = c.put(u.Version, liveTIDs(u), u.Entered, u.Changed, u.Left)
			}
			c.mu.Unlock()
			if err != nil {
				c.end <- err
				return
			}
		}
	}(m.ds)
	first := feedTWait(m.t, "the initial update", c.seen)
	if now, _ := m.at(first.version); !slices.Equal(now.results[query], first.results[0]) {
		m.fatalf("query %d begins with %s", query, cmp.Diff(now.results[query], first.results[0]))
	}
	return c
}

// hold compares what a mirror showed at a version with what Find gave.
func (m *feedTMachine) hold(c *feedTMirror, got feedTMoment) {
	m.t.Helper()
	now, _ := m.at(got.version)
	if diff := cmp.Diff(now.results[c.query], got.results[0]); diff != "" {
		m.fatalf("query %d at %d: %s", c.query, got.version, diff)
	}
}

// settle waits until a mirror shows the result of now, and holds every state that it
// had against the moment that it was told for.
func (m *feedTMachine) settle(c *feedTMirror, showed *[]string) {
	m.t.Helper()
	want := m.last().results[c.query]
	for len(c.seen) > 0 || !slices.Equal(want, *showed) {
		select {
		case got := <-c.seen:
			m.hold(c, got)
			*showed = got.results[0]
		case err := <-c.end:
			m.fatalf("%v", err)
		case <-time.After(feedTDeadline):
			m.fatalf("query %d does not become what Find gives: %s", c.query, cmp.Diff(want, *showed))
		}
	}
}

func (m *feedTMachine) run(rounds int) {
	var err error
	m.open()
	m.ds, err = m.db.Create(ctx, siftdb.DataSourceSpec{Name: "watched"})
	m.must(err)
	m.noise, err = m.db.Create(ctx, siftdb.DataSourceSpec{Name: "noise"})
	m.must(err)
	empty := feedTMoment{}
	for range feedTQueries {
		empty.results = append(empty.results, []string{})
	}
	m.history = []feedTMoment{empty}
	var replay feedTReplay
	replay.whole = make(map[int64]string)
	for i := range rounds {
		var mirrors []*feedTMirror
		for q := range feedTQueries {
			if mirrors = append(mirrors, m.live(q)); !feedTWindow(feedTQueries[q]) {
				mirrors = append(mirrors, m.subscribe(q))
			}
		}
		showed := make([][]string, len(mirrors))
		for k, c := range mirrors {
			showed[k] = m.last().results[c.query]
		}
		for range 6 { // a phase in which some are slow or paused, then one in which all catch up
			var slow []*feedTMirror
			for _, c := range mirrors {
				if m.rng.IntN(3) == 0 {
					c.mu.Lock()
					slow = append(slow, c)
				} else if c.sub != nil && m.rng.IntN(2) == 0 {
					c.sub.Pause()
				}
			}
			for range m.rng.IntN(8) {
				m.write()
			}
			for _, c := range mirrors {
				if slices.Contains(slow, c) {
					c.mu.Unlock()
				} else if c.sub != nil {
					c.sub.Resume()
				}
			}
			if m.rng.IntN(3) > 0 {
				for k, c := range mirrors {
					m.settle(c, &showed[k])
				}
			}
			if m.rng.IntN(3) == 0 {
				m.replay(&replay)
			}
		}
		if i%8 == 3 {
			m.steps = append(m.steps, "a large write")
			_, err := m.ds.Append(ctx, m.rows(1100))
			m.must(err)
			m.note()
			m.replay(&replay)
			_, err = m.ds.ReplaceWith(ctx, m.rows(3))
			m.must(err)
			m.note()
		}
		for k, c := range mirrors {
			m.settle(c, &showed[k])
		}
		// A new database, or what is left of this one after a restart.
		report, err := m.db.Check(ctx)
		m.must(err)
		m.must(report.Err())
		if m.path == "" && i+1 < rounds {
			fork, err := m.db.Fork()
			m.must(err)
			m.end(mirrors)
			m.db = fork
			m.ds = must[*siftdb.DataSource](m.t)(m.db.DataSource(ctx, m.ds.ID()))
			m.noise = must[*siftdb.DataSource](m.t)(m.db.DataSource(ctx, m.noise.ID()))
			continue
		}
		if m.end(mirrors); i+1 < rounds {
			m.open()
			m.replay(&replay)
		}
	}
}

// end closes the database: every consumer ends with ErrClosed.
func (m *feedTMachine) end(mirrors []*feedTMirror) {
	m.t.Helper()
	m.must(m.db.Close())
	for _, c := range mirrors {
		var err error
		if c.sub != nil {
			feedTWait(m.t, "the end of a subscription", c.sub.Done())
			err = c.sub.Err()
		} else {
			err = feedTWait(m.t, "the end of a live query", c.end)
		}
		if !errors.Is(err, siftdb.ErrClosed) {
			m.fatalf("query %d ends with %v", c.query, err)
		}
		for len(c.seen) > 0 { // for writes after which the result was again what it had been
			m.hold(c, <-c.seen)
		}
	}
}

// TestFeedModel: the feed rebuilds every version; the consumers of subscriptions and
// live queries have what Find gives, at every version that they are told. Set
// SIFTDB_SEED to repeat a run.
func TestFeedModel(t *testing.T) {
	runs, rounds := 4, 12
	if testing.Short() {
		runs, rounds = 2, 4
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SIFTDB_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
		runs = 1
	}
	for _, engine := range []string{"memory", "bolt"} {
		for run := range runs {
			seed := seed + uint64(run)
			t.Run(fmt.Sprintf("%s/seed=%d", engine, seed), func(t *testing.T) {
				m := &feedTMachine{t: t, rng: rand.New(rand.NewPCG(seed, 2)), clock: &handClock{now: time.UnixMilli(1_700_000_000_000)}}
				m.options.Now = m.clock.read
				m.options.Retention.Versions = []int{0, 5, -1, 20}[seed%4]
				if engine == "bolt" {
					m.path = filepath.Join(t.TempDir(), "feed.db")
				}
				m.run(rounds)
			})
		}
	}
}

// TestChangesFromNow begins with the write after its beginning, and skips none.
func TestChangesFromNow(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		old := versionsOf(t, ds)[0].ID
		s := feedTStart(feedTContext(t), ds, siftdb.FromNow)
		var set *siftdb.ChangeSet
		var last int64
		for end := time.Now().Add(feedTDeadline); set == nil && time.Now().Before(end); {
			last = must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 2})).Changed
			select {
			case set = <-s.sets:
			default:
			}
		}
		if set == nil || set.Version.ID <= old {
			t.Fatalf("the stream begins with %+v", set)
		}
		for at := set.Version.ID; at < last; {
			if at++; s.next(t).Version.ID != at {
				t.Fatalf("write %d was skipped", at)
			}
		}
	})
}

// TestChangesOfConcurrentWriters: several writers and readers at once. Each reader
// sees every version in order, and can rebuild the data source from it.
func TestChangesOfConcurrentWriters(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t"), table(t, db, "other")
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"n":0}`, `{"n":1}`)))
		id := entryIDs(t, ds)[0]
		readers := []*feedTStream{feedTStart(feedTContext(t), ds, 0), feedTStart(feedTContext(t), ds, 0), feedTStart(feedTContext(t), other, 0)}
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := range 40 {
					in := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"w": w, "i": i}}}}
					_, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: ds, Commit: in}, {DataSource: other, Commit: in}})
					if err == nil {
						_, err = ds.UpdateEntry(ctx, id, siftdb.M{"w": w, "i": i})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, s := range readers {
			handle := ds
			if i == 2 {
				handle = other
			}
			want, got, last := feedTNow(t, handle), feedTState{}, int64(0)
			for v := versionsOf(t, handle)[0].ID; last < v; {
				set := s.next(t)
				if set.Version.ID <= last {
					t.Fatalf("write %d comes after %d", set.Version.ID, last)
				}
				last = set.Version.ID
				for _, c := range set.Changes {
					if before, was := got[c.ID()]; was != (c.Before != nil) || was && before != feedTEntry(c.Before) {
						t.Fatalf("write %d found %s, and not %s", last, feedTEntry(c.Before), before)
					}
					got[c.ID()] = feedTEntry(c.After)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("reader %d rebuilt something else: %s", i, diff)
			}
		}
	})
}

// TestChangesWhenReadsFail: a stream ends with the failure of the storage.
func TestChangesWhenReadsFail(t *testing.T) {
	faulty, faults := storagetest.Faulty(memory.New())
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, faulty, nil))
	checked(t, db)
	ds := table(t, db, "t", `{"n":1}`, `{"n":2}`)
	v := versionsOf(t, ds)[0].ID
	faults.Arm(storagetest.Fault{Mode: storagetest.ReadError})
	want := feedTRead(t, ds, 0, v)
	for n, calls := 1, faults.Calls(); n <= calls; n++ {
		faults.Arm(storagetest.Fault{Call: n, Mode: storagetest.ReadError})
		failed := 0
		for set, err := range ds.Changes(feedTContext(t), 0) {
			if err == nil && set.Version.ID == v {
				break
			}
			failed++
			fails(t, fmt.Sprintf("read %d of %d", n, calls), err, siftdb.ErrUnavailable)
		}
		if hits := faults.Hits(); failed != hits {
			t.Errorf("read %d of %d: %d failures are told as %d", n, calls, hits, failed)
		}
		faults.Arm(storagetest.Fault{})
		feedTSame(t, "the feed afterwards", want, feedTRead(t, ds, 0, v))
	}
}
