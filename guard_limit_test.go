package siftdb_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// TestGuardKeyLimit: the limit of keys does not tell how many columns are hidden, on any
// way of updating.
func TestGuardKeyLimit(t *testing.T) {
	const limit = 30
	hook := `[{"type":"operations","runOn":["beforeSave"],"payload":{"v0":["trim"]}}]`
	append1 := func(extend bool, run ...siftdb.EventKind) func(ds *siftdb.DataSource, data siftdb.M) error {
		return func(ds *siftdb.DataSource, data siftdb.M) error {
			if !extend {
				data["v0"], data["v1"] = 1, 1
			}
			_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: extend, RunHooks: run, Entries: []siftdb.CommitEntry{{ID: 1, Data: data}}})
			return err
		}
	}
	update := func(ds *siftdb.DataSource, data siftdb.M) error { _, err := ds.UpdateEntry(ctx, 1, data); return err }
	files := func(ds *siftdb.DataSource, data siftdb.M) error {
		parts := []siftdb.Part{{Name: "v0", FileName: "a.txt", Content: strings.NewReader("x")}}
		for _, c := range slices.Sorted(maps.Keys(data)) {
			parts = append(parts, siftdb.Part{Name: c, Text: "x"})
		}
		_, err := ds.UpdateWithFiles(ctx, 1, siftdb.FormOf(parts...))
		return err
	}
	for name, c := range map[string]struct {
		hooks string
		call  func(ds *siftdb.DataSource, data siftdb.M) error
	}{
		"update": {`[]`, update}, "update with hooks": {hook, update}, "files": {`[]`, files}, "files with hooks": {hook, files},
		"commit": {`[]`, append1(true)}, "replace": {`[]`, append1(false)},
		"commit with hooks": {hook, append1(true, siftdb.UpdateEvent)}, "replace with hooks": {hook, append1(false, siftdb.UpdateEvent)},
	} {
		refused := 0
		for more := 1; more <= limit; more++ {
			var told []string
			for _, hidden := range []int{0, 7, limit - 2} {
				db := memoryDB(t, &siftdb.Options{Media: media.Memory(), Limits: siftdb.Limits{Keys: limit}})
				row, exclude := siftdb.M{"v0": 1, "v1": 1}, []string{}
				for i := range limit {
					exclude = append(exclude, fmt.Sprint("h", i))
				}
				for _, h := range exclude[:hidden] {
					row[h] = 1
				}
				rules := `[{"type":["select","update"],"allow":"all","exclude":` + guardTJSON(exclude) + `}]`
				ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Hooks: json.RawMessage(c.hooks), AccessRules: json.RawMessage(rules), Entries: []any{row}}))
				data := siftdb.M{}
				for i := range more {
					data[fmt.Sprint("w", i)] = 1
				}
				err := c.call(ds.As(guardTUser(siftdb.M{})), data)
				told = append(told, guardTError(err))
				if err == nil {
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"v1": "trusted"})) // it does not grow
					full := siftdb.M{}
					for i := range limit - 1 {
						full[fmt.Sprint("x", i)] = 1
					}
					if _, err := ds.UpdateEntry(ctx, 1, full); !isInvalid(err) {
						t.Errorf("%s: trusted code goes beyond the limit: %v", name, err)
					}
				}
			}
			if told[0] != told[1] || told[0] != told[2] {
				t.Errorf("%s of %d: %q", name, more, told)
			}
			if told[0] != "" {
				refused++
			}
		}
		if refused == 0 || refused == limit {
			t.Errorf("%s: %d of %d are refused", name, refused, limit)
		}
	}
}

// TestGuardKeyLimitBlind: who writes what it cannot read goes no further than twice the limit.
func TestGuardKeyLimitBlind(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{Keys: 10}})
	ds := guardTSource(t, db, "t", `[{"type":"update","allow":"all"}]`, `{}`, `{"A":1}`)
	bob := ds.As(guardTUser(siftdb.M{}))
	var err error
	for i := 0; err == nil && i < 30; i++ {
		_, err = bob.UpdateEntry(ctx, 1, siftdb.M{fmt.Sprint("k", i): i})
	}
	if n := len(must[*siftdb.Entry](t)(ds.FindByID(ctx, 1)).Map()); !isInvalid(err) || n != 20 {
		t.Errorf("an entry of %d keys: %v", n, err)
	}
}
