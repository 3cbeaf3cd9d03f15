package siftdb

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// DataSourceSpec says what Create makes. Only Name is required.
type DataSourceSpec struct {
	Name            string // 1 to 255 characters after trimming; need not be unique
	OrganizationID  *int64
	AppID           *int64
	AppCapabilities json.RawMessage // any JSON, kept untouched
	Hooks           json.RawMessage // an array of objects
	Type            *string
	Public          *bool // nil means false
	PublicNull      bool  // Public is stored as null, which means false; excludes Public
	Definition      json.RawMessage
	AccessRules     json.RawMessage
	Bundle          *bool
	Encrypted       bool     // needs Options.Keys
	Columns         []string // the first list of columns
	// Entries are the first entries: structs, maps or json.RawMessage objects.
	Entries []any
	// Version fills the data source with the entries, order and columns of a
	// version of another one, under new ids (spec 9.5). It excludes Entries. What is
	// copied from an encrypted data source is encrypted again.
	Version *VersionRef
}

// VersionRef names a version of a data source.
type VersionRef struct {
	DataSourceID int64
	ID           int64
}

// creation is the action of the write that fills a data source as it is made. It
// has a commit and a place in the log like any other, but no listed version (spec
// 12.3): there is nothing before it to go back to.
const creation = "create"

// Create makes a data source. Entries given with it are written in the same
// transaction, and leave no listed version.
func (db *DB) Create(ctx context.Context, spec DataSourceSpec, options ...WriteOption) (*DataSource, error) {
	if err := db.creating(&spec); err != nil {
		return nil, err
	}
	def, err := spec.definition()
	if err != nil {
		return nil, err
	}
	if spec.Version != nil && spec.Entries != nil {
		return nil, errs.New(errs.InvalidInput, "a data source is filled from entries or from a version, not both")
	}
	columns, err := db.cleanColumns(spec.Columns)
	if err != nil {
		return nil, err
	}
	rows, err := db.encodeFlat(nil, spec.Entries)
	if err != nil {
		return nil, err
	}
	ds := &DataSource{db: db}
	fill := func(t *tx, st *sourceTx) (err error) {
		ds.id = st.id
		if spec.Columns != nil {
			st.setColumns(columns)
		}
		switch {
		case spec.Version != nil:
			st.begin(creation)
			return t.copyVersion(st, *spec.Version)
		case len(spec.Entries) > 0:
			st.begin(creation)
			_, err = st.insertAll(rows, nil)
		}
		return err
	}
	for {
		rotation := db.rotation.Load()
		key, err := db.keyFor(ctx, spec)
		if err != nil {
			return nil, err
		}
		_, err = db.write(ctx, options, func(t *tx) error {
			if key != nil && rotation != db.rotation.Load() {
				return errStale // the keyring may have another key by now
			}
			st, err := t.create(def, key)
			if err != nil {
				return err
			}
			return fill(t, st)
		})
		if errors.Is(err, errStale) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return ds, nil
	}
}

func (s *DataSourceSpec) definition() (definition, error) {
	def := definition{OrganizationID: clonePtr(s.OrganizationID), AppID: clonePtr(s.AppID), Type: clonePtr(s.Type),
		Public: clonePtr(s.Public), Bundle: clonePtr(s.Bundle)}
	if s.Public != nil && s.PublicNull {
		return def, errTwicePublic()
	}
	if def.Public == nil && !s.PublicNull {
		def.Public = new(false)
	}
	var err error
	if def.Name, err = checkName(s.Name); err != nil {
		return def, err
	}
	if err := checkType(s.Type); err != nil {
		return def, err
	}
	return def, def.setJSON(s.AppCapabilities, s.Hooks, s.Definition, s.AccessRules)
}

