package aggregate

var setOperators = map[string]operator{
	"$setUnion":        {min: 0, max: -1, fn: setUnion},
	"$setIntersection": {min: 0, max: -1, fn: setIntersection},
	"$setDifference":   {min: 2, max: 2, fn: setDifference},
	"$setEquals":       {min: 2, max: -1, fn: setEquals},
	"$setIsSubset":     {min: 2, max: 2, fn: setIsSubset},
	"$anyElementTrue":  {min: 1, max: 1, fn: anyTrue},
	"$allElementsTrue": {min: 1, max: 1, fn: allTrue},
}

// set is the members of a list by their keys.
type set map[string]bool

func setOf(list []Value) set {
	s := make(set, len(list))
	for _, v := range list {
		s[string(appendKey(nil, v))] = true
	}
	return s
}

// addNew appends the members of a list that are not yet in the set.
func (s set) addNew(dst, list []Value) []Value {
	var key []byte
	for _, v := range list {
		if key = appendKey(key[:0], v); !s[string(key)] {
			s[string(key)] = true
			dst = append(dst, v)
		}
	}
	return dst
}

// arrays checks that all arguments are lists.
func (c *call) arrays(e *env, a []Value) ([][]Value, bool) {
	for _, v := range a {
		if v.nullish() {
			return nil, false
		}
	}
	lists := make([][]Value, len(a))
	for i, v := range a {
		var ok bool
		if lists[i], ok = c.array(e, v); !ok {
			return nil, false
		}
	}
	return lists, true
}

func setUnion(c *call, e *env, a []Value) Value {
	lists, ok := c.arrays(e, a)
	if !ok {
		return null
	}
	s, all := set{}, []Value{}
	for _, l := range lists {
		all = s.addNew(all, l)
	}
	return c.list(e, all)
}

func setIntersection(c *call, e *env, a []Value) Value {
	lists, ok := c.arrays(e, a)
	if !ok {
		return null
	}
	if len(lists) == 0 {
		return arrayOf(nil)
	}
	kept := set{}.addNew([]Value{}, lists[0])
	for _, l := range lists[1:] {
		in := setOf(l)
		next := []Value{}
		for _, v := range kept {
			if in[string(appendKey(nil, v))] {
				next = append(next, v)
			}
		}
		kept = next
	}
	return c.list(e, kept)
}

func setDifference(c *call, e *env, a []Value) Value {
	lists, ok := c.arrays(e, a)
	if !ok {
		return null
	}
	return c.list(e, setOf(lists[1]).addNew([]Value{}, lists[0]))
}

func setEquals(c *call, e *env, a []Value) Value {
	lists, ok := c.arrays(e, a)
	if !ok {
		return c.fail(e, "takes lists")
	}
	first := setOf(lists[0])
	for _, l := range lists[1:] {
		s := setOf(l)
		if len(s) != len(first) {
			return boolean(false)
		}
		for k := range s {
			if !first[k] {
				return boolean(false)
			}
		}
	}
	return boolean(true)
}

func setIsSubset(c *call, e *env, a []Value) Value {
	lists, ok := c.arrays(e, a)
	if !ok {
		return c.fail(e, "takes lists")
	}
	whole := setOf(lists[1])
	for _, v := range lists[0] {
		if !whole[string(appendKey(nil, v))] {
			return boolean(false)
		}
	}
	return boolean(true)
}

func anyTrue(c *call, e *env, a []Value) Value {
	if a[0].kind != Array {
		return c.fail(e, "takes a list, not %s", typeName(a[0]))
	}
	list, _ := c.array(e, a[0])
	for _, v := range list {
		if v.truth() {
			return boolean(true)
		}
	}
	return boolean(false)
}

func allTrue(c *call, e *env, a []Value) Value {
	if a[0].kind != Array {
		return c.fail(e, "takes a list, not %s", typeName(a[0]))
	}
	list, _ := c.array(e, a[0])
	for _, v := range list {
		if !v.truth() {
			return boolean(false)
		}
	}
	return boolean(true)
}
