package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// logBuffer collects log lines from several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestLog makes sure that the log tells what happened, and no secret: tokens, query strings, names
// and data stay out of it.
func TestLog(t *testing.T) {
	log := new(logBuffer)
	s := newSite(t, Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	ds := s.table(siftdb.DataSourceSpec{Name: "canary1"}, `{"canary2": "canary3"}`)
	s.ask(orgToken, "GET "+path(ds, `/data?where={"canary2":"canary3"}&auth_token=canary4`)).want(200)
	s.ask(wrongToken, "GET /v1/data-sources/canary1").want(401)
	s.ask(orgToken, "GET /v1/data-sources/canary5/indexes/canary6").want(404)
	s.ask(orgToken, "PUT "+path(ds, "/data"), asJSON, `{"canary7": }`).want(400)
	r := s.ask(orgToken, "GET /canary8", "X-Request-Id: my-id_1:a/b").want(404)
	if got := r.header.Get("X-Request-Id"); got != "my-id_1:a/b" {
		t.Errorf("request id %q", got)
	}
	text := log.String()
	for _, secret := range []string{"canary", orgToken, wrongToken} {
		if strings.Contains(text, secret) {
			t.Errorf("the log tells %q:\n%s", secret, text)
		}
	}
	for _, want := range []string{"route=/v1/data-sources/{ds}/data status=200", "token=2", "status=401", "route=none status=404", "request=my-id_1:a/b"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	for _, id := range []string{"", "with space", strings.Repeat("x", 129), "a\x00b", "ü"} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header["X-Request-Id"] = []string{id}
		if got := s.send(req).header.Get("X-Request-Id"); got == id || len(got) != 24 {
			t.Errorf("request id %q becomes %q", id, got)
		}
	}
}

// TestInternals makes sure that what the server is to blame for is told in plain words, and
// logged in full (spec 1.6).
func TestInternals(t *testing.T) {
	log := new(logBuffer)
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serveSite(t, db, Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := s.ask(orgToken, "GET /v1/data-sources").fails(503, "The database cannot do this at the moment")
	if id := r.get("requestId"); id != r.header.Get("X-Request-Id") || !strings.Contains(log.String(), fmt.Sprint("request=", id)) {
		t.Errorf("request id %v, header %v\n%s", id, r.header, log)
	}
	if r.get("error") != "unavailable" || !strings.Contains(log.String(), "the database is closed") {
		t.Errorf("%s\n%s", r.body, log)
	}
	for _, test := range []struct {
		err    error
		status int
		says   string
	}{
		{&siftdb.Error{Code: "corrupt", Message: "secret"}, 500, unforeseen},
		{&siftdb.Error{Code: "internal", Message: "secret"}, 500, unforeseen},
		{&siftdb.Error{Code: "a code of later", Message: "secret"}, 500, unforeseen},
		{errors.New("secret"), 500, unforeseen},
		{fmt.Errorf("over %w", &siftdb.Error{Code: "storage_full", Message: "secret"}), 503, unavailable},
		{&siftdb.Error{Code: "read_only", Message: "secret"}, 503, unavailable},
		{&siftdb.Error{Code: "unknown", Message: "secret"}, 503, uncertain},
		{&siftdb.Error{Code: "snapshot_gone", Message: "secret"}, 503, unavailable},
		{&siftdb.Error{Code: "conflict", Message: "told"}, 409, "told"},
		{&siftdb.Error{Code: "invalid_query", Message: "told", Path: "where.a"}, 400, "told (at where.a)"},
		{&siftdb.Error{Code: "too_large", Message: "told"}, 400, "told"},
		{&siftdb.Error{Code: "not_found", Message: "told"}, 404, "told"},
		{&siftdb.Error{Code: "forbidden", Message: "told"}, 403, "told"},
		{&siftdb.Error{Code: "unauthorised", Message: "secret"}, 401, "The auth_token provided doesn't belong to any user."},
		{&siftdb.Error{Code: "access_denied", Message: "told", DataSourceID: 7}, 400, "told"},
		{context.DeadlineExceeded, 503, "The request took too long."},
		{context.Canceled, 499, "The client has gone."},
		{&http.MaxBytesError{Limit: 5}, 413, "The body of the request is larger than 5 bytes."},
	} {
		if p := problemOf(test.err); p.status != test.status || p.message != test.says {
			t.Errorf("%v: %d %q, want %d %q", test.err, p.status, p.message, test.status, test.says)
		}
	}
}

// broken is an Authenticator that fails, or panics.
type broken struct{ panics bool }

func (b broken) Authenticate(context.Context, string) (*Account, error) {
	if b.panics {
		panic("secret")
	}
	return nil, errors.New("secret")
}

func TestBrokenAuthenticator(t *testing.T) {
	log := new(logBuffer)
	logger := slog.New(slog.NewTextHandler(log, nil))
	for panics, status := range map[bool]int{false: 503, true: 500} {
		s := newSite(t, Options{Authenticator: broken{panics}, Logger: logger})
		if r := s.ask("x", "GET /v1/user").fails(status, ""); strings.Contains(r.body, "secret") || strings.Contains(r.body, "goroutine") {
			t.Error(r.body)
		}
	}
	if !strings.Contains(log.String(), "panic=secret") || !strings.Contains(log.String(), "goroutine") {
		t.Errorf("the log does not tell of the panic: %s", log)
	}
	db := newSite(t, Options{}).db
	h, err := NewHandler(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	(&site{t, db, h}).ask("x", "GET /v1/user").fails(401, "")
}

// TestCutStream makes sure that an answer that cannot be finished does not look whole, and that an
// error before its first byte has its own status.
func TestCutStream(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, `{"a": "`+strings.Repeat("x", 3000)+`"}`)
	e, err := ds.FindOne(ctx, siftdb.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var fail error
	table := routeTable()
	for _, r := range table {
		if r.pattern == "/v1/user" {
			r.handle = func(c *call) error {
				return c.entries(func(yield func(*siftdb.Entry, error) bool) {
					for range 1000 {
						if !yield(e, nil) {
							return
						}
					}
					yield(nil, fail)
				})
			}
		}
		if r.pattern == "/v1/organizations" {
			r.handle = func(c *call) error {
				return c.entries(func(yield func(*siftdb.Entry, error) bool) { yield(e, nil); yield(nil, fail) })
			}
		}
	}
	fail = &siftdb.Error{Code: "corrupt", Message: "secret"}
	h := *s.handler.(*handler)
	h.routes = table
	server := httptest.NewServer(recorded(t, &h))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	get := func(path string) (int, string, error) {
		resp, err := server.Client().Get(server.URL + path + "?auth_token=" + orgToken)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), err
	}
	if status, _, err := get("/v1/user"); status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut answer: %d %v", status, err)
	}
	if status, text, err := get("/v1/organizations"); status != 500 || err != nil || strings.Contains(text, "entries") {
		t.Errorf("an error before the first byte: %d %s %v", status, text, err)
	}
}

// TestSlowBodies talks to a real server: bodies that are slow, cut off, or longer than told.
func TestSlowBodies(t *testing.T) {
	s := newSite(t, Options{ReadTimeout: 150 * time.Millisecond})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	server := httptest.NewServer(recorded(t, s.handler))
	defer server.Close()
	before := state(t, s)
	head := "PUT " + path(ds, "/data") + " HTTP/1.1\r\nHost: x\r\nAuth-token: " + orgToken + "\r\nContent-Type: application/json\r\n"
	for _, test := range []struct {
		name, sent string
		close      bool
		status     int // 0 when nobody is there to be told
	}{
		{"never comes", head + "Content-Length: 20\r\n\r\n", false, 408},
		{"stops in the middle", head + "Content-Length: 20\r\n\r\n{\"a\": 1", false, 408},
		{"stops between chunks", head + "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n", false, 408},
		{"is cut off", head + "Content-Length: 20\r\n\r\n{\"a\": 1}", true, 0},
		{"has broken chunks", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"a\"\r\n", true, 400},
		{"is shorter than a chunk says", head + "Transfer-Encoding: chunked\r\n\r\n4\r\n{}\r\n0\r\n\r\n", true, 400},
		{"has two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", true, 400},
		{"never comes, and is not wanted", strings.Replace(head, orgToken, wrongToken, 1) + "Content-Length: 20\r\n\r\n", false, 401},
		{"has a negative length", head + "Content-Length: -2\r\n\r\n{}", true, 400},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, test.sent); err != nil {
			t.Fatal(err)
		}
		if test.close {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case err != nil && test.status != 0:
			t.Errorf("a body that %s: %v", test.name, err)
		case err == nil && (resp.StatusCode < 400 || resp.StatusCode > 499 || test.status != 0 && resp.StatusCode != test.status):
			t.Errorf("a body that %s: status %d", test.name, resp.StatusCode)
		}
		conn.Close()
	}
	// One that is slow, but fast enough, is taken; and so is the next request on the connection.
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if after := state(t, s); after != before {
		t.Errorf("something was written: %s", after)
	}
	reader := bufio.NewReader(conn)
	for range 2 {
		for _, part := range []string{head + "Content-Length: 8\r\n\r\n", `{"a"`, `: 1}`} {
			time.Sleep(20 * time.Millisecond)
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != 201 {
			t.Fatal(resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		time.Sleep(300 * time.Millisecond) // no deadline is left behind
	}
}

// TestSlowReader leaves an answer lying: the server gives up, and holds nothing.
func TestSlowReader(t *testing.T) {
	log := new(logBuffer)
	s := newSite(t, Options{WriteTimeout: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	rows := make([]string, 3000)
	for i := range rows {
		rows[i] = `{"a": "` + strings.Repeat("x", 5000) + `"}`
	}
	ds := s.table(siftdb.DataSourceSpec{Name: "A"}, rows...)
	server := httptest.NewServer(recorded(t, s.handler))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuth-token: %s\r\n\r\n", path(ds, "/data"), orgToken); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "cut=true"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server still waits: %s", log)
		}
	}
	if _, err := ds.Insert(ctx, siftdb.M{"a": 1}); err != nil {
		t.Error(err)
	}
}

// TestRateLimit refuses what is too much of one token, and tells when to come again (spec 1.6).
func TestRateLimit(t *testing.T) {
	now := time.Date(2022, 2, 15, 17, 13, 22, 363_000_000, time.UTC)
	s := newSite(t, Options{RateLimit: RateLimit{Requests: 3}, Now: func() time.Time { return now }})
	for range 3 {
		s.ask(orgToken, "GET /v1/user").want(200)
	}
	r := s.ask(orgToken, "GET /v1/user").text(429, `{"message":"Too many requests. Try again later.","nextValidRequestDate":"2022-02-15T17:13:32.363Z"}`)
	if r.header.Get("Retry-After") != "11" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	s.ask(bobToken, "GET /v1/user").want(200)
	for range 3 {
		s.ask(wrongToken, "GET /v1/user").want(401)
	}
	s.ask("eu--guess", "GET /v1/user").want(429)
	s.ask("", "GET /v1/openapi.json").want(200)
	now = now.Add(10 * time.Second)
	s.ask(orgToken, "GET /v1/user").want(200)
	if n := len(s.handler.(*handler).limiter.windows); n != 1 {
		t.Errorf("%d windows are remembered", n)
	}
}

// TestCORS answers pages of origins that are let in, and their preflights.
func TestCORS(t *testing.T) {
	s := newSite(t, Options{CORS: &CORS{Origins: []string{"https://app.example.org"}, MaxAge: time.Hour}})
	ds := s.table(siftdb.DataSourceSpec{Name: "A"})
	r := s.ask(orgToken, "GET "+path(ds, "/data"), "Origin: https://app.example.org").want(200)
	if r.header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || r.header.Get("Vary") != "Origin" {
		t.Errorf("headers %v", r.header)
	}
	r = s.ask("", "OPTIONS "+path(ds, "/data"), "Origin: https://app.example.org", "Access-Control-Request-Method: PUT").text(204, "")
	if r.header.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST, PUT" || r.header.Get("Access-Control-Max-Age") != "3600" ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Auth-Token") {
		t.Errorf("headers %v", r.header)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://app.example.org.evil.example"} {
		r := s.ask("", "OPTIONS "+path(ds, "/data"), "Origin: "+origin, "Access-Control-Request-Method: PUT").want(405)
		if r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is let in", origin)
		}
	}
	all := newSite(t, Options{CORS: &CORS{Origins: []string{"*"}}})
	if r := all.ask("", "GET /v1/openapi.json", "Origin: https://x.example").want(200); r.header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("* lets nobody in")
	}
	if _, err := NewHandler(s.db, Options{CORS: &CORS{Origins: []string{"no origin"}}}); err == nil {
		t.Error("a malformed origin is taken")
	}
}

