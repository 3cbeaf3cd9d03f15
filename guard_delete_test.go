package siftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// guardTCounting counts what is read of a storage outside of writes.
type guardTCounting struct {
	storage.Storage
	reads *atomic.Int64
}

func (s guardTCounting) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.Storage.View(ctx, func(r storage.Reader) error { return fn(guardTCountingReader{r, s.reads}) })
}

type guardTCountingReader struct {
	storage.Reader
	reads *atomic.Int64
}

func (r guardTCountingReader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	return guardTCountingCursor{r.Reader.Scan(ks, from, to, reverse), r.reads}
}

type guardTCountingCursor struct {
	storage.Cursor
	reads *atomic.Int64
}

func (c guardTCountingCursor) Next() (key, value []byte, ok bool) {
	c.reads.Add(1)
	return c.Cursor.Next()
}

// TestGuardHopeless: what no rule can grant is refused before entries are read.
func TestGuardHopeless(t *testing.T) {
	var reads atomic.Int64
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, guardTCounting{memory.New(), &reads}, nil))
	checked(t, db)
	const n = 3000
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	const readable = `{"type":["select","count","insert"],"allow":"all"}`
	calls := map[string]func(bob *siftdb.DataSource, version int64) error{
		"replace with": func(bob *siftdb.DataSource, _ int64) error {
			_, err := bob.ReplaceWith(ctx, raws(`{"n":1}`))
			return err
		},
		"import": func(bob *siftdb.DataSource, _ int64) error {
			_, err := bob.Import(ctx, strings.NewReader("n\n1\n"), siftdb.ImportOptions{})
			return err
		},
		"commit": func(bob *siftdb.DataSource, _ int64) error {
			_, err := bob.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 1}}}})
			return err
		},
		"commit delete": func(bob *siftdb.DataSource, _ int64) error {
			_, err := bob.Commit(ctx, siftdb.Commit{Delete: []int64{1, 2}})
			return err
		},
		"query delete": func(bob *siftdb.DataSource, _ int64) error {
			_, err := bob.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`})
			return err
		},
		"restore": func(bob *siftdb.DataSource, version int64) error { _, err := bob.Restore(ctx, version); return err },
	}
	for _, rules := range []string{`[` + readable + `]`, `[` + readable + `,{"type":"delete","allow":{"user":{"Name":{"equals":"ann"}}}}]`, `[` + readable + `,{"script":"x","enabled":false}]`,
		`[` + readable + `,{"type":"delete","allow":"all","require":[{"n":{"equals":"{{user.None}}"}}]}]`} {
		ds := guardTSource(t, db, "t", rules, `{}`, rows...)
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"m": 1}}))
		version := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{Limit: new(1)}))[0].ID
		for name, call := range calls {
			reads.Store(0)
			guardTRefused(t, name+" under "+rules, call(ds.As(guardTUser(siftdb.M{"Name": "bob"})), version))
			if got := reads.Load(); got > n/10 {
				t.Errorf("%s under %s is refused after %d reads", name, rules, got)
			}
		}
	}
	// With nothing to delete, nobody has to grant it.
	empty := guardTSource(t, db, "empty", `[`+readable+`]`, `{}`).As(guardTUser(siftdb.M{}))
	must[siftdb.BulkResult](t)(empty.ReplaceWith(ctx, raws(`{"n":1}`)))
	_, err := empty.ReplaceWith(ctx, nil)
	guardTRefused(t, "a second replace", err)
	limited := guardTSource(t, db, "limited", `[{"type":["select","insert","update"],"allow":"all"},{"type":"delete","allow":"all","exclude":["x"]}]`, `{}`, `{"n":1}`)
	version := must[*siftdb.Entry](t)(limited.Insert(ctx, siftdb.M{"n": 2})).Changed
	_, err = limited.As(guardTUser(siftdb.M{})).Restore(ctx, version)
	guardTRefused(t, "a restore by a limited rule", err)
}

// guardTBusy makes a data source under a script that grants all but deleting what is
// locked, and calls write each time that it is asked about a deletion.
func guardTBusy(t testing.TB, write func(ds *siftdb.DataSource, asked int)) (ds, bob *siftdb.DataSource, asked *int) {
	asked = new(int)
	ds, bob = guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type != security.Delete {
			return guardTGrant, nil
		}
		*asked++
		write(ds, *asked)
		for _, q := range c.Query {
			if q.Field("Locked").Bool() {
				return "", nil
			}
		}
		return guardTGrant, nil
	}, `[{"type":["select","insert","update"],"allow":"all"},{"script":"x"}]`, `{}`, `{"n":1}`, `{"n":2}`, `{"n":3}`)
	return ds, bob, asked
}

// TestGuardDeletionsConfirmed: deletions are confirmed on the entries that were judged, and
// on nothing else.
func TestGuardDeletionsConfirmed(t *testing.T) {
	touch := func(id int64) func(ds *siftdb.DataSource, asked int) {
		return func(ds *siftdb.DataSource, asked int) {
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"n": -asked}))
		}
	}
	lock := func(id int64) func(ds *siftdb.DataSource, asked int) {
		return func(ds *siftdb.DataSource, asked int) {
			if asked == 1 {
				must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"Locked": true}))
			}
		}
	}
	insert := func(ds *siftdb.DataSource, _ int) { must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 9})) }
	once := func(ds *siftdb.DataSource, asked int) {
		if asked == 1 {
			insert(ds, asked)
		}
	}
	named := func(bob *siftdb.DataSource) error {
		_, err := bob.Commit(ctx, siftdb.Commit{Delete: []int64{1, 77}})
		return err
	}
	rest := func(bob *siftdb.DataSource) error {
		_, err := bob.Commit(ctx, siftdb.Commit{Extend: true, Entries: []siftdb.CommitEntry{{ID: 2, Data: siftdb.M{"kept": true}}}})
		return err
	}
	whole := func(bob *siftdb.DataSource) error { _, err := bob.ReplaceWith(ctx, raws(`{"n":5}`)); return err }
	query := func(bob *siftdb.DataSource) error {
		_, err := bob.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":1}`})
		return err
	}
	for name, c := range map[string]struct {
		write func(ds *siftdb.DataSource, asked int)
		call  func(bob *siftdb.DataSource) error
		code  string // of the error
		asked int
		left  int64
	}{
		"named, another is busy":       {touch(3), named, "", 1, 2},
		"named, others come":           {insert, named, "", 1, 3},
		"named, it is busy":            {touch(1), named, "conflict", 3, 3},
		"named, it is locked":          {lock(1), named, "access_denied", 2, 3},
		"the rest, what stays is busy": {touch(2), rest, "", 1, 1},
		"the rest, it is busy":         {touch(3), rest, "conflict", 3, 3},
		"the rest, it is locked":       {lock(3), rest, "access_denied", 2, 3},
		"the rest, one comes":          {once, rest, "", 2, 1},
		"the rest, others come":        {insert, rest, "conflict", 3, 6},
		"all, one comes":               {once, whole, "", 2, 1},
		"all, one is locked":           {lock(2), whole, "access_denied", 2, 3},
		"all, others come":             {insert, whole, "conflict", 3, 6},
		"by a query, another is busy":  {touch(3), query, "", 1, 2},
		"by a query, it is locked":     {lock(1), query, "access_denied", 2, 3},
	} {
		ds, bob, asked := guardTBusy(t, c.write)
		got := ""
		if err := c.call(bob); err != nil {
			got = guardTCode(err)
		}
		if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); got != c.code || *asked != c.asked || n != c.left {
			t.Errorf("%s: %q after %d scripts, %d entries are left; want %q, %d, %d", name, got, *asked, n, c.code, c.asked, c.left)
		}
	}
}

// TestGuardDeleteHooks: hooks run on the where of a delete query also under scripts, and
// these are asked about what then goes.
func TestGuardDeleteHooks(t *testing.T) {
	var judged []string
	ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		for _, q := range c.Query {
			judged = append(judged, q.String())
		}
		return guardTGrant, nil
	}, guardTByScript, `{}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeSave","beforeQuery"],"payload":{"email":["lower"]}}]`)}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"email":"A@X"}`, `{"email":"B@X"}`)))
	r := must[*siftdb.Result](t)(bob.Query(ctx, siftdb.Query{Type: "delete", Where: `{"email":"A@X"}`}))
	if *r.DeletedCount != 1 || strings.Join(judged, " ") != `{"email":"a@x"}` {
		t.Errorf("%d entries are deleted, the script saw %v", *r.DeletedCount, judged)
	}
}
