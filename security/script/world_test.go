package script

import (
	"context"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/security"
)

// globals are all names of a script's world.
const globals = "AggregateError,Array,ArrayBuffer,BigInt,BigInt64Array,BigUint64Array,Boolean,DataView,Date,Error,EvalError,FinalizationRegistry-,Float16Array,Float32Array,Float64Array,Function," +
	"Infinity,Int16Array,Int32Array,Int8Array,InternalError,Iterator,JSON,Map,Math,NaN,Number,Object,Promise,Proxy,RangeError,ReferenceError,Reflect,RegExp,Set,String,Symbol,Symbol(Symbol.toStringTag)," +
	"SyntaxError,TypeError,URIError,Uint16Array,Uint32Array,Uint8Array,Uint8ClampedArray,WeakMap,WeakSet,decodeURI,decodeURIComponent,encodeURI,encodeURIComponent,escape,eval,globalThis,isFinite,isNaN," +
	"parseFloat,parseInt,undefined,unescape"

// walk finds everything that can be reached by properties and prototypes from a script's
// variables and globals, with the constructors of its kinds of functions, and returns the names
// of functions that say they are native.
const walk = `
	const seen = new Set(), names = [];
	const todo = [globalThis, arguments, type, user, query, entry, DataSources, DataSources('x'), DataSources('x').find().catch(e => e), this,
		async () => 1, function* () {}, async function* () {}, (function* () {})(), (async function* () {})(), [][Symbol.iterator](), ''[Symbol.iterator](),
		new Map().keys(), new Set().keys(), 'a'.matchAll(/a/g), Iterator.from({next() {}}), [].values().map(x => x), await DataSources('x').find().catch(e => e), new Error('x')];
	while (todo.length > 0) {
		const v = todo.pop();
		if ((typeof v !== 'object' && typeof v !== 'function') || v === null || seen.has(v)) continue;
		seen.add(v);
		if (typeof v === 'function' && Function.prototype.toString.call(v).includes('native code')) names.push(v.name);
		todo.push(Object.getPrototypeOf(v));
		for (const k of Reflect.ownKeys(v)) {
			const d = Object.getOwnPropertyDescriptor(v, k);
			todo.push(d.value, d.get, d.set);
		}
	}`

// TestWorld: a script reaches the language and what it is given, and nothing of the host.
func TestWorld(t *testing.T) {
	r := newRunner(t, Options{})
	run := func(source string) string {
		t.Helper()
		call := insert(t, source, `{}`)
		call.Entry, call.User = value(t, `{"id": 1}`), value(t, `{}`)
		res, err := r.RunScript(context.Background(), call)
		if err != nil {
			t.Errorf("%.80s: %v", source, err)
		}
		return res.Returned.Str()
	}
	want := strings.ReplaceAll(globals, "FinalizationRegistry-,", "")
	if got := run(`return Reflect.ownKeys(globalThis).map(String).sort().join()`); got != want {
		t.Errorf("globals: %s", got)
	}
	reached := strings.Split(run(walk+`; return names.join()`), ",")
	if len(reached) < 500 {
		t.Errorf("the walk found only %d functions", len(reached))
	}
	for _, name := range reached {
		if strings.HasPrefix(name, "$") || strings.Contains(name, "Atomics") || strings.Contains(strings.ToLower(name), "host") {
			t.Errorf("a function %q can be reached", name)
		}
	}
	for _, c := range []struct{ source, want string }{
		{`return typeof setTimeout + typeof console + typeof require + typeof process + typeof std + typeof os + typeof print + typeof fetch + typeof $done`, strings.Repeat("undefined", 9)},
		{`return import('std').then(() => 'got it', () => 'rejected')`, "rejected"}, {`return import('/etc/passwd').then(() => 'got it', () => 'rejected')`, "rejected"}, {`return import('./x.so').then(() => 'got it', () => 'rejected')`, "rejected"},
		{`return import('data:text/javascript,1').then(() => 'got it', () => 'rejected')`, "rejected"}, {`return new Date(2026, 0, 1).toISOString()`, "2026-01-01T00:00:00.000Z"}, {`return typeof Date.now() + typeof Math.random() + /a/.test('a')`, "numbernumbertrue"},
		{`return Object.keys(this ?? {}).join()`, ""}, {`try { return String(arguments.callee.caller) } catch { return 'refused' }`, "refused"}, {`return new Function('return typeof find + typeof left + typeof done + typeof proxies')()`, strings.Repeat("undefined", 4)},
		{`return eval('typeof find + typeof objects + typeof given')`, strings.Repeat("undefined", 3)}, {`return (new Error('x')).stack.replace(/[^\/\\]/g, '')`, ""}, {`return typeof Error.prepareStackTrace`, "undefined"},
		{`return (() => { try { Proxy({}, {}) } catch (e) { return e.name } })()`, "TypeError"}, {`const {proxy, revoke} = Proxy.revocable({a: 1}, {}); const a = proxy.a; revoke(); try { proxy.a } catch (e) { return a + e.name }`, "1TypeError"},
	} {
		if got := run(c.source); got != c.want {
			t.Errorf("%s: %q, want %q", c.source, got, c.want)
		}
	}
}

