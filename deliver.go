package siftdb

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	wg      sync.WaitGroup

	interrupted atomic.Bool // a try was

	tries  map[layout.DeliveryID]laneOf // under way
	broken map[layout.DeliveryID]bool   // that cannot be read
}

// laneOf is a hook, which has a share of what may be under way.
type laneOf struct{ source, hook int64 }

// init makes an outbox ready for use.
func (o *outbox) init() {
	o.poke, o.stop = make(chan struct{}, 1), make(chan struct{})
	o.ctx, o.cut = context.WithCancel(context.Background())
	o.tries, o.broken = make(map[layout.DeliveryID]laneOf), make(map[layout.DeliveryID]bool)
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

// close begins nothing any more, and waits for what is under way.
func (o *outbox) close() {
	o.mu.Lock()
	if !o.stopped {
		o.stopped = true
		close(o.stop)
	}
	o.mu.Unlock()
	o.wg.Wait()
	o.cut()
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
	for _, d := range list {
		if o.stopped {
			return 0, nil
		}
		o.tries[d.ID] = laneOf{d.Source, d.Hook}
		o.wg.Go(func() { db.try(d) })
	}
	return time.Duration(c.wait) * time.Millisecond, nil
}

// chooser chooses what is tried next, on one snapshot.
type chooser struct {
	now   int64
	most  int64 // the longest pause; what is due later was noted by another clock
	room  int   // how many tries may be begun
	share int   // how many a lane may have
	far   int   // how far a lane is looked at
	skip  map[layout.DeliveryID]bool
	lanes map[laneOf]int
	due   []layout.Due
	wait  int64 // until something else is due; 0 for never

	damaged []layout.DeliveryID
}

// chooser returns one that knows what is under way.
func (db *DB) chooser() *chooser {
	o := &db.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	n := db.opts.Deliveries.Concurrency
	c := &chooser{now: db.opts.Now().UnixMilli(), most: db.opts.Deliveries.Retry.Most.Milliseconds(), room: n - len(o.tries),
		share: max(1, n/4), skip: maps.Clone(o.broken), lanes: make(map[laneOf]int)}
	for id, lane := range o.tries {
		c.skip[id] = true
		c.lanes[lane]++
	}
	c.far = 2*n + len(c.skip)
	return c
}

// gather finds the first places of every lane that are due.
func (c *chooser) gather(r storage.Reader) error {
	for from := []byte{0}; from != nil; {
		var first layout.Due
		n := 0
		cur := r.Scan(layout.Dues, from, nil, false)
		for key, _, ok := cur.Next(); ok && n < c.far; key, _, ok = cur.Next() {
			u, ok := layout.ParseDue(key)
			if !ok || n > 0 && (u.Source != first.Source || u.Hook != first.Hook) {
				break
			}
			if n++; n == 1 {
				first = u
			}
			if !c.take(u) {
				break
			}
		}
		if err := cur.Err(); err != nil || n == 0 {
			return err
		}
		from = first.LaneEnd()
	}
	return nil
}

// take notes a place if it is due, and reports whether one behind it may be.
func (c *chooser) take(u layout.Due) bool {
	left := u.Time - c.now
	if left > 0 && left <= c.most {
		c.look(left)
		return false
	}
	if !c.skip[u.ID] {
		c.due = append(c.due, u)
	}
	return true
}

// patience is how long a delivery waits for the first try of the one before it.
const patience = 10 * time.Second

// choose reads what is to be tried. What one entry sends in one write is tried in the
// order of the hooks, and no hook gets more than its share.
func (c *chooser) choose(r storage.Reader) (list []*layout.Delivery, err error) {
	slices.SortFunc(c.due, func(a, b layout.Due) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Commit, b.Commit), slices.Compare(a.ID[:], b.ID[:]))
	})
	for _, u := range c.due {
		if len(list) == c.room {
			break
		}
		lane := laneOf{u.Source, u.Hook}
		if c.lanes[lane] >= c.share {
			continue
		}
		d, err := layout.FindDelivery(r, u.Source, u.ID)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return nil, err
		}
		if d == nil { // damage, of which Check tells
			c.damaged = append(c.damaged, u.ID)
			continue
		}
		waits, err := c.waits(r, d)
		if err != nil {
			return nil, err
		}
		if waits {
			continue
		}
		c.lanes[lane]++
		d.Payload = slices.Clone(d.Payload)
		list = append(list, d)
	}
	return list, nil
}

// waits reports whether a delivery still waits for the hook before it, which may be busy
// with other entries: not for long, so that one receiver does not hold up the next.
func (c *chooser) waits(r storage.Reader, d *layout.Delivery) (bool, error) {
	left := d.Due + patience.Milliseconds() - c.now
	if d.Tries > 0 || left <= 0 {
		return false, nil
	}
	before, err := layout.FindDelivery(r, d.Source, d.ID.Previous())
	if errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	if err != nil || before == nil || before.Commit != d.Commit || before.Entry != d.Entry || before.Tries > 0 || before.Failed != 0 {
		return false, err
	}
	c.look(left)
	return true, nil
}

// look has the outbox looked at again after some milliseconds.
func (c *chooser) look(ms int64) {
	if c.wait == 0 || ms < c.wait {
		c.wait = ms
	}
}
