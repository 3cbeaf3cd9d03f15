package aggregate

import (
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
)

// collection is another collection, read once a run, or a part of it.
type collection struct {
	docs   []Value
	byPath map[string]map[string][]int // a path's values to the places of documents
	held   int                         // bytes
}

// add adds a document that was read.
func (c *collection) add(r *run, path string, from, v Value) error {
	if v.kind == Missing {
		return errs.At(errs.InvalidInput, path, "a document of collection %s has no JSON form", clip(string(from.AppendJSON(nil))))
	}
	r.read(v)
	if err := r.step(1); err != nil {
		return err
	}
	if err := c.hold(r, path, weight(v)); err != nil {
		return err
	}
	c.docs = append(c.docs, v)
	return nil
}

func (c *collection) hold(r *run, path string, n int) error {
	c.held += n
	return r.hold(path, n)
}

// collection reads a collection.
func (r *run) collection(path string, from Value) (*collection, error) {
	key := string(appendKey(nil, from))
	if c, ok := r.cache[key]; ok {
		return c, nil
	}
	c := &collection{}
	if list, ok := r.write[from.str]; ok && from.kind == String {
		for _, d := range list {
			if err := c.add(r, path, from, ValueOf(d)); err != nil {
				return nil, err
			}
		}
	} else if r.source != nil {
		for v, err := range r.source(r.ctx, sourceName(from)) {
			if err == nil {
				err = c.add(r, path, from, v)
			}
			if err != nil {
				return nil, err
			}
		}
	} else {
		return nil, errs.At(errs.InvalidQuery, path, "there is no collection %s", clip(string(from.AppendJSON(nil))))
	}
	r.cache[key] = c
	return c, nil
}

// index gives the places of the documents by their values at a path: each member of a list
// counts, and a missing value is null.
func (c *collection) index(r *run, at, name string, path []step) (map[string][]int, error) {
	if x, ok := c.byPath[name]; ok {
		return x, nil
	}
	x := map[string][]int{}
	var key []byte
	held := 0
	for i, d := range c.docs {
		v := get(d, path)
		values := append([]Value{v}, v.items()...)
		for _, v := range values {
			if v.kind == Missing {
				v = null
			}
			key = appendKey(key[:0], v)
			l := x[string(key)]
			if len(l) == 0 || l[len(l)-1] != i {
				x[string(key)] = append(l, i)
				held += len(key) + 48
			}
		}
		if err := r.step(len(values)); err != nil {
			return nil, err
		}
	}
	if err := c.hold(r, at, held); err != nil {
		return nil, err
	}
	if c.byPath == nil {
		c.byPath = map[string]map[string][]int{}
	}
	c.byPath[name] = x
	return x, nil
}

// find gives the places of the documents that have one of the values, in order.
func find(index map[string][]int, v Value) []int {
	values := []Value{v}
	if v.kind == Array {
		values = append(slices.Clip(v.items()), v)
	}
	var at []int
	for _, v := range values {
		if v.kind == Missing {
			v = null
		}
		at = append(at, index[string(appendKey(nil, v))]...)
	}
	if len(values) > 1 {
		slices.Sort(at)
		at = slices.Compact(at)
	}
	return at
}

// from reads the name of a collection: a text or a number.
func (c *compiler) from(v Value, what string) Value {
	if v.kind != String && v.kind != Number || v.str == "" && v.kind == String {
		c.fail("%s must name a collection", what)
	}
	if name := sourceName(v); !slices.Contains(c.sources, name) {
		c.sources = append(c.sources, name)
	}
	return v
}

// sourceName is how a collection's name is given to a Source: as a string or a float64.
func sourceName(v Value) any {
	if v.kind == Number {
		return v.num
	}
	return v.str
}

// lookup is $lookup.
type lookup struct {
	path           string
	from           Value
	local, foreign []step
	foreignName    string
	lets           let
	pipeline       []stage
	as             []step
	once           bool // it runs once in a run of the whole
}

