package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// goes are the entries that the rules let go, by id, with the commits that changed them
// last as they were judged; 0 stands for an entry that did not exist. Nil is for those
// to whom no rules apply.
type goes map[int64]int64

// confirm makes sure that an entry which is deleted is the one that was judged. changed
// is 0 for one that does not exist.
func (g goes) confirm(id, changed int64) error {
	if judged, ok := g[id]; g != nil && (!ok || judged != changed) {
		return errMoved
	}
	return nil
}

// confirmAll makes sure that as many entries were deleted as were judged.
func (g goes) confirmAll(n int) error {
	if g != nil && n != len(g) {
		return errMoved
	}
	return nil
}

// hopeless refuses an operation that no rule can grant to a principal, whatever it is
// about: so nothing has to be read first. whole is for what needs a grant that limits
// no columns.
func (s *source) hopeless(db *DB, op security.Operation, whole bool) error {
	p := db.as
	policy, err := s.policy()
	if db.off.has(guardHopeless) || err == nil && policy.MayGrant(p, op, s.public(), whole) {
		return nil
	}
	denied := &security.Denied{Operation: op, Reason: "no rule grants it, whatever is asked for"}
	return denied.On(s.id, s.def.Name)
}

// selects is the veil through which a delete query selects.
func (ds *DataSource) selects() *veil {
	if ds.db.off.has(guardDeleteQuery) {
		return nil
	}
	return ds.veil
}

// leaving asks whether entries may be deleted. Nil stands for one that does not exist.
func (ds *DataSource) leaving(ctx context.Context, entries []*Entry) error {
	if ds.db.as.Unrestricted() || len(entries) == 0 {
		return nil
	}
	req := security.Request{Operation: security.Delete, ByID: true, List: true}
	for _, e := range entries {
		req.Stored = append(req.Stored, dataOf(e))
	}
	_, _, err := ds.authorize(ctx, req)
	return err
}

// guardDeletions asks the rules about what the commit deletes.
func (p *preparedCommit) guardDeletions(ctx context.Context) (err error) {
	if !p.append {
		p.goes, err = p.ds.emptying(ctx, p.commit.Entries, p.commit.Delete)
		return err
	}
	if len(p.commit.Delete) == 0 {
		return nil
	}
	src, err := p.ds.reach(ctx)
	if err == nil {
		err = src.hopeless(p.ds.db, security.Delete, false)
	}
	if err != nil {
		return err
	}
	var entries []*Entry
	p.goes = make(goes)
	unknown := false
	for _, id := range p.commit.Delete {
		if _, again := p.goes[id]; again {
			continue
		}
		e, err := p.stored(ctx, id)
		switch {
		case isMissing(err):
			p.goes[id], unknown = 0, true
		case err != nil:
			return err
		default:
			p.goes[id], entries = e.Changed, append(entries, e)
		}
	}
	if unknown && !p.ds.db.off.has(guardUnknownDelete) { // judged as an entry without columns, so that nobody learns which exist
		entries = append(entries, nil)
	}
	return p.ds.leaving(ctx, entries)
}

// emptying asks the rules whether everything may be deleted apart from what is sent, and
// also what is named.
func (ds *DataSource) emptying(ctx context.Context, sent []CommitEntry, named []int64) (goes, error) {
	src, err := ds.reach(ctx)
	if err != nil {
		return nil, err
	}
	stays := make(map[int64]bool, len(sent))
	for _, e := range sent {
		stays[e.ID] = true
	}
	missing := make(map[int64]bool, len(named))
	for _, id := range named {
		missing[id], stays[id] = true, false
	}
	denied := src.hopeless(ds.db, security.Delete, false)
	if denied != nil && len(named) > 0 {
		return nil, denied
	}
	var entries []*Entry
	judged := make(goes)
	f := ds.finder(ctx, everything, false)
	defer f.close()
	f.eager = denied == nil
	for e, err := range f.all(ctx) {
		switch {
		case err != nil:
			return nil, err
		case stays[e.ID]:
			continue
		case denied != nil: // one that goes is enough
			return nil, denied
		}
		entries, judged[e.ID] = append(entries, e), e.Changed
		delete(missing, e.ID)
	}
	if len(missing) > 0 {
		entries = append(entries, nil)
	}
	err = ds.leaving(ctx, entries)
	if ds.db.off.has(guardGoes) {
		judged = nil
	}
	return judged, err
}

// removeAll deletes every entry, apart from those in keep, and makes sure that these are
// the ones that were judged.
func (st *sourceTx) removeAll(keep map[int64]bool, judged goes) error {
	from, to := layout.EntryKey(st.id, 0), layout.EntryKey(st.id, st.found.NextID)
	c := st.t.w.Scan(layout.Entries, from, to, false)
	drop := st.remove
	if len(keep) == 0 {
		drop = st.leave // their keys go together
	}
	n := 0
	var rec layout.Record
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if keep[layout.EntryID(key)] {
			continue
		}
		if err := rec.DecodeEntry(key, value); err != nil {
			return err
		}
		if err := firstError(judged.confirm(rec.ID, rec.Changed), drop(&rec)); err != nil {
			return err
		}
		n++
	}
	if err := firstError(c.Err(), judged.confirmAll(n)); err != nil || len(keep) > 0 {
		return err
	}
	return st.t.w.DeleteRange(layout.Entries, from, to)
}

// removeNamed deletes an entry, if it exists, as removeAll does.
func (st *sourceTx) removeNamed(id int64, judged goes) error {
	var rec layout.Record
	ok, err := st.get(id, &rec)
	if err != nil {
		return err
	}
	if !ok {
		return judged.confirm(id, 0)
	}
	return firstError(judged.confirm(id, rec.Changed), st.remove(&rec))
}
