package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// TestList chooses data sources and their keys (spec 12.3).
func TestList(t *testing.T) {
	s := newSite(t, Options{InUse: func(_ context.Context, app int64) ([]int64, error) {
		return map[int64][]int64{456: {1, 3, 6, 99}}[app], nil
	}})
	s.table(siftdb.DataSourceSpec{Name: "plain"})                                                // 1
	s.table(siftdb.DataSourceSpec{Name: "likes", Type: new("likes")})                            // 2
	s.table(siftdb.DataSourceSpec{Name: "app", AppID: new(int64(456))})                          // 3
	s.table(siftdb.DataSourceSpec{Name: "menu", AppID: new(int64(456)), Type: new("menu")})      // 4
	s.table(siftdb.DataSourceSpec{Name: "other app", AppID: new(int64(7))})                      // 5
	s.table(siftdb.DataSourceSpec{Name: "foreign", OrganizationID: new(int64(9))})               // 6
	s.table(siftdb.DataSourceSpec{Name: "no organization", OrganizationID: new(int64(1))}, "{}") // 7
	for _, test := range []struct{ token, query, ids string }{
		{orgToken, "", "1 2 3 4 5"},
		{orgToken, "?organizationId=123", "1 2 3 4 5"},
		{orgToken, "?organizationId=9", ""},
		{orgToken, "?appId=456", "3 4"},
		{orgToken, "?appId=456&includeInUse=true", "1 3 4"},
		{orgToken, "?appId=456&includeInUse", "1 3 4"},
		{orgToken, "?appId=456&includeInUse=false", "3 4"},
		{orgToken, "?type=", "1 3 5"},
		{orgToken, "?type=null", "1 3 5"},
		{orgToken, "?type=likes", "2"},
		{orgToken, "?type=keystore", ""},
		{orgToken, "?excludeTypes=menu,likes&roles=x", "1 3 5"},
		{orgToken, "?excludeTypes=menu", "1 2 3 5"},
		{bobToken, "", "3 4"}, // its own app
		{bobToken, "?organizationId=123", "1 2 3 4 5"},
		{guestToken, "", "1 2 3 4 5"},
		{strangeToken, "", "6"},
		{adminToken, "?organizationId=9", "6"},
		{adminToken, "?appId=456&organizationId=123", "3 4"},
		{adminToken, "?appId=456&includeInUse", "1 3 4 6"},
	} {
		r := s.ask(test.token, "GET /v1/data-sources"+test.query).want(200)
		var ids []string
		for _, d := range r.get("dataSources").([]any) {
			ids = append(ids, fmt.Sprint(at(d, "id")))
		}
		if got := strings.Join(ids, " "); got != test.ids {
			t.Errorf("%s: %s, want %s", r.what, got, test.ids)
		}
	}
	s.ask(orgToken, "GET /v1/data-sources?type=likes&attributes=name,apps,nothing").text(200, `{"dataSources":[{"id":2,"name":"likes","apps":[]}]}`)
	s.ask(adminToken, "GET /v1/data-sources/7?attributes=name&includeEntriesCount").text(200, `{"dataSource":{"id":7,"name":"no organization","entriesCount":1}}`)
}

