package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// Option changes what a pipeline may do.
type Option func(*settings)

type settings struct {
	source Source
	search Search
	write  map[string][]any
	limits Limits
}

// Source reads another collection for $lookup, $graphLookup and $unionWith. from is what the
// pipeline names: a string or a float64. It is called once a run for each collection, and the
// documents must stay valid until the run ends.
type Source func(ctx context.Context, from any) iter.Seq2[Value, error]

// WithCollections gives named collections to $lookup, $graphLookup and $unionWith. $merge and
// $out change the map in place; a pipeline with one of them must not run concurrently with
// anything that uses the map.
func WithCollections(c map[string][]any) Option {
	return func(s *settings) { s.write = c }
}

// WithSource gives other collections through a function. A pipeline over it only reads: $merge
// and $out are refused.
func WithSource(f Source) Option { return func(s *settings) { s.source = f } }

// Search reads of another collection the documents that a where on columns lets through, as that
// of Prefilter, in the order in which Source gives them; more of them do no harm. all is how many
// documents the collection has. The documents must stay valid until the run ends.
type Search func(ctx context.Context, from any, where query.D) (docs iter.Seq2[Value, error], all int64)

// WithSearch lets a $lookup by localField and foreignField, to which few documents come, read
// no more of a collection than what may match them. It comes beside WithSource, which gives the
// collection to all other stages.
func WithSearch(f Search) Option { return func(s *settings) { s.search = f } }

// WithLimits bounds the pipeline, for callers that are not trusted.
func WithLimits(l Limits) Option { return func(s *settings) { s.limits = l } }

// Compile compiles a pipeline: JSON text (json.RawMessage, []byte or string), or a list of
// maps, query.D and the like. Whatever is wrong with it is an *errs.Error with the code
// InvalidQuery, whose Path says where.
func Compile(pipeline any, opts ...Option) (*Pipeline, error) {
	p := &Pipeline{}
	for _, o := range opts {
		o(&p.settings)
	}
	p.limits = p.limits.filled()
	c := &compiler{settings: p.settings, path: []string{"pipeline"}, slots: new(int), unordered: map[*object]bool{},
		operators: allOperators(), stages: allStages(), accumulators: allAccumulators(), matching: matchOperators(), windowFuncs: allWindows()}
	v, err := c.read(pipeline)
	if err != nil {
		return nil, err
	}
	nodes := 0
	if err := p.limits.check(v, 0, "pipeline", &nodes); err != nil {
		return nil, err
	}
	p.stages = c.pipeline(v)
	if c.err != nil {
		return nil, c.err
	}
	p.slots, p.writes, p.sources = *c.slots, c.writes, c.sources
	return p, nil
}

// compiler compiles one pipeline. The first fault stands in err; what is returned after it is
// of no use.
type compiler struct {
	settings
	operators    map[string]operator
	stages       map[string]stageEntry
	accumulators map[string]accumulatorFunc
	matching     map[string]func(c *compiler, path []step, arg, parent Value) matcher
	windowFuncs  map[string]windowFunc
	path         []string
	scope        []binding
	slots        *int
	unordered    map[*object]bool // objects that came from Go maps
	count        int              // stages so far
	inFacet      bool
	inSub        bool
	writes       bool
	sources      []any // the collections that are read, each once
	byQuery      bool  // comparisons follow the rules of queries
	err          error
}

type binding struct {
	name string
	slot int
}

func (c *compiler) push(key string) { c.path = append(c.path, key) }
func (c *compiler) pop()            { c.path = c.path[:len(c.path)-1] }
func (c *compiler) at() string      { return clipTo(strings.Join(c.path, "."), longestText) }

// fail notes the first fault. What the caller sent is shown in part, however long it is.
func (c *compiler) fail(format string, args ...any) expr {
	if c.err == nil {
		c.err = errs.At(errs.InvalidQuery, c.at(), "%s", clipTo(fmt.Sprintf(format, args...), longestText))
	}
	return literal{null}
}

// longestText is how many bytes of a message or a path are shown.
const longestText = 500

// bind adds a variable to the scope and returns its slot.
func (c *compiler) bind(name string) int {
	slot := *c.slots
	*c.slots++
	c.scope = append(c.scope, binding{name, slot})
	return slot
}

// parse reads JSON text, unless it has more members than are allowed: each comma is before
// one.
func (c *compiler) parse(text []byte, lim document.Limits) (document.Value, error) {
	commas, quoted := 0, false
	for i := 0; i < len(text) && c.limits.Nodes > 0; i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			commas++
		}
	}
	if c.limits.Nodes > 0 && commas > c.limits.Nodes {
		return document.Value{}, errs.New(errs.InvalidQuery, "it has more than %d keys and members", c.limits.Nodes)
	}
	return document.Parse(text, lim)
}

