package siftdb_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// oddError is an error whose methods panic while it is nil.
type oddError struct{ text string }

func (e *oddError) Error() string { return e.text }

// smsFunc sends text messages.
type smsFunc func(context.Context) error

func (f smsFunc) SendSMS(ctx context.Context, _ *hooks.SMSMessage) error { return f(ctx) }

// TestErrorsThatPanic: an error of the host that panics when it is asked for its text is a
// try that failed, and nothing more; so is a clock that panics.
func TestErrorsThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		opts := r.options()
		var broken atomic.Bool
		opts.Now = func() time.Time {
			if broken.Load() {
				panic("no time")
			}
			return time.Now()
		}
		opts.Deliveries.Senders.SMS = smsFunc(func(context.Context) error {
			broken.Store(true)
			return (*oddError)(nil)
		})
		opts.Deliveries.Senders.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, (*oddError)(nil) })}
		db := memoryDB(t, opts)
		must[*siftdb.Entry](t)(sending(t, db, webInsert, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Hour)
		broken.Store(false)
		left := outboxOf(t, db)
		if len(left) != 2 || len(r.reported()) != 10 {
			t.Fatalf("left %+v, reports %+v", left, r.reported())
		}
		for _, d := range left {
			if !d.Failed() || d.Tries != 5 {
				t.Errorf("left %+v", d)
			}
		}
		if text := left[1].LastError; !strings.Contains(text, "its error panicked") {
			t.Errorf("the error is %q", text)
		}
		for _, x := range r.reported() {
			if x.Err == nil || x.Err.Error() != x.LastError {
				t.Errorf("report %+v", x)
			}
		}
	})
}

// panicking is a storage that panics while it is told to.
type panicking struct {
	storage.Storage
	now *atomic.Bool
}

func (p panicking) View(ctx context.Context, fn func(storage.Reader) error) error {
	if p.now.Load() {
		panic("at the view")
	}
	return p.Storage.View(ctx, fn)
}

func (p panicking) Update(ctx context.Context, fn func(storage.Writer) error) error {
	if p.now.Load() {
		panic("at the update")
	}
	return p.Storage.Update(ctx, fn)
}

// TestStorageThatPanics: it is one that fails, for whoever sends.
func TestStorageThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		opts := r.options()
		var now atomic.Bool
		r.fail = func(n int, _ outboxTSent) error {
			if n < 4 { // as many as one hook gets at once
				now.Store(true)
			}
			return nil
		}
		db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, panicking{memory.New(), &now}, opts))
		checked(t, db)
		must[siftdb.BulkResult](t)(sending(t, db, smsBoth).Append(ctx, people(40)))
		time.Sleep(time.Minute)
		now.Store(false)
		time.Sleep(5 * time.Minute)
		ids := map[string]bool{}
		for _, id := range r.ids() {
			ids[id] = true
		}
		if left := outboxOf(t, db); len(left) != 0 || len(ids) != 40 || len(r.ids()) != 40 {
			t.Errorf("%d sent, %d in all; left %+v", len(ids), len(r.ids()), left)
		}
	})
}

// TestUnknownOutcomeCountsOnce: a failed try that was noted without anybody knowing counts
// once. Whatever call fails, it is five tries.
func TestUnknownOutcomeCountsOnce(t *testing.T) {
	hit := 0
	for call := 1; call < 14; call++ {
		synctest.Test(t, func(t *testing.T) {
			base := memory.New()
			prepared := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, base, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}}))
			must[*siftdb.Entry](t)(sending(t, prepared, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
			faulty, faults := storagetest.Faulty(must[storage.Storage](t)(base.Fork()))
			if err := prepared.Close(); err != nil {
				t.Fatal(err)
			}
			r := newReceiver()
			r.fail = func(int, outboxTSent) error {
				time.Sleep(time.Second)
				return errRefused
			}
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, faulty, r.options()))
			checked(t, db)
			faults.Arm(storagetest.Fault{Call: call, Mode: storagetest.UnknownApplied})
			time.Sleep(2 * time.Minute)
			hit += faults.Hits()
			faults.Reopen()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			left := outboxOf(t, db)
			if len(left) != 1 || left[0].Tries != 5 || !left[0].Failed() || len(r.ids()) != 5 {
				t.Errorf("fault at %d: sent %d times, left %+v", call, len(r.ids()), left)
			}
			for i, x := range r.reported() {
				if x.Tries != i+1 || x.Final != (i == 4) {
					t.Errorf("fault at %d: report %d is %+v", call, i, x)
				}
			}
		})
	}
	if hit == 0 {
		t.Error("no call failed")
	}
}

