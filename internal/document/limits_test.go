package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// TestCheckAgreesWithParse: what Parse refuses under limits, Check refuses of a value that was
// parsed without any.
func TestCheckAgreesWithParse(t *testing.T) {
	lim := Limits{Depth: 3, Keys: 2, KeyBytes: 4, NumberBytes: 12}
	for _, text := range []string{`1`, `"a long string is fine"`, `[]`, `[[[]]]`, `[[[[]]]]`, `{"a":{"b":{}}}`, `{"a":{"b":{"c":[]}}}`, `{"a":1,"b":2}`, `{"a":1,"b":2,"c":3}`,
		`[{"a":1,"b":2,"c":3}]`, `{"four":1}`, `{"fives":1}`, `{"é×":1}`, `{"é×x":1}`, `123456789012`, `1234567890123`, `[0.12345678901]`, `[-0.1234567890]`, `{"a":[1e00000000001]}`,
		`{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`} {
		_, want := Parse([]byte(text), lim)
		v, err := Parse([]byte(text), unlimited)
		if err != nil {
			t.Fatal(err)
		}
		got := lim.Check(v)
		if (got == nil) != (want == nil) {
			t.Errorf("%s: Check gives %v, Parse gives %v", text, got, want)
		}
		if got != nil && !errors.Is(got, errs.Sentinel(errs.InvalidInput, "")) {
			t.Errorf("%s: %v", text, got)
		}
	}
}
