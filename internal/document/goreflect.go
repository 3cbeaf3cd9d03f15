package document

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"sync"
)

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	orderedType       = reflect.TypeFor[OrderedObject]()
	valueType         = reflect.TypeFor[Value]()
	rawMessageType    = reflect.TypeFor[json.RawMessage]()
	numberType        = reflect.TypeFor[json.Number]()
)

// isBytes reports whether a slice is written as base64, as encoding/json does.
func isBytes(t reflect.Type) bool {
	if t.Elem().Kind() != reflect.Uint8 {
		return false
	}
	return traitsOf(t.Elem())&(isAddrMarshaler|isAddrTexter) == 0
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

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

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
