package siftdb

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
)

// DeliveryOptions say how that is sent which hooks deliver: e-mails, text messages, push
// notifications and web requests (spec 10.3). Deliveries are stored in the same
// transaction as the write that they are of, and sent after it: at least once, also after
// a crash. One that fails is tried again as Retry says; if all tries are in vain it is
// given up, and stays listed until it is retried or dropped. The zero value makes web
// requests to public addresses and can send nothing else.
type DeliveryOptions struct {
	// Senders are the ways to send. What a hook delivers by a way that is nil fails at the
	// first try, and stays listed: DB.RetryDelivery sends it once there is a sender. Web
	// requests have a default client, which reaches public addresses alone.
	Senders hooks.Senders
	// Retry says how often a delivery is tried, and with which pauses: 5 times, after 1, 2,
	// 4 and 8 seconds, unless it says otherwise. To bridge an outage of an hour takes more
	// tries: 16 go on for 67 minutes.
	Retry hooks.Retry
	// Report is told of every try after it has been made. It is called from several
	// goroutines at once, off the path of any request, and should be quick; a panic in it
	// is dropped. It must call neither DB.Close nor DB.Shutdown, which wait for it.
	Report func(DeliveryReport)
	// Concurrency is how many tries may be under way at once; 0 means 16. One hook gets a
	// quarter of them, and all hooks together whose last try failed get half, so that others
	// go on when receivers are slow.
	Concurrency int
	// Timeout is how long one try to send an e-mail, a text message or a push notification
	// may take before its context ends; 0 means 30 seconds. How long web requests take is
	// up to their client: 10 seconds where it does not say.
	Timeout time.Duration
	// Off keeps deliveries in the outbox, and sends none. They are sent by whoever opens
	// the database without it.
	Off bool
}

// withDefaults returns checked options with every default filled in.
func (o DeliveryOptions) withDefaults() (DeliveryOptions, error) {
	if o.Concurrency < 0 || o.Timeout < 0 || o.Retry.Tries < 0 || o.Retry.First < 0 || o.Retry.Most < 0 {
		return o, errs.New(errs.InvalidInput, "a field of option Deliveries is negative")
	}
	o.Concurrency = cmp.Or(o.Concurrency, 16)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.Retry.Most = cmp.Or(o.Retry.Most, 10*time.Minute)
	return o, nil
}

// Delivery is something that a hook delivers, as the outbox holds it: pending until it
// has been sent, which takes it out, or failed, until it is dropped.
type Delivery struct {
	// ID is a ULID. Receivers get it with every try: as hooks.DeliveryHeader of a web
	// request, and in the messages that senders take.
	ID           string `json:"id"`
	DataSourceID int64  `json:"dataSourceId"`
	EntryID      int64  `json:"entryId"`
	// Version is the commit that it is of.
	Version int64 `json:"version"`
	// Hook is the place of the hook in the hooks that the data source had then.
	Hook  int         `json:"hook"`
	Event hooks.Event `json:"event"`
	Type  hooks.Type  `json:"type"`
	// Target says whom it is for, in short: addresses or numbers, an app or a data source,
	// the scheme and host of an endpoint. Empty when it could not be rendered.
	Target    string    `json:"target"`
	CreatedAt time.Time `json:"createdAt"`
	// Tries is how often it has been tried in vain.
	Tries int `json:"tries"`
	// LastTry and LastError tell of the last try; zero and empty before the first.
	LastTry   time.Time `json:"lastTry,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	// Next is when it is tried next, if it is pending.
	Next time.Time `json:"next,omitzero"`
	// FailedAt is when it was given up; zero while it is pending.
	FailedAt time.Time `json:"failedAt,omitzero"`
	// Damaged reports that what is stored of it cannot be read. Only its data source, its id
	// and an error are known then; it is not sent, and can only be dropped.
	Damaged bool `json:"damaged,omitempty"`
}

// Failed reports whether the delivery was given up, or cannot be read: it is not tried any
// more.
func (d *Delivery) Failed() bool { return d.Damaged || !d.FailedAt.IsZero() }

// DeliveryReport tells of one try.
type DeliveryReport struct {
	// Delivery is what it is after the try, which Tries counts in any case: it is the
	// number of the try.
	Delivery
	// Err is nil when it was sent. Whoever sends may have put anything into it; its text was
	// made once, and an error that panics on being asked for it is replaced.
	Err error
	// Final reports that it is not tried again: it was given up, and stays listed, or it was
	// dropped. A try that the end of the database interrupted is not final, and does not
	// count.
	Final bool
	// Dropped reports that it was taken out of the outbox during a try in vain, by
	// DB.DropDelivery or DB.Purge.
	Dropped bool
}

// delivery returns a record of the outbox as callers see it.
func delivery(d *layout.Delivery) Delivery {
	out := Delivery{ID: ulid.ULID(d.ID).String(), DataSourceID: d.Source, EntryID: d.Entry, Version: d.Commit,
		Hook: int(d.Hook), Event: hooks.Event(d.Event), Type: hooks.Type(d.Type), Target: target(d.Payload),
		CreatedAt: fromMillis(d.Created), Tries: int(d.Tries), LastError: d.Error}
	if d.Tried != 0 {
		out.LastTry = fromMillis(d.Tried)
	}
	if d.Failed != 0 {
		out.FailedAt = fromMillis(d.Failed)
	} else {
		out.Next = fromMillis(d.Due)
	}
	return out
}

// target says in short whom a payload is for. An endpoint may hold secrets behind its
// host.
func target(payload []byte) string {
	var d hooks.Delivery
	if len(payload) == 0 || json.Unmarshal(payload, &d) != nil {
		return ""
	}
	switch d.Type {
	case hooks.Email:
		if m, err := d.EmailMessage(); err == nil {
			return oneOf(m.To[0].Email, len(m.To))
		}
	case hooks.SMS:
		if m, err := d.SMSMessage(); err == nil {
			return oneOf(m.To[0], len(m.To))
		}
	case hooks.Push:
		if d.Filter != nil {
			return "data source " + itoa(d.Filter.DataSourceID)
		}
		return "app " + itoa(d.AppID)
	case hooks.Web:
		if r, err := d.WebRequest(); err == nil {
			if u, err := url.Parse(r.Endpoint); err == nil {
				return u.Scheme + "://" + u.Host
			}
		}
	}
	return ""
}

// oneOf names the first of several.
func oneOf(first string, n int) string {
	if n == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, n-1)
}

// listedDelivery returns a value of the outbox as it is listed, also one that cannot be
// read. wrong is what is known to be wrong with it.
func listedDelivery(key, value []byte, wrong error) Delivery {
	if wrong == nil {
		d, err := layout.ReadDelivery(key, value)
		if err == nil {
			return delivery(d)
		}
		wrong = err
	}
	out := Delivery{DataSourceID: layout.KeySource(key), LastError: deliveryError(wrong), Damaged: true}
	var id ulid.ULID
	if len(key) == len(layout.DeliveryKey(0, layout.DeliveryID{})) {
		copy(id[:], key[len(key)-len(id):])
		out.ID = id.String()
	}
	return out
}