func compileLookup(c *compiler, arg Value) stage {
	s := &lookup{path: c.at(), once: !c.inSub && !c.inFacet}
	if !c.options("$lookup", arg, "from", "localField", "foreignField", "let", "pipeline", "as") {
		return s
	}
	c.push("from")
	s.from = c.from(arg.field("from"), "from")
	c.pop()
	c.push("as")
	s.as = c.fieldSteps(arg.field("as"), "as")
	c.pop()
	local, foreign := arg.field("localField"), arg.field("foreignField")
	pipeline := arg.field("pipeline")
	switch {
	case (local.kind == Missing) != (foreign.kind == Missing):
		c.fail("$lookup takes localField and foreignField together")
	case local.kind == Missing && pipeline.kind == Missing:
		c.fail("$lookup takes localField and foreignField, or a pipeline")
	case local.kind != Missing:
		s.local, s.foreign = c.fieldSteps(local, "localField"), c.fieldSteps(foreign, "foreignField")
		s.foreignName = foreign.str
	}
	outer := len(c.scope)
	s.lets = c.lets(arg.field("let"))
	if pipeline.kind != Missing {
		c.push("pipeline")
		s.pipeline = c.sub(pipeline)
		c.pop()
	}
	c.scope = c.scope[:outer]
	return s
}

