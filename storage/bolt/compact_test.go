package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
)

// compactions are the two ways in which the new file takes the old one's place.
func compactions(t *testing.T, test func(t *testing.T)) {
	for name, open := range map[string]bool{"renamed open": true, "renamed closed": false} {
		t.Run(name, func(t *testing.T) {
			was := renameOpen
			renameOpen = open && was
			t.Cleanup(func() { renameOpen = was })
			test(t)
		})
	}
}

// dump returns everything in a store as text.
func dump(t testing.TB, s storage.Storage) string {
	t.Helper()
	var b strings.Builder
	err := s.View(background, func(r storage.Reader) error {
		b.Reset()
		for _, ks := range []storage.Keyspace{"a", "b", "empty", rows} {
			c := r.Scan(ks, nil, nil, false)
			for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
				fmt.Fprintf(&b, "%s %x %x\n", ks, k, v)
			}
			if err := c.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const planted = "a value that nobody may find"

// litter fills a store with what is kept and what is not.
func litter(t testing.TB, s *Store) {
	t.Helper()
	for i := range 40 {
		err := s.Update(background, func(w storage.Writer) error {
			for n := range 200 {
				if err := w.Put("a", fmt.Appendf(nil, "%02d-%03d", i, n), fmt.Appendf(nil, "%s %d", planted, n)); err != nil {
					return err
				}
			}
			return w.Put("b", fmt.Appendf(nil, "%02d", i), make([]byte, i*100))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(background, func(w storage.Writer) error {
		if err := w.DeleteRange("a", []byte("01"), []byte("39")); err != nil {
			return err
		}
		for _, i := range []int{0, 39} {
			for n := range 200 {
				if err := w.Put("a", fmt.Appendf(nil, "%02d-%03d", i, n), []byte("another")); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCompact(t *testing.T) {
	compactions(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "db")
		s := openStore(t, path, Options{})
		litter(t, s)
		if raw, err := os.ReadFile(path); err != nil || !bytes.Contains(raw, []byte(planted)) {
			t.Fatalf("the file does not hold what was written over (%v): the test shows nothing", err)
		}
		before, sizeBefore := dump(t, s), mustSize(t, s)
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		if dump(t, s) != before {
			t.Error("the content is another")
		}
		if size := mustSize(t, s); size.Total > sizeBefore.Total/2 {
			t.Errorf("the file takes %d bytes, of %d before", size.Total, sizeBefore.Total)
		}
		mustPut(t, s, "later", "1")
		if err := s.Compact(background); err != nil { // and once more
			t.Fatal(err)
		}
		wantLocked(t, path, Options{})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil || bytes.Contains(raw, []byte(planted)) {
			t.Errorf("the file holds what was written over, or: %v", err)
		}
		if list, _ := filepath.Glob(path + "*"); len(list) != 1 {
			t.Errorf("left behind: %v", list)
		}
		s = openStore(t, path, Options{})
		if dump(t, s) != before+"rows 6c61746572 31\n" {
			t.Error("the content is another after opening again")
		}
	})
}

func mustSize(t testing.TB, s *Store) storage.Size {
	t.Helper()
	size, err := s.Size()
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestCompactUnderLoad compacts again and again while others read and write.
func TestCompactUnderLoad(t *testing.T) {
	compactions(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "db")
		s := openStore(t, path, Options{NoSync: true})
		fill(t, s, 2000)
		ctx, stop := context.WithCancel(background)
		var wg sync.WaitGroup
		written := make([]int, 4)
		for g := range written {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := put(s, fmt.Sprintf("w%d-%d", g, written[g]), "1"); err != nil {
						t.Error(err)
						return
					}
					written[g]++
				}
			})
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					err := s.View(background, func(r storage.Reader) error {
						c, n := r.Scan(rows, nil, nil, false), 0
						for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
							n++
						}
						if n < 2000 {
							return fmt.Errorf("%d keys are left", n)
						}
						return c.Err()
					})
					if _, sizeErr := s.Size(); err != nil || sizeErr != nil {
						t.Error(err, sizeErr)
						return
					}
				}
			})
		}
		for range 8 {
			if err := s.Compact(background); err != nil {
				t.Error(err)
			}
		}
		stop()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, path, Options{})
		for g, n := range written {
			for i := range n {
				if got := get(t, s, fmt.Sprintf("w%d-%d", g, i)); got != "1" {
					t.Fatalf("write %d of %d is %q", i, g, got)
				}
			}
		}
	})
}

