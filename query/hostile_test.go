package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// hostileWheres are wheres that nobody means well with.
func hostileWheres() []string {
	var list []string
	add := func(wheres ...string) { list = append(list, wheres...) }
	repeat := strings.Repeat
	for _, n := range []int{1, 49, 50, 51, 99, 100, 101, 1000, 10_000, 100_000} {
		add(repeat(`{"a":`, n)+"1"+repeat("}", n), repeat(`{"$and":[`, n)+"{}"+repeat("]}", n), repeat(`{"$not":`, n)+"{}"+repeat("}", n),
			repeat(`{"a":{"$elemMatch":`, n)+"1"+repeat("}}", n), `{"a":`+repeat("[", n)+repeat("]", n)+"}",
			repeat("[", n), repeat(`{"a":`, n), `{"a":{"$in":`+repeat("[", n)+repeat("]", n)+"}}",
			`{"`+repeat("a.", n)+`a":1}`, `{"`+repeat(".", n)+`":1}`)
	}
	for _, n := range []int{1, 1000, 9_999, 10_001, 100_001} {
		add(`{"$or":[`+strings.TrimSuffix(repeat(`{"a":1},`, n), ",")+`]}`, `{"a":{"$in":[`+strings.TrimSuffix(repeat(`"x",`, n), ",")+`]}}`,
			`{"a":{"$in":[`+strings.TrimSuffix(repeat(`{"$gt":1},`, n), ",")+`]}}`, `{"$filters":[`+strings.TrimSuffix(repeat(`{"column":"a","condition":"empty"},`, n), ",")+`]}`)
		var keys strings.Builder
		for i := range n {
			fmt.Fprintf(&keys, `"k%d":1,`, i)
		}
		add(`{` + strings.TrimSuffix(keys.String(), ",") + `}`)
	}
	for _, pattern := range []string{
		"(a+)+$", "(a|a)*b", "(.*)*x", "(a?){100}a{100}", "((a{30}){30}){30}", "a{1000}{1000}", "(((((a*)*)*)*)*)*", ".*.*.*.*.*.*.*=.*", "(?:a{999}){2}", "[^]", "[]", "[",
		"(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\\\1", "\\\\k<a>", "(?P<n>a)", "(?#c)", "(?>a)", "a++", "\\\\", "(?i", "\\\\p{L}", "\\\\p{Nope}", "\\\\u{110000}", "\\\\x{FFFFFFFF}", "\\\\cé", "\\\\u00", "[z-a]", "x{2,1}", "\\u0000", "^$^$", "|", "()", "(?:)", "\\\\Q", "\\\\C", "\\\\8",
		repeat("(", 1000), repeat("(", 500) + repeat(")", 500), repeat("a?", 500), repeat("a|", 500), repeat("[a-z]", 200), repeat("x*", 500), repeat("é", 500),
	} {
		add(`{"a":{"$regex":"`+pattern+`"}}`, `{"$filters":[{"column":"a","condition":"regex","value":"`+pattern+`"}]}`, `{"a":{"$not":{"$regex":"`+pattern+`","$options":"ims"}}}`)
	}
	for _, op := range []string{"$eq", "$ne", "$gt", "$in", "$nin", "$all", "$size", "$and", "$or", "$nor", "$not", "$exists", "$type", "$mod", "$regex", "$like", "$iLike", "$elemMatch", "$match", "$where", "$filters", "$options", "$", "$$", "$a.b", "$__proto__"} {
		for _, arg := range []string{"null", "1e400", "-0", `""`, `"\u0000"`, "[]", "{}", "[[]]", `[{"$gt":[]}]`, `{"":{"":""}}`, `{"__proto__":{"a":1}}`} {
			add(`{"a":{"` + op + `":` + arg + `}}`)
		}
		add(`{"`+op+`":{"`+op+`":1}}`, `{"`+op+`":[{"`+op+`":[{"a":1}]}]}`)
	}
	add(`{"__proto__":1}`, `{"constructor":{"prototype":1}}`, `{"a":1,"a":2}`, `{"toString":{"$exists":true}}`, `{"":1}`, `{"a":1e999999}`, `{"a":`+repeat("9", 399)+`}`,
		`{"a":`+repeat("9", 401)+`}`, "\ufeff{}", `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1}{}`, `{'a':1}`, `{"a":NaN}`, `nul`, `{"data":{"data":{"data":1}}}`, `{"data.":1}`, `{".data":1}`,
		`{"id.id":1}`, `{"createdAt.x":1}`, `{"$filters":[{"column":"","condition":"empty"}]}`, `{"$filters":[{"column":"none","condition":5}]}`, `{"$filters":[{"column":5,"condition":"=="}]}`,
		`{"$filters":[{"column":"a","condition":"oneof","value":"`+repeat(`,\"`, 10_000)+`"}]}`, `{"a":{"$like":"`+repeat("%a", 5_000)+`"}}`, `{"a":{"$iLike":"`+repeat("a%", 5_000)+`"}}`)
	return list
}

