package document

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// ToGo returns a value as plain Go data that shares no memory with it: nil, bool, string,
// float64, []any and map[string]any. A number whose double has another decimal value than its
// digits is a json.Number: 1.10 is float64(1.1), but 12345678901234567890 and 1e400 keep their
// digits. An absent value is nil; absent fields are left out, and nesting beyond 10,000 levels
// is nil. The texts in an array or object of up to 4 KiB may lie in one piece of memory:
// whoever keeps one of them keeps the others.
func ToGo(v Value) any { return v.Go() }

// shareBytes is up to what length an array or object is copied as a whole to become Go data, the
// texts in it pointing into the copy. Of larger ones each text is a copy of its own, so that one
// that is kept does not keep all.
const shareBytes = 4 << 10

// goMaker makes Go data of one value.
type goMaker struct {
	shared bool // texts point into a copy of the value that nobody else has
}

// Go returns the value as plain Go data; see ToGo.
func (x Value) Go() any {
	var m goMaker
	if n := len(x.raw); n > 0 && n <= shareBytes && x.raw[0] >= tagArray {
		x.raw, m.shared = bytes.Clone(x.raw), true
	}
	return m.value(x, 0)
}

func (g *goMaker) value(v Value, depth int) any {
	if depth > deepest {
		return nil
	}
	switch v.Kind() {
	case Bool:
		return v.Bool()
	case Number:
		return goNumber(v)
	case String:
		return strings.Clone(v.Str())
	case Array:
		list := make([]any, 0, v.Len())
		for it := itemsOf(v); ; {
			e, ok := it.next()
			if !ok {
				return list
			}
			if e.raw != nil {
				list = append(list, g.stored(e.raw, depth+1))
			} else {
				list = append(list, g.value(e, depth+1))
			}
		}
	case Object:
		m := make(map[string]any, v.Len())
		if v.raw != nil {
			g.fields(m, v, depth)
			return m
		}
		for name, e := range v.keptFields() {
			m[name] = g.value(e, depth+1)
		}
		return m
	}
	return nil
}

// fields puts the fields of a stored object into a map.
func (g *goMaker) fields(m map[string]any, v Value, depth int) {
	isDoc := v.raw[0] == tagDoc
	for k := walk(v.raw, v.Names()); k.next(); {
		if len(k.value) == 0 {
			continue
		}
		name := k.name
		if !g.shared && (!isDoc || k.col == inlineCol) {
			name = strings.Clone(name)
		}
		m[name] = g.stored(k.value, depth+1)
	}
}

// stored is value for one in stored bytes.
func (g *goMaker) stored(raw []byte, depth int) any {
	if len(raw) == 0 {
		return nil
	}
	switch raw[0] {
	case tagString:
		if g.shared {
			return text(raw[1:])
		}
		return string(raw[1:])
	case tagInt:
		return intToGo(readInt(raw[1:]))
	}
	return g.value(Value{raw: raw}, depth)
}

// smallInts are the integers that occur most often, as Go data: making them anew takes
// memory each time.
var smallInts = func() (list [1 << 10]any) {
	for i := range list {
		list[i] = float64(i)
	}
	return list
}()

func intToGo(n int64) any {
	if n >= 0 && n < int64(len(smallInts)) {
		return smallInts[n]
	}
	return float64(n)
}

// keptFields yields the fields of an object that are there, with names that outlive it: those of
// a dictionary as they are, those that stand in stored bytes as copies.
func (x Value) keptFields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if x.raw == nil {
			for name, e := range x.Fields() {
				if (e.raw != nil || e.v != nil) && !yield(name, e) {
					return
				}
			}
			return
		}
		for k := walk(x.raw, x.Names()); k.next(); {
			if len(k.value) == 0 {
				continue
			}
			name := k.name
			if x.raw[0] != tagDoc || k.col == inlineCol {
				name = strings.Clone(name)
			}
			if !yield(name, Value{raw: k.value}) {
				return
			}
		}
	}
}

// goNumber returns a number as a float64 where that has the same decimal value.
func goNumber(v Value) any {
	f := v.Float()
	if v.raw != nil {
		switch v.raw[0] {
		case tagInt:
			return intToGo(readInt(v.raw[1:]))
		case tagFloat:
			return f
		}
		num := v.raw[min(numberHead, len(v.raw)):]
		if !isNumber(text(num)) || sameDecimal(text(num), f) {
			return f
		}
		return json.Number(num)
	}
	switch n := v.v.(type) {
	case float64:
		return n
	case json.Number:
		if sameDecimal(string(n), f) {
			return f
		}
		return n
	}
	var room [24]byte
	digits := v.AppendNumber(room[:0])
	if sameDecimal(text(digits), f) {
		return f
	}
	return json.Number(digits)
}
