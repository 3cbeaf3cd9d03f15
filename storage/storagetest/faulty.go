package storagetest

import (
	"context"
	"errors"
	"sync"

	"github.com/siftdb/siftdb/storage"
)

// ErrInjected is in the chain of every error that Faulty makes up.
var ErrInjected = errors.New("storagetest: injected fault")

// Mode is the way in which a call fails.
type Mode int

const (
	// NotApplied fails a commit with storage.NotApplied, and applies nothing.
	NotApplied Mode = iota
	// UnknownApplied fails a commit with storage.Unknown after applying it.
	UnknownApplied
	// UnknownNotApplied fails a commit with storage.Unknown and applies nothing.
	UnknownNotApplied
	// ReadError fails Get and Scan, also those of a writer. Nothing else counts
	// as a call then.
	ReadError
)

// String returns the mode's name.
func (m Mode) String() string {
	return [...]string{"NotApplied", "UnknownApplied", "UnknownNotApplied", "ReadError"}[m]
}

// Fault says which calls fail, and how. A call is a Get, Scan, Put, Delete or
// DeleteRange, or the commit that ends an Update whose function succeeded. The
// mode matters to commits; any other call that is due returns ErrInjected, and
// nothing is done. The cursor of a failed Scan is at its end, with that error.
type Fault struct {
	Call   int // the number of the first call that fails, from 1; 0 fails none
	Mode   Mode
	Sticky bool // every call from there on fails, not just the one
}

// Faults controls the store that Faulty returned. It is safe for concurrent use.
type Faults struct {
	mu       sync.Mutex
	fault    Fault
	calls    int
	hits     int
	readOnly bool
}

// Faulty returns a storage around s whose calls fail as faults tells it to; at
// first none does. After a commit that failed with storage.Unknown, Update
// returns storage.ErrReadOnly until faults.Reopen. The result implements
// storage.Forker and storage.Sizer when s does; a fork has no faults.
//
// To have every call of an operation fail once, run it without a fault and count
// its calls, and then run it on a new store for each number up to that.
func Faulty(s storage.Storage) (storage.Storage, *Faults) {
	f := new(Faults)
	return optional(faulty{s, f}, s), f
}

// Arm sets the fault and starts counting again.
func (f *Faults) Arm(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls, f.hits = fault, 0, 0
}

// Calls returns how many calls there were since Arm.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Hits returns how many of them failed.
func (f *Faults) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// Reopen does what closing and opening the store does: it is no longer read-only.
// It also disarms the fault.
func (f *Faults) Reopen() {
	f.Arm(Fault{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readOnly = false
}

type kind int

const (
	read kind = iota
	write
	commit
)

// due counts a call and reports whether it is to fail.
func (f *Faults) due(k kind) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.Mode == ReadError && k != read {
		return false
	}
	f.calls++
	due := f.fault.Call > 0 && (f.calls == f.fault.Call || f.fault.Sticky && f.calls > f.fault.Call)
	if due {
		f.hits++
		if k == commit && f.fault.Mode != NotApplied {
			f.readOnly = true
		}
	}
	return due
}

func (f *Faults) isReadOnly() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readOnly
}

func (f *Faults) mode() Mode {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault.Mode
}

type faulty struct {
	storage.Storage
	faults *Faults
}

func (s faulty) unwrap() storage.Storage { return s.Storage }

func (s faulty) wrap(fork storage.Storage) storage.Storage {
	fork, _ = Faulty(fork)
	return fork
}

func (s faulty) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.Storage.View(ctx, func(r storage.Reader) error {
		return fn(faultyReader{r, s.faults})
	})
}

// errWithheld ends a function of the store within, so that nothing is applied.
var errWithheld = errors.New("storagetest: commit withheld")

func (s faulty) Update(ctx context.Context, fn func(storage.Writer) error) error {
	var failed *storage.CommitError
	err := s.Storage.Update(ctx, func(w storage.Writer) error {
		if failed == nil && s.faults.isReadOnly() {
			return storage.ErrReadOnly
		}
		if err := fn(faultyWriter{faultyReader{w, s.faults}, w}); err != nil {
			return err
		}
		if failed == nil && s.faults.due(commit) {
			failed = &storage.CommitError{Err: ErrInjected}
			if s.faults.mode() != NotApplied {
				failed.Outcome = storage.Unknown
			}
		}
		if failed != nil && s.faults.mode() != UnknownApplied {
			return errWithheld
		}
		return nil
	})
	if failed != nil && (err == nil || err == errWithheld) {
		return failed
	}
	return err
}

type faultyReader struct {
	storage.Reader
	faults *Faults
}

func (r faultyReader) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	if r.faults.due(read) {
		return nil, ErrInjected
	}
	return r.Reader.Get(ks, key)
}

func (r faultyReader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	if r.faults.due(read) {
		return failed{}
	}
	return r.Reader.Scan(ks, from, to, reverse)
}

// failed is the cursor of a Scan that failed.
type failed struct{}

func (failed) Next() (key, value []byte, ok bool) { return nil, nil, false }
func (failed) Err() error                         { return ErrInjected }

type faultyWriter struct {
	faultyReader
	w storage.Writer
}

func (w faultyWriter) Put(ks storage.Keyspace, key, value []byte) error {
	if w.faults.due(write) {
		return ErrInjected
	}
	return w.w.Put(ks, key, value)
}

func (w faultyWriter) Delete(ks storage.Keyspace, key []byte) error {
	if w.faults.due(write) {
		return ErrInjected
	}
	return w.w.Delete(ks, key)
}

func (w faultyWriter) DeleteRange(ks storage.Keyspace, from, to []byte) error {
	if w.faults.due(write) {
		return ErrInjected
	}
	return w.w.DeleteRange(ks, from, to)
}
