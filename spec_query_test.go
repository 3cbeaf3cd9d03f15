package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/query"
)

// sample is a table with every kind of value, one an entry, whose id is 1 to 15.
func sample(t testing.TB, db *siftdb.DB) *siftdb.DataSource {
	return table(t, db, "sample",
		`{"v":5,"g":"a"}`, `{"v":"10","g":"b"}`, `{"v":"Apple","g":"a"}`, `{"v":"apple","g":"b"}`, `{"v":"banana","g":"a"}`,
		`{"v":{"k":1},"g":"b"}`, `{"v":[1,2],"g":"a"}`, `{"v":true,"g":"b"}`, `{"v":false,"g":"a"}`, `{"v":null,"g":"b"}`,
		`{"g":"a"}`, `{"v":-1.5,"g":"b","n":{"x":1,"y":{"z":2}},"id":99}`, `{"v":"É","g":"a","Approx. cost":3}`, `{"v":[1],"g":"b"}`, `{"v":"","g":"a"}`)
}

// ids runs a query body and returns the ids of its entries.
func ids(t testing.TB, ds *siftdb.DataSource, body string) string {
	t.Helper()
	result := must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))))
	out := []string{}
	for _, e := range result.Entries {
		out = append(out, fmt.Sprint(e.ID))
	}
	return strings.Join(out, " ")
}

// TestOrder is spec 4.2: forms, names, the order of unlike values, ties by id.
func TestOrder(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := sample(t, db)
		ascending := "12 1 15 2 3 4 5 13 6 14 7 9 8 10 11"
		descending := "10 11 8 9 7 14 6 13 5 4 3 2 15 1 12"
		for body, want := range map[string]string{
			`{"order":[["v","ASC"]]}`:                                    ascending,
			`{"order":["v"]}`:                                            ascending,
			`{"order":[["data.v","asc"]]}`:                               ascending,
			`{"order":["v","DESC"]}`:                                     descending,
			`{"order":[["v","desc"]]}`:                                   descending,
			`{"order":[["g","DESC"],["id","DESC"]],"limit":3}`:           "14 12 10",
			`{"order":[["g","ASC"],["v","DESC"]],"limit":4}`:             "11 9 7 13",
			`{"order":[["id","DESC"]],"limit":2}`:                        "15 14",
			`{"order":[["data.id","ASC"]],"limit":2}`:                    "12 1",
			`{"order":[["n.y.z","ASC"]],"limit":2}`:                      "12 1",
			`{"order":[["unknown","ASC"]],"offset":13}`:                  "14 15",
			`{"order":[["createdAt","DESC"],["order","ASC"]],"limit":2}`: "1 2",
			`{"order":[],"limit":2}`:                                     "1 2",
			`{"order":null,"limit":1}`:                                   "1",
		} {
			if got := ids(t, ds, body); got != want {
				t.Errorf("%s gives %s, want %s", body, got, want)
			}
		}
	})
}

// TestPaging is spec 4.3 and 4.4.
func TestPaging(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := sample(t, db)
		for body, want := range map[string]string{
			`{"where":{"g":"a"},"limit":2,"offset":1,"includePagination":true}`:                      `"pagination":{"total":8,"limit":2,"offset":1}`,
			`{"where":{"g":"a"},"includePagination":true}`:                                           `"pagination":{"total":8,"limit":null,"offset":0}`,
			`{"includePagination":true,"limit":0}`:                                                   `{"entries":[],"pagination":{"total":15,"limit":0,"offset":0}}`,
			`{"includePagination":true,"offset":100}`:                                                `{"entries":[],"pagination":{"total":15,"limit":null,"offset":100}}`,
			`{"where":{"g":"b"},"order":["v"],"limit":1,"includePagination":true}`:                   `"pagination":{"total":7,"limit":1,"offset":0}`,
			`{"attributes":["g"],"distinct":true,"limit":1,"includePagination":true}`:                `"pagination":{"total":2,"limit":1,"offset":0}`,
			`{"attributes":["g"],"distinct":true,"limit":1,"order":["id"],"includePagination":true}`: `"pagination":{"total":2,"limit":1,"offset":0}`,
		} {
			result := must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))))
			if got := string(must[[]byte](t)(json.Marshal(result))); !strings.Contains(got, want) {
				t.Errorf("%s gives %s, want %s", body, got, want)
			}
		}
		if got := ids(t, ds, `{"limit":3,"offset":13}`); got != "14 15" {
			t.Errorf("the last page is %s", got)
		}
	})
}

