package rest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/document"
)

// bodyKind is what an endpoint takes as its body.
type bodyKind int

const (
	noBody      bodyKind = iota // whatever is sent is not read
	optionsBody                 // known options: JSON or url-encoded
	rowBody                     // columns of an entry: JSON, url-encoded or multipart
	rowsBody                    // options with rows, in bulk: JSON, url-encoded, or multipart with a file
	filesBody                   // files: multipart
)

// The media types of bodies (spec 12.1).
const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// types are the media types that an endpoint takes.
func (k bodyKind) types() []string {
	switch k {
	case noBody:
		return nil
	case rowBody, rowsBody:
		return []string{jsonType, formType, multipartType}
	case filesBody:
		return []string{multipartType}
	}
	return []string{jsonType, formType}
}

// body is an open body.
type body struct {
	media    string // one of the types above; empty for a body without a byte
	boundary string // of a multipart body
	*bufio.Reader
}

// open begins to read the body, and finds out what it is. An empty one has no type, and counts as
// an empty object.
func (c *call) open() (*body, error) {
	media, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	limit := c.h.options.BodyLimit
	if c.route.bulk || media == multipartType {
		limit = c.h.options.BulkLimit
	}
	source := &patience{c: c, body: c.r.Body, began: time.Now()}
	b := &body{Reader: bufio.NewReader(http.MaxBytesReader(c.w.ResponseWriter, source, limit))}
	if _, err := b.Peek(1); err == io.EOF {
		return b, nil
	} else if err != nil {
		return nil, readError(err)
	}
	switch {
	case c.r.Header.Get("Content-Type") == "":
		media = jsonType
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		media = ""
	case strings.HasSuffix(media, "+json"):
		media = jsonType
	}
	for _, t := range c.route.body.types() {
		if t == media {
			b.media, b.boundary = media, params["boundary"]
			return b, nil
		}
	}
	return nil, &problem{status: http.StatusUnsupportedMediaType, kind: "unsupported media type",
		message: "This endpoint takes bodies of type " + strings.Join(c.route.body.types(), " or ") + "."}
}

// readError says what a body that cannot be read to its end means to the client.
func readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{status: http.StatusRequestTimeout, kind: "request timeout", message: "The body of the request was sent too slowly."}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalid("The body of the request ends too early.")
	}
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return err
	}
	return &problem{status: http.StatusBadRequest, kind: "invalid request", message: "The body of the request cannot be read.", cause: err}
}

// patience reads a body, and ends the reading when the client is too slow: it has the time-out of
// the options, and a second for each 16 KiB.
type patience struct {
	c     *call
	body  io.ReadCloser
	began time.Time
	read  int64
}

const leastRate = 16 << 10

func (p *patience) Read(b []byte) (int, error) {
	control := http.NewResponseController(p.c.w)
	if t := p.c.h.options.ReadTimeout; t > 0 {
		_ = control.SetReadDeadline(p.began.Add(t + time.Duration(p.read/leastRate)*time.Second))
	}
	n, err := p.body.Read(b)
	p.read += int64(n)
	if err == io.EOF { // net/http goes on reading to notice when the client leaves
		p.c.bodyRead = true
		_ = control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *patience) Close() error { return p.body.Close() }

// all reads the rest of a body.
func (b *body) all() ([]byte, error) {
	text, err := io.ReadAll(b)
	if err != nil {
		return nil, readError(err)
	}
	return text, nil
}

// options reads a body of known options as JSON text.
func (c *call) optionsText() ([]byte, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	text, err := b.all()
	switch {
	case err != nil:
		return nil, err
	case b.media == "":
		return []byte("{}"), nil
	case b.media == formType:
		f, err := parseBodyForm(text)
		if err != nil {
			return nil, err
		}
		return f.appendObject(nil, "", option)
	}
	return text, nil
}

// parseBodyForm reads a url-encoded body. One that looks like JSON is refused: curl calls
// everything url-encoded that is given to it without a type.
func parseBodyForm(text []byte) (*form, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		return nil, invalid("The body looks like JSON, but is called " + formType + ". Send the header Content-Type: " + jsonType + ".")
	}
	return parseForm(string(text), "body")
}

// options reads a body of known options.
func (c *call) options() (document.Value, error) {
	text, err := c.optionsText()
	if err != nil {
		return document.Value{}, err
	}
	return parseObject(text)
}

// parseObject reads JSON text that must be an object.
func parseObject(text []byte) (document.Value, error) {
	v, err := document.Parse(text, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1}) // the database has its own
	if err == nil && v.Kind() != document.Object {
		err = invalid("The body must be an object.")
	}
	return v, err
}

