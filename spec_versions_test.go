package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestVersionCost: 200 single updates on 50,000 entries of 250 bytes add less than
// 4 KiB of pages in use each, and the file grows by no more than 2 MiB in all.
func TestVersionCost(t *testing.T) {
	db := fileDB(t, filepath.Join(t.TempDir(), "cost.db"), nil)
	ds := table(t, db, "people")
	rows := make([]any, 50_000)
	for i := range rows {
		rows[i] = person(i)
	}
	ids := must[siftdb.BulkResult](t)(ds.Append(ctx, rows)).IDs
	size := db.Size
	before, err := size()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[i*7919%len(ids)], siftdb.M{"Score": -i - 1}))
	}
	after, err := size()
	if err != nil {
		t.Fatal(err)
	}
	each, grown := (after.Used-before.Used)/200, after.Total-before.Total
	t.Logf("each update added %d bytes of pages, the file grew by %d bytes", each, grown)
	if each >= 4<<10 || grown > 2<<20 {
		t.Error("a version costs more than its change")
	}
	if n := len(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{Limit: new(300)}))); n != 201 {
		t.Errorf("%d versions", n)
	}
}

func newClock() *handClock {
	return &handClock{now: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
}
func actions(list []siftdb.Version) string { return strings.Join(actionList(list), " ") }
func actionList(list []siftdb.Version) (out []string) {
	for _, v := range slices.Backward(list) {
		out = append(out, fmt.Sprintf("%s:%d", v.Action, v.Count))
	}
	return out
}

// TestVersions is spec 9.1 to 9.4: every write that changes entries leaves a
// version, the backup taken just before it.
func TestVersions(t *testing.T) {
	c := newClock()
	db := memoryDB(t, c.options())
	ds := table(t, db, "v")
	list := func() []siftdb.Version { return must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{})) }
	ann := siftdb.ByUser(siftdb.User{ID: 1, FirstName: "Nicholas", LastName: "Valbusa"})
	first := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"a": 1}, ann, siftdb.WithSource("form")))
	c.move(time.Second)
	second := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, first.ID, siftdb.M{"b": 2}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"a":2}`, `{"a":3}`)))
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"a": 4}}}}))
	must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"a":4}`}))
	if err := ds.Remove(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, nil))
	must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, nil)) // nothing to change
	must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`}))
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("renamed")}))
	if got, want := actions(list()), "insert:0 update:1 import:1 commit:3 query:4 delete:3 import:2"; got != want {
		t.Fatalf("actions and counts:\n%s, want\n%s", got, want)
	}
	versions := list()
	for i := 1; i < len(versions); i++ {
		if versions[i].ID >= versions[i-1].ID {
			t.Error("versions are not newest first")
		}
	}
	one := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{Limit: new(2), Offset: 1}))
	if len(one) != 2 || one[0].ID != versions[1].ID {
		t.Errorf("a page of versions is %v", one)
	}

	oldest := versions[len(versions)-1]
	body, _ := json.Marshal(oldest)
	want := fmt.Sprintf(`{"id":%d,"dataSourceId":%d,"pageId":null,"userId":1,"user":{"id":1,"firstName":"Nicholas","lastName":"Valbusa","fullName":"Nicholas Valbusa"},`+
		`"data":{"action":"insert","columns":null,"entries":{"count":0,"key":"%s"}},"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}`, oldest.ID, ds.ID(), oldest.Key)
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Error(diff)
	}
	if !regexp.MustCompile(fmt.Sprintf(`^data-sources/%d/versions/2026-01/[0-9a-f]{32}\.json$`, ds.ID())).MatchString(oldest.Key) {
		t.Errorf("key %q", oldest.Key)
	}
	if versions[0].User != nil || oldest.Source != "form" {
		t.Errorf("user %v, source %q", versions[0].User, oldest.Source)
	}

	// The state before the update: the entry as the insert left it.
	old := must[[]*siftdb.Entry](t)(ds.VersionEntries(ctx, versions[len(versions)-2].ID, siftdb.VersionQuery{Where: `{"id":{"$gte":1}}`, Limit: new(5)}))
	if len(old) != 1 || string(old[0].JSON()) != `{"a":1}` || !old[0].UpdatedAt.Equal(first.UpdatedAt) || old[0].ID != first.ID {
		t.Errorf("the version holds %v", texts(old))
	}
	if e, err := ds.At(versions[len(versions)-2].ID).FindByID(ctx, first.ID); err != nil || e.Changed != first.Changed {
		t.Errorf("by id at a version: %v, %v", e, err)
	}
	if e, err := ds.AtTime(first.UpdatedAt).FindByID(ctx, first.ID); err != nil || string(e.JSON()) != `{"a":1}` {
		t.Errorf("by id at a time: %v, %v", e, err)
	}
	if n := must[int64](t)(ds.AtTime(first.UpdatedAt.Add(-time.Millisecond)).Count(ctx, siftdb.Query{})); n != 0 {
		t.Errorf("before the first write: %d entries", n)
	}
	if n := must[int64](t)(ds.AtTime(c.read().Add(time.Hour)).Count(ctx, siftdb.Query{})); n != 0 {
		t.Errorf("in the future: %d entries", n)
	}

	// Restore brings back ids, times and columns, and can be undone.
	target := versions[len(versions)-3]
	left := must[int64](t)(ds.Restore(ctx, target.ID))
	now := all(t, ds)
	if len(now) != 1 || string(now[0].JSON()) != `{"a":1,"b":2}` || !now[0].UpdatedAt.Equal(second.UpdatedAt) || !now[0].CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("restored %v", texts(now))
	}
	if columns := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns; !cmp.Equal(columns, []string{"a", "b"}) {
		t.Errorf("columns are %v", columns)
	}
	if v := list()[0]; v.ID != left || v.Action != "pre-restore" || v.Count != 0 {
		t.Errorf("the restore left %+v", v)
	}
	if again := must[int64](t)(ds.Restore(ctx, target.ID)); again != 0 {
		t.Errorf("a restore that changes nothing left version %d", again)
	}
	must[int64](t)(ds.Restore(ctx, left))
	if n := len(all(t, ds)); n != 0 {
		t.Errorf("undoing the restore leaves %d entries", n)
	}
	if e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"a": 9})); e.ID <= first.ID+2 {
		t.Errorf("id %d was used before", e.ID)
	}

	other := table(t, db, "other", `{}`)
	for _, err := range []error{
		func() error { _, err := ds.Restore(ctx, 999); return err }(),
		func() error { _, err := other.Restore(ctx, left); return err }(),
		func() error { _, err := other.At(left).Find(ctx, siftdb.Query{}); return err }(),
		func() error { _, err := ds.VersionEntries(ctx, 0, siftdb.VersionQuery{}); return err }(),
		func() error { _, err := ds.At(-1).Count(ctx, siftdb.Query{}); return err }(),
	} {
		if !isNotFound(err) {
			t.Errorf("an unknown version gives %v", err)
		}
	}
}

