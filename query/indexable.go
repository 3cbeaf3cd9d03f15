package query

import (
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// LooseNumber is the number that loose equality sees in a text.
func LooseNumber(s string) (f float64, ok bool) { return toNumber(s) }

// OrderedNumber is the number that $gt and the like see in a text: the time of a date, or the
// number that it begins with.
func OrderedNumber(s string) (f float64, ok bool) { return comparableText(s) }

// AppendText appends the text of a value, as $like sees it.
func AppendText(dst []byte, v document.Value) []byte { return appendText(dst, v) }

// AppendFolded appends a text without regard to case: whatever $iLike, $filters or a regular
// expression with the flag i takes for the same letter becomes the same one. Code points fold
// one by one, so what a text holds is found folded in the folded text.
func AppendFolded(dst []byte, s []byte) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if r == 0x130 { // İ is the one letter whose lower case is two
			dst = append(dst, "i\u0307"...)
		} else {
			dst = utf8.AppendRune(dst, document.Fold(r))
		}
		i += n
	}
	return dst
}
