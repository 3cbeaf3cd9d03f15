package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/bolt"
	"github.com/siftdb/siftdb/storage/memory"
)

// stepped is a store that tells of every update that a restore makes, before it does, and may
// have it fail.
type stepped struct {
	storage.Storage
	on func() error
}

type steppedKey struct{}

func (s *stepped) Update(ctx context.Context, fn func(storage.Writer) error) error {
	if ctx.Value(steppedKey{}) != nil {
		if err := s.on(); err != nil {
			return err
		}
	}
	return s.Storage.Update(ctx, fn)
}

// restoreWorld is a data source that is written to at random, with what it was at each version.
type restoreWorld struct {
	db    *siftdb.DB
	ds    *siftdb.DataSource
	clock handClock
}

// dump is all that tells one state from another.
func (w *restoreWorld) dump(t *testing.T, ds *siftdb.DataSource) []string {
	t.Helper()
	var out []string
	for e, err := range ds.Each(ctx, siftdb.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(e.ID, e.Order, e.CreatedAt.UnixMilli(), e.UpdatedAt.UnixMilli(), string(e.JSON())))
	}
	return out
}

// step makes a random write.
func (w *restoreWorld) step(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	w.clock.move(time.Second)
	var err error
	switch rng.IntN(6) {
	case 0:
		_, err = w.ds.ReplaceWith(ctx, raws(restoreRows(rng, n, rng.IntN(60))...))
	case 1:
		_, err = w.ds.Append(ctx, raws(restoreRows(rng, n, rng.IntN(60))...))
	case 2:
		_, err = w.ds.UpdateWhere(ctx, siftdb.M{"k": rng.IntN(4)}, siftdb.Patch{Set: siftdb.M{"k": rng.IntN(4), "step": n}})
	case 3:
		_, err = w.ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"k": rng.IntN(4)}})
	case 4:
		var c siftdb.Commit
		c.Append = new(true)
		for i := range rng.IntN(20) {
			c.Entries = append(c.Entries, siftdb.CommitEntry{Data: siftdb.M{"u": fmt.Sprint(n, "/", i, "o"), "k": i % 4}, Order: float64(rng.IntN(5) - 2)})
		}
		_, err = w.ds.Commit(ctx, c)
	case 5:
		_, err = w.ds.UpdateWhere(ctx, siftdb.M{"step": siftdb.M{"$exists": true}}, siftdb.Patch{Set: siftdb.M{"more": rng.IntN(100)}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func restoreRows(rng *rand.Rand, step, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"u": "%d", "k": %d, "text": "row %d of step %d", "tags": [%d, %d]}`, i, rng.IntN(4), i, step, i%7, i%5)
		if rng.IntN(3) > 0 {
			rows[i] = fmt.Sprintf(`{"u": "%d/%d", "k": %d}`, step, i, rng.IntN(4))
		} else if step%2 == 0 {
			rows[i] = fmt.Sprintf(`{"u": "even %d/%d", "k": %d, "new%d": true}`, step, i, rng.IntN(4), rng.IntN(6))
		} else {
			rows[i] = fmt.Sprintf(`{"u": "odd %d/%d", "text": "row %d of step %d", "tags": [%d, %d]}`, step, i, i, step, i%7, i%5)
		}
	}
	return rows
}

var restoreWheres = []string{`{"k": 2}`, `{"k": {"$gte": 1, "$lt": 3}}`, `{"tags": 3}`, `{"text": {"$iLike": "row 1"}}`, `{"u": {"$in": ["0", "even 2/3", "odd 3/2"]}}`, `{"text": {"$exists": true}}`, `{"text": {"$iLike": "%of step 1%"}}`, `{"text": {"$iLike": "%row 12%"}}`}

// probe asks in several ways for what is there.
func (w *restoreWorld) probe(t *testing.T, ids int64) []string {
	t.Helper()
	info := must[siftdb.DataSourceInfo](t)(w.ds.Info(ctx))
	out := append(describeIndexes(t, w.ds), fmt.Sprint(info.Columns))
	out = append(out, w.dump(t, w.ds)...)
	for _, way := range []string{"scan", "always", ""} {
		siftdb.Access(w.db, way)
		for i, where := range restoreWheres {
			list := must[[]*siftdb.Entry](t)(w.ds.Find(ctx, siftdb.Query{Where: where, Order: siftdb.Order{siftdb.Desc("u")}}))
			n := must[int64](t)(w.ds.Count(ctx, siftdb.Query{Where: where}))
			if int64(len(list)) != n {
				t.Errorf("%s finds %d entries by %q and counts %d", where, len(list), way, n)
			}
			for _, e := range list {
				out = append(out, fmt.Sprint(i, e.ID, string(e.JSON())))
			}
		}
	}
	siftdb.Access(w.db, "")
	out = append(out, fmt.Sprint(must[int64](t)(w.ds.Count(ctx, siftdb.Query{}))))
	out = append(out, aggregated(w.ds, `[{"$lookup":{"from":"t","localField":"data.k","foreignField":"data.k","as":"same"}},{"$group":{"_id":"$data.k","n":{"$sum":{"$size":"$same"}}}},{"$sort":{"_id":1}}]`, siftdb.Query{})...)
	for e, err := range w.ds.Each(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "same", DataSourceID: w.ds.ID(), On: siftdb.On{"k": "k"}, Required: true, Count: true}}}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(e.ID, e.JoinValue("same")))
	}
	for update, err := range w.ds.Live(ctx, siftdb.Query{Where: restoreWheres[1]}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range update.Entered {
			out = append(out, fmt.Sprint("live ", e.ID, string(e.JSON())))
		}
		break
	}
	for id := range ids {
		switch e, err := w.ds.FindByID(ctx, id); {
		case err == nil:
			out = append(out, string(e.JSON()))
		case !errors.Is(err, siftdb.ErrNotFound):
			t.Fatal(err)
		}
	}
	return out
}

// TestStagedRestore restores versions in several transactions: the outcome is that of one
// transaction; between any two of them, and after any of them has failed, everything is as it
// was before.
func TestStagedRestore(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { stagedRestore(t, seed) })
	}
}

func stagedRestore(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	store := &stepped{Storage: memory.New()}
	if seed%3 == 0 {
		store.Storage = must[*bolt.Store](t)(bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true}))
	}
	staged, plain := &restoreWorld{}, &restoreWorld{}
	staged.clock.now, plain.clock.now = time.UnixMilli(1e12), time.UnixMilli(1e12)
	staged.db = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, &siftdb.Options{Now: staged.clock.read, Keys: oneKey}))
	checked(t, staged.db)
	plain.db = memoryDB(t, &siftdb.Options{Now: plain.clock.read})
	for _, w := range []*restoreWorld{staged, plain} {
		spec := siftdb.DataSourceSpec{Name: "t", Encrypted: w == staged && seed%4 == 1}
		w.ds = must[*siftdb.DataSource](t)(w.db.Create(ctx, spec))
		create(t, w.ds, uniqueOn("u"), indexOn("k"), indexOn("tags", "k"))
		if seed%4 != 1 {
			create(t, w.ds, textIndex)
		}
		siftdb.ColumnsFrom(w.db, 1)
	}
	for n := range 14 {
		for _, w := range []*restoreWorld{staged, plain} {
			w.step(t, rand.New(rand.NewPCG(seed, uint64(n))), n)
		}
		if n < 4 || rng.IntN(2) == 0 {
			continue
		}
		versions := must[[]siftdb.Version](t)(plain.ds.Versions(ctx, siftdb.Page{}))
		v := versions[rng.IntN(len(versions))].ID
		restoreBoth(t, rng, store, staged, plain, v)
	}
}

func restoreBoth(t *testing.T, rng *rand.Rand, store *stepped, staged, plain *restoreWorld, version int64) {
	const ids = 1000
	staged.clock.move(time.Second)
	plain.clock.move(time.Second)
	siftdb.StageAt(staged.db, 200, 300, 1<<30)
	defer siftdb.StageAt(staged.db, 1<<30, 1<<20, 1<<30)
	before, then := staged.probe(t, ids), staged.dump(t, staged.ds.At(version))
	steps, failAt := 0, 1+rng.IntN(12)
	unchanged := func(what string) {
		t.Helper()
		if d := cmp.Diff(before, staged.probe(t, ids)); d != "" {
			t.Fatalf("%s %d, of the restore of %d (-want +got):\n%s", what, steps, version, d)
		}
		if d := cmp.Diff(then, staged.dump(t, staged.ds.At(version))); d != "" {
			t.Fatalf("%s %d: the version (-want +got):\n%s", what, steps, d)
		}
		if report := must[*siftdb.Report](t)(staged.db.Check(ctx)); report.Err() != nil {
			t.Fatalf("%s %d: %v", what, steps, report.Err())
		}
	}
	store.on = func() error {
		if steps++; steps == failAt {
			return errors.New("the disk is full for a moment")
		}
		unchanged("before step")
		if file, ok := store.Storage.(*bolt.Store); ok && steps%3 == 0 {
			if err := file.Compact(ctx); err != nil {
				t.Fatal(err)
			}
			unchanged("compacted before step")
		}
		return nil
	}
	_, err := staged.ds.Restore(context.WithValue(ctx, steppedKey{}, true), version)
	if steps >= failAt {
		if err == nil {
			t.Fatal("a step fails, and the restore does not")
		}
		unchanged("after the failure of step")
		_, err = staged.ds.Restore(ctx, version)
	}
	if err != nil {
		t.Fatal(err)
	}
	must[int64](t)(plain.ds.Restore(ctx, version))
	if d := cmp.Diff(plain.probe(t, ids), staged.probe(t, ids)); d != "" {
		t.Fatalf("the restore of %d (-one transaction +several):\n%s", version, d)
	}
	if d := cmp.Diff(then, staged.dump(t, staged.ds)); d != "" {
		t.Fatalf("the restore of %d brings back something else (-want +got):\n%s", version, d)
	}
	if siftdb.Staged(staged.db) || siftdb.Unswept(staged.db) {
		t.Fatal("something is left")
	}
}

// restorer goes back and forth between versions in several transactions until it is killed.
func restorer(path string) error {
	db, err := siftdb.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	siftdb.StageAt(db, 1, 4000, 1)
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	for g := int(time.Now().UnixMilli()); ; g++ {
		r, err := ds.ReplaceWithSeq(ctx, generation(g))
		if err != nil {
			return err
		}
		back, err := ds.Restore(ctx, r.Version)
		if err == nil {
			_, err = ds.Restore(ctx, back)
		}
		if err != nil {
			return err
		}
		fmt.Println(g)
	}
}

// TestKillRestore kills a process in the middle of restores, again and again: one generation is
// there, whole, and nothing is left behind.
func TestKillRestore(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := restorer(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	create(t, table(t, db, "current", `{"g":0}`), uniqueOn("g", "i"), indexOn("i"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	broken := 0
	for round := range kills(15) {
		killOnce(t, "TestKillRestore", crashFile, path, time.Duration(rng.IntN(60)))
		for _, readOnly := range []bool{true, false} {
			db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: readOnly}))
			if err := ofOne(must[*siftdb.DataSource](t)(db.DataSource(ctx, 1))); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if report := must[*siftdb.Report](t)(db.Check(ctx)); report.Err() != nil {
				t.Fatalf("round %d, read-only %v: %v", round, readOnly, report.Err())
			}
			if siftdb.Staged(db) {
				if broken++; !readOnly {
					t.Errorf("round %d: it was not swept", round)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d kills were in the middle of a bulk write", broken)
}
