package siftdb_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/index/indextest"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// TestEqualShortAndLong asks random equalities the short way, and holds what it says against a
// scan: in memory and in a file, encrypted and not, with and without orders, while entries,
// columns and indexes come and go.
func TestEqualShortAndLong(t *testing.T) {
	short, found := 0, 0
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newEqualWorld(t, seed)
			for range 200 {
				s, f := w.ask()
				short, found = short+s, found+f
				if w.g.IntN(6) == 0 {
					w.write()
				}
				if w.g.IntN(20) == 0 {
					w.reindex()
				}
			}
		})
	}
	t.Logf("%d went the short way, with %d entries", short, found)
	if short < 500 || found < 200 {
		t.Error("too few went the short way to tell anything")
	}
}

// equalWorld is a planWorld in which values of u are their own.
type equalWorld struct {
	*planWorld
	last int
}

func newEqualWorld(t *testing.T, seed uint64) *equalWorld {
	w := &equalWorld{planWorld: &planWorld{t: t, g: indextest.New(seed + 9000), ways: map[string]int{}, plain: seed%2 == 0}}
	options := &siftdb.Options{Keys: oneKey}
	if seed%4 == 3 {
		w.db = fileDB(t, filepath.Join(t.TempDir(), "test.db"), options)
	} else {
		w.db = memoryDB(t, options)
	}
	w.ds = must[*siftdb.DataSource](t)(w.db.Create(ctx, siftdb.DataSourceSpec{Name: "one", Encrypted: seed%3 == 1}))
	for range 60 {
		must[*siftdb.Entry](t)(w.ds.Insert(ctx, w.row()))
	}
	create(t, w.ds, uniqueOn("u"))
	w.reindex()
	w.ids = entryIDs(t, w.ds)
	return w
}

// row is a document with single values mostly, which an index alone can tell, and one of its own.
func (w *equalWorld) row() siftdb.M {
	doc := siftdb.M{"a": w.g.Scalar(), "b": w.g.Scalar()}
	if w.g.IntN(12) == 0 {
		doc = w.document()
	}
	w.last++
	doc["u"] = indextest.Pick(w.g, "u", "U", "ü", "u ") + fmt.Sprint(w.last)
	return doc
}

// write changes, adds or removes an entry, sometimes one with an order of its own.
func (w *equalWorld) write() {
	c := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: w.row()}}}
	if w.g.IntN(150) == 0 {
		c.Entries[0].Order = w.g.IntN(3) - 1
	}
	at := w.g.IntN(len(w.ids))
	if id := w.ids[at]; w.g.IntN(2) == 0 {
		c.Delete = []int64{id}
	} else {
		c.Entries = append(c.Entries, siftdb.CommitEntry{ID: id, Data: w.row()})
	}
	result := must[*siftdb.CommitResult](w.t)(w.ds.Commit(ctx, c))
	w.past = append(w.past, result.Version)
	w.ids = entryIDs(w.t, w.ds)
}

// reindex drops an index, or makes one.
func (w *equalWorld) reindex() {
	name := indextest.Pick(w.g, "a", "b", "a.b", "data.a", "data.id")
	spec := siftdb.IndexSpec{Name: "on " + name, Fields: []siftdb.IndexField{{Name: name, Desc: w.g.IntN(3) == 0}},
		Sparse: w.g.IntN(4) == 0, IgnoreCase: w.g.IntN(6) == 0}
	if err := w.ds.DropIndex(ctx, spec.Name); isNotFound(err) {
		create(w.t, w.ds, spec)
	} else if err != nil {
		w.t.Fatal(err)
	}
}

// ask asks one query both ways, and reports how many went the short one and found what.
func (w *equalWorld) ask() (short, found int) {
	name := indextest.Pick(w.g, "u", "u", "a", "b", "a.b", "data", "data.a", "data.u", "id", "order", "createdAt", "a.0", "none", "$eq", "$like", "")
	value := w.g.Scalar()
	if name == "u" || name == "data.u" {
		value = indextest.Pick(w.g, "u", "U", "ü", "u ") + fmt.Sprint(w.g.IntN(w.last+2))
		if e := must[*siftdb.Entry](w.t)(w.ds.FindByID(ctx, w.ids[w.g.IntN(len(w.ids))])); w.g.IntN(3) > 0 && e.Get("u") != nil {
			value = e.Get("u")
		}
	}
	q := siftdb.Query{Where: siftdb.M{name: value}}
	if w.g.IntN(3) == 0 {
		q.Where = siftdb.D{{Key: name, Value: value}}
	}
	if w.g.IntN(2) == 0 {
		q.Limit = new(1 + w.g.IntN(4))
	}
	siftdb.Access(w.db, "")
	list, ok := siftdb.FindShort(w.ds, q)
	got := w.entries(w.ds.Find(ctx, q))
	siftdb.Access(w.db, "scan")
	want := w.entries(w.ds.Find(ctx, q))
	siftdb.Access(w.db, "")
	if got != want || ok && w.entries(list, nil) != want {
		text, err := json.Marshal(q.Where)
		w.t.Fatalf("%s %v (short %v): got %s, short %s\nwant %s", text, err, ok, got, w.entries(list, nil), want)
	}
	if !ok {
		return 0, 0
	}
	return 1, len(list)
}

