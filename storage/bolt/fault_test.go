package bolt

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
)

// scanAll reads everything there is.
func scanAll(s storage.Storage, reverse bool) error {
	return s.View(background, func(r storage.Reader) error {
		sum := 0
		c := r.Scan(rows, nil, nil, reverse)
		for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
			for _, b := range v {
				sum += int(b)
			}
			sum += len(k)
		}
		_ = sum
		return c.Err()
	})
}

// TestCutWhileOpen cuts the file under an open store.
func TestCutWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be cut")
	}
	for _, pages := range []int64{0, 1, 2, 3, 20} {
		s := newStore(t)
		fill(t, s, 10_000)
		if err := os.Truncate(s.file.Name(), pages*int64(s.pageSize)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := scanAll(s, false); !errors.Is(err, storage.ErrCorrupt) {
				t.Errorf("%d pages left: View: %v, want ErrCorrupt", pages, err)
			}
			err := s.Update(background, func(w storage.Writer) error {
				_, err := w.Get(rows, key(9000))
				return err
			})
			if !errors.Is(err, storage.ErrCorrupt) {
				t.Errorf("%d pages left: Update: %v, want ErrCorrupt", pages, err)
			}
		}
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("Close hangs")
		}
	}
}

// TestFlips changes single bits of a file, closed or left by a crash, and reads
// and writes it: an error or a result, but never a panic or the end of the
// process.
func TestFlips(t *testing.T) {
	s := newStore(t)
	fill(t, s, 3000)
	s.Update(background, func(w storage.Writer) error {
		w.DeleteRange(rows, key(500), key(900))
		return w.Put("other", []byte("k"), make([]byte, 20_000))
	})
	crashed, _ := os.ReadFile(s.file.Name())
	used, _ := s.Size()
	s.Close()
	closed, _ := os.ReadFile(s.file.Name())
	flips := 1500
	if testing.Short() {
		flips = 200
	}
	r := rand.New(rand.NewPCG(11, 13))
	path := writeFile(t, nil)
	found := 0
	for i := range flips {
		content := [][]byte{crashed, closed}[i%2]
		at := r.IntN(int(used.Used))
		if i%4 > 1 { // in the header of a page, or the first elements
			at = at/s.pageSize*s.pageSize + r.IntN(64)
		}
		content[at] ^= 1 << (i % 8)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := useDamaged(path, r); err != nil {
			found++
			if !errors.Is(err, storage.ErrCorrupt) && !errors.Is(err, storage.ErrReadOnly) &&
				!errors.Is(err, storage.ErrNotDatabase) {
				t.Errorf("byte %d bit %d: %v", at, i%8, err)
			}
		}
		content[at] ^= 1 << (i % 8)
	}
	if found < flips/10 {
		t.Errorf("%d of %d flips showed", found, flips)
	}
}

// useDamaged opens, reads and writes a file and returns the errors.
func useDamaged(path string, r *rand.Rand) error {
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		return err
	}
	err = errors.Join(scanAll(s, false), scanAll(s, true))
	for range 3 {
		k := key(r.IntN(3000))
		err = errors.Join(err, s.Update(background, func(w storage.Writer) error {
			if err := w.DeleteRange(rows, k, key(r.IntN(3000))); err != nil {
				return err
			}
			return w.Put(rows, k, make([]byte, 300))
		}))
	}
	return errors.Join(err, s.Close())
}
