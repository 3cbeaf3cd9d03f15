package aggregate

import (
	"slices"
	"sort"

	"github.com/siftdb/siftdb/internal/errs"
)

// fill is $fill.
type fill struct {
	windows
	outputs []filling
}

type filling struct {
	path   []step
	value  expr // or a method
	linear bool
}

func compileFill(c *compiler, arg Value) stage {
	s := &fill{windows: windows{path: c.at(), order: &ordering{}}}
	if !c.options("$fill", arg, "partitionBy", "partitionByFields", "sortBy", "output") {
		return s
	}
	if v := arg.field("partitionBy"); v.kind != Missing {
		c.push("partitionBy")
		s.by = c.expr(v)
		c.pop()
	}
	if v := arg.field("partitionByFields"); v.kind != Missing {
		if s.by != nil {
			c.fail("$fill takes partitionBy or partitionByFields, not both")
		}
		s.by = c.partitionFields(v)
	}
	if v := arg.field("sortBy"); v.kind != Missing {
		c.push("sortBy")
		s.order = c.ordering(v)
		c.pop()
	}
	output := arg.field("output")
	if output.kind != Object || output.size() == 0 {
		c.fail("$fill needs output, an object")
		return s
	}
	c.push("output")
	for k, f := range output.fields() {
		c.push(k)
		o := filling{path: c.fieldSteps(text(k), "a field")}
		value, method := f.field("value"), f.field("method")
		switch {
		case f.kind != Object || f.size() != 1:
			c.fail("$fill takes {value} or {method} for a field")
		case value.kind != Missing:
			o.value = c.expr(value)
		case method.str == "linear" || method.str == "locf":
			if o.linear = method.str == "linear"; len(s.order.keys) == 0 {
				c.fail("the method %s needs sortBy", method.str)
			}
		default:
			c.fail("$fill knows the methods linear and locf")
		}
		s.outputs = append(s.outputs, o)
		c.pop()
	}
	c.pop()
	return s
}

// partitionFields makes the fields that are named one expression.
func (c *compiler) partitionFields(v Value) expr {
	if v.kind != Array {
		return c.fail("partitionByFields takes a list of paths")
	}
	x := &objectExpr{path: c.at()}
	for _, f := range v.items() {
		path := c.fieldSteps(f, "partitionByFields")
		x.keys = append(x.keys, f.str)
		x.vals = append(x.vals, &fieldPath{path: path, at: c.at()})
	}
	return x
}

func (s *fill) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		parts, err := s.split(e, docs)
		if err != nil {
			return nil, err
		}
		before := e.kept
		defer func() { e.run.drop(e.kept - before) }()
		out := make([]Value, 0, len(docs))
		for _, p := range parts {
			for _, o := range s.outputs {
				values := inputs(e, p, s.path, &fieldPath{path: o.path, at: s.path})
				switch {
				case o.value != nil:
					for i, v := range values {
						if v.nullish() {
							e.on(p.docs[i])
							values[i] = o.value.eval(e)
						}
					}
				case o.linear:
					values = linearFill(e, p, s.path, values)
				default:
					values = carry(values)
				}
				if err := e.failure(); err != nil {
					return nil, err
				}
				for i, d := range p.docs {
					p.docs[i] = setPath(d, o.path, func(Value) Value { return values[i] })
				}
			}
			out = append(out, p.docs...)
		}
		return out, nil
	})
}

// densify is $densify.
type densify struct {
	path      string
	field     []step
	by        *objectExpr
	byPaths   [][]step
	step      float64
	unit      string
	from, to  Value
	partition bool
}

func compileDensify(c *compiler, arg Value) stage {
	s := &densify{path: c.at()}
	if !c.options("$densify", arg, "field", "partitionByFields", "range") {
		return s
	}
	s.field = c.fieldSteps(arg.field("field"), "field")
	if v := arg.field("partitionByFields"); v.kind != Missing {
		if x, ok := c.partitionFields(v).(*objectExpr); ok && len(x.keys) > 0 {
			s.by = x
			for _, k := range x.keys {
				s.byPaths = append(s.byPaths, splitPath(k))
			}
		}
	}
	r := arg.field("range")
	c.push("range")
	defer c.pop()
	if !c.options("range", r, "step", "unit", "bounds") {
		return s
	}
	if s.step = r.field("step").num; !(s.step > 0) {
		c.fail("a range takes a positive step")
	}
	if u := r.field("unit"); u.kind != Missing {
		if s.unit = u.str; unitMs[s.unit] == 0 && unitMonths[s.unit] == 0 || s.step != float64(int32(s.step)) {
			c.fail("a range takes a unit of time, and a whole step with it")
		}
	}
	switch b := r.field("bounds"); {
	case b.kind == String && b.str == "full":
	case b.kind == String && b.str == "partition":
		if s.partition = true; s.by == nil {
			c.fail("bounds by partition need partitionByFields")
		}
	case b.kind == Array && b.size() == 2 && b.at(0).kind == b.at(1).kind && (b.at(0).kind == Number || b.at(0).kind == Date) && b.at(0).num <= b.at(1).num:
		if s.from, s.to = b.at(0), b.at(1); (s.from.kind == Date) != (s.unit != "") {
			c.fail("a unit goes with bounds that are dates")
		}
	default:
		c.fail("bounds are full, partition, or two ascending numbers or dates")
	}
	return s
}

