package siftdb_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// hookedTable is a table whose hooks clean e-mail addresses, hash passwords that are
// saved and asked for, and stamp what is inserted and updated.
func hookedTable(t *testing.T, db *siftdb.DB) *siftdb.DataSource {
	t.Helper()
	hooks := `[
		{"type": "operations", "runOn": ["beforeSave"], "payload": {"email": ["trim", "lower"], "password": ["hash"]}},
		{"type": "operations", "runOn": ["beforeQuery"], "payload": {"email": ["lower"], "password": ["hash"]}},
		{"type": "operations", "runOn": ["insert"], "payload": {"stamp": "new {{{name}}} {{{guid}}}"}},
		{"type": "operations", "runOn": ["update"], "payload": {"stamp": "changed"}, "triggers": ["form"]},
		{"type": "operations", "runOn": ["insert"], "conditions": [{"age": {"$lt": 18}}], "payload": {"minor": "yes"}},
		{"type": "email", "runOn": ["insert"], "payload": {"to": "x"}}
	]`
	return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "hooked", Hooks: json.RawMessage(hooks), Definition: json.RawMessage(`{"guid":"guid"}`)}))
}

// TestDataHooks: when data hooks run, and on what (spec 10.4).
func TestDataHooks(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		ds := hookedTable(t, db)
		guid := regexp.MustCompile(`^new Ada [0-9a-f-]{36}$`)
		ada := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "Ada", "email": " Ada@X.org ", "password": "secret", "age": 17}))
		if ada.Get("email") != "ada@x.org" || !guid.MatchString(ada.Get("stamp").(string)) || ada.Get("minor") != "yes" || !strings.HasSuffix(ada.Get("stamp").(string), ada.Get("guid").(string)) {
			t.Errorf("inserted %s", ada.JSON())
		}
		hash, _ := ada.Get("password").(string)
		if len(hash) != 64 {
			t.Fatalf("the password is stored as %q", hash)
		}
		for _, where := range []string{`{"email":"ADA@x.org","password":"secret"}`, `{"$and":[{"password":{"$eq":"secret"}}]}`, `{"data.password":{"$in":["x","secret"]}}`} {
			list := must[[]*siftdb.Entry](t)(ds.Find(ctx, siftdb.Query{Where: where}))
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: where})); len(list) != 1 || n != 1 {
				t.Errorf("%s finds %d, counts %d", where, len(list), n)
			}
		}
		// An update touches what was sent; what is sent back as it was is not hashed again.
		same := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ada.ID, siftdb.M{"password": hash, "email": "B@C"}, siftdb.WithSource("form")))
		if same.Get("password") != hash || same.Get("email") != "b@c" || same.Get("stamp") != "changed" {
			t.Errorf("updated to %s", same.JSON())
		}
		if other := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ada.ID, siftdb.M{"password": "other"})); other.Get("password") == hash || len(other.Get("password").(string)) != 64 {
			t.Errorf("a new password is stored as %v", other.Get("password"))
		}
		if none := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ada.ID, siftdb.M{"email": "b@c"})); none.Changed != must[*siftdb.Entry](t)(ds.FindByID(ctx, ada.ID)).Changed {
			t.Error("an update that changes nothing is a write")
		}

		// Bulk writes, commits and imports.
		emails := func() (list []any) {
			for _, e := range all(t, ds) {
				list = append(list, e.Get("email"))
			}
			return list
		}
		must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"email": "APPENDED"}}))
		must[siftdb.BulkResult](t)(ds.Append(ctx, []any{siftdb.M{"email": "PLAIN"}}, siftdb.RunHooks(false)))
		must[siftdb.BulkResult](t)(ds.Import(ctx, strings.NewReader("email\nFILE\n"), siftdb.ImportOptions{Append: true}))
		commit := siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"email": "COMMIT"}}, {ID: ada.ID, Data: siftdb.M{"email": "ONE"}}, {ID: ada.ID, Data: siftdb.M{"email": "TWO"}}}}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, commit))
		if diff := cmp.Diff([]any{"TWO", "appended", "PLAIN", "FILE", "COMMIT"}, emails()); diff != "" {
			t.Error(diff)
		}
		commit.RunHooks = []siftdb.EventKind{siftdb.UpdateEvent}
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, commit))
		commit.RunHooks = must[siftdb.Commit](t)(siftdb.ParseCommit([]byte(`{"entries":[],"runHooks":true}`))).RunHooks
		must[*siftdb.CommitResult](t)(ds.Commit(ctx, commit))
		if diff := cmp.Diff([]any{"two", "appended", "PLAIN", "FILE", "COMMIT", "COMMIT", "commit"}, emails()); diff != "" {
			t.Error(diff)
		}
		if e := must[*siftdb.Entry](t)(ds.FindByID(ctx, ada.ID)); e.Get("name") != "Ada" {
			t.Errorf("a commit that extends leaves %s", e.JSON())
		}
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, []any{siftdb.M{"email": "R"}}))
		must[siftdb.BulkResult](t)(ds.Append(ctx, nil))
		if diff := cmp.Diff([]any{"R"}, emails()); diff != "" {
			t.Error(diff)
		}
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, []any{siftdb.M{"email": "R"}}, siftdb.RunHooks(true)))
		if diff := cmp.Diff([]any{"r"}, emails()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestHooksOfAPrincipal: rules see the data as sent, and hooks run after them.
func TestHooksOfAPrincipal(t *testing.T) {
	db := memoryDB(t, nil)
	ds := hookedTable(t, db)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{AccessRules: json.RawMessage(`[{"type":["insert","select"],"allow":"all","require":[{"email":{"equals":"A@B"}}],"exclude":["stamp"]}]`)}))
	guest := ds.As(&security.Principal{TokenID: 5})
	e := must[*siftdb.Entry](t)(guest.Insert(ctx, siftdb.M{"email": "A@B", "name": "Guest"}))
	if _, shown := e.Lookup("stamp"); shown || e.Get("email") != "A@B" && e.Get("email") != "a@b" {
		t.Errorf("the guest sees %s", e.JSON())
	}
	stored := must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID))
	if stored.Get("email") != "a@b" || !strings.HasPrefix(stored.Get("stamp").(string), "new Guest") {
		t.Errorf("stored %s", stored.JSON())
	}
	if list := must[[]*siftdb.Entry](t)(guest.Find(ctx, siftdb.Query{Where: `{"email":"A@B"}`})); len(list) != 1 {
		t.Errorf("the guest finds %d", len(list))
	}
}

// TestFailingHooks: a data hook that fails fails the write or the query, and names
// itself.
func TestFailingHooks(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Hooks: json.RawMessage(`[{"type":"web","runOn":["insert"]},{"type":"operations","runOn":["beforeSave","beforeQuery"],"payload":{"a":["rot13"]}}]`), Entries: raws(`{"a":"x"}`)}))
	_, insert := ds.Insert(ctx, siftdb.M{"a": "y"})
	_, update := ds.UpdateEntry(ctx, 1, siftdb.M{"a": "y"})
	_, commit := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: 1, Data: siftdb.M{"a": "z"}}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}})
	for what, err := range map[string]error{"Insert": insert, "UpdateEntry": update, "Commit": commit} {
		if !isInvalid(err) || !strings.Contains(err.Error(), "1") {
			t.Errorf("%s gives %v", what, err)
		}
	}
	if _, err := ds.Count(ctx, siftdb.Query{Where: `{"a":"x"}`}); err == nil {
		t.Error("a query whose hook fails is answered")
	}
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[]`)}))
	if diff := cmp.Diff([]string{`{"a":"x"}`}, texts(all(t, ds))); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}
}
