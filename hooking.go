package siftdb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
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
		var err error
		if src, err = ds.loaded(ctx); err != nil {
			return nil, nil, err
		}
	}
	chain, err := src.chain()
	return src, chain, err
}

// loaded reads the cached part of the data source.
func (ds *DataSource) loaded(ctx context.Context) (src *source, err error) {
	err = ds.db.view(ctx, func(r storage.Reader) (err error) {
		_, src, err = ds.db.load(r, ds.id, false)
		return err
	})
	return src, err
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
func (h *hooking) inserting(ctx context.Context, values []any, flat bool) ([]any, error) {
	if !h.runs(hooks.Insert) {
		return values, nil
	}
	hash, err := h.ds.db.hasher()
	if err != nil {
		return nil, err
	}
	saved := make([]any, len(values))
	for i, v := range values {
		data, err := h.ds.sent(v, flat)
		if err == nil {
			data, err = withGUID(data, h.src.def.guidColumn())
		}
		if err == nil {
			data, err = h.chain.Save(ctx, hooks.SaveInput{Event: hooks.Insert, Data: data, Source: h.label, Hash: hash})
		}
		var sends []layout.Delivery
		if err == nil {
			sends, err = h.render(ctx, hooks.Insert, data)
		}
		if err != nil {
			if len(values) > 1 {
				err = rowError(i, err)
			}
			return nil, err
		}
		saved[i] = data
		h.inserts = append(h.inserts, sends)
	}
	return saved, nil
}

// insertRows stores rows as new entries in one write. If run is true the hooks run on
// them first, again if they were changed meanwhile. fn stores the rows.
func (ds *DataSource) insertRows(ctx context.Context, values []any, run bool, options []WriteOption, fn func(*sourceTx, *rows) ([]layout.Record, error)) (int64, error) {
	opts, err := makeWriteOptions(options)
	if err != nil {
		return 0, err
	}
	for range maxTries {
		saved, h := values, (*hooking)(nil)
		if run {
			if h, err = ds.hooking(ctx, opts.source); err != nil {
				return 0, err
			}
			if saved, err = h.inserting(ctx, values, true); err != nil {
				return 0, err
			}
		}
		commit, err := ds.writeRows(ctx, saved, true, options, func(st *sourceTx, r *rows) error {
			if h.confirm(st) != nil {
				return errRehook
			}
			recs, err := fn(st, r)
			if err != nil {
				return err
			}
			return h.inserted(st, recs)
		})
		if !errors.Is(err, errRehook) {
			return commit, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return 0, err
		}
	}
	return 0, ds.overtaken()
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

// errMoved ends a write whose entry is not what its hooks were evaluated on, or whose
// hooks are not those of the data source any more.
var errMoved = errors.New("the entry has been changed meanwhile")

// errRehook ends an insert whose hooks are not those of the data source any more.
var errRehook = errors.New("the hooks have been changed meanwhile")

// updateHooked runs the hooks of an update of one entry. They are evaluated on the stored
// entry, which judged then names, so that the transaction confirms that it is still the
// same. Where a hook may change data it also writes the update, and done is true.
func (ds *DataSource) updateHooked(ctx context.Context, id int64, judged *judged, options []WriteOption) (entry *Entry, done bool, err error) {
	opts, err := makeWriteOptions(options)
	if err != nil {
		return nil, false, err
	}
	h, err := ds.hooking(ctx, opts.source)
	if judged.hooks = h; err != nil || !h.runs(hooks.Update) {
		return nil, false, err
	}
	patch, err := ds.sent(judged.values[0], true)
	if err != nil {
		return nil, false, err
	}
	before, err := ds.findByID(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if judged.changed != 0 && before.Changed != judged.changed {
		return nil, false, errMoved
	}
	judged.changed = before.Changed
	data, changed, err := ds.updatedData(ctx, h.chain, before.doc, before.doc, patch, judged.sees, judged.blind(), opts.source)
	if err != nil || !changed {
		return nil, false, err
	}
	if err := h.updating(ctx, id, data); err != nil || !h.changes(hooks.Update) {
		return nil, false, err
	}
	_, err = ds.writeRows(ctx, []any{whole{data}}, false, options, func(st *sourceTx, r *rows) error {
		st.begin("update")
		rec, err := st.judged(id, judged)
		if err != nil {
			return err
		}
		docs, err := st.confirm(r)
		if err != nil {
			return err
		}
		st.meet(docs[0])
		entry, err = st.changeHooked(&rec, docs[0], judged.blind(), judged.counts(), judged.hooks)
		return err
	})
	return entry, err == nil, err
}

// judged returns the entry that an update was judged and evaluated on, or errMoved when
// it is not that any more.
func (st *sourceTx) judged(id int64, judged *judged) (rec layout.Record, err error) {
	if err := st.concerned(id, &rec); err != nil {
		return rec, err
	}
	if judged.changed != 0 && rec.Changed != judged.changed {
		return rec, errMoved
	}
	return rec, judged.hooks.confirm(st)
}

// changeHooked gives an entry new data, and stores what hooks send about that.
func (st *sourceTx) changeHooked(rec *layout.Record, doc []byte, blind bool, counts sees, h *hooking) (*Entry, error) {
	after, changed, err := st.change(rec, doc, rec.Order, blind, counts)
	if err == nil && changed {
		err = h.updated(st, rec.ID)
	}
	if err != nil {
		return nil, err
	}
	return newEntry(st.id, st.src.names, &after), nil
}

// updating renders what hooks send about an update that makes an entry what data are.
func (h *hooking) updating(ctx context.Context, id int64, data document.Value) error {
	if !h.chain.Delivers(hooks.Update) {
		return nil
	}
	list, err := h.render(ctx, hooks.Update, data)
	if h.updates == nil {
		h.updates = make(map[int64][]layout.Delivery)
	}
	h.updates[id] = list
	return err
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
	if ds.db.off.has(guardRehash) {
		seen = nil
	}
	data, err = chain.Save(ctx, hooks.SaveInput{Event: hooks.Update, Data: data, Stored: stored, Source: label, Hash: hash, Readable: seen,
		Sent: func(column string) bool { return patch.Field(column).Kind() != document.Absent }})
	return data, err == nil, err
}

// hook runs the hooks that a commit lists on its members, as they are about to be
// stored (spec 8.2). Updates are evaluated on the stored entries, and the transaction
// confirms that these are still the same.
func (p *preparedCommit) hook(ctx context.Context, data []any, label string) ([]any, error) {
	if len(p.commit.RunHooks) == 0 {
		return data, nil
	}
	h, err := p.ds.hooking(ctx, label)
	if err != nil {
		return nil, err
	}
	p.hooks = h
	runs := func(kind EventKind, event hooks.Event) bool {
		return slices.Contains(p.commit.RunHooks, kind) && h.runs(event)
	}
	inserts, updates := runs(InsertEvent, hooks.Insert), runs(UpdateEvent, hooks.Update)
	data = slices.Clone(data)
	if p.whole = make(map[int]bool); p.seen == nil {
		p.seen = make(map[int64]int64)
	}
	now := make(map[int64]updatedEntry)
	for i, e := range p.commit.Entries {
		switch {
		case e.ID == 0 && inserts:
			saved, err := h.inserting(ctx, data[i:i+1], false)
			if err != nil {
				return nil, rowError(i, err)
			}
			data[i] = saved[0]
		case e.ID != 0 && updates:
			if err := p.hookUpdate(ctx, i, data, now); err != nil {
				return nil, rowError(i, err)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(now)) { // once, however often a commit names it
		if now[id].changed {
			if err := h.updating(ctx, id, now[id].data); err != nil {
				return nil, err
			}
		}
	}
	return data, nil
}

// updatedEntry is what the members of a commit make of an entry.
type updatedEntry struct {
	data    document.Value
	changed bool
}

// hookUpdate runs the hooks on one update of a commit. now holds what earlier members
// make of the entries.
func (p *preparedCommit) hookUpdate(ctx context.Context, i int, data []any, now map[int64]updatedEntry) error {
	id := p.commit.Entries[i].ID
	entry, ok := now[id]
	if !ok {
		e, err := p.stored(ctx, id)
		if isMissing(err) {
			return nil // the transaction says so, of all of them
		}
		if err != nil {
			return err
		}
		entry.data, p.seen[id] = e.doc, e.Changed
	}
	patch, err := p.ds.sent(data[i], false)
	if err != nil {
		return err
	}
	stored := entry.data
	under := stored
	if !p.commit.Extend {
		var rest document.Value
		if under, rest = parted(stored, p.keeping(id)); sameText(rest, patch) {
			under, patch = stored, document.Of(query.D{}) // nothing changes
		}
	}
	saved, changed, err := p.ds.updatedData(ctx, p.hooks.chain, stored, under, patch, p.sees[id], p.blind != nil && p.blind(i), p.hooks.label)
	if err != nil {
		return err
	}
	now[id] = updatedEntry{saved, entry.changed || changed}
	if changed && p.hooks.changes(hooks.Update) {
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
