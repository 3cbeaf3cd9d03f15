package aggregate

var bitOperators = map[string]operator{
	"$bitAnd": {min: 0, max: -1, fn: bits(-1, func(x, y int64) int64 { return x & y })},
	"$bitOr":  {min: 0, max: -1, fn: bits(0, func(x, y int64) int64 { return x | y })},
	"$bitXor": {min: 0, max: -1, fn: bits(0, func(x, y int64) int64 { return x ^ y })},
	"$bitNot": {min: 1, max: 1, fn: bitNot},
}

// bits is an operator that folds whole numbers.
func bits(start int64, f func(x, y int64) int64) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		if ok, v := c.numbers(e, a); !ok {
			return v
		}
		n := start
		for _, v := range a {
			i, ok := v.whole()
			if !ok {
				return c.fail(e, "takes whole numbers, not %v", v.num)
			}
			n = f(n, i)
		}
		return integer(n)
	}
}

func bitNot(c *call, e *env, a []Value) Value {
	if ok, v := c.numbers(e, a); !ok {
		return v
	}
	i, ok := a[0].whole()
	if !ok {
		return c.fail(e, "takes whole numbers, not %v", a[0].num)
	}
	return integer(^i)
}
