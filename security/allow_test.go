package security

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// TestAllow is spec 11.4, and 11.8 where it is about users.
func TestAllow(t *testing.T) {
	nobody := token(9)
	eve := user(map[string]any{
		"Role": "Admin", "Nil": nil, "Empty": "", "Level": 5, "Half": 1.5, "Active": true, "First Name": "Eve", "a.b": "dotted", "B": "Adm", "Back": `a\b`,
		"Tags": []any{"red", "green", 7}, "None": []any{}, "Typed": []string{"red"}, "Object": map[string]any{"x": "Admin"}, "Deep": []any{[]any{"red"}},
		"Html": `<b>"&'`, "Words": "big red dog",
	})
	eve.EntryID, eve.DataSourceID = 77, 3
	columns := len(eve.User)
	for _, c := range []struct {
		who   *Principal
		allow string
		want  bool
	}{
		{nobody, `"all"`, true}, {eve, `"all"`, true},
		{nobody, `"loggedIn"`, false}, {eve, `"loggedIn"`, true}, {user(map[string]any{}), `"loggedIn"`, true},
		{&Principal{User: map[string]any{}}, `"loggedIn"`, true},
		// tokens
		{nobody, `{"tokens": [9]}`, true}, {nobody, `{"tokens": [8, 10]}`, false}, {nobody, `{"tokens": []}`, false}, {eve, `{"tokens": [1, 9.0]}`, true},
		{&Principal{User: map[string]any{}}, `{"tokens": [9]}`, false},
		// user and tokens
		{nobody, `{"tokens": [9], "user": {}}`, false}, {eve, `{"tokens": [9], "user": {}}`, true}, {eve, `{"tokens": [8], "user": {}}`, false},
		{eve, `{"tokens": [9], "user": {"Role": {"equals": "User"}}}`, false}, {eve, `{"tokens": [9], "user": {"Role": {"equals": "Admin"}}}`, true},
		{nobody, `{"user": {}}`, false}, {eve, `{"user": {}}`, true},
		// equals
		{eve, `{"user": {"Role": {"equals": "Admin"}}}`, true}, {eve, `{"user": {"Role": {"equals": "admin"}}}`, false}, {eve, `{"user": {"Role": {"equals": "Adm"}}}`, false},
		{eve, `{"user": {"role": {"equals": "Admin"}}}`, false}, {eve, `{"user": {"Level": {"equals": "5"}}}`, true}, {eve, `{"user": {"Level": {"equals": 5}}}`, true},
		{eve, `{"user": {"Level": {"equals": "5.0"}}}`, false}, {eve, `{"user": {"Half": {"equals": "1.5"}}}`, true}, {eve, `{"user": {"Active": {"equals": "true"}}}`, true},
		{eve, `{"user": {"Active": {"equals": true}}}`, true}, {eve, `{"user": {"Active": {"equals": "1"}}}`, false}, {eve, `{"user": {"First Name": {"equals": "Eve"}}}`, true},
		{eve, `{"user": {"a.b": {"equals": "dotted"}}}`, true}, {eve, `{"user": {"Empty": {"equals": ""}}}`, true},
		{eve, `{"user": {"Nil": {"equals": ""}}}`, false}, {eve, `{"user": {"Absent": {"equals": ""}}}`, false}, {eve, `{"user": {"Nil": {"equals": "null"}}}`, false},
		{eve, `{"user": {"Object": {"equals": "Admin"}}}`, false}, {eve, `{"user": {"Object": {"equals": "[object Object]"}}}`, false},
		{eve, `{"user": {"Tags": {"equals": "green"}}}`, true}, {eve, `{"user": {"Tags": {"equals": "7"}}}`, true}, {eve, `{"user": {"Tags": {"equals": "red,green,7"}}}`, false},
		{eve, `{"user": {"None": {"equals": ""}}}`, false}, {eve, `{"user": {"Typed": {"equals": "red"}}}`, true}, {eve, `{"user": {"Deep": {"equals": "red"}}}`, true},
		// notequals
		{eve, `{"user": {"Role": {"notequals": "User"}}}`, true}, {eve, `{"user": {"Role": {"notequals": "Admin"}}}`, false}, {eve, `{"user": {"Nil": {"notequals": "x"}}}`, true},
		{eve, `{"user": {"Absent": {"notequals": "x"}}}`, true}, {eve, `{"user": {"Tags": {"notequals": "green"}}}`, false}, {eve, `{"user": {"Tags": {"notequals": "blue"}}}`, true},
		{eve, `{"user": {"None": {"notequals": "x"}}}`, true}, {nobody, `{"user": {"Role": {"notequals": "x"}}}`, false},
		// contains
		{eve, `{"user": {"Words": {"contains": "red"}}}`, true}, {eve, `{"user": {"Words": {"contains": "Red"}}}`, false}, {eve, `{"user": {"Tags": {"contains": "gree"}}}`, true},
		{eve, `{"user": {"Words": {"contains": ""}}}`, false}, {eve, `{"user": {"Nil": {"contains": ""}}}`, false}, {eve, `{"user": {"Absent": {"contains": "a"}}}`, false},
		{eve, `{"user": {"Level": {"contains": "5"}}}`, true}, {eve, `{"user": {"None": {"contains": "a"}}}`, false},
		// several
		{eve, `{"user": {"Words": {"contains": "red", "notequals": "big red dog"}}}`, false}, {eve, `{"user": {"Words": {"contains": "red", "equals": "big red dog"}}}`, true},
		{eve, `{"user": {"Role": {"equals": "Admin"}, "Level": {"equals": "6"}}}`, false}, {eve, `{"user": {"Role": {"equals": "Admin"}, "Level": {"equals": "5"}}}`, true},
		// templates
		{eve, `{"user": {"Role": {"equals": "{{user.B}}in"}}}`, true}, {eve, `{"user": {"Role": {"contains": "{{user.B}}"}}}`, true}, {eve, `{"user": {"Role": {"contains": "{{user.Empty}}"}}}`, false},
		{eve, `{"user": {"Html": {"equals": "{{user.Html}}"}}}`, true}, {eve, `{"user": {"First Name": {"equals": "{{user.[First Name]}}"}}}`, true},
		{eve, `{"user": {"Empty": {"equals": "{{user.Empty}}"}}}`, false}, {eve, `{"user": {"Empty": {"equals": "{{user.Absent}}"}}}`, false},
		{eve, `{"user": {"Role": {"notequals": "{{user.Absent}}"}}}`, false}, {eve, `{"user": {"Role": {"notequals": " {{user.Nil}} "}}}`, false},
		{eve, `{"user": {"Role": {"equals": "{{Role}}"}}}`, false}, {eve, `{"user": {"Role": {"equals": "{{! nothing }}Admin"}}}`, true},
		{eve, `{"user": {"Role": {"equals": "{{#if user.Active}}Admin{{/if}}"}}}`, true}, {eve, `{"user": {"a.b": {"equals": "{{user.[a.b]}}"}}}`, true},
		{eve, `{"user": {"Back": {"equals": "{{user.Back}}"}}}`, true},
		// the user's own entry
		{eve, `{"user": {"id": {"equals": 77}, "dataSourceId": {"equals": "3"}}}`, true}, {user(map[string]any{"Role": 1}), `{"user": {"id": {"equals": "0"}}}`, false},
		{&Principal{TokenID: 1, User: map[string]any{"id": "own"}, EntryID: 77}, `{"user": {"id": {"equals": "own"}}}`, true},
	} {
		p := rules(t, `[{"type": "select", "allow": `+c.allow+`}]`)
		want := "denied"
		if c.want {
			want = "rule 0"
		}
		if got := outcome(t, p, c.who, request(t, Select, ``), nil); got != want {
			t.Errorf("%s: got %s, want %s", c.allow, got, want)
		}
		if c.who == eve && len(eve.User) != columns {
			t.Fatal("the columns of the user were changed")
		}
	}
}

