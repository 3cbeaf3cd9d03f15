package siftdb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// tx is one write: the only way that anything in the storage changes. It lives
// inside one run of a storage.Update function, which may run again, so nothing in
// it calls out.
type tx struct {
	db      *DB
	w       storage.Writer
	opts    writeOptions
	meta    layout.Meta
	clock   int64 // milliseconds since 1970
	now     int64 // the same, but never before the last commit's
	sources map[int64]*sourceTx
	dirty   bool // the counters of the store moved
	tested  bool // the condition of the options has been tested
	sends   bool // there is something new in the outbox
	staged  bool // it is one of a bulk write in several transactions, and not the last
	indexes bool // there is something to do for indexes
	ids     bool // a conflict may tell which entries it is between
}

// commit is the id that this write gets if it changes entries.
func (t *tx) commit() int64 { return t.meta.Commit + 1 }

// write runs fn as one write and returns the id of its commit, 0 when no entry
// changed.
func (db *DB) write(ctx context.Context, options []WriteOption, fn func(*tx) error) (int64, error) {
	opts, err := db.writable(options)
	if err != nil {
		return 0, err
	}
	if err := db.enter(ctx); err != nil {
		return 0, fromStorage(err)
	}
	defer db.turnstile.leave()
	var commit int64
	var t *tx
	err = db.store.Update(ctx, func(w storage.Writer) error {
		commit = 0
		t = &tx{db: db, w: w, opts: opts}
		if err := t.begin(); err != nil {
			return err
		}
		if err := fn(t); err != nil {
			return err
		}
		if t.opts.ifChanged != 0 && !t.tested {
			return errNoCondition()
		}
		commit, err = t.finish()
		return err
	})
	if err != nil {
		return 0, fromStorage(err)
	}
	db.wrote(t, commit)
	return commit, nil
}

// writable reads the options of a write, which must not be one to a database that takes
// none.
func (db *DB) writable(options []WriteOption) (writeOptions, error) {
	if db.closed.Load() {
		return writeOptions{}, errs.New(errs.Closed, "the database is closed")
	}
	if db.opts.ReadOnly {
		return writeOptions{}, errs.New(errs.ReadOnly, "the database was opened read-only")
	}
	return makeWriteOptions(options)
}

func errNoCondition() error {
	return errs.New(errs.InvalidInput, "IfChanged is for a write to one existing entry; in a commit it is a field of its entries")
}

// begin reads the counters of the store.
func (t *tx) begin() error {
	meta, ok, err := layout.ReadMeta(t.w)
	if err != nil {
		return err
	}
	if !ok {
		return errs.New(errs.Corrupt, "the store has lost its counters")
	}
	t.meta, t.sources = meta, make(map[int64]*sourceTx)
	t.clock = t.db.opts.Now().UnixMilli()
	t.now = max(t.clock, meta.Time)
	return nil
}

// wrote makes what a write has done known.
func (db *DB) wrote(t *tx, commit int64) {
	defer db.bell.ring()
	if t.sends {
		defer db.outbox.news(db)
	}
	if t.indexes {
		defer db.indexer.begin(db)
	}
	for _, st := range t.sources {
		st.src.revision, st.src.columnsRevision = st.head.Revision, st.head.Columns
		db.catalog.keep(st.src)
	}
	for {
		last := db.published.Load()
		if commit <= last || db.published.CompareAndSwap(last, commit) {
			return
		}
	}
}

// finish writes what the data sources have gathered, then the counters of the
// store.
func (t *tx) finish() (commit int64, err error) {
	for _, id := range slices.Sorted(maps.Keys(t.sources)) {
		st := t.sources[id]
		if err := st.flush(); err != nil {
			return 0, err
		}
		if st.changed() {
			commit = t.commit()
		}
	}
	if commit != 0 {
		t.meta.Commit, t.meta.Time, t.dirty = commit, t.now, true
	}
	if !t.dirty {
		return 0, nil
	}
	return commit, layout.WriteMeta(t.w, t.meta)
}

