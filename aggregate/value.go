package aggregate

import (
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/siftdb/siftdb/internal/document"
)

// Kind is the type of a Value. Kinds are in the order in which values of different types sort.
type Kind uint8

// The kinds. Missing is the kind of a value that is not there.
const (
	Missing Kind = iota
	Null
	Number
	String
	Object
	Array
	Bool
	Date
)

// form says what a Value's reference holds.
type form uint8

const (
	ownForm    form = iota // *object or []Value, computed here
	goForm                 // a decoded Go value
	storedForm             // stored bytes, in str; or a document.Value of another kind
	lazyForm               // a Lazy; num is what it owns, in bytes
)

// Value is what expressions work on: a JSON value or a date, either computed, or a view of a
// decoded Go value, of stored bytes or of a Lazy, whose fields are read when they are asked for. It is
// passed by value and immutable; the zero Value is missing. A view is valid as long as what it
// was made from.
type Value struct {
	kind Kind
	form form
	deep uint16  // of a computed value: how many lists and objects lie inside each other
	mass uint32  // of a computed list or object: its weight, were nothing in it shared
	num  float64 // Number; Date in ms; Bool; the weight of a Lazy
	str  string  // String; the digits of a Number that num cannot hold; stored bytes
	ref  any
}

var null = Value{kind: Null}

func number(f float64) Value    { return Value{kind: Number, num: f} }
func text(s string) Value       { return Value{kind: String, str: s} }
func dateOf(ms float64) Value   { return Value{kind: Date, num: ms} }
func (v Value) nullish() bool   { return v.kind <= Null }
func (v Value) isNumber() bool  { return v.kind == Number }
func (v Value) time() time.Time { return time.UnixMilli(int64(v.num)).UTC() }

func objectOf(o *object) Value {
	if len(o.keys) > indexed && o.index == nil {
		o.buildIndex()
	}
	n := 72 + 16*len(o.keys)
	for _, k := range o.keys {
		n += len(k)
	}
	return measured(Value{kind: Object, ref: o}, o.vals, n)
}

func arrayOf(a []Value) Value { return measured(Value{kind: Array, ref: a}, a, 24) }

// measured notes the weight and the depth of a computed value of these parts.
func measured(v Value, parts []Value, n int) Value {
	deep := uint16(0)
	mass := int64(n)
	for i := range parts {
		mass += int64(weight(parts[i]))
		deep = max(deep, parts[i].deep)
	}
	v.mass = uint32(min(mass, maxMass))
	v.deep = min(deep, math.MaxUint16-1) + 1
	return v
}

