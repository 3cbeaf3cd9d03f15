package siftdb_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// guardTTwin is one of two small databases that differ in hidden columns alone: the
// same values, in other rows, and texts of other lengths.
func guardTTwin(t testing.TB, turned bool, p *security.Principal) guardTView {
	w := &guardTWorld{t: t}
	w.now.Store(1_767_323_045_000)
	w.root = memoryDB(t, &siftdb.Options{Now: func() time.Time { return time.UnixMilli(w.now.Load()) }, Limits: siftdb.Limits{QueryBytes: 1 << 20}})
	salary := []string{`10`, `"s3cret"`, `30`, `null`}
	secret := []string{`{"code":"a","list":[1,2,3]}`, `"` + strings.Repeat("s3cret", 50_000) + `"`, `["a",30]`, `true`}
	if turned {
		slices.Reverse(salary)
		secret = []string{`["b"]`, `{"code":"b"}`, `"s3cret"`, `{"code":"a"}`}
	}
	var people, orders []string
	for i, name := range []string{"ann", "bob", "cat", "dan"} {
		people = append(people, fmt.Sprintf(`{"Kind":"k","Name":%q,"Score":%d,"Salary":%s,"Secret":%s,"Pin":%s,"a.b":%s}`, name, i*10, salary[i], secret[i], salary[i], salary[i]))
		orders = append(orders, fmt.Sprintf(`{"Kind":"k","Person":%q,"Amount":%d,"Cost":%s,"Code":%s}`, name, i*10, salary[i], secret[i]))
	}
	eve := []string{`,"Salary":7`, ``}
	if turned {
		slices.Reverse(eve)
	}
	people = append(people, `{"Kind":"k","Name":"eve","Score":40`+eve[0]+`}`)
	rules := strings.ReplaceAll(guardTPeopleRules, `"exclude":["Salary","Secret"]`, `"exclude":["Salary","Secret","a.b"]`)
	w.people, w.orders = guardTSource(t, w.root, "people", rules, guardTViews), guardTSource(t, w.root, "orders", guardTOrderRules, `{}`)
	must[siftdb.BulkResult](t)(w.people.Append(ctx, raws(people...)))
	must[siftdb.BulkResult](t)(w.orders.Append(ctx, raws(orders...)))
	w.n = 1
	must[int64](t)(w.people.UpdateWhere(ctx, `{"Name":"ann"}`, siftdb.Patch{Set: json.RawMessage(`{"Salary":` + salary[0] + `,"bump":1}`)}))
	return guardTView{w: w, db: w.root.As(p), strip: p.User["Role"] == "boss"}
}

type guardTCases map[string]func(v guardTView) string

func guardTBy(q siftdb.Query) func(v guardTView) string {
	return func(v guardTView) string { return v.found(v.people().Find(ctx, q)) }
}

// guardTWheres makes a case of each where, found and counted.
func guardTWheres(wheres ...string) guardTCases {
	cases := guardTCases{}
	for _, where := range wheres {
		cases[where] = func(v guardTView) string {
			n, err := v.people().Count(ctx, siftdb.Query{Where: where})
			return guardTBy(siftdb.Query{Where: where})(v) + guardTCount(n, err)
		}
	}
	return cases
}

func guardTPipes(q siftdb.Query, pipelines ...string) guardTCases {
	cases := guardTCases{}
	for _, p := range pipelines {
		cases[p] = func(v guardTView) string {
			docs, err := v.people().Aggregate(ctx, p, q)
			return guardTError(err) + guardTJSON(docs)
		}
	}
	return cases
}

func guardTJoins(joins map[string]siftdb.Join) guardTCases {
	cases := guardTCases{}
	for name, j := range joins {
		j.Name, j.DataSourceName = "j", "orders"
		if j.On == nil {
			j.On = siftdb.On{"Name": "Person"}
		}
		cases[name] = guardTBy(siftdb.Query{Joins: []siftdb.Join{j}})
	}
	return cases
}

