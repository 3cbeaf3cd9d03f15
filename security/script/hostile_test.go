package script

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb/security"
)

// hostile are scripts that must not grant. A name says what a script tries; all want to run on,
// to eat memory or the stack, to get out of their world, or to look as if they granted.
var hostile = []struct{ name, source string }{
	// Loops in JavaScript.
	{"loop", `for (;;);`},
	{"loop that catches", `for (;;) { try { for (;;); } catch {} finally { continue } }`},
	{"loop in getter", `const o = {get x() { for (;;); }}; return {granted: o.x}`},
	{"loop in granted", `return {get granted() { for (;;); }}`},
	{"loop in then", `return {then() { for (;;); }}`},
	{"loop in proxy get", `return new Proxy({}, {get() { for (;;); }})`},
	{"loop in proxy traps", `return Object.keys(new Proxy({}, {ownKeys() { for (;;); }}))`},
	{"loop in proxy of prototype", `return Object.create(new Proxy({}, {get() { for (;;); }, has() { for (;;); }, getOwnPropertyDescriptor() { for (;;); }}))`},
	{"loop in toJSON of query", `Object.defineProperty(Array.isArray(query) ? query[0] : query, 'toJSON', {value() { for (;;); }}); return {granted: true}`},
	{"loop in toJSON of include", `return {granted: true, include: Object.assign(['a'], {toJSON() { for (;;); }})}`},
	{"loop in valueOf", `return +{valueOf() { for (;;); }}`},
	{"loop in toString", `throw {toString() { for (;;); }}`},
	{"loop in message", `const e = new Error('x'); Object.defineProperty(e, 'message', {get() { for (;;); }}); throw e`},
	{"loop in Symbol.toPrimitive", "return `${{[Symbol.toPrimitive]() { for (;;); }}}`"},
	{"loop in Symbol.hasInstance", `return 1 instanceof {[Symbol.hasInstance]() { for (;;); }}`},
	{"loop in Symbol.iterator", `return [...{[Symbol.iterator]() { for (;;); }}]`},
	{"loop in Symbol.species", `class A extends Array { static get [Symbol.species]() { for (;;); } } return new A(3).map(x => x)`},
	{"loop in Symbol.toStringTag", `return String({get [Symbol.toStringTag]() { for (;;); }})`},
	{"loop in Symbol.isConcatSpreadable", `return [].concat({get [Symbol.isConcatSpreadable]() { for (;;); }})`},
	{"loop in Symbol.match", `return 'a'.match({[Symbol.match]() { for (;;); }})`},
	{"loop in Symbol.asyncIterator", `for await (const x of {[Symbol.asyncIterator]: () => ({next: () => ({done: false})})});`},
	{"loop in static block", `class A { static { for (;;); } } return {granted: true}`},
	{"loop in default value", `(function (a = (() => { for (;;); })()) {})()`},
	{"loop in template tag", "return (() => { for (;;); })`x`"},
	{"loop in generator", `function* g() { for (;;) yield 1; } for (const x of g());`},
	{"loop in generator return", `function* g() { try { yield 1 } finally { for (;;); } } for (const x of g()) break;`},
	{"loop in async generator", `async function* g() { for (;;) yield 1; } for await (const x of g());`},
	{"loop in replace callback", `return 'a'.replace(/a/, () => { for (;;); })`},
	{"loop in sort comparator", `return [3, 1, 2].sort(() => { for (;;); })`},
	{"loop in reviver", `return JSON.parse('[1]', () => { for (;;); })`},
	{"loop in replacer", `return JSON.stringify([1], () => { for (;;); })`},
	{"loop in eval", `eval('for (;;);')`},
	{"loop in Function", `new Function('for (;;);')()`},
	{"loop in promise executor", `new Promise(() => { for (;;); })`},
	{"loop in reduce", `return [1, 2].reduce(() => { for (;;); })`},
	{"loop with label", `a: while (true) { b: do { continue a } while (true) }`},
	// Promises.
	{"never settles", `await new Promise(() => {}); return {granted: true}`},
	{"returns what never settles", `return new Promise(() => {})`},
	{"waits for itself", `let p; p = (async () => { await null; await p })(); await p; return {granted: true}`},
	{"await loop", `for (;;) await 1;`},
	{"await loop that catches", `for (;;) { try { await Promise.reject(1) } catch {} }`},
	{"microtask flood", `const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); await new Promise(() => {})`},
	{"microtask chain", `const f = () => Promise.resolve().then(f); await f(); return {granted: true}`},
	{"thenable chain", `const t = {then(r) { r(t) }}; return t`},
	{"thenable that makes thenables", `const t = () => ({then(r) { r(t()) }}); return t()`},
	{"async recursion", `const f = async () => { await f() }; await f(); return {granted: true}`},
	{"race of nothing", `await Promise.race([]); return {granted: true}`},
	{"all of endless", `function* g() { for (;;) yield Promise.resolve(1) } await Promise.all(g()); return {granted: true}`},
	{"flood of finds", `for (;;) DataSources('x').find().catch(() => {})`},
	{"flood of awaited finds", `for (;;) { try { await DataSources('x').find() } catch {} }`},
	{"lets errors pile up", `for (;;) Promise.reject(new Error('x'.repeat(1000)))`},
	// Native loops, which no interrupt of the engine stops.
	{"indexOf of strings", `return 'a'.repeat(3e7).indexOf('a'.repeat(1.5e7) + 'b')`},
	{"lastIndexOf of strings", `return 'a'.repeat(2e7).lastIndexOf('b' + 'a'.repeat(1e7))`},
	{"includes of strings", `return 'a'.repeat(2e7).includes('a'.repeat(1e7) + 'b')`},
	{"split of strings", `return 'a'.repeat(2e7).split('a'.repeat(1e7) + 'b')`},
	{"replaceAll of strings", `return 'a'.repeat(2e7).replaceAll('a'.repeat(1e7) + 'b', '')`},
	{"replaceAll that grows", `return 'ab'.repeat(1e7).replaceAll('a', 'bbbbbbbbbb')`},
	{"indexOf of nothing", `return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)`},
	{"lastIndexOf of nothing", `return Array.prototype.lastIndexOf.call({length: 2 ** 53 - 1}, 1)`},
	{"includes of holes", `return new Array(2 ** 32 - 1).includes(1)`},
	{"join of nothing", `return Array.prototype.join.call({length: 2 ** 53 - 1}, '')`},
	{"reverse of nothing", `Array.prototype.reverse.call({length: 2 ** 53 - 1})`},
	{"copyWithin of nothing", `Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 1, 0)`},
	{"forEach of nothing", `Array.prototype.forEach.call({length: 2 ** 53 - 1}, () => 1)`},
	{"shift of nothing", `Array.prototype.shift.call({length: 2 ** 53 - 1})`},
	{"sort of holes", `new Array(2 ** 32 - 1).sort()`},
	{"concat of holes", `[].concat(...Array(10).fill(new Array(2 ** 32 - 1)))`},
	{"flat of holes", `return new Array(2 ** 32 - 1).flat()`},
	{"replacer of holes", `return JSON.stringify({}, new Array(2 ** 32 - 1))`},
	{"drop of an endless iterator", `return Array.prototype.values.call({length: 2 ** 53 - 1}).drop(2 ** 53 - 2).next()`},
	{"normalize", `return '\u0301\u0316'.repeat(1e6).normalize()`},
	{"sort of bytes", `const u = new Uint8Array(3e7); for (;;) u.sort()`},
	{"BigInt square", `const x = 2n ** 520000n - 1n; for (;;) x * x`},
	{"BigInt text", `for (;;) String(2n ** 1000000n)`},
	{"BigInt parse", `for (;;) BigInt('9'.repeat(300000))`},
	{"BigInt division", `const x = 2n ** 1000000n - 1n, y = 2n ** 500000n + 1n; for (;;) x % y`},
	{"typed array from nothing", `for (;;) new Uint8Array({length: 3e7})`},
	// Regular expressions.
	{"regexp (a+)+", `return {granted: !/^(a+)+$/.test('a'.repeat(40) + '!')}`},
	{"regexp (a|aa)+", `return {granted: !/^(a|aa)+$/.test('a'.repeat(60) + '!')}`},
	{"regexp (.*)*", `return {granted: !/^(.*)*x$/.exec('a'.repeat(40) + '!')}`},
	{"regexp backreference", `return {granted: !/^(a*)*\1b$/.test('a'.repeat(40))}`},
	{"regexp lookahead", `return {granted: !/^(?=(a+)+$).*b/.test('a'.repeat(40) + '!')}`},
	{"regexp lookbehind", `return {granted: !/(?<=^(a|aa)+)b$/.test("!" + "a".repeat(60) + "b")}`},
	{"regexp sticky", `const r = /(a+)+b/y; r.lastIndex = 1; return {granted: !r.test('a'.repeat(40))}`},
	{"regexp replace", `return 'a'.repeat(40).replace(/(a+)+b/g, '')`},
	{"regexp quadratic", `return {granted: !/a*a*a*a*a*b/.test('a'.repeat(5000))}`},
	{"regexp match all", `for (const m of 'a'.repeat(1e6).matchAll(/(?:)/g)) { for (;;); }`},
	{"regexp large count", `return new RegExp('(?:(?:a{1,1000}){1,1000}){1,1000}b').test('a'.repeat(5000))`},
	{"regexp exec replaced", `RegExp.prototype.exec = () => { for (;;); }; return {granted: !/a/.test('a')}`},
	// Memory.
	{"Array(1e9).fill", `Array(1e9).fill(0)`},
	{"array that grows", `const a = []; for (;;) a.push(a.length)`},
	{"array of arrays", `let a = []; for (;;) a = [a, a]`},
	{"Array.from", `Array.from({length: 2 ** 32 - 1})`},
	{"spread", `const a = [1]; for (;;) a.push(...a)`},
	{"unshift", `const a = []; for (;;) a.unshift(...Array(1000))`},
	{"splice", `const a = [1]; for (;;) a.splice(0, 0, ...a)`},
	{"strings that double", `let s = 'x'; for (;;) s += s`},
	{"strings in templates", "let s = 'x'; for (;;) s = `${s}${s}y`"},
	{"strings kept", `const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i)`},
	{"repeat 1e12", `'x'.repeat(1e12)`},
	{"repeat 2 ** 29", `const a = []; for (;;) a.push('x'.repeat(2 ** 29))`},
	{"padStart", `'x'.padStart(2 ** 30 - 1, 'abc')`},
	{"padEnd", `const a = []; for (;;) a.push('x'.padEnd(1e7))`},
	{"join that grows", `Array(1e5).fill('x'.repeat(1e5)).join('')`},
	{"concat that grows", `let s = 'xy'; for (;;) s = s.concat(s, s)`},
	{"String.raw", `String.raw({raw: {length: 2 ** 53 - 1}})`},
	{"fromCharCode", `String.fromCharCode(...Array(1e7))`},
	{"symbols", `const a = []; for (let i = 0; ; i++) a.push(Symbol('x'.repeat(1000) + i))`},
	{"interned names", `const o = {}; for (let i = 0; ; i++) o['k' + i] = i`},
	{"BigInt power", `2n ** (2n ** 30n)`},
	{"BigInt shift", `1n << (2n ** 40n)`},
	{"BigInts kept", `const a = []; for (;;) a.push(2n ** 1000000n)`},
	{"ArrayBuffer", `new ArrayBuffer(2 ** 40)`},
	{"ArrayBuffers kept", `const a = []; for (;;) a.push(new ArrayBuffer(1e6))`},
	{"resizable ArrayBuffer", `const b = new ArrayBuffer(8, {maxByteLength: 2 ** 40}); b.resize(2 ** 39)`},
	{"typed array", `new Float64Array(2 ** 33)`},
	{"typed arrays kept", `const a = []; for (;;) a.push(new Uint32Array(1e5))`},
	{"map", `const m = new Map(); for (let i = 0; ; i++) m.set(i, {i})`},
	{"set of strings", `const m = new Set(); for (let i = 0; ; i++) m.add('k' + i)`},
	{"weak map", `const m = new WeakMap(), a = []; for (;;) { const k = {}; a.push(k); m.set(k, k) }`},
	{"closures", `let f = () => 1; for (;;) { const g = f; f = () => g() }`},
	{"promises kept", `const a = []; for (;;) a.push(new Promise(() => {}))`},
	{"generators kept", `function* g() { yield 1 } const a = []; for (;;) { const x = g(); x.next(); a.push(x) }`},
	{"bound functions", `let f = () => 1; for (;;) f = f.bind(null, 1)`},
	{"errors kept", `const a = []; for (;;) a.push(new Error('x'.repeat(1000)))`},
	{"query that grows", `const q = Array.isArray(query) ? query[0] : query; for (let i = 0; ; i++) q['k' + i] = 'x'.repeat(1000)`},
	{"query too large", `const q = Array.isArray(query) ? query[0] : query; q.big = 'x'.repeat(1.7e7); return {granted: true}`},
	{"include too large", `return {granted: true, include: ['x'.repeat(1.7e7)]}`},
	{"message too large", `throw 'x'.repeat(2e7)`},
	{"JSON that grows", `let s = '[1]'; for (;;) s = JSON.stringify([s, s])`},
	{"JSON indent", `let a = 1; for (let i = 0; i < 1500; i++) a = [a]; let s = ''; for (;;) s += JSON.stringify(a, null, 10)`},
	// Depth.
	{"recursion", `function f() { f() } f()`},
	{"recursion that catches", `function f() { try { f() } catch { f() } } f()`},
	{"recursion through two", `function f() { return g() } function g() { return f() } f()`},
	{"recursion in getter", `const o = {get x() { return this.x }}; o.x`},
	{"recursion in proxy", `const p = new Proxy({}, {get(t, k, r) { return r[k] }}); p.x`},
	{"recursion in toString", `const o = {toString() { return '' + this }}; '' + o`},
	{"recursion in toJSON", `const o = {toJSON() { return JSON.stringify(o) }}; JSON.stringify(o)`},
	{"recursion in sort", `const f = () => [2, 1].sort(f); f()`},
	{"recursion in replace", `const f = () => 'a'.replace(/a/, f); f()`},
	{"recursion in constructor", `class A { constructor() { new A() } } new A()`},
	{"recursion in prototypes", `let o = {}; for (let i = 0; i < 1e6; i++) o = Object.create(o); return o.x.y`},
	{"recursion of proxies", `let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x.y`},
	{"deep JSON.stringify", `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a)`},
	{"deep JSON.parse", `JSON.parse('['.repeat(1e5) + ']'.repeat(1e5))`},
	{"deep flat", `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity)`},
	{"deep toString", `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return String(a)`},
	{"deep eval", `eval('['.repeat(300000))`},
	{"deep eval of groups", `eval('('.repeat(1e5) + '1' + ')'.repeat(1e5))`},
	{"deep eval of functions", `eval('(()=>'.repeat(1e5) + '1' + ')'.repeat(1e5))`},
	{"deep eval of operators", `eval('1' + '+1'.repeat(1e6) + ';throw 1')`},
	{"deep regexp", `new RegExp('('.repeat(1e5) + ')'.repeat(1e5))`},
	{"deep regexp run", `return {granted: !new RegExp('(?:'.repeat(200) + 'a' + ')*'.repeat(200) + 'b').test('a'.repeat(30))}`},
	{"deep query", `const q = Array.isArray(query) ? query[0] : query; let a = []; for (let i = 0; i < 1500; i++) a = [a]; q.a = a; return {granted: true}`},
	{"deep include", `let a = []; for (let i = 0; i < 1500; i++) a = [a]; return {granted: true, include: a}`},
	{"cycle in query", `const q = Array.isArray(query) ? query[0] : query; q.q = q; return {granted: true}`},
	{"deep free", `let a = null; for (;;) a = {a}`},
	{"deep promise chain", `let p = Promise.resolve(); for (let i = 0; i < 1e6; i++) p = p.then(() => 1); await p; throw 1`},
	// The source.
	{"syntax error", `return {granted: true`},
	{"stray bracket", `return {granted: true}}`},
	{"ends its function", `return {granted: true}}); (async function () {`},
	{"ends its function and grants", `}); globalThis.x = {granted: true}; (async function () { return x`},
	{"ends its method", `}}); ({async f() { return {granted: true}`},
	{"comment that stays open", `return {granted: true} /*`},
	{"string that stays open", `return {granted: true, a: '`},
	{"template that stays open", "return {granted: true, a: `"},
	{"parameters", `return {granted: true}}, function (a = {`},
	{"import statement", `import x from 'std'; return {granted: true}`},
	{"export statement", `export default {granted: true}`},
	{"await in a class", `class A { [await 1] = (() => { throw 1 })() } new A()`},
	{"yield", `yield {granted: true}`},
	{"new.target", `return {granted: new.target !== 1 && new.target}`},
	{"super", `return super.x`},
	{"too long", "return {granted: true} //" + strings.Repeat("x", 16<<10)},
	{"brackets in the source", strings.Repeat("[", 16000)},
	{"groups in the source", strings.Repeat("(", 8000) + strings.Repeat(")", 8000)},
	{"operators in the source", "throw 1" + strings.Repeat("+1", 8000)},
	{"regexp in the source", "throw /" + strings.Repeat("(a*)*", 3000) + "/"},
	{"NUL in the source", "return {granted: tr\x00ue}"},
	{"not UTF-8", "return {granted: \xff\xfe}"},
	{"HTML comment", "<!-- return {granted: true}"},
}

