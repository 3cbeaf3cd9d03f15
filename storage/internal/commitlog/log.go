// Package commitlog is a file that records are appended to, each durable before the next
// one is begun. The file is allocated beforehand and used as a ring: what is appended goes
// over records that are no longer needed, so that making it durable touches no metadata.
package commitlog

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/siftdb/siftdb/storage"
)

// ErrNoRoom is returned by Append when a record does not fit before the oldest one that is
// still needed.
var ErrNoRoom = errors.New("the commit log is full")

// SyncError is a record that is written, and may be durable or not.
type SyncError struct{ Err error }

// Error returns the cause.
func (e *SyncError) Error() string { return fmt.Sprintf("sync of the commit log: %v", e.Err) }

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// File is what a log is kept in.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes what was written within the allocated size durable.
	Sync() error
	// SyncAll makes everything durable, the size as well.
	SyncAll() error
	// Truncate sets the size.
	Truncate(size int64) error
	// Close closes the file.
	Close() error
}

// Position is where a record begins, and its number.
type Position struct {
	Offset int64
	Seq    uint64
}

// Log is an open log. Append, Reset and Replay need exclusive use; the rest may be called at
// any time.
type Log struct {
	file   File
	id     ID
	size   int64 // what is allocated
	most   int64 // what may be
	noSync bool

	mu   sync.Mutex
	head Position // of the next record
	tail int64    // the oldest record that is needed stands here, or head does
}

// First is where the first record of an empty log goes.
func First(seq uint64) Position { return Position{headerSize, seq} }

// ID returns the name of the log, which its owner has to know.
func (l *Log) ID() ID { return l.id }

// Head returns where the next record goes.
func (l *Log) Head() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Size returns the size of the file.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Release says that no record before a position is needed any more.
func (l *Log) Release(before Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = before.Offset
}

// Restart makes a position, before which nothing is needed, that of the next record. The
// owner must have noted it durably: Replay begins there.
func (l *Log) Restart(at Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.tail = at, at.Offset
}

// Append appends a record, which is what Begin began, and makes it durable. After
// ErrNoRoom, or another error but a *SyncError, it is not in the log, and the log can be
// used on.
//
// So many bytes are left behind it as reserve says: for records that make room.
func (l *Log) Append(record []byte, reserve int64) error {
	record, err := pad(record)
	if err != nil {
		return err
	}
	n := int64(len(record))
	at, err := l.place(n, reserve)
	if err != nil {
		return err
	}
	if err := l.write(record, at, kindRecord); err != nil {
		return err
	}
	l.moveHead(Position{at.Offset + n, at.Seq + 1})
	return nil
}

// write writes a record, and makes it durable. Of one that could not be written nothing may be
// taken for it: what is missing may be there from before, where it is zeros.
func (l *Log) write(record []byte, at Position, kind uint32) error {
	seal(record, l.id, at, kind)
	_, err := l.file.WriteAt(record, at.Offset)
	if err == nil {
		return l.sync()
	}
	_, undo := l.file.WriteAt(make([]byte, recordHeader), at.Offset)
	if undo == nil {
		undo = l.sync()
	}
	if undo != nil {
		return &SyncError{errors.Join(err, undo)}
	}
	return err
}

func (l *Log) sync() error {
	if l.noSync {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		return &SyncError{err}
	}
	return nil
}

func (l *Log) moveHead(to Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = to
}

// Room reports whether a record of n bytes, all in all, would find a place, if the disk has
// one.
func (l *Log) Room(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n += recordHeader + alignment
	return l.fits(n, 0) != nowhere
}

// Where a record may go.
const (
	nowhere = iota
	ahead   // at the head
	around  // at the start of the file, behind a jump
	beyond  // at the head, once the file is larger
)

// fits says where a record of n bytes may go. Behind it there is room for a jump, and for the
// reserve.
func (l *Log) fits(n, reserve int64) int {
	n += reserve
	end := l.head.Offset + n + recordHeader
	switch {
	case l.head.Offset < l.tail: // the ring is closed: up to the tail
		if end <= l.tail {
			return ahead
		}
		return nowhere
	case end <= l.size:
		return ahead
	case headerSize+n+recordHeader <= l.tail:
		return around
	case end <= l.most:
		return beyond
	}
	return nowhere
}

// place returns where a record of n bytes goes, and makes the place where there is none.
func (l *Log) place(n, reserve int64) (Position, error) {
	l.mu.Lock()
	where, at := l.fits(n, reserve), l.head
	l.mu.Unlock()
	switch where {
	case ahead:
		return at, nil
	case around:
		return l.jump(at)
	case beyond:
		return at, l.grow(at.Offset + n + reserve + recordHeader)
	}
	return at, ErrNoRoom
}

// jump appends a record that says that the next one stands at the start of the file. It is
// durable before that is written: a record that is there while one before it is missing
// means that the log is damaged.
func (l *Log) jump(at Position) (Position, error) {
	if err := l.write(Begin(nil), at, kindJump); err != nil {
		return at, err
	}
	next := First(at.Seq + 1)
	l.moveHead(next)
	return next, nil
}

// Reset makes an empty file of the log, in which nothing is left of what was appended. The
// next record goes to a position that the owner has noted durably, and that is First's.
func (l *Log) Reset(at Position) error {
	l.Restart(at)
	if err := l.file.Truncate(headerSize); err != nil {
		return err
	}
	l.setSize(headerSize)
	return l.grow(firstSize)
}

// grow allocates the file up to a size, or somewhat more.
func (l *Log) grow(size int64) error {
	l.mu.Lock()
	old := l.size
	l.mu.Unlock()
	size = min(max(size, 2*old, firstSize), l.most)
	err := zero(l.file, old, size)
	if err == nil && !l.noSync {
		err = l.file.SyncAll()
	}
	if err != nil {
		return errors.Join(err, l.file.Truncate(old))
	}
	l.setSize(size)
	return nil
}

func (l *Log) setSize(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
}

// zero writes zeros from one offset to another: blocks that only are reserved would make
// the first sync of each write metadata.
func zero(f io.WriterAt, from, to int64) error {
	block := make([]byte, min(1<<20, max(to-from, 0)))
	for from < to {
		n := min(int64(len(block)), to-from)
		if _, err := f.WriteAt(block[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// damaged returns an error that says that the log is damaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: commit log: %s", storage.ErrCorrupt, fmt.Sprintf(format, args...))
}
