package aggregate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

func TestKeyOrderRefused(t *testing.T) {
	two := query.M{"a": 1, "b": -1}
	for name, pipeline := range map[string]any{
		"sort":    []any{query.M{"$sort": two}},
		"typed":   []any{query.M{"$sort": map[string]int{"a": 1, "b": -1}}},
		"maps":    []query.M{{"$sort": two}},
		"array":   []any{query.M{"$project": query.M{"a": query.M{"$sortArray": query.M{"input": "$l", "sortBy": two}}}}},
		"top":     []any{query.M{"$group": query.M{"_id": nil, "a": query.M{"$top": query.M{"output": "$a", "sortBy": two}}}}},
		"windows": []any{query.M{"$setWindowFields": query.M{"sortBy": two, "output": query.M{}}}},
		"fill":    []any{query.M{"$fill": query.M{"sortBy": two, "output": query.M{"a": query.M{"method": "locf"}}}}},
	} {
		_, err := aggregate.Compile(pipeline)
		if err == nil || !strings.Contains(err.Error(), "query.D") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, pipeline := range []any{
		[]any{query.M{"$sort": query.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}}},
		[]any{query.M{"$sort": query.M{"a": 1}}},
		[]query.D{{{Key: "$sort", Value: query.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}}}},
		json.RawMessage(`[{"$sort":{"a":1,"b":-1}}]`),
		[]byte(`[{"$sort":{"a":1,"b":-1}}]`),
		`[{"$sort":{"a":1,"b":-1}}]`,
		nil,
	} {
		if _, err := aggregate.Compile(pipeline); err != nil {
			t.Errorf("%v: %v", pipeline, err)
		}
	}
}

func TestRunGivesPlainData(t *testing.T) {
	p, err := aggregate.Compile(`[{"$set":{"when":{"$date":"2024-01-02"},"late":{"$gt":["$at",{"$date":"2020-01-01"}]}}}]`)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]any{"l": []any{1, int64(2)}, "at": time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC), "big": json.Number("12345678901234567890")}
	out, err := p.Run(context.Background(), []any{in, query.D{{Key: "x", Value: nil}}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(out)
	want := `[{"at":{"$date":"2024-05-06T00:00:00.000Z"},"big":12345678901234567890,"l":[1,2],"late":true,"when":{"$date":"2024-01-02T00:00:00.000Z"}},` +
		`{"late":false,"when":{"$date":"2024-01-02T00:00:00.000Z"},"x":null}]`
	if string(got) != want {
		t.Errorf("%s", got)
	}
	out[0].(map[string]any)["l"].([]any)[0] = "changed"
	if in["l"].([]any)[0] != 1 {
		t.Error("the output shares memory with the input")
	}
	if _, err := p.Run(context.Background(), []any{make(chan int)}); err == nil {
		t.Error("a channel is no document")
	}
}

// stored encodes documents as they lie in a data source.
func stored(t testing.TB, texts ...string) iter.Seq2[document.Value, error] {
	enc := document.NewEncoder(nil, document.Limits{})
	var raw [][]byte
	for _, s := range texts {
		b, err := enc.AppendJSON(nil, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b)
	}
	return func(yield func(document.Value, error) bool) {
		for _, b := range raw {
			if !yield(document.Stored(b, enc.Names()), nil) {
				return
			}
		}
	}
}

func TestStreamStored(t *testing.T) {
	docs := stored(t, `{"k":"a","n":1.10,"d":{"$date":"2024-01-01"}}`, `{"k":"b","n":2}`, `{"k":"a","n":3,"l":[{"x":1},{"x":2}]}`)
	for _, c := range []struct{ pipeline, want string }{
		{`[]`, `{"k":"a","n":1.10,"d":{"$date":"2024-01-01T00:00:00.000Z"}} {"k":"b","n":2} {"k":"a","n":3,"l":[{"x":1},{"x":2}]}`},
		{`[{"$match":{"k":"a"}},{"$group":{"_id":"$k","n":{"$sum":"$n"}}}]`, `{"_id":"a","n":4.1}`},
		{`[{"$match":{"d":{"$gt":{"$date":"2023-01-01"}}}},{"$project":{"y":{"$year":"$d"}}}]`, `{"y":2024}`},
		{`[{"$unwind":"$l"},{"$project":{"x":"$l.x"}}]`, `{"x":1} {"x":2}`},
		{`[{"$sort":{"n":-1}},{"$limit":1},{"$project":{"n":1}}]`, `{"n":3}`},
	} {
		p, err := aggregate.Compile(c.pipeline)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for v, err := range p.Stream(context.Background(), docs) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(v.AppendJSON(nil)))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s", c.pipeline, s)
		}
	}
}

