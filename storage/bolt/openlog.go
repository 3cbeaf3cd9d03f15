package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/overlay"
)

// logSuffix is what the name of the commit log of a file ends in, and newLogSuffix that of one
// that is being made.
const (
	logSuffix    = ".siftdb-log"
	newLogSuffix = ".siftdb-log-new"
)

// logSizes are what bounds the log and the layers.
type logSizes struct {
	flush   int64         // a layer, or what the log has of it, is written into bbolt from this size on
	direct  int64         // what one group writes goes straight into bbolt from this size on
	room    int64         // what the log must have room for before a group begins
	reserve int64         // of that, what is kept for commits that make room
	most    int64         // the size of the log
	first   int64         // of one inside the file, at first; 0, in tests, is the most
	idle    time.Duration // after this time without writes, layers are written into bbolt; below 0, in tests, never
}

const (
	defaultLogBytes = 32 << 20
	mostDirect      = 1 << 20
	defaultIdle     = 2 * time.Second
)

// logSizes are those of the log that there is, or is to be. The caller has the lead.
func (s *Store) logSizes() logSizes {
	if !s.opts.LogInFile {
		return s.opts.wholeSizes()
	}
	size := s.opts.leastInside()
	if s.recent.log != nil {
		size = s.recent.log.Size()
	}
	return s.opts.insideSizes(size)
}

// wholeSizes are those of a log that has the size that it may have.
func (o Options) wholeSizes() logSizes {
	if o.sizes != nil {
		return *o.sizes
	}
	sizes := logSizes{flush: o.LogBytes, idle: defaultIdle}
	if sizes.flush <= 0 {
		sizes.flush = defaultLogBytes
		if o.LogInFile {
			sizes.flush = defaultInsideBytes
		}
	}
	sizes.direct = min(mostDirect, sizes.flush)
	sizes.reserve = min(64<<10, sizes.flush)
	sizes.room = 2*sizes.direct + sizes.reserve
	sizes.most = 4*sizes.flush + 2*sizes.room
	if o.LogInFile { // where room is dearer than a wait now and then
		sizes.most = 5*sizes.flush/2 + 2*sizes.room
	}
	return sizes
}

func (s *Store) logOptions() commitlog.Options {
	return commitlog.Options{Most: s.opts.wholeSizes().most, NoSync: s.opts.NoSync, Wrap: s.opts.wrapLog}
}

// openLog takes over what the log of the file holds, where there is one. A file that is to have
// one gets it with its first commit, from needLog: who only reads waits for none.
//
// What was replayed is written into bbolt at once: the system may have kept a record for
// reading that the disk refused, and what comes behind it must not depend on that.
func (s *Store) openLog() error {
	s.recent.path = s.path + logSuffix
	m, known, err := s.readMark()
	if err != nil {
		return err
	}
	if known && m.open {
		err = s.replay(m)
	}
	if err == nil && !(m.open && !m.inside) {
		err = s.settleLog(m, known)
	}
	if err != nil || s.opts.ReadOnly {
		return err
	}
	if !s.opts.Log || m.open && m.inside != s.opts.LogInFile {
		return s.endLog()
	}
	if s.recent.log != nil {
		s.startKeeper()
	}
	return nil
}

// replay reads what the log has that the file does not have.
func (s *Store) replay(m mark) error {
	log, err := s.openKept(m)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the commit log %s is missing, and commits may be in it alone", storage.ErrCorrupt, s.recent.path)
	}
	if err != nil {
		return err
	}
	path := s.logPath(m.inside)
	if log.ID() != m.id {
		return errors.Join(fmt.Errorf("%w: %s is not the commit log of this file", storage.ErrCorrupt, path), log.Close())
	}
	layer := overlay.NewLayer()
	if err := log.Replay(m.next, layer.Read); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), log.Close())
	}
	if !layer.Empty() {
		s.recent.layers.Store(with(layer, nil))
	}
	if s.opts.ReadOnly {
		return log.Close()
	}
	s.recent.log, s.recent.inside = log, m.inside
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	return s.drain()
}

// openKept opens the log that the mark is about.
func (s *Store) openKept(m mark) (*commitlog.Log, error) {
	if m.inside {
		return s.openInside()
	}
	return commitlog.Open(s.recent.path, s.opts.ReadOnly, s.logOptions())
}

