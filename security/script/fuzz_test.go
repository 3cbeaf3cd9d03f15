package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/security"
)

// parts are what FuzzScript makes scripts of, besides its input as it is.
var parts = []string{
	"return ", "await ", "{granted: true}", "query", "user", "entry", "type", "DataSources('Teams').find()", "new Proxy(query, {})", "Object.prototype", ".granted = true; ", "JSON.stringify", "(query)", ".toJSON = () => 1; ",
	"Array(1e6)", ".fill(0)", ".sort()", ".join('x')", "'x'.repeat(1e5)", ".normalize()", "/(a+)+b/", ".test('a'.repeat(30))", "2n ** 999n", "; ", "for (const k in globalThis) ", "try { ", " } catch {} ", "throw ", "Promise", ".resolve()", ".then(",
	")", "(", "async () => ", "function* () { yield 1 }", "[...", "]", "new Uint8Array(1e6)", "eval('1')", "Reflect.ownKeys(globalThis)", " = ", "null", "undefined", "NaN", "\u2028", "\\", "`${", "}`", "class { #x = 1 }", "delete ", "globalThis", "[Symbol.iterator]",
}

// FuzzScript runs any text as a script, and a script made of parts: the process lives, what was
// given is as it was, and an answer is an answer or an error.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"return {granted: true}", "}); (", "\x00", "\x05\x02", "await 1; query.a = 2", "return DataSources('Teams').find()", "for (;;);", "/(a+)+b/.test('a'.repeat(50))"} {
		f.Add(s, []byte{0, 2})
	}
	f.Add("", []byte{1, 7, 23, 0, 2})
	r := newRunner(f, Options{Time: 60 * time.Millisecond, Memory: 8 << 20})
	f.Fuzz(func(t *testing.T, text string, picks []byte) {
		var made strings.Builder
		for _, p := range picks[:min(len(picks), 200)] {
			made.WriteString(parts[int(p)%len(parts)])
		}
		for i, source := range []string{text, made.String()} {
			if len(source) > 2000 {
				continue
			}
			call := security.ScriptCall{Reader: &locked{}, Source: source, Type: security.Update, Query: values(t, `[{"a": 1, "granted": true}]`), List: i == 1, Entry: value(t, `{"id": 1, "data": {"a": 12345678901234567890}}`)}
			before := fmt.Sprint(call.Query, call.Entry)
			began := time.Now()
			res, err := r.RunScript(context.Background(), call)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%q: took %v", source, took)
			}
			if after := fmt.Sprint(call.Query, call.Entry); after != before {
				t.Errorf("%q: what was given is %s and was %s", source, after, before)
			}
			if err != nil && !errors.Is(err, ErrThrown) && !errors.Is(err, security.ErrScriptTime) {
				t.Errorf("%q: %v", source, err)
			}
			if err == nil && res.Query != nil && len(res.Query) != len(call.Query) {
				t.Errorf("%q: %v", source, res.Query)
			}
		}
	})
}