// TestSecrets keeps hooks, definition and rules from who is no admin (spec 1.3).
func TestSecrets(t *testing.T) {
	s := newSite(t, Options{})
	rules := `[{"type":["select"],"allow":"loggedIn","exclude":["Salary"]}]`
	r := s.ask(orgToken, "POST /v1/data-sources", asJSON, `{"name": "A", "definition": {"key": "secret"}, "accessRules": `+rules+`, "entries": [{"Name": "a", "Salary": 1}]}`).want(201)
	if at(r.value(), "dataSource", "definition", "key") != "secret" || at(r.value(), "dataSource", "accessRules") == nil {
		t.Errorf("the admin sees %s", r.body)
	}
	s.ask(orgToken, "GET /v1/data-sources/1").want(200)
	for _, token := range []string{bobToken, guestToken} {
		for _, target := range []string{"GET /v1/data-sources/1", "GET /v1/data-sources?organizationId=123"} {
			r := s.ask(token, target).want(200)
			if strings.Contains(r.body, "secret") || strings.Contains(r.body, "accessRules") || strings.Contains(r.body, "Salary") || !strings.Contains(r.body, `"hooks":[]`) {
				t.Errorf("%s: %s", r.what, r.body)
			}
		}
	}
	if r := s.ask(bobToken, "POST /v1/data-sources", asJSON, `{"name": "keystore", "type": "keystore", "organizationId": 123, "definition": {"a": "secret"}}`).want(201); strings.Contains(r.body, "secret") {
		t.Error(r.body)
	}
	if got := s.ask(bobToken, "GET /v1/data-sources?type=keystore").get("dataSources", 0, "name"); got != "keystore" {
		t.Errorf("its maker does not find the keystore: %v", got)
	}
	// What may not be counted has no count.
	if r := s.ask(guestToken, "GET /v1/data-sources/1?includeEntriesCount").want(200); strings.Contains(r.body, "entriesCount") {
		t.Error(r.body)
	}
	if got := s.ask(bobToken, "GET /v1/data-sources/1?includeEntriesCount").get("dataSource", "entriesCount"); got != json.Number("1") {
		t.Errorf("Bob counts %v", got)
	}
	// A hidden column is an absent one.
	for _, target := range []string{"GET /v1/data-sources/1/data", "GET /v1/data-sources/1/data/1", "GET /v1/data-sources/1/data/1?attributes=Salary,Name", "GET /v1/data-sources/1/indexes/Salary,Name"} {
		if r := s.ask(bobToken, target).want(200); strings.Contains(r.body, `"Salary":1`) || strings.Contains(r.body, `"Salary":[1`) || !strings.Contains(r.body, `"a"`) {
			t.Errorf("%s: %s", r.what, r.body)
		}
	}
	s.ask(bobToken, "POST /v1/data-sources/1/commit", asJSON, `{"entries": [{"data": {"Name": "b"}}], "append": true}`).
		text(400, `{"message":"The security rules for the Data Source \"A\" do not allow this app to insert data.","type":"datasource.access","payload":{"dataSourceId":1}}`)
}

