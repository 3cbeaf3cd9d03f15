package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/security/script"
)

// scriptRule is access rules of one script.
func scriptRule(t testing.TB, source string) json.RawMessage {
	t.Helper()
	return must[json.RawMessage](t)(json.Marshal([]map[string]string{{"script": source}}))
}

// TestGuardLookUps: scripts read other data sources of the organization, by id and by
// name, with full rights and without asking rules (spec 11.7(6)).
func TestGuardLookUps(t *testing.T) {
	runner := script.New(script.Options{})
	defer runner.Close()
	var mu sync.Mutex
	var failures []string
	store := media.Memory()
	db := memoryDB(t, &siftdb.Options{Scripts: runner, Media: store, ScriptFailed: func(id int64, f security.ScriptFailure) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, fmt.Sprintf("%d %d %s %v", id, f.Rule, f.Type, f.Err))
	}})
	create := func(name string, organization, app int64, rules string, rows ...string) *siftdb.DataSource {
		t.Helper()
		spec := siftdb.DataSourceSpec{Name: name, AccessRules: scriptRule(t, rules)}
		if organization != 0 {
			spec.OrganizationID = &organization
		}
		if app != 0 {
			spec.AppID = &app
		}
		for _, row := range rows {
			spec.Entries = append(spec.Entries, json.RawMessage(row))
		}
		return must[*siftdb.DataSource](t)(db.Create(ctx, spec))
	}
	closed := `return {}`
	members := create("Members", 1, 0, closed, `{"Email":"bob@x","Team":"red","Level":12345678901234567890}`, `{"Email":"cleo@x","Team":"blue"}`)
	create("Members", 2, 0, closed, `{"Email":"mallory@x","Team":"red"}`)
	create("Shared", 1, 5, closed, `{"Of":"five"}`)
	create("Shared", 1, 6, closed, `{"Of":"six"}`)
	create("Shared", 0, 6, closed, `{"Of":"none"}`)
	trashed := create("Trashed", 1, 0, closed, `{"a":1}`)
	if err := trashed.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	must[siftdb.FileInfo](t)(db.Files().Upload(ctx, siftdb.FileUpload{Name: "a.txt", Content: strings.NewReader("x")}))
	for _, c := range []struct{ source, want string }{
		{`(await DataSources('Members').find()).map(e => e.data.Email).join()`, `bob@x,cleo@x`},
		{`(await DataSources('Members').findOne({where: {Email: user.Email}})).data.Team`, `red`},
		{`await DataSources('Members').findOne({where: {Email: 'mallory@x'}})`, `null`},
		{fmt.Sprintf(`(await DataSources(%d).find({where: {Team: {$in: ['blue']}}})).length`, members.ID()), `1`},
		{`Object.keys(await DataSources('Members').findOne()).join()`, `id,data,order,createdAt,updatedAt,deletedAt,dataSourceId`},
		{`(await DataSources('Members').find({limit: 1, offset: 1})).map(e => e.data.Email).join()`, `cleo@x`},
		{`(await DataSources('Shared').find()).map(e => e.data.Of).join()`, `six`},
		{`(await DataSources('Self').find()).length`, `1`}, // it asks no rules, so not this one
		{`await DataSources('Trashed').find().catch(e => e.message)`, `data source "Trashed" does not exist`},
		{`await DataSources('members').find().catch(e => e.message)`, `data source "members" does not exist`},
		{`await DataSources(2).find().catch(e => e.message)`, `data source 2 does not exist`},
		{`await DataSources(5).find().catch(e => e.message)`, `data source 5 does not exist`},
		{`await DataSources(4711).find().catch(e => e.message)`, `data source 4711 does not exist`},
		{`(await Promise.all(Array.from(Array(12), (x, i) => DataSources(i).find().then(l => l.map(e => JSON.stringify(e.data)), () => [])))).flat().filter(s => s.includes('a.txt')).length`, `0`},
		{`await DataSources('Members').find({where: {Email: {$nonsense: 1}}}).catch(e => 'refused')`, `refused`},
	} {
		// What the script finds comes back in what it lets be stored.
		self := create("Self", 1, 6, `if (type !== 'insert') return {granted: type === 'select'}; query.Found = String(`+c.source+`); return {granted: true}`, `{"a":1}`)
		who := &security.Principal{TokenID: 7, OrganizationID: new(int64(1)), User: map[string]any{"Email": "bob@x"}}
		e, err := self.As(who).Insert(ctx, siftdb.M{"a": 2})
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
		} else if got := must[*siftdb.Entry](t)(self.FindByID(ctx, e.ID)).Get("Found"); got != c.want {
			t.Errorf("%s: %v, want %s", c.source, got, c.want)
		}
		if err := self.Delete(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(failures) != 0 {
		t.Errorf("failures: %q", failures)
	}

	guarded := create("Guarded", 1, 0, `const m = await DataSources('Members').findOne({where: {Email: user.Email}});
		if (!m) throw new Error('no member');
		query.Team = m.data.Team;
		return {granted: type === 'select'}`, `{"Team":"red","n":1}`, `{"Team":"blue","n":2}`)
	bob := guarded.As(&security.Principal{TokenID: 7, User: map[string]any{"Email": "bob@x"}})
	if list := must[[]*siftdb.Entry](t)(bob.Find(ctx, siftdb.Query{})); len(list) != 1 || list[0].Get("n") != 1.0 {
		t.Errorf("bob sees %v", texts(list))
	}
	_, err := guarded.As(&security.Principal{TokenID: 7, User: map[string]any{"Email": "eve@x"}}).Find(ctx, siftdb.Query{})
	guardTRefused(t, "nobody's member", err)
	if want := fmt.Sprintf("%d 0 select", guarded.ID()); len(failures) != 1 || !strings.HasPrefix(failures[0], want) || !strings.Contains(failures[0], "no member") {
		t.Errorf("failures: %q", failures)
	}
}

