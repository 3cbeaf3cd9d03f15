package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestJoinSpread: joins whose look-ups are spread over the cores say what they say when everything is
// scanned, in memory, in a file and in an encrypted one, of now and of a version, and while somebody
// writes: then of an old version, which stays.
func TestJoinSpread(t *testing.T) {
	defer siftdb.SpreadFrom(1)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	for _, store := range []string{"memory", "file", "log", "encrypted"} {
		for _, keep := range []int{4 << 20, 2000} {
			if keep < 4<<20 && store != "memory" {
				continue
			}
			t.Run(fmt.Sprint(store, keep), func(t *testing.T) {
				defer siftdb.KeepAtMost(keep)()
				var db *siftdb.DB
				if path := filepath.Join(t.TempDir(), "test.db"); store == "memory" {
					db = memoryDB(t, nil)
				} else {
					db = fileDB(t, path, &siftdb.Options{Keys: oneKey, NoLog: store != "log"})
				}
				w := newSpreadWorld(t, db)
				if store == "encrypted" {
					must[siftdb.DataSourceInfo](t)(w.people.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
				}
				w.compare(w.orders)
				w.compare(w.orders.At(w.version))
				var wg sync.WaitGroup
				stop := make(chan struct{})
				wg.Go(func() { w.write(stop) })
				for range 2 {
					w.compare(w.orders.At(w.version))
				}
				close(stop)
				wg.Wait()
				w.compare(w.orders)
				w.recall()
			})
		}
	}
}

// spreadWorld is orders of people, by keys of all kinds.
type spreadWorld struct {
	t              *testing.T
	r              *rand.Rand
	db             *siftdb.DB
	orders, people *siftdb.DataSource
	version        int64
	entries        []*siftdb.Entry // that were returned
	texts          []string        // what they said then
}

func newSpreadWorld(t *testing.T, db *siftdb.DB) *spreadWorld {
	w := &spreadWorld{t: t, r: rand.New(rand.NewPCG(7, 8)), db: db, orders: table(t, db, "orders"), people: table(t, db, "people")}
	var rows, others []any
	for i := range 4000 {
		rows = append(rows, siftdb.M{"Who": w.key(), "Boss": w.key(), "State": i % 16, "Level": i % 3})
		if i < 3000 {
			others = append(others, siftdb.M{"Key": w.key(), "Name": fmt.Sprint("name ", i), "Level": i % 3})
		}
	}
	must[siftdb.BulkResult](t)(w.orders.Append(ctx, rows))
	must[siftdb.BulkResult](t)(w.people.Append(ctx, others))
	create(t, w.orders, indexOn("State"))
	create(t, w.people, indexOn("Key"))
	w.version = must[*siftdb.CommitResult](t)(w.orders.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"Who": "p1", "State": 2}}}})).Version
	return w
}

func (w *spreadWorld) key() any {
	odd := []any{"5", 5, "5.0", "a@example", "A@example", "ä", true, "true", nil, "", 16, []any{"p1", "p2", "p900"}, []any{5, "p3"}, []any{}, siftdb.M{"a": 1}}
	if w.r.IntN(8) == 0 {
		return odd[w.r.IntN(len(odd))]
	}
	return fmt.Sprintf("p%d", w.r.IntN(2500))
}

// write changes what is joined, until it is to stop or has done enough.
func (w *spreadWorld) write(stop chan struct{}) {
	for i := range 1000 {
		select {
		case <-stop:
			return
		default:
		}
		who := fmt.Sprintf("p%d", i*37%2500)
		if _, err := w.people.UpdateWhere(ctx, siftdb.M{"Key": who}, siftdb.Patch{Set: siftdb.M{"Key": fmt.Sprint("p", i)}}); err != nil {
			w.t.Error(err)
			return
		}
		if _, err := w.orders.Insert(ctx, siftdb.M{"Who": who, "State": i % 16}); err != nil {
			w.t.Error(err)
			return
		}
	}
}

// recall looks whether entries that were returned still say what they said: what others read since
// does not lie where they do.
func (w *spreadWorld) recall() {
	for i, e := range w.entries {
		if got := string(e.AppendJSON(nil)); got != w.texts[i] {
			w.t.Fatalf("an entry says %s, and said %s", got, w.texts[i])
		}
	}
}

// queries are joins of all the kinds that look up what is joined.
func (w *spreadWorld) queries() []siftdb.Query {
	who := siftdb.Join{Name: "who", DataSourceID: w.people.ID(), On: siftdb.On{"Who": "Key"}, Required: true}
	boss := who
	boss.Name, boss.On = "boss", siftdb.On{"Boss": "Key"}
	all, sorted, counted, few, pairs, names := who, who, who, who, who, who
	all.Required = false
	sorted.Order, sorted.Limit = siftdb.Order{siftdb.Desc("Name")}, new(1)
	counted.Count = true
	few.Where = siftdb.M{"Name": siftdb.M{"$like": "name 1%"}}
	pairs.On = siftdb.On{"Who": "Key", "Level": "Level"}
	names.Attributes = []string{"Name"}
	three := siftdb.M{"State": 3}
	var list []siftdb.Query
	for _, joins := range [][]siftdb.Join{{who}, {all}, {sorted}, {counted}, {few}, {pairs}, {names}, {who, boss}, {few, boss}} {
		list = append(list, siftdb.Query{Where: three, Joins: joins})
	}
	some := siftdb.M{"State": 3, "Level": siftdb.M{"$lt": 2}}
	return append(list,
		siftdb.Query{Where: some, Joins: []siftdb.Join{who}},
		siftdb.Query{Where: some, Joins: []siftdb.Join{boss, who}, Attributes: []string{"Who"}, Distinct: true},
		siftdb.Query{Where: three, Joins: []siftdb.Join{who}, Offset: 3, Limit: new(40)},
		siftdb.Query{Where: three, Joins: []siftdb.Join{who, boss}, Order: siftdb.Order{siftdb.Desc("Boss")}})
}

// compare asks some joins by a scan and by what is best.
func (w *spreadWorld) compare(ds *siftdb.DataSource) {
	w.t.Helper()
	for i, q := range w.queries() {
		answer := func(way string) (text, streamed string) {
			siftdb.Access(w.db, way)
			for i, e := range must[[]*siftdb.Entry](w.t)(ds.Find(ctx, q)) {
				said := string(e.AppendJSON(nil))
				if text += said + "\n"; way == "" && i%8 == 0 {
					w.entries, w.texts = append(w.entries, e), append(w.texts, said)
				}
			}
			if way == "scan" {
				return text, ""
			}
			for e, err := range ds.Each(ctx, q) {
				if err != nil {
					w.t.Fatal(err)
				}
				streamed += string(e.AppendJSON(nil)) + "\n"
			}
			return text, streamed
		}
		want, _ := answer("scan")
		if got, streamed := answer(""); got != want || want == "" || streamed != want {
			w.t.Fatalf("query %d: %d bytes, and %d streamed, want %d", i, len(got), len(streamed), len(want))
		}
	}
}
