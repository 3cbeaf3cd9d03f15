package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// KeySize is the length of keys in bytes, of the host's and of data keys.
const KeySize = 32

// NewKey returns a new data key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails
	return key
}

// Wrap encrypts a data key under a key of the host, for one place.
func Wrap(hostKey, dataKey []byte, place string) ([]byte, error) {
	c, err := newCipher(hostKey)
	if err != nil {
		return nil, err
	}
	return c.Seal(nil, nil, dataKey, []byte(place)), nil
}

// Unwrap is the inverse of Wrap. It fails with NoKey when the host's key is another.
func Unwrap(hostKey, wrapped []byte, place string) ([]byte, error) {
	c, err := newCipher(hostKey)
	if err != nil {
		return nil, err
	}
	key, err := c.Open(nil, nil, wrapped, []byte(place))
	if err != nil {
		return nil, errs.New(errs.NoKey, "the key is not the one that it was encrypted with")
	}
	return key, nil
}

func newCipher(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, errs.New(errs.InvalidInput, "a key has %d bytes, and must have %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Ring holds the data keys that are known, ready to be used. It is safe for concurrent
// use; the zero Ring is empty.
type Ring struct {
	mu      sync.RWMutex
	ciphers map[string]cipher.AEAD // by the wrapped key
	hashes  map[string][]byte      // the keys for hashes, likewise
	sources map[int64]*sourceKeys  // as last met
}

// Add makes a data key known.
func (r *Ring) Add(wrapped, dataKey []byte) error {
	c, err := newCipher(dataKey)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ciphers == nil {
		r.ciphers, r.hashes = make(map[string]cipher.AEAD), make(map[string][]byte)
	}
	r.ciphers[string(wrapped)], r.hashes[string(wrapped)] = c, hashKey(dataKey)
	return nil
}

// WriteKeys stores what a data source is encrypted with, with a proof by the last of the keys:
// nobody without it can change what is stored there.
func (r *Ring) WriteKeys(w storage.Writer, source int64, k layout.SourceKeys) error {
	c, err := r.prover(source, k)
	if err != nil {
		return err
	}
	k.Proof = c.Seal(nil, nil, nil, proven(source, k))
	return layout.WriteKeys(w, source, k)
}

// check holds the keys of a data source against their proof.
func (r *Ring) check(source int64, k layout.SourceKeys) error {
	c, err := r.prover(source, k)
	if err != nil {
		return err
	}
	if _, err := c.Open(nil, nil, k.Proof, proven(source, k)); err != nil {
		return errs.New(errs.Corrupt, "what data source %d is encrypted with is not what was stored", source)
	}
	return nil
}

// prover returns the last of the keys.
func (r *Ring) prover(source int64, k layout.SourceKeys) (cipher.AEAD, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(k.Keys) > 0 {
		if c := r.ciphers[string(k.Keys[len(k.Keys)-1].Wrapped)]; c != nil {
			return c, nil
		}
	}
	return nil, errs.New(errs.NoKey, "data source %d is encrypted with a key that is not known", source)
}

// proven is what a proof is over.
func proven(source int64, k layout.SourceKeys) []byte {
	return layout.AppendKeys(binary.BigEndian.AppendUint64([]byte("siftdb keys "), uint64(source)), k)
}

// sourceKeys are the keys of a data source, ready to be used. They are immutable.
type sourceKeys struct {
	record  []byte      // which says so
	target  cipher.AEAD // nil when values are stored as they are
	number  byte        // of target
	only    bool        // there are no values that are not sealed
	ciphers map[byte]cipher.AEAD
	hashes  map[byte][]byte // the keys for hashes
}

// find returns the keys of a data source as a snapshot has them, nil when it is not
// encrypted.
func (r *Ring) find(in storage.Reader, source int64) (*sourceKeys, error) {
	key := layout.KeysKey(source)
	record, err := in.Get(layout.Catalog, key)
	if err != nil || record == nil {
		return nil, err
	}
	r.mu.RLock()
	known := r.sources[source]
	r.mu.RUnlock()
	if known != nil && bytes.Equal(known.record, record) {
		return known, nil
	}
	stored, err := layout.DecodeKeys(key, record)
	if err != nil {
		return nil, err
	}
	if err := r.check(source, stored); err != nil {
		return nil, err
	}
	made := &sourceKeys{record: bytes.Clone(record), number: stored.Target, only: stored.Only, ciphers: make(map[byte]cipher.AEAD), hashes: make(map[byte][]byte)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range stored.Keys {
		c := r.ciphers[string(k.Wrapped)]
		if c == nil {
			return nil, errs.New(errs.NoKey, "data source %d is encrypted with a key that is not known", source)
		}
		made.ciphers[k.Number], made.hashes[k.Number] = c, r.hashes[string(k.Wrapped)]
	}
	made.target = made.ciphers[made.number]
	if r.sources == nil {
		r.sources = make(map[int64]*sourceKeys)
	}
	r.sources[source] = made
	return made, nil
}
