package sealed

import (
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// reader opens what is sealed. Opened values are the garbage collector's: they outlive
// the reader, and memory holds no more of them than somebody still looks at.
type reader struct {
	raw  storage.Reader
	ring *Ring

	last  int64                 // the data source asked for last
	keys  *sourceKeys           // its keys
	known map[int64]*sourceKeys // those of the others
	chunk []byte                // where small values are opened
	extra []byte                // what is authenticated with a value
}

// Get returns a value as it was put.
func (r *reader) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	value, err := r.raw.Get(ks, key)
	if err != nil || len(value) == 0 {
		return value, err
	}
	return r.value(ks, key, value)
}

// value returns a value that is stored as it was put.
func (r *reader) value(ks storage.Keyspace, key, value []byte) ([]byte, error) {
	if isSealed(value) {
		return r.open(ks, key, value)
	}
	if source := layout.ContentOf(ks, key); source != 0 {
		keys, err := r.of(source)
		if err != nil {
			return nil, err
		}
		if keys != nil && keys.only {
			return nil, unsealed(ks, key)
		}
	}
	return value, nil
}

// Seek returns the first key that begins with prefix, and its value as it was put. can is false
// where the storage cannot.
func Seek(in storage.Reader, ks storage.Keyspace, prefix []byte) (key, value []byte, ok, can bool, err error) {
	s, can := Raw(in).(storage.Seeker)
	if !can {
		return nil, nil, false, false, nil
	}
	key, value, ok, err = s.Seek(ks, prefix)
	if own := readerOf(in); own != nil && len(value) > 0 && err == nil {
		value, err = own.value(ks, key, value)
	}
	return key, value, ok && err == nil, true, err
}

// Scan returns a cursor over values as they were put. Where all are of a data source
// that is not encrypted it is the storage's own.
func (r *reader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	c := r.raw.Scan(ks, from, to, reverse)
	if source := layout.ContentOfRange(ks, from, to); source != 0 {
		keys, err := r.of(source)
		if err != nil {
			return &cursor{err: err}
		}
		if keys == nil {
			return c
		}
	}
	return &cursor{reader: r, raw: c, ks: ks}
}

// of returns the keys of a data source, nil when it is not encrypted.
func (r *reader) of(source int64) (*sourceKeys, error) {
	if source == r.last {
		return r.keys, nil
	}
	keys, ok := r.known[source]
	if !ok {
		var err error
		if keys, err = r.ring.find(r.raw, source); err != nil {
			return nil, err
		}
	}
	if r.last != 0 { // most transactions concern one data source
		if r.known == nil {
			r.known = make(map[int64]*sourceKeys)
		}
		r.known[r.last] = r.keys
	}
	r.last, r.keys = source, keys
	return keys, nil
}

// forget drops what is known of keys.
func (r *reader) forget() { r.last, r.keys, r.known = 0, nil, nil }

// open opens a sealed value.
func (r *reader) open(ks storage.Keyspace, key, value []byte) ([]byte, error) {
	if len(value) < overhead {
		return nil, damaged(ks, key)
	}
	keys, err := r.of(layout.ContentOf(ks, key))
	if err != nil {
		return nil, err
	}
	number := value[1]
	if keys == nil || keys.ciphers[number] == nil {
		return nil, damaged(ks, key)
	}
	r.extra = appendExtra(r.extra[:0], ks, number, key)
	plain, err := keys.ciphers[number].Open(r.room(len(value)-overhead), nil, value[head:], r.extra)
	if err != nil {
		return nil, damaged(ks, key)
	}
	return plain, nil
}

// Values up to largeValue share chunks of memory.
const (
	firstChunk = 4 << 10
	chunkSize  = 32 << 10
	largeValue = 4 << 10
)

// room returns an empty slice with room for n bytes.
func (r *reader) room(n int) []byte {
	if n > largeValue {
		return make([]byte, 0, n)
	}
	at := len(r.chunk)
	if cap(r.chunk)-at < n {
		size := chunkSize
		if r.chunk == nil {
			size = firstChunk
		}
		r.chunk, at = make([]byte, 0, size), 0
	}
	r.chunk = r.chunk[:at+n]
	return r.chunk[at : at : at+n]
}

// cursor opens what is sealed.
type cursor struct {
	*reader
	raw storage.Cursor
	ks  storage.Keyspace
	err error
}

// Next is storage.Cursor's.
func (c *cursor) Next() (key, value []byte, ok bool) {
	if c.err != nil {
		return nil, nil, false
	}
	key, value, ok = c.raw.Next()
	if !ok || len(value) == 0 {
		return key, value, ok
	}
	if value, c.err = c.value(c.ks, key, value); c.err != nil {
		return nil, nil, false
	}
	return key, value, true
}

// Err is storage.Cursor's.
func (c *cursor) Err() error {
	if c.err != nil {
		return c.err
	}
	return c.raw.Err()
}
