// Package memory is the storage engine that keeps everything in memory: a
// copy-on-write ordered tree per keyspace, published as one value. Readers never
// block and are never blocked, and a snapshot or a fork of the whole store is
// free.
package memory

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/gate"
)

// Store is a store in memory. It implements storage.Storage, storage.Forker,
// storage.Sizer and storage.Compacter.
//
// A commit is durable for as long as the process lives, and never fails. Keys
// and values that a reader returned stay valid after it: nothing in a snapshot
// is ever overwritten, so they may be kept, though not modified.
type Store struct {
	gate    *gate.Gate
	turn    chan struct{} // holds a token while an Update runs
	current atomic.Pointer[snapshot]
	copying sync.Mutex // held while trees of a published snapshot are copied
}

// New returns an empty store.
func New() *Store { return open(new(snapshot)) }

func open(s *snapshot) *Store {
	store := &Store{gate: gate.New(), turn: make(chan struct{}, 1)}
	store.current.Store(s)
	return store
}

// View calls fn with the state after the last commit. It takes no lock and
// allocates nothing.
func (s *Store) View(ctx context.Context, fn func(storage.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	return fn(s.current.Load())
}

// Update calls fn with a copy of the current state, made in O(1), which becomes
// the current state when fn returns nil. Updates run in the order of their calls.
func (s *Store) Update(ctx context.Context, fn func(storage.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := newWriter(s.current.Load(), &s.copying)
	if err := call(fn, w); err != nil {
		return err
	}
	if w.changed {
		s.current.Store(&snapshot{w.spaces})
	}
	return nil
}

// call runs fn and returns a panic in it as an error.
func call(fn func(storage.Writer) error, w *writer) (err error) {
	defer func() {
		w.done = true
		if v := recover(); v != nil {
			err = &storage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn(w)
}

// Fork returns an independent store with the same content, in O(1). It does not
// wait for a running Update, whose writes the fork does not have.
func (s *Store) Fork() (storage.Storage, error) {
	if !s.gate.Enter() {
		return nil, storage.ErrClosed
	}
	defer s.gate.Leave()
	s.copying.Lock()
	defer s.copying.Unlock()
	return open(s.current.Load().fork()), nil
}

// Size returns the size of all keys and values; nothing of it is free.
func (s *Store) Size() (storage.Size, error) {
	if !s.gate.Enter() {
		return storage.Size{}, storage.ErrClosed
	}
	defer s.gate.Leave()
	n := s.current.Load().bytes()
	return storage.Size{Total: n, Used: n}, nil
}

// Compact has nothing to do: what was deleted or written over goes with the last snapshot
// of it.
func (s *Store) Compact(ctx context.Context) error {
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	return ctx.Err()
}

// Close waits for running calls and lets go of the content. Forks stay open.
func (s *Store) Close() error {
	if s.gate.Shut() {
		s.current.Store(new(snapshot))
	}
	return nil
}
