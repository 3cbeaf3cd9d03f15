package security

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// The vocabulary is small, so that what is drawn often meets.
var (
	drawnColumns = rapid.SampledFrom([]string{"A", "B", "C"})
	drawnTexts   = rapid.SampledFrom([]string{"", "v", "w", "vw", "V", "5", "5.0", "true", "1", "0", "v%", " 5"})
	drawnScalars = rapid.SampledFrom([]any{nil, true, false, 0, 1, 5, 5.5, json.Number("5.0"), "", "v", "w", "vw", "V", "5", "5.0", " 5", "true", "1", "0x5", "xvwx"})
	drawnValues  = rapid.OneOf(drawnScalars, rapid.Map(rapid.SliceOfN(drawnScalars, 0, 3), func(list []any) any { return list }))
	drawnWants   = rapid.OneOf(drawnTexts, rapid.SampledFrom([]string{"{{user.A}}", "{{user.B}}", "x{{user.C}}"}))
	drawnOps     = rapid.SampledFrom([]string{"equals", "notequals", "contains"})
)

type object = map[string]any

func drawConditions(t *rapid.T) object {
	conditions := object{}
	for range rapid.IntRange(1, 2).Draw(t, "columns") {
		conditions[drawnColumns.Draw(t, "column")] = object{drawnOps.Draw(t, "op"): drawnWants.Draw(t, "want")}
	}
	return conditions
}

func drawAllow(t *rapid.T) any {
	switch rapid.IntRange(0, 5).Draw(t, "allow") {
	case 0, 1:
		return "all"
	case 2:
		return "loggedIn"
	case 3:
		return object{"tokens": []int{rapid.IntRange(1, 3).Draw(t, "token")}}
	case 4:
		return object{"user": drawConditions(t)}
	}
	return object{"user": drawConditions(t), "tokens": []int{1, 2}}
}

func drawRule(t *rapid.T) object {
	ops := rapid.SliceOfN(rapid.SampledFrom([]string{"select", "insert", "update", "delete", "count"}), 0, 4)
	r := object{"type": ops.Draw(t, "type"), "allow": drawAllow(t)}
	for _, key := range []string{"include", "exclude"} {
		if rapid.IntRange(0, 3).Draw(t, key) == 0 {
			r[key] = rapid.SliceOfN(drawnColumns, 0, 2).Draw(t, key)
		}
	}
	if rapid.Bool().Draw(t, "has require") {
		require := []any{}
		for range rapid.IntRange(0, 2).Draw(t, "require") {
			if rapid.Bool().Draw(t, "name") {
				require = append(require, drawnColumns.Draw(t, "column"))
			} else {
				require = append(require, drawConditions(t))
			}
		}
		r["require"] = require
	}
	if rapid.IntRange(0, 3).Draw(t, "has app") == 0 {
		r["appId"] = []int{1}
	}
	return r
}

func drawRules(t *rapid.T) []object {
	return rapid.SliceOfN(rapid.Custom(drawRule), 0, 4).Draw(t, "rules")
}

func drawPrincipal(t *rapid.T) *Principal {
	p := &Principal{TokenID: int64(rapid.IntRange(0, 3).Draw(t, "token"))}
	if rapid.Bool().Draw(t, "has app") {
		p.AppID = ptr(int64(rapid.IntRange(1, 2).Draw(t, "app")))
	}
	if rapid.Bool().Draw(t, "has user") {
		p.User = rapid.MapOfN(drawnColumns, drawnValues, 0, 3).Draw(t, "user")
	}
	return p
}

func drawOperand(t *rapid.T) any {
	if rapid.Bool().Draw(t, "plain") {
		return drawnValues.Draw(t, "value")
	}
	operand := query.D{}
	for range rapid.IntRange(1, 2).Draw(t, "operators") {
		op := rapid.SampledFrom([]string{"$eq", "$ne", "$like", "$iLike", "$gt", "$exists"}).Draw(t, "operator")
		if operand == nil || !slices.ContainsFunc(operand, func(e query.E) bool { return e.Key == op }) {
			operand = append(operand, query.E{Key: op, Value: drawnScalars.Draw(t, "operand")})
		}
	}
	return operand
}

func drawWhere(t *rapid.T, depth int) query.D {
	where := query.D{}
	for range rapid.IntRange(0, 2).Draw(t, "keys") {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		column := drawnColumns.Draw(t, "column")
		switch {
		case kind == 0 && depth > 0:
			op := rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "logical")
			where = append(where, query.E{Key: op, Value: []any{drawWhere(t, depth-1), drawWhere(t, depth-1)}})
		case kind == 1:
			where = append(where, query.E{Key: "data." + column, Value: drawOperand(t)})
		default:
			where = append(where, query.E{Key: column, Value: drawOperand(t)})
		}
	}
	return where
}

func drawDocument(t *rapid.T) object {
	return rapid.MapOfN(drawnColumns, drawnValues, 0, 3).Draw(t, "document")
}

