package siftdb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// RunHooks says whether Append, ReplaceWith or Import run the hooks of the data source
// on each row. Append does unless told not to, the others only when told to (spec
// 10.4). In a Commit it is a field.
func RunHooks(run bool) WriteOption {
	return func(o *writeOptions) error {
		o.runHooks = &run
		return nil
	}
}

// chain returns the hooks of a definition, read once.
func (s *source) chain() (*hooks.Chain, error) {
	c := s.rules
	if c == nil { // a state that is not cached
		c = new(ruleCache)
	}
	c.hooksOnce.Do(func() {
		if s.def.Hooks != nil {
			c.chain, c.hooksErr = hooks.Parse(s.def.Hooks)
		}
	})
	return c.chain, c.hooksErr
}

// hooked returns the cached part of the data source and its hooks. Whoever writes or
// asks, hooks run the same; so this is not about what a principal sees.
func (ds *DataSource) hooked(ctx context.Context) (*source, *hooks.Chain, error) {
	src := ds.db.catalog.cached(ds.id)
	if src == nil {
		err := ds.db.view(ctx, func(r storage.Reader) (err error) {
			_, src, err = ds.db.load(r, ds.id, false)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	chain, err := src.chain()
	return src, chain, err
}

// hasher returns the operation hash: the host's, or else an HMAC whose key belongs to
// the store (spec 10.3).
func (db *DB) hasher() (hooks.Hasher, error) {
	if db.opts.Hash != nil {
		return db.opts.Hash, nil
	}
	secret := sha256.Sum256([]byte("siftdb hash\x00" + db.storeID))
	return hooks.HMAC(secret[:])
}

// beforeQuery runs the hooks on a where, and returns it if one changed it.
func (ds *DataSource) beforeQuery(ctx context.Context, where any) (json.RawMessage, error) {
	src, chain, err := ds.hooked(ctx)
	if err != nil || !chain.Changes(hooks.BeforeQuery) {
		return nil, err
	}
	asked, err := whereValue(where)
	if err != nil {
		return nil, err
	}
	hash, err := ds.db.hasher()
	if err != nil {
		return nil, err
	}
	out, err := chain.Query(ctx, hooks.QueryInput{Where: asked, Columns: src.isColumn, Hash: hash})
	if err != nil || out.Kind() != document.Object || document.Equal(out, asked) {
		return nil, err
	}
	return document.AppendJSON(nil, out), nil
}

// inserting runs the hooks on rows that are about to be inserted, and returns what is
// to be stored.
func (ds *DataSource) inserting(ctx context.Context, values []any, flat bool, label string) ([]any, error) {
	src, chain, err := ds.hooked(ctx)
	if err != nil || !chain.Changes(hooks.BeforeSave) && !chain.Changes(hooks.Insert) {
		return values, err
	}
	hash, err := ds.db.hasher()
	if err != nil {
		return nil, err
	}
	saved := make([]any, len(values))
	for i, v := range values {
		data, err := ds.sent(v, flat)
		if err == nil {
			data, err = withGUID(data, src.def.guidColumn())
		}
		if err == nil {
			data, err = chain.Save(ctx, hooks.SaveInput{Event: hooks.Insert, Data: data, Source: label, Hash: hash})
		}
		if err != nil {
			if len(values) > 1 {
				err = rowError(i, err)
			}
			return nil, err
		}
		saved[i] = data
	}
	return saved, nil
}

// sent reads data as a value, flat data without the reserved keys.
func (ds *DataSource) sent(v any, flat bool) (document.Value, error) {
	data, err := document.FromGo(v, ds.db.opts.Limits.document())
	if err == nil && flat && data.Kind() == document.Object {
		data = document.Of(withoutKeys{data, reservedKeys})
	}
	return data, err
}

// withGUID returns data with a random UUID in a column that has no value (spec 14.5).
func withGUID(data document.Value, column string) (document.Value, error) {
	if column == "" || data.Kind() != document.Object {
		return data, nil
	}
	v := data.Field(column)
	if k := v.Kind(); k == document.String && v.Len() > 0 || k != document.String && k != document.Absent && k != document.Null {
		return data, nil
	}
	return mergeValues(data, document.Of(query.D{{Key: column, Value: newUUID()}}))
}

// mergeValues returns an object with the keys of another put over its own, as
// document.Merge does with stored ones.
func mergeValues(under, over document.Value) (document.Value, error) {
	b := document.NewBuilder()
	b.ObjectStart()
	for _, v := range []document.Value{under, over} { // of a repeated key the last value counts
		for name, field := range v.Fields() {
			b.Key(name)
			b.Value(field)
		}
	}
	b.End()
	return b.Finish()
}

// errMoved ends a write whose entry is not what its hooks were evaluated on.
var errMoved = errors.New("the entry has been changed meanwhile")

// updateHooked is UpdateEntry for a data source with hooks that change updates: they
// are evaluated on the stored entry, and the transaction confirms that it is still the
// same. It returns no entry when there are no such hooks, or nothing changes; then seen
// is the commit that changed the entry last for which that holds, 0 for any.
func (ds *DataSource) updateHooked(ctx context.Context, id int64, judged judged, options []WriteOption) (entry *Entry, seen int64, err error) {
	_, chain, err := ds.hooked(ctx)
	if err != nil || !chain.Changes(hooks.BeforeSave) && !chain.Changes(hooks.Update) {
		return nil, judged.changed, err
	}
	opts, err := makeWriteOptions(options)
	if err != nil {
		return nil, 0, err
	}
	patch, err := ds.sent(judged.values[0], true)
	if err != nil {
		return nil, 0, err
	}
	for range maxTries {
		before, err := ds.findByID(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if judged.changed != 0 && before.Changed != judged.changed {
			return nil, 0, errMoved
		}
		data, changed, err := ds.updatedData(ctx, chain, before.doc, before.doc, patch, judged.sees, judged.blind(), opts.source)
		if err != nil || !changed {
			return nil, before.Changed, err
		}
		_, err = ds.writeRows(ctx, []any{whole{data}}, false, options, func(st *sourceTx, r *rows) error {
			st.begin("update")
			var rec layout.Record
			if err := st.concerned(id, &rec); err != nil {
				return err
			}
			if rec.Changed != before.Changed {
				return errMoved
			}
			docs, err := st.confirm(r)
			if err != nil {
				return err
			}
			st.meet(docs[0])
			after, _, err := st.change(&rec, docs[0], rec.Order, judged.blind(), judged.counts())
			entry = newEntry(st.id, st.src.names, &after)
			return err
		})
		if !errors.Is(err, errMoved) {
			return entry, 0, err
		}
	}
	return nil, 0, ds.overtaken()
}

// updatedData runs the hooks on an update that puts a patch over some data, and returns
// the whole data to store. changed is false for an update that changes nothing, on
// which no hooks run (spec 8.2).
func (ds *DataSource) updatedData(ctx context.Context, chain *hooks.Chain, stored, under, patch document.Value, seen sees, blind bool, label string) (data document.Value, changed bool, err error) {
	if data, err = mergeValues(under, patch); err != nil {
		return data, false, err
	}
	if !blind && sameText(data, stored) {
		return data, false, nil
	}
	hash, err := ds.db.hasher()
	if err != nil {
		return data, false, err
	}
	data, err = chain.Save(ctx, hooks.SaveInput{Event: hooks.Update, Data: data, Stored: stored, Source: label, Hash: hash, Readable: seen,
		Sent: func(column string) bool { return patch.Field(column).Kind() != document.Absent }})
	return data, err == nil, err
}

// hook runs the hooks that a commit lists on its members, as they are about to be
// stored (spec 8.2). Updates are evaluated on the stored entries, and the transaction
// confirms that these are still the same.
func (p *preparedCommit) hook(ctx context.Context, data []any) ([]any, error) {
	_, chain, err := p.ds.hooked(ctx)
	if err != nil || len(p.commit.RunHooks) == 0 || chain == nil {
		return data, err
	}
	runs := func(kind EventKind, event hooks.Event) bool {
		return slices.Contains(p.commit.RunHooks, kind) && (chain.Changes(hooks.BeforeSave) || chain.Changes(event))
	}
	inserts, updates := runs(InsertEvent, hooks.Insert), runs(UpdateEvent, hooks.Update)
	data = slices.Clone(data)
	if p.whole = make(map[int]bool); p.seen == nil {
		p.seen = make(map[int64]int64)
	}
	now := make(map[int64]document.Value)
	for i, e := range p.commit.Entries {
		switch {
		case e.ID == 0 && inserts:
			saved, err := p.ds.inserting(ctx, data[i:i+1], false, p.commit.Source)
			if err != nil {
				return nil, rowError(i, err)
			}
			data[i] = saved[0]
		case e.ID != 0 && updates:
			if err := p.hookUpdate(ctx, chain, i, data, now); err != nil {
				return nil, rowError(i, err)
			}
		}
	}
	return data, nil
}

// hookUpdate runs the hooks on one update of a commit. now holds what earlier members
// make of the entries.
func (p *preparedCommit) hookUpdate(ctx context.Context, chain *hooks.Chain, i int, data []any, now map[int64]document.Value) error {
	id := p.commit.Entries[i].ID
	stored, ok := now[id]
	if !ok {
		e, err := p.stored(ctx, id)
		if isMissing(err) {
			return nil // the transaction says so, of all of them
		}
		if err != nil {
			return err
		}
		stored, p.seen[id] = e.doc, e.Changed
	}
	patch, err := p.ds.sent(data[i], false)
	if err != nil {
		return err
	}
	under := stored
	if !p.commit.Extend {
		var rest document.Value
		if under, rest = parted(stored, p.keeping(id)); sameText(rest, patch) {
			under, patch = stored, document.Of(query.D{}) // nothing changes
		}
	}
	saved, changed, err := p.ds.updatedData(ctx, chain, stored, under, patch, p.sees[id], p.blind != nil && p.blind(i), p.commit.Source)
	if err != nil {
		return err
	}
	if now[id] = saved; changed {
		data[i], p.whole[i] = whole{saved}, true
	}
	return nil
}

// parted parts data that are replaced into the columns that stay and the others.
func parted(stored document.Value, keeps func(string) bool) (stay, rest document.Value) {
	if keeps == nil {
		return document.Of(query.D{}), stored
	}
	stays, goes := query.D{}, query.D{}
	for name, v := range stored.Fields() {
		if e := (query.E{Key: strings.Clone(name), Value: v}); keeps(name) {
			stays = append(stays, e)
		} else {
			goes = append(goes, e)
		}
	}
	return document.Of(stays), document.Of(goes)
}

// sameText reports whether two values are the same JSON text.
func sameText(a, b document.Value) bool {
	return string(document.AppendJSON(nil, a)) == string(document.AppendJSON(nil, b))
}
