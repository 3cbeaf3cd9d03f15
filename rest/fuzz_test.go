package rest

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
)

// FuzzPath splits paths: parts are those between slashes of the escaped path, however they decode,
// and what matches a route is what its pattern says.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/v1/data-sources", "/v1/data-sources/1/data/", "/v1/data-sources/a%2Fb%2Cc/indexes/x%2C,y", "//", "", "/v1/data-sources/%ff", "/v1/data-sources/%/data",
		"/v1/data-sources/deleted/1", "/v1/data-sources/1/data/session", "/v1/data-sources/\u0661/data", "/v1/data-sources/1/versions/99999999999999999999/data", "/a/../b/./c", "/%00"} {
		f.Add(path, false)
		f.Add(path, true)
	}
	routes := routeTable()
	f.Fuzz(func(t *testing.T, path string, byName bool) {
		segments, err := splitPath(path)
		if err != nil {
			return
		}
		if strings.Join(segments, "/") != strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/") {
			t.Fatalf("%q is split into %q", path, segments)
		}
		for _, m := range match(routes, segments, byName) {
			for i, part := range m.route.parts {
				name, isParam := strings.CutPrefix(part, "{")
				name = strings.TrimSuffix(name, "}")
				switch value := m.params[name]; {
				case !isParam && segments[i] != part:
					t.Fatalf("%q fits %s", path, m.route.pattern)
				case !isParam, name == "columns":
				case !utf8.ValidString(value):
					t.Fatalf("%q: %s is %q", path, name, value)
				case name == "ds":
					if plain, err := url.PathUnescape(segments[i]); err != nil || plain != value || value == "" {
						t.Fatalf("%q: the data source is %q", path, value)
					}
				case !digits(value) && (name != "entry" || value != "session"):
					t.Fatalf("%q: %s is %q", path, name, value)
				}
			}
		}
		columns, err := splitColumns(segments[len(segments)-1])
		if err != nil {
			return
		}
		for _, c := range columns {
			if c == "" || !utf8.ValidString(c) {
				t.Fatalf("%q names the column %q", path, c)
			}
		}
	})
}

// FuzzForm reads url-encoded text: it ends in an error, or in JSON that the database can read, in
// which every value is there.
func FuzzForm(f *testing.F) {
	for _, text := range []string{"a=1", "a=1&a=2", "a[]=1&a[]=2", "a[b][c]=d", "a[0][x]=1&a[1][x]=2", "a[1]=y&a[0]=x", "a[][b]=c&a[][b]=d", "a[=1&b]=2&[c]=3", "a[b]c=1", "a[[b]]=1", "a=1&a[b]=2",
		"where={\"a\":1}", "where=[", "limit=5&offset=x&append=1&delete[]=4", "order=[[\"a\",\"ASC\"]]", "version[id]=1&version[dataSourceId]=2", "%ff=1", "%=1", "&&=&", "a[00]=1&a[1]=2", "a[999999999]=1", "runHooks=true"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := parseForm(text, "body")
		if err != nil {
			return
		}
		if flat, err := tree.appendObject(nil, "", nil); err == nil {
			v, err := document.Parse(flat, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
			if err != nil || v.Kind() != document.Object {
				t.Fatalf("%q becomes %q: %v", text, flat, err)
			}
			if n, want := leaves(v), leavesOf(tree); n != want {
				t.Fatalf("%q becomes %s with %d values, not %d", text, flat, n, want)
			}
		}
		if options, err := tree.appendObject(nil, "", option); err == nil {
			if _, err := parseObject(options); err != nil {
				t.Fatalf("%q becomes the options %q: %v", text, options, err)
			}
		}
	})
}

// leaves counts the texts in a value.
func leaves(v document.Value) int {
	n := 0
	switch v.Kind() {
	case document.String:
		return 1
	case document.Array:
		for item := range v.Items() {
			n += leaves(item)
		}
	case document.Object:
		for _, item := range v.Fields() {
			n += leaves(item)
		}
	}
	return n
}

func leavesOf(f *form) int {
	n := len(f.values)
	for _, child := range f.fields {
		n += leavesOf(child)
	}
	return n
}

// FuzzRequest sends whole requests: whatever they hold, the answer is no 500, and an error has a
// message.
func FuzzRequest(f *testing.F) {
	s := hostileSite(f)
	f.Add("POST", "/v1/data-sources/1/data/query", "", "application/json", `{"where": {"a": 1}}`)
	f.Add("GET", "/v1/data-sources/1/data", "where[a]=1&limit=1", "", "")
	f.Add("PUT", "/v1/data-sources/1/data/1", "", "application/x-www-form-urlencoded", "a[b]=1")
	f.Add("POST", "/v1/data-sources/1/commit", "append=true", "application/json", `{"entries": [{"data": {}}]}`)
	f.Add("PUT", "/v1/data-sources/1/data", "", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X--\r\n")
	f.Add("POST", "/v1/data-sources/1/data", "", "application/json", `{"entries": [{"a": 1}], "append": true}`)
	f.Fuzz(func(t *testing.T, method, path, query, media, body string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		u, err := url.Parse("http://x" + path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		r.Method, r.URL = method, u
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", media)
		r.Header.Set("Auth-token", orgToken)
		reply := s.with(t).send(r)
		if reply.status >= 500 {
			t.Fatalf("%s: %d %s", reply.what, reply.status, reply.body)
		}
		if reply.status >= 400 {
			reply.fails(reply.status, "")
		}
	})
}
