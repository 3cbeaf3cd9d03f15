package query

import (
	"math"

	"github.com/siftdb/siftdb/internal/document"
)

// kinds maps the tags of the stored form to kinds; damaged tags are absent.
var kinds = [256]document.Kind{
	document.Null, document.Bool, document.Bool, document.Number, document.Number, document.Number,
	document.String, document.Array, document.Object, document.Object,
}

// kindOf is v.Kind(), in line for stored values.
func kindOf(v document.Value) document.Kind {
	if raw := v.Raw(); len(raw) > 0 {
		return kinds[raw[0]]
	}
	return v.Kind()
}

// constant is an operand of loose equality, coerced once.
type constant struct {
	kind  constantKind
	num   float64 // what the operand is as a number, when numOK
	numOK bool
	text  string // what it is as text: a string, or the joined elements of a list
	list  bool   // the operand is a list, which equals no other list
}

type constantKind uint8

const (
	isNull   constantKind = iota // equals null and absent
	isNumber                     // a number or a boolean
	isText                       // a string, or a list by its text
	isEmpty                      // the empty list, which equals only itself
	isNever                      // an object, or a list that holds one
)

func newConstant(v document.Value) constant {
	switch v.Kind() {
	case document.Bool:
		return constant{kind: isNumber, num: boolNumber(v.Bool()), numOK: true}
	case document.Number:
		return constant{kind: isNumber, num: v.Float(), numOK: true}
	case document.String:
		return textConstant(v.Str())
	case document.Array:
		if v.Len() == 0 {
			return constant{kind: isEmpty, list: true}
		}
		if holdsObject(v) {
			return constant{kind: isNever, list: true}
		}
		c := textConstant(string(appendText(nil, v)))
		c.list = true
		return c
	case document.Object:
		return constant{kind: isNever}
	}
	return constant{kind: isNull}
}

func textConstant(s string) constant {
	c := constant{kind: isText, text: s}
	c.num, c.numOK = toNumber(s)
	return c
}

func boolNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// equals is JavaScript's == between a value and the operand, without the text of objects.
func (c *constant) equals(v document.Value) bool {
	switch kindOf(v) {
	case document.Absent, document.Null:
		return c.kind == isNull
	case document.Number:
		return c.numOK && v.Float() == c.num
	case document.Bool:
		return c.numOK && boolNumber(v.Bool()) == c.num
	case document.String:
		return c.equalsText(v.Str())
	case document.Array:
		if c.kind == isEmpty {
			return v.Len() == 0
		}
		if c.list || c.kind == isNull || c.kind == isNever || holdsObject(v) {
			return false
		}
		var room [64]byte
		return c.equalsText(stringOf(appendText(room[:0], v)))
	}
	return false
}

func (c *constant) equalsText(s string) bool {
	switch c.kind {
	case isText:
		return c.text == s
	case isNumber:
		f, ok := toNumber(s)
		return ok && f == c.num
	}
	return false
}

// comparable is the number that ordering sees in a value.
func comparable(v document.Value) (float64, bool) {
	switch kindOf(v) {
	case document.Number:
		return v.Float(), true
	case document.String:
		return comparableText(v.Str())
	}
	return 0, false
}

// number is JavaScript's Number of a value; ok is false for NaN.
func number(v document.Value) (f float64, ok bool) {
	switch v.Kind() {
	case document.Null:
		return 0, true
	case document.Number:
		return v.Float(), true
	case document.Bool:
		return boolNumber(v.Bool()), true
	case document.String:
		return toNumber(v.Str())
	case document.Array:
		var room [64]byte
		return toNumber(stringOf(appendText(room[:0], v)))
	}
	return 0, false
}

// greater is JavaScript's a > b.
func greater(a, b document.Value) bool {
	c, ok := relate(a, b)
	return ok && c > 0
}

// relate orders two values as JavaScript's < and > do: two texts by UTF-16 units, where lists
// and objects count as their text, and everything else as numbers. ok is false when one is
// not a number.
func relate(a, b document.Value) (c int, ok bool) {
	if isTextual(a) && isTextual(b) {
		var room, room2 [64]byte
		return compareUTF16(stringOf(textOf(a, room[:0])), stringOf(textOf(b, room2[:0]))), true
	}
	x, ok := number(a)
	if !ok {
		return 0, false
	}
	y, ok := number(b)
	if !ok || math.IsNaN(x) || math.IsNaN(y) {
		return 0, false
	}
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

func isTextual(v document.Value) bool {
	switch v.Kind() {
	case document.String, document.Array, document.Object:
		return true
	}
	return false
}

// remainder is JavaScript's %.
func remainder(a, b float64) float64 {
	if b != 0 && math.Abs(a) < 1<<53 && math.Abs(b) < 1<<53 && a == math.Trunc(a) && b == math.Trunc(b) {
		return float64(int64(a) % int64(b))
	}
	return math.Mod(a, b)
}
