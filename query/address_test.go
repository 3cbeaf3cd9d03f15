package query

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
)

func columns(names ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(names, s) }
}

// record stores a document and gives it entry fields.
func record(t testing.TB, text string) *Record {
	t.Helper()
	return &Record{
		Data: storedDocument(t, []byte(text)), ID: 7, DataSourceID: 300, Order: document.Of(2),
		CreatedAt: time.Date(2020, 1, 2, 3, 4, 5, 6e6, time.UTC).UnixMilli(),
		UpdatedAt: time.Date(2021, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli(),
	}
}

// TestAddressing holds what a key addresses on a data source, in both dialects.
func TestAddressing(t *testing.T) {
	doc := `{"id":"x","Age":30,"Approx. cost":12,"Approx. cost.net":9,"a.b":1,"a":{"b":2,"c.d":3,"c":{"d":4}},"data":{"k":5},"createdAt":null,"tags":[{"n":1},{"n":2}]}`
	all := []string{"id", "Age", "Approx. cost", "Approx. cost.net", "a.b", "a", "data", "tags"}
	for _, c := range []struct {
		where   string
		columns []string
		want    bool
	}{
		{`{"Age":30}`, all, true}, {`{"Age":30}`, nil, true}, {`{"data.Age":30}`, all, true}, {`{"data.Age":31}`, all, false},
		{`{"id":7}`, nil, true}, {`{"id":"x"}`, nil, false}, {`{"id":7}`, all, false}, {`{"id":"x"}`, all, true},
		{`{"data.id":"x"}`, all, true}, {`{"data.id":"x"}`, nil, true}, {`{"data.id":7}`, nil, false},
		{`{"dataSourceId":300}`, nil, true}, {`{"dataSourceId":44}`, nil, false}, {`{"order":2}`, nil, true}, {`{"order":{"$gt":1}}`, nil, true},
		{`{"createdAt":"2020-01-02T03:04:05.006Z"}`, nil, true}, {`{"createdAt":null}`, all, false}, {`{"createdAt":null}`, []string{"createdAt"}, true},
		{`{"updatedAt":"2021-12-31T23:59:59.999Z"}`, nil, true}, {`{"deletedAt":null}`, nil, true}, {`{"deletedAt":{"$exists":true}}`, nil, true},
		{`{"Approx. cost":12}`, all, true}, {`{"Approx. cost":12}`, nil, false}, {`{"Approx. cost.net":9}`, all, true},
		{`{"a.b":1}`, all, true}, {`{"a.b":2}`, nil, true}, {`{"a.b":2}`, []string{"a"}, true}, {`{"data.a.b":1}`, all, true},
		{`{"a.c.d":4}`, all, true}, {`{"data.data":{"$exists":true}}`, all, true}, {`{"data.data.k":5}`, all, true},
		{`{"data":{"$exists":true}}`, all, true}, {`{"nothing":{"$exists":false}}`, all, true}, {`{"nothing.at.all":null}`, all, true},
		{`{"$and":[{"id":7},{"$or":[{"order":2},{"Age":1}]}]}`, nil, true}, {`{"$nor":[{"id":8},{"dataSourceId":1}]}`, nil, true},
		{`{"$not":{"id":7}}`, nil, false}, {`{"$not":{"$and":[{"id":7},{"Age":31}]}}`, nil, true},
		{`{"tags.n":2}`, all, true}, {`{"tags.1.n":2}`, all, true}, {`{"tags.n":3}`, all, false},
		{`{"id":{"$in":[6,7]}}`, nil, true}, {`{"id":{"$mod":[2,1]}}`, nil, true},
		{`{"$filters":[{"column":"Age","condition":">","value":29},{"column":"a.b","condition":"==","value":1}]}`, all, true},
		{`{"$filters":[{"column":"a.b","condition":"==","value":2}]}`, nil, true},
		{`{"$filters":[{"column":"id","condition":"==","value":7}]}`, nil, false}, {`{"$filters":[{"column":"id","condition":"==","value":"X"}]}`, nil, true},
		{`{"$or":[{"$filters":[{"column":"Age","condition":"==","value":1}]},{"id":7}]}`, nil, true},
		{`{"$filters":[]}`, all, true},
	} {
		for _, d := range []Dialect{Sift, Strict} {
			m, err := Compile(c.where, WithDialect(d), ForDataSource())
			if err != nil {
				t.Fatalf("%s: %v", c.where, err)
			}
			r := record(t, doc)
			for name, names := range map[string]*document.Names{"with names": r.Data.Names(), "without names": nil} {
				bound := m.Bind(Schema{Columns: columns(c.columns...), Names: names})
				if got := bound.MatchRecord(r); got != c.want {
					t.Errorf("%s, dialect %d, columns %q, %s: got %v", c.where, d, c.columns, name, got)
				}
			}
			if c.columns == nil {
				if got := m.MatchRecord(r); got != c.want {
					t.Errorf("%s, dialect %d, unbound: got %v", c.where, d, got)
				}
			}
		}
	}
}

// TestDataAlone holds that `data` addresses all columns, by whole names too.
func TestDataAlone(t *testing.T) {
	m, err := Compile(`{"data":{"id":"x","a.b":1,"$or":[{"a.b":1}]}}`, ForDataSource())
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, `{"id":"x","a.b":1}`)
	if !m.Bind(Schema{Columns: columns("id", "a.b"), Names: r.Data.Names()}).MatchRecord(r) {
		t.Error("data alone does not look up columns")
	}
	if m.MatchRecord(r) {
		t.Error("an unbound matcher knows columns")
	}
	s, _ := Compile(`{"data":{"id":"x","a.b":1}}`, ForDataSource(), WithDialect(Strict))
	if !s.MatchRecord(r) {
		t.Error("data alone is not compared as a whole in the strict dialect")
	}
}

