package siftdb

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// bodyJoins reads the join key of a query body: an object from names to options, of
// which the order counts (spec 6).
func bodyJoins(v document.Value) ([]Join, error) {
	if v.Kind() != document.Object {
		return nil, errs.At(errs.InvalidQuery, "join", "join must be an object from names to joins")
	}
	joins := []Join{}
	for name, options := range v.Fields() {
		j := Join{Name: strings.Clone(name)}
		if options.Kind() != document.Object {
			return nil, j.fault(errs.New(errs.InvalidQuery, "the options must be an object"))
		}
		for key, value := range options.Fields() {
			if err := j.setKey(key, value); err != nil {
				return nil, j.fault(err)
			}
		}
		joins = append(joins, j)
	}
	return joins, nil
}

// setKey sets what one option of a join says. Unknown options are ignored.
func (j *Join) setKey(key string, v document.Value) (err error) {
	if v.Kind() == document.Null && key != "where" {
		return nil // the default
	}
	switch key {
	case "dataSourceId":
		j.DataSourceID, err = bodyID(key, v)
	case "dataSourceName":
		j.DataSourceName, err = bodyString(key, v)
	case "on":
		j.On, err = bodyOn(v)
	case "required":
		j.Required, err = bodyBool(key, v)
	case "has":
		j.Has, err = bodyBool(key, v)
	case "count":
		j.Count, err = bodyBool(key, v)
	case "sum":
		if j.Sum, err = bodyString(key, v); err == nil && j.Sum == "" {
			err = errs.At(errs.InvalidQuery, key, "sum must be the name of a column")
		}
	case "join":
		err = errs.At(errs.InvalidQuery, key, "a join cannot hold another join")
	case "where", "view", "views", "attributes", "order", "limit":
		var q Query
		q.Views = j.Views
		if err = q.setKey(key, v); err != nil {
			return err
		}
		j.setQuery(key, &q)
	}
	return err
}

// setQuery takes an option that joins and queries share from a query.
func (j *Join) setQuery(key string, q *Query) {
	switch key {
	case "where":
		j.Where = q.Where
	case "attributes":
		j.Attributes = q.Attributes
	case "order":
		j.Order = q.Order
	case "limit":
		j.Limit = q.Limit
	default:
		j.Views = q.Views
	}
}

// bodyID reads the id of a data source: an integer, or a text that reads as one.
func bodyID(key string, v document.Value) (int64, error) {
	if v.Kind() == document.String {
		id, err := strconv.ParseInt(strings.TrimSpace(v.Str()), 10, 64)
		if err != nil || id <= 0 {
			return 0, errs.At(errs.InvalidQuery, key, "%s must be a positive integer", key)
		}
		return id, nil
	}
	id, err := bodyInt(key, v)
	if err == nil && id == 0 {
		err = errs.At(errs.InvalidQuery, key, "%s must be a positive integer", key)
	}
	return int64(id), err
}

// bodyOn reads the pairs of a join.
func bodyOn(v document.Value) (On, error) {
	if v.Kind() != document.Object {
		return nil, errs.At(errs.InvalidQuery, "on", "on must be an object of pairs of names")
	}
	on := On{}
	for name, joined := range v.Fields() {
		if joined.Kind() != document.String {
			return nil, errs.At(errs.InvalidQuery, "on."+name, "a pair of on must lead to a name")
		}
		on[strings.Clone(name)] = strings.Clone(joined.Str())
	}
	return on, nil
}

// joinsJSON returns joins as the body of a query has them, nil for none.
func joinsJSON(joins []Join) (json.RawMessage, error) {
	if len(joins) == 0 {
		return nil, nil
	}
	object := make(query.D, len(joins))
	for i, j := range joins {
		for _, other := range joins[:i] {
			if other.Name == j.Name {
				return nil, errs.At(errs.InvalidQuery, "join", "two joins are called %q", j.Name)
			}
		}
		text, err := j.options()
		if err != nil {
			return nil, err
		}
		object[i] = query.E{Key: j.Name, Value: json.RawMessage(text)}
	}
	return object.MarshalJSON()
}

// options returns the options of the join as a query body has them. The name is the
// key under which they stand there, and is left out.
func (j *Join) options() ([]byte, error) {
	body := struct {
		DataSourceID   int64           `json:"dataSourceId,omitempty"`
		DataSourceName string          `json:"dataSourceName,omitempty"`
		On             On              `json:"on,omitempty"`
		Required       bool            `json:"required,omitempty"`
		Has            bool            `json:"has,omitempty"`
		Count          bool            `json:"count,omitempty"`
		Sum            string          `json:"sum,omitempty"`
		Where          json.RawMessage `json:"where,omitempty"`
		Views          []string        `json:"views,omitempty"`
		Attributes     *[]string       `json:"attributes,omitempty"`
		Order          [][2]string     `json:"order,omitempty"`
		Limit          *int            `json:"limit,omitempty"`
	}{DataSourceID: j.DataSourceID, DataSourceName: j.DataSourceName, On: j.On, Required: j.Required, Has: j.Has, Count: j.Count,
		Sum: j.Sum, Views: j.Views, Order: orderJSON(j.Order), Limit: j.Limit}
	if j.Attributes != nil {
		body.Attributes = &j.Attributes
	}
	var err error
	if body.Where, err = whereJSON(j.Where); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
