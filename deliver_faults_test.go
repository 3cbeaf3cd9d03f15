package siftdb_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// sendingOperations are writes that put something into the outbox, or take it out.
var sendingOperations = map[string]func(db *siftdb.DB, ds *siftdb.DataSource, ids []int64, delivery string) error{
	"insert": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64, _ string) error {
		_, err := ds.Insert(ctx, siftdb.M{"name": "new", "more": 1})
		return err
	},
	"update": func(_ *siftdb.DB, ds *siftdb.DataSource, ids []int64, _ string) error {
		_, err := ds.UpdateEntry(ctx, ids[0], siftdb.M{"name": "changed"})
		return err
	},
	"append": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64, _ string) error {
		_, err := ds.Append(ctx, raws(`{"name":"x"}`, `{"name":"y"}`))
		return err
	},
	"commit": func(_ *siftdb.DB, ds *siftdb.DataSource, ids []int64, _ string) error {
		return outboxTCommit(ds, ids[1], siftdb.InsertEvent, siftdb.UpdateEvent)
	},
	"retry": func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64, id string) error {
		return db.RetryDelivery(ctx, id)
	},
	"drop":  func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64, id string) error { return db.DropDelivery(ctx, id) },
	"purge": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64, _ string) error { return db.Purge(ctx, ds.ID()) },
	"list": func(db *siftdb.DB, _ *siftdb.DataSource, _ []int64, _ string) error {
		for _, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

// contentsAndOutbox is contents with what is to be sent, apart from ids.
func contentsAndOutbox(t *testing.T, db *siftdb.DB) []string {
	t.Helper()
	var out []string
	for _, d := range outboxOf(t, db) {
		out = append(out, fmt.Sprint(d.EntryID, d.Hook, d.Event, d.Target, d.Version, d.Next))
	}
	slices.Sort(out) // within a millisecond, ids are in no order
	return append(contents(t, db), out...)
}

// TestEveryCallFailsWithHooks makes every storage call of every write with hooks fail
// once, in every way: entry and outbox are both as before or both as after.
func TestEveryCallFailsWithHooks(t *testing.T) {
	off := func() *siftdb.Options {
		opts := newClock().options()
		opts.Deliveries.Off = true
		return opts
	}
	base := memory.New()
	prepared := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, base, off()))
	defer prepared.Close()
	ds := sending(t, prepared, webInsert, smsBoth, webUpdate)
	ids := must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"a"}`, `{"name":"b"}`))).IDs
	delivery := outboxOf(t, prepared)[1].ID
	total := 0
	for name, operate := range sendingOperations {
		t.Run(name, func(t *testing.T) {
			open := func() (*siftdb.DB, *siftdb.DataSource, *storagetest.Faults) {
				fork := must[storage.Storage](t)(base.Fork())
				faulty, faults := storagetest.Faulty(fork)
				db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, faulty, off()))
				checked(t, db)
				return db, must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID())), faults
			}
			db, handle, faults := open()
			before := contentsAndOutbox(t, db)
			faults.Arm(storagetest.Fault{})
			if err := operate(db, handle, ids, delivery); err != nil {
				t.Fatal(err)
			}
			calls := faults.Calls()
			after := contentsAndOutbox(t, db)
			for _, mode := range []storagetest.Mode{storagetest.NotApplied, storagetest.UnknownApplied, storagetest.UnknownNotApplied} {
				for n := 1; n <= calls; n++ {
					total++
					db, handle, faults := open()
					faults.Arm(storagetest.Fault{Call: n, Mode: mode})
					err := operate(db, handle, ids, delivery)
					hits := faults.Hits()
					faults.Arm(storagetest.Fault{})
					now := contentsAndOutbox(t, db)
					isBefore, isAfter := gocmp.Equal(now, before), gocmp.Equal(now, after)
					switch {
					case hits > 0 && err == nil:
						t.Fatalf("%v of call %d of %d is not told", mode, n, calls)
					case !isBefore && !isAfter:
						t.Fatalf("%v of call %d of %d leaves something between: %s", mode, n, calls, gocmp.Diff(before, now))
					case err != nil && isAfter && !isBefore && !errors.Is(err, siftdb.ErrUnknownOutcome):
						t.Fatalf("%v of call %d of %d: applied, but told %v", mode, n, calls, err)
					}
				}
			}
		})
	}
	t.Logf("%d faults in %d operations", total, len(sendingOperations))
}

// TestFaultsWhileSending makes every storage call of the workers fail: nothing is lost,
// nothing that was noted is sent again, and nobody spins.
func TestFaultsWhileSending(t *testing.T) {
	base := memory.New()
	opts := &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}}
	prepared := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, base, opts))
	defer prepared.Close()
	ds := sending(t, prepared, webInsert, smsBoth)
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"a"}`, `{"name":"b"}`, `{"name":"c"}`)))
	want := outboxOf(t, prepared)
	sends := func(t *testing.T, fault storagetest.Fault) (calls int) {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			r.fail = func(n int, _ outboxTSent) error {
				if n%3 == 1 {
					return errRefused
				}
				return nil
			}
			faulty, faults := storagetest.Faulty(must[storage.Storage](t)(base.Fork()))
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, faulty, r.options()))
			checked(t, db)
			faults.Arm(fault)
			time.Sleep(time.Minute)
			synctest.Wait()
			calls = faults.Calls()
			if calls > 2000 {
				t.Errorf("%d storage calls in a minute", calls)
			}
			faults.Reopen()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if left := outboxOf(t, db); len(left) != 0 {
				t.Errorf("left %+v", left)
			}
			taken := map[string]int{}
			for i, s := range r.sendings() {
				if i%3 != 1 {
					taken[s.id]++
				}
			}
			for _, d := range want {
				if taken[d.ID] != 1 {
					t.Errorf("%s was taken %d times", d.ID, taken[d.ID])
				}
			}
		})
		return calls
	}
	total := 0
	calls := sends(t, storagetest.Fault{})
	for _, mode := range []storagetest.Mode{storagetest.NotApplied, storagetest.UnknownApplied, storagetest.UnknownNotApplied, storagetest.ReadError} {
		for n := 1; n <= calls && !t.Failed(); n++ {
			total += 2
			sends(t, storagetest.Fault{Call: n, Mode: mode})
			sends(t, storagetest.Fault{Call: n, Mode: mode, Sticky: true})
		}
		if t.Failed() {
			t.Fatalf("%v", mode)
		}
	}
	t.Logf("%d faults in %d calls", total, calls)
}

