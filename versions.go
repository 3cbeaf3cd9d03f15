package siftdb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// Version is the backup taken just before one write (spec 9). As JSON it has the
// shape of spec 9.2.
type Version struct {
	ID           int64 // the id of the commit that wrote it
	DataSourceID int64
	// Action is what the write was: commit, insert, update, delete, import, query
	// or pre-restore.
	Action string
	// Source is the label that the write was given; empty when none.
	Source string
	// User is who made the write; nil when nobody was named.
	User *User
	// Columns is the list of columns of the backup; nil when there was none.
	Columns []string
	// Count is the number of entries in the backup.
	Count int64
	// Key is an opaque name that stays the same.
	Key string
	// CreatedAt is the time of the write.
	CreatedAt time.Time
	// Inserted, Updated and Deleted count what the write did.
	Inserted, Updated, Deleted int64
}

// MarshalJSON returns the JSON shape of spec 9.2.
func (v Version) MarshalJSON() ([]byte, error) {
	type entries struct {
		Count int64  `json:"count"`
		Key   string `json:"key"`
	}
	type data struct {
		Action  string   `json:"action"`
		Columns []string `json:"columns"`
		Entries entries  `json:"entries"`
	}
	shape := struct {
		ID           int64  `json:"id"`
		DataSourceID int64  `json:"dataSourceId"`
		PageID       *int64 `json:"pageId"`
		UserID       *int64 `json:"userId"`
		User         *User  `json:"user"`
		Data         data   `json:"data"`
		CreatedAt    string `json:"createdAt"`
		UpdatedAt    string `json:"updatedAt"`
	}{ID: v.ID, DataSourceID: v.DataSourceID, User: v.User, Data: data{v.Action, v.Columns, entries{v.Count, v.Key}},
		CreatedAt: formatTime(v.CreatedAt), UpdatedAt: formatTime(v.CreatedAt)}
	if v.User != nil {
		shape.UserID = &v.User.ID
	}
	return json.Marshal(shape)
}

// Page narrows a list.
type Page struct {
	// Limit is how many members are returned at most; nil means the newest 1,000.
	Limit *int
	// Offset is how many members are left out first.
	Offset int
}

