package document

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"
)

// Compare gives the one total order over values: it is negative when a comes before b, 0 when
// they stand in the same place, and positive otherwise. Numbers < strings < objects < arrays <
// booleans < null and absent, which are one class. Numbers compare as doubles; strings by their
// case-folded code points and then by their exact ones; arrays item by item, the shorter first;
// objects by their fields sorted by exact key, key before value, fewer fields first; false
// before true. It allocates only for objects of more than 16 fields. AppendKey has the same
// order in bytes.
func Compare(a, b Value) int { return compare(a, b, 0) }

// The classes of the order, which are also the first bytes of keys.
const (
	classNumber = 0x10
	classString = 0x20
	classObject = 0x30
	classArray  = 0x40
	classFalse  = 0x50
	classTrue   = 0x51
	classNull   = 0x60
)

// classes maps kinds to classes; a boolean's class is told apart by its value.
var classes = [...]byte{
	Absent: classNull, Null: classNull, Bool: classFalse, Number: classNumber,
	String: classString, Array: classArray, Object: classObject,
}

func compare(a, b Value, depth int) int {
	ka, kb := a.Kind(), b.Kind()
	if ca, cb := classes[ka], classes[kb]; ca != cb {
		return cmp.Compare(ca, cb)
	}
	switch ka {
	case Number:
		return cmp.Compare(a.Float(), b.Float())
	case String:
		return CompareStrings(a.Str(), b.Str())
	case Bool:
		return int(b2i(a.Bool())) - int(b2i(b.Bool()))
	case Array:
		if depth > deepest {
			return 0
		}
		ia, ib := itemsOf(a), itemsOf(b)
		for {
			va, oka := ia.next()
			vb, okb := ib.next()
			if !oka || !okb {
				return int(b2i(oka)) - int(b2i(okb))
			}
			if c := compare(va, vb, depth+1); c != 0 {
				return c
			}
		}
	case Object:
		if depth > deepest {
			return 0
		}
		return compareObjects(a, b, depth)
	}
	return 0
}

func compareObjects(a, b Value, depth int) int {
	var roomA, roomB [fewFields]field
	fa, fb := sortedFields(a, roomA[:0]), sortedFields(b, roomB[:0])
	for i := range min(len(fa), len(fb)) {
		if c := cmp.Compare(fa[i].name, fb[i].name); c != 0 {
			return c
		}
		if c := compare(fa[i].value, fb[i].value, depth+1); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(fa), len(fb))
}

// Equal reports whether two values are the same JSON value: numbers by their doubles, text
// exactly, objects whatever the order of their keys. Absent equals only absent and null only
// null. It allocates only for objects of more than 16 fields whose orders differ.
func Equal(a, b Value) bool { return equal(a, b, 0) }

func equal(a, b Value, depth int) bool {
	kind := a.Kind()
	if kind != b.Kind() {
		return false
	}
	switch kind {
	case Bool:
		return a.Bool() == b.Bool()
	case Number:
		fa, fb := a.Float(), b.Float()
		return fa == fb || math.IsNaN(fa) && math.IsNaN(fb)
	case String:
		return a.Str() == b.Str()
	case Array:
		if depth > deepest {
			return true
		}
		ia, ib := itemsOf(a), itemsOf(b)
		for {
			va, oka := ia.next()
			vb, okb := ib.next()
			if !oka || !okb {
				return oka == okb
			}
			if !equal(va, vb, depth+1) {
				return false
			}
		}
	case Object:
		if depth > deepest {
			return true
		}
		return equalObjects(a, b, depth)
	}
	return true
}

func equalObjects(a, b Value, depth int) bool {
	if a.raw == nil || b.raw == nil {
		return equalFields(a, b, depth)
	}
	// Objects of one origin mostly have their fields in the same order.
	ka, kb := walk(a.raw, a.Names()), walk(b.raw, b.Names())
	for {
		oka, okb := nextField(&ka), nextField(&kb)
		if !oka || !okb {
			return oka == okb
		}
		if ka.name != kb.name {
			return equalFields(a, b, depth)
		}
		if !equal(Value{raw: ka.value}, Value{raw: kb.value}, depth+1) {
			// With names repeated by damage this may be another answer than equalFields has,
			// but it is the same one every time.
			return false
		}
	}
}

// nextField moves to the next field that has a value.
func nextField(k *walker) bool {
	for k.next() {
		if len(k.value) > 0 {
			return true
		}
	}
	return false
}

// equalFields compares objects by their fields sorted by name.
func equalFields(a, b Value, depth int) bool {
	var roomA, roomB [fewFields]field
	fa, fb := sortedFields(a, roomA[:0]), sortedFields(b, roomB[:0])
	if len(fa) != len(fb) {
		return false
	}
	for i := range fa {
		if fa[i].name != fb[i].name || !equal(fa[i].value, fb[i].value, depth+1) {
			return false
		}
	}
	return true
}

// items steps through an array from either source.
type items struct {
	k    walker
	list []any
}

func itemsOf(v Value) items {
	if v.raw != nil {
		return items{k: walk(v.raw, nil)}
	}
	list, _ := v.v.([]any)
	return items{list: list}
}

func (it *items) next() (Value, bool) {
	if it.k.raw != nil {
		if it.k.next() {
			return nested(it.k.value), true
		}
		return Value{}, false
	}
	if len(it.list) == 0 {
		return Value{}, false
	}
	v := Of(it.list[0])
	it.list = it.list[1:]
	return v, true
}

// fewFields is how many fields are sorted without allocating.
const fewFields = 16

type field struct {
	name  string
	value Value
}

// fieldsIn appends the fields of an object from either source that are there.
func fieldsIn(v Value, dst []field) []field {
	if v.raw != nil {
		k := walk(v.raw, v.Names())
		for k.next() {
			if len(k.value) > 0 {
				dst = append(dst, field{k.name, Value{raw: k.value}})
			}
		}
		return dst
	}
	switch o := v.v.(type) {
	case map[string]any:
		for name, e := range o {
			if e := Of(e); e.raw != nil || e.v != nil {
				dst = append(dst, field{name, e})
			}
		}
		sortFields(dst)
	case OrderedObject:
		for i := range o.Len() {
			name, e := o.At(i)
			if e := Of(e); e.raw != nil || e.v != nil {
				dst = append(dst, field{name, e})
			}
		}
	}
	return dst
}

func sortedFields(v Value, dst []field) []field {
	dst = fieldsIn(v, dst)
	sortFields(dst)
	return dst
}

func sortFields(f []field) {
	slices.SortStableFunc(f, func(a, b field) int { return cmp.Compare(a.name, b.name) })
}

// CompareStrings compares two strings as Compare does: by case-folded code points, then by
// exact code points. It allocates nothing.
func CompareStrings(a, b string) int {
	exact := 0 // the first difference that folding hides
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0], b[0]
		if x < utf8.RuneSelf && y < utf8.RuneSelf {
			a, b = a[1:], b[1:]
			if x == y {
				continue
			}
			if fx, fy := foldASCII[x], foldASCII[y]; fx != fy {
				return int(fx) - int(fy)
			}
			if exact == 0 {
				exact = int(x) - int(y)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(a)
		s, m := utf8.DecodeRuneInString(b)
		a, b = a[n:], b[m:]
		if r == s {
			continue
		}
		if fr, fs := Fold(r), Fold(s); fr != fs {
			return cmp.Compare(fr, fs)
		}
		if exact == 0 {
			exact = cmp.Compare(r, s)
		}
	}
	if len(a) != len(b) {
		if len(a) > 0 {
			return 1
		}
		return -1
	}
	return exact
}