// TestEntryAttributes chooses columns of one entry as a query does (spec 4.1).
func TestEntryAttributes(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"id": 7, "Name": "x", "a": {"b": 1.50, "c": [2]}, "a.c": 3}`)
	for attributes, want := range map[string]string{"Name": `{"Name":"x"}`, "data.Name,id": `{"id":7,"Name":"x"}`, "a.b": `{"a":{"b":1.50}}`, "a.c": `{"a.c":3}`, "none": `{}`, "[]": `{}`,
		"data": `{"id":7,"Name":"x","a":{"b":1.50,"c":[2]},"a.c":3}`, "": `{"id":7,"Name":"x","a":{"b":1.50,"c":[2]},"a.c":3}`} {
		one := s.ask(orgToken, "GET "+path(ds, "/data/1?attributes="+attributes)).want(200)
		all := s.ask(orgToken, "GET "+path(ds, "/data?attributes="+attributes)).want(200)
		if all.body != `{"entries":[`+one.body+`]}` || !strings.Contains(one.body, `"data":`+want+`,"order"`) {
			t.Errorf("attributes %q:\n%s\n%s", attributes, one.body, all.body)
		}
	}
}

// TestSession names the entry that the caller logged in with (spec 2.2).
func TestSession(t *testing.T) {
	list, err := Tokens(Token{ID: 1, Token: "eu--me", OrganizationID: new(int64(123)), User: map[string]any{"Email": "me@x"}, EntryID: 2, DataSourceID: 1}, Token{ID: 2, Token: orgToken, Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, Options{Authenticator: list})
	rules := json.RawMessage(`[{"type": ["select", "update", "delete"], "allow": "loggedIn", "require": [{"Email": {"equals": "{{user.Email}}"}}]}, {"type": "select", "allow": "loggedIn", "require": ["Email"]}]`)
	views := json.RawMessage(`{"views": [{"name": "mine", "filter": {"Email": "session.Email"}}]}`)
	ds := s.table(siftdb.DataSourceSpec{Name: "Users", AccessRules: rules, Definition: views}, `{"Email": "you@x"}`, `{"Email": "me@x"}`)
	other := s.table(siftdb.DataSourceSpec{Name: "Other", AccessRules: json.RawMessage(loggedIn)}, `{}`)
	if got := s.ask("eu--me", "GET "+path(ds, "/data/session")).want(200).get("data", "Email"); got != "me@x" {
		t.Errorf("the session is %v", got)
	}
	s.ask("eu--me", "PUT "+path(ds, "/data/session"), asJSON, `{"Email": "me@x", "x": 1}`).want(201)
	s.ask("eu--me", "GET "+path(other, "/data/session")).fails(404, "session")
	s.ask(orgToken, "GET "+path(ds, "/data/session")).fails(404, "session")
	if r := s.ask(orgToken, "GET "+path(ds, "/data?view=mine")).want(200); r.ids() != "" {
		t.Errorf("an admin without a session sees %s", r.body)
	}
	s.ask("eu--me", "DELETE "+path(ds, "/data/session")).text(200, "{}")
	s.ask("eu--me", "GET "+path(ds, "/data/session")).want(400) // judged as an entry without columns
}

// TestTrash moves data sources to the trash and back (spec 12.3).
func TestTrash(t *testing.T) {
	s := newSite(t, Options{})
	a, b := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"n": 1}`), s.table(siftdb.DataSourceSpec{Name: "B", AppID: new(int64(4))})
	s.ask(orgToken, "GET /v1/data-sources/deleted").text(200, `{"dataSources":[]}`)
	s.ask(orgToken, "DELETE "+path(a, "")).text(200, "")
	time.Sleep(2 * time.Millisecond)
	s.ask(orgToken, "DELETE "+path(b, "")).text(200, "")
	r := s.ask(orgToken, "GET /v1/data-sources/deleted").want(200)
	if r.get("dataSources", 0, "name") != "B" || r.get("dataSources", 1, "name") != "A" || r.get("dataSources", 0, "deletedAt") == nil {
		t.Errorf("the trash: %s", r.body)
	}
	if r := s.ask(orgToken, "GET /v1/data-sources/deleted?appId=4").want(200); r.get("dataSources", 0, "name") != "B" || r.get("dataSources", 1) != nil {
		t.Errorf("the trash of an app: %s", r.body)
	}
	s.ask(otherToken, "GET /v1/data-sources/deleted").text(200, `{"dataSources":[]}`)
	s.ask(otherToken, "POST "+path(a, "/restore")).want(404)
	s.ask(otherToken, "DELETE /v1/data-sources/deleted/1").want(404)
	if r := s.ask(orgToken, "POST "+path(a, "/restore")).want(200); r.get("dataSource", "name") != "A" {
		t.Error(r.body)
	}
	s.ask(orgToken, "POST "+path(a, "/restore")).want(404)
	s.ask(orgToken, "DELETE /v1/data-sources/deleted/1").want(404) // not in the trash
	s.ask(orgToken, "DELETE /v1/data-sources/deleted/2").text(200, "{}")
	s.ask(orgToken, "POST "+path(b, "/restore")).want(404)
	if got := s.ask(orgToken, "GET "+path(a, "/data")).ids(); got != "1" {
		t.Errorf("entries after the restore: %s", got)
	}
}

