package aggregate

import "math"

// allWindows is the table of the operators that only $setWindowFields has.
func allWindows() map[string]windowFunc {
	return map[string]windowFunc{
		"$rank":           ranking(func(i, _ int, same int) int { return i - same + 1 }),
		"$denseRank":      ranking(func(_, distinct, _ int) int { return distinct }),
		"$documentNumber": ranking(func(i, _, _ int) int { return i + 1 }),
		"$shift":          compileShift,
		"$expMovingAvg":   compileMovingAverage,
		"$derivative":     compileChange(derivative),
		"$integral":       compileChange(integral),
		"$linearFill":     compileLinearFill,
		"$locf":           compileCarry,
		"$minMaxScaler":   compileScaler,
	}
}

// inputs evaluates an expression on each document.
func inputs(e *env, p *partition, at string, x expr) []Value {
	list := make([]Value, len(p.docs))
	for i, d := range p.docs {
		e.on(d)
		list[i] = x.eval(e)
		e.keep(at, weight(list[i]))
	}
	return list
}

// ranking is an operator that numbers documents by their place, how many distinct keys there
// have been, and how many documents before have the same keys.
func ranking(f func(i, distinct, same int) int) windowFunc {
	return func(c *compiler, w *windowField, arg Value) partitionFunc {
		if arg.kind != Object || arg.size() != 0 {
			c.fail("%s takes an empty object", w.name)
		}
		return func(_ *env, p *partition, _ *windowField) []Value {
			out := make([]Value, len(p.docs))
			distinct, same := 0, 0
			for i := range p.docs {
				if i > 0 && p.order.compareKeys(p.rows[i-1].keys, p.rows[i].keys) == 0 {
					same++
				} else {
					distinct, same = distinct+1, 0
				}
				out[i] = number(float64(f(i, distinct, same)))
			}
			return out
		}
	}
}

func compileShift(c *compiler, w *windowField, arg Value) partitionFunc {
	if !c.options("$shift", arg, "output", "by", "default") {
		return nil
	}
	by, ok := arg.field("by").whole()
	if !ok || by > math.MaxInt32 || by < math.MinInt32 || arg.field("output").kind == Missing {
		c.fail("$shift needs output and by, a whole number")
	}
	x := c.expr(arg.field("output"))
	other := expr(literal{null})
	if d := arg.field("default"); d.kind != Missing {
		other = c.expr(d)
	}
	return func(e *env, p *partition, w *windowField) []Value {
		values := inputs(e, p, w.at, x)
		out := make([]Value, len(values))
		for i := range out {
			if j := i + int(by); j >= 0 && j < len(values) {
				out[i] = values[j]
				continue
			}
			e.on(p.docs[i])
			out[i] = other.eval(e)
		}
		return out
	}
}

func compileMovingAverage(c *compiler, w *windowField, arg Value) partitionFunc {
	if !c.options("$expMovingAvg", arg, "input", "N", "alpha") {
		return nil
	}
	n, alpha := arg.field("N"), arg.field("alpha").num
	if n.kind != Missing {
		k, ok := n.whole()
		if !ok || k < 1 || arg.field("alpha").kind != Missing {
			c.fail("$expMovingAvg takes N, a positive whole number, or alpha")
		}
		alpha = 2 / (n.num + 1)
	} else if !(alpha > 0 && alpha < 1) {
		c.fail("$expMovingAvg takes an alpha between 0 and 1, or N")
	}
	c.push("input")
	x := c.expr(arg.field("input"))
	c.pop()
	return func(e *env, p *partition, w *windowField) []Value {
		out := inputs(e, p, w.at, x)
		last := null
		for i, v := range out {
			if v.kind == Number {
				if last.kind == Number {
					v = number(alpha*v.num + (1-alpha)*last.num)
				}
				last = v
			}
			out[i] = last
		}
		return out
	}
}

