package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestFindAll is spec 2.1(1) and 4.2(4): every live entry, by order and then by id.
func TestFindAll(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t")
		if got := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{})); got == nil || len(got) != 0 {
			t.Errorf("an empty table gives %v", got)
		}
		c := siftdb.Commit{Entries: []siftdb.CommitEntry{}}
		for i, order := range []any{nil, 2, json.Number("-0.5"), 0.0, json.Number("1e400"), json.Number("-1e400"), json.Number("2.0"), -7, 1.5, json.Number("1e-400")} {
			c.Entries = append(c.Entries, siftdb.CommitEntry{Data: siftdb.M{"i": i}, Order: order})
		}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, c))
		want := `{"i":5} {"i":7} {"i":2} {"i":0} {"i":3} {"i":9} {"i":8} {"i":1} {"i":6} {"i":4}`
		if got := find(t, ds, `{}`); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := find(t, ds, `{"where":{"i":{"$gte":0}},"offset":2,"limit":5}`); got != `{"i":2} {"i":0} {"i":3} {"i":9} {"i":8}` {
			t.Errorf("a page in the middle: %s", got)
		}
	})
}

// TestFindOne is spec 2.1(2) and (3).
func TestFindOne(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds, other := table(t, db, "t", `{"n":1}`, `{"n":2}`, `{"n":3}`), table(t, db, "other", `{"n":4}`)
		for body, want := range map[string]string{`{}`: `{"n":1}`, `{"where":{"n":{"$gt":1}}}`: `{"n":2}`, `{"order":[["n","DESC"]]}`: `{"n":3}`,
			`{"offset":1,"limit":3}`: `{"n":2}`, `{"where":{"n":9}}`: "", `{"limit":0}`: "", `{"offset":3}`: ""} {
			q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
			got := ""
			if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, q)); e != nil {
				got = string(e.JSON())
			}
			if got != want {
				t.Errorf("%s gives %q, want %q", body, got, want)
			}
		}
		foreign := entryIDs(t, other)[0]
		for _, id := range []int64{foreign, 0, -1, 999, 1 << 62} {
			e := fails(t, fmt.Sprint("entry ", id), func() error { _, err := ds.FindByID(ctx, id); return err }(), siftdb.ErrNotFound)
			if e.DataSourceID != ds.ID() || e.EntryID != id {
				t.Errorf("the error names %d and %d", e.DataSourceID, e.EntryID)
			}
		}
		if e, err := other.FindByID(ctx, foreign); err != nil || e.Get("n") != 4.0 || e.DataSourceID != other.ID() {
			t.Errorf("got %v, %v", e, err)
		}
	})
}

