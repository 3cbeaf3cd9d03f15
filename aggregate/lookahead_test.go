package aggregate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// shelf is another collection for a $lookup, which can be searched.
type shelf struct {
	t     testing.TB
	datas []document.Value
	texts []string
	whole int // times it was read whole
	found int // documents that searches gave
	wrong error
}

func newShelf(t testing.TB, datas []string) *shelf {
	s := &shelf{t: t}
	enc := document.NewEncoder(nil, document.Limits{})
	for _, data := range datas {
		raw, err := enc.AppendJSON(nil, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		s.datas = append(s.datas, document.Stored(raw, enc.Names()))
		s.texts = append(s.texts, fmt.Sprintf(`{"id":%d,"data":%s}`, len(s.texts), data))
	}
	return s
}

func (s *shelf) source(context.Context, any) iter.Seq2[aggregate.Value, error] {
	s.whole++
	return s.these(func(int) bool { return true })
}

func (s *shelf) these(which func(i int) bool) iter.Seq2[aggregate.Value, error] {
	return func(yield func(aggregate.Value, error) bool) {
		for i, text := range s.texts {
			if which(i) && !yield(aggregate.ValueOf(json.RawMessage(text)), nil) {
				return
			}
		}
		if s.wrong != nil {
			yield(aggregate.Value{}, s.wrong)
		}
	}
}

func (s *shelf) search(_ context.Context, _ any, where query.D) (iter.Seq2[aggregate.Value, error], int64) {
	m, err := query.Compile(where, query.ForDataSource())
	if err != nil {
		s.t.Fatalf("%v does not compile: %v", where, err)
	}
	return s.these(func(i int) bool {
		ok := m.MatchRecord(&query.Record{Data: s.datas[i], ID: int64(i), Order: document.Of(0)})
		if ok {
			s.found++
		}
		return ok
	}), int64(len(s.texts))
}

// both runs a pipeline over a shelf that is read whole, and over one that is searched, and holds
// what comes of them against each other.
func (s *shelf) both(pipeline string, docs []any, opts ...aggregate.Option) (string, error) {
	s.t.Helper()
	run := func(opts ...aggregate.Option) (string, error) {
		p, err := aggregate.Compile(pipeline, opts...)
		if err != nil {
			s.t.Fatalf("%s: %v", pipeline, err)
		}
		var b strings.Builder
		for v, err := range p.StreamValues(context.Background(), func(yield func(aggregate.Value, error) bool) {
			for _, d := range docs {
				if !yield(aggregate.ValueOf(d), nil) {
					return
				}
			}
		}) {
			if err != nil {
				return b.String(), err
			}
			b.Write(append(v.AppendJSON(nil), '\n'))
		}
		return b.String(), nil
	}
	opts = append(opts, aggregate.WithSource(s.source))
	want, failed := run(opts...)
	s.whole, s.found = 0, 0
	got, err := run(append(opts, aggregate.WithSearch(s.search))...)
	if got != want || fmt.Sprint(err) != fmt.Sprint(failed) {
		s.t.Fatalf("%s over %.2000s:\ngot  %.2000s %v\nwant %.2000s %v", pipeline, s.texts, got, err, want, failed)
	}
	return got, err
}

// TestLookupSearches: a $lookup gives the same whether it searches the other collection or reads
// it whole.
func TestLookupSearches(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 8))
	plain := slices.DeleteFunc(slices.Clone(looseValues), func(v string) bool { return strings.ContainsAny(v[:1], "[{") })
	searched, met := 0, 0
	for range 1500 {
		var datas []string
		for range r.IntN(40) {
			datas = append(datas, randomDocument(r))
		}
		s := newShelf(t, datas)
		values := plain
		if r.IntN(4) == 0 {
			values = looseValues
		}
		var docs []any
		for i := range r.IntN(8) {
			doc := fmt.Sprintf(`{"n":%d,"k":%s}`, i, pickOne(r, values))
			if r.IntN(6) == 0 {
				doc = fmt.Sprintf(`{"n":%d}`, i)
			}
			docs = append(docs, json.RawMessage(doc))
		}
		foreign := "data." + pickOne(r, columns)
		if r.IntN(10) == 0 {
			foreign = pickOne(r, []string{"id", "data", "data.a.b"})
		}
		tail := pickOne(r, []string{``, ``, `,{"$limit":2}`, `,{"$unwind":"$as"}`, `,{"$lookup":{"from":"x","localField":"n","foreignField":"data.a","as":"too"}}`, `,{"$unionWith":"x"}`})
		got, _ := s.both(fmt.Sprintf(`[{"$lookup":{"from":"x","localField":"k","foreignField":%q,"as":"as"}}%s]`, foreign, tail), docs)
		if s.whole == 0 && len(docs) > 0 {
			searched++
			if strings.Contains(got, `"data"`) {
				met++
			}
		}
	}
	if searched < 300 || met < 100 {
		t.Errorf("%d $lookups searched, and %d of them found something: the test tests little", searched, met)
	}
}

