package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
		rows := randomRows(rng, 2500+rng.IntN(4000))
		if seed%2 == 0 { // all names in the first row, as most lists have them
			rows[0] = `{"c0":0,"c1":1,"c2":2,"c3":3,"c4":4,"c5":5,"c6":6,"c7":7,"c8":8,"c9":9,"c10":10,"c11":11}`
			for i := range rows {
				rows[i] = strings.ReplaceAll(rows[i], `"rare`, `"c11":[],"c1`)
			}
		}
		var seen [2][]string
		for k, list := range [][]any{jsonTexts(rows), opaques(rows)} {
			db := fileDB(t, filepath.Join(t.TempDir(), "db"), newClock().options())
			if seed%3 > 0 {
				siftdb.StageAt(db, 1<<15, 1<<13, 100)
			}
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t"}))
			must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(`{"c5":1}`)))
			if result := must[siftdb.BulkResult](t)(ds.Append(ctx, list)); len(result.IDs) != len(rows) {
				t.Fatalf("%d ids for %d rows", len(result.IDs), len(rows))
			}
			must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, list))
			seen[k] = described(t, ds)
		}
		if diff := cmp.Diff(seen[1], seen[0]); diff != "" {
			t.Fatalf("seed %d: rows encoded on several cores differ (- from those encoded one by one):\n%.2000s", seed, diff)
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
			if want := fmt.Sprintf("row %d: ", bad[0]); !errors.Is(err, siftdb.ErrInvalidInput) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("bad rows %v, staged %v: %v", bad, staged, err)
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
