package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// hostileSite has data source 1 of organization 123 with entries 1 and 2, and data source 2 of
// organization 9 with entry 4096.
func hostileSite(t testing.TB) *site {
	s := newSite(t, Options{BodyLimit: 1 << 20, BulkLimit: 2 << 20})
	ds := s.table(siftdb.DataSourceSpec{Name: "Own", Definition: json.RawMessage(`{"views": [{"name": "broken", "filter": {"a": {"$what": 1}}}]}`)}, `{"a": 1}`)
	if _, err := ds.Insert(ctx, siftdb.M{"a": 2}); err != nil {
		t.Fatal(err)
	}
	s.table(siftdb.DataSourceSpec{Name: "Foreign", OrganizationID: new(int64(9))}, `{"a": 3}`)
	return s
}

// hostile is a request that must be refused.
type hostile struct {
	token  string // orgToken unless told
	target string
	header string
	body   string
	status int    // 0 means any 4xx
	says   string // part of the message
}

// refuse sends hostile requests: each must be answered with 4xx and a clear message, and change
// nothing.
func (s *site) refuse(requests []hostile) {
	s.Helper()
	before := state(s, s)
	for _, h := range requests {
		method, target, _ := strings.Cut(h.target, " ")
		r := httptest.NewRequest(method, "/", strings.NewReader(h.body))
		if err := setTarget(r, target); err != nil {
			s.Fatal(err)
		}
		token := h.token
		if token == "" {
			token = orgToken
		}
		r.Header.Set("Auth-token", token)
		header := h.header
		if header == "" {
			header = asJSON
		}
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		reply := s.send(r)
		reply.what = h.target + " " + header + " " + clip(h.body, 80)
		s.refused(reply, h, before)
	}
}

func (s *site) refused(reply *reply, h hostile, before string) {
	s.Helper()
	var e struct{ Message string }
	err := json.Unmarshal([]byte(reply.body), &e)
	switch {
	case reply.status < 400 || reply.status > 499 || h.status != 0 && reply.status != h.status:
		s.Errorf("%s: status %d, want %d: %s", reply.what, reply.status, h.status, clip(reply.body, 300))
	case err != nil || len(e.Message) < 10 || !strings.Contains(e.Message, h.says):
		s.Errorf("%s: no clear message with %q: %s", reply.what, h.says, clip(reply.body, 300))
	case len(reply.body) > 2000:
		s.Errorf("%s: a message of %d bytes", reply.what, len(reply.body))
	}
	for _, inside := range []string{"goroutine", ".go:", "panic", "runtime", "bbolt", "document.Value", "github.com"} {
		if strings.Contains(reply.body, inside) {
			s.Errorf("%s: the answer tells of the inside: %s", reply.what, reply.body)
		}
	}
	if after := state(s, s); after != before {
		s.Fatalf("%s: something changed:\n%s\n%s", reply.what, before, after)
	}
}

// setTarget sets the path and query string as they come over the wire.
func setTarget(r *http.Request, target string) error {
	u, err := r.URL.Parse("/")
	if err != nil {
		return err
	}
	path, query, _ := strings.Cut(target, "?")
	if u, err = u.Parse(path); err != nil {
		return err
	}
	u.RawQuery = query
	r.URL, r.RequestURI = u, target
	return nil
}

// malformed are bodies that are no JSON object, or not one that can be kept.
var malformed = []string{
	`{`, `[`, `}`, `"`, `nul`, `{"a":}`, `{"a":1,}`, `[1,]`, `{'a':1}`, `{a:1}`, `{"a":1}x`, `{"a":1}{}`, "\ufeff{}", "{\"a\":\"\xff\"}", "{\"\xc3\x28\":1}",
	`{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, "{\"a\":\"\x01\"}", `{"a":NaN}`, `{"a":Infinity}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":0x1}`,
	`[]`, `"text"`, `5`, `null`, `true`, "\x00", `{"a":"\x"}`, `{"a":"\u12"}`, `// {}`, `{"a" 1}`, `{"a":1 "b":2}`, `{,}`, "\xff\xfe{\x00}\x00",
	`{"a":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`,
	strings.Repeat(`{"a":`, 100_000) + `1` + strings.Repeat(`}`, 100_000),
	strings.Repeat(`[`, 500_000),
}

