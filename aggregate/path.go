package aggregate

import (
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// step is one segment of a path; index is its number, or -1.
type step struct {
	name  string
	index int
}

// maxSteps bounds a path, whose evaluation recurses.
const maxSteps = 100

// splitPath splits a dotted path. It gives nil for one with an empty segment.
func splitPath(s string) []step {
	parts := strings.Split(s, ".")
	if len(parts) > maxSteps {
		return nil
	}
	path := make([]step, len(parts))
	for i, p := range parts {
		if p == "" {
			return nil
		}
		path[i] = step{name: p, index: indexOf(p)}
	}
	return path
}

func indexOf(s string) int {
	if s == "" || len(s) > 9 || s[0] == '0' && len(s) > 1 {
		return -1
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// get evaluates a path: over a list of objects the values are collected, and a number reads an
// item.
func get(v Value, path []step) Value {
	if rest := v.walk(path); rest != nil {
		return collect(v, rest)
	}
	return v
}

// get is like the function get, and counts the lists that are made.
func (e *env) get(at string, v Value, path []step) Value {
	if rest := v.walk(path); rest != nil {
		v = collect(v, rest)
		e.spend(at, weight(v))
	}
	return v
}

// walk follows a path from v as far as it leads to one value, which v becomes. It returns what
// remains of the path at a list from whose members the values are to be collected.
func (v *Value) walk(path []step) (rest []step) {
	for i := 0; i < len(path); {
		switch v.kind {
		case Object:
			i += v.descend(path[i:])
		case Array:
			if path[i].index < 0 {
				return path[i:]
			}
			if path[i].index >= v.size() {
				*v = Value{}
				return nil
			}
			*v = v.at(path[i].index)
			i++
		default:
			*v = Value{}
			return nil
		}
	}
	return nil
}

// descend takes at least one step of a path from an object, and more as long as they lead
// through stored objects. It makes v what it comes to, and says how many steps it took.
func (v *Value) descend(path []step) int {
	if v.form != storedForm {
		*v = v.field(path[0].name)
		return 1
	}
	d := v.stored().Field(path[0].name)
	n := 1
	// An object that stands for a date has no fields, not even $date.
	for n < len(path) && path[n].name != "$date" && d.Kind() == document.Object {
		d = d.Field(path[n].name)
		n++
	}
	*v = Stored(d)
	return n
}

func collect(v Value, path []step) Value {
	list := make([]Value, 0, v.size())
	for _, x := range v.items() {
		if x.kind != Object && x.kind != Array {
			continue
		}
		if x = get(x, path); x.kind != Missing {
			list = append(list, x)
		}
	}
	return arrayOf(list)
}

// setPath returns v with the value at a path replaced by what f makes of it; a missing value
// removes the field. Objects on the way are made where there is none, and a list on the way is
// changed item by item.
func setPath(v Value, path []step, f func(Value) Value) Value {
	if len(path) == 0 {
		return f(v)
	}
	if v.kind == Array {
		list := make([]Value, 0, v.size())
		for _, x := range v.items() {
			list = append(list, setPath(x, path, f))
		}
		return arrayOf(list)
	}
	name := path[0].name
	x := setPath(v.field(name), path[1:], f)
	if v.kind != Object {
		if x.kind == Missing {
			return v
		}
		o := newObject(1)
		o.add(name, x)
		return objectOf(o)
	}
	o := v.own()
	o.set(name, x)
	return objectOf(o)
}

// removePath returns v without the value at a path.
func removePath(v Value, path []step) Value {
	switch v.kind {
	case Array:
		list := make([]Value, 0, v.size())
		for _, x := range v.items() {
			list = append(list, removePath(x, path))
		}
		return arrayOf(list)
	case Object:
		f := v.field(path[0].name)
		if f.kind == Missing || len(path) > 1 && f.kind != Object && f.kind != Array {
			return v
		}
		o := v.own()
		if len(path) == 1 {
			o.set(path[0].name, Value{})
		} else {
			o.set(path[0].name, removePath(f, path[1:]))
		}
		return objectOf(o)
	}
	return v
}
