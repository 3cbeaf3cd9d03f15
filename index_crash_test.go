package siftdb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// indexWriter makes and drops indexes, with writes going on, until it is killed.
func indexWriter(path string) error {
	db, err := siftdb.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	siftdb.RunsOf(db, 50)
	if time.Now().UnixNano()%2 == 0 {
		siftdb.SortsFrom(db, 100)
	}
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	go func() {
		for i := 0; ; i++ {
			if _, err := ds.Insert(ctx, siftdb.M{"staged": time.Now().UnixNano(), "pad": fmt.Sprint("pad", i%7)}); err != nil {
				fmt.Println("error", err)
			}
			if _, err := ds.UpdateWhere(ctx, siftdb.M{"staged": i % 300}, siftdb.Patch{Set: siftdb.M{"pad": i}}); err != nil {
				fmt.Println("error", err)
			}
		}
	}()
	for g := 1; ; g++ {
		grams := siftdb.IndexSpec{Name: "grams", Trigram: true, Fields: []siftdb.IndexField{{Name: "pad"}}}
		for _, spec := range []siftdb.IndexSpec{uniqueOn("staged"), indexOn("pad", "staged"), grams} {
			if err := ds.CreateIndex(ctx, spec); err != nil {
				return err
			}
			fmt.Println(g)
		}
		for _, name := range []string{"staged.", "pad.staged.", "grams"} {
			if err := ds.DropIndex(ctx, name); err != nil {
				return err
			}
		}
	}
}

// TestKillIndexing kills a process that makes and drops indexes: what it leaves is sound, and
// is gone on with.
func TestKillIndexing(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := indexWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	must[siftdb.BulkResult](t)(table(t, db, "t").AppendSeq(ctx, manyRows(600)))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	rounds, unfinished := kills(20), 0
	for round := range rounds {
		killOnce(t, "TestKillIndexing", crashFile, path, time.Duration(rng.IntN(150)))
		readOnly := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: true}))
		sound(t, readOnly)
		ds := must[*siftdb.DataSource](t)(readOnly.DataSource(ctx, 1))
		if strings.Contains(strings.Join(describeIndexes(t, ds), " "), "unfinished") {
			unfinished++
		}
		if err := readOnly.Close(); err != nil {
			t.Fatal(err)
		}
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
		ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, 1))
		if round%2 == 0 { // else it is closed in the middle of that
			within(t, func() bool { return !strings.Contains(strings.Join(describeIndexes(t, ds), " "), "unfinished") })
		}
		sound(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if unfinished == 0 && rounds > 10 {
		t.Error("no building was interrupted")
	}
	t.Logf("%d of %d kills were in the middle of building", unfinished, rounds)
}

// TestIndexWhileWriting makes and drops indexes while others write, import, restore and
// encrypt.
func TestIndexWhileWriting(t *testing.T) {
	t.Run("by runs", func(t *testing.T) { indexWhileWriting(t, 1<<60) })
	t.Run("sorted", func(t *testing.T) { indexWhileWriting(t, 100) })
}

func indexWhileWriting(t *testing.T, sortsFrom int64) {
	db := fileDB(t, filepath.Join(t.TempDir(), "t.db"), &siftdb.Options{Keys: oneKey, Retention: siftdb.Retention{Versions: 20}})
	ds := table(t, db, "t")
	siftdb.RunsOf(db, 150)
	siftdb.SortsFrom(db, sortsFrom)
	siftdb.StageAt(db, 4000, 2000, 400)
	must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, manyRows(300)))
	var over atomic.Bool
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(w)))
			for i := 0; !over.Load(); i++ {
				var err error
				switch rng.IntN(12) {
				case 0:
					_, err = ds.AppendSeq(ctx, manyRows(60))
				case 1:
					_, err = ds.ReplaceWithSeq(ctx, manyRows(400))
				case 2:
					var versions []siftdb.Version
					if versions, err = ds.Versions(ctx, siftdb.Page{}); err == nil && len(versions) > 0 {
						_, err = ds.Restore(ctx, versions[rng.IntN(min(len(versions), 4))].ID)
					}
				case 3:
					_, err = ds.UpdateWhere(ctx, siftdb.M{"staged": siftdb.M{"$lt": rng.IntN(50)}}, siftdb.Patch{Set: siftdb.M{"pad": i}})
				case 4:
					_, err = ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"staged": siftdb.M{"$gt": 100 + rng.IntN(300)}}})
				case 5:
					if w == 0 {
						_, err = ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(rng.IntN(2) == 0)})
					}
				case 6:
					if w == 0 {
						_, err = db.RotateKeys(ctx)
					}
				default:
					_, err = ds.Insert(ctx, siftdb.M{"staged": -i, fmt.Sprint("c", rng.IntN(40)): i})
				}
				if err != nil && !isConflict(err) && !isNotFound(err) && !errors.Is(err, siftdb.ErrSnapshotGone) {
					t.Error(err)
				}
			}
		})
	}
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for i := range rounds {
		spec := indexOn("pad", "staged")
		spec.IgnoreCase = i%2 == 0
		create(t, ds, spec, indexOn("c1"), indexOn("staged"))
		sound(t, db)
		for _, name := range []string{spec.Name, "c1.", "staged."} {
			if err := ds.DropIndex(ctx, name); err != nil {
				t.Error(err)
			}
		}
	}
	over.Store(true)
	wg.Wait()
	create(t, ds, indexOn("pad", "staged"), indexOn("c1"))
}
