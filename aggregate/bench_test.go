package aggregate_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
)

const benchPipeline = `[{"$match":{"data.age":{"$gte":18}}},{"$group":{"_id":"$data.city","n":{"$sum":1},"avg":{"$avg":"$data.age"}}}]`

// BenchmarkMatchGroup runs $match and $group over 10,000 decoded documents.
func BenchmarkMatchGroup(b *testing.B) {
	docs := make([]any, 10_000)
	for i := range docs {
		docs[i] = map[string]any{"id": float64(i), "data": map[string]any{"name": fmt.Sprint("n", i), "age": float64(i % 90), "city": fmt.Sprint("c", i%50)}}
	}
	p, err := aggregate.Compile(benchPipeline)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := p.Run(context.Background(), docs); err != nil || len(out) != 50 {
			b.Fatal(err, len(out))
		}
	}
}

// BenchmarkMatchGroupStored is the same over stored documents.
func BenchmarkMatchGroupStored(b *testing.B) {
	var texts []string
	for i := range 10_000 {
		texts = append(texts, fmt.Sprintf(`{"id":%d,"data":{"name":"n%d","age":%d,"city":"c%d"}}`, i, i, i%90, i%50))
	}
	docs := stored(b, texts...)
	p, err := aggregate.Compile(benchPipeline)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range p.Stream(context.Background(), docs) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 50 {
			b.Fatal(n)
		}
	}
}

// row is a lazy entry over stored columns.
type row struct{ data document.Value }

func (r *row) Len() int         { return 2 }
func (r *row) Key(i int) string { return []string{"id", "data"}[i] }
func (r *row) Field(key string) aggregate.Value {
	switch key {
	case "id":
		return aggregate.NumberOf(1)
	case "data":
		return aggregate.Stored(r.data)
	}
	return aggregate.Value{}
}

// BenchmarkMatchGroupLazy is the same over lazy objects whose columns are stored.
func BenchmarkMatchGroupLazy(b *testing.B) {
	var texts []string
	for i := range 10_000 {
		texts = append(texts, fmt.Sprintf(`{"name":"n%d","age":%d,"city":"c%d"}`, i, i%90, i%50))
	}
	var rows []*row
	for d := range stored(b, texts...) {
		rows = append(rows, &row{d})
	}
	p, err := aggregate.Compile(benchPipeline)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range p.StreamValues(context.Background(), func(yield func(aggregate.Value, error) bool) {
			for _, r := range rows {
				if !yield(aggregate.LazyObject(r, 100), nil) {
					return
				}
			}
		}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 50 {
			b.Fatal(n)
		}
	}
}

// BenchmarkSortLimit keeps the best ten of 10,000 documents.
func BenchmarkSortLimit(b *testing.B) {
	docs := make([]any, 10_000)
	for i := range docs {
		docs[i] = document.Of(map[string]any{"a": float64(i * 7919 % 10007)})
	}
	p, err := aggregate.Compile(`[{"$sort":{"a":-1}},{"$limit":10}]`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(context.Background(), docs); err != nil {
			b.Fatal(err)
		}
	}
}
