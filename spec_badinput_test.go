package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb"
)

type loop struct {
	Next *loop `json:"next"`
}

// TestBadData: what cannot be stored is refused with a clear error, and nothing
// changes.
func TestBadData(t *testing.T) {
	cycle := &loop{}
	cycle.Next = cycle
	inside := siftdb.M{}
	inside["self"] = inside
	tests := map[string]any{
		"nil": nil, "number": 5, "text": `{"a":1}`, "list": []any{}, "function": func() {}, "channel in a map": siftdb.M{"a": make(chan int)},
		"NaN": siftdb.M{"a": math.NaN()}, "infinite": siftdb.M{"a": math.Inf(1)}, "bad UTF-8": siftdb.M{"a": "x\xff"}, "bad key": siftdb.M{"\xff": 1},
		"cycle": cycle, "cycle in a map": inside, "huge key": siftdb.M{strings.Repeat("k", 1025): 1}, "long number": json.RawMessage(`{"a":` + strings.Repeat("1", 401) + `}`),
		"deep": json.RawMessage(`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`), "very deep": json.RawMessage(strings.Repeat(`{"a":`, 1e6)),
		"empty": json.RawMessage(``), "cut": json.RawMessage(`{"a":1`), "trailing": json.RawMessage(`{} {}`), "BOM": json.RawMessage("\ufeff{}"), "lone surrogate": json.RawMessage(`{"a":"\ud800"}`),
		"bad bytes": json.RawMessage("{\"a\":\"\xff\"}"), "control": json.RawMessage("{\"a\":\"\x01\"}"), "single quotes": json.RawMessage(`{'a':1}`), "leading zero": json.RawMessage(`{"a":01}`),
		"json null": json.RawMessage(`null`), "json list": []byte(`[1]`), "bad json.Number": siftdb.M{"a": json.Number("1x")},
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`)
		id := entryIDs(t, ds)[0]
		before := contents(t, db)
		for name, data := range tests {
			for call, write := range map[string]func() error{
				"Insert":      func() error { _, err := ds.Insert(ctx, data); return err },
				"UpdateEntry": func() error { _, err := ds.UpdateEntry(ctx, id, data); return err },
				"Append":      func() error { _, err := ds.Append(ctx, []any{siftdb.M{"ok": 1}, data}); return err },
				"ReplaceWith": func() error { _, err := ds.ReplaceWith(ctx, []any{data, siftdb.M{}}); return err },
				"Commit": func() error {
					_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{{ID: id, Data: data}}})
					return err
				},
			} {
				err := write()
				var detail *siftdb.Error
				if !isInvalid(err) || !errors.As(err, &detail) || detail.Message == "" {
					t.Errorf("%s of %s gives %v", call, name, err)
				}
				if multi := call == "Append"; multi && err != nil && !strings.Contains(err.Error(), "row 1") {
					t.Errorf("%s of %s does not name the row: %v", call, name, err)
				}
			}
		}
		if diff := cmp.Diff(before, contents(t, db)); diff != "" {
			t.Errorf("bad data changed something: %s", diff)
		}
	})
}

// TestBadQueries: every malformed where is refused before anything is read, with
// the place of the fault.
func TestBadQueries(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	for where, path := range map[string]string{
		`{"a":{"$nope":1}}`: "$nope", `{"a":{"b":{"$x":1}}}`: "$x", `{"$and":{}}`: "$and", `{"$or":1}`: "$or", `{"a":{"$regex":"("}}`: "$regex", `{"a":{"$regex":"a(?=b)"}}`: "$regex",
		`{"a":{"$type":"date"}}`: "$type", `{"$where":"1"}`: "$where", `{"$filters":{}}`: "$filters", `{"$filters":[1]}`: "$filters", `{"$filters":[{"column":"a","condition":"zz","value":1}]}`: "$filters",
		`{"$filters":[{"column":"a","condition":"dateis","value":"soon"}]}`: "$filters", `{"a":`: "", `[]`: "", `5`: "", `"x"`: "", `{"a":{"$options":"i","$regex":"a","$size":{}},"b":{"$regex":"x","$options":"q"}}`: "$regex",
		`{"a":` + strings.Repeat(`{"b":`, 100) + `1` + strings.Repeat(`}`, 101): "",
	} {
		_, err := ds.Find(ctx, siftdb.Query{Where: where})
		_, err2 := ds.Count(ctx, siftdb.Query{Where: where})
		_, err3 := ds.UpdateWhere(ctx, where, siftdb.Patch{Set: siftdb.M{"a": 2}})
		_, err4 := ds.Query(ctx, siftdb.Query{Type: "delete", Where: where})
		for _, err := range []error{err, err2, err3, err4} {
			var detail *siftdb.Error
			if !isInvalidQuery(err) || !errors.As(err, &detail) || !strings.Contains(detail.Path+detail.Message, path) {
				t.Errorf("%.60s gives %v", where, err)
			}
		}
	}
	for _, q := range []siftdb.Query{{Limit: new(-1)}, {Offset: -1}, {Type: "delete"}, {Where: make(chan int)}, {Where: siftdb.M{"a": func() {}}}} {
		if _, err := ds.Find(ctx, q); !isInvalidQuery(err) && !isInvalid(err) {
			t.Errorf("%+v gives %v", q, err)
		}
	}
	if n := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Offset: math.MaxInt, Limit: new(math.MaxInt), Order: siftdb.Order{siftdb.Asc("a")}})); len(n) != 0 {
		t.Errorf("a huge offset finds %d", len(n))
	}
	if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"a":1}`}) {
		t.Errorf("the table is %v", got)
	}
}

// calls is every public call that takes a context.
func calls(db *siftdb.DB, ds *siftdb.DataSource) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error {
			_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x"})
			return err
		},
		"DataSource":        func(ctx context.Context) error { _, err := db.DataSource(ctx, 1); return err },
		"DataSourceByName":  func(ctx context.Context) error { _, err := db.DataSourceByName(ctx, "t", siftdb.Scope{}); return err },
		"DataSources":       func(ctx context.Context) error { _, err := db.DataSources(ctx, siftdb.ListOptions{}); return err },
		"RestoreDataSource": func(ctx context.Context) error { _, err := db.RestoreDataSource(ctx, 1); return err },
		"Purge":             func(ctx context.Context) error { return db.Purge(ctx, 1) },
		"Check":             func(ctx context.Context) error { _, err := db.Check(ctx); return err },
		"CommitAll": func(ctx context.Context) error {
			_, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: ds, Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{}}}})
			return err
		},
		"Info": func(ctx context.Context) error { _, err := ds.Info(ctx); return err },
		"Update": func(ctx context.Context) error {
			_, err := ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("y")})
			return err
		},
		"Delete": func(ctx context.Context) error { return ds.Delete(ctx) },
		"Find":   func(ctx context.Context) error { _, err := ds.Find(ctx, siftdb.Query{}); return err },
		"Find sorted": func(ctx context.Context) error {
			_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("a")}})
			return err
		},
		"FindOne":  func(ctx context.Context) error { _, err := ds.FindOne(ctx, siftdb.Query{}); return err },
		"FindByID": func(ctx context.Context) error { _, err := ds.FindByID(ctx, 1); return err },
		"Count":    func(ctx context.Context) error { _, err := ds.Count(ctx, siftdb.Query{}); return err },
		"Each": func(ctx context.Context) error {
			for _, err := range ds.Each(ctx, siftdb.Query{}) {
				return err
			}
			return nil
		},
		"Query":   func(ctx context.Context) error { _, err := ds.Query(ctx, siftdb.Query{}); return err },
		"Index":   func(ctx context.Context) error { _, err := ds.Index(ctx, "a"); return err },
		"Indexes": func(ctx context.Context) error { _, err := ds.Indexes(ctx, "a"); return err },
		"Cursor":  func(ctx context.Context) error { _, err := ds.Cursor(ctx, siftdb.Query{}); return err },
		"Insert":  func(ctx context.Context) error { _, err := ds.Insert(ctx, siftdb.M{}); return err },
		"UpdateEntry": func(ctx context.Context) error {
			_, err := ds.UpdateEntry(ctx, 1, siftdb.M{"b": 1})
			return err
		},
		"Remove":      func(ctx context.Context) error { return ds.Remove(ctx, 1) },
		"Append":      func(ctx context.Context) error { _, err := ds.Append(ctx, raws(`{}`)); return err },
		"ReplaceWith": func(ctx context.Context) error { _, err := ds.ReplaceWith(ctx, nil); return err },
		"Commit": func(ctx context.Context) error {
			_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}})
			return err
		},
		"UpdateWhere": func(ctx context.Context) error {
			_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"b": 1}})
			return err
		},
		"Versions": func(ctx context.Context) error { _, err := ds.Versions(ctx, siftdb.Page{}); return err },
		"VersionEntries": func(ctx context.Context) error {
			_, err := ds.VersionEntries(ctx, 1, siftdb.VersionQuery{})
			return err
		},
		"Restore": func(ctx context.Context) error { _, err := ds.Restore(ctx, 1); return err },
		"Diff": func(ctx context.Context) error {
			for _, err := range ds.Diff(ctx, 1, siftdb.Now) {
				return err
			}
			return nil
		},
	}
}

