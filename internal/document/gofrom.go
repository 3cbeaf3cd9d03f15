package document

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

// FromGo reads a Go value into stored bytes of its own. It follows the rules of
// encoding/json's Marshal (struct tags, embedding, Marshaler, TextMarshaler, sorted map keys,
// nil maps and slices as null, []byte as base64), takes Value, OrderedObject and
// json.RawMessage anywhere, keeps the digits of a json.Number, and differs in what it refuses:
// besides numbers that are not finite also strings that are not UTF-8, which encoding/json
// would change, and values deeper than the limit, so that cycles end. An absent Value is left
// out of an object and is null elsewhere. An error is an *errs.Error with code InvalidInput
// and the path of the value at fault.
func FromGo(v any, lim Limits) (Value, error) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.lim = lim.filled()
	w.start(w.takeRoom(0))
	err := w.goValue(v, 0)
	raw := w.own()
	if err != nil {
		return Value{}, err
	}
	return Value{raw: raw}, nil
}

// goValue writes a Go value. The common types of decoded JSON go without reflection.
func (w *writer) goValue(v any, depth int) *errs.Error {
	switch x := v.(type) {
	case nil:
		w.buf = append(w.buf, tagNull)
	case bool:
		w.buf = append(w.buf, tagFalse+b2i(x))
	case string:
		return w.goString(x)
	case float64:
		return w.goFloat(x, 64)
	case int:
		w.goInt(int64(x))
	case int64:
		w.goInt(x)
	case json.Number:
		return w.goNumber(string(x))
	case Value:
		return w.goView(x, depth)
	case map[string]any:
		return w.goMap(x, depth)
	case []any:
		return w.goList(x, depth)
	case json.RawMessage:
		return w.goText(x, "json.RawMessage")
	default:
		return w.goOther(v, depth)
	}
	return nil
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (w *writer) goString(s string) *errs.Error {
	if !utf8.ValidString(s) {
		return errs.New(errs.InvalidInput, "a string holds bytes that are not UTF-8, at byte %d", invalidAt(bytesOf(s)))
	}
	w.buf = append(append(w.buf, tagString), s...)
	return nil
}

func (w *writer) goFloat(f float64, bits int) *errs.Error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errs.New(errs.InvalidInput, "the number %s has no JSON form", strconv.FormatFloat(f, 'g', -1, bits))
	}
	if bits == 32 { // the shortest digits of a float32 are those of another double
		var room [32]byte
		f, _ = strconv.ParseFloat(text(strconv.AppendFloat(room[:0], f, 'g', -1, 32)), 64)
	}
	w.buf = appendFloat64(w.buf, f)
	return nil
}

func (w *writer) goInt(v int64) {
	if v >= -maxInt && v <= maxInt {
		w.buf = appendInt(w.buf, v)
		return
	}
	var room [32]byte
	w.decimal(text(strconv.AppendInt(room[:0], v, 10)))
}

func (w *writer) goUint(v uint64) {
	if v <= uint64(maxInt) {
		w.buf = appendInt(w.buf, int64(v))
		return
	}
	var room [32]byte
	w.decimal(text(strconv.AppendUint(room[:0], v, 10)))
}

// decimal writes a number by its text, which is known to be one.
func (w *writer) decimal(num string) {
	d, _ := scanNumber(bytesOf(num), 0)
	w.buf = appendNumberText(w.buf, bytesOf(num), &d)
}

func (w *writer) goNumber(num string) *errs.Error {
	if num == "" {
		num = "0" // as in encoding/json
	}
	if !isNumber(num) {
		return notNumber(num)
	}
	if len(num) > w.lim.NumberBytes {
		return errs.New(errs.InvalidInput, "a number of %d bytes is longer than the limit of %d", len(num), w.lim.NumberBytes)
	}
	w.decimal(num)
	return nil
}

func notNumber(num string) *errs.Error {
	return errs.New(errs.InvalidInput, "the json.Number %q is not a number", num)
}

// goView writes a Value that stands where Go data is expected.
func (w *writer) goView(v Value, depth int) *errs.Error {
	if v.raw == nil {
		return w.goValue(v.v, depth+1)
	}
	if v.Kind() == Absent {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return w.faultOf(w.copyValue(v, false))
}

// isAbsent reports whether a Go value is a Value that is not there.
func isAbsent(v any) bool {
	x, ok := v.(Value)
	return ok && (x.raw == nil && x.v == nil || x.raw != nil && x.Kind() == Absent)
}

func (w *writer) goText(data []byte, typ string) *errs.Error {
	if data == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	end, err := w.scan(data, false)
	if err == nil {
		if end = skipSpace(data, end); end < len(data) {
			err = syntaxError(data, end, "unexpected %s after the value", describe(data, end))
		}
	}
	if err != nil {
		return errs.Wrap(errs.InvalidInput, err, "cannot encode a %s", typ)
	}
	return nil
}

// faultOf turns a writer's refusal into an error without a place; the way out adds the path.
func (w *writer) faultOf(f fault) *errs.Error {
	if f == noFault {
		return nil
	}
	return errs.New(errs.InvalidInput, "%s", w.explain(f))
}

// within puts a step in front of an error's path.
func within(err *errs.Error, step string) *errs.Error {
	if err.Path != "" {
		step += "." + err.Path
	}
	err.Path = step
	return err
}

// goField writes one field of an open object.
func (w *writer) goField(name string, v any, depth int) *errs.Error {
	if isAbsent(v) {
		return nil
	}
	err := w.goKey(name)
	if err == nil {
		err = w.goValue(v, depth+1)
	}
	if err == nil {
		err = w.faultOf(w.endItem())
	}
	if err != nil {
		return within(err, name)
	}
	return nil
}

func (w *writer) goKey(name string) *errs.Error {
	if !utf8.ValidString(name) {
		return errs.New(errs.InvalidInput, "the key %q holds bytes that are not UTF-8", name)
	}
	return w.faultOf(w.key(name))
}

func (w *writer) goMap(m map[string]any, depth int) *errs.Error {
	if m == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return w.goMapAs(m, tagObject, depth)
}

func (w *writer) goMapAs(m map[string]any, tag byte, depth int) *errs.Error {
	if err := w.faultOf(w.open(tag)); err != nil {
		return err
	}
	var room [16]string
	keys := room[:0]
	for name := range m {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	for _, name := range keys {
		if err := w.goField(name, m[name], depth); err != nil {
			return err
		}
	}
	return w.faultOf(w.close())
}

func (w *writer) goOrdered(o OrderedObject, tag byte, depth int) *errs.Error {
	if err := w.faultOf(w.open(tag)); err != nil {
		return err
	}
	for i := range o.Len() {
		name, v := o.At(i)
		if err := w.goField(name, v, depth); err != nil {
			return err
		}
	}
	return w.faultOf(w.close())
}

func (w *writer) goList(list []any, depth int) *errs.Error {
	if list == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	if err := w.faultOf(w.open(tagArray)); err != nil {
		return err
	}
	for i, v := range list {
		err := w.goValue(v, depth+1)
		if err == nil {
			err = w.faultOf(w.endItem())
		}
		if err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
	return w.faultOf(w.close())
}

// document writes an object from any source as a top-level document.
func (w *writer) document(v Value) error {
	if v.Kind() != Object {
		return notObject(v.Kind())
	}
	if v.raw != nil {
		return asError(w.faultOf(w.copyValue(v, true)))
	}
	if m, ok := v.v.(map[string]any); ok {
		return asError(w.goMapAs(m, tagDoc, 0))
	}
	return asError(w.goOrdered(v.v.(OrderedObject), tagDoc, 0))
}
