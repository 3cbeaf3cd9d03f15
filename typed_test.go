package siftdb_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

type typedAddress struct {
	City  string   `json:"city"`
	Lines []string `json:"lines,omitempty"`
}

type typedUser struct {
	Name    string       `json:"Name"`
	Age     int          `json:"Age"`
	Address typedAddress `json:"address"`
	Joined  time.Time    `json:"joined"`
	Note    *string      `json:"note,omitempty"`
	secret  int
}

func typedUsers(t *testing.T) *siftdb.Table[typedUser] {
	users := siftdb.Of[typedUser](table(t, memoryDB(t, nil), "Users"))
	joined := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	result := must[siftdb.BulkResult](t)(users.Append(ctx, []typedUser{
		{Name: "Ada", Age: 36, Address: typedAddress{City: "London", Lines: []string{"a", "b"}}, Joined: joined, secret: 1},
		{Name: "Bob", Age: 42, Joined: joined, Note: new("x")},
	}))
	if len(result.IDs) != 2 {
		t.Fatalf("appended %v", result.IDs)
	}
	return users
}

// TestTable goes through every call of a Table.
func TestTable(t *testing.T) {
	users := typedUsers(t)
	rows := must[[]siftdb.Row[typedUser]](t)(users.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Desc("Age")}}))
	if len(rows) != 2 || rows[0].Value.Name != "Bob" || *rows[0].Value.Note != "x" || rows[1].Value.Address.Lines[1] != "b" || rows[1].Value.Joined.Year() != 2024 {
		t.Fatalf("found %+v", rows)
	}
	ada := rows[1]
	if one := must[*siftdb.Row[typedUser]](t)(users.FindOne(ctx, siftdb.Query{Where: `{"Name":"Ada"}`})); one == nil || one.ID != ada.ID {
		t.Errorf("FindOne gives %+v", one)
	}
	if none := must[*siftdb.Row[typedUser]](t)(users.FindOne(ctx, siftdb.Query{Where: `{"Name":"Zoe"}`})); none != nil {
		t.Errorf("FindOne of nobody gives %+v", none)
	}
	if _, err := users.FindByID(ctx, 999); !isNotFound(err) {
		t.Errorf("FindByID of nobody gives %v", err)
	}
	cleo := must[siftdb.Row[typedUser]](t)(users.Insert(ctx, typedUser{Name: "Cleo", Age: 17}))
	cleo.Value.Age++
	if got := must[siftdb.Row[typedUser]](t)(users.Update(ctx, cleo.ID, cleo.Value, siftdb.IfChanged(cleo.Changed))); got.Value.Age != 18 {
		t.Errorf("updated to %+v", got.Value)
	}
	if _, err := users.Update(ctx, cleo.ID, cleo.Value, siftdb.IfChanged(cleo.Changed)); !isConflict(err) {
		t.Errorf("a stale update gives %v", err)
	}
	done := must[*siftdb.TableResult[typedUser]](t)(users.Commit(ctx, siftdb.TableCommit[typedUser]{
		Entries: []siftdb.TableEntry[typedUser]{{ID: ada.ID, Value: typedUser{Name: "Ada", Age: 37}}, {Value: typedUser{Name: "Dora"}, ClientID: "d"}},
		Delete:  []int64{cleo.ID}, ReturnEntries: true,
	}))
	names := []string{}
	for _, r := range done.Rows {
		names = append(names, fmt.Sprint(r.Value.Name, r.Value.Age))
	}
	if diff := cmp.Diff([]string{"Ada37", "Bob42", "Dora0"}, names); diff != "" || len(done.Inserted) != 1 || done.ClientIDs[0].ClientID != "d" {
		t.Errorf("the commit gives %v %+v", diff, done.CommitResult)
	}
	count := 0
	for r, err := range users.Each(ctx, siftdb.Query{Attributes: []string{"Name"}}) {
		if err != nil || r.Value.Name == "" || r.Value.Age != 0 {
			t.Errorf("row %+v, %v", r.Value, err)
		}
		count++
	}
	if count != 3 {
		t.Errorf("%d rows", count)
	}
}

// TestTableMisfit: an error names the entry and the field.
func TestTableMisfit(t *testing.T) {
	users := typedUsers(t)
	bad := must[*siftdb.Entry](t)(users.DataSource().Insert(ctx, siftdb.M{"Name": "Eve", "address": siftdb.M{"lines": []any{"a", 5}}}))
	var eachErr error
	for _, err := range users.Each(ctx, siftdb.Query{}) {
		eachErr = err
	}
	_, findErr := users.Find(ctx, siftdb.Query{})
	_, idErr := users.FindByID(ctx, bad.ID)
	var into typedUser
	for what, err := range map[string]error{"Each": eachErr, "Find": findErr, "FindByID": idErr, "Decode": bad.Decode(&into)} {
		var e *siftdb.Error
		var field *siftdb.FieldError
		if !isInvalid(err) || !errors.As(err, &e) || !errors.As(err, &field) {
			t.Errorf("%s gives %v", what, err)
			continue
		}
		if e.EntryID != bad.ID || e.Path != "address.lines.1" || field.Path != e.Path || field.Kind.String() != "number" || field.Type.String() != "string" {
			t.Errorf("%s gives entry %d, path %q, %v", what, e.EntryID, e.Path, field)
		}
	}
}

// TestTableSubscribe: changes come decoded, and one that does not fit ends the
// subscription.
func TestTableSubscribe(t *testing.T) {
	users := typedUsers(t)
	calls := make(chan siftdb.TableChanges[typedUser], 10)
	s := must[*siftdb.Subscription](t)(users.Subscribe(ctx, siftdb.SubscribeOptions{Where: `{"Age":{"$gt":40}}`}, func(c siftdb.TableChanges[typedUser]) { calls <- c }))
	next := func() siftdb.TableChanges[typedUser] {
		select {
		case c := <-calls:
			return c
		case <-s.Done():
			t.Fatalf("the subscription ended: %v", s.Err())
		case <-time.After(10 * time.Second):
			t.Fatal("no call")
		}
		panic("unreachable")
	}
	zoe := must[siftdb.Row[typedUser]](t)(users.Insert(ctx, typedUser{Name: "Zoe", Age: 50}))
	if c := next(); len(c.Inserted) != 1 || c.Inserted[0].Value.Name != "Zoe" {
		t.Errorf("inserted %+v", c)
	}
	must[siftdb.Row[typedUser]](t)(users.Update(ctx, zoe.ID, typedUser{Name: "Zoe", Age: 30}))
	if c := next(); len(c.Deleted) != 1 || c.Deleted[0].ID != zoe.ID || c.Deleted[0].Value.Name != "" {
		t.Errorf("left %+v", c)
	}
	must[*siftdb.Entry](t)(users.DataSource().Insert(ctx, siftdb.M{"Name": 1, "Age": 60}))
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the subscription goes on")
	}
	var e *siftdb.Error
	if err := s.Err(); !errors.As(err, &e) || e.Path != "Name" {
		t.Errorf("it ended with %v", err)
	}
}
