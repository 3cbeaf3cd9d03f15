package siftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

// columnTwins are two databases with the same content, of which one answers from columns
// wherever it can, and the other never.
type columnTwins struct {
	t       *testing.T
	rnd     *rand.Rand
	columns *siftdb.DataSource
	scanned *siftdb.DataSource
	dbs     [2]*siftdb.DB // of these
}

func newColumnTwins(t *testing.T, seed uint64, budget int, limits siftdb.Limits) *columnTwins {
	t.Helper()
	twins := &columnTwins{t: t, rnd: rand.New(rand.NewPCG(seed, 7))}
	for i, bytes := range []int{budget, -1} {
		options := newClock().options()
		options.ColumnBytes, options.Limits = bytes, limits
		db := memoryDB(t, options)
		siftdb.ColumnsFrom(db, 1)
		if twins.dbs[i] = db; i == 1 {
			siftdb.Access(db, "scan")
		}
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Columns: []string{"a.b"},
			AccessRules: json.RawMessage(`[{"type":["select"],"allow":"all","exclude":["c"]}]`)}))
		if i == 0 {
			twins.columns = ds
		} else {
			twins.scanned = ds
		}
	}
	return twins
}

// both does the same with each.
func (w *columnTwins) both(do func(*siftdb.DataSource) error) {
	w.t.Helper()
	for _, ds := range []*siftdb.DataSource{w.columns, w.scanned} {
		if err := do(ds); err != nil {
			w.t.Fatal(err)
		}
	}
}

var columnValues = []string{`"red"`, `"Green"`, `"blue"`, `"5"`, `5`, `""`, `null`, `true`, `1.10`, `1.1`, `12345678901234567890`,
	`[1,"x",{"k":2}]`, `[]`, `{"b":{"er":[7]}}`, `{"b":5}`, `"héllo ✓"`, `"2024-03-01"`, `-3`, `"10"`}

func (w *columnTwins) row() json.RawMessage {
	var parts []string
	for _, name := range []string{"a", "b", "c", "a.b"} {
		switch {
		case w.rnd.IntN(4) == 0:
		case name == "c":
			parts = append(parts, fmt.Sprintf(`"c":%d`, w.rnd.IntN(200)))
		default:
			parts = append(parts, fmt.Sprintf("%q:%s", name, columnValues[w.rnd.IntN(len(columnValues))]))
		}
	}
	return json.RawMessage("{" + strings.Join(parts, ",") + "}")
}