// sourceTx is what one write does to one data source.
type sourceTx struct {
	t      *tx
	id     int64
	head   layout.Head
	found  layout.Head // the head as the write found it
	src    *source     // as of now, uncommitted; cached only after the commit
	was    *source     // as the write found it
	action string
	label  string // of this data source's part of the write; else the write's

	inserted         history.IDSet
	updated, deleted []int64
	columnsMoved     bool
	met              []bool // by number: the columns that meet has added
	indexing         *indexing
	flushed          bool
	imaged           bool // the images of what is removed are there already
}

// source returns a data source for writing; one in the trash only if trashed.
func (t *tx) source(id int64, trashed bool) (*sourceTx, error) {
	if st := t.sources[id]; st != nil {
		return st, nil
	}
	head, ok, err := layout.ReadHead(t.w, id)
	if err != nil {
		return nil, err
	}
	if !ok || head.Trashed && !trashed {
		return nil, unknownSource(id)
	}
	src := t.db.catalog.cached(id)
	if !src.current(head) {
		if src, err = readSource(t.w, id, head, src); err != nil {
			return nil, err
		}
	}
	own := *src
	st := &sourceTx{t: t, id: id, head: head, found: head, src: &own, was: src}
	if own.names.Len() > int(head.Names) {
		return nil, errs.New(errs.Internal, "names of data source %d are ahead of the storage", id)
	}
	t.sources[id] = st
	return st, nil
}

// create makes a data source, encrypted when there is a key for it.
func (t *tx) create(def definition, key *layout.WrappedKey) (*sourceTx, error) {
	id := t.meta.NextSource
	if id > layout.MaxSource {
		return nil, errs.New(errs.TooLarge, "the store has given out every data source id")
	}
	if _, ok, err := layout.ReadHead(t.w, id); ok || err != nil {
		return nil, errors.Join(err, errs.New(errs.Corrupt, "the id %d of a new data source is taken", id))
	}
	t.meta.NextSource++
	t.dirty = true
	def.CreatedAt = t.now
	st := &sourceTx{t: t, id: id, src: &source{id: id}, was: &source{id: id}}
	st.head.Floor = t.meta.Commit
	st.head.FirstSeq = 1
	st.found = st.head
	t.sources[id] = st
	if key != nil {
		def.Encrypted, def.SealedName = true, true
		if err := t.db.ring.WriteKeys(t.w, id, layout.SourceKeys{Target: key.Number, Only: true, Keys: []layout.WrappedKey{*key}}); err != nil {
			return nil, err
		}
	}
	return st, st.define(def)
}

// begin names the write for its version.
func (st *sourceTx) begin(action string) { st.action = action }

// changed reports whether the write leaves a version.
func (st *sourceTx) changed() bool {
	return st.entriesChanged() || st.columnsMoved && st.action != ""
}

func (st *sourceTx) entriesChanged() bool {
	return len(st.inserted) > 0 || len(st.updated) > 0 || len(st.deleted) > 0
}

