package security

import (
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// anyOf tests a value, or each element of an array until one passes.
func anyOf(v document.Value, test func(document.Value) bool) bool {
	if v.Kind() != document.Array {
		return test(v)
	}
	for e := range v.Items() {
		if anyOf(e, test) {
			return true
		}
	}
	return false
}

func isScalar(v document.Value) bool {
	k := v.Kind()
	return k == document.Null || k == document.Bool || k == document.Number || k == document.String
}

// texts returns the texts that a scalar has: a number has one with the digits it was given, and
// one with the fewest. Null, absent, arrays and objects have none.
func texts(v document.Value) []string {
	switch v.Kind() {
	case document.String:
		return []string{v.Str()}
	case document.Bool:
		return []string{v.String()}
	case document.Number:
		return []string{v.String(), document.Of(v.Float()).String()}
	}
	return nil
}

// same reports whether a text is one of a value's.
func same(v document.Value, want string) bool { return slices.Contains(texts(v), want) }

// holds reports whether a text lies in one of a value's; the empty text lies in none.
func holds(v document.Value, want string) bool {
	return want != "" && slices.ContainsFunc(texts(v), func(s string) bool { return strings.Contains(s, want) })
}

// likeHolds reports whether what a pattern of $like matches always holds a text: then one of
// the pieces between its percent signs does (spec 3.5, E4).
func likeHolds(pattern document.Value, want string) bool {
	switch pattern.Kind() {
	case document.String:
	case document.Number:
		return holds(document.Of(pattern.Float()), want) // as the where language reads it
	default:
		return isScalar(pattern) && holds(pattern, want)
	}
	if want == "" {
		return false
	}
	s := pattern.Str()
	var piece strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '%':
			piece.WriteByte('%')
			i++
		case s[i] == '%':
			if strings.Contains(piece.String(), want) {
				return true
			}
			piece.Reset()
		default:
			piece.WriteByte(s[i])
		}
	}
	return strings.Contains(piece.String(), want)
}

// lower returns a text in lower case, and any other value as it is.
func lower(v document.Value) document.Value {
	if v.Kind() != document.String {
		return v
	}
	return document.Of(strings.ToLower(v.Str()))
}

// alike reports whether a where that asks for v may find a value with the text want: $eq
// compares loosely, so that asking for "1.0" finds the number 1. The where language has the last
// word; what it cannot compare is alike.
func alike(v document.Value, want string) bool {
	if same(v, want) {
		return true
	}
	return slices.ContainsFunc(candidates(want), func(c document.Value) bool { return matches("$eq", v, c) })
}

// excludes reports whether {$ne: v} leaves out every value that has a text.
func excludes(v document.Value, want string) bool {
	if !same(v, want) {
		return false
	}
	return !slices.ContainsFunc(candidates(want), func(c document.Value) bool { return same(c, want) && matches("$ne", v, c) })
}

// candidates are the values that a text may stand for.
func candidates(want string) []document.Value {
	list := []document.Value{document.Of(want)}
	if want == "true" || want == "false" {
		list = append(list, document.Of(want == "true"))
	}
	if n, err := document.Parse([]byte(want), document.Limits{}); err == nil && n.Kind() == document.Number {
		list = append(list, n)
	}
	return list
}

// matches reports whether a value meets an operand, true where that cannot be said.
func matches(op string, operand, v document.Value) bool {
	m, err := query.Compile(query.D{{Key: "c", Value: query.D{{Key: op, Value: operand}}}}, query.ForDataSource())
	return err != nil || m.Match(map[string]any{"c": v})
}
