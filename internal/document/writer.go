package document

import (
	"encoding/binary"
	"math"
	"slices"
)

// writer lays out containers: it takes keys and values in order and writes each footer when
// its container closes. Scanner, Go values and Builder all write through it.
type writer struct {
	buf    []byte
	frames []frame  // the containers that are open, outermost first
	ends   []uint32 // where the items of the open containers end, from their first item
	keys   []key    // the keys of the open objects
	lim    Limits   // filled
	most   uint64   // the most bytes of items in one container

	// The dictionary of the document at the root; it has no part in other values.
	base     *Names
	proposed []string
	numbers  map[string]uint16 // of the proposed names
	guess    int               // the number that the next key probably has
	seen     []sighting        // by number: the key that had it last
	turn     uint32            // which document sightings count for

	// The numbers of the fields of a struct type, the one written last, as far as they are
	// known; inlineCol is not.
	columns   []uint16
	columnsOf *structEncoder

	scratch []byte             // for one key at a time, and for the items of an object
	room    []byte             // where a value of its own is written before it is copied
	spare   []map[string]int32 // indexes to use again
}

// frame is an open container.
type frame struct {
	start     int // where in buf its first item begins
	firstEnd  int // where in ends its items begin
	firstKey  int // where in keys its keys begin
	tag       byte
	duplicate bool             // a key came twice
	index     map[string]int32 // of an object with many keys: where each is
}

// key is one key of an open object.
type key struct {
	name   uint32 // where the name stands, from the first item; not for numbered keys
	size   uint32
	hash   uint32
	last   int32 // the last key of the same name, if this is the first one
	col    uint16
	repeat bool // an earlier key has the same name
}

type sighting struct {
	turn uint32
	at   int32
}

// fewKeys is how many keys are compared one by one before an object gets an index.
const fewKeys = 16

// fault says why a writer refused something; the caller knows the place and the words.
type fault uint8

const (
	noFault fault = iota
	tooDeep
	tooManyKeys
	keyTooLong
	tooBig
)

// start begins a value at the end of dst.
func (w *writer) start(dst []byte) {
	w.buf = dst
	w.frames, w.ends, w.keys = w.frames[:0], w.ends[:0], w.keys[:0]
	if w.most == 0 {
		w.most = maxItems
	}
}

// finish returns what was written and lets go of it, and of scratch room worth freeing.
func (w *writer) finish() []byte {
	const keep = 1 << 16
	buf := w.buf
	w.buf = nil
	for i := range w.frames {
		w.frames[i].index = nil
	}
	if cap(w.ends) > keep {
		w.ends = nil
	}
	if cap(w.keys) > keep {
		w.keys = nil
	}
	if cap(w.scratch) > keep {
		w.scratch = nil
	}
	return buf
}

// open begins a container.
func (w *writer) open(tag byte) fault {
	if len(w.frames) >= w.lim.Depth {
		return tooDeep
	}
	w.buf = append(w.buf, tag)
	w.frames = append(w.frames, frame{
		start: len(w.buf), firstEnd: len(w.ends), firstKey: len(w.keys), tag: tag,
	})
	if tag == tagDoc {
		w.guess = 0
		if w.turn++; w.turn == 0 {
			clear(w.seen)
			w.turn = 1
		}
	}
	return noFault
}

// top returns the innermost open container.
func (w *writer) top() *frame { return &w.frames[len(w.frames)-1] }

// endItem ends the array item or field whose value has just been written.
func (w *writer) endItem() fault {
	n := len(w.buf) - w.frames[len(w.frames)-1].start
	if uint64(n) > w.most {
		return tooBig
	}
	w.ends = append(w.ends, uint32(n))
	return noFault
}

