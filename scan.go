package siftdb

import (
	"cmp"
	"math"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// scanner walks the entries of a data source in default order (order, then id) as
// they were after one commit, and can stop and go on in another transaction.
//
// What has not been touched since that commit is read where it stands. What has
// been is left out there and read from its image instead, merged in order.
type scanner struct {
	source  int64
	commit  int64   // the state that is read
	end     int64   // the first id that was not given out; what stands there does not count
	ordered bool    // there are entries with an order, now
	moved   []place // entries touched since, as they stood after commit, in order
	at      place   // the last place visited
	exact   bool    // nothing has been touched since commit, and nothing is about to be
	plain   bool    // there may be entries without an order

	// judge takes a first look at a document; nil is unsure of all. Entries to which
	// it says no are not visited.
	judge func(doc []byte) query.Verdict
	// bare has entries visited of whose header only the order may be relied on.
	bare bool
	// pick is judge for whoever knows the answer by the id, which ascends; it goes first.
	pick func(id int64) query.Verdict

	count  int64         // entries passed, visited or not
	digest layout.Digest // of these

	seen  int64 // commits up to this one are accounted for in moved
	known map[int64]struct{}
}

// place is where an entry stands in the default order.
type place struct {
	order float64
	id    int64
}

func (p place) compare(q place) int {
	if c := cmp.Compare(p.order, q.order); c != 0 {
		return c
	}
	return cmp.Compare(p.id, q.id)
}

// latestState reads whatever is there.
const latestState = math.MaxInt64 - 1

func newScanner(source, commit int64) *scanner {
	return &scanner{source: source, commit: commit, end: math.MaxInt64, seen: commit, plain: true, at: place{math.Inf(-1), -1}}
}

// meet takes note of what the head says.
func (s *scanner) meet(head layout.Head) {
	s.end = head.NextID
	s.ordered = head.Ordered > 0
	s.exact = head.Last <= s.commit && !head.Staged
	s.plain = !s.exact || head.Ordered < head.Count
}

// catchUp adds the entries touched since it was last called to those that have
// moved.
func (s *scanner) catchUp(r storage.Reader, head layout.Head) error {
	s.meet(head)
	if head.Last <= s.seen {
		return nil
	}
	var rec layout.Record
	for v, err := range history.Range(r, s.source, s.seen+1, 0, false) {
		if err != nil {
			return err
		}
		for _, set := range []history.IDSet{v.Updated, v.Deleted} {
			for id := range set.All() {
				if err := s.move(r, id, &rec); err != nil {
					return err
				}
			}
		}
	}
	s.seen = head.Last
	slices.SortFunc(s.moved, place.compare)
	return nil
}

// move notes an entry that was touched after the state that is read.
func (s *scanner) move(r storage.Reader, id int64, rec *layout.Record) error {
	if _, ok := s.known[id]; ok {
		return nil
	}
	if s.known == nil {
		s.known = make(map[int64]struct{})
	}
	s.known[id] = struct{}{}
	found, err := history.ImageAfter(r, s.source, id, s.commit, rec)
	if err != nil {
		return err
	}
	if !found {
		return s.lostImage(id)
	}
	if rec.Born <= s.commit {
		s.moved = append(s.moved, place{rec.OrderValue(), id})
	}
	return nil
}

func (s *scanner) lostImage(id int64) error {
	return errs.New(errs.Corrupt, "entry %d of data source %d has lost its image after commit %d", id, s.source, s.commit)
}

// visitor is called with each entry, and what the scanner's judge said of it. The
// record is valid during the call. It returns false to stop after this entry.
type visitor func(rec *layout.Record, v query.Verdict) (more bool, err error)

// run visits the entries from the last place on, until the budget is spent, and
// returns true when it has reached the end.
func (s *scanner) run(r storage.Reader, b *budget, visit visitor) (bool, error) {
	if len(s.moved) > 0 || s.ordered {
		return s.runMerged(r, b, visit)
	}
	if s.at.order > 0 {
		return true, nil
	}
	from, to := s.entries(max(s.at.id+1, 0))
	done, err := s.runPlain(r.Scan(layout.Entries, from, to, false), b, visit)
	if done {
		s.at = place{math.Inf(1), math.MaxInt64}
	}
	return done, err
}

// entries is the range of the entries with ids of at least from.
func (s *scanner) entries(from int64) (lo, hi []byte) {
	return layout.EntryKey(s.source, from), layout.EntryKey(s.source, max(from, s.end))
}

// runPlain is run for the common case: nothing has moved and every order is 0.
func (s *scanner) runPlain(c storage.Cursor, b *budget, visit visitor) (bool, error) {
	var rec layout.Record
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if err := rec.OpenEntry(key, value); err != nil {
			return false, err
		}
		verdict := query.Unsure
		switch {
		case s.pick != nil:
			verdict = s.pick(rec.ID)
		case s.judge != nil:
			verdict = s.judge(rec.Doc)
		}
		switch {
		case s.exact && s.bare:
			if err := rec.DecodeOrder(); err != nil {
				return false, err
			}
		case verdict != query.No || !s.exact:
			if err := rec.DecodeHeader(); err != nil {
				return false, err
			}
			if rec.Changed > s.commit {
				if s.at = (place{0, rec.ID}); b.spent() {
					return false, nil
				}
				continue
			}
		}
		s.at = place{0, rec.ID}
		s.count++
		s.digest.Add(rec.Sum)
		if verdict != query.No {
			if more, err := visit(&rec, verdict); !more || err != nil {
				return false, err
			}
		}
		if b.spent() {
			return false, nil
		}
	}
	return true, c.Err()
}

