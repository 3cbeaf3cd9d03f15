package document

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	orderedType       = reflect.TypeFor[OrderedObject]()
	valueType         = reflect.TypeFor[Value]()
	rawMessageType    = reflect.TypeFor[json.RawMessage]()
	numberType        = reflect.TypeFor[json.Number]()
)

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

// isBytes reports whether a slice is written as base64, as encoding/json does.
func isBytes(t reflect.Type) bool {
	if t.Elem().Kind() != reflect.Uint8 {
		return false
	}
	return traitsOf(t.Elem())&(isAddrMarshaler|isAddrTexter) == 0
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

// traits says which of the interfaces that matter a type implements, itself or by address.
type traits uint8

const (
	isOrdered traits = 1 << iota
	isMarshaler
	isAddrMarshaler
	isTexter
	isAddrTexter
)

// typeTraits keeps the traits of each type that was ever written.
var typeTraits sync.Map // reflect.Type to traits

func traitsOf(t reflect.Type) traits {
	if known, ok := typeTraits.Load(t); ok {
		return known.(traits)
	}
	var x traits
	for _, c := range []struct {
		iface          reflect.Type
		itself, byAddr traits
	}{
		{orderedType, isOrdered, 0},
		{marshalerType, isMarshaler, isAddrMarshaler},
		{textMarshalerType, isTexter, isAddrTexter},
	} {
		if t.Implements(c.iface) {
			x |= c.itself
		}
		if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(c.iface) {
			x |= c.byAddr
		}
	}
	typeTraits.Store(t, x)
	return x
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

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

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

var errKeyType = errors.New("a key must be a string, an integer or an encoding.TextMarshaler")

// keyName returns the text of a map key by the rules of encoding/json.
func keyName(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if m, ok := k.Interface().(encoding.TextMarshaler); ok {
		if k.Kind() == reflect.Pointer && k.IsNil() {
			return "", nil
		}
		data, err := m.MarshalText()
		return string(data), err
	}
	switch k.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(k.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", errKeyType
}
