package document

import (
	"reflect"
	"time"
	"unsafe"
)

// omission returns a test whether a field is left out, by its options or since it holds an
// absent Value; nil for a field that never is.
func omission(s shape, f *structField) func(p unsafe.Pointer) bool {
	var test func(p unsafe.Pointer) bool
	or := func(more func(p unsafe.Pointer) bool) {
		switch first := test; {
		case more == nil:
		case first == nil:
			test = more
		default:
			test = func(p unsafe.Pointer) bool { return first(p) || more(p) }
		}
	}
	if f.omitEmpty {
		or(emptiness(s.typ))
	}
	if f.omitZero {
		or(zeroness(s))
	}
	or(absence(s.typ))
	return test
}

// emptiness returns the test of the option omitempty, nil when no value of the type is empty.
func emptiness(t reflect.Type) func(p unsafe.Pointer) bool {
	switch t.Kind() {
	case reflect.String:
		return func(p unsafe.Pointer) bool { return *(*string)(p) == "" }
	case reflect.Slice:
		return func(p unsafe.Pointer) bool { return (*sliceHeader)(p).len == 0 }
	case reflect.Map:
		return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().Len() == 0 }
	case reflect.Array:
		return func(unsafe.Pointer) bool { return t.Len() == 0 }
	case reflect.Pointer, reflect.Interface:
		return firstWordZero
	case reflect.Bool, reflect.Uintptr, reflect.Float32, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return numberZero(t)
	}
	return nil
}

// zeroer is a type that says itself what the option omitzero leaves out.
type zeroer interface{ IsZero() bool }

var zeroerType = reflect.TypeFor[zeroer]()

// zeroness returns the test of the option omitzero: what an IsZero method says, or Go's zero.
func zeroness(s shape) func(p unsafe.Pointer) bool {
	t := s.typ
	switch kind := t.Kind(); {
	case t == timeType:
		return func(p unsafe.Pointer) bool { return (*time.Time)(p).IsZero() }
	case t.Implements(zeroerType):
		return ownZeroness(t)
	case kind != reflect.Pointer && reflect.PointerTo(t).Implements(zeroerType):
		return func(p unsafe.Pointer) bool {
			v := reflect.NewAt(t, p)
			if !s.addr { // the method gets a copy
				box := reflect.New(t)
				box.Elem().Set(v.Elem())
				v = box
			}
			return v.Interface().(zeroer).IsZero()
		}
	case kind == reflect.Struct, kind == reflect.Array, kind == reflect.Complex64, kind == reflect.Complex128:
		return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() }
	case kind == reflect.String:
		return func(p unsafe.Pointer) bool { return *(*string)(p) == "" }
	case kind == reflect.Bool, reflect.Int <= kind && kind <= reflect.Float64:
		return numberZero(t)
	}
	return firstWordZero
}

// ownZeroness is zeroness for a type that has an IsZero method. A nil pointer is zero without
// being asked, and so is an interface that holds none or a nil pointer.
func ownZeroness(t reflect.Type) func(p unsafe.Pointer) bool {
	return func(p unsafe.Pointer) bool {
		v := reflect.NewAt(t, p).Elem()
		switch t.Kind() {
		case reflect.Interface:
			if v.IsNil() || isNil(v.Elem()) {
				return true
			}
		case reflect.Pointer:
			if v.IsNil() {
				return true
			}
		default:
			return v.Addr().Interface().(zeroer).IsZero()
		}
		return v.Interface().(zeroer).IsZero()
	}
}

// firstWordZero is the test of what is nil when its first word is.
func firstWordZero(p unsafe.Pointer) bool { return *(*uintptr)(p) == 0 }

// numberZero returns the test of numbers and booleans; -0 is zero.
func numberZero(t reflect.Type) func(p unsafe.Pointer) bool {
	switch kind := t.Kind(); {
	case kind == reflect.Float32:
		return isZero[float32]
	case kind == reflect.Float64:
		return isZero[float64]
	case t.Size() == 1:
		return isZero[uint8]
	case t.Size() == 2:
		return isZero[uint16]
	case t.Size() == 4:
		return isZero[uint32]
	}
	return isZero[uint64]
}

func isZero[T float32 | float64 | uint8 | uint16 | uint32 | uint64](p unsafe.Pointer) bool {
	return *(*T)(p) == 0
}
