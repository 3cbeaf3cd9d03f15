package overlay

import (
	"slices"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// Layer is what committed write sets wrote, one after the other, to a state that lies below.
// A layer that is read by others must not be changed; a copy of it may be.
type Layer struct {
	spaces []*Space
	own    []bool // spaces[i] shares nothing with the layer that this one is a copy of
}

// NewLayer returns an empty layer.
func NewLayer() *Layer { return new(Layer) }

// Copy returns an independent layer with the same content, in a time that does not depend on
// its size. It may run while others read l, but not while others copy it.
func (l *Layer) Copy() *Layer {
	return &Layer{spaces: slices.Clone(l.spaces), own: make([]bool, len(l.spaces))}
}

// Spaces returns the keyspaces written to; of no layer there are none.
func (l *Layer) Spaces() []*Space {
	if l == nil {
		return nil
	}
	return l.spaces
}

// Empty reports whether nothing was written.
func (l *Layer) Empty() bool { return len(l.spaces) == 0 }

// What a key and a deleted range weigh beside their bytes. A range is copied with each
// layer, so there must not be many.
const (
	keyWeight   = 64
	rangeWeight = 16 << 10
)

// Weight returns about how many bytes of memory the layer takes.
func (l *Layer) Weight() (n int64) {
	for _, sp := range l.Spaces() {
		n += sp.Writes.Bytes() + keyWeight*int64(sp.Writes.Len()) + rangeWeight*int64(len(sp.Deleted))
	}
	return n
}

// Apply makes the writes of a set, or of the layer above, which must not be changed any more.
func (l *Layer) Apply(spaces []*Space) {
	for _, sp := range spaces {
		to := l.space(sp.Name)
		for _, d := range sp.Deleted {
			to.deleteRange(d)
		}
		all := sp.Writes.Scan(tree.Bounds{}, false)
		for k, v, ok := all.Next(); ok; k, v, ok = all.Next() {
			to.write(k, v)
		}
	}
}

// deleteRange deletes the keys between bounds that it keeps.
func (sp *Space) deleteRange(b tree.Bounds) {
	sp.Writes.DeleteRange(b)
	sp.remember(b)
}

// write puts a key, or deletes it when the value is nil.
func (sp *Space) write(key, value []byte) {
	if value == nil && sp.deleted(key) != nil {
		sp.Writes.Delete(key)
		return
	}
	sp.mark(key)
	sp.Writes.Set(key, value)
}

// space returns a keyspace for writing.
func (l *Layer) space(ks storage.Keyspace) *Space {
	for i, sp := range l.spaces {
		if sp.Name != ks {
			continue
		}
		if !l.own[i] {
			sp = &Space{Name: ks, Deleted: slices.Clone(sp.Deleted), Writes: sp.Writes.Copy(), marks: sp.marks}
			l.spaces[i], l.own[i] = sp, true
		}
		return sp
	}
	sp := &Space{Name: ks, Writes: tree.NewSmall()}
	l.spaces = append(l.spaces, sp)
	l.own = append(l.own, true)
	return sp
}

// Over returns the layer laid over a base, as another one. It shows what is applied to the
// layer later, except to cursors.
func (l *Layer) Over(base Base) Base { return &over{l, base} }

// over reads a layer and what lies below it as one.
type over struct {
	layer *Layer
	base  Base
}

func (o *over) find(ks storage.Keyspace) *Space {
	for _, sp := range o.layer.spaces {
		if sp.Name == ks {
			return sp
		}
	}
	return nil
}

// Get returns the value of a key. It allocates nothing.
func (o *over) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	if sp := o.find(ks); sp != nil {
		if v, ok := sp.get(key); ok {
			return v, nil
		}
		if sp.deleted(key) != nil {
			return nil, nil
		}
	}
	return o.base.Get(ks, key)
}

// Scan returns a cursor over a range that is not empty. It keeps the bounds.
func (o *over) Scan(ks storage.Keyspace, b tree.Bounds, reverse bool) Cursor {
	sp := o.find(ks)
	if sp == nil || !sp.touches(b) {
		return o.base.Scan(ks, b, reverse)
	}
	return newMerged(sp, o.base.Scan(ks, b, reverse), b, reverse)
}

// Stack is up to two layers over a base, in one piece of memory.
type Stack struct {
	over   [2]over
	reader reader
}

// Over returns a base and the layers over it as one storage.Reader; nil is no layer. It makes use
// of the stack, which must not be used again.
func (s *Stack) Over(base Base, upper, lower *Layer) storage.Reader {
	for i, l := range []*Layer{lower, upper} {
		if l != nil {
			s.over[i] = over{l, base}
			base = &s.over[i]
		}
	}
	s.reader = reader{base}
	return &s.reader
}

// reader is a base as a storage.Reader.
type reader struct{ Base }

// Scan returns a cursor over a range of keys.
func (r reader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	b := tree.Bounds{From: from, To: to}
	if b.Empty() {
		return none{}
	}
	return r.Base.Scan(ks, b.Clone(), reverse)
}
