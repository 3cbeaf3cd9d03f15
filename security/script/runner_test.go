package script

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
)

// TestConcurrent: many callers at once get each what is theirs, harmless and hostile mixed.
func TestConcurrent(t *testing.T) {
	r := newRunner(t, Options{Parallel: 4})
	var wg sync.WaitGroup
	for g := range 12 {
		wg.Go(func() {
			for i := range 10 {
				n := g*1000 + i
				switch {
				case i%5 == 4:
					ctx, cancel := context.WithTimeout(context.Background(), 40*time.Millisecond)
					if _, err := r.RunScript(ctx, insert(t, `for (;;);`, `{}`)); !errors.Is(err, security.ErrScriptTime) {
						t.Errorf("loop: %v", err)
					}
					cancel()
				case i%5 == 3:
					if _, err := r.RunScript(context.Background(), insert(t, `'x'.repeat(1e9)`, `{}`)); err == nil {
						t.Error("memory without end")
					}
				default:
					res, err := r.RunScript(context.Background(), reading(insert(t, `const e = await DataSources('Teams').find({limit: 2}); query.n++; return e.length * 100000 + query.n`, fmt.Sprintf(`{"n": %d}`, n)), &locked{}))
					// Its turn may come too late, which is an error and no wrong answer.
					if err == nil && (res.Returned.Float() != float64(200001+n) || res.Query[0].Field("n").Float() != float64(n+1)) || err != nil && !errors.Is(err, security.ErrScriptTime) {
						t.Errorf("%d: %v, %v, %v", n, res.Returned, res.Query, err)
					}
				}
			}
		})
	}
	wg.Wait()
	r.mu.Lock()
	idle, all := len(r.idle), len(r.all)
	r.mu.Unlock()
	if all > 4 || idle != all {
		t.Errorf("%d workers, %d idle", all, idle)
	}
}

