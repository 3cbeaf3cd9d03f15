package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/memory"
)

// Each test here is a fault that a review found, so that it stays mended.

// TestForeignIDs: ids beyond the range name nothing, and not their remainder.
func TestForeignIDs(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	for _, id := range []int64{0, -1, ds.ID() + 1<<32, ds.ID() - 1<<32, math.MaxInt64, math.MinInt64} {
		if _, err := db.DataSource(ctx, id); !isNotFound(err) {
			t.Errorf("data source %d gives %v", id, err)
		}
		if err := db.Purge(ctx, id); !isNotFound(err) {
			t.Errorf("purging %d gives %v", id, err)
		}
		if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Version: &siftdb.VersionRef{DataSourceID: id, ID: 1}}); !isNotFound(err) {
			t.Errorf("copying from %d gives %v", id, err)
		}
	}
	for _, id := range []int64{0, -1, math.MaxInt64, math.MinInt64} {
		if _, err := ds.FindByID(ctx, id); !isNotFound(err) {
			t.Errorf("entry %d gives %v", id, err)
		}
		if _, err := ds.At(id).FindByID(ctx, 1); !isNotFound(err) {
			t.Errorf("version %d gives %v", id, err)
		}
	}
}

// TestLostCounters: a file of somebody else's, and one whose counters are gone, are
// not taken for new ones.
func TestLostCounters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	edit := func(fn func(tx *bbolt.Tx) error) {
		t.Helper()
		file := must[*bbolt.DB](t)(bbolt.Open(path, 0o600, nil))
		if err := errors.Join(file.Update(fn), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("sessions"))
		return err
	})
	if _, err := siftdb.Open(ctx, path, nil); !errors.Is(err, siftdb.ErrNotDatabase) {
		t.Errorf("another program's file gives %v", err)
	}
	path += "2"
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	table(t, db, "t", `{"a":1}`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	edit(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("head")).Delete([]byte{0}) })
	if _, err := siftdb.Open(ctx, path, nil); !errors.Is(err, siftdb.ErrCorrupt) {
		t.Errorf("a file without counters gives %v", err)
	}
}

// TestDefinitionsAreCopied: what a caller does to its own values changes nothing.
func TestDefinitionsAreCopied(t *testing.T) {
	db := memoryDB(t, nil)
	org, public, kind := int64(1), false, "menu"
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: &org, Public: &public, Type: &kind}))
	org, public, kind = 2, true, "other"
	info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
	*info.OrganizationID, *info.Public, *info.Type = 3, true, "third"
	info = must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Bundle: new(true)}))
	if *info.OrganizationID != 1 || *info.Public || *info.Type != "menu" {
		t.Errorf("the definition is %d, %v, %s", *info.OrganizationID, *info.Public, *info.Type)
	}
}

// TestNothingByOmission: a missing where deletes and changes nothing, whatever its
// type; a commit that is refused has no body either.
func TestNothingByOmission(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`, `{"a":2}`)
	for _, where := range []any{nil, siftdb.M(nil), siftdb.D(nil), map[string]any(nil), json.RawMessage(nil), []byte(nil), (*siftdb.M)(nil)} {
		if _, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: where}); !isInvalidQuery(err) {
			t.Errorf("deleting where %T gives %v", where, err)
		}
		if _, err := ds.UpdateWhere(ctx, where, siftdb.Patch{Set: siftdb.M{"a": 0}}); !isInvalidQuery(err) {
			t.Errorf("updating where %T gives %v", where, err)
		}
	}
	for _, c := range []siftdb.Commit{{}, {Columns: []string{"a"}}, {Append: new(false), Delete: []int64{1}}} {
		if _, err := ds.Commit(ctx, c); !isInvalid(err) {
			t.Errorf("%+v gives %v", c, err)
		}
		if text, err := json.Marshal(c); err == nil {
			t.Errorf("%+v has the body %s", c, text)
		}
	}
	if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"a":1}`, `{"a":2}`}) {
		t.Errorf("the table is %v", got)
	}
}

