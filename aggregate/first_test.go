package aggregate_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb/aggregate"
)

// TestFirst runs pipelines with a $sort whole, with a stage behind the $sort that keeps all of its
// documents, and for the first few results: they give the same.
func TestFirst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	docs := []any{}
	for i := range 60 {
		docs = append(docs, map[string]any{"i": i, "a": rnd.IntN(7), "b": []any{rnd.IntN(3), rnd.IntN(9)}})
	}
	stages := []string{`{"$skip":3}`, `{"$limit":9}`, `{"$project":{"i":1}}`, `{"$set":{"x":"$a"}}`, `{"$unset":"b"}`, `{"$replaceWith":{"i":"$i"}}`,
		`{"$match":{"i":{"$gt":20}}}`, `{"$unwind":"$b"}`, `{"$group":{"_id":"$i"}}`, `{"$skip":2147483648}`, `{"$limit":2147483648}`}
	short := 0
	for range 400 {
		list := []string{}
		for range rnd.IntN(4) {
			list = append(list, stages[rnd.IntN(len(stages))])
		}
		run := func(behind string, first int) []any {
			text := `[{"$sort":{"a":1,"i":-1}}` + strings.Join(append([]string{behind}, list...), ",") + `]`
			p, err := aggregate.Compile(text)
			if err != nil {
				t.Fatal(text, err)
			}
			if first > 0 {
				p = p.First(first)
			}
			out, err := p.Run(t.Context(), docs)
			if err != nil {
				t.Fatal(text, err)
			}
			return out
		}
		want := run(`,{"$match":{}}`, 0)
		if diff := cmp.Diff(want, run("", 0)); diff != "" {
			t.Fatalf("%v (-whole +fused):\n%s", list, diff)
		}
		n := 1 + rnd.IntN(20)
		got := run("", n)
		if len(got) < len(want) {
			short++
		}
		if diff := cmp.Diff(want[:min(n, len(want))], got[:min(n, len(got))]); diff != "" {
			t.Fatalf("%v, the first %d (-whole +first):\n%s", list, n, diff)
		}
	}
	if short < 20 {
		t.Errorf("only %d pipelines left something out", short)
	}
}