// TestHostileWheres shows that each is an error or an answer, and soon.
func TestHostileWheres(t *testing.T) {
	wheres := hostileWheres()
	if len(wheres) < 300 {
		t.Errorf("only %d wheres", len(wheres))
	}
	doc := storedDocument(t, []byte(`{"a":"`+strings.Repeat("a", 10_000)+`","b":[[1,2],{"a":1}],"c":null}`))
	for _, where := range wheres {
		for _, d := range []Dialect{Sift, Strict} {
			for _, opts := range [][]Option{{}, {ForDataSource()}} {
				began := time.Now()
				m, err := Compile(json.RawMessage(where), append(opts, WithDialect(d), WithLimits(DefaultLimits))...)
				if err != nil {
					if !errors.Is(err, errs.Sentinel(errs.InvalidQuery, "")) {
						t.Errorf("%.80s: %v", where, err)
					}
				} else {
					m.MatchRecord(&Record{Data: doc})
				}
				if took := time.Since(began); took > 10*time.Second { // ten times what is promised
					t.Errorf("%.80s took %v", where, took)
				}
			}
		}
	}
}

// TestHostileDocs shows that no document, damaged ones included, makes a matcher panic.
func TestHostileDocs(t *testing.T) {
	good := storedDocument(t, []byte(`{"a":{"b":[1,"x",{"c":null}]},"b":"2020-01-02","n":12.5,"t":true}`))
	var matchers []*Matcher
	for _, where := range []string{
		`{"a.b.c":{"$exists":true},"b":{"$gt":1},"n":12.5}`, `{"a":{"$match":{"b":1}}}`, `{"a.b":{"$elemMatch":{"c":1}}}`, `{"a.b":{"$in":[1,"x"]},"t":{"$mod":[1,0]}}`,
		`{"b":{"$iLike":"X"},"a":{"$like":"o"}}`, `{"$or":[{"a.b":[1,2]},{"n":{"$size":3}},{"b":{"$regex":"x"}}]}`,
	} {
		for _, opts := range [][]Option{nil, {ForDataSource()}, {WithDialect(Strict)}} {
			if m, err := Compile(where, opts...); err == nil {
				matchers = append(matchers, m, m.Bind(Schema{Names: good.Names()}))
			}
		}
	}
	raw := good.Raw()
	for i := range raw {
		for bit := range 8 {
			damaged := append([]byte(nil), raw...)
			damaged[i] ^= 1 << bit
			for _, m := range matchers {
				m.MatchValue(document.Stored(damaged, good.Names()))
			}
		}
		for _, m := range matchers {
			m.MatchValue(document.Stored(raw[:i], good.Names()))
		}
	}
	for _, doc := range []any{nil, "", 0, []any{}, math.NaN(), math.Inf(1), json.Number("x"), M{"a": math.NaN()}, []any{M{}, nil}, M{"": nil}, document.Value{}} {
		for _, m := range matchers {
			m.Match(doc)
		}
	}
}
