package script

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
)

// TestVariables is the table of spec 11.7(1).
func TestVariables(t *testing.T) {
	r := newRunner(t, Options{})
	user, entry := value(t, `{"Name": "Ann", "Team": ["a"]}`), value(t, `{"id": 7, "data": {"A": 1}}`)
	for _, c := range []struct {
		call security.ScriptCall
		want string
	}{
		{security.ScriptCall{Type: security.Select, Query: values(t, `[{"A": {"$gt": 1}}]`)}, `["select",null,{"A":{"$gt":1}},null]`},
		{security.ScriptCall{Type: security.Count, Query: values(t, `[{}]`), User: user}, `["count",{"Name":"Ann","Team":["a"]},{},null]`},
		{security.ScriptCall{Type: security.Insert, Query: values(t, `[{"A": 1}, {"A": 2}]`), List: true}, `["insert",null,[{"A":1},{"A":2}],null]`},
		{security.ScriptCall{Type: security.Insert, Query: values(t, `[{"A": 1}]`), List: true}, `["insert",null,[{"A":1}],null]`},
		{security.ScriptCall{Type: security.Insert, List: true}, `["insert",null,[],null]`},
		{security.ScriptCall{Type: security.Update, Query: values(t, `[{"A": 1}]`), User: user, Entry: entry}, `["update",{"Name":"Ann","Team":["a"]},{"A":1},{"id":7,"data":{"A":1}}]`},
		{security.ScriptCall{Type: security.Delete, Query: values(t, `[{"__proto__": {"x": 1}, "é😀": "\u2028", "": null}]`)}, `["delete",null,{"__proto__":{"x":1},"é😀":"\u2028","":null},null]`},
	} {
		c.call.Source = `return JSON.stringify([type, user, query, entry])`
		res, err := r.RunScript(context.Background(), c.call)
		if want := value(t, c.want); err != nil || res.Query != nil || !document.Equal(value(t, res.Returned.Str()), want) {
			t.Errorf("%v: %v, %v, %v", c.call, res.Returned, res.Query, err)
		}
	}
	if _, err := r.RunScript(context.Background(), security.ScriptCall{Source: "1", Query: values(t, `[{}, {}]`)}); err == nil {
		t.Error("two objects that are no list")
	}
}

// TestQueryChanges is spec 11.7(5): what a script does to the objects it was given counts, and
// what it does to the array or the variable does not. Numbers that it leaves keep their digits.
func TestQueryChanges(t *testing.T) {
	r := newRunner(t, Options{})
	const list = `[{"a": 1, "big": 12345678901234567890}, {"b": [1.10, {"c": 1e400}]}, {}]`
	for _, c := range []struct{ source, want string }{
		{`query[0].a = 1`, ``}, {`query[0].a = 2`, `[{"a":2,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{}]`}, {`query = [{x: 1}]`, ``}, {`query.push({x: 1}); query.length = 0`, ``},
		{`query.reverse(); query[0].x = 1`, `[{"a":1,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{"x":1}]`}, {`query[0] = {x: 1}`, ``}, {`query.shift(); query.pop(); query[0].b = 5`, `[{"a":1,"big":12345678901234567890},{"b":5},{}]`},
		{`query.sort(() => -1); for (const [i, q] of query.entries()) if (q.a) q.a = 'x'`, `[{"a":"x","big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{}]`}, {`delete query[0].a`, `[{"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{}]`},
		{`query[0].a = undefined`, `[{"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{}]`}, {`const {a, big} = query[0]; delete query[0].a; query[0].a = a`, ``}, {`query[2].at = new Date(0)`, `[{"a":1,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{"at":"1970-01-01T00:00:00.000Z"}]`},
		{`query[0].big += 0`, ``}, {`query[0].big = 1`, `[{"a":1,"big":1},{"b":[1.10,{"c":1e400}]},{}]`}, {`query[2].n = NaN`, `[{"a":1,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{"n":null}]`},
		{`query[1].b.length = 0`, `[{"a":1,"big":12345678901234567890},{"b":[]},{}]`}, {`query[1].x = 1`, "error"}, {`query[1].b.push(1)`, "error"}, {`query[2].n = 1n`, "error"}, {`query[2].n = '\ud800'`, "error"},
		{`query[2].toJSON = () => ({x: 1})`, `[{"a":1,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{"x":1}]`}, {`query[2].toJSON = () => undefined`, "error"}, {`Object.freeze(query[0]); query[0].a = 2`, ``},
		{`Object.setPrototypeOf(query[0], {z: 1})`, ``}, {`const q = query; query = null; setTimeout?.(1)`, "error"}, {`query[2]['k'.repeat(2000)] = 1`, `[{"a":1,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{"` + strings.Repeat("k", 2000) + `":1}]`},
		{`query[0].a = 2; return {granted: false}`, `[{"a":2,"big":12345678901234567890},{"b":[1.10,{"c":1e400}]},{}]`}, {`query[0].a = 2; throw 1`, "error"},
	} {
		given := values(t, list)
		res, err := r.RunScript(context.Background(), security.ScriptCall{Source: c.source + "; return {granted: true}", Type: security.Insert, Query: given, List: true})
		got := ""
		if err != nil {
			got = "error"
		} else if res.Query != nil {
			var texts []string
			for _, v := range res.Query {
				texts = append(texts, v.String())
			}
			got = "[" + strings.Join(texts, ",") + "]"
		}
		if got != c.want {
			t.Errorf("%.60s: %s (%v), want %s", c.source, got, err, c.want)
		}
		if s := fmt.Sprint(given); s != fmt.Sprint(values(t, list)) {
			t.Errorf("%.60s: what was given is now %s", c.source, s)
		}
	}
}

