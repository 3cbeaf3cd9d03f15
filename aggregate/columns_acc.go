package aggregate

import "slices"

// columnFold feeds one accumulator of all groups.
type columnFold struct {
	at     int
	arg    expr
	column int // -1 for a constant
	whole  bool
	kind   foldKind
	order  int // of an extreme

	value  Value // of a constant
	floats []float64
	are    []bool
	seen   []bool // of a way into a column, which values are evaluated
	values []Value

	totals []float64 // by group
	counts []int
	best   []uint32 // the number of the value that is the extreme; noBest for none
}

type foldKind int

const (
	foldAny foldKind = iota
	foldSum
	foldAverage
	foldExtreme
)

const noBest = ^uint32(0)

func (f *folder) newFold(a *accumulation, at int) *columnFold {
	c := &columnFold{at: at, arg: a.arg, column: -1}
	switch x := a.start(a, 1).(type) {
	case *sum:
		c.kind = foldSum
	case *average:
		c.kind = foldAverage
	case *extreme:
		c.kind, c.order = foldExtreme, x.order
	}
	switch x := a.arg.(type) {
	case literal:
		c.value = x.v
	case *fieldPath:
		c.column = slices.Index(f.names, x.path[1].name)
		if c.whole = len(x.path) == 2; c.whole {
			c.floats, c.are = f.cols.Floats(c.column)
		} else if n := f.cols.Len(c.column); f.room("pipeline", n, valueRoom) {
			c.floats, c.are, c.seen, c.values = make([]float64, n), make([]bool, n), make([]bool, n), make([]Value, n)
		}
	}
	return c
}

// valueOf returns the value of a number.
func (c *columnFold) valueOf(f *folder, code uint32) Value {
	if c.whole {
		return f.cols.Value(c.column, code)
	}
	c.see(f, code)
	return c.values[code]
}

// see evaluates a way into a column on a value.
func (c *columnFold) see(f *folder, code uint32) {
	if c.seen[code] {
		return
	}
	c.seen[code] = true
	f.once(f.document([]int{c.column}, []uint32{code}), func(Value) { c.values[code] = c.arg.eval(f.e) })
	c.floats[code], c.are[code] = c.values[code].num, c.values[code].kind == Number
}

// add feeds the documents of a chunk, whose groups are of.
func (c *columnFold) add(f *folder, of []uint32, codes [][]uint32) {
	if f.e.err != nil {
		return
	}
	for n := len(f.groups) - len(c.totals); n > 0; n-- {
		c.totals, c.counts, c.best = append(c.totals, 0), append(c.counts, 0), append(c.best, noBest)
	}
	if c.column < 0 {
		c.addConstant(f, of)
		return
	}
	column := codes[c.column][:len(of)]
	if !c.whole {
		for _, code := range column {
			c.see(f, code)
		}
	}
	switch c.kind {
	case foldSum:
		c.sum(of, column)
	case foldAverage:
		c.average(of, column)
	case foldExtreme:
		c.extreme(f, of, column)
	default:
		for i, code := range column {
			f.e.spent = 0
			f.groups[of[i]].accs[c.at].add(f.e, c.valueOf(f, code))
		}
	}
}

func (c *columnFold) addConstant(f *folder, of []uint32) {
	switch {
	case c.kind == foldSum && c.value.kind == Number:
		for _, g := range of {
			c.totals[g] += c.value.num
		}
	case c.kind != foldSum:
		c.kind = foldAny
		for _, g := range of {
			f.e.spent = 0
			f.groups[g].accs[c.at].add(f.e, c.value)
		}
	}
}

func (c *columnFold) sum(of, column []uint32) {
	for i, code := range column {
		if c.are[code] {
			c.totals[of[i]] += c.floats[code]
		}
	}
}

func (c *columnFold) average(of, column []uint32) {
	for i, code := range column {
		if c.are[code] {
			c.totals[of[i]] += c.floats[code]
			c.counts[of[i]]++
		}
	}
}

func (c *columnFold) extreme(f *folder, of, column []uint32) {
	for i, code := range column {
		g := of[i]
		best := c.best[g]
		if code == best {
			continue
		}
		if best != noBest && c.are[code] && c.are[best] && !(c.order > 0 && c.floats[code] > c.floats[best] || c.order < 0 && c.floats[code] < c.floats[best]) {
			continue
		}
		acc := f.groups[g].accs[c.at].(*extreme)
		v := c.valueOf(f, code)
		if v.nullish() || acc.v.kind != Missing && compare(v, acc.v)*acc.order <= 0 {
			continue
		}
		f.e.spent = 0
		acc.add(f.e, v)
		c.best[g] = code
	}
}

// finish hands the totals to the accumulators.
func (c *columnFold) finish(groups []*group) {
	for g, r := range groups {
		if r == nil || g >= len(c.totals) {
			continue
		}
		switch acc := r.accs[c.at].(type) {
		case *sum:
			acc.total = c.totals[g]
		case *average:
			if c.kind == foldAverage {
				acc.total, acc.n = c.totals[g], c.counts[g]
			}
		}
	}
}
