package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// The types that decoding is tested with.

// decRow is what benchText holds.
type decRow struct {
	First   string `json:"First name"`
	Last    string `json:"Last name"`
	Email   string
	Age     int
	Salary  float64
	Active  bool
	Dept    string `json:"Department"`
	Joined  string
	Manager *string
	Tags    []string
	Office  struct{ City string }
	Score   float64
}

type decScalars struct {
	A, B  bool
	I     int
	I8    int8
	I16   int16
	I32   int32
	I64   int64
	U     uint
	U8    uint8
	U16   uint16
	U32   uint32
	U64   uint64
	Up    uintptr
	F32   float32 `json:"f"`
	F64   float64 `json:"d"`
	S     string
	T     decString `json:"x"`
	N     json.Number
	Skip  string `json:"-"`
	inner int
	Ch    chan int
	Fn    func() `json:"y"`
	Cx    complex128
}

type (
	decString string
	decBool   bool
	decInt    int
	decByte   byte
	decList   []decList
	decMap    map[string]decMap
	decPtr    *decPtr
	decAny    any
)

type decNested struct {
	A     *decNested `json:"a"`
	B     []decNested
	C     map[string]*decNested `json:"c"`
	D     [2]decNested2         `json:"d"`
	List  decList               `json:"l"`
	Map   decMap                `json:"m"`
	PP    **int                 `json:"pp"`
	Bytes []byte                `json:"by"`
	Named []decByte             `json:"nb"`
	Array [3]byte               `json:"ab"`
	None  [0]int                `json:"none"`
	Empty []struct{}            `json:"em"`
	Fl    []float64             `json:"fl"`
	PL    []*int                `json:"pl"`
}

type decNested2 struct {
	X int
	Y []string
}

type decMaps struct {
	S  map[string]string   `json:"s"`
	N  map[string]decInt   `json:"n"`
	A  map[string]any      `json:"a"`
	K  map[decString]bool  `json:"k"`
	I  map[int8]string     `json:"i"`
	U  map[uint16]*float64 `json:"u"`
	T  map[textKey]int     `json:"t"`
	X  map[bool]int        `json:"x"`
	W  map[string]upper    `json:"w"`
	J  map[string]json.Number
	Ad map[netip.Addr]int `json:"ad"`
	Tm map[time.Time]bool `json:"tm"`
}

// textKey reads itself from text.
type textKey struct{ s string }

func (k *textKey) UnmarshalText(b []byte) error {
	if len(b) > 0 && b[0] == '!' {
		return errText
	}
	k.s = "<" + string(b) + ">"
	return nil
}

var errText = errors.New("no text")

// upper is a string that reads itself from JSON.
type upper string

func (u *upper) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"!`) {
		return errJSON
	}
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

var errJSON = errors.New("no JSON")

// flags is a map that reads itself from text.
type flags map[string]bool

func (f *flags) UnmarshalText(b []byte) error {
	*f = flags{}
	for s := range strings.SplitSeq(string(b), ",") {
		(*f)[s] = true
	}
	return nil
}

type decCustom struct {
	T  time.Time  `json:"t"`
	PT *time.Time `json:"pt"`
	U  upper      `json:"u"`
	PU *upper     `json:"pu"`
	LU []upper    `json:"lu"`
	K  textKey    `json:"k"`
	PK *textKey   `json:"pk"`
	F  flags      `json:"f"`
	R  json.RawMessage
	PR *json.RawMessage `json:"pr"`
	A  netip.Addr       `json:"a"`
	Un struct{ upper }  `json:"un"` // no name: its methods do not count
	Pn *struct{ textKey }
	St fmt.Stringer   `json:"st"`
	In any            `json:"in"`
	Na decAny         `json:"na"`
	Li []any          `json:"li"`
	Mi map[string]any `json:"mi"`
}

type decBase struct {
	ID   int
	Name string `json:"name"`
	Both string
}

type DecOther struct {
	Both  string
	Other int `json:"other"`
	*DecDeep
}

type DecDeep struct {
	Deep  *int `json:"deep"`
	Other int  `json:"other"` // hidden
}

type decSealed struct {
	Sealed int `json:"sealed"`
}

type decEmbeds struct {
	decBase
	*DecOther
	*decSealed
	decNested2 `json:"tagged"`
	*decCases  `json:"taggedptr"`
	decString
	NAME string // "name" differs by case
	Last int    `json:"name2"`
}

type decCases struct {
	Key  int `json:"key"`
	KEY  int
	Key2 int    `json:"ſtraße"`
	Sk   string `json:"sk"`
}

type decQuoted struct {
	B  bool     `json:"b,string"`
	I  int8     `json:"i,string"`
	U  uint64   `json:"u,string"`
	F  float32  `json:"f,string"`
	D  float64  `json:"d,string"`
	S  string   `json:"s,string"`
	P  *int     `json:"p,string"`
	PS *string  `json:"ps,string"`
	C  upper    `json:"c,string"`
	PC *upper   `json:"pc,string"`
	N  decBool  `json:"n,string"`
	T  textWord `json:"t,string"`
}

// decOdd has tags that are not what they seem, which linters refuse in a struct of the source.
var decOdd = reflect.StructOf([]reflect.StructField{
	{Name: "Dash", Type: reflect.TypeFor[string](), Tag: `json:"-,"`},
	{Name: "L", Type: reflect.TypeFor[[]int](), Tag: `json:"l,string"`},
	{Name: "D", Type: reflect.TypeFor[int](), Tag: `json:"a\"b"`},
})

// textWord is a string that reads itself from text.
type textWord string

func (w *textWord) UnmarshalText(b []byte) error { *w = "w:" + textWord(b); return nil }
