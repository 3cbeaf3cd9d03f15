package document

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// pairs is an OrderedObject for tests.
type pairs []any

func (p pairs) Len() int               { return len(p) / 2 }
func (p pairs) At(i int) (string, any) { return p[2*i].(string), p[2*i+1] }

// sources returns one object as every kind of Value: stored with names in it, as a document,
// as a Go map and as an ordered object.
func sources(t *testing.T) map[string]Value {
	t.Helper()
	text := `{"b":1,"a":"x","list":[1,"two",[3],{"k":4}],"in":{"z":true,"y":null},"n":1.10}`
	e := NewEncoder(NewNames([]string{"n", "a"}), Limits{})
	doc, err := e.AppendJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list := []any{1, "two", []any{int8(3)}, map[string]any{"k": uint16(4)}}
	in := pairs{"z", true, "y", nil}
	return map[string]Value{
		"object":   mustParse(t, text),
		"document": Stored(doc, e.Names()),
		"map":      Of(map[string]any{"b": 1, "a": "x", "list": list, "in": in, "n": json.Number("1.10")}),
		"ordered":  Of(pairs{"b", 1, "a", "x", "list", list, "in", in, "n", json.Number("1.10")}),
	}
}

func TestAccessors(t *testing.T) {
	for name, v := range sources(t) {
		t.Run(name, func(t *testing.T) {
			if v.Kind() != Object || v.Len() != 5 {
				t.Fatalf("kind %v of %d", v.Kind(), v.Len())
			}
			for _, c := range []struct {
				what      string
				got, want any
			}{
				{"b", v.Field("b").Float(), 1.0},
				{"a", v.Field("a").Str(), "x"},
				{"a's length", v.Field("a").Len(), 1},
				{"n", string(v.Field("n").AppendNumber(nil)), "1.10"},
				{"n as a double", v.Field("n").Float(), 1.1},
				{"missing", v.Field("missing").Kind(), Absent},
				{"list", v.Field("list").Len(), 4},
				{"list.1", v.Field("list").At(1).Str(), "two"},
				{"list.2.0", v.Field("list").At(2).At(0).Float(), 3.0},
				{"list.3.k", v.Field("list").At(3).Field("k").Float(), 4.0},
				{"list.4", v.Field("list").At(4).Kind(), Absent},
				{"list.-1", v.Field("list").At(-1).Kind(), Absent},
				{"in.z", v.Field("in").Field("z").Bool(), true},
				{"in.y", v.Field("in").Field("y").Kind(), Null},
				{"a field of a string", v.Field("a").Field("x").Kind(), Absent},
				{"an item of an object", v.At(0).Kind(), Absent},
				{"text of a number", v.Field("b").Str(), ""},
				{"number of a text", v.Field("a").Float(), 0.0},
				{"digits of a text", string(v.Field("a").AppendNumber([]byte("-"))), "-"},
				{"truth of a number", v.Field("b").Bool(), false},
				{"length of a number", v.Field("b").Len(), 0},
			} {
				if c.got != c.want {
					t.Errorf("%s is %v, want %v", c.what, c.got, c.want)
				}
			}
			var keys []string
			for key, e := range v.Fields() {
				keys = append(keys, key)
				if !Equal(e, v.Field(key)) {
					t.Errorf("Fields and Field differ for %s", key)
				}
			}
			want := []string{"b", "a", "list", "in", "n"}
			if name == "map" {
				slices.Sort(want)
			}
			if !slices.Equal(keys, want) {
				t.Errorf("keys are %q, want %q", keys, want)
			}
			for i, key := range want {
				if k, e := v.FieldAt(i); k != key || !Equal(e, v.Field(key)) {
					t.Errorf("field %d is %s %v", i, k, e)
				}
			}
			for _, i := range []int{-1, 5} {
				if k, e := v.FieldAt(i); k != "" || e.Kind() != Absent {
					t.Errorf("field %d is %s %v", i, k, e)
				}
			}
			i := 0
			for e := range v.Field("list").Items() {
				if !Equal(e, v.Field("list").At(i)) {
					t.Errorf("item %d is %v", i, e)
				}
				i++
			}
			if i != 4 {
				t.Errorf("%d items", i)
			}
			for range v.Fields() {
				break
			}
			for range v.Field("list").Items() {
				break
			}
			plain := map[string]any{"b": 1.0, "a": "x", "list": []any{1.0, "two", []any{3.0}, map[string]any{"k": 4.0}},
				"in": map[string]any{"z": true, "y": nil}, "n": 1.1}
			if got := v.Go(); !reflect.DeepEqual(got, plain) {
				t.Errorf("Go gives %v", got)
			}
		})
	}
	all := sources(t)
	for n1, a := range all {
		for n2, b := range all {
			if !Equal(a, b) || Compare(a, b) != 0 || string(CanonicalKey(nil, a)) != string(CanonicalKey(nil, b)) || string(AppendKey(nil, a)) != string(AppendKey(nil, b)) {
				t.Errorf("%s and %s differ", n1, n2)
			}
		}
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		v    any
		kind Kind
		text string
	}{
		{nil, Null, "null"}, {true, Bool, "true"}, {false, Bool, "false"}, {"s", String, `"s"`},
		{int(-1), Number, "-1"}, {int8(-8), Number, "-8"}, {int16(-16), Number, "-16"}, {int32(-32), Number, "-32"},
		{int64(math.MinInt64), Number, "-9223372036854775808"}, {uint(1), Number, "1"}, {uint8(8), Number, "8"},
		{uint16(16), Number, "16"}, {uint32(32), Number, "32"}, {uint64(math.MaxUint64), Number, "18446744073709551615"},
		{uintptr(5), Number, "5"}, {float32(3.1), Number, "3.1"}, {3.1, Number, "3.1"}, {1e21, Number, "1e+21"},
		{math.Copysign(0, -1), Number, "-0"}, {math.Inf(1), Number, "null"}, {math.NaN(), Number, "null"},
		{json.Number("1.10"), Number, "1.10"}, {json.Number(""), Absent, "null"}, {json.Number("x"), Absent, "null"}, {json.Number("0x1"), Absent, "null"},
		{[]any{}, Array, "[]"}, {[]any(nil), Array, "[]"}, {map[string]any(nil), Object, "{}"}, {pairs{"k", 1}, Object, `{"k":1}`},
		{Of("v"), String, `"v"`}, {Value{}, Absent, "null"}, {[]any{Value{}, 1}, Array, "[null,1]"}, {pairs{"a", Value{}, "b", 2}, Object, `{"b":2}`},
		{struct{}{}, Absent, "null"}, {[]int{1}, Absent, "null"}, {[]any{[]int{1}}, Array, "[null]"},
	} {
		v := Of(c.v)
		if v.Kind() != c.kind || string(AppendJSON(nil, v)) != c.text {
			t.Errorf("Of(%#v) is %v %s, want %v %s", c.v, v.Kind(), AppendJSON(nil, v), c.kind, c.text)
		}
		if f := v.Float(); c.kind != Number && f != 0 {
			t.Errorf("Of(%#v) is the number %v", c.v, f)
		}
		if c.kind == Number && !math.IsNaN(v.Float()) {
			if f := mustParse(t, strings.Replace(c.text, "null", "1e400", 1)).Float(); f != v.Float() {
				t.Errorf("Of(%#v) is the number %v, want %v", c.v, v.Float(), f)
			}
		}
	}
	for kind, want := range []string{"absent", "null", "boolean", "number", "string", "array", "object", "unknown"} {
		if got := Kind(kind).String(); got != want {
			t.Errorf("kind %d is %q", kind, got)
		}
	}
	if (Value{}).Kind() != Absent || (Value{}).IsStored() || (Value{}).Raw() != nil || (Value{}).String() != "absent" {
		t.Error("the zero Value is not absent")
	}
	if v := Stored(nil, nil); v.Kind() != Absent {
		t.Error("no bytes are not absent")
	}
	if v := mustParse(t, "[1]"); !v.IsStored() || len(v.Raw()) == 0 || v.Names() != nil {
		t.Error("a stored value is not stored")
	}
}