// TestAnonymousReachesAll: an anonymous caller is one of all where it reaches the rules, and
// never a user or a token.
func TestAnonymousReachesAll(t *testing.T) {
	for allow, want := range map[string]string{`"all"`: "rule 0", `"loggedIn"`: "denied", `{"user": {}}`: "denied", `{"tokens": [1]}`: "denied"} {
		req := request(t, Select, ``)
		req.Public = true
		if got := outcome(t, rules(t, `[{"type": "select", "allow": `+allow+`}]`), Anonymous(), req, nil); got != want {
			t.Errorf("%s: got %s, want %s", allow, got, want)
		}
	}
}

// TestBadUser: a user that cannot be read is the host's failure, and never a grant, where a rule
// asks for its columns.
func TestBadUser(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = loop
	for _, columns := range []map[string]any{{"A": make(chan int)}, {"A": math.NaN()}, {"A": "\xff"}, loop} {
		for _, text := range []string{
			`[{"type": "select", "allow": {"user": {"A": {"notequals": "x"}}}}, {"type": "select", "allow": "all"}]`,
			`[{"type": "select", "allow": "all", "require": [{"A": {"notequals": "{{user.B}}"}}]}, {"type": "select", "allow": "all"}]`,
			`[{"script": "x"}, {"type": "select", "allow": "all"}]`,
		} {
			g, err := rules(t, text).Decide(context.Background(), user(columns), request(t, Select, `{"A": 1}`), nil)
			var e *errs.Error
			if g != nil || !errors.As(err, &e) || e.Code != errs.InvalidInput || !strings.Contains(e.Message, "user") {
				t.Errorf("%s: got %v %v", text, g, err)
			}
		}
		if got := outcome(t, rules(t, `[{"type": "select", "allow": "loggedIn"}]`), user(columns), request(t, Select, ``), nil); got != "rule 0" {
			t.Errorf("columns that nobody asks for: %s", got)
		}
	}
}
