package aggregate

import (
	"slices"
	"sort"
	"strings"
)

// allStages is the table of stages.
func allStages() map[string]stageEntry {
	return map[string]stageEntry{
		"$match":           compileMatchStage,
		"$limit":           compileLimit,
		"$skip":            compileSkip,
		"$count":           compileCountStage,
		"$sample":          compileSample,
		"$documents":       compileDocuments,
		"$facet":           compileFacet,
		"$sort":            compileSort,
		"$unwind":          compileUnwind,
		"$project":         compileProject,
		"$addFields":       compileAddFields,
		"$set":             compileAddFields,
		"$unset":           compileUnset,
		"$replaceRoot":     compileReplaceRoot,
		"$replaceWith":     compileReplaceWith,
		"$redact":          compileRedact,
		"$group":           compileGroup,
		"$sortByCount":     compileSortByCount,
		"$bucket":          compileBucket,
		"$bucketAuto":      compileBucketAuto,
		"$setWindowFields": compileWindows,
		"$fill":            compileFill,
		"$densify":         compileDensify,
		"$lookup":          compileLookup,
		"$graphLookup":     compileGraphLookup,
		"$unionWith":       compileUnionWith,
		"$merge":           compileMerge,
		"$out":             compileOut,
	}
}

type matchStage struct {
	m    matcher
	arg  Value // what it was compiled from
	path string
}

func compileMatchStage(c *compiler, arg Value) stage { return matchStage{c.matcher(arg), arg, c.at()} }

func (s matchStage) run(e *env, in seq) seq {
	return each(in, func(v Value) (Value, bool, error) {
		e.on(v)
		ok := s.m.match(e, v)
		return v, ok, e.failure()
	})
}

type limit int

func compileLimit(c *compiler, arg Value) stage {
	n, ok := arg.whole()
	if !ok || n < 1 {
		c.fail("$limit takes a positive whole number")
	}
	return limit(min(n, 1<<31-1))
}

func (s limit) run(_ *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		n := 0
		for v, err := range in {
			n++
			if !yield(v, err) || err != nil || n == int(s) {
				return
			}
		}
	}
}

type skip int

func compileSkip(c *compiler, arg Value) stage {
	n, ok := arg.whole()
	if !ok || n < 0 {
		c.fail("$skip takes a whole number that is not negative")
	}
	return skip(min(n, 1<<31-1))
}

func (s skip) run(_ *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		n := 0
		for v, err := range in {
			if n++; err == nil && n <= int(s) {
				continue
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

type countStage string

func compileCountStage(c *compiler, arg Value) stage {
	if strings.Contains(arg.str, ".") {
		c.fail("$count takes a name without a dot")
	}
	return countStage(c.fieldName(arg, "$count"))
}

func (s countStage) run(_ *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		n := 0
		for _, err := range in {
			if err != nil {
				yield(Value{}, err)
				return
			}
			n++
		}
		if n > 0 {
			yield(s.result(n), nil)
		}
	}
}

func (s countStage) result(n int) Value {
	return objectOf(&object{keys: []string{string(s)}, vals: []Value{number(float64(n))}})
}

type documents struct{ x expr }

func compileDocuments(c *compiler, arg Value) stage { return documents{c.expr(arg)} }

func (s documents) run(e *env, _ seq) seq {
	return func(yield func(Value, error) bool) {
		v, err := e.value(s.x, Value{})
		if err == nil && v.kind != Array {
			e.fail("pipeline", "$documents takes a list of objects, not %s", typeName(v))
			err = e.failure()
		}
		if err != nil {
			yield(Value{}, err)
			return
		}
		of(v.items())(yield)
	}
}

type facet struct {
	names     []string
	pipelines [][]stage
	path      string
}

func compileFacet(c *compiler, arg Value) stage {
	s := &facet{path: c.at()}
	if c.inFacet {
		c.fail("$facet cannot stand inside $facet")
		return s
	}
	if arg.kind != Object || arg.size() == 0 {
		c.fail("$facet takes an object of pipelines")
		return s
	}
	c.inFacet = true
	for k, p := range arg.fields() {
		c.push(k)
		s.names = append(s.names, c.fieldName(text(k), "a facet"))
		s.pipelines = append(s.pipelines, c.sub(p))
		c.pop()
	}
	c.inFacet = false
	return s
}

func (s *facet) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		o := newObject(len(s.names))
		for i, p := range s.pipelines {
			list, free, err := gather(e, s.path, chain(p, e, of(docs)))
			if err != nil {
				return nil, err
			}
			defer free()
			o.set(s.names[i], arrayOf(list))
		}
		return []Value{objectOf(o)}, nil
	})
}

// sorter is $sort. Where only the best are wanted, no more are kept.
type sorter struct {
	order *ordering
	best  int
	path  string
}

func compileSort(c *compiler, arg Value) stage {
	return &sorter{order: c.ordering(arg), path: c.at()}
}

func (s *sorter) run(e *env, in seq) seq {
	if s.best > 0 && s.best < 1<<16 {
		return s.runBest(e, in)
	}
	return func(yield func(Value, error) bool) {
		var rows []ranked
		held := 0
		defer func() { e.run.drop(held) }()
		for v, err := range in {
			if err == nil {
				v = e.run.detach(v)
				w := weight(v) + 64 + valueSize*len(s.order.keys)
				held += w
				err = e.run.hold(s.path, w)
			}
			if err != nil {
				yield(Value{}, err)
				return
			}
			rows = append(rows, s.order.rank(v, len(rows)))
		}
		slices.SortFunc(rows, s.order.compare)
		for _, r := range rows {
			if !yield(r.doc, nil) {
				return
			}
		}
	}
}

// runBest keeps the best rows in a heap whose root is the worst of them.
func (s *sorter) runBest(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		var rows []ranked
		at, held := 0, 0
		defer func() { e.run.drop(held) }()
		room := make([]Value, len(s.order.keys))
		for v, err := range in {
			if err != nil {
				yield(Value{}, err)
				return
			}
			r := s.order.rankInto(room, v, at)
			at++
			if len(rows) == s.best && s.order.compare(r, rows[0]) > 0 {
				continue
			}
			if e.run.owns {
				v = e.run.detach(v)
				r = s.order.rankInto(room, v, r.at)
			}
			r.keys = slices.Clone(room)
			if len(rows) == s.best {
				w := weight(rows[0].doc)
				held -= w
				e.run.drop(w)
				rows[0] = r
				s.sink(rows)
			} else {
				rows = append(rows, r)
				s.rise(rows)
			}
			w := weight(v)
			held += w
			if err := e.run.hold(s.path, w); err != nil {
				yield(Value{}, err)
				return
			}
		}
		sort.Slice(rows, func(i, j int) bool { return s.order.compare(rows[i], rows[j]) < 0 })
		for _, r := range rows {
			if !yield(r.doc, nil) {
				return
			}
		}
	}
}

func (s *sorter) rise(rows []ranked) {
	for i := len(rows) - 1; i > 0; {
		up := (i - 1) / 2
		if s.order.compare(rows[i], rows[up]) <= 0 {
			return
		}
		rows[i], rows[up] = rows[up], rows[i]
		i = up
	}
}

func (s *sorter) sink(rows []ranked) {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(rows) {
			return
		}
		if child+1 < len(rows) && s.order.compare(rows[child+1], rows[child]) > 0 {
			child++
		}
		if s.order.compare(rows[child], rows[i]) <= 0 {
			return
		}
		rows[i], rows[child] = rows[child], rows[i]
		i = child
	}
}
