package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// feedTDeadline is how long a test waits for what must come.
const feedTDeadline = 10 * time.Second

// feedTContext ends when a test has waited too long.
func feedTContext(t testing.TB) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(ctx, feedTDeadline)
	t.Cleanup(cancel)
	return c
}

// feedTWait receives from a channel, or fails the test.
func feedTWait[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(feedTDeadline):
		t.Fatalf("%s did not come", what)
	}
	return v
}

// feedTEntry describes all that a caller can see of an entry.
func feedTEntry(e *siftdb.Entry) string {
	if e == nil {
		return "-"
	}
	return fmt.Sprintf("%s changed %d in %d", describeEntries([]*siftdb.Entry{e})[0], e.Changed, e.DataSourceID)
}

// feedTState is what a data source holds, by id.
type feedTState map[int64]string

func feedTNow(t testing.TB, ds *siftdb.DataSource) feedTState {
	t.Helper()
	state := feedTState{}
	for _, e := range all(t, ds) {
		state[e.ID] = feedTEntry(e)
	}
	return state
}

// to lists how a state became another, in the order of a ChangeSet.
func (a feedTState) to(b feedTState) (out []string) {
	for kind := range 3 {
		for _, id := range slices.Sorted(maps.Keys(b)) {
			if before, was := a[id]; kind == 0 && !was {
				out = append(out, "- > "+b[id])
			} else if kind == 1 && was && before != b[id] {
				out = append(out, before+" > "+b[id])
			}
		}
		for _, id := range slices.Sorted(maps.Keys(a)) {
			if _, is := b[id]; kind == 2 && !is {
				out = append(out, a[id]+" > -")
			}
		}
	}
	return out
}

// feedTWrite is one write as the feed told it, its parts put together.
type feedTWrite struct {
	Version int64
	Action  string
	Source  string
	Counts  [3]int64
	Changes []string
	parts   int
}

func (w *feedTWrite) add(t testing.TB, set *siftdb.ChangeSet) {
	t.Helper()
	v := set.Version
	w.Version, w.Action, w.Source, w.Counts = v.ID, v.Action, v.Source, [3]int64{v.Inserted, v.Updated, v.Deleted}
	if w.parts++; len(set.Changes) > 1000 {
		t.Errorf("a set of %d changes", len(set.Changes))
	}
	for _, c := range set.Changes {
		if c.Before == nil && c.After == nil || c.After != nil && c.After.Changed != v.ID || c.Before != nil && c.Before.Changed >= v.ID {
			t.Errorf("write %d made %s of %s", v.ID, feedTEntry(c.After), feedTEntry(c.Before))
		}
		w.Changes = append(w.Changes, feedTEntry(c.Before)+" > "+feedTEntry(c.After))
	}
}

// feedTRead reads the feed after a version until the write last has been read.
func feedTRead(t testing.TB, ds *siftdb.DataSource, since, last int64) (list []feedTWrite) {
	t.Helper()
	var w feedTWrite
	for set, err := range ds.Changes(feedTContext(t), since) {
		if err != nil {
			t.Fatalf("the feed after %d ends with %v", since, err)
		}
		if w.parts > 0 && w.Version != set.Version.ID {
			t.Fatalf("write %d follows a part of %d", set.Version.ID, w.Version)
		}
		w.add(t, set)
		if set.More {
			continue
		}
		if list, w = append(list, w), (feedTWrite{}); set.Version.ID >= last {
			break
		}
	}
	return list
}

// feedTStream is a feed that is read by a goroutine.
type feedTStream struct {
	sets chan *siftdb.ChangeSet
	end  chan error
}

func feedTStart(c context.Context, ds *siftdb.DataSource, since int64) *feedTStream {
	s := &feedTStream{make(chan *siftdb.ChangeSet, 5000), make(chan error, 1)}
	go func() {
		for set, err := range ds.Changes(c, since) {
			if err != nil {
				s.end <- err
				return
			}
			s.sets <- set
		}
		s.end <- errors.New("the stream ended without an error")
	}()
	return s
}

// next is the next set, which must come.
func (s *feedTStream) next(t testing.TB) *siftdb.ChangeSet {
	t.Helper()
	select {
	case set := <-s.sets:
		return set
	case err := <-s.end:
		t.Fatalf("the stream has ended with %v", err)
	case <-time.After(feedTDeadline):
		t.Fatal("no write is told")
	}
	return nil
}

