package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// lostLogSuffix is what the name of a log ends in that Recover has moved away.
const lostLogSuffix = ".siftdb-log-lost"

// LogError says what is wrong with the commit log of a file, whose Open fails for it. Recover goes
// on without what is broken.
type LogError struct{ Err error }

// Error returns the cause.
func (e *LogError) Error() string { return e.Err.Error() }

// Unwrap returns the cause, which wraps storage.ErrCorrupt or storage.ErrNotDatabase.
func (e *LogError) Unwrap() error { return e.Err }

// wrongLog makes a LogError of what Recover can do something about.
func wrongLog(err error) error {
	if errors.Is(err, storage.ErrCorrupt) || errors.Is(err, storage.ErrNotDatabase) {
		return &LogError{err}
	}
	return err
}

// Recovered tells what Recover has done.
type Recovered struct {
	// Records is how many records of the log were taken over; one holds the commits of one wait
	// for the disk.
	Records int
	// Lost says what is wrong with the log, as a *LogError. Commits that were acknowledged may be lost then. Nil means that
	// nothing is wrong, and nothing lost.
	Lost error
	// Aside is where the log is now that could not be used, one inside the file as a copy; empty when
	// there is none.
	Aside string
}

// Recover makes a file usable again that Open refuses because its commit log is missing, damaged,
// or another file's. The file gets what the log holds up to the first fault, which is the state
// after some commit, whole; what came later is given up. A log with a fault is moved aside, not
// removed; one inside the file is copied. A file whose log has no fault gets all that is in it, and its log is removed.
//
// It returns what Open does when the file itself cannot be opened. After an error, or a crash,
// Recover can be called again.
func Recover(path string, opts Options) (Recovered, error) {
	var r Recovered
	opts.ReadOnly, opts.Log, opts.recovered = false, false, &r
	s, err := Open(path, opts)
	if err != nil {
		return r, err
	}
	return r, s.Close()
}

// recoverLog is openLog for Recover.
func (s *Store) recoverLog() error {
	s.recent.path = s.path + logSuffix
	r := s.opts.recovered
	m, known, err := s.readMark()
	switch {
	case errors.Is(err, storage.ErrCorrupt):
		r.Lost, err = err, nil
	case err != nil:
		return err
	case known && m.open:
		err = s.salvage(m)
	default:
		err = s.settleLog(m, known)
		if errors.Is(err, storage.ErrCorrupt) || errors.Is(err, storage.ErrNotDatabase) {
			r.Lost, err = err, nil
		}
	}
	if err != nil {
		return err
	}
	if r.Lost = wrongLog(r.Lost); r.Lost == nil {
		return s.endLog()
	}
	if s.recent.log != nil {
		err = s.recent.log.Close()
		s.recent.log = nil
	}
	if err == nil {
		err = s.putAside()
	}
	if err != nil {
		return err
	}
	return s.writeMark(mark{id: m.id, next: m.next}) // last: until then Recover begins again
}

// salvage takes over what a log holds up to the first fault.
func (s *Store) salvage(m mark) error {
	r := s.opts.recovered
	log, err := s.openKept(m)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Lost = fmt.Errorf("%w: the commit log %s is missing", storage.ErrCorrupt, s.recent.path)
		return nil
	case errors.Is(err, storage.ErrCorrupt):
		r.Lost = err
		return nil
	case err != nil:
		return err
	}
	if log.ID() != m.id {
		r.Lost = fmt.Errorf("%w: %s is the commit log of another file", storage.ErrNotDatabase, s.logPath(m.inside))
		return log.Close()
	}
	layer := overlay.NewLayer()
	err = log.Replay(m.next, func(held []byte) error {
		if err := overlay.NewLayer().Read(held); err != nil { // a part of it would be half a commit
			return err
		}
		r.Records++
		return layer.Read(held)
	})
	if errors.Is(err, storage.ErrCorrupt) {
		r.Lost, err = fmt.Errorf("%s: %w", s.logPath(m.inside), err), nil
	}
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.recent.log, s.recent.inside = log, m.inside
	if !layer.Empty() {
		s.recent.layers.Store(with(layer, nil))
	}
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	return s.drain()
}

// putAside gives the log beside the file, if there is one, a name under which nothing is yet, and
// copies one inside the file there.
func (s *Store) putAside() error {
	_, err := os.Lstat(s.recent.path)
	if err == nil {
		err = s.moveAside()
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil || !s.hasInside() {
		return err
	}
	aside, err := s.freeName()
	if err != nil {
		return err
	}
	saved, err := s.saveInside(aside)
	if saved {
		s.opts.recovered.Aside = aside
	}
	return err
}

// moveAside renames the log beside the file.
func (s *Store) moveAside() error {
	aside, err := s.freeName()
	if err == nil {
		err = os.Rename(s.recent.path, aside)
	}
	if err != nil {
		return err
	}
	s.opts.recovered.Aside = aside
	return syncDir(filepath.Dir(s.path))
}

// freeName returns a path for a log that is put aside, where nothing is yet.
func (s *Store) freeName() (string, error) {
	aside := s.path + lostLogSuffix
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return aside, err
		}
		aside = fmt.Sprintf("%s%s-%d", s.path, lostLogSuffix, n)
	}
}
