package bolt

import (
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

func benchStore(b *testing.B, n int) *Store {
	s := openStore(b, filepath.Join(b.TempDir(), "db"), Options{})
	fill(b, s, n)
	return s
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 100_000)
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = key(i * 97 % 100_000)
	}
	b.ReportAllocs()
	s.View(background, func(r storage.Reader) error {
		for i := 0; b.Loop(); i++ {
			r.Get(rows, keys[i%1000])
		}
		return nil
	})
}

func BenchmarkViewGet(b *testing.B) {
	s := benchStore(b, 100_000)
	k := key(500)
	b.ReportAllocs()
	for b.Loop() {
		s.View(background, func(r storage.Reader) error {
			_, err := r.Get(rows, k)
			return err
		})
	}
}

func BenchmarkScan1000(b *testing.B) {
	s := benchStore(b, 100_000)
	from := key(50_000)
	b.ReportAllocs()
	s.View(background, func(r storage.Reader) error {
		for b.Loop() {
			c := r.Scan(rows, from, nil, false)
			for range 1000 {
				c.Next()
			}
		}
		return nil
	})
}

func BenchmarkUpdate(b *testing.B) {
	s := benchStore(b, 100_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		put(s, string(key(i*7919%100_000)), "v")
	}
}

// BenchmarkUpdate16 has 16 callers: its time is that of one update.
func BenchmarkUpdate16(b *testing.B) {
	s := benchStore(b, 100_000)
	b.ReportAllocs()
	b.SetParallelism(8)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			put(s, string(key(int(n.Add(1)*7919%100_000))), "v")
		}
	})
}

func BenchmarkBulk100000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := benchStore(b, 100_000)
		b.StopTimer()
		if size, err := s.Size(); err == nil {
			b.ReportMetric(float64(size.Used)/(100_000*116), "bytes/byte")
		}
		s.Close()
		b.StartTimer()
	}
}

// TestGetAllocatesNothing beyond the first of a keyspace.
func TestGetAllocatesNothing(t *testing.T) {
	s := newStore(t)
	fill(t, s, 10_000)
	k := key(5000)
	s.View(background, func(r storage.Reader) error {
		if n := testing.AllocsPerRun(100, func() { r.Get(rows, k) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		return nil
	})
}