// compileChange compiles $derivative and $integral: {input, unit} over a window.
func compileChange(f func(keys, values []Value, unit float64) Value) windowFunc {
	return func(c *compiler, w *windowField, arg Value) partitionFunc {
		if !c.options(w.name, arg, "input", "unit") {
			return nil
		}
		if arg.field("input").kind == Missing {
			c.fail("%s needs \"input\"", w.name)
		}
		c.push("input")
		x := c.expr(arg.field("input"))
		c.pop()
		unit := 1.0
		if u := arg.field("unit"); u.kind != Missing {
			unit = c.windowUnit(u)
		}
		return func(e *env, p *partition, w *windowField) []Value {
			values := inputs(e, p, w.at, x)
			keys := make([]Value, len(p.keys))
			for i, k := range p.keys {
				if k.kind != Number && k.kind != Date {
					e.fail(w.at, "%s needs numbers or dates in sortBy, not %s", w.name, typeName(k))
					return nil
				}
				keys[i] = k
			}
			out := make([]Value, len(values))
			for i := range out {
				lo, hi := w.span(e, p, i)
				if !e.step(hi - lo + 1) {
					return nil
				}
				out[i] = f(keys[lo:hi], values[lo:hi], unit)
			}
			return out
		}
	}
}

// derivative is the slope from the first document of the window to the last.
func derivative(keys, values []Value, unit float64) Value {
	n := len(values)
	if n < 2 || values[0].kind != Number || values[n-1].kind != Number || keys[0].num == keys[n-1].num {
		return null
	}
	return number((values[n-1].num - values[0].num) / ((keys[n-1].num - keys[0].num) / unit))
}

// integral is the area under the line through the documents of the window.
func integral(keys, values []Value, unit float64) Value {
	total, last, any := 0.0, -1, false
	for i, v := range values {
		if v.kind != Number {
			continue
		}
		if last >= 0 {
			total += (keys[i].num - keys[last].num) / unit * (v.num + values[last].num) / 2
		}
		last, any = i, true
	}
	if !any {
		return null
	}
	return number(total)
}

func compileLinearFill(c *compiler, _ *windowField, arg Value) partitionFunc {
	x := c.expr(arg)
	return func(e *env, p *partition, w *windowField) []Value {
		return linearFill(e, p, w.at, inputs(e, p, w.at, x))
	}
}

// linearFill puts what is missing on the line between its neighbours.
func linearFill(e *env, p *partition, at string, values []Value) []Value {
	last := -1
	for i, v := range values {
		if v.nullish() {
			values[i] = null
			continue
		}
		k := p.keys[i]
		if v.kind != Number || k.kind != Number && k.kind != Date {
			e.fail(at, "a linear fill needs numbers, and numbers or dates in sortBy, not %s", typeName(v))
			return values
		}
		if last >= 0 && p.keys[last].num == k.num {
			e.fail(at, "a linear fill needs values in sortBy that differ")
			return values
		}
		for j := last + 1; j < i && last >= 0; j++ {
			part := (p.keys[j].num - p.keys[last].num) / (k.num - p.keys[last].num)
			values[j] = number(values[last].num + (v.num-values[last].num)*part)
		}
		last = i
	}
	return values
}

func compileCarry(c *compiler, _ *windowField, arg Value) partitionFunc {
	x := c.expr(arg)
	return func(e *env, p *partition, w *windowField) []Value { return carry(inputs(e, p, w.at, x)) }
}

// carry puts the last value that was there in the place of what is missing.
func carry(values []Value) []Value {
	last := null
	for i, v := range values {
		if v.nullish() {
			values[i] = last
		} else {
			last = v
		}
	}
	return values
}

func compileScaler(c *compiler, w *windowField, arg Value) partitionFunc {
	if !c.options("$minMaxScaler", arg, "input", "min", "max") {
		return nil
	}
	c.push("input")
	x := c.expr(arg.field("input"))
	c.pop()
	least, most := 0.0, 1.0
	if v := arg.field("min"); v.kind == Number {
		least = v.num
	}
	if v := arg.field("max"); v.kind == Number {
		most = v.num
	}
	if least >= most {
		c.fail("$minMaxScaler takes a min below max")
	}
	return func(e *env, p *partition, w *windowField) []Value {
		values := inputs(e, p, w.at, x)
		out := make([]Value, len(values))
		for i, v := range values {
			lo, hi := w.span(e, p, i)
			if !e.step(hi - lo + 1) {
				return nil
			}
			bottom, top := math.Inf(1), math.Inf(-1)
			for _, x := range values[lo:hi] {
				if x.kind == Number {
					bottom, top = min(bottom, x.num), max(top, x.num)
				}
			}
			switch {
			case v.kind != Number:
				out[i] = null
			case top == bottom:
				out[i] = number(least)
			default:
				out[i] = number((v.num-bottom)/(top-bottom)*(most-least) + least)
			}
		}
		return out
	}
}
