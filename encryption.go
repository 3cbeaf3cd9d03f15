package siftdb

import (
	"bytes"
	"context"
	"errors"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// openKeys makes the keys of encrypted data sources known, and lays encryption over the
// storage. Without a keyring there must be none.
func (db *DB) openKeys(ctx context.Context) error {
	var wrapped map[int64]layout.SourceKeys
	err := db.engine.View(ctx, func(r storage.Reader) (err error) {
		wrapped, err = wrappedKeys(r)
		return err
	})
	if err != nil {
		return err
	}
	if db.opts.Keys == nil {
		if len(wrapped) > 0 {
			return errs.New(errs.NoKey, "the database holds encrypted data sources: open it with the keyring that has their keys")
		}
		return nil
	}
	hosts := make(map[string][]byte) // a keyring may be slow
	for source, keys := range wrapped {
		for _, k := range keys.Keys {
			if err := db.know(ctx, k, hosts); err != nil {
				return errs.Wrap(errs.NoKey, err, "data source %d is encrypted under key %q, which cannot be used", source, k.ID)
			}
		}
	}
	db.store = sealed.New(db.engine, &db.ring)
	if db.opts.ReadOnly || db.opts.Media == nil {
		return nil
	}
	return db.renewOwnKeys(ctx)
}

// wrappedKeys returns what each data source is encrypted with.
func wrappedKeys(r storage.Reader) (map[int64]layout.SourceKeys, error) {
	found := make(map[int64]layout.SourceKeys)
	from, to := layout.KeysRange()
	c := r.Scan(layout.Catalog, from, to, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		keys, err := layout.DecodeKeys(key, value)
		if err != nil {
			return nil, err
		}
		found[layout.SourceOf(key)] = keys
	}
	return found, c.Err()
}

// know makes a data key known. hosts are keys of the host that have been asked for.
func (db *DB) know(ctx context.Context, k layout.WrappedKey, hosts map[string][]byte) error {
	host, ok := hosts[k.ID]
	if !ok {
		var err error
		if host, err = db.opts.Keys.Key(ctx, k.ID); err != nil {
			return err
		}
		hosts[k.ID] = host
	}
	key, err := sealed.Unwrap(host, k.Wrapped, db.place())
	if err != nil {
		return err
	}
	return db.ring.Add(k.Wrapped, key)
}

// newKey makes a data key under the current key of the host.
func (db *DB) newKey(ctx context.Context) (k layout.WrappedKey, err error) {
	if k.ID, err = db.opts.Keys.Current(ctx); err != nil {
		return k, errs.Wrap(errs.NoKey, err, "the keyring names no current key")
	}
	host, err := db.opts.Keys.Key(ctx, k.ID)
	if err != nil {
		return k, errs.Wrap(errs.NoKey, err, "the current key cannot be used")
	}
	key := sealed.NewKey()
	if k.Wrapped, err = sealed.Wrap(host, key, db.place()); err != nil {
		return k, errs.Wrap(errs.NoKey, err, "the current key cannot be used")
	}
	k.Number = 1
	return k, db.ring.Add(k.Wrapped, key)
}

// place ties wrapped keys to this database.
func (db *DB) place() string { return "siftdb " + db.storeID }

// renewOwnKeys makes keys for the data sources of the database's own: these are made within
// a write, where the keyring must not be asked.
func (db *DB) renewOwnKeys(ctx context.Context) error {
	keys := make(map[string]layout.WrappedKey)
	for _, kind := range ownKinds {
		k, err := db.newKey(ctx)
		if err != nil {
			return err
		}
		keys[kind] = k
	}
	db.ownKeys.Store(&keys)
	return nil
}

// ownKey returns the key for a data source of the database's own, nil when it is not
// encrypted.
func (db *DB) ownKey(kind string) *layout.WrappedKey {
	if keys := db.ownKeys.Load(); keys != nil {
		if k, ok := (*keys)[kind]; ok {
			return &k
		}
	}
	return nil
}

// sealing excludes others from encrypting and decrypting while fn does.
func (db *DB) sealing(ctx context.Context, fn func() error) error {
	select {
	case db.sealer <- struct{}{}:
		defer func() { <-db.sealer }()
		return fn()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// encrypt encrypts everything that is stored of the data source, and the records of files,
// and compacts the storage. It can be cut off at any point, and called again.
func (ds *DataSource) encrypt(ctx context.Context) error {
	db := ds.db
	return db.sealing(ctx, func() error {
		var todo []int64
		err := db.view(ctx, func(r storage.Reader) error {
			_, src, err := db.load(r, ds.id, false)
			if err != nil {
				return err
			}
			if todo, err = db.plainOwn(r); !src.def.Encrypted {
				todo = append(todo, ds.id)
			}
			return err
		})
		if err != nil {
			return err
		}
		return db.sealAll(ctx, todo)
	})
}

// sealOwn encrypts the records of files, if there are any that are not.
func (db *DB) sealOwn(ctx context.Context) error {
	plain := func() (list []int64, err error) {
		err = db.view(ctx, func(r storage.Reader) (err error) {
			list, err = db.plainOwn(r)
			return err
		})
		return list, err
	}
	if todo, err := plain(); err != nil || len(todo) == 0 {
		return err
	}
	return db.sealing(ctx, func() error {
		todo, err := plain()
		if err != nil {
			return err
		}
		return db.sealAll(ctx, todo)
	})
}

// plainOwn returns the data sources of the database's own that are not encrypted: they hold
// the names of files.
func (db *DB) plainOwn(r storage.Reader) (list []int64, err error) {
	for _, kind := range ownKinds {
		own, err := db.findOwn(r, kind)
		if err != nil {
			return nil, err
		}
		if own == 0 {
			continue
		}
		head, _, err := layout.ReadHead(r, own)
		if err != nil {
			return nil, err
		}
		src, err := db.catalog.refresh(r, own, head)
		if err != nil {
			return nil, err
		}
		if !src.def.Encrypted {
			list = append(list, own)
		}
	}
	return list, nil
}

// sealAll encrypts data sources, compacts the storage, and only then says that it is done.
func (db *DB) sealAll(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	if _, ok := db.engine.(storage.Compacter); !ok {
		return errs.New(errs.InvalidInput, "this storage cannot make sure that nothing is left in plain text: it is no storage.Compacter")
	}
	for _, id := range ids {
		if err := db.seal(ctx, id, false); err != nil {
			return err
		}
	}
	if err := db.compact(ctx); err != nil {
		return err
	}
	for _, id := range ids {
		if err := db.sealDone(ctx, id, true); err != nil {
			return err
		}
	}
	return nil
}

// seal has everything that is written of a data source from now on sealed, and seals what
// is there. anew takes another key for one that is sealed already.
func (db *DB) seal(ctx context.Context, id int64, anew bool) error {
	k, err := db.newKey(ctx)
	if err != nil {
		return err
	}
	_, err = db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(id, true)
		if err != nil {
			return err
		}
		keys, _, err := layout.ReadKeys(t.w, id)
		if err != nil {
			return err
		}
		if keys.Target == 0 {
			if err := st.withoutTrigrams(); err != nil {
				return err
			}
		}
		if keys.Target == 0 || anew {
			next := k
			if next.Number = keys.Free(); next.Number == 0 {
				return errs.New(errs.Internal, "data source %d has too many keys", id)
			}
			keys.Target, keys.Keys = next.Number, append(keys.Keys, next)
		}
		if err := db.ring.WriteKeys(t.w, id, keys); err != nil {
			return err
		}
		def := st.src.def
		def.SealedName = true
		return st.define(def)
	})
	if err != nil {
		return err
	}
	return db.rewrite(ctx, id)
}

// sealDone notes that everything of a data source is sealed with one key, and, if flag is
// true, that it is encrypted.
func (db *DB) sealDone(ctx context.Context, id int64, flag bool) error {
	_, err := db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(id, true)
		if err != nil {
			return err
		}
		keys, _, err := layout.ReadKeys(t.w, id)
		if err != nil {
			return err
		}
		target, ok := keys.Find(keys.Target)
		if !ok {
			return errs.New(errs.Conflict, "data source %d is being decrypted", id)
		}
		keys.Only, keys.Keys = true, []layout.WrappedKey{target}
		if err := db.ring.WriteKeys(t.w, id, keys); err != nil {
			return err
		}
		def := st.src.def
		def.Encrypted = def.Encrypted || flag
		return st.define(def)
	})
	return err
}