// TestLateNames holds that a bound Matcher also reads documents of a longer dictionary.
func TestLateNames(t *testing.T) {
	m, _ := Compile(`{"b":2}`, ForDataSource())
	first := storedDocument(t, []byte(`{"a":1}`))
	bound := m.Bind(Schema{Columns: columns("a"), Names: first.Names()})
	enc := document.NewEncoder(first.Names(), document.Limits{})
	raw, err := enc.AppendJSON(nil, []byte(`{"b":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if !bound.MatchValue(document.Stored(raw, enc.Names())) {
		t.Error("a name that is new in the dictionary is not found")
	}
}

// TestDataSourceExtensions holds E4 to E6 beyond the truth table.
func TestDataSourceExtensions(t *testing.T) {
	for _, c := range []struct {
		where, doc string
		bare, data bool
	}{
		{`{"x":{"$in":"a"}}`, `{"x":"a"}`, true, true}, {`{"x":{"$nin":5}}`, `{"x":"5"}`, false, false}, {`{"x":{"$in":null}}`, `{}`, true, true},
		{`{"x":[1,2]}`, `{"x":[1,2]}`, false, true}, {`{"x":[1,[2]]}`, `{"x":[1,[2]]}`, false, true}, {`{"x":[1,2]}`, `{"x":[2,1]}`, false, false},
		{`{"x":{"$eq":[{"a":1,"b":2}]}}`, `{"x":[{"b":2,"a":1}]}`, false, true}, {`{"x":{"$not":[1,2]}}`, `{"x":[1,2]}`, true, false},
		{`{"x":{"$all":[[1,2]]}}`, `{"x":[1,2]}`, false, true}, {`{"x":{"$in":[[1,2]]}}`, `{"x":[1,2]}`, false, false},
		{`{"x":{"$ne":[1.0,"a"]}}`, `{"x":[1,"a"]}`, true, false}, {`{"x":[1,2]}`, `{"x":"1,2"}`, true, true},
	} {
		for i, want := range []bool{c.bare, c.data} {
			opts := [][]Option{nil, {ForDataSource()}}[i]
			m, err := Compile(c.where, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for form, d := range forms(t, []byte(c.doc)) {
				if got := m.Match(d); got != want {
					t.Errorf("%s on %s (%s, layer %d): got %v", c.where, c.doc, form, i, got)
				}
			}
		}
	}
}

func TestRecordFields(t *testing.T) {
	r := &Record{}
	for _, v := range []int64{0, 1, -1, 127, 128, 255, 256, -128, -129, 32767, 32768, 1 << 31, 1<<53 - 1, 1 << 53, 1<<53 + 2, math.MaxInt64, math.MinInt64} {
		r.ID = v
		got := r.field(toID)
		if got.Kind() != document.Number || got.Float() != float64(v) {
			t.Errorf("%d reads as %v", v, got.Float())
		}
		if v < 1<<53 && v > -1<<53 {
			want, _ := document.FromGo(v, document.Limits{})
			if string(want.Raw()) != string(got.Raw()) {
				t.Errorf("%d is stored as % x, want % x", v, got.Raw(), want.Raw())
			}
		}
	}
	for _, year := range []int{-1, 0, 1, 1600, 1900, 1969, 1970, 2000, 2024, 2100, 9999, 10000} {
		for month := time.January; month <= time.December; month++ {
			at := time.Date(year, month, 28, 1, 2, 3, 4e6, time.UTC).AddDate(0, 0, 1)
			r.CreatedAt = at.UnixMilli()
			if got, want := r.field(toCreatedAt).Str(), at.Format(timeForm); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			y, m, d := civil(daysFromCivil(at.Year(), int(at.Month()), at.Day()))
			if y != at.Year() || m != int(at.Month()) || d != at.Day() {
				t.Errorf("%v comes back as %d-%d-%d", at, y, m, d)
			}
		}
	}
}

func TestPathEach(t *testing.T) {
	doc := storedDocument(t, []byte(`{"Role":{"Name":"a"},"Role.Name":"b","list":[{"n":1},{"n":[2]},{},5],"empty":[]}`))
	for _, c := range []struct {
		path    string
		columns []string
		want    string
	}{
		{"Role.Name", nil, `"a"`}, {"Role.Name", []string{"Role.Name"}, `"b"`}, {"list.n", nil, `1 [2] absent absent`},
		{"list.0.n", nil, `1`}, {"list.9.n", nil, `absent`}, {"empty.n", nil, ``}, {"none", nil, `absent`}, {"empty", nil, `[]`},
	} {
		for _, names := range []*document.Names{nil, doc.Names()} {
			got := ""
			ParsePath(c.path).Bind(Schema{Columns: columns(c.columns...), Names: names}).Each(doc, func(v document.Value) bool {
				if got != "" {
					got += " "
				}
				if v.Kind() == document.Absent {
					got += "absent"
				} else {
					got += string(document.AppendJSON(nil, v))
				}
				return true
			})
			if got != c.want {
				t.Errorf("%s: got %s, want %s", c.path, got, c.want)
			}
		}
	}
}
