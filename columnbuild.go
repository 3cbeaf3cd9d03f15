package siftdb

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// columnBuild reads columns of a data source, in the background.
type columnBuild struct {
	set     *columnSet
	numbers []uint16
	since   int64 // what was used later stays
	count   int64 // of the entries, when it began
	rows    int64 // that have been read
	bytes   int   // of what has been read, as the cache counts it
	done    chan struct{}
}

// columnBuilds is how many run at a time.
const columnBuilds = 2

// askColumns notes that a query asks in vain for columns, and begins to read those that are not held
// if it is time to; nil if not. count is how many entries there are.
func (db *DB) askColumns(set *columnSet, numbers []uint16, count int64) *columnBuild {
	c := &db.columns
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &columnBuild{set: set, since: c.uses, count: count, done: make(chan struct{})}
	due, size := true, 0
	for _, n := range numbers {
		if set.table.Load().Has(n) {
			continue
		}
		u := set.column(n)
		if count < u.large/2 {
			u.large, u.wait, u.size = 0, 0, 0
		}
		if u.asked++; u.asked < max(u.wait, columnWait) {
			due = false
		}
		b.numbers = append(b.numbers, n)
		b.since = min(b.since, u.before)
		size += u.size
	}
	if !due || len(b.numbers) == 0 || set.building != nil || set.gone || c.closed || c.builds >= columnBuilds || !c.fits(size, b.since) {
		return nil
	}
	set.building = b
	c.builds++
	c.running.Add(1)
	go db.runBuild(b)
	return b
}

// wait waits for the columns, if that pays: it does not where the query has to be done soon.
// It reports whether they have been read.
func (b *columnBuild) wait(ctx context.Context) bool {
	var timeout <-chan time.Time
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left < time.Duration(b.count)*slowRead {
			return false
		}
		timer := time.NewTimer(left / 2)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-b.done:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// slowRead is many times what it takes to read an entry.
const slowRead = 50 * time.Microsecond

// runBuild reads columns. What goes wrong is no query's fault: it leaves the data source
// without these columns, and they are read again some time later.
func (db *DB) runBuild(b *columnBuild) {
	c := &db.columns
	defer c.running.Done()
	defer close(b.done)
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = errs.New(errs.Internal, "reading columns panicked: %s", fmt.Sprint(v, "\n", string(debug.Stack())))
			}
		}()
		t, err := db.readColumns(c.work, b)
		if err == nil && t != nil {
			err = db.addColumns(c.work, b, t)
		}
		return err
	}()
	if errors.Is(err, ErrNotFound) {
		c.forget(b.set.id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes -= b.bytes
	c.builds--
	b.set.building = nil
	for _, n := range b.numbers {
		u := b.set.column(n)
		if u.asked, u.served = 0, 0; err != nil {
			u.wait = min(2*max(u.wait, columnWait), columnWaitLarge)
		}
	}
}

// addColumns adds columns to those that are held, at the commit of a transaction.
func (db *DB) addColumns(ctx context.Context, b *columnBuild, t *column.Table) error {
	for range 10 {
		added := false
		err := db.view(ctx, func(r storage.Reader) (err error) {
			added, err = db.addColumnsAt(ctx, r, b, t)
			return err
		})
		if added || err != nil {
			return err
		}
	}
	return tooFast(b.set.id)
}

func tooFast(source int64) error {
	return errs.New(errs.Conflict, "data source %d is written to faster than its columns are read", source)
}

// addColumnsAt is addColumns in a transaction, which has begun before the lock is taken, as it
// does for queries: whoever holds the lock must not wait for a transaction, which may wait for
// those of others to end. It reports false when the columns that are held are of a later commit.
func (db *DB) addColumnsAt(ctx context.Context, r storage.Reader, b *columnBuild, t *column.Table) (added bool, err error) {
	set := b.set
	head, src, err := db.load(r, set.id, true)
	if err != nil {
		return false, err
	}
	set.updating.Lock()
	defer set.updating.Unlock()
	held := set.table.Load()
	if held != nil && held.Commit != t.Commit {
		if held.Commit > head.Last {
			return false, nil
		}
		if held, err = catchUp(ctx, r, held, set.id, head, src.names); err != nil {
			return false, err
		}
		if t, err = catchUp(ctx, r, t, set.id, head, src.names); err != nil {
			return false, err
		}
	}
	if t == nil {
		return false, tooFast(set.id)
	}
	db.columns.add(b, held, t)
	return true, nil
}

// add keeps what a build has read, with what was held at the same commit, which may be nil.
func (c *columnCache) add(b *columnBuild, held, t *column.Table) {
	if held != nil {
		t = held.With(t)
	}
	c.mu.Lock()
	c.bytes -= b.bytes // it counts as part of the table now
	b.bytes = 0
	c.mu.Unlock()
	c.keep(b.set, t)
}
