package document

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

type boolEncoder struct{}

func (boolEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	w.buf = append(w.buf, tagFalse+b2i(*(*bool)(p)))
	return nil
}

type intEncoder[T int | int8 | int16 | int32 | int64] struct{}

func (intEncoder[T]) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	w.goInt(int64(*(*T)(p)))
	return nil
}

type uintEncoder[T uint | uint8 | uint16 | uint32 | uint64 | uintptr] struct{}

func (uintEncoder[T]) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	w.goUint(uint64(*(*T)(p)))
	return nil
}

type float32Encoder struct{}

func (float32Encoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	return w.goFloat(float64(*(*float32)(p)), 32)
}

type float64Encoder struct{}

func (float64Encoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	return w.goFloat(*(*float64)(p), 64)
}

type stringEncoder struct{}

func (stringEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	return w.goString(*(*string)(p))
}

// numberEncoder is that of json.Number.
type numberEncoder struct{}

func (numberEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	return w.goNumber(string(*(*json.Number)(p)))
}

// bytesEncoder is that of slices of bytes, which become base64.
type bytesEncoder struct{}

func (bytesEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	b := *(*[]byte)(p)
	if b == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	w.buf = base64.StdEncoding.AppendEncode(append(w.buf, tagString), b)
	return nil
}

// quotedEncoder is that of a field with the option "string": its JSON text becomes a string.
type quotedEncoder struct{ plain encoder }

// quoted returns the encoder of a field with the option "string". fieldsOf grants it to numbers,
// strings and booleans, and to pointers to them.
func (c encoderCompiler) quoted(s shape) encoder {
	if e := customEncoder(s); e != nil {
		return e // which does not look at the option
	}
	if s.typ.Kind() == reflect.Pointer {
		return &pointerEncoder{c.quoted(shape{s.typ.Elem(), true})}
	}
	if s.typ == numberType {
		return quotedNumberEncoder{}
	}
	return &quotedEncoder{scalarEncoder(s.typ)}
}

func (e *quotedEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	at := len(w.buf)
	if err := e.plain.encode(w, p, depth); err != nil {
		return err
	}
	w.scratch = AppendJSON(w.scratch[:0], Value{raw: w.buf[at:]})
	w.buf = append(append(w.buf[:at], tagString), w.scratch...)
	return nil
}

// quotedNumberEncoder is that of a json.Number with the option "string".
type quotedNumberEncoder struct{}

func (quotedNumberEncoder) encode(w *writer, p unsafe.Pointer, _ int) *errs.Error {
	num := string(*(*json.Number)(p))
	if num == "" {
		num = "0" // as in encoding/json
	}
	if !isNumber(num) {
		return notNumber(num)
	}
	return w.goString(num)
}
