package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// encodePair writes the same values by encoders and by reflection, over the same names.
type encodePair struct{ compiled, reflected *Encoder }

func newEncodePair(base *Names, lim Limits) *encodePair {
	return &encodePair{NewEncoder(base, lim), NewEncoder(base, lim)}
}

// check compares what becomes of a value: bytes, proposed names, and the errors.
func (p *encodePair) check(t *testing.T, v any, lim Limits) {
	t.Helper()
	got, err := FromGo(v, lim)
	want, wantErr := reflectFromGo(v, lim)
	sameOutcome(t, v, got.Raw(), want.Raw(), err, wantErr)
	switch v.(type) {
	case []byte, json.RawMessage, map[string]any, Value, OrderedObject:
		return // not written by their type
	}
	doc, err := p.compiled.AppendGo([]byte("x"), v)
	wantDoc, wantErr := reflectAppendGo(p.reflected, []byte("x"), v)
	sameOutcome(t, v, doc, wantDoc, err, wantErr)
	if a, b := p.compiled.Proposed(), p.reflected.Proposed(); !reflect.DeepEqual(a, b) {
		t.Fatalf("%T proposes %q, want %q", v, a, b)
	}
}

func sameOutcome(t *testing.T, v any, got, want []byte, err, wantErr error) {
	t.Helper()
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%T %+v:\n error %v\nwant %v", v, v, err, wantErr)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%T %+v:\n got %q\nwant %q", v, v, got, want)
	}
	var e, we *errs.Error
	if errors.As(err, &e) && errors.As(wantErr, &we) {
		said := strings.ReplaceAll(we.Error(), "*time.Time", "time.Time")
		if e.Path != we.Path || e.Code != we.Code || e.Error() != said {
			t.Fatalf("%T %+v:\n error %v\nwant %v", v, v, err, said)
		}
	}
}

// sameAsJSON holds a value to the text that encoding/json writes for it, where both take it.
func sameAsJSON(t *testing.T, v any) {
	t.Helper()
	got, err := FromGo(v, Limits{})
	if err != nil {
		return
	}
	var text bytes.Buffer
	std := json.NewEncoder(&text)
	std.SetEscapeHTML(false) // which shows in strings in strings
	if err := std.Encode(v); err != nil {
		t.Fatalf("%T %+v is taken, but encoding/json: %v", v, v, err)
	}
	want, err := Parse(text.Bytes(), Limits{})
	if err != nil || !bytes.Equal(got.Raw(), want.Raw()) {
		t.Fatalf("%T %+v:\n got %s\nwant %s, %v", v, v, got, &text, err)
	}
}

// fill returns a pointer to a new variable.
func fill(typ reflect.Type, seed uint64, bad bool) reflect.Value {
	p := reflect.New(typ)
	f := filler{rand.New(rand.NewPCG(seed, 1)), bad}
	f.set(p.Elem(), 0)
	return p
}

// checkFilled compares a type's values that seed makes: by value, by pointer and in an interface.
func checkFilled(t *testing.T, p *encodePair, typ reflect.Type, seed uint64, bad, std bool, lim Limits) {
	t.Helper()
	v := fill(typ, seed, bad)
	for _, x := range []any{v.Elem().Interface(), v.Interface(), struct{ In any }{v.Elem().Interface()}, ptr(v.Interface())} {
		p.check(t, x, lim)
		if std && !bad {
			sameAsJSON(t, x)
		}
	}
}

func TestEncodeLikeReflection(t *testing.T) {
	limits := []Limits{{}, {Depth: 3}, {Keys: 4}, {KeyBytes: 3}, {NumberBytes: 6}}
	for _, base := range []*Names{nil, NewNames([]string{"t", "A", "v", "S"}), fullNames} {
		for i, lim := range limits {
			p := newEncodePair(base, lim)
			for seed := range uint64(24) {
				bad := seed%3 == 2
				for _, typ := range encTypes {
					checkFilled(t, p, typ, seed, bad, i == 0, lim)
				}
				for _, typ := range slices.Concat(encOwn, decodeTypes) {
					checkFilled(t, p, typ, seed, bad, false, lim)
				}
				if seed%8 == 7 {
					p.compiled.Reset(base)
					p.reflected.Reset(base)
				}
			}
		}
	}
	p := newEncodePair(nil, Limits{})
	for _, v := range append(goValues(), encZero{ZI: (*zeroing)(nil)}, encZero{ZI: &zeroing{7}}) {
		p.check(t, v, Limits{})
		p.check(t, &v, Limits{})
	}
}

