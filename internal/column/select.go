package column

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// Hides says which columns count as absent; nil hides none.
type Hides func(number uint16) bool

func (h Hides) hides(s *query.Shape) bool { return s.Absent || h != nil && h(s.Column) }

// Select returns the rows whose entries match a shape, all of whose columns the table must
// hold, but for those that are hidden. ok is false when it could not be told, because a regular
// expression costs too much.
func (t *Table) Select(shape *query.Shape, hidden Hides) (rows Bits, ok bool) {
	e := &evaluation{t: t, hidden: hidden}
	rows = e.eval(shape)
	rows.And(t.All())
	return rows, e.rec.Err == nil
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

// evaluation is one run of Select.
type evaluation struct {
	t      *Table
	hidden Hides
	rec    query.Record
}

// eval returns the rows that a shape matches, those of entries that are gone as it may be.
func (e *evaluation) eval(s *query.Shape) Bits {
	n := e.t.Rows()
	switch s.Kind {
	case query.ShapeNot:
		rows := e.eval(s.Parts[0])
		rows.Not(n)
		return rows
	case query.ShapeColumn:
		return e.column(s)
	}
	rows := NewBits(n)
	if s.Kind == query.ShapeAnd {
		rows.Not(n)
	}
	for _, part := range s.Parts {
		if s.Kind == query.ShapeAnd {
			rows.And(e.eval(part))
		} else {
			rows.Or(e.eval(part))
		}
	}
	return rows
}

// column tests each distinct value of a column once, and looks the rows up.
func (e *evaluation) column(s *query.Shape) Bits {
	rows := NewBits(e.t.Rows())
	if e.hidden.hides(s) {
		if s.Test(&e.rec, document.Value{}) {
			rows.Not(e.t.Rows())
		}
		return rows
	}
	c := e.t.columns[s.Column]
	passes := make([]bool, c.known.Len())
	if e.testAll(s, c.known, passes) {
		c.lookUp(rows, passes)
	}
	return rows
}

// testShare is how many values are worth a goroutine of their own.
const testShare = 4096

// testAll tests the values of a dictionary, on all cores when there are many, and reports
// whether any passes.
func (e *evaluation) testAll(s *query.Shape, d Dict, passes []bool) (any bool) {
	workers := min(runtime.GOMAXPROCS(0), d.Len()/testShare)
	if workers < 2 {
		return testSome(s, d, passes, 0, &e.rec)
	}
	recs, found := make([]query.Record, workers), make([]bool, workers)
	var wg sync.WaitGroup
	for i := range workers {
		from, to := i*d.Len()/workers, (i+1)*d.Len()/workers
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					recs[i].Err = fmt.Errorf("a condition panicked: %v", v)
				}
			}()
			found[i] = testSome(s, d, passes[from:to], from, &recs[i])
		})
	}
	wg.Wait()
	for i := range recs {
		any = any || found[i]
		if recs[i].Err != nil {
			e.rec.Err = recs[i].Err
		}
	}
	return any
}

// testSome tests the values with codes from from on.
func testSome(s *query.Shape, d Dict, passes []bool, from int, rec *query.Record) (any bool) {
	for i := range passes {
		passes[i] = s.Test(rec, d.Value(uint32(from+i)))
		any = any || passes[i]
	}
	return any
}

// lookUp sets the rows whose code passes.
func (c *Column) lookUp(rows Bits, passes []bool) {
	for i, chunk := range c.chunks {
		words := rows[i*chunkRows/64:]
		for at := 0; at < len(chunk); at += 64 {
			var word uint64
			for j, code := range chunk[at:min(at+64, len(chunk))] {
				if passes[code] {
					word |= 1 << j
				}
			}
			words[at/64] = word
		}
	}
}
