package aggregate

import "math"

var trigOperators = map[string]operator{
	"$sin":              {min: 1, max: 1, fn: unary(math.Sin)},
	"$cos":              {min: 1, max: 1, fn: unary(math.Cos)},
	"$tan":              {min: 1, max: 1, fn: unary(math.Tan)},
	"$asin":             {min: 1, max: 1, fn: within(math.Asin, -1, 1)},
	"$acos":             {min: 1, max: 1, fn: within(math.Acos, -1, 1)},
	"$atan":             {min: 1, max: 1, fn: unary(math.Atan)},
	"$sinh":             {min: 1, max: 1, fn: unary(math.Sinh)},
	"$cosh":             {min: 1, max: 1, fn: unary(math.Cosh)},
	"$tanh":             {min: 1, max: 1, fn: unary(math.Tanh)},
	"$asinh":            {min: 1, max: 1, fn: unary(math.Asinh)},
	"$acosh":            {min: 1, max: 1, fn: within(math.Acosh, 1, math.Inf(1))},
	"$atanh":            {min: 1, max: 1, fn: within(math.Atanh, -1, 1)},
	"$degreesToRadians": {min: 1, max: 1, fn: unary(func(x float64) float64 { return x * math.Pi / 180 })},
	"$radiansToDegrees": {min: 1, max: 1, fn: unary(func(x float64) float64 { return x * 180 / math.Pi })},
	"$atan2":            {min: 2, max: 2, fn: arcTangent},
}

func arcTangent(c *call, e *env, a []Value) Value {
	for _, v := range a {
		if v.nullish() {
			return v // null or missing, as it was given
		}
	}
	ok, v := c.numbers(e, a)
	if !ok {
		return v
	}
	return number(math.Atan2(a[0].num, a[1].num))
}
