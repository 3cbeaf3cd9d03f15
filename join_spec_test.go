package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// joinTBody parses a query body.
func joinTBody(t testing.TB, body string) siftdb.Query {
	t.Helper()
	q, err := siftdb.ParseQuery([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return q
}

// joinTJSON returns whole entries as JSON.
func joinTJSON(entries []*siftdb.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, string(e.AppendJSON(nil)))
	}
	return out
}

// joinTFind runs a query in every way there is, expects that all agree, and returns
// the entries.
func joinTFind(t testing.TB, ds *siftdb.DataSource, q siftdb.Query) []*siftdb.Entry {
	t.Helper()
	found := must[[]*siftdb.Entry](t)(ds.Find(ctx, q))
	want := joinTJSON(found)
	same := func(way string, want []string, got []*siftdb.Entry) {
		t.Helper()
		if diff := cmp.Diff(want, joinTJSON(got)); diff != "" {
			t.Errorf("%+v\n%s differs from Find (-Find +%s):\n%s", q, way, way, diff)
		}
	}
	streamed := []*siftdb.Entry{}
	for e, err := range ds.Each(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		streamed = append(streamed, e)
	}
	same("Each", want, streamed)
	same("Query", want, must[*siftdb.Result](t)(ds.Query(ctx, q)).Entries)
	body := must[[]byte](t)(json.Marshal(q))
	same("body", want, must[*siftdb.Result](t)(ds.Query(ctx, joinTBody(t, string(body)))).Entries)
	if q.Limit != nil && *q.Limit > 0 && q.Offset%*q.Limit == 0 {
		same("Cursor", want, must[*siftdb.Cursor](t)(ds.Cursor(ctx, q)).Entries())
	}
	if one := must[*siftdb.Entry](t)(ds.FindOne(ctx, q)); len(found) > 0 {
		same("FindOne", want[:1], []*siftdb.Entry{one})
	} else if one != nil {
		t.Errorf("%+v: FindOne returns an entry, Find none", q)
	}
	return found
}

