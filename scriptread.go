package siftdb

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// maxLookUp is how much data one look-up of a script may return, in bytes as stored.
const maxLookUp = 16 << 20

// lookUps serves what the scripts of one decision look up in other data sources (spec
// 11.7(6)): with full rights, so that no rules are asked again, among the data sources
// of the organization whose rules these are, and all in one state of the store.
type lookUps struct {
	db   *DB // nobody's handle
	home *source

	mu     sync.Mutex
	claim  *snapshot // nil before the first look-up
	commit int64
	closed bool
}

var _ security.ScriptReader = (*lookUps)(nil)

// lookUps returns what scripts in the rules of a data source read through. It is to be
// closed when the decision is made.
func (ds *DataSource) lookUps(home *source) *lookUps {
	return &lookUps{db: &DB{core: ds.db.core}, home: home}
}

// reporting returns what tells the host of scripts that fail.
func (db *DB) reporting(source int64) func(security.ScriptFailure) {
	if db.opts.ScriptFailed == nil {
		return nil
	}
	return func(f security.ScriptFailure) { db.opts.ScriptFailed(source, f) }
}

// close gives up the state that was read.
func (l *lookUps) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.claim != nil {
		l.db.snapshots.release(l.claim)
		l.claim = nil
	}
}

// Find is a look-up of a script.
func (l *lookUps) Find(ctx context.Context, source any, where document.Value, limit, offset int) ([]document.Value, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errs.New(errs.Closed, "the decision that the look-up is for has been made")
	}
	ds, err := l.find(ctx, source)
	if err != nil {
		return nil, err
	}
	q := Query{Where: json.RawMessage(document.AppendJSON(nil, where)), Limit: &limit, Offset: offset}
	var found []document.Value
	size := 0
	for e, err := range ds.Each(ctx, q) {
		if err != nil {
			return nil, err
		}
		if size += len(e.doc.Raw()); size > maxLookUp {
			return nil, errs.New(errs.TooLarge, "the entries that the script looks up have more than %d bytes", maxLookUp)
		}
		found = append(found, e.shape())
	}
	return found, nil
}

// shape is an entry as scripts see it: that of JSON (spec 1.4).
func (e *Entry) shape() document.Value {
	order := document.Of(0)
	if e.order != nil {
		order = e.orderValue()
	}
	return document.Of(query.D{{Key: "id", Value: e.ID}, {Key: "data", Value: e.doc}, {Key: "order", Value: order},
		{Key: "createdAt", Value: formatTime(e.CreatedAt)}, {Key: "updatedAt", Value: formatTime(e.UpdatedAt)},
		{Key: "deletedAt", Value: nil}, {Key: "dataSourceId", Value: e.DataSourceID}})
}

// find returns a handle on a data source that a script names, in the state that the
// first look-up met.
func (l *lookUps) find(ctx context.Context, source any) (*DataSource, error) {
	ds := &DataSource{db: l.db}
	if l.claim == nil {
		l.claim = l.db.snapshots.register(l.db.published.Load())
		l.commit = -1
	}
	err := l.db.view(ctx, func(r storage.Reader) error {
		if l.commit < 0 {
			meta, _, err := layout.ReadMeta(r)
			if err != nil {
				return err
			}
			l.commit = meta.Commit
			l.db.snapshots.move(l.claim, l.commit)
		}
		var err error
		ds.id, err = l.named(r, source)
		return err
	})
	ds.at = moment{atCommit, l.commit}
	return ds, err
}

// named returns the id of the data source that a script names by its id or its name. Of
// several with a name, one of the app whose rules these are goes first. Those of other
// organizations do not exist.
func (l *lookUps) named(r storage.Reader, source any) (int64, error) {
	home := func(d *definition) bool { return equalPtr(d.OrganizationID, l.home.def.OrganizationID) }
	switch source := source.(type) {
	case string:
		return l.db.findNamed(r, source, l.home.def.AppID, home)
	case int64:
		_, src, err := l.db.load(r, source, false)
		if err == nil && !home(&src.def) {
			err = unknownSource(source)
		}
		return source, err
	}
	return 0, errs.New(errs.InvalidInput, "a script names data sources by id or by name")
}
