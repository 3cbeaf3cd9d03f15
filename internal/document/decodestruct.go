package document

import (
	"reflect"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"
)

// structDecoder stores objects in a struct.
type structDecoder struct {
	typ    reflect.Type
	fields []fieldDecoder // in the order of the type
	exact  map[string]*fieldDecoder
	folded map[string]*fieldDecoder // the first field of each name without its case
	known  atomic.Pointer[[]columnFields]
}

// columnFields says which field each column of a dictionary goes to; nil is none.
type columnFields struct {
	names  *Names
	fields []*fieldDecoder
}

// keptColumns is for how many dictionaries a structDecoder keeps columnFields. One is what a
// data source needs; more serve a type that is read from several by turns.
const keptColumns = 4

// fieldDecoder stores one field of a struct.
type fieldDecoder struct {
	name   string
	next   int     // the position of the field after it
	hops   []hop   // the embedded pointers on the way
	offset uintptr // from the struct that the last hop leads to
	value  decoder
}

// hop is a pointer to an embedded struct. It is set when a field behind it gets a value.
type hop struct {
	offset uintptr
	to     reflect.Type
	sealed bool // encoding/json cannot set it: its field is not exported
}

func (d *structDecoder) compile(c compiler) {
	fields := fieldsOf(d.typ)
	d.fields = make([]fieldDecoder, len(fields))
	d.exact = make(map[string]*fieldDecoder, len(fields))
	d.folded = make(map[string]*fieldDecoder, len(fields))
	for i := range fields {
		f := &d.fields[i]
		*f = c.field(d.typ, &fields[i])
		f.next = i + 1
		d.exact[f.name] = f
		folded := string(appendFolded(nil, f.name))
		if d.folded[folded] == nil {
			d.folded[folded] = f
		}
	}
}

func (c compiler) field(t reflect.Type, f *structField) fieldDecoder {
	d := fieldDecoder{name: f.name}
	exported := true // the field that the way has come to
	through := func() {
		d.hops = append(d.hops, hop{d.offset, t.Elem(), !exported})
		d.offset, t = 0, t.Elem()
	}
	for _, step := range f.index {
		if t.Kind() == reflect.Pointer {
			through()
		}
		sf := t.Field(step)
		d.offset += sf.Offset
		t, exported = sf.Type, sf.IsExported()
	}
	switch {
	case !exported: // an embedded struct that a tag names: its methods are out of reach
		if t.Kind() == reflect.Pointer {
			through()
		}
		d.value = c.value(t, nil)
	case f.quoted:
		d.value = c.quoted(t)
	default:
		d.value = c.part(t)
	}
	return d
}

func (d *structDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	switch v.Kind() {
	case Object:
	case Null, Absent:
		return nil
	default:
		return misfit(v, d.typ)
	}
	switch {
	case depth > deepest:
		return refusal(v, d.typ, errDeep)
	case v.raw == nil:
		return d.goObject(v, p, depth)
	case v.raw[0] == tagDoc:
		return d.document(v, p, depth)
	}
	return d.object(v, p, depth)
}

// document stores a top-level document: one pass over its columns, in which a column leads to
// its field by number.
func (d *structDecoder) document(v Value, p unsafe.Pointer, depth int) *FieldError {
	raw, names := v.raw, v.Names()
	f, _ := readFooter(raw)
	fields := d.columns(names)
	pos, next := uint32(0), 0
	for i := range f.count {
		end := readUint(raw, f.offs+i*f.width, f.width)
		if end < pos || uint64(end) > uint64(f.offs-1) {
			return nil // damaged; see walker.next
		}
		item := raw[1+pos : 1+end : 1+end]
		pos = end
		var to *fieldDecoder
		col := f.col(raw, i)
		if int(col) < len(fields) {
			to = fields[col]
		} else if col == inlineCol {
			var name []byte
			name, item, _ = splitName(item)
			to = d.find(text(name), &next)
		}
		if to == nil || len(item) == 0 {
			continue
		}
		if err := to.decode(Value{raw: item}, p, depth+1); err != nil {
			name, _ := v.FieldAt(i)
			return err.within(name)
		}
	}
	return nil
}

// object stores an object with its names in it.
func (d *structDecoder) object(v Value, p unsafe.Pointer, depth int) *FieldError {
	next := 0
	k := walk(v.raw, nil)
	for k.next() {
		to := d.find(k.name, &next)
		if to == nil || len(k.value) == 0 {
			continue
		}
		if err := to.decode(Value{raw: k.value}, p, depth+1); err != nil {
			return err.within(k.name)
		}
	}
	return nil
}

func (d *structDecoder) goObject(v Value, p unsafe.Pointer, depth int) *FieldError {
	next := 0
	for name, e := range v.Fields() {
		to := d.find(name, &next)
		if to == nil || e.raw == nil && e.v == nil {
			continue
		}
		if err := to.decode(e, p, depth+1); err != nil {
			return err.within(name)
		}
	}
	return nil
}

// find returns the field of a key, or nil. Keys often come in the order of the type, so next,
// the field after the last one found, is looked at first.
func (d *structDecoder) find(name string, next *int) *fieldDecoder {
	if i := *next; i < len(d.fields) && d.fields[i].name == name {
		*next = i + 1
		return &d.fields[i]
	}
	f := d.exact[name]
	if f == nil {
		var room [64]byte
		f = d.folded[string(appendFolded(room[:0], name))]
	}
	if f != nil {
		*next = f.next
	}
	return f
}

// appendFolded appends a name without its case.
func appendFolded(dst []byte, name string) []byte {
	for _, r := range name {
		dst = utf8.AppendRune(dst, Fold(r))
	}
	return dst
}

// columns returns the fields of a dictionary's columns, which are looked up once.
func (d *structDecoder) columns(names *Names) []*fieldDecoder {
	known := d.known.Load()
	if known != nil {
		for i := range *known {
			if c := &(*known)[i]; c.names == names {
				return c.fields
			}
		}
	}
	fresh := []columnFields{{names, d.resolve(names)}}
	if known != nil {
		fresh = append(fresh, (*known)[:min(len(*known), keptColumns-1)]...)
	}
	d.known.Store(&fresh) // what another goroutine stores meanwhile may be lost, and is found again
	return fresh[0].fields
}

func (d *structDecoder) resolve(names *Names) []*fieldDecoder {
	fields := make([]*fieldDecoder, names.Len())
	next := 0
	for col := range fields {
		fields[col] = d.find(names.list[col], &next)
	}
	return fields
}

// decode stores a value in the field of the struct at p.
func (f *fieldDecoder) decode(v Value, p unsafe.Pointer, depth int) *FieldError {
	for i := range f.hops {
		h := &f.hops[i]
		at := (*unsafe.Pointer)(unsafe.Add(p, h.offset))
		if *at == nil {
			if h.sealed {
				return sealedPointer(v, h.to)
			}
			*at = reflect.New(h.to).UnsafePointer()
		}
		p = *at
	}
	return f.value.decode(v, unsafe.Add(p, f.offset), depth)
}
