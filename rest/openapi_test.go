package rest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// validate holds a value against a schema: the part of JSON Schema that schema.go uses. It returns
// what is wrong, "" if nothing is. A keyword that it does not know is wrong too.
func validate(schemas map[string]any, s any, v any, at string) string {
	rules, ok := s.(map[string]any)
	if !ok {
		return at + ": the schema is no object"
	}
	for keyword, rule := range rules {
		if wrong := validateKeyword(schemas, rules, keyword, rule, v, at); wrong != "" {
			return wrong
		}
	}
	return ""
}

func validateKeyword(schemas, rules map[string]any, keyword string, rule, v any, at string) string {
	switch keyword {
	case "$ref":
		name, _ := strings.CutPrefix(rule.(string), "#/components/schemas/")
		if schemas[name] == nil {
			return at + ": no schema " + name
		}
		return validate(schemas, schemas[name], v, at)
	case "anyOf":
		wrong := ""
		for _, one := range rule.([]any) {
			w := validate(schemas, one, v, at)
			if w == "" {
				return ""
			}
			wrong += "\n  " + w
		}
		return at + " is none of:" + wrong
	case "type":
		return validateType(rule, v, at)
	case "enum":
		if !slices.Contains(rule.([]any), v) {
			return fmt.Sprintf("%s: %v is none of %v", at, v, rule)
		}
	case "minimum":
		if n, ok := v.(json.Number); ok {
			if f, _ := n.Float64(); f < rule.(float64) {
				return fmt.Sprintf("%s: %v is below %v", at, v, rule)
			}
		}
	case "format":
		if text, ok := v.(string); ok {
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", text); err != nil {
				return at + ": " + text + " is no time with three fraction digits"
			}
		}
	case "required":
		for _, key := range rule.([]any) {
			if object, ok := v.(map[string]any); ok {
				if _, there := object[key.(string)]; !there {
					return fmt.Sprintf("%s lacks %v", at, key)
				}
			}
		}
	case "properties", "additionalProperties":
		return validateKeys(schemas, rules, v, at)
	case "items":
		list, _ := v.([]any)
		for i, item := range list {
			if wrong := validate(schemas, rule, item, at+"["+strconv.Itoa(i)+"]"); wrong != "" {
				return wrong
			}
		}
	case "description", "contentMediaType":
	default:
		return at + ": the validator does not know " + keyword
	}
	return ""
}

func validateType(rule, v any, at string) string {
	names, ok := rule.([]any)
	if !ok {
		names = []any{rule}
	}
	got := "null"
	switch x := v.(type) {
	case bool:
		got = "boolean"
	case json.Number:
		if got = "number"; !slices.Contains(names, any("number")) {
			if f, err := x.Float64(); err == nil && f == math.Trunc(f) {
				got = "integer"
			}
		}
	case string:
		got = "string"
	case []any:
		got = "array"
	case map[string]any:
		got = "object"
	}
	if !slices.Contains(names, any(got)) {
		return fmt.Sprintf("%s is of type %s, not %v", at, got, rule)
	}
	return ""
}

func validateKeys(schemas, rules map[string]any, v any, at string) string {
	object, ok := v.(map[string]any)
	if !ok {
		return ""
	}
	known, _ := rules["properties"].(map[string]any)
	for key, value := range object {
		s, there := known[key]
		if !there {
			switch more := rules["additionalProperties"].(type) {
			case nil:
				continue
			case bool:
				if more {
					continue
				}
				return at + " has the key " + key
			default:
				s = more
			}
		}
		if wrong := validate(schemas, s, value, at+"."+key); wrong != "" {
			return wrong
		}
	}
	return ""
}

// documented is the OpenAPI document as a client reads it.
type documented struct {
	OpenAPI    string `json:"openapi"`
	Components struct {
		Schemas         map[string]any                                     `json:"schemas"`
		Responses       map[string]documentedAnswer                        `json:"responses"`
		SecuritySchemes map[string]struct{ Type, In, Name, Scheme string } `json:"securitySchemes"`
	} `json:"components"`
	Security []map[string][]string     `json:"security"`
	Paths    map[string]documentedPath `json:"paths"`
}

// documentedPath is the operations of a path, by method.
type documentedPath map[string]documentedOperation

