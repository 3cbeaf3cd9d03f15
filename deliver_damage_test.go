package siftdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// damagedOutbox returns a store whose outbox holds 100 text messages, of which the first
// are damaged.
func damagedOutbox(t *testing.T, damaged int, encrypted bool) (storage.Storage, *siftdb.Options) {
	t.Helper()
	opts := &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}}
	opts.Keys = must[siftdb.Keyring](t)(siftdb.FixedKeys("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}))
	store := memory.New()
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, opts))
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "sends", Encrypted: encrypted, Hooks: []byte("[" + smsBoth + "]")}))
	must[siftdb.BulkResult](t)(ds.Append(ctx, people(100)))
	fork := must[storage.Storage](t)(store.Fork())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	err := fork.Update(ctx, func(w storage.Writer) error {
		var keys, values [][]byte
		c := w.Scan(layout.Outbox, nil, nil, false)
		for k, v, ok := c.Next(); ok && len(keys) < damaged; k, v, ok = c.Next() {
			v = bytes.Clone(v)
			v[len(v)-1] ^= 1
			keys, values = append(keys, bytes.Clone(k)), append(values, v)
		}
		for i := range keys {
			if err := w.Put(layout.Outbox, keys[i], values[i]); err != nil {
				return err
			}
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return fork, opts
}

// TestDamagedDeliveriesAreSteered: however many are damaged, those behind them are sent;
// all are listed, and those that are damaged can be dropped.
func TestDamagedDeliveriesAreSteered(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		for _, damaged := range []int{1, 10, 60} {
			synctest.Test(t, func(t *testing.T) {
				store, opts := damagedOutbox(t, damaged, encrypted)
				r := newReceiver()
				opts.Deliveries = r.options().Deliveries
				db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, opts))
				checked(t, db)
				time.Sleep(time.Minute)
				if n := len(r.ids()); n != 100-damaged {
					t.Errorf("%d are sent behind %d that are damaged", n, damaged)
				}
				left := outboxOf(t, db)
				if len(left) != damaged {
					t.Fatalf("%d are left", len(left))
				}
				for d, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{Failed: true}) {
					if !d.Damaged || !d.Failed() || d.DataSourceID != 1 || d.LastError == "" || err != nil {
						t.Fatalf("listed %+v, %v", d, err)
					}
				}
				for _, d := range left {
					if err := db.RetryDelivery(ctx, d.ID); !errors.Is(err, siftdb.ErrCorrupt) {
						t.Fatalf("to retry gives %v", err)
					}
					if err := db.DropDelivery(ctx, d.ID); err != nil {
						t.Fatal(err)
					}
				}
				if left := outboxOf(t, db); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		}
	}
}

// TestKeysThatAreNone: keys that cannot be read, of places that are due or of deliveries,
// hold nothing up.
func TestKeysThatAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, opts := damagedOutbox(t, 0, false)
		var keys [][]byte
		err := store.Update(ctx, func(w storage.Writer) error {
			c := w.Scan(layout.Dues, nil, nil, false)
			key, _, _ := c.Next()
			keys = [][]byte{{0, 0, 0, 0, 7}, bytes.Clone(key[:7]), append(bytes.Clone(key), 1)}
			for _, key := range keys {
				if err := w.Put(layout.Dues, key, []byte{}); err != nil {
					return err
				}
			}
			return w.Put(layout.Outbox, []byte{0, 0}, []byte("x"))
		})
		if err != nil {
			t.Fatal(err)
		}
		r := newReceiver()
		opts.Deliveries = r.options().Deliveries
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, opts))
		checked(t, db)
		time.Sleep(time.Minute)
		if n := len(r.ids()); n != 100 {
			t.Errorf("%d of 100 are sent", n)
		}
		if left := outboxOf(t, db); len(left) != 1 || !left[0].Damaged || left[0].ID != "" {
			t.Errorf("listed %+v", left)
		}
		err = store.Update(ctx, func(w storage.Writer) error {
			for _, key := range keys {
				if err := w.Delete(layout.Dues, key); err != nil {
					return err
				}
			}
			return w.Delete(layout.Outbox, []byte{0, 0})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestListingKeepsNoPayloads: listing large deliveries takes little memory, and no long
// transaction: those that come much later are told as they are then.
func TestListingKeepsNoPayloads(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})
	ds := sending(t, db, smsBoth)
	const n, size = 16, 512 << 10
	for i := range n {
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": fmt.Sprint(i, strings.Repeat("x", size))}))
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	last := outboxOf(t, db)[n-1].ID
	before, listed := heap(), 0
	for _, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if listed++; listed > 1 {
			continue
		}
		if grown := heap() - before; grown > n*size/4 {
			t.Errorf("listing %d deliveries of %d bytes holds %d", n, size, grown)
		}
		if err := db.DropDelivery(ctx, last); err != nil {
			t.Fatal(err)
		}
	}
	if listed != n-1 {
		t.Errorf("%d are listed, where the last one of %d was dropped meanwhile", listed, n)
	}
}
