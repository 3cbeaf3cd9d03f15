package siftdb_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// guardTCached are reads that something is kept for: rules, hooks, names, views, snapshots.
var guardTCached = guardTCases{
	"find":  guardTBy(siftdb.Query{}),
	"where": guardTBy(siftdb.Query{Where: `{"Salary":10}`}),
	"order": guardTBy(siftdb.Query{Order: siftdb.Order{siftdb.Asc("Salary")}}),
	"view":  guardTBy(siftdb.Query{Views: []string{"poor"}}),
	"join":  guardTBy(siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "people", On: siftdb.On{"Name": "Name"}, Where: `{"Salary":{"$ne":10}}`}}}),
	"by id": func(v guardTView) string { e, err := v.people().FindByID(ctx, 1); return v.json(e, err) },
	"count": func(v guardTView) string {
		return guardTCount(v.people().Count(ctx, siftdb.Query{Where: `{"Salary":10}`}))
	},
	"unique": guardTUnique("Salary"),
	"lookup": guardTPiped(`[{"$lookup":{"from":"people","localField":"data.Name","foreignField":"data.Name","as":"o"}},{"$project":{"o.data":1}}]`),
	"group":  guardTPiped(`[{"$group":{"_id":"$data.Salary"}}]`),
	"version": func(v guardTView) string {
		return v.found(v.people().VersionEntries(ctx, v.past(0), siftdb.VersionQuery{}))
	},
	"info": func(v guardTView) string { i, err := v.people().Info(ctx); return fmt.Sprint(i.Columns, err) },
	"typed": func(v guardTView) string {
		r, err := siftdb.Of[map[string]any](v.people()).Find(ctx, siftdb.Query{})
		return guardTJSON(r) + guardTError(err)
	},
}

func guardTPiped(p string) func(v guardTView) string { return guardTPipes(siftdb.Query{}, p)[p] }

// TestGuardCaches: nothing that is kept is kept without whom it was read for, and under
// which rules (channel 13).
func TestGuardCaches(t *testing.T) {
	const open = `[{"type":["select","count"],"allow":"loggedIn"}]`
	for _, name := range slices.Sorted(maps.Keys(guardTCached)) {
		run := func(v guardTView) string { v.strip = false; return guardTCached[name](v) }
		as := func(v guardTView, role string) guardTView { v.db = v.w.root.As(guardTPrincipal(role)); return v }
		cold := run(guardTTwin(t, false, guardTPrincipal("clerk")))

		v := guardTTwin(t, false, guardTPrincipal("boss"))
		all := run(v)
		if got := run(as(v, "clerk")); got != cold {
			t.Errorf("%s: after the boss it tells the clerk\n%s\nand before\n%s", name, guardTClip(got, cold), guardTClip(cold, got))
		}
		if got := run(as(v, "boss")); got != all || got == cold {
			t.Errorf("%s: after the clerk it tells the boss\n%s\nand before\n%s", name, guardTClip(got, all), guardTClip(all, got))
		}

		v = guardTTwin(t, false, guardTPrincipal("clerk"))
		shut := must[siftdb.DataSourceInfo](t)(v.w.people.Info(ctx)).AccessRules
		kept := v.people() // a handle is no grant
		guardTRule(t, v.w.people, open)
		if got := run(v); got == cold {
			t.Errorf("%s: once all is shown it tells the same: %.300s", name, got)
		}
		guardTRule(t, v.w.people, string(shut))
		if got := run(v); got != cold {
			t.Errorf("%s: under the rules of before it tells\n%s\nnot\n%s", name, guardTClip(got, cold), guardTClip(cold, got))
		}
		guardTRule(t, v.w.people, `[]`)
		if got := run(v); name != "info" && !strings.Contains(got, guardTDenied) {
			t.Errorf("%s: once nothing is granted it tells %.300s", name, got)
		}
		_, err := kept.Find(ctx, siftdb.Query{})
		guardTRefused(t, name+" by an old handle", err)
	}
}

// TestGuardLinks: an entry that may not be touched cannot be told from one that there is
// not, by an id (channel 21).
func TestGuardLinks(t *testing.T) {
	const rules = `[{"type":["select","update","delete"],"allow":"all","require":[{"Owner":{"equals":"bob"}}]}]`
	commit := func(c siftdb.Commit) func(ds *siftdb.DataSource, id int64) error {
		return func(ds *siftdb.DataSource, id int64) error {
			c := c
			if c.Entries != nil {
				c.Entries = []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"A": 1}}}
			} else {
				c.Delete = []int64{id}
			}
			_, err := ds.Commit(ctx, c)
			return err
		}
	}
	some := []siftdb.CommitEntry{{}}
	for name, call := range map[string]func(ds *siftdb.DataSource, id int64) error{
		"get": func(ds *siftdb.DataSource, id int64) error { _, err := ds.FindByID(ctx, id); return err },
		"typed": func(ds *siftdb.DataSource, id int64) error {
			_, err := siftdb.Of[guardTTyped](ds).FindByID(ctx, id)
			return err
		},
		"get of the past": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.At(must[*siftdb.Entry](t)(ds.As(nil).FindByID(ctx, 1)).Changed+1).FindByID(ctx, id)
			return err
		},
		"update": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.UpdateEntry(ctx, id, siftdb.M{"A": 1})
			return err
		},
		"update if": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.UpdateEntry(ctx, id, siftdb.M{"A": 1}, siftdb.IfChanged(1))
			return err
		},
		"no update": func(ds *siftdb.DataSource, id int64) error { _, err := ds.UpdateEntry(ctx, id, siftdb.M{}); return err },
		"files": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.UpdateWithFiles(ctx, id, siftdb.FormOf(filePart("f", "a", "x")))
			return err
		},
		"remove":        func(ds *siftdb.DataSource, id int64) error { return ds.Remove(ctx, id) },
		"remove if":     func(ds *siftdb.DataSource, id int64) error { return ds.Remove(ctx, id, siftdb.IfChanged(1)) },
		"commit":        commit(siftdb.Commit{Append: new(true), Extend: true, Entries: some}),
		"replace":       commit(siftdb.Commit{Append: new(true), Entries: some}),
		"commit delete": commit(siftdb.Commit{Append: new(true)}),
		"delete query": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: siftdb.M{"id": id}})
			return err
		},
		"where": func(ds *siftdb.DataSource, id int64) error {
			_, err := ds.Find(ctx, siftdb.Query{Where: siftdb.M{"id": id}})
			return err
		},
		"subscribe": func(ds *siftdb.DataSource, id int64) error {
			return guardTTrySubscribe(ds, siftdb.SubscribeOptions{ID: id})
		},
	} {
		db := memoryDB(t, &siftdb.Options{Media: media.Memory()})
		ds := guardTSource(t, db, "t", rules, `{}`, `{"Owner":"ann"}`, `{"Owner":"ann"}`)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Owner": "bob"}))
		tells := func(who *siftdb.DataSource, id int64) string {
			return strings.ReplaceAll(guardTError(call(who, id)), fmt.Sprint(id), "n")
		}
		bob := ds.As(guardTUser(siftdb.M{}))
		hidden, none := tells(bob, 2), tells(bob, 777)
		if hidden != none || hidden == "" {
			t.Errorf("%s: of what there is bob is told %q, and of what there is not %q", name, hidden, none)
		}
	}
}