// lets compiles the variables of a stage, which stay in the scope.
func (c *compiler) lets(v Value) let {
	x := let{}
	if v.kind == Missing {
		return x
	}
	if v.kind != Object {
		c.fail("let takes an object")
		return x
	}
	var names []string
	c.push("let")
	for k, f := range v.fields() {
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
	return x
}

// sub is an environment for a pipeline inside a stage, with the variables as they are.
func (e *env) sub() *env {
	e.step(len(e.vars) / 8)
	return &env{run: e.run, vars: slices.Clone(e.vars)}
}

func (s *lookup) run(e *env, in seq) seq {
	if s.searches(&e.run.settings) {
		return s.ahead(e, in)
	}
	return each(in, func(doc Value) (Value, bool, error) {
		c, err := e.run.collection(s.path, s.from)
		if err == nil {
			doc, err = s.join(e, c, doc)
		}
		return doc, true, err
	})
}

// join gives a document what belongs to it of the collection.
func (s *lookup) join(e *env, c *collection, doc Value) (Value, error) {
	docs := c.docs
	if s.foreign != nil {
		index, err := c.index(e.run, s.path, s.foreignName, s.foreign)
		if err != nil {
			return doc, err
		}
		places := find(index, get(doc, s.local))
		docs = make([]Value, len(places))
		for i, p := range places {
			docs[i] = c.docs[p]
		}
		if s.pipeline == nil {
			docs = unmatchedMember(docs, index, get(doc, s.local))
		} else {
			docs = lookupInput(c.docs, docs)
		}
	}
	if err := e.run.step(len(docs)); err != nil {
		return doc, err
	}
	if len(s.pipeline) > 0 {
		var err error
		if docs, err = s.through(e, doc, docs); err != nil {
			return doc, err
		}
	}
	found := arrayOf(docs)
	return setPath(doc, s.as, func(Value) Value { return found }), nil
}

// through runs the pipeline of the stage over what was found for a document.
func (s *lookup) through(e *env, doc Value, docs []Value) ([]Value, error) {
	e.on(doc)
	for i, x := range s.lets.vals {
		e.vars[s.lets.slots[i]] = x.eval(e)
	}
	if err := e.failure(); err != nil {
		return nil, err
	}
	docs, free, err := gather(e, s.path, chain(s.pipeline, e.sub(), of(docs)))
	if err != nil {
		return nil, err
	}
	free()
	return docs, nil
}

// graphLookup is $graphLookup.
type graphLookup struct {
	path        string
	from        Value
	start       expr
	connectFrom []step
	connectTo   []step
	toName      string
	as          []step
	maxDepth    int
	depth       []step
	restrict    matcher
}

func compileGraphLookup(c *compiler, arg Value) stage {
	s := &graphLookup{path: c.at(), maxDepth: -1}
	if !c.options("$graphLookup", arg, "from", "startWith", "connectFromField", "connectToField", "as", "maxDepth", "depthField", "restrictSearchWithMatch") {
		return s
	}
	s.from = c.from(arg.field("from"), "from")
	if arg.field("startWith").kind == Missing {
		c.fail("$graphLookup needs \"startWith\"")
	}
	c.push("startWith")
	s.start = c.expr(arg.field("startWith"))
	c.pop()
	s.connectFrom = c.fieldSteps(arg.field("connectFromField"), "connectFromField")
	s.connectTo = c.fieldSteps(arg.field("connectToField"), "connectToField")
	s.toName = arg.field("connectToField").str
	s.as = c.fieldSteps(arg.field("as"), "as")
	if v := arg.field("depthField"); v.kind != Missing {
		s.depth = c.fieldSteps(v, "depthField")
	}
	if v := arg.field("maxDepth"); v.kind != Missing {
		n, ok := v.whole()
		if !ok || n < 0 {
			c.fail("$graphLookup takes a whole number that is not negative as maxDepth")
		}
		s.maxDepth = int(min(n, 1<<31-1))
	}
	if v := arg.field("restrictSearchWithMatch"); v.kind != Missing {
		c.push("restrictSearchWithMatch")
		s.restrict = c.matcher(v)
		c.pop()
	}
	return s
}

func (s *graphLookup) run(e *env, in seq) seq {
	return each(in, func(doc Value) (Value, bool, error) {
		c, err := e.run.collection(s.path, s.from)
		if err != nil {
			return doc, false, err
		}
		index, err := c.index(e.run, s.path, s.toName, s.connectTo)
		if err != nil {
			return doc, false, err
		}
		start, err := e.value(s.start, doc)
		if err != nil {
			return doc, false, err
		}
		list, err := s.search(e, c, index, start)
		if err != nil {
			return doc, false, err
		}
		found := arrayOf(list)
		return setPath(doc, s.as, func(Value) Value { return found }), true, nil
	})
}

// search walks breadth first; each document is found once.
func (s *graphLookup) search(e *env, c *collection, index map[string][]int, start Value) ([]Value, error) {
	seen := map[int]bool{}
	asked := set{} // values that have been looked for
	list := []Value{}
	frontier := []Value{start}
	for depth := 0; len(frontier) > 0 && (s.maxDepth < 0 || depth <= s.maxDepth); depth++ {
		var next []Value
		for _, v := range frontier {
			key := string(appendKey(nil, v))
			if v.kind == Missing || asked[key] {
				continue
			}
			asked[key] = true
			places := find(index, v)
			if err := e.run.step(1 + v.size() + len(places)); err != nil {
				return nil, err
			}
			for _, i := range places {
				if seen[i] {
					continue
				}
				d := c.docs[i]
				if s.restrict != nil {
					e.on(d)
					ok := s.restrict.match(e, d)
					if err := e.failure(); err != nil {
						return nil, err
					}
					if !ok {
						continue
					}
				}
				seen[i] = true
				next = append(next, get(d, s.connectFrom))
				if s.depth != nil {
					n := number(float64(depth))
					d = setPath(d, s.depth, func(Value) Value { return n })
				}
				list = append(list, d)
			}
		}
		frontier = next
	}
	return list, nil
}

// unionWith is $unionWith.
type unionWith struct {
	path     string
	from     Value
	pipeline []stage
}

func compileUnionWith(c *compiler, arg Value) stage {
	s := &unionWith{path: c.at()}
	if arg.kind != Object {
		s.from = c.from(arg, "$unionWith")
		return s
	}
	if !c.options("$unionWith", arg, "coll", "pipeline") {
		return s
	}
	p := arg.field("pipeline")
	if s.from = arg.field("coll"); s.from.kind != Missing || p.kind == Missing {
		s.from = c.from(s.from, "coll")
	}
	if p.kind != Missing {
		c.push("pipeline")
		s.pipeline = c.sub(p)
		c.pop()
	}
	return s
}

func (s *unionWith) run(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		for v, err := range in {
			if !yield(v, err) || err != nil {
				return
			}
		}
		c := &collection{}
		if s.from.kind != Missing {
			var err error
			if c, err = e.run.collection(s.path, s.from); err != nil {
				yield(Value{}, err)
				return
			}
		}
		for v, err := range chain(s.pipeline, e.sub(), of(c.docs)) {
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