func TestStreamStops(t *testing.T) {
	read := 0
	docs := func(yield func(document.Value, error) bool) {
		for {
			read++
			if !yield(document.Of(query.M{"n": read}), nil) {
				return
			}
		}
	}
	p, err := aggregate.Compile(`[{"$match":{"n":{"$mod":[2,0]}}},{"$limit":3}]`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range p.Stream(context.Background(), docs) {
		n++
	}
	if n != 3 || read != 6 {
		t.Errorf("%d documents of %d read", n, read)
	}
	fault := errors.New("broken")
	for _, pipeline := range []string{`[]`, `[{"$group":{"_id":1}}]`, `[{"$sort":{"a":1}}]`, `[{"$sort":{"a":1}},{"$limit":2}]`, `[{"$count":"n"}]`, `[{"$facet":{"a":[]}}]`, `[{"$skip":1}]`} {
		p, err := aggregate.Compile(pipeline)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range p.Stream(context.Background(), func(yield func(document.Value, error) bool) { yield(document.Value{}, fault) }) {
			last = err
		}
		if !errors.Is(last, fault) {
			t.Errorf("%s: %v", pipeline, last)
		}
	}
}

func TestSource(t *testing.T) {
	asked := 0
	source := func(_ context.Context, from any) iter.Seq2[aggregate.Value, error] {
		return func(yield func(aggregate.Value, error) bool) {
			asked++
			if from != "stock" && from != 7.0 {
				yield(aggregate.Value{}, errs.New(errs.NotFound, "data source %v does not exist", from))
				return
			}
			for v := range stored(t, `{"sku":"a","q":1}`, `{"sku":"b","q":2}`) {
				if !yield(aggregate.Stored(v), nil) {
					return
				}
			}
		}
	}
	got, err := run(`[{"$lookup":{"from":"stock","localField":"k","foreignField":"sku","as":"s"}},{"$unionWith":7}]`, `[{"k":"b"},{"k":"c"}]`, aggregate.WithSource(source))
	if want := `[{"k":"b","s":[{"sku":"b","q":2}]},{"k":"c","s":[]},{"sku":"a","q":1},{"sku":"b","q":2}]`; err != nil || got != want || asked != 2 {
		t.Error(got, err, asked)
	}
	_, err = run(`[{"$unionWith":"nope"}]`, `[]`, aggregate.WithSource(source))
	if code, _ := codeOf(t, err); code != errs.NotFound {
		t.Error(err)
	}
	if _, err := aggregate.Compile(`[{"$out":"x"}]`, aggregate.WithSource(source)); err == nil {
		t.Error("$out over a source compiles")
	}
}

func TestWrites(t *testing.T) {
	for pipeline, want := range map[string]bool{`[{"$limit":1}]`: false, `[{"$out":"x"}]`: true, `[{"$merge":"x"}]`: true} {
		p, err := aggregate.Compile(pipeline)
		if err != nil || p.Writes() != want {
			t.Error(pipeline, err)
		}
	}
}

func newObjectOfMany(n int) map[string]any {
	m := map[string]any{}
	for i := range n {
		m[fmt.Sprint("k", i)] = fmt.Sprint("k", i)
	}
	return m
}

func literalOfMany(n int) string {
	text, _ := json.Marshal(newObjectOfMany(n))
	return string(text)
}

func TestConcurrentRuns(t *testing.T) {
	p, err := aggregate.Compile(`[{"$match":{"n":{"$in":[1,2,3]}}},
		{"$set":{"a":{"$map":{"input":"$l","as":"x","in":{"$let":{"vars":{"y":"$$x"},"in":{"$add":["$$y","$n"]}}}}}}},
		{"$lookup":{"from":"c","let":{"n":"$n"},"pipeline":[{"$match":{"$expr":{"$eq":["$n","$$n"]}}}],"as":"j"}},
		{"$set":{"lit":{"$mergeObjects":["$o",{"$literal":`+literalOfMany(30)+`}]}}},
		{"$set":{"h":{"$hour":{"date":{"$date":"2024-01-01"},"timezone":"Europe/Oslo"}},"same":{"$eq":["$lit","$o"]},"k7":"$lit.k7","t":{"$trim":{"input":"$lit.k8","chars":"k"}}}},
		{"$group":{"_id":"$n","a":{"$push":"$a"},"j":{"$first":"$j"},"k":{"$addToSet":["$k7","$t","$same"]},"h":{"$max":"$h"}}},{"$sort":{"_id":1}}]`,
		aggregate.WithCollections(map[string][]any{"c": {map[string]any{"n": 1.0}, map[string]any{"n": 2.0}}}))
	if err != nil {
		t.Fatal(err)
	}
	keys := newObjectOfMany(30) // an object that is large enough to be indexed
	docs := make([]any, 100)
	for i := range docs {
		docs[i] = map[string]any{"o": keys, "n": float64(i % 5), "l": []any{1.0, 2.0}}
	}
	want, err := p.Run(context.Background(), docs)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				got, err := p.Run(context.Background(), docs)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSample(t *testing.T) {
	got, err := run(`[{"$sample":{"size":5}},{"$count":"n"}]`, `[{},{},{},{},{},{},{},{}]`)
	if err != nil || got != `[{"n":5}]` {
		t.Error(got, err)
	}
}

func TestNow(t *testing.T) {
	got, err := run(`[{"$project":{"_id":0,"same":{"$eq":["$$NOW","$$NOW"]},"late":{"$gt":["$$NOW",{"$date":"2020-01-01"}]}}}]`, `[{}]`)
	if err != nil || got != `[{"same":true,"late":true}]` {
		t.Error(got, err)
	}
}

// TestSortLimit compares the sort that keeps only the best with the whole one.
func TestSortLimit(t *testing.T) {
	var docs []string
	for i := range 500 {
		docs = append(docs, fmt.Sprintf(`{"_id":%d,"a":%d,"b":"%c"}`, i, i*7919%97, 'a'+i%5))
	}
	in := "[" + strings.Join(docs, ",") + "]"
	for _, n := range []int{1, 2, 10, 499, 600} {
		best, err1 := run(fmt.Sprintf(`[{"$sort":{"b":-1,"a":1}},{"$skip":3},{"$limit":%d}]`, n), in)
		all, err2 := run(fmt.Sprintf(`[{"$sort":{"b":-1,"a":1}},{"$match":{}},{"$skip":3},{"$limit":%d}]`, n), in)
		if err1 != nil || err2 != nil || best != all {
			t.Error(n, err1, err2)
		}
	}
}