// joinTShow renders entries by their column "c", with what their joins found.
func joinTShow(entries []*siftdb.Entry) string {
	var out []string
	for _, e := range entries {
		s := fmt.Sprint(e.Get("c"))
		for _, j := range e.Joins {
			if j.Entries != nil {
				s += "[" + joinTShow(j.Entries) + "]"
			} else {
				s += fmt.Sprint("=", j.Value)
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// joinTTable runs bodies and compares what joinTShow gives.
func joinTTable(t *testing.T, ds *siftdb.DataSource, bodies map[string]string) {
	t.Helper()
	for body, want := range bodies {
		if got := joinTShow(joinTFind(t, ds, joinTBody(t, body))); got != want {
			t.Errorf("%s\ngives %s\nwant  %s", body, got, want)
		}
	}
}

// TestJoinExample is spec 6.7.
func TestJoinExample(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		articles := table(t, db, "Articles", `{"ID":1,"c":"a1"}`, `{"ID":2,"c":"a2"}`)
		table(t, db, "Comments", `{"ArticleID":1,"Likes":5,"c":"x"}`, `{"ArticleID":1,"Likes":"2","c":"y"}`)
		for options, want := range map[string]string{
			``:                       "a1[x y] a2[]",
			`,"has":true`:            "a1=true a2=false",
			`,"count":true`:          "a1=2 a2=0",
			`,"sum":"Likes"`:         "a1=7 a2=0",
			`,"sum":"data.Likes"`:    "a1=7 a2=0",
			`,"required":true`:       "a1[x y]",
			`,"required":false`:      "a1[x y] a2[]",
			`,"limit":1`:             "a1[x] a2[]",
			`,"limit":0`:             "a1[] a2[]",
			`,"limit":null`:          "a1[x y] a2[]",
			`,"unknown":{"any":[1]}`: "a1[x y] a2[]",
			`,"where":{"Likes":{"$gt":3}},"count":true`:                           "a1=1 a2=0",
			`,"order":["data.Likes","DESC"],"limit":1`:                            "a1[y] a2[]", // strings after numbers, 4.2
			`,"order":["data.Likes","ASC"],"limit":1`:                             "a1[x] a2[]",
			`,"order":["createdAt","DESC"]`:                                       "a1[x y] a2[]", // ties by id
			`,"order":[["id","DESC"]]`:                                            "a1[y x] a2[]",
			`,"required":true,"where":{"Likes":{"$gt":100}}`:                      "",
			`,"required":true,"limit":0`:                                          "a1[]",
			`,"required":true,"has":true`:                                         "a1=true",
			`,"required":true,"count":true`:                                       "a1=2",
			`,"required":true,"sum":"Likes"`:                                      "a1=7",
			`,"has":true,"count":true,"sum":"Likes"`:                              "a1=true a2=false",
			`,"sum":"Likes","count":true`:                                         "a1=2 a2=0",
			`,"has":false,"count":false,"sum":"Likes"`:                            "a1=7 a2=0",
			`,"has":null,"count":null,"sum":null,"required":null`:                 "a1[x y] a2[]",
			`,"sum":"Nothing"`:                                                    "a1=0 a2=0",
			`,"sum":"id"`:                                                         "a1=0 a2=0", // sum knows columns only, 3.5
			`,"count":true,"limit":1,"order":["Likes"],"attributes":[]`:           "a1=2 a2=0",
			`,"sum":"Likes","limit":1,"order":["Likes"],"attributes":["c"]`:       "a1=7 a2=0",
			`,"has":true,"limit":0,"attributes":[]`:                               "a1=true a2=false",
			`,"where":{}`:                                                         "a1[x y] a2[]",
			`,"where":{"$or":[{"c":"y"},{"data.Likes":{"$lt":1}}]}`:               "a1[y] a2[]",
			`,"where":{"$filters":[{"column":"c","condition":"==","value":"X"}]}`: "a1[x] a2[]",
			`,"attributes":["ArticleID"],"where":{"c":"x"},"order":["Likes"]`:     "a1[<nil>] a2[]",
		} {
			joinTTable(t, articles, map[string]string{`{"join":{"Comments":{"dataSourceName":"Comments","on":{"data.ID":"data.ArticleID"}` + options + `}}}`: want})
		}
	})
}

// TestJoinMatching is spec 6.2(2) to (4): every value against every other. The second
// column is what a value can be matched by.
func TestJoinMatching(t *testing.T) {
	values := []struct{ json, keys string }{
		{"", ""}, {"null", ""}, {`""`, ""}, {"{}", ""}, {`{"v":1}`, ""}, {`{"1":1}`, ""}, {"[]", ""}, {"[null]", ""}, {`[""]`, ""}, {`[{}]`, ""},
		{"1", "t1"}, {`"1"`, "t1"}, {"1.0", "t1"}, {"1.00e0", "t1"}, {`"1.0"`, "t1.0"}, {`"01"`, "t01"}, {`" 1"`, "t_1"}, {`"1 "`, "t1_"}, {`"+1"`, "t+1"},
		{"-1", "t-1"}, {`"-1"`, "t-1"}, {"0", "t0"}, {"-0", "t0"}, {`"0"`, "t0"}, {`"-0"`, "t-0"}, {"0.10", "t0.1"}, {`"0.1"`, "t0.1"}, {`"0.10"`, "t0.10"},
		{"1e2", "t100"}, {`"100"`, "t100"}, {`"1e2"`, "t1e2"}, {"1e21", "t1e+21"}, {`"1e+21"`, "t1e+21"}, {"1e-7", "t1e-7"}, {`"1e-7"`, "t1e-7"},
		{"9007199254740993", "t9007199254740992"}, {`"9007199254740992"`, "t9007199254740992"},
		{`"a"`, "ta"}, {`"A"`, "tA"}, {`"a "`, "ta_"}, {`"é"`, "té"}, {`"e\u0301"`, "te´"}, {`"b1"`, "tb1"}, {`"t1"`, "tt1"}, {`" "`, "t_"}, {`"\u0000"`, "tNUL"},
		{"true", "btrue"}, {"false", "bfalse"}, {`"true"`, "ttrue"}, {`"false"`, "tfalse"}, {`"null"`, "tnull"}, {`"[object Object]"`, "tobject"},
		{"[1]", "t1"}, {`["1","a"]`, "t1 ta"}, {`["a","a",null,""]`, "ta"}, {"[true,0]", "btrue t0"}, {"[[1],[]]", ""}, {`[{"v":1},"A"]`, "tA"}, {`"1,a"`, "t1,a"},
	}
	rows := make([]string, len(values))
	for i, v := range values {
		if rows[i] = fmt.Sprintf(`{"c":%d}`, i); v.json != "" {
			rows[i] = fmt.Sprintf(`{"c":%d,"v":%s,"n":{"v":%s}}`, i, v.json, v.json)
		}
	}
	share := func(a, b string) bool {
		for _, key := range strings.Fields(a) {
			if slices.Contains(strings.Fields(b), key) {
				return true
			}
		}
		return false
	}
	engines(t, func(t *testing.T, db *siftdb.DB) {
		parents := table(t, db, "parents", rows...)
		table(t, db, "children", rows...)
		for _, on := range []siftdb.On{{"v": "v"}, {"data.v": "n.v"}, {"n.v": "data.n.v"}, {"v": "v", "n.v": "n.v"}} {
			join := siftdb.Join{Name: "J", DataSourceName: "children", On: on}
			joins := []siftdb.Join{join, join, join}
			joins[1].Name, joins[1].Has = "H", true
			joins[2].Name, joins[2].Count = "C", true
			for i, e := range joinTFind(t, parents, siftdb.Query{Joins: joins}) {
				want, got := []string{}, []string{}
				for _, v := range values {
					if share(values[i].keys, v.keys) {
						want = append(want, v.json)
					}
				}
				for _, m := range e.Joined("J") {
					got = append(got, values[int(m.Get("c").(float64))].json)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%v: %s joins (-want +got):\n%s", on, values[i].json, diff)
				}
				if e.JoinValue("H") != (len(want) > 0) || e.JoinValue("C") != int64(len(want)) {
					t.Errorf("%v: %s has %v, counts %v, want %d", on, values[i].json, e.JoinValue("H"), e.JoinValue("C"), len(want))
				}
			}
		}
	})
}

// TestJoinNames is spec 6.2(1) with 3.5: what a name in on addresses, on either side.
func TestJoinNames(t *testing.T) {
	clock := newClock()
	db := memoryDB(t, clock.options())
	odd := `{"c":"odd","id":"col-id","order":"col-order","createdAt":"col-created","a.b":"whole","a":{"b":"deep","c":[{"d":"d1"},{"d":["d2","d3"]},{}],"":"empty"},"data":{"q":"inner"},"l":["l0",["l1"]],"Ünï cödé, $x":"odd name","s":"scalar","dataX":"x"}`
	table(t, db, "first") // so that the data source has another id than its entry
	source := table(t, db, "odd")
	must[*siftdb.CommitResult](t)(source.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{{Data: json.RawMessage(odd), Order: 2.5}}}))
	id := entryIDs(t, source)[0]
	stamp := clock.read().UTC().Format("2006-01-02T15:04:05.000Z")
	keys := []string{"col-id", "col-order", "col-created", "whole", "deep", "d1", "d2", "d3", "empty", "inner", "l0", "l1", "odd name", "scalar", "x", fmt.Sprint(id), "2.5", stamp, fmt.Sprint(source.ID())}
	rows := []string{}
	for _, k := range keys {
		rows = append(rows, asJSON(t, siftdb.M{"c": k, "k": k}))
	}
	other := table(t, db, "keys", rows...)
	for name, want := range map[string]string{
		"id": fmt.Sprint(id), "order": "2.5", "createdAt": stamp, "updatedAt": stamp, "deletedAt": "", "dataSourceId": fmt.Sprint(source.ID()),
		"data.id": "col-id", "data.order": "col-order", "data.createdAt": "col-created", "data.updatedAt": "", "data.dataSourceId": "",
		"a.b": "whole", "data.a.b": "whole", "a.c.d": "d1 d2 d3", "data.a.c.0.d": "d1", "a.c.1.d": "d2 d3", "a.c.2.d": "", "a.c.9.d": "", "a.c": "", "a": "",
		"data.data.q": "inner", "l": "l0", "l.0": "l0", "l.1": "l1", "l.2": "", "Ünï cödé, $x": "odd name", "data.Ünï cödé, $x": "odd name",
		"s": "scalar", "s.length": "", "s.0": "", "S": "", " s": "", "missing": "", "missing.x.y": "", "dataX": "x", "data.dataX": "x", "$s": "", "data": "",
	} {
		q := siftdb.Query{Joins: []siftdb.Join{{Name: "J", DataSourceID: other.ID(), On: siftdb.On{name: "k"}}}}
		if got := joinTShow(joinTFind(t, source, q)[0].Joined("J")); got != want {
			t.Errorf("parent's %q joins %q, want %q", name, got, want)
		}
		back := siftdb.Query{Joins: []siftdb.Join{{Name: "J", DataSourceID: source.ID(), On: siftdb.On{"k": name}, Required: true, Count: true}}}
		found := []string{}
		for _, e := range joinTFind(t, other, back) {
			if e.JoinValue("J") != int64(1) {
				t.Errorf("child's %q counts %v", name, e.JoinValue("J"))
			}
			found = append(found, e.Get("c").(string))
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("child's %q joins %q, want %q", name, got, want)
		}
	}
}

