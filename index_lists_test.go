package siftdb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/memory"
)

// byTrigrams compares what a trigram index on text finds with what a scan does.
func byTrigrams(t testing.TB, db *siftdb.DB, ds *siftdb.DataSource, texts ...string) {
	t.Helper()
	defer siftdb.Access(db, "")
	for _, text := range texts {
		var found [2]string
		for i, way := range []string{"scan", "always"} {
			siftdb.Access(db, way)
			entries := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: siftdb.M{"text": siftdb.M{"$iLike": "%" + text + "%"}}}))
			var ids strings.Builder
			for _, e := range entries {
				fmt.Fprint(&ids, e.ID, " ")
			}
			found[i] = ids.String()
		}
		if found[0] != found[1] {
			t.Errorf("%.30q is in\n%.200s\nand by the index in\n%.200s", text, found[0], found[1])
		}
	}
}

var textIndex = siftdb.IndexSpec{Name: "text", Trigram: true, Fields: []siftdb.IndexField{{Name: "text"}}}

// everyTrigram is a text of about n different trigrams.
func everyTrigram(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteRune(rune(0x4e00 + i))
	}
	return b.String()
}

// TestTrigramsOfHostileRows lists rows that are empty, huge, of all trigrams or all alike, as many
// as fill blocks and one more or less, and changes them.
func TestTrigramsOfHostileRows(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		create(t, ds, textIndex)
		texts := []string{"aaaa", "same", "all of the same", everyTrigram(10)[3:15], "ÄÖÜß", "\x00\x00\x00", "\U0010ffff\U0010ffff\U0010ffff", "7.5", "x1y", "zzz", "gone"}
		hostile := []any{
			siftdb.M{}, siftdb.M{"text": ""}, siftdb.M{"text": "ab"}, siftdb.M{"text": nil}, siftdb.M{"text": siftdb.M{"a": "aaaa"}},
			siftdb.M{"text": strings.Repeat("aaaa", 100_000)}, siftdb.M{"text": everyTrigram(4000)}, siftdb.M{"text": everyTrigram(5000)},
			siftdb.M{"text": []any{"one", []any{"äöüSS", 7.5}}}, siftdb.M{"text": "\U0010ffff\U0010ffff\U0010ffff\x00\x00\x00"}, siftdb.M{"text": "äöüß"}, siftdb.M{"text": true},
		}
		must[siftdb.BulkResult](t)(ds.Append(ctx, hostile))
		for _, n := range []int{127, 1, 1, 127, 1, 128, 300} {
			rows := make([]any, n)
			for i := range rows {
				rows[i] = siftdb.M{"text": fmt.Sprint("all of the same x", i, "y")}
			}
			must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
			byTrigrams(t, db, ds, texts...)
		}
		sound(t, db)
		first := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: siftdb.M{"text": siftdb.M{"$iLike": "all of%"}}, Limit: new(1)}))[0].ID
		for _, at := range []int64{0, 126, 127, 128, 129, 254, 255, 256, 257, 684} {
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, first+at, siftdb.M{"text": "some of the same, and gone"}))
			byTrigrams(t, db, ds, "the same", "gone", "all of", "some of")
		}
		sound(t, db)
		before := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).EntriesCount
		kept := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))
		if err := ds.Remove(ctx, first+128); err != nil {
			t.Fatal(err)
		}
		must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"text": siftdb.M{"$iLike": "%the same%"}}}))
		byTrigrams(t, db, ds, texts...)
		sound(t, db)
		must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{}}))
		holds(t, ds, "text 0 0")
		must[int64](t)(ds.Restore(ctx, kept[0].ID)) // former ids come again, at all places of their lists
		byTrigrams(t, db, ds, texts...)
		if n := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).EntriesCount; n == 0 || n > before {
			t.Errorf("%d entries are there again", n)
		}
	})
}

// TestCommonTrigram lists 100,000 entries under one trigram.
func TestCommonTrigram(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, func(yield func(any, error) bool) {
			for i := range 100_000 {
				if !yield(siftdb.M{"text": fmt.Sprintf("all %d", i%1000)}, nil) {
					return
				}
			}
		}))
		create(t, ds, textIndex)
		byTrigrams(t, db, ds, "all 77", "777")
		must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"text": siftdb.M{"$iLike": "%all 1%"}}}))
		must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"text": "all 1 777"}}))
		byTrigrams(t, db, ds, "all 77", "777", "all 1")
		sound(t, db)
	})
}