func FuzzEncodeGo(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, i%2 == 0, uint8(i))
	}
	f.Fuzz(func(t *testing.T, seed uint64, bad bool, depth uint8) {
		lim := Limits{Depth: int(depth)}
		p := newEncodePair([]*Names{nil, fullNames}[seed&1], lim)
		for _, typ := range encTypes {
			checkFilled(t, p, typ, seed, bad, true, lim)
		}
		for _, typ := range slices.Concat(encOwn, decodeTypes) {
			checkFilled(t, p, typ, seed, bad, false, lim)
		}
	})
}

func TestEncodeErrorNamesField(t *testing.T) {
	type b struct {
		B []map[string]*float64 `json:"b"`
		C map[int]any
	}
	type row struct {
		A  b `json:"a"`
		S  *string
		In any `json:"in"`
		T  time.Time
		*Upper
		Q float64 `json:"q,string"`
		R json.RawMessage
		N json.Number
	}
	for _, c := range []struct {
		row           row
		path, message string
	}{
		{row{A: b{B: []map[string]*float64{nil, {"x": ptr(math.NaN())}}}}, "a.b.1.x", "NaN has no JSON form"},
		{row{A: b{C: map[int]any{-7: []any{math.Inf(1)}}}}, "a.C.-7.0", "Inf"},
		{row{S: ptr("\xff")}, "S", "not UTF-8"}, {row{In: &b{C: map[int]any{1: make(chan int)}}}, "in.C.1", "chan int has no JSON form"},
		{row{T: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}, "T", "cannot encode a time.Time"}, {row{Q: math.NaN()}, "q", "NaN"},
		{row{R: json.RawMessage("{")}, "R", "json.RawMessage"}, {row{N: "1x"}, "N", "not a number"},
	} {
		for _, v := range []any{c.row, &c.row} {
			_, err := NewEncoder(nil, Limits{}).AppendGo(nil, v)
			var e *errs.Error
			if !errors.As(err, &e) || e.Path != c.path || e.Code != errs.InvalidInput || !strings.Contains(err.Error(), c.message) {
				t.Errorf("the error is %v, want %q at %q", err, c.message, c.path)
			}
		}
	}
}

func TestEncodeCycles(t *testing.T) {
	type holder struct{ X any }
	var self any
	self = &self
	var knot decPtr
	knot = decPtr(&knot)
	ring := &encNode{}
	ring.Arr[1] = ring
	list := decList{nil}
	list[0] = list
	held := &holder{}
	held.X = held
	m := map[string]encNode{}
	m["a"] = encNode{By: m}
	for _, lim := range []Limits{{}, unlimited} {
		for _, v := range []any{self, &self, knot, &knot, ring, *ring, list, held, *held, m, holder{self}, holder{knot}, []any{ring}} {
			if _, err := FromGo(v, lim); err == nil || !strings.Contains(err.Error(), "nested") {
				t.Errorf("FromGo(%T): %.100v", v, err)
			}
			if _, err := NewEncoder(nil, lim).AppendGo(nil, v); err == nil {
				t.Errorf("AppendGo(%T) ends well", v)
			}
		}
	}
}

type (
	sealedJSON struct{ A int }
	sealedText struct{ A int }
)

func (sealedJSON) MarshalJSON() ([]byte, error)  { return []byte(`"out of reach"`), nil }
func (*sealedText) MarshalText() ([]byte, error) { return []byte("out of reach"), nil }
func (*sealedText) IsZero() bool                 { return true }

// TestEncodeSealed is about embedded structs that are not exported and have a name by a tag: the
// methods of such a field are out of reach, and encoding/json panics.
func TestEncodeSealed(t *testing.T) {
	type row struct {
		sealedJSON  `json:"j"`
		*sealedText `json:"t"`
		MarshalJSON int
		MarshalText int
		IsZero      int
	}
	for want, v := range map[string]row{
		`{"j":{"A":1},"t":null,"MarshalJSON":2,"MarshalText":0,"IsZero":0}`:    {sealedJSON: sealedJSON{1}, MarshalJSON: 2},
		`{"j":{"A":0},"t":{"A":3},"MarshalJSON":0,"MarshalText":0,"IsZero":0}`: {sealedText: &sealedText{3}},
	} {
		for _, x := range []any{v, &v} {
			if got, err := FromGo(x, Limits{}); err != nil || got.String() != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		}
	}
}

