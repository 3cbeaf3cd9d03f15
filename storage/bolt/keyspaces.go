package bolt

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// isOwn reports whether a bucket is the store's own, and no keyspace.
func isOwn(name []byte) bool {
	return bytes.Equal(name, markBucket) || bytes.Equal(name, insideBucket)
}

// Keyspaces returns the names of all buckets of the file but the store's own, and of those that
// are going to be there.
func (s *Store) Keyspaces() ([]storage.Keyspace, error) {
	var list []storage.Keyspace
	add := func(ks storage.Keyspace) {
		if !slices.Contains(list, ks) {
			list = append(list, ks)
		}
	}
	err := s.view(context.Background(), func(r *reader, l *layers) error {
		if l != nil {
			for _, layer := range []*overlay.Layer{l.active, l.frozen} {
				for _, sp := range layer.Spaces() {
					add(sp.Name)
				}
			}
		}
		return r.tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if !isOwn(name) {
				add(storage.Keyspace(name))
			}
			return nil
		})
	})
	return list, err
}
