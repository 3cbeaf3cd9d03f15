package rest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestNames looks data sources up by id and by name (spec 12.1).
func TestNames(t *testing.T) {
	s := newSite(t, Options{})
	ids := map[string]int64{}
	for _, name := range []string{"Foo bar", "a/b,c", "12345", "déjà", "deleted", "dup", "dup", "+ %41", "1"} {
		ds := s.table(siftdb.DataSourceSpec{Name: name})
		if _, twice := ids[name]; !twice {
			ids[name] = ds.ID()
		}
	}
	app := s.table(siftdb.DataSourceSpec{Name: "dup", AppID: new(int64(456))})
	s.table(siftdb.DataSourceSpec{Name: "elsewhere", OrganizationID: new(int64(9))})
	gone := s.table(siftdb.DataSourceSpec{Name: "gone"})
	s.ask(adminToken, "DELETE "+path(gone, "")).text(200, "")
	for _, test := range []struct {
		token, ref string
		id         int64
	}{
		{orgToken, "Foo%20bar", ids["Foo bar"]},
		{orgToken, "a%2Fb%2Cc", ids["a/b,c"]},
		{orgToken, "a%2fb,c", ids["a/b,c"]},
		{orgToken, "12345?dsn", ids["12345"]},
		{orgToken, "12345?dsn=true", ids["12345"]},
		{orgToken, "12345?dsn=x", ids["12345"]},
		{orgToken, "d%C3%A9j%C3%A0", ids["déjà"]},
		{orgToken, "+%20%2541", ids["+ %41"]},
		{orgToken, "dup", ids["dup"]},
		{orgToken, "dup?appId=456", app.ID()},
		{orgToken, "dup?appId=7", ids["dup"]},
		{bobToken, "dup", app.ID()},
		{bobToken, "dup?appId=7", ids["dup"]},
		{orgToken, "1", 1},
		{orgToken, "1?dsn=false", 1},
		{orgToken, "1?dsn=0", 1},
		{orgToken, "1?dsn", ids["1"]},
		{orgToken, "001", 1},
		{orgToken, "deleted?dsn", ids["deleted"]},
		{orgToken, "Foo%20bar/", ids["Foo bar"]},
	} {
		if got := s.ask(test.token, "GET /v1/data-sources/"+test.ref).want(200).get("dataSource", "id"); got != json.Number(itoa(test.id)) {
			t.Errorf("%s is data source %v, want %d", test.ref, got, test.id)
		}
	}
	for _, ref := range []string{"12345", "foo%20bar", "elsewhere", "gone", "a/b,c", "none", "Foo%20bar?dsn=false&appId=7x"} {
		if r := s.ask(orgToken, "GET /v1/data-sources/"+ref); r.status != 404 && r.status != 400 {
			t.Errorf("%s: status %d %s", ref, r.status, r.body)
		}
	}
	// A name counts everywhere.
	s.ask(orgToken, "PUT /v1/data-sources/12345/data?dsn", asJSON, `{"x": 1}`).want(201)
	s.ask(orgToken, "POST /v1/data-sources/a%2Fb%2Cc/data/", asJSON, `{"entries": [{"x,y": 1}, {"x,y": 2, "z": "ü"}]}`).text(200, "")
	s.ask(orgToken, "GET /v1/data-sources/a%2Fb%2Cc/indexes/x%2Cy,z,none,z/").text(200, `{"indexes":{"x,y":[1,2],"z":["ü"],"none":[]}}`)
	s.ask(orgToken, "GET /v1/data-sources/12345/versions/?dsn").want(200)
	s.ask(orgToken, "DELETE /v1/data-sources/deleted?dsn").text(200, "")
}