func TestNames(t *testing.T) {
	var none *Names
	if _, ok := none.Lookup("a"); ok || none.Len() != 0 || none.Name(0) != "" {
		t.Error("a nil Names is not empty")
	}
	a := NewNames([]string{"x", "y", "x"})
	if col, ok := a.Lookup("x"); !ok || col != 0 || a.Len() != 3 || a.Name(2) != "x" || a.Name(3) != "" {
		t.Error("the first number of a repeated name does not count")
	}
	b := a.Extend([]string{"z"})
	if col, ok := b.Lookup("z"); !ok || col != 3 || a.Len() != 3 {
		t.Error("Extend")
	}
	if _, ok := a.Lookup("z"); ok {
		t.Error("Extend changed the original")
	}
	if n := NewNames(make([]string, MaxNames+1)).Len(); n != MaxNames {
		t.Errorf("%d names", n)
	}
}

// TestNoAllocations holds the hot paths to allocating nothing.
func TestNoAllocations(t *testing.T) {
	e, doc, v := benchDoc(t)
	inline := mustParse(t, string(benchText))
	s := NewSealer("entries")
	key := []byte("key")
	sealed := s.Seal(nil, key, 0, doc)
	var m any = map[string]any{"a": "x", "b": 1.5}
	patch, err := e.AppendJSON(nil, []byte(`{"Age":33}`))
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 0, 1<<12)
	name := "Email"
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"Column", func() { sinkValue = v.Column(3) }},
		{"Column, missing", func() { sinkValue = v.Column(300) }},
		{"Field of a document", func() { sinkValue = v.Field(name) }},
		{"Field of an object", func() { sinkValue = inline.Field(name) }},
		{"Field of a map", func() { sinkValue = Of(m).Field("a") }},
		{"Field, missing", func() { sinkValue = v.Field("missing") }},
		{"FieldAt", func() { _, sinkValue = v.FieldAt(2) }},
		{"At", func() { sinkValue = v.Field("Tags").At(1) }},
		{"Float", func() { sinkInt = int(v.Field("Salary").Float()) }},
		{"Str", func() { sinkInt = len(v.Field("Email").Str()) }},
		{"Len", func() { sinkInt = v.Len() }},
		{"Fields", func() {
			for name, e := range v.Fields() {
				sinkInt += len(name) + e.Len()
			}
		}},
		{"Items", func() {
			for e := range v.Field("Tags").Items() {
				sinkInt += e.Len()
			}
		}},
		{"Open", func() { _, sinkBytes, _, _ = s.Open(key, sealed) }},
		{"Open by name", func() { _, sinkBytes, _, _ = Open("entries", key, sealed) }},
		{"SealInPlace", func() { s.SealInPlace(sealed, key, 0) }},
		{"Seal", func() { room = s.Seal(room[:0], key, 0, doc) }},
		{"AppendJSON", func() { room = AppendJSON(room[:0], v) }},
		{"AppendKey", func() { room = AppendKey(room[:0], v) }},
		{"CanonicalKey", func() { room = CanonicalKey(room[:0], v) }},
		{"Compare", func() { sinkInt = Compare(v, inline) }},
		{"Equal", func() { _ = Equal(v, inline) }},
		{"CompareStrings", func() { sinkInt = CompareStrings("Grüße", "grüSSe") }},
		{"Encoder.AppendJSON", func() { room, _ = e.AppendJSON(room[:0], benchText) }},
		{"Encoder.AppendValue", func() { room, _ = e.AppendValue(room[:0], inline) }},
		{"Merge", func() { room = Merge(room[:0], doc, patch) }},
		{"Remap", func() { room = Remap(room[:0], doc, 0, nil) }},
		{"Select", func() { room = Select(room[:0], doc, func(col uint16, _ string) bool { return col < 3 }) }},
	} {
		if raceEnabled && (c.what == "Merge" || c.what == "Select") {
			continue // the race detector makes sync.Pool forget things on purpose
		}
		c.do()
		if n := testing.AllocsPerRun(100, c.do); n != 0 {
			t.Errorf("%s allocates %v times", c.what, n)
		}
	}
}

