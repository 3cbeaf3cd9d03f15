package commitlog

import (
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"
)

// Format makes zeros an empty log of a fixed size, for one that lies within another file, and returns
// its ID. The size is a multiple of 8, and at least LeastWithin.
func Format(zeros []byte) ID {
	id := newID()
	copy(zeros, header(id))
	sealSize(zeros, int64(len(zeros)))
	return id
}

// sealSize notes the size of a log within another file behind its header, and isSealed reports whether
// that was done: nothing else tells how far such a log goes.
func sealSize(b []byte, size int64) {
	order.PutUint64(b[32:], uint64(size))
	order.PutUint64(b[40:], xxhash.Sum64(b[:40]))
}

func isSealed(b []byte, size int64) bool {
	return order.Uint64(b[32:]) == uint64(size) && order.Uint64(b[40:]) == xxhash.Sum64(b[:40])
}

// LeastWithin is the least size of a log within another file.
const LeastWithin = 2 * headerSize

// OpenWithin opens the log that lies in a part of a file, as Open does. Its size is fixed: a record
// for which there is no place is ErrNoRoom. Close leaves the file open.
func OpenWithin(f *os.File, from, size int64, o Options) (*Log, error) {
	part := &within{osFile{f}, from, size}
	b := make([]byte, headerSize)
	var err error
	if size >= LeastWithin && size%alignment == 0 {
		_, err = part.ReadAt(b, 0)
	}
	id, ok := readHeader(b)
	if err == nil && (!ok || !isSealed(b, size)) || err == io.EOF {
		err = damaged("in %s, at %d, none of %d bytes begins", f.Name(), from, size)
	}
	if err != nil {
		return nil, err
	}
	l := &Log{file: part, id: id, size: size, most: size, noSync: o.NoSync}
	if o.Wrap != nil {
		l.file = o.Wrap(l.file)
	}
	return l, nil
}

// within is a part of a file of the system.
type within struct {
	osFile
	from, size int64
}

// ReadAt reads within the part.
func (w *within) ReadAt(p []byte, off int64) (int, error) {
	if err := w.inside(off, len(p)); err != nil {
		return 0, err
	}
	return w.osFile.ReadAt(p, w.from+off)
}

// WriteAt writes within the part.
func (w *within) WriteAt(p []byte, off int64) (int, error) {
	if err := w.inside(off, len(p)); err != nil {
		return 0, err
	}
	return w.osFile.WriteAt(p, w.from+off)
}

// Close leaves the file open.
func (w *within) Close() error { return nil }

// Truncate fails: the size is fixed.
func (w *within) Truncate(int64) error {
	return fmt.Errorf("%s: the size of the log in it is fixed", w.Name())
}

func (w *within) inside(off int64, n int) error {
	if off < 0 || off > w.size-int64(n) {
		return fmt.Errorf("%s: %d bytes at %d are not within the log, which has %d", w.Name(), n, off, w.size)
	}
	return nil
}