// logPath returns the path of the file that the log is in.
func (s *Store) logPath(inside bool) string {
	if inside {
		return s.path
	}
	return s.recent.path
}

// settleLog makes sure that there is no log in the way of a file that has everything, or has its log
// inside.
func (s *Store) settleLog(m mark, known bool) error {
	if !s.opts.ReadOnly {
		if err := removeIfThere(s.path + newLogSuffix); err != nil {
			return err
		}
	}
	log, err := commitlog.Open(s.recent.path, true, s.logOptions())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// A crash has left it behind that came before the first commit, or after the last one.
	unused := known && log.ID() == m.id
	if !unused {
		if unused, err = log.Empty(); err == nil && !unused {
			err = fmt.Errorf("%w: %s is the commit log of another file, and commits may be in it alone: move it away, if they do not matter",
				storage.ErrNotDatabase, s.recent.path)
		}
	}
	if err = errors.Join(err, log.Close()); err != nil || s.opts.ReadOnly {
		return err
	}
	// Durably: the next log may be another one, and then this would be that of another file.
	return errors.Join(removeIfThere(s.recent.path), syncDir(filepath.Dir(s.path)))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// needLog gives the file a log, where it has none yet. The caller has the lead. After an error
// there is none, and the next commit tries again.
func (s *Store) needLog() error {
	if s.recent.log != nil {
		return nil
	}
	if s.opts.LogInFile {
		log, err := s.makeInside(s.opts.leastInside())
		if err != nil {
			return err
		}
		s.startLog(log)
		return nil
	}
	log, err := s.makeLog()
	if err != nil {
		return err
	}
	first := commitlog.First(1)
	log.Restart(first)
	if err := s.writeMark(mark{open: true, id: log.ID(), next: first}); err != nil {
		err = errors.Join(err, log.Close())
		if !s.frozen.Load() { // then the file may say that it has a log
			err = errors.Join(err, removeIfThere(s.recent.path))
		}
		return err
	}
	s.startLog(log)
	return nil
}

// startLog has the log used that was made.
func (s *Store) startLog(log *commitlog.Log) {
	s.begins.Lock()
	s.recent.log, s.recent.inside = log, s.opts.LogInFile
	s.begins.Unlock()
	s.startKeeper()
}

// makeLog makes an empty log, durably.
func (s *Store) makeLog() (*commitlog.Log, error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	made := s.path + newLogSuffix
	takeRights := func(f *os.File) error { return takeRights(f, info) }
	if err := commitlog.Create(made, takeRights, s.logOptions()); err != nil {
		return nil, err
	}
	if err := os.Rename(made, s.recent.path); err != nil {
		return nil, errors.Join(err, removeIfThere(made))
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	return commitlog.Open(s.recent.path, false, s.logOptions())
}

// endLog says in the file that it has all that is in its log, and removes that.
func (s *Store) endLog() error {
	if s.recent.log == nil {
		return nil
	}
	if err := s.writeMark(mark{id: s.recent.log.ID(), next: s.recent.log.Head()}); err != nil {
		return err
	}
	return s.removeLog()
}

// removeLog removes the log, which the file does not need any more. From within the file it was
// removed with the mark.
func (s *Store) removeLog() error {
	err := s.recent.log.Close()
	s.recent.log = nil
	if s.recent.inside {
		return err
	}
	return errors.Join(err, removeIfThere(s.recent.path), syncDir(filepath.Dir(s.path)))
}

// finishLog writes all layers into bbolt when the store is closed, and reports whether the
// log is needed no more.
func (s *Store) finishLog() bool {
	if s.recent.log == nil || s.frozen.Load() || s.dead.Load() || s.lost != nil {
		return false
	}
	s.recent.flushing.Lock()
	defer s.recent.flushing.Unlock()
	return s.drain() == nil
}

// closeLog closes the log when the store is closed, and removes it when the file has all that
// is in it. What fails, the next Open makes up for.
func (s *Store) closeLog(unneeded bool) {
	if unneeded {
		_ = s.removeLog()
		return
	}
	_ = s.recent.log.Close()
}
