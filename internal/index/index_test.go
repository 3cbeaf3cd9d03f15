package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

func record(t *testing.T, text string) *query.Record {
	t.Helper()
	v, err := document.Parse([]byte(text), document.Limits{Depth: 200})
	if err != nil {
		t.Fatal(err)
	}
	return &query.Record{Data: v, ID: 7, Order: document.Of(0)}
}

func keysOf(t *testing.T, d Def, text string) *KeySet {
	t.Helper()
	d.Name = "test"
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	k := &KeySet{}
	d.Bind(query.Schema{}).Keys(k, record(t, text))
	for i := 1; i < k.Len(); i++ {
		if bytes.Compare(k.Key(i-1), k.Key(i)) >= 0 {
			t.Fatalf("keys of %s are not sorted and distinct: %x, %x", text, k.Key(i-1), k.Key(i))
		}
	}
	return k
}

func on(names ...string) (d Def) {
	for _, n := range names {
		desc := strings.HasPrefix(n, "-")
		d.Fields = append(d.Fields, Field{strings.TrimPrefix(n, "-"), desc})
	}
	return d
}

// TestKeysHeld: what an entry must be found by.
func TestKeysHeld(t *testing.T) {
	value := func(v any) string { return string(document.AppendKey([]byte{Values}, document.Of(v))) }
	number := func(family byte, f float64) string { return string(document.AppendNumberKey([]byte{family}, f)) }
	for _, c := range []struct {
		name string
		def  Def
		doc  string
		want []string
		more int // keys that are not in want
	}{
		{"number", on("a"), `{"a":5}`, []string{value(5)}, 0},
		{"text", on("a"), `{"a":"x"}`, []string{value("x")}, 0},
		{"text that is a number", on("a"), `{"a":"5"}`, []string{value("5"), number(Numbers, 5)}, 0},
		{"text that is two numbers", on("a"), `{"a":"1e5"}`, []string{value("1e5"), number(Loose, 1e5), number(Ordered, 15)}, 0},
		{"date", on("a"), `{"a":"1970-01-02"}`, []string{value("1970-01-02"), number(Ordered, 86_400_000)}, 0},
		{"empty text", on("a"), `{"a":""}`, []string{value(""), number(Loose, 0)}, 0},
		{"absent", on("a"), `{}`, []string{value(nil)}, 0},
		{"array", on("a"), `{"a":[1,"x"]}`, []string{value([]any{1, "x"}), value(1), value("x")}, 0},
		{"empty array", on("a"), `{"a":[]}`, []string{value([]any{}), value(""), number(Loose, 0)}, 0},
		{"array in an array", on("a"), `{"a":[[5]]}`, []string{value([]any{5}), value(5), value("5"), number(Loose, 5)}, 1},
		{"through an array", on("a.b"), `{"a":[{"b":1},{"b":2}]}`, []string{value(1), value(2)}, 0},
		{"through an empty array", on("a.b"), `{"a":[]}`, []string{value(nil)}, 0},
		{"sparse", Def{Fields: on("a").Fields, Sparse: true}, `{"a":null}`, nil, 0},
		{"folded", Def{Fields: on("a").Fields, IgnoreCase: true}, `{"a":["AB",5]}`, []string{value("ab"), value("5"), value("ab,5")}, 0},
		{"grams", Def{Fields: on("a").Fields, Trigram: true}, `{"a":"ABCabcd"}`, []string{"\x02abc", "\x02bca", "\x02cab", "\x02bcd"}, 0},
		{"short grams", Def{Fields: on("a").Fields, Trigram: true}, `{"a":"ab"}`, nil, 0},
		{"two fields", on("a", "-b"), `{"a":1,"b":[2]}`, []string{
			value(1) + inverted(value(2)[1:]), value(1) + inverted(value([]any{2})[1:])}, 0},
		{"field of the entry", on("id"), `{"id":3}`, []string{value(7)}, 0},
		{"column named like a field", on("data.id"), `{"id":3}`, []string{value(3)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := keysOf(t, c.def, c.doc)
			for _, want := range c.want {
				if !k.Has([]byte(want)) {
					t.Errorf("key %x is missing", want)
				}
			}
			if k.Len() != len(c.want)+c.more {
				for i := range k.Len() {
					t.Logf("%x", k.Key(i))
				}
				t.Errorf("%d keys, want %d", k.Len(), len(c.want)+c.more)
			}
		})
	}
}

func inverted(key string) string {
	b := []byte(key)
	document.InvertKey(b)
	return string(b)
}

// TestKeysUnique: on which keys uniqueness is judged.
func TestKeysUnique(t *testing.T) {
	for doc, want := range map[string]int{
		`{"a":1,"b":1}`: 1, `{"a":null,"b":1}`: 0, `{"a":1}`: 0, `{"a":{},"b":1}`: 0,
		`{"a":[1,2,null],"b":"x"}`: 2, `{"a":[[1]],"b":1}`: 0, `{"a":"5","b":true}`: 1, `{"a":[],"b":1}`: 0,
	} {
		k := keysOf(t, on("a", "b"), doc)
		got := 0
		for i := range k.Len() {
			if k.Unique(i) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d unique keys, want %d", doc, got, want)
		}
	}
}

