package bolt

import (
	"errors"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// logged is the part of a group whose store has a log: what its calls wrote, as the record that
// is to be. It is a layer of its own, which is small and shares nothing, so that a call costs no
// copies; what of the active layer has to be copied is copied while the record is on its way.
type logged struct {
	base   overlay.Base   // what the next function sees
	active *overlay.Layer // before the group; nil when empty
	wrote  *overlay.Layer // by the calls
	made   *overlay.Layer // see next
	sets   []*overlay.Set
	bytes  int64 // about what the record is to hold
	most   int64 // what it may
	stuck  error // why the layers cannot be written into bbolt, though they should be
	direct bool  // the sets go straight into bbolt; wrote is not to be used
}

// beginLogged begins a group beside bbolt, on the state after the last one.
func (g *group) beginLogged() error {
	s := g.store
	stuck := s.makeRoom()
	if stuck != nil && !errors.Is(stuck, storage.ErrFull) {
		return stuck
	}
	k, l, err := s.beginView()
	if err != nil {
		return err
	}
	g.tx, g.reader = k.tx, &reader{tx: k.tx, buckets: k.buckets}
	wrote := overlay.NewLayer()
	g.logged = &logged{
		base:  wrote.Over(l.over(base{g.reader})),
		wrote: wrote,
		most:  s.opts.logSizes().direct,
		stuck: stuck,
	}
	if l != nil {
		g.logged.active = l.active
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
	return l != nil && (l.direct || l.bytes >= l.most)
}

// keyBytes is about what a record takes for a key beside it and its value.
const keyBytes = 4

// add adds what a call wrote. Much of it is not worth writing twice: it goes into bbolt, and
// nobody sees it before.
func (l *logged) add(set *overlay.Set) {
	l.sets = append(l.sets, set)
	if set.Bytes() >= l.most || set.Keys() >= maxGroupKeys {
		l.direct = true
		return
	}
	l.wrote.Apply(set.Spaces())
	l.bytes += set.Bytes() + keyBytes*int64(set.Keys())
}

// next returns what is to be the active layer.
func (l *logged) next() *overlay.Layer {
	if l.made != nil {
		return l.made
	}
	l.made = overlay.NewLayer()
	if l.active != nil {
		l.made = l.active.Copy()
	}
	l.made.Apply(l.wrote.Spaces())
	return l.made
}

// keptBuffer is how large a buffer for records is used again.
const keptBuffer = 4 << 20

// commitLogged commits what the calls wrote.
func (g *group) commitLogged() error {
	s, l := g.store, g.logged
	g.abandon() // so that bbolt waits for no reader of this goroutine
	if l.stuck != nil && !l.frees() {
		return l.stuck
	}
	if !l.direct {
		if err := s.append(l); !lacksRoom(err) || s.frozen.Load() {
			return err
		}
	}
	return s.commitDirect(l.sets)
}

// lacksRoom reports whether err says that nothing was applied since there is no place for it.
func lacksRoom(err error) bool {
	return notApplied(err) && (errors.Is(err, storage.ErrFull) || errors.Is(err, commitlog.ErrNoRoom))
}

// frees reports whether the calls make what is to be written into bbolt less: that is done even
// where there is no more space.
func (l *logged) frees() bool {
	if l.direct {
		return false
	}
	for _, set := range l.sets {
		if !set.Deletes() {
			return l.next().Weight() < l.active.Weight()
		}
	}
	return true
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
		err = putMark(tx, mark{open: true, id: log.ID(), next: next})
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
	}
	return nil
}
