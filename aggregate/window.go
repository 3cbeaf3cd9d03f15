package aggregate

import (
	"sort"

	"github.com/siftdb/siftdb/internal/errs"
)

// windowFunc compiles a window operator's argument. It is a line in the table.
type windowFunc func(c *compiler, w *windowField, arg Value) partitionFunc

// partitionFunc gives the operator's value for each document of a partition.
type partitionFunc func(e *env, p *partition, w *windowField) []Value

// windowField is a field of $setWindowFields.
type windowField struct {
	path    []step
	at      string
	name    string
	f       partitionFunc
	byRange bool
	given   bool // the window was given
	lo, hi  bound
	unit    string // of a range over dates, or empty
}

// bound is the end of a window: so many documents, or so much, from the current one.
type bound struct {
	open bool
	n    float64
}

// partition is the documents of one partition in order.
type partition struct {
	docs  []Value
	keys  []Value // by the first path of sortBy
	rows  []ranked
	order *ordering
}

// windows is $setWindowFields.
type windows struct {
	path   string
	by     expr
	order  *ordering
	fields []*windowField
}

func compileWindows(c *compiler, arg Value) stage {
	s := &windows{path: c.at(), order: &ordering{}}
	if !c.options("$setWindowFields", arg, "partitionBy", "sortBy", "output") {
		return s
	}
	if v := arg.field("partitionBy"); v.kind != Missing {
		c.push("partitionBy")
		s.by = c.expr(v)
		c.pop()
	}
	if v := arg.field("sortBy"); v.kind != Missing {
		c.push("sortBy")
		s.order = c.ordering(v)
		c.pop()
	}
	output := arg.field("output")
	if output.kind != Object {
		c.fail("$setWindowFields needs output, an object")
		return s
	}
	c.push("output")
	for k, f := range output.fields() {
		c.push(k)
		w := &windowField{path: c.fieldSteps(text(k), "a field")}
		s.window(c, w, f)
		s.fields = append(s.fields, w)
		c.pop()
	}
	c.pop()
	return s
}

// window compiles {operator: argument, window: …}.
func (s *windows) window(c *compiler, w *windowField, v Value) {
	w.lo.open, w.hi.open = true, true
	if v.kind != Object {
		c.fail("a window field is an object with an operator")
		return
	}
	for k, arg := range v.fields() {
		c.push(k)
		switch {
		case k == "window":
			s.bounds(c, w, arg)
		case w.name != "":
			c.fail("there are two operators, %s and %s", w.name, k)
		case refused[k]:
			c.fail("%s is not supported: a pipeline runs no code", k)
		default:
			w.name, w.at = k, c.at()
			if f, ok := c.windowFuncs[k]; ok {
				w.f = f(c, w, arg)
			} else if f, ok := c.accumulators[k]; ok {
				w.f = accumulating(f(c, k, arg))
			} else {
				c.fail("unknown window operator %s", k)
			}
		}
		c.pop()
	}
	if w.name == "" {
		c.fail("there is no operator")
	}
}

func (s *windows) bounds(c *compiler, w *windowField, v Value) {
	if v.kind == Object && v.size() == 0 {
		return
	}
	if !c.options("window", v, "documents", "range", "unit") {
		return
	}
	list := v.field("documents")
	if r := v.field("range"); r.kind != Missing {
		if list.kind != Missing {
			c.fail("a window has documents or a range, not both")
		}
		list, w.byRange = r, true
		if len(s.order.keys) != 1 {
			c.fail("a range needs sortBy with one path")
		}
	}
	w.given = true
	if u := v.field("unit"); u.kind != Missing {
		w.unit = u.str
		c.windowUnit(u)
		if !w.byRange {
			c.fail("a unit goes with a range")
		}
	}
	if list.kind != Array || list.size() != 2 {
		c.fail("a window has two ends")
		return
	}
	for i, b := range []*bound{&w.lo, &w.hi} {
		x := list.at(i)
		switch {
		case x.kind == String && x.str == "unbounded":
		case x.kind == String && x.str == "current":
			*b = bound{}
		case x.kind == Number && (w.byRange || x.num == float64(int32(x.num))):
			*b = bound{n: x.num}
		default:
			c.fail("the end of a window is a number, current or unbounded")
		}
	}
	if !w.lo.open && !w.hi.open && w.lo.n > w.hi.n {
		c.fail("the window ends before it begins")
	}
}

// windowUnit reads a unit of time, in ms. Months have no fixed length here.
func (c *compiler) windowUnit(v Value) float64 {
	if ms, ok := unitMs[v.str]; ok && v.kind == String {
		return float64(ms)
	}
	switch {
	case v.kind == String && v.str == "month":
		return 30 * 86400e3
	case v.kind == String && v.str == "quarter":
		return 91 * 86400e3
	case v.kind == String && v.str == "year":
		return 365 * 86400e3
	}
	c.fail("there is no unit %s", clip(string(v.AppendJSON(nil))))
	return 1
}