// TestPrefix mounts the handler in both ways.
func TestPrefix(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "a/b"})
	own, err := NewHandler(s.db, Options{Prefix: "/api/x", Authenticator: testTokens(t)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/stripped/", http.StripPrefix("/stripped", s.handler))
	for prefix, h := range map[string]http.Handler{"/api/x": own, "/stripped": mux} {
		mounted := &site{t, s.db, h}
		mounted.ask(orgToken, "GET "+prefix+path(ds, "")).want(200)
		mounted.ask(orgToken, "GET "+prefix+"/v1/data-sources/a%2Fb").want(200)
		mounted.ask(orgToken, "GET "+path(ds, "")).want(404)
	}
	for _, prefix := range []string{"api", "/api/", "/"} {
		if _, err := NewHandler(s.db, Options{Prefix: prefix}); err == nil {
			t.Errorf("prefix %q is taken", prefix)
		}
	}
	if _, err := NewHandler(nil, Options{}); err == nil {
		t.Error("no database is taken")
	}
}

// TestTokenPlaces finds the token in four places, of which the first decides (spec 12.2).
func TestTokenPlaces(t *testing.T) {
	s := newSite(t, Options{})
	user := func(set func(*http.Request)) (int, any) {
		r := httptest.NewRequest("GET", "/v1/user", nil)
		set(r)
		reply := s.send(r)
		if reply.status != 200 {
			if reply.text(401, `{"error":"not authorised","message":"The auth_token provided doesn't belong to any user."}`).header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			return reply.status, nil
		}
		return 200, reply.get("user", "auth_token")
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = append(r.Header[name], value) }
	}
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	cookie := func(v string) func(*http.Request) {
		return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "auth_token", Value: v}) }
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(orgToken))
	for _, test := range []struct {
		name string
		set  []func(*http.Request)
		want any
	}{
		{"header", []func(*http.Request){header("Auth-Token", orgToken)}, orgToken},
		{"bearer base64", []func(*http.Request){header("Authorization", "Bearer "+encoded)}, orgToken},
		{"bearer without padding", []func(*http.Request){header("Authorization", "bearer "+strings.TrimRight(encoded, "="))}, orgToken},
		{"bearer raw", []func(*http.Request){header("Authorization", "Bearer "+orgToken)}, orgToken},
		{"query", []func(*http.Request){query("auth_token=" + orgToken)}, orgToken},
		{"cookie", []func(*http.Request){cookie(orgToken)}, orgToken},
		{"header before the rest", []func(*http.Request){header("Auth-Token", orgToken), header("Authorization", "Bearer "+bobToken), query("auth_token=" + bobToken), cookie(bobToken)}, orgToken},
		{"a wrong header decides", []func(*http.Request){header("Auth-Token", wrongToken), query("auth_token=" + orgToken)}, nil},
		{"bearer before query", []func(*http.Request){header("Authorization", "Bearer "+wrongToken), query("auth_token=" + orgToken)}, nil},
		{"query before cookie", []func(*http.Request){query("auth_token=" + wrongToken), cookie(orgToken)}, nil},
		{"another scheme is no place", []func(*http.Request){header("Authorization", "Basic eDp5"), query("auth_token=" + orgToken)}, orgToken},
		{"empty ones are none", []func(*http.Request){header("Auth-Token", ""), query("auth_token="), cookie(orgToken)}, orgToken},
		{"nothing", nil, nil},
		{"wrong", []func(*http.Request){cookie(wrongToken)}, nil},
		{"the hash is no token", []func(*http.Request){header("Auth-Token", "b1f3")}, nil},
	} {
		status, got := user(func(r *http.Request) {
			for _, set := range test.set {
				set(r)
			}
		})
		if got != test.want {
			t.Errorf("%s: %d %v, want %v", test.name, status, got, test.want)
		}
	}
}

// TestCookieOrigin refuses writes that a page of another origin makes with the cookie of its reader.
func TestCookieOrigin(t *testing.T) {
	s := newSite(t, Options{CORS: &CORS{Origins: []string{"https://app.example.org"}}})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	for origin, want := range map[string]int{"": 201, "http://example.com": 201, "https://app.example.org": 201, "https://evil.example": 403} {
		r := httptest.NewRequest("PUT", path(ds, "/data"), strings.NewReader(`{"a": 1}`))
		r.AddCookie(&http.Cookie{Name: "auth_token", Value: orgToken})
		r.Header.Set("Content-Type", "application/json")
		if origin != "" {
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", map[bool]string{true: "same-origin", false: "cross-site"}[origin == "http://example.com"])
		}
		s.send(r).want(want)
	}
}

