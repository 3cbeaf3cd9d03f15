package siftdb

import (
	"iter"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/column"
)

// counts reports whether the pipeline needs no more than the number of all entries, which the
// data source keeps for each state: names are the columns that it looks at. It comes after begin.
func (a *aggregator) counts(names []string) bool {
	return len(names) == 0 && a.pipeline.Reads() == 0 && a.f.joins == nil && a.f.counted()
}

// counted reports whether every entry passes, so that their number is known.
func (f *finder) counted() bool {
	return f.m.where.MatchesAll() && !f.rd.sight.filters() && f.rd.ds.db.wanted() != accessScan
}

// explainCount makes the step that reads the entries tell that it does not, where only their
// number matters and is known. To whoever is not unrestricted it says nothing.
func (f *finder) explainCount(p *Plan) bool {
	if !f.numberOnly || !f.ds.db.as.Unrestricted() || !f.counted() {
		return false
	}
	p.Step, p.Detail = "count", f.rd.described()+", whose number the data source keeps"
	return true
}

// countColumns is a number of entries of which nothing else matters.
type countColumns int64

// Chunks gives them, some at a time.
func (c countColumns) Chunks() iter.Seq2[int, [][]uint32] {
	return func(yield func(int, [][]uint32) bool) {
		for left := int64(c); left > 0; left -= column.ChunkRows {
			if !yield(int(min(left, column.ChunkRows)), nil) {
				return
			}
		}
	}
}

// Len is never called, as there are no columns.
func (countColumns) Len(int) int { return 0 }

// Value is never called.
func (countColumns) Value(int, uint32) aggregate.Value { return aggregate.Value{} }

// Floats is never called.
func (countColumns) Floats(int) ([]float64, []bool) { return nil, nil }

// Documents is never called, as nothing is sorted by no column.
func (countColumns) Documents([]int) iter.Seq2[aggregate.Value, error] {
	return func(func(aggregate.Value, error) bool) {}
}
