package siftdb

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// sees tells the columns of one stored entry that a select by its id shows to a
// principal; of an entry that it would refuse, none. Nil stands for all columns.
type sees func(column string) bool

// nothingSeen is the sees of an entry that is refused.
func nothingSeen(string) bool { return false }

// looks finds out what a principal sees of stored entries, for one call. The rules are
// asked once for each entry at most, and once altogether where they cannot tell
// entries apart.
type looks struct {
	ds      *DataSource
	alike   bool // one answer is for all
	scripts bool
	all     sees
	runs    int
}

// maxLooks is how many entries the scripts of rules are asked about one by one for
// what one call writes.
const maxLooks = 1000

// looking prepares to look at entries; nil where nothing is hidden.
func (ds *DataSource) looking(ctx context.Context) (*looks, error) {
	if ds.db.as.Unrestricted() {
		return nil, nil
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return nil, err
	}
	l := &looks{ds: ds, alike: true}
	if policy, err := src.policy(); err == nil { // else nothing is granted
		l.alike, l.scripts = policy.Uniform(ds.db.as, security.Select, src.public()), policy.Scripts()
	}
	return l, nil
}

// everywhere returns what is seen of every entry, whichever; nil where that depends on
// the entry.
func (l *looks) everywhere(ctx context.Context) (sees, error) {
	if !l.alike || l.all != nil {
		return l.all, nil
	}
	guarded, _, err := l.ds.authorize(ctx, byID(security.Select, 0, nil))
	if isDenied(err) {
		guarded, err = nil, nil
	}
	if err == nil {
		l.all = seenThrough(guarded)
	}
	return l.all, err
}

// at returns what is seen of an entry.
func (l *looks) at(ctx context.Context, e *Entry) (sees, error) {
	if l == nil {
		return nil, nil
	}
	if all, err := l.everywhere(ctx); err != nil || all != nil {
		return all, err
	}
	if l.runs++; l.scripts && l.runs > maxLooks {
		return nil, &Error{Code: errs.TooLarge, DataSourceID: l.ds.id,
			Message: "the rules of data source " + itoa(l.ds.id) + " are asked about each entry that is written; at most " + itoa(maxLooks) + " can be written at once"}
	}
	guarded, err := l.ds.seeing(ctx, e)
	if err != nil {
		return nil, err
	}
	return seenThrough(guarded), nil
}

// seenThrough is what a handle shows; without one, nothing.
func seenThrough(guarded *DataSource) sees {
	if guarded == nil || guarded.veil == nil {
		return nothingSeen
	}
	return func(column string) bool { return !guarded.veil.hides(column) }
}

// names is a set of columns.
type names map[string]bool

// unseen returns the columns that a principal sends and may not read: a write of one
// counts as a change in any case, so that nobody can guess what is stored (spec 8.2).
func (s sees) unseen(sent any) (names, error) {
	if s == nil {
		return nil, nil
	}
	data, err := document.FromGo(sent, document.Limits{})
	if err != nil {
		return nil, err
	}
	var list names
	for key := range data.Fields() {
		if s(key) {
			continue
		}
		if list == nil {
			list = make(names)
		}
		list[strings.Clone(key)] = true
	}
	return list, nil
}

// or is s, and some columns more.
func (s sees) or(more names) sees {
	if s == nil || len(more) == 0 {
		return s
	}
	return func(column string) bool { return s(column) || more[column] }
}

