package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestServeLog kills a server that keeps a commit log, and looks at what it leaves behind with
// the other commands.
func TestServeLog(t *testing.T) {
	posix(t)
	file := filepath.Join(t.TempDir(), "app.db")
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file)
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
	s = start(t, "serve", "--addr", "127.0.0.1:0", "--db", file)
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

// TestRecover loses the log of a server that was killed, and puts another file's in its place.
func TestRecover(t *testing.T) {
	posix(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "app.db")
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file)
	s.must(s.token, "POST", "/v1/data-sources?organizationId=1", `{"name": "A"}`)
	_ = s.stop(syscall.SIGTERM)
	s = start(t, "serve", "--addr", "127.0.0.1:0", "--db", file)
	s.must(s.token, "PUT", "/v1/data-sources/1/data", `{"n": 2}`)
	_ = s.stop(syscall.SIGKILL)
	recovered := func(code int, want ...string) {
		t.Helper()
		out, err := exec.Command(binary, "recover", file).CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) != (code != 0) || exit != nil && exit.ExitCode() != code {
			t.Errorf("recover: %v", err)
		}
		for _, part := range want {
			if !strings.Contains(string(out), part) {
				t.Errorf("recover prints %q, want %q", out, part)
			}
		}
	}
	if err := os.WriteFile(file+".siftdb-log", []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "check", file).CombinedOutput(); err == nil || !strings.Contains(string(out), "siftdb recover") {
		t.Errorf("check: %v\n%s", err, out)
	}
	recovered(0, "0 records", "is lost", "the log is now "+file+".siftdb-log-lost")
	recovered(0, "nothing is wrong with the commit log")
	if out, err := exec.Command(binary, "check", file).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "1 data sources, 0 entries") {
		t.Errorf("check: %v\n%s", err, out)
	}
	file = filepath.Join(dir, "none.db")
	recovered(1, "none.db")
	if _, err := os.Stat(file); err == nil {
		t.Error("recover makes a file")
	}
	file = ""
	recovered(2, "one file")
}
