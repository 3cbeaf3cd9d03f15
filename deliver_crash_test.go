package siftdb_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
)

// outboxTCrashFile names the database to a child process of TestKillOutbox.
const outboxTCrashFile = "SIFTDB_TEST_OUTBOX_FILE"

// crashOptions have web requests go to a receiver on this machine, and tried often.
func crashOptions() *siftdb.Options {
	return &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Senders: hooks.Senders{HTTP: &http.Client{Timeout: 5 * time.Second}},
		Retry: hooks.Retry{Tries: 1000, First: time.Millisecond, Most: 20 * time.Millisecond}}}
}

// outboxWriter inserts numbers until it is killed, from four goroutines: some alone,
// some in commits over two entries, some in commits that fail. It prints a number once
// its write has returned.
func outboxWriter(path string) error {
	db, err := siftdb.Open(ctx, path, crashOptions())
	if err != nil {
		return err
	}
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	first := time.Now().UnixNano()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range int64(4) {
		wg.Go(func() {
			for n := first + w; ; n += 4 {
				text := strconv.FormatInt(n, 10)
				var err error
				switch n / 4 % 3 {
				case 0:
					_, err = ds.Insert(ctx, siftdb.M{"name": text})
				case 1:
					_, err = ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: w + 1, Data: siftdb.M{"name": text}}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}})
				case 2:
					_, err = ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"name": "rolled back " + text}}, {ID: 1, Data: siftdb.M{}, IfChanged: 1 << 40}}, RunHooks: []siftdb.EventKind{siftdb.InsertEvent}})
					if !errors.Is(err, siftdb.ErrConflict) {
						err = fmt.Errorf("a commit that must fail gives %w", err)
					} else {
						continue
					}
				}
				if err != nil {
					fmt.Println("error", err)
					return
				}
				mu.Lock()
				fmt.Println(n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// flaky is a receiver that refuses a third of what it gets, and notes all the ids under
// which it got each number.
type flaky struct {
	mu    sync.Mutex
	rng   *rand.Rand
	ids   map[string]map[string]bool // of each number
	taken map[string]bool            // numbers that it did not refuse
	calls int
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	refuse := f.rng.IntN(3) == 0
	if err == nil {
		text := string(body)
		if f.ids[text] == nil {
			f.ids[text] = map[string]bool{}
		}
		f.ids[text][req.Header.Get(hooks.DeliveryHeader)] = true
		f.taken[text] = f.taken[text] || !refuse
	}
	if refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// TestKillOutbox kills a process that writes and sends, again and again: each write that
// was acknowledged is delivered at least once, under one id; nothing is delivered of a
// write that failed, or that is not stored.
func TestKillOutbox(t *testing.T) {
	if path := os.Getenv(outboxTCrashFile); path != "" {
		if err := outboxWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	rounds := kills(20)
	if testing.Short() {
		rounds = 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := &flaky{rng: rand.New(rand.NewPCG(seed, 1)), ids: map[string]map[string]bool{}, taken: map[string]bool{}}
	server := httptest.NewServer(f)
	defer server.Close()
	path := filepath.Join(t.TempDir(), "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	ds := sending(t, db, fmt.Sprintf(`{"type":"web","runOn":["insert","update"],"payload":{"endpoint":%q,"body":"{{name}}"}}`, server.URL))
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{}`, `{}`, `{}`, `{}`), siftdb.RunHooks(false)))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	acked := map[string]bool{}
	for range rounds {
		for _, n := range killOnce(t, "TestKillOutbox", outboxTCrashFile, path, 5+time.Duration(rng.IntN(60))) {
			acked[n] = true
		}
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}}))
		if err := must[*siftdb.Report](t)(db.Check(ctx)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stored := outboxTDrained(t, path)
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range acked {
		if !f.taken[n] {
			t.Errorf("%s was acknowledged and is not delivered", n)
		}
	}
	for n, ids := range f.ids {
		if len(ids) != 1 || ids[""] {
			t.Errorf("%q came under the ids %v", n, ids)
		}
		if !stored[n] {
			t.Errorf("%q was delivered and is not stored", n)
		}
	}
	if len(acked) < rounds {
		t.Errorf("only %d writes were acknowledged in %d rounds", len(acked), rounds)
	}
	t.Logf("%d acknowledged writes, %d delivered in %d requests, %d kills", len(acked), len(f.ids), f.calls, rounds)
}

// outboxTDrained waits until nothing is left to be sent, and returns every name that any
// version has.
func outboxTDrained(t *testing.T, path string) map[string]bool {
	t.Helper()
	db := fileDB(t, path, crashOptions())
	limit := time.Now().Add(2 * time.Minute)
	for len(outboxOf(t, db)) > 0 {
		if time.Now().After(limit) {
			t.Fatalf("the outbox still holds %d deliveries", len(outboxOf(t, db)))
		}
		time.Sleep(20 * time.Millisecond)
	}
	stored := map[string]bool{}
	ds := must[*siftdb.DataSource](t)(db.DataSource(ctx, 1))
	for set, err := range ds.Changes(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range set.Changes {
			if name, ok := c.After.Get("name").(string); ok {
				stored[name] = true
			}
		}
		last := must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID
		if set.Version.ID == last {
			break
		}
	}
	return stored
}
