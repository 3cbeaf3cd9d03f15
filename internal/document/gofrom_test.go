//lint:file-ignore SA5008 Odd and malformed tags are what these structs test.

package document

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

type (
	level  int
	textID struct{ n string }
	addrID struct{ n int }
	lower  struct{ Low, Both int }
	Upper  struct {
		Up   int
		Both int `json:"both_up"`
	}
	Twice  struct{ Same int }
	Twice2 struct{ Same int }
	Tagged struct {
		S int `json:"Same"`
	}
	node struct {
		V    int   `json:"v"`
		Next *node `json:"next,omitempty"`
	}
	zeroing  struct{ N int }
	zeroAddr struct{ N int }
	loop     *loop
)

func (l level) MarshalText() ([]byte, error)  { return []byte(strings.Repeat("!", int(l))), nil }
func (x textID) MarshalText() ([]byte, error) { return []byte("id:" + x.n), nil }
func (x *addrID) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]int{"addr": x.n})
}
func (z zeroing) IsZero() bool   { return z.N == 7 }
func (z *zeroAddr) IsZero() bool { return z.N == 7 }

// goValues are values that encoding/json writes too; both must agree.
func goValues() []any {
	when := time.Date(2025, 2, 19, 17, 13, 51, 507_000_000, time.UTC)
	type options struct {
		A string         `json:"a,omitempty"`
		B int            `json:",omitempty"`
		C *int           `json:"c,omitempty"`
		D []int          `json:"d,omitempty"`
		E map[string]int `json:"e,omitempty"`
		F bool           `json:"f,omitempty"`
		G float64        `json:"g,omitempty"`
		H any            `json:"h,omitempty"`
		I time.Time      `json:"i,omitempty"`
		J [0]int         `json:"j,omitempty"`
		K struct{}       `json:"k,omitempty"`
		L string         `json:"-"`
		M string         `json:"-,"`
		N string         `json:"n b.c"`
		O string         `json:"bad\\name"`
		P time.Time      `json:"p,omitzero"`
		Q zeroing        `json:"q,omitzero"`
		R zeroAddr       `json:"r,omitzero"`
		S int            `json:"s,omitzero"`
		T *zeroing       `json:"t,omitzero"`
		U any            `json:"u,omitzero"`
		V [2]int         `json:"v,omitzero"`
		w int
	}
	type quotedFields struct {
		A int         `json:",string"`
		B float64     `json:",string"`
		C bool        `json:",string"`
		D string      `json:",string"`
		E *int        `json:",string"`
		F *int        `json:",string"`
		G []int       `json:",string"`
		H json.Number `json:",string"`
		I float32     `json:",string"`
		J uint8       `json:",string"`
		K any         `json:",string"`
		L level       `json:",string"`
	}
	return []any{
		nil, true, false, "", "text", "Grüße 😀 <&> \u2028 \x00 \" \\", 0, -1, int8(-128), int16(-1), int32(7), int64(math.MinInt64),
		uint(1), uint8(255), uint16(9), uint32(9), uint64(math.MaxUint64), uintptr(3), float32(3.1), float32(1e20), 3.1, 1e21, 1e-7, 123456789.125, math.MaxFloat64, 5e-324, 1e20, math.Copysign(0, -1),
		int64(1) << 53, int64(1)<<53 + 1, -(int64(1)<<53 + 1), uint64(1)<<53 + 1,
		json.Number("1.10"), json.Number("12345678901234567890"), json.Number(""), json.Number("-0"),
		[]any{}, []any(nil), []any{1, "a", nil, []any{}, map[string]any{"k": 1.5}}, []int{1, 2}, []int(nil), [2]string{"a", "b"}, []string{},
		[]byte("bytes"), []byte{}, []byte(nil), [3]byte{1, 2, 3}, []level{1, 2}, []*int{nil, ptr(1)},
		map[string]any{"b": 1, "a": nil, "": 2}, map[string]any(nil), map[string]int{"z": 1, "y": 2}, map[int]string{10: "x", 9: "y", -1: "z"}, map[uint8]bool{3: true},
		map[textID]int{{"b"}: 1, {"a"}: 2}, map[level]int{2: 1}, map[string]map[string][]int{"a": {"b": {1}}}, map[string]any{"n": map[string]string(nil)},
		level(3), textID{"x"}, &textID{"y"}, (*textID)(nil), addrID{1}, &addrID{2}, []addrID{{3}}, []*addrID{{4}, nil}, map[string]addrID{"k": {5}}, ptr([1]addrID{{6}}), struct{ X addrID }{addrID{7}}, &struct{ X addrID }{addrID{8}},
		when, &when, time.Duration(5), time.Month(3), struct{ T time.Time }{when}, json.RawMessage(`{"a":[1.10,"\u00e9"]}`), json.RawMessage(nil), struct{ R json.RawMessage }{json.RawMessage(`1`)}, struct{ R *json.RawMessage }{},
		struct{}{}, struct{ A, B int }{1, 2}, options{}, &options{A: "a", B: 1, C: ptr(0), D: []int{0}, E: map[string]int{"k": 0}, F: true, G: 1, H: 0, L: "l", M: "m", N: "n", O: "o", Q: zeroing{7}, R: zeroAddr{7}, T: &zeroing{7}, U: 0, w: 1}, options{Q: zeroing{1}, R: zeroAddr{7}},
		quotedFields{A: 1, B: 1.5, C: true, D: "a\"b", E: ptr(4), G: []int{1}, H: "1.5", I: 0.1, J: 3, K: 5, L: 2},
		struct{ lower }{lower{1, 2}}, struct{ *lower }{}, struct{ Upper }{Upper{1, 2}}, struct {
			lower
			Upper
			Low string
		}{Low: "x"}, struct {
			Twice
			Twice2
		}{}, struct {
			Twice
			Tagged
		}{Tagged: Tagged{5}}, struct {
			*Upper `json:"named"`
			X      int
		}{}, struct {
			Twice
			Same string
		}{Same: "outer"}, struct{ *Upper }{&Upper{3, 4}}, struct{ level }{2}, struct{ Level level }{2},
		node{1, &node{2, nil}}, &node{V: 3}, ptr(ptr(ptr(5))), ptr[any](map[string]any{"a": ptr(1)}), struct{ X any }{node{V: 1}}, []any{node{V: 1}, textID{"q"}},
		struct{ Err error }{}, struct{ M json.Marshaler }{asJSON(`[1]`)}, map[string]json.Marshaler{"a": nil},
	}
}

