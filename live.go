package siftdb

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/errs"
)

// LiveUpdate is how the result of a live query changed.
type LiveUpdate struct {
	// Version is the commit after which the result is as told.
	Version int64
	// Initial marks the first update, in which the whole result enters, in its order.
	Initial bool
	// Entered are entries that are new in the result, Changed those that were written
	// and are still in it, both as they are now; Left those that are not in it any
	// more, as they were last in it.
	Entered, Changed, Left []*Entry
	// Result is the whole result in its order. It is given when the query has an Order,
	// Limit or Offset; nil otherwise.
	Result []*Entry
}

// Live streams the result of a query and how writes change it: first the whole
// result, then an update for each time at which it became another, until the context
// ends, with whose error the stream ends. Between two updates a loop may take its
// time: what was written meanwhile comes merged into one update, and costs writers
// nothing.
//
// The query has a Where, Views and Attributes, and perhaps an Order, Limit and
// Offset. Without views and these, nothing is kept of the result; with one of them
// the result is kept in memory, and the query is asked again whenever a write touched
// an entry that it matches, or changed the definition of a view. Joins, Aggregate and Distinct are refused. When retention
// has dropped what is needed, the stream ends with ErrHistoryLost, as that of
// Changes does.
//
// The stream of a principal asks the access rules again whenever the definition of the
// data source has changed. It ends with their refusal. A result that is kept is asked
// again then, and of entries that leave it only the ids are told.
func (ds *DataSource) Live(ctx context.Context, q Query) iter.Seq2[*LiveUpdate, error] {
	return func(yield func(*LiveUpdate, error) bool) {
		l, err := ds.live(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		defer l.feed.close()
		follow(ctx, &l.feed.follower, l.next, yield)
	}
}

// live is a live query.
type live struct {
	watch    *watch
	scope    *scope
	reruled  bool // the rules were asked again since the result was made
	feed     *feed
	begun    bool
	revision int64 // of the definition that the result was made with

	// A query with a window (an order, a limit, an offset) or with views is asked again
	// when the result may be another, and compared with what is shown.
	window, asks bool
	shown        map[int64]*Entry
}

func (ds *DataSource) live(ctx context.Context, q Query) (*live, error) {
	for _, option := range []struct {
		key string
		set bool
	}{{"join", len(q.Joins) > 0}, {"distinct", q.Distinct}, {"countOnly", q.CountOnly}} {
		if option.set {
			return nil, errs.At(errs.InvalidQuery, option.key, "a live query cannot have %s", option.key)
		}
	}
	w, err := ds.watching(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	l := &live{watch: w, window: len(q.Order) > 0 || q.Limit != nil || q.Offset > 0}
	l.asks = l.window || len(q.Views) > 0
	if l.scope, err = w.scope(ctx); err != nil {
		return nil, err
	}
	l.feed, err = w.ds.feed(ctx, FromNow)
	return l, err
}

// next makes the next update, nil when nothing has changed for now. When the definition
// has changed, the rules are asked again first.
func (l *live) next(ctx context.Context) (*LiveUpdate, error) {
	for {
		u, err := l.nextRuled(ctx)
		if !errors.Is(err, errReruled) {
			return u, err
		}
		sc, err := l.watch.renewed(ctx, l.scope)
		if err != nil {
			return nil, err
		}
		l.reruled = l.reruled || sc != l.scope
		l.scope = sc
	}
}

// nextRuled is next, unless the rules have to be asked again.
func (l *live) nextRuled(ctx context.Context) (*LiveUpdate, error) {
	if !l.begun {
		u := &LiveUpdate{Version: l.feed.pos, Initial: true}
		err := l.ask(ctx, u)
		if l.begun = err == nil; err != nil {
			return nil, err
		}
		return u, nil
	}
	for {
		sp, found, err := l.feed.nextSpan(ctx, true)
		if err == nil && l.scope.ds.reruled(sp.revision) {
			if sp.trashed {
				return nil, nil
			}
			return nil, errReruled
		}
		redefined := l.asks && l.reruled || len(l.scope.c.views) > 0 && sp.revision != l.revision
		if err != nil || !found && !redefined {
			return nil, err
		}
		list, err := l.feed.read(ctx, l.scope, sp)
		if err != nil {
			return nil, err
		}
		u := &LiveUpdate{Version: sp.to}
		switch {
		case !l.asks:
			u.take(list)
		case len(list) > 0 || redefined:
			err = l.ask(ctx, u)
		}
		if err != nil {
			return nil, err
		}
		l.feed.done(sp)
		if len(u.Entered)+len(u.Changed)+len(u.Left) > 0 {
			return u, nil
		}
	}
}

// ask asks the query anew, and compares its result with what is shown.
func (l *live) ask(ctx context.Context, u *LiveUpdate) error {
	ds := l.scope.ds
	f := ds.reads(moment{atCommit, u.Version}).finder(ctx, l.scope.c, false)
	defer f.close()
	f.eager = true
	now := make(map[int64]*Entry)
	if l.window {
		u.Result = []*Entry{}
	}
	for e, err := range f.all(ctx) {
		if errors.Is(err, ErrSnapshotGone) {
			return historyLost(ds.id)
		}
		if err != nil {
			return err
		}
		if old := l.shown[e.ID]; old == nil {
			u.Entered = append(u.Entered, e)
		} else if old.Changed != e.Changed {
			u.Changed = append(u.Changed, e)
		}
		if l.window {
			u.Result = append(u.Result, e)
		}
		if l.asks {
			now[e.ID] = e
		}
	}
	if f.rd.st != nil && ds.reruled(f.rd.st.head.Revision) {
		return errReruled
	}
	for id, e := range l.shown {
		if now[id] != nil {
			continue
		}
		if l.reruled { // it was read under other rules
			e = &Entry{ID: e.ID, DataSourceID: e.DataSourceID}
		}
		u.Left = append(u.Left, e)
	}
	slices.SortFunc(u.Left, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
	l.shown, l.revision, l.reruled = now, f.revision, false
	return nil
}

// take sorts what happened in the scope into the update.
func (u *LiveUpdate) take(list []spanEntry) {
	for _, x := range list {
		switch x.event {
		case entered:
			u.Entered = append(u.Entered, x.entry)
		case changed:
			u.Changed = append(u.Changed, x.entry)
		default:
			u.Left = append(u.Left, x.entry)
		}
	}
}
