package siftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

const guardTAllRules = `[{"type":["select","count","insert","update","delete"],"allow":"all"}]`

// guardTProbes say of guards that random requests do not come to what somebody is told, and
// what that has to be.
var guardTProbes = map[string]func(l guardTLab) (got, want string){
	"inline columns": func(l guardTLab) (string, string) {
		_, ds := guardTCrowd(l, "s3cret")
		return guardTSees(ds.As(guardTUser(siftdb.M{"Name": "bob"})), `{"n":1}`), `{"n":1}`
	},
	"errors of views": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, guardTOpenRules, `{"views":[{"name":"bad","filter":{"s3cret":{"$s3cret":1}}}]}`)
		_, err := bob.Find(ctx, siftdb.Query{Views: []string{"bad"}})
		return guardTQuotes(guardTError(err))
	},
	"errors of ruled wheres": func(l guardTLab) (string, string) {
		_, bob := l.owned(func(security.ScriptCall) (string, []string) {
			return guardTGrant, []string{`{"s3cret":{"$s3cret":1}}`}
		}, guardTByScript, `{}`, `{"A":1}`)
		_, err := bob.Find(ctx, siftdb.Query{})
		return guardTQuotes(guardTError(err))
	},
	"names of columns": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, `[{"type":"select","allow":"all","exclude":["a.b"]}]`, `{}`, `{"a.b":1,"a":{"b":2}}`)
		return guardTSees(bob, `{"a.b":2}`), `{"a":{"b":2}}`
	},
	"trim": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, guardTOpenRules, `{"s3cret":1}`)
		i, err := bob.Info(ctx)
		return fmt.Sprintf("%s%s%s%v", i.Hooks, i.Definition, i.AccessRules, err), "[]<nil>"
	},
	"script by id": func(l guardTLab) (string, string) {
		_, bob := l.owned(guardTOnlyBob, guardTByScript, `{}`, `{"Owner":"ann"}`)
		_, err := bob.FindByID(ctx, 1)
		return guardTCode(err), guardT404
	},
	"unknown get": func(l guardTLab) (string, string) {
		return guardTTells(l, func(bob *siftdb.DataSource, id int64) error { _, err := bob.FindByID(ctx, id); return err })
	},
	"unknown update": func(l guardTLab) (string, string) {
		return guardTTells(l, func(bob *siftdb.DataSource, id int64) error {
			_, err := bob.UpdateEntry(ctx, id, siftdb.M{"B": 1})
			return err
		})
	},
	"unknown remove": func(l guardTLab) (string, string) {
		return guardTTells(l, func(bob *siftdb.DataSource, id int64) error { return bob.Remove(ctx, id) })
	},
	"unknown delete": func(l guardTLab) (string, string) {
		return guardTTells(l, func(bob *siftdb.DataSource, id int64) error {
			_, err := bob.Commit(ctx, siftdb.Commit{Delete: []int64{id}})
			return err
		})
	},
	"scripts on all rows": func(l guardTLab) (string, string) {
		_, bob := l.owned(guardTOnlyBob, guardTByScript, `{}`, `{"Owner":"ann","S":"s3cret"}`)
		return guardTUniques(bob, "S"), guardTDenied
	},
	"keeping": func(l guardTLab) (string, string) {
		ds, bob := l.owned(nil, guardTRowRules, `{}`, `{"Kind":"shut","Secret":"b","Note":"n"}`)
		guardTReplace(l.t, bob, 1, `{"Kind":"shut"}`)
		return guardTData(l.t, ds, 1), `{"Secret":"b","Kind":"shut"}`
	},
	"limit of keys": func(l guardTLab) (string, string) {
		told := func(row string) string {
			db := l.open(siftdb.Options{Limits: siftdb.Limits{Keys: 3}})
			ds := guardTSource(l.t, db, "t", `[{"type":["select","update"],"allow":"all","exclude":["h","i"]}]`, `{}`, row)
			_, err := ds.As(guardTUser(nil)).UpdateEntry(ctx, 1, siftdb.M{"b": 1, "c": 1})
			return guardTError(err)
		}
		return told(`{"a":1,"h":1,"i":1}`), told(`{"a":1}`)
	},
	"rehash": func(l guardTLab) (string, string) {
		ds, bob := l.owned(nil, guardTRowRules, `{}`)
		must[siftdb.DataSourceInfo](l.t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeSave"],"payload":{"Secret":["hash"]}}]`)}))
		before := must[*siftdb.Entry](l.t)(ds.Insert(ctx, siftdb.M{"Kind": "shut", "Secret": "b"})).Get("Secret")
		must[*siftdb.Entry](l.t)(bob.UpdateEntry(ctx, 1, siftdb.M{"Secret": before, "Note": 1}))
		return fmt.Sprint(must[*siftdb.Entry](l.t)(ds.FindByID(ctx, 1)).Get("Secret") == before), "false"
	},
	"naming": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, `[{"type":"insert","allow":"all","exclude":["X"]}]`, `{}`)
		_, err := bob.Commit(ctx, siftdb.Commit{Append: new(true), Columns: []string{"A", "X"}, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"A": 1}}}})
		return guardTCode(err), guardTDenied
	},
	"hopeless": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, guardTOpenRules, `{}`)
		b := bob.Bulk()
		defer b.Close()
		return guardTCode(b.Allowed(ctx)), guardTDenied
	},
	"judged deletions": func(l guardTLab) (string, string) {
		var ds *siftdb.DataSource
		asked := 0
		ds, bob := l.owned(func(c security.ScriptCall) (string, []string) {
			if asked++; asked == 1 {
				must[*siftdb.Entry](l.t)(ds.Insert(ctx, siftdb.M{"Locked": true}))
			}
			if c.Query[len(c.Query)-1].Field("Locked").Bool() {
				return "", nil
			}
			return guardTGrant, nil
		}, guardTByScript, `{}`, `{"n":1}`)
		_, err := bob.ReplaceWith(ctx, nil)
		return guardTCode(err), guardTDenied
	},
	"restore of excluded": func(l guardTLab) (string, string) {
		ds, bob := l.owned(nil, guardTAllRules, `{"exclude":["Pin"]}`, `{"Pin":1}`)
		last := must[*siftdb.Entry](l.t)(ds.UpdateEntry(ctx, 1, siftdb.M{"Pin": 2})).Changed
		_, err := bob.Restore(ctx, last)
		return guardTCode(err), guardTDenied
	},
	"where of explain": func(l guardTLab) (string, string) {
		_, bob := l.owned(func(security.ScriptCall) (string, []string) { return guardTGrant, []string{`{"Tenant":"s3cret"}`} }, guardTByScript, `{}`, `{"A":1}`)
		return guardTQuotes(must[*siftdb.Plan](l.t)(bob.Explain(ctx, siftdb.Query{})).String())
	},
	"detail of explain": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, guardTHiddenRules, `{}`, `{"Secret":1}`)
		plan := must[*siftdb.Plan](l.t)(bob.Explain(ctx, siftdb.Query{Where: `{"Secret":1}`})).String()
		return fmt.Sprint(strings.Contains(plan, "judged early")), "false"
	},
	"changed rules": func(l guardTLab) (string, string) {
		ds, bob := l.owned(nil, guardTOpenRules, `{}`, `{"Secret":"x"}`)
		return guardTInBobsScope(l, ds, bob, func() { guardTRule(l.t, ds, guardTHiddenRules) })
	},
	"is in scope": func(l guardTLab) (string, string) {
		ds, bob := l.owned(nil, guardTHiddenRules, `{}`, `{"Secret":"x"}`)
		return guardTInBobsScope(l, ds, bob, func() {})
	},
	"past of nobody": func(l guardTLab) (string, string) {
		ds := guardTPublic(l, l.open(siftdb.Options{}), "t", true)
		_, err := ds.As(security.Anonymous()).Versions(ctx, siftdb.Page{})
		return guardTCode(err), guardT401
	},
	"not public": func(l guardTLab) (string, string) {
		db := l.open(siftdb.Options{})
		_, err := db.As(security.Anonymous()).DataSource(ctx, guardTPublic(l, db, "t", false).ID())
		return guardTCode(err), guardT401
	},
	"withheld from nobody": func(l guardTLab) (string, string) {
		db := l.open(siftdb.Options{})
		ds := guardTPublic(l, db, "t", true).As(security.Anonymous())
		guardTPublic(l, db, "private", false)
		join := func(name string) string {
			_, err := ds.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: name, On: siftdb.On{"A": "A"}}}})
			return strings.ReplaceAll(guardTError(err), name, "it")
		}
		return join("private"), join("none")
	},
	"organization": func(l guardTLab) (string, string) {
		db := l.open(siftdb.Options{})
		ds := must[*siftdb.DataSource](l.t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: new(int64(5))}))
		_, err := db.As(&security.Principal{TokenID: 1, OrganizationID: new(int64(6))}).DataSource(ctx, ds.ID())
		return guardTCode(err), guardT404
	},
	"foreign organization": func(l guardTLab) (string, string) {
		_, err := l.open(siftdb.Options{}).As(&security.Principal{TokenID: 1, OrganizationID: new(int64(6))}).Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: new(int64(5))})
		return guardTCode(err), guardT403
	},
	"unrestricted": func(l guardTLab) (string, string) {
		_, bob := l.owned(nil, guardTAllRules, `{}`)
		_, err := bob.Update(ctx, siftdb.DataSourceUpdate{Name: new("x")})
		return guardTCode(err), guardT403
	},
	"foreign handle": func(l guardTLab) (string, string) {
		db := l.open(siftdb.Options{})
		ds := guardTSource(l.t, db, "t", `[]`, `{}`).As(guardTUser(nil))
		_, err := db.As(&security.Principal{Admin: true}).CommitAll(ctx, []siftdb.SourceCommit{{DataSource: ds, Commit: siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"A": 1}}}}}})
		return guardTCode(err), "invalid_input"
	},
	"file of an entry": func(l guardTLab) (string, string) { return guardTReadsFile(l, `[]`, false, nil) },
	"file's column": func(l guardTLab) (string, string) {
		return guardTReadsFile(l, `[{"type":"select","allow":"all","exclude":["f"]}]`, false, nil)
	},
	"file access": func(l guardTLab) (string, string) {
		return guardTReadsFile(l, guardTOpenRules, false, func(context.Context, *security.Principal, siftdb.FileInfo) bool { return false })
	},
	"file deletion": func(l guardTLab) (string, string) { return guardTReadsFile(l, guardTOpenRules, true, nil) },
}

