package hooks

import (
	"context"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// QueryInput is a query on which hooks run.
type QueryInput struct {
	// Where is the where of the request; absent or null when there is none.
	Where document.Value
	// Columns reports whether a name is a column of the data source, which then wins over an
	// entry field of that name, as in the where itself; nil means that no name is.
	Columns func(name string) bool
	// Hash is the operation hash, the same one as in writes.
	Hash Hasher
}

// maxAnds is how many $and may lie inside each other; a where has no more.
const maxAnds = 50

// Query runs the hooks on BeforeQuery, and returns the where to ask with (spec 10.4): for each
// column of a hook's payload, the plain values and those of $eq and $in of that column, at the top
// and in $and, go through its operations. Templates add nothing. The result refers to the memory
// of the where that was given, and is that where when no hook changes it.
//
// Conditions see the plain values at the top of the where. Triggers are about writes, and do not
// matter. Errors are those of Save; there is no where then.
func (c *Chain) Query(ctx context.Context, in QueryInput) (document.Value, error) {
	if !c.Changes(BeforeQuery) {
		return in.Where, nil
	}
	where := in.Where
	for _, h := range c.data {
		if h.events&BeforeQuery.bit() == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return document.Value{}, err
		}
		due, err := h.due(plainValues(where, in.Columns))
		if err != nil {
			return document.Value{}, err
		}
		if !due {
			continue
		}
		if where, err = h.rewrite(where, in); err != nil {
			return document.Value{}, err
		}
	}
	return where, nil
}

// rewrite runs a hook on a where.
func (h *hook) rewrite(where document.Value, in QueryInput) (document.Value, error) {
	r := rewriter{steps: map[string][]step{}, columns: in.Columns}
	for _, c := range h.columns {
		if c.hashes && in.Hash == nil {
			return document.Value{}, h.failure(noHasher)
		}
		r.steps[c.name] = c.steps
	}
	wrong := guarded(in.Hash, func(hash Hasher) {
		r.hash = hash
		where, _ = r.object(where, false, 0)
	})
	if wrong != "" {
		return document.Value{}, h.failure(wrong)
	}
	return where, nil
}

// rewriter sends the values in a where through the operations of their columns.
type rewriter struct {
	steps   map[string][]step
	columns func(string) bool
	hash    Hasher
}

// object rewrites the keys of a where. inData says that it stands below `data`.
func (r *rewriter) object(v document.Value, inData bool, depth int) (out document.Value, changed bool) {
	if v.Kind() != document.Object || depth > maxAnds {
		return v, false
	}
	return eachField(v, func(key string, e document.Value) (document.Value, bool) {
		switch {
		case key == "$and" && e.Kind() == document.Array:
			return eachItem(e, func(m document.Value) (document.Value, bool) { return r.object(m, inData, depth+1) })
		case key == "data" && !inData:
			return r.object(e, true, depth+1)
		}
		name, ok := columnOf(key, inData, r.columns)
		if !ok || len(r.steps[name]) == 0 {
			return e, false
		}
		return r.operand(r.steps[name], e)
	})
}

// operand rewrites what a column is compared with.
func (r *rewriter) operand(list []step, v document.Value) (out document.Value, changed bool) {
	if v.Kind() != document.Object {
		return apply(list, v, r.hash)
	}
	return eachField(v, func(key string, e document.Value) (document.Value, bool) {
		if key != "$eq" && key != "$in" || e.Kind() == document.Object {
			return e, false
		}
		if key == "$in" && e.Kind() == document.Array {
			return eachItem(e, func(m document.Value) (document.Value, bool) {
				if m.Kind() == document.Object { // an operand of its own
					return m, false
				}
				return apply(list, m, r.hash)
			})
		}
		return apply(list, e, r.hash)
	})
}

// entryFields are the names at the top of a where that are not columns.
var entryFields = map[string]bool{
	"id": true, "dataSourceId": true, "order": true, "createdAt": true, "updatedAt": true, "deletedAt": true,
}

// columnOf gives the column that a key of a where names.
func columnOf(key string, inData bool, columns func(string) bool) (name string, ok bool) {
	if strings.HasPrefix(key, "$") {
		return "", false // an operator
	}
	if inData {
		return key, true
	}
	if rest, ok := strings.CutPrefix(key, "data."); ok {
		return rest, true
	}
	return key, !entryFields[key] || columns != nil && columns(key)
}

// plainValues gives the columns at the top of a where that are compared with a plain value, as
// flat data.
func plainValues(where document.Value, columns func(string) bool) document.Value {
	flat := query.D{}
	collect := func(v document.Value, inData bool) {
		for key, e := range v.Fields() {
			if name, ok := columnOf(key, inData, columns); ok && e.Kind() != document.Object {
				flat = append(flat, query.E{Key: name, Value: e})
			}
		}
	}
	collect(where, false)
	collect(where.Field("data"), true)
	return document.Of(flat)
}

// eachField rewrites the values of an object.
func eachField(v document.Value, fn func(key string, e document.Value) (document.Value, bool)) (out document.Value, changed bool) {
	fields := make(query.D, 0, v.Len())
	for key, e := range v.Fields() {
		e, did := fn(key, e)
		changed = changed || did
		fields = append(fields, query.E{Key: key, Value: e})
	}
	if !changed {
		return v, false
	}
	return document.Of(fields), true
}

// eachItem rewrites the members of an array.
func eachItem(v document.Value, fn func(document.Value) (document.Value, bool)) (out document.Value, changed bool) {
	items := make([]any, 0, v.Len())
	for e := range v.Items() {
		e, did := fn(e)
		changed = changed || did
		items = append(items, e)
	}
	if !changed {
		return v, false
	}
	return document.Of(items), true
}
