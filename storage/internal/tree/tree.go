// Package tree is the ordered map of bytes that the engines keep in memory: a
// copy-on-write B-tree with cursors that survive changes.
package tree

import (
	"strings"
	"unsafe"

	"github.com/tidwall/btree"
)

// Tree maps keys to values in key order. Reads may run concurrently with each
// other and with Copy; writes need exclusive use.
//
// A value is never nil in a tree that is used as a plain map; overlay gives nil
// a meaning of its own.
type Tree struct {
	m     *btree.Map[string, []byte]
	top   string // no key is above it
	bytes int64  // of all keys and values
	gen   uint64 // changes with every key that comes or goes
}

// New returns an empty tree.
func New() *Tree { return &Tree{m: new(btree.Map[string, []byte])} }

// smallDegree makes nodes of at most 15 keys, instead of 63.
const smallDegree = 8

// NewSmall is New for a tree that is copied again and again with few writes between: what a
// write copies, the nodes on the way to its key, are small.
func NewSmall() *Tree { return &Tree{m: btree.NewMap[string, []byte](smallDegree)} }

// Copy returns an independent tree with the same content in O(1). It may run
// while others read t, but not while others copy it.
func (t *Tree) Copy() *Tree {
	return &Tree{m: t.m.IsoCopy(), top: t.top, bytes: t.bytes}
}

// Len returns the number of keys.
func (t *Tree) Len() int { return t.m.Len() }

// Bytes returns the size of all keys and values.
func (t *Tree) Bytes() int64 { return t.bytes }

// Version changes with every key that comes or goes, but not with a value.
func (t *Tree) Version() uint64 { return t.gen }

// Get returns the value of a key and whether the tree has it. It allocates
// nothing and keeps no reference to key.
func (t *Tree) Get(key []byte) (value []byte, ok bool) { return t.m.Get(text(key)) }

// Seek returns the first key at or above from that begins with prefix, and its value. It
// allocates nothing and keeps no reference to from and prefix.
func (t *Tree) Seek(from, prefix []byte) (key, value []byte, ok bool) {
	t.m.Ascend(text(from), func(k string, v []byte) bool {
		if ok = strings.HasPrefix(k, text(prefix)); ok {
			key, value = data(k), v
		}
		return false
	})
	return key, value, ok
}

// HasBetween reports whether the tree has a key between the bounds.
func (t *Tree) HasBetween(b Bounds) (found bool) {
	t.m.Ascend(text(b.From), func(key string, _ []byte) bool {
		found = b.Before(data(key))
		return false
	})
	return found
}

// Set sets a key and takes ownership of both slices. Ascending keys are
// appended without a search.
func (t *Tree) Set(key, value []byte) {
	k := text(key)
	var old []byte
	var replaced bool
	if k > t.top {
		t.m.Load(k, value)
		t.top = k
	} else {
		old, replaced = t.m.Set(k, value)
	}
	t.bytes += int64(len(value) - len(old))
	if !replaced {
		t.bytes += int64(len(key))
		t.gen++
	}
}

// Delete removes a key, if it is there. It keeps no reference to key.
func (t *Tree) Delete(key []byte) { t.remove(text(key)) }

func (t *Tree) remove(key string) {
	if old, ok := t.m.Delete(key); ok {
		t.bytes -= int64(len(key) + len(old))
		t.gen++
	}
}

// DeleteRange removes the keys between the bounds, in memory that does not
// depend on their number.
func (t *Tree) DeleteRange(b Bounds) {
	if b.All() {
		t.m.Clear()
		t.top, t.bytes = "", 0
		t.gen++
		return
	}
	var batch [256]string
	for {
		n := 0
		t.m.Ascend(text(b.From), func(key string, _ []byte) bool {
			if n == len(batch) || !b.Before(data(key)) {
				return false
			}
			batch[n] = key
			n++
			return true
		})
		for _, key := range batch[:n] {
			t.remove(key)
		}
		if n < len(batch) {
			return
		}
	}
}

// text is key as a string that shares its memory, for look-ups and for keys that
// the tree owns.
func text(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// data is key as bytes that share its memory and must not be modified.
func data(key string) []byte { return unsafe.Slice(unsafe.StringData(key), len(key)) }
