package siftdb

import (
	"encoding/json"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// indexDef is an index as the cached part of a data source knows it.
type indexDef struct {
	number int64
	def    *index.Def
	// resolved is what the writes before have found the fields to lead to; nil where each finds
	// out for itself.
	resolved *resolvedFields
}

func newIndexDef(number int64, def *index.Def) indexDef {
	return indexDef{number, def, newResolvedFields(def)}
}

// resolvedFields is an index whose fields are resolved against the names of a data source. Since
// that depends on nothing else where no field has a dot in its name, writes share it.
type resolvedFields struct {
	last atomic.Pointer[resolvedAt]
}

type resolvedAt struct {
	names *document.Names
	bound *index.Bound
}

// newResolvedFields returns what the writes to an index share, nil when they cannot.
func newResolvedFields(def *index.Def) *resolvedFields {
	for _, f := range def.Fields {
		if strings.Contains(f.Name, ".") {
			return nil
		}
	}
	return new(resolvedFields)
}

// bind resolves the fields of an index.
func (r *resolvedFields) bind(def *index.Def, src *source) *index.Bound {
	if r == nil {
		return def.Bind(src.schema())
	}
	if at := r.last.Load(); at != nil && at.names == src.names {
		return at.bound
	}
	at := &resolvedAt{src.names, def.Bind(src.schema())}
	r.last.Store(at)
	return at.bound
}

// storedIndex is the form in which a definition is stored.
type storedIndex struct {
	Name       string        `json:"name"`
	Fields     []storedField `json:"fields"`
	Unique     bool          `json:"unique,omitempty"`
	Sparse     bool          `json:"sparse,omitempty"`
	IgnoreCase bool          `json:"ignoreCase,omitempty"`
	Trigram    bool          `json:"trigram,omitempty"`
}

type storedField struct {
	Name string `json:"name"`
	Desc bool   `json:"desc,omitempty"`
}

// readIndexDefs returns the definitions of the indexes of a data source.
func readIndexDefs(r storage.Reader, id int64, head layout.Head) ([]indexDef, error) {
	if head.Indexes == "" {
		return nil, nil
	}
	stored, err := layout.ReadIndexDefs(r, id)
	if err != nil {
		return nil, err
	}
	list := make([]indexDef, len(stored))
	for i, s := range stored {
		var form storedIndex
		if err := json.Unmarshal(s.Text, &form); err != nil {
			return nil, errs.Wrap(errs.Corrupt, err, "the definition of index %d of data source %d cannot be read", s.Number, id)
		}
		def := &index.Def{Name: form.Name, Unique: form.Unique, Sparse: form.Sparse, IgnoreCase: form.IgnoreCase, Trigram: form.Trigram}
		for _, f := range form.Fields {
			def.Fields = append(def.Fields, index.Field(f))
		}
		list[i] = newIndexDef(s.Number, def)
	}
	return list, nil
}

// writeIndexDef stores a definition.
func writeIndexDef(w storage.Writer, id int64, d indexDef) error {
	form := storedIndex{Name: d.def.Name, Unique: d.def.Unique, Sparse: d.def.Sparse, IgnoreCase: d.def.IgnoreCase, Trigram: d.def.Trigram}
	for _, f := range d.def.Fields {
		form.Fields = append(form.Fields, storedField(f))
	}
	text, err := json.Marshal(form)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "the definition of an index of data source %d cannot be written", id)
	}
	return layout.WriteIndexDef(w, id, layout.IndexDef{Number: d.number, Text: text})
}

// index returns the definition of an index, nil when there is none.
func (s *source) index(number int64) *index.Def { return s.indexDef(number).def }

// indexDef is index with what goes with it.
func (s *source) indexDef(number int64) indexDef {
	for _, d := range s.indexes {
		if d.number == number {
			return d
		}
	}
	return indexDef{}
}

// frozen returns a copy that stays as it is when columns are added.
func (s *source) frozen() *source {
	own := *s
	own.columnSet = maps.Clone(s.columnSet)
	return &own
}

// stem returns how much of the name of a field is the name of a column, with its dots; the
// rest is a path into it. It is all there is for a name without dots, which nothing changes.
func (s *source) stem(field string) int {
	path := strings.TrimPrefix(field, "data.")
	for name := path; ; {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || s.isColumn(name) {
			return len(name)
		}
		name = name[:dot]
	}
}

// sameStems reports whether the fields of an index lead to the same as in another state of
// the columns.
func sameStems(def *index.Def, a, b *source) bool {
	for _, f := range def.Fields {
		if strings.Contains(f.Name, ".") && a.stem(f.Name) != b.stem(f.Name) {
			return false
		}
	}
	return true
}
