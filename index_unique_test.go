package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// TestUniqueIndexValues says which values may not be there twice.
func TestUniqueIndexValues(t *testing.T) {
	long := strings.Repeat("long ", 400)
	ignoring := uniqueOn("v")
	ignoring.IgnoreCase = true
	for _, keys := range []siftdb.Keyring{nil, oneKey} {
		for _, test := range []struct {
			spec     siftdb.IndexSpec
			a, b     string
			conflict bool
		}{
			{uniqueOn("v"), `{"v":1}`, `{"v":1.0}`, true},
			{uniqueOn("v"), `{"v":1}`, `{"v":"1"}`, false},
			{uniqueOn("v"), `{"v":"a"}`, `{"v":"a"}`, true},
			{uniqueOn("v"), `{"v":"a"}`, `{"v":"A"}`, false},
			{ignoring, `{"v":"a"}`, `{"v":"A"}`, true},
			{uniqueOn("v"), `{"v":true}`, `{"v":true}`, true},
			{uniqueOn("v"), `{"v":true}`, `{"v":false}`, false},
			{uniqueOn("v"), `{"v":null}`, `{"v":null}`, false},
			{uniqueOn("v"), `{}`, `{"v":null}`, false},
			{uniqueOn("v"), `{"v":""}`, `{"v":""}`, true},
			{uniqueOn("v"), `{"v":{"x":1}}`, `{"v":{"x":1}}`, false},
			{uniqueOn("v"), `{"v":[1,2]}`, `{"v":[2,3]}`, true},
			{uniqueOn("v"), `{"v":[1,2]}`, `{"v":2}`, true},
			{uniqueOn("v"), `{"v":[[2]]}`, `{"v":2}`, false},
			{uniqueOn("v"), `{"v":2}`, `{"v":[[2]]}`, false},
			{uniqueOn("v.w"), `{"v":{"w":1}}`, `{"v":[{"w":1}]}`, true},
			{uniqueOn("v", "w"), `{"v":1,"w":2}`, `{"v":1,"w":3}`, false},
			{uniqueOn("v", "w"), `{"v":1,"w":2}`, `{"v":1,"w":2}`, true},
			{uniqueOn("v", "w"), `{"v":1}`, `{"v":1}`, false},
			{uniqueOn("v"), `{"v":"` + long + `"}`, `{"v":"` + long + `"}`, true},
			{uniqueOn("v"), `{"v":"` + long + `"}`, `{"v":"` + long + `!"}`, false},
		} {
			db := memoryDB(t, &siftdb.Options{Keys: keys})
			make := func() *siftdb.DataSource {
				return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: keys != nil}))
			}
			ds := make()
			create(t, ds, test.spec)
			must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(test.a)))
			_, err := ds.Insert(ctx, json.RawMessage(test.b))
			if isConflict(err) != test.conflict || !test.conflict && err != nil {
				t.Errorf("%.40s after %.40s with %v: %v", test.b, test.a, test.spec, err)
			}
			other := make()
			must[siftdb.BulkResult](t)(other.Append(ctx, raws(test.a, test.b)))
			if err := other.CreateIndex(ctx, test.spec); isConflict(err) != test.conflict || !test.conflict && err != nil {
				t.Errorf("over %.40s and %.40s: %v", test.b, test.a, err)
			}
			if test.conflict {
				holds(t, other)
			}
		}
	}
}

