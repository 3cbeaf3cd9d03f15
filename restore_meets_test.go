package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// watched is a store that tells of transactions: of the updates of a restore before each, as
// stepped does, and of the views of another caller, with the number of each, before and after.
type watched struct {
	stepped
	views         atomic.Int64
	before, after func(n int64)
}

type watchedKey struct{}

func (s *watched) View(ctx context.Context, fn func(storage.Reader) error) error {
	if ctx.Value(watchedKey{}) == nil {
		return s.stepped.View(ctx, fn)
	}
	n := s.views.Add(1)
	if s.before != nil {
		s.before(n)
	}
	err := s.stepped.View(ctx, fn)
	if s.after != nil {
		s.after(n)
	}
	return err
}

func watch() *watched {
	return &watched{stepped: stepped{Storage: memory.New(), on: func() error { return nil }}}
}

func watchedDB(t *testing.T, store *watched) *siftdb.DB {
	t.Helper()
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	checked(t, db)
	return db
}

var (
	stepping = context.WithValue(ctx, steppedKey{}, true)
	watching = context.WithValue(ctx, watchedKey{}, true)
)

var errFull = errors.New("the disk is full for a moment")

// TestRestoreOvertakenByItself restores a version that somebody else has restored since it was
// found that much would come back: there is nothing left to do, and nothing is left behind.
func TestRestoreOvertakenByItself(t *testing.T) {
	for n := range int64(4) {
		store := watch()
		db := watchedDB(t, store)
		ds := table(t, db, "t", plainRows(300)...)
		gone := must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"i": -1}`))).Version
		siftdb.StageAt(db, 200, 300, 1<<30)
		store.after = func(at int64) {
			if at == n+1 {
				must[int64](t)(ds.Restore(ctx, gone))
			}
		}
		must[int64](t)(ds.Restore(watching, gone))
		if got := must[int64](t)(ds.Count(ctx, siftdb.Query{})); got != 300 {
			t.Errorf("%d entries are there", got)
		}
		sound(t, db)
	}
}

func plainRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"i": %d}`, i)
	}
	return rows
}

// TestRestoreMeetsIndexBuild builds an index between two transactions of a restore, which fails:
// of what was about to come back the index holds nothing, nor is a unique one given up for it.
func TestRestoreMeetsIndexBuild(t *testing.T) {
	for _, unique := range []bool{false, true} {
		store := watch()
		db := watchedDB(t, store)
		ds := table(t, db, "t", plainRows(300)...)
		gone := must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(plainRows(300)...))).Version
		spec := indexOn("i")
		spec.Unique = unique
		updates := 0
		store.on = func() error {
			if updates++; updates > 1 {
				return errFull
			}
			return nil
		}
		if err := ds.CreateIndex(stepping, spec); !errors.Is(err, errFull) {
			t.Fatal(err)
		}

		siftdb.StageAt(db, 200, 300, 1<<30)
		seen, built := make(chan struct{}), make(chan error)
		store.after = func(n int64) {
			if n == 2 { // it has been found, and the entries have been read
				close(seen)
			}
		}
		steps := 0
		store.on = func() error {
			if steps++; steps != 4 { // what is left is swept with the same context
				return nil
			}
			go func() { built <- siftdb.FinishIndexes(watching, ds) }()
			<-seen
			return errFull
		}
		if _, err := ds.Restore(stepping, gone); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		if err := <-built; err != nil {
			t.Error(err)
		}
		holds(t, ds, "i. 300 300")
		sound(t, db)
	}
}

// TestRestoreMeetsParallelCount counts on all cores, while between any two of its transactions a
// restore begins, and is in the middle until the count is over.
func TestRestoreMeetsParallelCount(t *testing.T) {
	for n := range int64(6) {
		store := watch()
		db := watchedDB(t, store)
		siftdb.ColumnsFrom(db, 1<<40)
		ds := table(t, db, "t", plainRows(70_000)...)
		if _, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"i": siftdb.M{"$lt": 500}}}); err != nil {
			t.Fatal(err)
		}
		gone := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{Limit: new(1)}))[0].ID
		siftdb.StageAt(db, 200, 300, 1<<30)
		middle, over, restored := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		steps, begun := 0, atomic.Bool{}
		store.on = func() error {
			if steps++; steps == 4 {
				close(middle)
				<-over
			}
			return nil
		}
		begin := func() {
			begun.Store(true)
			go func() {
				_, err := ds.Restore(stepping, gone)
				restored <- err
			}()
			<-middle
		}
		store.before = func(at int64) {
			if at == n+1 {
				begin()
			}
		}
		got, err := ds.Count(watching, siftdb.Query{Where: siftdb.M{"i": siftdb.M{"$gte": 100}}})
		if err != nil || got != 69_500 {
			t.Errorf("the count finds %d entries, where the restore begins before view %d: %v", got, n+1, err)
		}
		close(over)
		if begun.Load() {
			if err := <-restored; err != nil {
				t.Error(err)
			}
		}
	}
}

// TestRestoreAgainstUnique restores a version which a unique index, made later, refuses or lets
// be, by what entries were that are in both states, and differ. It does the same in several
// transactions as in one.
func TestRestoreAgainstUnique(t *testing.T) {
	for _, c := range []struct {
		name string
		then [2]string
		now  [2]string
		fine bool // the version is not in conflict
	}{
		{"both differ", [2]string{`1`, `1`}, [2]string{`2`, `3`}, false},
		{"the former differs", [2]string{`1`, `1`}, [2]string{`2`, `1`}, false},
		{"the latter differs", [2]string{`1`, `1`}, [2]string{`1`, `2`}, false},
		{"they change places", [2]string{`1`, `2`}, [2]string{`2`, `1`}, true},
		{"an element is a value now", [2]string{`[1, 2]`, `1`}, [2]string{`1`, `9`}, false},
		{"a value is an element now", [2]string{`1`, `[1, 2]`}, [2]string{`9`, `1`}, false},
		{"what is not judged is a value now", [2]string{`[[1]]`, `1`}, [2]string{`1`, `9`}, true},
		{"a value is not judged now", [2]string{`1`, `1`}, [2]string{`[[1]]`, `1`}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var outcomes [2]string
			for i, at := range []int64{1 << 30, 200} {
				db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, storagetest.Twice(memory.New()), nil))
				checked(t, db)
				rows := append([]string{`{"u": ` + c.then[0] + `}`}, plainRows(100)...)
				ds := table(t, db, "t", append(rows, `{"u": `+c.then[1]+`}`)...)
				all := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{}))
				version := must[siftdb.BulkResult](t)(ds.Append(ctx, raws(plainRows(100)...))).Version
				for k, e := range []*siftdb.Entry{all[0], all[101]} {
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, raws(`{"u": ` + c.now[k] + `}`)[0]))
				}
				create(t, ds, uniqueOn("u"))
				siftdb.StageAt(db, int(at), 300, 1<<30)
				_, err := ds.Restore(ctx, version)
				if c.fine != (err == nil) || err != nil && !errors.Is(err, siftdb.ErrConflict) {
					t.Errorf("staged from %d bytes on: %v", at, err)
				}
				outcomes[i] = fmt.Sprint(err)
				sound(t, db)
			}
			if outcomes[0] != outcomes[1] {
				t.Errorf("in one transaction %s, in several %s", outcomes[0], outcomes[1])
			}
		})
	}
}