// keyFor returns the key for a data source that is to be created; nil for one that is
// not encrypted.
func (db *DB) keyFor(ctx context.Context, spec DataSourceSpec) (*layout.WrappedKey, error) {
	encrypted := spec.Encrypted
	if spec.Version != nil && !encrypted {
		err := db.view(ctx, func(r storage.Reader) error {
			_, src, err := db.load(r, spec.Version.DataSourceID, false)
			if err == nil {
				encrypted = src.def.SealedName
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if !encrypted {
		return nil, nil
	}
	if db.opts.Keys == nil {
		return nil, errNoCipher()
	}
	if err := db.sealOwn(ctx); err != nil {
		return nil, err
	}
	key, err := db.newKey(ctx)
	return &key, err
}

func errNoCipher() error {
	return errs.New(errs.InvalidInput, "a data source can only be encrypted in a database that was opened with a keyring")
}

func errTwicePublic() error {
	return errs.At(errs.InvalidInput, "public", "public cannot be null and have a value")
}

// setJSON checks and sets the parts that are given, nil meaning unchanged.
func (d *definition) setJSON(capabilities, hooks, def, rules json.RawMessage) error {
	for _, part := range []struct {
		name  string
		text  json.RawMessage
		begin byte
		to    *json.RawMessage
	}{
		{"appCapabilities", capabilities, 0, &d.AppCapabilities},
		{"definition", def, '{', &d.Definition},
		{"accessRules", rules, '[', &d.AccessRules},
	} {
		if part.text == nil {
			continue
		}
		text, err := checkJSON(part.name, part.text, part.begin)
		if err != nil {
			return err
		}
		if part.name == "accessRules" {
			if _, err := security.ParseRules(text); err != nil {
				return err
			}
		}
		*part.to = text
	}
	if hooks != nil {
		text, err := checkHooks(hooks)
		if err != nil {
			return err
		}
		d.Hooks = text
	}
	return nil
}

// DataSourceUpdate says what Update changes. Nil fields stay as they are.
type DataSourceUpdate struct {
	Name       *string
	Type       *string // "" clears it
	Public     *bool
	PublicNull bool   // Public becomes null, which means false; excludes Public
	AppID      *int64 // 0 clears it
	Bundle     *bool
	// Encrypted has everything stored of the data source encrypted, its versions and
	// what it is called included, before Update returns, and the storage compacted; or
	// decrypted. It needs Options.Keys, and takes time and space as the storage is large.
	Encrypted       *bool
	AppCapabilities json.RawMessage // null clears it, here and below
	Hooks           json.RawMessage // replaced as a whole, here and below
	Definition      json.RawMessage
	AccessRules     json.RawMessage
	// Columns replaces the list as given, without duplicates and blanks; the data
	// are not touched. NewColumns adds names that are missing, at the end.
	Columns    []string
	NewColumns []string
}

// Update changes the attributes of the data source and returns them. It leaves no
// version.
func (ds *DataSource) Update(ctx context.Context, change DataSourceUpdate) (DataSourceInfo, error) {
	var info DataSourceInfo
	if change.Encrypted != nil && *change.Encrypted && ds.db.opts.Keys == nil {
		return info, errNoCipher()
	}
	if err := ds.writable(); err != nil {
		return info, err
	}
	if err := ds.managing(ctx, "change a data source"); err != nil {
		return info, err
	}
	columns, err := ds.db.cleanColumns(change.Columns)
	if err != nil {
		return info, err
	}
	added, err := ds.db.cleanColumns(change.NewColumns)
	if err != nil {
		return info, err
	}
	if change.Encrypted != nil { // before anything is stored that may be a secret
		if err := new(definition).apply(change); err != nil {
			return info, err
		}
		set := ds.decrypt
		if *change.Encrypted {
			set = ds.encrypt
		}
		if err := set(ctx); err != nil {
			return info, err
		}
	}
	_, err = ds.db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err != nil {
			return err
		}
		def := st.src.def
		if err := def.apply(change); err != nil {
			return err
		}
		if change.Columns != nil {
			st.setColumns(columns)
		}
		st.addColumns(added)
		if err := st.define(def); err != nil {
			return err
		}
		if err := st.flush(); err != nil {
			return err
		}
		info = st.src.info(st.head)
		return nil
	})
	if err == nil && info.Definition == nil {
		info.Definition = json.RawMessage("{}")
	}
	return info, err
}

func (d *definition) apply(c DataSourceUpdate) error {
	if c.Name != nil {
		name, err := checkName(*c.Name)
		if err != nil {
			return err
		}
		d.Name = name
	}
	if c.Type != nil {
		if err := checkType(c.Type); err != nil {
			return err
		}
		if d.Type = clonePtr(c.Type); *c.Type == "" {
			d.Type = nil
		}
	}
	if c.AppID != nil {
		if d.AppID = clonePtr(c.AppID); *c.AppID == 0 {
			d.AppID = nil
		}
	}
	switch {
	case c.Public != nil && c.PublicNull:
		return errTwicePublic()
	case c.Public != nil || c.PublicNull:
		d.Public = clonePtr(c.Public)
	}
	if c.Bundle != nil {
		d.Bundle = clonePtr(c.Bundle)
	}
	return d.setJSON(c.AppCapabilities, c.Hooks, c.Definition, c.AccessRules)
}

// Delete moves the data source to the trash: it is not found any more until
// DB.RestoreDataSource brings it back or DB.Purge removes it for good.
func (ds *DataSource) Delete(ctx context.Context) error {
	if err := ds.writable(); err != nil {
		return err
	}
	if err := ds.managing(ctx, "delete a data source"); err != nil {
		return err
	}
	_, err := ds.db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err != nil {
			return err
		}
		def := st.src.def
		def.DeletedAt = t.now
		st.head.Trashed = true
		return st.define(def)
	})
	if err == nil {
		ds.db.columns.forget(ds.id)
	}
	return err
}

