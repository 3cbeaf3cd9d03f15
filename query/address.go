package query

import (
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// Schema says what a data source calls its columns and how its stored documents number them.
type Schema struct {
	// Columns reports whether a name is a column of the data source: one that is declared, or
	// that an entry has ever stored. Nil means that no name is.
	Columns func(name string) bool
	// Names is the numbering of the stored documents that will be tested; it may be nil.
	Names *document.Names
}

func (s *Schema) isColumn(name string) bool { return s.Columns != nil && s.Columns(name) }

// targetKind is what a name at document level leads to.
type targetKind uint8

const (
	toColumn targetKind = iota
	toWhole             // all columns as one object
	toID
	toDataSourceID
	toOrder
	toCreatedAt
	toUpdatedAt
	toDeletedAt
)

var entryFields = map[string]targetKind{
	"id":           toID,
	"dataSourceId": toDataSourceID,
	"order":        toOrder,
	"createdAt":    toCreatedAt,
	"updatedAt":    toUpdatedAt,
	"deletedAt":    toDeletedAt,
}

// target is a resolved name.
type target struct {
	kind targetKind
	// path is the column's name as one segment, then the way into its value.
	path []segment
	// names is the numbering for which number, or its absence, is known; it may be nil.
	names    *document.Names
	numbered bool
	number   uint16
}

// resolveKey resolves a key of a where: a column's whole name wins over an entry field.
func resolveKey(key string, s *Schema) target {
	if t, ok := resolveData(key, s); ok {
		return t
	}
	if !s.isColumn(key) {
		if kind, ok := entryFields[key]; ok {
			return target{kind: kind}
		}
	}
	return resolveColumn(key, s)
}

// resolveOrder resolves a name of an order: an entry field wins over a column.
func resolveOrder(name string, s *Schema) target {
	if kind, ok := entryFields[name]; ok {
		return target{kind: kind}
	}
	if rest, ok := strings.CutPrefix(name, "data."); ok {
		return resolveColumn(rest, s)
	}
	return resolveColumn(name, s)
}

// resolveData resolves `data` and names that start with `data.`.
func resolveData(key string, s *Schema) (target, bool) {
	if key == "data" {
		return target{kind: toWhole}, true
	}
	if rest, ok := strings.CutPrefix(key, "data."); ok {
		return resolveColumn(rest, s), true
	}
	return target{}, false
}

// resolveColumn resolves a path into the columns: the whole name when it is a column, else the
// longest column that it starts with, else its part before the first dot.
func resolveColumn(path string, s *Schema) target {
	name, rest := path, ""
	for !s.isColumn(name) {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			break
		}
		name, rest = path[:dot], path[dot+1:]
	}
	first := newSegment(name)
	if rest == "" && len(name) == len(path) {
		return bindColumn(target{path: []segment{first}}, s)
	}
	return bindColumn(target{path: append([]segment{first}, splitPath(rest)...)}, s)
}

func bindColumn(t target, s *Schema) target {
	t.names = s.Names
	t.number, t.numbered = s.Names.Lookup(t.path[0].name)
	return t
}

// column returns the column of a document that is an object.
func (t *target) column(doc document.Value) document.Value {
	if t.names != nil && doc.Names() == t.names {
		if t.numbered {
			return doc.Column(t.number)
		}
		return doc.FieldInline(t.path[0].name)
	}
	return doc.Field(t.path[0].name)
}

// test tests what the target leads to.
func (t *target) test(r *Record, doc document.Value, n node) verdict {
	switch t.kind {
	case toColumn:
		if doc.Kind() != document.Object {
			return walk(r, doc, t.path, 0, nowhere, n)
		}
		v := t.column(doc)
		if len(t.path) == 1 {
			return n.test(r, v, here)
		}
		return walk(r, v, t.path, 1, here, n)
	case toWhole:
		return n.test(r, doc, here)
	}
	if r == nil {
		return n.test(r, document.Value{}, here)
	}
	return n.test(r, r.field(t.kind), here)
}

