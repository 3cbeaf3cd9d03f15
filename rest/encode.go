package rest

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/siftdb/siftdb"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// answer is the response, of which it remembers what has been sent.
type answer struct {
	http.ResponseWriter
	status  int // 0 before the header is sent
	written int64
}

// Unwrap lets http.ResponseController find the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader sends the header.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.written += int64(n)
	return n, err
}

// begin sends the header of a JSON body; length is -1 when it is not known yet.
func (a *answer) begin(status int, length int64) {
	a.Header().Set("Content-Type", "application/json; charset=utf-8")
	if length >= 0 {
		a.Header().Set("Content-Length", itoa(length))
	}
	a.WriteHeader(status)
}

// patienceFor sets until when the client must have accepted more of the answer. Connections that know
// no deadlines, as those of some tests, have none.
func (c *call) patienceFor(part time.Duration) {
	var until time.Time
	if part > 0 {
		until = time.Now().Add(part)
	}
	_ = http.NewResponseController(c.w).SetWriteDeadline(until)
}

// drain bounds the time in which net/http reads what is left of a body before it sends the answer.
func (c *call) drain() {
	if t := c.h.options.ReadTimeout; t > 0 && !c.bodyRead && c.r.ContentLength != 0 {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(min(t, drainTimeout)))
	}
}

const drainTimeout = 2 * time.Second

// streamBuffer is how much of an answer is gathered before it is sent. Up to then an error still
// gets a status of its own.
const streamBuffer = 64 << 10

// stream writes a body whose length is not known beforehand.
type stream struct {
	c      *call
	status int
	buf    []byte
	begun  bool
}

func (c *call) stream(status int) *stream { return &stream{c: c, status: status} }

// text appends JSON text as it is.
func (s *stream) text(t string) { s.buf = append(s.buf, t...) }

// value appends a value as encoding/json writes it, without escaping for HTML.
func (s *stream) value(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	s.buf = append(s.buf, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
	return s.flush(streamBuffer)
}

// texter is what writes itself as JSON: entries straight from their stored form, and documents.
type texter interface{ AppendJSON(dst []byte) []byte }

// item appends one member of a list.
func (s *stream) item(v texter) error {
	s.buf = v.AppendJSON(s.buf)
	return s.flush(streamBuffer)
}

// flush sends what was gathered when it is at least as much.
func (s *stream) flush(least int) error {
	if len(s.buf) < least {
		return nil
	}
	if !s.begun {
		s.begun = true
		s.c.w.begin(s.status, -1)
	}
	s.c.patienceFor(s.c.h.options.WriteTimeout)
	_, err := s.c.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// close sends the rest.
func (s *stream) close() error {
	if !s.begun {
		s.begun = true
		s.c.w.begin(s.status, int64(len(s.buf)))
	}
	return s.flush(0)
}

// items appends a list as it comes.
func items[T texter](s *stream, list iter.Seq2[T, error]) error {
	s.text("[")
	first := true
	for v, err := range list {
		if err != nil {
			return err
		}
		if !first {
			s.text(",")
		}
		first = false
		if err := s.item(v); err != nil {
			return err
		}
	}
	s.text("]")
	return nil
}

// json answers with one value.
func (c *call) json(status int, v any) error {
	s := c.stream(status)
	if err := s.value(v); err != nil {
		return err
	}
	return s.close()
}

// entry answers with one entry, unwrapped.
func (c *call) entry(status int, e *siftdb.Entry) error {
	s := c.stream(status)
	s.buf = e.AppendJSON(s.buf)
	return s.close()
}

// stream answers with {"entries": [...]}.
func (c *call) entries(list iter.Seq2[*siftdb.Entry, error]) error {
	s := c.stream(http.StatusOK)
	s.text(`{"entries":`)
	if err := items(s, list); err != nil {
		return err
	}
	s.text("}")
	return s.close()
}

// nothing answers with 200 and no body at all.
func (c *call) nothing() error {
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// clip shortens a text of the client's for a message or the log.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
