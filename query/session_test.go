package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// caller is a session for tests.
type caller map[string]any

func (c caller) lookup(path string) (any, bool) {
	v, ok := c[path]
	return v, ok
}

func asCaller(c caller) []Option { return []Option{ForDataSource(), WithSession(c.lookup)} }

// sessionColumns are documents with every kind of value in column c.
var sessionColumns = []string{`{}`, `{"c":null}`, `{"c":""}`, `{"c":"abc"}`, `{"c":"ABC"}`, `{"c":"xabcx"}`, `{"c":5}`, `{"c":"5"}`, `{"c":6}`, `{"c":0}`, `{"c":true}`, `{"c":false}`,
	`{"c":[]}`, `{"c":["abc"]}`, `{"c":["abc",5]}`, `{"c":["abc","x",5]}`, `{"c":[null]}`, `{"c":{}}`, `{"c":{"d":"abc"}}`, `{"c":{"d":5}}`, `{"c":[{"d":"abc"}]}`, `{"c":"2024-01-01 10:00"}`, `{"c":"session.text"}`,
	`{"c":"abc,x,5"}`, `{"c":"undefined"}`, `{"c":"null"}`, `{"c":"[object Object]"}`}

// TestSessionOperators holds every operator with values of the session. What is found does what
// the same value does when it is written in the where; a list, what it does in list. What
// equals nothing gives one answer for every document.
func TestSessionOperators(t *testing.T) {
	rows := []struct {
		where   string // with $S for the value
		list    string // what it means when the value is a list; "" is the same
		nothing bool   // the answer when the value equals nothing
	}{
		{`{"c":$S}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$eq":$S}}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$ne":$S}}`, `{"c":{"$nin":$S}}`, true},
		{`{"c":{"$not":$S}}`, `{"c":{"$nin":$S}}`, true},
		{`{"c":{"$not":{"$eq":$S}}}`, `{"c":{"$nin":$S}}`, true},
		{`{"c":{"$not":{"$ne":$S}}}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$gt":$S}}`, "", false},
		{`{"c":{"$gte":$S}}`, "", false},
		{`{"c":{"$lt":$S}}`, "", false},
		{`{"c":{"$lte":$S}}`, "", false},
		{`{"c":{"$not":{"$lt":$S}}}`, "", true},
		{`{"c":{"$in":$S}}`, "", false},
		{`{"c":{"$in":[$S]}}`, `{"c":{"$in":["abc","x",5]}}`, false},
		{`{"c":{"$nin":$S}}`, "", true},
		{`{"c":{"$nin":[$S]}}`, `{"c":{"$nin":["abc","x",5]}}`, true},
		{`{"c":{"$in":[{"$gte":$S}]}}`, "", false},
		{`{"c":{"$in":{"$eq":$S}}}`, `{"c":{"$in":[{"$in":$S}]}}`, false},
		{`{"c":{"$all":[$S]}}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$all":$S}}`, "", false},
		{`{"c":{"$size":$S}}`, "", false},
		{`{"c":{"$exists":$S}}`, "", false},
		{`{"c":{"$type":$S}}`, "", false},
		{`{"c":{"$mod":[$S,0]}}`, "", false},
		{`{"c":{"$mod":[2,$S]}}`, "", false},
		{`{"c":{"$mod":$S}}`, "", false},
		{`{"c":{"$regex":$S}}`, "", false},
		{`{"c":{"$like":$S}}`, "", false},
		{`{"c":{"$iLike":$S}}`, "", false},
		{`{"c":{"$not":{"$iLike":$S}}}`, "", true},
		{`{"c":{"$like":[$S]}}`, "", false},
		{`{"c":{"$elemMatch":$S}}`, `{"c":{"$elemMatch":{"$in":$S}}}`, false},
		{`{"c":{"$match":$S}}`, "", false},
		{`{"c":{"$match":{"d":$S}}}`, "", false},
		{`{"c":{"$and":[$S]}}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$or":[$S]}}`, `{"c":{"$in":$S}}`, false},
		{`{"c":{"$nor":[$S]}}`, `{"c":{"$nin":$S}}`, true},
		{`{"c":{"$and":$S}}`, "", false},
		{`{"c":{"$or":$S}}`, "", false},
		{`{"c":{"$nor":$S}}`, "", true},
		{`{"c":["abc",$S]}`, "", false},
		{`{"c":{"$ne":["abc",$S]}}`, "", true},
		{`{"c":{"$in":[["abc",$S]]}}`, "", false},
		{`{"c":{"d":$S}}`, `{"c":{"d":{"$in":$S}}}`, false},
		{`{"c.d":$S}`, `{"c.d":{"$in":$S}}`, false},
		{`{"data":{"c":$S}}`, `{"data":{"c":{"$in":$S}}}`, false},
		{`{"data.c":$S}`, `{"data.c":{"$in":$S}}`, false},
		{`{"$or":[{"c":$S},{"no":1}]}`, `{"$or":[{"c":{"$in":$S}},{"no":1}]}`, false},
		{`{"$and":[{"c":$S}]}`, `{"$and":[{"c":{"$in":$S}}]}`, false},
		{`{"$and":[{"$or":[{"$and":[{"c":{"$not":{"$ne":$S}}}]}]}]}`, `{"c":{"$in":$S}}`, false},
		{`{"$nor":[{"c":$S}]}`, `{"$nor":[{"c":{"$in":$S}}]}`, true},
		{`{"$not":{"c":$S}}`, `{"$not":{"c":{"$in":$S}}}`, true},
		{`{"$filters":[{"column":"c","condition":"==","value":$S}]}`, `{"$or":[{"$filters":[{"column":"c","condition":"==","value":"abc"}]},{"$filters":[{"column":"c","condition":"==","value":"x"}]},{"$filters":[{"column":"c","condition":"==","value":5}]}]}`, false},
		{`{"$filters":[{"column":"c","condition":"!=","value":$S}]}`, `{"$filters":[{"column":"c","condition":"!=","value":"abc"},{"column":"c","condition":"!=","value":"x"},{"column":"c","condition":"!=","value":5}]}`, true},
		{`{"$filters":[{"column":"c","condition":">","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":">=","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"<","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"<=","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"contains","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"regex","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"oneof","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"oneof","value":[$S]}]}`, `{"$filters":[{"column":"c","condition":"oneof","value":["abc","x",5]}]}`, false},
		{`{"$filters":[{"column":"c","condition":"between","value":{"from":$S}}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"between","value":{"from":0,"to":$S}}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"dateis","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"datebefore","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"dateafter","value":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"datebetween","from":"2020-01-01","to":$S}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"datebetween","from":{"value":$S}}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"datebetween","value":{"from":$S,"to":"2030-01-01"}}]}`, "", false},
		{`{"$filters":[{"column":"c","condition":"dateafter","value":"2020-01-01","unit":$S}]}`, "", false},
		{`{"$filters":[{"column":$S,"condition":"!=","value":"no"}]}`, "", false},
		{`{"$not":{"$filters":[{"column":"c","condition":"==","value":$S}]}}`, `{"$nor":[{"$filters":[{"column":"c","condition":"==","value":"abc"}]},{"$filters":[{"column":"c","condition":"==","value":"x"}]},{"$filters":[{"column":"c","condition":"==","value":5}]}]}`, true},
	}
	tested := map[string]bool{}
	for _, row := range rows {
		ask := func(name string) string { return strings.ReplaceAll(row.where, "$S", `"session.`+name+`"`) }
		for name := range operators {
			tested[name] = tested[name] || strings.Contains(row.where, `"`+name+`"`)
		}
		user := caller{"text": "abc", "number": 5, "date": "2024-01-01", "list": []any{"abc", "x", 5}, "null": nil, "object": M{"$exists": true}, "nilmap": map[string]string(nil)}
		for name, literal := range map[string]string{"text": `"abc"`, "number": `5`, "date": `"2024-01-01"`} {
			sameAnswers(t, ask(name), strings.ReplaceAll(row.where, "$S", literal), user)
		}
		list := row.list
		if list == "" {
			list = row.where
		}
		sameAnswers(t, ask("list"), strings.ReplaceAll(list, "$S", `["abc","x",5]`), user)
		for _, name := range []string{"missing", "null", "object", "nilmap", ""} {
			m, err := Compile(ask(name), asCaller(user)...)
			if err != nil {
				t.Errorf("%s: %v", ask(name), err)
				continue
			}
			for _, doc := range sessionColumns {
				for form, d := range forms(t, []byte(doc)) {
					if got := m.Match(d); got != row.nothing {
						t.Errorf("%s on %s (%s): got %v", ask(name), doc, form, got)
					}
				}
			}
		}
	}
	for name := range operators {
		if !tested[name] && name != "$where" {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// sameAnswers holds that a where with session values says of every column what another says
// without, or is refused like it.
func sameAnswers(t *testing.T, where, literal string, user caller) {
	t.Helper()
	m, err := Compile(where, asCaller(user)...)
	want, wantErr := Compile(literal, ForDataSource())
	if err != nil || wantErr != nil {
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: got error %v, want %v", where, err, wantErr)
		}
		return
	}
	for _, doc := range sessionColumns {
		stored := storedDocument(t, []byte(doc))
		schema := Schema{Columns: columns("c"), Names: stored.Names()}
		if got, want := m.MatchValue(stored), want.MatchValue(stored); got != want {
			t.Errorf("%s on %s: got %v, want %v", where, doc, got, want)
		}
		bound := m.Bind(schema)
		if got, want := bound.MatchValue(stored), m.MatchValue(stored); got != want {
			t.Errorf("%s on %s: bound %v", where, doc, got)
		}
		if v := bound.Judge(stored.Raw()); v == Yes != bound.MatchValue(stored) && v != Unsure {
			t.Errorf("%s on %s: judged %d", where, doc, v)
		}
	}
}

// TestSessionValues holds single answers.
func TestSessionValues(t *testing.T) {
	user := caller{"a": "x", "n": 5.0, "zero": 0, "no": false, "blank": "", "list": []string{"x", "y"}, "empty": []any{}, "nulls": []any{nil, "x"}, "objects": []any{M{"$ne": "no"}, "x"},
		"nested": []any{[]any{"x", "y"}}, "deep.path": "whole", "number": json.Number("9007199254740993"), "again": "session.a", "agains": []any{"session.a"}, "column": "c", "none": "none", "percent": "%"}
	for _, c := range []struct {
		where, doc string
		want       bool
	}{
		{`{"session.a":1}`, `{"session":{"a":1}}`, true}, // keys are never replaced
		{`{"session.a":"x"}`, `{"x":"x"}`, false},
		{`{"c":{"session.a":"x"}}`, `{"c":{"session":{"a":"x"}}}`, true},
		{`{"c":{"$match":{"session.a":"session.a"}}}`, `{"c":{"session.a":"x"}}`, true},
		{`{"c":" session.a"}`, `{"c":" session.a"}`, true}, // only texts that start so
		{`{"c":"session"}`, `{"c":"session"}`, true},
		{`{"c":"Session.a"}`, `{"c":"Session.a"}`, true},
		{`{"c":"session.deep.path"}`, `{"c":"whole"}`, true},
		{`{"c":"session.zero"}`, `{"c":0}`, true},
		{`{"c":"session.no"}`, `{"c":false}`, true},
		{`{"c":"session.zero"}`, `{}`, false},
		{`{"c":"session.blank"}`, `{"c":""}`, true}, // the empty text is a value
		{`{"c":"session.blank"}`, `{"c":null}`, false},
		{`{"c":"session.list"}`, `{"c":"y"}`, true},
		{`{"c":"session.list"}`, `{"c":"x,y"}`, false},
		{`{"c":"session.list"}`, `{"c":["q","y"]}`, true},
		{`{"c":"session.empty"}`, `{"c":[]}`, false},
		{`{"c":"session.empty"}`, `{"c":null}`, false},
		{`{"c":{"$ne":"session.empty"}}`, `{"c":"x"}`, true},
		{`{"c":"session.nulls"}`, `{"c":"x"}`, true},
		{`{"c":"session.nulls"}`, `{"c":null}`, false},
		{`{"c":"session.nulls"}`, `{}`, false},
		{`{"c":{"$in":["session.nulls"]}}`, `{"c":null}`, false},
		{`{"c":{"$in":[null,"session.missing"]}}`, `{"c":null}`, true}, // what is written stays
		{`{"c":{"$in":["session.missing","y"]}}`, `{"c":"y"}`, true},
		{`{"c":{"$nin":["session.missing","y"]}}`, `{"c":"y"}`, false},
		{`{"c":{"$in":["session.list","z"]}}`, `{"c":"z"}`, true},
		{`{"c":{"$in":["session.list","z"]}}`, `{"c":"x"}`, true},
		{`{"c":{"$nin":["session.list","z"]}}`, `{"c":"x"}`, false},
		{`{"c":{"$all":"session.nulls"}}`, `{"c":["x",null]}`, false},
		{`{"c":{"$all":"session.objects"}}`, `{"c":["x"]}`, false},
		{`{"c":{"$or":"session.objects"}}`, `{"c":"x"}`, true},
		{`{"c":{"$or":"session.objects"}}`, `{"c":"q"}`, false},
		{`{"c":{"$like":"session.nulls"}}`, `{"c":",x"}`, false},
		{`{"$or":"session.objects"}`, `{"c":"q"}`, false},
		{`{"$or":["session.objects"]}`, `{"c":"q"}`, false},
		{`{"$and":["session.missing"]}`, `{}`, false},
		{`{"c":"session.objects"}`, `{"c":"q"}`, false}, // no operator is found
		{`{"c":"session.objects"}`, `{"c":"x"}`, true},
		{`{"c":{"$in":["session.objects"]}}`, `{"c":"q"}`, false},
		{`{"c":"session.nested"}`, `{"c":"x,y"}`, true},
		{`{"c":"session.number"}`, `{"c":9007199254740993}`, true},
		{`{"c":"session.again"}`, `{"c":"session.a"}`, true}, // what is found does not ask again
		{`{"c":"session.again"}`, `{"c":"x"}`, false},
		{`{"c":"session.agains"}`, `{"c":"x"}`, false},
		{`{"c":{"$in":["session.agains"]}}`, `{"c":"session.a"}`, true},
		{`{"c":{"$in":"session.agains"}}`, `{"c":"x"}`, false},
		{`{"c":{"$like":"session.agains"}}`, `{"c":"session.a"}`, true},
		{`{"c":{"$or":"session.agains"}}`, `{"c":"x"}`, false},
		{`{"c":{"$mod":["session.n",0]},"d":"session.a"}`, `{"c":10,"d":"x"}`, true}, // an operand ends its own search only
		{`{"c":{"$like":"session.a"},"d":{"$like":"session.a"}}`, `{"c":"x","d":"x"}`, true},
		{`{"id":"session.n"}`, `{}`, false},
		{`{"createdAt":"session.missing"}`, `{}`, false},
		{`{"deletedAt":"session.missing"}`, `{}`, false},
		{`{"e.c":{"$ne":"session.missing"}}`, `{"e":[]}`, false}, // no candidate, no match
		{`{"$filters":[{"column":"c","condition":"==","value":"session.list"}]}`, `{"c":"Y"}`, true},
		{`{"$filters":[{"column":"c","condition":"!=","value":"session.list"}]}`, `{"c":"Y"}`, false},
		{`{"$filters":[{"column":"c","condition":"!=","value":"session.nulls"}]}`, `{}`, true},
		{`{"$filters":[{"column":"c","condition":"==","value":"session.blank"}]}`, `{"c":"x"}`, false},
		{`{"$filters":[{"column":"c","condition":"==","value":"session.blank"}]}`, `{}`, false},
		{`{"$filters":[{"column":"c","condition":"contains","value":"session.blank"}]}`, `{"c":"x"}`, false},
		{`{"$filters":[{"column":"c","condition":"dateis","value":"session.blank"}]}`, `{"c":"2020-01-01"}`, false},
		{`{"$filters":[{"column":"c","condition":"between","value":{"from":1,"to":"session.blank"}}]}`, `{"c":5}`, false},
		{`{"$filters":[{"column":"c","condition":"==","value":"session.zero"}]}`, `{"c":"0"}`, true},
		{`{"$filters":[{"column":"c","condition":"notcontain","value":"session.missing"}]}`, `{"c":"x"}`, true},
		{`{"$filters":[{"column":"c","condition":"notcontain","value":"session.missing"}]}`, `{"c":null}`, false},
		{`{"$filters":[{"column":"c","condition":"empty","value":"session.missing"}]}`, `{}`, true},
		{`{"$filters":[{"column":"c","condition":"notempty","value":"session.missing"}]}`, `{"c":1}`, true},
		{`{"$filters":[{"column":"c","condition":"==","value":"x","timezone":"session.missing"}]}`, `{"c":"x"}`, true},
		{`{"$filters":[{"column":"c","condition":"oneof","value":["session.nulls","z"]}]}`, `{"c":"z"}`, true},
		{`{"$filters":[{"column":"c","condition":"oneof","value":["session.missing","z"]}]}`, `{"c":"z"}`, true},
		{`{"$filters":[{"column":"session.column","condition":"==","value":"x"}]}`, `{"c":"x"}`, true},
		{`{"$filters":[{"column":"session.none","condition":"==","value":"x"}]}`, `{"c":"q"}`, false},
		{`{"$filters":[{"column":"none","condition":"==","value":"session.missing"}]}`, `{}`, true},
		{`{"$or":[{"$filters":[{"column":"c","condition":"==","value":"session.missing"}]},{"d":1}]}`, `{"d":1}`, true},
	} {
		m, err := Compile(c.where, asCaller(user)...)
		if err != nil {
			t.Errorf("%s: %v", c.where, err)
			continue
		}
		for form, d := range forms(t, []byte(c.doc)) {
			if got := m.Match(d); got != c.want {
				t.Errorf("%s on %s (%s): got %v", c.where, c.doc, form, got)
			}
		}
	}
}

func TestSessionErrors(t *testing.T) {
	self := M{}
	self["self"] = self
	long := slices.Repeat([]any{1}, 11)
	user := caller{"nan": math.NaN(), "func": func() {}, "self": self, "utf8": "\xff", "long": long, "pattern": "(", "condition": "==", "filters": []any{M{"column": "c", "condition": "empty"}}, "none": []any{}, "a": "x", "n": 5}
	limits := WithLimits(Limits{InValues: 10, RegexpBytes: 10})
	for where, want := range map[string]string{
		`{"c":"session.nan"}`:                                                       "the value of session.nan cannot be read (at where.c): the number NaN has no JSON form",
		`{"c":{"$in":["session.func"]}}`:                                            "the value of session.func cannot be read",
		`{"c":{"$like":"session.self"}}`:                                            "the value of session.self cannot be read",
		`{"c":"session.utf8"}`:                                                      "the value of session.utf8 cannot be read",
		`{"c":"session.long"}`:                                                      "the list has 11 members; 10 are allowed",
		`{"c":{"$nin":["session.long"]}}`:                                           "the list has 11 members; 10 are allowed",
		`{"c":{"$regex":"session.pattern"}}`:                                        "the regular expression is malformed",
		`{"c":{"$regex":"a","$options":"session.a"}}`:                               `"session.a" are no flags of a regular expression`,
		`{"c":{"$type":"session.a"}}`:                                               "$type takes string",
		`{"$filters":"session.filters"}`:                                            "$filters needs a list",
		`{"$filters":"session.none"}`:                                               "$filters needs a list",
		`{"$filters":["session.filters"]}`:                                          "a member of $filters must be an object",
		`{"$where":"session.a"}`:                                                    "$where is not supported",
		`{"$foo":"session.a"}`:                                                      "Unknown operation $foo",
		`{"c":{"$foo":"session.missing"}}`:                                          "Unknown operation $foo",
		`{"c":{"$filters":"session.missing"}}`:                                      "$filters belongs at the top",
		`{"$filters":[{"value":"session.missing","condition":"=="}]}`:               "a member of $filters needs the name of a column",
		`{"$filters":[{"column":"session.n","condition":"=="}]}`:                    "a member of $filters needs the name of a column",
		`{"$filters":[{"column":"c","condition":"session.condition","value":"x"}]}`: "Unknown condition session.condition",
		`{"$filters":[{"column":"c","condition":"dateis","value":"2020-01-01","unit":"session.a"}]}`: "Unknown unit x",
	} {
		_, err := Compile(where, append(asCaller(user), limits)...)
		if !errors.Is(err, errs.Sentinel(errs.InvalidQuery, "")) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", where, err, want)
		}
	}
	if _, err := Compile(`{}`, WithDialect(Strict), WithSession(user.lookup)); err == nil {
		t.Error("the Strict dialect takes session values")
	}
}

// TestSessionOptions: without the option the texts are texts, a nil lookup finds nothing, and a
// bare matcher has session values, too.
func TestSessionOptions(t *testing.T) {
	where, doc := `{"c":"session.a"}`, M{"c": "session.a"}
	for _, c := range []struct {
		opts []Option
		doc  M
		want bool
	}{
		{nil, doc, true},
		{[]Option{ForDataSource()}, doc, true},
		{[]Option{WithSession(nil)}, doc, false},
		{[]Option{WithSession(nil)}, M{}, false},
		{[]Option{WithSession(caller{"a": "x"}.lookup)}, M{"c": "x"}, true},
	} {
		m, err := Compile(where, c.opts...)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(c.doc); got != c.want {
			t.Errorf("%v with %d options: got %v", c.doc, len(c.opts), got)
		}
	}
	user := caller{"a": "x", "list": []any{"x"}}
	for where, ok := range map[string]bool{`{"c":"session.list"}`: true, `{"c":{"$in":["session.list"]}}`: true, `{"c":{"$regex":"session.a"}}`: false} {
		if _, err := Compile(where, append(asCaller(user), Countable())...); err == nil != ok {
			t.Errorf("%s in a strict count: %v", where, err)
		}
	}
}

// TestSessionSnapshot: what was found when the where was compiled is what counts.
func TestSessionSnapshot(t *testing.T) {
	list := []any{"x"}
	user := caller{"list": list}
	m, err := Compile(`{"c":"session.list"}`, asCaller(user)...)
	if err != nil {
		t.Fatal(err)
	}
	list[0], user["list"] = "y", "z"
	if !m.Match(M{"c": "x"}) || m.Match(M{"c": "y"}) || m.Match(M{"c": "z"}) {
		t.Error("the matcher changed with the session")
	}
}
