package bolt

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// recent is what a store has beside bbolt when it keeps a commit log.
//
// A group of Updates is one record of the log, and then part of the active layer. When that is
// large it becomes the frozen one, which flush writes into bbolt, together with the position in
// the log that comes behind it. Views read the layers over bbolt. So bbolt only ever holds
// what is in the frozen layer, or older: what a View finds there that is also in its layers
// is the same.
type recent struct {
	log    *commitlog.Log // nil when there is none; the leader's, who sets it while holding begins
	inside bool           // the log is inside the file; set with log
	handle *os.File       // of the file, for a log inside it; the leader's
	path   string         // of a log beside the file
	layers atomic.Pointer[layers]
	full   atomic.Bool // there was no space for the last layer that was to be written into bbolt

	// flushing is held by whoever writes to bbolt, and guards frozenEnd and keeper. The leader may take
	// it; nobody waits for the lead while holding it.
	flushing  sync.Mutex
	frozenEnd commitlog.Position // what comes behind the frozen layer in the log
	keeper    yielder            // of whoever writes a layer
	sinceSize int64              // bytes in the log since the last freeze; the leader's
	sinceMade int64              // bytes in a log inside the file since it was made; the leader's
	buffer    []byte             // for the next record; the leader's

	wake, stop chan struct{} // of the keeper
	done       chan struct{} // closed when it has ended
}

// layers are the commits that bbolt may not have yet, none when the pointer to it is nil. They
// are never changed, only replaced: by the leader, and by flush, which takes the frozen one
// out.
type layers struct {
	active, frozen *overlay.Layer // nil when empty
}

// over returns a reader of bbolt with the layers over it.
func (l *layers) over(b overlay.Base) overlay.Base {
	if l == nil {
		return b
	}
	if l.frozen != nil {
		b = l.frozen.Over(b)
	}
	if l.active != nil {
		b = l.active.Over(b)
	}
	return b
}

// with returns the layers with other ones in their places, nil when both are empty.
func with(active, frozen *overlay.Layer) *layers {
	if active == nil && frozen == nil {
		return nil
	}
	return &layers{active, frozen}
}

// get returns the layers, also when there are none.
func (r *recent) get() layers {
	if l := r.layers.Load(); l != nil {
		return *l
	}
	return layers{}
}

// publish makes a layer the active one.
func (r *recent) publish(active *overlay.Layer) {
	for {
		old := r.layers.Load()
		var frozen *overlay.Layer
		if old != nil {
			frozen = old.frozen
		}
		if r.layers.CompareAndSwap(old, with(active, frozen)) {
			return
		}
	}
}

// freeze makes the active layer the frozen one, unless there is one, and reports whether
// there is one then. The caller has the lead.
//
// A View that begins meanwhile waits for its end: it has loaded layers, and not begun its
// transaction. Were the active layer frozen and flushed in between, and then another one, it
// would find commits in bbolt that are younger than its layers.
func (s *Store) freeze() bool {
	s.begins.Lock()
	defer s.begins.Unlock()
	l := s.recent.get()
	if l.frozen == nil && l.active != nil {
		s.recent.frozenEnd = s.recent.log.Head()
		s.recent.sinceSize = 0
		l = layers{frozen: l.active}
		s.recent.layers.Store(&l)
	}
	return l.frozen != nil
}

// flush writes the frozen layer into bbolt, and drops it. The caller holds flushing.
func (s *Store) flush() error {
	frozen := s.recent.get().frozen
	if frozen == nil {
		return nil
	}
	err := s.flushLayer(frozen)
	s.recent.full.Store(errors.Is(err, storage.ErrFull))
	return err
}

func (s *Store) flushLayer(frozen *overlay.Layer) error {
	if s.frozen.Load() {
		return storage.ErrReadOnly
	}
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	end := s.recent.frozenEnd
	r := &reader{tx: tx, pause: s.recent.keeper.pause}
	err = r.apply(frozen.Spaces())
	r.close()
	if err == nil {
		err = putMark(tx, s.markAt(end))
	}
	if err == nil {
		err = s.step("flushing")
	}
	if err != nil {
		s.abandon(tx)
		return full(err)
	}
	if err := s.commit(tx); err != nil {
		return err
	}
	_ = s.step("flushed")
	s.dropFrozen()
	s.recent.log.Release(end)
	return nil
}

// dropFrozen takes the frozen layer out of the layers.
func (s *Store) dropFrozen() {
	s.begins.Lock()
	defer s.begins.Unlock()
	for {
		old := s.recent.layers.Load()
		if s.recent.layers.CompareAndSwap(old, with(old.active, nil)) {
			return
		}
	}
}

// drain writes all layers into bbolt, and begins the log at its start again. The caller has
// the lead, so no layer comes meanwhile, and holds flushing.
func (s *Store) drain() error {
	if !s.merge() {
		return nil
	}
	end := s.recent.frozenEnd
	restart := commitlog.First(end.Seq)
	s.recent.frozenEnd = restart
	if err := s.flush(); err != nil {
		s.recent.frozenEnd = end // commits go on behind it
		return err
	}
	s.recent.log.Restart(restart)
	return nil
}

