package document

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

// writers holds writers for Parse and FromGo, which have no Encoder of their own.
var writers = sync.Pool{New: func() any { return new(writer) }}

// Parse reads one JSON text, of any type, into stored bytes of its own; an object has its
// names in it. It follows RFC 8259 strictly: digits are kept as given, of a repeated key the
// last value stands in the place of the first, and what cannot be kept exactly (bytes that are
// not UTF-8, lone surrogates) is refused. An error is an *errs.Error with code InvalidInput
// that tells the byte offset and the line and column.
func Parse(text []byte, lim Limits) (Value, error) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.lim = lim.filled()
	w.start(w.takeRoom(len(text)))
	err := w.scanText(text, false)
	raw := w.own()
	if err != nil {
		return Value{}, err
	}
	return Value{raw: raw}, nil
}

// takeRoom returns empty room to write a value of about size bytes into.
func (w *writer) takeRoom(size int) []byte {
	if size <= cap(w.room) {
		room := w.room[:0]
		w.room = nil
		return room
	}
	return make([]byte, 0, max(size+size/4, 1<<12))
}

// own returns what was written in bytes of its own, exact in size where that is cheap.
func (w *writer) own() []byte {
	const small = 1 << 16
	buf := w.finish()
	if cap(buf) > small {
		return buf
	}
	w.room = buf[:0]
	return append(make([]byte, 0, len(buf)), buf...)
}

// scanText reads a whole JSON text as one value.
func (w *writer) scanText(text []byte, asDoc bool) error {
	i, err := w.scan(text, asDoc)
	if err != nil {
		return err
	}
	if i = skipSpace(text, i); i < len(text) {
		return syntaxError(text, i, "unexpected %s after the value", describe(text, i))
	}
	return nil
}

// scan reads one JSON value into buf and returns where it ends. It keeps the open containers
// in a list, so the depth of a text costs no stack.
func (w *writer) scan(text []byte, asDoc bool) (int, error) {
	base := len(w.frames)
	i := skipSpace(text, 0)
	objectTag := byte(tagObject)
	if asDoc {
		if i >= len(text) || text[i] != '{' {
			return i, syntaxError(text, i, "a document must be a JSON object, not %s", describe(text, i))
		}
		objectTag = tagDoc
	}

value: // text[i] begins a value
	if i >= len(text) {
		return i, syntaxError(text, i, "a value is missing at the end of the text")
	}
	switch c := text[i]; c {
	case '"':
		end, escaped, err := scanString(text, i+1)
		if err != nil {
			return i, err
		}
		w.buf = append(w.buf, tagString)
		if !escaped {
			w.buf = append(w.buf, text[i+1:end]...)
		} else if w.buf, err = appendUnescaped(w.buf, text, i+1, end); err != nil {
			return i, err
		}
		i = end + 1
	case '{':
		if f := w.open(objectTag); f != noFault {
			return i, w.faultAt(f, text, i)
		}
		objectTag = tagObject
		if i = skipSpace(text, i+1); i < len(text) && text[i] == '}' {
			goto closing
		}
		goto name
	case '[':
		if f := w.open(tagArray); f != noFault {
			return i, w.faultAt(f, text, i)
		}
		if i = skipSpace(text, i+1); i < len(text) && text[i] == ']' {
			goto closing
		}
		goto value
	case 't':
		if i+4 > len(text) || string(text[i:i+4]) != "true" {
			return i, wrongWord(text, i, "true")
		}
		w.buf = append(w.buf, tagTrue)
		i += 4
	case 'f':
		if i+5 > len(text) || string(text[i:i+5]) != "false" {
			return i, wrongWord(text, i, "false")
		}
		w.buf = append(w.buf, tagFalse)
		i += 5
	case 'n':
		if i+4 > len(text) || string(text[i:i+4]) != "null" {
			return i, wrongWord(text, i, "null")
		}
		w.buf = append(w.buf, tagNull)
		i += 4
	default:
		if c != '-' && c-'0' > 9 {
			return i, syntaxError(text, i, "expected a value, not %s", describe(text, i))
		}
		d, ok := scanNumber(text, i)
		if !ok {
			return i, syntaxError(text, d.end, "unexpected %s in a number", describe(text, d.end))
		}
		if d.end-i > w.lim.NumberBytes {
			return i, syntaxError(text, i, "a number of %d bytes is longer than the limit of %d", d.end-i, w.lim.NumberBytes)
		}
		w.buf = appendNumberText(w.buf, text[i:d.end], &d)
		i = d.end
	}

after: // a value has been read
	if len(w.frames) == base {
		return i, nil
	}
	if f := w.endItem(); f != noFault {
		return i, w.faultAt(f, text, i)
	}
	i = skipSpace(text, i)
	if w.top().tag == tagArray {
		if i < len(text) && text[i] == ',' {
			i = skipSpace(text, i+1)
			goto value
		}
		if i < len(text) && text[i] == ']' {
			goto closing
		}
		return i, syntaxError(text, i, "expected a comma or ] after an array item, not %s", describe(text, i))
	}
	if i < len(text) && text[i] == ',' {
		i = skipSpace(text, i+1)
		goto name
	}
	if i < len(text) && text[i] == '}' {
		goto closing
	}
	return i, syntaxError(text, i, "expected a comma or } after a field, not %s", describe(text, i))

name: // text[i] begins a key
	if i >= len(text) || text[i] != '"' {
		return i, syntaxError(text, i, "expected a key in quotes, not %s", describe(text, i))
	}
	{
		end, escaped, err := scanString(text, i+1)
		if err != nil {
			return i, err
		}
		key := text[i+1 : end]
		if escaped {
			if w.scratch, err = appendUnescaped(w.scratch[:0], text, i+1, end); err != nil {
				return i, err
			}
			key = w.scratch
		}
		if f := w.key(nameOf(key)); f != noFault {
			return i, w.faultAt(f, text, i)
		}
		i = skipSpace(text, end+1)
	}
	if i >= len(text) || text[i] != ':' {
		return i, syntaxError(text, i, "expected a colon after a key, not %s", describe(text, i))
	}
	i = skipSpace(text, i+1)
	goto value

closing: // text[i] closes the innermost container
	if f := w.close(); f != noFault {
		return i, w.faultAt(f, text, i)
	}
	i++
	goto after
}

