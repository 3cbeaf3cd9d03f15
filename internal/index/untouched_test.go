package index_test

import (
	"bytes"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/index/indextest"
	"github.com/siftdb/siftdb/query"
)

// TestUntouched: where the columns of an index stay as they are, so do the keys; and most changes
// of other columns are seen to leave them alone.
func TestUntouched(t *testing.T) {
	g := indextest.New(7)
	names := document.NewNames([]string{"a", "b", "0", "1", "a.b", "id", "order", "createdAt"})
	schema := query.Schema{Columns: func(name string) bool { _, ok := names.Lookup(name); return ok }, Names: names}
	stored := func(data any) document.Value {
		raw, err := document.NewEncoder(names, document.Limits{}).AppendGo(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		return document.Stored(raw, names)
	}
	untouched, same := 0, 0
	for range 30_000 {
		def := index.Def{Name: "x", Trigram: g.IntN(8) == 0, IgnoreCase: g.IntN(4) == 0}
		for range 1 + g.IntN(2) {
			field := indextest.Pick(g, "a", "b", "0", "a.b", "data.a.b", "id", "order", "updatedAt", "nowhere")
			if len(def.Fields) == 0 || !def.Trigram && def.Fields[0].Name != field {
				def.Fields = append(def.Fields, index.Field{Name: field})
			}
		}
		if def.IgnoreCase = def.IgnoreCase && !def.Trigram; def.Validate() != nil {
			continue
		}
		bound := def.Bind(schema)
		before := g.Document()
		after := map[string]any{}
		for k, v := range before {
			after[k] = v
		}
		for range 1 + g.IntN(2) {
			after[indextest.Pick(g, "a", "b", "0", "1", "a.b")] = g.Value(2)
		}
		one := query.Record{Data: stored(before), ID: 1, Order: document.Of(0), UpdatedAt: 1}
		two := query.Record{Data: stored(after), ID: 1, Order: document.Of(1), UpdatedAt: 2}
		var old, now index.KeySet
		bound.Keys(&old, &one)
		bound.Keys(&now, &two)
		equal := old.Len() == now.Len() && old.Traits() == now.Traits()
		for i := 0; equal && i < old.Len(); i++ {
			equal = bytes.Equal(old.Key(i), now.Key(i)) && old.Unique(i) == now.Unique(i)
		}
		if equal {
			same++
		}
		if !bound.Untouched(one.Data, two.Data) {
			continue
		}
		if untouched++; !equal {
			t.Fatalf("%v is said to be untouched from %v to %v", def.Fields, one.Data, two.Data)
		}
	}
	if untouched < same/4 {
		t.Errorf("%d changes are seen to leave the keys alone, of %d that do", untouched, same)
	}
}
