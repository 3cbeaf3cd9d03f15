package document

import (
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"slices"
)

// Len returns the number of items of an array or object, or the bytes of a string, else 0.
func (x Value) Len() int {
	if x.raw != nil {
		if len(x.raw) == 0 {
			return 0
		}
		switch x.raw[0] {
		case tagString:
			return len(x.raw) - 1
		case tagArray, tagObject, tagDoc:
			f, _ := readFooter(x.raw)
			return f.count
		}
		return 0
	}
	switch v := x.v.(type) {
	case string:
		return len(v)
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	case OrderedObject:
		return v.Len()
	}
	return 0
}

// At returns item i of an array, absent when i is out of range or this is no array.
func (x Value) At(i int) Value {
	if x.raw != nil {
		if len(x.raw) == 0 || x.raw[0] != tagArray {
			return Value{}
		}
		f, ok := readFooter(x.raw)
		if !ok || i < 0 || i >= f.count {
			return Value{}
		}
		return nested(f.item(x.raw, i))
	}
	if list, ok := x.v.([]any); ok && i >= 0 && i < len(list) {
		return Of(list[i])
	}
	return Value{}
}

// nested returns the value in an item's bytes; no bytes are an absent value.
func nested(item []byte) Value {
	if len(item) == 0 {
		return Value{}
	}
	return Value{raw: item}
}

// Field returns the value of an object's key, absent when it is missing or this is no
// object. It allocates nothing for stored values.
func (x Value) Field(name string) Value {
	if x.raw == nil {
		return x.goField(name)
	}
	if len(x.raw) == 0 {
		return Value{}
	}
	switch x.raw[0] {
	case tagDoc:
		names, _ := x.v.(*Names)
		if col, ok := names.Lookup(name); ok {
			if v := x.Column(col); v.raw != nil {
				return v
			}
		}
		return x.FieldInline(name)
	case tagObject:
		f, ok := readFooter(x.raw)
		if !ok {
			return Value{}
		}
		for i := range f.count {
			key, value, ok := splitName(f.item(x.raw, i))
			if ok && text(key) == name {
				return nested(value)
			}
		}
	}
	return Value{}
}

func (x Value) goField(name string) Value {
	switch v := x.v.(type) {
	case map[string]any:
		if e, ok := v[name]; ok {
			return Of(e)
		}
	case OrderedObject:
		for i := v.Len() - 1; i >= 0; i-- {
			if key, e := v.At(i); key == name {
				return Of(e)
			}
		}
	}
	return Value{}
}

// Column returns the field of a stored top-level document by its number in the dictionary,
// absent when it is missing. It allocates nothing and decodes nothing.
func (x Value) Column(col uint16) Value { return nested(column(x.raw, col)) }

// column returns the bytes of a document's item by its column, or none.
func column(raw []byte, col uint16) []byte {
	n := len(raw)
	if n < 1+minFooter || raw[0] != tagDoc || raw[n-1] != 0 {
		return wideColumn(raw, col)
	}
	// Most documents have a footer of width 1; readFooter, findCol and item are written out
	// here for them.
	count := int(raw[n-2])
	cols := n - minFooter - count*colBytes
	offs := cols - count
	if offs < 1 || col == inlineCol {
		return nil
	}
	i, list, want := 0, raw[cols:n-minFooter], uint64(col)*colOnes
	for ; len(list) >= 8; list = list[8:] {
		diff := binary.LittleEndian.Uint64(list) ^ want
		if hit := (diff - colOnes) & ^diff & colHighs; hit != 0 {
			i += bits.TrailingZeros64(hit) >> 4
			goto found
		}
		i += 4
	}
	for ; len(list) >= colBytes; list = list[colBytes:] {
		if binary.LittleEndian.Uint16(list) == col {
			goto found
		}
		i++
	}
	return nil
found:
	start, end := 1, 1+int(raw[offs+i])
	if i > 0 {
		start = 1 + int(raw[offs+i-1])
	}
	if start > end || end > offs {
		return nil
	}
	return raw[start:end:end]
}

const colOnes, colHighs = 0x0001_0001_0001_0001, 0x8000_8000_8000_8000

// wideColumn is column for footers of any width.
func wideColumn(raw []byte, col uint16) []byte {
	f, ok := readFooter(raw)
	if !ok || raw[0] != tagDoc || col == inlineCol {
		return nil
	}
	if i := findCol(raw[f.cols:f.cols+f.count*colBytes], col); i >= 0 {
		return f.item(raw, i)
	}
	return nil
}

