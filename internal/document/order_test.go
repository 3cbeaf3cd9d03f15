package document

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// inOrder lists values from first to last; those on one line stand in the same place.
var inOrder = [][]string{
	{"-1e400", "-1e500"}, {"-1.7976931348623157e308"}, {"-2"}, {"-1", "-1.0", "-10e-1"}, {"-5e-324"},
	{"0", "-0", "0.0", "1e-400", "-1e-400"}, {"5e-324"}, {"0.1", "0.10"}, {"1", "1.0", "1e0"}, {"2"}, {"10"},
	{"9007199254740992", "9007199254740993"}, {"9007199254740994"}, {"1e21"}, {"1e400", "2e500"},
	{`""`}, {`"\u0000"`}, {`"\u0000\u0000"`}, {`"\u0000a"`}, {`"\u0001"`}, {`" "`}, {`"1"`}, {`"10"`}, {`"2"`}, {`"_"`}, {`"A"`}, {`"a"`}, {`"a\u0000"`}, {`"AA"`}, {`"Aa"`}, {`"aA"`}, {`"aa"`},
	{`"AB"`}, {`"aB"`}, {`"ab"`}, {`"ABC"`}, {`"abc"`}, {`"B"`}, {`"b"`}, {`"K"`}, {`"k"`}, {`"\u212a"`}, {`"KL"`}, {`"kl"`}, {`"\u212al"`}, {`"SS"`}, {`"ss"`}, {`"ſs"`}, {`"z"`}, {`"É"`}, {`"é"`},
	{`"Σ"`}, {`"ς"`}, {`"σ"`}, {`"Я"`}, {`"я"`}, {`"中"`}, {`"\uffff"`}, {`"😀"`},
	{"{}"}, {`{"":1}`}, {`{"A":1}`}, {`{"a":1}`}, {`{"a":1,"b":1}`, `{"b":1,"a":1}`}, {`{"a":1,"c":0}`}, {`{"a":2}`}, {`{"a":"x"}`}, {`{"a":{}}`}, {`{"a":[]}`}, {`{"a":false}`}, {`{"a":null}`}, {`{"a\u0000":1}`}, {`{"aa":1}`}, {`{"b":0}`},
	{"[]"}, {"[1]"}, {"[1,1]"}, {"[1,2]"}, {"[2]"}, {`["a"]`}, {"[{}]"}, {"[[]]"}, {"[[1]]"}, {"[false]"}, {"[true]"}, {"[null]"}, {"[null,1]"}, {"[null,null]"},
	{"false"}, {"true"}, {"null"},
}

func TestOrder(t *testing.T) {
	type placed struct {
		v     Value
		place int
		text  string
	}
	var all []placed
	for place, line := range inOrder {
		for _, text := range line {
			v := mustParse(t, text)
			all = append(all, placed{v, place, text}, placed{Of(v.Go()), place, text + " in Go"})
		}
	}
	all = append(all, placed{Value{}, len(inOrder) - 1, "absent"})
	for _, a := range all {
		for _, b := range all {
			want := a.place - b.place
			if got := Compare(a.v, b.v); sign(got) != sign(want) {
				t.Errorf("Compare(%s, %s) is %d, want %d", a.text, b.text, sign(got), sign(want))
			}
			ka, kb := AppendKey(nil, a.v), AppendKey(nil, b.v)
			if got := bytes.Compare(ka, kb); got != sign(want) {
				t.Errorf("keys of %s and %s: %d, want %d\n%x\n%x", a.text, b.text, got, sign(want), ka, kb)
			}
			if want != 0 && bytes.HasPrefix(ka, kb) {
				t.Errorf("the key of %s begins that of %s", b.text, a.text)
			}
			InvertKey(ka)
			InvertKey(kb)
			if got := bytes.Compare(ka, kb); got != -sign(want) {
				t.Errorf("inverted keys of %s and %s: %d", a.text, b.text, got)
			}
			same := want == 0 && (a.v.Kind() == Absent) == (b.v.Kind() == Absent)
			if got := Equal(a.v, b.v); got != same {
				t.Errorf("Equal(%s, %s) is %v", a.text, b.text, got)
			}
			if got := bytes.Equal(CanonicalKey(nil, a.v), CanonicalKey(nil, b.v)); got != same {
				t.Errorf("canonical keys of %s and %s: equal is %v", a.text, b.text, got)
			}
		}
	}
}

