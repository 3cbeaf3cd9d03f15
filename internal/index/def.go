package index

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// Def declares an index.
type Def struct {
	// Name is the index's own among those of its data source.
	Name string
	// Fields are what it is sorted by, the first one first.
	Fields []Field
	// Unique says that no two entries may have a key in common on which uniqueness is judged:
	// see KeySet.Unique.
	Unique bool
	// Sparse leaves out entries in which every field is null or absent.
	Sparse bool
	// IgnoreCase makes keys of the folded text of values: 5 and "5" are the same, and so are
	// "a" and "A".
	IgnoreCase bool
	// Trigram makes keys of all runs of three code points in the text of the one field.
	Trigram bool
}

// Field is one field of an index: a name as in an order (Column, data.Column, data.a.b, or the
// entry field id, order, createdAt or updatedAt), and its direction.
type Field struct {
	Name string
	Desc bool
}

// Bounds of a definition.
const (
	maxName   = 100 // bytes of a name
	MaxFields = 8   // fields of one index
)

// Validate says what is wrong with a definition, as an errs.InvalidInput.
func (d *Def) Validate() error {
	switch {
	case d.Name == "":
		return errs.New(errs.InvalidInput, "an index needs a name")
	case len(d.Name) > maxName:
		return errs.New(errs.InvalidInput, "the name of index %q has more than %d bytes", d.Name[:maxName], maxName)
	case strings.ContainsFunc(d.Name, unicode.IsControl):
		return errs.New(errs.InvalidInput, "the name of index %q holds control characters", d.Name)
	case len(d.Fields) == 0:
		return errs.New(errs.InvalidInput, "index %q needs a field", d.Name)
	case len(d.Fields) > MaxFields:
		return errs.New(errs.InvalidInput, "index %q has more than %d fields", d.Name, MaxFields)
	}
	seen := make(map[string]bool)
	for _, f := range d.Fields {
		switch {
		case f.Name == "" || f.Name == "data.":
			return errs.New(errs.InvalidInput, "a field of index %q has no name", d.Name)
		case f.Name == "dataSourceId" || f.Name == "deletedAt":
			return errs.New(errs.InvalidInput, "index %q cannot be on %s, which is the same for every entry", d.Name, f.Name)
		case seen[strings.TrimPrefix(f.Name, "data.")]:
			return errs.New(errs.InvalidInput, "index %q has the field %q twice", d.Name, f.Name)
		}
		seen[strings.TrimPrefix(f.Name, "data.")] = true
	}
	if d.Trigram {
		return d.validateTrigram()
	}
	return nil
}

func (d *Def) validateTrigram() error {
	switch f := d.Fields[0]; {
	case len(d.Fields) > 1:
		return errs.New(errs.InvalidInput, "trigram index %q can have one field only", d.Name)
	case d.Unique || d.Sparse || d.IgnoreCase || f.Desc:
		return errs.New(errs.InvalidInput, "trigram index %q cannot be unique, sparse or descending, and ignores case anyway", d.Name)
	case f.Name == "id" || f.Name == "order" || f.Name == "createdAt" || f.Name == "updatedAt":
		return errs.New(errs.InvalidInput, "trigram index %q must be on a column", d.Name)
	}
	return nil
}

// Bind resolves the fields against the columns of a data source. Names that are no columns yet
// may become some, so whoever holds a Bound binds again when the columns change; the keys of an
// entry may then be others, if a column's whole name is now what was a path.
func (d *Def) Bind(s query.Schema) *Bound {
	b := &Bound{def: *d, fields: make([]*query.BoundName, len(d.Fields))}
	for i, f := range d.Fields {
		b.fields[i] = query.ParseName(f.Name).Bind(s)
	}
	return b
}

// Bound is a Def whose fields are resolved. It is safe for concurrent use.
type Bound struct {
	def    Def
	fields []*query.BoundName
}

// Def returns the definition, which must not be changed.
func (b *Bound) Def() *Def { return &b.def }

// Untouched reports whether a change of an entry leaves alone what its keys are made of, so
// that they stay as they are. false does not say that they change.
func (b *Bound) Untouched(before, after document.Value) bool {
	for _, name := range b.fields {
		if name == nil {
			return false
		}
		number, absent, ok := name.Column()
		if !ok || !absent && !bytes.Equal(before.Column(number).Raw(), after.Column(number).Raw()) {
			return false
		}
	}
	return true
}

// Field returns the i-th field, resolved.
func (b *Bound) Field(i int) *query.BoundName { return b.fields[i] }
