package siftdb

import (
	"bytes"
	"context"
	"maps"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/sealed"
)

// Keyring supplies the keys under which data sources are encrypted (spec 14.1). It is the
// host's, which may hold them in a file, in its configuration or in a service.
//
// The keys encrypt no data themselves: each encrypted data source has a random key of its
// own, which is stored encrypted under a key of the ring. So a ring is asked when a
// database is opened and when a data source is created encrypted, is encrypted, or gets
// another key (DB.RotateKeys), never by reads and other writes. Its methods may be
// called concurrently.
type Keyring interface {
	// Current returns the name of the key to use from now on. Names are stored as they
	// are.
	Current(ctx context.Context) (name string, err error)
	// Key returns the key of a name: 32 random bytes, which the caller does not change.
	// The same name means the same key, always.
	Key(ctx context.Context, name string) ([]byte, error)
}

// FixedKeys is a Keyring that holds its keys. To rotate, open the database with a new
// current key beside the old ones, and call DB.RotateKeys; then the old ones can go.
func FixedKeys(current string, keys map[string][]byte) (Keyring, error) {
	ring := fixedKeys{current: current, keys: maps.Clone(keys)}
	if _, ok := keys[current]; !ok {
		return nil, errs.New(errs.InvalidInput, "the current key %q is not among the keys", current)
	}
	for name, key := range ring.keys {
		if len(key) != sealed.KeySize {
			return nil, errs.New(errs.InvalidInput, "key %q has %d bytes, and must have %d", name, len(key), sealed.KeySize)
		}
		ring.keys[name] = bytes.Clone(key)
	}
	return ring, nil
}

type fixedKeys struct {
	current string
	keys    map[string][]byte
}

func (f fixedKeys) Current(context.Context) (string, error) { return f.current, nil }

func (f fixedKeys) Key(_ context.Context, name string) ([]byte, error) {
	key, ok := f.keys[name]
	if !ok {
		return nil, errs.New(errs.NoKey, "there is no key %q", name)
	}
	return key, nil
}
