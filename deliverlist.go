package siftdb

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// DeliveryFilter says which deliveries are listed. The zero value lists all.
type DeliveryFilter struct {
	DataSourceID int64 // of one data source; 0 means all
	Failed       bool  // only those that were given up, or are damaged
}

// Deliveries streams what is in the outbox, pending and failed, of one data source after
// the other and in the order of their ids, which is that of the writes to within a
// millisecond, and for one write that of its entries and hooks. Each is told as it is
// when the loop comes near it, also one that is Damaged. It is for trusted code and for
// admins; one of an organization names a data source that it sees. An error ends the
// stream.
func (db *DB) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[Delivery, error] {
	return func(yield func(Delivery, error) bool) {
		if err := db.steering(ctx, f.DataSourceID); err != nil {
			yield(Delivery{}, err)
			return
		}
		l := deliveryList{DeliveryFilter: f}
		if l.from = []byte{0}; f.DataSourceID != 0 {
			l.from, l.to = layout.Prefix(f.DataSourceID)
		}
		for l.from != nil {
			err := ctx.Err()
			if err == nil {
				err = db.view(ctx, l.slice)
			}
			if err != nil {
				yield(Delivery{}, err)
				return
			}
			for _, d := range l.batch {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// steering refuses those who may not see the outbox, or not that of a data source.
func (db *DB) steering(ctx context.Context, source int64) error {
	if source == 0 {
		return db.everything("see the deliveries of the whole database")
	}
	if err := db.unrestricted("see deliveries"); err != nil {
		return err
	}
	return db.view(ctx, func(r storage.Reader) error {
		_, src, err := db.load(r, source, true)
		if err == nil && !db.sees(&src.def) {
			err = unknownSource(source)
		}
		return err
	})
}

// deliveryList reads the outbox in slices.
type deliveryList struct {
	DeliveryFilter
	from, to []byte // what is left; from is nil at the end
	batch    []Delivery
}

// slice reads no more than a few megabytes, which payloads can be.
func (l *deliveryList) slice(r storage.Reader) error {
	l.batch = l.batch[:0]
	b, weight, next := newBudget(), 0, []byte(nil)
	err := sealed.Each(r, layout.Outbox, l.from, l.to, func(key, value []byte, wrong error) bool {
		if d := listedDelivery(key, value, wrong); !l.Failed || d.Failed() {
			l.batch = append(l.batch, d)
		}
		if weight += len(value); weight < batchBytes && len(l.batch) < fullBatch && !b.spent() {
			return true
		}
		next = append(bytes.Clone(key), 0)
		return false
	})
	if err == nil {
		l.from = next
	}
	return err
}

// RetryDelivery has a delivery tried at once, whatever it was waiting for. One that was
// given up is pending again, with all its tries before it; one that could not be
// rendered is ErrInvalidInput, since the data that it would be rendered from are not
// kept, and one that is damaged ErrCorrupt. It is for those who may list the delivery; an id that is not in the outbox is
// ErrNotFound.
func (db *DB) RetryDelivery(ctx context.Context, id string) error {
	return db.steer(ctx, id, func(t *tx, found *layout.Delivery, damage error) error {
		if damage != nil {
			return damage
		}
		if len(found.Payload) == 0 {
			return errs.New(errs.InvalidInput, "delivery %s could not be rendered, so there is nothing to send: %s", id, found.Error)
		}
		next := *found
		if found.Failed != 0 {
			next.Tries, next.Failed = 0, 0
		}
		next.Due = t.clock
		t.sends = true
		return layout.PutDelivery(t.w, found, &next)
	})
}

// DropDelivery takes a delivery out of the outbox: it is not tried any more, and not
// listed. A try that has begun goes on. It is for those who may list the delivery; an id
// that is not in the outbox is ErrNotFound. A delivery that is damaged can be dropped,
// too.
func (db *DB) DropDelivery(ctx context.Context, id string) error {
	return db.steer(ctx, id, func(t *tx, found *layout.Delivery, damage error) error {
		if damage != nil {
			return dropDamaged(t.w, found.Source, found.ID)
		}
		return layout.DropDelivery(t.w, found)
	})
}

// dropDamaged removes a delivery that cannot be read, and so does not say where it is
// listed as due.
func dropDamaged(w storage.Writer, source int64, id layout.DeliveryID) error {
	from, to := layout.Prefix(source)
	var places [][]byte
	c := w.Scan(layout.Dues, from, to, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		if u, ok := layout.ParseDue(key); ok && u.ID == id {
			places = append(places, bytes.Clone(key))
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	for _, key := range places {
		if err := w.Delete(layout.Dues, key); err != nil {
			return err
		}
	}
	return w.Delete(layout.Outbox, layout.DeliveryKey(source, id))
}

// steer changes one delivery. Of one that is damaged the change gets the ids and the
// error.
func (db *DB) steer(ctx context.Context, text string, change func(t *tx, found *layout.Delivery, damage error) error) error {
	if err := db.unrestricted("steer deliveries"); err != nil {
		return err
	}
	unknown := errs.New(errs.NotFound, "delivery %q does not exist", clipText(text))
	id, err := ulid.ParseStrict(text)
	if err != nil {
		return unknown
	}
	source := int64(0)
	err = db.view(ctx, func(r storage.Reader) (err error) {
		source, err = sourceOfDelivery(r, layout.DeliveryID(id))
		return err
	})
	if err != nil {
		return err
	}
	if source == 0 {
		return unknown
	}
	if err := db.steering(ctx, source); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = unknown
		}
		return err
	}
	_, err = db.write(ctx, nil, func(t *tx) error {
		found, err := layout.FindDelivery(t.w, source, layout.DeliveryID(id))
		switch {
		case errors.Is(err, ErrCorrupt):
			return change(t, &layout.Delivery{Source: source, ID: layout.DeliveryID(id)}, err)
		case err != nil:
			return err
		case found == nil:
			return unknown
		}
		return change(t, found, nil)
	})
	return err
}

// sourceOfDelivery returns the data source in whose outbox an id is, 0 for none.
func sourceOfDelivery(r storage.Reader, id layout.DeliveryID) (int64, error) {
	for from := []byte{0}; from != nil; {
		source, found := int64(0), false
		err := sealed.Each(r, layout.Outbox, from, nil, func(key, _ []byte, _ error) bool {
			source, found = layout.KeySource(key), true
			return false
		})
		if err != nil || !found {
			return 0, err
		}
		value, err := r.Get(layout.Outbox, layout.DeliveryKey(source, id))
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return 0, err
		}
		if err != nil || value != nil {
			return source, nil
		}
		_, from = layout.Prefix(source)
	}
	return 0, nil
}
