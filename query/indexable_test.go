package query

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// TestFoldedAgrees holds AppendFolded against every way in which the matcher ignores case: the
// lower case of $iLike and $filters, and the classes of regular expressions.
func TestFoldedAgrees(t *testing.T) {
	fold := func(s string) string { return string(AppendFolded(nil, []byte(s))) }
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		if got, want := fold(lower(s)), fold(s); got != want {
			t.Fatalf("%U: its lower case folds to %q, itself to %q", r, got, want)
		}
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			if fold(string(o)) != fold(s) {
				t.Fatalf("%U and %U are the same letter, but fold to %q and %q", r, o, fold(s), fold(string(o)))
			}
		}
		if r != 0x130 && fold(s) != string(document.Fold(r)) {
			t.Fatalf("%U folds to %q", r, fold(s))
		}
	}
}
