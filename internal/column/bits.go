package column

import "math/bits"

// Bits is a set of small numbers, such as rows or codes.
type Bits []uint64

// NewBits returns an empty set with room for the numbers below n.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// Has reports whether a number is in the set; numbers beyond its room are not.
func (b Bits) Has(i int) bool { return i>>6 < len(b) && b[i>>6]>>(i&63)&1 != 0 }

// Set adds a number, for which there must be room.
func (b Bits) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// Count returns how many numbers are in the set.
func (b Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// None reports whether the set is empty.
func (b Bits) None() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// And leaves what is in the other set too, which has the same room.
func (b Bits) And(o Bits) {
	for i := range b {
		b[i] &= o[i]
	}
}

// Or adds what is in the other set, which has the same room.
func (b Bits) Or(o Bits) {
	for i := range b {
		b[i] |= o[i]
	}
}

// AndNot takes out what is in the other set, which has the same room.
func (b Bits) AndNot(o Bits) {
	for i := range b {
		b[i] &^= o[i]
	}
}

// Clear takes a number out.
func (b Bits) Clear(i int) { b[i>>6] &^= 1 << (i & 63) }

// Not replaces the set by the numbers below n that are not in it.
func (b Bits) Not(n int) {
	for i := range b {
		b[i] = ^b[i]
	}
	if rest := n & 63; rest != 0 && len(b) > 0 {
		b[len(b)-1] &= 1<<rest - 1
	}
}

// Each calls fn with the numbers from from on, ascending, until it returns false.
func (b Bits) Each(from int, fn func(int) bool) {
	for w := from >> 6; w < len(b); w++ {
		word := b[w]
		if w == from>>6 {
			word &= ^uint64(0) << (from & 63)
		}
		for word != 0 {
			if !fn(w<<6 + bits.TrailingZeros64(word)) {
				return
			}
			word &= word - 1
		}
	}
}
