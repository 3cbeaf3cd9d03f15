package rest

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"unicode/utf8"

	"github.com/siftdb/siftdb"
)

// maxParts bounds the parts of one multipart body.
const maxParts = 10_000

// form is a multipart body as a form, whose parts are read as they come in.
func (c *call) form(b *body) (siftdb.Form, error) {
	form := siftdb.Form{Parts: c.parts(b)}
	var err error
	if form.FolderID, err = c.query.id("folderId"); err == nil && form.FolderID == nil {
		form.FolderID, err = c.query.id("mediaFolderId")
	}
	return form, err
}

// parts yields the parts of a multipart body (spec 12.6). The texts together have the limit of
// other bodies, since they are held in memory; files are not.
func (c *call) parts(b *body) iter.Seq2[siftdb.Part, error] {
	return func(yield func(siftdb.Part, error) bool) {
		if b.boundary == "" {
			yield(siftdb.Part{}, invalid("A multipart body needs a boundary in its Content-Type."))
			return
		}
		end := &finder{Reader: b, text: []byte("--" + b.boundary + "--")}
		reader := multipart.NewReader(end, b.boundary)
		left := c.h.options.BodyLimit
		for n := 0; ; n++ {
			part, err := reader.NextPart()
			switch {
			case err == io.EOF && end.found:
				return
			case err != nil:
				err = partError(err)
			case n == maxParts:
				err = invalid("A multipart body has more than " + itoa(maxParts) + " parts.")
			}
			var p siftdb.Part
			if err == nil {
				p, err = c.part(part, &left)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// part reads the head of a part, and the whole of one without a file.
func (c *call) part(part *multipart.Part, left *int64) (siftdb.Part, error) {
	p := siftdb.Part{Name: part.FormName()}
	*left -= int64(len(p.Name) + len(part.FileName()))
	switch {
	case *left < 0:
		return p, &http.MaxBytesError{Limit: c.h.options.BodyLimit}
	case p.Name == "":
		return p, invalid("A part of the multipart body has no name.")
	case !utf8.ValidString(p.Name):
		return p, invalid("A part of the multipart body is not UTF-8.")
	case isFile(part):
		p.FileName, p.ContentType, p.Content = part.FileName(), part.Header.Get("Content-Type"), partContent{part}
		return p, nil
	}
	text, err := io.ReadAll(io.LimitReader(part, *left+1))
	if err != nil {
		return p, partError(err)
	}
	if *left -= int64(len(text)); *left < 0 {
		return p, &http.MaxBytesError{Limit: c.h.options.BodyLimit}
	}
	if !utf8.Valid(text) {
		return p, invalid("A part of the multipart body is not UTF-8.")
	}
	p.Text = string(text)
	return p, nil
}

// partContent is the bytes of a file, whose errors say what they mean to the client.
type partContent struct{ part *multipart.Part }

func (p partContent) Read(b []byte) (int, error) {
	n, err := p.part.Read(b)
	if err != nil && err != io.EOF {
		err = partError(err)
	}
	return n, err
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

// isFile reports whether a part has a file name, even an empty one.
func isFile(part *multipart.Part) bool {
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	_, ok := params["filename"]
	return ok
}

// partError tells a malformed body from one that cannot be read.
func partError(err error) error {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return readError(err)
	}
	return invalid("The multipart body is malformed.")
}