// TestJoinPairs: several pairs must all hold, each in the same joined entry.
func TestJoinPairs(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "p", `{"c":"p1","a":1,"b":"x"}`, `{"c":"p2","a":[1,2],"b":["x","y"]}`, `{"c":"p3","a":1}`, `{"c":"p4","a":"ab","b":"c"}`, `{"c":"p5","a":[],"b":"x"}`, `{"c":"p6","a":2,"b":[null,"y","y"]}`)
		table(t, db, "k", `{"c":"k1","a":"1","b":"x"}`, `{"c":"k2","a":2,"b":"x"}`, `{"c":"k3","a":1}`, `{"c":"k4","a":"a","b":"bc"}`, `{"c":"k5","a":[2,3],"b":["y","z"]}`, `{"c":"k6","b":"x"}`, `{"c":"k7","a":"ab","b":"c"}`)
		joinTTable(t, ds, map[string]string{
			`{"join":{"J":{"dataSourceName":"k","on":{"a":"a","b":"b"}}}}`:                              "p1[k1] p2[k1 k2 k5] p3[] p4[k7] p5[] p6[k5]",
			`{"join":{"J":{"dataSourceName":"k","on":{"a":"a","b":"b"},"required":true,"count":true}}}`: "p1=1 p2=3 p4=1 p6=1",
			`{"join":{"J":{"dataSourceName":"k","on":{"a":"b","b":"a"}}}}`:                              "p1[] p2[] p3[] p4[] p5[] p6[]",
			`{"join":{"J":{"dataSourceName":"k","on":{"a":"a","data.a":"b"}}}}`:                         "p1[] p2[] p3[] p4[] p5[] p6[]",
			`{"join":{"J":{"dataSourceName":"k","on":{"a":"a","data.a":"a"}}}}`:                         "p1[k1 k3] p2[k1 k2 k3 k5] p3[k1 k3] p4[k7] p5[] p6[k2 k5]",
		})
	})
}

