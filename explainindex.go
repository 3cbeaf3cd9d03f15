package siftdb

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/plan"
)

// prepareExplain binds the finder and chooses how it would find its entries.
func (f *finder) prepareExplain(ctx context.Context) error {
	f.way.untried = true
	if err := f.rd.slice(ctx, f.bind); err != nil || !f.ds.db.as.Unrestricted() {
		return err
	}
	if _, _, err := f.byIndex(ctx); err != nil || f.joins == nil {
		return err
	}
	for _, run := range f.joins.runs { // of a required one, as narrowRequired
		if err := run.explainColumns(ctx); err != nil {
			return err
		}
		if run.c.Required && f.rd.chosen == nil {
			continue
		}
		_, name, err := run.indexed(ctx)
		if err != nil {
			return err
		}
		run.indexName = name
	}
	return nil
}

// source returns the step of a plan that reads the query's own entries.
func (p *Plan) source() *Plan {
	for p.Step != "fetch" && len(p.Inputs) > 0 {
		p = p.Inputs[0]
	}
	return p
}

// explainIndexes makes the step that reads the entries tell of indexes, and reports whether they
// have a part in it. To whoever is not unrestricted it says nothing.
func (f *finder) explainIndexes(p *Plan) bool {
	if !f.ds.db.as.Unrestricted() || f.rd.st.source.veil != nil {
		return false
	}
	p.Rows = new(f.rd.st.count)
	way := f.way.plan
	switch {
	case way == nil:
		return false
	case f.way.sorted:
		p.Step, p.Rows = "fetch", nil
		in := way.explain(way.sorted)
		in.Detail, in.Rows = in.Detail+", in the order wanted", nil
		if way.sorted.Exact && f.rd.scan.exact {
			in.Rows = new(int64(f.first()))
		}
		p.Inputs = []*Plan{in}
	case f.rd.chosen != nil:
		p.Step, p.Rows = "fetch", new(int64(len(f.rd.chosen.places)))
		p.Inputs = []*Plan{way.explain(way.filter)}
		if n := len(f.rd.scan.known); n > 0 {
			p.Notes = append(p.Notes, strconv.Itoa(n)+" entries have been changed since, and are looked at one by one")
		}
		if f.rd.chosen.exact && len(f.rd.scan.known) == 0 {
			p.Detail += ", which the index decides"
		}
	case way.filter != nil:
		p.Notes = append(p.Notes, way.name(way.filter)+" would propose too many entries")
		return false
	default:
		return false
	}
	return true
}

// explain tells what a path does.
func (p *indexPlan) explain(path *plan.Path) *Plan {
	step := &Plan{Rows: new(int64(path.Rows)), AtLeast: path.AtLeast}
	switch {
	case path.Kind == plan.ByID:
		step.Step, step.Detail = "ids", "that the where names"
	case path.Grams:
		step.Step, step.Detail = "trigrams", p.name(path)
	case path.Kind == plan.BySpans:
		step.Step, step.Detail = "index", p.name(path)
		if n := len(path.Spans); n > 1 {
			step.Detail += ", " + strconv.Itoa(n) + " ranges"
		}
		if path.Reverse {
			step.Detail += ", backwards"
		}
	default:
		step.Step = "union"
		if path.Kind == plan.Intersect {
			step.Step = "intersect"
		}
		for _, part := range path.Parts {
			step.Inputs = append(step.Inputs, p.explain(part))
		}
	}
	return step
}

// name names the index of a path, or those of its parts, and what it is asked for.
func (p *indexPlan) name(path *plan.Path) string {
	if path.Kind != plan.BySpans && !path.Grams {
		var names []string
		for _, part := range path.Parts {
			if name := p.name(part); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return strings.Join(names, ", ")
	}
	def := p.indexes[path.Index].def
	fields := make([]string, len(def.Fields))
	for i, f := range def.Fields {
		if fields[i] = f.Name; f.Desc {
			fields[i] += " descending"
		}
	}
	text := strconv.Quote(def.Name) + " on " + strings.Join(fields, ", ")
	if len(path.For) == 0 {
		return text
	}
	paths := make([]string, len(path.For))
	for i, c := range path.For {
		paths[i] = c.Path()
	}
	slices.Sort(paths)
	return text + ", for " + strings.Join(slices.Compact(paths), " and ")
}
