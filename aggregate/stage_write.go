package aggregate

import (
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
)

// target reads where $merge and $out write: a text, or {db, coll}.
func (c *compiler) target(v Value, name string) string {
	if v.kind == Object && c.options(name, v, "db", "coll") {
		v = v.field("coll")
	}
	if v.kind != String || v.str == "" {
		c.fail("%s takes the name of a collection", name)
	}
	c.writes = true
	return v.str
}

// put replaces a collection.
func (r *run) put(name string, docs []any) {
	if r.write == nil {
		r.write = map[string][]any{}
	}
	r.write[name] = docs
	delete(r.cache, string(appendKey(nil, text(name))))
}

type out struct{ name, path string }

func compileOut(c *compiler, arg Value) stage { return out{c.target(arg, "$out"), c.at()} }

func (s out) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		list := make([]any, len(docs))
		for i, d := range docs {
			list[i] = d.Go()
		}
		e.run.put(s.name, list)
		return docs, nil
	})
}

// merge is $merge.
type merge struct {
	path         string
	into         string
	on           []string
	matched      string
	pipeline     []stage // for whenMatched
	lets         let
	newSlot      int
	whenUnsought string
}

func compileMerge(c *compiler, arg Value) stage {
	s := &merge{path: c.at(), on: []string{"_id"}, matched: "merge", whenUnsought: "insert"}
	if arg.kind != Object {
		s.into = c.target(arg, "$merge")
		return s
	}
	if !c.options("$merge", arg, "into", "on", "let", "whenMatched", "whenNotMatched") {
		return s
	}
	c.push("into")
	s.into = c.target(arg.field("into"), "$merge")
	c.pop()
	switch on := arg.field("on"); on.kind {
	case Missing:
	case Array:
		s.on = nil
		for _, v := range on.items() {
			s.on = append(s.on, c.fieldName(v, "on"))
		}
	default:
		s.on = []string{c.fieldName(on, "on")}
	}
	outer := len(c.scope)
	s.lets = c.lets(arg.field("let"))
	s.newSlot = c.bind("new")
	switch m := arg.field("whenMatched"); m.kind {
	case Missing:
	case Array:
		c.push("whenMatched")
		s.matched, s.pipeline = "", c.sub(m)
		c.pop()
	default:
		if s.matched = m.str; !slices.Contains([]string{"replace", "keepExisting", "merge", "fail"}, s.matched) {
			c.fail("whenMatched takes replace, keepExisting, merge, fail or a pipeline")
		}
	}
	c.scope = c.scope[:outer]
	if m := arg.field("whenNotMatched"); m.kind != Missing {
		if s.whenUnsought = m.str; !slices.Contains([]string{"insert", "discard", "fail"}, s.whenUnsought) {
			c.fail("whenNotMatched takes insert, discard or fail")
		}
	}
	return s
}

// key gives what identifies a document.
func (s *merge) key(v Value) string {
	var key []byte
	for _, name := range s.on {
		f := get(v, splitPath(name))
		if f.kind == Missing {
			f = null
		}
		key = appendKey(key, f)
	}
	return string(key)
}

func (s *merge) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		was := e.run.write[s.into]
		target := make([]any, len(was), len(was)+len(docs))
		places := make(map[string]int, len(was))
		for i, d := range was {
			target[i] = d
			if k := s.key(ValueOf(d)); places[k] == 0 {
				places[k] = i + 1
			}
		}
		for _, d := range docs {
			k := s.key(d)
			i, ok := places[k]
			if !ok {
				switch s.whenUnsought {
				case "insert":
					places[k] = len(target) + 1
					target = append(target, d.Go())
				case "fail":
					return nil, errs.At(errs.InvalidQuery, s.path, "$merge finds no document to match in %q, by %s", s.into, strings.Join(s.on, ", "))
				}
				continue
			}
			v, err := s.combine(e, ValueOf(target[i-1]), d)
			if err != nil {
				return nil, err
			}
			target[i-1] = v.Go()
		}
		e.run.put(s.into, target)
		return docs, nil
	})
}

// combine gives the document that takes the place of a matched one.
func (s *merge) combine(e *env, old, fresh Value) (Value, error) {
	switch s.matched {
	case "replace":
		return fresh, nil
	case "keepExisting":
		return old, nil
	case "merge":
		o := old.own()
		for k, f := range fresh.fields() {
			o.set(k, f)
		}
		return objectOf(o), nil
	case "fail":
		return old, errs.At(errs.InvalidQuery, s.path, "$merge finds a matching document in %q, by %s", s.into, strings.Join(s.on, ", "))
	}
	e.on(fresh)
	for i, x := range s.lets.vals {
		e.vars[s.lets.slots[i]] = x.eval(e)
	}
	e.vars[s.newSlot] = fresh
	if err := e.failure(); err != nil {
		return old, err
	}
	for v, err := range chain(s.pipeline, e.sub(), of([]Value{old})) {
		return v, err
	}
	return old, nil
}
