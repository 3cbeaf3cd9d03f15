package aggregate

import "strconv"

// lazyOperators evaluate only the arguments that they need.
var lazyOperators = map[string]operator{
	"$and":     {compile: compileAnd},
	"$or":      {compile: compileOr},
	"$cond":    {compile: compileCond},
	"$ifNull":  {compile: compileIfNull},
	"$switch":  {compile: compileSwitch},
	"$literal": {compile: func(_ *compiler, arg Value) expr { return literal{arg} }},
}

// list compiles the members of a list, or the only argument.
func (c *compiler) list(arg Value) []expr {
	return c.positional("", operator{max: -1}, arg)
}

// junction is $and, and $or with its results turned around.
type junction struct {
	args []expr
	or   bool
}

func compileAnd(c *compiler, arg Value) expr { return &junction{c.list(arg), false} }
func compileOr(c *compiler, arg Value) expr  { return &junction{c.list(arg), true} }

func (x *junction) eval(e *env) Value {
	for _, a := range x.args {
		if a.eval(e).truth() == x.or {
			return boolean(x.or)
		}
	}
	return boolean(!x.or)
}

type condition struct{ test, then, other expr }

func compileCond(c *compiler, arg Value) expr {
	var a []expr
	if arg.kind == Object {
		a = c.named("$cond", "if then else", arg)
	} else {
		a = c.positional("$cond", operator{min: 3, max: 3}, arg)
	}
	if c.err != nil {
		return literal{}
	}
	return &condition{a[0], a[1], a[2]}
}

func (x *condition) eval(e *env) Value {
	if x.test.eval(e).truth() {
		return x.then.eval(e)
	}
	return x.other.eval(e)
}

type ifNull struct{ args []expr }

func compileIfNull(c *compiler, arg Value) expr {
	return &ifNull{c.positional("$ifNull", operator{min: 1, max: -1}, arg)}
}

func (x *ifNull) eval(e *env) Value {
	var v Value
	for _, a := range x.args {
		if v = a.eval(e); !v.nullish() {
			return v
		}
	}
	return v
}

type branches struct {
	path  string
	tests []expr
	then  []expr
	other expr
}

func compileSwitch(c *compiler, arg Value) expr {
	x := &branches{path: c.at()}
	list := arg.field("branches")
	if !c.options("$switch", arg, "branches", "default") {
		return literal{}
	}
	if list.kind != Array || list.size() == 0 {
		return c.fail("$switch needs a list of branches")
	}
	c.push("branches")
	for i, b := range list.items() {
		c.push(strconv.Itoa(i))
		if a := c.named("a branch of $switch", "case then", b); c.err == nil {
			x.tests, x.then = append(x.tests, a[0]), append(x.then, a[1])
		}
		c.pop()
	}
	c.pop()
	if d := arg.field("default"); d.kind != Missing {
		c.push("default")
		x.other = c.expr(d)
		c.pop()
	}
	return x
}

func (x *branches) eval(e *env) Value {
	for i, t := range x.tests {
		if t.eval(e).truth() {
			return x.then[i].eval(e)
		}
	}
	if x.other == nil {
		return e.fail(x.path, "$switch has no branch for the document, and no default")
	}
	return x.other.eval(e)
}