// TestJoinIdentity is spec 6.1 and 6.2(5): by id or name, several parents of one
// entry, each entry once, and a table joined to itself.
func TestJoinIdentity(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		tree := table(t, db, "tree", `{"c":"root"}`, `{"c":"left","up":["root","root","left"]}`, `{"c":"right","up":"root"}`)
		low := table(t, db, "Twice", `{"c":"low","k":"root"}`)
		high := table(t, db, "Twice", `{"c":"high","k":"root"}`)
		table(t, db, "twice", `{"c":"small","k":"root"}`)
		joinTTable(t, tree, map[string]string{
			`{"join":{"Up":{"dataSourceName":"tree","on":{"up":"c"}}}}`:                                                                                     "root[] left[root left] right[root]",
			`{"join":{"Down":{"dataSourceName":"tree","on":{"c":"up"}}}}`:                                                                                   "root[left right] left[left] right[]",
			`{"join":{"Down":{"dataSourceName":"tree","on":{"c":"up"},"required":true},"Up":{"dataSourceName":"tree","on":{"up":"c"},"required":true}}}`:    "left[left][root left]",
			`{"join":{"Me":{"dataSourceName":"tree","on":{"id":"id"}}}}`:                                                                                    "root[root] left[left] right[right]",
			`{"join":{"J":{"dataSourceName":"Twice","on":{"c":"k"}}}}`:                                                                                      "root[low] left[] right[]",
			`{"join":{"J":{"dataSourceName":"twice","on":{"c":"k"}}}}`:                                                                                      "root[small] left[] right[]",
			fmt.Sprintf(`{"join":{"J":{"dataSourceId":%d,"on":{"c":"k"}}}}`, high.ID()):                                                                     "root[high] left[] right[]",
			fmt.Sprintf(`{"join":{"J":{"dataSourceId":"%d","on":{"c":"k"}}}}`, high.ID()):                                                                   "root[high] left[] right[]",
			fmt.Sprintf(`{"join":{"J":{"dataSourceName":"nobody","dataSourceId":%d,"on":{"c":"k"}}}}`, low.ID()):                                            "root[low] left[] right[]",
			fmt.Sprintf(`{"join":{"J":{"dataSourceId":null,"dataSourceName":"Twice","on":{"c":"k"}},"I":{"dataSourceId":%d.0,"on":{"c":"k"}}}}`, high.ID()): "root[low][high] left[][] right[][]",
		})
		if err := low.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		joinTTable(t, tree, map[string]string{`{"join":{"J":{"dataSourceName":"Twice","on":{"c":"k"}}}}`: "root[high] left[] right[]"})
	})
}

// TestJoinSum is spec 6.3(2).
func TestJoinSum(t *testing.T) {
	db := memoryDB(t, nil)
	for value, want := range map[string]float64{
		`5`: 5, `"5"`: 5, `-1.5`: -1.5, `"-1.5"`: -1.5, `"1e2"`: 100, `" 7 "`: 7, `"5 km"`: 0, `"v5"`: 0, `""`: 0, `" "`: 0, `"1,5"`: 0, `"0x10"`: 0, `"Infinity"`: 0, `"NaN"`: 0,
		`true`: 0, `null`: 0, `[5]`: 0, `["5"]`: 0, `{}`: 0, `{"n":5}`: 0, `"1 2"`: 0,
	} {
		ds := table(t, db, "p"+value, `{"k":1,"v":`+value+`,"deep":{"x":`+value+`},"a.b":`+value+`}`)
		for _, sum := range []string{"v", "data.v", "deep.x", "data.deep.x", "a.b", "data.a.b"} {
			q := siftdb.Query{Joins: []siftdb.Join{{Name: "S", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}, Sum: sum}}}
			if got := joinTFind(t, ds, q)[0].JoinValue("S"); got != want {
				t.Errorf("the sum of %s at %s is %v, want %v", value, sum, got, want)
			}
		}
	}
	for values, want := range map[string]string{`1e308 1e308`: `{"S":null}`, `1e400`: `{"S":null}`, `1e400 -1e400`: `{"S":null}`, `0.5 0.25`: `{"S":0.75}`, `-0`: `{"S":0}`, `9007199254740993`: `{"S":9007199254740992}`} {
		rows := []string{}
		for _, v := range strings.Fields(values) {
			rows = append(rows, `{"k":1,"v":`+v+`}`)
		}
		ds := table(t, db, "j"+values, rows...)
		e := must[*siftdb.Entry](t)(ds.FindOne(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "S", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}, Sum: "v"}}}))
		if text := string(e.AppendJSON(nil)); !json.Valid([]byte(text)) || !strings.HasSuffix(text, `"joins":`+want+`}`) {
			t.Errorf("the sum of %s is %s", values, text)
		}
	}
	rows := table(t, db, "order", `{"k":1,"order":4}`, `{"k":1,"order":"3"}`, `{"k":1}`)
	if got := joinTFind(t, rows, joinTBody(t, `{"join":{"S":{"dataSourceName":"order","on":{"k":"k"},"sum":"order"}}}`))[0].JoinValue("S"); got != 7.0 {
		t.Errorf("a column called order sums to %v", got)
	}
}