func TestFromGoLikeEncodingJSON(t *testing.T) {
	for _, v := range goValues() {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%T %v: encoding/json: %v", v, v, err)
		}
		want := mustParse(t, string(text))
		got, err := FromGo(v, Limits{})
		if err != nil {
			t.Errorf("FromGo(%T %v): %v", v, v, err)
			continue
		}
		if g, w := got.String(), want.String(); g != w {
			t.Errorf("FromGo(%T %v) is\n%s, want\n%s", v, v, g, w)
		}
		if string(got.Raw()) != string(want.Raw()) {
			t.Errorf("FromGo(%T %v) is stored as %x, Parse as %x", v, v, got.Raw(), want.Raw())
		}
		// The same as a document, and through Of where that takes it.
		e := NewEncoder(nil, Limits{})
		doc, err := e.AppendGo(nil, v)
		_, isText := v.([]byte)
		switch {
		case isText:
		case got.Kind() == Object:
			if err != nil || Stored(doc, e.Names()).String() != want.String() {
				t.Errorf("AppendGo(%T %v) is %s, %v", v, v, Stored(doc, e.Names()), err)
			}
		case err == nil && v != nil && !strings.Contains(string(doc), "\x09\x00\x00"):
			t.Errorf("AppendGo(%T %v) made %x", v, v, doc)
		}
	}
}

