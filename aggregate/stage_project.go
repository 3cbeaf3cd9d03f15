package aggregate

import (
	"strconv"
	"strings"
)

// projection is a $project, as a tree of field names.
type projection struct {
	root    *projected
	exclude bool
	path    string
}

// projected says what becomes of a field: it is kept or left out (leaf), computed (x), or its
// own fields are projected (names).
type projected struct {
	names    []string
	nodes    []*projected
	index    map[string]*projected // of many names
	leaf     bool
	keep     bool
	x        expr
	computes bool // it or a field of it is computed
	numbered bool // a name is a number, and may stand for a member of a list
}

func (p *projected) child(name string) *projected {
	if p.index != nil {
		return p.index[name]
	}
	for i, n := range p.names {
		if n == name {
			return p.nodes[i]
		}
	}
	return nil
}

func (p *projected) add(name string, n *projected) {
	p.names = append(p.names, name)
	p.nodes = append(p.nodes, n)
	p.numbered = p.numbered || indexOf(name) >= 0
	switch {
	case p.index != nil:
		p.index[name] = n
	case len(p.names) > linear:
		p.index = make(map[string]*projected)
		for i, k := range p.names {
			p.index[k] = p.nodes[i]
		}
	}
}

// member gives what becomes of the i-th member of a list, where a path names it by its number.
func (p *projected) member(i int) *projected {
	if !p.numbered {
		return nil
	}
	return p.child(strconv.Itoa(i))
}

// finish notes in the whole tree what is computed.
func (p *projected) finish() bool {
	p.computes = p.x != nil
	for _, n := range p.nodes {
		p.computes = n.finish() || p.computes
	}
	return p.computes
}

// projecting compiles a tree; it notes what it has seen outside _id.
type projecting struct {
	c                         *compiler
	included, excluded, fresh bool
	path                      []step // to the field being compiled
}

func compileProject(c *compiler, arg Value) stage {
	s := &projection{root: &projected{}, path: c.at()}
	if arg.kind != Object || arg.size() == 0 {
		c.fail("$project takes an object that is not empty")
		return s
	}
	p := &projecting{c: c}
	p.object(s.root, arg, true)
	s.exclude = p.excluded
	id := s.root.child("_id")
	switch {
	case p.excluded && p.included:
		c.fail("a projection either includes or excludes fields")
	case !p.included && !p.excluded && !p.fresh && id != nil && id.leaf && !id.keep:
		s.exclude = true
	case !s.exclude && id == nil:
		s.root.add("_id", &projected{leaf: true, keep: true})
	}
	s.root.finish()
	return s
}

func (p *projecting) object(node *projected, v Value, top bool) {
	c := p.c
	for k, f := range v.fields() {
		c.push(k)
		if strings.HasPrefix(k, "$") {
			c.fail("%q is no name of a field here", k)
			return
		}
		at := node
		path := c.fieldSteps(text(k), "a projection")
		outer := p.path
		p.path = append(outer[:len(outer):len(outer)], path...)
		for _, s := range path {
			next := at.child(s.name)
			if next == nil {
				next = &projected{}
				at.add(s.name, next)
			}
			if next.leaf || next.x != nil {
				c.fail("the projection names %s twice", k)
				return
			}
			at = next
		}
		if len(at.names) > 0 && (f.kind != Object || isOperator(f)) {
			c.fail("the projection names %s twice", k)
			return
		}
		p.field(at, f, top && k == "_id")
		p.path = outer
		c.pop()
	}
}

func isOperator(v Value) bool {
	for k := range v.fields() {
		return strings.HasPrefix(k, "$")
	}
	return false
}

func (p *projecting) field(at *projected, f Value, id bool) {
	switch {
	case f.kind == Number || f.kind == Bool:
		at.leaf, at.keep = true, f.truth()
		if !id {
			p.included = p.included || at.keep
			p.excluded = p.excluded || !at.keep
		} else if at.keep {
			p.fresh = true
		}
	case f.kind == Object && !isOperator(f):
		if f.size() == 0 {
			p.c.fail("an empty object projects nothing")
			return
		}
		p.object(at, f, false)
	case isOperator(f) && f.field("$elemMatch").kind != Missing:
		p.c.push("$elemMatch")
		at.x = firstMatch{p.path, p.c.elemMatch(f.field("$elemMatch"))}
		p.c.pop()
		p.fresh = true
	case isSlice(f.field("$slice")):
		n := f.field("$slice")
		if n.kind == Number {
			n = arrayOf([]Value{n})
		}
		args := []expr{&fieldPath{p.path, p.c.at()}}
		for _, x := range n.items() {
			args = append(args, literal{x})
		}
		at.x = &partOfField{call{name: "$slice", path: p.c.at(), fn: slice, args: args}}
		p.fresh = true
	default:
		at.x = p.c.expr(f)
		p.fresh = true
	}
}

