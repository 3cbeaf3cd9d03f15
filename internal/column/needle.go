package column

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// lowered is the values of a dictionary, one after the other, with ASCII letters in lower case.
// It is made when a condition first asks for it.
type lowered struct {
	mu   sync.Mutex
	blob []byte
}

// of returns the values in lower case.
func (l *lowered) of(blob []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.blob); n < len(blob) {
		l.blob = slices.Grow(l.blob, len(blob)-n)
		for _, c := range blob[n:] {
			if c-'A' < 26 {
				c += 'a' - 'A'
			}
			l.blob = append(l.blob, c)
		}
	}
	return l.blob[:len(blob)]
}

func (l *lowered) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cap(l.blob)
}

// plain reports whether a stored value is a string of ASCII.
func plain(raw []byte) bool {
	if kind, _, _ := document.PeekValue(raw); kind != document.String {
		return false
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
// case if fold is true, and all others.
func (d Dict) holding(ctx context.Context, text string, fold bool) (codes Bits, err error) {
	codes = NewBits(d.Len())
	codes.Set(0)
	for _, code := range d.others {
		codes.Set(int(code))
	}
	blob, needle := d.blob, []byte(text)
	if fold {
		blob = d.lower.of(blob)
	}
	code := 0
	for from := 0; from+len(needle) <= len(blob); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+searched+len(needle), len(blob))
		for from < to {
			at := bytes.Index(blob[from:to], needle)
			if at < 0 {
				break
			}
			code = d.at(code, uint32(from+at))
			codes.Set(code)
			from = int(d.ends[code])
		}
		if to == len(blob) {
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
