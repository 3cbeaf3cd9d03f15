package hooks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// host is a host program's senders, which note what they are given.
type host struct{ log []string }

func (h *host) SendEmail(_ context.Context, m *EmailMessage) error {
	h.log = append(h.log, fmt.Sprintf("email %s %s %s", m.ID, m.To[0].Email, m.Payload))
	return nil
}

func (h *host) SendSMS(_ context.Context, m *SMSMessage) error {
	h.log = append(h.log, fmt.Sprintf("sms %s %s", m.ID, m.To))
	return errors.New("no network")
}

func (h *host) SendPush(_ context.Context, m *PushMessage) error {
	if m.Title == "panic" {
		panic("host")
	}
	h.log = append(h.log, fmt.Sprintf("push %s %d %v %v", m.ID, m.AppID, m.Filtered, m.Subscriptions))
	return nil
}

func TestSend(t *testing.T) {
	nobody := &PushFilter{DataSourceID: 1, Match: []byte(`{}`)}
	for _, c := range []struct {
		d         Delivery
		says, log string
	}{
		{Delivery{ID: "1", Type: Email, Payload: []byte(`{"to":"a","x":1}`)}, "", `email 1 a {"to":"a","x":1}`},
		{Delivery{ID: "2", Type: SMS, Payload: []byte(`{"to":"1"}`)}, "no network", `sms 2 [1]`},
		{Delivery{ID: "3", Type: Push, Payload: []byte(`{}`), AppID: 4}, "", `push 3 4 false []`},
		{Delivery{ID: "4", Type: Push, Payload: []byte(`{}`), Filter: nobody}, "", ``},
		{Delivery{ID: "5", Type: Push, Payload: []byte(`{}`), Filter: nobody, Subscriptions: []string{"s"}}, "", `push 5 0 true [s]`},
		{Delivery{ID: "6", Type: Push, Payload: []byte(`{"title":"panic"}`)}, "the sender of push panicked: host", ``},
		{Delivery{Type: "fax"}, `deliveries of the type "fax" are not known`, ``},
		{Delivery{Type: Email, Payload: []byte(`{}`)}, "the e-mail has no recipient (at to)", ``},
	} {
		h := &host{}
		err := (&Senders{Email: h, SMS: h, Push: h}).Send(context.Background(), &c.d)
		if says := fmt.Sprint(err); says != c.says && (err != nil || c.says != "") {
			t.Errorf("%+v: got %v, want %s", c.d, err, c.says)
		}
		if len(h.log) > 1 || len(h.log) == 1 && h.log[0] != c.log || len(h.log) == 0 && c.log != "" {
			t.Errorf("%+v: %q", c.d, h.log)
		}
	}
	for _, d := range []Delivery{
		{Type: Email, Payload: []byte(`{"to":"a"}`)}, {Type: SMS, Payload: []byte(`{"to":"a"}`)}, {Type: Push, Payload: []byte(`{}`)},
	} {
		var e *errs.Error
		if err := (&Senders{}).Send(context.Background(), &d); !errors.As(err, &e) || e.Code != errs.Unavailable {
			t.Error(err)
		}
	}
}

// TestRetry is spec 10.5(2).
func TestRetry(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		retry  Retry
		pauses []time.Duration
	}{
		{Retry{}, []time.Duration{s, 2 * s, 4 * s, 8 * s}},
		{Retry{Tries: 1}, nil},
		{Retry{Tries: 4, First: 400 * s}, []time.Duration{400 * s, 600 * s, 600 * s}},
		{Retry{Tries: 3, First: 900 * s}, []time.Duration{600 * s, 600 * s}},
		{Retry{Tries: 5, First: s, Most: 5 * s}, []time.Duration{s, 2 * s, 4 * s, 5 * s}},
		{Retry{Tries: -1, First: -1, Most: -1}, []time.Duration{s, 2 * s, 4 * s, 8 * s}},
	} {
		for failed := 1; ; failed++ {
			pause, again := c.retry.After(failed)
			if more := failed <= len(c.pauses); again != more || more && pause != c.pauses[failed-1] {
				t.Errorf("%+v after %d: got %v %v", c.retry, failed, pause, again)
			}
			if !again || failed > 10 {
				break
			}
		}
	}
	r := Retry{Tries: math.MaxInt, First: 1, Most: math.MaxInt64}
	if pause, again := r.After(1 << 30); !again || pause != math.MaxInt64 {
		t.Error(pause, again)
	}
	if pause, again := r.After(0); !again || pause != 1 {
		t.Error(pause, again)
	}
}

// TestCan: what can be sent at all, as Send has it when there is no sender.
func TestCan(t *testing.T) {
	h := &host{}
	for _, c := range []struct {
		senders Senders
		can     string
	}{
		{Senders{}, "web"}, {Senders{Email: h}, "email web"}, {Senders{SMS: h}, "sms web"}, {Senders{Push: h}, "push web"},
	} {
		can := ""
		for _, kind := range []Type{Email, SMS, Push, Web, Operations, "fax"} {
			if c.senders.Can(kind) {
				can += " " + string(kind)
			}
		}
		if can != " "+c.can {
			t.Errorf("%+v can send%s, not %s", c.senders, can, c.can)
		}
	}
}
