package hooks

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

type syscallConn = syscall.RawConn

// loose is the client of NewWebClient, for servers of the test.
func loose(timeout time.Duration) *http.Client {
	return webOptions{allowed: netip.Addr.IsLoopback, timeout: timeout}.client()
}

// TestRequest is what arrives (spec 10.3).
func TestRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	status := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := &Senders{HTTP: loose(5 * time.Second)}
	for range 2 {
		if err := s.Send(context.Background(), web(t, server.URL+"/p?q=1")); err != nil {
			t.Fatal(err)
		}
	}
	h := got.Header
	if got.Method != "POST" || got.URL.String() != "/p?q=1" || string(body) != `{"a":1}` || h.Get("Content-Type") != "application/json" ||
		h.Get("X-Key") != "secret" || h.Get(DeliveryHeader) != "01J" || h.Get("User-Agent") != "siftdb" || h.Get("Cookie") != "" {
		t.Errorf("%s %s %s %v", got.Method, got.URL, body, h)
	}
	d := &Delivery{Type: Web, Payload: []byte(js(`{'endpoint':'` + server.URL + `','method':'put','body':'raw <&>','headers':{'User-Agent':'me'}}`))}
	if err := s.Send(context.Background(), d); err != nil || got.Method != "PUT" || string(body) != "raw <&>" || got.Header.Get("User-Agent") != "me" || got.Header.Get("Content-Type") != "" {
		t.Errorf("%v %s %s %v", err, got.Method, body, got.Header)
	}
	for _, status = range []int{301, 400, 404, 500} { // a redirect to nowhere is no success
		if err := s.Send(context.Background(), web(t, server.URL)); err == nil {
			t.Errorf("%d is a success", status)
		}
	}
	if err := (&Senders{}).Send(context.Background(), web(t, server.URL+"/token")); !errors.Is(err, ErrAddressRefused) || strings.Contains(err.Error(), "token") {
		t.Error("the default client:", err)
	}
}

// TestRedirects is how far they are followed, and with what.
func TestRedirects(t *testing.T) {
	var other http.Header
	second := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { other = r.Header }))
	defer second.Close()
	left := 0
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left--; left >= 0 {
			http.Redirect(w, r, "/next", http.StatusTemporaryRedirect)
			return
		}
		if r.Header.Get("X-Key") != "secret" || r.Header.Get("Referer") != "" {
			t.Errorf("the same host gets %v", r.Header)
		}
		if r.URL.Path == "/away" {
			http.Redirect(w, r, second.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer first.Close()
	s := &Senders{HTTP: loose(5 * time.Second)}
	left = maxRedirects
	if err := s.Send(context.Background(), web(t, first.URL)); err != nil {
		t.Errorf("%d redirects: %v", maxRedirects, err)
	}
	left = maxRedirects + 1
	if err := s.Send(context.Background(), web(t, first.URL)); err == nil {
		t.Errorf("%d redirects are followed", maxRedirects+1)
	}
	left = 0
	if err := s.Send(context.Background(), web(t, first.URL+"/away")); err != nil {
		t.Fatal(err)
	}
	if other.Get("X-Key") != "" || other.Get("Authorization") != "" || other.Get("Referer") != "" || other.Get("Accept") != "text/x" || other.Get(DeliveryHeader) != "01J" || other.Get("Content-Type") != "application/json" {
		t.Errorf("another host gets %v", other)
	}
	var hops atomic.Int32
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	}))
	defer odd.Close()
	if err := s.Send(context.Background(), web(t, odd.URL)); err == nil || hops.Load() != 1 {
		t.Error("file:", err)
	}
}

// TestSlowAndLarge is what a server may cost.
func TestSlowAndLarge(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-stop
		case "/drip":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-stop
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 2*maxResponse))
		default:
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
			t.Error("all of a large response is read")
		}
	}))
	defer server.Close()
	defer close(stop)
	s := &Senders{HTTP: loose(300 * time.Millisecond)}
	if err := s.Send(context.Background(), web(t, server.URL+"/hang")); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "hang") {
		t.Error(err)
	}
	if err := s.Send(context.Background(), web(t, server.URL+"/drip")); err != nil {
		t.Error("the status says it arrived:", err)
	}
	if err := s.Send(context.Background(), web(t, server.URL+"/headers")); err == nil {
		t.Error("headers of any size are read")
	}
	if err := (&Senders{HTTP: loose(10 * time.Second)}).Send(context.Background(), web(t, server.URL+"/large")); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := (&Senders{HTTP: &http.Client{}}).Send(ctx, web(t, server.URL+"/hang")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if c := NewWebClient(); c.Timeout != 10*time.Second || c.Jar != nil || c.Transport.(*http.Transport).Proxy != nil {
		t.Errorf("%+v", c)
	}
}