// TestUniqueJudgesWhatIsLeft swaps values within commits, and tries every kind of write.
func TestUniqueJudgesWhatIsLeft(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"v":"a"}`, `{"v":"b"}`, `{"v":"c"}`)
		create(t, ds, uniqueOn("v"))
		ids := entryIDs(t, ds)
		commit := func(c siftdb.Commit) error {
			c.Append = new(true)
			_, err := ds.Commit(ctx, c)
			return err
		}
		swap := []siftdb.CommitEntry{{ID: ids[0], Data: siftdb.M{"v": "b"}}, {ID: ids[1], Data: siftdb.M{"v": "a"}}}
		if err := commit(siftdb.Commit{Entries: swap}); err != nil {
			t.Errorf("a swap: %v", err)
		}
		if err := commit(siftdb.Commit{Delete: ids[2:], Entries: []siftdb.CommitEntry{{Data: siftdb.M{"v": "c"}}}}); err != nil {
			t.Errorf("in place of a deleted one: %v", err)
		}
		versions := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))
		want := texts(all(t, ds))
		for name, write := range map[string]func() error{
			"insert": func() error { _, err := ds.Insert(ctx, siftdb.M{"v": "a"}); return err },
			"update": func() error { _, err := ds.UpdateEntry(ctx, ids[0], siftdb.M{"v": "a"}); return err },
			"append": func() error { _, err := ds.Append(ctx, raws(`{"v":"x"}`, `{"v":"x"}`)); return err },
			"replace": func() error {
				_, err := ds.ReplaceWith(ctx, raws(`{"v":"x"}`, `{"v":"y"}`, `{"v":"x"}`))
				return err
			},
			"commit": func() error {
				return commit(siftdb.Commit{Entries: []siftdb.CommitEntry{{ID: ids[0], Data: siftdb.M{"v": "c"}}}})
			},
			"two in a commit": func() error {
				return commit(siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"v": "x"}}, {Data: siftdb.M{"v": "x"}}}})
			},
			"update where": func() error {
				_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"v": "same"}})
				return err
			},
			"staged append": func() error {
				siftdb.StageAt(db, 1, 20, 1)
				defer siftdb.StageAt(db, 1<<30, 1<<20, 1<<20)
				_, err := ds.Append(ctx, raws(`{"v":"x"}`, `{"v":"y"}`, `{"v":"x"}`))
				return err
			},
			"staged replace": func() error {
				siftdb.StageAt(db, 1, 20, 1)
				defer siftdb.StageAt(db, 1<<30, 1<<20, 1<<20)
				_, err := ds.ReplaceWith(ctx, raws(`{"v":"x"}`, `{"v":"y"}`, `{"v":"x"}`))
				return err
			},
		} {
			err := write()
			var detail *siftdb.Error
			if !isConflict(err) || !errors.As(err, &detail) || detail.Path != "v" || !strings.Contains(detail.Message, `"v."`) {
				t.Errorf("%s: %v", name, err)
			}
			if got := texts(all(t, ds)); strings.Join(got, "") != strings.Join(want, "") {
				t.Errorf("%s leaves %v", name, got)
			}
		}
		siftdb.StageAt(db, 1, 20, 1)
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(`{"v":"a"}`, `{"v":"b"}`, `{"v":"x"}`))) // the same values again
		siftdb.StageAt(db, 1<<30, 1<<20, 1<<20)
		if len(versions) == 0 {
			t.Error("there are no versions")
		}
	})
}

// TestUniqueRefusesARestore restores a state from before the index, in which a value was
// there twice.
func TestUniqueRefusesARestore(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"v":"a"}`, `{"v":"a"}`, `{"v":"c"}`)
		ids := entryIDs(t, ds)
		err := ds.CreateIndex(ctx, uniqueOn("v"))
		if !isConflict(err) || !strings.Contains(err.Error(), fmt.Sprintf("entries %d and %d", ids[0], ids[1])) {
			t.Fatalf("over two of the same value: %v", err)
		}
		e := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[1], siftdb.M{"v": "b"}))
		create(t, ds, uniqueOn("v"))
		if _, err := ds.Restore(ctx, e.Changed); !isConflict(err) {
			t.Errorf("a restore: %v", err)
		}
		must[int64](t)(ds.Restore(ctx, must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[1], siftdb.M{"v": "d"})).Changed))
	})
}

