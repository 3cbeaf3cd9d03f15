package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// streamed is a stream as the answer that Query would give.
func streamed(t *testing.T, ds *siftdb.DataSource, q siftdb.Query) (string, error) {
	t.Helper()
	s := ds.Stream(q)
	var list []string
	if q.Aggregate != nil {
		for d, err := range s.Documents(ctx) {
			if err != nil {
				return "", err
			}
			list = append(list, string(d.AppendJSON(nil)))
		}
	} else {
		for e, err := range s.Entries(ctx) {
			if err != nil {
				return "", err
			}
			if s.Pagination() != nil {
				t.Errorf("%+v: the total is told in the middle", q)
			}
			list = append(list, string(e.AppendJSON(nil)))
		}
	}
	text := `{"entries":[` + strings.Join(list, ",") + `]`
	if p := s.Pagination(); p != nil {
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		text += `,"pagination":` + string(body)
	}
	return text + "}", nil
}

// TestStreamedQuery: a stream gives what Query gives, piece by piece.
func TestStreamedQuery(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rows := make([]string, 2500)
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"n":%d,"kind":%d}`, i, i%7)
		}
		ds, _ := table(t, db, "parents", rows...), table(t, db, "kinds", `{"of":1,"name":"one"}`, `{"of":2,"name":"two"}`)
		join := []siftdb.Join{{Name: "kind", DataSourceName: "kinds", On: siftdb.On{"kind": "of"}}}
		required := []siftdb.Join{{Name: "kind", DataSourceName: "kinds", On: siftdb.On{"kind": "of"}, Required: true}}
		outer := []siftdb.Join{{Name: "all", DataSourceName: "kinds"}}
		for _, q := range []siftdb.Query{
			{}, {Where: siftdb.M{"n": siftdb.M{"$gte": 2000}}}, {Limit: new(0)}, {Limit: new(3), Offset: 2490},
			{Order: siftdb.Order{siftdb.Desc("n")}, Limit: new(1200), Offset: 100},
			{Distinct: true, Attributes: []string{"kind"}, Offset: 2, Limit: new(3)},
			{Joins: join}, {Joins: join, Limit: new(5)}, {Joins: join, Limit: new(2000), Offset: 10}, {Joins: required},
			{Joins: required, Limit: new(4), Order: siftdb.Order{siftdb.Desc("n")}}, {Joins: outer}, {Joins: outer, Limit: new(1)},
			{Aggregate: `[{"$match":{"data.n":{"$lt":2000}}}]`}, {Aggregate: `[{"$match":{}}]`, Limit: new(3), Offset: 5},
			{Aggregate: `[{"$match":{}}]`, Limit: new(0)}, {Aggregate: `[{"$match":{}}]`, Offset: 5000},
		} {
			for _, q.IncludePagination = range []bool{false, true} {
				want := string(must[[]byte](t)(must[*siftdb.Result](t)(ds.Query(ctx, q)).MarshalJSON()))
				got := must[string](t)(streamed(t, ds, q))
				if got != want {
					t.Errorf("%+v:\n%.300s\n%.300s", q, got, want)
				}
				if strings.Contains(got, "pagination") != q.IncludePagination {
					t.Errorf("%+v: %.200s", q, got[max(0, len(got)-200):])
				}
			}
		}
		for _, q := range []siftdb.Query{{Limit: new(-1)}, {Type: "delete"}, {CountOnly: true}, {Aggregate: `[{"$out":"x"}]`},
			{Aggregate: `[]`, Distinct: true}, {Joins: []siftdb.Join{{Name: "x", DataSourceName: "nowhere"}}}} {
			if _, err := streamed(t, ds, q); err == nil {
				t.Errorf("%+v is streamed", q)
			}
		}
		for _, err := range ds.Stream(siftdb.Query{}).Documents(ctx) {
			if err == nil {
				t.Error("a query without a pipeline has documents")
			}
		}
		s := ds.Stream(siftdb.Query{IncludePagination: true})
		for range s.Entries(ctx) {
			break
		}
		if s.Pagination() != nil {
			t.Error("a walk that was left has a total")
		}
	})
}

// TestCommitEach: the entries after a commit come one by one, as Commit returns them.
func TestCommitEach(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := table(t, db, "after", `{"n":1}`, `{"n":2}`)
		commit := siftdb.Commit{Append: new(true), ReturnEntries: true, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": 3}, ClientID: "c"}}}
		var got []string
		result := must[*siftdb.CommitResult](t)(ds.CommitEach(ctx, commit, func(e *siftdb.Entry) error {
			if len(got) == 0 { // nothing is held up, and what comes later is not seen
				if _, err := ds.Insert(ctx, siftdb.M{"n": 4}); err != nil {
					return err
				}
			}
			got = append(got, string(e.JSON()))
			return nil
		}))
		if text := strings.Join(got, ""); text != `{"n":1}{"n":2}{"n":3}` || result.Entries != nil || len(result.ClientIDs) != 1 {
			t.Errorf("%s, %+v", text, result)
		}
		full := errors.New("no more")
		result, err := ds.CommitEach(ctx, commit, func(*siftdb.Entry) error { return full })
		if result == nil || result.Version == 0 || !errors.Is(err, full) || len(all(t, ds)) != 5 {
			t.Errorf("an error of the caller's: %+v, %v", result, err)
		}
		commit.ReturnEntries = false
		if _, err := ds.CommitEach(ctx, commit, func(*siftdb.Entry) error { return full }); err != nil {
			t.Error(err)
		}
		if result, err = ds.CommitEach(ctx, siftdb.Commit{}, func(*siftdb.Entry) error { return full }); result != nil || !isInvalid(err) {
			t.Errorf("a commit that is refused: %+v, %v", result, err)
		}
	})
}