// lookingScript is a script as a Go function that may look things up.
type lookingScript func(ctx context.Context, r security.ScriptReader) bool

func (f lookingScript) RunScript(ctx context.Context, call security.ScriptCall) (security.ScriptResult, error) {
	if !f(ctx, call.Reader) {
		return security.ScriptResult{}, errors.New("not granted")
	}
	v, err := document.Parse([]byte(guardTGrant), document.Limits{})
	return security.ScriptResult{Returned: v}, err
}

// TestGuardLookUpState: what the scripts of one decision look up is one state of the store,
// whatever is written and dropped meanwhile, and nothing is read once it is made.
func TestGuardLookUpState(t *testing.T) {
	var team, other *siftdb.DataSource
	var kept security.ScriptReader
	everything := document.Of(map[string]any{})
	run := func(ctx context.Context, r security.ScriptReader) bool {
		kept = r
		for i := range 3 {
			for source, want := range map[any]int{"Team": 2, team.ID(): 2, "Other": 1} {
				if found, err := r.Find(ctx, source, everything, 100, 0); err != nil || len(found) != want {
					t.Errorf("look-up %d of %v: %d entries, %v", i, source, len(found), err)
				}
			}
			must[*siftdb.Entry](t)(team.Insert(ctx, siftdb.M{"n": 3 + i}))
			if _, err := other.ReplaceWith(ctx, []any{siftdb.M{"n": 1}, siftdb.M{"n": 2}, siftdb.M{"n": i}}); err != nil {
				t.Error(err)
			}
		}
		return true
	}
	db := memoryDB(t, &siftdb.Options{Scripts: lookingScript(run), Retention: siftdb.Retention{Versions: -1}})
	team, other = table(t, db, "Team", `{"n":1}`, `{"n":2}`), table(t, db, "Other", `{"n":1}`)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AccessRules: json.RawMessage(guardTByScript)}))
	if _, err := ds.As(&security.Principal{TokenID: 7}).Find(ctx, siftdb.Query{}); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Find(ctx, "Team", everything, 100, 0); err == nil {
		t.Error("a look-up after the decision")
	}
}

// TestGuardLookUpBounds: a look-up ends with its context, and does not hold more than a
// script may be given.
func TestGuardLookUpBounds(t *testing.T) {
	everything := document.Of(map[string]any{})
	db := memoryDB(t, &siftdb.Options{Scripts: lookingScript(func(ctx context.Context, r security.ScriptReader) bool {
		if found, err := r.Find(ctx, "Large", everything, 15, 0); err != nil || len(found) != 15 {
			t.Errorf("15 MiB: %d entries, %v", len(found), err)
		}
		if _, err := r.Find(ctx, "Large", everything, 100, 0); !errors.Is(err, siftdb.ErrTooLarge) {
			t.Errorf("100 MiB: %v", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := r.Find(ended, "Large", everything, 1, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is done: %v", err)
		}
		return true
	})})
	large := table(t, db, "Large")
	for range 100 {
		must[*siftdb.Entry](t)(large.Insert(ctx, siftdb.M{"x": strings.Repeat("x", 1<<20)}))
	}
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", AccessRules: json.RawMessage(guardTByScript)}))
	if _, err := ds.As(&security.Principal{TokenID: 7}).Find(ctx, siftdb.Query{}); err != nil {
		t.Fatal(err)
	}
}
