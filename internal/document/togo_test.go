package document

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// TestGoLikeEncodingJSON holds what a stored value is as Go data against what encoding/json
// makes of its text, for an object with its names in it and for a document.
func TestGoLikeEncodingJSON(t *testing.T) {
	texts := []string{
		`{}`, `{"a":""}`, `{"a":"x","b":null,"c":true,"d":false}`, `{"é":"ü","\u0000":"\ud83d\ude00"}`,
		`{"a":{"b":{"c":[1,{"d":2},[]]}},"e":[{},"",null]}`, `{"a":1,"b":2,"a":3}`, `{"f":1.5,"g":-0.25,"h":1e300,"i":-1e-7}`,
	}
	for _, n := range []int64{-1 << 53, -1025, -1024, -129, -128, -1, 0, 1, 127, 128, 255, 256, 1022, 1023, 1024, 1025, 32767, 32768, 1 << 31, 1 << 53} {
		texts = append(texts, fmt.Sprintf(`{"n":%d,"list":[%d],"in":{"n":%d}}`, n, n, n))
	}
	for _, text := range texts {
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		v, err := Parse([]byte(text), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		enc := NewEncoder(nil, Limits{})
		doc, err := enc.AppendValue(nil, v)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for form, stored := range map[string]Value{"object": v, "document": Stored(doc, enc.Names())} {
			got := stored.Go()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s as %s is %#v, want %#v", text, form, got, want)
			}
			clear(stored.Raw()) // nothing of it may be shared
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s as %s shares memory with the stored bytes", text, form)
			}
		}
	}
}
