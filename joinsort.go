package siftdb

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// sortedKeys sorts keys and drops those that are there twice. What they have in common at the
// beginning is passed over, and most are told apart by the few bytes after it, as numbers.
func sortedKeys(keys [][]byte) [][]byte {
	if len(keys) > math.MaxUint16 {
		slices.SortFunc(keys, bytes.Compare)
		return slices.CompactFunc(keys, bytes.Equal)
	}
	common := commonPrefix(keys)
	marks := make([]uint64, len(keys))
	for i, key := range keys {
		var first [8]byte
		copy(first[:6], key[common:])
		marks[i] = binary.BigEndian.Uint64(first[:]) | uint64(i)
	}
	slices.Sort(marks)
	sorted := make([][]byte, len(keys))
	from := 0 // of those that begin alike
	for i, m := range marks {
		if sorted[i] = keys[m&math.MaxUint16]; m>>16 != marks[from]>>16 {
			sortTail(sorted[from:i])
			from = i
		}
	}
	sortTail(sorted[from:])
	return slices.CompactFunc(sorted, bytes.Equal)
}

func sortTail(keys [][]byte) {
	if len(keys) > 1 {
		slices.SortFunc(keys, bytes.Compare)
	}
}

// commonPrefix returns how many bytes all keys have in common at the beginning.
func commonPrefix(keys [][]byte) int {
	if len(keys) == 0 {
		return 0
	}
	first := keys[0]
	n := len(first)
	for _, key := range keys[1:] {
		n = min(n, len(key))
		for i := range n {
			if key[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}