// TestLookupLooksAhead: many documents, or large ones, have the collection read whole, once;
// and what comes before an error is given before it.
func TestLookupLooksAhead(t *testing.T) {
	var datas []string
	for i := range 50 {
		datas = append(datas, fmt.Sprintf(`{"a":%d}`, i%20))
	}
	const lookup = `{"$lookup":{"from":"x","localField":"k","foreignField":"data.a","as":"as"}}`
	docs := func(n int, more string) (list []any) {
		for i := range n {
			list = append(list, json.RawMessage(fmt.Sprintf(`{"n":%d,"k":%d%s}`, i, i%3, more)))
		}
		return list
	}
	for _, c := range []struct {
		name, pipeline string
		docs           []any
		whole, found   int
	}{
		{"few", `[` + lookup + `]`, docs(1000, ""), 0, 9},
		{"many", `[` + lookup + `]`, docs(1001, ""), 1, 0},
		{"none", `[` + lookup + `]`, nil, 0, 0},
		{"large", `[` + lookup + `]`, docs(20, `,"text":"`+strings.Repeat("x", 100_000)+`"`), 1, 0},
		{"a list", `[` + lookup + `]`, []any{json.RawMessage(`{"k":1}`), json.RawMessage(`{"k":[1,2]}`)}, 1, 0},
		{"twice", `[` + lookup + `,` + lookup + `]`, docs(2, ""), 0, 12},
		{"read before", `[{"$lookup":{"from":"x","as":"all","pipeline":[]}},` + lookup + `]`, docs(2, ""), 1, 0},
		{"inside", `[{"$facet":{"f":[` + lookup + `]}}]`, docs(2, ""), 1, 0},
		{"an error later", `[{"$set":{"n":{"$divide":[1,{"$subtract":["$n",5]}]}}},` + lookup + `]`, docs(9, ""), 0, 9},
	} {
		s := newShelf(t, datas)
		out, err := s.both(c.pipeline, c.docs)
		if s.whole != c.whole || s.found != c.found {
			t.Errorf("%s: read whole %d times, and %d found; want %d and %d", c.name, s.whole, s.found, c.whole, c.found)
		}
		if c.name == "an error later" && (err == nil || strings.Count(out, "\n") != 5) {
			t.Errorf("%s: %v after %s", c.name, err, out)
		}
	}
	s := newShelf(t, datas)
	s.wrong = errs.New(errs.Corrupt, "page 7")
	if _, err := s.both(`[`+lookup+`]`, docs(3, "")); !errors.Is(err, s.wrong) {
		t.Error(err)
	}
}

// TestLookupMemory: what a search found is held only as long as it is needed, and the work that
// is allowed is the same as with the whole collection.
func TestLookupMemory(t *testing.T) {
	var datas []string
	for i := range 500 {
		datas = append(datas, fmt.Sprintf(`{"a":%d,"text":"%s"}`, i, strings.Repeat("x", 1000)))
	}
	s := newShelf(t, datas)
	const lookup = `{"$lookup":{"from":"x","localField":"k","foreignField":"data.a","as":"as"}},{"$set":{"as":0}}`
	pipeline := `[` + strings.Repeat(lookup+`,{"$set":{"k":{"$add":["$k",1]}}},`, 10) + lookup + `]`
	limits := aggregate.DefaultLimits
	limits.Memory = 60_000
	for _, search := range []bool{true, false} {
		opts := []aggregate.Option{aggregate.WithLimits(limits), aggregate.WithSource(s.source)}
		if search {
			opts = append(opts, aggregate.WithSearch(s.search))
		}
		p, err := aggregate.Compile(pipeline, opts...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(context.Background(), []any{json.RawMessage(`{"k":1}`), json.RawMessage(`{"k":7}`)})
		if search && err != nil {
			t.Error(err)
		} else if !search {
			if code, _ := codeOf(t, err); code != errs.TooLarge {
				t.Error(err)
			}
		}
	}
	limits = aggregate.DefaultLimits
	limits.Work = 10
	if _, err := s.both(`[`+lookup+`]`, []any{json.RawMessage(`{"k":1}`)}, aggregate.WithLimits(limits)); err != nil {
		t.Error(err)
	}
}
