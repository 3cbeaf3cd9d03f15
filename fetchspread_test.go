package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// TestFetchSpread: entries that are found by columns or in an order, and read on all cores, are those
// of a scan, in its order: in memory, in a file and in an encrypted one, of now and of a version, also
// where there is no room for all of a batch, and while somebody writes.
func TestFetchSpread(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, store := range []string{"memory", "file", "log", "encrypted", "crowded"} {
		t.Run(store, func(t *testing.T) {
			var db *siftdb.DB
			switch path := filepath.Join(t.TempDir(), "test.db"); store {
			case "memory":
				db = memoryDB(t, nil)
			case "crowded":
				defer siftdb.KeepAtMost(20_000)()
				db = memoryDB(t, nil)
			default:
				db = fileDB(t, path, &siftdb.Options{Keys: oneKey, NoLog: store != "log"})
			}
			w := newFetchWorld(t, db)
			if store == "encrypted" {
				must[siftdb.DataSourceInfo](t)(w.rows.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
			}
			w.compare(w.rows)
			w.compare(w.rows.As(&security.Principal{})) // what is hidden is not read ahead
			old := w.rows.At(w.version)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { w.write(stop) })
			for range 2 {
				w.compare(old)
			}
			close(stop)
			wg.Wait()
			w.compare(w.rows)
			w.streams()
		})
	}
}

// fetchWorld is rows, some of them long, of which queries select too few for a scan.
type fetchWorld struct {
	t       *testing.T
	r       *rand.Rand
	db      *siftdb.DB
	rows    *siftdb.DataSource
	version int64
}

const fetchRows = 3000

func newFetchWorld(t *testing.T, db *siftdb.DB) *fetchWorld {
	siftdb.ColumnsFrom(db, 1)
	w := &fetchWorld{t: t, r: rand.New(rand.NewPCG(11, 12)), db: db}
	w.rows = must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "rows",
		AccessRules: json.RawMessage(`[{"type":["select"],"allow":"all","exclude":["Text"]}]`), Public: new(true)}))
	var rows []any
	for i := range fetchRows {
		rows = append(rows, w.row(i))
	}
	must[siftdb.BulkResult](t)(w.rows.Append(ctx, rows))
	w.version = must[*siftdb.CommitResult](t)(w.rows.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M(w.row(3))}}})).Version
	return w
}

func (w *fetchWorld) row(i int) siftdb.M {
	row := siftdb.M{"N": i, "State": i % 16, "Name": fmt.Sprint("name ", i*7919%fetchRows), "Text": fmt.Sprintf("%0*d", w.r.IntN(90), i%7)}
	if i%200 == 3 {
		row["Text"] = fmt.Sprintf("%05000d", i)
	}
	return row
}

// write changes what is selected, until it is to stop or has done enough.
func (w *fetchWorld) write(stop chan struct{}) {
	for i := range 300 {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := w.rows.UpdateWhere(ctx, siftdb.M{"N": i * 37 % fetchRows}, siftdb.Patch{Set: siftdb.M{"State": i % 16}}); err != nil {
			w.t.Error(err)
			return
		}
		if _, err := w.rows.Insert(ctx, siftdb.M{"N": i, "State": 3, "Name": "new"}); err != nil {
			w.t.Error(err)
			return
		}
	}
}

// queries are of all the kinds that read entries by their ids.
func (w *fetchWorld) queries() []siftdb.Query {
	three, some := siftdb.M{"State": 3}, `{"State":{"$lte":9},"$or":[{"Name":{"$iLike":"1"}},{"N":{"$lt":900}}],"$nor":[{"N":7,"State":7}]}`
	byName := siftdb.Order{siftdb.Desc("Name")}
	self := []siftdb.Join{{Name: "twin", DataSourceID: w.rows.ID(), On: siftdb.On{"Name": "Name"}, Count: true}}
	return []siftdb.Query{
		{Where: three},
		{Where: three, Offset: 7, Limit: new(200)},
		{Where: three, Attributes: []string{"Name"}},
		{Where: `{"State":3,"$or":[{"Name":{"$iLike":"1"}},{"N":{"$gt":1000}}]}`},
		{Where: `{"State":3,"$or":[{"Name":{"$iLike":"1"}},{"N":{"$gt":1000}}]}`, Offset: 3, Limit: new(90)},
		{Where: three, Attributes: []string{"Text"}, Distinct: true, Offset: 2},
		{Where: three, Joins: self},
		{Order: byName},
		{Where: some, Order: byName, Offset: 20, Limit: new(1500)},
		{Where: some, Order: byName, Attributes: []string{"State"}, Distinct: true},
	}
}

