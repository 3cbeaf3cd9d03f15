package document

import (
	"sync"
	"unicode"
)

// foldASCII maps A to Z to lower case.
var foldASCII = func() (t [128]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// Fold returns the simple case folding of a code point: code points that differ only in case
// have the same one. It is the lower-case letter, except in Cherokee, where Unicode folds to
// upper case. It allocates nothing.
func Fold(r rune) rune {
	if uint32(r) < uint32(len(foldASCII)) {
		return rune(foldASCII[r])
	}
	if r < foldTableSize {
		return rune(foldTable()[r])
	}
	return foldSlow(r)
}

const foldTableSize = 0x600 // up to here lie Latin, Greek, Cyrillic and Armenian letters

// foldTable is made when a letter beyond ASCII is first compared, not when a program starts.
var foldTable = sync.OnceValue(func() *[foldTableSize]uint16 {
	t := new([foldTableSize]uint16)
	for r := range t {
		t[r] = uint16(foldSlow(rune(r)))
	}
	return t
})

func foldSlow(r rune) rune {
	next := unicode.SimpleFold(r)
	if next == r {
		return r
	}
	if 0x13A0 <= r && r <= 0x13FD || 0xAB70 <= r && r <= 0xABBF {
		return unicode.ToUpper(r)
	}
	folded := unicode.ToLower(unicode.ToUpper(r))
	for o := next; o != r; o = unicode.SimpleFold(o) {
		if o == folded {
			return folded
		}
	}
	if folded == r {
		return r
	}
	// The letter's case mappings lead out of its class: the class is named by its least member.
	for o := next; o != r; o = unicode.SimpleFold(o) {
		next = min(next, o)
	}
	return min(next, r)
}