// TestJoinRequired is spec 6.4 with 4.3, 4.4 and 4.7: dropping comes first.
func TestJoinRequired(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rows := []string{}
		for i := range 12 { // every third has no child, g repeats
			rows = append(rows, fmt.Sprintf(`{"c":%d,"k":%d,"g":%d}`, i, i, i%2))
		}
		ds := table(t, db, "p", rows...)
		kids := []string{}
		for i := range 12 {
			if i%3 != 0 {
				kids = append(kids, fmt.Sprintf(`{"c":"k%d","k":%d}`, i, i))
			}
		}
		table(t, db, "kids", kids...)
		table(t, db, "even", `{"k":[0,2,4,6,8,10]}`)
		need := `"join":{"K":{"dataSourceName":"kids","on":{"k":"k"},"required":true,"has":true}}`
		both := `"join":{"K":{"dataSourceName":"kids","on":{"k":"k"},"required":true},"E":{"dataSourceName":"even","on":{"k":"k"},"required":true},"N":{"dataSourceName":"even","on":{"k":"nothing"}}}`
		for body, want := range map[string]string{
			need:                           "1=true 2=true 4=true 5=true 7=true 8=true 10=true 11=true|8|<nil>|0",
			need + `,"offset":2,"limit":3`: "4=true 5=true 7=true|8|3|2",
			need + `,"order":[["k","DESC"]],"offset":1,"limit":2`:                       "10=true 8=true|8|2|1",
			need + `,"order":[["k","DESC"]],"limit":0`:                                  "|8|0|0",
			need + `,"limit":0`:                                                         "|8|0|0",
			need + `,"offset":100`:                                                      "|8|<nil>|100",
			need + `,"where":{"g":1},"limit":2`:                                         "1=true 5=true|4|2|0",
			need + `,"where":{"g":1},"order":["k","DESC"],"limit":1`:                    "11=true|4|1|0",
			need + `,"attributes":["g"],"distinct":true`:                                "<nil>=true <nil>=true|2|<nil>|0",
			need + `,"attributes":["g"],"distinct":true,"offset":1,"limit":5`:           "<nil>=true|2|5|1",
			need + `,"attributes":["c"],"distinct":true,"order":["k","DESC"],"limit":1`: "11=true|8|1|0",
			both:                                     "2[k2][<nil>][] 4[k4][<nil>][] 8[k8][<nil>][] 10[k10][<nil>][]|4|<nil>|0",
			both + `,"offset":3`:                     "10[k10][<nil>][]|4|<nil>|3",
			both + `,"order":["k","DESC"],"limit":2`: "10[k10][<nil>][] 8[k8][<nil>][]|4|2|0",
		} {
			q := joinTBody(t, `{`+body+`,"includePagination":true}`)
			r := must[*siftdb.Result](t)(ds.Query(ctx, q))
			limit := any(nil)
			if r.Pagination.Limit != nil {
				limit = *r.Pagination.Limit
			}
			got := fmt.Sprintf("%s|%d|%v|%d", joinTShow(joinTFind(t, ds, q)), r.Pagination.Total, limit, r.Pagination.Offset)
			if got != want {
				t.Errorf("%s\ngives %s\nwant  %s", body, got, want)
			}
		}
		c := must[*siftdb.Cursor](t)(ds.Cursor(ctx, joinTBody(t, `{`+need+`,"limit":3}`)))
		for page, want := range []string{"1=true 2=true 4=true", "5=true 7=true 8=true", "10=true 11=true", "10=true 11=true"} {
			if got := joinTShow(c.Entries()); got != want || c.Total() != 8 {
				t.Errorf("page %d is %s of %d, want %s of 8", page, got, c.Total(), want)
			}
			c.Next()
			if err := c.Update(ctx, false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestJoinOuter is spec 6.5.
func TestJoinOuter(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "p", `{"c":"p1","k":1}`, `{"c":"p2","k":2}`, `{"c":"p3","k":3}`)
		a := table(t, db, "a", `{"c":"a1","k":1}`, `{"c":"a2","k":2}`, `{"c":"a3","k":2}`)
		b := table(t, db, "b", `{"c":"b1","k":9}`)
		if _, err := a.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"views":[{"name":"two","filter":{"k":2}}]}`)}); err != nil {
			t.Fatal(err)
		}
		joinTTable(t, ds, map[string]string{
			`{"join":{"A":{"dataSourceName":"a"}}}`:                                                                         "p1 p2 p3 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a","on":{}}}}`:                                                                 "p1 p2 p3 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a","on":null}}}`:                                                               "p1 p2 p3 a1 a2 a3",
			`{"join":{"B":{"dataSourceName":"b"},"A":{"dataSourceName":"a"}}}`:                                              "p1 p2 p3 b1 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"},"B":{"dataSourceName":"b"},"P":{"dataSourceName":"p"}}}`:                   "p1 p2 p3 a1 a2 a3 b1 p1 p2 p3",
			`{"join":{"A":{"dataSourceName":"a","where":{"k":2},"order":["id","DESC"],"limit":1}}}`:                         "p1 p2 p3 a3",
			`{"join":{"A":{"dataSourceName":"a","view":"two"}}}`:                                                            "p1 p2 p3 a2 a3",
			`{"join":{"A":{"dataSourceName":"a","view":"two","where":{"c":"a2"}}}}`:                                         "p1 p2 p3 a2",
			`{"join":{"A":{"dataSourceName":"a","limit":0}}}`:                                                               "p1 p2 p3",
			`{"join":{"A":{"dataSourceName":"a","attributes":["k"],"limit":1}}}`:                                            "p1 p2 p3 <nil>",
			`{"join":{"A":{"dataSourceName":"a","required":true,"where":{"k":7}}}}`:                                         "p1 p2 p3",
			`{"join":{"A":{"dataSourceName":"a"}},"limit":1}`:                                                               "p1 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"}},"limit":1,"offset":1,"order":["k","DESC"]}`:                               "p2 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"}},"limit":0}`:                                                               "a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"}},"offset":50}`:                                                             "a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"}},"where":{"k":77}}`:                                                        "a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a"}},"attributes":["k"],"limit":1}`:                                            "<nil> a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a","attributes":["k"]}},"attributes":["k"],"distinct":true}`:                   "<nil> <nil> <nil> <nil> <nil> <nil>",
			`{"join":{"A":{"dataSourceName":"a"},"In":{"dataSourceName":"a","on":{"k":"k"},"required":true,"count":true}}}`: "p1=1 p2=2 a1 a2 a3",
			`{"join":{"A":{"dataSourceName":"a","has":false,"count":false}}}`:                                               "p1 p2 p3 a1 a2 a3",
		})
		r := must[*siftdb.Result](t)(ds.Query(ctx, joinTBody(t, `{"join":{"B":{"dataSourceName":"b"}},"limit":1,"includePagination":true}`)))
		if r.Pagination.Total != 3 || len(r.Entries) != 2 || r.Entries[1].DataSourceID != b.ID() || r.Entries[1].ID != entryIDs(t, b)[0] {
			t.Errorf("an outer join in a page: %+v, %v", r.Pagination, joinTJSON(r.Entries))
		}
		for _, e := range r.Entries {
			if e.Joins != nil || strings.Contains(string(e.AppendJSON(nil)), "joins") {
				t.Errorf("an entry of an outer join's query has joins: %s", e.AppendJSON(nil))
			}
		}
		mixed := must[[]*siftdb.Entry](t)(ds.Find(ctx, joinTBody(t, `{"join":{"B":{"dataSourceName":"b"},"A":{"dataSourceName":"a","on":{"k":"k"}}}}`)))
		for _, e := range mixed {
			if parent := e.DataSourceID == ds.ID(); parent != (e.Joins != nil) || parent && (len(e.Joins) != 1 || e.Joins[0].Name != "A") {
				t.Errorf("%s has the joins %v", e.JSON(), e.Joins)
			}
		}
	})
}

