package bolt

import (
	"errors"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// logged is the part of a group whose store has a log: what its calls wrote, as the layer and
// the record that are to be.
type logged struct {
	base   overlay.Base // what the next function sees
	next   *overlay.Layer
	record []byte
	sets   []*overlay.Set
	most   int64 // what a record may hold
	weight int64 // of the active layer before
	stuck  error // why the layers cannot be written into bbolt, though they should be
	direct bool  // the sets go straight into bbolt; next and record are not to be used
}

// beginLogged begins a group beside bbolt, on the state after the last one.
func (g *group) beginLogged() error {
	s := g.store
	stuck := s.makeRoom()
	if stuck != nil && !errors.Is(stuck, storage.ErrFull) {
		return stuck
	}
	if s.frozen.Load() { // making room left it open what the file says of the log
		return storage.ErrReadOnly
	}
	k, l, err := s.beginView()
	if err != nil {
		return err
	}
	g.tx, g.reader = k.tx, &reader{tx: k.tx, buckets: k.buckets}
	next, below := overlay.NewLayer(), &layers{}
	if l != nil {
		below.frozen = l.frozen
		if l.active != nil {
			next = l.active.Copy()
		}
	}
	g.logged = &logged{
		base:   next.Over(below.over(base{g.reader})),
		next:   next,
		record: commitlog.Begin(s.recent.buffer),
		most:   s.logSizes().direct,
		weight: next.Weight(),
		stuck:  stuck,
	}
	return nil
}

// base returns the state that the next function sees.
func (g *group) base() overlay.Base {
	if g.logged != nil {
		return g.logged.base
	}
	return base{g.reader}
}

// full reports whether no more calls are to join.
func (l *logged) full() bool {
	return l != nil && (l.direct || int64(commitlog.Held(l.record)) >= l.most)
}

// add adds what a call wrote. Much of it is not worth writing twice: it goes into bbolt, and
// nobody sees it before.
func (l *logged) add(set *overlay.Set) {
	l.sets = append(l.sets, set)
	if set.Bytes() >= l.most || set.Keys() >= maxGroupKeys {
		l.direct = true
		return
	}
	l.next.Apply(set.Spaces())
	l.record = set.AppendTo(l.record)
}

// keptBuffer is how large a buffer for records is used again.
const keptBuffer = 4 << 20

// commitLogged commits what the calls wrote.
func (g *group) commitLogged() error {
	s, l := g.store, g.logged
	g.abandon() // so that bbolt waits for no reader of this goroutine
	if cap(l.record) <= keptBuffer {
		s.recent.buffer = l.record
	}
	frees := l.frees()
	if l.stuck != nil && !frees {
		return l.stuck
	}
	if !l.direct {
		reserve := s.logSizes().reserve
		if frees {
			reserve = 0
		}
		err := s.append(l.record, l.next, reserve)
		if err == nil && frees && s.recent.full.Load() {
			s.relieve()
		}
		elsewhere := errors.Is(err, commitlog.ErrNoRoom) || notApplied(err) && errors.Is(err, storage.ErrFull)
		if !elsewhere || s.frozen.Load() {
			return err
		}
	}
	return s.commitDirect(l.sets)
}

// frees reports whether the calls make what is to be written into bbolt less: that is done even
// where there is no more space.
func (l *logged) frees() bool {
	if l.direct {
		return false
	}
	for _, set := range l.sets {
		if !set.Deletes() {
			return l.next.Weight() < l.weight
		}
	}
	return true
}

// fitInside reports whether a larger log would have had room for sets.
func fitInside(sets []*overlay.Set) bool {
	size, keys := int64(0), 0
	for _, set := range sets {
		size += set.Bytes()
		keys += set.Keys()
	}
	return size < mostDirect && keys < maxGroupKeys
}

// commitDirect commits sets in bbolt itself, after all that came before them. So nothing is in
// the layers that would hide them.
func (s *Store) commitDirect(sets []*overlay.Set) error {
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	if err := s.drain(); err != nil {
		return &storage.CommitError{Outcome: storage.NotApplied, Err: full(err)}
	}
	tx, err := s.begin(true)
	if err != nil {
		return &storage.CommitError{Outcome: storage.NotApplied, Err: full(err)}
	}
	r := &reader{tx: tx}
	for i := 0; i < len(sets) && err == nil; i++ {
		err = r.apply(sets[i].Spaces())
	}
	r.close()
	log, next := s.recent.log, commitlog.Position{}
	if err == nil && log != nil {
		next = commitlog.First(log.Head().Seq)
		err = putMark(tx, s.markAt(next))
	}
	if err != nil {
		s.abandon(tx)
		return &storage.CommitError{Outcome: storage.NotApplied, Err: full(err)}
	}
	if err := s.commit(tx); err != nil {
		return err
	}
	if log != nil {
		log.Restart(next)
		if s.recent.sinceMade >= 0 && fitInside(sets) {
			s.growInside()
		}
	}
	return nil
}