// TestStatusOK answers writes of entries with 200 when asked to (spec Q51), and creates with 201.
func TestStatusOK(t *testing.T) {
	s := newSite(t, Options{StatusOK: true})
	s.ask(orgToken, "POST /v1/data-sources", asJSON, `{"name": "A"}`).want(201)
	s.ask(orgToken, "PUT /v1/data-sources/1/data", asJSON, `{"a": 1}`).want(200)
	s.ask(orgToken, "PUT /v1/data-sources/1/data/1", asJSON, `{"a": 2}`).want(200)
	doc := openAPI(t, s)
	if _, ok := doc.Paths["/v1/data-sources/{ds}/data"]["put"].Responses["200"]; !ok {
		t.Error("the description tells of 201")
	}
}

// TestManyAtOnce lets many clients read and write at the same time.
func TestManyAtOnce(t *testing.T) {
	s := newSite(t, Options{RateLimit: RateLimit{Requests: 1 << 20}})
	ds := s.table(siftdb.DataSourceSpec{Name: "A", Public: new(true)}, `{"n": 0}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				s.ask(orgToken, "PUT "+path(ds, "/data"), asJSON, `{"n": 1}`).want(201)
				s.ask("", "GET "+path(ds, "/data?limit=5&order=n")).want(200)
			}
		})
	}
	wg.Wait()
	var answer struct{ Count int }
	if err := json.Unmarshal([]byte(s.ask("", "GET "+path(ds, "/data?countOnly=true")).body), &answer); err != nil || answer.Count != 201 {
		t.Errorf("%d entries, %v", answer.Count, err)
	}
}
