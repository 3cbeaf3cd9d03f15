package aggregate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// many makes documents in stored form: i, its group, and a text of 1,000 bytes from half on.
func many(n int) []any {
	docs := make([]any, n)
	for i := range docs {
		s := "s"
		if i >= n/2 {
			s = strings.Repeat("s", 1000)
		}
		docs[i] = json.RawMessage(fmt.Sprintf(`{"i":%d,"g":%d,"s":"%s%d","l":[%d]}`, i, i%10, s, i, i))
	}
	return docs
}

// TestHeld holds what stages keep against the memory limit: no more and no less than they keep.
func TestHeld(t *testing.T) {
	docs := many(4000) // 2 MB of texts
	for _, c := range []struct {
		pipeline string
		memory   int
		fits     bool
	}{
		{`[{"$group":{"_id":"$i","d":{"$first":"$$ROOT"}}},{"$count":"n"}]`, 2 << 20, false},
		{`[{"$group":{"_id":"$i","d":{"$last":"$s"}}},{"$count":"n"}]`, 2 << 20, false},
		{`[{"$group":{"_id":"$i","d":{"$max":"$s"}}},{"$count":"n"}]`, 2 << 20, false},
		{`[{"$group":{"_id":"$g","d":{"$last":"$$ROOT"}}}]`, 1 << 17, true},
		{`[{"$group":{"_id":{"$mod":["$i",2]},"d":{"$topN":{"n":1000,"sortBy":{"i":-1},"output":"$s"}}}},{"$project":{"n":{"$size":"$d"}}}]`, 2 << 20, false},
		{`[{"$group":{"_id":{"$mod":["$i",2]},"d":{"$bottomN":{"n":1000,"sortBy":{"i":1},"output":"$s"}}}},{"$project":{"n":{"$size":"$d"}}}]`, 2 << 20, false},
		{`[{"$group":{"_id":{"$mod":["$i",2]},"d":{"$maxN":{"n":1000,"input":"$s"}}}},{"$project":{"n":{"$size":"$d"}}}]`, 2 << 20, false},
		{`[{"$group":{"_id":1,"d":{"$lastN":{"n":2,"input":"$$ROOT"}}}}]`, 1 << 17, true},
		{`[{"$group":{"_id":1,"d":{"$maxN":{"n":2,"input":"$s"}}}}]`, 1 << 17, true},
		{`[{"$group":{"_id":{"$mod":["$i",2]},"d":{"$mergeObjects":{"$cond":[{"$lt":["$i",2000]},{"$arrayToObject":[[{"k":{"$toString":"$i"},"v":1}]]},{"$arrayToObject":[[{"k":{"$toString":{"$subtract":["$i",2000]}},"v":"$s"}]]}]}}}},{"$count":"n"}]`, 2 << 20, false},
		{`[{"$project":{"i":1}},{"$setWindowFields":{"sortBy":{"i":1},"output":{"m":{"$maxN":{"n":50,"input":"$i"},"window":{"documents":[-99,0]}}}}},{"$count":"n"}]`, 16 << 20, true},
		{`[{"$project":{"i":1}},{"$setWindowFields":{"sortBy":{"i":1},"output":{"m":{"$last":{"$range":[0,20]},"window":{"documents":[0,0]}}}}},{"$count":"n"}]`, 4 << 20, false},
	} {
		p := compiled(t, c.pipeline, aggregate.WithLimits(aggregate.Limits{Memory: c.memory}))
		_, err := p.Run(context.Background(), docs)
		if (err == nil) != c.fits {
			t.Errorf("%s in %d bytes: %v", c.pipeline, c.memory, err)
		}
		if err != nil {
			if code, _ := codeOf(t, err); code != errs.TooLarge {
				t.Errorf("%s: %v", c.pipeline, err)
			}
		}
	}
}

