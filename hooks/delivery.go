package hooks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Delivery is something to send, rendered: a value to keep in an outbox until it is sent (spec
// 10.5). Its JSON form is stable.
type Delivery struct {
	// ID stays the same over all tries, so that a receiver can drop repeats. Whoever stores the
	// delivery sets it; it is sent along.
	ID string
	// HookIndex is the hook's place in the hooks of the data source at the time of the write.
	HookIndex int
	// Type is Email, SMS, Push or Web.
	Type Type
	// Payload is the rendered payload, a JSON object.
	Payload json.RawMessage
	// AppID is whose subscribers a push is for; 0 when the hook does not say.
	AppID int64
	// Filter narrows the audience of a push; nil means all subscribers of the app. Whoever stores
	// or sends the delivery looks the audience up, and puts it in Subscriptions.
	Filter *PushFilter
	// Subscriptions is the audience of a push that has a Filter: the values of the column
	// SubscriptionColumn, where they are not empty. Without any, nobody is told.
	Subscriptions []string
}

// SubscriptionColumn is the column that holds the subscription of an entry.
const SubscriptionColumn = "flPushSubscriptionId"

// PushFilter is the audience of a push: the entries of a data source that match a where and have
// a subscription.
type PushFilter struct {
	DataSourceID int64           `json:"dataSourceId"`
	Match        json.RawMessage `json:"match"` // a where on the data source, rendered
}

// DeliverInput is a write that was made, of one entry.
type DeliverInput struct {
	// Event is Insert or Update.
	Event Event
	// Data is the flat data as they are stored.
	Data document.Value
	// Source is the label of the write, for triggers.
	Source string
}

// HookError is a hook that cannot send what is due. It is for the host program: its text may
// name columns.
type HookError struct {
	Index int
	Type  Type
	Err   error
}

// Error names the hook and says what is wrong.
func (e *HookError) Error() string {
	return fmt.Sprintf("%s hook %d failed: %s", e.Type, e.Index, e.Err)
}

// Unwrap returns the cause, an *errs.Error with the code InvalidInput.
func (e *HookError) Unwrap() error { return e.Err }

// Deliveries renders what the hooks of an event send, in the order of the array. Each hook stands
// for itself: one that fails is among the failed, and the others go on. What is rendered shares
// no memory with the data. err is only ever an error of ctx; nothing is rendered then.
func (c *Chain) Deliveries(ctx context.Context, in DeliverInput) (list []Delivery, failed []*HookError, err error) {
	if !c.Delivers(in.Event) {
		return nil, nil, nil
	}
	for _, h := range c.sends {
		if h.events&in.Event.bit() == 0 || !h.triggered(in.Source) {
			continue
		}
		d, due, err := h.deliver(ctx, in.Data)
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, nil, ctxErr
		}
		switch {
		case err != nil:
			failed = append(failed, &HookError{h.index, h.kind, err})
		case due:
			list = append(list, d)
		}
	}
	return list, failed, nil
}

// deliver renders one delivery, and checks that it can be read as what it is.
func (h *hook) deliver(ctx context.Context, data document.Value) (d Delivery, due bool, err error) {
	ok, wrong := h.holds(data)
	switch {
	case h.unreadable != nil:
		return d, false, h.unreadable.detail
	case wrong != "":
		return d, false, h.failure(wrong)
	case !ok:
		return d, false, nil
	case h.broken != nil:
		return d, false, h.broken.detail
	}
	d = Delivery{HookIndex: h.index, Type: h.kind}
	if d.Payload, err = renderPart(ctx, h.payload, data); err != nil {
		return d, false, err
	}
	if p := h.push; p != nil {
		d.AppID = p.appID
		if p.filtered {
			match, err := renderPart(ctx, p.match, data)
			if err != nil {
				return d, false, err
			}
			d.Filter = &PushFilter{p.dataSourceID, match}
		}
	}
	if err := d.check(); err != nil {
		return d, false, wrap(at(hooksKey, h.index)+".payload", err, "the payload cannot be sent")
	}
	return d, true, nil
}

// stored is the JSON form of a Delivery.
type stored struct {
	ID            string          `json:"id,omitempty"`
	HookIndex     int             `json:"hookIndex"`
	Type          Type            `json:"type"`
	Payload       json.RawMessage `json:"payload"`
	AppID         int64           `json:"appId,omitempty"`
	Filter        *PushFilter     `json:"filter,omitempty"`
	Subscriptions []string        `json:"subscriptions,omitempty"`
}

// MarshalJSON returns the JSON form.
func (d Delivery) MarshalJSON() ([]byte, error) { return json.Marshal(stored(d)) }

// UnmarshalJSON reads the JSON form. What could not be sent is an error with the code
// InvalidInput.
func (d *Delivery) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return errs.Wrap(errs.InvalidInput, err, "the delivery cannot be read")
	}
	var err error
	if s.Payload, err = compact(s.Payload); err != nil {
		return err
	}
	if s.Filter != nil {
		if s.Filter.Match, err = compact(s.Filter.Match); err != nil {
			return err
		}
	}
	read := Delivery(s)
	if err := read.check(); err != nil {
		return err
	}
	*d = read
	return nil
}

// compact gives the one form in which JSON is kept here: json.Marshal writes some characters in
// another one.
func compact(text json.RawMessage) (json.RawMessage, error) {
	v, err := document.Parse(text, document.Limits{Depth: 2 * maxHooksDepth, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	if err == nil && v.Kind() != document.Object {
		err = errs.New(errs.InvalidInput, "an object is due, not %s", kindName(v))
	}
	if err != nil {
		return nil, errs.Wrap(errs.InvalidInput, err, "the delivery cannot be read")
	}
	return document.AppendJSON(nil, v), nil
}
