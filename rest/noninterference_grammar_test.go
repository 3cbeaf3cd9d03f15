package rest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/siftdb/siftdb"
)

// wish is one request of a class, each of which goes through one channel.
type wish struct {
	class, method, path string
	header              map[string]string
	body                string
}

// wisher makes requests that love what is hidden.
type wisher struct {
	*rand.Rand
	w *world // to know ids, which are the same in both
}

func oneOf[T any](g *wisher, list ...T) T { return list[g.IntN(len(list))] }

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (g *wisher) column() string {
	return oneOf(g, "", "data.") + oneOf(g, "Salary", "Salary", "Secret", "Secret.code", "Secret.list.0", "Pin", "Scan", "ScanMediaFileId", "salary", "Name", "Score")
}

func (g *wisher) code() string { return oneOf(g, "", "data.") + oneOf(g, "Cost", "Code", "Code.code") }

func (g *wisher) value() any {
	return oneOf[any](g, 0, 25, 50, 75, "a", "b", "50", true, nil, "", []any{25, "a"}, siftdb.M{"code": "a"})
}

func (g *wisher) where(column func() string) siftdb.M {
	if g.IntN(4) == 0 {
		return siftdb.M{oneOf(g, "$and", "$or", "$nor"): []any{g.where(column), siftdb.M{column(): g.value()}}}
	}
	switch op := oneOf(g, "=", "$eq", "$ne", "$gt", "$lte", "$in", "$exists", "$regex", "$type", "$size", "$like", "$elemMatch", "$filters"); op {
	case "=":
		return siftdb.M{column(): g.value()}
	case "$in":
		return siftdb.M{column(): siftdb.M{op: []any{g.value(), g.value()}}}
	case "$exists":
		return siftdb.M{column(): siftdb.M{op: g.IntN(2) == 0}}
	case "$regex", "$like":
		return siftdb.M{column(): siftdb.M{op: oneOf(g, "a", "5", "%5%")}}
	case "$type":
		return siftdb.M{column(): siftdb.M{op: oneOf(g, "number", "string", "array", "object")}}
	case "$size":
		return siftdb.M{column(): siftdb.M{op: g.IntN(3)}}
	case "$elemMatch":
		return siftdb.M{column(): siftdb.M{op: siftdb.M{"$gt": 0}}}
	case "$filters":
		return siftdb.M{op: []any{siftdb.M{"column": strings.TrimPrefix(column(), "data."), "condition": oneOf(g, "==", "!=", ">", "contains", "empty", "notempty"), "value": oneOf[any](g, 50, "a", "25")}}}
	default:
		return siftdb.M{column(): siftdb.M{op: g.value()}}
	}
}

func (g *wisher) order(column func() string) []any {
	return []any{[]any{column(), oneOf(g, "ASC", "DESC")}}
}

// source is the path of a data source, by its id or its name.
func (g *wisher) source(ds *siftdb.DataSource, name string) string {
	return "/v1/data-sources/" + oneOf(g, itoa(ds.ID()), name)
}

func (g *wisher) people() string { return g.source(g.w.people, "people") }

// entry is the id of an entry, or one that is none.
func (g *wisher) entry(ds *siftdb.DataSource) string {
	list, err := ds.Find(ctx, siftdb.Query{})
	if err != nil {
		g.w.Fatal(err)
	}
	if len(list) == 0 || g.IntN(10) == 0 {
		return itoa(int64(g.IntN(20_000)))
	}
	return itoa(list[g.IntN(len(list))].ID)
}

// file is the path of any file, hidden or not, or of none.
func (g *wisher) file() string {
	list, err := g.w.db.Files().List(ctx, siftdb.FileQuery{OrganizationID: new(int64(123))})
	if shown := slices.DeleteFunc(slices.Clone(list), func(f siftdb.FileInfo) bool { return f.Column != "Photo" }); len(shown) > 0 && g.IntN(2) == 0 {
		list = shown
	}
	if err != nil {
		g.w.Fatal(err)
	}
	if len(list) == 0 || g.IntN(10) == 0 {
		return "/v1/media/files/" + itoa(int64(g.IntN(30_000)))
	}
	return "/v1/media/files/" + itoa(list[g.IntN(len(list))].ID)
}

