package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/siftdb/siftdb"
)

// guardTRequest is one request of a principal. It does the same in any world.
type guardTRequest struct {
	class string
	text  string
	run   func(v guardTView) string
}

// guardTGrammar makes requests that love hidden columns.
type guardTGrammar struct {
	*rand.Rand
	hidden []string // the columns that it loves most; of people
	codes  []string // and of orders
}

func guardTNewGrammar(r *rand.Rand) *guardTGrammar {
	return &guardTGrammar{Rand: r, hidden: []string{"Salary", "Salary", "Secret", "Secret.code", "Secret.list", "Secret.list.0", "SecretMediaFileId", "Pin", "PinMediaFileId", "salary"}, codes: []string{"Cost", "Code", "Code.code", "Code.list"}}
}

func guardTPick[T any](g *guardTGrammar, list ...T) T { return list[g.IntN(len(list))] }

// column is a name of people, mostly of what is hidden.
func (g *guardTGrammar) column() string {
	name := guardTPick(g, g.hidden...)
	if g.IntN(6) == 0 {
		name = guardTPick(g, "Name", "Dept", "Score", "Tags")
	}
	if g.IntN(2) == 0 {
		name = "data." + name
	}
	return name
}

func (g *guardTGrammar) code() string {
	return guardTPick(g, "", "data.") + guardTPick(g, g.codes...)
}

func (g *guardTGrammar) value() any {
	return guardTPick[any](g, 0, 25, 50, 75, 100, "a", "b", "50", true, false, nil, "", []any{25, "a"}, siftdb.M{"code": "a"})
}

func (g *guardTGrammar) condition() any {
	switch op := guardTPick(g, "=", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$like", "$iLike", "$exists", "$regex", "$type", "$size", "$all", "$elemMatch", "$mod", "$not"); op {
	case "=":
		return g.value()
	case "$in", "$nin", "$all":
		return siftdb.M{op: []any{g.value(), g.value()}}
	case "$like", "$iLike":
		return siftdb.M{op: guardTPick(g, "a", "A%", "%5%", "0")}
	case "$exists":
		return siftdb.M{op: g.IntN(2) == 0}
	case "$regex":
		return siftdb.M{op: guardTPick(g, "^a", "5", ".")}
	case "$type":
		return siftdb.M{op: guardTPick(g, "number", "string", "array", "object", "null")}
	case "$size":
		return siftdb.M{op: g.IntN(3)}
	case "$elemMatch":
		return siftdb.M{op: siftdb.M{"$gt": 0}}
	case "$mod":
		return siftdb.M{op: []int{50, 0}}
	case "$not":
		return siftdb.M{op: siftdb.M{guardTPick(g, "$gt", "$eq"): g.value()}}
	default:
		return siftdb.M{op: g.value()}
	}
}

func (g *guardTGrammar) where(column func() string, depth int) siftdb.M {
	if depth > 0 && g.IntN(3) == 0 {
		return siftdb.M{guardTPick(g, "$and", "$or", "$nor"): []any{g.where(column, depth-1), g.where(column, depth-1)}}
	}
	return siftdb.M{column(): g.condition()}
}

func (g *guardTGrammar) filters() siftdb.M {
	name := strings.TrimPrefix(g.column(), "data.")
	c := siftdb.M{"column": name, "condition": guardTPick(g, "==", "!=", ">", ">=", "<", "<=", "contains", "notcontain", "regex", "empty", "notempty", "oneof"), "value": guardTPick[any](g, 50, "a", "25", "0")}
	if g.IntN(5) == 0 {
		c["condition"], c["value"] = "between", siftdb.M{"from": 10, "to": 60}
	}
	return siftdb.M{"$filters": []any{c}}
}

func (g *guardTGrammar) order(column func() string) siftdb.Order {
	return siftdb.Order{{Name: column(), Desc: g.IntN(2) == 0}}
}

// path is what a pipeline calls a hidden column of people.
func (g *guardTGrammar) path() string { return "$data." + guardTPick(g, g.hidden...) }

