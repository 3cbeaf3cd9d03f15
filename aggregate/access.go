package aggregate

import (
	"encoding/json"
	"iter"

	"github.com/siftdb/siftdb/internal/document"
)

// NullValue returns null.
func NullValue() Value { return null }

// StringOf returns a string as a Value, which refers to its bytes.
func StringOf(s string) Value { return text(s) }

// NumberOf returns a number as a Value.
func NumberOf(f float64) Value { return number(f) }

// DigitsOf returns the number that a JSON text gives, with all its digits where a float64 does
// not hold them: expressions compute with the float64, and an unchanged number comes out with
// its digits. Of a text that is no JSON number it returns a missing Value.
func DigitsOf(digits string) Value {
	d := document.Of(json.Number(digits))
	if len(d.AppendNumber(nil)) == 0 {
		return Value{}
	}
	return storedNumber(d)
}

// BoolOf returns a boolean as a Value.
func BoolOf(b bool) Value { return boolean(b) }

// ArrayOf returns a list as a Value, which keeps the slice: it must not be changed any more.
// A missing item reads as null in JSON and Go data.
func ArrayOf(items []Value) Value { return arrayOf(items) }

// Len returns the number of items of an array or of fields of an object; of anything else it
// is 0.
func (v Value) Len() int { return v.size() }

// At returns an item of an array; where there is none it is missing.
func (v Value) At(i int) Value {
	if v.kind != Array || i < 0 || i >= v.size() {
		return Value{}
	}
	return v.at(i)
}

// Field returns a field of an object by its key; where there is none, and of anything else, it
// is missing.
func (v Value) Field(name string) Value { return v.field(name) }

// Get returns what the expression "$path" gives on the value: dots walk objects, over a list
// of objects the values are collected, and a number reads an item of a list. It is missing
// where the path leads nowhere or is none.
func (v Value) Get(path string) Value {
	steps := splitPath(path)
	if steps == nil {
		return Value{}
	}
	return get(v, steps)
}

// Fields yields the fields of an object in their order; a Go map has them by name.
func (v Value) Fields() iter.Seq2[string, Value] { return v.fields() }

// Str returns the text of a string; of anything else it is empty. The text of a view is valid
// as long as what the view was made from.
func (v Value) Str() string {
	if v.kind != String {
		return ""
	}
	return v.str
}

// Float returns a number; of anything else it is 0.
func (v Value) Float() float64 {
	if v.kind != Number {
		return 0
	}
	return v.num
}

// Bool returns a boolean; of anything else it is false.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }
