package siftdb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

type ringed struct{ Next *ringed }

// badData is what no write may store.
func badData() map[string]any {
	ring := &ringed{}
	ring.Next = ring
	m := map[string]any{}
	m["m"] = m
	list := []any{nil}
	list[0] = list
	nest := func(n int) json.RawMessage {
		return json.RawMessage(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}")
	}
	keys := siftdb.M{}
	for i := range 10_001 {
		keys[fmt.Sprint("k", i)] = i
	}
	return map[string]any{
		"nil": nil, "number": 5, "string": "{}", "slice": []any{}, "bool": true, "raw array": json.RawMessage(`[]`), "raw null": json.RawMessage(`null`), "nil pointer": (*ringed)(nil),
		"raw nil": json.RawMessage(nil), "truncated": json.RawMessage(`{"a":1`), "trailing": json.RawMessage(`{} {}`), "BOM": json.RawMessage("\ufeff{}"), "single quotes": json.RawMessage(`{'a':1}`),
		"raw NaN": json.RawMessage(`{"a":NaN}`), "leading zero": json.RawMessage(`{"a":01}`), "control": json.RawMessage("{\"a\":\"\n\"}"), "comma": json.RawMessage(`{"a":1,}`),
		"NaN": siftdb.M{"a": math.NaN()}, "Inf": siftdb.M{"a": []any{math.Inf(1)}}, "-Inf": struct{ F float32 }{float32(math.Inf(-1))},
		"value not UTF-8": siftdb.M{"a": "\xff"}, "key not UTF-8": siftdb.M{"\xff": 1}, "raw not UTF-8": json.RawMessage("{\"a\":\"\xc3\x28\"}"),
		"lone high": json.RawMessage(`{"a":"\ud800"}`), "lone low": json.RawMessage(`{"a":"\udc00x"}`), "reversed": json.RawMessage(`{"a":"\udc00\ud800"}`), "lone in key": json.RawMessage(`{"\ud800":1}`),
		"cycle of pointers": ring, "cycle of maps": m, "cycle of slices": siftdb.M{"l": list}, "func": siftdb.M{"f": func() {}}, "chan": siftdb.M{"c": make(chan int)}, "complex": siftdb.M{"c": 1i},
		"int keys": map[bool]int{true: 1}, "deep": nest(101), "very deep": nest(1_000_000), "many keys": keys, "long key": siftdb.M{strings.Repeat("k", 1025): 1},
		"long number": json.RawMessage(`{"a":` + strings.Repeat("1", 401) + `}`), "bad number": siftdb.M{"n": json.Number("x")}, "empty number": siftdb.M{"n": json.Number("1.")},
		"long nested key": siftdb.M{"a": siftdb.M{strings.Repeat("k", 1025): 1}},
	}
}

// tooLarge are those that are refused for a limit.
var tooLarge = map[string]bool{"deep": true, "very deep": true, "many keys": true, "long key": true, "long number": true, "long nested key": true}