// TestAttributeForms is spec 4.1.
func TestAttributeForms(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"Name":"Bob","Age":1.10,"a":{"b":{"c":1,"d":2},"e":3},"a.b":"whole","id":"column","data":"d","x":{"y":{"z":1,"w":2},"l":[{"z":3,"w":4}]}}`, `{"Name":"Eve"}`)
		for attributes, want := range map[string]string{
			`null`:               `{"Name":"Bob","Age":1.10,"a":{"b":{"c":1,"d":2},"e":3},"a.b":"whole","id":"column","data":"d","x":{"y":{"z":1,"w":2},"l":[{"z":3,"w":4}]}} {"Name":"Eve"}`,
			`[]`:                 `{} {}`,
			`["Name"]`:           `{"Name":"Bob"} {"Name":"Eve"}`,
			`["data.Name"]`:      `{"Name":"Bob"} {"Name":"Eve"}`,
			`["Age","Name"]`:     `{"Name":"Bob","Age":1.10} {"Name":"Eve"}`,
			`"Age,Name"`:         `{"Name":"Bob","Age":1.10} {"Name":"Eve"}`,
			`"Age, data.Name"`:   `{"Name":"Bob","Age":1.10} {"Name":"Eve"}`,
			`["data.a.e"]`:       `{"a":{"e":3}} {}`,
			`["data.a.b.c"]`:     `{} {}`, // the longest column name first, spec 3.5(5)
			`["data.x.y.z"]`:     `{"x":{"y":{"z":1}}} {}`,
			`["x.y.z","x.y.w"]`:  `{"x":{"y":{"z":1,"w":2}}} {}`,
			`["a.b"]`:            `{"a.b":"whole"} {}`,
			`["data.a.b"]`:       `{"a.b":"whole"} {}`,
			`["id"]`:             `{"id":"column"} {}`,
			`["order","Name"]`:   `{"Name":"Bob"} {"Name":"Eve"}`,
			`["createdAt"]`:      `{} {}`,
			`["name","unknown"]`: `{} {}`,
		} {
			if got := find(t, ds, `{"attributes":`+attributes+`}`); got != want {
				t.Errorf("attributes %s give\n%s, want\n%s", attributes, got, want)
			}
		}
		full := all(t, ds)[0]
		for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Attributes: []string{}, Limit: new(1)})) {
			if e.ID != full.ID || e.DataSourceID != full.DataSourceID || !e.CreatedAt.Equal(full.CreatedAt) || e.Changed != full.Changed {
				t.Errorf("entry fields are limited too: %s", asJSON(t, e))
			}
		}
		// Attributes do not limit what the rest of the query uses.
		if got := find(t, ds, `{"attributes":["Age"],"where":{"Name":{"$in":["Bob","Eve"]}},"order":[["Name","DESC"]]}`); got != `{} {"Age":1.10}` {
			t.Errorf("got %s", got)
		}
	})
}

// TestOrderOfValues is spec 4.2.
func TestOrderOfValues(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		// In ascending order, ties side by side; "t" tells who is who.
		values := []string{`-1e400`, `-3`, `0`, `-0`, `1.10`, `2`, `10`, `1e400`, `""`, `"10"`, `"9"`, `"A"`, `"a"`, `"Ab"`, `"aB"`, `"ab"`, `"B"`, `"é"`, `"😀"`,
			`{}`, `{"a":1}`, `{"a":1,"b":0}`, `{"a":2}`, `{"b":1}`, `[]`, `[1]`, `[1,0]`, `[2]`, `["a"]`, `[[]]`, `[true]`, `false`, `true`, `null`, ``}
		rows := make([]string, len(values))
		for i, v := range values {
			if rows[i] = fmt.Sprintf(`{"t":%d,"v":%s}`, i, v); v == "" {
				rows[i] = fmt.Sprintf(`{"t":%d}`, i)
			}
		}
		forward, backward := table(t, db, "forward", rows...), table(t, db, "backward")
		slices.Reverse(rows)
		must[siftdb.BulkResult](t)(backward.Append(ctx, raws(rows...)))
		ranks := func(ds *siftdb.DataSource, dir string) (out []int) {
			for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Order: siftdb.Order{{Name: "v", Desc: dir == "DESC"}}})) {
				out = append(out, int(e.Get("t").(float64)))
			}
			return out
		}
		swap := func(list []int, a, b int) []int {
			list = slices.Clone(list)
			list[a], list[b] = list[b], list[a]
			return list
		}
		var asc []int
		for i := range values {
			asc = append(asc, i)
		}
		last := len(values) - 1
		desc := slices.Clone(asc)
		slices.Reverse(desc) // null and absent come first, ties by id ascending
		checks := []struct {
			what string
			want []int
			got  []int
		}{
			{"ascending", asc, ranks(forward, "ASC")},
			{"ascending, entered backwards", swap(swap(asc, 2, 3), last-1, last), ranks(backward, "ASC")},
			{"descending", swap(swap(desc, last-2, last-3), 0, 1), ranks(forward, "DESC")},
			{"descending, entered backwards", desc, ranks(backward, "DESC")},
		}
		for _, c := range checks {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("%s: %s", c.what, diff)
			}
		}
	})
}

// TestOrderForms: names, pairs, directions and entry fields of spec 4.2.
func TestOrderForms(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1,"s":"b","id":9,"o":{"x":3},"DESC":2}`, `{"n":2,"s":"a","id":8,"o":{"x":1},"DESC":3}`, `{"n":3,"s":"a","id":7,"o":{"x":2},"DESC":1}`)
		ids := entryIDs(t, ds)
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: ids[2], Data: siftdb.M{}, Order: -1}}}))
		for order, want := range map[string]string{
			`[]`: "312", `null`: "312", `[["n"]]`: "123", `["n"]`: "123", `[["n","ASC"]]`: "123", `[["n","desc"]]`: "321", `["n","DESC"]`: "321", `["n","Asc"]`: "123",
			`[["data.n","DESC"]]`: "321", `[["s","ASC"],["n","DESC"]]`: "321", `[["s","ASC"]]`: "231", `[["s","DESC"]]`: "123", `["s","n"]`: "231", `["s",["n","DESC"]]`: "321",
			`[["id","DESC"]]`: "321", `[["data.id","DESC"]]`: "123", `[["data.id","ASC"]]`: "321", `[["order","ASC"]]`: "312", `[["order","DESC"]]`: "123",
			`[["createdAt","DESC"],["n","DESC"]]`: "321", `[["deletedAt","ASC"]]`: "123", `[["dataSourceId","DESC"]]`: "123", `[["data.o.x","ASC"]]`: "231",
			`[["o.x","ASC"]]`: "231", `[["unknown","DESC"]]`: "123", `[["N","ASC"]]`: "123", `["n",["DESC","ASC"]]`: "123", `[["n",null]]`: "123",
		} {
			got := strings.NewReplacer(`{"n":`, "", "}", "", " ", "").Replace(find(t, ds, `{"attributes":["n"],"order":`+order+`}`))
			if got != want {
				t.Errorf("order %s gives %s, want %s", order, got, want)
			}
		}
		for _, order := range []string{`{}`, `1`, `[1]`, `[[]]`, `[["n",1]]`, `[["n","UP"]]`, `[["n","ASC","x"]]`, `[[1,"ASC"]]`, `[["n",""]]`, `true`} {
			_, err := siftdb.ParseQuery([]byte(`{"order":` + order + `}`))
			if e := fails(t, order, err, siftdb.ErrInvalidQuery); !strings.HasPrefix(e.Path, "order") {
				t.Errorf("order %s is refused at %q", order, e.Path)
			}
		}
	})
}

