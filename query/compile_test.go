package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

func TestCompileErrors(t *testing.T) {
	data := []Option{ForDataSource()}
	strictly := []Option{WithDialect(Strict)}
	for _, c := range []struct {
		where, message, path string
		opts                 []Option
	}{
		{`{"$foo":1}`, "Unknown operation $foo", "where.$foo", nil},
		{`{"a":{"$foo":1}}`, "Unknown operation $foo", "where.a.$foo", nil},
		{`{"a":{"b":{"$gt":1,"$foo":1}}}`, "Unknown operation $foo", "where.a.b.$foo", nil},
		{`{"$or":[{"a":1},{"b":{"$foo":1}}]}`, "Unknown operation $foo", "where.$or.1.b.$foo", nil},
		{`{"a":{"$in":[1,{"$foo":1}]}}`, "Unknown operation $foo", "where.a.$in.1.$foo", data},
		{`{"a":{"$elemMatch":{"$foo":1}}}`, "Unknown operation $foo", "where.a.$elemMatch.$foo", data},
		{`{"$filters":[]}`, "Unknown operation $filters", "where.$filters", nil},
		{`{"$filters":[]}`, "Unknown operation $filters", "where.$filters", strictly},
		{`{"a":{"$filters":[]}}`, "$filters belongs at the top, or inside $and, $or, $nor or $not there", "where.a.$filters", data},
		{`{"$":1}`, "Unknown operation $", "where.$", nil},
		{`{"a":{"$in":[{"$foo":1}]}}`, "Unknown operation $foo", "where.a.$in.0.$foo", strictly},
		{`{"$and":5}`, "$and needs a list", "where.$and", nil},
		{`{"a":{"$or":{}}}`, "$or needs a list", "where.a.$or", nil},
		{`{"a":{"$nor":null}}`, "$nor needs a list", "where.a.$nor", nil},
		{`{"a":{"$all":"x"}}`, "$all needs a list", "where.a.$all", nil},
		{`{"a":{"$type":"date"}}`, "$type takes string, number, boolean, array or object", "where.a.$type", nil},
		{`{"a":{"$type":5}}`, "$type takes string, number, boolean, array or object", "where.a.$type", nil},
		{`{"$where":"1"}`, "$where is not supported: it would run code", "where.$where", nil},
		{`{"$where":"1"}`, "$where is not supported: it would run code", "where.$where", strictly},
		{`{"a":{"$regex":"("}}`, "the regular expression is malformed: missing closing )", "where.a.$regex", nil},
		{`{"a":{"$regex":"a","$options":"q"}}`, `"q" are no flags of a regular expression`, "where.a.$regex", nil},
		{`{"a":{"$regex":"a","$options":"ii"}}`, `"ii" are no flags of a regular expression`, "where.a.$regex", nil},
		{`{"a":{"$regex":"a(?=b)"}}`, "the regular expression holds a look-ahead (?=, which is not supported", "where.a.$regex", nil},
		{`{"a":{"$regex":"a(?!b)"}}`, "the regular expression holds a look-ahead (?!, which is not supported", "where.a.$regex", nil},
		{`{"a":{"$regex":"(?<=a)b"}}`, "the regular expression holds a look-behind (?<=, which is not supported", "where.a.$regex", nil},
		{`{"a":{"$regex":"(?<!a)b"}}`, "the regular expression holds a look-behind (?<!, which is not supported", "where.a.$regex", nil},
		{`{"a":{"$regex":"(a)\\1"}}`, `the regular expression holds a back-reference \1, which is not supported`, "where.a.$regex", nil},
		{`{"a":{"$regex":"(?<n>a)\\k<n>"}}`, `the regular expression holds a back-reference \k, which is not supported`, "where.a.$regex", nil},
		{`5`, "a where must be an object", "where", data},
		{`null`, "a where must be an object", "where", data},
		{`[]`, "a where must be an object", "where", data},
		{`{"a":{"$and":[{"$gt":1}]}}`, "$and cannot stand under a field", "where.a.$and", strictly},
		{`{"$and":[]}`, "$and needs a list with members", "where.$and", strictly},
		{`{"a":{"$gt":1,"b":1}}`, "operators cannot stand beside the names of fields", "where.a", strictly},
		{`{"$filters":5}`, "$filters needs a list", "where.$filters", data},
		{`{"$filters":[5]}`, "a member of $filters must be an object", "where.$filters.0", data},
		{`{"$filters":[{"column":"a","condition":"x"}]}`, "Unknown condition x", "where.$filters.0.condition", data},
		{`{"$filters":[{"column":"a"}]}`, "Unknown condition undefined", "where.$filters.0.condition", data},
		{`{"$filters":[{"condition":"empty"}]}`, "a member of $filters needs the name of a column", "where.$filters.0.column", data},
		{`{"$filters":[{"column":"a","condition":"dateis","value":"soon"}]}`, "a date must read YYYY-MM-DD, YYYY-MM-DD HH:mm or HH:mm", "where.$filters.0.value", data},
		{`{"$filters":[{"column":"a","condition":"dateis","value":5}]}`, "a date must read YYYY-MM-DD, YYYY-MM-DD HH:mm or HH:mm", "where.$filters.0.value", data},
		{`{"$filters":[{"column":"a","condition":"dateis","value":"2020-01-01","unit":"eon"}]}`, "Unknown unit eon", "where.$filters.0.unit", data},
		{`{"$filters":[{"column":"a","condition":"datebetween","from":{"value":"x"}}]}`, "a date must read YYYY-MM-DD, YYYY-MM-DD HH:mm or HH:mm", "where.$filters.0.from.value", data},
		{`{"$filters":[{"column":"a","condition":"between","value":5}]}`, "the between condition needs an object with from and to", "where.$filters.0.value", data},
		{`{"$filters":[{"column":"a","condition":"between","value":{"from":"x"}}]}`, "an end of the between condition must be a number", "where.$filters.0.value.from", data},
		{`{"$filters":[{"column":"a","condition":"regex","value":"("}]}`, "the regular expression is malformed: missing closing )", "where.$filters.0.value", data},
		{`{"$filters":[{"column":"a","condition":"oneof","value":{}}]}`, "the oneof condition needs a list, or a text with commas", "where.$filters.0.value", data},
	} {
		for _, where := range []any{c.where, json.RawMessage(c.where), []byte(c.where)} {
			_, err := Compile(where, c.opts...)
			var e *errs.Error
			if !errors.As(err, &e) {
				t.Errorf("%s: got %v, want an error", c.where, err)
				continue
			}
			if e.Code != errs.InvalidQuery || e.Message != c.message || e.Path != c.path {
				t.Errorf("%s: got %q %q at %q, want %q at %q", c.where, e.Code, e.Message, e.Path, c.message, c.path)
			}
		}
	}
	for _, where := range []any{"", "{", `{"a":}`, `{"a":1}x`, []byte("\xff"), M{"a": func() {}}, "\ufeff{}"} {
		if _, err := Compile(where); !errors.Is(err, errs.Sentinel(errs.InvalidQuery, "")) {
			t.Errorf("%v: got %v, want an invalid query", where, err)
		}
	}
}

