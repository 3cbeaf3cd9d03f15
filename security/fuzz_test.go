package security

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// granter is a runner whose scripts all grant.
type granter struct{}

func (granter) RunScript(context.Context, ScriptCall) (ScriptResult, error) {
	return ScriptResult{Returned: document.Of(map[string]any{"granted": true})}, nil
}

// FuzzParseRules parses rules and decides on a request: nothing panics, every fault has a place,
// and nothing is granted where a plain look at the rules sees none that could.
func FuzzParseRules(f *testing.F) {
	for _, text := range []string{
		``, `null`, `[]`, employees, `[{"type":"select","allow":"all","enabled":false}]`, `[{"script":"x","appId":[1]}]`, `[{"type":["count"],"allow":{"tokens":[1],"user":{"A":{"contains":"{{user.A}}"}}}}]`,
		`[{"type":["select"],"allow":"all","require":["A",{"B":{"notequals":"{{#if user}}x{{/if}}"}}],"include":["A"]}]`,
	} {
		for _, body := range []string{`{}`, `{"A": "v", "$and": [{"data.B": {"$like": "%v%"}}]}`, `[{"A": 1}, {"B": null}]`} {
			f.Add([]byte(text), []byte(body), []byte(`{"A": "v", "Role": "Admin"}`), uint8(7))
		}
	}
	f.Fuzz(func(t *testing.T, text, body, columns []byte, bits uint8) {
		p, err := ParseRules(text)
		if err != nil {
			var e *errs.Error
			if p != nil || !errors.As(err, &e) || e.Code != errs.InvalidInput || e.Path == "" {
				t.Fatalf("got %v %+v", p, err)
			}
			return
		}
		who := &Principal{TokenID: int64(bits & 3)}
		if bits&4 != 0 {
			who.AppID = ptr(1)
		}
		if u, err := document.Parse(columns, document.Limits{}); err == nil {
			who.User, _ = u.Go().(map[string]any)
		}
		v, err := document.Parse(body, document.Limits{})
		if err != nil {
			return
		}
		for _, op := range []Operation{Select, Insert, Update, Delete, Count} {
			req := Request{Operation: op, Where: v, Stored: []document.Value{v}, ByID: bits&8 != 0, Public: bits&16 != 0}
			if op.writes() {
				req.Data = slices.Collect(v.Items())
				if v.Kind() == document.Object {
					req.Data = []document.Value{v}
				}
			}
			g, err := p.Decide(context.Background(), who, req, granter{})
			if (g == nil) != (err != nil) {
				t.Fatalf("grant %v, error %v", g, err)
			}
			if g != nil && g.Rule >= 0 && !couldGrant(t, text, who, op) || g != nil && g.Rule < 0 && !(who.IsAnonymous() && p.Empty() && req.Public) {
				t.Fatalf("%s granted by rule %d", op, g.Rule)
			}
		}
		p.Visible(who, bits&16 != 0).Hides("A")
	})
}

// couldGrant reports whether some rule is enabled, for the operation, and not for others only.
func couldGrant(t *testing.T, text []byte, who *Principal, op Operation) bool {
	v, err := document.Parse(text, document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Type    json.RawMessage
		Allow   any
		Enabled *bool
		AppID   []float64
		Script  string
	}
	plain, _ := json.Marshal(v) // without repeated keys
	if err := json.Unmarshal(plain, &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Enabled != nil && !*r.Enabled || r.AppID != nil && (who.AppID == nil || !slices.Contains(r.AppID, float64(*who.AppID))) {
			continue
		}
		if r.Script != "" {
			return true
		}
		var one string
		var types []string
		if json.Unmarshal(r.Type, &one) == nil {
			types = []string{one}
		} else if err := json.Unmarshal(r.Type, &types); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(types, string(op)) && (op != Count || !slices.Contains(types, "select")) {
			continue
		}
		allow, _ := r.Allow.(map[string]any)
		tokens, limited := allow["tokens"].([]any)
		switch {
		case r.Allow != "all" && !limited && who.User == nil:
		case limited && (who.TokenID == 0 || !slices.Contains(tokens, any(float64(who.TokenID)))):
		default:
			return true
		}
	}
	return false
}
