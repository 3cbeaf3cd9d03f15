package rest

import (
	"encoding/json"
	"errors"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
)

// bulk is the body of an import: flat rows, and what to do with them.
type bulk struct {
	rows     *siftdb.Bulk
	given    bool // the body has entries
	append   *bool
	runHooks *bool
}

// readBulk reads the body of an import. JSON is taken apart row by row as it comes in, so that
// neither the text nor the rows as a whole are in memory.
func (c *call) readBulk(in *bulk, b *body) error {
	var err error
	switch b.media {
	case "":
	case formType:
		err = in.readForm(b)
	default:
		err = in.readJSON(document.NewStream(b))
	}
	if err != nil {
		return err
	}
	if !in.given {
		return invalid("entries is required, and must be an array of objects.")
	}
	if in.append == nil {
		value, given, err := c.query.flag("append")
		if err != nil {
			return err
		}
		if given {
			in.append = &value
		}
	}
	if in.runHooks == nil {
		in.runHooks, err = c.askedHooks()
	}
	return err
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
// part append may come before or after it.
func (c *call) importFile(ds *siftdb.DataSource, b *body, source string) error {
	more, given, err := c.query.flag("append")
	if err != nil {
		return err
	}
	hooks, err := c.askedHooks()
	if err != nil {
		return err
	}
	var rows *siftdb.Bulk
	defer func() {
		if rows != nil {
			rows.Close()
		}
	}()
	for part, err := range c.parts(b) {
		switch {
		case err != nil:
			return err
		case part.Content != nil && (part.Name != "file" || rows != nil):
			return invalid("An import takes one file, in the part file.")
		case part.Content != nil:
			if rows, err = ds.BulkFile(part.Content, siftdb.ImportAuto); err != nil {
				return err
			}
		case part.Name == "append":
			if more, given = boolean(part.Text); !given {
				return invalid("append must be true or false.")
			}
		}
	}
	if rows == nil {
		return invalid("The part file is required: a CSV or JSON file with a file name.")
	}
	write := rows.ReplaceWith
	if more {
		write = rows.Append
	}
	if _, err = write(c.r.Context(), c.importer(source, hooks)...); err != nil {
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
		return in.addRows(v)
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

// addRows takes the members of an array of objects.
func (in *bulk) addRows(v document.Value) error {
	list, err := flatRows(v)
	for _, row := range list {
		if err := in.rows.Add(row); err != nil {
			return err
		}
	}
	in.given = true
	return err
}

// flatRows returns the members of an array of objects.
func flatRows(v document.Value) ([]any, error) {
	if v.Kind() != document.Array {
		return nil, invalid("entries must be an array of objects.")
	}
	rows := make([]any, 0, v.Len())
	for row := range v.Items() {
		if row.Kind() != document.Object {
			return nil, noObject(len(rows))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func noObject(member int) error {
	return invalid("entries must be an array of objects; member " + itoa(int64(member)) + " is none.")
}

// readJSON reads a JSON body.
func (in *bulk) readJSON(text *document.Stream) error {
	err := text.Fields(func(name string) error {
		if name == "entries" {
			return in.readRows(text)
		}
		value, err := text.Value()
		if err != nil {
			return err
		}
		v, err := document.Parse(value, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
		if err != nil {
			return err
		}
		return in.set(name, v)
	})
	if err == nil {
		err = text.End()
	}
	return jsonError(err)
}

// readRows reads the array of rows.
func (in *bulk) readRows(text *document.Stream) error {
	if c, err := text.Peek(); err == nil && c != '[' {
		return invalid("entries must be an array of objects.")
	}
	in.rows.Reset() // of a repeated key the last one counts
	in.given = true
	return text.Items(func() error {
		if c, err := text.Peek(); err == nil && c != '{' && c != ']' && c != ',' {
			return noObject(in.rows.Len())
		}
		row, err := text.Value()
		if err != nil {
			return err
		}
		return in.rows.Add(json.RawMessage(row))
	})
}

// jsonError tells text that is no JSON, which has been said, from text that did not arrive.
func jsonError(err error) error {
	var said *siftdb.Error
	var own *problem
	if err == nil || errors.As(err, &said) || errors.As(err, &own) {
		return err
	}
	return readError(err)
}
