package document

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// sliceHeader is what a slice of any type is in memory.
type sliceHeader struct {
	data unsafe.Pointer
	len  int
	cap  int
}

// sliceDecoder stores arrays in a slice, over the items it has room for, and strings in bytes.
type sliceDecoder struct {
	typ   reflect.Type
	size  uintptr // of an item
	item  decoder
	bytes bool
	grow  func(p unsafe.Pointer, n int) // gives the slice at p room for n items and keeps all it has
}

func (d *sliceDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	at := (*sliceHeader)(p)
	switch kind := v.Kind(); {
	case kind == Array:
	case kind <= Null:
		*at = sliceHeader{}
		return nil
	case kind == String && d.bytes:
		return d.base64(v, p)
	default:
		return misfit(v, d.typ)
	}
	if depth > deepest {
		return refusal(v, d.typ, errDeep)
	}
	n := v.Len()
	if n == 0 {
		*(*[]struct{})(p) = []struct{}{}
		return nil
	}
	if n > at.cap {
		d.grow(p, n)
	}
	at.len = n
	i := 0
	for it := itemsOf(v); i < n; i++ {
		e, ok := it.next()
		if !ok {
			break
		}
		if err := d.item.decode(e, unsafe.Add(at.data, uintptr(i)*d.size), depth+1); err != nil {
			return err.withinItem(i)
		}
	}
	at.len = i
	return nil
}

func (d *sliceDecoder) base64(v Value, p unsafe.Pointer) *FieldError {
	s := bytesOf(v.Str())
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(b, s)
	if err != nil {
		return refusal(v, d.typ, err)
	}
	*(*[]byte)(p) = b[:n]
	return nil
}

// growing returns how slices of a type grow: without reflection for the most common items.
func growing(t reflect.Type) func(p unsafe.Pointer, n int) {
	switch t.Elem().Kind() {
	case reflect.String:
		return growAs[string]
	case reflect.Int:
		return growAs[int]
	case reflect.Float64:
		return growAs[float64]
	case reflect.Pointer:
		return growAs[unsafe.Pointer]
	}
	return func(p unsafe.Pointer, n int) {
		s := reflect.NewAt(t, p).Elem()
		s.SetLen(s.Cap())
		s.Grow(n - s.Len())
	}
}

func growAs[E any](p unsafe.Pointer, n int) {
	s := (*[]E)(p)
	all := (*s)[:cap(*s)]
	*s = slices.Grow(all, n-len(all))
}

// arrayDecoder stores arrays in an array of Go: what is over is left out, what is missing zero.
type arrayDecoder struct {
	typ   reflect.Type
	size  uintptr // of an item
	count int
	item  decoder
}

func (d *arrayDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	switch v.Kind() {
	case Array:
	case Null, Absent:
		return nil
	default:
		return misfit(v, d.typ)
	}
	if depth > deepest {
		return refusal(v, d.typ, errDeep)
	}
	i := 0
	for it := itemsOf(v); i < d.count; i++ {
		e, ok := it.next()
		if !ok {
			break
		}
		if err := d.item.decode(e, unsafe.Add(p, uintptr(i)*d.size), depth+1); err != nil {
			return err.withinItem(i)
		}
	}
	if i < d.count {
		for all := reflect.NewAt(d.typ, p).Elem(); i < d.count; i++ {
			all.Index(i).SetZero()
		}
	}
	return nil
}

// pointerDecoder stores values in the variable that a pointer leads to, and makes one where it
// is nil.
type pointerDecoder struct {
	to     reflect.Type
	elem   decoder
	quoted bool // of a field with the option "string"
}

func (d *pointerDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	at := (*unsafe.Pointer)(p)
	quoted := d.quoted && strings.HasPrefix(v.Str(), "n")
	switch {
	case isNull(v), quoted && v.Str() == "null":
		*at = nil
		return nil
	case quoted: // the type's own methods are not asked
		return misfit(v, d.to)
	case depth > deepest:
		return refusal(v, d.to, errDeep)
	}
	if *at == nil {
		*at = reflect.New(d.to).UnsafePointer()
	}
	return d.elem.decode(v, *at, depth+1)
}

// stringMapDecoder stores objects in a map with keys of type string and values of a kind that
// is in memory what E is.
type stringMapDecoder[E any] struct {
	typ  reflect.Type
	elem decoder
}

func (d *stringMapDecoder[E]) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	at := (*map[string]E)(p)
	switch v.Kind() {
	case Object:
	case Null, Absent:
		*at = nil
		return nil
	default:
		return misfit(v, d.typ)
	}
	if *at == nil {
		*at = make(map[string]E, v.Len())
	}
	box, zero := new(E), *new(E)
	for name, e := range v.keptFields() {
		*box = zero
		if err := d.elem.decode(e, unsafe.Pointer(box), depth+1); err != nil {
			return err.within(name)
		}
		(*at)[name] = *box
	}
	return nil
}

// mapDecoder stores objects in a map of any other type.
type mapDecoder struct {
	typ  reflect.Type
	key  func(name string) (reflect.Value, error) // nil: no key fits
	elem decoder
}

func (d *mapDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	m := reflect.NewAt(d.typ, p).Elem()
	switch kind := v.Kind(); {
	case kind <= Null:
		m.SetZero()
		return nil
	case kind != Object || d.key == nil:
		return misfit(v, d.typ)
	}
	if depth > deepest {
		return refusal(v, d.typ, errDeep)
	}
	if m.IsNil() {
		m.Set(reflect.MakeMapWithSize(d.typ, v.Len()))
	}
	box := reflect.New(d.typ.Elem())
	for name, e := range v.keptFields() {
		box.Elem().SetZero()
		if err := d.elem.decode(e, box.UnsafePointer(), depth+1); err != nil {
			return err.within(name)
		}
		key, err := d.key(name)
		if err != nil {
			return refusal(Of(name), d.typ.Key(), err).within(name)
		}
		m.SetMapIndex(key, box.Elem())
	}
	return nil
}

// mapKey returns how the text of a key becomes a map's key of type t, or nil when none does.
func mapKey(t reflect.Type) func(name string) (reflect.Value, error) {
	if reflect.PointerTo(t).Implements(textUnmarshalerType) {
		return func(name string) (reflect.Value, error) {
			key := reflect.New(t)
			return key.Elem(), unmarshalKey(key.Interface(), name)
		}
	}
	set := func(key reflect.Value, name string) error { key.SetString(name); return nil }
	switch t.Kind() {
	case reflect.String:
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		set = func(key reflect.Value, name string) error {
			n, err := strconv.ParseInt(name, 10, t.Bits())
			key.SetInt(n)
			return err
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		set = func(key reflect.Value, name string) error {
			n, err := strconv.ParseUint(name, 10, t.Bits())
			key.SetUint(n)
			return err
		}
	default:
		return nil
	}
	return func(name string) (reflect.Value, error) {
		key := reflect.New(t).Elem()
		return key, set(key, name)
	}
}

// unmarshalKey has a key read its own text; its UnmarshalJSON comes first, as in encoding/json.
func unmarshalKey(key any, name string) error {
	if u, ok := key.(json.Unmarshaler); ok {
		return u.UnmarshalJSON(appendQuoted(nil, name))
	}
	return key.(encoding.TextUnmarshaler).UnmarshalText([]byte(name))
}
