package security

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
)

// fake runs scripts whose source names what they do, and writes down how they were called.
type fake struct {
	t     *testing.T
	calls []ScriptCall
}

func (f *fake) RunScript(ctx context.Context, call ScriptCall) (ScriptResult, error) {
	f.calls = append(f.calls, call)
	returned, changed, _ := strings.Cut(call.Source, " => ")
	switch returned {
	case "throws":
		return ScriptResult{Returned: value(f.t, `{"granted": true}`)}, errors.New("boom")
	case "sleeps":
		<-ctx.Done()
		return ScriptResult{}, ctx.Err()
	case "sleeps and grants":
		<-ctx.Done()
		return ScriptResult{Returned: value(f.t, `{"granted": true}`)}, nil
	case "says it is late":
		return ScriptResult{}, fmt.Errorf("rule: %w", ErrScriptTime)
	case "nothing":
		return ScriptResult{}, nil
	case "grants " + string(call.Type):
		returned = `{"granted": true}`
	default:
		if strings.HasPrefix(returned, "grants ") {
			return ScriptResult{}, nil
		}
	}
	result := ScriptResult{Returned: value(f.t, returned)}
	if changed != "" {
		result.Query = []document.Value{}
		for m := range value(f.t, changed).Items() {
			result.Query = append(result.Query, m)
		}
	}
	return result, nil
}

// scripted makes rules of scripts, with a last one that lets everybody do everything but see Z.
func scripted(t *testing.T, scripts ...string) *Policy {
	var b strings.Builder
	for _, s := range scripts {
		fmt.Fprintf(&b, `{"script": %q},`, s)
	}
	return rules(t, `[`+b.String()+`{"type": ["select", "insert", "update", "delete"], "allow": "all", "exclude": ["Z"]}]`)
}

// TestScriptAnswers is spec 11.7(2) to (4).
func TestScriptAnswers(t *testing.T) {
	for _, c := range []struct {
		scripts  []string
		want     string
		failures int
	}{
		{[]string{`{"granted": true}`}, "rule 0", 0},
		{[]string{`{"granted": true, "other": 1}`}, "rule 0", 0},
		{[]string{`true`}, "rule 1", 0}, {[]string{`1`}, "rule 1", 0}, {[]string{`"true"`}, "rule 1", 0}, {[]string{`null`}, "rule 1", 0}, {[]string{`nothing`}, "rule 1", 0}, {[]string{`{}`}, "rule 1", 0},
		{[]string{`[{"granted": true}]`}, "rule 1", 0}, {[]string{`{"granted": false}`}, "rule 1", 0}, {[]string{`{"granted": 1}`}, "rule 1", 0}, {[]string{`{"granted": "true"}`}, "rule 1", 0},
		{[]string{`{"granted": [true]}`}, "rule 1", 0}, {[]string{`{"Granted": true}`}, "rule 1", 0}, {[]string{`{"data": {"granted": true}}`}, "rule 1", 0},
		{[]string{`{}`, `{"granted": true}`}, "rule 1", 0}, {[]string{`{"granted": true}`, `throws`}, "rule 0", 0},
		{[]string{`throws`}, "rule 1", 1}, {[]string{`throws`, `throws`, `{"granted": true}`}, "rule 2", 2},
		{[]string{`sleeps`}, "denied", 1}, {[]string{`sleeps`, `{"granted": true}`}, "denied", 1}, {[]string{`sleeps and grants`}, "denied", 1}, {[]string{`says it is late`}, "denied", 1},
		{[]string{`throws`, `sleeps`}, "denied", 2}, {[]string{`{"granted": true}`, `sleeps`}, "rule 0", 0},
		// What limits columns must be a list of names.
		{[]string{`{"granted": true, "include": "A"}`}, "rule 1", 1}, {[]string{`{"granted": true, "exclude": {"A": 1}}`}, "rule 1", 1}, {[]string{`{"granted": true, "exclude": [1]}`}, "rule 1", 1},
		{[]string{`{"granted": true, "include": null, "exclude": null}`}, "rule 0", 0}, {[]string{`{"granted": false, "include": "A"}`}, "rule 1", 0},
		// What a script is said to have left must be what it was given.
		{[]string{`{"granted": true} => []`}, "rule 1", 1}, {[]string{`{"granted": true} => [{}, {}]`}, "rule 1", 1}, {[]string{`{"granted": true} => [5]`}, "rule 1", 1}, {[]string{`{} => [5]`}, "rule 1", 0},
	} {
		var failures []ScriptFailure
		req := request(t, Select, `{"A": 1}`)
		req.ScriptTime = 5 * time.Millisecond
		if strings.Contains(strings.Join(c.scripts, ""), `"granted"`) && !slices.Contains(c.scripts, "sleeps") {
			req.ScriptTime = time.Minute
		}
		if slices.Contains(c.scripts, "sleeps and grants") {
			req.ScriptTime = 5 * time.Millisecond
		}
		req.Report = func(f ScriptFailure) { failures = append(failures, f) }
		if got := outcome(t, scripted(t, c.scripts...), token(9), req, &fake{t: t}); got != c.want || len(failures) != c.failures {
			t.Errorf("%q: got %s and %v, want %s and %d failures", c.scripts, got, failures, c.want, c.failures)
		}
		if c.want == "denied" && !errors.Is(failures[len(failures)-1].Err, ErrScriptTime) {
			t.Errorf("%q: reported %v", c.scripts, failures)
		}
	}
}

