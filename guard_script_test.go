package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// guardTScript is a script as a Go function: what it returns, and the data that it leaves.
type guardTScript func(call security.ScriptCall) (returned string, query []string)

func (f guardTScript) RunScript(_ context.Context, call security.ScriptCall) (r security.ScriptResult, err error) {
	returned, query := f(call)
	if returned != "" {
		if r.Returned, err = document.Parse([]byte(returned), document.Limits{}); err != nil {
			return r, err
		}
	}
	for _, q := range query {
		v, err := document.Parse([]byte(q), document.Limits{})
		if err != nil {
			return r, err
		}
		r.Query = append(r.Query, v)
	}
	return r, nil
}

const (
	guardTGrant    = `{"granted":true}`
	guardTByScript = `[{"script":"x"}]`
)

// guardTOwned makes a data source with rules, and bob's handle on it.
func guardTOwned(t testing.TB, script guardTScript, rules, definition string, rows ...string) (ds, bob *siftdb.DataSource) {
	t.Helper()
	db := memoryDB(t, &siftdb.Options{Scripts: script})
	spec := siftdb.DataSourceSpec{Name: "t", AccessRules: json.RawMessage(rules), Definition: json.RawMessage(definition)}
	for _, row := range rows {
		spec.Entries = append(spec.Entries, json.RawMessage(row))
	}
	ds = must[*siftdb.DataSource](t)(db.Create(ctx, spec))
	return ds, ds.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
}

func guardTRefused(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, siftdb.ErrDenied) {
		t.Errorf("%s: %v, not a refusal", what, err)
	}
}

// TestGuardScriptRows: what a script limits to some entries is refused where it cannot be.
func TestGuardScriptRows(t *testing.T) {
	ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type == security.Select {
			return guardTGrant, []string{`{"Owner":"bob"}`}
		}
		return "", nil
	}, guardTByScript, `{}`, `{"Owner":"bob","S":"mine"}`, `{"Owner":"ann","S":"hers"}`)
	if n := must[int64](t)(bob.Count(ctx, siftdb.Query{})); n != 1 {
		t.Fatalf("bob sees %d entries", n)
	}
	_, err := bob.Indexes(ctx, "S")
	guardTRefused(t, "indexes", err)
	version := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Owner": "ann", "S": "hers too"})).Changed
	_, err = guardTFirst(bob.Diff(ctx, version, siftdb.Now))
	guardTRefused(t, "diff", err)
	_, err = guardTFirst(bob.Changes(ctx, 0))
	guardTRefused(t, "changes", err)
}

// TestGuardScriptDeletes: nothing is deleted that a script was not asked about.
func TestGuardScriptDeletes(t *testing.T) {
	for name, c := range map[string]struct {
		definition string
		script     guardTScript
	}{
		"the script hides": {`{}`, func(c security.ScriptCall) (string, []string) {
			for _, row := range c.Query {
				if strings.Contains(string(document.AppendJSON(nil, row)), "ann") {
					return "", nil
				}
			}
			return `{"granted":true,"exclude":["Pin"]}`, nil
		}},
		"the definition hides": {`{"exclude":["Pin"]}`, func(security.ScriptCall) (string, []string) { return guardTGrant, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			ds, bob := guardTOwned(t, c.script, guardTByScript, c.definition, `{"Owner":"ann","Pin":1}`, `{"Owner":"ann","Pin":2}`)
			_, err := bob.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"Pin": siftdb.M{"$exists": false}}})
			guardTRefused(t, "a delete by a hidden column", err)
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != 2 {
				t.Errorf("%d entries are left", n)
			}
		})
	}
}