func boolean(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// ValueOf returns a decoded Go value as a Value without copying it: nil, bool, numbers, string,
// []any, map[string]any, ordered objects such as query.D, document.Value and time.Time. JSON
// text as json.RawMessage is parsed. Anything else is read as document.FromGo reads it, and is
// missing where that fails.
func ValueOf(v any) Value {
	switch x := v.(type) {
	case nil:
		return null
	case string:
		return text(x)
	case float64:
		return number(x)
	case bool:
		return boolean(x)
	case map[string]any:
		return date(Value{kind: Object, form: goForm, ref: v})
	case []any:
		return Value{kind: Array, form: goForm, ref: v}
	case Value:
		return x
	case document.Value:
		return Stored(x)
	case int:
		return integer(int64(x))
	case int64:
		return integer(x)
	case time.Time:
		return dateOf(float64(x.UnixMilli()))
	case document.OrderedObject:
		return date(Value{kind: Object, form: goForm, ref: v})
	case json.RawMessage:
		d, err := document.Parse(x, document.Limits{})
		if err != nil {
			return Value{}
		}
		return Stored(d)
	}
	if d := document.Of(v); d.Kind() == document.Number {
		return storedNumber(d)
	}
	d, err := document.FromGo(v, document.Limits{})
	if err != nil {
		return Value{}
	}
	return Stored(d)
}

// Stored returns a document.Value as a Value without decoding it.
func Stored(d document.Value) Value {
	switch d.Kind() {
	case document.Null:
		return null
	case document.Bool:
		return boolean(d.Bool())
	case document.Number:
		return storedNumber(d)
	case document.String:
		return text(d.Str())
	}
	v := Value{form: storedForm}
	if raw := d.Raw(); raw != nil {
		v.str = unsafe.String(unsafe.SliceData(raw), len(raw))
	} else {
		v.ref = d
	}
	switch d.Kind() {
	case document.Array:
		v.kind = Array
	case document.Object:
		v.kind = Object
		if names := d.Names(); names != nil {
			v.ref = names
		}
		if d.Len() == 1 {
			return date(v)
		}
	default:
		return Value{}
	}
	return v
}

func integer(i int64) Value {
	v := number(float64(i))
	if i > 1<<53 || i < -1<<53 {
		v.str = strconv.FormatInt(i, 10)
	}
	return v
}

// doubleSize is the size of a stored number without digits of its own.
const doubleSize = 9

// storedNumber keeps the digits of a number, where they are more than its double.
func storedNumber(d document.Value) Value {
	v := number(d.Float())
	if !d.IsStored() || len(d.Raw()) > doubleSize {
		v.str = string(d.AppendNumber(nil))
	}
	return v
}

// stored returns the document.Value that v is a view of.
func (v Value) stored() document.Value {
	if v.str == "" {
		d, _ := v.ref.(document.Value)
		return d
	}
	names, _ := v.ref.(*document.Names)
	return document.Stored(unsafe.Slice(unsafe.StringData(v.str), len(v.str)), names)
}

// date gives the date that an object stands for, or the object itself.
func date(v Value) Value {
	if m, ok := v.ref.(map[string]any); ok {
		if len(m) != 1 {
			return v
		}
		s, ok := m["$date"].(string)
		if !ok {
			return v
		}
		if ms, ok := parseISO(s); ok {
			return dateOf(ms)
		}
		return v
	}
	if v.size() != 1 {
		return v
	}
	if s := v.field("$date"); s.kind == String {
		if ms, ok := parseISO(s.str); ok {
			return dateOf(ms)
		}
	}
	return v
}

// Kind returns the type of the value.
func (v Value) Kind() Kind { return v.kind }

// size returns the number of items of an array or of fields of an object.
func (v Value) size() int {
	switch v.form {
	case storedForm:
		return v.stored().Len()
	case lazyForm:
		return v.ref.(Lazy).Len()
	case goForm:
		switch x := v.ref.(type) {
		case []any:
			return len(x)
		case map[string]any:
			return len(x)
		case document.OrderedObject:
			return x.Len()
		}
	}
	switch x := v.ref.(type) {
	case []Value:
		return len(x)
	case *object:
		return x.size()
	}
	return 0
}

// at returns an item of an array.
func (v Value) at(i int) Value {
	switch v.form {
	case storedForm:
		return Stored(v.stored().At(i))
	case goForm:
		return ValueOf(v.ref.([]any)[i])
	}
	return v.ref.([]Value)[i]
}

// items returns the items of an array; the list must not be changed. Of what is no array it
// is nil.
func (v Value) items() []Value {
	if v.kind != Array {
		return nil
	}
	if v.form == ownForm {
		return v.ref.([]Value)
	}
	list := make([]Value, 0, v.size())
	if v.form == storedForm {
		for d := range v.stored().Items() {
			list = append(list, Stored(d))
		}
		return list
	}
	for _, x := range v.ref.([]any) {
		list = append(list, ValueOf(x))
	}
	return list
}

// field returns a field of an object; of anything else it is missing.
func (v Value) field(name string) Value {
	if v.kind != Object {
		return Value{}
	}
	switch v.form {
	case storedForm:
		return Stored(v.stored().Field(name))
	case lazyForm:
		return v.ref.(Lazy).Field(name)
	case goForm:
		switch x := v.ref.(type) {
		case map[string]any:
			if f, ok := x[name]; ok {
				return ValueOf(f)
			}
		case document.OrderedObject:
			for i := x.Len() - 1; i >= 0; i-- {
				if k, f := x.At(i); k == name {
					return ValueOf(f)
				}
			}
		}
		return Value{}
	}
	return v.ref.(*object).get(name)
}

// fields yields the fields of an object in their order; a Go map has them by name.
func (v Value) fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != Object {
			return
		}
		switch x := v.ref.(type) {
		case *object:
			for i, k := range x.keys {
				if x.vals[i].kind != Missing && !yield(k, x.vals[i]) {
					return
				}
			}
			return
		case map[string]any:
			keys := make([]string, 0, len(x))
			for k := range x {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				if !yield(k, ValueOf(x[k])) {
					return
				}
			}
			return
		case document.OrderedObject:
			last := lastPlaces(x)
			for i := range x.Len() {
				k, f := x.At(i)
				if last(i, k) && !yield(k, ValueOf(f)) {
					return
				}
			}
			return
		}
		if v.form == lazyForm {
			lazyFields(v.ref.(Lazy), yield)
			return
		}
		for k, f := range v.stored().Fields() {
			if !yield(k, Stored(f)) {
				return
			}
		}
	}
}

// lastPlaces gives a function that reports whether a key of an ordered object stands at its
// last place, which counts.
func lastPlaces(x document.OrderedObject) func(i int, key string) bool {
	if x.Len() <= linear {
		return func(i int, key string) bool {
			for j := i + 1; j < x.Len(); j++ {
				if k, _ := x.At(j); k == key {
					return false
				}
			}
			return true
		}
	}
	at := make(map[string]int, x.Len())
	for i := range x.Len() {
		k, _ := x.At(i)
		at[k] = i
	}
	return func(i int, key string) bool { return at[key] == i }
}

// own returns a fresh computed object with the fields of v, to be changed by whoever asked.
func (v Value) own() *object {
	o := newObject(v.size() + 1)
	if x, ok := v.ref.(*object); ok && v.kind == Object {
		for i, k := range x.keys {
			if x.vals[i].kind != Missing {
				o.add(k, x.vals[i])
			}
		}
		return o
	}
	for k, f := range v.fields() {
		o.add(k, f)
	}
	return o
}

// truth reports whether a value counts as true: everything but false, 0, null and missing.
func (v Value) truth() bool {
	switch v.kind {
	case Missing, Null:
		return false
	case Number, Bool:
		return v.num != 0
	}
	return true
}

// whole returns the integer that a number is.
func (v Value) whole() (int64, bool) {
	if v.kind != Number || v.num != math.Trunc(v.num) || math.Abs(v.num) >= 1<<63 {
		return 0, false
	}
	return int64(v.num), true
}
