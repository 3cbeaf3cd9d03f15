package document

import (
	"encoding/json"
	"reflect"
	"sync"
	"unsafe"
)

// Decoder stores values in Go variables of one type by the rules of encoding/json's Unmarshal:
// struct tags, embedding, keys matched without regard to case where no field has them exactly,
// Unmarshaler and TextUnmarshaler, null that empties pointers, maps, slices and interfaces and
// leaves the rest as it was, slices and maps that are filled where they lie. It differs in
// three things. The first part that does not fit ends the decoding, with a *FieldError. A
// number in an interface is what ToGo makes of it: float64, and json.Number where that would
// be another number. A json.Number with the option "string" must be a number.
//
// A Decoder is immutable and safe for concurrent use. It is made once for a type, so that a
// value costs no look at the type, only a walk over its parts.
type Decoder struct {
	typ  reflect.Type
	root decoder
}

// decoder stores a value in the variable at p, which has the type the decoder was made for.
// What it stores shares no memory with the value. The depth is how many steps lead here.
type decoder interface {
	decode(v Value, p unsafe.Pointer, depth int) *FieldError
}

// decoders keeps the Decoder of each type that was ever asked for.
var decoders sync.Map // reflect.Type to *Decoder

// DecoderFor returns the Decoder of a type, the same one every time. Every type has one: a part
// of the type that no JSON fits, such as a channel, is refused when a value comes for it. It
// panics when t is nil.
func DecoderFor(t reflect.Type) *Decoder {
	if known, ok := decoders.Load(t); ok {
		return known.(*Decoder)
	}
	c := compiler{}
	d := &Decoder{typ: t, root: c.value(t, reflect.PointerTo(t))}
	known, _ := decoders.LoadOrStore(t, d)
	return known.(*Decoder)
}

// Type returns the type of the variables that the Decoder stores in.
func (d *Decoder) Type() reflect.Type { return d.typ }

// Decode stores v in the variable that p points to, which must be of the Decoder's type. The
// variable shares no memory with v afterwards. An absent v counts as null. The error is a
// *FieldError; the variable then holds what was stored before the fault. Damaged bytes give
// an error or parts that are missing, never a panic.
func (d *Decoder) Decode(v Value, p unsafe.Pointer) error {
	if err := d.root.decode(v, p, 0); err != nil {
		return err.finish()
	}
	return nil
}

// DecodeInto stores v in *dst as a Decoder of the type T does. dst must not be nil. Who stores
// many values keeps the Decoder and saves looking it up.
func DecodeInto[T any](v Value, dst *T) error {
	return DecoderFor(reflect.TypeFor[T]()).Decode(v, unsafe.Pointer(dst))
}

// DecodeTo stores v in the variable that dst points to, as a Decoder of its type does. When
// dst is no pointer, or a nil one, the error is a *json.InvalidUnmarshalError.
func DecodeTo(v Value, dst any) error {
	to := reflect.ValueOf(dst)
	if to.Kind() != reflect.Pointer || to.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(dst)}
	}
	return DecoderFor(to.Type().Elem()).Decode(v, to.UnsafePointer())
}

// isNull reports whether a value counts as null: the one that is not there does.
func isNull(v Value) bool { return v.Kind() <= Null }
