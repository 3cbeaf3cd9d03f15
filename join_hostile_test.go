package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// joinTList is a list of n numbers from first on, as JSON.
func joinTList(first, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprint(first + i)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// joinTFails runs a query in every way and expects an error of a kind from each, with
// the join's name.
func joinTFails(t *testing.T, what string, ds *siftdb.DataSource, q siftdb.Query, kind error) {
	t.Helper()
	_, err := ds.Find(ctx, q)
	_, err2 := ds.Query(ctx, q)
	_, err3 := ds.FindOne(ctx, q)
	_, err4 := ds.Cursor(ctx, q)
	for way, err := range map[string]error{"Find": err, "Query": err2, "FindOne": err3, "Cursor": err4, "Each": eachError(ds.Each(ctx, q))} {
		if fails(t, what+" in "+way, err, kind); err != nil && !strings.Contains(err.Error(), q.Joins[len(q.Joins)-1].Name) {
			t.Errorf("%s in %s does not name its join: %v", what, way, err)
		}
	}
}

// TestJoinCombinations: lists in several pairs make combinations; too many of them end
// the query, whichever side has them. In one pair a list may be long.
func TestJoinCombinations(t *testing.T) {
	db := memoryDB(t, nil)
	wide := fmt.Sprintf(`{"c":"wide","a":%s,"b":%s}`, joinTList(0, 1000), joinTList(0, 1000))
	deep := `{"c":"deep"`
	for i := range 12 {
		deep += fmt.Sprintf(`,"k%d":%s`, i, joinTList(0, 100))
	}
	big := table(t, db, "big", wide)
	many := table(t, db, "many", deep+"}")
	small := table(t, db, "small", `{"c":"small","a":1,"b":2}`, `{"c":"fits","a":`+joinTList(0, 90)+`,"b":`+joinTList(0, 90)+`}`)
	pairs := siftdb.On{}
	for i := range 12 { // 10^24 of them, more than an int holds
		pairs[fmt.Sprint("k", i)] = fmt.Sprint("k", i)
	}
	for _, required := range []bool{false, true} {
		for _, count := range []bool{false, true} {
			join := siftdb.Join{Name: "Wide One", On: siftdb.On{"a": "a", "b": "b"}, Required: required, Count: count}
			join.DataSourceID = big.ID()
			joinTFails(t, "a parent's million", big, siftdb.Query{Joins: []siftdb.Join{join}}, siftdb.ErrTooLarge)
			joinTFails(t, "a child's million", small, siftdb.Query{Joins: []siftdb.Join{join}}, siftdb.ErrTooLarge)
			join.DataSourceID, join.On = many.ID(), pairs
			joinTFails(t, "twelve pairs", many, siftdb.Query{Joins: []siftdb.Join{join}}, siftdb.ErrTooLarge)
		}
	}
	one := siftdb.Join{Name: "J", DataSourceID: big.ID(), On: siftdb.On{"a": "a"}}
	if got := joinTShow(joinTFind(t, small, siftdb.Query{Joins: []siftdb.Join{one}})); got != "small[wide] fits[wide]" {
		t.Errorf("one pair gives %s", got)
	}
	fits := siftdb.Join{Name: "J", DataSourceID: small.ID(), On: siftdb.On{"a": "a", "b": "b"}}
	if got := joinTShow(joinTFind(t, small, siftdb.Query{Joins: []siftdb.Join{fits}})); got != "small[small fits] fits[small fits]" {
		t.Errorf("8,100 combinations give %s", got)
	}
	long := table(t, db, "long", `{"c":"l1","a":`+joinTList(0, 50_000)+`}`, `{"c":"l2","a":`+joinTList(49_999, 50_000)+`}`)
	one.DataSourceID = long.ID()
	if got := joinTShow(joinTFind(t, long, siftdb.Query{Joins: []siftdb.Join{one}})); got != "l1[l1 l2] l2[l1 l2]" {
		t.Errorf("long lists give %s", got)
	}
	// What matches nothing makes no combinations.
	none := table(t, db, "none", fmt.Sprintf(`{"c":"n","a":%s,"b":%s,"z":[]}`, joinTList(0, 1000), joinTList(0, 1000)))
	q := siftdb.Query{Joins: []siftdb.Join{{Name: "J", DataSourceID: none.ID(), On: siftdb.On{"a": "a", "z": "z"}, Count: true}}}
	if got := joinTShow(joinTFind(t, none, q)); got != "n=0" {
		t.Errorf("an empty list gives %s", got)
	}
}

// TestJoinQueryBytes: what a join holds is bounded, and no limit is none.
func TestJoinQueryBytes(t *testing.T) {
	rows := make([]string, 2000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"c":%d,"k":"%s%d","l":["x","y"]}`, i, strings.Repeat("key", 20), i)
	}
	for limit, kind := range map[int]error{20_000: siftdb.ErrTooLarge, 64 << 20: nil, -1: nil, 0: nil} {
		db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: limit}})
		ds := table(t, db, "t", rows...)
		for name, join := range map[string]siftdb.Join{
			"plain": {}, "required": {Required: true}, "limit": {Limit: new(1)}, "order": {Order: siftdb.Order{siftdb.Desc("k")}}, "count": {Count: true}, "required has": {Required: true, Has: true}, "sum": {Sum: "c"},
			"by id": {On: siftdb.On{"id": "id"}}, "groups": {On: siftdb.On{"l": "l"}, Limit: new(1)},
		} {
			join.Name, join.DataSourceID = name, ds.ID()
			if join.On == nil {
				join.On = siftdb.On{"k": "k"}
			}
			q := siftdb.Query{Joins: []siftdb.Join{join}}
			_, err := ds.Find(ctx, q)
			if kind != nil {
				if fails(t, name, err, kind); err != nil && !strings.Contains(err.Error(), name) {
					t.Errorf("%s: the error does not name the join: %v", name, err)
				}
			} else if err != nil {
				t.Errorf("%s under %d gives %v", name, limit, err)
			}
		}
		// An outer join holds nothing.
		if entries, err := ds.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "O", DataSourceID: ds.ID()}}}); err != nil || len(entries) != 4000 {
			t.Errorf("an outer join under %d gives %d entries, %v", limit, len(entries), err)
		}
		// Where little matches, little is held.
		q := siftdb.Query{Limit: new(5), Joins: []siftdb.Join{{Name: "J", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}}}}
		if got := must[[]*siftdb.Entry](t)(ds.Find(ctx, q)); len(got) != 5 || len(got[4].Joined("J")) != 1 {
			t.Errorf("five parents under %d get %v", limit, joinTShow(got))
		}
	}
}

// TestJoinSharedGroup: many parents of one big group share what they get.
func TestJoinSharedGroup(t *testing.T) {
	const children = 3000
	rows := make([]string, children)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"k":1,"text":"%s"}`, strings.Repeat("x", 200))
	}
	db := memoryDB(t, nil)
	kids := table(t, db, "kids", rows...)
	parents := map[int]*siftdb.DataSource{}
	for _, n := range []int{10, 2000} {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"c":%d,"k":1}`, i)
		}
		parents[n] = table(t, db, fmt.Sprint("p", n), list...)
	}
	for name, join := range map[string]siftdb.Join{"plain": {}, "required": {Required: true}, "order": {Order: siftdb.Order{siftdb.Desc("id")}}, "limit": {Limit: new(2900)}, "projected": {Attributes: []string{"k"}}} {
		join.Name, join.DataSourceID, join.On = "J", kids.ID(), siftdb.On{"k": "k"}
		used := map[int]uint64{}
		for n, ds := range parents {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			entries := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Joins: []siftdb.Join{join}}))
			runtime.ReadMemStats(&after)
			used[n] = after.TotalAlloc - before.TotalAlloc
			first, last := entries[0].Joined("J"), entries[n-1].Joined("J")
			if len(first) < 2900 || len(first) != len(last) || first[7] != last[7] {
				t.Errorf("%s: %d parents get %d and %d entries, not the same ones", name, n, len(first), len(last))
			}
		}
		t.Logf("%s: %v bytes", name, used)
		if used[2000] > 4*used[10]+8<<20 { // lists of their own would take 48 MB, entries of their own gigabytes
			t.Errorf("%s: 2,000 parents allocate %d bytes, 10 parents %d", name, used[2000], used[10])
		}
	}
}

// TestJoinOddNames: any text is a name; what leads nowhere matches nothing.
func TestJoinOddNames(t *testing.T) {
	db := memoryDB(t, nil)
	odd := []string{".", "..", ".a", "a.", "a..b", "data.", "data..", "data.data", "$where", "$", "\x00", "a\x00b", "é", "\u2028", strings.Repeat("x.", 5000) + "x", strings.Repeat("k", 1<<20), "__proto__", "constructor", "a.999999999999999999999", "a.-1", "l.00", "0", "joins", "*", "%", `"`, `\`, " ", "\t", "session.A"}
	ds := table(t, db, "t", `{"c":"x","k":"v"}`, `{"c":"y","k":"v","l":["v"],"a":{"z":"v"}}`)
	for _, name := range append(slices.Clone(odd), "\xff", "a.\xc3\x28") {
		for what, on := range map[string]siftdb.On{"parent": {name: "k"}, "child": {"k": name}, "both": {name: name}, "one of two": {"k": "k", name: "k"}} {
			joins := []siftdb.Join{{Name: "E", DataSourceID: ds.ID(), On: on}, {Name: "C", DataSourceID: ds.ID(), On: on, Count: true}}
			entries, err := ds.Find(ctx, siftdb.Query{Joins: joins})
			if err != nil || joinTShow(entries) != "x[]=0 y[]=0" {
				t.Errorf("%.20q as %s gives %v, %v", name, what, joinTShow(entries), err)
			}
		}
	}
	// As columns, they are found.
	for i, name := range odd {
		if len(name) > 1024 || strings.TrimSpace(name) == "" {
			continue
		}
		key := asJSON(t, name)
		own := table(t, db, fmt.Sprint("own", i), `{"c":"n",`+key+`:"v"}`)
		for _, on := range []siftdb.On{{"data." + name: "k"}, {"data." + name: "data.k"}} {
			q := siftdb.Query{Joins: []siftdb.Join{{Name: "J", DataSourceID: ds.ID(), On: on, Count: true}}}
			if got := joinTShow(joinTFind(t, own, q)); got != "n=2" {
				t.Errorf("the column %q as %v gives %s", name, on, got)
			}
		}
	}
}

