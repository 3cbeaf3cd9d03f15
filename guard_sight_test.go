package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

func guardTData(t testing.TB, ds *siftdb.DataSource, id int64) string {
	t.Helper()
	return string(must[*siftdb.Entry](t)(ds.FindByID(ctx, id)).JSON())
}

func guardTReplace(t testing.TB, ds *siftdb.DataSource, id int64, data string) *siftdb.CommitResult {
	t.Helper()
	return must[*siftdb.CommitResult](t)(ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: id, Data: json.RawMessage(data)}}}))
}

// guardTRowRules shows Secret of open entries alone.
const guardTRowRules = `[{"type":"select","allow":"all","require":[{"Kind":{"equals":"open"}}]},{"type":["select"],"allow":"all","exclude":["Secret"]},{"type":"update","allow":"all"}]`

// TestGuardReplaceSees: a commit that replaces data keeps what a select by id of that
// entry would not show, and nothing else.
func TestGuardReplaceSees(t *testing.T) {
	ds, bob := guardTOwned(t, nil, guardTRowRules, `{}`, `{"Kind":"open","Secret":"a","Note":"n"}`, `{"Kind":"shut","Secret":"b","Note":"n"}`)
	guardTReplace(t, bob, 1, `{"Kind":"open"}`)
	guardTReplace(t, bob, 2, `{"Kind":"shut"}`)
	guardTExpect(t, "the entry that shows everything", guardTData(t, ds, 1), `{"Kind":"open"}`)
	guardTExpect(t, "the entry with a hidden column", guardTData(t, ds, 2), `{"Secret":"b","Kind":"shut"}`)
	if r := guardTReplace(t, bob, 2, `{"Kind":"shut"}`); r.Version != 0 {
		t.Error("what is seen, sent back, is a change")
	}

	ds, bob = guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type == security.Select && c.Query[0].Field("id").Float() == 2 {
			return `{"granted":true,"exclude":["Secret"]}`, nil
		}
		return guardTGrant, nil
	}, guardTByScript, `{}`, `{"A":0,"B":1,"Secret":"a"}`, `{"A":0,"B":1,"Secret":"b"}`)
	guardTReplace(t, bob, 1, `{"A":1}`)
	guardTReplace(t, bob, 2, `{"A":1}`)
	guardTExpect(t, "a replace under scripts", guardTData(t, ds, 1), `{"A":1}`)
	guardTExpect(t, "a replace under a script that hides", guardTData(t, ds, 2), `{"Secret":"b","A":1}`)
}

// TestGuardReplaceConfirmed: what a commit saw of an entry is confirmed in its transaction.
func TestGuardReplaceConfirmed(t *testing.T) {
	var ds *siftdb.DataSource
	shut := false
	ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type != security.Select {
			return guardTGrant, nil
		}
		if got := must[*siftdb.Entry](t)(ds.FindByID(ctx, 1)).Get("Kind"); got == "shut" {
			return `{"granted":true,"exclude":["Secret"]}`, nil
		}
		if !shut {
			shut = true
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"Kind": "shut"}))
		}
		return guardTGrant, nil
	}, guardTByScript, `{}`, `{"Kind":"open","Secret":"a"}`)
	guardTReplace(t, bob, 1, `{"Note":1}`)
	guardTExpect(t, "the entry that was shut meanwhile", guardTData(t, ds, 1), `{"Secret":"a","Note":1}`)
}

// TestGuardRehash: whether a hash that is sent back is hashed again depends on what a
// select by id of that entry shows.
func TestGuardRehash(t *testing.T) {
	hook := siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeSave"],"payload":{"Secret":["hash"]}}]`)}
	again := func(ds, bob *siftdb.DataSource, id int64, commit bool) bool {
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, hook))
		before := must[*siftdb.Entry](t)(ds.FindByID(ctx, id)).Get("Secret")
		data := siftdb.M{"Secret": before, "Note": fmt.Sprint(commit)}
		if commit {
			must[*siftdb.CommitResult](t)(bob.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}, Entries: []siftdb.CommitEntry{{ID: id, Data: data}}}))
		} else {
			must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, id, data))
		}
		return must[*siftdb.Entry](t)(ds.FindByID(ctx, id)).Get("Secret") != before
	}
	for _, commit := range []bool{false, true} {
		ds, bob := guardTOwned(t, func(security.ScriptCall) (string, []string) { return guardTGrant, nil }, guardTByScript, `{}`, `{"Secret":"a"}`)
		if again(ds, bob, 1, commit) {
			t.Errorf("commit %t: under scripts that show the hash it is hashed again", commit)
		}
		ds, bob = guardTOwned(t, nil, guardTRowRules, `{}`, `{"Kind":"open","Secret":"a"}`, `{"Kind":"shut","Secret":"b"}`)
		if again(ds, bob, 1, commit) || !again(ds, bob, 2, commit) {
			t.Errorf("commit %t: hashed again: %t where it is seen, %t where it is not", commit, false, true)
		}
	}
}

// TestGuardLooksOnce: the rules are asked once about what is seen where they cannot tell
// entries apart, else once for each entry, and of too many not at all.
func TestGuardLooksOnce(t *testing.T) {
	var runs atomic.Int64
	script := func(security.ScriptCall) (string, []string) {
		runs.Add(1)
		return guardTGrant, nil
	}
	update := func(rules string, n int) (int64, error) {
		rows := make([]string, n)
		commit := siftdb.Commit{Append: new(true), Extend: true}
		for i := range rows {
			rows[i] = `{"A":0}`
			commit.Entries = append(commit.Entries, siftdb.CommitEntry{ID: int64(i + 1), Data: siftdb.M{"A": 1}}, siftdb.CommitEntry{ID: int64(i + 1), Data: siftdb.M{"A": 2}})
		}
		_, bob := guardTOwned(t, script, rules, `{}`, rows...)
		runs.Store(0)
		_, err := bob.Commit(ctx, commit)
		return runs.Load(), err
	}
	for rules, want := range map[string]int64{
		`[{"type":"select","allow":"all"},{"script":"x"}]`:                                                     1,
		`[{"type":"select","allow":{"user":{"Name":{"equals":"ann"}}},"require":["A"]},{"script":"x"}]`:        201,
		`[{"type":"select","allow":"all"},{"type":"update","allow":"all"},{"script":"x","require":["Never"]}]`: 0,
		guardTByScript: 201,
	} {
		if got, err := update(rules, 200); err != nil || got != want {
			t.Errorf("%s: 200 updates run %d scripts, not %d: %v", rules, got, want, err)
		}
	}
	if got, err := update(guardTByScript, 1001); !errors.Is(err, siftdb.ErrTooLarge) || got > 1001 {
		t.Errorf("1001 updates under scripts: %v after %d runs", err, got)
	}
}
