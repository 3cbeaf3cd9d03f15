package aggregate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"testing"

	"github.com/siftdb/siftdb/aggregate"
)

// vector is a case recorded from the reference.
type vector struct {
	ID               string           `json:"id"`
	Pipeline         json.RawMessage  `json:"pipeline"`
	Input            []any            `json:"input"`
	Output           []any            `json:"output"`
	Ordered          bool             `json:"ordered"`
	Error            bool             `json:"error"`
	Collections      map[string][]any `json:"collections"`
	CollectionsAfter map[string][]any `json:"collectionsAfter"`
	Tags             []string         `json:"tags"`

	raw []json.RawMessage // the input with its keys in order
}

func readVectors(t testing.TB) []vector {
	f, err := os.Open("testdata/aggregate.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []vector
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var v vector
		var ordered struct {
			Input []json.RawMessage `json:"input"`
		}
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(s.Bytes(), &ordered); err != nil {
			t.Fatal(err)
		}
		v.raw = ordered.Input
		list = append(list, v)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// same compares decoded JSON: numbers within 1e-9.
func same(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y)))
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// sameSet compares lists whatever their order.
func sameSet(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	left := slices.Clone(b)
	for _, x := range a {
		i := slices.IndexFunc(left, func(y any) bool { return same(x, y) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// check runs a vector and says what is wrong with the answer.
func (v *vector) check(docs []any) string {
	collections := v.Collections
	if collections == nil {
		collections = map[string][]any{}
	}
	p, err := aggregate.Compile(v.Pipeline, aggregate.WithCollections(collections))
	var out []any
	if err == nil {
		out, err = p.Run(context.Background(), docs)
	}
	switch {
	case v.Error && err == nil:
		return "no error"
	case v.Error:
		return ""
	case err != nil:
		return err.Error()
	case v.Ordered && !same(out, v.Output), !v.Ordered && !sameSet(out, v.Output):
		got, _ := json.Marshal(out)
		want, _ := json.Marshal(v.Output)
		return fmt.Sprintf("got  %s\n     want %s", got, want)
	}
	for name, want := range v.CollectionsAfter {
		if !sameSet(collections[name], want) {
			got, _ := json.Marshal(collections[name])
			text, _ := json.Marshal(want)
			return fmt.Sprintf("collection %s\n     got  %s\n     want %s", name, got, text)
		}
	}
	return ""
}

// TestVectors demands every vector that is not tagged mingo-quirk, on documents with and
// without an order of keys. MongoDB's rules for the tagged ones are in mongodb_test.go.
func TestVectors(t *testing.T) {
	type tally struct{ held, all int }
	tags := map[string]*tally{}
	for _, v := range readVectors(t) {
		docs := make([]any, len(v.raw))
		for i, d := range v.raw {
			docs[i] = d
		}
		wrong := v.check(docs)
		if wrong == "" && !slices.Contains(v.Tags, "key-order") && v.CollectionsAfter == nil {
			if w := v.check(v.Input); w != "" {
				wrong = "decoded: " + w
			}
		}
		for _, tag := range append(v.Tags, "all") {
			if tags[tag] == nil {
				tags[tag] = &tally{}
			}
			tags[tag].all++
			if wrong == "" {
				tags[tag].held++
			}
		}
		quirk := slices.Contains(v.Tags, "mingo-quirk")
		if wrong != "" && (!quirk || os.Getenv("QUIRKS") != "") {
			input, _ := json.Marshal(v.Input)
			t.Errorf("%s %v\n     %s\n     on   %.300s\n     %s", v.ID, v.Tags, v.Pipeline, input, wrong)
		}
	}
	var names []string
	for n := range tags {
		names = append(names, n)
	}
	sort.Strings(names)
	if all := tags["all"]; all == nil || all.all != 2518 {
		t.Error("there should be 2518 vectors")
	}
	for _, n := range names {
		t.Logf("%-16s %d of %d", n, tags[n].held, tags[n].all)
	}
}
