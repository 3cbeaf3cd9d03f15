package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
)

// bulk is the body of an import: flat rows, and what to do with them.
type bulk struct {
	rows     []any // nil when the body has no entries
	append   *bool
	runHooks *bool
}

// readBulk reads the body of an import. JSON is taken apart row by row as it comes in, so that the
// text as a whole is never in memory.
func (c *call) readBulk(b *body) (*bulk, error) {
	in := new(bulk)
	var err error
	switch b.media {
	case "":
	case formType:
		err = in.readForm(b)
	default:
		err = in.readJSON(json.NewDecoder(b))
	}
	if err != nil {
		return nil, err
	}
	if in.rows == nil {
		return nil, invalid("entries is required, and must be an array of objects.")
	}
	if in.append == nil {
		value, given, err := c.query.flag("append")
		if err != nil {
			return nil, err
		}
		if given {
			in.append = &value
		}
	}
	if in.runHooks == nil {
		in.runHooks, err = c.askedHooks()
	}
	return in, err
}

// runsHooks is what an import is told by runHooks: whether the hooks of inserts run.
func runsHooks(v document.Value) (run bool, err error) {
	if v.Kind() == document.Bool {
		return v.Bool(), nil
	}
	err = invalid("runHooks must be true, false or an array of insert and update.")
	if v.Kind() != document.Array {
		return false, err
	}
	for kind := range v.Items() {
		if kind.Kind() != document.String || kind.Str() != "insert" && kind.Str() != "update" {
			return false, err
		}
		run = run || kind.Str() == "insert"
	}
	return run, nil
}

// askedHooks is what the query string says of hooks; nil is nothing.
func (c *call) askedHooks() (*bool, error) {
	text, given, err := c.query.text("runHooks")
	if err != nil || !given {
		return nil, err
	}
	if run, ok := boolean(text); ok || text == "" {
		return new(run || text == ""), nil
	}
	v, err := document.Parse([]byte(text), document.Limits{})
	if err != nil {
		v = document.Value{} // which is no answer either
	}
	run, err := runsHooks(v)
	return &run, err
}

// importer is what an import is written with.
func (c *call) importer(source string, runHooks *bool) []siftdb.WriteOption {
	options := c.writer(source)
	if runHooks != nil {
		options = append(options, siftdb.RunHooks(*runHooks))
	}
	return options
}

// importFile is an import of a file, the part file of a multipart body: CSV or JSON (spec Q15). The
// part append may come before or after it. As the rows of an import are, the file is held in memory.
func (c *call) importFile(ds *siftdb.DataSource, b *body, source string) error {
	more, given, err := c.query.flag("append")
	if err != nil {
		return err
	}
	hooks, err := c.askedHooks()
	if err != nil {
		return err
	}
	var file []byte
	for part, err := range c.parts(b) {
		switch {
		case err != nil:
			return err
		case part.Content != nil && (part.Name != "file" || file != nil):
			return invalid("An import takes one file, in the part file.")
		case part.Content != nil:
			if file, err = io.ReadAll(part.Content); err != nil {
				return err
			}
		case part.Name == "append":
			if more, given = boolean(part.Text); !given {
				return invalid("append must be true or false.")
			}
		}
	}
	if file == nil {
		return invalid("The part file is required: a CSV or JSON file with a file name.")
	}
	if _, err = ds.Import(c.r.Context(), bytes.NewReader(file), siftdb.ImportOptions{Append: more}, c.importer(source, hooks)...); err != nil {
		return err
	}
	return c.nothing()
}

// readForm reads a url-encoded body.
func (in *bulk) readForm(b *body) error {
	text, err := b.all()
	if err != nil {
		return err
	}
	f, err := parseBodyForm(text)
	if err != nil {
		return err
	}
	if text, err = f.appendObject(nil, "", option); err != nil {
		return err
	}
	v, err := parseObject(text)
	if err != nil {
		return err
	}
	for key, value := range v.Fields() {
		if err := in.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// set takes one key of a body.
func (in *bulk) set(key string, v document.Value) error {
	if v.Kind() == document.Null && key != "entries" {
		return nil
	}
	switch key {
	case "entries":
		rows, err := flatRows(v)
		in.rows = rows
		return err
	case "append":
		if v.Kind() != document.Bool {
			return invalid("append must be true or false.")
		}
		value := v.Bool()
		in.append = &value
	case "runHooks":
		run, err := runsHooks(v)
		in.runHooks = &run
		return err
	}
	return nil
}

// flatRows returns the members of an array of objects.
func flatRows(v document.Value) ([]any, error) {
	if v.Kind() != document.Array {
		return nil, invalid("entries must be an array of objects.")
	}
	rows := make([]any, 0, v.Len())
	for row := range v.Items() {
		if row.Kind() != document.Object {
			return nil, invalid("entries must be an array of objects; member " + itoa(int64(len(rows))) + " is none.")
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// readJSON reads a JSON body. Rows stay text, which the database reads.
func (in *bulk) readJSON(dec *json.Decoder) error {
	begin, err := dec.Token()
	if err != nil {
		return jsonError(err)
	}
	if begin != json.Delim('{') {
		return invalid("The body must be an object.")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return jsonError(err)
		}
		if key == "entries" {
			err = in.readRows(dec)
		} else {
			err = in.readOption(dec, key)
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return jsonError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		if err == nil {
			return invalid("Something follows the end of the JSON body.")
		}
		return jsonError(err)
	}
	return nil
}

func (in *bulk) readOption(dec *json.Decoder, key json.Token) error {
	var text json.RawMessage
	if err := dec.Decode(&text); err != nil {
		return jsonError(err)
	}
	v, err := document.Parse(text, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	if err != nil {
		return err
	}
	name, _ := key.(string)
	return in.set(name, v)
}

// readRows reads the array of rows.
func (in *bulk) readRows(dec *json.Decoder) error {
	var row json.RawMessage
	if !dec.More() {
		return invalid("entries must be an array of objects.")
	}
	token, err := dec.Token()
	if err != nil {
		return jsonError(err)
	}
	if token != json.Delim('[') {
		return invalid("entries must be an array of objects.")
	}
	in.rows = []any{} // of a repeated key the last one counts
	for dec.More() {
		row = nil
		if err := dec.Decode(&row); err != nil {
			return jsonError(err)
		}
		if row[0] != '{' {
			return invalid("entries must be an array of objects; member " + itoa(int64(len(in.rows))) + " is none.")
		}
		in.rows = append(in.rows, row)
	}
	_, err = dec.Token()
	return jsonError(err)
}

// jsonError tells text that is no JSON from text that did not arrive.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset > 0:
		return invalid("invalid JSON: " + syntax.Error() + ", at byte " + itoa(syntax.Offset))
	case errors.As(err, &syntax):
		return invalid("invalid JSON: " + syntax.Error())
	}
	return readError(err)
}
