package aggregate

import (
	"cmp"
	"slices"
)

// ordering is what $sort and sortBy give: paths in order, each ascending or descending.
type ordering struct{ keys []sortKey }

type sortKey struct {
	path []step
	desc bool
}

// ordering compiles {path: 1 or -1, …}.
func (c *compiler) ordering(v Value) *ordering {
	o := &ordering{}
	if v.kind != Object {
		c.fail("a sort takes an object of paths, each 1 or -1")
		return o
	}
	if own, ok := v.ref.(*object); ok && c.unordered[own] {
		c.fail("the order of keys counts here, and a Go map has none: use query.D or JSON text")
		return o
	}
	for k, d := range v.fields() {
		c.push(k)
		if d.kind != Number || d.num != 1 && d.num != -1 {
			c.fail("a sort takes 1 or -1")
		}
		o.keys = append(o.keys, sortKey{c.fieldSteps(text(k), "a sort key"), d.num < 0})
		c.pop()
	}
	return o
}

// of gives what a document is sorted by: of a list the least member, or the greatest when it
// goes down.
func (k sortKey) of(doc Value) Value {
	v := get(doc, k.path)
	if v.kind != Array {
		return v
	}
	var chosen Value
	for i, x := range v.items() {
		if c := compareSort(x, chosen); i == 0 || k.desc && c > 0 || !k.desc && c < 0 {
			chosen = x
		}
	}
	return chosen
}

// compareKeys compares two rows that begin with the keys.
func (o *ordering) compareKeys(a, b []Value) int {
	for i, k := range o.keys {
		c := compareSort(a[i], b[i])
		if c == 0 {
			continue
		}
		if k.desc {
			return -c
		}
		return c
	}
	return 0
}

// ranked is a document with its sort keys and its place before sorting.
type ranked struct {
	keys []Value
	doc  Value
	at   int
}

func (o *ordering) rank(doc Value, at int) ranked {
	return o.rankInto(make([]Value, len(o.keys)), doc, at)
}

// rankInto is like rank, with the keys in room.
func (o *ordering) rankInto(room []Value, doc Value, at int) ranked {
	for i, k := range o.keys {
		room[i] = k.of(doc)
	}
	return ranked{doc: doc, at: at, keys: room}
}

func (o *ordering) compare(a, b ranked) int {
	if c := o.compareKeys(a.keys, b.keys); c != 0 {
		return c
	}
	return cmp.Compare(a.at, b.at)
}

// sorted gives the documents in order; equal ones stay as they were.
func (o *ordering) sorted(docs []Value) []Value {
	rows := make([]ranked, len(docs))
	for i, d := range docs {
		rows[i] = o.rank(d, i)
	}
	slices.SortFunc(rows, o.compare)
	out := make([]Value, len(rows))
	for i, r := range rows {
		out[i] = r.doc
	}
	return out
}

// sortingOperators sort a list.
var sortingOperators = map[string]operator{
	"$sortArray": {compile: compileSortArray},
}

type sortArray struct {
	path  string
	input expr
	desc  bool
	order *ordering // nil sorts by the members themselves
}

func compileSortArray(c *compiler, arg Value) expr {
	if !c.options("$sortArray", arg, "input", "sortBy") {
		return literal{}
	}
	x := &sortArray{path: c.at()}
	c.push("input")
	x.input = c.expr(arg.field("input"))
	c.pop()
	c.push("sortBy")
	defer c.pop()
	switch by := arg.field("sortBy"); {
	case by.kind == Object:
		x.order = c.ordering(by)
	case by.kind == Number && (by.num == 1 || by.num == -1):
		x.desc = by.num < 0
	default:
		return c.fail("$sortArray takes 1, -1 or an object of paths as sortBy")
	}
	return x
}

func (x *sortArray) eval(e *env) Value {
	v := x.input.eval(e)
	switch {
	case v.nullish():
		return null
	case v.kind != Array:
		return e.fail(x.path, "$sortArray takes a list, not %s", typeName(v))
	case !e.spend(x.path, v.size()*2*valueSize):
		return null
	}
	if x.order != nil {
		return arrayOf(x.order.sorted(v.items()))
	}
	list := slices.Clone(v.items())
	slices.SortStableFunc(list, func(a, b Value) int {
		if x.desc {
			return compareSort(b, a)
		}
		return compareSort(a, b)
	})
	return arrayOf(list)
}