func TestFromGoOwnTypes(t *testing.T) {
	full := mustParse(t, `{"x":1.10}`)
	for _, c := range []struct {
		v    any
		want string
	}{
		{full, `{"x":1.10}`}, {&full, `{"x":1.10}`}, {Value{}, "null"}, {Of(nil), "null"}, {Of([]any{1, struct{ A int }{2}}), `[1,{"A":2}]`},
		{map[string]any{"v": full, "gone": Value{}}, `{"v":{"x":1.10}}`}, {[]any{full, Value{}}, `[{"x":1.10},null]`}, {[]Value{full, {}}, `[{"x":1.10},null]`},
		{struct {
			V    Value
			Gone Value
			Any  any
		}{V: full, Any: Value{}}, `{"V":{"x":1.10}}`}, {map[string]Value{"a": full, "b": {}}, `{"a":{"x":1.10}}`},
		{pairs{"b", 1, "a", pairs{}, "gone", Value{}}, `{"b":1,"a":{}}`}, {pairs{"a", 1, "b", 2, "a", 3}, `{"a":3,"b":2}`},
		{struct{ P pairs }{pairs{"z", 1, "y", []pairs{{"x", 1}}}}, `{"P":{"z":1,"y":[{"x":1}]}}`}, {(*pairs)(nil), "null"}, {&pairs{"a", 1}, `{"a":1}`},
		{json.RawMessage(` {"a":1,"a":2} `), `{"a":2}`}, {[]any{asJSON(`[1.10, 1e400]`)}, `[[1.10,1e400]]`}, {map[string]any{"a": json.Number("1e400")}, `{"a":1e400}`},
	} {
		got, err := FromGo(c.v, Limits{})
		if err != nil || got.String() != c.want {
			t.Errorf("FromGo(%T) is %s, %v; want %s", c.v, got, err, c.want)
		}
	}
}

func TestFromGoRefuses(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"] = []any{cycle}
	ring := &node{V: 1}
	ring.Next = &node{V: 2, Next: ring}
	var knot loop
	knot = loop(&knot)
	deep := any(1)
	for range 101 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		v             any
		message, path string
	}{
		{math.NaN(), "NaN has no JSON form", ""}, {map[string]any{"a": []any{1, math.Inf(-1)}}, "-Inf has no JSON form", "a.1"}, {float32(math.Inf(1)), "Inf", ""},
		{struct{ F []float64 }{[]float64{math.NaN()}}, "NaN", "F.0"},
		{"a\xffb", "not UTF-8, at byte 1", ""}, {map[string]any{"k": map[string]string{"l": "\xc3"}}, "not UTF-8", "k.l"}, {map[string]any{"\xff": 1}, "key", "\xff"},
		{struct {
			S string `json:"s,omitempty"`
		}{"\xff"}, "not UTF-8", "s"}, {struct {
			S string `json:",string"`
		}{"\xff"}, "not UTF-8", "S"}, {textID{"\xff"}, "not UTF-8", ""},
		{make(chan int), "chan int has no JSON form", ""}, {[]any{func() {}}, "func() has no JSON form", "0"}, {complex(1, 2), "complex128", ""},
		{map[bool]int{true: 1}, "key", ""}, {json.Number("1x"), "not a number", ""}, {[]json.Number{"NaN"}, "not a number", "0"}, {json.Number(strings.Repeat("1", 401)), "limit of 400", ""},
		{asJSON("{"), "asJSON", ""}, {asJSON(""), "asJSON", ""}, {asJSON("1 2"), "after the value", ""}, {json.RawMessage(`"\ud800"`), "surrogate", ""}, {json.RawMessage{}, "RawMessage", ""},
		{struct{ E failing }{}, "no luck", "E"}, {cycle, "depth 101", "self.0.self.0"}, {ring, "depth 101", "next.next"}, {knot, "contains itself", ""}, {deep, "depth 101", "0.0.0"},
		{map[string]any{strings.Repeat("k", 1025): 1}, "1024 bytes", "kkk"},
	} {
		v, err := FromGo(c.v, Limits{})
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.InvalidInput {
			t.Errorf("FromGo(%T) is %s, %v", c.v, v, err)
			continue
		}
		if !strings.Contains(e.Error(), c.message) || !strings.HasPrefix(e.Path, c.path) {
			t.Errorf("FromGo(%T): %.300q at %.40q, want %q at %q", c.v, e.Error(), e.Path, c.message, c.path)
		}
	}
}

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("no luck") }
