package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// guardTSource makes a data source with rules.
func guardTSource(t testing.TB, db *siftdb.DB, name, rules, definition string, rows ...string) *siftdb.DataSource {
	t.Helper()
	spec := siftdb.DataSourceSpec{Name: name, AccessRules: json.RawMessage(rules), Definition: json.RawMessage(definition), Entries: raws(rows...)}
	return must[*siftdb.DataSource](t)(db.Create(ctx, spec))
}

// guardTUser is a token of a user.
func guardTUser(columns siftdb.M) *security.Principal {
	return &security.Principal{TokenID: 1, User: columns}
}

// guardTSees are the data of what a query finds, or the code of its error.
func guardTSees(ds *siftdb.DataSource, where string) string {
	list, err := ds.Find(ctx, siftdb.Query{Where: where})
	if err != nil {
		return guardTCode(err)
	}
	return strings.Join(texts(list), " ")
}

func guardTCode(err error) string {
	var e *siftdb.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return fmt.Sprint(err)
}

func guardTExpect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s gives %s, not %s", what, got, want)
	}
}

const guardTEmployeeRules = `[
	{"type":["select","insert","update","delete"],"allow":{"user":{"Role":{"equals":"Admin"}}}},
	{"type":["select"],"allow":"loggedIn","exclude":["Password","Salary"]},
	{"type":["update"],"allow":"loggedIn","require":[{"Email":{"equals":"{{user.[Email]}}"}}],"exclude":["Role","Admin","Permissions"]},
	{"type":["insert"],"allow":"loggedIn","require":["Email","First Name",{"Email":{"equals":"{{user.[Email]}}"}},{"Role":{"equals":"User"}}],"exclude":["Admin","Permissions"]}]`

// TestGuardEmployees: the first set of spec 11.11, row by row.
func TestGuardEmployees(t *testing.T) {
	db := memoryDB(t, nil)
	root := guardTSource(t, db, "Employees", guardTEmployeeRules, `{}`, `{"Email":"bob","First Name":"Bob","Password":"p1","Salary":5}`, `{"Email":"ann","Password":"p2","Salary":7}`)
	alice, bob := root.As(guardTUser(siftdb.M{"Email": "alice", "Role": "Admin"})), root.As(guardTUser(siftdb.M{"Email": "bob", "Role": "User"}))
	id := all(t, root)[0].ID
	guardTExpect(t, "Alice's select", guardTSees(alice, `{}`), guardTSees(root, `{}`))
	guardTExpect(t, "Bob's select", guardTSees(bob, `{}`), `{"Email":"bob","First Name":"Bob"} {"Email":"ann"}`)
	guardTExpect(t, "Bob's where on Salary", guardTSees(bob, `{"Salary":{"$gt":0}}`), "")
	if list, err := bob.Index(ctx, "Salary"); err != nil || len(list) != 0 || list == nil {
		t.Errorf("Bob's index of Salary gives %v, %v", list, err)
	}
	e, err := bob.UpdateEntry(ctx, id, siftdb.M{"Email": "bob", "First Name": "Rob"})
	if err != nil || string(e.JSON()) != `{"Email":"bob","First Name":"Rob"}` {
		t.Errorf("Bob's update gives %v, %v", e, err)
	}
	for what, try := range map[string]func() error{
		"update carol": func() error { _, err := bob.UpdateEntry(ctx, id, siftdb.M{"Email": "carol"}); return err },
		"update role": func() error {
			_, err := bob.UpdateEntry(ctx, id, siftdb.M{"Email": "bob", "Role": "Admin"})
			return err
		},
		"insert admin": func() error {
			_, err := bob.Insert(ctx, siftdb.M{"Email": "bob", "First Name": "B", "Role": "Admin"})
			return err
		},
		"insert no one": func() error { _, err := bob.Insert(ctx, siftdb.M{"Email": "bob", "Role": "User"}); return err },
		"one bad row": func() error {
			_, err := bob.Append(ctx, []any{siftdb.M{"Email": "bob", "First Name": "B", "Role": "User"}, siftdb.M{"Email": "ann", "First Name": "B", "Role": "User"}})
			return err
		},
		"delete":         func() error { return bob.Remove(ctx, id) },
		"delete unknown": func() error { return bob.Remove(ctx, 789) },
		"commit, two ids": func() error {
			_, err := bob.Commit(ctx, siftdb.Commit{Extend: true, Append: new(true), Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"Email": "bob"}}, {ID: id, Data: siftdb.M{"x": 1}}}})
			return err
		},
	} {
		before := portrait(t, db)
		err := try()
		fails(t, what, err, siftdb.ErrDenied)
		var denied *siftdb.Error
		if word := strings.Fields(what)[0]; errors.As(err, &denied) {
			if denied.DataSourceID != root.ID() || denied.Operation == "" || !strings.Contains(err.Error(), `"Employees"`) {
				t.Errorf("%s: the error is %+v", what, denied)
			}
			if word == "delete" && !strings.HasSuffix(err.Error(), "delete data.") || word == "update" && !strings.HasSuffix(err.Error(), "update data.") {
				t.Errorf("%s: the message is %s", what, err)
			}
		}
		if before != portrait(t, db) {
			t.Errorf("%s changed something", what)
		}
	}
	if _, err := bob.Insert(ctx, siftdb.M{"Email": "bob", "First Name": "B", "Role": "User"}); err != nil {
		t.Errorf("Bob's insert: %v", err)
	}
	guardTExpect(t, "anonymous", guardTSees(root.As(security.Anonymous()), `{}`), guardT401)
	_, err = root.As(security.Anonymous()).ReplaceWith(ctx, nil)
	fails(t, "anonymous truncates", err, siftdb.ErrUnauthorised)
}