// Versions lists the versions of the data source, newest first. The write that
// filled a data source as it was created is not listed. On a handle for
// an old state it lists those that existed then.
func (ds *DataSource) Versions(ctx context.Context, page Page) ([]Version, error) {
	limit, skip := 1000, page.Offset
	if page.Limit != nil {
		limit = *page.Limit
	}
	if limit < 0 || skip < 0 {
		return nil, errs.New(errs.InvalidQuery, "limit %d or offset %d is negative", limit, skip)
	}
	ds, err := ds.remembering(ctx)
	if err != nil {
		return nil, err
	}
	list := []Version{}
	err = ds.db.view(ctx, func(r storage.Reader) error {
		st, err := ds.stateAt(r)
		if err != nil {
			return err
		}
		list, skip = list[:0], page.Offset
		for h, err := range history.Range(r, ds.id, 0, st.commit+1, true) {
			if err != nil {
				return err
			}
			if h.Action == creation {
				continue
			}
			if skip--; skip >= 0 {
				continue
			}
			if len(list) == limit {
				break
			}
			v, err := ds.version(r, h)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

// version turns a header into what callers see.
func (ds *DataSource) version(r storage.Reader, h *history.Version) (Version, error) {
	columns, err := layout.ReadColumns(r, ds.id, h.Columns)
	if err != nil {
		return Version{}, err
	}
	if !ds.db.off.has(guardVersionColumns) {
		columns = ds.veil.shown(columns)
	}
	v := Version{ID: h.ID, DataSourceID: ds.id, Action: h.Action, Source: h.Source, Columns: columns, Count: h.Count,
		CreatedAt: fromMillis(h.Time), Inserted: h.Inserted.Len(), Updated: h.Updated.Len(), Deleted: h.Deleted.Len()}
	if h.User != nil {
		if err := json.Unmarshal(h.User, &v.User); err != nil {
			return Version{}, errs.Wrap(errs.Corrupt, err, "the user of version %d cannot be read", h.ID)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", ds.db.storeID, ds.id, h.ID))
	v.Key = fmt.Sprintf("data-sources/%d/versions/%s/%s.json", ds.id, v.CreatedAt.Format("2006-01"), hex.EncodeToString(sum[:16]))
	return v, nil
}

// VersionQuery selects entries of a version.
type VersionQuery struct {
	Where any  // as in Query
	Limit *int // nil means no limit
}

// VersionEntries returns the entries of a version in default order, each with the
// id, times and order that it had. An unknown version is ErrNotFound.
func (ds *DataSource) VersionEntries(ctx context.Context, version int64, q VersionQuery) ([]*Entry, error) {
	return ds.At(version).Find(ctx, Query{Where: q.Where, Limit: q.Limit})
}

// Restore makes the entries and columns exactly those of a version, as one write:
// same ids, data, order and times; entries that are not in it are removed (spec
// 9.4). It returns the version that it leaves, so that it can be undone; 0 when
// there was nothing to change. It costs what the difference costs.
func (ds *DataSource) Restore(ctx context.Context, version int64, options ...WriteOption) (int64, error) {
	if err := ds.writable(); err != nil {
		return 0, err
	}
	last, err := ds.restoring(ctx, version)
	if err != nil {
		return 0, err
	}
	return ds.db.write(ctx, options, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err != nil {
			return err
		}
		if last >= 0 && st.head.Last != last {
			return ds.overtaken()
		}
		v, err := history.Read(t.w, ds.id, version)
		if err != nil {
			return err
		}
		if v == nil {
			return unknownVersion(ds.id, version)
		}
		st.begin("pre-restore")
		return st.restore(v)
	})
}

// restore writes back what has been touched since a version.
func (st *sourceTx) restore(v *history.Version) error {
	ids, err := touchedSince(st.t.w, st.id, v.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := st.restoreEntry(id, v.ID-1); err != nil {
			return err
		}
	}
	columns, err := layout.ReadColumns(st.t.w, st.id, v.Columns)
	if err != nil {
		return err
	}
	if !slices.Equal(columns, st.src.columns) || (columns == nil) != (st.src.columns == nil) {
		st.src.setColumns(columns)
		st.columnsMoved = true
	}
	return nil
}

// restoreEntry gives an entry the state that it had after a commit.
func (st *sourceTx) restoreEntry(id, commit int64) error {
	var now, then layout.Record
	exists, err := st.get(id, &now)
	if err != nil {
		return err
	}
	existed, err := history.StateAt(st.t.w, st.id, id, commit, &then)
	if err != nil {
		return err
	}
	switch {
	case existed && !exists:
		then.Born, then.Changed = st.t.commit(), st.t.commit()
		return st.add(&then)
	case existed && !sameState(&now, &then):
		then.Born, then.Changed = now.Born, st.t.commit()
		return st.replace(&now, &then)
	case exists && !existed:
		return st.remove(&now)
	}
	return nil
}

// sameState reports whether two records of an entry look the same to a caller.
func sameState(a, b *layout.Record) bool {
	return bytes.Equal(a.Doc, b.Doc) && bytes.Equal(a.Order, b.Order) && a.CreatedAt == b.CreatedAt && a.UpdatedAt == b.UpdatedAt
}

// touchedSince returns the ids of every entry that a version or a later one
// touched, ascending.
func touchedSince(r storage.Reader, source, version int64) ([]int64, error) {
	return touched(r, source, version, 0)
}

func touched(r storage.Reader, source, from, to int64) ([]int64, error) {
	set := make(map[int64]struct{})
	for v, err := range history.Range(r, source, from, to, false) {
		if err != nil {
			return nil, err
		}
		for _, ids := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
			for id := range ids.All() {
				set[id] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// copyVersion fills a new data source with the entries of a version of another.
func (t *tx) copyVersion(st *sourceTx, ref VersionRef) error {
	from, err := t.source(ref.DataSourceID, false)
	if err != nil {
		return err
	}
	if !t.db.sees(&from.src.def) {
		return unknownSource(from.id)
	}
	if from.src.def.SealedName && !st.src.def.SealedName {
		return errs.New(errs.Conflict, "data source %d has been encrypted meanwhile: copy it again", from.id)
	}
	v, err := history.Read(t.w, from.id, ref.ID)
	if err != nil {
		return err
	}
	if v == nil {
		return unknownVersion(from.id, ref.ID)
	}
	// The same names under the same numbers make the documents valid as they are.
	names := make([]string, from.head.Names)
	for i := range names {
		names[i] = from.src.names.Name(uint16(i))
	}
	if _, err := st.confirm(&rows{proposed: names}); err != nil {
		return err
	}
	columns, err := layout.ReadColumns(t.w, from.id, v.Columns)
	if err != nil {
		return err
	}
	if columns != nil {
		st.setColumns(columns)
	}
	scan := newScanner(from.id, v.ID-1)
	if err := scan.catchUp(t.w, from.head); err != nil {
		return err
	}
	_, err = scan.run(t.w, nil, func(rec *layout.Record, _ query.Verdict) (bool, error) {
		_, err := st.insert(rec.Doc, rec.Order)
		return true, err
	})
	return err
}

// Now stands for the state that a handle reads, mostly the current one, where a
// version is asked for.
const Now int64 = 0

// Diff streams what differs between two versions, by ascending entry id: how from
// becomes to. A version is the state just before that write, as for At; Now is the
// state that the handle reads when the loop begins. It costs what was touched between the two. An error
// ends the stream.
func (ds *DataSource) Diff(ctx context.Context, from, to int64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		ds, err := ds.remembering(ctx)
		if err != nil {
			yield(Change{}, err)
			return
		}
		d := &differ{ds: ds, claim: ds.db.snapshots.register(0), from: from, to: to}
		defer ds.db.snapshots.release(d.claim)
		for first := true; first || len(d.ids) > 0; first = false {
			batch, err := d.slice(ctx, first)
			if err != nil {
				yield(Change{}, err)
				return
			}
			for _, c := range batch {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// differ compares two states of a data source in slices.
type differ struct {
	ds       *DataSource
	claim    *snapshot
	from, to int64
	a, b     int64   // the states, as commits
	ids      []int64 // still to be compared
}

// slice compares some entries in one transaction.
func (d *differ) slice(ctx context.Context, first bool) (batch []Change, err error) {
	err = d.ds.db.view(ctx, func(r storage.Reader) error {
		head, src, err := d.ds.load(r, !first) // once begun, the trash does not matter
		if err != nil {
			return err
		}
		if first {
			if err := d.begin(r); err != nil {
				return err
			}
		}
		if head.Floor > min(d.a, d.b) {
			return snapshotGone(d.ds.id)
		}
		for b := newBudget(); len(d.ids) > 0 && len(batch) < fullBatch && !b.spent(); d.ids = d.ids[1:] {
			c, differs, err := d.compare(r, src, d.ids[0])
			if err != nil {
				return err
			}
			if differs {
				batch = append(batch, c)
			}
		}
		return nil
	})
	return batch, err
}

// begin settles on the two states and finds what was touched between them.
func (d *differ) begin(r storage.Reader) (err error) {
	st, err := d.ds.stateAt(r)
	if err != nil {
		return err
	}
	for _, side := range []struct {
		version int64
		commit  *int64
	}{{d.from, &d.a}, {d.to, &d.b}} {
		if side.version == Now {
			*side.commit = st.commit
			continue
		}
		v, err := history.Read(r, d.ds.id, side.version)
		if err != nil {
			return err
		}
		if v == nil {
			return unknownVersion(d.ds.id, side.version)
		}
		*side.commit = v.ID - 1
	}
	d.ds.db.snapshots.move(d.claim, min(d.a, d.b))
	d.ids, err = touched(r, d.ds.id, min(d.a, d.b)+1, max(d.a, d.b)+1)
	return err
}

// compare reads one entry in both states.
func (d *differ) compare(r storage.Reader, src *source, id int64) (c Change, differs bool, err error) {
	var a, b layout.Record
	inA, err := history.StateAt(r, d.ds.id, id, d.a, &a)
	if err != nil {
		return c, false, err
	}
	inB, err := history.StateAt(r, d.ds.id, id, d.b, &b)
	src.lift(&a)
	src.lift(&b)
	if err != nil || inA == inB && (!inA || sameState(&a, &b)) {
		return c, false, err
	}
	if inA {
		c.Before = newEntry(d.ds.id, src.names, &a)
	}
	if inB {
		c.After = newEntry(d.ds.id, src.names, &b)
	}
	return c, true, nil
}
