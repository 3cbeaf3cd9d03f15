package siftdb_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb"
)

// member is the nth row of the benchmarks of indexes.
func member(n int) siftdb.M {
	return siftdb.M{"Email": fmt.Sprintf("user%d@example.com", n*7919%10_000_019), "Age": n % 90, "City": fmt.Sprintf("City %d", n%500), "Note": "some text that no index is on"}
}

var memberIndexes = []siftdb.IndexSpec{uniqueOn("Email"), indexOn("Age", "City"), indexOn("City")}

// BenchmarkInsertIndexed is one durable insert with three indexes, in turn with the same by hand
// in bbolt: the row, its history and counters, and a key in each of three buckets. It reports
// the ratio of the two.
func BenchmarkInsertIndexed(b *testing.B) {
	const rows = 20_000
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
	defer db.Close()
	ds, plain := table(b, db, "people"), table(b, db, "plain")
	for _, ds := range []*siftdb.DataSource{ds, plain} {
		must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, members(0, rows)))
	}
	create(b, ds, memberIndexes...)
	bare := must[*bbolt.DB](b)(bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}))
	defer bare.Close()
	err := bare.Update(func(tx *bbolt.Tx) error {
		for n := range rows {
			if err := byHand(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var spent [3]time.Duration
	for n := rows; b.Loop(); n++ {
		for i, insert := range []func() error{
			func() error { _, err := ds.Insert(ctx, member(n)); return err },
			func() error { return bare.Update(func(tx *bbolt.Tx) error { return byHand(tx, n) }) },
			func() error { _, err := plain.Insert(ctx, member(n)); return err },
		} {
			begun := time.Now()
			if err := insert(); err != nil {
				b.Fatal(err)
			}
			spent[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "of-bbolt")
	b.ReportMetric(float64(spent[0])/float64(spent[2]), "of-unindexed")
}

func members(from, to int) func(yield func(any, error) bool) {
	return func(yield func(any, error) bool) {
		for n := from; n < to; n++ {
			if !yield(member(n), nil) {
				return
			}
		}
	}
}

// byHand stores a row and three index keys in bbolt, the first of them unique.
func byHand(tx *bbolt.Tx, n int) error {
	row := member(n)
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	id := binary.BigEndian.AppendUint64(nil, uint64(n))
	email := []byte(row["Email"].(string))
	unique, err := tx.CreateBucketIfNotExists([]byte("email"))
	if err != nil {
		return err
	}
	if unique.Get(email) != nil {
		return fmt.Errorf("%s is taken", email)
	}
	for bucket, pair := range map[string][2][]byte{
		"row":   {id, text},
		"head":  {[]byte("head"), binary.BigEndian.AppendUint64(nil, uint64(n))},
		"log":   {id, []byte("insert")},
		"email": {email, id},
		"age":   {append(binary.BigEndian.AppendUint64(nil, uint64(n%90)), append([]byte(row["City"].(string)), id...)...), nil},
		"city":  {append([]byte(row["City"].(string)), id...), nil},
	} {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err == nil {
			err = b.Put(pair[0], pair[1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkCreateIndex builds three indexes over a table.
func BenchmarkCreateIndex(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
			defer db.Close()
			ds := table(b, db, "people")
			must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, members(0, rows)))
			runtime.GC()
			for b.Loop() {
				create(b, ds, memberIndexes...)
				b.StopTimer()
				for _, spec := range memberIndexes {
					if err := ds.DropIndex(ctx, spec.Name); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
			}
			b.ReportMetric(0, "B/op")
		})
	}
}

// BenchmarkAppendIndexed is a bulk load of 100,000 rows, with and without three indexes.
func BenchmarkAppendIndexed(b *testing.B) {
	for _, indexes := range [][]siftdb.IndexSpec{nil, memberIndexes} {
		b.Run(fmt.Sprint(len(indexes)), func(b *testing.B) {
			for b.Loop() {
				db := must[*siftdb.DB](b)(siftdb.Open(ctx, filepath.Join(b.TempDir(), "bench.db"), nil))
				ds := table(b, db, "people")
				create(b, ds, indexes...)
				must[siftdb.BulkResult](b)(ds.AppendSeq(ctx, members(0, 100_000)))
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
