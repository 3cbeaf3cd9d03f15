package document

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
	"unsafe"
)

// rawDecoder is that of json.RawMessage: it takes the JSON text of anything.
type rawDecoder struct{}

func (rawDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	at := (*json.RawMessage)(p)
	*at = AppendJSON((*at)[:0], v)
	return nil
}

// timeDecoder is that of time.Time, without the detour of a JSON text.
type timeDecoder struct{}

func (timeDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case String:
		if err := (*time.Time)(p).UnmarshalText(bytesOf(v.Str())); err != nil {
			return refusal(v, timeType, err)
		}
	case Null, Absent:
	default:
		return misfit(v, timeType)
	}
	return nil
}

// jsonDecoder is that of a type whose pointer is a json.Unmarshaler.
type jsonDecoder struct{ typ reflect.Type }

func (d *jsonDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	return d.unmarshal(v, AppendJSON(make([]byte, 0, len(v.raw)+numberRoom), v), p)
}

// unmarshal hands over a text of its own, for types that keep it though they should not.
func (d *jsonDecoder) unmarshal(v Value, text []byte, p unsafe.Pointer) *FieldError {
	u := reflect.NewAt(d.typ, p).Interface().(json.Unmarshaler)
	if err := u.UnmarshalJSON(text); err != nil {
		return refusal(v, d.typ, err)
	}
	return nil
}

// textDecoder is that of a type whose pointer is an encoding.TextUnmarshaler and takes strings.
type textDecoder struct{ typ reflect.Type }

func (d *textDecoder) decode(v Value, p unsafe.Pointer, _ int) *FieldError {
	switch v.Kind() {
	case String:
		u := reflect.NewAt(d.typ, p).Interface().(encoding.TextUnmarshaler)
		if err := u.UnmarshalText([]byte(v.Str())); err != nil {
			return refusal(v, d.typ, err)
		}
	case Null, Absent:
		switch d.typ.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			reflect.NewAt(d.typ, p).Elem().SetZero()
		}
	default:
		return misfit(v, d.typ)
	}
	return nil
}

// interfaceDecoder stores plain Go data in an interface; or, where the interface holds a
// pointer, in the variable that it leads to.
type interfaceDecoder struct {
	typ   reflect.Type
	empty bool // of methods
}

func (d *interfaceDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	if depth > deepest {
		return refusal(v, d.typ, errDeep)
	}
	if d.empty && *(*any)(p) == nil {
		*(*any)(p) = v.Go()
		return nil
	}
	at := reflect.NewAt(d.typ, p).Elem()
	if to := at.Elem(); to.Kind() == reflect.Pointer && !to.IsNil() && !(to.Type() == reflect.PointerTo(d.typ) && to.UnsafePointer() == p) {
		if t := to.Type().Elem(); !isNull(v) || t.Kind() == reflect.Pointer {
			return DecoderFor(t).root.decode(v, to.UnsafePointer(), depth+1)
		}
	}
	switch {
	case isNull(v):
		at.SetZero()
	case d.empty:
		*(*any)(p) = v.Go()
	default:
		return misfit(v, d.typ)
	}
	return nil
}

// quotedDecoder is that of a field with the option "string", whose value stands in a string.
type quotedDecoder struct {
	typ   reflect.Type
	plain decoder
}

// quoted returns the decoder of a field with the option "string". fieldsOf grants it to numbers,
// strings and booleans, and to pointers to them.
func (c compiler) quoted(t reflect.Type) decoder {
	if t.Kind() == reflect.Pointer {
		to := t.Elem()
		return &pointerDecoder{to: to, elem: &quotedDecoder{to, c.value(to, t)}, quoted: true}
	}
	return &quotedDecoder{t, c.part(t)}
}

func (d *quotedDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	switch v.Kind() {
	case String:
	case Null, Absent:
		return d.plain.decode(v, p, depth)
	default:
		return refusal(v, d.typ, errNotQuoted)
	}
	s := v.Str()
	if u, ok := d.plain.(*jsonDecoder); ok && s != "" {
		return u.unmarshal(v, []byte(s), p)
	}
	switch s {
	case "null":
		return d.plain.decode(Of(nil), p, depth)
	case "true", "false":
		return d.plain.decode(Of(s == "true"), p, depth)
	case "":
		return misfit(v, d.typ)
	}
	switch c := s[0]; {
	case c == '"' && s[len(s)-1] == '"':
		var inner string
		if json.Unmarshal([]byte(s), &inner) == nil {
			return d.plain.decode(Of(inner), p, depth)
		}
	case c == '-' || '0' <= c && c <= '9':
		if t, ok := d.plain.(textParser); ok && t.parse(s, p) {
			return nil
		}
	}
	return misfit(v, d.typ)
}
