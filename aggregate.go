package siftdb

import (
	"context"
	"encoding/json"
	"iter"
	"strings"

	"github.com/siftdb/siftdb/aggregate"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// Aggregate runs a pipeline over the entries that a query selects, and returns what
// comes out (spec 5). The pipeline is a list of stages as JSON text, or as Go maps
// and query.D, as aggregate.Compile takes it. Each entry goes in as the document
// {id, data, order, createdAt, updatedAt, deletedAt, dataSourceId}, and joins when the
// query has any (joins.<name> is a list there, or the join's value); entries of outer
// joins go in too. Where, Views and Joins select;
// Offset and Limit are for the output; Order and Attributes do not matter.
//
// from of $lookup and $graphLookup, and coll of $unionWith, name data sources by name,
// or by id as a number; they are read in the same snapshot. Stages that would write or
// run code are refused. What $sort, $group and other stages hold is bounded by
// Limits.QueryBytes, beyond which the pipeline ends with ErrTooLarge.
func (ds *DataSource) Aggregate(ctx context.Context, pipeline any, q Query) ([]Document, error) {
	result, err := ds.aggregate(ctx, pipeline, q)
	if err != nil {
		return nil, err
	}
	return result.Documents, nil
}

// AggregateEach streams what Aggregate returns. No transaction is open while the
// loop's body runs. An error ends the stream.
func (ds *DataSource) AggregateEach(ctx context.Context, pipeline any, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		a, err := ds.aggregator(ctx, pipeline, q)
		if err != nil {
			yield(Document{}, err)
			return
		}
		defer a.close()
		a.page(ctx, q.Offset, nil)(yield)
	}
}

// aggregate gathers what a pipeline gives, and counts it if the query asks for that.
func (ds *DataSource) aggregate(ctx context.Context, pipeline any, q Query) (*Result, error) {
	a, err := ds.aggregator(ctx, pipeline, q)
	if err != nil {
		return nil, err
	}
	defer a.close()
	result := &Result{Documents: []Document{}, dataSource: ds.id}
	var total *int64
	if q.IncludePagination {
		total = new(int64(0))
		result.Pagination = &Pagination{Limit: q.Limit, Offset: q.Offset}
	}
	for d, err := range a.page(ctx, q.Offset, total) {
		if err != nil {
			return nil, err
		}
		result.Documents = append(result.Documents, d)
	}
	if total != nil {
		result.Pagination.Total = *total
	}
	return result, nil
}

// page yields what is wanted of the output. Where total is not nil it goes on to the end,
// and sets total to the number of all documents.
func (a *aggregator) page(ctx context.Context, offset int, total *int64) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		if err := a.begin(ctx); err != nil {
			yield(Document{}, err)
			return
		}
		left := a.limit
		if left == 0 && total == nil {
			return
		}
		n := int64(0)
		for d, err := range a.all(ctx) {
			if err != nil {
				yield(Document{}, err)
				return
			}
			if n++; n <= int64(offset) {
				continue
			}
			if left != 0 {
				left--
				if !yield(d, nil) {
					return
				}
			}
			if left == 0 && total == nil {
				return
			}
		}
		if total != nil {
			*total = n
		}
	}
}

// aggregator runs a pipeline over a data source.
type aggregator struct {
	f        *finder
	pipeline *aggregate.Pipeline
	guards   map[any]*DataSource     // of a principal: through what the others are read
	wheres   map[any]json.RawMessage // and what their rules say of them; nil for nothing
	others   map[any]*finder         // by what the pipeline calls them
	limit    int                     // of the output; -1 for none
	early    query.D                 // what of the first $match the scan tests
	notes    []string                // what of it the scan does not know
}

// aggregator checks a pipeline and a query.
func (ds *DataSource) aggregator(ctx context.Context, pipeline any, q Query) (*aggregator, error) {
	if q.Aggregate != nil {
		return nil, errs.At(errs.InvalidQuery, "aggregate", "there are two pipelines: one in the query, and one beside it")
	}
	if q.Distinct {
		return nil, errs.At(errs.InvalidQuery, "distinct", "distinct cannot be combined with aggregate; $group does it")
	}
	if q.CountOnly {
		return nil, errs.At(errs.InvalidQuery, "countOnly", "countOnly cannot be combined with aggregate; $count does it")
	}
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	c, err := q.compileSelect(ds.db.bounded())
	if err != nil {
		return nil, err
	}
	a := &aggregator{others: make(map[any]*finder), limit: c.limit}
	c.order, c.projection, c.limit, c.offset = nil, nil, -1, 0
	var limits aggregate.Limits
	if ds.db.bounded() {
		limits = aggregate.DefaultLimits
	}
	limits.Memory = ds.db.opts.Limits.QueryBytes
	a.pipeline, err = aggregate.Compile(pipeline, aggregate.WithSource(a.source), aggregate.WithSearch(a.search), aggregate.WithLimits(limits))
	if err != nil {
		return nil, err
	}
	if c := a.limit; c >= 0 && !q.IncludePagination {
		a.pipeline = a.pipeline.First(saturated(q.Offset, c))
	}
	if a.early, a.notes = a.pipeline.Prefilter(); len(a.early) > 0 {
		earlier := Query{Where: a.early}
		early, err := earlier.compileWhere(ds.db.bounded())
		if err != nil {
			return nil, errs.Wrap(errs.Internal, err, "the first $match cannot be handed to the scan")
		}
		c.where = query.All(c.where, early)
	}
	a.f = ds.finder(ctx, c, false)
	return a, a.authorize(ctx)
}

