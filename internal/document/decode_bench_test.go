package document

import (
	"encoding/json"
	"reflect"
	"testing"
	"unsafe"
)

// BenchmarkDecodeStruct stores an entry of 12 fields in a struct: from a document, from an
// object with its names in it, and through JSON text as encoding/json does.
func BenchmarkDecodeStruct(b *testing.B) {
	_, _, doc := benchDoc(b)
	plain := mustParse(b, string(benchText))
	d := DecoderFor(reflect.TypeFor[decRow]())
	for _, src := range []struct {
		name string
		v    Value
	}{{"document", doc}, {"object", plain}} {
		b.Run(src.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var row decRow
				if err := d.Decode(src.v, unsafe.Pointer(&row)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("find-decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var row decRow
			if err := DecodeInto(doc, &row); err != nil {
				b.Fatal(err)
			}
		}
	})
	text := AppendJSON(nil, doc)
	b.Run("unmarshal-ready-text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var row decRow
			if err := json.Unmarshal(text, &row); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var row decRow
			if err := json.Unmarshal(AppendJSON(nil, doc), &row); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecodeFew stores two of the 12 fields.
func BenchmarkDecodeFew(b *testing.B) {
	_, _, doc := benchDoc(b)
	type few struct {
		Age   int
		Email string
	}
	d := DecoderFor(reflect.TypeFor[few]())
	b.ReportAllocs()
	for b.Loop() {
		var row few
		if err := d.Decode(doc, unsafe.Pointer(&row)); err != nil {
			b.Fatal(err)
		}
	}
}
