package aggregate

import (
	"github.com/siftdb/siftdb/internal/errs"
)

// expr is a compiled expression. An evaluation that fails says so in env.err and gives
// anything.
type expr interface {
	eval(e *env) Value
}

// env is what an expression is evaluated in: one document at a time.
type env struct {
	run   *run
	root  Value
	cur   Value
	vars  []Value
	stack []Value // arguments being evaluated
	spent int     // bytes made for this document
	kept  int     // bytes that accumulators keep
	err   error
}

// value evaluates an expression on a document.
func (e *env) value(x expr, doc Value) (Value, error) {
	e.on(doc)
	v := x.eval(e)
	return v, e.failure()
}

// on turns to a document.
func (e *env) on(doc Value) {
	e.root, e.cur = doc, doc
	e.spent = 0
}

// failure takes the error of the evaluations since the last call.
func (e *env) failure() error {
	err := e.err
	if err != nil {
		e.err = nil
		e.stack = e.stack[:0]
	}
	return err
}

// fail records the first error.
func (e *env) fail(path, format string, args ...any) Value {
	if e.err == nil {
		e.err = errs.At(errs.InvalidQuery, path, format, args...)
	}
	return Value{}
}

// step counts work inside an expression, and reports whether to go on.
func (e *env) step(n int) bool {
	if e.err == nil {
		e.err = e.run.step(n)
	}
	return e.err == nil
}

// spend counts bytes about to be made, and reports whether they may be.
func (e *env) spend(path string, n int) bool {
	e.spent += n
	if limit := e.run.limits.Memory; limit > 0 && e.spent > limit && e.err == nil {
		e.err = errs.At(errs.TooLarge, path, "an expression makes more than %d bytes for one document", limit)
	}
	return e.step(1 + n/valueSize)
}

// literal is a value known when the pipeline is compiled.
type literal struct{ v Value }

func (x literal) eval(*env) Value { return x.v }

// fieldPath is "$a.b".
type fieldPath struct {
	path []step
	at   string
}

func (x *fieldPath) eval(e *env) Value { return e.get(x.at, e.cur, x.path) }

// topField is "$a".
type topField struct {
	name string
	fieldPath
}

func (x *topField) eval(e *env) Value {
	if e.cur.kind == Object {
		return e.cur.field(x.name)
	}
	return x.fieldPath.eval(e)
}

// rootPath is "$$ROOT.a".
type rootPath struct {
	path []step
	at   string
}

func (x *rootPath) eval(e *env) Value { return e.get(x.at, e.root, x.path) }

// nowValue is "$$NOW", the same moment for a whole run.
type nowValue struct{}

func (nowValue) eval(e *env) Value { return dateOf(e.run.now) }

// variable is "$$name.a".
type variable struct {
	slot int
	path []step
	at   string
}

func (x *variable) eval(e *env) Value { return e.get(x.at, e.vars[x.slot], x.path) }

// objectExpr is an object of expressions.
type objectExpr struct {
	keys []string
	vals []expr
	path string
}

func (x *objectExpr) eval(e *env) Value {
	o := newObject(len(x.keys))
	if !e.spend(x.path, 72+len(x.keys)*valueSize) {
		return Value{}
	}
	for i, k := range x.keys {
		if v := x.vals[i].eval(e); v.kind != Missing {
			o.add(k, v)
		}
	}
	return e.fitting(x.path, objectOf(o))
}

// fitting gives the value, unless it is too large.
func (e *env) fitting(path string, v Value) Value {
	if v.deep > 1 && e.err == nil {
		e.err = e.run.fits(path, v)
	}
	return v
}

// arrayExpr is a list of expressions; a missing value in it is null.
type arrayExpr struct {
	items []expr
	path  string
}

func (x *arrayExpr) eval(e *env) Value {
	if !e.spend(x.path, 24+len(x.items)*valueSize) {
		return Value{}
	}
	list := make([]Value, len(x.items))
	for i, it := range x.items {
		if list[i] = it.eval(e); list[i].kind == Missing {
			list[i] = null
		}
	}
	return e.fitting(x.path, arrayOf(list))
}

// call is an operator with its arguments.
type call struct {
	name string
	path string
	fn   func(c *call, e *env, args []Value) Value
	args []expr
}

func (c *call) eval(e *env) Value {
	if e.err != nil {
		return Value{}
	}
	base := len(e.stack)
	large := 0
	for _, a := range c.args {
		v := a.eval(e)
		large += int(v.mass) + len(v.str)>>4 // operators read stored bytes faster
		e.stack = append(e.stack, v)
	}
	if large > 0 {
		e.step(large / valueSize)
	}
	if e.err != nil {
		e.stack = e.stack[:min(base, len(e.stack))]
		return Value{}
	}
	v := c.fn(c, e, e.stack[base:])
	e.stack = e.stack[:base]
	return v
}

// fail records an error at the operator's place.
func (c *call) fail(e *env, format string, args ...any) Value {
	return e.fail(c.path, c.name+" "+format, args...)
}

// list returns an array that the operator made.
func (c *call) list(e *env, a []Value) Value {
	if !e.spend(c.path, len(a)*valueSize) {
		return Value{}
	}
	return arrayOf(a)
}

// typeName names a value's type in a message.
func typeName(v Value) string {
	if v.kind == Missing {
		return "missing"
	}
	return bsonType(v)
}
