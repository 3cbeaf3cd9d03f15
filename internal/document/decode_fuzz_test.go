package document

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzDecode decodes texts into every type, against encoding/json, and reads the same bytes as a
// stored value: whatever they are, nothing panics.
func FuzzDecode(f *testing.F) {
	seeds(f)
	for _, text := range decodeTexts {
		f.Add([]byte(text))
	}
	for _, text := range []string{string(benchText), `{"a":{"B":[{"c":{"x":{}}}]},"t":"2026-01-02T03:04:05Z","in":[1.5]}`} {
		e := NewEncoder(nil, Limits{})
		doc, err := e.AppendJSON(nil, []byte(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
		for i := range doc { // one damaged byte each
			bad := bytes.Clone(doc)
			bad[i] ^= byte(1 + i%255)
			f.Add(bad)
		}
	}
	names := NewNames([]string{"a", "B", "First name", "in", "t", "Tags", "Office", "d", "i"})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, typ := range decodeTypes {
			given := bytes.Clone(data)
			_ = DecodeTo(Stored(given, names), reflect.New(typ).Interface())
			if !bytes.Equal(given, data) {
				t.Fatalf("changed %x to %x", data, given)
			}
		}
		v, err := Parse(data, Limits{})
		if err != nil {
			return
		}
		text, wide, once := AppendJSON(nil, v), outOfDoubles(v), keysIn(data) == countKeys(v)
		forms := decodeForms(t, v)
		for _, typ := range decodeTypes {
			if typ == reflect.TypeFor[decQuoted]() && bytes.ContainsAny(text, `\`) {
				continue // in strings in strings it takes \' and lone surrogates
			}
			if holdsAny(typ) && wide {
				continue
			}
			checkDecode(t, forms, text, typ, nil)
			if once && !readsText(typ) {
				checkDecode(t, forms, data, typ, nil)
			}
		}
	})
}

// readsText reports whether a type of decodeTypes sees how its text is written.
func readsText(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[decCustom](), reflect.TypeFor[decMaps](), reflect.TypeFor[decQuoted](), reflect.TypeFor[json.RawMessage](),
		reflect.TypeFor[upper](), reflect.TypeFor[struct{ upper }]():
		return true
	}
	return false
}

// keysIn counts the keys of a JSON text, repeated ones too: encoding/json decodes each of them,
// and a stored value has the last one.
func keysIn(text []byte) int {
	n := 0
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var inObject []bool
	key := false // the next token is a key
	for {
		token, err := dec.Token()
		if err != nil {
			return n
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			key = token == json.Delim('{')
			inObject = append(inObject, key)
			continue
		case json.Delim('}'), json.Delim(']'):
			inObject = inObject[:len(inObject)-1]
		default:
			if key {
				n++
				key = false
				continue
			}
		}
		key = len(inObject) > 0 && inObject[len(inObject)-1]
	}
}

// countKeys counts the keys of a value.
func countKeys(v Value) int {
	n := 0
	for e := range v.Items() {
		n += countKeys(e)
	}
	for _, e := range v.Fields() {
		n += 1 + countKeys(e)
	}
	return n
}
