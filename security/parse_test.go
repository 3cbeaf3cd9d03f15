package security

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// TestParseRules holds rules of the right shape, as the manager and other clients save them.
func TestParseRules(t *testing.T) {
	for _, text := range []string{
		``, `null`, ` null `, `[]`,
		`[{"type": ["select"], "allow": "all"}]`,
		`[{"type": "select", "allow": "loggedIn"}]`,
		`[{"type": [], "allow": "all", "name": "", "enabled": false}]`,
		`[{"type": ["select", "insert", "update", "delete", "count"], "allow": {"user": {"Admin": {"equals": "Yes", "notequals": "No"}}}}]`,
		`[{"type": ["select"], "allow": {"user": {}}}]`,
		`[{"type": ["select"], "allow": {"tokens": [1, 2]}}]`,
		`[{"type": ["select"], "allow": {"tokens": []}, "appId": []}]`,
		`[{"type": ["select"], "allow": {"tokens": [1], "user": {"A": {"contains": "{{user.[First Name]}}"}}}, "appId": [9007199254740991]}]`,
		`[{"type": ["select"], "allow": "all", "require": [], "include": [], "exclude": []}]`,
		`[{"type": ["select"], "allow": "all", "require": ["A", {"B": {"equals": 5}}, {"C": {"notequals": true}, "D": {"contains": ""}}]}]`,
		`[{"script": "return {granted: true}", "name": "x"}]`,
		`[{"script": "return", "type": null, "allow": 5, "appId": [1], "enabled": true}]`,
	} {
		if _, err := ParseRules(json.RawMessage(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestBadRules holds what is refused when rules are saved, and where the fault is said to lie.
func TestBadRules(t *testing.T) {
	with := func(part string) string { return `[{"type": ["select"], "allow": "all", ` + part + `}]` }
	for _, c := range []struct{ text, path string }{
		{`{`, "accessRules"}, {`[}`, "accessRules"}, {`[] []`, "accessRules"}, {`x`, "accessRules"}, {"\xff", "accessRules"},
		{`{}`, "accessRules"}, {`"all"`, "accessRules"}, {`true`, "accessRules"}, {`5`, "accessRules"},
		{`[null]`, "accessRules.0"}, {`["all"]`, "accessRules.0"}, {`[[]]`, "accessRules.0"}, {`[{"type":"select","allow":"all"},5]`, "accessRules.1"},
		{`[{}]`, "accessRules.0.type"},
		{`[{"type": ["select"]}]`, "accessRules.0.allow"}, {`[{"allow": "all"}]`, "accessRules.0.type"},
		// type
		{`[{"allow": "all", "type": null}]`, "accessRules.0.type"}, {`[{"allow": "all", "type": {}}]`, "accessRules.0.type"},
		{`[{"allow": "all", "type": "read"}]`, "accessRules.0.type"}, {`[{"allow": "all", "type": "Select"}]`, "accessRules.0.type"},
		{`[{"allow": "all", "type": ["select", "all"]}]`, "accessRules.0.type.1"}, {`[{"allow": "all", "type": [1]}]`, "accessRules.0.type.0"},
		{`[{"allow": "all", "type": [["select"]]}]`, "accessRules.0.type.0"}, {`[{"allow": "all", "type": ""}]`, "accessRules.0.type"},
		// allow
		{`[{"type": "select", "allow": null}]`, "accessRules.0.allow"}, {`[{"type": "select", "allow": true}]`, "accessRules.0.allow"},
		{`[{"type": "select", "allow": "All"}]`, "accessRules.0.allow"}, {`[{"type": "select", "allow": "loggedin"}]`, "accessRules.0.allow"},
		{`[{"type": "select", "allow": ["all"]}]`, "accessRules.0.allow"}, {`[{"type": "select", "allow": {}}]`, "accessRules.0.allow"},
		{`[{"type": "select", "allow": {"users": {}}}]`, "accessRules.0.allow.users"},
		{`[{"type": "select", "allow": {"user": {}, "all": true}}]`, "accessRules.0.allow.all"},
		{`[{"type": "select", "allow": {"user": null}}]`, "accessRules.0.allow.user"}, {`[{"type": "select", "allow": {"user": "all"}}]`, "accessRules.0.allow.user"},
		{`[{"type": "select", "allow": {"user": {"A": "x"}}}]`, "accessRules.0.allow.user.A"}, {`[{"type": "select", "allow": {"user": {"A": {}}}}]`, "accessRules.0.allow.user.A"},
		{`[{"type": "select", "allow": {"user": {"A": {"equal": "x"}}}}]`, "accessRules.0.allow.user.A.equal"},
		{`[{"type": "select", "allow": {"user": {"A": {"$ne": "x"}}}}]`, "accessRules.0.allow.user.A.$ne"},
		{`[{"type": "select", "allow": {"user": {"A": {"equals": null}}}}]`, "accessRules.0.allow.user.A.equals"},
		{`[{"type": "select", "allow": {"user": {"A": {"equals": ["x"]}}}}]`, "accessRules.0.allow.user.A.equals"},
		{`[{"type": "select", "allow": {"user": {"A": {"equals": "{{user.B"}}}}]`, "accessRules.0.allow.user.A.equals"},
		{`[{"type": "select", "allow": {"user": {"A": {"equals": "{{#if user}}x"}}}}]`, "accessRules.0.allow.user.A.equals"},
		{`[{"type": "select", "allow": {"tokens": 5}}]`, "accessRules.0.allow.tokens"}, {`[{"type": "select", "allow": {"tokens": ["5"]}}]`, "accessRules.0.allow.tokens.0"},
		{`[{"type": "select", "allow": {"tokens": [0]}}]`, "accessRules.0.allow.tokens.0"}, {`[{"type": "select", "allow": {"tokens": [null]}}]`, "accessRules.0.allow.tokens.0"},
		{`[{"type": "select", "allow": {"tokens": [-1]}}]`, "accessRules.0.allow.tokens.0"}, {`[{"type": "select", "allow": {"tokens": [1, 1.5]}}]`, "accessRules.0.allow.tokens.1"},
		{`[{"type": "select", "allow": {"tokens": [1e400]}}]`, "accessRules.0.allow.tokens.0"}, {`[{"type": "select", "allow": {"tokens": [true]}}]`, "accessRules.0.allow.tokens.0"},
		// the others
		{with(`"enabled": null`), "accessRules.0.enabled"}, {with(`"enabled": "false"`), "accessRules.0.enabled"}, {with(`"enabled": 0`), "accessRules.0.enabled"},
		{with(`"include": null`), "accessRules.0.include"}, {with(`"include": "A"`), "accessRules.0.include"}, {with(`"include": {"A": true}`), "accessRules.0.include"},
		{with(`"include": ["A", 5]`), "accessRules.0.include.1"}, {with(`"exclude": null`), "accessRules.0.exclude"}, {with(`"exclude": "Password"`), "accessRules.0.exclude"},
		{with(`"exclude": [["Password"]]`), "accessRules.0.exclude.0"},
		{with(`"require": null`), "accessRules.0.require"}, {with(`"require": "A"`), "accessRules.0.require"}, {with(`"require": {"A": {"equals": "x"}}`), "accessRules.0.require"},
		{with(`"require": [5]`), "accessRules.0.require.0"}, {with(`"require": [""]`), "accessRules.0.require.0"}, {with(`"require": [{}]`), "accessRules.0.require.0"},
		{with(`"require": ["A", {"B": "x"}]`), "accessRules.0.require.1.B"}, {with(`"require": [{"B": {"like": "x"}}]`), "accessRules.0.require.0.B.like"},
		{with(`"require": [{"B": {"equals": {}}}]`), "accessRules.0.require.0.B.equals"}, {with(`"require": [{"B": {"equals": "{{user.x y}}"}}]`), "accessRules.0.require.0.B.equals"},
		{with(`"appId": 5`), "accessRules.0.appId"}, {with(`"appId": null`), "accessRules.0.appId"}, {with(`"appId": ["5"]`), "accessRules.0.appId.0"},
		{with(`"name": 5`), "accessRules.0.name"}, {with(`"name": null`), "accessRules.0.name"},
		{with(`"script": ""`), "accessRules.0.script"}, {with(`"script": null`), "accessRules.0.script"}, {with(`"script": ["return"]`), "accessRules.0.script"},
		{with(`"Exclude": ["Password"]`), "accessRules.0.Exclude"}, {with(`"excludes": []`), "accessRules.0.excludes"}, {with(`"": 1`), "accessRules.0."},
		{`[{"script": "x", "require": "A"}]`, "accessRules.0.require"},
		// size
		{strings.Repeat("[", 100_000), "accessRules"},
		{`[{"type": "select", "allow": ` + strings.Repeat(`{"user":`, 20) + `1` + strings.Repeat("}", 20) + `}]`, "accessRules"},
		{`[` + strings.Repeat(`{"type":"select","allow":"all"},`, 1000) + `{"type":"select","allow":"all"}]`, "accessRules"},
		{`["` + strings.Repeat("x", maxRulesBytes) + `"]`, "accessRules"},
		{with(`"require": [{"B": {"equals": "` + strings.Repeat("x", maxTemplate+1) + `"}}]`), "accessRules.0.require.0.B.equals"},
		{with(`"require": [{"B": {"equals": "` + strings.Repeat("{{#if user}}", 1000) + `"}}]`), "accessRules.0.require.0.B.equals"},
	} {
		p, err := ParseRules(json.RawMessage(c.text))
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.InvalidInput || e.Path != c.path || p != nil {
			t.Errorf("%.200s: got %v %+v, want a fault at %s", c.text, p, err, c.path)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%.200s: the message has %d bytes", c.text, len(err.Error()))
		}
	}
}
