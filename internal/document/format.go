// Package document holds siftdb's binary documents: JSON values in a form that is read in
// place. Finding a field decodes nothing and testing a value allocates nothing.
//
// Value is the one view of a JSON value, whether it lies in stored bytes or is a decoded Go
// value. Parse, FromGo, Encoder and Builder make stored bytes; Compare, Equal, AppendKey and
// CanonicalKey give them one order and one equality; AppendJSON and ToGo bring them out
// again; Seal and Open wrap them for storage with a checksum.
package document

import "encoding/binary"

// The binary form. A value is one tag byte and its payload; whoever holds a value knows
// where it ends, so no value carries its own length.
//
//	tag   value        payload
//	0x00  null         none
//	0x01  false        none
//	0x02  true         none
//	0x03  integer      0 to 8 bytes, little-endian two's complement, as few as hold it (0: none);
//	                   at most 2^53 either way, and the JSON text is exactly these digits
//	0x04  number       8 bytes little-endian double; the JSON text is the shortest form of it
//	0x05  number       8 bytes little-endian double, then the JSON text as it was given
//	0x06  string       UTF-8 bytes
//	0x07  array        items end to end, footer
//	0x08  object       items end to end, footer; an item is uvarint name length, name, value
//	0x09  document     items end to end, footer with columns; top level only; an item is a
//	                   value, or name length, name, value where its column is 0xFFFF
//
// A footer is read from its end:
//
//	offs[count]  W bytes each: where each item ends, counted from the first item
//	cols[count]  2 bytes each, 0x09 only: the item's number in the dictionary of names, or
//	             0xFFFF for a name that stands in the item
//	count        W bytes
//	wcode        1 byte: 0, 1 or 2 for a width W of 1, 2 or 4 bytes, the least that holds both
//	             the last offset and the count
//
// All numbers are little-endian. Files hold these bytes: the form never changes under a tag.
const (
	tagNull   = 0x00
	tagFalse  = 0x01
	tagTrue   = 0x02
	tagInt    = 0x03
	tagFloat  = 0x04
	tagNumber = 0x05
	tagString = 0x06
	tagArray  = 0x07
	tagObject = 0x08
	tagDoc    = 0x09
)

const (
	inlineCol  = 0xFFFF         // the column of an item whose name stands in it
	maxItems   = 1<<32 - 1      // the most bytes of items a footer of width 4 can describe
	maxInt     = int64(1) << 53 // the largest integer kept as tagInt
	deepest    = 10_000         // no walk over any value goes deeper than this
	minFooter  = 2              // a count of one byte and the width code
	colBytes   = 2              // bytes of one column number
	numberHead = 1 + 8          // tag and double of tagFloat and tagNumber
)

// footer says where the parts of a container lie in its bytes.
type footer struct {
	offs  int // where the offsets begin, which is where the items end
	cols  int // where the columns begin; equal to the end of the offsets without columns
	count int
	width int
}

// readFooter reads the footer of a container. It is false for bytes that are none.
func readFooter(raw []byte) (f footer, ok bool) {
	n := len(raw)
	if n < 1+minFooter || raw[n-1] > 2 {
		return footer{}, false
	}
	width := 1 << raw[n-1]
	end := n - 1 - width // where the count begins
	if end < 1 {
		return footer{}, false
	}
	count := uint64(readUint(raw, end, width))
	colsEach := 0
	if raw[0] == tagDoc {
		colsEach = colBytes
	}
	if count*uint64(width+colsEach) > uint64(end-1) {
		return footer{}, false
	}
	f.count, f.width = int(count), width
	f.cols = end - f.count*colsEach
	f.offs = f.cols - f.count*width
	return f, true
}

// readUint reads a number of 1, 2 or 4 bytes at a place that the caller has checked.
func readUint(raw []byte, at, width int) uint32 {
	switch width {
	case 1:
		return uint32(raw[at])
	case 2:
		return uint32(binary.LittleEndian.Uint16(raw[at:]))
	default:
		return binary.LittleEndian.Uint32(raw[at:])
	}
}

// item returns the bytes of the i-th item; it is nil when the offsets are damaged.
// The caller has checked i against the count.
func (f *footer) item(raw []byte, i int) []byte {
	var start uint32
	at := f.offs + i*f.width
	if i > 0 {
		start = readUint(raw, at-f.width, f.width)
	}
	end := readUint(raw, at, f.width)
	if start > end || uint64(end) > uint64(f.offs-1) {
		return nil
	}
	return raw[1+start : 1+end : 1+end]
}

// col returns the column number of the i-th item of a document.
func (f *footer) col(raw []byte, i int) uint16 {
	return binary.LittleEndian.Uint16(raw[f.cols+i*colBytes:])
}

// splitName takes the name off the front of an item. It is false for damaged bytes.
func splitName(item []byte) (name, value []byte, ok bool) {
	if len(item) == 0 {
		return nil, nil, false
	}
	if n := int(item[0]); n < 0x80 {
		if n >= len(item) {
			return nil, nil, false
		}
		return item[1 : 1+n : 1+n], item[1+n:], true
	}
	n, used := binary.Uvarint(item)
	if used <= 0 || n > uint64(len(item)-used) {
		return nil, nil, false
	}
	end := used + int(n)
	return item[used:end:end], item[end:], true
}

// walker steps through the items of a container in their order. It never goes backwards, so
// that damaged offsets cannot make a walk over nested values longer than the bytes are.
type walker struct {
	raw   []byte
	names *Names
	f     footer
	i     int
	pos   uint32 // where the next item starts, counted from the first
	item  []byte // the bytes of the item, with the name that stands in it
	name  string // the name, for objects and documents; valid while raw is
	value []byte // the value's bytes
	col   uint16 // the column, for documents
}

// walk starts a walk over the items of a container; names serves documents.
func walk(raw []byte, names *Names) walker {
	k := walker{raw: raw, names: names}
	k.f, _ = readFooter(raw)
	return k
}

// next moves to the next item that is whole, and is false at the end.
func (k *walker) next() bool {
	for k.i < k.f.count {
		i := k.i
		k.i++
		end := readUint(k.raw, k.f.offs+i*k.f.width, k.f.width)
		if end < k.pos || uint64(end) > uint64(k.f.offs-1) {
			k.i = k.f.count
			return false
		}
		k.item = k.raw[1+k.pos : 1+end : 1+end]
		k.value = k.item
		k.pos = end
		switch k.raw[0] {
		case tagArray:
			return true
		case tagDoc:
			k.col = k.f.col(k.raw, i)
			if k.col != inlineCol {
				if int(k.col) >= k.names.Len() {
					continue
				}
				k.name = k.names.list[k.col]
				return true
			}
		}
		name, value, ok := splitName(k.item)
		if !ok {
			continue
		}
		k.name, k.value = text(name), value
		return true
	}
	return false
}
