package siftdb_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
)

// logPlaces are where a file may have its commit log; "none" is for tests alone.
var logPlaces = []string{"none", "inside", "beside"}

// logBenchDB is a file with n people in it, and a commit log somewhere.
func logBenchDB(b *testing.B, n int, log string) *siftdb.DataSource {
	b.Helper()
	if log == "none" {
		siftdb.KeepLogs(-1, false)
		defer siftdb.KeepLogs(0, false)
	}
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), &siftdb.Options{NoLog: log == "inside"}))
	b.Cleanup(func() { db.Close() })
	ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people"}))
	must[siftdb.BulkResult](b)(ds.Append(ctx, people(n)))
	return ds
}

// eachOf calls do with the numbers up to b.N, from some goroutines.
func eachOf(b *testing.B, goroutines int, do func(i int) error) {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				if err := do(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkLogInserts inserts entries one by one, durably, by where the commit log is: its
// time is that of one.
func BenchmarkLogInserts(b *testing.B) {
	for _, writers := range []int{1, 16} {
		for _, log := range logPlaces {
			b.Run(fmt.Sprintf("writers=%d/log=%s", writers, log), func(b *testing.B) {
				ds := logBenchDB(b, 10_000, log)
				b.ReportAllocs()
				b.ResetTimer()
				eachOf(b, writers, func(i int) error {
					_, err := ds.Insert(ctx, person(i))
					return err
				})
			})
		}
	}
}

// BenchmarkLogMixed is 19 look-ups by id to one update, by 16 callers.
func BenchmarkLogMixed(b *testing.B) {
	for _, log := range logPlaces {
		b.Run(fmt.Sprintf("log=%s", log), func(b *testing.B) {
			ds := logBenchDB(b, 10_000, log)
			ids := entryIDs(b, ds)
			b.ResetTimer()
			eachOf(b, 16, func(i int) error {
				id := ids[i*7919%len(ids)]
				if i%20 == 0 {
					_, err := ds.UpdateEntry(ctx, id, siftdb.M{"Age": i % 90})
					return err
				}
				_, err := ds.FindByID(ctx, id)
				return err
			})
		})
	}
}

// BenchmarkLogBulk is a bulk load of 100,000 entries.
func BenchmarkLogBulk(b *testing.B) {
	rows := people(100_000)
	for _, log := range logPlaces {
		b.Run(fmt.Sprintf("log=%s", log), func(b *testing.B) {
			ds := logBenchDB(b, 100, log)
			b.ResetTimer()
			for b.Loop() {
				must[siftdb.BulkResult](b)(ds.Append(ctx, rows))
			}
		})
	}
}