func TestHostileJSON(t *testing.T) {
	s := hostileSite(t)
	var requests []hostile
	for _, target := range []string{"PUT /v1/data-sources/1/data", "PUT /v1/data-sources/1/data/1", "POST /v1/data-sources/1/data", "POST /v1/data-sources/1/data/query",
		"POST /v1/data-sources/1/commit", "POST /v1/data-sources?organizationId=123", "PUT /v1/data-sources/1", "POST /v1/data-sources/1/versions/2/data", "POST /v1/data-sources/1/versions/2/restore"} {
		for _, body := range malformed {
			requests = append(requests, hostile{target: target, body: body, status: 400})
		}
	}
	s.refuse(requests)
	// What is malformed inside of an option that is not looked at must not pass either.
	for _, row := range malformed {
		s.refuse([]hostile{{target: "POST /v1/data-sources/1/data", body: `{"append": true, "entries": [{"a": 1}, ` + row + `]}`, status: 400},
			{target: "POST /v1/data-sources/1/commit", body: `{"append": true, "entries": [{"data": ` + row + `}]}`, status: 400}})
	}
}

func TestHostileValues(t *testing.T) {
	s := hostileSite(t)
	var requests []hostile
	add := func(target string, bodies ...string) {
		for _, body := range bodies {
			key, _, _ := strings.Cut(strings.TrimPrefix(body, `{"`), `"`)
			if target == "POST /v1/data-sources?organizationId=123" && key != "name" {
				body = `{"name": "x", ` + body[1:]
			}
			requests = append(requests, hostile{target: target, body: body, status: 400, says: key})
		}
	}
	add("POST /v1/data-sources/1/data/query", `{"type": 1}`, `{"type": "insert"}`, `{"type": "SELECT"}`, `{"type": {}}`, `{"where": []}`, `{"where": "x"}`, `{"where": 5}`, `{"where": null}`,
		`{"where": {"a": {"$foo": 1}}}`, `{"where": {"$or": {}}}`, `{"where": {"a": {"$regex": "("}}}`, `{"where": {"a": {"$regex": "(?<=a)b"}}}`,
		`{"where": {"$where": "sleep(1)"}}`, `{"where": {"$filters": {}}}`, `{"where": {"$filters": [{"column": 5, "condition": "="}]}}`,
		`{"view": 5}`, `{"view": {}}`, `{"views": [1]}`, `{"view": "none"}`, `{"view": "broken"}`, `{"join": []}`, `{"join": "x"}`, `{"join": {"j": 5}}`, `{"join": {"j": {"dataSourceId": {}}}}`,
		`{"aggregate": {}}`, `{"aggregate": "x"}`, `{"aggregate": [{"$out": "x"}]}`, `{"aggregate": [{"$where": "x"}]}`, `{"aggregate": [{}]}`, `{"aggregate": [{"$function": {}}]}`,
		`{"attributes": 5}`, `{"attributes": {}}`, `{"attributes": [1]}`, `{"distinct": "yes"}`, `{"distinct": 1}`, `{"order": 5}`, `{"order": {}}`, `{"order": [["a", "up"]]}`, `{"order": [[1, "ASC"]]}`,
		`{"limit": "5"}`, `{"limit": -1}`, `{"limit": 1.5}`, `{"limit": 1e300}`, `{"limit": []}`, `{"limit": true}`, `{"offset": -1}`, `{"offset": "x"}`, `{"offset": {}}`,
		`{"includePagination": 1}`, `{"includePagination": "true"}`, `{"countOnly": "x"}`, `{"countOnly": []}`)
	add("POST /v1/data-sources/1/commit", `{"entries": {}}`, `{"entries": "x"}`, `{"entries": null}`, `{"entries": [1]}`, `{"entries": [{}]}`, `{"entries": [{"data": []}]}`, `{"entries": [{"data": "x"}]}`,
		`{"entries": [{"id": "x", "data": {}}]}`, `{"entries": [{"id": -1, "data": {}}]}`, `{"entries": [{"id": 1.5, "data": {}}]}`, `{"entries": [{"id": {}, "data": {}}]}`, `{"entries": [{"id": 99999999999999999999, "data": {}}]}`)
	for _, option := range []string{`"append": 1`, `"append": "true"`, `"extend": []`, `"delete": 5`, `"delete": ["x"]`, `"delete": [1.5]`, `"delete": [{}]`, `"runHooks": "insert"`, `"runHooks": 5`,
		`"returnEntries": "no"`, `"columns": "x"`, `"columns": [1]`, `"source": 5`} {
		requests = append(requests, hostile{target: "POST /v1/data-sources/1/commit", body: `{"entries": [], ` + option + `}`, status: 400, says: strings.Split(option, `"`)[1]})
	}
	attributes := []string{`{"name": 5}`, `{"name": []}`, `{"name": {}}`, `{"name": ""}`, `{"name": "   "}`, `{"name": "` + strings.Repeat("x", 256) + `"}`, `{"type": 5}`, `{"type": []}`,
		`{"columns": "x"}`, `{"columns": [1]}`, `{"columns": {}}`, `{"accessRules": {}}`, `{"accessRules": "x"}`, `{"accessRules": [1]}`, `{"definition": []}`, `{"definition": "x"}`, `{"definition": {"a": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}}`, `{"appCapabilities": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		`{"hooks": {}}`, `{"hooks": [1]}`, `{"bundle": 1}`, `{"public": "yes"}`, `{"public": {}}`, `{"encrypted": "x"}`, `{"encrypted": true}`, `{"appId": -1}`, `{"appId": 1.5}`, `{"appId": {}}`, `{"appId": "x"}`}
	add("PUT /v1/data-sources/1", append(attributes, `{"newColumns": "x"}`, `{"newColumns": [{}]}`)...)
	add("POST /v1/data-sources?organizationId=123", append(attributes, `{"entries": {}}`, `{"entries": [1]}`, `{"entries": "x"}`, `{"version": 5}`, `{"version": {}}`, `{"version": {"dataSourceId": 1}}`,
		`{"version": {"dataSourceId": "x", "id": 1}}`, `{"organizationId": "x"}`, `{"organizationId": 0}`, `{"organizationId": []}`)...)
	add("POST /v1/data-sources/1/data", `{"entries": {}}`, `{"entries": 5}`, `{"entries": null}`, `{"entries": [[]]}`, `{"entries": ["x"]}`, `{"entries": [{"a": 1}, null]}`, `{"append": "true", "entries": []}`,
		`{"append": 1, "entries": []}`, `{"runHooks": 5, "entries": []}`, `{}`, ``)
	add("POST /v1/data-sources/1/versions/2/data", `{"limit": "x"}`, `{"limit": -1}`, `{"limit": {}}`, `{"where": []}`, `{"where": {"a": {"$foo": 1}}}`)
	add("POST /v1/data-sources/1/versions/2/restore", `{"returnEntries": "no"}`, `{"returnEntries": 1}`)
	for i := range requests {
		if key := requests[i].says; key == "name" && strings.Contains(requests[i].body, `"name": "`) || key == "encrypted" && strings.Contains(requests[i].body, "true") || key == "}" || key == "version" || key == "{}" {
			requests[i].says = ""
		}
	}
	s.refuse(requests)
}

