package bolt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

const childEnv = "SIFTDB_BOLT_TEST_FILE"

// child opens the file, says so, and waits for its input to end.
func child(path string) {
	s, err := Open(path, Options{})
	fmt.Println(err)
	if err == nil {
		bufio.NewReader(os.Stdin).ReadByte()
		err = s.Close()
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func wantLocked(t *testing.T, path string, o Options) {
	t.Helper()
	start := time.Now()
	s, err := Open(path, o)
	if !errors.Is(err, storage.ErrLocked) {
		t.Errorf("Open of a file in use: %v, want ErrLocked", err)
	}
	if err == nil {
		s.Close()
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("ErrLocked after %v", d)
	}
}

func TestLockedByAnotherHandle(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	wantLocked(t, s.file.Name(), Options{})
	wantLocked(t, s.file.Name(), Options{ReadOnly: true})
	wantLocked(t, s.file.Name(), Options{LockTimeout: time.Hour})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	one := openStore(t, s.file.Name(), Options{ReadOnly: true})
	two := openStore(t, s.file.Name(), Options{ReadOnly: true})
	if get(t, one, "a") != "1" || get(t, two, "a") != "1" {
		t.Error("two readers do not read")
	}
	wantLocked(t, s.file.Name(), Options{})
}

func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "<nil>\n" {
		t.Errorf("child: %s", line)
	}
	wantLocked(t, path, Options{})
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
	mustPut(t, openStore(t, path, Options{}), "a", "1")
}

// TestOpenAtOnce has many handles create, write and close one file.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var wg sync.WaitGroup
	var mu sync.Mutex
	written := 0
	for n := range 8 {
		wg.Go(func() {
			for i := range 10 {
				s, err := Open(path, Options{NoSync: true, LockTimeout: 20 * time.Millisecond})
				if errors.Is(err, storage.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if err := put(s, fmt.Sprint(n, i), "v"); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				mu.Lock()
				written++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := count(t, openStore(t, path, Options{})); n != written || n == 0 {
		t.Errorf("%d keys of %d are there", n, written)
	}
}

func TestNewFileIsSmall(t *testing.T) {
	s := newStore(t)
	for i := range 20 {
		mustPut(t, s, fmt.Sprint(i), "v")
	}
	if n, err := s.Size(); err != nil || n.Total >= 1<<20 || n.Used > 64<<10 {
		t.Errorf("size %+v, %v", n, err)
	}
	s.Close()
	if info, _ := os.Stat(s.file.Name()); info.Size() >= 1<<20 {
		t.Errorf("%d bytes after Close", info.Size())
	}
}

// freelistSaved reports whether the file says where its free pages are.
func freelistSaved(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, ok := readMeta(f)
	if !ok {
		t.Fatal("no meta page")
	}
	return m.freelist != noFreelist
}

func TestCloseSavesFreelist(t *testing.T) {
	s := newStore(t)
	path := s.file.Name()
	for range 3 {
		fill(t, s, 2000)
		if freelistSaved(t, path) {
			t.Error("the freelist is written at every commit")
		}
		crashed := copyFile(t, path)
		before, _ := s.Size()
		s.Close()
		if !freelistSaved(t, path) {
			t.Error("the freelist is not written at Close")
		}
		content, _ := os.ReadFile(path)
		s = openStore(t, path, Options{NoSync: true})
		after, _ := s.Size()
		if d := after.Used - before.Used; d < 0 || d > 2*int64(s.pageSize) {
			t.Errorf("in use %d, and after reopening %d", before.Used, after.Used)
		}
		if err := s.Close(); err != nil { // nothing was written: nothing to save
			t.Error(err)
		}
		if again, _ := os.ReadFile(path); !bytes.Equal(again, content) {
			t.Error("opening and closing changed the file")
		}
		s = openStore(t, path, Options{NoSync: true})

		c := openStore(t, crashed, Options{})
		scanned, _ := c.Size()
		if scanned.Used != before.Used {
			t.Errorf("in use %d, and after a crash %d", before.Used, scanned.Used)
		}
		if n := count(t, c); n != 2000 {
			t.Errorf("%d keys after a crash", n)
		}
		c.Close()
		if !freelistSaved(t, crashed) {
			t.Error("the freelist is not written at Close after a crash")
		}
	}
}

// TestCopiesWhileOpen opens copies of the file made between commits.
func TestCopiesWhileOpen(t *testing.T) {
	s := newStore(t)
	for i := range 30 {
		mustPut(t, s, fmt.Sprint("k", i), string(make([]byte, 3000)))
		if i%7 == 3 {
			s.Update(background, func(w storage.Writer) error { return w.DeleteRange("other", nil, nil) })
		}
		c := openStore(t, copyFile(t, s.file.Name()), Options{NoSync: true})
		if n := count(t, c); n != i+1 {
			t.Errorf("%d keys after %d commits", n, i+1)
		}
		mustPut(t, c, "more", "x")
		c.Close()
	}
}

func TestNotADatabase(t *testing.T) {
	s := newStore(t)
	fill(t, s, 5000)
	crashed, _ := os.ReadFile(s.file.Name())
	s.Close()
	closed, _ := os.ReadFile(s.file.Name())
	random := make([]byte, 50_000)
	r := rand.NewChaCha8([32]byte{})
	r.Read(random)
	page := os.Getpagesize()
	cases := map[string][]byte{
		"text":                    []byte("name,age\nada,36\n"),
		"long text":               bytes.Repeat([]byte("name,age\nada,36\n"), 5000),
		"random":                  random,
		"one zero":                bytes.Repeat([]byte{0}, 1<<20),
		"one byte":                []byte("x"),
		"cut in the first page":   closed[:100],
		"cut after the first":     closed[:page],
		"cut after the metas":     closed[:2*page],
		"cut after four pages":    closed[:4*page],
		"cut in half":             closed[:len(closed)/2],
		"crashed, cut in half":    crashed[:len(crashed)/2],
		"without the first pages": closed[2*page:],
		"metas overwritten":       append(bytes.Clone(random[:2*page]), closed[2*page:]...),
	}
	for name, content := range cases {
		path := writeFile(t, content)
		for _, readOnly := range []bool{false, true} {
			s, err := Open(path, Options{ReadOnly: readOnly})
			if !errors.Is(err, storage.ErrNotDatabase) {
				t.Errorf("%s: %v, want ErrNotDatabase", name, err)
			}
			if err == nil {
				s.Close()
			} else if !bytes.Contains([]byte(err.Error()), []byte(path)) {
				t.Errorf("%s: %q does not name the file", name, err)
			}
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, content) {
			t.Errorf("%s: Open changed the file", name)
		}
	}
	if _, err := Open(t.TempDir(), Options{}); !errors.Is(err, storage.ErrNotDatabase) {
		t.Errorf("directory: %v, want ErrNotDatabase", err)
	}
	if _, err := Open(writeFile(t, nil), Options{ReadOnly: true}); !errors.Is(err, storage.ErrNotDatabase) {
		t.Errorf("empty file for reading: %v, want ErrNotDatabase", err)
	}
}

// TestOneMeta opens files of which one meta page is damaged.
func TestOneMeta(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	mustPut(t, s, "b", "2")
	s.Close()
	for page := range 2 {
		content, _ := os.ReadFile(s.file.Name())
		content[page*s.pageSize+headerSize+20] ^= 1
		c, err := Open(writeFile(t, content), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if get(t, c, "a") != "1" {
			t.Error("lost a commit before the last")
		}
		c.Close()
	}
}

// TestTornCreation opens what a crash can leave of a creation.
func TestTornCreation(t *testing.T) {
	image := newImage(os.Getpagesize())
	if fresh := newStore(t); fresh.Close() == nil {
		if got, _ := os.ReadFile(fresh.file.Name()); !bytes.Equal(got, image) {
			t.Fatal("a new file is not as a creation writes it")
		}
	}
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 200 {
		torn := bytes.Clone(image)
		for at := 0; at < len(torn); at += 512 {
			if r.IntN(2) == 0 {
				clear(torn[at : at+512])
			}
		}
		if i%3 == 0 {
			torn = torn[:r.IntN(len(torn)/512)*512]
		}
		s, err := Open(writeFile(t, torn), Options{NoSync: true})
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		if n := count(t, s); n != 0 {
			t.Errorf("case %d: %d keys", i, n)
		}
		mustPut(t, s, "a", "1")
		s.Close()
		s, err = Open(s.file.Name(), Options{NoSync: true})
		if err != nil || get(t, s, "a") != "1" {
			t.Fatalf("case %d: written to, it does not open again: %v", i, err)
		}
		s.Close()
	}
}

// TestImageIsBoltsOwn compares a new file with one that bbolt makes.
func TestImageIsBoltsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	got, _ := os.ReadFile(path)
	image := newImage(os.Getpagesize())
	if len(got) < len(image) || !bytes.Equal(got[:len(image)], image) {
		t.Error("newImage is not what bbolt writes")
	}
}

func TestPathErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "db")
	for _, o := range []Options{{}, {ReadOnly: true}} {
		if _, err := Open(missing, o); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in a missing directory: %v, want ErrNotExist", err)
		}
	}
	path := filepath.Join(t.TempDir(), "db")
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file for reading: %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("opening for reading made a file")
	}
	t.Run("ReadOnlyDirectory", func(t *testing.T) {
		if runtime.GOOS == "windows" || os.Getuid() == 0 {
			t.Skip("root may write everywhere")
		}
		dir := t.TempDir()
		os.Chmod(dir, 0o500)
		defer os.Chmod(dir, 0o700)
		if _, err := Open(filepath.Join(dir, "db"), Options{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("in a read-only directory: %v, want ErrPermission", err)
		}
	})
}

func TestReadOnly(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", "1")
	crashed := copyFile(t, s.file.Name())
	s.Close()
	for _, path := range []string{s.file.Name(), crashed} {
		os.Chmod(path, 0o400)
		before, _ := os.ReadFile(path)
		s := openStore(t, path, Options{ReadOnly: true})
		if v := get(t, s, "a"); v != "1" {
			t.Errorf("read %q", v)
		}
		if err := put(s, "b", "2"); !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("Update: %v, want ErrReadOnly", err)
		}
		if n, err := s.Size(); err != nil || n.Used > n.Total {
			t.Errorf("size %+v, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Error("reading changed the file")
		}
	}
}

// TestMmapFallback asks for more address space than there is.
func TestMmapFallback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{NoSync: true, InitialMmapSize: 1 << 47})
	fill(t, s, 1000)
	if n := count(t, s); n != 1000 {
		t.Errorf("%d keys", n)
	}
}

// TestGrowsBeyondMmap grows a file past a small mapping.
func TestGrowsBeyondMmap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{NoSync: true, InitialMmapSize: 1})
	for i := range 40 {
		mustPut(t, s, fmt.Sprintf("%02d", i), string(make([]byte, 100_000)))
	}
	if n := count(t, s); n != 40 {
		t.Errorf("%d keys", n)
	}
}
