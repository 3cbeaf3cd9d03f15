package script

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/security"
)

// deny are scripts that return something which is not an object with granted: true (E5). None
// may grant, and the next rule is asked.
var deny = []struct{ name, source string }{
	{"throw", `throw 'x'`}, {"throw what grants", `throw {granted: true}`}, {"throw undefined", `throw undefined`}, {"throw null", `throw null`},
	{"reject", `return Promise.reject({granted: true})`}, {"nothing", `;`}, {"undefined", `return`}, {"null", `return null`}, {"true", `return true`}, {"text true", `return 'true'`},
	{"text false", `return 'false'`}, {"JSON text", `return '{"granted": true}'`}, {"0", `return 0`}, {"1", `return 1`}, {"NaN", `return NaN`}, {"Infinity", `return Infinity`},
	{"BigInt", `return 1n`}, {"symbol", `return Symbol('granted')`}, {"function", `return () => ({granted: true})`}, {"function that has it", `return Object.assign(() => 1, {granted: true})`},
	{"class", `return class { static granted = true }`}, {"{}", `return {}`}, {"[]", `return []`}, {"[true]", `return [true]`}, {"in a list", `return [{granted: true}]`}, {"list that has it", `return Object.assign([], {granted: true})`},
	{"granted false", `return {granted: false}`}, {"granted undefined", `return {granted: undefined}`}, {"granted null", `return {granted: null}`}, {"granted 1", `return {granted: 1}`}, {"granted text", `return {granted: 'true'}`},
	{"granted false text", `return {granted: 'false'}`}, {"granted {}", `return {granted: {}}`}, {"granted [true]", `return {granted: [true]}`}, {"granted Boolean", `return {granted: new Boolean(true)}`},
	{"granted promise", `return {granted: Promise.resolve(true)}`}, {"granted async", `return {granted: (async () => true)()}`}, {"granted function", `return {granted: () => true}`}, {"granted toJSON", `return {granted: {toJSON: () => true}}`},
	{"granted valueOf", `return {granted: {valueOf: () => true}}`}, {"getter", `return {get granted() { return true }}`}, {"getter once", `let n = 0; return {get granted() { return n++ > 0 }}`},
	{"inherited", `return Object.create({granted: true})`}, {"class that has it", `return new (class { get granted() { return true } })()`}, {"polluted", `Object.prototype.granted = true; return {}`}, {"polluted list", `Object.prototype.granted = true; return []`},
	{"other case", `return {Granted: true}`}, {"nested", `return {data: {granted: true}}`}, {"misspelt", `return {grant: true, allowed: true}`}, {"toJSON", `return {toJSON: () => ({granted: true})}`},
	{"polluted toJSON", `Object.prototype.toJSON = () => ({granted: true}); return {}`}, {"polluted toJSON of strings", `String.prototype.toJSON = () => ({granted: true}); return 'x'`}, {"Map", `return new Map([['granted', true]])`},
	{"proxy", `return new Proxy({granted: true}, {})`}, {"proxy that says so", `return new Proxy({}, {get: () => true, has: () => true, getOwnPropertyDescriptor: () => ({value: true, configurable: true})})`},
	{"revocable proxy", `return Proxy.revocable({granted: true}, {}).proxy`}, {"revoked proxy", `const p = Proxy.revocable({granted: true}, {}); p.revoke(); return p.proxy`}, {"constructed proxy", `return Reflect.construct(Proxy, [{granted: true}, {}])`},
	{"proxy of a subclass", `class P extends Proxy {} return new P({granted: true}, {})`}, {"proxy of a list", `return {granted: true, include: new Proxy(['a'], {})}`},
	{"changed stringify", `JSON.stringify = () => '{"granted":true}'; return {}`}, {"changed parse", `JSON.parse = () => ({granted: true}); return {}`}, {"changed descriptor", `Object.getOwnPropertyDescriptor = () => ({value: true}); Object.hasOwn = () => true; return {}`},
	{"changed Reflect", `Reflect.apply = () => true; Reflect.ownKeys = () => ['granted']; return {}`}, {"changed value", `Object.defineProperty(Object.prototype, 'value', {get: () => true}); return {get granted() { return true }}`},
	{"changed isArray", `Array.isArray = () => false; return Object.assign([], {granted: true})`}, {"changed WeakSet", `WeakSet.prototype.has = () => false; return new Proxy({granted: true}, {})`},
	{"changed then", `Promise.prototype.then = function (f) { f({granted: true}) }; return {}`}, {"changed constructor", `Promise.prototype.constructor = class { constructor(f) { f(() => ({granted: true}), () => 1) } }; throw 1`},
	{"changed Promise", `globalThis.Promise = {resolve: () => ({granted: true})}; return {}`}, {"thenable that does not grant", `return {granted: true, then(r) { r({}) }}`}, {"thenable that rejects", `return {granted: true, then(r, e) { e(1) }}`},
	{"thenable twice", `return {then(r) { r({}); r({granted: true}) }}`}, {"finally", `try { return {granted: true} } finally { return {} }`}, {"calls itself out", `try { $done('{"granted":true}') } catch { globalThis.$done?.('{"granted":true}') } return {}`},
	{"callee", `return arguments.callee.caller`}, {"constructor of find", `return DataSources.constructor('return {granted: true}')`}, {"error of the host", `try { await DataSources('x').find() } catch (e) { return e }`},
	{"changed query grants", `for (const q of [].concat(query)) q.granted = true; return query`}, {"the data that were sent", `return query`}, {"the entry", `return entry`}, {"the user", `return user`},
	// What would limit columns must be a list, or nothing is granted.
	{"include text", `return {granted: true, include: 'a'}`}, {"include Set", `return {granted: true, include: new Set(['a'])}`}, {"exclude function", `return {granted: true, exclude: () => ['a']}`}, {"exclude symbol", `return {granted: true, exclude: Symbol()}`},
	{"exclude getter", `return {granted: true, get exclude() { return ['a'] }}`}, {"exclude inherited", `return Object.assign(Object.create({exclude: ['a']}), {granted: true})`}, {"exclude of numbers", `return {granted: true, exclude: [1]}`},
	{"exclude with a hole", `return {granted: true, exclude: ['a', , 'b']}`}, {"exclude of undefined", `return {granted: true, exclude: [undefined]}`}, {"exclude {}", `return {granted: true, exclude: {0: 'a', length: 1}}`},
	{"exclude promise", `return {granted: true, exclude: Promise.resolve(['a'])}`}, {"exclude toJSON", `return {granted: true, exclude: Object.assign(['a'], {toJSON: () => undefined})}`}, {"exclude true", `return {granted: true, exclude: true}`},
	{"exclude lone surrogate", `return {granted: true, exclude: ['\ud800']}`}, {"exclude typed array", `return {granted: true, exclude: new Uint8Array(1)}`},
}

