package siftdb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// planTable is a data source whose plans are known.
func planTable(t testing.TB, db *siftdb.DB) *siftdb.DataSource {
	ds := table(t, db, "People")
	rows := make([]any, 3000)
	for i := range rows {
		row := siftdb.M{"Email": fmt.Sprintf("User%d@Example.com", i), "Age": i % 60, "City": fmt.Sprint("city", i%300),
			"Status": []string{"active", "gone"}[i%2], "Note": fmt.Sprintf("the note of number %d", i), "Joined": fmt.Sprintf("20%02d-01-02", i%30)}
		if i%10 == 0 {
			row["Tags"] = []string{"a", fmt.Sprint("t", i%7)}
			row["Nick"] = fmt.Sprint("n", i)
		}
		if i%100 == 0 {
			row["Address"] = siftdb.M{"City": fmt.Sprint("city", i)}
		}
		rows[i] = row
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	create(t, ds, uniqueOn("Email"), indexOn("Age"), indexOn("City", "Age"), indexOn("Status"), indexOn("Tags"), indexOn("Joined"), indexOn("data.Address.City"),
		siftdb.IndexSpec{Name: "nick", Fields: []siftdb.IndexField{{Name: "Nick"}}, Sparse: true},
		siftdb.IndexSpec{Name: "email", Fields: []siftdb.IndexField{{Name: "Email"}}, IgnoreCase: true},
		siftdb.IndexSpec{Name: "note", Fields: []siftdb.IndexField{{Name: "Note"}}, Trigram: true})
	return ds
}

// TestPlansChosen holds which way the planner goes.
func TestPlansChosen(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := planTable(t, db)
	orders := table(t, db, "Orders", `{"Who":"User7@Example.com"}`)
	for file, bodies := range map[string][]string{
		"lookups": {
			`{"where":{"id":7}}`,
			`{"where":{"id":{"$in":[7,8,9]},"Status":"active"}}`,
			`{"where":{"Email":"User7@Example.com"}}`,
			`{"where":{"Email":{"$in":["User7@Example.com","User8@Example.com"]}}}`,
			`{"where":{"City":"city7"}}`,
			`{"where":{"City":"city7","Age":7}}`,
			`{"where":{"City":"city7","Age":{"$gt":10},"Status":"active"}}`,
			`{"where":{"Tags":"t3"}}`,
			`{"where":{"Address.City":"city100"}}`,
			`{"where":{"Address":{"City":"city100"}}}`,
			`{"where":{"Nick":"n10"}}`,
			`{"where":{"Nick":null}}`,
			`{"where":{"$filters":[{"column":"Email","condition":"==","value":"user7@example.com"}]}}`,
			`{"where":{"Email":{"$iLike":"user100%"}}}`,
		},
		"ranges": {
			`{"where":{"Age":{"$gt":57}}}`,
			`{"where":{"Age":{"$gte":58,"$lt":59}}}`,
			`{"where":{"Joined":{"$gte":"2029-01-01"}}}`,
			`{"where":{"Age":{"$gt":5}}}`,
			`{"where":{"Status":"active"}}`,
			`{"where":{"Status":"active"},"limit":10}`,
			`{"where":{"Status":{"$ne":"active"}}}`,
		},
		"combined": {
			`{"where":{"$or":[{"City":"city7"},{"Email":"User1@Example.com"},{"id":9}]}}`,
			`{"where":{"$or":[{"City":"city7"},{"Nothing":1}]}}`,
			`{"where":{"$and":[{"Age":{"$gt":56}},{"Tags":"a"}]}}`,
			`{"where":{"$nor":[{"City":"city7"}]}}`,
		},
		"texts": {
			`{"where":{"Note":{"$iLike":"NUMBER 1234"}}}`,
			`{"where":{"Note":{"$like":"%of number 77%"}}}`,
			`{"where":{"Note":{"$regex":"number 12[0-9]4$"}}}`,
			`{"where":{"Note":{"$regex":"(number 1234|number 1235)"}}}`,
			`{"where":{"$filters":[{"column":"Note","condition":"contains","value":"r 1234"}]}}`,
			`{"where":{"Note":{"$iLike":"12"}}}`,
		},
		"orders": {
			`{"order":[["Age","ASC"]],"limit":10}`,
			`{"order":[["Age","DESC"]],"limit":10,"offset":20}`,
			`{"where":{"Age":{"$gt":30}},"order":["Age"],"limit":10}`,
			`{"where":{"City":"city7"},"order":["Age"],"limit":3}`,
			`{"where":{"Status":"active"},"order":["Age"],"limit":10}`,
			`{"order":["Age"]}`,
			`{"order":["Tags"],"limit":10}`,
			`{"order":["Nick"],"limit":10}`,
		},
		"joins": {
			`{"join":{"o":{"dataSourceName":"Orders","on":{"Email":"Who"}}},"where":{"Email":"User7@Example.com"}}`,
			`{"aggregate":[{"$match":{"data.Email":"User7@Example.com"}}]}`,
		},
	} {
		var b strings.Builder
		for _, body := range bodies {
			q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
			b.WriteString(body + "\n" + must[*siftdb.Plan](t)(ds.Explain(ctx, q)).String() + "\n")
		}
		golden(t, "explain/"+file+".golden", b.String())
	}
	q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"join":{"who":{"dataSourceName":"People","on":{"Who":"Email"}}}}`)))
	golden(t, "explain/joined.golden", must[*siftdb.Plan](t)(orders.Explain(ctx, q)).String())
	if entries := must[[]*siftdb.Entry](t)(orders.Find(ctx, q)); len(entries[0].Joins[0].Entries) != 1 {
		t.Errorf("the join found %v", string(entries[0].JSON()))
	}
}

// TestExplainAnalyze: what steps did, and that it is not for everybody.
func TestExplainAnalyze(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := planTable(t, db)
	for body, want := range map[string]siftdb.PlanRun{
		`{"where":{"City":"city7"}}`:                                            {Looked: 10, Rows: 10},
		`{"where":{"City":"city7","Status":"gone","Age":{"$mod":[2,0]}}}`:       {Looked: 10, Rows: 0},
		`{"where":{"Status":"active"}}`:                                         {Looked: 3000, Rows: 1500},
		`{"order":[["Age","DESC"]],"limit":10}`:                                 {Looked: 10, Rows: 10},
		`{"where":{"City":"city7"},"order":["Note"],"limit":3}`:                 {Looked: 10, Rows: 10},
		`{"where":{"Note":{"$iLike":"number 1234"}},"distinct":true}`:           {Looked: 13, Rows: 1},
		`{"where":{"City":"city7"},"order":["Note"],"limit":3,"distinct":true}`: {Looked: 10, Rows: 10},
	} {
		q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
		p := must[*siftdb.Plan](t)(ds.ExplainAnalyze(ctx, q))
		step := p
		for step.Step != "fetch" && len(step.Inputs) > 0 {
			step = step.Inputs[0]
		}
		if r := step.Ran; r == nil || r.Looked != want.Looked || r.Rows != want.Rows || r.Time <= 0 || p.Ran == nil || !strings.Contains(p.String(), "looked at") {
			t.Errorf("%s: %+v, want %+v, in\n%s", body, r, want, p)
		}
	}
	if _, err := ds.ExplainAnalyze(ctx, siftdb.Query{Type: "delete", Where: `{}`}); !isInvalidQuery(err) {
		t.Errorf("a delete: %v", err)
	}
	if p := must[*siftdb.Plan](t)(ds.ExplainAnalyze(ctx, siftdb.Query{Aggregate: `[{"$match":{"data.City":"city7"}}]`})); p.Ran.Rows != 10 {
		t.Errorf("a pipeline:\n%s", p)
	}
}
