package siftdb

import (
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/index"
)

// TestResolvedFields: writes share what the fields of an index lead to as long as the names are
// the same, and never where a field may lead elsewhere with the same names.
func TestResolvedFields(t *testing.T) {
	plain := newIndexDef(1, &index.Def{Fields: []index.Field{{Name: "a"}}})
	src := &source{names: (*document.Names)(nil).Extend([]string{"a"})}
	one := plain.resolved.bind(plain.def, src)
	if plain.resolved.bind(plain.def, src) != one {
		t.Error("the fields are resolved anew")
	}
	src.names = src.names.Extend([]string{"b"})
	if plain.resolved.bind(plain.def, src) == one {
		t.Error("other names, and the fields are not resolved anew")
	}
	dotted := newIndexDef(2, &index.Def{Fields: []index.Field{{Name: "a"}, {Name: "b.c"}}})
	b := dotted.resolved.bind(dotted.def, src)
	src.columnSet = map[string]struct{}{"b.c": {}}
	if again := dotted.resolved.bind(dotted.def, src); again == b || again.Field(1).Same(b.Field(1)) {
		t.Error("a column has come, and the field still leads into another")
	}
}
