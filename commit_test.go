package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestCommitTruthTable is the table of spec 8.4.
func TestCommitTruthTable(t *testing.T) {
	yes, no := new(true), new(false)
	tests := []struct {
		append *bool
		extend bool
		delete string // "", "2", "none" or "777"
		want   string
	}{
		{yes, true, "", `{"a":1,"b":9} {"a":2} {"a":3} {"a":4}`},
		{yes, false, "", `{"b":9} {"a":2} {"a":3} {"a":4}`},
		{yes, true, "2", `{"a":1,"b":9} {"a":3} {"a":4}`},
		{no, true, "", `{"a":1,"b":9} {"a":4}`},
		{nil, true, "", `{"a":1,"b":9} {"a":4}`},
		{no, false, "", `{"b":9} {"a":4}`},
		{nil, false, "", `{"b":9} {"a":4}`},
		{nil, true, "2", `{"a":1,"b":9} {"a":3} {"a":4}`},
		{nil, true, "none", `{"a":1,"b":9} {"a":2} {"a":3} {"a":4}`},
		{no, true, "2", `{"a":1,"b":9} {"a":4}`},
		{yes, true, "777", `{"a":1,"b":9} {"a":2} {"a":3} {"a":4}`},
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for i, test := range tests {
			ds := table(t, db, fmt.Sprint("table ", i), `{"a":1,"b":1}`, `{"a":2}`, `{"a":3}`)
			ids := entryIDs(t, ds)
			c := siftdb.Commit{Append: test.append, Extend: test.extend, Entries: []siftdb.CommitEntry{
				{ID: ids[0], Data: json.RawMessage(`{"b":9}`)}, {Data: json.RawMessage(`{"a":4}`), ClientID: "c1"}}}
			switch test.delete {
			case "2":
				c.Delete = []int64{ids[1]}
			case "none":
				c.Delete = []int64{}
			case "777":
				c.Delete = []int64{777777}
			}
			result := must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
			if got := strings.Join(texts(all(t, ds)), " "); got != test.want {
				t.Errorf("row %d: got %s, want %s", i, got, test.want)
			}
			body, _ := json.Marshal(result)
			if want := fmt.Sprintf(`{"clientIds":[{"clientId":"c1","id":%d}]}`, result.Inserted[0]); string(body) != want {
				t.Errorf("row %d: body %s, want %s", i, body, want)
			}
			before := texts(all(t, ds))
			c.Entries = append(c.Entries, siftdb.CommitEntry{ID: 777777, Data: siftdb.M{}})
			if _, err := ds.Commit(ctx, c); !errors.Is(err, siftdb.ErrInvalidInput) || !strings.Contains(err.Error(), "777777") {
				t.Errorf("row %d: an unknown id gives %v", i, err)
			}
			if diff := cmp.Diff(before, texts(all(t, ds))); diff != "" {
				t.Errorf("row %d: a failed commit changed something: %s", i, diff)
			}
		}
	})
}

func all(t testing.TB, ds *siftdb.DataSource) []*siftdb.Entry {
	t.Helper()
	return must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{}))
}

func entryIDs(t testing.TB, ds *siftdb.DataSource) (ids []int64) {
	t.Helper()
	for _, e := range all(t, ds) {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestParseCommit(t *testing.T) {
	c := must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(`{"entries":[{"id":"12","data":{"a":1.10},"order":2.50,"createdAt":"x"},
		{"id":null,"data":{},"clientId":"k"}],"append":true,"delete":[4,"5"],"extend":true,"runHooks":["insert"],
		"columns":["a"],"source":"form","other":1}`)))
	if c.Entries[0].ID != 12 || c.Entries[1].ID != 0 || c.Entries[1].ClientID != "k" || !*c.Append || !c.Extend || !c.ReturnEntries ||
		!cmp.Equal(c.Delete, []int64{4, 5}) || !cmp.Equal(c.Columns, []string{"a"}) || c.Source != "form" {
		t.Errorf("got %+v", c)
	}
	for _, body := range []string{``, `[]`, `{}`, `{"entries":null}`, `{"entries":{}}`, `{"entries":[1]}`, `{"entries":[{}]}`,
		`{"entries":[{"data":[]}]}`, `{"entries":[{"data":{},"id":"x"}]}`, `{"entries":[{"data":{},"id":1.5}]}`, `{"entries":[{"data":{},"id":-1}]}`,
		`{"entries":[],"append":1}`, `{"entries":[],"append":"true"}`, `{"entries":[],"delete":4}`, `{"entries":[],"delete":["x"]}`,
		`{"entries":[],"columns":"a"}`, `{"entries":[],"columns":[1]}`, `{"entries":[],"extend":"no"}`, `{"entries":[],"source":1}`,
		`{"entries":[],"runHooks":"insert"}`, `{"entries":[],"returnEntries":0}`, `{"entries":[]`} {
		if _, err := siftdb.ParseCommit([]byte(body)); !errors.Is(err, siftdb.ErrInvalidInput) {
			t.Errorf("%s gives %v", body, err)
		}
		if _, err := siftdb.ReadCommit(strings.NewReader(body), nil); !errors.Is(err, siftdb.ErrInvalidInput) && err != io.ErrUnexpectedEOF {
			t.Errorf("%s, read, gives %v", body, err)
		}
	}
}

