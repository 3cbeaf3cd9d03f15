package siftdb

import (
	"bytes"
	"context"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// openKeys makes the keys of encrypted data sources known, and lays encryption over the
// storage. Without a keyring there must be none.
func (db *DB) openKeys(ctx context.Context) error {
	wrapped, err := wrappedKeys(ctx, db.engine)
	if err != nil {
		return err
	}
	if db.opts.Keys == nil {
		if len(wrapped) > 0 {
			return errs.New(errs.NoKey, "the database holds encrypted data sources: open it with the keyring that has their keys")
		}
		return nil
	}
	for source, keys := range wrapped {
		for _, k := range keys.Keys {
			if err := db.know(ctx, k); err != nil {
				return errs.Wrap(errs.NoKey, err, "data source %d is encrypted under key %q, which cannot be used", source, k.ID)
			}
		}
	}
	db.store = sealed.New(db.engine, &db.ring)
	if db.opts.ReadOnly {
		return nil
	}
	return db.renewOwnKey(ctx)
}

// wrappedKeys returns what each data source is encrypted with.
func wrappedKeys(ctx context.Context, store storage.Storage) (found map[int64]layout.SourceKeys, err error) {
	err = store.View(ctx, func(r storage.Reader) error {
		found = make(map[int64]layout.SourceKeys)
		from, to := layout.KeysRange()
		c := r.Scan(layout.Catalog, from, to, false)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			keys, err := layout.DecodeKeys(key, value)
			if err != nil {
				return err
			}
			found[layout.SourceOf(key)] = keys
		}
		return c.Err()
	})
	return found, err
}

// know makes a data key known.
func (db *DB) know(ctx context.Context, k layout.WrappedKey) error {
	host, err := db.opts.Keys.Key(ctx, k.ID)
	if err != nil {
		return err
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
		return k, errs.Wrap(errs.NoKey, err, "the current key %q cannot be used", k.ID)
	}
	key := sealed.NewKey()
	if k.Wrapped, err = sealed.Wrap(host, key, db.place()); err != nil {
		return k, errs.Wrap(errs.NoKey, err, "the current key %q cannot be used", k.ID)
	}
	k.Number = 1
	return k, db.ring.Add(k.Wrapped, key)
}

// place ties wrapped keys to this database.
func (db *DB) place() string { return "siftdb " + db.storeID }

// renewOwnKey makes the key for data sources of the database's own: these are made within
// a write, where the keyring must not be asked.
func (db *DB) renewOwnKey(ctx context.Context) error {
	k, err := db.newKey(ctx)
	if err == nil {
		db.ownKey.Store(&k)
	}
	return err
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

// encrypt encrypts everything that is stored of the data source, and of files, and
// compacts the storage. It can be cut off at any point, and called again.
func (ds *DataSource) encrypt(ctx context.Context) error {
	db := ds.db
	if db.opts.Keys == nil {
		return errNoCipher()
	}
	return db.sealing(ctx, func() error {
		var todo []int64
		err := db.view(ctx, func(r storage.Reader) error {
			_, src, err := db.load(r, ds.id, false)
			if err != nil || src.def.Encrypted {
				return err
			}
			todo, err = db.plainSources(r, src.id)
			return err
		})
		for _, id := range todo {
			if err == nil {
				err = db.seal(ctx, id, false)
			}
		}
		if err == nil && len(todo) > 0 {
			err = db.compact(ctx)
		}
		for _, id := range todo {
			if err == nil {
				err = db.sealDone(ctx, id)
			}
		}
		return err
	})
}

// plainSources returns a data source that is to be encrypted, and those of the
// database's own that are not yet: they hold the names of its files.
func (db *DB) plainSources(r storage.Reader, id int64) ([]int64, error) {
	list := []int64{id}
	for _, kind := range []string{filesType, foldersType} {
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
		if keys.Target == 0 || anew {
			next := k
			if next.Number = keys.Free(); next.Number == 0 {
				return errs.New(errs.TooLarge, "data source %d has too many keys", id)
			}
			keys.Target, keys.Keys = next.Number, append(keys.Keys, next)
		}
		if err := layout.WriteKeys(t.w, id, keys); err != nil {
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

// sealDone notes that everything of a data source is sealed with one key.
func (db *DB) sealDone(ctx context.Context, id int64) error {
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
		keys.Keys = []layout.WrappedKey{target}
		if err := layout.WriteKeys(t.w, id, keys); err != nil {
			return err
		}
		def := st.src.def
		def.Encrypted = true
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
		keys.Target = 0
		if err := layout.WriteKeys(t.w, id, keys); err != nil {
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

// rewrite stores everything of a data source again, as it is to be stored now.
func (db *DB) rewrite(ctx context.Context, id int64) error {
	for _, rg := range layout.ContentRanges(id) {
		for from := rg.From; from != nil; {
			_, err := db.write(ctx, nil, func(t *tx) (err error) {
				from, err = rewriteSlice(t.w, layout.Range{Keyspace: rg.Keyspace, From: from, To: rg.To})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
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
		found, err := wrappedKeys(ctx, db.engine)
		if err == nil {
			err = db.renewOwnKey(ctx)
		}
		for id, keys := range found {
			switch {
			case err != nil:
				return err
			case keys.Target == 0: // decrypting was cut off
				err = db.unseal(ctx, id)
			default:
				n++
				if err = db.seal(ctx, id, true); err == nil {
					err = db.sealDone(ctx, id)
				}
			}
		}
		if err == nil {
			err = db.compact(ctx)
		}
		return err
	})
	return n, fromStorage(err)
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
