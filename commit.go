package siftdb

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// Commit is a set of inserts, updates and deletions that are applied together
// (spec 8).
type Commit struct {
	// Entries are the members: without an ID inserts, with one updates. Unless Append
	// is true (or nil beside a Delete), every entry that is not sent is deleted, as
	// spec 8.1 has it. Nil is refused then; an empty slice empties the data source.
	Entries []CommitEntry
	// Append keeps entries that are not sent. Nil means false, but true when Delete
	// is not nil. With false, everything that is not sent goes.
	Append *bool
	// Delete lists entries to remove. Ids that this data source does not hold are
	// skipped.
	Delete []int64
	// Extend merges data into the stored columns instead of replacing them all.
	Extend bool
	// Columns, when not nil, sets the list of columns and their order. New ones of
	// the entries are added after it.
	Columns []string
	// ReturnEntries asks for the whole data source after the commit. The default of
	// a JSON body is true, of a Go caller false.
	ReturnEntries bool
	// Source is a label, as WithSource gives one; it goes before that.
	Source string
	// RunHooks lists the kinds of members on which the hooks of the data source run:
	// InsertEvent and UpdateEvent.
	RunHooks []EventKind
}

// CommitEntry is one insert or update.
type CommitEntry struct {
	ID       int64  // 0 for an insert
	Data     any    // an object, as for Insert; no key is reserved
	Order    any    // a number; nil means 0 for an insert, unchanged for an update
	ClientID string // for inserts: the caller's own id, told back in CommitResult
	// IfChanged, when not 0, fails the commit with ErrConflict unless the entry was
	// last changed by that commit.
	IfChanged int64
}

// CommitResult tells what a commit did.
type CommitResult struct {
	// Version is the version it left, which is also the id of the commit; 0 when
	// nothing changed.
	Version int64
	// Inserted are the ids of the inserts, in the order in which they were sent.
	Inserted []int64
	// ClientIDs has a member for every insert that had a ClientID, in order; never
	// nil.
	ClientIDs []ClientID
	// Entries is the data source after the commit in default order; nil unless
	// ReturnEntries.
	Entries []*Entry
}

// ClientID pairs a client's own id with the id that an insert got.
type ClientID struct {
	ClientID string `json:"clientId"`
	ID       int64  `json:"id"`
}

// MarshalJSON returns the response body of spec 8.3: entries, unless they were not
// asked for, and clientIds.
func (r *CommitResult) MarshalJSON() ([]byte, error) {
	var body struct {
		Entries   *[]*Entry  `json:"entries,omitempty"`
		ClientIDs []ClientID `json:"clientIds"`
	}
	if r.Entries != nil {
		body.Entries = &r.Entries
	}
	if body.ClientIDs = r.ClientIDs; body.ClientIDs == nil {
		body.ClientIDs = []ClientID{}
	}
	return json.Marshal(body)
}

// Commit applies inserts, updates and deletions in one atomic write: all of it, or
// nothing. An update of an id that this data source does not hold fails the whole
// commit with ErrInvalidInput and lists the ids (spec 8.2). An update that changes
// nothing leaves the entry's times alone. A result beside an error means that the
// commit was applied, and only the entries that ReturnEntries asks for are missing.
func (ds *DataSource) Commit(ctx context.Context, c Commit, options ...WriteOption) (*CommitResult, error) {
	results, err := ds.db.CommitAll(ctx, []SourceCommit{{ds, c}}, options...)
	if results == nil {
		return nil, err
	}
	return results[0], err
}

// CommitEach is Commit, but with ReturnEntries the entries of the data source after the
// commit go to each, one by one in default order, and not into the result: they need not
// be in memory together. They are one snapshot, of the moment after the commit. No
// transaction is open while each runs. An error of each ends the call; it is told in the
// error that is returned beside the result, for the commit stays applied.
func (ds *DataSource) CommitEach(ctx context.Context, c Commit, each func(*Entry) error, options ...WriteOption) (*CommitResult, error) {
	results, err := ds.db.commitAll(ctx, []SourceCommit{{ds, c}}, each, options)
	if results == nil {
		return nil, err
	}
	return results[0], err
}

