package index

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// The families of keys: the first byte of each.
const (
	Values   byte = 0x00
	Numbers  byte = 0x01
	Grams    byte = 0x02
	Loose    byte = 0x03
	Ordered  byte = 0x04
	Overflow byte = 0x05
)

// Bounds of the keys of one entry.
const (
	// MaxKeyBytes is the length of the longest key.
	MaxKeyBytes = 512
	// CutBytes is how many bytes of a longer one are kept in front of a hash of it.
	CutBytes = MaxKeyBytes - hashBytes
	// MaxKeys is how many keys an entry may have before it has the one of the overflow alone.
	MaxKeys = 1000
	// MaxGrams is MaxKeys for a trigram index.
	MaxGrams = 4096

	hashBytes = 16
)

// KeySet holds the keys of one entry in one piece of memory, sorted and each once. The zero
// KeySet is empty and ready; one serves entry after entry, and one goroutine.
type KeySet struct {
	arena   []byte
	keys    []keyRef
	traits  Traits
	numbers int

	// Room for Bound.Keys.
	parts   [][]part // of each field
	scratch []byte
	text    []byte
	folded  []byte
}

// keyRef is one key in the arena.
type keyRef struct {
	from, to int
	unique   bool
}

// Traits are what a planner has to know of an entry's keys.
type Traits uint8

const (
	// Multi says that the entry has not exactly one value in each field that is no array.
	Multi Traits = 1 << iota
	// Cut says that a key is the beginning of a longer one and a hash.
	Cut
	// Mixed says that a text in a field after the first one reads as a number.
	Mixed
	// Many says that the entry has too many keys, and the one of the overflow instead.
	Many
)

// Len returns the number of keys.
func (k *KeySet) Len() int { return len(k.keys) }

// Key returns the i-th key in ascending order. It is valid until the set is filled again.
func (k *KeySet) Key(i int) []byte { return k.arena[k.keys[i].from:k.keys[i].to:k.keys[i].to] }

// Unique reports whether the i-th key is one on which uniqueness is judged: every field is a
// scalar, by itself or as an element of an array. Null and absent never conflict, nor do arrays
// and objects as a whole. Of keys that were cut the hash tells them apart. An entry with too
// many keys cannot be judged: see Traits.
func (k *KeySet) Unique(i int) bool { return k.keys[i].unique }

// Traits returns what is to be known of the keys as a whole.
func (k *KeySet) Traits() Traits { return k.traits }

// Numbers returns how many keys are of the families Numbers, Loose and Ordered.
func (k *KeySet) Numbers() int { return k.numbers }

// Has reports whether a key is in the set.
func (k *KeySet) Has(key []byte) bool {
	_, ok := slices.BinarySearchFunc(k.keys, key, func(ref keyRef, key []byte) int {
		return bytes.Compare(k.arena[ref.from:ref.to], key)
	})
	return ok
}

func (k *KeySet) reset() {
	k.arena, k.keys, k.traits, k.numbers = k.arena[:0], k.keys[:0], 0, 0
	k.scratch = k.scratch[:0]
}

// finish sorts the keys and drops those that are there twice.
func (k *KeySet) finish(most int) {
	slices.SortFunc(k.keys, func(a, b keyRef) int {
		return bytes.Compare(k.arena[a.from:a.to], k.arena[b.from:b.to])
	})
	kept := k.keys[:0]
	for _, ref := range k.keys {
		if n := len(kept); n > 0 && bytes.Equal(k.arena[kept[n-1].from:kept[n-1].to], k.arena[ref.from:ref.to]) {
			kept[n-1].unique = kept[n-1].unique || ref.unique
			continue
		}
		kept = append(kept, ref)
	}
	if k.keys = kept; len(kept) > most {
		k.overflow()
		return
	}
	for _, ref := range k.keys {
		switch k.arena[ref.from] {
		case Numbers, Loose, Ordered:
			k.numbers++
		}
	}
}

// overflow replaces the keys with the one of the overflow.
func (k *KeySet) overflow() {
	k.arena = append(k.arena[:0], Overflow)
	k.keys = append(k.keys[:0], keyRef{0, 1, false})
	k.traits = Many | Multi
}

// end takes what was appended to the arena since from as a key.
func (k *KeySet) end(from int, unique bool) {
	if key := k.arena[from:]; len(key) > MaxKeyBytes {
		k.arena = k.arena[:from+len(cutKey(key))]
		k.traits |= Cut
	}
	k.keys = append(k.keys, keyRef{from, len(k.arena), unique})
}

// cutKey shortens a key in place to its beginning and a hash of the whole.
func cutKey(key []byte) []byte {
	sum := sha256.Sum256(key)
	return append(key[:CutBytes], sum[:hashBytes]...)
}

// Stats count what an index holds. Whoever keeps an index adds the keys of each entry that comes
// and takes off those of each that goes.
type Stats struct {
	Entries int64 // with a key
	Keys    int64
	Numbers int64 // keys of the families Numbers, Loose and Ordered
	Multi   int64 // entries with the trait
	Cut     int64 // entries with the trait
	Mixed   int64 // entries with the trait
	Many    int64 // entries with the trait
}

// Add counts the keys of an entry; sign is 1, or -1 to take them off.
func (s *Stats) Add(k *KeySet, sign int64) {
	if k.Len() == 0 {
		return
	}
	s.Entries += sign
	s.Keys += sign * int64(k.Len())
	s.Numbers += sign * int64(k.numbers)
	for _, c := range []struct {
		trait Traits
		count *int64
	}{{Multi, &s.Multi}, {Cut, &s.Cut}, {Mixed, &s.Mixed}, {Many, &s.Many}} {
		if k.traits&c.trait != 0 {
			*c.count += sign
		}
	}
}
