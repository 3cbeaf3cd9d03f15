package aggregate

import (
	"math"
	"slices"
)

var arrayOperators = map[string]operator{
	"$size":         {list: true, fn: sizeOf},
	"$isArray":      {min: 1, max: 1, fn: func(_ *call, _ *env, a []Value) Value { return boolean(a[0].kind == Array) }},
	"$first":        {list: true, fn: endOf(0)},
	"$last":         {compile: compileLast},
	"$reverseArray": {list: true, fn: reverse},
	"$arrayElemAt":  {min: 2, max: 2, fn: elemAt},
	"$in":           {min: 2, max: 2, fn: isIn},
	"$indexOfArray": {min: 2, max: 4, fn: indexOfArray},
	"$concatArrays": {min: 0, max: -1, fn: concatArrays},
	"$slice":        {min: 2, max: 3, fn: slice},
	"$range":        {min: 2, max: 3, fn: numberRange},
	"$zip":          {named: "inputs useLongestLength? defaults?", fn: zip},
	"$firstN":       {named: "input n", fn: firstN},
	"$lastN":        {named: "input n", fn: lastN},
	"$minN":         {named: "input n", fn: extremeN(1)},
	"$maxN":         {named: "input n", fn: extremeN(-1)},
}

// array checks that an argument is a list; null and missing are not, without an error.
func (c *call) array(e *env, v Value) ([]Value, bool) {
	switch {
	case v.nullish():
		return nil, false
	case v.kind != Array:
		c.fail(e, "takes a list, not %s", typeName(v))
		return nil, false
	}
	return v.items(), e.step(v.size())
}

func sizeOf(c *call, e *env, a []Value) Value {
	if a[0].kind != Array {
		return c.fail(e, "takes a list, not %s", typeName(a[0]))
	}
	return number(float64(a[0].size()))
}

// compileLast refuses $last of a list without members, as it stands in the pipeline.
func compileLast(c *compiler, arg Value) expr {
	if arg.kind == Array && arg.size() == 0 {
		return c.fail("$last takes a list")
	}
	return &call{name: "$last", path: c.at(), fn: endOf(-1), args: []expr{c.listOperand(arg)}}
}

func endOf(i int) operatorFunc {
	return func(c *call, e *env, a []Value) Value { return elemAt(c, e, []Value{a[0], number(float64(i))}) }
}

func elemAt(c *call, e *env, a []Value) Value {
	if a[0].nullish() || a[1].nullish() {
		return null
	}
	if a[0].kind != Array {
		return c.fail(e, "takes a list, not %s", typeName(a[0]))
	}
	i, ok := a[1].whole()
	if !ok {
		return c.fail(e, "takes a whole number as index, not %s", clip(string(a[1].AppendJSON(nil))))
	}
	n := int64(a[0].size())
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return Value{}
	}
	return a[0].at(int(i))
}

func reverse(c *call, e *env, a []Value) Value {
	list, ok := c.array(e, a[0])
	if !ok {
		return null
	}
	list = slices.Clone(list)
	slices.Reverse(list)
	return c.list(e, list)
}

func isIn(c *call, e *env, a []Value) Value {
	if a[1].kind != Array {
		return c.fail(e, "takes a list, not %s", typeName(a[1]))
	}
	list, _ := c.array(e, a[1])
	return boolean(slices.ContainsFunc(list, func(x Value) bool { return equal(x, a[0]) }))
}

func indexOfArray(c *call, e *env, a []Value) Value {
	list, ok := c.array(e, a[0])
	if !ok {
		return null
	}
	start, end, ok := c.bounds(e, a, len(list))
	if !ok {
		return null
	}
	for i := start; i < end; i++ {
		if equal(list[i], a[1]) {
			return number(float64(i))
		}
	}
	return notFoundFrom(start, end)
}

func concatArrays(c *call, e *env, a []Value) Value {
	n := 0
	for _, v := range a {
		if v.nullish() {
			return null
		}
		if v.kind != Array {
			return c.fail(e, "takes lists, not %s", typeName(v))
		}
		n += v.size()
	}
	if !e.spend(c.path, n*valueSize) {
		return null
	}
	all := make([]Value, 0, n)
	for _, v := range a {
		all = append(all, v.items()...)
	}
	return arrayOf(all)
}