// key begins a field. The name is valid UTF-8 and is copied.
func (w *writer) key(name string) fault {
	f := w.top()
	at := len(w.keys) - f.firstKey
	if at >= w.lim.Keys {
		return tooManyKeys
	}
	if len(name) > w.lim.KeyBytes {
		return keyTooLong
	}
	k := key{last: int32(at), col: inlineCol}
	if f.tag == tagDoc {
		if k.col = w.column(name); k.col != inlineCol {
			w.sight(&k, f, at)
			w.keys = append(w.keys, k)
			return noFault
		}
	}
	k.size = uint32(len(name))
	k.hash = hashName(name)
	if len(name) < 0x80 {
		w.buf = append(w.buf, byte(len(name)))
	} else {
		w.buf = binary.AppendUvarint(w.buf, uint64(len(name)))
	}
	begin := len(w.buf) - f.start
	if uint64(begin+len(name)) > w.most {
		return tooBig
	}
	k.name = uint32(begin)
	w.buf = append(w.buf, name...)
	w.findRepeat(&k, f, at)
	w.keys = append(w.keys, k)
	return noFault
}

// sight finds out whether the numbered key k has been in this document before.
func (w *writer) sight(k *key, f *frame, at int) {
	if int(k.col) >= len(w.seen) {
		w.seen = append(w.seen, make([]sighting, max(64, int(k.col)+1-len(w.seen)))...)
	}
	s := &w.seen[k.col]
	if s.turn == w.turn {
		k.repeat = true
		f.duplicate = true
		w.keys[f.firstKey+int(s.at)].last = int32(at)
		return
	}
	*s = sighting{turn: w.turn, at: int32(at)}
}

// findRepeat finds out whether the key k, whose name has been written, came before.
func (w *writer) findRepeat(k *key, f *frame, at int) {
	keys := w.keys[f.firstKey:]
	items := w.buf[f.start:]
	name := items[k.name : k.name+k.size]
	if f.index == nil && at < fewKeys {
		for i := range keys {
			o := &keys[i]
			if o.hash == k.hash && o.size == k.size && o.col == inlineCol &&
				string(items[o.name:o.name+o.size]) == string(name) && !o.repeat {
				k.repeat, f.duplicate = true, true
				o.last = int32(at)
				return
			}
		}
		return
	}
	if f.index == nil {
		f.index = w.takeIndex()
		for i := range keys {
			if o := &keys[i]; o.col == inlineCol && !o.repeat {
				f.index[text(items[o.name:o.name+o.size])] = int32(i)
			}
		}
	}
	if first, ok := f.index[text(name)]; ok {
		k.repeat, f.duplicate = true, true
		keys[first].last = int32(at)
		return
	}
	// The bytes of a name stay as they are until its object closes; should buf move, the
	// index keeps the old room alive.
	f.index[text(name)] = int32(at)
}

func (w *writer) takeIndex() map[string]int32 {
	if n := len(w.spare); n > 0 {
		m := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return m
	}
	return make(map[string]int32, 4*fewKeys)
}

// lastEnd returns where the last finished item of a container ends.
func (w *writer) lastEnd(f *frame) int {
	if len(w.ends) == f.firstEnd {
		return 0
	}
	return int(w.ends[len(w.ends)-1])
}

// close ends the innermost container with its footer. The caller then ends the item that it
// is in its own container, if it has one.
func (w *writer) close() fault {
	f := w.top()
	if f.duplicate {
		w.dropRepeats(f)
	}
	ends := w.ends[f.firstEnd:]
	size := w.lastEnd(f)
	if uint64(len(ends)) > w.most {
		return tooBig
	}
	width, code := footerWidth(size, len(ends))
	buf := grown(w.buf, (len(ends)+1)*width+len(ends)*colBytes+1)
	if width == 1 {
		for _, end := range ends {
			buf = append(buf, byte(end))
		}
	} else {
		for _, end := range ends {
			buf = appendUint(buf, end, width)
		}
	}
	if f.tag == tagDoc {
		for i := range w.keys[f.firstKey:] {
			buf = binary.LittleEndian.AppendUint16(buf, w.keys[f.firstKey+i].col)
		}
	}
	buf = appendUint(buf, uint32(len(ends)), width)
	w.buf = append(buf, code)
	w.ends = w.ends[:f.firstEnd]
	w.keys = w.keys[:f.firstKey]
	if f.index != nil {
		if len(f.index) <= 1<<10 {
			clear(f.index)
			w.spare = append(w.spare, f.index)
		}
		f.index = nil
	}
	w.frames = w.frames[:len(w.frames)-1]
	return noFault
}

