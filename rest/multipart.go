package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxParts bounds the parts of one multipart body.
const maxParts = 10_000

// column is what the parts of one name give.
type column struct {
	texts []string
	list  bool
}

// readParts reads a multipart body of columns as the JSON text of a flat object (spec 12.6): a part
// without a file name is a column with its text, and a name that occurs more than once, or ends in
// [], an array of them. An empty file part is dropped. A file is refused: there is no place for it
// yet, which is here.
func readParts(b *body) ([]byte, error) {
	if b.boundary == "" {
		return nil, invalid("A multipart body needs a boundary in its Content-Type.")
	}
	var names []string
	columns := make(map[string]*column)
	end := &finder{Reader: b, text: []byte("--" + b.boundary + "--")}
	reader := multipart.NewReader(end, b.boundary)
	for n := 0; ; n++ {
		part, err := reader.NextPart()
		if err == io.EOF && end.found {
			break
		}
		if err != nil {
			return nil, partError(err)
		}
		if n == maxParts {
			return nil, invalid("A multipart body has more than " + itoa(maxParts) + " parts.")
		}
		if isFile(part) {
			if err := noFile(part); err != nil {
				return nil, err
			}
			continue
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, partError(err)
		}
		name, list := columnName(part.FormName())
		switch {
		case name == "":
			return nil, invalid("A part of the multipart body has no name.")
		case !utf8.ValidString(name) || !utf8.Valid(text):
			return nil, invalid("A part of the multipart body is not UTF-8.")
		case name == "_flSchema": // says where files go, and is not stored
			continue
		}
		c := columns[name]
		if c == nil {
			c = new(column)
			columns[name] = c
			names = append(names, name)
		}
		c.texts, c.list = append(c.texts, string(text)), c.list || list
	}
	return appendColumns(names, columns), nil
}

// finder looks for a text in what is read through it: mime/multipart takes a body that was cut off
// after a boundary for a whole one.
type finder struct {
	io.Reader
	text  []byte
	last  []byte // the end of what was read before
	found bool
}

func (f *finder) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if !f.found {
		f.last = append(f.last, p[:n]...)
		f.found = bytes.Contains(f.last, f.text)
		if keep := len(f.text) - 1; len(f.last) > keep {
			f.last = append(f.last[:0], f.last[len(f.last)-keep:]...)
		}
	}
	return n, err
}

// appendColumns writes columns as an object.
func appendColumns(names []string, columns map[string]*column) []byte {
	text := []byte("{")
	for i, name := range names {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendString(text, name), ':')
		c := columns[name]
		if len(c.texts) == 1 && !c.list {
			text = appendString(text, c.texts[0])
			continue
		}
		text = append(text, '[')
		for j, t := range c.texts {
			if j > 0 {
				text = append(text, ',')
			}
			text = appendString(text, t)
		}
		text = append(text, ']')
	}
	return append(text, '}')
}

// columnName is the column that a part's name means, and whether it asks for an array: `tags[]` is
// tags, and so is `tags[0]`.
func columnName(name string) (string, bool) {
	if base, ok := strings.CutSuffix(name, "[]"); ok {
		return base, true
	}
	if open := strings.LastIndexByte(name, '['); open > 0 && strings.HasSuffix(name, "]") && digits(name[open+1:len(name)-1]) {
		return name[:open], false
	}
	return name, false
}

// isFile reports whether a part has a file name, even an empty one.
func isFile(part *multipart.Part) bool {
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	_, ok := params["filename"]
	return ok
}

// noFile drops an empty file part, and refuses one that has a name or a byte.
func noFile(part *multipart.Part) error {
	if part.FileName() == "" {
		n, err := part.Read(make([]byte, 1))
		if n == 0 && err == io.EOF {
			return nil
		}
		if n == 0 && err != nil {
			return partError(err)
		}
	}
	return &problem{status: http.StatusUnsupportedMediaType, kind: "unsupported media type", message: "This server stores no files."}
}

// partError tells a malformed body from one that cannot be read.
func partError(err error) error {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return readError(err)
	}
	return invalid("The multipart body is malformed.")
}
