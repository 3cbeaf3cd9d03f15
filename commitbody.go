package siftdb

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// ParseCommit reads a commit body, the JSON of spec 8.1. Delete lists each id once, in
// order. A body without entries, or with a member that is no object or whose data are
// none, is ErrInvalidInput.
func ParseCommit(body []byte) (Commit, error) {
	c := Commit{ReturnEntries: true}
	v, err := parseLoose(body)
	if err != nil {
		return c, err
	}
	if v.Kind() != document.Object {
		return c, errs.New(errs.InvalidInput, "a commit must be an object")
	}
	if v.Field("entries").Kind() != document.Array {
		return c, errs.At(errs.InvalidInput, "entries", "entries must be an array")
	}
	c.Entries = make([]CommitEntry, 0, v.Field("entries").Len())
	for e := range v.Field("entries").Items() {
		entry, err := parseCommitEntry(e)
		if err != nil {
			return c, rowError(len(c.Entries), err)
		}
		c.Entries = append(c.Entries, entry)
	}
	for key, value := range v.Fields() {
		if err := c.setKey(key, value); err != nil {
			return c, err
		}
	}
	return c, nil
}

// ReadCommit is ParseCommit for a body that comes in as a stream: entries are read one by
// one, so that the text as a whole is never in memory. Keys of fallback, the JSON of an
// object, count where the body lacks them; it may be nil. A body that ends too early is
// io.ErrUnexpectedEOF, and an error of the reader is returned as it is.
func ReadCommit(body io.Reader, fallback json.RawMessage) (Commit, error) {
	var r commitReader
	err := r.read(body, fallback)
	return r.commit, err
}

