package document

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

var (
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType            = reflect.TypeFor[time.Time]()
	stringType          = reflect.TypeFor[string]()
)

// compiler makes the decoders of one type and of all that it holds. The decoders of containers
// are kept while they are made, so that a type may hold itself.
type compiler map[reflect.Type]decoder

// value returns the decoder of a variable of type t. self is the pointer type whose methods
// say how the variable is read, or nil where encoding/json does not look for any.
func (c compiler) value(t, self reflect.Type) decoder {
	if self != nil {
		switch {
		case !self.Implements(unmarshalerType):
		case t == rawMessageType:
			return rawDecoder{}
		case t == timeType:
			return timeDecoder{}
		default:
			return &jsonDecoder{t}
		}
		if self.Implements(textUnmarshalerType) {
			return &textDecoder{t}
		}
	}
	switch t.Kind() {
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Slice, reflect.Struct:
		if known, ok := c[t]; ok {
			return known
		}
		return c.container(t)
	case reflect.Interface:
		return &interfaceDecoder{t, t.NumMethod() == 0}
	}
	return scalar(t)
}

// part returns the decoder of a variable that lies in another: a field, an item or what a map
// holds.
func (c compiler) part(t reflect.Type) decoder { return c.value(t, addressOf(t)) }

// addressOf returns the pointer type whose methods encoding/json looks for in a variable that
// is not reached through a pointer. A type without a name has methods only by embedding; there
// it does not look.
func addressOf(t reflect.Type) reflect.Type {
	if t.Name() == "" || t.Kind() == reflect.Pointer {
		return nil
	}
	return reflect.PointerTo(t)
}

func (c compiler) container(t reflect.Type) decoder {
	switch t.Kind() {
	case reflect.Array:
		d := &arrayDecoder{typ: t, size: t.Elem().Size(), count: t.Len()}
		c[t] = d
		d.item = c.part(t.Elem())
		return d
	case reflect.Pointer:
		d := &pointerDecoder{to: t.Elem()}
		c[t] = d
		d.elem = c.value(t.Elem(), t)
		return d
	case reflect.Slice:
		d := &sliceDecoder{typ: t, size: t.Elem().Size(), bytes: t.Elem().Kind() == reflect.Uint8}
		c[t] = d
		d.item = c.part(t.Elem())
		d.grow = growing(t)
		return d
	case reflect.Map:
		return c.mapping(t)
	}
	d := &structDecoder{typ: t}
	c[t] = d
	d.compile(c)
	return d
}

func (c compiler) mapping(t reflect.Type) decoder {
	if t.Key() == stringType {
		switch t.Elem().Kind() {
		case reflect.String:
			return &stringMapDecoder[string]{t, c.part(t.Elem())}
		case reflect.Interface:
			if t.Elem().NumMethod() == 0 {
				return &stringMapDecoder[any]{t, c.part(t.Elem())}
			}
		}
	}
	d := &mapDecoder{typ: t, key: mapKey(t.Key())}
	c[t] = d
	d.elem = c.part(t.Elem())
	return d
}

// scalar returns the decoder of a type that holds nothing else; a type that no JSON fits takes
// null only.
func scalar(t reflect.Type) decoder {
	switch t.Kind() {
	case reflect.Bool:
		return &boolDecoder{t}
	case reflect.Int:
		return &intDecoder[int]{t}
	case reflect.Int8:
		return &intDecoder[int8]{t}
	case reflect.Int16:
		return &intDecoder[int16]{t}
	case reflect.Int32:
		return &intDecoder[int32]{t}
	case reflect.Int64:
		return &intDecoder[int64]{t}
	case reflect.Uint:
		return &uintDecoder[uint]{t}
	case reflect.Uint8:
		return &uintDecoder[uint8]{t}
	case reflect.Uint16:
		return &uintDecoder[uint16]{t}
	case reflect.Uint32:
		return &uintDecoder[uint32]{t}
	case reflect.Uint64:
		return &uintDecoder[uint64]{t}
	case reflect.Uintptr:
		return &uintDecoder[uintptr]{t}
	case reflect.Float32:
		return &float32Decoder{t}
	case reflect.Float64:
		return &float64Decoder{t}
	case reflect.String:
		if t == numberType {
			return &numberDecoder{}
		}
		return &stringDecoder{t}
	}
	return &noDecoder{t}
}
