package document

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

// The types that encoding is tested with, besides those of decode_types_test.go and goValues, and
// what fills them.

type encNode struct {
	V    any                `json:"v"`
	Next *encNode           `json:"next,omitempty"`
	Kids []encNode          `json:"kids,omitempty"`
	By   map[string]encNode `json:"by,omitempty"`
	Ptrs []*encNode         `json:",omitzero"`
	Arr  [2]*encNode
}

type encScalars struct {
	A   bool
	B   decBool `json:"b"`
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64 `json:"i 64"`
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	Up  uintptr
	F32 float32
	F64 float64
	S   string
	T   decString
	N   json.Number
	By  []byte
	NB  []decByte
	AB  [3]byte
	E   struct{}
	No  [0]int
	Z   []struct{}
	Ptr *string
	PP  **float64
	Any decAny
	St  fmt.Stringer
}

// encEmpty has every kind with omitempty, encZero with omitzero.
type encEmpty struct {
	A   bool               `json:"a,omitempty"`
	I   int                `json:"i,omitempty"`
	I8  int8               `json:"i8,omitempty"`
	U16 uint16             `json:"u16,omitempty"`
	U32 uint32             `json:"u32,omitempty"`
	U64 uint64             `json:"u64,omitempty"`
	F32 float32            `json:"f,omitempty"`
	F64 float64            `json:"d,omitempty"`
	S   string             `json:"s,omitempty"`
	L   []int              `json:"l,omitempty"`
	By  []byte             `json:"by,omitempty"`
	M   map[string]string  `json:"m,omitempty"`
	N   map[int]bool       `json:"n,omitempty"`
	P   *int               `json:"p,omitempty"`
	An  any                `json:"an,omitempty"`
	St  fmt.Stringer       `json:"st,omitempty"`
	X   struct{ Q int }    `json:"x,omitempty"`
	Ar  [1]int             `json:"ar,omitempty"`
	No  [0]int             `json:"no,omitempty"`
	T   time.Time          `json:"t,omitempty"`
	PT  *time.Time         `json:"pt,omitempty"`
	R   json.RawMessage    `json:"r,omitempty"`
	J   json.Number        `json:"j,omitempty"`
	MM  map[string]encNode `json:"mm,omitempty,omitzero"`
}

type encZero struct {
	A   bool                `json:"a,omitzero"`
	I   int                 `json:"i,omitzero"`
	I8  int8                `json:"i8,omitzero"`
	U16 uint16              `json:"u16,omitzero"`
	U32 uint32              `json:"u32,omitzero"`
	F32 float32             `json:"f,omitzero"`
	F64 float64             `json:"d,omitzero"`
	S   string              `json:"s,omitzero"`
	L   []int               `json:"l,omitzero"`
	M   map[string]string   `json:"m,omitzero"`
	P   *int                `json:"p,omitzero"`
	An  any                 `json:"an,omitzero"`
	St  fmt.Stringer        `json:"st,omitzero"`
	X   struct{ Q float64 } `json:"x,omitzero"`
	Ar  [2]string           `json:"ar,omitzero"`
	T   time.Time           `json:"t,omitzero"`
	PT  *time.Time          `json:"pt,omitzero"`
	Z   zeroing             `json:"z,omitzero"`
	ZA  zeroAddr            `json:"za,omitzero"`
	PZ  *zeroing            `json:"pz,omitzero"`
	PA  *zeroAddr           `json:"pa,omitzero"`
	ZI  zeroer              `json:"zi,omitzero"`
	ZF  zeroFlag            `json:"zf,omitzero,omitempty"`
}

type zeroFlag bool

func (f zeroFlag) IsZero() bool { return bool(f) }

type encQuoted struct {
	B  bool         `json:"b,string"`
	I  int8         `json:"i,string"`
	L  int64        `json:"l,string"`
	U  uint64       `json:"u,string,omitempty"`
	F  float32      `json:"f,string"`
	D  float64      `json:"d,string"`
	S  string       `json:"s,string"`
	P  *int         `json:"p,string"`
	PS *string      `json:"ps,string,omitempty"`
	C  asText       `json:"c,string"`
	PC *asText      `json:"pc,string"`
	M  addrText     `json:"m,string"`
	N  decBool      `json:"n,string"`
	J  json.Number  `json:"j,string"`
	PJ *json.Number `json:"pj,string"`
}

type asText int

func (a asText) MarshalText() ([]byte, error) {
	if a == 9 {
		return nil, errText
	}
	return fmt.Appendf(nil, "t%d", int(a)), nil
}

func (a asText) String() string { return "asText" }

// addrText and addrJSON say how they are written through a pointer only.
type addrText string

func (a *addrText) MarshalText() ([]byte, error) { return []byte("at:" + *a), nil }

