package siftdb

import (
	"context"
	"errors"
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// The records of files and folders are entries of two data sources of the database's
// own, which are made when they are first needed. So ids, transactions, checksums and
// Check are those of entries; an entry's id is the id of the file. Their name is their
// type.
const (
	filesType   = "siftdb:files"
	foldersType = "siftdb:folders"

	// ownType is how the types of the database's own data sources begin.
	ownType = "siftdb:"
)

// own reports whether a data source is the database's own.
func (d *definition) own() bool { return d.Type != nil && strings.HasPrefix(*d.Type, ownType) }

// conceals reports whether a data source does not exist on this handle, whoever asks:
// one of the database's own, but on handles of the database itself.
func (db *DB) conceals(d *definition) bool { return d.own() && !db.inner }

// sees reports whether a data source exists for the handle.
func (db *DB) sees(d *definition) bool {
	return !db.conceals(d) && db.as.Sees(d.OrganizationID)
}

// checkType refuses the types of the database's own data sources.
func checkType(t *string) error {
	if t != nil && strings.HasPrefix(*t, ownType) {
		return errs.New(errs.InvalidInput, "types that begin with %q are reserved", ownType)
	}
	return nil
}

// ownSource returns the data source of the database's own that has a type, with full
// rights; nil when there is none yet.
func (db *DB) ownSource(ctx context.Context, kind string) (*DataSource, error) {
	var id int64
	err := db.view(ctx, func(r storage.Reader) (err error) {
		id, err = db.findOwn(r, kind)
		return err
	})
	if err != nil || id == 0 {
		return nil, err
	}
	return &DataSource{db: &DB{core: db.core, inner: true}, id: id}, nil
}

// findOwn returns the id of the data source that ownSource finds, 0 for none. The state
// it looks at may be uncommitted.
func (db *DB) findOwn(r storage.Reader, kind string) (int64, error) {
	ids, err := namesakes(r, kind)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		head, _, err := layout.ReadHead(r, id)
		if err != nil {
			return 0, err
		}
		src := db.catalog.cached(id)
		if !src.current(head) {
			if src, err = readSource(r, id, head, src); err != nil {
				return 0, err
			}
		}
		if src.def.own() && *src.def.Type == kind {
			return id, nil
		}
	}
	return 0, nil
}

// own returns a data source of the database's own for writing, and makes it when there
// is none.
func (t *tx) own(kind string) (*sourceTx, error) {
	for _, st := range t.sources { // one that this write has made is not found otherwise
		if st.src.def.own() && *st.src.def.Type == kind {
			return st, nil
		}
	}
	id, err := t.db.findOwn(t.w, kind)
	if err != nil {
		return nil, err
	}
	if id != 0 {
		return t.source(id, false)
	}
	return t.create(definition{Name: kind, Type: &kind, Public: new(false)}, t.db.ownKey.Load())
}

// reserve hands out ids of future records, which are used or lost.
func (db *DB) reserve(ctx context.Context, kind string, n int) ([]int64, error) {
	var ids []int64
	_, err := db.write(ctx, nil, func(t *tx) error {
		ids = nil
		st, err := t.own(kind)
		for err == nil && len(ids) < n {
			var id int64
			id, err = st.nextID()
			ids = append(ids, id)
		}
		return err
	})
	return ids, err
}

// insertOwn stores a record under an id that was reserved.
func (st *sourceTx) insertOwn(id int64, data any) (*Entry, error) {
	r, err := st.t.db.encode(st.src, []any{data})
	if err != nil {
		return nil, err
	}
	docs, err := st.confirm(r)
	if err != nil {
		return nil, err
	}
	st.meet(docs[0])
	t := st.t
	rec := layout.Record{ID: id, Born: t.commit(), Changed: t.commit(), CreatedAt: t.now, UpdatedAt: t.now, Doc: docs[0]}
	if err := st.add(&rec); err != nil {
		return nil, err
	}
	return newEntry(st.id, st.src.names, &rec), nil
}

// record returns an entry of a data source of the database's own, ErrNotFound when it
// is not there. what is the word for it in the message.
func (db *DB) record(ctx context.Context, kind, what string, id int64) (*Entry, error) {
	ds, err := db.ownSource(ctx, kind)
	if err != nil {
		return nil, err
	}
	if ds != nil {
		e, err := ds.findByID(ctx, id)
		if !errors.Is(err, ErrNotFound) {
			return e, err
		}
	}
	return nil, unknownRecord(what, id)
}

func unknownRecord(what string, id int64) error {
	return errs.New(errs.NotFound, "%s %d does not exist", what, id)
}
