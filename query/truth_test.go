package query

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// tableRows reads the rows of a table in the form of the specification, without the two lines
// of its head.
func tableRows(t *testing.T, file string) (head []string, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for j := range cells {
			cells[j] = strings.TrimSpace(strings.Trim(cells[j], "| "))
		}
		switch i {
		case 0:
			head = cells
		case 1:
		default:
			rows = append(rows, cells)
		}
	}
	return head, rows
}

// TestTruthTable holds every cell of the table of operands and values, for the bare matcher
// and for a data source.
func TestTruthTable(t *testing.T) {
	head, rows := tableRows(t, "testdata/truth.md")
	cells := 0
	for _, row := range rows {
		if len(row) != len(head) {
			t.Fatalf("row %q has %d cells, the head %d", row[0], len(row), len(head))
		}
		where := `{"x":` + strings.Trim(row[0], "`") + `}`
		bare, err := Compile(where)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		data, err := Compile(where, ForDataSource())
		if err != nil {
			t.Fatalf("%s on a data source: %v", where, err)
		}
		bound := data.Bind(Schema{Columns: func(s string) bool { return s == "x" }})
		for i, cell := range row[1:] {
			value := strings.Trim(head[i+1], "`")
			doc := `{"x":` + value + `}`
			if value == "absent" {
				doc = `{}`
			}
			wantBare, wantData, ok := strings.Cut(cell, "→")
			if !ok {
				wantData = wantBare
			}
			for form, d := range forms(t, []byte(doc)) {
				if got := bare.Match(d); got != (wantBare == "T") {
					t.Errorf("%s on %s (%s): got %v", where, doc, form, got)
				}
				if got := data.Match(d); got != (wantData == "T") {
					t.Errorf("%s on %s (%s), data source: got %v", where, doc, form, got)
				}
				if got := bound.Match(d); got != (wantData == "T") {
					t.Errorf("%s on %s (%s), bound: got %v", where, doc, form, got)
				}
			}
			cells++
		}
	}
	if cells < 1300 {
		t.Errorf("the table has only %d cells", cells)
	}
}

func TestPathTable(t *testing.T) {
	_, rows := tableRows(t, "testdata/paths.md")
	code := regexp.MustCompile("`([^`]+)`")
	var docs [][]string
	for _, row := range rows {
		docs = code.FindAllStringSubmatch(row[1], -1)
		if row[1] == "same" {
			docs = [][]string{{"", `{"a":[{"b":5,"c":0},{"b":4,"c":6}]}`}}
		}
		want := strings.HasPrefix(row[2], "T")
		for _, w := range code.FindAllStringSubmatch(row[0], -1) {
			for _, d := range docs {
				m, err := Compile(w[1])
				if err != nil {
					t.Fatal(err)
				}
				for form, doc := range forms(t, []byte(d[1])) {
					if got := m.Match(doc); got != want {
						t.Errorf("%s on %s (%s): got %v", w[1], d[1], form, got)
					}
				}
			}
		}
	}
	// The row that differs on a data source.
	m, _ := Compile(`{"a.b":5}`, ForDataSource())
	m = m.Bind(Schema{Columns: func(s string) bool { return s == "a.b" }})
	if !m.Match(map[string]any{"a.b": 5}) {
		t.Error(`{"a.b":5} does not match the column "a.b" of a data source`)
	}
}

// TestLayers holds what the bare matcher does because the recorded vectors ask for it, and a
// data source does as the rules say.
func TestLayers(t *testing.T) {
	for _, c := range []struct {
		where, doc string
		bare, data bool
	}{
		{`{"x":{"y":{"$exists":false}}}`, `{}`, false, true},
		{`{"x":{"y":{"$exists":false}}}`, `{"x":null}`, false, true},
		{`{"x":{"y":{"$exists":true}}}`, `{}`, false, false},
		{`{"x":{"$not":{"y":{"$exists":true}}}}`, `{}`, false, true},
		{`{"x":{"$elemMatch":{"$exists":true}}}`, `{"x":[1]}`, false, true},
		{`{"x":{"$not":{"$match":{"a":{"b":1}}}}}`, `{"x":{"a":1}}`, false, true},
		{`{"x":{"$match":{"a":{"b":1}}}}`, `{"x":{"a":{"b":1}}}`, true, true},
		{`{"x.0":"a"}`, `{"x":"abc"}`, true, false},
		{`{"x":{"$mod":"42"}}`, `{"x":2}`, true, false},
		{`{"x.length":3}`, `{"x":"abc"}`, false, false},
		{`{"x":{"$in":[{"$exists":false}]}}`, `{}`, true, true},
		{`{"constructor":{"$exists":true}}`, `{}`, false, false},
		{`{"x":"[object Object]"}`, `{"x":{}}`, false, false},
		{`{"x":"[object Object]"}`, `{"x":[[{}]]}`, false, false},
	} {
		for _, layer := range []struct {
			name string
			opts []Option
			want bool
		}{{"bare", nil, c.bare}, {"data source", []Option{ForDataSource()}, c.data}} {
			m, err := Compile(c.where, layer.opts...)
			if err != nil {
				t.Fatal(err)
			}
			for form, doc := range forms(t, []byte(c.doc)) {
				if got := m.Match(doc); got != layer.want {
					t.Errorf("%s on %s (%s, %s): got %v", c.where, c.doc, layer.name, form, got)
				}
			}
		}
	}
}

