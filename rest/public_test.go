package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestPublic is spec 14.2: without a token, what is public can be read, as far as its rules let
// everybody, and nothing else can be done or learned.
func TestPublic(t *testing.T) {
	s := newSite(t, Options{})
	row := `{"Name": "Ada", "Salary": 90210}`
	free := s.table(siftdb.DataSourceSpec{Name: "free", Public: new(true), Definition: json.RawMessage(`{"exclude": ["Salary"]}`)}, row)
	ruled := s.table(siftdb.DataSourceSpec{Name: "ruled", Public: new(true), AccessRules: json.RawMessage(
		`[{"type": "select", "allow": "loggedIn"}, {"type": ["select", "insert"], "allow": "all", "include": ["Name"]}]`)}, row)
	shut := s.table(siftdb.DataSourceSpec{Name: "shut", Public: new(true), AccessRules: json.RawMessage(`[{"type": "select", "allow": "loggedIn"}]`)}, row)
	private := s.table(siftdb.DataSourceSpec{Name: "private", AccessRules: json.RawMessage(`[{"type": "select", "allow": "all"}]`)}, row)
	entry := func(ds *siftdb.DataSource) string {
		list, err := ds.Find(ctx, siftdb.Query{})
		if err != nil {
			t.Fatal(err)
		}
		return itoa(list[0].ID)
	}
	type ask struct {
		method, path, body string
	}
	reads := func(ds *siftdb.DataSource) []ask {
		return []ask{
			{"GET", path(ds, ""), ""}, {"GET", path(ds, "/data"), ""}, {"GET", path(ds, "/data/") + entry(ds), ""}, {"GET", path(ds, "/data/query"), ""},
			{"POST", path(ds, "/data/query"), `{}`}, {"POST", path(ds, "/data/query"), `{"countOnly": true}`}, {"GET", path(ds, "/indexes/Name"), ""},
			{"POST", path(ds, "/data/query"), `{"aggregate": [{"$group": {"_id": "$data.Salary"}}]}`}, {"GET", path(ds, "/indexes/Salary"), ""},
			{"POST", path(ds, "/data/query"), `{"where": {"Salary": 90210}}`}, {"GET", path(ds, "?includeEntriesCount"), ""}, {"GET", path(ds, `/data?where={"Salary":90210}`), ""},
		}
	}
	for ds, status := range map[*siftdb.DataSource]int{free: 200, ruled: 200, shut: 400, private: 401} {
		for _, a := range reads(ds) {
			r := s.ask("", a.method+" "+a.path, asJSON, a.body)
			want := status
			if ds == shut && a.method == "GET" && (a.path == path(ds, "") || a.path == path(ds, "?includeEntriesCount")) {
				want = 200 // its description is public, without columns
			}
			if r.want(want); strings.Contains(r.body, "90210") || strings.Contains(strings.ReplaceAll(r.body, `{"Salary":[]}`, ""), "Salary") {
				t.Errorf("%s: %s", r.what, r.body)
			}
			s.ask(wrongToken, a.method+" "+a.path, asJSON, a.body).want(401)
		}
		for _, a := range []ask{
			{"POST", path(ds, "/data"), `{"entries": []}`}, {"PUT", path(ds, "/data"), `{"Name": "x"}`}, {"PUT", path(ds, "/data/") + entry(ds), `{"Name": "x"}`},
			{"DELETE", path(ds, "/data/") + entry(ds), ""}, {"POST", path(ds, "/data/query"), `{"type": "delete", "where": {"Name": "Ada"}}`},
			{"POST", path(ds, "/commit"), `{"entries": [], "append": true}`}, {"GET", path(ds, "/versions"), ""}, {"GET", path(ds, "/versions/1/data"), ""},
			{"POST", path(ds, "/versions/1/restore"), ""}, {"PUT", path(ds, ""), `{"public": false}`}, {"DELETE", path(ds, ""), ""}, {"GET", "/v1/data-sources", ""},
		} {
			s.ask("", a.method+" "+a.path, asJSON, a.body).want(401)
		}
	}
}
