package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/aggregate"
)

// aggTSeed is the seed of a random test: AGGREGATE_SEED, or one of the clock. It is
// printed.
func aggTSeed(t testing.TB) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("AGGREGATE_SEED"); text != "" {
		seed = must[uint64](t)(strconv.ParseUint(text, 10, 64))
	}
	t.Logf("AGGREGATE_SEED=%d", seed)
	return seed
}

// aggTRandom makes documents and conditions on them, from few names and values, so that
// they meet.
type aggTRandom struct{ *rand.Rand }

func aggTPick[T any](r aggTRandom, list ...T) T { return list[r.IntN(len(list))] }

// column is the name of a column, among them all that a path could take for something else.
func (r aggTRandom) column() string {
	if r.IntN(3) > 0 {
		return aggTPick(r, "a", "b", "c")
	}
	return aggTPick(r, "a.b", "data", "data.a", "id", "order", "createdAt", "Session ID", "length", "$p", "10", "1.5", "0x1", " 2", "é", "A", "a b.c", "Infinity", "", "constructor", "none")
}

func (r aggTRandom) scalar() string {
	if r.IntN(2) == 0 {
		return aggTPick(r, `5`, `5`, `1`, `"5"`, `"abc"`, `null`, `true`, `0`)
	}
	return aggTPick(r, `null`, `true`, `false`, `0`, `1`, `5`, `-1`, `2.5`, `5.0`, `1e400`, `-0`, `9007199254740993`, `9007199254740992`, `0.1`, `0.10000000000000000001`,
		`""`, `"5"`, `" 5 "`, `"abc"`, `"ABC"`, `"0"`, `"1e1"`, `"null"`, `"true"`, `"Infinity"`, `"2024-01-02"`, `"[object Object]"`, `"é"`, `"a%"`, `"%"`, `"session.Email"`, `"1,2"`)
}

// value is a JSON value, mostly a scalar.
func (r aggTRandom) value(depth int) string {
	if depth > 2 || r.IntN(3) > 0 {
		return r.scalar()
	}
	switch n := r.IntN(4); r.IntN(5) {
	case 0, 1, 2:
		list := make([]string, n)
		for i := range list {
			list[i] = r.value(depth + 1)
		}
		return "[" + strings.Join(list, ",") + "]"
	case 3:
		return aggTPick(r, `{"$date":"2024-01-02"}`, `{"$date":"2024-01-03T00:00:00.000Z"}`, `{"$date":"soon"}`, `{}`)
	default:
		return r.object(n, depth+1)
	}
}

