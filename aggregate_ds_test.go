package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// aggTTry runs a pipeline over what a query body selects, by each of the three calls that
// do, which must agree on the documents or on the error.
func aggTTry(t testing.TB, ds *siftdb.DataSource, pipeline, body string) ([]string, error) {
	t.Helper()
	q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
	docs, err := ds.Aggregate(ctx, pipeline, q)
	var each []siftdb.Document
	var eachErr error
	for d, err := range ds.AggregateEach(ctx, pipeline, q) {
		if err != nil {
			eachErr = err
		} else {
			each = append(each, d)
		}
	}
	q.Aggregate = json.RawMessage(pipeline)
	result, queryErr := ds.Query(ctx, q)
	if aggTCode(err) != aggTCode(eachErr) || aggTCode(err) != aggTCode(queryErr) {
		t.Errorf("%s with %s: Aggregate fails with %v, AggregateEach with %v, Query with %v", pipeline, body, err, eachErr, queryErr)
	}
	if err != nil {
		return nil, err
	}
	out := aggTTexts(docs)
	if diff := cmp.Diff(out, aggTTexts(each)); diff != "" {
		t.Errorf("%s with %s: Aggregate and AggregateEach (+) differ: %s", pipeline, body, diff)
	}
	if queryErr == nil {
		if diff := cmp.Diff(out, aggTTexts(result.Documents)); diff != "" {
			t.Errorf("%s with %s: Aggregate and Query (+) differ: %s", pipeline, body, diff)
		}
	}
	return out, nil
}

func aggTRun(t testing.TB, ds *siftdb.DataSource, pipeline, body string) []string {
	t.Helper()
	out, err := aggTTry(t, ds, pipeline, body)
	if err != nil {
		t.Fatalf("%s with %s: %v", pipeline, body, err)
	}
	return out
}

// aggTWants runs a pipeline and compares its documents.
func aggTWants(t testing.TB, ds *siftdb.DataSource, pipeline, body string, want ...string) {
	t.Helper()
	out, err := aggTTry(t, ds, pipeline, body)
	if err != nil {
		t.Errorf("%s with %s: %v", pipeline, body, err)
	} else if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(out, "\n")); diff != "" {
		t.Errorf("%s with %s (-want +got): %s", pipeline, body, diff)
	}
}

func aggTTexts(docs []siftdb.Document) []string {
	out := []string{}
	for _, d := range docs {
		out = append(out, string(d.JSON()))
	}
	return out
}

func aggTCode(err error) string {
	var e *siftdb.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return fmt.Sprint(err)
}

// aggTFails wants an error of a kind whose path or sentence has all the names.
func aggTFails(t testing.TB, ds *siftdb.DataSource, pipeline, body string, kind error, names ...string) {
	t.Helper()
	_, err := aggTTry(t, ds, pipeline, body)
	e := fails(t, pipeline+" with "+body, err, kind)
	for _, name := range names {
		if !strings.Contains(e.Error(), name) {
			t.Errorf("%s with %s: %q does not name %s", pipeline, body, e.Error(), name)
		}
	}
}

// aggTEntries is what Find gives for a query body: whole entries.
func aggTEntries(t testing.TB, ds *siftdb.DataSource, body string) []string {
	t.Helper()
	out := []string{}
	for e, err := range ds.Each(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, asJSON(t, e))
	}
	return out
}

func aggTEngines(t *testing.T, test func(t *testing.T, db *siftdb.DB)) {
	_, options := stopped()
	t.Run("memory", func(t *testing.T) { test(t, memoryDB(t, options)) })
	t.Run("bolt", func(t *testing.T) { test(t, fileDB(t, filepath.Join(t.TempDir(), "test.db"), options)) })
}

// TestAggregateInput: a document is the entry as JSON, to the digit (spec 5.1.1), and an
// empty pipeline returns them (5.1.4).
func TestAggregateInput(t *testing.T) {
	aggTEngines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{
			{Data: json.RawMessage(`{"z":1.10,"a":{"y":[1e2,{"b":null,"a":true}],"x":"é\n\"😀"}}`), Order: json.Number("2.50")},
			{Data: json.RawMessage(`{"a":12345678901234567890.12,"Session ID":1e400,"a.b":{},"":[],"10":1,"2":2}`)},
			{Data: json.RawMessage(`{}`), Order: -1},
		}}))
		const tail = `"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z","deletedAt":null,"dataSourceId":1}`
		want := []string{`{"id":3,"data":{},"order":-1,` + tail,
			`{"id":2,"data":{"a":12345678901234567890.12,"Session ID":1e400,"a.b":{},"":[],"10":1,"2":2},"order":0,` + tail,
			`{"id":1,"data":{"z":1.10,"a":{"y":[1e2,{"b":null,"a":true}],"x":"é\n\"😀"}},"order":2.50,` + tail}
		if diff := cmp.Diff(want, aggTEntries(t, ds, `{}`)); diff != "" {
			t.Fatalf("Find gives (+) %s", diff)
		}
		for _, pipeline := range []string{`[]`, `[{"$match":{}}]`, `[{"$skip":0}]`, `[{"$replaceRoot":{"newRoot":"$$ROOT"}}]`, `[{"$sort":{"order":1}}]`, `[{"$unset":"nope"}]`, `[{"$group":{"_id":"$id","x":{"$first":"$$ROOT"}}},{"$replaceWith":"$x"}]`} {
			aggTWants(t, ds, pipeline, `{}`, want...)
		}
		docs, err := ds.Aggregate(ctx, nil, siftdb.Query{})
		if diff := cmp.Diff(want, aggTTexts(docs)); err != nil || diff != "" {
			t.Errorf("no pipeline gives %v, %s", err, diff)
		}
		aggTWants(t, ds, `[{"$project":{"deletedAt":{"$type":"$deletedAt"},"c":{"$type":"$createdAt"},"j":{"$type":"$joins"},"_":{"$type":"$_id"}}},{"$limit":1}]`, `{}`,
			`{"deletedAt":"null","c":"string","j":"missing","_":"missing"}`)
		aggTWants(t, ds, `[{"$match":{"data.a":{"$gt":1}}},{"$project":{"a":"$data.a","n":{"$add":["$data.2",1]}}}]`, `{}`, `{"a":12345678901234567890.12,"n":3}`)
		aggTWants(t, ds, `[{"$match":{"createdAt":{"$gte":"2026-02"},"deletedAt":null,"dataSourceId":1,"order":2.5}},{"$project":{"id":1}}]`, `{}`, `{"id":1}`)
	})
}

