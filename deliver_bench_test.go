package siftdb_test

import (
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
)

// outboxTBench opens a database in memory, or in a file.
func outboxTBench(b *testing.B, engine string, options *siftdb.Options) *siftdb.DB {
	b.Helper()
	if engine == "memory" {
		return must[*siftdb.DB](b)(siftdb.OpenMemory(options))
	}
	return must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), options))
}

// BenchmarkInsertWithHook compares an insert without hooks with one that has a web hook,
// whose deliveries are kept, or sent meanwhile to a receiver that answers at once.
func BenchmarkInsertWithHook(b *testing.B) {
	for _, engine := range []string{"memory", "file"} {
		for _, kind := range []string{"none", "kept", "sent"} {
			b.Run(engine+"/"+kind, func(b *testing.B) {
				opts := newReceiver().options()
				opts.Deliveries.Report = nil
				opts.Deliveries.Off = kind == "kept"
				hook := webInsert
				if kind == "none" {
					hook = ""
				}
				db := outboxTBench(b, engine, opts)
				defer db.Close()
				ds := sending(b, db, hook)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := ds.Insert(ctx, person(i)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkDrain sends what 1,000 entries have to send, to a receiver that answers at
// once.
func BenchmarkDrain(b *testing.B) {
	for _, engine := range []string{"memory", "file"} {
		b.Run(engine, func(b *testing.B) {
			r := newReceiver()
			db := outboxTBench(b, engine, r.options())
			defer db.Close()
			ds := sending(b, db, webInsert)
			for b.Loop() {
				must[siftdb.BulkResult](b)(ds.Append(ctx, people(1000)))
				r.wait(b, 1000)
			}
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
