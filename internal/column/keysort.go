package column

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
)

// codeKey is a code with eight bytes of the sort key of its value: those behind what all keys
// begin with, and zeros where it has no more.
type codeKey struct {
	key  uint64
	code uint32
}

func (a codeKey) compare(b codeKey) int {
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Compare(a.code, b.code)
}

// sortCodes lists the codes from one on by the sort keys of their values. first tells of each whether
// its key is another one than that of the code before it in the list.
//
// Most keys tell apart by their first bytes behind those that all have, and numbers always do: these
// are sorted as numbers are, in time that grows with how many there are. Whole keys are made and
// compared only where that leaves several.
func (d Dict) sortCodes(from uint32) (list []uint32, first []bool) {
	items, common := d.codeKeys(max(from, 1))
	items = sortKeys(items)
	list, first = make([]uint32, len(items), len(items)+1), make([]bool, len(items), len(items)+1)
	for at := 0; at < len(items); {
		to := at + 1
		for to < len(items) && items[to].key == items[at].key {
			to++
		}
		if first[at] = true; to-at > 1 {
			d.sortRun(items[at:to], common, first[at:])
		}
		at = to
	}
	for i, it := range items {
		list[i] = it.code
	}
	if from > 0 {
		return list, first
	}
	var key []byte // the absent value would leave nothing that all keys begin with
	at, found := slices.BinarySearchFunc(list, document.AppendKey(nil, document.Value{}), func(code uint32, absent []byte) int {
		key = document.AppendKey(key[:0], d.Value(code))
		return bytes.Compare(key, absent)
	})
	if found {
		first[at] = false
	}
	return slices.Insert(list, at, 0), slices.Insert(first, at, true)
}

// codeKeys returns the codes from one on with parts of their keys, and how many bytes all keys begin
// with.
func (d Dict) codeKeys(from uint32) (items []codeKey, common int) {
	n := uint32(d.Len())
	if from >= n {
		return nil, 0
	}
	items = make([]codeKey, 0, n-from)
	var key []byte
	begin := document.AppendKey(nil, d.Value(n-1)) // of all keys, as far as is known
	for step, code := max((n-from)/64, 1), from; code < n; code += step {
		key = document.AppendKey(key[:0], d.Value(code))
		begin = begin[:shared(begin, key)]
	}
	for code := from; code < n; code++ {
		key = document.AppendKey(key[:0], d.Value(code))
		if same := shared(begin, key); same < len(begin) { // those before, too, have a longer part
			begin, items, code = begin[:same/2], items[:0], from-1
			continue
		}
		items = append(items, codeKey{eight(key[len(begin):]), code})
	}
	return items, len(begin)
}

// shared returns how many bytes two keys both begin with.
func shared(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// eight returns the first eight bytes of a key as a number that sorts as they do.
func eight(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var room [8]byte
	copy(room[:], key)
	return binary.BigEndian.Uint64(room[:])
}

// sortKeys sorts items by their keys, and equal ones as they stand or by their codes. It may return
// them in another list.
func sortKeys(items []codeKey) []codeKey {
	if len(items) < 256 {
		slices.SortFunc(items, codeKey.compare)
		return items
	}
	var counts [8][256]uint32
	for _, it := range items {
		for i := range counts {
			counts[i][uint8(it.key>>(8*i))]++
		}
	}
	other := make([]codeKey, len(items))
	for i := range counts {
		if counts[i][uint8(items[0].key>>(8*i))] == uint32(len(items)) {
			continue // all have this byte
		}
		at := uint32(0)
		for b, n := range counts[i] {
			counts[i][b], at = at, at+n
		}
		for _, it := range items {
			b := uint8(it.key >> (8 * i))
			other[counts[i][b]] = it
			counts[i][b]++
		}
		items, other = other, items
	}
	return items
}

// sortRun sorts items whose keys are equal in some bytes and the eight that follow. first is theirs.
func (d Dict) sortRun(run []codeKey, common int, first []bool) {
	type whole struct {
		key  []byte
		code uint32
	}
	list := make([]whole, len(run))
	var keys []byte
	for i, it := range run {
		from := len(keys)
		keys = document.AppendKey(keys, d.Value(it.code))
		list[i] = whole{keys[from+common : len(keys) : len(keys)], it.code}
	}
	slices.SortFunc(list, func(a, b whole) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(a.code, b.code)
	})
	for i, w := range list {
		run[i].code, first[i] = w.code, i == 0 || !bytes.Equal(w.key, list[i-1].key)
	}
}
