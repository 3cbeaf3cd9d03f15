package document

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/siftdb/siftdb/internal/errs"
)

// The envelope of a stored value:
//
//	version   1 byte, 0x01 for a value as it is, another for a sealed one (package sealed)
//	flags     1 byte, the caller's
//	checksum  8 bytes, little-endian, over keyspace, key, version, flags and payload
//	payload
//
// The checksum is xxhash64 of the payload, mixed with hashes of the rest, so that a bit that
// flipped, a value that lies under another key and a changed flag are all found. It guards
// against faults and not against an attacker.
const (
	// EnvelopeSize is how many bytes stand before the payload.
	EnvelopeSize = 10

	envelopeVersion = 1

	mixKey  = 0x9E3779B97F4A7C15
	mixHead = 0xD6E8FEB86659FD93
)

// Sealer seals and opens the values of one keyspace. It is small, passed by value and safe for
// concurrent use.
type Sealer struct {
	keyspace string
	seed     uint64
	version  byte
}

// NewSealer returns the Sealer of a keyspace.
func NewSealer(ks string) Sealer { return NewVersionSealer(ks, envelopeVersion) }

// NewVersionSealer returns a Sealer whose envelopes have another version: what one
// seals, the other does not open.
func NewVersionSealer(ks string, version byte) Sealer {
	return Sealer{keyspace: ks, seed: xxhash.Sum64String(ks), version: version}
}

// Seal appends the envelope with the payload to dst. dst and payload must not overlap.
func Seal(dst []byte, ks string, key []byte, flags byte, payload []byte) []byte {
	return NewSealer(ks).Seal(dst, key, flags, payload)
}

// SealInPlace writes the envelope into the first EnvelopeSize bytes of buf, whose rest is the
// payload, and returns the checksum. It panics when buf is shorter.
func SealInPlace(buf []byte, ks string, key []byte, flags byte) uint64 {
	return NewSealer(ks).SealInPlace(buf, key, flags)
}

// Open checks a sealed value and returns its flags, its payload (a part of value) and its
// checksum. What is not exactly as it was sealed under this keyspace and key gives an
// *errs.Error with code Corrupt that names both. It allocates nothing on success.
func Open(ks string, key, value []byte) (flags byte, payload []byte, sum uint64, err error) {
	return NewSealer(ks).Open(key, value)
}

// Seal is the function Seal for this keyspace.
func (s Sealer) Seal(dst, key []byte, flags byte, payload []byte) []byte {
	dst = append(dst, s.version, flags)
	dst = binary.LittleEndian.AppendUint64(dst, s.sum(key, flags, payload))
	return append(dst, payload...)
}

// SealInPlace is the function SealInPlace for this keyspace.
func (s Sealer) SealInPlace(buf, key []byte, flags byte) uint64 {
	sum := s.sum(key, flags, buf[EnvelopeSize:])
	buf[0], buf[1] = s.version, flags
	binary.LittleEndian.PutUint64(buf[2:], sum)
	return sum
}

// Open is the function Open for this keyspace.
func (s Sealer) Open(key, value []byte) (flags byte, payload []byte, sum uint64, err error) {
	if len(value) < EnvelopeSize || value[0] != s.version {
		return 0, nil, 0, s.corrupt(key, value)
	}
	flags, payload = value[1], value[EnvelopeSize:]
	sum = binary.LittleEndian.Uint64(value[2:])
	if sum != s.sum(key, flags, payload) {
		return 0, nil, 0, s.corrupt(key, value)
	}
	return flags, payload, sum, nil
}

// sum is the checksum. Each step is one-to-one in what it mixes in, so that no single change
// of key hash, flags or payload hash can be lost.
func (s Sealer) sum(key []byte, flags byte, payload []byte) uint64 {
	head := (xxhash.Sum64(key)+s.seed)*mixKey ^ (uint64(s.version)<<8|uint64(flags)+1)*mixHead
	h := xxhash.Sum64(payload) ^ bits.RotateLeft64(head, 29)
	h *= mixKey
	return h ^ h>>32
}

func (s Sealer) corrupt(key, value []byte) error {
	switch {
	case len(value) < EnvelopeSize:
		return errs.New(errs.Corrupt, "the value of key %x in keyspace %q is cut off: %d bytes", key, s.keyspace, len(value))
	case value[0] != s.version:
		return errs.New(errs.Corrupt, "the value of key %x in keyspace %q has the unknown version %d", key, s.keyspace, value[0])
	}
	return errs.New(errs.Corrupt, "the value of key %x in keyspace %q does not match its checksum", key, s.keyspace)
}