// TestUpdateWhereBindsFirst: the names that an update brings do not change what its
// own where means, and an update of nothing brings none.
func TestUpdateWhereBindsFirst(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":{"b":1}}`, `{"order":5}`)
	where := `{"a.b":1}`
	if n := must[int64](t)(ds.UpdateWhere(ctx, `{"zz":1}`, siftdb.Patch{Set: siftdb.M{"a.b": 5}})); n != 0 {
		t.Errorf("%d changed", n)
	}
	if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where})); n != 1 {
		t.Errorf("an update of nothing made %s count %d", where, n)
	}
	if n := must[int64](t)(ds.UpdateWhere(ctx, where, siftdb.Patch{Set: siftdb.M{"a.b": 5}})); n != 1 {
		t.Errorf("%d changed", n)
	}
	if got := texts(all(t, ds))[0]; got != `{"a":{"b":1},"a.b":5}` {
		t.Errorf("the entry is %s", got)
	}
	// A write that turns the path into a column while the function runs.
	other := table(t, db, "u", `{"c":{"d":1}}`)
	calls := 0
	n, err := other.UpdateWhere(ctx, `{"c.d":1}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) {
		calls++
		must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"c.d": 2}))
		return siftdb.M{"hit": true}, nil
	}})
	if err != nil || n != 0 || calls != 1 {
		t.Errorf("%d changed in %d calls, %v", n, calls, err)
	}
}

// TestUpdateWhereNearTheLastName: set and function share the numbers that are left.
func TestUpdateWhereNearTheLastName(t *testing.T) {
	db := memoryDB(t, nil)
	row := make(siftdb.D, 4050)
	for i := range row {
		row[i] = siftdb.E{Key: fmt.Sprint("c", i), Value: i}
	}
	ds := table(t, db, "wide")
	must[*siftdb.Entry](t)(ds.Insert(ctx, row))
	set, more := siftdb.M{}, siftdb.M{}
	for i := range 30 {
		set[fmt.Sprint("s", i)], more[fmt.Sprint("f", i)] = i, i
	}
	n, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: set, Func: func(*siftdb.Entry) (any, error) { return more, nil }})
	if err != nil || n != 1 {
		t.Fatalf("%d changed, %v", n, err)
	}
	e := all(t, ds)[0]
	for i := range 30 {
		if e.Get(fmt.Sprint("s", i)) != float64(i) || e.Get(fmt.Sprint("f", i)) != float64(i) {
			t.Errorf("columns %d are %v and %v", i, e.Get(fmt.Sprint("s", i)), e.Get(fmt.Sprint("f", i)))
		}
	}
}

// TestReturnedEntries: a commit answers with the state that it made, also when
// nothing of the history is kept and others write.
func TestReturnedEntries(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Retention: siftdb.Retention{Versions: -1}})
	ds := table(t, db, "t", `{"n":0}`)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if _, err := ds.Insert(ctx, siftdb.M{"other": i}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for i := range 200 {
		result := must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(false), ReturnEntries: true, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": i}}}}))
		if len(result.Entries) != 1 || result.Entries[0].ID != result.Inserted[0] {
			t.Fatalf("round %d: the answer is %v", i, texts(result.Entries))
		}
	}
	close(stop)
	<-done
}

// TestClockSteps: a clock that is put back ends no read.
func TestClockSteps(t *testing.T) {
	c := newClock()
	options := c.options()
	options.Retention.Versions = 1
	db := memoryDB(t, options)
	ds := numbered(t, db, 300)
	c.move(-48 * time.Hour)
	n := 0
	for _, err := range ds.Each(ctx, siftdb.Query{}) {
		if err != nil {
			t.Fatalf("after %d entries: %v", n, err)
		}
		n++
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
	}
	if n != 300 {
		t.Errorf("%d entries", n)
	}
}

// TestStrangeTimes: times outside the years of dates read as empty or as now.
func TestStrangeTimes(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{}`)
	for at, want := range map[time.Time]int64{{}: 0, time.Unix(-5, 0): 0, time.Unix(0, 0): 0, time.Unix(1<<60, 0): 1, time.Unix(-1<<60, 0): 0, time.Now().Add(time.Hour): 1} {
		n, err := ds.AtTime(at).Count(ctx, siftdb.Query{})
		if err != nil || n != want {
			t.Errorf("at %v: %d, %v", at, n, err)
		}
	}
}

