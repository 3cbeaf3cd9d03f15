package siftdb

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// ParseQuery reads a query body, the JSON of spec 4: type, where, attributes,
// distinct, order, limit, offset, includePagination, countOnly. Unknown keys are
// ignored; a known key of the wrong type, and a key whose turn has not come in
// this version (view, views, join, aggregate), is ErrInvalidQuery.
func ParseQuery(body []byte) (Query, error) {
	var q Query
	v, err := document.Parse(body, document.Limits{})
	if err != nil {
		return q, errs.Wrap(errs.InvalidQuery, err, "the query cannot be read")
	}
	if v.Kind() != document.Object {
		return q, errs.New(errs.InvalidQuery, "a query must be an object")
	}
	for key, value := range v.Fields() {
		if err := q.setKey(key, value); err != nil {
			return q, err
		}
	}
	return q, nil
}

// UnmarshalJSON reads a query body as ParseQuery does.
func (q *Query) UnmarshalJSON(body []byte) error {
	parsed, err := ParseQuery(body)
	if err == nil {
		*q = parsed
	}
	return err
}

// setKey sets what one key of a body says.
func (q *Query) setKey(key string, v document.Value) (err error) {
	if v.Kind() == document.Null && key != "where" {
		return nil // the default
	}
	switch key {
	case "type":
		q.Type, err = bodyString(key, v)
	case "where":
		if v.Kind() != document.Object {
			return errs.At(errs.InvalidQuery, key, "where must be an object")
		}
		q.Where = json.RawMessage(document.AppendJSON(nil, v))
	case "attributes":
		var given bool
		if q.Attributes, given, err = query.ParseAttributes(v); given && q.Attributes == nil {
			q.Attributes = []string{}
		}
	case "distinct":
		q.Distinct, err = bodyBool(key, v)
	case "order":
		q.Order, err = query.ParseOrder(v)
	case "limit":
		var n int
		n, err = bodyInt(key, v)
		q.Limit = &n
	case "offset":
		q.Offset, err = bodyInt(key, v)
	case "includePagination":
		q.IncludePagination, err = bodyBool(key, v)
	case "countOnly":
		q.CountOnly, err = bodyBool(key, v)
	case "view", "views", "join", "aggregate":
		err = errs.At(errs.InvalidQuery, key, "%s is not supported by this version of siftdb", key)
	}
	return err
}

func bodyString(key string, v document.Value) (string, error) {
	if v.Kind() != document.String {
		return "", errs.At(errs.InvalidQuery, key, "%s must be a string", key)
	}
	return string([]byte(v.Str())), nil
}

func bodyBool(key string, v document.Value) (bool, error) {
	if v.Kind() != document.Bool {
		return false, errs.At(errs.InvalidQuery, key, "%s must be true or false", key)
	}
	return v.Bool(), nil
}

// bodyInt reads an integer of at least 0; 5.0 and 5e0 are integers too.
func bodyInt(key string, v document.Value) (int, error) {
	if v.Kind() != document.Number {
		return 0, errs.At(errs.InvalidQuery, key, "%s must be a number", key)
	}
	f := v.Float()
	if f < 0 || f != float64(int64(f)) || f > 1<<53 || strconv.IntSize == 32 && f > 1<<31-1 {
		return 0, errs.At(errs.InvalidQuery, key, "%s must be an integer of at least 0", key)
	}
	return int(f), nil
}

// Result is what DataSource.Query returns: entries of a select, a count, or the
// number of entries that a delete removed.
type Result struct {
	// Entries of a select; nil otherwise.
	Entries []*Entry
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

// Query runs a query body: a select, a count, or a delete of exactly the entries
// that the same select would return (spec 4).
func (ds *DataSource) Query(ctx context.Context, q Query, options ...WriteOption) (*Result, error) {
	switch q.Type {
	case "", "select":
	case "delete":
		return ds.deleteQuery(ctx, q, options)
	default:
		return nil, errs.At(errs.InvalidQuery, "type", "type must be select or delete, not %q", q.Type)
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
	c, err := q.compileSelect()
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
