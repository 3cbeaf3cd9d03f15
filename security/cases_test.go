package security

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

const employees = `[
	{"type": ["select", "insert", "update", "delete"], "allow": {"user": {"Role": {"equals": "Admin"}}}},
	{"type": ["select"], "allow": "loggedIn", "exclude": ["Password", "Salary"]},
	{"type": ["update"], "allow": "loggedIn", "require": [{"Email": {"equals": "{{user.[Email]}}"}}], "exclude": ["Role", "Admin", "Permissions"]},
	{"type": ["insert"], "allow": "loggedIn", "exclude": ["Admin", "Permissions"],
		"require": ["Email", "First Name", {"Email": {"equals": "{{user.[Email]}}"}}, {"Role": {"equals": "User"}}]}
]`

// TestEmployees is the first rule set of spec 11.11.
func TestEmployees(t *testing.T) {
	p := rules(t, employees)
	alice := user(map[string]any{"Email": "alice@acme.com", "Role": "Admin"})
	bob := user(map[string]any{"Email": "bob@acme.com", "Role": "User"})
	for _, c := range []struct {
		name string
		who  *Principal
		req  Request
		want string
	}{
		{"Alice selects", alice, request(t, Select, `{}`), "rule 0"},
		{"Bob selects", bob, request(t, Select, `{}`), "rule 1"},
		{"Bob selects by salary", bob, request(t, Select, `{"Salary": {"$gt": 0}}`), "rule 1"},
		{"Bob counts", bob, request(t, Count, `{}`), "rule 1"},
		{"Bob updates himself", bob, request(t, Update, `{"Email": "bob@acme.com", "First Name": "Bob"}`), "rule 2"},
		{"Bob updates Carol", bob, request(t, Update, `{"Email": "carol@acme.com"}`), "denied"},
		{"Bob updates somebody", bob, request(t, Update, `{"First Name": "Bob"}`), "denied"},
		{"Bob promotes himself", bob, request(t, Update, `{"Email": "bob@acme.com", "Role": "Admin"}`), "denied"},
		{"Bob inserts himself", bob, request(t, Insert, `{"Email": "bob@acme.com", "First Name": "Bob", "Role": "User"}`), "rule 3"},
		{"Bob inserts an admin", bob, request(t, Insert, `{"Email": "bob@acme.com", "First Name": "Bob", "Role": "Admin"}`), "denied"},
		{"Bob inserts without a name", bob, request(t, Insert, `{"Email": "bob@acme.com", "First Name": "", "Role": "User"}`), "denied"},
		{"Bob deletes", bob, byID(t, Delete, `{"Email": "bob@acme.com"}`), "denied"},
		{"Alice deletes", alice, byID(t, Delete, `{"Email": "bob@acme.com"}`), "rule 0"},
		{"a token without a user selects", token(9), request(t, Select, `{}`), "denied"},
		{"anonymous selects", Anonymous(), request(t, Select, `{}`), "401"},
		{"anonymous inserts", Anonymous(), request(t, Insert, `{}`), "401"},
		{"anonymous deletes", Anonymous(), request(t, Delete, `{}`), "401"},
		{"an admin token", &Principal{TokenID: 1, Admin: true}, request(t, Delete, `{}`), "free"},
		{"Go", nil, request(t, Delete, `{}`), "free"},
	} {
		if got := outcome(t, p, c.who, c.req, nil); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	g, err := p.Decide(context.Background(), bob, request(t, Select, `{}`), nil)
	if err != nil || !g.Hides("Salary") || !g.Hides("Password") || g.Hides("Email") || !g.Limited() {
		t.Errorf("Bob's columns: %+v %v", g, err)
	}
	if g, _ = p.Decide(context.Background(), alice, request(t, Select, `{}`), nil); g.Hides("Salary") || g.Limited() {
		t.Error("Alice sees all columns")
	}
}

// TestDeniedMessage: a denial names the data source and the operation, and nothing else.
func TestDeniedMessage(t *testing.T) {
	bob := user(map[string]any{"Email": "bob@acme.com"})
	for op, end := range map[Operation]string{Select: "read data.", Insert: "insert data.", Update: "update data.", Delete: "delete data.", Count: "count data."} {
		_, err := rules(t, `[{"type": "update", "allow": "all", "require": ["Secret"]}]`).Decide(context.Background(), bob, Request{Operation: op}, nil)
		var d *Denied
		if !errors.As(err, &d) {
			t.Fatal(op, err)
		}
		e := d.On(123, `The "E"`)
		want := `The security rules for the Data Source "The "E"" do not allow this app to ` + end
		if e.Code != errs.Denied || e.Message != want || e.DataSourceID != 123 || e.Err != nil || !strings.HasPrefix(end, e.Operation) {
			t.Errorf("got %+v", e)
		}
		if strings.Contains(d.Error()+e.Error(), "Secret") {
			t.Errorf("%s: the message names a column", op)
		}
	}
	if e := (&Denied{Unauthorised: true}).On(1, "E"); e.Code != errs.Unauthorised {
		t.Errorf("got %+v", e)
	}
}

// TestStaff is the second rule set of spec 11.11.
func TestStaff(t *testing.T) {
	p := rules(t, `[
		{"type": ["select"], "allow": {"user": {"Role": {"equals": "Manager"}}}, "exclude": ["Salary"],
			"require": [{"Department": {"equals": "{{user.[Department]}}"}}]},
		{"type": ["select", "update"], "allow": "loggedIn", "require": [{"Email": {"equals": "{{user.[Email]}}"}}]}
	]`)
	alice := user(map[string]any{"Email": "alice@acme.com", "Role": "Manager", "Department": "Engineering"})
	bob := user(map[string]any{"Email": "bob@acme.com", "Role": "User", "Department": "Engineering"})
	for _, c := range []struct {
		who         *Principal
		where, want string
	}{
		{alice, `{"Department": "Engineering"}`, "rule 0"},
		{alice, `{"Department": "Marketing"}`, "denied"},
		{alice, `{"$or": [{"Department": "Engineering"}, {"x": 1}]}`, "denied"},
		{alice, `{"$and": [{"Department": "Engineering"}, {"Age": {"$gt": 3}}]}`, "rule 0"},
		{alice, `{"Email": "alice@acme.com"}`, "rule 1"},
		{bob, `{"Email": "bob@acme.com"}`, "rule 1"},
		{bob, `{"Department": "Engineering"}`, "denied"},
		{bob, ``, "denied"},
	} {
		if got := outcome(t, p, c.who, request(t, Select, c.where), nil); got != c.want {
			t.Errorf("%s: got %s, want %s", c.where, got, c.want)
		}
	}
	if got := outcome(t, p, bob, byID(t, Select, `{"Email": "bob@acme.com"}`), nil); got != "rule 1" {
		t.Errorf("Bob's own row by id: %s", got)
	}
	if got := outcome(t, p, bob, byID(t, Select, `{"Email": "alice@acme.com"}`), nil); got != "denied" {
		t.Errorf("another row by id: %s", got)
	}
	if got := outcome(t, p, bob, byID(t, Select, `{}`), nil); got != "denied" {
		t.Errorf("an unknown row by id: %s", got)
	}
}