func (p *documentedPath) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*p = documentedPath{}
	for method, text := range all {
		if method == "description" {
			continue
		}
		var op documentedOperation
		if err := json.Unmarshal(text, &op); err != nil {
			return err
		}
		(*p)[method] = op
	}
	return nil
}

type documentedOperation struct {
	Summary     string `json:"summary"`
	Parameters  []struct{ Name, In string }
	Security    *[]map[string][]string `json:"security"`
	RequestBody *struct {
		Content map[string]struct{ Schema any }
	} `json:"requestBody"`
	Responses map[string]documentedAnswer `json:"responses"`
}

type documentedAnswer struct {
	Content map[string]struct{ Schema any }
}

func openAPI(t *testing.T, s *site) documented {
	t.Helper()
	var doc documented
	if err := json.Unmarshal([]byte(s.ask("", "GET /v1/openapi.json").want(200).body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Fatalf("openapi %q", doc.OpenAPI)
	}
	return doc
}

// attempt is a request that brings about one documented answer of a route.
type attempt struct {
	status       int
	token        string
	query        string
	header, body string
	ref          string // in place of the data source's id
	more         string // another header
	breaks       func(h *handler, r *route)
}

// nobody is the token of an attempt without one.
const nobody = "-"

// good are the requests that succeed, by route; those without a line need nothing. Every body must
// fit its documented schema, and every answer the schema of its own.
var good = map[string][]attempt{
	"GET /v1/data-sources":           {{query: "?organizationId=123"}, {query: "?organizationId=123&attributes=name,apps"}},
	"POST /v1/data-sources":          {{body: `{"name": "x", "organizationId": 123}`}, {header: asForm, body: "name=x&appId=1&columns[]=a&entries[0][a]=1&definition[b]=c&public=true&bundle=false&version="}, {body: `{"name": "x", "appId": 1, "columns": ["a"], "entries": [{"a": 1}], "definition": {}, "hooks": [], "accessRules": [], "bundle": true, "public": true, "type": "t", "appCapabilities": [1]}`}},
	"GET /v1/data-sources/{ds}":      {{}, {query: "?includeEntriesCount"}, {query: "?attributes=apps"}},
	"PUT /v1/data-sources/{ds}":      {{body: `{"newColumns": ["x"], "definition": {"a": 1}, "public": null, "type": null}`}, {header: asForm, body: "newColumns[]=x&public=true&type=t"}},
	"GET /v1/data-sources/{ds}/data": {{}, {query: "?includePagination=true&limit=1"}, {query: "?countOnly=true"}},
	"POST /v1/data-sources/{ds}/data": {{body: `{"entries": [{"a": 1}], "append": true}`}, {header: asForm, body: "entries[0][a]=1&append=true&runHooks=false"},
		{header: asParts, body: multi("append=true", "file@a.csv=a\n1\n")}},
	"PUT /v1/data-sources/{ds}/data":         {{body: `{"a": 1}`}, {header: asForm, body: "a=1&b[c]=2"}, {header: asParts, body: multi("a=1", "_flSchema={}", "f@a.txt=text")}},
	"PUT /v1/data-sources/{ds}/data/{entry}": {{body: `{"a": 1}`}, {header: asForm, body: "a=1&b[c]=2"}, {header: asParts, body: multi("a=1", "f@a.txt=text", "f@b.txt=text")}},
	"POST /v1/data-sources/{ds}/data/query": {{body: `{}`}, {header: asForm, body: "where[Name]=one&limit=1&offset=0&attributes[]=Name&includePagination=true"}, {body: `{"where": {"Name": "one"}, "includePagination": true, "limit": null, "order": [["id", "ASC"]], "distinct": false, "attributes": ["Name"]}`},
		{body: `{"countOnly": true}`}, {body: `{"type": "delete", "where": {"Name": "none"}}`}, {body: `{"aggregate": [{"$group": {"_id": null, "n": {"$sum": 1}}}], "includePagination": true}`},
		{body: `{"join": {"j": {"dataSourceId": 1, "on": {"Name": "Name"}}, "n": {"dataSourceId": 1, "on": {"Name": "Name"}, "count": true}}}`}},
	"POST /v1/data-sources/{ds}/commit": {{body: `{"entries": [{"data": {"a": 1}, "clientId": "c", "order": 1.5}], "append": true, "delete": [], "extend": true, "runHooks": [], "columns": ["a"]}`},
		{body: `{"entries": [], "append": true, "returnEntries": false, "source": "s"}`}, {header: asForm, body: "entries[0][data][a]=1&append=true&delete[]=1&returnEntries=false&runHooks[]=insert"}},
	"GET /v1/media":          {{query: "?organizationId=123"}, {query: "?folderId=8193"}},
	"POST /v1/media/files":   {{query: "?organizationId=123", header: asParts, body: onePart}, {query: "?folderId=8193&name=b", header: asParts, body: onePart}},
	"POST /v1/media/folders": {{body: `{"name": "x", "organizationId": 123}`}, {body: `{"name": "x", "parentId": 8193}`}, {header: asForm, body: "name=x&organizationId=123"}},
	"POST /v1/data-sources/{ds}/versions/{version}/data":    {{body: `{"limit": 1, "where": {"Name": "one"}}`}, {header: asForm, body: "limit=1&where[Name]=one"}, {}},
	"POST /v1/data-sources/{ds}/versions/{version}/restore": {{}, {body: `{"returnEntries": false}`}, {header: asForm, body: "returnEntries=false"}},
}

// TestOpenAPI walks every route and every answer that its description tells of, brings it about,
// and holds it against its schema, which site.send does for all tests.
func TestOpenAPI(t *testing.T) {
	tokens := testTokens(t)
	addToken(t, tokens, Token{ID: 99, Token: "eu--busy", Admin: true})
	s := newSite(t, Options{Authenticator: tokens, BodyLimit: 1 << 20, BulkLimit: 1 << 20, RateLimit: RateLimit{Requests: 10_000, Window: time.Hour}})
	limiter := s.handler.(*handler).limiter
	limiter.windows["token 99"] = window{began: time.Now(), count: 10_000}
	ds := s.table(siftdb.DataSourceSpec{Name: "A", Public: new(true)}, `{"Name": "one"}`)
	if _, err := ds.Insert(ctx, siftdb.M{"Name": "two"}); err != nil {
		t.Fatal(err)
	}
	trashed := s.table(siftdb.DataSourceSpec{Name: "T"})
	if err := trashed.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	mediaFixture(t, s)
	doc := openAPI(t, s)
	routes := 0
	for pattern, methods := range doc.Paths {
		tryOut(t, s, &route{method: "PATCH", pattern: pattern}, attempt{token: nobody}).want(405)
		for method, op := range methods {
			routes++
			r := routeOf(t, strings.ToUpper(method), pattern)
			if op.Summary == "" {
				t.Errorf("%s %s has no summary", method, pattern)
			}
			for status := range op.Responses {
				bringAbout(t, s, doc, r, op, status)
			}
		}
	}
	if routes != len(routeTable()) {
		t.Errorf("%d routes are described, of %d", routes, len(routeTable()))
	}
}

// bringAbout makes requests that have one of the answers that an operation tells of.
func bringAbout(t *testing.T, s *site, doc documented, r *route, op documentedOperation, status string) {
	t.Helper()
	code, err := strconv.Atoi(status)
	if err != nil {
		t.Fatal(err)
	}
	attempts := bad(r, code)
	if code < 300 && code != 206 || r.status == code {
		var listed bool
		if attempts, listed = good[r.method+" "+r.pattern]; !listed {
			attempts = []attempt{{}}
		}
	}
	if len(attempts) == 0 {
		t.Errorf("nothing brings about %d of %s %s", code, r.method, r.pattern)
	}
	for _, a := range attempts {
		reply := tryOut(t, s, r, a)
		if code < 300 && a.body != "" && op.RequestBody != nil {
			if wrong := fitsRequest(t, doc, r, op, a); wrong != "" {
				t.Errorf("%s: the request does not fit: %s", reply.what, wrong)
			}
		}
		if reply.status != code {
			t.Errorf("%s: status %d, want %d: %s", reply.what, reply.status, code, clip(reply.body, 300))
			continue
		}
		if _, bytes := op.Responses[status].Content["*/*"]; bytes && (!strings.Contains("text", reply.body) || reply.header.Get("Content-Type") != "text/plain; charset=utf-8") {
			t.Errorf("%s: %s %v", reply.what, reply.body, reply.header)
		}
	}
}

// routeOf finds a route by its name.
func routeOf(t *testing.T, method, pattern string) *route {
	t.Helper()
	for _, r := range routeTable() {
		if r.method == method && r.pattern == pattern {
			return r
		}
	}
	t.Fatalf("%s %s is described, and no route", method, pattern)
	return nil
}

// tryOut makes an attempt on a copy of the database.
func tryOut(t *testing.T, s *site, r *route, a attempt) *reply {
	t.Helper()
	fork, err := s.db.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	h := *s.handler.(*handler)
	h.db = fork
	ref, id, file, folder := "1", "2", "4096", "8192"
	if a.ref != "" {
		ref, id, file, folder = a.ref, a.ref, a.ref, a.ref
	}
	target := strings.NewReplacer("{ds}", ref, "{id}", id, "{entry}", "1", "{version}", "2", "{columns}", "Name,none", "{file}", file, "{folder}", folder, "{name}", "a.txt").Replace(r.pattern)
	token := cmp.Or(a.token, adminToken)
	if token == nobody {
		token = ""
	}
	if a.breaks != nil {
		h.routes = routeTable()
		for _, own := range h.routes {
			if own.method == r.method && own.pattern == r.pattern {
				a.breaks(&h, own)
			}
		}
	}
	return (&site{t, fork, &h}).ask(token, r.method+" "+target+a.query, cmp.Or(a.header, asJSON), cmp.Or(a.more, "X-None: x"), a.body)
}

// mediaFixture makes file 4096, the empty folder 8192, and folder 8193 with a folder in it.
func mediaFixture(t *testing.T, s *site) {
	t.Helper()
	files := s.db.Files()
	file, err := files.Upload(ctx, siftdb.FileUpload{Name: "a.txt", Content: strings.NewReader("text"), OrganizationID: new(int64(123))})
	if err != nil || file.ID != 4096 {
		t.Fatal(file.ID, err)
	}
	for id, parent := range []*int64{nil, nil, new(int64(8193))} {
		folder, err := files.CreateFolder(ctx, siftdb.FolderSpec{Name: "F", OrganizationID: new(int64(123)), ParentID: parent})
		if err != nil || folder.ID != int64(8192+id) {
			t.Fatal(folder.ID, err)
		}
	}
}

// TestValidator makes sure that the validator finds faults.
func TestValidator(t *testing.T) {
	s := newSite(t, Options{})
	doc := openAPI(t, s)
	for _, test := range []struct{ name, value, wrong string }{
		{"Entry", `{"id": 1, "data": {}, "order": 0, "createdAt": "2016-10-27T15:51:33.497Z", "updatedAt": "2016-10-27T15:51:33.497Z", "deletedAt": null, "dataSourceId": 1}`, ""},
		{"Entry", `{"id": 1.5, "data": {}, "order": 0, "createdAt": "2016-10-27T15:51:33.497Z", "updatedAt": "2016-10-27T15:51:33.497Z", "deletedAt": null, "dataSourceId": 1}`, "type"},
		{"Entry", `{"id": 1, "data": {}, "order": 0, "createdAt": "2016-10-27T15:51:33Z", "updatedAt": "2016-10-27T15:51:33.497Z", "deletedAt": null, "dataSourceId": 1}`, "fraction"},
		{"VersionQuery", `{"where": []}`, "type"},
		{"Entries", `{"entries": [{}]}`, "lacks"},
		{"Entries", `{"entries": [], "more": 1}`, "more"},
		{"QueryAnswer", `{"count": "1", "dataSourceId": 1}`, "none of"},
		{"Query", `{"type": "insert"}`, "none of"},
		{"Nothing", `{}`, "no schema"},
	} {
		wrong := validate(doc.Components.Schemas, map[string]any{"$ref": "#/components/schemas/" + test.name}, decode(t, test.value), "value")
		if (wrong == "") != (test.wrong == "") || !strings.Contains(wrong, test.wrong) {
			t.Errorf("%s %s: %q, want %q", test.name, test.value, wrong, test.wrong)
		}
	}
}
