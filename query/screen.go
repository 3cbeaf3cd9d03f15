package query

import (
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// screen holds the conditions of a bound where that can be judged from the bytes of a stored
// document alone: comparisons of whole columns with constants, all of which must hold. A scan
// asks it first, since it is several times quicker than the nodes and mostly enough.
type screen struct {
	tests []screenTest
	whole bool // there is nothing else in the where
}

type screenTest struct {
	column uint16
	eq     *eq
	order  *order
}

// newScreen gathers what can be judged early of a bound node. Equalities, which fail most
// often, come first.
func newScreen(n node) screen {
	s := screen{whole: true}
	s.gather(n)
	slices.SortStableFunc(s.tests, func(a, b screenTest) int {
		switch {
		case a.eq != nil && b.eq == nil:
			return -1
		case a.eq == nil && b.eq != nil:
			return 1
		}
		return 0
	})
	return s
}

// gather collects the tests of a node at document level, every part of which must hold.
func (s *screen) gather(n node) {
	switch n := n.(type) {
	case *and:
		for _, m := range n.nodes {
			s.gather(m)
		}
		return
	case *keyed:
		if t := &n.target; t.kind == toColumn && len(t.path) == 1 && t.numbered {
			s.gatherColumn(t.number, n.node)
			return
		}
	}
	s.whole = false
}

// gatherColumn collects the tests of a node on the value of a column.
func (s *screen) gatherColumn(column uint16, n node) {
	switch n := n.(type) {
	case *and:
		for _, m := range n.nodes {
			s.gatherColumn(column, m)
		}
		return
	case *eq:
		if n.kind != isNull {
			s.tests = append(s.tests, screenTest{column: column, eq: n})
			return
		}
	case *order:
		s.tests = append(s.tests, screenTest{column: column, order: n})
		return
	}
	s.whole = false
}

// Verdict is what Judge says of a document.
type Verdict int8

// Unsure leaves the document to MatchRecord; No and Yes are what that would say.
const (
	Unsure Verdict = iota
	No
	Yes
)

// CanJudge reports whether Judge can be of use: the Matcher is bound and has a condition that
// it knows.
func (m *Matcher) CanJudge() bool { return len(m.screen.tests) > 0 }

// Judge takes a first, quick look at a stored document, which must be numbered by the names
// that the Matcher was bound to. Mostly it can tell whether the document matches. It allocates
// nothing.
func (m *Matcher) Judge(doc []byte) Verdict {
	verdict := Unsure
	if m.screen.whole {
		verdict = Yes
	}
	for i := range m.screen.tests {
		switch m.screen.tests[i].judge(doc) {
		case No:
			return No
		case Unsure:
			verdict = Unsure
		}
	}
	return verdict
}

func (t *screenTest) judge(doc []byte) Verdict {
	return t.judgeValue(document.Peek(doc, t.column))
}

func (t *screenTest) judgeValue(kind document.Kind, num float64, text []byte) Verdict {
	if n := t.order; n != nil {
		switch kind {
		case document.Number:
			return yesNo(n.ok && n.relation.holds(num, n.num))
		case document.Absent, document.Null, document.Bool, document.Object:
			return No
		}
		return Unsure
	}
	switch kind {
	case document.Number:
		return yesNo(t.eq.numOK && num == t.eq.num)
	case document.Absent, document.Null, document.Object:
		return No
	case document.String:
		if t.eq.kind == isText {
			return yesNo(t.eq.text == string(text))
		}
	}
	return Unsure
}

func yesNo(yes bool) Verdict {
	if yes {
		return Yes
	}
	return No
}
