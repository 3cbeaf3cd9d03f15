package siftdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siftdb/siftdb"
)

func (m *machine) create() {
	spec := siftdb.DataSourceSpec{Name: fmt.Sprintf("source %d", len(m.steps)), Encrypted: m.rng.IntN(3) == 0}
	s := &modelSource{}
	if from := m.pick(); from != nil && len(from.versions) > 0 && m.rng.IntN(2) == 0 {
		v := from.versions[m.rng.IntN(len(from.versions))]
		m.log("copy version %d of %d", v.id, from.id)
		spec.Version = &siftdb.VersionRef{DataSourceID: from.id, ID: v.id}
		ds, err := m.db.Create(ctx, spec)
		m.must(err)
		s.id = ds.ID()
		entries, err := ds.Find(ctx, siftdb.Query{})
		m.must(err)
		rows := inOrder(v.rows)
		m.equal("copied entries", len(rows), len(entries))
		ids := []int64{}
		for i := range rows {
			ids = append(ids, entries[i].ID)
		}
		m.sources = append(m.sources, s)
		s.columns = slices.Clone(v.columns)
		m.add(s, rows, ids)
		s.columns = slices.Clone(v.columns)
		m.wrote(s, "create", nil, nil, -1)
		return
	}
	m.log("create")
	ds, err := m.db.Create(ctx, spec)
	m.must(err)
	s.id = ds.ID()
	m.sources = append(m.sources, s)
}

// encrypt changes how a data source, or all that are encrypted, are stored: nobody can see
// that of the entries.
func (m *machine) encrypt(ds *siftdb.DataSource) {
	if m.rng.IntN(4) == 0 {
		m.log("rotate keys")
		_, err := m.db.RotateKeys(ctx)
		m.must(err)
		return
	}
	change := siftdb.DataSourceUpdate{Encrypted: new(m.rng.IntN(2) == 0)}
	m.log("encrypt %d: %v", ds.ID(), *change.Encrypted)
	list, err := ds.ListIndexes(ctx)
	m.must(err)
	trigrams := slices.ContainsFunc(list, func(x siftdb.IndexInfo) bool { return x.Trigram })
	info, err := ds.Update(ctx, change)
	if trigrams && *change.Encrypted {
		m.equal("encrypted with a trigram index", true, errors.Is(err, siftdb.ErrInvalidInput))
		return
	}
	m.must(err)
	m.equal("encrypted", *change.Encrypted, info.Encrypted)
	again, err := m.db.DataSourceByName(ctx, info.Name, siftdb.Scope{})
	m.must(err)
	m.equal("found by name", ds.ID(), again.ID())
}

func (m *machine) update(s *modelSource, ds *siftdb.DataSource, before []row, columns []string) {
	id, patch := m.someID(s), m.data()
	i := s.find(id)
	if i >= 0 && m.rng.IntN(6) == 0 { // one that changes nothing
		patch = row{values: map[string]string{}}
		for _, k := range s.rows[i].keys {
			patch.set(k, s.rows[i].values[k])
		}
	}
	m.log("update %d of %d: %s", id, s.id, patch.json())
	e, err := ds.UpdateEntry(ctx, id, patch.raw())
	if i < 0 {
		m.wantError(err, siftdb.ErrNotFound)
		return
	}
	m.must(err)
	m.merge(&s.rows[i], patch, true)
	s.meet(patch)
	m.equal("updated", s.rows[i].String(), describeEntries([]*siftdb.Entry{e})[0])
	m.wrote(s, "update", before, columns, -1)
}

// merge changes a row, and its time if that changes anything.
func (m *machine) merge(r *row, patch row, extend bool) {
	old := r.json()
	if !extend {
		r.keys, r.values = nil, map[string]string{}
	}
	for _, k := range patch.keys {
		r.set(k, patch.values[k])
	}
	if r.json() != old {
		r.updated = m.now()
	}
}