// TestAggregateKeepsText: what an entry holds comes out as it went in. Only an object
// that stands for a date comes out in one form.
func TestAggregateKeepsText(t *testing.T) {
	for name, data := range map[string]string{
		"negative zero": `{"a":-0}`,
		"date":          `{"a":{"$date":"2024-01-01T02:03:04.005Z"}}`,
		"no date":       `{"a":{"$date":"soon"}}`,
		"digits":        `{"a":[0.10,1E5,1e-400,0e0,100000000000000000000000]}`,
		"keys":          `{"__proto__":1,"$a":2,"a.b":3,"":4,"\u0000":5}`,
	} {
		t.Run(name, func(t *testing.T) {
			ds := table(t, memoryDB(t, nil), "t", data)
			aggTWants(t, ds, `[]`, `{}`, aggTEntries(t, ds, `{}`)...)
			aggTWants(t, ds, `[{"$match":{}},{"$sort":{"id":1}},{"$skip":0}]`, `{}`, aggTEntries(t, ds, `{}`)...)
		})
	}
	for data, want := range map[string]string{
		`{"a":{"$date":"2024-01-01"}}`:                  `{"a":{"$date":"2024-01-01T00:00:00.000Z"}}`,
		`{"a":[{"$date":"2024-01-01T01:00:00+01:00"}]}`: `{"a":[{"$date":"2024-01-01T00:00:00.000Z"}]}`,
		`{"$date":"2024-01-01"}`:                        `{"$date":"2024-01-01T00:00:00.000Z"}`,
	} {
		ds := table(t, memoryDB(t, nil), "t", data)
		aggTWants(t, ds, `[{"$replaceWith":{"data":"$data"}}]`, `{}`, `{"data":`+want+`}`)
	}
}