// merge makes one frozen layer of all, and reports whether there is one then. A second
// transaction is more work than that; and where the disk is full, what has been deleted since need
// not be written.
func (s *Store) merge() bool {
	l := s.recent.get()
	if l.active == nil || l.frozen == nil {
		return s.freeze()
	}
	merged := l.frozen.Copy()
	merged.Apply(l.active.Spaces())
	s.begins.Lock()
	defer s.begins.Unlock()
	s.recent.frozenEnd = s.recent.log.Head()
	s.recent.sinceSize = 0
	s.recent.layers.Store(with(nil, merged))
	return true
}

// relieve writes all layers into bbolt when what was just committed makes room there, which had
// none. Were that to come with what is written next, this could not have its pages: those that a
// transaction frees are not for itself. The caller has the lead.
func (s *Store) relieve() {
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	_ = s.drain() // the log has it
}

// crowded reports whether commits have to wait for the layers to be written into bbolt.
func (s *Store) crowded() bool {
	l := s.recent.get()
	limit := s.logSizes()
	return l.active.Weight()+l.frozen.Weight() >= 3*limit.flush || !s.recent.log.Room(limit.room)
}

// makeRoom writes the layers into bbolt when they have become too many, or to make a larger log. The
// caller has the lead.
func (s *Store) makeRoom() error {
	if s.recent.log == nil {
		return nil
	}
	crowded, outgrown := s.crowded(), s.outgrown()
	if !crowded && !outgrown {
		return nil
	}
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	err := s.drain()
	if outgrown {
		s.recent.sinceMade = 0 // where it cannot be done now, it is not tried each time
	}
	switch {
	case err != nil && crowded:
		return &storage.CommitError{Outcome: storage.NotApplied, Err: full(err)}
	case err == nil && outgrown:
		s.growInside()
	}
	return nil
}

// startKeeper starts what writes layers into bbolt beside the commits.
func (s *Store) startKeeper() {
	if s.opts.wholeSizes().idle < 0 {
		return
	}
	s.recent.wake, s.recent.stop, s.recent.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go s.keep()
}

// stopKeeper waits until that has ended.
func (s *Store) stopKeeper() {
	if s.recent.stop != nil {
		close(s.recent.stop)
		<-s.recent.done
	}
}

// wakeKeeper tells the keeper to look at the layers.
func (s *Store) wakeKeeper() {
	select {
	case s.recent.wake <- struct{}{}:
	default:
	}
}

// keep flushes frozen layers, and freezes the active one when nothing was written for some
// time. What fails is tried again then.
func (s *Store) keep() {
	defer close(s.recent.done)
	defer catchFaults()()
	idle := s.opts.wholeSizes().idle
	timer := time.NewTimer(idle)
	defer timer.Stop()
	var seen commitlog.Position
	for {
		select {
		case <-s.recent.stop:
			return
		case <-s.recent.wake:
		case <-timer.C:
			head := s.openLogNow().Head()
			if head == seen && s.recent.get().active != nil {
				s.freezeIdle()
			}
			seen = head
		}
		s.recent.flushing.Lock()
		_ = s.flush() // the log has it
		s.recent.flushing.Unlock()
		if s.recent.layers.Load() != nil {
			timer.Reset(idle)
		}
	}
}

// freezeIdle freezes the active layer between two groups.
func (s *Store) freezeIdle() {
	s.lead()
	s.freeze()
	s.queue.pass()
}

// append makes a record durable, and its layer the active one. The caller has the lead.
func (s *Store) append(record []byte, next *overlay.Layer, reserve int64) error {
	err := s.needLog()
	if err == nil && s.frozen.Load() {
		err = storage.ErrReadOnly
	}
	if err == nil {
		err = s.recent.log.Append(record, reserve)
	}
	var unknown *commitlog.SyncError
	switch {
	case errors.As(err, &unknown):
		s.frozen.Store(true)
		return &storage.CommitError{Outcome: storage.Unknown, Err: full(err)}
	case err != nil:
		return &storage.CommitError{Outcome: storage.NotApplied, Err: full(err)}
	}
	first := s.recent.layers.Load() == nil
	s.recent.publish(next)
	s.recent.sinceSize += int64(len(record))
	s.recent.sinceMade += int64(len(record))
	limit := s.logSizes().flush
	if s.recent.sinceSize >= limit || next.Weight() >= limit {
		if s.recent.get().frozen == nil && s.freeze() {
			s.wakeKeeper()
		}
	} else if first {
		s.wakeKeeper() // to look at it again some time later
	}
	return nil
}

// settleLayers writes the layers into bbolt, if it can, and returns the size of the log.
func (s *Store) settleLayers() int64 {
	if s.openLogNow() == nil {
		return 0
	}
	if s.recent.layers.Load() != nil {
		s.lead()
		s.recent.flushing.Lock()
		_ = s.drain()
		s.recent.flushing.Unlock()
		s.queue.pass()
	}
	if s.recent.inside {
		return 0
	}
	return s.openLogNow().Size()
}

// openLogNow returns the log, for those who do not have the lead.
func (s *Store) openLogNow() *commitlog.Log {
	s.begins.Lock()
	defer s.begins.Unlock()
	return s.recent.log
}

// markAt is the mark of the log for a file that has all before a position.
func (s *Store) markAt(next commitlog.Position) mark {
	return mark{open: true, inside: s.recent.inside, id: s.recent.log.ID(), next: next}
}

// lead waits for the lead, which the caller has to pass on.
func (s *Store) lead() {
	c := newCall(context.Background(), nil)
	c.alone = true
	if !s.queue.join(c) {
		<-c.wake
	}
	s.queue.remove(c)
}
