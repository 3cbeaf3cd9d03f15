package commitlog

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// firstSize is what is allocated at first.
const firstSize = 256 << 10

// Options are the settings of a log.
type Options struct {
	Most   int64 // how large the file may become
	NoSync bool  // nothing is made durable
	// Wrap, where it is set, stands between the log and its file. Tests fail calls in it.
	Wrap func(File) File
}

// Create writes an empty log into a new file, which prepare may give rights, and makes that
// durable. The caller gives the file its name, and opens it.
func Create(path string, prepare func(*os.File) error, o Options) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l := newLog(f, newID(), headerSize, o)
	if _, err = l.file.WriteAt(header(l.id), 0); err == nil {
		err = prepare(f)
	}
	if err == nil {
		err = l.grow(firstSize)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func newLog(f *os.File, id ID, size int64, o Options) *Log {
	l := &Log{file: osFile{f}, id: id, size: size, most: max(o.Most, firstSize), noSync: o.NoSync}
	if o.Wrap != nil {
		l.file = o.Wrap(l.file)
	}
	return l
}

// Open opens a log, which is to be replayed, or restarted. It fails with storage.ErrCorrupt when the file is none.
func Open(path string, readOnly bool, o Options) (*Log, error) {
	flag := os.O_RDWR
	if readOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, errors.Join(err, f.Close())
	}
	id, ok := readHeader(b)
	if !ok || info.Size() < headerSize {
		return nil, errors.Join(damaged("%s does not begin as one", path), f.Close())
	}
	return newLog(f, id, info.Size()/alignment*alignment, o), nil
}

// osFile is a file of the system.
type osFile struct{ *os.File }

// Sync makes what was written within the allocated size durable.
func (f osFile) Sync() error {
	if err := syncData(f.File); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// SyncAll makes everything durable.
func (f osFile) SyncAll() error { return f.File.Sync() }