// TestManyWritersManyDeliveries: whatever is written at once is sent, each delivery once
// and what each entry sends in order.
func TestManyWritersManyDeliveries(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		r := newReceiver()
		db = alike(t, db, r.options())
		ds := sending(t, db, smsBoth, mailBoth)
		const writers, each = 8, 25
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if _, err := ds.Insert(context.Background(), siftdb.M{"name": fmt.Sprintf("%d/%d", w, i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		r.until(t, "all reports", func() bool { return len(r.reports) == 2*writers*each })
		var ids []string
		kinds := map[string]string{}
		for _, s := range r.sendings() {
			ids = append(ids, s.id)
			kinds[s.body] += string(s.kind) + " "
		}
		for name, list := range kinds {
			if list != "sms email " {
				t.Errorf("%s sent %q", name, list)
			}
		}
		slices.SortFunc(ids, cmp.Compare[string])
		if n := len(slices.Compact(ids)); n != 2*writers*each || len(kinds) != writers*each || len(outboxOf(t, db)) != 0 {
			t.Errorf("%d ids, %d names, left %v", n, len(kinds), outboxOf(t, db))
		}
	})
}

// TestDeliveriesAreEncrypted: what is to be sent of an encrypted data source is not
// readable in the store, also when it was put there before; and it is sent all the same.
func TestDeliveriesAreEncrypted(t *testing.T) {
	for _, later := range []bool{false, true} {
		store, r := memory.New(), newReceiver()
		opts := r.options()
		opts.Keys = must[siftdb.Keyring](t)(siftdb.FixedKeys("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}))
		opts.Deliveries.Off = true
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, opts))
		checked(t, db)
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: !later, Hooks: []byte("[" + smsBoth + "]")}))
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "s3cret"}))
		plain := func() (found bool) {
			err := store.View(ctx, func(r storage.Reader) error {
				c := r.Scan(layout.Outbox, nil, nil, false)
				for _, value, ok := c.Next(); ok; _, value, ok = c.Next() {
					found = found || bytes.Contains(value, []byte("s3cret"))
				}
				return c.Err()
			})
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if plain() != later {
			t.Errorf("encrypted %v: readable is %v", !later, !later)
		}
		if later {
			must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
		}
		if plain() {
			t.Error("what is to be sent is readable in the store")
		}
		if left := outboxOf(t, db); len(left) != 1 || left[0].Target != "+1" {
			t.Errorf("listed %+v", left)
		}
		fork := must[storage.Storage](t)(store.Fork())
		opts.Deliveries.Off = false
		sends := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, fork, opts))
		checked(t, sends)
		if got := r.wait(t, 1); len(got) != 1 || got[0] != "sms s3cret" {
			t.Errorf("sent %q", got)
		}
	}
}
