package aggregate_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/errs"
)

// run runs a pipeline over documents, all as JSON text.
func run(pipeline, docs string, opts ...aggregate.Option) (string, error) {
	p, err := aggregate.Compile(pipeline, opts...)
	if err != nil {
		return "", err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(docs), &raw); err != nil {
		return "", err
	}
	list := make([]any, len(raw))
	for i, d := range raw {
		list[i] = d
	}
	out, err := p.RunOrdered(context.Background(), list)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// codeOf gives the code and the path of an error, and fails for one of another type.
func codeOf(t *testing.T, err error) (errs.Code, string) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is no *errs.Error", err, err)
	}
	return e.Code, e.Path
}

// TestMongoDB holds the rules of MongoDB for which the vectors are tagged mingo-quirk.
func TestMongoDB(t *testing.T) {
	const one = `[{"n":5,"s":"x","e":"","a":[1,2,3],"o":{"b":1},"nul":null,"d":{"$date":"2024-01-31T10:00:00Z"},"y":{"$date":"2021-01-03T12:00:00Z"}}]`
	for _, c := range []struct{ expr, want string }{
		{`{"$round":[19.25,-1]}`, `20`},
		{`{"$round":[28.73,-1]}`, `30`},
		{`{"$round":[2.51]}`, `3`},
		{`{"$round":3.45}`, `3`},
		{`{"$round":2.5}`, `2`},
		{`{"$round":[-3.75,1]}`, `-3.8`},
		{`{"$round":[1.6015,3]}`, `1.602`},
		{`{"$round":[0.15,1]}`, `0.2`},
		{`{"$round":[99.95,1]}`, `100`},
		{`{"$trunc":[0.29,2]}`, `0.29`},
		{`{"$trunc":[-1259,-2]}`, `-1200`},
		{`{"$acos":0}`, `1.5707963267948966`},
		{`{"$year":null}`, `null`},
		{`{"$mod":[null,2]}`, `null`},
		{`{"$setUnion":[[1],null]}`, `null`},
		{`{"$sigmoid":{"input":"$nul","onNull":0}}`, `0`},
		{`{"$toString":{"$pow":[-8,0.5]}}`, `"NaN"`},
		{`{"$toString":{"$multiply":[-1e308,10]}}`, `"-Infinity"`},
		{`{"$sigmoid":0}`, `0.5`},
		{`{"$sigmoid":1}`, `0.7310585786300049`},
		{`{"$ne":["$nope",null]}`, `true`},
		{`{"$ne":["$a",2]}`, `true`},
		{`{"$gte":["$s",5]}`, `true`},
		{`{"$cmp":[{"b":1},[1]]}`, `-1`},
		{`{"$cmp":[[9],true]}`, `-1`},
		{`{"$cmp":[true,"$d"]}`, `-1`},
		{`{"$cmp":["Z","a"]}`, `-1`},
		{`{"$max":[[1],true,"z",{"b":1}]}`, `true`},
		{`{"$min":[[1],true,"z",{"b":1},null]}`, `"z"`},
		{`{"$eq":["$a",2]}`, `false`},
		{`{"$eq":["$nope",null]}`, `false`},
		{`{"$eq":["$nul",null]}`, `true`},
		{`{"$gt":["$s",5]}`, `true`},
		{`{"$lt":["$nope",5]}`, `true`},
		{`{"$lt":["$nope",null]}`, `true`},
		{`{"$lte":["$nul",5]}`, `true`},
		{`{"$lt":["$a",2]}`, `false`},
		{`{"$cmp":["$nope","$nul"]}`, `-1`},
		{`{"$not":["$e"]}`, `false`},
		{`{"$toLower":null}`, `""`},
		{`{"$toUpper":"$nope"}`, `""`},
		{`{"$week":"$y"}`, `1`},
		{`{"$week":{"$date":"2020-12-31T12:00:00Z"}}`, `52`},
		{`{"$isoWeekYear":"$y"}`, `2020`},
		{`{"$isoWeekYear":{"$date":"2016-01-01T00:00:00Z"}}`, `2015`},
		{`{"$dateAdd":{"startDate":"$d","unit":"month","amount":1}}`, `{"$date":"2024-02-29T10:00:00.000Z"}`},
		{`{"$dateSubtract":{"startDate":"$d","unit":"quarter","amount":3}}`, `{"$date":"2023-04-30T10:00:00.000Z"}`},
		{`{"$dateDiff":{"startDate":{"$date":"2024-01-01T00:00:00.999Z"},"endDate":{"$date":"2024-01-01T00:00:01Z"},"unit":"second"}}`, `1`},
		{`{"$dateTrunc":{"date":"$d","unit":"month"}}`, `{"$date":"2024-01-01T00:00:00.000Z"}`},
		{`{"$dateTrunc":{"date":"$y","unit":"week","startOfWeek":"monday"}}`, `{"$date":"2020-12-28T00:00:00.000Z"}`},
		{`{"$dateToString":{"date":"$y","format":"%j %U %w %%"}}`, `"003 01 1 %"`},
		{`{"$year":"2024-05-06"}`, `2024`},
		{`{"$abs":[-3]}`, `3`},
		{`{"$size":["$a"]}`, `3`},
		{`{"$avg":[]}`, `null`},
		{`"$a.1"`, `2`},
		{`[{"$literal":"$n"},{"$literal":{"$add":[1]}},"$$REMOVE"]`, `["$n",{"$add":[1]},null]`},
		{`{"x":[{"$literal":1}]}`, `{"x":[1]}`},
		{`{"$convertToNumber":5}`, `5`},
		{`{"$convertToNumber":"5"}`, `5`},
		{`{"$convertToNumber":""}`, `null`},
		{`{"$convertToNumber":"5 km"}`, `null`},
		{`{"$convertToNumber":null}`, `null`},
		{`{"$convertToNumber":false}`, `0`},
		{`{"$convertToNumber":{"a":1}}`, `null`},
		{`{"$convertToNumber":"-.5e1"}`, `-5`},
		{`{"$convertToNumber":"0x10"}`, `null`},
		{`{"$convertToNumber":"Infinity"}`, `null`},
		{`{"$convertToNumber":"1e999"}`, `null`},
		{`{"$convertToNumber":" 4.50 "}`, `4.5`},
		{`{"$convertToNumber":"1e3"}`, `1000`},
		{`{"$convertToNumber":"1,234"}`, `null`},
		{`{"$convertToNumber":"$a"}`, `null`},
		{`{"$convertToNumber":true}`, `1`},
		{`{"$convertToNumber":"$nope"}`, `null`},
	} {
		got, err := run(`[{"$replaceWith":{"r":`+c.expr+`}}]`, one)
		if want := `[{"r":` + c.want + `}]`; err != nil || got != want {
			t.Errorf("%s: got %s %v, want %s", c.expr, got, err, want)
		}
	}
	for _, c := range []struct{ pipeline, docs, want string }{
		{`[{"$match":{"n":9}},{"$count":"c"}]`, one, `[]`},
		{`[{"$addFields":{"r.seen":1}}]`, `[{"r":[{"a":1},{"a":2}]}]`, `[{"r":[{"a":1,"seen":1},{"a":2,"seen":1}]}]`},
		{`[{"$densify":{"field":"t","range":{"step":2,"bounds":[0,9]}}}]`, `[{"t":1}]`, `[{"t":0},{"t":1},{"t":2},{"t":4},{"t":6},{"t":8}]`},
		{`[{"$densify":{"field":"t","partitionByFields":["g"],"range":{"step":1,"bounds":"full"}}},{"$match":{"g":2}}]`,
			`[{"g":1,"t":1},{"g":1,"t":3},{"g":2,"t":2}]`, `[{"g":2,"t":1},{"g":2,"t":2},{"g":2,"t":3}]`},
		{`[{"$match":{"$expr":{"$gt":["$q",10]}}}]`, `[{"q":"30"},{"q":null},{"q":11}]`, `[{"q":"30"},{"q":11}]`},
		{`[{"$match":{"a":{"$in":[[1,2]]}}}]`, `[{"a":[1,2]},{"a":[[1,2]]},{"a":1}]`, `[{"a":[1,2]},{"a":[[1,2]]}]`},
		{`[{"$match":{"a.b":null}}]`, `[{"a":[{"b":1},{"c":1}]},{"a":[{"b":1}]},{}]`, `[{"a":[{"b":1},{"c":1}]},{}]`},
		{`[{"$sort":{"a":-1}},{"$project":{"_id":1}}]`, `[{"_id":1,"a":[1,9]},{"_id":2,"a":5}]`, `[{"_id":1},{"_id":2}]`},
		{`[{"$group":{"_id":"$nope","f":{"$first":"$y"},"l":{"$last":"$y"},"m":{"$max":"$y"}}}]`, `[{"x":"5"}]`, `[{"_id":null,"f":null,"l":null,"m":null}]`},
		{`[{"$bucketAuto":{"groupBy":"$x","buckets":1,"output":{"f":{"$first":"$y"}}}}]`, `[{"x":5}]`, `[{"_id":{"min":5,"max":5},"f":null}]`},
		{`[{"$group":{"_id":null,"a":{"$avg":"$x"}}}]`, `[{"x":"5"}]`, `[{"_id":null,"a":null}]`},
	} {
		if got, err := run(c.pipeline, c.docs); err != nil || got != c.want {
			t.Errorf("%s: got %s %v, want %s", c.pipeline, got, err, c.want)
		}
	}
	// $out replaces what was there.
	collections := map[string][]any{"copy": {map[string]any{"old": 1}}}
	if _, err := run(`[{"$out":"copy"}]`, `[{"_id":1}]`, aggregate.WithCollections(collections)); err != nil || len(collections["copy"]) != 1 {
		t.Error(err, collections)
	}
	for _, expr := range []string{`{"$size":null}`, `{"$toInt":""}`, `{"$toInt":" 12 "}`, `{"$toInt":"0x1F"}`,
		`{"$dateTrunc":{"date":{"$date":"1999-01-01"},"unit":"year","binSize":100000000000}}`,
		`{"$dateTrunc":{"date":{"$date":"1999-01-01"},"unit":"week","binSize":100000000000}}`,
		`{"$toInt":{"$pow":[-8,0.5]}}`, `{"$toLong":{"$pow":[-8,0.5]}}`,
		`{"$dateFromString":{"dateString":"2024 999","format":"%Y %j"}}`, `{"$dateFromString":{"dateString":"2024 60","format":"%G %V"}}`,
		`{"$switch":{"branches":[{"case":false,"then":1}]}}`, `{"$size":"$nope"}`} {
		if got, err := run(`[{"$replaceWith":{"r":`+expr+`}}]`, one); err == nil {
			t.Errorf("%s gives %s, not an error", expr, got)
		}
	}
}

