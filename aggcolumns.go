package siftdb

import (
	"context"
	"iter"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// pipelineColumns is a part of a data source as pipelines see it that read columns alone.
type pipelineColumns struct {
	fetch   func(ids []int64) iter.Seq2[*Entry, error]
	table   *column.Table
	rows    column.Bits      // that are selected; nil for all, of which none is dead
	columns []*column.Column // nil for one without values
	none    [column.ChunkRows]uint32
}

// byColumns answers the pipeline from columns in memory. It returns nil when that cannot be.
func (a *aggregator) byColumns(ctx context.Context) (iter.Seq2[aggregate.Value, error], error) {
	names, ok := a.pipeline.Columns()
	if !ok || a.f.joins != nil {
		return nil, nil
	}
	if a.counts(names) {
		out, ok, err := a.pipeline.StreamColumns(ctx, countColumns(a.f.rd.st.count))
		if err != nil || !ok {
			return nil, err
		}
		return out, nil
	}
	plan, err := a.f.rd.columns(ctx, func(storage.Reader) (*matching, *query.BoundOrder, error) { return &a.f.m, nil, nil }, names...)
	if err != nil || plan == nil || !plan.exact || len(plan.moved) > 0 || len(plan.table.Placed()) > 0 {
		return nil, err
	}
	if reads := min(a.pipeline.Reads(), plan.count()); reads > readSome && reads*scanned > plan.table.Live() {
		return nil, nil
	}
	p := &pipelineColumns{table: plan.table, rows: plan.rows}
	p.fetch = func(ids []int64) iter.Seq2[*Entry, error] { return a.f.fetched(ctx, ids, false) }
	if p.rows == nil && p.table.Live() < p.table.Rows() {
		p.rows = p.table.All()
	}
	src := a.f.rd.st.source
	for _, name := range names {
		number, ok := src.names.Lookup(name)
		if !ok || src.veil != nil && src.veil.hides(name) {
			p.columns = append(p.columns, nil)
		} else {
			p.columns = append(p.columns, p.table.Column(number))
		}
	}
	out, ok, err := a.pipeline.StreamColumns(ctx, p)
	a.f.rd.ds.db.columns.measure(a.f.ds.id) // numbers are held as such now
	if err != nil || !ok {
		return nil, err
	}
	a.f.rd.ds.db.columns.pipelines.Add(1)
	return out, nil
}

// readSome is how many entries are read by their ids rather than all by a scan, however few
// there are.
const readSome = 32

// Documents reads selected entries by their places.
func (p *pipelineColumns) Documents(places []int) iter.Seq2[aggregate.Value, error] {
	ids := make([]int64, len(places))
	rowAt := func(place int) int { return place }
	if p.rows != nil {
		rows := make([]uint32, 0, p.rows.Count())
		p.rows.Each(0, func(row int) bool { rows = append(rows, uint32(row)); return true })
		rowAt = func(place int) int { return int(rows[place]) }
	}
	for i, place := range places {
		ids[i] = p.table.ID(rowAt(place))
	}
	return inputs(p.fetch(ids))
}

// Chunks gives the selected entries, some at a time.
func (p *pipelineColumns) Chunks() iter.Seq2[int, [][]uint32] {
	return func(yield func(int, [][]uint32) bool) {
		codes, room := make([][]uint32, len(p.columns)), make([][]uint32, len(p.columns))
		for chunk := 0; chunk*column.ChunkRows < p.table.Rows(); chunk++ {
			n := min(p.table.Rows()-chunk*column.ChunkRows, column.ChunkRows)
			for i, c := range p.columns {
				if codes[i] = p.none[:n]; c != nil {
					codes[i] = c.Chunk(chunk)
				}
			}
			if p.rows != nil {
				n = p.pick(chunk, codes, room)
			}
			if n > 0 && !yield(n, codes) {
				return
			}
		}
	}
}

// pick leaves the selected entries of a chunk.
func (p *pipelineColumns) pick(chunk int, codes, room [][]uint32) (n int) {
	from := chunk * column.ChunkRows
	rows := p.rows[from/64 : min((from+column.ChunkRows)/64, len(p.rows))]
	if n = rows.Count(); n == 0 {
		return 0
	}
	for i := range codes {
		room[i] = room[i][:0]
		rows.Each(0, func(row int) bool { room[i] = append(room[i], codes[i][row]); return true })
		codes[i] = room[i]
	}
	return n
}

// Len is how many distinct values a column has, with none.
func (p *pipelineColumns) Len(i int) int {
	if p.columns[i] == nil {
		return 1
	}
	return p.columns[i].Dict().Len()
}

// Value gives a distinct value.
func (p *pipelineColumns) Value(i int, code uint32) aggregate.Value {
	if p.columns[i] == nil {
		return aggregate.Value{}
	}
	return aggregate.Stored(p.columns[i].Dict().Value(code))
}

// Floats gives the distinct values that are numbers.
func (p *pipelineColumns) Floats(i int) (values []float64, are []bool) {
	if p.columns[i] == nil {
		return []float64{0}, []bool{false}
	}
	return p.columns[i].Dict().Floats()
}
