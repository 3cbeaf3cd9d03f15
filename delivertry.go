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
	hopeless, failure := db.send(d)
	final, err = hopeless, plainError(failure)
}

// tryError is the error of a try. Its text was made once: that is the host's code, which
// may panic.
type tryError struct {
	text  string
	cause error
}

func (e *tryError) Error() string { return e.text }
func (e *tryError) Unwrap() error { return e.cause }

// plainError returns an error whose text can be read.
func plainError(err error) (plain error) {
	if err == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			plain = errs.New(errs.Internal, "the sender failed, and its error panicked: %v", r)
		}
	}()
	return &tryError{err.Error(), err}
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

// settle writes down what came of a try, and reports it. Once the database is closed
// without it there is nobody to tell.
func (db *DB) settle(d *layout.Delivery, err error, final bool) {
	o := &db.outbox
	if o.isLeft() {
		return
	}
	after := *d
	after.Tries++
	after.Tried, after.Error = db.deliveryClock(), ""
	report := DeliveryReport{Err: err}
	switch {
	case err == nil:
		o.fared(d, nil)
		db.note(d, layout.DropDelivery)
	case o.ctx.Err() != nil: // it does not count, and is made again
		o.interrupted.Store(true)
		after.Error = deliveryError(err)
	default:
		after.Error = deliveryError(err)
		o.fared(d, err)
		report.Dropped = db.note(d, func(w storage.Writer, found *layout.Delivery) error {
			return db.noteFailure(w, d, found, &after, final)
		})
		report.Final = report.Dropped || after.Failed != 0
	}
	report.Delivery = delivery(&after)
	if err == nil || report.Dropped {
		report.Next = time.Time{}
	}
	db.report(report)
}

// noteFailure notes a try in vain, and puts what is stored then into after.
func (db *DB) noteFailure(w storage.Writer, d, found, after *layout.Delivery, final bool) error {
	if found.Tries != d.Tries || found.Tried != d.Tried { // by this very try, whose outcome was unknown
		tries := after.Tries
		*after = *found
		after.Tries = tries       // RetryDelivery may have set it back
		after.Payload = d.Payload // the other one is the storage's
		return nil
	}
	next := *found
	next.Tries, next.Tried, next.Error = after.Tries, after.Tried, after.Error
	if pause, again := db.opts.Deliveries.Retry.After(int(next.Tries)); again && !final {
		next.Due = next.Tried + pause.Milliseconds()
	} else {
		next.Failed = max(next.Tried, 1)
	}
	*after = next
	after.Payload = d.Payload
	return layout.PutDelivery(w, found, &next)
}

// report tells the host of a try.
func (db *DB) report(r DeliveryReport) {
	if db.opts.Deliveries.Report == nil || db.outbox.isLeft() {
		return
	}
	defer func() { _ = recover() }() // what has been done stays
	db.opts.Deliveries.Report(r)
}

// note changes what is stored of a delivery, and reports whether that is gone. While the
// storage fails it tries again, and so keeps what was sent from being sent once more.
func (db *DB) note(d *layout.Delivery, change func(w storage.Writer, found *layout.Delivery) error) (gone bool) {
	o := &db.outbox
	for pause := (backoff{}); ; o.wait(pause.next(), nil) {
		last := o.isStopped()
		gone, err := db.noteOnce(d, change)
		if errors.Is(fromStorage(err), ErrCorrupt) {
			o.mu.Lock()
			o.broken[d.ID] = true
			o.mu.Unlock()
			return false
		}
		if err == nil || last {
			return err == nil && gone
		}
	}
}

func (db *DB) noteOnce(d *layout.Delivery, change func(w storage.Writer, found *layout.Delivery) error) (gone bool, err error) {
	defer recovered(&err)
	err = db.store.Update(context.Background(), func(w storage.Writer) error {
		found, err := layout.FindDelivery(w, d.Source, d.ID)
		if gone = found == nil; err != nil || gone {
			return err
		}
		return change(w, found)
	})
	return gone, err
}
