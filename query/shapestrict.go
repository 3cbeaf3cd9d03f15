package query

import "github.com/siftdb/siftdb/internal/document"

// strictShape is a condition of the Strict dialect that looks at one column.
type strictShape struct {
	op     *strictOp // a key at document level
	states int       // of the where that it is in
}

// shapeOfStrict returns the shape of an operator at document level, nil when it has none. There an
// operator is shown one value, the document, so that what it says is what its children say, joined
// by and, or and not; and a key shows its own only what its column holds.
func shapeOfStrict(o *strictOp, states int) *Shape {
	if o.isAll() {
		return shapeOfStricts(ShapeAnd, o.children, states)
	}
	switch o.kind {
	case strictOr:
		return shapeOfStricts(ShapeOr, o.children, states)
	case strictNor:
		if some := shapeOfStricts(ShapeOr, o.children, states); some != nil {
			return &Shape{Kind: ShapeNot, Parts: []*Shape{some}}
		}
	case strictNot:
		return shapeOfStricts(ShapeNot, o.children, states)
	case strictFilters:
		return shapeOf(o.filters)
	case strictNested:
		if o.keyed == nil || !o.ownColumn() {
			return nil
		}
		t := &o.keyed.target
		return &Shape{Kind: ShapeColumn, Column: t.number, Absent: !t.numbered, key: o.keyed, strict: &strictShape{o, states}}
	}
	return nil
}

// isAll reports whether an operator at document level holds when all of its children do.
func (o *strictOp) isAll() bool {
	return o.kind == strictGroup || o.kind == strictNested && o.keyed == nil && len(o.path) == 0
}

func shapeOfStricts(kind ShapeKind, ops []*strictOp, states int) *Shape {
	s := &Shape{Kind: kind}
	for _, o := range ops {
		part := shapeOfStrict(o, states)
		if part == nil {
			return nil
		}
		s.Parts = append(s.Parts, part)
	}
	return s
}

// ownColumn reports whether a key leads to a column that does not stand in the documents by name,
// and everything below it looks at nothing else.
func (o *strictOp) ownColumn() bool {
	t := &o.keyed.target
	return t.kind == toColumn && (t.numbered || t.names.Len() < document.MaxNames) && o.looksBelow()
}

// looksBelow reports whether all operators below one look at what they are shown alone.
func (o *strictOp) looksBelow() bool {
	for _, child := range o.children {
		if child.keyed != nil || child.filters != nil || !child.looksBelow() {
			return false
		}
	}
	return true
}

// test tests a value of the column, as strict.test does a document that has it.
func (s *strictShape) test(r *Record, v document.Value) bool {
	run := strictRuns.Get().(*strictRun)
	if cap(run.states) < s.states {
		run.states = make([]strictState, s.states)
	}
	run.record, run.states, run.failed = r, run.states[:s.states], false
	s.op.reset(run)
	s.op.walk(run, v, s.op.keyed.target.path, 1, strictPlace{object: true, there: v.Kind() != document.Absent})
	answer := run.keeps(s.op) && !run.failed
	run.record = nil
	strictRuns.Put(run)
	return answer
}

// conjunctsOfStrict lists the operators at document level that must all hold.
func conjunctsOfStrict(list []*strictOp, o *strictOp) []*strictOp {
	if !o.isAll() {
		return append(list, o)
	}
	for _, child := range o.children {
		list = conjunctsOfStrict(list, child)
	}
	return list
}

// strictShapeOf is Matcher.Shape for the Strict dialect. What has no shape stays in the rest, with
// all that the where says.
func (m *Matcher) strictShapeOf() (shape *Shape, rest *Matcher) {
	all := &Shape{Kind: ShapeAnd}
	for _, o := range conjunctsOfStrict(nil, m.strict.root) {
		if s := shapeOfStrict(o, m.strict.count); s != nil {
			all.Parts = append(all.Parts, s)
		} else {
			rest = m
		}
	}
	if len(all.Parts) == 0 {
		return nil, m
	}
	return all, rest
}