// TestSortedTrigrams builds a trigram index by sorting, in many parts and transactions, over
// entries whose default order is another than that of ids, while others write.
func TestSortedTrigrams(t *testing.T) {
	db := fileDB(t, filepath.Join(t.TempDir(), "t.db"), nil)
	ds := table(t, db, "t")
	rng := rand.New(rand.NewPCG(5, 5))
	row := func(i int) any { return siftdb.M{"text": fmt.Sprintf("entry %d of many words%d", i, rng.IntN(40))} }
	must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, func(yield func(any, error) bool) {
		for i := range 1000 {
			if !yield(row(i), nil) {
				return
			}
		}
	}))
	reordered := siftdb.Commit{Append: new(true), Extend: true}
	for id := int64(1); id <= 1000; id += 3 {
		reordered.Entries = append(reordered.Entries, siftdb.CommitEntry{ID: id, Data: row(int(id)), Order: float64(rng.IntN(50))})
	}
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, reordered))
	siftdb.RunsOf(db, 60)
	siftdb.SortsFrom(db, 100)
	for round := range 3 {
		var over atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := round; !over.Load(); i++ {
				if _, err := ds.UpdateEntry(ctx, int64(1+i*37%1000), row(i)); err != nil {
					t.Error(err)
				}
				if _, err := ds.Insert(ctx, row(i)); err != nil {
					t.Error(err)
				}
			}
		}()
		create(t, ds, textIndex)
		over.Store(true)
		<-done
		byTrigrams(t, db, ds, "entry 7", "words12", "many words", "y 100 of", "nothing")
		sound(t, db)
		if err := ds.DropIndex(ctx, "text"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTrigramBuildFails has each transaction of a build fail, once; the build is gone on with.
func TestTrigramBuildFails(t *testing.T) {
	for _, sortsFrom := range []int64{50, 1 << 60} {
		for failAt, done := 1, false; !done; failAt++ {
			store := &hooked{Storage: memory.New()}
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
			checked(t, db)
			ds := table(t, db, "t")
			rows := make([]any, 300)
			for i := range rows {
				rows[i] = siftdb.M{"text": fmt.Sprint("entry ", i)}
			}
			must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
			siftdb.RunsOf(db, 100)
			siftdb.SortsFrom(db, sortsFrom)
			var calls atomic.Int64
			store.set(func() error {
				if calls.Add(1) == int64(failAt) {
					return errors.New("the disk is full for a moment")
				}
				return nil
			})
			err := ds.CreateIndex(ctx, textIndex)
			store.set(nil)
			done = err == nil && calls.Load() < int64(failAt)
			sound(t, db)
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 7, siftdb.M{"text": "entry 299 is new"}))
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"text": "entry 299 and more"}))
			create(t, ds, textIndex)
			byTrigrams(t, db, ds, "entry 2", "299", "is new", "more")
		}
	}
}

// TestStagedWritesKeepTrigrams appends and replaces in several transactions, which also fail at
// each of them: blocks that hold entries of before and of the write are swept.
func TestStagedWritesKeepTrigrams(t *testing.T) {
	rows := func(from, n int, last any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = siftdb.M{"text": fmt.Sprint("entry ", i), "u": from + i}
		}
		list[n-1] = siftdb.M{"text": "entry last", "u": last}
		return list
	}
	for failAt, done := 1, false; !done; failAt++ {
		store := &hooked{Storage: memory.New()}
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
		checked(t, db)
		ds := table(t, db, "t", `{"text": "entry of old", "u": "old"}`)
		create(t, ds, textIndex, uniqueOn("u"))
		must[siftdb.BulkResult](t)(ds.Append(ctx, rows(0, 100, 99)))
		before := describeIndexes(t, ds)
		siftdb.StageAt(db, 1, 2000, 1)
		var calls atomic.Int64
		store.set(func() error {
			if calls.Add(1) == int64(failAt) {
				return errors.New("the disk is full for a moment")
			}
			return nil
		})
		if _, err := ds.Append(ctx, rows(1000, 200, 1)); err == nil {
			t.Fatal("what is there already is appended")
		}
		holds(t, ds, before...)
		sound(t, db)
		_, err := ds.ReplaceWith(ctx, rows(0, 200, "new"))
		store.set(nil)
		if done = calls.Load() < int64(failAt); done && err != nil {
			t.Fatal(err)
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"text": "entry one more"}))
		byTrigrams(t, db, ds, "entry 1", "last", "of old", "more", "ry 19")
		sound(t, db)
	}
}
