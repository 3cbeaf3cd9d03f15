package query

import (
	"sync"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// The Strict dialect walks every value on a path, a list's elements and then the list itself,
// and shows each to the operators, which keep state between them: whether they hold (keep) and
// whether anything could still change that (done). The tree is immutable; the state of one test
// lies in a slice, in which every operator has a number.

// strict is a compiled where of the Strict dialect.
type strict struct {
	root  *strictOp
	count int // of operators
}

// strictKind is what an operator of the Strict dialect does.
type strictKind uint8

const (
	strictGroup   strictKind = iota // all children hold: a query, $and, $all
	strictNested                    // a path, and what holds at its end
	strictTest                      // some value passes a test: $eq, $gt, $mod, $regex, ...
	strictNe                        // no value is equal
	strictIn                        // the last value seen is a member
	strictNin                       // no value is a member
	strictOr                        // one child holds
	strictNor                       // none does
	strictNot                       // the child does not hold
	strictSize                      // some list has a length
	strictExists                    // the key at the end of the path is there
	strictElem                      // some element of a list passes a query
	strictFilters                   // $filters, which is the same in both dialects
)

// strictOp is one operator.
type strictOp struct {
	kind     strictKind
	number   int // of its state
	children []*strictOp
	path     []segment
	keyed    *keyed           // a key at document level on a data source, else nil
	test     valueTest        // of strictTest
	operands []document.Value // of strictNe, strictIn and strictNin
	size     float64
	want     bool
	filters  node
}

// strictState is the state of one operator.
type strictState uint8

const (
	keep strictState = 1 << iota
	done
)

// strictRun is one test of one document.
type strictRun struct {
	record *Record
	states []strictState
	failed bool
}

var strictRuns = sync.Pool{New: func() any { return new(strictRun) }}

// strictPlace says how a value was reached.
type strictPlace struct {
	list    bool // its owner is a list
	object  bool // its owner is an object
	there   bool // the owner has the key
	numeric bool // the key reads as a number
	leaf    bool // the path did not stop early
}

// stray reports whether the value is what a list has under a name, which is nothing.
func (p strictPlace) stray() bool { return p.list && !p.there && !p.numeric }

func (s *strict) matchesAll() bool {
	return s.root.kind == strictGroup && len(s.root.children) == 0
}

func (s *strict) test(r *Record, v document.Value) verdict {
	run := strictRuns.Get().(*strictRun)
	if cap(run.states) < s.count {
		run.states = make([]strictState, s.count)
	}
	run.record, run.states, run.failed = r, run.states[:s.count], false
	s.root.reset(run)
	// At the top the owner is the list of the documents that are being filtered.
	s.root.next(run, v, strictPlace{list: true, there: true, numeric: true, leaf: true})
	answer := verdictOf(run.keeps(s.root))
	if run.failed {
		answer = failed
	}
	run.record = nil
	strictRuns.Put(run)
	return answer
}

func (run *strictRun) keeps(o *strictOp) bool  { return run.states[o.number]&keep != 0 }
func (run *strictRun) isDone(o *strictOp) bool { return run.states[o.number]&done != 0 }

func (run *strictRun) set(o *strictOp, isKept, isDone bool) {
	var s strictState
	if isKept {
		s |= keep
	}
	if isDone {
		s |= done
	}
	run.states[o.number] = s
}

// reset readies an operator and all below it for a document.
func (o *strictOp) reset(run *strictRun) {
	run.set(o, o.kind == strictNe || o.kind == strictNin || o.kind == strictExists && !o.want, false)
	for _, child := range o.children {
		child.reset(run)
	}
}

// next shows an operator a value.
func (o *strictOp) next(run *strictRun, v document.Value, at strictPlace) {
	switch o.kind {
	case strictGroup:
		o.nextAll(run, v, at)
	case strictNested:
		o.nextNested(run, v, at)
	case strictTest:
		if (!at.list || at.there) && o.test.holds(run, v) {
			run.set(o, true, true)
		}
	case strictNe:
		if !at.stray() && strictEqual(o.operands[0], v) {
			run.set(o, false, true)
		}
	case strictIn:
		if !at.stray() {
			in := o.isMember(v)
			run.set(o, in, in)
		}
	case strictNin:
		if !at.stray() && o.isMember(v) {
			run.set(o, false, true)
		}
	case strictOr, strictNor:
		o.nextAny(run, v, at)
	case strictNot:
		child := o.children[0]
		child.next(run, v, at)
		run.set(o, !run.keeps(child), run.isDone(child))
	case strictSize:
		if kindOf(v) == document.Array && float64(v.Len()) == o.size {
			run.set(o, true, true)
		}
	case strictExists:
		if at.leaf && at.there {
			run.set(o, o.want, true)
		}
	case strictElem:
		o.nextElements(run, v, at)
	case strictFilters:
		a := o.filters.test(run.record, v, here)
		run.failed = run.failed || a == failed
		run.set(o, a == yes, true)
	}
}

// nextAll shows every child that is not done a value; all must hold.
func (o *strictOp) nextAll(run *strictRun, v document.Value, at strictPlace) {
	isKept, isDone := true, true
	for _, child := range o.children {
		if !run.isDone(child) {
			child.next(run, v, at)
		}
		isKept = isKept && run.keeps(child)
		if !run.isDone(child) {
			isDone = false
		} else if !run.keeps(child) {
			break
		}
	}
	run.set(o, isKept, isDone)
}

func (o *strictOp) nextAny(run *strictRun, v document.Value, at strictPlace) {
	found := false
	for _, child := range o.children {
		child.next(run, v, at)
		if run.keeps(child) {
			found = true
			break
		}
	}
	run.set(o, found != (o.kind == strictNor), found)
}

func (o *strictOp) nextElements(run *strictRun, v document.Value, at strictPlace) {
	if kindOf(v) != document.Array {
		run.set(o, false, false)
		return
	}
	found, child := run.keeps(o), o.children[0]
	for i := range v.Len() {
		child.reset(run)
		child.next(run, v.At(i), strictPlace{list: true, there: true, numeric: true, leaf: true})
		found = found || run.keeps(child)
	}
	run.set(o, found, found || !at.object)
}

func (o *strictOp) nextNested(run *strictRun, v document.Value, at strictPlace) {
	if o.keyed == nil {
		o.walk(run, v, o.path, 0, at)
		return
	}
	t := &o.keyed.target
	switch {
	case t.kind == toWhole:
		o.nextAll(run, v, strictPlace{object: true, there: true, leaf: true})
	case t.kind == toColumn && kindOf(v) == document.Object:
		column := t.column(v)
		there := column.Kind() != document.Absent
		o.walk(run, column, t.path, 1, strictPlace{object: true, there: there})
	case t.kind == toColumn:
		o.walk(run, v, t.path, 0, at)
	case run.record == nil:
		o.nextAll(run, document.Value{}, strictPlace{object: true, leaf: true})
	default:
		o.walk(run, run.record.field(t.kind), nil, 0, strictPlace{object: true, there: true, leaf: true})
	}
}

// walk shows the children every value that path[i:] leads to. at.leaf matters at the start of
// the path only. It returns false when nothing more needs to be seen.
func (o *strictOp) walk(run *strictRun, v document.Value, path []segment, i int, at strictPlace) bool {
	end := i == len(path)
	if kindOf(v) == document.Array && (end || !path[i].numeric && path[i].name != "length") {
		for j := range v.Len() {
			e := strictPlace{list: true, there: true, numeric: true, leaf: at.leaf}
			if !o.walk(run, v.At(j), path, i, e) {
				return false
			}
		}
	}
	if end || kindOf(v) <= document.Null {
		at.leaf = end && (i > 0 || at.leaf)
		o.nextAll(run, v, at)
		return !run.isDone(o)
	}
	s := &path[i]
	owner := kindOf(v)
	v = property(v, s)
	return o.walk(run, v, path, i+1, strictPlace{
		list: owner == document.Array, object: owner == document.Object,
		there: kindOf(v) != document.Absent, numeric: s.numeric, leaf: true,
	})
}

// property is what JavaScript has under a name, lengths and characters of texts included.
func property(v document.Value, s *segment) document.Value {
	switch kindOf(v) {
	case document.Object:
		return v.Field(s.name)
	case document.Array:
		if s.index >= 0 {
			return v.At(s.index)
		}
		if s.name == "length" {
			return document.Of(v.Len())
		}
	case document.String:
		if s.index >= 0 {
			return unitAt(v.Str(), s.index)
		}
		if s.name == "length" {
			return document.Of(utf16Len(v.Str()))
		}
	}
	return document.Value{}
}

// unitAt returns a UTF-16 unit of a text; half a character reads as U+FFFD.
func unitAt(text string, index int) document.Value {
	for _, r := range text {
		n := 1
		if r > 0xFFFF {
			n = 2
		}
		if index < n {
			if n == 2 {
				r = utf8.RuneError
			}
			return document.Of(string(r))
		}
		index -= n
	}
	return document.Value{}
}

func (o *strictOp) isMember(v document.Value) bool {
	for _, m := range o.operands {
		if strictEqual(m, v) {
			return true
		}
	}
	return false
}

// strictEqual reports whether a value equals an operand: deeply, null and absent being the
// same, also inside.
func strictEqual(operand, v document.Value) bool {
	switch operand.Kind() {
	case document.Absent, document.Null:
		return kindOf(v) <= document.Null
	case document.Bool:
		return kindOf(v) == document.Bool && v.Bool() == operand.Bool()
	case document.Number:
		return kindOf(v) == document.Number && v.Float() == operand.Float()
	case document.String:
		return kindOf(v) == document.String && v.Str() == operand.Str()
	}
	if kindOf(v) != operand.Kind() || v.Len() != operand.Len() {
		return false
	}
	if kindOf(v) == document.Array {
		for i := range v.Len() {
			if !strictEqual(operand.At(i), v.At(i)) {
				return false
			}
		}
		return true
	}
	for key, e := range operand.Fields() {
		if !strictEqual(e, v.Field(key)) {
			return false
		}
	}
	return true
}

// bind returns the tree with the keys at document level resolved.
func (s *strict) bind(schema *Schema) *strict {
	return &strict{s.root.bind(schema), s.count}
}

func (o *strictOp) bind(s *Schema) *strictOp {
	bound := *o
	if o.keyed != nil {
		k := *o.keyed
		k.target = k.resolve(s)
		bound.keyed = &k
	}
	if o.filters != nil {
		bound.filters = bind(o.filters, s)
	}
	bound.children = make([]*strictOp, len(o.children))
	for i, child := range o.children {
		bound.children[i] = child.bind(s)
	}
	return &bound
}
