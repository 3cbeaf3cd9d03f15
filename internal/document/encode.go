package document

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

// encoder writes the variable at p, which has the type the encoder was made for. The variable
// is only read, unless a method of its type does otherwise. The depth is how many steps lead
// here; arrays and objects inside each other are counted by the writer.
type encoder interface {
	encode(w *writer, p unsafe.Pointer, depth int) *errs.Error
}

// objectEncoder is the encoder of what is an object. A nil map is an empty one here.
type objectEncoder interface {
	object(w *writer, p unsafe.Pointer, tag byte, depth int) *errs.Error
}

// rootEncoder writes values of one type that an interface holds. It is made once for a type, so
// that a value costs no look at the type, only a walk over its parts.
type rootEncoder struct {
	typ    reflect.Type
	value  encoder
	row    objectEncoder // of a struct, a map, or a pointer to one: writes it as a document
	inWord bool          // an interface may hold the value itself, not a pointer to it
}

// encoders keeps the rootEncoder of each type that was ever written.
var encoders sync.Map // reflect.Type to *rootEncoder

func encoderFor(t reflect.Type) *rootEncoder {
	if known, ok := encoders.Load(t); ok {
		return known.(*rootEncoder)
	}
	c := encoderCompiler{}
	r := &rootEncoder{typ: t, value: c.value(shape{t, false}), inWord: mayBeWord(t)}
	if t.Kind() != reflect.Pointer {
		r.row = c.row(shape{t, false})
	} else if traitsOf(t)&(isMarshaler|isOrdered) == 0 {
		r.row = c.row(shape{t.Elem(), true})
	}
	known, _ := encoders.LoadOrStore(t, r)
	return known.(*rootEncoder)
}

// mayBeWord reports whether an interface may hold values of a type in its own word. Go does so
// with pointers, and with structs and arrays that are no more than one.
func mayBeWord(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Array, reflect.Struct:
		return t.Size() == unsafe.Sizeof(uintptr(0))
	}
	return false
}

// wordOf returns the word of an interface that is a pointer to its value, or the value itself
// if that is a pointer.
func wordOf(v any) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] }

// dataOf returns a pointer to the value of the type that v holds, to read from.
func (r *rootEncoder) dataOf(v any) unsafe.Pointer {
	if !r.inWord {
		return wordOf(v)
	}
	box := reflect.New(r.typ)
	box.Elem().Set(reflect.ValueOf(v))
	return box.UnsafePointer()
}

// goOther writes a Go value of any type but nil.
func (w *writer) goOther(v any, depth int) *errs.Error {
	r := encoderFor(reflect.TypeOf(v))
	if e, ok := r.value.(*pointerEncoder); ok {
		return e.follow(w, wordOf(v), depth)
	}
	return r.value.encode(w, r.dataOf(v), depth)
}

// goDocument writes Go data as a document.
func (w *writer) goDocument(v any) error {
	if v == nil {
		return notObject(Null)
	}
	r := encoderFor(reflect.TypeOf(v))
	switch {
	case r.row == nil:
		return w.goDocumentBehind(reflect.ValueOf(v))
	case r.typ.Kind() != reflect.Pointer:
		return asError(r.row.object(w, r.dataOf(v), tagDoc, 0))
	case wordOf(v) == nil:
		return notObject(Null)
	}
	return asError(r.row.object(w, wordOf(v), tagDoc, 0))
}

// goDocumentBehind writes what is no plain struct or map: pointers to pointers, and types that
// say themselves what they are.
func (w *writer) goDocumentBehind(v reflect.Value) error {
	for hops := 0; v.Kind() == reflect.Pointer && !v.IsNil() && hops < deepest; hops++ {
		if traitsOf(v.Type())&(isMarshaler|isOrdered) != 0 {
			break
		}
		if r := encoderFor(v.Type()); r.row != nil {
			return asError(r.row.object(w, v.UnsafePointer(), tagDoc, 0))
		}
		v = v.Elem()
	}
	if isNil(v) {
		return notObject(Null)
	}
	if traitsOf(v.Type())&isOrdered != 0 {
		return asError(w.goOrdered(v.Interface().(OrderedObject), tagDoc, 0))
	}
	x, err := FromGo(v.Interface(), w.lim) // its kind is known only afterwards
	if err != nil {
		return err
	}
	return w.document(x)
}