// TestGuardConfirmed: a write is confirmed on the entries that the rules judged.
func TestGuardConfirmed(t *testing.T) {
	t.Run("update", func(t *testing.T) {
		var ds *siftdb.DataSource
		locked := false
		ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
			if c.Type == security.Select {
				return guardTGrant, nil
			}
			if locked {
				return "", nil
			}
			locked = true
			must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"Locked": true}))
			return guardTGrant, nil
		}, guardTByScript, `{}`, `{"Amount":1}`)
		_, err := bob.UpdateEntry(ctx, 1, siftdb.M{"Amount": 2})
		guardTRefused(t, "an update of what has been locked", err)
		if got := must[*siftdb.Entry](t)(ds.FindByID(ctx, 1)).JSON(); !strings.Contains(string(got), `"Amount":1,`) {
			t.Errorf("the entry is %s", got)
		}
	})
	t.Run("update with files", func(t *testing.T) {
		var ds *siftdb.DataSource
		updates, store := 0, media.Memory()
		db := memoryDB(t, &siftdb.Options{Media: store, Scripts: guardTScript(func(c security.ScriptCall) (string, []string) {
			if c.Type == security.Update {
				if updates++; updates == 2 { // the whole form
					must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"Locked": true}))
				}
			}
			return guardTGrant, nil
		})})
		ds = must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AccessRules: json.RawMessage(guardTByScript), Entries: []any{siftdb.M{"Amount": 1}}}))
		bob := ds.As(&security.Principal{TokenID: 7, User: map[string]any{"Name": "bob"}})
		form := siftdb.FormOf(siftdb.Part{Name: "File", FileName: "a.txt", Content: strings.NewReader("x")})
		if _, err := bob.UpdateWithFiles(ctx, 1, form); !errors.Is(err, siftdb.ErrConflict) || updates < 2 {
			t.Errorf("an update of what has been locked: %v", err)
		}
		if got := string(must[*siftdb.Entry](t)(ds.FindByID(ctx, 1)).JSON()); strings.Contains(got, "File") {
			t.Errorf("the entry is %s", got)
		}
		for path, err := range store.List(ctx) {
			t.Errorf("a file is left: %v %v", path, err)
		}
	})
	t.Run("restore", func(t *testing.T) {
		var ds *siftdb.DataSource
		inserted := false
		ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
			if c.Type == security.Delete && !inserted {
				inserted = true
				must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Keep": true}))
			}
			return guardTGrant, nil
		}, guardTByScript, `{}`, `{"A":1}`)
		version := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"A": 2})).Changed
		if _, err := bob.Restore(ctx, version); !errors.Is(err, siftdb.ErrConflict) || !inserted {
			t.Errorf("a restore beside an insert: %v", err)
		}
		if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: siftdb.M{"Keep": true}})); n != 1 {
			t.Error("an entry was deleted that nobody judged")
		}
	})
}

// TestGuardWritten: a write answers with what a get by id shows, else with what was sent.
func TestGuardWritten(t *testing.T) {
	_, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type == security.Select {
			return guardTGrant, []string{`{"Owner":"bob"}`}
		}
		return "", nil
	}, `[{"script":"x"},{"type":"update","allow":"all"}]`, `{}`, `{"Owner":"ann","S":"hers"}`)
	first := must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, 1, siftdb.M{"Note": "x"}))
	if got := string(first.JSON()); strings.Contains(got, "hers") {
		t.Errorf("the answer shows %s", got)
	}
	if guess := must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, 1, siftdb.M{"S": "hers"})); guess.Changed == first.Changed {
		t.Error("a guess of what is hidden was confirmed")
	}
	hook := `[{"type":"operations","runOn":["beforeSave"],"payload":{"Password":["hash"]}}]`
	ds, bob := guardTOwned(t, nil, `[{"type":"insert","allow":"all"}]`, `{"exclude":["Password"]}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(hook)}))
	if got := string(must[*siftdb.Entry](t)(bob.Insert(ctx, siftdb.M{"Name": "x", "Password": "p"})).JSON()); strings.Contains(got, "Password") || !strings.Contains(got, `"Name":"x"`) {
		t.Errorf("the answer of an insert is %s", got)
	}
	_, bob = guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		if c.Type == security.Insert {
			return guardTGrant, []string{`{"A":1,"Internal":"secret"}`}
		}
		return "", nil
	}, guardTByScript, `{}`)
	if got := string(must[*siftdb.Entry](t)(bob.Insert(ctx, siftdb.M{"A": 1})).JSON()); strings.Contains(got, "Internal") {
		t.Errorf("the answer shows what only the script set: %s", got)
	}
}

// TestGuardColumns: naming columns is judged as an insert of them.
func TestGuardColumns(t *testing.T) {
	header := func(bob *siftdb.DataSource, text string, more bool) error {
		_, err := bob.Import(ctx, strings.NewReader(text), siftdb.ImportOptions{Append: more})
		return err
	}
	ds, bob := guardTOwned(t, nil, `[]`, `{}`, `{"A":1}`)
	_, err := bob.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{}, Columns: []string{"evil"}})
	guardTRefused(t, "columns of a commit", err)
	guardTRefused(t, "columns of a header", header(bob, "evil,evil2\n", true))
	if got := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns; len(got) != 1 {
		t.Errorf("the columns are %v", got)
	}
	ds, bob = guardTOwned(t, nil, `[]`, `{}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Columns: []string{"a", "b"}}))
	guardTRefused(t, "a header over an empty data source", header(bob, "a\n", false))
	if got := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Columns; len(got) != 2 {
		t.Errorf("the columns are %v", got)
	}
	_, bob = guardTOwned(t, nil, `[{"type":["insert","update","delete"],"allow":"all","exclude":["Salary"]}]`, `{}`, `{"a":"1"}`)
	guardTRefused(t, "a hidden column in a header", header(bob, "a,Salary\n", true))
	for text, more := range map[string]bool{"a,b\n1,2\n": true, "c\n": true} {
		if err := header(bob, text, more); err != nil {
			t.Errorf("a granted import of %q: %v", text, err)
		}
	}
}

