package query

import (
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// segment is one step of a path.
type segment struct {
	name string
	// numeric says that the name reads as a number, so that on an array it is an index and is
	// not applied to every element.
	numeric bool
	// index is the number when the name is written as an array index, else -1.
	index int
	// chars says that on a text an index is one of its UTF-16 units, as in the original.
	chars bool
}

func newSegment(name string) segment {
	s := segment{name: name, index: -1}
	_, s.numeric = toNumber(name)
	if name == "" || !isDigit(name[0]) {
		return s // an error of strconv would cost memory
	}
	if n, err := strconv.Atoi(name); err == nil && strconv.Itoa(n) == name {
		s.index = n
	}
	return s
}

func splitPath(path string) []segment {
	parts := strings.Split(path, ".")
	segments := make([]segment, len(parts))
	for i, part := range parts {
		segments[i] = newSegment(part)
	}
	return segments
}

// place says how a value was reached, for $exists.
type place uint8

const (
	here    place = iota // at a key, which is there unless the value is absent
	missing              // at a key that is not there, though a value was given for it
	element              // as an element of an array, by $elemMatch
	nowhere              // by asking null or nothing for a key
)

// verdict is the answer of a test.
type verdict uint8

const (
	no verdict = iota
	yes
	// failed means that the original matcher would have stopped with an error, or that a
	// regular expression costs too much. The document does not match, whatever stands around.
	failed
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// node is a compiled condition on one value. Nodes are immutable.
type node interface {
	// test answers for the value v, reached as at says. r is the entry tested; it is nil when
	// there is none.
	test(r *Record, v document.Value, at place) verdict
}

// walk tests every candidate that path[i:] leads to from v, until one passes. With no
// candidate the answer is no.
func walk(r *Record, v document.Value, path []segment, i int, at place, n node) verdict {
	for ; i < len(path); i++ {
		s := &path[i]
		switch kindOf(v) {
		case document.Absent, document.Null:
			return n.test(r, v, at)
		case document.Object:
			v = v.Field(s.name)
		case document.Array:
			if !s.numeric {
				return walkElements(r, v, path, i, n)
			}
			if s.index < 0 {
				v = document.Value{}
			} else {
				v = v.At(s.index)
			}
		case document.String:
			if s.chars {
				v = unitAt(v.Str(), s.index)
			} else {
				v = document.Value{}
			}
		default:
			v = document.Value{}
		}
		at = here
	}
	return n.test(r, v, at)
}

func walkElements(r *Record, list document.Value, path []segment, i int, n node) verdict {
	at := missing
	if i > 0 && path[i-1].index >= 0 && path[i-1].index < list.Len() {
		at = here // the walk stops at an element, under the last key reached
	}
	for j := range list.Len() {
		if a := walk(r, list.At(j), path, i, at, n); a != no {
			return a
		}
	}
	return no
}

// field is a key inside an operand: a path from the current value.
type field struct {
	path []segment
	node node
}

func (f *field) test(r *Record, v document.Value, at place) verdict {
	return walk(r, v, f.path, 0, nowhere, f.node)
}

// each calls fn with every candidate that path leads to from v, until fn returns false.
func each(v document.Value, path []segment, fn func(document.Value) bool) bool {
	for i := range path {
		s := &path[i]
		switch kindOf(v) {
		case document.Absent, document.Null:
			return fn(v)
		case document.Object:
			v = v.Field(s.name)
		case document.Array:
			if !s.numeric {
				for j := range v.Len() {
					if !each(v.At(j), path[i:], fn) {
						return false
					}
				}
				return true
			}
			if s.index < 0 {
				return fn(document.Value{})
			}
			v = v.At(s.index)
		default:
			return fn(document.Value{})
		}
	}
	return fn(v)
}
