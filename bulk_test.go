package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// sequence yields rows of JSON.
func sequence(rows []string) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, row := range rows {
			if !yield(json.RawMessage(row), nil) {
				return
			}
		}
	}
}

// randomRows makes rows with names that come and go, reserved keys among them.
func randomRows(rng *rand.Rand, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		var fields []string
		for range rng.IntN(5) {
			name := fmt.Sprint("c", rng.IntN(12))
			switch rng.IntN(12) {
			case 0:
				name = "dataSourceId"
			case 1:
				name = `data\u0053ourceEntryId`
			case 2:
				name = fmt.Sprint("rare", rng.IntN(2000))
			}
			value := []string{`1.10`, `null`, `"é\"x"`, `{"dataSourceId":[1,{"a":{}}]}`, `1e400`, `"` + strings.Repeat("y", rng.IntN(60)) + `"`}[rng.IntN(6)]
			fields = append(fields, `"`+name+`":`+value)
		}
		rows[i] = "{" + strings.Join(fields, ", ") + "}"
	}
	return rows
}

// described is all that can be seen of the entries and versions of a data source.
func described(t *testing.T, ds *siftdb.DataSource) []string {
	t.Helper()
	info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
	out := []string{fmt.Sprint(info.Columns)}
	for _, e := range all(t, ds) {
		out = append(out, fmt.Sprintf("%d %d %s %s", e.ID, e.Changed, e.CreatedAt, e.JSON()))
	}
	for _, v := range versionsOf(t, ds) {
		out = append(out, fmt.Sprintf("version %d %s %d", v.ID, v.Action, v.Count))
		out = append(out, texts(all(t, ds.At(v.ID)))...)
	}
	return out
}

// TestBulkIsOne: rows that are written in several transactions, from a list or one by
// one, give the entries, columns, versions and changes that one transaction gives.
func TestBulkIsOne(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rng := rand.New(rand.NewPCG(1, 2))
		var feeds [2][]string
		open := func(name string, parts bool) *siftdb.DB {
			other := fileDB(t, filepath.Join(t.TempDir(), name), newClock().options())
			if strings.Contains(t.Name(), "memory") { // where every transaction runs twice
				other = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, storagetest.Twice(memory.New()), newClock().options()))
				checked(t, other)
			}
			if parts {
				siftdb.StageAt(other, 300, 200, 40)
			}
			return other
		}
		plain, parts := open("a", false), open("b", true)
		for round := range 25 {
			rows := [][]string{randomRows(rng, 1+rng.IntN(60)), randomRows(rng, rng.IntN(90)), randomRows(rng, rng.IntN(40))}
			kinds := []int{rng.IntN(2), rng.IntN(3), rng.IntN(3)}
			var seen [2][]string
			for i, db := range []*siftdb.DB{plain, parts} {
				ds := table(t, db, fmt.Sprint(round), `{"c1":0}`)
				for n, kind := range kinds {
					var err error
					switch {
					case i == 0 && kind == 0:
						_, err = ds.Append(ctx, raws(rows[n]...))
					case i == 0:
						_, err = ds.ReplaceWith(ctx, raws(rows[n]...))
					case kind == 0:
						_, err = ds.AppendSeq(ctx, sequence(rows[n]))
					case kind == 1:
						_, err = ds.ReplaceWithSeq(ctx, sequence(rows[n]))
					default:
						_, err = ds.ReplaceWith(ctx, raws(rows[n]...))
					}
					if err != nil {
						t.Fatal(err)
					}
					if list := all(t, ds); n == 0 && len(list) > 3 {
						if _, err := ds.UpdateEntry(ctx, list[2].ID, siftdb.M{"c3": "changed"}); err != nil {
							t.Fatal(err)
						}
					}
				}
				seen[i] = described(t, ds)
				next := 0
				for c, err := range ds.Changes(ctx, 0) {
					if err != nil {
						t.Fatal(err)
					}
					feeds[i] = append(feeds[i], fmt.Sprint(c.Version.ID, len(c.Changes)))
					if next++; next >= len(versionsOf(t, ds)) {
						break
					}
				}
			}
			if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
				t.Fatalf("round %d: %s", round, diff)
			}
			if diff := cmp.Diff(feeds[0], feeds[1]); diff != "" {
				t.Fatalf("round %d: the feeds: %s", round, diff)
			}
		}
	})
}