func TestHostileParameters(t *testing.T) {
	s := hostileSite(t)
	const data = "GET /v1/data-sources/1/data?"
	deep := strings.Repeat("[a]", 60)
	requests := []hostile{
		{target: data + "limit=-1", says: "limit"}, {target: data + "limit=x", says: "limit"}, {target: data + "limit=1.5", says: "limit"}, {target: data + "limit[]=1", says: "limit"},
		{target: data + "limit[a]=1", says: "limit"}, {target: data + "limit=1&limit=2", says: "limit"}, {target: data + "limit=0x10", says: "limit"}, {target: data + "limit=99999999999999999999", says: "limit"},
		{target: data + "offset=-1", says: "offset"}, {target: data + "offset=abc", says: "offset"}, {target: data + "where=5", says: "where"}, {target: data + "where=[]", says: "where"},
		{target: data + "where={", says: "JSON"}, {target: data + "where=%7B%22a%22:%7B%22$foo%22:1%7D%7D", says: "$foo"}, {target: data + "where[]=1", says: "where"},
		{target: data + "where[a]=1&where=2", says: "where"}, {target: data + "order=%7B", says: "JSON"}, {target: data + "order=%7B%7D", says: "order"}, {target: data + "order=[[%22a%22,%22up%22]]", says: "ASC or DESC"},
		{target: data + "includePagination=maybe", says: "includePagination"}, {target: data + "countOnly=2", says: "countOnly"}, {target: data + "countOnly[]=true", says: "countOnly"},
		{target: data + "view=none", says: "none"}, {target: data + "where=%ff", says: "UTF-8"}, {target: data + "where=%zz", says: "UTF-8"}, {target: data + "%ff=1", says: "UTF-8"},
		{target: data + "a" + deep + "=1", says: "nested"}, {target: data + strings.Repeat("a=1&", maxPairs+1), says: "values"}, {target: data + "attributes[a]=1&attributes[a]=2", says: "attributes"},
		{target: data + "where[a][$in]=5&where[a][$in][x]=5", says: "brackets"}, {target: "GET /v1/data-sources/1/data/query?type=delete&where[a]=1", says: "POST"},
		{target: "GET /v1/data-sources/1/data/query?type=insert", says: "type"}, {target: "GET /v1/data-sources/1/data/1?attributes[a]=b", says: "attributes"},
		{target: "GET /v1/data-sources?organizationId=x", says: "organizationId"}, {target: "GET /v1/data-sources?organizationId=-1", says: "organizationId"}, {target: "GET /v1/data-sources?organizationId[]=1", says: "organizationId"},
		{target: "GET /v1/data-sources?appId=1.5", says: "appId"}, {target: "GET /v1/data-sources?appId=0", says: "appId"}, {target: "GET /v1/data-sources?appId=1&appId=2", says: "appId"},
		{target: "GET /v1/data-sources?appId=99999999999999999999", says: "appId"}, {target: "GET /v1/data-sources?includeInUse=maybe&appId=1", says: "includeInUse"}, {target: "GET /v1/data-sources?type[]=a", says: "type"},
		{target: "GET /v1/data-sources?excludeTypes[a]=b", says: "excludeTypes"}, {target: "GET /v1/data-sources?attributes[a][b]=c", says: "attributes"}, {token: adminToken, target: "GET /v1/data-sources", says: "context"},
		{token: adminToken, target: "POST /v1/data-sources", body: `{"name": "x"}`, says: "context"}, {target: "GET /v1/data-sources/1?includeEntriesCount=maybe", says: "includeEntriesCount"},
		{target: "GET /v1/data-sources/deleted?appId=x", says: "appId"}, {target: "GET /v1/data-sources/Own?appId=x", says: "appId"}, {target: "GET /v1/data-sources/1/versions?limit=x", says: "limit"},
		{target: "GET /v1/data-sources/1/versions?limit=-1", says: "limit"}, {target: "GET /v1/data-sources/1/versions?offset=1.5", says: "offset"}, {target: "GET /v1/data-sources/1/versions?limit[]=1", says: "limit"},
		{target: "GET /v1/data-sources/1/versions/2/data?limit=x", says: "limit"}, {target: "POST /v1/data-sources/1/data?append=maybe", body: `{"entries": []}`, says: "append"},
		{target: "POST /v1/data-sources/1/data?append[x]=1", body: `{"entries": []}`, says: "append"}, {target: "POST /v1/data-sources/1/commit?append=maybe", body: `{"entries": []}`, says: "append"},
		{target: "POST /v1/data-sources/1/commit?runHooks=5", body: `{"entries": []}`, says: "runHooks"}, {target: "POST /v1/data-sources/1/commit?source[]=a", body: `{"entries": []}`, says: "source"},
		{target: "PUT /v1/data-sources/1/data?source[]=1", body: `{}`, says: "source"}, {target: "PUT /v1/data-sources/1/data/1?source=1&source=2", body: `{}`, says: "source"},
		{target: "POST /v1/data-sources/1/versions/2/restore?returnEntries=maybe", says: "returnEntries"},
	}
	for i := range requests {
		requests[i].status = 400
	}
	s.refuse(requests)
}