// TestJoinJSON: the shape of joins, the order of their names, and numbers.
func TestJoinJSON(t *testing.T) {
	clock := newClock()
	db := memoryDB(t, clock.options())
	ds, kids := table(t, db, "p", `{"k":1}`), table(t, db, "k", `{"k":1,"n":2.50}`, `{"k":"1","n":"0.25"}`)
	const rest = `"order":0,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","deletedAt":null,"dataSourceId":`
	kid := func(i int, data string) string {
		return fmt.Sprintf(`{"id":%d,"data":%s,%s%d}`, entryIDs(t, kids)[i], data, rest, kids.ID())
	}
	body := `{"join":{"z":{"dataSourceName":"k","on":{"k":"k"}},"10":{"dataSourceName":"k","on":{"k":"k"},"count":true},"2":{"dataSourceName":"k","on":{"k":"k"},"sum":"n"},
		"out":{"dataSourceName":"k","limit":1},"a \"é\"\n":{"dataSourceName":"k","on":{"k":"k"},"has":true},"A":{"dataSourceName":"k","on":{"k":"none"},"attributes":["n"]},
		"x":{"dataSourceName":"k","on":{"k":"k"},"attributes":["n"],"limit":1},"e":{"dataSourceName":"k","on":{"k":"k"},"attributes":[],"limit":1}}}`
	joins := `{"z":[` + kid(0, `{"k":1,"n":2.50}`) + `,` + kid(1, `{"k":"1","n":"0.25"}`) + `],"10":2,"2":2.75,"a \"é\"\n":true,"A":[],"x":[` + kid(0, `{"n":2.50}`) + `],"e":[` + kid(0, `{}`) + `]}`
	want := []string{fmt.Sprintf(`{"id":%d,"data":{"k":1},%s%d,"joins":%s}`, entryIDs(t, ds)[0], rest, ds.ID(), joins), kid(0, `{"k":1,"n":2.50}`)}
	entries := joinTFind(t, ds, joinTBody(t, body))
	if diff := cmp.Diff(want, joinTJSON(entries)); diff != "" {
		t.Error(diff)
	}
	result := must[[]byte](t)(json.Marshal(must[*siftdb.Result](t)(ds.Query(ctx, joinTBody(t, body)))))
	if diff := cmp.Diff(`{"entries":[`+strings.Join(want, ",")+`]}`, string(result)); diff != "" {
		t.Error(diff)
	}
	e := entries[0]
	if e.Joined("nobody") != nil || e.JoinValue("nobody") != nil || e.Joined("10") != nil || e.JoinValue("z") != nil || e.Joined("A") == nil || len(e.Joined("A")) != 0 {
		t.Errorf("Joined and JoinValue: %v %v %v %v", e.Joined("nobody"), e.Joined("10"), e.JoinValue("z"), e.Joined("A"))
	}
	if e.JoinValue("10") != int64(2) || e.JoinValue("2") != 2.75 || e.JoinValue("a \"é\"\n") != true {
		t.Errorf("the values are %v %v", e.JoinValue("10"), e.JoinValue("2"))
	}
}