// TestAggregateExample is the worked example of spec 5.6.
func TestAggregateExample(t *testing.T) {
	aggTEngines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"Department":"Engineering","Age":"30"}`, `{"Department":"Design","Age":28}`, `{"Department":"Engineering","Age":"x"}`, `{"Age":"40"}`)
		aggTWants(t, ds, `[{"$project": {"d": "$data.Department", "a": {"$convertToNumber": "$data.Age"}}}, {"$group": {"_id": "$d", "avg": {"$avg": "$a"}, "n": {"$sum": 1}}}, {"$sort": {"n": -1, "_id": 1}}]`, `{}`,
			`{"_id":"Engineering","avg":30,"n":2}`, `{"_id":null,"avg":40,"n":1}`, `{"_id":"Design","avg":28,"n":1}`)
	})
}

// TestAggregateStages runs each stage of spec 5.2 over entries.
func TestAggregateStages(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"k":"a","n":1,"l":[1,2]}`, `{"k":"b","n":2,"l":[]}`, `{"k":"a","n":4}`, `{"n":8,"l":"x","k":null}`)
	const flat = `{"$replaceRoot":{"newRoot":"$data"}},`
	for _, c := range []struct{ pipeline, want string }{
		{`[{"$project":{"k":"$data.k","m":"$data.l"}},{"$limit":2}]`, `[{"k":"a","m":[1,2]},{"k":"b","m":[]}]`},
		{`[{"$project":{"data":{"n":1}}},{"$limit":1}]`, `[{"data":{"n":1}}]`},
		{`[{"$project":{"data.n":true}},{"$limit":1}]`, `[{"data":{"n":1}}]`},
		{`[{"$project":{"data":0,"createdAt":0,"updatedAt":0,"_id":0}},{"$limit":1}]`, `[{"id":1,"order":0,"deletedAt":null,"dataSourceId":1}]`},
		{`[{"$group":{"_id":"$data.k","n":{"$sum":"$data.n"},"l":{"$first":"$data.n"}}}]`, `[{"_id":"a","n":5,"l":1},{"_id":"b","n":2,"l":2},{"_id":null,"n":8,"l":8}]`},
		{`[{"$sort":{"data.k":-1,"data.n":-1}},{"$project":{"id":1}}]`, `[{"id":2},{"id":3},{"id":1},{"id":4}]`},
		{`[{"$sort":{"data.n":-1}},{"$limit":2},{"$project":{"id":1}}]`, `[{"id":4},{"id":3}]`},
		{`[{"$sort":{"data.n":-1}},{"$skip":1},{"$limit":2},{"$project":{"id":1}}]`, `[{"id":3},{"id":2}]`},
		{`[{"$match":{"data.k":null}},{"$count":"n"}]`, `[{"n":1}]`},
		{`[{"$match":{"data.k":"z"}},{"$count":"n"}]`, `[]`},
		{`[{"$facet":{"a":[{"$match":{"data.k":"a"}},{"$count":"n"}],"b":[{"$match":{"data.n":100}}]}}]`, `[{"a":[{"n":2}],"b":[]}]`},
		{`[{"$skip":3},{"$limit":1},{"$project":{"id":1}}]`, `[{"id":4}]`},
		{`[{"$unwind":"$data.l"},{"$project":{"l":"$data.l"}}]`, `[{"l":1},{"l":2},{"l":"x"}]`},
		{`[{"$unwind":{"path":"$data.l","includeArrayIndex":"i","preserveNullAndEmptyArrays":true}},{"$project":{"id":1,"i":1}}]`, `[{"id":1,"i":0},{"id":1,"i":1},{"id":2,"i":null},{"id":3,"i":null},{"id":4,"i":null}]`},
		{`[{"$addFields":{"data.m":{"$multiply":["$data.n",2]}}},{"$project":{"data":1}},{"$limit":1}]`, `[{"data":{"k":"a","n":1,"l":[1,2],"m":2}}]`},
		{`[{"$set":{"data":"$data.k"}},{"$project":{"data":1}},{"$limit":1}]`, `[{"data":"a"}]`},
		{`[{"$unset":["createdAt","updatedAt","data.l","data.k"]},{"$limit":1}]`, `[{"id":1,"data":{"n":1},"order":0,"deletedAt":null,"dataSourceId":1}]`},
		{`[{"$replaceRoot":{"newRoot":"$data"}},{"$limit":1}]`, `[{"k":"a","n":1,"l":[1,2]}]`},
		{`[{"$replaceWith":{"$mergeObjects":["$data",{"id":"$id"}]}},{"$limit":1}]`, `[{"k":"a","n":1,"l":[1,2],"id":1}]`},
		{`[{"$sortByCount":"$data.k"}]`, `[{"_id":"a","count":2},{"_id":"b","count":1},{"_id":null,"count":1}]`},
		{`[{"$bucket":{"groupBy":"$data.n","boundaries":[0,3,20],"output":{"c":{"$sum":1}}}}]`, `[{"_id":0,"c":2},{"_id":3,"c":2}]`},
		{`[{"$bucketAuto":{"groupBy":"$data.n","buckets":2}}]`, `[{"_id":{"min":1,"max":4},"count":2},{"_id":{"min":4,"max":8},"count":2}]`},
		{`[{"$sample":{"size":10}},{"$count":"n"}]`, `[{"n":4}]`},
		{`[{"$sample":{"size":2}},{"$count":"n"}]`, `[{"n":2}]`},
		{`[` + flat + `{"$project":{"k":1,"_id":0}},{"$fill":{"output":{"k":{"value":"?"}}}},{"$skip":3}]`, `[{"k":"?"}]`},
		{`[` + flat + `{"$project":{"n":1}},{"$densify":{"field":"n","range":{"step":1,"bounds":[1,4]}}}]`, `[{"n":1},{"n":2},{"n":3},{"n":4},{"n":8}]`},
		{`[{"$setWindowFields":{"sortBy":{"data.n":1},"output":{"s":{"$sum":"$data.n","window":{"documents":["unbounded","current"]}}}}},{"$project":{"s":1}}]`, `[{"s":1},{"s":3},{"s":7},{"s":15}]`},
		{`[{"$redact":{"$cond":[{"$eq":["$data.k","a"]},"$$KEEP","$$PRUNE"]}},{"$project":{"id":1}}]`, `[{"id":1},{"id":3}]`},
		{`[{"$project":{"d":{"$cond":[{"$lt":["$createdAt","$$NOW"]},1,2]},"c":{"$eq":["$$ROOT","$$CURRENT"]},"i":"$$ROOT.id"}},{"$limit":1}]`, `[{"d":1,"c":true,"i":1}]`},
		{`[{"$match":{"$expr":{"$gt":["$data.n","$id"]}}},{"$project":{"id":1}}]`, `[{"id":3},{"id":4}]`},
	} {
		if got := "[" + strings.Join(aggTRun(t, ds, c.pipeline, `{}`), ",") + "]"; got != c.want {
			t.Errorf("%s\n gives %s\n want  %s", c.pipeline, got, c.want)
		}
	}
}

