package document

import (
	"encoding/binary"
	"reflect"
	"slices"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

// structEncoder writes a struct as an object.
type structEncoder struct{ fields []fieldEncoder }

// fieldEncoder writes one field of a struct.
type fieldEncoder struct {
	name   string
	head   []byte    // the name as it stands in an object, with its length
	hops   []uintptr // where the pointers to embedded structs are that lead here
	offset uintptr   // from the struct that the last hop leads to
	value  encoder
	omit   func(p unsafe.Pointer) bool // leaves the field out; nil for never
}

func (e *structEncoder) compile(c encoderCompiler, s shape) {
	fields := fieldsOf(s.typ)
	e.fields = make([]fieldEncoder, len(fields))
	for i := range fields {
		e.fields[i] = c.field(s, &fields[i])
	}
}

func (c encoderCompiler) field(s shape, f *structField) fieldEncoder {
	e := fieldEncoder{name: f.name}
	e.head = append(binary.AppendUvarint(nil, uint64(len(f.name))), f.name...)
	exported := true // the field that the way has come to
	for _, step := range f.index {
		if s.typ.Kind() == reflect.Pointer {
			e.hops = append(e.hops, e.offset)
			e.offset, s = 0, shape{s.typ.Elem(), true}
		}
		sf := s.typ.Field(step)
		e.offset += sf.Offset
		s.typ, exported = sf.Type, sf.IsExported()
	}
	e.omit = omission(s, f)
	switch {
	case f.quoted:
		e.value = c.quoted(s)
	case exported:
		e.value = c.value(s)
	case s.typ.Kind() == reflect.Pointer: // to an embedded struct that a tag names: its methods are out of reach
		e.value = &pointerEncoder{c.plain(shape{s.typ.Elem(), true})}
	default:
		e.value = c.plain(s)
	}
	return e
}

func (e *structEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	return e.object(w, p, tagObject, depth)
}

func (e *structEncoder) object(w *writer, p unsafe.Pointer, tag byte, depth int) *errs.Error {
	if f := w.open(tag); f != noFault {
		return w.faultOf(f)
	}
	if tag == tagDoc && w.columnsOf != e {
		w.meet(e)
	}
	for i := range e.fields {
		f := &e.fields[i]
		at := f.find(p)
		if at == nil || f.omit != nil && f.omit(at) {
			continue
		}
		fault := w.fieldKey(f, i)
		if fault == noFault {
			if err := f.value.encode(w, at, depth+1); err != nil {
				return within(err, f.name)
			}
			fault = w.endItem()
		}
		if fault != noFault {
			return within(w.faultOf(fault), f.name)
		}
	}
	return w.faultOf(w.close())
}

// find returns the field of the struct at p, or nil when an embedded pointer on the way is nil.
func (f *fieldEncoder) find(p unsafe.Pointer) unsafe.Pointer {
	for _, offset := range f.hops {
		if p = *(*unsafe.Pointer)(unsafe.Add(p, offset)); p == nil {
			return nil
		}
	}
	return unsafe.Add(p, f.offset)
}

// meet makes room for the numbers of the names of a struct's fields, to be looked up once.
func (w *writer) meet(e *structEncoder) {
	w.columnsOf = e
	w.columns = slices.Grow(w.columns[:0], len(e.fields))[:len(e.fields)]
	for i := range w.columns {
		w.columns[i] = inlineCol
	}
}

// fieldKey is key for the field i of a struct. Its names are valid, and they differ, so nobody
// looks for one that came before.
func (w *writer) fieldKey(field *fieldEncoder, i int) fault {
	f := w.top()
	if len(w.ends)-f.firstEnd >= w.lim.Keys {
		return tooManyKeys
	}
	if len(field.name) > w.lim.KeyBytes {
		return keyTooLong
	}
	if f.tag == tagDoc {
		col := w.columns[i]
		if col == inlineCol {
			col = w.column(field.name)
			w.columns[i] = col
		}
		w.keys = append(w.keys, key{})
		w.keys[len(w.keys)-1].col = col
		if col != inlineCol {
			return noFault
		}
	}
	if uint64(len(w.buf)-f.start+len(field.head)) > w.most {
		return tooBig
	}
	w.buf = append(w.buf, field.head...)
	return noFault
}
