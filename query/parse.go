package query

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Compile compiles a where. It takes JSON text (json.RawMessage, []byte or string), M, D, a
// document.Value, or any other Go value as document.FromGo reads it; nil matches everything.
// Without ForDataSource a where that is no object is an equality test on the document itself.
// Whatever is wrong with a where is an *errs.Error with the code InvalidQuery, whose Path says
// where.
func Compile(where any, opts ...Option) (*Matcher, error) {
	c := &compiler{path: []string{"where"}}
	for _, opt := range opts {
		opt(&c.settings)
	}
	if c.session != nil && c.dialect == Strict {
		return nil, c.fail("the Strict dialect has no session values")
	}
	v, err := readWhere(where, c.limits)
	if err != nil {
		return nil, err
	}
	if err := c.limits.check(v); err != nil {
		return nil, err
	}
	lv := valueLevel
	if c.data {
		lv = documentLevel
		if v.Kind() != document.Object {
			return nil, c.fail("a where must be an object")
		}
	}
	m := &Matcher{data: c.data}
	if c.dialect == Strict {
		m.strict, err = c.strict(v, lv)
	} else {
		m.root, err = c.operand(v, lv)
	}
	if err != nil {
		return nil, err
	}
	if c.countable {
		if err := c.checkCountable(v, true); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// readWhere gives a where as a value of its own, which nobody else changes.
func readWhere(where any, limits Limits) (document.Value, error) {
	lim := document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1}
	if limits.Nodes > 0 {
		lim.Keys = limits.Nodes + 1 // more are refused before they are all read
	}
	var v document.Value
	var err error
	switch w := where.(type) {
	case nil:
		return document.Of(D{}), nil
	case M:
		if w == nil {
			return document.Of(D{}), nil
		}
		v, err = document.FromGo(w, lim)
	case D:
		if w == nil {
			return document.Of(D{}), nil
		}
		v, err = document.FromGo(w, lim)
	case json.RawMessage:
		v, err = document.Parse(w, lim)
	case []byte:
		v, err = document.Parse(w, lim)
	case string:
		v, err = document.Parse([]byte(w), lim)
	case document.Value:
		if w.Kind() == document.Absent {
			return document.Of(D{}), nil
		}
		v, err = document.Parse(document.AppendJSON(nil, w), lim)
	default:
		v, err = document.FromGo(where, lim)
	}
	if err != nil {
		e := errs.Wrap(errs.InvalidQuery, err, "the where cannot be read")
		e.Path = "where"
		return v, e
	}
	return v, nil
}

// level says what the keys of an object address.
type level uint8

const (
	valueLevel    level = iota // paths from the current value
	dataLevel                  // columns only
	documentLevel              // columns and entry fields
)

// compiler compiles one where.
type compiler struct {
	settings
	path      []string // the place that is being compiled
	inList    int      // how many lists of $in or $nin stand around it
	inFilters bool     // it is inside a member of $filters
}

func (c *compiler) push(key string) { c.path = append(c.path, key) }
func (c *compiler) pop()            { c.path = c.path[:len(c.path)-1] }

func (c *compiler) fail(format string, args ...any) error {
	return errs.At(errs.InvalidQuery, strings.Join(c.path, "."), format, args...)
}

// operand compiles an operand: an object with operators and keys, or a value to be equal to.
func (c *compiler) operand(v document.Value, lv level) (node, error) {
	if v.Kind() != document.Object {
		return c.equality(v)
	}
	nodes := []node{}
	for key, arg := range v.Fields() {
		if key == "$options" {
			continue
		}
		c.push(key)
		n, err := c.key(key, arg, v, lv)
		if err != nil {
			return nil, err
		}
		c.pop()
		nodes = append(nodes, n)
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return &and{nodes}, nil
}

// key compiles one key of an operand.
func (c *compiler) key(key string, arg, parent document.Value, lv level) (node, error) {
	if op, ok := operators[key]; ok && (c.data || !dataOperators[key]) {
		return c.operator(key, op, operand{arg: arg, parent: parent, level: lv})
	}
	if strings.HasPrefix(key, "$") {
		if c.inList > 0 && !c.data {
			return unknown{}, nil
		}
		return nil, c.fail("Unknown operation %s", key)
	}
	inner := valueLevel
	if lv == documentLevel && key == "data" {
		inner = dataLevel
	}
	n, err := c.operand(arg, inner)
	if err != nil {
		return nil, err
	}
	switch lv {
	case documentLevel:
		return newKeyed(key, false, n), nil
	case dataLevel:
		return newKeyed(key, true, n), nil
	}
	path := splitPath(key)
	for i := range path {
		path[i].chars = !c.data && path[i].index >= 0
	}
	return &field{path, n}, nil
}

// members compiles each member of a list as an operand.
func (c *compiler) members(list document.Value, lv level) ([]node, error) {
	nodes := make([]node, list.Len())
	for i := range nodes {
		c.push(strconv.Itoa(i))
		n, err := c.operand(list.At(i), lv)
		if err != nil {
			return nil, err
		}
		c.pop()
		nodes[i] = n
	}
	return nodes, nil
}

// equality compiles a value to be equal to. What equals nothing is absent, and a list of the
// session is one of $in.
func (c *compiler) equality(v document.Value) (node, error) {
	found, asks, err := c.insert(v)
	if err != nil {
		return nil, err
	}
	if asks && found.Kind() == document.Array {
		n := &in{}
		return n, n.addAll(c, found)
	}
	v, ok, err := c.literal(v)
	if !ok || err != nil {
		return never{}, err
	}
	n := &eq{constant: newConstant(v)}
	if c.data && v.Kind() == document.Array && v.Len() > 0 {
		n.deep, n.operand = true, v
	}
	return n, nil
}
