package document

import (
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

// Builder builds one value by calls, part by part:
//
//	b.ObjectStart()
//	b.Key("name")
//	b.Value(v)
//	b.End()
//	v, err := b.Finish()
//
// The first error sticks and is returned by Finish. A key whose value is absent is left out;
// of a repeated key the last value stands in the place of the first. A Builder can be used
// again after Finish. It must not be used by several goroutines at once.
type Builder struct {
	w       *writer
	enc     *Encoder // of a document, else nil
	err     error
	name    string // the key that waits for its value
	hasName bool
	begun   bool
	done    bool // a whole value has been built
	known   int  // proposals before this value
}

// NewBuilder returns a Builder of values of any type; objects have their names in them. It has
// no limits beyond the depth of 10,000.
func NewBuilder() *Builder {
	return &Builder{w: &writer{lim: unlimited.filled()}}
}

// NewDocumentBuilder returns a Builder of top-level documents over an Encoder's names and
// limits; new names join its proposals. The value built must be an object. The Encoder must not
// be used between the first call and Finish.
func NewDocumentBuilder(e *Encoder) *Builder {
	return &Builder{w: &e.w, enc: e}
}

// ObjectStart begins an object, as a field, as an item or at the root.
func (b *Builder) ObjectStart() {
	tag := byte(tagObject)
	if b.enc != nil && !b.begun {
		tag = tagDoc
	}
	b.container(tag)
}

// ArrayStart begins an array, as a field, as an item or at the root.
func (b *Builder) ArrayStart() { b.container(tagArray) }

// Key names the field whose value follows. The name is copied; it must be valid UTF-8.
func (b *Builder) Key(name string) {
	switch {
	case b.err != nil:
	case !b.begun || b.done || len(b.w.frames) == 0 || b.w.top().tag == tagArray || b.hasName:
		b.misuse("Key")
	case !utf8.ValidString(name):
		b.err = errs.New(errs.InvalidInput, "the key %q holds bytes that are not UTF-8", name)
	default:
		b.name, b.hasName = name, true
	}
}

// Value adds a value: of a field after Key, as the next item of an array, or as the root. It
// is copied. An absent value leaves its field out, and is null elsewhere.
func (b *Builder) Value(v Value) {
	if b.err != nil {
		return
	}
	if b.hasName && isAbsent(v) {
		b.name, b.hasName = "", false
		return
	}
	if b.enc != nil && !b.begun {
		if b.place("Value") && b.check(b.w.document(v)) {
			b.done = true
		}
		return
	}
	if !b.place("Value") {
		return
	}
	err := b.w.goView(v, len(b.w.frames))
	if err != nil {
		b.err = err
		return
	}
	b.end()
}

// End ends the innermost array or object.
func (b *Builder) End() {
	if b.err != nil {
		return
	}
	if !b.begun || b.done || len(b.w.frames) == 0 || b.hasName {
		b.misuse("End")
		return
	}
	if b.check(asError(b.w.faultOf(b.w.close()))) {
		b.end()
	}
}

// Finish returns the value, in bytes of its own, and makes the Builder ready for the next one.
func (b *Builder) Finish() (Value, error) {
	raw, err := b.Append(nil)
	if err != nil {
		return Value{}, err
	}
	if b.enc != nil {
		return Stored(raw, b.enc.Names()), nil
	}
	return Stored(raw, nil), nil
}

// Append appends the value's bytes to dst and makes the Builder ready for the next one. On an
// error it returns dst as it was given.
func (b *Builder) Append(dst []byte) ([]byte, error) {
	if b.err == nil && !b.done {
		b.misuse("Finish")
	}
	err := b.err
	if b.begun {
		if err != nil {
			b.w.forget(b.known)
		}
		buf := b.w.finish()
		if err == nil {
			dst = append(dst, buf...)
		}
		b.w.room = buf[:0]
	}
	*b = Builder{w: b.w, enc: b.enc}
	return dst, err
}

func (b *Builder) container(tag byte) {
	if b.err != nil {
		return
	}
	if b.enc != nil && !b.begun && tag == tagArray {
		b.err = notObject(Array)
		return
	}
	if b.place("a start") {
		b.check(asError(b.w.faultOf(b.w.open(tag))))
	}
}

// place makes sure that a value may stand here, and writes the key that waits for it.
func (b *Builder) place(call string) bool {
	if !b.begun {
		b.begun = true
		b.known = len(b.w.proposed)
		b.w.start(b.w.takeRoom(0))
		return true
	}
	inArray := len(b.w.frames) > 0 && b.w.top().tag == tagArray
	if b.done || b.hasName == inArray {
		b.misuse(call)
		return false
	}
	if !b.hasName {
		return true
	}
	name := b.name
	b.name, b.hasName = "", false
	return b.check(asError(b.w.faultOf(b.w.key(name))))
}

// end ends the value that has been written, as an item of its container or as the whole.
func (b *Builder) end() {
	if len(b.w.frames) == 0 {
		b.done = true
		return
	}
	b.check(asError(b.w.faultOf(b.w.endItem())))
}

func (b *Builder) check(err error) bool {
	if err != nil {
		b.err = err
	}
	return err == nil
}

func (b *Builder) misuse(call string) {
	b.err = errs.New(errs.Internal, "a document was built in the wrong order: %s does not fit here", call)
}