// feedTOps is every kind of write, and how many entries each creates, updates and
// deletes. They follow one another.
var feedTOps = []struct {
	action string
	counts [3]int64
	run    func(db *siftdb.DB, ds, other *siftdb.DataSource, ids []int64, versions []siftdb.Version) error
}{
	{"insert", [3]int64{1, 0, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.Insert(ctx, siftdb.M{"n": 10, "new": []any{1, nil}})
		return err
	}},
	{"update", [3]int64{0, 1, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, ids []int64, _ []siftdb.Version) error {
		_, err := ds.UpdateEntry(ctx, ids[1], siftdb.M{"n": 11})
		return err
	}},
	{"delete", [3]int64{0, 0, 1}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, ids []int64, _ []siftdb.Version) error {
		return ds.Remove(ctx, ids[0])
	}},
	{"import", [3]int64{3, 0, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.Append(ctx, raws(`{"n":20}`, `{"n":21,"x":1.50}`, `{}`))
		return err
	}},
	{"commit", [3]int64{2, 2, 1}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, ids []int64, _ []siftdb.Version) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: []int64{ids[3], 99999}, Source: "form", Entries: []siftdb.CommitEntry{
			{ID: ids[2], Data: siftdb.M{"n": 30}}, {ID: ids[0], Data: siftdb.M{"n": 31}, Order: -2.5},
			{Data: siftdb.M{"n": 32}}, {Data: siftdb.M{"n": 33}, Order: 7}}})
		return err
	}},
	{"commit", [3]int64{0, 1, 1}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, ids []int64, _ []siftdb.Version) error { // one id twice
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: []int64{ids[1], ids[1]}, Entries: []siftdb.CommitEntry{
			{ID: ids[1], Data: siftdb.M{"n": 40}}, {ID: ids[0], Data: siftdb.M{"n": 41}}, {ID: ids[0], Data: siftdb.M{"n": 42}}}})
		return err
	}},
	{"commit", [3]int64{1, 1, 0}, func(db *siftdb.DB, ds, other *siftdb.DataSource, ids []int64, _ []siftdb.Version) error {
		c := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 50}}}}
		both := c
		both.Entries = append([]siftdb.CommitEntry{{ID: ids[0], Data: siftdb.M{"n": 51}}}, c.Entries...)
		_, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: other, Commit: c}, {DataSource: ds, Commit: both}})
		return err
	}},
	{"update", [3]int64{0, 4, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.UpdateWhere(ctx, `{"n":{"$lt":33}}`, siftdb.Patch{Set: siftdb.M{"small": true}})
		return err
	}},
	{"update", [3]int64{0, 1, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.UpdateWhere(ctx, `{"n":33}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) { return siftdb.M{"n": 34}, nil }})
		return err
	}},
	{"commit", [3]int64{0, 0, 0}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Columns: []string{"z", "n"}})
		return err
	}},
	{"query", [3]int64{0, 0, 4}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"small":true}`})
		return err
	}},
	{"import", [3]int64{2, 0, 4}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.ReplaceWith(ctx, raws(`{"n":60}`, `{"n":61}`))
		return err
	}},
	{"pre-restore", [3]int64{4, 0, 2}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, versions []siftdb.Version) error {
		_, err := ds.Restore(ctx, versions[0].ID) // the deleted ones come back
		return err
	}},
	{"pre-restore", [3]int64{5, 1, 2}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, versions []siftdb.Version) error {
		_, err := ds.Restore(ctx, versions[len(versions)-5].ID)
		return err
	}},
	{"commit", [3]int64{1, 0, 7}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, ids []int64, _ []siftdb.Version) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 70}}}})
		return err
	}},
	{"import", [3]int64{0, 0, 1}, func(_ *siftdb.DB, ds, _ *siftdb.DataSource, _ []int64, _ []siftdb.Version) error {
		_, err := ds.ReplaceWith(ctx, nil)
		return err
	}},
}

