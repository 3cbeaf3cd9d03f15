package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// joiner runs the joins of one select. All of them read the state that the select
// reads.
type joiner struct {
	ds     *DataSource
	list   []*compiledJoin
	parent *reading   // of the select, from begin on
	runs   []*joinRun // of the joins with pairs
	outer  []*outerRun
	eager  bool // all parents are noted before the first is filled
	held   int  // bytes held
	begun  bool
}

// outerRun is a join without pairs.
type outerRun struct {
	c *compiledJoin
	f *finder
}

func newJoiner(ds *DataSource, list []*compiledJoin) *joiner {
	if len(list) == 0 {
		return nil
	}
	return &joiner{ds: ds, list: list}
}

func (j *joiner) close() {
	if j == nil {
		return
	}
	for _, run := range j.runs {
		run.rd.close()
	}
	for _, o := range j.outer {
		o.f.close()
	}
}

// begin finds the joined data sources, in the transaction in which the select
// settles on its state.
func (j *joiner) begin(r storage.Reader, parent *reading) error {
	if j == nil || j.begun {
		return nil
	}
	j.begun, j.parent = true, parent
	for _, c := range j.list {
		if err := j.beginOne(r, parent, c); err != nil {
			return c.fault(err)
		}
	}
	return nil
}

func (j *joiner) beginOne(r storage.Reader, parent *reading, c *compiledJoin) error {
	child, err := parent.sibling(r, c.DataSourceID, c.DataSourceName, c.guard)
	if err != nil {
		return err
	}
	if c.outer() {
		f := child.finder(context.Background(), c.query, false)
		j.outer = append(j.outer, &outerRun{c, f})
		if err := f.rd.begin(r); err != nil {
			return err
		}
		return f.bind(r)
	}
	run := &joinRun{joiner: j, c: c, rd: child.read()}
	j.runs = append(j.runs, run)
	if err := run.rd.begin(r); err != nil {
		return err
	}
	return run.bind(parent.st.source.schema())
}

// sibling returns a handle on another data source, by its id or else its name, that
// reads the state of the store that this reading is of, with the same session. Its
// own reading must begin in the same transaction. guard is the data source as the
// principal may read it; for trusted code it may be nil.
func (rd *reading) sibling(r storage.Reader, id int64, name string, guard *DataSource) (*DataSource, error) {
	other := *rd.ds
	other.veil = nil
	if guard == nil && !rd.ds.db.as.Unrestricted() {
		return nil, errs.New(errs.Internal, "a data source is read beside another before its rules were asked")
	}
	if guard != nil {
		id, other.veil = guard.id, guard.veil
	}
	if rd.ds.db.off.has(guardSibling) {
		other.veil = nil
	}
	if other.id = id; id == 0 {
		var err error
		if other.id, err = rd.ds.db.findByName(r, name, Scope{}); err != nil {
			return nil, err
		}
	}
	if other.at.kind == atVersion { // a version is one of its own data source
		other.at = moment{atCommit, rd.st.commit}
	}
	return &other, nil
}

// authorize asks the rules of the joined data sources, each with the join's where as
// its query (spec 6.6). Their hooks run on it, whoever asks (spec 10.4).
func (j *joiner) authorize(ctx context.Context) error {
	if j == nil {
		return nil
	}
	for _, c := range j.list {
		if c.guard != nil || j.ds.db.as == nil && isNil(c.Where) {
			continue
		}
		guard, where, err := j.ds.readingSibling(ctx, c.DataSourceID, c.DataSourceName, c.Where)
		if err == nil && where != nil {
			q := Query{Where: where}
			c.query.where, err = q.compileWhere(j.ds.db.bounded())
		}
		if err != nil {
			return c.fault(err)
		}
		if j.ds.db.as != nil || where != nil { // else trusted code reads what the snapshot holds
			c.guard = guard
		}
	}
	return nil
}

// readingSibling is reading for another data source, by its id or else its name. To
// nobody it does not tell whether there is one (spec 14.2).
func (ds *DataSource) readingSibling(ctx context.Context, id int64, name string, where any) (*DataSource, json.RawMessage, error) {
	other := *ds
	other.veil, other.at = nil, moment{}
	if other.id = id; id == 0 {
		err := ds.db.view(ctx, func(r storage.Reader) (err error) {
			other.id, err = ds.db.findByName(r, name, Scope{})
			return err
		})
		if err != nil {
			return nil, nil, ds.withheld(err)
		}
	}
	if ds.db.off.has(guardSiblingRules) {
		return &other, nil, nil
	}
	guarded, ruled, err := other.reading(ctx, security.Select, where)
	return guarded, ruled, ds.withheld(err)
}

// withheld is what nobody gets in place of an error that tells of another data source.
func (ds *DataSource) withheld(err error) error {
	if ds.db.as.IsAnonymous() && !ds.db.off.has(guardWithheld) && (isDenied(err) || errors.Is(err, ErrNotFound)) {
		return nobody(0)
	}
	return err
}

// prepare reads what is needed before the parents are: the joined entries of
// required joins, and of joins whose parents come in batches.
func (j *joiner) prepare(ctx context.Context) error {
	for _, run := range j.runs {
		if run.c.Required || !j.eager && !run.byFewIDs() {
			if err := run.readAll(ctx); err != nil {
				return run.c.fault(err)
			}
		}
	}
	return nil
}

// required reports whether a join may drop parents.
func (j *joiner) required() bool {
	if j == nil {
		return false
	}
	for _, c := range j.list {
		if c.Required && !c.outer() {
			return true
		}
	}
	return false
}

// passes reports whether a parent has a match in every required join.
func (j *joiner) passes(m *matching) (bool, error) {
	if j == nil {
		return true, nil
	}
	for _, run := range j.runs {
		if !run.c.Required {
			continue
		}
		if err := run.meet(&m.rec); err != nil {
			return false, run.c.fault(err)
		}
		if len(run.met) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// note takes down the keys of a parent that will be filled: the next one, in order.
func (j *joiner) note(m *matching) error {
	if j == nil {
		return nil
	}
	for _, run := range j.runs {
		if err := run.note(&m.rec); err != nil {
			return run.c.fault(err)
		}
	}
	return nil
}

// fill gives the parents noted since the last call what their joins found.
func (j *joiner) fill(ctx context.Context, parents []*Entry) error {
	if j == nil || len(j.runs) == 0 || len(parents) == 0 {
		return nil
	}
	room := make([]Joined, len(parents)*len(j.runs))
	for i, e := range parents {
		e.Joins = room[i*len(j.runs) : (i+1)*len(j.runs) : (i+1)*len(j.runs)]
	}
	for n, run := range j.runs {
		err := run.fill(ctx, func(i int, found Joined) { parents[i].Joins[n] = found })
		if err != nil {
			return run.c.fault(err)
		}
	}
	return nil
}

// appended yields the entries of the outer joins, one join after the other.
func (j *joiner) appended(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if j == nil {
			return
		}
		for _, o := range j.outer {
			for e, err := range o.f.all(ctx) {
				if err != nil {
					yield(nil, o.c.fault(err))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// hold counts bytes that the joins keep.
func (j *joiner) hold(n int) error {
	most := j.ds.db.opts.Limits.QueryBytes
	j.held += n
	for i := 0; i < len(j.runs) && j.held > most && most > 0; i++ {
		j.runs[i].letGo()
	}
	if j.held > most && most > 0 {
		return errs.New(errs.TooLarge, "the joins of a query hold more than %d bytes", most)
	}
	return nil
}
