package siftdb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// columnDB is a database with the data sources t0, t1, ... of rows {n, text, other}.
func columnDB(t *testing.T, limit, sources, rows int) (*DB, []*DataSource) {
	t.Helper()
	db, err := OpenMemory(&Options{ColumnBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if report, err := db.Check(t.Context()); err == nil && report.Err() != nil {
			t.Error(report.Err())
		}
		db.Close()
	})
	var list []*DataSource
	for i := range sources {
		ds, err := db.Create(t.Context(), DataSourceSpec{Name: fmt.Sprint("t", i)})
		if err != nil {
			t.Fatal(err)
		}
		data := []any{}
		for i := range rows {
			data = append(data, M{"n": i % 7, "text": fmt.Sprint("text ", i), "other": i % 3})
		}
		if _, err := ds.Append(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		list = append(list, ds)
	}
	return db, list
}

// count counts what a where finds, times times.
func count(t *testing.T, ds *DataSource, where string, times int) (n int64) {
	t.Helper()
	for range times {
		var err error
		if n, err = ds.Count(t.Context(), Query{Where: where}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// columnNumber is the number of a column of the rows of columnDB.
func columnNumber(t *testing.T, ds *DataSource, name string) (number uint16) {
	t.Helper()
	rd := ds.read()
	defer rd.close()
	err := rd.slice(t.Context(), func(storage.Reader) error {
		number, _ = rd.st.source.names.Lookup(name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func (c *columnCache) holds(t *testing.T, ds *DataSource, name string) bool {
	t.Helper()
	set := c.held(ds.id)
	return set != nil && set.table.Load().Has(columnNumber(t, ds, name))
}

// TestColumnsReadBehind has queries come while columns cannot be finished: those that are in a
// hurry do not wait, one that is given up ends, and closing waits for what is being read.
func TestColumnsReadBehind(t *testing.T) {
	db, list := columnDB(t, 1<<20, 1, 2000)
	ds := list[0]
	count(t, ds, `{"n":3}`, 1)
	set := db.columns.held(ds.id)
	set.updating.Lock() // what is read cannot be added

	hurry, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if n, err := ds.Count(hurry, Query{Where: `{"n":3}`}); err != nil || n != 286 {
		t.Fatalf("a query in a hurry gives %d, %v", n, err)
	}
	if set.building == nil {
		t.Fatal("nothing is being read")
	}
	if n := count(t, ds, `{"n":3}`, 1); n != 286 { // somebody reads it already
		t.Errorf("%d entries", n)
	}
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	select {
	case <-closed:
		t.Error("closing does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	set.updating.Unlock()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if db.columns.builds != 0 || set.building != nil {
		t.Error("something is still being read")
	}
}

// TestColumnsGivenUp cancels a query that waits for columns: they are there all the same.
func TestColumnsGivenUp(t *testing.T) {
	db, list := columnDB(t, 1<<20, 1, 2000)
	ds := list[0]
	count(t, ds, `{"n":3}`, 1)
	set := db.columns.held(ds.id)
	set.updating.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := ds.Count(ctx, Query{Where: `{"n":3}`}); done <- err }()
	for building := false; !building; time.Sleep(time.Millisecond) {
		db.columns.mu.Lock()
		building = set.building != nil
		db.columns.mu.Unlock()
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("a query that is given up ends with %v", err)
	}
	set.updating.Unlock()
	for deadline := time.Now().Add(10 * time.Second); !db.columns.holds(t, ds, "n"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the columns are not there")
		}
	}
}

// TestColumnsTooLarge asks for a column that does not fit: memory stays bounded while it is
// read, and it is not read again by every second query.
func TestColumnsTooLarge(t *testing.T) {
	limit := 200 << 10
	db, list := columnDB(t, limit, 1, 20_000)
	ds := list[0]
	text := columnNumber(t, ds, "text")
	count(t, ds, `{"text":"text 5"}`, 2)
	u := db.columns.held(ds.id).known[text]
	if u.large == 0 || db.columns.holds(t, ds, "text") || u.size > 2*limit {
		t.Fatalf("the column is not too large, or was read to %d bytes", u.size)
	}
	count(t, ds, `{"text":"text 5"}`, 20)
	if u.asked != 20 {
		t.Errorf("it was read again: asked %d times since", u.asked)
	}
	if _, err := ds.Query(t.Context(), Query{Type: "delete", Where: `{"text":{"$regex":"[1-9]$"}}`}); err != nil {
		t.Fatal(err)
	}
	count(t, ds, `{"text":"text 50"}`, 3)
	if db.columns.holds(t, ds, "text") != true {
		t.Errorf("it is not held now that there are few entries: %+v", u)
	}
	if db.columns.bytes > limit {
		t.Errorf("%d bytes of columns", db.columns.bytes)
	}
}

// TestColumnsOneByOne asks for columns one after the other: those that are held are not read
// again, and what goes is the one used longest ago, not all of its data source.
func TestColumnsOneByOne(t *testing.T) {
	db, list := columnDB(t, 1<<20, 1, 4000)
	ds := list[0]
	count(t, ds, `{"n":3}`, 3)
	first := db.columns.held(ds.id).table.Load()
	n := columnNumber(t, ds, "n")
	count(t, ds, `{"text":"text 5"}`, 3)
	if _, err := ds.Insert(t.Context(), M{"n": 3}); err != nil {
		t.Fatal(err)
	}
	count(t, ds, `{"other":1}`, 3)
	table := db.columns.held(ds.id).table.Load()
	if !db.columns.holds(t, ds, "n") || !db.columns.holds(t, ds, "text") || !db.columns.holds(t, ds, "other") {
		t.Fatal("a column is missing")
	}
	if &first.Column(n).Dict().Value(1).Raw()[0] != &table.Column(n).Dict().Value(1).Raw()[0] {
		t.Error("a column that was held has been read again")
	}
	if got := count(t, ds, `{"n":3,"other":{"$exists":false}}`, 1); got != 1 {
		t.Errorf("%d entries without", got)
	}
	count(t, ds, `{"n":3}`, 1)
	db.columns.mu.Lock()
	db.columns.limit = db.columns.bytes - 1
	db.columns.mu.Unlock()
	db.columns.measure(ds.id)
	if !db.columns.holds(t, ds, "n") || db.columns.holds(t, ds, "text") || !db.columns.holds(t, ds, "other") {
		t.Error("another column went than the one used longest ago")
	}
}

// TestColumnsTakeTurns asks two data sources in turn of which one alone fits: it stays.
func TestColumnsTakeTurns(t *testing.T) {
	db, list := columnDB(t, 280<<10, 2, 4000)
	for range 40 {
		count(t, list[0], `{"text":"text 5"}`, 1)
		count(t, list[1], `{"text":"text 5"}`, 1)
	}
	u := db.columns.held(list[1].id).known[columnNumber(t, list[1], "text")]
	if !db.columns.holds(t, list[0], "text") || u.size == 0 || u.asked < 20 {
		t.Errorf("the one that came first is not held, or the other one was read again and again: %+v", u)
	}
	count(t, list[1], `{"text":"text 5"}`, 200) // the first is not used any more
	if !db.columns.holds(t, list[1], "text") {
		t.Errorf("the one that is used does not get its turn: %+v, %d bytes of %d", u, db.columns.bytes, db.columns.limit)
	}
}

// TestColumnsOfOlderState reads a state that is older than what is held, which stays.
func TestColumnsOfOlderState(t *testing.T) {
	db, list := columnDB(t, 1<<20, 1, 2000)
	ds := list[0]
	count(t, ds, `{"n":3}`, 3)
	c, err := (&Query{Where: `{"n":3}`}).compile(false)
	if err != nil {
		t.Fatal(err)
	}
	rd := ds.read()
	defer rd.close()
	m := matching{}
	if err := rd.slice(t.Context(), func(storage.Reader) error { return m.bind(rd, c) }); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := ds.UpdateWhere(t.Context(), fmt.Sprintf(`{"text":"text %d"}`, 3+7*i), Patch{Set: M{"n": 4}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, ds, `{"n":3}`, 1); n != 283 {
		t.Errorf("%d entries now", n)
	}
	newer := db.columns.held(ds.id).table.Load()
	plan, err := rd.columns(t.Context(), func(storage.Reader) (*matching, *query.BoundOrder, error) { return &m, nil, nil })
	if err != nil || plan == nil || plan.count() != 286 || len(plan.moved) != 3 || len(plan.apart) != 3 {
		t.Fatalf("the older state is not answered from columns: %+v, %v", plan, err)
	}
	if ids := plan.ids(0, 2); len(ids) != 2 || ids[0] != plan.moved[0] {
		t.Errorf("they begin with %v", ids)
	}
	if db.columns.held(ds.id).table.Load() != newer {
		t.Error("columns have been read again")
	}
	db.columns.keep(db.columns.held(ds.id), plan.table.Without())
	versions, err := ds.Versions(t.Context(), Page{})
	if err != nil {
		t.Fatal(err)
	}
	old, err := ds.At(versions[0].ID).Explain(t.Context(), Query{Where: `{"n":3}`})
	if err != nil || old.Step != "columns" {
		t.Errorf("a version is read by %v, %v", old, err)
	}
	if _, err := ds.UpdateWhere(t.Context(), `{}`, Patch{Set: M{"n": 4}}); err != nil {
		t.Fatal(err)
	}
	count(t, ds, `{"n":4}`, 3)
	if old, err = ds.At(versions[0].ID).Explain(t.Context(), Query{Where: `{"n":3}`}); err != nil || old.Step != "scan" || len(old.Notes) != 1 {
		t.Errorf("a version long ago is read by %v, %v", old, err)
	}
}

// TestColumnsLeave takes a data source to the trash, and empties another one: their columns go.
func TestColumnsLeave(t *testing.T) {
	db, list := columnDB(t, 1<<20, 2, 2000)
	for _, ds := range list {
		count(t, ds, `{"n":3}`, 3)
	}
	if err := list[0].Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := list[1].Query(t.Context(), Query{Type: "delete", Where: `{"n":{"$lt":5}}`}); err != nil {
		t.Fatal(err)
	}
	count(t, list[1], `{"n":5}`, 1)
	if len(db.columns.sources) != 0 || db.columns.bytes != 0 {
		t.Errorf("%d data sources, %d bytes", len(db.columns.sources), db.columns.bytes)
	}
}
