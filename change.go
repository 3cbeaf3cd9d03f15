package siftdb

// Change is what happened to one entry between two states.
type Change struct {
	Before *Entry // nil for an entry that was created
	After  *Entry // nil for an entry that was deleted
}

// ID returns the id of the entry, 0 for the zero Change.
func (c Change) ID() int64 {
	switch {
	case c.After != nil:
		return c.After.ID
	case c.Before != nil:
		return c.Before.ID
	}
	return 0
}

// Created reports whether the entry exists only after.
func (c Change) Created() bool { return c.Before == nil }

// Deleted reports whether the entry exists only before.
func (c Change) Deleted() bool { return c.After == nil }

// Updated reports whether the entry exists on both sides.
func (c Change) Updated() bool { return c.Before != nil && c.After != nil }
