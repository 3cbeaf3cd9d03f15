package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/storagetest"
)

var _ storage.Sizer = (*Store)(nil)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	goleak.VerifyTestMain(m)
}

func TestStorage(t *testing.T) {
	storagetest.Run(t, engine(Options{NoSync: true}))
}

func engine(o Options) storagetest.Engine {
	return storagetest.Engine{
		Open: func(t testing.TB) storage.Storage {
			return openStore(t, filepath.Join(t.TempDir(), "db"), o)
		},
		Reopen: func(t testing.TB, s storage.Storage) storage.Storage {
			return openStore(t, s.(*Store).path, o)
		},
	}
}

// openStore opens a store that is closed with the test.
func openStore(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newStore opens a new store without syncs.
func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "db"), Options{NoSync: true})
}

const rows = storage.Keyspace("rows")

var background = context.Background()

func key(n int) []byte { return fmt.Appendf(nil, "%016d", n) }

// put puts one key.
func put(s storage.Storage, k, v string) error {
	return s.Update(background, func(w storage.Writer) error { return w.Put(rows, []byte(k), []byte(v)) })
}

func mustPut(t testing.TB, s storage.Storage, k, v string) {
	t.Helper()
	if err := put(s, k, v); err != nil {
		t.Fatal(err)
	}
}

// fill puts n ascending keys with values of 100 bytes.
func fill(t testing.TB, s storage.Storage, n int) {
	t.Helper()
	err := s.Update(background, func(w storage.Writer) error {
		value := make([]byte, 100)
		for i := range n {
			if err := w.Put(rows, key(i), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count returns the number of keys.
func count(t testing.TB, s storage.Storage) (n int) {
	t.Helper()
	err := s.View(background, func(r storage.Reader) error {
		c := r.Scan(rows, nil, nil, false)
		for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
			n++
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// get returns a value, "-" for an absent key.
func get(t testing.TB, s storage.Storage, k string) (value string) {
	t.Helper()
	err := s.View(background, func(r storage.Reader) error {
		v, err := r.Get(rows, []byte(k))
		if value = string(v); v == nil {
			value = "-"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// copyFile copies a file as it is, as a crash would leave it.
func copyFile(t testing.TB, from string) (to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, content)
}

func writeFile(t testing.TB, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
