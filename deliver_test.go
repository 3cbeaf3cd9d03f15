package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
)

// TestDeliveryRetries: a delivery is tried again after 1, 2, 4 and 8 seconds, always
// under one id, and given up after five tries; then it is listed, retried, sent.
func TestDeliveryRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		var broken atomic.Bool
		broken.Store(true)
		r.fail = func(int, outboxTSent) error {
			if broken.Load() {
				return errRefused
			}
			return nil
		}
		db := memoryDB(t, r.options())
		ds := sending(t, db, smsBoth)
		e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		begun := time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		var pauses []string
		for i, s := range r.sendings() {
			pauses = append(pauses, s.at.Sub(begun).String())
			if s.id != r.sendings()[0].id {
				t.Errorf("try %d has the id %s, the first %s", i, s.id, r.sendings()[0].id)
			}
		}
		if diff := cmp.Diff([]string{"0s", "1s", "3s", "7s", "15s"}, pauses); diff != "" {
			t.Error(diff)
		}
		for i, x := range r.reported() {
			if x.ID != r.sendings()[0].id || x.Tries != i+1 || x.Final != (i == 4) || !errors.Is(x.Err, errRefused) || x.EntryID != e.ID || x.Hook != 0 || x.Type != hooks.SMS || x.Version != e.Changed {
				t.Errorf("report %d: %+v", i, x)
			}
		}
		left := outboxOf(t, db)
		if len(left) != 1 || !left[0].Failed() || left[0].Tries != 5 || left[0].LastError != errRefused.Error() || left[0].Target != "+1" || !left[0].Next.IsZero() || left[0].FailedAt.Sub(begun) != 15*time.Second {
			t.Fatalf("listed %+v", left)
		}
		broken.Store(false)
		if err := db.RetryDelivery(ctx, left[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ids := r.ids(); len(ids) != 6 || ids[5] != left[0].ID || len(outboxOf(t, db)) != 0 {
			t.Errorf("sent %v, left %v", ids, outboxOf(t, db))
		}
		if x := r.reported()[5]; x.Err != nil || x.Final || x.Tries != 1 {
			t.Errorf("the last report is %+v", x)
		}

		// One that waits can be tried at once, or dropped.
		broken.Store(true)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "b"}))
		synctest.Wait()
		left = outboxOf(t, db)
		if err := db.RetryDelivery(ctx, left[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if now := outboxOf(t, db); len(now) != 1 || now[0].Tries != 2 || now[0].Next.Sub(now[0].LastTry) != 2*time.Second {
			t.Errorf("listed %+v", now)
		}
		if err := db.DropDelivery(ctx, left[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := len(r.ids()); n != 8 {
			t.Errorf("%d tries", n)
		}
	})
}

// TestDeliveryPolicy: tries and pauses are as the host wants them, and what nobody can
// send fails at the first try.
func TestDeliveryPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.fail = func(int, outboxTSent) error { return errRefused }
		opts := r.options()
		opts.Deliveries.Retry = hooks.Retry{Tries: 3, First: time.Minute, Most: 90 * time.Second}
		opts.Deliveries.Senders.Email = nil
		db := memoryDB(t, opts)
		ds := sending(t, db, mailBoth, smsBoth)
		begun := time.Now()
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Hour)
		var pauses []string
		for _, s := range r.sendings() {
			pauses = append(pauses, s.at.Sub(begun).String())
		}
		if diff := cmp.Diff([]string{"0s", "1m0s", "2m30s"}, pauses); diff != "" {
			t.Error(diff)
		}
		left := outboxOf(t, db)
		if len(left) != 2 || left[0].Type != hooks.Email || left[0].Tries != 1 || !strings.Contains(left[0].LastError, "no sender of email") || left[1].Tries != 3 || !left[0].Failed() || !left[1].Failed() {
			t.Errorf("listed %+v", left)
		}
	})
	for _, bad := range []siftdb.DeliveryOptions{{Concurrency: -1}, {Timeout: -1}, {Retry: hooks.Retry{Tries: -1}}} {
		if _, err := siftdb.OpenMemory(&siftdb.Options{Deliveries: bad}); !isInvalid(err) {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
}

// TestDeliveryClock: what is due goes by the clock of the options, and one that is set
// back holds nothing up for longer than the longest pause.
func TestDeliveryClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.fail = func(n int, _ outboxTSent) error {
			if n < 2 {
				return errRefused
			}
			return nil
		}
		opts := r.options()
		var ahead atomic.Int64
		opts.Now = func() time.Time { return time.Unix(1e9, 0).Add(time.Duration(ahead.Load())) } // stands still
		db := memoryDB(t, opts)
		ds := sending(t, db, smsBoth)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Minute)
		if n := len(r.ids()); n != 1 {
			t.Fatalf("%d tries while the clock stands still", n)
		}
		ahead.Store(int64(time.Second))
		time.Sleep(2 * time.Second)
		if n := len(r.ids()); n != 2 {
			t.Fatalf("%d tries after a second", n)
		}
		ahead.Store(int64(-time.Hour))
		time.Sleep(time.Minute)
		if n := len(r.ids()); n != 3 || len(outboxOf(t, db)) != 0 {
			t.Fatalf("%d tries after the clock was set back", n)
		}
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "b"}))
		synctest.Wait()
		if n := len(r.ids()); n != 4 {
			t.Errorf("what is written under a clock that was set back waits")
		}
	})
}