// look finds out what the principal sees of the entries that the commit updates. Where
// that depends on the entry, the transaction confirms that it is still the same one.
func (p *preparedCommit) look(ctx context.Context, data []any) error {
	l, err := p.ds.looking(ctx)
	if err != nil {
		return err
	}
	p.sees, p.unseen, p.seen = make(map[int64]sees), make(map[int64]names), make(map[int64]int64)
	blind := make([]bool, len(data))
	for i, c := range p.commit.Entries {
		if c.ID == 0 {
			continue
		}
		seen := p.sees[c.ID]
		if seen == nil {
			if seen, err = p.lookAt(ctx, l, c.ID); err == nil {
				p.sees[c.ID] = seen
			}
		}
		var unseen names
		if err == nil && !p.ds.db.off.has(guardBlindCommit) {
			unseen, err = seen.unseen(data[i])
		}
		if err != nil {
			return err
		}
		if blind[i] = len(unseen) > 0; blind[i] && p.unseen[c.ID] == nil {
			p.unseen[c.ID] = make(names)
		}
		maps.Copy(p.unseen[c.ID], unseen)
	}
	p.blind = func(i int) bool { return blind[i] }
	return nil
}

// lookAt is look for one entry. Of one that does not exist nothing is seen.
func (p *preparedCommit) lookAt(ctx context.Context, l *looks, id int64) (sees, error) {
	if all, err := l.everywhere(ctx); err != nil || all != nil {
		return all, err
	}
	e, err := p.stored(ctx, id)
	if isMissing(err) {
		p.seen[id] = 0 // should it come back, it was not looked at
		return nothingSeen, nil
	}
	if err != nil {
		return nil, err
	}
	p.seen[id] = e.Changed
	return l.at(ctx, e)
}

// stored returns an entry as it is stored: the same one whoever asks.
func (p *preparedCommit) stored(ctx context.Context, id int64) (*Entry, error) {
	if e := p.entries[id]; e != nil {
		return e, nil
	}
	e, err := p.ds.lookup(ctx, id)
	if err == nil {
		if p.entries == nil {
			p.entries = make(map[int64]*Entry)
		}
		p.entries[id] = e
	}
	return e, err
}

// keeping tells the columns of an entry that stay when a principal replaces its data:
// those that it cannot see, and those that it may not write. It did not leave them out.
// Nil is for none.
func (p *preparedCommit) keeping(id int64) func(column string) bool {
	seen := p.sees[id]
	if seen == nil || p.ds.db.off.has(guardKeeping) {
		return nil
	}
	return func(column string) bool { return !seen(column) || p.grant.Hides(column) }
}

// replaced returns the document that replaces another, with the columns of that which
// stay. Where the others are what was sent, nothing changes: whether there are any that
// stay must not show.
func replaced(st *sourceTx, keeps func(string) bool, before, doc []byte) []byte {
	if keeps == nil {
		return doc
	}
	part := func(stay bool) []byte {
		return document.Select(nil, before, func(col uint16, inline string) bool {
			if inline == "" {
				inline = st.src.names.Name(col)
			}
			return keeps(inline) == stay
		})
	}
	if bytes.Equal(part(false), doc) && !st.t.db.off.has(guardKept) {
		return before
	}
	return document.Merge(nil, part(true), doc)
}

// crowded refuses data that give an entry more keys than Limits.Keys allows, unless it
// had as many. Of what a principal does not see only what it sends counts, so that the
// limit does not tell how much there is; but no entry has more than twice as many.
func (st *sourceTx) crowded(before *layout.Record, doc []byte, counts sees) error {
	limit := cmp.Or(st.t.db.opts.Limits.Keys, 10_000)
	if st.t.db.off.has(guardKeys) {
		counts = nil
	}
	n := document.Stored(doc, nil).Len()
	if limit < 0 || n <= limit || n <= 2*limit && st.keys(doc, counts) <= max(limit, st.keys(before.Doc, counts)) || n <= document.Stored(before.Doc, nil).Len() {
		return nil
	}
	return &Error{Code: errs.InvalidInput, DataSourceID: st.id, EntryID: before.ID, Message: "entry " + itoa(before.ID) + " would have more than " + itoa(int64(limit)) + " keys"}
}

// keys counts the keys of a document that count.
func (st *sourceTx) keys(doc []byte, counts sees) (n int) {
	for key := range document.Stored(doc, st.src.names).Fields() {
		if counts == nil || counts(key) {
			n++
		}
	}
	return n
}
