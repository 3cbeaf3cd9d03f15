package aggregate_test

import (
	"context"
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/errs"
)

// entry is a Lazy that counts how often each field is made.
type entry struct {
	keys []string
	vals map[string]aggregate.Value
	made map[string]int
}

func newEntry(data string) *entry {
	return &entry{
		keys: []string{"id", "data", "createdAt"},
		vals: map[string]aggregate.Value{
			"id":        aggregate.NumberOf(7),
			"data":      aggregate.ValueOf(json.RawMessage(data)),
			"createdAt": aggregate.StringOf("2024-01-01T00:00:00.000Z"),
		},
		made: map[string]int{},
	}
}

func (l *entry) Len() int         { return len(l.keys) }
func (l *entry) Key(i int) string { return l.keys[i] }
func (l *entry) Field(key string) aggregate.Value {
	l.made[key]++
	return l.vals[key]
}

// lazily runs a pipeline over lazy objects of a weight.
func lazily(t testing.TB, p *aggregate.Pipeline, weight int, docs ...aggregate.Lazy) ([]aggregate.Value, error) {
	t.Helper()
	var in iter.Seq2[aggregate.Value, error] = func(yield func(aggregate.Value, error) bool) {
		for _, d := range docs {
			if !yield(aggregate.LazyObject(d, weight), nil) {
				return
			}
		}
	}
	var out []aggregate.Value
	for v, err := range p.StreamValues(context.Background(), in) {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

func compiled(t testing.TB, pipeline string, opts ...aggregate.Option) *aggregate.Pipeline {
	t.Helper()
	p, err := aggregate.Compile(pipeline, opts...)
	if err != nil {
		t.Fatalf("%s: %v", pipeline, err)
	}
	return p
}

// TestLazyObject runs pipelines over a lazy object and the same object in JSON.
func TestLazyObject(t *testing.T) {
	const data = `{"City":"Oslo","n":5,"l":[1,2],"big":123456789012345678901}`
	const doc = `[{"id":7,"data":` + data + `,"createdAt":"2024-01-01T00:00:00.000Z"}]`
	for _, pipeline := range []string{
		`[]`,
		`[{"$project":{"data.City":1}}]`,
		`[{"$project":{"createdAt":1,"id":1}}]`,
		`[{"$project":{"data":0}}]`,
		`[{"$set":{"x":"$data.n","data.n":{"$add":["$data.n",1]}}}]`,
		`[{"$unset":"createdAt"}]`,
		`[{"$replaceWith":{"$mergeObjects":["$$ROOT","$data"]}}]`,
		`[{"$project":{"a":{"$objectToArray":"$$ROOT"},"k":{"$type":"$$ROOT"},"e":{"$eq":["$$ROOT","$$CURRENT"]}}}]`,
		`[{"$group":{"_id":"$$ROOT","l":{"$push":"$$ROOT"},"s":{"$addToSet":"$$ROOT"}}}]`,
		`[{"$group":{"_id":"$data.City","l":{"$push":"$data.n"},"f":{"$first":"$data"}}}]`,
		`[{"$sort":{"data.n":1}},{"$unwind":"$data.l"}]`,
		`[{"$match":{"data.City":"Oslo","data.l":2}},{"$count":"n"}]`,
		`[{"$facet":{"a":[{"$match":{"id":7}}],"b":[{"$project":{"id":1}}]}}]`,
		`[{"$setWindowFields":{"sortBy":{"id":1},"output":{"r":{"$rank":{}}}}}]`,
		`[{"$redact":{"$cond":[{"$eq":["$City","Oslo"]},"$$KEEP","$$DESCEND"]}},{"$limit":1}]`,
	} {
		want, err := run(pipeline, doc)
		if err != nil {
			t.Fatalf("%s: %v", pipeline, err)
		}
		for _, weight := range []int{0, 1000} {
			out, err := lazily(t, compiled(t, pipeline), weight, newEntry(data))
			if err != nil {
				t.Errorf("%s: %v", pipeline, err)
				continue
			}
			got := string(aggregate.ArrayOf(out).AppendJSON(nil))
			if got != want {
				t.Errorf("%s with weight %d:\n got %s\nwant %s", pipeline, weight, got, want)
			}
		}
	}
}

// TestLazyReadsWhatIsAsked has pipelines over one column, which make no other field.
func TestLazyReadsWhatIsAsked(t *testing.T) {
	for _, pipeline := range []string{
		`[{"$match":{"data.City":"Oslo"}},{"$group":{"_id":"$data.City","n":{"$sum":1}}}]`,
		`[{"$sort":{"data.City":1}},{"$project":{"data.City":1}}]`,
	} {
		d := newEntry(`{"City":"Oslo"}`)
		if _, err := lazily(t, compiled(t, pipeline), 10, d); err != nil {
			t.Fatal(err)
		}
		if d.made["data"] == 0 || d.made["createdAt"] > 0 || d.made["id"] > 0 {
			t.Errorf("%s made %v", pipeline, d.made)
		}
	}
}

// TestLazyWeight holds what a lazy object owns against the memory limit.
func TestLazyWeight(t *testing.T) {
	docs := make([]aggregate.Lazy, 100)
	for i := range docs {
		docs[i] = newEntry(`{"City":"Oslo"}`)
	}
	lim := aggregate.WithLimits(aggregate.Limits{Memory: 1 << 20})
	for pipeline, fails := range map[string]bool{
		`[{"$sort":{"data.City":1}}]`:                                      true,
		`[{"$group":{"_id":1,"l":{"$push":"$$ROOT"}}}]`:                    true,
		`[{"$facet":{"a":[{"$count":"n"}]}}]`:                              true,
		`[{"$sort":{"data.City":1}},{"$limit":3}]`:                         false,
		`[{"$group":{"_id":"$data.City","n":{"$sum":1}}}]`:                 false,
		`[{"$project":{"c":"$data.City"}},{"$sort":{"c":1}}]`:              false,
		`[{"$match":{"data.City":"Oslo"}},{"$skip":3},{"$count":"total"}]`: false,
	} {
		_, err := lazily(t, compiled(t, pipeline, lim), 100_000, docs...)
		if (err != nil) != fails {
			t.Errorf("%s: %v", pipeline, err)
		}
		if err != nil {
			if code, _ := codeOf(t, err); code != errs.TooLarge {
				t.Errorf("%s: %v", pipeline, err)
			}
		}
	}
}

// TestValueAccess reads a Value from outside.
func TestValueAccess(t *testing.T) {
	v := aggregate.ValueOf(json.RawMessage(`{"a":{"b":[{"c":1},{"c":2}]},"s":"x","n":1.5,"t":true,"z":null}`))
	for path, want := range map[string]string{
		"a.b.c": `[1,2]`, "a.b.1.c": `2`, "s": `"x"`, "z": `null`, "nope.x": `null`, "a..b": `null`, "": `null`,
	} {
		if got := string(v.Get(path).AppendJSON(nil)); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	if v.Get("nope").Kind() != aggregate.Missing || v.Get("z").Kind() != aggregate.Null {
		t.Error("missing and null are one")
	}
	list := v.Get("a.b")
	if list.Len() != 2 || list.At(1).Field("c").Float() != 2 || list.At(2).Kind() != aggregate.Missing || v.At(0).Kind() != aggregate.Missing {
		t.Error("Len and At")
	}
	if v.Field("s").Str() != "x" || v.Field("n").Float() != 1.5 || !v.Field("t").Bool() || v.Field("s").Float() != 0 || v.Field("n").Str() != "" || v.Field("n").Bool() {
		t.Error("Str, Float and Bool")
	}
	var keys []string
	for k := range v.Fields() {
		keys = append(keys, k)
	}
	if strings.Join(keys, "") != "asntz" {
		t.Error(keys)
	}
	made := aggregate.ArrayOf([]aggregate.Value{aggregate.NullValue(), aggregate.BoolOf(true), aggregate.DigitsOf("123456789012345678901"), aggregate.DigitsOf("1.50"), aggregate.NumberOf(2)})
	if got := string(made.AppendJSON(nil)); got != `[null,true,123456789012345678901,1.5,2]` && got != `[null,true,123456789012345678901,1.50,2]` {
		t.Error(got)
	}
	if aggregate.DigitsOf("abc").Kind() != aggregate.Missing || aggregate.DigitsOf("").Kind() != aggregate.Missing || aggregate.DigitsOf(`"1"`).Kind() != aggregate.Missing {
		t.Error("a text that is no number")
	}
}

// TestSources names every collection once, in order.
func TestSources(t *testing.T) {
	p := compiled(t, `[
		{"$lookup":{"from":"b","localField":"x","foreignField":"y","as":"z","pipeline":[{"$unionWith":{"coll":7,"pipeline":[{"$lookup":{"from":"c","pipeline":[],"as":"q"}}]}}]}},
		{"$facet":{"f":[{"$unionWith":"a"}],"g":[{"$graphLookup":{"from":"b","startWith":"$x","connectFromField":"a","connectToField":"b","as":"t"}}]}},
		{"$unionWith":{"coll":7}},{"$unionWith":"7"}]`)
	if got, want := p.Sources(), []any{"b", 7.0, "c", "a", "7"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := compiled(t, `[{"$limit":1}]`).Sources(); len(got) != 0 || slices.Contains(got, nil) {
		t.Error(got)
	}
}
