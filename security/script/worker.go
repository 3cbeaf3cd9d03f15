package script

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/siftdb/siftdb/security"
)

// worker is a process that runs one script at a time.
type worker struct {
	cmd   *exec.Cmd
	in    *os.File // to the worker
	out   *os.File // from it
	from  *bufio.Reader
	runs  int
	timer *time.Timer // while it is kept
	once  sync.Once
}

// executable is the file of this program.
type executable struct {
	path string
	info os.FileInfo // nil where the path leads to what runs, whatever became of the file
	err  error
}

// findExecutable finds the file of this program.
func findExecutable() executable {
	const self = "/proc/self/exe" // also after an update has replaced the file
	if runtime.GOOS == "linux" {
		if _, err := os.Stat(self); err == nil {
			return executable{path: self}
		}
	}
	var e executable
	if e.path, e.err = os.Executable(); e.err == nil {
		e.info, e.err = os.Stat(e.path)
	}
	return e
}

// check reports an error when the file is not the one that it was: another program, started
// with the variable of workers, would not know what that means.
func (e *executable) check() error {
	if e.err != nil || e.info == nil {
		return e.err
	}
	now, err := os.Stat(e.path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, e.info) || !now.ModTime().Equal(e.info.ModTime()) || now.Size() != e.info.Size() {
		return errors.New("the program's file has changed since it was started")
	}
	return nil
}

// startWorker starts a worker. It is told to be one by its environment, which holds nothing else
// that could be told to a script.
func startWorker(exe *executable) (*worker, error) {
	if err := exe.check(); err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer theirOut.Close()
	cmd := &exec.Cmd{
		Path:   exe.path,
		Args:   []string{"siftdb-script"},
		Env:    []string{workerEnv + "=" + wireVersion, "TZ=UTC", "GOMAXPROCS=2", "GOTRACEBACK=none"},
		Dir:    string(os.PathSeparator),
		Stdin:  theirIn,
		Stdout: theirOut,
	}
	if runtime.GOOS == "windows" { // without it a process has no random numbers
		cmd.Env = append(cmd.Env, "SystemRoot="+os.Getenv("SystemRoot"))
	}
	if err := cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &worker{cmd: cmd, in: in, out: out, from: bufio.NewReader(out)}, nil
}

// run does one run and returns kindDone or kindFailed. began says whether the script may have
// run. After an error the worker is good for nothing.
func (w *worker) run(ctx context.Context, request *frame, reader security.ScriptReader) (done *frame, began bool, err error) {
	if w.runs == 0 {
		f, err := receive(w.from)
		if err != nil {
			return nil, false, err
		}
		if f.kind != kindHello || len(f.parts) != 1 || string(f.parts[0]) != wireVersion {
			return nil, false, errProtocol
		}
	}
	w.runs++
	if err := send(w.in, request); err != nil {
		return nil, false, err
	}
	if f, err := receive(w.from); err != nil || f.kind != kindStarted {
		return nil, false, errors.Join(err, errProtocol)
	}
	for finds := 0; ; {
		f, err := receive(w.from)
		if err != nil {
			return nil, true, err
		}
		switch {
		case f.kind == kindFind && finds < maxFinds:
			finds++
			if err := send(w.in, answer(ctx, reader, f)); err != nil {
				return nil, true, err
			}
		case f.kind == kindDone && len(f.parts) > 0, f.kind == kindFailed && len(f.parts) == 2:
			return f, true, nil
		default:
			return nil, true, errProtocol
		}
	}
}

// answer reads what a script asks for.
func answer(ctx context.Context, reader security.ScriptReader, f *frame) *frame {
	text, err := find(ctx, reader, f)
	if err != nil {
		return frameOf(kindAnswer, "0", clip(err.Error()))
	}
	return &frame{kind: kindAnswer, parts: [][]byte{[]byte("1"), text}}
}

// clip shortens a message.
func clip(s string) string {
	const most = 1000
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// kill makes the worker end, whatever it does, and whoever talks to it notice. It does not wait
// for that, and may be called at any time and from anywhere.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	w.in.Close()
	w.out.Close()
}

// end kills the worker and waits until it is gone.
func (w *worker) end() {
	w.once.Do(func() {
		w.kill()
		_ = w.cmd.Wait() // it was killed: that is no news
	})
}

// String names the worker in messages of tests.
func (w *worker) String() string { return fmt.Sprintf("worker %d", w.cmd.Process.Pid) }
