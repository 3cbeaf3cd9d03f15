package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// storeSets reads what the feed of a store has after a commit, until the commit given
// has been read whole.
func storeSets(t *testing.T, db *siftdb.DB, since, until int64) (lines []string) {
	t.Helper()
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if since == until {
		return nil
	}
	for set, err := range db.Changes(deadline, since) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d/%d %s more=%v:", set.Version.ID, set.Version.DataSourceID, set.Version.Action, set.More)
		for _, c := range set.Changes {
			line += fmt.Sprintf(" %d(%v%v%v)", c.ID(), c.Created(), c.Updated(), c.Deleted())
		}
		lines = append(lines, line)
		if set.Version.ID == until && !set.More {
			break
		}
	}
	return lines
}

// TestStoreChanges: the feed of a store gives the writes to all data sources in
// commit order, and goes on after any commit.
func TestStoreChanges(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		a, b := table(t, db, "a", `{"n":1}`), table(t, db, "b")
		must[[]*siftdb.CommitResult](t)(db.CommitAll(ctx, []siftdb.SourceCommit{
			{DataSource: b, Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"x": 1}}}, Append: new(true)}},
			{DataSource: a, Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{{ID: 1, Data: siftdb.M{"n": 2}}}, Append: new(true)}},
		}))
		gone := table(t, db, "gone", `{"z":1}`)
		e := must[*siftdb.Entry](t)(a.Insert(ctx, siftdb.M{"n": 3}))
		if err := a.Remove(ctx, e.ID); err != nil {
			t.Fatal(err)
		}
		if err := db.Purge(ctx, gone.ID()); err != nil {
			t.Fatal(err)
		}
		last := versionsOf(t, a)[0].ID
		got := storeSets(t, db, 0, last)
		want := []string{
			"1/1 import more=false: 1(truefalsefalse)",
			"2/1 commit more=true: 1(falsetruefalse)",
			"2/2 commit more=false: 4096(truefalsefalse)",
			"4/1 insert more=false: 2(truefalsefalse)",
			"5/1 delete more=false: 2(falsefalsetrue)",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for since, rest := range map[int64][]string{1: want[1:], 2: want[3:], 3: want[3:], 4: want[4:]} {
			if diff := cmp.Diff(rest, storeSets(t, db, since, last)); diff != "" {
				t.Errorf("after %d: %s", since, diff)
			}
		}
		for _, err := range db.Changes(ctx, last+1) {
			if !isNotFound(err) {
				t.Errorf("a commit to come gives %v", err)
			}
		}
	})
}

// TestStoreChangesRandom writes to several data sources at random while a feed reads,
// and compares it with the feeds of the data sources.
func TestStoreChangesRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var sources []*siftdb.DataSource
		for i := range 4 {
			sources = append(sources, table(t, db, fmt.Sprint("t", i), `{"n":0}`))
		}
		const commits = 120
		seen := make(chan []string)
		began := int64(4)
		go func() {
			var lines []string
			for set, err := range db.Changes(ctx, began) {
				if err != nil {
					lines = append(lines, err.Error())
					break
				}
				lines = append(lines, fmt.Sprintf("%d/%d %d", set.Version.ID, set.Version.DataSourceID, len(set.Changes)))
				if set.Version.ID == began+commits && !set.More {
					break
				}
			}
			seen <- lines
		}()
		for i := range commits {
			switch ds := sources[rng.IntN(len(sources))]; rng.IntN(3) {
			case 0:
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": i}))
			case 1:
				must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"n": i}, siftdb.M{"n": -i}}))
			default:
				must[[]*siftdb.CommitResult](t)(db.CommitAll(ctx, []siftdb.SourceCommit{
					{DataSource: sources[0], Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": i}}}, Append: new(true)}},
					{DataSource: sources[3], Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": i}}}, Append: new(true)}},
				}))
			}
		}
		var want []string
		for c := began + 1; c <= began+commits; c++ {
			for _, ds := range sources {
				for _, v := range versionsOf(t, ds) {
					if v.ID == c {
						want = append(want, fmt.Sprintf("%d/%d %d", c, ds.ID(), v.Inserted+v.Updated+v.Deleted))
					}
				}
			}
		}
		select {
		case got := <-seen:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		case <-time.After(10 * time.Second):
			t.Error("the feed did not end")
		}
	})
}

// TestStoreChangesLost: a feed that begins before what retention has kept says so, and
// one that reads along loses nothing.
func TestStoreChangesLost(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Retention: siftdb.Retention{Versions: -1}})
	ds := table(t, db, "t", `{"n":0}`)
	const writes = 50
	began, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var sets, last int64
		for set, err := range db.Changes(ctx, siftdb.FromNow) {
			if err == nil && last > 0 && set.Version.ID != last+1 {
				err = fmt.Errorf("version %d follows %d", set.Version.ID, last)
			}
			if sets++; sets == 1 {
				close(began)
			}
			if err != nil || sets == writes {
				done <- err
				return
			}
			last = set.Version.ID
		}
	}()
	write := func(n int) { must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"n": n})) }
	for n := 1; ; n++ { // until the feed sees one
		write(-n)
		select {
		case <-began:
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	for n := range writes {
		write(n)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the feed says nothing")
	}
	for _, err := range db.Changes(ctx, 1) {
		if !errors.Is(err, siftdb.ErrHistoryLost) {
			t.Errorf("what retention has dropped gives %v", err)
		}
		break
	}
}