// TestPages is spec 4.3 and 4.4: pages of any order tile the whole, totals count
// what matches.
func TestPages(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 300)
		for _, q := range []siftdb.Query{{}, {Where: `{"even":true}`}, {Order: siftdb.Order{siftdb.Asc("mod")}}, {Where: `{"mod":{"$lt":3}}`, Order: siftdb.Order{siftdb.Desc("even")}},
			{Attributes: []string{"mod"}, Distinct: true}, {Attributes: []string{"mod", "even"}, Distinct: true, Order: siftdb.Order{siftdb.Desc("mod")}}} {
			whole := describeEntries(must[[]*siftdb.Entry](t)(ds.Find(ctx, q)))
			for _, size := range []int{1, 7, 299, 1000} {
				var got []string
				for offset := 0; offset <= len(whole); offset += size {
					p := q
					p.Limit, p.Offset, p.IncludePagination = new(size), offset, true
					r := must[*siftdb.Result](t)(ds.Query(ctx, p))
					got = append(got, describeEntries(r.Entries)...)
					want := fmt.Sprintf(`{"total":%d,"limit":%d,"offset":%d}`, len(whole), size, offset)
					if text := asJSON(t, r.Pagination); text != want {
						t.Fatalf("%+v: pagination %s, want %s", p, text, want)
					}
				}
				if diff := cmp.Diff(whole, got); diff != "" {
					t.Errorf("%+v in pages of %d: %s", q, size, diff)
				}
			}
			for _, p := range []siftdb.Query{{Limit: new(0)}, {Offset: 300}, {Offset: math.MaxInt}, {Limit: new(5), Offset: math.MaxInt}, {Limit: new(math.MaxInt), Offset: math.MaxInt}} {
				p.Where, p.Order, p.Attributes, p.Distinct, p.IncludePagination = q.Where, q.Order, q.Attributes, q.Distinct, true
				r := must[*siftdb.Result](t)(ds.Query(ctx, p))
				if len(r.Entries) != 0 || r.Pagination.Total != int64(len(whole)) {
					t.Errorf("%+v gives %d entries of %d", p, len(r.Entries), r.Pagination.Total)
				}
			}
		}
		r := must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Where: `{"n":1e9}`, IncludePagination: true}))
		if got := asJSON(t, r); got != `{"entries":[],"pagination":{"total":0,"limit":null,"offset":0}}` {
			t.Errorf("no match gives %s", got)
		}
		for _, q := range []siftdb.Query{{Limit: new(-1)}, {Offset: -1}, {Type: "delete"}, {Type: "insert"}, {Where: `{"a":{"$foo":1}}`}, {Where: 5}, {Where: `[]`}, {Where: `{`}} {
			for what, err := range map[string]error{
				"Find":    func() error { _, err := ds.Find(ctx, q); return err }(),
				"FindOne": func() error { _, err := ds.FindOne(ctx, q); return err }(),
				"Each":    eachError(ds.Each(ctx, q)),
			} {
				fails(t, fmt.Sprintf("%s %+v", what, q), err, siftdb.ErrInvalidQuery)
			}
		}
	})
}

// eachError runs a stream to its end and returns its error.
func eachError[T any](stream func(func(T, error) bool)) (err error) {
	stream(func(_ T, e error) bool {
		err = e
		return true
	})
	return err
}

