package aggregate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// prefilter gives the where of a pipeline as JSON text, and its notes.
func prefilter(t testing.TB, pipeline string) (query.D, string, []string) {
	t.Helper()
	p, err := aggregate.Compile(pipeline)
	if err != nil {
		t.Fatalf("%s: %v", pipeline, err)
	}
	where, notes := p.Prefilter()
	if where == nil {
		return nil, "", notes
	}
	text, err := json.Marshal(where)
	if err != nil {
		t.Fatal(err)
	}
	return where, string(text), notes
}

func TestPrefilter(t *testing.T) {
	for _, c := range []struct {
		pipeline, where string
		notes           []string // the beginning of each
	}{
		{`[]`, ``, nil},
		{`[{"$limit":1},{"$match":{"data.a":1}}]`, ``, nil},
		{`[{"$match":{}}]`, ``, nil},
		{`[{"$match":{"data.City":"Oslo"}},{"$group":{"_id":1}}]`, `{"data.City":"Oslo"}`, nil},
		{`[{"$match":{"data.Session ID":true}},{"$match":{"data.n":{"$gte":1,"$lt":5}}}]`,
			`{"$and":[{"data.Session ID":true},{"data.n":{"$gte":1}},{"data.n":{"$lt":5}}]}`, nil},
		{`[{"$match":{"data.a":{"$eq":null},"data.b":{"$in":["x",1,true,null]},"data.c":{"$exists":1}}}]`,
			`{"data.a":null,"data.b":{"$in":["x",1,true,null]},"data.c":{"$exists":true}}`, nil},
		{`[{"$match":{"data.b":{"$in":5},"data.c":{"$all":["x"]}}}]`, `{"data.b":{"$in":[5]},"data.c":"x"}`, nil},
		{`[{"$match":{"$and":[{"data.a":1},{"$and":[{"data.b":2}]}]}}]`, `{"data.a":1,"data.b":2}`, nil},
		{`[{"$match":{"$or":[{"data.a":1},{"data.b":2,"data.c":{"$ne":1}}]}}]`, `{"$or":[{"data.a":1},{"data.b":2}]}`,
			[]string{"pipeline.0.$match.$or.1.data.c.$ne"}},
		{`[{"$match":{"$or":[{"data.a":1},{"id":2}]}}]`, ``,
			[]string{"pipeline.0.$match.$or.1.id", "pipeline.0.$match.$or is tested"}},
		{`[{"$match":{"data.a":{"$gte":"2024"}}}]`, ``, []string{"pipeline.0.$match.data.a.$gte"}},
		{`[{"$match":{"data.a":{"$gte":null}}}]`, ``, []string{"pipeline.0.$match.data.a.$gte"}},
		{`[{"$match":{"data.a":{"$gte":false}}}]`, ``, []string{"pipeline.0.$match.data.a.$gte"}},
		{`[{"$match":{"data.a":{"$lt":{"$date":"2024-01-01"}}}}]`, ``, []string{"pipeline.0.$match.data.a.$lt"}},
		{`[{"$match":{"data.a":{"$regex":"a","$options":"i"}}}]`, ``, []string{"pipeline.0.$match.data.a.$regex"}},
		{`[{"$match":{"data.a":[1]}}]`, ``, []string{"pipeline.0.$match.data.a "}},
		{`[{"$match":{"data.a":{"b":1}}}]`, ``, []string{"pipeline.0.$match.data.a "}},
		{`[{"$match":{"data.a":{"$in":[1,[2]]}}}]`, ``, []string{"pipeline.0.$match.data.a.$in"}},
		{`[{"$match":{"data.a":{"$mod":[2,1]}}}]`, ``, []string{"pipeline.0.$match.data.a.$mod"}},
		{`[{"$match":{"data.a":{"$not":{"$gt":1}}}}]`, ``, []string{"pipeline.0.$match.data.a.$not"}},
		{`[{"$match":{"data.a":{"$exists":false}}}]`, ``, []string{"pipeline.0.$match.data.a.$exists"}},
		{`[{"$match":{"$nor":[{"data.a":1}]}}]`, ``, []string{"pipeline.0.$match.$nor"}},
		{`[{"$match":{"$expr":{"$eq":["$data.a",1]}}}]`, ``, []string{"pipeline.0.$match.$expr"}},
		{`[{"$match":{"data.a.b":1}}]`, ``, []string{"pipeline.0.$match.data.a.b"}},
		{`[{"$match":{"data.0":1}}]`, ``, []string{"pipeline.0.$match.data.0"}},
		{`[{"$match":{"data":1}}]`, ``, []string{"pipeline.0.$match.data"}},
		{`[{"$match":{"id":1,"data.a":1}}]`, `{"data.a":1}`, []string{"pipeline.0.$match.id"}},
	} {
		_, where, notes := prefilter(t, c.pipeline)
		if where != c.where {
			t.Errorf("%s: where %s, want %s", c.pipeline, where, c.where)
		}
		if len(notes) != len(c.notes) {
			t.Errorf("%s: notes %q", c.pipeline, notes)
			continue
		}
		for i, n := range notes {
			if !strings.HasPrefix(n, c.notes[i]) || !strings.HasSuffix(n, ".") {
				t.Errorf("%s: note %q, want %q", c.pipeline, n, c.notes[i])
			}
		}
	}
}

