package rest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// readOptions are the parameters of a read by GET (spec 12.4).
var readOptions = []string{"where", "attributes", "order", "limit", "offset", "view", "includePagination", "countOnly"}

// listEntries is GET <ds>/data.
func listEntries(c *call) error { return c.queryByGet(readOptions...) }

// getQuery is GET <ds>/data/query, which deletes nothing.
func getQuery(c *call) error { return c.queryByGet(append([]string{"type"}, readOptions...)...) }

func (c *call) queryByGet(names ...string) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	text, err := c.queryOptions(names...)
	if err != nil {
		return err
	}
	q, err := siftdb.ParseQuery(text)
	if err != nil {
		return err
	}
	if q.Type == "delete" {
		return invalid("A query of type delete must be sent by POST.")
	}
	return c.run(ds, q)
}

// postQuery is POST <ds>/data/query.
func postQuery(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	text, err := c.optionsText()
	if err != nil {
		return err
	}
	q, err := siftdb.ParseQuery(text)
	if err != nil {
		return err
	}
	if c.account == nil && q.Type == "delete" {
		return unauthorised()
	}
	return c.run(ds, q)
}

// run answers a query. What it selects is streamed: the total of a pagination, which comes after
// the entries, is known by then.
func (c *call) run(ds *siftdb.DataSource, q siftdb.Query) error {
	ctx := c.r.Context()
	if q.Type != "" && q.Type != "select" || q.CountOnly {
		result, err := ds.Query(ctx, q, c.writer("")...)
		if err != nil {
			return err
		}
		return c.result(result)
	}
	found := ds.Stream(q)
	s := c.stream(http.StatusOK)
	s.text(`{"entries":`)
	var err error
	if q.Aggregate != nil {
		err = items(s, found.Documents(ctx))
	} else {
		err = items(s, found.Entries(ctx))
	}
	if err != nil {
		return err
	}
	if p := found.Pagination(); p != nil {
		s.text(`,"pagination":`)
		if err := s.value(p); err != nil {
			return err
		}
	}
	s.text("}")
	return s.close()
}

// result answers with a count or a number of deletions.
func (c *call) result(r *siftdb.Result) error {
	text, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	s := c.stream(http.StatusOK)
	s.buf = text
	return s.close()
}

// importEntries is POST <ds>/data: rows that replace all entries, or are added to them.
func importEntries(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	source, _, err := c.query.text("source")
	if err != nil {
		return err
	}
	in := &bulk{rows: ds.Bulk()}
	defer in.rows.Close()
	if err := in.rows.Allowed(c.r.Context()); err != nil { // a large body is not read in vain
		return err
	}
	b, err := c.open()
	if err != nil {
		return err
	}
	if b.media == multipartType {
		return c.importFile(ds, b, source)
	}
	if err := c.readBulk(in, b); err != nil {
		return err
	}
	switch {
	case in.append == nil || !*in.append:
		_, err = in.rows.ReplaceWith(c.r.Context(), c.importer(source, in.runHooks)...)
	case in.rows.Len() > 0:
		_, err = in.rows.Append(c.r.Context(), c.importer(source, in.runHooks)...)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}

// writeStatus is the status of an insert and of an update (spec Q51).
func (c *call) writeStatus() int {
	if c.h.options.StatusOK {
		return http.StatusOK
	}
	return http.StatusCreated
}

// save stores the body of an insert or update: a flat object, or a form, which may hold files.
func (c *call) save(row func(any) (*siftdb.Entry, error), form func(siftdb.Form) (*siftdb.Entry, error)) (*siftdb.Entry, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	if b.media == multipartType {
		f, err := c.form(b)
		if err != nil {
			return nil, err
		}
		return form(f)
	}
	data, err := b.row()
	if err != nil {
		return nil, err
	}
	return row(data)
}

// insertEntry is PUT <ds>/data.
func insertEntry(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	source, _, err := c.query.text("source")
	if err != nil {
		return err
	}
	e, err := c.save(
		func(row any) (*siftdb.Entry, error) {
			return ds.Insert(c.r.Context(), row, c.writer(source)...)
		},
		func(form siftdb.Form) (*siftdb.Entry, error) {
			return ds.InsertWithFiles(c.r.Context(), form, c.writer(source)...)
		})
	if err != nil {
		return err
	}
	return c.entry(c.writeStatus(), e)
}

// entryID returns the id in the path. The word session is the entry that the caller logged in with,
// if it is in this data source (spec 2.2).
func (c *call) entryID(ds *siftdb.DataSource) (int64, error) {
	text := c.params["entry"]
	if text != "session" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id == 0 {
			return 0, notFound("data source " + itoa(ds.ID()) + " has no entry " + clip(text, 30))
		}
		return id, nil
	}
	if c.who.EntryID == 0 || c.who.DataSourceID != ds.ID() {
		return 0, notFound("data source " + itoa(ds.ID()) + " has no entry of this session")
	}
	return c.who.EntryID, nil
}

// getEntry is GET <ds>/data/<entryId>.
func getEntry(c *call) error {
	ds, info, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.entryID(ds)
	if err != nil {
		return err
	}
	attributes, limited, err := c.attributes()
	if err != nil {
		return err
	}
	e, err := ds.FindByID(c.r.Context(), id)
	if err != nil {
		return err
	}
	if !limited {
		return c.entry(http.StatusOK, e)
	}
	return c.projected(e, attributes, info.Columns)
}

