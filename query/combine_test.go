package query

import (
	"fmt"
	"strings"
	"testing"
)

// combineWheres are wheres that say different things of combineDocs.
var combineWheres = []string{`{}`, `{"a":1}`, `{"a":{"$gt":1}}`, `{"a":{"$ne":1}}`, `{"b":"x"}`, `{"b":null}`, `{"$or":[{"a":2},{"b":"y"}]}`, `{"$not":{"a":1}}`, `{"n.d":1}`, `{"id":7}`,
	`{"data":{"b":"x"}}`, `{"$filters":[{"column":"n.d","condition":"==","value":1}]}`, `{"c":{"$in":[1,"x"]}}`}

var combineDocs = []string{`{}`, `{"a":1}`, `{"a":2,"b":"x"}`, `{"a":1,"b":"x","c":1}`, `{"a":[1,2],"b":null}`, `{"a":"1","b":"y","n":{"d":1}}`, `{"n.d":1,"c":"x"}`, `{"a":3,"n":[{"d":1},{"d":2}]}`}

// TestCombine holds All and Any against the answers of their members, for pairs of every
// dialect, unbound, bound together, and bound one by one.
func TestCombine(t *testing.T) {
	var members []*Matcher
	var names []string
	for _, where := range combineWheres {
		for d, opts := range [][]Option{{ForDataSource()}, {ForDataSource(), WithDialect(Strict)}, nil} {
			if m, err := Compile(where, opts...); err == nil {
				members, names = append(members, m), append(names, fmt.Sprintf("%s (%d)", where, d))
			}
		}
	}
	for _, text := range combineDocs {
		r := record(t, text)
		r.Data = storedDocument(t, []byte(text))
		schema := Schema{Columns: columns("a", "b", "c", "n", "n.d"), Names: r.Data.Names()}
		for i, x := range members {
			for j, y := range members {
				x, y := x.Bind(schema), y.Bind(schema)
				and, or := x.MatchRecord(r) && y.MatchRecord(r), x.MatchRecord(r) || y.MatchRecord(r)
				for how, pair := range [][2]*Matcher{{All(members[i], members[j]).Bind(schema), Any(members[i], members[j]).Bind(schema)}, {All(x, y), Any(x, y)}} {
					checkCombined(t, pair[0], r, and, fmt.Sprintf("All of %s and %s on %s, %d", names[i], names[j], text, how))
					checkCombined(t, pair[1], r, or, fmt.Sprintf("Any of %s and %s on %s, %d", names[i], names[j], text, how))
				}
				unbound := members[i].MatchRecord(r) && members[j].MatchRecord(r)
				if got := All(members[i], members[j]).MatchRecord(r); got != unbound {
					t.Errorf("All of %s and %s on %s, unbound: got %v", names[i], names[j], text, got)
				}
			}
		}
	}
}

func checkCombined(t *testing.T, m *Matcher, r *Record, want bool, what string) {
	t.Helper()
	if got := m.MatchRecord(r); got != want {
		t.Errorf("%s: got %v", what, got)
	}
	if v := m.Judge(r.Data.Raw()); v == Yes && !want || v == No && want {
		t.Errorf("%s: judged %d", what, v)
	}
}

