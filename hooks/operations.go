package hooks

import (
	"strings"
	"unicode"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/template"
)

// column is what an operations hook does to a column (spec 10.3): store a text, or change the
// value step by step.
type column struct {
	name   string
	text   *template.Template // nil: steps
	steps  []step
	hashes bool // one of the steps is hash
}

// step is one operation on a value.
type step struct {
	apply func(s string) string
	hash  bool // hashes instead, and takes more than texts
}

// steps are the operations by name.
var steps = map[string]step{
	"trim":  {apply: func(s string) string { return strings.TrimFunc(s, isBlank) }},
	"lower": {apply: strings.ToLower},
	"upper": {apply: strings.ToUpper},
	"hash":  {hash: true},
}

// isBlank tells white space: that of Unicode, and what JavaScript trims besides.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }

// compileColumns reads the payload of an operations hook.
func compileColumns(path string, v document.Value) ([]column, *fault) {
	var all []column
	for name, value := range v.Fields() {
		c := column{name: strings.Clone(name)}
		place := path + "." + name
		switch value.Kind() {
		case document.String:
			t, err := template.Parse(value.Str(), template.HTML)
			if err != nil {
				return nil, &fault{badTemplate, wrap(place, err, "the template cannot be used")}
			}
			c.text = t
		case document.Array:
			for i := range value.Len() {
				s, ok := steps[value.At(i).Str()]
				if !ok {
					return nil, &fault{badOperation, bad(at(place, i), "%s is no operation; trim, lower, upper and hash are", short(value.At(i)))}
				}
				c.steps = append(c.steps, s)
				c.hashes = c.hashes || s.hash
			}
		default:
			return nil, &fault{badPayload, bad(place, "the value must be a template or an array of operations, not %s", kindName(value))}
		}
		all = append(all, c)
	}
	return all, nil
}

// short is a value's text for a message.
func short(v document.Value) string {
	const most = 60
	if s := v.String(); len(s) <= most {
		return s
	}
	return kindName(v)
}

// apply runs steps on a value in their order. An array is changed member by member; what is
// absent or null is left alone.
func apply(list []step, v document.Value, hash Hasher) (out document.Value, changed bool) {
	for _, s := range list {
		var did bool
		if v, did = s.on(v, hash); did {
			changed = true
		}
	}
	return v, changed
}

func (s step) on(v document.Value, hash Hasher) (out document.Value, changed bool) {
	if v.Kind() != document.Array {
		return s.one(v, hash)
	}
	members := make([]any, 0, v.Len())
	for m := range v.Items() {
		m, did := s.one(m, hash)
		changed = changed || did
		members = append(members, m)
	}
	if !changed {
		return v, false
	}
	return document.Of(members), true
}

// one runs a step on one value. Only hash takes what is no text.
func (s step) one(v document.Value, hash Hasher) (out document.Value, changed bool) {
	if s.hash {
		text := textOf(v)
		if text == "" {
			return v, false
		}
		return document.Of(hash(text)), true
	}
	if v.Kind() != document.String {
		return v, false
	}
	text := s.apply(v.Str())
	if text == v.Str() {
		return v, false
	}
	return document.Of(text), true
}

// textOf is the text of a value that is hashed. A number has one text however it is written, so
// that 1.10 is found as 1.1; what is null or absent has none.
func textOf(v document.Value) string {
	switch v.Kind() {
	case document.Absent, document.Null:
		return ""
	case document.String:
		return v.Str()
	case document.Number:
		return document.Of(v.Go()).String()
	}
	return v.String()
}