// TestClockSetBackALittle: a pause goes on when the clock is set back by seconds, also the
// longest.
func TestClockSetBackALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.fail = func(int, outboxTSent) error { return errRefused }
		opts := r.options()
		var back atomic.Int64
		opts.Now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		opts.Deliveries.Retry.First = 10 * time.Minute
		db := memoryDB(t, opts)
		ds := sending(t, db, smsBoth)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		synctest.Wait()
		back.Store(int64(2 * time.Second))
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "b"})) // has the outbox looked at
		synctest.Wait()
		if n := len(r.ids()); n != 2 {
			t.Errorf("%d tries of two deliveries that have a pause of ten minutes", n)
		}
	})
}

// TestDroppedDuringATry: the report says so, and nothing about a next try.
func TestDroppedDuringATry(t *testing.T) {
	for name, drop := range map[string]func(db *siftdb.DB, ds *siftdb.DataSource, id string) error{
		"drop": func(db *siftdb.DB, _ *siftdb.DataSource, id string) error { return db.DropDelivery(ctx, id) },
		"purge": func(db *siftdb.DB, ds *siftdb.DataSource, _ string) error {
			return errors.Join(ds.Delete(ctx), db.Purge(ctx, ds.ID()))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			r.fail = func(int, outboxTSent) error {
				time.Sleep(5 * time.Second)
				return errRefused
			}
			db := memoryDB(t, r.options())
			ds := sending(t, db, smsBoth)
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
			time.Sleep(time.Second)
			if err := drop(db, ds, r.ids()[0]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			got := r.reported()
			if len(got) != 1 || !got[0].Dropped || !got[0].Final || !got[0].Next.IsZero() || got[0].Failed() || !errors.Is(got[0].Err, errRefused) {
				t.Errorf("%s: reports %+v", name, got)
			}
		})
	}
}

// TestShutdownLeavesDeafSenders: Shutdown does not wait for a sender that ignores its
// context, and how that ends changes nothing.
func TestShutdownLeavesDeafSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "deaf.db")
		r := newReceiver()
		opts := r.options()
		let, ended := make(chan struct{}), make(chan struct{})
		opts.Deliveries.Senders.SMS = smsFunc(func(context.Context) error {
			<-let
			close(ended)
			return nil
		})
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
		must[*siftdb.Entry](t)(sending(t, db, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
		synctest.Wait()
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		begun := time.Now()
		if err := db.Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 6*time.Second {
			t.Errorf("Shutdown returns %v after %v", err, time.Since(begun))
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		db = fileDB(t, path, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})
		close(let)
		<-ended
		synctest.Wait()
		if left := outboxOf(t, db); len(left) != 1 || left[0].Tries != 0 || len(r.reported()) != 0 {
			t.Errorf("left %+v, reports %+v", left, r.reported())
		}
	})
}

// TestShutdownTellsOfItsDeadline, also when the sender that it interrupted says that it
// has sent.
func TestShutdownTellsOfItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "deadline.db")
		r := newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.SMS = smsFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
		must[*siftdb.Entry](t)(sending(t, db, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
		synctest.Wait()
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := db.Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) || len(r.reported()) != 1 || r.reported()[0].Err != nil {
			t.Errorf("Shutdown returns %v; reports %+v", err, r.reported())
		}
		if left := outboxOf(t, fileDB(t, path, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
	})
}
