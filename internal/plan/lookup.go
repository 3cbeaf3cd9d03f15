package plan

import (
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/query"
)

// lookup returns the path by one index for conditions that must all hold, nil when there is
// none.
func (p *Planner) lookup(i int, parts []*query.Probe) *Path {
	x := &p.indexes[i]
	used, bounds := x.conditions(parts)
	l, ok := x.Bound.Lookup(bounds, x.Stats)
	if !ok || x.Hashed && !l.AllWhole() {
		return nil
	}
	return p.dive(&Path{Kind: BySpans, Index: i, Spans: l.Spans, Exact: l.Exact, For: used[:l.Used], Equal: l.Equal})
}

// conditions returns those on the first fields of an index, the narrowest on each.
func (x *Index) conditions(parts []*query.Probe) (used []*query.Probe, bounds []query.Bounds) {
	def := x.Bound.Def()
	for f := range def.Fields {
		var best *query.Probe
		var within query.Bounds
		for _, part := range parts {
			if !part.On(x.Bound.Field(f)) {
				continue
			}
			var b query.Bounds
			if def.IgnoreCase {
				b = part.Folded()
			} else {
				b = part.Values(x.Stats.Multi > 0)
			}
			if !b.All && (best == nil || b.Cost() < within.Cost()) {
				best, within = part, b
			}
		}
		if best == nil {
			break
		}
		used, bounds = append(used, best), append(bounds, within)
	}
	return used, bounds
}

// Sorted returns the path to the entries that may match in the order wanted, or in the reverse
// of it, ties by id aside; nil when there is none. It is by one index, and its Rows are not
// estimated.
func (p *Planner) Sorted(probe *query.Probe, order *query.BoundOrder) *Path {
	var parts []*query.Probe
	switch probe.Kind {
	case query.ProbePath:
		parts = []*query.Probe{probe}
	case query.ProbeAnd:
		parts = probe.Parts
	}
	var best *Path
	for i := range p.indexes {
		if path := p.sortedBy(i, parts, order); path != nil && (best == nil || len(path.For) > len(best.For)) {
			path.Exact = path.Exact && probe.Whole && (probe.Kind == query.ProbeAny || len(parts) > 0 && len(path.For) == len(parts))
			best = path
		}
	}
	return best
}

func (p *Planner) sortedBy(i int, parts []*query.Probe, order *query.BoundOrder) *Path {
	x := &p.indexes[i]
	if x.Hashed {
		return nil
	}
	used, bounds := x.conditions(parts)
	l, ok := x.Bound.Lookup(bounds, x.Stats)
	if !ok {
		l, ok = x.Bound.Whole(x.Stats)
		used = nil
	}
	reverse, sorts := x.Bound.Sorts(l, order)
	if !ok || !sorts {
		return nil
	}
	return &Path{Kind: BySpans, Index: i, Spans: l.Spans, Exact: l.Exact, For: used[:l.Used], Reverse: reverse, Equal: l.Equal, Prefix: l.Prefix}
}

// Bounds of what a look-up by trigrams asks for.
const (
	gramsCounted = 12 // dives for one alternative
	gramsUsed    = 4  // of which the rarest are intersected
)

// grams returns the path by a trigram index for a condition.
func (p *Planner) grams(i int, part *query.Probe) *Path {
	x := &p.indexes[i]
	if !part.On(x.Bound.Field(0)) {
		return nil
	}
	alternatives, ok := part.Grams()
	if !ok {
		return nil
	}
	u := &Path{Kind: Union, For: []*query.Probe{part}, Grams: true, Index: i}
	add := func(path *Path) bool {
		if path == nil {
			return false
		}
		u.Parts = append(u.Parts, path)
		u.Rows += path.Rows
		u.guess += path.guess
		u.AtLeast = u.AtLeast || path.AtLeast
		return true
	}
	if x.Stats.Many > 0 && !add(p.dive(&Path{Kind: BySpans, Index: i, Spans: []index.Span{index.OverflowSpan()}})) {
		return nil
	}
	for _, texts := range alternatives {
		if !add(p.alternative(i, index.GramSpans(texts))) {
			return nil
		}
	}
	return u
}

// alternative returns the path to the entries that have all of some trigrams, by the rarest of
// them.
func (p *Planner) alternative(i int, spans []index.Span) *Path {
	step := max(1, (len(spans)+gramsCounted-1)/gramsCounted)
	all := &Path{Kind: Intersect}
	for at := 0; at < len(spans); at += step {
		path := p.dive(&Path{Kind: BySpans, Index: i, Spans: spans[at : at+1]})
		if path == nil {
			return nil
		}
		at := 0
		for at < len(all.Parts) && !path.before(all.Parts[at]) {
			at++
		}
		all.Parts = append(all.Parts[:at], append([]*Path{path}, all.Parts[at:]...)...)
	}
	all.Parts = all.Parts[:min(gramsUsed, len(all.Parts))]
	all.Rows, all.guess, all.AtLeast = all.Parts[0].Rows, all.Parts[0].guess, all.Parts[0].AtLeast
	if all.Rows < intersectFrom/4 || len(all.Parts) == 1 {
		return all.Parts[0]
	}
	return all
}
