package aggregate

var compareOperators = map[string]operator{
	"$eq":  {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(equal(a[0], a[1])) }},
	"$ne":  {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(!equal(a[0], a[1])) }},
	"$gt":  {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(compare(a[0], a[1]) > 0) }},
	"$gte": {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(compare(a[0], a[1]) >= 0) }},
	"$lt":  {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(compare(a[0], a[1]) < 0) }},
	"$lte": {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return boolean(compare(a[0], a[1]) <= 0) }},
	"$cmp": {min: 2, max: 2, fn: func(_ *call, _ *env, a []Value) Value { return number(float64(compare(a[0], a[1]))) }},
	"$not": {min: 0, max: 1, fn: func(_ *call, _ *env, a []Value) Value { return boolean(len(a) > 0 && !a[0].truth()) }},
}

// comparisons are the operators that order two values, by what they want of compare.
var comparisons = map[string]func(int) bool{
	"$gt":  func(n int) bool { return n > 0 },
	"$gte": func(n int) bool { return n >= 0 },
	"$lt":  func(n int) bool { return n < 0 },
	"$lte": func(n int) bool { return n <= 0 },
}