func TestWhereForms(t *testing.T) {
	stored, err := document.Parse([]byte(`{"a":{"$in":[1,2]}}`), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []any{
		`{"a":{"$in":[1,2]}}`, []byte(`{"a":{"$in":[1,2]}}`), json.RawMessage(`{"a":{"$in":[1,2]}}`),
		M{"a": M{"$in": []int{1, 2}}}, D{{"a", D{{"$in", []any{1, 2}}}}}, stored,
		struct {
			A M `json:"a"`
		}{M{"$in": []int{1, 2}}},
	} {
		m, err := Compile(where)
		if err != nil {
			t.Fatalf("%T: %v", where, err)
		}
		if !m.Match(M{"a": 2}) || m.Match(M{"a": 3}) || m.MatchesAll() {
			t.Errorf("%T: wrong answer", where)
		}
	}
	for _, where := range []any{nil, "{}", M{}, D{}, M(nil), D(nil), document.Value{}, `{"$options":1}`} {
		for _, opts := range [][]Option{nil, {ForDataSource()}} {
			m, err := Compile(where, opts...)
			if err != nil {
				t.Fatalf("%v: %v", where, err)
			}
			if !m.MatchesAll() || !m.Match(M{}) || !m.Match(5) {
				t.Errorf("%v does not match everything", where)
			}
		}
	}
	m, _ := Compile(nil, WithDialect(Strict))
	if !m.MatchesAll() || !m.Match(5) {
		t.Error("nothing does not match everything")
	}
	m, _ = Compile("null")
	if m.MatchesAll() || !m.Match(nil) || m.Match(5) {
		t.Error("null is not an equality test")
	}
}

func TestDocForms(t *testing.T) {
	m, err := Compile(`{"a.b":{"$in":["x"]}}`)
	if err != nil {
		t.Fatal(err)
	}
	type inner struct {
		B []string `json:"b"`
	}
	for _, doc := range []any{
		M{"a": M{"b": []string{"x"}}}, D{{"a", D{{"b", []any{"x"}}}}}, map[string]inner{"a": {[]string{"x"}}},
		json.RawMessage(`{"a":{"b":"x"}}`), M{"a": []any{M{"b": "y"}, M{"b": "x"}}}, struct{ A inner }{},
	} {
		want := fmt.Sprintf("%T", doc) != fmt.Sprintf("%T", struct{ A inner }{})
		if got := m.Match(doc); got != want {
			t.Errorf("%T: got %v", doc, got)
		}
	}
	if m.Match(func() {}) || m.Match(make(chan int)) {
		t.Error("what is no value matches")
	}
	loop := M{}
	loop["a"] = loop
	if m.Match(loop) {
		t.Error("a map inside itself matches")
	}
	n, _ := Compile(`{"n":{"$gt":1}}`)
	for _, v := range []any{2, int8(2), uint16(2), float32(2), json.Number("2"), "2"} {
		if !n.Match(M{"n": v}) {
			t.Errorf("%T does not compare", v)
		}
	}
}

func TestObject(t *testing.T) {
	d := D{{"b", 1}, {"a", []any{D{{"z", nil}, {"y", "<"}}}}}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"b":1,"a":[{"z":null,"y":"\u003c"}]}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if _, err := json.Marshal(D{{"a", func() {}}}); err == nil {
		t.Error("a function was written")
	}
}

