package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestAppendOnAllCores appends lists of rows that are encoded on several cores, in one
// transaction and in several, and holds what comes of them against the same rows encoded one
// after the other.
func TestAppendOnAllCores(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rows := randomRows(rng, 2500+rng.IntN(4000)+int(seed/5*9000))
		if seed%2 == 0 { // all names in the first row, as most lists have them
			rows[0] = `{"c0":0,"c1":1,"c2":2,"c3":3,"c4":4,"c5":5,"c6":6,"c7":7,"c8":8,"c9":9,"c10":10,"c11":11}`
			for i := range rows {
				rows[i] = strings.ReplaceAll(rows[i], `"rare`, `"c11":[],"c1`)
			}
		}
		var seen [3][]string
		for k := range seen {
			db := fileDB(t, filepath.Join(t.TempDir(), "db"), newClock().options())
			if seed%3 > 0 {
				siftdb.StageAt(db, 1<<15, 1<<13, 100)
			}
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t"}))
			must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"c5":1}`)))
			var result siftdb.BulkResult
			switch k {
			case 0:
				result = must[siftdb.BulkResult](t)(ds.Append(ctx, opaques(rows)))
				must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, opaques(rows)))
			case 1:
				result = must[siftdb.BulkResult](t)(ds.Append(ctx, jsonTexts(rows)))
				must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, jsonTexts(rows)))
			default:
				result = must[siftdb.BulkResult](t)(ds.AppendSeq(ctx, passing(rows)))
				must[siftdb.BulkResult](t)(ds.ReplaceWithSeq(ctx, passing(rows)))
			}
			if len(result.IDs) != len(rows) {
				t.Fatalf("%d ids for %d rows", len(result.IDs), len(rows))
			}
			seen[k] = described(t, ds)
		}
		for k, how := range map[int]string{1: "in a list", 2: "in a sequence"} {
			if diff := cmp.Diff(seen[0], seen[k]); diff != "" {
				t.Fatalf("seed %d: rows %s, encoded on several cores, differ (- from those encoded one by one):\n%.2000s", seed, how, diff)
			}
		}
	}
}

// passing yields rows in memory that the next row overwrites, and now and then one that is no
// text.
func passing(rows []string) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		var room []byte
		for i, row := range rows {
			clear(room)
			room = append(room[:0], row...)
			var value any = json.RawMessage(room)
			if i%3000 == 2999 {
				value = opaque(row)
			}
			if !yield(value, nil) {
				return
			}
		}
	}
}

// jsonTexts are rows that are encoded on several cores.
func jsonTexts(rows []string) []any {
	list := make([]any, len(rows))
	for i, row := range rows {
		if list[i] = json.RawMessage(row); i%2 == 0 {
			list[i] = []byte(row)
		}
	}
	return list
}

// opaque is a row of text that only its own code can read, so it is encoded by the caller's
// goroutine.
type opaque string

func (o opaque) MarshalJSON() ([]byte, error) { return []byte(o), nil }

func opaques(rows []string) []any {
	list := make([]any, len(rows))
	for i, row := range rows {
		list[i] = opaque(row)
	}
	return list
}

// TestAppendOnAllCoresFails has rows that cannot be read among those that are encoded on
// several cores: the error names the first of them, and nothing is left.
func TestAppendOnAllCoresFails(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	}
	for _, bad := range [][]int{{0}, {1, 5}, {2600, 2601, 5900}, {5999}} {
		for _, staged := range []bool{false, true} {
			db := fileDB(t, filepath.Join(t.TempDir(), "db"), nil)
			if staged {
				siftdb.StageAt(db, 1<<15, 1<<13, 100)
			}
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t"}))
			must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"a":1}`)))
			before := described(t, ds)
			list := make([]any, 6000)
			for i := range list {
				list[i] = json.RawMessage(fmt.Sprintf(`{"a":%d,"b%d":"x"}`, i, i/1000))
			}
			for _, i := range bad {
				list[i] = json.RawMessage(`{"a":`)
			}
			_, err := ds.Append(ctx, list)
			_, ofSequence := ds.AppendSeq(ctx, func(yield func(any, error) bool) {
				for _, row := range list {
					if !yield(row, nil) {
						return
					}
				}
				yield(nil, errors.New("what comes after the rows"))
			})
			for _, err := range []error{err, ofSequence} {
				if want := fmt.Sprintf("row %d: ", bad[0]); !errors.Is(err, siftdb.ErrInvalidInput) || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("bad rows %v, staged %v: %v", bad, staged, err)
				}
			}
			if siftdb.Staged(db) {
				t.Errorf("bad rows %v, staged %v: something is left behind", bad, staged)
			}
			if diff := cmp.Diff(before, described(t, ds)); diff != "" {
				t.Errorf("bad rows %v, staged %v: the data source has changed:\n%s", bad, staged, diff)
			}
			must[siftdb.BulkResult](t)(ds.Append(ctx, list[:bad[0]]))
		}
	}
}