// RestoreDataSource takes a data source out of the trash, with all its entries
// and versions. One that is not in the trash is ErrNotFound.
func (db *DB) RestoreDataSource(ctx context.Context, id int64) (*DataSource, error) {
	if err := db.unrestricted("use the trash"); err != nil {
		return nil, err
	}
	_, err := db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(id, true)
		if err != nil {
			return err
		}
		if !db.sees(&st.src.def) {
			return unknownSource(id)
		}
		if !st.head.Trashed {
			return notInTrash(id)
		}
		def := st.src.def
		def.DeletedAt = 0
		st.head.Trashed = false
		return st.define(def)
	})
	if err != nil {
		return nil, err
	}
	return &DataSource{db: db, id: id}, nil
}

func notInTrash(id int64) error {
	return &Error{Code: errs.NotFound, DataSourceID: id, Message: "data source " + itoa(id) + " is not in the trash"}
}

// Purge removes a data source for good, in the trash or not, with its entries and
// versions. Its ids are not used again.
func (db *DB) Purge(ctx context.Context, id int64) error {
	if err := db.unrestricted("purge a data source"); err != nil {
		return err
	}
	return db.purge(ctx, id, false)
}

// PurgeTrashed is Purge for a data source in the trash. One that is not there, or was
// taken out of it just now, stays as it is: ErrNotFound.
func (db *DB) PurgeTrashed(ctx context.Context, id int64) error {
	if err := db.unrestricted("purge a data source"); err != nil {
		return err
	}
	return db.purge(ctx, id, true)
}

func (db *DB) purge(ctx context.Context, id int64, trashed bool) error {
	_, err := db.write(ctx, nil, func(t *tx) error { return t.purge(id, trashed) })
	if err == nil {
		db.catalog.forget(id)
		db.columns.forget(id)
	}
	return err
}

// purge removes everything a data source owns; one that is not in the trash only where
// it need not be.
func (t *tx) purge(id int64, trashed bool) error {
	st, err := t.source(id, true)
	if err != nil {
		return err
	}
	if !t.db.sees(&st.src.def) {
		return unknownSource(id)
	}
	if trashed && !st.head.Trashed {
		return notInTrash(id)
	}
	blocks, err := ownedBlocks(t.w, id)
	if err != nil {
		return err
	}
	for _, block := range blocks {
		if err := t.w.Delete(layout.Catalog, layout.BlockKey(block)); err != nil {
			return err
		}
	}
	for _, key := range [][]byte{layout.SourceKey(id), layout.KeysKey(id), layout.IndexingKey(id), st.src.def.nameKey(id)} {
		if err := t.w.Delete(layout.Catalog, key); err != nil {
			return err
		}
	}
	for _, keyRange := range []func(int64) (from, to []byte){layout.NameRange, layout.ColumnsRange, layout.IndexDefRange} {
		from, to := keyRange(id)
		if err := t.w.DeleteRange(layout.Catalog, from, to); err != nil {
			return err
		}
	}
	from, to := layout.Prefix(id)
	for _, ks := range layout.OfSources {
		if err := t.w.DeleteRange(ks, from, to); err != nil {
			return err
		}
	}
	delete(t.sources, id)
	t.dirty = true
	return t.w.Delete(layout.Heads, layout.HeadKey(id))
}

// ownedBlocks returns the blocks of entry ids that belong to a data source.
func ownedBlocks(r storage.Reader, source int64) ([]int64, error) {
	var blocks []int64
	from, to := layout.BlockRange()
	c := r.Scan(layout.Catalog, from, to, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		block := layout.BlockOf(key)
		owner, err := layout.BlockOwner(r, block)
		if err != nil {
			return nil, err
		}
		if owner == source {
			blocks = append(blocks, block)
		}
	}
	return blocks, c.Err()
}
