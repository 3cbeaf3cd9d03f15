package aggregate

import "strings"

// bindingOperators evaluate an expression with variables of their own.
var bindingOperators = map[string]operator{
	"$let":    {compile: compileLet},
	"$map":    {compile: compileMap},
	"$filter": {compile: compileFilter},
	"$reduce": {compile: compileReduce},
}

// variableName checks the name of a variable that an operator makes.
func (c *compiler) variableName(s string) {
	if s == "" || strings.ContainsAny(s, ".$\x00") || s[0] >= 'A' && s[0] <= 'Z' && s != "CURRENT" {
		c.fail("%q is no name of a variable", s)
	}
}

type let struct {
	slots []int
	vals  []expr
	in    expr
}

func compileLet(c *compiler, arg Value) expr {
	vars := arg.field("vars")
	if !c.options("$let", arg, "vars", "in") {
		return literal{}
	}
	if arg.field("in").kind == Missing || vars.kind != Object {
		return c.fail("$let needs vars, an object, and in")
	}
	x := &let{}
	outer := len(c.scope)
	var names []string
	c.push("vars")
	for k, f := range vars.fields() {
		c.push(k)
		c.variableName(k)
		x.vals = append(x.vals, c.expr(f))
		names = append(names, k)
		c.pop()
	}
	c.pop()
	for _, k := range names {
		x.slots = append(x.slots, c.bind(k))
	}
	c.push("in")
	x.in = c.expr(arg.field("in"))
	c.pop()
	c.scope = c.scope[:outer]
	return x
}

func (x *let) eval(e *env) Value {
	for i, v := range x.vals {
		e.vars[x.slots[i]] = v.eval(e)
	}
	return x.in.eval(e)
}

// loop is what $map, $filter and $reduce share: an expression for each member of a list.
type loop struct {
	name, path  string
	input       expr
	slot, value int
	body        expr
	extra       expr
}

// compileLoop compiles {input, as, <body>}; as is the name of the member's variable.
func compileLoop(c *compiler, name string, arg Value, body string, others ...string) *loop {
	x := &loop{name: name, path: c.at(), value: -1}
	if !c.options(name, arg, append(others, "input", body)...) {
		return x
	}
	for _, key := range []string{"input", body} {
		if arg.field(key).kind == Missing {
			c.fail("%s needs %q", name, key)
		}
	}
	as := "this"
	if v := arg.field("as"); v.kind == String {
		as = v.str
		c.variableName(as)
	} else if v.kind != Missing {
		c.fail("%s takes a text as \"as\"", name)
	}
	c.push("input")
	x.input = c.expr(arg.field("input"))
	c.pop()
	outer := len(c.scope)
	x.slot = c.bind(as)
	if name == "$reduce" {
		x.value = c.bind("value")
	}
	c.push(body)
	x.body = c.expr(arg.field(body))
	c.pop()
	c.scope = c.scope[:outer]
	return x
}

// list evaluates the input; ok is false where it is null or no list.
func (x *loop) list(e *env) ([]Value, bool) {
	v := x.input.eval(e)
	switch {
	case v.nullish() || e.err != nil:
		return nil, false
	case v.kind != Array:
		e.fail(x.path, "%s takes a list, not %s", x.name, typeName(v))
		return nil, false
	}
	return v.items(), e.spend(x.path, v.size()*valueSize)
}

type mapping struct{ *loop }

func compileMap(c *compiler, arg Value) expr {
	return mapping{compileLoop(c, "$map", arg, "in", "as")}
}

func (x mapping) eval(e *env) Value {
	list, ok := x.list(e)
	if !ok {
		return null
	}
	out := make([]Value, len(list))
	for i, v := range list {
		e.vars[x.slot] = v
		if out[i] = x.body.eval(e); out[i].kind == Missing {
			out[i] = null
		}
		if !e.step(1) {
			return null
		}
	}
	return e.fitting(x.path, arrayOf(out))
}

type filter struct{ *loop }

func compileFilter(c *compiler, arg Value) expr {
	x := filter{compileLoop(c, "$filter", arg, "cond", "as", "limit")}
	if l := arg.field("limit"); l.kind != Missing && c.err == nil {
		c.push("limit")
		x.extra = c.expr(l)
		c.pop()
	}
	return x
}

func (x filter) eval(e *env) Value {
	list, ok := x.list(e)
	if !ok {
		return null
	}
	most := len(list)
	if x.extra != nil {
		if v := x.extra.eval(e); !v.nullish() {
			n, ok := v.whole()
			if !ok || n < 1 {
				return e.fail(x.path, "$filter takes a positive whole limit, not %s", clip(string(v.AppendJSON(nil))))
			}
			most = int(min(n, int64(most)))
		}
	}
	out := []Value{}
	for _, v := range list {
		if len(out) == most {
			break
		}
		e.vars[x.slot] = v
		if x.body.eval(e).truth() {
			out = append(out, v)
		}
		if !e.step(1) {
			return null
		}
	}
	return arrayOf(out)
}

type reduction struct{ *loop }

func compileReduce(c *compiler, arg Value) expr {
	start := arg.field("initialValue")
	if start.kind == Missing && arg.kind == Object {
		return c.fail("$reduce needs \"initialValue\"")
	}
	c.push("initialValue")
	first := c.expr(start)
	c.pop()
	x := reduction{compileLoop(c, "$reduce", arg, "in", "initialValue")}
	x.extra = first
	return x
}

func (x reduction) eval(e *env) Value {
	list, ok := x.list(e)
	if !ok {
		return null
	}
	v := x.extra.eval(e)
	for _, item := range list {
		e.vars[x.slot], e.vars[x.value] = item, v
		if v = e.fitting(x.path, x.body.eval(e)); !e.step(1) {
			return null
		}
	}
	return v
}