// where makes a where of a few conditions.
func (w *columnTwins) where(depth int) string {
	switch n := w.rnd.IntN(12); {
	case depth > 0 && n < 3:
		list := []string{}
		for range 1 + w.rnd.IntN(3) {
			list = append(list, w.where(depth-1))
		}
		return fmt.Sprintf(`{%q:[%s]}`, []string{"$and", "$or", "$nor"}[n], strings.Join(list, ","))
	case depth > 0 && n == 3:
		return fmt.Sprintf(`{"$not":%s}`, w.where(depth-1))
	case n == 4:
		return `{}`
	case n == 5:
		return fmt.Sprintf(`{"id":{"$gt":%d}}`, w.rnd.IntN(300))
	}
	names := []string{"a", "b", "c", "a.b", "data.c", "a.b.er", "b.1", "nowhere"}
	parts := []string{}
	for range 1 + w.rnd.IntN(2) {
		name := names[w.rnd.IntN(len(names))]
		v, u := columnValues[w.rnd.IntN(len(columnValues))], columnValues[w.rnd.IntN(len(columnValues))]
		test := []string{v, `{"$ne":` + v + `}`, fmt.Sprintf(`{"$gte":%d,"$lt":%d}`, w.rnd.IntN(150), w.rnd.IntN(300)), `{"$in":[` + v + "," + u + `]}`,
			`{"$exists":false}`, `{"$iLike":"%e%"}`, `{"$regex":"^[rb5]"}`, `{"$type":"string"}`, `{"$nin":[` + v + `]}`, `{"$elemMatch":{"k":2}}`}[w.rnd.IntN(10)]
		parts = append(parts, fmt.Sprintf("%q:%s", name, test))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// strictWhere makes a where that the Strict dialect takes.
func (w *columnTwins) strictWhere(depth int) string {
	for {
		where := w.where(depth)
		if w.rnd.IntN(2) == 0 {
			v := columnValues[w.rnd.IntN(len(columnValues))]
			test := []string{`{"$not":{"$eq":` + v + `}}`, `{"$all":[` + v + `]}`, `{"$size":3}`, `{"$exists":true}`, `{"$gt":"b"}`, `{"$filters":[{"column":"c","condition":">","value":50}]}`}[w.rnd.IntN(6)]
			if where = fmt.Sprintf("{%q:%s}", []string{"a", "b", "c", "a.b", "a.length", "b.0"}[w.rnd.IntN(6)], test); strings.Contains(test, "$filters") {
				where = test
			}
		}
		if _, err := query.Compile(where, query.ForDataSource(), query.WithDialect(query.Strict)); err == nil {
			return where
		}
	}
}

func (w *columnTwins) query() siftdb.Query {
	q := siftdb.Query{Where: w.where(2), IncludePagination: w.rnd.IntN(2) == 0, Distinct: w.rnd.IntN(6) == 0}
	if w.rnd.IntN(4) == 0 {
		q.Where, q.Dialect = w.strictWhere(2), query.Strict
	}
	if w.rnd.IntN(2) == 0 {
		names := []string{"a", "data.b", "c", "a.b", "nowhere", "createdAt", "a.b.er", "id"}
		q.Order = siftdb.Order{{Name: names[w.rnd.IntN(5+w.rnd.IntN(4))], Desc: w.rnd.IntN(2) == 0}}
		for w.rnd.IntN(2) == 0 {
			q.Order = append(q.Order, siftdb.SortKey{Name: names[w.rnd.IntN(5+w.rnd.IntN(4))], Desc: w.rnd.IntN(2) == 0})
		}
	}
	if w.rnd.IntN(2) == 0 {
		q.Limit, q.Offset = new(w.rnd.IntN(30)), w.rnd.IntN(40)
		if w.rnd.IntN(10) == 0 {
			q.Offset = []int{1000, math.MaxInt32, math.MaxInt}[w.rnd.IntN(3)]
		}
	}
	if w.rnd.IntN(4) == 0 {
		q.Attributes = []string{"a", "c"}
	}
	return q
}

// write changes both in the same random way.
func (w *columnTwins) write(orders bool) {
	ids := entryIDs(w.t, w.columns)
	switch n := w.rnd.IntN(10); {
	case n < 4:
		row := w.row()
		w.both(func(ds *siftdb.DataSource) error { _, err := ds.Insert(ctx, row); return err })
	case n < 6 && len(ids) > 0:
		id, row := ids[w.rnd.IntN(len(ids))], w.row()
		w.both(func(ds *siftdb.DataSource) error { _, err := ds.UpdateEntry(ctx, id, row); return err })
	case n == 6 && len(ids) > 100:
		gone := ids[:w.rnd.IntN(6)]
		w.both(func(ds *siftdb.DataSource) error {
			_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Delete: gone})
			return err
		})
	case n == 7:
		rows := []any{}
		for range w.rnd.IntN(60) {
			rows = append(rows, w.row())
		}
		w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
	case n == 8:
		where, set := w.where(0), siftdb.M{"b": w.rnd.IntN(3)}
		w.both(func(ds *siftdb.DataSource) error {
			_, err := ds.UpdateWhere(ctx, where, siftdb.Patch{Set: set})
			return err
		})
	case w.rnd.IntN(3) == 0: // back to what was: entries come back under their old ids
		back := w.rnd.IntN(8)
		w.both(func(ds *siftdb.DataSource) error {
			versions, err := ds.Versions(ctx, siftdb.Page{})
			if err == nil && len(versions) > back {
				_, err = ds.Restore(ctx, versions[back].ID)
			}
			return err
		})
	case orders && len(ids) > 0:
		id := ids[w.rnd.IntN(len(ids))]
		c := siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{}, Order: float64(w.rnd.IntN(2))}}}
		w.both(func(ds *siftdb.DataSource) error { _, err := ds.Commit(ctx, c); return err })
	}
}

