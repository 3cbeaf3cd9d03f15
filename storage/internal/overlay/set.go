// Package overlay is the private write set of one Update function: what it put
// and deleted, kept in key order beside the state it was given, and read
// together with it.
package overlay

import (
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// Base is the state that a write set lies over. It must not change while the
// set is in use.
type Base interface {
	// Get is storage.Reader's.
	Get(ks storage.Keyspace, key []byte) ([]byte, error)
	// Scan returns a cursor over a range that is not empty. It keeps the bounds.
	Scan(ks storage.Keyspace, b tree.Bounds, reverse bool) Cursor
	// Seek is storage.Seeker's.
	Seek(ks storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error)
}

// Cursor is a cursor over a base.
type Cursor interface {
	storage.Cursor
	// Skip leaves out what lies before key in the direction of the walk: the next
	// key is the first at or above it, or in reverse the last below it.
	Skip(key []byte)
}

// Set is a write set and the storage.Writer that fills it. It is not safe for
// concurrent use.
type Set struct {
	base   Base
	spaces []*Space
}

// Space is the part of a write set that concerns one keyspace.
type Space struct {
	Name storage.Keyspace
	// Deleted are the ranges to delete from the base before Writes are made:
	// in order, and disjoint.
	Deleted []tree.Bounds
	// Writes are the keys put, and with a nil value the keys deleted.
	Writes *tree.Tree

	marks *marks // of the keys of Writes, in layers; nil marks all
}

// New returns an empty write set over base.
func New(base Base) *Set { return &Set{base: base} }

// Spaces returns the keyspaces written to, in the order of their first write.
func (s *Set) Spaces() []*Space { return s.spaces }

// Empty reports whether nothing was written.
func (s *Set) Empty() bool { return len(s.spaces) == 0 }

// Deletes reports whether the set does nothing but delete.
func (s *Set) Deletes() bool {
	for _, sp := range s.spaces {
		all := sp.Writes.Scan(tree.Bounds{}, false)
		for _, v, ok := all.Next(); ok; _, v, ok = all.Next() {
			if v != nil {
				return false
			}
		}
	}
	return true
}

// Keys returns how many keys and ranges the set holds.
func (s *Set) Keys() int {
	n := 0
	for _, sp := range s.spaces {
		n += sp.Writes.Len() + len(sp.Deleted)
	}
	return n
}

// Bytes returns the size of the keys and values that the set holds.
func (s *Set) Bytes() int64 {
	var n int64
	for _, sp := range s.spaces {
		n += sp.Writes.Bytes()
	}
	return n
}

// Get returns the value of a key as this set sees it.
func (s *Set) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	if sp := s.find(ks); sp != nil {
		if v, ok := sp.Writes.Get(key); ok {
			return v, nil
		}
		if sp.deleted(key) != nil {
			return nil, nil
		}
	}
	return s.base.Get(ks, key)
}

// Put sets a key and takes ownership of both slices.
func (s *Set) Put(ks storage.Keyspace, key, value []byte) error {
	if len(key) == 0 || len(key) > storage.MaxKeySize {
		return storage.ErrKeySize
	}
	if value == nil {
		value = []byte{}
	}
	s.space(ks).Writes.Set(key, value)
	return nil
}

// Delete removes a key.
func (s *Set) Delete(ks storage.Keyspace, key []byte) error {
	if len(key) == 0 || len(key) > storage.MaxKeySize {
		return nil // no such key can exist
	}
	sp := s.space(ks)
	if sp.deleted(key) != nil {
		sp.Writes.Delete(key)
		return nil
	}
	sp.Writes.Set(append([]byte(nil), key...), nil)
	return nil
}

// DeleteRange removes the keys in [from, to).
func (s *Set) DeleteRange(ks storage.Keyspace, from, to []byte) error {
	b := tree.Bounds{From: from, To: to}
	if b.Empty() {
		return nil
	}
	sp := s.space(ks)
	sp.Writes.DeleteRange(b)
	sp.remember(b.Clone())
	return nil
}

// Scan returns a cursor over the keys as this set sees them.
func (s *Set) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	b := tree.Bounds{From: from, To: to}
	if b.Empty() {
		return none{}
	}
	b = b.Clone()
	sp := s.find(ks)
	if sp == nil {
		return s.base.Scan(ks, b, reverse)
	}
	return newMerged(sp, s.base.Scan(ks, b, reverse), b, reverse)
}

func (s *Set) find(ks storage.Keyspace) *Space {
	for _, sp := range s.spaces {
		if sp.Name == ks {
			return sp
		}
	}
	return nil
}

// space is find, for writing.
func (s *Set) space(ks storage.Keyspace) *Space {
	if sp := s.find(ks); sp != nil {
		return sp
	}
	sp := &Space{Name: ks, Writes: tree.New()}
	s.spaces = append(s.spaces, sp)
	return sp
}

// none is a cursor over nothing.
type none struct{}

func (none) Next() (key, value []byte, ok bool) { return nil, nil, false }
func (none) Err() error                         { return nil }
