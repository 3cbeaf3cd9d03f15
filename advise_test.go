package siftdb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// TestAdvise: queries that read all entries for few make advice, which is gone once it has been
// followed, and holds no values.
func TestAdvise(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := planTable(t, db)
	for _, x := range must[[]siftdb.IndexInfo](t)(ds.ListIndexes(ctx)) {
		if err := ds.DropIndex(ctx, x.Name); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(ds *siftdb.DataSource, bodies ...string) {
		for _, body := range bodies {
			must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))))
		}
	}
	ask(ds, `{"where":{"Email":"User7@Example.com"}}`, `{"where":{"data.Email":"User8@Example.com"}}`, `{"where":{"City":"city7","Age":{"$gt":6}},"countOnly":true}`,
		`{"where":{"Status":"active"},"order":[["Joined","DESC"]],"limit":5}`, `{"where":{"Note":{"$iLike":"secretly"}}}`,
		`{"where":{"$filters":[{"column":"Nick","condition":"==","value":"N10"}]}}`,
		`{"where":{"Age":{"$gt":1}}}`, `{"where":{"Age":{"$ne":1}}}`, `{"where":{"id":7}}`, `{"limit":1}`) // these would gain nothing
	want := []string{`Email: 2 queries looked at 6000 entries for 2`, `City, Age: 1 queries looked at 3000 entries for 10`,
		`Note, trigrams: 1 queries looked at 3000 entries for 0`, `Nick, ignoring case: 1 queries looked at 3000 entries for 1`,
		`Status, Joined descending: 1 queries looked at 3000 entries for 1500`}
	advice := must[[]siftdb.Advice](t)(ds.Advise(ctx))
	got := map[string]bool{}
	for _, a := range advice {
		got[a.Index.Name+": "+a.Reason] = true
		if strings.Contains(fmt.Sprint(a), "ecret") {
			t.Errorf("%v holds a value", a)
		}
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("there is no advice %s", w)
		}
	}
	if len(advice) != len(want) || advice[0].Index.Name != "Email" {
		t.Errorf("advice is %+v", advice)
	}
	for _, a := range advice {
		create(t, ds, a.Index)
	}
	if left := must[[]siftdb.Advice](t)(ds.Advise(ctx)); len(left) > 0 {
		t.Errorf("what was followed is advised again: %+v", left)
	}
	ask(ds, `{"where":{"Email":"User7@Example.com"}}`, `{"where":{"Status":"active"},"order":[["Joined","DESC"]],"limit":5}`)
	if p := must[*siftdb.Plan](t)(ds.Explain(ctx, siftdb.Query{Where: `{"Status":"active"}`, Order: siftdb.Order{siftdb.Desc("Joined")}, Limit: new(5)})); !strings.Contains(p.String(), "in the order wanted") {
		t.Errorf("an index that was advised does not serve:\n%s", p)
	}
}

// TestAdviseBounded: what is remembered is bounded, and nothing is of queries that rules restrict.
func TestAdviseBounded(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := planTable(t, db)
	for i := range 100 {
		must[int64](t)(ds.Count(ctx, siftdb.Query{Where: siftdb.M{fmt.Sprint("Column", i): 1}}))
	}
	if n := len(must[[]siftdb.Advice](t)(ds.Advise(ctx))); n == 0 || n > 32 {
		t.Errorf("%d kinds of queries are remembered", n)
	}
	other := table(t, db, "other")
	rows := make([]any, 2000)
	for i := range rows {
		rows[i] = siftdb.M{"a": i}
	}
	must[siftdb.BulkResult](t)(other.Append(ctx, rows))
	must[siftdb.DataSourceInfo](t)(other.Update(ctx, siftdb.DataSourceUpdate{AccessRules: []byte(`[{"type":["select"],"allow":"all"}]`)}))
	bob := other.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
	must[[]*siftdb.Entry](t)(bob.Find(ctx, siftdb.Query{Where: `{"a":5}`}))
	if left := must[[]siftdb.Advice](t)(other.Advise(ctx)); len(left) > 0 {
		t.Errorf("a query of somebody else is remembered: %+v", left)
	}
}
