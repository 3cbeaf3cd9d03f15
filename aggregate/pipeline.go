package aggregate

import (
	"context"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// seq is a stream of documents between stages.
type seq = iter.Seq2[Value, error]

// stage wraps a stream in another.
type stage interface {
	run(e *env, in seq) seq
}

// stageEntry is an operator's line in a table of stages.
type stageEntry func(c *compiler, arg Value) stage

// Pipeline is a compiled pipeline. It is safe for concurrent use, unless Writes reports true.
type Pipeline struct {
	settings
	stages  []stage
	slots   int
	writes  bool
	sources []any
}

// Writes reports whether the pipeline has a $merge or $out, which change the collections that
// were given: such a pipeline must not run concurrently with itself.
func (p *Pipeline) Writes() bool { return p.writes }

// Sources gives the collections that the pipeline reads with $lookup, $graphLookup and
// $unionWith, in its sub-pipelines too: each once, as the pipeline names it (a string or a
// float64), in the order in which they first stand in it.
func (p *Pipeline) Sources() []any { return slices.Clone(p.sources) }

// Run evaluates the pipeline over decoded documents, as ValueOf takes them, and returns plain
// Go data that shares nothing with them.
func (p *Pipeline) Run(ctx context.Context, docs []any) ([]any, error) {
	return p.collect(ctx, docs, Value.Go)
}

// RunOrdered is like Run, with objects as query.D, whose keys are in order.
func (p *Pipeline) RunOrdered(ctx context.Context, docs []any) ([]any, error) {
	return p.collect(ctx, docs, Value.Ordered)
}

func (p *Pipeline) collect(ctx context.Context, docs []any, out func(Value) any) ([]any, error) {
	result := []any{}
	r := p.newRun(ctx)
	in := func(yield func(Value, error) bool) {
		for i, d := range docs {
			v := ValueOf(d)
			if v.kind == Missing {
				yield(v, errs.New(errs.InvalidInput, "document %d, a %T, has no JSON form", i, d))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
	for v, err := range p.start(r, in) {
		if err != nil {
			return nil, err
		}
		if err := r.hold("pipeline", weight(v)); err != nil {
			return nil, err
		}
		if err := r.hold("pipeline", copied(v)); err != nil {
			return nil, err
		}
		result = append(result, out(v))
	}
	return result, nil
}

// Stream evaluates the pipeline over documents that come one by one, and gives its results as
// they come. Stages such as $sort keep views of documents, so the documents must stay valid and
// unchanged until the stream ends, and as long as its results are used.
func (p *Pipeline) Stream(ctx context.Context, docs iter.Seq2[document.Value, error]) iter.Seq2[Value, error] {
	return p.StreamValues(ctx, func(yield func(Value, error) bool) {
		for d, err := range docs {
			if !yield(Stored(d), err) {
				return
			}
		}
	})
}

// StreamValues is like Stream, over documents in any form that a Value has, such as that of
// LazyObject. A missing document is an error. Each iteration over the stream is a run of its
// own; a run ends at the first error, which it yields last.
func (p *Pipeline) StreamValues(ctx context.Context, docs iter.Seq2[Value, error]) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) { p.start(p.newRun(ctx), docs)(yield) }
}

func (p *Pipeline) newRun(ctx context.Context) *run {
	return &run{settings: p.settings, ctx: ctx, now: float64(time.Now().UnixMilli()), cache: map[string]*collection{}}
}

// read notes that a document is read.
func (r *run) read(v Value) {
	r.allow(1)
	r.owns = r.owns || v.form == lazyForm && v.num > 0
}

// allow notes that n documents are read, or need not be.
func (r *run) allow(n int) { r.credit += n * stepsPerDocument }

func (p *Pipeline) start(r *run, in seq) seq {
	return func(yield func(Value, error) bool) {
		if err := r.ctx.Err(); err != nil {
			yield(Value{}, err)
			return
		}
		e := &env{run: r, vars: make([]Value, p.slots)}
		read := each(in, func(v Value) (Value, bool, error) {
			if v.kind == Missing {
				return v, false, errs.New(errs.InvalidInput, "a document of the pipeline is missing, or has no JSON form")
			}
			r.read(v)
			return v, true, nil
		})
		for v, err := range chain(p.stages, e, read) {
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// chain puts stages one after the other; each document between two of them counts as work.
func chain(stages []stage, e *env, in seq) seq {
	out := counted(e, in)
	for _, s := range stages {
		out = counted(e, s.run(e, out))
	}
	return out
}

func counted(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		for v, err := range in {
			if err == nil {
				err = e.run.step(1)
			}
			if err == nil {
				err = e.run.fits("pipeline", v)
			}
			if err != nil {
				yield(Value{}, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// each is a stream in which f makes zero or one document of each.
func each(in seq, f func(Value) (Value, bool, error)) seq {
	return func(yield func(Value, error) bool) {
		for v, err := range in {
			keep := true
			if err == nil {
				v, keep, err = f(v)
			}
			if err != nil {
				yield(Value{}, err)
				return
			}
			if keep && !yield(v, nil) {
				return
			}
		}
	}
}

// gather reads a whole stream, held by the memory limit; free gives the memory back.
func gather(e *env, path string, in seq) (docs []Value, free func(), err error) {
	held := 0
	for v, err := range in {
		if err != nil {
			return nil, nil, err
		}
		v = e.run.detach(v)
		w := weight(v)
		held += w
		if err := e.run.hold(path, w); err != nil {
			return nil, nil, err
		}
		docs = append(docs, v)
	}
	return docs, func() { e.run.drop(held) }, nil
}

// gathered is a stream that f makes of all the documents.
func gathered(e *env, path string, in seq, f func([]Value) ([]Value, error)) seq {
	return func(yield func(Value, error) bool) {
		docs, free, err := gather(e, path, in)
		if err == nil {
			docs, err = f(docs)
		}
		if err != nil {
			yield(Value{}, err)
			return
		}
		defer free()
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// of gives documents as a stream.
func of(docs []Value) seq {
	return func(yield func(Value, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// pipeline compiles a list of stages.
func (c *compiler) pipeline(v Value) []stage {
	if v.kind != Array {
		c.fail("a pipeline is a list of stages")
		return nil
	}
	var list []stage
	for i, x := range v.items() {
		c.push(strconv.Itoa(i))
		if x.kind != Object || x.size() != 1 {
			c.fail("a stage is an object with one key")
			return nil
		}
		if c.count++; c.limits.Stages > 0 && c.count > c.limits.Stages {
			c.fail("the pipeline has more than %d stages", c.limits.Stages)
			return nil
		}
		for name, arg := range x.fields() {
			c.push(name)
			s := c.stage(name, arg, i, v.size())
			if c.err != nil {
				return nil
			}
			c.pop()
			list = append(list, s)
		}
		c.pop()
	}
	return fuse(list)
}

func (c *compiler) stage(name string, arg Value, i, n int) stage {
	f, ok := c.stages[name]
	switch {
	case refused[name]:
		c.fail("%s is not supported: a pipeline only reads, and runs no code", name)
	case !ok:
		c.fail("unknown stage %s", name)
	case name == "$documents" && i > 0:
		c.fail("$documents must be the first stage")
	case (name == "$merge" || name == "$out") && (i < n-1 || c.inSub || c.inFacet):
		c.fail("%s must be the last stage of the pipeline", name)
	case (name == "$merge" || name == "$out") && c.write == nil && c.source != nil:
		c.fail("%s is not supported: a pipeline only reads", name)
	default:
		s := f(c, arg)
		if r, ok := s.(*redact); ok {
			r.last = i == n-1
		}
		return s
	}
	return nil
}

// sub compiles a pipeline inside a stage.
func (c *compiler) sub(v Value) []stage {
	was := c.inSub
	c.inSub = true
	defer func() { c.inSub = was }()
	return c.pipeline(v)
}

// fuse joins a $sort with a $limit behind it, which then keeps only the best.
func fuse(list []stage) []stage {
	for i := range list {
		if s, ok := list[i].(*sorter); ok {
			s.best = wantedOf(list[i+1:], 0)
		}
	}
	return list
}

// wantedOf returns how many documents some stages take at most, 0 for all. most is how many of
// their results are taken; 0 for all.
func wantedOf(list []stage, most int) int {
	skipped := 0
	for _, next := range list {
		switch next := next.(type) {
		case skip:
			skipped = min(skipped+int(next), math.MaxInt32)
		case limit:
			return min(int(next), math.MaxInt32-skipped) + skipped
		case *projection, *addFields, unset, replaceRoot, *lookup: // one for each
		default:
			return 0
		}
	}
	if most <= 0 {
		return 0
	}
	return min(most, math.MaxInt32-skipped) + skipped
}

// First returns the pipeline for whoever takes no more than the first n of its results: what it
// gives is the same, and a $sort keeps no more than it takes for that.
func (p *Pipeline) First(n int) *Pipeline {
	first := *p
	first.stages = slices.Clone(p.stages)
	for i, st := range first.stages {
		s, ok := st.(*sorter)
		if !ok || s.best > 0 {
			continue
		}
		if best := wantedOf(first.stages[i+1:], n); best > 0 {
			sorted := *s
			sorted.best = best
			first.stages[i] = &sorted
		}
	}
	return &first
}

// options reads the options of a stage: an object with no other keys than these.
func (c *compiler) options(name string, arg Value, known ...string) bool {
	if arg.kind != Object {
		c.fail("%s takes an object", name)
		return false
	}
	c.onlyKeys(name, arg, known...)
	return c.err == nil
}

// fieldName checks the name of a field that a stage makes.
func (c *compiler) fieldName(v Value, what string) string {
	if v.kind != String || v.str == "" || strings.HasPrefix(v.str, "$") || strings.ContainsRune(v.str, 0) {
		c.fail("%s must be the name of a field", what)
		return "_"
	}
	return v.str
}

// fieldSteps checks a path to a field, without a dollar sign.
func (c *compiler) fieldSteps(v Value, what string) []step {
	path := splitPath(c.fieldName(v, what))
	if path == nil {
		c.fail("%s: %q is no path", what, v.str)
		return []step{{name: "_", index: -1}}
	}
	return path
}
