package siftdb_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// aggTVector is a recorded pipeline, as package aggregate's own tests read it.
type aggTVector struct {
	ID          string                       `json:"id"`
	Pipeline    json.RawMessage              `json:"pipeline"`
	Input       []json.RawMessage            `json:"input"`
	Output      []any                        `json:"output"`
	Ordered     bool                         `json:"ordered"`
	Error       bool                         `json:"error"`
	Collections map[string][]json.RawMessage `json:"collections"`
	After       map[string]any               `json:"collectionsAfter"`
	Tags        []string                     `json:"tags"`
}

// aggTSame compares decoded JSON: numbers within 1e-9.
func aggTSame(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y)))
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, aggTSame)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !aggTSame(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// aggTSameSet compares lists whatever their order.
func aggTSameSet(a, b []any) bool {
	left := slices.Clone(b)
	for _, x := range a {
		i := slices.IndexFunc(left, func(y any) bool { return aggTSame(x, y) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return len(left) == 0
}

const aggTData = `{"$replaceRoot":{"newRoot":"$data"}}`

// aggTStage is a stage, or the options of one, with its keys in order.
type aggTStage []aggTField

type aggTField struct {
	key   string
	value json.RawMessage
}

func (s *aggTStage) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return fmt.Errorf("%.50s is no object", text)
	}
	*s = nil
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*s = append(*s, aggTField{key.(string), value})
	}
	return nil
}

func (s aggTStage) String() string {
	parts := make([]string, len(s))
	for i, f := range s {
		key, _ := json.Marshal(f.key)
		parts[i] = string(key) + ":" + string(f.value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (s aggTStage) get(key string) json.RawMessage {
	for _, f := range s {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

func (s *aggTStage) set(key, value string) {
	for i := range *s {
		if (*s)[i].key == key {
			(*s)[i].value = json.RawMessage(value)
			return
		}
	}
	*s = append(*s, aggTField{key, json.RawMessage(value)})
}

// aggTOverEntries rewrites a list of stages over documents, to the same over entries whose
// data they are. It gives "" for what cannot be: stages that write, or bring documents.
func aggTOverEntries(list json.RawMessage) string {
	var stages []json.RawMessage
	if json.Unmarshal(list, &stages) != nil {
		return string(list)
	}
	out := []string{}
	for _, text := range stages {
		var stage aggTStage
		if json.Unmarshal(text, &stage) != nil || len(stage) != 1 {
			out = append(out, string(text))
			continue
		}
		rewritten := aggTStageOverEntries(stage[0].key, stage[0].value)
		if rewritten == "" {
			return ""
		}
		out = append(out, rewritten)
	}
	return "[" + strings.Join(out, ",") + "]"
}

func aggTStageOverEntries(name string, arg json.RawMessage) string {
	var options aggTStage
	plain := json.Unmarshal(arg, &options) != nil
	same := aggTStage{{name, arg}}.String()
	switch name {
	case "$documents", "$out", "$merge":
		return ""
	case "$facet":
		for i, f := range options {
			inner := aggTOverEntries(f.value)
			if inner == "" {
				return ""
			}
			options[i].value = json.RawMessage(inner)
		}
	case "$unionWith":
		if plain {
			return fmt.Sprintf(`{"$unionWith":{"coll":%s,"pipeline":[%s]}}`, arg, aggTData)
		}
		return aggTSub(name, options)
	case "$lookup":
		aggTPrefix(&options, "foreignField")
		if options.get("pipeline") != nil {
			return aggTSub(name, options)
		}
		return aggTUnwrap(name, options, `{"$ifNull":["$$this.data",null]}`)
	case "$graphLookup":
		aggTPrefix(&options, "connectFromField")
		aggTPrefix(&options, "connectToField")
		if options.get("restrictSearchWithMatch") != nil {
			var match aggTStage
			if json.Unmarshal(options.get("restrictSearchWithMatch"), &match) == nil {
				for i := range match {
					match[i].key = "data." + match[i].key
				}
				options.set("restrictSearchWithMatch", match.String())
			}
		}
		var depth string
		if json.Unmarshal(options.get("depthField"), &depth) == nil {
			return aggTUnwrap(name, options, fmt.Sprintf(`{"$mergeObjects":["$$this.data",{%q:"$$this.%s"}]}`, depth, depth))
		}
		return aggTUnwrap(name, options, `"$$this.data"`)
	default:
		return same
	}
	return aggTStage{{name, json.RawMessage(options.String())}}.String()
}

// aggTSub puts the stage that unwraps data in front of a sub-pipeline.
func aggTSub(name string, options aggTStage) string {
	pipeline := options.get("pipeline")
	if pipeline == nil {
		pipeline = json.RawMessage("[]")
	}
	inner := aggTOverEntries(pipeline)
	if inner == "" {
		return ""
	}
	options.set("pipeline", aggTBehindData(inner))
	return aggTStage{{name, json.RawMessage(options.String())}}.String()
}

func aggTBehindData(pipeline string) string {
	if !strings.HasPrefix(pipeline, "[") {
		return pipeline
	}
	return strings.Replace("["+aggTData+","+pipeline[1:], ",]", "]", 1)
}

func aggTPrefix(options *aggTStage, key string) {
	var path string
	if json.Unmarshal(options.get(key), &path) == nil {
		text, _ := json.Marshal("data." + path)
		options.set(key, string(text))
	}
}

// aggTUnwrap turns the entries that a stage found into their data, in a stage behind it.
func aggTUnwrap(name string, options aggTStage, each string) string {
	var as string
	if json.Unmarshal(options.get("as"), &as) != nil {
		return aggTStage{{name, json.RawMessage(options.String())}}.String()
	}
	return fmt.Sprintf(`%s,{"$set":{%q:{"$map":{"input":"$%s","in":%s}}}}`, aggTStage{{name, json.RawMessage(options.String())}}, as, as, each)
}

// aggTInputs keeps one data source for each input of the vectors.
type aggTInputs struct {
	db   *siftdb.DB
	made map[string]*siftdb.DataSource
}

func (in *aggTInputs) of(t testing.TB, v *aggTVector) *siftdb.DataSource {
	if v.Collections == nil {
		key := asJSON(t, v.Input)
		if in.made[key] == nil {
			in.made[key] = aggTFill(t, in.db, fmt.Sprint("input ", len(in.made)), v.Input)
		}
		return in.made[key]
	}
	db := memoryDB(t, nil)
	ds := aggTFill(t, db, "input of the vector", v.Input)
	for name, rows := range v.Collections {
		aggTFill(t, db, name, rows)
	}
	return ds
}

func aggTFill(t testing.TB, db *siftdb.DB, name string, rows []json.RawMessage) *siftdb.DataSource {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = string(r)
	}
	return table(t, db, name, texts...)
}

// aggTCheck runs a vector over a data source and says what is wrong with the answer.
func (v *aggTVector) aggTCheck(t testing.TB, ds *siftdb.DataSource, pipeline string) string {
	docs, err := ds.Aggregate(ctx, pipeline, siftdb.Query{})
	switch {
	case v.Error && err == nil:
		return fmt.Sprintf("no error, but %.300s", aggTTexts(docs))
	case v.Error:
		if code := aggTCode(err); code != "invalid_query" && code != "not_found" {
			return "the error has the code " + code
		}
		return ""
	case err != nil:
		return err.Error()
	}
	out := []any{}
	for _, d := range docs {
		var decoded any
		if err := json.Unmarshal(d.JSON(), &decoded); err != nil {
			return err.Error()
		}
		if plain := aggTPlain(d.Go()); !aggTSame(decoded, plain) {
			return fmt.Sprintf("JSON gives %s, Go %v", d.JSON(), plain)
		}
		out = append(out, decoded)
	}
	if v.Ordered && !aggTSame(out, v.Output) || !v.Ordered && !aggTSameSet(out, v.Output) {
		return fmt.Sprintf("got  %.1000s\n     want %.1000s", asJSON(t, out), asJSON(t, v.Output))
	}
	return ""
}

// aggTPlain is decoded data as JSON can carry it.
func aggTPlain(v any) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
	case json.Number:
		f, _ := x.Float64()
		return f
	case []any:
		for i := range x {
			x[i] = aggTPlain(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = aggTPlain(x[k])
		}
	}
	return v
}

// TestAggregateVectors: every recorded pipeline gives the same over a data source whose
// data are its input, those alone excepted that write or bring documents of their own, and
// those on which the reference is known to be wrong.
func TestAggregateVectors(t *testing.T) {
	f, err := os.Open("aggregate/testdata/aggregate.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inputs := &aggTInputs{memoryDB(t, nil), map[string]*siftdb.DataSource{}}
	counts := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v aggTVector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		pipeline := aggTOverEntries(v.Pipeline)
		switch {
		case pipeline == "" || v.After != nil:
			counts["skipped: writes, or brings documents"]++
			continue
		case slices.Contains(v.Tags, "mingo-quirk"):
			counts["skipped: quirk"]++
			continue
		case slices.ContainsFunc(v.Input, func(row json.RawMessage) bool { return strings.HasPrefix(string(row), `{"$date":`) }):
			counts["skipped: a date in the place of a document"]++
			continue
		}
		counts["ran"]++
		if v.Collections != nil {
			counts["ran with collections"]++
		}
		pipeline = aggTBehindData(pipeline)
		if wrong := v.aggTCheck(t, inputs.of(t, &v), pipeline); wrong != "" {
			counts["failed"]++
			t.Errorf("%s %v\n     %.1000s\n     on   %.300s\n     %s", v.ID, v.Tags, pipeline, v.Input, wrong)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Log(counts)
	if counts["ran"] < 2_300 || counts["ran with collections"] < 20 {
		t.Errorf("too few vectors ran: %v", counts)
	}
}