// decrypt stores the data source as it is. It can be cut off at any point, and called
// again.
func (ds *DataSource) decrypt(ctx context.Context) error {
	return ds.db.sealing(ctx, func() error { return ds.db.unseal(ctx, ds.id) })
}

func (db *DB) unseal(ctx context.Context, id int64) error {
	sealed := false
	_, err := db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(id, true)
		if err != nil {
			return err
		}
		keys, ok, err := layout.ReadKeys(t.w, id)
		if sealed = ok; err != nil || !ok {
			return err
		}
		keys.Target, keys.Only = 0, false
		if err := db.ring.WriteKeys(t.w, id, keys); err != nil {
			return err
		}
		def := st.src.def
		def.Encrypted, def.SealedName = false, false
		return st.define(def)
	})
	if err != nil || !sealed {
		return err
	}
	if err := db.rewrite(ctx, id); err != nil {
		return err
	}
	_, err = db.write(ctx, nil, func(t *tx) error {
		return t.w.Delete(layout.Catalog, layout.KeysKey(id))
	})
	return err
}

// A slice of rewrite holds up other writes, so it is small.
const (
	rewriteBytes = 1 << 20
	rewriteKeys  = 2000
)

// rewrite stores everything of a data source again, as it is to be stored now, and makes sure
// that it is.
func (db *DB) rewrite(ctx context.Context, id int64) error {
	if err := db.resealIndexes(ctx, id); err != nil {
		return err
	}
	for _, rg := range layout.ContentRanges(id) {
		for from := rg.From; from != nil; {
			var next []byte // set by each run, as it may run again
			_, err := db.write(ctx, nil, func(t *tx) (err error) {
				next, err = rewriteSlice(t.w, layout.Range{Keyspace: rg.Keyspace, From: from, To: rg.To})
				return err
			})
			if err != nil {
				return err
			}
			from = next
		}
	}
	return db.rewritten(ctx, id)
}

