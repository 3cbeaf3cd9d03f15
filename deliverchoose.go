package siftdb

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// chooser chooses what is tried next, on one snapshot.
type chooser struct {
	now   int64
	most  int64 // the longest pause; what is due much later was noted by another clock
	room  int   // how many tries may be begun
	share int   // how many a lane may have
	spare int   // how many tries more may be begun of lanes in trouble
	far   int   // how far a lane is looked at
	turn  int64
	skip  map[layout.DeliveryID]bool
	busy  map[laneOf]int // tries under way
	known map[laneOf]laneState
	lanes []*lane
	wait  int64 // until something else is due; 0 for never

	damaged []layout.DeliveryID
}

// lane is what is due of one hook.
type lane struct {
	laneOf
	laneState
	busy      int          // tries under way, and those that were chosen
	due       []layout.Due // the first that are due, and have not been looked at
	from, end []byte       // what is behind them; from is nil for nothing
	looked    int          // how many have been in due
}

// chooser returns one that knows what is under way.
func (db *DB) chooser() *chooser {
	o := &db.outbox
	now := db.deliveryClock()
	o.mu.Lock()
	defer o.mu.Unlock()
	n := db.opts.Deliveries.Concurrency
	c := &chooser{now: now, most: db.opts.Deliveries.Retry.Most.Milliseconds(), room: n - len(o.tries),
		share: max(1, n/4), spare: max(1, n/2), far: max(2*n, 32), turn: o.turn,
		skip: maps.Clone(o.broken), busy: make(map[laneOf]int), known: maps.Clone(o.lanes)}
	for id, lane := range o.tries {
		c.skip[id] = true
		c.busy[lane]++
		if o.lanes[lane].troubled {
			c.spare--
		}
	}
	return c
}

// gather finds the first places of every lane that are due.
func (c *chooser) gather(r storage.Reader) error {
	for from := []byte{0}; from != nil; {
		l, err := c.lane(r, from)
		if err != nil || l == nil {
			return err
		}
		c.lanes = append(c.lanes, l)
		from = l.end
		if err := c.fill(r, l); err != nil {
			return err
		}
	}
	return nil
}

// lane returns the first lane of a range, nil for none.
func (c *chooser) lane(r storage.Reader, from []byte) (*lane, error) {
	cur := r.Scan(layout.Dues, from, nil, false)
	for key, _, ok := cur.Next(); ok; key, _, ok = cur.Next() {
		if u, ok := layout.ParseDue(key); ok {
			name := laneOf{u.Source, u.Hook}
			return &lane{laneOf: name, laneState: c.known[name], busy: c.busy[name], from: bytes.Clone(key), end: u.LaneEnd()}, nil
		}
	}
	return nil, cur.Err()
}

// fill takes more of a lane, as many as it may have tries. Keys that are none are damage,
// of which Check tells.
func (c *chooser) fill(r storage.Reader, l *lane) error {
	want := c.share - l.busy
	if l.from == nil || want <= 0 {
		return nil
	}
	cur := r.Scan(layout.Dues, l.from, l.end, false)
	l.from = nil
	for key, _, ok := cur.Next(); ok && l.looked < c.far; key, _, ok = cur.Next() {
		u, ok := layout.ParseDue(key)
		if !ok || c.skip[u.ID] {
			continue
		}
		// A clock that was set back by little must not make a pause end at once.
		if left := u.Time - c.now; left > 0 && left <= 2*c.most {
			c.look(left)
			return nil
		}
		l.due = append(l.due, u)
		l.looked++
		if len(l.due) == want {
			l.from = append(bytes.Clone(key), 0)
			return nil
		}
	}
	return cur.Err()
}

// choose takes from the lanes in turn: first from those that have the fewest tries under
// way, of these from the one that has waited longest, and from none more than its share.
// Lanes in trouble, whose receivers may hang, leave half of all to the others.
func (c *chooser) choose(r storage.Reader) (list []*layout.Delivery, err error) {
	for busy := 0; busy < c.share; busy++ {
		slices.SortFunc(c.lanes, inTurn)
		for _, l := range c.lanes {
			if len(list) == c.room {
				return list, nil
			}
			if l.busy != busy || l.troubled && c.spare <= 0 {
				continue
			}
			d, err := c.take(r, l)
			if err != nil {
				return nil, err
			}
			if d != nil {
				list = append(list, d)
			}
		}
	}
	return list, nil
}

// inTurn sorts lanes by their last try, and those without one by age.
func inTurn(a, b *lane) int {
	if n := cmp.Compare(a.turn, b.turn); n != 0 || len(a.due) == 0 || len(b.due) == 0 {
		return cmp.Or(n, cmp.Compare(len(b.due), len(a.due)))
	}
	x, y := a.due[0], b.due[0]
	return cmp.Or(cmp.Compare(x.Time, y.Time), cmp.Compare(x.Commit, y.Commit), slices.Compare(x.ID[:], y.ID[:]))
}

// take chooses the first of a lane that can be tried, nil for none.
func (c *chooser) take(r storage.Reader, l *lane) (*layout.Delivery, error) {
	for {
		if len(l.due) == 0 {
			if err := c.fill(r, l); err != nil || len(l.due) == 0 {
				return nil, err
			}
		}
		u := l.due[0]
		l.due = l.due[1:]
		d, err := layout.FindDelivery(r, u.Source, u.ID)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return nil, err
		}
		if d == nil { // damage, of which Check tells
			c.damaged = append(c.damaged, u.ID)
			continue
		}
		if waits, err := c.waits(r, d); err != nil {
			return nil, err
		} else if waits {
			continue
		}
		c.turn++
		l.turn = c.turn
		l.busy++
		if l.troubled {
			c.spare--
		}
		d.Payload = bytes.Clone(d.Payload)
		return d, nil
	}
}

// patience is how long a delivery waits for the first try of the one before it.
const patience = 10 * time.Second

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
