package siftdb

import (
	"context"
	"sync"
)

// bell wakes those who wait for writes. Ringing it costs the same however many
// wait, and next to nothing when nobody does.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // closed by the next ring; nil while nobody waits
}

// heard returns a channel that the next ring closes. Whoever waits takes it first
// and then looks for news, so that no write is missed between the two.
func (b *bell) heard() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

// ring wakes everybody who waits.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// follower is a place in the log, and the claim that keeps retention from dropping
// what comes after it.
type follower struct {
	db    *DB
	claim *snapshot
	pos   int64 // commits up to this one have been read
}

func (db *DB) follower() follower { return follower{db: db, claim: db.snapshots.register(0)} }

func (f *follower) close() { f.db.snapshots.release(f.claim) }

// idle tells retention that everything has been read, goOn that there is more to read.
func (f *follower) idle() { f.db.snapshots.wait(f.claim, f.pos) }
func (f *follower) goOn() { f.db.snapshots.resume(f.claim, f.pos) }

// wait waits for a ring that was taken before the log was found to have no more.
func (f *follower) wait(ctx context.Context, ring <-chan struct{}) error {
	f.idle()
	defer f.goOn()
	select {
	case <-ring:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow yields what next finds, and waits when it finds nothing, until the context
// or an error ends it.
func follow[T any](ctx context.Context, f *follower, next func(context.Context) (*T, error), yield func(*T, error) bool) {
	for {
		ring := f.db.bell.heard()
		found, err := next(ctx)
		if err == nil && found == nil {
			if err = f.wait(ctx, ring); err == nil {
				continue
			}
		}
		if !yield(found, err) || err != nil {
			return
		}
	}
}