// TestJoinErrors is spec 6.1, 6.5(3) and 6.6(2): which join is wrong stands in the
// message.
func TestJoinErrors(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "p", `{"k":1}`)
	trashed := table(t, db, "trashed", `{"k":1}`)
	if err := trashed.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	run := func(body string) error {
		q, err := siftdb.ParseQuery([]byte(body))
		if err == nil {
			_, err = ds.Query(ctx, q)
		}
		return err
	}
	bad, missing := siftdb.ErrInvalidQuery, siftdb.ErrNotFound
	for options, kind := range map[string]error{
		`5`: bad, `null`: bad, `[]`: bad, `"p"`: bad, `true`: bad, `{}`: bad, `{"on":{"k":"k"}}`: bad, `{"dataSourceId":null}`: bad,
		`{"dataSourceId":0}`: bad, `{"dataSourceId":-1}`: bad, `{"dataSourceId":1.5}`: bad, `{"dataSourceId":"x"}`: bad, `{"dataSourceId":""}`: bad,
		`{"dataSourceId":"1.5"}`: bad, `{"dataSourceId":"-1"}`: bad, `{"dataSourceId":true}`: bad, `{"dataSourceId":[1]}`: bad, `{"dataSourceId":1e300}`: bad,
		`{"dataSourceId":"99999999999999999999"}`: bad, `{"dataSourceName":5}`: bad, `{"dataSourceName":""}`: bad, `{"dataSourceName":["p"]}`: bad,
		`{"dataSourceName":"p","on":[]}`: bad, `{"dataSourceName":"p","on":"k"}`: bad, `{"dataSourceName":"p","on":[["k","k"]]}`: bad, `{"dataSourceName":"p","on":{"k":5}}`: bad,
		`{"dataSourceName":"p","on":{"k":null}}`: bad, `{"dataSourceName":"p","on":{"k":{}}}`: bad, `{"dataSourceName":"p","on":{"":"k"}}`: bad, `{"dataSourceName":"p","on":{"k":""}}`: bad,
		`{"dataSourceName":"p","on":{"k":["k"]}}`: bad, `{"dataSourceName":"p","on":true}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"required":1}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"required":"true"}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"has":1}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"count":"yes"}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"sum":5}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"sum":""}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"sum":true}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"limit":-1}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"limit":1.5}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"limit":"1"}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"order":[["k","up"]]}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"order":5}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"attributes":5}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"attributes":[5]}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"view":5}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"views":{}}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"views":[5]}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"view":"nobody"}`: bad,
		`{"dataSourceName":"p","view":"nobody"}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"where":[]}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"where":"x"}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"where":null}`:       bad, // 3.1(1): any type but an object
		`{"dataSourceName":"p","on":{"k":"k"},"where":{"$foo":1}}`: bad, `{"dataSourceName":"p","where":{"k":{"$regex":"("}}}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"where":{"$where":"1"}}`: bad,
		`{"dataSourceName":"p","on":{"k":"k"},"join":{}}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"join":{"x":{"dataSourceName":"p","on":{"k":"k"}}}}`: bad, `{"dataSourceName":"p","on":{"k":"k"},"join":5}`: bad,
		`{"dataSourceName":"p","has":true}`: bad, `{"dataSourceName":"p","count":true}`: bad, `{"dataSourceName":"p","sum":"k"}`: bad, `{"dataSourceName":"p","on":{},"has":true,"required":true}`: bad,
		`{"dataSourceName":"nobody","on":{"k":"k"}}`: missing, `{"dataSourceName":"P"}`: missing, `{"dataSourceId":999999}`: missing, `{"dataSourceId":"999999","dataSourceName":"p"}`: missing,
		`{"dataSourceName":"trashed","on":{"k":"k"}}`: missing, fmt.Sprintf(`{"dataSourceId":%d}`, trashed.ID()): missing, `{"dataSourceName":" p"}`: missing,
	} {
		for _, rest := range []string{`}`, `,"limit":0}`, `,"where":{"k":5},"order":["k"]}`} {
			err := run(`{"join":{"First":{"dataSourceName":"p","on":{"k":"k"}},"My Join":` + options + `}` + rest)
			fails(t, options+rest, err, kind)
			if err == nil || !strings.Contains(err.Error(), "My Join") || strings.Contains(err.Error(), "First") {
				t.Errorf("%s does not name its join: %v", options, err)
			}
		}
	}
	for _, body := range []string{`{"join":[]}`, `{"join":5}`, `{"join":"x"}`, `{"join":true}`, `{"join":[{"dataSourceName":"p"}]}`} {
		fails(t, body, run(body), bad)
	}
	for _, body := range []string{`{"join":null}`, `{"join":{}}`, `{"join":{"J":{"dataSourceName":"p","on":{"k":"k"},"aggregate":[],"offset":3,"distinct":7,"_tags":1}}}`} { // unknown options are ignored, 6.1
		if err := run(body); err != nil {
			t.Errorf("%s gives %v", body, err)
		}
	}
	join := `"join":{"J":{"dataSourceName":"p","on":{"k":"k"}}}`
	for _, body := range []string{`{"countOnly":true,` + join + `}`, `{"type":"delete","where":{},` + join + `}`, `{"type":"delete","where":{},"join":{"J":{"dataSourceName":"p"}}}`} {
		fails(t, body, run(body), bad)
	}
	good := siftdb.Join{Name: "J", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}}
	spoil := func(fn func(*siftdb.Join)) siftdb.Query {
		j := good
		fn(&j)
		return siftdb.Query{Joins: []siftdb.Join{j}}
	}
	for what, q := range map[string]siftdb.Query{
		"no name": spoil(func(j *siftdb.Join) { j.Name = "" }), "negative id": spoil(func(j *siftdb.Join) { j.DataSourceID = -1 }), "no data source": spoil(func(j *siftdb.Join) { j.DataSourceID = 0 }),
		"negative limit": spoil(func(j *siftdb.Join) { j.Limit = new(-1) }), "bad where": spoil(func(j *siftdb.Join) { j.Where = `{"a"` }), "where of a kind": spoil(func(j *siftdb.Join) { j.Where = 5 }),
		"sum without on": spoil(func(j *siftdb.Join) { j.On, j.Sum = nil, "k" }), "twice": {Joins: []siftdb.Join{good, good}}, "empty pair": spoil(func(j *siftdb.Join) { j.On = siftdb.On{"": ""} }),
	} {
		_, err := ds.Find(ctx, q)
		fails(t, what, err, bad)
		fails(t, what+" in Each", eachError(ds.Each(ctx, q)), bad)
		_, err = ds.FindOne(ctx, q)
		fails(t, what+" in FindOne", err, bad)
		_, err = ds.Cursor(ctx, q)
		fails(t, what+" in Cursor", err, bad)
		if what != "no name" && !strings.Contains(err.Error(), `"J"`) {
			t.Errorf("%s does not name its join: %v", what, err)
		}
	}
	_, err := ds.Count(ctx, siftdb.Query{Joins: []siftdb.Join{good}})
	fails(t, "Count", err, bad)
	if n := len(all(t, ds)); n != 1 {
		t.Errorf("refused queries left %d entries", n)
	}
}

