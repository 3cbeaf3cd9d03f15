package siftdb_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/index/indextest"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

var planQueries = flag.Int("planqueries", 4000, "random queries that are asked in every way; SIFTDB_PLAN_QUERIES says so, too")

// TestPlansAgree asks random queries in every way there is to their entries, and holds the
// answers against those of a scan.
func TestPlansAgree(t *testing.T) {
	n := *planQueries
	if text := os.Getenv("SIFTDB_PLAN_QUERIES"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	const perWorld = 200
	ways := map[string]int{}
	for seed := range max(n/perWorld, 1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newPlanWorld(t, uint64(seed))
			for range perWorld {
				w.ask()
			}
			for range 5 {
				if !w.bolt {
					w.deletes()
					w.updates()
				}
			}
			for way, count := range w.ways {
				ways[way] += count
			}
		})
	}
	t.Logf("%v", ways)
	for _, way := range []string{"ids", "index", "union", "trigrams", "ordered", "decided", "scan"} {
		if ways[way] == 0 && n >= 4000 {
			t.Errorf("no query went by way of %s", way)
		}
	}
}

// planWorld is a data source with random entries, indexes and a past, and another one to join.
type planWorld struct {
	t    *testing.T
	g    indextest.Generator
	db   *siftdb.DB
	ds   *siftdb.DataSource
	ids  []int64
	asks *siftdb.DataSource // the same, of somebody who may see less
	bolt bool

	pipeline []any   // that is asked beside each query
	past     []int64 // versions
	plain    bool    // no column is called as a field of entries is
	ways     map[string]int
}

func newPlanWorld(t *testing.T, seed uint64) *planWorld {
	w := &planWorld{t: t, g: indextest.New(seed), ways: map[string]int{}, bolt: seed%8 == 5}
	if options := (&siftdb.Options{Keys: oneKey}); w.bolt {
		w.db = fileDB(t, filepath.Join(t.TempDir(), "test.db"), options)
	} else {
		w.db = memoryDB(t, options)
	}
	if siftdb.ColumnsFrom(w.db, 1<<40); seed%8 == 4 { // they have tests of their own, too
		siftdb.ColumnsFrom(w.db, 1)
	}
	w.ds = must[*siftdb.DataSource](t)(w.db.Create(ctx, siftdb.DataSourceSpec{Name: "one", Encrypted: seed%8 == 6,
		AccessRules: []byte(`[{"type":["select","count"],"allow":"all","exclude":["b"]}]`)}))
	w.asks = w.ds
	if seed%8 == 7 {
		w.asks = w.ds.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
	}
	var rows []any
	w.plain = w.g.IntN(2) == 0
	for range 20 + w.g.IntN(200) {
		rows = append(rows, w.document())
	}
	must[siftdb.BulkResult](t)(w.ds.Append(ctx, rows))
	other := table(t, w.db, "two")
	for range 30 {
		must[*siftdb.Entry](t)(other.Insert(ctx, w.document()))
	}
	w.index(w.ds)
	w.index(other)
	w.ids = entryIDs(t, w.ds)
	for range w.g.IntN(4) {
		w.write()
	}
	return w
}

func (w *planWorld) document() siftdb.M {
	doc := w.g.Document()
	if w.plain {
		for _, name := range []string{"id", "order", "createdAt"} {
			delete(doc, name)
		}
	}
	return doc
}

// index gives a data source some indexes.
func (w *planWorld) index(ds *siftdb.DataSource) {
	for i := range 1 + w.g.IntN(6) {
		spec := siftdb.IndexSpec{Name: fmt.Sprint(i)}
		for range 1 + w.g.IntN(2) {
			name := indextest.Pick(w.g, "a", "a", "b", "a.b", "data.a", "a.0", "createdAt", "order", "data.id")
			spec.Fields = append(spec.Fields, siftdb.IndexField{Name: name, Desc: w.g.IntN(4) == 0})
		}
		switch w.g.IntN(8) {
		case 0:
			spec.Sparse = true
		case 1:
			spec.IgnoreCase = true
		case 2, 3:
			spec.Trigram, spec.Fields = true, []siftdb.IndexField{{Name: indextest.Pick(w.g, "a", "b", "a.b")}}
		}
		if err := ds.CreateIndex(ctx, spec); err != nil && !errors.Is(err, siftdb.ErrInvalidInput) {
			w.t.Fatal(err)
		}
	}
}

