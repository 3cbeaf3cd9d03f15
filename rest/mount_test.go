package rest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// mounted is a way to serve a handler below a prefix, as it stands in URLs.
type mounted struct {
	name, url string
	handler   func(t *testing.T, s *site) http.Handler
}

// behind mounts a handler without a prefix of its own through http.StripPrefix.
func behind(name, stripped, url, own string) mounted {
	return mounted{name, url, func(t *testing.T, s *site) http.Handler {
		h, err := NewHandler(s.db, Options{Prefix: own, Authenticator: testTokens(t)})
		if err != nil {
			t.Fatal(err)
		}
		if stripped == "" {
			return h
		}
		return http.StripPrefix(stripped, h)
	}}
}

// TestMount mounts the handler in many ways, over a real connection: every path is found below the
// prefix and nowhere else, and the URLs of files in all answers, and in what is stored, lead to them.
func TestMount(t *testing.T) {
	for _, m := range []mounted{
		behind("plainly", "", "", ""),
		behind("by the option", "", "/api", "/api"),
		behind("by the option, two parts", "", "/api/x", "/api/x"),
		behind("by the option, a space", "", "/my%20app", "/my app"),
		behind("by the option, an encoded space", "", "/my%20app", "/my%20app"),
		behind("by the option, an umlaut", "", "/%C3%A4", "/ä"),
		behind("by the option, an encoded slash", "", "/a%2Fb", "/a%2Fb"),
		behind("by the option, a percent sign", "", "/100%25", "/100%25"),
		behind("by the option, braces", "", "/%7Ba%7D", "/{a}"),
		behind("stripped", "/api", "/api", ""),
		behind("stripped, two parts", "/api/x", "/api/x", ""),
		behind("stripped, a space", "/my app", "/my%20app", ""),
		behind("stripped, an umlaut", "/ä", "/%C3%A4", ""),
		behind("stripped, and by the option", "/outer", "/outer/in%20ner", "/in ner"),
	} {
		t.Run(m.name, func(t *testing.T) { checkMount(t, m) })
	}
}

func checkMount(t *testing.T, m mounted) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "a/b"})
	server := httptest.NewServer(m.handler(t, s))
	defer server.Close()
	ask := func(target string, more ...string) *reply {
		t.Helper()
		return overNet(s.with(t), server, orgToken, target, more...)
	}
	if !strings.Contains(m.url, "%") || !strings.HasPrefix(m.name, "stripped") { // net/http strips no encoded prefix before these
		ask("GET " + m.url + "/v1/data-sources/a%2Fb").want(200)
	}
	if m.url != "" {
		ask("GET " + path(ds, "")).want(404)
		ask("GET " + m.url).want(404)
		ask("GET " + m.url + "x/v1/user").want(404)
	}
	r := ask("PUT "+m.url+path(ds, "/data"), asParts, multi("f@a b.txt=text")).want(201)
	file := fmt.Sprint(r.get("data", "fMediaFileId"))
	up := ask("POST "+m.url+"/v1/media/files?organizationId=123", asParts, multi("files@a b.txt=text")).want(201)
	for _, told := range []struct{ id, url any }{
		{file, r.get("data", "f")},
		{file, ask("GET "+m.url+path(ds, "/data")).want(200).get("entries", 0, "data", "f")},
		{file, ask("GET "+m.url+"/v1/media/files/"+file).want(200).get("file", "url")},
		{up.get("files", 0, "id"), up.get("files", 0, "url")},
		{file, ask("GET "+m.url+"/v1/media?organizationId=123").want(200).get("files", 0, "url")},
	} {
		if want := fmt.Sprint(m.url, "/v1/media/files/", told.id, "/contents/a%20b.txt"); told.url != want {
			t.Errorf("the URL of the file is %v, want %s", told.url, want)
		}
		ask(fmt.Sprint("GET ", told.url)).text(200, "text")
	}
	if got, want := ask("GET "+m.url+"/v1/openapi.json").want(200).get("servers", 0, "url"), cmp.Or(m.url, "/"); got != want {
		t.Errorf("the description names the server %v, want %q", got, want)
	}
}

// overNet sends a request to a server.
func overNet(s *site, server *httptest.Server, token, target string, more ...string) *reply {
	s.Helper()
	method, path, _ := strings.Cut(target, " ")
	header, body := "", ""
	if len(more) == 2 {
		header, body = more[0], more[1]
	}
	r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Auth-token", token)
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	return readReply(s, target, answer)
}

// TestMountOf is about requests whose path was rewritten in other ways: no URL is made of what is
// no plain prefix.
func TestMountOf(t *testing.T) {
	for _, test := range []struct{ line, path, mount string }{
		{"/v1/user", "/v1/user", ""},
		{"/api/v1/user?x=/v1/user", "/v1/user", "/api"},
		{"http://example.com/api/v1/user", "/v1/user", "/api"},
		{"/a%2fb/v1/user", "/v1/user", "/a%2fb"},
		{"//evil.example/v1/user", "/v1/user", ""},
		{"/a//evil/v1/user", "/v1/user", ""},
		{`/\evil.example/v1/user`, "/v1/user", "/%5Cevil.example"},
		{"/../v1/user", "/v1/user", ""},
		{"/%2e%2e/v1/user", "/v1/user", ""},
		{"/api/%ff/v1/user", "/v1/user", ""},
		{"api/v1/user", "/v1/user", ""},
		{"/apiv1/user", "/v1/user", ""},
		{"/other", "/v1/user", ""},
		{"/user", "/v1/user", ""},
		{"", "/v1/user", ""},
		{"*", "/v1/user", ""},
	} {
		r := httptest.NewRequest("GET", test.path, nil)
		r.RequestURI = test.line
		if _, query, ok := strings.Cut(test.line, "?"); ok {
			r.URL.RawQuery = query
		}
		if got := mountOf(r); got != test.mount {
			t.Errorf("%q for %q is mounted at %q, want %q", test.line, test.path, got, test.mount)
		}
	}
}

// TestPrefixRefused refuses prefixes that no request could have.
func TestPrefixRefused(t *testing.T) {
	s := newSite(t, Options{})
	for _, prefix := range []string{"api", "/api/", "/", "//", "/a//b", "/.", "/a/../b", "/%2e%2E", "/100%", "/%zz", "/\xff", "/%ff"} {
		if _, err := NewHandler(s.db, Options{Prefix: prefix}); err == nil {
			t.Errorf("prefix %q is taken", prefix)
		}
	}
}
