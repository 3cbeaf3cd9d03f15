package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage/internal/tree"
)

// cursor walks a bucket between two bounds. The bucket does not change meanwhile.
type cursor struct {
	bolt    *bbolt.Cursor
	bounds  tree.Bounds
	reverse bool
	dirty   bool // the transaction has writes: leaves may be empty
	state   uint8
	last    []byte // the key returned last
	err     error
}

const (
	unplaced = iota
	placed
	ended
)

// Next returns the next key and its value, in the memory of the file.
func (c *cursor) Next() (key, value []byte, ok bool) {
	switch {
	case c.state == ended:
		return nil, nil, false
	case c.state == unplaced:
		key, value = c.place()
	case c.reverse:
		key, value = c.prev(c.last)
	default:
		key, value = c.bolt.Next()
	}
	if key == nil || !c.within(key) {
		c.state = ended
		return nil, nil, false
	}
	c.state, c.last = placed, key
	return key, value, true
}

// Err returns the error that ended the walk.
func (c *cursor) Err() error { return c.err }

// Skip leaves out what lies before key in the direction of the walk.
func (c *cursor) Skip(key []byte) {
	if c.state == ended {
		return
	}
	c.state = unplaced
	if c.reverse {
		c.bounds.To = key
	} else {
		c.bounds.From = key
	}
}

func (c *cursor) within(key []byte) bool {
	if c.reverse {
		return bytes.Compare(key, c.bounds.From) >= 0
	}
	return c.bounds.Before(key)
}

// place finds the first key of the walk.
func (c *cursor) place() (key, value []byte) {
	switch {
	case !c.reverse:
		return c.bolt.Seek(c.bounds.From)
	case c.bounds.To != nil:
		if key, _ = c.bolt.Seek(c.bounds.To); key != nil {
			return c.prev(c.bounds.To)
		}
	}
	// bbolt's Last does not return from a bucket that has only empty leaves.
	if c.dirty {
		if key, _ = c.bolt.First(); key == nil {
			return nil, nil
		}
	}
	return c.bolt.Last()
}

// prev returns the greatest key below key, where the cursor stands. bbolt's Prev
// returns nil at an empty leaf, and goes on when it is called again.
func (c *cursor) prev(key []byte) (k, v []byte) {
	k, v = c.bolt.Prev()
	if k != nil || !c.dirty {
		return k, v
	}
	first, _ := c.bolt.Bucket().Cursor().First()
	if first == nil || bytes.Compare(first, key) >= 0 {
		return nil, nil
	}
	for k == nil {
		k, v = c.bolt.Prev()
	}
	return k, v
}