// TestGuardStaff: the second set of spec 11.11, and what goes around its where.
func TestGuardStaff(t *testing.T) {
	db := memoryDB(t, nil)
	root := guardTSource(t, db, "Staff", `[
		{"type":["select"],"allow":{"user":{"Role":{"equals":"Manager"}}},"require":[{"Department":{"equals":"{{user.[Department]}}"}}],"exclude":["Salary"]},
		{"type":["select","update"],"allow":"loggedIn","require":[{"Email":{"equals":"{{user.[Email]}}"}}]}]`, `{"views":[{"name":"eng","filter":{"Department":"Engineering"}}]}`,
		`{"Email":"bob@acme.com","Department":"Engineering","Age":5,"Salary":1}`, `{"Email":"eve","Department":"Marketing","Age":9,"Salary":2}`)
	alice, bob := root.As(guardTUser(siftdb.M{"Email": "alice", "Role": "Manager", "Department": "Engineering"})), root.As(guardTUser(siftdb.M{"Email": "bob@acme.com"}))
	const one = `{"Email":"bob@acme.com","Department":"Engineering","Age":5}`
	const whole = `{"Email":"bob@acme.com","Department":"Engineering","Age":5,"Salary":1}`
	for _, c := range []struct {
		ds          *siftdb.DataSource
		where, want string
	}{
		{alice, `{"Department":"Engineering"}`, one}, {alice, `{"Department":"Marketing"}`, guardTDenied}, {alice, `{"$or":[{"Department":"Engineering"},{"x":1}]}`, guardTDenied},
		{alice, `{"$and":[{"Department":"Engineering"},{"Age":{"$gt":3}}]}`, one}, {bob, `{"Email":"bob@acme.com"}`, whole}, {bob, `{}`, guardTDenied},
		{alice, `{"data.Department":"Engineering"}`, one}, {alice, `{"$nor":[{"Department":"Engineering"}]}`, guardTDenied}, {alice, `{"$not":{"Department":"Engineering"}}`, guardTDenied},
		{alice, `{"$filters":[{"column":"Department","condition":"==","value":"Engineering"}]}`, guardTDenied}, {alice, `{"Department":{"$in":["Engineering"]}}`, guardTDenied}, {alice, `{"department":"Engineering"}`, guardTDenied},
		{alice, `{"Department":{"$ne":"Engineering"}}`, guardTDenied}, {alice, `{"$and":[{"$and":[{"Department":"Engineering"}]}]}`, guardTDenied}, {bob, `{"Email":"eve"}`, guardTDenied},
		{alice, `{"Department":"Marketing","Department":"Engineering"}`, one},
	} {
		guardTExpect(t, c.where, guardTSees(c.ds, c.where), c.want)
	}
	twice := siftdb.D{{Key: "Department", Value: "Marketing"}, {Key: "Department", Value: "Engineering"}}
	if list, err := alice.Find(ctx, siftdb.Query{Where: twice}); err == nil && strings.Contains(fmt.Sprint(texts(list)), "eve") {
		t.Errorf("a key sent twice gives %s", texts(list))
	}
	_, err := alice.Find(ctx, siftdb.Query{Views: []string{"eng"}})
	fails(t, "a view in place of a where", err, siftdb.ErrDenied)
	list := all(t, root)
	if e, err := bob.FindByID(ctx, list[0].ID); err != nil || string(e.JSON()) != whole {
		t.Errorf("one's own row by id gives %v, %v", e, err)
	}
	for _, id := range []int64{list[1].ID, 12345, 0, -1} { // 11.10: an unknown id is an entry without columns
		_, err := bob.FindByID(ctx, id)
		fails(t, fmt.Sprint("get ", id), err, siftdb.ErrDenied)
		_, err = bob.UpdateEntry(ctx, id, siftdb.M{"Age": 1})
		fails(t, fmt.Sprint("update ", id), err, siftdb.ErrDenied)
		fails(t, fmt.Sprint("remove ", id), bob.Remove(ctx, id), siftdb.ErrDenied)
	}
	_, err = bob.UpdateEntry(ctx, 12345, siftdb.M{"Email": "bob@acme.com"})
	fails(t, "a granted update of an unknown id", err, siftdb.ErrNotFound)
	_, err = bob.Versions(ctx, siftdb.Page{})
	fails(t, "the versions", err, siftdb.ErrDenied)
	_, err = bob.Restore(ctx, list[0].Changed)
	fails(t, "a restore", err, siftdb.ErrDenied)
}

