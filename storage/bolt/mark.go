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

// The state of a mark. An older program does not know of a log inside the file, and takes the mark
// of one for a damaged one, as it must.
const (
	markClosed = 0
	markBeside = 1
	markInside = 2
)

// mark is version, state, ID of the log, offset, number, checksum of all that.
type mark struct {
	open   bool // commits may be in the log
	inside bool // which is inside the file; of one that is not open, false
	id     commitlog.ID
	next   commitlog.Position
}

// putMark puts the mark. When no commits may be in a log any more, one inside the file goes.
func putMark(tx *bbolt.Tx, m mark) error {
	if !m.open {
		if err := dropInside(tx); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucketIfNotExists(markBucket)
	if err != nil {
		return err
	}
	value := make([]byte, markSize)
	value[0] = markVersion
	value[1] = m.state()
	copy(value[2:], m.id[:])
	binary.LittleEndian.PutUint64(value[18:], uint64(m.next.Offset))
	binary.LittleEndian.PutUint64(value[26:], m.next.Seq)
	binary.LittleEndian.PutUint64(value[34:], xxhash.Sum64(value[:34]))
	return b.Put(markKey, value)
}

func (m mark) state() byte {
	switch {
	case !m.open:
		return markClosed
	case m.inside:
		return markInside
	}
	return markBeside
}

// getMark returns the mark, and reports whether the file has one: whether it ever had a log.
func getMark(tx *bbolt.Tx) (m mark, ok bool, err error) {
	b := tx.Bucket(markBucket)
	if b == nil {
		return m, false, nil
	}
	value := b.Get(markKey)
	if len(value) != markSize || value[0] != markVersion || value[1] > markInside ||
		binary.LittleEndian.Uint64(value[34:]) != xxhash.Sum64(value[:34]) {
		return m, false, fmt.Errorf("%w: what is noted of the commit log cannot be read", storage.ErrCorrupt)
	}
	m.open, m.inside = value[1] != markClosed, value[1] == markInside
	copy(m.id[:], value[2:])
	m.next = commitlog.Position{
		Offset: int64(binary.LittleEndian.Uint64(value[18:])),
		Seq:    binary.LittleEndian.Uint64(value[26:]),
	}
	return m, true, nil
}

// readMark is getMark in a transaction of its own.
func (s *Store) readMark() (m mark, ok bool, err error) {
	err = s.look(func(tx *bbolt.Tx) (err error) {
		m, ok, err = getMark(tx)
		return err
	})
	return m, ok, err
}

// look calls fn with a transaction for reading, and makes an error of the panic that damage is met
// with.
func (s *Store) look(fn func(*bbolt.Tx) error) (err error) {
	defer catchFaults()()
	tx, err := s.begin(false)
	if err != nil {
		return err
	}
	defer s.abandon(tx)
	defer func() {
		if v := recover(); v != nil {
			if err = corruption(v); err == nil {
				panic(v)
			}
		}
	}()
	return fn(tx)
}

// writeMark is putMark in a transaction of its own.
func (s *Store) writeMark(m mark) error {
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	if err := guarded(func() error { return putMark(tx, m) }); err != nil {
		s.abandon(tx)
		return full(err)
	}
	return s.commit(tx)
}
