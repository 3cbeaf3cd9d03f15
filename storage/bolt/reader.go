package bolt

import (
	"bytes"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/overlay"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// errDone is returned by a reader whose function has returned.
var errDone = errors.New("storage: reader used after its function returned")

// reader reads one bbolt transaction, and is the base of write sets laid over it.
type reader struct {
	tx      *bbolt.Tx // nil when closed
	buckets []bucket
	pause   func() // what apply calls now and then; may be nil
}

// bucket is a keyspace's bucket.
type bucket struct {
	name storage.Keyspace
	*bbolt.Bucket
	get   *bbolt.Cursor // for look-ups: using it again saves an allocation each
	mixed bool          // was not only appended to, in this transaction
}

// find returns the bucket of a keyspace; its Bucket is nil when it was never
// written. It is valid until the next call.
func (r *reader) find(ks storage.Keyspace) (*bucket, error) {
	for i := range r.buckets {
		if r.buckets[i].name == ks {
			return &r.buckets[i], nil
		}
	}
	if r.tx == nil {
		return nil, errDone
	}
	if r.buckets == nil {
		r.buckets = make([]bucket, 0, 6)
	}
	r.buckets = append(r.buckets, bucket{name: ks})
	b := &r.buckets[len(r.buckets)-1]
	b.set(r.tx.Bucket([]byte(ks)))
	return b, nil
}

func (b *bucket) set(found *bbolt.Bucket) {
	b.Bucket, b.get = found, nil
	if found != nil {
		b.get = found.Cursor()
	}
}

// Get returns the value of a key. Beyond the first of a keyspace it costs one
// descent of bbolt's tree and allocates nothing.
func (r *reader) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	b, err := r.find(ks)
	if err != nil || b.Bucket == nil {
		return nil, err
	}
	k, v := b.get.Seek(key)
	if k == nil || !bytes.Equal(k, key) {
		return nil, nil
	}
	return v, nil
}

// Seek returns the first key that begins with prefix, as cheaply as Get.
func (r *reader) Seek(ks storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error) {
	b, err := r.find(ks)
	if err != nil || b.Bucket == nil {
		return nil, nil, false, err
	}
	if key, value = b.get.Seek(prefix); key == nil || !bytes.HasPrefix(key, prefix) {
		return nil, nil, false, nil
	}
	return key, value, true, nil
}

// scan returns a cursor over bounds that it keeps and that are not empty.
func (r *reader) scan(ks storage.Keyspace, b tree.Bounds, reverse bool) *cursor {
	c := &cursor{bounds: b, reverse: reverse}
	found, err := r.find(ks)
	switch {
	case err != nil:
		c.err, c.state = err, ended
	case found.Bucket == nil:
		c.state = ended
	default:
		c.bolt, c.dirty = found.Cursor(), r.tx.Writable()
	}
	return c
}

// Scan returns a cursor over a range of keys.
func (r *reader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	b := tree.Bounds{From: from, To: to}
	if b.Empty() {
		return &cursor{state: ended}
	}
	return r.scan(ks, b.Clone(), reverse)
}

// close makes later calls fail rather than read memory that is gone.
func (r *reader) close() { r.tx, r.buckets = nil, nil }

// base is a reader of a write transaction as an overlay.Base.
type base struct{ *reader }

// Scan is reader.scan.
func (b base) Scan(ks storage.Keyspace, bounds tree.Bounds, reverse bool) overlay.Cursor {
	return b.scan(ks, bounds, reverse)
}
