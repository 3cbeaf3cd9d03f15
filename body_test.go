package siftdb_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestBodiesRoundTrip writes queries and commits as bodies and reads them back.
func TestBodiesRoundTrip(t *testing.T) {
	queries := []string{`{}`, `{"where":{}}`, `{"type":"delete","where":{"a":{"$gt":1.10}},"limit":3}`,
		`{"where":{"b":1,"a":[{"x":null}]},"attributes":["a","data.b"],"distinct":true,"order":[["a","ASC"],["b","DESC"]],"limit":0,"offset":2,"includePagination":true}`,
		`{"attributes":[],"countOnly":true}`}
	for _, body := range queries {
		got := must[[]byte](t)(json.Marshal(must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))))
		if string(got) != body {
			t.Errorf("%s comes back as %s", body, got)
		}
	}
	for _, where := range []any{siftdb.M{"a": 1}, siftdb.D{{Key: "a", Value: 1}}, `{"a":1}`, []byte(`{"a":1}`), json.RawMessage(`{"a":1}`)} {
		if got := must[[]byte](t)(json.Marshal(siftdb.Query{Where: where})); string(got) != `{"where":{"a":1}}` {
			t.Errorf("%T comes out as %s", where, got)
		}
	}
	commits := []string{`{"entries":[],"returnEntries":true}`,
		`{"entries":[{"id":4,"data":{"a":1.10},"order":2.50},{"data":{},"clientId":"k"}],"append":false,"delete":[],"extend":true,"columns":["a"],"returnEntries":false,"source":"form"}`}
	for _, body := range commits {
		got := must[[]byte](t)(json.Marshal(must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(body)))))
		if diff := cmp.Diff(body, string(got)); diff != "" {
			t.Error(diff)
		}
	}
	for _, v := range []any{siftdb.Query{Where: `{"a"`}, siftdb.Query{Where: siftdb.M{"a": func() {}}}, siftdb.Commit{Entries: []siftdb.CommitEntry{{ID: 1, IfChanged: 2, Data: siftdb.M{}}}},
		siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: make(chan int)}}}} {
		if text, err := json.Marshal(v); err == nil {
			t.Errorf("%+v comes out as %s", v, text)
		}
	}
}

// TestConditionIsForOneEntry: a write that cannot test IfChanged refuses it.
func TestConditionIsForOneEntry(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"n":1}`)
	condition := siftdb.IfChanged(999)
	version := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
	writes := map[string]func() error{
		"Insert":      func() error { _, err := ds.Insert(ctx, siftdb.M{}, condition); return err },
		"Append":      func() error { _, err := ds.Append(ctx, raws(`{}`), condition); return err },
		"ReplaceWith": func() error { _, err := ds.ReplaceWith(ctx, nil, condition); return err },
		"Commit": func() error {
			_, err := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}}, condition)
			return err
		},
		"UpdateWhere": func() error {
			_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"n": 2}}, condition)
			return err
		},
		"Query": func() error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`}, condition)
			return err
		},
		"Restore": func() error { _, err := ds.Restore(ctx, version, condition); return err },
		"Create":  func() error { _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x"}, condition); return err },
	}
	for name, write := range writes {
		if err := write(); !isInvalid(err) {
			t.Errorf("%s with a condition gives %v", name, err)
		}
	}
	if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"n":1}`}) {
		t.Errorf("refused writes changed the table: %v", got)
	}
}

// TestCommitAllKeepsLabels: each data source's version has the label of its part.
func TestCommitAllKeepsLabels(t *testing.T) {
	db := memoryDB(t, nil)
	a, b := table(t, db, "a"), table(t, db, "b")
	insert := []siftdb.CommitEntry{{Data: siftdb.M{"n": 1}}}
	must[[]*siftdb.CommitResult](t)(db.CommitAll(ctx, []siftdb.SourceCommit{
		{DataSource: a, Commit: siftdb.Commit{Entries: insert, Source: "form"}}, {DataSource: b, Commit: siftdb.Commit{Entries: insert}}},
		siftdb.WithSource("all"), siftdb.ByUser(siftdb.User{ID: 7, FirstName: "Ann", LastName: "Lee"})))
	va := must[[]siftdb.Version](t)(a.Versions(ctx, siftdb.Page{}))[0]
	vb := must[[]siftdb.Version](t)(b.Versions(ctx, siftdb.Page{}))[0]
	if va.Source != "form" || vb.Source != "all" || va.User == nil || va.User.FullName != "Ann Lee" {
		t.Errorf("labels %q and %q, user %+v", va.Source, vb.Source, va.User)
	}
}