// TestSpec holds the worked examples of the specification.
func TestSpec(t *testing.T) {
	docs := `[{"data":{"Department":"Engineering","Age":"30"}},{"data":{"Department":"Design","Age":28}},{"data":{"Department":"Engineering","Age":"x"}},{"data":{"Age":"40"}}]`
	got, err := run(`[{"$project":{"d":"$data.Department","a":{"$convertToNumber":"$data.Age"}}},{"$group":{"_id":"$d","avg":{"$avg":"$a"},"n":{"$sum":1}}},{"$sort":{"n":-1,"_id":1}}]`, docs)
	if want := `[{"_id":"Engineering","avg":30,"n":2},{"_id":null,"avg":40,"n":1},{"_id":"Design","avg":28,"n":1}]`; err != nil || got != want {
		t.Error(got, err)
	}
	for _, c := range []struct{ where, doc, want string }{
		{`{"data.n":5}`, `{"data":{"n":"5"}}`, `[]`},
		{`{"data.n":{"$gt":1}}`, `{"data":{"n":"2"}}`, `[]`},
		{`{"data.n":{"$ne":1}}`, `{"data":{"n":[1,2]}}`, `[]`},
		{`{"data.n":null}`, `{"data":{}}`, `[{"data":{}}]`},
		{`{"data.n":{"$gte":"2024"}}`, `{"data":{"n":"2025-01-01"}}`, `[{"data":{"n":"2025-01-01"}}]`},
	} {
		if got, err := run(`[{"$match":`+c.where+`}]`, `[`+c.doc+`]`); err != nil || got != c.want {
			t.Errorf("%s on %s: %s %v", c.where, c.doc, got, err)
		}
	}
	got, err = run(`[{"$sort":{"v":1}},{"$project":{"v":1}}]`, `[{"v":{"$date":"2024-01-01"}},{"v":true},{"v":[]},{"v":{"a":1}},{"v":"a"},{"v":"B"},{"v":1},{"v":null},{}]`)
	if want := `[{"v":[]},{"v":null},{},{"v":1},{"v":"B"},{"v":"a"},{"v":{"a":1}},{"v":true},{"v":{"$date":"2024-01-01T00:00:00.000Z"}}]`; err != nil || got != want {
		t.Error(got, err)
	}
}