// TestGuardCommitAll: a handle does not take over the rights of another principal.
func TestGuardCommitAll(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AccessRules: json.RawMessage(`[]`)}))
	bob := ds.As(&security.Principal{TokenID: 7})
	commits := []siftdb.SourceCommit{{DataSource: bob, Commit: siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"a": 1}}}}}}
	if _, err := db.As(&security.Principal{Admin: true}).CommitAll(ctx, commits); !errors.Is(err, siftdb.ErrInvalidInput) {
		t.Errorf("an admin with bob's handle: %v", err)
	}
	_, err := db.CommitAll(ctx, commits)
	guardTRefused(t, "trusted code with bob's handle", err)
	if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// TestGuardNotEquals: a where meets notequals when it leaves out every form of the value.
func TestGuardNotEquals(t *testing.T) {
	_, bob := guardTOwned(t, nil, `[{"type":"select","allow":"all","require":[{"Private":{"notequals":"true"}}]}]`, `{}`,
		`{"Private":true,"S":"secret"}`, `{"Private":"true","S":"secret"}`, `{"Private":"no","S":"open"}`)
	for _, where := range []string{`{"Private":{"$ne":"true"}}`, `{"Private":{"$ne":true}}`, `{"Private":"no"}`} {
		list, err := bob.Find(ctx, siftdb.Query{Where: where})
		if err != nil && !errors.Is(err, siftdb.ErrDenied) {
			t.Error(err)
		}
		if got := strings.Join(texts(list), "\n"); strings.Contains(got, "secret") {
			t.Errorf("%s shows %s", where, got)
		}
	}
	if list := must[[]*siftdb.Entry](t)(bob.Find(ctx, siftdb.Query{Where: `{"Private":"no"}`})); len(list) != 1 {
		t.Errorf("%d entries", len(list))
	}
}

// TestGuardSiblings: without a token nobody is told which data sources there are.
func TestGuardSiblings(t *testing.T) {
	db := memoryDB(t, nil)
	open := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "open", Public: new(true), Entries: []any{siftdb.M{"a": 1}}}))
	private := table(t, db, "payroll")
	nobody := open.As(security.Anonymous())
	ask := func(name string, id int64) (texts [2]string) {
		_, err := nobody.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: name, DataSourceID: id, On: siftdb.On{"a": "a"}}}})
		from, _ := json.Marshal(name)
		if name == "" {
			from, _ = json.Marshal(id)
		}
		_, failed := nobody.Aggregate(ctx, `[{"$unionWith":{"coll":`+string(from)+`}}]`, siftdb.Query{})
		for i, err := range []error{err, failed} {
			var e *siftdb.Error
			if !errors.As(err, &e) || !errors.Is(err, siftdb.ErrUnauthorised) || e.DataSourceID != 0 {
				t.Errorf("%s %d: %v", name, id, err)
				continue
			}
			texts[i] = e.Error()
		}
		return texts
	}
	if here, gone := ask("payroll", 0), ask("nothing", 0); here != gone {
		t.Errorf("names are told apart: %q and %q", here, gone)
	}
	if here, gone := ask("", private.ID()), ask("", 4711); here != gone {
		t.Errorf("ids are told apart: %q and %q", here, gone)
	}
}
