package document

import (
	"reflect"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

// shape is a type, and whether the variable may be changed through its address: only then do
// the methods of a pointer to it count, as in encoding/json.
type shape struct {
	typ  reflect.Type
	addr bool
}

// has reports whether a trait of the type, or that of its address, is there.
func (s shape) has(itself, byAddr traits) bool {
	x := traitsOf(s.typ)
	return x&itself != 0 || s.addr && x&byAddr != 0
}

// encoderCompiler makes the encoders of one type and of all that it holds. The encoders of
// containers are kept while they are made, so that a type may hold itself.
type encoderCompiler map[shape]encoder

// value returns the encoder of a variable.
func (c encoderCompiler) value(s shape) encoder {
	if e := customEncoder(s); e != nil {
		return e
	}
	return c.plain(s)
}

// plain is value without the methods of the type.
func (c encoderCompiler) plain(s shape) encoder {
	if known, ok := c[s]; ok {
		return known
	}
	t := s.typ
	switch t.Kind() {
	case reflect.Array:
		e := &arrayEncoder{count: t.Len(), size: t.Elem().Size()}
		c[s] = e
		e.item = c.value(shape{t.Elem(), s.addr})
		return e
	case reflect.Slice:
		if isBytes(t) {
			return bytesEncoder{}
		}
		e := &sliceEncoder{size: t.Elem().Size()}
		c[s] = e
		e.item = c.value(shape{t.Elem(), true})
		return e
	case reflect.Pointer:
		e := &pointerEncoder{}
		c[s] = e
		e.elem = c.value(shape{t.Elem(), true})
		return e
	case reflect.Map:
		return c.mapping(s)
	case reflect.Struct:
		e := &structEncoder{}
		c[s] = e
		e.compile(c, s)
		return e
	case reflect.Interface:
		return &interfaceEncoder{t}
	}
	return scalarEncoder(t)
}

func (c encoderCompiler) mapping(s shape) encoder {
	t := s.typ
	if t.Key() == stringType {
		switch elem := t.Elem(); {
		case elem.Kind() == reflect.Interface && elem.NumMethod() == 0:
			return anyMapEncoder{}
		case elem == stringType:
			return stringMapEncoder{}
		}
	}
	e := &mapEncoder{typ: t, absent: absence(t.Elem())}
	c[s] = e
	e.elem = c.value(shape{t.Elem(), false})
	return e
}

// row returns the encoder of a struct or map that is written by its fields, else nil.
func (c encoderCompiler) row(s shape) objectEncoder {
	kind := s.typ.Kind()
	switch {
	case s.typ == valueType || s.has(isOrdered, 0) || s.has(isMarshaler, isAddrMarshaler):
		return nil
	case kind == reflect.Map, kind == reflect.Struct && !s.has(isTexter, isAddrTexter):
		return c.plain(s).(objectEncoder)
	}
	return nil
}

// scalarEncoder returns the encoder of a type that holds nothing else; one that no JSON fits
// refuses every value.
func scalarEncoder(t reflect.Type) encoder {
	switch t.Kind() {
	case reflect.Bool:
		return boolEncoder{}
	case reflect.Int:
		return intEncoder[int]{}
	case reflect.Int8:
		return intEncoder[int8]{}
	case reflect.Int16:
		return intEncoder[int16]{}
	case reflect.Int32:
		return intEncoder[int32]{}
	case reflect.Int64:
		return intEncoder[int64]{}
	case reflect.Uint:
		return uintEncoder[uint]{}
	case reflect.Uint8:
		return uintEncoder[uint8]{}
	case reflect.Uint16:
		return uintEncoder[uint16]{}
	case reflect.Uint32:
		return uintEncoder[uint32]{}
	case reflect.Uint64:
		return uintEncoder[uint64]{}
	case reflect.Uintptr:
		return uintEncoder[uintptr]{}
	case reflect.Float32:
		return float32Encoder{}
	case reflect.Float64:
		return float64Encoder{}
	case reflect.String:
		if t == numberType {
			return numberEncoder{}
		}
		return stringEncoder{}
	}
	return &noEncoder{t}
}

// noEncoder is that of a type that has no JSON form.
type noEncoder struct{ typ reflect.Type }

func (e *noEncoder) encode(*writer, unsafe.Pointer, int) *errs.Error {
	return errs.New(errs.InvalidInput, "a value of the Go type %s has no JSON form", e.typ)
}