func TestHostilePaths(t *testing.T) {
	s := hostileSite(t)
	var requests []hostile
	for _, target := range []string{
		"GET /", "GET /v1", "GET /v2/data-sources", "GET /v1/data-source", "GET /v1/data-sources//data", "GET /v1/data-sources/1//data", "GET //v1/data-sources/1", "GET /v1/data-sources/1/data//",
		"GET /v1/data-sources/99", "GET /v1/data-sources/0", "GET /v1/data-sources/-1", "GET /v1/data-sources/99999999999999999999", "GET /v1/data-sources/1.0", "GET /v1/data-sources/1e0", "GET /v1/data-sources/%31%20",
		"GET /v1/data-sources/own", "GET /v1/data-sources/Own%20", "GET /v1/data-sources/Own%00", "GET /v1/data-sources/Own%2Fdata", "GET /v1/data-sources/..%2F1", "GET /v1/data-sources/1?dsn", "GET /v1/data-sources/Foreign",
		"GET /v1/data-sources/2", "GET /v1/data-sources/2/data", "GET /v1/data-sources/2/data/4096", "DELETE /v1/data-sources/2/data/4096", "DELETE /v1/data-sources/2", "GET /v1/data-sources/2/versions", "GET /v1/data-sources/2/indexes/a",
		"GET /v1/data-sources/1/data/99", "GET /v1/data-sources/1/data/4096", "GET /v1/data-sources/1/data/0", "GET /v1/data-sources/1/data/-1", "GET /v1/data-sources/1/data/1.5", "GET /v1/data-sources/1/data/abc",
		"GET /v1/data-sources/1/data/session", "GET /v1/data-sources/1/data/99999999999999999999", "GET /v1/data-sources/1/data/1%2F2", "GET /v1/data-sources/1/data/%D9%A1", "GET /v1/data-sources/1/data/1/more",
		"DELETE /v1/data-sources/1/data/99", "DELETE /v1/data-sources/1/data/4096", "DELETE /v1/data-sources/1/data/session", "PUT /v1/data-sources/1/data/99", "PUT /v1/data-sources/1/data/4096", "PUT /v1/data-sources/1/data/abc",
		"GET /v1/data-sources/1/versions/99/data", "GET /v1/data-sources/1/versions/0/data", "GET /v1/data-sources/1/versions/x/data", "GET /v1/data-sources/1/versions/3/data", "POST /v1/data-sources/1/versions/3/restore",
		"POST /v1/data-sources/1/versions/99/restore", "POST /v1/data-sources/1/versions/99999999999999999999/restore", "POST /v1/data-sources/1/versions/-1/restore", "GET /v1/data-sources/1/versions/2",
		"POST /v1/data-sources/1/restore", "POST /v1/data-sources/2/restore", "POST /v1/data-sources/99/restore", "POST /v1/data-sources/0/restore", "POST /v1/data-sources/Own/restore", "DELETE /v1/data-sources/deleted/1",
		"DELETE /v1/data-sources/deleted/2", "DELETE /v1/data-sources/deleted/99", "DELETE /v1/data-sources/deleted/x", "GET /v1/data-sources/deleted/1/data", "GET /v1/medias", "GET /v1/users", "GET /v1/user/1",
		"GET /v1/data-sources/1/../2", "GET /v1/openapi", "GET /v1/data-sources/1/datas", "GET /v1/data-sources/1/%64ata", "GET /V1/data-sources/1",
	} {
		requests = append(requests, hostile{target: target, body: `{}`, status: 404})
	}
	for _, target := range []string{"GET /v1/data-sources/1/indexes/", "GET /v1/data-sources/1/indexes", "GET /v1/data-sources/1/indexes/,", "GET /v1/data-sources/1/indexes/,,,", "GET /v1/data-sources/%ff", "GET /v1/data-sources/1/indexes/%ff",
		"GET /v1/data-sources/1/indexes/a,%c3%28"} {
		requests = append(requests, hostile{target: target, status: 400})
	}
	// Other tenants' entries do not exist in a commit.
	requests = append(requests,
		hostile{target: "POST /v1/data-sources/1/commit", body: `{"append": true, "entries": [{"id": 4096, "data": {"a": 9}}]}`, status: 400, says: "4096"},
		hostile{target: "POST /v1/data-sources/1/commit", body: `{"append": true, "entries": [{"data": {}}, {"id": 77, "data": {}}, {"id": 1, "data": {}}]}`, status: 400, says: "77"},
		hostile{target: "POST /v1/data-sources/1/data/query", body: `{"join": {"j": {"dataSourceId": 2, "on": {"a": "a"}}}}`, status: 404},
		hostile{target: "POST /v1/data-sources/1/data/query", body: `{"join": {"j": {"dataSourceName": "Foreign", "on": {"a": "a"}}}}`, status: 404},
		hostile{target: "POST /v1/data-sources/1/data/query", body: `{"aggregate": [{"$lookup": {"from": "Foreign", "localField": "a", "foreignField": "a", "as": "x"}}]}`},
		hostile{target: "POST /v1/data-sources?organizationId=9", body: `{"name": "x"}`, status: 403},
		hostile{target: "POST /v1/data-sources", body: `{"name": "x", "organizationId": 9}`, status: 403},
		hostile{target: "POST /v1/data-sources", body: `{"name": "x", "version": {"dataSourceId": 2, "id": 1}}`, status: 404},
		hostile{target: "POST /v1/data-sources", body: `{"name": "x", "version": {"dataSourceId": 1, "id": 99}}`, status: 404},
		hostile{target: "POST /v1/data-sources", body: `{"name": "x", "entries": [{}], "version": {"dataSourceId": 1, "id": 2}}`, status: 400},
	)
	s.refuse(requests)
	s.refuse([]hostile{{token: bobToken, target: "POST /v1/data-sources", body: `{"name": "x", "version": {"dataSourceId": 1, "id": 2}}`, status: 403}})
}

