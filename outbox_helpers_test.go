package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
)

// receiver takes whatever is sent, of all kinds, and notes it in order.
type receiver struct {
	fail func(n int, s outboxTSent) error // of the n-th thing that is sent, from 0; nil takes all

	mu      sync.Mutex
	sent    []outboxTSent
	reports []siftdb.DeliveryReport
	news    chan struct{}
}

type outboxTSent struct {
	kind hooks.Type
	id   string
	body string // what it says
	at   time.Time
}

func newReceiver() *receiver { return &receiver{news: make(chan struct{}, 1)} }

func (r *receiver) take(kind hooks.Type, id, body string) error {
	r.mu.Lock()
	s, n := outboxTSent{kind, id, body, time.Now()}, len(r.sent)
	r.sent = append(r.sent, s)
	r.mu.Unlock()
	r.wake()
	if r.fail != nil {
		return r.fail(n, s)
	}
	return nil
}

func (r *receiver) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *receiver) SendEmail(_ context.Context, m *hooks.EmailMessage) error {
	return r.take(hooks.Email, m.ID, m.Subject)
}

func (r *receiver) SendSMS(_ context.Context, m *hooks.SMSMessage) error {
	return r.take(hooks.SMS, m.ID, m.Body)
}

func (r *receiver) SendPush(_ context.Context, m *hooks.PushMessage) error {
	return r.take(hooks.Push, m.ID, fmt.Sprintf("%s to %d %v %q", m.Title, m.AppID, m.Filtered, m.Subscriptions))
}

// RoundTrip answers web requests.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if err := r.take(hooks.Web, req.Header.Get(hooks.DeliveryHeader), string(body)); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

func (r *receiver) report(x siftdb.DeliveryReport) {
	r.mu.Lock()
	r.reports = append(r.reports, x)
	r.mu.Unlock()
	r.wake()
}

// options are those of a database that sends to the receiver.
func (r *receiver) options() *siftdb.Options {
	return &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Report: r.report,
		Senders: hooks.Senders{Email: r, SMS: r, Push: r, HTTP: &http.Client{Transport: r}}}}
}

// until waits until something holds of what was sent and reported.
func (r *receiver) until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok := holds()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.news:
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatalf("in vain waited for %s; sent %v, reports %v", what, r.sent, r.reports)
		}
	}
}

// wait waits for a number of reports, and returns what was sent in the meantime.
func (r *receiver) wait(t testing.TB, n int) []string {
	t.Helper()
	r.until(t, fmt.Sprint(n, " reports"), func() bool { return len(r.reports) >= n })
	return r.drain()
}

// drain returns what was sent, and forgets it.
func (r *receiver) drain() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []string{}
	for _, s := range r.sent {
		out = append(out, string(s.kind)+" "+s.body)
	}
	r.sent, r.reports = nil, nil
	return out
}

// sendings and reported are what was sent and reported so far.
func (r *receiver) sendings() []outboxTSent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func (r *receiver) reported() []siftdb.DeliveryReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

func (r *receiver) ids() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sent {
		list = append(list, s.id)
	}
	return list
}

// sending makes a data source with hooks.
func sending(t testing.TB, db *siftdb.DB, hooks ...string) *siftdb.DataSource {
	t.Helper()
	return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "sends", Hooks: json.RawMessage("[" + strings.Join(hooks, ",") + "]")}))
}

const (
	webInsert = `{"type":"web","runOn":["insert"],"payload":{"endpoint":"https://hook.example/secret","body":"new {{{name}}}"}}`
	webUpdate = `{"type":"web","runOn":["update"],"payload":{"endpoint":"https://hook.example/secret","body":"changed {{{name}}}"}}`
	smsBoth   = `{"type":"sms","runOn":["insert","update"],"payload":{"to":"+1","body":"{{{name}}}"}}`
	mailBoth  = `{"type":"email","runOn":["insert","update"],"payload":{"to":["a@x.org","b@x.org"],"subject":"{{{name}}}","html":"x"}}`
)

var errRefused = errors.New("the receiver is not in the mood")

// outboxOf lists the outbox.
func outboxOf(t testing.TB, db *siftdb.DB) []siftdb.Delivery {
	t.Helper()
	var list []siftdb.Delivery
	for d, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

// alike opens a new database of the same kind with options.
func alike(t testing.TB, db *siftdb.DB, options *siftdb.Options) *siftdb.DB {
	t.Helper()
	if fork, err := db.Fork(); err == nil {
		if err := fork.Close(); err != nil {
			t.Fatal(err)
		}
		return memoryDB(t, options)
	}
	return fileDB(t, filepath.Join(t.TempDir(), "alike.db"), options)
}
