package siftdb_test

import (
	"encoding/json"
	"fmt"
	"os"
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
	switch w.rnd.IntN(6) {
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
				if diff := cmp.Diff(aggregated(two, pipeline, q), aggregated(one, pipeline, q)); diff != "" {
					t.Fatalf("%s where %s (-scan +columns):\n%s", pipeline, q.Where, diff)
				}
			}
			if n := siftdb.PipelinesByColumns(w.columns) - before; n < int64(steps/8) {
				t.Errorf("of %d pipelines %d were answered from columns", steps, n)
			}
		})
	}
}
