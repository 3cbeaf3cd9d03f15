package siftdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// viewTTable makes a data source whose definition holds views.
func viewTTable(t testing.TB, db *siftdb.DB, name, views string, rows ...string) *siftdb.DataSource {
	t.Helper()
	ds := table(t, db, name, rows...)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"guid":"x","views":` + views + `}`)}))
	return ds
}

// viewTFilter makes one view "v" of a filter, and more.
func viewTFilter(filter string) string { return `[{"name":"v","filter":` + filter + `}]` }

// viewTFound runs a body in every way and returns the columns "c" of what it finds;
// the count of the same where and views must be the number of them.
func viewTFound(t testing.TB, ds *siftdb.DataSource, body string) string {
	t.Helper()
	q := joinTBody(t, body)
	entries := joinTFind(t, ds, q)
	if q.Limit == nil && q.Offset == 0 && !q.Distinct && q.Joins == nil {
		n := must[int64](t)(ds.Count(ctx, q))
		if n != int64(len(entries)) {
			t.Errorf("%s counts %d and finds %d", body, n, len(entries))
		}
	}
	return joinTShow(entries)
}

func viewTError(ds *siftdb.DataSource, body string) error {
	q, err := siftdb.ParseQuery([]byte(body))
	if err == nil {
		_, err = ds.Query(ctx, q)
	}
	return err
}

// viewTRows have a value of each kind in v.
var viewTRows = []string{
	`{"c":"none"}`, `{"c":"null","v":null}`, `{"c":"one","v":1}`, `{"c":"text1","v":"1"}`, `{"c":"two","v":2}`, `{"c":"a","v":"a"}`, `{"c":"A","v":"A"}`,
	`{"c":"empty","v":""}`, `{"c":"true","v":true}`, `{"c":"list","v":["a",1]}`, `{"c":"nil","v":[]}`, `{"c":"object","v":{"x":"a"}}`, `{"c":"literal","v":"session.A"}`,
}

// viewTAll are the labels of viewTRows but some.
func viewTAll(but ...string) string {
	out := []string{}
	for _, row := range viewTRows {
		var r struct{ C string }
		json.Unmarshal([]byte(row), &r)
		if !slices.Contains(but, r.C) {
			out = append(out, r.C)
		}
	}
	return strings.Join(out, " ")
}

// TestViews is spec 7(1) to (3): which entries views select, and with a where.
func TestViews(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := viewTTable(t, db, "t", `[{"name":"low","filter":{"n":{"$lte":2}},"bundle":true},{"name":"odd","filter":{"n":{"$in":[1,3,5]}}},{"name":"Low","filter":{"n":4}},
			{"name":"low","filter":{"n":5}},{"name":"all","filter":{}},{"name":"","filter":{"n":3}},{"name":"ünï \"q\"","filter":{"n":2},"other":[]},{"name":"none","filter":{"$or":[]}},
			{"name":"field","filter":{"id":{"$gt":0},"data.n":1}},{"name":"filters","filter":{"$filters":[{"column":"n","condition":">=","value":4}]}}]`,
			`{"c":"e1","n":1}`, `{"c":"e2","n":2}`, `{"c":"e3","n":3}`, `{"c":"e4","n":4}`, `{"c":"e5","n":5}`)
		for body, want := range map[string]string{
			`{"view":"low"}`: "e1 e2", `{"view":"Low"}`: "e4", `{"views":["low"]}`: "e1 e2", `{"view":["low"]}`: "e1 e2", `{"view":"all"}`: "e1 e2 e3 e4 e5", `{"view":""}`: "e3",
			`{"view":"ünï \"q\""}`: "e2", `{"view":"none"}`: "", `{"view":"field"}`: "e1", `{"view":"filters"}`: "e4 e5",
			`{"views":["low","odd"]}`: "e1 e2 e3 e5", `{"views":["odd","low"]}`: "e1 e2 e3 e5", `{"view":["low","odd"]}`: "e1 e2 e3 e5", `{"view":"low","views":["odd","Low"]}`: "e1 e2 e3 e4 e5",
			`{"views":["low","low"]}`: "e1 e2", `{"views":["none","low"]}`: "e1 e2", `{"views":["none","none"]}`: "", `{"views":["all","low"]}`: "e1 e2 e3 e4 e5",
			`{"view":"low","where":{"n":{"$gte":2}}}`: "e2", `{"view":"odd","where":{"$or":[{"n":1},{"n":4}]}}`: "e1", `{"views":["low","odd"],"where":{"n":{"$gt":1}}}`: "e2 e3 e5",
			`{"view":"low","where":{}}`: "e1 e2", `{"view":"low","where":{"n":5}}`: "", `{"view":null,"views":null}`: "e1 e2 e3 e4 e5",
			`{"view":"odd","order":["n","DESC"]}`: "e5 e3 e1", `{"views":["odd","low"],"order":["n","DESC"],"limit":2,"offset":1}`: "e3 e2", `{"view":"odd","limit":1,"offset":1}`: "e3",
			`{"view":"odd","attributes":["n"],"limit":1}`: "<nil>",
		} {
			if got := viewTFound(t, ds, body); got != want {
				t.Errorf("%s gives %q, want %q", body, got, want)
			}
		}
		r := must[*siftdb.Result](t)(ds.Query(ctx, joinTBody(t, `{"view":"odd","includePagination":true,"limit":1}`)))
		if r.Pagination.Total != 3 {
			t.Errorf("the total is %d", r.Pagination.Total)
		}
	})
}

// TestViewSession is spec 7(4) to (7): session values in a filter.
func TestViewSession(t *testing.T) {
	session := &security.Session{
		UUID: "u-1", EntryID: 12, DataSourceID: 3,
		Values:     map[string]any{"A": "a", "One": 1, "T": true, "List": []any{"a", 2}, "Mixed": []any{nil, "a"}, "Void": []any{}, "Text": "session.A", "Op": "$ne", "P": "%", "Object": map[string]any{"x": "a"}, "Deep": map[string]any{"k": []any{1, "a"}}, "Blank": ""},
		User:       map[string]any{"Email Address": "a", "A": "user's", "B": "a", "x.y": 1, "Null": nil},
		Attributes: map[string]any{"Null": "a", "B": "attribute's", "org": map[string]any{"unit": "A"}},
	}
	table := map[string]string{
		// What is found is inserted as it is.
		`{"v":"session.A"}`: "a list", `{"v":"session.One"}`: "one text1 true list", `{"v":{"$eq":"session.A"}}`: "a list", `{"v":{"$in":["session.A"]}}`: "a list", `{"v":{"$in":["session.A",2]}}`: "two a list",
		`{"v":{"$ne":"session.A"}}`: viewTAll("a", "list"), `{"v":{"$nin":["session.A"]}}`: viewTAll("a", "list"), `{"v":{"$gte":"session.One"}}`: "one text1 two list", `{"v":{"$gt":"session.One"}}`: "two",
		`{"v":{"$like":"session.A"}}`: "a list", `{"v":{"$iLike":"session.A"}}`: "a A list literal", `{"data.v":"session.A"}`: "a list", `{"v":{"$not":"session.A"}}`: viewTAll("a", "list"),
		`{"v.x":"session.A"}`: "object", `{"v":{"x":"session.A"}}`: "object", `{"$or":[{"v":"session.A"},{"v":2}]}`: "two a list", `{"$and":[{"$or":[{"$nor":[{"v":{"$ne":"session.A"}}]}]}]}`: "a list",
		`{"v":{"$elemMatch":{"$eq":"session.A"}}}`: "a list", `{"v":{"$all":["session.A","session.One"]}}`: "list", `{"v":{"$or":["session.A",2]}}`: "two a list",
		`{"$filters":[{"column":"v","condition":"==","value":"session.A"}]}`: "a A", `{"$filters":[{"column":"v","condition":"oneof","value":["session.One","x"]}]}`: "one text1 list",
		`{"v":{"$regex":"session.A"}}`: "a list", `{"v":{"$match":"session.Nope"}}`: "",
		// Look-up, first hit wins.
		`{"v":"session.Email Address"}`: "a list", `{"v":"session.B"}`: "a list", `{"v":"session.x.y"}`: "one text1 true list", `{"v":"session.Null"}`: "a list", `{"v":"session.org.unit"}`: "A", `{"v":"session.Deep.k.1"}`: "a list",
		`{"v":"session.user.B"}`: "a list", `{"v":"session.entries.dataSource.data.B"}`: "a list", `{"v":"session.user.A"}`: "", `{"v":"session.user.Email Address"}`: "a list",
		// An array compared by equality is a list of $in; empty matches nothing.
		`{"v":"session.List"}`: "two a list", `{"v":{"$eq":"session.List"}}`: "two a list", `{"v":{"$in":"session.List"}}`: "two a list", `{"v":{"$in":["session.List"]}}`: "two a list", `{"v":{"$in":["session.List","A"]}}`: "two a A list",
		`{"v":{"$nin":"session.List"}}`: viewTAll("two", "a", "list"), `{"v":{"$ne":"session.List"}}`: viewTAll("two", "a", "list"), `{"v":"session.Void"}`: "", `{"v":"session.Mixed"}`: "a list",
		// Data, not language; keys and other texts stay.
		`{"v":"session.Text"}`: "literal", `{"v":"session.Op"}`: "", `{"v":"Session.A"}`: "", `{"v":" session.A"}`: "", `{"v":"xsession.A"}`: "", `{"session.A":"a"}`: "", `{"v":{"session.A":1}}`: "", `{"v":"session"}`: "",
		`{"c":"one","v":1}`: "one", `{"v":"session.Blank"}`: "empty nil",
	}
	// Nothing is found: no relation holds, whatever the column is; negations do.
	for _, nothing := range []string{"session.Nobody", "session.", "session.a", "session.A.x", "session.List.7", "session.user", "session.Deep.k.2", "session.Nobody.At.All", "session.user.Nobody"} {
		for form, want := range map[string]string{
			`{"v":%q}`: "", `{"v":{"$eq":%q}}`: "", `{"v":{"$in":[%q]}}`: "", `{"v":{"$in":[%q,2]}}`: "two", `{"v":{"$like":%q}}`: "", `{"v":{"$iLike":%q}}`: "", `{"v":{"$gt":%q}}`: "", `{"v":{"$gte":%q}}`: "",
			`{"v":{"$lt":%q}}`: "", `{"v":{"$lte":%q}}`: "", `{"v":{"$ne":%q}}`: viewTAll(), `{"v":{"$nin":[%q]}}`: viewTAll(), `{"v":{"$nin":[%q,2]}}`: viewTAll("two"), `{"v":{"$in":%q}}`: "", `{"v":{"$nin":%q}}`: viewTAll(),
			`{"v":{"x":%q}}`: "", `{"v.x":%q}`: "", `{"missing":%q}`: "", `{"$or":[{"v":%q},{"v":2}]}`: "two", `{"v":{"$not":{"$eq":%q}}}`: viewTAll(), `{"v":{"$regex":%q}}`: "", `{"v":{"$all":[%q]}}`: "",
			`{"v":{"$elemMatch":{"$eq":%q}}}`: "", `{"$nor":[{"v":%q}]}`: viewTAll(), `{"v":{"$not":%q}}`: viewTAll(), `{"id":%q}`: "", `{"deletedAt":%q}`: "",
			`{"$filters":[{"column":"v","condition":"==","value":%q}]}`: "", `{"$filters":[{"column":"v","condition":"contains","value":%q}]}`: "", `{"$filters":[{"column":"v","condition":"!=","value":%q}]}`: viewTAll(),
		} {
			table[fmt.Sprintf(form, nothing)] = want
		}
	}
	db := memoryDB(t, nil)
	ds := viewTTable(t, db, "t", `[]`, viewTRows...)
	for filter, want := range table {
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(`{"views":` + viewTFilter(filter) + `}`)}))
		if got := viewTFound(t, ds.WithSession(session), `{"view":"v"}`); got != want {
			t.Errorf("%s finds %q, want %q", filter, got, want)
		}
	}
}

// TestViewNobody: nobody is logged in. Equality is false also where the column is null
// or absent, and a where that is not a view knows no session.
func TestViewNobody(t *testing.T) {
	db := memoryDB(t, nil)
	ds := viewTTable(t, db, "t", `[{"name":"mine","filter":{"v":"session.A"}},{"name":"uuid","filter":{"v":"session.uuid"}},{"name":"id","filter":{"v":"session.id"}},{"name":"others","filter":{"v":{"$ne":"session.A"}}}]`, viewTRows...)
	for who, handle := range map[string]*siftdb.DataSource{"nobody": ds, "nil": ds.WithSession(nil), "zero": ds.WithSession(&security.Session{}), "guest": ds.WithSession(&security.Session{UUID: "g"})} {
		for body, want := range map[string]string{`{"view":"mine"}`: "", `{"view":"uuid"}`: "", `{"view":"id"}`: "", `{"view":"others"}`: viewTAll(), `{"views":["mine","id"],"where":{"v":null}}`: "", `{"where":{"v":"session.A"}}`: "literal"} {
			if got := viewTFound(t, handle, body); got != want {
				t.Errorf("%s, %s finds %q, want %q", who, body, got, want)
			}
		}
	}
	known := ds.WithSession(&security.Session{Values: map[string]any{"A": "a"}})
	if got := viewTFound(t, known, `{"where":{"v":"session.A"}}`); got != "literal" {
		t.Errorf("a where takes values of the session: %q", got)
	}
	if got := viewTFound(t, known, `{"view":"mine","where":{"v":{"$in":["session.A","a"]}}}`); got != "a list" {
		t.Errorf("view and where: %q", got)
	}
}

// TestViewWays is spec 7(10): select, delete, countOnly, aggregate, cursor, joins, old
// versions; the session on the handle, on the context, and both.
func TestViewWays(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rows := []string{`{"c":"a1","o":"a","n":1}`, `{"c":"b1","o":"b","n":2}`, `{"c":"a2","o":"a","n":3}`, `{"c":"x"}`, `{"c":"y","o":null}`, `{"c":"b2","o":"b","n":4}`, `{"c":"b3","o":["b","a"],"n":5}`}
		ds := viewTTable(t, db, "t", `[{"name":"mine","filter":{"o":"session.O"}},{"name":"rest","filter":{"o":{"$ne":"session.O"}}},{"name":"rx","filter":{"c":{"$regex":"^a"}}}]`, rows...)
		other := viewTTable(t, db, "other", `[{"name":"mine","filter":{"n":{"$gt":"session.N"}}}]`, `{"c":"k1","k":"a","n":1}`, `{"c":"k2","k":"a","n":9}`, `{"c":"k3","k":"b","n":9}`)
		a, b := &security.Session{Values: map[string]any{"O": "a", "N": 5}}, &security.Session{User: map[string]any{"O": "b", "N": 0}}
		for _, way := range []struct {
			what   string
			handle *siftdb.DataSource
			on     *security.Session
			want   string
		}{{"handle a", ds.WithSession(a), nil, "a1 a2 b3"}, {"context b", ds, b, "b1 b2 b3"}, {"handle a, context b", ds.WithSession(a), b, "a1 a2 b3"}, {"handle b, then a", ds.WithSession(b).WithSession(a), nil, "a1 a2 b3"}, {"nobody", ds, nil, ""}} {
			c := ctx
			if way.on != nil {
				c = siftdb.ContextWithSession(ctx, way.on)
			}
			q := siftdb.Query{Views: []string{"mine"}}
			n := len(strings.Fields(way.want))
			found := must[[]*siftdb.Entry](t)(way.handle.Find(c, q))
			if got := joinTShow(found); got != way.want {
				t.Errorf("%s: Find gives %q, want %q", way.what, got, way.want)
			}
			var streamed []*siftdb.Entry
			for e, err := range way.handle.Each(c, q) {
				if err != nil {
					t.Fatal(err)
				}
				streamed = append(streamed, e)
			}
			if got := joinTShow(streamed); got != way.want {
				t.Errorf("%s: Each gives %q, want %q", way.what, got, way.want)
			}
			one := must[*siftdb.Entry](t)(way.handle.FindOne(c, q))
			if (one == nil) != (n == 0) || n > 0 && one.ID != found[0].ID {
				t.Errorf("%s: FindOne gives %v", way.what, one)
			}
			if got := must[int64](t)(way.handle.Count(c, q)); got != int64(n) {
				t.Errorf("%s: Count gives %d, want %d", way.what, got, n)
			}
			if got := *must[*siftdb.Result](t)(way.handle.Query(c, siftdb.Query{Views: q.Views, CountOnly: true})).Count; got != int64(n) {
				t.Errorf("%s: countOnly gives %d, want %d", way.what, got, n)
			}
			cursor := must[*siftdb.Cursor](t)(way.handle.Cursor(c, siftdb.Query{Views: q.Views, Limit: new(2)}))
			if cursor.Total() != int64(n) || len(cursor.Entries()) != min(2, n) {
				t.Errorf("%s: a cursor shows %d of %d, want %d", way.what, len(cursor.Entries()), cursor.Total(), n)
			}
			docs := must[[]siftdb.Document](t)(way.handle.Aggregate(c, `[{"$sort":{"data.c":1}},{"$group":{"_id":null,"c":{"$push":"$data.c"}}}]`, q))
			if list := strings.Fields(way.want); n > 0 && asJSON(t, docs) != `[{"_id":null,"c":`+asJSON(t, slices.Sorted(slices.Values(list)))+`}]` || n == 0 && len(docs) > 0 {
				t.Errorf("%s: Aggregate gives %s", way.what, asJSON(t, docs))
			}
			rest := must[int64](t)(way.handle.Count(c, siftdb.Query{Views: []string{"rest"}}))
			if rest != int64(len(rows)-n) {
				t.Errorf("%s: $ne counts %d", way.what, rest)
			}
		}
		// In joins, the joined data source's views and the caller's session.
		for what, test := range map[string]struct {
			session *security.Session
			body    string
			want    string
		}{
			"inner": {a, `{"view":"mine","join":{"J":{"dataSourceName":"other","on":{"o":"k"},"view":"mine"}}}`, "a1[k2] a2[k2] b3[k2 k3]"}, "count": {b, `{"view":"mine","join":{"J":{"dataSourceName":"other","on":{"o":"k"},"views":["mine"],"count":true}}}`, "b1=1 b2=1 b3=3"},
			"required": {a, `{"join":{"J":{"dataSourceName":"other","on":{"o":"k"},"view":["mine"],"where":{"k":"a"},"required":true,"has":true}}}`, "a1=true a2=true b3=true"},
			"outer":    {a, `{"view":"mine","join":{"J":{"dataSourceName":"other","view":"mine"}},"limit":1}`, "a1 k2 k3"}, "nobody": {nil, `{"join":{"J":{"dataSourceName":"other","on":{"o":"k"},"view":"mine"}},"where":{"n":1}}`, "a1[]"},
		} {
			if got := joinTShow(joinTFind(t, ds.WithSession(test.session), joinTBody(t, test.body))); got != test.want {
				t.Errorf("%s: %s gives %q, want %q", what, test.body, got, test.want)
			}
			c := siftdb.ContextWithSession(ctx, test.session)
			if got := joinTShow(must[[]*siftdb.Entry](t)(ds.Find(c, joinTBody(t, test.body)))); got != test.want {
				t.Errorf("%s on the context: %s gives %q, want %q", what, test.body, got, test.want)
			}
		}
		// countOnly holds the where alone to its operators, 4.5(4).
		if n := *must[*siftdb.Result](t)(ds.Query(ctx, joinTBody(t, `{"countOnly":true,"view":"rx","where":{"n":{"$gte":1}}}`))).Count; n != 2 {
			t.Errorf("countOnly with a $regex in the view gives %d", n)
		}
		fails(t, "countOnly with $regex", viewTError(ds, `{"countOnly":true,"view":"rx","where":{"c":{"$regex":"a"}}}`), siftdb.ErrInvalidQuery)
		// Old versions are read with today's views.
		version := versionsOf(t, ds)[0].ID
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"c": "a3", "o": "a"}))
		now := versionsOf(t, ds)[0].ID
		if got := joinTShow(must[[]*siftdb.Entry](t)(ds.At(now).WithSession(a).Find(ctx, siftdb.Query{Views: []string{"mine"}}))); got != "a1 a2 b3" || version == now {
			t.Errorf("an old version gives %q", got)
		}
		if got := joinTShow(must[[]*siftdb.Entry](t)(ds.WithSession(a).At(now).Find(ctx, siftdb.Query{Views: []string{"mine"}}))); got != "a1 a2 b3" {
			t.Errorf("an old version of a handle with a session gives %q", got)
		}
		// Deletes: a view alone is enough, 4.6(3); none is not.
		before := len(versionsOf(t, ds))
		for _, step := range []struct {
			session *security.Session
			body    string
			deleted int64
			left    string
		}{
			{nil, `{"type":"delete","view":"mine"}`, 0, "a1 b1 a2 x y b2 b3 a3"}, {a, `{"type":"delete","view":"mine","order":["n","DESC"],"limit":1,"offset":1}`, 1, "a1 b1 a2 x y b2 a3"},
			{b, `{"type":"delete","view":"mine","where":{"n":2}}`, 1, "a1 a2 x y b2 a3"}, {a, `{"type":"delete","views":["mine","rx"]}`, 3, "x y b2"}, {b, `{"type":"delete","view":"rest"}`, 2, "b2"},
		} {
			r := must[*siftdb.Result](t)(ds.Query(siftdb.ContextWithSession(ctx, step.session), joinTBody(t, step.body)))
			if got := joinTShow(all(t, ds)); got != step.left || *r.DeletedCount != step.deleted {
				t.Errorf("%s deletes %d and leaves %q, want %d and %q", step.body, *r.DeletedCount, got, step.deleted, step.left)
			}
		}
		if n := len(versionsOf(t, ds)) - before; n != 4 {
			t.Errorf("the deletes left %d versions, want 4", n)
		}
		for _, body := range []string{`{"type":"delete","views":[]}`, `{"type":"delete","view":null}`, `{"type":"delete","view":[]}`, `{"type":"delete","view":"nobody"}`, `{"type":"delete","where":{},"view":"nobody"}`} {
			fails(t, body, viewTError(ds, body), siftdb.ErrInvalidQuery)
		}
		if got := joinTShow(all(t, ds)); got != "b2" || len(all(t, other)) != 3 {
			t.Errorf("refused deletes left %q", got)
		}
	})
}

// TestViewBroken is spec 7(8): a definition with broken views can be stored; using one
// is an invalid query, using another is not.
func TestViewBroken(t *testing.T) {
	db := memoryDB(t, nil)
	definition := func(ds *siftdb.DataSource, text string) {
		t.Helper()
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Definition: json.RawMessage(text)}))
	}
	ds := table(t, db, "t", `{"c":"e","n":1}`)
	ways := func(what, name string) {
		t.Helper()
		named := asJSON(t, name)
		for _, body := range []string{`{"view":` + named + `}`, `{"views":["good",` + named + `]}`, `{"view":` + named + `,"limit":0}`, `{"view":` + named + `,"where":{"n":5}}`, `{"view":` + named + `,"countOnly":true}`, `{"view":` + named + `,"type":"delete"}`,
			`{"view":` + named + `,"aggregate":[]}`, `{"join":{"J":{"dataSourceName":"t","on":{"n":"n"},"view":` + named + `}}}`, `{"join":{"J":{"dataSourceName":"t","view":` + named + `}}}`} {
			e := fails(t, what+" in "+body, viewTError(ds, body), siftdb.ErrInvalidQuery)
			if name != "" && !strings.Contains(e.Error(), name) {
				t.Errorf("%s: %s does not name the view: %v", what, body, e)
			}
		}
		q := siftdb.Query{Views: []string{name}}
		fails(t, what+" in Each", eachError(ds.Each(ctx, q)), siftdb.ErrInvalidQuery)
		_, err := ds.Count(ctx, q)
		fails(t, what+" in Count", err, siftdb.ErrInvalidQuery)
		_, err = ds.Cursor(ctx, q)
		fails(t, what+" in Cursor", err, siftdb.ErrInvalidQuery)
	}
	ways("no definition", "good")
	definition(ds, `{}`)
	ways("no views", "good")
	for what, broken := range map[string]string{
		"no filter": `{"name":"bad"}`, "null": `{"name":"bad","filter":null}`, "text": `{"name":"bad","filter":"x"}`, "array": `{"name":"bad","filter":[]}`, "number": `{"name":"bad","filter":5}`, "operator": `{"name":"bad","filter":{"n":{"$foo":1}}}`,
		"pattern": `{"name":"bad","filter":{"n":{"$regex":"("}}}`, "$where": `{"name":"bad","filter":{"$where":"1"}}`, "$or": `{"name":"bad","filter":{"$or":{}}}`, "first counts": `{"name":"bad","filter":5},{"name":"bad","filter":{}}`,
		"first has none": `{"name":"bad"},{"name":"bad","filter":{}}`, "condition": `{"name":"bad","filter":{"$filters":[{"column":"n","condition":"nope","value":"session.X"}]}}`,
		"case": `{"name":"Bad","filter":{}}`, "key case": `{"Name":"bad","filter":{}}`, "name of a kind": `{"name":5,"filter":{}}`, "blanks": `{"name":" bad ","filter":{}}`, "filter key case": `{"name":"bad","Filter":{}}`,
	} {
		definition(ds, `{"views":[`+broken+`,{"name":"good","filter":{"n":1}},{},{"filter":{}},{"name":null}]}`)
		ways(what, "bad")
		if got := viewTFound(t, ds, `{"view":"good"}`); got != "e" {
			t.Errorf("%s spoils another view: %q", what, got)
		}
		if got := viewTFound(t, ds, `{}`); got != "e" {
			t.Errorf("%s spoils a query without a view: %q", what, got)
		}
	}
	for what, views := range map[string]string{"object": `{}`, "text": `"good"`, "number": `5`, "null": `null`, "empty": `[]`, "nested": `[[{"name":"good","filter":{}}]]`, "texts": `["good"]`} {
		definition(ds, `{"views":`+views+`}`)
		err := viewTError(ds, `{"view":"good"}`)
		fails(t, "views that are "+what, err, siftdb.ErrInvalidQuery)
	}
	definition(ds, `{"Views":[{"name":"good","filter":{}}]}`)
	ways("Views", "good")
	definition(ds, `{"views":[5,"x",null,{"name":"good","filter":{"n":1}}]}`)
	if err := viewTError(ds, `{"view":"good"}`); err != nil {
		t.Errorf("members that are no views spoil a view that is one: %v", err)
	}
	for _, body := range []string{`{"view":5}`, `{"view":{}}`, `{"view":true}`, `{"views":[5]}`, `{"views":[null]}`, `{"views":[["good"]]}`, `{"views":{}}`} {
		fails(t, body, viewTError(ds, body), siftdb.ErrInvalidQuery)
	}
	if n := len(all(t, ds)); n != 1 {
		t.Errorf("broken views deleted: %d left", n)
	}
	for _, text := range []string{`{"views":["a"]}`, `{"view":["a","b"]}`, `{"view":"a"}`} { // bodies come back
		q := joinTBody(t, text)
		back := joinTBody(t, asJSON(t, q))
		if diff := cmp.Diff(q, back); diff != "" {
			t.Errorf("%s comes back otherwise: %s", text, diff)
		}
	}
}
