package siftdb

import (
	"encoding/json"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// MarshalJSON returns the query as a body that ParseQuery reads. Dialect and
// StrictCount have no place in a body and are left out.
func (q Query) MarshalJSON() ([]byte, error) {
	body := struct {
		Type              string          `json:"type,omitempty"`
		Where             json.RawMessage `json:"where,omitempty"`
		Attributes        *[]string       `json:"attributes,omitempty"`
		Distinct          bool            `json:"distinct,omitempty"`
		Order             [][2]string     `json:"order,omitempty"`
		Limit             *int            `json:"limit,omitempty"`
		Offset            int             `json:"offset,omitempty"`
		IncludePagination bool            `json:"includePagination,omitempty"`
		CountOnly         bool            `json:"countOnly,omitempty"`
	}{Type: q.Type, Distinct: q.Distinct, Limit: q.Limit, Offset: q.Offset, IncludePagination: q.IncludePagination, CountOnly: q.CountOnly}
	if q.Attributes != nil {
		body.Attributes = &q.Attributes
	}
	for _, key := range q.Order {
		direction := "ASC"
		if key.Desc {
			direction = "DESC"
		}
		body.Order = append(body.Order, [2]string{key.Name, direction})
	}
	var err error
	if body.Where, err = whereJSON(q.Where); err != nil {
		return nil, err
	}
	return json.Marshal(body)
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

// MarshalJSON returns the commit as a body that ParseCommit reads. Conditions on
// changed have no place in a body: a commit that has any is refused.
func (c Commit) MarshalJSON() ([]byte, error) {
	type entry struct {
		ID       int64           `json:"id,omitempty"`
		Data     json.RawMessage `json:"data"`
		Order    json.RawMessage `json:"order,omitempty"`
		ClientID string          `json:"clientId,omitempty"`
	}
	body := struct {
		Entries       []entry   `json:"entries"`
		Append        *bool     `json:"append,omitempty"`
		Delete        *[]int64  `json:"delete,omitempty"`
		Extend        bool      `json:"extend,omitempty"`
		Columns       *[]string `json:"columns,omitempty"`
		ReturnEntries bool      `json:"returnEntries"`
		Source        string    `json:"source,omitempty"`
	}{Entries: make([]entry, len(c.Entries)), Append: c.Append, Extend: c.Extend, ReturnEntries: c.ReturnEntries, Source: c.Source}
	if c.Delete != nil {
		body.Delete = &c.Delete
	}
	if c.Columns != nil {
		body.Columns = &c.Columns
	}
	for i, e := range c.Entries {
		if e.IfChanged != 0 {
			return nil, rowError(i, errs.New(errs.InvalidInput, "a condition on changed has no place in a commit body"))
		}
		body.Entries[i] = entry{ID: e.ID, ClientID: e.ClientID}
		data, err := document.FromGo(e.Data, document.Limits{})
		if err != nil {
			return nil, rowError(i, err)
		}
		body.Entries[i].Data = document.AppendJSON(nil, data)
		if e.Order == nil {
			continue
		}
		order, err := document.FromGo(e.Order, document.Limits{})
		if err != nil {
			return nil, rowError(i, err)
		}
		body.Entries[i].Order = document.AppendJSON(nil, order)
	}
	return json.Marshal(body)
}
