package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// try sends a delivery once, and writes down what came of it. No transaction is open
// while it sends.
func (db *DB) try(d *layout.Delivery) {
	o := &db.outbox
	defer o.ended(d.ID)
	err := error(errs.New(errs.Internal, "the sender of %s ended its goroutine", d.Type))
	final := false
	defer func() {
		if r := recover(); r != nil {
			err = errs.New(errs.Internal, "a delivery panicked: %v", r)
		}
		db.settle(d, err, final)
	}()
	final, err = db.send(d)
}

// ended notes that a try is over.
func (o *outbox) ended(id layout.DeliveryID) {
	o.mu.Lock()
	delete(o.tries, id)
	o.mu.Unlock()
	o.wake()
}

// send sends a delivery. final tells of an error that no other try would mend.
func (db *DB) send(d *layout.Delivery) (final bool, err error) {
	if len(d.Payload) == 0 {
		return true, errs.New(errs.InvalidInput, "the delivery could not be rendered: %s", d.Error)
	}
	var m hooks.Delivery
	if err := json.Unmarshal(d.Payload, &m); err != nil {
		return true, err
	}
	m.ID = ulid.ULID(d.ID).String()
	senders := &db.opts.Deliveries.Senders
	if !senders.Can(m.Type) {
		return true, senders.Send(db.outbox.ctx, &m) // which says so
	}
	ctx := db.outbox.ctx
	if m.Type != hooks.Web {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.opts.Deliveries.Timeout)
		defer cancel()
	}
	if m.Type == hooks.Push && m.Filter != nil {
		if m.Subscriptions, err = db.audience(ctx, d.Source, m.Filter); err != nil {
			return false, err
		}
	}
	return false, senders.Send(ctx, &m)
}

// audience looks up whom a push of a data source is for (spec 10.3): the subscriptions
// of the entries that match now, each once. A data source of an organization reaches
// only those of the same one.
func (db *DB) audience(ctx context.Context, source int64, f *hooks.PushFilter) ([]string, error) {
	err := db.view(ctx, func(r storage.Reader) error {
		_, from, err := db.load(r, source, true)
		if err != nil {
			return err
		}
		_, to, err := db.load(r, f.DataSourceID, false)
		if err != nil {
			return err
		}
		if a, b := from.def.OrganizationID, to.def.OrganizationID; a != nil && (b == nil || *a != *b) {
			return unknownSource(f.DataSourceID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ds := &DataSource{db: db, id: f.DataSourceID}
	var list []string
	seen := make(map[string]bool)
	for e, err := range ds.Each(ctx, Query{Where: f.Match, Attributes: []string{hooks.SubscriptionColumn}}) {
		if err != nil {
			return nil, err
		}
		text := ""
		switch v := e.doc.Field(hooks.SubscriptionColumn); v.Kind() {
		case document.String:
			text = v.Str()
		case document.Number:
			text = v.String()
		}
		if text != "" && !seen[text] {
			seen[text] = true
			list = append(list, text)
		}
	}
	return list, nil
}

// settle writes down what came of a try, and reports it.
func (db *DB) settle(d *layout.Delivery, err error, final bool) {
	o := &db.outbox
	after := *d
	after.Tries++
	after.Tried, after.Error = db.opts.Now().UnixMilli(), ""
	report := DeliveryReport{Err: err}
	switch {
	case err == nil:
		db.note(d, layout.DropDelivery)
	case o.ctx.Err() != nil: // it does not count, and is made again
		o.interrupted.Store(true)
		after.Error = deliveryError(err)
	default:
		after.Error = deliveryError(err)
		db.note(d, func(w storage.Writer, found *layout.Delivery) error {
			next := *found
			next.Tries++
			next.Tried, next.Error = after.Tried, after.Error
			pause, again := db.opts.Deliveries.Retry.After(int(next.Tries))
			if again = again && !final; again {
				next.Due = after.Tried + pause.Milliseconds()
			} else {
				next.Failed = max(after.Tried, 1)
			}
			after = next
			return layout.PutDelivery(w, found, &next)
		})
		report.Final = after.Failed != 0
	}
	if db.opts.Deliveries.Report == nil {
		return
	}
	report.Delivery = delivery(&after)
	if err == nil {
		report.Next = time.Time{}
	}
	db.report(report)
}

// report tells the host of a try.
func (db *DB) report(r DeliveryReport) {
	defer func() { _ = recover() }() // what has been done stays
	db.opts.Deliveries.Report(r)
}

// note changes what is stored of a delivery, unless it is gone. While the storage
// fails it tries again, and so keeps what was sent from being sent once more.
func (db *DB) note(d *layout.Delivery, change func(w storage.Writer, found *layout.Delivery) error) {
	o := &db.outbox
	for pause := (backoff{}); ; o.wait(pause.next(), nil) {
		last := o.isStopped()
		err := db.store.Update(context.Background(), func(w storage.Writer) error {
			found, err := layout.FindDelivery(w, d.Source, d.ID)
			if err != nil || found == nil {
				return err
			}
			return change(w, found)
		})
		if errors.Is(fromStorage(err), ErrCorrupt) {
			o.mu.Lock()
			o.broken[d.ID] = true
			o.mu.Unlock()
			return
		}
		if err == nil || last {
			return
		}
	}
}