// TestWhereIsExact: a where does not lose what a script puts into it and what has no JSON text:
// it would match more than the script says.
func TestWhereIsExact(t *testing.T) {
	r := newRunner(t, Options{})
	for _, c := range []struct{ source, want string }{
		{`query.Owner = user.Id`, "error"}, {`query.Owner = {$eq: undefined}`, "error"}, {`query.$and = [undefined]`, "error"}, {`query.Age = {$gt: NaN}`, "error"}, {`query.Age = {$lt: 1 / 0}`, "error"}, {`query.f = () => 1`, "error"}, {`query.s = Symbol()`, "error"},
		{`query.Owner = user.Name`, `{"Age":{"$gt":3},"Owner":"Ann"}`}, {`delete query.Age`, `{}`}, {`query.Age.$gt = null`, `{"Age":{"$gt":null}}`}, {`query.At = {$lt: new Date(0)}`, `{"Age":{"$gt":3},"At":{"$lt":"1970-01-01T00:00:00.000Z"}}`}, {`1`, ``},
	} {
		for _, op := range []security.Operation{security.Select, security.Count} {
			res, err := r.RunScript(context.Background(), security.ScriptCall{Source: c.source + "; return {granted: true}", Type: op, User: value(t, `{"Name": "Ann"}`), Query: values(t, `[{"Age": {"$gt": 3}}]`)})
			got := ""
			if err != nil {
				got = "error"
			} else if res.Query != nil {
				got = res.Query[0].String()
			}
			if got != c.want {
				t.Errorf("%s: %s (%v), want %s", c.source, got, err, c.want)
			}
		}
	}
}

