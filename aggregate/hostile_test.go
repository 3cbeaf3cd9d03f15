package aggregate_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// TestRefused has pipelines that do not compile, and where each says the fault is.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ pipeline, path string }{
		{`{}`, "pipeline"},
		{`[`, "pipeline"},
		{`[1]`, "pipeline.0"},
		{`[{}]`, "pipeline.0"},
		{`[{"$match":{},"$limit":1}]`, "pipeline.0"},
		{`[{"$nope":{}}]`, "pipeline.0.$nope"},
		{`[{"$geoNear":{}}]`, "pipeline.0.$geoNear"},
		{`[{"$match":{"$where":"1"}}]`, "pipeline.0.$match.$where"},
		{`[{"$match":{"$filters":[]}}]`, "pipeline.0.$match.$filters"},
		{`[{"$match":{"a":{"$like":"x"}}}]`, "pipeline.0.$match.a.$like"},
		{`[{"$project":{"a":{"$accumulator":{}}}}]`, "pipeline.0.$project.a.$accumulator"},
		{`[{"$project":{"_id":1,"a":0}}]`, ""},
		{`[{"$project":{"_id":0,"a":1}}]`, ""},
		{`"$match"`, "pipeline"},
		{`5`, "pipeline"},
		{`[{"$match":{"a":{"$where":"1"}}}]`, "pipeline.0.$match.a.$where"},
		{`[{"$project":{"a":{"$function":{}}}}]`, "pipeline.0.$project.a.$function"},
		{`[{"$group":{"_id":1,"a":{"$accumulator":{}}}}]`, "pipeline.0.$group.a.$accumulator"},
		{`[{"$group":{"a":{"$sum":1}}}]`, "pipeline.0.$group"},
		{`[{"$group":{"_id":1,"a":{"$sum":1,"$avg":1}}}]`, "pipeline.0.$group.a"},
		{`[{"$group":{"_id":1,"a":{"$nope":1}}}]`, "pipeline.0.$group.a.$nope"},
		{`[{"$project":{"a":{"$add":["$x",{"$nope":1}]}}}]`, "pipeline.0.$project.a.$add.1.$nope"},
		{`[{"$project":{"a":{"$cond":[1,2]}}}]`, "pipeline.0.$project.a.$cond"},
		{`[{"$project":{"a":{"$dateAdd":{"startDate":1,"unit":"day"}}}}]`, "pipeline.0.$project.a.$dateAdd"},
		{`[{"$project":{"a":{"$trim":{"input":"","x":1}}}}]`, "pipeline.0.$project.a.$trim.x"},
		{`[{"$project":{"a":1,"b":0}}]`, "pipeline.0.$project"},
		{`[{"$project":{"a":1,"a.b":1}}]`, "pipeline.0.$project.a.b"},
		{`[{"$project":{"a":"$b..c"}}]`, "pipeline.0.$project.a"},
		{`[{"$project":{"a":"$$nope"}}]`, "pipeline.0.$project.a"},
		{`[{"$project":{}}]`, "pipeline.0.$project"},
		{`[{"$limit":0}]`, "pipeline.0.$limit"},
		{`[{"$limit":1.5}]`, "pipeline.0.$limit"},
		{`[{"$skip":-1}]`, "pipeline.0.$skip"},
		{`[{"$sort":{"a":2}}]`, "pipeline.0.$sort.a"},
		{`[{"$sort":1}]`, "pipeline.0.$sort"},
		{`[{"$count":"$a"}]`, "pipeline.0.$count"},
		{`[{"$count":""}]`, "pipeline.0.$count"},
		{`[{"$unwind":"a"}]`, "pipeline.0.$unwind"},
		{`[{"$unwind":{"path":"$a","x":1}}]`, "pipeline.0.$unwind.x"},
		{`[{"$facet":{"a":[{"$facet":{"b":[]}}]}}]`, "pipeline.0.$facet.a.0.$facet"},
		{`[{"$facet":{"a":[{"$out":"b"}]}}]`, "pipeline.0.$facet.a.0.$out"},
		{`[{"$out":"b"},{"$limit":1}]`, "pipeline.0.$out"},
		{`[{"$lookup":{"from":"a","as":"b"}}]`, "pipeline.0.$lookup"},
		{`[{"$lookup":{"from":"a","localField":"x","as":"b"}}]`, "pipeline.0.$lookup"},
		{`[{"$merge":{"into":"a","whenMatched":"nope"}}]`, "pipeline.0.$merge"},
		{`[{"$match":{"a":{"$regex":"("}}}]`, "pipeline.0.$match.a.$regex"},
		{`[{"$match":{"a":{"$regex":"(?=a)"}}}]`, "pipeline.0.$match.a.$regex"},
		{`[{"$match":{"a":{"$mod":[0,1]}}}]`, "pipeline.0.$match.a.$mod"},
		{`[{"$match":{"a":{"$bitsAllSet":[-1]}}}]`, "pipeline.0.$match.a.$bitsAllSet"},
		{`[{"$match":{"$and":1}}]`, "pipeline.0.$match.$and"},
		{`[{"$bucket":{"groupBy":"$a","boundaries":[1]}}]`, "pipeline.0.$bucket.boundaries"},
		{`[{"$setWindowFields":{"output":{"a":{"$sum":1,"window":{"documents":[1,0]}}}}}]`, "pipeline.0.$setWindowFields.output.a.window"},
		{`[{"$setWindowFields":{"output":{"a":{"$nope":1}}}}]`, "pipeline.0.$setWindowFields.output.a.$nope"},
		{`[{"$match":{"a":{"$gt":{"$date":"soon"}}}}]`, "pipeline"},
		{`[{"$project":{"a":{"$let":{"vars":{"A":1},"in":1}}}}]`, "pipeline.0.$project.a.$let.vars.A"},
	} {
		_, err := aggregate.Compile(c.pipeline)
		if err == nil {
			if c.path != "" {
				t.Errorf("%s compiles", c.pipeline)
			}
			continue
		}
		if code, path := codeOf(t, err); code != errs.InvalidQuery || path != c.path {
			t.Errorf("%s: %s at %q, want %q (%v)", c.pipeline, code, path, c.path, err)
		}
	}
}

