package siftdb_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
)

// hanging makes data sources whose hooks have a receiver that hangs, each with much to send.
func hanging(t *testing.T, db *siftdb.DB, n int) {
	t.Helper()
	for range n {
		must[siftdb.BulkResult](t)(sending(t, db, webInsert).Append(ctx, people(100)))
	}
}

// TestHangingHooks: however many receivers hang, those that do not get what is for them.
func TestHangingHooks(t *testing.T) {
	for _, n := range []int{1, 2, 8, 16} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver()
			opts := r.options()
			opts.Deliveries.Concurrency, opts.Deliveries.Retry = n, hooks.Retry{Tries: 1000}
			var mu sync.Mutex
			now, most := 0, 0
			opts.Deliveries.Senders.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(10 * time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				return nil, errRefused
			})}
			db := memoryDB(t, opts)
			hanging(t, db, 2*n)
			time.Sleep(time.Second)
			quick := sending(t, db, smsBoth)
			wait := func(what string) time.Duration {
				begun := time.Now()
				must[*siftdb.Entry](t)(quick.Insert(ctx, siftdb.M{"name": what}))
				for len(r.ids()) == 0 && time.Since(begun) < time.Hour {
					time.Sleep(time.Second / 10)
				}
				r.drain()
				return time.Since(begun)
			}
			first := wait("before it is known who hangs")
			time.Sleep(time.Minute)
			mu.Lock()
			most = 0
			mu.Unlock()
			longest := time.Duration(0)
			for i := range 20 {
				longest = max(longest, wait(fmt.Sprint(i)))
				time.Sleep(3 * time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%d at once: the first one waits %v, others up to %v", n, first, longest)
			if limit := map[bool]time.Duration{true: 25 * time.Second, false: time.Second}[n == 1]; first > 45*time.Second || longest > limit || most > max(1, n/2) {
				t.Errorf("%d at once: the first one waits %v, others up to %v; of those that hang %d are tried at once", n, first, longest, most)
			}
		})
	}
}

// TestLanesTakeTurns: where there is room for one try only, a hook with much to send does
// not hold up one with little.
func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.fail = func(int, outboxTSent) error {
			time.Sleep(time.Second)
			return nil
		}
		opts := r.options()
		opts.Deliveries.Concurrency = 1
		db := memoryDB(t, opts)
		much, little := sending(t, db, smsBoth), sending(t, db, mailBoth)
		must[siftdb.BulkResult](t)(much.Append(ctx, people(100)))
		time.Sleep(time.Second / 2)
		must[*siftdb.Entry](t)(little.Insert(ctx, siftdb.M{"name": "a"}))
		time.Sleep(2 * time.Second)
		if got := strings.Join(r.drain(), ", "); !strings.Contains(got, "email a") {
			t.Errorf("sent %s", got)
		}
	})
}
