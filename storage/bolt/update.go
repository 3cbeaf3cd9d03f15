package bolt

import (
	"context"
	"errors"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// A leader stops taking calls into its group at these bounds. Few keys, because
// bbolt is quadratic in the keys that one transaction puts in one place.
const (
	maxGroupCalls = 256
	maxGroupKeys  = 4096
	maxGroupBytes = 16 << 20
)

// Update calls fn and commits what it wrote, together with the Updates that wait
// at the same time.
func (s *Store) Update(ctx context.Context, fn func(storage.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.Enter() {
		return storage.ErrClosed
	}
	defer s.gate.Leave()
	if s.opts.ReadOnly || s.frozen.Load() {
		return storage.ErrReadOnly
	}
	c := newCall(ctx, fn)
	if !s.queue.join(c) {
		select {
		case <-c.wake:
		case <-ctx.Done():
			if s.queue.withdraw(c) {
				return ctx.Err()
			}
			<-c.wake
		}
	}
	if c.lead {
		s.leadFrom(c)
	} else {
		s.queue.told.Add(-1)
	}
	return c.err
}

// leadFrom runs the group that begins with the leader's own call.
func (s *Store) leadFrom(own *call) {
	defer s.queue.pass()
	defer catchFaults()()
	g := &group{store: s, own: own}
	defer g.end()
	g.fill()
	err := g.commit()
	if notApplied(err) && len(g.calls) > 1 {
		g.commitEach()
		return
	}
	g.settle(err)
}

// notApplied reports whether err is the error of a commit that left no trace.
func notApplied(err error) bool {
	var c *storage.CommitError
	return errors.As(err, &c) && c.Outcome == storage.NotApplied
}

// group is the calls that are committed in one transaction. A call's err is set
// as soon as it is known, and told when the group ends: a function that failed
// may have seen writes before it that were not durable yet.
type group struct {
	store   *Store
	own     *call   // the leader's
	calls   []*call // taken, in order
	running *call   // whose function has not returned
	tx      *bbolt.Tx
	reader  *reader
	keys    int
	bytes   int64
	written bool
	logged  *logged // where there is a log
}

// fill takes calls and runs them, as long as there are some and they are not too
// many for one transaction.
func (g *group) fill() {
	for len(g.calls) < maxGroupCalls && g.keys < maxGroupKeys && g.bytes < maxGroupBytes && !g.logged.full() {
		c := g.store.queue.take()
		if c == nil {
			c = g.store.queue.gather()
		}
		if c == nil {
			return
		}
		g.calls = append(g.calls, c)
		if c.err = c.ctx.Err(); c.err != nil {
			c.late = true
		} else if !g.run(c) {
			return
		}
	}
}

// run runs a call's function and puts what it wrote into the transaction. It
// reports false when the transaction is of no more use.
func (g *group) run(c *call) bool {
	if c.err = g.begin(); c.err != nil {
		return false
	}
	var set *overlay.Set
	if set, c.err = g.runFunction(c); c.err != nil || set.Empty() {
		return true
	}
	g.keys += set.Keys()
	g.bytes += set.Bytes()
	g.written = true
	if g.logged != nil {
		g.logged.add(set)
		return true
	}
	if c.err = g.reader.apply(set.Spaces()); c.err != nil {
		g.abandon() // it holds part of the set
		return false
	}
	return true
}

// begin begins the transaction, unless it has begun.
func (g *group) begin() error {
	if g.tx != nil {
		return nil
	}
	if g.store.frozen.Load() {
		return storage.ErrReadOnly
	}
	if g.store.opts.Log {
		return g.beginLogged()
	}
	tx, err := g.store.begin(true)
	if err != nil {
		return err
	}
	g.tx, g.reader = tx, &reader{tx: tx}
	return nil
}

func (g *group) runFunction(c *call) (set *overlay.Set, err error) {
	set = overlay.New(g.base())
	g.running = c
	defer func() {
		v := recover()
		if v == nil {
			return // returned, or runtime.Goexit: then running stays set
		}
		g.running = nil
		if err = corruption(v); err == nil {
			err = &storage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	err = c.fn(set)
	g.running = nil
	return set, err
}

// commit commits what the calls wrote. Its error is nil, a CommitError, or of a
// transaction that was given up.
func (g *group) commit() error {
	switch {
	case g.written && g.tx == nil:
		return &storage.CommitError{Outcome: storage.NotApplied, Err: storage.ErrCorrupt}
	case !g.written:
		g.abandon()
		return nil
	}
	if g.logged != nil {
		return g.commitLogged()
	}
	tx := g.tx
	g.tx = nil
	g.reader.close()
	return g.store.commit(tx)
}

// commitEach runs each call again in a transaction of its own, and takes those
// that are done out of the group.
func (g *group) commitEach() {
	for len(g.calls) > 0 {
		c := g.calls[0]
		if !c.late {
			g.commitAlone(c)
		}
		g.calls = g.calls[1:]
		g.tell(c)
	}
}

func (g *group) commitAlone(c *call) {
	alone := &group{store: g.store, calls: []*call{c}}
	defer func() { alone.abandon(); g.running = alone.running }()
	alone.run(c)
	alone.settle(alone.commit())
}

// settle makes err the result of the calls that have none.
func (g *group) settle(err error) {
	for _, c := range g.calls {
		if c.err == nil {
			c.err = err
		}
	}
}

func (g *group) abandon() {
	if g.tx != nil {
		g.reader.close()
		g.store.abandon(g.tx)
		g.tx = nil
	}
}

// errExit is the value of the PanicError for a function that ended its goroutine.
var errExit = errors.New("runtime.Goexit called in update function")

// end tells the calls their results. Where a function ended the leader's
// goroutine, the others are run again by the next leader.
func (g *group) end() {
	g.abandon()
	if g.running != nil {
		g.running.err = &storage.PanicError{Value: errExit}
		var again []*call
		for _, c := range g.calls {
			if c != g.running && c != g.own {
				c.err = nil
				again = append(again, c)
			}
		}
		g.store.queue.giveBack(again)
		g.calls = []*call{g.running}
	}
	for _, c := range g.calls {
		g.tell(c)
	}
}

// tell hands a call to its caller.
func (g *group) tell(c *call) {
	if c != g.own {
		g.store.queue.told.Add(1)
		close(c.wake)
	}
}