// TestFails has pipelines that compile and fail on a document.
func TestFails(t *testing.T) {
	const docs = `[{"a":"x","n":1,"l":[1]}]`
	for _, c := range []struct{ pipeline, path string }{
		{`[{"$project":{"r":{"$add":["$a",1]}}}]`, "pipeline.0.$project.r.$add"},
		{`[{"$match":{}},{"$project":{"r":[{"$divide":["$n",0]}]}}]`, "pipeline.1.$project.r.0.$divide"},
		{`[{"$group":{"_id":{"$toInt":"$a"}}}]`, "pipeline.0.$group._id.$toInt"},
		{`[{"$group":{"_id":1,"x":{"$lastN":{"input":"$a","n":-100}}}}]`, "pipeline.0.$group.x.$lastN"},
		{`[{"$replaceWith":"$a"}]`, "pipeline.0.$replaceWith"},
		{`[{"$lookup":{"from":"no","localField":"a","foreignField":"b","as":"c"}}]`, "pipeline.0.$lookup"},
		{`[{"$match":{"$expr":{"$in":[1,"$a"]}}}]`, "pipeline.0.$match.$expr.$in"},
		{`[{"$bucket":{"groupBy":"$n","boundaries":[5,6]}}]`, "pipeline.0.$bucket"},
		{`[{"$setWindowFields":{"sortBy":{"a":1},"output":{"x":{"$sum":1,"window":{"range":[0,1]}}}}}]`, "pipeline.0.$setWindowFields.output.x.$sum"},
		{`[{"$unionWith":"two"},{"$fill":{"sortBy":{"n":1},"output":{"v":{"method":"linear"}}}}]`, "pipeline.1.$fill"},
		{`[{"$densify":{"field":"a","range":{"step":1,"bounds":"full"}}}]`, "pipeline.0.$densify"},
	} {
		_, err := run(c.pipeline, docs, aggregate.WithCollections(map[string][]any{"two": {
			map[string]any{"n": 2.0, "v": 1.0}, map[string]any{"n": 2.0}, map[string]any{"n": 2.0, "v": 3.0}}}))
		if err == nil {
			t.Errorf("%s does not fail", c.pipeline)
			continue
		}
		if code, path := codeOf(t, err); code != errs.InvalidQuery || path != c.path {
			t.Errorf("%s: %s at %q, want %q (%v)", c.pipeline, code, path, c.path, err)
		}
	}
}

// nested puts a text inside itself n times.
func nested(before, core, after string, n int) string {
	return strings.Repeat(before, n) + core + strings.Repeat(after, n)
}

