package siftdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
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
// error, ErrInvalidInput, names the line. The file is read row by row, and the rows are
// kept as a Bulk keeps them.
func (ds *DataSource) Import(ctx context.Context, r io.Reader, options ImportOptions, write ...WriteOption) (BulkResult, error) {
	if err := ds.writable(); err != nil {
		return BulkResult{}, err
	}
	f, err := ds.BulkFile(readerIn{ctx, r}, options.Format)
	if err != nil {
		return BulkResult{}, err
	}
	if options.Append {
		return f.Append(ctx, write...)
	}
	return f.ReplaceWith(ctx, write...)
}

// readerIn reads until a context ends.
type readerIn struct {
	ctx context.Context
	r   io.Reader
}

func (r readerIn) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// BulkFile reads a file as Import does, for a caller who learns only afterwards how its
// rows are to be written. Its Append and ReplaceWith run no hooks unless told to, and the
// list of columns gains those of the file, or becomes them.
func (ds *DataSource) BulkFile(r io.Reader, format ImportFormat) (*Bulk, error) {
	b := ds.Bulk()
	b.how.file = true
	err := b.readFile(r, format)
	if err == nil {
		b.how.columns, err = ds.db.cleanColumns(b.how.columns)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bulk) readFile(r io.Reader, format ImportFormat) error {
	in := bufio.NewReader(r)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	switch {
	case format == ImportJSON, format == ImportAuto && startsArray(in):
		return b.readJSON(in)
	case format == ImportCSV, format == ImportAuto:
		return b.readCSV(in)
	}
	return errs.New(errs.InvalidInput, "there is no format %q to import; there are csv and json", clipText(string(format)))
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
func (b *Bulk) readCSV(in io.Reader) error {
	reader := csv.NewReader(in)
	header, err := readHeader(reader)
	if err != nil {
		return malformed(1, err)
	}
	b.how.columns = header
	reader.ReuseRecord = true
	row := make(D, len(header))
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return malformed(b.Len()+2, err)
		}
		for i, name := range header {
			row[i] = E{Key: name, Value: record[i]}
		}
		if err := b.Add(row); err != nil {
			line, _ := reader.FieldPos(0)
			return ofFile(err, "line %d of the file cannot be read", line)
		}
	}
}

// readHeader reads the names of the columns of a table.
func readHeader(reader *csv.Reader) ([]string, error) {
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		err = errors.New("there is no header line")
	}
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(header))
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if header[i] == "" {
			return nil, errs.New(errs.InvalidInput, "column %d has no name", i+1)
		}
		if seen[header[i]] {
			return nil, errs.New(errs.InvalidInput, "two columns are called %q", clipText(header[i]))
		}
		seen[header[i]] = true
	}
	return header, nil
}

// malformed is the error of a file that cannot be read, at a line if nobody knows
// better.
func malformed(line int, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	var parse *csv.ParseError
	if errors.As(cause, &parse) {
		line = parse.Line
	}
	return errs.Wrap(errs.InvalidInput, cause, "line %d of the file cannot be read", line)
}

// ofFile names the place of what is wrong with a file. What is not the file's fault stays as
// it is.
func ofFile(err error, format string, args ...any) error {
	for _, known := range []*Error{ErrInvalidInput, ErrTooLarge} {
		if errors.Is(err, known) {
			return errs.Wrap(known.Code, err, format, args...)
		}
	}
	return err
}

// readJSON reads an array of objects.
func (b *Bulk) readJSON(in io.Reader) error {
	text := document.NewStream(in)
	b.how.columns = []string{}
	seen := make(map[string]bool)
	var bad error // of a member
	err := text.Items(func() error {
		_, _ = text.Peek() // to its line
		line := text.Line()
		row, err := text.Value()
		if err != nil {
			return err
		}
		if err := b.addJSON(row, seen); err != nil {
			bad = ofFile(err, "member %d of the file, which begins in line %d, cannot be read", b.Len(), line)
		}
		return bad
	})
	if err == nil {
		err = text.End()
	}
	if bad != nil || err == nil {
		return bad
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return errs.Wrap(errs.InvalidInput, err, "the file cannot be read, in line %d", text.Line())
}

// addJSON adds an object as JSON text, and its keys to the columns.
func (b *Bulk) addJSON(text []byte, seen map[string]bool) error {
	row, err := document.Parse(text, b.ds.db.opts.Limits.document())
	if err != nil {
		return err
	}
	if row.Kind() != document.Object {
		return errs.New(errs.InvalidInput, "it is no object")
	}
	for name := range row.Fields() {
		if !seen[name] {
			name = strings.Clone(name)
			seen[name] = true
			b.how.columns = append(b.how.columns, name)
		}
	}
	return b.rows.add(row)
}
