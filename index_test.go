package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/bolt"
	"github.com/siftdb/siftdb/storage/memory"
)

// indexOn declares an index called after its fields.
func indexOn(fields ...string) siftdb.IndexSpec {
	spec := siftdb.IndexSpec{}
	for _, f := range fields {
		spec.Fields = append(spec.Fields, siftdb.IndexField{Name: f})
		spec.Name += f + "."
	}
	return spec
}

func uniqueOn(fields ...string) siftdb.IndexSpec {
	spec := indexOn(fields...)
	spec.Unique = true
	return spec
}

func create(t testing.TB, ds *siftdb.DataSource, specs ...siftdb.IndexSpec) {
	t.Helper()
	for _, spec := range specs {
		if err := ds.CreateIndex(ctx, spec); err != nil {
			t.Fatal(err)
		}
	}
}

// describeIndexes tells of each index its name, how many entries and keys it has, and
// whether it is not ready.
func describeIndexes(t testing.TB, ds *siftdb.DataSource) []string {
	t.Helper()
	out := []string{}
	for _, x := range must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)) {
		text := fmt.Sprintf("%s %d %d", x.Name, x.Entries, x.Keys)
		if !x.Ready {
			text += " unfinished"
		}
		out = append(out, text)
	}
	return out
}

func holds(t testing.TB, ds *siftdb.DataSource, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), describeIndexes(t, ds)); diff != "" {
		t.Errorf("indexes differ (-want +got):\n%s", diff)
	}
}

func sound(t testing.TB, db *siftdb.DB) {
	t.Helper()
	report, err := db.Check(ctx)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestIndexFollowsWrites(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "people", `{"Name":"Bob","Age":30}`, `{"Name":"Ann","Age":"41"}`, `{"Name":null}`)
		sparse := indexOn("Tags")
		sparse.Sparse = true
		create(t, ds, indexOn("Name"), indexOn("Age", "Name"), indexOn("data.nowhere"), sparse)
		holds(t, ds, "Age.Name. 3 4", "Name. 3 3", "Tags. 0 0", "data.nowhere. 3 3")
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Name": "Cid", "Tags": []string{"a", "b"}}))
		holds(t, ds, "Age.Name. 4 5", "Name. 4 4", "Tags. 1 3", "data.nowhere. 4 4")
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"Tags": []string{"b", "c", "d"}}))
		holds(t, ds, "Age.Name. 4 5", "Name. 4 4", "Tags. 1 4", "data.nowhere. 4 4")
		sound(t, db)
		ids := entryIDs(t, ds)
		result := must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: ids[:1], Entries: []siftdb.CommitEntry{
			{ID: ids[1], Data: siftdb.M{"Name": "x"}}, {ID: ids[1], Data: siftdb.M{"Tags": "y"}}, {Data: siftdb.M{"nowhere": 1}}}}))
		holds(t, ds, "Age.Name. 4 4", "Name. 4 4", "Tags. 2 5", "data.nowhere. 4 4")
		must[int64](t)(ds.Restore(ctx, result.Version))
		holds(t, ds, "Age.Name. 4 5", "Name. 4 4", "Tags. 1 4", "data.nowhere. 4 4")
		sound(t, db)
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"Tags":[1,2]}`)))
		holds(t, ds, "Age.Name. 1 1", "Name. 1 1", "Tags. 1 3", "data.nowhere. 1 1")
		if err := ds.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		sound(t, db)
		ds = must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
		holds(t, ds, "Age.Name. 1 1", "Name. 1 1", "Tags. 1 3", "data.nowhere. 1 1")
		if err := db.Purge(ctx, ds.ID()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeclaringIndexes(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "people", `{"Name":"Bob"}`)
		before := must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
		create(t, ds, indexOn("Name"), indexOn("Name"))
		if err := ds.CreateIndex(ctx, siftdb.IndexSpec{Name: "Name.", Fields: []siftdb.IndexField{{Name: "Age"}}}); !isConflict(err) {
			t.Errorf("another index of the name: %v", err)
		}
		for _, spec := range []siftdb.IndexSpec{{}, {Name: "x"}, {Name: "x", Fields: make([]siftdb.IndexField, 1)}} {
			if err := ds.CreateIndex(ctx, spec); !isInvalid(err) {
				t.Errorf("%+v: %v", spec, err)
			}
		}
		holds(t, ds, "Name. 1 1")
		if err := ds.DropIndex(ctx, "Name"); !isNotFound(err) {
			t.Errorf("dropping what is not there: %v", err)
		}
		if err := ds.DropIndex(ctx, "Name."); err != nil {
			t.Fatal(err)
		}
		holds(t, ds)
		create(t, ds, indexOn("Name"))
		holds(t, ds, "Name. 1 1")
		if versions := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{})); len(versions) != 1 || before.EntriesCount != 1 {
			t.Errorf("indexes leave versions: %v", versions)
		}
		old := ds.At(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID)
		if err := errors.Join(old.CreateIndex(ctx, indexOn("x")), old.DropIndex(ctx, "Name.")); !errors.Is(err, siftdb.ErrReadOnly) {
			t.Errorf("an old state: %v", err)
		}
		for i := range 63 {
			create(t, ds, indexOn(fmt.Sprint("f", i)))
		}
		if err := ds.CreateIndex(ctx, indexOn("more")); !errors.Is(err, siftdb.ErrTooLarge) {
			t.Errorf("too many: %v", err)
		}
	})
}

// TestIndexOfPathThatBecomesAColumn writes a column whose name was a path of an index: it is
// built anew, and a unique one refuses the write.
func TestIndexOfPathThatBecomesAColumn(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":{"b":1}}`, `{"a":{"b":2}}`)
		sparse := indexOn("a.b")
		sparse.Sparse = true
		create(t, ds, sparse)
		holds(t, ds, "a.b. 2 2")
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"a.b": 5}))
		within(t, func() bool { return slices.Equal(describeIndexes(t, ds), []string{"a.b. 1 1"}) })
		sound(t, db)
		unique := uniqueOn("c.d")
		create(t, ds, unique)
		if _, err := ds.Insert(ctx, siftdb.M{"c.d": 5}); !isConflict(err) {
			t.Errorf("a unique index is to mean something else: %v", err)
		}
		if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{NewColumns: []string{"c.d"}}); !isConflict(err) {
			t.Errorf("a unique index is to mean something else: %v", err)
		}
	})
}