// TestImportHooks tells imports whether the hooks of inserts run (spec 10.4).
func TestImportHooks(t *testing.T) {
	for _, c := range []struct {
		query, append, hooks string
		runs                 bool
	}{
		{"", `true`, ``, true},
		{"", `true`, `,"runHooks":true`, true},
		{"", `true`, `,"runHooks":null`, true},
		{"", `true`, `,"runHooks":false`, false},
		{"", `true`, `,"runHooks":[]`, false},
		{"", `true`, `,"runHooks":["update"]`, false},
		{"", `true`, `,"runHooks":["update","insert"]`, true},
		{"?runHooks=false", `true`, ``, false},
		{"?runHooks=[]", `true`, ``, false},
		{"?runHooks=false", `true`, `,"runHooks":true`, true},
		{"", `false`, ``, false},
		{"", `false`, `,"runHooks":true`, true},
		{"?runHooks=true", `false`, ``, true},
		{`?runHooks=["insert"]`, `false`, ``, true},
		{"?runHooks=true", `file`, ``, true},
		{"", `file`, ``, false},
	} {
		s := newSite(t, Options{})
		ds := s.table(siftdb.DataSourceSpec{Name: "A", Hooks: json.RawMessage(`[{"type":"operations","runOn":["insert"],"payload":{"name":["upper"]}}]`)})
		want := "ann"
		if c.runs {
			want = "ANN"
		}
		target := "POST " + path(ds, "/data"+c.query)
		if c.append == "file" {
			s.ask(orgToken, target, asParts, multi("file@a.csv=name\nann\n")).text(200, "")
		} else {
			s.ask(orgToken, target, `{"append":`+c.append+`,"entries":[{"name":"ann"}]`+c.hooks+`}`).text(200, "")
		}
		if r := s.ask(orgToken, "GET "+path(ds, "/data")).want(200); r.get("entries", 0, "data", "name") != want {
			t.Errorf("%+v: %s", c, r.body)
		}
	}
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	for _, hooks := range []string{`7`, `"insert"`, `["delete"]`, `[null]`, `{}`} {
		s.ask(orgToken, "POST "+path(ds, "/data"), `{"entries":[{}],"runHooks":`+hooks+`}`).want(400)
		s.ask(orgToken, "POST "+path(ds, "/data?runHooks="+url.QueryEscape(hooks)), `{"entries":[{}]}`).want(400)
	}
	s.ask(orgToken, "POST "+path(ds, "/data?runHooks="), `{"entries":[{}]}`).want(200)
	s.ask(orgToken, "POST "+path(ds, "/data?runHooks=[tru"), `{"entries":[{}]}`).want(400)
}