// TestAggregateSelection: where, views and joins come first, order and attributes do not
// matter (spec 5.1.1, 5.1.2, 6.6.3, 7.10).
func TestAggregateSelection(t *testing.T) {
	aggTEngines(t, func(t *testing.T, db *siftdb.DB) {
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "Articles",
			Definition: json.RawMessage(`{"views":[{"name":"small","filter":{"n":{"$lt":3}}},{"name":"mine","filter":{"owner":"session.Email"}},{"name":"bad","filter":{"n":{"$nope":1}}}]}`),
			Entries:    raws(`{"n":1,"owner":"a"}`, `{"n":2,"owner":"b"}`, `{"n":3,"owner":"a"}`, `{"n":4}`)}))
		table(t, db, "Comments", `{"n":1,"likes":5}`, `{"n":1,"likes":"2"}`, `{"n":3,"likes":1.50}`)
		ids := `[{"$project":{"_":"$id"}}]`
		aggTWants(t, ds, ids, `{"where":{"n":{"$gt":"1"}}}`, `{"_":2}`, `{"_":3}`, `{"_":4}`) // sift's where, not $match
		aggTWants(t, ds, ids, `{"view":"small"}`, `{"_":1}`, `{"_":2}`)
		aggTWants(t, ds, ids, `{"view":"mine"}`)
		alice := ds.WithSession(&security.Session{Values: map[string]any{"Email": "a"}})
		aggTWants(t, alice, ids, `{"view":"mine"}`, `{"_":1}`, `{"_":3}`)
		aggTWants(t, alice, ids, `{"views":["mine","small"],"where":{"n":{"$gt":1}}}`, `{"_":2}`, `{"_":3}`)
		aggTWants(t, alice, `[{"$match":{"data.n":3}},{"$count":"c"}]`, `{"view":"mine"}`, `{"c":1}`)
		aggTWants(t, ds, ids, `{"order":[["n","DESC"]],"attributes":["owner"],"where":{"n":{"$lte":2}}}`, `{"_":1}`, `{"_":2}`)
		aggTWants(t, ds, `[{"$project":{"n":"$data.n"}}]`, `{"attributes":[],"limit":1}`, `{"n":1}`)
		aggTFails(t, ds, `[]`, `{"view":"none"}`, siftdb.ErrInvalidQuery, "none")
		aggTFails(t, ds, `[]`, `{"view":"none","limit":0}`, siftdb.ErrInvalidQuery, "none")
		aggTFails(t, ds, `[]`, `{"view":"bad"}`, siftdb.ErrInvalidQuery, "bad", "$nope")

		const on = `"dataSourceName":"Comments","on":{"data.n":"data.n"}`
		for _, join := range []string{`"C":{` + on + `}`, `"C":{` + on + `,"count":true},"D":{` + on + `,"sum":"likes"},"E":{` + on + `,"has":true}`,
			`"C":{` + on + `,"required":true}`, `"C":{` + on + `,"attributes":["likes"],"order":["likes","DESC"],"limit":1}`, `"O":{"dataSourceName":"Comments"}`,
			`"C":{` + on + `,"count":true,"required":true},"O":{"dataSourceName":"Comments","where":{"likes":5},"attributes":[]}`} {
			body := `{"where":{"n":{"$ne":2}},"join":{` + join + `}}`
			aggTWants(t, ds, `[]`, body, aggTEntries(t, ds, body)...)
			aggTWants(t, ds, `[{"$sort":{"none":1}}]`, body, aggTEntries(t, ds, body)...)
		}
		left := `{"join":{"C":{` + on + `},"N":{` + on + `,"count":true}}}`
		aggTWants(t, ds, `[{"$project":{"l":"$joins.C.data.likes","n":"$joins.N","t":{"$type":"$joins.C"}}}]`, left,
			`{"l":[5,"2"],"n":2,"t":"array"}`, `{"l":[],"n":0,"t":"array"}`, `{"l":[1.50],"n":1,"t":"array"}`, `{"l":[],"n":0,"t":"array"}`)
		aggTWants(t, ds, `[{"$unwind":"$joins.C"},{"$group":{"_id":"$data.n","s":{"$sum":{"$convertToNumber":"$joins.C.data.likes"}}}}]`, left, `{"_id":1,"s":7}`, `{"_id":3,"s":1.5}`)
		aggTWants(t, ds, `[{"$match":{"joins.N":{"$gt":0},"data.n":{"$gt":1}}},{"$project":{"id":1,"joins":{"N":1}}}]`, left, `{"id":3,"joins":{"N":1}}`)
		outer := `{"where":{"n":{"$gt":2}},"limit":5,"join":{"O":{"dataSourceName":"Comments"}}}`
		aggTWants(t, ds, `[{"$group":{"_id":"$dataSourceId","n":{"$sum":1}}}]`, outer, `{"_id":1,"n":2}`, `{"_id":2,"n":3}`)
		aggTWants(t, ds, `[{"$match":{"data.n":1}},{"$project":{"d":"$dataSourceId","l":"$data.likes"}}]`, outer, `{"d":2,"l":5}`, `{"d":2,"l":"2"}`)
		aggTWants(t, ds, `[{"$project":{"d":"$dataSourceId"}}]`, `{"join":{"O":{"dataSourceName":"Comments"}},"offset":3,"limit":2}`, `{"d":1}`, `{"d":2}`) // of the output, not of the parents
		aggTFails(t, ds, `[]`, `{"join":{"C":{"dataSourceName":"None","on":{"n":"n"}}}}`, siftdb.ErrNotFound, "None")
	})
}

