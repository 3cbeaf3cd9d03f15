package siftdb

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/internal/errs"
)

// EventKind is a kind of change that a subscription reports.
type EventKind string

// The kinds of events.
const (
	InsertEvent EventKind = "insert"
	UpdateEvent EventKind = "update"
	DeleteEvent EventKind = "delete"
)

// SubscribeOptions say what a subscription reports. The zero value reports every
// change of the data source.
type SubscribeOptions struct {
	// Events are the kinds of changes reported; none means all.
	Events []EventKind
	// Where and Views limit the scope to the entries that they match.
	Where any
	Views []string
	// Cursor limits the scope to what the query of a cursor matches now: its Where and
	// Views count, with the session of its handle; its page does not. It excludes Where
	// and Views.
	Cursor *Cursor
	// ID limits the scope to one entry; 0 means all.
	ID int64
}

// Changes is what one write did to the scope of a subscription, or what several did
// while it was paused. At least one list has a member.
type Changes struct {
	// Version is the last of the writes.
	Version int64 `json:"version"`
	// Inserted are entries that were created, or that a change moved into the scope;
	// Updated those that changed inside it; both as they were after the write.
	Inserted []*Entry `json:"inserted,omitempty"`
	Updated  []*Entry `json:"updated,omitempty"`
	// Deleted are entries that were deleted, as they were before. Of those that a
	// change moved out of the scope only the ids are given.
	Deleted []*Entry `json:"deleted,omitempty"`
}

// SubscriptionStatus is what a subscription is doing.
type SubscriptionStatus string

// The states of a subscription.
const (
	SubscriptionActive SubscriptionStatus = "active"
	SubscriptionPaused SubscriptionStatus = "paused"
	SubscriptionEnded  SubscriptionStatus = "ended"
)

// Subscription reports changes to a callback until it ends: through Unsubscribe, with
// the context that it was made with, when the database closes, or on an error. Its
// methods are safe for concurrent use, also from the callback.
type Subscription struct {
	id     string
	ds     *DataSource
	fn     func(Changes) error
	feed   *feed
	cancel context.CancelFunc
	poke   chan struct{} // tells that something below has changed
	done   chan struct{} // closed when it has ended and no call is running

	mu     sync.Mutex
	watch  *watch
	scope  *scope
	events []EventKind
	status SubscriptionStatus
	turns  int // how often it was paused or resumed
	caught int // the turn up to which nothing that was missed is left
	err    error
}

// Subscribe calls fn with the changes that writes make to the data source from now
// on: one call for each write that touches the scope, in commit order, one at a
// time, on a goroutine of the subscription's. Writers never wait for it: a
// subscription reads what it reports from the log at its own pace, and holds no more
// than the entries of one write in memory. It needs history: when retention drops
// what a subscription that is slow or paused for longer than Options.SnapshotAge has
// yet to read, it ends, and Err says ErrHistoryLost.
//
// The subscription of a principal asks the access rules again whenever the definition
// of the data source has changed. What they hide from then on is not reported any more;
// when they refuse, it ends, and Err says so.
//
// A callback that panics ends the subscription, not the process. It must not call
// DB.Close, which waits for it, and should not wait for ever: one that sends to a
// channel selects on the context too.
func (ds *DataSource) Subscribe(ctx context.Context, options SubscribeOptions, fn func(Changes)) (*Subscription, error) {
	if fn == nil {
		return nil, errNoCallback()
	}
	return ds.subscribe(ctx, options, func(c Changes) error {
		fn(c)
		return nil
	})
}

func errNoCallback() error { return errs.New(errs.InvalidInput, "a subscription needs a callback") }

// subscribe is Subscribe with a callback that may end the subscription.
func (ds *DataSource) subscribe(ctx context.Context, options SubscribeOptions, fn func(Changes) error) (*Subscription, error) {
	ds = ds.in(ctx)
	s := &Subscription{id: ulid.Make().String(), ds: ds, fn: fn, status: SubscriptionActive,
		poke: make(chan struct{}, 1), done: make(chan struct{})}
	if err := s.UpdateOptions(ctx, options); err != nil {
		return nil, err
	}
	var err error
	if s.feed, err = ds.feed(ctx, FromNow); err != nil {
		return nil, err
	}
	ctx, s.cancel = context.WithCancel(ctx)
	if err := ds.db.watchers.start(s, func() { s.run(ctx) }); err != nil {
		s.feed.close()
		s.cancel()
		return nil, err
	}
	return s, nil
}