// TestDataSources is spec 11.7(6).
func TestDataSources(t *testing.T) {
	lib := &library{}
	r := newRunner(t, Options{Time: 30 * time.Second}) // ten times what they have in earnest
	for _, c := range []struct{ source, want, call string }{
		{`(await DataSources('Teams').find()).map(e => e.id)`, `[1,2,3]`, `string Teams {} 100 0`}, {`(await DataSources(5).find({where: {Region: 'South'}, limit: 7, offset: 0}))[0].data.Region`, `"South"`, `int64 5 {"Region":"South"} 7 0`},
		{`(await DataSources('Teams').findOne({where: {}, offset: 2})).data.Region`, `"East"`, `string Teams {} 1 2`}, {`await DataSources('Empty').findOne()`, `null`, `string Empty {} 1 0`}, {`await DataSources('Empty').find()`, `[]`, `string Empty {} 100 0`},
		{`await DataSources('Teams').find({limit: 0})`, `[]`, `string Teams {} 0 0`}, {`(await Promise.all([1, 2, 3].map(offset => DataSources('Teams').find({offset})))).map(e => e.length)`, `[2,1,0]`, ``},
		{`await DataSources('Nope').find().catch(e => e instanceof TypeError && e.message)`, `"there is no data source Nope"`, `string Nope {} 100 0`}, {`await DataSources('Teams').find({where: {a: undefined}}).catch(e => 'no')`, `"no"`, ``},
		{`await DataSources('Teams').find({where: undefined}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find({where: null}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find({where: []}).catch(e => 'no')`, `"no"`, ``},
		{`await DataSources('Teams').find({limit: -1}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find({limit: 10001}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find({limit: NaN}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find({offset: 1.5}).catch(e => 'no')`, `"no"`, ``},
		{`await DataSources('Teams').find({limit: '5'}).catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Teams').find(5).catch(e => 'no')`, `"no"`, ``}, {`await DataSources().find().catch(e => 'no')`, `"no"`, ``}, {`await DataSources({}).find().catch(e => 'no')`, `"no"`, ``}, {`await DataSources(-1).find().catch(e => 'no')`, `"no"`, ``},
		{`await DataSources(1.5).find().catch(e => 'no')`, `"no"`, ``}, {`await DataSources(NaN).find().catch(e => 'no')`, `"no"`, ``}, {`await DataSources('Large').find().catch(e => 'no')`, `"no"`, `string Large {} 100 0`}, {`await DataSources('\ud800').find().catch(e => 'no')`, `"no"`, ``},
		{`DataSources('Teams').find() instanceof Promise`, `true`, ``}, {`await (async () => { const e = await DataSources('Teams').findOne(); e.data.Region = 'x'; return (await DataSources('Teams').findOne()).data.Region })()`, `"North"`, ``},
		{`await (async () => { let n = 0; for (let i = 0; i < 1500; i++) await DataSources('Empty').find().then(() => n++, () => 0); return n })()`, `1000`, ``},
	} {
		lib.calls = nil
		res, err := r.RunScript(context.Background(), reading(insert(t, `return JSON.stringify(`+c.source+`)`, `{}`), lib))
		if err != nil || res.Returned.Str() != c.want || c.call != "" && !slices.Equal(lib.calls, []string{c.call}) {
			t.Errorf("%s: %v, %v, %d calls, %q", c.source, res.Returned, err, len(lib.calls), lib.calls[:min(len(lib.calls), 3)])
		}
	}
	if _, err := r.RunScript(context.Background(), insert(t, `return (await DataSources('Teams').find()).length`, `{}`)); err == nil {
		t.Error("no reader, and no error")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the reader is gone")
			}
		}()
		_, _ = r.RunScript(context.Background(), reading(insert(t, `await DataSources('Panics').find()`, `{}`), lib))
	}()
	fine(t, r, "a panic of the reader")
}