// compare asks by a scan and by what is best.
func (w *fetchWorld) compare(ds *siftdb.DataSource) {
	w.t.Helper()
	for i, q := range w.queries() {
		q.IncludePagination = i%2 == 0
		answer := func(way string) string {
			siftdb.Access(w.db, way)
			result := must[*siftdb.Result](w.t)(ds.Query(ctx, q))
			text := fmt.Append(nil, result.Pagination)
			for _, e := range result.Entries {
				text = append(e.AppendJSON(text), '\n')
			}
			return string(text)
		}
		want := answer("scan")
		if got := answer(""); got != want || want == "" {
			w.t.Fatalf("query %d: %d bytes, want %d", i, len(got), len(want))
		}
	}
}

// streams reads the same one after the other, to the end, to somewhere, and until it is cancelled.
func (w *fetchWorld) streams() {
	q := w.queries()[0]
	list := must[[]*siftdb.Entry](w.t)(w.rows.Find(ctx, q))
	for _, most := range []int{1, 32, 33, 100, len(list)} {
		n := 0
		for e, err := range w.rows.Each(ctx, q) {
			if err != nil || string(e.AppendJSON(nil)) != string(list[n].AppendJSON(nil)) {
				w.t.Fatal(n, e, err)
			}
			if n++; n == most {
				break
			}
		}
		if n != most {
			w.t.Errorf("the stream ends after %d, not %d", n, most)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	n, last := 0, error(nil)
	for _, err := range w.rows.Each(cancelled, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Name")}}) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	if cancel(); !errors.Is(last, context.Canceled) || n > 1100 {
		w.t.Errorf("after %d entries: %v", n, last)
	}
}

// TestFetchDivides: many entries are read in more than one transaction at a time, few are not, and
// neither are the first of a stream.
func TestFetchDivides(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	views := &viewCounter{Storage: memory.New()}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, views, nil))
	checked(t, db)
	w := newFetchWorld(t, db)
	ordered := siftdb.Query{Order: siftdb.Order{siftdb.Asc("Name")}}
	few := ordered
	few.Limit = new(255)
	find := func(q siftdb.Query) func() {
		return func() { must[[]*siftdb.Entry](t)(w.rows.Find(ctx, q)) }
	}
	first := func() {
		n := 0
		for _, err := range w.rows.Each(ctx, ordered) {
			if n++; n == 32 || err != nil {
				break
			}
		}
	}
	for what, c := range map[string]struct {
		do   func()
		more bool
	}{"all": {find(ordered), true}, "few": {find(few), false}, "the first of a stream": {first, false}} {
		count := func(from int) int64 {
			defer siftdb.SpreadFrom(from)()
			least := int64(1 << 30)
			for range 5 { // until the columns are there
				before := views.n.Load()
				c.do()
				least = min(least, views.n.Load()-before)
			}
			return least
		}
		if one, all := count(1<<30), count(256); all > one != c.more {
			t.Errorf("%s: %d transactions, on one core %d", what, all, one)
		}
	}
}

// viewCounter counts Views.
type viewCounter struct {
	storage.Storage
	n atomic.Int64
}

// View is storage.Storage's.
func (s *viewCounter) View(ctx context.Context, fn func(storage.Reader) error) error {
	s.n.Add(1)
	return s.Storage.View(ctx, fn)
}
