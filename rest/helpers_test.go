package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

var ctx = context.Background()

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Tokens of the tests, by what they may do.
const (
	adminToken   = "eu--admin"   // everything
	orgToken     = "eu--org"     // everything in organization 123
	otherToken   = "eu--other"   // everything in organization 9
	bobToken     = "eu--bob"     // organization 123, app 456, logged in
	guestToken   = "eu--guest"   // organization 123, not logged in
	strangeToken = "eu--strange" // organization 9, logged in
	wrongToken   = "eu--wrong"   // nobody's
)

func testTokens(t testing.TB) *TokenList {
	t.Helper()
	list, err := Tokens(
		Token{ID: 1, Token: adminToken, Admin: true, UserID: 1, FirstName: "Nicholas", LastName: "Valbusa", Email: "nicholas@example.org"},
		Token{ID: 2, Token: orgToken, Admin: true, OrganizationID: new(int64(123))},
		Token{ID: 3, Token: otherToken, Admin: true, OrganizationID: new(int64(9))},
		Token{ID: 42857, Token: bobToken, AppID: new(int64(456)), OrganizationID: new(int64(123)), User: map[string]any{"Email": "bob@acme.com"}},
		Token{ID: 5, Token: guestToken, OrganizationID: new(int64(123))},
		Token{ID: 6, Token: strangeToken, OrganizationID: new(int64(9)), User: map[string]any{"Email": "eve@evil.com"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// addToken adds a token to a list of tests.
func addToken(t testing.TB, list *TokenList, more Token) {
	t.Helper()
	other, err := Tokens(more)
	if err != nil {
		t.Fatal(err)
	}
	for sum, account := range other.accounts {
		list.accounts[sum] = account
	}
}

// site is a database and a handler that serves it.
type site struct {
	testing.TB
	db      *siftdb.DB
	handler http.Handler
}

// newSite opens a database in memory, which is checked when the test ends.
func newSite(t testing.TB, options Options) *site {
	t.Helper()
	return newSiteOf(t, siftdb.Options{}, options)
}

// newSiteOf is newSite for a database with options of its own.
func newSiteOf(t testing.TB, database siftdb.Options, options Options) *site {
	t.Helper()
	database.Media = media.Memory()
	db, err := siftdb.OpenMemory(&database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := db.Check(ctx)
		if err == nil {
			err = report.Err()
		}
		if err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return serveSite(t, db, options)
}

func serveSite(t testing.TB, db *siftdb.DB, options Options) *site {
	t.Helper()
	if options.Authenticator == nil {
		options.Authenticator = testTokens(t)
	}
	h, err := NewHandler(db, options)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, db, h}
}

// with is the site for a sub-test.
func (s *site) with(t testing.TB) *site { return &site{t, s.db, s.handler} }

// table makes a data source of organization 123.
func (s *site) table(spec siftdb.DataSourceSpec, rows ...string) *siftdb.DataSource {
	s.Helper()
	if spec.OrganizationID == nil {
		spec.OrganizationID = new(int64(123))
	}
	for _, row := range rows {
		spec.Entries = append(spec.Entries, json.RawMessage(row))
	}
	ds, err := s.db.Create(ctx, spec)
	if err != nil {
		s.Fatal(err)
	}
	return ds
}

// reply is what came back.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// ask is a request: method and path, then `Header: value` lines, and a body.
func (s *site) ask(token, target string, more ...string) *reply {
	s.Helper()
	method, path, _ := strings.Cut(target, " ")
	body := ""
	var headers []string
	for _, m := range more {
		if name, value, ok := strings.Cut(m, ": "); ok && !strings.ContainsAny(name, "{[\"=& \r\n") {
			headers = append(headers, name, value)
		} else {
			body = m
		}
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Auth-token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.send(r)
}

func (s *site) send(r *http.Request) *reply {
	s.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if h, ok := s.handler.(*handler); ok {
		if wrong := undocumented(h, r, w.Code, w.Header(), w.Body.String()); wrong != "" {
			s.Errorf("%s %s: status %d: %s", r.Method, r.URL, w.Code, wrong)
		}
	}
	return &reply{s.TB, r.Method + " " + r.URL.RequestURI(), w.Code, w.Header(), w.Body.String()}
}

// readReply reads what came over a connection.
func readReply(s *site, what string, answer *http.Response) *reply {
	s.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return &reply{s.TB, what, answer.StatusCode, answer.Header, string(text)}
}

// want checks the status.
func (r *reply) want(status int) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d; body %s", r.what, r.status, status, clip(r.body, 500))
	}
	return r
}

// text checks the status and the whole body.
func (r *reply) text(status int, body string) *reply {
	r.t.Helper()
	if r.want(status); r.body != body {
		r.t.Fatalf("%s: body\n %s\nwant\n %s", r.what, r.body, body)
	}
	return r
}

// fails checks the status, that the body is an error of spec 1.6, and that its message holds a text.
func (r *reply) fails(status int, message string) *reply {
	r.t.Helper()
	r.want(status)
	var e struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || e.Message == "" || !strings.Contains(e.Message, message) {
		r.t.Fatalf("%s: body %s, want a message with %q", r.what, r.body, message)
	}
	if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		r.t.Fatalf("%s: content type %q", r.what, got)
	}
	return r
}

// value decodes the body.
func (r *reply) value() any {
	r.t.Helper()
	return decode(r.t, r.body)
}

func decode(t testing.TB, text string) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q is no JSON: %v", clip(text, 300), err)
	}
	return v
}

// at returns a part of a value: keys and indexes.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

// get returns a part of the body.
func (r *reply) get(path ...any) any {
	r.t.Helper()
	return at(r.value(), path...)
}

// ids returns the ids of the entries in the body.
func (r *reply) ids() string {
	r.t.Helper()
	var ids []string
	list, _ := r.get("entries").([]any)
	for _, e := range list {
		ids = append(ids, fmt.Sprint(at(e, "id")))
	}
	return strings.Join(ids, ",")
}

// data returns the data of the entries in the body as JSON.
func (r *reply) data() string {
	r.t.Helper()
	var data []string
	list, _ := r.get("entries").([]any)
	for _, e := range list {
		text, err := json.Marshal(at(e, "data"))
		if err != nil {
			r.t.Fatal(err)
		}
		data = append(data, string(text))
	}
	return strings.Join(data, " ")
}

const (
	asJSON  = "Content-Type: application/json"
	asForm  = "Content-Type: application/x-www-form-urlencoded"
	asParts = "Content-Type: multipart/form-data; boundary=X"
	onePart = "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\ntext\r\n--X--\r\n"
)

// path returns a path below a data source.
func path(ds *siftdb.DataSource, rest string) string {
	return "/v1/data-sources/" + itoa(ds.ID()) + rest
}