// within waits for something that happens in the background.
func within(t testing.TB, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

// TestStagedWritesKeepIndexes appends and replaces in several transactions, which also fail
// at each of them.
func TestStagedWritesKeepIndexes(t *testing.T) {
	for _, keys := range []siftdb.Keyring{nil, oneKey} {
		for failAt, done := 1, false; !done; failAt++ {
			store := &hooked{Storage: memory.New()}
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, &siftdb.Options{Keys: keys}))
			checked(t, db)
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: keys != nil}))
			create(t, ds, uniqueOn("staged"), indexOn("pad", "staged"))
			siftdb.StageAt(db, 1, 500, 1)
			must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, manyRows(30)))
			before := describeIndexes(t, ds)
			var calls atomic.Int64 // some come from the background
			store.set(func() error {
				if calls.Add(1) == int64(failAt) {
					return errors.New("the disk is full for a moment")
				}
				return nil
			})
			if _, err := ds.AppendSeq(ctx, manyRows(4)); err == nil || calls.Load() < int64(failAt) && !isConflict(err) {
				t.Fatalf("appending what is there already: %v", err)
			}
			holds(t, ds, before...)
			_, err := ds.ReplaceWithSeq(ctx, manyRows(50))
			store.set(nil)
			if calls.Load() < int64(failAt) {
				if err != nil {
					t.Fatal(err)
				}
				holds(t, ds, "pad.staged. 50 50", "staged. 50 50")
				done = failAt > 10
			} else if err != nil {
				holds(t, ds, before...)
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"next": 1}))
			sound(t, db)
		}
	}
}

// TestSortedIndex sorts indexes as a whole, in several parts.
func TestSortedIndex(t *testing.T) {
	for _, keys := range []siftdb.Keyring{nil, oneKey} {
		db := fileDB(t, filepath.Join(t.TempDir(), "t.db"), &siftdb.Options{Keys: keys})
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: keys != nil}))
		must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, manyRows(500)))
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"staged": []int{1001, 1002, 1003}}))
		siftdb.RunsOf(db, 20)
		siftdb.SortsFrom(db, 100)
		ignoring := indexOn("staged", "pad")
		ignoring.IgnoreCase = true
		create(t, ds, uniqueOn("staged"), ignoring)
		holds(t, ds, "staged. 501 504", "staged.pad. 501 504")
		sound(t, db)
		if _, err := ds.Insert(ctx, siftdb.M{"staged": 3}); !isConflict(err) {
			t.Errorf("a value that is taken: %v", err)
		}
		if err := ds.CreateIndex(ctx, uniqueOn("pad")); !isConflict(err) {
			t.Errorf("over values that are the same: %v", err)
		}
	}
}