// select makes a query of people that shows nothing of what it asks for.
func (g *guardTGrammar) query() siftdb.Query {
	q := siftdb.Query{Where: g.where(g.column, 2)}
	if g.IntN(3) == 0 {
		q.Order = g.order(g.column)
	}
	if g.IntN(3) == 0 {
		q.Limit = new(g.IntN(4))
	}
	if g.IntN(4) == 0 {
		q.Offset = g.IntN(3)
	}
	return q
}

func (g *guardTGrammar) join() siftdb.Join {
	j := siftdb.Join{Name: "j", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}}
	switch g.IntN(3) {
	case 0:
		j.Count = true
	case 1:
		j.Has = true
	}
	return j
}

// guardTJSON is a value as JSON text.
func guardTJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// find makes a request that finds entries.
func guardTFind(class string, q siftdb.Query) guardTRequest {
	return guardTRequest{class, fmt.Sprintf("%+v", q), func(v guardTView) string { return v.found(v.people().Find(ctx, q)) }}
}

func guardTPipeline(class string, q siftdb.Query, stages ...any) guardTRequest {
	text := guardTJSON(stages)
	return guardTRequest{class, text + fmt.Sprintf(" %+v", q), func(v guardTView) string {
		docs, err := v.people().Aggregate(ctx, text, q)
		var b strings.Builder
		b.WriteString(guardTError(err))
		for _, d := range docs {
			b.Write(d.JSON())
		}
		return b.String()
	}}
}