func TestHostileTypes(t *testing.T) {
	s := hostileSite(t)
	const boundary = "Content-Type: multipart/form-data; boundary=X"
	part := func(lines ...string) string {
		return "--X\r\n" + strings.Join(lines, "\r\n") + "\r\n--X--\r\n"
	}
	var requests []hostile
	for _, media := range []string{"text/plain", "application/xml", "application/octet-stream", "text/json", "application/", "application/jsonx", "*/*", ";;", "application/msgpack", "image/png", "text/csv"} {
		for _, target := range []string{"PUT /v1/data-sources/1/data", "POST /v1/data-sources/1/commit", "POST /v1/data-sources/1/data"} {
			requests = append(requests, hostile{target: target, header: "Content-Type: " + media, body: `{"entries": []}`, status: 415, says: "application/json"})
		}
	}
	requests = append(requests,
		hostile{target: "POST /v1/data-sources/1/data/query", header: boundary, body: part(`Content-Disposition: form-data; name="type"`, "", "select"), status: 415},
		hostile{target: "POST /v1/data-sources/1/data", header: boundary, body: part(`Content-Disposition: form-data; name="other"; filename="a.csv"`, "", "a"), status: 400, says: "part file"},
		hostile{target: "PUT /v1/data-sources/1/data", header: "Content-Type: multipart/form-data", body: "x", status: 400, says: "boundary"},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: "no parts at all", status: 400},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: "--X\r\n", status: 400},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut", status: 400},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: part("Broken header", "", "x"), status: 400},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: part(`Content-Disposition: form-data`, "", "x"), status: 400, says: "no name"},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: part(`Content-Disposition: form-data; name="a"`, "", "\xff"), status: 400, says: "UTF-8"},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: strings.Repeat("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", maxParts+1) + "--X--", status: 400, says: "parts"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: `{"a": 1}`, status: 400, says: "Content-Type"},
		hostile{target: "POST /v1/data-sources/1/commit", header: asForm, body: `{"entries": []}`, status: 400, says: "Content-Type"},
		hostile{target: "POST /v1/data-sources/1/data", header: asForm, body: `[1]`, status: 400, says: "Content-Type"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: "a=%ff", status: 400, says: "UTF-8"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: "a=%", status: 400, says: "UTF-8"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: "a=1&a[b]=2", status: 400, says: "brackets"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: "a" + strings.Repeat("[b]", 51) + "=1", status: 400, says: "nested"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: strings.Repeat("a=1&", maxPairs+1), status: 400, says: "values"},
		hostile{target: "POST /v1/data-sources/1/commit", header: asForm, body: "entries[0][data]=x", status: 400},
		hostile{target: "POST /v1/data-sources/1/commit", header: asForm, body: "entries={", status: 400},
		hostile{target: "POST /v1/data-sources/1/data/query", header: asForm, body: "limit=x", status: 400, says: "limit"},
		hostile{target: "POST /v1/data-sources/1/data/query", header: asForm, body: "where[a][$foo]=1", status: 400, says: "$foo"},
		hostile{target: "POST /v1/data-sources/1/data/query", header: asForm, body: "where=" + strings.Repeat("[", 100_000), status: 400},
		hostile{target: "POST /v1/data-sources/1/data", header: asForm, body: "entries=x", status: 400, says: "entries"},
		hostile{target: "POST /v1/data-sources/1/data", header: asForm, body: "entries[0]=x", status: 400, says: "entries"},
		hostile{target: "POST /v1/data-sources/1/data", header: asForm, body: "entries[a][b]=x", status: 400, says: "entries"},
		hostile{target: "PUT /v1/data-sources/1/data", body: `{"a": "` + strings.Repeat("x", 1<<20) + `"}`, status: 413, says: "larger"},
		hostile{target: "PUT /v1/data-sources/1/data", header: asForm, body: "a=" + strings.Repeat("x", 1<<20), status: 413, says: "larger"},
		hostile{target: "PUT /v1/data-sources/1/data", header: boundary, body: part(`Content-Disposition: form-data; name="a"`, "", strings.Repeat("x", 1<<20)), status: 413, says: "larger"},
		hostile{target: "POST /v1/data-sources/1/data", body: `{"entries": [` + strings.Repeat(`{"a": 1},`, 1<<18) + `{}]}`, status: 413, says: "larger"},
		hostile{target: "POST /v1/data-sources/1/commit", body: `{"entries": [` + strings.Repeat(`{"data": {}},`, 1<<18) + `{"data": {}}]}`, status: 413, says: "larger"},
		hostile{target: "PUT /v1/data-sources/1/data", body: `{"` + strings.Repeat("k", 2000) + `": 1}`, status: 400},
		hostile{target: "PUT /v1/data-sources/1/data", body: `{"a": ` + strings.Repeat("1", 500) + `}`, status: 400},
	)
	for _, method := range []string{"PATCH", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "get", "POST", "DELETE"} {
		requests = append(requests, hostile{target: method + " /v1/data-sources/1/versions", status: 405, says: "GET"})
	}
	s.refuse(requests)
}