// TestHostile holds every hostile script against every kind of request: it does not grant, the
// caller is back in time, a failure lets the next rule answer and time that is up does not, what
// was given is as it was, and others are served as before.
func TestHostile(t *testing.T) {
	limit := scriptTime(t, 80*time.Millisecond)
	r := newRunner(t, Options{})
	kinds, share := ruleKinds, 1
	if limit < time.Second { // each script is tried with some of the kinds
		share = 3
	}
	if raceDetector {
		share = 8
	}
	if testing.Short() {
		kinds, share = kinds[:1], 1
	}
	var mu sync.Mutex
	var worst time.Duration
	var slowest string
	ends := map[string]int{}
	workers := make(chan struct{}, 4) // as many as run at once: waiting is not what is measured
	var wg sync.WaitGroup
	for i, h := range hostile {
		for k, kind := range kinds {
			if (i+k)%share != 0 {
				continue
			}
			workers <- struct{}{}
			wg.Go(func() {
				defer func() { <-workers }()
				took, end := tryHostile(t, r, h.name, h.source, kind, limit)
				mu.Lock()
				defer mu.Unlock()
				if took > worst {
					worst, slowest = took, h.name+", "+kind
				}
				ends[end]++
			})
		}
		if i%20 == 19 {
			wg.Wait()
			fine(t, r, h.name)
		}
	}
	wg.Wait()
	fine(t, r, "all")
	t.Logf("%d scripts, %v: worst %v for a limit of %v (%s)", len(hostile), ends, worst, limit, slowest)
	if len(hostile) < 120 {
		t.Errorf("%d scripts are too few", len(hostile))
	}
}

