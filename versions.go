package siftdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
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

// touched returns the ids of every entry that some versions touched, ascending; to is the
// last of them, 0 the last there is.
func touched(r storage.Reader, source, from, to int64) ([]int64, error) {
	set, err := touchedSet(r, source, from, to)
	if err != nil {
		return nil, err
	}
	return slices.AppendSeq(make([]int64, 0, set.Len()), set.All()), nil
}

func touchedSet(r storage.Reader, source, from, to int64) (history.IDSet, error) {
	var sets []history.IDSet
	for v, err := range history.Range(r, source, from, to, false) {
		if err != nil {
			return nil, err
		}
		sets = append(sets, v.Inserted, v.Updated, v.Deleted)
	}
	return history.Union(sets...), nil
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