// feedTHistory makes every kind of write to a new data source, and returns what the
// feed must tell, according to what Find returns before and after each.
func feedTHistory(t *testing.T, db *siftdb.DB, literal bool) (ds *siftdb.DataSource, want []feedTWrite) {
	t.Helper()
	ds = must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "all", Entries: raws(`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`)}))
	other := table(t, db, "other", `{"o":1}`)
	before := feedTNow(t, ds)
	first := feedTWrite{Version: all(t, ds)[0].Changed, Action: "create", Counts: [3]int64{4, 0, 0}, Changes: feedTState{}.to(before)}
	want = append(want, first)
	for i, op := range feedTOps {
		must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"o": i})) // of no concern to ds
		if err := op.run(db, ds, other, entryIDs(t, ds), versionsOf(t, ds)); err != nil {
			t.Fatalf("operation %d, %s: %v", i, op.action, err)
		}
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Type: new(fmt.Sprint(i))})) // no version
		v, now := versionsOf(t, ds)[0], feedTNow(t, ds)
		w := feedTWrite{Version: v.ID, Action: op.action, Source: v.Source, Counts: [3]int64{v.Inserted, v.Updated, v.Deleted}, Changes: before.to(now)}
		if literal && w.Counts != op.counts {
			t.Errorf("operation %d, %s: %d created, updated and deleted, want %d", i, op.action, w.Counts, op.counts)
		}
		want, before = append(want, w), now
	}
	return ds, want
}

func feedTSame(t testing.TB, what string, want, got []feedTWrite) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".parts" }, cmp.Ignore())); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// TestChangesOfEveryWrite: the feed from 0 is all that Find saw change, and after
// each version, whosever it is, exactly the rest, by several loops in turn.
func TestChangesOfEveryWrite(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, want := feedTHistory(t, db, true)
		last := want[len(want)-1].Version
		feedTSame(t, "the feed from the beginning", want, feedTRead(t, ds, 0, last))
		for since := range last {
			rest := slices.Clone(want)
			rest = slices.DeleteFunc(rest, func(w feedTWrite) bool { return w.Version <= since })
			feedTSame(t, fmt.Sprintf("the feed after %d", since), rest, feedTRead(t, ds, since, last))
		}
		seq := ds.Changes(feedTContext(t), 0) // a stream can be ranged over again
		for range 2 {
			for set, err := range seq {
				if err != nil || set.Version.ID != want[0].Version {
					t.Errorf("a loop begins with %+v, %v", set, err)
				}
				break
			}
		}
	})
}

// TestChangesAfterReopening: positions stay valid when a file is opened again, also
// read-only.
func TestChangesAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	ds, want := feedTHistory(t, db, false)
	last := want[len(want)-1].Version
	for i := range want {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: i%2 == 1}))
		ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
		got := feedTRead(t, ds, want[i].Version-1, want[i].Version) // as far as one write, then another run
		feedTSame(t, "one write", want[i:i+1], got)
		if i+1 < len(want) {
			feedTSame(t, "the rest after it", want[i+1:], feedTRead(t, ds, want[i].Version, last))
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
	s := feedTStart(feedTContext(t), ds, last)
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 1}))
	if set := s.next(t); set.Version.ID != e.Changed || len(set.Changes) != 1 {
		t.Errorf("the next write is told as %+v", set)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fails(t, "the feed of a closed database", feedTWait(t, "its end", s.end), siftdb.ErrClosed)
	fileDB(t, path, nil) // is checked
}

// TestChangesOfALaterDataSource: 0 means the first write, also of a data source that
// was made after other writes, and nothing of it is lost.
func TestChangesOfALaterDataSource(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		table(t, db, "earlier", `{"n":1}`, `{"n":2}`)
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "later", Entries: raws(`{"n":3}`)}))
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 4}))
		for _, since := range []int64{0, 1} {
			if got := feedTRead(t, ds, since, e.Changed); len(got) != 2 || got[0].Action != "create" || got[1].Version != e.Changed {
				t.Errorf("the feed after %d: %+v", since, got)
			}
		}
	})
}

