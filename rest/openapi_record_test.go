package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
)

// descriptions are the documents of the handlers of the tests, by their text.
var descriptions sync.Map

func descriptionOf(h *handler) (*documented, error) {
	if known, ok := descriptions.Load(string(h.openapi)); ok {
		return known.(*documented), nil
	}
	doc := new(documented)
	if err := json.Unmarshal(h.openapi, doc); err != nil {
		return nil, err
	}
	descriptions.Store(string(h.openapi), doc)
	return doc, nil
}

// undocumented tells what of an answer is not in the description of the handler that gave it; ""
// if nothing. All answers to the requests of this package's tests are held against it.
func undocumented(h *handler, r *http.Request, status int, header http.Header, body string) string {
	doc, err := descriptionOf(h)
	if err != nil {
		return err.Error()
	}
	path, inside := h.prefix.cut(r.URL.EscapedPath())
	segments, err := splitPath(path)
	query, queryErr := parseQueryString(r.URL.RawQuery)
	if queryErr != nil {
		query = new(form)
	}
	var found []matched
	if inside && err == nil {
		found = match(routeTable(), segments, (&call{query: query}).byName())
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, m := range found {
		if m.route.method == method {
			answer, ok := doc.Paths[m.route.pattern][strings.ToLower(method)].Responses[itoa(int64(status))]
			if !ok {
				return "the description of " + method + " " + m.route.pattern + " does not tell of it: " + clip(body, 200)
			}
			return answer.differs(doc, header, body)
		}
	}
	problem := documentedAnswer{Content: doc.Components.Responses["MethodNotAllowed"].Content}
	switch {
	case status == http.StatusMethodNotAllowed && len(found) > 0 && header.Get("Allow") != "":
		return problem.differs(doc, header, body)
	case status == http.StatusNotFound && len(found) == 0, status == http.StatusBadRequest && (err != nil || queryErr != nil):
		return problem.differs(doc, header, body)
	case status == http.StatusNoContent && method == http.MethodOptions && len(found) > 0 && h.options.CORS != nil:
		return documentedAnswer{}.differs(doc, header, body)
	}
	return "no operation is asked for"
}

// differs holds an answer against what is described.
func (a documentedAnswer) differs(doc *documented, header http.Header, body string) string {
	media := header.Get("Content-Type")
	if len(a.Content) == 0 {
		if body != "" || media != "" {
			return "a body that is not described: " + media + " " + clip(body, 200)
		}
		return ""
	}
	if _, file := a.Content["*/*"]; file {
		if media == "" {
			return "a file without a type"
		}
		return ""
	}
	if media != jsonType+"; charset=utf-8" {
		return "the type " + media + " is not described"
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "the body is no JSON: " + clip(body, 200)
	}
	return validate(doc.Components.Schemas, a.Content[jsonType].Schema, v, "answer")
}

// TestUndocumented makes sure that the comparison finds what is not in the description.
func TestUndocumented(t *testing.T) {
	h := newSite(t, Options{}).handler.(*handler)
	plain := "application/json; charset=utf-8"
	const problem = `{"error":"x","message":"y"}`
	for _, test := range []struct {
		target      string
		status      int
		media, body string
		wrong       string
	}{
		{"GET /v1/user", 400, plain, problem, ""},
		{"GET /v1/user", 418, plain, problem, "does not tell"},
		{"GET /v1/user", 404, plain, problem, "does not tell"},
		{"GET /v1/user", 429, plain, problem, "does not tell"},
		{"HEAD /v1/user", 503, plain, problem, ""},
		{"GET /v1/user", 400, "text/plain", problem, "text/plain"},
		{"GET /v1/user", 400, plain, "Oh no", "no JSON"},
		{"GET /v1/user", 400, plain, `{"error":"x"}`, "lacks message"},
		{"GET /v1/user", 200, plain, `{"user":{"id":"1"}}`, "answer.user"},
		{"DELETE /v1/data-sources/1", 200, "", "", ""},
		{"DELETE /v1/data-sources/1", 200, plain, "{}", "not described"},
		{"GET /v1/media/files/1/contents", 206, "image/png", "x", ""},
		{"GET /v1/media/files/1/contents", 200, "", "x", "without a type"},
		{"GET /v1/media/files/1/contents", 304, "", "", ""},
		{"GET /nothing", 404, plain, problem, ""},
		{"GET /nothing", 401, plain, problem, "no operation"},
		{"PATCH /v1/user", 405, plain, problem, ""},
		{"PATCH /v1/user", 200, plain, problem, "no operation"},
		{"OPTIONS /v1/user", 204, "", "", "no operation"},
	} {
		method, path, _ := strings.Cut(test.target, " ")
		header := http.Header{"Allow": {"GET"}}
		if test.media != "" {
			header.Set("Content-Type", test.media)
		}
		wrong := undocumented(h, httptest.NewRequest(method, path, nil), test.status, header, test.body)
		if (wrong == "") != (test.wrong == "") || !strings.Contains(wrong, test.wrong) {
			t.Errorf("%s %d %s: %q, want %q", test.target, test.status, test.body, wrong, test.wrong)
		}
	}
}

// recorded is a handler for a real server, whose answers are held against the description too, but
// for their bodies.
func recorded(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := &answer{ResponseWriter: w}
		asked := r.Clone(r.Context())
		h.ServeHTTP(own, r)
		doc, err := descriptionOf(h.(*handler))
		if err != nil {
			t.Error(err)
			return
		}
		segments, err := splitPath(asked.URL.EscapedPath())
		if err != nil {
			return
		}
		for _, m := range match(routeTable(), segments, false) {
			if m.route.method != asked.Method {
				continue
			}
			if _, ok := doc.Paths[m.route.pattern][strings.ToLower(asked.Method)].Responses[itoa(int64(own.status))]; !ok && own.status != statusClientGone {
				t.Errorf("%s %s: status %d is not described", asked.Method, m.route.pattern, own.status)
			}
		}
	})
}