// optionForm is how the text of an option in a url-encoded body, or in a query string, is to be
// understood.
type optionForm int

const (
	plainOption optionForm = iota
	numberOption
	boolOption
	jsonOption // JSON text, if it begins like an array or an object
)

// optionForms are the options that are more than text (spec 12.1). What is a column is never
// looked up here.
var optionForms = map[string]optionForm{
	"limit": numberOption, "offset": numberOption, "appId": numberOption, "organizationId": numberOption, "parentId": numberOption,
	"append": boolOption, "extend": boolOption, "returnEntries": boolOption, "includePagination": boolOption,
	"countOnly": boolOption, "distinct": boolOption, "public": boolOption, "encrypted": boolOption, "bundle": boolOption,
	"where": jsonOption, "join": jsonOption, "aggregate": jsonOption, "entries": jsonOption, "order": jsonOption,
	"views": jsonOption, "attributes": jsonOption, "delete": jsonOption, "columns": jsonOption, "newColumns": jsonOption,
	"runHooks": jsonOption, "hooks": jsonOption, "definition": jsonOption, "accessRules": jsonOption, "version": jsonOption,
}

// option writes a known option of url-encoded text as JSON. Empty text means that it is not given.
// What does not read as it should stays text, which whoever takes the option then refuses by name.
func option(dst []byte, key string, part *form) ([]byte, bool, error) {
	kind := optionForms[key]
	if key == "version" && part.fields != nil { // numbers inside
		dst, err := part.appendObject(dst, key, func(dst []byte, _ string, p *form) ([]byte, bool, error) {
			return scalar(dst, numberOption, p)
		})
		return dst, true, err
	}
	if kind == plainOption || part.fields != nil || part.list || len(part.values) != 1 {
		return dst, false, nil
	}
	return scalar(dst, kind, part)
}

// scalar is option for one value.
func scalar(dst []byte, kind optionForm, part *form) ([]byte, bool, error) {
	if len(part.values) != 1 {
		return dst, false, nil
	}
	text := strings.TrimSpace(part.values[0])
	switch {
	case text == "":
		return dst, true, nil
	case kind == boolOption:
		if b, ok := boolean(text); ok {
			return strconv.AppendBool(dst, b), true, nil
		}
	case kind == numberOption:
		if v, err := document.Parse([]byte(text), document.Limits{}); err == nil && v.Kind() == document.Number {
			return append(dst, text...), true, nil
		}
	case kind == jsonOption && (text[0] == '{' || text[0] == '[' || text == "true" || text == "false"):
		v, err := document.Parse([]byte(text), document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
		if err != nil {
			return dst, false, err
		}
		return document.AppendJSON(dst, v), true, nil
	}
	return dst, false, nil
}

// queryOptions returns the options of a query string that are among the names given, as the JSON
// text of a body (spec 12.4).
func (c *call) queryOptions(names ...string) ([]byte, error) {
	some := new(form)
	for _, key := range c.query.keys {
		for _, name := range names {
			if key == name {
				*some.child(key) = *c.query.fields[key]
			}
		}
	}
	return some.appendObject(nil, "", option)
}

// withFallbacks adds options of the query string that the body lacks (spec 12.1).
func (c *call) withFallbacks(text []byte, names ...string) ([]byte, error) {
	more, err := c.queryOptions(names...)
	if err != nil || len(more) == len("{}") {
		return text, err
	}
	given, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	fallback, err := parseObject(more)
	if err != nil {
		return nil, err
	}
	merged := []byte("{")
	add := func(name string, v document.Value) {
		if len(merged) > 1 {
			merged = append(merged, ',')
		}
		merged = append(appendString(merged, name), ':')
		merged = document.AppendJSON(merged, v)
	}
	for name, v := range given.Fields() {
		add(name, v)
	}
	for name, v := range fallback.Fields() {
		if given.Field(name).Kind() == document.Absent {
			add(name, v)
		}
	}
	return append(merged, '}'), nil
}

// largeRow is the text that is not parsed before the database does it: its parsed form would be
// in memory beside the stored one.
const largeRow = 1 << 20

// row reads the columns of an entry from a body that holds no files: an object, whose keys are all
// of them columns (spec 1.4).
func (b *body) row() (any, error) {
	if b.media == "" {
		return parseObject([]byte("{}"))
	}
	text, err := b.all()
	if err == nil && b.media == formType {
		var f *form
		if f, err = parseBodyForm(text); err == nil {
			text, err = f.appendObject(nil, "", nil)
		}
	}
	if err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) >= largeRow && trimmed[0] == '{' {
		return json.RawMessage(text), nil
	}
	return parseObject(text)
}