// write changes some entries and remembers the version.
func (w *planWorld) write() {
	c := siftdb.Commit{Append: new(true)}
	for _, at := range w.g.Perm(len(w.ids))[:1+w.g.IntN(min(12, len(w.ids)))] {
		if id := w.ids[at]; w.g.IntN(4) == 0 {
			c.Delete = append(c.Delete, id)
		} else {
			e := siftdb.CommitEntry{ID: id, Data: w.document()}
			if w.g.IntN(5) == 0 {
				e.Order = w.g.IntN(5) - 2
			}
			c.Entries = append(c.Entries, e)
		}
	}
	c.Entries = append(c.Entries, siftdb.CommitEntry{Data: w.document()})
	result, err := w.ds.Commit(ctx, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids = entryIDs(w.t, w.ds)
	w.past = append(w.past, result.Version)
}

// query makes a random query.
func (w *planWorld) query() siftdb.Query {
	q := siftdb.Query{Where: w.g.Where(2)}
	switch w.g.IntN(12) {
	case 0:
		q.Where = nil
	case 1:
		q.Where = siftdb.M{"id": siftdb.M{"$in": []any{w.ids[0], w.ids[len(w.ids)-1], int64(1) << 40, "x", nil, -3}}}
	case 2:
		q.Where = siftdb.M{"$or": []any{siftdb.M{"id": w.ids[w.g.IntN(len(w.ids))]}, w.g.Where(1)}}
	case 3:
		q.Dialect = query.Strict
	}
	for range w.g.IntN(3) {
		name := indextest.Pick(w.g, "a", "a", "b", "a.b", "data.a", "createdAt", "id", "order")
		q.Order = append(q.Order, siftdb.SortKey{Name: name, Desc: w.g.IntN(2) == 0})
	}
	if w.g.IntN(2) == 0 {
		q.Limit = new(w.g.IntN(12))
	}
	if w.g.IntN(3) == 0 {
		q.Offset = w.g.IntN(8)
	}
	switch w.g.IntN(8) {
	case 0:
		q.Distinct, q.Attributes = true, []string{"a"}
	case 1, 2:
		q.Joins = []siftdb.Join{{Name: "j", DataSourceName: "two", On: siftdb.On{"a": indextest.Pick(w.g, "a", "b", "a.b", "id")},
			Required: w.g.IntN(2) == 0, Has: w.g.IntN(3) == 0}}
		if w.g.IntN(2) == 0 {
			q.Joins[0].Where = w.g.Where(1)
		}
	}
	return q
}

// ways are how the queries are asked.
var planWays = []string{"scan", "always", ""}

// ask asks one query in all ways, of now or of an old version.
func (w *planWorld) ask() {
	q := w.query()
	ds := w.asks
	if len(w.past) > 0 && w.g.IntN(3) == 0 {
		ds = ds.At(w.past[w.g.IntN(len(w.past))])
	}
	w.pipeline = w.stages()
	sliced := w.g.IntN(10) == 0
	for _, way := range planWays {
		siftdb.Access(w.db, way)
		if p, err := ds.Explain(ctx, q); err == nil {
			w.note(p)
		}
	}
	var want string
	for _, way := range planWays {
		siftdb.Access(w.db, way)
		got := w.answerTo(ds, q)
		if want == "" {
			want = got
		}
		if got != want {
			w.differ(way, q, got, want)
		}
	}
	if !sliced {
		return
	}
	siftdb.Access(w.db, "scan")
	want = w.entries(ds.Find(ctx, q))
	for _, way := range planWays[1:] {
		if ds != w.asks { // else a write changes the answer to the next
			siftdb.Access(w.db, way)
			if got := w.underWrites(ds, q); got != want {
				w.differ(way+" under writes", q, got, want)
			}
		}
	}
	siftdb.Access(w.db, planWays[1+w.g.IntN(2)])
	if ds == w.asks {
		if got := w.underWrites(ds, q); got != want {
			w.differ("under writes", q, got, want)
		}
	}
}

// stages makes a pipeline that indexes or columns may answer.
func (w *planWorld) stages() []any {
	list := []any{}
	if w.g.IntN(3) > 0 {
		list = append(list, siftdb.M{"$match": siftdb.M{"data." + indextest.Pick(w.g, "a", "b", "a.b"): w.g.Scalar()}})
	}
	switch w.g.IntN(4) {
	case 0:
		return append(list, siftdb.M{"$count": "n"})
	case 1, 2:
		order := siftdb.D{{Key: "data." + indextest.Pick(w.g, "a", "b", "a.b"), Value: 1 - 2*w.g.IntN(2)}, {Key: "data.c", Value: -1}}
		return append(list, siftdb.M{"$sort": order[:1+w.g.IntN(2)]}, siftdb.M{"$skip": w.g.IntN(4)}, siftdb.M{"$limit": 1 + w.g.IntN(9)})
	}
	return append(list, siftdb.M{"$group": siftdb.M{"_id": "$data.b", "n": siftdb.M{"$sum": 1}}})
}

// note counts the kinds of steps that plans have.
func (w *planWorld) note(p *siftdb.Plan) {
	w.ways[p.Step]++
	if strings.Contains(p.Detail, "in the order wanted") {
		w.ways["ordered"]++
	}
	if strings.Contains(p.Detail, "which the index decides") {
		w.ways["decided"]++
	}
	for _, in := range p.Inputs {
		w.note(in)
	}
}

func (w *planWorld) differ(way string, q siftdb.Query, got, want string) {
	w.t.Helper()
	where, err := json.Marshal(q.Where)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, info := range must[[]siftdb.IndexInfo](w.t)(w.ds.ListIndexes(ctx)) {
		w.t.Logf("%+v", info)
	}
	siftdb.Access(w.db, strings.TrimSuffix(way, " under writes"))
	w.t.Fatalf("way %q, where %s, %+v:\n got %s\nwant %s", way, where, q, got, want)
}

// answerTo is all that a query says: its entries, their number, and their count.
func (w *planWorld) answerTo(ds *siftdb.DataSource, q siftdb.Query) string {
	answer := w.entries(ds.Find(ctx, q))
	q.IncludePagination = true
	if result, err := ds.Query(ctx, q); err != nil {
		answer += err.Error()
	} else {
		answer += fmt.Sprint(" total ", result.Pagination.Total)
	}
	n, err := ds.Count(ctx, siftdb.Query{Where: q.Where, Dialect: q.Dialect})
	answer += fmt.Sprint(" count ", n, err)
	for doc, err := range ds.AggregateEach(ctx, w.pipeline, siftdb.Query{Where: q.Where, Dialect: q.Dialect}) {
		text, failed := json.Marshal(doc)
		answer += fmt.Sprint(" ", string(text), err, failed)
	}
	return answer
}

func (w *planWorld) entries(entries []*siftdb.Entry, err error) string {
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(w.entry(e))
	}
	return b.String()
}

