package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// pipeline makes a pipeline of which columns may suffice, or nearly so.
func (w *columnTwins) pipeline() string {
	pick := func(list ...string) string { return list[w.rnd.IntN(len(list))] }
	value := func() string { return columnValues[w.rnd.IntN(len(columnValues))] }
	field := func() string {
		return pick("data.a", "data.b", "data.c", "data.c", "data.a.b", "data.a.k", "data.b.0", "data.nowhere", "data")
	}
	if w.rnd.IntN(16) == 0 { // of which only the number of entries matters
		return "[" + pick(``, ``, `{"$match":{}},`, `{"$match":{"$nor":[{}]}},`) + pick(`{"$count":"n"}`, `{"$group":{"_id":null,"n":{"$sum":0.1},"list":{"$push":"x"}}}`, `{"$sortByCount":"x"}`) + "]"
	}
	var match func(depth int) string
	match = func(depth int) string {
		if depth > 0 && w.rnd.IntN(3) == 0 {
			return fmt.Sprintf(`{%q:[%s,%s]}`, pick("$and", "$or", "$nor"), match(depth-1), match(depth-1))
		}
		v := value()
		test := pick(v, `{"$gt":50}`, `{"$gte":5,"$lt":120}`, `{"$ne":`+v+`}`, `{"$in":[`+v+`,`+value()+`]}`, `{"$nin":[`+v+`]}`, `{"$exists":false}`,
			`{"$type":"string"}`, `{"$mod":[7,3]}`, `{"$regex":"^[rb5]"}`, `{"$size":3}`, `{"$not":{"$lt":100}}`, `{"$elemMatch":{"k":2}}`, `{"$gt":"c"}`, `{"$all":[1,"x"]}`)
		return fmt.Sprintf(`{%q:%s}`, field(), test)
	}
	var stages []string
	for range w.rnd.IntN(3) {
		stages = append(stages, `{"$match":`+match(2)+`}`)
	}
	accs := func() string {
		var list []string
		for i := range 1 + w.rnd.IntN(4) {
			arg := `"$` + field() + `"`
			if w.rnd.IntN(5) == 0 {
				arg = pick(`1`, `0.1`, `null`, `"text"`)
			}
			acc := pick("$sum", "$avg", "$min", "$max", "$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet", "$stdDevPop", "$mergeObjects", "$concatArrays", "$count")
			if acc == "$count" {
				arg = `{}`
			}
			list = append(list, fmt.Sprintf(`"f%d":{%q:%s}`, i, acc, arg))
		}
		return strings.Join(list, ",")
	}
	id := pick(`"$`+field()+`"`, `"$`+field()+`"`, `null`, `7`, fmt.Sprintf(`{"x":"$%s","y":"$%s"}`, field(), field()), `{"x":"$data.c","y":1}`, `{"$toUpper":"$data.a"}`, `["$data.a"]`)
	switch w.rnd.IntN(9) {
	case 6, 7, 8:
		return "[" + strings.Join(append(stages, w.sort()...), ",") + "]"
	case 0:
		stages = append(stages, `{"$count":"n"}`)
	case 1:
		stages = append(stages, `{"$sortByCount":"$`+field()+`"}`)
	case 2:
		other := pick(``, `,"default":"other"`, `,"default":-1`)
		stages = append(stages, `{"$bucket":{"groupBy":"$`+field()+`","boundaries":[0,5,50,100]`+other+`,"output":{`+accs()+`}}}`)
	default:
		stages = append(stages, `{"$group":{"_id":`+id+`,`+accs()+`}}`)
	}
	if w.rnd.IntN(3) == 0 {
		stages = append(stages, pick(`{"$sort":{"_id":1}}`, `{"$limit":3}`, `{"$project":{"f0":1}}`, `{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}`))
	}
	return "[" + strings.Join(stages, ",") + "]"
}