// TestScriptRules: a script decides for whom and what it is asked; enabled, appId and the rule's
// own limits still count.
func TestScriptRules(t *testing.T) {
	for _, c := range []struct{ rule, want string }{
		{`"type": ["insert"], "allow": "loggedIn"`, "rule 0"}, {`"enabled": false`, "denied"}, {`"appId": [4]`, "denied"}, {`"require": ["A"]`, "rule 0"}, {`"require": ["B"]`, "denied"},
		{`"exclude": ["A"]`, "rule 0"},
	} {
		p := rules(t, `[{"script": "{\"granted\": true}", `+c.rule+`}]`)
		if got := outcome(t, p, token(9), request(t, Select, `{"A": 1}`), &fake{t: t}); got != c.want {
			t.Errorf("%s: got %s, want %s", c.rule, got, c.want)
		}
	}
	if !rules(t, `[{"script": "x"}]`).Scripts() || rules(t, `[{"script": "x", "enabled": false}]`).Scripts() || rules(t, employees).Scripts() {
		t.Error("Scripts")
	}
	// An unmet require of a rule with a script only keeps the script from running.
	p := rules(t, `[{"script": "{\"granted\": true}", "require": ["B"]}, {"type": "insert", "allow": "all"}]`)
	if got := outcome(t, p, token(9), request(t, Insert, `{"A": 1}`), &fake{t: t}); got != "rule 1" {
		t.Errorf("got %s", got)
	}
	// Without anything that runs scripts none grants, and the host hears of it.
	heard := 0
	req := request(t, Select, ``)
	req.Report = func(ScriptFailure) { heard++ }
	if got := outcome(t, scripted(t, `{"granted": true}`), token(9), req, nil); got != "rule 1" || heard != 1 {
		t.Errorf("got %s, %d reports", got, heard)
	}
	// Who is not restricted, or does not reach the rules, runs no script.
	f := &fake{t: t}
	outcome(t, scripted(t, `throws`), nil, request(t, Select, ``), f)
	outcome(t, scripted(t, `throws`), &Principal{Admin: true}, request(t, Insert, `{}`), f)
	outcome(t, scripted(t, `throws`), Anonymous(), request(t, Select, ``), f)
	if len(f.calls) != 0 {
		t.Errorf("scripts ran: %v", f.calls)
	}
}

