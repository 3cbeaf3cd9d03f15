//go:build linux || darwin

package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// limitFiles keeps the files of this process below a size, until the test ends or
// the function it returns is called.
func limitFiles(t *testing.T, size int64) (lift func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Skip(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := old
	limit.Cur = uint64(size)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	lift = func() {
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(lift)
	return lift
}

// inChild runs the test in a process of its own, since the limit on files would hit
// the log of the go command too. It is true in that process.
func inChild(t *testing.T) bool {
	t.Helper()
	const name = "SIFTDB_TEST_LIMITED"
	if os.Getenv(name) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), name+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Skipf("in a process of its own:\n%s", out)
	}
	return false
}

func wantFull(t *testing.T, err error) {
	t.Helper()
	var c *storage.CommitError
	if !errors.Is(err, storage.ErrFull) || !errors.As(err, &c) || c.Outcome != storage.NotApplied {
		t.Fatalf("error %v, want ErrFull, not applied", err)
	}
}

// TestNoSpace fills a file up to a limit, frees space in it, and goes on.
func TestNoSpace(t *testing.T) {
	if inChild(t) {
		testNoSpace(t, Options{})
	}
}

// TestNoSpaceWithLog has the log no space either; small layers are written into the file all
// the time, large ones when they have to be.
func TestNoSpaceWithLog(t *testing.T) {
	if inChild(t) {
		testNoSpace(t, Options{Log: true})
		testNoSpace(t, Options{Log: true, LogBytes: 200_000})
		testNoSpace(t, Options{Log: true, LogInFile: true})
		testNoSpace(t, Options{Log: true, LogInFile: true, LogBytes: 200_000})
	}
}

func testNoSpace(t *testing.T, o Options) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, o)
	lift := limitFiles(t, 4<<20)
	value := string(make([]byte, 50_000))
	for round := range 3 {
		n := 0
		var err error
		for ; err == nil && n < 1000; n++ {
			err = put(s, fmt.Sprintf("%04d", n), value)
		}
		wantFull(t, err)
		if v := get(t, s, fmt.Sprintf("%04d", n-1)); v != "-" {
			t.Fatal("the put that failed as not applied was applied")
		}
		committed := n - 1
		if round > 0 {
			committed++ // "small"
		}
		if got := count(t, s); got != committed || got < 40 {
			t.Fatalf("%d keys are there, %d were committed", got, committed)
		}
		if err := s.Update(background, func(w storage.Writer) error { return w.DeleteRange(rows, nil, nil) }); err != nil {
			t.Fatalf("deleting with a full file: %v", err)
		}
		mustPut(t, s, "small", "v")
		if count(t, s) != 1 {
			t.Error("it does not go on")
		}
	}
	s.Close()
	lift()
	if get(t, openStore(t, path, Options{}), "small") != "v" {
		t.Error("lost a commit")
	}
}

// TestFailedWrite has the writes of pages fail, not only the growing of the file.
func TestFailedWrite(t *testing.T) {
	if !inChild(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{})
	fill(t, s, 20_000)
	for i := range 3 {
		lift := limitFiles(t, 64<<10)
		wantFull(t, s.Update(background, func(w storage.Writer) error {
			for i := range 100 {
				if err := w.Put(rows, key(i*200), []byte("changed")); err != nil {
					return err
				}
			}
			return nil
		}))
		if n := count(t, s); n != 20_000+min(i, 1) {
			t.Errorf("%d keys", n)
		}
		if v := get(t, s, string(key(200))); v == "changed" {
			t.Error("applied")
		}
		lift()
		mustPut(t, s, "after", "v")
	}
	before, _ := s.Size()
	s.Close()
	s = openStore(t, path, Options{})
	if n := count(t, s); n != 20_001 {
		t.Errorf("%d keys after reopening", n)
	}
	if after, _ := s.Size(); after.Used > before.Used+2*int64(s.pageSize) {
		t.Errorf("in use %d, after reopening %d", before.Used, after.Used)
	}
}