// TestOldHandles: writes through a handle on an old state are refused.
func TestOldHandles(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	old := ds.At(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID)
	writes := []func(*siftdb.DataSource) error{
		func(ds *siftdb.DataSource) error { _, err := ds.Insert(ctx, siftdb.M{}); return err },
		func(ds *siftdb.DataSource) error { _, err := ds.UpdateEntry(ctx, 1, siftdb.M{}); return err },
		func(ds *siftdb.DataSource) error { return ds.Remove(ctx, 1) },
		func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, nil); return err },
		func(ds *siftdb.DataSource) error { _, err := ds.ReplaceWith(ctx, nil); return err },
		func(ds *siftdb.DataSource) error {
			_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}})
			return err
		},
		func(ds *siftdb.DataSource) error {
			_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"a": 2}})
			return err
		},
		func(ds *siftdb.DataSource) error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`})
			return err
		},
		func(ds *siftdb.DataSource) error { _, err := ds.Restore(ctx, 1); return err },
		func(ds *siftdb.DataSource) error { _, err := ds.Update(ctx, siftdb.DataSourceUpdate{}); return err },
		func(ds *siftdb.DataSource) error { return ds.Delete(ctx) },
	}
	for i, write := range writes {
		if err := write(old); !errors.Is(err, siftdb.ErrReadOnly) {
			t.Errorf("write %d gives %v", i, err)
		}
	}
	if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"a":1}`}) {
		t.Errorf("the table is %v", got)
	}
}

