package tree

import "bytes"

// Bounds is the range [From, To) of keys: a nil From means the first key, a nil
// To means past the last.
type Bounds struct {
	From, To []byte
}

// Clone returns bounds that share no memory with b.
func (b Bounds) Clone() Bounds {
	return Bounds{bytes.Clone(b.From), bytes.Clone(b.To)}
}

// Empty reports whether no key can lie between the bounds.
func (b Bounds) Empty() bool {
	return b.To != nil && bytes.Compare(b.From, b.To) >= 0
}

// All reports whether every key lies between the bounds.
func (b Bounds) All() bool { return len(b.From) == 0 && b.To == nil }

// Contains reports whether key lies between the bounds.
func (b Bounds) Contains(key []byte) bool {
	return bytes.Compare(key, b.From) >= 0 && b.Before(key)
}

// Before reports whether key lies before the upper bound.
func (b Bounds) Before(key []byte) bool {
	return b.To == nil || bytes.Compare(key, b.To) < 0
}

// Prefixed returns the range of the keys that begin with prefix, in memory of its own.
func Prefixed(prefix []byte) Bounds {
	b := Bounds{From: bytes.Clone(prefix), To: bytes.Clone(prefix)}
	for i := len(b.To) - 1; i >= 0; i-- {
		if b.To[i]++; b.To[i] != 0 {
			b.To = b.To[:i+1]
			return b
		}
	}
	b.To = nil
	return b
}
