package column

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// notASCII is the highest bit of eight bytes each.
const notASCII = 0x8080808080808080

// plain reports whether a stored value is a string of ASCII.
func plain(raw []byte) bool {
	if kind, _, _ := document.PeekValue(raw); kind != document.String {
		return false
	}
	for ; len(raw) >= 8; raw = raw[8:] {
		if binary.LittleEndian.Uint64(raw)&notASCII != 0 {
			return false
		}
	}
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// searched is how many bytes are searched between two looks at the context.
const searched = 1 << 20

// holding returns the codes whose values may hold a text: of ASCII strings those that do, in any
// case if fold is true, and all others. The text is in lower case then.
func (d Dict) holding(ctx context.Context, text string, fold bool) (codes Bits, err error) {
	codes = NewBits(d.Len())
	codes.Set(0)
	for _, code := range d.others {
		codes.Set(int(code))
	}
	needle, size := []byte(text), searched
	var f *folding
	if fold && text != "" {
		f = newFolding(text)
		size = len(f.room) - len(needle)
	}
	code := 0
	for from, looked := 0, 0; from+len(needle) <= len(d.blob); {
		if from >= looked {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			looked = from + searched
		}
		to := min(from+size+len(needle), len(d.blob))
		if f != nil {
			f.begin(d.blob[from:to])
		}
		for first := from; from < to; {
			at := -1
			if f == nil {
				if at = bytes.Index(d.blob[from:to], needle); at >= 0 {
					at += from
				}
			} else if at = f.index(from - first); at >= 0 {
				at += first
			}
			if at < 0 {
				break
			}
			code = d.at(code, uint32(at))
			codes.Set(code)
			from = int(d.ends[code])
		}
		if to == len(d.blob) {
			break
		}
		from = max(from, to-len(needle)+1)
	}
	return codes, nil
}

// at returns the code of the value at a place in the blob, which is that of a code or later.
func (d Dict) at(code int, place uint32) int {
	step := 1
	for code+step < len(d.ends) && d.ends[code+step] <= place {
		code += step
		step *= 2
	}
	n, found := slices.BinarySearch(d.ends[code:], place)
	if found { // the end of a value is where the next one begins
		n++
	}
	return code + n
}
