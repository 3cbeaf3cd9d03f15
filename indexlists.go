package siftdb

import (
	"bytes"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// A trigram index lists the entries of each trigram in blocks (layout.MaxPostings). What a write
// changes in it is gathered as keys of single entries, like that in any other index, and put
// into the blocks here: in order, so that each block is read and written once.

// lists reports whether an index lists entries in blocks. Hashed trigrams, which nobody makes
// any more, stay as they are.
func (k *keptIndex) lists() bool { return k.def.Trigram && k.hasher == nil }

// writeLists is writeKeys for an index that lists entries in blocks.
func (st *sourceTx) writeLists(k *keptIndex) error {
	k.settle()
	w := listWriter{w: st.t.w}
	for from := 0; from < len(k.events); {
		list := listOf(k.events[from].key)
		to := from + 1
		for to < len(k.events) && bytes.Equal(listOf(k.events[to].key), list) {
			to++
		}
		if err := w.change(list, k.events[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// listOf returns what the keys of all blocks of a list begin with.
func listOf(stored []byte) []byte { return stored[: len(stored)-8 : len(stored)-8] }

// listWriter changes lists.
type listWriter struct {
	w     storage.Writer
	block listBlock
	ids   []int64
	room  []byte
}

// listBlock is a block that is to be changed.
type listBlock struct {
	last int64 // in its key
	here bool  // it is stored
	ids  []int64
}

// change puts what comes into a list and takes out what goes, in the order of ids.
func (l *listWriter) change(list []byte, events []keyEvent) error {
	for len(events) > 0 {
		if err := l.find(list, events[0].key); err != nil {
			return err
		}
		n := 1
		for n < len(events) && entryIn(events[n].key) <= l.block.last {
			n++
		}
		if l.merge(events[:n]) {
			if err := l.replace(list); err != nil {
				return err
			}
		}
		events = events[n:]
	}
	return nil
}

func entryIn(stored []byte) int64 {
	_, _, id, _ := layout.IndexParts(stored)
	return id
}

// find reads the block that an entry belongs into, which may be one that is not there yet.
func (l *listWriter) find(list, stored []byte) error {
	b := &l.block
	l.room = append(append(l.room[:0], list...), stored[len(list):]...)
	layout.SetIndexID(l.room, layout.OpenBlock)
	value, err := l.w.Get(layout.Index, l.room)
	if err != nil {
		return err
	}
	b.last, b.here, b.ids = layout.OpenBlock, value != nil, b.ids[:0]
	if value != nil {
		if b.ids, err = layout.ReadPostings(b.ids, l.room, value); err != nil || b.ids[0] <= entryIn(stored) {
			return err
		}
	}
	_, to := layout.IndexHolders(stored)
	c := l.w.Scan(layout.Index, stored, to, false)
	key, value, ok := c.Next()
	if !ok || entryIn(key) == layout.OpenBlock {
		return c.Err()
	}
	b.last, b.here = entryIn(key), true
	b.ids, err = layout.ReadPostings(b.ids[:0], key, value)
	return err
}

// merge makes l.ids of the block and what comes and goes, and reports whether that is anything
// else.
func (l *listWriter) merge(events []keyEvent) (changed bool) {
	l.ids = l.ids[:0]
	rest := l.block.ids
	for _, e := range events {
		id := entryIn(e.key)
		n, found := 0, false
		if len(rest) > 0 && rest[len(rest)-1] < id {
			n = len(rest)
		} else {
			n, found = slices.BinarySearch(rest, id)
		}
		l.ids = append(l.ids, rest[:n]...)
		if rest = rest[n:]; found {
			rest = rest[1:]
		}
		if e.come {
			l.ids = append(l.ids, id)
		}
		changed = changed || found != e.come
	}
	l.ids = append(l.ids, rest...)
	return changed
}

// replace writes l.ids in the place of the block. What is too much is parted: of an open block
// full ones are split off, since what comes to it mostly goes to its end.
func (l *listWriter) replace(list []byte) error {
	ids, size := l.ids, layout.MaxPostings
	if open := l.block.last == layout.OpenBlock; !open && len(ids) > size {
		parts := (len(ids) + size - 1) / size
		size = (len(ids) + parts - 1) / parts
	}
	kept := false
	for len(ids) > 0 {
		n := min(size, len(ids))
		last := ids[n-1]
		if n == len(ids) && l.block.last == layout.OpenBlock {
			last = layout.OpenBlock
		}
		if err := l.put(list, last, ids[:n]); err != nil {
			return err
		}
		kept = kept || last == l.block.last
		ids = ids[n:]
	}
	if kept || !l.block.here {
		return nil
	}
	key := append(l.room[:0], list...)
	key = append(key, make([]byte, 8)...)
	layout.SetIndexID(key, l.block.last)
	l.room = key
	return l.w.Delete(layout.Index, key)
}

// put stores a block.
func (l *listWriter) put(list []byte, last int64, ids []int64) error {
	b := appendBlock(l.room[:0], list, last, ids)
	l.room = b
	b = bytes.Clone(b) // as large as it has to be, since the storage keeps it
	n := len(list) + 8
	return l.w.Put(layout.Index, b[:n:n], b[n:])
}

// appendBlock appends the key and the value of a block.
func appendBlock(dst, list []byte, last int64, ids []int64) []byte {
	start := len(dst)
	dst = append(dst, list...)
	dst = append(dst, make([]byte, 8)...)
	key := dst[start:]
	layout.SetIndexID(key, last)
	return layout.AppendPostings(dst, key, ids)
}

// sweepBlock takes the entries from an id on out of a block of an index. It reports whether the
// key stays as it is; else others hold what is left. A damaged block stays, for Check to find.
func sweepBlock(w storage.Writer, key, value []byte, end int64) (kept bool, err error) {
	ids, err := layout.ReadPostings(nil, key, value)
	if err != nil {
		return true, nil
	}
	n, _ := slices.BinarySearch(ids, end)
	if n == len(ids) {
		return true, nil
	}
	if n == 0 {
		return false, nil
	}
	l := listWriter{w: w}
	return false, l.put(bytes.Clone(listOf(key)), ids[n-1], ids[:n])
}