// grown is buf with room for n more bytes. Where much is added at once, as to a long array, it
// is little more than that, for the document is then about complete.
func grown(buf []byte, n int) []byte {
	const much = 1 << 20
	if n < much || cap(buf)-len(buf) >= n {
		return slices.Grow(buf, n)
	}
	need := len(buf) + n
	return append(make([]byte, 0, need+need/64), buf...)
}

// dropRepeats rewrites an object in which keys came more than once: the last value stands in
// the place of the first.
func (w *writer) dropRepeats(f *frame) {
	items := w.buf[f.start:]
	ends := w.ends[f.firstEnd:]
	keys := w.keys[f.firstKey:]
	out := w.scratch[:0]
	kept := 0
	newEnds := make([]uint32, 0, len(ends))
	for i := range keys {
		if keys[i].repeat {
			continue
		}
		from := keys[i].last
		start := uint32(0)
		if from > 0 {
			start = ends[from-1]
		}
		out = append(out, items[start:ends[from]]...)
		newEnds = append(newEnds, uint32(len(out)))
		keys[kept].col = keys[i].col
		kept++
	}
	w.scratch = out
	w.buf = append(w.buf[:f.start], out...)
	w.ends = append(w.ends[:f.firstEnd], newEnds...)
	w.keys = w.keys[:f.firstKey+kept]
}

// column returns the number of a top-level name, proposing one if it has none, or inlineCol
// when the dictionary is full.
func (w *writer) column(name string) uint16 {
	base := w.base.Len()
	if g := w.guess; g < base {
		if w.base.list[g] == name && g < inlineCol {
			w.guess++
			return uint16(g)
		}
	} else if g -= base; g < len(w.proposed) && w.proposed[g] == name {
		w.guess++
		return uint16(base + g)
	}
	col, ok := w.base.Lookup(name)
	if !ok {
		if col, ok = w.numbers[name]; !ok {
			if base+len(w.proposed) >= MaxNames {
				return inlineCol
			}
			if w.numbers == nil {
				w.numbers = make(map[string]uint16)
			}
			name = string(append([]byte(nil), name...))
			col = uint16(base + len(w.proposed))
			w.proposed = append(w.proposed, name)
			w.numbers[name] = col
		}
	}
	w.guess = int(col) + 1
	return col
}

// forget takes back the proposed names from the n-th on.
func (w *writer) forget(n int) {
	for _, name := range w.proposed[n:] {
		delete(w.numbers, name)
	}
	w.proposed = w.proposed[:n]
	w.columnsOf = nil
}

// copyValue writes a stored value. A top-level document becomes an object with its names in
// it, or, where a document is wanted, a document over this writer's names.
func (w *writer) copyValue(v Value, asDoc bool) fault {
	if !asDoc && v.raw[0] != tagDoc {
		w.buf = append(w.buf, v.raw...)
		return noFault
	}
	tag := byte(tagObject)
	if asDoc {
		tag = tagDoc
	}
	if f := w.open(tag); f != noFault {
		return f
	}
	k := walk(v.raw, v.Names())
	for k.next() {
		if len(k.value) == 0 {
			continue
		}
		if f := w.key(k.name); f != noFault {
			return f
		}
		w.buf = append(w.buf, k.value...)
		if f := w.endItem(); f != noFault {
			return f
		}
	}
	return w.close()
}

// footerWidth returns the least width that holds the bytes of the items and their count.
func footerWidth(size, count int) (width int, code byte) {
	switch most := max(size, count); {
	case most <= math.MaxUint8:
		return 1, 0
	case most <= math.MaxUint16:
		return 2, 1
	}
	return 4, 2
}

// appendUint appends a number in a footer's width.
func appendUint(dst []byte, v uint32, width int) []byte {
	switch width {
	case 1:
		return append(dst, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(dst, uint16(v))
	default:
		return binary.LittleEndian.AppendUint32(dst, v)
	}
}

// hashName tells short lists of names apart cheaply; it need not withstand an attacker.
func hashName(s string) uint32 {
	n := len(s)
	h := uint32(n) * 0x9E3779B1
	if n >= 4 {
		b := bytesOf(s)
		return h ^ binary.LittleEndian.Uint32(b) ^ binary.LittleEndian.Uint32(b[n-4:])*0x85EBCA77
	}
	for i := range n {
		h = (h ^ uint32(s[i])) * 0x01000193
	}
	return h
}
