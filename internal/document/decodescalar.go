package document

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// textParser is a decoder that also reads the digits that the option "string" puts in a string.
// It is false for text that is no number of its type.
type textParser interface {
	parse(s string, p unsafe.Pointer) bool
}

// numberRoom is enough for the digits of a number that is not stored as text.
const numberRoom = 32

type boolDecoder struct{ typ reflect.Type }

func (d *boolDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case Bool:
		*(*bool)(p) = v.Bool()
	case Null, Absent:
	default:
		return misfit(v, d.typ)
	}
	return nil
}

type intDecoder[T int | int8 | int16 | int32 | int64] struct{ typ reflect.Type }

func (d *intDecoder[T]) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	if len(v.raw) > 0 && v.raw[0] == tagInt {
		n := readInt(v.raw[1:])
		if int64(T(n)) != n {
			return misfit(v, d.typ)
		}
		*(*T)(p) = T(n)
		return nil
	}
	return decodeDigits(d, v, p, d.typ)
}

func (d *intDecoder[T]) parse(s string, p unsafe.Pointer) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || int64(T(n)) != n {
		return false
	}
	*(*T)(p) = T(n)
	return true
}

type uintDecoder[T uint | uint8 | uint16 | uint32 | uint64 | uintptr] struct{ typ reflect.Type }

func (d *uintDecoder[T]) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	if len(v.raw) > 0 && v.raw[0] == tagInt {
		n := readInt(v.raw[1:])
		if n < 0 || uint64(T(n)) != uint64(n) {
			return misfit(v, d.typ)
		}
		*(*T)(p) = T(n)
		return nil
	}
	return decodeDigits(d, v, p, d.typ)
}

func (d *uintDecoder[T]) parse(s string, p unsafe.Pointer) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || uint64(T(n)) != n {
		return false
	}
	*(*T)(p) = T(n)
	return true
}

// decodeDigits stores an integer that is not one in its stored form: one that is too large for
// that, or a Go value. Its digits decide, so 5.0 and 1e3 are not integers.
func decodeDigits(d textParser, v Value, p unsafe.Pointer, t reflect.Type) *FieldError {
	switch v.Kind() {
	case Null, Absent:
		return nil
	case Number:
		if d.parse(string(v.AppendNumber(make([]byte, 0, numberRoom))), p) {
			return nil
		}
	}
	return misfit(v, t)
}

type float64Decoder struct{ typ reflect.Type }

func (d *float64Decoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case Number:
		f := v.Float()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return misfit(v, d.typ)
		}
		*(*float64)(p) = f
	case Null, Absent:
	default:
		return misfit(v, d.typ)
	}
	return nil
}

func (d *float64Decoder) parse(s string, p unsafe.Pointer) bool {
	f, err := strconv.ParseFloat(s, 64)
	if err == nil {
		*(*float64)(p) = f
	}
	return err == nil
}

type float32Decoder struct{ typ reflect.Type }

func (d *float32Decoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case Number:
		f, ok := toFloat32(v)
		if !ok {
			return misfit(v, d.typ)
		}
		*(*float32)(p) = f
	case Null, Absent:
	default:
		return misfit(v, d.typ)
	}
	return nil
}

func (d *float32Decoder) parse(s string, p unsafe.Pointer) bool {
	f, err := strconv.ParseFloat(s, 32)
	if err == nil {
		*(*float32)(p) = float32(f)
	}
	return err == nil
}

// toFloat32 returns the float32 nearest to a number's digits. That is the one nearest to its
// double, unless the double lies halfway between two of them and the digits may not.
func toFloat32(v Value) (float32, bool) {
	const smallest = 0x1p-126 // below it a float32 has fewer bits, and halfway is elsewhere
	f := v.Float()
	near := float32(f)
	halfway := math.Float64bits(f)&(1<<29-1) == 1<<28
	if float64(near) != f && (halfway || math.Abs(f) < smallest) {
		x, err := strconv.ParseFloat(string(v.AppendNumber(make([]byte, 0, numberRoom))), 32)
		return float32(x), err == nil
	}
	return near, !math.IsInf(float64(near), 0) && !math.IsNaN(f)
}

type stringDecoder struct{ typ reflect.Type }

func (d *stringDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	if len(v.raw) > 0 && v.raw[0] == tagString {
		*(*string)(p) = string(v.raw[1:])
		return nil
	}
	switch v.Kind() {
	case String:
		*(*string)(p) = strings.Clone(v.Str())
	case Null, Absent:
	default:
		return misfit(v, d.typ)
	}
	return nil
}

// numberDecoder is that of json.Number: it takes numbers, and strings that hold one.
type numberDecoder struct{}

func (d numberDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case Number:
		if d.parse(text(v.AppendNumber(nil)), p) {
			return nil
		}
	case String:
		if d.parse(v.Str(), p) {
			return nil
		}
	case Null, Absent:
		return nil
	}
	return misfit(v, numberType)
}

func (numberDecoder) parse(s string, p unsafe.Pointer) bool {
	if !isNumber(s) {
		return false
	}
	*(*json.Number)(p) = json.Number(strings.Clone(s))
	return true
}

// noDecoder is that of a type that no JSON fits.
type noDecoder struct{ typ reflect.Type }

func (d *noDecoder) decode(v Value, _ unsafe.Pointer, _ int) *FieldError {
	if isNull(v) {
		return nil
	}
	return misfit(v, d.typ)
}
