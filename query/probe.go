package query

import (
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// Probe is what a bound where asks of single paths, for whoever holds an index: a tree of and
// and or over conditions on one path each. It may leave conditions out, so that all entries
// that match pass it, but not only those.
type Probe struct {
	Kind  ProbeKind
	Parts []*Probe // of ProbeAnd and ProbeOr; a ProbeOr without parts holds for no entry
	// Whole says that no condition was left out: every entry that passes matches.
	Whole bool

	kind targetKind // of a ProbePath: where the path begins
	path []segment
	node node
	text string // the path for people
}

// ProbeKind says what a Probe is.
type ProbeKind uint8

// The kinds of a Probe.
const (
	ProbeAny  ProbeKind = iota // any entry may match
	ProbeAnd                   // every part holds
	ProbeOr                    // one part holds
	ProbePath                  // a value that one path leads to passes a condition
)

// Probe parts a bound where of the Sift dialect. Of the Strict dialect it can say nothing.
func (m *Matcher) Probe() *Probe {
	if m.strict != nil || !m.data {
		return &Probe{}
	}
	return probeOf(m.root)
}

// probeOf returns the probe of a node at document level.
func probeOf(n node) *Probe {
	switch n := n.(type) {
	case *and:
		return probeAnd(n.nodes, probeOf)
	case *or:
		return probeOr(n.nodes, probeOf)
	case never:
		return &Probe{Kind: ProbeOr, Whole: true}
	case *keyed:
		if n.target.kind == toWhole {
			return probeOf(n.node)
		}
		p := prober{kind: n.target.kind, text: n.name}
		return p.probe(n.node, n.target.path)
	}
	return &Probe{}
}

// probeAnd makes one probe of those that must all hold.
func probeAnd(nodes []node, of func(node) *Probe) *Probe {
	all := &Probe{Kind: ProbeAnd, Whole: true}
	for _, n := range nodes {
		p := of(n)
		all.Whole = all.Whole && p.Whole
		switch p.Kind {
		case ProbeAny:
		case ProbeAnd:
			all.Parts = append(all.Parts, p.Parts...)
		default:
			all.Parts = append(all.Parts, p)
		}
	}
	switch len(all.Parts) {
	case 0:
		all.Kind = ProbeAny
	case 1:
		one := *all.Parts[0]
		one.Whole = all.Whole
		return &one
	}
	return all
}

// probeOr makes one probe of those of which one must hold.
func probeOr(nodes []node, of func(node) *Probe) *Probe {
	any := &Probe{Kind: ProbeOr, Whole: true}
	for _, n := range nodes {
		p := of(n)
		any.Whole = any.Whole && p.Whole
		switch p.Kind {
		case ProbeAny:
			return p
		case ProbeOr:
			any.Parts = append(any.Parts, p.Parts...)
		default:
			any.Parts = append(any.Parts, p)
		}
	}
	if len(any.Parts) == 1 {
		return any.Parts[0]
	}
	return any
}

// prober makes probes of the nodes on one key of a document.
type prober struct {
	kind targetKind
	text string
}

// probe returns the probe of a node on what a path leads to.
func (p *prober) probe(n node, path []segment) *Probe {
	if !nests(n) {
		return p.leaf(n, path)
	}
	further := func(n node) *Probe { return p.probe(n, path) }
	switch n := n.(type) {
	case *and:
		return p.all(n, path)
	case *or:
		return probeOr(n.nodes, further)
	case *elemMatch:
		return p.elements(n.node, path)
	case *field:
		if p.kind != toColumn {
			return &Probe{} // entry fields have nothing inside
		}
		inner := *p
		for _, s := range n.path {
			inner.text += "." + s.name
		}
		return inner.probe(n.node, append(path[:len(path):len(path)], n.path...))
	}
	return &Probe{}
}

// all returns the probe of nodes that must all hold of what one path leads to. What orders is
// kept together, so that of one value both ends count.
func (p *prober) all(n *and, path []segment) *Probe {
	rest := make([]node, 0, len(n.nodes))
	orders := &and{}
	for _, m := range n.nodes {
		if _, ok := m.(*order); ok {
			orders.nodes = append(orders.nodes, m)
		} else {
			rest = append(rest, m)
		}
	}
	switch len(orders.nodes) {
	case 0:
	case 1:
		rest = append(rest, orders.nodes[0])
	default:
		rest = append(rest, orders)
	}
	return probeAnd(rest, func(m node) *Probe {
		if m == orders {
			return p.leaf(m, path)
		}
		return p.probe(m, path)
	})
}

// elements returns the probe of a node on the elements of an array. What a path into them
// leads to is what one into the array does, unless it begins with an index.
func (p *prober) elements(n node, path []segment) *Probe {
	switch n := n.(type) {
	case *and:
		return probeAnd(n.nodes, func(m node) *Probe { return p.elements(m, path) })
	case *or:
		return probeOr(n.nodes, func(m node) *Probe { return p.elements(m, path) })
	case *field:
		if n.path[0].numeric {
			return &Probe{}
		}
		return p.probe(n, path)
	}
	if nests(n) {
		return &Probe{}
	}
	return p.leaf(&elemMatch{n}, path)
}

func (p *prober) leaf(n node, path []segment) *Probe {
	if _, ok := n.(never); ok {
		return &Probe{Kind: ProbeOr, Whole: true}
	}
	return &Probe{Kind: ProbePath, Whole: true, kind: p.kind, path: path, node: n, text: p.text}
}

// nests reports whether a node is to be taken apart: it leads further into the value, or is
// several conditions.
func nests(n node) bool {
	switch n := n.(type) {
	case *field, *and:
		return true
	case *or:
		for _, m := range n.nodes {
			if nests(m) {
				return true
			}
		}
	case *elemMatch:
		return nests(n.node)
	}
	return false
}

// On reports whether the condition is on what a name leads to.
func (p *Probe) On(name *BoundName) bool {
	return p.Kind == ProbePath && (&target{kind: p.kind, path: p.path}).same(&name.target)
}

// same reports whether two targets lead to the same.
func (t *target) same(u *target) bool {
	return t.kind == u.kind && (t.kind != toColumn || slices.EqualFunc(t.path, u.path, func(a, b segment) bool { return a.name == b.name }))
}

// Path returns the name of the path, as the where wrote it.
func (p *Probe) Path() string { return p.text }

// IDs returns the ids that a condition on the entry field id allows, ascending. ok is false
// when it does not say, exact when it says no more.
func (p *Probe) IDs() (ids []int64, exact, ok bool) {
	if p.Kind != ProbePath || p.kind != toID {
		return nil, false, false
	}
	b := p.Values(false)
	if b.All {
		return nil, false, false
	}
	for _, r := range b.Values {
		if !r.Point {
			return nil, false, false
		}
		f, isNumber := document.NumberOfKey(r.Lo)
		if id := int64(f); isNumber && f > 0 && f < 1<<53 && float64(id) == f {
			ids = append(ids, id)
		}
	}
	return ids, b.Exact, true
}
