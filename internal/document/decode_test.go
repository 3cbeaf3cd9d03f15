package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// decodeTypes are the types that every text is decoded into.
var decodeTypes = []reflect.Type{
	reflect.TypeFor[decRow](), reflect.TypeFor[decScalars](), reflect.TypeFor[decNested](), reflect.TypeFor[decMaps](),
	reflect.TypeFor[decCustom](), reflect.TypeFor[decEmbeds](), reflect.TypeFor[decCases](), reflect.TypeFor[decQuoted](),
	decOdd, reflect.TypeFor[any](), reflect.TypeFor[decList](), reflect.TypeFor[decMap](),
	reflect.TypeFor[[]decCases](), reflect.TypeFor[*[]float32](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](),
	reflect.TypeFor[[3]string](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[float32](),
	reflect.TypeFor[upper](), reflect.TypeFor[struct{ upper }](), reflect.TypeFor[flags](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint64](), reflect.TypeFor[map[int8]int](), reflect.TypeFor[[]byte](), reflect.TypeFor[chan int](),
}

// decodeForms returns a value as it is stored: alone, as a document, and as one of a full
// dictionary, whose names stand in the document but for a few.
func decodeForms(t *testing.T, v Value) map[string]Value {
	forms := map[string]Value{"value": v}
	if v.Kind() != Object {
		return forms
	}
	doc, full := NewEncoder(nil, Limits{}), NewEncoder(fullNames, Limits{})
	for name, e := range map[string]*Encoder{"document": doc, "inline": full} {
		raw, err := e.AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		forms[name] = Stored(raw, e.Names())
	}
	forms["inline"] = Stored(forms["inline"].Raw(), firstNames)
	return forms
}

// firstNames are the first names of fullNames, and enough to read what it was written with.
var firstNames = NewNames([]string{"A", "a", "key", "name"})

var fullNames = func() *Names {
	list := make([]string, MaxNames-firstNames.Len())
	for i := range list {
		list[i] = "name of fullNames " + Of(i).String()
	}
	return firstNames.Extend(list)
}()

// checkDecode decodes each form of a value into a new variable of a type, which before fills,
// and compares with what encoding/json makes of the text.
func checkDecode(t *testing.T, forms map[string]Value, text []byte, typ reflect.Type, before func(any)) {
	t.Helper()
	fresh := func() reflect.Value {
		p := reflect.New(typ)
		if before != nil {
			before(p.Interface())
		}
		return p
	}
	want := fresh()
	stdErr := json.Unmarshal(text, want.Interface())
	for form, v := range forms {
		got := fresh()
		err := DecodeTo(v, got.Interface())
		switch {
		case (err == nil) != (stdErr == nil):
			t.Fatalf("%s as %s into %s:\n error %v\nwant %v", text, form, typ, err, stdErr)
		case err == nil && !reflect.DeepEqual(got.Interface(), want.Interface()):
			t.Fatalf("%s as %s into %s:\n got %#v\nwant %#v", text, form, typ, got.Elem(), want.Elem())
		case err != nil:
			var field *FieldError
			if !errors.As(err, &field) || field.Type == nil || err.Error() == "" {
				t.Fatalf("%s into %s: the error is %#v", text, typ, err)
			}
		}
	}
}

// decodeTexts are the edge cases. Each is decoded into every type, against encoding/json.
var decodeTexts = []string{
	`null`, `true`, `"x"`, `5`, `[]`, `{}`, `[1,2]`, `["a","b","c","d"]`, `[null,1.5]`, `{"":1}`,
	// Numbers: digits decide.
	`{"I":5.0}`, `{"I":1e3}`, `{"I":-0}`, `{"U":-0}`, `{"U":-1}`, `{"I8":127}`, `{"I8":128}`, `{"I8":-128}`, `{"I8":-129}`,
	`{"U8":255}`, `{"U8":256}`, `{"I16":32768}`, `{"I32":-2147483648}`, `{"U32":4294967296}`,
	`{"I64":9007199254740993,"U64":18446744073709551615}`, `{"I64":9223372036854775807}`, `{"I64":9223372036854775808}`,
	`{"I64":-9223372036854775808}`, `{"U64":18446744073709551616}`, `{"I64":9007199254740994}`, `{"I64":100000000000000000000}`,
	`9007199254740993`, `-9007199254740993`, `18446744073709551615`, `1e2`, `-0`, `-0.0`,
	`{"f":3.4028235e38,"d":1e308}`, `{"f":3.5e38}`, `{"f":3.4028235677973366e38}`, `{"f":3.402823567797337e38}`, `{"d":1e400}`,
	`1.00000005960464477539062500000000001`, `1.000000059604644775390625`, `1.0000000596046448`, `1e-46`, `7.0064923216240853546186479164496e-46`,
	`{"f":1e-400,"d":1e-400}`, `{"f":0.1,"d":0.1}`, `{"f":16777217}`, `{"N":1.10}`, `{"N":"1.10"}`, `{"N":"x"}`, `{"N":""}`, `{"N":12345678901234567890}`,
	// Kinds that do not fit.
	`{"I":"5"}`, `{"I":true}`, `{"I":[]}`, `{"I":{}}`, `{"A":1}`, `{"S":1}`, `{"S":null}`, `{"f":"1"}`, `{"Ch":null}`, `{"Ch":1}`, `{"y":{}}`, `{"Cx":0}`,
	`{"inner":1,"Skip":"s","-":"dash"}`,
	// Case.
	`{"a":true,"b":true}`, `{"KEY":1,"key":2,"kEy":3}`, `{"KeY":1}`, `{"STRASSE":1,"Straße":2,"ſTRAßE":3,"STRAẞE":4}`, `{"\u212Aey":7,"s\u212a":"kelvin"}`,
	`{"first name":"f","TAGS":["x"],"oFFice":{"cITY":"c","x":{}}}`, `{"Name":"base","name":"x","NAME":"y"}`,
	// Nesting.
	`{"a":{"a":{"a":null,"B":[{"a":{}},{}]}},"c":{"x":{"a":{}},"y":null}}`, `{"d":[{"X":1,"Y":["a"]}]}`, `{"d":[{"X":1},{"X":2},{"X":3}]}`,
	`{"d":[]}`, `{"d":null}`, `{"l":[[],[[],[]],null]}`, `{"m":{"a":{"b":null,"c":{}}}}`, `{"pp":5}`, `{"pp":null}`, `{"pp":"x"}`,
	`{"by":"aGVsbG8=","nb":"AQID"}`, `{"by":"x"}`, `{"by":[1,2,255]}`, `{"by":[256]}`, `{"by":""}`, `{"by":"aGVs\nbG8="}`, `{"ab":"AQID"}`, `{"ab":[1,2]}`,
	`{"none":[1,2]}`, `{"none":[]}`, `{"em":[{},null,{"a":1}]}`, `{"B":[]}`, `{"B":null}`, `{"B":{}}`, `{"c":[]}`, `{"a":[]}`,
	// Maps.
	`{"s":{"a":"b","c":null},"n":{"x":1,"y":null},"a":{"q":[1,"x",null,{"z":1.5}]},"k":{"x":true}}`, `{"s":{"a":1}}`, `{"s":{},"n":{},"i":{}}`, `{"s":null,"i":null}`,
	`{"i":{"1":"a","-128":"b"}}`, `{"i":{"128":"a"}}`, `{"i":{"x":"a"}}`, `{"i":{"01":"a","1":"b"}}`, `{"i":{"1.0":"a"}}`, `{"u":{"65535":1.5,"0":null}}`,
	`{"u":{"-1":1}}`, `{"t":{"a":1,"b":2}}`, `{"t":{"!":1}}`, `{"x":{}}`, `{"x":null}`, `{"w":{"a":"b","n":null}}`, `{"w":{"a":"!b"}}`, `{"J":{"a":1.10,"b":"2"}}`,
	`{"fl":[1.5,null,-0.0],"pl":[1,null,2]}`, `{"fl":[1,"x"]}`, `{"tm":{"2026-01-02T03:04:05Z":true}}`, `{"tm":{"x":true}}`,
	`{"ad":{"127.0.0.1":1}}`, `{"ad":{"x":1}}`,
	// Types that read themselves.
	`{"t":"2026-01-02T03:04:05.678Z","pt":"2026-01-02T03:04:05+02:00"}`, `{"t":null,"pt":null}`, `{"t":5}`, `{"t":"x"}`, `{"t":[]}`, `{"t":""}`,
	`{"u":null,"pu":null}`, `{"u":{"a":[1]},"pu":[1,2],"lu":["a",null,3]}`, `{"u":"!x"}`, `{"pu":"!x"}`, `{"k":"x","pk":"y"}`, `{"k":null,"pk":null}`, `{"k":5}`, `{"k":"!"}`,
	`{"pk":{}}`, `{"f":"a,b"}`, `{"f":null}`, `{"f":{"a":true}}`, `{"R":{"a":[1.10,"x"]},"pr":null}`, `{"R":null,"pr":5}`, `{"a":"127.0.0.1"}`, `{"a":"x"}`,
	`{"un":{"upper":"x"}}`, `{"un":{}}`, `{"un":"x"}`, `{"Pn":"x"}`, `{"Pn":{}}`, `{"st":null}`, `{"st":"x"}`, `{"st":{}}`,
	`{"in":1.5,"na":[1,{"a":null}],"li":[1,"a",[]],"mi":{"a":{}}}`, `{"in":null,"na":null,"li":null,"mi":null}`,
	// Embedding.
	`{"ID":1,"name":"n","name2":3}`, `{"Both":"x"}`, `{"other":5}`, `{"deep":7}`, `{"deep":null}`, `{"sealed":1}`, `{"sealed":null}`, `{"tagged":{"X":1}}`,
	`{"tagged":null}`, `{"decString":"x"}`,
	// The option "string".
	`{"b":"true","i":"-12","u":"18446744073709551615","f":"1.5","d":"1e3","s":"\"x\"","p":"5","ps":"\"y\""}`, `{"b":true}`, `{"i":5}`, `{"s":"x"}`, `{"s":""}`,
	`{"b":null,"i":null,"s":null,"p":null}`, `{"b":"null","i":"null","s":"null","p":"null","ps":"null"}`, `{"i":"nul"}`, `{"p":"nul"}`, `{"b":"tru"}`, `{"b":"1"}`,
	`{"i":"128"}`, `{"i":"007"}`, `{"i":"+5"}`, `{"i":" 5"}`, `{"i":"5 "}`, `{"i":"5.0"}`, `{"f":"0x1p4","d":"0x_1p4"}`, `{"d":"-inf"}`, `{"d":"nan"}`, `{"d":"1e400"}`,
	`{"s":"\"a\\n\\u0041\""}`, `{"s":"\"a"}`, `{"s":"5"}`, `{"i":"\"5\""}`, `{"c":"x","pc":"null"}`, `{"c":"null"}`, `{"c":""}`, `{"c":5}`, `{"pc":"n"}`, `{"l":[1]}`, `{"l":"[1]"}`,
	`{"n":"false"}`, `{"t":"\"w\""}`, `{"t":"w"}`, `{"t":"null"}`, `{"t":"true"}`, `{"t":"5"}`,
}

func TestDecodeLikeEncodingJSON(t *testing.T) {
	for _, text := range append(decodeTexts, string(benchText)) {
		v, err := Parse([]byte(text), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		forms := decodeForms(t, v)
		for _, typ := range decodeTypes {
			given := []byte(text)
			if readsText(typ) {
				given = AppendJSON(nil, v)
			}
			if !holdsAny(typ) || !outOfDoubles(v) {
				checkDecode(t, forms, given, typ, nil)
			}
		}
	}
}

// holdsAny reports whether a type of decodeTypes has interfaces in it.
func holdsAny(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[decCustom](), reflect.TypeFor[decMaps](), reflect.TypeFor[any](), reflect.TypeFor[map[string]any](),
		reflect.TypeFor[[]any]():
		return true
	}
	return false
}

// outOfDoubles reports whether a value has numbers that are no float64 in plain Go data, which
// encoding/json rounds or refuses.
func outOfDoubles(v Value) bool {
	switch v.Kind() {
	case Number:
		_, ok := v.Go().(json.Number)
		return ok
	case Array:
		for e := range v.Items() {
			if outOfDoubles(e) {
				return true
			}
		}
	case Object:
		for _, e := range v.Fields() {
			if outOfDoubles(e) {
				return true
			}
		}
	}
	return false
}

// Variables that hold something already are filled, emptied or left alone as encoding/json does.
func TestDecodeOver(t *testing.T) {
	n := 7
	over := map[reflect.Type]func(any){
		reflect.TypeFor[decScalars](): func(p any) {
			*p.(*decScalars) = decScalars{A: true, I: 1, S: "s", N: "4", F64: 2.5, inner: 9, Skip: "k"}
		},
		reflect.TypeFor[decNested](): func(p any) {
			list := []decNested{{Bytes: []byte("x")}, {None: [0]int{}}, {List: decList{nil}}, {}}
			*p.(*decNested) = decNested{A: &decNested{Bytes: []byte("old")}, B: list[:1], Map: decMap{"old": nil}, Bytes: []byte("b"),
				C: map[string]*decNested{"x": {}}, D: [2]decNested2{{1, []string{"a", "b"}}, {2, nil}}, Array: [3]byte{7, 8, 9}}
		},
		reflect.TypeFor[decMaps](): func(p any) {
			*p.(*decMaps) = decMaps{S: map[string]string{"a": "1", "b": "2"}, I: map[int8]string{1: "x"}, A: map[string]any{"q": 1}}
		},
		reflect.TypeFor[decCustom](): func(p any) {
			m, list := n, []any{&n}
			pm, any1 := &m, any(5)
			*p.(*decCustom) = decCustom{U: "u", In: &m, Na: &pm, F: flags{"x": true}, R: json.RawMessage("1"), St: &textKeyStringer{}, Li: list,
				Mi: map[string]any{"a": &any1}}
		},
		reflect.TypeFor[decEmbeds](): func(p any) {
			*p.(*decEmbeds) = decEmbeds{decSealed: &decSealed{3}, decString: "kept", DecOther: &DecOther{Both: "b"}, decCases: &decCases{Key: 1}}
		},
		reflect.TypeFor[decQuoted](): func(p any) { *p.(*decQuoted) = decQuoted{B: true, P: &n, C: "c", S: "s"} },
		reflect.TypeFor[any](): func(p any) {
			*p.(*any) = p // an interface that points to itself
		},
		reflect.TypeFor[[]any](): func(p any) { *p.(*[]any) = []any{new(int), new(decRow), new(any)} },
	}
	more := []string{`{"in":5,"na":6}`, `{"na":null}`, `{"in":"x"}`, `{"st":{"s":"x"}}`, `{"li":["x"]}`, `[5,{"Age":1},2]`, `{"taggedptr":{"key":5}}`,
		`{"B":[{"a":{}},{"B":[]},{}]}`, `{"B":[{},{},{},{},{},{}]}`, `{"d":[{"Y":["z"]}]}`}
	for _, text := range append(more, decodeTexts...) {
		v := mustParse(t, text)
		forms := decodeForms(t, v)
		for typ, before := range over {
			if !holdsAny(typ) || !outOfDoubles(v) {
				checkDecode(t, forms, AppendJSON(nil, v), typ, before)
			}
		}
	}
}

type textKeyStringer struct{ S string }

func (*textKeyStringer) String() string { return "" }

// Where encoding/json is left: numbers in interfaces keep their digits, and a json.Number with
// the option "string" is a number.
func TestDecodeOwnRules(t *testing.T) {
	var any1 any
	if err := DecodeInto(mustParse(t, `[12345678901234567890,1e400,1.10]`), &any1); err != nil {
		t.Fatal(err)
	}
	if want := []any{json.Number("12345678901234567890"), json.Number("1e400"), 1.1}; !reflect.DeepEqual(any1, want) {
		t.Errorf("got %#v", any1)
	}
	var quoted struct {
		N json.Number `json:",string"`
	}
	if err := DecodeInto(mustParse(t, `{"N":"1.50"}`), &quoted); err != nil || quoted.N != "1.50" {
		t.Errorf("got %q, %v", quoted.N, err)
	}
	if err := DecodeInto(mustParse(t, `{"N":"1x"}`), &quoted); err == nil {
		t.Errorf("took %q", quoted.N)
	}
	var sealed decEmbeds
	if err := DecodeInto(mustParse(t, `{"taggedptr":{"key":1}}`), &sealed); err == nil { // encoding/json panics
		t.Error("set a pointer that is not exported")
	}
}

// Go values decode as the stored ones do.
func TestDecodeGoValues(t *testing.T) {
	type all struct {
		I   int8
		U   uint64
		F   float32
		S   string
		B   bool
		N   json.Number
		L   []int
		M   map[string]string
		T   textKey
		R   json.RawMessage
		Doc struct{ A int }
	}
	doc, err := FromGo(map[string]any{"a": 5}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]any{"i": int16(-5), "u": uint64(math.MaxUint64), "f": 1.5, "s": "x", "B": true, "n": json.Number("1.50"),
		"L": []any{1, 2.0, json.Number("3")}, "M": map[string]any{"k": "v", "gone": Value{}}, "T": "t", "R": []any{nil}, "Doc": doc, "unknown": 1}
	var got all
	if err := DecodeInto(Of(in), &got); err != nil {
		t.Fatal(err)
	}
	want := all{-5, math.MaxUint64, 1.5, "x", true, "1.50", []int{1, 2, 3}, map[string]string{"k": "v"}, textKey{"<t>"}, json.RawMessage("[null]"), struct{ A int }{5}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	var field *FieldError
	if err := DecodeInto(Of(map[string]any{"doc": map[string]any{"a": "x"}}), &got); !errors.As(err, &field) || field.Path != "doc.a" {
		t.Errorf("%v", err)
	}
	for _, bad := range []Value{Of(math.NaN()), Of(math.Inf(1)), Of("x"), Of([]any{})} {
		var f float64
		if err := DecodeInto(bad, &f); err == nil {
			t.Errorf("took %s as %v", bad, f)
		}
	}
	got = all{S: "kept"}
	if err := DecodeInto(Value{}, &got); err != nil || got.S != "kept" {
		t.Errorf("absent: %+v, %v", got, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	type line struct{ N uint8 }
	type address struct {
		Lines []line `json:"lines"`
		Extra map[string]*int
		Fixed [2]bool
		Tag   upper
		By    []byte
		Ptr   *decSealed
		Ids   map[int8]bool
		*decSealed
	}
	type person struct {
		Age     int
		Address address `json:"address"`
		When    decCustom
		Quoted  int `json:",string"`
	}
	cases := []struct{ text, path, message string }{
		{`{"Age":"x"}`, "Age", `field "Age" holds a string, not an int`},
		{`{"age":3.5}`, "age", `field "age" holds the number 3.5, not an int`},
		{`{"Age":` + strings.Repeat("9", 60) + `}`, "Age", `field "Age" holds the number ` + strings.Repeat("9", 40) + `..., not an int`},
		{`{"address":{"lines":[{},{},{"N":256}]}}`, "address.lines.2.N", `field "address.lines.2.N" holds the number 256, not a uint8`},
		{`{"address":{"Extra":{"k":[]}}}`, "address.Extra.k", `field "address.Extra.k" holds an array, not an int`},
		{`{"address":{"Fixed":[true,{}]}}`, "address.Fixed.1", `field "address.Fixed.1" holds an object, not a bool`},
		{`{"address":{"Tag":"!"}}`, "address.Tag", `field "address.Tag" does not fit a document.upper: no JSON`},
		{`{"address":{"By":"?"}}`, "address.By", `field "address.By" does not fit a []uint8: illegal base64 data at input byte 0`},
		{`{"address":{"Ptr":{"sealed":false}}}`, "address.Ptr.sealed", `field "address.Ptr.sealed" holds a boolean, not an int`},
		{`{"address":{"sealed":1}}`, "address.sealed", ""},
		{`{"address":{"Ids":{"x":true}}}`, "address.Ids.x", ""},
		{`{"When":{"k":"!"}}`, "When.k", `field "When.k" does not fit a document.textKey: no text`},
		{`{"Quoted":5}`, "Quoted", `field "Quoted" does not fit an int: the option "string" wants the value in quotes`},
		{`[]`, "", `the value is an array, not a document.person`},
		{`7`, "", `the value is the number 7, not a document.person`},
	}
	for _, c := range cases {
		for form, v := range decodeForms(t, mustParse(t, c.text)) {
			raw := bytes.Clone(v.Raw())
			v = Stored(raw, v.Names())
			err := DecodeInto(v, new(person))
			clear(raw) // the error keeps nothing of it
			var field *FieldError
			if !errors.As(err, &field) || field.Path != c.path || c.message != "" && err.Error() != c.message {
				t.Errorf("%s as %s: %v", c.text, form, err)
			}
		}
	}
	err := DecodeInto(mustParse(t, `{"address":{"Tag":"!"}}`), new(person))
	if !errors.Is(err, errJSON) {
		t.Errorf("the cause is out of reach: %v", err)
	}
	var field *FieldError
	if errors.As(err, &field); field.Kind != String || field.Type != reflect.TypeFor[upper]() {
		t.Errorf("%+v", field)
	}
	var invalid *json.InvalidUnmarshalError
	for _, dst := range []any{nil, 5, (*int)(nil)} {
		if err := DecodeTo(Of(1), dst); !errors.As(err, &invalid) {
			t.Errorf("into %#v: %v", dst, err)
		}
	}
}

// What was decoded shares no memory with the stored bytes.
func TestDecodeKeepsNothing(t *testing.T) {
	type all struct {
		S  string
		N  json.Number
		B  []byte
		L  []string
		M  map[string]string
		K  map[decString]int
		A  any
		R  json.RawMessage
		T  textWord
		U  upper
		P  *string
		Q  string `json:",string"`
		G  map[string]any
		Ad map[textKey]int
	}
	text := `{"S":"string","N":1.10,"B":"aGVsbG8=","L":["one","two"],"M":{"key":"value"},"K":{"key":1},"A":{"in":["deep"]},
		"R":{"raw":"text"},"T":"word","U":"upper","P":"pointer","Q":"\"quoted\"","G":{"a":{"b":"c"}},"Ad":{"addr":1}}`
	for form, v := range decodeForms(t, mustParse(t, text)) {
		raw := bytes.Clone(v.Raw())
		var got, want all
		var gotAny, wantAny any
		var gotMap, wantMap map[string]any
		if err := errors.Join(DecodeInto(v, &want), DecodeInto(v, &wantAny), DecodeInto(v, &wantMap)); err != nil {
			t.Fatal(err)
		}
		v = Stored(raw, v.Names())
		if err := errors.Join(DecodeInto(v, &got), DecodeInto(v, &gotAny), DecodeInto(v, &gotMap)); err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			raw[i] = '#'
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotAny, wantAny) || !reflect.DeepEqual(gotMap, wantMap) {
			t.Errorf("as %s: %+v, %v, %v", form, got, gotAny, gotMap)
		}
	}
}

// Dictionaries come and go: each row is read with its own.
func TestDecodeManyNames(t *testing.T) {
	type row struct{ A, B, C int }
	var rows []Value
	names := []string{"a", "x", "c", "y", "b", "z"}
	for i := range names {
		e := NewEncoder(NewNames(append(names[i:len(names):len(names)], names[:i]...)), Limits{})
		doc, err := e.AppendJSON(nil, []byte(`{"c":3,"x":[],"b":2,"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, Stored(doc, e.Names()))
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			d := DecoderFor(reflect.TypeFor[row]())
			for i := range 300 {
				var got row
				if err := d.Decode(rows[(i*(g+1)+g)%len(rows)], unsafe.Pointer(&got)); err != nil || got != (row{1, 2, 3}) {
					t.Errorf("got %+v, %v", got, err)
					return
				}
			}
		})
	}
	wait.Wait()
	if v := Stored(rows[0].Raw(), nil); DecodeInto(v, new(row)) != nil {
		t.Error("without names")
	}
}

func TestDecodersAreShared(t *testing.T) {
	typ := reflect.TypeFor[decNested]()
	found := make([]*Decoder, 8)
	var wait sync.WaitGroup
	for i := range found {
		wait.Go(func() { found[i] = DecoderFor(typ) })
	}
	wait.Wait()
	for _, d := range found {
		if d != found[0] || d.Type() != typ {
			t.Fatal("two decoders of one type")
		}
	}
}

func TestDecodeDeep(t *testing.T) {
	const depth = 9_000
	v, err := Parse([]byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)), Limits{Depth: -1})
	if err != nil {
		t.Fatal(err)
	}
	var list decList
	if err := DecodeInto(v, &list); err != nil {
		t.Fatal(err)
	}
	var endless decPtr
	if err := DecodeInto(v, &endless); !errors.Is(err, errDeep) {
		t.Errorf("a pointer to itself: %v", err)
	}
	var a, b any
	a, b = &b, &a
	if err := DecodeInto(v, &a); !errors.Is(err, errDeep) {
		t.Errorf("interfaces in a circle: %v", err)
	}
	raw := v.Raw()
	for range 2_000 { // deeper than Parse would make it
		raw = append(append([]byte{tagArray}, raw...), le(len(raw))...)
	}
	var field *FieldError
	if err := DecodeInto(Stored(raw, nil), &list); !errors.As(err, &field) || strings.Count(field.Path, ".") != deepest {
		t.Errorf("too deep: %.100v", err)
	}
}

// le is the footer of an array of one item.
func le(n int) []byte { return append(appendUint(appendUint(nil, uint32(n), 4), 1, 4), 2) }

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	_, _, doc := benchDoc(t)
	plain := mustParse(t, string(benchText))
	d := DecoderFor(reflect.TypeFor[decRow]())
	row := new(decRow)
	const strings, slices = 8, 1
	for _, v := range []Value{doc, plain} {
		if n := testing.AllocsPerRun(100, func() {
			*row = decRow{}
			if err := d.Decode(v, unsafe.Pointer(row)); err != nil {
				t.Fatal(err)
			}
		}); n > strings+slices {
			t.Errorf("%v allocations", n)
		}
	}
}
