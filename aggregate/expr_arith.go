package aggregate

import (
	"math"
	"strconv"
	"strings"
)

var arithOperators = map[string]operator{
	"$abs":      {min: 1, max: 1, fn: unary(math.Abs)},
	"$ceil":     {min: 1, max: 1, fn: unary(math.Ceil)},
	"$floor":    {min: 1, max: 1, fn: unary(math.Floor)},
	"$exp":      {min: 1, max: 1, fn: unary(math.Exp)},
	"$sqrt":     {min: 1, max: 1, fn: within(math.Sqrt, 0, math.Inf(1))},
	"$ln":       {min: 1, max: 1, fn: within(math.Log, math.SmallestNonzeroFloat64, math.Inf(1))},
	"$log10":    {min: 1, max: 1, fn: within(math.Log10, math.SmallestNonzeroFloat64, math.Inf(1))},
	"$sigmoid":  {compile: compileSigmoid},
	"$log":      {min: 2, max: 2, fn: logarithm},
	"$pow":      {min: 2, max: 2, fn: power},
	"$add":      {min: 0, max: -1, fn: add},
	"$subtract": {min: 2, max: 2, fn: subtract},
	"$multiply": {min: 0, max: -1, fn: multiply},
	"$divide":   {min: 2, max: 2, fn: divide},
	"$mod":      {min: 2, max: 2, fn: modulo},
	"$round":    {min: 1, max: 2, fn: places(roundDecimal)},
	"$trunc":    {min: 1, max: 2, fn: places(truncDecimal)},
}

// numbers reports whether all arguments are numbers. Otherwise the second result is what to
// answer: null where one is null or missing, else an error.
func (c *call) numbers(e *env, a []Value) (bool, Value) {
	for _, v := range a {
		if v.nullish() {
			return false, null
		}
	}
	for _, v := range a {
		if !v.isNumber() {
			return false, c.fail(e, "takes numbers, not %s", typeName(v))
		}
	}
	return true, null
}

// unary is an operator on one number.
func unary(f func(float64) float64) operatorFunc {
	return within(f, math.Inf(-1), math.Inf(1))
}

// within is an operator on one number between two others.
func within(f func(float64) float64, least, most float64) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		ok, v := c.numbers(e, a)
		if !ok {
			return v
		}
		if x := a[0].num; x < least || x > most {
			return c.fail(e, "takes numbers of another range than %v", x)
		}
		return number(f(a[0].num))
	}
}

func logarithm(c *call, e *env, a []Value) Value {
	ok, v := c.numbers(e, a)
	switch {
	case !ok:
		return v
	case a[0].num <= 0:
		return c.fail(e, "takes a positive number, not %v", a[0].num)
	case a[1].num <= 0 || a[1].num == 1:
		return c.fail(e, "takes a positive base other than 1, not %v", a[1].num)
	case a[1].num == 10:
		return number(math.Log10(a[0].num))
	}
	return number(math.Log(a[0].num) / math.Log(a[1].num))
}

func power(c *call, e *env, a []Value) Value {
	ok, v := c.numbers(e, a)
	switch {
	case !ok:
		return v
	case a[0].num == 0 && a[1].num < 0:
		return c.fail(e, "cannot raise 0 to a negative power")
	}
	return number(math.Pow(a[0].num, a[1].num))
}

func add(c *call, e *env, a []Value) Value {
	sum, dates := 0.0, 0
	for _, v := range a {
		switch v.kind {
		case Missing, Null:
			return null
		case Date:
			dates++
		case Number:
		default:
			return c.fail(e, "takes numbers and a date, not %s", typeName(v))
		}
		sum += v.num
	}
	switch {
	case dates > 1:
		return c.fail(e, "takes only one date")
	case dates == 1:
		return c.date(e, math.Trunc(sum))
	}
	return number(sum)
}

