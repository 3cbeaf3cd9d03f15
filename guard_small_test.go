package siftdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// TestGuardExplainWhere: Explain shows the where that was sent, not what rules and hooks
// made of it: hashes, and what a script added.
func TestGuardExplainWhere(t *testing.T) {
	ds, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		return guardTGrant, []string{strings.TrimSuffix(c.Query[0].String(), "}") + `,"Tenant":"s3cret"}`}
	}, guardTByScript, `{}`, `{"Password":"x"}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeQuery"],"payload":{"Password":["hash"]}}]`)}))
	join := siftdb.Join{Name: "j", DataSourceID: ds.ID(), On: siftdb.On{"Password": "Password"}, Where: `{"Password":"joined"}`}
	for _, q := range []siftdb.Query{{Where: `{"Password":"guess"}`, Joins: []siftdb.Join{join}}, {Where: `{"Password":"guess"}`, Joins: []siftdb.Join{join}, Aggregate: `[]`}} {
		got := must[*siftdb.Plan](t)(bob.Explain(ctx, q)).String()
		if strings.Contains(got, "s3cret") || !strings.Contains(got, `{"Password":"guess"}`) || !strings.Contains(got, `{"Password":"joined"}`) {
			t.Errorf("bob is shown\n%s", got)
		}
	}
	if got := must[*siftdb.Plan](t)(ds.Explain(ctx, siftdb.Query{Where: `{"Password":"guess"}`})).String(); strings.Contains(got, "guess") {
		t.Errorf("trusted code is not shown what runs:\n%s", got)
	}
}

// TestGuardViewErrors: the error of a view does not show what is in it to those who may
// not read the definition.
func TestGuardViewErrors(t *testing.T) {
	ds, bob := guardTOwned(t, nil, guardTOpenRules, `{"views":[{"name":"bad","filter":{"s3cret":{"$regex":"("}}},{"name":"worse","filter":{"s3cret":{"$s3cret":1}}}]}`, `{"Owner":"x"}`)
	for _, view := range []string{"bad", "worse"} {
		q := siftdb.Query{Views: []string{view}}
		for what, run := range map[string]func(ds *siftdb.DataSource) error{
			"find":     func(ds *siftdb.DataSource) error { _, err := ds.Find(ctx, q); return err },
			"count":    func(ds *siftdb.DataSource) error { _, err := ds.Count(ctx, q); return err },
			"explain":  func(ds *siftdb.DataSource) error { _, err := ds.Explain(ctx, q); return err },
			"live":     func(ds *siftdb.DataSource) error { _, err := guardTFirst(ds.Live(ctx, q)); return err },
			"pipeline": func(ds *siftdb.DataSource) error { _, err := ds.Aggregate(ctx, `[]`, q); return err },
			"subscribe": func(ds *siftdb.DataSource) error {
				return guardTTrySubscribe(ds, siftdb.SubscribeOptions{Views: q.Views})
			},
			"join": func(ds *siftdb.DataSource) error {
				_, err := ds.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceID: ds.ID(), On: siftdb.On{"Owner": "Owner"}, Views: q.Views}}})
				return err
			},
		} {
			if err := run(bob); err == nil || !isInvalidQuery(err) || strings.Contains(guardTError(err), "s3cret") || !strings.Contains(err.Error(), view) {
				t.Errorf("%s: bob is told %v", what, err)
			}
			if err := run(ds); err == nil || !strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: trusted code is told %v", what, err)
			}
		}
	}
}

// TestGuardRuledErrors: nor does that of a where that a script has spoilt.
func TestGuardRuledErrors(t *testing.T) {
	_, bob := guardTOwned(t, func(c security.ScriptCall) (string, []string) {
		id := ""
		if c.Query[0].Field("id").Float() == 1 {
			id = `"id":1,`
		}
		return guardTGrant, []string{`{` + id + `"s3cret":{"$s3cret":1}}`}
	}, guardTByScript, `{}`, `{"A":1}`)
	_, found := bob.Find(ctx, siftdb.Query{Where: `{"A":1}`})
	_, counted := bob.Count(ctx, siftdb.Query{})
	_, got := bob.FindByID(ctx, 1)
	for i, err := range []error{found, counted, got} {
		if !isInvalidQuery(err) || strings.Contains(guardTError(err), "s3cret") {
			t.Errorf("%d: bob is told %v", i, err)
		}
	}
}

func guardTTrySubscribe(ds *siftdb.DataSource, o siftdb.SubscribeOptions) error {
	s, err := ds.Subscribe(ctx, o, func(siftdb.Changes) {})
	if err == nil {
		s.Unsubscribe()
		<-s.Done()
	}
	return err
}

// guardTTwice gives one JSON text, and calls between the first reading of it and the
// second.
type guardTTwice struct {
	n       *int
	between func()
}

func (g guardTTwice) MarshalJSON() ([]byte, error) {
	if *g.n++; *g.n == 2 {
		g.between()
	}
	return []byte(`"a"`), nil
}

// TestHookNoopConfirmed: an update on which no hooks ran, since it changed nothing, is not
// stored over an entry that has changed meanwhile.
func TestHookNoopConfirmed(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"P":"a"}`)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeSave"],"payload":{"P":["upper"]}}]`)}))
	n := 0
	data := siftdb.M{"P": guardTTwice{&n, func() { must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, siftdb.M{"P": "b"})) }}}
	got := must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 1, data))
	if n < 3 || got.Get("P") != "A" {
		t.Errorf("after %d readings the entry is %s: no hook ran", n, got.JSON())
	}
}

