package hooks

import (
	"errors"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// Public texts of what can be wrong with a hook.
const (
	badCondition  = "a condition cannot be read"
	badTemplate   = "a template cannot be read"
	badOperation  = "an operation is not known"
	badPayload    = "its payload has a value of the wrong type"
	dearCondition = "a condition costs too much"
	largeOutput   = "it renders to too much"
	noHasher      = "values cannot be hashed here"
	hasherFailed  = "a value could not be hashed"
	badData       = "its result is no document"
)

// compileConditions compiles the wheres of a hook (spec 10.2). They are wheres of the bare
// matcher: they see the flat data and no entry fields.
func compileConditions(path string, v document.Value) ([]*query.Matcher, *fault) {
	switch v.Kind() {
	case document.Absent, document.Null:
		return nil, nil
	case document.Array:
	default:
		return nil, &fault{badCondition, bad(path, "conditions must be an array, not %s", kindName(v))}
	}
	var all []*query.Matcher
	for i := range v.Len() {
		where, place := v.At(i), at(path, i)
		if where.Kind() != document.Object {
			return nil, &fault{badCondition, bad(place, "a condition must be an object, not %s", kindName(where))}
		}
		m, err := query.Compile(where, query.WithLimits(query.DefaultLimits))
		if err != nil {
			var e *errs.Error
			if errors.As(err, &e) {
				place += strings.TrimPrefix(e.Path, "where")
			}
			return nil, &fault{badCondition, wrap(place, err, "the condition cannot be used")}
		}
		all = append(all, m)
	}
	return all, nil
}

// holds reports whether all conditions of a hook hold on flat data. What went wrong is said in
// public words; it is empty when nothing did.
func (h *hook) holds(data document.Value) (ok bool, wrong string) {
	if h.unreadable != nil {
		return false, h.unreadable.public
	}
	for _, m := range h.conditions {
		r := query.Record{Data: data}
		matched := m.MatchRecord(&r)
		if r.Err != nil {
			return false, dearCondition
		}
		if !matched {
			return false, ""
		}
	}
	return true, ""
}

// due reports whether a data hook runs on data, or why it fails.
func (h *hook) due(data document.Value) (bool, error) {
	ok, wrong := h.holds(data)
	if ok && h.broken != nil {
		wrong = h.broken.public
	}
	if wrong != "" {
		return false, h.failure(wrong)
	}
	return ok, nil
}
