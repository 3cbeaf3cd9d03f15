package overlay

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/siftdb/siftdb/storage/internal/tree"
)

// marks tell most keys that a keyspace of a layer does not have from those that it may have, for
// less than a search. Marks are made and never taken away, so that a layer and its copies share
// them: one more only costs those a search who do not have the key. They may be read while one is
// made.
type marks struct {
	seed  maphash.Seed
	words []atomic.Uint64 // a power of two of them
}

const (
	leastMarks   = 32      // words
	keysInWord   = 4       // words are added when there are more keys than that in each
	marksOfWords = 1 << 20 // from here on none are added
)

func newMarks(words int) *marks {
	return &marks{seed: maphash.MakeSeed(), words: make([]atomic.Uint64, words)}
}

// place returns where the marks of a key are: two in one word.
func (m *marks) place(key []byte) (word *atomic.Uint64, bits uint64) {
	h := maphash.Bytes(m.seed, key)
	return &m.words[h>>12&uint64(len(m.words)-1)], 1<<(h&63) | 1<<(h>>6&63)
}

func (m *marks) add(key []byte) {
	if word, bits := m.place(key); word.Load()&bits != bits {
		word.Or(bits)
	}
}

// may reports whether a key may be there.
func (m *marks) may(key []byte) bool {
	word, bits := m.place(key)
	return word.Load()&bits == bits
}

// mark notes that the keyspace may have a key. Those who have a copy keep the marks that were.
func (sp *Space) mark(key []byte) {
	if sp.marks == nil {
		sp.marks = newMarks(leastMarks)
	}
	words := len(sp.marks.words)
	if sp.Writes.Len() >= keysInWord*words && words < marksOfWords {
		sp.marks = newMarks(4 * words)
		all := sp.Writes.Scan(tree.Bounds{}, false)
		for k, _, ok := all.Next(); ok; k, _, ok = all.Next() {
			sp.marks.add(k)
		}
	}
	sp.marks.add(key)
}

// get returns what was written to a key, and whether anything was.
func (sp *Space) get(key []byte) (value []byte, ok bool) {
	if sp.marks != nil && !sp.marks.may(key) {
		return nil, false
	}
	return sp.Writes.Get(key)
}
