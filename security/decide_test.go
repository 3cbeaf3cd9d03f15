package security

import (
	"context"
	"errors"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// TestOrder is spec 11.3(1) to (3): the first rule that grants, what is passed over, and
// denial by default.
func TestOrder(t *testing.T) {
	inApp := &Principal{TokenID: 9, AppID: ptr(4)}
	for _, c := range []struct {
		rules string
		who   *Principal
		op    Operation
		want  string
	}{
		{``, token(9), Select, "denied"}, {`null`, token(9), Select, "denied"}, {`[]`, token(9), Select, "denied"}, {`[]`, nil, Select, "free"},
		{`[{"type": "select", "allow": "all"}]`, token(9), Select, "rule 0"}, {`[{"type": "select", "allow": "all"}]`, token(9), Insert, "denied"},
		{`[{"type": [], "allow": "all"}]`, token(9), Select, "denied"},
		{`[{"type": "select", "allow": "all"}, {"type": "select", "allow": "all"}]`, token(9), Select, "rule 0"},
		{`[{"type": "insert", "allow": "all"}, {"type": "select", "allow": "all"}]`, token(9), Select, "rule 1"},
		{`[{"type": "select", "allow": "all", "enabled": false}]`, token(9), Select, "denied"}, {`[{"type": "select", "allow": "all", "enabled": true}]`, token(9), Select, "rule 0"},
		{`[{"type": "select", "allow": "all", "enabled": false}, {"type": "select", "allow": "all"}]`, token(9), Select, "rule 1"},
		{`[{"type": "select", "allow": "all", "appId": [4]}]`, inApp, Select, "rule 0"}, {`[{"type": "select", "allow": "all", "appId": [5]}]`, inApp, Select, "denied"},
		{`[{"type": "select", "allow": "all", "appId": [4]}]`, token(9), Select, "denied"}, {`[{"type": "select", "allow": "all", "appId": []}]`, inApp, Select, "denied"},
		{`[{"type": "select", "allow": "all", "appId": [5, 4]}]`, inApp, Select, "rule 0"}, {`[{"type": "select", "allow": "all"}]`, inApp, Select, "rule 0"},
		{`[{"type": "select", "allow": "loggedIn"}, {"type": "select", "allow": {"tokens": [9]}}]`, token(9), Select, "rule 1"},
		// 11.3(6): count by a rule for count or select, in order.
		{`[{"type": "count", "allow": "all"}, {"type": "select", "allow": "all"}]`, token(9), Count, "rule 0"}, {`[{"type": "select", "allow": "all"}, {"type": "count", "allow": "all"}]`, token(9), Count, "rule 0"},
		{`[{"type": "count", "allow": "all"}]`, token(9), Select, "denied"}, {`[{"type": ["insert", "update", "delete"], "allow": "all"}]`, token(9), Count, "denied"},
		// 11.3(4): an unmet require.
		{`[{"type": "select", "allow": "all", "require": ["A"]}, {"type": "select", "allow": "all"}]`, token(9), Select, "rule 1"},
		{`[{"type": "select", "allow": "all", "require": ["A"]}, {"type": "select", "allow": "all"}]`, token(9), Count, "rule 1"},
		{`[{"type": "delete", "allow": "all", "require": ["A"]}, {"type": "delete", "allow": "all"}]`, token(9), Delete, "rule 1"},
		{`[{"type": "insert", "allow": "all", "require": ["A"]}, {"type": "insert", "allow": "all"}]`, token(9), Insert, "denied"},
		{`[{"type": "update", "allow": "all", "require": ["A"]}, {"type": "update", "allow": "all"}]`, token(9), Update, "denied"},
		{`[{"type": "insert", "allow": "loggedIn", "require": ["A"]}, {"type": "insert", "allow": "all"}]`, token(9), Insert, "rule 1"},
		{`[{"type": "insert", "allow": "all", "require": ["A"], "enabled": false}, {"type": "insert", "allow": "all"}]`, token(9), Insert, "rule 1"},
		{`[{"type": "update", "allow": "all", "require": ["A"]}, {"type": "insert", "allow": "all"}]`, token(9), Insert, "rule 1"},
	} {
		if got := outcome(t, rules(t, c.rules), c.who, Request{Operation: c.op}, nil); got != c.want {
			t.Errorf("%s for %s: got %s, want %s", c.op, c.rules, got, c.want)
		}
	}
	var none *Policy
	if got := outcome(t, none, token(9), Request{Operation: Select}, nil); got != "denied" || !none.Empty() || none.Scripts() {
		t.Errorf("a nil policy: %s", got)
	}
}

// TestColumnsOfWrites is spec 11.3(5): a write that names a column beyond the limits is denied
// at once, by the first rule that would grant.
func TestColumnsOfWrites(t *testing.T) {
	for _, c := range []struct{ limits, data, want string }{
		{`"exclude": ["A"]`, `{"B": 1}`, "rule 0"}, {`"exclude": ["A"]`, `{"A": 1}`, "denied"}, {`"exclude": ["A"]`, `{"A": null}`, "denied"}, {`"exclude": ["A"]`, `{"a": 1}`, "rule 0"},
		{`"exclude": []`, `{"A": 1}`, "rule 0"}, {`"exclude": ["A"]`, `{}`, "rule 0"}, {`"exclude": ["A"]`, `{"B": {"A": 1}}`, "rule 0"}, {`"exclude": ["A"]`, `{"A.b": 1}`, "rule 0"},
		{`"include": ["A"]`, `{"A": 1}`, "rule 0"}, {`"include": ["A"]`, `{"A": 1, "B": 1}`, "denied"}, {`"include": []`, `{"A": 1}`, "denied"}, {`"include": []`, `{}`, "rule 0"},
		{`"include": ["A"], "exclude": ["A"]`, `{"A": 1}`, "rule 0"}, {`"include": ["B"], "exclude": ["C"]`, `{"A": 1}`, "denied"}, {`"include": [], "exclude": []`, `{"A": 1}`, "denied"},
		{`"exclude": ["A"]`, `[{"B": 1}, {"A": 1}]`, "denied"}, {`"exclude": ["A"]`, `[{"B": 1}, {"C": 1}]`, "rule 0"},
	} {
		p := rules(t, `[{"type": ["insert", "update"], "allow": "all", `+c.limits+`}, {"type": ["insert", "update"], "allow": "all"}]`)
		for _, op := range []Operation{Insert, Update} {
			if got := outcome(t, p, token(9), request(t, op, c.data), nil); got != c.want {
				t.Errorf("%s, %s, %s: got %s, want %s", op, c.limits, c.data, got, c.want)
			}
		}
	}
}

// TestColumns is spec 11.9(1) and (3).
func TestColumns(t *testing.T) {
	for _, c := range []struct {
		limits        string
		a, b, limited bool // what is hidden
	}{
		{`"name": "x"`, false, false, false}, {`"exclude": []`, false, false, false}, {`"exclude": ["A"]`, true, false, true}, {`"include": ["A"]`, false, true, true},
		{`"include": []`, true, true, true}, {`"include": ["B"], "exclude": ["B"]`, true, false, true},
	} {
		g, err := rules(t, `[{"type": "select", "allow": "all", `+c.limits+`}]`).Decide(t.Context(), token(9), Request{Operation: Select}, nil)
		if err != nil || g.Hides("A") != c.a || g.Hides("B") != c.b || g.Limited() != c.limited {
			t.Errorf("%s: got %v %v %v %v", c.limits, g.Hides("A"), g.Hides("B"), g.Limited(), err)
		}
		less := g.Columns.Without("B").Without("C")
		if less.Hides("A") != c.a || !less.Hides("B") || !less.Hides("C") || !less.Limited() {
			t.Errorf("%s without more: %v", c.limits, less)
		}
		if g.Hides("B") != c.b || g.Columns.Without().Limited() != c.limited {
			t.Errorf("%s: Without changed what it was asked of", c.limits)
		}
	}
	var none *Grant
	if !none.Hides("A") || !none.Limited() || !(Columns{}).Hides("A") || !(Columns{}).Limited() {
		t.Error("without a grant every column is hidden")
	}
}

// TestPublic is spec 14.2: what a caller without a token may do.
func TestPublic(t *testing.T) {
	ops := []Operation{Select, Count, Insert, Update, Delete}
	for _, c := range []struct {
		rules  string
		public bool
		want   [5]string
	}{
		{`null`, false, [5]string{"401", "401", "401", "401", "401"}}, {`[]`, true, [5]string{"free", "free", "401", "401", "401"}},
		{`[{"type": ["select", "insert", "update", "delete"], "allow": "all"}]`, false, [5]string{"401", "401", "401", "401", "401"}},
		{`[{"type": ["select", "insert", "update", "delete"], "allow": "all"}]`, true, [5]string{"rule 0", "rule 0", "401", "401", "401"}},
		{`[{"type": ["select", "insert"], "allow": "loggedIn"}]`, true, [5]string{"denied", "denied", "401", "401", "401"}},
		{`[{"type": "select", "allow": "all", "enabled": false}]`, true, [5]string{"denied", "denied", "401", "401", "401"}},
	} {
		for i, op := range ops {
			for _, who := range []*Principal{Anonymous(), {}, {AppID: ptr(1)}} {
				if got := outcome(t, rules(t, c.rules), who, Request{Operation: op, Public: c.public}, nil); got != c.want[i] {
					t.Errorf("%s for %s, public %v: got %s, want %s", op, c.rules, c.public, got, c.want[i])
				}
			}
		}
		// For a token the flag changes nothing.
		for _, op := range ops {
			req := Request{Operation: op}
			without := outcome(t, rules(t, c.rules), token(9), req, nil)
			req.Public = true
			if with := outcome(t, rules(t, c.rules), token(9), req, nil); with != without {
				t.Errorf("%s for %s by a token: %s, public %s", op, c.rules, without, with)
			}
		}
	}
}

// TestRestore is spec 11.6: four operations, each by a rule that limits no columns.
func TestRestore(t *testing.T) {
	all := `"type": ["select", "insert", "update", "delete"]`
	for _, c := range []struct{ rules, denied string }{
		{`[{` + all + `, "allow": "all"}]`, ""},
		{`[{"type": "select", "allow": "all"}, {"type": "insert", "allow": "all"}, {"type": "update", "allow": "all"}, {"type": "delete", "allow": "all"}]`, ""},
		{`[{"type": ["insert", "update", "delete"], "allow": "all"}]`, "select"}, {`[{"type": ["select", "update", "delete"], "allow": "all"}]`, "insert"},
		{`[{"type": ["select", "insert", "delete"], "allow": "all"}]`, "update"}, {`[{"type": ["select", "insert", "update"], "allow": "all"}]`, "delete"},
		{`[{` + all + `, "allow": "all", "exclude": ["Z"]}]`, "select"}, {`[{` + all + `, "allow": "all", "exclude": []}]`, ""}, {`[{` + all + `, "allow": "all", "include": ["A"]}]`, "select"},
		{`[{"type": "select", "allow": "all"}, {` + all + `, "allow": "all", "exclude": ["Z"]}]`, "insert"},
		// The rule that grants is the one that counts.
		{`[{"type": "select", "allow": "all", "exclude": ["Z"]}, {` + all + `, "allow": "all"}]`, "select"},
		{`[{` + all + `, "allow": "all", "require": ["A"]}]`, "select"}, {`[{"type": "select", "allow": "all"}, {` + all + `, "allow": "all", "require": ["A"]}]`, ""},
		{`[{"type": "select", "allow": "all"}, {` + all + `, "allow": "all", "require": ["C"]}]`, "insert"}, {`null`, "select"},
	} {
		list := []document.Value{value(t, `{"A": 1}`), value(t, `{"A": 2, "B": 1}`)}
		err := rules(t, c.rules).DecideRestore(context.Background(), token(9), Restore{Inserts: list, Updates: list, Deletes: list}, nil)
		var d *Denied
		if got := err == nil; got != (c.denied == "") || !got && (!errors.As(err, &d) || string(d.Operation) != c.denied) {
			t.Errorf("%s: got %v, want %q denied", c.rules, err, c.denied)
		}
	}
	for _, who := range []*Principal{nil, {Admin: true}} {
		if err := (*Policy)(nil).DecideRestore(context.Background(), who, Restore{}, nil); err != nil {
			t.Error(err)
		}
	}
	err := rules(t, `[{`+all+`, "allow": "all"}]`).DecideRestore(context.Background(), Anonymous(), Restore{}, nil)
	if d := new(Denied); !errors.As(err, &d) || !d.Unauthorised {
		t.Errorf("anonymous: %v", err)
	}
}

// TestVisible is spec 1.3: the columns that a select would show.
func TestVisible(t *testing.T) {
	bob := user(map[string]any{"Role": "User"})
	for _, c := range []struct {
		rules  string
		who    *Principal
		public bool
		shown  string // of A, B, C
	}{
		{`null`, nil, false, "ABC"}, {`null`, &Principal{Admin: true}, false, "ABC"}, {`null`, token(9), false, ""}, {`null`, token(9), true, ""},
		{`null`, Anonymous(), false, ""}, {`null`, Anonymous(), true, "ABC"}, {`[{"type": "select", "allow": "all"}]`, Anonymous(), false, ""}, {`[{"type": "select", "allow": "all"}]`, Anonymous(), true, "ABC"},
		{`[{"type": "select", "allow": "loggedIn"}]`, Anonymous(), true, ""}, {`[{"type": "select", "allow": "loggedIn"}]`, token(9), false, ""}, {`[{"type": "select", "allow": "loggedIn"}]`, bob, false, "ABC"},
		{`[{"type": ["count", "insert", "update", "delete"], "allow": "all"}]`, bob, false, ""},
		{`[{"type": "select", "allow": "all", "exclude": ["A"]}]`, bob, false, "BC"}, {`[{"type": "select", "allow": "all", "include": ["A"]}]`, bob, false, "A"},
		{`[{"type": "select", "allow": "all", "exclude": ["A"]}, {"type": "select", "allow": "all"}]`, bob, false, "BC"},
		{`[{"type": "select", "allow": "all", "exclude": ["A"], "enabled": false}, {"type": "select", "allow": "all"}]`, bob, false, "ABC"},
		{`[{"type": "select", "allow": "all", "exclude": ["A"], "appId": [1]}, {"type": "select", "allow": "all"}]`, bob, false, "ABC"},
		// Which of these grants depends on the where: what any of them shows is visible.
		{`[{"type": "select", "allow": "all", "require": ["A"], "include": ["A"]}, {"type": "select", "allow": "all", "include": ["B"]}, {"type": "select", "allow": "all"}]`, bob, false, "AB"},
		{`[{"type": "select", "allow": "all", "require": [{"A": {"equals": "{{user.None}}"}}], "include": ["A"]}, {"type": "select", "allow": "all", "include": ["B"]}]`, bob, false, "B"},
		{`[{"type": "select", "allow": {"user": {"Role": {"equals": "Admin"}}}}, {"type": "select", "allow": "all", "include": ["B"]}]`, bob, false, "B"},
		{`[{"script": "return {granted: true}"}]`, bob, false, ""}, {`[{"script": "return {granted: true}"}, {"type": "select", "allow": "all", "include": ["B"]}]`, bob, false, "B"},
	} {
		v := rules(t, c.rules).Visible(c.who, c.public)
		got := ""
		for _, column := range []string{"A", "B", "C"} {
			if !v.Hides(column) {
				got += column
			}
		}
		if got != c.shown {
			t.Errorf("%s for %+v, public %v: shows %q, want %q", c.rules, c.who, c.public, got, c.shown)
		}
	}
}

// TestNonsense holds requests that no caller of Decide should make: none of them grants.
func TestNonsense(t *testing.T) {
	p := rules(t, `[{"type": ["select", "insert", "update", "delete", "count"], "allow": "all"}]`)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		req  Request
		code errs.Code
	}{
		{done, Request{Operation: Select}, ""},
		{t.Context(), Request{}, errs.Internal}, {t.Context(), Request{Operation: "Select"}, errs.Internal}, {t.Context(), Request{Operation: "all"}, errs.Internal},
		{t.Context(), request(t, Select, `null`), errs.InvalidQuery}, {t.Context(), request(t, Count, `[]`), errs.InvalidQuery}, {t.Context(), request(t, Delete, `"x"`), errs.InvalidQuery},
		{t.Context(), Request{Operation: Select, Where: document.Of(map[string]any{"A": "\xff"})}, errs.InvalidQuery},
		{t.Context(), request(t, Insert, `5`), errs.InvalidInput}, {t.Context(), request(t, Update, `[{}, null]`), errs.InvalidInput}, {t.Context(), byID(t, Delete, `[]`), errs.InvalidInput},
		{t.Context(), Request{Operation: Insert, Data: make([]document.Value, 1)}, errs.InvalidInput},
	} {
		for _, who := range []*Principal{nil, token(9), {Admin: true}, Anonymous()} {
			g, err := p.Decide(c.ctx, who, c.req, nil)
			var e *errs.Error
			switch {
			case g != nil:
				t.Errorf("%+v: granted", c.req)
			case c.code == "" && !errors.Is(err, context.Canceled):
				t.Errorf("%+v: got %v", c.req, err)
			case c.code != "" && (!errors.As(err, &e) || e.Code != c.code):
				t.Errorf("%+v: got %v, want %s", c.req, err, c.code)
			}
		}
	}
}

