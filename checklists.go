package siftdb

import (
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// listLooker looks entries up in lists. Entries are asked for by ascending ids, mostly; so it
// keeps the block of each list in which it found the last one.
type listLooker struct{ at map[string]*lookedBlock }

// lookedBlock is what is known of a list between two ids.
type lookedBlock struct {
	from, to int64
	ids      []int64
	damaged  bool
}

// lookedLists is how many lists a listLooker keeps a block of.
const lookedLists = 4096

// holds reports whether a list has an entry, both as a key tells them. What cannot be read has
// any: the walk over all blocks tells of that.
func (l *listLooker) holds(r storage.Reader, stored []byte) (bool, error) {
	id := entryIn(stored)
	b := l.at[string(listOf(stored))]
	if b == nil {
		if l.at == nil || len(l.at) >= lookedLists {
			l.at = make(map[string]*lookedBlock)
		}
		b = &lookedBlock{from: 1}
		l.at[string(listOf(stored))] = b
	}
	if id < b.from || id > b.to {
		if err := b.read(r, stored, id); err != nil {
			return false, err
		}
	}
	_, found := slices.BinarySearch(b.ids, id)
	return found || b.damaged, nil
}

// read reads the block that an entry is in, if it is in any.
func (b *lookedBlock) read(r storage.Reader, stored []byte, id int64) error {
	_, end := layout.IndexHolders(stored)
	*b = lookedBlock{from: id, to: layout.OpenBlock, ids: b.ids[:0]}
	c := r.Scan(layout.Index, stored, end, false)
	key, value, ok := c.Next()
	if !ok {
		return c.Err()
	}
	b.to = entryIn(key)
	ids, err := layout.ReadPostings(b.ids, key, value)
	b.ids, b.damaged = ids, err != nil
	return nil
}