func (r aggTRandom) object(n, depth int) string {
	fields := make([]string, n)
	for i := range fields {
		key, _ := json.Marshal(r.column())
		fields[i] = string(key) + ":" + r.value(depth)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// path is the path of a condition: mostly of a column.
func (r aggTRandom) path() string {
	switch r.IntN(10) {
	case 0:
		return aggTPick(r, "id", "order", "createdAt", "dataSourceId", "deletedAt", "joins", "none", "data")
	case 1:
		return "data." + r.column() + "." + aggTPick(r, "a", "b", "0", "1", "length")
	}
	return "data." + r.column()
}

// operand is what stands behind a path.
func (r aggTRandom) operand(depth int) string {
	if depth > 2 || r.IntN(4) == 0 {
		return r.literal(0)
	}
	list := func() string {
		out := make([]string, r.IntN(4))
		for i := range out {
			out[i] = r.literal(1)
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	one := func() string {
		switch name := aggTPick(r, "$eq", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$in", "$nin", "$exists", "$type", "$mod", "$regex", "$all", "$size", "$elemMatch", "$not"); name {
		case "$in", "$nin", "$all":
			return `"` + name + `":` + list()
		case "$exists":
			return `"$exists":` + aggTPick(r, "true", "false", "1", "0", "null", `""`)
		case "$type":
			return `"$type":` + aggTPick(r, `"string"`, `"number"`, `"array"`, `"object"`, `"bool"`, `"date"`, `"null"`)
		case "$mod":
			return `"$mod":` + aggTPick(r, "[2,1]", "[5,0]", "[3,0]")
		case "$regex":
			return `"$regex":` + aggTPick(r, `"5"`, `"^a"`, `"^a","$options":"i"`, `"."`)
		case "$size":
			return `"$size":` + aggTPick(r, "0", "1", "2")
		case "$elemMatch":
			return `"$elemMatch":` + aggTPick(r, `{"$gt":1}`, `{"a":5}`, `{"$eq":"5"}`, `{"a":{"$exists":true}}`)
		case "$not":
			return `"$not":` + aggTPick(r, `{"$gt":1}`, `{"$eq":5}`, `{"$exists":true}`, `{"$in":[null,5]}`, `{"$regex":"5"}`)
		default:
			return `"` + name + `":` + r.literal(0)
		}
	}
	if r.IntN(4) == 0 {
		return "{" + one() + "," + one() + "}"
	}
	return "{" + one() + "}"
}

func (r aggTRandom) literal(depth int) string {
	if r.IntN(4) > 0 {
		return r.scalar()
	}
	return r.value(depth + 1)
}

// condition is the query of a $match.
func (r aggTRandom) condition(depth int) string {
	fields := make([]string, 1+r.IntN(5)/4)
	for i := range fields {
		switch n := r.IntN(12); {
		case n < 3 && depth < 3:
			list := make([]string, 1+r.IntN(3))
			for i := range list {
				list[i] = r.condition(depth + 1)
			}
			fields[i] = fmt.Sprintf(`%q:[%s]`, aggTPick(r, "$and", "$or", "$or", "$or", "$nor"), strings.Join(list, ","))
		case n == 3:
			fields[i] = fmt.Sprintf(`"$expr":{"%s":[%q,%s]}`, aggTPick(r, "$eq", "$gt", "$lte"), "$data."+aggTPick(r, "a", "b"), aggTPick(r, "1", "5", `"5"`, "null"))
		default:
			path, _ := json.Marshal(r.path())
			fields[i] = string(path) + ":" + r.operand(0)
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// pipeline begins with one $match or more.
func (r aggTRandom) pipeline() string {
	stages := []string{`{"$match":` + r.condition(0) + `}`}
	for r.IntN(6) == 0 {
		stages = append(stages, `{"$match":`+r.condition(0)+`}`)
	}
	switch r.IntN(8) {
	case 0:
		stages = append(stages, `{"$group":{"_id":"$data.a","n":{"$sum":1},"ids":{"$push":"$id"}}}`)
	case 1:
		stages = append(stages, `{"$sort":{"data.a":1,"id":-1}}`, `{"$limit":5}`)
	case 2:
		stages = append(stages, `{"$unwind":"$data.b"}`, `{"$match":`+r.condition(1)+`}`)
	case 3:
		stages = append(stages, `{"$set":{"data.a":"$id"}}`, `{"$match":`+r.condition(1)+`}`)
	}
	return "[" + strings.Join(stages, ",") + "]"
}

// aggTBare runs a pipeline by package aggregate alone, over documents.
func aggTBare(pipeline string, docs []any) ([]string, error) {
	p, err := aggregate.Compile(pipeline)
	if err != nil {
		return nil, err
	}
	input := func(yield func(aggregate.Value, error) bool) {
		for _, d := range docs {
			if !yield(aggregate.ValueOf(d), nil) {
				return
			}
		}
	}
	out := []string{}
	for v, err := range p.StreamValues(ctx, input) {
		if err != nil {
			return nil, err
		}
		out = append(out, string(v.AppendJSON(nil)))
	}
	return out, nil
}

// aggTCanonical is JSON text with its keys sorted.
func aggTCanonical(t testing.TB, texts []string) (out []string) {
	for _, text := range texts {
		out = append(out, asJSON(t, must[any](t)(aggTDecode(text))))
	}
	return out
}

// aggTDecode decodes JSON, with numbers as they stand.
func aggTDecode(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// TestAggregateMatch: handing the conditions of the first $match down to the scan loses
// nothing and adds nothing: the answer is that of package aggregate over the decoded
// documents, also for old versions and beside a where.
func TestAggregateMatch(t *testing.T) {
	seed := aggTSeed(t)
	engines(t, func(t *testing.T, db *siftdb.DB) {
		r := aggTRandom{rand.New(rand.NewPCG(seed, 0))}
		pairs, some, all, none := 0, 0, 0, 0
		for round := range 14 {
			rows := make([]string, 25)
			for i := range rows {
				rows[i] = r.object(r.IntN(9), 0)
			}
			ds := table(t, db, fmt.Sprint("t", round), rows...)
			must[siftdb.BulkResult](t)(ds.Append(ctx, raws(r.object(4, 0), r.object(4, 0), `{"a":5,"b":[5,null]}`)))
			ids := entryIDs(t, ds)
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[3], json.RawMessage(`{"a":`+r.value(0)+`}`)))
			if err := ds.Remove(ctx, ids[5]); err != nil {
				t.Fatal(err)
			}
			old := ds.At(versionsOf(t, ds)[1].ID)
			for _, handle := range []*siftdb.DataSource{ds, old} {
				for _, where := range []string{`{}`, `{"a":{"$exists":true}}`} {
					query := siftdb.Query{Where: where}
					var parsed, decoded []any
					for _, text := range aggTEntries(t, handle, `{"where":`+where+`}`) {
						parsed = append(parsed, aggregate.ValueOf(json.RawMessage(text)))
						decoded = append(decoded, must[any](t)(aggTDecode(text)))
					}
					for range 70 {
						pipeline := r.pipeline()
						docs, err := handle.Aggregate(ctx, pipeline, query)
						want, wantErr := aggTBare(pipeline, parsed)
						plain, plainErr := aggTBare(pipeline, decoded)
						if aggTCode(err) != aggTCode(wantErr) || aggTCode(err) != aggTCode(plainErr) {
							t.Fatalf("round %d, where %s, %s: over the data source %v, over documents %v, over decoded ones %v", round, where, pipeline, err, wantErr, plainErr)
						}
						if pairs++; err != nil {
							continue
						}
						got := aggTTexts(docs)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Fatalf("round %d, where %s, %s: the data source (+) differs: %s", round, where, pipeline, diff)
						}
						if diff := cmp.Diff(aggTCanonical(t, plain), aggTCanonical(t, got)); diff != "" {
							t.Fatalf("round %d, where %s, %s: the data source (+) differs from decoded documents: %s", round, where, pipeline, diff)
						}
						switch {
						case len(got) == 0:
							none++
						case len(got) < len(parsed):
							some++
						default:
							all++
						}
					}
				}
			}
		}
		t.Logf("%d pairs: some documents pass in %d, all in %d, none in %d", pairs, some, all, none)
		if pairs < 3000 || some < pairs/6 || all < pairs/200 {
			t.Errorf("%d pairs, of which some documents pass in %d and all in %d: that proves little", pairs, some, all)
		}
	})
}

// TestAggregateMatchTypes tries each value of a column against each condition that can be
// handed down.
func TestAggregateMatchTypes(t *testing.T) {
	values := []string{`null`, `true`, `false`, `0`, `1`, `5`, `-0`, `""`, `"5"`, `"5.0"`, `"abc"`, `"ABC"`, `"2020-01-02"`, `[]`, `[5]`, `["5"]`, `[1,5]`, `["abc"]`, `[null]`, `{}`, `{"a":1}`,
		`[[5]]`, `[[]]`, `[true]`, `[false,""]`, `1e400`, `-1e400`, `1e-400`, `9007199254740993`, `{"$date":"2020-01-02"}`, `[{"$date":"2020-01-02"}]`, `[{}]`, `[{"a":5}]`, `"Infinity"`, `"null"`, `[null,5]`, `"\u0000"`}
	ds := table(t, memoryDB(t, nil), "t", `{}`)
	docs := []any{}
	for _, v := range values {
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"x":`+v+`}`)))
	}
	for _, text := range aggTEntries(t, ds, `{}`) {
		docs = append(docs, aggregate.ValueOf(json.RawMessage(text)))
	}
	passed := 0
	for _, v := range values {
		for _, operand := range []string{`%s`, `{"$eq":%s}`, `{"$ne":%s}`, `{"$in":[%s]}`, `{"$in":["z",%s]}`, `{"$nin":[%s]}`, `{"$gt":%s}`, `{"$gte":%s}`, `{"$lt":%s}`, `{"$lte":%s}`, `{"$all":[%s]}`, `{"$all":[5,%s]}`, `{"$not":{"$eq":%s}}`, `{"$not":{"$gte":%s}}`, `{"$exists":%s}`, `{"$elemMatch":{"$eq":%s}}`} {
			condition := `{"data.x":` + fmt.Sprintf(operand, v) + `}`
			for _, match := range []string{condition, `{"$or":[` + condition + `]}`, `{"$or":[` + condition + `,{"data.y":1}]}`, `{"$and":[{},` + condition + `]}`, `{"$nor":[` + condition + `]}`} {
				pipeline := `[{"$match":` + match + `},{"$project":{"x":"$data.x"}}]`
				want, err := aggTBare(pipeline, docs)
				if err != nil {
					t.Fatalf("%s: %v", pipeline, err)
				}
				got := aggTTexts(must[[]siftdb.Document](t)(ds.Aggregate(ctx, pipeline, siftdb.Query{})))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: the data source (+) differs: %s", pipeline, diff)
				}
				passed += len(got)
			}
		}
	}
	if passed < 10_000 {
		t.Errorf("only %d documents passed", passed)
	}
}
