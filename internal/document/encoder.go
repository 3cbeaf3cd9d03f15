package document

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
)

// Encoder makes top-level documents (form 0x09) over a dictionary of names. Names that the
// dictionary lacks get the next free numbers, up to MaxNames, and are proposed; beyond that
// they stand in the document. One Encoder may make any number of documents, whose proposals add
// up; what fails proposes nothing. It keeps no reference to dst or to what it encodes. It must
// not be used by several goroutines at once.
type Encoder struct {
	w     writer
	names *Names // base and proposed, when somebody has asked
}

// NewEncoder returns an Encoder over the names in base, which may be nil.
func NewEncoder(base *Names, lim Limits) *Encoder {
	e := &Encoder{}
	e.w.lim = lim.filled()
	e.w.base = base
	return e
}

// Reset makes the Encoder start anew over other names, without proposals. It keeps its limits
// and its scratch memory.
func (e *Encoder) Reset(base *Names) {
	e.w.base = base
	e.w.forget(0)
	e.w.proposed = nil // the old list may be in use
	e.names = nil
}

// Proposed returns the names beyond the base in the order of their numbers, which begin at the
// length of the base. The list must not be changed; later documents do not change it.
func (e *Encoder) Proposed() []string {
	n := len(e.w.proposed)
	return e.w.proposed[:n:n]
}

// Retract takes back all proposals beyond the first n. The documents that have them must be
// dropped.
func (e *Encoder) Retract(n int) {
	e.w.proposed = slices.Clone(e.w.proposed) // the old list may be in use
	e.w.forget(n)
	e.names = nil
}

// Names returns the dictionary that the documents made so far need: the base with the
// proposed names. It is the base itself as long as nothing is proposed.
func (e *Encoder) Names() *Names {
	if len(e.w.proposed) == 0 {
		return e.w.base
	}
	if e.names.Len() != e.w.base.Len()+len(e.w.proposed) {
		e.names = e.w.base.Extend(e.w.proposed)
	}
	return e.names
}

// AppendJSON appends the document that a JSON text describes to dst; the text must be one
// object. The rules and errors are those of Parse. On an error it returns dst as it was given.
// It allocates only when dst grows and for new names.
func (e *Encoder) AppendJSON(dst, text []byte) ([]byte, error) {
	room := dst
	if len(room) == cap(room) {
		room = slices.Grow(room, len(text)+len(text)/8+16)
	}
	out, err := e.encode(room, func() error { return e.w.scanText(text, true) })
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendValue appends the document for an object from any source to dst: a stored object, a
// document over the same or another dictionary, or a Go value. Fields keep their order. It
// fails, with the errors of FromGo, for what is no object.
func (e *Encoder) AppendValue(dst []byte, v Value) ([]byte, error) {
	return e.encode(dst, func() error { return e.w.document(v) })
}

// AppendGo appends the document for Go data to dst: a map, a struct, an OrderedObject, a
// Value, or JSON text as json.RawMessage or []byte. The rules and errors are those of FromGo;
// a string is no object, even if it holds JSON.
func (e *Encoder) AppendGo(dst []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case map[string]any:
		return e.AppendValue(dst, Value{v: x})
	case Value:
		if x.raw == nil && x.Kind() == Absent && x.v != nil {
			return e.AppendGo(dst, x.v)
		}
		return e.AppendValue(dst, x)
	case OrderedObject:
		if isNil(reflect.ValueOf(x)) {
			return dst, notObject(Null)
		}
		return e.AppendValue(dst, Value{v: x})
	case []byte:
		return e.AppendJSON(dst, x)
	case json.RawMessage:
		return e.AppendJSON(dst, x)
	}
	return e.encode(dst, func() error { return e.w.goDocument(v) })
}

// encode runs one encoding and takes back what it did if it fails.
func (e *Encoder) encode(dst []byte, run func() error) ([]byte, error) {
	known := len(e.w.proposed)
	e.w.start(dst)
	err := run()
	out := e.w.finish()
	if err != nil {
		e.w.forget(known)
		return dst, err
	}
	return out, nil
}

// asError keeps a nil *errs.Error from becoming an error that is not nil.
func asError(err *errs.Error) error {
	if err == nil {
		return nil
	}
	return err
}

func notObject(k Kind) error {
	what := "a " + k.String()
	switch k {
	case Absent, Null:
		what = k.String()
	case Array:
		what = "an array"
	}
	return errs.New(errs.InvalidInput, "a document must be an object, not %s", what)
}
