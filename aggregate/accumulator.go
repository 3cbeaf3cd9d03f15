package aggregate

import (
	"math"
	"slices"
	"strings"
)

// accumulator folds values into one. A result may be asked for between two values.
type accumulator interface {
	add(e *env, v Value)
	result(e *env) Value
}

// accumulatorFunc compiles an accumulator's argument. It is a line in the table.
type accumulatorFunc func(c *compiler, name string, arg Value) *accumulation

// accumulation is a compiled accumulator: arg gives the value for each document, n, where it is
// there, a count that is evaluated once a group.
type accumulation struct {
	name, path string
	arg        expr
	n          expr
	start      func(a *accumulation, n int) accumulator
}

// allAccumulators is the table of accumulators.
func allAccumulators() map[string]accumulatorFunc {
	return map[string]accumulatorFunc{
		"$sum":            folding(func(*accumulation, int) accumulator { return &sum{} }),
		"$avg":            folding(func(*accumulation, int) accumulator { return &average{} }),
		"$min":            folding(func(a *accumulation, _ int) accumulator { return &extreme{path: a.path, order: -1} }),
		"$max":            folding(func(a *accumulation, _ int) accumulator { return &extreme{path: a.path, order: 1} }),
		"$first":          folding(func(a *accumulation, _ int) accumulator { return &first{path: a.path} }),
		"$last":           folding(func(a *accumulation, _ int) accumulator { return &final{path: a.path} }),
		"$push":           folding(func(a *accumulation, _ int) accumulator { return &pushed{path: a.path} }),
		"$addToSet":       folding(func(a *accumulation, _ int) accumulator { return &distinct{path: a.path, seen: set{}} }),
		"$concatArrays":   folding(func(a *accumulation, _ int) accumulator { return &joined{pushed: pushed{path: a.path}} }),
		"$setUnion":       folding(func(a *accumulation, _ int) accumulator { return &joined{pushed: pushed{path: a.path}, seen: set{}} }),
		"$mergeObjects":   folding(func(a *accumulation, _ int) accumulator { return &merged{path: a.path, o: newObject(4)} }),
		"$stdDevPop":      folding(func(*accumulation, int) accumulator { return &deviation{} }),
		"$stdDevSamp":     folding(func(*accumulation, int) accumulator { return &deviation{sample: 1} }),
		"$covariancePop":  folding(func(*accumulation, int) accumulator { return &covariance{} }),
		"$covarianceSamp": folding(func(*accumulation, int) accumulator { return &covariance{sample: 1} }),
		"$count":          compileCount,
		"$firstN":         taking("input n", func(a *accumulation, n int) accumulator { return &leading{pushed{path: a.path}, n} }),
		"$lastN":          taking("input n", func(a *accumulation, n int) accumulator { return &trailing{pushed{path: a.path}, n} }),
		"$minN":           taking("input n", func(a *accumulation, n int) accumulator { return &best{path: a.path, n: n, order: 1} }),
		"$maxN":           taking("input n", func(a *accumulation, n int) accumulator { return &best{path: a.path, n: n, order: -1} }),
		"$top":            compileTop(false, false),
		"$topN":           compileTop(true, false),
		"$bottom":         compileTop(false, true),
		"$bottomN":        compileTop(true, true),
		"$median":         compilePercentile,
		"$percentile":     compilePercentile,
	}
}

// accumulation compiles {"$sum": x}.
func (c *compiler) accumulation(v Value) *accumulation {
	if v.kind != Object || v.size() != 1 {
		c.fail("an accumulator is an object with one key")
		return nil
	}
	for name, arg := range v.fields() {
		c.push(name)
		defer c.pop()
		if refused[name] {
			c.fail("%s is not supported: a pipeline runs no code", name)
			return nil
		}
		f, ok := c.accumulators[name]
		if !ok {
			c.fail("unknown accumulator %s", name)
			return nil
		}
		return f(c, name, arg)
	}
	return nil
}

// begin starts an accumulator for a group.
func (a *accumulation) begin(e *env, id, doc Value) accumulator {
	n := 1
	if a.n != nil {
		e.on(id)
		v := a.n.eval(e)
		if id.kind != Object || v.kind != Number {
			e.on(doc)
			v = a.n.eval(e)
		}
		w, ok := v.whole()
		if !ok || w < 1 {
			e.fail(a.path, "%s takes a positive whole n, not %s", a.name, clip(string(v.AppendJSON(nil))))
			w = 1
		}
		n = int(min(w, math.MaxInt32))
	}
	return a.start(a, n)
}

func folding(start func(*accumulation, int) accumulator) accumulatorFunc {
	return func(c *compiler, name string, arg Value) *accumulation {
		return &accumulation{name: name, path: c.at(), arg: c.expr(arg), start: start}
	}
}

func taking(params string, start func(*accumulation, int) accumulator) accumulatorFunc {
	return func(c *compiler, name string, arg Value) *accumulation {
		a := c.named(name, params, arg)
		if c.err != nil {
			return nil
		}
		return &accumulation{name: name, path: c.at(), arg: a[0], n: a[1], start: start}
	}
}

func compileCount(c *compiler, name string, arg Value) *accumulation {
	if arg.kind != Object || arg.size() != 0 {
		c.fail("$count takes an empty object")
	}
	return &accumulation{name: name, path: c.at(), arg: literal{number(1)}, start: func(*accumulation, int) accumulator { return &sum{} }}
}

type sum struct{ total float64 }

func (s *sum) add(_ *env, v Value) {
	if v.kind == Number {
		s.total += v.num
	}
}
func (s *sum) result(*env) Value { return number(s.total) }

