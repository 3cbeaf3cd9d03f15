package bolt

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// The mark is what the file knows of its log: which one it is, whether commits may be in it,
// and where those begin that the file does not have. It stands in a bucket of its own, which
// is no keyspace.
var (
	markBucket = []byte("siftdb.log")
	markKey    = []byte("mark")
)

const (
	markVersion = 1
	markSize    = 2 + 16 + 8 + 8 + 8
)

// mark is version, state, ID of the log, offset, number, checksum of all that.
type mark struct {
	open bool // commits may be in the log
	id   commitlog.ID
	next commitlog.Position
}

// putMark puts the mark.
func putMark(tx *bbolt.Tx, m mark) error {
	b, err := tx.CreateBucketIfNotExists(markBucket)
	if err != nil {
		return err
	}
	value := make([]byte, markSize)
	value[0] = markVersion
	if m.open {
		value[1] = 1
	}
	copy(value[2:], m.id[:])
	binary.LittleEndian.PutUint64(value[18:], uint64(m.next.Offset))
	binary.LittleEndian.PutUint64(value[26:], m.next.Seq)
	binary.LittleEndian.PutUint64(value[34:], xxhash.Sum64(value[:34]))
	return b.Put(markKey, value)
}

// getMark returns the mark, and reports whether the file has one: whether it ever had a log.
func getMark(tx *bbolt.Tx) (m mark, ok bool, err error) {
	b := tx.Bucket(markBucket)
	if b == nil {
		return m, false, nil
	}
	value := b.Get(markKey)
	if len(value) != markSize || value[0] != markVersion || value[1] > 1 ||
		binary.LittleEndian.Uint64(value[34:]) != xxhash.Sum64(value[:34]) {
		return m, false, fmt.Errorf("%w: what is noted of the commit log cannot be read", storage.ErrCorrupt)
	}
	m.open = value[1] == 1
	copy(m.id[:], value[2:])
	m.next = commitlog.Position{
		Offset: int64(binary.LittleEndian.Uint64(value[18:])),
		Seq:    binary.LittleEndian.Uint64(value[26:]),
	}
	return m, true, nil
}

// readMark is getMark in a transaction of its own.
func (s *Store) readMark() (m mark, ok bool, err error) {
	defer catchFaults()()
	tx, err := s.begin(false)
	if err != nil {
		return m, false, err
	}
	defer s.abandon(tx)
	defer func() {
		if v := recover(); v != nil {
			if err = corruption(v); err == nil {
				panic(v)
			}
		}
	}()
	return getMark(tx)
}

// writeMark is putMark in a transaction of its own.
func (s *Store) writeMark(m mark) error {
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	if err := putMark(tx, m); err != nil {
		s.abandon(tx)
		return full(err)
	}
	return s.commit(tx)
}
