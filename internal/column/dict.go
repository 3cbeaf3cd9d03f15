package column

import (
	"bytes"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// dict is the dictionary of a column: its distinct values, by their stored bytes. Code 0 is
// the absent value. It only grows. It belongs to whoever makes the next Table of the newest.
type dict struct {
	blob []byte   // the values, one after the other
	ends []uint32 // where each ends in blob; the first is that of code 0, which is empty

	others  []uint32 // codes of values that are no ASCII strings
	floats  *floats
	ranking *ranking

	slots []uint32 // open addressing: codes by the hash of their value, with some of its bits; 0 is free
	uses  []uint32 // how many rows of the newest Table have a code
	used  int      // codes above 0 that a row has

	touched uint32 // of no use; see touch
}

// seed makes the hashes unlike those of any other process.
var seed = maphash.MakeSeed()

// maxBlob is how many bytes of distinct values a column may have.
const maxBlob uint64 = math.MaxUint32

func newDict() *dict {
	return &dict{ends: []uint32{0}, floats: new(floats), ranking: new(ranking), slots: make([]uint32, 16), uses: []uint32{0}}
}

// value returns the stored bytes of a code.
func (d *dict) value(code uint32) []byte {
	if code == 0 {
		return nil
	}
	return d.blob[d.ends[code-1]:d.ends[code]:d.ends[code]]
}

// code returns the code of a value, a new one if need be; ok is false when there is no room.
func (d *dict) code(raw []byte) (code uint32, ok bool) {
	return d.codeOf(raw, maphash.Bytes(seed, raw))
}

// codeOf is code for whoever knows the hash.
func (d *dict) codeOf(raw []byte, hash uint64) (code uint32, ok bool) {
	if len(raw) == 0 {
		return 0, true
	}
	mask, width := uint64(len(d.slots)-1), d.width()
	at := hash & mask
	for ; d.slots[at] != 0; at = (at + 1) & mask {
		slot := d.slots[at]
		if slot>>width != tag(hash, width) {
			continue
		}
		if c := slot & uint32(mask); bytes.Equal(d.value(c), raw) {
			return c, true
		}
	}
	if uint64(len(d.blob))+uint64(len(raw)) > maxBlob {
		return 0, false
	}
	d.blob = append(d.blob, raw...)
	code = uint32(len(d.ends))
	d.ends = append(d.ends, uint32(len(d.blob)))
	d.uses = append(d.uses, 0)
	if !plain(raw) {
		d.others = append(d.others, code)
	}
	d.slots[at] = tag(hash, width)<<width | code
	if 4*len(d.ends) > 3*len(d.slots) {
		d.spread(2 * len(d.slots))
	}
	return code, true
}

// codes appends the codes of values, each of which a row has, to list; ok is false when there is no
// room.
func (d *dict) codes(list []uint32, v *values) (_ []uint32, ok bool) {
	from := 0
	for i, to := range v.ends {
		if i%touchAhead == 0 {
			d.touch(v.hashes[i:min(i+touchAhead, len(v.hashes))])
		}
		code, ok := d.codeOf(v.blob[from:to], v.hashes[i])
		if !ok {
			return list, false
		}
		d.use(code, 0)
		list, from = append(list, code), to
	}
	return list, true
}

// touchAhead is how many slots are brought near at a time.
const touchAhead = 64

// touch reads the slots where values are about to be looked for. In a large dictionary each is far
// away in memory: read here, none waits for the one before it. What is read is kept for the reading
// not to be left out.
func (d *dict) touch(hashes []uint64) {
	mask, sum := uint64(len(d.slots)-1), uint32(0)
	for _, hash := range hashes {
		sum |= d.slots[hash&mask]
	}
	d.touched = sum
}

// width is how many bits of a slot are the code, which is less than the number of slots. The others
// are some of the hash, so that hardly ever another value is compared.
func (d *dict) width() int { return bits.TrailingZeros(uint(len(d.slots))) }

func tag(hash uint64, width int) uint32 { return uint32(hash>>32) >> width }

// spread puts the codes into some more slots, a power of two.
func (d *dict) spread(n int) {
	d.slots = make([]uint32, n)
	mask, width := uint64(n-1), d.width()
	for code := uint32(1); code < uint32(len(d.ends)); code++ {
		hash := maphash.Bytes(seed, d.value(code))
		at := hash & mask
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = tag(hash, width)<<width | code
	}
}

// reserve makes room at once for the values of all rows of a column, of which some have been seen,
// where most have one of their own and that takes no more than some bytes.
func (d *dict) reserve(seen, rows, bytes int) {
	n := len(d.ends) - 1
	if seen == 0 || rows <= seen || n <= seen/2 || cap(d.ends) >= rows {
		return
	}
	most := int(float64(n)/float64(seen)*float64(rows)*1.01) + 64
	blob := int(float64(len(d.blob)) / float64(n) * float64(most) * 1.02)
	slots := 1 << bits.Len(uint(most+most/3))
	if 12*most+4*slots+blob > bytes || uint64(blob) > maxBlob {
		return
	}
	d.ends = slices.Grow(d.ends, max(most-len(d.ends), 0))
	d.uses = slices.Grow(d.uses, max(most-len(d.uses), 0))
	d.blob = slices.Grow(d.blob, max(blob-len(d.blob), 0))
	if len(d.others) > n/2 {
		d.others = slices.Grow(d.others, max(most-len(d.others), 0))
	}
	if slots > len(d.slots) {
		d.spread(slots)
	}
}

// use notes that a row has a code, and no longer the one that it had.
func (d *dict) use(code, had uint32) {
	if code > 0 {
		if d.uses[code]++; d.uses[code] == 1 {
			d.used++
		}
	}
	if had > 0 {
		if d.uses[had]--; d.uses[had] == 0 {
			d.used--
		}
	}
}

// wasteful reports whether most values are those of rows that have changed since.
func (d *dict) wasteful() bool { return len(d.ends) > 2*d.used+1024 }

// size returns how many bytes the dictionary takes.
func (d *dict) size() int {
	return cap(d.blob) + 4*cap(d.ends) + 4*cap(d.slots) + 4*cap(d.uses) + 4*cap(d.others)
}

// Dict is a dictionary as a Table knows it.
type Dict struct {
	blob    []byte
	ends    []uint32
	others  []uint32
	floats  *floats
	ranking *ranking
}

func (d *dict) view() Dict { return Dict{d.blob, d.ends, d.others, d.floats, d.ranking} }

// Len returns how many codes there are; they are the numbers below it, and 0 is that of
// entries without a value.
func (d Dict) Len() int { return len(d.ends) }

// Value returns the value of a code. Its bytes are the dictionary's.
func (d Dict) Value(code uint32) document.Value {
	if code == 0 {
		return document.Value{}
	}
	return document.Stored(d.raw(code), nil)
}

// raw returns the stored bytes of a code.
func (d Dict) raw(code uint32) []byte {
	if code == 0 {
		return nil
	}
	return d.blob[d.ends[code-1]:d.ends[code]:d.ends[code]]
}
