package layout

import (
	"encoding/binary"
	"math"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// A trigram index lists entries in blocks. The entry in the key of a block is the last one of
// it, or OpenBlock in the last block of a list, to which entries come: so this is found by its
// key, and the block of any other entry is the first one from that entry on. The value of a
// block is an envelope of the first entry, and of the distances from each to the next. Blocks of
// a list do not overlap. An empty value is a block of the entry in the key alone; so the keys of
// other indexes are lists, too, and so are those of trigram indexes before there were blocks.

const (
	// OpenBlock stands for the entry in the key of the last block of a list.
	OpenBlock = math.MaxInt64
	// MaxPostings is how many entries a block lists at most.
	MaxPostings = 128
)

var postingSealer = document.NewSealer(string(Index))

// AppendPostings appends the value of a block of an index: ids, which ascend and are at least
// one. The key is that of the block.
func AppendPostings(dst, key []byte, ids []int64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, document.EnvelopeSize)...)
	last := int64(0)
	for _, id := range ids {
		dst = binary.AppendUvarint(dst, uint64(id-last))
		last = id
	}
	postingSealer.SealInPlace(dst[start:], key, 0)
	return dst
}

// ReadPostings appends to dst the ids that a key of an index and its value list, ascending.
func ReadPostings(dst []int64, key, value []byte) ([]int64, error) {
	_, _, last, ok := IndexParts(key)
	if ok && len(value) == 0 && last != OpenBlock {
		return append(dst, last), nil
	}
	flags, payload, _, err := postingSealer.Open(key, value)
	if err != nil {
		return dst, err
	}
	id, from := int64(0), len(dst)
	for len(payload) > 0 {
		step, n := uint64(payload[0]), 1
		if step >= 0x80 {
			step, n = binary.Uvarint(payload)
		}
		if n <= 0 || step > uint64(OpenBlock-1-id) || step == 0 && len(dst) > from {
			return dst[:from], badPostings(key)
		}
		id += int64(step)
		dst = append(dst, id)
		payload = payload[n:]
	}
	if n := len(dst) - from; !ok || flags != 0 || n == 0 || n > MaxPostings || last != OpenBlock && last != id {
		return dst[:from], badPostings(key)
	}
	return dst, nil
}

func badPostings(key []byte) error {
	return errs.New(errs.Corrupt, "the entries under key %x in keyspace %q cannot be read", key, Index)
}

// SetIndexID replaces the entry in an index key.
func SetIndexID(stored []byte, id int64) {
	binary.BigEndian.PutUint64(stored[len(stored)-8:], uint64(id))
}
