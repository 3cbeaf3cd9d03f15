package memory

import (
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// snapshot is the content after one commit, and the storage.Reader of it. Once
// published it is never changed; the trees' own copy-on-write marks are all that
// is written to it, under Store.copying, and no reader looks at those.
type snapshot struct {
	spaces []space
}

// space is one keyspace.
type space struct {
	name storage.Keyspace
	tree *tree.Tree
}

// find returns the tree of a keyspace, nil when it was never written.
func (s *snapshot) find(ks storage.Keyspace) *tree.Tree {
	for i := range s.spaces {
		if s.spaces[i].name == ks {
			return s.spaces[i].tree
		}
	}
	return nil
}

// Get returns the value of a key. It allocates nothing.
func (s *snapshot) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	t := s.find(ks)
	if t == nil {
		return nil, nil
	}
	v, _ := t.Get(key)
	return v, nil
}

// Seek returns the first key that begins with prefix.
func (s *snapshot) Seek(ks storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error) {
	if t := s.find(ks); t != nil {
		key, value, ok = t.Seek(prefix, prefix)
	}
	return key, value, ok, nil
}

// Scan returns a cursor over a range of keys.
func (s *snapshot) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	b := tree.Bounds{From: from, To: to}
	t := s.find(ks)
	if t == nil || b.Empty() {
		return nothing
	}
	return t.Scan(b.Clone(), reverse)
}

// nothing is a cursor at its end, which is never changed.
var nothing = new(tree.Tree).Scan(tree.Bounds{To: []byte{}}, false)

func (s *snapshot) fork() *snapshot {
	f := &snapshot{spaces: make([]space, len(s.spaces))}
	for i, sp := range s.spaces {
		f.spaces[i] = space{sp.name, sp.tree.Copy()}
	}
	return f
}

func (s *snapshot) bytes() (n int64) {
	for _, sp := range s.spaces {
		n += sp.tree.Bytes()
	}
	return n
}