// TestBodies sends the same row in every form that a body can have (spec 12.1).
func TestBodies(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	for _, test := range []struct{ header, body, data string }{
		{asJSON, `{"a": 1.10, "b": [null, true], "id": 7, "order": 3, "dataSourceId": 9}`, `{"a":1.10,"b":[null,true],"id":7,"order":3}`},
		{"Content-Type: application/json; charset=utf-8", `{"a": "ü"}`, `{"a":"ü"}`},
		{"Content-Type: application/vnd.api+json", `{"a": 1}`, `{"a":1}`},
		{"X-None: x", `{"a": 1}`, `{"a":1}`},
		{asJSON, ``, `{}`},
		{"Content-Type: text/plain", ``, `{}`},
		{asForm, `email=a%40b&n=5&empty=&x+y=1+2&tags[]=a&tags[]=b&deep[a][b]=c&list[1]=y&list[0]=x&same=1&same=2`,
			`{"email":"a@b","n":"5","empty":"","x y":"1 2","tags":["a","b"],"deep":{"a":{"b":"c"}},"list":["x","y"],"same":["1","2"]}`},
		{asForm, `where={"a":1}&limit=5&append=true&a[=1&b]=2&[c]=3&d[e]f=4&list[][n]=1&list[][n]=2`,
			`{"where":"{\"a\":1}","limit":"5","append":"true","a[":"1","b]":"2","[c]":"3","d[e]f":"4","list":[{"n":"1"},{"n":"2"}]}`},
		{"Content-Type: multipart/form-data; boundary=X", strings.ReplaceAll(`--X
Content-Disposition: form-data; name="foo"

bar
--X
Content-Disposition: form-data; name="tags[]"

a
--X
Content-Disposition: form-data; name="filename"

ü
--X
Content-Disposition: form-data; name="two"

1
--X
Content-Disposition: form-data; name="_flSchema"

{}
--X
Content-Disposition: form-data; name="two"

2
--X
Content-Disposition: form-data; name="file"; filename=""
Content-Type: application/octet-stream


--X--
`, "\n", "\r\n"), `{"foo":"bar","tags":["a"],"filename":"ü","two":["1","2"]}`},
	} {
		r := s.ask(orgToken, "PUT "+path(ds, "/data"), test.header, test.body).want(201)
		_, data, _ := strings.Cut(r.body, `"data":`)
		if data, _, _ = strings.Cut(data, `,"order":0,"createdAt"`); data != test.data {
			t.Errorf("%s %s: stored %s, want %s", test.header, test.body, data, test.data)
		}
	}
}

// TestForms sends options url-encoded, and reads them from query strings.
func TestForms(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"n": 1, "s": "a b"}`, `{"n": 2, "s": "c"}`, `{"n": 3, "s": "a b"}`)
	for _, test := range []struct{ options, want string }{
		{"", `{"n":1,"s":"a b"} {"n":2,"s":"c"} {"n":3,"s":"a b"}`},
		{"where[s]=a+b", `{"n":1,"s":"a b"} {"n":3,"s":"a b"}`},
		{"where[n][$gte]=2", `{"n":2,"s":"c"} {"n":3,"s":"a b"}`},
		{"where[n][$in][]=1&where[n][$in][]=2", `{"n":1,"s":"a b"} {"n":2,"s":"c"}`},
		{"where=%7B%22n%22%3A%202%7D", `{"n":2,"s":"c"}`},
		{"where=&limit=&attributes=n", `{"n":1} {"n":2} {"n":3}`},
		{"attributes=n,s&limit=1", `{"n":1,"s":"a b"}`},
		{"attributes[]=n&limit=1&offset=1", `{"n":2}`},
		{"attributes=n&attributes=s&limit=1", `{"n":1,"s":"a b"}`},
		{"attributes=[]&limit=1", `{}`},
		{"order=[[\"data.n\",\"DESC\"]]&limit=1", `{"n":3,"s":"a b"}`},
		{"order[0][0]=data.n&order[0][1]=desc&limit=1", `{"n":3,"s":"a b"}`},
		{"order=n&limit=1&_tags=x&unknown[a]=b", `{"n":1,"s":"a b"}`},
		{"includePagination=true&limit=1", `{"n":1,"s":"a b"}`},
	} {
		query := strings.NewReplacer(" ", "%20", `"`, "%22").Replace(test.options)
		for _, r := range []*reply{s.ask(orgToken, "GET "+path(ds, "/data")+"?"+query), s.ask(orgToken, "GET "+path(ds, "/data/query")+"?type=select&"+query),
			s.ask(orgToken, "POST "+path(ds, "/data/query"), asForm, query+"&x=y")} {
			if got := r.want(200).data(); got != test.want {
				t.Errorf("%s: %s, want %s", r.what, got, test.want)
			}
			if p := r.get("pagination"); (p != nil) != strings.Contains(query, "includePagination") {
				t.Errorf("%s: pagination %v", r.what, p)
			}
		}
	}
	s.ask(orgToken, "GET "+path(ds, "/data")+"?countOnly=true&where[s]=c").text(200, `{"count":1,"dataSourceId":1}`)
	s.ask(orgToken, "GET "+path(ds, "/data")+"?type=delete").want(200) // no parameter of a list (spec 12.4)
	s.ask(orgToken, "POST "+path(ds, "/data/query"), asForm, "type=delete&where[s]=c").text(200, `{"deletedCount":1}`)
	s.ask(orgToken, "POST "+path(ds, "/commit"), asForm, "entries[0][data][n]=9&entries[1][id]=1&entries[1][data][m]=x&delete[]=3&append=1&extend=true&returnEntries=false").text(200, `{"clientIds":[]}`)
	if got := s.ask(orgToken, "GET "+path(ds, "/data")).data(); got != `{"m":"x","n":1,"s":"a b"} {"n":"9"}` {
		t.Errorf("after the commit: %s", got)
	}
	s.ask(orgToken, "POST "+path(ds, "/data"), asForm, "entries[0][email]=a@b&entries[1][email]=c").text(200, "")
	s.ask(orgToken, "POST "+path(ds, "/data")+"?append=true", asForm, `entries=[{"email":"d"}]`).text(200, "")
	if got := s.ask(orgToken, "GET "+path(ds, "/data")).data(); got != `{"email":"a@b"} {"email":"c"} {"email":"d"}` {
		t.Errorf("after the imports: %s", got)
	}
	r := s.ask(orgToken, "POST /v1/data-sources", asForm, "name=F&public=true&columns[]=a&columns[]=b&definition[guid]=a&entries[0][b]=1&appId=4").want(201)
	if r.get("dataSource", "public") != true || r.get("dataSource", "columns", 1) != "b" || r.get("dataSource", "appId") != json.Number("4") {
		t.Errorf("created %s", r.body)
	}
}

