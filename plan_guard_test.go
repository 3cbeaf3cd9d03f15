package siftdb_test

import (
	"fmt"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// TestPlansKeepSecrets: an index on a column that is hidden from who asks has no part in the
// answer, and what Explain says to a principal is the same whatever indexes there are.
func TestPlansKeepSecrets(t *testing.T) {
	db := memoryDB(t, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people",
		AccessRules: []byte(`[{"type":["select","count"],"allow":"all","exclude":["Salary"]}]`)}))
	rows := make([]any, 2000)
	for i := range rows {
		rows[i] = siftdb.M{"Salary": i * 7919 % 2003, "City": i % 400, "Pay": siftdb.M{"Salary": i}}
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	bob := ds.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
	queries := []siftdb.Query{
		{Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(5)},
		{Order: siftdb.Order{siftdb.Asc("Salary"), siftdb.Asc("City")}, Limit: new(5)},
		{Where: `{"Salary":null}`, Limit: new(5)},
		{Where: `{"Salary":{"$exists":false},"City":7}`},
		{Where: `{"Salary":5}`},
		{Where: `{"Salary":5,"City":1}`},
		{Where: `{"$or":[{"Salary":5},{"City":1}]}`},
		{Where: `{"City":7}`, Order: siftdb.Order{siftdb.Desc("Salary")}, Limit: new(2)},
	}
	tell := func() (answers []string) {
		for _, q := range queries {
			n, err := bob.Count(ctx, siftdb.Query{Where: q.Where})
			answers = append(answers, fmt.Sprint(texts(must[[]*siftdb.Entry](t)(bob.Find(ctx, q))), n, err, must[*siftdb.Plan](t)(bob.Explain(ctx, q))))
		}
		return answers
	}
	without := tell()
	create(t, ds, indexOn("Salary"), indexOn("Salary", "City"), indexOn("City", "Salary"), indexOn("City"),
		siftdb.IndexSpec{Name: "t", Trigram: true, Fields: []siftdb.IndexField{{Name: "Salary"}}})
	for _, way := range []string{"", "always", "scan"} {
		siftdb.Access(db, way)
		for i, got := range tell() {
			if got != without[i] {
				t.Errorf("%+v by way of %q says %s, and without indexes %s", queries[i], way, got, without[i])
			}
		}
	}
}
