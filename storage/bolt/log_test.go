package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// tinySizes make layers go into bbolt all the time.
var tinySizes = logSizes{flush: 4 << 10, direct: 64 << 10, room: 128 << 10, most: 512 << 10, idle: time.Millisecond}

func TestStorageWithLog(t *testing.T) {
	eachPlace(t, func(t *testing.T, o Options) {
		o.NoSync = true
		storagetest.Run(t, engine(o))
	})
}

func TestStorageWithTinyLog(t *testing.T) {
	eachPlace(t, func(t *testing.T, o Options) {
		o.NoSync, o.sizes = true, &tinySizes
		storagetest.Run(t, engine(o))
	})
}

// TestStorageAfterCrash has every store that is opened again be a copy of the files as they
// were before it was closed.
func TestStorageAfterCrash(t *testing.T) { eachPlace(t, testStorageAfterCrash) }

func testStorageAfterCrash(t *testing.T, o Options) {
	o.NoSync, o.sizes = true, &stillSizes
	storagetest.Run(t, storagetest.Engine{
		Open: func(t testing.TB) storage.Storage {
			return &crashing{openStore(t, filepath.Join(t.TempDir(), "db"), o), t, ""}
		},
		Reopen: func(t testing.TB, s storage.Storage) storage.Storage {
			return &crashing{openStore(t, filepath.Join(s.(*crashing).left, "db"), o), t, ""}
		},
	})
}

// crashing is a store that keeps a copy of its files before it is closed.
type crashing struct {
	*Store
	t    testing.TB
	left string
}

func (c *crashing) Close() error {
	if c.left == "" {
		c.left = copyDir(c.t, filepath.Dir(c.path))
	}
	return c.Store.Close()
}

// withLog opens a store that has its log already, as it has after its first commit.
func withLog(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s := openStore(t, path, o)
	if err := s.needLog(); err != nil {
		t.Fatal(err)
	}
	return s
}

// crashed is a folder in which a store with a log has been left behind, with keys in the log.
func crashed(t testing.TB) (path string) { return crashedWith(t, Options{Log: true}) }

func crashedWith(t testing.TB, o Options) (path string) {
	t.Helper()
	dir := t.TempDir()
	o.sizes = &stillSizes
	s := openStore(t, filepath.Join(dir, "db"), o)
	mustPut(t, s, "in the file", "1")
	if _, err := s.Size(); err != nil { // which writes it there
		t.Fatal(err)
	}
	for i := range 5 {
		mustPut(t, s, fmt.Sprint(i), "1")
	}
	path = filepath.Join(copyDir(t, dir), "db")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogIsGoneAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	for i := range 3 {
		s := openStore(t, path, Options{Log: i < 2})
		mustPut(t, s, fmt.Sprint(i), "1")
		if _, err := os.Stat(path + logSuffix); (err == nil) != (i < 2) {
			t.Errorf("round %d: the log: %v", i, err)
		}
		list, err := s.Keyspaces()
		if err != nil || len(list) != 1 || list[0] != rows {
			t.Errorf("round %d: keyspaces %v, %v", i, list, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if list, _ := filepath.Glob(path + "*"); len(list) != 1 {
			t.Errorf("round %d: left behind: %v", i, list)
		}
		if !freelistSaved(t, path) {
			t.Errorf("round %d: the next open has to search for free pages", i)
		}
	}
	if n := count(t, openStore(t, path, Options{ReadOnly: true})); n != 3 {
		t.Errorf("%d keys", n)
	}
}

// TestLogOfACrash is opened in each way.
func TestLogOfACrash(t *testing.T) {
	for _, o := range []Options{{Log: true}, {}, {ReadOnly: true}, {ReadOnly: true, Log: true}} {
		path := crashed(t)
		s := openStore(t, path, o)
		if n := count(t, s); n != 6 {
			t.Errorf("%+v: %d keys", o, n)
		}
		list, err := s.Keyspaces()
		if err != nil || len(list) != 1 {
			t.Errorf("%+v: keyspaces %v, %v", o, list, err)
		}
		if o.ReadOnly {
			if err := put(s, "x", "1"); err != storage.ErrReadOnly {
				t.Errorf("%+v: a write: %v", o, err)
			}
			another := openStore(t, path, o) // at the same time
			if n := count(t, another); n != 6 {
				t.Errorf("%+v: %d keys", o, n)
			}
			another.Close()
		} else {
			wantLocked(t, path, Options{})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + logSuffix); (err == nil) != o.ReadOnly {
			t.Errorf("%+v: the log afterwards: %v", o, err)
		}
		s = openStore(t, path, Options{})
		if n := count(t, s); n != 6 {
			t.Errorf("%+v: then %d keys", o, n)
		}
		s.Close()
	}
}

// wantOpenError opens a store in every way, each of which has to fail.
func wantOpenError(t *testing.T, path string, want error, text string) {
	t.Helper()
	for _, o := range []Options{{Log: true}, {}, {ReadOnly: true}} {
		s, err := Open(path, o)
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %v with %q", o, err, want, text)
		}
		if log := new(LogError); !errors.As(err, &log) {
			t.Errorf("%+v: %v is no LogError", o, err)
		}
	}
}

func TestLostLog(t *testing.T) {
	path := crashed(t)
	if err := os.Rename(path+logSuffix, path+".away"); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, path, storage.ErrCorrupt, logSuffix+" is missing")
	if err := os.Rename(path+".away", path+logSuffix); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openStore(t, path, Options{})); n != 6 {
		t.Errorf("%d keys when it is back", n)
	}
}

