package aggregate

import (
	"slices"
	"strings"
)

// grouping is the accumulators of $group and its like.
type grouping struct {
	names []string
	accs  []*accumulation
	path  string
}

// fields compiles {name: {accumulator: argument}}.
func (g *grouping) fields(c *compiler, v Value) {
	if v.kind != Object {
		c.fail("the output is an object of accumulators")
		return
	}
	for k, f := range v.fields() {
		if k == "_id" {
			continue
		}
		c.push(k)
		if strings.ContainsAny(k, ".") {
			c.fail("%q is no name of a field here", k)
		}
		g.names = append(g.names, c.fieldName(text(k), "an accumulator's field"))
		g.accs = append(g.accs, c.accumulation(f))
		c.pop()
	}
}

// counting is the output {count: {$sum: 1}}.
func (g *grouping) counting(c *compiler) {
	g.names = []string{"count"}
	g.accs = []*accumulation{compileCount(c, "$count", objectOf(newObject(0)))}
}

// group is one group being folded.
type group struct {
	id   Value
	accs []accumulator
}

func (g *grouping) begin(e *env, id, doc Value) *group {
	r := &group{id: id, accs: make([]accumulator, len(g.accs))}
	for i, a := range g.accs {
		r.accs[i] = a.begin(e, id, doc)
	}
	e.keep(g.path, weight(id)+64+48*len(g.accs))
	return r
}

func (g *grouping) add(e *env, r *group, doc Value) {
	for i, a := range g.accs {
		e.on(doc)
		r.accs[i].add(e, a.arg.eval(e))
	}
}

func (g *grouping) result(e *env, r *group) Value {
	o := newObject(len(g.names) + 1)
	o.add("_id", r.id)
	for i, a := range r.accs {
		v := a.result(e)
		if v.kind == Missing {
			v = null
		}
		o.add(g.names[i], v)
	}
	return objectOf(o)
}

// groupStage is $group and $sortByCount.
type groupStage struct {
	grouping
	id      expr
	byCount bool
}

func compileGroup(c *compiler, arg Value) stage {
	s := &groupStage{grouping: grouping{path: c.at()}}
	id := arg.field("_id")
	if arg.kind != Object || id.kind == Missing {
		c.fail("$group takes an object with _id and accumulators")
		return s
	}
	c.push("_id")
	s.id = c.expr(id)
	c.pop()
	s.fields(c, arg)
	return s
}

func compileSortByCount(c *compiler, arg Value) stage {
	s := &groupStage{grouping: grouping{path: c.at()}, byCount: true}
	if arg.kind == String && !strings.HasPrefix(arg.str, "$") || arg.kind != String && arg.kind != Object {
		c.fail("$sortByCount takes an expression")
		return s
	}
	if likeReference {
		c.byQuery = true
		defer func() { c.byQuery = false }()
	}
	s.id = c.expr(arg)
	s.counting(c)
	return s
}

func (s *groupStage) run(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		groups := map[string]*group{}
		var list []*group
		var key []byte
		held := 0
		defer func() { e.run.drop(held) }()
		for v, err := range in {
			if err != nil {
				yield(Value{}, err)
				return
			}
			before := e.kept
			e.on(v)
			id := s.id.eval(e)
			if id.kind == Missing {
				id = null
			}
			key = appendKey(key[:0], id)
			g, ok := groups[string(key)]
			if !ok {
				e.keep(s.path, len(key)+32)
				g = s.begin(e, e.run.detach(id), v)
				groups[string(key)] = g
				list = append(list, g)
			}
			s.add(e, g, v)
			held += e.kept - before
			if err := e.failure(); err != nil {
				yield(Value{}, err)
				return
			}
		}
		groups = nil
		s.results(e, list, yield)
	}
}

// results yields what was folded.
func (s *groupStage) results(e *env, list []*group, yield func(Value, error) bool) {
	if s.byCount {
		slices.SortStableFunc(list, func(a, b *group) int { return compare(b.accs[0].result(e), a.accs[0].result(e)) })
	}
	for i, g := range list {
		list[i] = nil
		if !yield(s.result(e, g), nil) {
			return
		}
	}
}

// bucket is $bucket.
type bucket struct {
	grouping
	by         expr
	boundaries []Value
	other      Value
}

func compileBucket(c *compiler, arg Value) stage {
	s := &bucket{grouping: grouping{path: c.at()}}
	if !c.options("$bucket", arg, "groupBy", "boundaries", "default", "output") {
		return s
	}
	if arg.field("groupBy").kind == Missing {
		c.fail("$bucket needs \"groupBy\"")
	}
	c.push("groupBy")
	s.by = c.expr(arg.field("groupBy"))
	c.pop()
	c.push("boundaries")
	list, ok := c.expr(arg.field("boundaries")).(literal)
	if !ok || list.v.kind != Array || list.v.size() < 2 {
		c.fail("$bucket takes a list of at least two constants as boundaries")
		return s
	}
	s.boundaries = list.v.items()
	for i, b := range s.boundaries[1:] {
		if a := s.boundaries[i]; a.kind != b.kind || compare(a, b) >= 0 {
			c.fail("the boundaries must be of one type and ascend")
		}
	}
	c.pop()
	if d := arg.field("default"); d.kind != Missing {
		c.push("default")
		lit, ok := c.expr(d).(literal)
		lo, hi := s.boundaries[0], s.boundaries[len(s.boundaries)-1]
		if !ok || compare(lit.v, lo) >= 0 && compare(lit.v, hi) < 0 {
			c.fail("the default must be a constant outside of the boundaries")
		}
		s.other = lit.v
		c.pop()
	}
	s.output(c, arg)
	return s
}

// output compiles the option output, which by default counts.
func (g *grouping) output(c *compiler, arg Value) {
	c.push("output")
	if out := arg.field("output"); out.kind != Missing {
		g.fields(c, out)
	} else {
		g.counting(c)
	}
	c.pop()
}

func (s *bucket) run(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		groups := make([]*group, len(s.boundaries))
		held := 0
		defer func() { e.run.drop(held) }()
		for v, err := range in {
			if err != nil {
				yield(Value{}, err)
				return
			}
			before := e.kept
			e.on(v)
			x := s.by.eval(e)
			i, id := s.find(e, x)
			if groups[i] == nil {
				groups[i] = s.begin(e, id, v)
			}
			s.add(e, groups[i], v)
			held += e.kept - before
			if err := e.failure(); err != nil {
				yield(Value{}, err)
				return
			}
		}
		s.results(e, groups, yield)
	}
}

// find returns the bucket of a value.
func (s *bucket) find(e *env, x Value) (i int, id Value) {
	i = bucketOf(s.boundaries, x)
	if i >= 0 && i < len(s.boundaries)-1 {
		return i, s.boundaries[i]
	}
	if s.other.kind == Missing {
		e.fail(s.path, "a value is outside of the boundaries, and there is no default: %s", clip(string(x.AppendJSON(nil))))
	}
	return len(s.boundaries) - 1, s.other
}

// results yields what was folded, in the order of the buckets, of which some may be nil.
func (s *bucket) results(e *env, groups []*group, yield func(Value, error) bool) {
	last := groups[len(groups)-1]
	if last != nil && compare(s.other, s.boundaries[0]) < 0 {
		groups = append([]*group{last}, groups[:len(groups)-1]...)
	}
	for _, g := range groups {
		if g != nil && !yield(s.result(e, g), nil) {
			return
		}
	}
}