// read reads a commit body and the keys of fallback.
func (r *commitReader) read(body io.Reader, fallback json.RawMessage) error {
	c := &r.commit
	c.ReturnEntries = true
	text := document.NewStream(body)
	given := map[string]document.Value{}
	err := text.Fields(func(key string) (err error) {
		if key == "entries" {
			given[key] = document.Value{}
			return r.entries(text)
		}
		if key == "delete" {
			c.Delete = nil // of a repeated key the last one counts
			if next, err := text.Peek(); err == nil && next == '[' {
				given[key] = document.Of(nil)
				c.Delete, err = readIDs(text)
				return err
			}
		}
		value, err := text.Value()
		if err == nil {
			given[key], err = parseLoose(value)
		}
		return err
	})
	if err == nil {
		err = text.End()
	}
	if err == nil && c.Entries == nil {
		err = errs.At(errs.InvalidInput, "entries", "entries must be an array")
	}
	if err == nil && fallback != nil {
		var more document.Value
		more, err = parseLoose(fallback)
		for key, value := range more.Fields() {
			if _, ok := given[key]; !ok {
				given[key] = value
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if err == nil {
			err = c.setKey(key, given[key])
		}
	}
	return err
}

// readIDs reads an array of ids, of which it returns each once, in order.
func readIDs(text *document.Stream) ([]int64, error) {
	ids := []int64{}
	sorted := 0
	err := text.Items(func() error {
		value, err := text.Value()
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(string(value), 10, 64)
		if ok := err == nil && value[0] != '-' && value[0] != '+' && value[0] != '0' && id <= maxEntryID; !ok {
			v, err := parseLoose(value)
			if err != nil {
				return err
			}
			if id, ok = parseID(v); !ok {
				return errs.At(errs.InvalidInput, "delete", "delete must be an array of ids")
			}
		}
		if ids = append(ids, id); len(ids) >= 4096+2*sorted {
			ids = sortedIDs(ids)
			sorted = len(ids)
		}
		return nil
	})
	return sortedIDs(ids), err
}

// parseLoose reads JSON without limits of its own: those of the database are for the
// data, and Commit applies them.
func parseLoose(text []byte) (document.Value, error) {
	return document.Parse(text, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
}

// UnmarshalJSON reads a commit body as ParseCommit does.
func (c *Commit) UnmarshalJSON(body []byte) error {
	parsed, err := ParseCommit(body)
	if err == nil {
		*c = parsed
	}
	return err
}

func (c *Commit) setKey(key string, v document.Value) error {
	if v.Kind() == document.Null {
		return nil
	}
	bad := func(what string) error { return errs.At(errs.InvalidInput, key, "%s must be %s", key, what) }
	isBool, isArray := v.Kind() == document.Bool, v.Kind() == document.Array
	switch key {
	case "append":
		if !isBool {
			return bad("true or false")
		}
		c.Append = new(v.Bool())
	case "extend":
		if !isBool {
			return bad("true or false")
		}
		c.Extend = v.Bool()
	case "returnEntries":
		if !isBool {
			return bad("true or false")
		}
		c.ReturnEntries = v.Bool()
	case "delete":
		if !isArray {
			return bad("an array of ids")
		}
		c.Delete = make([]int64, 0, v.Len())
		for item := range v.Items() {
			id, ok := parseID(item)
			if !ok {
				return bad("an array of ids")
			}
			c.Delete = append(c.Delete, id)
		}
		c.Delete = sortedIDs(c.Delete)
	case "columns":
		if !isArray {
			return bad("an array of strings")
		}
		c.Columns = make([]string, 0, v.Len())
		for item := range v.Items() {
			if item.Kind() != document.String {
				return bad("an array of strings")
			}
			c.Columns = append(c.Columns, strings.Clone(item.Str()))
		}
	case "source":
		if v.Kind() != document.String {
			return bad("a string")
		}
		c.Source = strings.Clone(v.Str())
	case "runHooks":
		if !isArray && !isBool {
			return bad("an array of insert and update")
		}
		if v.Bool() {
			c.RunHooks = []EventKind{InsertEvent, UpdateEvent}
		}
		for item := range v.Items() {
			if kind := EventKind(strings.Clone(item.Str())); kind == InsertEvent || kind == UpdateEvent {
				c.RunHooks = append(c.RunHooks, kind)
			}
		}
	}
	return nil
}

func parseCommitEntry(v document.Value) (CommitEntry, error) {
	var e CommitEntry
	data := v.Field("data")
	if v.Kind() != document.Object || data.Kind() != document.Object {
		return e, errs.At(errs.InvalidInput, "entries", "an entry must be an object with an object as data")
	}
	e.Data = data
	if id := v.Field("id"); id.Kind() != document.Absent && id.Kind() != document.Null {
		var ok bool
		if e.ID, ok = parseID(id); !ok {
			return e, errs.At(errs.InvalidInput, "entries", "an entry id must be a positive integer")
		}
	}
	if order := v.Field("order"); order.Kind() != document.Absent && order.Kind() != document.Null {
		e.Order = order
	}
	if id := v.Field("clientId"); id.Kind() == document.String {
		e.ClientID = strings.Clone(id.Str())
	}
	return e, nil
}

// parseID reads an id: a positive integer, or a string of one.
func parseID(v document.Value) (int64, bool) {
	switch v.Kind() {
	case document.Number:
		f := v.Float()
		return int64(f), f >= 1 && f <= maxEntryID && f == float64(int64(f))
	case document.String:
		id, err := strconv.ParseInt(v.Str(), 10, 64)
		return id, err == nil && id >= 1 && id <= maxEntryID
	}
	return 0, false
}

// MarshalJSON returns the commit as a body that ParseCommit reads. Conditions on
// changed have no place in a body: a commit that has any is refused.
func (c Commit) MarshalJSON() ([]byte, error) {
	if c.Entries == nil && (c.Append == nil && c.Delete == nil || c.Append != nil && !*c.Append) {
		return nil, errs.At(errs.InvalidInput, "entries", "entries is required; to empty the data source send an empty list")
	}
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
