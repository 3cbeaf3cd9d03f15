package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds adds the texts of the table of decisions.
func seeds(f *testing.F) {
	for _, row := range jsonRows {
		if len(row.in) < 2000 {
			f.Add([]byte(row.in))
		}
	}
	f.Add(benchText)
	for _, line := range inOrder {
		f.Add([]byte(line[0]))
	}
}

// FuzzParse compares with encoding/json, which must accept and refuse the same texts but for
// what is documented: it takes bytes that are not UTF-8, lone surrogates, and more depth,
// longer keys and numbers.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data, Limits{})
		if err != nil {
			if json.Valid(data) && !refusedByUs(err.Error()) {
				t.Fatalf("refused %q: %v", data, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("took %q", data)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var std any
		if err := dec.Decode(&std); err != nil {
			t.Fatalf("took %q, but encoding/json: %v", data, err)
		}
		if !sameAsStandard(v, std) {
			t.Fatalf("%q is %s, but encoding/json reads %v", data, v, std)
		}
		if plain := withNumbers(v); !reflect.DeepEqual(plain, std) {
			t.Fatalf("digits of %q: %v, want %v", data, plain, std)
		}
		out := AppendJSON(nil, v)
		again, err := Parse(out, Limits{})
		if err != nil || !bytes.Equal(again.Raw(), v.Raw()) {
			t.Fatalf("%q comes out as %q, which is another value: %v", data, out, err)
		}
		if _, err := FromGo(v.Go(), Limits{}); err != nil {
			t.Fatalf("%q through Go: %v", data, err)
		}
		back, err := FromGo(std, Limits{})
		if err != nil || !Equal(back, v) || Compare(back, v) != 0 {
			t.Fatalf("%q through encoding/json is %s, %v", data, back, err)
		}
	})
}

