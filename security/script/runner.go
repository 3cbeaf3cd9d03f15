package script

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/siftdb/siftdb/security"
)

// Options are the limits of a Runner. In every field the zero value means the default.
type Options struct {
	// Time is the wall time of one run, its awaits and the wait for a worker included: 3
	// seconds, which is also what spec 11.7(4) says. A context may give less.
	Time time.Duration
	// Memory is how many bytes a script may have allocated: 64 MiB. Half a megabyte is the least.
	Memory int64
	// SourceBytes is the most that a script may have as source: 16 KiB.
	SourceBytes int
	// Parallel is how many scripts run at once: 4. Others wait for their turn.
	Parallel int
	// Idle is how long a worker without work is kept: one minute.
	Idle time.Duration
}

// Errors of runs.
var (
	// ErrClosed is the error of a Runner that was closed.
	ErrClosed = errors.New("the runner of scripts is closed")
	// ErrThrown is wrapped by the error of a script that does not compile, that throws, or that
	// needs too much memory or too deep calls.
	ErrThrown = errors.New("the script failed")
	// ErrUnsupported is the error of every run where there is no engine; see Supported.
	ErrUnsupported = errors.New("scripts do not run on this platform")
)

// errWorker is wrapped by the errors of workers that ended by themselves.
var errWorker = errors.New("the script's process ended")

// maxRuns is how often a worker is used.
const maxRuns = 256

// Runner runs scripts. It is safe for concurrent use.
type Runner struct {
	opts  Options
	slots chan struct{}
	exe   executable

	mu     sync.Mutex
	closed bool
	idle   []*worker
	all    map[*worker]struct{}
}

var _ security.ScriptRunner = (*Runner)(nil)

// New returns a Runner. It starts nothing before the first run. Close ends its workers.
func New(opts Options) *Runner {
	if opts.Time <= 0 {
		opts.Time = 3 * time.Second
	}
	if opts.Memory <= 0 {
		opts.Memory = 64 << 20
	}
	opts.Memory = min(max(opts.Memory, 512<<10), 1<<30)
	if opts.SourceBytes <= 0 {
		opts.SourceBytes = 16 << 10
	}
	if opts.Parallel <= 0 {
		opts.Parallel = 4
	}
	if opts.Idle <= 0 {
		opts.Idle = time.Minute
	}
	return &Runner{opts: opts, slots: make(chan struct{}, opts.Parallel), exe: findExecutable(), all: map[*worker]struct{}{}}
}

// RunScript runs a script in a process of its own for that time (spec 11.7). It returns when the
// script has settled, or at most a moment after ctx is done or Options.Time is over. An error
// wraps security.ErrScriptTime when time was up, and when the script waits for what can never
// come; else ErrThrown, or says what was wrong with the process.
func (r *Runner) RunScript(ctx context.Context, call security.ScriptCall) (security.ScriptResult, error) {
	var none security.ScriptResult
	if !Supported {
		return none, ErrUnsupported
	}
	if len(call.Source) > r.opts.SourceBytes {
		return none, fmt.Errorf("%w: its source has %d bytes, and may have %d", ErrThrown, len(call.Source), r.opts.SourceBytes)
	}
	request, err := runFrame(call, r.opts.Memory)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Time)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return none, late(ctx)
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return none, late(ctx)
	}
	done, err := r.run(ctx, request, call.Reader)
	if ctx.Err() != nil {
		return none, late(ctx)
	}
	if err != nil {
		return none, err
	}
	return result(call, done)
}

// late is the error of a run whose context is done.
func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", security.ErrScriptTime, ctx.Err())
	}
	return ctx.Err()
}

// run has a worker do one run. A worker that was kept and is found dead, before the script
// began, is replaced once.
func (r *Runner) run(ctx context.Context, request *frame, reader security.ScriptReader) (*frame, error) {
	for {
		w, kept, err := r.take()
		if err != nil {
			return nil, err
		}
		done, began, err := r.runOn(ctx, w, request, reader)
		if err == nil || began || !kept || ctx.Err() != nil {
			return done, err
		}
	}
}

// runOn runs on one worker, and puts it back or ends it, also when the reader panics.
func (r *Runner) runOn(ctx context.Context, w *worker, request *frame, reader security.ScriptReader) (done *frame, began bool, err error) {
	fit := false
	stop := context.AfterFunc(ctx, w.kill)
	defer func() {
		if !stop() || !fit {
			r.end(w)
		} else {
			r.put(w)
		}
	}()
	done, began, err = w.run(ctx, request, reader)
	if err != nil {
		return nil, began, fmt.Errorf("%w: %w", errWorker, err)
	}
	fit = true
	if done.kind == kindFailed {
		class, text := string(done.parts[0]), string(done.parts[1])
		if class == failHangs {
			return nil, true, fmt.Errorf("%w: %s", security.ErrScriptTime, text)
		}
		return nil, true, fmt.Errorf("%w: %s", ErrThrown, text)
	}
	return done, true, nil
}

// take returns a worker that waits for work, or a new one.
func (r *Runner) take() (w *worker, kept bool, err error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, false, ErrClosed
	}
	if n := len(r.idle); n > 0 {
		w, r.idle = r.idle[n-1], r.idle[:n-1]
		w.timer.Stop() // if it has fired, it finds the worker gone from the list
		r.mu.Unlock()
		return w, true, nil
	}
	r.mu.Unlock()
	if w, err = startWorker(&r.exe); err != nil {
		return nil, false, fmt.Errorf("no process for the script: %w", err)
	}
	r.mu.Lock()
	closed := r.closed
	r.all[w] = struct{}{}
	r.mu.Unlock()
	if closed {
		r.end(w)
		return nil, false, ErrClosed
	}
	return w, false, nil
}

// put keeps a worker for the next run.
func (r *Runner) put(w *worker) {
	r.mu.Lock()
	keep := !r.closed && w.runs < maxRuns
	if keep {
		w.timer = time.AfterFunc(r.opts.Idle, func() { r.expire(w) })
		r.idle = append(r.idle, w)
	}
	r.mu.Unlock()
	if !keep {
		r.end(w)
	}
}

// expire ends a worker that nobody has used for long.
func (r *Runner) expire(w *worker) {
	r.mu.Lock()
	found := false
	for i := range r.idle {
		if r.idle[i] == w {
			r.idle = append(r.idle[:i], r.idle[i+1:]...)
			found = true
			break
		}
	}
	r.mu.Unlock()
	if found {
		r.end(w)
	}
}

// end ends a worker that is in nobody's hands, and waits until it is gone.
func (r *Runner) end(w *worker) {
	w.end()
	r.mu.Lock()
	delete(r.all, w)
	r.mu.Unlock()
}

// Close ends all workers, and the scripts that run with an error. It returns when they are gone.
// It may be called more than once, and its error is always nil.
func (r *Runner) Close() error {
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	for w := range r.all {
		w.kill()
	}
	r.mu.Unlock()
	for _, w := range idle {
		w.timer.Stop()
		r.end(w)
	}
	for range cap(r.slots) { // those that run are on their way out
		r.slots <- struct{}{}
	}
	for range cap(r.slots) {
		<-r.slots
	}
	return nil
}
