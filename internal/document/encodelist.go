package document

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/siftdb/siftdb/internal/errs"
)

type sliceEncoder struct {
	size uintptr // of an item
	item encoder
}

func (e *sliceEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	s := (*sliceHeader)(p)
	if s.data == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return w.items(e.item, s.data, s.len, e.size, depth)
}

type arrayEncoder struct {
	size  uintptr // of an item
	count int
	item  encoder
}

func (e *arrayEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	return w.items(e.item, p, e.count, e.size, depth)
}

// items writes an array of n items of a size, which lie one behind the other at p.
func (w *writer) items(item encoder, p unsafe.Pointer, n int, size uintptr, depth int) *errs.Error {
	if f := w.open(tagArray); f != noFault {
		return w.faultOf(f)
	}
	for i := range n {
		err := item.encode(w, unsafe.Add(p, uintptr(i)*size), depth+1)
		if err == nil {
			err = w.faultOf(w.endItem())
		}
		if err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
	return w.faultOf(w.close())
}

// pointerEncoder writes what a pointer leads to, and null for a nil one.
type pointerEncoder struct{ elem encoder }

func (e *pointerEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	return e.follow(w, *(*unsafe.Pointer)(p), depth)
}

// follow writes the variable at to. Here, and in interfaces, a value may come back to itself
// without an array or object on the way, which the writer would count.
func (e *pointerEncoder) follow(w *writer, to unsafe.Pointer, depth int) *errs.Error {
	switch {
	case to == nil:
		w.buf = append(w.buf, tagNull)
		return nil
	case depth >= deepest:
		return tooDeepToWrite()
	}
	return e.elem.encode(w, to, depth+1)
}

func tooDeepToWrite() *errs.Error {
	return errs.New(errs.InvalidInput, "the value is nested deeper than %d, or contains itself", deepest)
}

// interfaceEncoder writes what an interface holds, by the type that it turns out to have.
type interfaceEncoder struct{ typ reflect.Type }

func (e *interfaceEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	v := e.held(p)
	if v != nil && depth >= deepest {
		return tooDeepToWrite()
	}
	return w.goValue(v, depth+1)
}

// held returns what the interface at p holds.
func (e *interfaceEncoder) held(p unsafe.Pointer) any {
	if e.typ.NumMethod() == 0 {
		return *(*any)(p)
	}
	return reflect.NewAt(e.typ, p).Elem().Interface()
}

// absence returns a test whether a variable of a type holds an absent Value, which is left out
// of objects; nil for types that cannot.
func absence(t reflect.Type) func(p unsafe.Pointer) bool {
	switch {
	case t == valueType:
		return func(p unsafe.Pointer) bool { return isAbsent(*(*Value)(p)) }
	case t.Kind() == reflect.Interface && valueType.Implements(t):
		e := &interfaceEncoder{t}
		return func(p unsafe.Pointer) bool { return isAbsent(e.held(p)) }
	}
	return nil
}

// anyMapEncoder is that of maps with keys of type string and values of any type.
type anyMapEncoder struct{}

func (anyMapEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	return w.goMap(*(*map[string]any)(p), depth)
}

func (anyMapEncoder) object(w *writer, p unsafe.Pointer, tag byte, depth int) *errs.Error {
	return w.goMapAs(*(*map[string]any)(p), tag, depth)
}

// stringMapEncoder is that of maps of strings by keys of type string.
type stringMapEncoder struct{}

func (e stringMapEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	if *(*map[string]string)(p) == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return e.object(w, p, tagObject, depth)
}

func (stringMapEncoder) object(w *writer, p unsafe.Pointer, tag byte, _ int) *errs.Error {
	if f := w.open(tag); f != noFault {
		return w.faultOf(f)
	}
	var room [16]string
	keys := room[:0]
	m := *(*map[string]string)(p)
	for name := range m {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	for _, name := range keys {
		err := w.goKey(name)
		if err == nil {
			err = w.goString(m[name])
		}
		if err == nil {
			err = w.faultOf(w.endItem())
		}
		if err != nil {
			return within(err, name)
		}
	}
	return w.faultOf(w.close())
}

// mapEncoder is that of maps of any other type. It goes through the map by reflection; its
// values are written from a copy.
type mapEncoder struct {
	typ    reflect.Type
	elem   encoder
	absent func(p unsafe.Pointer) bool // or nil
}

// mapPair is a key's text and its value among the copied ones.
type mapPair struct {
	name string
	at   int
}

func (e *mapEncoder) encode(w *writer, p unsafe.Pointer, depth int) *errs.Error {
	if *(*unsafe.Pointer)(p) == nil {
		w.buf = append(w.buf, tagNull)
		return nil
	}
	return e.object(w, p, tagObject, depth)
}

func (e *mapEncoder) object(w *writer, p unsafe.Pointer, tag byte, depth int) *errs.Error {
	pairs, values, err := e.pairs(reflect.NewAt(e.typ, p).Elem())
	if err != nil {
		return err
	}
	if f := w.open(tag); f != noFault {
		return w.faultOf(f)
	}
	for _, pair := range pairs {
		at := unsafe.Add(values, uintptr(pair.at)*e.typ.Elem().Size())
		if e.absent != nil && e.absent(at) {
			continue
		}
		err := w.goKey(pair.name)
		if err == nil {
			err = e.elem.encode(w, at, depth+1)
		}
		if err == nil {
			err = w.faultOf(w.endItem())
		}
		if err != nil {
			return within(err, pair.name)
		}
	}
	return w.faultOf(w.close())
}

// pairs returns the keys of a map in their order, and its values one behind the other.
func (e *mapEncoder) pairs(m reflect.Value) ([]mapPair, unsafe.Pointer, *errs.Error) {
	n := m.Len()
	pairs := make([]mapPair, 0, n)
	values := reflect.MakeSlice(reflect.SliceOf(e.typ.Elem()), n, n)
	key := reflect.New(e.typ.Key()).Elem()
	for it := m.MapRange(); len(pairs) < n && it.Next(); {
		key.SetIterKey(it)
		name, err := keyName(key)
		if err != nil {
			return nil, nil, errs.Wrap(errs.InvalidInput, err, "cannot encode a key of a %s", e.typ)
		}
		values.Index(len(pairs)).SetIterValue(it)
		pairs = append(pairs, mapPair{name, len(pairs)})
	}
	slices.SortFunc(pairs, func(a, b mapPair) int { return strings.Compare(a.name, b.name) })
	return pairs, values.UnsafePointer(), nil
}
