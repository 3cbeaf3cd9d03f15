package media

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	pathpkg "path"
	"sync"
	"syscall"

	"github.com/siftdb/siftdb/internal/errs"
)

const (
	// tempDir holds files that are being uploaded. CheckPath refuses its name, so
	// no path leads into it.
	tempDir = ".uploads"

	dirMode  = 0o700
	fileMode = 0o600
)

// DirStore is a Store in a directory: the file under a path is the file of that
// path below the directory.
//
// Only regular files are files to it. Symbolic links are never taken for one, nor
// followed out of the directory, by whatever way a path leads over one.
type DirStore struct {
	root *os.Root

	// tree is held while directories come or go, so that none is removed as empty
	// between being made for a file and holding it.
	tree sync.Mutex

	mu     sync.Mutex // guards what follows
	users  int        // calls under way; the last one closes root
	closed bool

	fault func(step string) error // fails a step of Put or Delete, in tests
}

// Dir opens the store in a directory, which it makes if there is none. New
// directories have the mode 0700 and new files 0600.
//
// One DirStore at a time should have a directory: Dir removes what uploads that
// never ended have left behind, and with it the uploads that another one has
// under way, which then fail. No other harm comes of two.
//
// A Put comes back when the file and the directories above it are on the disk.
// Where the file system has no hard links, and only there, two processes that put
// a file under one path at the same moment may both succeed, and one file is left.
func Dir(path string) (*DirStore, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, dirError(err, "the directory of files cannot be made")
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, dirError(err, "the directory of files cannot be opened")
	}
	d := &DirStore{root: root}
	if err := d.sweep(); err != nil {
		root.Close()
		return nil, dirError(err, "the directory of files cannot be cleared of unfinished uploads")
	}
	return d, nil
}

// sweep makes the directory of unfinished uploads, and empties it.
func (d *DirStore) sweep() error {
	if err := d.root.MkdirAll(tempDir, dirMode); err != nil {
		return err
	}
	f, err := d.root.Open(tempDir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(256)
		for _, name := range names {
			if err := d.root.RemoveAll(tempDir + "/" + name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Close closes the store: later calls fail, and uploads under way end with an
// error. It does not wait for them. Files that are open can be read on.
func (d *DirStore) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if d.users > 0 {
		return nil // leave closes it
	}
	return d.root.Close()
}

// enter begins a call, which ends with leave.
func (d *DirStore) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errs.New(errs.Closed, "the directory of files is closed")
	}
	d.users++
	return nil
}

func (d *DirStore) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users--
	if d.closed && d.users == 0 {
		d.root.Close()
	}
}

// alive fails when the store was closed.
func (d *DirStore) alive() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errs.New(errs.Closed, "the directory of files was closed during an upload")
	}
	return nil
}

// Get implements Store. The file is an io.Seeker.
func (d *DirStore) Get(ctx context.Context, path string) (File, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	defer d.leave()
	// Looked at before it is opened: opening a pipe would wait for its other end.
	if _, err := d.stat(path); err != nil {
		return nil, err
	}
	f, err := d.root.Open(path)
	if err != nil {
		return nil, pathError(err, path, "opened")
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, pathError(err, path, "opened")
	}
	return &dirFile{ctx: ctx, f: f, info: Info{Path: path, Size: st.Size(), Modified: st.ModTime()}}, nil
}

// stat tells about the file under a path, or that there is none.
func (d *DirStore) stat(path string) (Info, error) {
	st, err := d.root.Lstat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return Info{}, pathError(err, path, "found")
	}
	return Info{Path: path, Size: st.Size(), Modified: st.ModTime()}, nil
}

// dirFile is an open file of a directory.
type dirFile struct {
	ctx  context.Context
	f    *os.File
	info Info
}

func (f *dirFile) Info() Info { return f.info }

func (f *dirFile) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.f.Read(p)
	if err != nil && err != io.EOF {
		err = pathError(err, f.info.Path, "read")
	}
	return n, err
}

func (f *dirFile) Seek(offset int64, whence int) (int64, error) { return f.f.Seek(offset, whence) }

func (f *dirFile) Close() error { return f.f.Close() }

// Delete implements Store. It removes directories that it leaves empty.
func (d *DirStore) Delete(ctx context.Context, path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	if _, err := d.stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	left, err := d.remove(path)
	if err != nil {
		return pathError(err, path, "deleted")
	}
	if err := d.syncDir(left); err != nil {
		return pathError(err, path, "deleted durably")
	}
	return nil
}

// remove removes a file and the directories above it that are empty then, and
// returns the first that stays.
func (d *DirStore) remove(path string) (left string, err error) {
	d.tree.Lock()
	defer d.tree.Unlock()
	if err := d.step("remove"); err != nil {
		return "", err
	}
	if err := d.root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return d.prune(pathpkg.Dir(path)), nil
}

// prune removes a directory and those above it, as long as they are empty, and
// returns the first that stays. The caller holds tree.
func (d *DirStore) prune(dir string) string {
	for dir != "." {
		st, err := d.root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			dir = pathpkg.Dir(dir)
			continue
		}
		// A link to a directory must not be removed in place of one.
		if err != nil || !st.IsDir() || d.root.Remove(dir) != nil {
			return dir
		}
		dir = pathpkg.Dir(dir)
	}
	return dir
}

// List implements Store. Files whose paths are none are left out: whoever else
// writes into the directory has put them there.
func (d *DirStore) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := d.enter(ctx); err != nil {
			yield(Info{}, err)
			return
		}
		defer d.leave()
		d.walk(ctx, ".", yield)
	}
}

// walk yields the files below a directory, and returns false when that is to end.
// It reads directories in parts: one may hold millions of files.
func (d *DirStore) walk(ctx context.Context, dir string, yield func(Info, error) bool) bool {
	f, err := d.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true // pruned meanwhile
	}
	if err != nil {
		yield(Info{}, dirError(err, "the directory of files cannot be listed"))
		return false
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return false
			}
			if !d.visit(ctx, pathpkg.Join(dir, e.Name()), e.Type(), yield) {
				return false
			}
		}
		if err == io.EOF || errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if err != nil {
			yield(Info{}, dirError(err, "the directory of files cannot be listed"))
			return false
		}
	}
}

// visit is walk for one name in a directory.
func (d *DirStore) visit(ctx context.Context, path string, mode fs.FileMode, yield func(Info, error) bool) bool {
	if CheckPath(path) != nil {
		return true
	}
	if mode.IsDir() {
		return d.walk(ctx, path, yield)
	}
	if !mode.IsRegular() {
		return true
	}
	info, err := d.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return yield(info, err) && err == nil
}

// errClosedFile is what a closed File returns.
var errClosedFile = errs.Wrap(errs.Closed, fs.ErrClosed, "the file is closed")

// pathError is dirError for what happened to a file. A path that leads through
// something that is no directory does not exist.
func pathError(err error, path, done string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return notExistError(path)
	case errors.Is(err, fs.ErrClosed):
		return errClosedFile
	}
	return dirError(err, "file %q cannot be %s", path, done)
}

// dirError gives an error of the file system a code.
func dirError(err error, format string, args ...any) error {
	var own *errs.Error
	if errors.As(err, &own) {
		return err
	}
	code := errs.Unavailable
	for _, full := range fullErrors {
		if errors.Is(err, full) {
			code = errs.Full
		}
	}
	return errs.Wrap(code, err, format, args...)
}