// UpdateOptions changes what the subscription reports, from the next call on. On an
// error it stays as it is. Of a subscription that has ended it returns ErrClosed.
func (s *Subscription) UpdateOptions(ctx context.Context, options SubscribeOptions) error {
	w, err := s.compile(ctx, options)
	if err != nil {
		return err
	}
	sc, err := w.scope(ctx)
	if err != nil {
		return err
	}
	if err := sc.check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == SubscriptionEnded {
		return errs.New(errs.Closed, "the subscription has ended")
	}
	s.watch, s.scope, s.events = w, sc, slices.Clone(options.Events)
	return nil
}

// compile checks options, and makes of them what is asked for.
func (s *Subscription) compile(ctx context.Context, options SubscribeOptions) (*watch, error) {
	for _, e := range options.Events {
		if !slices.Contains([]EventKind{InsertEvent, UpdateEvent, DeleteEvent}, e) {
			return nil, errs.At(errs.InvalidQuery, "events", "%q is no event; there are insert, update and delete", string(e))
		}
	}
	ds := s.ds
	q := Query{Where: options.Where, Views: options.Views}
	if c := options.Cursor; c != nil {
		if !isNil(options.Where) || len(options.Views) > 0 {
			return nil, errs.At(errs.InvalidQuery, "cursor", "a subscription takes a cursor, or a where and views")
		}
		if c.ds == nil || c.ds.db.core != s.ds.db.core || c.ds.id != s.ds.id {
			return nil, errs.At(errs.InvalidQuery, "cursor", "the cursor is of another data source")
		}
		q = Query{Where: c.query.Where, Views: c.query.Views, Dialect: c.query.Dialect}
		if c.ds.session != nil {
			own := *ds
			own.session = c.ds.session
			ds = &own
		}
	}
	if options.ID < 0 {
		return nil, errs.At(errs.InvalidQuery, "id", "an entry id cannot be negative")
	}
	return ds.watching(ctx, q, options.ID)
}

// renew asks the rules again, unless the options have changed meanwhile: then they have
// been asked.
func (s *Subscription) renew(ctx context.Context, old *scope) error {
	s.mu.Lock()
	w := s.watch
	s.mu.Unlock()
	sc, err := w.renewed(ctx, old)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scope != old {
		return nil
	}
	if err == nil {
		s.scope = sc
	}
	return err
}

// ID returns a name for the subscription that no other one has.
func (s *Subscription) ID() string { return s.id }