// drawRead draws a request of an operation that reads, or deletes.
func drawRead(t *rapid.T) Request {
	req := Request{Operation: rapid.SampledFrom([]Operation{Select, Count, Delete}).Draw(t, "operation"), Public: rapid.Bool().Draw(t, "public")}
	if req.Operation != Count && rapid.IntRange(0, 3).Draw(t, "by id") == 0 {
		req.ByID, req.Stored = true, []document.Value{document.Of(drawDocument(t))}
		return req
	}
	req.Where = document.Of(drawWhere(t, 2))
	return req
}

func policyOf(t *rapid.T, list []object) *Policy {
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseRules(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func granted(t *rapid.T, p *Policy, who *Principal, req Request) *Grant {
	g, err := p.Decide(context.Background(), who, req, nil)
	var d *Denied
	if (g == nil) != (err != nil) || err != nil && !errors.As(err, &d) {
		t.Fatalf("grant %v, error %v", g, err)
	}
	return g
}

// TestStricterNeverGrantsMore: without a rule, with one disabled, or with one that is for fewer,
// no read is granted that was not before. (Which rule grants may change, and with it the
// columns. Writes are different: an unmet require denies at once.)
func TestStricterNeverGrantsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := append(drawRules(t), drawRule(t))
		if rapid.Bool().Draw(t, "several") { // else the rules are never down to none
			list = append(list, drawRule(t))
		}
		who, req := drawPrincipal(t), drawRead(t)
		before := granted(t, policyOf(t, list), who, req)
		i := rapid.IntRange(0, len(list)-1).Draw(t, "changed")
		changed := object{}
		for key, v := range list[i] {
			changed[key] = v
		}
		stricter := slices.Clone(list)
		stricter[i] = changed
		switch rapid.IntRange(0, 4).Draw(t, "change") {
		case 0:
			stricter = slices.Delete(slices.Clone(list), i, i+1)
		case 1:
			changed["enabled"] = false
		case 2:
			changed["appId"] = []int{}
		case 3:
			require, _ := list[i]["require"].([]any)
			changed["require"] = append(slices.Clone(require), drawConditions(t))
		case 4:
			switch allow := list[i]["allow"].(type) {
			case string:
				changed["allow"] = object{"user": drawConditions(t)}
			case object:
				both := object{"tokens": []int{1}, "user": drawConditions(t)}
				if v, ok := allow["tokens"]; ok {
					both["tokens"] = v
				}
				if v, ok := allow["user"]; ok {
					both["user"] = v
				}
				changed["allow"] = both
			}
		}
		free := len(stricter) == 0 && who.IsAnonymous() && req.Public // spec 14.2: no rules at all
		if after := granted(t, policyOf(t, stricter), who, req); after != nil && before == nil && !free {
			t.Fatalf("%v grants what %v denies", stricter, list)
		}
	})
}

// TestNobodyGrants: rules that are all disabled, or for other operations, grant nothing.
func TestNobodyGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := append(drawRules(t), drawRule(t))
		for _, r := range list {
			if rapid.Bool().Draw(t, "disabled") {
				r["enabled"] = false
			} else {
				r["type"] = []string{"insert", "update"}
			}
		}
		if g := granted(t, policyOf(t, list), drawPrincipal(t), drawRead(t)); g != nil {
			t.Fatalf("granted by %d of %v", g.Rule, list)
		}
	})
}

// TestVisibleCoversGrants: a column that a granted select shows is visible.
func TestVisibleCoversGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, who, req := policyOf(t, drawRules(t)), drawPrincipal(t), drawRead(t)
		req.Operation = Select
		g := granted(t, p, who, req)
		if g == nil {
			return
		}
		visible := p.Visible(who, req.Public)
		for _, column := range []string{"A", "B", "C"} {
			if visible.Hides(column) && !g.Hides(column) {
				t.Fatalf("%q is shown and not visible", column)
			}
		}
	})
}

// TestRequireIsSound: whatever a where finds that was granted for the sake of a requirement is
// what the requirement asks for, as far as the where language can tell values apart.
func TestRequireIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		column, op, want := drawnColumns.Draw(t, "column"), drawnOps.Draw(t, "op"), drawnTexts.Draw(t, "want")
		where := document.Of(drawWhere(t, 2))
		p := policyOf(t, []object{{"type": "select", "allow": "all", "require": []any{object{column: object{op: want}}}}})
		g := granted(t, p, token(1), Request{Operation: Select, Where: where})
		if g == nil {
			return
		}
		m, err := query.Compile(g.Where, query.ForDataSource())
		if err != nil {
			return
		}
		doc := drawDocument(t)
		v := document.Of(doc).Field(column)
		if v.Kind() == document.Array || !m.Match(doc) {
			return
		}
		switch op {
		case "equals":
			if !alike(v, want) {
				t.Fatalf("%v finds %v", where, v)
			}
		case "notequals":
			if same(v, want) {
				t.Fatalf("%v finds %v", where, v)
			}
		case "contains":
			fold := document.Of(lower(v).Str())
			if v.Kind() == document.String && want[0] > '9' && !holds(fold, lower(document.Of(want)).Str()) {
				t.Fatalf("%v finds %v", where, v)
			}
		}
	})
}
