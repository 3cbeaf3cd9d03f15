package siftdb

import (
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// readIndex is an index that a reading may use, in one slice.
type readIndex struct {
	number int64
	def    *index.Def
	bound  *index.Bound // against the columns of now
	stats  index.Stats
	// hashed says that keys are hashed, as those of encrypted data sources are: the index
	// finds entries by whole keys (equal), and knows no order and no beginnings.
	hashed bool

	source int64
	end    int64 // ids from here on do not count
	hasher *sealed.Hasher
}

// indexes returns the indexes that the reading may use: those that are ready, as they are
// now, and on columns that are not hidden from whoever reads. They hold the entries of now:
// what was touched since the state that is read is not to be looked for in them.
func (rd *reading) indexes(r storage.Reader) ([]*readIndex, error) {
	head, src := rd.st.head, rd.st.source
	if head.Indexes == "" {
		return nil, nil
	}
	known, err := rd.ds.db.catalog.boundIndexes(src, head.Indexes)
	if err != nil {
		return nil, err
	}
	list := make([]*readIndex, 0, len(known.bound))
	for i, s := range known.states.List {
		bound := known.bound[i]
		if bound == nil || src.hidesField(bound.Def()) {
			continue
		}
		x := &readIndex{number: s.Number, def: bound.Def(), bound: bound, stats: statsOf(s.Counts),
			hashed: s.Cipher != 0, source: rd.ds.id, end: head.NextID}
		if x.hasher, err = rd.ds.db.indexHasher(r, rd.ds.id, s.Cipher); err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// boundIndexes are the indexes of a data source, with those that are ready bound to its
// columns; nil stands for the others. It is immutable.
type boundIndexes struct {
	src    *source
	text   string // the states, as a head has them
	states layout.Indexes
	bound  []*index.Bound
	equal  *equalNames   // on these indexes
	hints  []*equalHints // of each index; none where this is not kept
}

// boundIndexes reads the states of the indexes of a source, and binds them. What was bound
// last for the source in the cache is used again as long as it is that.
func (c *catalog) boundIndexes(src *source, text string) (*boundIndexes, error) {
	var known *boundIndexes
	if held, ok := c.bounds.Load(src.id); ok {
		if known = held.(*boundIndexes); known.src == src && known.text == text {
			return known, nil
		}
	}
	b := &boundIndexes{src: src, text: text, equal: new(equalNames)}
	var err error
	if b.states, err = layout.DecodeIndexes(text); err != nil {
		return nil, err
	}
	if known != nil && known.src == src && sameIndexes(known.states, b.states) { // only counts are others
		b.bound, b.equal = known.bound, known.equal
	} else {
		b.bind()
	}
	if src.veil == nil && c.cached(src.id) == src {
		b.hints = hintsOf(known, b.states)
		c.bounds.Store(src.id, b)
	}
	return b, nil
}

// bind binds the indexes that are ready.
func (b *boundIndexes) bind() {
	b.bound = make([]*index.Bound, len(b.states.List))
	for i, s := range b.states.List {
		if def := b.src.index(s.Number); s.Phase == layout.IndexReady && def != nil {
			b.bound[i] = def.Bind(b.src.schema())
		}
	}
}

// sameIndexes reports whether two states are of the same indexes, and as far.
func sameIndexes(a, b layout.Indexes) bool {
	return slices.EqualFunc(a.List, b.List, func(a, b layout.IndexState) bool { return a.Number == b.Number && a.Phase == b.Phase })
}

// hidesField reports whether a field of an index is, or lies in, a column that the veil
// hides. Then the index knows more than its reader.
func (s *source) hidesField(def *index.Def) bool {
	if s.veil == nil {
		return false
	}
	for _, f := range def.Fields {
		name := strings.TrimPrefix(f.Name, "data.")
		for dot := len(name); dot >= 0; dot = strings.LastIndexByte(name, '.') {
			if name = name[:dot]; s.veil.hides(name) {
				return true
			}
		}
	}
	return false
}

// scan returns the entries under keys in [from, to), in the order of keys; nil bounds are
// open. The index must not be hashed.
func (x *readIndex) scan(r storage.Reader, from, to []byte, reverse bool) *indexCursor {
	lo, hi := layout.IndexRange(x.source, x.number)
	if from != nil {
		lo = append(layout.AppendIndexPrefix(nil, x.source, x.number), from...)
	}
	if to != nil {
		hi = append(layout.AppendIndexPrefix(nil, x.source, x.number), to...)
	}
	return &indexCursor{c: r.Scan(layout.Index, lo, hi, reverse), end: x.end, reverse: reverse}
}

// equal returns the entries under one key, by ascending ids.
func (x *readIndex) equal(r storage.Reader, key []byte) *indexCursor {
	if x.hasher != nil {
		key = x.hasher.Append(nil, x.number, key)
	}
	lo, hi := layout.IndexHolders(layout.IndexKey(x.source, x.number, key, 0))
	return &indexCursor{c: r.Scan(layout.Index, lo, hi, false), end: x.end}
}

// indexCursor walks an index.
type indexCursor struct {
	c       storage.Cursor
	end     int64
	reverse bool

	key []byte  // of a block that is being walked
	ids []int64 // of it, reversed when the walk is
	at  int     // in ids
	err error
}

// Next returns a key and an entry that it lists, as the index has it; ok is false at the end
// or after an error. An entry comes once under each of its keys. The key is the storage's:
// valid until the transaction ends.
func (c *indexCursor) Next() (key []byte, id int64, ok bool) {
	for {
		for c.at < len(c.ids) {
			id := c.ids[c.at]
			if c.at++; id < c.end {
				return c.key, id, true
			}
		}
		stored, value, ok := c.c.Next()
		if !ok || c.err != nil {
			return nil, 0, false
		}
		_, key, id, ok := layout.IndexParts(stored)
		switch {
		case !ok:
		case len(value) > 0:
			c.block(stored, key, value)
		case id < c.end:
			return key, id, true
		}
	}
}

// block begins to walk a block.
func (c *indexCursor) block(stored, key, value []byte) {
	c.key, c.at = key, 0
	c.ids, c.err = layout.ReadPostings(c.ids[:0], stored, value)
	if c.reverse {
		slices.Reverse(c.ids)
	}
}

// Err returns the error that ended the walk, nil at a plain end.
func (c *indexCursor) Err() error { return firstError(c.err, c.c.Err()) }