// TestComparable holds the examples of the number that ordering sees in a text.
func TestComparable(t *testing.T) {
	for text, want := range map[string]float64{
		"17:30": 1730, "9:05": 905, "$1,234.50": 1, "5 km/h": 5, "v2": 2, "1 234": 1234, "1e5": 15,
		"2018/01/30": 201801, "5a1e3": 51000, "-5": -5, ".5": .5, "5.": 5, "-.5": -.5, "1.5.5": 1.5,
		"2020-01-02": 1577923200000, "2020-02-30": 1583020800000, "01-02-2020": 1577923200000,
		"01.02.2020": 1577923200000, "2020.01.02": 1577923200000, "2020-01-02T03:04": 1577934240000,
		"2020-01-02 03:04:05.678Z": 1577934245678, "2020-01-02T03:04+01:00": 1577930640000,
		"12-25-49": 2524003200000, "12-25-50": -600220800000, "01-02-2020 01:00 PM": 1577970000000,
		"2020-01-02 12:00 AM": 1577923200000,
	} {
		if got, ok := comparableText(text); !ok || got != want {
			t.Errorf("%q: got %v %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"abc", "", "--5", "25-12-2018", "2020-13-01", "2020-01-02 soon", "2020-01-02T25:00", "-", "2020-01-02 13:00 PM"} {
		if got, ok := comparableText(text); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}

func TestLooseNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, " \u00a05\n": 5, "0x1F": 31, "0o17": 15, "0b11": 3, "+5": 5, "-5.5e1": -55, ".5": .5, "5.": 5, "1e400": inf(),
		"Infinity": inf(), "0xFFFFFFFFFFFFFFFFFF": 4722366482869645213695,
	} {
		if got, ok := toNumber(text); !ok || got != want {
			t.Errorf("%q: got %v %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"abc", "5 5", "1_0", "inf", "nan", "NaN", "-0x10", "0x", "1e", ".", "e5", "0x1.8p1", "infinity"} {
		if got, ok := toNumber(text); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}

func inf() float64 { return document.Of([]any{1e308}).At(0).Float() * 10 }

func TestNumberText(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 5: "5", -5: "-5", 1.10: "1.1", 1e21: "1e+21", 1e20: "100000000000000000000", 1e-6: "0.000001", 1e-7: "1e-7",
		1.5e-10: "1.5e-10", 123456789012345680: "123456789012345680", 1e100: "1e+100", 2.5e-7: "2.5e-7",
	} {
		if got := string(appendNumber(nil, f)); got != want {
			t.Errorf("%g: got %s, want %s", f, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range [][2]string{{"ABC", "abc"}, {"ΑΣ", "ας"}, {"ΑΣΑ", "ασα"}, {"Σ", "σ"}, {"İx", "i̇x"}, {"K", "k"}} {
		if got := lower(c[0]); got != c[1] {
			t.Errorf("lower(%q) = %q, want %q", c[0], got, c[1])
		}
	}
	n := newNeedle("K", true)
	if !n.in([]byte("5 \u212A")) {
		t.Error("the Kelvin sign does not contain k")
	}
	if compareUTF16("\U0001F600", "\uFFFD") >= 0 || compareUTF16("a", "b") >= 0 || compareUTF16("ab", "a") <= 0 {
		t.Error("texts are not ordered by UTF-16 units")
	}
}

// TestPatterns holds what % means in $like on a data source.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		operand, text string
		want          bool
	}{
		{"abc", "xabcx", true}, {"abc%", "abcx", true}, {"abc%", "xabc", false}, {"%abc", "xabc", true},
		{"%b%", "abc", true}, {"a%c", "abbc", true}, {"a%c", "ac", true}, {"a%bc%c", "abc", false}, {"%", "", true}, {"%%", "x", true},
		{`50\%`, "a 50% b", true}, {`50\%`, "50", false}, {`50\%%`, "50% off", true}, {`50\%%`, "a 50%", false},
		{"a_c", "abc", false}, {"a_c", "xa_cx", true}, {"aba%aba", "aba", false}, {`a\b`, `a\b`, true},
	} {
		m, err := Compile(M{"x": M{"$like": c.operand}}, ForDataSource())
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(M{"x": c.text}); got != c.want {
			t.Errorf("$like %q on %q: got %v", c.operand, c.text, got)
		}
		m, _ = Compile(M{"x": M{"$iLike": strings.ToUpper(c.operand)}}, ForDataSource())
		if got := m.Match(M{"x": c.text}); got != c.want {
			t.Errorf("$iLike %q on %q: got %v", c.operand, c.text, got)
		}
	}
}
