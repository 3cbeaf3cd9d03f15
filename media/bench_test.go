package media_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/siftdb/siftdb/media"
)

// BenchmarkPut stores files of 16 MiB, through an Inspector.
func BenchmarkPut(b *testing.B) {
	content := random(16 << 20)
	for name, open := range benchStores {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				in := media.NewInspector(bytes.NewReader(content), "")
				info, err := s.Put(b.Context(), media.NewPath(nil, nil, "x"), in)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Delete(b.Context(), info.Path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutSmall stores and deletes files of 1 KiB.
func BenchmarkPutSmall(b *testing.B) {
	content := random(1 << 10)
	for name, open := range benchStores {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			for b.Loop() {
				path := media.NewPath(nil, nil, "x")
				mustPut(b, s, path, content)
				if err := s.Delete(b.Context(), path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGet reads a file of 16 MiB.
func BenchmarkGet(b *testing.B) {
	content := random(16 << 20)
	for name, open := range benchStores {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			mustPut(b, s, "x", content)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				f, err := s.Get(b.Context(), "x")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, struct{ io.Reader }{f}); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}

var benchStores = map[string]func(testing.TB) media.Store{
	"Memory":       func(testing.TB) media.Store { return media.Memory() },
	"Dir":          func(t testing.TB) media.Store { return openDir(t, t.TempDir()) },
	"EncryptedDir": func(t testing.TB) media.Store { return encrypt(t, openDir(t, t.TempDir())) },
}