// TestAggregateOutput: offset, limit and pagination are of the output (spec 4.4.3, 5.1.2).
func TestAggregateOutput(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"n":1,"l":[1,2,3]}`, `{"n":2,"l":[4]}`, `{"n":3,"l":[5,6]}`, `{"n":4}`)
	const unwind = `[{"$unwind":"$data.l"},{"$project":{"l":"$data.l"}}]`
	for _, c := range []struct{ pipeline, body, want string }{
		{unwind, `{"offset":1,"limit":2}`, `{"entries":[{"l":2},{"l":3}]}`},
		{unwind, `{"offset":1,"limit":2,"includePagination":true}`, `{"entries":[{"l":2},{"l":3}],"pagination":{"total":6,"limit":2,"offset":1}}`},
		{unwind, `{"offset":4,"includePagination":true}`, `{"entries":[{"l":5},{"l":6}],"pagination":{"total":6,"limit":null,"offset":4}}`},
		{unwind, `{"limit":0}`, `{"entries":[]}`},
		{unwind, `{"limit":0,"includePagination":true}`, `{"entries":[],"pagination":{"total":6,"limit":0,"offset":0}}`},
		{unwind, `{"offset":6}`, `{"entries":[]}`},
		{unwind, `{"offset":60,"limit":1,"includePagination":true}`, `{"entries":[],"pagination":{"total":6,"limit":1,"offset":60}}`},
		{unwind, `{"limit":null,"where":{"n":2}}`, `{"entries":[{"l":4}]}`},
		{`[{"$group":{"_id":null,"n":{"$sum":"$data.n"}}},{"$project":{"n":1}}]`, `{"limit":1,"includePagination":true}`, `{"entries":[{"_id":null,"n":10}],"pagination":{"total":1,"limit":1,"offset":0}}`},
		{`[{"$match":{"data.n":9}}]`, `{"includePagination":true,"limit":3}`, `{"entries":[],"pagination":{"total":0,"limit":3,"offset":0}}`},
		{`[{"$limit":3},{"$project":{"n":"$data.n"}}]`, `{"offset":2,"limit":5,"includePagination":true,"order":[["n","DESC"]],"attributes":[]}`, `{"entries":[{"n":3}],"pagination":{"total":3,"limit":5,"offset":2}}`},
	} {
		aggTRun(t, ds, c.pipeline, c.body)
		body := strings.TrimSuffix(c.body, "}") + `,"aggregate":` + c.pipeline + "}"
		result := must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))))
		if got := asJSON(t, result); got != c.want {
			t.Errorf("%s\n gives %s\n want  %s", body, got, c.want)
		}
		if result.Entries != nil || result.Documents == nil || result.Count != nil || result.DeletedCount != nil {
			t.Errorf("%s: the result has more than documents, or none", body)
		}
	}
	ran := 0
	for range ds.AggregateEach(ctx, unwind, siftdb.Query{}) {
		if ran++; ran == 2 {
			break
		}
	}
	if ran != 2 {
		t.Errorf("a loop that breaks after two documents ran %d times", ran)
	}
}

// TestAggregateRefused: what is malformed names itself.
func TestAggregateRefused(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	before := portrait(t, db)
	for _, c := range []struct{ pipeline, body, name string }{
		{`[]`, `{"distinct":true}`, "distinct"}, {`[]`, `{"countOnly":true}`, "countOnly"}, {`[]`, `{"type":"delete","where":{}}`, "delete"},
		{`{}`, `{}`, "pipeline"}, {`5`, `{}`, "pipeline"}, {`"$match"`, `{}`, "pipeline"}, {`null`, `{}`, "pipeline"}, {`[`, `{}`, "pipeline"}, {``, `{}`, "pipeline"},
		{`[{}]`, `{}`, "0"}, {`[{"$match":{}},{"$limit":1,"$skip":1}]`, `{}`, "1"}, {`[{"$match":{}},[]]`, `{}`, "1"}, {`[{"$match":{}},"$limit"]`, `{}`, "1"}, {`[null]`, `{}`, "0"},
		{`[{"match":{}}]`, `{}`, "match"}, {`[{"$nope":{}}]`, `{}`, "$nope"}, {`[{"$match":{"data.a":{"$nope":1}}}]`, `{}`, "$nope"}, {`[{"$project":{"a":{"$nope":1}}}]`, `{}`, "$nope"}, {`[{"$group":{"_id":1,"a":{"$nope":1}}}]`, `{}`, "$nope"},
		{`[{"$match":{"$filters":[]}}]`, `{}`, "$filters"}, {`[{"$match":{"data.a":{"$like":"x"}}}]`, `{}`, "$like"}, {`[{"$match":{"data.a":{"$regex":"("}}}]`, `{}`, "$regex"},
		{`[{"$group":{"n":{"$sum":1}}}]`, `{}`, "_id"}, {`[{"$limit":0}]`, `{}`, "$limit"}, {`[{"$limit":-1}]`, `{}`, "$limit"}, {`[{"$skip":1.5}]`, `{}`, "$skip"}, {`[{"$limit":"1"}]`, `{}`, "$limit"},
		{`[{"$sort":{"data.a":2}}]`, `{}`, "data.a"}, {`[{"$project":{"a":1,"b":0}}]`, `{}`, "$project"}, {`[{"$unwind":"data.l"}]`, `{}`, "$unwind"}, {`[{"$facet":{"x":[{"$facet":{"y":[]}}]}}]`, `{}`, "$facet"},
		{`[{"$project":{"a":{"$add":["$data.a","x"]}}}]`, `{}`, "$add"}, {`[{"$project":{"a":{"$divide":["$data.a",0]}}}]`, `{}`, "$divide"}, {`[{"$project":{"a":"$$nope"}}]`, `{}`, "nope"}, {`[{"$project":{"a":"$data..x"}}]`, `{}`, "data..x"},
		{`[{"$replaceRoot":{"newRoot":"$data.a"}}]`, `{}`, "$replaceRoot"}, {`[{"$lookup":{"from":1.5,"as":"x","localField":"a","foreignField":"b"}}]`, `{}`, "1.5"}, {`[{"$lookup":{"from":-1,"as":"x","localField":"a","foreignField":"b"}}]`, `{}`, "-1"},
		{`[{"$lookup":{"from":true,"as":"x","localField":"a","foreignField":"b"}}]`, `{}`, "from"}, {`[{"$unionWith":null}]`, `{}`, "$unionWith"}, {`[{"$unionWith":{"coll":[1]}}]`, `{}`, "coll"}, {`[{"$unionWith":0}]`, `{}`, "0"}, {`[{"$lookup":{"from":1e300,"as":"x","localField":"a","foreignField":"b"}}]`, `{}`, "1e+300"},
	} {
		aggTFails(t, ds, c.pipeline, c.body, siftdb.ErrInvalidQuery, c.name)
	}
	// Stages that write, or run code, wherever they stand.
	for _, c := range []struct{ stage, name string }{{`{"$out":"t"}`, "$out"}, {`{"$out":{"coll":"t"}}`, "$out"}, {`{"$merge":"t"}`, "$merge"}, {`{"$merge":{"into":"t"}}`, "$merge"}, {`{"$geoNear":{}}`, "$geoNear"},
		{`{"$project":{"a":{"$function":{"body":"x","args":[],"lang":"js"}}}}`, "$function"}, {`{"$group":{"_id":1,"a":{"$accumulator":{}}}}`, "$accumulator"}, {`{"$match":{"$where":"1"}}`, "$where"}, {`{"$match":{"data.a":{"$where":"1"}}}`, "$where"}, {`{"$match":{"$expr":{"$function":{}}}}`, "$function"}} {
		for _, around := range []string{`[%s]`, `[{"$match":{"data.none":1}},%s]`, `[{"$facet":{"f":[%s]}}]`, `[{"$lookup":{"from":"t","pipeline":[%s],"as":"x"}}]`, `[{"$unionWith":{"coll":"t","pipeline":[%s]}}]`} {
			aggTFails(t, ds, fmt.Sprintf(around, c.stage), `{}`, siftdb.ErrInvalidQuery, c.name)
		}
	}
	for _, body := range []string{`{"aggregate":{}}`, `{"aggregate":"[]"}`, `{"aggregate":1}`, `{"aggregate":true}`} {
		_, err := siftdb.ParseQuery([]byte(body))
		if e := fails(t, body, err, siftdb.ErrInvalidQuery); e.Path != "aggregate" {
			t.Errorf("%s: the path is %q", body, e.Path)
		}
	}
	if q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"aggregate":null}`))); q.Aggregate != nil {
		t.Errorf("aggregate null is %v", q.Aggregate)
	}
	q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"where":{},"aggregate":[{"$count":"n"}]}`)))
	if got := asJSON(t, q); got != `{"where":{},"aggregate":[{"$count":"n"}]}` {
		t.Errorf("the query as a body is %s", got)
	}
	for name, call := range map[string]func() error{
		"Find":    func() error { _, err := ds.Find(ctx, q); return err },
		"FindOne": func() error { _, err := ds.FindOne(ctx, q); return err },
		"Each":    func() error { return eachError(ds.Each(ctx, q)) },
		"Count":   func() error { _, err := ds.Count(ctx, q); return err },
		"Cursor":  func() error { _, err := ds.Cursor(ctx, q); return err },
	} {
		if e := fails(t, name, call(), siftdb.ErrInvalidQuery); !strings.Contains(e.Error(), "aggregate") {
			t.Errorf("%s says %v", name, e)
		}
	}
	for _, pipeline := range []any{5, make(chan int), []any{func() {}}, siftdb.M{}, []siftdb.M{{"$sort": siftdb.M{"a": 1, "b": 1}}}, []any{siftdb.M{"$limit": "x"}}} {
		_, err := ds.Aggregate(ctx, pipeline, siftdb.Query{})
		fails(t, fmt.Sprintf("a pipeline %T", pipeline), err, siftdb.ErrInvalidQuery)
	}
	docs, err := ds.Aggregate(ctx, []any{siftdb.M{"$sort": siftdb.D{{Key: "data.a", Value: 1}, {Key: "id", Value: -1}}}, siftdb.M{"$count": "n"}}, siftdb.Query{})
	if got := aggTTexts(docs); err != nil || len(got) != 1 || got[0] != `{"n":1}` {
		t.Errorf("a pipeline of Go maps gives %v, %v", got, err)
	}
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("a pipeline changed something: %s", diff)
	}
}

// TestAggregateColumns: segments may hold spaces; dots walk objects.
func TestAggregateColumns(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"Session ID":7,"a.b":1,"Ünï":"x","$p":2,"a":{"c d":3}}`, `{"a":{"b":1}}`)
	aggTWants(t, ds, `[{"$match":{"data.Session ID":7}},{"$project":{"s":"$data.Session ID","u":"$data.Ünï","n":"$data.a.c d"}}]`, `{}`, `{"s":7,"u":"x","n":3}`)
	aggTWants(t, ds, `[{"$group":{"_id":"$data.Session ID","n":{"$sum":1}}},{"$sort":{"_id":-1}}]`, `{}`, `{"_id":7,"n":1}`, `{"_id":null,"n":1}`)
	aggTWants(t, ds, `[{"$project":{"data.Session ID":1}}]`, `{}`, `{"data":{"Session ID":7}}`, `{"data":{}}`)
	aggTWants(t, ds, `[{"$match":{"data.a.b":1}},{"$project":{"id":1}}]`, `{}`, `{"id":2}`)
	aggTWants(t, ds, `[{"$project":{"b":"$data.a.b"}}]`, `{}`, `{}`, `{"b":1}`)
	aggTWants(t, ds, `[{"$project":{"b":{"$getField":{"field":"a.b","input":"$data"}},"p":{"$getField":{"field":{"$literal":"$p"},"input":"$data"}}}},{"$limit":1}]`, `{}`, `{"b":1,"p":2}`)
	aggTWants(t, ds, `[{"$sort":{"data.Session ID":-1}},{"$limit":1},{"$project":{"id":1}}]`, `{}`, `{"id":1}`)
	aggTWants(t, ds, `[{"$match":{"data.Unknown":{"$exists":false},"data.Session ID":{"$exists":true}}},{"$project":{"id":1}}]`, `{}`, `{"id":1}`)
}