// TestDeliveriesSurvive: what is pending when a file is closed is sent when it is
// opened, under the same id; also what was kept while deliveries were off.
func TestDeliveriesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	r := newReceiver()
	opts := r.options()
	opts.Deliveries.Off = true
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
	ds := sending(t, db, webInsert, smsBoth)
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
	kept := outboxOf(t, db)
	if err := db.Close(); err != nil || len(kept) != 2 || len(r.sendings()) != 0 {
		t.Fatal(err, kept, r.sendings())
	}
	ro := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: true, Deliveries: r.options().Deliveries}))
	if now := outboxOf(t, ro); len(now) != 2 || errors.Is(ro.RetryDelivery(ctx, now[0].ID), nil) {
		t.Errorf("read-only: %v", now)
	}
	if err := ro.Close(); err != nil || len(r.sendings()) != 0 {
		t.Fatal(err, r.sendings())
	}

	opts = r.options()
	opts.Deliveries.Retry.First = time.Hour
	r.fail = func(int, outboxTSent) error { return errRefused }
	db = must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
	r.until(t, "two tries", func() bool { return len(r.reports) == 2 })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{kept[0].ID, kept[1].ID}, r.ids()); diff != "" {
		t.Error(diff)
	}
	r.drain()

	r.fail = nil
	opts.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	db = fileDB(t, path, opts)
	r.until(t, "two tries", func() bool { return len(r.reports) == 2 })
	if x := r.reported()[0]; x.Tries != 2 || x.Err != nil || len(outboxOf(t, db)) != 0 {
		t.Errorf("after the restart: %+v", x)
	}
	ids := r.ids()
	if slices.Sort(ids); !slices.Equal(ids, []string{kept[0].ID, kept[1].ID}) { // other tries are in no order
		t.Errorf("sent %v", ids)
	}
}

// stuck sends text messages that wait until they are let go, or until their context ends.
type stuck struct {
	begun, let chan struct{}
	ended      atomic.Int64
}

func newStuck() *stuck { return &stuck{begun: make(chan struct{}, 100), let: make(chan struct{})} }