// findCol returns the position of a column number in cols, or -1. It compares four at a time:
// the lowest 16 bits that are zero after the exclusive or are found exactly.
func findCol(cols []byte, col uint16) int {
	want := uint64(col) * colOnes
	i := 0
	for ; i+8 <= len(cols); i += 8 {
		diff := binary.LittleEndian.Uint64(cols[i:]) ^ want
		if hit := (diff - colOnes) & ^diff & colHighs; hit != 0 {
			return i/colBytes + bits.TrailingZeros64(hit)/16
		}
	}
	for ; i+colBytes <= len(cols); i += colBytes {
		if binary.LittleEndian.Uint16(cols[i:]) == col {
			return i / colBytes
		}
	}
	return -1
}

// FieldInline returns the field of a stored top-level document whose name stands in the
// document because the dictionary was full; absent when there is none.
func (x Value) FieldInline(name string) Value {
	raw := x.raw
	if len(raw) == 0 || raw[0] != tagDoc {
		return Value{}
	}
	f, ok := readFooter(raw)
	if !ok {
		return Value{}
	}
	cols := raw[f.cols : f.cols+f.count*colBytes]
	for at := 0; at < f.count; at++ {
		i := findCol(cols[at*colBytes:], inlineCol)
		if i < 0 {
			break
		}
		at += i
		key, value, ok := splitName(f.item(raw, at))
		if ok && text(key) == name {
			return nested(value)
		}
	}
	return Value{}
}

// FieldAt returns the name and value of an object's i-th field: in stored order, in the order
// of an OrderedObject, and sorted by key for a Go map, which sorts on every call. The value is
// absent when i is out of range. The name lives as long as the object does.
func (x Value) FieldAt(i int) (name string, v Value) {
	if x.raw == nil {
		return x.goFieldAt(i)
	}
	f, ok := readFooter(x.raw)
	if !ok || i < 0 || i >= f.count {
		return "", Value{}
	}
	switch x.raw[0] {
	case tagDoc:
		if col := f.col(x.raw, i); col != inlineCol {
			names, _ := x.v.(*Names)
			if int(col) >= names.Len() {
				return "", Value{}
			}
			return names.list[col], nested(f.item(x.raw, i))
		}
	case tagObject:
	default:
		return "", Value{}
	}
	key, value, ok := splitName(f.item(x.raw, i))
	if !ok {
		return "", Value{}
	}
	return text(key), nested(value)
}

func (x Value) goFieldAt(i int) (string, Value) {
	switch v := x.v.(type) {
	case map[string]any:
		if i >= 0 && i < len(v) {
			key := sortedKeys(v)[i]
			return key, Of(v[key])
		}
	case OrderedObject:
		if i >= 0 && i < v.Len() {
			key, e := v.At(i)
			return key, Of(e)
		}
	}
	return "", Value{}
}

// Fields yields an object's names and values in the order of FieldAt. The names live as long
// as the object does.
func (x Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		switch {
		case x.raw != nil:
			if x.Kind() != Object {
				return
			}
			k := walk(x.raw, x.Names())
			for k.next() {
				if !yield(k.name, nested(k.value)) {
					return
				}
			}
		default:
			switch v := x.v.(type) {
			case map[string]any:
				for _, key := range sortedKeys(v) {
					if !yield(key, Of(v[key])) {
						return
					}
				}
			case OrderedObject:
				for i := range v.Len() {
					key, e := v.At(i)
					if !yield(key, Of(e)) {
						return
					}
				}
			}
		}
	}
}

// Items yields the items of an array in order.
func (x Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if x.raw == nil {
			list, _ := x.v.([]any)
			for _, e := range list {
				if !yield(Of(e)) {
					return
				}
			}
			return
		}
		if x.Kind() != Array {
			return
		}
		k := walk(x.raw, nil)
		for k.next() {
			if !yield(nested(k.value)) {
				return
			}
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Peek returns the kind of a field of a stored top-level document by its column number, and
// the value of a number or the content of a string, which is part of doc. It is the quickest
// look at a field: it makes no Value and allocates nothing.
func Peek(doc []byte, col uint16) (kind Kind, number float64, text []byte) {
	return PeekValue(column(doc, col))
}

// PeekValue is Peek for a stored value, or none.
func PeekValue(item []byte) (kind Kind, number float64, text []byte) {
	if len(item) == 0 {
		return Absent, 0, nil
	}
	switch item[0] {
	case tagInt:
		return Number, float64(readInt(item[1:])), nil
	case tagString:
		return String, 0, item[1:]
	case tagFloat, tagNumber:
		if len(item) < numberHead {
			return Number, 0, nil
		}
		return Number, math.Float64frombits(binary.LittleEndian.Uint64(item[1:])), nil
	}
	if item[0] > tagDoc {
		return Absent, 0, nil
	}
	return kinds[item[0]&15], 0, nil
}
