package sealed

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// HashSize is the length of what Hasher.Append appends.
const HashSize = 16

// Hasher makes keys of indexes unreadable: it puts a keyed hash in their place. So keys
// that are the same still are, and nothing else can be told from them; their order is lost.
// A Hasher is for one goroutine.
type Hasher struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// Hasher returns what the keys of the indexes of a data source are hashed with under one of
// its data keys.
func (r *Ring) Hasher(in storage.Reader, source int64, number byte) (*Hasher, error) {
	keys, err := r.find(Raw(in), source)
	if err != nil {
		return nil, err
	}
	if keys == nil || keys.hashes[number] == nil {
		return nil, errs.New(errs.Corrupt, "an index of data source %d is hashed with a key that is not among those of the data source", source)
	}
	return &Hasher{mac: hmac.New(sha256.New, keys.hashes[number])}, nil
}

// Append appends the hash of a key of an index: HMAC-SHA-256 over the number of the index
// and the key, cut to HashSize. The same key in another index has another hash.
func (h *Hasher) Append(dst []byte, index int64, key []byte) []byte {
	h.mac.Reset()
	h.mac.Write(layout.AppendIndexPrefix(h.sum[:0], 0, index))
	h.mac.Write(key)
	return append(dst, h.mac.Sum(h.sum[:0])[:HashSize]...)
}

// hashKey derives the key for hashes from a data key.
func hashKey(dataKey []byte) []byte {
	mac := hmac.New(sha256.New, dataKey)
	mac.Write([]byte("siftdb keys of indexes"))
	return mac.Sum(nil)
}