// TestCursorEdges: offsets beyond everything, empty results, the zero cursor.
func TestCursorEdges(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Offset: 100}))
	if !c.IsFirstPage() || !c.IsLastPage() {
		t.Error("an empty result is not the first and the last page")
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{}`, `{}`)))
	c = must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{Offset: math.MaxInt, Limit: new(1)}))
	if !c.IsLastPage() || c.Offset() < 0 {
		t.Errorf("offset %d, last page %v", c.Offset(), c.IsLastPage())
	}
	c.Next()
	if err := c.Update(ctx, false); err != nil {
		t.Error(err)
	}
	var zero siftdb.Cursor
	zero.SetPage(3)
	zero.SetOffset(3)
}

// TestConditionsInCommits: a condition belongs to an update.
func TestConditionsInCommits(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	for _, e := range []siftdb.CommitEntry{{Data: siftdb.M{}, IfChanged: 1}, {ID: 1, Data: siftdb.M{}, IfChanged: -1}} {
		if _, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{e}}); !isInvalid(err) {
			t.Errorf("%+v gives %v", e, err)
		}
	}
}

// TestKeptUntouched: JSON that clients gave comes back as it was, and keys of a
// definition are told apart by case.
func TestKeptUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "a<b>&", AppCapabilities: json.RawMessage(`["<b>&"]`), Definition: json.RawMessage(`{"GUID":"u"}`)}))
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
	if string(e.JSON()) != `{}` {
		t.Errorf("another key filled a column: %s", e.JSON())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = fileDB(t, path, nil)
	info := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{}))[0]
	if string(info.AppCapabilities) != `["<b>&"]` || info.Name != "a<b>&" {
		t.Errorf("kept %s, %s", info.AppCapabilities, info.Name)
	}
	if list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: true})); list == nil {
		t.Error("an empty list is nil")
	}
}

// TestLimitsHoldEverywhere: merges, commit bodies and orders obey the limits of the
// database, larger ones too.
func TestLimitsHoldEverywhere(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{Keys: 10, Depth: 300}})
	ds := table(t, db, "t", `{"a":1}`)
	id := entryIDs(t, ds)[0]
	patch := siftdb.M{}
	for i := range 9 {
		patch[fmt.Sprint("k", i)] = i
	}
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, patch))
	if _, err := ds.UpdateEntry(ctx, id, siftdb.M{"one more": 1}); !isInvalid(err) {
		t.Errorf("an eleventh key gives %v", err)
	}
	deep := `{"a":` + strings.Repeat("[", 250) + strings.Repeat("]", 250) + `}`
	c := must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(`{"append":true,"entries":[{"data":` + deep + `}]}`)))
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
	deeper := `{"a":` + strings.Repeat("[", 301) + strings.Repeat("]", 301) + `}`
	c = must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(`{"append":true,"entries":[{"data":` + deeper + `}]}`)))
	if _, err := ds.Commit(ctx, c); !isInvalid(err) {
		t.Errorf("a commit beyond the depth gives %v", err)
	}
	many := `{"append":true,"entries":[{"data":{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"11":1}}]}`
	if _, err := ds.Commit(ctx, must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(many)))); !isInvalid(err) {
		t.Errorf("a commit of too many keys gives %v", err)
	}
}

// TestReadOnlyStorage: the option holds for any storage.
func TestReadOnlyStorage(t *testing.T) {
	store := memory.New()
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	table(t, db, "t", `{}`)
	ro := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, &siftdb.Options{ReadOnly: true}))
	defer ro.Close()
	if _, err := ro.Create(ctx, siftdb.DataSourceSpec{Name: "x"}); !errors.Is(err, siftdb.ErrReadOnly) {
		t.Errorf("a write gives %v", err)
	}
	if _, err := siftdb.OpenStorage(ctx, nil, nil); !isInvalid(err) {
		t.Errorf("no storage gives %v", err)
	}
	if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "y"}, nil); err != nil {
		t.Errorf("a nil option gives %v", err)
	}
}

// TestTrashDuringRead: what is being read is read to its end.
func TestTrashDuringRead(t *testing.T) {
	db := memoryDB(t, nil)
	ds := numbered(t, db, 2500)
	n := 0
	for _, err := range ds.Each(ctx, siftdb.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 5 {
			if err := ds.Delete(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 2500 {
		t.Errorf("%d entries", n)
	}
	must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
	n = 0
	for _, err := range ds.Diff(ctx, must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID, siftdb.Now) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 5 {
			if err := ds.Delete(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 2500 {
		t.Errorf("%d differences", n)
	}
}

// TestWideMerge: merging thousands of keys whose names stand in the documents takes
// no minute; the limit is far above what it takes.
func TestWideMerge(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	row := siftdb.M{}
	for i := range 9900 {
		row[fmt.Sprint("column ", i)] = i
	}
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, row))
	for i := range 9900 {
		row[fmt.Sprint("column ", i)] = -i
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	e = must[*siftdb.Entry](t)(ds.UpdateEntry(limited, e.ID, row))
	for _, i := range []int{1, 4095, 4096, 9899} {
		if e.Get(fmt.Sprint("column ", i)) != float64(-i) {
			t.Errorf("column %d is %v", i, e.Get(fmt.Sprint("column ", i)))
		}
	}
	if len(e.Map()) != 9900 {
		t.Errorf("%d keys", len(e.Map()))
	}
}
