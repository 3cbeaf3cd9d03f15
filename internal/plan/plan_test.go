package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/query"
)

// counts is a Source that knows how many keys each index finds. It can estimate many keys, but
// not those of index 1.
type counts []int

func (c counts) Dive(i int, _ []index.Span, most int) (int, bool, error) {
	if c[i] < 0 {
		return 0, false, errors.New("the storage fails")
	}
	if i != 1 {
		return c[i], false, nil
	}
	return min(c[i], most+1), c[i] > most, nil
}

func describe(p *Path) string {
	if p == nil {
		return "none"
	}
	text := [...]string{"id", "index", "intersect", "union"}[p.Kind]
	if p.Kind == BySpans {
		text += fmt.Sprint(p.Index)
	}
	var parts []string
	for _, part := range p.Parts {
		parts = append(parts, describe(part))
	}
	if len(parts) > 0 {
		text += "(" + strings.Join(parts, " ") + ")"
	}
	if p.Exact {
		text += "!"
	}
	return text
}

func probeOf(t *testing.T, where string) *query.Probe {
	m, err := query.Compile(where, query.ForDataSource())
	if err != nil {
		t.Fatal(err)
	}
	return m.Bind(query.Schema{}).Probe()
}

// TestFilter: which path is chosen, and whether it is exact (!).
func TestFilter(t *testing.T) {
	on := func(names ...string) index.Def {
		d := index.Def{Name: "x"}
		for _, n := range names {
			d.Fields = append(d.Fields, index.Field{Name: n})
		}
		return d
	}
	defs := []index.Def{on("a"), on("b"), on("c", "d")}
	for _, c := range []struct {
		where string
		found counts
		want  string
	}{
		{`{"a":1}`, counts{9, 9, 9}, "index0!"},
		{`{"a":1,"b":1}`, counts{9, 3, 9}, "index1"},
		{`{"a":1,"x":1}`, counts{9, 3, 9}, "index0"},
		{`{"x":1}`, counts{9, 3, 9}, "none"},
		{`{"c":1,"d":{"$gt":5}}`, counts{9, 3, 9}, "index2!"},
		{`{"c":{"$gt":1},"d":5}`, counts{9, 3, 9}, "index2"},
		{`{"d":5}`, counts{9, 3, 9}, "none"},
		{`{"$or":[{"a":1},{"b":1}]}`, counts{9, 3, 9}, "union(index0! index1!)!"},
		{`{"$or":[{"a":1},{"x":1}]}`, counts{9, 3, 9}, "none"},
		{`{"$or":[{"a":1},{"b":1}],"c":3}`, counts{1, 1, 90}, "union(index0! index1!)"},
		{`{"$or":[{"a":1},{"b":1,"x":1}]}`, counts{1, 1, 90}, "union(index0! index1)"},
		{`{"id":5,"a":1}`, counts{9, 3, 9}, "id"},
		{`{"id":{"$in":[5,6]}}`, counts{9, 3, 9}, "id!"},
		{`{"a":1,"b":1}`, counts{100, 120, 9}, "intersect(index0 index1)"},
		{`{"a":1,"b":1}`, counts{20, 30, 9}, "index0"},
		{`{"a":1,"b":1}`, counts{100, 9000, 9}, "index0"},
		{`{"a":1,"b":{"$gt":1}}`, counts{50_000, 900, 9}, "index1"},
		{`{"a":1,"b":{"$gt":1}}`, counts{900, 901, 9}, "index0"},
		{`{"$not":{"a":1}}`, counts{1, 1, 1}, "none"},
		{`{"a":{"$ne":1},"b":2}`, counts{1, 5, 1}, "index1"},
		{`{"a":{"$in":[]}}`, counts{0, 5, 1}, "index0!"},
	} {
		var list []Index
		for i := range defs {
			list = append(list, Index{Bound: defs[i].Bind(query.Schema{}), Stats: index.Stats{Entries: 1000, Keys: 1000}})
		}
		path, err := New(list, c.found).Filter(probeOf(t, c.where))
		if got := describe(path); err != nil || got != c.want {
			t.Errorf("%s with %v: %s, %v, want %s", c.where, c.found, got, err, c.want)
		}
	}
	fails := []Index{{Bound: defs[0].Bind(query.Schema{})}}
	if _, err := New(fails, counts{-1}).Filter(probeOf(t, `{"a":1}`)); err == nil {
		t.Error("what the storage fails with is not told")
	}
}

// TestFilterByHash: an index with hashed keys serves single values of all its fields.
func TestFilterByHash(t *testing.T) {
	d := index.Def{Name: "x", Fields: []index.Field{{Name: "a"}, {Name: "b"}}}
	list := []Index{{Bound: d.Bind(query.Schema{}), Hashed: true}}
	for where, want := range map[string]string{`{"a":1,"b":"x"}`: "index0!", `{"a":1}`: "none", `{"a":1,"b":{"$gt":2}}`: "none"} {
		path, err := New(list, counts{1}).Filter(probeOf(t, where))
		if got := describe(path); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", where, got, err, want)
		}
	}
}
