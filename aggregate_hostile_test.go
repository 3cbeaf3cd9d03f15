package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// aggTRepeat puts a text inside itself n times.
func aggTRepeat(before, core, after string, n int) string {
	return strings.Repeat(before, n) + core + strings.Repeat(after, n)
}

const (
	aggTRows  = 1000
	aggTBytes = 2 << 20 // Limits.QueryBytes
)

// aggTBig is a table of aggTRows rows in a database with a limit on what queries hold.
func aggTBig(t testing.TB, queryBytes int) *siftdb.DataSource {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: queryBytes}})
	rows := make([]string, aggTRows)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d,"m":%d,"s":%q,"l":[1,2,3,4],"next":%d}`, i, i%7, strings.Repeat("x", 200), (i+1)%aggTRows)
	}
	table(t, db, "small", `{"n":1}`, `{"n":2}`)
	return table(t, db, "big", rows...)
}

// Outcomes that a hostile pipeline may have, beside a right answer.
const (
	aggTInvalid = "invalid_query"
	aggTTooMuch = "too_large"
	aggTRefused = "either of the two"
)

type aggTCase struct{ name, pipeline, want string }

// aggTHostile are pipelines made to exhaust. want is an outcome, or the right answer.
func aggTHostile() []aggTCase {
	reduce := func(n int, initial, in string) string {
		return fmt.Sprintf(`[{"$limit":1},{"$project":{"a":{"$reduce":{"input":{"$range":[0,%d]},"initialValue":%s,"in":%s}}}}]`, n, initial, in)
	}
	set := func(x string) string { return `[{"$limit":1},{"$project":{"a":` + x + `}}]` }
	return []aggTCase{
		{"depth of expressions", set(aggTRepeat(`{"$not":[`, `1`, `]}`, 5000)), aggTRefused},
		{"depth of arithmetic", set(aggTRepeat(`{"$add":[1,`, `1`, `]}`, 400)), aggTRefused},
		{"depth of $let", set(aggTRepeat(`{"$let":{"vars":{"x":1},"in":`, `1`, `}}`, 300)), aggTRefused},
		{"depth of $match", `[{"$match":` + aggTRepeat(`{"$and":[`, `{}`, `]}`, 5000) + `}]`, aggTRefused},
		{"depth of $or", `[{"$match":` + aggTRepeat(`{"$or":[{"data.n":1},`, `{}`, `]}`, 90) + `}]`, aggTRefused},
		{"depth of $not", `[{"$match":{"data.n":` + aggTRepeat(`{"$not":`, `{"$gt":1}`, `}`, 3000) + `}}]`, aggTRefused},
		{"depth of $elemMatch", `[{"$match":{"data.l":` + aggTRepeat(`{"$elemMatch":`, `{"$gt":1}`, `}`, 3000) + `}}]`, aggTRefused},
		{"depth of lists", aggTRepeat(`[`, ``, `]`, 100_000), aggTRefused},
		{"depth of objects", `[` + aggTRepeat(`{"$match":`, `1`, `}`, 100_000) + `]`, aggTRefused},
		{"open lists", strings.Repeat(`[`, 1_000_000), aggTRefused},
		{"depth of literals", set(`{"$literal":` + aggTRepeat(`[`, ``, `]`, 2000) + `}`), aggTRefused},
		{"depth of $lookup", aggTRepeat(`[{"$lookup":{"from":"small","as":"x","pipeline":`, `[]`, `}}]`, 60), aggTRefused},
		{"depth of $unionWith", aggTRepeat(`[{"$unionWith":{"coll":"small","pipeline":`, `[]`, `}}]`, 60), aggTRefused},
		{"facet in facet", `[{"$facet":{"a":[{"$facet":{"b":[]}}]}}]`, aggTInvalid},
		{"facet in lookup in facet", `[{"$facet":{"a":[{"$lookup":{"from":"small","as":"x","pipeline":[{"$facet":{"b":[{"$facet":{}}]}}]}}]}}]`, aggTInvalid},
		{"path of many dots", set(`"$data` + strings.Repeat(".a", 100_000) + `"`), ``},
		{"path of dots alone", set(`"$` + strings.Repeat(".", 10_000) + `"`), aggTInvalid},
		{"projection of many dots", `[{"$project":{"a` + strings.Repeat(".a", 100_000) + `":1}}]`, aggTRefused},
		{"field of many dots", `[{"$limit":1},{"$set":{"a` + strings.Repeat(".a", 5_000) + `":1}}]`, aggTRefused},
		{"width of a list", set(`{"$size":[[` + strings.Repeat(`1,`, 20_000) + `1]]}`), `[{"a":20001}]`},
		{"width of $and", `[{"$match":{"$and":[` + strings.Repeat(`{"data.n":{"$gte":0}},`, 2_000) + `{"data.n":1}]}},{"$count":"n"}]`, `[{"n":1}]`},
		{"width of $in", `[{"$match":{"data.n":{"$in":[` + strings.Repeat(`-1,`, 50_000) + `5]}}},{"$count":"n"}]`, `[{"n":1}]`},
		{"width of $or", `[{"$match":{"$or":[` + strings.Repeat(`{"data.n":-1},`, 2_000) + `{"data.m":6}]}},{"$count":"n"}]`, `[{"n":142}]`},
		{"many stages", `[` + strings.Repeat(`{"$skip":0},`, 2_000) + `{"$count":"n"}]`, `[{"n":1000}]`},
		{"many facets", `[{"$facet":{` + strings.Join(aggTMany(300, `"f%d":[{"$count":"n"}]`), ",") + `}},{"$project":{"f":"$f299"}}]`, ``},
		{"many unions", `[{"$limit":1},` + strings.Repeat(`{"$unionWith":"small"},`, 300) + `{"$count":"n"}]`, `[{"n":601}]`},
		{"$range of 1e9", set(`{"$range":[0,1000000000]}`), aggTTooMuch},
		{"$range down", set(`{"$range":[1000000000,0,-1]}`), aggTTooMuch},
		{"$range of 1e300", set(`{"$range":[0,1e300]}`), aggTRefused},
		{"$range without a step", set(`{"$range":[0,10,0]}`), aggTInvalid},
		{"size of a $range", set(`{"$size":{"$range":[0,1000000000]}}`), aggTTooMuch},
		{"$range of ranges", set(`{"$map":{"input":{"$range":[0,10000]},"in":{"$range":[0,10000]}}}`), aggTTooMuch},
		{"maps in maps", set(`{"$sum":{"$map":{"input":{"$range":[0,1000]},"in":{"$map":{"input":{"$range":[0,1000]},"in":1}}}}}`), aggTTooMuch},
		{"doubling list", reduce(60, `[1]`, `{"$concatArrays":["$$value","$$value"]}`), aggTTooMuch},
		{"doubling text", reduce(60, `"ab"`, `{"$concat":["$$value","$$value"]}`), aggTTooMuch},
		{"doubling tree", reduce(60, `1`, `["$$value","$$value"]`), aggTTooMuch},
		{"doubling object", reduce(60, `1`, `{"x":"$$value","y":"$$value"}`), aggTTooMuch},
		{"deep value", reduce(100_000, `1`, `{"x":"$$value"}`), aggTTooMuch},
		{"replaceAll", reduce(60, `"aa"`, `{"$replaceAll":{"input":"$$value","find":"a","replacement":"aa"}}`), aggTTooMuch},
		{"set of pairs", reduce(60, `[[1]]`, `{"$setUnion":["$$value",[["$$value","$$value"]]]}`), aggTTooMuch},
		{"zip", reduce(60, `[1]`, `{"$zip":{"inputs":["$$value","$$value","$$value"]}}`), aggTTooMuch},
		{"split", set(`{"$size":{"$split":[` + fmt.Sprintf("%q", strings.Repeat("a", 500_000)) + `,"a"]}}`), ``},
		{"stage doubling", `[{"$limit":1},` + strings.Repeat(`{"$set":{"a":["$a","$a","$a","$a"]}},`, 40) + `{"$limit":1}]`, aggTTooMuch},
		{"root in root", `[{"$limit":1},` + strings.Repeat(`{"$set":{"r":"$$ROOT","q":"$$ROOT"}},`, 60) + `{"$limit":1}]`, aggTTooMuch},
		{"groups of one", `[{"$unwind":"$data.l"},{"$group":{"_id":{"a":"$id","b":"$data.l"},"all":{"$push":"$$ROOT"}}}]`, aggTTooMuch},
		{"unique keys", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$group":{"_id":["$id","$r"]}}]`, aggTTooMuch},
		{"computed keys", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$group":{"_id":{"$toString":{"$add":["$r",{"$multiply":["$id",1000]}]}}}}]`, aggTTooMuch},
		{"large keys", `[{"$group":{"_id":{"$concat":["$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s",{"$toString":"$id"}]}}}]`, aggTTooMuch},
		{"push all", `[{"$set":{"r":{"$range":[0,50]}}},{"$unwind":"$r"},{"$group":{"_id":null,"all":{"$push":"$r"}}}]`, aggTTooMuch},
		{"set of all", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$group":{"_id":null,"all":{"$addToSet":["$id","$r"]}}}]`, aggTTooMuch},
		{"merge all", `[{"$group":{"_id":null,"o":{"$mergeObjects":{"$arrayToObject":[[{"k":{"$concat":["$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s","$data.s",{"$toString":"$id"}]},"v":1}]]}}}}]`, aggTTooMuch},
		{"many accumulators", `[{"$group":{"_id":"$id",` + strings.Join(aggTMany(200, `"a%d":{"$push":"$data.s"}`), ",") + `}}]`, aggTTooMuch},
		{"sort of many", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$sort":{"r":1}}]`, aggTTooMuch},
		{"best of many", `[{"$set":{"r":{"$range":[0,100]}}},{"$unwind":"$r"},{"$sort":{"r":-1,"data.n":1}},{"$limit":1},{"$project":{"r":1,"n":"$data.n"}}]`, `[{"r":99,"n":0}]`},
		{"best of nearly all", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$sort":{"r":-1}},{"$limit":1000000000}]`, aggTTooMuch},
		{"limit and skip of 2^53", `[{"$skip":9007199254740992},{"$limit":9007199254740992}]`, `[]`},
		{"skip and limit add up", `[{"$sort":{"data.n":1}},{"$skip":9223372036854775000},{"$limit":9223372036854775000}]`, ``},
		{"bucketAuto", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$bucketAuto":{"groupBy":"$r","buckets":5}}]`, aggTTooMuch},
		{"buckets of 1e9", `[{"$bucketAuto":{"groupBy":"$data.n","buckets":1000000000}},{"$count":"n"}]`, ``},
		{"sample of 1e9", `[{"$set":{"r":{"$range":[0,200]}}},{"$unwind":"$r"},{"$sample":{"size":1000000000}}]`, aggTTooMuch},
		{"sample of a few", `[{"$sample":{"size":3}},{"$count":"n"}]`, `[{"n":3}]`},
		{"windows", `[{"$setWindowFields":{"sortBy":{"data.n":1},"output":{"a":{"$push":"$data.s","window":{"documents":[-1000,1000]}}}}},{"$sort":{"id":-1}}]`, aggTTooMuch},
		{"window of 1e18", `[{"$limit":2},{"$setWindowFields":{"sortBy":{"data.n":1},"output":{"a":{"$sum":1,"window":{"documents":[-1000000000000000000,1000000000000000000]}}}}},{"$project":{"a":1}}]`, ``},
		{"shift by 1e18", `[{"$limit":2},{"$setWindowFields":{"sortBy":{"data.n":1},"output":{"a":{"$shift":{"output":1,"by":1000000000000000000,"default":7}}}}},{"$project":{"a":1}}]`, ``},
		{"densify", `[{"$project":{"n":"$data.n"}},{"$densify":{"field":"n","range":{"step":0.0000001,"bounds":"full"}}},{"$sort":{"n":1}}]`, aggTTooMuch},
		{"densify without a step", `[{"$densify":{"field":"data.n","range":{"step":0,"bounds":"full"}}}]`, aggTInvalid},
		{"densify below the precision", `[{"$project":{"n":{"$add":["$data.n",9007199254740992]}}},{"$densify":{"field":"n","range":{"step":0.1,"bounds":"full"}}},{"$sort":{"n":1}}]`, ``},
		{"cross join", `[{"$limit":30},{"$lookup":{"from":"big","pipeline":[],"as":"j"}},{"$unwind":"$j"},{"$lookup":{"from":"big","pipeline":[],"as":"k"}},{"$count":"n"}]`, `[{"n":30000}]`},
		{"cross join that is held", `[{"$lookup":{"from":"big","pipeline":[],"as":"j"}},{"$sort":{"id":-1}}]`, aggTTooMuch},
		{"cross join of two", `[{"$limit":40},{"$lookup":{"from":"small","pipeline":[],"as":"j"}},{"$unwind":"$j"},{"$lookup":{"from":"small","pipeline":[],"as":"k"}},{"$unwind":"$k"},{"$count":"n"}]`, `[{"n":160}]`},
		{"join held by $sort", `[{"$lookup":{"from":"small","pipeline":[{"$set":{"x":{"$range":[0,1000]}}}],"as":"j"}},{"$sort":{"id":-1}}]`, aggTTooMuch},
		{"correlated", `[{"$limit":60},{"$lookup":{"from":"small","let":{"i":"$data.n"},"pipeline":[{"$match":{"$expr":{"$gt":["$data.n","$$i"]}}},{"$sort":{"data.s":1}}],"as":"j"}},{"$match":{"j":{"$size":1}}},{"$count":"n"}]`, `[{"n":1}]`},
		{"graph of a ring", `[{"$limit":1},{"$graphLookup":{"from":"small","startWith":"$data.n","connectFromField":"data.n","connectToField":"data.n","as":"r"}},{"$project":{"n":{"$size":"$r"}}}]`, `[{"n":0}]`},
		{"graph of a large ring", `[{"$graphLookup":{"from":"big","startWith":"$data.n","connectFromField":"data.next","connectToField":"data.n","as":"r"}},{"$sort":{"id":1}}]`, aggTTooMuch},
		{"facets", `[{"$facet":{"a":[{"$unwind":"$data.l"}],"b":[{"$unwind":"$data.l"}],"c":[]}}]`, aggTTooMuch},
		{"regexp", `[{"$match":{"data.s":{"$regex":"((((((x+)+)+)+)+)+)+y"}}},{"$count":"n"}]`, `[]`},
		{"large regexp", `[{"$match":{"data.s":{"$regex":"((x{1,100}){1,100}){1,100}y"}}}]`, aggTRefused},
		{"regexp of a column", set(`{"$regexMatch":{"input":"$data.s","regex":{"$concat":["$data.s","("]}}}`), aggTInvalid},
		{"dates", set(`{"$dateAdd":{"startDate":{"$toDate":"2024-01-01"},"unit":"year","amount":1e15}}`), ``},
		{"numbers", set(`{"$toInt":1e300}`), aggTInvalid},
		{"$pow", set(`{"$pow":[10,1e308]}`), ``},
		{"$round to 1e9 digits", set(`{"$round":[1.5,1000000000]}`), ``},
		{"variables that are not there", set(`{"$let":{"vars":{"x":"$$x"},"in":"$$x"}}`), aggTInvalid},
		{"names of variables", set(`{"$let":{"vars":{"` + strings.Repeat("x", 100_000) + `":1},"in":1}}`), ``},
		{"long name of a stage", `[{"$` + strings.Repeat("x", 1_000_000) + `":1}]`, aggTInvalid},
		{"long name of a source", `[{"$unionWith":"` + strings.Repeat("x", 1_000_000) + `"}]`, "not_found"},
		{"bytes that are no text", "[{\"$match\":{\"\xff\":1}}]", aggTInvalid},
		{"lone surrogate", `[{"$match":{"a":"\ud800"}}]`, aggTInvalid},
		{"same key twice", `[{"$match":{"data.n":1},"$match":{"data.n":2}},{"$count":"n"}]`, ``},
		{"__proto__", `[{"$limit":1},{"$set":{"__proto__":{"x":1},"constructor.prototype":2}},{"$project":{"x":1}}]`, `[{}]`},
	}
}

func aggTMany(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

// aggTPeak runs f and gives how much the heap grew meanwhile at most.
func aggTPeak(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base := int64(m.HeapAlloc)
	var peak atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), int64(m.HeapAlloc)-base))
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return peak.Load()
}

// TestAggregateHostile: a pipeline that is made to exhaust ends in a typed error, or in
// the right answer, and holds no more memory than a small multiple of the limit.
func TestAggregateHostile(t *testing.T) {
	ds := aggTBig(t, aggTBytes)
	cases := aggTHostile()
	if len(cases) < 60 {
		t.Errorf("only %d pipelines", len(cases))
	}
	answers := 0
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			deadline, cancel := context.WithTimeout(ctx, 2*time.Minute)
			defer cancel()
			var docs []siftdb.Document
			var err error
			// The rows, the pipeline as a tree, and the garbage between two collections.
			allowed := int64(32<<20 + 60*len(c.pipeline))
			if peak := aggTPeak(func() { docs, err = ds.Aggregate(deadline, c.pipeline, siftdb.Query{}) }); peak > allowed {
				t.Errorf("the heap grew by %d MiB", peak>>20)
			} else {
				t.Logf("%d KiB", peak>>10)
			}
			if err == nil {
				answers++
				text := "[" + strings.Join(aggTTexts(docs), ",") + "]"
				if !json.Valid([]byte(text)) || c.want != "" && text != c.want {
					t.Errorf("gives %.300s, want %s", text, c.want)
				}
				return
			}
			code := aggTCode(err)
			if ok := code == aggTInvalid || code == aggTTooMuch; c.want != "not_found" && !ok || strings.HasPrefix(c.want, "[") || c.want != "" && c.want != aggTRefused && c.want != code {
				t.Errorf("gives the code %s, want %q: %.300v", code, c.want, err)
			}
			if len(err.Error()) > 5_000 {
				t.Errorf("the error is a text of %d bytes: %.100s", len(err.Error()), err)
			}
		})
	}
	if answers < 15 || answers > 50 {
		t.Errorf("%d of %d pipelines gave an answer", answers, len(cases))
	}
}