// TestEqualGoesLong: what the short way must leave to the long one, which answers as ever.
func TestEqualGoesLong(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "one",
		AccessRules: json.RawMessage(`[{"type":["select"],"allow":"all","exclude":["v"]}]`)}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"v": "a", "w": "x"}, siftdb.M{"v": "b", "w": "x"}, siftdb.M{"v": "5", "w": "y"}}))
	create(t, ds, uniqueOn("v"), indexOn("w"))
	version := must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"v": "c"}}}})).Version
	somebody := ds.As(&security.Principal{TokenID: 7})
	where := siftdb.M{"v": "a"}
	for name, test := range map[string]struct {
		ds    *siftdb.DataSource
		q     siftdb.Query
		short bool
		found int
	}{
		"plain":        {ds, siftdb.Query{Where: where}, true, 1},
		"limit":        {ds, siftdb.Query{Where: siftdb.M{"w": "x"}, Limit: new(1)}, true, 1},
		"several":      {ds, siftdb.Query{Where: siftdb.M{"w": "x"}}, true, 2},
		"nothing":      {ds, siftdb.Query{Where: siftdb.M{"v": "z"}}, true, 0},
		"number":       {ds, siftdb.Query{Where: siftdb.M{"v": "5"}}, false, 1},
		"hidden":       {somebody, siftdb.Query{Where: where}, false, 0},
		"not hidden":   {somebody, siftdb.Query{Where: siftdb.M{"w": "x"}}, false, 2},
		"admin":        {ds.As(&security.Principal{Admin: true}), siftdb.Query{Where: where}, false, 1},
		"old":          {ds.At(version), siftdb.Query{Where: siftdb.M{"v": "c"}}, false, 0},
		"strict":       {ds, siftdb.Query{Where: where, Dialect: query.Strict}, false, 1},
		"two":          {ds, siftdb.Query{Where: siftdb.M{"v": "a", "w": "x"}}, false, 1},
		"offset":       {ds, siftdb.Query{Where: where, Offset: 1}, false, 0},
		"order":        {ds, siftdb.Query{Where: where, Order: siftdb.Order{siftdb.Asc("w")}}, false, 1},
		"attributes":   {ds, siftdb.Query{Where: where, Attributes: []string{"w"}}, false, 1},
		"distinct":     {ds, siftdb.Query{Where: where, Distinct: true}, false, 1},
		"no limit":     {ds, siftdb.Query{Where: where, Limit: new(0)}, false, 0},
		"join":         {ds, siftdb.Query{Where: where, Joins: []siftdb.Join{{Name: "j", DataSourceName: "one", On: siftdb.On{"v": "v"}}}}, false, 1},
		"not indexed":  {ds, siftdb.Query{Where: siftdb.M{"none": "a"}}, false, 0},
		"not a string": {ds, siftdb.Query{Where: siftdb.M{"v": json.Number("5")}}, false, 1},
	} {
		if _, ok := siftdb.FindShort(test.ds, test.q); ok != test.short {
			t.Errorf("%s: the short way says %v", name, ok)
		}
		if list, err := test.ds.Find(ctx, test.q); err != nil || len(list) != test.found {
			t.Errorf("%s: %d entries, %v, want %d", name, len(list), err, test.found)
		}
	}
	for _, where := range []any{siftdb.M{"v": "a\xff"}, siftdb.M{"$no": "a"}, siftdb.M{"v\xff": "a"}} {
		siftdb.Access(db, "scan")
		_, want := ds.Find(ctx, siftdb.Query{Where: where})
		siftdb.Access(db, "")
		if _, got := ds.Find(ctx, siftdb.Query{Where: where}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %v, want %v", where, got, want)
		}
	}
}

// TestEqualShortIsFast: the short way takes few allocations, also while the last commit is in the
// log alone.
func TestEqualShortIsFast(t *testing.T) {
	db := fileDB(t, filepath.Join(t.TempDir(), "test.db"), nil)
	ds := table(t, db, "one", `{"v":"a"}`, `{"v":"b"}`)
	create(t, ds, uniqueOn("v"))
	q := siftdb.Query{Where: siftdb.M{"v": "b"}}
	find := func() {
		if e, err := ds.FindOne(ctx, q); err != nil || e.ID == 0 {
			t.Fatal(e, err)
		}
	}
	must[storage.Size](t)(db.Size()) // which leaves nothing in the log
	if n := testing.AllocsPerRun(100, find); n > 5 {
		t.Errorf("%v allocations", n)
	}
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"v": "c"}))
	if n := testing.AllocsPerRun(100, find); n > 6 {
		t.Errorf("%v allocations beside the log", n)
	}
}
