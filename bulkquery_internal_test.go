package siftdb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/storage/memory"
)

// TestForeseenMatches holds the matches of an UpdateWhere that were found before its
// transaction against those that the transaction finds itself, with writes of others between
// them, and without.
func TestForeseenMatches(t *testing.T) {
	ctx := context.Background()
	for name, between := range map[string]func(ds *DataSource, ids []int64) error{
		"nothing": func(*DataSource, []int64) error { return nil },
		"an insert that matches": func(ds *DataSource, _ []int64) error {
			_, err := ds.Insert(ctx, M{"n": 4, "s": "x"})
			return err
		},
		"an insert that does not": func(ds *DataSource, _ []int64) error {
			_, err := ds.Insert(ctx, M{"n": 5})
			return err
		},
		"an update that makes one match": func(ds *DataSource, ids []int64) error {
			_, err := ds.UpdateEntry(ctx, ids[0], M{"n": 4})
			return err
		},
		"an update that makes one not match": func(ds *DataSource, ids []int64) error {
			_, err := ds.UpdateEntry(ctx, ids[4], M{"n": 5})
			return err
		},
		"a delete": func(ds *DataSource, ids []int64) error { return ds.Remove(ctx, ids[4]) },
		"a new column": func(ds *DataSource, ids []int64) error {
			_, err := ds.UpdateEntry(ctx, ids[1], M{"fresh": 1})
			return err
		},
		"a replacement of everything": func(ds *DataSource, _ []int64) error {
			_, err := ds.ReplaceWith(ctx, []any{M{"n": 4}})
			return err
		},
	} {
		db, err := OpenStorage(ctx, memory.New(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := db.Create(ctx, DataSourceSpec{Name: "t"})
		if err != nil {
			t.Fatal(err)
		}
		rows := make([]any, 100)
		for i := range rows {
			rows[i] = json.RawMessage(fmt.Sprintf(`{"n":%d}`, i%7))
		}
		result, err := ds.Append(ctx, rows)
		if err != nil {
			t.Fatal(err)
		}
		q := Query{Where: M{"n": 4}}
		c, err := q.compile(false)
		if err != nil {
			t.Fatal(err)
		}
		u := &updateWhere{ds: ds, c: c}
		eval, err := u.foresee(ctx)
		if err != nil || eval == nil || len(eval.ids) == 0 {
			t.Fatalf("%s: %v, %v", name, eval, err)
		}
		if err := between(ds, result.IDs); err != nil {
			t.Fatal(err)
		}
		_, err = db.write(ctx, nil, func(tx *tx) error {
			st, err := tx.source(ds.id, false)
			if err != nil {
				return err
			}
			got, err := u.concerned(st, eval)
			if err != nil {
				return err
			}
			want, err := st.selectIDs(c, nil, nil)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v are concerned instead of %v", name, got, want)
			}
			if name == "nothing" && &got[0] != &eval.ids[0] {
				t.Error("what was found before the transaction was not used")
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if report, err := db.Check(ctx); err != nil || report.Err() != nil {
			t.Errorf("%s: %v, %v", name, report.Err(), err)
		}
		db.Close()
	}
}
