package document

import (
	"bytes"
	"io"

	"github.com/siftdb/siftdb/internal/errs"
)

// Stream takes a JSON text apart as it comes in: it hands out the values in it, one at a time,
// without reading them. It finds where a value ends and no more; whoever parses what it hands out
// learns whether it is one. Its memory is that of the longest value.
type Stream struct {
	r       io.Reader
	buf     []byte
	at, end int   // what has come in and was not taken is buf[at:end]
	base    int64 // where buf begins in the text
	line    int   // of buf[at], from 1
	err     error // that ended the reading
	open    []byte
}

// NewStream returns a Stream over a text.
func NewStream(r io.Reader) *Stream {
	return &Stream{r: r, buf: make([]byte, 64<<10), line: 1}
}

// Offset returns how many bytes of the text have been taken.
func (s *Stream) Offset() int64 { return s.base + int64(s.at) }

// Line returns the line that comes next, counted from 1.
func (s *Stream) Line() int { return s.line }

// fill reads more, and reports false when there is no more.
func (s *Stream) fill() bool {
	if s.err != nil {
		return false
	}
	if s.end == len(s.buf) {
		room := s.buf
		if s.at < len(s.buf)/2 {
			room = make([]byte, 2*len(s.buf))
		}
		copy(room, s.buf[s.at:s.end])
		s.base += int64(s.at)
		s.buf, s.at, s.end = room, 0, s.end-s.at
	}
	for range 100 {
		var n int
		n, s.err = s.r.Read(s.buf[s.end:])
		if s.end += n; n > 0 {
			return true
		}
		if s.err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// Peek passes over blanks and returns the byte that comes next, which stays there. At the end
// of the text the error is io.EOF; others are those of the reader.
func (s *Stream) Peek() (byte, error) {
	for {
		for s.at < s.end {
			switch c := s.buf[s.at]; c {
			case '\n':
				s.line++
			case ' ', '\t', '\r':
			default:
				return c, nil
			}
			s.at++
		}
		if !s.fill() {
			return 0, s.err
		}
	}
}

// Take passes over blanks and takes the byte that comes next, if it is one of those wanted.
// Anything else is an error that says what was expected; a text that ends here is
// io.ErrUnexpectedEOF.
func (s *Stream) Take(wanted, expected string) (byte, error) {
	c, err := s.Peek()
	switch {
	case err == io.EOF:
		return 0, io.ErrUnexpectedEOF
	case err != nil:
		return 0, err
	case bytes.IndexByte([]byte(wanted), c) < 0:
		return 0, s.unexpected(expected)
	}
	s.at++
	return c, nil
}

// Items takes an array apart: item is called where each member begins, and takes it.
func (s *Stream) Items(item func() error) error {
	if _, err := s.Take("[", "an array"); err != nil {
		return err
	}
	if c, err := s.Peek(); err == nil && c == ']' {
		s.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if c, err := s.Take(",]", "a comma or ] after an array item"); c == ']' || err != nil {
			return err
		}
	}
}

// Fields takes an object apart: field is called with each key where its value begins, and
// takes the value. A key may come more than once.
func (s *Stream) Fields(field func(name string) error) error {
	if _, err := s.Take("{", "an object"); err != nil {
		return err
	}
	if c, err := s.Peek(); err == nil && c == '}' {
		s.at++
		return nil
	}
	for {
		if c, err := s.Peek(); err == nil && c != '"' {
			return s.unexpected("a key in quotes")
		}
		text, err := s.Value()
		if err != nil {
			return err
		}
		name, err := Parse(text, unlimited)
		if err != nil {
			return err
		}
		if _, err := s.Take(":", "a colon after a key"); err != nil {
			return err
		}
		if err := field(name.Str()); err != nil {
			return err
		}
		if c, err := s.Take(",}", "a comma or } after a field"); c == '}' || err != nil {
			return err
		}
	}
}

// End passes over blanks and makes sure that nothing else follows.
func (s *Stream) End() error {
	_, err := s.Peek()
	switch err {
	case io.EOF:
		return nil
	case nil:
		return s.unexpected("nothing after the value")
	}
	return err
}

func (s *Stream) unexpected(expected string) error {
	return errs.New(errs.InvalidInput, "invalid JSON: expected %s, not %s, at byte %d (line %d)", expected, describe(s.buf[:s.end], s.at), s.Offset(), s.line)
}

// Value takes the value that comes next. What it returns is text up to where the value ends, or
// goes wrong in a way that no parser lets pass; it is valid until the next call. A text that
// ends inside of a value, or where one is due, is io.ErrUnexpectedEOF.
func (s *Stream) Value() ([]byte, error) {
	c, err := s.Peek()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	var n int
	switch c {
	case '{', '[':
		n, err = s.container()
	case '"':
		n, err = s.text(0)
	case ',', ':', ']', '}':
		return nil, s.unexpected("a value")
	default:
		n, err = s.word()
	}
	if err != nil {
		return nil, err
	}
	v := s.buf[s.at : s.at+n]
	s.at += n
	s.line += bytes.Count(v, []byte{'\n'})
	return v, nil
}

// more reads more of a value that may not end yet.
func (s *Stream) more() error {
	if s.fill() {
		return nil
	}
	if s.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// container returns the length of the array or object that begins at s.at.
func (s *Stream) container() (n int, err error) {
	s.open = s.open[:0]
	for {
		for s.at+n < s.end {
			switch c := s.buf[s.at+n]; c {
			case '"':
				if n, err = s.text(n); err != nil {
					return n, err
				}
				continue
			case '{', '[':
				if s.open = append(s.open, c+2); len(s.open) > deepest { // which closes it
					return n + 1, nil
				}
			case '}', ']':
				last := len(s.open) - 1
				if s.open[last] != c {
					return n + 1, nil
				}
				if s.open = s.open[:last]; last == 0 {
					return n + 1, nil
				}
			}
			n++
		}
		if err := s.more(); err != nil {
			return n, err
		}
	}
}

// text returns where the string ends that begins n bytes after s.at.
func (s *Stream) text(n int) (int, error) {
	n++
	for {
		rest := s.buf[s.at+n : s.end]
		quote := bytes.IndexByte(rest, '"')
		if quote >= 0 {
			rest = rest[:quote]
		}
		slash := bytes.IndexByte(rest, '\\')
		switch {
		case slash >= 0 && slash+1 < s.end-s.at-n:
			n += slash + 2
			continue
		case slash >= 0: // the escaped byte is still to come
			n += slash
		case quote >= 0:
			return n + quote + 1, nil
		default:
			n += len(rest)
		}
		if err := s.more(); err != nil {
			return n, err
		}
	}
}

// word returns the length of the number or name that begins at s.at, whatever it is.
func (s *Stream) word() (n int, err error) {
	for {
		for ; s.at+n < s.end; n++ {
			switch s.buf[s.at+n] {
			case ',', ':', ']', '}', '[', '{', '"', ' ', '\t', '\r', '\n':
				return n, nil
			}
		}
		if !s.fill() {
			if s.err == io.EOF {
				return n, nil
			}
			return n, s.err
		}
	}
}
