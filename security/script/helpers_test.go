package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newRunner returns a Runner for a test.
func newRunner(t testing.TB, opts Options) *Runner {
	t.Helper()
	if !Supported {
		t.Skip("there is no engine for this platform")
	}
	r := New(opts)
	t.Cleanup(func() { _ = r.Close() })
	return r
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

func values(t testing.TB, text string) []document.Value {
	t.Helper()
	return slices.Collect(value(t, text).Items())
}

// insert is a call of an insert with one object.
func insert(t testing.TB, source, query string) security.ScriptCall {
	return security.ScriptCall{Source: source, Type: security.Insert, Query: []document.Value{value(t, query)}}
}

// policy makes rules of scripts, with a last one that lets everybody do everything.
func policy(t testing.TB, scripts ...string) *security.Policy {
	t.Helper()
	var list []map[string]any
	for _, s := range scripts {
		list = append(list, map[string]any{"script": s})
	}
	list = append(list, map[string]any{"type": []string{"select", "insert", "update", "delete"}, "allow": "all", "exclude": []string{"Z"}})
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	p, err := security.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleKinds are the kinds of requests that scripts are asked about.
var ruleKinds = []string{"select", "count", "get", "insert", "insert list", "update", "delete", "delete query"}

// request makes a request of a kind.
func request(t testing.TB, kind string) security.Request {
	t.Helper()
	op, _, _ := strings.Cut(kind, " ")
	req := security.Request{Operation: security.Operation(op), EntryID: 7}
	data := `{"Name": "Ann", "Age": 12345678901234567890, "Tags": ["a", {"b": null}], "toJSON": 1, "__proto__": {"granted": true}, "granted": true, "length": 9}`
	switch kind {
	case "select", "count":
		req.Where = value(t, `{"Name": "Ann", "$or": [{"Age": {"$gt": 3}}, {"Tags": "a"}]}`)
	case "get":
		req.Operation, req.ByID, req.Stored = security.Select, true, values(t, "["+data+"]")
	case "insert":
		req.Data = values(t, "["+data+"]")
	case "insert list":
		req.Data, req.List = values(t, "["+data+`, {"Name": "Bob"}, {}]`), true
	case "update":
		req.Data, req.Stored = values(t, `[{"Name": "Ann"}]`), values(t, "["+data+"]")
	case "delete":
		req.ByID, req.Stored = true, values(t, "["+data+"]")
	case "delete query":
		req.Where, req.Stored, req.List = value(t, `{"Name": "Ann"}`), values(t, "["+data+", "+data+"]"), true
	}
	return req
}

// texts writes down everything that a request holds.
func texts(req security.Request) string {
	return fmt.Sprint(req.Where, req.Data, req.Stored)
}

// who is a principal with a user.
var who = &security.Principal{TokenID: 9, User: map[string]any{"Name": "Ann", "Region": "North", "Level": 3}}

// outcome decides, and says which rule granted, or "denied".
func outcome(t testing.TB, p *security.Policy, req security.Request, r security.ScriptRunner) (string, *security.Grant) {
	t.Helper()
	grant, err := p.Decide(context.Background(), who, req, r)
	var denied *security.Denied
	switch {
	case errors.As(err, &denied):
		return "denied", nil
	case err != nil:
		return "error: " + err.Error(), nil
	}
	return fmt.Sprintf("rule %d", grant.Rule), grant
}

// scriptTime is how long scripts of tables may run. SIFTDB_SCRIPT_TIME=3s gives them what they
// have in earnest.
func scriptTime(t testing.TB, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("SIFTDB_SCRIPT_TIME")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fine fails the test unless a harmless script still grants.
func fine(t testing.TB, r *Runner, after string) {
	t.Helper()
	res, err := r.RunScript(context.Background(), insert(t, `query.n += 1; return {granted: [1, 2].includes(2) && JSON.stringify({a: 1}) === '{"a":1}'}`, `{"n": 1}`))
	if err != nil || !res.Returned.Field("granted").Bool() || len(res.Query) != 1 || res.Query[0].String() != `{"n":2}` {
		t.Errorf("after %s: a harmless script gives %v, %v, %v", after, res.Returned, res.Query, err)
	}
}

// reading is a call whose script may look things up.
func reading(call security.ScriptCall, r security.ScriptReader) security.ScriptCall {
	call.Reader = r
	return call
}

// library is a reader of two data sources.
type library struct{ calls []string }

func (l *library) Find(ctx context.Context, source any, where document.Value, limit, offset int) ([]document.Value, error) {
	l.calls = append(l.calls, fmt.Sprintf("%T %v %v %d %d", source, source, where, limit, offset))
	var all []document.Value
	switch source {
	case "Teams", int64(5):
		for i, name := range []string{"North", "South", "East"} {
			all = append(all, document.Of(map[string]any{"id": i + 1, "data": map[string]any{"Region": name, "Big": json.Number("12345678901234567890")}}))
		}
	case "Empty":
	case "Slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "Panics":
		panic("the reader panics")
	case "Large":
		return []document.Value{document.Of(strings.Repeat("x", maxBytes))}, nil
	default:
		return nil, fmt.Errorf("there is no data source %v", source)
	}
	if region := where.Field("Region"); region.Kind() == document.String {
		all = slices.DeleteFunc(all, func(v document.Value) bool { return v.Field("data").Field("Region").Str() != region.Str() })
	}
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))], nil
}