// SourceCommit is a commit and the data source that it is for.
type SourceCommit struct {
	DataSource *DataSource
	Commit     Commit
}

// CommitAll applies commits to several data sources as one atomic write: one
// commit id, and a version under that id in each data source that changed. Results
// are in the order of the commits. A data source may be named once.
func (db *DB) CommitAll(ctx context.Context, commits []SourceCommit, options ...WriteOption) ([]*CommitResult, error) {
	return db.commitAll(ctx, commits, nil, options)
}

// commitAll is CommitAll; each takes the entries of answers, if it is not nil.
func (db *DB) commitAll(ctx context.Context, commits []SourceCommit, each func(*Entry) error, options []WriteOption) ([]*CommitResult, error) {
	opts, err := makeWriteOptions(options)
	if err != nil {
		return nil, err
	}
	for range maxTries {
		prepared := make([]*preparedCommit, len(commits))
		for i, c := range commits {
			if prepared[i], err = db.prepare(ctx, c, opts.source); err != nil {
				return nil, err
			}
			for _, other := range prepared[:i] {
				if other.ds.id == c.DataSource.id {
					return nil, errs.New(errs.InvalidInput, "data source %d is named twice in one commit", other.ds.id)
				}
			}
		}
		results, err := db.applyAll(ctx, prepared, each, options)
		if !errors.Is(err, errStale) && !errors.Is(err, errMoved) {
			return results, err
		}
		for _, p := range prepared {
			if err := db.reload(ctx, p.ds.id); err != nil {
				return nil, err
			}
		}
	}
	return nil, commits[0].DataSource.overtaken()
}

