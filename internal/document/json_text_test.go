package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// same marks a row whose text comes out as it went in.
const same = "\x00same"

// jsonRow is one decision about JSON text: want is the text that comes out, or, for a row that
// is refused, "!" and a part of the message.
type jsonRow struct{ in, want string }

var jsonRows = []jsonRow{
	// Literals.
	{"null", same}, {"true", same}, {"false", same},
	{" \t\r\n null \t\r\n", "null"},
	{"nul", "!the end of the text in null"}, {"nulL", `!'L' in null`}, {"True", "!'T'"}, {"NULL", "!'N'"},
	{"tru", "!in true"}, {"fals", "!in false"}, {"falsy", "!in false"}, {"truest", "!after the value"},
	{"undefined", "!'u'"}, {"NaN", "!'N'"}, {"Infinity", "!'I'"}, {"-Infinity", "!'I' in a number"}, {"nan", "!in null"},
	{"'a'", `!'\''`}, {"a", "!'a'"},

	// Whole text.
	{"", "!at the end of the text, at byte 0 (line 1:1)"}, {"   ", "!at byte 3"}, {"\n\n", "!line 3:1"},
	{"\ufeffnull", "!byte order mark"}, {"\ufeff", "!byte order mark"}, {"\xef\xbb\xbf{}", "!byte order mark"},
	{"\x00", "!U+0000"}, {"null\x00", "!U+0000"}, {"1 2", "!after the value, at byte 2"}, {"{} {}", "!after the value"},
	{"[],", "!',' after the value"}, {"1]", "!after the value"}, {"null null", "!after the value"},
	{"// c\n1", "!'/'"}, {"/* c */1", "!'/'"}, {"1 // c", "!after the value"}, {"\v1", "!U+000B"}, {"\f1", "!U+000C"},
	{"\u00a01", "!U+00A0"}, {"1\u2028", "!U+2028"}, {"\xff", "!byte 0xFF"}, {"[1]\xff", "!0xFF"},

	// Numbers: every digit is kept.
	{"0", same}, {"-0", same}, {"1", same}, {"-1", same}, {"10", same}, {"127", same}, {"128", same}, {"-128", same},
	{"-129", same}, {"255", same}, {"256", same}, {"32767", same}, {"32768", same}, {"65536", same},
	{"9007199254740991", same}, {"9007199254740992", same}, {"9007199254740993", same}, {"-9007199254740992", same},
	{"-9007199254740993", same}, {"9007199254740994", same}, {"12345678901234567890", same},
	{"18446744073709551616", same}, {"99999999999999999999999999", same},
	{"0.0", same}, {"-0.0", same}, {"1.0", same}, {"1.10", same}, {"1.1", same}, {"0.1", same}, {"0.10", same},
	{"123.456", same}, {"-123.456", same}, {"0.30000000000000004", same}, {"0.3000000000000000444089", same},
	{"3.141592653589793238462643383279", same}, {"0.000001", same}, {"0.0000001", same}, {"1e-7", same},
	{"1e5", same}, {"1E5", same}, {"1e+5", same}, {"1e05", same}, {"1.5e3", same}, {"1e21", same}, {"1e+21", same},
	{"1e0", same}, {"0e0", same}, {"0e999", same}, {"-0e-999", same}, {"1e400", same}, {"-1e400", same},
	{"1e-400", same}, {"-1e-400", same}, {"1.7976931348623157e308", same}, {"1.7976931348623159e308", same},
	{"5e-324", same}, {"4.9e-324", same}, {"2e-324", same}, {"2.2250738585072011e-308", same},
	{"1e99999999999999999999", same}, {"1e-99999999999999999999", same},
	{"100000000000000000000", same}, {"1000000000000000000000", same}, {"123456789012345.6", same}, {"999999999999999.9", same},
	{strings.Repeat("9", 400), same}, {strings.Repeat("9", 401), "!a number of 401 bytes is longer than the limit of 400"},
	{"1." + strings.Repeat("0", 398), same}, {"1e" + strings.Repeat("0", 399), "!longer than the limit"},
	{"01", "!'1' in a number"}, {"-01", "!in a number"}, {"00", "!in a number"}, {"+1", "!'+'"}, {".5", "!'.'"}, {"5.", "!in a number"},
	{"-", "!the end of the text in a number"}, {"--1", "!in a number"}, {"1e", "!in a number"}, {"1e+", "!in a number"}, {"1e1.5", "!after the value"},
	{"1.e5", "!in a number"}, {"-.5", "!in a number"}, {"0x10", "!after the value"}, {"1_000", "!after the value"},
	{"1,5", "!after the value"}, {"1f", "!after the value"}, {"0b1", "!after the value"}, {"١", "!U+0661"}, {"1e５", "!U+FF15 in a number"},

	// Strings.
	{`""`, same}, {`"a"`, same}, {`"abcdefgh"`, same}, {`"abcdefghi"`, same}, {`"Grüße, 世界 😀"`, same},
	{`"\u0041"`, `"A"`}, {`"\u00e9"`, `"é"`}, {`"\u00E9"`, `"é"`}, {`"\u20ac"`, `"€"`},
	{`"\ud83d\ude00"`, `"😀"`}, {`"\uD83D\uDE00!"`, `"😀!"`}, {`"\udbff\udfff"`, "\"\U0010ffff\""},
	{`"\ud800"`, `!\uD800 is half of a surrogate pair`}, {`"\udc00"`, "!surrogate"}, {`"\ud83dx"`, "!surrogate"},
	{`"\ud83d\u0041"`, "!surrogate"}, {`"\ude00\ud83d"`, "!surrogate"}, {`"\ud83d\ud83d\ude00"`, "!surrogate"}, {`"\ud83d\n"`, "!surrogate"},
	{`{"\ud83d":1}`, "!surrogate"}, {`"\uffff"`, "\"\uffff\""}, {`"\ufeff"`, "\"\ufeff\""}, {`"\ufffd"`, "\"\ufffd\""},
	{`"\u0000"`, same}, {`"a\u0000b"`, same}, {`"\u0001\u001f"`, same}, {`"\u001F"`, `"\u001f"`}, {`"\u007f"`, "\"\x7f\""}, {"\"\x7f\"", same},
	{`"\b\f\n\r\t"`, same}, {`"\u0008\u000c\u000a\u000d\u0009"`, `"\b\f\n\r\t"`},
	{`"\"\\\/"`, `"\"\\/"`}, {`"/"`, same}, {`"<>&"`, same}, {`"\u003c"`, `"<"`}, {"\"\u2028\u2029\"", same}, {`"\u2028"`, "\"\u2028\""},
	{`"abcdefg\"hijklmnop\\q"`, same},
	{"\"a\nb\"", "!U+000A, which must be escaped"}, {"\"a\tb\"", "!U+0009"}, {"\"\x00\"", "!U+0000"}, {"\"\x1f\"", "!U+001F"},
	{"\"longer than eight\x01 bytes\"", "!U+0001"}, {"\"\\\n\"", "!no known escape"}, {"\"\\\x00\"", "!no known escape"},
	{`"\x41"`, "!no known escape"}, {`"\'"`, "!no known escape"}, {`"\a"`, "!no known escape"}, {`"\0"`, "!no known escape"}, {`"\U0041"`, "!no known escape"}, {`"\é"`, "!no known escape"},
	{`"\u"`, "!four hexadecimal digits"}, {`"\u12"`, "!four hex"}, {`"\u123g"`, "!four hex"}, {`"\u+123"`, "!four hex"}, {`"\u 123"`, "!four hex"},
	{`"`, "!no closing quote, at byte 0"}, {`"abc`, "!no closing quote"}, {`"abc\"`, "!no closing quote"}, {`"\`, "!no closing quote"}, {`["a]`, "!no closing quote, at byte 1"},
	{"\"\xff\"", "!byte 0xFF, which is not UTF-8, at byte 1"}, {"\"\xc3\"", "!0xC3"}, {"\"\xc3(\"", "!0xC3"}, {"\"a\xe2\x82\"", "!0xE2"},
	{"\"\xed\xa0\x80\"", "!0xED"}, {"\"\xc0\x80\"", "!0xC0"}, {"\"\xf4\x90\x80\x80\"", "!0xF4"}, {"\"\xe0\x80\x80\"", "!0xE0"},
	{"\"\x80\"", "!0x80"}, {"\"ascii then\xfe\"", "!at byte 11"}, {"{\"\xff\":1}", "!not UTF-8"}, {"\"\\n\xff\"", "!not UTF-8"},
	{"\"\xf0\x9f\x98\x80\"", same},

	// Arrays.
	{"[]", same}, {"[ ]", "[]"}, {"[1]", same}, {"[ 1 , 2 ]", "[1,2]"}, {"[[],[[]],{}]", same}, {"[null,true,false,\"\",0]", same},
	{"[", "!missing at the end of the text"}, {"[1", "!comma or ]"}, {"[1,", "!missing at the end"}, {"[1,]", "!']'"}, {"[,1]", "!','"}, {"[1 2]", "!'2'"},
	{"[1}", "!'}'"}, {"[1:2]", "!':'"}, {"]", "!']'"}, {"[1,,2]", "!','"}, {"[]]", "!after the value"},

	// Objects.
	{"{}", same}, {"{ }", "{}"}, {`{"a":1}`, same}, {`{ "a" : 1 , "b" : 2 }`, `{"a":1,"b":2}`},
	{`{"a":1,"a":2}`, `{"a":2}`}, {`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`}, {`{"a":1,"b":2,"b":3,"a":4,"a":5}`, `{"a":5,"b":3}`},
	{`{"a":1,"\u0061":2}`, `{"a":2}`}, {`{"a":{"x":1},"a":{"y":2}}`, `{"a":{"y":2}}`}, {`{"a":{"x":1,"x":2},"a":{"y":2,"y":3},"b":[]}`, `{"a":{"y":3},"b":[]}`},
	{`[{"a":1,"a":[2,{"b":1,"b":2}]}]`, `[{"a":[2,{"b":2}]}]`}, {`{"a":1,"A":2}`, same}, {`{"é":1,"e\u0301":2}`, "{\"é\":1,\"e\u0301\":2}"},
	{`{"b":1,"a":2}`, same}, {`{"2":1,"1":2,"10":3}`, same}, {`{"":1}`, same}, {`{"":1,"":2}`, `{"":2}`}, {`{" ":1," a ":2}`, same},
	{`{"__proto__":{"x":1}}`, same}, {`{"__proto__":1,"__proto__":2}`, `{"__proto__":2}`}, {`{"constructor":1,"toString":2,"hasOwnProperty":3}`, same},
	{`{"a.b":1,"a":{"b":2}}`, same}, {`{"$set":1,"$":2,"$where":"x"}`, same}, {`{".":1,"..":2,"a.":3}`, same}, {`{"a,b":1,"\"":2,"\\":3}`, same},
	{`{"\u0000":1}`, same}, {`{"a\u0000b":1,"a":2}`, same}, {`{"\n":1}`, same}, {`{"id":1,"data":2,"order":3}`, same}, {`{"length":1}`, same},
	{`{"` + strings.Repeat("k", 1024) + `":1}`, same}, {`{"` + strings.Repeat("k", 1025) + `":1}`, "!a key is longer than 1024 bytes"},
	{`{"` + strings.Repeat("é", 512) + `":1}`, same}, {`{"` + strings.Repeat("é", 513) + `":1}`, "!longer than 1024"},
	{`{"` + strings.Repeat("k", 127) + `":1,"` + strings.Repeat("k", 128) + `":2}`, same},
	{"{", "!key in quotes, not the end of the text"}, {`{"a"`, "!colon"}, {`{"a":`, "!missing at the end"}, {`{"a":1`, "!comma or }"}, {`{"a":1,`, "!key in quotes"}, {`{"a":1,}`, "!key in quotes, not '}'"},
	{`{a:1}`, "!'a'"}, {`{'a':1}`, "!key in quotes"}, {`{1:1}`, "!'1'"}, {`{null:1}`, "!'n'"}, {`{"a" 1}`, "!colon"}, {`{"a":1 "b":2}`, "!comma or }, at byte"}, {`{,}`, "!','"}, {`{"a":}`, "!'}'"},
	{`{"a"::1}`, "!':'"}, {`{"a":1]`, "!']'"}, {"}", "!'}'"}, {`{"a","b"}`, "!colon"}, {`{["a"]:1}`, "!'['"},
	{"{\n  \"a\": 1,\n  \"é\": x\n}", "!'x', at byte 20 (line 3:8)"},

	// Depth.
	{strings.Repeat("[", 100) + strings.Repeat("]", 100), same},
	{strings.Repeat("[", 101) + strings.Repeat("]", 101), "!depth 101 of nested arrays and objects is over the limit of 100, at byte 100"},
	{strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), same},
	{strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101), "!depth 101"},
	{strings.Repeat("[", 100_000), "!depth 101"}, {strings.Repeat(`[{"a":`, 100_000), "!depth 101"}, {strings.Repeat("]", 100_000), "!']'"},
}

