package aggregate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// oddOperands are expressions whose values are at the edges of what there is.
var oddOperands = []string{
	`null`, `"$nope"`, `0`, `-1`, `1`, `2.5`, `1e308`, `-1.7e308`, `5e-324`, `9007199254740993`, `4294967296`, `-2147483648`, `9223372036854775807`,
	`{"$pow":[-8,0.5]}`, `{"$multiply":[1e308,10]}`, `{"$multiply":[-1e308,10]}`, `true`, `""`, `"a"`, `"é\u0000"`, `"day"`, `"year"`, `"week"`, `"monday"`,
	`"%Y-%m-%d %G %V %u %j %z"`, `"2024-02-29"`, `"9999-12-31T23:59:59.999Z"`, `"Europe/Oslo"`, `"+99:59"`, `"(a)(b)?"`, `[]`, `[[]]`, `[1,"a",null,{"a":1}]`,
	`[[1,2],[3]]`, `[["k",1]]`, `[{"k":"a","v":1}]`, `[0.5,1]`, `{}`, `{"a":{"b":[1]}}`, `{"$date":"2024-03-31T01:30:00Z"}`, `{"$toDate":8.64e15}`, `{"$toDate":-8.64e15}`,
	`"$$ROOT"`, `"$l"`, `"$l.x"`, `"$l.0"`, `{"$literal":"$x"}`,
}

const oddDocument = `{"_id":1,"n":1e308,"s":"abc","l":[{"x":1},{"x":[2,{"x":3}]},4],"d":{"$date":"1969-12-31T23:59:59.999Z"},"o":{"a":{"b":1}}}`

// oddArguments makes an argument for an operator, often one of the right form.
func oddArguments(r *rand.Rand, names []string) string {
	pick := func() string { return oddOperands[r.IntN(len(oddOperands))] }
	switch {
	case r.IntN(5) == 0:
		return pick()
	case len(names) > 0:
		var parts []string
		for _, n := range names {
			if key, optional := strings.CutSuffix(n, "?"); !optional || r.IntN(2) == 0 {
				parts = append(parts, fmt.Sprintf("%q:%s", key, pick()))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	list := make([]string, r.IntN(5))
	for i := range list {
		list[i] = pick()
	}
	return "[" + strings.Join(list, ",") + "]"
}

// ownNames are the arguments of the operators that compile themselves.
var ownNames = map[string]string{
	"$let": "vars in", "$map": "input as? in", "$filter": "input as? cond limit?", "$reduce": "input initialValue in",
	"$regexMatch": "input regex options?", "$regexFind": "input regex options?", "$regexFindAll": "input regex options?",
	"$sortArray": "input sortBy", "$getField": "field input?", "$switch": "branches default?", "$sigmoid": "input onNull?",
	"$hour": "date timezone?", "$week": "date timezone?", "$isoWeek": "date timezone?", "$dayOfYear": "date timezone?",
}

// TestOddOperands evaluates every operator, accumulator, window operator and stage on values at
// the edges: each gives a value or an error with a code.
func TestOddOperands(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	try := func(pipeline string) {
		defer func() {
			if x := recover(); x != nil {
				t.Errorf("seed %d: %s panics: %v", seed, pipeline, x)
			}
		}()
		p, err := Compile(pipeline, WithLimits(Limits{Memory: 1 << 20, Work: 10_000}), WithCollections(map[string][]any{"a": {map[string]any{"a": 1}}}))
		if err == nil {
			_, err = p.Run(context.Background(), []any{oddValue(t), oddValue(t)})
		}
		var e *errs.Error
		if err != nil && (!errors.As(err, &e) || e.Path == "" || e.Code != errs.InvalidQuery && e.Code != errs.TooLarge) {
			t.Errorf("%s: %T %v", pipeline, err, err)
		}
	}
	for _, name := range sortedNames(allOperators()) {
		names := strings.Fields(allOperators()[name].named + ownNames[name])
		for range 150 {
			try(fmt.Sprintf(`[{"$project":{"r":{%q:%s}}}]`, name, oddArguments(r, names)))
		}
	}
	taking := map[string]string{"$firstN": "input n", "$lastN": "input n", "$minN": "input n", "$maxN": "input n", "$top": "sortBy output",
		"$topN": "sortBy output n", "$bottom": "sortBy output", "$bottomN": "sortBy output n", "$median": "input method", "$percentile": "input p method",
		"$shift": "output by default?", "$expMovingAvg": "input N? alpha?", "$derivative": "input unit?", "$integral": "input unit?", "$minMaxScaler": "input min? max?"}
	for _, name := range append(sortedNames(allAccumulators()), sortedNames(allWindows())...) {
		for range 60 {
			arg := oddArguments(r, strings.Fields(taking[name]))
			try(fmt.Sprintf(`[{"$group":{"_id":%s,"r":{%q:%s}}}]`, oddOperands[r.IntN(len(oddOperands))], name, arg))
			bounds := []string{`{}`, `{"documents":[-1,0]}`, `{"range":[-1e308,"current"]}`, `{"range":[-1,1],"unit":"year"}`, `{"documents":["unbounded",5]}`}[r.IntN(5)]
			try(fmt.Sprintf(`[{"$setWindowFields":{"sortBy":{%q:%d},"output":{"r":{%q:%s,"window":%s}}}}]`, []string{"n", "d", "s", "_id"}[r.IntN(4)], 1-2*r.IntN(2), name, arg, bounds))
		}
	}
	options := map[string]string{"$bucket": "groupBy boundaries default? output?", "$bucketAuto": "groupBy buckets granularity?", "$densify": "field range partitionByFields?",
		"$fill": "output sortBy? partitionBy?", "$lookup": "from localField foreignField as let? pipeline?", "$graphLookup": "from startWith connectFromField connectToField as maxDepth?",
		"$merge": "into on? whenMatched? whenNotMatched?", "$sample": "size", "$unwind": "path includeArrayIndex? preserveNullAndEmptyArrays?"}
	for _, name := range sortedNames(allStages()) {
		for range 100 {
			try(fmt.Sprintf(`[{%q:%s}]`, name, oddArguments(r, strings.Fields(options[name]))))
		}
	}
	for _, name := range sortedNames(matchOperators()) {
		for range 60 {
			try(fmt.Sprintf(`[{"$match":{%q:{%q:%s}}}]`, []string{"n", "l", "l.x", "d", "s"}[r.IntN(5)], name, oddArguments(r, nil)))
		}
	}
	for range 500 {
		try(fmt.Sprintf(`[{"$bucketAuto":{"groupBy":%s,"buckets":%d,"granularity":%q}}]`, oddOperands[r.IntN(len(oddOperands))], 1+r.IntN(3), sortedNames(preferred)[r.IntN(len(preferred))]))
		unit := []string{"year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond"}[r.IntN(9)]
		odd := func() string { return oddOperands[r.IntN(len(oddOperands))] }
		try(fmt.Sprintf(`[{"$project":{"a":{"$dateTrunc":{"date":%s,"unit":%q,"binSize":%s}},"b":{"$dateAdd":{"startDate":%s,"unit":%q,"amount":%s}},"c":{"$dateDiff":{"startDate":%s,"endDate":%s,"unit":%q}}}}]`,
			odd(), unit, odd(), odd(), unit, odd(), odd(), odd(), unit))
	}
}

func oddValue(t *testing.T) any {
	c := &compiler{settings: settings{limits: Limits{}.filled()}, unordered: map[*object]bool{}}
	v, err := c.read(oddDocument)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sortedNames[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
