package rest

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/siftdb/siftdb"
)

// getContents is GET v1/media/files/<id>/contents[/<name>]: the bytes, all or the ranges that are
// asked for. Whatever a client has uploaded, no browser runs it as a page of this server.
func getContents(c *call) error {
	id, err := c.mediaID("file")
	if err != nil {
		return err
	}
	file, info, err := c.db.Files().Open(c.r.Context(), id)
	if err != nil {
		return err
	}
	defer file.Close()
	header := c.w.Header()
	header.Set("Content-Type", info.ContentType)
	header.Set("Content-Disposition", disposition(info))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("ETag", `"`+info.Checksum+`"`)
	out := &contents{answer: c.w, c: c}
	in := &watched{Reader: file}
	if seeker, ok := file.(io.Seeker); ok {
		http.ServeContent(out, c.r, "", info.UpdatedAt, struct {
			io.Reader
			io.Seeker
		}{in, seeker})
	} else {
		err = out.whole(in, info.Bytes)
	}
	switch {
	case in.err != nil:
		return in.err // the answer has begun, and is cut off
	case out.refused == http.StatusRequestedRangeNotSatisfiable:
		return refusedContents(header, out.refused, "range not satisfiable", "The file does not have the range that was asked for.")
	case out.refused != 0:
		return refusedContents(header, out.refused, "precondition failed", "The file is not as the request wants it to be.")
	}
	return err
}

// refusedContents is a problem in place of a file.
func refusedContents(header http.Header, status int, kind, message string) error {
	for _, name := range []string{"Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"} {
		header.Del(name)
	}
	return &problem{status: status, kind: kind, message: message}
}

// inline are types that browsers show without running anything. All others are saved.
var inline = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "audio/", "video/", "text/plain", "application/pdf"}

// disposition says whether a browser shows a file, and by which name it saves it. The name is quoted
// or encoded whatever it holds.
func disposition(info siftdb.FileInfo) string {
	kind := "attachment"
	media, _, _ := mime.ParseMediaType(info.ContentType)
	for _, t := range inline {
		if media == t || strings.HasSuffix(t, "/") && strings.HasPrefix(media, t) {
			kind = "inline"
		}
	}
	if full := mime.FormatMediaType(kind, map[string]string{"filename": info.Name}); full != "" {
		return full
	}
	return kind
}

// contents is the answer that a file goes to: it gives the client time for each piece, and holds
// back the text of errors, which are answered as all others are.
type contents struct {
	*answer
	c       *call
	refused int
}

// WriteHeader sends the header, unless it is that of an error.
func (w *contents) WriteHeader(status int) {
	if status >= 400 {
		w.refused = status
		return
	}
	w.answer.WriteHeader(status)
}

// Write sends a piece.
func (w *contents) Write(b []byte) (int, error) {
	if w.refused != 0 {
		return len(b), nil
	}
	w.c.patienceFor(w.c.h.options.WriteTimeout)
	return w.answer.Write(b)
}

// whole sends a file that cannot be read from the middle.
func (w *contents) whole(file io.Reader, size int64) error {
	w.Header().Set("Content-Length", itoa(size))
	w.WriteHeader(http.StatusOK)
	if w.c.r.Method == http.MethodHead {
		return nil
	}
	_, err := io.Copy(struct{ io.Writer }{w}, file)
	return err
}

// watched remembers why a file could not be read.
type watched struct {
	io.Reader
	err error
}

func (f *watched) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