// nameOf is text, for where that name stands for a JSON text.
func nameOf(b []byte) string { return text(b) }

func skipSpace(text []byte, i int) int {
	for i < len(text) && text[i] <= ' ' {
		if c := text[i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			break
		}
		i++
	}
	return i
}

// scanString finds the quote that ends the string whose content begins at text[at]. It checks
// that the content is UTF-8 without control characters, but not the escapes.
func scanString(text []byte, at int) (end int, escaped bool, err error) {
	const ones, highs = 0x0101_0101_0101_0101, 0x8080_8080_8080_8080
	i := at
	var wide uint64
	for {
		for i+8 <= len(text) {
			x := binary.LittleEndian.Uint64(text[i:])
			quote := x ^ '"'*ones
			slash := x ^ '\\'*ones
			// The lowest byte found is exact: a quote, a backslash or a control character.
			hit := ((quote-ones) & ^quote | (slash-ones) & ^slash | (x-' '*ones) & ^x) & highs
			if hit != 0 {
				before := bits.TrailingZeros64(hit) &^ 7
				wide |= x & (1<<before - 1)
				i += before / 8
				break
			}
			wide |= x
			i += 8
		}
		for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
			wide |= uint64(text[i])
			i++
		}
		switch {
		case i >= len(text):
			return i, escaped, syntaxError(text, at-1, "a string has no closing quote")
		case text[i] == '\\':
			escaped = true
			if i+1 >= len(text) {
				return i, escaped, syntaxError(text, at-1, "a string has no closing quote")
			}
			if i += 2; text[i-1] >= utf8.RuneSelf || text[i-1] < ' ' {
				return i, escaped, syntaxError(text, i-2, "a backslash begins no known escape")
			}
			continue
		case text[i] != '"':
			return i, escaped, syntaxError(text, i, "a string holds %s, which must be escaped", describe(text, i))
		}
		if wide&highs != 0 && !utf8.Valid(text[at:i]) {
			bad := at + invalidAt(text[at:i])
			return i, escaped, syntaxError(text, bad, "a string holds byte 0x%02X, which is not UTF-8", text[bad])
		}
		return i, escaped, nil
	}
}