// define stores a definition.
func (st *sourceTx) define(def definition) error {
	w := st.t.w
	if old, key := st.src.def.nameKey(st.id), def.nameKey(st.id); st.src.def.Name == "" || !bytes.Equal(old, key) {
		if st.src.def.Name != "" {
			if err := w.Delete(layout.Catalog, old); err != nil {
				return err
			}
		}
		if err := w.Put(layout.Catalog, key, []byte{}); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // what clients gave is kept untouched
	if err := enc.Encode(def); err != nil {
		return errs.Wrap(errs.Internal, err, "the definition of data source %d cannot be written", st.id)
	}
	st.src.def, st.src.rules = def, new(ruleCache)
	st.head.Revision++
	return layout.WriteSource(w, st.id, bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}

// flush writes the version of the write and the head of the data source. It runs
// once; what comes after it is lost.
func (st *sourceTx) flush() error {
	if err := st.writeIndexes(); err != nil {
		return err
	}
	if st.flushed || st.head == st.found && !st.columnsMoved && !st.changed() {
		return nil
	}
	st.flushed = true
	t := st.t
	if st.columnsMoved {
		if err := st.writeColumns(); err != nil {
			return err
		}
	}
	moved := st.head
	if moved.Indexes = st.found.Indexes; moved != st.found || st.columnsMoved || st.changed() {
		st.head.UpdatedAt = t.now // what indexes hold is no attribute
	}
	if st.changed() {
		st.head.Seq++
		st.head.Last = t.commit()
		v := &history.Version{ID: st.head.Last, Previous: st.found.Last, Seq: st.head.Seq, Time: t.now, Action: st.action,
			Source: cmp.Or(st.label, t.opts.source), User: t.opts.user, Count: st.found.Count, Ordered: st.found.Ordered,
			Digest: st.found.Digest, Columns: st.found.Columns, Inserted: st.inserted,
			Updated: history.MakeIDSet(st.updated), Deleted: history.MakeIDSet(st.deleted)}
		if err := history.Write(t.w, st.id, v); err != nil {
			return err
		}
		if err := st.retain(); err != nil {
			return err
		}
	}
	return layout.WriteHead(t.w, st.id, st.head)
}

// writeColumns stores the list of columns under a new revision; no list at all,
// which a restore can bring back, is revision 0.
func (st *sourceTx) writeColumns() error {
	st.head.Columns = 0
	if st.src.columns != nil {
		st.head.ColumnsTop++
		st.head.Columns = st.head.ColumnsTop
	}
	st.src.columnsRevision = st.head.Columns
	if st.src.columns == nil {
		return nil
	}
	return layout.WriteColumns(st.t.w, st.id, st.head.Columns, st.src.columns)
}

// get sets rec to an entry as it is now and reports whether it exists.
func (st *sourceTx) get(id int64, rec *layout.Record) (bool, error) {
	if id <= 0 {
		return false, nil
	}
	key := layout.EntryKey(st.id, id)
	value, err := st.t.w.Get(layout.Entries, key)
	if err != nil || value == nil {
		return false, err
	}
	return true, rec.DecodeEntry(key, value)
}

// insert stores a new entry and returns it as a record whose bytes are private.
func (st *sourceTx) insert(doc, order []byte) (layout.Record, error) {
	id, err := st.nextID()
	if err != nil {
		return layout.Record{}, err
	}
	t := st.t
	rec := layout.Record{ID: id, Born: t.commit(), Changed: t.commit(), CreatedAt: t.now, UpdatedAt: t.now, Order: order, Doc: doc}
	return rec, st.add(&rec)
}

// add stores an entry that does not exist.
func (st *sourceTx) add(rec *layout.Record) error {
	if n := len(st.inserted); n > 0 && st.inserted[n-1].Last+1 == rec.ID {
		st.inserted[n-1].Last++
	} else {
		st.inserted = append(st.inserted, history.Run{First: rec.ID, Last: rec.ID})
	}
	st.head.Count++
	if err := st.reindex(nil, rec); err != nil {
		return err
	}
	return st.store(rec)
}

// replace stores an entry in place of the one found.
func (st *sourceTx) replace(before, after *layout.Record) error {
	if err := st.reindex(before, after); err != nil {
		return err
	}
	return st.overwrite(before, after)
}

// overwrite is replace where the indexes know already.
func (st *sourceTx) overwrite(before, after *layout.Record) error {
	st.updated = append(st.updated, before.ID)
	if err := history.WriteImage(st.t.w, st.id, st.t.commit(), before); err != nil {
		return err
	}
	if err := st.unlist(before); err != nil {
		return err
	}
	return st.store(after)
}

// remove deletes the entry found.
func (st *sourceTx) remove(before *layout.Record) error {
	if err := st.leave(before); err != nil {
		return err
	}
	return st.t.w.Delete(layout.Entries, layout.EntryKey(st.id, before.ID))
}

// leave is remove for an entry whose key is deleted with others.
func (st *sourceTx) leave(before *layout.Record) error {
	st.deleted = append(st.deleted, before.ID)
	if !st.imaged {
		if err := history.WriteImage(st.t.w, st.id, st.t.commit(), before); err != nil {
			return err
		}
	}
	st.head.Count--
	if err := st.reindex(before, nil); err != nil {
		return err
	}
	return st.unlist(before)
}

// store writes an entry, its place in the order and its part of the digest.
func (st *sourceTx) store(rec *layout.Record) error {
	key := layout.EntryKey(st.id, rec.ID)
	value, sum := rec.EncodeEntry(key)
	st.head.Digest.Add(sum)
	if rec.Order != nil {
		st.head.Ordered++
		if err := st.t.w.Put(layout.Orders, layout.OrderKey(st.id, rec.OrderValue(), rec.ID), []byte{}); err != nil {
			return err
		}
	}
	return st.t.w.Put(layout.Entries, key, value)
}

// unlist takes an entry out of the digest and the order.
func (st *sourceTx) unlist(rec *layout.Record) error {
	st.head.Digest.Remove(rec.Sum)
	if rec.Order == nil {
		return nil
	}
	st.head.Ordered--
	return st.t.w.Delete(layout.Orders, layout.OrderKey(st.id, rec.OrderValue(), rec.ID))
}

// nextID hands out an entry id, taking a new block when the last one is used up.
func (st *sourceTx) nextID() (int64, error) {
	h := &st.head
	if h.NextID == h.BlockEnd {
		block := st.t.meta.NextBlock
		if block >= maxEntryID/layout.BlockSize {
			return 0, errs.New(errs.TooLarge, "the store has given out every entry id")
		}
		st.t.meta.NextBlock++
		st.t.dirty = true
		if err := layout.WriteBlock(st.t.w, block, st.id); err != nil {
			return 0, err
		}
		h.NextID, h.BlockEnd = max(block*layout.BlockSize, 1), (block+1)*layout.BlockSize
	}
	h.NextID++
	return h.NextID - 1, nil
}

// maxEntryID is the largest integer that every JSON client reads exactly.
const maxEntryID = 1<<53 - 1

// setColumns replaces the list of columns.
func (st *sourceTx) setColumns(columns []string) {
	if st.src.columns == nil || !slices.Equal(st.src.columns, columns) {
		st.src.setColumns(slices.Clone(columns))
		st.columnsMoved = true
		st.met = nil
	}
}

// addColumns adds the names that are missing from the list of columns, in order.
func (st *sourceTx) addColumns(names []string) {
	for _, name := range names {
		if _, ok := st.src.columnSet[name]; ok {
			continue
		}
		if !st.columnsMoved {
			st.src.setColumns(slices.Clone(st.src.columns))
			st.columnsMoved = true
		}
		st.src.columns = append(st.src.columns, name)
		st.src.columnSet[name] = struct{}{}
	}
}

// meet adds the columns of a document that was sent, in its order.
func (st *sourceTx) meet(doc []byte) {
	inline := false
	for col := range document.Columns(doc) {
		if int(col) < len(st.met) && st.met[col] {
			continue
		}
		if int(col) >= st.src.names.Len() {
			inline = true
			continue
		}
		if len(st.met) < st.src.names.Len() {
			st.met = append(st.met, make([]bool, st.src.names.Len()-len(st.met))...)
		}
		st.met[col] = true
		st.addColumns([]string{st.src.names.Name(col)})
	}
	if !inline {
		return
	}
	for name := range document.Stored(doc, st.src.names).Fields() {
		st.addColumns([]string{strings.Clone(name)})
	}
}
