package query

import "github.com/siftdb/siftdb/internal/document"

// Shape is a condition of a bound where that depends on single columns: a tree of and, or and
// not over conditions that each look at one column alone. Whoever holds a column as a list of
// its distinct values tests each of those once, whatever the number of entries.
type Shape struct {
	Kind  ShapeKind
	Parts []*Shape // of ShapeAnd, ShapeOr and ShapeNot
	// Column is the number of the column of a ShapeColumn. Absent says instead that no entry has
	// a value there.
	Column uint16
	Absent bool

	key    *keyed
	quick  screen       // of the value of the column
	strict *strictShape // of a where of the Strict dialect
}

// ShapeKind says what a Shape is.
type ShapeKind uint8

// The kinds of a Shape.
const (
	ShapeAnd    ShapeKind = iota // every part holds
	ShapeOr                      // one part holds
	ShapeNot                     // its one part does not hold
	ShapeColumn                  // the value of one column passes Test
)

// Test tests a value of the column, or its absence. A regular expression that costs too much
// is told in r.Err, and then the answer counts for nothing.
func (s *Shape) Test(r *Record, v document.Value) bool {
	if s.strict != nil {
		return s.strict.test(r, v)
	}
	path := s.key.target.path
	if len(path) == 1 {
		return s.key.node.test(r, v, here) == yes
	}
	return walk(r, v, path, 1, here, s.key.node) == yes
}

// CanJudge reports whether Judge can be of use.
func (s *Shape) CanJudge() bool { return len(s.quick.tests) > 0 }

// Judge takes a first, quick look at a stored value of the column. It allocates nothing.
func (s *Shape) Judge(raw []byte) Verdict {
	kind, num, text := document.PeekValue(raw)
	verdict := Unsure
	if s.quick.whole {
		verdict = Yes
	}
	for i := range s.quick.tests {
		switch s.quick.tests[i].judgeValue(kind, num, text) {
		case No:
			return No
		case Unsure:
			verdict = Unsure
		}
	}
	return verdict
}

// Needle returns a text that every string of the column holds which passes Test, in lower case if
// fold is true, and then strings hold it in any case. It is empty when there is none. It tells
// nothing of other values, and with fold nothing of strings that are not ASCII.
func (s *Shape) Needle() (text string, fold bool) {
	if s.Kind != ShapeColumn || s.strict != nil || len(s.key.target.path) != 1 {
		return "", false
	}
	return needleOf(s.key.node)
}

func needleOf(n node) (text string, fold bool) {
	switch n := n.(type) {
	case *and:
		for _, m := range n.nodes {
			if more, f := needleOf(m); len(more) > len(text) {
				text, fold = more, f
			}
		}
	case *like:
		if !n.isWhole {
			return n.needle.text, n.needle.fold
		}
		for _, piece := range n.whole.pieces {
			if len(piece) > len(text) {
				text, fold = piece, n.whole.fold
			}
		}
	case *filterContains:
		if !n.not && !n.never {
			return n.needle.text, n.needle.fold
		}
	}
	return text, fold
}

// Shape parts a bound where into what depends on single columns and the
// rest: an entry matches when both do. shape is nil when there is nothing of the kind, and
// rest when that is all.
func (m *Matcher) Shape() (shape *Shape, rest *Matcher) {
	if !m.data {
		return nil, m
	}
	if m.strict != nil {
		return m.strictShapeOf()
	}
	all := &Shape{Kind: ShapeAnd}
	var others []node
	for _, n := range conjuncts(nil, m.root) {
		if s := shapeOf(n); s != nil {
			all.Parts = append(all.Parts, s)
		} else {
			others = append(others, n)
		}
	}
	if len(all.Parts) == 0 {
		return nil, m
	}
	if len(others) > 0 {
		root := &and{others}
		rest = &Matcher{root: root, data: true, screen: newScreen(root)}
	}
	return all, rest
}

// conjuncts appends the nodes at document level that must all hold.
func conjuncts(list []node, n node) []node {
	switch n := n.(type) {
	case *and:
		for _, m := range n.nodes {
			list = conjuncts(list, m)
		}
		return list
	case *keyed:
		if n.target.kind == toWhole {
			return conjuncts(list, n.node)
		}
	}
	return append(list, n)
}

// shapeOf returns the shape of a node at document level, nil when it has none.
func shapeOf(n node) *Shape {
	switch n := n.(type) {
	case *and:
		return shapeOfAll(ShapeAnd, n.nodes)
	case *or:
		return shapeOfAll(ShapeOr, n.nodes)
	case *not:
		return shapeOfAll(ShapeNot, []node{n.node})
	case *strictNode:
		return shapeOfStrict(n.strict.root, n.strict.count)
	case *keyed:
		t := &n.target
		switch {
		case t.kind == toWhole:
			return shapeOf(n.node)
		case t.kind != toColumn || !t.numbered && t.names.Len() >= document.MaxNames:
			return nil // an entry field, or a column that may stand in the documents by name
		}
		s := &Shape{Kind: ShapeColumn, Column: t.number, Absent: !t.numbered, key: n}
		if len(t.path) == 1 {
			s.quick.whole = true
			s.quick.gatherColumn(t.number, n.node)
		}
		return s
	}
	return nil
}

func shapeOfAll(kind ShapeKind, nodes []node) *Shape {
	s := &Shape{Kind: kind}
	for _, n := range nodes {
		part := shapeOf(n)
		if part == nil {
			return nil
		}
		s.Parts = append(s.Parts, part)
	}
	return s
}