func (w *planWorld) entry(e *siftdb.Entry) string {
	text, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text) + "\n"
}

// underWrites streams the answer while entries are written.
func (w *planWorld) underWrites(ds *siftdb.DataSource, q siftdb.Query) string {
	var b strings.Builder
	n := 0
	for e, err := range ds.Each(ctx, q) {
		if err != nil {
			return err.Error()
		}
		b.WriteString(w.entry(e))
		if n++; n%7 == 1 {
			w.write()
		}
	}
	return b.String()
}

// deletes removes what a query selects, in a copy of the database.
func (w *planWorld) deletes() {
	q := siftdb.Query{Type: "delete", Where: w.g.Where(2), Order: w.query().Order}
	if w.g.IntN(2) == 0 {
		q.Limit = new(w.g.IntN(12))
	}
	w.changes("delete", func(ds *siftdb.DataSource) (any, error) {
		result, err := ds.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		return *result.DeletedCount, nil
	})
}

// updates changes what a where selects, in a copy of the database.
func (w *planWorld) updates() {
	where, set := w.g.Where(2), w.document()
	w.changes("update", func(ds *siftdb.DataSource) (any, error) {
		return ds.UpdateWhere(ctx, where, siftdb.Patch{Set: set})
	})
}

func (w *planWorld) changes(what string, change func(*siftdb.DataSource) (any, error)) {
	var want string
	for _, way := range planWays {
		fork := must[*siftdb.DB](w.t)(w.db.Fork())
		siftdb.Access(fork, way)
		ds := must[*siftdb.DataSource](w.t)(fork.DataSource(ctx, w.ds.ID()))
		n, err := change(ds)
		got := fmt.Sprint(n, err, texts(all(w.t, ds)))
		if report, err := fork.Check(ctx); err != nil || report.Err() != nil {
			w.t.Fatal(err, report.Err())
		}
		if err := fork.Close(); err != nil {
			w.t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			w.t.Fatalf("%s by way of %q:\n got %s\nwant %s", what, way, got, want)
		}
	}
}
