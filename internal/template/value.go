package template

import (
	"fmt"
	"iter"
)

// Value is what a template reads: one JSON value. Of makes it.
type Value interface {
	kind() kind
	// truth is the value of a boolean, and for a number whether it is not 0.
	truth() bool
	// text appends a string or a number, with the digits it was given.
	text(dst []byte) []byte
	json(dst []byte) ([]byte, error)
	len() int
	at(i int) Value
	field(name string) Value
	fields() iter.Seq2[string, Value]
}

// kind is the JSON type of a value; the zero kind is that of one that is not there.
type kind uint8

const (
	absent kind = iota
	boolean
	number
	text
	array
	object
)

// JSON is the type of a JSON value, in whatever form. The kinds call themselves as JSON does:
// boolean, number, string, array and object; any other is a value that is not there, as null
// is. document.Value is such a type.
type JSON[V any, K fmt.Stringer] interface {
	// Kind returns the kind.
	Kind() K
	// Bool returns a boolean, and false for every other kind.
	Bool() bool
	// Float returns a number as a double.
	Float() float64
	// Str returns a string.
	Str() string
	// AppendNumber appends a number with the digits it was given.
	AppendNumber(dst []byte) []byte
	// MarshalJSON returns the value's JSON text.
	MarshalJSON() ([]byte, error)
	// Len returns how many members an array or object has, or bytes a string; else 0.
	Len() int
	// At returns a member of an array.
	At(i int) V
	// Field returns a member of an object, or a value that is not there.
	Field(name string) V
	// Fields yields the members of an object.
	Fields() iter.Seq2[string, V]
}

// Of returns a value as templates read it. It copies nothing.
func Of[V JSON[V, K], K fmt.Stringer](v V) Value { return view[V, K]{v} }

// view is a Value over any form of JSON.
type view[V JSON[V, K], K fmt.Stringer] struct{ v V }

func (x view[V, K]) kind() kind {
	switch x.v.Kind().String() {
	case "boolean":
		return boolean
	case "number":
		return number
	case "string":
		return text
	case "array":
		return array
	case "object":
		return object
	}
	return absent
}

func (x view[V, K]) truth() bool { return x.v.Bool() || x.v.Float() != 0 }

func (x view[V, K]) text(dst []byte) []byte {
	if x.kind() == number {
		return x.v.AppendNumber(dst)
	}
	return append(dst, x.v.Str()...)
}

func (x view[V, K]) json(dst []byte) ([]byte, error) {
	b, err := x.v.MarshalJSON()
	return append(dst, b...), err
}

func (x view[V, K]) len() int                { return x.v.Len() }
func (x view[V, K]) at(i int) Value          { return view[V, K]{x.v.At(i)} }
func (x view[V, K]) field(name string) Value { return view[V, K]{x.v.Field(name)} }

func (x view[V, K]) fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for name, v := range x.v.Fields() {
			if !yield(name, view[V, K]{v}) {
				return
			}
		}
	}
}

// plain is a Value of the template's own: the number of @index, the text of @key, the truth of
// @first, or nothing.
type plain struct {
	k kind
	b bool
	s string
}

func (p plain) kind() kind                       { return p.k }
func (p plain) truth() bool                      { return p.b }
func (p plain) text(dst []byte) []byte           { return append(dst, p.s...) }
func (p plain) json(dst []byte) ([]byte, error)  { return append(dst, p.s...), nil }
func (p plain) len() int                         { return len(p.s) }
func (p plain) at(int) Value                     { return plain{} }
func (p plain) field(string) Value               { return plain{} }
func (p plain) fields() iter.Seq2[string, Value] { return func(func(string, Value) bool) {} }