func TestCountable(t *testing.T) {
	for _, where := range []string{
		`{}`, `{"a":1}`, `{"a":[1]}`, `{"a":{"$eq":1,"$ne":2}}`, `{"a.b":{"$gt":1,"$gte":1,"$lt":1,"$lte":1}}`,
		`{"a":{"$in":[1,null,"x"],"$nin":"x"}}`, `{"a":{"$like":"x","$iLike":"x","$exists":true}}`,
		`{"$and":[{"$or":[{"a":1}]},{"$not":{"a":1}},{"$nor":[{"b":1}]}]}`, `{"a":{"$not":{"$or":[1,{"$gt":5}]}}}`,
		`{"$filters":[{"column":"a","condition":"==","value":1}]}`,
	} {
		if _, err := Compile(where, ForDataSource(), Countable()); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	for where, name := range map[string]string{
		`{"a":{"$regex":"x"}}`: "$regex", `{"a":{"$elemMatch":{"$gt":1}}}`: "$elemMatch", `{"a":{"$all":[1]}}`: "$all",
		`{"a":{"$size":1}}`: "$size", `{"a":{"$type":"string"}}`: "$type", `{"a":{"$mod":[1,2]}}`: "$mod",
		`{"a":{"$match":1}}`: "$match", `{"a":{"b":1}}`: "partial nested", `{"data":{"b":1}}`: "partial nested",
		`{"a":{"$in":[{"$gt":1}]}}`: "$in", `{"a":{"$nin":[[1]]}}`: "$nin", `{"a":{"$in":{"$gt":1}}}`: "$in",
		`{"$or":[{"a":{"$regex":"x"}}]}`: "$regex", `{"a":{"$or":[{"b":1}]}}`: "partial nested", `{"a":{}}`: "empty object",
		`{"$filters":[{"column":"a","condition":"regex","value":"x"}]}`: "regex", `{"a":{"$foo":1}}`: "Unknown operation $foo",
		`{"$not":{"a":{"$size":1}}}`: "$size",
	} {
		_, err := Compile(where, ForDataSource(), Countable())
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names %s", where, err, name)
		}
	}
}

