package siftdb_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/security/script"
)

// TestGuardEngine runs a rule that is JavaScript (spec 11.7): it limits what is read to
// the user's own entries, hides a column, and denies what it does not grant.
func TestGuardEngine(t *testing.T) {
	runner := script.New(script.Options{})
	defer runner.Close()
	db := memoryDB(t, &siftdb.Options{Scripts: runner})
	rules, err := json.Marshal([]map[string]string{{"script": `
		if (type === 'select') {
			query.Owner = user.Name;
			return { granted: true, exclude: ['Salary'] };
		}
		return { granted: type === 'insert' && query.every(row => row.Owner === user.Name) };`}})
	if err != nil {
		t.Fatal(err)
	}
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AccessRules: rules, Entries: []any{
		siftdb.M{"Owner": "ann", "Salary": 1}, siftdb.M{"Owner": "bob", "Salary": 2}}}))
	bob := ds.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
	list := must[[]*siftdb.Entry](t)(bob.Find(ctx, siftdb.Query{}))
	if len(list) != 1 || string(list[0].JSON()) == "" || list[0].ID != 2 || list[0].Get("Salary") != nil {
		t.Errorf("bob sees %v", texts(list))
	}
	if _, err := bob.Append(ctx, []any{siftdb.M{"Owner": "bob"}}); err != nil {
		t.Error(err)
	}
	_, err = bob.Append(ctx, []any{siftdb.M{"Owner": "bob"}, siftdb.M{"Owner": "ann"}})
	guardTRefused(t, "an append for somebody else", err)
	if err := bob.Remove(ctx, 2); !errors.Is(err, siftdb.ErrDenied) {
		t.Errorf("a removal: %v", err)
	}
}
