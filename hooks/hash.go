package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
)

// Hasher is the operation hash. It must give the same text for the same text, since a query has
// to find what a write stored (spec 10.3), and be safe for concurrent use.
type Hasher func(text string) string

// minSecret is the least length of a secret in bytes.
const minSecret = 16

// HMAC returns the Hasher that is used when the host program has none: lower-case hex of
// HMAC-SHA-256 with a secret, which must have 16 bytes or more. The secret must stay the same as
// long as anything is stored that it hashed.
func HMAC(secret []byte) (Hasher, error) {
	if len(secret) < minSecret {
		return nil, errs.New(errs.InvalidInput, "the secret of the hash has %d bytes; it needs %d", len(secret), minSecret)
	}
	secret = slices.Clone(secret)
	return func(text string) string {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}, nil
}

// guarded runs a function that may call a Hasher, which is the host's code: a panic in it fails
// the hook, not the process.
func guarded(hash Hasher, fn func(Hasher)) (wrong string) {
	calling := false
	defer func() {
		if !calling {
			return
		}
		if r := recover(); r != nil {
			wrong = hasherFailed
		}
	}()
	fn(func(text string) string {
		calling = true
		s := hash(text)
		calling = false
		return s
	})
	return ""
}
