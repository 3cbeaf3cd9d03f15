package bolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// A log inside the file is the only value of a bucket of its own. bbolt allocates its pages, and
// leaves them alone then: nothing else is written to that bucket until the log is replaced by a
// larger one, or goes. Records are written over the value, in place, through a handle of their own:
// the system tells of a failed write once for each, and what was bbolt's must not be taken for the
// log's. No page header is written over, since the log begins at the next page.
var (
	insideBucket = []byte("siftdb.log.inside")
	insideKey    = []byte("log")
)

const (
	firstInside = 256 << 10 // the size of a log inside the file at first
	insideSteps = 4         // how many times larger the next one is

	defaultInsideBytes = 5 << 20 // LogBytes, where the log is inside the file
)

// leastInside is how large a log inside the file is at first.
func (o Options) leastInside() int64 {
	switch {
	case o.sizes == nil:
		return min(firstInside, o.mostInside())
	case o.sizes.first > 0:
		return o.sizes.first
	}
	return o.mostInside()
}

// mostInside is how large a log inside the file may become.
func (o Options) mostInside() int64 {
	const mostValue = 1 << 30 // less than what bbolt takes
	return min(max(o.wholeSizes().most/8*8, 2*commitlog.LeastWithin), mostValue)
}

// insideSizes are what bounds a log inside the file that has a size.
func (o Options) insideSizes(size int64) logSizes {
	all := o.wholeSizes()
	if o.sizes != nil || size >= all.most/8*8 {
		return all
	}
	sizes := logSizes{direct: size / 8, reserve: size / 16, most: size, idle: all.idle}
	sizes.room = 2*sizes.direct + sizes.reserve
	sizes.flush = (size - 2*sizes.room) * 2 / 5
	return sizes
}

// putInside puts an empty log of a size into the file, in the place of one that is there, and the
// mark for it.
func (s *Store) putInside(tx *bbolt.Tx, size int64) error {
	if err := dropInside(tx); err != nil {
		return err
	}
	b, err := tx.CreateBucket(insideBucket)
	if err != nil {
		return err
	}
	value := make([]byte, s.insidePad()+size)
	id := commitlog.Format(value[s.insidePad():])
	if err := b.Put(insideKey, value); err != nil {
		return err
	}
	return putMark(tx, mark{open: true, inside: true, id: id, next: commitlog.First(1)})
}

// insidePad is how far the log stands behind the start of its value: at the start of a page.
func (s *Store) insidePad() int64 {
	return int64(s.pageSize - headerSize - elementSize - len(insideKey))
}

// dropInside takes the log out of the file.
func dropInside(tx *bbolt.Tx) error {
	if tx.Bucket(insideBucket) == nil {
		return nil
	}
	return tx.DeleteBucket(insideBucket)
}

// makeInside puts an empty log into the file, durably, and opens it. The caller has the lead, and
// nobody else writes to bbolt. It has the handle before the file is changed, so that nothing but a disk
// that cannot be read can come in between.
func (s *Store) makeInside(size int64) (*commitlog.Log, error) {
	if err := s.handleInside(); err != nil {
		return nil, err
	}
	if err := s.storeInside(size); err != nil {
		return nil, err
	}
	log, err := s.openInside()
	if err == nil {
		log.Restart(commitlog.First(1))
	}
	return log, err
}

// storeInside is putInside in a transaction of its own.
func (s *Store) storeInside(size int64) error {
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	if err := guarded(func() error { return s.putInside(tx, size) }); err != nil {
		s.abandon(tx)
		return full(err)
	}
	return s.commit(tx)
}

// outgrown reports whether as much was written to a log inside the file as it holds, and it would do
// with fewer and larger layers if it was a larger one.
func (s *Store) outgrown() bool {
	size := int64(0)
	if s.recent.inside {
		size = s.recent.log.Size()
	}
	return size > 0 && size < s.opts.mostInside() && s.recent.sinceMade >= size
}

// growInside replaces the log inside the file, of which nothing is needed, by a larger one. Where
// that fails the old one is used on. The caller has the lead, and holds flushing.
func (s *Store) growInside() {
	size := s.recent.log.Size()
	most := s.opts.mostInside()
	if !s.recent.inside || size >= most || s.recent.layers.Load() != nil {
		return
	}
	next := insideSteps * size
	if next > most/2 { // one more step would leave this one behind as a hole
		next = most
	}
	made, err := s.makeInside(next)
	if err != nil {
		s.recent.sinceMade = -insideSteps * size // it is tried again some time later
		if !notApplied(err) && s.insideReplaced() {
			s.frozen.Store(true)
		}
		return
	}
	s.replaceLog(made)
}