// TestForkWithIndexes writes to a fork and to its origin.
func TestForkWithIndexes(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"n":1}`)
	create(t, ds, uniqueOn("n"))
	fork := must[*siftdb.DB](t)(db.Fork())
	checked(t, fork)
	other := must[*siftdb.DataSource](t)(fork.DataSource(ctx, ds.ID()))
	must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": 2}))
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 2}))
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 3}))
	holds(t, other, "n. 2 2")
	holds(t, ds, "n. 3 3")
	copied := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "copy", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: 2}}))
	holds(t, copied) // indexes are not copied
}

// TestUnfinishedIndex leaves a building at each of its transactions: the index is not there,
// or is gone on with by the next call, and by an open.
func TestUnfinishedIndex(t *testing.T) {
	for _, resume := range []string{"call", "open", "call after sorting", "open after sorting"} {
		for failAt := 1; ; failAt++ {
			path := filepath.Join(t.TempDir(), "t.db")
			store := &hooked{}
			open := func() *siftdb.DB {
				store.Storage = must[*bolt.Store](t)(bolt.Open(path, bolt.Options{NoSync: true}))
				return must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
			}
			db := open()
			ds := table(t, db, "t")
			siftdb.RunsOf(db, 10)
			if strings.Contains(resume, "sorting") {
				siftdb.SortsFrom(db, 50)
			}
			must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, manyRows(100)))
			n := 0
			inside, cancel := context.WithCancel(ctx)
			store.set(func() error {
				if n++; n == failAt {
					cancel()
					return context.Canceled
				}
				return nil
			})
			err := ds.CreateIndex(inside, uniqueOn("staged"))
			store.set(nil)
			cancel()
			if err == nil && n < failAt {
				if n < 5 && !strings.Contains(resume, "sorting") {
					t.Errorf("the index is built in %d transactions", n)
				}
				sound(t, db)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"staged": "more"}))
			ids := entryIDs(t, ds)
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[3], siftdb.M{"staged": "other"}))
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[93], siftdb.M{"staged": "another"}))
			if err := ds.Remove(ctx, ids[50]); err != nil {
				t.Fatal(err)
			}
			sound(t, db)
			list := must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx))
			if len(list) == 1 && (list[0].Ready || list[0].Progress < 0 || list[0].Progress > 1) || len(list) > 1 {
				t.Errorf("unfinished: %+v", list)
			}
			if strings.HasPrefix(resume, "open") && len(list) == 1 {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open()
				ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
				within(t, func() bool { return !strings.Contains(describeIndexes(t, ds)[0], "unfinished") })
			} else {
				create(t, ds, uniqueOn("staged"))
			}
			holds(t, ds, "staged. 100 100")
			sound(t, db)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTrigramsOrEncryption: a data source has trigram indexes, or is encrypted.
func TestTrigramsOrEncryption(t *testing.T) {
	ds := table(t, memoryDB(t, &siftdb.Options{Keys: oneKey}), "texts", `{"text": "something to be found"}`)
	spec := siftdb.IndexSpec{Name: "by text", Trigram: true, Fields: []siftdb.IndexField{{Name: "text"}}}
	create(t, ds, spec)
	encrypted := siftdb.DataSourceUpdate{Encrypted: new(true)}
	if _, err := ds.Update(ctx, encrypted); !errors.Is(err, siftdb.ErrInvalidInput) || !strings.Contains(err.Error(), `"by text"`) {
		t.Fatalf("encrypting with a trigram index: %v", err)
	}
	if info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)); info.Encrypted {
		t.Fatal("it is encrypted")
	}
	if err := ds.DropIndex(ctx, spec.Name); err != nil {
		t.Fatal(err)
	}
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, encrypted))
	if err := ds.CreateIndex(ctx, spec); !errors.Is(err, siftdb.ErrInvalidInput) {
		t.Fatalf("a trigram index of an encrypted data source: %v", err)
	}
	if list := must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)); len(list) > 0 {
		t.Fatalf("there is %v", list)
	}
}