// tryHostile runs one script for one request, and says how long it took and how it ended.
func tryHostile(t *testing.T, r *Runner, name, source, kind string, limit time.Duration) (time.Duration, string) {
	var failures []security.ScriptFailure
	req := request(t, kind)
	req.ScriptTime = limit
	req.Report = func(f security.ScriptFailure) { failures = append(failures, f) }
	before := texts(req)
	began := time.Now()
	got, grant := outcome(t, policy(t, source), req, r)
	took := time.Since(began)
	end := "not granted"
	want := "rule 1"
	for _, f := range failures {
		end = "failed"
		if errors.Is(f.Err, security.ErrScriptTime) {
			want, end = "denied", "time was up"
		} else if errors.Is(f.Err, errWorker) {
			end = "worker ended"
		}
	}
	if got != want {
		t.Errorf("%s, %s: %s, want %s after %v", name, kind, got, want, failures)
	}
	if grant != nil && len(grant.Data) > 0 && fmt.Sprint(grant.Data) != fmt.Sprint(req.Data) {
		t.Errorf("%s, %s: the data became %v", name, kind, grant.Data)
	}
	if after := texts(req); after != before {
		t.Errorf("%s, %s: the request was %s and is %s", name, kind, before, after)
	}
	late := limit + 300*time.Millisecond
	if kind == "count" { // it runs as select and then as count
		late += limit
	}
	if limit < time.Second || raceDetector { // other tests have the machine as well
		late += 2 * time.Second
	}
	if took > late {
		t.Errorf("%s, %s: took %v", name, kind, took)
	}
	return took, end
}

// TestHostileTime gives what no interrupt would stop the time that scripts have in earnest.
func TestHostileTime(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("takes 3 seconds, and the machine for itself")
	}
	r := newRunner(t, Options{})
	run := func(name, source string) (took time.Duration) {
		began := time.Now()
		got, _ := outcome(t, policy(t, source), request(t, "insert"), r)
		took = time.Since(began)
		t.Logf("%s: %s after %v", name, got, took)
		if got != "denied" || took < 2900*time.Millisecond {
			t.Errorf("%s: %s after %v", name, got, took)
		}
		return took
	}
	var wg sync.WaitGroup
	turns := make(chan struct{}, 4)
	for _, h := range hostile {
		switch h.name {
		case "loop that catches", "indexOf of strings", "includes of holes", "regexp (a+)+", "BigInt square", "microtask flood", "normalize", "drop of an endless iterator":
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				const most = 3300 * time.Millisecond
				took := run(h.name, h.source)
				if took > most { // once more: the machine may have been busy
					took = run(h.name, h.source)
				}
				if took > most {
					t.Errorf("%s: the caller is back after %v", h.name, took)
				}
			})
		}
	}
	wg.Wait()
	fine(t, r, "3 seconds")
}