// TestJoinHooks: the hooks of a joined data source run on the join's where, whoever asks.
func TestJoinHooks(t *testing.T) {
	db := memoryDB(t, nil)
	people := guardTSource(t, db, "people", guardTOpenRules, `{}`, `{"n":1}`)
	mails := guardTSource(t, db, "mails", guardTOpenRules, `{}`, `{"n":1,"email":"a@x"}`)
	must[siftdb.DataSourceInfo](t)(mails.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeQuery"],"payload":{"email":["lower"]}}]`)}))
	for _, j := range []siftdb.Join{{DataSourceName: "mails"}, {DataSourceID: mails.ID()}} {
		j.Name, j.On, j.Where = "j", siftdb.On{"n": "n"}, siftdb.M{"email": "A@X"}
		for name, ds := range map[string]*siftdb.DataSource{"trusted": people, "admin": people.As(&security.Principal{Admin: true}), "bob": people.As(guardTUser(siftdb.M{}))} {
			q := siftdb.Query{Joins: []siftdb.Join{j}}
			list := must[[]*siftdb.Entry](t)(ds.Find(ctx, q))
			docs := must[[]siftdb.Document](t)(ds.Aggregate(ctx, `[{"$project":{"n":{"$size":"$joins.j"}}}]`, q))
			if n := len(list[0].Joined("j")); n != 1 || !strings.Contains(guardTJSON(docs), `"n":1`) {
				t.Errorf("%s joins %d, and in a pipeline %s", name, n, guardTJSON(docs))
			}
		}
	}
}

// TestGuardFileColumns: what hides a column hides the ids of its files, on every channel.
func TestGuardFileColumns(t *testing.T) {
	row := `{"A":1,"X":"u","XMediaFileId":7,"XMediaFileIdMediaFileId":8,"MediaFileId":9}`
	const left, all = `{"A":1,"MediaFileId":9}`, `{"A":1,"X":"u","XMediaFileId":7,"XMediaFileIdMediaFileId":8,"MediaFileId":9}`
	script := func(returned string) guardTScript {
		return func(security.ScriptCall) (string, []string) { return returned, nil }
	}
	for _, c := range []struct {
		rules, definition string
		script            guardTScript
		want              string
	}{
		{`[{"type":"select","allow":"all"}]`, `{}`, nil, all},
		{`[{"type":"select","allow":"all","exclude":["X"]}]`, `{}`, nil, left},
		{`[{"type":"select","allow":"all"}]`, `{"exclude":["X"]}`, nil, left},
		{`[{"type":"select","allow":"all","include":["A","X","MediaFileId"]}]`, `{}`, nil, `{"A":1,"X":"u","MediaFileId":9}`},
		{`[{"type":"select","allow":"all","include":["A","XMediaFileId","MediaFileId"]}]`, `{}`, nil, `{"A":1,"XMediaFileId":7,"MediaFileId":9}`},
		{`[{"type":"select","allow":"all","include":["A","XMediaFileId","MediaFileId"]}]`, `{"exclude":["X"]}`, nil, `{"A":1,"XMediaFileId":7,"MediaFileId":9}`},
		{`[{"type":"select","allow":"all","include":["A","XMediaFileId","MediaFileId"]}]`, `{"exclude":["XMediaFileId"]}`, nil, left},
		{guardTByScript, `{}`, script(`{"granted":true,"exclude":["X"]}`), left},
		{`[{"script":"x","exclude":["X"]}]`, `{}`, script(guardTGrant), left},
		{`[{"script":"x","include":["A","XMediaFileId","MediaFileId"]}]`, `{}`, script(`{"granted":true,"exclude":["X"]}`), left},
	} {
		ds, bob := guardTOwned(t, c.script, c.rules, c.definition, row)
		what := c.rules + " " + c.definition
		guardTExpect(t, what, guardTSees(bob, `{}`), c.want)
		guardTExpect(t, what+" by id", guardTData(t, bob, 1), c.want)
		hidden := !strings.Contains(c.want, "XMediaFileId")
		if got := guardTSees(bob, `{"XMediaFileId":7}`) == ""; got != hidden {
			t.Errorf("%s: a where on the id finds nothing: %t", what, got)
		}
		if got := len(must[[]any](t)(bob.Index(ctx, "XMediaFileId"))) == 0; got != hidden {
			t.Errorf("%s: the unique ids are hidden: %t", what, got)
		}
		if c.script == nil { // of scripts Info knows nothing
			got := fmt.Sprint(must[siftdb.DataSourceInfo](t)(bob.Info(ctx)).Columns)
			if strings.Contains(got, "XMediaFileId") == hidden {
				t.Errorf("%s: the columns are %s", what, got)
			}
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, json.RawMessage(row)))
	}
	// A write of it is one of the column.
	_, bob := guardTOwned(t, nil, `[{"type":["insert","update"],"allow":"all","exclude":["X"]}]`, `{}`, row)
	_, err := bob.UpdateEntry(ctx, 1, siftdb.M{"XMediaFileId": 1})
	guardTRefused(t, "setting the id of a file", err)
	// The name is the one that uploads write.
	db := memoryDB(t, &siftdb.Options{Media: media.Memory()})
	e := must[*siftdb.Entry](t)(table(t, db, "t").InsertWithFiles(ctx, siftdb.FormOf(siftdb.Part{Name: "X", FileName: "a.txt", Content: strings.NewReader("x")})))
	if _, ok := e.Lookup("X" + security.FileIDSuffix); !ok || security.FileColumn("X"+security.FileIDSuffix) != "X" || security.FileColumn("X") != "" || security.FileColumn(security.FileIDSuffix) != "" {
		t.Errorf("an upload gives %s", e.JSON())
	}
}