func TestJSONDecisions(t *testing.T) {
	if len(jsonRows) < 150 {
		t.Errorf("%d rows, want at least 150", len(jsonRows))
	}
	for _, row := range jsonRows {
		v, err := Parse([]byte(row.in), Limits{})
		name := row.in[:min(len(row.in), 60)]
		if message, refused := strings.CutPrefix(row.want, "!"); refused {
			var e *errs.Error
			// A row may give its message before and after a value in the middle, as "a, b".
			if !errors.As(err, &e) || e.Code != errs.InvalidInput {
				t.Errorf("Parse(%q) = %v, %v; want an invalid_input error", name, v, err)
			} else if !containsAll(e.Message, message) || !strings.Contains(e.Message, "at byte ") || !strings.Contains(e.Message, "(line ") {
				t.Errorf("Parse(%q) says %q; want %q, a byte offset and a line", name, e.Message, message)
			}
			continue
		}
		want := row.want
		if want == same {
			want = row.in
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", name, err)
			continue
		}
		if got := string(AppendJSON(nil, v)); got != want {
			t.Errorf("Parse(%q) gives %q, want %q", name, got, want)
		}
	}
}

func containsAll(s, parts string) bool {
	for part := range strings.SplitSeq(parts, ", ") {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// TestDocumentJSON runs the same rows, as a field, through an Encoder.
func TestDocumentJSON(t *testing.T) {
	e := NewEncoder(NewNames([]string{"x"}), Limits{Depth: 101})
	for _, row := range jsonRows {
		if strings.ContainsRune(row.in, 0xFEFF) && strings.HasPrefix(row.want, "!") || strings.HasPrefix(row.in, "}") || strings.HasPrefix(row.want, "!'}'") {
			continue
		}
		doc, err := e.AppendJSON([]byte("before"), []byte(`{"x":`+row.in+`}`))
		if strings.HasPrefix(row.want, "!") {
			if err == nil || string(doc) != "before" {
				t.Errorf("AppendJSON(%.60q) = %q, %v; want an error", row.in, doc, err)
			}
			continue
		}
		want := row.want
		if want == same {
			want = row.in
		}
		if err != nil || string(doc[:6]) != "before" {
			t.Errorf("AppendJSON(%.60q): %v", row.in, err)
			continue
		}
		if got := string(AppendJSON(nil, Stored(doc[6:], e.Names()).Column(0))); got != want {
			t.Errorf("AppendJSON(%.60q) gives %q, want %q", row.in, got, want)
		}
	}
	if len(e.Proposed()) != 0 {
		t.Errorf("proposed %q", e.Proposed())
	}
}

func TestNumberValues(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		goes any
	}{
		{"0", 0, 0.0}, {"-0", math.Copysign(0, -1), math.Copysign(0, -1)}, {"-0.0", math.Copysign(0, -1), math.Copysign(0, -1)},
		{"1e400", math.Inf(1), json.Number("1e400")}, {"-1e400", math.Inf(-1), json.Number("-1e400")},
		{"1e-400", 0, json.Number("1e-400")}, {"-1e-400", math.Copysign(0, -1), json.Number("-1e-400")},
		{"1.10", 1.1, 1.1}, {"1e2", 100, 100.0}, {"100.00", 100, 100.0}, {"0.001e3", 1, 1.0}, {"10e-1", 1, 1.0},
		{"12345678901234567890", 12345678901234567890, json.Number("12345678901234567890")},
		{"12345678901234567000", 12345678901234567000, 12345678901234567000.0},
		{"9007199254740993", 9007199254740992, json.Number("9007199254740993")}, {"9007199254740992", 1 << 53, float64(1 << 53)},
		{"0.30000000000000004", 0.30000000000000004, 0.30000000000000004},
		{"0.300000000000000044", 0.30000000000000004, json.Number("0.300000000000000044")},
		{"1e21", 1e21, 1e21}, {"1000000000000000000000", 1e21, 1e21}, {"0e5", 0, 0.0}, {"0.000e-9", 0, 0.0}, {"1E+2", 100, 100.0},
		{"5e-324", 5e-324, 5e-324}, {"4.9e-324", 5e-324, json.Number("4.9e-324")}, {"123456789.123456789", 123456789.12345679, json.Number("123456789.123456789")},
	} {
		v := mustParse(t, c.text)
		if got := v.Float(); got != c.want || math.Signbit(got) != math.Signbit(c.want) {
			t.Errorf("%s: Float is %v, want %v", c.text, got, c.want)
		}
		if got := v.Go(); got != c.goes {
			t.Errorf("%s: Go is %v (%T), want %v", c.text, got, got, c.goes)
		}
		if got := Of(json.Number(c.text)).Go(); got != c.goes {
			t.Errorf("%s: Go of a json.Number is %v (%T), want %v", c.text, got, got, c.goes)
		}
		if got := string(v.AppendNumber(nil)); got != c.text {
			t.Errorf("%s: digits are %s", c.text, got)
		}
	}
}

func TestLimits(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name string
		text string
		lim  Limits
		ok   bool
	}{
		{"keys at the default", keys(10_000), Limits{}, true},
		{"keys over the default", keys(10_001), Limits{}, false},
		{"keys unlimited", keys(20_000), Limits{Keys: -1}, true},
		{"keys at 3", keys(3), Limits{Keys: 3}, true},
		{"keys over 3", keys(4), Limits{Keys: 3}, false},
		{"repeated keys count", `{"a":1,"a":1,"a":1}`, Limits{Keys: 2}, false},
		{"keys per object", `[` + keys(3) + `,` + keys(3) + `]`, Limits{Keys: 3}, true},
		{"key bytes", `{"abc":1}`, Limits{KeyBytes: 3}, true},
		{"key bytes over", `{"abcd":1}`, Limits{KeyBytes: 3}, false},
		{"key bytes decoded", `{"\u0061\u0062\u0063":1}`, Limits{KeyBytes: 3}, true},
		{"key bytes unlimited", `{"` + strings.Repeat("k", 100_000) + `":1}`, Limits{KeyBytes: -1}, true},
		{"number bytes", "1234", Limits{NumberBytes: 4}, true},
		{"number bytes over", "12345", Limits{NumberBytes: 4}, false},
		{"number bytes unlimited", strings.Repeat("1", 1_000_000), Limits{NumberBytes: -1}, true},
		{"depth 2", "[[1]]", Limits{Depth: 2}, true},
		{"depth over 2", "[[[]]]", Limits{Depth: 2}, false},
		{"depth without limit is 10,000", deep(10_000), Limits{Depth: -1}, true},
		{"depth without limit ends", deep(10_001), Limits{Depth: -1}, false},
		{"depth over the most", deep(10_001), Limits{Depth: math.MaxInt}, false},
	} {
		v, err := Parse([]byte(c.text), c.lim)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, want ok %v", c.name, err, c.ok)
		}
		if err == nil && string(AppendJSON(nil, v)) != c.text && !strings.Contains(c.text, `\u`) {
			t.Errorf("%s: another text comes out", c.name)
		}
	}
}