// Status returns what the subscription is doing.
func (s *Subscription) Status() SubscriptionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Err returns why the subscription ended: nil while it has not, and after
// Unsubscribe.
func (s *Subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Done returns a channel that is closed when the subscription has ended and its
// callback is not running any more.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Pause stops the reports. A call that has begun is not interrupted.
func (s *Subscription) Pause() { s.turn(SubscriptionActive, SubscriptionPaused) }

// Resume goes on. What was changed meanwhile comes first, in one call, merged for
// each entry: one that was inserted and updated is inserted, one that came and went
// is not reported.
func (s *Subscription) Resume() { s.turn(SubscriptionPaused, SubscriptionActive) }

func (s *Subscription) turn(from, to SubscriptionStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == from {
		s.status = to
		s.turns++
		s.wake()
	}
}

// wake makes the subscription look at its state.
func (s *Subscription) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Unsubscribe ends the subscription. A call that has begun is not interrupted, and
// none begins later; wait for Done where that matters.
func (s *Subscription) Unsubscribe() { s.end(nil) }

// end ends the subscription for a reason, the first one given.
func (s *Subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != SubscriptionEnded {
		s.status, s.err = SubscriptionEnded, err
		s.cancel()
	}
}

// IsInScope reports whether an entry is in the scope of the subscription, as it is
// given. Entries of other data sources are not, and for a principal none is between a
// change of the rules and when the subscription has asked them again.
func (s *Subscription) IsInScope(e *Entry) bool {
	s.mu.Lock()
	sc := &scope{ds: s.scope.ds, c: s.scope.c, id: s.scope.id}
	s.mu.Unlock()
	src := s.ds.db.catalog.cached(s.ds.id)
	if e == nil || e.DataSourceID != s.ds.id || src == nil || sc.ds.reruled(src.revision) || sc.bind(s.over(sc, src)) != nil {
		return false
	}
	rec := e.record()
	return sc.holds(&rec)
}

// over is the data source as the scope sees it.
func (s *Subscription) over(sc *scope, src *source) *source {
	if s.ds.db.off.has(guardInScope) {
		return src
	}
	return sc.ds.veil.over(src)
}

// run reports until the subscription ends.
func (s *Subscription) run(ctx context.Context) {
	defer close(s.done)
	defer s.feed.close()
	defer func() {
		if v := recover(); v != nil {
			cause, ok := v.(error)
			if !ok {
				cause = fmt.Errorf("%v", v)
			}
			s.end(errs.Wrap(errs.Internal, cause, "the callback of a subscription panicked; its stack was\n%s", debug.Stack()))
		}
		s.end(errs.New(errs.Internal, "the callback of a subscription ended its goroutine")) // else it has ended
	}()
	for s.Status() != SubscriptionEnded {
		ring := s.ds.db.bell.heard()
		reported, err := s.step(ctx)
		if err == nil && !reported {
			err = s.wait(ctx, ring)
		}
		if err != nil {
			s.end(err)
		}
	}
}

// wait waits for news: a write, unless the subscription is paused, or a call of one
// of its methods.
func (s *Subscription) wait(ctx context.Context, ring <-chan struct{}) error {
	if s.Status() == SubscriptionPaused {
		ring = nil
	} else {
		s.feed.idle()
		defer s.feed.goOn()
	}
	select {
	case <-ring:
		return nil
	case <-s.poke:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step deals with the next write, or with all that were missed, and reports whether
// there was anything.
func (s *Subscription) step(ctx context.Context) (bool, error) {
	s.mu.Lock()
	sc, turns, behind := s.scope, s.turns, s.caught < s.turns
	paused := s.status != SubscriptionActive
	s.mu.Unlock()
	if paused {
		return false, nil
	}
	sp, found, err := s.feed.nextSpan(ctx, behind)
	if err == nil && sc.ds.reruled(sp.revision) {
		if sp.trashed {
			return false, nil
		}
		return true, s.renew(ctx, sc)
	}
	if err != nil || !found {
		s.caughtUp(turns, err)
		return false, err
	}
	list, err := s.feed.read(ctx, sc, sp)
	if errors.Is(err, errReruled) {
		return true, s.renew(ctx, sc)
	}
	if err != nil {
		return false, err
	}
	events, ok := s.begin(turns, sc)
	if !ok {
		return true, nil // paused, ended, resumed or given other options meanwhile: it is read again then
	}
	if c, any := report(sp.to, list, events); any {
		if err := s.fn(c); err != nil {
			return false, err
		}
	}
	s.feed.done(sp)
	s.caughtUp(turns, nil)
	return true, nil
}

// begin returns the events to report, and whether the subscription may report what it has
// read since a turn, and with a scope.
func (s *Subscription) begin(turns int, sc *scope) (events []EventKind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events, s.status == SubscriptionActive && s.turns == turns && s.scope == sc
}

// caughtUp notes that nothing is left of what was missed before a turn.
func (s *Subscription) caughtUp(turns int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.caught = turns
	}
}

// report makes what the callback gets, and tells whether it is anything.
func report(version int64, list []spanEntry, events []EventKind) (c Changes, any bool) {
	wants := func(e EventKind) bool { return len(events) == 0 || slices.Contains(events, e) }
	c.Version = version
	for _, x := range list {
		switch {
		case x.event == entered && wants(InsertEvent):
			c.Inserted = append(c.Inserted, x.entry)
		case x.event == changed && wants(UpdateEvent):
			c.Updated = append(c.Updated, x.entry)
		case x.event == deleted && wants(DeleteEvent):
			c.Deleted = append(c.Deleted, x.entry)
		case x.event == left && wants(DeleteEvent):
			c.Deleted = append(c.Deleted, &Entry{ID: x.entry.ID, DataSourceID: x.entry.DataSourceID})
		}
	}
	return c, len(c.Inserted)+len(c.Updated)+len(c.Deleted) > 0
}

// watchers are the subscriptions of a database.
type watchers struct {
	mu     sync.Mutex
	closed bool
	list   map[*Subscription]struct{}
	wg     sync.WaitGroup
}

// start runs a subscription on a goroutine of its own.
func (w *watchers) start(s *Subscription, run func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errs.New(errs.Closed, "the database is closed")
	}
	if w.list == nil {
		w.list = make(map[*Subscription]struct{})
	}
	w.list[s] = struct{}{}
	w.wg.Go(func() {
		defer func() { // also when the callback ends the goroutine
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.list, s)
		}()
		run()
	})
	return nil
}

// close ends every subscription and waits for the calls that are running.
func (w *watchers) close() {
	w.mu.Lock()
	w.closed = true
	for s := range w.list {
		s.end(errs.New(errs.Closed, "the database is closed"))
	}
	w.mu.Unlock()
	w.wg.Wait()
}