// attributes reads the parameter of that name as a query body's (spec 4.1).
func (c *call) attributes() (names []string, limited bool, err error) {
	text, err := c.queryOptions("attributes")
	if err != nil {
		return nil, false, err
	}
	q, err := siftdb.ParseQuery(text)
	return q.Attributes, q.Attributes != nil, err
}

// projected answers with some columns of an entry. The call that finds an entry by its id has no
// such option.
func (c *call) projected(e *siftdb.Entry, attributes, columns []string) error {
	entry, err := document.Parse(e.AppendJSON(nil), document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	if err != nil {
		return err
	}
	data := entry.Field("data")
	var own []string
	for name := range data.Fields() {
		own = append(own, name)
	}
	names := document.NewNames(own)
	bound := query.NewProjection(attributes).Bind(query.Schema{Names: names, Columns: func(name string) bool {
		return slices.Contains(columns, name) || slices.Contains(own, name)
	}})
	some := document.Stored(bound.AppendTo(nil, data), names)
	s := c.stream(http.StatusOK)
	s.text("{")
	for key, value := range entry.Fields() {
		if len(s.buf) > 1 {
			s.text(",")
		}
		if s.buf = append(appendString(s.buf, key), ':'); key == "data" {
			value = some
		}
		s.buf = document.AppendJSON(s.buf, value)
	}
	s.text("}")
	return s.close()
}

// updateEntry is PUT <ds>/data/<entryId>.
func updateEntry(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.entryID(ds)
	if err != nil {
		return err
	}
	source, _, err := c.query.text("source")
	if err != nil {
		return err
	}
	e, err := c.save(
		func(row any) (*siftdb.Entry, error) {
			return ds.UpdateEntry(c.r.Context(), id, row, c.writer(source)...)
		},
		func(form siftdb.Form) (*siftdb.Entry, error) {
			return ds.UpdateWithFiles(c.r.Context(), id, form, c.writer(source)...)
		})
	if err != nil {
		return err
	}
	return c.entry(c.writeStatus(), e)
}

// deleteEntry is DELETE <ds>/data/<entryId>.
func deleteEntry(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.entryID(ds)
	if err != nil {
		return err
	}
	if err := ds.Remove(c.r.Context(), id, c.writer("")...); err != nil {
		return err
	}
	return c.json(http.StatusOK, struct{}{})
}

// readCommit reads the body of a commit, of which JSON is read entry by entry as it comes in, and
// what the query string adds to it.
func (c *call) readCommit(ds *siftdb.DataSource) (*siftdb.CommitBody, error) {
	fallback, err := c.queryOptions("append", "runHooks", "returnEntries", "source")
	if err != nil {
		return nil, err
	}
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	var in io.Reader = b
	switch b.media {
	case "":
		in = strings.NewReader("{}")
	case formType:
		text, err := b.all()
		if err != nil {
			return nil, err
		}
		f, err := parseBodyForm(text)
		if err != nil {
			return nil, err
		}
		if text, err = f.appendObject(nil, "", option); err != nil {
			return nil, err
		}
		in = bytes.NewReader(text)
	}
	what, err := ds.ReadCommit(in, fallback)
	return what, jsonError(err)
}

// commit is POST <ds>/commit.
func commit(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	what, err := c.readCommit(ds)
	if err != nil {
		return err
	}
	defer what.Close()
	returned := what.ReturnEntries()
	s := c.stream(http.StatusOK)
	s.text("{")
	first := true
	result, err := what.Apply(c.r.Context(), func(e *siftdb.Entry) error {
		if first {
			s.text(`"entries":[`)
		} else {
			s.text(",")
		}
		first = false
		return s.item(e)
	}, c.writer("")...)
	switch {
	case err != nil && result != nil:
		return &problem{status: http.StatusInternalServerError, kind: "internal error", cause: err,
			message: "The commit was applied, as version " + itoa(result.Version) + ", but its entries could not be read. Do not send it again."}
	case err != nil:
		return err
	case !first:
		s.text("],")
	case returned:
		s.text(`"entries":[],`)
	}
	s.text(`"clientIds":`)
	ids := result.ClientIDs
	if ids == nil {
		ids = []siftdb.ClientID{}
	}
	if err := s.value(ids); err != nil {
		return err
	}
	s.text("}")
	return s.close()
}

// indexes is GET <ds>/indexes/<columns>.
func indexes(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	columns, err := splitColumns(c.params["columns"])
	if err != nil {
		return err
	}
	values, err := ds.IndexesJSON(c.r.Context(), columns...)
	if err != nil {
		return err
	}
	s := c.stream(http.StatusOK)
	s.text(`{"indexes":{`)
	for i, column := range columns {
		if i > 0 {
			s.text(",")
		}
		s.buf = append(appendString(s.buf, column), ':', '[')
		for n, value := range values[column] {
			if n > 0 {
				s.text(",")
			}
			s.buf = append(s.buf, value...)
			if err := s.flush(streamBuffer); err != nil {
				return err
			}
		}
		s.text("]")
	}
	s.text("}}")
	return s.close()
}
