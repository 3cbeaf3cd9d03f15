package bolt

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// quickFile counts the syncs of a log, and makes none.
type quickFile struct {
	commitlog.File
	syncs *atomic.Int32
}

func (f quickFile) Sync() error { f.syncs.Add(1); return nil }

// TestLeaderGathers: callers on one processor, which a sync does not give away, get into one group
// again and again. Where the leader goes on with its next call at once, it commits alone until its
// time is over.
func TestLeaderGathers(t *testing.T) { eachPlace(t, testLeaderGathers) }

func testLeaderGathers(t *testing.T, o Options) {
	const callers, rounds = 16, 50
	var syncs atomic.Int32
	o.sizes, o.wrapLog = &stillSizes, func(f commitlog.File) commitlog.File { return quickFile{f, &syncs} }
	s := withLog(t, filepath.Join(t.TempDir(), "db"), o)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	groups := func() int32 {
		syncs.Store(0)
		s.lead() // until all of them wait
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for range rounds {
					if err := put(s, strconv.Itoa(i), "v"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		waitFor(t, func() bool { return waiting(s) == callers })
		s.queue.pass()
		wg.Wait()
		return syncs.Load()
	}
	n := groups()
	for range 4 { // where the system lets this process wait for long, leaders give it up for a while
		if n > callers*rounds/4 {
			n = min(n, groups())
		}
	}
	if n > callers*rounds/4 {
		t.Errorf("%d groups for %d calls of %d callers", n, callers*rounds, callers)
	}
	if n := s.queue.told.Load(); n != 0 {
		t.Errorf("%d calls are said to wait for their callers", n)
	}
}

// TestYieldBreaks: where others take long twice in turn, there is a break.
func TestYieldBreaks(t *testing.T) {
	var y yielder
	for i, c := range []struct {
		took time.Duration
		due  bool
	}{{time.Minute, true}, {0, true}, {time.Minute, true}, {time.Minute, false}, {time.Minute, false}, {0, true}, {time.Minute, true}} {
		if y.judge(c.took, longYield); y.due() != c.due {
			t.Errorf("%d: after %v it is due: %v", i, c.took, y.due())
		}
		if left := time.Until(y.not); !c.due && (left < 10*time.Minute || left > yieldBreak*time.Minute) {
			t.Errorf("%d: a break of %v", i, left)
		}
	}
}
