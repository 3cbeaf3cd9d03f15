package overlay

import (
	"bytes"

	"github.com/siftdb/siftdb/storage/internal/tree"
)

// merged walks a base and the write set over it as one.
type merged struct {
	space     *Space
	reverse   bool
	base      Cursor
	writes    tree.Cursor
	baseHead  head
	writeHead head
	bounds    tree.Bounds
	version   uint64 // of the writes when writeHead was read
	last      []byte // the key the walk has reached
}

// head is a key that was read ahead.
type head struct {
	key, value []byte
	ok, read   bool
}

func newMerged(sp *Space, base Cursor, b tree.Bounds, reverse bool) *merged {
	m := &merged{space: sp, reverse: reverse, base: base, bounds: b, version: sp.Writes.Version()}
	m.writes.Init(sp.Writes, b, reverse)
	return m
}

func (m *merged) Next() (key, value []byte, ok bool) {
	for {
		m.fill()
		own := m.writeHead.ok
		if own && m.baseHead.ok {
			c := bytes.Compare(m.writeHead.key, m.baseHead.key)
			if m.reverse {
				c = -c
			}
			own = c <= 0
			m.baseHead.read = m.baseHead.read && c != 0 // hidden by the write
		}
		h := &m.baseHead
		if own {
			h = &m.writeHead
		}
		if !h.ok || m.base.Err() != nil {
			return nil, nil, false
		}
		h.read = false
		m.last = h.key
		if h.value != nil {
			return h.key, h.value, true
		}
	}
}

func (m *merged) Err() error { return m.base.Err() }

// Skip leaves out what lies before key in the direction of the walk.
func (m *merged) Skip(key []byte) {
	if m.reverse {
		m.bounds.To = key
	} else {
		m.bounds.From = key
	}
	m.writes.Init(m.space.Writes, m.bounds, m.reverse)
	m.base.Skip(key)
	m.last, m.version = nil, m.space.Writes.Version()
	m.writeHead, m.baseHead = head{}, head{}
}

// fill reads both heads where they were used up.
func (m *merged) fill() {
	if v := m.space.Writes.Version(); v != m.version {
		// A write since the last call may have come between the last key and
		// the head, so look again from the last key.
		m.version = v
		m.writeHead.read = false
		m.writes.After(m.last)
	}
	if h := &m.writeHead; !h.read {
		h.key, h.value, h.ok = m.writes.Next()
		h.read = true
	}
	for !m.baseHead.read {
		h := &m.baseHead
		h.key, h.value, h.ok = m.base.Next()
		h.read = true
		if !h.ok {
			return
		}
		if r := m.space.deleted(h.key); r != nil {
			h.read = !m.skip(r)
		}
	}
}

// skip moves the base past a deleted range. It reports false when nothing can
// follow.
func (m *merged) skip(r *tree.Bounds) bool {
	edge := r.To
	if m.reverse {
		edge = r.From
	}
	if len(edge) == 0 {
		m.baseHead.ok = false
		return false
	}
	m.base.Skip(edge)
	return true
}