// isSlice reports whether the argument of $slice has no list: then it is the field itself.
func isSlice(v Value) bool {
	return v.kind == Number || v.kind == Array && v.size() == 2 && v.at(0).kind == Number && v.at(1).kind == Number
}

// partOfField is $slice of the projected field, which stays as it is when it is no list.
type partOfField struct{ call }

func (x *partOfField) eval(e *env) Value {
	if v := x.args[0].eval(e); v.kind != Array {
		return v
	}
	return x.call.eval(e)
}

// firstMatch is $elemMatch of the projected field: its first member that passes, as a list.
type firstMatch struct {
	path []step
	m    elemMatch
}

func (x firstMatch) eval(e *env) Value {
	v := get(e.cur, x.path)
	for _, item := range v.items() {
		if x.m.passes(e, item) {
			return arrayOf([]Value{item})
		}
	}
	return Value{}
}

func (s *projection) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		e.on(v)
		out := v
		if s.exclude {
			out = exclude(e, s.root, v)
		} else {
			out = include(e, s.root, v)
		}
		return out, true, e.failure()
	})
}

// exclude leaves fields out, and computes others in their place.
func exclude(e *env, p *projected, v Value) Value {
	switch v.kind {
	case Array:
		list := make([]Value, 0, v.size())
		for i, x := range v.items() {
			if n := p.member(i); n == nil || !n.leaf {
				list = append(list, exclude(e, p, x))
			}
		}
		return arrayOf(list)
	case Object:
		o := newObject(v.size())
		for k, f := range v.fields() {
			switch n := p.child(k); {
			case n == nil || n.leaf && n.keep:
				o.add(k, f)
			case n.leaf || n.x != nil:
			default:
				o.add(k, exclude(e, n, f))
			}
		}
		compute(e, p, o)
		return objectOf(o)
	}
	return v
}

// include keeps the fields that are named, and computes others.
func include(e *env, p *projected, v Value) Value {
	switch v.kind {
	case Array:
		list := make([]Value, 0, v.size())
		for i, x := range v.items() {
			if n := p.member(i); n != nil && n.leaf {
				list = append(list, x)
			} else if x.kind == Object || x.kind == Array || p.computes {
				list = append(list, include(e, p, x))
			}
		}
		return arrayOf(list)
	case Object:
		o := newObject(len(p.names))
		includeFields(e, p, o, v)
		compute(e, p, o)
		return objectOf(o)
	}
	o := newObject(len(p.names))
	compute(e, p, o)
	return objectOf(o)
}

// includeFields adds the fields of an object that are named, in their order. Of a form that can
// tell its keys alone it reads no other field.
func includeFields(e *env, p *projected, o *object, v Value) {
	switch x := v.ref.(type) {
	case map[string]any:
		if len(x) <= len(p.names) {
			break
		}
		for i, k := range p.names {
			if f, ok := x[k]; ok {
				includeField(e, p.nodes[i], o, k, ValueOf(f))
			}
		}
		return
	case Lazy:
		for i := range x.Len() {
			k := x.Key(i)
			if n := p.child(k); n != nil {
				includeField(e, n, o, k, x.Field(k))
			}
		}
		return
	}
	for k, f := range v.fields() {
		if n := p.child(k); n != nil {
			includeField(e, n, o, k, f)
		}
	}
}

func includeField(e *env, n *projected, o *object, k string, f Value) {
	switch {
	case n.leaf && n.keep:
		o.add(k, f)
	case n.leaf || n.x != nil:
	case f.kind == Object || f.kind == Array:
		o.add(k, include(e, n, f))
	}
}