func refusedByUs(message string) bool {
	for _, part := range []string{"not UTF-8", "surrogate", "over the limit", "longer than", "more than"} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// sameAsStandard compares a value with what encoding/json decoded, number by number as doubles.
func sameAsStandard(v Value, std any) bool {
	switch x := std.(type) {
	case nil:
		return v.Kind() == Null
	case bool:
		return v.Kind() == Bool && v.Bool() == x
	case string:
		return v.Kind() == String && v.Str() == x
	case json.Number:
		want, err := x.Float64()
		if err != nil && !math.IsInf(want, 0) {
			return false
		}
		return v.Kind() == Number && v.Float() == want && math.Signbit(v.Float()) == math.Signbit(want)
	case []any:
		if v.Kind() != Array || v.Len() != len(x) {
			return false
		}
		for i := range x {
			if !sameAsStandard(v.At(i), x[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		if v.Kind() != Object || v.Len() != len(x) {
			return false
		}
		for name := range x {
			if !sameAsStandard(v.Field(name), x[name]) {
				return false
			}
		}
		return true
	}
	return false
}

// withNumbers is Go, but every number is its digits.
func withNumbers(v Value) any {
	switch v.Kind() {
	case Number:
		return json.Number(v.AppendNumber(nil))
	case Array:
		list := []any{}
		for e := range v.Items() {
			list = append(list, withNumbers(e))
		}
		return list
	case Object:
		m := map[string]any{}
		for name, e := range v.Fields() {
			m[strings.Clone(name)] = withNumbers(e)
		}
		return m
	}
	return v.Go()
}

// FuzzAccessors reads random bytes as a stored value: whatever they are, nothing panics or
// hangs, text that comes out is JSON, and order and equality hold together.
func FuzzAccessors(f *testing.F) {
	for _, row := range jsonRows {
		if v, err := Parse([]byte(row.in), Limits{}); err == nil && len(v.Raw()) < 200 {
			f.Add(v.Raw())
		}
	}
	doc, err := NewEncoder(nil, Limits{}).AppendJSON(nil, benchText)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	for i := range doc { // one damaged byte each
		bad := bytes.Clone(doc)
		bad[i] ^= byte(1 + i%255)
		f.Add(bad)
	}
	f.Add([]byte{tagDoc, 3, 1, 4, 3, 'a', 'b', 'c', 3, 2, 8, 0, 0, 0xFF, 0xFF, 2, 0})
	f.Add([]byte{tagArray, 0, 1, 0, 1, 0, 1, 5, 0})
	f.Add([]byte{tagFloat, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F})
	f.Add([]byte{tagObject, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 10, 1, 0})
	f.Add([]byte{tagArray, 0xFF, 0xFF, 0xFF, 0xFF, 2})
	f.Add([]byte{tagNumber, 0, 0, 0, 0, 0, 0, 0, 0, '1', 'x'})
	names := NewNames([]string{"a", "b", "First name", "c"})
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := bytes.Clone(raw)
		for _, v := range []Value{Stored(raw, names), Stored(raw, nil), {raw: raw}} {
			touch(v, 0)
			_ = v.Column(1)
			_ = v.FieldInline("abc")
			_ = Verify(raw, v.Names())
			for range Columns(raw) {
				break
			}
			out := AppendJSON(nil, v)
			if !json.Valid(out) || !utf8.Valid(out) {
				t.Fatalf("%x comes out as %q", raw, out)
			}
			_ = v.Go()
			if !Equal(v, v) || Compare(v, v) != 0 {
				t.Fatalf("%x differs from itself", raw)
			}
			if !bytes.Equal(CanonicalKey(nil, v), CanonicalKey(nil, v)) {
				t.Fatalf("%x has two canonical keys", raw)
			}
			_ = AppendKey(nil, v)
			e := NewEncoder(names, Limits{})
			if made, err := e.AppendValue(nil, v); err == nil {
				touch(Stored(made, e.Names()), 0)
			}
			if made, err := FromGo(v, Limits{}); err == nil {
				touch(made, 0)
			}
		}
		_ = Remap(nil, raw, 1, []uint16{9, 8, 7})
		for _, made := range [][]byte{Merge(nil, raw, doc), Merge(nil, doc, raw), Merge(nil, raw, raw),
			Select(nil, raw, func(col uint16, _ string) bool { return col&1 == 0 })} {
			touch(Stored(made, names), 0)
		}
		if _, _, _, err := Open("ks", []byte("key"), raw); err == nil {
			t.Fatalf("opened %x", raw)
		}
		if !bytes.Equal(raw, given) {
			t.Fatalf("changed %x to %x", given, raw)
		}
	})
}

// touch calls every accessor, a few levels down.
func touch(v Value, depth int) {
	_, _, _, _, _ = v.Kind(), v.Bool(), v.Float(), v.Str(), v.AppendNumber(nil)
	_ = v.Field("a")
	_ = v.At(math.MaxInt)
	_, _ = v.FieldAt(-1)
	if depth > 3 {
		return
	}
	for i := range min(v.Len(), 5) {
		touch(v.At(i), depth+1)
		_, e := v.FieldAt(i)
		touch(e, depth+1)
	}
	for name, e := range v.Fields() {
		_ = v.Field(name)
		touch(e, depth+1)
	}
	for e := range v.Items() {
		touch(e, depth+1)
	}
}

// FuzzKeyOrder compares the order of keys with Compare, for JSON texts, strings and bytes.
func FuzzKeyOrder(f *testing.F) {
	for i := range inOrder {
		f.Add([]byte(inOrder[i][0]), []byte(inOrder[max(i-1, 0)][0]))
	}
	for i, row := range jsonRows {
		if next := jsonRows[(i+1)%len(jsonRows)]; len(row.in)+len(next.in) < 300 {
			f.Add([]byte(row.in), []byte(next.in))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		values := []Value{Of(string(a)), Of(string(b)), Stored(a, nil), Stored(b, nil)}
		for _, text := range [][]byte{a, b} {
			if v, err := Parse(text, Limits{}); err == nil {
				values = append(values, v)
			}
		}
		for _, x := range values {
			for _, y := range values {
				c := sign(Compare(x, y))
				if c != -sign(Compare(y, x)) {
					t.Fatalf("%s and %s compare differently the other way", x, y)
				}
				kx, ky := AppendKey(nil, x), AppendKey(nil, y)
				if bytes.Compare(kx, ky) != c {
					t.Fatalf("%s and %s compare as %d, their keys %x and %x do not", x, y, c, kx, ky)
				}
				if c != 0 && (bytes.HasPrefix(kx, ky) || bytes.HasPrefix(ky, kx)) {
					t.Fatalf("a key begins the other: %x, %x", kx, ky)
				}
				if Equal(x, y) != bytes.Equal(CanonicalKey(nil, x), CanonicalKey(nil, y)) {
					t.Fatalf("%s and %s: equality and canonical keys differ", x, y)
				}
			}
		}
	})
}

// FuzzEncode takes JSON to documents and back, and holds Merge, Select and Remap to what maps do.
func FuzzEncode(f *testing.F) {
	f.Add(benchText, []byte(`{"Age":33,"new":[1]}`), uint16(5))
	f.Add([]byte(`{"a":1,"b":{"c":[]},"a":2}`), []byte(`{"b":null,"z":1.10}`), uint16(2))
	f.Add([]byte(`{}`), []byte(`{"":""}`), uint16(0xFFFF))
	f.Add([]byte(`{"q":1,"x":2,"y":3,"y":4}`), []byte(`{"y":5,"w":6,"a":7}`), uint16(0x1234))
	for i, row := range jsonRows {
		if next := jsonRows[(i+7)%len(jsonRows)]; len(row.in)+len(next.in) < 300 {
			f.Add([]byte(`{"a":`+row.in+`,"b":1}`), []byte(`{"b":`+next.in+`,"Age":2}`), uint16(i))
		}
	}
	full := make([]string, MaxNames-2)
	for i := range full {
		full[i] = fmt.Sprint("n", i)
	}
	bases := []*Names{nil, NewNames([]string{"a", "b", "Age"}), NewNames(full)}
	f.Fuzz(func(t *testing.T, one, two []byte, mask uint16) {
		a, errA := Parse(one, Limits{})
		b, errB := Parse(two, Limits{})
		for _, base := range bases {
			e := NewEncoder(base, Limits{})
			da, err := e.AppendJSON(nil, one)
			if (err == nil) != (errA == nil && a.Kind() == Object) {
				t.Fatalf("Parse(%q): %v, AppendJSON: %v", one, errA, err)
			}
			db, err := e.AppendJSON(nil, two)
			if (err == nil) != (errB == nil && b.Kind() == Object) {
				t.Fatalf("Parse(%q): %v, AppendJSON: %v", two, errB, err)
			}
			if da == nil || db == nil {
				continue
			}
			names := e.Names()
			va, vb := Stored(da, names), Stored(db, names)
			if va.String() != a.String() || !Equal(va, a) || Compare(va, a) != 0 {
				t.Fatalf("%q is the document %s", one, va)
			}
			again, err := e.AppendValue(nil, a)
			if err != nil || !bytes.Equal(again, da) {
				t.Fatalf("%s as a document is %x, %v, want %x", a, again, err, da)
			}
			again, err = e.AppendGo(nil, withNumbers(va))
			if err != nil || !Equal(Stored(again, e.Names()), a) {
				t.Fatalf("%s through Go is %s, %v", a, Stored(again, e.Names()), err)
			}
			checkMerge(t, va, vb, Stored(Merge(nil, da, db), names))
			keep := func(name string) bool { return mask>>(len(name)%16)&1 == 1 }
			checkSelect(t, va, Stored(Select(nil, da, func(col uint16, name string) bool {
				if col != inlineCol {
					name = names.Name(col)
				}
				return keep(name)
			}), names), keep)

			// The proposed names get numbers in the other direction.
			proposed := slices.Clone(e.Proposed())
			to := make([]uint16, len(proposed))
			for i := range to {
				to[i] = uint16(base.Len() + len(to) - 1 - i)
			}
			slices.Reverse(proposed)
			if got := Stored(Remap(nil, da, base.Len(), to), base.Extend(proposed)); got.String() != va.String() {
				t.Fatalf("%s remapped is %s", va, got)
			}
		}
	})
}
