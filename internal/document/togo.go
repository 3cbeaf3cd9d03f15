package document

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"strings"
)

// ToGo returns a value as plain Go data that shares no memory with it: nil, bool, string,
// float64, []any and map[string]any. A number whose double has another decimal value than its
// digits is a json.Number: 1.10 is float64(1.1), but 12345678901234567890 and 1e400 keep their
// digits. An absent value is nil; absent fields are left out, and nesting beyond 10,000 levels
// is nil. The texts in an array or object of up to 4 KiB may lie in one piece of memory:
// whoever keeps one of them keeps the others.
func ToGo(v Value) any { return v.Go() }

// shareBytes is up to what length an array or object becomes Go data whose texts point into one
// piece of memory. Of larger ones each text is a copy of its own, so that one that is kept does
// not keep all.
const shareBytes = 4 << 10

// goMaker makes Go data of one value.
type goMaker struct {
	shared bool     // texts point into the value, which nobody changes
	texts  *goTexts // where it is shared
}

// Go returns the value as plain Go data; see ToGo.
func (x Value) Go() any {
	if n := len(x.raw); n > 0 && n <= shareBytes && x.raw[0] >= tagArray {
		x.raw = bytes.Clone(x.raw)
		return x.goShared()
	}
	var m goMaker
	return m.value(x, 0)
}

// GoWithin is Go for a value whose stored bytes nobody changes any more: of a small one the texts
// point into these and keep the piece of memory in which they lie.
func (x Value) GoWithin() any {
	if n := len(x.raw); n > 0 && n <= shareBytes && x.raw[0] >= tagArray {
		return x.goShared()
	}
	return x.Go()
}

// goShared is GoWithin for a small array or object.
func (x Value) goShared() any {
	var texts goTexts
	m := goMaker{shared: true, texts: &texts}
	made := m.value(x, 0)
	if texts.n > 0 {
		texts.flush()
	}
	return made
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
		it := itemsOf(v)
		for {
			e, ok := it.next()
			switch {
			case !ok:
				return list
			case g.shared && len(list) < cap(list) && len(e.raw) > 0 && e.raw[0] == tagString:
				list = append(list, nil)
				g.texts.item(&list[len(list)-1], text(e.raw[1:]))
			case e.raw != nil:
				list = append(list, g.stored(e.raw, depth+1))
			default:
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

// fields puts the fields of a stored object into a map. It is what a walker does, without one: the
// fields of a result are walked more often than anything else.
func (g *goMaker) fields(m map[string]any, v Value, depth int) {
	raw, names := v.raw, v.Names()
	isDoc, pos := raw[0] == tagDoc, 0
	f, _ := readFooter(raw)
	for i := range f.count {
		end := int(readUint(raw, f.offs+i*f.width, f.width))
		if end < pos || end > f.offs-1 {
			return
		}
		value := raw[1+pos : 1+end : 1+end]
		pos = end
		name, col := "", inlineCol
		if isDoc {
			col = int(f.col(raw, i))
		}
		switch {
		case col == inlineCol:
			key, rest, ok := splitName(value)
			if !ok {
				continue
			}
			if name, value = text(key), rest; !g.shared {
				name = strings.Clone(name)
			}
		case col >= names.Len():
			continue
		default:
			name = names.list[col]
		}
		switch {
		case len(value) == 0:
		case g.shared && value[0] == tagString:
			g.texts.field(m, name, text(value[1:]))
		default:
			m[name] = g.stored(value, depth+1)
		}
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
	case tagFloat:
		if len(raw) >= numberHead {
			return math.Float64frombits(binary.LittleEndian.Uint64(raw[1:]))
		}
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
		k := walk(x.raw, x.Names())
		for k.next() {
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