// TestAggregateEnds: a pipeline without an end in sight ends with its context, whatever it
// is at. The limit is high, so that it does not end for that.
func TestAggregateEnds(t *testing.T) {
	ds := aggTBig(t, 1<<30)
	forever := `{"$set":{"r":{"$range":[0,10000]}}},{"$unwind":"$r"},`
	for name, pipeline := range map[string]string{
		"unwinds":     `[` + strings.Repeat(forever, 6) + `{"$count":"n"}]`,
		"matches":     `[` + strings.Repeat(forever, 6) + `{"$match":{"r":-1}}]`,
		"groups":      `[` + strings.Repeat(forever, 6) + `{"$group":{"_id":null,"n":{"$sum":1}}}]`,
		"best":        `[` + strings.Repeat(forever, 6) + `{"$sort":{"r":1}},{"$limit":1}]`,
		"skip":        `[` + strings.Repeat(forever, 6) + `{"$skip":9007199254740992}]`,
		"facet":       `[{"$facet":{"f":[` + strings.Repeat(forever, 6) + `{"$count":"n"}]}}]`,
		"join":        `[{"$lookup":{"from":"small","as":"j","pipeline":[` + strings.Repeat(forever, 6) + `{"$count":"n"}]}}]`,
		"cross join":  `[` + strings.Repeat(`{"$lookup":{"from":"small","as":"j","pipeline":[]}},{"$unwind":"$j"},`, 40) + `{"$count":"n"}]`,
		"union":       `[{"$unionWith":{"coll":"small","pipeline":[` + strings.Repeat(forever, 6) + `{"$count":"n"}]}},{"$count":"n"}]`,
		"expressions": `[{"$project":{"a":` + aggTRepeat(`{"$sum":{"$map":{"input":{"$range":[0,1000]},"in":`, `1`, `}}}`, 6) + `}}]`,
		"reduce":      `[{"$project":{"a":` + aggTRepeat(`{"$reduce":{"input":{"$range":[0,5000]},"initialValue":0,"in":`, `1`, `}}`, 8) + `}}]`,
		"filter":      `[{"$match":{"$expr":` + aggTRepeat(`{"$size":{"$filter":{"input":{"$range":[0,5000]},"cond":`, `false`, `}}}`, 6) + `}}]`,
		"densify":     `[{"$project":{"n":"$data.n"}},{"$densify":{"field":"n","range":{"step":1,"bounds":[0,9000000000000000]}}},{"$match":{"n":-1}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, each := range []bool{false, true} {
				canceled, cancel := context.WithCancel(ctx)
				timer := time.AfterFunc(100*time.Millisecond, cancel)
				ended := make(chan error, 1)
				go func() {
					if each {
						ended <- eachError(ds.AggregateEach(canceled, pipeline, siftdb.Query{}))
						return
					}
					_, err := ds.Aggregate(canceled, pipeline, siftdb.Query{})
					ended <- err
				}()
				select {
				case err := <-ended:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("ends with %v", err)
					}
				case <-time.After(time.Minute):
					t.Fatal("goes on a minute after its context was canceled")
				}
				timer.Stop()
				cancel()
			}
		})
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := ds.Aggregate(canceled, `[]`, siftdb.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a pipeline under a canceled context ends with %v", err)
	}
	aggTWants(t, ds, `[{"$count":"n"}]`, `{}`, `{"n":1000}`)
}

// TestAggregateStreams: a pipeline of stages that pass documents on holds one at a time,
// so that any number gets through below the limit, and Limit ends the scan.
func TestAggregateStreams(t *testing.T) {
	ds := aggTBig(t, aggTBytes)
	many := `[{"$set":{"r":{"$range":[0,300]}}},{"$unwind":"$r"},{"$match":{"r":{"$gte":0}}},{"$project":{"r":1,"s":"$data.s"}}]`
	count, first := 0, ""
	peak := aggTPeak(func() {
		for d, err := range ds.AggregateEach(ctx, many, siftdb.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; first == "" {
				first = string(d.JSON())
			}
		}
	})
	if count != 300*aggTRows || !strings.HasPrefix(first, `{"r":0,"s":"xxx`) {
		t.Errorf("%d documents, the first %s", count, first)
	}
	if peak > 32<<20 {
		t.Errorf("the heap grew by %d MiB", peak>>20)
	}
	aggTWants(t, ds, `[{"$group":{"_id":"$data.m","n":{"$sum":1}}},{"$sort":{"_id":1}},{"$limit":2}]`, `{}`, `{"_id":0,"n":143}`, `{"_id":1,"n":143}`)
	// The limit ends the stream before the entry on which the pipeline fails, be it the next.
	for _, zero := range []string{"500", "1"} {
		aggTWants(t, ds, `[{"$project":{"x":{"$divide":[1,{"$subtract":["$data.n",`+zero+`]}]}}},{"$project":{"y":{"$lt":["$x",0]}}}]`, `{"limit":1}`, `{"y":true}`)
	}
	_, err := ds.Aggregate(ctx, `[{"$project":{"x":{"$divide":[1,{"$subtract":["$data.n",500]}]}}}]`, siftdb.Query{})
	fails(t, "a division by zero", err, siftdb.ErrInvalidQuery)
}
