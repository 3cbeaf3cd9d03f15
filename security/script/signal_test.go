package script

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestSignals: what a service manager tells all processes of a program does not end workers, which
// end when the program does.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals are for other systems")
	}
	r := newRunner(t, Options{Parallel: 1})
	fine(t, r, "nothing")
	worker := r.idle[0]
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := worker.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // for one that the signal ends to be gone
		fine(t, r, s.String())
		if len(r.all) != 1 || r.idle[0] != worker {
			t.Errorf("%v ended the worker", s)
		}
	}
}