// read takes a pipeline as a value of its own, whose objects know their key order.
func (c *compiler) read(v any) (Value, error) {
	lim := document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1}
	var d document.Value
	var err error
	switch x := v.(type) {
	case json.RawMessage:
		d, err = c.parse(x, lim)
	case []byte:
		d, err = c.parse(x, lim)
	case string:
		d, err = c.parse([]byte(x), lim)
	case nil:
		return arrayOf(nil), nil
	default:
		w, err := c.copyGo(v, 0)
		if err != nil {
			return w, err
		}
		return w, nil
	}
	if err != nil {
		e := errs.Wrap(errs.InvalidQuery, err, "the pipeline cannot be read")
		e.Path = "pipeline"
		return Value{}, e
	}
	return c.copyGo(d, 0)
}

func (c *compiler) copyGo(v any, depth int) (Value, error) {
	if depth > c.limits.Depth+2 {
		return Value{}, errs.At(errs.InvalidQuery, "pipeline", "the pipeline is nested more than %d deep", c.limits.Depth)
	}
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		o := newObject(len(keys))
		for _, k := range keys {
			f, err := c.copyGo(x[k], depth+1)
			if err != nil {
				return f, err
			}
			o.add(k, f)
		}
		if len(keys) > 1 {
			c.unordered[o] = true
		}
		return pipelineDate(objectOf(o))
	case json.RawMessage, []byte, document.OrderedObject, document.Value, Value, nil:
	default:
		rv := reflect.ValueOf(v)
		if rv.Kind() == reflect.Map && rv.Type().Key().Kind() == reflect.String {
			m := make(map[string]any, rv.Len())
			for _, k := range rv.MapKeys() {
				m[k.String()] = rv.MapIndex(k).Interface()
			}
			return c.copyGo(m, depth)
		}
		if rv.Kind() == reflect.Slice || rv.Kind() == reflect.Array {
			list := make([]Value, rv.Len())
			for i := range list {
				var err error
				if list[i], err = c.copyGo(rv.Index(i).Interface(), depth+1); err != nil {
					return list[i], err
				}
			}
			return arrayOf(list), nil
		}
	}
	w := ValueOf(v)
	switch w.kind {
	case Missing:
		return w, errs.At(errs.InvalidQuery, "pipeline", "a %T has no JSON form", v)
	case Array:
		list := make([]Value, 0, w.size())
		for _, x := range w.items() {
			y, err := c.copyGo(x, depth+1)
			if err != nil {
				return y, err
			}
			list = append(list, y)
		}
		return arrayOf(list), nil
	case Object:
		if m, ok := w.ref.(map[string]any); ok {
			return c.copyGo(m, depth)
		}
		o := newObject(w.size())
		if d, ok := w.ref.(document.OrderedObject); ok && w.form == goForm {
			for i := range d.Len() {
				k, f := d.At(i)
				y, err := c.copyGo(f, depth+1)
				if err != nil {
					return y, err
				}
				o.set(k, y)
			}
			return pipelineDate(objectOf(o))
		}
		for k, f := range w.fields() {
			y, err := c.copyGo(f, depth+1)
			if err != nil {
				return y, err
			}
			o.set(strings.Clone(k), y)
		}
		return pipelineDate(objectOf(o))
	}
	if w.kind == String {
		w.str = strings.Clone(w.str)
	}
	return w, nil
}

// pipelineDate gives the date that an object of a pipeline stands for, which must be one.
func pipelineDate(v Value) (Value, error) {
	if d := date(v); d.kind == Date {
		return d, nil
	}
	if s := v.field("$date"); v.size() == 1 && s.kind != Missing {
		return v, errs.At(errs.InvalidQuery, "pipeline", "$date takes an ISO 8601 text, not %s", clip(string(s.AppendJSON(nil))))
	}
	return v, nil
}

// expr compiles an expression.
func (c *compiler) expr(v Value) expr {
	if c.err != nil {
		return literal{null}
	}
	switch v.kind {
	case String:
		if strings.HasPrefix(v.str, "$") {
			return c.reference(v.str)
		}
	case Array:
		return c.arrayExpr(v)
	case Object:
		return c.objectExpr(v)
	}
	return literal{v}
}

func (c *compiler) arrayExpr(v Value) expr {
	list := make([]expr, v.size())
	known := make([]Value, 0, v.size())
	for i, x := range v.items() {
		c.push(strconv.Itoa(i))
		list[i] = c.expr(x)
		c.pop()
		if l, is := list[i].(literal); is && l.v.kind != Missing {
			known = append(known, l.v)
		} else if is {
			known = append(known, null)
		}
	}
	if len(known) == len(list) {
		return literal{arrayOf(known)}
	}
	return &arrayExpr{list, c.at()}
}

func (c *compiler) objectExpr(v Value) expr {
	x := &objectExpr{path: c.at()}
	constant := true
	for k, f := range v.fields() {
		if strings.HasPrefix(k, "$") {
			if v.size() != 1 {
				return c.fail("an operator stands alone in its object; there are %d keys beside %s", v.size()-1, k)
			}
			c.push(k)
			defer c.pop()
			return c.operator(k, f)
		}
		c.push(k)
		if k == "" || strings.Contains(k, ".") || strings.ContainsRune(k, 0) {
			return c.fail("%q is no name of a field here", k)
		}
		w := c.expr(f)
		c.pop()
		_, is := w.(literal)
		constant = constant && is
		x.keys = append(x.keys, k)
		x.vals = append(x.vals, w)
	}
	if constant {
		o := newObject(len(x.keys))
		for i, k := range x.keys {
			o.add(k, x.vals[i].(literal).v)
		}
		return literal{objectOf(o)}
	}
	return x
}

