package siftdb

import (
	"context"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/security"
)

// ran is what a finder has done.
type ran struct {
	looked, matched int64 // entries that were tested, and those that passed
	proposals       int64 // of indexes
	timed           bool
	began           time.Time
	planning        time.Duration // until indexes had made their proposals
	gathering       time.Duration // until what is to be sorted was there
}

// proposed notes what indexes have proposed.
func (r *ran) proposed(f *finder) {
	if !r.timed {
		return
	}
	if r.planning = time.Since(r.began); f.rd.chosen != nil {
		r.proposals = int64(len(f.rd.chosen.places))
	}
}

func (r *ran) gathered() {
	if r.timed {
		r.gathering = time.Since(r.began)
	}
}

// ExplainAnalyze runs a query and tells how it was answered: Explain's plan, with what was
// looked at, given on and how long it took. What the query finds is dropped; a query with
// CountOnly is run as a select. It is for admins, since it tells of entries that others may not
// see; a delete is refused.
func (ds *DataSource) ExplainAnalyze(ctx context.Context, q Query) (*Plan, error) {
	if err := ds.managing(ctx, "analyze a query"); err != nil {
		return nil, err
	}
	if q.Type == "delete" {
		return nil, errs.At(errs.InvalidQuery, "type", "a delete is not run to be explained")
	}
	selected := q
	selected.CountOnly = false
	p, err := ds.Explain(ctx, selected)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if q.Aggregate != nil {
		result, err := ds.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		p.Ran = &PlanRun{Rows: int64(len(result.Documents)), Time: time.Since(began)}
		return p, nil
	}
	return p, ds.analyze(ctx, q, p)
}

// analyze runs a select and adds to its plan what it did.
func (ds *DataSource) analyze(ctx context.Context, q Query, p *Plan) error {
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return err
	}
	c, err := q.compileAny(ds.db.bounded())
	if err != nil {
		return err
	}
	f := ds.finder(ctx, c, q.IncludePagination)
	defer f.close()
	f.eager = true
	f.ran.timed, f.ran.began = true, time.Now()
	n, err := f.drain(ctx)
	if err != nil {
		return err
	}
	f.ran.tell(p, f, n)
	return nil
}

// drain finds everything and returns how many entries that are.
func (f *finder) drain(ctx context.Context) (n int64, err error) {
	var entries []*Entry
	for e, err := range f.all(ctx) {
		if err != nil {
			return 0, err
		}
		entries = append(entries, e)
	}
	if err := f.joins.fill(ctx, entries); err != nil {
		return 0, err
	}
	n = int64(len(entries))
	for _, err := range f.joins.appended(ctx) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// tell adds to the steps of a plan what they did.
func (r *ran) tell(p *Plan, f *finder, n int64) {
	total := time.Since(r.began)
	source := p.source()
	source.Ran = &PlanRun{Looked: max(r.looked, f.rd.scan.count), Rows: r.matched, Time: total}
	if r.gathering > 0 {
		source.Ran.Time = r.gathering
	}
	if source.Step == "fetch" {
		source.Inputs[0].Ran = &PlanRun{Looked: r.proposals, Rows: r.proposals, Time: r.planning}
	}
	if p != source {
		p.Ran = &PlanRun{Looked: r.matched, Rows: n, Time: total}
	}
}
