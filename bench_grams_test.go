package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
)

// noteWords are what the notes of the benchmarks of trigram indexes are made of.
var noteWords = strings.Fields("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum eu fugiat nulla pariatur")

// noted is the nth row of the benchmarks of trigram indexes: 40 to 120 letters of a few words, and
// in one of a thousand another word.
func noted(n int) siftdb.M {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var b strings.Builder
	for target := 40 + r.IntN(80); b.Len() < target-10; b.WriteByte(' ') {
		b.WriteString(noteWords[r.IntN(len(noteWords))])
	}
	if n%1000 == 7 {
		b.WriteString("zygote")
	}
	return siftdb.M{"Note": b.String(), "N": n}
}

func notes(from, to int) func(yield func(any, error) bool) {
	return func(yield func(any, error) bool) {
		for n := from; n < to; n++ {
			if !yield(noted(n), nil) {
				return
			}
		}
	}
}

var noteIndex = siftdb.IndexSpec{Name: "note", Trigram: true, Fields: []siftdb.IndexField{{Name: "Note"}}}

// BenchmarkCreateTrigramIndex builds a trigram index over 100,000 notes, and tells what it takes
// in the file for each entry and for each trigram of each.
func BenchmarkCreateTrigramIndex(b *testing.B) {
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
	defer db.Close()
	ds := table(b, db, "people")
	const rows = 100_000
	must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, notes(0, rows)))
	used := func() int64 { return must[storage.Size](b)(db.Size()).Used }
	var size, keys int64
	runtime.GC()
	for b.Loop() {
		b.StopTimer()
		before := used()
		b.StartTimer()
		create(b, ds, noteIndex)
		b.StopTimer()
		size, keys = used()-before, must[[]siftdb.IndexInfo](b)(ds.ListIndexes(ctx))[0].Keys
		if err := ds.DropIndex(ctx, "note"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(0, "B/op")
	b.ReportMetric(float64(size)/rows, "B/entry")
	b.ReportMetric(float64(size)/float64(keys), "B/trigram")
}

// BenchmarkTrigramWrites are writes of single notes, in memory and durable in a file, beside
// 50,000 that are there. One of memory shows the work alone.
func BenchmarkTrigramWrites(b *testing.B) {
	const rows = 50_000
	for _, where := range []string{"memory", "inside", "beside"} {
		var db *siftdb.DB
		if where == "memory" {
			db = memoryDB(b, nil)
		} else {
			db = must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), &siftdb.Options{NoLog: where == "inside"}))
			defer db.Close()
		}
		ds := table(b, db, "people")
		must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, notes(0, rows)))
		create(b, ds, noteIndex)
		next := rows
		b.Run(where+"/insert", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				next++
				must[*siftdb.Entry](b)(ds.Insert(ctx, noted(next)))
			}
		})
		b.Run(where+"/update", func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				next++
				must[*siftdb.Entry](b)(ds.UpdateEntry(ctx, int64(1+n*7919%rows), noted(next)))
			}
		})
	}
}

// BenchmarkAppendTrigrams is a bulk load of 20,000 notes into a trigram index.
func BenchmarkAppendTrigrams(b *testing.B) {
	for b.Loop() {
		db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
		ds := table(b, db, "people")
		create(b, ds, noteIndex)
		must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, notes(0, 20_000)))
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTrigramFind looks for a rare word, and for two common ones.
func BenchmarkTrigramFind(b *testing.B) {
	db := memoryDB(b, nil)
	siftdb.ColumnsFrom(db, 1<<40)
	ds := table(b, db, "people")
	must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, notes(0, 100_000)))
	create(b, ds, noteIndex)
	for _, text := range []string{"zygote", "lorem ipsum do"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				must[int64](b)(ds.Count(ctx, siftdb.Query{Where: siftdb.M{"Note": siftdb.M{"$iLike": fmt.Sprint("%", text, "%")}}}))
			}
		})
	}
}
