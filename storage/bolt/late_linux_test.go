package bolt

import (
	"os"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// handles counts the open descriptors and the mappings of a file in this process.
func handles(t *testing.T, path string) (descriptors, mappings int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, entry := range list {
		if to, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && to == path {
			descriptors++
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), " "+path) {
			mappings++
		}
	}
	return descriptors, mappings
}

// TestLateHandles counts what is open of a file from Open to Close.
func TestLateHandles(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	want := func(when string, n int) {
		t.Helper()
		if d, m := handles(t, path); d != n || m != n {
			t.Errorf("%s: %d descriptors and %d mappings, want %d of each", when, d, m, n)
		}
	}
	s := openLate(t, path, Options{})
	count(t, s)
	want("reading", 1)
	s.Close()
	want("closed without a write", 0)

	s = openLate(t, path, Options{})
	count(t, s)
	mustPut(t, s, "a", "1")
	want("written", 1)
	s.Close()
	want("closed after a write", 0)

	s = openLate(t, path, Options{Log: true, sizes: &stillSizes})
	began, end := make(chan bool), make(chan bool)
	done := make(chan error)
	go func() {
		done <- s.View(background, func(storage.Reader) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	mustPut(t, s, "b", "1")
	want("written beside a View", 2)
	close(end)
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.late.retired.Wait()
	want("after the View", 1)
	s.Close()
	want("closed", 0)
}
