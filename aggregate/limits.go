package aggregate

import (
	"context"
	"strconv"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// Limits bounds what a pipeline may be and may use. In a field that is 0 the default given
// there counts; -1 sets no bound, except for Depth and Stages.
type Limits struct {
	// Depth is how many objects and arrays of a pipeline may lie inside each other: 50.
	Depth int
	// Nodes is how many keys and list members a pipeline may have: no bound.
	Nodes int
	// Stages is how many stages a pipeline may have, those of its sub-pipelines included:
	// 10,000, which is also the most, since each stands on the stack of the next.
	Stages int
	// Memory is how many bytes the stages of one run may hold at a time, and how many an
	// expression may make for one document, roughly counted: 256 MiB.
	Memory int
	// Work is how many steps one run may take beyond 50 for each document that it reads;
	// passing a document to a stage and visiting a member of a list count as one: no bound.
	Work int
	// RegexpBytes is the length of a regular expression: no bound.
	RegexpBytes int
	// RegexpCost bounds the work of one regular expression on one text: the size of its
	// program times the bytes of the text. No bound.
	RegexpCost int
}

// DefaultLimits holds pipelines of callers that are not trusted.
var DefaultLimits = Limits{Depth: 50, Nodes: 10_000, Stages: 50, Memory: 256 << 20, Work: 5_000_000, RegexpBytes: 1_000, RegexpCost: 2e7}

const maxStages = 10_000

func (l Limits) filled() Limits {
	if l.Depth <= 0 {
		l.Depth = 50
	}
	if l.Stages <= 0 || l.Stages > maxStages {
		l.Stages = maxStages
	}
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	return l
}

// check walks a pipeline before it is compiled, no deeper than the limit.
func (l Limits) check(v Value, depth int, path string, nodes *int) error {
	if v.kind != Object && v.kind != Array {
		return nil
	}
	if depth > l.Depth {
		return errs.At(errs.InvalidQuery, "pipeline", "the pipeline is nested more than %d deep", l.Depth)
	}
	*nodes += v.size()
	if l.Nodes > 0 && *nodes > l.Nodes {
		return errs.At(errs.InvalidQuery, "pipeline", "the pipeline has more than %d keys and members", l.Nodes)
	}
	if v.kind == Array {
		for i, x := range v.items() {
			if err := l.check(x, depth+1, path+"."+strconv.Itoa(i), nodes); err != nil {
				return err
			}
		}
		return nil
	}
	for k, x := range v.fields() {
		if err := l.check(x, depth+1, path+"."+k, nodes); err != nil {
			return err
		}
	}
	return nil
}

// run is one run of a pipeline: what its stages and sub-pipelines share.
type run struct {
	settings
	ctx    context.Context
	now    float64
	held   int  // bytes that stages hold
	work   int  // steps taken
	credit int  // steps that the documents read allow
	owns   bool // documents own memory, which views of their parts would keep
	cache  map[string]*collection
	zones  map[string]*time.Location
}

// stepsPerDocument is what each document read adds to the work that is allowed.
const stepsPerDocument = 50

// step counts work, and looks at the context every so often.
func (r *run) step(n int) error {
	before := r.work
	r.work += n
	if r.limits.Work > 0 && r.work-r.credit > r.limits.Work {
		return errs.At(errs.TooLarge, "pipeline", "the pipeline takes more than %d steps beyond those its documents allow", r.limits.Work)
	}
	if before>>10 != r.work>>10 {
		return r.ctx.Err()
	}
	return nil
}

// hold counts bytes that a stage keeps; drop gives them back.
func (r *run) hold(path string, n int) error {
	r.held += n
	if r.limits.Memory > 0 && r.held > r.limits.Memory {
		return errs.At(errs.TooLarge, path, "the pipeline holds more than %d bytes", r.limits.Memory)
	}
	return nil
}

// fits refuses a value that is too large to go on with.
func (r *run) fits(path string, v Value) error {
	switch {
	case v.deep > maxDepth:
		return errs.At(errs.TooLarge, path, "a value is nested more than %d deep", maxDepth)
	case v.mass >= maxMass || r.limits.Memory > 0 && int(v.mass) > r.limits.Memory:
		return errs.At(errs.TooLarge, path, "a value takes more bytes than are allowed")
	}
	return nil
}

func (r *run) drop(n int) { r.held -= n }
