package document

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

// This is how Go values were written before encoders were compiled: a walk by reflection. It is
// kept as what the encoders are tested against.

// goReflect writes a Go value of any type. quoted is the "string" option of a struct field.
func (w *writer) goReflect(v reflect.Value, depth int, quoted bool) *errs.Error {
	if depth > deepest {
		return errs.New(errs.InvalidInput, "the value is nested deeper than %d, or contains itself", deepest)
	}
	if !v.IsValid() {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	if done, err := w.goMarshaler(v, depth); done {
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		if quoted {
			return w.goString(strconv.FormatBool(v.Bool()))
		}
		w.buf = append(w.buf, tagFalse+b2i(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if quoted {
			return w.goString(strconv.FormatInt(v.Int(), 10))
		}
		w.goInt(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if quoted {
			return w.goString(strconv.FormatUint(v.Uint(), 10))
		}
		w.goUint(v.Uint())
	case reflect.Float32, reflect.Float64:
		return w.goReflectFloat(v, quoted)
	case reflect.String:
		return w.goReflectString(v, quoted)
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			w.buf = append(w.buf, tagNull)
			return nil
		}
		return w.goReflect(v.Elem(), depth+1, quoted)
	case reflect.Struct:
		return w.goStruct(v, tagObject, depth)
	case reflect.Map:
		if v.IsNil() {
			w.buf = append(w.buf, tagNull)
			return nil
		}
		return w.goReflectMap(v, tagObject, depth)
	case reflect.Slice:
		if v.IsNil() {
			w.buf = append(w.buf, tagNull)
			return nil
		}
		if isBytes(v.Type()) {
			w.buf = append(w.buf, tagString)
			w.buf = base64.StdEncoding.AppendEncode(w.buf, v.Bytes())
			return nil
		}
		return w.goReflectList(v, depth)
	case reflect.Array:
		return w.goReflectList(v, depth)
	default:
		return errs.New(errs.InvalidInput, "a value of the Go type %s has no JSON form", v.Type())
	}
	return nil
}

// goMarshaler writes a value whose type says itself how it is written. It is false for others.
func (w *writer) goMarshaler(v reflect.Value, depth int) (done bool, err *errs.Error) {
	t := v.Type()
	if t.Kind() == reflect.Interface {
		return false, nil // the value in it decides
	}
	traits := traitsOf(t)
	switch {
	case traits == 0:
		return false, nil
	case t == valueType:
		return true, w.goView(v.Interface().(Value), depth)
	case t == rawMessageType:
		return true, w.goText(v.Bytes(), "json.RawMessage")
	case traits&isOrdered != 0:
		if isNil(v) {
			w.buf = append(w.buf, tagNull)
			return true, nil
		}
		return true, w.goOrdered(v.Interface().(OrderedObject), tagObject, depth)
	}
	if m, ok := implementing(v, isMarshaler, isAddrMarshaler); ok {
		if isNil(m) {
			w.buf = append(w.buf, tagNull)
			return true, nil
		}
		data, err := m.Interface().(json.Marshaler).MarshalJSON()
		if err != nil {
			return true, errs.Wrap(errs.InvalidInput, err, "cannot encode a %s", t)
		}
		if data == nil {
			data = []byte{}
		}
		return true, w.goText(data, t.String())
	}
	if m, ok := implementing(v, isTexter, isAddrTexter); ok {
		if isNil(m) {
			w.buf = append(w.buf, tagNull)
			return true, nil
		}
		data, err := m.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return true, errs.Wrap(errs.InvalidInput, err, "cannot encode a %s", t)
		}
		return true, w.goString(string(data))
	}
	return false, nil
}

// implementing returns the value, or its address where that is to be had, as an implementation
// of an interface.
func implementing(v reflect.Value, itself, byAddr traits) (reflect.Value, bool) {
	x := traitsOf(v.Type())
	if x&byAddr != 0 && v.CanAddr() {
		return v.Addr(), true
	}
	return v, x&itself != 0
}

func (w *writer) goReflectFloat(v reflect.Value, quoted bool) *errs.Error {
	bits := v.Type().Bits()
	if !quoted {
		return w.goFloat(v.Float(), bits)
	}
	at := len(w.buf)
	if err := w.goFloat(v.Float(), bits); err != nil {
		return err
	}
	num := string(Value{raw: w.buf[at:]}.AppendNumber(nil))
	w.buf = w.buf[:at]
	return w.goString(num)
}

func (w *writer) goReflectString(v reflect.Value, quoted bool) *errs.Error {
	s := v.String()
	if v.Type() == numberType {
		if !quoted {
			return w.goNumber(s)
		}
		if s == "" {
			s = "0"
		}
		if !isNumber(s) {
			return errs.New(errs.InvalidInput, "the json.Number %q is not a number", s)
		}
		return w.goString(s)
	}
	if quoted {
		if !utf8.ValidString(s) {
			return w.goString(s)
		}
		s = string(appendQuoted(nil, s))
	}
	return w.goString(s)
}

func (w *writer) goReflectList(v reflect.Value, depth int) *errs.Error {
	if err := w.faultOf(w.open(tagArray)); err != nil {
		return err
	}
	for i := range v.Len() {
		err := w.goReflect(v.Index(i), depth+1, false)
		if err == nil {
			err = w.faultOf(w.endItem())
		}
		if err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
	return w.faultOf(w.close())
}

func (w *writer) goReflectMap(v reflect.Value, tag byte, depth int) *errs.Error {
	type pair struct {
		name  string
		value reflect.Value
	}
	pairs := make([]pair, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		name, err := keyName(it.Key())
		if err != nil {
			return errs.Wrap(errs.InvalidInput, err, "cannot encode a key of a %s", v.Type())
		}
		pairs = append(pairs, pair{name, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	if err := w.faultOf(w.open(tag)); err != nil {
		return err
	}
	for _, p := range pairs {
		if err := w.goReflectField(p.name, p.value, depth, false); err != nil {
			return err
		}
	}
	return w.faultOf(w.close())
}

// goReflectField writes one field of an open object.
func (w *writer) goReflectField(name string, v reflect.Value, depth int, quoted bool) *errs.Error {
	if inner := v; inner.IsValid() {
		if inner.Kind() == reflect.Interface {
			inner = inner.Elem()
		}
		if inner.IsValid() && inner.Type() == valueType && isAbsent(inner.Interface()) {
			return nil
		}
	}
	err := w.goKey(name)
	if err == nil {
		err = w.goReflect(v, depth+1, quoted)
	}
	if err == nil {
		err = w.faultOf(w.endItem())
	}
	if err != nil {
		return within(err, name)
	}
	return nil
}

// goStruct writes a struct as an object.
func (w *writer) goStruct(v reflect.Value, tag byte, depth int) *errs.Error {
	if err := w.faultOf(w.open(tag)); err != nil {
		return err
	}
	fields := fieldsOf(v.Type())
next:
	for i := range fields {
		f := &fields[i]
		fv := v
		for _, step := range f.index {
			if fv.Kind() == reflect.Pointer {
				if fv.IsNil() {
					continue next
				}
				fv = fv.Elem()
			}
			fv = fv.Field(step)
		}
		if f.omitEmpty && reflectIsEmpty(fv) || f.omitZero && reflectIsZero(fv) {
			continue
		}
		if err := w.goReflectField(f.name, fv, depth, f.quoted); err != nil {
			return err
		}
	}
	return w.faultOf(w.close())
}

// reflectAppendGo is what Encoder.AppendGo was for types that it does not know.
func reflectAppendGo(e *Encoder, dst []byte, v any) ([]byte, error) {
	return e.encode(dst, func() error { return e.w.reflectDocument(reflect.ValueOf(v)) })
}

// reflectFromGo is what FromGo was.
func reflectFromGo(v any, lim Limits) (Value, error) {
	w := &writer{lim: lim.filled()}
	w.start(nil)
	if err := w.goReflect(reflect.ValueOf(v), 0, false); err != nil {
		return Value{}, err
	}
	return Value{raw: w.own()}, nil
}

// reflectDocument writes Go data as a document.
func (w *writer) reflectDocument(v reflect.Value) error {
	for hops := 0; v.IsValid() && v.Kind() == reflect.Pointer && !v.IsNil() && hops < deepest; hops++ {
		if traitsOf(v.Type())&(isMarshaler|isOrdered) != 0 {
			break
		}
		v = v.Elem()
	}
	if !v.IsValid() || isNil(v) {
		return notObject(Null)
	}
	if traitsOf(v.Type())&isOrdered != 0 {
		return asError(w.goOrdered(v.Interface().(OrderedObject), tagDoc, 0))
	}
	if _, ok := implementing(v, isMarshaler, isAddrMarshaler); !ok && v.Type() != valueType {
		switch v.Kind() {
		case reflect.Struct:
			if _, ok := implementing(v, isTexter, isAddrTexter); !ok {
				return asError(w.goStruct(v, tagDoc, 0))
			}
		case reflect.Map:
			return asError(w.goReflectMap(v, tagDoc, 0))
		}
	}
	// A value of its own first, for types that say themselves what they are.
	x, err := FromGo(v.Interface(), w.lim)
	if err != nil {
		return err
	}
	return w.document(x)
}

// reflectIsEmpty is what the option omitempty leaves out.
func reflectIsEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct, reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return false
	}
	return v.IsZero()
}

// reflectIsZero is what the option omitzero leaves out: what its IsZero method says, or Go's zero.
func reflectIsZero(v reflect.Value) bool {
	t := v.Type()
	switch {
	case t.Implements(zeroerType):
		if t.Kind() == reflect.Interface {
			if v.IsNil() || isNil(v.Elem()) {
				return true
			}
		} else if isNil(v) {
			return true
		}
		return v.Interface().(zeroer).IsZero()
	case reflect.PointerTo(t).Implements(zeroerType):
		if !v.CanAddr() {
			box := reflect.New(t).Elem()
			box.Set(v)
			v = box
		}
		return v.Addr().Interface().(zeroer).IsZero()
	}
	return v.IsZero()
}
