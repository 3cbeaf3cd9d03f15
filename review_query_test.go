package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// What reviews of the query side found, each as a test.

func rowsOf(n int, row func(i int) string) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = row(i)
	}
	return rows
}

// callback is a value of a session that runs code when it is written as JSON.
type callback func()

func (c callback) MarshalJSON() ([]byte, error) {
	c()
	return []byte(`"x"`), nil
}

func viewed(t *testing.T, db *siftdb.DB, filter string, rows ...string) *siftdb.DataSource {
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "viewed", Definition: json.RawMessage(`{"views":[{"name":"mine","filter":` + filter + `}]}`)}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(rows...)))
	return ds
}

// TestSessionRunsNoCode: no method of a session's values runs inside a transaction,
// where it could wait for ever.
func TestSessionRunsNoCode(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := viewed(t, db, `{"Owner":"session.who"}`, `{"Owner":"x"}`, `{"Owner":"y"}`)
		log := table(t, db, "log")
		inside := false
		s := &security.Session{Values: map[string]any{"bad": make(chan int), "who": callback(func() {
			stack := make([]byte, 1<<16)
			stack = stack[:runtime.Stack(stack, false)]
			inside = inside || strings.Contains(string(stack), ").View(") || strings.Contains(string(stack), ").Update(")
			must[*siftdb.Entry](t)(log.Insert(ctx, siftdb.M{"a": 1}))
		})}}
		mine := siftdb.Query{Views: []string{"mine"}}
		if list := must[[]*siftdb.Entry](t)(ds.WithSession(s).Find(ctx, mine)); len(list) != 1 {
			t.Errorf("found %v", texts(list))
		}
		mine.Type = "delete"
		if r := must[*siftdb.Result](t)(ds.WithSession(s).Query(ctx, mine)); *r.DeletedCount != 1 || inside {
			t.Errorf("deleted %d, inside a transaction: %v", *r.DeletedCount, inside)
		}
		if n := must[int64](t)(log.Count(ctx, siftdb.Query{})); n == 0 {
			t.Error("the value was never read")
		}
	})
}

// TestNoSessionWins: a handle without a session is nobody's, whatever the context
// says.
func TestNoSessionWins(t *testing.T) {
	ds := viewed(t, memoryDB(t, nil), `{"Owner":"session.who"}`, `{"Owner":"x"}`)
	as := siftdb.ContextWithSession(ctx, &security.Session{Values: map[string]any{"who": "x"}})
	mine := siftdb.Query{Views: []string{"mine"}}
	if list := must[[]*siftdb.Entry](t)(ds.Find(as, mine)); len(list) != 1 {
		t.Errorf("with the context's session: %v", texts(list))
	}
	if list := must[[]*siftdb.Entry](t)(ds.WithSession(nil).Find(as, mine)); len(list) != 0 {
		t.Errorf("without a session: %v", texts(list))
	}
}

// TestJoinSharedKeys: many parents of few keys cost no more than parents and joined
// entries together. (Done pair by pair, each of these takes minutes.)
func TestJoinSharedKeys(t *testing.T) {
	const n = 100_000
	db := memoryDB(t, nil)
	one := table(t, db, "one", rowsOf(n, func(i int) string { return fmt.Sprintf(`{"k":"%c"}`, 'a'+i%2) })...)
	two := table(t, db, "two", rowsOf(n, func(int) string { return `{"k":["a","b"]}` })...)
	table(t, db, "tags", rowsOf(n, func(int) string { return `{"k":["a","b"]}` })...)
	table(t, db, "tag", rowsOf(n, func(i int) string { return fmt.Sprintf(`{"k":"%c"}`, 'a'+i%2) })...)
	soon, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	join := func(ds *siftdb.DataSource, j siftdb.Join) *siftdb.Entry {
		t.Helper()
		j.Name, j.On = "j", siftdb.On{"k": "k"}
		list := must[[]*siftdb.Entry](t)(ds.Find(soon, siftdb.Query{Joins: []siftdb.Join{j}}))
		return list[len(list)-1]
	}
	if e := join(one, siftdb.Join{DataSourceName: "tags", Count: true}); e.JoinValue("j") != int64(n) {
		t.Errorf("counted %v", e.JoinValue("j"))
	}
	if e := join(two, siftdb.Join{DataSourceName: "tags", Has: true}); e.JoinValue("j") != true {
		t.Errorf("has %v", e.JoinValue("j"))
	}
	if e := join(two, siftdb.Join{DataSourceName: "tag", Limit: new(1)}); len(e.Joined("j")) != 1 {
		t.Errorf("joined %d", len(e.Joined("j")))
	}
	if e := join(two, siftdb.Join{DataSourceName: "tag"}); len(e.Joined("j")) != n {
		t.Errorf("joined %d", len(e.Joined("j")))
	}
}

