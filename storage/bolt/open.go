package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/internal/gate"
)

// Options are the settings of a store. The zero value is right for most.
type Options struct {
	// ReadOnly opens the file for reading: it must exist, may be write-protected,
	// and may be open for reading elsewhere, but not for writing. Update returns
	// storage.ErrReadOnly.
	ReadOnly bool

	// NoSync leaves out the waits for the disk. A crash of the machine can then
	// lose the file. It is for tests and for loads that can be started again;
	// Close makes what was written durable.
	NoSync bool

	// InitialMmapSize is the address space in bytes to reserve for the file. While
	// the file fits into it, growing waits for no reader. 0 means 4 GiB, or twice
	// the file; less is taken where so much cannot be had. It has no effect on
	// Windows and on 32-bit systems.
	InitialMmapSize int64

	// LockTimeout is how long to wait for a file that is in use. 0 means 500 ms;
	// more than 800 ms is taken as that.
	LockTimeout time.Duration

	// Log keeps a log beside the file, at its path with ".siftdb-log" behind it, from the first
	// commit on. What an Update writes is durable when the log has it, which takes one wait for
	// the disk and a write in one place; the file gets it later, from a goroutine that ends with
	// Close. Then the log is removed. Until then, and after a crash, the file is of no use without it: who
	// copies or moves one takes both. Open goes on with a log that a crash has left behind,
	// whatever this option is; with ReadOnly it reads it into memory.
	Log bool

	// LogInFile has the log of Log inside the file itself. Then there is no other file that belongs to
	// it. The log takes 256 KiB of the file at first, up to about three times LogBytes where much is
	// written at once, and leaves free pages behind when the store is closed.
	LogInFile bool

	// LogBytes is about how much of what was written may be in the log alone; 0 means 32 MiB, and 5 MiB
	// for one inside the file. It takes three times that in memory at most, while the file cannot
	// keep up; then Updates wait for it.
	LogBytes int64

	sizes   *logSizes                           // other ones than defaultLogSizes; set by tests
	wrapLog func(commitlog.File) commitlog.File // set by tests

	recovered *Recovered // where Recover tells what it does
}

const (
	defaultMmapSize    = 4 << 30
	smallestMmapSize   = 64 << 20
	defaultLockTimeout = 500 * time.Millisecond
	longestLockTimeout = 800 * time.Millisecond // ErrLocked within a second
	lockInterval       = 10 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	o.LockTimeout = min(o.LockTimeout, longestLockTimeout)
	return o
}

// Open opens the store in the file at path, and creates it where the file is
// missing, empty, or left behind by a creation that a crash cut off.
//
// It returns storage.ErrLocked when the file is in use, storage.ErrNotDatabase
// when it is something else, both that and storage.ErrCorrupt when it was cut
// off, storage.ErrCorrupt when its structure is damaged, and the operating
// system's error when the file cannot be opened; all wrapped with the path.
//
// It returns storage.ErrCorrupt when the log of the file is missing or damaged, and
// storage.ErrNotDatabase when the log beside it belongs to another one, as a *LogError.
//
// Opening a file that was closed takes no longer for a large one. Where it has many free pages,
// their list is read with the first Update, which then returns what Open would return when there is
// not enough memory, or the list is damaged. After a crash, Open reads the file to find its free
// pages, and checks its structure.
func Open(path string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	deadline := time.Now().Add(opts.LockTimeout)
	for {
		s, err := openOnce(path, opts, deadline)
		if !errors.Is(err, errReplaced) && !errors.Is(err, errOvertaken) {
			return s, err
		}
		if time.Now().After(deadline) {
			return nil, openError(path, storage.ErrLocked)
		}
		time.Sleep(lockInterval)
	}
}

// errReplaced is met when another file has got the path since it was opened: whoever held
// the lock has compacted the store.
var errReplaced = errors.New("another file is at the path")

