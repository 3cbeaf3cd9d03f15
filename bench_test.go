package siftdb_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb"
)

// person is a row of 12 fields and about 250 bytes of JSON.
func person(i int) json.RawMessage {
	cities := []string{"Lisbon", "Oslo", "Kyiv", "Quito", "Hanoi", "Turin", "Accra"}
	return json.RawMessage(fmt.Sprintf(`{"First Name":"First%d","Last Name":"Last%d","Email":"user%d@example.org","Age":%d,"City":"%s",`+
		`"Salary":%d.%d,"Active":%v,"Score":%d,"Team":"team %d","Joined":"20%02d-%02d-%02d","Phone":"+1 555 %07d","Notes":"row number %d"}`,
		i, i*7%9973, i, 18+i*31%60, cities[i%len(cities)], 20000+i*37%60000, i%10, i%3 == 0, i*13%1000, i%25, i%25, 1+i%12, 1+i%28, i, i))
}

func people(n int) []any {
	rows := make([]any, n)
	for i := range rows {
		rows[i] = person(i)
	}
	return rows
}

// benchDB is a file with n people in it.
func benchDB(b *testing.B, n int) (*siftdb.DB, *siftdb.DataSource, string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.db")
	db := must[*siftdb.DB](b)(siftdb.Open(ctx, path, nil))
	b.Cleanup(func() { db.Close() })
	ds := must[*siftdb.DataSource](b)(db.Create(ctx, siftdb.DataSourceSpec{Name: "people"}))
	must[siftdb.BulkResult](b)(ds.Append(ctx, people(n)))
	return db, ds, path
}

const twoFields = `{"Age":{"$gte":30},"City":"Oslo"}`