// fitsRequest holds the body of an attempt against its documented schema, whatever its form.
func fitsRequest(t *testing.T, doc documented, r *route, op documentedOperation, a attempt) string {
	t.Helper()
	media, text := jsonType, a.body
	switch a.header {
	case asForm:
		media = formType
		f, err := parseBodyForm([]byte(a.body))
		if err != nil {
			t.Fatal(err)
		}
		convert := option
		if r.body == rowBody {
			convert = nil
		}
		flat, err := f.appendObject(nil, "", convert)
		if err != nil {
			t.Fatal(err)
		}
		text = string(flat)
	case asParts:
		media, text = multipartType, partsJSON(t, a.body)
	}
	content, ok := op.RequestBody.Content[media]
	if !ok {
		return media + " is not described"
	}
	return validate(doc.Components.Schemas, content.Schema, decode(t, text), "body")
}

// partsJSON is a multipart body as an object: of each name its text, or a list where the schema of
// uploads has one.
func partsJSON(t *testing.T, body string) string {
	t.Helper()
	parts := map[string]any{}
	for reader := multipart.NewReader(strings.NewReader(body), "X"); ; {
		part, err := reader.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if name := part.FormName(); name == "files" {
			list, _ := parts[name].([]any)
			parts[name] = append(list, string(text))
		} else {
			parts[name] = string(text)
		}
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(parts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bad returns requests that bring about a documented error.
func bad(r *route, status int) []attempt {
	one := func(a attempt) []attempt { a.status = status; return []attempt{a} }
	fails := func(err error) []attempt {
		return one(attempt{breaks: func(_ *handler, own *route) { own.handle = func(*call) error { return err } }})
	}
	switch status {
	case 206:
		return one(attempt{header: "Range: bytes=1-2"})
	case 304:
		return one(attempt{header: "If-None-Match: *"})
	case 400:
		return one(attempt{query: "?x=%ff"})
	case 401:
		return []attempt{{status: status, token: wrongToken}, {status: status, token: nobody, ref: "9999999"}}
	case 403:
		return badRights(r)
	case 404:
		return one(badPlace(r))
	case 408:
		return fails(readError(os.ErrDeadlineExceeded))
	case 409:
		return append(fails(&siftdb.Error{Code: codeConflict, Message: "overtaken"}), conflicts(r)...)
	case 412:
		return one(attempt{header: `If-Match: "other"`})
	case 413:
		if r.body == filesBody {
			return one(attempt{query: "?organizationId=123", header: asParts, body: strings.Replace(onePart, "text", strings.Repeat("x", 1<<20), 1)})
		}
		return one(attempt{body: `{"a": "` + strings.Repeat("x", 1<<20) + `", "entries": []}`})
	case 415:
		return one(attempt{header: "Content-Type: text/plain", body: "x"})
	case 416:
		return one(attempt{header: "Range: bytes=9-"})
	case 429:
		return one(attempt{token: "eu--busy"})
	case 500:
		return one(attempt{breaks: func(h *handler, _ *route) { h.options.Authenticator = broken{panics: true} }})
	case 503:
		return one(attempt{breaks: func(h *handler, _ *route) { h.options.Authenticator = broken{} }})
	}
	return nil // which the test finds
}

// badRights brings about 403: by a token that may not, and by a cookie from a page elsewhere.
func badRights(r *route) []attempt {
	var all []attempt
	if r.method != http.MethodGet {
		all = append(all, attempt{status: 403, token: nobody, header: "Sec-Fetch-Site: cross-site", more: "Cookie: auth_token=" + url.QueryEscape(adminToken)})
	}
	if r.body == filesBody {
		all = append(all, attempt{status: 403, token: strangeToken, query: "?organizationId=123", header: asParts, body: onePart})
	} else if r.rights == admin || r.pattern == "/v1/data-sources" || r.pattern == "/v1/media/folders" {
		all = append(all, attempt{status: 403, token: strangeToken, body: `{"name": "x", "organizationId": 123}`})
	}
	return all
}

// badPlace brings about 404.
func badPlace(r *route) attempt {
	switch {
	case r.pattern == "/v1/data-sources":
		return attempt{body: `{"name": "x", "organizationId": 123, "version": {"dataSourceId": 99, "id": 1}}`}
	case r.body == filesBody || r.pattern == "/v1/media":
		return attempt{query: "?folderId=99", header: asParts, body: onePart}
	case r.pattern == "/v1/media/folders":
		return attempt{body: `{"name": "x", "parentId": 99}`}
	}
	return attempt{ref: "99"}
}

// conflicts brings about 409 where one request is enough.
func conflicts(r *route) []attempt {
	if r.pattern == "/v1/media/folders/{folder}" {
		return []attempt{{status: 409, ref: "8193"}}
	}
	return nil
}