// TestBadDataIsRefused: by every write, with a kind, and nothing is changed.
func TestBadDataIsRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`)
		id := entryIDs(t, ds)[0]
		before := portrait(t, db)
		for name, data := range badData() {
			writes := map[string]func() error{
				"Insert":      func() error { _, err := ds.Insert(ctx, data); return err },
				"UpdateEntry": func() error { _, err := ds.UpdateEntry(ctx, id, data); return err },
				"Append":      func() error { _, err := ds.Append(ctx, []any{siftdb.M{"ok": 1}, data}); return err },
				"ReplaceWith": func() error { _, err := ds.ReplaceWith(ctx, []any{data}); return err },
				"Create": func() error {
					_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Entries: []any{data}})
					return err
				},
				"Commit": func() error {
					_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{}}, {ID: id, Data: data}}})
					return err
				},
			}
			if data != nil { // for these nil means no change
				writes["UpdateWhere"] = func() error { _, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: data}); return err }
				writes["UpdateWhere Func"] = func() error {
					_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) { return data, nil }})
					return err
				}
			}
			for what, write := range writes {
				err := write()
				var e *siftdb.Error
				if !errors.Is(err, siftdb.ErrInvalidInput) && !(tooLarge[name] && errors.Is(err, siftdb.ErrTooLarge)) || !errors.As(err, &e) {
					t.Errorf("%s of %s gives %.300v", what, name, err)
				}
			}
		}
		for _, order := range []any{"1", true, siftdb.M{}, math.NaN(), math.Inf(1), json.Number("x"), json.RawMessage(`"1"`)} {
			_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{}, Order: order}}})
			fails(t, fmt.Sprint("order ", order), err, siftdb.ErrInvalidInput)
		}
		_, err := ds.UpdateEntry(ctx, id, siftdb.M{"a": 2}, siftdb.IfChanged(0))
		fails(t, "IfChanged(0)", err, siftdb.ErrInvalidInput)
		_, err = db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: nil}})
		fails(t, "a commit to nothing", err, siftdb.ErrInvalidInput)
		_, err = db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: table(t, memoryDB(t, nil), "foreign"), Commit: siftdb.Commit{Append: new(true)}}})
		fails(t, "a commit to a data source of another database", err, siftdb.ErrInvalidInput)
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("refused data changed something: %s", diff)
		}
	})
}

// TestLimits: what is just allowed is stored, and limits are options.
func TestLimits(t *testing.T) {
	nest := func(n int) json.RawMessage {
		return json.RawMessage(`{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}")
	}
	ds := table(t, memoryDB(t, nil), "t")
	for name, data := range map[string]any{"deep": nest(100), "key": siftdb.M{strings.Repeat("k", 1024): 1}, "number": json.RawMessage(`{"a":` + strings.Repeat("1", 400) + `}`)} {
		if e, err := ds.Insert(ctx, data); err != nil || !json.Valid(e.JSON()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	small := table(t, memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{Depth: 2, Keys: 2, KeyBytes: 3, NumberBytes: 4}}), "t")
	for text, ok := range map[string]bool{`{"abc":[1234],"b":1}`: true, `{"abcd":1}`: false, `{"a":[[]]}`: false, `{"a":1,"b":2,"c":3}`: false, `{"a":12345}`: false} {
		if _, err := small.Insert(ctx, json.RawMessage(text)); (err == nil) != ok {
			t.Errorf("%s gives %v", text, err)
		}
	}
	none := table(t, memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1}}), "t")
	for name, data := range map[string]any{"deep": nest(5000), "key": siftdb.M{strings.Repeat("k", 5000): 1}, "number": json.RawMessage(`{"a":` + strings.Repeat("1", 5000) + `}`)} {
		e, err := none.Insert(ctx, data)
		if err != nil || string(e.JSON()) != string(asJSON(t, data)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := none.Insert(ctx, nest(10_001))
	if err == nil {
		t.Error("depth 10,001 is taken")
	}
}

// everyCall is every public method that can fail.
func everyCall(db *siftdb.DB, ds *siftdb.DataSource, entry, version int64, c *siftdb.Cursor) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"DataSource":       func(ctx context.Context) error { _, err := db.DataSource(ctx, ds.ID()); return err },
		"DataSourceByName": func(ctx context.Context) error { _, err := db.DataSourceByName(ctx, "t", siftdb.Scope{}); return err },
		"DataSources":      func(ctx context.Context) error { _, err := db.DataSources(ctx, siftdb.ListOptions{}); return err },
		"Create": func(ctx context.Context) error {
			_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x"})
			return err
		},
		"RestoreDataSource": func(ctx context.Context) error { _, err := db.RestoreDataSource(ctx, ds.ID()); return err },
		"Purge":             func(ctx context.Context) error { return db.Purge(ctx, ds.ID()) },
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
		"Find order": func(ctx context.Context) error {
			_, err := ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("a")}})
			return err
		},
		"FindOne":     func(ctx context.Context) error { _, err := ds.FindOne(ctx, siftdb.Query{}); return err },
		"FindByID":    func(ctx context.Context) error { _, err := ds.FindByID(ctx, entry); return err },
		"Each":        func(ctx context.Context) error { return eachError(ds.Each(ctx, siftdb.Query{})) },
		"Count":       func(ctx context.Context) error { _, err := ds.Count(ctx, siftdb.Query{}); return err },
		"Count where": func(ctx context.Context) error { _, err := ds.Count(ctx, siftdb.Query{Where: `{"a":1}`}); return err },
		"Query":       func(ctx context.Context) error { _, err := ds.Query(ctx, siftdb.Query{}); return err },
		"Query delete": func(ctx context.Context) error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`})
			return err
		},
		"Insert":      func(ctx context.Context) error { _, err := ds.Insert(ctx, siftdb.M{}); return err },
		"UpdateEntry": func(ctx context.Context) error { _, err := ds.UpdateEntry(ctx, entry, siftdb.M{"a": 7}); return err },
		"Remove":      func(ctx context.Context) error { return ds.Remove(ctx, entry) },
		"Append":      func(ctx context.Context) error { _, err := ds.Append(ctx, raws(`{}`)); return err },
		"ReplaceWith": func(ctx context.Context) error { _, err := ds.ReplaceWith(ctx, nil); return err },
		"Commit": func(ctx context.Context) error {
			_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}})
			return err
		},
		"UpdateWhere": func(ctx context.Context) error {
			_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"a": 7}})
			return err
		},
		"UpdateWhere fn": func(ctx context.Context) error {
			_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) { return siftdb.M{"a": 7}, nil }})
			return err
		},
		"Index":         func(ctx context.Context) error { _, err := ds.Index(ctx, "a"); return err },
		"Indexes":       func(ctx context.Context) error { _, err := ds.Indexes(ctx, "a", "b"); return err },
		"Cursor":        func(ctx context.Context) error { _, err := ds.Cursor(ctx, siftdb.Query{}); return err },
		"Cursor.Update": func(ctx context.Context) error { return c.Update(ctx, false) },
		"Versions":      func(ctx context.Context) error { _, err := ds.Versions(ctx, siftdb.Page{}); return err },
		"VersionEntries": func(ctx context.Context) error {
			_, err := ds.VersionEntries(ctx, version, siftdb.VersionQuery{})
			return err
		},
		"Restore":     func(ctx context.Context) error { _, err := ds.Restore(ctx, version); return err },
		"Diff":        func(ctx context.Context) error { return eachError(ds.Diff(ctx, version, siftdb.Now)) },
		"At.FindByID": func(ctx context.Context) error { _, err := ds.At(version).FindByID(ctx, entry); return err },
		"AtTime.Find": func(ctx context.Context) error { _, err := ds.AtTime(time.Now()).Find(ctx, siftdb.Query{}); return err },
	}
}

// TestCancelledContext: every call returns the context's error, and changes
// nothing.
func TestCancelledContext(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1}`, `{"a":2}`)
		c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{}))
		before := portrait(t, db)
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		late, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
		defer cancel()
		for name, call := range everyCall(db, ds, entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID, c) {
			if err := call(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("%s gives %v", name, err)
			}
			if err := call(late); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s gives %v", name, err)
			}
		}
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("cancelled calls changed something: %s", diff)
		}
		if _, err := siftdb.Open(cancelled, filepath.Join(t.TempDir(), "x.db"), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Open gives %v", err)
		}
	})
}

