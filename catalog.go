package siftdb

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// catalog caches what is rarely written of each data source: its definition, the
// interned names and the list of columns. It holds committed states only. Nothing
// in it is trusted without the revisions in a Head.
type catalog struct {
	keeping sync.Mutex // held by those who change sources
	sources sync.Map   // of *source, by id
	heads   sync.Map   // of *knownHead, by id
	bounds  sync.Map   // of *boundIndexes, by id
}

// knownHead is the head of a data source that was read last, its key and its stored form.
type knownHead struct {
	key   []byte
	value []byte
	head  layout.Head
}

// head is layout.ReadHead. Stored bytes that were read before are not taken apart, and
// their checksum not computed, again: every read begins with a head.
func (c *catalog) head(r storage.Reader, id int64) (h layout.Head, ok bool, err error) {
	if id < 1 || id > layout.MaxSource {
		return h, false, nil
	}
	known := new(knownHead)
	if held, ok := c.heads.Load(id); ok {
		known = held.(*knownHead)
	} else {
		known.key = layout.HeadKey(id)
	}
	value, err := r.Get(layout.Heads, known.key)
	if err != nil || value == nil {
		return h, false, err
	}
	if known.value != nil && bytes.Equal(known.value, value) {
		return known.head, true, nil
	}
	if h, err = layout.DecodeHead(known.key, value); err != nil {
		return h, false, err
	}
	c.heads.Store(id, &knownHead{known.key, bytes.Clone(value), h})
	return h, true, nil
}

// source is the cached part of a data source. It is immutable.
type source struct {
	id       int64
	revision int64
	def      definition
	names    *document.Names // may be ahead of a Head; numbers never change

	columnsRevision int64
	columns         []string // nil when there is no list
	columnSet       map[string]struct{}

	indexes []indexDef // by number

	rules *ruleCache // the access rules of def; nil when def is not committed

	veil *veil // what is hidden from whoever looks; nil in the cache
}

// definition is what is stored of a data source beside its counters.
type definition struct {
	Name            string          `json:"name"`
	OrganizationID  *int64          `json:"organizationId,omitempty"`
	AppID           *int64          `json:"appId,omitempty"`
	AppCapabilities json.RawMessage `json:"appCapabilities,omitempty"`
	Hooks           json.RawMessage `json:"hooks,omitempty"`
	Type            *string         `json:"type,omitempty"`
	Public          *bool           `json:"public,omitempty"`
	Definition      json.RawMessage `json:"definition,omitempty"`
	AccessRules     json.RawMessage `json:"accessRules,omitempty"`
	Bundle          *bool           `json:"bundle,omitempty"`
	Encrypted       bool            `json:"encrypted,omitempty"`  // all of it is
	SealedName      bool            `json:"sealedName,omitempty"` // found by name without a hash of that
	CreatedAt       int64           `json:"createdAt"`
	DeletedAt       int64           `json:"deletedAt,omitempty"`
}

// guidColumn returns the column that is filled with a UUID on insert, spec 14.5;
// empty when there is none.
func (d *definition) guidColumn() string {
	if len(d.Definition) == 0 {
		return ""
	}
	var keys map[string]json.RawMessage // a struct would take GUID for guid
	var column string
	if json.Unmarshal(d.Definition, &keys) != nil || json.Unmarshal(keys["guid"], &column) != nil {
		return ""
	}
	return column
}

// nameKey returns the key that finds the data source by its name.
func (d *definition) nameKey(id int64) []byte {
	if d.SealedName {
		return layout.SealedNameKey(id)
	}
	return layout.ByNameKey(d.Name, id)
}

