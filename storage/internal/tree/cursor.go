package tree

import (
	"bytes"

	"github.com/tidwall/btree"
)

// Cursor walks the keys of a tree between two bounds, in either direction. The
// tree may be written during the walk: keys that come or go ahead of the cursor
// are seen or not, and nothing is returned twice or out of order.
type Cursor struct {
	tree    *Tree
	bounds  Bounds
	reverse bool
	iter    btree.MapIter[string, []byte]
	gen     uint64
	last    []byte // the key the walk has reached, nil before the first
	state   int8
}

const (
	cursorNew    = iota // iter is not placed
	cursorPlaced        // iter stands on last
	cursorEnd
)

// Scan returns a cursor. It keeps the bounds; the caller must not modify them.
func (t *Tree) Scan(b Bounds, reverse bool) *Cursor {
	c := new(Cursor)
	c.Init(t, b, reverse)
	return c
}

// Init makes c what Scan returns, for a cursor that is part of another value.
func (c *Cursor) Init(t *Tree, b Bounds, reverse bool) {
	*c = Cursor{tree: t, bounds: b, reverse: reverse}
	if b.Empty() {
		c.state = cursorEnd
	}
}

// Next returns the next key and its value, which share the tree's memory.
func (c *Cursor) Next() (key, value []byte, ok bool) {
	switch {
	case c.state == cursorEnd:
		return nil, nil, false
	case c.state == cursorNew || c.gen != c.tree.gen:
		ok = c.place()
	case c.reverse:
		ok = c.iter.Prev()
	default:
		ok = c.iter.Next()
	}
	if ok {
		key = data(c.iter.Key())
		ok = c.within(key)
	}
	if !ok {
		c.state = cursorEnd
		return nil, nil, false
	}
	c.state, c.last = cursorPlaced, key
	return key, c.iter.Value(), true
}

// Err returns nil: walking memory cannot fail.
func (c *Cursor) Err() error { return nil }

// After makes the cursor go on behind key, which need not be in the tree, or
// start again when key is nil.
func (c *Cursor) After(key []byte) {
	if !c.bounds.Empty() {
		c.state, c.last = cursorNew, key
	}
}

// Skip leaves out what lies before key in the direction of the walk. It keeps the key.
func (c *Cursor) Skip(key []byte) {
	if c.state == cursorEnd {
		return
	}
	b := c.bounds
	if c.reverse {
		b.To = key
	} else {
		b.From = key
	}
	c.Init(c.tree, b, c.reverse)
}

func (c *Cursor) within(key []byte) bool {
	if c.reverse {
		return bytes.Compare(key, c.bounds.From) >= 0
	}
	return c.bounds.Before(key)
}

// place seeks the first key of the rest of the walk.
func (c *Cursor) place() bool {
	c.gen = c.tree.gen
	c.iter = c.tree.m.Iter()
	if !c.reverse {
		if c.last == nil {
			return c.iter.Seek(text(c.bounds.From))
		}
		ok := c.iter.Seek(text(c.last))
		if ok && c.iter.Key() == text(c.last) {
			ok = c.iter.Next()
		}
		return ok
	}
	to := c.last
	if to == nil {
		to = c.bounds.To
	}
	if to != nil && c.iter.Seek(text(to)) {
		return c.iter.Prev()
	}
	c.iter = c.tree.m.Iter()
	return c.iter.Last()
}