// TestKeysBounded: long and many keys.
func TestKeysBounded(t *testing.T) {
	long := strings.Repeat("x", 2000)
	a, b := keysOf(t, on("a"), `{"a":"`+long+`"}`), keysOf(t, on("a"), `{"a":"`+long+`y"}`)
	if a.Traits()&Cut == 0 || len(a.Key(0)) != MaxKeyBytes || bytes.Equal(a.Key(0), b.Key(0)) || !a.Unique(0) {
		t.Errorf("a long key is %d bytes, traits %b", len(a.Key(0)), a.Traits())
	}
	list := func(n int) string {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprint(i))
		}
		return `{"a":[` + strings.Join(items, ",") + `],"b":[1,2,3]}`
	}
	if k := keysOf(t, on("a"), list(900)); k.Traits()&Many != 0 || k.Len() != 901 {
		t.Errorf("900 items: %d keys, traits %b", k.Len(), k.Traits())
	}
	for _, d := range []Def{on("a"), on("a", "b")} {
		k := keysOf(t, d, list(2000/len(d.Fields)))
		if k.Traits()&Many == 0 || k.Len() != 1 || k.Key(0)[0] != Overflow {
			t.Errorf("too many items: %d keys, traits %b", k.Len(), k.Traits())
		}
	}
	grams := Def{Fields: on("a").Fields, Trigram: true}
	if k := keysOf(t, grams, `{"a":"`+strings.Repeat("abcdefgh", 100_000)+`"}`); k.Len() != 8 {
		t.Errorf("a long text with few grams has %d keys", k.Len())
	}
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for range 100_000 {
		text.WriteByte(byte('a' + r.IntN(26)))
	}
	if k := keysOf(t, grams, `{"a":"`+text.String()+`"}`); k.Traits()&Many == 0 || k.Len() != 1 {
		t.Errorf("a long text with many grams has %d keys", k.Len())
	}
}

// TestKeysInOrder: without arrays the keys sort as entries do by the same order.
func TestKeysInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	values := []any{nil, true, false, -1, 0, 2.5, "", "a", "B", "b", "é", "5", map[string]any{"x": 1}}
	d := on("a", "-b.c", "createdAt")
	order := query.Order{{Name: "a"}, {Name: "b.c", Desc: true}, {Name: "createdAt"}}.Bind(query.Schema{})
	bound := d.Bind(query.Schema{})
	var last, lastKey []byte
	for i := range 20_000 {
		doc := map[string]any{}
		if v := r.IntN(len(values) + 1); v < len(values) {
			doc["a"] = values[v]
		}
		doc["b"] = map[string]any{"c": values[r.IntN(len(values))]}
		rec := &query.Record{Data: document.Of(doc), CreatedAt: int64(r.IntN(3)) * 1000}
		var k KeySet
		bound.Keys(&k, rec)
		if k.Traits()&(Multi|Cut) != 0 || k.Key(0)[0] != Values {
			t.Fatalf("%v has traits %b", doc, k.Traits())
		}
		want := order.AppendKey(nil, rec)
		if i > 0 && bytes.Compare(want, last) != bytes.Compare(k.Key(0), lastKey) {
			t.Fatalf("%v does not sort as by the order", doc)
		}
		last, lastKey = want, bytes.Clone(k.Key(0))
	}
}

// TestStats: what was added and taken off again leaves nothing.
func TestStats(t *testing.T) {
	var s Stats
	docs := []string{`{"a":"5"}`, `{"a":[1,2]}`, `{}`, `{"a":"` + strings.Repeat("x", 600) + `"}`}
	for _, doc := range docs {
		s.Add(keysOf(t, on("a"), doc), 1)
	}
	if s != (Stats{Entries: 4, Keys: 7, Numbers: 1, Multi: 1, Cut: 1}) {
		t.Errorf("%+v", s)
	}
	for _, doc := range docs {
		s.Add(keysOf(t, on("a"), doc), -1)
	}
	if s != (Stats{}) {
		t.Errorf("%+v is left", s)
	}
}

// TestDefRefused: definitions that cannot be.
func TestDefRefused(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"Name":"x"}`, `{"Name":"x","Fields":[{"Name":""}]}`, `{"Name":"x","Fields":[{"Name":"a"},{"Name":"data.a"}]}`,
		`{"Name":"x","Fields":[{"Name":"deletedAt"}]}`, `{"Name":"x","Trigram":true,"Fields":[{"Name":"a"},{"Name":"b"}]}`,
		`{"Name":"x","Trigram":true,"Unique":true,"Fields":[{"Name":"a"}]}`, `{"Name":"x","Trigram":true,"Fields":[{"Name":"id"}]}`,
		`{"Name":"a\u0000","Fields":[{"Name":"a"}]}`,
	} {
		var d Def
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		var e *errs.Error
		if err := d.Validate(); !errors.As(err, &e) || e.Code != errs.InvalidInput {
			t.Errorf("%s: %v", text, err)
		}
	}
}