// TestAttributes is spec 4.1, TestDistinct 4.7.
func TestAttributes(t *testing.T) {
	db := memoryDB(t, nil)
	ds := sample(t, db)
	one := func(body string) string {
		q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
		return strings.Join(texts(must[*siftdb.Result](t)(ds.Query(ctx, q)).Entries), " ")
	}
	for body, want := range map[string]string{
		`{"where":{"data.id":99},"attributes":["g"]}`:                          `{"g":"b"}`,
		`{"where":{"data.id":99},"attributes":["id","data.n.y"]}`:              `{"n":{"y":{"z":2}},"id":99}`,
		`{"where":{"data.id":99},"attributes":"g, v"}`:                         `{"v":-1.5,"g":"b"}`,
		`{"where":{"data.id":99},"attributes":[]}`:                             `{}`,
		`{"where":{"data.id":99},"attributes":["createdAt","nope"]}`:           `{}`,
		`{"where":{"Approx. cost":3},"attributes":["Approx. cost"]}`:           `{"Approx. cost":3}`,
		`{"where":{"data.Approx. cost":3},"attributes":["data.Approx. cost"]}`: `{"Approx. cost":3}`,
		`{"attributes":["g"],"distinct":true}`:                                 `{"g":"a"} {"g":"b"}`,
		`{"attributes":["g"],"distinct":true,"offset":1}`:                      `{"g":"b"}`,
		`{"attributes":["g"],"distinct":true,"order":[["id","DESC"]]}`:         `{"g":"a"} {"g":"b"}`,
	} {
		if got := one(body); got != want {
			t.Errorf("%s gives %s, want %s", body, got, want)
		}
	}
	e := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Attributes: []string{}, Limit: new(1)}))[0]
	if e.ID == 0 || e.DataSourceID != ds.ID() || e.CreatedAt.IsZero() {
		t.Errorf("attributes dropped entry fields: %+v", e)
	}
}

// TestEntryFields is spec 3.5: what a key addresses.
func TestEntryFields(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		plain := table(t, db, "plain", `{"n":1}`, `{"n":2}`, `{"n":3}`)
		first := entryIDs(t, plain)[0]
		for where, want := range map[string]int64{
			fmt.Sprintf(`{"id":%d}`, first): 1, `{"id":{"$mod":[1,0]}}`: 3, fmt.Sprintf(`{"dataSourceId":%d}`, plain.ID()): 3,
			`{"createdAt":{"$gte":"2018-03-20"}}`: 3, `{"updatedAt":{"$lt":"2018-03-20"}}`: 0, `{"order":0}`: 3, `{"deletedAt":null}`: 3,
			`{"data.id":1}`: 0, `{"data":{"n":2}}`: 1, `{"data.n":{"$gte":2}}`: 2, `{"$or":[{"id":1},{"$and":[{"data.n":3}]}]}`: 0,
			`{"$not":{"order":0}}`: 0,
		} {
			if strings.Contains(where, `"$or"`) {
				want = 1
				if first == 1 {
					want = 2
				}
			}
			if n := must[int64](t)(plain.Count(ctx, siftdb.Query{Where: where})); n != want {
				t.Errorf("%s counts %d, want %d", where, n, want)
			}
		}
		named := table(t, db, "named", `{"id":"mine","createdAt":"x"}`, `{"other":1}`)
		for where, want := range map[string]int64{`{"id":"mine"}`: 1, `{"createdAt":"x"}`: 1, `{"id":{"$exists":true}}`: 1, `{"updatedAt":{"$exists":true}}`: 2} {
			if n := must[int64](t)(named.Count(ctx, siftdb.Query{Where: where})); n != want {
				t.Errorf("%s counts %d, want %d", where, n, want)
			}
		}
	})
}