func (c *compiler) operator(name string, arg Value) expr {
	op, ok := c.operators[name]
	switch {
	case refused[name]:
		return c.fail("%s is not supported: a pipeline runs no code", name)
	case !ok:
		return c.fail("unknown operator %s", name)
	case c.byQuery && comparisons[name] != nil:
		op.fn = compareAs(comparisons[name])
	case op.compile != nil:
		return op.compile(c, arg)
	}
	x := &call{name: name, path: c.at(), fn: op.fn}
	switch {
	case op.named != "":
		x.args = c.named(name, op.named, arg)
	case op.list:
		x.args = []expr{c.listOperand(arg)}
	default:
		x.args = c.positional(name, op, arg)
	}
	return x
}

// refused are the operators and stages that would run code or look at places.
var refused = map[string]bool{"$function": true, "$accumulator": true, "$where": true, "$geoNear": true}

// positional compiles the arguments of an operator that takes a list of them, or the only one
// as it is.
func (c *compiler) positional(name string, op operator, arg Value) []expr {
	list := []Value{arg}
	if arg.kind == Array && !(op.whole && arg.size() != 1) {
		list = arg.items()
	}
	if len(list) < op.min || op.max >= 0 && len(list) > op.max {
		c.fail("%s takes %s, not %d", name, arity(op.min, op.max), len(list))
		return nil
	}
	args := make([]expr, len(list))
	for i, x := range list {
		if len(list) > 1 {
			c.push(strconv.Itoa(i))
			args[i] = c.expr(x)
			c.pop()
		} else {
			args[i] = c.expr(x)
		}
	}
	return args
}

func arity(least, most int) string {
	switch {
	case most < 0:
		return strconv.Itoa(least) + " or more arguments"
	case least == most:
		return strconv.Itoa(least) + " argument(s)"
	}
	return strconv.Itoa(least) + " to " + strconv.Itoa(most) + " arguments"
}

// listOperand compiles the argument of an operator on one list: a list of one expression may
// be the argument or the list itself.
func (c *compiler) listOperand(arg Value) expr {
	if arg.kind == Array && arg.size() == 1 {
		x := &loneList{}
		c.push("0")
		x.inner = c.expr(arg.at(0))
		c.pop()
		return x
	}
	return c.expr(arg)
}

// loneList is [x]: x itself where that is a list, or nothing, else the list of x.
type loneList struct{ inner expr }

func (x *loneList) eval(e *env) Value {
	v := x.inner.eval(e)
	if v.kind == Array || v.nullish() {
		return v
	}
	return arrayOf([]Value{v})
}

// named compiles the arguments of an operator that takes an object of them. params names them
// in order; those that may be left out end in a question mark.
func (c *compiler) named(name, params string, arg Value) []expr {
	if arg.kind != Object {
		c.fail("%s takes an object", name)
		return nil
	}
	known := strings.Fields(params)
	args := make([]expr, len(known))
	for i, p := range known {
		key, optional := strings.CutSuffix(p, "?")
		known[i] = key
		f := arg.field(key)
		if f.kind == Missing {
			if !optional {
				c.fail("%s needs %q", name, key)
			}
			args[i] = literal{}
			continue
		}
		c.push(key)
		args[i] = c.expr(f)
		c.pop()
	}
	c.onlyKeys(name, arg, known...)
	return args
}

// onlyKeys refuses an object with keys that are not known.
func (c *compiler) onlyKeys(name string, arg Value, known ...string) {
	for k := range arg.fields() {
		if !slices.Contains(known, k) {
			c.push(k)
			c.fail("%s has no option %q", name, k)
			c.pop()
		}
	}
}

// reference compiles "$path" and "$$variable.path".
func (c *compiler) reference(s string) expr {
	name, isVar := strings.CutPrefix(s, "$$")
	if !isVar {
		path := splitPath(s[1:])
		switch {
		case path == nil:
			return c.fail("%q is no path", s)
		case len(path) == 1:
			return &topField{path[0].name, fieldPath{path, c.at()}}
		}
		return &fieldPath{path, c.at()}
	}
	name, rest, dotted := strings.Cut(name, ".")
	var path []step
	if dotted {
		if path = splitPath(rest); path == nil {
			return c.fail("%q is no path", s)
		}
	}
	for i := len(c.scope) - 1; i >= 0; i-- {
		if c.scope[i].name == name {
			return &variable{c.scope[i].slot, path, c.at()}
		}
	}
	switch name {
	case "ROOT":
		return &rootPath{path, c.at()}
	case "CURRENT", "this":
		return &fieldPath{path, c.at()}
	case "NOW":
		return nowValue{}
	case "REMOVE":
		return literal{}
	case "KEEP", "PRUNE", "DESCEND":
		return literal{text("$$" + name)}
	}
	return c.fail("unknown variable $$%s", name)
}