func (g *wisher) query(body siftdb.M) wish {
	if g.IntN(2) == 0 && body["attributes"] == nil && body["aggregate"] == nil {
		body["attributes"] = []string{"Name"}
	}
	return wish{method: "POST", path: g.people() + "/data/query", header: map[string]string{"Content-Type": "application/json"}, body: jsonOf(body)}
}

func (g *wisher) send(method, path string, body any) wish {
	return wish{method: method, path: path, header: map[string]string{"Content-Type": "application/json"}, body: jsonOf(body)}
}

func (g *wisher) get(path string) wish {
	return wish{method: oneOf(g, "GET", "GET", "HEAD"), path: path}
}

// row is what a write sets.
func (g *wisher) row() siftdb.M {
	return siftdb.M{oneOf(g, "Salary", "Secret", "Pin", "Score", "Dept"): g.value()}
}

// wishes are the classes of requests.
var wishes = map[string]func(g *wisher) wish{
	"where by GET": func(g *wisher) wish {
		q := url.Values{"where": {jsonOf(g.where(g.column))}, "limit": {oneOf(g, "", "1", "3")}, "offset": {oneOf(g, "", "1")}}
		return g.get(g.people() + oneOf(g, "/data?", "/data/query?") + q.Encode())
	},
	"order": func(g *wisher) wish {
		q := url.Values{"order": {jsonOf(g.order(g.column))}, "limit": {oneOf(g, "1", "3", "")}, "attributes": {oneOf(g, "id", "Name", "Salary,Name")}}
		return g.get(g.people() + "/data?" + q.Encode())
	},
	"count": func(g *wisher) wish {
		q := url.Values{"where": {jsonOf(siftdb.M{oneOf(g, "Salary", "Secret.code", "Pin", "Name"): siftdb.M{oneOf(g, "$gt", "$eq", "$ne"): g.value()}})}, "countOnly": {"true"}}
		return g.get(g.people() + "/data?" + q.Encode())
	},
	"where": func(g *wisher) wish { return g.query(siftdb.M{"where": g.where(g.column)}) },
	"page": func(g *wisher) wish {
		return g.query(siftdb.M{"where": g.where(g.column), "order": g.order(g.column), "limit": 1 + g.IntN(3), "includePagination": true})
	},
	"view": func(g *wisher) wish { return g.query(siftdb.M{"view": oneOf(g, "rich", "mine", "same", "none")}) },
	"distinct": func(g *wisher) wish {
		return g.query(siftdb.M{"attributes": []string{oneOf(g, "Salary", "data.Secret.code", "Pin"), "Dept"}, "distinct": true})
	},
	"join": func(g *wisher) wish {
		j := siftdb.M{"dataSourceName": oneOf(g, "orders", "orders", "own", "private"), "on": oneOf(g, siftdb.M{"data.Name": "data.Person"}, siftdb.M{g.column(): "data.Amount"}, siftdb.M{"data.Score": g.code()}), "where": g.where(g.code),
			"required": g.IntN(2) == 0, oneOf(g, "count", "has", "limit"): oneOf[any](g, true, 1)}
		return g.query(siftdb.M{"join": siftdb.M{"j": j}})
	},
	"pipeline": func(g *wisher) wish {
		hidden := "$data." + oneOf(g, "Salary", "Secret.code", "Pin", "Scan", "Secret")
		stage := oneOf[any](g, siftdb.M{"$group": siftdb.M{"_id": hidden, "n": siftdb.M{"$sum": 1}}}, siftdb.M{"$group": siftdb.M{"_id": "$data.Dept", "v": siftdb.M{oneOf(g, "$sum", "$max", "$push"): hidden}}},
			siftdb.M{"$match": g.where(func() string { return hidden[1:] })}, siftdb.M{"$sortByCount": hidden}, siftdb.M{"$project": siftdb.M{"x": "$$ROOT"}}, siftdb.M{"$project": siftdb.M{"x": siftdb.M{"$toUpper": hidden}}},
			siftdb.M{"$project": siftdb.M{"x": siftdb.M{"$divide": []any{1, hidden}}}}, siftdb.M{"$lookup": siftdb.M{"from": oneOf(g, "orders", "own", "private"), "localField": hidden[1:], "foreignField": "data.Amount", "as": "o"}},
			siftdb.M{"$unionWith": oneOf(g, "orders", "own", "private")})
		return g.query(siftdb.M{"aggregate": []any{stage, siftdb.M{"$limit": 1 + g.IntN(9)}}})
	},
	"unique": func(g *wisher) wish {
		return g.get(g.people() + "/indexes/" + oneOf(g, "Salary", "Secret.code,Name", "Pin,Dept", "Scan,ScanMediaFileId", "Photo"))
	},
	"entry": func(g *wisher) wish {
		return g.get(g.people() + "/data/" + g.entry(g.w.people) + oneOf(g, "", "?attributes=Salary,Name", "?attributes=Secret.code", "?attributes=data.Pin"))
	},
	"own": func(g *wisher) wish {
		own := g.source(g.w.own, "own")
		q := url.Values{"where": {jsonOf(oneOf(g, siftdb.M{"Owner": "bob"}, siftdb.M{"Owner": "bob", "Level": g.value()}, siftdb.M{"Owner": "ann"}, siftdb.M{"Level": 50}))}, "order": {jsonOf(g.order(func() string { return oneOf(g, "Level", "Note") }))}}
		return oneOf(g, g.get(own+"/data/"+g.entry(g.w.own)), g.get(own+"/data?"+q.Encode()), g.get(own+"/data"), g.get(own+"/indexes/"+oneOf(g, "Level", "Note", "Owner")), wish{method: "DELETE", path: own + "/data/9999"})
	},
	"private": func(g *wisher) wish {
		at := g.source(g.w.private, "private")
		return oneOf(g, g.get(at+"/data"), g.get(at+"/data/"+g.entry(g.w.private)), g.get(at+"/indexes/a,b"), g.get(at+"/versions"), g.send("PUT", at+"/data/"+g.entry(g.w.private), siftdb.M{"a": 1}), g.send("POST", at+"/commit", siftdb.M{"entries": []any{siftdb.M{"id": 13000, "data": siftdb.M{}}}, "append": true}))
	},
	"sources": func(g *wisher) wish {
		return oneOf(g, g.get("/v1/data-sources?organizationId=123"), g.get("/v1/data-sources"+oneOf(g, "", "?attributes=columns,definition,accessRules")), g.get(g.people()+"?includeEntriesCount"),
			g.get(g.source(g.w.own, "own")+"?includeEntriesCount"), g.get(g.source(g.w.private, "private")+"?includeEntriesCount"), g.get("/v1/openapi.json"), g.get("/v1/user"))
	},
	"versions": func(g *wisher) wish { return g.get(g.people() + oneOf(g, "/versions", "/versions?limit=3")) },
	"version": func(g *wisher) wish {
		at := g.people() + "/versions/" + itoa(int64(1+g.IntN(30))) + "/data"
		return oneOf(g, g.get(at+oneOf(g, "", "?limit=2")), g.send("POST", at, siftdb.M{"where": g.where(g.column), "limit": 1 + g.IntN(9)}))
	},
	"files": func(g *wisher) wish {
		return g.get("/v1/media?organizationId=123" + oneOf(g, "", "&folderId=1"))
	},
	"file": func(g *wisher) wish { return g.get(g.file()) },
	"contents": func(g *wisher) wish {
		q := g.get(g.file() + "/contents" + oneOf(g, "", "/photo.txt", "/s.txt"))
		q.header = oneOf(g, nil, map[string]string{"Range": oneOf(g, "bytes=0-4", "bytes=5-", "bytes=-3", "bytes=40-", "bytes=900-", "x")}, map[string]string{"Range": oneOf(g, "bytes=0-4", "bytes=900-")}, map[string]string{"If-None-Match": "*"}, map[string]string{"If-Match": `"none"`},
			map[string]string{"If-Modified-Since": "Fri, 02 Jan 2026 03:04:05 GMT"})
		return q
	},
	"delete file": func(g *wisher) wish { return wish{method: "DELETE", path: g.file()} },
	"malformed": func(g *wisher) wish {
		return g.query(siftdb.M{"where": siftdb.M{g.column(): siftdb.M{oneOf(g, "$nothing", "$gt"): siftdb.M{"$x": 1}}}, "order": 7})
	},
	"insert": func(g *wisher) wish {
		return g.send("PUT", g.people()+"/data", siftdb.M{"Name": oneOf(g, someNames...), "Salary": g.value()})
	},
	"update":       func(g *wisher) wish { return g.send("PUT", g.people()+"/data/"+g.entry(g.w.people), g.row()) },
	"delete entry": func(g *wisher) wish { return wish{method: "DELETE", path: g.people() + "/data/" + g.entry(g.w.people)} },
	"delete where": func(g *wisher) wish {
		return g.query(siftdb.M{"type": "delete", "where": g.where(g.column), "order": g.order(g.column), "limit": 1})
	},
	"commit": func(g *wisher) wish {
		entries := []any{siftdb.M{"id": g.entry(g.w.people), "data": g.row()}}
		if g.IntN(3) == 0 {
			entries = append(entries, siftdb.M{"data": g.row(), "clientId": "c"})
		}
		return g.send("POST", g.people()+"/commit", siftdb.M{"entries": entries, "append": true, "extend": g.IntN(8) > 0, "returnEntries": g.IntN(4) > 0})
	},
	"import": func(g *wisher) wish {
		return g.send("POST", g.source(g.w.own, "own")+"/data", siftdb.M{"append": oneOf[any](g, true, true, false), "entries": []any{siftdb.M{"Owner": oneOf(g, "bob", "ann"), "Note": g.value()}}})
	},
	"upload": func(g *wisher) wish {
		q := wish{method: "PUT", path: g.people() + "/data/" + g.entry(g.w.people), body: multi("Dept=x", oneOf(g, "Photo@photo.txt=abc", "Scan@new.txt=abc"))}
		q.header = map[string]string{"Content-Type": "multipart/form-data; boundary=X"}
		return q
	},
	"restore": func(g *wisher) wish {
		return g.send("POST", g.people()+"/versions/"+itoa(int64(1+g.IntN(30)))+"/restore", siftdb.M{})
	},
}

// writing are the classes that write. What they make of a difference is there for everybody to see.
var writing = []string{"update", "commit", "delete where", "delete entry", "delete file", "insert", "import", "upload", "restore"}

// wishNames are the names of the classes.
var wishNames []string

func init() {
	for name := range wishes {
		wishNames = append(wishNames, name)
	}
	slices.Sort(wishNames)
}

// next makes a request of a class; of any, reads mostly, if it is "".
func (g *wisher) next(class string) wish {
	for class == "" || slices.Contains(writing, class) && g.IntN(3) > 0 || class == "delete file" && g.IntN(3) > 0 {
		class = oneOf(g, wishNames...)
	}
	q := wishes[class](g)
	q.class = class
	return q
}

func (q wish) String() string {
	return fmt.Sprintf("%s: %s %s %v %s", q.class, q.method, q.path, q.header, q.body)
}