// TestJoinsAreHeld: keys of parents, and joined entries in pipelines, count against
// Limits.QueryBytes.
func TestJoinsAreHeld(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: 2 << 20}})
	list := "1"
	for i := 2; i <= 100; i++ {
		list += fmt.Sprint(",", i)
	}
	keys := table(t, db, "keys", rowsOf(2000, func(int) string { return `{"a":[` + list + `],"b":[` + list + `]}` })...)
	table(t, db, "few", `{"a":1,"b":1}`)
	_, err := keys.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "few", On: siftdb.On{"a": "a", "b": "b"}, Has: true}}})
	if !errors.Is(err, siftdb.ErrTooLarge) {
		t.Errorf("80 MB of keys within 2 MiB: %v", err)
	}
	parents := table(t, db, "parents", rowsOf(1000, func(i int) string { return fmt.Sprintf(`{"k":%d}`, i) })...)
	table(t, db, "large", rowsOf(1000, func(i int) string { return fmt.Sprintf(`{"k":%d,"t":"%s"}`, i, strings.Repeat("x", 20_000)) })...)
	join := siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "large", On: siftdb.On{"k": "k"}}}}
	for _, pipeline := range []string{
		`[{"$group":{"_id":null,"all":{"$push":"$joins"}}},{"$project":{"n":{"$size":"$all"}}}]`,
		`[{"$sort":{"id":-1}},{"$limit":500},{"$count":"n"}]`,
	} {
		if _, err := parents.Aggregate(ctx, pipeline, join); !errors.Is(err, siftdb.ErrTooLarge) {
			t.Errorf("%s holds 20 MB of joined entries within 2 MiB: %v", pipeline, err)
		}
	}
}

// TestOuterJoinsAreChecked before anything is read, and are no part of a Table.
func TestOuterJoinsAreChecked(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"k":1}`)
	table(t, db, "other", `{"k":1}`)
	q := siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "other", Views: []string{"none"}}}}
	if _, err := ds.Explain(ctx, q); !isInvalidQuery(err) {
		t.Errorf("Explain gives %v", err)
	}
	for e, err := range ds.Each(ctx, q) {
		if err == nil {
			t.Errorf("entry %d comes before the error", e.ID)
		}
	}
	q.Joins[0].Views = nil
	if _, err := siftdb.Of[siftdb.M](ds).Find(ctx, q); !isInvalidQuery(err) {
		t.Errorf("a table's Find gives %v", err)
	}
}

// TestExplainChecks what running a query checks.
func TestExplainChecks(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"k":1}`)
	plan := must[*siftdb.Plan](t)(ds.Explain(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("k")}, Limit: new(math.MaxInt), Offset: math.MaxInt}))
	if strings.Contains(plan.String(), "best -") {
		t.Error(plan)
	}
	if list := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("k")}, Limit: new(math.MaxInt), Offset: math.MaxInt})); len(list) != 0 {
		t.Error(texts(list))
	}
	for _, q := range []siftdb.Query{{Type: "bogus"}, {Type: "delete", Where: `{}`, Distinct: true}, {Type: "delete"}, {CountOnly: true, Distinct: true}} {
		if _, err := ds.Explain(ctx, q); !isInvalidQuery(err) {
			t.Errorf("%+v gives %v", q, err)
		}
	}
	if _, err := ds.Aggregate(ctx, `[]`, siftdb.Query{Aggregate: `[]`}); !isInvalidQuery(err) {
		t.Errorf("two pipelines give %v", err)
	}
}

// TestZeroValues that callers meet by ordinary use: no panic.
func TestZeroValues(t *testing.T) {
	type T struct{ A int }
	ds := table(t, memoryDB(t, nil), "d", `{"A":1}`)
	if text, err := json.Marshal(siftdb.Row[T]{}); err != nil || string(text) != "null" {
		t.Errorf("a row without an entry: %s, %v", text, err)
	}
	for set, err := range ds.Changes(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := siftdb.Of[T](ds).Rows([]*siftdb.Entry{set.Changes[0].Before, set.Changes[0].After}); err != nil || rows[0].Entry != nil || rows[1].Value.A != 1 {
			t.Errorf("rows of a feed: %+v, %v", rows, err)
		}
		break
	}
	if _, err := ds.Subscribe(ctx, siftdb.SubscribeOptions{Cursor: new(siftdb.Cursor)}, func(siftdb.Changes) {}); !isInvalidQuery(err) {
		t.Errorf("an empty cursor gives %v", err)
	}
	for u, err := range ds.Live(ctx, siftdb.Query{Views: []string{"none"}}) {
		if u != nil || !isInvalidQuery(err) {
			t.Errorf("Live gives %v, %v", u, err)
		}
	}
}

// TestPanicKeepsItsCause: what a callback panics with can be found in the error.
func TestPanicKeepsItsCause(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "d")
	boom := errors.New("boom")
	sub := must[*siftdb.Subscription](t)(ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(siftdb.Changes) { panic(boom) }))
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"a": 1}))
	select {
	case <-sub.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if !errors.Is(sub.Err(), boom) {
		t.Errorf("it ended with %v", sub.Err())
	}
}