type addrJSON struct{ A, B int }

func (a *addrJSON) MarshalJSON() ([]byte, error) { return []byte(`{"json":[1.10]}`), nil }

// wordMarshaler is kept in the word of an interface.
type wordMarshaler struct{ p *int }

func (m wordMarshaler) MarshalJSON() ([]byte, error) {
	if m.p == nil {
		return []byte(`"none"`), nil
	}
	return json.Marshal(*m.p)
}

type encCustom struct {
	T  time.Time            `json:"t"`
	PT *time.Time           `json:"pt"`
	LT []time.Time          `json:"lt"`
	X  asText               `json:"x"`
	PX *asText              `json:"px"`
	AT addrText             `json:"at"`
	PA *addrText            `json:"pa"`
	LA []addrText           `json:"la"`
	RA [1]addrJSON          `json:"ra"`
	J  addrJSON             `json:"j"`
	PJ *addrJSON            `json:"pj"`
	MJ map[string]addrJSON  `json:"mj"`
	MP map[string]*addrJSON `json:"mp"`
	Un struct{ addrJSON }   `json:"un"`
	Pn *struct{ *addrJSON } `json:"pn"`
	R  json.RawMessage      `json:"r"`
	PR *json.RawMessage     `json:"pr"`
	Ad netip.Addr           `json:"ad"`
	IJ json.Marshaler       `json:"ij"`
	W  wordMarshaler        `json:"w"`
	LB []addrByte           `json:"lb"`
}

type addrByte byte

func (b *addrByte) MarshalText() ([]byte, error) { return []byte{'a' + byte(*b)&15}, nil }

type encMaps struct {
	S  map[string]string
	N  map[string]decInt
	A  map[string]any
	K  map[decString]bool
	I  map[int8]string
	U  map[uint16]*float64
	T  map[asText]int
	W  map[string]asText
	J  map[string]json.Number
	Ad map[netip.Addr]int
	L  map[string][]int
	M  map[string]map[string]any
	D  decMap
	X  map[string]encQuoted
	E  map[string]struct{}
}

type encEmbeds struct {
	decBase
	*DecOther
	encInner  `json:"tagged"`
	*EncShown `json:"shown"`
	*EncAddr
	NAME string
	Last int `json:"name2,omitempty"`
}

type (
	encInner struct{ X int }
	EncShown struct {
		J addrJSON
		*DecDeep
	}
	EncAddr  struct{ Addr addrJSON }
	encWord  struct{ P *int }
	encWords struct {
		W encWord
		M struct{ M map[string]string }
		A [1]*int
		F [1]float64
	}
)

// encTypes are the types that encoding/json writes too; encOwn are those that it does not
// write, or otherwise.
var (
	encTypes = []reflect.Type{
		reflect.TypeFor[encNode](), reflect.TypeFor[encScalars](), reflect.TypeFor[encEmpty](), reflect.TypeFor[encZero](),
		reflect.TypeFor[encQuoted](), reflect.TypeFor[encCustom](), reflect.TypeFor[encMaps](), reflect.TypeFor[encEmbeds](),
		reflect.TypeFor[encWord](), reflect.TypeFor[encWords](), reflect.TypeFor[[1]*encWord](), reflect.TypeFor[wordMarshaler](),
		reflect.TypeFor[map[string]encScalars](), reflect.TypeFor[[]encEmpty](), reflect.TypeFor[map[asText]any](),
		reflect.TypeFor[decRow](), reflect.TypeFor[decNested](), reflect.TypeFor[decCases](), reflect.TypeFor[decList](), reflect.TypeFor[decMap](),
		reflect.TypeFor[addrJSON](), reflect.TypeFor[addrText](), reflect.TypeFor[**encWord](), decOdd,
		reflect.TypeFor[options2](), reflect.TypeFor[[]byte](),
	}
	encOwn = []reflect.Type{
		reflect.TypeFor[decScalars](), reflect.TypeFor[decMaps](), reflect.TypeFor[decCustom](),
		reflect.TypeFor[struct {
			V    Value
			PV   *Value
			LV   []Value
			MV   map[string]Value
			Any  any
			O    OrderedObject
			P    pairs
			PP   *pairs
			Json json.Marshaler
			E    error
		}](),
		reflect.TypeFor[map[string]Value](), reflect.TypeFor[map[bool]int](), reflect.TypeFor[pairs](), reflect.TypeFor[chan int](),
	}
)

type options2 struct {
	Upper
	*Twice
	Twice2
	Tagged `json:",omitempty"`
}

// filler sets variables of any type to what chance says.
type filler struct {
	r   *rand.Rand
	bad bool // now and then something that has no JSON form
}

