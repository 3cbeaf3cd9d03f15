package document

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unsafe"
)

// Kind is the JSON type of a value.
type Kind uint8

// The kinds. Absent is the kind of a value that is not there.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String returns the kind's name as JSON calls it, in lower case.
func (k Kind) String() string {
	names := [...]string{"absent", "null", "boolean", "number", "string", "array", "object"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// OrderedObject is an object that keeps its keys in order, such as a query's ordered
// document. Keys are unique; where they are not, the last one counts.
type OrderedObject interface {
	// Len returns the number of keys.
	Len() int
	// At returns the i-th key and its value, for 0 <= i < Len().
	At(i int) (key string, value any)
}

// Value is a JSON value in stored bytes or a decoded Go value, seen the same way. It is small
// and passed by value; the zero Value is absent. It refers to the bytes or the Go value it was
// made from, copies nothing, and is valid as long as they are and as long as nobody changes
// them; several goroutines may then read it. No method panics or hangs on damaged bytes: what
// cannot be read is absent, empty or zero. Go values must not contain themselves.
type Value struct {
	raw []byte // stored bytes, or nil
	v   any    // with raw: the *Names of a document; without: the Go value
}

var nullBytes = []byte{tagNull}

// Stored returns the value in stored bytes of any form. names is the dictionary of a
// top-level document (form 0x09) and plays no part for other values. The Value keeps raw.
func Stored(raw []byte, names *Names) Value {
	if len(raw) == 0 {
		return Value{}
	}
	if raw[0] == tagDoc {
		return Value{raw: raw, v: names}
	}
	return Value{raw: raw}
}

// Of returns a decoded Go value as a Value, without copying. It takes nil, bool, every
// integer and float type, json.Number, string, []any, map[string]any, OrderedObject and Value,
// and these inside each other. The Kind of anything else is Absent: use FromGo for it. Of(nil)
// is a stored null; a float32 counts as the shortest decimal that it stands for.
func Of(v any) Value {
	switch x := v.(type) {
	case nil:
		return Value{raw: nullBytes}
	case Value:
		return x
	case float32:
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		return Value{v: f}
	}
	return Value{v: v}
}

// kinds maps tags to kinds.
var kinds = [16]Kind{Null, Bool, Bool, Number, Number, Number, String, Array, Object, Object}

// Kind returns the JSON type of the value.
func (x Value) Kind() Kind {
	if x.raw != nil {
		if len(x.raw) == 0 || x.raw[0] > tagDoc {
			return Absent
		}
		return kinds[x.raw[0]&15]
	}
	switch v := x.v.(type) {
	case nil:
		return Absent
	case string:
		return String
	case float64, int, int64, int32, int16, int8, uint, uint64, uint32, uint16, uint8, uintptr:
		return Number
	case bool:
		return Bool
	case map[string]any:
		return Object
	case []any:
		return Array
	case json.Number:
		if isNumber(string(v)) {
			return Number
		}
	case OrderedObject:
		return Object
	}
	return Absent
}

// IsStored reports whether the value lies in stored bytes.
func (x Value) IsStored() bool { return x.raw != nil }

// Raw returns the stored bytes, or nil for a value that is not stored. They belong to
// whoever made the value and must not be changed.
func (x Value) Raw() []byte { return x.raw }

// Names returns the dictionary of a stored top-level document, else nil.
func (x Value) Names() *Names {
	if x.raw == nil {
		return nil
	}
	n, _ := x.v.(*Names)
	return n
}

// Bool returns the value of a boolean, and false for everything else.
func (x Value) Bool() bool {
	if x.raw != nil {
		return len(x.raw) > 0 && x.raw[0] == tagTrue
	}
	b, _ := x.v.(bool)
	return b
}

// Float returns a number as a double: the nearest one, infinite for a number beyond the
// range of doubles. It is 0 for what is not a number. It does not allocate, except for a
// json.Number out of range.
func (x Value) Float() float64 {
	if x.raw != nil {
		if len(x.raw) == 0 {
			return 0
		}
		switch x.raw[0] {
		case tagInt:
			return float64(readInt(x.raw[1:]))
		case tagFloat, tagNumber:
			if len(x.raw) >= numberHead {
				return math.Float64frombits(binary.LittleEndian.Uint64(x.raw[1:]))
			}
		}
		return 0
	}
	switch v := x.v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case json.Number:
		if isNumber(string(v)) {
			f, _ := strconv.ParseFloat(string(v), 64)
			return f
		}
	case int32:
		return float64(v)
	case int16:
		return float64(v)
	case int8:
		return float64(v)
	case uint:
		return float64(v)
	case uint64:
		return float64(v)
	case uint32:
		return float64(v)
	case uint16:
		return float64(v)
	case uint8:
		return float64(v)
	case uintptr:
		return float64(v)
	}
	return 0
}

// AppendNumber appends the JSON text of a number, with the digits it was given, to dst. It
// appends nothing for what is not a number.
func (x Value) AppendNumber(dst []byte) []byte {
	if x.raw != nil {
		if len(x.raw) == 0 {
			return dst
		}
		switch x.raw[0] {
		case tagInt:
			return strconv.AppendInt(dst, readInt(x.raw[1:]), 10)
		case tagNumber:
			if len(x.raw) > numberHead && isNumber(text(x.raw[numberHead:])) {
				return append(dst, x.raw[numberHead:]...)
			}
			return appendFloat(dst, x.Float())
		case tagFloat:
			return appendFloat(dst, x.Float())
		}
		return dst
	}
	switch v := x.v.(type) {
	case float64:
		return appendFloat(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int16:
		return strconv.AppendInt(dst, int64(v), 10)
	case int8:
		return strconv.AppendInt(dst, int64(v), 10)
	case uint:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint16:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10)
	case uintptr:
		return strconv.AppendUint(dst, uint64(v), 10)
	case json.Number:
		if isNumber(string(v)) {
			return append(dst, v...)
		}
	}
	return dst
}

// Str returns the content of a string without copying: it lives as long as the stored bytes
// do, so what outlives them needs strings.Clone. It is "" for what is not a string.
func (x Value) Str() string {
	if x.raw != nil {
		if len(x.raw) > 1 && x.raw[0] == tagString {
			return text(x.raw[1:])
		}
		return ""
	}
	s, _ := x.v.(string)
	return s
}

// text returns bytes as a string without copying; it lives as long as they do.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns a string's bytes without copying; they must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
