package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"testing"
)

// jsonValue is a JSON value for tests, with its keys in order and its digits.
type jsonValue struct {
	kind   jsonKind
	text   string
	names  []string
	values []jsonValue
}

type jsonKind string

func (k jsonKind) String() string { return string(k) }

func (v jsonValue) Kind() jsonKind                 { return v.kind }
func (v jsonValue) Bool() bool                     { return v.text == "true" && v.kind == "boolean" }
func (v jsonValue) AppendNumber(dst []byte) []byte { return append(dst, v.text...) }

func (v jsonValue) Float() float64 {
	f, _ := strconv.ParseFloat(v.text, 64)
	if v.kind != "number" {
		return 0
	}
	return f
}

func (v jsonValue) Str() string {
	if v.kind != "string" {
		return ""
	}
	return v.text
}

func (v jsonValue) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	switch v.kind {
	case "string":
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err := e.Encode(v.text)
		return bytes.TrimSpace(b.Bytes()), err
	case "array", "object":
		b.WriteByte(map[jsonKind]byte{"array": '[', "object": '{'}[v.kind])
		for i, e := range v.values {
			if i > 0 {
				b.WriteByte(',')
			}
			if v.kind == "object" {
				b.WriteString(strconv.Quote(v.names[i]) + ":")
			}
			text, err := e.MarshalJSON()
			if err != nil {
				return nil, err
			}
			b.Write(text)
		}
		b.WriteByte(map[jsonKind]byte{"array": ']', "object": '}'}[v.kind])
		return b.Bytes(), nil
	}
	return []byte(v.text), nil
}

func (v jsonValue) Len() int {
	if v.kind == "string" {
		return len(v.text)
	}
	return len(v.values)
}

func (v jsonValue) At(i int) jsonValue { return v.values[i] }

func (v jsonValue) Field(name string) (found jsonValue) {
	for key, e := range v.Fields() {
		if key == name {
			found = e
		}
	}
	return found
}

func (v jsonValue) Fields() iter.Seq2[string, jsonValue] {
	return func(yield func(string, jsonValue) bool) {
		for i, name := range v.names {
			if !yield(name, v.values[i]) {
				return
			}
		}
	}
}

// parseJSON reads a JSON text.
func parseJSON(text []byte) (jsonValue, error) {
	if !json.Valid(text) {
		return jsonValue{}, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return readJSON(d)
}

func readJSON(d *json.Decoder) (v jsonValue, err error) {
	token, err := d.Token()
	if err != nil {
		return v, err
	}
	switch x := token.(type) {
	case nil:
		return jsonValue{kind: "null", text: "null"}, nil
	case bool:
		return jsonValue{kind: "boolean", text: strconv.FormatBool(x)}, nil
	case json.Number:
		return jsonValue{kind: "number", text: string(x)}, nil
	case string:
		return jsonValue{kind: "string", text: x}, nil
	}
	v.kind = map[json.Delim]jsonKind{'[': "array", '{': "object"}[token.(json.Delim)]
	for d.More() {
		if v.kind == "object" {
			name, err := d.Token()
			if err != nil {
				return v, err
			}
			v.names = append(v.names, name.(string))
		}
		e, err := readJSON(d)
		if err != nil {
			return v, err
		}
		v.values = append(v.values, e)
	}
	_, err = d.Token()
	return v, err
}

func valueOf(t testing.TB, text string) Value {
	t.Helper()
	v, err := parseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Of(v)
}
