package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// SourceKeys is what a data source is encrypted with: data keys, each encrypted under a
// key of the host. There is more than one while what is stored is being encrypted anew.
type SourceKeys struct {
	// Target is the number of the key with which values are sealed from now on; 0 stores
	// them as they are, while a data source is being decrypted.
	Target byte
	Keys   []WrappedKey
}

// WrappedKey is a data key under a key of the host.
type WrappedKey struct {
	Number  byte   // which sealed values name; not 0
	ID      string // of the host's key
	Wrapped []byte // nonce, ciphertext and tag of AES-256-GCM
}

// ReadKeys returns what a data source is encrypted with, ok false when it is not.
func ReadKeys(r storage.Reader, source int64) (k SourceKeys, ok bool, err error) {
	payload, err := readSealed(r, KeysKey(source))
	if err != nil || payload == nil {
		return k, false, err
	}
	k, err = decodeKeys(source, payload)
	return k, err == nil, err
}

// DecodeKeys reads a value of a KeysKey.
func DecodeKeys(key, value []byte) (SourceKeys, error) {
	_, payload, _, err := catalogSealer.Open(key, value)
	if err != nil {
		return SourceKeys{}, err
	}
	return decodeKeys(SourceOf(key), payload)
}

func decodeKeys(source int64, payload []byte) (k SourceKeys, err error) {
	d := NewDecoder(payload)
	target, n := d.Uvarint(), d.Uvarint()
	if n > uint64(len(payload)) {
		n = 0
		d.failed = true
	}
	known := target == 0
	for range n {
		number := d.Uvarint()
		key := WrappedKey{Number: byte(number), ID: string(d.Bytes()), Wrapped: append([]byte(nil), d.Bytes()...)}
		d.failed = d.failed || number == 0 || number > 255
		known = known || number == target
		k.Keys = append(k.Keys, key)
	}
	if k.Target = byte(target); d.Failed() || !known {
		return SourceKeys{}, errs.New(errs.Corrupt, "what data source %d is encrypted with cannot be read", source)
	}
	return k, nil
}

// WriteKeys stores what a data source is encrypted with.
func WriteKeys(w storage.Writer, source int64, k SourceKeys) error {
	b := binary.AppendUvarint(nil, uint64(k.Target))
	b = binary.AppendUvarint(b, uint64(len(k.Keys)))
	for _, key := range k.Keys {
		b = binary.AppendUvarint(b, uint64(key.Number))
		b = AppendBytes(b, []byte(key.ID))
		b = AppendBytes(b, key.Wrapped)
	}
	return writeSealed(w, KeysKey(source), b)
}

// Find returns the key with a number.
func (k *SourceKeys) Find(number byte) (WrappedKey, bool) {
	for _, key := range k.Keys {
		if key.Number == number {
			return key, true
		}
	}
	return WrappedKey{}, false
}

// Free returns a number that no key has, 0 when there is none.
func (k *SourceKeys) Free() byte {
	for n := byte(1); n != 0; n++ {
		if _, taken := k.Find(n); !taken {
			return n
		}
	}
	return 0
}
