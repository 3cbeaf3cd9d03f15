package document

import (
	"encoding/json"
	"testing"
)

// benchText is an entry as real data sources hold them: 12 fields, about 250 bytes.
var benchText = []byte(`{"First name":"Margaret","Last name":"Hamilton","Email":"margaret@example.org","Age":32,` +
	`"Salary":52417.5,"Active":true,"Department":"Engineering","Joined":"2016-11-15",` +
	`"Manager":null,"Tags":["a","b"],"Office":{"City":"Boston"},"Score":0.75}`)

func benchDoc(tb testing.TB) (*Encoder, []byte, Value) {
	tb.Helper()
	e := NewEncoder(nil, Limits{})
	doc, err := e.AppendJSON(nil, benchText)
	if err != nil {
		tb.Fatal(err)
	}
	base := e.Names()
	e.Reset(base)
	return e, doc, Stored(doc, base)
}

var (
	sinkBytes []byte
	sinkValue Value
	sinkInt   int
	sinkAny   any
)

func BenchmarkEncodeJSON(b *testing.B) {
	e, doc, _ := benchDoc(b)
	b.SetBytes(int64(len(benchText)))
	b.ReportAllocs()
	for b.Loop() {
		doc, _ = e.AppendJSON(doc[:0], benchText)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkValue, _ = Parse(benchText, Limits{})
	}
}

func BenchmarkEncodeGoMap(b *testing.B) {
	e, doc, v := benchDoc(b)
	m := v.Go()
	b.ReportAllocs()
	for b.Loop() {
		doc, _ = e.AppendGo(doc[:0], m)
	}
}

// BenchmarkEncodeStruct writes a struct of 12 fields: as a value, through a pointer, as the only
// one of an Encoder, and by reflection as it was once done.
func BenchmarkEncodeStruct(b *testing.B) {
	_, _, stored := benchDoc(b)
	var row decRow
	if err := DecodeInto(stored, &row); err != nil {
		b.Fatal(err)
	}
	e := NewEncoder(nil, Limits{})
	doc, err := e.AppendGo(nil, row)
	if err != nil {
		b.Fatal(err)
	}
	base := e.Names()
	for _, c := range []struct {
		name   string
		append func(dst []byte) ([]byte, error)
	}{
		{"value", func(dst []byte) ([]byte, error) { return e.AppendGo(dst, row) }},
		{"pointer", func(dst []byte) ([]byte, error) { return e.AppendGo(dst, &row) }},
		{"encoder", func(dst []byte) ([]byte, error) { return NewEncoder(base, Limits{}).AppendGo(dst, &row) }},
		{"reflect-value", func(dst []byte) ([]byte, error) { return reflectAppendGo(e, dst, row) }},
		{"reflect-pointer", func(dst []byte) ([]byte, error) { return reflectAppendGo(e, dst, &row) }},
		{"reflect-encoder", func(dst []byte) ([]byte, error) { return reflectAppendGo(NewEncoder(base, Limits{}), dst, &row) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, _ = c.append(doc[:0])
			}
		})
	}
}

func BenchmarkEncodeValue(b *testing.B) {
	e, doc, _ := benchDoc(b)
	v, _ := Parse(benchText, Limits{})
	b.ReportAllocs()
	for b.Loop() {
		doc, _ = e.AppendValue(doc[:0], v)
	}
}

func BenchmarkColumn(b *testing.B) {
	_, _, v := benchDoc(b)
	for _, c := range []struct {
		name string
		col  uint16
	}{{"first", 0}, {"last", 11}, {"missing", 99}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkValue = v.Column(c.col)
			}
		})
	}
}

func BenchmarkField(b *testing.B) {
	_, _, doc := benchDoc(b)
	inline, _ := Parse(benchText, Limits{})
	goMap := Of(doc.Go())
	for _, src := range []struct {
		name string
		v    Value
	}{{"document", doc}, {"object", inline}, {"map", goMap}} {
		for _, name := range []string{"First name", "Score", "missing"} {
			b.Run(src.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					sinkValue = src.v.Field(name)
				}
			})
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	_, _, v := benchDoc(b)
	out := AppendJSON(nil, v)
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		out = AppendJSON(out[:0], v)
	}
}

func BenchmarkToGo(b *testing.B) {
	_, _, v := benchDoc(b)
	b.ReportAllocs()
	for b.Loop() {
		sinkAny = ToGo(v)
	}
}

func BenchmarkEnvelopeOpen(b *testing.B) {
	_, doc, _ := benchDoc(b)
	s := NewSealer("entries")
	key := []byte{0, 0, 0, 6, 0, 0, 0, 0, 24, 32, 115, 45}
	sealed := s.Seal(nil, key, 0, doc)
	b.ReportAllocs()
	for b.Loop() {
		_, sinkBytes, _, _ = s.Open(key, sealed)
	}
}

func BenchmarkEnvelopeSeal(b *testing.B) {
	_, doc, _ := benchDoc(b)
	s := NewSealer("entries")
	key := []byte{0, 0, 0, 6, 0, 0, 0, 0, 24, 32, 115, 45}
	buf := append(make([]byte, EnvelopeSize), doc...)
	b.ReportAllocs()
	for b.Loop() {
		s.SealInPlace(buf, key, 0)
	}
}

func BenchmarkAppendKey(b *testing.B) {
	_, _, v := benchDoc(b)
	for _, name := range []string{"Age", "Email", "First name", "Tags", "Office"} {
		field := v.Field(name)
		b.Run(name, func(b *testing.B) {
			var key []byte
			b.ReportAllocs()
			for b.Loop() {
				key = AppendKey(key[:0], field)
			}
		})
	}
}

func BenchmarkCompareStrings(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkInt = CompareStrings("margaret@example.org", "Margaret@example.com")
	}
}

func BenchmarkEqual(b *testing.B) {
	_, _, v := benchDoc(b)
	w, _ := Parse(benchText, Limits{})
	b.ReportAllocs()
	for b.Loop() {
		if !Equal(v, w) {
			b.Fatal("not equal")
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	e, doc, _ := benchDoc(b)
	patch, err := e.AppendJSON(nil, []byte(`{"Age":33,"Score":0.5,"New":"x"}`))
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = Merge(out[:0], doc, patch)
	}
}

func BenchmarkStandardUnmarshal(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(benchText, &m); err != nil {
			b.Fatal(err)
		}
	}
}