func (m *machine) applyCommit(s *modelSource, ds *siftdb.DataSource) *int64 {
	c := siftdb.Commit{Entries: []siftdb.CommitEntry{}, Append: new(m.rng.IntN(5) > 0), Extend: m.rng.IntN(2) == 0}
	next := &modelSource{id: s.id, rows: cloneRows(s.rows), columns: slices.Clone(s.columns)}
	sent, unknown, inserted := map[int64]bool{}, false, []row{}
	stamps := map[int64]int64{}
	patches := []row{} // as sent, for the columns
	for range m.rng.IntN(5) {
		patch := m.data()
		e := siftdb.CommitEntry{Data: patch.raw()}
		order := float64(m.rng.IntN(5)-2) / 2
		withOrder := m.rng.IntN(3) == 0
		if withOrder {
			e.Order = order
		}
		patches = append(patches, patch)
		if m.rng.IntN(2) == 0 {
			e.ID = m.someID(s)
			c.Entries = append(c.Entries, e)
			i := next.find(e.ID)
			if i < 0 {
				unknown = true
				continue
			}
			sent[e.ID] = true
			stamps[e.ID] = s.rows[s.find(e.ID)].updated
			m.merge(&next.rows[i], patch, c.Extend)
			if withOrder {
				next.rows[i].order = order
			}
			continue
		}
		c.Entries = append(c.Entries, e)
		if withOrder {
			patch.order = order
		}
		inserted = append(inserted, patch)
	}
	// Only what differs in the end from what was found counts as changed.
	for id, stamp := range stamps {
		r, old := &next.rows[next.find(id)], s.rows[s.find(id)]
		if r.json() == old.json() && r.order == old.order {
			r.updated = stamp
		} else {
			r.updated = m.now()
		}
	}
	for range m.rng.IntN(3) {
		c.Delete = append(c.Delete, m.someID(s))
	}
	for i, patch := range patches { // what is deleted at once adds no columns
		if e := c.Entries[i]; e.ID == 0 || !slices.Contains(c.Delete, e.ID) {
			next.meet(patch)
		}
	}
	next.rows = slices.DeleteFunc(next.rows, func(r row) bool {
		return slices.Contains(c.Delete, r.id) || !*c.Append && !sent[r.id]
	})
	m.log("commit to %d: append %v extend %v delete %v, %d entries", s.id, *c.Append, c.Extend, c.Delete, len(c.Entries))
	result, err := ds.Commit(ctx, c)
	if unknown {
		m.wantError(err, siftdb.ErrInvalidInput)
		return nil
	}
	m.must(err)
	s.rows, s.columns = next.rows, next.columns
	m.add(s, inserted, result.Inserted)
	return &result.Version
}

// filters are wheres with the same thing said in Go.
var filters = []struct {
	where string
	holds func(row) bool
}{
	{`{}`, func(row) bool { return true }},
	{`{"n":{"$lt":4}}`, func(r row) bool { n, err := strconv.Atoi(r.values["n"]); return err == nil && n < 4 }},
	{`{"a":"red"}`, func(r row) bool { return r.values["a"] == `"red"` }},
	{`{"b":{"$exists":false}}`, func(r row) bool { _, ok := r.values["b"]; return !ok }},
	{`{"dotted.name":"blue"}`, func(r row) bool { return r.values["dotted.name"] == `"blue"` }},
	{`{"$or":[{"n":7},{"a":"blue"}]}`, func(r row) bool { return r.values["n"] == "7" || r.values["a"] == `"blue"` }},
}

func (m *machine) deleteQuery(s *modelSource, ds *siftdb.DataSource, before []row, columns []string) {
	f := filters[1+m.rng.IntN(len(filters)-1)]
	q := siftdb.Query{Type: "delete", Where: f.where}
	matches := slices.DeleteFunc(inOrder(s.rows), func(r row) bool { return !f.holds(r) })
	if m.rng.IntN(2) == 0 {
		limit := m.rng.IntN(4)
		q.Limit = &limit
		matches = matches[:min(limit, len(matches))]
	}
	m.log("delete query on %d: %s limit %v", s.id, f.where, q.Limit != nil)
	result, err := ds.Query(ctx, q)
	m.must(err)
	m.equal("deleted count", int64(len(matches)), *result.DeletedCount)
	for _, r := range matches {
		i := s.find(r.id)
		s.rows = slices.Delete(s.rows, i, i+1)
	}
	m.wrote(s, "query", before, columns, result.Version)
}

func (m *machine) updateWhere(s *modelSource, ds *siftdb.DataSource, before []row, columns []string) {
	f := filters[m.rng.IntN(len(filters))]
	value := words[m.rng.IntN(5)]
	patch := siftdb.Patch{}
	m.log("update where on %d: %s", s.id, f.where)
	kind := m.rng.IntN(3)
	switch kind {
	case 0:
		patch.Set = json.RawMessage(`{"a":` + value + `}`)
	case 1:
		patch.Unset = []string{"b"}
	case 2:
		patch.Func = func(e *siftdb.Entry) (any, error) {
			if n, ok := e.Get("n").(float64); ok {
				return siftdb.M{"n": n + 1}, nil
			}
			return nil, nil
		}
	}
	n, err := ds.UpdateWhere(ctx, f.where, patch)
	m.must(err)
	var want int64
	for i := range s.rows {
		r := &s.rows[i]
		if !f.holds(*r) {
			continue
		}
		old := r.json()
		switch kind {
		case 0:
			r.set("a", value)
			s.meet(row{keys: []string{"a"}})
		case 1:
			if _, ok := r.values["b"]; ok {
				delete(r.values, "b")
				r.keys = slices.DeleteFunc(r.keys, func(k string) bool { return k == "b" })
			}
		case 2:
			if n, err := strconv.Atoi(r.values["n"]); err == nil {
				r.set("n", strconv.Itoa(n+1))
			}
		}
		if r.json() != old {
			r.updated = m.now()
			want++
		}
	}
	m.equal("updated count", want, n)
	m.wrote(s, "update", before, columns, -1)
}