// TestJoinMany: a thousand joins in a query, in the order in which they were asked, and
// the same name twice.
func TestJoinMany(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"c":"x","k":1}`, `{"c":"y","k":2}`)
		var body, want strings.Builder
		body.WriteString(`{"join":{`)
		for i := range 1000 {
			if i > 0 {
				body.WriteString(",")
			}
			fmt.Fprintf(&body, `"%d":{"dataSourceId":%d,"on":{"k":"k"},"where":{"k":%d},"count":true}`, i*7919%1000, ds.ID(), i%3)
			fmt.Fprintf(&want, "%d=%d ", i*7919%1000, map[bool]int{true: 1}[i%3 == 1])
		}
		body.WriteString(`}}`)
		var got strings.Builder
		for _, j := range joinTFind(t, ds, joinTBody(t, body.String()))[0].Joins {
			fmt.Fprintf(&got, "%s=%v ", j.Name, j.Value)
		}
		if got.String() != want.String() {
			t.Errorf("a thousand joins give %.200s", got.String())
		}
		join := siftdb.Join{Name: "Same", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}}
		outer := siftdb.Join{Name: "Same", DataSourceID: ds.ID()}
		joinTFails(t, "the same name twice", ds, siftdb.Query{Joins: []siftdb.Join{join, join}}, siftdb.ErrInvalidQuery)
		joinTFails(t, "an outer join of the same name", ds, siftdb.Query{Joins: []siftdb.Join{join, outer}}, siftdb.ErrInvalidQuery)
		for body, want := range map[string]string{ // the last one counts, as everywhere in JSON
			`{"join":{"S":{"dataSourceName":"nobody"},"S":{"dataSourceName":"t","on":{"k":"k"}}}}`:                               "x[x] y[y]",
			`{"join":{"S":{"dataSourceName":"t","on":{"k":"k"},"count":true,"count":false,"limit":0,"limit":5}}}`:                "x[x] y[y]",
			`{"join":{"S":{"dataSourceName":"t","on":{"k":"c","k":"k"}}}}`:                                                       "x[x] y[y]",
			`{"join":{"T":{"dataSourceName":"t","on":{"k":"k"}}},"join":{"S":{"dataSourceName":"t","on":{"k":"k"},"has":true}}}`: "x=true y=true",
		} {
			q, err := siftdb.ParseQuery([]byte(body))
			if err != nil {
				t.Errorf("%s: %v", body, err)
			} else if found, err := ds.Find(ctx, q); err != nil || joinTShow(found) != want {
				t.Errorf("%s gives %s, %v, want %s", body, joinTShow(found), err, want)
			}
		}
		join.Name = "same"
		if got := joinTShow(joinTFind(t, ds, siftdb.Query{Joins: []siftdb.Join{join, outer}})); got != "x[x] y[y] x y" {
			t.Errorf("names that differ in case give %s", got)
		}
	})
}

// joinTWrong tells which of the parents of TestJoinBatches got wrong entries; empty
// when all are right. Parent k leads to kid 7k by id, and to the kids that have its k.
func joinTWrong(entries []*siftdb.Entry, join siftdb.Join, parents, kids int) string {
	total := parents
	if join.Required && join.On["k"] != "" {
		total = min(parents, kids)
	}
	if len(entries) != total {
		return fmt.Sprintf("%d entries, not %d", len(entries), total)
	}
	for n, e := range entries {
		k := int(e.Get("k").(float64))
		want := []int{k * 7 % kids}
		if join.On["k"] != "" {
			want = nil
			for i := k; i < kids; i += parents {
				want = append(want, i)
			}
		}
		if join.Order != nil {
			slices.Reverse(want)
		}
		if join.Limit != nil {
			want = want[:min(*join.Limit, len(want))]
		}
		got := []int{}
		for _, kid := range e.Joined("J") {
			got = append(got, int(kid.Get("n").(float64)))
		}
		switch v := e.JoinValue("J").(type) {
		case nil:
			if !slices.Equal(want, got) {
				return fmt.Sprintf("entry %d of %d has %v, not %v", n+1, total, got, want)
			}
		case int64:
			if v != int64(len(want)) {
				return fmt.Sprintf("entry %d of %d counts %d, not %d", n+1, total, v, len(want))
			}
		default:
			if v != true {
				return fmt.Sprintf("entry %d of %d has %v", n+1, total, v)
			}
		}
	}
	return ""
}

// TestJoinBatches: an entry of a late batch finds what one of the first does, by every
// way to the joined entries, however the two tables relate in size; also of an old
// state, and while both tables change.
func TestJoinBatches(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for _, size := range [][2]int{{5100, 5200}, {300, 20}, {1200, 3000}, {40, 5200}} {
			rows, parents := make([]string, size[1]), make([]string, size[0])
			for i := range rows {
				rows[i] = fmt.Sprintf(`{"n":%d,"k":%d}`, i, i%size[0])
			}
			kids := table(t, db, fmt.Sprint("kids", size))
			ids := must[siftdb.BulkResult](t)(kids.Append(ctx, raws(rows...))).IDs
			for i := range parents {
				parents[i] = fmt.Sprintf(`{"k":%d,"id":%d,"g":%d}`, i, ids[i*7%len(ids)], i%5)
			}
			ds := table(t, db, fmt.Sprint("parents", size), parents...)
			extra := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"k": -1}))
			old := ds.At(extra.Changed)
			if err := ds.Remove(ctx, extra.ID); err != nil {
				t.Fatal(err)
			}
			byID, byColumn := siftdb.On{"data.id": "id"}, siftdb.On{"k": "k"}
			joins := map[string]siftdb.Join{
				"by id": {On: byID}, "by id, limit": {On: byID, Limit: new(1)}, "by id, count": {On: byID, Count: true}, "by id, required": {On: byID, Required: true, Has: true},
				"by column": {On: byColumn}, "by column, count": {On: byColumn, Count: true}, "by column, required": {On: byColumn, Required: true, Order: siftdb.Order{siftdb.Desc("n")}, Limit: new(2)},
			}
			for _, moving := range []bool{false, true} {
				for what, join := range joins {
					join.Name, join.DataSourceID = "J", kids.ID()
					for _, order := range []siftdb.Order{nil, {siftdb.Asc("g"), siftdb.Desc("k")}} {
						if moving && order != nil && join.Required {
							continue
						}
						q := siftdb.Query{Joins: []siftdb.Join{join}, Order: order}
						found := map[string][]*siftdb.Entry{}
						if moving {
							n := 0
							found["Each of an old state, under writes"] = joinTStream(t, old, q, func() {
								if n++; n%900 == 35 {
									must[*siftdb.Entry](t)(kids.UpdateEntry(ctx, ids[len(ids)-1-n%len(ids)], siftdb.M{"k": 3, "n": -7}))
									must[*siftdb.Entry](t)(kids.Insert(ctx, siftdb.M{"k": 5, "n": -8}))
									must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"k": 5}))
								}
							})
							found["Find of an old state"] = must[[]*siftdb.Entry](t)(old.Find(ctx, q))
						} else {
							found["Find"], found["Each"] = must[[]*siftdb.Entry](t)(ds.Find(ctx, q)), joinTStream(t, ds, q, func() {})
						}
						for way, entries := range found {
							if wrong := joinTWrong(entries, join, size[0], size[1]); wrong != "" {
								t.Errorf("%v, %s, order %v, %s: %s", size, what, order, way, wrong)
							}
						}
					}
				}
			}
		}
	})
}

// TestJoinAtTime is spec 6.6(4) on old states: a joined data source is read as it was
// then, also when the query's own has not changed since, or did not exist.
func TestJoinAtTime(t *testing.T) {
	clock := newClock()
	db := memoryDB(t, clock.options())
	tick := func() time.Time { clock.move(time.Minute); return clock.read().Add(-time.Second) }
	still, moving := table(t, db, "still", `{"c":"s","k":1}`), table(t, db, "moving", `{"c":"m1","k":1}`)
	one := tick()
	must[*siftdb.Entry](t)(moving.Insert(ctx, siftdb.M{"c": "m2", "k": 1}))
	two := tick()
	must[*siftdb.Entry](t)(still.Insert(ctx, siftdb.M{"c": "s2", "k": 2}))
	three := tick()
	version := versionsOf(t, still)[0].ID
	must[*siftdb.Entry](t)(moving.Insert(ctx, siftdb.M{"c": "m3", "k": 1}))
	table(t, db, "late", `{"c":"l","k":1}`)
	four := tick()
	body := `{"join":{"J":{"dataSourceName":"moving","on":{"k":"k"}},"L":{"dataSourceName":"late","on":{"k":"k"}},"O":{"dataSourceName":"moving"}},"where":{"k":1}}`
	for what, test := range map[string]struct {
		handle *siftdb.DataSource
		want   string
	}{
		"now": {still, "s[m1 m2 m3][l] m1 m2 m3"}, "one": {still.AtTime(one), "s[m1][] m1"}, "two": {still.AtTime(two), "s[m1 m2][] m1 m2"}, "three": {still.AtTime(three), "s[m1 m2][] m1 m2"}, "four": {still.AtTime(four), "s[m1 m2 m3][l] m1 m2 m3"},
		"version": {still.At(version), "s[m1 m2][] m1 m2"},
	} {
		if found, err := test.handle.Find(ctx, joinTBody(t, body)); err != nil || joinTShow(found) != test.want {
			t.Errorf("%s gives %s, %v, want %s", what, joinTShow(found), err, test.want)
		}
		docs := must[[]siftdb.Document](t)(test.handle.Aggregate(ctx, `[{"$lookup":{"from":"moving","localField":"data.k","foreignField":"data.k","as":"m"}},{"$project":{"n":{"$size":"$m"}}}]`, siftdb.Query{Where: `{"k":1}`}))
		if n := strings.Count(strings.Split(test.want, "]")[0], "m"); docs[0].Get("n") != float64(n) {
			t.Errorf("%s: $lookup finds %v, want %d", what, docs[0].Get("n"), n)
		}
	}
}

// TestJoinUnderWrites: parents and joined entries are of one commit, whatever is
// written meanwhile. The first parent tells which commit that is.
func TestJoinUnderWrites(t *testing.T) {
	for _, engine := range []string{"memory", "bolt"} {
		for kind, options := range map[string]siftdb.Options{"kept": {}, "retention": {Retention: siftdb.Retention{Versions: 1}}} {
			t.Run(engine+"/"+kind, func(t *testing.T) {
				w := joinTOpen(t, engine, 11, &options)
				for range 30 {
					w.write(10)
				}
				p := w.sources["p"]
				must[*siftdb.CommitResult](t)(p.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"w": 0, "round": 0}, Order: -100}}}))
				queries := []siftdb.Query{}
				for len(queries) < 12 {
					q := w.query()
					q.Where, q.Views, q.Order, q.Limit, q.Offset, q.Distinct, q.Attributes = nil, nil, nil, nil, 0, false, nil
					for i := range q.Joins {
						q.Joins[i].Required = false
					}
					queries = append(queries, q)
				}
				first := all(t, p)[0].ID
				states := map[float64]map[string][]*joinTRow{}
				type result struct {
					query   int
					entries []*siftdb.Entry
				}
				var mu sync.Mutex
				ended := make(chan struct{}, 1)
				var results []result
				var readers sync.WaitGroup
				done := make(chan struct{})
				for r := range 2 {
					readers.Go(func() {
						for n := r; ; n++ {
							i := n % len(queries)
							found, err := p.Find(ctx, queries[i])
							if n%2 == 0 {
								found = nil
								for e, err2 := range p.Each(ctx, queries[i]) {
									err = errors.Join(err, err2)
									found = append(found, e)
								}
							}
							if err != nil || len(found) == 0 {
								t.Errorf("%d entries, %v", len(found), err)
							} else {
								mu.Lock()
								results = append(results, result{i, found})
								mu.Unlock()
							}
							select {
							case ended <- struct{}{}:
							default:
							}
							select {
							case <-done:
								return
							default:
							}
						}
					})
				}
				for round := range 40 { // one commit of all tables
					if round%8 == 7 { // not before some reads have ended
						<-ended
						<-ended
					}
					commits := []siftdb.SourceCommit{}
					for _, name := range joinTNames {
						c := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: w.row()}}, Delete: []int64{}}
						if name == "p" {
							c.Entries = append(c.Entries, siftdb.CommitEntry{ID: first, Data: siftdb.M{"w": 0, "round": round + 1}})
						}
						rows := w.now[name]
						if victim := rows[w.rng.IntN(len(rows))].id; victim != first {
							c.Delete = append(c.Delete, victim)
						}
						commits = append(commits, siftdb.SourceCommit{DataSource: w.sources[name], Commit: c})
					}
					must[[]*siftdb.CommitResult](t)(w.db.CommitAll(ctx, commits))
					w.record(joinTNames...)
					states[float64(round+1)] = maps.Clone(w.now)
				}
				close(done)
				readers.Wait()
				checked := 0
				for i := len(results) - 1; i >= 0; i -= 1 + len(results)/80 { // the last ones saw a round
					r := results[i]
					state := states[r.entries[0].Get("round").(float64)]
					if state == nil {
						continue // from before the first round
					}
					want, _ := joinTModel(state, "p", queries[r.query])
					if diff := gocmp.Diff(want, joinTAnswer(r.entries)); diff != "" {
						t.Fatalf("%s (-model +siftdb):\n%s", asJSON(t, queries[r.query]), diff)
					}
					checked++
				}
				if checked == 0 {
					t.Error("no read was held against the model")
				}
			})
		}
	}
}

// TestJoinManyRows joins 100,000 entries with as many.
func TestJoinManyRows(t *testing.T) {
	rows := make([]any, 100_000)
	for i := range rows {
		rows[i] = json.RawMessage(fmt.Sprintf(`{"k":%d}`, i))
	}
	db := memoryDB(t, nil)
	ds := table(t, db, "t")
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	q := siftdb.Query{Joins: []siftdb.Join{{Name: "J", DataSourceID: ds.ID(), On: siftdb.On{"k": "k"}, Required: true, Count: true}}}
	n := 0
	for e, err := range ds.Each(ctx, q) {
		if err != nil || e.JoinValue("J") != int64(1) {
			t.Fatalf("%v, %v", e, err)
		}
		n++
	}
	if n != len(rows) {
		t.Errorf("%d entries", n)
	}
}
