package bolt

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
)

// logPlaces are no log, one inside the file, and one beside it.
var logPlaces = []struct {
	name string
	o    Options
}{{"none", Options{}}, {"inside", inside}, {"beside", Options{Log: true}}}

// BenchmarkCommits is durable commits by a number of callers, by where the log is: its
// time is that of one. Each puts seven keys in four keyspaces, as an insert of an entry does.
func BenchmarkCommits(b *testing.B) {
	for _, writers := range []int{1, 16} {
		for _, log := range logPlaces {
			b.Run(fmt.Sprintf("writers=%d/log=%s", writers, log.name), func(b *testing.B) {
				s := openStore(b, filepath.Join(b.TempDir(), "db"), log.o)
				fill(b, s, 100_000)
				b.ReportAllocs()
				b.ResetTimer()
				commits(b, s, writers)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkCommitsBesideWork is durable commits of 16 callers beside goroutines that compute, four for
// each core, and yield every millisecond or when their time is over.
func BenchmarkCommitsBesideWork(b *testing.B) {
	for _, turn := range []time.Duration{time.Millisecond, time.Hour} {
		for _, log := range logPlaces[1:] {
			b.Run(fmt.Sprintf("turn=%v/log=%s", turn, log.name), func(b *testing.B) {
				s := openStore(b, filepath.Join(b.TempDir(), "db"), log.o)
				fill(b, s, 100_000)
				var stop atomic.Bool
				var work sync.WaitGroup
				for range 4 * runtime.GOMAXPROCS(0) {
					work.Go(func() {
						for from := time.Now(); !stop.Load(); {
							if time.Since(from) > turn {
								runtime.Gosched()
								from = time.Now()
							}
						}
					})
				}
				b.ResetTimer()
				commits(b, s, 16)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
				b.StopTimer()
				stop.Store(true)
				work.Wait()
			})
		}
	}
}

func commits(b *testing.B, s storage.Storage, writers int) {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				if err := s.Update(background, func(w storage.Writer) error { return likeInsert(w, int(i)) }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func likeInsert(w storage.Writer, n int) error {
	if _, err := w.Get(rows, key(n*7919%100_000)); err != nil {
		return err
	}
	for _, p := range []struct {
		ks    storage.Keyspace
		key   string
		bytes int
	}{
		{rows, string(key(n * 7919 % 100_000)), 250}, {rows, string(key(200_000 + n)), 250}, {"order", string(key(n)), 8},
		{"log", string(key(n)), 100}, {"heads", "head", 100}, {"heads", "meta", 60}, {"log", string(key(1<<30 + n)), 250},
	} {
		if err := w.Put(p.ks, []byte(p.key), make([]byte, p.bytes)); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReadsUnderLog reads beside one writer in twenty calls.
func BenchmarkReadsUnderLog(b *testing.B) {
	for _, log := range logPlaces {
		b.Run(fmt.Sprintf("log=%s", log.name), func(b *testing.B) {
			s := openStore(b, filepath.Join(b.TempDir(), "db"), log.o)
			fill(b, s, 100_000)
			b.ResetTimer()
			var n atomic.Int64
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if i%20 == 0 {
							_ = s.Update(background, func(w storage.Writer) error { return likeInsert(w, int(i)) })
							continue
						}
						_ = s.View(background, func(r storage.Reader) error {
							_, err := r.Get(rows, key(int(i)*31%100_000))
							return err
						})
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkBulk is one Update of 100,000 keys.
func BenchmarkBulk(b *testing.B) {
	for _, log := range logPlaces {
		b.Run(fmt.Sprintf("log=%s", log.name), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := openStore(b, filepath.Join(b.TempDir(), "db"), log.o)
				mustPut(b, s, "first", "1")
				b.StartTimer()
				fill(b, s, 100_000)
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
		})
	}
}