// TestBulkResult: the ids of a large write are those of its rows, in their order, and it is
// refused whole when a row is wrong, or the caller ends it.
func TestBulkResult(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		siftdb.StageAt(db, 1000, 500, 1000)
		ds := table(t, db, "t", `{"n":-1}`)
		rows := make([]string, 9000)
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"n":%d}`, i)
		}
		result := must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, sequence(rows), siftdb.ByUser(siftdb.User{ID: 5}), siftdb.WithSource("label")))
		for _, i := range []int{0, 1, 4500, 8999} {
			if e := must[*siftdb.Entry](t)(ds.FindByID(ctx, result.IDs[i])); e.Get("n") != float64(i) || e.Changed != result.Version || !slices.IsSorted(result.IDs) {
				t.Errorf("row %d is %s of %d", i, e.JSON(), e.Changed)
			}
		}
		if v := versionsOf(t, ds)[0]; v.ID != result.Version || v.Action != "import" || v.Source != "label" || v.Count != 1 {
			t.Errorf("the version is %+v", v)
		}
		before := described(t, ds)[:20]
		own := errors.New("enough")
		for name, seq := range map[string]iter.Seq2[any, error]{
			"row 8999": sequence(append(slices.Clone(rows[:8999]), `{"n":`)),
			"row 3":    sequence([]string{`{}`, `{}`, `{}`, `[]`, `{}`}),
			"row 8000": sequence(append(slices.Clone(rows[:8000]), `{"n":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`)),
			"enough": func(yield func(any, error) bool) {
				_ = yield(siftdb.M{"n": 1}, nil) && yield(nil, own)
			},
		} {
			if _, err := ds.ReplaceWithSeq(ctx, seq); err == nil || !strings.Contains(err.Error(), name) || name == "enough" && !errors.Is(err, own) {
				t.Errorf("%s: %v", name, err)
			}
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := ds.AppendSeq(canceled, sequence(rows)); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if _, err := ds.AppendSeq(ctx, sequence(rows), siftdb.IfChanged(1)); !isInvalid(err) {
			t.Errorf("a condition: %v", err)
		}
		if _, err := ds.At(result.Version).AppendSeq(ctx, sequence(rows)); !errors.Is(err, siftdb.ErrReadOnly) {
			t.Errorf("through an old handle: %v", err)
		}
		if diff := cmp.Diff(before, described(t, ds)[:20]); diff != "" || siftdb.Unswept(db) {
			t.Errorf("something was changed: %s", diff)
		}
		b := ds.Bulk()
		if err := b.Add(5); !isInvalid(err) || b.Add(siftdb.M{}) == nil {
			t.Errorf("a row that is none: %v", err)
		}
		if _, err := b.Append(ctx); err == nil {
			t.Error("rows are written after one that was wrong")
		}
		if gone := ds; db.Purge(ctx, ds.ID()) != nil {
			t.Error("not purged")
		} else if _, err := gone.AppendSeq(ctx, sequence(rows)); !isNotFound(err) {
			t.Errorf("a data source that is gone: %v", err)
		}
	})
}

// TestBulkRetention: a staged write drops the versions that a plain one drops. The newest
// one stays until the next write.
func TestBulkRetention(t *testing.T) {
	for keep, want := range map[int]int{-1: 1, 2: 2} {
		db := memoryDB(t, &siftdb.Options{Retention: siftdb.Retention{Versions: keep}})
		siftdb.StageAt(db, 1, 4000, 1)
		ds := table(t, db, "t", `{"g":0}`)
		for g := range 5 {
			must[siftdb.BulkResult](t)(ds.ReplaceWithSeq(ctx, generation(g)))
		}
		if n := len(versionsOf(t, ds)); n != want {
			t.Errorf("%d versions are kept, want %d", n, want)
		}
		if err := ofOne(ds); err != nil {
			t.Error(err)
		}
	}
}

// TestBulkNames: a bulk whose names were proposed before others took their numbers.
func TestBulkNames(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for name, stage := range map[string]int{"one": 1 << 20, "parts": 1} {
			siftdb.StageAt(db, stage, 100, 1000)
			ds := table(t, db, name, `{"a":1}`)
			b := ds.Bulk()
			for i := range 5 {
				if err := b.Add(siftdb.D{{Key: "x", Value: i}, {Key: "y", Value: i}}); err != nil {
					t.Fatal(err)
				}
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.D{{Key: "y", Value: "other"}, {Key: "z", Value: "other"}}))
			must[siftdb.BulkResult](t)(b.Append(ctx))
			want := []string{`{"a":1}`, `{"y":"other","z":"other"}`, `{"x":0,"y":0}`, `{"x":1,"y":1}`}
			if diff := cmp.Diff(want, texts(all(t, ds))[:4]); diff != "" {
				t.Error(diff)
			}
			// Others take every number that is left.
			b = ds.Bulk()
			for i := range 5 {
				if err := b.Add(siftdb.D{{Key: "late", Value: i}}); err != nil {
					t.Fatal(err)
				}
			}
			wide := siftdb.M{}
			for i := range 4100 {
				wide[fmt.Sprint("w", i)] = i
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, wide))
			result := must[siftdb.BulkResult](t)(b.Append(ctx))
			if e := must[*siftdb.Entry](t)(ds.FindByID(ctx, result.IDs[4])); string(e.JSON()) != `{"late":4}` {
				t.Errorf("%s: %s", name, e.JSON())
			}
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: `{"late":{"$gt":2}}`})); n != 2 {
				t.Errorf("%s: the column does not count: %d", name, n)
			}
		}
	})
}

// TestBulkIsHidden: while a bulk write is under way its rows are nowhere, whatever is
// read, and then they are there at once; other writes wait.
func TestBulkIsHidden(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		siftdb.StageAt(db, 1, 4000, 1)
		ds := table(t, db, "t", `{"g":0}`)
		must[siftdb.BulkResult](t)(ds.ReplaceWithSeq(ctx, generation(1)))
		var done atomic.Bool
		var readers sync.WaitGroup
		fail := func(what string, err error) {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		readers.Go(func() {
			for !done.Load() {
				fail("a find", ofOne(ds))
				report, err := db.Check(ctx)
				if err == nil {
					err = report.Err()
				}
				fail("a check", err)
			}
		})
		readers.Go(func() {
			for !done.Load() {
				n, err := ds.Count(ctx, siftdb.Query{Where: `{"g":{"$gte":0}}`})
				if n != generationSize {
					t.Errorf("a count finds %d entries", n)
				}
				fail("a count", err)
				for id := range int64(60) {
					_, err := ds.FindByID(ctx, id*1000)
					if err != nil && !isNotFound(err) {
						fail("a get", err)
					}
				}
			}
		})
		readers.Go(func() {
			for i := 0; !done.Load(); i++ {
				_, err := ds.Insert(ctx, siftdb.M{"h": i})
				fail("an insert", err)
				_, err = ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"h":{"$exists":true}}`})
				fail("a deletion", err)
			}
		})
		for g := 2; g < 9; g++ {
			if _, err := ds.ReplaceWithSeq(ctx, generation(g)); err != nil {
				t.Error(err)
			}
		}
		done.Store(true)
		readers.Wait()
		for _, v := range versionsOf(t, ds) {
			fail(fmt.Sprint("version ", v.ID), ofOne(ds.At(v.ID)))
		}
	})
}

