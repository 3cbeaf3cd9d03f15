package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

// Keyspaces returns the names of all buckets of the file.
func (s *Store) Keyspaces() ([]storage.Keyspace, error) {
	var list []storage.Keyspace
	err := s.View(context.Background(), func(r storage.Reader) error {
		list = nil
		return r.(*reader).tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			list = append(list, storage.Keyspace(name))
			return nil
		})
	})
	return list, err
}