// TestRetention is spec 9.6.
func TestRetention(t *testing.T) {
	write := func(t *testing.T, ds *siftdb.DataSource, id int64, n int) {
		for i := range n {
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": time.Now().UnixNano(), "i": i}))
		}
	}
	t.Run("number", func(t *testing.T) {
		c := newClock()
		options := c.options()
		options.Retention.Versions = 5
		db := fileDB(t, filepath.Join(t.TempDir(), "r.db"), options)
		ds := table(t, db, "t", `{"n":0}`, `{"n":1}`)
		id := entryIDs(t, ds)[0]
		first := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
		c.move(time.Minute)
		write(t, ds, id, 20)
		versions := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))
		if len(versions) < 5 || len(versions) > 7 {
			t.Errorf("%d versions are kept", len(versions))
		}
		if n := len(all(t, ds)); n != 2 {
			t.Errorf("%d live entries", n)
		}
		if _, err := ds.At(first).Find(ctx, siftdb.Query{}); !isNotFound(err) {
			t.Errorf("a dropped version gives %v", err)
		}
		if _, err := ds.AtTime(c.read().Add(-time.Second)).Find(ctx, siftdb.Query{}); !errors.Is(err, siftdb.ErrSnapshotGone) {
			t.Errorf("a dropped time gives %v", err)
		}
		oldest := versions[len(versions)-1].ID
		if n := len(must[[]*siftdb.Entry](t)(ds.At(oldest).Find(ctx, siftdb.Query{}))); n != 2 {
			t.Errorf("the oldest version kept has %d entries", n)
		}
	})
	t.Run("age", func(t *testing.T) {
		c := newClock()
		options := c.options()
		options.Retention.Age = time.Hour
		db := memoryDB(t, options)
		ds := table(t, db, "t", `{"n":0}`)
		id := entryIDs(t, ds)[0]
		write(t, ds, id, 3)
		c.move(2 * time.Hour)
		write(t, ds, id, 2)
		if n := len(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))); n != 2 {
			t.Errorf("%d versions are kept", n)
		}
	})
	t.Run("none", func(t *testing.T) {
		db := memoryDB(t, &siftdb.Options{Retention: siftdb.Retention{Versions: -1}})
		ds := table(t, db, "t", `{"n":0}`)
		write(t, ds, entryIDs(t, ds)[0], 10)
		if n := len(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))); n > 2 {
			t.Errorf("%d versions are kept", n)
		}
	})
	t.Run("open read", func(t *testing.T) {
		c := newClock()
		options := c.options()
		options.Retention.Versions = 1
		db := memoryDB(t, options)
		ds := numbered(t, db, 3000)
		want := texts(all(t, ds))
		ids := entryIDs(t, ds)
		var got []string
		for e, err := range ds.Each(ctx, siftdb.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, string(e.JSON())); len(got)%100 == 0 {
				write(t, ds, ids[len(ids)-len(got)], 3)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("an open read lost its versions: %s", diff)
		}
	})
	t.Run("old read", func(t *testing.T) {
		db := memoryDB(t, &siftdb.Options{Retention: siftdb.Retention{Versions: 1}, SnapshotAge: 20 * time.Millisecond})
		ds := numbered(t, db, 3000)
		ids := entryIDs(t, ds)
		var failed error
		n := 0
		for _, err := range ds.Each(ctx, siftdb.Query{}) {
			if failed = err; n == 0 {
				time.Sleep(40 * time.Millisecond)
				write(t, ds, ids[len(ids)-1], 3)
			}
			n++
		}
		if !errors.Is(failed, siftdb.ErrSnapshotGone) {
			t.Errorf("a read that outlived its age ended with %v after %d entries", failed, n)
		}
	})
}

// TestCopyVersion is spec 9.5.
func TestCopyVersion(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 50)
		want := texts(all(t, ds))
		ids := entryIDs(t, ds)
		must[int64](t)(ds.UpdateWhere(ctx, `{"even":true}`, siftdb.Patch{Set: siftdb.M{"extra": 1}}))
		version := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
		if err := ds.Remove(ctx, ids[0]); err != nil {
			t.Fatal(err)
		}
		copied := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "copy", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: version}}))
		if diff := cmp.Diff(want, texts(all(t, copied))); diff != "" {
			t.Errorf("the copy differs: %s", diff)
		}
		for _, id := range entryIDs(t, copied) {
			if slices.Contains(ids, id) {
				t.Errorf("id %d is in both", id)
			}
		}
		if columns := must[siftdb.DataSourceInfo](t)(copied.Info(ctx)).Columns; !cmp.Equal(columns, []string{"n", "even", "mod"}) {
			t.Errorf("columns of the copy are %v", columns)
		}
		if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: 999}}); !isNotFound(err) {
			t.Errorf("an unknown version gives %v", err)
		}
		if n := len(must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{}))); n != 2 {
			t.Errorf("a failed creation left a data source: %d", n)
		}
	})
}
