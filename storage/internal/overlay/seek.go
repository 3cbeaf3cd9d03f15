package overlay

import (
	"bytes"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// Seek returns the first key that begins with prefix. Where neither the layer nor what lies below
// has to be passed over for it, it allocates nothing.
func (o *over) Seek(ks storage.Keyspace, prefix []byte) (key, value []byte, ok bool, err error) {
	key, value, ok, err = o.base.Seek(ks, prefix)
	sp := o.find(ks)
	if sp == nil || err != nil {
		return key, value, ok, err
	}
	own, written, wrote := sp.Writes.Seek(prefix, prefix)
	switch {
	case written != nil && (!ok || bytes.Compare(own, key) <= 0):
		return own, written, true, nil
	case !ok && !wrote:
		return nil, nil, false, nil
	case ok && (!wrote || bytes.Compare(key, own) < 0) && sp.deleted(key) == nil:
		return key, value, true, nil
	}
	c := o.Scan(ks, tree.Prefixed(prefix), false) // what comes first is gone
	key, value, ok = c.Next()
	return key, value, ok, c.Err()
}
