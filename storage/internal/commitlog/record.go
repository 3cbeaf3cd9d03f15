package commitlog

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/cespare/xxhash/v2"
)

// The file begins with a header: magic (8 bytes), ID (16), checksum of both (8), zeros. It
// never changes.
//
// Records stand behind it, each at a multiple of 8 bytes: length of what it holds (4),
// kind (4), number (8), checksum (8), what it holds, zeros. The checksum goes over the ID,
// the offset of the record, and all but itself: nothing that another log, another place or
// another time left behind is a record with the number that is due.
const (
	magic        = "siftlog\x01"
	headerSize   = 4096
	recordHeader = 24
	alignment    = 8
	longest      = 1 << 30

	kindRecord = 1
	kindJump   = 2
)

var order = binary.LittleEndian

// ID names a log. It is random.
type ID [16]byte

func newID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// header returns the first bytes of the file of a log.
func header(id ID) []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	copy(b[8:], id[:])
	order.PutUint64(b[24:], xxhash.Sum64(b[:24]))
	return b
}

// readHeader returns the ID in the header of a log, and reports whether it is sound.
func readHeader(b []byte) (id ID, ok bool) {
	if len(b) < 32 || string(b[:8]) != magic || order.Uint64(b[24:]) != xxhash.Sum64(b[:24]) {
		return id, false
	}
	copy(id[:], b[8:])
	return id, true
}

// Begin begins a record in a buffer, which is used again. What the record holds is to be
// appended to what it returns.
func Begin(buffer []byte) []byte {
	return append(buffer[:0], make([]byte, recordHeader)...)
}

// Held returns the length of what a record in the making holds.
func Held(record []byte) int { return len(record) - recordHeader }

var errTooLong = errors.New("the record is too long for the commit log")

// pad notes the length of a record, and fills it up with zeros.
func pad(record []byte) ([]byte, error) {
	n := Held(record)
	if n > longest {
		return nil, errTooLong
	}
	order.PutUint32(record, uint32(n))
	for len(record)%alignment != 0 {
		record = append(record, 0)
	}
	return record, nil
}

// seal completes the header of a record.
func seal(record []byte, id ID, at Position, kind uint32) {
	order.PutUint32(record[4:], kind)
	order.PutUint64(record[8:], at.Seq)
	order.PutUint64(record[16:], checksum(record, id, at.Offset))
}

func checksum(record []byte, id ID, offset int64) uint64 {
	var salt [24]byte
	copy(salt[:], id[:])
	order.PutUint64(salt[16:], uint64(offset))
	d := xxhash.New()
	d.Write(salt[:])
	d.Write(record[:16])
	d.Write(record[recordHeader:])
	return d.Sum64()
}

// fields are the header of a record.
type fields struct {
	length int64
	kind   uint32
	seq    uint64
}

// size is what the record takes in the file.
func (f fields) size() int64 {
	return (recordHeader + f.length + alignment - 1) / alignment * alignment
}

// readFields reads the header of a record, and reports whether it can be one, with a number
// of at least seq, in a file of which rest bytes are left.
func readFields(b []byte, seq uint64, rest int64) (f fields, ok bool) {
	f = fields{int64(order.Uint32(b)), order.Uint32(b[4:]), order.Uint64(b[8:])}
	switch {
	case f.seq < seq || f.size() > rest || f.length > longest:
		return f, false
	case f.kind == kindJump:
		return f, f.length == 0
	}
	return f, f.kind == kindRecord
}
