package siftdb_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

// golden compares a text with a file in testdata, or rewrites the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.ReplaceAll(readFile(t, path), "\r\n", "\n"), got); diff != "" {
		t.Errorf("%s differs (-golden +got); run with -update to accept:\n%s", path, diff)
	}
}

// TestExplain holds the plans of one query of each kind.
func TestExplain(t *testing.T) {
	db := memoryDB(t, nil)
	users := table(t, db, "Users", `{"ID":1,"Name":"Ada","Age":36}`, `{"ID":2,"Name":"Bob","Age":42}`)
	table(t, db, "Orders", `{"User":1,"Total":10}`)
	must[siftdb.DataSourceInfo](t)(users.Update(ctx, siftdb.DataSourceUpdate{Definition: []byte(`{"views":[{"name":"grown","filter":{"Age":{"$gte":18}}}]}`)}))
	var b strings.Builder
	for _, body := range []string{
		`{}`,
		`{"where":{"Age":{"$gte":18}},"view":"grown","order":[["Name","DESC"],["id","ASC"]],"limit":10,"offset":5}`,
		`{"where":{"Name":{"$regex":"^A"}},"distinct":true,"attributes":["Age"]}`,
		`{"join":{"orders":{"dataSourceName":"Orders","on":{"data.ID":"data.User"},"required":true,"where":{"Total":{"$gt":5}},"order":["Total","DESC"],"limit":3},"n":{"dataSourceId":2,"on":{"ID":"User","Name":"Total"},"count":true},"all":{"dataSourceId":2}}}`,
		`{"join":{"self":{"dataSourceId":1,"on":{"data.ID":"id"}}}}`,
		`{"aggregate":[{"$match":{"data.Age":{"$gte":18},"data.Name":{"$gte":"B"},"data.ID":1}},{"$lookup":{"from":"Orders","localField":"data.ID","foreignField":"data.User","as":"o"}},{"$sort":{"id":1}},{"$limit":5}],"limit":2}`,
	} {
		q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
		plan := must[*siftdb.Plan](t)(users.Explain(ctx, q))
		b.WriteString(body + "\n" + plan.String() + "\n")
	}
	golden(t, "explain.golden", b.String())
	for body, is := range map[string]func(error) bool{
		`{"view":"none"}`:                     isInvalidQuery,
		`{"join":{"x":{"dataSourceId":99}}}`:  isNotFound,
		`{"aggregate":[{"$nope":1}]}`:         isInvalidQuery,
		`{"where":{"a":{"$nope":1}}}`:         isInvalidQuery,
		`{"aggregate":[{"$unionWith":"no"}]}`: isNotFound,
	} {
		q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
		if _, err := users.Explain(ctx, q); !is(err) {
			t.Errorf("%s gives %v", body, err)
		}
	}
}