// TestScriptColumns: what a script returns limits columns as a rule does.
func TestScriptColumns(t *testing.T) {
	for _, c := range []struct{ rule, returned, hidden string }{
		{``, `{"granted": true}`, ""}, {``, `{"granted": true, "exclude": ["A"]}`, "A"}, {``, `{"granted": true, "include": ["A"]}`, "BC"}, {``, `{"granted": true, "include": []}`, "ABC"},
		{``, `{"granted": true, "include": ["A"], "exclude": ["A"]}`, "BC"}, {`"exclude": ["A"],`, `{"granted": true}`, "A"}, {`"exclude": ["A"],`, `{"granted": true, "exclude": ["B"]}`, "AB"},
		{`"exclude": ["A"],`, `{"granted": true, "include": ["A", "B"]}`, "AC"}, {`"include": ["A", "B"],`, `{"granted": true, "exclude": ["A"]}`, "AC"}, {`"include": ["A", "B"],`, `{"granted": true, "include": ["B", "C"]}`, "AC"},
	} {
		p := rules(t, fmt.Sprintf(`[{%s "script": %q}]`, c.rule, c.returned))
		g, err := p.Decide(t.Context(), token(9), request(t, Select, ``), &fake{t: t})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, column := range []string{"A", "B", "C"} {
			if g.Hides(column) {
				got += column
			}
		}
		if got != c.hidden || g.Limited() != (c.hidden != "") {
			t.Errorf("%s %s: hides %q, want %q", c.rule, c.returned, got, c.hidden)
		}
	}
}

