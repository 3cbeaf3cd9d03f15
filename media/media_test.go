package media_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/media/mediatest"
)

var testKey = bytes.Repeat([]byte{7}, 32)

func openDir(t testing.TB, path string) *media.DirStore {
	t.Helper()
	d, err := media.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func encrypt(t testing.TB, s media.Store) media.Store {
	t.Helper()
	e, err := media.Encrypted(s, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// dirs opens directories, and opens again the one that was opened last.
func dirs(wrap func(testing.TB, media.Store) media.Store) mediatest.Engine {
	var path string
	var last *media.DirStore
	return mediatest.Engine{
		Open: func(t testing.TB) media.Store {
			path = t.TempDir()
			last = openDir(t, path)
			return wrap(t, last)
		},
		Reopen: func(t testing.TB, _ media.Store) media.Store {
			if err := last.Close(); err != nil {
				t.Fatal(err)
			}
			last = openDir(t, path)
			return wrap(t, last)
		},
	}
}

func plain(_ testing.TB, s media.Store) media.Store { return s }

func TestMemory(t *testing.T) {
	mediatest.Run(t, mediatest.Engine{
		Open:     func(testing.TB) media.Store { return media.Memory() },
		InMemory: true,
	})
}

func TestDir(t *testing.T) { mediatest.Run(t, dirs(plain)) }

func TestEncryptedDir(t *testing.T) { mediatest.Run(t, dirs(encrypt)) }

func TestEncryptedMemory(t *testing.T) {
	mediatest.Run(t, mediatest.Engine{
		Open:     func(t testing.TB) media.Store { return encrypt(t, media.Memory()) },
		InMemory: true,
	})
}

// TestEncryptedStream has a store under the encryption whose files cannot seek.
func TestEncryptedStream(t *testing.T) {
	mediatest.Run(t, mediatest.Engine{
		Open:     func(t testing.TB) media.Store { return encrypt(t, streamStore{media.Memory()}) },
		InMemory: true,
	})
}

// TestFaulty has the wrapper for tests keep out of the way.
func TestFaulty(t *testing.T) {
	mediatest.Run(t, dirs(func(_ testing.TB, s media.Store) media.Store {
		s, _ = mediatest.Faulty(s)
		return s
	}))
}

// streamStore is a store whose files can only be read from the start to the end.
type streamStore struct{ media.Store }

func (s streamStore) Get(ctx context.Context, path string) (media.File, error) {
	f, err := s.Store.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	return struct{ media.File }{f}, nil
}

func mustPut(t testing.TB, s media.Store, path string, content []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), path, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func readAll(t testing.TB, s media.Store, path string) ([]byte, error) {
	t.Helper()
	f, err := s.Get(t.Context(), path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