// authorize asks the rules of the data sources that the pipeline names, each of which
// is read whole.
func (a *aggregator) authorize(ctx context.Context) error {
	if err := a.f.joins.authorize(ctx); err != nil || a.f.ds.db.as == nil {
		return err
	}
	a.guards, a.wheres = make(map[any]*DataSource), make(map[any]json.RawMessage)
	for _, from := range a.pipeline.Sources() {
		id, name, err := sourceName(from)
		if err != nil {
			return err
		}
		guard, where, err := a.f.ds.readingSibling(ctx, id, name, nil)
		if err != nil {
			return err
		}
		a.guards[from], a.wheres[from] = guard, where
	}
	return nil
}

func (a *aggregator) close() {
	a.f.close()
	for _, f := range a.others {
		f.close()
	}
}

// begin settles on one state for the data source and for those that the pipeline
// names. What is wrong with the query that its text does not show is told here.
func (a *aggregator) begin(ctx context.Context) error { return a.f.rd.slice(ctx, a.settle) }

// all yields what the pipeline gives. It comes after begin.
func (a *aggregator) all(ctx context.Context) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		var out iter.Seq2[aggregate.Value, error]
		_, _, err := a.f.byIndex(ctx)
		if err == nil && a.f.rd.chosen == nil {
			out, err = a.byColumns(ctx)
		}
		if err != nil {
			yield(Document{}, err)
			return
		}
		if out == nil {
			out = a.pipeline.StreamValues(ctx, inputs(a.f.stream(ctx)))
		}
		for v, err := range out {
			if !yield(Document{v}, err) || err != nil {
				return
			}
		}
	}
}

func (a *aggregator) settle(r storage.Reader) error {
	if err := a.f.bind(r); err != nil {
		return err
	}
	for _, from := range a.pipeline.Sources() {
		f, err := a.other(r, from)
		if err != nil {
			return err
		}
		a.others[from] = f
		if err := f.rd.begin(r); err != nil {
			return err
		}
	}
	return nil
}

// other finds a data source that the pipeline names.
func (a *aggregator) other(r storage.Reader, from any) (*finder, error) {
	id, name, err := sourceName(from)
	if err != nil {
		return nil, err
	}
	ds, err := a.f.rd.sibling(r, id, name, a.guards[from])
	if err != nil {
		return nil, err
	}
	c := everything
	if where := a.wheres[from]; where != nil {
		if c, err = (&Query{Where: where}).compile(a.f.ds.db.bounded()); err != nil {
			return nil, err
		}
	}
	return ds.finder(context.Background(), c, false), nil
}

// sourceName reads what a pipeline calls a data source: a name, or an id.
func sourceName(from any) (id int64, name string, err error) {
	if name, ok := from.(string); ok {
		return 0, name, nil
	}
	n, ok := from.(float64)
	if id = int64(n); !ok || n < 1 || n != float64(id) {
		return 0, "", errs.At(errs.InvalidQuery, "aggregate", "%v is neither the name nor the id of a data source", from)
	}
	return id, "", nil
}

// everything is the query that selects all entries.
var everything = &compiled{where: query.All(), limit: -1}

// source reads a data source for $lookup and the like.
func (a *aggregator) source(ctx context.Context, from any) iter.Seq2[aggregate.Value, error] {
	f := a.others[from]
	if f == nil {
		return func(yield func(aggregate.Value, error) bool) {
			yield(aggregate.Value{}, errs.New(errs.Internal, "the pipeline reads %v, which it did not name", from))
		}
	}
	return inputs(f.all(ctx))
}

// search reads of a data source what a $lookup looks for, in the state that is settled on.
func (a *aggregator) search(ctx context.Context, from any, where query.D) (iter.Seq2[aggregate.Value, error], int64) {
	f := a.others[from]
	if f == nil {
		return a.source(ctx, from), 0
	}
	return func(yield func(aggregate.Value, error) bool) {
		sought := Query{Where: where}
		c, err := sought.compileWhere(f.ds.db.bounded())
		if err != nil {
			yield(aggregate.Value{}, errs.Wrap(errs.Internal, err, "what $lookup looks for cannot be handed to the scan"))
			return
		}
		narrowed := *f.c
		narrowed.where = query.All(f.c.where, c)
		found := f.ds.reads(moment{atCommit, f.rd.st.commit}).finder(context.Background(), &narrowed, false)
		defer found.close()
		inputs(found.all(ctx))(yield)
	}, f.rd.st.count
}

// inputs turns entries into documents of a pipeline.
func inputs(entries iter.Seq2[*Entry, error]) iter.Seq2[aggregate.Value, error] {
	return func(yield func(aggregate.Value, error) bool) {
		for e, err := range entries {
			if err != nil {
				yield(aggregate.Value{}, err)
				return
			}
			if !yield(pipelineInput(e), nil) {
				return
			}
		}
	}
}

// aggregateJSON returns a pipeline as JSON text, nil for none.
func aggregateJSON(pipeline any) (json.RawMessage, error) {
	switch p := pipeline.(type) {
	case nil:
		return nil, nil
	case string:
		return json.RawMessage(p), nil
	case []byte:
		return json.RawMessage(p), nil
	}
	return json.Marshal(pipeline)
}

// atAggregate names the place of a fault as the body of a query does: a pipeline
// stands under its key aggregate.
func atAggregate(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	rest, ok := strings.CutPrefix(e.Path, "pipeline")
	if !ok {
		return err
	}
	named := *e
	named.Path = "aggregate" + rest
	return &named
}
