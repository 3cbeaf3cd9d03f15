package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// scope is the part of a data source that a subscription or a live query watches,
// and sorts what happened to its entries between two states into entering, changing
// and leaving it.
type scope struct {
	ds *DataSource
	c  *compiled
	id int64 // the only entry watched; 0 for all

	src     *source // what m and project are bound to
	sight   *sight
	m       matching
	project *query.BoundProjection
}

// check makes sure that the data source is there and that the views can be used.
func (s *scope) check(ctx context.Context) error {
	return s.ds.db.view(ctx, func(r storage.Reader) error {
		_, src, err := s.ds.load(r, false)
		if err != nil {
			return err
		}
		_, err = s.c.filter(src, s.ds.session)
		return err
	})
}

// bind resolves names against the columns of now.
func (s *scope) bind(src *source) error {
	if s.src == src {
		return nil
	}
	seen, where, err := newSight(src, s.c, s.ds.session)
	if err != nil {
		return err
	}
	s.src, s.sight, s.m = src, seen, matching{}
	s.m.bindTo(s.ds.id, src, where)
	if s.project = nil; s.c.projection != nil {
		s.project = s.c.projection.Bind(src.schema())
	}
	return nil
}

// holds reports whether a record is in the scope, and takes out of it what is hidden. What
// kept it from telling is in s.m.rec.Err.
func (s *scope) holds(rec *layout.Record) bool {
	if !s.sight.see(rec) || s.id != 0 && s.id != rec.ID {
		return false
	}
	ok, _ := s.m.match(rec)
	return ok
}

// entry makes an entry of a record.
func (s *scope) entry(rec *layout.Record) *Entry {
	if s.project == nil {
		return newEntry(s.ds.id, s.src.names, rec)
	}
	e := new(Entry)
	e.set(s.ds.id, s.src.names, rec, s.project.AppendTo(nil, document.Stored(rec.Doc, s.src.names)))
	return e
}

// event is what happened to one entry between two states of a scope.
type event int

const (
	nothing event = iota
	entered
	changed
	left    // it was changed so that it is outside now
	deleted // it exists no more
)

// compare tells what happened to an entry between the states after two commits, and
// gives it as it is in the second one; of one that left or was deleted, as it was
// last in the scope. That is the entry as it was deleted, if it was still in the
// scope then.
func (s *scope) compare(r storage.Reader, id, from, to int64) (event, *Entry, error) {
	var a, b layout.Record
	was, err := history.StateAt(r, s.ds.id, id, from, &a)
	if err != nil {
		return nothing, nil, err
	}
	is, err := history.StateAt(r, s.ds.id, id, to, &b)
	if err != nil || was && is && a.Changed == b.Changed {
		return nothing, nil, err
	}
	exists := is
	was, is = was && s.holds(&a), is && s.holds(&b)
	if s.m.rec.Err != nil {
		return nothing, nil, s.m.rec.Err
	}
	switch {
	case is && !was:
		return entered, s.entry(&b), nil
	case is:
		return changed, s.entry(&b), nil
	case was && exists:
		return left, s.entry(&a), nil
	case was:
		found, err := history.LastImage(r, s.ds.id, id, to, &b)
		if err != nil {
			return nothing, nil, err
		}
		if found && s.holds(&b) {
			return deleted, s.entry(&b), nil
		}
		return deleted, s.entry(&a), nil
	}
	return nothing, nil, nil
}