// runMerged merges the entries that stand where they stood with the images of
// those that do not.
func (s *scanner) runMerged(r storage.Reader, b *budget, visit visitor) (bool, error) {
	live := liveCursor{scanner: s, r: r}
	i, _ := slices.BinarySearchFunc(s.moved, s.at, place.compare)
	for i < len(s.moved) && s.moved[i].compare(s.at) <= 0 {
		i++
	}
	have, err := live.next()
	if err != nil {
		return false, err
	}
	var image layout.Record
	for have || i < len(s.moved) {
		rec := &live.rec
		fromImage := !have || i < len(s.moved) && s.moved[i].compare(live.at) < 0
		if fromImage {
			rec = &image
			ok, err := history.ImageAfter(r, s.source, s.moved[i].id, s.commit, rec)
			if err != nil {
				return false, err
			}
			if !ok {
				return false, s.lostImage(s.moved[i].id)
			}
			s.at = s.moved[i]
			i++
		} else {
			s.at = live.at
		}
		s.count++
		s.digest.Add(rec.Sum)
		more, err := visit(rec, query.Unsure)
		if !more || err != nil || b.spent() {
			return false, err
		}
		if !fromImage {
			if have, err = live.next(); err != nil {
				return false, err
			}
		}
	}
	s.at = place{math.Inf(1), math.MaxInt64}
	return true, nil
}

// liveCursor yields, in default order, the entries after a scanner's place that
// have not been touched since its commit.
type liveCursor struct {
	*scanner
	r     storage.Reader
	phase int // 1: negative orders, 2: order 0, 3: positive orders
	cur   storage.Cursor
	rec   layout.Record
	at    place // of rec
}

func (c *liveCursor) next() (bool, error) {
	for {
		if c.cur == nil && !c.advance() {
			return false, nil
		}
		key, value, ok := c.cur.Next()
		if !ok {
			if err := c.cur.Err(); err != nil {
				return false, err
			}
			c.cur = nil
			continue
		}
		if c.phase == 2 {
			if err := c.rec.DecodeEntry(key, value); err != nil {
				return false, err
			}
			if c.rec.Order != nil || c.rec.Changed > c.commit {
				continue
			}
			c.at = place{0, c.rec.ID}
			return true, nil
		}
		order, id := layout.OrderParts(key)
		entryKey := layout.EntryKey(c.source, id)
		value, err := c.r.Get(layout.Entries, entryKey)
		if err != nil {
			return false, err
		}
		if value == nil {
			return false, errs.New(errs.Corrupt, "entry %d of data source %d is listed with an order but is missing", id, c.source)
		}
		if err := c.rec.DecodeEntry(entryKey, value); err != nil {
			return false, err
		}
		if c.rec.Changed > c.commit {
			continue
		}
		c.at = place{order, id}
		return true, nil
	}
}

// advance opens the cursor of the next phase that has something after the
// scanner's place.
func (c *liveCursor) advance() bool {
	s := c.scanner
	for c.phase++; c.phase <= 3; c.phase++ {
		switch {
		case c.phase == 2 && s.at.order <= 0 && s.plain:
			from := int64(0)
			if s.at.order == 0 {
				from = s.at.id + 1
			}
			lo, hi := s.entries(from)
			c.cur = c.r.Scan(layout.Entries, lo, hi, false)
			return true
		case c.phase == 1 && s.ordered && s.at.order < 0, c.phase == 3 && s.ordered:
			lo, hi := layout.OrderRange(s.source, c.phase == 3)
			if (s.at.order > 0) == (c.phase == 3) && s.at.id >= 0 {
				lo = append(layout.OrderKey(s.source, s.at.order, s.at.id), 0)
			}
			c.cur = c.r.Scan(layout.Orders, lo, hi, false)
			return true
		}
	}
	return false
}
