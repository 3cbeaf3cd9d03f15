package aggregate

// statOperators are the accumulators that are also operators on a list.
var statOperators = map[string]operator{
	"$sum":            {compile: overList(func() accumulator { return &sum{} })},
	"$avg":            {compile: overList(func() accumulator { return &average{} })},
	"$min":            {compile: overList(func() accumulator { return &extreme{order: -1} })},
	"$max":            {compile: overList(func() accumulator { return &extreme{order: 1} })},
	"$stdDevPop":      {compile: overList(func() accumulator { return &deviation{} })},
	"$stdDevSamp":     {compile: overList(func() accumulator { return &deviation{sample: 1, zero: likeReference} })},
	"$covariancePop":  {compile: overList(func() accumulator { return &covariance{} })},
	"$covarianceSamp": {compile: overList(func() accumulator { return &covariance{sample: 1} })},
	"$median":         {named: "input method", fn: median},
	"$percentile":     {named: "input p method", fn: percentileOf},
}

// overList is an operator on the members of its one argument, or on several arguments.
func overList(start func() accumulator) func(*compiler, Value) expr {
	return func(c *compiler, arg Value) expr {
		x := &call{path: c.at(), name: c.path[len(c.path)-1]}
		x.args = c.list(arg)
		x.fn = func(c *call, e *env, a []Value) Value {
			if len(a) == 1 && a[0].kind == Array {
				a = a[0].items()
			}
			if !e.step(len(a)) {
				return null
			}
			acc := start()
			for _, v := range a {
				acc.add(e, v)
			}
			return acc.result(e)
		}
		return x
	}
}

func median(_ *call, e *env, a []Value) Value {
	return percentilesOf(e, a[0], []float64{0.5}, true)
}

func percentileOf(c *call, e *env, a []Value) Value {
	p, ok := fractions(a[1])
	if !ok {
		return c.fail(e, "takes a list of numbers from 0 to 1 as p")
	}
	return percentilesOf(e, a[0], p, false)
}

func percentilesOf(e *env, v Value, p []float64, one bool) Value {
	s := &percentiles{p: p, one: one}
	list := []Value{v}
	if v.kind == Array {
		list = v.items()
	}
	if !e.step(len(list)) {
		return null
	}
	for _, x := range list {
		if x.kind == Number {
			s.list = append(s.list, x.num)
		}
	}
	return s.result(e)
}