func TestCancelledAndClosed(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`)
		before := contents(t, db)
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for name, call := range calls(db, ds) {
			if err := call(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a cancelled context gives %v", name, err)
			}
		}
		if diff := cmp.Diff(before, contents(t, db)); diff != "" {
			t.Errorf("cancelled calls changed something: %s", diff)
		}
	})
	path := filepath.Join(t.TempDir(), "db")
	for _, db := range []*siftdb.DB{must[*siftdb.DB](t)(siftdb.OpenMemory(nil)), must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))} {
		ds := table(t, db, "t", `{"a":1}`)
		for range 2 {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for name, call := range calls(db, ds) {
			if err := call(ctx); !errors.Is(err, siftdb.ErrClosed) {
				t.Errorf("%s on a closed database gives %v", name, err)
			}
		}
	}
}

// TestBadFiles: files and folders that cannot be opened.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, good, nil))
	table(t, db, "t", `{"a":1}`)
	began := time.Now()
	if _, err := siftdb.Open(ctx, good, nil); !errors.Is(err, siftdb.ErrLocked) || time.Since(began) > 10*time.Second {
		t.Errorf("a file in use gives %v after %v", err, time.Since(began))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	bytes := must[[]byte](t)(os.ReadFile(good))
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, path := range []string{write("text", []byte("this is no database")), write("json", []byte(strings.Repeat(`{"a":1}`, 10000))), dir} {
		before, _ := os.ReadFile(path)
		if _, err := siftdb.Open(ctx, path, nil); !errors.Is(err, siftdb.ErrNotDatabase) {
			t.Errorf("%s gives %v", filepath.Base(path), err)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
	if _, err := siftdb.Open(ctx, write("cut", bytes[:3*os.Getpagesize()]), nil); !errors.Is(err, siftdb.ErrCorrupt) {
		t.Errorf("a file that was cut off gives %v", err)
	}
	foreign := filepath.Join(dir, "bolt")
	other := must[*bbolt.DB](t)(bbolt.Open(foreign, 0o600, nil))
	if err := other.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("head"))
		if err != nil {
			return err
		}
		return b.Put([]byte{0}, []byte("something else"))
	}); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := siftdb.Open(ctx, foreign, nil); !errors.Is(err, siftdb.ErrCorrupt) && !errors.Is(err, siftdb.ErrNotDatabase) {
		t.Errorf("somebody else's bbolt file gives %v", err)
	}
	if _, err := siftdb.Open(ctx, filepath.Join(dir, "none", "x.db"), nil); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, siftdb.ErrUnavailable) {
		t.Errorf("a missing folder gives %v", err)
	}
	if _, err := siftdb.Open(ctx, filepath.Join(dir, "missing"), &siftdb.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file opened read-only gives %v", err)
	}
	ro := must[*siftdb.DB](t)(siftdb.Open(ctx, good, &siftdb.Options{ReadOnly: true}))
	defer ro.Close()
	ds := must[*siftdb.DataSource](t)(ro.DataSource(ctx, 1))
	if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"a":1}`}) {
		t.Errorf("read-only, the table is %v", got)
	}
	if _, err := ds.Insert(ctx, siftdb.M{}); !errors.Is(err, siftdb.ErrReadOnly) {
		t.Errorf("a write to a read-only database gives %v", err)
	}
	for _, options := range []siftdb.Options{{SnapshotAge: -1}, {Retention: siftdb.Retention{Versions: -2}}, {Retention: siftdb.Retention{Age: -1}}, {Limits: siftdb.Limits{Depth: -2}}} {
		if _, err := siftdb.OpenMemory(&options); !isInvalid(err) {
			t.Errorf("options %+v give %v", options, err)
		}
	}
}