// TestContext: a context that is done ends a run, and one that waits for its turn.
func TestContext(t *testing.T) {
	r := newRunner(t, Options{Parallel: 1})
	ctx, cancel := context.WithCancel(context.Background())
	busy := make(chan error)
	go func() {
		_, err := r.RunScript(ctx, insert(t, `for (;;);`, `{}`))
		busy <- err
	}()
	for len(r.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	short, stop := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer stop()
	began := time.Now()
	if _, err := r.RunScript(short, insert(t, `return 1`, `{}`)); !errors.Is(err, security.ErrScriptTime) || time.Since(began) > time.Second {
		t.Errorf("waiting: %v after %v", err, time.Since(began))
	}
	cancel()
	if err := <-busy; !errors.Is(err, context.Canceled) || errors.Is(err, security.ErrScriptTime) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := r.RunScript(ctx, insert(t, `return 1`, `{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("done before it began: %v", err)
	}
	fine(t, r, "cancellation")
}

// TestClose: Close ends what runs and what waits, and what comes later is refused.
func TestClose(t *testing.T) {
	r := newRunner(t, Options{Parallel: 2})
	fine(t, r, "nothing")
	results := make(chan error, 4)
	for range 4 {
		go func() {
			_, err := r.RunScript(context.Background(), insert(t, `for (;;);`, `{}`))
			results <- err
		}()
	}
	for r.busy() < 2 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	if err := r.Close(); err != nil || time.Since(began) > 2*time.Second || len(r.all) != 0 {
		t.Errorf("Close: %v after %v, %d workers left", err, time.Since(began), len(r.all))
	}
	for range 4 {
		if err := <-results; !errors.Is(err, ErrClosed) && !errors.Is(err, errWorker) {
			t.Errorf("closed: %v", err)
		}
	}
	if _, err := r.RunScript(context.Background(), insert(t, `return 1`, `{}`)); !errors.Is(err, ErrClosed) {
		t.Errorf("later: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// busy counts the workers that run.
func (r *Runner) busy() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all) - len(r.idle)
}

// TestWorkers: one is used again, replaced when it is found dead or has run often, and let go
// when nobody needs it.
func TestWorkers(t *testing.T) {
	r := newRunner(t, Options{Parallel: 1, Idle: time.Hour})
	only := func() *worker {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.idle) != 1 || len(r.all) != 1 {
			t.Fatalf("%d workers, %d idle", len(r.all), len(r.idle))
		}
		return r.idle[0]
	}
	fine(t, r, "nothing")
	first := only()
	fine(t, r, "one")
	if only() != first {
		t.Error("the worker was not used again")
	}
	first.kill()
	_, _ = first.cmd.Process.Wait()
	fine(t, r, "the death of an idle worker")
	second := only()
	if second == first {
		t.Error("the dead worker is still there")
	}
	second.runs = maxRuns - 1
	fine(t, r, "many runs")
	if len(r.all) != 0 {
		t.Error("the worker has run too often")
	}
	fine(t, r, "the end of a worker")
	r.expire(only())
	if len(r.all) != 0 {
		t.Error("the worker was not let go")
	}
	r.opts.Idle = time.Millisecond
	fine(t, r, "expiry")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		left := len(r.all)
		r.mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an idle worker stays")
		}
	}
	fine(t, r, "idleness")
}

// TestOrphan: a worker whose program is gone ends, whatever it is busy with.
func TestOrphan(t *testing.T) {
	r := newRunner(t, Options{})
	for _, source := range []string{`for (;;);`, `return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)`, `await DataSources('x').find()`, ``} {
		w, err := startWorker(&r.exe)
		if err != nil {
			t.Fatal(err)
		}
		if source != "" {
			f, err := runFrame(insert(t, source, `{}`), 64<<20)
			if err != nil || send(w.in, f) != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := receive(w.from); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		w.in.Close() // as the system does when a process ends
		ended := make(chan struct{})
		go func() { _ = w.cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the worker goes on", source)
			w.kill()
			<-ended
		}
		w.out.Close()
	}
}

// TestEnvironment: a worker has nothing that could be told.
func TestEnvironment(t *testing.T) {
	t.Setenv("SIFTDB_SECRET", "canary")
	r := newRunner(t, Options{Parallel: 1})
	fine(t, r, "nothing")
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	for _, w := range r.idle {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", w.cmd.Process.Pid))
		if err != nil || bytes.Contains(env, []byte("canary")) {
			t.Errorf("environment %q, %v", env, err)
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid))
		if err != nil || len(files) > 12 {
			t.Errorf("%d open files, %v", len(files), err)
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", w.cmd.Process.Pid))
		if err != nil || strings.Contains(limitOf(limits, "Max address space"), "unlimited") || !strings.Contains(limitOf(limits, "Max file size"), " 0 ") {
			t.Errorf("limits %s, %v", limits, err)
		}
	}
}

func limitOf(limits []byte, name string) string {
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return rest
		}
	}
	return "unlimited"
}

// TestMemory: neither the program nor a worker grows with the runs.
func TestMemory(t *testing.T) {
	r := newRunner(t, Options{Parallel: 1})
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	if raceDetector {
		t.Skip("the race detector has memory of its own")
	}
	sources := []string{`query.x = 'x'.repeat(1e6); return {granted: true}`, `const a = []; for (;;) a.push('x'.repeat(100000) + a.length)`, `function f() { f() } f()`, `let a = []; for (let i = 0; i < 3000; i++) a = [a]; return JSON.stringify(a)`, `return {granted: true}`}
	var early, late, workerEarly, workerLate int
	for i := range 200 {
		_, _ = r.RunScript(context.Background(), insert(t, sources[i%len(sources)], `{}`))
		if i == 40 || i == 199 {
			runtime.GC()
			early, workerEarly, late, workerLate = late, workerLate, resident(t, os.Getpid()), resident(t, r.idle[0].cmd.Process.Pid)
		}
	}
	t.Logf("program %d > %d MiB, worker %d > %d MiB", early>>20, late>>20, workerEarly>>20, workerLate>>20)
	if late > early+32<<20 || workerLate > workerEarly+64<<20 || workerLate > 400<<20 {
		t.Error("memory grows")
	}
}

// resident is the memory of a process.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestFrames: what does not have the form of a frame is an error, and takes no memory.
func TestFrames(t *testing.T) {
	var b bytes.Buffer
	for _, f := range []*frame{frameOf('x'), frameOf('y', ""), frameOf('z', "a", "", strings.Repeat("b", 1000))} {
		if err := send(&b, f); err != nil {
			t.Fatal(err)
		}
		got, err := receive(bufio.NewReader(bytes.NewReader(b.Bytes())))
		if err != nil || got.kind != f.kind || fmt.Sprint(got.parts) != fmt.Sprint(f.parts) {
			t.Errorf("%v became %v, %v", f, got, err)
		}
		b.Reset()
	}
	for _, s := range []string{"", "\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xffx", "\x00\x00\x00\x02x", "\x00\x00\x00\x02x\x05", "\x00\x00\x00\x03x\xff\xff", "\x03\xff\xff\xffx", "\x00\x00\x00\x0bx\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if f, err := receive(bufio.NewReader(strings.NewReader(s))); err == nil {
			t.Errorf("%q is the frame %v", s, f)
		}
	}
	if err := send(&b, &frame{kind: 'x', parts: [][]byte{make([]byte, maxFrame)}}); err == nil || b.Len() != 0 {
		t.Errorf("a frame that is too large: %v", err)
	}
}

// TestOtherProgram: another file in the place of the program's is not started.
func TestOtherProgram(t *testing.T) {
	path := t.TempDir() + "/program"
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	exe := executable{path: path, info: info}
	if err := exe.check(); err != nil {
		t.Error(err)
	}
	write("another")
	if _, err := startWorker(&exe); err == nil {
		t.Error("another program was started")
	}
	// A program that is no worker, or one of another build, does not grant.
	if _, err := os.Stat("/bin/sh"); err != nil || !Supported {
		t.Skip("no program to try")
	}
	for _, program := range []string{"#!/bin/sh\nexit 0\n", "#!/bin/sh\nexec cat\n", "#!/bin/sh\nsleep 1; exit 0 # a child has the pipes\n", "#!/bin/sh\nprintf '\\000\\000\\000\\003h\\001x'; exec cat\n", "#!/bin/sh\nprintf '\\000\\000\\000\\021h\\017siftdb-script-1\\000\\000\\000\\002d'; exec sleep 9 # no start\n"} {
		write(program)
		r := newRunner(t, Options{Time: 500 * time.Millisecond})
		r.exe = executable{path: path}
		if res, err := r.RunScript(context.Background(), insert(t, `return {granted: true}`, `{}`)); err == nil {
			t.Errorf("%q: %v", program, res.Returned)
		}
	}
}

// locked is a library that is safe for concurrent use.
type locked struct {
	mu sync.Mutex
	library
}

// Find is library.Find, one call at a time.
func (l *locked) Find(ctx context.Context, source any, where document.Value, limit, offset int) ([]document.Value, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
	return l.library.Find(ctx, source, where, limit, offset)
}

// BenchmarkRun is a run in a worker that waits.
func BenchmarkRun(b *testing.B) {
	r := newRunner(b, Options{})
	call := insert(b, `query.By = 'me'; return {granted: query.a === 1}`, `{"a": 1, "b": 12345678901234567890}`)
	for b.Loop() {
		if _, err := r.RunScript(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRunFind is BenchmarkRun with one look at another data source.
func BenchmarkRunFind(b *testing.B) {
	r := newRunner(b, Options{})
	call := reading(insert(b, `const t = await DataSources('Teams').findOne(); return {granted: t !== null}`, `{}`), &locked{})
	for b.Loop() {
		if _, err := r.RunScript(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart is a run in a worker of its own.
func BenchmarkStart(b *testing.B) {
	call := insert(b, `return {granted: true}`, `{}`)
	for b.Loop() {
		r := newRunner(b, Options{})
		if _, err := r.RunScript(context.Background(), call); err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
	}
}

// BenchmarkRunList is a run that changes each of a thousand rows.
func BenchmarkRunList(b *testing.B) {
	r := newRunner(b, Options{})
	row := value(b, `{"Name": "Ann Example", "Age": 41, "Tags": ["a", "b"], "Address": {"Street": "Long Road 5", "City": "Somewhere"}}`)
	call := security.ScriptCall{Source: `for (const q of query) q.By = 'me'; return {granted: true}`, Type: security.Insert, List: true}
	for range 1000 {
		call.Query = append(call.Query, row)
	}
	for b.Loop() {
		if _, err := r.RunScript(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}
