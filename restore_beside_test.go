package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// actors is a store that tells of transactions, by who makes them: before they begin, and of those
// that read when they have ended, too.
type actors struct {
	storage.Storage
	update       func(who string) error
	view, viewed func(who string)
}

type actorKey struct{}

func as(who string) context.Context { return context.WithValue(ctx, actorKey{}, who) }

func (s *actors) Update(ctx context.Context, fn func(storage.Writer) error) error {
	if who, ok := ctx.Value(actorKey{}).(string); ok {
		if err := s.update(who); err != nil {
			return err
		}
	}
	return s.Storage.Update(ctx, fn)
}

func (s *actors) View(ctx context.Context, fn func(storage.Reader) error) error {
	if who, ok := ctx.Value(actorKey{}).(string); ok {
		s.view(who)
		defer s.viewed(who)
	}
	return s.Storage.View(ctx, fn)
}

// restoredBeside is a data source of n entries, of which one in some is deleted, and the version
// before that. Restores take several transactions.
func restoredBeside(t *testing.T, n, one int) (store *actors, db *siftdb.DB, ds *siftdb.DataSource, version int64) {
	t.Helper()
	store = &actors{memory.New(), func(string) error { return nil }, func(string) {}, func(string) {}}
	db = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	checked(t, db)
	ds = must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t"}))
	rows := make([]any, n)
	for i := range rows {
		rows[i] = siftdb.M{"n": i % one, "text": fmt.Sprint("row ", i)}
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"n": 1}}))
	siftdb.StageAt(db, 200, 20_000, 1<<30)
	return store, db, ds, must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
}

// TestIndexBesideRestore builds indexes while a restore in several transactions has brought
// entries back that do not count, and then fails: they are in no index.
func TestIndexBesideRestore(t *testing.T) {
	for _, fails := range []bool{true, false} {
		for _, spec := range []siftdb.IndexSpec{indexOn("text"), textIndex} {
			t.Run(fmt.Sprint(spec.Name, fails), func(t *testing.T) {
				store, db, ds, version := restoredBeside(t, 6000, 2)
				siftdb.RunsOf(db, 50)
				isBack, collected, restored := make(chan bool), make(chan bool), make(chan error, 1)
				builds, reads, steps := 0, 0, 0
				store.update = func(who string) error {
					if who == "build" {
						if builds++; builds == 4 { // the next run is made beside the restore
							go func() {
								_, err := ds.Restore(as("restore"), version)
								restored <- err
							}()
						}
						return nil
					}
					if steps++; steps == 25 {
						close(isBack)
						<-collected
						if fails {
							return errors.New("the disk is full for a moment")
						}
					}
					return nil
				}
				store.view = func(who string) {
					if who == "build" && builds >= 4 {
						<-isBack
					}
				}
				store.viewed = func(who string) {
					if who == "build" && builds >= 4 {
						if reads++; reads == 2 { // of what there is to do, and of entries
							close(collected)
						}
					}
				}
				if err := ds.CreateIndex(as("build"), spec); err != nil {
					t.Fatal(err)
				}
				if err := <-restored; fails != (err != nil) {
					t.Fatal(err)
				}
				sound(t, db)
				var n [2]int64
				for i, way := range []string{"scan", "always"} {
					siftdb.Access(db, way)
					n[i] = must[int64](t)(ds.Count(ctx, siftdb.Query{Where: siftdb.M{"text": siftdb.M{"$gte": "row 4", "$iLike": "row 4%"}}}))
				}
				if n[0] != n[1] || n[0] == 0 {
					t.Errorf("a scan counts %d, an index %d", n[0], n[1])
				}
			})
		}
	}
}

// TestCountBesideRestore counts on all cores, and before the first of them reads, a restore in
// several transactions begins: what has come back does not count.
func TestCountBesideRestore(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one core counts alone")
	}
	store, db, ds, version := restoredBeside(t, 80_000, 200)
	siftdb.Access(db, "scan")
	begun, isBack, counted, restored := make(chan bool), make(chan bool), make(chan bool), make(chan error, 1)
	var reads atomic.Int64
	steps := 0
	store.update = func(string) error {
		if steps++; steps == 4 {
			close(isBack)
			<-counted
		}
		return nil
	}
	store.view = func(who string) {
		if who == "count" && reads.Add(1) > 3 { // the first ones settle on a state, and on the way
			begun <- true
			<-isBack
		}
	}
	go func() {
		<-begun
		go func() {
			for range begun { // of the others
			}
		}()
		_, err := ds.Restore(as("restore"), version)
		restored <- err
	}()
	n, err := ds.Count(as("count"), siftdb.Query{Where: siftdb.M{"n": siftdb.M{"$gte": 2}}})
	close(counted)
	if err != nil || n != 79_200 {
		t.Errorf("%d entries, %v", n, err)
	}
	if err := <-restored; err != nil {
		t.Fatal(err)
	}
	close(begun)
	if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: siftdb.M{"text": siftdb.M{"$like": "row %"}}})); n != 80_000 {
		t.Errorf("%d entries afterwards", n)
	}
}