// TestCompactSteps keeps the files as a crash at each step would leave them, and opens
// these; and fails each step.
func TestCompactSteps(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "db"), Options{})
	litter(t, s)
	want := dump(t, s)
	crashed := make(map[string]string)
	s.steps = func(name string) error {
		crashed[name] = copyDir(t, dir)
		return nil
	}
	if err := s.Compact(background); err != nil {
		t.Fatal(err)
	}
	if len(crashed) != 2 {
		t.Fatalf("steps seen: %v", crashed)
	}
	for name, dir := range crashed {
		left := openStore(t, filepath.Join(dir, "db"), Options{})
		if dump(t, left) != want {
			t.Errorf("after a crash at %s the content is another", name)
		}
		if list, _ := filepath.Glob(filepath.Join(dir, "*")); len(list) != 1 {
			t.Errorf("after a crash at %s the files are %v", name, list)
		}
	}
	for name := range crashed {
		s.steps = func(at string) error {
			if at == name {
				return errDisk
			}
			return nil
		}
		err := s.Compact(background)
		if !errors.Is(err, errDisk) {
			t.Errorf("failing at %s: %v", name, err)
		}
		var unknown *storage.CommitError
		if renamed := name == "renamed"; errors.As(err, &unknown) != renamed || s.frozen.Load() != renamed {
			t.Errorf("failing at %s: %v, read-only %v", name, err, s.frozen.Load())
		}
		s.steps = nil
		if name == "renamed" { // it is not known which file a crash would leave
			if err := put(s, "x", "1"); !errors.Is(err, storage.ErrReadOnly) {
				t.Errorf("a write after failing at %s: %v", name, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, filepath.Join(dir, "db"), Options{})
		}
		mustPut(t, s, "after "+name, "1")
		if err := s.Compact(background); err != nil {
			t.Error(err)
		}
		if get(t, s, "after "+name) != "1" {
			t.Errorf("the write after failing at %s is lost", name)
		}
	}
}

// TestCompactReplaced finds another file at the path: it is left alone.
func TestCompactReplaced(t *testing.T) {
	compactions(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "db")
		s := openStore(t, path, Options{})
		mustPut(t, s, "k", "first")
		if err := os.Rename(path, filepath.Join(dir, "moved")); err != nil {
			t.Skip(err)
		}
		if err := s.Compact(background); !errors.Is(err, errReplaced) {
			t.Errorf("with no file at the path: %v", err)
		}
		other := openStore(t, path, Options{})
		mustPut(t, other, "k", "second")
		if err := s.Compact(background); !errors.Is(err, errReplaced) {
			t.Errorf("with another file at the path: %v", err)
		}
		mustPut(t, s, "later", "1")
		mustPut(t, other, "later", "2")
		if get(t, s, "k") != "first" || get(t, other, "k") != "second" {
			t.Error("one of the stores has lost its content")
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if again := openStore(t, path, Options{}); get(t, again, "k") != "second" || get(t, again, "later") != "2" {
			t.Error("the file at the path has been replaced")
		}
	})
}

// TestOpenWhileCompacting waits for the lock of a file that a compaction replaces
// meanwhile: what it opens then is the new one, or nothing.
func TestOpenWhileCompacting(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "db")
		s := openStore(t, path, Options{})
		mustPut(t, s, "k", "1")
		second := make(chan error, 1)
		s.steps = func(name string) error {
			if name == "copied" {
				go func() {
					other, err := Open(path, Options{ReadOnly: readOnly})
					if err == nil {
						other.Close()
					}
					second <- err
				}()
				time.Sleep(50 * time.Millisecond) // it has the old file open, and waits for its lock
			}
			return nil
		}
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		if err := <-second; !errors.Is(err, storage.ErrLocked) {
			t.Errorf("read-only %v: the second open gives %v", readOnly, err)
		}
	}
}

// TestCompactRights keeps the mode of the file, and the owner.
func TestCompactRights(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{})
	for _, mode := range []os.FileMode{0o660, 0o600, 0o640} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(path, 1234, 4321); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.Stat(path)
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode() != mode || owner(after) != owner(before) {
			t.Errorf("mode %v, owner %s; want %v, %s", after.Mode(), owner(after), mode, owner(before))
		}
	}
}

// owner is the owner of a file as text, as far as the system has one.
func owner(info os.FileInfo) string {
	v := reflect.Indirect(reflect.ValueOf(info.Sys()))
	if v.Kind() != reflect.Struct || !v.FieldByName("Uid").IsValid() {
		return ""
	}
	return fmt.Sprint(v.FieldByName("Uid"), v.FieldByName("Gid"))
}

// copyDir copies the files of a folder into a new one.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	list, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		in, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(to, e.Name()))
		if err == nil {
			_, err = io.Copy(out, in)
		}
		if err = errors.Join(err, in.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestCompactRefused is where nothing is compacted.
func TestCompactRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{})
	fill(t, s, 100)
	gone, cancel := context.WithCancel(background)
	cancel()
	if err := s.Compact(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context: %v", err)
	}
	s.frozen.Store(true)
	if err := s.Compact(background); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("after an unknown outcome: %v", err)
	}
	s.frozen.Store(false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(background); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	readOnly := openStore(t, path, Options{ReadOnly: true})
	if err := readOnly.Compact(background); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
}

// TestCompactCancelled ends the context while it waits, and while it copies.
func TestCompactCancelled(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "db"), Options{})
	fill(t, s, 100)
	ctx, cancel := context.WithCancel(background)
	running, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Update(background, func(storage.Writer) error { close(running); <-proceed; return nil })
	}()
	<-running
	waiting := make(chan error)
	go func() { waiting <- s.Compact(ctx) }()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(proceed)
	if err := <-done; err != nil {
		t.Error(err)
	}
	mustPut(t, s, "x", "1")
	if err := s.Compact(background); err != nil {
		t.Error(err)
	}
}

// TestCompactThroughLink leaves a symbolic link what it is.
func TestCompactThroughLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "db"), filepath.Join(dir, "link") // to a file that is not there yet
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	s := openStore(t, link, Options{})
	mustPut(t, s, "k", "v")
	if err := s.Compact(background); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, openStore(t, path, Options{}), "k"); got != "v" {
		t.Errorf("the file holds %q", got)
	}
}
