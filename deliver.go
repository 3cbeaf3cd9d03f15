package siftdb

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// outbox sends what hooks deliver. All that is to be sent is in the storage; here is only
// what is under way. It begins with the first delivery, or when the database is opened
// and there are some, and ends with the database.
type outbox struct {
	mu      sync.Mutex
	begun   bool
	stopped bool          // nothing new is begun
	poke    chan struct{} // tells that there may be something to do
	stop    chan struct{} // closed when stopped
	ctx     context.Context
	cut     context.CancelFunc // ends what is under way
	left    chan struct{}      // closed when tries are left to themselves that do not end
	wg      sync.WaitGroup

	interrupted atomic.Bool // a try was

	tries  map[layout.DeliveryID]laneOf // under way
	broken map[layout.DeliveryID]bool   // that cannot be read
	lanes  map[laneOf]laneState
	turn   int64 // of the last try that was begun
}

// laneOf is a hook, which has a share of what may be under way.
type laneOf struct{ source, hook int64 }

// laneState is what is known of a lane, which may be forgotten.
type laneState struct {
	turn     int64 // of its last try; 0 for none
	troubled bool  // its last try failed
}

// maxIdleLanes is how many lanes are known that have nothing to send.
const maxIdleLanes = 1000

// init makes an outbox ready for use.
func (o *outbox) init() {
	o.poke, o.stop, o.left = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	o.ctx, o.cut = context.WithCancel(context.Background())
	o.tries, o.broken = make(map[layout.DeliveryID]laneOf), make(map[layout.DeliveryID]bool)
	o.lanes = make(map[laneOf]laneState)
}

// news tells that something was put into the outbox.
func (o *outbox) news(db *DB) {
	o.begin(db)
	o.wake()
}

// begin begins to send, unless that has begun, or is not wanted.
func (o *outbox) begin(db *DB) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun || o.stopped || db.opts.Deliveries.Off || db.opts.ReadOnly {
		return
	}
	o.begun = true
	own := &DB{core: db.core} // trusted, and nobody's
	o.wg.Go(func() { own.deliver() })
}

func (o *outbox) wake() {
	select {
	case o.poke <- struct{}{}:
	default:
	}
}

// halt begins nothing any more.
func (o *outbox) halt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.stopped {
		o.stopped = true
		close(o.stop)
	}
}

// close begins nothing any more, and waits for what is under way, unless that is left.
func (o *outbox) close() {
	o.halt()
	over := make(chan struct{})
	go func() {
		o.wg.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-o.left:
		o.interrupted.Store(true)
	}
	o.cut()
}

// grace is how long tries have to end after their contexts have.
const grace = time.Second

// interrupt ends the contexts of what is under way, and leaves after a while what does
// not end. over tells that nobody waits for it any more.
func (o *outbox) interrupt(over <-chan struct{}) {
	o.mu.Lock()
	if len(o.tries) > 0 {
		o.interrupted.Store(true)
	}
	o.mu.Unlock()
	o.cut()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.isLeft() {
			close(o.left)
		}
	}
}

func (o *outbox) isLeft() bool {
	select {
	case <-o.left:
		return true
	default:
		return false
	}
}

// deliver begins tries until the outbox is closed.
func (db *DB) deliver() {
	o := &db.outbox
	var pause backoff
	for !o.isStopped() {
		wait, err := db.beginTries()
		poke := o.poke
		if err != nil { // of the storage; what is new does not make it better
			wait, poke = pause.next(), nil
		} else {
			pause = backoff{}
		}
		o.wait(wait, poke)
	}
}

// wait waits for a poke, for a time unless that is 0, or for the end.
func (o *outbox) wait(d time.Duration, poke <-chan struct{}) {
	var due <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-poke:
	case <-due:
	case <-o.stop:
	}
}

func (o *outbox) isStopped() bool {
	select {
	case <-o.stop:
		return true
	default:
		return false
	}
}

// backoff is a pause that grows while the storage fails.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, 100*time.Millisecond), time.Minute)
	return b.last
}

// beginTries begins as many tries as may be under way. It returns how long nothing
// else is due; 0 when something else has to happen first.
func (db *DB) beginTries() (wait time.Duration, err error) {
	defer recovered(&err)
	o := &db.outbox
	c := db.chooser() // before the snapshot: what ends meanwhile is not begun again
	if c.room <= 0 {
		return 0, nil // the end of a try wakes
	}
	var list []*layout.Delivery
	err = db.view(o.ctx, func(r storage.Reader) (err error) {
		if err = c.gather(r); err == nil {
			list, err = c.choose(r)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range c.damaged {
		o.broken[id] = true
	}
	if len(c.damaged) > 0 {
		o.wake() // there may be something behind them
	}
	if len(o.lanes) > 2*len(c.lanes)+maxIdleLanes {
		clear(o.lanes)
	}
	for _, d := range list {
		if o.stopped {
			return 0, nil
		}
		lane := laneOf{d.Source, d.Hook}
		o.turn++
		o.lanes[lane] = laneState{o.turn, o.lanes[lane].troubled}
		o.tries[d.ID] = lane
		o.wg.Go(func() { db.try(d) })
	}
	return time.Duration(min(c.wait, time.Hour.Milliseconds())) * time.Millisecond, nil
}

// fared notes how the last try of a lane ended.
func (o *outbox) fared(d *layout.Delivery, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := laneOf{d.Source, d.Hook}
	o.lanes[lane] = laneState{o.lanes[lane].turn, err != nil}
}

// recovered makes a panic of the host's code, such as its storage, an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = errs.New(errs.Internal, "a delivery panicked: %v", r)
	}
}

// deliveryClock is the clock that says what is due: the host's, or the system's while
// that one panics.
func (db *DB) deliveryClock() (ms int64) {
	ms = time.Now().UnixMilli()
	defer func() { _ = recover() }()
	return db.opts.Now().UnixMilli()
}