// TestKeyLayout holds the bytes of keys, which index files are made of.
func TestKeyLayout(t *testing.T) {
	far := strings.Repeat("x", 0x7B)
	for _, c := range []struct{ text, want string }{
		{"null", "\x60"}, {"false", "\x50"}, {"true", "\x51"},
		{"0", "\x10\x80\x00\x00\x00\x00\x00\x00\x00"}, {"-0", "\x10\x80\x00\x00\x00\x00\x00\x00\x00"},
		{"1", "\x10\xbf\xf0\x00\x00\x00\x00\x00\x00"}, {"-1", "\x10\x40\x0f\xff\xff\xff\xff\xff\xff"},
		{`""`, "\x20\x00\x01\x80"}, {`"ab"`, "\x20ab\x00\x01\x80"}, {`"aB"`, "\x20ab\x00\x01\x02\x80"}, {`"AB"`, "\x20ab\x00\x01\x01\x01\x80"},
		{`"K"`, "\x20k\x00\x01\x01\x00\x80"}, {`"\u212a"`, "\x20k\x00\x01\xff\x02\x80"}, {`"a\u0000"`, "\x20a\x00\xff\x00\x01\x80"},
		{`"` + far + `A"`, "\x20" + far + "a\x00\x01\x7c\x00\x00\x00\x7b\x80"}, {`"` + far + `\u212a"`, "\x20" + far + "k\x00\x01\x84\xff\xff\xff\x84\x02\x80"},
		{"[]", "\x40\x00"}, {"[null,true]", "\x40\x60\x51\x00"}, {"{}", "\x30\x00"}, {`{"b":true,"A":null}`, "\x30\x01A\x00\x01\x60\x01b\x00\x01\x51\x00"},
	} {
		if got := string(AppendKey(nil, mustParse(t, c.text))); got != c.want {
			t.Errorf("the key of %.40s is %x, want %x", c.text, got, c.want)
		}
	}
}

// TestFold compares with the classes that Unicode makes, for every code point.
func TestFold(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		f := Fold(r)
		if o := Fold(unicode.SimpleFold(r)); o != f {
			t.Fatalf("%U folds to %U, but %U of its class to %U", r, f, unicode.SimpleFold(r), o)
		}
		if f != r {
			member := false
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				member = member || o == f
			}
			if !member {
				t.Fatalf("%U folds to %U, which is not of its class", r, f)
			}
		}
	}
	for r, want := range map[rune]rune{'A': 'a', 'É': 'é', 'ß': 'ß', 'ẞ': 'ß', 'Σ': 'σ', 'ς': 'σ', 'µ': 'μ', 'K': 'k', 'ſ': 's', 'İ': 'İ', 'ı': 'ı', 'Ǆ': 'ǆ', 'ǅ': 'ǆ', 'Ꭰ': 'Ꭰ', 'ꭰ': 'Ꭰ', 'ᏸ': 'Ᏸ', '_': '_'} {
		if got := Fold(r); got != want {
			t.Errorf("%c folds to %c, want %c", r, got, want)
		}
	}
}