// next gives the n-th value from a start.
func (s *densify) next(start Value, n int) (Value, bool) {
	if s.unit == "" {
		return Value{kind: start.kind, num: start.num + float64(n)*s.step}, true
	}
	t, ok := shiftDate(start.time(), s.unit, int64(n)*int64(s.step))
	return dateOf(float64(t.UnixMilli())), ok
}

// dense is the documents of one partition: those that have the field, by its value.
type dense struct {
	id   Value
	rows []ranked
}

func (s *densify) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		var parts []*dense
		byKey := map[string]*dense{}
		var out []Value
		var least, most Value
		for i, d := range docs {
			v := get(d, s.field)
			switch {
			case v.nullish():
				out = append(out, d)
				continue
			case v.kind != Number && v.kind != Date, (v.kind == Date) != (s.unit != ""):
				return nil, errs.At(errs.InvalidQuery, s.path, "$densify takes numbers, or dates with a unit, not %s", typeName(v))
			}
			if least.kind == Missing || compare(v, least) < 0 {
				least = v
			}
			if most.kind == Missing || compare(v, most) > 0 {
				most = v
			}
			id := null
			if s.by != nil {
				var err error
				if id, err = e.value(s.by, d); err != nil {
					return nil, err
				}
			}
			k := string(appendKey(nil, id))
			if byKey[k] == nil {
				byKey[k] = &dense{id: id}
				parts = append(parts, byKey[k])
			}
			byKey[k].rows = append(byKey[k].rows, ranked{keys: []Value{v}, doc: d, at: i})
		}
		if s.from.kind != Missing {
			least, most = s.from, s.to
		}
		var rows []ranked
		held := 0
		defer func() { e.run.drop(held) }()
		for _, p := range parts {
			sort.SliceStable(p.rows, func(i, j int) bool { return compare(p.rows[i].keys[0], p.rows[j].keys[0]) < 0 })
			lo, hi := least, most
			if s.partition {
				lo, hi = p.rows[0].keys[0], p.rows[len(p.rows)-1].keys[0]
			}
			filled, err := s.between(e, p, lo, hi, &held)
			if err != nil {
				return nil, err
			}
			rows = append(rows, filled...)
		}
		slices.SortStableFunc(rows, func(a, b ranked) int { return compare(a.keys[0], b.keys[0]) })
		for _, r := range rows {
			out = append(out, r.doc)
		}
		return out, nil
	})
}

// between adds a document for each step from lo to hi that no document of the partition has;
// hi itself belongs to it unless it was given.
func (s *densify) between(e *env, p *dense, lo, hi Value, held *int) ([]ranked, error) {
	rows := p.rows
	at := 0
	for n := 0; ; n++ {
		v, ok := s.next(lo, n)
		c := compare(v, hi)
		if !ok || c > 0 || c == 0 && s.to.kind != Missing {
			break
		}
		for at < len(p.rows) && compare(p.rows[at].keys[0], v) < 0 {
			at++
		}
		if v.num == lo.num && n > 0 {
			return nil, errs.At(errs.InvalidQuery, s.path, "the step is too small for its range")
		}
		if err := e.run.step(1); err != nil {
			return nil, err
		}
		if at < len(p.rows) && compare(p.rows[at].keys[0], v) == 0 {
			continue
		}
		d := objectOf(newObject(2))
		for i, path := range s.byPaths {
			f := p.id.field(s.by.keys[i])
			d = setPath(d, path, func(Value) Value { return f })
		}
		d = setPath(d, s.field, func(Value) Value { return v })
		w := weight(d)
		*held += w
		if err := e.run.hold(s.path, w); err != nil {
			return nil, err
		}
		rows = append(rows, ranked{keys: []Value{v}, doc: d})
	}
	return rows, nil
}
