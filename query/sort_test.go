package query

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

func TestParseOrder(t *testing.T) {
	asc, desc := SortKey{"a", false}, SortKey{"a", true}
	for _, c := range []struct {
		in   any
		want Order
	}{
		{nil, nil}, {json.RawMessage(`null`), nil}, {[]any(nil), nil}, {"a", Order{asc}}, {`"a"`, Order{asc}}, {`[]`, Order{}}, {`["a"]`, Order{asc}},
		{`[["a","DESC"]]`, Order{desc}}, {`["a","desc"]`, Order{desc}}, {`["a","Asc"]`, Order{asc}}, {`["a","b"]`, Order{asc, {"b", false}}},
		{`[["a"],["b",null],"c"]`, Order{asc, {"b", false}, {"c", false}}}, {[]byte(`[["a","dEsC"],["data.b","ASC"]]`), Order{desc, {"data.b", false}}},
		{[][2]string{{"a", "DESC"}}, Order{desc}}, {[][]string{{"a", "DESC"}, {"b"}}, Order{desc, {"b", false}}}, {[]string{"a", "DESC"}, Order{desc}},
		{[]any{[]any{"a", "DESC"}, "b"}, Order{desc, {"b", false}}}, {Order{desc}, Order{desc}}, {[]SortKey{desc}, Order{desc}},
		{`["DESC","ASC"]`, Order{{"DESC", false}}},
	} {
		got, err := ParseOrder(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: got %v %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []any{`[["a","up"]]`, `[5]`, `[[5]]`, `[["a","ASC","x"]]`, `[["a",5]]`, `[[]]`, 5, `[`, json.RawMessage(`{"a":1}`), M{"a": "ASC"}, `[["a",""]]`, true} {
		if got, err := ParseOrder(in); err == nil {
			t.Errorf("%v: got %v, want an error", in, got)
		}
	}
}

func TestOrderKeys(t *testing.T) {
	docs := []string{`{"v":1}`, `{"v":2}`, `{"v":"a"}`, `{"v":"B"}`, `{"v":{"k":1}}`, `{"v":[1]}`, `{"v":[{"k":3}]}`, `{"v":true}`, `{"v":null}`, `{}`, `{"v":"10"}`}
	sorted := func(order string, columns ...string) string {
		o, err := ParseOrder(order)
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			key  []byte
			text string
		}
		var rows []row
		for i, doc := range docs {
			r := record(t, doc)
			r.ID = int64(i)
			b := o.Bind(Schema{Columns: func(s string) bool { return slices.Contains(columns, s) }, Names: r.Data.Names()})
			rows = append(rows, row{b.AppendKey(nil, r), doc})
		}
		slices.SortStableFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
		var out []string
		for _, r := range rows {
			out = append(out, strings.TrimSuffix(strings.TrimPrefix(r.text, `{"v":`), "}"))
		}
		return strings.Join(out, " ")
	}
	if got, want := sorted(`v`), `1 2 "10" "a" "B" {"k":1} [1] [{"k":3}] true null {`; got != want {
		t.Errorf("ascending: %s, want %s", got, want)
	}
	if got, want := sorted(`["v","DESC"]`), `null { true [{"k":3}] [1] {"k":1} "B" "a" "10" 2 1`; got != want {
		t.Errorf("descending: %s, want %s", got, want)
	}
	if got := sorted(`["id","DESC"]`); !strings.HasPrefix(got, `"10" { null true`) {
		t.Errorf("by id: %s", got)
	}
	if got := sorted(`data.v`); got != sorted(`v`) {
		t.Errorf("with data.: %s", got)
	}
	if got := sorted(`["v.k","DESC"]`); !strings.HasSuffix(got, `[{"k":3}] {"k":1}`) {
		t.Errorf("by a path: %s", got)
	}

	// An entry field wins over a column of its name, and data. reaches the column.
	r := record(t, `{"id":"x","createdAt":5}`)
	s := Schema{Columns: columns("id", "createdAt"), Names: r.Data.Names()}
	for name, want := range map[string]document.Value{
		"id": document.Of(7), "data.id": document.Of("x"), "dataSourceId": document.Of(300), "order": document.Of(2), "deletedAt": {},
		"createdAt": document.Of("2020-01-02T03:04:05.006Z"), "updatedAt": document.Of("2021-12-31T23:59:59.999Z"), "data.createdAt": document.Of(5),
	} {
		got := Order{{Name: name}}.Bind(s).AppendKey(nil, r)
		if !bytes.Equal(got, document.AppendKey(nil, want)) {
			t.Errorf("%s: wrong key", name)
		}
	}
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct {
		in    any
		names []string
		ok    bool
	}{
		{nil, nil, false}, {"", nil, false}, {"a", []string{"a"}, true}, {"a, b ,,data.c", []string{"a", "b", "data.c"}, true}, {[]string{}, []string{}, true},
		{[]string{"a,b"}, []string{"a,b"}, true}, {[]any{"a"}, []string{"a"}, true}, {json.RawMessage(`["a","b"]`), []string{"a", "b"}, true},
		{json.RawMessage(`"a,b"`), []string{"a", "b"}, true}, {json.RawMessage(`null`), nil, false}, {[]string(nil), nil, false}, {json.RawMessage(`[]`), []string{}, true},
	} {
		names, ok, err := ParseAttributes(c.in)
		if err != nil || ok != c.ok || !reflect.DeepEqual(names, c.names) {
			t.Errorf("%v: got %q %v %v, want %q %v", c.in, names, ok, err, c.names, c.ok)
		}
	}
	for _, in := range []any{5, []any{5}, M{}, json.RawMessage(`[`), json.RawMessage(`[null]`), true} {
		if names, _, err := ParseAttributes(in); err == nil {
			t.Errorf("%v: got %q, want an error", in, names)
		}
	}
}

func TestProjection(t *testing.T) {
	text := `{"a":{"b":1,"c":{"d":2,"e":3}},"x":5,"a.b":"whole","id":"i","list":[{"n":1,"m":2},{"m":3},5,[{"n":4,"m":5}]],"none":null}`
	all := []string{"a", "x", "a.b", "id", "list", "none"}
	for _, c := range []struct {
		names   []string
		columns []string
		want    string
	}{
		{nil, all, `{}`}, {[]string{"x"}, all, `{"x":5}`}, {[]string{"data.x", "unknown"}, all, `{"x":5}`}, {[]string{"id"}, all, `{"id":"i"}`},
		{[]string{"none", "x"}, all, `{"x":5,"none":null}`}, {[]string{"a.b"}, all, `{"a.b":"whole"}`}, {[]string{"a.b"}, nil, `{"a":{"b":1}}`},
		{[]string{"data.a.c.e", "x"}, nil, `{"a":{"c":{"e":3}},"x":5}`}, {[]string{"a.c", "a.b"}, nil, `{"a":{"b":1,"c":{"d":2,"e":3}}}`},
		{[]string{"a", "a.c.d"}, nil, `{"a":{"b":1,"c":{"d":2,"e":3}}}`}, {[]string{"list.n"}, nil, `{"list":[{"n":1},{},[{"n":4}]]}`},
		{[]string{"a.zz"}, nil, `{}`}, {[]string{"x.y"}, nil, `{}`}, {[]string{"data"}, nil, text}, {[]string{"x", "x"}, all, `{"x":5}`},
		{[]string{"a.b.c"}, nil, `{}`}, {[]string{"none.a"}, nil, `{}`},
	} {
		doc := storedDocument(t, []byte(text))
		b := NewProjection(c.names).Bind(Schema{Columns: columns(c.columns...), Names: doc.Names()})
		got := b.AppendTo([]byte("before"), doc)
		if string(got[:6]) != "before" {
			t.Fatalf("%q: what was in dst is gone", c.names)
		}
		if text := string(document.AppendJSON(nil, document.Stored(got[6:], doc.Names()))); text != c.want {
			t.Errorf("%q: got %s, want %s", c.names, text, c.want)
		}
		var decoded any
		if err := json.Unmarshal([]byte(text), &decoded); err != nil {
			t.Fatal(err)
		}
		got = b.AppendTo(nil, document.Of(decoded))
		var want any
		_ = json.Unmarshal([]byte(c.want), &want)
		if !document.Equal(document.Stored(got, doc.Names()), document.Of(want)) {
			t.Errorf("%q, decoded: got %s", c.names, document.AppendJSON(nil, document.Stored(got, doc.Names())))
		}
	}
}