// TestStringKeys compares keys with CompareStrings over texts that nearly fold to the same.
func TestStringKeys(t *testing.T) {
	letters := []string{"a", "A", "k", "K", "\u212a", "s", "S", "ſ", "\x00", "é", "É", "σ", "Σ", "ς", "ꭰ", "Ꭰ", "😀", "_", "\xff", "\uFFFD"}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		var b strings.Builder
		for range rng.IntN(6) {
			if rng.IntN(20) == 0 {
				b.WriteString(strings.Repeat("a", 118+rng.IntN(12)))
			}
			b.WriteString(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	for range 200_000 {
		a := random()
		b := random()
		if rng.IntN(2) == 0 { // another spelling of a
			b = ""
			for _, r := range a {
				for range rng.IntN(3) {
					r = unicode.SimpleFold(r)
				}
				b += string(r)
			}
		}
		want := sign(CompareStrings(a, b))
		if got := bytes.Compare(AppendStringKey(nil, a), AppendStringKey(nil, b)); got != want {
			t.Fatalf("keys of %q and %q: %d, want %d", a, b, got, want)
		}
		fa, fb := []rune(a), []rune(b) // the definition, as spec 4.2 words it
		exact := slices.Compare(fa, fb)
		for i := range fa {
			fa[i] = Fold(fa[i])
		}
		for i := range fb {
			fb[i] = Fold(fb[i])
		}
		if c := slices.Compare(fa, fb); c != 0 {
			exact = c
		}
		if exact != want {
			t.Fatalf("CompareStrings(%q, %q) is %d, want %d", a, b, want, exact)
		}
	}
}

// genValue draws any JSON value as Go data.
func genValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 9
		if depth == 0 {
			kinds = 7
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return float64(rapid.IntRange(-3, 3).Draw(t, "small"))
		case 3:
			return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
		case 4:
			return rapid.StringOfN(rapid.RuneFrom([]rune("aAkK\u212aé\x00")), 0, 3, -1).Draw(t, "near")
		case 5:
			return rapid.String().Draw(t, "string")
		case 6:
			return rapid.Int64().Draw(t, "int")
		case 7:
			return rapid.SliceOfN(genValue(depth-1), 0, 3).Draw(t, "list")
		default:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "A", "b", "", "a\x00"}), genValue(depth-1), 0, 3).Draw(t, "map")
		}
	})
}

func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := genValue(2)
		var v [3]Value
		var keys [3][]byte
		for i := range v {
			x := g.Draw(t, "value")
			s, err := FromGo(x, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			v[i] = s
			keys[i] = AppendKey(nil, s)
			if !Equal(s, Of(x)) || Compare(s, Of(x)) != 0 || !bytes.Equal(keys[i], AppendKey(nil, Of(x))) {
				t.Fatalf("%v and its stored form differ", x)
			}
		}
		for i := range v {
			for j := range v {
				c := sign(Compare(v[i], v[j]))
				if c != -sign(Compare(v[j], v[i])) {
					t.Fatalf("%v and %v compare differently the other way", v[i], v[j])
				}
				if bytes.Compare(keys[i], keys[j]) != c {
					t.Fatalf("keys of %v and %v", v[i], v[j])
				}
				if e := Equal(v[i], v[j]); e != (c == 0) || e != bytes.Equal(CanonicalKey(nil, v[i]), CanonicalKey(nil, v[j])) {
					t.Fatalf("equality of %v and %v", v[i], v[j])
				}
				// Keys one after the other order as the pairs do.
				for k := range v {
					a, b := append(slices.Clone(keys[i]), keys[k]...), append(slices.Clone(keys[j]), keys[0]...)
					want := c
					if want == 0 {
						want = bytes.Compare(keys[k], keys[0])
					}
					if bytes.Compare(a, b) != want {
						t.Fatalf("concatenated keys of %v and %v", v[i], v[j])
					}
				}
			}
		}
		sorted := slices.Clone(v[:])
		slices.SortFunc(sorted, Compare)
		if Compare(sorted[0], sorted[2]) > 0 {
			t.Fatalf("not transitive: %v", sorted)
		}
	})
}

func sign(c int) int {
	switch {
	case c < 0:
		return -1
	case c > 0:
		return 1
	}
	return 0
}