// answer is all that a query gives, as text.
func answer(t *testing.T, ds *siftdb.DataSource, q siftdb.Query) []string {
	t.Helper()
	result := must[*siftdb.Result](t)(ds.Query(ctx, q))
	out := describeEntries(result.Entries)
	if result.Pagination != nil {
		out = append(out, fmt.Sprint("total ", result.Pagination.Total))
	}
	n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: q.Where, Dialect: q.Dialect}))
	names := [][]string{{"a"}, {"b", "c"}, {"a.b", "nowhere"}, {"a.b.er"}}[int(n)%4]
	out = append(out, string(must[[]byte](t)(json.Marshal(must[map[string][]json.RawMessage](t)(ds.IndexesJSON(ctx, names...))))))
	first := 0
	for e, err := range ds.Each(ctx, q) {
		if first++; err != nil || first > 5 {
			break
		}
		out = append(out, "each "+string(e.JSON()))
	}
	return append(out, fmt.Sprint("count ", n))
}

// TestColumnsAgree asks random queries of both twins while they are written to, of trusted code
// and of somebody from whom a column is hidden.
func TestColumnsAgree(t *testing.T) {
	runs, steps := 4, 80
	if text := os.Getenv("SIFTDB_COLUMN_QUERIES"); text != "" {
		steps, _ = strconv.Atoi(text)
	}
	var orders, strict atomic.Int64
	t.Cleanup(func() {
		if n := strict.Load(); n < int64(runs*steps/80) {
			t.Errorf("of %d queries %d were strict and answered from columns", runs*steps, n)
		}
		if n := orders.Load(); n < int64(runs*steps/40) {
			t.Errorf("of %d queries %d were orders by several columns answered from these", runs*steps, n)
		}
	})
	base := uint64(time.Now().UnixNano())
	for run := range runs {
		seed := base + uint64(run)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			w := newColumnTwins(t, seed, []int{0, 0, 70 << 10, 40 << 10}[run], siftdb.Limits{})
			defer func() { orders.Add(siftdb.OrdersByColumns(w.columns)) }()
			rows := []any{}
			for range 100 + w.rnd.IntN(500) {
				rows = append(rows, w.row())
			}
			w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
			bob := &security.Principal{TokenID: 1}
			for range steps {
				if w.rnd.IntN(3) == 0 {
					w.write(run%3 == 0)
				}
				q := w.query()
				one, two := w.columns, w.scanned
				if q.Dialect == query.Strict && strings.Contains(must[*siftdb.Plan](t)(one.Explain(ctx, q)).String(), "columns  ") {
					strict.Add(1)
				}
				if w.rnd.IntN(4) == 0 {
					one, two = one.As(bob), two.As(bob)
				}
				if w.rnd.IntN(4) == 0 {
					list := must[[]siftdb.Version](t)(w.columns.Versions(ctx, siftdb.Page{}))
					at := list[w.rnd.IntN(min(len(list), 12))].ID
					one, two = one.At(at), two.At(at)
				}
				if diff := cmp.Diff(answer(t, two, q), answer(t, one, q)); diff != "" {
					t.Fatalf("where %s order %v offset %d limit %v distinct %v (-scan +columns):\n%s", q.Where, q.Order, q.Offset, q.Limit, q.Distinct, diff)
				}
			}
		})
	}
}

// TestColumnsStay reads a few entries of a random query from columns, writes, and reads on: what
// comes is what was there when the read began.
func TestColumnsStay(t *testing.T) {
	for run := range 4 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			w := newColumnTwins(t, seed, 0, siftdb.Limits{})
			rows := []any{}
			for range 400 {
				rows = append(rows, w.row())
			}
			w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
			for range 40 {
				q := w.query()
				want := must[[]*siftdb.Entry](t)(w.scanned.Find(ctx, q))
				got := []*siftdb.Entry{}
				for e, err := range w.columns.Each(ctx, q) {
					if err != nil {
						t.Fatal(err)
					}
					if got = append(got, e); len(got) == 1 || len(got) == 40 {
						for range 1 + w.rnd.IntN(3) {
							w.write(run%2 == 0)
						}
						answer(t, w.columns, w.query()) // brings columns up to date
					}
				}
				if diff := cmp.Diff(describeEntries(want), describeEntries(got)); diff != "" {
					t.Fatalf("where %s order %v offset %d limit %v distinct %v (-scan +columns):\n%s", q.Where, q.Order, q.Offset, q.Limit, q.Distinct, diff)
				}
			}
		})
	}
}