// span gives the places of the window of document i.
func (w *windowField) span(e *env, p *partition, i int) (lo, hi int) {
	n := len(p.docs)
	if !w.byRange {
		lo, hi = 0, n
		if !w.lo.open {
			lo = min(max(i+int(w.lo.n), 0), n)
		}
		if !w.hi.open {
			hi = min(max(i+int(w.hi.n)+1, 0), n)
		}
		return lo, max(hi, lo)
	}
	key := p.keys[i]
	end := func(b bound) float64 {
		if w.unit == "" {
			return key.num + b.n
		}
		t, ok := shiftDate(key.time(), w.unit, int64(b.n))
		if !ok || key.kind != Date {
			e.fail(w.at, "a unit goes with dates of a sensible range")
		}
		return float64(t.UnixMilli())
	}
	if key.kind != Number && key.kind != Date {
		e.fail(w.at, "a range needs numbers or dates in sortBy, not %s", typeName(key))
		return 0, 0
	}
	at := func(j int) float64 { return p.keys[j].num }
	lo, hi = 0, n
	if p.order.keys[0].desc {
		if !w.lo.open {
			lo = sort.Search(n, func(j int) bool { return at(j) <= end(bound{n: -w.lo.n}) })
		}
		if !w.hi.open {
			hi = sort.Search(n, func(j int) bool { return at(j) < end(bound{n: -w.hi.n}) })
		}
		return lo, max(hi, lo)
	}
	if !w.lo.open {
		least := end(w.lo)
		lo = sort.Search(n, func(j int) bool { return p.keys[j].kind >= key.kind && at(j) >= least })
	}
	if !w.hi.open {
		most := end(w.hi)
		hi = sort.Search(n, func(j int) bool { return p.keys[j].kind >= key.kind && at(j) > most })
	}
	return lo, max(hi, lo)
}

func (s *windows) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		parts, err := s.split(e, docs)
		if err != nil {
			return nil, err
		}
		out := make([]Value, 0, len(docs))
		for _, p := range parts {
			before := e.kept
			results := make([][]Value, len(s.fields))
			for i, w := range s.fields {
				results[i] = w.f(e, p, w)
				if err := e.failure(); err != nil {
					return nil, err
				}
			}
			for i, d := range p.docs {
				for j, w := range s.fields {
					d = setPath(d, w.path, func(Value) Value { return results[j][i] })
				}
				out = append(out, d)
			}
			e.run.drop(e.kept - before)
			if err := e.run.step(len(p.docs)); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// split sorts the documents and divides them into partitions, which follow each other as their
// first documents do.
func (s *windows) split(e *env, docs []Value) ([]*partition, error) {
	rows := make([]ranked, len(docs))
	for i, d := range docs {
		rows[i] = s.order.rank(d, i)
	}
	sort.SliceStable(rows, func(i, j int) bool { return s.order.compareKeys(rows[i].keys, rows[j].keys) < 0 })
	var parts []*partition
	byKey := map[string]*partition{}
	for _, r := range rows {
		id := null
		if s.by != nil {
			var err error
			if id, err = e.value(s.by, r.doc); err != nil {
				return nil, err
			}
			if id.kind == Array {
				return nil, errs.At(errs.InvalidQuery, s.path+".partitionBy", "partitionBy gives a list")
			}
			if id.kind == Missing {
				id = null
			}
		}
		k := string(appendKey(nil, id))
		p := byKey[k]
		if p == nil {
			p = &partition{order: s.order}
			byKey[k] = p
			parts = append(parts, p)
		}
		p.docs = append(p.docs, r.doc)
		p.rows = append(p.rows, r)
		if len(r.keys) > 0 {
			p.keys = append(p.keys, r.keys[0])
		} else {
			p.keys = append(p.keys, null)
		}
	}
	return parts, nil
}

// accumulating runs an accumulator over the window of each document. While a window only
// grows, it goes on from the one before.
func accumulating(a *accumulation) partitionFunc {
	return func(e *env, p *partition, w *windowField) []Value {
		values := make([]Value, len(p.docs))
		for i, d := range p.docs {
			e.on(d)
			values[i] = a.arg.eval(e)
			e.keep(w.at, weight(values[i]))
		}
		out := make([]Value, len(p.docs))
		var acc accumulator
		from, to, kept := 0, 0, 0
		var last Value
		for i := range p.docs {
			lo, hi := w.span(e, p, i)
			switch {
			case acc == nil || lo != from || hi < to:
				e.keep(w.at, -kept)
				acc, from, to, kept = a.begin(e, null, p.docs[i]), lo, lo, 0
			case hi == to:
				out[i] = last
				continue
			}
			before := e.kept
			for _, v := range values[to:hi] {
				acc.add(e, v)
			}
			kept += e.kept - before
			if !e.step(hi - to + 1) {
				return out
			}
			to = hi
			last = acc.result(e)
			if last.kind == Array {
				e.keep(w.at, valueSize*last.size())
				last = arrayOf(append([]Value(nil), last.items()...))
			}
			out[i] = last
		}
		return out
	}
}
