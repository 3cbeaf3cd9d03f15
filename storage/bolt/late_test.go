package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// soon is how long to wait for a file that stays in use.
const soon = 20 * time.Millisecond

// opensLate lets every file that was closed be opened for reading until something is written.
func opensLate(t testing.TB) {
	if !lockTwice {
		t.Skip("files are opened for writing at once here")
	}
	old := lateFrom
	lateFrom = 0
	t.Cleanup(func() { lateFrom = old })
}

// bareAndLogged runs a test without a commit log, and with one in each place.
func bareAndLogged(t *testing.T, sizes *logSizes, run func(*testing.T, Options)) {
	t.Run("bare", func(t *testing.T) { run(t, Options{NoSync: true}) })
	t.Run("log", func(t *testing.T) { run(t, Options{NoSync: true, Log: true, sizes: sizes}) })
	t.Run("inside", func(t *testing.T) { run(t, Options{NoSync: true, Log: true, LogInFile: true, sizes: sizes}) })
}

// openLate opens a file, which is open for reading then.
func openLate(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s := openStore(t, path, o)
	if !s.late.reading.Load() {
		t.Fatal("the file is open for writing")
	}
	return s
}

// closedFile makes a file with 300 keys and some free pages.
func closedFile(t testing.TB) (path string) {
	path = filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, Options{NoSync: true})
	fill(t, s, 600)
	write(t, s, func(w storage.Writer) error {
		for i := range 300 {
			if err := w.Delete(rows, key(i*2)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStorageLate is TestStorage with files that are opened for reading first.
func TestStorageLate(t *testing.T) {
	opensLate(t)
	storagetest.Run(t, engine(Options{NoSync: true}))
}

// TestLateView reads, after many writes, the state before the first one, in what was opened for
// reading alone.
func TestLateView(t *testing.T) {
	opensLate(t)
	bareAndLogged(t, &tinySizes, func(t *testing.T, o Options) {
		s := openLate(t, closedFile(t), o)
		want := dump(t, s)
		err := s.View(background, func(r storage.Reader) error {
			for round := range 60 {
				fresh := bytes.Repeat([]byte{byte(round) | 0x80}, 100)
				write(t, s, func(w storage.Writer) error {
					for i := range 600 {
						if err := w.Put(rows, key(i), fresh); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if s.late.reading.Load() {
				t.Error("the file is still open for reading alone")
			}
			var b bytes.Buffer
			c := r.Scan(rows, nil, nil, false)
			for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
				fmt.Fprintf(&b, "%s %x %x\n", rows, k, v)
			}
			if b.String() != want {
				t.Error("the View sees another state than the one in which it began")
			}
			return c.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, s); n != 600 {
			t.Errorf("%d keys after the writes", n)
		}
		s.late.retired.Wait() // the View has ended
		if n := s.db.Stats().OpenTxN; n > 1 || n == 0 && !o.Log {
			t.Errorf("%d transactions are open, want the one that is kept of the last View", n)
		}
	})
}

// TestLateRace lets the first writes and many Views meet.
func TestLateRace(t *testing.T) {
	opensLate(t)
	bareAndLogged(t, &tinySizes, func(t *testing.T, o Options) {
		path := closedFile(t)
		for round := range 10 {
			s := openLate(t, path, o)
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := range 10 {
						if err := put(s, fmt.Sprintf("w%d-%d", g, i), fmt.Sprint(round)); err != nil {
							t.Error(err)
						}
					}
				})
				wg.Go(func() {
					for range 10 {
						seen := 0
						err := s.View(background, func(r storage.Reader) error {
							c := r.Scan(rows, nil, []byte("w"), false)
							for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
								seen++
							}
							return c.Err()
						})
						if err != nil || seen != 300 {
							t.Errorf("a View saw %d keys, %v", seen, err)
						}
						if _, err := s.Size(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openLate(t, path, o)
			for g := range 4 {
				if got := get(t, s, fmt.Sprintf("w%d-9", g)); got != fmt.Sprint(round) {
					t.Errorf("the last write of %d is %q", g, got)
				}
			}
			s.Close()
		}
	})
}

// TestLateSize compares the size of what is open for reading with that of what is open for writing.
func TestLateSize(t *testing.T) {
	path := closedFile(t)
	at := openStore(t, path, Options{})
	want := mustSize(t, at)
	at.Close()
	opensLate(t)
	s := openLate(t, path, Options{})
	if got := mustSize(t, s); got != want {
		t.Errorf("size %+v, want %+v", got, want)
	}
	if !s.late.reading.Load() {
		t.Error("Size opened the file for writing")
	}
}

// TestLateCompact compacts what is open for reading alone.
func TestLateCompact(t *testing.T) {
	opensLate(t)
	compactions(t, func(t *testing.T) {
		path := closedFile(t)
		s := openLate(t, path, Options{Log: true, sizes: &stillSizes})
		want, before := dump(t, s), mustSize(t, s)
		if err := s.Compact(background); err != nil {
			t.Fatal(err)
		}
		if dump(t, s) != want {
			t.Error("the content is another")
		}
		if after := mustSize(t, s); after.Used > before.Used {
			t.Errorf("%d bytes are used, of %d before", after.Used, before.Used)
		}
		wantLocked(t, path, Options{LockTimeout: soon})
		mustPut(t, s, "later", "1")
		wantLocked(t, path, Options{LockTimeout: soon})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := get(t, openLate(t, path, Options{}), "later"); got != "1" {
			t.Errorf("what was written after is %q", got)
		}
	})
}

// TestLateLock opens the file elsewhere at every point.
func TestLateLock(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	s := openLate(t, path, Options{})
	locked := func() {
		t.Helper()
		wantLocked(t, path, Options{LockTimeout: soon})
		wantLocked(t, path, Options{ReadOnly: true, LockTimeout: soon})
	}
	locked()
	count(t, s)
	locked()
	err := s.View(background, func(storage.Reader) error {
		mustPut(t, s, "a", "1")
		locked() // both handles are open
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.late.retired.Wait()
	locked() // the one for reading is closed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{ReadOnly: true}, {}} {
		again := openStore(t, path, o)
		if got := get(t, again, "a"); got != "1" {
			t.Errorf("got %q", got)
		}
		if err := again.Close(); err != nil { // without a write
			t.Fatal(err)
		}
	}
}

// TestLateTurns lets many handles ask for the file at the same time. No two have it, unless they
// only read, and nothing that one writes is lost.
func TestLateTurns(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	var writers, readers atomic.Int32 // that have the file
	var written atomic.Int64
	turn := func(n int, o Options, same, others *atomic.Int32) (had bool) {
		o.LockTimeout = soon
		s, err := Open(path, o)
		if errors.Is(err, storage.ErrLocked) {
			return false
		}
		if err != nil {
			t.Error(err)
			return true
		}
		if alone := same.Add(1) == 1; others.Load() != 0 || !alone && !o.ReadOnly {
			t.Error("two have the file")
		}
		if n%2 == 0 && !o.ReadOnly {
			if err := put(s, fmt.Sprintf("w%d", written.Add(1)), "1"); err != nil {
				t.Error(err)
			}
		}
		if n, want := count(t, s), 300+int(written.Load()); n != want {
			t.Errorf("%d keys, want %d", n, want)
		}
		same.Add(-1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return true
	}
	turns := func(o Options, same, others *atomic.Int32) {
		for n := 0; n < 20; {
			if turn(n, o, same, others) {
				n++
			}
		}
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { turns(Options{NoSync: true}, &writers, &readers) })
		wg.Go(func() { turns(Options{ReadOnly: true}, &readers, &writers) })
	}
	wg.Wait()
}

// TestLateNoMemory lets the mapping for the first write be refused, and then be had.
func TestLateNoMemory(t *testing.T) {
	opensLate(t)
	bareAndLogged(t, &stillSizes, func(t *testing.T, o Options) {
		path := closedFile(t)
		s := openLate(t, path, o)
		s.late.tryMap = func(*os.File, int) error { return syscall.ENOMEM }
		for range 2 {
			if err := put(s, "a", "1"); !errors.Is(err, syscall.ENOMEM) {
				t.Errorf("Update: %v, want ENOMEM", err)
			}
			wantLocked(t, path, Options{LockTimeout: soon})
			if got := get(t, s, "a"); got != "-" {
				t.Errorf("what failed is there: %q", got)
			}
		}
		s.late.tryMap = tryMap
		mustPut(t, s, "a", "1")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := get(t, openLate(t, path, o), "a"); got != "1" {
			t.Errorf("got %q", got)
		}
	})
}

// TestLateMmapFallback asks for more address space than there is.
func TestLateMmapFallback(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	s := openLate(t, path, Options{NoSync: true, InitialMmapSize: 1 << 50})
	mustPut(t, s, "a", "1")
	wantLocked(t, path, Options{LockTimeout: soon})
}

// TestLateUnlocked lets bbolt itself fail, which lets go of the lock then. It is taken again.
func TestLateUnlocked(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	s := openLate(t, path, Options{NoSync: true, InitialMmapSize: 1 << 47})
	s.late.tryMap = func(*os.File, int) error { return nil }
	if err := put(s, "a", "1"); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("Update: %v, want ENOMEM", err)
	}
	wantLocked(t, path, Options{LockTimeout: soon})
	wantLocked(t, path, Options{ReadOnly: true, LockTimeout: soon})
	if n := count(t, s); n != 300 {
		t.Errorf("%d keys", n)
	}
	s.late.tryMap = tryMap
	mustPut(t, s, "a", "1")
}

// TestLateLost lets another handle write while the lock is free.
func TestLateLost(t *testing.T) {
	opensLate(t)
	path := closedFile(t)
	s := openLate(t, path, Options{NoSync: true, InitialMmapSize: 1 << 47})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// What another handle writes in the meantime shows in the meta page.
	image := bytes.Clone(content[:2*s.pageSize])
	m, _ := decodeMeta(image)
	newer := image[headerSize:]
	order.PutUint64(newer[48:], m.txid+10)
	order.PutUint64(newer[56:], metaChecksum(newer))
	tries := 0
	s.late.tryMap = func(*os.File, int) error {
		tries++
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt(image, 0)
		return err
	}
	for range 2 {
		if err := put(s, "a", "1"); !errors.Is(err, storage.ErrLocked) {
			t.Errorf("Update: %v, want ErrLocked", err)
		}
	}
	if err := s.View(background, func(storage.Reader) error { return nil }); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("View: %v, want ErrLocked", err)
	}
	if err := s.Compact(background); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("Compact: %v, want ErrLocked", err)
	}
	if tries != 1 {
		t.Errorf("the lost file was opened for writing %d times", tries)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLateDamage damages the list of free pages after the file was opened.
func TestLateDamage(t *testing.T) {
	opensLate(t)
	bareAndLogged(t, &stillSizes, func(t *testing.T, o Options) {
		path := closedFile(t)
		s := openLate(t, path, o)
		want := dump(t, s)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		at := int64(s.late.found.meta.freelist) * int64(s.pageSize)
		if _, err := f.WriteAt([]byte{0, 0}, at+8); err != nil { // the flags of the page
			t.Fatal(err)
		}
		for range 2 {
			ctx, stop := context.WithTimeout(background, time.Minute)
			err := s.Update(ctx, func(w storage.Writer) error { return w.Put(rows, []byte("a"), nil) })
			stop()
			if !errors.Is(err, storage.ErrCorrupt) {
				t.Errorf("Update: %v, want ErrCorrupt", err)
			}
			if dump(t, s) != want {
				t.Error("Views see another state")
			}
			wantLocked(t, path, Options{LockTimeout: soon})
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Open(path, o); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("Open: %v, want ErrCorrupt", err)
		}
	})
}

// TestLateCloseWithoutWrite leaves the file, and what lies beside it, as it was.
func TestLateCloseWithoutWrite(t *testing.T) {
	path := manyFree(t, 1000)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := openStore(t, path, Options{Log: true}); s.late.reading.Load() != lockTwice {
		t.Error("what has many free pages is open for writing")
	} else if count(t, s) == 0 {
		t.Error("nothing is there")
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed, or: %v", err)
	}
	if list, _ := filepath.Glob(path + "*"); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}