var fillStrings = []string{"", "a", "text", "Grüße 😀", `"q\`, "<&>", strings.Repeat("long", 80), "null", "12"}

func (f *filler) set(v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[Value]() {
		v.Set(reflect.ValueOf([]Value{{}, Of(nil), Of(5), Of([]any{1.5}), Of("x"), Of(map[string]any{"k": nil})}[f.r.IntN(6)]))
		return
	}
	if f.special(v) || f.scalar(v) {
		return
	}
	stop := depth > 4 || f.r.IntN(5) == 0
	switch v.Kind() {
	case reflect.Pointer:
		if !stop {
			v.Set(reflect.New(v.Type().Elem()))
			f.set(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if !stop {
			v.Set(reflect.MakeSlice(v.Type(), f.r.IntN(4), 5))
			f.items(v, depth)
		}
	case reflect.Array:
		f.items(v, depth)
	case reflect.Map:
		if stop {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range f.r.IntN(4) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.set(key, depth+1)
			f.set(elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			if !field.CanSet() {
				field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
			}
			f.set(field, depth+1)
		}
	case reflect.Interface:
		if x := reflect.ValueOf(f.any(depth)); x.IsValid() && x.Type().Implements(v.Type()) {
			v.Set(x)
		}
	}
}

func (f *filler) items(v reflect.Value, depth int) {
	for i := range v.Len() {
		f.set(v.Index(i), depth+1)
	}
}

// special sets types whose fields cannot be set one by one.
func (f *filler) special(v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(f.r.Int64N(1<<33), f.r.Int64N(1e9)).In(time.FixedZone("", int(f.r.Int64N(20)-10)*1800))
		switch {
		case f.r.IntN(4) == 0:
			*p = time.Time{}
		case f.bad && f.r.IntN(10) == 0:
			*p = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte{byte(f.r.IntN(9))})
	case *json.RawMessage:
		*p = []json.RawMessage{nil, []byte(`{"a":[1.10],"a":2}`), []byte(" 1 "), []byte(`"\u00e9"`)}[f.r.IntN(4)]
		if f.bad && f.r.IntN(10) == 0 {
			*p = json.RawMessage(`{"a":`)
		}
	case *json.Number:
		*p = []json.Number{"", "0", "-0", "1.10", "12345678901234567890", "1e400"}[f.r.IntN(6)]
		if f.bad && f.r.IntN(10) == 0 {
			*p = "1x"
		}
	case *pairs:
		*p = []pairs{nil, {"a", 1, "b", encWord{}}, {"x", Value{}, "y", &addrJSON{}}}[f.r.IntN(3)]
	default:
		return false
	}
	return true
}

func (f *filler) scalar(v reflect.Value) bool {
	few := f.r.IntN(2) == 0
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(few)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.SetInt(int64(f.r.IntN(3))); few {
			v.SetInt(int64(f.r.Uint64() >> f.r.IntN(64)))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.SetUint(uint64(f.r.IntN(3))); few {
			v.SetUint(f.r.Uint64() >> f.r.IntN(64))
		}
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1, 0.1, 1e20, 16777217, 1e-7, 123456.789}[f.r.IntN(8)])
		if few {
			if x := math.Float64frombits(f.r.Uint64()); f.bad || !math.IsInf(float64(float32(x)), 0) && !math.IsNaN(x) {
				v.SetFloat(x)
			}
		}
	case reflect.String:
		v.SetString(fillStrings[f.r.IntN(len(fillStrings))])
		if f.bad && f.r.IntN(20) == 0 {
			v.SetString("a\xff")
		}
	default:
		return false
	}
	return true
}

// any returns something for an interface.
func (f *filler) any(depth int) any {
	if f.bad && f.r.IntN(15) == 0 {
		return []any{make(chan int), math.NaN(), Value{}, asJSON("{"), failing{}, pairs{"c", func() {}}, &pairs{}}[f.r.IntN(7)]
	}
	n := f.r.IntN(21)
	if depth > 4 {
		n %= 10
	}
	types := []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[float64](), reflect.TypeFor[float32](),
		reflect.TypeFor[uint64](), reflect.TypeFor[asText](), reflect.TypeFor[time.Time](), reflect.TypeFor[*int](), reflect.TypeFor[json.Number](),
		reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), reflect.TypeFor[encNode](), reflect.TypeFor[*encNode](), reflect.TypeFor[encWord](),
		reflect.TypeFor[*asText](), reflect.TypeFor[addrJSON](), reflect.TypeFor[zeroing](), reflect.TypeFor[*any](), reflect.TypeFor[wordMarshaler](),
		reflect.TypeFor[*zeroing](),
	}
	v := reflect.New(types[n]).Elem()
	f.set(v, depth+1)
	return v.Interface()
}
