package sealed

import (
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

const (
	version  = 2                     // the first byte of a sealed value
	head     = document.EnvelopeSize // before the nonce
	overhead = head + 12 + 16        // with the nonce and the tag
)

// isSealed reports whether a value is sealed.
func isSealed(value []byte) bool { return len(value) > 0 && value[0] == version }

// Verify checks, without any key, that a value is sealed and as it was stored.
func Verify(ks storage.Keyspace, key, value []byte) error {
	if !isSealed(value) {
		return errs.New(errs.Corrupt, "the value of key %x in keyspace %q is not encrypted", key, ks)
	}
	_, _, _, err := sealerOf(ks).Open(key, value)
	return err
}

func sealerOf(ks storage.Keyspace) document.Sealer {
	return document.NewVersionSealer(string(ks), version)
}

// appendExtra appends what is authenticated with a value.
func appendExtra(dst []byte, ks storage.Keyspace, number byte, key []byte) []byte {
	dst = append(dst, ks...)
	dst = append(dst, 0, number)
	return append(dst, key...)
}

func damaged(ks storage.Keyspace, key []byte) error {
	return errs.New(errs.Corrupt, "the value of key %x in keyspace %q cannot be decrypted", key, ks)
}