// guardTQuotes reports whether a text tells a secret, which it must not.
func guardTQuotes(text string) (got, want string) {
	return fmt.Sprint(text == "", strings.Contains(text, "s3cret")), "false false"
}

// guardTOnlyBob is a script that limits all to what is bob's.
func guardTOnlyBob(security.ScriptCall) (string, []string) {
	return guardTGrant, []string{`{"Owner":"bob"}`}
}

// guardTTells is what bob is told of an entry that does not exist, and of one that he may
// not touch; by rules that might let him.
func guardTTells(l guardTLab, call func(bob *siftdb.DataSource, id int64) error) (got, want string) {
	_, bob := l.owned(nil, `[{"type":["select","update","delete"],"allow":"all","require":[{"Owner":{"equals":"bob"}}]}]`, `{}`, `{"Owner":"ann"}`)
	return guardTCode(call(bob, 99)), guardTCode(call(bob, 1))
}

func guardTUniques(ds *siftdb.DataSource, column string) string {
	list, err := ds.Index(ctx, column)
	if err != nil {
		return guardTCode(err)
	}
	return guardTJSON(list)
}

// guardTInBobsScope asks a subscription whether the first entry is in its scope, which
// must not be said of what is hidden.
func guardTInBobsScope(l guardTLab, ds, bob *siftdb.DataSource, then func()) (got, want string) {
	limit, cancel := guardTContext(l.t)
	defer cancel()
	s := must[*siftdb.Subscription](l.t)(bob.Subscribe(limit, siftdb.SubscribeOptions{Where: `{"Secret":"x"}`}, func(siftdb.Changes) {}))
	defer guardTEnd(limit, s)
	then()
	return fmt.Sprint(s.IsInScope(must[*siftdb.Entry](l.t)(ds.FindByID(ctx, 1)))), "false"
}

func guardTPublic(l guardTLab, db *siftdb.DB, name string, public bool) *siftdb.DataSource {
	return must[*siftdb.DataSource](l.t)(db.Create(ctx, siftdb.DataSourceSpec{Name: name, Public: &public, AccessRules: json.RawMessage(guardTOpenRules), Entries: []any{siftdb.M{"A": 1}}}))
}

// guardTReadsFile has a token of an entry's organization read, or delete, the entry's file,
// which it must not.
func guardTReadsFile(l guardTLab, rules string, remove bool, check func(context.Context, *security.Principal, siftdb.FileInfo) bool) (got, want string) {
	db := l.open(siftdb.Options{Media: media.Memory(), FileAccess: check})
	e := must[*siftdb.Entry](l.t)(fileTable(l.t, db, rules).InsertWithFiles(ctx, siftdb.FormOf(textPart("g", "x"), filePart("f", "a", "s3cret"))))
	files := db.As(userToken("bob")).Files()
	_, err := files.Get(ctx, fileID(l.t, e, "f"))
	if remove {
		if err != nil {
			return guardTError(err), ""
		}
		err = files.Delete(ctx, fileID(l.t, e, "f"))
	}
	return fmt.Sprint(isRefused(err)), "true"
}
