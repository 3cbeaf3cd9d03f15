package siftdb

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// indexer goes on with the building of indexes, and with the removing of what is left of
// dropped ones, where no call does: after an open, and after writes that made some anew. It
// has one goroutine, while there is something to do.
type indexer struct {
	at    chan struct{} // holds an element while somebody works on indexes
	sizes indexSizes

	mu      sync.Mutex
	closed  bool
	again   bool          // there is news for the goroutine
	running chan struct{} // closed when the goroutine ends; nil when there is none
	ctx     context.Context
	cancel  context.CancelFunc
}

func (x *indexer) init() {
	x.at, x.sizes = make(chan struct{}, 1), defaultIndexSizes
	x.ctx, x.cancel = context.WithCancel(context.Background())
}

// begin makes sure that somebody looks for something to do.
func (x *indexer) begin(db *DB) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closed:
	case x.running != nil:
		x.again = true
	default:
		x.running = make(chan struct{})
		go x.run(&DB{core: db.core, inner: true}, x.running)
	}
}

// close ends the goroutine and waits for it.
func (x *indexer) close() {
	x.mu.Lock()
	x.closed = true
	running := x.running
	x.mu.Unlock()
	x.cancel()
	if running != nil {
		<-running
	}
}

func (x *indexer) run(db *DB, done chan struct{}) {
	defer close(done)
	var pause backoff
	for {
		err := db.finishAll(x.ctx)
		if err == nil {
			pause = backoff{}
		}
		x.mu.Lock()
		if again := x.again; (err == nil || hopeless(err)) && !again || x.ctx.Err() != nil {
			x.running = nil
			x.mu.Unlock()
			return
		}
		x.again = false
		x.mu.Unlock()
		if err != nil {
			select {
			case <-time.After(pause.next()):
			case <-x.ctx.Done():
			}
		}
	}
}

// hopeless reports whether trying again is of no use before the database is opened again.
func hopeless(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNoKey)
}

// finishAll is finishIndexes for all data sources. The error is one of them.
func (db *DB) finishAll(ctx context.Context) (failed error) {
	defer func() {
		if r := recover(); r != nil { // in the host's storage
			failed = errs.New(errs.Internal, "the building of indexes panicked: %v", r)
		}
	}()
	var list []int64
	err := db.view(ctx, func(r storage.Reader) (err error) {
		list, err = layout.Indexing(r)
		return err
	})
	for _, id := range list {
		failed = firstError(failed, db.finishIndexes(ctx, id, ""))
	}
	return firstError(err, failed)
}
