package bolt

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siftdb/siftdb/storage"
)

// queue holds the Updates that wait, in the order of their calls. One caller at
// a time leads: it takes waiting calls, runs and commits them, and passes the
// lead on to the next that waits. So there is no goroutine in the background,
// and a caller that is alone leads at once.
type queue struct {
	mu      sync.Mutex
	waiting []*call
	led     bool
	told    atomic.Int32 // calls that have a result, and whose callers have not run since
	leader  yielder      // the leader's
}

// call is one Update.
type call struct {
	ctx  context.Context
	fn   func(storage.Writer) error
	err  error         // the result, once woken and not leading
	wake chan struct{} // closed when the call is done, or is to lead
	lead bool          // the call is to lead; guarded by queue.mu until woken
	late bool          // its context had ended when a leader took it

	alone bool // it leads, and takes nobody along
}

func newCall(ctx context.Context, fn func(storage.Writer) error) *call {
	return &call{ctx: ctx, fn: fn, wake: make(chan struct{})}
}

// join puts c in line and reports whether it is to lead at once. Otherwise it
// will be woken.
func (q *queue) join(c *call) (lead bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
	if q.led {
		return false
	}
	q.led = true
	c.lead = true
	return true
}

// take takes the call that waited longest, nil when none waits, or when it is one that
// has to lead.
func (q *queue) take() *call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.waiting[0].alone {
		return nil
	}
	c := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return c
}

// gather takes a call as take does, where none waits: it lets those run who have a result and have
// not seen it, since most of them come back with another call. A leader that goes on without them
// keeps its processor while they wait for one, and where the other processors are busy as well, its
// group is its own call again and again.
func (q *queue) gather() *call {
	before := q.told.Load()
	if before == 0 || !q.leader.due() {
		return nil
	}
	took := q.leader.yield()
	ran := max(0, before-q.told.Load())
	q.leader.judge(took, longYield+time.Duration(ran)*longYield/8)
	return q.take()
}

// yielder lets others run. Where they are many, or work for long, it takes until its turn comes again.
// If it takes long twice in turn there is a break of so many times as long, so that little is lost by
// it.
type yielder struct {
	slow bool      // the last one took long
	not  time.Time // before this
}

const (
	longYield  = 2 * time.Millisecond
	yieldBreak = 16
)

// due reports whether there is no break.
func (y *yielder) due() bool { return y.not.IsZero() || !time.Now().Before(y.not) }

// yield returns after how long it goes on.
func (y *yielder) yield() time.Duration {
	from := time.Now()
	runtime.Gosched()
	return time.Since(from)
}

// pause is for who works for long while calls go on, to be called now and then: it lets callers run
// who wait for a processor, maybe behind this work.
func (y *yielder) pause() {
	if y.due() {
		y.judge(y.yield(), longYield)
	}
}

// judge tells how long a yield took, and at most should have.
func (y *yielder) judge(took, most time.Duration) {
	slow := took > most
	if y.not = (time.Time{}); slow && y.slow {
		y.not = time.Now().Add(yieldBreak * took)
	}
	y.slow = slow
}

// withdraw takes c out of the line, and reports false when it is too late: a
// leader has it, or it is to lead.
func (q *queue) withdraw(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, c)
	if i < 0 || c.lead {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// remove takes c, which leads, out of the line.
func (q *queue) remove(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, c); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// giveBack puts taken calls back to the head of the line.
func (q *queue) giveBack(calls []*call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.Insert(q.waiting, 0, calls...)
}

// pass ends the lead and wakes the next leader.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.led = len(q.waiting) > 0; q.led {
		next := q.waiting[0]
		next.lead = true
		close(next.wake)
	}
}