// TestCleanWorld: what a script does to its world is gone when it ends (spec 11.7(7)).
func TestCleanWorld(t *testing.T) {
	r := newRunner(t, Options{Parallel: 1}) // one worker, used again
	dirt := []string{
		`globalThis.left = 1; var x = 1; return 'left' in globalThis`, `Object.prototype.granted = true; Object.prototype.include = []; Array.prototype[0] = 1`, `Promise.prototype.then = null; Promise.resolve = null; globalThis.Promise = null`,
		`JSON.parse = JSON.stringify = () => '{"granted":true}'`, `for (const k of Reflect.ownKeys(globalThis)) { try { delete globalThis[k] } catch {} }`, `Object.freeze(Object.prototype); Object.freeze(Array.prototype)`,
		`String.prototype.includes = Array.prototype.includes = () => true; Math.max = () => 0; RegExp.prototype.exec = () => null`, `Array.prototype[Symbol.iterator] = function* () {}; Function.prototype.call = Function.prototype.apply = null`,
		`Object.defineProperty(Object.prototype, 'get', {value: 1}); Object.defineProperty(Object.prototype, 'value', {get() { throw 1 }})`, `Object.setPrototypeOf(globalThis, null); Symbol.iterator.description; eval('var y = 1')`,
		`Promise.resolve().then(function f() { return Promise.resolve().then(f) }); throw 1`, `DataSources.x = 1; query.x = 1; DataSources('x').find()`, `(async () => { await DataSources('x').find(); globalThis.late = 1 })(); return 1`,
	}
	clean := `return [Reflect.ownKeys(globalThis).length, Reflect.ownKeys(Object.prototype).length, Object.isFrozen(Array.prototype), typeof left, typeof x, typeof y, typeof late, 'abc'.includes('d'), Math.max(1, 2), /a/.test('a'), {}.granted, [][0], JSON.stringify({}), [...'ab'].length].join()`
	first, err := r.RunScript(context.Background(), insert(t, clean, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirt {
		_, _ = r.RunScript(context.Background(), insert(t, d, `{}`))
		again, err := r.RunScript(context.Background(), insert(t, clean, `{}`))
		if err != nil || again.Returned.Str() != first.Returned.Str() {
			t.Errorf("after %s: %v instead of %v, %v", d, again.Returned, first.Returned, err)
		}
		fine(t, r, d)
	}
	// What a script leaves running when it returns does not hold up its answer.
	if res, err := r.RunScript(context.Background(), insert(t, `const f = () => Promise.resolve().then(f); f(); return {granted: true}`, `{}`)); err != nil || !res.Returned.Field("granted").Bool() {
		t.Errorf("with jobs left: %v, %v", res.Returned, err)
	}
	if len(r.all) != 1 {
		t.Errorf("%d workers", len(r.all))
	}
}

// TestInterface: the runner is what Decide takes, and without one no script grants.
func TestInterface(t *testing.T) {
	var runner security.ScriptRunner = newRunner(t, Options{})
	if got, _ := outcome(t, policy(t, `return {granted: true}`), request(t, "select"), runner); got != "rule 0" {
		t.Error(got)
	}
	if got, _ := outcome(t, policy(t, `return {granted: true}`), request(t, "select"), nil); got != "rule 1" {
		t.Error(got)
	}
}
