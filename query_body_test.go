package siftdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestParseQuery is the table of spec 4: keys, types and defaults.
func TestParseQuery(t *testing.T) {
	q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"type":"select","where":{"b":1.10,"a":{"$gt":2}},"attributes":["a"],"distinct":true,"order":[["a","desc"],"b"],
		"limit":5.0,"offset":2e0,"includePagination":true,"countOnly":false,"_tags":[1],"unknown":{"a":1},"Where":3,"hooks":null}`)))
	want := siftdb.Query{Type: "select", Where: json.RawMessage(`{"b":1.10,"a":{"$gt":2}}`), Attributes: []string{"a"}, Distinct: true,
		Order: siftdb.Order{siftdb.Desc("a"), siftdb.Asc("b")}, Limit: new(5), Offset: 2, IncludePagination: true}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(siftdb.Query{}, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(` {"limit":null,"offset":null,"order":null,"attributes":null,"type":null,"distinct":null} `)))); diff != "" {
		t.Errorf("null is not the default: %s", diff)
	}
	wrong := map[string][]string{
		"type":              {`1`, `true`, `[]`, `{}`},
		"where":             {`null`, `1`, `"{}"`, `[]`, `true`},
		"attributes":        {`1`, `{}`, `[1]`, `[null]`, `[["a"]]`, `true`},
		"distinct":          {`1`, `"true"`, `[]`, `{}`},
		"order":             {`1`, `{}`, `[[1]]`, `[["a","sideways"]]`},
		"limit":             {`-1`, `1.5`, `"5"`, `true`, `[]`, `1e300`, `1e400`},
		"offset":            {`-1`, `0.1`, `"5"`, `false`, `{}`},
		"includePagination": {`1`, `"yes"`},
		"countOnly":         {`0`, `"true"`, `[]`},
	}
	for key, values := range wrong {
		for _, v := range values {
			body := fmt.Sprintf(`{"where":{},"%s":%s}`, key, v)
			if key == "where" {
				body = `{"where":` + v + `}`
			}
			_, err := siftdb.ParseQuery([]byte(body))
			if e := fails(t, body, err, siftdb.ErrInvalidQuery); !strings.HasPrefix(e.Path, key) || !strings.Contains(e.Error(), key) {
				t.Errorf("%s: the fault is at %q: %v", body, e.Path, err)
			}
			var q siftdb.Query
			fails(t, body, json.Unmarshal([]byte(body), &q), siftdb.ErrInvalidQuery)
		}
	}
	for _, body := range []string{``, `null`, `[]`, `1`, `{`, `{"where":{}} x`, "{\"where\":{\"a\":\"\xff\"}}", `{"limit":1,}`, `{"where":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}}`} {
		_, err := siftdb.ParseQuery([]byte(body))
		fails(t, fmt.Sprintf("%.20s", body), err, siftdb.ErrInvalidQuery)
	}
}

// TestBadWhere: a malformed where is refused wherever one is taken, with the place
// of the fault, and nothing is read or changed.
func TestBadWhere(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"a":1}`)
	version := versionsOf(t, ds)[0].ID
	before := portrait(t, db)
	for where, path := range map[string]string{
		`{"a":{"$foo":1}}`:                 "$foo",
		`{"$bar":[]}`:                      "$bar",
		`{"a":{"b":{"$gte":1,"$nope":2}}}`: "$nope",
		`{"$and":{"a":1}}`:                 "$and",
		`{"$or":{}}`:                       "$or",
		`{"$nor":1}`:                       "$nor",
		`{"$filters":[1]}`:                 "$filters",
		`{"a":{"$regex":"("}}`:             "$regex",
		`{"$where":"1"}`:                   "$where",
		`{"$filters":{}}`:                  "$filters",
		`{"$filters":[{"column":"a","condition":"x"}]}`: "$filters",
	} {
		for what, err := range map[string]error{
			"Find":           func() error { _, err := ds.Find(ctx, siftdb.Query{Where: where}); return err }(),
			"Each":           eachError(ds.Each(ctx, siftdb.Query{Where: where})),
			"Count":          func() error { _, err := ds.Count(ctx, siftdb.Query{Where: where}); return err }(),
			"Query":          func() error { _, err := ds.Query(ctx, siftdb.Query{Where: where}); return err }(),
			"delete":         func() error { _, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: where}); return err }(),
			"Cursor":         func() error { _, err := ds.Cursor(ctx, siftdb.Query{Where: where}); return err }(),
			"UpdateWhere":    func() error { _, err := ds.UpdateWhere(ctx, where, siftdb.Patch{Set: siftdb.M{"a": 2}}); return err }(),
			"VersionEntries": func() error { _, err := ds.VersionEntries(ctx, version, siftdb.VersionQuery{Where: where}); return err }(),
		} {
			if e := fails(t, what+" "+where, err, siftdb.ErrInvalidQuery); !strings.Contains(e.Path+e.Message, path) {
				t.Errorf("%s %s: the fault is at %q: %v", what, where, e.Path, err)
			}
		}
	}
	if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
		t.Errorf("bad queries changed something: %s", diff)
	}
}