func (s *stuck) SendSMS(ctx context.Context, _ *hooks.SMSMessage) error {
	s.begun <- struct{}{}
	defer s.ended.Add(1)
	select {
	case <-s.let:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestCloseWaits: Close waits for a try that has begun, and begins no other.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "close.db")
		s, r := newStuck(), newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.SMS, opts.Deliveries.Concurrency = s, 1
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
		ds := sending(t, db, smsBoth)
		must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"a"}`, `{"name":"b"}`)))
		<-s.begun
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close returns while something is sent: %v", err)
		default:
		}
		close(s.let)
		if err := <-closed; err != nil || s.ended.Load() != 1 || len(r.reported()) != 1 || r.reported()[0].Err != nil {
			t.Fatal(err, s.ended.Load(), r.reported())
		}
		db = fileDB(t, path, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})
		if left := outboxOf(t, db); len(left) != 1 || left[0].Tries != 0 {
			t.Errorf("left %+v", left)
		}
	})
}

// TestShutdownInterrupts: what Shutdown interrupts does not count, and is sent later.
func TestShutdownInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "shutdown.db")
		s, r := newStuck(), newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.SMS = s
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
		ds := sending(t, db, smsBoth)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		<-s.begun
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		begun := time.Now()
		if err := db.Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 5*time.Second || s.ended.Load() != 1 {
			t.Errorf("Shutdown returns %v after %v, %d ended", err, time.Since(begun), s.ended.Load())
		}
		if len(r.reported()) != 1 || r.reported()[0].Final || !errors.Is(r.reported()[0].Err, context.Canceled) {
			t.Errorf("reports %+v", r.reported())
		}
		if _, err := ds.Insert(ctx, siftdb.M{}); !errors.Is(err, siftdb.ErrClosed) || db.Close() != nil {
			t.Errorf("after Shutdown an insert gives %v", err)
		}
		close(s.let)
		db = must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
		<-s.begun
		synctest.Wait()
		if left := outboxOf(t, db); len(left) != 0 || r.reported()[1].Tries != 1 {
			t.Errorf("left %+v, reports %+v", left, r.reported())
		}
		if err := db.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowSenders: a sender that takes too long is told so, and fails.
func TestSlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newStuck(), newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.SMS, opts.Deliveries.Retry.Tries = s, 1
		db := memoryDB(t, opts)
		begun := time.Now()
		must[*siftdb.Entry](t)(sending(t, db, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Hour)
		if left := outboxOf(t, db); len(left) != 1 || left[0].LastError != context.DeadlineExceeded.Error() || left[0].FailedAt.Sub(begun) != 30*time.Second {
			t.Errorf("left %+v", left)
		}
	})
}

// panicky does what no sender should.
type panicky struct{ n atomic.Int64 }

func (p *panicky) SendSMS(context.Context, *hooks.SMSMessage) error {
	switch p.n.Add(1) {
	case 1:
		panic("at the disco")
	case 2:
		runtime.Goexit()
	}
	return nil
}

// TestPanickingSenders: a panic of the host's code is a try that failed, and nothing
// more; one of its report is nothing.
func TestPanickingSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.SMS = new(panicky)
		opts.Deliveries.Senders.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { panic("x") })}
		opts.Deliveries.Report = func(x siftdb.DeliveryReport) {
			r.report(x)
			panic("and again")
		}
		db := memoryDB(t, opts)
		must[*siftdb.Entry](t)(sending(t, db, smsBoth).Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Minute)
		var got []string
		for _, x := range r.reported() {
			got = append(got, fmt.Sprint(x.Tries, " ", x.LastError))
		}
		if diff := cmp.Diff([]string{"1 the sender of sms panicked: at the disco", "2 the sender of sms ended its goroutine", "3 "}, got); diff != "" {
			t.Error(diff)
		}
		must[*siftdb.Entry](t)(sending(t, db, webInsert).Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(time.Minute)
		if left := outboxOf(t, db); len(left) != 1 || left[0].Tries != 5 || !left[0].Failed() {
			t.Errorf("left %+v", left)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestForkSendsNothingOfItsOrigin: what the origin has to send it alone sends; the fork
// sends what is written to it.
func TestForkSendsNothingOfItsOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		var broken atomic.Bool
		broken.Store(true)
		r.fail = func(int, outboxTSent) error {
			if broken.Load() {
				return errRefused
			}
			return nil
		}
		db := memoryDB(t, r.options())
		ds := sending(t, db, smsBoth)
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
		synctest.Wait()
		fork := must[*siftdb.DB](t)(db.Fork())
		checked(t, fork)
		if here, there := outboxOf(t, db), outboxOf(t, fork); len(here) != 1 || len(there) != 0 {
			t.Errorf("the origin holds %v, the fork %v", here, there)
		}
		broken.Store(false)
		must[*siftdb.Entry](t)(must[*siftdb.DataSource](t)(fork.DataSource(ctx, ds.ID())).Insert(ctx, siftdb.M{"name": "of the fork"}))
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"sms a", "sms of the fork", "sms a"}, r.drain()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOneSlowHook: a receiver that hangs holds up neither other hooks nor other data
// sources; and never are there more tries at once than allowed.
func TestOneSlowHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		opts := r.options()
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		opts.Deliveries.Concurrency = 8
		opts.Deliveries.Senders.HTTP = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			for _, k := range []string{req.Host, "all"} {
				now[k]++
				most[k] = max(most[k], now[k])
			}
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				now[req.Host]--
				now["all"]--
			}()
			if req.Host == "slow.example" {
				time.Sleep(9 * time.Second)
				return nil, errRefused
			}
			return r.RoundTrip(req)
		})}
		db := memoryDB(t, opts)
		slow := sending(t, db, strings.ReplaceAll(webInsert, "hook.example", "slow.example"))
		quick := sending(t, db, webInsert, smsBoth)
		var rows []any
		for i := range 200 {
			rows = append(rows, siftdb.M{"name": fmt.Sprintf("%03d", i)})
		}
		must[siftdb.BulkResult](t)(slow.Append(ctx, rows))
		must[siftdb.BulkResult](t)(quick.Append(ctx, rows))
		time.Sleep(time.Second)
		got := r.drain()
		if len(got) != 400 {
			t.Fatalf("%d of 400 are sent beside a receiver that hangs", len(got))
		}
		mu.Lock()
		defer mu.Unlock()
		if most["slow.example"] != 2 || most["all"] > 8 {
			t.Errorf("at most %v at once", most)
		}
	})
}

// TestDeliveryOrder: one after the other where one may be under way; and what one entry
// sends in one write always, in the order of the hooks.
func TestDeliveryOrder(t *testing.T) {
	for _, concurrency := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			r.fail = func(int, outboxTSent) error {
				time.Sleep(time.Second)
				return nil
			}
			opts := r.options()
			opts.Deliveries.Concurrency = concurrency
			db := memoryDB(t, opts)
			ds := sending(t, db, smsBoth, webInsert, mailBoth, smsBoth)
			must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"a"}`, `{"name":"b"}`)))
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "c"}))
			time.Sleep(time.Minute)
			got := r.drain()
			if concurrency == 1 {
				want := []string{}
				for _, name := range []string{"a", "b", "c"} {
					want = append(want, "sms "+name, "web new "+name, "email "+name, "sms "+name)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
			for _, name := range []string{"a", "b", "c"} {
				var kinds []string
				for _, s := range got {
					if strings.HasSuffix(s, " "+name) {
						kinds = append(kinds, strings.Fields(s)[0])
					}
				}
				if diff := cmp.Diff([]string{"sms", "web", "email", "sms"}, kinds); diff != "" {
					t.Errorf("%d at once, entry %s: %s", concurrency, name, diff)
				}
			}
		})
	}
}

// TestHookBehindAnother: a hook does not wait for long for the one before it.
func TestHookBehindAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		opts := r.options()
		opts.Deliveries.Senders.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			time.Sleep(9 * time.Second)
			return nil, errRefused
		})}
		db := memoryDB(t, opts)
		ds := sending(t, db, webInsert, smsBoth)
		must[siftdb.BulkResult](t)(ds.Append(ctx, people(100)))
		time.Sleep(5 * time.Second)
		if n := len(r.ids()); n != 0 {
			t.Errorf("%d are sent before the hook in front was tried", n)
		}
		time.Sleep(15 * time.Second)
		if n := len(r.ids()); n < 90 { // all but those whose first hook is being tried
			t.Errorf("%d of 100 are sent beside a hook whose receiver hangs", n)
		}
	})
}
