package column

import (
	"bytes"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/siftdb/siftdb/internal/document"
)

// dict is the dictionary of a column: its distinct values, by their stored bytes. Code 0 is
// the absent value. It only grows.
type dict struct {
	blob []byte   // the values, one after the other
	ends []uint32 // where each ends in blob; the first is that of code 0, which is empty

	slots []uint32 // open addressing: codes by the hash of their value; 0 is free
}

// maxBlob is how many bytes of distinct values a column may have.
const maxBlob = math.MaxUint32

func newDict() *dict { return &dict{ends: []uint32{0}, slots: make([]uint32, 16)} }

// value returns the stored bytes of a code.
func (d *dict) value(code uint32) []byte {
	if code == 0 {
		return nil
	}
	return d.blob[d.ends[code-1]:d.ends[code]:d.ends[code]]
}

// code returns the code of a value, a new one if need be; ok is false when there is no room.
func (d *dict) code(raw []byte) (code uint32, ok bool) {
	if len(raw) == 0 {
		return 0, true
	}
	mask := uint64(len(d.slots) - 1)
	at := xxhash.Sum64(raw) & mask
	for ; d.slots[at] != 0; at = (at + 1) & mask {
		if c := d.slots[at]; bytes.Equal(d.value(c), raw) {
			return c, true
		}
	}
	if len(d.blob)+len(raw) > maxBlob {
		return 0, false
	}
	d.blob = append(d.blob, raw...)
	code = uint32(len(d.ends))
	d.ends = append(d.ends, uint32(len(d.blob)))
	d.slots[at] = code
	if 4*len(d.ends) > 3*len(d.slots) {
		d.grow()
	}
	return code, true
}

func (d *dict) grow() {
	slots := make([]uint32, 2*len(d.slots))
	mask := uint64(len(slots) - 1)
	for code := uint32(1); code < uint32(len(d.ends)); code++ {
		at := xxhash.Sum64(d.value(code)) & mask
		for slots[at] != 0 {
			at = (at + 1) & mask
		}
		slots[at] = code
	}
	d.slots = slots
}

// size returns how many bytes the dictionary takes.
func (d *dict) size() int { return cap(d.blob) + 4*cap(d.ends) + 4*cap(d.slots) }

// Dict is a dictionary as a Table knows it.
type Dict struct {
	blob []byte
	ends []uint32
}

func (d *dict) view() Dict { return Dict{d.blob, d.ends} }

// Len returns how many codes there are; they are the numbers below it, and 0 is that of
// entries without a value.
func (d Dict) Len() int { return len(d.ends) }

// Value returns the value of a code. Its bytes are the dictionary's.
func (d Dict) Value(code uint32) document.Value {
	if code == 0 {
		return document.Value{}
	}
	return document.Stored(d.blob[d.ends[code-1]:d.ends[code]:d.ends[code]], nil)
}