// rewritten looks at every value of a data source for one that is not stored as it is to be.
// Losing the key of one would lose the value.
func (db *DB) rewritten(ctx context.Context, id int64) error {
	for _, rg := range layout.ContentRanges(id) {
		for from := rg.From; from != nil; {
			err := db.view(ctx, func(r storage.Reader) error {
				keys, ok, err := layout.ReadKeys(r, id)
				if err != nil || !ok {
					from = nil // purged
					return err
				}
				from, err = storedWith(r, layout.Range{Keyspace: rg.Keyspace, From: from, To: rg.To}, keys.Target)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// storedWith checks the values of a range until its budget is spent, and returns the key of
// the next; nil at the end.
func storedWith(r storage.Reader, rg layout.Range, target byte) (next []byte, err error) {
	b := newBudget()
	c := sealed.Raw(r).Scan(rg.Keyspace, rg.From, rg.To, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if b.spent() {
			return bytes.Clone(key), nil
		}
		number, err := sealed.Verify(rg.Keyspace, key, value)
		if err != nil {
			return nil, err
		}
		if number != target {
			return nil, errs.New(errs.Internal, "the value of key %x in keyspace %q is stored with key %d, and not with key %d", key, rg.Keyspace, number, target)
		}
	}
	return nil, c.Err()
}

// rewriteSlice stores some values of a range again, and returns the key of the next; nil
// at the end.
func rewriteSlice(w storage.Writer, rg layout.Range) (next []byte, err error) {
	type pair struct{ key, value []byte }
	var pairs []pair
	size := 0
	c := w.Scan(rg.Keyspace, rg.From, rg.To, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if size > rewriteBytes || len(pairs) == rewriteKeys {
			next = bytes.Clone(key)
			break
		}
		pairs = append(pairs, pair{bytes.Clone(key), bytes.Clone(value)})
		size += len(key) + len(value)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if err := w.Put(rg.Keyspace, p.key, p.value); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// RotateKeys gives every encrypted data source a new key under the current key of the
// keyring, stores its content again under that, and compacts the storage: then nothing in
// it needs, or can be read with, any of the former keys. It returns how many data sources
// there are. Reads and writes go on meanwhile. Cut off, by ctx or by a crash, it leaves a
// database that is whole and needs the former keys too; call it again.
//
// It is for admins, and fails with ErrInvalidInput in a database without a keyring and
// with ErrNoKey where that has no current key.
func (db *DB) RotateKeys(ctx context.Context) (n int, err error) {
	if err := db.everything("rotate keys"); err != nil {
		return 0, err
	}
	if db.opts.Keys == nil {
		return 0, errNoCipher()
	}
	if db.opts.ReadOnly {
		return 0, errs.New(errs.ReadOnly, "the database was opened read-only")
	}
	err = db.sealing(ctx, func() error {
		db.rotation.Add(1) // whoever creates a data source with a key of before starts again
		if err := db.renewOwnKeys(ctx); err != nil {
			return err
		}
		done, err := db.sealAnew(ctx)
		if err == nil {
			err = db.compact(ctx)
		}
		for _, id := range done {
			if err == nil {
				err = ifThere(db.sealDone(ctx, id, false))
			}
		}
		n = len(done)
		return err
	})
	return n, fromStorage(err)
}

// sealAnew gives every encrypted data source a new key, and returns which they are.
func (db *DB) sealAnew(ctx context.Context) (done []int64, err error) {
	for {
		var found map[int64]layout.SourceKeys
		_, err := db.write(ctx, nil, func(t *tx) (err error) { // after every write that has begun
			found, err = wrappedKeys(t.w)
			return err
		})
		for _, id := range done {
			delete(found, id)
		}
		if err != nil || len(found) == 0 {
			return done, err
		}
		for id, keys := range found {
			if keys.Target == 0 { // decrypting was cut off
				if err := ifThere(db.unseal(ctx, id)); err != nil {
					return done, err
				}
				continue
			}
			if len(keys.Keys) > 1 { // and so was a rotation, or the end of one
				err = ifThere(db.rewrite(ctx, id))
				if err == nil {
					err = ifThere(db.sealDone(ctx, id, false))
				}
			}
			if err == nil {
				err = ifThere(db.seal(ctx, id, true))
			}
			if err != nil {
				return done, err
			}
			done = append(done, id)
		}
	}
}

// ifThere is nil for a data source that has been purged meanwhile.
func ifThere(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Compact gives back the space that nothing is stored in, and leaves nothing in the
// storage of what was deleted or written over: for a file, by writing a new one in its
// place, beside which there must be room. Reads go on meanwhile; writes wait. It is for
// admins. Storages that keep nothing of the kind, as the one in memory, do nothing.
func (db *DB) Compact(ctx context.Context) error {
	if err := db.everything("compact the database"); err != nil {
		return err
	}
	return db.compact(ctx)
}

func (db *DB) compact(ctx context.Context) error {
	if db.closed.Load() {
		return errs.New(errs.Closed, "the database is closed")
	}
	if db.opts.ReadOnly {
		return errs.New(errs.ReadOnly, "the database was opened read-only")
	}
	if c, ok := db.engine.(storage.Compacter); ok {
		return fromStorage(c.Compact(ctx))
	}
	return nil
}
