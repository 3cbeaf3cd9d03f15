package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

func TestEncoderProposes(t *testing.T) {
	base := NewNames([]string{"a", "b"})
	e := NewEncoder(base, Limits{})
	if e.Names() != base {
		t.Error("without proposals Names is not the base")
	}
	one, err := e.AppendJSON(nil, []byte(`{"b":1,"c":2}`))
	if err != nil {
		t.Fatal(err)
	}
	first := e.Proposed()
	if !slices.Equal(first, []string{"c"}) {
		t.Errorf("proposed %q", first)
	}
	for _, bad := range []string{`{"d":1,"e":x}`, `{"d":1`, `{"d":1} 2`, `[1]`, `1`, ``, `"s"`, `null`} {
		if _, err := e.AppendJSON(nil, []byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if !slices.Equal(e.Proposed(), []string{"c"}) {
		t.Errorf("a failed document proposed %q", e.Proposed())
	}
	two, err := e.AppendValue(nil, Of(pairs{"e", 1, "c", 3, "a", 4}))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Proposed(), []string{"c", "e"}) || !slices.Equal(first, []string{"c"}) {
		t.Errorf("proposed %q, and the list given before is now %q", e.Proposed(), first)
	}
	names := e.Names()
	if names.Len() != 4 || names.Name(2) != "c" || names.Name(3) != "e" || base.Len() != 2 {
		t.Errorf("names are %q", names.list)
	}
	for _, c := range []struct {
		doc  []byte
		want string
	}{{one, `{"b":1,"c":2}`}, {two, `{"e":1,"c":3,"a":4}`}} {
		if got := Stored(c.doc, names).String(); got != c.want {
			t.Errorf("document is %s, want %s", got, c.want)
		}
	}
	if got := Stored(two, base).String(); got != `{"a":4}` {
		t.Errorf("with too few names: %s", got)
	}

	// The transaction gives c the number 7 and e the number 5.
	real := NewNames([]string{"a", "b", "p", "q", "r", "e", "s", "c"})
	if got := Stored(Remap([]byte("x"), two, 2, []uint16{7, 5})[1:], real).String(); got != `{"e":1,"c":3,"a":4}` {
		t.Errorf("remapped: %s", got)
	}
	e.Reset(real)
	if len(e.Proposed()) != 0 || e.Names() != real || !slices.Equal(first, []string{"c"}) {
		t.Error("Reset")
	}
	if again, err := e.AppendJSON(nil, []byte(`{"e":1}`)); err != nil || Stored(again, real).Column(5).Float() != 1 {
		t.Errorf("after Reset: %v %v", again, err)
	}
}

// TestEncoderFull makes documents over a dictionary that has little or no room left.
func TestEncoderFull(t *testing.T) {
	list := make([]string, MaxNames-2)
	for i := range list {
		list[i] = fmt.Sprint("n", i)
	}
	e := NewEncoder(NewNames(list), Limits{})
	text := `{"w":1,"n7":2,"x":3,"y":4,"z":[5],"y":6,"w":7}`
	doc, err := e.AppendJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Proposed(), []string{"w", "x"}) {
		t.Errorf("proposed %q", e.Proposed())
	}
	v := Stored(doc, e.Names())
	if got := v.String(); got != `{"w":7,"n7":2,"x":3,"y":6,"z":[5]}` {
		t.Errorf("document is %s", got)
	}
	for name, want := range map[string]string{"w": "7", "n7": "2", "x": "3", "y": "6", "z": "[5]", "n8": "absent", "q": "absent"} {
		if got := v.Field(name).String(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if v.FieldInline("z").String() != "[5]" || v.FieldInline("w").Kind() != Absent || v.Column(inlineCol).Kind() != Absent {
		t.Error("FieldInline")
	}
	if name, f := v.FieldAt(4); name != "z" || f.Len() != 1 {
		t.Errorf("field 4 is %s %s", name, f)
	}
	patch, err := e.AppendJSON(nil, []byte(`{"z":1,"q":2,"x":9}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := Stored(Merge(nil, doc, patch), e.Names()).String(); got != `{"w":7,"n7":2,"x":9,"y":6,"z":1,"q":2}` {
		t.Errorf("merged: %s", got)
	}
	got := Select(nil, doc, func(col uint16, name string) bool { return name == "y" || col == 7 })
	if s := Stored(got, e.Names()).String(); s != `{"n7":2,"y":6}` {
		t.Errorf("selected: %s", s)
	}
	// From this dictionary to an empty one.
	other := NewEncoder(nil, Limits{})
	moved, err := other.AppendValue(nil, v)
	if err != nil || !Equal(Stored(moved, other.Names()), v) || len(other.Proposed()) != 5 {
		t.Errorf("moved: %v %v", err, other.Proposed())
	}
	// As a value inside another it becomes an object with names.
	in, err := FromGo(map[string]any{"doc": v}, Limits{})
	if err != nil || in.String() != `{"doc":{"w":7,"n7":2,"x":3,"y":6,"z":[5]}}` || in.Field("doc").Raw()[0] != tagObject {
		t.Errorf("inside: %s %v", in, err)
	}
}

func TestAppendGo(t *testing.T) {
	type inner struct {
		A int `json:"a"`
	}
	text := `{"a":1}`
	full := mustParse(t, text)
	for i, v := range []any{
		map[string]any{"a": 1}, map[string]int{"a": 1}, inner{1}, &inner{1}, ptr(&inner{1}), struct{ inner }{inner{1}},
		json.RawMessage(text), []byte(text), pairs{"a", 1}, full, Of(map[string]any{"a": 1}), ptr(json.RawMessage(text)),
		asJSON(text), ptr(asJSON(text)), ptr(full), map[string]any{"a": Value{}, "b": 1}, map[string]any(nil), Of(inner{1}),
	} {
		e := NewEncoder(nil, Limits{})
		doc, err := e.AppendGo([]byte("x"), v)
		want := text
		switch i {
		case 15:
			want = `{"b":1}`
		case 16:
			want = `{}`
		}
		if err != nil || Stored(doc[1:], e.Names()).String() != want || doc[1] != tagDoc {
			t.Errorf("AppendGo(%T %v) is %q, %v", v, v, doc, err)
		}
	}
	var none *inner
	var nonePairs *pairs
	for _, v := range []any{
		nil, none, nonePairs, text, 1, true, []any{1}, []int{1}, [1]inner{}, json.RawMessage("[1]"), []byte("1"), []byte(nil), json.RawMessage(nil),
		asJSON("1"), asJSON("nope"), Value{}, Of(nil), Of(1), mustParse(t, "[1]"), time.Now(), make(chan int),
		map[string]any{"a": make(chan int)}, map[string]any{"a": "\xff"}, map[string]any{"\xff": 1},
	} {
		e := NewEncoder(nil, Limits{})
		doc, err := e.AppendGo([]byte("x"), v)
		var x *errs.Error
		if !errors.As(err, &x) || x.Code != errs.InvalidInput || string(doc) != "x" || len(e.Proposed()) != 0 {
			t.Errorf("AppendGo(%T %v) is %q, %v, proposing %q", v, v, doc, err, e.Proposed())
		}
	}
}

// asJSON is a json.Marshaler that is any text.
type asJSON string

func (s asJSON) MarshalJSON() ([]byte, error) { return []byte(s), nil }

func ptr[T any](v T) *T { return &v }

func TestMergeModel(t *testing.T) {
	texts := []string{"{}", `{"a":1}`, `{"b":2,"a":3}`, `{"c":[1],"d":{"e":1}}`, `{"d":null,"c":"x","b":true,"a":1.5}`, `{"new":1}`,
		`{"a":"` + string(bytes.Repeat([]byte("x"), 300)) + `"}`}
	e := NewEncoder(nil, Limits{})
	docs := make([][]byte, len(texts))
	for i, text := range texts {
		doc, err := e.AppendJSON(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		docs[i] = doc
	}
	names := e.Names()
	for _, doc := range docs {
		for _, patch := range docs {
			got := Stored(Merge([]byte("dst"), doc, patch)[3:], names)
			checkMerge(t, Stored(doc, names), Stored(patch, names), got)
		}
		for mask := range 1 << names.Len() {
			keep := func(col uint16, _ string) bool { return mask>>col&1 == 1 }
			checkSelect(t, Stored(doc, names), Stored(Select([]byte("dst"), doc, keep)[3:], names), func(name string) bool {
				col, _ := names.Lookup(name)
				return keep(col, "")
			})
		}
	}
	if got := Merge(nil, nil, docs[1]); !bytes.Equal(got, docs[1]) {
		t.Errorf("merged into nothing: %x", got)
	}
	if got := Merge(nil, docs[1], []byte{tagNull}); !bytes.Equal(got, docs[1]) {
		t.Errorf("merged with nothing: %x", got)
	}
}

// checkMerge compares a merged document with a map model and with the order promised.
func checkMerge(t *testing.T, doc, patch, got Value) {
	t.Helper()
	want := doc.Go().(map[string]any)
	maps.Copy(want, patch.Go().(map[string]any))
	if !reflect.DeepEqual(got.Go(), any(want)) {
		t.Fatalf("%s merged with %s is %s", doc, patch, got)
	}
	var order []string
	for name := range doc.Fields() {
		order = append(order, name)
	}
	for name := range patch.Fields() {
		if doc.Field(name).Kind() == Absent {
			order = append(order, name)
		}
	}
	if keys := keysOf(got); !slices.Equal(keys, order) {
		t.Fatalf("%s merged with %s has the order %q", doc, patch, keys)
	}
}

func checkSelect(t *testing.T, doc, got Value, keep func(string) bool) {
	t.Helper()
	var order []string
	for name, v := range doc.Fields() {
		if keep(name) {
			order = append(order, name)
			if !Equal(v, got.Field(name)) {
				t.Fatalf("%s selected from %s as %s", name, doc, got)
			}
		}
	}
	if keys := keysOf(got); !slices.Equal(keys, order) {
		t.Fatalf("selected %q, want %q", keys, order)
	}
}

func keysOf(v Value) (keys []string) {
	for name := range v.Fields() {
		keys = append(keys, name)
	}
	return keys
}

// TestMergeWide merges documents of thousands of fields.
func TestMergeWide(t *testing.T) {
	doc, patch := map[string]any{}, map[string]any{}
	for i := range 5000 {
		doc[fmt.Sprint("d", i)] = i
		patch[fmt.Sprint("d", i*2)] = -i
	}
	e := NewEncoder(nil, Limits{})
	d, err := e.AppendGo(nil, doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.AppendGo(nil, patch)
	if err != nil {
		t.Fatal(err)
	}
	names := e.Names()
	checkMerge(t, Stored(d, names), Stored(p, names), Stored(Merge(nil, d, p), names))
}

func TestBuilder(t *testing.T) {
	build := func(b *Builder, v Value) {
		b.ObjectStart()
		b.Key("a")
		b.Value(v)
		b.Key("gone")
		b.Value(Value{})
		b.Key("list")
		b.ArrayStart()
		b.Value(Of(1))
		b.Value(Value{})
		b.ObjectStart()
		b.Key("in")
		b.Value(Of([]any{"x", struct{ N int }{2}}))
		b.End()
		b.ArrayStart()
		b.End()
		b.End()
		b.Key("a")
		b.Value(v)
		b.End()
	}
	want := `{"a":{"k":1.10},"list":[1,null,{"in":["x",{"N":2}]},[]]}`
	e := NewEncoder(NewNames([]string{"list"}), Limits{})
	k, err := e.AppendJSON(nil, []byte(`{"k":1.10}`))
	if err != nil {
		t.Fatal(err)
	}
	v := Stored(k, e.Names())
	plain, docs := NewBuilder(), NewDocumentBuilder(e)
	for range 3 {
		build(plain, v)
		got, err := plain.Finish()
		if err != nil || got.String() != want || got.Raw()[0] != tagObject {
			t.Fatalf("built %s, %v", got, err)
		}
		build(docs, v)
		doc, err := docs.Finish()
		if err != nil || doc.String() != want || doc.Raw()[0] != tagDoc {
			t.Fatalf("built %s, %v", doc, err)
		}
		if !slices.Equal(e.Proposed(), []string{"k", "a"}) {
			t.Fatalf("proposed %q", e.Proposed())
		}
		docs.Value(v)
		if out, err := docs.Append([]byte("x")); err != nil || !bytes.Equal(out[1:], k) {
			t.Fatalf("built %x, %v", out, err)
		}
		plain.Value(v)
		if got, err := plain.Finish(); err != nil || got.String() != `{"k":1.10}` || got.Raw()[0] != tagObject {
			t.Fatalf("built %s, %v", got, err)
		}
		plain.Value(Value{})
		if got, err := plain.Finish(); err != nil || got.Kind() != Null {
			t.Fatalf("built %s, %v", got, err)
		}
	}
	for name, steps := range map[string]func(b *Builder){
		"nothing":         func(*Builder) {},
		"unfinished":      func(b *Builder) { b.ArrayStart() },
		"two roots":       func(b *Builder) { b.Value(Of(1)); b.Value(Of(2)) },
		"end first":       func(b *Builder) { b.End() },
		"end twice":       func(b *Builder) { b.ArrayStart(); b.End(); b.End() },
		"key first":       func(b *Builder) { b.Key("a") },
		"key in an array": func(b *Builder) { b.ArrayStart(); b.Key("a") },
		"two keys":        func(b *Builder) { b.ObjectStart(); b.Key("a"); b.Key("b") },
		"no key":          func(b *Builder) { b.ObjectStart(); b.Value(Of(1)); b.End() },
		"no value":        func(b *Builder) { b.ObjectStart(); b.Key("a"); b.End() },
		"bad key":         func(b *Builder) { b.ObjectStart(); b.Key("\xff"); b.Value(Of(1)); b.End() },
		"bad text":        func(b *Builder) { b.Value(Of("\xff")) },
		"bad type":        func(b *Builder) { b.Value(Of(make(chan int))) },
		"a new name, then a fault": func(b *Builder) {
			b.ObjectStart()
			b.Key("never proposed")
			b.Value(Of(1))
			b.Key("b")
			b.Value(Of("\xff"))
		},
		"too deep": func(b *Builder) {
			for range 10_001 {
				b.ArrayStart()
			}
		},
		"goes on after one": func(b *Builder) { b.End(); b.Value(Of(1)); b.ObjectStart(); b.Key("x"); b.End() },
	} {
		steps(plain)
		if v, err := plain.Finish(); err == nil {
			t.Errorf("%s: built %s", name, v)
		}
		steps(docs)
		if v, err := docs.Finish(); err == nil {
			t.Errorf("%s: built the document %s", name, v)
		}
	}
	if !slices.Equal(e.Proposed(), []string{"k", "a"}) {
		t.Errorf("failures proposed %q", e.Proposed())
	}
	docs.ArrayStart()
	docs.End()
	if v, err := docs.Finish(); err == nil {
		t.Errorf("a document is the array %s", v)
	}
	docs.Value(Of(1))
	if v, err := docs.Finish(); err == nil {
		t.Errorf("a document is the number %s", v)
	}
}