// TestGuardUnknownDeletions: a caller who may delete nothing cannot tell from a commit
// whether an id exists. Spec 8.2(3) skips unknown ids, 11.10 judges them as entries
// without columns: what a careful user expects is a denial. Where nothing goes because
// there is nothing, nothing is asked (11.6), but nobody known has to be asking (14.2).
func TestGuardUnknownDeletions(t *testing.T) {
	db := memoryDB(t, nil)
	rules := `[{"type":["insert"],"allow":"loggedIn"}]`
	full, empty := guardTSource(t, db, "full", rules, `{}`, `{"a":1}`), guardTSource(t, db, "empty", rules, `{}`)
	bob := guardTUser(siftdb.M{"Name": "bob"})
	for _, ids := range [][]int64{entryIDs(t, full), {12345}} {
		_, err := full.As(bob).Commit(ctx, siftdb.Commit{Delete: ids})
		fails(t, fmt.Sprint("a commit that deletes ", ids), err, siftdb.ErrDenied)
	}
	nothing := siftdb.Commit{Entries: []siftdb.CommitEntry{}}
	_, commit := full.As(bob).Commit(ctx, nothing)
	_, replace := full.As(bob).ReplaceWith(ctx, nil)
	fails(t, "to empty by a commit", commit, siftdb.ErrDenied)
	fails(t, "to truncate", replace, siftdb.ErrDenied)
	if _, err := empty.As(bob).ReplaceWith(ctx, nil); err != nil {
		t.Errorf("to truncate what is empty gives %v", err)
	}
	for what, ds := range map[string]*siftdb.DataSource{"a full one": full.As(security.Anonymous()), "an empty one": empty.As(security.Anonymous())} {
		_, err := ds.Commit(ctx, nothing)
		fails(t, "to empty "+what+" as nobody", err, siftdb.ErrUnauthorised)
		_, err = ds.ReplaceWith(ctx, nil)
		fails(t, "to truncate "+what+" as nobody", err, siftdb.ErrUnauthorised)
		_, err = ds.Append(ctx, nil)
		fails(t, "to append nothing to "+what+" as nobody", err, siftdb.ErrUnauthorised)
	}
}

