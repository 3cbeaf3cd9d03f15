package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/examples/internal/golden"
)

// TestOutput compares the whole output with the golden file.
func TestOutput(t *testing.T) {
	golden.Check(t, func(out io.Writer) error { return run(t.Context(), "", out, io.Discard) })
}

// lines hands out what is written to it.
type lines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	line chan string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line != nil {
		l.line <- string(p)
	}
	return l.b.Write(p)
}

// TestServe serves until the context ends; a wrong password opens nothing, and the log holds
// no token.
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, log := &lines{line: make(chan string, 10)}, new(lines)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", out, log) }()
	url, _, _ := strings.Cut(strings.TrimPrefix(<-out.line, "serving on "), ";")
	var token string
	for password, want := range map[string]int{"secret": http.StatusNoContent, "guess": http.StatusForbidden, "": http.StatusForbidden} {
		answer, err := http.Post(url+"/login", "application/x-www-form-urlencoded", strings.NewReader("email=bob@example.org&password="+password))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		cookies := answer.Cookies()
		if answer.StatusCode != want || (len(cookies) > 0) != (want == http.StatusNoContent) {
			t.Errorf("%q: %d, %v", password, answer.StatusCode, cookies)
		}
		if len(cookies) == 0 {
			continue
		}
		r, err := http.NewRequest("GET", url+"/api/v1/user", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+cookies[0].Value)
		if answer, err = http.DefaultClient.Do(r); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("as a bearer token: %d", answer.StatusCode)
		}
		token = cookies[0].Value
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := log.b.String(); strings.Contains(text, token) || !strings.Contains(text, "path=/login") || !strings.Contains(text, "route=/v1/user") {
		t.Errorf("the log is %s", text)
	}
}