// TestUniqueAmongWriters has many insert the same values at once: each value gets in once.
func TestUniqueAmongWriters(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		create(t, ds, uniqueOn("v"), indexOn("w"))
		const writers, values = 16, 25
		var wg sync.WaitGroup
		var mu sync.Mutex
		wins := map[int]int{}
		for w := range writers {
			wg.Go(func() {
				for i := range values {
					v := (i + w) % values
					_, err := ds.Insert(ctx, siftdb.M{"v": v, "w": w})
					if err != nil && !isConflict(err) {
						t.Error(err)
					}
					if err == nil {
						mu.Lock()
						wins[v]++
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		for v, n := range wins {
			if n != 1 {
				t.Errorf("value %d got in %d times", v, n)
			}
		}
		holds(t, ds, fmt.Sprintf("v. %d %d", values, values), fmt.Sprintf("w. %d %d", values, values))
	})
}

// TestUniqueConflictOfAPrincipal tells whoever is subject to rules that there is a conflict,
// and not on which column, which may be hidden.
func TestUniqueConflictOfAPrincipal(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Entries: raws(`{"Name":"a","Salary":"s3cret"}`),
		AccessRules: json.RawMessage(`[{"type":["select","insert"],"allow":"all","exclude":["Salary"]}]`)}))
	create(t, ds, uniqueOn("Name"), uniqueOn("Salary"))
	_, err := ds.As(&security.Principal{TokenID: 1}).Insert(ctx, siftdb.M{"Name": "a"})
	if !isConflict(err) || strings.Contains(err.Error(), "Name") || strings.Contains(err.Error(), "Salary") {
		t.Errorf("the conflict reads %v", err)
	}
	_, err = ds.As(&security.Principal{TokenID: 1, Admin: true}).Insert(ctx, siftdb.M{"Name": "a"})
	if !isConflict(err) || !strings.Contains(err.Error(), "Name") {
		t.Errorf("the conflict of an admin reads %v", err)
	}
	_, err = ds.Insert(ctx, siftdb.M{"Salary": "s3cret"})
	if !isConflict(err) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the conflict reads %v", err)
	}
}

// TestTooManyValuesForAUniqueIndex writes an entry that a unique index cannot judge.
func TestTooManyValuesForAUniqueIndex(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	list := make([]int, 3000)
	for i := range list {
		list[i] = i
	}
	create(t, ds, uniqueOn("v"), indexOn("v", "w"))
	if _, err := ds.Insert(ctx, siftdb.M{"v": list}); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
	other := table(t, db, "u")
	must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"v": list}))
	if err := other.CreateIndex(ctx, uniqueOn("v")); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
	holds(t, other)
	create(t, other, indexOn("v"))
}

// TestUniqueModel compares random commits with what a model says of conflicts.
func TestUniqueModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rng := rand.New(rand.NewPCG(seed, 2))
		ds := table(t, db, "t")
		create(t, ds, uniqueOn("v"))
		model := map[int64]int{}
		for range 300 {
			next := map[int64]int{}
			for id, v := range model {
				next[id] = v
			}
			c := siftdb.Commit{Append: new(true)}
			var fresh []int
			for id := range model {
				switch rng.IntN(6) {
				case 0:
					v := rng.IntN(12)
					c.Entries = append(c.Entries, siftdb.CommitEntry{ID: id, Data: siftdb.M{"v": v}})
					next[id] = v
				case 1:
					c.Delete = append(c.Delete, id)
					delete(next, id)
				}
			}
			for range rng.IntN(3) {
				v := rng.IntN(12)
				fresh = append(fresh, v)
				c.Entries = append(c.Entries, siftdb.CommitEntry{Data: siftdb.M{"v": v}})
			}
			seen, conflict := map[int]bool{}, false
			for _, v := range fresh {
				conflict = conflict || seen[v]
				seen[v] = true
			}
			for _, v := range next {
				conflict = conflict || seen[v]
				seen[v] = true
			}
			result, err := ds.Commit(ctx, c)
			if isConflict(err) != conflict || !conflict && err != nil {
				t.Fatalf("conflict %v, got %v\n%v\n%+v", conflict, err, model, c)
			}
			if err == nil {
				model = next
				for i, id := range result.Inserted {
					model[id] = fresh[i]
				}
			}
		}
	})
}