// sort makes a $sort with what makes few documents of it, or nearly so.
func (w *columnTwins) sort() []string {
	pick := func(list ...string) string { return list[w.rnd.IntN(len(list))] }
	var keys []string
	for i := range 1 + w.rnd.IntN(3) {
		keys = append(keys, fmt.Sprintf("%q:%s", pick("data.a", "data.b", "data.c", "data.c", "data.a.b", "data.a.k", "data.b.0", "data.nowhere", "data.b.b.er"), pick("1", "-1")))
		if i == 0 && w.rnd.IntN(12) == 0 {
			keys = append(keys, pick(`"id":-1`, `"data":1`))
		}
	}
	list := []string{`{"$sort":{` + strings.Join(keys, ",") + `}}`}
	if w.rnd.IntN(4) == 0 {
		list = append(list, pick(`{"$project":{"data.c":1,"id":1}}`, `{"$addFields":{"x":"$data.a"}}`, `{"$unset":"data.b"}`, `{"$replaceWith":"$data"}`))
	}
	if w.rnd.IntN(3) == 0 {
		list = append(list, fmt.Sprintf(`{"$skip":%d}`, []int64{0, 2, 7, 5000, 1 << 31}[w.rnd.IntN(5)]))
	}
	if w.rnd.IntN(8) > 0 {
		list = append(list, fmt.Sprintf(`{"$limit":%d}`, []int64{1, 2, 5, 17, 40, 1 << 31}[w.rnd.IntN(6)]))
	}
	if w.rnd.IntN(4) == 0 {
		list = append(list, pick(`{"$skip":2}`, `{"$limit":3}`, `{"$project":{"id":1,"data.c":1}}`, `{"$group":{"_id":null,"all":{"$push":"$data.c"}}}`, `{"$unwind":"$data.a"}`))
	}
	return list
}

// aggregated is all that a pipeline gives, as text.
func aggregated(ds *siftdb.DataSource, pipeline string, q siftdb.Query) []string {
	list, err := ds.Aggregate(ctx, pipeline, q)
	if err != nil {
		return []string{"error " + strings.ReplaceAll(err.Error(), strconv.FormatInt(ds.ID(), 10), "N")}
	}
	out := []string{}
	for _, d := range list {
		out = append(out, string(d.JSON()))
	}
	return out
}

// unlimited asks the twin that scans without a limit on what it holds.
func (w *columnTwins) unlimited(ask func() []string) []string {
	defer siftdb.LimitQueries(w.scanned, siftdb.LimitQueries(w.scanned, -1))
	return ask()
}

// TestPipelinesAgree runs random pipelines over both twins, as trusted code and as somebody from
// whom a column is hidden, while they are written to.
func TestPipelinesAgree(t *testing.T) {
	steps := 80
	if text := os.Getenv("SIFTDB_COLUMN_QUERIES"); text != "" {
		steps, _ = strconv.Atoi(text)
	}
	for run := range 4 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			w := newColumnTwins(t, seed, 0, siftdb.Limits{QueryBytes: []int{0, 0, 3000, 30_000}[run]})
			rows := []any{}
			for range 100 + w.rnd.IntN(300) {
				rows = append(rows, w.row())
			}
			rows = append(rows, json.RawMessage(`{"a":{"$date":"2024-01-02T00:00:00Z"},"b":0.1,"c":0.2}`), json.RawMessage(`{"b":1e300,"c":-0}`))
			w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
			bob := &security.Principal{TokenID: 1}
			before := siftdb.PipelinesByColumns(w.columns)
			sorts, sorted := 0, 0
			for range steps {
				if w.rnd.IntN(6) == 0 {
					w.write(false)
				}
				q := siftdb.Query{}
				if w.rnd.IntN(3) == 0 {
					q.Where = w.where(1)
				}
				pipeline := w.pipeline()
				one, two := w.columns, w.scanned
				if w.rnd.IntN(4) == 0 {
					one, two = one.As(bob), two.As(bob)
				}
				if w.rnd.IntN(6) == 0 {
					list := must[[]siftdb.Version](t)(w.columns.Versions(ctx, siftdb.Page{}))
					at := list[w.rnd.IntN(min(len(list), 12))].ID
					one, two = one.At(at), two.At(at)
				}
				if w.rnd.IntN(4) == 0 {
					q.Limit, q.Offset = new(w.rnd.IntN(20)), w.rnd.IntN(5)
				}
				answered := siftdb.PipelinesByColumns(w.columns)
				got := aggregated(one, pipeline, q)
				byColumns := siftdb.PipelinesByColumns(w.columns) > answered
				if strings.HasPrefix(pipeline, `[{"$sort":`) {
					if sorts++; byColumns {
						sorted++
					}
				}
				want := aggregated(two, pipeline, q)
				if strings.Contains(pipeline, `{"$sort":{"data.`) && byColumns && strings.Contains(strings.Join(want, ""), "the pipeline holds more than") {
					want = w.unlimited(func() []string { return aggregated(two, pipeline, q) }) // columns hold no documents
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s where %s offset %d limit %v (-scan +columns):\n%s", pipeline, q.Where, q.Offset, q.Limit, diff)
				}
			}
			if sorts > 10 && sorted < sorts/8 {
				t.Errorf("of %d sorts %d were answered from columns", sorts, sorted)
			}
			if n := siftdb.PipelinesByColumns(w.columns) - before; n < int64(steps/8) {
				t.Errorf("of %d pipelines %d were answered from columns", steps, n)
			}
		})
	}
}