// TestAggregateSources: $lookup, $graphLookup and $unionWith read data sources by name, or
// by id as a number (spec 5.2).
func TestAggregateSources(t *testing.T) {
	aggTEngines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "People", `{"n":"a","boss":"b"}`, `{"n":"b","boss":"c"}`, `{"n":"c"}`)
		table(t, db, "Pets", `{"of":"a","p":1.10}`, `{"of":"c","p":2}`, `{"of":"a","p":3}`)
		table(t, db, "3", `{"of":"x"}`)
		table(t, db, "Pets", `{"of":"b"}`)
		gone := table(t, db, "Gone", `{"of":"a"}`)
		if err := gone.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		pets := aggTEntries(t, must[*siftdb.DataSource](t)(db.DataSource(ctx, 2)), `{}`)
		for _, from := range []string{`"Pets"`, `2`, `2.0`} {
			aggTWants(t, ds, `[{"$lookup":{"from":`+from+`,"localField":"data.n","foreignField":"data.of","as":"p"}},{"$project":{"p":1}}]`, `{}`,
				`{"p":[`+pets[0]+`,`+pets[2]+`]}`, `{"p":[]}`, `{"p":[`+pets[1]+`]}`)
			aggTWants(t, ds, `[{"$lookup":{"from":`+from+`,"let":{"n":"$data.n"},"pipeline":[{"$match":{"$expr":{"$eq":["$data.of","$$n"]}}},{"$project":{"p":"$data.p"}}],"as":"p"}},{"$project":{"p":1}}]`, `{}`,
				`{"p":[{"p":1.10},{"p":3}]}`, `{"p":[]}`, `{"p":[{"p":2}]}`)
			aggTWants(t, ds, `[{"$match":{"data.n":"c"}},{"$unionWith":{"coll":`+from+`,"pipeline":[{"$match":{"data.of":"a"}}]}},{"$project":{"x":"$dataSourceId"}}]`, `{}`, `{"x":1}`, `{"x":2}`, `{"x":2}`)
			aggTWants(t, ds, `[{"$limit":1},{"$unionWith":`+from+`},{"$skip":1}]`, `{}`, pets...)
		}
		aggTWants(t, ds, `[{"$unionWith":"3"},{"$match":{"dataSourceId":3}},{"$project":{"x":"$data.of"}}]`, `{}`, `{"x":"x"}`)
		for _, from := range []string{`"People"`, `1`} {
			aggTWants(t, ds, `[{"$match":{"data.n":"a"}},{"$graphLookup":{"from":`+from+`,"startWith":"$data.boss","connectFromField":"data.boss","connectToField":"data.n","as":"up","depthField":"d"}},{"$unwind":"$up"},{"$project":{"n":"$up.data.n","d":"$up.d"}},{"$sort":{"d":1}}]`, `{}`,
				`{"n":"b","d":0}`, `{"n":"c","d":1}`)
			aggTWants(t, ds, `[{"$lookup":{"from":`+from+`,"localField":"data.boss","foreignField":"data.n","as":"b"}},{"$match":{"data.boss":{"$exists":true}}},{"$project":{"b":"$b.data.n"}}]`, `{}`, `{"b":["b"]}`, `{"b":["c"]}`)
		}
		aggTFails(t, ds, `[{"$unionWith":"None"}]`, `{"limit":0}`, siftdb.ErrNotFound, "None")
		// Sources inside of other stages, and more than one.
		aggTWants(t, ds, `[{"$facet":{"f":[{"$unionWith":"Pets"},{"$count":"n"}],"g":[{"$lookup":{"from":3,"pipeline":[{"$unionWith":4},{"$count":"n"}],"as":"x"}},{"$limit":1},{"$project":{"x":1}}]}}]`, `{}`, `{"f":[{"n":6}],"g":[{"x":[{"n":2}]}]}`)
		aggTWants(t, ds, `[{"$unionWith":"Pets"},{"$unionWith":"People"},{"$count":"n"}]`, `{"where":{"n":"none"}}`, `{"n":6}`)
		for from, name := range map[string]string{`"None"`: "None", `77`: "77", `"1"`: `"1"`, `"pets"`: "pets", `"Gone"`: "Gone", `5`: "5"} {
			for _, stage := range []string{`{"$lookup":{"from":%s,"localField":"a","foreignField":"b","as":"c"}}`, `{"$unionWith":%s}`, `{"$unionWith":{"coll":%s}}`, `{"$facet":{"f":[{"$unionWith":%s}]}}`,
				`{"$graphLookup":{"from":%s,"startWith":"$data.boss","connectFromField":"data.boss","connectToField":"data.n","as":"up"}}`, `{"$lookup":{"from":"Pets","as":"x","pipeline":[{"$unionWith":%s}]}}`} {
				aggTFails(t, ds, "["+fmt.Sprintf(stage, from)+"]", `{}`, siftdb.ErrNotFound, name)
				aggTFails(t, ds, `[{"$match":{"data.n":"none"}},`+fmt.Sprintf(stage, from)+"]", `{}`, siftdb.ErrNotFound, name)
			}
		}
	})
}