// TestColumnsUnderWriters keeps a sum over the entries the same, and asks for parts of it from
// columns while four goroutines move amounts about.
func TestColumnsUnderWriters(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		siftdb.ColumnsFrom(db, 1)
		ds := numbered(t, db, 2000)
		must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"side": "left"}}))
		ids := entryIDs(t, ds)
		running, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for g := range 3 {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			wg.Go(func() {
				for running.Err() == nil { // two entries change sides in one commit
					a, b := ids[rnd.IntN(1000)], ids[1000+rnd.IntN(1000)]
					side := []string{"left", "right"}[rnd.IntN(2)]
					c := siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: a, Data: siftdb.M{"side": side, "pair": b}}, {ID: b, Data: siftdb.M{"side": side, "pair": a}}}}
					if _, err := ds.Commit(ctx, c); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 60 {
			left, right := 0, 0
			for e, err := range ds.Each(ctx, siftdb.Query{Where: `{"side":{"$in":["left","right"]}}`, Order: siftdb.Order{siftdb.Asc("side")}}) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Get("side") == "left" {
					if left++; right > 0 {
						t.Fatal("the order is broken")
					}
				} else {
					right++
				}
			}
			if left+right != 2000 {
				t.Fatalf("%d and %d entries", left, right)
			}
			total := 0.0
			for _, d := range must[[]siftdb.Document](t)(ds.Aggregate(ctx, `[{"$group":{"_id":"$data.side","n":{"$sum":1},"pairs":{"$max":"$data.pair"}}}]`, siftdb.Query{})) {
				total += d.Get("n").(float64)
			}
			if total != 2000 {
				t.Fatalf("the groups have %v entries", total)
			}
			list := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: `{"side":"right","n":{"$lt":40}}`}))
			for _, e := range list {
				if e.Get("side") != "right" {
					t.Fatalf("found %s", e.JSON())
				}
			}
		}
		stop()
		wg.Wait()
	})
}

// TestColumnsUnderPressure has several read and one write while columns come and go for lack of
// memory: the two halves of a commit are always seen together.
func TestColumnsUnderPressure(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{ColumnBytes: 200 << 10})
	ds := numbered(t, db, 3000)
	must[int64](t)(ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"x": 0, "y": 0, "z": "text"}}))
	ids := entryIDs(t, ds)
	running, stop := context.WithCancel(ctx)
	var readers, writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; running.Err() == nil; i++ {
			a, b := ids[i*7%1500], ids[1500+i*11%1500]
			c := siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: a, Data: siftdb.M{"x": i, "y": i}}, {ID: b, Data: siftdb.M{"x": i, "y": i, "z": fmt.Sprint("text ", i)}}}}
			if _, err := ds.Commit(ctx, c); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for g := range 3 {
		rnd := rand.New(rand.NewPCG(uint64(g), 2))
		readers.Go(func() {
			for range 60 {
				from := rnd.IntN(200)
				var err error
				n := int64(0)
				switch rnd.IntN(4) {
				case 0:
					n, err = ds.Count(ctx, siftdb.Query{Where: fmt.Sprintf(`{"$or":[{"x":{"$lt":%d}},{"y":{"$gte":%d}}]}`, from, from)})
					n -= 3000
				case 1:
					n, err = ds.Count(ctx, siftdb.Query{Where: fmt.Sprintf(`{"x":{"$lt":%d},"y":{"$gte":%d}}`, from, from)})
				case 2:
					var list []*siftdb.Entry
					list, err = ds.Find(ctx, siftdb.Query{Where: `{"z":{"$iLike":"%TEXT%"}}`, Order: siftdb.Order{siftdb.Desc("n")}, Offset: 2990})
					n = int64(len(list)) - 10
				case 3:
					_, err = ds.Aggregate(ctx, `[{"$group":{"_id":"$data.z","n":{"$sum":"$data.n"}}}]`, siftdb.Query{})
				}
				if err != nil || n != 0 {
					t.Errorf("%d entries too many, %v", n, err)
				}
			}
		})
	}
	readers.Wait()
	stop()
	writer.Wait()
}