// TestManyKeys holds repeated keys to linear time: 100,000 keys, each twice, take far less
// than the seconds that comparing each with each would.
func TestManyKeys(t *testing.T) {
	var b bytes.Buffer
	b.WriteByte('{')
	for round := range 2 {
		for i := range 100_000 {
			fmt.Fprintf(&b, `"key %d":%d,`, i, i+round)
		}
	}
	b.WriteString(`"key 0":"last"}`)
	began := time.Now()
	v, err := Parse(b.Bytes(), Limits{Keys: -1})
	if err != nil {
		t.Fatal(err)
	}
	e := NewEncoder(nil, Limits{Keys: -1})
	doc, err := e.AppendJSON(nil, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	d := Stored(doc, e.Names())
	for _, x := range []Value{v, d} {
		if x.Len() != 100_000 {
			t.Errorf("%d keys", x.Len())
		}
		for name, want := range map[string]string{"key 0": `"last"`, "key 1": "2", "key 5000": "5001", "key 99999": "100000"} {
			if got := x.Field(name).String(); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		if name, _ := x.FieldAt(0); name != "key 0" {
			t.Errorf("the first key is %q", name)
		}
	}
	if e.Names().Len() != MaxNames {
		t.Errorf("%d names", e.Names().Len())
	}
	if !Equal(v, d) {
		t.Error("object and document differ")
	}
}

func TestTooBig(t *testing.T) {
	for _, text := range []string{
		`["` + strings.Repeat("x", 100) + `"]`, `{"a":"` + strings.Repeat("x", 100) + `"}`,
		`{"` + strings.Repeat("x", 100) + `":1}`,
	} {
		w := &writer{lim: Limits{}.filled(), most: 100}
		w.start(nil)
		if err := w.scanText([]byte(text), false); err == nil || !strings.Contains(err.Error(), "more than 100 bytes") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func mustParse(tb testing.TB, text string) Value {
	tb.Helper()
	v, err := Parse([]byte(text), Limits{})
	if err != nil {
		tb.Fatalf("Parse(%.100q): %v", text, err)
	}
	return v
}
