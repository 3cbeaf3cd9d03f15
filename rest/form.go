package rest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// Bounds of url-encoded text: what one pair costs in memory is far more than its bytes.
const (
	maxPairs    = 100_000
	maxBrackets = 50
)

// form is url-encoded text whose names nest with brackets (spec 12.1), as a tree:
//
//	where[Status]=Active   {"where": {"Status": "Active"}}
//	delete[]=4             {"delete": ["4"]}
//	entries[0][email]=a    {"entries": [{"email": "a"}]}
//	attributes=A&attributes=B   {"attributes": ["A", "B"]}
type form struct {
	values []string // given under this very name
	list   bool     // with [] at the end of it
	keys   []string // in order of first appearance
	fields map[string]*form
}

// parseQueryString reads a query string.
func parseQueryString(text string) (*form, error) { return parseForm(text, "query string") }

// parseForm reads url-encoded text; what names it in messages.
func parseForm(text, what string) (*form, error) {
	root := new(form)
	pairs := 0
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if pairs++; pairs > maxPairs {
			return nil, invalid("The " + what + " has more than " + itoa(maxPairs) + " values.")
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := unescape(name, what)
		if err != nil {
			return nil, err
		}
		if value, err = unescape(value, what); err != nil {
			return nil, err
		}
		if err := root.add(name, value); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// unescape decodes a name or a value.
func unescape(text, what string) (string, error) {
	plain, err := url.QueryUnescape(text)
	if err != nil || !utf8.ValidString(plain) {
		return "", invalid("The " + what + " is not percent-encoded UTF-8.")
	}
	return plain, nil
}

// add puts a value at the place that its name tells. A name with brackets that do not pair is a
// plain name.
func (f *form) add(name, value string) error {
	steps, ok := splitName(name)
	if !ok {
		return invalid("A name is nested deeper than " + itoa(maxBrackets) + " brackets.")
	}
	at := f
	for i, step := range steps {
		last := i == len(steps)-1
		if step == "" && last && i > 0 {
			at.list = true
			break
		}
		if step == "" && i > 0 { // a[][b]: a further member
			step = strconv.Itoa(len(at.keys))
		}
		at = at.child(step)
	}
	at.values = append(at.values, value)
	return nil
}

// child returns the part under a key.
func (f *form) child(key string) *form {
	next := f.fields[key]
	if next == nil {
		next = new(form)
		if f.fields == nil {
			f.fields = make(map[string]*form)
		}
		f.fields[key] = next
		f.keys = append(f.keys, key)
	}
	return next
}

// splitName takes a name apart: `a[b][]` is a, b and nothing. It reports false for one with too
// many brackets.
func splitName(name string) ([]string, bool) {
	head, rest, nested := strings.Cut(name, "[")
	if !nested || head == "" || !strings.HasSuffix(rest, "]") {
		return []string{name}, true
	}
	inner := strings.Split(rest[:len(rest)-1], "][")
	if len(inner) > maxBrackets {
		return nil, false
	}
	if slices.ContainsFunc(inner, func(s string) bool { return strings.ContainsAny(s, "[]") }) {
		return []string{name}, true
	}
	return append([]string{head}, inner...), true
}

// texts returns the values of a name, and whether it was given at all.
func (f *form) texts(name string) ([]string, bool) {
	child := f.fields[name]
	if child == nil {
		return nil, false
	}
	return child.values, true
}

// text returns the one value of a parameter, and whether it was given. A list or an object in its
// place, or a second value, is an error.
func (f *form) text(name string) (string, bool, error) {
	child := f.fields[name]
	switch {
	case child == nil:
		return "", false, nil
	case child.list || child.fields != nil:
		return "", false, invalid("The parameter " + name + " must be a single value.")
	case len(child.values) != 1:
		return "", false, invalid("The parameter " + name + " is given more than once.")
	}
	return child.values[0], true, nil
}

// flag returns a parameter that is true or false; one without a value is true.
func (f *form) flag(name string) (value, given bool, err error) {
	text, given, err := f.text(name)
	if !given || err != nil {
		return false, given, err
	}
	if text == "" {
		return true, true, nil
	}
	value, ok := boolean(text)
	if !ok {
		return false, true, invalid("The parameter " + name + " must be true or false.")
	}
	return value, true, nil
}

// id returns a parameter that is a positive integer, nil when it is absent or empty.
func (f *form) id(name string) (*int64, error) {
	text, given, err := f.text(name)
	if !given || err != nil || text == "" {
		return nil, err
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || !digits(text) {
		return nil, invalid("The parameter " + name + " must be a positive integer.")
	}
	return &id, nil
}

// count returns a parameter that is an integer of at least 0, nil when it is absent or empty.
func (f *form) count(name string) (*int, error) {
	text, given, err := f.text(name)
	if !given || err != nil || text == "" {
		return nil, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || !digits(text) {
		return nil, invalid("The parameter " + name + " must be an integer of at least 0.")
	}
	return &n, nil
}

// names returns a parameter that is a list of names: with commas between them, or given more than
// once. It reports whether it was given.
func (f *form) names(name string) ([]string, bool, error) {
	child := f.fields[name]
	switch {
	case child == nil:
		return nil, false, nil
	case child.fields != nil && child.array() == nil:
		return nil, true, invalid("The parameter " + name + " must be a list of names.")
	}
	texts := slices.Clone(child.values)
	for _, member := range child.array() {
		if member.fields != nil {
			return nil, true, invalid("The parameter " + name + " must be a list of names.")
		}
		texts = append(texts, member.values...)
	}
	list := []string{}
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list, true, nil
}

// boolean reads true and false, also as 1 and 0.
func boolean(text string) (value, ok bool) {
	switch text {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// array returns the members of what is an array: all keys are small numbers, whose order is that
// of the members. It is nil for an object.
func (f *form) array() []*form {
	type member struct {
		index int
		*form
	}
	members := make([]member, 0, len(f.keys))
	for _, key := range f.keys {
		if len(key) > 9 || !digits(key) || len(key) > 1 && key[0] == '0' {
			return nil
		}
		index, _ := strconv.Atoi(key)
		members = append(members, member{index, f.fields[key]})
	}
	slices.SortFunc(members, func(a, b member) int { return a.index - b.index })
	list := make([]*form, len(members))
	for i, m := range members {
		list[i] = m.form
	}
	return list
}

// appendJSON appends the tree as JSON text, in which every value is a string.
func (f *form) appendJSON(dst []byte, name string) ([]byte, error) {
	if len(f.values) > 0 && f.fields != nil {
		return nil, invalid("The name " + clip(name, 100) + " is given both with and without brackets behind it.")
	}
	if f.fields == nil {
		if !f.list && len(f.values) == 1 {
			return appendString(dst, f.values[0]), nil
		}
		dst = append(dst, '[')
		for i, v := range f.values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v)
		}
		return append(dst, ']'), nil
	}
	if members := f.array(); members != nil {
		return appendMembers(dst, members, name)
	}
	return f.appendObject(dst, name, nil)
}

func appendMembers(dst []byte, members []*form, name string) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = m.appendJSON(dst, name); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendObject appends the parts as an object. convert, if given, may write a part its own way, or
// leave it out; it reports whether it has dealt with it.
func (f *form) appendObject(dst []byte, name string, convert func(dst []byte, key string, part *form) ([]byte, bool, error)) ([]byte, error) {
	dst = append(dst, '{')
	for _, key := range f.keys {
		begin := len(dst)
		if dst[begin-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, key), ':')
		value := len(dst)
		var done bool
		var err error
		if convert != nil {
			if dst, done, err = convert(dst, key, f.fields[key]); err != nil {
				return nil, err
			}
		}
		if !done {
			if dst, err = f.fields[key].appendJSON(dst, strings.TrimPrefix(name+"."+key, ".")); err != nil {
				return nil, err
			}
		}
		if len(dst) == value { // left out
			dst = dst[:begin]
		}
	}
	return append(dst, '}'), nil
}

// appendString appends a text as a JSON string.
func appendString(dst []byte, s string) []byte { return document.AppendJSON(dst, document.Of(s)) }