// TestReadCommit: what a fallback says counts where the body says nothing, not even null.
func TestReadCommit(t *testing.T) {
	const body = `{"columns":["a"],"entries":[{"data":{"a":1.10}},{"id":"7","data":{},"order":2.0}],"source":null,"append":true}`
	c := must[siftdb.Commit](t)(siftdb.ReadCommit(iotest.OneByteReader(strings.NewReader(body)), json.RawMessage(`{"append":false,"source":"form","extend":true,"returnEntries":false}`)))
	want := `{"entries":[{"data":{"a":1.10}},{"id":7,"data":{},"order":2.0}],"append":true,"extend":true,"columns":["a"],"returnEntries":false}`
	if got := asJSON(t, c); got != want {
		t.Errorf("read %s", got)
	}
	if c := must[siftdb.Commit](t)(siftdb.ReadCommit(strings.NewReader(`{"entries":[]}`), nil)); c.Entries == nil || !c.ReturnEntries {
		t.Errorf("read %+v", c)
	}
	if _, err := siftdb.ReadCommit(strings.NewReader(body), json.RawMessage(`{"returnEntries":5}`)); !isInvalid(err) {
		t.Errorf("a fallback that is wrong: %v", err)
	}
	for n := range len(body) - 1 {
		if _, err := siftdb.ReadCommit(strings.NewReader(body[:n]), nil); err == nil {
			t.Errorf("cut after %d bytes it is read", n)
		}
	}
	dead := errors.New("the line is dead")
	if _, err := siftdb.ReadCommit(io.MultiReader(strings.NewReader(body[:50]), iotest.ErrReader(dead)), nil); err != dead {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := siftdb.ReadCommit(strings.NewReader(`{"entries":[{"data":{}},{"data":{"a":tru}}]}`), nil); !isInvalid(err) || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("a bad entry: %v", err)
	}
}

func TestCommitOrderAndDigits(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "ordered", `{"n":1}`, `{"n":2}`, `{"n":3}`)
		ids := entryIDs(t, ds)
		c := must[siftdb.Commit](t)(siftdb.ParseCommit(fmt.Appendf(nil, `{"append":true,"extend":true,"entries":[
			{"id":%d,"data":{},"order":1.50},{"id":%d,"data":{},"order":-1e0}]}`, ids[0], ids[2])))
		result := must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
		if got := strings.Join(texts(result.Entries), ""); got != `{"n":3}{"n":2}{"n":1}` {
			t.Errorf("order is %s", got)
		}
		body, _ := json.Marshal(result.Entries[2])
		if !strings.Contains(string(body), `"order":1.50,`) {
			t.Errorf("the order lost its digits: %s", body)
		}
		var shape map[string]any
		if err := json.Unmarshal(body, &shape); err != nil || len(shape) != 7 {
			t.Errorf("an entry has %d keys: %s %v", len(shape), body, err)
		}
		if _, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{}, Order: "x"}}}); !isInvalid(err) {
			t.Errorf("an order that is no number gives %v", err)
		}
	})
}

func TestCommitAll(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		a, b, idle := table(t, db, "a", `{"n":1}`), table(t, db, "b", `{"n":1}`), table(t, db, "idle")
		insert := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 2}}}}
		results := must[[]*siftdb.CommitResult](t)(db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: a, Commit: insert}, {DataSource: b, Commit: insert},
			{DataSource: idle, Commit: siftdb.Commit{Entries: []siftdb.CommitEntry{}}}}))
		if results[0].Version == 0 || results[0].Version != results[1].Version || results[2].Version != 0 {
			t.Errorf("versions %d, %d, %d", results[0].Version, results[1].Version, results[2].Version)
		}
		bad := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: 777777, Data: siftdb.M{}}}}
		if _, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: a, Commit: insert}, {DataSource: b, Commit: bad}}); !isInvalid(err) {
			t.Errorf("a bad member gives %v", err)
		}
		if n := len(all(t, a)); n != 2 {
			t.Errorf("a failed commit left %d entries in another data source", n)
		}
		if _, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: a, Commit: insert}, {DataSource: a, Commit: insert}}); !isInvalid(err) {
			t.Errorf("one data source named twice gives %v", err)
		}
		if _, err := db.CommitAll(ctx, nil); err != nil {
			t.Errorf("no commits give %v", err)
		}
	})
}

func TestIfChanged(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "cas", `{"n":1}`)
		e := all(t, ds)[0]
		newer := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": 2}, siftdb.IfChanged(e.Changed)))
		if newer.Changed <= e.Changed {
			t.Fatalf("changed went from %d to %d", e.Changed, newer.Changed)
		}
		versions := len(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{})))
		_, err := ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": 3}, siftdb.IfChanged(e.Changed))
		err2 := ds.Remove(ctx, e.ID, siftdb.IfChanged(e.Changed))
		_, err3 := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{}}, {ID: e.ID, IfChanged: e.Changed, Data: siftdb.M{}}}})
		for _, err := range []error{err, err2, err3} {
			var detail *siftdb.Error
			if !errors.Is(err, siftdb.ErrConflict) || !errors.As(err, &detail) || detail.EntryID != e.ID {
				t.Errorf("a stale condition gives %v", err)
			}
		}
		if got := texts(all(t, ds)); !cmp.Equal(got, []string{`{"n":2}`}) {
			t.Errorf("conflicts changed the entry: %v", got)
		}
		if n := len(must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))); n != versions {
			t.Errorf("conflicts left %d versions", n-versions)
		}
		if err := ds.Remove(ctx, e.ID, siftdb.IfChanged(newer.Changed)); err != nil {
			t.Error(err)
		}
	})
}