// TestEncodeInterfaceWord encodes values that an interface may hold in its own word, with the
// garbage collector at work.
func TestEncodeInterfaceWord(t *testing.T) {
	type empty struct{}
	type two struct {
		_ empty
		P *int
	}
	for want, v := range map[string]any{
		`{"P":7}`: encWord{ptr(7)}, `[7]`: [1]*int{ptr(7)}, `[{"P":7}]`: [1]encWord{{ptr(7)}}, `{"P": 7}`: two{P: ptr(7)},
		`{"M":{"a":7}}`: struct{ M map[string]int }{map[string]int{"a": 7}}, `{"N":7}`: zeroing{7}, `[0.5]`: [1]float64{0.5},
		`{"a":7}`: map[string]int{"a": 7}, `7`: ptr(7), `{}`: empty{}, `[]`: [0]int{}, ` 7`: wordMarshaler{ptr(7)},
	} {
		runtime.GC()
		got, err := FromGo(v, Limits{})
		if err != nil || got.String() != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%T is %s, %v, want %s", v, got, err, want)
		}
	}
}

// greedyZero changes itself when it is asked whether it is zero.
type greedyZero struct{ N int }

func (z *greedyZero) IsZero() bool { z.N++; return false }

func TestEncodeLeavesValuesAlone(t *testing.T) {
	type row struct {
		Z greedyZero `json:",omitzero"`
		Y int
	}
	v := any(row{})
	if got, err := FromGo(v, Limits{}); err != nil || got.String() != `{"Z":{"N":0},"Y":0}` || v.(row).Z.N != 0 {
		t.Errorf("%s, %v, and the value is now %v", got, err, v)
	}
	if got, err := FromGo(&row{}, Limits{}); err != nil || got.String() != `{"Z":{"N":1},"Y":0}` { // as encoding/json has it
		t.Errorf("%s, %v", got, err)
	}
}

func TestEncodeFirstTogether(t *testing.T) {
	type inner struct{ A, B, C *int }
	type fresh struct {
		X []inner
		Y map[string]inner
		Z *fresh
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			got, err := FromGo(fresh{X: []inner{{A: ptr(1)}}, Z: &fresh{}}, Limits{})
			want := `{"X":[{"A":1,"B":null,"C":null}],"Y":null,"Z":{"X":null,"Y":null,"Z":null}}`
			if err != nil || got.String() != want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wait.Wait()
}

// TestEncodeColumns changes what an Encoder knows of its names between rows of one type.
func TestEncodeColumns(t *testing.T) {
	type row struct {
		A, B any `json:",omitempty"`
		C    any
	}
	type other struct{ C, B, D int }
	p := newEncodePair(NewNames([]string{"C"}), Limits{})
	for _, v := range []any{row{C: 1}, row{A: 1}, row{A: math.NaN()}, row{B: math.NaN()}, other{}, &row{A: 1, B: 2}, row{B: 1}, &other{}, row{A: 1, B: 2, C: 3}} {
		p.check(t, v, Limits{})
	}
	names := NewNames(append([]string{"B", "C"}, strings.Fields(strings.Repeat("n ", MaxNames-3))...))
	for _, base := range []*Names{nil, names, NewNames([]string{"B", "A"}), fullNames} {
		p.compiled.Reset(base)
		p.reflected.Reset(base)
		for _, v := range []any{row{A: 1, B: 2, C: 3}, other{}, row{A: 1}} {
			p.check(t, v, Limits{})
		}
	}
}

func TestEncodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e, _, stored := benchDoc(t)
	var row decRow
	if err := DecodeInto(stored, &row); err != nil {
		t.Fatal(err)
	}
	boxed := any(row)
	wide := any(&struct {
		R    decRow
		M    map[string]string
		T    time.Time
		P    *time.Time
		F    float32
		Q    int64 `json:",string"`
		Any  any
		Zero time.Time `json:",omitzero"`
	}{row, map[string]string{"b": "x", "a": "y"}, time.Now(), ptr(time.Now()), 0.1, 1 << 62, row, time.Time{}})
	var dst []byte
	for _, v := range []any{boxed, &row, wide} {
		encode := func() {
			var err error
			if dst, err = e.AppendGo(dst[:0], v); err != nil {
				t.Fatal(err)
			}
		}
		encode()
		if n := testing.AllocsPerRun(100, encode); n != 0 {
			t.Errorf("%T allocates %v times", v, n)
		}
	}
}
