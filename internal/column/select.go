package column

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// Hides says which columns count as absent; nil hides none.
type Hides func(number uint16) bool

func (h Hides) hides(s *query.Shape) bool { return s.Absent || h != nil && h(s.Column) }

// Select returns the rows whose entries match a shape, all of whose columns the table must
// hold, but for those that are hidden. It fails with the context's error, or with that of a
// regular expression that costs too much.
func (t *Table) Select(ctx context.Context, shape *query.Shape, hidden Hides) (Bits, error) {
	e := &evaluation{ctx: ctx, t: t, hidden: hidden}
	rows := e.eval(shape, t.All())
	return rows, e.err
}

// Needs appends the numbers of the columns that a shape looks at.
func Needs(list []uint16, shape *query.Shape, hidden Hides) []uint16 {
	if shape.Kind == query.ShapeColumn && !hidden.hides(shape) {
		list = append(list, shape.Column)
	}
	for _, part := range shape.Parts {
		list = Needs(list, part, hidden)
	}
	return list
}

// evaluation is one run of Select. Once err is set its results count for nothing.
type evaluation struct {
	ctx    context.Context
	t      *Table
	hidden Hides
	err    error
}

// eval returns those of the rows of within that a shape matches. Of several parts the one
// that costs least comes first, and the next sees only the rows that it may still decide.
func (e *evaluation) eval(s *query.Shape, within Bits) Bits {
	if e.err == nil {
		e.err = e.ctx.Err()
	}
	if e.err != nil || within.None() {
		return NewBits(e.t.Rows())
	}
	switch s.Kind {
	case query.ShapeNot:
		rows := slices.Clone(within)
		rows.AndNot(e.eval(s.Parts[0], within))
		return rows
	case query.ShapeColumn:
		return e.column(s, within)
	case query.ShapeAnd:
		for _, part := range e.cheapest(s.Parts) {
			within = e.eval(part, within)
		}
		return within
	}
	rows, left := NewBits(e.t.Rows()), slices.Clone(within)
	for _, part := range e.cheapest(s.Parts) {
		more := e.eval(part, left)
		rows.Or(more)
		left.AndNot(more)
	}
	return rows
}

// cheapest returns shapes by what it costs to test every value.
func (e *evaluation) cheapest(parts []*query.Shape) []*query.Shape {
	if len(parts) < 2 {
		return parts
	}
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *query.Shape) int { return e.cost(a) - e.cost(b) })
	return parts
}

// cost tells about how many values, and how long ones, there are to test.
func (e *evaluation) cost(s *query.Shape) (n int) {
	if s.Kind == query.ShapeColumn && !e.hidden.hides(s) {
		known := e.t.columns[s.Column].known
		n = known.Len() + len(known.blob)/16
	}
	for _, part := range s.Parts {
		n += e.cost(part)
	}
	return n
}

// column tests distinct values of a column, each once, and looks the rows up. Where there are
// many values, only those are tested that a row of within has.
func (e *evaluation) column(s *query.Shape, within Bits) Bits {
	rows := NewBits(e.t.Rows())
	if e.hidden.hides(s) {
		var rec query.Record
		if s.Test(&rec, document.Value{}) {
			copy(rows, within)
		}
		e.err = rec.Err
		return rows
	}
	c := e.t.columns[s.Column]
	test := &testRun{ctx: e.ctx, shape: s, dict: c.known, n: c.known.Len(), passes: make([]uint8, c.known.Len())}
	few := false
	if test.n > allValues {
		n := within.Count()
		if n < e.t.live || c.used < test.n-1 { // else every value has a row to be decided
			test.codes = c.codes(within)
		}
		few = n < test.n
	}
	if test.codes != nil {
		test.n = len(test.codes)
	}
	if text, fold := s.Needle(); text != "" && test.n > allValues {
		if test.narrow(text, fold); test.err != nil {
			e.err = test.err
			return rows
		}
	}
	any := test.run()
	if e.err = test.err; e.err != nil || !any {
		return rows
	}
	if few {
		within.Each(0, func(row int) bool {
			if test.passes[c.Code(row)] != 0 {
				rows.Set(row)
			}
			return true
		})
		return rows
	}
	c.lookUp(rows, within, test.passes)
	return rows
}

