package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result is one operation on one store.
type result struct {
	Op    string
	Time  time.Duration `json:",omitempty"` // the median of one operation
	Rate  float64       `json:",omitempty"` // a second, for operations that are told so
	P99   time.Duration `json:",omitempty"` // of the reads in a mix
	Wrong string        `json:",omitempty"` // what was wrong with an answer
}

// effort says how long is measured.
type effort struct {
	reps  int           // of each operation at least
	least time.Duration // on each operation, as long as it has been repeated 31 times at most
	spell time.Duration // of a repetition of inserts, and a fifth of the mix
	limit int           // inserts in a repetition at most
}

var (
	full  = effort{reps: 5, least: time.Second, spell: time.Second, limit: 4000}
	quick = effort{reps: 2, least: 0, spell: 20 * time.Millisecond, limit: 40}
)

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// repeat times an operation: once to warm up, then as the effort says. fn returns what is
// wrong with the answer.
func (e effort) repeat(op string, fn func() (string, error)) (result, error) {
	runtime.GC()
	r := result{Op: op}
	var times []time.Duration
	for begin := time.Now(); ; {
		t := time.Now()
		wrong, err := fn()
		took := time.Since(t)
		if err != nil {
			return r, fmt.Errorf("%s: %w", op, err)
		}
		if r.Wrong == "" {
			r.Wrong = wrong
		}
		if times == nil {
			times = []time.Duration{} // that was the warm-up
			begin = time.Now()
			continue
		}
		times = append(times, took)
		spent := time.Since(begin)
		if spent > 20*time.Second || len(times) >= e.reps && (spent > e.least || len(times) == 31) {
			r.Time = median(times)
			return r, nil
		}
	}
}

// small times an operation of microseconds, in batches.
func (e effort) small(op string, fn func() (string, error)) (result, error) {
	wrongs := ""
	batch := func(n int) (time.Duration, error) {
		t := time.Now()
		for range n {
			wrong, err := fn()
			if err != nil {
				return 0, fmt.Errorf("%s: %w", op, err)
			}
			if wrongs == "" {
				wrongs = wrong
			}
		}
		return time.Since(t) / time.Duration(n), nil
	}
	runtime.GC()
	one, err := batch(50)
	if err != nil {
		return result{}, err
	}
	size := int(max(1, min(e.spell/10/max(one, 1), 100_000)))
	var times []time.Duration
	for range e.reps + 2 {
		t, err := batch(size)
		if err != nil {
			return result{}, err
		}
		times = append(times, t)
	}
	return result{Op: op, Time: median(times), Wrong: wrongs}, nil
}

// inserts times single durable inserts from several goroutines, from row next on, and
// returns the first row that was not inserted.
func (e effort) inserts(op string, insert func(row) error, writers int, next int64) (result, int64, error) {
	runtime.GC()
	var times []time.Duration
	for range e.reps + 1 {
		pool := make([]row, e.limit)
		for i := range pool {
			pool[i] = row{next + int64(i), encode(bookAt(next + int64(i)))}
		}
		var taken, failed atomic.Int64
		var err error
		begin := time.Now()
		parallel(writers, func(int) {
			for time.Since(begin) < e.spell && failed.Load() == 0 {
				i := taken.Add(1) - 1
				if i >= int64(len(pool)) {
					return
				}
				if fault := insert(pool[i]); fault != nil && failed.Add(1) == 1 {
					err = fault
				}
			}
		})
		took := time.Since(begin)
		if err != nil {
			return result{}, next, fmt.Errorf("%s: %w", op, err)
		}
		done := min(taken.Load(), int64(len(pool)))
		next += done
		times = append(times, took/time.Duration(done))
	}
	t := median(times[1:])
	return result{Op: op, Time: t, Rate: float64(time.Second) / float64(t)}, next, nil
}

// parallel runs fn in n goroutines and waits for them.
func parallel(n int, fn func(k int)) {
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { fn(k) })
	}
	wg.Wait()
}

// fsyncProbe is the median time of a 4 KiB overwrite and fsync, which tells a slow disk from
// a slow engine.
func fsyncProbe(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		return 0, err
	}
	var times []time.Duration
	for i := range 100 {
		t := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), int64(i%256)*4096); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(t))
	}
	return median(times), nil
}

// anonymous watches the anonymous memory of this process, where the system tells it, and
// returns how much it grew by at most.
func anonymous() (peak func() int64) {
	first := anonymousNow()
	most, stop, done := first, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, anonymousNow())
			case <-stop:
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return most - first
	}
}

func anonymousNow() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