// TestMadeForOneDocument has expressions that make much of little, one part at a time.
func TestMadeForOneDocument(t *testing.T) {
	objects := make([]any, 10_000)
	for i := range objects {
		objects[i] = map[string]any{"x": 1.0}
	}
	doc := map[string]any{"l": objects, "s": strings.Repeat("x", 100_000)}
	for _, pipeline := range []string{
		`[{"$project":{"a":{"$map":{"input":{"$range":[0,2000]},"in":"$l.x"}}}}]`,
		`[{"$project":{"a":{"$map":{"input":{"$range":[0,2000]},"in":"$$ROOT.l.x"}}}}]`,
		`[{"$project":{"a":{"$map":{"input":{"$range":[0,2000]},"in":{"$let":{"vars":{"d":"$$ROOT"},"in":"$$d.l.x"}}}}}}]`,
		`[{"$project":{"a":{"$map":{"input":{"$range":[0,2000]},"in":{"$toString":"$$ROOT"}}}}}]`,
		`[{"$project":{"a":{"$map":{"input":{"$range":[0,2000]},"in":{"$convert":{"input":"$$ROOT","to":"string"}}}}}}]`,
	} {
		p := compiled(t, pipeline, aggregate.WithLimits(aggregate.Limits{Memory: 16 << 20}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := p.Run(context.Background(), []any{doc})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s does not fail", pipeline)
		} else if code, _ := codeOf(t, err); code != errs.TooLarge {
			t.Errorf("%s: %v", pipeline, err)
		}
		if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 300 {
			t.Errorf("%s makes %d MiB", pipeline, made)
		}
	}
}

// TestWorkCounted has work that no document between stages shows.
func TestWorkCounted(t *testing.T) {
	linked := make([]any, 1000)
	for i := range linked {
		linked[i] = map[string]any{"k": 1.0, "ks": []any{1.0, float64(i + 10)}}
	}
	lim := aggregate.WithLimits(aggregate.Limits{Work: 100_000})
	for pipeline, fits := range map[string]bool{
		`[{"$limit":1},{"$graphLookup":{"from":"c","startWith":1,"connectFromField":"ks","connectToField":"k","as":"g"}},{"$count":"n"}]`:                                                        false,
		`[{"$limit":1},{"$graphLookup":{"from":"c","startWith":1,"connectFromField":"k","connectToField":"k","as":"g"}},{"$count":"n"}]`:                                                         true,
		`[{"$setWindowFields":{"sortBy":{"i":1},"output":{"m":{"$percentile":{"input":"$i","p":[0.5],"method":"approximate"},"window":{"documents":["unbounded","current"]}}}}},{"$count":"n"}]`: false,
		`[{"$group":{"_id":1,"l":{"$push":"$s"}}},{"$project":{"x":{"$map":{"input":{"$range":[0,1000]},"in":{"$eq":[{"$reduce":{"input":["$l"],"initialValue":0,"in":"$$this"}},"$l"]}}}}}]`:    false,
	} {
		p := compiled(t, pipeline, lim, aggregate.WithCollections(map[string][]any{"c": linked}))
		_, err := p.Run(context.Background(), many(1000))
		if (err == nil) != fits {
			t.Errorf("%s: %v", pipeline, err)
		}
	}
}

// TestDetached overwrites each document as soon as the pipeline has taken it: what stages keep
// of one that owns its memory, they have copied.
func TestDetached(t *testing.T) {
	const docs = `[{"id":7,"data":{"City":"Oslo","n":1,"o":{"x":"one","l":["a"]}},"createdAt":"2024"},{"id":7,"data":{"City":"Rome","n":2,"o":{"x":"two","l":["b"]}},"createdAt":"2024"},{"id":7,"data":{"City":"Oslo","n":3,"o":{"x":"six","l":["c"]}},"createdAt":"2024"}]`
	var texts []json.RawMessage
	if err := json.Unmarshal([]byte(docs), &texts); err != nil {
		t.Fatal(err)
	}
	for _, pipeline := range []string{
		`[{"$group":{"_id":"$data.City","n":{"$sum":"$data.n"}}}]`,
		`[{"$group":{"_id":"$data.o","n":{"$sum":1}}}]`,
		`[{"$group":{"_id":1,"f":{"$first":"$data.o"},"l":{"$last":"$data.City"},"m":{"$max":"$data.City"},"p":{"$push":"$data.o"},"s":{"$addToSet":"$data.City"},"c":{"$concatArrays":"$data.o.l"},"u":{"$setUnion":"$data.o.l"}}}]`,
		`[{"$group":{"_id":1,"a":{"$firstN":{"input":"$data.City","n":2}},"b":{"$lastN":{"input":"$data.City","n":2}},"c":{"$maxN":{"input":"$data.City","n":2}},"d":{"$topN":{"output":"$data.o","sortBy":{"data.City":1},"n":2}},"e":{"$bottom":{"output":"$data.o.x","sortBy":{"data.o.x":1}}},"f":{"$mergeObjects":"$data.o"}}}]`,
		`[{"$project":{"x":"$data.o.x","o":["$data.o",{"c":"$data.City"}]}},{"$sort":{"x":1}}]`,
		`[{"$project":{"x":"$data.o.x"}},{"$sort":{"x":1}},{"$limit":2}]`,
		`[{"$replaceWith":"$data"},{"$sort":{"City":1}}]`,
		`[{"$replaceWith":"$data.o"},{"$facet":{"a":[{"$match":{"x":"one"}}],"b":[{"$count":"n"}]}}]`,
		`[{"$project":{"x":"$data.City"}},{"$setWindowFields":{"sortBy":{"x":1},"output":{"r":{"$rank":{}}}}}]`,
		`[{"$bucket":{"groupBy":"$data.n","boundaries":[0,5],"output":{"p":{"$push":"$data.City"}}}}]`,
		`[{"$sortByCount":"$data.City"}]`,
	} {
		want, err := run(pipeline, docs)
		if err != nil {
			t.Fatal(pipeline, err)
		}
		var out []aggregate.Value
		for v, err := range compiled(t, pipeline).StreamValues(context.Background(), overwritten(t, texts)) {
			if err != nil {
				t.Fatal(pipeline, err)
			}
			out = append(out, v)
		}
		if got := string(aggregate.ArrayOf(out).AppendJSON(nil)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", pipeline, got, want)
		}
	}
}

// overwritten gives lazy objects whose bytes are overwritten when the next is asked for.
func overwritten(t *testing.T, texts []json.RawMessage) iter.Seq2[aggregate.Value, error] {
	return func(yield func(aggregate.Value, error) bool) {
		for _, text := range texts {
			enc := document.NewEncoder(nil, document.Limits{})
			raw, err := enc.AppendJSON(nil, mustField(t, text, "data"))
			if err != nil {
				t.Fatal(err)
			}
			e := newEntry(`{}`)
			e.vals["createdAt"] = aggregate.StringOf("2024")
			e.vals["data"] = aggregate.Stored(document.Stored(raw, enc.Names()))
			more := yield(aggregate.LazyObject(e, len(raw)), nil)
			for i := range raw {
				raw[i] = 0xff
			}
			if !more {
				return
			}
		}
	}
}

func mustField(t *testing.T, text json.RawMessage, name string) []byte {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m[name]
}

// owned is a lazy view of a document that owns its bytes.
type owned struct {
	v    aggregate.Value
	keys []string
}

func (o *owned) Len() int                          { return len(o.keys) }
func (o *owned) Key(i int) string                  { return o.keys[i] }
func (o *owned) Field(name string) aggregate.Value { return o.v.Field(name) }

// TestForms runs the vectors over stored documents, and over lazy objects that own them: the
// results are the same, keys in the same order.
func TestForms(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.Error || v.CollectionsAfter != nil {
			continue
		}
		p, err := aggregate.Compile(v.Pipeline, aggregate.WithCollections(v.Collections))
		if err != nil {
			t.Fatal(v.ID, err)
		}
		stored, err1 := texts(p.StreamValues(context.Background(), asForm(v.raw, false)))
		lazy, err2 := texts(p.StreamValues(context.Background(), asForm(v.raw, true)))
		if stored != lazy || (err1 == nil) != (err2 == nil) {
			t.Errorf("%s: %s\n stored %s %v\n lazy   %s %v", v.ID, v.Pipeline, stored, err1, lazy, err2)
		}
	}
}

// texts reads each result before the next is made.
func texts(in iter.Seq2[aggregate.Value, error]) (string, error) {
	var b []byte
	for v, err := range in {
		if err != nil {
			return "", err
		}
		b = append(v.AppendJSON(b), '\n')
	}
	return string(b), nil
}

// asForm gives documents in stored form, or as lazy objects.
func asForm(raw []json.RawMessage, lazy bool) iter.Seq2[aggregate.Value, error] {
	return func(yield func(aggregate.Value, error) bool) {
		for _, text := range raw {
			enc := document.NewEncoder(nil, document.Limits{})
			b, err := enc.AppendJSON(nil, text)
			if err != nil { // a scalar
				if !yield(aggregate.ValueOf(text), nil) {
					return
				}
				continue
			}
			v := aggregate.Stored(document.Stored(b, enc.Names()))
			if !lazy || v.Kind() != aggregate.Object {
				if !yield(v, nil) {
					return
				}
				continue
			}
			o := &owned{v: v}
			for k := range v.Fields() {
				o.keys = append(o.keys, strings.Clone(k))
			}
			if !yield(aggregate.LazyObject(o, len(b)), nil) {
				return
			}
		}
	}
}