const generationSize = 300

// generation yields rows of one generation.
func generation(g int) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for i := range generationSize {
			if !yield(siftdb.M{"g": g, "i": i, "pad": strings.Repeat("x", 100)}, nil) {
				return
			}
		}
	}
}

// ofOne makes sure that the entries are those of one generation, or those of table.
func ofOne(ds *siftdb.DataSource) error {
	entries, err := ds.Find(ctx, siftdb.Query{Where: `{"g":{"$gte":0}}`})
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.Get("g") != entries[0].Get("g") || e.Get("g") != float64(0) && e.Get("i") != float64(i) {
			return fmt.Errorf("entry %d of %d is %s beside %s", i, len(entries), e.JSON(), entries[0].JSON())
		}
	}
	if n := len(entries); n > 1 && n != generationSize {
		return fmt.Errorf("%d entries", n)
	}
	return nil
}

// TestBulkRefused: rules and hooks see the rows of a bulk as they see those of a list.
func TestBulkRefused(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.StageAt(db, 1, 10, 1)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t",
		AccessRules: json.RawMessage(`[{"type":["insert","select"],"allow":"all","exclude":["secret"]}]`),
		Hooks:       json.RawMessage(`[{"type":"operations","runOn":["insert"],"payload":{"copy":"{{{a}}}"}}]`)}))
	user := db.As(&security.Principal{TokenID: 5})
	theirs := must[*siftdb.DataSource](t)(user.DataSource(ctx, ds.ID()))
	if _, err := theirs.AppendSeq(ctx, sequence([]string{`{"a":"1"}`, `{"secret":2}`})); !errors.Is(err, siftdb.ErrDenied) {
		t.Errorf("a column that is not theirs: %v", err)
	}
	if _, err := theirs.ReplaceWithSeq(ctx, sequence([]string{`{"a":"1"}`})); err != nil {
		t.Errorf("an empty table replaced: %v", err)
	}
	must[siftdb.BulkResult](t)(theirs.AppendSeq(ctx, sequence([]string{`{"a":"2"}`})))
	must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, sequence([]string{`{"a":"3"}`})))
	must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, sequence([]string{`{"a":"4"}`}), siftdb.RunHooks(false)))
	want := []string{`{"a":"1"}`, `{"a":"2","copy":"2"}`, `{"a":"3","copy":"3"}`, `{"a":"4"}`}
	if diff := cmp.Diff(want, texts(all(t, ds))); diff != "" {
		t.Error(diff)
	}
}

