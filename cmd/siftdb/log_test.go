package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestServeLog kills a server that keeps a commit log, and looks at what it leaves behind with
// the other commands.
func TestServeLog(t *testing.T) {
	posix(t)
	file := filepath.Join(t.TempDir(), "app.db")
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--log")
	s.must(s.token, "POST", "/v1/data-sources?organizationId=1", `{"name": "A", "entries": [{"n": 1}]}`)
	written := 1
	for range 5 {
		s.must(s.token, "PUT", "/v1/data-sources/1/data", `{"n": 2}`)
		written++
	}
	_ = s.stop(syscall.SIGKILL)
	log := file + ".siftdb-log"
	check := func() {
		t.Helper()
		out, err := exec.Command(binary, "check", file).CombinedOutput()
		if want := fmt.Sprintf("1 data sources, %d entries, %d versions, 0 faults\n", written, written); err != nil || string(out) != want {
			t.Errorf("check: %v\n%s", err, out)
		}
	}
	check()
	if _, err := os.Stat(log); err != nil {
		t.Errorf("check takes the log away: %v", err)
	}
	s = start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--log")
	s.must(s.token, "PUT", "/v1/data-sources/1/data", `{"n": 2}`)
	written++
	_ = s.stop(syscall.SIGKILL)
	if out, err := exec.Command(binary, "compact", file).CombinedOutput(); err != nil {
		t.Errorf("compact: %v\n%s", err, out)
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("compact leaves the log")
	}
	check()
}
