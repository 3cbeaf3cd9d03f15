package siftdb_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// watchedStore counts how often entries are looked for in a storage.
type watchedStore struct {
	storage.Storage
	looks *atomic.Int64
}

func (s watchedStore) View(ctx context.Context, fn func(storage.Reader) error) error {
	return s.Storage.View(ctx, func(r storage.Reader) error { return fn(watchedReader{r, s.looks}) })
}

type watchedReader struct {
	storage.Reader
	looks *atomic.Int64
}

func (r watchedReader) Get(ks storage.Keyspace, key []byte) ([]byte, error) {
	if ks == layout.Entries {
		r.looks.Add(1)
	}
	return r.Reader.Get(ks, key)
}

func (r watchedReader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	if ks == layout.Entries {
		r.looks.Add(1)
	}
	return r.Reader.Scan(ks, from, to, reverse)
}

// TestCountLooksAtNoEntry asks how many entries there are, now and before, in all the ways there
// are: none of them looks at an entry. Where somebody else may not see all, it does not count.
func TestCountLooksAtNoEntry(t *testing.T) {
	looks := new(atomic.Int64)
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, watchedStore{memory.New(), looks}, newClock().options()))
	t.Cleanup(func() { db.Close() })
	checked(t, db)
	ds := numbered(t, db, 1500)
	must[int64](t)(ds.UpdateWhere(ctx, `{"n":{"$lt":9}}`, siftdb.Patch{Set: siftdb.M{"side": "left"}}))
	must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":{"$lt":5}}`}))
	last := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
	ask := func(ds *siftdb.DataSource, body string) string {
		q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
		return asJSON(t, must[*siftdb.Result](t)(ds.Query(ctx, q)))
	}
	for _, c := range []struct{ body, now, before string }{
		{`{"countOnly":true}`, `{"count":1495,"dataSourceId":1}`, `{"count":1500,"dataSourceId":1}`},
		{`{"aggregate":[{"$count":"n"}]}`, `{"entries":[{"n":1495}]}`, `{"entries":[{"n":1500}]}`},
		{`{"aggregate":[{"$match":{}},{"$count":"n"},{"$set":{"x":1}}]}`, `{"entries":[{"n":1495,"x":1}]}`, `{"entries":[{"n":1500,"x":1}]}`},
		{`{"aggregate":[{"$group":{"_id":null,"n":{"$sum":2}}}]}`, `{"entries":[{"_id":null,"n":2990}]}`, `{"entries":[{"_id":null,"n":3000}]}`},
		{`{"where":{},"aggregate":[{"$match":{"$nor":[{}]}},{"$count":"n"}]}`, `{"entries":[]}`, `{"entries":[]}`},
	} {
		looks.Store(0)
		if got := ask(ds, c.body); got != c.now {
			t.Errorf("%s gives %s", c.body, got)
		}
		if got := ask(ds.At(last), c.body); got != c.before {
			t.Errorf("%s gives %s of the version before", c.body, got)
		}
		if n := looks.Load(); n != 0 {
			t.Errorf("%s looked at entries %d times", c.body, n)
		}
	}
	if looks.Store(0); ask(ds, `{"aggregate":[{"$match":{"id":{"$gt":0}}},{"$count":"n"}]}`) != `{"entries":[{"n":1495}]}` || looks.Load() == 0 {
		t.Error("a condition was not tested on entries, or looking at them is not noticed")
	}
	empty := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "empty"}))
	if got := ask(empty, `{"aggregate":[{"$count":"n"}]}`); got != `{"entries":[]}` {
		t.Errorf("nothing is counted as %s", got)
	}
}