// TestGrantHolds: a grant hands back what has to run, also where no rule was needed.
func TestGrantHolds(t *testing.T) {
	p := rules(t, `[{"name": "R", "type": ["select", "insert", "update", "delete"], "allow": "all"}]`)
	for _, who := range []*Principal{nil, token(9)} {
		g, err := p.Decide(t.Context(), who, request(t, Select, `{"A": 1}`), nil)
		if err != nil || g.Where.String() != `{"A":1}` || g.Data != nil || who != nil && g.Name != "R" {
			t.Errorf("select: %+v %v", g, err)
		}
		if g, err = p.Decide(t.Context(), who, request(t, Count, ``), nil); err != nil || g.Where.String() != `{}` {
			t.Errorf("count: %+v %v", g, err)
		}
		if g, err = p.Decide(t.Context(), who, byID(t, Select, `{"A": 1}`), nil); err != nil || g.Where.Kind() != document.Absent {
			t.Errorf("by id: %+v %v", g, err)
		}
		if g, err = p.Decide(t.Context(), who, request(t, Insert, `[{"A": 1}, {"B": 2}]`), nil); err != nil || len(g.Data) != 2 || g.Data[1].String() != `{"B":2}` {
			t.Errorf("insert: %+v %v", g, err)
		}
	}
}