// TestBenign are scripts as rules use them.
func TestBenign(t *testing.T) {
	lib := &library{}
	r := newRunner(t, Options{})
	for _, c := range []struct{ kind, source, want, left string }{
		{"select", `return {granted: true}`, "rule 0", ""},
		{"select", `return {granted: type === 'select' && user.Level >= 3, include: ['Name', 'Age']}`, "rule 0", ""},
		{"select", `query.Region = user.Region; return {granted: true}`, "rule 0", `{"Name":"Ann","$or":[{"Age":{"$gt":3}},{"Tags":"a"}],"Region":"North"}`},
		{"select", `query.$and = [{Owner: user.Name}, {Hidden: {$ne: true}}]; return {granted: true}`, "rule 0", `{"Name":"Ann","$or":[{"Age":{"$gt":3}},{"Tags":"a"}],"$and":[{"Owner":"Ann"},{"Hidden":{"$ne":true}}]}`},
		{"select", `const team = await DataSources('Teams').findOne({where: {Region: user.Region}}); if (!team) return {granted: false}; query.Team = team.id; return {granted: true, exclude: ['Salary']}`, "rule 0", `{"Name":"Ann","$or":[{"Age":{"$gt":3}},{"Tags":"a"}],"Team":1}`},
		{"select", `if (!user) return {granted: false}; const teams = await DataSources(5).find({limit: 10}); return {granted: teams.some(t => t.data.Region === user.Region)}`, "rule 0", ""},
		{"select", `if (type !== 'insert') return; return {granted: true}`, "rule 1", ""},
		{"count", `return {granted: type === 'count'}`, "rule 0", ""},
		{"get", `return {granted: query.id === 7}`, "rule 0", ""},
		{"insert", `query.CreatedBy = user.Name; query.Created = new Date(Date.UTC(2026, 0, 2)).toISOString(); return {granted: true}`, "rule 0", ""},
		{"insert", `return {granted: /^[A-Z][a-z]+$/.test(query.Name) && query.Tags.length <= 5}`, "rule 0", ""},
		{"insert", `const {Name, ...rest} = query; return {granted: Object.keys(rest).length > 0 && Math.max(1, 2) === 2}`, "rule 0", ""},
		{"insert list", `for (const row of query) { row.Owner = user.Name; delete row.Tags } return {granted: query.every(r => r.Owner)}`, "rule 0", ""},
		{"insert list", `return {granted: query.length <= 100 && new Set(query.map(r => r.Name)).size === query.length}`, "rule 0", ""},
		{"update", `return {granted: entry.data.Name === user.Name && entry.id === 7}`, "rule 0", ""},
		{"update", `if ('Salary' in query) throw new Error('no'); return {granted: true}`, "rule 0", ""},
		{"update", `return check(); async function check() { await null; return {granted: entry.data.Tags.includes('a'), exclude: []} }`, "rule 0", ""},
		{"delete", `return {granted: query.Name === user.Name}`, "rule 0", ""},
		{"delete query", `return {granted: query.every(d => d.Name === user.Name)}`, "rule 0", ""},
		{"delete query", `const results = await Promise.all(query.map(async d => (await DataSources('Teams').find({where: {Region: user.Region}})).length)); return {granted: results.every(n => n === 1)}`, "rule 0", ""},
		{"select", "const label = `${user.Name}-${user.Region}`; return label.replace(/-(\\w+)$/, (m, r) => r.toUpperCase()) === 'AnnNORTH' ? {granted: true} : {}", "rule 0", ""},
		{"select", `try { await DataSources('Nope').find() } catch (e) { return {granted: e.message.includes('Nope')} }`, "rule 0", ""},
		{"select", `class Rule { #level = 2; allows(u) { return u.Level > this.#level } } return {granted: new Rule().allows(user)}`, "rule 0", ""},
		{"select", "return {granted: true} // with a comment", "rule 0", ""}, {"select", "'use strict'; return {granted: this === undefined}", "rule 0", ""},
		{"select", `return Promise.resolve().then(() => ({granted: true, include: null}))`, "rule 0", ""}, {"select", `return {granted: true, exclude: undefined}`, "rule 0", ""},
	} {
		req := request(t, c.kind)
		req.Reader = lib
		got, grant := outcome(t, policy(t, c.source), req, r)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.source, got, c.want)
		} else if c.left != "" && !document.Equal(grant.Where, value(t, c.left)) {
			t.Errorf("%s: left %v", c.source, grant.Where)
		}
	}
	req := request(t, "insert")
	_, grant := outcome(t, policy(t, `query.By = user.Name; return {granted: true, exclude: ['By']}`), req, r)
	if grant == nil || grant.Data[0].Field("By").Str() != "Ann" || grant.Data[0].Field("Age").String() != "12345678901234567890" || !grant.Hides("By") {
		t.Errorf("%v", grant)
	}
}

// TestSize: what is too much to be given is an error.
func TestSize(t *testing.T) {
	r := newRunner(t, Options{Time: time.Minute})
	big := document.Of(map[string]any{"a": strings.Repeat("x", 9<<20)})
	for _, call := range []security.ScriptCall{
		{Query: []document.Value{big, big}, List: true}, {Query: []document.Value{big}, User: big}, {Query: values(t, `[{}]`), Entry: document.Of(map[string]any{"data": []any{big, big}})},
	} {
		call.Source = `return {granted: true}`
		if _, err := r.RunScript(context.Background(), call); err == nil {
			t.Error("was given too much")
		}
	}
	res, err := r.RunScript(context.Background(), security.ScriptCall{Source: `query.b = 1; return {granted: query.a.length === 9 * 2 ** 20}`, Query: []document.Value{big}})
	if err != nil || !res.Returned.Field("granted").Bool() || res.Query[0].Len() != 2 {
		t.Errorf("9 MiB: %v, %v", res.Returned, err)
	}
}