// compute adds the computed fields.
func compute(e *env, p *projected, o *object) {
	for i, n := range p.nodes {
		switch {
		case n.x != nil:
			o.set(p.names[i], n.x.eval(e))
		case !n.leaf && n.computes && o.get(p.names[i]).kind == Missing:
			sub := newObject(len(n.names))
			compute(e, n, sub)
			o.set(p.names[i], objectOf(sub))
		}
	}
}

// assignment is a field of $addFields.
type assignment struct {
	path []step
	x    expr
}

type addFields []assignment

func compileAddFields(c *compiler, arg Value) stage {
	s := &addFields{}
	if arg.kind != Object || arg.size() == 0 {
		c.fail("%s takes an object that is not empty", c.path[len(c.path)-1])
		return s
	}
	s.object(c, nil, arg)
	return s
}

func (s *addFields) object(c *compiler, prefix []step, v Value) {
	for k, f := range v.fields() {
		c.push(k)
		path := append(prefix[:len(prefix):len(prefix)], c.fieldSteps(text(k), "a field")...)
		if f.kind == Object && f.size() > 0 && !isOperator(f) {
			s.object(c, path, f)
		} else {
			*s = append(*s, assignment{path, c.expr(f)})
		}
		c.pop()
	}
}

func (s *addFields) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		out, err := s.apply(e, v)
		return out, true, err
	})
}

func (s *addFields) apply(e *env, v Value) (Value, error) {
	e.on(v)
	o := v.own()
	for _, a := range *s {
		x := a.x.eval(e)
		name := a.path[0].name
		if len(a.path) == 1 {
			o.set(name, x)
		} else if e.step(o.get(name).size()) {
			o.set(name, setPath(o.get(name), a.path[1:], func(Value) Value { return x }))
		}
	}
	return objectOf(o), e.failure()
}

type unset [][]step

func compileUnset(c *compiler, arg Value) stage {
	s := unset{}
	list := []Value{arg}
	if arg.kind == Array {
		list = arg.items()
	}
	if len(list) == 0 {
		c.fail("$unset takes at least one path")
	}
	for _, v := range list {
		s = append(s, c.fieldSteps(v, "$unset"))
	}
	return s
}

func (s unset) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		for _, p := range s {
			v = removePath(v, p)
			e.step(v.size())
		}
		return v, true, e.failure()
	})
}

// replaceRoot is $replaceRoot and $replaceWith.
type replaceRoot struct {
	x    expr
	path string
}

func compileReplaceRoot(c *compiler, arg Value) stage {
	a := c.named("$replaceRoot", "newRoot", arg)
	if c.err != nil {
		return nil
	}
	return replaceRoot{a[0], c.at()}
}

func compileReplaceWith(c *compiler, arg Value) stage { return replaceRoot{c.expr(arg), c.at()} }

func (s replaceRoot) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		e.on(v)
		out := s.x.eval(e)
		if out.kind != Object {
			e.fail(s.path, "the new root must be an object, not %s", typeName(out))
		}
		return out, true, e.failure()
	})
}

// redact is $redact.
type redact struct {
	x    expr
	path string
	last bool // a document that is removed leaves a null
}

func compileRedact(c *compiler, arg Value) stage { return &redact{x: c.expr(arg), path: c.at()} }

func (s *redact) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		e.on(v)
		out := s.level(e, v)
		if out.kind == Missing && s.last {
			return null, true, e.failure()
		}
		return out, out.kind != Missing, e.failure()
	})
}

// level decides on a document or a part of it.
func (s *redact) level(e *env, v Value) Value {
	e.cur = v
	switch d := s.x.eval(e); {
	case d.str == "$$KEEP":
		return v
	case d.str == "$$PRUNE":
		return Value{}
	case d.str != "$$DESCEND":
		return e.fail(s.path, "$redact takes $$KEEP, $$PRUNE or $$DESCEND, not %s", clip(string(d.AppendJSON(nil))))
	}
	o := newObject(v.size())
	for k, f := range v.fields() {
		if f = s.part(e, f); f.kind != Missing {
			o.add(k, f)
		}
	}
	return objectOf(o)
}

func (s *redact) part(e *env, v Value) Value {
	switch v.kind {
	case Object:
		if e.err != nil || !e.step(1) {
			return v
		}
		return s.level(e, v)
	case Array:
		list := []Value{}
		for _, x := range v.items() {
			if x = s.part(e, x); x.kind != Missing {
				list = append(list, x)
			}
		}
		return arrayOf(list)
	}
	return v
}
