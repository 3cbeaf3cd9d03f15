package query

import (
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// filter is one member of $filters being compiled.
type filter struct {
	condition string
	value     document.Value
	member    document.Value
	anyOf     bool // the value is a list of the session: one of its members is meant
	nothing   bool // some part is a value of the session that equals nothing
}

// conditions are the conditions of $filters. A nil node means that the member is not
// configured and always holds.
var conditions = map[string]func(c *compiler, f filter) (node, error){
	"==":          equalFilter,
	"!=":          equalFilter,
	">":           orderFilter(greaterThan),
	">=":          orderFilter(greaterOrEqual),
	"<":           orderFilter(lessThan),
	"<=":          orderFilter(lessOrEqual),
	"contains":    containsFilter,
	"notcontain":  containsFilter,
	"regex":       regexFilter,
	"empty":       emptyFilter,
	"notempty":    emptyFilter,
	"between":     betweenFilter,
	"oneof":       oneOfFilter,
	"dateis":      dateFilter,
	"datebefore":  dateFilter,
	"dateafter":   dateFilter,
	"datebetween": dateFilter,
}

// valueless are the conditions that take no value.
var valueless = map[string]bool{"empty": true, "notempty": true}

func compileFilters(c *compiler, o operand) (node, error) {
	if o.level != documentLevel {
		return nil, c.fail("$filters belongs at the top, or inside $and, $or, $nor or $not there")
	}
	if err := c.list(o); err != nil {
		return nil, err
	}
	all := &and{nodes: []node{}}
	for i := range o.arg.Len() {
		c.push(strconv.Itoa(i))
		n, err := c.filter(o.arg.At(i))
		if err != nil {
			return nil, err
		}
		c.pop()
		if n != nil {
			all.nodes = append(all.nodes, n)
		}
	}
	return all, nil
}

func (c *compiler) filter(member document.Value) (node, error) {
	if member.Kind() != document.Object {
		return nil, c.fail("a member of $filters must be an object")
	}
	f := filter{condition: member.Field("condition").Str(), value: member.Field("value"), member: member}
	if f.condition == "none" || member.Field("column").Str() == "none" {
		return nil, nil
	}
	compile, ok := conditions[f.condition]
	if !ok {
		c.push("condition")
		return nil, c.fail("Unknown condition %s", appendText(nil, member.Field("condition")))
	}
	written := member.Field("column").Kind() == document.String
	if err := c.insertFilter(&f); err != nil {
		return nil, err
	}
	column := f.member.Field("column")
	if written && column.Kind() == document.Absent {
		return never{}, nil
	}
	if column.Kind() != document.String {
		c.push("column")
		return nil, c.fail("a member of $filters needs the name of a column")
	}
	if f.nothing && !valueless[f.condition] {
		return newKeyed(column.Str(), true, nothingFilter(f.condition)), nil
	}
	n, err := compile(c, f)
	if err != nil || n == nil {
		return nil, err
	}
	return newKeyed(column.Str(), true, n), nil
}

// isSet reports whether a value was given: absent, null and "" were not.
func isSet(v document.Value) bool {
	return kindOf(v) > document.Null && (kindOf(v) != document.String || v.Len() > 0)
}

// filterText returns a value's text; null, absent and objects have none.
func filterText(v document.Value, room []byte) (text []byte, ok bool) {
	switch kindOf(v) {
	case document.Absent, document.Null, document.Object:
		return nil, false
	}
	return textOf(v, room), true
}

// filterEqual is == and !=: equal texts, ignoring case.
type filterEqual struct {
	text  string // in lower case
	never bool   // the value has no text
	not   bool
}

func equalFilter(_ *compiler, f filter) (node, error) {
	not := f.condition == "!="
	switch {
	case f.anyOf:
		return equalToAny(f.value, not), nil
	case !isSet(f.value):
		return nil, nil
	}
	return newFilterEqual(f.value, not), nil
}

func newFilterEqual(v document.Value, not bool) *filterEqual {
	text, ok := filterText(v, nil)
	return &filterEqual{text: lower(string(text)), never: !ok, not: not}
}

// equalToAny compiles == and != with a list of the session.
func equalToAny(list document.Value, negated bool) node {
	members := &or{nodes: []node{}}
	for m := range list.Items() {
		members.nodes = append(members.nodes, newFilterEqual(m, false))
	}
	if negated {
		return &not{members}
	}
	return members
}

func (n *filterEqual) test(_ *Record, v document.Value, _ place) verdict {
	return verdictOf(n.equals(v) != n.not)
}

func (n *filterEqual) equals(v document.Value) bool {
	var room [64]byte
	text, ok := filterText(v, room[:0])
	if !ok || n.never {
		return false
	}
	if isASCII(text) {
		if len(text) != len(n.text) {
			return false
		}
		for i, c := range text {
			if lowerASCII[c] != n.text[i] {
				return false
			}
		}
		return true
	}
	var room2 [256]byte
	return string(appendLower(room2[:0], text)) == n.text
}

// decimalOf reads a number, or a text that is wholly a decimal number.
func decimalOf(v document.Value) (float64, bool) {
	switch kindOf(v) {
	case document.Number:
		return v.Float(), true
	case document.String:
		s := trimSpace(v.Str())
		if n := decimalPrefix(s); n > 0 && n == len(s) {
			return readDecimal(s)
		}
	}
	return 0, false
}

// filterOrder is > >= < and <=: by number when both sides are, by lower-cased text when both
// are texts.
type filterOrder struct {
	relation relation
	num      float64
	isNum    bool
	text     string // in lower case
	isText   bool
}

func orderFilter(rel relation) func(c *compiler, f filter) (node, error) {
	return func(_ *compiler, f filter) (node, error) {
		if !isSet(f.value) {
			return nil, nil
		}
		n := &filterOrder{relation: rel, isText: f.value.Kind() == document.String}
		n.num, n.isNum = decimalOf(f.value)
		n.text = lower(f.value.Str())
		return n, nil
	}
}

func (n *filterOrder) test(_ *Record, v document.Value, _ place) verdict {
	if n.isNum {
		if f, ok := decimalOf(v); ok {
			return verdictOf(n.relation.holds(f, n.num))
		}
	}
	if !n.isText || kindOf(v) != document.String {
		return no
	}
	var room [256]byte
	c := compareUTF16(stringOf(appendLower(room[:0], bytesOf(v.Str()))), n.text)
	return verdictOf(n.relation.holds(float64(c), 0))
}

// filterContains is contains and notcontain.
type filterContains struct {
	needle needle
	never  bool // the value has no text
	not    bool
}

func containsFilter(_ *compiler, f filter) (node, error) {
	if !isSet(f.value) {
		return nil, nil
	}
	text, ok := filterText(f.value, nil)
	return &filterContains{newNeedle(string(text), true), !ok, f.condition == "notcontain"}, nil
}

func (n *filterContains) test(_ *Record, v document.Value, _ place) verdict {
	if kindOf(v) <= document.Null {
		return no
	}
	return verdictOf(n.contains(v) != n.not)
}

func (n *filterContains) contains(v document.Value) bool {
	if n.never {
		return false
	}
	if kindOf(v) != document.Array {
		return n.one(v)
	}
	for i := range v.Len() {
		if n.one(v.At(i)) {
			return true
		}
	}
	return false
}

func (n *filterContains) one(v document.Value) bool {
	var room [64]byte
	text, ok := filterText(v, room[:0])
	return ok && n.needle.in(text)
}

// filterRegex is regex.
type filterRegex struct{ expr *expression }

func regexFilter(c *compiler, f filter) (node, error) {
	if !isSet(f.value) {
		return nil, nil
	}
	c.push("value")
	text, ok := filterText(f.value, nil)
	if !ok {
		return nil, c.fail("the regex condition needs a text")
	}
	e, err := c.expression(string(text), "i")
	if err != nil {
		return nil, err
	}
	c.pop()
	return &filterRegex{e}, nil
}

func (n *filterRegex) test(r *Record, v document.Value, _ place) verdict {
	var room [64]byte
	text, ok := filterText(v, room[:0])
	if !ok {
		return no
	}
	if kindOf(v) == document.String {
		return n.expr.on(r, v.Str())
	}
	return n.expr.on(r, string(text))
}

// filterEmpty is empty and notempty.
type filterEmpty struct{ not bool }

func emptyFilter(_ *compiler, f filter) (node, error) {
	return &filterEmpty{f.condition == "notempty"}, nil
}

func (n *filterEmpty) test(_ *Record, v document.Value, _ place) verdict {
	empty := false
	switch kindOf(v) {
	case document.Absent, document.Null:
		empty = true
	case document.String, document.Array, document.Object:
		empty = v.Len() == 0
	}
	return verdictOf(empty != n.not)
}

// filterBetween is between.
type filterBetween struct {
	from, to       float64
	hasFrom, hasTo bool
}

func betweenFilter(c *compiler, f filter) (node, error) {
	c.push("value")
	n := &filterBetween{}
	if isSet(f.value) {
		if f.value.Kind() != document.Object {
			return nil, c.fail("the between condition needs an object with from and to")
		}
		var err error
		if n.from, n.hasFrom, err = c.numberEnd(f.value, "from"); err != nil {
			return nil, err
		}
		if n.to, n.hasTo, err = c.numberEnd(f.value, "to"); err != nil {
			return nil, err
		}
	}
	c.pop()
	return n, nil
}

// numberEnd reads one end of between.
func (c *compiler) numberEnd(value document.Value, name string) (f float64, set bool, err error) {
	v := value.Field(name)
	if !isSet(v) {
		return 0, false, nil
	}
	f, ok := decimalOf(v)
	if !ok {
		c.push(name)
		return 0, false, c.fail("an end of the between condition must be a number")
	}
	return f, true, nil
}

func (n *filterBetween) test(_ *Record, v document.Value, _ place) verdict {
	f, ok := decimalOf(v)
	return verdictOf(ok && (!n.hasFrom || f >= n.from) && (!n.hasTo || f <= n.to))
}

// filterOneOf is oneof.
type filterOneOf struct{ members textSet }

func oneOfFilter(c *compiler, f filter) (node, error) {
	n := &filterOneOf{}
	switch f.value.Kind() {
	case document.Array:
		for i := range f.value.Len() {
			if text, ok := filterText(f.value.At(i), nil); ok {
				n.members.add(string(text))
			}
		}
	case document.String:
		for rest := f.value.Str(); rest != ""; {
			var part string
			if part, rest = nextPart(rest); part != "" {
				n.members.add(part)
			}
		}
	case document.Object:
		c.push("value")
		return nil, c.fail("the oneof condition needs a list, or a text with commas")
	default:
		if text, ok := filterText(f.value, nil); ok {
			n.members.add(string(text))
		}
	}
	return n, nil
}

func (n *filterOneOf) test(_ *Record, v document.Value, _ place) verdict {
	var room [64]byte
	text, ok := filterText(v, room[:0])
	if !ok || len(n.members.list) == 0 {
		return no
	}
	if n.members.has(stringOf(text)) {
		return yes
	}
	switch kindOf(v) {
	case document.Array:
		for i := range v.Len() {
			if text, ok := filterText(v.At(i), room[:0]); ok && n.members.has(stringOf(text)) {
				return yes
			}
		}
	case document.String:
		for rest := v.Str(); rest != ""; {
			var part string
			if part, rest = nextPart(rest); part != "" && n.members.has(part) {
				return yes
			}
		}
	}
	return no
}

// nextPart cuts the text before the next comma outside double quotes, trimmed and without
// quotes around the whole of it.
func nextPart(s string) (part, rest string) {
	quoted, end := false, len(s)
	for i := range len(s) {
		if s[i] == '"' {
			quoted = !quoted
		} else if s[i] == ',' && !quoted {
			end = i
			break
		}
	}
	part = trimSpace(s[:end])
	if len(part) > 1 && part[0] == '"' && strings.IndexByte(part[1:], '"') == len(part)-2 {
		part = trimSpace(part[1 : len(part)-1])
	}
	if end < len(s) {
		rest = s[end+1:]
	}
	return part, rest
}