// TestAggregateOldVersions: a handle on an old state reads every source of the pipeline in
// that state.
func TestAggregateOldVersions(t *testing.T) {
	clock, options := stopped()
	db := memoryDB(t, options)
	a, b := table(t, db, "a", `{"k":1}`), table(t, db, "b", `{"k":1,"v":"old"}`)
	moment := clock.read()
	clock.move(time.Minute)
	must[siftdb.BulkResult](t)(b.ReplaceWith(ctx, raws(`{"k":1,"v":"new"}`, `{"k":1,"v":"newer"}`)))
	must[siftdb.BulkResult](t)(a.ReplaceWith(ctx, raws(`{"k":2}`)))
	version := versionsOf(t, a)[0].ID
	must[siftdb.BulkResult](t)(b.ReplaceWith(ctx, nil))
	must[siftdb.BulkResult](t)(a.ReplaceWith(ctx, nil))
	join := `[{"$lookup":{"from":"b","localField":"data.k","foreignField":"data.k","as":"b"}},{"$project":{"k":"$data.k","v":"$b.data.v"}},{"$unionWith":{"coll":"b","pipeline":[{"$project":{"v":"$data.v"}}]}}]`
	aggTWants(t, a, join, `{}`)
	aggTWants(t, a.AtTime(moment), join, `{}`, `{"k":1,"v":["old"]}`, `{"v":"old"}`)
	aggTWants(t, a.AtTime(moment), `[{"$project":{"v":"$joins.B.data.v"}}]`, `{"join":{"B":{"dataSourceName":"b","on":{"k":"k"}}}}`, `{"v":["old"]}`)
	aggTWants(t, a.At(version), join, `{}`, `{"k":1,"v":["new","newer"]}`, `{"v":"new"}`, `{"v":"newer"}`)
	aggTFails(t, a.At(999), `[]`, `{}`, siftdb.ErrNotFound, "999")
}