// TestChangesOfLargeWrites: a write of more than 1,000 entries comes in parts, and a
// reader that left between two of them gets the whole write again.
func TestChangesOfLargeWrites(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 2500)
		before := feedTNow(t, ds)
		created := versionsOf(t, ds)[0].ID
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"x": 1}}))
		middle := feedTNow(t, ds)
		updated := versionsOf(t, ds)[0].ID
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, people(1500)))
		after := feedTNow(t, ds)
		replaced := versionsOf(t, ds)[0].ID
		for _, since := range []int64{0, created, updated} {
			got := feedTRead(t, ds, since, replaced)
			for _, w := range got {
				want := map[int64][]string{created: feedTState{}.to(before), updated: before.to(middle), replaced: middle.to(after)}[w.Version]
				if diff := cmp.Diff(want, w.Changes); diff != "" || w.parts < 3 {
					t.Errorf("write %d in %d parts: %s", w.Version, w.parts, diff)
				}
			}
		}
		for set, err := range ds.Changes(feedTContext(t), created) {
			if err != nil || !set.More || set.Version.ID != updated {
				t.Fatalf("the first part is %+v, %v", set, err)
			}
			break
		}
		if got := feedTRead(t, ds, created, updated); len(got) != 1 || len(got[0].Changes) != 2500 {
			t.Errorf("after leaving in the middle: %d writes", len(got))
		}
	})
}

// TestChangesPositions: what a stream refuses to begin after.
func TestChangesPositions(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		v := versionsOf(t, ds)[0].ID
		first := func(handle *siftdb.DataSource, since int64) error {
			return eachError(handle.Changes(feedTContext(t), since))
		}
		for _, since := range []int64{v + 1, v + 1000, math.MaxInt64} {
			e := fails(t, "a version that does not exist yet", first(ds, since), siftdb.ErrNotFound)
			if e.DataSourceID != ds.ID() {
				t.Errorf("the error is of data source %d", e.DataSourceID)
			}
		}
		for _, since := range []int64{-2, math.MinInt64} { // FromNow is -1; a broken position must not skip the log
			s := feedTStart(feedTContext(t), ds, since)
			for done := false; !done; {
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 2})) // one that takes it for FromNow tells this
				select {
				case err := <-s.end:
					if done = true; !isInvalid(err) && !isNotFound(err) && !isInvalidQuery(err) {
						t.Errorf("the position %d gives %v", since, err)
					}
				case <-s.sets:
					done = true
					t.Errorf("the position %d is not refused", since)
				default:
				}
			}
		}
		for _, old := range []*siftdb.DataSource{ds.At(v), ds.AtTime(time.Now())} {
			fails(t, "a handle on an old state", first(old, 0), siftdb.ErrInvalidInput)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := eachError(ds.Changes(gone, 0)); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended gives %v", err)
		}
		if err := ds.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		fails(t, "a data source in the trash", first(ds, 0), siftdb.ErrNotFound)
	})
}

