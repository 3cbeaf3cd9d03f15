package siftdb

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// ParseQuery reads a query body, the JSON of spec 4: type, where, view, views, join,
// aggregate, attributes, distinct, order, limit, offset, includePagination,
// countOnly. Unknown keys are ignored; a known key of the wrong type is
// ErrInvalidQuery.
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
	case "view", "views":
		var names []string
		names, err = bodyViews(key, v)
		q.Views = append(q.Views, names...)
	case "join":
		q.Joins, err = bodyJoins(v)
	case "aggregate":
		if v.Kind() != document.Array {
			return errs.At(errs.InvalidQuery, key, "aggregate must be an array of stages")
		}
		q.Aggregate = json.RawMessage(document.AppendJSON(nil, v))
	}
	return err
}

// bodyViews reads the name of a view, or an array of them.
func bodyViews(key string, v document.Value) ([]string, error) {
	if v.Kind() == document.String {
		return []string{strings.Clone(v.Str())}, nil
	}
	if v.Kind() != document.Array {
		return nil, errs.At(errs.InvalidQuery, key, "%s must be the name of a view, or an array of names", key)
	}
	names := []string{}
	for item := range v.Items() {
		if item.Kind() != document.String {
			return nil, errs.At(errs.InvalidQuery, key, "%s must be the name of a view, or an array of names", key)
		}
		names = append(names, strings.Clone(item.Str()))
	}
	return names, nil
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

// MarshalJSON returns the query as a body that ParseQuery reads. Dialect and
// StrictCount have no place in a body and are left out.
func (q Query) MarshalJSON() ([]byte, error) {
	body := struct {
		Type              string          `json:"type,omitempty"`
		Where             json.RawMessage `json:"where,omitempty"`
		Views             []string        `json:"views,omitempty"`
		Join              json.RawMessage `json:"join,omitempty"`
		Aggregate         json.RawMessage `json:"aggregate,omitempty"`
		Attributes        *[]string       `json:"attributes,omitempty"`
		Distinct          bool            `json:"distinct,omitempty"`
		Order             [][2]string     `json:"order,omitempty"`
		Limit             *int            `json:"limit,omitempty"`
		Offset            int             `json:"offset,omitempty"`
		IncludePagination bool            `json:"includePagination,omitempty"`
		CountOnly         bool            `json:"countOnly,omitempty"`
	}{Type: q.Type, Views: q.Views, Distinct: q.Distinct, Order: orderJSON(q.Order), Limit: q.Limit, Offset: q.Offset,
		IncludePagination: q.IncludePagination, CountOnly: q.CountOnly}
	if q.Attributes != nil {
		body.Attributes = &q.Attributes
	}
	var err error
	if body.Where, err = whereJSON(q.Where); err != nil {
		return nil, err
	}
	if body.Join, err = joinsJSON(q.Joins); err != nil {
		return nil, err
	}
	if body.Aggregate, err = aggregateJSON(q.Aggregate); err != nil {
		return nil, err
	}
	return json.Marshal(body)
}

// orderJSON returns an order as pairs of a name and a direction.
func orderJSON(order Order) (pairs [][2]string) {
	for _, key := range order {
		direction := "ASC"
		if key.Desc {
			direction = "DESC"
		}
		pairs = append(pairs, [2]string{key.Name, direction})
	}
	return pairs
}

// whereJSON returns a where as JSON text, nil for none.
func whereJSON(where any) (json.RawMessage, error) {
	var v document.Value
	var err error
	switch w := where.(type) {
	case nil:
		return nil, nil
	case string:
		v, err = document.Parse([]byte(w), document.Limits{})
	case []byte:
		v, err = document.Parse(w, document.Limits{})
	default:
		v, err = document.FromGo(where, document.Limits{})
	}
	if err != nil {
		return nil, errs.Wrap(errs.InvalidQuery, err, "the where cannot be written as JSON")
	}
	return document.AppendJSON(nil, v), nil
}
