package siftdb_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// BenchmarkGetBare gets entries at random among 100,000, as entries and as maps, in turn with
// gets of a bare bbolt file that copy the value, and reports the ratios.
func BenchmarkGetBare(b *testing.B) {
	const n, batch = 100_000, 1000
	_, ds, _ := benchDB(b, n)
	ids := entryIDs(b, ds)
	bare := bareRows(b, n)
	var entries, maps, bares time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		for range batch {
			if _, err := ds.FindByID(ctx, ids[rand.IntN(n)]); err != nil {
				b.Fatal(err)
			}
		}
		first := time.Now()
		for range batch {
			e, err := ds.FindByID(ctx, ids[rand.IntN(n)])
			if err != nil || len(e.Map()) != 12 {
				b.Fatal(err)
			}
		}
		second := time.Now()
		for range batch {
			err := bare.View(func(tx *bbolt.Tx) error {
				if v := bytes.Clone(tx.Bucket([]byte("entry")).Get(rowKey(rand.IntN(n)))); len(v) == 0 {
					b.Error("a row is gone")
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		entries, maps, bares = entries+first.Sub(began), maps+second.Sub(first), bares+time.Since(second)
	}
	per := float64(b.N * batch)
	b.ReportMetric(float64(entries)/per, "entry-ns")
	b.ReportMetric(float64(maps)/per, "map-ns")
	b.ReportMetric(float64(bares)/per, "bare-ns")
	b.ReportMetric(float64(entries)/float64(bares), "ratio")
}

func rowKey(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// bareRows is a bbolt file with people in it, loaded as fast as bbolt can.
func bareRows(b *testing.B, n int) *bbolt.DB {
	o := *bbolt.DefaultOptions
	o.FreelistType, o.InitialMmapSize = bbolt.FreelistMapType, 1<<30
	bare := must[*bbolt.DB](b)(bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &o))
	b.Cleanup(func() { bare.Close() })
	for from := 0; from < n; from += 5000 {
		err := bare.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("entry"))
			if err != nil {
				return err
			}
			bucket.FillPercent = 0.95
			for i := from; i < min(from+5000, n); i++ {
				if err := bucket.Put(rowKey(i), person(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return bare
}
