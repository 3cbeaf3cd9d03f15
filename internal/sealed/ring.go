package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
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
		r.ciphers, r.sources = make(map[string]cipher.AEAD), make(map[int64]*sourceKeys)
	}
	r.ciphers[string(wrapped)] = c
	return nil
}

// sourceKeys are the keys of a data source, ready to be used. They are immutable.
type sourceKeys struct {
	record  []byte      // which says so
	target  cipher.AEAD // nil when values are stored as they are
	number  byte        // of target
	ciphers map[byte]cipher.AEAD
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
	made := &sourceKeys{record: bytes.Clone(record), number: stored.Target, ciphers: make(map[byte]cipher.AEAD)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range stored.Keys {
		c := r.ciphers[string(k.Wrapped)]
		if c == nil {
			return nil, errs.New(errs.NoKey, "data source %d is encrypted with a key that is not known", source)
		}
		made.ciphers[k.Number] = c
	}
	made.target = made.ciphers[made.number]
	r.sources[source] = made
	return made, nil
}