// TestSortedPipelineStays reads what a $sort on columns gives while the data source is written to:
// what comes is what was there when it began. Cut off in between, it says so.
func TestSortedPipelineStays(t *testing.T) {
	w := newColumnTwins(t, 3, 0, siftdb.Limits{})
	rows := []any{}
	for i := range 1500 {
		rows = append(rows, siftdb.M{"n": i * 7 % 1500, "k": i % 3})
	}
	w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
	const pipeline = `[{"$match":{"data.k":{"$lt":2}}},{"$sort":{"data.k":-1,"data.n":1}},{"$skip":3},{"$limit":90}]`
	want := aggregated(w.scanned, pipeline, siftdb.Query{})
	for range 3 {
		aggregated(w.columns, pipeline, siftdb.Query{})
	}
	before := siftdb.PipelinesByColumns(w.columns)
	got := []string{}
	for d, err := range w.columns.AggregateEach(ctx, pipeline, siftdb.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, string(d.JSON())); len(got) == 1 {
			must[int64](t)(w.columns.UpdateWhere(ctx, `{"k":1}`, siftdb.Patch{Set: siftdb.M{"k": 0, "n": 5}}))
			must[*siftdb.Result](t)(w.columns.Query(ctx, siftdb.Query{Type: "delete", Where: `{"k":2}`}))
			aggregated(w.columns, pipeline, siftdb.Query{})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-scan +columns):\n%s", diff)
	}
	if n := siftdb.PipelinesByColumns(w.columns) - before; n == 0 {
		t.Error("it was not answered from columns")
	}
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	for _, err := range w.columns.AggregateEach(cut, pipeline, siftdb.Query{}) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a pipeline that is cut off ends with %v", last)
	}
}

// TestPipelineMemory: a pipeline that begins on columns needs no more memory from its second stage
// on than one that reads documents, to the byte.
func TestPipelineMemory(t *testing.T) {
	for _, pipeline := range []string{
		`[{"$group":{"_id":null,"f":{"$push":"$data.b.0"}}},{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}]`,
		`[{"$match":{"data.b":{"$nin":[[]]}}},{"$group":{"_id":{"x":"$data.nowhere","y":"$data.c"},"f":{"$max":"$data.a"}}},{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}]`,
	} {
		w := newColumnTwins(t, 3, 0, siftdb.Limits{})
		rows := []any{}
		for range 150 {
			rows = append(rows, w.row())
		}
		w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
		for range 3 {
			aggregated(w.columns, pipeline, siftdb.Query{})
		}
		before := siftdb.PipelinesByColumns(w.columns)
		least := func(ds *siftdb.DataSource) int {
			return sort.Search(1<<20, func(bytes int) bool {
				siftdb.QueryBytes(ds, bytes+1)
				return !strings.Contains(strings.Join(aggregated(ds, pipeline, siftdb.Query{}), ""), "holds more than")
			})
		}
		if columns, scan := least(w.columns), least(w.scanned); columns != scan || siftdb.PipelinesByColumns(w.columns) == before {
			t.Errorf("%s: %d bytes from columns, %d from documents", pipeline, columns, scan)
		}
	}
}
