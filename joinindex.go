package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// narrowRequired lets required joins read few entries: where indexes propose few of the parents,
// the keys of these are noted, and looked up in an index on what the joined entries are joined
// by. Whatever else is joined by other keys no parent asks for.
func (f *finder) narrowRequired(ctx context.Context) error {
	for _, run := range f.joins.runs {
		if !run.c.Required {
			continue
		}
		i, _, err := run.indexed(ctx)
		if err != nil {
			return run.c.fault(err)
		}
		if i < 0 {
			continue
		}
		if _, _, err := f.byIndex(ctx); err != nil || f.rd.chosen == nil {
			return err
		}
		noted, err := f.noteProposed(ctx, run)
		if err == nil && noted {
			err = run.narrowByIndex(ctx)
		}
		if err != nil {
			return run.c.fault(err)
		}
		narrowed := run.rd.chosen != nil
		if narrowed && noted && run.settled() {
			run.remember()
		} else {
			run.forget()
		}
		run.asked = narrowed && f.takesAll()
	}
	return nil
}

// indexed returns the index by which joined entries can be looked up, with its name; -1 when
// there is none.
func (run *joinRun) indexed(ctx context.Context) (i int, name string, err error) {
	err = run.rd.slice(ctx, func(r storage.Reader) error {
		indexes, err := run.rd.indexes(r)
		if err != nil {
			return err
		}
		if i = run.joinIndex(indexes); i >= 0 {
			name = indexes[i].def.Name
		}
		return nil
	})
	return i, name, err
}

// noteProposed takes down the keys of the parents that indexes propose, and that match, and keeps
// these for those who visit them next. It reports false where one of them cannot be tested:
// whoever reads them in earnest tells why.
func (f *finder) noteProposed(ctx context.Context, run *joinRun) (ok bool, err error) {
	c := f.rd.chosen
	if c.kept == nil {
		c.keyedFor = run
	}
	f.rd.readAhead(ctx, run.keysAhead(f))
	keep := parentKeeper{f: f, run: run}
	if c.kept != nil { // as much as there is room for
		keep.held = f.rd.mostKept()
	}
	c.room(f.rd.mostKept())
	run.expect(len(c.places))
	at := 0
	for ok = true; ok && at < len(c.places); {
		err := f.rd.slice(ctx, func(r storage.Reader) error {
			for b := newBudget(); ok && at < len(c.places) && !b.spent(); at++ {
				ok = keep.note(r, at) == nil
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return ok, nil
}

// parentKeeper takes down the keys of parents that are proposed, and keeps these.
type parentKeeper struct {
	f     *finder
	run   *joinRun
	rec   layout.Record // at hand
	arena arena
	held  int
}

// noteKey takes down the key of a parent that was worked out when it was read.
func (run *joinRun) noteKey(k *keptRecord) error {
	before := len(run.refs)
	var full error
	if k.keyed == keyOne {
		g, err := run.group(k.key)
		full = err
		run.refs = append(run.refs, g)
	}
	return firstError(full, run.noteEnd(before))
}

// note takes down the keys of a parent, if it matches.
func (p *parentKeeper) note(r storage.Reader, at int) error {
	f, c := p.f, p.f.rd.chosen
	k := c.keptAt(at)
	rec, verdict := (*layout.Record)(nil), query.Unsure
	if k != nil {
		rec, verdict = &k.rec, c.verdictOf(k, f.rd.scan)
		if k.unwanted() {
			return p.run.noteEnd(len(p.run.refs))
		}
	}
	if rec == nil {
		found, err := history.StateAt(r, f.rd.ds.id, c.places[at].id, f.rd.st.commit, &p.rec)
		if err != nil {
			return err
		}
		if rec = &p.rec; !found || !f.rd.see(rec) {
			rec = nil
		}
	}
	match, err := rec != nil, error(nil)
	switch {
	case match && verdict == query.Yes:
		f.m.fill(rec)
	case match:
		match, err = f.m.match(rec)
	}
	if err != nil {
		return err
	}
	p.keep(at, k, rec, match)
	if !match {
		return p.run.noteEnd(len(p.run.refs))
	}
	if k != nil && k.keyed != keyUnknown && c.keyedFor == p.run {
		return p.run.noteKey(k)
	}
	return p.run.note(&f.m.rec)
}

// keep keeps a parent, and whether it matches. When there is no room it keeps none.
func (p *parentKeeper) keep(at int, k *keptRecord, rec *layout.Record, match bool) {
	c := p.f.rd.chosen
	switch {
	case at >= len(c.kept):
	case !match:
		c.kept[at] = keptRecord{state: keptUnwanted}
	case k != nil:
		k.state = keptMatch
	case p.held+keptSize+len(rec.Doc)+len(rec.Order) <= p.f.rd.mostKept():
		p.held += keptSize + len(rec.Doc) + len(rec.Order)
		c.kept[at].keep(rec, &p.arena)
		c.kept[at].state = keptMatch
	}
}

// wantsMost reports whether at least half of what was read ahead will be returned, so that the entries
// may lie where it does.
func (f *finder) wantsMost() bool {
	c := f.rd.chosen
	if c == nil || !f.takesAll() {
		return false
	}
	n := 0
	for i := range c.kept {
		if k := &c.kept[i]; (k.state == keptMatch || k.state == keptRead && c.exact) && f.joins.knows(i) {
			n++
		}
	}
	return 2*n >= len(c.kept)
}

// takesAll reports whether every match is returned.
func (f *finder) takesAll() bool { return f.c.limit < 0 && f.c.offset == 0 && !f.c.distinct }

// knows reports whether a proposed parent is known to have a match in every required join.
func (j *joiner) knows(at int) bool {
	if j == nil {
		return true
	}
	for _, run := range j.runs {
		if run.c.Required && !slices.ContainsFunc(run.known.of(at), func(g int32) bool { return run.list[g].there }) {
			return false
		}
	}
	return true
}

// joinIndex returns the index on the first name that entries are joined by, -1 when there is
// none.
func (run *joinRun) joinIndex(indexes []*readIndex) int {
	for i, x := range indexes {
		if !x.def.Trigram && !x.def.IgnoreCase && (!x.hashed || len(x.def.Fields) == 1) && x.bound.Field(0).Same(run.to.names[0]) {
			return i
		}
	}
	return -1
}