// takeInside goes on in the log that is inside the file which is open now, in the place of the one
// that was. The caller has the lead, and holds flushing.
func (s *Store) takeInside(m mark) error {
	made, err := s.openInside()
	if err == nil && made.ID() != m.id {
		err = errors.Join(fmt.Errorf("%w: the commit log in %s is not its own", storage.ErrCorrupt, s.path), made.Close())
	}
	if err != nil {
		s.frozen.Store(true)
		return err
	}
	made.Restart(m.next)
	s.replaceLog(made)
	return nil
}

// replaceLog has another log used from now on.
func (s *Store) replaceLog(made *commitlog.Log) {
	s.begins.Lock()
	old := s.recent.log
	s.recent.log = made
	s.begins.Unlock()
	s.recent.sinceMade = 0
	_ = old.Close()
}

// insidePages returns what a log inside the file takes of it.
func (s *Store) insidePages(tx *bbolt.Tx) int64 {
	b := tx.Bucket(insideBucket)
	if b == nil {
		return 0
	}
	page := int64(s.pageSize)
	return (int64(headerSize+elementSize+len(insideKey)+len(b.Get(insideKey))) + page - 1) / page * page
}

// insideReplaced reports whether the file may have another log than the one that is open.
func (s *Store) insideReplaced() bool {
	m, ok, err := s.readMark()
	return err != nil || !ok || m.id != s.recent.log.ID()
}

// handleInside opens the file for the log inside it, unless it is open. The handle stays as long as the
// file is that of the store: some systems let go of bbolt's lock when any handle is closed.
func (s *Store) handleInside() error {
	if s.recent.handle != nil {
		if same, err := s.isOurs(s.recent.handle); err == nil && same {
			return nil
		}
		s.closeInside()
	}
	flag := os.O_RDWR
	if s.opts.ReadOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(s.path, flag, 0)
	if err != nil {
		return err
	}
	same, err := s.isOurs(f)
	if err == nil && !same {
		err = fmt.Errorf("%w: %s", errReplaced, s.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.recent.handle = f
	return nil
}

// closeInside closes the handle for the log inside the file.
func (s *Store) closeInside() {
	if s.recent.handle != nil {
		_ = s.recent.handle.Close() // what was written was synced
		s.recent.handle = nil
	}
}

// openInside opens the log that is inside the file.
func (s *Store) openInside() (*commitlog.Log, error) {
	if err := s.handleInside(); err != nil {
		return nil, err
	}
	from, size, err := s.findInside()
	if err != nil {
		return nil, err
	}
	return commitlog.OpenWithin(s.recent.handle, from, size, s.logOptions())
}

// isOurs reports whether f is the file that the store has open.
func (s *Store) isOurs(f *os.File) (bool, error) {
	ours, err := s.file.Stat()
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(ours, info), err
}

// findInside returns where in the file its log stands.
func (s *Store) findInside() (from, size int64, err error) {
	root, err := s.rootInside()
	if err != nil {
		return 0, 0, err
	}
	damaged := fmt.Errorf("%w: the commit log in the file cannot be found at page %d", storage.ErrCorrupt, root)
	p := make([]byte, headerSize+elementSize)
	at := int64(root) * int64(s.pageSize)
	if _, err := s.file.ReadAt(p, at); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", damaged, err)
	}
	pages := int64(order.Uint32(p[12:])) + 1
	e := p[headerSize:]
	pos, keySize, length := int64(order.Uint32(e[4:])), int64(order.Uint32(e[8:])), int64(order.Uint32(e[12:]))
	from = at + headerSize + pos + keySize + s.insidePad()
	size = length - s.insidePad()
	if order.Uint64(p) != root || order.Uint16(p[8:]) != flagLeaf || order.Uint16(p[10:]) != 1 ||
		from != at+int64(s.pageSize) || pages != 1+(size+int64(s.pageSize)-1)/int64(s.pageSize) {
		return 0, 0, damaged
	}
	return from, size, nil
}

// rootInside returns the page of the log inside the file.
func (s *Store) rootInside() (root uint64, err error) {
	err = s.look(func(tx *bbolt.Tx) error {
		b := tx.Bucket(insideBucket)
		if b == nil {
			return fmt.Errorf("%w: the commit log that is to be in the file is missing", storage.ErrCorrupt)
		}
		root = uint64(b.Root())
		return nil
	})
	return root, err
}

// hasInside reports whether the file has a log in it.
func (s *Store) hasInside() bool {
	_, err := s.rootInside()
	return err == nil
}

// saveInside writes what the damaged log inside the file holds to a file of its own, durably. It
// reports false when it cannot be told from anything else.
func (s *Store) saveInside(path string) (saved bool, err error) {
	from, size, err := s.findInside()
	if err != nil {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(f, io.NewSectionReader(s.file, from, size))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return true, err
}
