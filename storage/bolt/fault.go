package bolt

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/siftdb/siftdb/storage"
)

// catchFaults turns a fault in mapped memory, on this goroutine, into a panic
// that can be recovered. The function it returns restores what was set before.
func catchFaults() (restore func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// corruption returns the error for a recovered panic that comes from damaged
// pages, nil for any other. It must be called by the deferred function that
// recovered.
//
// Damaged pages show in two ways: the memory cannot be read (the file was cut,
// the disk failed, an offset points nowhere), which the runtime reports with an
// address; or bbolt finds, or stumbles over, something that cannot be, which
// shows as a panic that bbolt's own code began.
func corruption(v any) error {
	if f, ok := v.(interface {
		error
		Addr() uintptr
	}); ok {
		return fmt.Errorf("%w: %w", storage.ErrCorrupt, f)
	}
	if !panickedInBolt() {
		return nil
	}
	if err, ok := v.(error); ok {
		return fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
	}
	return fmt.Errorf("%w: %v", storage.ErrCorrupt, v)
}

// panickedInBolt reports whether the panic being recovered began in bbolt.
func panickedInBolt() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for panicking := false; ; {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt.") ||
				strings.HasPrefix(f.Function, "go.etcd.io/bbolt/")
		}
		if !more {
			return false
		}
	}
}

// readable adds storage.ErrCorrupt to bbolt's error for a file it could not map.
func readable(err error) error {
	if errors.Is(err, berrors.ErrInvalidMapping) {
		return fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
	}
	return err
}

// full adds storage.ErrFull to an error that says that there is no space left.
// bbolt hands some of them on as text only.
func full(err error) error {
	for _, cause := range fullErrors {
		if errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error()) {
			return fmt.Errorf("%w: %w", storage.ErrFull, err)
		}
	}
	return err
}