func TestCombineMembers(t *testing.T) {
	compile := func(where string, opts ...Option) *Matcher {
		t.Helper()
		m, err := Compile(where, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, everything, strictly := compile(`{"a":1}`), compile(`{}`), compile(`{}`, WithDialect(Strict))
	for name, ok := range map[string]bool{
		"All of one":           All(one) == one && All(nil, one, nil) == one,
		"Any of one":           Any(one) == one && Any(nil, one, nil) == one,
		"All beside {}":        All(everything, one, strictly) == one,
		"All of {}":            All(everything, strictly).MatchesAll() && All(everything) == everything,
		"All of nothing":       All().MatchesAll() && All(nil).Match(5) && All().Bind(Schema{}).Match(nil),
		"Any of nothing":       !Any().MatchesAll() && !Any(nil).Match(M{"a": 1}) && !Any().Bind(Schema{}).Match(nil),
		"Any with {}":          Any(one, everything).Match(M{}),
		"All of two":           !All(one, one).MatchesAll(),
		"All in Any in All":    All(one, Any(All(one, compile(`{"b":2}`)), compile(`{"c":3}`))).Match(M{"a": 1, "c": 3}),
		"All in Any in All, 2": !All(one, Any(All(one, compile(`{"b":2}`)), compile(`{"c":3}`))).Match(M{"a": 1, "c": 4}),
	} {
		if !ok {
			t.Errorf("%s: no", name)
		}
	}
}

// TestCombineJudges: a scan is as quick over All of two wheres as over one that says both.
func TestCombineJudges(t *testing.T) {
	doc := storedDocument(t, []byte(`{"a":1,"b":"x","c":true}`))
	schema := Schema{Columns: columns("a", "b", "c"), Names: doc.Names()}
	compile := func(where string, opts ...Option) *Matcher {
		m, err := Compile(where, append(opts, ForDataSource())...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct {
		m    *Matcher
		can  bool
		want Verdict
	}{
		{All(compile(`{"a":1}`), compile(`{"b":"x"}`)), true, Yes},
		{All(compile(`{"a":{"$gte":1}}`), All(compile(`{"b":"x"}`), compile(`{"a":{"$lt":1}}`))), true, No},
		{All(compile(`{"a":1}`), compile(`{"c":{"$exists":true}}`)), true, Unsure},
		{All(compile(`{"a":2}`), Any(compile(`{"b":"x"}`), compile(`{"c":true}`))), true, No},
		{All(compile(`{"a":2}`), compile(`{"b":"x"}`, WithDialect(Strict))), true, No},
		{All(compile(`{"a":1}`), compile(`{"b":"x"}`, WithDialect(Strict))), true, Unsure},
		{All(compile(`{"a":1}`, WithDialect(Strict)), compile(`{"b":"x"}`, WithDialect(Strict))), false, Unsure},
		{Any(compile(`{"a":1}`), compile(`{"b":"x"}`)), false, Unsure},
	} {
		bound := c.m.Bind(schema)
		if bound.CanJudge() != c.can || bound.Judge(doc.Raw()) != c.want {
			t.Errorf("can judge: %v, judges %d, want %v %d", bound.CanJudge(), bound.Judge(doc.Raw()), c.can, c.want)
		}
	}
	if late := All(compile(`{"a":1}`).Bind(schema), compile(`{"b":"x"}`).Bind(schema)); late.Judge(doc.Raw()) != Yes {
		t.Error("All of bound matchers does not judge")
	}
	m := All(compile(`{"a":{"$gt":0}}`), compile(`{"b":"x"}`, WithDialect(Strict)), Any(compile(`{"c":true}`), compile(`{"b":{"$like":"q"}}`))).Bind(schema)
	r := &Record{Data: doc}
	if n := testing.AllocsPerRun(200, func() { m.MatchRecord(r) }); n != 0 || !m.MatchRecord(r) {
		t.Errorf("allocates %v times", n)
	}
}

// TestCombineFailed: a document that one member could not be tested on does not match, as in
// one where.
func TestCombineFailed(t *testing.T) {
	text := fmt.Sprintf(`{"a":%q,"b":1}`, strings.Repeat("x", 5000))
	limits := WithLimits(Limits{RegexpCost: 5000})
	for _, d := range []Dialect{Sift, Strict} {
		costly, err := Compile(`{"$nor":[{"a":{"$regex":"yyy"}}]}`, ForDataSource(), WithDialect(d), limits)
		if err != nil {
			t.Fatal(err)
		}
		good, err := Compile(`{"b":1}`, ForDataSource(), WithDialect(d))
		if err != nil {
			t.Fatal(err)
		}
		bad, err := Compile(`{"b":2}`, ForDataSource(), WithDialect(d))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			m             *Matcher
			match, failed bool
		}{
			"All(costly, good)": {All(costly, good), false, true},
			"All(good, costly)": {All(good, costly), false, true},
			"All(bad, costly)":  {All(bad, costly), false, false},
			"Any(costly, good)": {Any(costly, good), false, true},
			"Any(good, costly)": {Any(good, costly), true, false},
			"Any(bad, costly)":  {Any(bad, costly), false, true},
		} {
			r := &Record{Data: storedDocument(t, []byte(text))}
			bound := c.m.Bind(Schema{Columns: columns("a", "b"), Names: r.Data.Names()})
			if got := bound.MatchRecord(r); got != c.match || (r.Err != nil) != c.failed {
				t.Errorf("%s, dialect %d: got %v %v", name, d, got, r.Err)
			}
		}
	}
}
