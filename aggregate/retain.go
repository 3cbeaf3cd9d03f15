package aggregate

import (
	"slices"
	"strings"
)

const (
	valueSize = 56
	maxDepth  = 1000    // of a value that expressions make
	maxMass   = 1 << 30 // the weight of the largest value, whatever the limit
)

// weight estimates the bytes of a value; parts that it has several times count each time. What
// the caller owns anyhow counts as its view.
func weight(v Value) int {
	n := valueSize + len(v.str) + int(v.mass)
	if v.form == lazyForm {
		n += int(v.num)
	}
	return n
}

// detach gives a value to be kept for longer than its document, which shares no memory with it
// where documents own theirs. A document that is lazy stays whole: its weight is known.
func (r *run) detach(v Value) Value {
	if !r.owns {
		return v
	}
	return detached(v)
}

func detached(v Value) Value {
	switch v.form {
	case storedForm:
		v.str = strings.Clone(v.str)
		return v
	case goForm, lazyForm:
		return v
	}
	switch x := v.ref.(type) {
	case []Value:
		list := slices.Clone(x)
		for i := range list {
			list[i] = detached(list[i])
		}
		v.ref = list
	case *object:
		o := newObject(len(x.keys))
		for i, k := range x.keys {
			if x.vals[i].kind != Missing {
				o.add(strings.Clone(k), detached(x.vals[i]))
			}
		}
		return objectOf(o)
	default:
		v.str = strings.Clone(v.str)
	}
	return v
}

// keep counts bytes that an accumulator keeps, or gives them back.
func (e *env) keep(path string, n int) {
	e.kept += n
	if err := e.run.hold(path, n); err != nil && e.err == nil {
		e.err = err
	}
}

// retain gives a value that an accumulator may keep, and counts it.
func (e *env) retain(path string, v Value) Value {
	v = e.run.detach(v)
	e.keep(path, weight(v))
	return v
}
