package bolt

import (
	"slices"

	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// flight is a group whose record is on its way to the disk. Its leader has passed the lead on,
// and the next group runs meanwhile, on what this one wrote. Nobody is told anything of that
// group before it is known what became of this one, and its record is not begun before.
type flight struct {
	next *overlay.Layer // becomes the active layer
	size int64          // of the record
	done chan struct{}  // closed when it is known what became of the group
	err  error          // then; what ran on it has to run again
}

// landed reports whether it is known what became of it, also of none.
func (f *flight) landed() bool {
	if f == nil {
		return true
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// land waits until no group is on its way to the disk. The caller has the lead.
func (s *Store) land() {
	if f := s.recent.flight; f != nil {
		<-f.done
		s.recent.flight = nil
	}
}

// gather waits for another call while the group before is on its way to the disk, and reports
// whether it is worth looking for one.
func (g *group) gather() bool {
	if g.before.landed() {
		return false
	}
	select {
	case <-g.before.done:
		return true
	case <-g.store.queue.arrived:
		return true
	}
}

// land waits for the group before. Where that failed, what was run on it is run again.
func (g *group) land() {
	g.store.land()
	if g.before == nil || g.before.err == nil {
		return
	}
	g.abandon()
	g.before, g.logged, g.written, g.keys, g.bytes = nil, nil, false, 0, 0
	for i, c := range g.calls {
		c.err = nil
		if c.late = c.ctx.Err() != nil; c.late {
			c.err = c.ctx.Err()
		} else if !g.run(c) {
			for _, rest := range g.calls[i:] {
				rest.err = c.err
			}
			return
		}
	}
}

// takeOff passes the lead on and makes the group's record durable while the next one runs. It
// reports false, with the lead, when the group has to be committed before anything else is
// done: when it is not a record, or has been here before and failed.
func (g *group) takeOff() (ok bool, err error) {
	s, l := g.store, g.logged
	if g.own == nil || l.direct || l.stuck != nil || slices.ContainsFunc(g.calls, func(c *call) bool { return c.again }) {
		return false, nil
	}
	placed, err := s.recent.log.Place(l.record, l.reserve(s))
	if err != nil {
		return false, nil // what comes next meets it too
	}
	g.abandon() // so that bbolt waits for no reader of this goroutine
	f := &flight{next: l.next, size: placed.Size(), done: make(chan struct{})}
	s.recent.flight = f
	s.recent.sinceSize += f.size
	g.passed = true
	s.queue.pass()
	f.err = s.write(f, placed)
	g.again = notApplied(f.err)
	close(f.done)
	return true, f.err
}

// write makes a record durable, and its layer the active one.
func (s *Store) write(f *flight, placed commitlog.Placed) error {
	if err := s.recent.log.Write(placed); err != nil {
		return s.failedAppend(err)
	}
	first := s.recent.layers.Load() == nil
	s.recent.publish(f.next)
	if first {
		s.wakeKeeper() // to look at it some time later
	}
	return nil
}

// freezeFull makes the active layer the frozen one when it is large enough, and there is none.
// The caller has the lead.
func (s *Store) freezeFull() {
	l := s.recent.get()
	if f := s.recent.flight; f != nil {
		l.active = f.next
	}
	limit := s.opts.logSizes().flush
	if l.frozen != nil || s.recent.sinceSize < limit && l.active.Weight() < limit {
		return
	}
	s.land() // no group runs on a layer that is frozen
	if s.freeze() {
		s.wakeKeeper()
	}
}