// TestDistinct is spec 4.7: deeply equal data, after attributes, before offset and
// limit.
func TestDistinct(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"a":1,"b":{"x":1,"y":[1.0]}}`, `{"b":{"y":[1],"x":1.0},"a":1e0}`, `{"a":"1","b":null}`, `{"a":1}`, `{"a":"1"}`, `{"a":null,"b":0}`, `{"b":-0.0}`, `{"a":true}`, `{"a":1}`)
		for body, want := range map[string]string{
			`{"distinct":true}`:                                                               `{"a":1,"b":{"x":1,"y":[1.0]}} {"a":"1","b":null} {"a":1} {"a":"1"} {"a":null,"b":0} {"b":-0.0} {"a":true}`,
			`{"distinct":true,"attributes":["a"]}`:                                            `{"a":1} {"a":"1"} {"a":null} {} {"a":true}`,
			`{"distinct":true,"attributes":["a"],"offset":1,"limit":2}`:                       `{"a":"1"} {"a":null}`,
			`{"distinct":true,"attributes":["b"],"order":[["b","DESC"]]}`:                     `{"b":null} {} {"b":{"x":1,"y":[1.0]}} {"b":0}`,
			`{"distinct":true,"attributes":["a"],"where":{"a":true},"limit":2}`:               `{"a":1} {"a":"1"}`, // loosely true
			`{"distinct":true,"attributes":[]}`:                                               `{}`,
			`{"distinct":true,"attributes":["a"],"order":[["a","ASC"]],"offset":2,"limit":5}`: `{"a":true} {"a":null} {}`,
			`{"distinct":false,"attributes":[],"limit":3}`:                                    `{} {} {}`,
		} {
			if got := find(t, ds, body); got != want {
				t.Errorf("%s gives\n%s, want\n%s", body, got, want)
			}
		}
	})
}

// TestEachEndsEarly: a stream can be left, starts anew each time, and ends with the
// context's error.
func TestEachEndsEarly(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 5000)
		for _, q := range []siftdb.Query{{}, {Order: siftdb.Order{siftdb.Desc("n")}}, {Where: `{"mod":{"$gte":1}}`}} {
			stream := ds.Each(ctx, q)
			for range 2 {
				n := 0
				for _, err := range stream {
					if err != nil {
						t.Fatal(err)
					}
					if n++; n == 40 {
						break
					}
				}
				if n != 40 {
					t.Errorf("%d entries", n)
				}
			}
			whole := len(must[[]*siftdb.Entry](t)(ds.Find(ctx, q)))
			cancelled, cancel := context.WithCancel(ctx)
			n := 0
			var failed error
			for e, err := range ds.Each(cancelled, q) {
				if failed != nil {
					t.Fatal("the stream goes on after an error")
				}
				if failed = err; err != nil {
					if e != nil {
						t.Error("an error comes with an entry")
					}
					continue
				}
				if n++; n == 10 {
					cancel()
				}
			}
			if !errors.Is(failed, context.Canceled) || n < 10 || n > 1500 || n == whole {
				t.Errorf("%+v: cancelled after %d of %d entries: %v", q, n, whole, failed)
			}
			cancel()
		}
	})
}

// TestReadsSeeOneSnapshot is spec 2.1(5), for a page and its total.
func TestReadsSeeOneSnapshot(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1}`)
		done := make(chan error)
		go func() {
			for i := range 200 {
				// The whole table is replaced by i%7+1 rows that all say so.
				rows := make([]any, i%7+1)
				for j := range rows {
					rows[j] = siftdb.M{"n": len(rows)}
				}
				if _, err := ds.ReplaceWith(ctx, rows); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for reading := true; reading; {
			select {
			case err := <-done:
				if reading = false; err != nil {
					t.Fatal(err)
				}
			default:
			}
			r := must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Where: `{"n":{"$gt":0}}`, IncludePagination: true, Order: siftdb.Order{siftdb.Desc("n")}}))
			for _, e := range r.Entries {
				if int64(len(r.Entries)) != r.Pagination.Total || e.Get("n") != float64(len(r.Entries)) {
					t.Fatalf("a read saw %s and a total of %d", texts(r.Entries), r.Pagination.Total)
				}
			}
			if len(r.Entries) == 0 {
				t.Fatal("a read saw an empty table")
			}
		}
	})
}

// TestEachHoldsFew: whoever streams large entries holds few of them at a time.
func TestEachHoldsFew(t *testing.T) {
	db := memoryDB(t, nil)
	large := table(t, db, "Large")
	for i := range 100 {
		must[*siftdb.Entry](t)(large.Insert(ctx, siftdb.M{"x": strings.Repeat("x", 1<<20), "n": i}))
	}
	for _, q := range []siftdb.Query{{}, {Order: siftdb.Order{siftdb.Desc("n")}}} {
		before, n := heap(), 0
		for _, err := range large.Each(ctx, q) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%20 != 0 {
				continue
			}
			if grown := heap() - before; grown > 16<<20 {
				t.Errorf("after %d entries %d MiB are held", n, grown>>20)
			}
		}
		if n != 100 {
			t.Errorf("%d entries", n)
		}
	}
}

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
