package query

import "github.com/siftdb/siftdb/internal/document"

// All combines matchers with AND, as $and does with wheres. They may be of different dialects;
// each keeps its own, and Bind binds all of them that are on a data source. Those that are
// bound already must be bound to one Schema. Nil members are left out, one that remains is
// returned as it is, and without any everything matches.
func All(ms ...*Matcher) *Matcher {
	var conditions, given []*Matcher
	for _, m := range ms {
		if m == nil {
			continue
		}
		given = append(given, m)
		if !m.MatchesAll() {
			conditions = append(conditions, m)
		}
	}
	switch {
	case len(conditions) == 1:
		return conditions[0]
	case len(conditions) == 0 && len(given) > 0:
		return given[0]
	}
	return combine(&and{nodesOf(conditions)}, conditions)
}

// Any combines matchers with OR, as $or does with wheres, and else as All does. Without any
// member nothing matches.
func Any(ms ...*Matcher) *Matcher {
	var given []*Matcher
	for _, m := range ms {
		if m != nil {
			given = append(given, m)
		}
	}
	if len(given) == 1 {
		return given[0]
	}
	return combine(&or{nodesOf(given)}, given)
}

// combine makes a Matcher of a node over those of its members.
func combine(root node, members []*Matcher) *Matcher {
	m := &Matcher{root: root, screen: newScreen(root)}
	for _, member := range members {
		m.data = m.data || member.data
	}
	return m
}

func nodesOf(ms []*Matcher) []node {
	nodes := make([]node, len(ms))
	for i, m := range ms {
		nodes[i] = m.root
		if m.strict != nil {
			nodes[i] = &strictNode{m.strict}
		}
	}
	return nodes
}

// strictNode is a where of the Strict dialect as part of a combined Matcher.
type strictNode struct{ strict *strict }

func (n *strictNode) test(r *Record, v document.Value, _ place) verdict { return n.strict.test(r, v) }