// TestGuardCommit: spec 8.2(9), 8.3(1), 8.1.
func TestGuardCommit(t *testing.T) {
	c := newClock()
	db := memoryDB(t, c.options())
	root := guardTSource(t, db, "t", `[{"type":["select"],"allow":"loggedIn","exclude":["Pay"]},{"type":["insert","update"],"allow":"loggedIn"}]`, `{}`, `{"Name":"a","Pay":5}`)
	bob, id := root.As(guardTUser(siftdb.M{"Name": "bob"})), entryIDs(t, root)[0]
	for _, pay := range []any{5, 6, 6} {
		c.move(1000_000_000)
		r := must[*siftdb.CommitResult](t)(bob.Commit(ctx, siftdb.Commit{Extend: true, Append: new(true), ReturnEntries: true, Columns: []string{"More"}, Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"Pay": pay}}}}))
		if r.Version == 0 || len(r.Entries) != 1 || string(r.Entries[0].JSON()) != `{"Name":"a"}` || !r.Entries[0].UpdatedAt.Equal(c.read()) {
			t.Errorf("pay %v gives %+v %s", pay, r, texts(r.Entries))
		}
		c.move(1000_000_000)
		e := must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, id, siftdb.M{"Pay": pay}))
		if !e.UpdatedAt.Equal(c.read()) || string(e.JSON()) != `{"Name":"a"}` {
			t.Errorf("an update to %v gives %s at %s", pay, e.JSON(), e.UpdatedAt)
		}
	}
	before := c.read()
	c.move(1000_000_000)
	if e := must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, id, siftdb.M{"Name": "a"})); !e.UpdatedAt.Equal(before) {
		t.Error("an update of what may be read counts, though nothing changed")
	}
	if info := must[siftdb.DataSourceInfo](t)(root.Info(ctx)); fmt.Sprint(info.Columns) != "[Name Pay More]" {
		t.Errorf("the columns are %v", info.Columns)
	}
	writer := guardTSource(t, db, "w", `[{"type":["insert"],"allow":"loggedIn"}]`, `{}`, `{"Name":"a"}`).As(guardTUser(siftdb.M{}))
	r := must[*siftdb.CommitResult](t)(writer.Commit(ctx, siftdb.Commit{Append: new(true), ReturnEntries: true, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"b": 1}}}}))
	if r.Entries == nil || len(r.Entries) != 0 {
		t.Errorf("a caller who may not read gets %v", r.Entries)
	}
	if r = must[*siftdb.CommitResult](t)(writer.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{}})); r.Entries != nil {
		t.Error("entries are there that nobody asked for")
	}
}

// TestGuardBlindByRow: of two rules for select, one hides a column of some rows. An
// update of it must tell nothing of what these rows hold (8.2(9)).
func TestGuardBlindByRow(t *testing.T) {
	c := newClock()
	root := guardTSource(t, memoryDB(t, c.options()), "t", `[{"type":["select"],"allow":"loggedIn","require":[{"Owner":{"equals":"{{user.Name}}"}}]},
		{"type":["select"],"allow":"loggedIn","exclude":["Pay"]},{"type":["update"],"allow":"loggedIn"}]`, `{}`, `{"Owner":"ann","Pay":5}`)
	id := entryIDs(t, root)[0]
	bob := root.As(guardTUser(siftdb.M{"Name": "bob"}))
	c.move(1000_000_000)
	if e := must[*siftdb.Entry](t)(bob.UpdateEntry(ctx, id, siftdb.M{"Pay": 5})); !e.UpdatedAt.Equal(c.read()) {
		t.Errorf("a guess that was right left the entry alone, which tells that it was: %s", e.JSON())
	}
}

// TestGuardExclude: definition.exclude hides from all but admins, and views may use it.
func TestGuardExclude(t *testing.T) {
	root := guardTSource(t, memoryDB(t, nil), "t", `[{"type":["select","delete"],"allow":"loggedIn","exclude":["Pay"]}]`,
		`{"exclude":["Pin"],"views":[{"name":"one","filter":{"Pin":1}},{"name":"rich","filter":{"Pay":{"$gt":1}}}]}`, `{"n":1,"Pin":1,"Pay":5}`, `{"n":2,"Pin":2,"Pay":6}`)
	bob, admin := root.As(guardTUser(siftdb.M{})), root.As(&security.Principal{Admin: true})
	guardTExpect(t, "all", guardTSees(bob, `{}`), `{"n":1} {"n":2}`)
	guardTExpect(t, "where", guardTSees(bob, `{"Pin":1}`), ``)
	guardTExpect(t, "admin", guardTSees(admin, `{"Pin":1}`), `{"n":1,"Pin":1,"Pay":5}`)
	for view, want := range map[string]string{"one": `[{"n":1}]`, "rich": `[]`} {
		q, n := siftdb.Query{Views: []string{view}, IncludePagination: true}, int64(strings.Count(want, "n"))
		r := must[*siftdb.Result](t)(bob.Query(ctx, q))
		guardTExpect(t, "view "+view, fmt.Sprint(texts(r.Entries)), want)
		if r.Pagination.Total != n {
			t.Errorf("the total of view %s is %d", view, r.Pagination.Total)
		}
		if count, err := bob.Count(ctx, q); err != nil || count != n {
			t.Errorf("the count of view %s is %d, %v, not %d", view, count, err, n)
		}
		docs := must[[]siftdb.Document](t)(bob.Aggregate(ctx, `[{"$project":{"data":1}}]`, siftdb.Query{Views: []string{view}}))
		if len(docs) != int(n) || n > 0 && string(docs[0].JSON()) != `{"data":{"n":1}}` {
			t.Errorf("a pipeline over view %s gives %v", view, docs)
		}
		for e, err := range bob.Each(ctx, siftdb.Query{Views: []string{view}}) {
			if err != nil || string(e.JSON()) != `{"n":1}` {
				t.Errorf("view %s streams %v, %v", view, e, err)
			}
		}
	}
	_, err := bob.Restore(ctx, 1)
	fails(t, "a restore", err, siftdb.ErrDenied)
	r := must[*siftdb.Result](t)(bob.Query(ctx, siftdb.Query{Type: "delete", Views: []string{"one"}}))
	if *r.DeletedCount != 1 || guardTSees(root, `{}`) != `{"n":2,"Pin":2,"Pay":6}` {
		t.Errorf("a delete by a view leaves %s", guardTSees(root, `{}`))
	}
}