// requests are the classes of requests: what each makes goes through one channel.
var guardTClasses = map[string]func(g *guardTGrammar) guardTRequest{
	"where": func(g *guardTGrammar) guardTRequest {
		return guardTFind("where", siftdb.Query{Where: g.where(g.column, 2)})
	},
	"filters": func(g *guardTGrammar) guardTRequest { return guardTFind("filters", siftdb.Query{Where: g.filters()}) },
	"order": func(g *guardTGrammar) guardTRequest {
		return guardTFind("order", siftdb.Query{Order: g.order(g.column)})
	},
	"page": func(g *guardTGrammar) guardTRequest {
		return guardTFind("page", siftdb.Query{Order: g.order(g.column), Limit: new(1 + g.IntN(3)), Offset: g.IntN(3)})
	},
	"distinct": func(g *guardTGrammar) guardTRequest {
		return guardTFind("distinct", siftdb.Query{Attributes: []string{guardTPick(g, "Salary", "Secret", "data.Secret.code"), "Dept"}, Distinct: true})
	},
	"view": func(g *guardTGrammar) guardTRequest {
		return guardTFind("view", siftdb.Query{Views: []string{guardTPick(g, "rich", "poor", "mine"), "mine"}[:1+g.IntN(2)]})
	},
	"total": func(g *guardTGrammar) guardTRequest {
		q := g.query()
		q.IncludePagination = true
		return guardTRequest{"total", fmt.Sprintf("%+v", q), func(v guardTView) string {
			r, err := v.people().Query(ctx, q)
			if err != nil {
				return guardTError(err)
			}
			return fmt.Sprint(r.Pagination.Total)
		}}
	},
	"count": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Where: g.where(g.column, 2)}
		if g.IntN(4) == 0 {
			q = siftdb.Query{Views: []string{"rich"}}
		}
		return guardTRequest{"count", fmt.Sprintf("%+v", q), func(v guardTView) string {
			n, err := v.people().Count(ctx, q)
			return guardTError(err) + fmt.Sprint(n)
		}}
	},
	"unique": func(g *guardTGrammar) guardTRequest {
		name := strings.TrimPrefix(g.column(), "data.")
		return guardTRequest{"unique", name, func(v guardTView) string {
			list, err := v.people().Index(ctx, name)
			return guardTError(err) + guardTJSON(list)
		}}
	},
	"join on": func(g *guardTGrammar) guardTRequest {
		j := g.join()
		j.On = guardTPick(g, siftdb.On{g.column(): "Amount"}, siftdb.On{"data.Score": g.code()}, siftdb.On{g.column(): g.code()})
		j.Required = g.IntN(2) == 0
		return guardTFind("join on", siftdb.Query{Joins: []siftdb.Join{j}})
	},
	"join where": func(g *guardTGrammar) guardTRequest {
		j := g.join()
		j.Where, j.Required = g.where(g.code, 1), g.IntN(2) == 0
		return guardTFind("join where", siftdb.Query{Joins: []siftdb.Join{j}})
	},
	"join sum": func(g *guardTGrammar) guardTRequest {
		j := siftdb.Join{Name: "j", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}, Sum: g.code()}
		return guardTFind("join sum", siftdb.Query{Joins: []siftdb.Join{j}})
	},
	"join order": func(g *guardTGrammar) guardTRequest {
		j := siftdb.Join{Name: "j", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}, Order: g.order(g.code), Limit: new(1)}
		return guardTFind("join order", siftdb.Query{Joins: []siftdb.Join{j}})
	},
	"join outer": func(g *guardTGrammar) guardTRequest {
		j := siftdb.Join{Name: "j", DataSourceName: "orders", Where: g.where(g.code, 1), Order: g.order(g.code)}
		return guardTFind("join outer", siftdb.Query{Joins: []siftdb.Join{j}, Limit: new(0)})
	},
	"match": func(g *guardTGrammar) guardTRequest {
		stage := siftdb.M{"$match": g.where(func() string { return "data." + guardTPick(g, g.hidden...) }, 1)}
		if g.IntN(2) == 0 {
			stage = siftdb.M{"$match": siftdb.M{"$expr": siftdb.M{guardTPick(g, "$gt", "$lte", "$eq", "$ne"): []any{g.path(), guardTPick[any](g, 50, "a", "$data.Score")}}}}
		}
		return guardTPipeline("match", siftdb.Query{}, stage, siftdb.M{"$project": siftdb.M{"id": 1}})
	},
	"group": func(g *guardTGrammar) guardTRequest {
		id := guardTPick[any](g, nil, "$data.Dept", g.path(), siftdb.M{"$type": g.path()})
		acc := guardTPick(g, "$sum", "$avg", "$min", "$max", "$push", "$addToSet", "$first", "$last", "$stdDevPop", "$mergeObjects")
		operand := guardTPick[any](g, g.path(), g.path(), siftdb.M{"$ifNull": []any{g.path(), "none"}})
		if acc == "$mergeObjects" {
			operand = guardTPick[any](g, "$data", "$$ROOT")
		}
		return guardTPipeline("group", siftdb.Query{}, siftdb.M{"$group": siftdb.M{"_id": id, "v": siftdb.M{acc: operand}, "n": siftdb.M{"$sum": 1}}})
	},
	"sort": func(g *guardTGrammar) guardTRequest {
		return guardTPipeline("sort", siftdb.Query{}, siftdb.M{"$sort": siftdb.M{"data." + guardTPick(g, g.hidden...): guardTPick(g, 1, -1)}}, siftdb.M{"$limit": 1 + g.IntN(4)}, siftdb.M{"$project": siftdb.M{"id": 1}})
	},
	"document": func(g *guardTGrammar) guardTRequest {
		return guardTPipeline("document", siftdb.Query{Limit: new(4)}, guardTPick[guardTStage](g,
			`{"$project":{"x":"$$ROOT"}}`, `{"$project":{"x":"$$CURRENT.data"}}`, `{"$replaceRoot":{"newRoot":"$data"}}`, `{"$project":{"x":{"$objectToArray":"$data"}}}`, `{"$project":{"x":{"$objectToArray":"$$ROOT"}}}`,
			`{"$project":{"x":{"$getField":{"field":"Salary","input":"$data"}}}}`, `{"$project":{"x":{"$size":{"$objectToArray":"$data"}}}}`, `{"$project":{"x":{"$mergeObjects":["$data",{"y":1}]}}}`,
			`{"$project":{"x":{"$setField":{"field":"y","input":"$data","value":1}}}}`, `{"$addFields":{"x":"$data.Secret"}}`, `{"$unset":"data.Name"}`, `{"$unwind":{"path":"$data.Secret.list","preserveNullAndEmptyArrays":true}}`,
			`{"$sortByCount":"$data.Salary"}`, `{"$sortByCount":{"$type":"$data.Secret"}}`, `{"$facet":{"f":[{"$sortByCount":"$data.Salary"}]}}`, `{"$bucketAuto":{"groupBy":"$data.Salary","buckets":2}}`,
			`{"$setWindowFields":{"sortBy":{"data.Salary":1},"output":{"r":{"$documentNumber":{}}}}}`, `{"$redact":{"$cond":[{"$gt":["$data.Salary",50]},"$$KEEP","$$PRUNE"]}}`, `{"$group":{"_id":null,"x":{"$push":"$$ROOT"}}}`,
			`{"$project":{"x":{"$map":{"input":{"$objectToArray":"$data"},"as":"p","in":"$$p.k"}}}}`, `{"$project":{"x":{"$let":{"vars":{"d":"$data"},"in":"$$d.Secret.code"}}}}`, `{"$project":{"x":{"$cmp":["$data","$data.Name"]}}}`,
		).stage())
	},
	"lookup": func(g *guardTGrammar) guardTRequest {
		code := "data." + guardTPick(g, g.codes...)
		stage := guardTPick[any](g,
			siftdb.M{"$lookup": siftdb.M{"from": "orders", "localField": g.path()[1:], "foreignField": guardTPick(g, "data.Amount", code), "as": "o"}},
			siftdb.M{"$lookup": siftdb.M{"from": "orders", "localField": "data.Name", "foreignField": "data.Person", "as": "o"}},
			siftdb.M{"$lookup": siftdb.M{"from": "orders", "let": siftdb.M{"s": g.path()}, "pipeline": []any{siftdb.M{"$match": siftdb.M{"$expr": siftdb.M{"$gt": []any{"$" + code, "$$s"}}}}}, "as": "o"}},
			siftdb.M{"$graphLookup": siftdb.M{"from": guardTPick(g, "people", "orders"), "startWith": guardTPick(g, g.path(), "$data.Score"), "connectFromField": guardTPick(g, g.path()[1:], code), "connectToField": guardTPick(g, "data.Score", code, "data.Salary"), "as": "o"}},
			siftdb.M{"$unionWith": siftdb.M{"coll": "orders", "pipeline": []any{siftdb.M{"$group": siftdb.M{"_id": "$" + code}}}}},
			siftdb.M{"$unionWith": "orders"})
		return guardTPipeline("lookup", siftdb.Query{}, stage)
	},
	"joined documents": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "orders", On: siftdb.On{"Name": "Person"}}}}
		return guardTPipeline("joined documents", q, siftdb.M{"$project": siftdb.M{"v": guardTPick[any](g, "$joins", "$joins.j.data.Cost", siftdb.M{"$size": siftdb.M{"$ifNull": []any{"$joins.j.data.Code.list", []int{}}}}, siftdb.M{"$max": "$joins.j.data.Cost"})}})
	},
	"error": func(g *guardTGrammar) guardTRequest {
		return guardTPipeline("error", siftdb.Query{}, siftdb.M{"$project": siftdb.M{"x": guardTPick[any](g, siftdb.M{"$add": []any{g.path(), 1}}, siftdb.M{"$size": g.path()}, siftdb.M{"$toUpper": g.path()}, siftdb.M{"$concat": []any{g.path(), "x"}}, siftdb.M{"$divide": []any{1, g.path()}})}})
	},
}

// guardTStage is a stage as text.
type guardTStage string

func (s guardTStage) stage() json.RawMessage { return json.RawMessage(s) }

// guardTNext makes the next request of any class.
func (g *guardTGrammar) next() guardTRequest { return guardTClasses[guardTPick(g, guardTNamed...)](g) }

// guardTNamed are the names of the classes, those that are quick more often.
var guardTNamed []string

func init() {
	for name, class := range guardTMore {
		guardTClasses[name] = class
	}
	for name := range guardTClasses {
		guardTNamed = append(guardTNamed, name)
	}
	slices.Sort(guardTNamed)
}