// TestClosedDatabase: every call returns ErrClosed; entries stay readable.
func TestClosedDatabase(t *testing.T) {
	for _, kind := range []string{"memory", "bolt"} {
		db, err := siftdb.OpenMemory(nil)
		if kind == "bolt" {
			db, err = siftdb.Open(ctx, filepath.Join(t.TempDir(), "test.db"), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		ds := table(t, db, "t", `{"a":1}`, `{"a":2}`)
		c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, siftdb.Query{}))
		id, version := entryIDs(t, ds)[0], versionsOf(t, ds)[0].ID
		var failed error
		n := 0
		for _, err := range ds.Each(ctx, siftdb.Query{}) { // closed in the middle of a stream
			failed = err
			if n++; n == 1 {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n != 2 && !errors.Is(failed, siftdb.ErrClosed) {
			t.Errorf("%s: a stream ended after %d entries with %v", kind, n, failed)
		}
		for name, call := range everyCall(db, ds, id, version, c) {
			fails(t, kind+" "+name, call(ctx), siftdb.ErrClosed)
		}
		_, err = db.Size()
		fails(t, kind+" Size", err, siftdb.ErrClosed)
		if _, err = db.Fork(); err == nil || kind == "memory" && !errors.Is(err, siftdb.ErrClosed) {
			t.Errorf("%s Fork gives %v", kind, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("a second Close gives %v", err)
		}
		if got := len(c.Entries()); got != 2 || c.Entries()[0].Get("a") != 1.0 {
			t.Errorf("the cursor's entries are gone: %d", got)
		}
	}
}

// TestFork: a fork and its origin do not see each other.
func TestFork(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	fork := must[*siftdb.DB](t)(db.Fork())
	checked(t, fork)
	if diff := cmp.Diff(portrait(t, db), portrait(t, fork)); diff != "" {
		t.Errorf("a fork differs: %s", diff)
	}
	before := portrait(t, fork)
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"b": 1}))
	if diff := cmp.Diff(before, portrait(t, fork)); diff != "" {
		t.Errorf("a write reached the fork: %s", diff)
	}
	before = portrait(t, db)
	if err := fork.Purge(ctx, ds.ID()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("a write to the fork reached its origin: %s", diff)
	}
	_, err := fileDB(t, filepath.Join(t.TempDir(), "x.db"), nil).Fork()
	fails(t, "a file's fork", err, siftdb.ErrInvalidInput)
}

