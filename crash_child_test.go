package siftdb_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// What the process does that is killed. Four writers commit numbers of their own, each into eight
// entries of two data sources: seven of "numbers", and one of "sends", whose hook puts the number
// into the outbox. Both have an index of the numbers. A fifth replaces all of "bulk" in several
// transactions, two read, and the file is compacted meanwhile. A number n is of writer n % crashStep.
const (
	crashWriters = 4
	crashBulk    = crashWriters // the writer of "bulk"
	crashStep    = 8
	crashEntries = 7  // of "numbers", for each writer
	crashRows    = 60 // of "bulk"
)

// writerOptions keep few versions, and leave in the outbox what comes there.
func writerOptions() *siftdb.Options {
	return &siftdb.Options{Retention: siftdb.Retention{Versions: 100}, Deliveries: siftdb.DeliveryOptions{Off: true}}
}

func crashRow(w, n int64) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"w":%d,"n":"%d","pad":%q}`, w, n, strings.Repeat("x", 200)))
}

// crashTables makes the data sources, in which every writer has written its own number.
func crashTables(t *testing.T, path string) {
	t.Helper()
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	for i, spec := range []siftdb.DataSourceSpec{{Name: "numbers"}, {Name: "bulk"},
		{Name: "sends", Hooks: json.RawMessage(`[{"type":"sms","runOn":["update"],"payload":{"to":"{{{n}}}","body":"{{{n}}}"}}]`)}} {
		var rows []any
		for w := range int64(crashWriters) {
			for range []int{crashEntries, 0, 1}[i] {
				rows = append(rows, crashRow(w, w))
			}
		}
		if spec.Name == "bulk" {
			rows = crashBulkRows(crashBulk)
		}
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, spec))
		must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
		if err := ds.CreateIndex(ctx, siftdb.IndexSpec{Name: "n", Fields: []siftdb.IndexField{{Name: "n"}}, Unique: spec.Name == "sends"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// crashSources are the data sources that crashTables made.
func crashSources(db *siftdb.DB) (numbers, bulk, sends *siftdb.DataSource, err error) {
	list := make([]*siftdb.DataSource, 3)
	for i := range list {
		if list[i], err = db.DataSource(ctx, int64(i+1)); err != nil {
			return nil, nil, nil, err
		}
	}
	return list[0], list[1], list[2], nil
}

// crashWriter writes until it is killed, and prints each number once its write has returned.
func crashWriter(path string) error {
	db, err := siftdb.Open(ctx, path, writerOptions())
	if err != nil {
		return err
	}
	return crashWrites(db)
}

func crashWrites(db *siftdb.DB) error {
	siftdb.StageAt(db, 1, 4000, 1)
	numbers, bulk, sends, err := crashSources(db)
	if err != nil {
		return err
	}
	first := time.Now().UnixNano() &^ (crashStep - 1)
	var wg sync.WaitGroup
	loop := func(step func(round int64) error) {
		wg.Go(func() {
			for round := int64(0); ; round++ {
				if err := step(round); err != nil {
					fmt.Println("error", err)
					return
				}
			}
		})
	}
	for w := range int64(crashWriters) {
		write, err := crashCommits(w, numbers, sends)
		if err != nil {
			return err
		}
		loop(func(round int64) error { return write(db, first+w+crashStep*round) })
	}
	loop(func(round int64) error {
		n := first + crashBulk + crashStep*round
		if _, err := bulk.ReplaceWith(ctx, crashBulkRows(n)); err != nil {
			return err
		}
		fmt.Println(n)
		time.Sleep(20 * time.Millisecond)
		return nil
	})
	loop(func(int64) error {
		time.Sleep(time.Duration(15+rand.IntN(50)) * time.Millisecond)
		return db.Compact(ctx)
	})
	for range 2 {
		loop(func(round int64) error {
			time.Sleep(time.Millisecond)
			_, err := crashNumber(numbers, round%crashWriters, crashEntries)
			return err
		})
	}
	wg.Wait()
	return nil
}

func crashBulkRows(n int64) []any {
	rows := make([]any, crashRows)
	for i := range rows {
		rows[i] = crashRow(crashBulk, n)
	}
	return rows
}

// crashCommits returns what puts a number into the eight entries of a writer.
func crashCommits(w int64, numbers, sends *siftdb.DataSource) (write func(db *siftdb.DB, n int64) error, err error) {
	commits := []siftdb.SourceCommit{{DataSource: numbers}, {DataSource: sends, Commit: siftdb.Commit{RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}}}}
	var ids [2][]int64
	for i := range commits {
		list, err := commits[i].DataSource.Find(ctx, siftdb.Query{Where: siftdb.M{"w": w}})
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			ids[i] = append(ids[i], e.ID)
		}
	}
	return func(db *siftdb.DB, n int64) error {
		for i := range commits {
			c := &commits[i].Commit
			c.Append, c.Entries = new(true), nil
			for _, id := range ids[i] {
				c.Entries = append(c.Entries, siftdb.CommitEntry{ID: id, Data: crashRow(w, n)})
			}
		}
		if _, err := db.CommitAll(ctx, commits); err != nil {
			return err
		}
		fmt.Println(n)
		return nil
	}, nil
}

// crashNumber returns the number that all entries of a writer have.
func crashNumber(ds *siftdb.DataSource, w int64, entries int) (int64, error) {
	list, err := ds.Find(ctx, siftdb.Query{Where: siftdb.M{"w": w}})
	if err != nil {
		return 0, err
	}
	if len(list) != entries {
		return 0, fmt.Errorf("writer %d has %d entries", w, len(list))
	}
	for _, e := range list[1:] {
		if e.Get("n") != list[0].Get("n") {
			return 0, fmt.Errorf("writer %d has half a write: %v and %v", w, list[0].Get("n"), e.Get("n"))
		}
	}
	text, _ := list[0].Get("n").(string)
	return strconv.ParseInt(text, 10, 64)
}

// told are the numbers among the lines that a process printed.
func told(lines []string) (acked []int64) {
	for _, line := range lines {
		if n, err := strconv.ParseInt(line, 10, 64); err == nil {
			acked = append(acked, n)
		}
	}
	return acked
}

// crashed is what is known of a file whose writers were killed.
type crashed struct {
	last    [crashWriters + 1]int64 // what was found of each writer the last time
	waiting map[int64]bool          // what was acknowledged and must be in the outbox
	acked   int
}

// survived opens what the writers left behind, and looks for all that they acknowledged; opts
// say how.
func (c *crashed) survived(path string, opts *siftdb.Options, acked []int64) (err error) {
	merged := writerOptions()
	merged.NoLog, merged.ReadOnly = opts.NoLog, opts.ReadOnly
	db, err := siftdb.Open(ctx, path, merged)
	if err != nil {
		return err
	}
	defer func() {
		if closed := db.Close(); err == nil {
			err = closed
		}
	}()
	c.acked += len(acked)
	var newest [crashWriters + 1]int64 // acknowledged now
	for _, n := range acked {
		w := n % crashStep
		newest[w] = max(newest[w], n)
	}
	numbers, bulk, sends, err := crashSources(db)
	if err != nil {
		return err
	}
	for w := range int64(crashBulk + 1) {
		if err := c.writer(numbers, bulk, sends, w, newest[w]); err != nil {
			return err
		}
	}
	written, err := crashHistory(numbers)
	if err != nil {
		return err
	}
	if err := c.remembered(written, acked); err != nil {
		return err
	}
	if err := c.outbox(db, acked, opts.ReadOnly); err != nil {
		return err
	}
	report, err := db.Check(ctx)
	if err != nil {
		return err
	}
	return report.Err()
}

// writer checks that the entries of a writer all have what it told last, or what came next.
func (c *crashed) writer(numbers, bulk, sends *siftdb.DataSource, w, newest int64) error {
	ds, entries := numbers, crashEntries
	if w == crashBulk {
		ds, entries = bulk, crashRows
	}
	n, err := crashNumber(ds, w, entries)
	if err != nil {
		return err
	}
	if n%crashStep != w || n < c.last[w] {
		return fmt.Errorf("writer %d had %d, and now has %d", w, c.last[w], n)
	}
	if newest != 0 && n != newest && n != newest+crashStep {
		return fmt.Errorf("writer %d was told that %d is written, and has %d", w, newest, n)
	}
	if found, err := ds.Count(ctx, siftdb.Query{Where: siftdb.M{"n": strconv.FormatInt(n, 10)}}); err != nil || found != int64(entries) {
		return fmt.Errorf("%d entries of writer %d have its number, %v", found, w, err)
	}
	if w != crashBulk {
		if one, err := crashNumber(sends, w, 1); err != nil || one != n {
			return fmt.Errorf("writer %d has half a write: %d in one data source, %d in the other, %v", w, n, one, err)
		}
	}
	c.last[w] = n
	return nil
}

// crashHistory returns the numbers that the versions kept have, oldest first for each writer.
func crashHistory(numbers *siftdb.DataSource) (written [crashWriters][]int64, err error) {
	versions, err := numbers.Versions(ctx, siftdb.Page{})
	if err != nil || len(versions) < 2 {
		return written, err
	}
	for set, err := range numbers.Changes(ctx, versions[len(versions)-1].ID) {
		if err != nil {
			return written, err
		}
		texts := map[any]int{}
		for _, change := range set.Changes {
			texts[change.After.Get("n")]++
		}
		for text, count := range texts {
			n, err := strconv.ParseInt(fmt.Sprint(text), 10, 64)
			if err != nil || count != crashEntries || len(texts) != 1 || n%crashStep >= crashWriters {
				return written, fmt.Errorf("version %d has changes to %v", set.Version.ID, texts)
			}
			written[n%crashStep] = append(written[n%crashStep], n)
		}
		if set.Version.ID == versions[0].ID {
			break
		}
	}
	return written, nil
}

// remembered checks that the versions kept have all that was acknowledged since the oldest.
func (c *crashed) remembered(written [crashWriters][]int64, acked []int64) error {
	kept := map[int64]bool{}
	for w, list := range written {
		for i, n := range list {
			if kept[n] = true; i > 0 && n <= list[i-1] {
				return fmt.Errorf("writer %d wrote %d after %d", w, n, list[i-1])
			}
		}
	}
	for _, n := range acked {
		if w := n % crashStep; w < crashWriters && len(written[w]) > 0 && n >= written[w][0] && !kept[n] {
			return fmt.Errorf("%d was acknowledged, and no version has it", n)
		}
	}
	return nil
}

// outbox checks that each number is in the outbox once that was acknowledged, and none that is not
// written; and empties it.
func (c *crashed) outbox(db *siftdb.DB, acked []int64, readOnly bool) error {
	if c.waiting == nil {
		c.waiting = map[int64]bool{}
	}
	for _, n := range acked {
		if n%crashStep < crashWriters {
			c.waiting[n] = true
		}
	}
	found, ids := map[int64]bool{}, []string{}
	for d, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(d.Target, 10, 64)
		if err != nil || found[n] || n > c.last[n%crashStep] {
			return fmt.Errorf("the outbox has %q, %v", d.Target, err)
		}
		found[n], ids = true, append(ids, d.ID)
	}
	for n := range c.waiting {
		if !found[n] {
			return fmt.Errorf("%d was acknowledged, and is not in the outbox", n)
		}
	}
	if readOnly {
		return nil
	}
	clear(c.waiting)
	var wg sync.WaitGroup
	failed := make([]error, len(ids))
	for i, id := range ids {
		wg.Go(func() { failed[i] = db.DropDelivery(ctx, id) })
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