// TestColumnsExplained asks how queries are answered before their columns are held, and after.
func TestColumnsExplained(t *testing.T) {
	db := memoryDB(t, nil)
	ds := numbered(t, db, 1500)
	siftdb.ColumnsFrom(db, 1)
	table(t, db, "others", `{"n":7,"m":1}`, `{"n":7,"m":2}`)
	joins := func(body string) []siftdb.Join {
		return must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"join":{"j":{"dataSourceName":"others",` + body + `}}}`))).Joins
	}
	group := siftdb.Query{Aggregate: `[{"$match":{"data.n":{"$gt":5}}},{"$group":{"_id":"$data.side","n":{"$sum":1}}}]`}
	for _, c := range []struct {
		q             siftdb.Query
		before, after string
	}{
		{siftdb.Query{Where: `{"n":{"$lt":7}}`}, `note: the columns "n" are read into memory when a second query asks for them`, `columns  "n" of data source 1`},
		{siftdb.Query{Where: `{"n":{"$lt":7}}`, Order: siftdb.Order{siftdb.Asc("createdAt")}}, "note: columns in memory do not serve: the order is not by columns alone", "the order is not by columns alone"},
		{siftdb.Query{Where: `{"n":{"$lt":7}}`, Order: siftdb.Order{siftdb.Asc("side"), siftdb.Desc("n")}, Limit: new(3)}, `note: the columns "n", "side" are read into memory when`, `columns  "n", "side" of data source 1`},
		{siftdb.Query{Limit: new(3), Joins: joins(`"on":{"n":"n"},"count":true`)}, `note: the columns "n" are read into memory`, `columns  "n" of data source 2 "others"`},
		{siftdb.Query{Limit: new(3), Joins: joins(`"on":{"n":"n","side":"m"},"count":true`)}, "columns in memory do not serve: the join is on several pairs", "columns in memory do not serve: the join is on several pairs"},
		{siftdb.Query{Limit: new(3), Joins: joins(`"on":{"n":"n"},"required":true,"has":true,"where":{"m":2}`)}, `note: the columns "n", "m" are read into memory`, `columns  "n" of data source 1 "numbers"`},
		{siftdb.Query{Limit: new(3), Joins: joins(`"on":{"id":"n"},"required":true,"has":true`)}, "columns in memory do not serve: the join is not on a column", "columns in memory do not serve: the join is not on a column"},
		{siftdb.Query{Where: `{"n":{"$lt":7}}`, Dialect: query.Strict}, `note: the columns "n" are read into memory`, `columns  "n" of data source 1`},
		{siftdb.Query{CountOnly: true}, "count  data source 1", "count  data source 1"},
		{siftdb.Query{Aggregate: `[{"$match":{}},{"$count":"n"}]`}, "count  data source 1", "count  data source 1"},
		{siftdb.Query{Aggregate: `[{"$count":"n"}]`, Where: `{"id":{"$gt":5}}`}, "scan  data source 1", "scan  data source 1"},
		{siftdb.Query{Where: `{"id":{"$lt":7}}`}, "no condition is on one column", "no condition is on one column"},
		{group, `are read into memory when a second query asks for them`, `columns  "n", "side" of data source 1`},
		{siftdb.Query{Aggregate: `[{"$sort":{"data.n":-1}},{"$skip":2},{"$limit":5}]`}, `are read into memory when a second query asks for them`, `of which at most 5 are read`},
		{siftdb.Query{Aggregate: `[{"$sort":{"data.n":-1}}]`}, "columns in memory do not serve: of the stages", "columns in memory do not serve: of the stages"},
		{siftdb.Query{Aggregate: `[{"$unwind":"$data.n"}]`}, "columns in memory do not serve: of the stages", "columns in memory do not serve: of the stages"},
	} {
		if _, err := ds.UpdateWhere(ctx, `{"n":{"$lt":9}}`, siftdb.Patch{Set: siftdb.M{"side": "left"}}); err != nil {
			t.Fatal(err)
		}
		siftdb.ForgetColumns(ds)
		if plan := must[*siftdb.Plan](t)(ds.Explain(ctx, c.q)).String(); !strings.Contains(plan, c.before) {
			t.Errorf("%v, before:\n%s", c.q, plan)
		}
		for range 3 {
			must[*siftdb.Result](t)(ds.Query(ctx, c.q))
		}
		if plan := must[*siftdb.Plan](t)(ds.Explain(ctx, c.q)).String(); !strings.Contains(plan, c.after) {
			t.Errorf("%v, after:\n%s", c.q, plan)
		}
	}
}
