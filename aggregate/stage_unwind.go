package aggregate

import (
	"math/rand/v2"
	"strings"
)

type unwind struct {
	path  []step
	index []step
	keep  bool
}

func compileUnwind(c *compiler, arg Value) stage {
	s := &unwind{}
	path := arg
	if arg.kind == Object {
		if !c.options("$unwind", arg, "path", "includeArrayIndex", "preserveNullAndEmptyArrays") {
			return s
		}
		path = arg.field("path")
		s.keep = arg.field("preserveNullAndEmptyArrays").truth()
		if v := arg.field("includeArrayIndex"); v.kind != Missing {
			c.push("includeArrayIndex")
			s.index = c.fieldSteps(v, "includeArrayIndex")
			c.pop()
		}
	}
	if path.kind != String || !strings.HasPrefix(path.str, "$") || strings.HasPrefix(path.str, "$$") || splitPath(path.str[1:]) == nil {
		c.fail("$unwind takes a path that begins with $")
		return s
	}
	s.path = splitPath(path.str[1:])
	return s
}

func (s *unwind) run(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		for v, err := range in {
			if err == nil {
				err = e.run.step(1)
			}
			if err != nil {
				yield(Value{}, err)
				return
			}
			if !s.expand(v, func(v Value) bool { return yield(v, nil) }) {
				return
			}
		}
	}
}

// expand yields a document for each member of the list.
func (s *unwind) expand(doc Value, yield func(Value) bool) bool {
	v := doc
	for _, p := range s.path {
		if v.kind == Array && p.index >= 0 && p.index < v.size() {
			v = v.at(p.index)
			continue
		}
		v = v.field(p.name)
	}
	switch {
	case v.kind == Array && v.size() > 0:
		for i := range v.size() {
			x := v.at(i)
			if !yield(s.numbered(setPath(doc, s.path, func(Value) Value { return x }), number(float64(i)))) {
				return false
			}
		}
	case v.kind == Array && s.keep:
		return yield(s.numbered(removePath(doc, s.path), null))
	case v.kind == Array || v.nullish() && !s.keep:
	default:
		return yield(s.numbered(doc, null))
	}
	return true
}

func (s *unwind) numbered(doc, i Value) Value {
	if s.index == nil {
		return doc
	}
	return setPath(doc, s.index, func(Value) Value { return i })
}

// sample is $sample: so many documents, each equally likely.
type sample struct {
	n    int
	path string
}

func compileSample(c *compiler, arg Value) stage {
	s := &sample{path: c.at()}
	if !c.options("$sample", arg, "size") {
		return s
	}
	n, ok := arg.field("size").whole()
	if !ok || n < 1 {
		c.fail("$sample takes a positive whole size")
	}
	s.n = int(min(n, 1<<31-1))
	return s
}

func (s *sample) run(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		var kept []Value
		seen, held := 0, 0
		defer func() { e.run.drop(held) }()
		for v, err := range in {
			if err != nil {
				yield(Value{}, err)
				return
			}
			i := len(kept)
			if seen++; i < s.n {
				kept = append(kept, Value{})
			} else if i = rand.IntN(seen); i >= s.n {
				continue
			}
			v = e.run.detach(v)
			w := weight(v)
			if kept[i].kind != Missing {
				w -= weight(kept[i])
			}
			held += w
			if err := e.run.hold(s.path, w); err != nil {
				yield(Value{}, err)
				return
			}
			kept[i] = v
		}
		rand.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
		of(kept)(yield)
	}
}