// allValues is how many values are tested sooner than it is found out which of them matter.
const allValues = 256

// codes returns the codes of some rows.
func (c *Column) codes(rows Bits) []uint32 {
	has := NewBits(c.known.Len())
	rows.Each(0, func(row int) bool { has.Set(int(c.Code(row))); return true })
	list := make([]uint32, 0, has.Count())
	has.Each(0, func(code int) bool { list = append(list, uint32(code)); return true })
	return list
}

// lookUp sets those of the rows of within whose code passes.
func (c *Column) lookUp(rows, within Bits, passes []uint8) {
	for i, chunk := range c.chunks {
		for at := 0; at < len(chunk); at += 64 {
			w := (i*ChunkRows + at) / 64
			wanted := within[w]
			if wanted == 0 {
				continue
			}
			codes := chunk[at:min(at+64, len(chunk))]
			if bits.OnesCount64(wanted) <= 8 {
				rows[w] = someOf(wanted, codes, passes)
				continue
			}
			var word uint64
			for j, code := range codes {
				word |= uint64(passes[code]) << (j & 63)
			}
			rows[w] = word & wanted
		}
	}
}

// someOf looks up a few of 64 rows.
func someOf(wanted uint64, codes []uint32, passes []uint8) (word uint64) {
	for ; wanted != 0; wanted &= wanted - 1 {
		j := bits.TrailingZeros64(wanted)
		word |= uint64(passes[codes[j]]) << (j & 63)
	}
	return word
}

// testRun is one run of a condition over values of a dictionary.
type testRun struct {
	ctx    context.Context
	shape  *query.Shape
	dict   Dict
	codes  []uint32 // to be tested; nil for all
	n      int      // how many those are
	passes []uint8  // the results, by code
	stop   atomic.Bool
	err    error
}

// A testRun looks at the context after so many values, or bytes of them. testShare is how many
// values are worth a goroutine of their own.
const (
	lookValues = 128
	lookBytes  = 64 << 10
	testShare  = 4096
)

// run tests the values, on all cores when there are many, and reports whether any passes.
func (t *testRun) run() (any bool) {
	workers := min(runtime.GOMAXPROCS(0), t.n/testShare)
	if workers < 2 {
		any, t.err = t.part(0, t.n)
		return any
	}
	errs, found := make([]error, workers), make([]bool, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					errs[i] = fmt.Errorf("a condition panicked: %v", v)
				}
				if errs[i] != nil {
					t.stop.Store(true)
				}
			}()
			found[i], errs[i] = t.part(i*t.n/workers, (i+1)*t.n/workers)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.err = err
		}
	}
	return slices.Contains(found, true)
}

// narrow leaves out the values that do not hold a text which they must hold.
func (t *testRun) narrow(text string, fold bool) {
	var may Bits
	if may, t.err = t.dict.holding(t.ctx, text, fold); t.err != nil {
		return
	}
	if t.codes == nil {
		t.codes = make([]uint32, 0, may.Count())
		may.Each(0, func(code int) bool { t.codes = append(t.codes, uint32(code)); return true })
	} else {
		t.codes = slices.DeleteFunc(t.codes, func(code uint32) bool { return !may.Has(int(code)) })
	}
	t.n = len(t.codes)
}

// part tests the values from one to before another.
func (t *testRun) part(from, to int) (any bool, err error) {
	var rec query.Record
	bytes, judge := 0, t.shape.CanJudge()
	for i := from; i < to; i++ {
		code := uint32(i)
		if t.codes != nil {
			code = t.codes[i]
		}
		raw := t.dict.raw(code)
		if bytes += len(raw) + lookBytes/lookValues; bytes > lookBytes {
			if bytes = 0; t.stop.Load() || t.ctx.Err() != nil {
				return false, t.ctx.Err()
			}
		}
		if judge {
			if v := t.shape.Judge(raw); v != query.Unsure {
				if v == query.Yes {
					t.passes[code], any = 1, true
				}
				continue
			}
		}
		if t.shape.Test(&rec, document.Stored(raw, nil)) {
			t.passes[code], any = 1, true
		}
		if rec.Err != nil {
			return false, rec.Err
		}
	}
	return any, nil
}
