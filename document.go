package siftdb

import (
	"encoding/json"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/errs"
)

// Document is one result of a pipeline: a JSON value of any shape, mostly an object.
// It is immutable and outlives the query that made it.
type Document struct{ value aggregate.Value }

// Get returns the value at a path with dots, nil when it is absent. Values are as
// Entry.Lookup's; a date is {"$date": "<ISO 8601>"}.
func (d Document) Get(path string) any { return d.value.Get(path).Go() }

// Go returns the whole document decoded, as Get does.
func (d Document) Go() any { return d.value.Go() }

// Map returns the document decoded: a new map that the caller may change; nil when it
// is no object.
func (d Document) Map() map[string]any {
	m, _ := d.value.Go().(map[string]any)
	return m
}

// Decode stores the document in the value that v points to, as json.Unmarshal does.
func (d Document) Decode(v any) error {
	if err := json.Unmarshal(d.JSON(), v); err != nil {
		return errs.Wrap(errs.InvalidInput, err, "the document does not fit the value it is decoded into")
	}
	return nil
}

// JSON returns the document as compact JSON text, keys in their order. A number that
// JSON cannot carry is null.
func (d Document) JSON() []byte { return d.value.AppendJSON(nil) }

// AppendJSON appends what JSON returns.
func (d Document) AppendJSON(dst []byte) []byte { return d.value.AppendJSON(dst) }

// MarshalJSON returns what JSON does.
func (d Document) MarshalJSON() ([]byte, error) { return d.JSON(), nil }

// entryDocument is an entry as pipelines see it, whose fields are made when a
// pipeline asks for them.
type entryDocument Entry

var entryKeys = [...]string{"id", "data", "order", "createdAt", "updatedAt", "deletedAt", "dataSourceId", "joins"}

// pipelineInput returns an entry as a document of a pipeline.
func pipelineInput(e *Entry) aggregate.Value {
	return aggregate.LazyObject((*entryDocument)(e), len(e.doc.Raw())+entrySize+joinsDocument(e.Joins).size())
}

// size is what joined entries take in memory; of lists that several entries share it
// is counted for each.
func (j joinsDocument) size() int {
	n := 0
	for i := range j {
		n += j[i].size
	}
	return n
}

// entrySize is what an entry takes in memory, roughly, beside its data.
const entrySize = 200

// Len returns the number of fields.
func (e *entryDocument) Len() int {
	if e.Joins == nil {
		return len(entryKeys) - 1
	}
	return len(entryKeys)
}

// Key returns the key of a field.
func (e *entryDocument) Key(i int) string { return entryKeys[i] }

// Field returns a field.
func (e *entryDocument) Field(key string) aggregate.Value {
	switch key {
	case "data":
		return aggregate.Stored(e.doc)
	case "id":
		return aggregate.NumberOf(float64(e.ID))
	case "order":
		if e.order != nil {
			return aggregate.Stored((*Entry)(e).orderValue())
		}
		return aggregate.NumberOf(0)
	case "createdAt":
		return aggregate.StringOf(formatTime(e.CreatedAt))
	case "updatedAt":
		return aggregate.StringOf(formatTime(e.UpdatedAt))
	case "deletedAt":
		return aggregate.NullValue()
	case "dataSourceId":
		return aggregate.NumberOf(float64(e.DataSourceID))
	case "joins":
		if e.Joins != nil {
			return aggregate.LazyObject(joinsDocument(e.Joins), joinsDocument(e.Joins).size())
		}
	}
	return aggregate.Value{}
}

// joinsDocument is what joins found, as pipelines see it.
type joinsDocument []Joined

// Len returns the number of joins.
func (j joinsDocument) Len() int { return len(j) }

// Key returns the name of a join.
func (j joinsDocument) Key(i int) string { return j[i].Name }

// Field returns what a join found.
func (j joinsDocument) Field(name string) aggregate.Value {
	for i := range j {
		if j[i].Name != name {
			continue
		}
		if j[i].Value != nil {
			return aggregate.ValueOf(j[i].Value)
		}
		list := make([]aggregate.Value, len(j[i].Entries))
		for n, e := range j[i].Entries {
			list[n] = pipelineInput(e)
		}
		return aggregate.ArrayOf(list)
	}
	return aggregate.Value{}
}
