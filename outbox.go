package siftdb

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// hooking is the hooks of a data source at work on one write: before the transaction
// they change data and render what they send, and the transaction stores that in the
// outbox. A nil hooking is a write that runs none.
type hooking struct {
	ds    *DataSource
	src   *source // of which the hooks are
	chain *hooks.Chain
	label string // the source label of the write

	id      layout.DeliveryID           // of the next delivery
	inserts [][]layout.Delivery         // of each row that is inserted, in order; empty when there are none
	updates map[int64][]layout.Delivery // of each entry that is updated
}

// hooking returns the hooks of the data source for a write with a source label.
func (ds *DataSource) hooking(ctx context.Context, label string) (*hooking, error) {
	src, chain, err := ds.hooked(ctx)
	return &hooking{ds: ds, src: src, chain: chain, label: label}, err
}

// changes reports whether a hook may change the data of a write.
func (h *hooking) changes(event hooks.Event) bool {
	return h.chain.Changes(hooks.BeforeSave) || h.chain.Changes(event)
}

// runs reports whether any hook may run on a write.
func (h *hooking) runs(event hooks.Event) bool {
	return h.changes(event) || h.chain.Delivers(event)
}

// render returns what the hooks send for one entry, in the order of the hooks. One that
// cannot be rendered is in the list without a payload, so that it ends among the failed.
func (h *hooking) render(ctx context.Context, event hooks.Event, data document.Value) ([]layout.Delivery, error) {
	list, failed, err := h.chain.Deliveries(ctx, hooks.DeliverInput{Event: event, Data: data, Source: h.label})
	if err != nil || len(list)+len(failed) == 0 {
		return nil, err
	}
	out := make([]layout.Delivery, 0, len(list)+len(failed))
	for i := range list {
		payload, err := json.Marshal(&list[i])
		if err != nil {
			return nil, errs.Wrap(errs.Internal, err, "a delivery of data source %d cannot be written", h.ds.id)
		}
		out = append(out, layout.Delivery{Hook: int64(list[i].HookIndex), Type: string(list[i].Type), Payload: payload})
	}
	for _, f := range failed {
		out = append(out, layout.Delivery{Hook: int64(f.Index), Type: string(f.Type), Error: deliveryError(f.Err)})
	}
	slices.SortFunc(out, func(a, b layout.Delivery) int { return int(a.Hook - b.Hook) })
	for i := range out {
		out[i].ID, out[i].Event = h.nextID(), string(event)
	}
	return out, nil
}

// nextID returns the id of another delivery. Those of one write are consecutive, after a
// first one that is random.
func (h *hooking) nextID() layout.DeliveryID {
	if h.id == (layout.DeliveryID{}) {
		h.id = layout.DeliveryID(ulid.MustNew(ulid.Now(), rand.Reader))
	}
	id := h.id
	h.id = id.Next()
	return id
}

// maxDeliveryError is how much of an error is kept with a delivery.
const maxDeliveryError = 1000

// deliveryError is an error as it is kept with a delivery.
func deliveryError(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxDeliveryError)], "\uFFFD")
}

// confirm makes sure that the hooks of the data source, and the column of the GUID that
// they saw, are still those that ran; else errMoved.
func (h *hooking) confirm(st *sourceTx) error {
	if h == nil || h.src.revision == st.found.Revision {
		return nil
	}
	now, then := &st.src.def, &h.src.def
	if bytes.Equal(now.Hooks, then.Hooks) && (len(now.Hooks) == 0 || now.guidColumn() == then.guidColumn()) {
		return nil
	}
	return errMoved
}

// inserted stores what is sent for rows that were inserted.
func (h *hooking) inserted(st *sourceTx, recs []layout.Record) error {
	if h == nil {
		return nil
	}
	for i, list := range h.inserts {
		if err := st.enqueue(list, recs[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// updated stores what is sent for an entry that was updated.
func (h *hooking) updated(st *sourceTx, id int64) error {
	if h == nil {
		return nil
	}
	return st.enqueue(h.updates[id], id)
}

// enqueue puts deliveries into the outbox. They stay as they were given, since the
// transaction may run again.
func (st *sourceTx) enqueue(list []layout.Delivery, entry int64) error {
	for _, d := range list {
		d.Source, d.Entry, d.Commit = st.id, entry, st.t.commit()
		d.Created, d.Due = st.t.clock, st.t.clock
		if err := layout.PutDelivery(st.t.w, nil, &d); err != nil {
			return err
		}
		st.t.sends = true
	}
	return nil
}

// anyDue reports whether there is anything to send, now or later.
func anyDue(r storage.Reader) (bool, error) {
	c := r.Scan(layout.Dues, nil, nil, false)
	_, _, ok := c.Next()
	return ok, c.Err()
}

// emptyOutbox drops everything from the outbox of a store.
func emptyOutbox(store storage.Storage) error {
	ctx := context.Background()
	full := false
	err := store.View(ctx, func(r storage.Reader) error {
		c := r.Scan(layout.Outbox, nil, nil, false)
		_, _, full = c.Next()
		return c.Err()
	})
	if err != nil || !full {
		return err
	}
	return store.Update(ctx, func(w storage.Writer) error {
		return errors.Join(w.DeleteRange(layout.Outbox, nil, nil), w.DeleteRange(layout.Dues, nil, nil))
	})
}
