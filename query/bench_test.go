package query

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

const twelve = `{"Name":"Ann Smith","Email":"ann@example.com","Age":34,"City":"Leeds","Status":"active","Score":12.5,` +
	`"Joined":"2023-06-01T12:00:00Z","Tags":["red","blue"],"Address":{"zip":"LS1"},"Notes":"Prefers tea over coffee, mornings only","Active":true,"Manager":null}`

func boundTo(t testing.TB, where string, doc document.Value, opts ...Option) *Matcher {
	t.Helper()
	m, err := Compile(where, append(opts, ForDataSource())...)
	if err != nil {
		t.Fatal(err)
	}
	known := func(name string) bool {
		_, ok := doc.Names().Lookup(name)
		return ok
	}
	return m.Bind(Schema{Columns: known, Names: doc.Names()})
}

func longList(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"city %d",%d,`, i, i)
	}
	return b.String() + `"Leeds"`
}

// TestAllocations holds that ordinary predicates allocate nothing on stored documents.
func TestAllocations(t *testing.T) {
	doc := storedDocument(t, []byte(twelve))
	for _, where := range []string{
		`{"City":"Leeds","Age":{"$gt":30}}`, `{"Status":{"$in":["active","new"]}}`, `{"City":{"$in":[` + longList(500) + `]}}`, `{"Name":{"$like":"Smi"}}`, `{"Notes":{"$iLike":"COFFEE"}}`,
		`{"Notes":{"$iLike":"%COFFEE%"}}`, `{"$and":[{"Age":{"$gte":18}},{"$or":[{"City":"York"},{"Score":"12.5"}]}]}`, `{"Tags":"blue"}`, `{"Address.zip":"LS1"}`, `{"Joined":{"$gte":"2020-01-01"}}`,
		`{"Manager":null}`, `{"Active":1}`, `{"Nothing":{"$exists":false}}`, `{"Tags":{"$size":2}}`, `{"Age":{"$mod":[2,0]}}`, `{"Age":{"$like":"4"}}`, `{"Tags":["red","blue"]}`, `{"$nor":[{"Age":1}]}`,
		`{"Address":{"zip":"LS1"}}`, `{"Tags":{"$all":["red"]}}`, `{"Tags":{"$elemMatch":{"$eq":"red"}}}`, `{"Email":{"$type":"string"}}`, `{"Age":{"$not":{"$lt":3}}}`, `{"Tags":{"$nin":["green"]}}`,
		`{"$filters":[{"column":"Name","condition":"contains","value":"SMITH"},{"column":"Age","condition":"between","value":{"from":1,"to":99}},{"column":"City","condition":"==","value":"leeds"}]}`,
		`{"$filters":[{"column":"Joined","condition":"dateafter","value":"2020-01-01"},{"column":"Tags","condition":"oneof","value":"blue,x"},{"column":"Age","condition":"oneof","value":"34"}]}`,
		`{"id":7,"createdAt":{"$gte":"2018-03-20"},"updatedAt":{"$lt":"2100-01-01"},"deletedAt":null,"order":2,"dataSourceId":300}`, `{"Name":{"$regex":"^A"}}`,
	} {
		m := boundTo(t, where, doc)
		r := record(t, twelve)
		r.Data = doc
		if !m.MatchRecord(r) {
			t.Errorf("%.60s does not match", where)
		}
		if n := testing.AllocsPerRun(200, func() { m.MatchRecord(r) }); n != 0 {
			t.Errorf("%.60s allocates %v times", where, n)
		}
		if n := testing.AllocsPerRun(200, func() { m.MatchValue(doc) }); n != 0 {
			t.Errorf("%.60s allocates %v times without a record", where, n)
		}
	}
	for _, where := range []string{`{"City":"Leeds","Age":{"$gt":30}}`, `{"Tags":"blue"}`, `{"$or":[{"Age":1},{"City":{"$in":["Leeds"]}}]}`} {
		m := boundTo(t, where, doc, WithDialect(Strict))
		if !m.MatchValue(doc) {
			t.Errorf("%s does not match in the strict dialect", where)
		}
		if n := testing.AllocsPerRun(200, func() { m.MatchValue(doc) }); n >= 1 {
			t.Errorf("%s allocates %v times in the strict dialect", where, n)
		}
		bare, _ := Compile(where)
		if n := testing.AllocsPerRun(200, func() { bare.MatchValue(doc) }); n != 0 {
			t.Errorf("%s allocates %v times bare", where, n)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	doc := storedDocument(t, []byte(twelve))
	for _, d := range []Dialect{Sift, Strict} {
		m := boundTo(t, `{"$or":[{"City":"York"},{"Tags":{"$in":["blue"]},"Notes":{"$regex":"tea"}}]}`, doc, WithDialect(d))
		p := NewProjection([]string{"Address.zip", "Age"}).Bind(Schema{Names: doc.Names()})
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				var dst []byte
				for range 500 {
					if !m.MatchValue(doc) {
						t.Error("no match")
						return
					}
					dst = p.AppendTo(dst[:0], doc)
					if got := string(document.AppendJSON(nil, document.Stored(dst, doc.Names()))); got != `{"Age":34,"Address":{"zip":"LS1"}}` {
						t.Errorf("got %s", got)
						return
					}
				}
			})
		}
		group.Wait()
	}
}

func benchmarkMatch(b *testing.B, where string, opts ...Option) {
	doc := storedDocument(b, []byte(twelve))
	m := boundTo(b, where, doc, opts...)
	r := record(b, twelve)
	r.Data = doc
	b.ReportAllocs()
	for b.Loop() {
		m.MatchRecord(r)
	}
}

func BenchmarkTwoFields(b *testing.B) { benchmarkMatch(b, `{"City":"Leeds","Age":{"$gt":30}}`) }

func BenchmarkTwoFieldsStrict(b *testing.B) {
	benchmarkMatch(b, `{"City":"Leeds","Age":{"$gt":30}}`, WithDialect(Strict))
}

func BenchmarkContains(b *testing.B) { benchmarkMatch(b, `{"Notes":{"$iLike":"MORNINGS"}}`) }

func BenchmarkDate(b *testing.B) { benchmarkMatch(b, `{"Joined":{"$gte":"2020-01-01"}}`) }

func BenchmarkCreatedAt(b *testing.B) { benchmarkMatch(b, `{"createdAt":{"$gte":"2018-03-20"}}`) }

func BenchmarkIn1000(b *testing.B) { benchmarkMatch(b, `{"City":{"$in":[`+longList(500)+`]}}`) }

func BenchmarkUnbound(b *testing.B) {
	doc := storedDocument(b, []byte(twelve))
	m, _ := Compile(`{"City":"Leeds","Age":{"$gt":30}}`)
	b.ReportAllocs()
	for b.Loop() {
		m.MatchValue(doc)
	}
}

func BenchmarkDecoded(b *testing.B) {
	doc := storedDocument(b, []byte(twelve)).Go()
	m, _ := Compile(`{"City":"Leeds","Age":{"$gt":30}}`)
	b.ReportAllocs()
	for b.Loop() {
		m.Match(doc)
	}
}

func BenchmarkCompile(b *testing.B) {
	where := []byte(`{"City":"Leeds","Age":{"$gt":30},"$or":[{"Status":{"$in":["a","b"]}},{"Name":{"$iLike":"ann"}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(where, ForDataSource()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBind(b *testing.B) {
	m, _ := Compile(`{"City":"Leeds","Age":{"$gt":30}}`, ForDataSource())
	doc := storedDocument(b, []byte(twelve))
	s := Schema{Columns: func(string) bool { return true }, Names: doc.Names()}
	b.ReportAllocs()
	for b.Loop() {
		m.Bind(s)
	}
}

func BenchmarkSortKey(b *testing.B) {
	r := record(b, twelve)
	o := Order{{"City", false}, {"Age", true}}.Bind(Schema{Names: r.Data.Names()})
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = o.AppendKey(dst[:0], r)
	}
}

func BenchmarkProject(b *testing.B) {
	doc := storedDocument(b, []byte(twelve))
	for name, names := range map[string][]string{"columns": {"City", "Age"}, "paths": {"Address.zip", "Age"}} {
		p := NewProjection(names).Bind(Schema{Names: doc.Names()})
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = p.AppendTo(dst[:0], doc)
			}
		})
	}
}
