package sealed

import (
	"context"

	"github.com/siftdb/siftdb/storage"
)

// Store is a storage whose encrypted data sources are read and written as if they were
// stored as they are.
type Store struct {
	engine storage.Storage
	ring   *Ring
}

// New returns a storage over another one, which it owns: Close closes it.
func New(engine storage.Storage, ring *Ring) *Store { return &Store{engine, ring} }

// View is storage.Storage's.
func (s *Store) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.engine.View(ctx, func(r storage.Reader) error { return fn(&reader{raw: r, ring: s.ring}) })
}

// Update is storage.Storage's.
func (s *Store) Update(ctx context.Context, fn func(storage.Writer) error) error {
	return s.engine.Update(ctx, func(w storage.Writer) error {
		return fn(&writer{reader: reader{raw: w, ring: s.ring}, raw: w})
	})
}

// Close closes the storage below.
func (s *Store) Close() error { return s.engine.Close() }

// Raw returns the reader below one of a Store's, which sees values as they are stored;
// any other as it is.
func Raw(r storage.Reader) storage.Reader {
	switch r := r.(type) {
	case *reader:
		return r.raw
	case *writer:
		return r.raw
	}
	return r
}
