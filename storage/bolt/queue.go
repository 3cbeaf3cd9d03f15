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
	if !q.leader.yield(&q.told) {
		return nil
	}
	return q.take()
}

// pauses returns a function for somebody who works for long while calls go on, to be called now and
// then: it lets callers run who wait for a processor, maybe behind this work.
func (q *queue) pauses() func() {
	const work = time.Millisecond
	var own yielder
	last := time.Now()
	return func() {
		if time.Since(last) >= work && own.yield(&q.told) {
			last = time.Now()
		}
	}
}

// yielder lets others run. Where they are many, or work for long, it takes until its turn comes again.
// If that is longer than callers need who were waited for, and not only once, it does without for so
// many times as long, so as to lose little by it.
type yielder struct {
	slow bool      // the last one took long
	not  time.Time // before this
}

const (
	callerTurn = 500 * time.Microsecond
	yieldBreak = 32
)

// yield lets others run if there are callers among them, and reports whether it has.
func (y *yielder) yield(callers *atomic.Int32) bool {
	before, from := callers.Load(), time.Now()
	if before == 0 || from.Before(y.not) {
		return false
	}
	runtime.Gosched()
	took, ran := time.Since(from), max(0, before-callers.Load())
	slow := took > time.Duration(1+ran)*callerTurn
	if slow && y.slow {
		y.not = from.Add((1 + yieldBreak) * took)
	}
	y.slow = slow
	return true
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
