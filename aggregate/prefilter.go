package aggregate

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/query"
)

// Prefilter gives conditions on columns, as a where on a data source, that every document which
// passes the $match stages at the front of the pipeline also satisfies, when data is the object
// of its columns. It lets through more than they do, so they stay in the pipeline. where is nil
// when there is no such condition. notes has a sentence for each condition of these stages that
// where does not express, which names its place and the reason.
func (p *Pipeline) Prefilter() (where query.D, notes []string) {
	f := &prefilter{}
	var all []query.D
	for _, s := range p.stages {
		m, ok := s.(matchStage)
		if !ok {
			break
		}
		f.path = []string{m.path}
		all = append(all, f.query(m.arg)...)
	}
	return conjunction(all), f.notes
}

// prefilter translates a $match into the where language. MongoDB compares values of one type
// only and sift converts them, so that what is equal or in range there is so here too, and a
// positive condition on numbers, booleans or the equality of texts lets through no less. Where
// sift is the stricter of the two (the order of texts, remainders), nothing is handed down.
type prefilter struct {
	path  []string
	notes []string
}

func (f *prefilter) push(key string) { f.path = append(f.path, key) }
func (f *prefilter) pop()            { f.path = f.path[:len(f.path)-1] }

// leave notes why the condition at the path stays with the pipeline alone.
func (f *prefilter) leave(why string) []query.D {
	f.notes = append(f.notes, fmt.Sprintf("%s is tested by the pipeline alone: %s.", strings.Join(f.path, "."), why))
	return nil
}

// conjunction joins conditions into one where: side by side, unless a key stands twice.
func conjunction(list []query.D) query.D {
	var where query.D
	seen := map[string]bool{}
	for _, d := range list {
		for _, e := range d {
			if seen[e.Key] {
				return query.D{{Key: "$and", Value: members(list)}}
			}
			seen[e.Key] = true
			where = append(where, e)
		}
	}
	return where
}

func members(list []query.D) []any {
	out := make([]any, len(list))
	for i, d := range list {
		out[i] = d
	}
	return out
}

// query translates a query into conditions that all hold.
func (f *prefilter) query(v Value) []query.D {
	var list []query.D
	for k, arg := range v.fields() {
		f.push(k)
		switch k {
		case "$and":
			for i, x := range arg.items() {
				f.push(strconv.Itoa(i))
				list = append(list, f.query(x)...)
				f.pop()
			}
		case "$or":
			list = append(list, f.or(arg)...)
		case "$nor":
			f.leave("a negation of what is handed down would let too little through")
		case "$expr":
			f.leave("expressions are evaluated on whole documents")
		default:
			list = append(list, f.field(k, arg)...)
		}
		f.pop()
	}
	return list
}

// or translates $or, each branch of which must be narrowed by some condition.
func (f *prefilter) or(arg Value) []query.D {
	var branches []any
	for i, x := range arg.items() {
		f.push(strconv.Itoa(i))
		branch := conjunction(f.query(x))
		f.pop()
		if branch == nil {
			return f.leave("a branch has no condition that can be handed down")
		}
		branches = append(branches, branch)
	}
	return []query.D{{{Key: "$or", Value: branches}}}
}

// field translates the conditions on a path.
func (f *prefilter) field(path string, arg Value) []query.D {
	if why := noColumn(path); why != "" {
		return f.leave(why)
	}
	if arg.kind != Object || !isOperator(arg) {
		return f.equal(path, arg)
	}
	var list []query.D
	for k, x := range arg.fields() {
		f.push(k)
		list = append(list, f.operator(path, k, x)...)
		f.pop()
	}
	return list
}

// noColumn says why a condition on a path is none on a column; it is empty for one that is.
func noColumn(path string) string {
	column, ok := strings.CutPrefix(path, "data.")
	_, err := strconv.ParseFloat(strings.TrimSpace(column), 64)
	switch {
	case !ok:
		return "it is no condition on a column"
	case column == "" || err == nil || strings.ContainsAny(column, ".$\x00"):
		return "it is no condition on a whole column"
	}
	return ""
}

// whereIn gives a where that lets through every document with one of the values at a path, or in a
// list there; nil when there is none that does.
func whereIn(path string, values []Value) query.D {
	if noColumn(path) != "" {
		return nil
	}
	return conjunction((&prefilter{}).operator(path, "$in", arrayOf(values)))
}

// operator translates one condition on a column.
func (f *prefilter) operator(path, name string, arg Value) []query.D {
	switch name {
	case "$eq":
		return f.equal(path, arg)
	case "$in":
		list := []Value{arg}
		if arg.kind == Array {
			list = arg.items()
		}
		operand := make([]any, 0, len(list))
		for _, x := range list {
			if !isPlain(x) {
				return f.leave("a member of the list is no text, number, boolean or null")
			}
			operand = append(operand, plain(x))
		}
		return narrow(path, name, operand)
	case "$all":
		var list []query.D
		for i, x := range arg.items() {
			f.push(strconv.Itoa(i))
			list = append(list, f.equal(path, x)...)
			f.pop()
		}
		return list
	case "$gt", "$gte", "$lt", "$lte":
		switch {
		case arg.kind == String:
			return f.leave("a where does not order texts")
		case arg.kind != Number || !isPlain(arg):
			return f.leave("a where orders numbers only")
		}
		return narrow(path, name, arg.num)
	case "$exists":
		if !arg.truth() {
			return f.leave("only conditions that something is there are handed down")
		}
		return narrow(path, name, true)
	case "$options": // belongs to $regex
		return nil
	case "$ne", "$nin", "$not":
		return f.leave("a negation of what is handed down would let too little through")
	}
	return f.leave("a where has no condition that lets through the same documents or more")
}

// equal translates equality, of a column or of a member of a list in it.
func (f *prefilter) equal(path string, v Value) []query.D {
	if !isPlain(v) {
		return f.leave("a where compares lists, objects and dates by other rules")
	}
	return []query.D{{{Key: path, Value: plain(v)}}}
}

func narrow(path, name string, operand any) []query.D {
	return []query.D{{{Key: path, Value: query.D{{Key: name, Value: operand}}}}}
}

// isPlain reports whether an operand means the same in a where.
func isPlain(v Value) bool {
	switch v.kind {
	case Null, String, Bool:
		return true
	}
	return v.kind == Number && !math.IsNaN(v.num) && !math.IsInf(v.num, 0)
}

func plain(v Value) any {
	if v.kind == Number {
		return v.num
	}
	return v.Go()
}