// guardTScripts grants where the user has a column granted, by the user's own columns.
type guardTScripts struct{ calls []security.ScriptCall }

func (s *guardTScripts) RunScript(_ context.Context, call security.ScriptCall) (security.ScriptResult, error) {
	s.calls = append(s.calls, call)
	return security.ScriptResult{Returned: call.User}, nil
}

// TestGuardScriptInput: what scripts get of each call (11.6, 11.7).
func TestGuardScriptInput(t *testing.T) {
	scripts := &guardTScripts{}
	db := memoryDB(t, &siftdb.Options{Scripts: scripts})
	root := guardTSource(t, db, "t", `[{"script":"x"}]`, `{}`, `{"n":1,"Pay":5}`, `{"n":2,"Pay":6}`)
	bob, id := root.As(guardTUser(siftdb.M{"granted": true, "exclude": []any{"Pay"}})), entryIDs(t, root)[0]
	for _, c := range []struct {
		what, want string
		call       func() error
	}{
		{"find", `select [{"n":1}] false `, func() error { _, err := bob.Find(ctx, siftdb.Query{Where: `{"n":1}`}); return err }},
		{"find all", `select [{}] false `, func() error { _, err := bob.Find(ctx, siftdb.Query{}); return err }},
		{"count", `select [{"n":1}] false `, func() error { _, err := bob.Count(ctx, siftdb.Query{Where: `{"n":1}`}); return err }},
		{"get", fmt.Sprintf(`select [{"id":%d}] false `, id), func() error { _, err := bob.FindByID(ctx, id); return err }},
		{"insert", `insert [{"n":3}] false `, func() error { _, err := bob.Insert(ctx, siftdb.M{"n": 3}); return err }},
		{"append", `insert [{"n":3}] true `, func() error { _, err := bob.Append(ctx, []any{siftdb.M{"n": 3}}); return err }},
		{"update", fmt.Sprintf(`update [{"n":1}] false {"id":%d,"data":{"n":1,"Pay":5}}`, id), func() error { _, err := bob.UpdateEntry(ctx, id, siftdb.M{"n": 1}); return err }},
		{"query delete", `delete [{"n":3} {"n":3}] true `, func() error { _, err := bob.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":3}`}); return err }},
		{"commit delete", `delete [{"n":2,"Pay":6}] true `, func() error {
			_, err := bob.Commit(ctx, siftdb.Commit{Delete: entryIDs(t, root)[1:]})
			return err
		}},
		{"remove", `delete [{"n":1,"Pay":5}] false `, func() error { return bob.Remove(ctx, id) }},
	} {
		scripts.calls = nil
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		var got []string
		for _, call := range scripts.calls {
			text := strings.ReplaceAll(call.Entry.String(), "absent", "")
			got = append(got, fmt.Sprint(call.Type, " ", call.Query, " ", call.List, " ", text))
		}
		if !slices.Contains(got, c.want) {
			t.Errorf("%s: the scripts get %q, not %q", c.what, got, c.want)
		}
	}
}
