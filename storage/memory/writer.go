package memory

import (
	"errors"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// errDone is returned by a writer whose function has returned.
var errDone = errors.New("storage: writer used after its function returned")

// writer is a snapshot in the making. It shares the trees of the one before it
// until it writes to them.
type writer struct {
	snapshot
	own     []bool // spaces[i].tree is a copy that only this writer knows
	copying *sync.Mutex
	changed bool
	done    bool
}

func newWriter(s *snapshot, copying *sync.Mutex) *writer {
	return &writer{
		snapshot: snapshot{slices.Clone(s.spaces)},
		own:      make([]bool, len(s.spaces)),
		copying:  copying,
	}
}

// space returns the tree of a keyspace for writing, nil when it was never
// written and make is false.
func (w *writer) space(ks storage.Keyspace, make bool) *tree.Tree {
	for i := range w.spaces {
		sp := &w.spaces[i]
		if sp.name != ks {
			continue
		}
		if !w.own[i] {
			w.copying.Lock()
			sp.tree = sp.tree.Copy()
			w.copying.Unlock()
			w.own[i], w.changed = true, true
		}
		return sp.tree
	}
	if !make {
		return nil
	}
	t := tree.New()
	w.spaces = append(w.spaces, space{ks, t})
	w.own = append(w.own, true)
	w.changed = true
	return t
}

// Put sets a key and takes ownership of both slices.
func (w *writer) Put(ks storage.Keyspace, key, value []byte) error {
	switch {
	case w.done:
		return errDone
	case len(key) == 0 || len(key) > storage.MaxKeySize:
		return storage.ErrKeySize
	case value == nil:
		value = []byte{}
	}
	w.space(ks, true).Set(key, value)
	return nil
}

// Delete removes a key.
func (w *writer) Delete(ks storage.Keyspace, key []byte) error {
	if w.done {
		return errDone
	}
	if t := w.space(ks, false); t != nil {
		t.Delete(key)
	}
	return nil
}

// DeleteRange removes the keys in [from, to).
func (w *writer) DeleteRange(ks storage.Keyspace, from, to []byte) error {
	if w.done {
		return errDone
	}
	b := tree.Bounds{From: from, To: to}
	if t := w.space(ks, false); t != nil && !b.Empty() {
		t.DeleteRange(b)
	}
	return nil
}
