package hooks

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRedirectsThatDropTheContent: 301, 302 and 303 make a GET without a body of a POST,
// which is no delivery. What a client of the host's own makes of them is none either.
func TestRedirectsThatDropTheContent(t *testing.T) {
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
		mu.Unlock()
		if code := map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308}[r.URL.Path]; code != 0 {
			http.Redirect(w, r, "/new", code)
		}
	}))
	defer server.Close()
	own := &http.Client{Timeout: 5 * time.Second}
	for _, c := range []struct {
		client     *http.Client
		path, more string // what is in the payload besides
		received   string // in the end; "" when the redirect is refused
	}{
		{loose(5 * time.Second), "/301", "", ""},
		{loose(5 * time.Second), "/302", "", ""},
		{loose(5 * time.Second), "/303", "", ""},
		{loose(5 * time.Second), "/302", `,"method":"put"`, ""},
		{loose(5 * time.Second), "/302", `,"method":"get"`, ""}, // with a body
		{own, "/302", "", ""},
		{loose(5 * time.Second), "/307", "", "POST /new x"},
		{loose(5 * time.Second), "/308", `,"method":"put"`, "PUT /new x"},
		{own, "/308", "", "POST /new x"},
	} {
		got = nil
		err := (&Senders{HTTP: c.client}).Send(context.Background(), &Delivery{Type: Web, Payload: []byte(`{"endpoint":"` + server.URL + c.path + `","body":"x"` + c.more + `}`)})
		if c.received == "" {
			if err == nil || !strings.Contains(err.Error(), "the redirect would drop the content; 307 and 308 are followed") {
				t.Errorf("%s%s: %v, received %q", c.path, c.more, err, got)
			}
			continue
		}
		if err != nil || len(got) != 2 || got[1] != c.received {
			t.Errorf("%s%s: %v, received %q", c.path, c.more, err, got)
		}
	}
	if err := (&Senders{HTTP: loose(5 * time.Second)}).Send(context.Background(), &Delivery{Type: Web, Payload: []byte(`{"endpoint":"` + server.URL + `/302","method":"get"}`)}); err != nil {
		t.Error("a GET without a body loses nothing:", err)
	}
}

// TestRedirectOutOfTLS: from https to http none is followed.
func TestRedirectOutOfTLS(t *testing.T) {
	hits := 0
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer plain.Close()
	safe := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusTemporaryRedirect))
	defer safe.Close()
	client := loose(5 * time.Second)
	client.Transport.(*http.Transport).TLSClientConfig = safe.Client().Transport.(*http.Transport).TLSClientConfig
	err := (&Senders{HTTP: client}).Send(context.Background(), web(t, safe.URL))
	if err == nil || !strings.Contains(err.Error(), "from https to http") || hits != 0 {
		t.Error(err, hits)
	}
}

// TestErrorsOfRequests: what is told of a failure is its cause where that is known, and
// never the address, which a redirect may have put into the client's own error.
func TestErrorsOfRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			w.Header().Set("Location", "http://[::1/?token="+r.URL.Query().Get("token"))
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/scheme":
			w.Header().Set("Location", r.URL.Query().Get("token")+"://x")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/end":
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	safe := httptest.NewTLSServer(http.NotFoundHandler())
	defer safe.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	resolver := newAnswers(map[string][]string{"": nil}).resolver()
	client := loose(5 * time.Second)
	named := webOptions{allowed: isPublic, resolver: resolver, timeout: 5 * time.Second}.client()
	var system syscall.Errno
	var certificate *tls.CertificateVerificationError
	for _, c := range []struct {
		client        *http.Client
		endpoint, say string
		cause         func(error) bool
	}{
		{client, server.URL + "/broken?token=S3CRET", "the receiver could not be reached, or gave no valid answer", nil},
		{client, server.URL + "/scheme?token=s3cret", "the receiver could not be reached, or gave no valid answer", nil},
		{client, server.URL + "/end?token=S3CRET", "the connection ended before an answer", nil},
		{client, gone.URL + "/?token=S3CRET", "", func(err error) bool { return errors.As(err, &system) }},
		{client, safe.URL + "/?token=S3CRET", "certificate", func(err error) bool { return errors.As(err, &certificate) }},
		{named, "http://nobody.example/?token=S3CRET", "no such host", nil},
		{named, server.URL + "/?token=S3CRET", "", func(err error) bool { return errors.Is(err, ErrAddressRefused) }},
		{&http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("S3CRET") })}, server.URL, "gave no valid answer", nil},
		{&http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) { return nil, (*nilError)(nil) })}, server.URL, "panicked", nil},
	} {
		err := (&Senders{HTTP: c.client}).Send(context.Background(), web(t, c.endpoint))
		if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(strings.ToLower(err.Error()), "s3cret") || c.cause != nil && !c.cause(err) {
			t.Errorf("%s: %v", c.endpoint, err)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// nilError panics when it is asked for anything while it is nil.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }
func (e *nilError) Timeout() bool { return e.text == "" }
