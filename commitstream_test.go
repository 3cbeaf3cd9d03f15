package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// randomCommit makes a commit body, often of new entries only.
func randomCommit(rng *rand.Rand, ids []int64) string {
	var members []string
	for i := range rng.IntN(60) {
		text := `"data": ` + strings.NewReplacer("dataSourceId", "own").Replace(randomRows(rng, 1)[0])
		if rng.IntN(3) == 0 {
			text += fmt.Sprintf(`, "clientId": "c%d"`, i)
		}
		if rng.IntN(80) == 0 {
			text += `, "order": 1.50`
		}
		if len(ids) > 0 && rng.IntN(80) == 0 {
			text += fmt.Sprintf(`, "id": %d`, ids[rng.IntN(len(ids))])
		}
		members = append(members, "{"+text+"}")
	}
	body := `{"entries": [` + strings.Join(members, ",") + `], "source": "a label"`
	switch rng.IntN(6) {
	case 0, 1, 2:
		body += `, "append": true`
	case 3:
		body += `, "append": false`
	case 4:
		body += `, "delete": []`
	}
	if rng.IntN(4) == 0 {
		body += `, "columns": ["z", "c3", "c1", "z", " "]`
	}
	if len(ids) > 1 && rng.IntN(10) == 0 {
		body += fmt.Sprintf(`, "delete": [%d, "%d", %d]`, ids[1], ids[0], ids[1])
	}
	return body + fmt.Sprintf(`, "extend": %v, "returnEntries": %v}`, rng.IntN(2) == 0, rng.IntN(2) == 0)
}

// TestCommitIsOne: a commit that is read from a stream, and stored in several transactions,
// does what Commit does.
func TestCommitIsOne(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		rng := rand.New(rand.NewPCG(3, 4))
		open := func(name string, parts bool) *siftdb.DB {
			other := fileDB(t, filepath.Join(t.TempDir(), name), newClock().options())
			if strings.Contains(t.Name(), "memory") { // where every transaction runs twice
				other = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, storagetest.Twice(memory.New()), newClock().options()))
				checked(t, other)
			}
			if parts {
				siftdb.StageAt(other, 300, 200, 40)
			}
			return other
		}
		plain, parts := open("a", false), open("b", true)
		one, other := table(t, plain, "t", `{"c1":0}`), table(t, parts, "t", `{"c1":0}`)
		for round := range 60 {
			body := randomCommit(rng, entryIDs(t, one))
			c := must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(body)))
			want, failed := one.Commit(ctx, c)
			read := must[*siftdb.CommitBody](t)(other.ReadCommit(strings.NewReader(body), nil))
			if read.ReturnEntries() != c.ReturnEntries {
				t.Errorf("round %d: returnEntries is %v", round, read.ReturnEntries())
			}
			var entries []*siftdb.Entry
			got, err := read.Apply(ctx, func(e *siftdb.Entry) error {
				entries = append(entries, e)
				return nil
			})
			if (failed == nil) != (err == nil) {
				t.Fatalf("round %d: %v, %v", round, failed, err)
			}
			if err != nil {
				continue
			}
			got.Entries = entries
			if entries == nil && want.Entries != nil {
				got.Entries = []*siftdb.Entry{}
			}
			if diff := cmp.Diff(string(must[[]byte](t)(want.MarshalJSON())), string(must[[]byte](t)(got.MarshalJSON()))); diff != "" {
				t.Fatalf("round %d: %s\n%s", round, diff, body)
			}
			if len(want.Inserted) != len(got.Inserted) || want.Version != got.Version {
				t.Fatalf("round %d: %d ids, %d", round, len(want.Inserted), len(got.Inserted))
			}
			if diff := cmp.Diff(append(described(t, one), labels(t, one)...), append(described(t, other), labels(t, other)...)); diff != "" {
				t.Fatalf("round %d: %s\n%s", round, diff, body)
			}
		}
		if siftdb.Unswept(parts) || siftdb.Staged(parts) {
			t.Error("something is left behind")
		}
	})
}

// labels are the labels of the versions.
func labels(t *testing.T, ds *siftdb.DataSource) (list []string) {
	for _, v := range versionsOf(t, ds) {
		list = append(list, v.Source)
	}
	return list
}

// TestCommitBodyRefused: what is wrong with a large commit is told, and nothing is stored.
func TestCommitBodyRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		siftdb.StageAt(db, 300, 200, 40)
		ds := table(t, db, "t", `{"n":1}`)
		members := strings.Repeat(`{"data":{"n":2}},`, 50)
		for _, text := range []string{
			`{"entries":[` + members + `{"data":5}]}`, `{"entries":[` + members + `{"data":{"n":1e}}]}`, `{"entries":[` + members + `5]}`,
			`{"entries":[` + members + `{"data":` + strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat(`}`, 200) + `}]}`,
		} {
			if _, err := ds.ReadCommit(strings.NewReader(text), nil); !isInvalid(err) || !strings.Contains(err.Error(), "row 50") {
				t.Errorf("%.60s: %v", text[len(text)-60:], err)
			}
		}
		whole := `{"entries":[` + members + `{"data":{}}],"append":true,"returnEntries":false}`
		if _, err := must[*siftdb.CommitBody](t)(ds.ReadCommit(strings.NewReader(whole), nil)).Apply(ctx, nil, siftdb.IfChanged(1)); !isInvalid(err) {
			t.Errorf("a condition: %v", err)
		}
		old := ds.AtTime(newClock().options().Now())
		if _, err := must[*siftdb.CommitBody](t)(old.ReadCommit(strings.NewReader(whole), nil)).Apply(ctx, nil); !errors.Is(err, siftdb.ErrReadOnly) {
			t.Errorf("an old state: %v", err)
		}
		if n := len(all(t, ds)); n != 1 || siftdb.Staged(db) {
			t.Errorf("%d entries are there", n)
		}
		body := must[*siftdb.CommitBody](t)(ds.ReadCommit(strings.NewReader(strings.Replace(whole, `false}`, `true}`, 1)), json.RawMessage(`{"append":false}`)))
		full := errors.New("no more")
		if result, err := body.Apply(ctx, func(*siftdb.Entry) error { return full }); result == nil || !errors.Is(err, full) || len(result.Inserted) != 51 {
			t.Errorf("a caller who ends it: %v, %v", result, err)
		}
		if n := len(all(t, ds)); n != 52 {
			t.Errorf("%d entries are there", n)
		}
	})
}