// looseValues are values that MongoDB and sift compare by different rules.
var looseValues = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `5`, `5.5`, `-3`, `9007199254740993`, `1e300`, `20240101`, `""`, `"0"`, `"1"`, `"5"`, `" 5 "`, `"0x5"`,
	`"5.0"`, `"abc"`, `"ABC"`, `"null"`, `"true"`, `"2024-01-01"`, `"2024"`, `"1,5"`, `"[object Object]"`, `"Infinity"`, `[]`, `[5]`, `["5"]`,
	`[1,5]`, `[null]`, `[[5]]`, `[[]]`, `[""]`, `["abc"]`, `[true]`, `[{"a":5}]`, `{}`, `{"a":5}`, `{"a":null}`, `{"$date":"2024-01-01"}`,
	`[{"$date":"2024-01-01"}]`, `{"$gt":1}`, `"é"`, `"é"`, `"\u0000"`,
}

var columns = []string{"a", "b", "Session ID", "café"}

func pickOne[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func randomDocument(r *rand.Rand) string {
	var fields []string
	for _, c := range columns {
		if r.IntN(4) > 0 {
			fields = append(fields, fmt.Sprintf("%q:%s", c, pickOne(r, looseValues)))
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// randomQuery makes a $match from the conditions that can be handed down, and others.
func randomQuery(r *rand.Rand, depth int) string {
	var parts []string
	for range 1 + r.IntN(2) {
		if depth > 0 && r.IntN(3) == 0 {
			var list []string
			for range 1 + r.IntN(3) {
				list = append(list, randomQuery(r, depth-1))
			}
			parts = append(parts, fmt.Sprintf("%q:[%s]", pickOne(r, []string{"$and", "$or", "$or", "$nor"}), strings.Join(list, ",")))
			continue
		}
		parts = append(parts, fmt.Sprintf("%q:%s", "data."+pickOne(r, columns), randomOperand(r)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func randomOperand(r *rand.Rand) string {
	v := pickOne(r, looseValues)
	if v == `{"$gt":1}` {
		return v
	}
	list := fmt.Sprintf("[%s,%s]", v, strings.Replace(pickOne(r, looseValues), "$gt", "g", 1))
	switch op := pickOne(r, []string{"", "", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$in", "$nin", "$all", "$exists", "$not", "$size", "$type", "range"}); op {
	case "":
		return v
	case "$in", "$nin", "$all":
		return fmt.Sprintf("{%q:%s}", op, list)
	case "$exists":
		return fmt.Sprintf("{%q:%t}", op, r.IntN(2) == 0)
	case "$not":
		return fmt.Sprintf(`{"$not":{"$eq":%s}}`, v)
	case "$size":
		return `{"$size":1}`
	case "$type":
		return `{"$type":"number"}`
	case "range":
		return fmt.Sprintf(`{"$gte":%d,"$lte":%s}`, r.IntN(9)-4, v)
	default:
		return fmt.Sprintf("{%q:%s}", op, v)
	}
}

// narrower tests the promise of Prefilter on one pipeline and one document of columns: what the
// $match passes, the where passes, bound to a data source and not.
func narrower(t *testing.T, match, data string) (passed, handed bool) {
	t.Helper()
	p, err := aggregate.Compile(`[{"$match":` + match + `}]`)
	if err != nil {
		t.Fatalf("%s: %v", match, err)
	}
	return narrows(t, p, match, data)
}

func narrows(t *testing.T, p *aggregate.Pipeline, match, data string) (passed, handed bool) {
	t.Helper()
	where, _ := p.Prefilter()
	out, err := p.Run(context.Background(), []any{json.RawMessage(`{"id":1,"data":` + data + `}`)})
	if err != nil {
		t.Fatalf("%s on %s: %v", match, data, err)
	}
	if where == nil {
		return len(out) == 1, false
	}
	m, err := query.Compile(where, query.ForDataSource())
	if err != nil {
		t.Fatalf("%s gives a where that does not compile: %v", match, err)
	}
	if len(out) == 0 {
		return false, true
	}
	enc := document.NewEncoder(nil, document.Limits{})
	raw, err := enc.AppendJSON(nil, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	doc := document.Stored(raw, enc.Names())
	bound := m.Bind(query.Schema{Columns: func(name string) bool { return slices.Contains(columns, name) }, Names: enc.Names()})
	if !m.MatchRecord(&query.Record{Data: doc, ID: 1}) || !bound.MatchRecord(&query.Record{Data: doc, ID: 1}) {
		text, _ := json.Marshal(where)
		t.Fatalf("$match %s passes %s, and the where %s does not", match, data, text)
	}
	return true, true
}

// TestPrefilterTable pairs every operator and value with every value of a column.
func TestPrefilterTable(t *testing.T) {
	for _, v := range looseValues {
		operands := []string{v}
		if v != `{"$gt":1}` {
			for _, op := range []string{"$eq", "$gt", "$gte", "$lt", "$lte", "$ne"} {
				operands = append(operands, fmt.Sprintf("{%q:%s}", op, v))
			}
			operands = append(operands, `{"$in":[`+v+`]}`, `{"$in":[`+v+`,"zzz"]}`, `{"$all":[`+v+`]}`)
		}
		for _, operand := range append(operands, `{"$exists":true}`, `{"$in":[]}`, `{"$all":[]}`) {
			match := `{"data.a":` + operand + `}`
			narrower(t, match, `{}`)
			for _, w := range looseValues {
				narrower(t, match, `{"a":`+w+`}`)
				narrower(t, match, `{"a":[`+w+`,7]}`)
			}
		}
	}
}

// FuzzPrefilter tests the same with any $match and any columns.
func FuzzPrefilter(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		f.Add(randomQuery(r, 2), randomDocument(r))
	}
	f.Fuzz(func(t *testing.T, match, data string) {
		p, err := aggregate.Compile(`[{"$match":`+match+`}]`, aggregate.WithLimits(fuzzLimits))
		var columns map[string]any
		if err != nil || len(data) > 4096 || json.Unmarshal([]byte(data), &columns) != nil || columns == nil {
			return
		}
		if _, err := document.Parse([]byte(data), document.Limits{}); err != nil {
			return
		}
		if _, err := p.Run(context.Background(), []any{json.RawMessage(`{"data":` + data + `}`)}); err == nil {
			narrows(t, p, match, data)
		}
	})
}

func TestPrefilterRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	passed, handed := 0, 0
	for range 20_000 {
		p, h := narrower(t, randomQuery(r, 2), randomDocument(r))
		if p && h {
			passed++
		}
		if h {
			handed++
		}
	}
	if passed < 200 || handed < 5000 {
		t.Errorf("only %d documents passed of %d tests with a where: the test tests little", passed, handed)
	}
}
