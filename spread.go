package siftdb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// spreadFrom is how many look-ups are worth more than one core; tests have fewer.
var spreadFrom = 256

// spreadPiece is how many look-ups a core takes at a time.
const spreadPiece = 64

// errWritten ends look-ups that need the data source to be as the last slice found it.
var errWritten = errors.New("the data source has been written")

// spreadable reports whether n look-ups may be spread over the cores: there are many, and all of
// the data source is seen.
func (rd *reading) spreadable(n int) bool {
	return n >= spreadFrom && rd.st.source.veil == nil && !rd.sight.filters() && runtime.GOMAXPROCS(0) > 1
}

// spreadWork does the look-ups [from, to) of a list, in a transaction that sees head.
type spreadWork func(r storage.Reader, head layout.Head, from, to int) error

// spread does n look-ups on all cores, in transactions of their own: it must be called between
// slices. begin is called for each core, before the first look-up. After an error some look-ups
// have not been done, and whoever does them one after the other meets what is wrong in its turn.
func (rd *reading) spread(ctx context.Context, n int, begin func() spreadWork) error {
	if n < 1 {
		return nil
	}
	s := &spreading{rd: rd, n: int64(n)}
	cores := min(runtime.GOMAXPROCS(0), 8, (n+spreadPiece-1)/spreadPiece)
	failed := make([]error, cores)
	var wg sync.WaitGroup
	for i := range cores - 1 {
		do := begin()
		wg.Go(func() { failed[i] = s.run(ctx, do) })
	}
	failed[cores-1] = s.run(ctx, begin())
	wg.Wait()
	return firstError(failed...)
}

// spreading hands out look-ups.
type spreading struct {
	rd   *reading
	n    int64
	next atomic.Int64 // the first look-up that nobody has taken
}

func (s *spreading) run(ctx context.Context, do spreadWork) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errs.New(errs.Internal, "a look-up panicked: %s", fmt.Sprint(v, "\n", string(debug.Stack())))
		}
		if err != nil {
			s.next.Store(s.n) // the others need not go on
		}
	}()
	for s.next.Load() < s.n {
		if err := s.rd.ds.db.view(ctx, func(r storage.Reader) error { return s.slice(r, do) }); err != nil {
			return err
		}
	}
	return nil
}

// slice does look-ups in one transaction.
func (s *spreading) slice(r storage.Reader, do spreadWork) error {
	head, _, err := s.rd.ds.load(r, true)
	if err != nil {
		return err
	}
	if head.Floor > s.rd.st.commit {
		return snapshotGone(s.rd.ds.id)
	}
	for b := newBudget(); !b.spentNow(); {
		from := s.next.Add(spreadPiece) - spreadPiece
		if from >= s.n {
			return nil
		}
		if err := do(r, head, int(from), int(min(from+spreadPiece, s.n))); err != nil {
			return err
		}
	}
	return nil
}
