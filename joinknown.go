package siftdb

import (
	"github.com/siftdb/siftdb/query"
)

// knownParents is what groups the proposed parents of a required join have. It is worked out to look
// the joined entries up, and serves again when the parents are visited. Its bytes and those of the
// keys count as held, and are let go of when there is no room for them.
type knownParents struct {
	among *proposals // of the parents
	refs  []int32    // the groups of one parent after the other
	ends  []int32    // where each parent's end, by its place among the proposals; nothing for those that do not match
	size  int        // bytes that count as held, without the keys
}

// remember keeps the keys of the parents noted, all of those that are proposed. Then joined entries
// with other keys are in no group: no parent asks for them.
func (run *joinRun) remember() {
	run.known = &knownParents{among: run.parent.chosen, refs: run.refs, ends: run.ends, size: run.noted}
	run.refs, run.ends, run.noted = nil, nil, 0
}

// letGo gives up what is remembered, beside the groups of joined entries.
func (run *joinRun) letGo() {
	if run.known == nil {
		return
	}
	gone := run.known.size
	for key, g := range run.groups {
		if !run.list[g].there {
			delete(run.groups, key)
			gone += len(key) + groupSize
		}
	}
	run.known = nil
	run.held -= gone
	run.joiner.held -= gone
}

// find returns the group of a key, if some joined entry may be in it.
func (run *joinRun) find(key []byte) (g int32, ok bool) {
	g, ok = run.groups[string(key)]
	return g, ok && (run.known == nil || run.list[g].there)
}

// meet finds the groups of a parent among those of all joined entries.
func (run *joinRun) meet(rec *query.Record) error {
	run.met, run.metBy = run.met[:0], 0
	if run.settled() {
		run.metBy = rec.ID
	}
	if refs, ok := run.knownOf(rec.ID); ok {
		for _, g := range refs {
			if run.list[g].there {
				run.met = append(run.met, g)
			}
		}
		return nil
	}
	return run.from.each(rec, func(key []byte) {
		if g, ok := run.find(key); ok {
			run.met = append(run.met, g)
		}
	})
}

// settled reports whether the parents are what they are: nothing of them is hidden, in one slice or
// in the next.
func (run *joinRun) settled() bool { return run.parent.st.source.veil == nil }

// knownOf returns the groups of the parent that is visited, if they are remembered.
func (run *joinRun) knownOf(id int64) (refs []int32, ok bool) {
	k, c := run.known, run.parent.chosen
	if k == nil || c != k.among || c.next == 0 || c.next > len(c.places) || c.places[c.next-1].id != id || !run.settled() {
		return nil, false
	}
	return k.of(c.next - 1), true
}

// of returns the groups of a proposed parent.
func (k *knownParents) of(at int) []int32 {
	if k == nil {
		return nil
	}
	from := int32(0)
	if at > 0 {
		from = k.ends[at-1]
	}
	return k.refs[from:k.ends[at]]
}

// keysAhead works out the keys of parents on the core that reads them.
func (run *joinRun) keysAhead(f *finder) func() aheadWork {
	id, names := f.rd.ds.id, f.rd.st.source.names
	made := f.takesAll() && f.c.projection == nil
	return func() aheadWork {
		keys, rec := joinKeys{names: run.from.names}, query.Record{DataSourceID: id}
		return aheadWork{test: f.testAhead(), more: func(k *keptRecord, a *arena) {
			fillRecord(&rec, &k.rec, names)
			switch key, n := keys.single(&rec); n {
			case 0:
				k.keyed = keyNone
			case 1:
				k.key, k.keyed = a.copy(key), keyOne
			}
			if made && k.keyed != keyNone {
				k.makeEntry(id, names, a)
			}
		}}
	}
}

// fixed reports whether the groups are those that parents ask for, and no joined entry adds any.
func (run *joinRun) fixed() bool { return run.known != nil || !run.whole }

// groupsAhead finds the groups of joined entries on the core that reads them, where these are fixed,
// and makes the entries that will certainly be given to a parent.
func (run *joinRun) groupsAhead() func() aheadWork {
	if !run.fixed() {
		return nil
	}
	id, names := run.rd.ds.id, run.names()
	made := run.gives && run.project == nil && run.c.kind == joinEntries && run.c.query.limit < 0 && (!run.whole || run.eager && run.asked)
	return func() aheadWork {
		keys, rec := joinKeys{names: run.to.names}, query.Record{DataSourceID: id}
		return aheadWork{more: func(k *keptRecord, a *arena) {
			fillRecord(&rec, &k.rec, names)
			switch key, n := keys.single(&rec); n {
			case 0:
				k.keyed = keyNone
			case 1:
				k.keyed = keyNone
				if g, ok := run.groups[string(key)]; ok {
					k.group, k.keyed = g, keyGroup
				}
			}
			if made && k.keyed == keyGroup {
				k.makeEntry(id, names, a)
			}
		}}
	}
}