// namesakes returns the ids of data sources that may have a name, ascending.
func namesakes(r storage.Reader, name string) (ids []int64, err error) {
	for _, keyRange := range []func() (from, to []byte){
		func() (from, to []byte) { return layout.ByNameRange(name) }, layout.SealedNameRange,
	} {
		from, to := keyRange()
		c := r.Scan(layout.Catalog, from, to, false)
		for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
			ids = append(ids, layout.ByNameSource(key))
		}
		if err := c.Err(); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// schema tells the where language which names are columns. A column is a name in
// the list, or one that an entry has ever stored (spec 3.5).
func (s *source) schema() query.Schema {
	return query.Schema{Names: s.names, Columns: s.isColumn}
}

func (s *source) isColumn(name string) bool {
	if s.veil != nil && s.veil.hides(name) && !s.veil.off.has(guardIsColumn) {
		return false
	}
	if _, ok := s.names.Lookup(name); ok {
		return true
	}
	_, ok := s.columnSet[name]
	return ok
}

// load returns the counters of a data source and its cached part, which is read
// and kept when the cache is behind. A trashed data source is not found unless
// trashed is true, and one of the database's own never.
func (db *DB) load(r storage.Reader, id int64, trashed bool) (layout.Head, *source, error) {
	head, ok, err := db.catalog.head(r, id)
	if err != nil {
		return head, nil, err
	}
	if !ok || head.Trashed && !trashed {
		return head, nil, unknownSource(id)
	}
	src, err := db.catalog.refresh(r, id, head)
	if err == nil && db.conceals(&src.def) {
		return head, nil, unknownSource(id)
	}
	return head, src, err
}

// load is DB.load for this handle's data source, as it looks through its veil.
func (ds *DataSource) load(r storage.Reader, trashed bool) (layout.Head, *source, error) {
	head, src, err := ds.db.load(r, ds.id, trashed)
	if err != nil {
		return head, nil, err
	}
	return head, ds.veil.over(src), nil
}

func unknownSource(id int64) error {
	return &Error{Code: errs.NotFound, DataSourceID: id, Message: "data source " + itoa(id) + " does not exist"}
}

// cached returns what the cache holds of a data source, nil when nothing.
func (c *catalog) cached(id int64) *source {
	if src, ok := c.sources.Load(id); ok {
		return src.(*source)
	}
	return nil
}

// refresh returns the cached part of a data source at least as new as head says.
func (c *catalog) refresh(r storage.Reader, id int64, head layout.Head) (*source, error) {
	old := c.cached(id)
	if old.current(head) {
		return old, nil
	}
	src, err := readSource(r, id, head, old)
	if err != nil {
		return nil, err
	}
	c.keep(src)
	return src, nil
}

// keep caches a committed state of a data source, unless what is cached knows more
// names, which never change. What is cached already stays: much is remembered for it alone.
func (c *catalog) keep(src *source) {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	if now := c.cached(src.id); now != nil && (now.names.Len() > src.names.Len() || now.same(src)) {
		return
	}
	c.sources.Store(src.id, src)
}

// forget drops a data source from the cache.
func (c *catalog) forget(id int64) {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.sources.Delete(id)
	c.heads.Delete(id)
	c.bounds.Delete(id)
}

// current reports whether nothing of a cached part is behind, or ahead of, head.
// Names may be ahead.
func (s *source) current(head layout.Head) bool {
	return s != nil && s.revision == head.Revision && s.columnsRevision == head.Columns && s.names.Len() >= int(head.Names)
}

// same reports whether another committed state of a data source is this one: most writes change
// nothing that is cached.
func (s *source) same(other *source) bool {
	return s.revision == other.revision && s.columnsRevision == other.columnsRevision && s.names == other.names && s.rules == other.rules
}

// readSource reads the cold part of a data source, taking from old what is still
// right. It works on uncommitted states too, and then must not be cached.
func readSource(r storage.Reader, id int64, head layout.Head, old *source) (*source, error) {
	src := &source{id: id, revision: head.Revision, columnsRevision: head.Columns}
	if old == nil {
		old = &source{revision: -1, columnsRevision: -1}
	}
	if src.def, src.rules = old.def, old.rules; old.revision != head.Revision {
		text, err := layout.ReadSource(r, id)
		if err != nil {
			return nil, err
		}
		src.def = definition{}
		if err := json.Unmarshal(text, &src.def); err != nil {
			return nil, errs.Wrap(errs.Corrupt, err, "the definition of data source %d cannot be read", id)
		}
		src.rules = new(ruleCache)
	}
	if src.indexes = old.indexes; old.revision != head.Revision {
		var err error
		if src.indexes, err = readIndexDefs(r, id, head); err != nil {
			return nil, err
		}
	}
	src.names = old.names
	if have := old.names.Len(); have < int(head.Names) {
		more, err := layout.ReadNames(r, id, have, int(head.Names))
		if err != nil {
			return nil, err
		}
		src.names = old.names.Extend(more)
	}
	if src.columns, src.columnSet = old.columns, old.columnSet; old.columnsRevision != head.Columns {
		columns, err := layout.ReadColumns(r, id, head.Columns)
		if err != nil {
			return nil, err
		}
		src.setColumns(columns)
	}
	return src, nil
}

func (s *source) setColumns(columns []string) {
	s.columns = columns
	s.columnSet = make(map[string]struct{}, len(columns))
	for _, c := range columns {
		s.columnSet[c] = struct{}{}
	}
}