// TestFallbacks takes options from the query string that the body lacks (spec 12.1).
func TestFallbacks(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"n": 1}`)
	count := func() string { return s.ask(orgToken, "GET "+path(ds, "/data?countOnly=true")).body }
	s.ask(orgToken, "POST "+path(ds, "/data?append=true"), asJSON, `{"entries": [{"n": 2}]}`).text(200, "")
	if got := count(); got != `{"count":2,"dataSourceId":1}` {
		t.Error(got)
	}
	s.ask(orgToken, "POST "+path(ds, "/data?append=true"), asJSON, `{"append": false, "entries": [{"n": 3}]}`).text(200, "")
	if got := count(); got != `{"count":1,"dataSourceId":1}` {
		t.Error("the query string overrules the body:", got)
	}
	s.ask(orgToken, "POST "+path(ds, "/commit?append=true&returnEntries=false&source=import"), asJSON, `{"entries": [{"data": {"n": 4}, "clientId": "c1"}]}`).text(200, `{"clientIds":[{"clientId":"c1","id":4}]}`)
	if r := s.ask(orgToken, "POST "+path(ds, "/commit?returnEntries=false"), asJSON, `{"append": true, "returnEntries": true, "entries": []}`).want(200); r.ids() != "3,4" {
		t.Errorf("returnEntries of the body: %s", r.body)
	}
	s.ask(orgToken, "POST /v1/data-sources?appId=1", asJSON, `{"name": "x", "appId": 2}`).want(201)
	if r := s.ask(orgToken, "GET /v1/data-sources?appId=2").want(200); r.get("dataSources", 0, "name") != "x" {
		t.Error(r.body)
	}
}

// TestHead answers HEAD like GET, without the body, and tells which methods a path takes.
func TestHead(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	s.ask(orgToken, "HEAD "+path(ds, "/data")).want(200)
	for target, allow := range map[string]string{"/v1/data-sources": "GET, HEAD, POST", path(ds, "/data"): "GET, HEAD, POST, PUT", path(ds, "/data/1"): "DELETE, GET, HEAD, PUT",
		path(ds, "/commit"): "POST", "/v1/data-sources/deleted/1": "DELETE", "/v1/data-sources/1/restore": "POST"} {
		if got := s.ask("", "PATCH "+target).fails(405, "PATCH").header.Get("Allow"); got != allow {
			t.Errorf("%s allows %q, want %q", target, got, allow)
		}
	}
}