// invalidAt returns where a text that is not UTF-8 goes wrong, or -1.
func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// appendUnescaped appends the content text[at:end] of a string with its escapes resolved.
func appendUnescaped(dst, text []byte, at, end int) ([]byte, error) {
	for i := at; i < end; {
		if text[i] != '\\' {
			j := i + 1
			for j < end && text[j] != '\\' {
				j++
			}
			dst = append(dst, text[i:j]...)
			i = j
			continue
		}
		c := text[i+1] // scanString has seen that there is one
		switch c {
		case '"', '\\', '/':
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, n, problem := unescapeRune(text[i:end])
			if problem != "" {
				return dst, syntaxError(text, i, "%s", problem)
			}
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		default:
			return dst, syntaxError(text, i, "a backslash begins no known escape")
		}
		dst = append(dst, c)
		i += 2
	}
	return dst, nil
}

// unescapeRune reads the escape \uXXXX, or a pair of surrogates, at the start of s.
func unescapeRune(s []byte) (r rune, size int, problem string) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0, `\u needs four hexadecimal digits`
	}
	if r < 0xD800 || r > 0xDFFF {
		return r, 6, ""
	}
	if r < 0xDC00 && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if low, ok := hex4(s[6:]); ok && low >= 0xDC00 && low <= 0xDFFF {
			return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 12, ""
		}
	}
	return 0, 0, fmt.Sprintf(`\u%04X is half of a surrogate pair and stands alone`, r)
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 6 {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// syntaxError returns the error for a JSON text that goes wrong at a byte.
func syntaxError(text []byte, at int, format string, args ...any) error {
	line, column := 1, 1
	for i := 0; i < at && i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			line++
			column = 1
		case c&0xC0 != 0x80: // count characters: bytes that do not continue one
			column++
		}
	}
	return errs.New(errs.InvalidInput, "invalid JSON: %s, at byte %d (line %d:%d)",
		fmt.Sprintf(format, args...), at, line, column)
}

func wrongWord(text []byte, at int, word string) error {
	i := 0
	for i < len(word) && at+i < len(text) && text[at+i] == word[i] {
		i++
	}
	return syntaxError(text, at+i, "unexpected %s in %s", describe(text, at+i), word)
}

// describe names what stands at a byte of a text.
func describe(text []byte, at int) string {
	if at >= len(text) {
		return "the end of the text"
	}
	c := text[at]
	switch {
	case c == '"':
		return "a string"
	case c > ' ' && c < 0x7F:
		return fmt.Sprintf("%q", rune(c))
	case c < utf8.RuneSelf:
		return fmt.Sprintf("the character U+%04X", c)
	}
	r, n := utf8.DecodeRune(text[at:])
	if r == 0xFEFF {
		return "a byte order mark"
	}
	if r == utf8.RuneError && n <= 1 {
		return fmt.Sprintf("byte 0x%02X, which is not UTF-8", c)
	}
	return fmt.Sprintf("the character U+%04X", r)
}

// faultAt returns the error for a limit that the text passes at a byte.
func (w *writer) faultAt(f fault, text []byte, at int) error {
	return syntaxError(text, at, "%s", w.explain(f))
}

// explain puts a fault into words.
func (w *writer) explain(f fault) string {
	switch f {
	case tooDeep:
		return fmt.Sprintf("depth %d of nested arrays and objects is over the limit of %d", len(w.frames)+1, w.lim.Depth)
	case tooManyKeys:
		return fmt.Sprintf("an object has more than %d keys", w.lim.Keys)
	case keyTooLong:
		return fmt.Sprintf("a key is longer than %d bytes", w.lim.KeyBytes)
	default:
		return fmt.Sprintf("an array or object needs more than %d bytes", w.most)
	}
}