// TestScriptCalls is the table of spec 11.7(1), and 11.6 where it is about scripts.
func TestScriptCalls(t *testing.T) {
	eve := user(map[string]any{"Name": "Eve"})
	update := request(t, Update, `{"A": 2}`)
	update.EntryID, update.Stored = 7, []document.Value{value(t, `{"A": 1}`)}
	queryDelete := request(t, Delete, `{"A": 1}`)
	queryDelete.Stored = []document.Value{value(t, `{"A": 1, "B": 1}`)}
	noMatch := request(t, Delete, `{"A": 1}`)
	commitDelete := byID(t, Delete, `{"A": 1}`)
	commitDelete.List = true
	for _, c := range []struct {
		name string
		req  Request
		want string
	}{
		{"select", request(t, Select, `{"A": 1}`), `select [{"A":1}] one absent`}, {"select all", request(t, Select, ``), `select [{}] one absent`},
		{"by id", byID(t, Select, `{"A": 1}`), `select [{"id":7}] one absent`},
		{"count", request(t, Count, `{"A": 1}`), `select [{"A":1}] one absent; count [{"A":1}] one absent`},
		{"insert", request(t, Insert, `{"A": 1}`), `insert [{"A":1}] one absent`}, {"bulk of one", request(t, Insert, `[{"A": 1}]`), `insert [{"A":1}] list absent`},
		{"bulk", request(t, Insert, `[{"A": 1}, {"A": 2}]`), `insert [{"A":1} {"A":2}] list absent`}, {"two", Request{Operation: Insert, Data: make2(t)}, `insert [{"A":1} {"A":2}] list absent`},
		{"update", update, `update [{"A":2}] one {"id":7,"data":{"A":1}}`}, {"commit of updates", request(t, Update, `[{"A": 2}]`), `update [{"A":2}] list absent`},
		{"delete", byID(t, Delete, `{"A": 1}`), `delete [{"A":1}] one absent`}, {"commit of deletes", commitDelete, `delete [{"A":1}] list absent`},
		{"query delete", queryDelete, `delete [{"A":1,"B":1}] list absent`}, {"query delete of nothing", noMatch, `delete [] list absent`},
	} {
		for _, who := range []*Principal{eve, token(9)} {
			f := &fake{t: t}
			if got := outcome(t, rules(t, `[{"name": "S", "script": "{}"}]`), who, c.req, f); got != "denied" {
				t.Errorf("%s: %s", c.name, got)
			}
			var all []string
			for _, call := range f.calls {
				shape := "one"
				if call.List {
					shape = "list"
				}
				all = append(all, fmt.Sprintf("%s %v %s %v", call.Type, call.Query, shape, call.Entry))
				if call.Rule != 0 || call.Name != "S" || (call.User.Kind() == document.Absent) != (who != eve) || who == eve && call.User.String() != `{"Name":"Eve"}` {
					t.Errorf("%s: called with %+v", c.name, call)
				}
			}
			if got := strings.Join(all, "; "); got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func make2(t *testing.T) []document.Value {
	return []document.Value{value(t, `{"A": 1}`), value(t, `{"A": 2}`)}
}

// TestScriptCount: a count runs as select and then as count (Q48).
func TestScriptCount(t *testing.T) {
	for script, want := range map[string]int{"grants select": 1, "grants count": 2, "grants insert": 2, "sleeps": 1, "throws": 2} {
		f := &fake{t: t}
		req := request(t, Count, ``)
		req.ScriptTime = 5 * time.Millisecond
		got := outcome(t, rules(t, fmt.Sprintf(`[{"script": %q}]`, script)), token(9), req, f)
		if granted := got == "rule 0"; len(f.calls) != want || granted != (script == "grants select" || script == "grants count") {
			t.Errorf("%s: %s after %d runs", script, got, len(f.calls))
		}
	}
}

// TestScriptChanges is spec 11.7(5).
func TestScriptChanges(t *testing.T) {
	for _, c := range []struct {
		name    string
		req     Request
		changed string
		want    string
	}{
		{"where", request(t, Select, `{"A": 1}`), `[{"A": 1, "Owner": 9}]`, `{"A":1,"Owner":9}`}, {"count", request(t, Count, ``), `[{"Owner": 9}]`, `{"Owner":9}`}, {"nothing", request(t, Select, `{"A": 1}`), ``, `{"A":1}`},
		{"data", request(t, Insert, `{"A": 1}`), `[{"A": 2}]`, `[{"A":2}]`}, {"data added", request(t, Update, `{"A": 1}`), `[{"A": 1, "B": 1}]`, `[{"A":1,"B":1}]`},
		{"list", request(t, Insert, `[{"A": 1}, {"A": 2}]`), `[{"A": 3}, {"A": 4}]`, `[{"A":3} {"A":4}]`}, {"deletes", request(t, Delete, `{"A": 1}`), `[]`, `{"A":1}`},
		{"hidden column taken away", request(t, Insert, `{"A": 1, "H": 1}`), `[{"A": 1}]`, `[{"A":1}]`}, {"hidden column added", request(t, Insert, `{"A": 1}`), `[{"A": 1, "H": 1}]`, `[{"A":1,"H":1}]`},
		{"hidden column sent", request(t, Insert, `{"A": 1, "H": 1}`), ``, `denied`}, {"hidden column changed", request(t, Insert, `{"H": 1}`), `[{"H": 2}]`, `denied`},
		{"hidden in a list", request(t, Insert, `[{"A": 1}, {"H": 1}]`), ``, `denied`}, {"hidden added in a list", request(t, Update, `[{"A": 1}, {"H": 1}]`), `[{"H": 1}, {}]`, `[{"H":1} {}]`},
		{"by id", byID(t, Select, `{}`), `[{"id": 7, "A": 1}]`, `{"A":1}`}, {"by id, nothing", byID(t, Select, `{}`), `[{"id": 7}]`, `absent`}, {"by id, no id", byID(t, Select, `{}`), `[{}]`, `absent`}, {"another id", byID(t, Select, `{}`), `[{"id": 8}]`, `denied`},
		{"text id", byID(t, Select, `{}`), `[{"id": "7"}]`, `denied`},
	} {
		script := `{"granted": true, "exclude": ["H"]}`
		if c.changed != "" {
			script += " => " + c.changed
		}
		g, err := rules(t, fmt.Sprintf(`[{"script": %q}]`, script)).Decide(t.Context(), token(9), c.req, &fake{t: t})
		got := "denied"
		if err == nil {
			got = g.Where.String()
			if c.req.Operation.writes() {
				got = fmt.Sprint(g.Data)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s (%v)", c.name, got, c.want, err)
		}
	}
}

// TestScriptHost: when the host's own context is done, nothing is decided.
func TestScriptHost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	reports := 0
	req := request(t, Select, ``)
	req.Report = func(ScriptFailure) { reports++ }
	g, err := scripted(t, "sleeps and grants").Decide(ctx, token(9), req, &fake{t: t})
	if g != nil || !errors.Is(err, context.DeadlineExceeded) || reports != 0 {
		t.Errorf("got %v %v, %d reports", g, err, reports)
	}
}
