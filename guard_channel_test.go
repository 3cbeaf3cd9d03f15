package siftdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// The leak channels of reliability G that the table of guard_leak_test.go does not have are
// here, in guard_cache_test.go (13, 21), and in guard_oracle_test.go (8, 14, 16, 20). Of some
// the library has nothing: of 13 ETag and 304, of 14 compression, of 17 HEAD and ranges, of
// 20 the console and of 22 debug endpoints are of REST or of the host; there is no search or
// suggest (18), and the library writes no logs, traces or metrics (22): what scripts and
// deliveries report goes to the host alone. How long a read takes (15) depends on what is
// hidden, as SECURITY.md says of what is not secret; what must not be read at all before a
// denial is counted by TestGuardHopeless.

// TestGuardSchema: nothing tells of rules, hooks, views and hidden columns but to admins
// (channel 16).
func TestGuardSchema(t *testing.T) {
	const rules = `[{"type":["select","count","insert"],"allow":"loggedIn","exclude":["s3cret"]},{"type":"update","allow":{"user":{"Role":{"equals":"s3cret"}}}}]`
	db := memoryDB(t, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})
	ds := guardTSource(t, db, "t", rules, `{"views":[{"name":"v","filter":{"s3cret":1}},{"name":"bad","filter":{"s3cret":{"$s3cret":1}}}]}`, `{"A":1,"s3cret":1}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"sms","runOn":["insert"],"payload":{"to":"s3cret","body":"x"}}]`)}))
	last := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"A": 2, "s3cret": 2})).Changed
	for name, c := range map[string]struct {
		told bool // to admins
		run  func(db *siftdb.DB, ds *siftdb.DataSource) (any, error)
	}{
		"info":     {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) { return ds.Info(ctx) }},
		"old info": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) { return ds.At(last).Info(ctx) }},
		"list": {true, func(db *siftdb.DB, _ *siftdb.DataSource) (any, error) {
			return db.DataSources(ctx, siftdb.ListOptions{})
		}},
		"versions": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) { return ds.Versions(ctx, siftdb.Page{}) }},
		"a set of changes": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return guardTFirst(ds.Changes(ctx, last-1))
		}},
		"columns of documents": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return ds.Aggregate(ctx, `[{"$project":{"x":{"$map":{"input":{"$objectToArray":"$data"},"as":"p","in":"$$p.k"}}}}]`, siftdb.Query{})
		}},
		"explain": {false, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			p, err := ds.Explain(ctx, siftdb.Query{Views: []string{"v"}})
			return fmt.Sprint(p), err
		}},
		"a bad view": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return ds.Find(ctx, siftdb.Query{Views: []string{"bad"}})
		}},
		"no such view": {false, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return ds.Find(ctx, siftdb.Query{Views: []string{"none"}})
		}},
		"a denial": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return ds.UpdateEntry(ctx, 1, siftdb.M{"A": 3})
		}},
		"a change of the description": {true, func(_ *siftdb.DB, ds *siftdb.DataSource) (any, error) {
			return ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("x")})
		}},
		"deliveries": {true, func(db *siftdb.DB, _ *siftdb.DataSource) (any, error) {
			return guardTFirst(db.Deliveries(ctx, siftdb.DeliveryFilter{}))
		}},
	} {
		tells := func(p *security.Principal) string {
			v, err := c.run(db.As(p), ds.As(p))
			text, _ := json.Marshal(v)
			return string(text) + guardTError(err)
		}
		if got := tells(guardTUser(siftdb.M{"Name": "bob"})); strings.Contains(got, "s3cret") || got == "" {
			t.Errorf("%s tells bob %s", name, got)
		}
		if got := tells(&security.Principal{Admin: true}); strings.Contains(got, "s3cret") != c.told {
			t.Errorf("%s tells an admin %s", name, got)
		}
	}
}