// TestUnswept: what cannot be swept at once is not seen, keeps others from writing, and is
// swept by the next write that can, or as the database is opened.
func TestUnswept(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		below := memory.New()
		store, faults := storagetest.Faulty(below)
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
		siftdb.StageAt(db, 1, 4000, 1)
		ds := table(t, db, "t", `{"g":0}`)
		must[siftdb.BulkResult](t)(ds.ReplaceWithSeq(ctx, generation(1)))
		before := described(t, ds)
		faults.Arm(storagetest.Fault{Call: 500, Sticky: true})
		if _, err := ds.ReplaceWithSeq(ctx, generation(2)); !errors.Is(err, storagetest.ErrInjected) {
			t.Fatalf("the fault is not told: %v", err)
		}
		if !siftdb.Unswept(db) {
			t.Fatal("the fault came too early")
		}
		if _, err := ds.Insert(ctx, siftdb.M{"g": 3}); err == nil {
			t.Error("a write goes on beside what is left")
		}
		faults.Arm(storagetest.Fault{})
		if diff := cmp.Diff(before, described(t, ds)); diff != "" {
			t.Errorf("something is seen: %s", diff)
		}
		if report := must[*siftdb.Report](t)(db.Check(ctx)); report.Err() != nil {
			t.Error(report.Err())
		}
		if reopen {
			fork := must[*memory.Store](t)(forked(below))
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			db = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, fork, nil))
			ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
		}
		checked(t, db)
		if diff := cmp.Diff(before, described(t, ds)); diff != "" {
			t.Errorf("something is seen: %s", diff)
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"g": 1, "i": generationSize}))
		if siftdb.Unswept(db) {
			t.Error("it was not swept")
		}
	}
}

func forked(store *memory.Store) (*memory.Store, error) {
	fork, err := store.Fork()
	if err != nil {
		return nil, err
	}
	return fork.(*memory.Store), nil
}