// TestAggregateSnapshot: all sources of a pipeline are read in one state, whatever is
// written meanwhile.
func TestAggregateSnapshot(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		const rows = 300
		start := make([]string, rows)
		for i := range start {
			start[i] = fmt.Sprintf(`{"n":%d,"round":0}`, i)
		}
		a, b := table(t, db, "a", start...), table(t, db, "b", start...)
		aIDs, bIDs := entryIDs(t, a), entryIDs(t, b)
		changes := func(ds *siftdb.DataSource, ids []int64, round int) siftdb.SourceCommit {
			c := siftdb.Commit{Append: new(true)}
			for i, id := range ids {
				c.Entries = append(c.Entries, siftdb.CommitEntry{ID: id, Data: siftdb.M{"n": i, "round": round}})
			}
			return siftdb.SourceCommit{DataSource: ds, Commit: c}
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for round := 1; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := db.CommitAll(ctx, []siftdb.SourceCommit{changes(a, aIDs, round), changes(b, bIDs, round)}); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
		defer wg.Wait()
		defer close(stop)
		pipelines := map[string]string{
			"$unionWith": `[{"$unionWith":"b"},{"$group":{"_id":"$data.round","n":{"$sum":1}}}]`,
			"$lookup":    `[{"$lookup":{"from":"b","localField":"data.n","foreignField":"data.n","as":"b"}},{"$unwind":"$b"},{"$group":{"_id":["$data.round","$b.data.round"],"n":{"$sum":2}}},{"$project":{"_id":{"$cond":[{"$eq":[{"$arrayElemAt":["$_id",0]},{"$arrayElemAt":["$_id",1]}]},0,1]},"n":1}},{"$match":{"_id":0}}]`,
			"self":       `[{"$unionWith":{"coll":"a"}},{"$group":{"_id":"$data.round","n":{"$sum":1}}}]`,
		}
		seen := map[string]bool{}
		for round := 0; round < 25 || len(seen) < 3 && round < 2000; round++ {
			for name, pipeline := range pipelines {
				docs := must[[]siftdb.Document](t)(a.Aggregate(ctx, pipeline, siftdb.Query{}))
				if len(docs) != 1 || docs[0].Get("n") != 2.0*rows {
					t.Fatalf("%s sees two states: %v", name, aggTTexts(docs))
				}
				if name == "$unionWith" {
					seen[asJSON(t, docs[0].Get("_id"))] = true
				}
			}
		}
		if len(seen) < 3 {
			t.Errorf("only %d states were seen: the writer stood still", len(seen))
		}
	})
}

// TestAggregateEachMayWrite: no transaction is open in the loop, what it writes is not
// seen, and documents outlive the query, later writes, and the database.
func TestAggregateEachMayWrite(t *testing.T) {
	for _, pipeline := range []string{`[]`, `[{"$sort":{"data.n":1}}]`, `[{"$project":{"d":"$data","s":"$data.s","l":["$data.s"]}}]`, `[{"$group":{"_id":"$data.s","all":{"$push":"$$ROOT"}}}]`, `[{"$unionWith":"t"}]`} {
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, filepath.Join(t.TempDir(), "test.db"), nil))
		var rows []string
		for i := range 1500 {
			rows = append(rows, fmt.Sprintf(`{"n":%d,"s":"text %d","l":[1.10,{"a":"b%d"}]}`, i, i, i))
		}
		ds := table(t, db, "t", rows...)
		var docs []siftdb.Document
		var texts []string
		for d, err := range ds.AggregateEach(ctx, pipeline, siftdb.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if len(docs)%400 == 0 {
				must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"n":-1}`)))
				must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1500, siftdb.M{"s": strings.Repeat("#", len(docs)+1)}))
			}
			docs, texts = append(docs, d), append(texts, string(d.JSON()))
		}
		if all := strings.Join(texts, ""); len(docs) < 1500 || strings.Contains(all, "#") || strings.Contains(all, `"n":-1`) {
			t.Errorf("%s: %d documents; what the loop wrote is seen, or some are missing", pipeline, len(docs))
		}
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(strings.ReplaceAll(strings.Join(rows[:1], ""), "text", "TEXT"))))
		report, err := db.Check(ctx)
		if err = errors.Join(err, report.Err(), db.Close()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(texts, aggTTexts(docs)); diff != "" {
			t.Errorf("%s: documents changed: %s", pipeline, diff)
		}
	}
}

// TestAggregateDocument: what a Document gives.
func TestAggregateDocument(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"n":1.10,"big":12345678901234567890,"o":{"l":[true,null]},"s":"é"}`)
	docs := must[[]siftdb.Document](t)(ds.Aggregate(ctx, `[{"$project":{"data":1,"d":{"$toDate":"2024-02-29"},"inf":{"$divide":[1e308,1e-10]}}}]`, siftdb.Query{}))
	d := docs[0]
	const want = `{"data":{"n":1.10,"big":12345678901234567890,"o":{"l":[true,null]},"s":"é"},"d":{"$date":"2024-02-29T00:00:00.000Z"},"inf":null}`
	if got := string(d.JSON()); got != want {
		t.Errorf("JSON gives %s", got)
	}
	if got := asJSON(t, []any{d}); got != "["+want+"]" {
		t.Errorf("MarshalJSON gives %s", got)
	}
	for path, want := range map[string]any{"data.n": 1.1, "data.big": json.Number("12345678901234567890"), "data.o.l": []any{true, nil}, "data.s": "é", "none": nil, "data.n.x": nil, "d": map[string]any{"$date": "2024-02-29T00:00:00.000Z"}} {
		if diff := cmp.Diff(want, d.Get(path)); diff != "" {
			t.Errorf("Get(%q): %s", path, diff)
		}
	}
	var v struct {
		Data struct {
			N float64
			O struct{ L []any }
		}
	}
	if err := d.Decode(&v); err != nil || v.Data.N != 1.1 || len(v.Data.O.L) != 2 {
		t.Errorf("Decode gives %v, %v", v, err)
	}
	fails(t, "Decode into a number", d.Decode(new(int)), siftdb.ErrInvalidInput)
	m := d.Map()
	m["data"].(map[string]any)["n"] = "changed"
	if diff := cmp.Diff(d.Map(), d.Go()); diff != "" || string(d.JSON()) != want {
		t.Errorf("Map and Go (+) differ, or are not the caller's own: %s %s", diff, d.JSON())
	}
}