// TestBadPaths: what cannot be opened says why, leaves no lock, and is left as it
// was.
func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, good, nil))
	ds := numbered(t, db, 3000)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("t")}))
	must[int64](t)(ds.UpdateWhere(ctx, `{"mod":1}`, siftdb.Patch{Set: siftdb.M{"mod": 11}}))
	want := describeEntries(all(t, ds))

	begin := time.Now()
	_, err := siftdb.Open(ctx, good, nil)
	if fails(t, "a locked file", err, siftdb.ErrLocked); time.Since(begin) > 10*time.Second {
		t.Errorf("a locked file takes %v", time.Since(begin))
	}
	_, err = siftdb.Open(ctx, good, &siftdb.Options{ReadOnly: true})
	fails(t, "a locked file, read-only", err, siftdb.ErrLocked)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole := must[[]byte](t)(os.ReadFile(good))

	for name, test := range map[string]struct {
		content []byte
		kinds   []error
	}{
		"text":         {bytes.Repeat([]byte("hello, world\n"), 2000), []error{siftdb.ErrNotDatabase}},
		"short text":   {[]byte("x"), []error{siftdb.ErrNotDatabase, siftdb.ErrCorrupt}},
		"one page":     {whole[:4096], []error{siftdb.ErrCorrupt, siftdb.ErrNotDatabase}},
		"half":         {whole[:len(whole)/2&^4095], []error{siftdb.ErrCorrupt, siftdb.ErrNotDatabase}},
		"half a page":  {whole[:3*4096+100], []error{siftdb.ErrCorrupt, siftdb.ErrNotDatabase}},
		"wrecked head": {append(make([]byte, 2*4096), whole[2*4096:]...), []error{siftdb.ErrCorrupt, siftdb.ErrNotDatabase}},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, test.content, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, options := range []*siftdb.Options{nil, {ReadOnly: true}} {
			bad, err := siftdb.Open(ctx, path, options)
			if err == nil { // found out later, but never a wrong answer
				source, e := bad.DataSource(ctx, ds.ID())
				if err = e; err == nil {
					_, err = source.Find(ctx, siftdb.Query{})
				}
				bad.Close()
			}
			var e *siftdb.Error
			known := errors.As(err, &e)
			for _, kind := range test.kinds {
				if known && errors.Is(err, kind) {
					kind, err = nil, nil
				}
			}
			if err != nil || !known {
				t.Errorf("%s, %+v gives %v", name, options, err)
			}
			if name == "text" || name == "short text" {
				if now := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(now, test.content) {
					t.Errorf("%s was changed by the attempt to open it", name)
				}
			}
		}
	}
	for what, path := range map[string]string{"missing directory": filepath.Join(dir, "no", "x.db"), "missing file, read-only": filepath.Join(dir, "no.db")} {
		options := &siftdb.Options{ReadOnly: what != "missing directory"}
		_, err := siftdb.Open(ctx, path, options)
		var e *siftdb.Error
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &e) {
			t.Errorf("a %s gives %v", what, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("a %s was made", what)
		}
	}
	for what, path := range map[string]string{"directory": dir, "file as a directory": filepath.Join(good, "x.db"), "empty path": ""} {
		var e *siftdb.Error
		if _, err := siftdb.Open(ctx, path, nil); err == nil || !errors.As(err, &e) {
			t.Errorf("a %s gives %v", what, err)
		}
	}
	if os.Geteuid() > 0 {
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		if _, err := siftdb.Open(ctx, filepath.Join(locked, "x.db"), nil); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a read-only directory gives %v", err)
		}
	}

	// ReadOnly reads everything, writes nothing, and may be shared.
	readers := []*siftdb.DB{must[*siftdb.DB](t)(siftdb.Open(ctx, good, &siftdb.Options{ReadOnly: true})), must[*siftdb.DB](t)(siftdb.Open(ctx, good, &siftdb.Options{ReadOnly: true}))}
	for _, reader := range readers {
		source := must[*siftdb.DataSource](t)(reader.DataSource(ctx, ds.ID()))
		if diff := cmp.Diff(want, describeEntries(all(t, source))); diff != "" {
			t.Errorf("read-only: %s", diff)
		}
		id, version := entryIDs(t, source)[0], versionsOf(t, source)[0].ID
		c := must[*siftdb.Cursor](t)(source.Cursor(ctx, siftdb.Query{}))
		writes := strings.Fields("Create RestoreDataSource Purge CommitAll Update Delete Insert UpdateEntry Remove Append ReplaceWith Commit UpdateWhere Restore")
		for name, call := range everyCall(reader, source, id, version, c) {
			err := call(ctx)
			if strings.Contains(" "+strings.Join(writes, " ")+" ", " "+strings.TrimSuffix(name, " fn")+" ") || name == "Query delete" {
				fails(t, "read-only "+name, err, siftdb.ErrReadOnly)
			} else if err != nil {
				t.Errorf("read-only %s gives %v", name, err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
	if now := must[[]byte](t)(os.ReadFile(good)); !bytes.Equal(now, whole) {
		t.Error("read-only use changed the file")
	}
	if diff := cmp.Diff(want, describeEntries(all(t, must[*siftdb.DataSource](t)(fileDB(t, good, nil).DataSource(ctx, ds.ID()))))); diff != "" {
		t.Errorf("opened again: %s", diff)
	}
}