// TestJoinAggregate is spec 6.6(3): documents carry joins, and outer ones go in too.
func TestJoinAggregate(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "p", `{"k":1}`, `{"k":2}`, `{"k":3}`)
		table(t, db, "a", `{"k":1,"n":10}`, `{"k":1,"n":5}`, `{"k":2,"n":1}`)
		on := `{"dataSourceName":"a","on":{"k":"k"}`
		for body, want := range map[string]string{
			`{"join":{"S":` + on + `,"sum":"n"}},"aggregate":[{"$group":{"_id":null,"n":{"$sum":"$joins.S"}}}]}`:                                                                     `[{"_id":null,"n":16}]`,
			`{"join":{"A":` + on + `}},"aggregate":[{"$project":{"_id":0,"n":{"$size":"$joins.A"}}}]}`:                                                                               `[{"n":2},{"n":1},{"n":0}]`,
			`{"join":{"A":` + on + `,"required":true}},"aggregate":[{"$unwind":"$joins.A"},{"$project":{"_id":0,"n":"$joins.A.data.n"}}]}`:                                           `[{"n":10},{"n":5},{"n":1}]`,
			`{"join":{"O":{"dataSourceName":"a","where":{"k":1}}},"aggregate":[{"$count":"n"}]}`:                                                                                     `[{"n":5}]`,
			`{"join":{"O":{"dataSourceName":"a"}},"where":{"k":3},"order":["k"],"attributes":[],"aggregate":[{"$group":{"_id":null,"k":{"$sum":"$data.k"},"j":{"$max":"$joins"}}}]}`: `[{"_id":null,"k":7,"j":null}]`,
			`{"join":{"A":` + on + `,"required":true}},"limit":1,"offset":1,"includePagination":true,"aggregate":[{"$project":{"_id":0,"k":"$data.k"}}]}`:                            `[{"k":2}]`,
			`{"join":{"A":` + on + `,"has":true}},"aggregate":[{"$match":{"joins.A":true}},{"$count":"n"}]}`:                                                                         `[{"n":2}]`,
			`{"join":{"A":` + on + `,"count":true}},"aggregate":[{"$match":{"joins.A":{"$gte":2}}},{"$project":{"_id":0,"k":"$data.k"}}]}`:                                           `[{"k":1}]`,
			`{"join":{"A":` + on + `,"attributes":["n"],"limit":1,"order":["n"]}},"where":{"k":1},"aggregate":[{"$project":{"_id":0,"j":"$joins.A.data"}}]}`:                         `[{"j":[{"n":5}]}]`,
		} {
			r, err := ds.Query(ctx, joinTBody(t, body))
			if err != nil {
				t.Errorf("%s: %v", body, err)
				continue
			}
			if got := asJSON(t, r.Documents); got != want {
				t.Errorf("%s\ngives %s\nwant  %s", body, got, want)
			}
			if r.Pagination != nil && r.Pagination.Total != 2 {
				t.Errorf("%s: total %d", body, r.Pagination.Total)
			}
		}
		_, err := ds.Aggregate(ctx, `[{"$count":"n"}]`, joinTBody(t, `{"join":{"Bad":{"dataSourceName":"nobody"}}}`))
		if !errors.Is(err, siftdb.ErrNotFound) || !strings.Contains(err.Error(), "Bad") {
			t.Errorf("an unknown data source gives %v", err)
		}
	})
}
