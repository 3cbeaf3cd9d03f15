package document

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

// customEncoder returns the encoder of a type that says itself how it is written, else nil.
func customEncoder(s shape) encoder {
	t := s.typ
	if t.Kind() == reflect.Interface {
		return nil // the value in it decides
	}
	self := selfType{t, t.Kind() == reflect.Pointer}
	switch {
	case t == valueType:
		return viewEncoder{}
	case t == rawMessageType:
		return rawEncoder{}
	case t == timeType:
		return timeEncoder{}
	case t.Kind() == reflect.Pointer && t.Elem() == timeType:
		return &pointerEncoder{timeEncoder{}}
	case s.has(isOrdered, 0):
		return &orderedEncoder{self}
	case s.has(isMarshaler, isAddrMarshaler):
		return &jsonEncoder{self}
	case s.has(isTexter, isAddrTexter):
		return &textEncoder{self}
	}
	return nil
}

// selfType is a type with methods of its own.
type selfType struct {
	typ     reflect.Type
	pointer bool
}

// at returns the variable at p as something with the methods of its type, or nil for a nil
// pointer. What is no pointer itself is not copied: a pointer to it has its methods too.
func (s *selfType) at(p unsafe.Pointer) any {
	v := reflect.NewAt(s.typ, p)
	if !s.pointer {
		return v.Interface()
	}
	if *(*unsafe.Pointer)(p) == nil {
		return nil
	}
	return v.Elem().Interface()
}

// viewEncoder is that of Value.
type viewEncoder struct{}

func (viewEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	return w.goView(*(*Value)(p), depth)
}

// rawEncoder is that of json.RawMessage.
type rawEncoder struct{}

func (rawEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	return w.goText(*(*json.RawMessage)(p), "json.RawMessage")
}

// timeEncoder is that of time.Time, without the detour of a JSON text.
type timeEncoder struct{}

func (timeEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	buf, err := (*time.Time)(p).AppendText(append(w.buf, tagString))
	if err != nil { // which MarshalJSON words in its own way
		return (&jsonEncoder{selfType{typ: timeType}}).encode(w, p, depth)
	}
	w.buf = buf
	return nil
}

// orderedEncoder is that of an OrderedObject.
type orderedEncoder struct{ selfType }

func (e *orderedEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	self := e.at(p)
	if self == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return w.goOrdered(self.(OrderedObject), tagObject, depth)
}

// jsonEncoder is that of a json.Marshaler.
type jsonEncoder struct{ selfType }

func (e *jsonEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	self := e.at(p)
	if self == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	data, err := self.(json.Marshaler).MarshalJSON()
	if err != nil {
		return errs.Wrap(errs.InvalidInput, err, "cannot encode a %s", e.typ)
	}
	if data == nil {
		data = []byte{}
	}
	return w.goText(data, e.typ.String())
}

// textEncoder is that of an encoding.TextMarshaler, which becomes a string.
type textEncoder struct{ selfType }

func (e *textEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	self := e.at(p)
	if self == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	data, err := self.(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return errs.Wrap(errs.InvalidInput, err, "cannot encode a %s", e.typ)
	}
	return w.goString(string(data))
}