func TestStrSharesMemory(t *testing.T) {
	raw := append([]byte(nil), mustParse(t, `"abc"`).Raw()...)
	s := Stored(raw, nil).Str()
	raw[1] = 'X'
	if s != "Xbc" {
		t.Errorf("Str copied: %q", s)
	}
	raw[1] = 'a'
	got := Stored(raw, nil).Go()
	raw[1] = 'X'
	if got != "abc" {
		t.Errorf("Go did not copy: %q", got)
	}
}

// TestOverlappingItems walks offsets that go back and forth, nested: were each overlap walked,
// the walk would take 2^40 steps.
func TestOverlappingItems(t *testing.T) {
	raw := []byte{tagNull}
	for range 40 {
		n := byte(len(raw))
		w := append([]byte{tagArray}, raw...)
		raw = append(w, n, 0, n, 0, n, 5, 0)
	}
	v := Stored(raw, nil)
	_ = AppendJSON(nil, v)
	_ = Compare(v, v)
	_ = Equal(v, v)
	_ = AppendKey(nil, v)
	_ = CanonicalKey(nil, v)
	_ = v.Go()
}

// TestDeepStored walks bytes nested deeper than any limit lets through.
func TestDeepStored(t *testing.T) {
	w := &writer{lim: unlimited.filled()}
	w.lim.Depth = 50_000
	w.start(nil)
	for range w.lim.Depth {
		w.open(tagArray)
	}
	w.close()
	for len(w.frames) > 0 {
		w.endItem()
		w.close()
	}
	v := Stored(w.finish(), nil)
	if n := len(AppendJSON(nil, v)); n > 2*deepest+10 {
		t.Errorf("%d bytes of text", n)
	}
	if Compare(v, v) != 0 || !Equal(v, v) {
		t.Error("differs from itself")
	}
	_ = AppendKey(nil, v)
	_ = CanonicalKey(nil, v)
	_ = v.Go()
}

// TestJSONOfBadText writes strings and keys that are not UTF-8, which only Go values and
// damaged bytes hold.
func TestJSONOfBadText(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Of("a\xffb"), "\"a\uFFFDb\""}, {Of("eight bytes \xc3"), "\"eight bytes \uFFFD\""}, {Of("\xff\n"), "\"\uFFFD\\n\""},
		{Of(map[string]any{"\xff": 1}), "{\"\uFFFD\":1}"}, {Stored([]byte{tagString, 0xE2, 0x82}, nil), "\"\uFFFD\uFFFD\""},
	} {
		if got := string(AppendJSON(nil, c.v)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
