package security

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

func rules(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := ParseRules(json.RawMessage(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func value(t testing.TB, text string) document.Value {
	t.Helper()
	if text == "" {
		return document.Value{}
	}
	v, err := document.Parse([]byte(text), document.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// request makes the usual request of an operation from JSON: a where, or data.
func request(t testing.TB, op Operation, body string) Request {
	v := value(t, body)
	switch {
	case !op.writes():
		return Request{Operation: op, Where: v}
	case v.Kind() == document.Array:
		req := Request{Operation: op, List: true}
		for m := range v.Items() {
			req.Data = append(req.Data, m)
		}
		return req
	}
	return Request{Operation: op, Data: []document.Value{v}}
}

// byID makes a request for an entry by its id.
func byID(t testing.TB, op Operation, stored string) Request {
	return Request{Operation: op, ByID: true, EntryID: 7, Stored: []document.Value{value(t, stored)}}
}

// outcome decides and says in a word what came of it: the rule that granted, "free" when none
// was needed, "denied", or "401".
func outcome(t testing.TB, p *Policy, who *Principal, req Request, scripts ScriptRunner) string {
	t.Helper()
	g, err := p.Decide(context.Background(), who, req, scripts)
	var d *Denied
	switch {
	case (g == nil) != (err != nil):
		t.Fatalf("grant %v, error %v: exactly one is due", g, err)
	case errors.As(err, &d):
		if d.Operation != req.Operation {
			t.Errorf("denied for %q, asked for %q", d.Operation, req.Operation)
		}
		if d.Unauthorised {
			return "401"
		}
		return "denied"
	case err != nil:
		return "error: " + err.Error()
	case g.Rule < 0:
		return "free"
	}
	return fmt.Sprintf("rule %d", g.Rule)
}

func ptr(n int64) *int64 { return &n }

// user is a token with a logged-in user.
func user(columns map[string]any) *Principal { return &Principal{TokenID: 9, User: columns} }

// token is a token without a user.
func token(id int64) *Principal { return &Principal{TokenID: id} }