func BenchmarkGet(b *testing.B) {
	_, ds, _ := benchDB(b, 10_000)
	ids := entryIDs(b, ds)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ds.FindByID(ctx, ids[i*7919%len(ids)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetAsMap(b *testing.B) {
	_, ds, _ := benchDB(b, 10_000)
	ids := entryIDs(b, ds)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e, err := ds.FindByID(ctx, ids[i*7919%len(ids)])
		if err != nil || len(e.Map()) != 12 {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	_, ds, _ := benchDB(b, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ds.Insert(ctx, person(i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsertParallel(b *testing.B) {
	_, ds, _ := benchDB(b, 1000)
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := ds.Insert(ctx, person(i)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	_, ds, _ := benchDB(b, 50_000)
	ids := entryIDs(b, ds)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ds.UpdateEntry(ctx, ids[i*7919%len(ids)], siftdb.M{"Score": i}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend100k(b *testing.B) {
	rows := people(100_000)
	_, ds, _ := benchDB(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		must[siftdb.BulkResult](b)(ds.Append(ctx, rows))
	}
	b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkScan counts by a two-field predicate over 100,000 entries, and walks
// the same file with a bare bbolt cursor that reads every byte of every value: by
// adding words up, and by hashing, as a checksum would. They take turns, and the
// ratios of their times are reported.
func BenchmarkScan(b *testing.B) {
	db, ds, path := benchDB(b, 100_000)
	id := ds.ID()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	bare := must[*bbolt.DB](b)(bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true}))
	defer bare.Close()
	db = must[*siftdb.DB](b)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: true}))
	defer db.Close()
	ds = must[*siftdb.DataSource](b)(db.DataSource(ctx, id))
	var scan, walk, sums time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if n, err := ds.Count(ctx, siftdb.Query{Where: twoFields}); err != nil || n == 0 {
			b.Fatal(n, err)
		}
		between := time.Now()
		if n, _ := walkBolt(b, bare, addWords); n != 100_000 {
			b.Fatal(n)
		}
		last := time.Now()
		if n, _ := walkBolt(b, bare, xxhash.Sum64); n != 100_000 {
			b.Fatal(n)
		}
		scan += between.Sub(began)
		walk += last.Sub(between)
		sums += time.Since(last)
	}
	b.ReportMetric(scan.Seconds()*1e3/float64(b.N), "scan-ms")
	b.ReportMetric(walk.Seconds()*1e3/float64(b.N), "walk-ms")
	b.ReportMetric(float64(scan)/float64(walk), "ratio")
	b.ReportMetric(float64(scan)/float64(sums), "ratio-to-checksummed")
}

// addWords adds up bytes, a word at a time.
func addWords(v []byte) (sum uint64) {
	for len(v) >= 8 {
		sum += binary.LittleEndian.Uint64(v)
		v = v[8:]
	}
	for _, x := range v {
		sum += uint64(x)
	}
	return sum
}

// walkBolt reads every value byte of the entries with a function.
func walkBolt(b *testing.B, bare *bbolt.DB, read func([]byte) uint64) (n int, sum uint64) {
	err := bare.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte("entry")).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			n++
			sum += read(v)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return n, sum
}

func BenchmarkFindMatches(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		must[[]*siftdb.Entry](b)(ds.Find(ctx, siftdb.Query{Where: twoFields}))
	}
}

func BenchmarkContains(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		must[int64](b)(ds.Count(ctx, siftdb.Query{Where: `{"Notes":{"$iLike":"number 4242"}}`}))
	}
}

func BenchmarkOrderLimit(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		must[[]*siftdb.Entry](b)(ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Last Name")}, Limit: new(25)}))
	}
}

func BenchmarkOrderDeepPage(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		must[[]*siftdb.Entry](b)(ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Last Name")}, Limit: new(25), Offset: 50_000}))
	}
}

func BenchmarkUniqueValues(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		must[[]any](b)(ds.Index(ctx, "Team"))
	}
}

// BenchmarkRestore undoes, and then redoes, the update of 1,000 entries of
// 100,000.
func BenchmarkRestore(b *testing.B) {
	_, ds, _ := benchDB(b, 100_000)
	if _, err := ds.UpdateWhere(ctx, `{"id":{"$lte":1000}}`, siftdb.Patch{Set: siftdb.M{"Team": "moved"}}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		latest := must[[]siftdb.Version](b)(ds.Versions(ctx, siftdb.Page{Limit: new(1)}))[0]
		if v := must[int64](b)(ds.Restore(ctx, latest.ID)); v == 0 {
			b.Fatal("nothing to restore")
		}
	}
}

// BenchmarkReopen opens a cleanly closed file of about 100 MiB and gets one entry,
// in turn with a bare bbolt file of the same size, and reports the ratio.
func BenchmarkReopen(b *testing.B) {
	db, ds, path := benchDB(b, 1)
	for range 3 {
		must[siftdb.BulkResult](b)(ds.Append(ctx, people(100_000)))
	}
	ids := entryIDs(b, ds)
	id, entry := ds.ID(), ids[len(ids)/2]
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	barePath := bareFile(b)
	var ours, bares time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		db, err := siftdb.Open(ctx, path, nil)
		if err != nil {
			b.Fatal(err)
		}
		ds, err := db.DataSource(ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ds.FindByID(ctx, entry); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		bares += openBare(b, barePath)
	}
	b.ReportMetric(ours.Seconds()*1e6/float64(b.N), "open-us")
	b.ReportMetric(bares.Seconds()*1e6/float64(b.N), "bare-us")
	b.ReportMetric(float64(ours)/float64(bares), "ratio")
}

// bareFile makes a bbolt file of about 100 MiB.
func bareFile(b *testing.B) string {
	path := filepath.Join(b.TempDir(), "bare.db")
	bare := must[*bbolt.DB](b)(bbolt.Open(path, 0o600, nil))
	for part := range 10 {
		err := bare.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("entry"))
			if err != nil {
				return err
			}
			for i := range 30_000 {
				n := part*30_000 + i
				if err := bucket.Put(fmt.Appendf(nil, "%012d", n), person(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := bare.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// openBare opens a bbolt file, gets one key and returns how long that took.
func openBare(b *testing.B, path string) time.Duration {
	began := time.Now()
	bare, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	err = bare.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket([]byte("entry")).Get([]byte("000000150000")); len(v) == 0 {
			return fmt.Errorf("the key is gone")
		}
		return nil
	})
	took := time.Since(began)
	if err != nil {
		b.Fatal(err)
	}
	if err := bare.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}