// TestVersions lists, reads and restores versions (spec 9.3).
func TestVersions(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"n": 1}`, `{"n": 2}`)
	s.ask(adminToken, "PUT "+path(ds, "/data?source=form"), asJSON, `{"n": 3}`).want(201)
	s.ask(orgToken, "POST "+path(ds, "/data"), asJSON, `{"entries": []}`).text(200, "")
	r := s.ask(orgToken, "GET "+path(ds, "/versions")).want(200)
	if r.get("versions", 0, "data", "action") != "import" || r.get("versions", 0, "user") != nil || r.get("versions", 1, "user", "fullName") != "Nicholas Valbusa" || r.get("versions", 1, "userId") != json.Number("1") {
		t.Errorf("versions %s", r.body)
	}
	if r := s.ask(orgToken, "GET "+path(ds, "/versions?limit=1&offset=1")).want(200); r.get("versions", 0, "data", "action") != "insert" || r.get("versions", 1) != nil {
		t.Errorf("a page of versions: %s", r.body)
	}
	s.ask(orgToken, "GET "+path(ds, "/versions?limit=0")).text(200, `{"versions":[]}`)
	if got := s.ask(orgToken, "GET "+path(ds, "/versions/3/data")).data(); got != `{"n":1} {"n":2} {"n":3}` {
		t.Error(got)
	}
	if got := s.ask(orgToken, "GET "+path(ds, `/versions/3/data?limit=1&where[n]=3`)).data(); got != `{"n":1}` { // a where counts by POST only
		t.Error(got)
	}
	if got := s.ask(orgToken, "POST "+path(ds, "/versions/3/data"), asJSON, `{"where": {"n": {"$gt": 1}}, "limit": 1, "offset": 7, "type": "select"}`).data(); got != `{"n":2}` {
		t.Error(got)
	}
	if got := s.ask(orgToken, "POST "+path(ds, "/versions/3/data?limit=1"), asForm, `where[n]=3`).data(); got != `{"n":3}` {
		t.Error(got)
	}
	if got := s.ask(orgToken, "POST "+path(ds, "/versions/3/restore")).want(200).ids(); got != "1,2,3" {
		t.Errorf("restored %s", got)
	}
	s.ask(orgToken, "POST "+path(ds, "/versions/2/restore?returnEntries=false")).text(200, "{}")
	s.ask(orgToken, "POST "+path(ds, "/versions/3/restore"), asJSON, `{"returnEntries": false}`).text(200, "{}")
	if r := s.ask(orgToken, "GET "+path(ds, "/versions")).want(200); r.get("versions", 0, "data", "action") != "pre-restore" {
		t.Error(r.body)
	}
	if r := s.ask(orgToken, "POST /v1/data-sources", asJSON, `{"name": "copy", "version": {"dataSourceId": 1, "id": 2}}`).want(201); s.ask(orgToken, fmt.Sprintf("GET /v1/data-sources/%v/data", r.get("dataSource", "id"))).data() != `{"n":1} {"n":2}` {
		t.Error("the copy of a version is another")
	}
}

// TestAccount tells whose token it is (spec 12.3).
func TestAccount(t *testing.T) {
	s := newSite(t, Options{})
	s.table(siftdb.DataSourceSpec{Name: "A"})
	s.table(siftdb.DataSourceSpec{Name: "B", OrganizationID: new(int64(9))})
	s.ask(adminToken, "GET /v1/user/").text(200, `{"user":{"id":1,"email":"nicholas@example.org","firstName":"Nicholas","lastName":"Valbusa","fullName":"Nicholas Valbusa","auth_token":"eu--admin"}}`)
	s.ask(bobToken, "GET /v1/user").text(200, `{"user":{"id":42857,"email":"bob@acme.com","firstName":"","lastName":"","fullName":"","auth_token":"eu--bob"}}`)
	s.ask(bobToken, "GET /v1/organizations/").text(200, `{"organizations":[{"id":123,"name":"Organization 123"}]}`)
	s.ask(adminToken, "GET /v1/organizations").text(200, `{"organizations":[{"id":9,"name":"Organization 9"},{"id":123,"name":"Organization 123"}]}`)
}

// TestUpdateAttributes changes attributes of a data source, and puts back what it was given.
func TestUpdateAttributes(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A", Type: new("x"), AppID: new(int64(4)), Columns: []string{"a"}})
	r := s.ask(orgToken, "PUT "+path(ds, ""), asJSON, `{"type": null, "appId": null, "newColumns": ["b", "a"], "hooks": [{"type": "web", "runOn": ["insert"]}], "appCapabilities": {"x": 1.10}, "unknown": 1, "id": 77, "organizationId": 9, "createdAt": "x"}`).want(200)
	for key, want := range map[string]string{"type": "null", "appId": "null", "columns": `["a","b"]`, "appCapabilities": `{"x":1.10}`, "id": "1", "organizationId": "123", "definition": "{}"} {
		if got, _ := json.Marshal(r.get("dataSource", key)); string(got) != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	// A key that is null is cleared: what was public must not stay so. Null is kept (spec 1.3).
	s.ask(orgToken, "PUT "+path(ds, ""), asJSON, `{"public": true, "bundle": true}`).want(200)
	s.ask("", "GET "+path(ds, "/data")).want(200)
	r = s.ask(orgToken, "PUT "+path(ds, ""), asJSON, `{"public": null, "bundle": null}`).want(200)
	if r.get("dataSource", "public") != nil || r.get("dataSource", "bundle") != false {
		t.Errorf("after null: %s", r.body)
	}
	s.ask("", "GET "+path(ds, "/data")).want(401)
	// A client that puts back the whole object changes nothing.
	object, _ := json.Marshal(r.get("dataSource"))
	again := s.ask(orgToken, "PUT "+path(ds, ""), asJSON, string(object)).want(200)
	for _, key := range []string{"name", "type", "appId", "columns", "appCapabilities", "hooks", "definition", "public"} {
		a, _ := json.Marshal(r.get("dataSource", key))
		b, _ := json.Marshal(again.get("dataSource", key))
		if string(a) != string(b) {
			t.Errorf("%s was %s, and is %s", key, a, b)
		}
	}
}
