package siftdb

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// TestHooksThatWereChangedMeanwhile: a write that was evaluated on hooks, or a column of
// the GUID, that are no longer those of the data source is evaluated again. That also
// holds when the cache has gone back to an older state, as a slow reader can make it.
func TestHooksThatWereChangedMeanwhile(t *testing.T) {
	ctx := context.Background()
	sms := func(body string) json.RawMessage {
		return json.RawMessage(`[{"type":"sms","runOn":["insert","update"],"payload":{"to":"1","body":"` + body + `"}}]`)
	}
	for name, first := range map[string]json.RawMessage{"other hooks": sms("old"), "none": json.RawMessage(`[]`)} {
		t.Run(name, func(t *testing.T) {
			db, err := OpenMemory(&Options{Deliveries: DeliveryOptions{Off: true}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			ds, err := db.Create(ctx, DataSourceSpec{Name: "t", Hooks: first, Entries: []any{M{"a": 1}}, Definition: json.RawMessage(`{"guid":"old"}`)})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.reload(ctx, ds.id); err != nil {
				t.Fatal(err)
			}
			stale := db.catalog.cached(ds.id)
			if _, err := ds.Update(ctx, DataSourceUpdate{Hooks: sms("{{guid}} {{a}}"), Definition: json.RawMessage(`{"guid":"guid"}`)}); err != nil {
				t.Fatal(err)
			}
			n := 0
			for what, write := range map[string]func() error{
				"insert": func() error { _, err := ds.Insert(ctx, M{"a": 2, "guid": "g"}); return err },
				"append": func() error { _, err := ds.Append(ctx, []any{M{"a": 3, "guid": "g"}}); return err },
				"update": func() error { _, err := ds.UpdateEntry(ctx, 1, M{"a": 4, "guid": "g"}); return err },
				"commit": func() error {
					_, err := ds.Commit(ctx, Commit{Append: new(true), Extend: true, Entries: []CommitEntry{{Data: M{"a": 5, "guid": "g"}}, {ID: 1, Data: M{"a": 6, "guid": "g"}}}, RunHooks: []EventKind{InsertEvent, UpdateEvent}})
					n++
					return err
				},
				"files": func() error {
					_, err := ds.insertRows(ctx, []any{M{"a": 7, "guid": "g"}}, true, nil, func(st *sourceTx, r *rows) ([]layout.Record, error) { return st.insertAll(r, nil) })
					return err
				},
			} {
				n++
				db.catalog.sources.Store(ds.id, stale)
				if err := write(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			var bodies []string
			for d, err := range db.Deliveries(ctx, DeliveryFilter{}) {
				if err != nil {
					t.Fatal(err)
				}
				var body struct{ Payload struct{ Body string } }
				if err := json.Unmarshal(payloadOf(t, db, d.ID), &body); err != nil {
					t.Fatal(err)
				}
				bodies = append(bodies, body.Payload.Body)
			}
			for _, b := range bodies {
				if b[:2] != "g " {
					t.Errorf("a delivery says %q", b)
				}
			}
			if len(bodies) != n {
				t.Errorf("%d deliveries of %d entries: %q", len(bodies), n, bodies)
			}
		})
	}
}

// payloadOf reads what is stored of a delivery.
func payloadOf(t *testing.T, db *DB, id string) (payload []byte) {
	t.Helper()
	err := db.view(context.Background(), func(r storage.Reader) error {
		c := r.Scan(layout.Outbox, nil, nil, false)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			d, err := layout.ReadDelivery(key, value)
			if err != nil {
				return err
			}
			if delivery(d).ID == id {
				payload = bytes.Clone(d.Payload)
			}
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestCheckFindsOutboxFaults plants every kind of fault in an outbox, and flips every
// byte of it: the check finds each, and to open and to list never panics.
func TestCheckFindsOutboxFaults(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	off := &Options{Deliveries: DeliveryOptions{Off: true}}
	db, err := OpenStorage(ctx, store, off)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ds, err := db.Create(ctx, DataSourceSpec{Name: "t", Hooks: json.RawMessage(`[{"type":"sms","runOn":["insert"],"payload":{"to":"1","body":"x"}},{"type":"sms","runOn":["insert"],"payload":{"to":"{{#if}}"}}]`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ds.Insert(ctx, M{"a": 1}); err != nil {
		t.Fatal(err)
	}
	var list []*layout.Delivery
	var values [][]byte
	err = db.view(ctx, func(r storage.Reader) error {
		c := r.Scan(layout.Outbox, nil, nil, false)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			d, err := layout.ReadDelivery(key, value)
			if err != nil {
				return err
			}
			d.Payload = bytes.Clone(d.Payload)
			list, values = append(list, d), append(values, bytes.Clone(value))
		}
		return c.Err()
	})
	if err != nil || len(list) != 2 {
		t.Fatal(err, len(list))
	}
	changed := func(i int, change func(d *layout.Delivery)) *layout.Delivery {
		d := *list[i]
		change(&d)
		return &d
	}
	put := func(d *layout.Delivery) func(storage.Writer) error {
		return func(w storage.Writer) error {
			return w.Put(layout.Outbox, layout.DeliveryKey(d.Source, d.ID), layout.AppendDelivery(nil, d))
		}
	}
	kinds := func(fn func(w storage.Writer) error) (found []string) {
		t.Helper()
		fork, err := store.Fork()
		if err == nil {
			err = fork.Update(ctx, fn)
		}
		if err != nil {
			t.Fatal(err)
		}
		bad, err := OpenStorage(ctx, fork, off)
		if err != nil {
			t.Fatal(err)
		}
		defer bad.Close()
		for range bad.Deliveries(ctx, DeliveryFilter{}) {
			continue
		}
		report, err := bad.Check(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			found = append(found, f.Kind)
		}
		return found
	}
	for name, plant := range map[string]struct {
		kind string
		fn   func(w storage.Writer) error
	}{
		"not listed as due":      {"missing-entry", func(w storage.Writer) error { return w.Delete(layout.Dues, list[0].DueOf().Key()) }},
		"listed without record":  {"outbox-orphan", func(w storage.Writer) error { return w.Delete(layout.Outbox, layout.DeliveryKey(1, list[0].ID)) }},
		"failed and due":         {"outbox-orphan", put(changed(0, func(d *layout.Delivery) { d.Failed = 5 }))},
		"due at another time":    {"outbox-orphan", put(changed(0, func(d *layout.Delivery) { d.Due++ }))},
		"of an unknown source":   {"outbox-orphan", put(changed(0, func(d *layout.Delivery) { d.Source = 9 }))},
		"of a commit to come":    {"counter", put(changed(0, func(d *layout.Delivery) { d.Commit = 99 }))},
		"with another payload":   {"decode", put(changed(0, func(d *layout.Delivery) { d.Payload = []byte(`{}`) }))},
		"of another hook":        {"decode", put(changed(0, func(d *layout.Delivery) { d.Hook = 3 }))},
		"neither text nor cause": {"decode", put(changed(1, func(d *layout.Delivery) { d.Error = "" }))},
		"of another key": {"checksum", func(w storage.Writer) error {
			return w.Put(layout.Outbox, layout.DeliveryKey(1, list[1].ID), bytes.Clone(values[0]))
		}},
		"a key of nothing": {"outbox-orphan", func(w storage.Writer) error { return w.Put(layout.Dues, []byte{0, 0, 0, 1, 5}, []byte{}) }},
	} {
		if found := kinds(plant.fn); !slices.Contains(found, plant.kind) {
			t.Errorf("%s: found %v, not %s", name, found, plant.kind)
		}
	}
	for n, value := range values {
		for i := range value {
			bad := bytes.Clone(value)
			bad[i] ^= 1 << (i % 8)
			if found := kinds(func(w storage.Writer) error { return w.Put(layout.Outbox, layout.DeliveryKey(1, list[n].ID), bad) }); !slices.Contains(found, "checksum") {
				t.Fatalf("byte %d of %d: found %v", i, n, found)
			}
		}
	}
	if found := kinds(func(storage.Writer) error { return nil }); len(found) > 0 {
		t.Errorf("the sound store: %v", found)
	}
}

// TestDamagedDeliveries: what cannot be read is passed over by the workers, and the rest
// is sent; nothing spins.
func TestDamagedDeliveries(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	db, err := OpenStorage(ctx, store, &Options{Deliveries: DeliveryOptions{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ds, err := db.Create(ctx, DataSourceSpec{Name: "t", Hooks: json.RawMessage(`[{"type":"sms","runOn":["insert"],"payload":{"to":"1","body":"x"}}]`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ds.Append(ctx, []any{M{}, M{}, M{}}); err != nil {
		t.Fatal(err)
	}
	fork, err := store.Fork()
	if err != nil {
		t.Fatal(err)
	}
	err = fork.Update(ctx, func(w storage.Writer) error {
		c := w.Scan(layout.Outbox, nil, nil, false)
		key, value, _ := c.Next()
		bad := bytes.Clone(value)
		bad[len(bad)-1] ^= 1
		if err := w.Put(layout.Outbox, bytes.Clone(key), bad); err != nil {
			return err
		}
		key, _, _ = c.Next()
		return w.Delete(layout.Outbox, bytes.Clone(key))
	})
	if err != nil {
		t.Fatal(err)
	}
	reports := make(chan DeliveryReport, 10)
	bad, err := OpenStorage(ctx, fork, &Options{Deliveries: DeliveryOptions{Report: func(r DeliveryReport) { reports <- r }}})
	if err != nil {
		t.Fatal(err)
	}
	<-reports // no sender: that is final
	if err := bad.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(bad.outbox.broken); n != 2 || len(reports) != 0 {
		t.Errorf("%d are passed over, %d more are reported", n, len(reports))
	}
}
