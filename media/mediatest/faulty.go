package mediatest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/siftdb/siftdb/media"
)

// ErrInjected is in the chain of every error that Faulty makes up.
var ErrInjected = errors.New("mediatest: injected fault")

// Mode is the way in which a call fails.
type Mode int

const (
	// NotApplied fails a call before it did anything. A Put has read up to a
	// thousand bytes.
	NotApplied Mode = iota
	// Applied does what a Put or Delete is to do and fails then, as a store in the
	// network can whose answer is lost. A Put so breaks its promise. A Get or
	// List does not fail.
	Applied
	// ReadError opens the files and fails when they are read, after the first read.
	// Only Gets count as calls then.
	ReadError
)

// Fault says which calls fail, and how. A call is one of a method of media.Store.
type Fault struct {
	Call   int // the number of the first call that fails, from 1; 0 fails none
	Mode   Mode
	Sticky bool // every call from there on fails, not just the one
}

// Faults controls the store that Faulty returned. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	fault Fault
	calls int
}

// Faulty returns a store around s whose calls fail as faults tells it to; at first
// none does.
//
// To have every call of an operation fail once, run it without a fault and count
// its calls, and then run it on a new store for each number up to that.
func Faulty(s media.Store) (media.Store, *Faults) {
	f := new(Faults)
	return faulty{s, f}, f
}

// Arm sets the fault and starts counting again.
func (f *Faults) Arm(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = fault, 0
}

// Calls returns how many calls there were since Arm.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// next counts a call, and says whether it fails and how.
func (f *Faults) next(get bool) (mode Mode, fails bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.Mode == ReadError && !get {
		return 0, false
	}
	f.calls++
	due := f.fault.Call > 0 && (f.calls == f.fault.Call || f.fault.Sticky && f.calls > f.fault.Call)
	return f.fault.Mode, due
}

// faulty is the store of Faulty.
type faulty struct {
	s      media.Store
	faults *Faults
}

func (f faulty) Put(ctx context.Context, path string, r io.Reader) (media.Info, error) {
	mode, fails := f.faults.next(false)
	if fails && mode == NotApplied {
		r.Read(make([]byte, 1000))
		return media.Info{}, ErrInjected
	}
	info, err := f.s.Put(ctx, path, r)
	if fails && err == nil {
		return media.Info{}, ErrInjected
	}
	return info, err
}

func (f faulty) Get(ctx context.Context, path string) (media.File, error) {
	mode, fails := f.faults.next(true)
	if fails && mode == NotApplied {
		return nil, ErrInjected
	}
	file, err := f.s.Get(ctx, path)
	if fails && mode == ReadError && err == nil {
		return &badFile{File: file}, nil
	}
	return file, err
}

func (f faulty) Delete(ctx context.Context, path string) error {
	mode, fails := f.faults.next(false)
	if fails && mode == NotApplied {
		return ErrInjected
	}
	err := f.s.Delete(ctx, path)
	if fails && err == nil {
		return ErrInjected
	}
	return err
}

func (f faulty) List(ctx context.Context) iter.Seq2[media.Info, error] {
	return func(yield func(media.Info, error) bool) {
		if mode, fails := f.faults.next(false); fails && mode == NotApplied {
			yield(media.Info{}, ErrInjected)
			return
		}
		f.s.List(ctx)(yield)
	}
}

// badFile is a file that can be read once, and not from the middle.
type badFile struct {
	media.File
	read bool
}

func (f *badFile) Read(p []byte) (int, error) {
	if f.read {
		return 0, ErrInjected
	}
	f.read = true
	return f.File.Read(p[:min(len(p), 1000)])
}
