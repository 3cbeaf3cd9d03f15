package bolt

import (
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// manyFree makes a closed file with about n free pages.
func manyFree(t testing.TB, n int) (path string) {
	path = filepath.Join(t.TempDir(), "db")
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	const batch = 500
	value := make([]byte, 3000)
	for from := 0; from < n; from += batch {
		write(t, s, func(w storage.Writer) error {
			for i := range batch {
				if err := w.Put(rows, key(from+i), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	write(t, s, func(w storage.Writer) error {
		for i := range n {
			if i%50 == 0 {
				continue
			}
			if err := w.Delete(rows, key(i)); err != nil {
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

func write(t testing.TB, s *Store, fn func(storage.Writer) error) {
	t.Helper()
	if err := s.Update(background, fn); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkFirstUpdate is what the first Update takes in such a file, which opens it for writing,
// and opening it.
func BenchmarkFirstUpdate(b *testing.B) {
	path := manyFree(b, 10_000)
	for b.Loop() {
		s, err := Open(path, Options{NoSync: true})
		if err == nil {
			err = put(s, "a", "1")
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkOpen is what opening a file takes that has some 10,000 free pages, and a read.
func BenchmarkOpen(b *testing.B) {
	path := manyFree(b, 10_000)
	for b.Loop() {
		s, err := Open(path, Options{Log: true})
		if err != nil {
			b.Fatal(err)
		}
		err = s.View(background, func(r storage.Reader) error {
			_, err := r.Get(rows, key(50))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
