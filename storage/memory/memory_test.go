package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

var (
	_ storage.Forker = (*memory.Store)(nil)
	_ storage.Sizer  = (*memory.Store)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStorage(t *testing.T) {
	storagetest.Run(t, storagetest.Engine{
		Open: func(testing.TB) storage.Storage { return memory.New() },
	})
}

const rows = storage.Keyspace("rows")

var background = context.Background()

func key(n int) []byte { return fmt.Appendf(nil, "%016d", n) }

// fill puts n ascending keys.
func fill(t testing.TB, s storage.Storage, n int) {
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

// TestReadsAllocateNothing: neither a View nor a Get in it.
func TestReadsAllocateNothing(t *testing.T) {
	s := memory.New()
	defer s.Close()
	fill(t, s, 10_000)
	k := key(5000)
	read := func(r storage.Reader) error {
		if v, err := r.Get(rows, k); v == nil || err != nil {
			t.Error(v, err)
		}
		return nil
	}
	if n := testing.AllocsPerRun(100, func() { s.View(background, read) }); n != 0 {
		t.Errorf("%v allocations in View and Get", n)
	}
}

// TestForkIsCheap forks a large store.
func TestForkIsCheap(t *testing.T) {
	s := memory.New()
	defer s.Close()
	fill(t, s, 200_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		f, err := s.Fork()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 100; n > 4<<10 {
		t.Errorf("a fork takes %d bytes", n)
	}
}

func TestSizeIsExact(t *testing.T) {
	s := memory.New()
	defer s.Close()
	fill(t, s, 1000)
	if n, err := s.Size(); err != nil || n.Used != 1000*116 || n.Total != n.Used {
		t.Errorf("size %+v, %v, want %d", n, err, 1000*116)
	}
}

func BenchmarkGet(b *testing.B) {
	s := memory.New()
	fill(b, s, 100_000)
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

func BenchmarkScan1000(b *testing.B) {
	s := memory.New()
	fill(b, s, 100_000)
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
	s := memory.New()
	fill(b, s, 100_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Update(background, func(w storage.Writer) error {
			return w.Put(rows, key(i*7919%100_000), []byte("v"))
		})
	}
}

func BenchmarkUpdate16(b *testing.B) {
	s := memory.New()
	fill(b, s, 100_000)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.Update(background, func(w storage.Writer) error {
				return w.Put(rows, key(i*7919%100_000), []byte("v"))
			})
		}
	})
}

func BenchmarkBulk100000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		fill(b, memory.New(), 100_000)
	}
}
