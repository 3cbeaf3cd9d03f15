package aggregate

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// compareSort gives the order of values in $sort: null and missing stand in one place.
func compareSort(a, b Value) int {
	if a.nullish() && b.nullish() {
		return 0
	}
	return compare(a, b)
}

// compare gives the one total order over values: missing, null, numbers, strings by code
// points, objects, arrays, booleans, dates. Objects compare as their fields sorted by key.
func compare(a, b Value) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case Number, Bool, Date:
		return cmp.Compare(a.num, b.num)
	case String:
		return strings.Compare(a.str, b.str)
	case Array:
		n, m := a.size(), b.size()
		for i := range min(n, m) {
			if c := compare(a.at(i), b.at(i)); c != 0 {
				return c
			}
		}
		return cmp.Compare(n, m)
	case Object:
		x, y := sortedFields(a), sortedFields(b)
		for i := range min(len(x), len(y)) {
			if c := strings.Compare(x[i].key, y[i].key); c != 0 {
				return c
			}
			if c := compare(x[i].val, y[i].val); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
	return 0
}

type member struct {
	key string
	val Value
}

// sortedFields gives the fields of an object by key. It reads them in one pass: to look one up
// may take as long as the object is.
func sortedFields(v Value) []member {
	list := make([]member, 0, v.size())
	for k, f := range v.fields() {
		list = append(list, member{k, f})
	}
	slices.SortFunc(list, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return list
}

// equal reports whether two values are the same; the order of an object's keys does not count.
func equal(a, b Value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case Number, Bool, Date:
		return a.num == b.num || math.IsNaN(a.num) && math.IsNaN(b.num)
	case String:
		return a.str == b.str
	case Array:
		if a.size() != b.size() {
			return false
		}
		for i := range a.size() {
			if !equal(a.at(i), b.at(i)) {
				return false
			}
		}
	case Object:
		if a.size() != b.size() {
			return false
		}
		if a.size() > linear {
			return slices.EqualFunc(sortedFields(a), sortedFields(b), func(x, y member) bool { return x.key == y.key && equal(x.val, y.val) })
		}
		for k, x := range a.fields() {
			if !equal(x, b.field(k)) {
				return false
			}
		}
	}
	return true
}

// appendKey appends bytes that are the same for two values exactly where equal is true. No key
// is the beginning of another.
func appendKey(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.kind))
	switch v.kind {
	case Number, Bool, Date:
		f := v.num
		switch {
		case f == 0:
			f = 0 // -0 too
		case math.IsNaN(f):
			f = math.NaN()
		}
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
	case String:
		dst = binary.AppendUvarint(dst, uint64(len(v.str)))
		return append(dst, v.str...)
	case Array:
		dst = binary.AppendUvarint(dst, uint64(v.size()))
		for _, x := range v.items() {
			dst = appendKey(dst, x)
		}
	case Object:
		list := sortedFields(v)
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, m := range list {
			dst = binary.AppendUvarint(dst, uint64(len(m.key)))
			dst = append(dst, m.key...)
			dst = appendKey(dst, m.val)
		}
	}
	return dst
}