// TestGuardFiles: of a file in a hidden column nobody is told more than of another one, or
// of none (channel 17). What files are called, how long they are and what is in them is
// not told by those that may be read.
func TestGuardFiles(t *testing.T) {
	build := func(name, content string) (*siftdb.DB, int64) {
		db := memoryDB(t, &siftdb.Options{Media: media.Memory()})
		ds := fileTable(t, db, `[{"type":["select","insert","update"],"allow":"all","exclude":["f"]}]`)
		e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(textPart("n", "1"), filePart("f", name, content))))
		return db, fileID(t, e, "f")
	}
	for name, run := range map[string]func(db *siftdb.DB, ds *siftdb.DataSource, id int64) (any, error){
		"get": func(db *siftdb.DB, _ *siftdb.DataSource, id int64) (any, error) { return db.Files().Get(ctx, id) },
		"open": func(db *siftdb.DB, _ *siftdb.DataSource, id int64) (any, error) {
			return guardTOpenFile(db.Files(), id)
		},
		"list": func(db *siftdb.DB, _ *siftdb.DataSource, _ int64) (any, error) {
			return db.Files().List(ctx, siftdb.FileQuery{})
		},
		"entry": func(_ *siftdb.DB, ds *siftdb.DataSource, _ int64) (any, error) { return guardTSees(ds, `{}`), nil },
		"by url": func(_ *siftdb.DB, ds *siftdb.DataSource, _ int64) (any, error) {
			return guardTSees(ds, `{"f":{"$like":"%s3cret%"}}`), nil
		},
		"by id": func(_ *siftdb.DB, ds *siftdb.DataSource, id int64) (any, error) {
			return guardTSees(ds, fmt.Sprintf(`{"fMediaFileId":%d}`, id)), nil
		},
		"unique": func(_ *siftdb.DB, ds *siftdb.DataSource, _ int64) (any, error) { return guardTUniques(ds, "f"), nil },
		"order": func(_ *siftdb.DB, ds *siftdb.DataSource, _ int64) (any, error) {
			return ds.Aggregate(ctx, `[{"$group":{"_id":"$data.f","n":{"$sum":"$data.fMediaFileId"}}}]`, siftdb.Query{})
		},
		"columns": func(_ *siftdb.DB, ds *siftdb.DataSource, _ int64) (any, error) {
			i, err := ds.Info(ctx)
			return i.Columns, err
		},
		"delete": func(db *siftdb.DB, _ *siftdb.DataSource, id int64) (any, error) {
			return nil, db.Files().Delete(ctx, id)
		},
	} {
		tells := func(who *security.Principal, file, content string) string {
			db, id := build(file, content)
			as := db.As(who)
			v, err := run(as, must[*siftdb.DataSource](t)(as.DataSourceByName(ctx, "T", siftdb.Scope{})), id)
			text, _ := json.Marshal(v)
			return string(text) + guardTError(err)
		}
		long := strings.Repeat("s3cret", 1000)
		a, b := tells(userToken("bob"), "s3cret.txt", long), tells(userToken("bob"), "b.pdf", "")
		if a != b || strings.Contains(a, "s3cret") || strings.Contains(a, "MediaFileId") {
			t.Errorf("%s: of one file it tells %s\nof another %s", name, a, b)
		}
		if all := tells(nil, "s3cret.txt", long); all == a {
			t.Errorf("%s proves nothing: trusted code, too, is told %s", name, all)
		}
	}
	// The same bytes, sent once more, are not told to be there.
	db, id := build("a.txt", "s3cret")
	files := db.As(userToken("bob")).Files()
	again := must[siftdb.FileInfo](t)(files.Upload(ctx, siftdb.FileUpload{Name: "a.txt", Content: strings.NewReader("s3cret")}))
	other := must[siftdb.FileInfo](t)(files.Upload(ctx, siftdb.FileUpload{Name: "a.txt", Content: strings.NewReader("another")}))
	if kept := must[siftdb.FileInfo](t)(db.Files().Get(ctx, id)); again.ID == id || again.Path == kept.Path || other.Path == again.Path {
		t.Errorf("uploads of what is there and of what is not give %+v and %+v", again, other)
	}
}

// TestGuardImports: writes of many rows tell nothing of what is hidden (channels 10 and 19).
func TestGuardImports(t *testing.T) {
	written := func(v guardTView, r siftdb.BulkResult, err error) string {
		text := guardTError(err) + fmt.Sprint(r.Version, r.IDs)
		return text + guardTBy(siftdb.Query{})(v)
	}
	importing := func(text string, o siftdb.ImportOptions) func(v guardTView) string {
		return func(v guardTView) string {
			r, err := v.people().Import(ctx, strings.NewReader(text), o)
			return guardTError(err) + fmt.Sprint(r) + guardTBy(siftdb.Query{})(v)
		}
	}
	for name, run := range (guardTCases{
		"import":                   importing("Name,Score\nnew,1\n", siftdb.ImportOptions{Append: true}),
		"import that replaces":     importing("Name,Score\nnew,1\n", siftdb.ImportOptions{}),
		"import of what is hidden": importing("Name,Salary\nann,10\n", siftdb.ImportOptions{Append: true}),
		"import of bad rows":       importing(`[{"Name":"a"},{"Salary":`, siftdb.ImportOptions{Append: true}),
		"append": func(v guardTView) string {
			r, err := v.people().Append(ctx, raws(`{"Salary":10}`, `{"Name":"x"}`))
			return written(v, r, err)
		},
		"replace": func(v guardTView) string {
			r, err := v.people().ReplaceWith(ctx, raws(`{"Salary":10}`))
			return written(v, r, err)
		},
		"a bad row": func(v guardTView) string {
			r, err := v.people().Append(ctx, raws(`{"Salary":10}`, `{"Name":`))
			return written(v, r, err)
		},
		"a stream": func(v guardTView) string {
			r, err := v.people().AppendSeq(ctx, guardTRows(siftdb.M{"Salary": 10}, 7))
			return written(v, r, err)
		},
		"a stream that replaces": func(v guardTView) string {
			r, err := v.people().ReplaceWithSeq(ctx, guardTRows(siftdb.M{"Salary": 10}))
			return written(v, r, err)
		},
		"bulk": func(v guardTView) string {
			b := v.people().Bulk()
			defer b.Close()
			err := b.Add(siftdb.M{"Salary": 10})
			r, failed := b.Append(ctx)
			return guardTError(err) + written(v, r, failed)
		},
		"bulk file": func(v guardTView) string {
			b, err := v.people().BulkFile(strings.NewReader("Salary\n10\n"), siftdb.ImportCSV)
			if err != nil {
				return guardTError(err)
			}
			r, err := b.ReplaceWith(ctx)
			return written(v, r, err)
		},
		"commit": func(v guardTView) string {
			r, err := v.people().Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, ReturnEntries: true, Entries: []siftdb.CommitEntry{{ID: 1, Data: siftdb.M{"Salary": 10}}, {Data: siftdb.M{"Salary": 10}}, {ID: 99, Data: siftdb.M{"Salary": 10}}}})
			return guardTError(err) + guardTJSON(r) + guardTBy(siftdb.Query{})(v)
		},
	}) {
		a, b := run(guardTTwin(t, false, guardTPrincipal("clerk"))), run(guardTTwin(t, true, guardTPrincipal("clerk")))
		if a != b || strings.Contains(a, "s3cret") || a == "" {
			t.Errorf("%s: of one twin it tells\n%s\nof the other\n%s", name, guardTClip(a, b), guardTClip(b, a))
		}
	}
}
