package siftdb_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// retained opens a database of each kind with a retention and a clock.
func retained(t *testing.T, keep siftdb.Retention, age time.Duration, test func(*testing.T, *siftdb.DB, *handClock)) {
	for _, kind := range []string{"memory", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			clock, options := stopped()
			options.Retention, options.SnapshotAge = keep, age
			if kind == "memory" {
				test(t, memoryDB(t, options), clock)
			} else {
				test(t, fileDB(t, filepath.Join(t.TempDir(), "r.db"), options), clock)
			}
		})
	}
}

// setN updates an entry, a minute after the last write.
func setN(t testing.TB, clock *handClock, ds *siftdb.DataSource, id int64, n int) {
	t.Helper()
	clock.move(time.Minute)
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": n}))
}

// TestRetentionByNumber is spec 9.6: the newest versions stay, whole and restorable,
// the rest is gone; live entries are not touched.
func TestRetentionByNumber(t *testing.T) {
	retained(t, siftdb.Retention{Versions: 3}, 0, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds, other := table(t, db, "t", `{"n":-1}`, `{"n":-2}`), table(t, db, "other", `{"o":1}`)
		id := entryIDs(t, ds)
		first, begin := versionsOf(t, ds)[0].ID, clock.read()
		for i := range 30 {
			setN(t, clock, ds, id[0], i)
			list := versionsOf(t, ds)
			// The write's own version is there; the ones before it go when it is made.
			if len(list) > 4 || len(list) < min(i+2, 3) || list[0].Action != "update" || list[0].Count != 2 {
				t.Fatalf("after %d writes there are %d versions", i+1, len(list))
			}
			for j, v := range list {
				want := i - 1 - j
				if v.Action != "update" {
					continue
				}
				if got := must[*siftdb.Entry](t)(ds.At(v.ID).FindByID(ctx, id[0])).Get("n"); got != float64(want) {
					t.Fatalf("version %d has %v, want %d", v.ID, got, want)
				}
			}
		}
		if diff := cmp.Diff([]string{`{"n":29}`, `{"n":-2}`}, texts(all(t, ds))); diff != "" {
			t.Errorf("live entries: %s", diff)
		}
		if n := len(versionsOf(t, other)); n != 1 {
			t.Errorf("another data source has %d versions", n)
		}
		list := versionsOf(t, ds)
		oldest := list[len(list)-1]
		_, err := ds.VersionEntries(ctx, first, siftdb.VersionQuery{})
		fails(t, "a dropped version", err, siftdb.ErrNotFound)
		_, err = ds.Restore(ctx, first)
		fails(t, "restoring a dropped version", err, siftdb.ErrNotFound)
		_, err = collectDiff(ds, first, siftdb.Now)
		fails(t, "a diff from a dropped version", err, siftdb.ErrNotFound)
		for _, at := range []time.Time{begin, begin.Add(5 * time.Minute), oldest.CreatedAt.Add(-time.Minute - time.Millisecond)} {
			_, err = ds.AtTime(at).Find(ctx, siftdb.Query{})
			if e := fails(t, "a dropped time", err, siftdb.ErrSnapshotGone); e.DataSourceID != ds.ID() {
				t.Errorf("the error names data source %d", e.DataSourceID)
			}
			_, err = ds.AtTime(at).FindByID(ctx, id[0])
			fails(t, "an entry at a dropped time", err, siftdb.ErrSnapshotGone)
			_, err = ds.AtTime(at).Count(ctx, siftdb.Query{})
			fails(t, "a count at a dropped time", err, siftdb.ErrSnapshotGone)
		}
		want := must[*siftdb.Entry](t)(ds.At(oldest.ID).FindByID(ctx, id[0]))
		if got, err := ds.AtTime(oldest.CreatedAt.Add(-time.Millisecond)).FindByID(ctx, id[0]); err != nil || asJSON(t, got) != asJSON(t, want) {
			t.Errorf("just before the oldest version: %v, want %s", err, want.JSON())
		}
		if got := must[[]string](t)(collectDiff(ds, oldest.ID, siftdb.Now)); !cmp.Equal(got, []string{string(want.JSON()) + `>{"n":29}`}) {
			t.Errorf("a diff from the oldest version: %v", got)
		}
		must[int64](t)(ds.Restore(ctx, oldest.ID))
		if got := string(must[*siftdb.Entry](t)(ds.FindByID(ctx, id[0])).JSON()); got != string(want.JSON()) {
			t.Errorf("restored %s, want %s", got, want.JSON())
		}
	})
}

