package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

const objectText = "[object Object]"

// appendText appends a value's text in JavaScript's form: the elements of an array joined by
// commas, null and absent ones as nothing.
func appendText(dst []byte, v document.Value) []byte {
	switch kindOf(v) {
	case document.Null:
		return append(dst, "null"...)
	case document.Bool:
		if v.Bool() {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case document.Number:
		return appendNumber(dst, v.Float())
	case document.String:
		return append(dst, v.Str()...)
	case document.Array:
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if e := v.At(i); e.Kind() > document.Null {
				dst = appendText(dst, e)
			}
		}
		return dst
	case document.Object:
		return append(dst, objectText...)
	}
	return append(dst, "undefined"...)
}

// textOf returns a value's text; room is where text that is not stored as such is put.
func textOf(v document.Value, room []byte) []byte {
	if kindOf(v) == document.String {
		return bytesOf(v.Str())
	}
	return appendText(room, v)
}

// holdsObject reports whether an object lies in an array, at any depth.
func holdsObject(v document.Value) bool {
	for i := range v.Len() {
		switch e := v.At(i); e.Kind() {
		case document.Object:
			return true
		case document.Array:
			if holdsObject(e) {
				return true
			}
		}
	}
	return false
}

// appendLower appends a text in lower case, as JavaScript's toLowerCase gives it.
func appendLower(dst []byte, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = append(dst, lowerASCII[c])
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		switch r {
		case 0x130: // İ is the one letter whose lower case is two
			dst = append(dst, "i\u0307"...)
		case 'Σ':
			if finalSigma(s, i, i+size) {
				r = 'ς'
			} else {
				r = 'σ'
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		i += size
	}
	return dst
}

func lower(s string) string { return string(appendLower(nil, bytesOf(s))) }

// finalSigma reports whether the sigma at s[from:to] ends a word.
func finalSigma(s []byte, from, to int) bool {
	before := false
	for from > 0 {
		r, size := utf8.DecodeLastRune(s[:from])
		from -= size
		if !caseIgnorable(r) {
			before = cased(r)
			break
		}
	}
	if !before {
		return false
	}
	for to < len(s) {
		r, size := utf8.DecodeRune(s[to:])
		to += size
		if !caseIgnorable(r) {
			return !cased(r)
		}
	}
	return true
}

func cased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) ||
		unicode.In(r, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func caseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '^', '`', 0xA8, 0xAD, 0xAF, 0xB4, 0xB7, 0xB8, 0x2019, 0x2018, 0x2024, 0x2027:
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

var lowerASCII = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// needle is a text to look for.
type needle struct {
	text  string // in lower case when fold is set
	fold  bool
	ascii bool
	// first and firstUpper are the first byte in both cases.
	first, firstUpper byte
}

func newNeedle(s string, fold bool) needle {
	n := needle{text: s, fold: fold, ascii: true}
	if fold {
		n.text = lower(s)
	}
	for i := range len(n.text) {
		n.ascii = n.ascii && n.text[i] < utf8.RuneSelf
	}
	if n.text != "" {
		n.first, n.firstUpper = n.text[0], n.text[0]
		if fold && n.first >= 'a' && n.first <= 'z' {
			n.firstUpper -= 'a' - 'A'
		}
	}
	return n
}

// in reports whether the text holds the needle. It does not allocate for ASCII.
func (n *needle) in(text []byte) bool {
	if !n.fold {
		return strings.Contains(stringOf(text), n.text)
	}
	if n.text == "" {
		return true
	}
	if n.ascii {
		if n.inASCII(text) {
			return true
		}
		// Only K (the Kelvin sign) and İ become ASCII letters.
		if !strings.ContainsAny(n.text, "ik") || isASCII(text) {
			return false
		}
	} else if isASCII(text) {
		return false
	}
	var room [256]byte
	return strings.Contains(stringOf(appendLower(room[:0], text)), n.text)
}

func (n *needle) inASCII(text []byte) bool {
	want := n.text
	for last := len(text) - len(want); last >= 0; {
		at := indexEither(text[:last+1], n.first, n.firstUpper)
		if at < 0 {
			return false
		}
		i := 1
		for i < len(want) && lowerASCII[text[at+i]] == want[i] {
			i++
		}
		if i == len(want) {
			return true
		}
		text = text[at+1:]
		last -= at + 1
	}
	return false
}

func indexEither(text []byte, a, b byte) int {
	for i, c := range text {
		if c == a || c == b {
			return i
		}
	}
	return -1
}

func isASCII(s []byte) bool {
	for _, c := range s {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// pattern is a text with runs of any characters between its pieces.
type pattern struct {
	pieces []string // at least two; in lower case when fold is set
	fold   bool
}

// newPattern splits an operand at every % without a backslash before it. With none it
// returns false and the text to look for.
func newPattern(s string, fold bool) (p pattern, literal string, ok bool) {
	p.fold = fold
	var piece strings.Builder
	cut := func() {
		text := piece.String()
		if fold {
			text = lower(text)
		}
		p.pieces = append(p.pieces, text)
		piece.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '%':
			piece.WriteByte('%')
			i++
		case s[i] == '%':
			cut()
		default:
			piece.WriteByte(s[i])
		}
	}
	if len(p.pieces) == 0 {
		return p, piece.String(), false
	}
	cut()
	return p, "", true
}

// matches reports whether the whole text fits the pattern.
func (p *pattern) matches(text []byte) bool {
	var room [256]byte
	if p.fold {
		text = appendLower(room[:0], text)
	}
	s := stringOf(text)
	first, last := p.pieces[0], p.pieces[len(p.pieces)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, piece := range p.pieces[1 : len(p.pieces)-1] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return true
}

// utf16Len returns a text's length in UTF-16 units.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// compareUTF16 orders texts by UTF-16 units, which differs from the order of their bytes
// where one has a character beyond U+FFFF and the other one from U+E000 on.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	x, y := a[i], b[i]
	if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
		return int(y) - int(x)
	}
	return int(x) - int(y)
}