// TestCountOnly is spec 4.5: what it answers, which operators it takes, and that it
// names the one that it refuses.
func TestCountOnly(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "t", `{"n":1,"s":"Ann","o":{"x":1},"l":[1,2]}`, `{"n":2,"s":"bob"}`, `{"n":3,"s":"ANNA","o":{"x":2}}`)
		allowed := []string{`{}`, `{"n":1}`, `{"n":[1,2]}`, `{"l":[1,2]}`, `{"n":{"$eq":1}}`, `{"n":{"$ne":1}}`, `{"n":{"$gt":1}}`, `{"n":{"$gte":2}}`, `{"n":{"$lt":2}}`, `{"n":{"$lte":1}}`,
			`{"n":{"$in":[1,3]}}`, `{"n":{"$nin":[1]}}`, `{"s":{"$like":"A%"}}`, `{"s":{"$iLike":"a%"}}`, `{"o":{"$exists":true}}`, `{"$and":[{"n":1},{"s":"Ann"}]}`,
			`{"$or":[{"n":1},{"n":2}]}`, `{"$nor":[{"n":1}]}`, `{"n":{"$not":{"$gt":1}}}`, `{"$not":{"n":1}}`, `{"o.x":1}`, `{"o.x":{"$gte":1}}`, `{"id":{"$gte":1}}`, `{"n":null}`,
			`{"$filters":[{"column":"s","condition":"contains","value":"an"}]}`, `{"$filters":[{"column":"n","condition":">","value":1}],"n":{"$lt":3}}`}
		for _, where := range allowed {
			want := len(must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: where})))
			q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"countOnly":true,"limit":1,"offset":2,"order":[["n","DESC"]],"attributes":[],"includePagination":true,"where":` + where + `}`)))
			r, err := ds.Query(ctx, q)
			if err != nil {
				t.Errorf("%s gives %v", where, err)
				continue
			}
			if got := asJSON(t, r); got != fmt.Sprintf(`{"count":%d,"dataSourceId":%d}`, want, ds.ID()) {
				t.Errorf("%s counts %s, a select finds %d", where, got, want)
			}
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where, StrictCount: true, Limit: new(1), Offset: 2})); n != int64(want) {
				t.Errorf("%s: Count gives %d, a select %d", where, n, want)
			}
		}
		refused := map[string]string{`{"s":{"$regex":"a"}}`: "$regex", `{"l":{"$elemMatch":{"$gt":1}}}`: "$elemMatch", `{"l":{"$all":[1]}}`: "$all", `{"l":{"$size":2}}`: "$size",
			`{"n":{"$type":"number"}}`: "$type", `{"n":{"$mod":[2,0]}}`: "$mod", `{"o":{"$match":{"x":1}}}`: "$match", `{"o":{"x":1}}`: "o", `{"n":{"$in":[{"$gt":1}]}}`: "$in",
			`{"$and":[{"n":1},{"$or":[{"s":{"$regex":"a"}}]}]}`: "$regex", `{"n":{"$not":{"$mod":[2,0]}}}`: "$mod", `{"$nor":[{"l":{"$size":1}}]}`: "$size",
			`{"$filters":[{"column":"s","condition":"regex","value":"a"}]}`: "regex", `{"o.x":{"$mod":[2,1]}}`: "$mod", `{"n":{"$in":[[1]]}}`: "$in"}
		for where, operator := range refused {
			_, err := ds.Query(ctx, siftdb.Query{Where: where, CountOnly: true})
			if e := fails(t, "countOnly "+where, err, siftdb.ErrInvalidQuery); !strings.Contains(e.Message, operator) {
				t.Errorf("%s: the message does not name %s: %v", where, operator, err)
			}
			_, err = ds.Count(ctx, siftdb.Query{Where: where, StrictCount: true})
			fails(t, "strict count "+where, err, siftdb.ErrInvalidQuery)
			want := len(must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: where})))
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where})); n != int64(want) {
				t.Errorf("%s: Count gives %d, a select %d", where, n, want)
			}
		}
		for _, q := range []siftdb.Query{{CountOnly: true, Distinct: true}, {CountOnly: true, Type: "delete", Where: `{}`}, {Type: "insert"}, {Type: "update"}, {Type: "SELECT"}} {
			_, err := ds.Query(ctx, q)
			fails(t, fmt.Sprintf("%+v", q), err, siftdb.ErrInvalidQuery)
		}
		_, err := ds.Count(ctx, siftdb.Query{Distinct: true})
		fails(t, "a distinct count", err, siftdb.ErrInvalidQuery)
	})
}

// TestSelectBody is spec 4.8.
func TestSelectBody(t *testing.T) {
	_, options := stopped()
	ds := table(t, memoryDB(t, options), "t", `{"n":1}`, `{"n":2}`)
	entry := `{"id":%d,"data":{"n":%d},"order":0,"createdAt":"2026-02-03T04:05:06.007Z","updatedAt":"2026-02-03T04:05:06.007Z","deletedAt":null,"dataSourceId":1}`
	for body, want := range map[string]string{
		`{}`:                                `{"entries":[` + fmt.Sprintf(entry+","+entry, 1, 1, 2, 2) + `]}`,
		`{"type":"select","where":{"n":3}}`: `{"entries":[]}`,
		`{"limit":1,"offset":1,"includePagination":true}`: `{"entries":[` + fmt.Sprintf(entry, 2, 2) + `],"pagination":{"total":2,"limit":1,"offset":1}}`,
		`{"countOnly":true,"where":{"n":2}}`:              `{"count":1,"dataSourceId":1}`,
		`{"type":"delete","where":{"n":7}}`:               `{"deletedCount":0}`,
	} {
		if diff := cmp.Diff(want, asJSON(t, must[*siftdb.Result](t)(ds.Query(ctx, must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body))))))); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// TestDeleteQueryRules is spec 4.6: it removes what the same select would return.
func TestDeleteQueryRules(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for i, body := range []string{`{"where":{}}`, `{"where":{"even":true}}`, `{"where":{},"limit":7}`, `{"where":{},"offset":95}`, `{"where":{"mod":{"$gte":2}},"limit":10,"offset":3}`,
			`{"where":{},"order":[["mod","DESC"]],"limit":9,"offset":2}`, `{"where":{"even":false},"order":[["n","DESC"]]}`, `{"where":{},"limit":0}`, `{"where":{},"offset":1000}`,
			`{"where":{"n":-5}}`, `{"where":{},"attributes":["n"],"order":[["even"]],"limit":3}`} {
			ds := numbered(t, db, 100)
			q := must[siftdb.Query](t)(siftdb.ParseQuery([]byte(body)))
			selected := map[int64]bool{}
			for _, e := range must[[]*siftdb.Entry](t)(ds.Find(ctx, q)) {
				selected[e.ID] = true
			}
			var want []int64
			for _, id := range entryIDs(t, ds) {
				if !selected[id] {
					want = append(want, id)
				}
			}
			versions := len(versionsOf(t, ds))
			q.Type = "delete"
			r := must[*siftdb.Result](t)(ds.Query(ctx, q, siftdb.WithSource("clean")))
			if got := asJSON(t, r); got != fmt.Sprintf(`{"deletedCount":%d}`, len(selected)) || r.Entries != nil {
				t.Errorf("%s gives %s, a select %d", body, got, len(selected))
			}
			if diff := cmp.Diff(want, entryIDs(t, ds)); diff != "" {
				t.Errorf("%s leaves %s", body, diff)
			}
			list := versionsOf(t, ds)
			if left := len(list) - versions; left != min(len(selected), 1) {
				t.Errorf("%s left %d versions", body, left)
			}
			if len(selected) > 0 && (list[0].ID != r.Version || list[0].Action != "query" || list[0].Source != "clean" || list[0].Deleted != int64(len(selected)) || list[0].Count != 100) {
				t.Errorf("%s left %+v, says %d", body, list[0], r.Version)
			}
			if len(selected) == 0 && r.Version != 0 {
				t.Errorf("%d: nothing deleted, version %d", i, r.Version)
			}
		}
		ds := table(t, db, "t", `{"n":1}`)
		before := portrait(t, db)
		for _, q := range []siftdb.Query{{}, {Limit: new(1)}, {Where: `{}`, Distinct: true}, {Where: `{}`, CountOnly: true}, {Where: `{}`, IncludePagination: true}, {Where: `{}`, Limit: new(-1)}, {Where: `{}`, Offset: -1},
			// Nothing is deleted by omission: a where that was never set is none.
			{Where: siftdb.M(nil)}, {Where: siftdb.D(nil)}, {Where: json.RawMessage(nil)}, {Where: []byte(nil)}, {Where: ""}, {Where: map[string]any(nil)}, {Where: `null`}} {
			q.Type = "delete"
			_, err := ds.Query(ctx, q)
			fails(t, fmt.Sprintf("delete %#v", q), err, siftdb.ErrInvalidQuery)
		}
		for _, where := range []any{nil, siftdb.M(nil), siftdb.D(nil), json.RawMessage(nil), ""} {
			_, err := ds.UpdateWhere(ctx, where, siftdb.Patch{Set: siftdb.M{"n": 2}})
			fails(t, fmt.Sprintf("update %#v", where), err, siftdb.ErrInvalidQuery)
		}
		if diff := cmp.Diff(before, portrait(t, db)); diff != "" {
			t.Errorf("refused deletes changed something: %s", diff)
		}
	})
}