func TestLimits(t *testing.T) {
	untrusted := WithLimits(DefaultLimits)
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	for _, c := range []struct {
		name, where string
		trusted, ok bool
	}{
		{"depth 50", deep(50), true, true},
		{"depth 51", deep(51), false, false},
		{"depth 2000", deep(2000), false, false},
		{"10,000 keys", `{"a":{"$all":` + list(9998) + `}}`, true, true},
		{"10,001 keys", `{"a":{"$all":` + list(9999) + `}}`, true, false},
		{"$in of 100,000", `{"a":{"$in":` + list(100_000) + `}}`, true, true},
		{"$in of 100,001", `{"a":{"$in":` + list(100_001) + `}}`, true, false},
		{"a long regexp", `{"a":{"$regex":"` + strings.Repeat("a", 1001) + `"}}`, true, false},
		{"a large regexp", `{"a":{"$regex":"((a{100}){100}){100}"}}`, false, false},
		{"a large program", `{"a":{"$regex":"` + strings.Repeat("a{999}", 100) + `"}}`, true, false},
	} {
		if _, err := Compile(c.where); (err == nil) != c.trusted {
			t.Errorf("%s, trusted: %v", c.name, err)
		}
		if _, err := Compile(c.where, untrusted); (err == nil) != c.ok {
			t.Errorf("%s, not trusted: %v", c.name, err)
		}
	}
}

// TestRegexpCost shows that a text too long for a regular expression does not match, whatever
// negation stands around, and that the record says so.
func TestRegexpCost(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for _, where := range []string{
		`{"a":{"$regex":"(x+x+)+y|abcdefghijklmnopqrstuvwxyz"}}`,
		`{"a":{"$not":{"$regex":"(x+x+)+y|abcdefghijklmnopqrstuvwxyz"}}}`,
		`{"$nor":[{"a":{"$regex":"(x+x+)+y|abcdefghijklmnopqrstuvwxyz"}}]}`,
		`{"$not":{"$filters":[{"column":"a","condition":"regex","value":"(x+x+)+y|abcdefghijklmnopqrstuvwxyz"}]}}`,
	} {
		for _, d := range []Dialect{Sift, Strict} {
			m, err := Compile(where, WithDialect(d), ForDataSource(), WithLimits(DefaultLimits))
			if err != nil {
				t.Fatal(err)
			}
			r := &Record{Data: document.Of(M{"a": long})}
			if m.MatchRecord(r) {
				t.Errorf("%s matches", where)
			}
			if !errors.Is(r.Err, errs.Sentinel(errs.TooLarge, "")) {
				t.Errorf("%s: got %v", where, r.Err)
			}
			r = &Record{Data: document.Of(M{"a": "b"})}
			if m.MatchRecord(r) == strings.HasPrefix(where, `{"a":{"$regex`) || r.Err != nil {
				t.Errorf("%s: wrong on a short text: %v", where, r.Err)
			}
		}
	}
}

func TestRegexpTranslation(t *testing.T) {
	for _, c := range []struct {
		pattern, flags, text string
		want                 bool
	}{
		{`\s`, "", "a\u00a0b", true}, {`^\S+$`, "", "a\u00a0b", false}, {`^[\s]$`, "", "\ufeff", true}, {`^[^\s]$`, "", "\ufeff", false},
		{`^[\S]$`, "", "\u2003", false}, {`^[\S]$`, "", "é", true}, {`a.b`, "", "a\rb", false}, {`a.b`, "s", "a\rb", true},
		{`\u0061\x62\u{63}`, "", "abc", true}, {`[^]`, "", "\n", true}, {`[]`, "", "a", false}, {`^[[]$`, "", "[", true},
		{`[\b]`, "", "\b", true}, {`\cJ`, "", "\n", true}, {`(?<year>\d{4})`, "", "2024", true}, {`\/`, "", "/", true},
		{`^b`, "m", "a\nb", true}, {`^b`, "", "a\nb", false}, {`B`, "i", "abc", true}, {`B`, "giuy", "abc", true}, {`B`, "g", "abc", false},
		{`\k`, "", "k", true}, {`a|b`, "i", "B", true}, {`\.`, "", "x", false}, {`[a-z]]`, "", "b]", true}, {`(?i)ABC`, "", "abc", true},
	} {
		m, err := Compile(M{"a": M{"$regex": c.pattern, "$options": c.flags}})
		if err != nil {
			t.Errorf("/%s/%s: %v", c.pattern, c.flags, err)
			continue
		}
		if got := m.Match(M{"a": c.text}); got != c.want {
			t.Errorf("/%s/%s on %q: got %v", c.pattern, c.flags, c.text, got)
		}
	}
}