// first returns the first candidate of the target, absent when there is none.
func (t *target) first(r *Record) (found document.Value) {
	switch t.kind {
	case toColumn:
		v := r.Data
		if v.Kind() != document.Object {
			return document.Value{}
		}
		v = t.column(v)
		if len(t.path) == 1 {
			return v
		}
		each(v, t.path[1:], func(v document.Value) bool {
			found = v
			return false
		})
		return found
	case toWhole:
		return r.Data
	}
	return r.field(t.kind)
}

// keyed is a key at document level. name is as given, so that it can be bound to a schema.
type keyed struct {
	name    string
	columns bool // only columns are looked up
	target  target
	node    node
}

func newKeyed(name string, columns bool, n node) *keyed {
	k := &keyed{name: name, columns: columns, node: n}
	k.target = k.resolve(&Schema{})
	return k
}

func (k *keyed) resolve(s *Schema) target {
	if k.columns {
		return resolveColumn(k.name, s)
	}
	return resolveKey(k.name, s)
}

func (k *keyed) test(r *Record, v document.Value, _ place) verdict {
	// The common case: a whole column of a stored entry. At document level v is r.Data.
	if t := &k.target; r != nil && t.numbered && len(t.path) == 1 && r.Data.Names() == t.names {
		return k.node.test(r, r.Data.Column(t.number), here)
	}
	return k.target.test(r, v, k.node)
}

// bind returns a node with the keys at document level resolved. Conditions on values are
// shared with the original.
func bind(n node, s *Schema) node {
	switch n := n.(type) {
	case *and:
		return &and{bindAll(n.nodes, s)}
	case *or:
		return &or{bindAll(n.nodes, s)}
	case *not:
		return &not{bind(n.node, s)}
	case *strictNode:
		return &strictNode{n.strict.bind(s)}
	case *keyed:
		k := *n
		k.target = n.resolve(s)
		if k.target.kind == toWhole {
			k.node = bind(n.node, s)
		}
		return &k
	}
	return n
}

func bindAll(nodes []node, s *Schema) []node {
	bound := make([]node, len(nodes))
	for i, n := range nodes {
		bound[i] = bind(n, s)
	}
	return bound
}

// Path is one column, or a way into one, by name.
type Path struct{ name string }

// ParsePath reads a name: a column's whole name, or a path with dots.
func ParsePath(name string) Path { return Path{name} }

// String returns the name.
func (p Path) String() string { return p.name }

// Bind resolves the path against the columns of a data source: a column's whole name wins
// over splitting it at dots.
func (p Path) Bind(s Schema) *BoundPath { return &BoundPath{resolveColumn(p.name, &s)} }

// BoundPath is a Path resolved against a data source. It is safe for concurrent use.
type BoundPath struct{ target target }

// Column returns the number of the column that the path is, as a whole. absent says that no
// document can have a value there. ok is false for a way into a column, and for a column that
// may stand in documents by its name.
func (p *BoundPath) Column() (number uint16, absent, ok bool) { return p.target.wholeColumn() }

// wholeColumn is BoundPath.Column.
func (t *target) wholeColumn() (number uint16, absent, ok bool) {
	if t.kind != toColumn || len(t.path) != 1 || !t.numbered && t.names.Len() >= document.MaxNames {
		return 0, false, false
	}
	return t.number, !t.numbered, true
}

// Each calls fn with every value that the path leads to in a document, until fn returns
// false. A path that passes through an array leads to several values, or to none when the
// array is empty. A value that is not there is given as absent.
func (p *BoundPath) Each(doc document.Value, fn func(document.Value) bool) {
	if doc.Kind() != document.Object {
		fn(document.Value{})
		return
	}
	each(p.target.column(doc), p.target.path[1:], fn)
}
