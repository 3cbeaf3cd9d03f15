package aggregate_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/errs"
)

var fuzzLimits = aggregate.Limits{Depth: 30, Nodes: 500, Stages: 10, Memory: 4 << 20, Work: 20_000, RegexpBytes: 200, RegexpCost: 100_000}

// FuzzCompile feeds any text as a pipeline: it compiles, or the error has a code and a path.
func FuzzCompile(f *testing.F) {
	for i, v := range readVectors(f) {
		if i%9 == 0 {
			f.Add(string(v.Pipeline))
		}
	}
	f.Fuzz(func(t *testing.T, pipeline string) {
		_, err := aggregate.Compile(pipeline, aggregate.WithLimits(fuzzLimits))
		var e *errs.Error
		if err != nil && (!errors.As(err, &e) || e.Code != errs.InvalidQuery || e.Path == "") {
			t.Fatalf("%T %v", err, err)
		}
	})
}

// FuzzRun feeds any pipeline and document, decoded and stored: no panic, no hang, output within
// the limits, and errors with a code.
func FuzzRun(f *testing.F) {
	for i, v := range readVectors(f) {
		if i%9 == 4 && len(v.raw) > 0 {
			f.Add(string(v.Pipeline), string(v.raw[0]))
		}
	}
	f.Fuzz(func(t *testing.T, pipeline, doc string) {
		var decoded any
		if len(doc) > 4096 || json.Unmarshal([]byte(doc), &decoded) != nil {
			return
		}
		check := func(doc any) {
			c := map[string][]any{"coll1": {doc}, "stock": {doc, map[string]any{"sku": "a"}}}
			p, err := aggregate.Compile(pipeline, aggregate.WithLimits(fuzzLimits), aggregate.WithCollections(c))
			if err != nil {
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			out, err := p.Run(ctx, []any{doc, doc})
			var e *errs.Error
			if err != nil {
				if !errors.As(err, &e) || e.Code == errs.Internal {
					t.Fatalf("%T %v", err, err)
				}
				return
			}
			for _, v := range out {
				text, err := json.Marshal(v)
				if err == nil && len(text) > 64<<20 {
					t.Fatal("the output is larger than the memory")
				}
			}
		}
		check(decoded)
		check(json.RawMessage(doc))
	})
}