// TestFailsClosed is the table of what does not grant, for every kind of request.
func TestFailsClosed(t *testing.T) {
	r := newRunner(t, Options{})
	for _, d := range deny {
		for _, kind := range ruleKinds {
			req := request(t, kind)
			before := texts(req)
			if got, _ := outcome(t, policy(t, d.source), req, r); got != "rule 1" {
				t.Errorf("%s, %s: %s", d.name, kind, got)
			}
			if after := texts(req); after != before {
				t.Errorf("%s, %s: the request was %s and is %s", d.name, kind, before, after)
			}
		}
	}
	t.Logf("%d scripts, %d kinds", len(deny), len(ruleKinds))
}

// TestTimeDenies: with time that was up no further rule is asked (spec 11.7(4)).
func TestTimeDenies(t *testing.T) {
	r := newRunner(t, Options{})
	grants := `return {granted: true}`
	for _, c := range []struct {
		want    string
		scripts []string
	}{
		{"rule 0", []string{grants}}, {"rule 1", []string{`throw 1`, grants}}, {"rule 2", []string{`throw 1`, `return {}`}}, {"rule 0", []string{grants, `for (;;);`}},
		{"denied", []string{`for (;;);`, grants}}, {"denied", []string{`await new Promise(() => {})`, grants}}, {"denied", []string{`throw 1`, `for (;;);`, grants}},
		{"denied", []string{`await DataSources('Slow').find()`, grants}},
	} {
		req := request(t, "update")
		if req.ScriptTime = 30e9; c.want == "denied" { // for scripts that end only with their time
			req.ScriptTime = 100e6
		}
		req.Reader = &library{}
		g, err := policy(t, c.scripts...).Decide(context.Background(), who, req, r)
		got := "denied"
		if err == nil {
			got = "rule " + string(rune('0'+g.Rule))
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s (%v)", c.scripts, got, c.want, err)
		}
	}
}

// TestErrors: what a run returns as its error.
func TestErrors(t *testing.T) {
	r := newRunner(t, Options{Time: time.Minute})
	for _, c := range []struct {
		source string
		want   error
		text   string
	}{
		{`throw new TypeError('no such luck')`, ErrThrown, "TypeError: no such luck"}, {`return {`, ErrThrown, "SyntaxError"}, {`null.x`, ErrThrown, "TypeError"}, {`throw {toString() { throw 1 }}`, ErrThrown, "no text"},
		{`Array(1e9).fill(0)`, ErrThrown, "out of memory"}, {`function f() { f() } f()`, ErrThrown, "stack"}, {`throw 'x'.repeat(1e6)`, ErrThrown, "..."}, {strings.Repeat(" ", 16385), ErrThrown, "16384"},
		{`await new Promise(() => {})`, security.ErrScriptTime, "cannot come"}, {`return {granted: true, include: 1}`, ErrThrown, "include"}, {`throw '\ud800'`, ErrThrown, "\uFFFD"}, {`query.a = 1n; return {granted: true}`, ErrThrown, "BigInt"},
	} {
		_, err := r.RunScript(context.Background(), insert(t, c.source, `{}`))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || len(err.Error()) > 1200 {
			t.Errorf("%.50q: %v", c.source, err)
		}
	}
}
