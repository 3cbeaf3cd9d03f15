package siftdb_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// operations are public calls on a database made by fixture. Those that write
// either happen or do not.
var operations = map[string]func(db *siftdb.DB, ds *siftdb.DataSource, ids []int64) error{
	"insert": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Insert(ctx, siftdb.M{"new column": 1})
		return err
	},
	"update": func(_ *siftdb.DB, ds *siftdb.DataSource, ids []int64) error {
		_, err := ds.UpdateEntry(ctx, ids[0], siftdb.M{"n": -1})
		return err
	},
	"remove": func(_ *siftdb.DB, ds *siftdb.DataSource, ids []int64) error { return ds.Remove(ctx, ids[9]) },
	"append": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Append(ctx, raws(`{"n":1}`, `{"other":2}`))
		return err
	},
	"replace": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.ReplaceWith(ctx, raws(`{"n":1}`))
		return err
	},
	"append in parts": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		siftdb.StageAt(db, 10, 20, 5)
		_, err := ds.Append(ctx, raws(`{"n":1,"pad":"xxxxxxxxxxxxxxxx"}`, `{"other":2}`, `{"n":3}`, `{"last":4}`))
		return err
	},
	"replace in parts": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		siftdb.StageAt(db, 1000, 200, 5)
		_, err := ds.ReplaceWith(ctx, raws(`{"n":1}`, `{"new":2}`))
		return err
	},
	"commit": func(_ *siftdb.DB, ds *siftdb.DataSource, ids []int64) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: ids[3:6], Entries: []siftdb.CommitEntry{{ID: ids[1], Data: siftdb.M{"x": 1}, Order: 2}, {Data: siftdb.M{}}}})
		return err
	},
	"commit all": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		other, err := db.DataSource(ctx, 2)
		if err != nil {
			return err
		}
		insert := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 5}}}}
		_, err = db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: ds, Commit: insert}, {DataSource: other, Commit: insert}})
		return err
	},
	"delete query": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"even":true}`})
		return err
	},
	"update where": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.UpdateWhere(ctx, `{"even":true}`, siftdb.Patch{Set: siftdb.M{"even": "no"}})
		return err
	},
	"update where with a function": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.UpdateWhere(ctx, `{"mod":3}`, siftdb.Patch{Func: func(e *siftdb.Entry) (any, error) { return siftdb.M{"mod": "three"}, nil }})
		return err
	},
	"restore": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err == nil {
			_, err = ds.Restore(ctx, versions[1].ID)
		}
		return err
	},
	"create": func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64) error {
		_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "new", Entries: raws(`{"n":1}`), Columns: []string{"z"}})
		return err
	},
	"copy a version": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err == nil {
			_, err = db.Create(ctx, siftdb.DataSourceSpec{Name: "new", Version: &siftdb.VersionRef{DataSourceID: ds.ID(), ID: versions[0].ID}})
		}
		return err
	},
	"change": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("other"), Columns: []string{"n"}})
		return err
	},
	"trash": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error { return ds.Delete(ctx) },
	"purge": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error { return db.Purge(ctx, ds.ID()) },
	"find": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Find(ctx, siftdb.Query{Where: `{"even":true}`, Order: siftdb.Order{siftdb.Desc("n")}})
		return err
	},
	"find at a version": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err == nil {
			_, err = ds.At(versions[0].ID).Find(ctx, siftdb.Query{})
		}
		return err
	},
	"indexes": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Index(ctx, "mod")
		return err
	},
	"diff": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err != nil {
			return err
		}
		for _, err := range ds.Diff(ctx, versions[1].ID, siftdb.Now) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"create an index": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		return ds.CreateIndex(ctx, uniqueOn("n"))
	},
	"drop an index": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error { return ds.DropIndex(ctx, "mod.") },
	"encrypt": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)})
		return err
	},
	"decrypt": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		second, err := db.DataSource(ctx, 2)
		if err == nil {
			_, err = second.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(false)})
		}
		return err
	},
	"rotate keys": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
		_, err := db.RotateKeys(ctx)
		return err
	},
	"find in an encrypted one": func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64) error {
		second, err := db.DataSourceByName(ctx, "second", siftdb.Scope{})
		if err == nil {
			_, err = second.Find(ctx, siftdb.Query{})
		}
		return err
	},
	"check": func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64) error {
		_, err := db.Check(ctx)
		return err
	},
}

// contents describes everything that a caller can see of a database.
func contents(t *testing.T, db *siftdb.DB) []string {
	t.Helper()
	var out []string
	for _, trashed := range []bool{false, true} {
		for _, info := range must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: trashed})) {
			out = append(out, fmt.Sprintf("data source %d %q, columns %v, trashed %v", info.ID, info.Name, info.Columns, trashed))
			if trashed {
				continue
			}
			ds := must[*siftdb.DataSource](t)(db.DataSource(ctx, info.ID))
			for _, x := range must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)) {
				if x.Ready {
					out = append(out, fmt.Sprintf("%d index %s", info.ID, x.Name))
				}
			}
			for _, e := range all(t, ds) {
				out = append(out, fmt.Sprintf("%d/%d %s %v", info.ID, e.ID, e.JSON(), e.Order))
			}
			for _, v := range must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{})) {
				out = append(out, fmt.Sprintf("%d version %d %s %d", info.ID, v.ID, v.Action, v.Count))
			}
		}
	}
	return out
}

// leaves are the operations that leave keys of former indexes, which go later: a fault there is
// nobody's who has been told that the operation is done.
var leaves = map[string]bool{"drop an index": true, "replace in parts": true}

// TestEveryCallFails makes every storage call of every operation fail once, in
// every way: the database is then as before or as after, never between, and the
// next call works or says that the database is read-only.
func TestEveryCallFails(t *testing.T) {
	base := memory.New()
	options := func() *siftdb.Options {
		o := newClock().options()
		o.Keys = oneKey
		return o
	}
	prepared := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, base, options()))
	defer prepared.Close()
	ds := numbered(t, prepared, 30)
	must[*siftdb.DataSource](t)(prepared.Create(ctx, siftdb.DataSourceSpec{Name: "second", Encrypted: true, Entries: raws(`{"n":1}`)}))
	create(t, ds, indexOn("mod"), uniqueOn("n", "mod"))
	create(t, must[*siftdb.DataSource](t)(prepared.DataSourceByName(ctx, "second", siftdb.Scope{})), uniqueOn("n"))
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, entryIDs(t, ds)[4], siftdb.M{"n": 1000}))
	ids := entryIDs(t, ds)
	total := 0
	for name, operate := range operations {
		t.Run(name, func(t *testing.T) {
			open := func() (*siftdb.DB, *siftdb.DataSource, *storagetest.Faults) {
				fork := must[storage.Storage](t)(base.Fork())
				faulty, faults := storagetest.Faulty(fork)
				db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, faulty, options()))
				checked(t, db)
				return db, must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID())), faults
			}
			db, handle, faults := open()
			before := contents(t, db)
			faults.Arm(storagetest.Fault{})
			if err := operate(db, handle, ids); err != nil {
				t.Fatal(err)
			}
			calls := faults.Calls()
			after := contents(t, db)
			for _, mode := range []storagetest.Mode{storagetest.NotApplied, storagetest.UnknownApplied, storagetest.UnknownNotApplied} {
				for n := 1; n <= calls; n++ {
					total++
					db, handle, faults := open()
					faults.Arm(storagetest.Fault{Call: n, Mode: mode})
					err := operate(db, handle, ids)
					hits := faults.Hits()
					faults.Arm(storagetest.Fault{})
					now := contents(t, db)
					isBefore, isAfter := cmp.Equal(now, before), cmp.Equal(now, after)
					switch {
					case hits > 0 && err == nil && name != "check" && !(isAfter && leaves[name]):
						t.Fatalf("%v of call %d of %d is not told", mode, n, calls)
					case !isBefore && !isAfter:
						t.Fatalf("%v of call %d of %d leaves something between: %s", mode, n, calls, cmp.Diff(before, now))
					case err != nil && isAfter && !isBefore && !errors.Is(err, siftdb.ErrUnknownOutcome):
						t.Fatalf("%v of call %d of %d: applied, but told %v", mode, n, calls, err)
					}
					var detail *siftdb.Error
					if err != nil && !errors.As(err, &detail) {
						t.Fatalf("%v of call %d of %d gives an error without a code: %v", mode, n, calls, err)
					}
					_, err = handle.Insert(ctx, siftdb.M{"next": 1})
					if err != nil && !errors.Is(err, siftdb.ErrReadOnly) && !isNotFound(err) {
						t.Fatalf("after %v of call %d of %d the next write gives %v", mode, n, calls, err)
					}
				}
			}
		})
	}
	t.Logf("%d faults in %d operations", total, len(operations))
}
