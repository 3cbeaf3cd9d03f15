package query

import (
	"strings"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// ParseAttributes reads the names of the columns to return: a list of names, or one text with
// commas between them. ok is false when there are none given, which means all columns; an
// empty list means no column. JSON text comes as json.RawMessage or []byte.
func ParseAttributes(v any) (names []string, ok bool, err error) {
	text, isText := v.(string)
	switch {
	case v == nil:
		return nil, false, nil
	case !isText:
		value, err := readOption("attributes", v)
		if err != nil {
			return nil, false, err
		}
		switch value.Kind() {
		case document.Null:
			return nil, false, nil
		case document.String:
			text = strings.Clone(value.Str())
		case document.Array:
			names = []string{}
			for i := range value.Len() {
				name := value.At(i)
				if name.Kind() != document.String {
					return nil, false, errs.At(errs.InvalidQuery, "attributes", "attributes must be names of columns")
				}
				names = append(names, strings.Clone(name.Str()))
			}
			return names, true, nil
		default:
			return nil, false, errs.At(errs.InvalidQuery, "attributes", "attributes must be a list of names")
		}
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			names = append(names, part)
		}
	}
	return names, len(names) > 0, nil
}

// Projection chooses columns by name.
type Projection struct{ names []string }

// NewProjection makes a Projection of the columns called names: `Column`, `data.Column`, or a
// path such as `data.a.b`, which keeps its nesting. `data` is all columns.
func NewProjection(names []string) *Projection {
	return &Projection{append([]string(nil), names...)}
}

// Bind resolves the names against the columns of a data source: a column's whole name wins
// over a path with dots.
func (p *Projection) Bind(s Schema) *BoundProjection {
	b := &BoundProjection{root: &choice{}, names: s.Names, whole: true, numbers: map[uint16]bool{}}
	for _, name := range p.names {
		t, ok := resolveData(name, &s)
		if !ok {
			t = resolveColumn(name, &s)
		}
		b.root.add(t.path)
		if len(t.path) > 1 {
			b.whole = false
		} else if t.numbered {
			b.numbers[t.number] = true
		}
	}
	b.keep = func(col uint16, inline string) bool {
		if inline != "" || int(col) >= s.Names.Len() {
			c := b.root.keys[inline]
			return c != nil
		}
		return b.numbers[col]
	}
	if b.root.all {
		b.keep = func(uint16, string) bool { return true }
	}
	return b
}

// choice is what is kept of a value: all of it, or some of its keys.
type choice struct {
	all  bool
	keys map[string]*choice
}

func (c *choice) add(path []segment) {
	for _, s := range path {
		if c.keys == nil {
			c.keys = map[string]*choice{}
		}
		next := c.keys[s.name]
		if next == nil {
			next = &choice{}
			c.keys[s.name] = next
		}
		c = next
	}
	c.all = true
}

// BoundProjection is a Projection resolved against a data source. It is safe for concurrent
// use.
type BoundProjection struct {
	root    *choice
	names   *document.Names
	whole   bool // no path leads into a column
	numbers map[uint16]bool
	keep    func(col uint16, inline string) bool
}

// projector builds documents for one goroutine at a time.
type projector struct {
	encoder *document.Encoder
	builder *document.Builder
}

var projectors = sync.Pool{New: func() any {
	e := document.NewEncoder(nil, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	return &projector{e, document.NewDocumentBuilder(e)}
}}

// AppendTo appends to dst a stored document over the same dictionary that holds only the
// chosen columns of doc, in doc's order. Of a column that a path leads into only what the path
// names is kept; of an array on the way every object, reduced the same way. Of a document that
// is not stored, columns that the dictionary could number but does not are left out.
func (b *BoundProjection) AppendTo(dst []byte, doc document.Value) []byte {
	if raw := doc.Raw(); len(raw) > 0 && raw[0] == tagDocument && (b.whole || b.root.all) {
		return document.Select(dst, raw, b.keep)
	}
	p := projectors.Get().(*projector)
	defer projectors.Put(p)
	p.encoder.Reset(b.names)
	p.builder.ObjectStart()
	for name, v := range doc.Fields() {
		if _, ok := b.names.Lookup(name); ok || b.names.Len() >= document.MaxNames {
			b.root.field(p.builder, name, v)
		}
	}
	p.builder.End()
	out, err := p.builder.Append(dst)
	if err != nil {
		// Only damaged bytes lead here: what cannot be read is not there.
		return document.Select(dst, nil, b.keep)
	}
	return out
}

// field adds what is kept of an object's field.
func (c *choice) field(b *document.Builder, name string, v document.Value) {
	inner := c.keys[name]
	switch {
	case c.all || inner != nil && inner.all:
		b.Key(name)
		b.Value(v)
	case inner != nil && inner.keeps(v):
		b.Key(name)
		inner.value(b, v)
	}
}

// keeps reports whether anything is kept of a value.
func (c *choice) keeps(v document.Value) bool {
	switch v.Kind() {
	case document.Array:
		return true
	case document.Object:
		for name, inner := range c.keys {
			if f := v.Field(name); f.Kind() != document.Absent && (inner.all || inner.keeps(f)) {
				return true
			}
		}
	}
	return false
}

// value adds what is kept of an object or array.
func (c *choice) value(b *document.Builder, v document.Value) {
	if v.Kind() == document.Object {
		b.ObjectStart()
		for name, f := range v.Fields() {
			c.field(b, name, f)
		}
		b.End()
		return
	}
	b.ArrayStart()
	for i := range v.Len() {
		if e := v.At(i); e.Kind() == document.Object || e.Kind() == document.Array {
			c.value(b, e)
		}
	}
	b.End()
}
