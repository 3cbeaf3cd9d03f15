package plan

import (
	"slices"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/query"
)

// Index is an index that may be used.
type Index struct {
	Bound *index.Bound
	Stats index.Stats
	// Hashed says that keys are hashed: only whole keys can be looked up.
	Hashed bool
}

// Source counts the keys in an index.
type Source interface {
	// Dive counts the keys in some spans of an index, and stops when there are more than most.
	// Where it can tell, n then estimates how many there are in all; else it is more than most
	// and unknown is true.
	Dive(index int, spans []index.Span, most int) (n int, unknown bool, err error)
}

// Kind is what a Path does.
type Kind uint8

// The kinds.
const (
	ByID      Kind = iota // it names the ids
	BySpans               // it takes the entries under the keys in spans of an index
	Intersect             // it takes what all its parts propose
	Union                 // it takes what any of its parts proposes
)

// Path is a way to the entries that may match.
type Path struct {
	Kind  Kind
	IDs   []int64 // of ByID, ascending
	Index int     // of BySpans: its place among the indexes
	Spans []index.Span
	Parts []*Path // of Intersect and Union

	// Rows estimates how many entries it proposes; AtLeast says that they may be many more.
	Rows    int
	AtLeast bool
	guess   int // Rows, or if they may be many more, what they are taken for
	// Exact says that what it proposes matches all of the conditions.
	Exact bool
	// For are the conditions that it narrows by.
	For []*query.Probe

	// Of a path in the order wanted: whether the index is read from its end, and how many of
	// its first fields have one value each.
	Reverse bool
	Equal   int
	Prefix  int // how much of its keys is the same
	// Grams says that the index is one of trigrams.
	Grams bool
}

// diveKeys is how many keys a dive counts.
const diveKeys = 256

// diveSpans is how many spans a dive looks at.
const diveSpans = 512

// intersectFrom is how many entries a path must propose for a second one to be worth while.
const intersectFrom = 64

// Planner chooses paths.
type Planner struct {
	indexes []Index
	source  Source
	err     error
}

// New returns a planner over some indexes.
func New(indexes []Index, source Source) *Planner { return &Planner{indexes: indexes, source: source} }

// Filter returns the best path to the entries that may match, nil when there is none.
func (p *Planner) Filter(probe *query.Probe) (*Path, error) {
	path := p.filter(probe)
	if path != nil {
		path.Exact = path.Exact && probe.Whole
	}
	return path, p.err
}

func (p *Planner) filter(probe *query.Probe) *Path {
	switch probe.Kind {
	case query.ProbePath:
		return p.all([]*query.Probe{probe})
	case query.ProbeAnd:
		return p.all(probe.Parts)
	case query.ProbeOr:
		return p.any(probe.Parts)
	}
	return nil
}

// any returns the union of the paths of all parts, nil when one has none.
func (p *Planner) any(parts []*query.Probe) *Path {
	u := &Path{Kind: Union, Exact: true}
	for _, part := range parts {
		path := p.filter(part)
		if path == nil {
			return nil
		}
		u.Parts = append(u.Parts, path)
		u.For = append(u.For, path.For...)
		u.Rows += path.Rows
		u.guess += path.guess
		u.AtLeast = u.AtLeast || path.AtLeast
		u.Exact = u.Exact && path.Exact && part.Whole
	}
	if len(u.Parts) == 1 {
		return u.Parts[0]
	}
	return u
}

// all returns the best path for conditions that must all hold.
func (p *Planner) all(parts []*query.Probe) *Path {
	var paths []*Path
	add := func(path *Path, covered int) {
		if path != nil {
			path.Exact = path.Exact && covered == len(parts)
			paths = append(paths, path)
		}
	}
	for _, part := range parts {
		if part.Kind == query.ProbeOr {
			add(p.any(part.Parts), 1)
		} else if ids, exact, ok := part.IDs(); ok {
			add(&Path{Kind: ByID, IDs: ids, Rows: len(ids), guess: len(ids), Exact: exact, For: []*query.Probe{part}}, 1)
		}
	}
	for i := range p.indexes {
		if p.indexes[i].Bound.Def().Trigram {
			for _, part := range parts {
				add(p.grams(i, part), 1)
			}
			continue
		}
		if path := p.lookup(i, parts); path != nil {
			add(path, len(path.For))
		}
	}
	return p.best(paths)
}

// best returns the path with the fewest rows, cut by another one where that is worth while.
func (p *Planner) best(paths []*Path) *Path {
	var best, next *Path
	for _, path := range paths {
		switch {
		case best == nil || path.before(best):
			best, next = path, best
		case next == nil || path.before(next):
			next = path
		}
	}
	if next == nil || best.Rows < intersectFrom || next.Kind == ByID || next.AtLeast || next.Rows > 4*best.Rows || sharesCondition(best, next) {
		return best
	}
	return &Path{Kind: Intersect, Parts: []*Path{best, next}, Rows: best.Rows, guess: best.guess, AtLeast: best.AtLeast, For: append(best.For[:len(best.For):len(best.For)], next.For...)}
}

// Listed reports whether all that a path proposes comes from indexes, and so exists.
func (a *Path) Listed() bool {
	if a.Kind == ByID {
		return false
	}
	return !slices.ContainsFunc(a.Parts, func(part *Path) bool { return !part.Listed() })
}

// before reports whether a path is the better one: with fewer rows, else for more conditions,
// else by single values.
func (a *Path) before(b *Path) bool {
	switch {
	case a.guess != b.guess:
		return a.guess < b.guess
	case len(a.For) != len(b.For):
		return len(a.For) > len(b.For)
	}
	return a.Equal > b.Equal
}

func sharesCondition(a, b *Path) bool {
	for _, x := range a.For {
		for _, y := range b.For {
			if x == y {
				return true
			}
		}
	}
	return false
}

// dive estimates the rows of a path by spans.
func (p *Planner) dive(path *Path) *Path {
	spans := path.Spans
	if len(spans) > diveSpans {
		spans, path.AtLeast = spans[:diveSpans], true
	}
	n, unknown, err := p.source.Dive(path.Index, spans, diveKeys)
	if err != nil {
		p.err = err
		return nil
	}
	path.Rows, path.AtLeast, path.guess = n, path.AtLeast || unknown, n
	if path.AtLeast { // a range is taken for a sixteenth
		path.guess = max(4*diveKeys, int(p.indexes[path.Index].Stats.Entries/16))
	}
	return path
}
