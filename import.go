package siftdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// ImportFormat is the form of a file that is imported.
type ImportFormat string

// The formats. ImportAuto takes a file that begins with a bracket for JSON, and
// anything else for CSV.
const (
	ImportAuto ImportFormat = ""
	ImportCSV  ImportFormat = "csv"
	ImportJSON ImportFormat = "json"
)

// ImportOptions say how a file is imported. The zero value replaces every entry.
type ImportOptions struct {
	Format ImportFormat
	// Append keeps the entries that are there. Without it all of them go, and the list
	// of columns becomes that of the file.
	Append bool
}

// Import adds the rows of a file as new entries, in one atomic write (spec 2.7). A CSV
// file has a header line, which names the columns; every value is a text, and an empty
// cell the empty text. A JSON file is an array of flat objects. A byte order mark at
// the beginning is passed over. A file that cannot be read changes nothing, and the
// error, ErrInvalidInput, names the line. The whole file is held in memory.
func (ds *DataSource) Import(ctx context.Context, r io.Reader, options ImportOptions, write ...WriteOption) (BulkResult, error) {
	if err := ds.writable(); err != nil {
		return BulkResult{}, err
	}
	in := bufio.NewReader(r)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	var rows []any
	var columns []string
	var err error
	switch format := options.Format; {
	case format == ImportJSON, format == ImportAuto && startsArray(in):
		rows, columns, err = ds.readJSON(in)
	case format == ImportCSV, format == ImportAuto:
		rows, columns, err = readCSV(in)
	default:
		err = errs.New(errs.InvalidInput, "there is no format %q to import; there are csv and json", clipText(string(format)))
	}
	if err != nil {
		return BulkResult{}, err
	}
	if columns, err = ds.db.cleanColumns(columns); err != nil {
		return BulkResult{}, err
	}
	return ds.bulk(ctx, rows, bulkWrite{replace: !options.Append, file: true, columns: columns}, write)
}

// startsArray reports whether the first character that is no blank opens a JSON array.
func startsArray(in *bufio.Reader) bool {
	for n := 1; ; n++ {
		head, err := in.Peek(n)
		if len(head) < n || err != nil {
			return false
		}
		switch head[n-1] {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return head[n-1] == '['
	}
}

// readCSV reads a table with a header line.
func readCSV(in io.Reader) (rows []any, columns []string, err error) {
	reader := csv.NewReader(in)
	header, err := reader.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("there is no header line")
		}
		return nil, nil, malformed(1, err)
	}
	seen := make(map[string]bool, len(header))
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if header[i] == "" {
			return nil, nil, malformed(1, errs.New(errs.InvalidInput, "column %d has no name", i+1))
		}
		if seen[header[i]] {
			return nil, nil, malformed(1, errs.New(errs.InvalidInput, "two columns are called %q", clipText(header[i])))
		}
		seen[header[i]] = true
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, header, nil
		}
		if err != nil {
			return nil, nil, malformed(len(rows)+2, err)
		}
		row := make(D, len(header))
		for i, name := range header {
			row[i] = E{Key: name, Value: record[i]}
		}
		rows = append(rows, row)
	}
}

// malformed is the error of a file that cannot be read, at a line if nobody knows
// better.
func malformed(line int, cause error) error {
	var parse *csv.ParseError
	if errors.As(cause, &parse) {
		line = parse.Line
	}
	return errs.Wrap(errs.InvalidInput, cause, "line %d of the file cannot be read", line)
}

// readJSON reads an array of objects.
func (ds *DataSource) readJSON(in io.Reader) (rows []any, columns []string, err error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, nil, errs.Wrap(errs.InvalidInput, err, "the file cannot be read")
	}
	list, err := document.Parse(text, ds.db.opts.Limits.document())
	if err != nil {
		return nil, nil, errs.Wrap(errs.InvalidInput, err, "the file cannot be read")
	}
	if list.Kind() != document.Array {
		return nil, nil, errs.New(errs.InvalidInput, "the file is no JSON array of objects")
	}
	seen := make(map[string]bool)
	for row := range list.Items() {
		if row.Kind() != document.Object {
			return nil, nil, errs.New(errs.InvalidInput, "member %d of the file is no object", len(rows))
		}
		for name := range row.Fields() {
			if !seen[name] {
				seen[strings.Clone(name)] = true
				columns = append(columns, strings.Clone(name))
			}
		}
		rows = append(rows, json.RawMessage(document.AppendJSON(nil, row)))
	}
	return rows, columns, nil
}