func (db *DB) applyAll(ctx context.Context, prepared []*preparedCommit, each func(*Entry) error, options []WriteOption) ([]*CommitResult, error) {
	results := make([]*CommitResult, len(prepared))
	if slices.ContainsFunc(prepared, func(p *preparedCommit) bool { return p.commit.ReturnEntries }) {
		// What the answer is read from must stay until it is read.
		claim := db.snapshots.register(db.published.Load())
		defer db.snapshots.release(claim)
	}
	version, err := db.write(ctx, options, func(t *tx) error {
		for i, p := range prepared {
			st, err := t.source(p.ds.id, false)
			if err != nil {
				return err
			}
			if results[i], err = p.apply(st); err != nil {
				return err
			}
		}
		for i, p := range prepared {
			if t.sources[p.ds.id].changed() {
				results[i].Version = t.commit()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, p := range prepared {
		if !p.commit.ReturnEntries {
			continue
		}
		after := p.ds
		if version != 0 {
			after = after.reads(moment{atCommit, version})
		}
		if err := after.answer(ctx, results[i], each); err != nil {
			return results, unanswered(version, err)
		}
	}
	return results, nil
}

// answer reads the entries that a commit answers with. What may not be read is left out
// (spec 8.3).
func (ds *DataSource) answer(ctx context.Context, result *CommitResult, each func(*Entry) error) (err error) {
	if each == nil {
		if result.Entries, err = ds.Find(ctx, Query{}); isDenied(err) {
			result.Entries, err = []*Entry{}, nil
		}
		return err
	}
	for e, err := range ds.Each(ctx, Query{}) {
		if isDenied(err) {
			return nil
		}
		if err == nil {
			err = each(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// preparedCommit is a commit that has been checked and encoded.
type preparedCommit struct {
	ds      *DataSource
	commit  Commit
	append  bool
	columns []string
	rows    *rows
	orders  [][]byte // of each member

	// Of a principal to which rules apply:
	goes   goes             // what is deleted
	add    bool             // columns are only added
	grant  *security.Grant  // of the updates
	sees   map[int64]sees   // what is seen of the entries that are updated
	unseen map[int64]names  // the columns that are sent of each and not seen
	blind  func(i int) bool // whether a member counts as a change in any case

	// The entries that rules and hooks were evaluated on, the commits that changed them
	// last, where that matters, the hooks that ran, and the members that hold the whole
	// data to be stored.
	entries map[int64]*Entry
	seen    map[int64]int64
	hooks   *hooking
	whole   map[int]bool
}

// prepare checks the form of a commit and encodes its data. label is that of the write.
func (db *DB) prepare(ctx context.Context, sc SourceCommit, label string) (*preparedCommit, error) {
	if sc.DataSource != nil && db.as != nil {
		if as := sc.DataSource.db.as; as != nil && as != db.as && !db.off.has(guardHandle) {
			return nil, errs.New(errs.InvalidInput, "a commit names a data source by the handle of another principal")
		}
		sc.DataSource = sc.DataSource.As(db.as)
	}
	if sc.DataSource == nil || sc.DataSource.db.core != db.core {
		return nil, errs.New(errs.InvalidInput, "a commit names no data source of this database")
	}
	if err := sc.DataSource.writable(); err != nil {
		return nil, err
	}
	c := sc.Commit
	p := &preparedCommit{ds: sc.DataSource, commit: c, append: c.Delete != nil}
	if c.Append != nil {
		p.append = *c.Append
	}
	if c.Entries == nil && !p.append {
		return nil, errs.At(errs.InvalidInput, "entries", "entries is required; to empty the data source send an empty list")
	}
	var err error
	if p.columns, err = db.cleanColumns(c.Columns); err != nil {
		return nil, err
	}
	data := make([]any, len(c.Entries))
	p.orders = make([][]byte, len(c.Entries))
	for i, e := range c.Entries {
		switch {
		case e.ID < 0:
			return nil, errs.At(errs.InvalidInput, fmt.Sprintf("entries.%d.id", i), "an entry id cannot be negative")
		case e.IfChanged < 0 || e.IfChanged > 0 && e.ID == 0:
			return nil, errs.At(errs.InvalidInput, fmt.Sprintf("entries.%d", i), "a condition on changed is the id of a commit, for an update")
		}
		if p.orders[i], err = db.parseOrder(e.Order); err != nil {
			return nil, rowError(i, err)
		}
		data[i] = e.Data
	}
	if data, err = p.guard(ctx, data); err != nil {
		return nil, err
	}
	if data, err = p.hook(ctx, data, cmp.Or(c.Source, label)); err != nil {
		return nil, err
	}
	p.rows, err = db.encode(db.catalog.cached(p.ds.id), data)
	return p, err
}

// staged is an entry that the commit updates, perhaps more than once.
type staged struct {
	before layout.Record
	doc    []byte
	order  []byte
	force  bool // it counts as a change in any case
}

// apply does the work of spec 8.2 on one data source.
func (p *preparedCommit) apply(st *sourceTx) (*CommitResult, error) {
	st.begin("commit")
	st.label = p.commit.Source
	if p.hooks.confirm(st) != nil {
		return nil, errStale
	}
	docs, err := st.confirm(p.rows)
	if err != nil {
		return nil, err
	}
	updates, ids, err := p.stage(st, docs)
	if err != nil {
		return nil, err
	}
	if p.add {
		st.addColumns(p.columns)
	} else if p.commit.Columns != nil {
		st.setColumns(p.columns)
	}
	remove := make(map[int64]bool, len(p.commit.Delete))
	for _, id := range p.commit.Delete {
		remove[id] = true
	}
	for i, e := range p.commit.Entries {
		if e.ID == 0 || !remove[e.ID] {
			st.meet(docs[i])
		}
	}
	for _, id := range ids {
		u := updates[id]
		if remove[id] {
			continue
		}
		_, changed, err := st.change(&u.before, u.doc, u.order, u.force, p.sees[id].or(p.unseen[id]))
		if err == nil && changed {
			err = p.hooks.updated(st, id)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.removals(st, updates, remove); err != nil {
		return nil, err
	}
	return p.inserts(st, docs)
}

// stage finds the entries that are updated and works out what they become. It
// returns them with their ids in order of first mention.
func (p *preparedCommit) stage(st *sourceTx, docs [][]byte) (map[int64]*staged, []int64, error) {
	updates := make(map[int64]*staged)
	var ids, unknown []int64
	for i, e := range p.commit.Entries {
		if e.ID == 0 {
			continue
		}
		u := updates[e.ID]
		if u == nil {
			u = new(staged)
			ok, err := st.get(e.ID, &u.before)
			if err != nil {
				return nil, nil, err
			}
			if !ok {
				if !slices.Contains(unknown, e.ID) {
					unknown = append(unknown, e.ID)
				}
				continue
			}
			u.doc, u.order = u.before.Doc, u.before.Order
			updates[e.ID] = u
			ids = append(ids, e.ID)
		}
		if err := st.checkChanged(&u.before, e.IfChanged); err != nil {
			return nil, nil, err
		}
		if seen, ok := p.seen[e.ID]; ok && u.before.Changed != seen {
			return nil, nil, errStale
		}
		switch {
		case p.whole[i]:
			u.doc = docs[i]
		case p.commit.Extend:
			u.doc = document.Merge(nil, u.doc, docs[i])
		default:
			u.doc = replaced(st, p.keeping(e.ID), u.doc, docs[i])
		}
		if e.Order != nil {
			u.order = p.orders[i]
		}
		u.force = u.force || p.blind != nil && p.blind(i)
	}
	if len(unknown) > 0 {
		return nil, nil, unknownEntries(st.id, unknown)
	}
	return updates, ids, nil
}

func unknownEntries(source int64, ids []int64) error {
	texts := make([]string, 0, len(ids))
	for _, id := range ids[:min(len(ids), 100)] {
		texts = append(texts, itoa(id))
	}
	if len(ids) > 100 {
		texts = append(texts, "and "+itoa(int64(len(ids)-100))+" more")
	}
	return &Error{Code: errs.InvalidInput, Path: "entries", DataSourceID: source, EntryID: ids[0],
		Message: "data source " + itoa(source) + " has no entries with the ids " + strings.Join(texts, ", ")}
}

// removals deletes the entries named, and without append all that were not sent.
func (p *preparedCommit) removals(st *sourceTx, updates map[int64]*staged, remove map[int64]bool) error {
	if !p.append {
		keep := make(map[int64]bool, len(updates))
		for id := range updates {
			keep[id] = !remove[id]
		}
		return st.removeAll(keep, p.goes)
	}
	for _, id := range slices.Sorted(maps.Keys(remove)) {
		if err := st.removeNamed(id, p.goes); err != nil {
			return err
		}
	}
	return nil
}

// inserts stores the members without an id.
func (p *preparedCommit) inserts(st *sourceTx, docs [][]byte) (*CommitResult, error) {
	result := &CommitResult{ClientIDs: []ClientID{}}
	var fresh, orders [][]byte
	for i, e := range p.commit.Entries {
		if e.ID == 0 {
			fresh, orders = append(fresh, docs[i]), append(orders, p.orders[i])
		}
	}
	recs, err := st.insertDocs(fresh, orders)
	if err == nil {
		err = p.hooks.inserted(st, recs)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range p.commit.Entries {
		if e.ID != 0 {
			continue
		}
		id := recs[len(result.Inserted)].ID
		result.Inserted = append(result.Inserted, id)
		if e.ClientID != "" {
			result.ClientIDs = append(result.ClientIDs, ClientID{e.ClientID, id})
		}
	}
	return result, nil
}