// guardTChannels are the leak channels of reliability G that the library has. What is in
// each must tell the restricted principal the same of both twins, and not the same to one
// who may read everything, so that no case is empty.
var guardTChannels = map[string]guardTCases{
	"1 projection": {
		"whole": func(v guardTView) string { v.strip = false; return guardTBy(siftdb.Query{})(v) },
		"named": func(v guardTView) string {
			v.strip = false
			return guardTBy(siftdb.Query{Attributes: []string{"Salary"}})(v)
		},
		"prefixed": func(v guardTView) string {
			v.strip = false
			return guardTBy(siftdb.Query{Attributes: []string{"data.Salary"}})(v)
		},
		"child": func(v guardTView) string {
			v.strip = false
			return guardTBy(siftdb.Query{Attributes: []string{"data.Secret.code"}})(v)
		},
		"position": func(v guardTView) string {
			v.strip = false
			return guardTBy(siftdb.Query{Attributes: []string{"data.Secret.list.0"}})(v)
		},
		"with dots": func(v guardTView) string {
			v.strip = false
			return guardTBy(siftdb.Query{Attributes: []string{"a.b"}})(v)
		},
		"one":   func(v guardTView) string { e, err := v.people().FindOne(ctx, siftdb.Query{}); return v.json(e, err) },
		"by id": func(v guardTView) string { e, err := v.people().FindByID(ctx, 1); return v.json(e, err) },
		"typed": func(v guardTView) string {
			r, err := siftdb.Of[map[string]any](v.people()).Find(ctx, siftdb.Query{})
			return guardTJSON(r) + guardTError(err)
		},
		"misfit": func(v guardTView) string {
			_, err := siftdb.Of[struct{ Salary int }](v.people()).Find(ctx, siftdb.Query{})
			return guardTError(err)
		},
	},
	"2 where": guardTWheres(`{"Salary":10}`, `{"data.Salary":10}`, `{"Salary":{"$ne":10}}`, `{"Salary":{"$gt":5}}`, `{"Salary":{"$lte":10}}`, `{"Salary":{"$in":[10,30]}}`, `{"Salary":{"$nin":[10]}}`, `{"Salary":{"$like":"s3"}}`,
		`{"Salary":{"$iLike":"S3%"}}`, `{"Salary":{"$regex":"^s"}}`, `{"Salary":{"$type":"string"}}`, `{"Secret.code":{"$exists":false}}`, `{"Salary":null}`, `{"Salary":{"$not":{"$gt":5}}}`, `{"$nor":[{"Salary":10}]}`, `{"$not":{"Salary":10}}`,
		`{"$or":[{"Salary":10},{"Name":"x"}]}`, `{"$and":[{"Salary":{"$ne":30}},{"Score":{"$lt":20}}]}`, `{"Salary":{"$mod":[20,10]}}`, `{"Secret.code":"a"}`, `{"data.Secret.code":{"$ne":"a"}}`, `{"Secret":{"$size":2}}`, `{"Secret":{"$all":["a"]}}`,
		`{"Secret":{"$elemMatch":{"$gt":1}}}`, `{"Secret.0":"a"}`, `{"Secret":{"code":"a"}}`, `{"a.b":10}`, `{"data.a.b":{"$gt":1}}`),
	"2 filters": guardTWheres(`{"$filters":[{"column":"Salary","condition":"==","value":10}]}`, `{"$filters":[{"column":"Salary","condition":"!=","value":10}]}`, `{"$filters":[{"column":"Salary","condition":">","value":10}]}`,
		`{"$filters":[{"column":"Salary","condition":"contains","value":"s3"}]}`, `{"$filters":[{"column":"Salary","condition":"notcontain","value":"s3"}]}`, `{"$filters":[{"column":"Salary","condition":"empty"}]}`,
		`{"$filters":[{"column":"Salary","condition":"notempty"}]}`, `{"$filters":[{"column":"Salary","condition":"between","value":{"from":5,"to":15}}]}`, `{"$filters":[{"column":"Secret.code","condition":"oneof","value":"a"}]}`,
		`{"$filters":[{"column":"a.b","condition":"==","value":10}]}`, `{"$or":[{"$filters":[{"column":"Salary","condition":"regex","value":"^s"}]}]}`),
	"3 order": {
		"up":        guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("Salary")}}),
		"down":      guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Desc("Salary")}}),
		"prefixed":  guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("data.Salary")}}),
		"child":     guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("data.Secret.code")}}),
		"second":    guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("none"), siftdb.Desc("Salary")}}),
		"with dots": guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("a.b")}}),
		"windowed":  guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("Salary")}, Limit: new(1)}),
		"skipped":   guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("Salary")}, Offset: 2}),
	},
	"4 pages": {
		"total": func(v guardTView) string {
			r, err := v.people().Query(ctx, siftdb.Query{Where: `{"Salary":{"$in":[10,30]},"Score":{"$lt":20}}`, IncludePagination: true})
			return guardTError(err) + fmt.Sprint(r.Pagination.Total, len(r.Entries)) + v.entries(r.Entries)
		},
		"short page": guardTBy(siftdb.Query{Where: `{"Salary":{"$gt":5}}`, Limit: new(1)}),
		"offset":     guardTBy(siftdb.Query{Where: `{"Salary":{"$ne":10}}`, Offset: 1}),
		"distinct":   guardTBy(siftdb.Query{Attributes: []string{"data.Secret.code"}, Distinct: true}),
		"first": func(v guardTView) string {
			e, err := v.people().FindOne(ctx, siftdb.Query{Where: `{"Salary":{"$gt":5}}`})
			return guardTError(err) + v.entry(e)
		},
		"stream": func(v guardTView) (text string) {
			for e, err := range v.people().Each(ctx, siftdb.Query{Where: `{"Salary":10}`}) {
				text += guardTError(err) + v.entry(e)
			}
			return text
		},
		"cursor": func(v guardTView) string {
			c, err := v.people().Cursor(ctx, siftdb.Query{Where: `{"Secret.code":"a"}`, Limit: new(1)})
			return guardTError(err) + fmt.Sprint(c.Total(), c.IsLastPage()) + v.entries(c.Entries())
		},
		"view": guardTBy(siftdb.Query{Views: []string{"rich", "poor"}}),
	},
	"5 pipelines": guardTPipes(siftdb.Query{}, `[{"$group":{"_id":"$data.Salary"}}]`, `[{"$group":{"_id":null,"x":{"$max":"$data.Salary"},"y":{"$push":"$data.Secret.code"}}}]`, `[{"$project":{"x":"$$ROOT"}}]`, `[{"$project":{"x":"$$CURRENT.data.Salary"}}]`,
		`[{"$project":{"x":{"$objectToArray":"$data"}}}]`, `[{"$project":{"x":{"$getField":{"field":"Salary","input":"$data"}}}}]`, `[{"$project":{"x":{"$getField":{"field":"a.b","input":"$data"}}}}]`, `[{"$match":{"data.Salary":10}}]`, `[{"$match":{"$expr":{"$eq":["$data.Salary",10]}}}]`,
		`[{"$sort":{"data.Salary":1}},{"$project":{"id":1}}]`, `[{"$sortByCount":"$data.Secret.code"}]`, `[{"$facet":{"f":[{"$group":{"_id":"$data.Salary"}}]}}]`, `[{"$bucket":{"groupBy":"$data.Salary","boundaries":[5,20],"default":"x","output":{"ids":{"$push":"$id"}}}}]`, `[{"$unwind":"$data.Secret.list"},{"$project":{"id":1}}]`,
		`[{"$setWindowFields":{"sortBy":{"data.Salary":1},"output":{"r":{"$documentNumber":{}}}}}]`, `[{"$redact":{"$cond":[{"$eq":["$data.Salary",10]},"$$KEEP","$$PRUNE"]}}]`, `[{"$replaceWith":{"$mergeObjects":["$data",{"z":1}]}}]`, `[{"$match":{"$nor":[{"data.Secret.code":"a"}]}},{"$project":{"id":1}}]`),
	"6 joins": guardTJoins(map[string]siftdb.Join{
		"entries": {Attributes: []string{"Cost"}, Where: `{"Cost":10}`}, "on parent": {On: siftdb.On{"Salary": "Amount"}}, "on child": {On: siftdb.On{"Score": "Cost"}}, "on both": {On: siftdb.On{"Secret.code": "Code.code"}, Has: true, Required: true},
		"where": {Where: `{"Cost":{"$gt":5}}`}, "sum": {Sum: "Cost"}, "has": {Has: true, Where: `{"Code.code":"a"}`}, "count": {Count: true, Where: `{"Cost":{"$ne":10}}`}, "required": {Required: true, Where: `{"Cost":10}`},
		"order": {On: siftdb.On{"Kind": "Kind"}, Order: siftdb.Order{siftdb.Asc("Cost")}, Limit: new(1)}, "outer": {On: siftdb.On{}, Order: siftdb.Order{siftdb.Desc("Cost")}}, "outer where": {On: siftdb.On{}, Where: `{"Cost":10}`},
	}),
	"6 joined documents": guardTPipes(siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}}, {Name: "s", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}, Sum: "Cost"}}},
		`[]`, `[{"$project":{"x":"$joins"}}]`, `[{"$project":{"x":"$joins.j.data.Cost"}}]`, `[{"$group":{"_id":"$joins.s"}}]`, `[{"$unwind":"$joins.j"},{"$sort":{"joins.j.data.Cost":1}},{"$project":{"id":1}}]`, `[{"$match":{"joins.j.data.Cost":10}},{"$project":{"id":1}}]`, `[{"$match":{"joins.s":10}},{"$project":{"id":1}}]`, `[{"$project":{"x":{"$objectToArray":"$joins"}}}]`),
	"6 lookup": guardTPipes(siftdb.Query{}, `[{"$lookup":{"from":"orders","localField":"data.Name","foreignField":"data.Person","as":"o"}}]`, `[{"$lookup":{"from":"orders","localField":"data.Salary","foreignField":"data.Amount","as":"o"}},{"$project":{"n":{"$size":"$o"}}}]`,
		`[{"$lookup":{"from":"orders","localField":"data.Score","foreignField":"data.Cost","as":"o"}},{"$project":{"p":"$o.data.Person"}}]`, `[{"$lookup":{"from":"orders","pipeline":[{"$group":{"_id":"$data.Cost"}}],"as":"o"}}]`, `[{"$lookup":{"from":"people","pipeline":[{"$match":{"data.Salary":10}},{"$project":{"id":1}}],"as":"o"}}]`,
		`[{"$unionWith":"orders"}]`, `[{"$unionWith":{"coll":"people","pipeline":[{"$sort":{"data.Salary":1}},{"$project":{"id":1}}]}}]`, `[{"$graphLookup":{"from":"orders","startWith":"$data.Name","connectFromField":"data.Cost","connectToField":"data.Person","as":"g"}}]`,
		`[{"$graphLookup":{"from":"people","startWith":"$data.Salary","connectFromField":"data.Score","connectToField":"data.Score","as":"g"}},{"$project":{"n":{"$size":"$g"}}}]`, `[{"$facet":{"f":[{"$unionWith":{"coll":"orders","pipeline":[{"$project":{"c":"$data.Cost"}}]}}]}}]`),
	"9 unique": {
		"column":    guardTUnique("Salary"),
		"prefixed":  guardTUnique("Secret.list"),
		"path":      guardTUnique("Secret.code"),
		"position":  guardTUnique("Secret.0"),
		"whole":     guardTUnique("Secret"),
		"with dots": guardTUnique("a.b"),
		"several": func(v guardTView) string {
			list, err := v.people().Indexes(ctx, "Name", "Salary", "Pin")
			return guardTError(err) + guardTJSON(list)
		},
		"as text": func(v guardTView) string {
			list, err := v.people().IndexesJSON(ctx, "Salary", "Secret.code")
			return guardTError(err) + guardTJSON(list)
		},
	},
	"10 errors": guardTPipes(siftdb.Query{}, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$add":["$data.Salary",1]}}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$toUpper":"$data.Secret"}}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$concat":["$data.Salary","x"]}}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$arrayElemAt":["$data.Secret",0]}}}]`,
		`[{"$match":{"data.Score":0}},{"$replaceRoot":{"newRoot":"$data.Secret"}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$objectToArray":"$data.Secret"}}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$map":{"input":"$data.Secret","in":1}}}}]`, `[{"$match":{"data.Score":0}},{"$project":{"x":{"$divide":[1,"$data.Salary"]}}}]`),
	"11 the past": {
		"version": func(v guardTView) string {
			return v.found(v.people().VersionEntries(ctx, v.past(0), siftdb.VersionQuery{Where: `{"Salary":10}`}))
		},
		"version data": func(v guardTView) string {
			v.strip = false
			return v.found(v.people().VersionEntries(ctx, v.past(0), siftdb.VersionQuery{}))
		},
		"order": func(v guardTView) string {
			return v.found(v.people().At(v.past(0)).Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Salary")}}))
		},
		"count": func(v guardTView) string {
			return guardTCount(v.people().At(v.past(0)).Count(ctx, siftdb.Query{Where: `{"Salary":{"$gt":5},"Score":0}`}))
		},
		"time": func(v guardTView) string {
			return v.found(v.people().AtTime(time.UnixMilli(v.w.now.Load())).Find(ctx, siftdb.Query{Where: `{"Salary":10}`}))
		},
		"unique": func(v guardTView) string {
			list, err := v.people().At(v.past(0)).Index(ctx, "Salary")
			return guardTError(err) + guardTJSON(list)
		},
		"pipeline": func(v guardTView) string {
			list, err := v.people().At(v.past(0)).Aggregate(ctx, `[{"$sort":{"data.Salary":1}}]`, siftdb.Query{})
			return guardTError(err) + guardTJSON(list)
		},
		"diff": func(v guardTView) (text string) {
			v.strip = false
			for c, err := range v.people().Diff(ctx, v.past(0), siftdb.Now) {
				text += guardTError(err) + v.change(c)
			}
			return text
		},
	},
	"12 feeds": {
		"changes": guardTAllChanges,
		"live": func(v guardTView) string {
			return v.live(siftdb.Query{Where: `{"$or":[{"Salary":10},{"marker":{"$lt":0}}]}`}, nil)
		},
		"live negated": func(v guardTView) string { return v.live(siftdb.Query{Where: `{"Salary":{"$ne":10}}`}, nil) },
		"live window": func(v guardTView) string {
			return v.live(siftdb.Query{Order: siftdb.Order{siftdb.Asc("marker"), siftdb.Asc("Salary")}, Limit: new(3)}, nil)
		},
		"live attributes": func(v guardTView) string {
			v.strip = false
			return v.live(siftdb.Query{Attributes: []string{"Salary"}}, nil)
		},
		"live view": func(v guardTView) string {
			return v.live(siftdb.Query{Where: `{"$or":[{"Secret.code":"a"},{"marker":{"$lt":0}}]}`}, nil)
		},
		"subscribe": func(v guardTView) string {
			return v.touched(siftdb.SubscribeOptions{Where: `{"$or":[{"Salary":10},{"marker":{"$lt":0}}]}`})
		},
		"subscribe all": func(v guardTView) string { v.strip = false; return v.touched(siftdb.SubscribeOptions{}) },
		"in scope":      guardTInScope,
	},
}

func guardTUnique(name string) func(v guardTView) string {
	return func(v guardTView) string {
		list, err := v.people().Index(ctx, name)
		return guardTError(err) + guardTJSON(list)
	}
}

func (v guardTView) json(e *siftdb.Entry, err error) string {
	v.strip = false
	return guardTError(err) + v.entry(e)
}

// touched is what a subscription tells of a write to all entries.
func (v guardTView) touched(o siftdb.SubscribeOptions) string {
	return v.subscribeTo(o, func() {
		must[int64](v.w.t)(v.w.people.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"bump": 9}}))
		v.w.mark(nil)
	})
}

// guardTInScope asks a subscription of entries that trusted code has read.
func guardTInScope(v guardTView) string {
	s, err := v.people().Subscribe(ctx, siftdb.SubscribeOptions{Where: `{"Salary":10}`}, func(siftdb.Changes) {})
	if err != nil {
		return guardTError(err)
	}
	limit, cancel := guardTContext(v.w.t)
	defer cancel()
	defer guardTEnd(limit, s)
	text := ""
	for _, e := range must[[]*siftdb.Entry](v.w.t)(v.w.people.Find(ctx, siftdb.Query{})) {
		text += fmt.Sprint(s.IsInScope(e), " ")
	}
	return text
}

func guardTAllChanges(v guardTView) (text string) {
	v.strip = false
	for set, err := range v.people().Changes(ctx, 0) {
		if err != nil {
			return guardTError(err)
		}
		text += v.version(set.Version)
		for _, c := range set.Changes {
			text += v.change(c)
		}
		if set.Version.ID == v.past(0) {
			break
		}
	}
	return text
}

// TestGuardLeaks: each case of each channel tells the restricted principal the same of
// both twins, and no secret; and something else to one who may read everything.
func TestGuardLeaks(t *testing.T) {
	for channel, cases := range guardTChannels {
		t.Run(channel, func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(cases)) {
				run := func(role string) (string, string) {
					return cases[name](guardTTwin(t, false, guardTPrincipal(role))), cases[name](guardTTwin(t, true, guardTPrincipal(role)))
				}
				if a, b := run("clerk"); a != b || strings.Contains(a, "s3cret") && !strings.Contains(name, "s3") {
					t.Errorf("%s: of one twin it tells\n%s\nof the other\n%s", name, guardTClip(a, b), guardTClip(b, a))
				}
				if a, b := run("boss"); a == b {
					t.Errorf("%s proves nothing: even with all rights it tells %.300s", name, a)
				}
			}
		})
	}
}