func subtract(c *call, e *env, a []Value) Value {
	x, y := a[0], a[1]
	switch {
	case x.nullish() || y.nullish():
		return null
	case x.kind == Date && y.kind == Date:
		return number(x.num - y.num)
	case x.kind == Date && y.kind == Number:
		return c.date(e, math.Trunc(x.num-y.num))
	case x.kind == Number && y.kind == Number:
		return number(x.num - y.num)
	}
	return c.fail(e, "cannot subtract %s from %s", typeName(y), typeName(x))
}

func multiply(c *call, e *env, a []Value) Value {
	ok, v := c.numbers(e, a)
	if !ok {
		return v
	}
	product := 1.0
	for _, v := range a {
		product *= v.num
	}
	return number(product)
}

func divide(c *call, e *env, a []Value) Value {
	ok, v := c.numbers(e, a)
	switch {
	case !ok:
		return v
	case a[1].num == 0:
		return c.fail(e, "cannot divide by 0")
	}
	return number(a[0].num / a[1].num)
}

func modulo(c *call, e *env, a []Value) Value {
	ok, v := c.numbers(e, a)
	switch {
	case !ok:
		return v
	case a[1].num == 0:
		return c.fail(e, "cannot divide by 0")
	}
	return number(math.Mod(a[0].num, a[1].num))
}

// places is an operator on a number and a number of decimal places, 0 by default.
func places(f func(float64, int) float64) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		ok, v := c.numbers(e, a)
		if !ok {
			return v
		}
		place := int64(0)
		if len(a) == 2 {
			if place, ok = a[1].whole(); !ok || place < -20 || place > 100 {
				return c.fail(e, "takes a place from -20 to 100, not %v", a[1].num)
			}
		}
		x := a[0].num
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return a[0]
		}
		return number(f(x, int(place)))
	}
}

// roundDecimal rounds half to even on the shortest decimal form.
func roundDecimal(x float64, place int) float64 {
	return decimal(x, place, func(kept, rest string) bool {
		switch {
		case rest == "" || rest[0] < '5':
			return false
		case rest[0] > '5' || strings.Trim(rest[1:], "0") != "":
			return true
		}
		return (kept[len(kept)-1]-'0')%2 == 1
	})
}

func truncDecimal(x float64, place int) float64 {
	return decimal(x, place, func(string, string) bool { return false })
}

// decimal cuts the shortest decimal form of x after a place; up decides, by the digits kept
// and those cut off, whether the last one kept grows by one.
func decimal(x float64, place int, up func(kept, rest string) bool) float64 {
	s := strconv.FormatFloat(math.Abs(x), 'f', -1, 64)
	whole, frac, _ := strings.Cut(s, ".")
	digits := whole + frac
	point := len(whole)
	cut := point + place
	if cut >= len(digits) {
		return x
	}
	if cut < 1 {
		digits = strings.Repeat("0", 1-cut) + digits
		point += 1 - cut
		cut = 1
	}
	kept := []byte(digits[:cut])
	if up(digits[:cut], digits[cut:]) {
		i := len(kept) - 1
		for ; i >= 0 && kept[i] == '9'; i-- {
			kept[i] = '0'
		}
		if i >= 0 {
			kept[i]++
		} else {
			kept = append([]byte{'1'}, kept...)
			point++
		}
	}
	f, _ := strconv.ParseFloat(string(kept)+"e"+strconv.Itoa(point-len(kept)), 64)
	return math.Copysign(f, x)
}

// compileSigmoid takes a number, or {input, onNull}.
func compileSigmoid(c *compiler, arg Value) expr {
	x := &call{name: "$sigmoid", path: c.at()}
	if arg.kind == Object && arg.field("input").kind != Missing {
		x.args = c.named("$sigmoid", "input onNull?", arg)
	} else {
		x.args = append(c.positional("$sigmoid", operator{min: 1, max: 1}, arg), literal{})
	}
	logistic := unary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
	x.fn = func(c *call, e *env, a []Value) Value {
		if a[0].nullish() && a[1].kind != Missing {
			return a[1]
		}
		return logistic(c, e, a[:1])
	}
	return x
}
