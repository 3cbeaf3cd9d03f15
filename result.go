package siftdb

import (
	"context"
	"encoding/json"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/security"
)

// Result is what DataSource.Query returns: entries of a select, a count, or the
// number of entries that a delete removed.
type Result struct {
	// Entries of a select; nil otherwise.
	Entries []*Entry
	// Documents are what a pipeline gave; nil when the query had none.
	Documents []Document
	// Pagination is set when the query asked for it.
	Pagination *Pagination
	// Count is set when the query asked for the count only.
	Count *int64
	// DeletedCount is set by a delete.
	DeletedCount *int64
	// Version is what a delete left; 0 when nothing matched.
	Version int64

	dataSource int64
}

// Pagination tells where a page stands among all matches.
type Pagination struct {
	// Total is the number of entries that match, before limit and offset; with
	// distinct, of those that are left.
	Total int64 `json:"total"`
	// Limit is the query's, nil when it had none.
	Limit  *int `json:"limit"`
	Offset int  `json:"offset"`
}

// MarshalJSON returns the response body of spec 4: {"entries": ...} with
// "pagination" when asked for, {"count": ..., "dataSourceId": ...}, or
// {"deletedCount": ...}.
func (r *Result) MarshalJSON() ([]byte, error) {
	switch {
	case r.Count != nil:
		return json.Marshal(struct {
			Count        int64 `json:"count"`
			DataSourceID int64 `json:"dataSourceId"`
		}{*r.Count, r.dataSource})
	case r.DeletedCount != nil:
		return json.Marshal(struct {
			DeletedCount int64 `json:"deletedCount"`
		}{*r.DeletedCount})
	}
	b := append([]byte(nil), `{"entries":[`...)
	for i, e := range r.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.AppendJSON(b)
	}
	for i, d := range r.Documents {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.value.AppendJSON(b)
	}
	b = append(b, ']')
	if r.Pagination != nil {
		p, err := json.Marshal(r.Pagination)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"pagination":`...), p...)
	}
	return append(b, '}'), nil
}

// Query runs a query body: a select, a pipeline, a count, or a delete of exactly the
// entries that the same select would return (spec 4).
func (ds *DataSource) Query(ctx context.Context, q Query, options ...WriteOption) (*Result, error) {
	switch q.Type {
	case "", "select":
	case "delete":
		return ds.deleteQuery(ctx, q, options)
	default:
		return nil, errs.At(errs.InvalidQuery, "type", "type must be select or delete, not %q", q.Type)
	}
	if q.Aggregate != nil {
		pipeline := q.Aggregate
		q.Aggregate = nil
		result, err := ds.aggregate(ctx, pipeline, q)
		return result, atAggregate(err)
	}
	result := &Result{dataSource: ds.id}
	if q.CountOnly {
		q.StrictCount = true
		n, err := ds.Count(ctx, q)
		if err != nil {
			return nil, err
		}
		result.Count = &n
		return result, nil
	}
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	c, err := q.compileSelect(ds.db.bounded())
	if err != nil {
		return nil, err
	}
	var total int64
	if result.Entries, total, err = ds.collect(ctx, c, q.IncludePagination); err != nil {
		return nil, err
	}
	if q.IncludePagination {
		result.Pagination = &Pagination{Total: total, Limit: q.Limit, Offset: q.Offset}
	}
	return result, nil
}
