package column

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// folding looks for a text of ASCII, whatever the case of its letters, in one part of a blob
// after the other. It looks for the rarest byte of the text, in both cases, and compares where
// that is. Where it is too often, it brings the part to lower case and looks for the text.
type folding struct {
	needle []byte // in lower case
	rare   int    // the place of its rarest byte
	cases  [2]byte

	part    []byte
	next    [2]int // where the rarest byte comes next, by case; len(part) if it does not
	tries   int    // that are left in this part
	often   int    // parts that are lowered at once, since the byte was too often in one before
	lowered bool   // part is in room, in lower case
	room    []byte // for a part
}

// folded is how long a part is, at least: what stays in a near cache.
const folded = 16 << 10

// frequent is what texts are made of, the most frequent first.
const frequent = " etaoinsrhldcumfpgwybvk0123456789,.-xjqz"

func newFolding(text string) *folding {
	f := &folding{needle: []byte(text), room: make([]byte, max(folded, 2*len(text))+len(text))}
	best := -1
	for i, c := range f.needle {
		rank := strings.IndexByte(frequent, c)
		if rank < 0 {
			rank = len(frequent)
		}
		if rank > best {
			best, f.rare, f.cases = rank, i, [2]byte{c, c}
			if c-'a' < 26 {
				f.cases[1] = c - 'a' + 'A'
			}
		}
	}
	return f
}

// begin begins with another part, which is no longer than room.
func (f *folding) begin(part []byte) {
	f.part, f.lowered, f.tries = part, false, len(part)/64
	if f.often > 0 {
		f.often--
		f.lower()
	}
	f.next = [2]int{-1, -1}
	if f.cases[0] == f.cases[1] {
		f.next[1] = len(part)
	}
}

// index returns the first place of the text from a place in the part on, -1 if there is none.
// From one call to the next that place does not descend.
func (f *folding) index(from int) int {
	for ; !f.lowered; f.tries-- {
		if f.tries < 0 {
			f.often = 15
			f.lower()
			break
		}
		at := f.candidate(from+f.rare) - f.rare
		if at+len(f.needle) > len(f.part) {
			return -1
		}
		if f.equal(f.part[at:]) {
			return at
		}
		from = at + 1
	}
	if at := bytes.Index(f.room[from:len(f.part)], f.needle); at >= 0 {
		return from + at
	}
	return -1
}

func (f *folding) lower() {
	f.lowered = true
	lowerASCII(f.room, f.part)
}

// candidate returns where the rarest byte is from a place on; the length of the part if nowhere.
func (f *folding) candidate(from int) int {
	for i, c := range f.cases {
		if f.next[i] >= from {
			continue
		}
		if f.next[i] = len(f.part); from < len(f.part) {
			if at := bytes.IndexByte(f.part[from:], c); at >= 0 {
				f.next[i] = from + at
			}
		}
	}
	return min(f.next[0], f.next[1])
}

// equal reports whether the text stands at the beginning of a part that is not shorter.
func (f *folding) equal(part []byte) bool {
	for i, want := range f.needle {
		c := part[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		if c != want {
			return false
		}
	}
	return true
}

// lowerASCII writes src to dst, which is as long, with ASCII letters in lower case. It takes
// eight bytes at a time: of each, bit 7 of upper says that it is one of A to Z.
func lowerASCII(dst, src []byte) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(src) && i+8 <= len(dst); i += 8 {
		x := binary.LittleEndian.Uint64(src[i:])
		low := x &^ high
		upper := (low + (0x80-'A')*ones) &^ (low + (0x7f-'Z')*ones) &^ x & high
		binary.LittleEndian.PutUint64(dst[i:], x|upper>>2)
	}
	for ; i < len(src); i++ {
		c := src[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		dst[i] = c
	}
}
