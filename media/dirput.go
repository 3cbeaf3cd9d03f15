package media

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	pathpkg "path"
	"runtime"
	"sync"
	"syscall"
)

// Put implements Store. The bytes go to a file in tempDir. When all are on the
// disk, that file gets its path, by a link, which never replaces a file.
func (d *DirStore) Put(ctx context.Context, path string, r io.Reader) (Info, error) {
	if err := CheckPath(path); err != nil {
		return Info{}, err
	}
	if err := d.enter(ctx); err != nil {
		return Info{}, err
	}
	defer d.leave()
	if _, err := d.root.Lstat(path); err == nil {
		return Info{}, existsError(path)
	}

	temp := tempDir + "/" + rand.Text()
	f, err := d.create(temp)
	if err != nil {
		return Info{}, dirError(err, "file %q cannot be stored", path)
	}
	// Also when r panics. After the link, this is only its other name.
	defer d.root.Remove(temp)
	info, err := d.fill(ctx, f, path, r)
	if err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := d.place(temp, path); err != nil {
		return Info{}, err
	}
	if err := d.syncAbove(path); err != nil {
		// Nobody knows of the file yet, and it may be gone after a crash.
		d.remove(path)
		return Info{}, dirError(err, "file %q cannot be stored", path)
	}
	return info, nil
}

// create creates a file in tempDir.
func (d *DirStore) create(temp string) (*os.File, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := d.root.OpenFile(temp, flags, fileMode)
	if errors.Is(err, fs.ErrNotExist) { // somebody tidied up an empty directory
		if err := d.root.MkdirAll(tempDir, dirMode); err != nil {
			return nil, err
		}
		f, err = d.root.OpenFile(temp, flags, fileMode)
	}
	return f, err
}

// fill writes what r gives to f, waits until it is on the disk, and closes f.
func (d *DirStore) fill(ctx context.Context, f *os.File, path string, r io.Reader) (Info, error) {
	defer f.Close()
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	size, err := io.CopyBuffer(&dirWriter{d, f, path}, &source{ctx: ctx, r: r, alive: d.alive}, *buf)
	if err != nil {
		return Info{}, err // with its code already, or that of r
	}
	st, err := f.Stat()
	if err == nil {
		err = d.step("sync")
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.step("close")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return Info{}, dirError(err, "file %q cannot be stored", path)
	}
	return Info{Path: path, Size: size, Modified: st.ModTime()}, nil
}

// copyBuffers are the buffers of uploads.
var copyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 64<<10)
	return &b
}}

// dirWriter writes to a file. Its errors have a code, so that they can be told
// from those of the reader. It is no io.ReaderFrom, as os.File is.
type dirWriter struct {
	d    *DirStore
	f    *os.File
	path string
}

func (w *dirWriter) Write(p []byte) (int, error) {
	if err := w.d.step("write"); err != nil {
		return 0, dirError(err, "file %q cannot be stored", w.path)
	}
	n, err := w.f.Write(p)
	if err != nil {
		err = dirError(err, "file %q cannot be stored", w.path)
	}
	return n, err
}

// place gives the file temp its path.
func (d *DirStore) place(temp, path string) error {
	d.tree.Lock()
	defer d.tree.Unlock()
	dir := pathpkg.Dir(path)
	err := d.step("mkdir")
	if err == nil {
		err = d.root.MkdirAll(dir, dirMode)
	}
	if err == nil {
		err = d.link(temp, path)
	}
	if err == nil {
		return nil
	}
	d.prune(dir)
	// Not a directory: a file stands where the path leads through.
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return existsError(path)
	}
	return dirError(err, "file %q cannot be stored", path)
}

// link is place with the directories there. Not every file system has links;
// without, the look before the renaming serves those who call through d.
func (d *DirStore) link(temp, path string) error {
	err := d.step("link")
	if err == nil {
		err = d.root.Link(temp, path)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := d.root.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return err
	}
	if err := d.step("rename"); err != nil {
		return err
	}
	return d.root.Rename(temp, path)
}

// syncAbove makes the name of a file durable, and those of the directories above
// it: another Put may have made them, and not be done with that yet.
func (d *DirStore) syncAbove(path string) error {
	for dir := pathpkg.Dir(path); ; dir = pathpkg.Dir(dir) {
		if err := d.syncDir(dir); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// syncDir makes the names in a directory durable, where that is needed and can
// be done. A directory that is gone needs nothing.
func (d *DirStore) syncDir(dir string) error {
	if err := d.step("syncdir"); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := d.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some network file systems
	}
	return err
}

// step is where tests let a step fail.
func (d *DirStore) step(name string) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(name)
}