func slice(c *call, e *env, a []Value) Value {
	for _, v := range a {
		if v.nullish() {
			return null
		}
	}
	list, ok := c.array(e, a[0])
	if !ok {
		return null
	}
	n, ok := a[1].whole()
	m := int64(math.MaxInt32)
	if ok && len(a) == 3 {
		if m, ok = a[2].whole(); ok && m < 1 {
			return c.fail(e, "takes a positive count, not %d", m)
		}
	}
	if !ok {
		return c.fail(e, "takes whole numbers")
	}
	size := int64(len(list))
	start, end := int64(0), size
	switch {
	case len(a) == 3 && n < 0:
		start = max(size+n, 0)
		end = min(start+m, size)
	case len(a) == 3:
		start = min(n, size)
		end = min(start+min(m, size), size)
	case n < 0:
		start = max(size+n, 0)
	default:
		end = min(n, size)
	}
	return c.list(e, list[start:end:end])
}

func numberRange(c *call, e *env, a []Value) Value {
	var n [3]int64
	n[2] = 1
	for i, v := range a {
		var ok bool
		if n[i], ok = v.whole(); !ok || n[i] > math.MaxInt32 || n[i] < math.MinInt32 {
			return c.fail(e, "takes whole numbers of 32 bits, not %s", clip(string(v.AppendJSON(nil))))
		}
	}
	if n[2] == 0 {
		return c.fail(e, "takes a step that is not 0")
	}
	count := max((n[1]-n[0]+n[2]-sign(n[2]))/n[2], 0)
	if count > 1<<24 {
		e.spend(c.path, math.MaxInt32)
		return c.fail(e, "gives more than %d numbers", 1<<24)
	}
	if !e.spend(c.path, int(count)*valueSize) {
		return null
	}
	list := make([]Value, count)
	for i := range list {
		list[i] = number(float64(n[0] + int64(i)*n[2]))
	}
	return arrayOf(list)
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}

func zip(c *call, e *env, a []Value) Value {
	inputs, ok := c.array(e, a[0])
	if !ok {
		return null
	}
	lists := make([][]Value, len(inputs))
	least, most := math.MaxInt, 0
	for i, v := range inputs {
		if lists[i], ok = c.array(e, v); !ok {
			return null
		}
		least, most = min(least, len(lists[i])), max(most, len(lists[i]))
	}
	defaults := a[2].items()
	n := least
	if a[1].truth() {
		n = most
	}
	switch {
	case len(lists) == 0:
		return c.fail(e, "needs at least one input")
	case !a[2].nullish() && !a[1].truth():
		return c.fail(e, "takes defaults only with useLongestLength")
	case !a[2].nullish() && len(defaults) != len(lists):
		return c.fail(e, "takes one default for each input")
	case !e.spend(c.path, n*(len(lists)+1)*valueSize):
		return null
	}
	rows := make([]Value, n)
	for i := range rows {
		row := make([]Value, len(lists))
		for j, l := range lists {
			switch {
			case i < len(l):
				row[j] = l[i]
			case j < len(defaults):
				row[j] = defaults[j]
			default:
				row[j] = null
			}
		}
		rows[i] = arrayOf(row)
	}
	return arrayOf(rows)
}

// count checks the n of $firstN and its like.
func (c *call) count(e *env, v Value) (int, bool) {
	n, ok := v.whole()
	if !ok || n < 1 {
		c.fail(e, "takes a positive whole n, not %s", clip(string(v.AppendJSON(nil))))
		return 0, false
	}
	return int(min(n, math.MaxInt32)), true
}

func firstN(c *call, e *env, a []Value) Value {
	list, ok1 := c.array(e, a[0])
	n, ok2 := c.count(e, a[1])
	if !ok1 || !ok2 {
		return null
	}
	return c.list(e, list[:min(n, len(list))])
}

func lastN(c *call, e *env, a []Value) Value {
	list, ok1 := c.array(e, a[0])
	n, ok2 := c.count(e, a[1])
	if !ok1 || !ok2 {
		return null
	}
	return c.list(e, list[max(len(list)-n, 0):])
}

// extremeN gives the n least or greatest members that are not null.
func extremeN(order int) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		list, ok1 := c.array(e, a[0])
		n, ok2 := c.count(e, a[1])
		if !ok1 || !ok2 {
			return null
		}
		kept := make([]Value, 0, len(list))
		for _, x := range list {
			if !x.nullish() {
				kept = append(kept, x)
			}
		}
		slices.SortStableFunc(kept, func(x, y Value) int { return order * compare(x, y) })
		return c.list(e, kept[:min(n, len(kept))])
	}
}