// TestPrincipals is spec 11.1.
func TestPrincipals(t *testing.T) {
	for _, c := range []struct {
		name                           string
		who                            *Principal
		anonymous, unrestricted, login bool
	}{
		{"Go", nil, false, true, false}, {"anonymous", Anonymous(), true, false, false}, {"zero", &Principal{}, true, false, false},
		{"admin", &Principal{Admin: true}, false, true, false}, {"token", token(9), false, false, false}, {"user", user(map[string]any{}), false, false, true},
		{"user of a Go program", &Principal{User: map[string]any{}}, false, false, true},
	} {
		if c.who.IsAnonymous() != c.anonymous || c.who.Unrestricted() != c.unrestricted || c.who.LoggedIn() != c.login {
			t.Errorf("%s: %v %v %v", c.name, c.who.IsAnonymous(), c.who.Unrestricted(), c.who.LoggedIn())
		}
	}
	bound := &Principal{TokenID: 1, Admin: true, OrganizationID: ptr(5)}
	if !bound.Sees(ptr(5)) || bound.Sees(ptr(6)) || bound.Sees(nil) || !token(1).Sees(ptr(6)) || !token(1).Sees(nil) || !(*Principal)(nil).Sees(ptr(6)) {
		t.Error("a token sees its organization, or all")
	}
	if (*Principal)(nil).ViewSession() != nil {
		t.Error("Go code has no session")
	}
	if v, ok := (*Principal)(nil).ViewSession().Lookup("Name"); ok || v != nil {
		t.Error("a session of nobody knows something")
	}
	eve := &Principal{User: map[string]any{"Name": "Eve"}, EntryID: 7, DataSourceID: 3}
	for path, want := range map[string]any{"Name": "Eve", "id": int64(7), "dataSourceId": int64(3)} {
		if got, _ := eve.ViewSession().Lookup(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
	own := &Session{UUID: "u"}
	eve.Session = own
	if eve.ViewSession() != own {
		t.Error("the principal's own session counts")
	}
}