// openOnce is Open, but for errReplaced and errOvertaken.
func openOnce(path string, opts Options, deadline time.Time) (*Store, error) {
	found, err := prepare(path, opts, deadline)
	if err != nil {
		return nil, openError(path, err)
	}
	s := &Store{
		file:     found.kept,
		gate:     gate.New(),
		opts:     opts,
		pageSize: found.meta.pageSize,
		commitTx: (*bbolt.Tx).Commit,
		unsaved:  found.meta.freelist == noFreelist,
	}
	if s.readsFirst(found) {
		err = s.openReading(path, found, deadline)
	} else {
		err = s.open(path, found.size, deadline)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	err = s.settle(path)
	if err == nil {
		if opts.recovered != nil {
			err = s.recoverLog()
		} else {
			err = wrongLog(s.openLog())
		}
	}
	if err != nil {
		return nil, openError(path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// settle makes sure, once the lock is held, that the file is still the one at the path, and
// removes what a compaction left behind.
func (s *Store) settle(path string) (err error) {
	// The path of the file itself holds when the working directory changes, and Compact must
	// not take a symbolic link for the file.
	if s.path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	if s.path, err = filepath.Abs(s.path); err != nil {
		return err
	}
	if err := s.inPlace(); err != nil || s.opts.ReadOnly {
		return err
	}
	return removeLeftover(s.path)
}

// inPlace returns errReplaced when the path leads to another file than the one that is open.
func (s *Store) inPlace() error {
	open, err := s.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(open, there) {
		return fmt.Errorf("%w: %s", errReplaced, s.path)
	}
	return err
}

// openError says which file could not be opened, once.
func openError(path string, err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) && pathError.Path == path {
		return fmt.Errorf("storage/bolt: %w", full(err))
	}
	return fmt.Errorf("storage/bolt: open %s: %w", path, full(err))
}

// file is what prepare found.
type file struct {
	meta meta
	size int64
	free int      // pages, where the file has a list of them and is not opened for reading alone
	kept *os.File // the file itself, open and locked, where bbolt can go on with it
}

// prepare makes sure, under bbolt's lock, that bbolt can open the file safely:
// it writes the first pages of a new one and checks those of an old one.
//
// A new file is written in place. Only who holds the lock writes, so of two
// processes that create it one goes first and the other finds it made; no rename
// can put an empty file in the place of one that has data. What a crash leaves
// behind is known by isTorn, and made again.
func prepare(path string, o Options, deadline time.Time) (found file, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("%w: not a regular file", storage.ErrNotDatabase)
	}
	flag := os.O_RDWR | os.O_CREATE
	if o.ReadOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return file{}, err
	}
	defer func() {
		if found.kept = f; err != nil || !lockTwice {
			found.kept = nil
			f.Close() // and let go of the lock
		}
	}()
	if err := lock(f, !o.ReadOnly, deadline); err != nil {
		return file{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return file{}, err
	}
	size := info.Size()
	if size == 0 || isTorn(f, size) {
		if o.ReadOnly {
			return file{}, fmt.Errorf("%w: the file is empty", storage.ErrNotDatabase)
		}
		if size, err = create(f); err != nil {
			return file{}, err
		}
	}
	return inspect(f, size, o.ReadOnly)
}

// lock waits for the lock on f until the deadline.
func lock(f *os.File, exclusive bool, deadline time.Time) error {
	for {
		ok, err := tryLock(f, exclusive)
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return storage.ErrLocked
		}
		time.Sleep(lockInterval)
	}
}

// create writes the first pages of a new file, durably.
func create(f *os.File) (size int64, err error) {
	image := newImage(os.Getpagesize())
	if _, err := f.WriteAt(image, 0); err != nil {
		return 0, err
	}
	if err := f.Truncate(int64(len(image))); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return int64(len(image)), syncDir(filepath.Dir(f.Name()))
}

// syncDir makes the entries of a directory durable, where that is needed.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// inspect checks a file before bbolt maps it.
func inspect(f *os.File, size int64, readOnly bool) (file, error) {
	m, ok := readMeta(f)
	if !ok {
		return file{}, fmt.Errorf("%w: no sound meta page", storage.ErrNotDatabase)
	}
	if m.next < newPages || m.next > uint64(size)/uint64(m.pageSize) {
		return file{}, fmt.Errorf("%w: %w: %d bytes are too few for %d pages of %d bytes",
			storage.ErrNotDatabase, storage.ErrCorrupt, size, m.next, m.pageSize)
	}
	if readOnly {
		return file{meta: m, size: size}, nil // bbolt follows pages only inside View
	}
	free, err := 0, error(nil)
	if m.freelist == noFreelist {
		err = verifyPages(f, m)
	} else {
		free, err = verifyFreelist(f, m)
	}
	if err != nil {
		return file{}, fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
	}
	return file{meta: m, size: size, free: free}, nil
}

// open opens bbolt, with less address space where the wanted size is refused.
func (s *Store) open(path string, fileSize int64, deadline time.Time) error {
	return withLess(s.opts.mmapSize(fileSize), func(mmap int) error {
		err := s.openBolt(path, mmap, max(time.Until(deadline), minLockTimeout))
		if errors.Is(err, berrors.ErrTimeout) {
			return storage.ErrLocked
		}
		return err
	})
}

// withLess calls open, again with less address space as long as there is too little.
func withLess(mmap int, open func(mmap int) error) error {
	for {
		err := open(mmap)
		if !errors.Is(err, syscall.ENOMEM) || mmap == 0 {
			return err
		}
		if mmap /= 4; mmap < smallestMmapSize {
			mmap = 0
		}
	}
}

// minLockTimeout makes bbolt try its lock at least once: it gives up 50 ms early.
const minLockTimeout = 100 * time.Millisecond

func (o Options) mmapSize(fileSize int64) int {
	if runtime.GOOS == "windows" || strconv.IntSize < 64 {
		return 0
	}
	if o.InitialMmapSize > 0 {
		return int(o.InitialMmapSize)
	}
	return int(max(int64(defaultMmapSize), 2*fileSize))
}

func (s *Store) openBolt(path string, mmap int, timeout time.Duration) (err error) {
	defer catchFaults()()
	defer func() {
		if v := recover(); v != nil {
			if s.file != nil {
				s.file.Close()
			}
			err = corruption(v)
			if err == nil {
				panic(v)
			}
		}
	}()
	kept := s.file
	s.file = nil
	s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         timeout,
		ReadOnly:        s.opts.ReadOnly,
		NoSync:          s.opts.NoSync,
		NoFreelistSync:  true, // while open: see Store.saveFreelist
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mmap,
		OpenFile: func(name string, flag int, perm os.FileMode) (f *os.File, err error) {
			if f, kept = kept, nil; f == nil {
				f, err = os.OpenFile(name, flag, perm)
			}
			s.file = f
			return f, err
		},
	})
	if kept != nil {
		kept.Close()
	}
	if err != nil {
		s.file = nil // bbolt closed it: another try opens it again
		return err
	}
	s.idle.reset(s.db)
	return nil
}
