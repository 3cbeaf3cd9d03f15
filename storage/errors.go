package storage

import (
	"errors"
	"fmt"
)

// The errors an engine returns, alone or wrapped.
var (
	// ErrClosed is returned by calls on a store that was closed.
	ErrClosed = errors.New("storage is closed")
	// ErrReadOnly is returned by Update on a store opened for reading, or after a
	// commit whose outcome is unknown.
	ErrReadOnly = errors.New("storage is read-only")
	// ErrLocked is returned, within a second, by an engine's open function when
	// another process, or another handle of this one, holds the file.
	ErrLocked = errors.New("storage is in use by another process or handle")
	// ErrNotDatabase is returned by an engine's open function for a file that it
	// did not write.
	ErrNotDatabase = errors.New("not a database file")
	// ErrCorrupt is returned when stored bytes cannot be read as what they were.
	ErrCorrupt = errors.New("storage is corrupt")
	// ErrFull is in the chain of a CommitError when the medium has no space left.
	ErrFull = errors.New("no space left for storage")
	// ErrKeySize is returned by Put for a key that is empty or over MaxKeySize.
	ErrKeySize = errors.New("key size out of range")
)

// Outcome says what is known of a commit that failed.
type Outcome int

const (
	// NotApplied means that nothing of the write set is in the store.
	NotApplied Outcome = iota
	// Unknown means that the whole write set is in the store, or nothing of it.
	Unknown
)

// String returns "not applied" or "unknown".
func (o Outcome) String() string {
	if o == Unknown {
		return "unknown"
	}
	return "not applied"
}

// CommitError is a commit that failed after the function had succeeded.
type CommitError struct {
	Outcome Outcome
	Err     error // the engine's own error
}

// Error returns the outcome and the cause.
func (e *CommitError) Error() string {
	return fmt.Sprintf("commit failed, outcome %s: %v", e.Outcome, e.Err)
}

// Unwrap returns the engine's own error.
func (e *CommitError) Unwrap() error { return e.Err }

// PanicError is a panic in an Update function, handed to the caller whose
// function it was.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // the stack of the goroutine that ran the function
}

// Error returns the panic's value as text.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in update function: %v", e.Value) }

// Unwrap returns the value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