// TestHostile runs pipelines made to exhaust: each ends in an error of a known type, or in
// little time and memory.
func TestHostile(t *testing.T) {
	docs := make([]any, 2000)
	for i := range docs {
		docs[i] = map[string]any{"_id": float64(i), "s": strings.Repeat("x", 500), "l": []any{1.0, 2.0, 3.0, 4.0}}
	}
	linked := make([]any, 2000)
	for i := range linked {
		linked[i] = map[string]any{"k": 1.0, "ks": []any{1.0, float64(i + 10)}}
	}
	var fields []string
	for i := range 20_000 {
		fields = append(fields, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	wide := make([]any, 10)
	for i := range wide {
		d, err := document.Parse(fmt.Appendf(nil, `{"o":{%s,"i":%d}}`, strings.Join(fields, ","), i), document.Limits{Keys: -1})
		if err != nil {
			t.Fatal(err)
		}
		wide[i] = d
	}
	collections := map[string][]any{"all": docs, "linked": linked, "wide": wide}
	lim := aggregate.DefaultLimits
	lim.Memory, lim.Work = 32<<20, 2_000_000
	pipelines := map[string]string{
		"depth":            `[{"$project":{"a":` + nested(`{"$not":[`, `1`, `]}`, 5000) + `}}]`,
		"depth of match":   `[{"$match":` + nested(`{"$and":[`, `{}`, `]}`, 5000) + `}]`,
		"depth of lists":   nested(`[`, ``, `]`, 100_000),
		"width":            `[{"$project":{"a":[` + strings.Repeat(`1,`, 20_000) + `1]}}]`,
		"stages":           `[` + strings.Repeat(`{"$limit":1},`, 1000) + `{"$limit":1}]`,
		"range":            `[{"$project":{"a":{"$range":[0,1000000000]}}}]`,
		"range of ranges":  `[{"$project":{"a":{"$map":{"input":{"$range":[0,10000]},"in":{"$range":[0,10000]}}}}}]`,
		"doubling list":    `[{"$project":{"a":{"$reduce":{"input":{"$range":[0,60]},"initialValue":[1],"in":{"$concatArrays":["$$value","$$value"]}}}}}]`,
		"doubling text":    `[{"$project":{"a":{"$reduce":{"input":{"$range":[0,60]},"initialValue":"ab","in":{"$concat":["$$value","$$value"]}}}}}]`,
		"doubling tree":    `[{"$project":{"a":{"$reduce":{"input":{"$range":[0,60]},"initialValue":1,"in":["$$value","$$value"]}}}}]`,
		"deep value":       `[{"$project":{"a":{"$reduce":{"input":{"$range":[0,100000]},"initialValue":1,"in":{"x":"$$value"}}}}}]`,
		"stage doubling":   `[` + strings.Repeat(`{"$project":{"a":["$a","$a","$a","$a"]}},`, 40) + `{"$limit":1}]`,
		"replaceAll":       `[{"$project":{"a":{"$reduce":{"input":{"$range":[0,60]},"initialValue":"aa","in":{"$replaceAll":{"input":"$$value","find":"a","replacement":"aa"}}}}}}]`,
		"unique groups":    `[` + strings.Repeat(`{"$unwind":"$l"},{"$set":{"l":[1,2,3,4]}},`, 5) + `{"$group":{"_id":{"a":"$_id","b":"$l"},"l":{"$push":"$$ROOT"}}}]`,
		"unwinds":          `[` + strings.Repeat(`{"$set":{"l":{"$range":[0,1000]}}},{"$unwind":"$l"},`, 5) + `{"$count":"n"}]`,
		"push all":         `[{"$unwind":"$l"},{"$set":{"l":{"$range":[0,100]}}},{"$unwind":"$l"},{"$group":{"_id":null,"l":{"$push":{"a":"$$ROOT","b":"$l"}}}}]`,
		"sort of many":     `[{"$unwind":"$l"},{"$set":{"l":{"$range":[0,1000]}}},{"$unwind":"$l"},{"$sort":{"l":1}}]`,
		"cross join":       `[{"$lookup":{"from":"all","pipeline":[],"as":"j"}},{"$unwind":"$j"},{"$lookup":{"from":"all","pipeline":[],"as":"k"}},{"$unwind":"$k"},{"$count":"n"}]`,
		"cross join out":   `[{"$lookup":{"from":"all","pipeline":[],"as":"j"}},{"$lookup":{"from":"all","pipeline":[],"as":"k"}}]`,
		"correlated":       `[{"$lookup":{"from":"all","let":{"i":"$_id"},"pipeline":[{"$match":{"$expr":{"$gt":["$_id","$$i"]}}},{"$sort":{"s":1}}],"as":"j"}}]`,
		"densify":          `[{"$densify":{"field":"_id","range":{"step":0.0000001,"bounds":"full"}}}]`,
		"windows":          `[{"$setWindowFields":{"sortBy":{"_id":1},"output":{"a":{"$push":"$$ROOT","window":{"documents":[-1000,1000]}}}}}]`,
		"regexp":           `[{"$match":{"s":{"$regex":"((((((x+)+)+)+)+)+)+y"}}}]`,
		"large regexp":     `[{"$match":{"s":{"$regex":"` + strings.Repeat("(a|b)", 300) + `"}}}]`,
		"repeats":          `[{"$match":{"s":{"$regex":"((x{1,100}){1,100}){1,100}y"}}}]`,
		"facets":           `[{"$facet":{` + strings.TrimSuffix(strings.Repeat(`"f%":[{"$unwind":"$l"},{"$unwind":"$l"}],`, 1), ",") + `}},{"$unwind":"$f%"},{"$unwind":"$f%"}]`,
		"dates":            `[{"$project":{"a":{"$dateAdd":{"startDate":{"$date":"2024-01-01"},"unit":"year","amount":1e15}}}}]`,
		"one link":         `[{"$set":{"k":1}},{"$graphLookup":{"from":"linked","startWith":"$k","connectFromField":"k","connectToField":"k","as":"g"}},{"$count":"n"}]`,
		"links":            `[{"$limit":1},{"$graphLookup":{"from":"linked","startWith":1,"connectFromField":"ks","connectToField":"k","as":"g"}},{"$count":"n"}]`,
		"trim":             `[{"$limit":1},{"$set":{"c":{"$reduce":{"input":{"$range":[0,20]},"initialValue":"éa","in":{"$concat":["$$value","$$value"]}}},"z":{"$reduce":{"input":{"$range":[0,20]},"initialValue":"z","in":{"$concat":["$$value","$$value"]}}}}},{"$project":{"t":{"$trim":{"input":"$z","chars":{"$concat":["$c","z"]}}}}}]`,
		"wide keys":        `[{"$unionWith":"wide"},{"$group":{"_id":"$o"}},{"$sort":{"_id":1}},{"$count":"n"}]`,
		"tiny step":        `[{"$match":{"_id":{"$gt":0}}},{"$densify":{"field":"_id","range":{"step":5e-324,"bounds":"full"}}}]`,
		"tiny bucket":      `[{"$bucketAuto":{"groupBy":{"$literal":5e-324},"buckets":3,"granularity":"R5"}}]`,
		"huge bucket":      `[{"$bucketAuto":{"groupBy":{"$literal":1.7e308},"buckets":3,"granularity":"R5"}}]`,
		"no number bucket": `[{"$bucketAuto":{"groupBy":{"$pow":[-8,0.5]},"buckets":3,"granularity":"E6"}}]`,
		"numbers":          `[{"$project":{"a":{"$toDate":1e300},"b":{"$toInt":1e300}}}]`,
	}
	for name, pipeline := range pipelines {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			p, err := aggregate.Compile(pipeline, aggregate.WithLimits(lim), aggregate.WithCollections(collections))
			if err == nil {
				_, err = p.Run(context.Background(), docs)
			}
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if err != nil {
				if code, _ := codeOf(t, err); code != errs.InvalidQuery && code != errs.TooLarge {
					t.Error(err)
				}
			}
			if took > 20*time.Second {
				t.Errorf("takes %v (%v)", took, err)
			}
			t.Logf("%v, %d MiB in all: %.100v", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	p, err := aggregate.Compile(`[{"$project":{"a":{"$reduce":{"input":{"$range":[0,1000000]},"initialValue":0,"in":{"$add":["$$value","$$this"]}}}}}]`)
	if err != nil {
		t.Fatal(err)
	}
	docs := make([]any, 10_000)
	for i := range docs {
		docs[i] = map[string]any{}
	}
	if _, err := p.Run(ctx, docs); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestWork(t *testing.T) {
	p, err := aggregate.Compile(`[{"$set":{"l":{"$range":[0,100]}}},{"$unwind":"$l"},{"$count":"n"}]`, aggregate.WithLimits(aggregate.Limits{Work: 1000}))
	if err != nil {
		t.Fatal(err)
	}
	docs := make([]any, 20)
	for i := range docs {
		docs[i] = map[string]any{"a": i}
	}
	if code, _ := codeOf(t, func() error { _, err := p.Run(context.Background(), docs); return err }()); code != errs.TooLarge {
		t.Error(code)
	}
	if _, err := p.Run(context.Background(), docs[:1]); err != nil {
		t.Error(err)
	}
}