func (m *machine) trash(s *modelSource, ds *siftdb.DataSource) {
	m.log("trash %d", s.id)
	m.must(ds.Delete(ctx))
	_, err := ds.Find(ctx, siftdb.Query{})
	m.wantError(err, siftdb.ErrNotFound)
	if m.rng.IntN(4) == 0 {
		m.log("purge %d", s.id)
		m.must(m.db.Purge(ctx, s.id))
		_, err := m.db.RestoreDataSource(ctx, s.id)
		m.wantError(err, siftdb.ErrNotFound)
		m.sources = slices.DeleteFunc(m.sources, func(o *modelSource) bool { return o == s })
		s.trashed = true
		return
	}
	_, err = m.db.RestoreDataSource(ctx, s.id)
	m.must(err)
}

// query asks something of the present or of an old version.
func (m *machine) query(s *modelSource, ds *siftdb.DataSource) {
	rows := s.rows
	at := int64(0)
	if len(s.versions) > 0 && m.rng.IntN(2) == 0 {
		v := s.versions[m.rng.IntN(len(s.versions))]
		rows, at = v.rows, v.id
		ds = ds.At(v.id)
		if m.rng.IntN(3) == 0 { // what the time before it saw
			ds = m.handle(s).AtTime(time.UnixMilli(v.time - 1))
			rows = nil
			for _, w := range s.versions {
				if w.time > v.time-1 {
					rows = w.rows
					break
				}
			}
		}
	}
	f := filters[m.rng.IntN(len(filters))]
	want := slices.DeleteFunc(inOrder(rows), func(r row) bool { return !f.holds(r) })
	m.log("query %d at %d: %s", s.id, at, f.where)
	n, err := ds.Count(ctx, siftdb.Query{Where: f.where})
	m.must(err)
	m.equal("count", int64(len(want)), n)
	q := siftdb.Query{Where: f.where, IncludePagination: true, Offset: m.rng.IntN(4)}
	total := len(want)
	if m.rng.IntN(2) == 0 {
		q.Order = siftdb.Order{siftdb.Desc("data.n")}
		slices.SortStableFunc(want, func(a, b row) int { return int(a.id - b.id) })
		slices.SortStableFunc(want, func(a, b row) int {
			x, errX := strconv.Atoi(a.values["n"])
			y, errY := strconv.Atoi(b.values["n"])
			if errX != nil || errY != nil { // absent comes first when descending
				return btoi(errX == nil) - btoi(errY == nil)
			}
			return y - x
		})
	}
	want = want[min(q.Offset, len(want)):]
	if m.rng.IntN(2) == 0 {
		limit := m.rng.IntN(6)
		q.Limit = &limit
		want = want[:min(limit, len(want))]
	}
	result, err := ds.Query(ctx, q)
	m.must(err)
	m.equal("page", describe(want), describeEntries(result.Entries))
	m.equal("total", int64(total), result.Pagination.Total)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// index creates an index, or drops one. The check of the database compares it with the
// entries.
func (m *machine) index(ds *siftdb.DataSource) {
	list, err := ds.ListIndexes(ctx)
	m.must(err)
	if len(list) > 3 || len(list) > 0 && m.rng.IntN(3) == 0 {
		name := list[m.rng.IntN(len(list))].Name
		m.log("drop index %s of %d", name, ds.ID())
		m.must(ds.DropIndex(ctx, name))
		return
	}
	fields := []string{"n", "a", "b", "dotted.name", "data.dotted.name", "x7", "order", "createdAt", "id", "b.deep"}
	spec := siftdb.IndexSpec{Name: "i" + strconv.Itoa(m.rng.IntN(1000)), Sparse: m.rng.IntN(4) == 0, IgnoreCase: m.rng.IntN(4) == 0}
	m.rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	for _, f := range fields[:1+m.rng.IntN(2)] {
		if len(spec.Fields) == 0 || !strings.HasSuffix(f, "dotted.name") {
			spec.Fields = append(spec.Fields, siftdb.IndexField{Name: f, Desc: m.rng.IntN(3) == 0})
		}
	}
	if m.rng.IntN(5) == 0 {
		spec = siftdb.IndexSpec{Name: spec.Name, Fields: []siftdb.IndexField{{Name: "a"}}, Trigram: true}
	}
	m.log("create index %v of %d", spec, ds.ID())
	err = ds.CreateIndex(ctx, spec)
	if spec.Trigram && errors.Is(err, siftdb.ErrInvalidInput) {
		info, failed := ds.Info(ctx)
		m.must(failed)
		m.equal("encrypted, so no trigrams", true, info.Encrypted)
		return
	}
	if !isConflict(err) || !slices.ContainsFunc(list, func(x siftdb.IndexInfo) bool { return x.Name == spec.Name }) {
		m.must(err)
	}
}
