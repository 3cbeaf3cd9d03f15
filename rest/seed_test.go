package rest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// sample is a request of the document that the project started from, with the answer that it shows.
// DS and ENTRY in the path and the body stand for the ids of the data source and of its first
// entry, LAST for that of its last one, VERSION for the newest version.
type sample struct {
	name    string
	rows    []string // of the data source, named Foo unless it says otherwise
	named   string
	old     bool   // public is null, as in the oldest answers of the document
	rules   string // of the data source
	token   string // of the caller; an admin's unless it says otherwise
	request string
	header  string
	body    string
	status  int
	answer  string // empty for no body at all
	left    string // what GET <ds>/data shows then: the data of the entries
	then    func(s *site, ds *siftdb.DataSource, r *reply)
}

// samples are in the order of the document. Where it shows no answer, the specification's stands.
var samples = []sample{
	{name: "authenticating when using security rules", rows: people, token: apiToken,
		rules:   `[{"type": ["select"], "allow": {"tokens": [77]}}]`,
		request: "GET /v1/data-sources/DS/data/ENTRY", status: 200,
		answer: `{"id": 1958, "data": {"email": "john.doe@example.org", "last-name": "Doe", "first-name": "John"},
		"createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "dataSourceId": 5}`, then: onlyRead},
	{name: "list", old: true, request: "GET /v1/data-sources?organizationId=123", status: 200, answer: `{"dataSources": [{"id": 2, "name": "Foo", "appCapabilities": null,
		"hooks": [], "encrypted": false, "columns": null, "type": null, "public": null, "createdAt": "2016-10-27T15:51:33.497Z",
		"updatedAt": "2016-10-27T15:51:33.497Z", "appId": null, "organizationId": 123}]}`},
	{name: "get by id", old: true, request: "GET /v1/data-sources/DS", status: 200, answer: `{"dataSource": {"id": 2, "name": "Foo", "appCapabilities": null,
		"hooks": [], "encrypted": false, "columns": null, "type": null, "public": null, "createdAt": "2016-10-27T15:51:33.497Z",
		"updatedAt": "2016-10-27T15:51:33.497Z", "appId": null, "organizationId": 123}}`},
	{name: "get by name", old: true, named: "Foo bar", request: "GET /v1/data-sources/Foo%20bar", status: 200, answer: `{"dataSource": {"id": 2, "name": "Foo bar",
		"appCapabilities": null, "hooks": [], "encrypted": false, "columns": null, "type": null, "public": null,
		"createdAt": "2016-10-27T15:51:33.497Z", "updatedAt": "2016-10-27T15:51:33.497Z", "appId": null, "organizationId": 123}}`},
	{name: "get by a name of digits", old: true, named: "12345", request: "GET /v1/data-sources/12345?dsn", status: 200, answer: `{"dataSource": {"id": 2, "name": "12345",
		"appCapabilities": null, "hooks": [], "encrypted": false, "columns": null, "type": null, "public": null,
		"createdAt": "2016-10-27T15:51:33.497Z", "updatedAt": "2016-10-27T15:51:33.497Z", "appId": null, "organizationId": 123}}`},
	{name: "create", request: "POST /v1/data-sources?organizationId=123", header: asJSON, body: `{"name": "Test"}`, status: 201,
		answer: `{"dataSource": {"hooks": [], "encrypted": false, "public": false, "id": 6, "name": "Test", "organizationId": 123,
		"updatedAt": "2016-11-17T10:03:11.839Z", "createdAt": "2016-11-17T10:03:11.839Z", "appCapabilities": null, "columns": null, "type": null, "appId": null}}`},
	{name: "create in an app", request: "POST /v1/data-sources?appId=1", header: asJSON, body: `{"name": "My data source"}`, status: 201,
		answer: `{"dataSource": {"hooks": [], "encrypted": false, "public": false, "id": 6, "name": "My data source", "organizationId": null,
		"updatedAt": "2016-11-17T10:03:11.839Z", "createdAt": "2016-11-17T10:03:11.839Z", "appCapabilities": null, "columns": null, "type": null, "appId": 1}}`},
	{name: "update attributes", request: "PUT /v1/data-sources/DS", header: asJSON, body: `{"name": "New name", "columns": ["Foo", "Bar"]}`, status: 200,
		answer: `{"dataSource": {"id": 6, "name": "New name", "hooks": [], "definition": {}, "encrypted": false, "public": false,
		"organizationId": 123, "updatedAt": "2016-11-17T10:03:11.839Z", "createdAt": "2016-11-17T10:03:11.839Z", "appCapabilities": null,
		"columns": ["Foo", "Bar"], "type": null, "appId": null}}`},
	{name: "delete", request: "DELETE /v1/data-sources/DS", status: 200, then: func(s *site, ds *siftdb.DataSource, _ *reply) {
		s.ask(adminToken, "GET "+path(ds, "")).want(404)
	}},
	{name: "import", rows: people, request: "POST /v1/data-sources/DS/data", header: asJSON,
		body: `{"append": true, "entries": [{"email": "john@example.org"}, {"email": "alice@example.org"}]}`, status: 200,
		left: `{"email":"john.doe@example.org","first-name":"John","last-name":"Doe"} {"Status":"Active","email":"ada@example.org"} {"email":"john@example.org"} {"email":"alice@example.org"}`},
	{name: "truncate", rows: people, request: "POST /v1/data-sources/DS/data", header: asJSON, body: `{"entries": []}`, status: 200,
		then: func(s *site, ds *siftdb.DataSource, _ *reply) {
			s.ask(adminToken, "GET "+path(ds, "/data")).text(200, `{"entries":[]}`)
		}},
	{name: "commit", rows: append(people[:2:2], `{"email": "gone@example.org"}`), request: "POST /v1/data-sources/DS/commit", header: asJSON, body: `{"entries": [
		{"id": ENTRY, "data": {"email": "john@example.org"}}, {"data": {"email": "alice@example.org"}}],
		"delete": [LAST], "append": true, "extend": true, "runHooks": []}`, status: 200,
		answer: `{"entries": [
		{"id": 1, "data": {"email": "john@example.org", "last-name": "Doe", "first-name": "John"}, "order": 0, "createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "deletedAt": null, "dataSourceId": 5},
		{"id": 2, "data": {"email": "ada@example.org", "Status": "Active"}, "order": 0, "createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "deletedAt": null, "dataSourceId": 5},
		{"id": 3, "data": {"email": "alice@example.org"}, "order": 0, "createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "deletedAt": null, "dataSourceId": 5}],
		"clientIds": []}`, left: `{"email":"john@example.org","first-name":"John","last-name":"Doe"} {"Status":"Active","email":"ada@example.org"} {"email":"alice@example.org"}`},
	{name: "query", rows: people, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"type": "select", "where": {"email": "john.doe@example.org"}}`, status: 200,
		answer: `{"entries": [{"id": 1958, "data": {"email": "john.doe@example.org", "last-name": "Doe", "first-name": "John"},
		"createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "dataSourceId": 5}]}`},
	{name: "query with pagination", rows: []string{`{"email": "user1@example.org", "Status": "Active"}`}, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"type": "select", "where": {"Status": "Active"}, "limit": 10, "offset": 0, "order": [["createdAt", "DESC"]], "includePagination": true}`, status: 200,
		answer: `{"entries": [{"id": 1, "data": {"email": "user1@example.org", "Status": "Active"}, "createdAt": "2024-01-15T12:47:56.700Z",
		"updatedAt": "2024-01-15T12:47:58.840Z", "dataSourceId": 5}], "pagination": {"total": 1, "limit": 10, "offset": 0}}`},
	{name: "count only", rows: []string{`{"SessionId": "123"}`, `{"SessionId": "124"}`}, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"where": {"SessionId": "123"}, "countOnly": true}`, status: 200, answer: `{"count": 1, "dataSourceId": 123}`},
	{name: "count only with $regex", rows: people, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"where": {"email": {"$regex": "a"}}, "countOnly": true}`, status: 400, answer: `{"error": "invalid request", "message": "*"}`},
	{name: "count only with $elemMatch", rows: people, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"where": {"tags": {"$elemMatch": {"$gt": 1}}}, "countOnly": true}`, status: 400, answer: `{"error": "invalid request", "message": "*"}`},
	{name: "query with many filters", rows: staff, request: "POST /v1/data-sources/DS/data/query", header: asJSON, body: `{"type": "select",
		"where": {"$and": [{"Status": "Active"}, {"Age": {"$gte": 18}}], "$filters": [
		{"column": "Email", "condition": "contains", "value": "@company.com"}, {"column": "Department", "condition": "oneof", "value": ["Engineering", "Design", "Product"]}]},
		"attributes": ["id", "data.Name", "data.Email", "data.Department"], "order": [["data.Name", "ASC"]], "limit": 25, "offset": 0}`, status: 200,
		answer: `{"entries": [{"id": 1, "data": {"Name": "Ada", "Email": "ada@company.com", "Department": "Engineering"}, "createdAt": "2024-01-15T12:47:56.700Z",
		"updatedAt": "2024-01-15T12:47:58.840Z", "dataSourceId": 5}, {"id": 2, "data": {"Name": "Zoe", "Email": "zoe@company.com", "Department": "Design"},
		"createdAt": "2024-01-15T12:47:56.700Z", "updatedAt": "2024-01-15T12:47:58.840Z", "dataSourceId": 5}]}`},
	{name: "delete query", rows: []string{`{"Status": "Inactive"}`, `{"Status": "Active"}`, `{"Status": "Inactive"}`}, request: "POST /v1/data-sources/DS/data/query", header: asJSON,
		body: `{"type": "delete", "where": {"Status": "Inactive"}}`, status: 200, answer: `{"deletedCount": 2}`, left: `{"Status":"Active"}`},
	{name: "aggregate", rows: staff, request: "POST /v1/data-sources/DS/data/query", header: asJSON, body: `{"type": "select", "aggregate": [
		{"$group": {"_id": "$data.Department", "count": {"$sum": 1}}}, {"$sort": {"count": -1}}]}`, status: 200,
		answer: `{"entries": [{"_id": "Engineering", "count": 2}, {"_id": "Design", "count": 1}]}`},
	{name: "get entry", rows: people, request: "GET /v1/data-sources/DS/data/ENTRY", status: 200,
		answer: `{"id": 1958, "data": {"email": "john.doe@example.org", "last-name": "Doe", "first-name": "John"},
		"createdAt": "2016-11-15T12:47:56.700Z", "updatedAt": "2016-11-15T12:47:58.840Z", "dataSourceId": 5}`},
	{name: "insert", request: "PUT /v1/data-sources/DS/data", header: asJSON, body: `{"email": "twu@fliplet.com", "name" : "Tony"}`, status: 201,
		answer: `{"id": 1, "data": {"email": "twu@fliplet.com", "name": "Tony"}, "dataSourceId": 5,
		"updatedAt": "2016-11-17T10:32:38.411Z", "createdAt": "2016-11-17T10:32:38.411Z"}`},
	{name: "update", rows: []string{`{}`}, request: "PUT /v1/data-sources/DS/data/ENTRY", header: asJSON, body: `{"email": "bob@fliplet.com", "date" : "2024-01-01"}`, status: 201,
		answer: `{"id": 1, "data": {"email": "bob@fliplet.com", "date": "2024-01-01"}, "dataSourceId": 5,
		"updatedAt": "2016-11-17T10:32:38.411Z", "createdAt": "2016-11-17T10:32:38.411Z"}`},
	{name: "delete entry", rows: people, request: "DELETE /v1/data-sources/DS/data/ENTRY", status: 200, answer: `{}`, left: `{"Status":"Active","email":"ada@example.org"}`},
	{name: "insert as multipart, without the file", request: "PUT /v1/data-sources/DS/data", header: "Content-Type: multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
		body: strings.ReplaceAll("------WebKitFormBoundary7MA4YWxkTrZu0gW\nContent-Disposition: form-data; name=\"foo\"\n\nbar\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\n", "\n", "\r\n"), status: 201,
		answer: `{"id": 2, "data": {"foo": "bar"}, "dataSourceId": 123, "updatedAt": "2017-12-14T16:18:14.954Z", "createdAt": "2017-12-14T16:18:14.214Z", "deletedAt": null}`},
	{name: "insert as multipart", request: "PUT /v1/data-sources/DS/data", header: "Content-Type: multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
		body: strings.ReplaceAll("------WebKitFormBoundary7MA4YWxkTrZu0gW\nContent-Disposition: form-data; name=\"foo\"\n\nbar\n------WebKitFormBoundary7MA4YWxkTrZu0gW\n"+
			"Content-Disposition: form-data; name=\"baz\"; filename=\"file.jpg\"\nContent-Type: image/jpeg\n\n\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\n", "\n", "\r\n"), status: 201,
		answer: `{"id": 2, "data": {"foo": "bar", "baz": "URL", "bazMediaFileId": 456}, "dataSourceId": 123, "updatedAt": "2017-12-14T16:18:14.954Z",
		"createdAt": "2017-12-14T16:18:14.214Z", "deletedAt": null}`, then: func(s *site, _ *siftdb.DataSource, r *reply) {
			url := fmt.Sprintf("/v1/media/files/%v/contents/file.jpg", r.get("data", "bazMediaFileId"))
			if got := r.get("data", "baz"); got != url {
				s.Errorf("the URL of the file is %v, want %s", got, url)
			}
			s.ask(adminToken, "GET "+url).text(200, "") // the sample's file has no bytes
		}},
	{name: "indexes", rows: []string{`{"Name": "Foo", "Role": {"Name": "Manager"}}`, `{"Name": "Bar", "Role": {"Name": "Developer"}}`},
		request: "GET /v1/data-sources/DS/indexes/Name,Role.Name", status: 200, answer: `{"indexes": {"Name": ["Foo", "Bar"], "Role.Name": ["Manager", "Developer"]}}`},
	{name: "versions", rows: []string{`{"Column 1": "demo data", "Column 2": "demo data"}`}, request: "GET /v1/data-sources/DS/versions", status: 200,
		answer: `{"versions": [{"createdAt": "2018-08-10T16:16:34.990Z", "data": {"action": "commit", "columns": ["Column 1", "Column 2"],
		"entries": {"count": 1, "key": "data-sources/1/versions/2018-08/57adb96c71525fdfbb4f63caa203d51a.json"}}, "dataSourceId": 1, "id": 50, "pageId": null,
		"updatedAt": "2018-08-10T16:16:34.990Z", "user": {"firstName": "Nicholas", "fullName": "Nicholas Valbusa", "id": 1, "lastName": "Valbusa"}, "userId": 1}]}`},
	{name: "version data", rows: []string{`{"Column 1": "demo data", "Column 2": "demo data"}`}, request: "GET /v1/data-sources/DS/versions/VERSION/data", status: 200, answer: demoData},
	{name: "version data by POST", rows: []string{`{"Column 1": "demo data", "Column 2": "demo data"}`}, request: "POST /v1/data-sources/DS/versions/VERSION/data",
		header: asJSON, body: `{"limit": 5, "where": {"Column 1": "demo data"}}`, status: 200, answer: demoData},
	{name: "restore", rows: []string{`{"Column 1": "demo data", "Column 2": "demo data"}`}, request: "POST /v1/data-sources/DS/versions/VERSION/restore", status: 200, answer: demoData},
}

const demoData = `{"entries": [{"createdAt": "2018-08-10T16:15:48.632Z", "data": {"Column 1": "demo data", "Column 2": "demo data"},
	"dataSourceId": 1, "deletedAt": null, "id": 368, "order": 0, "updatedAt": "2018-08-10T16:15:48.632Z"}]}`

var (
	people = []string{`{"email": "john.doe@example.org", "last-name": "Doe", "first-name": "John"}`, `{"email": "ada@example.org", "Status": "Active"}`}
	staff  = []string{
		`{"Name": "Zoe", "Email": "zoe@company.com", "Department": "Design", "Status": "Active", "Age": 18}`,
		`{"Name": "Ada", "Email": "ada@company.com", "Department": "Engineering", "Status": "Active", "Age": 36}`,
		`{"Name": "Kid", "Email": "kid@company.com", "Department": "Engineering", "Status": "Active", "Age": 12}`,
	}
)

// apiToken is the token of the document's sample under rules: of an app, and nobody's login.
const apiToken = "eu--abcdef-123456678"

// onlyRead makes sure that the rules are what let the token of the sample read: others may not, and
// it may do nothing else.
func onlyRead(s *site, ds *siftdb.DataSource, _ *reply) {
	entry := path(ds, "/data/"+entryIDs(s, ds)[0])
	s.ask(guestToken, "GET "+entry).fails(400, "security rules")
	s.ask(apiToken, "PUT "+entry, asJSON, `{"email": "x"}`).fails(400, "security rules")
	s.ask(apiToken, "DELETE "+entry).fails(400, "security rules")
	s.ask("", "GET "+entry).want(401)
}

// TestSeed sends every request of the document, and compares the answers with those that it shows,
// ids and times aside, and what the data source holds then.
func TestSeed(t *testing.T) {
	for _, sample := range samples {
		t.Run(sample.name, func(t *testing.T) { sample.play(t) })
	}
}

func (sample *sample) play(t *testing.T) {
	tokens := testTokens(t)
	addToken(t, tokens, Token{ID: 77, Token: apiToken, OrganizationID: new(int64(123)), AppID: new(int64(456))})
	s := newSite(t, Options{Authenticator: tokens})
	spec := siftdb.DataSourceSpec{Name: cmp.Or(sample.named, "Foo"), PublicNull: sample.old}
	if sample.rules != "" {
		spec.AccessRules = json.RawMessage(sample.rules)
	}
	ds := s.table(spec, sample.rows...)
	entries := append([]string{"0"}, entryIDs(s, ds)...)
	ids := strings.NewReplacer("DS", itoa(ds.ID()), "ENTRY", entries[min(1, len(sample.rows))], "LAST", entries[len(sample.rows)], "VERSION", "2")
	if strings.Contains(sample.name, "version") || sample.name == "restore" { // one more write, by Nicholas
		s.ask(adminToken, "POST "+path(ds, "/commit"), asJSON, `{"entries": [{"data": {}}], "append": true}`).want(200)
	}
	r := s.ask(cmp.Or(sample.token, adminToken), ids.Replace(sample.request), sample.header, ids.Replace(sample.body)).want(sample.status)
	if sample.answer == "" {
		if r.body != "" || r.header.Get("Content-Length") != "0" {
			t.Fatalf("the answer has a body: %q", r.body)
		}
	} else {
		if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
		if diff := differs(decode(t, sample.answer), r.value(), "$"); diff != "" {
			t.Errorf("%s\ngot %s", diff, r.body)
		}
	}
	if sample.left != "" {
		if got := s.ask(adminToken, "GET "+path(ds, "/data")).want(200).data(); got != sample.left {
			t.Errorf("the data source holds\n%s\nwant\n%s", got, sample.left)
		}
	}
	if sample.then != nil {
		sample.then(s, ds, r)
	}
}

// entryIDs returns the ids of the entries of a data source.
func entryIDs(s *site, ds *siftdb.DataSource) []string {
	list, err := ds.Find(ctx, siftdb.Query{})
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, e := range list {
		ids = append(ids, itoa(e.ID))
	}
	return ids
}

// free are keys whose values the document and the test cannot share.
var free = []string{"id", "dataSourceId", "createdAt", "updatedAt", "key", "bazMediaFileId"}

// differs tells what of a documented value is not in an answer. "*" stands for any text, and "URL" for
// one of a file, which is looked at more closely elsewhere. Keys beyond the documented ones
// may only be those that all entries have (spec 1.4).
func differs(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is no object: %v", at, got)
		}
		for key := range g {
			if _, ok := w[key]; !ok && key != "order" && key != "deletedAt" {
				return fmt.Sprintf("%s has the key %q, which the document does not show", at, key)
			}
		}
		for key, v := range w {
			if _, ok := g[key]; !ok {
				return fmt.Sprintf("%s lacks the key %q", at, key)
			}
			if slices.Contains(free, key) {
				if fmt.Sprintf("%T", v) != fmt.Sprintf("%T", g[key]) {
					return fmt.Sprintf("%s.%s is %v", at, key, g[key])
				}
				continue
			}
			if diff := differs(v, g[key], at+"."+key); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, want %d members", at, got, len(w))
		}
		for i := range w {
			if diff := differs(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); diff != "" {
				return diff
			}
		}
		return ""
	}
	if some, _ := got.(string); want == "*" && some != "" || want == "URL" && strings.HasPrefix(some, "/v1/media/files/") {
		return ""
	}
	if want != got {
		return fmt.Sprintf("%s is %v, want %v", at, got, want)
	}
	return ""
}
