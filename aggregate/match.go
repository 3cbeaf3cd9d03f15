package aggregate

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// matcher is a compiled $match, or a part of one.
type matcher interface {
	match(e *env, v Value) bool
}

// matcher compiles a query with MongoDB's semantics.
func (c *compiler) matcher(v Value) matcher {
	if v.kind != Object {
		c.fail("a query must be an object")
		return allOf{}
	}
	var list allOf
	for k, f := range v.fields() {
		c.push(k)
		switch {
		case k == "$and" || k == "$or" || k == "$nor":
			list = append(list, c.junction(k, f))
		case k == "$expr":
			list = append(list, exprMatcher{c.expr(f)})
		case refused[k]:
			c.fail("%s is not supported: a pipeline runs no code", k)
		case strings.HasPrefix(k, "$"):
			c.fail("unknown operator %s", k)
		default:
			list = append(list, c.fieldMatcher(splitPath(k), f))
		}
		c.pop()
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (c *compiler) junction(name string, v Value) matcher {
	if v.kind != Array || v.size() == 0 {
		c.fail("%s takes a list of queries", name)
		return allOf{}
	}
	var list []matcher
	for i, x := range v.items() {
		c.push(strconv.Itoa(i))
		list = append(list, c.matcher(x))
		c.pop()
	}
	switch name {
	case "$and":
		return allOf(list)
	case "$or":
		return anyOf(list)
	}
	return negation{anyOf(list)}
}

type allOf []matcher

func (m allOf) match(e *env, v Value) bool {
	for _, x := range m {
		if !x.match(e, v) {
			return false
		}
	}
	return true
}

type anyOf []matcher

func (m anyOf) match(e *env, v Value) bool {
	for _, x := range m {
		if x.match(e, v) {
			return true
		}
	}
	return false
}

type negation struct{ m matcher }

func (m negation) match(e *env, v Value) bool { return !m.m.match(e, v) }

type exprMatcher struct{ x expr }

func (m exprMatcher) match(e *env, _ Value) bool { return m.x.eval(e).truth() }

// fieldMatcher compiles what a path must hold: a value, or an object of operators.
func (c *compiler) fieldMatcher(path []step, v Value) matcher {
	if path == nil {
		c.fail("%q is no path", c.path[len(c.path)-1])
		return allOf{}
	}
	if v.kind != Object || !isOperator(v) {
		return &fieldTest{path: path, test: equalTo{v}, elements: true}
	}
	var list allOf
	for k, arg := range v.fields() {
		c.push(k)
		if !strings.HasPrefix(k, "$") {
			c.fail("%q stands beside operators", k)
		}
		if m := c.matchOperator(path, k, arg, v); m != nil {
			list = append(list, m)
		}
		c.pop()
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// test is a condition on one value.
type test interface {
	test(e *env, v Value) bool
}

// fieldTest holds where any value at a path passes the test; with elements, the members of a
// list there are tried too.
type fieldTest struct {
	path     []step
	test     test
	elements bool
}

func (m *fieldTest) match(e *env, v Value) bool { return m.walk(e, v, m.path) }

func (m *fieldTest) walk(e *env, v Value, path []step) bool {
	for i := 0; i < len(path); {
		switch v.kind {
		case Object:
			i += v.descend(path[i:])
		case Array:
			return m.walkList(e, v, path[i:])
		default:
			return m.test.test(e, Value{})
		}
	}
	if m.test.test(e, v) {
		return true
	}
	if m.elements && v.kind == Array {
		if !e.step(v.size()) {
			return false
		}
		for i := range v.size() {
			if m.test.test(e, v.at(i)) {
				return true
			}
		}
	}
	return false
}

// walkList goes on in the members of a list that are objects, and in the one that the path
// names by its number.
func (m *fieldTest) walkList(e *env, v Value, path []step) bool {
	if i := path[0].index; i >= 0 && i < v.size() && m.walk(e, v.at(i), path[1:]) {
		return true
	}
	if !e.step(v.size()) {
		return false
	}
	for _, x := range v.items() {
		if x.kind == Object && m.walk(e, x, path) {
			return true
		}
	}
	return false
}

// matchOperators is the table of operators on a path.
func matchOperators() map[string]func(c *compiler, path []step, arg, parent Value) matcher {
	ordered := func(f func(int) bool) func(*compiler, []step, Value, Value) matcher {
		return func(_ *compiler, path []step, arg, _ Value) matcher {
			return &fieldTest{path, &ordinalTest{arg, f}, true}
		}
	}
	bitwise := func(f func(n, mask uint64) bool) func(*compiler, []step, Value, Value) matcher {
		return func(c *compiler, path []step, arg, _ Value) matcher {
			return &fieldTest{path, bitTest{c.mask(arg), f}, true}
		}
	}
	return map[string]func(c *compiler, path []step, arg, parent Value) matcher{
		"$eq": func(_ *compiler, path []step, arg, _ Value) matcher { return &fieldTest{path, equalTo{arg}, true} },
		"$ne": func(_ *compiler, path []step, arg, _ Value) matcher {
			return negation{&fieldTest{path, equalTo{arg}, true}}
		},
		"$gt":  ordered(func(n int) bool { return n > 0 }),
		"$gte": ordered(func(n int) bool { return n >= 0 }),
		"$lt":  ordered(func(n int) bool { return n < 0 }),
		"$lte": ordered(func(n int) bool { return n <= 0 }),
		"$in":  compileIn,
		"$nin": func(c *compiler, path []step, arg, parent Value) matcher {
			return negation{compileIn(c, path, arg, parent)}
		},
		"$exists": compileExists,
		"$type":   compileTypeTest,
		"$mod":    compileModTest,
		"$regex":  compileRegexTest,
		"$options": func(c *compiler, _ []step, _, parent Value) matcher {
			if parent.field("$regex").kind == Missing {
				c.fail("$options stands beside $regex")
			}
			return nil
		},
		"$all":          compileAll,
		"$size":         compileSizeTest,
		"$elemMatch":    compileElemMatch,
		"$not":          compileNotTest,
		"$bitsAllSet":   bitwise(func(n, mask uint64) bool { return n&mask == mask }),
		"$bitsAllClear": bitwise(func(n, mask uint64) bool { return n&mask == 0 }),
		"$bitsAnySet":   bitwise(func(n, mask uint64) bool { return n&mask != 0 }),
		"$bitsAnyClear": bitwise(func(n, mask uint64) bool { return n&mask != mask }),
	}
}

func (c *compiler) matchOperator(path []step, name string, arg, parent Value) matcher {
	f, ok := c.matching[name]
	switch {
	case refused[name]:
		c.fail("%s is not supported", name)
	case !ok:
		c.fail("unknown operator %s", name)
	default:
		return f(c, path, arg, parent)
	}
	return nil
}

type equalTo struct{ v Value }

func (t equalTo) test(_ *env, v Value) bool {
	if t.v.kind == Null {
		return v.nullish()
	}
	return equal(t.v, v)
}

// ordinalTest is $gt and its like, which compare values of one type only.
type ordinalTest struct {
	v Value
	f func(int) bool
}

func (t *ordinalTest) test(_ *env, v Value) bool {
	if t.v.kind == Null {
		return v.nullish() && t.f(0)
	}
	return v.kind == t.v.kind && t.f(compare(v, t.v))
}

type oneOf struct {
	keys set
	null bool
}

func (t *oneOf) test(_ *env, v Value) bool {
	if v.nullish() {
		return t.null
	}
	var room [64]byte
	return t.keys[string(appendKey(room[:0], v))]
}

// compileIn takes a list; what is none is a list of one.
func compileIn(c *compiler, path []step, arg, _ Value) matcher {
	list := []Value{arg}
	if arg.kind == Array {
		list = arg.items()
	}
	t := &oneOf{keys: make(set, len(list))}
	var rest anyOf
	for i, x := range list {
		if x.kind == Null {
			t.null = true
			continue
		}
		if x.kind == Object && x.field("$regex").kind != Missing {
			c.push(strconv.Itoa(i))
			rest = append(rest, c.fieldMatcher(path, x))
			c.pop()
			continue
		}
		t.keys[string(appendKey(nil, x))] = true
	}
	m := &fieldTest{path, t, true}
	if rest == nil {
		return m
	}
	return append(rest, m)
}

type present struct{}

func (present) test(_ *env, v Value) bool { return v.kind != Missing }

func compileExists(_ *compiler, path []step, arg, _ Value) matcher {
	m := &fieldTest{path, present{}, false}
	if arg.truth() {
		return m
	}
	return negation{m}
}

type typeTest struct {
	names []string
}

// typeNames are the names and numbers that $type knows.
var typeNames = []string{"double", "string", "object", "array", "bool", "boolean", "date", "null", "int", "long", "decimal", "number", "undefined", "objectId", "regex", "binData", "timestamp", "symbol", "javascript", "minKey", "maxKey"}

func compileTypeTest(c *compiler, path []step, arg, _ Value) matcher {
	list := []Value{arg}
	if arg.kind == Array {
		list = arg.items()
	}
	t := typeTest{}
	for _, v := range list {
		name := v.str
		if v.kind == Number { // a number that is no type's names nothing
			t.names = append(t.names, typeCodes[v.num])
			continue
		}
		if !slices.Contains(typeNames, name) {
			c.fail("there is no type %s", clip(string(v.AppendJSON(nil))))
		}
		t.names = append(t.names, name)
	}
	return &fieldTest{path, t, true}
}

func (t typeTest) test(_ *env, v Value) bool {
	is := bsonType(v)
	for _, name := range t.names {
		switch {
		case name == is, name == "boolean" && v.kind == Bool, (name == "number" || name == "decimal") && v.kind == Number, name == "undefined" && v.kind == Missing:
			return true
		}
	}
	return false
}

type modTest struct{ divisor, remainder int64 }

func compileModTest(c *compiler, path []step, arg, _ Value) matcher {
	t := modTest{}
	if arg.kind != Array || arg.size() != 2 || arg.at(0).kind != Number || arg.at(1).kind != Number || math.Trunc(arg.at(0).num) == 0 {
		c.fail("$mod takes [divisor, remainder]")
		return &fieldTest{path, t, true}
	}
	t.divisor, t.remainder = int64(arg.at(0).num), int64(arg.at(1).num)
	return &fieldTest{path, t, true}
}

func (t modTest) test(_ *env, v Value) bool {
	if v.kind != Number || math.IsNaN(v.num) || math.Abs(v.num) >= 1<<63 {
		return false
	}
	return int64(v.num)%t.divisor == t.remainder
}

type regexTest struct {
	p    *pattern
	path string
}

func compileRegexTest(c *compiler, path []step, arg, parent Value) matcher {
	options := parent.field("$options")
	if arg.kind != String || options.kind != Missing && options.kind != String {
		c.fail("$regex takes a text")
		return allOf{}
	}
	p, why := compilePattern(c.limits, arg.str, options.str)
	if why != "" {
		c.fail("%s", why)
	}
	return &fieldTest{path, regexTest{p, c.at()}, true}
}

func (t regexTest) test(e *env, v Value) bool {
	return v.kind == String && t.p.affordable(e, t.path, v.str) && t.p.MatchString(v.str)
}

func compileAll(c *compiler, path []step, arg, parent Value) matcher {
	if arg.kind != Array {
		c.fail("$all takes a list")
		return allOf{}
	}
	if arg.size() == 0 {
		return negation{allOf{}}
	}
	var list allOf
	for i, x := range arg.items() {
		c.push(strconv.Itoa(i))
		if x.kind == Object && x.field("$elemMatch").kind != Missing {
			list = append(list, c.fieldMatcher(path, x))
		} else {
			list = append(list, &fieldTest{path, equalTo{x}, true})
		}
		c.pop()
	}
	_ = parent
	return list
}

type sizeTest int

func compileSizeTest(c *compiler, path []step, arg, _ Value) matcher {
	n, ok := arg.whole()
	if !ok || n < 0 {
		c.fail("$size takes a whole number that is not negative")
	}
	return &fieldTest{path, sizeTest(min(n, math.MaxInt32)), false}
}

func (t sizeTest) test(_ *env, v Value) bool { return v.kind == Array && v.size() == int(t) }

// elemMatch holds where one member of a list passes.
type elemMatch struct {
	m       matcher
	objects bool // the members must be objects
}

func compileElemMatch(c *compiler, path []step, arg, _ Value) matcher {
	return &fieldTest{path, c.elemMatch(arg), false}
}

func (c *compiler) elemMatch(arg Value) elemMatch {
	t := elemMatch{m: allOf{}}
	if arg.kind != Object {
		c.fail("$elemMatch takes an object")
		return t
	}
	if isOperator(arg) && !isJunction(arg) {
		t.m = c.fieldMatcher([]step{}, arg)
	} else {
		t.m, t.objects = c.matcher(arg), true
	}
	return t
}

func isJunction(v Value) bool {
	for k := range v.fields() {
		return k == "$and" || k == "$or" || k == "$nor" || k == "$expr"
	}
	return false
}

func (t elemMatch) test(e *env, v Value) bool {
	if v.kind != Array || !e.step(v.size()) {
		return false
	}
	for _, x := range v.items() {
		if t.passes(e, x) {
			return true
		}
	}
	return false
}

func (t elemMatch) passes(e *env, v Value) bool {
	return (!t.objects || v.kind == Object || v.kind == Array) && t.m.match(e, v)
}

func compileNotTest(c *compiler, path []step, arg, _ Value) matcher {
	if arg.kind != Object || !isOperator(arg) {
		return negation{&fieldTest{path, equalTo{arg}, true}}
	}
	return negation{c.fieldMatcher(path, arg)}
}

type bitTest struct {
	mask uint64
	f    func(n, mask uint64) bool
}

// mask reads a mask: a number, or a list of the places of bits.
func (c *compiler) mask(v Value) uint64 {
	if v.kind == Array {
		m := uint64(0)
		for _, x := range v.items() {
			n, ok := x.whole()
			if !ok || n < 0 {
				c.fail("a place of a bit is a whole number that is not negative")
				return 0
			}
			m |= 1 << min(n, 63)
		}
		return m
	}
	n, ok := v.whole()
	if !ok || n < 0 {
		c.fail("a mask is a whole number that is not negative, or a list of places")
	}
	return uint64(n)
}

func (t bitTest) test(_ *env, v Value) bool {
	n, ok := bitNumber(v)
	return ok && t.f(uint64(n), t.mask)
}