func TestForeignLog(t *testing.T) {
	path, other := crashed(t), crashed(t)
	keep, err := os.ReadFile(path + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(other + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(b []byte) {
		if err := os.WriteFile(path+logSuffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(foreign)
	wantOpenError(t, path, storage.ErrCorrupt, "not the commit log of this file")
	replace([]byte("something else"))
	wantOpenError(t, path, storage.ErrCorrupt, logSuffix)
	replace(nil)
	wantOpenError(t, path, storage.ErrCorrupt, logSuffix)
	replace(keep)
	openStore(t, path, Options{}).Close()

	// A file that needs no log, beside that of another one.
	replace(foreign)
	wantOpenError(t, path, storage.ErrNotDatabase, "another file")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Log: true}, {}} { // a new file
		if _, err := Open(path, o); !errors.Is(err, storage.ErrNotDatabase) {
			t.Errorf("a log without its file: %v", err)
		}
	}
	if b, err := os.ReadFile(path + logSuffix); err != nil || !bytes.Equal(b, foreign) {
		t.Errorf("the log was touched: %v", err)
	}
}

// TestLeftoverLog is what crashes leave behind that come before the first commit, and after
// the file was finished.
func TestLeftoverLog(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "db")
	fresh := withLog(t, empty, Options{Log: true})
	for _, name := range []string{"of this file", "never used"} {
		for _, o := range []Options{{ReadOnly: true}, {Log: true}, {}} {
			path := crashed(t)
			log := path + logSuffix
			if name == "never used" {
				log = fresh.recent.path
			}
			b, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			openStore(t, path, Options{}).Close()
			for _, suffix := range []string{logSuffix, newLogSuffix} {
				if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := openStore(t, path, o)
			if n := count(t, s); n != 6 {
				t.Errorf("%s: %d keys", name, n)
			}
			s.Close()
			if list, _ := filepath.Glob(path + "*"); len(list) != 1 && !o.ReadOnly {
				t.Errorf("%s: left behind: %v", name, list)
			}
		}
	}
}

// TestDamagedMark flips bits of what the file says of its log.
func TestDamagedMark(t *testing.T) {
	path := crashed(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	id := bytes.Clone(log[8:24])
	found := 0
	for at := 0; ; at++ {
		i := bytes.Index(whole[at:], id)
		if i < 0 {
			break
		}
		at += i
		found++
		for bit := (at - 2) * 8; bit < (at+40)*8; bit += 5 {
			b := bytes.Clone(whole)
			b[bit/8] ^= 1 << (bit % 8)
			damaged := writeFile(t, b)
			if err := os.WriteFile(damaged+logSuffix, log, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(damaged, Options{})
			if err != nil {
				if !errors.Is(err, storage.ErrCorrupt) {
					t.Fatalf("bit %d: %v", bit, err)
				}
				continue
			}
			if n := count(t, s); n != 6 { // an older page
				t.Fatalf("bit %d: %d keys and no error", bit, n)
			}
			s.Close()
		}
	}
	if found == 0 {
		t.Error("the mark was not found")
	}
}

func TestLogRights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	openStore(t, path, Options{}).Close()
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	withLog(t, path, Options{Log: true})
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Stat(path + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if file.Mode() != log.Mode() || owner(file) != owner(log) {
		t.Errorf("the file has %v, its log %v", file.Mode(), log.Mode())
	}
}