// TestCount is spec 4.5.
func TestCount(t *testing.T) {
	db := memoryDB(t, nil)
	ds := sample(t, db)
	result := must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"where":{"g":"a"},"countOnly":true,"limit":1,"offset":5,"order":["v"],"attributes":[],"includePagination":true}`)))))
	if got := string(must[[]byte](t)(json.Marshal(result))); got != fmt.Sprintf(`{"count":8,"dataSourceId":%d}`, ds.ID()) {
		t.Errorf("the response is %s", got)
	}
	for _, where := range []string{`{"v":5}`, `{"v":[1]}`, `{"v":{"$eq":5}}`, `{"v":{"$ne":5}}`, `{"v":{"$gt":1,"$gte":1,"$lt":9,"$lte":9}}`, `{"v":{"$in":[1,"a",null]}}`, `{"v":{"$nin":[1]}}`,
		`{"v":{"$like":"a"}}`, `{"v":{"$iLike":"a"}}`, `{"v":{"$exists":true}}`, `{"$and":[{"v":1},{"$or":[{"g":"a"}]},{"$nor":[{"g":"b"}]}]}`, `{"v":{"$not":{"$gt":1}}}`, `{"n.y.z":2}`,
		`{"$filters":[{"column":"g","condition":"contains","value":"a"}]}`, `{}`} {
		strict, err := ds.Count(ctx, siftdb.Query{Where: where, StrictCount: true})
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if n := len(must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: where}))); int64(n) != strict {
			t.Errorf("%s counts %d and finds %d", where, strict, n)
		}
	}
	for where, operator := range map[string]string{`{"v":{"$regex":"a"}}`: "$regex", `{"v":{"$elemMatch":{"$gt":1}}}`: "$elemMatch", `{"v":{"$all":[1]}}`: "$all", `{"v":{"$size":1}}`: "$size",
		`{"v":{"$type":"string"}}`: "$type", `{"$or":[{"v":{"$mod":[2,0]}}]}`: "$mod", `{"v":{"$match":1}}`: "$match", `{"n":{"x":1}}`: "x", `{"v":{"$in":[{"$gt":1}]}}`: "$in",
		`{"$filters":[{"column":"g","condition":"regex","value":"a"}]}`: "regex"} {
		if _, err := ds.Count(ctx, siftdb.Query{Where: where, StrictCount: true}); !isInvalidQuery(err) || !strings.Contains(err.Error(), operator) {
			t.Errorf("%s gives %v, which should name %s", where, err, operator)
		}
		if _, err := ds.Count(ctx, siftdb.Query{Where: where}); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestDeleteQuery is spec 4.6.
func TestDeleteQuery(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := sample(t, db)
		for _, body := range []string{`{"type":"delete"}`, `{"type":"delete","where":{},"distinct":true}`, `{"type":"delete","where":{},"countOnly":true}`,
			`{"type":"delete","where":{},"includePagination":true}`, `{"type":"insert","where":{}}`, `{"type":"update"}`, `{"type":"DELETE","where":{}}`} {
			if _, err := ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))); !isInvalidQuery(err) {
				t.Errorf("%s gives %v", body, err)
			}
		}
		want := ids(t, ds, `{"where":{"g":"a"},"order":[["v","DESC"]],"limit":2,"offset":1}`)
		result := must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"type":"delete","where":{"g":"a"},"order":[["v","DESC"]],"limit":2,"offset":1}`)))))
		if got := string(must[[]byte](t)(json.Marshal(result))); got != `{"deletedCount":2}` {
			t.Errorf("the response is %s", got)
		}
		var gone []string
		for c, err := range ds.Diff(ctx, result.Version, siftdb.Now) {
			if err != nil || !c.Deleted() {
				t.Fatal(c, err)
			}
			gone = append(gone, fmt.Sprint(c.ID()))
		}
		if len(gone) != 2 || !strings.Contains(want, gone[0]) || !strings.Contains(want, gone[1]) {
			t.Errorf("%v were deleted, the select gives %s", gone, want)
		}
		none := must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"g":"zz"}`}))
		if *none.DeletedCount != 0 || none.Version != 0 {
			t.Errorf("no match gives %+v", none)
		}
		rest := must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{}}))
		if *rest.DeletedCount != 13 || len(all(t, ds)) != 0 {
			t.Errorf("an empty where deleted %d", *rest.DeletedCount)
		}
	})
}

// TestParseQueryTypes: a known key of the wrong type is refused, an unknown one
// ignored.
func TestParseQueryTypes(t *testing.T) {
	for _, body := range []string{``, `1`, `[]`, `{"type":1}`, `{"where":[]}`, `{"where":"x"}`, `{"where":null}`, `{"attributes":1}`, `{"attributes":[1]}`, `{"distinct":"yes"}`,
		`{"order":{"v":1}}`, `{"order":[["v","UP"]]}`, `{"order":[[1,"ASC"]]}`, `{"limit":-1}`, `{"limit":1.5}`, `{"limit":"5"}`, `{"limit":1e300}`, `{"offset":-1}`, `{"offset":true}`,
		`{"includePagination":1}`, `{"countOnly":"true"}`, `{"view":1}`, `{"views":[1]}`, `{"views":{}}`, `{"join":[]}`, `{"join":{"a":1}}`, `{"aggregate":{}}`, `{"limit":1`, `{"limit":1} x`} {
		if _, err := siftdb.ParseQuery([]byte(body)); !isInvalidQuery(err) {
			t.Errorf("%s gives %v", body, err)
		}
	}
	q, err := siftdb.ParseQuery([]byte(`{"_tags":{},"limit":null,"offset":3.0,"attributes":null,"type":"select","foo":[1]}`))
	if err != nil || q.Limit != nil || q.Offset != 3 || q.Attributes != nil {
		t.Errorf("got %+v, %v", q, err)
	}
}

// TestStream: a stream may be left, is ended by its context, and reports bad
// queries.
func TestStream(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := numbered(t, db, 3000)
		n := 0
		for range ds.Each(ctx, siftdb.Query{}) {
			if n++; n == 50 {
				break
			}
		}
		cancelled, cancel := context.WithCancel(ctx)
		defer cancel()
		n = 0
		var last error
		for _, err := range ds.Each(cancelled, siftdb.Query{}) {
			if n++; n == 100 {
				cancel()
			}
			last = err
		}
		if !errors.Is(last, context.Canceled) || n >= 3000 {
			t.Errorf("a cancelled stream ended with %v after %d entries", last, n)
		}
		for e, err := range ds.Each(ctx, siftdb.Query{Where: `{"a":{"$nope":1}}`}) {
			if e != nil || !isInvalidQuery(err) {
				t.Errorf("a bad query streams %v, %v", e, err)
			}
		}
		if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, siftdb.Query{Where: `{"n":-5}`})); e != nil {
			t.Errorf("nothing is found as %v", e)
		}
		if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, siftdb.Query{Where: `{"n":7}`, Limit: new(10)})); e == nil || e.Get("n") != 7.0 {
			t.Errorf("found %v", e)
		}
		if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: `{"n":{"$gt":100}}`, Dialect: query.Strict})); n != 2899 {
			t.Errorf("the strict dialect counts %d", n)
		}
	})
}

// TestUpdateWhere: the function is called again when its entries change under it.
func TestUpdateWhere(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1,"x":"a"}`, `{"n":2}`, `{"n":3}`)
		id := entryIDs(t, ds)[0]
		calls := 0
		n, err := ds.UpdateWhere(ctx, `{"n":1}`, siftdb.Patch{Set: siftdb.M{"s": true}, Unset: []string{"x"}, Func: func(e *siftdb.Entry) (any, error) {
			if calls++; calls == 1 {
				must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"other": "kept"}))
			}
			return siftdb.M{"n": e.Get("n").(float64) + 10}, nil
		}})
		if err != nil || n != 1 || calls != 2 {
			t.Errorf("%d changed in %d calls, %v", n, calls, err)
		}
		if got := string(all(t, ds)[0].JSON()); got != `{"n":11,"other":"kept","s":true}` {
			t.Errorf("the entry is %s", got)
		}
		calls = 0
		before := texts(all(t, ds))
		_, err = ds.UpdateWhere(ctx, `{"n":{"$gte":2}}`, siftdb.Patch{Func: func(e *siftdb.Entry) (any, error) {
			calls++
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 100}))
			return siftdb.M{"n": 0}, nil
		}})
		if !isConflict(err) {
			t.Errorf("an update that is always overtaken gives %v after %d calls", err, calls)
		}
		must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":100}`}))
		if diff := cmp.Diff(before, texts(all(t, ds))); diff != "" {
			t.Errorf("a conflict changed something: %s", diff)
		}
		broken := errors.New("no")
		if _, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) { return nil, broken }}); !errors.Is(err, broken) {
			t.Errorf("the function's error becomes %v", err)
		}
		if _, err := ds.UpdateWhere(ctx, nil, siftdb.Patch{Set: siftdb.M{"n": 0}}); !isInvalidQuery(err) {
			t.Errorf("no where gives %v", err)
		}
		if _, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: 5}); !isInvalid(err) {
			t.Errorf("a patch that is no object gives %v", err)
		}
		unrelated := 0
		n, err = ds.UpdateWhere(ctx, `{"n":2}`, siftdb.Patch{Func: func(*siftdb.Entry) (any, error) {
			unrelated++
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 50, "unheard": 1}))
			return siftdb.M{"n": 20, "unheard of": 1}, nil
		}})
		if err != nil || n != 1 || unrelated != 1 {
			t.Errorf("a write elsewhere made it %d calls, %d changes, %v", unrelated, n, err)
		}
	})
}
