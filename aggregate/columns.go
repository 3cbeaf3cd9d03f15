package aggregate

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Columns are the documents that a pipeline begins with, as far as Pipeline.Columns asks for
// them: of each the number of its value in each of some fields of its object data. Numbers of one
// column begin at 0; 0 is that of documents without a value.
type Columns interface {
	// Chunks gives the documents, some at a time: how many there are, and the numbers of their
	// values in each column. Nobody changes these, and they are valid until the next ones.
	Chunks() iter.Seq2[int, [][]uint32]
	// Len is how many numbers there are in a column.
	Len(column int) int
	// Value gives the value of a number, a view that is valid as long as the Columns.
	Value(column int, number uint32) Value
	// Floats gives the values of a column that are numbers, and which those are.
	Floats(column int) (values []float64, are []bool)
	// Documents gives whole documents, in the order in which they are asked for: by their places
	// among those that Chunks gives, from 0 on.
	Documents(places []int) iter.Seq2[Value, error]
}

// columnar is the beginning of a pipeline that needs columns alone.
type columnar struct {
	names   []string
	matches []matchStage
	fold    stage // $group, $sortByCount, $bucket, $count or a $sort of which few are wanted
	skips   int   // documents that are not wanted behind a $sort
	next    []stage
}

// Columns returns the fields of the object data that the beginning of the pipeline looks at,
// when it looks at nothing else, and what follows gets few documents: there are $match stages,
// and then $group, $sortByCount, $bucket or $count, or a $sort of which a number is wanted;
// see Reads.
func (p *Pipeline) Columns() (names []string, ok bool) {
	c := p.columnar()
	if c == nil {
		return nil, false
	}
	return c.names, true
}

// Reads returns how many whole documents are read at most where Columns suffice, besides.
func (p *Pipeline) Reads() int {
	c := p.columnar()
	if c == nil {
		return 0
	}
	if s, ok := c.fold.(*sorter); ok {
		return max(s.best-c.skips, 0)
	}
	return 0
}

// columnar finds the beginning of the pipeline that needs columns alone, nil when there is none.
func (p *Pipeline) columnar() *columnar {
	c := &columnar{}
	for i, s := range p.stages {
		switch s := s.(type) {
		case matchStage:
			if !c.matcher(s.m) {
				return nil
			}
			c.matches = append(c.matches, s)
			continue
		case countStage:
		case *groupStage:
			if !c.expr(s.id) || !c.grouping(&s.grouping) {
				return nil
			}
		case *bucket:
			if !c.single(s.by) || !c.grouping(&s.grouping) {
				return nil
			}
		case *sorter:
			if s.best == 0 || !c.ordering(s.order) {
				return nil
			}
		default:
			return nil
		}
		c.fold, c.next = s, p.stages[i+1:]
		if _, ok := s.(*sorter); ok {
			c.skip()
		}
		return c
	}
	return nil
}

// column returns the place of a column, which it adds.
func (c *columnar) column(path []step) (at int, ok bool) {
	if len(path) < 2 || path[0].name != "data" || strings.HasPrefix(path[1].name, "$") {
		return 0, false
	}
	if at = slices.Index(c.names, path[1].name); at < 0 {
		at = len(c.names)
		c.names = append(c.names, path[1].name)
	}
	return at, true
}

// matcher reports whether a condition looks at columns alone.
func (c *columnar) matcher(m matcher) bool {
	switch m := m.(type) {
	case allOf:
		return !slices.ContainsFunc(m, func(x matcher) bool { return !c.matcher(x) })
	case anyOf:
		return !slices.ContainsFunc(m, func(x matcher) bool { return !c.matcher(x) })
	case negation:
		return c.matcher(m.m)
	case *fieldTest:
		_, ok := c.column(m.path)
		return ok && isPure(m.test)
	}
	return false
}

// isPure reports whether a test looks at one value and nothing else.
func isPure(t test) bool {
	switch t.(type) {
	case equalTo, *ordinalTest, *oneOf, present, typeTest, modTest, regexTest, sizeTest, bitTest:
		return true
	}
	return false
}

// single reports whether an expression is a constant, or a path into a column.
func (c *columnar) single(x expr) bool {
	switch x := x.(type) {
	case literal:
		return true
	case *fieldPath:
		_, ok := c.column(x.path)
		return ok
	}
	return false
}

// expr reports whether an expression is made of columns and constants.
func (c *columnar) expr(x expr) bool {
	if o, ok := x.(*objectExpr); ok {
		return !slices.ContainsFunc(o.vals, func(x expr) bool { return !c.single(x) })
	}
	return c.single(x)
}

// grouping reports whether accumulators fold columns and constants.
func (c *columnar) grouping(g *grouping) bool {
	return !slices.ContainsFunc(g.accs, func(a *accumulation) bool { return a.n != nil || !c.single(a.arg) })
}

// StreamColumns evaluates a pipeline of which Columns tells what it needs: cols has these
// columns, and the documents in their order. What it gives is what StreamValues gives. ok is
// false when that cannot be told from columns, because the documents would meet a limit.
func (p *Pipeline) StreamColumns(ctx context.Context, cols Columns) (out iter.Seq2[Value, error], ok bool, err error) {
	c := p.columnar()
	if c == nil {
		return nil, false, nil
	}
	r := p.newRun(ctx)
	f := &folder{columnar: c, cols: cols, e: &env{run: r, vars: make([]Value, p.slots)}}
	first, ok := f.run()
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if !ok {
		return nil, false, nil
	}
	return func(yield func(Value, error) bool) {
		for v, err := range chain(c.next, f.e, first) {
			if !yield(v, err) || err != nil {
				return
			}
		}
	}, true, nil
}
