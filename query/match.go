package query

import (
	"encoding/json"

	"github.com/siftdb/siftdb/internal/document"
)

// Matcher is a compiled where. It is immutable and safe for concurrent use.
type Matcher struct {
	root   node    // of the Sift dialect
	strict *strict // of the Strict dialect
	data   bool
	screen screen // of a bound where
}

// MatchesAll reports whether the where has no condition at all.
func (m *Matcher) MatchesAll() bool {
	if m.strict != nil {
		return m.strict.matchesAll()
	}
	a, ok := m.root.(*and)
	return ok && len(a.nodes) == 0
}

// Match tests a document: a decoded JSON value (nil, booleans, numbers, json.Number, strings,
// []any, map[string]any, D), a document.Value, or any other Go value as document.FromGo
// reads it. A value that JSON cannot carry does not match.
func (m *Matcher) Match(doc any) bool {
	v, ok := doc.(document.Value)
	switch {
	case ok:
	case plain(doc, 0):
		v = document.Of(doc)
	default:
		var err error
		if v, err = document.FromGo(doc, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1}); err != nil {
			return false
		}
	}
	return m.test(nil, v)
}

// MatchValue tests a document without boxing it. Entry fields are absent.
func (m *Matcher) MatchValue(v document.Value) bool { return m.test(nil, v) }

// MatchRecord tests an entry.
func (m *Matcher) MatchRecord(r *Record) bool { return m.test(r, r.Data) }

func (m *Matcher) test(r *Record, v document.Value) bool {
	if m.strict != nil {
		return m.strict.test(r, v) == yes
	}
	return m.root.test(r, v, here) == yes
}

// Bind resolves the keys at document level against the columns of a data source. It compiles
// nothing again and shares all conditions with the original. A Matcher that was compiled
// without ForDataSource is returned as it is.
func (m *Matcher) Bind(s Schema) *Matcher {
	if !m.data {
		return m
	}
	bound := *m
	if m.strict != nil {
		bound.strict = m.strict.bind(&s)
	} else {
		bound.root = bind(m.root, &s)
		bound.screen = newScreen(bound.root)
	}
	return &bound
}

// plain reports whether a Go value can be read without converting it.
func plain(v any, depth int) bool {
	switch v := v.(type) {
	case nil, bool, string, float64, float32, int, int64, int32, int16, int8,
		uint, uint64, uint32, uint16, uint8, uintptr, json.Number, document.Value:
		return true
	case map[string]any:
		if v == nil || depth > maxPlain {
			return false
		}
		for _, e := range v {
			if !plain(e, depth+1) {
				return false
			}
		}
		return true
	case []any:
		if v == nil || depth > maxPlain {
			return false
		}
		for _, e := range v {
			if !plain(e, depth+1) {
				return false
			}
		}
		return true
	case D:
		if v == nil || depth > maxPlain {
			return false
		}
		for _, e := range v {
			if !plain(e.Value, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// maxPlain is the depth from which a value is converted, which finds values inside themselves.
const maxPlain = 1000