// TestChangesWait: a stream wakes for writes to its data source and to no other, and
// ends with its context, with the database, and with the data source, but not with
// the trash.
func TestChangesWait(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"n":1}`), table(t, db, "other")
		long, stop := context.WithCancel(ctx)
		defer stop()
		var ended, readers []*feedTStream
		short, cancel := context.WithCancel(ctx)
		for range 3 {
			ended = append(ended, feedTStart(short, ds, 0))
			readers = append(readers, feedTStart(long, ds, 0))
		}
		next := func() (got []*siftdb.ChangeSet) {
			for _, s := range readers {
				got = append(got, s.next(t))
			}
			return got
		}
		next()
		for _, s := range ended {
			s.next(t)
		}
		for i := range 20 {
			must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": i}))
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": i}))
			for _, set := range next() {
				if set.Version.ID != e.Changed || set.Changes[0].ID() != e.ID {
					t.Fatalf("write %d is told as %+v", e.Changed, set)
				}
			}
		}
		cancel()
		for _, s := range ended {
			if err := feedTWait(t, "the end", s.end); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled stream ends with %v", err)
			}
		}
		if err := ds.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": -1}))
		for _, set := range next() {
			if set.Version.ID != e.Changed {
				t.Errorf("the write after the trash is told as %+v", set)
			}
		}
		stays := feedTStart(long, other, all(t, other)[0].Changed-1)
		if err := db.Purge(ctx, ds.ID()); err != nil {
			t.Fatal(err)
		}
		for _, s := range readers {
			fails(t, "the stream of a purged data source", feedTWait(t, "the end", s.end), siftdb.ErrNotFound)
		}
		for range 20 {
			stays.next(t)
		}
		stop()
		feedTWait(t, "the end", stays.end)
	})
}

// TestChangesClose: Close does not wait for streams, and ends those that wait.
func TestChangesClose(t *testing.T) {
	for name, open := range map[string]func() (*siftdb.DB, error){
		"memory": func() (*siftdb.DB, error) { return siftdb.OpenMemory(nil) },
		"bolt":   func() (*siftdb.DB, error) { return siftdb.Open(ctx, filepath.Join(t.TempDir(), "c.db"), nil) },
	} {
		db := must[*siftdb.DB](t)(open())
		ds := table(t, db, "t", `{"n":1}`, `{"n":2}`)
		waiting := feedTStart(ctx, ds, 0)
		waiting.next(t)
		for _, err := range ds.Changes(feedTContext(t), 0) {
			if err != nil {
				fails(t, name+": a loop whose body closes the database", err, siftdb.ErrClosed)
				break
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		fails(t, name+": a stream that waits", feedTWait(t, "the end", waiting.end), siftdb.ErrClosed)
		fails(t, name+": a stream of a closed database", eachError(ds.Changes(ctx, siftdb.FromNow)), siftdb.ErrClosed)
	}
}

// TestChangesHistoryLost: a position is good for as long as every later version is
// kept, and refused from there on.
func TestChangesHistoryLost(t *testing.T) {
	retained(t, siftdb.Retention{Versions: 3}, time.Hour, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":-1}`)
		id, first := entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID
		for i := range 10 {
			setN(t, clock, ds, id, i)
			list := versionsOf(t, ds)
			oldest, last := list[len(list)-1].ID, list[0].ID
			for since := range last {
				if since < oldest-1 {
					e := fails(t, "a feed after a version that is dropped", eachError(ds.Changes(feedTContext(t), since)), siftdb.ErrHistoryLost)
					if e.DataSourceID != ds.ID() {
						t.Errorf("the error is of data source %d", e.DataSourceID)
					}
				} else if got := feedTRead(t, ds, since, last); len(got) != int(last-max(since, first-1)) {
					t.Fatalf("after %d of %d there are %d writes", since, last, len(got))
				}
			}
		}
	})
}

// TestChangesHoldHistory: with a retention that keeps nothing, a reader that is slow
// or waits still loses nothing, however large the writes; once it has left, nothing
// is held. One that is slower than SnapshotAge ends with ErrHistoryLost.
func TestChangesHoldHistory(t *testing.T) {
	retained(t, siftdb.Retention{Versions: -1}, time.Hour, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":-1}`)
		id, since := entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID
		waiting := feedTStart(feedTContext(t), ds, since-1)
		waiting.next(t) // it has begun
		var got []int64
		next := since + 1
		must[siftdb.BulkResult](t)(ds.Append(ctx, people(2200)))
		for set, err := range ds.Changes(feedTContext(t), since) {
			if err != nil {
				t.Fatal(err)
			}
			if v := set.Version.ID; v != next && v != next-1 {
				t.Fatalf("after write %d comes %d", next-1, v)
			}
			if next = set.Version.ID + 1; len(got) < 30 {
				setN(t, clock, ds, id, len(got))
			}
			if got = append(got, set.Version.ID); !set.More && next > since+30 {
				break
			}
		}
		for next := since + 1; next < since+30; next++ {
			set := waiting.next(t)
			for set.More {
				set = waiting.next(t)
			}
			if set.Version.ID != next {
				t.Fatalf("after write %d comes %d to one that waits", next-1, set.Version.ID)
			}
		}
	})
	retained(t, siftdb.Retention{Versions: -1}, time.Nanosecond, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":-1}`)
		id, last := entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID
		setN(t, clock, ds, id, 0)
		n := 0
		for _, err := range ds.Changes(feedTContext(t), last) {
			if n++; n > 1 {
				fails(t, "a loop that is slower than the age of a read", err, siftdb.ErrHistoryLost)
				break
			}
			setN(t, clock, ds, id, 1)
			setN(t, clock, ds, id, 2)
			setN(t, clock, ds, id, 3)
		}
		if n != 2 {
			t.Errorf("the loop ran %d times", n)
		}
		if k := len(versionsOf(t, ds)); k > 1 {
			t.Errorf("%d versions are held by nobody", k)
		}
	})
}