type average struct {
	total float64
	n     int
}

func (s *average) add(_ *env, v Value) {
	if v.kind == Number {
		s.total += v.num
		s.n++
	}
}

func (s *average) result(*env) Value {
	if s.n == 0 {
		return null
	}
	return number(s.total / float64(s.n))
}

// replace keeps a value in the place of another.
func (e *env) replace(path string, old, v Value) Value {
	v = e.run.detach(v)
	e.keep(path, weight(v)-weight(old))
	return v
}

// extreme is $min with order -1, and $max. Without a path it does not count what it keeps.
type extreme struct {
	path  string
	order int
	v     Value
}

func (s *extreme) add(e *env, v Value) {
	switch {
	case v.nullish() || s.v.kind != Missing && compare(v, s.v)*s.order <= 0:
	case s.path == "":
		s.v = v
	default:
		s.v = e.replace(s.path, s.v, v)
	}
}

func (s *extreme) result(*env) Value {
	if s.v.kind == Missing {
		return null
	}
	return s.v
}

type first struct {
	path string
	v    Value
	is   bool
}

func (s *first) add(e *env, v Value) {
	if !s.is {
		s.v, s.is = e.replace(s.path, s.v, v), true
	}
}
func (s *first) result(*env) Value { return s.v }

type final struct {
	path string
	v    Value
}

func (s *final) add(e *env, v Value) { s.v = e.replace(s.path, s.v, v) }
func (s *final) result(*env) Value   { return s.v }

type pushed struct {
	path string
	list []Value
}

func (s *pushed) add(e *env, v Value) {
	if v.kind == Missing {
		v = null
	}
	s.list = append(s.list, e.retain(s.path, v))
}
func (s *pushed) result(*env) Value { return arrayOf(slices.Clip(s.list)) }

type distinct struct {
	path string
	seen set
	list []Value
	key  []byte
}

func (s *distinct) add(e *env, v Value) {
	if v.kind == Missing {
		v = null
	}
	s.key = appendKey(s.key[:0], v)
	if !s.seen[string(s.key)] {
		e.keep(s.path, len(s.key)+32)
		s.seen[string(s.key)] = true
		s.list = append(s.list, e.retain(s.path, v))
	}
}
func (s *distinct) result(*env) Value { return arrayOf(slices.Clip(s.list)) }

// joined is $concatArrays, and $setUnion where there is a set.
type joined struct {
	pushed
	seen set
	key  []byte
}

func (s *joined) add(e *env, v Value) {
	if v.nullish() {
		return
	}
	if v.kind != Array {
		e.fail(s.path, "takes lists, not %s", typeName(v))
		return
	}
	for _, x := range v.items() {
		if s.seen != nil {
			if s.key = appendKey(s.key[:0], x); s.seen[string(s.key)] {
				continue
			}
			e.keep(s.path, len(s.key)+32)
			s.seen[string(s.key)] = true
		}
		s.pushed.add(e, x)
	}
}

type merged struct {
	path string
	o    *object
}

func (s *merged) add(e *env, v Value) {
	if v.nullish() {
		return
	}
	if v.kind != Object {
		e.fail(s.path, "takes objects, not %s", typeName(v))
		return
	}
	for k, f := range v.fields() {
		old := s.o.get(k)
		if old.kind == Missing {
			e.keep(s.path, len(k)+valueSize)
			k = strings.Clone(k)
		}
		s.o.set(k, e.replace(s.path, old, f))
	}
}

func (s *merged) result(e *env) Value {
	e.step(len(s.o.keys))
	return objectOf(objectOf(s.o).own())
}

// deviation is Welford's.
type deviation struct {
	sample  int
	zero    bool // 0 for no numbers
	n       int
	mean, m float64
}

func (s *deviation) add(_ *env, v Value) {
	if v.kind == Number {
		s.n++
		d := v.num - s.mean
		s.mean += d / float64(s.n)
		s.m += d * (v.num - s.mean)
	}
}

func (s *deviation) result(*env) Value {
	if s.n == 0 && s.zero {
		return number(0)
	}
	if s.n-s.sample < 1 {
		return null
	}
	return number(math.Sqrt(s.m / float64(s.n-s.sample)))
}

type covariance struct {
	sample      int
	n           int
	meanX, mean float64
	c           float64
}

func (s *covariance) add(_ *env, v Value) {
	if v.kind != Array || v.size() != 2 {
		return
	}
	x, y := v.at(0), v.at(1)
	if x.kind != Number || y.kind != Number {
		return
	}
	s.n++
	dx := x.num - s.meanX
	s.meanX += dx / float64(s.n)
	s.mean += (y.num - s.mean) / float64(s.n)
	s.c += dx * (y.num - s.mean)
}

func (s *covariance) result(*env) Value {
	if s.n-s.sample < 1 {
		return null
	}
	return number(s.c / float64(s.n-s.sample))
}

type leading struct {
	pushed
	n int
}

func (s *leading) add(e *env, v Value) {
	if len(s.list) < s.n {
		s.pushed.add(e, v)
	}
}

type trailing struct {
	pushed
	n int
}

func (s *trailing) add(e *env, v Value) {
	s.pushed.add(e, v)
	if out := len(s.list) - s.n; out >= s.n+16 {
		for _, v := range s.list[:out] {
			e.keep(s.path, -weight(v))
		}
		s.list = append(s.list[:0:0], s.list[out:]...)
	}
}

func (s *trailing) result(*env) Value {
	return arrayOf(slices.Clone(s.list[max(len(s.list)-s.n, 0):]))
}
