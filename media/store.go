// Package media keeps the bytes of files: under a path, in a Store. It knows
// neither entries nor data sources nor HTTP; who may read a file, and what it is
// called, is written down elsewhere.
//
// Two stores come with it, Dir in a directory and Memory in memory, and Encrypted
// goes around any store. A program can bring its own; package mediatest holds it
// to the promises made here.
//
// An upload is one pass over its bytes:
//
//	in := media.NewInspector(body, part.Header.Get("Content-Type"))
//	info, err := store.Put(ctx, media.NewPath(appID, orgID, part.FileName()), in)
//	facts := in.Facts() // size, checksum, content type, width and height
package media

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// Store keeps files under paths. A file is written once and never changes: it is
// there whole, or not at all. All methods are safe for concurrent use.
//
// Paths are what CheckPath accepts; for any other, every method fails with
// fs.ErrInvalid. Errors about a path that is taken are fs.ErrExist, and about one
// that is not there fs.ErrNotExist, both for errors.Is.
type Store interface {
	// Put stores what r gives up to io.EOF under a path that holds no file yet,
	// without keeping the whole of it in memory (but for a store that is memory).
	// It fails with fs.ErrExist, before or after reading r, when the path holds a
	// file; of several at once for one path, one succeeds. A store may also refuse
	// so a path that lies below that of another file, or above one.
	//
	// When Put returns nil the file is there and survives a crash, as far as the
	// store survives one. When it fails, or r panics, or the process dies on the
	// way, nothing is under the path and no other file has changed. An error of r
	// is in the chain of the error returned, with its own text; so is the error of
	// ctx, which is looked at between reads. A read that blocks is not interrupted.
	Put(ctx context.Context, path string, r io.Reader) (Info, error)

	// Get opens the file under a path, or fails with fs.ErrNotExist. Reading from
	// it fails once ctx is done. The caller closes it. A Delete does not disturb
	// those who have the file open.
	Get(ctx context.Context, path string) (File, error)

	// Delete removes the file under a path. That there is none is no error.
	Delete(ctx context.Context, path string) error

	// List yields every file, in no order. Files put or deleted meanwhile may be
	// left out or not; the loop may delete. An error is the last thing it yields.
	//
	// Whoever deletes files that nothing refers to must spare young ones
	// (Info.Modified): an upload is stored first and written down afterwards.
	List(ctx context.Context) iter.Seq2[Info, error]
}

// Info tells about a stored file.
type Info struct {
	// Path is the path it is stored under.
	Path string
	// Size is the number of bytes that Put read and that reading gives back. It
	// is -1 from the List of an encrypted store for a file that it has not written.
	Size int64
	// Modified is about when it was stored, by the clock of the store.
	Modified time.Time
}

// File is an open file. It is for one goroutine at a time.
//
// The files of a store that can read from the middle implement io.Seeker too: all
// stores of this package, and Encrypted around one whose files do.
type File interface {
	io.ReadCloser

	// Info tells about the file.
	Info() Info
}

// maxPath is how many bytes a path may have. Names have 255 at most.
const maxPath = 1024

// CheckPath returns an error, with fs.ErrInvalid in its chain, unless path can be
// the path of a file: one to 1024 bytes, of names joined by slashes that are each
// as CleanName leaves them. So a path means the same on every system, and none
// leads out of a directory. What NewPath makes is such a path.
func CheckPath(path string) error {
	if path == "" || len(path) > maxPath {
		return errs.Wrap(errs.InvalidInput, fs.ErrInvalid, "a file path has 1 to %d bytes, not %d", maxPath, len(path))
	}
	for name := range strings.SplitSeq(path, "/") {
		if CleanName(name) != name {
			return errs.Wrap(errs.InvalidInput, fs.ErrInvalid, "%q cannot be the path of a file", path)
		}
	}
	return nil
}

// existsError says that a path is taken.
func existsError(path string) error {
	return errs.Wrap(errs.Conflict, fs.ErrExist, "there is a file %q", path)
}

// notExistError says that nothing is under a path.
func notExistError(path string) error {
	return errs.Wrap(errs.NotFound, fs.ErrNotExist, "there is no file %q", path)
}

// source is what a Put reads from: it ends with the context, and does not turn
// forever around a reader that gives nothing.
type source struct {
	ctx   context.Context
	r     io.Reader
	alive func() error // asked before each read, when not nil
	empty int          // reads in a row that gave nothing
}

// maxEmptyReads is how often a reader may give neither bytes nor an error.
const maxEmptyReads = 100

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.alive != nil {
		if err := s.alive(); err != nil {
			return 0, err
		}
	}
	n, err := s.r.Read(p)
	if n > 0 || err != nil || len(p) == 0 {
		s.empty = 0
		return n, err
	}
	if s.empty++; s.empty >= maxEmptyReads {
		return 0, io.ErrNoProgress
	}
	return 0, nil
}

// readFull fills p. Its error is that of r: io.EOF, also after some bytes, only
// where r really came to its end. (io.ReadFull returns io.ErrUnexpectedEOF then,
// which is just what a body returns that was cut off.)
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}
