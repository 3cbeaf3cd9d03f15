package siftdb

import (
	"context"
	"iter"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/security"
)

// Stream is the answer to a query that selects, handed out as it is found: what Query
// returns as one Result, in memory that does not grow with it. A Stream belongs to one
// goroutine. Each walk through it reads anew.
type Stream struct {
	ds    *DataSource
	query Query
	total *int64 // once a walk has come to its end
}

// Stream makes a stream of a query. Nothing is read before its entries, or its documents
// when the query has a pipeline, are walked through.
func (ds *DataSource) Stream(q Query) *Stream { return &Stream{ds: ds, query: q} }

// Entries yields the entries, as Each does, and those of the outer joins after them. With
// joins and a limit that is no larger than a page, the page is gathered first, because its
// joins then read only what it asks for. An error ends the walk.
func (s *Stream) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if err := s.entries(ctx, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (s *Stream) entries(ctx context.Context, yield func(*Entry, error) bool) error {
	s.total = nil
	if s.query.CountOnly {
		return errs.At(errs.InvalidQuery, "countOnly", "a query with countOnly has no entries: it is for DataSource.Query and DataSource.Count")
	}
	q := s.query
	ds, err := s.ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return err
	}
	c, err := q.compileEntries(ds.db.bounded())
	if err != nil {
		return err
	}
	if len(c.joins) > 0 && c.limit >= 0 && c.limit <= fullBatch {
		return s.gathered(ctx, ds, c, yield)
	}
	f := ds.finder(ctx, c, q.IncludePagination)
	defer f.close()
	for e, err := range f.stream(ctx) {
		if err != nil {
			return err
		}
		if !yield(e, nil) {
			return nil
		}
	}
	s.total = &f.total
	return nil
}

// gathered is entries for a page with joins.
func (s *Stream) gathered(ctx context.Context, ds *DataSource, c *compiled, yield func(*Entry, error) bool) error {
	list, total, err := ds.collect(ctx, c, s.query.IncludePagination)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !yield(e, nil) {
			return nil
		}
	}
	s.total = &total
	return nil
}

// Documents yields what the pipeline of the query gives, as AggregateEach does. An error
// ends the walk.
func (s *Stream) Documents(ctx context.Context) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		s.total = nil
		q := s.query
		pipeline := q.Aggregate
		if q.Aggregate = nil; pipeline == nil {
			yield(Document{}, errs.At(errs.InvalidQuery, "aggregate", "the query has no pipeline, and so no documents"))
			return
		}
		a, err := s.ds.aggregator(ctx, pipeline, q)
		if err != nil {
			yield(Document{}, atAggregate(err))
			return
		}
		defer a.close()
		var total *int64
		if q.IncludePagination {
			total = new(int64(0))
		}
		for d, err := range a.page(ctx, q.Offset, total) {
			if !yield(d, atAggregate(err)) || err != nil {
				return
			}
		}
		s.total = total
	}
}

// Pagination tells where the page stands among all matches. It is known when a walk has
// come to its end, and nil before, and where the query does not ask for it.
func (s *Stream) Pagination() *Pagination {
	if s.total == nil || !s.query.IncludePagination {
		return nil
	}
	return &Pagination{Total: *s.total, Limit: s.query.Limit, Offset: s.query.Offset}
}
