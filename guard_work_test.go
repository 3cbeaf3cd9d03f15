package siftdb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// TestGuardWork asks for a hidden column and for one that never was, and for entries that may
// not be read and for ones that do not exist: both take the same calls of the storage, so that
// the time cannot tell them apart by what is read. (The time itself is not tested.)
func TestGuardWork(t *testing.T) {
	store, faults := storagetest.Faulty(memory.New())
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	checked(t, db)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people", AccessRules: []byte(`[
		{"type":["select","update","delete","count"],"allow":"all","exclude":["Salary"],"require":[{"Team":{"equals":"red"}}]}]`)}))
	other := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "other", AccessRules: []byte(`[{"type":["select"],"allow":"all","exclude":["Salary"]}]`)}))
	rows := []any{}
	for i := range 50 {
		rows = append(rows, siftdb.M{"Name": fmt.Sprint("n", i), "Team": []string{"red", "blue"}[i%2], "Salary": i})
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	must[siftdb.BulkResult](t)(other.Append(ctx, rows))
	ids := entryIDs(t, ds)
	bob := db.As(&security.Principal{TokenID: 1})
	people := must[*siftdb.DataSource](t)(bob.DataSource(ctx, ds.ID()))
	// Each request is made with a column's name, and as text with %COLUMN% in its place.
	red := func(where string) string { return `{"Team":"red",` + where + `}` }
	columns := map[string]func(column string) error{
		"find": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"` + c + `":{"$gt":3}`)})
			return err
		},
		"a negation": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"` + c + `":{"$ne":3}`)})
			return err
		},
		"count": func(c string) error {
			_, err := people.Count(ctx, siftdb.Query{Where: red(`"` + c + `":{"$exists":false}`)})
			return err
		},
		"a bad where": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"` + c + `":{"$above":3}`)})
			return err
		},
		"order": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"Name":{"$exists":true}`), Order: siftdb.Order{siftdb.Asc(c)}, Limit: new(5)})
			return err
		},
		"attributes": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"Name":{"$exists":true}`), Attributes: []string{c}, Distinct: true})
			return err
		},
		"a pipeline": func(c string) error {
			_, err := people.Aggregate(ctx, `[{"$match":{"data.`+c+`":{"$gt":3}}},{"$group":{"_id":"$data.`+c+`"}}]`, siftdb.Query{Where: red(`"Name":{"$exists":true}`)})
			return err
		},
		"unique values": func(c string) error {
			handle := must[*siftdb.DataSource](t)(bob.DataSource(ctx, other.ID()))
			_, err := handle.Index(ctx, c)
			return err
		},
		"a join": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: red(`"Name":{"$exists":true}`), Joins: []siftdb.Join{{Name: "j", DataSourceID: other.ID(), On: siftdb.On{"Name": c}, Count: true}}})
			return err
		},
		"a rule's require on it": func(c string) error {
			_, err := people.Find(ctx, siftdb.Query{Where: `{"` + c + `":"red"}`})
			return err
		},
	}
	entries := map[string]func(id int64) error{
		"by id":  func(id int64) error { _, err := people.FindByID(ctx, id); return err },
		"update": func(id int64) error { _, err := people.UpdateEntry(ctx, id, siftdb.M{"Name": "x"}); return err },
		"remove": func(id int64) error { return people.Remove(ctx, id) },
	}
	calls := func(fn func() error) (n int, text string) {
		t.Helper()
		for range 3 { // caches are warm then, and columns in memory
			faults.Arm(storagetest.Fault{})
			text = fmt.Sprint(fn())
			n = faults.Calls()
		}
		return n, text
	}
	for what, ask := range columns {
		hidden, hiddenText := calls(func() error { return ask("Salary") })
		absent, absentText := calls(func() error { return ask("Nowhat") })
		if hidden != absent || strings.ReplaceAll(hiddenText, "Salary", "Nowhat") != absentText {
			t.Errorf("%s: a hidden column takes %d calls (%s), one that never was %d (%s)", what, hidden, hiddenText, absent, absentText)
		}
	}
	for what, ask := range entries {
		denied, deniedText := calls(func() error { return ask(ids[1]) })
		missing, missingText := calls(func() error { return ask(99_999) })
		if deniedText == "<nil>" || strings.ReplaceAll(deniedText, fmt.Sprint(ids[1]), "99999") != missingText {
			t.Errorf("%s: denied gives %s, missing %s", what, deniedText, missingText)
		}
		if denied != missing {
			t.Errorf("%s: an entry that may not be read takes %d calls, one that does not exist %d", what, denied, missing)
		}
	}
}
