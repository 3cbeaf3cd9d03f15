package aggregate

import (
	"slices"
	"sort"
)

// best keeps the n values that come first in an order: $minN, and $maxN with order -1.
type best struct {
	path  string
	n     int
	order int
	list  []Value
}

func (s *best) add(e *env, v Value) {
	if v.nullish() {
		return
	}
	i := sort.Search(len(s.list), func(i int) bool { return s.order*compare(s.list[i], v) > 0 })
	if i == s.n {
		return
	}
	if len(s.list) == s.n {
		e.keep(s.path, -weight(s.list[s.n-1]))
		s.list = s.list[:s.n-1]
	}
	s.list = slices.Insert(s.list, i, e.retain(s.path, v))
}
func (s *best) result(*env) Value { return arrayOf(slices.Clone(s.list)) }

// topArg gives the sort keys of a document and the output, as one list.
type topArg struct {
	order  *ordering
	output expr
}

func (x *topArg) eval(e *env) Value {
	list := make([]Value, 0, len(x.order.keys)+1)
	for _, k := range x.order.keys {
		list = append(list, k.of(e.cur))
	}
	v := x.output.eval(e)
	if v.kind == Missing {
		v = null
	}
	return arrayOf(append(list, v))
}

// compileTop compiles $top, $topN, $bottom and $bottomN.
func compileTop(many, bottom bool) accumulatorFunc {
	return func(c *compiler, name string, arg Value) *accumulation {
		known := []string{"sortBy", "output"}
		if many {
			known = append(known, "n")
		}
		if !c.options(name, arg, known...) {
			return nil
		}
		x := &topArg{}
		c.push("sortBy")
		x.order = c.ordering(arg.field("sortBy"))
		c.pop()
		a := &accumulation{name: name, path: c.at(), arg: x}
		for _, key := range known[1:] {
			f := arg.field(key)
			if f.kind == Missing {
				c.fail("%s needs %q", name, key)
			}
			c.push(key)
			if key == "n" {
				a.n = c.expr(f)
			} else {
				x.output = c.expr(f)
			}
			c.pop()
		}
		order := x.order
		a.start = func(a *accumulation, n int) accumulator {
			return &top{path: a.path, n: n, order: order, bottom: bottom}
		}
		return a
	}
}

// top keeps the n outputs that come first, or last with bottom.
type top struct {
	path   string
	n      int
	order  *ordering
	bottom bool
	rows   []Value // lists of the keys and the output
}

func (s *top) add(e *env, v Value) {
	row := v.items()
	i := sort.Search(len(s.rows), func(i int) bool { return s.order.compareKeys(s.rows[i].items(), row) > 0 })
	full := len(s.rows) >= s.n
	switch {
	case full && !s.bottom && i == s.n, full && s.bottom && i == 0:
		return
	case full && s.bottom:
		e.keep(s.path, -weight(s.rows[0]))
		s.rows = slices.Delete(s.rows, 0, 1)
		i--
	case full:
		e.keep(s.path, -weight(s.rows[s.n-1]))
		s.rows = s.rows[:s.n-1]
	}
	s.rows = slices.Insert(s.rows, i, e.retain(s.path, v))
}

func (s *top) result(*env) Value {
	list := make([]Value, len(s.rows))
	for i, r := range s.rows {
		row := r.items()
		list[i] = row[len(row)-1]
	}
	return arrayOf(list)
}

// compilePercentile compiles $median and $percentile.
func compilePercentile(c *compiler, name string, arg Value) *accumulation {
	params := "input method"
	if name == "$percentile" {
		params += " p"
	}
	a := c.named(name, params, arg)
	if c.err != nil {
		return nil
	}
	p := []float64{0.5}
	if name == "$percentile" {
		lit, ok := a[2].(literal)
		if !ok {
			c.fail("$percentile takes a constant list as p")
			return nil
		}
		if p, ok = fractions(lit.v); !ok {
			c.fail("$percentile takes a list of numbers from 0 to 1 as p")
			return nil
		}
	}
	return &accumulation{name: name, path: c.at(), arg: a[0], start: func(a *accumulation, _ int) accumulator {
		return &percentiles{path: a.path, p: p, one: name == "$median"}
	}}
}

func fractions(v Value) ([]float64, bool) {
	if v.kind != Array || v.size() == 0 {
		return nil, false
	}
	var p []float64
	for _, x := range v.items() {
		if x.kind != Number || !(x.num >= 0 && x.num <= 1) {
			return nil, false
		}
		p = append(p, x.num)
	}
	return p, true
}

type percentiles struct {
	path string
	p    []float64
	one  bool
	list []float64
}

func (s *percentiles) add(e *env, v Value) {
	if v.kind == Number {
		e.keep(s.path, 8)
		s.list = append(s.list, v.num)
	}
}

func (s *percentiles) result(e *env) Value {
	e.step(len(s.list))
	sorted := sortForPercentile(s.list)
	out := make([]Value, len(s.p))
	for i, p := range s.p {
		out[i] = percentile(sorted, p)
	}
	if s.one {
		return out[0]
	}
	return arrayOf(out)
}