// TestRetentionByAge: a version goes with the first write after its time.
func TestRetentionByAge(t *testing.T) {
	retained(t, siftdb.Retention{Age: time.Hour}, 0, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":-1}`)
		id := entryIDs(t, ds)[0]
		for i := range 200 {
			setN(t, clock, ds, id, i)
			list := versionsOf(t, ds)
			if want := min(i+2, 61); len(list) != want && len(list) != want+1 {
				t.Fatalf("after %d minutes there are %d versions, want %d", i+1, len(list), want)
			}
		}
		clock.move(24 * time.Hour)
		if n := len(versionsOf(t, ds)); n < 60 {
			t.Errorf("versions went without a write: %d", n)
		}
		setN(t, clock, ds, id, 1000)
		if list := versionsOf(t, ds); len(list) != 1 || must[*siftdb.Entry](t)(ds.At(list[0].ID).FindByID(ctx, id)).Get("n") != 199.0 {
			t.Errorf("%d versions after a day", len(list))
		}
	})
}

// TestRetentionOfNone keeps none but that of the last write.
func TestRetentionOfNone(t *testing.T) {
	retained(t, siftdb.Retention{Versions: -1}, 0, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := table(t, db, "t", `{"n":-1}`)
		id := entryIDs(t, ds)[0]
		for i := range 20 {
			setN(t, clock, ds, id, i)
			if n := len(versionsOf(t, ds)); n > 1 {
				t.Fatalf("%d versions are kept", n)
			}
		}
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"n":1}`)))
		if n := len(all(t, ds)); n != 1 {
			t.Errorf("%d live entries", n)
		}
	})
}

// TestRetentionSparesOpenReads: a stream keeps the versions that it needs until
// SnapshotAge; then it ends with ErrSnapshotGone, never with other entries.
func TestRetentionSparesOpenReads(t *testing.T) {
	queries := []siftdb.Query{{}, {Where: `{"mod":{"$gte":1}}`}, {Order: siftdb.Order{siftdb.Desc("mod")}}}
	retained(t, siftdb.Retention{Versions: -1}, time.Hour, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		for _, q := range queries {
			ds := numbered(t, db, 2500)
			ids := entryIDs(t, ds)
			want := describeEntries(must[[]*siftdb.Entry](t)(ds.Find(ctx, q)))
			var got []string
			for e, err := range ds.Each(ctx, q) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, describeEntries([]*siftdb.Entry{e})...); len(got)%50 == 1 && len(got) < 2500 {
					must[int64](t)(ds.UpdateWhere(ctx, siftdb.M{"id": ids[len(ids)-1-len(got)/2]}, siftdb.Patch{Set: siftdb.M{"mod": 99, "n": len(got)}}))
					clock.move(time.Second) // some 50 in all
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v: an open read saw others' writes: %s", q, diff)
			}
			setN(t, clock, ds, ids[0], 1)
			setN(t, clock, ds, ids[0], 2)
			if n := len(versionsOf(t, ds)); n > 1 {
				t.Errorf("%d versions stay after the read has ended", n)
			}
			for range ds.Each(ctx, q) { // left early: nothing is held
				break
			}
		}
	})
	// The age of a read is measured by the process, not by the clock of the commits.
	retained(t, siftdb.Retention{Versions: -1}, 100*time.Millisecond, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		for _, q := range queries {
			ds := numbered(t, db, 2500)
			ids := entryIDs(t, ds)
			var failed error
			n := 0
			for e, err := range ds.Each(ctx, q) {
				if failed = err; err != nil {
					break
				}
				if n++; n == 5 {
					setN(t, clock, ds, ids[2499], 3)
					time.Sleep(150 * time.Millisecond)
					setN(t, clock, ds, ids[1], 4)
					setN(t, clock, ds, ids[2499], 5)
				}
				if e.Get("n") == 5.0 && e.ID == ids[2499] {
					t.Error("a write of after its beginning was read")
				}
			}
			if e := fails(t, "a read that outlived its age", failed, siftdb.ErrSnapshotGone); e.DataSourceID != ds.ID() || n > 1100 {
				t.Errorf("it ended after %d entries, for data source %d", n, e.DataSourceID)
			}
		}
	})
}

// TestRetentionSparesOldReads: a stream of a version keeps it, and so does a diff.
func TestRetentionSparesOldReads(t *testing.T) {
	retained(t, siftdb.Retention{Versions: 2}, time.Hour, func(t *testing.T, db *siftdb.DB, clock *handClock) {
		ds := numbered(t, db, 2500)
		ids := entryIDs(t, ds)
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"n": 0}}))
		v := versionsOf(t, ds)[0].ID
		want := describeEntries(must[[]*siftdb.Entry](t)(ds.At(v).Find(ctx, siftdb.Query{})))
		var got []string
		for e, err := range ds.At(v).Each(ctx, siftdb.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, describeEntries([]*siftdb.Entry{e})...); len(got)%500 == 1 {
				for i := range 5 {
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[i], siftdb.M{"n": len(got) + i}))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a read of a version lost it: %s", diff)
		}
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"even": 1}}))
		v = versionsOf(t, ds)[0].ID
		n := 0
		for c, err := range ds.Diff(ctx, v, siftdb.Now) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%500 == 1 {
				for i := range 5 {
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[i], siftdb.M{"n": -n - i}))
				}
			}
			if c.After.Get("even") != 1.0 || c.Before.Get("even") == 1.0 {
				t.Fatalf("change %d: %s > %s", n, c.Before.JSON(), c.After.JSON())
			}
		}
		if n != 2500 {
			t.Errorf("a diff of %d changes", n)
		}
	})
}

// TestRetentionOptions: nonsense is refused, no retention keeps everything.
func TestRetentionOptions(t *testing.T) {
	for _, options := range []*siftdb.Options{{Retention: siftdb.Retention{Versions: -2}}, {Retention: siftdb.Retention{Age: -1}}, {SnapshotAge: -1},
		{Limits: siftdb.Limits{Depth: -2}}, {Limits: siftdb.Limits{Keys: -2}}, {Limits: siftdb.Limits{KeyBytes: -2}}, {Limits: siftdb.Limits{NumberBytes: -2}}} {
		db, err := siftdb.OpenMemory(options)
		fails(t, "OpenMemory", err, siftdb.ErrInvalidInput)
		path := filepath.Join(t.TempDir(), "x.db")
		db2, err := siftdb.Open(ctx, path, options)
		fails(t, "Open", err, siftdb.ErrInvalidInput)
		if db != nil || db2 != nil {
			t.Error("a refused database is returned")
		}
	}
	clock, options := stopped()
	ds := table(t, memoryDB(t, options), "t", `{"n":0}`)
	id := entryIDs(t, ds)[0]
	var failed error
	n := 0
	for _, err := range ds.Each(ctx, siftdb.Query{}) { // no read ends for its age
		clock.move(1000 * time.Hour)
		failed = errors.Join(failed, err)
		n++
	}
	for i := range 300 {
		setN(t, clock, ds, id, i+1)
		clock.move(1000 * time.Hour)
	}
	if got := len(versionsOf(t, ds)); got != 301 || failed != nil || n != 1 {
		t.Errorf("%d versions without retention, %v", got, failed)
	}
}
