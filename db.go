package siftdb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/oklog/ulid/v2"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/bolt"
	"github.com/siftdb/siftdb/storage/memory"
)

// DB is a handle on an open database: data sources over one storage. All methods are
// safe for concurrent use.
type DB struct {
	*core
	as      *security.Principal // who is asking; nil is trusted Go code
	session *security.Session   // what views take from as; plain values
	inner   bool                // sees the data sources that are the database's own
	prefix  string              // of the paths in URLs of files
}

// core is the open database that all its handles share.
type core struct {
	engine    storage.Storage // as given
	store     storage.Storage // the same, or encryption over it
	ring      sealed.Ring     // the keys of encrypted data sources
	ownKeys   atomic.Pointer[map[string]layout.WrappedKey]
	rotation  atomic.Int64  // how often keys have been rotated
	sealer    chan struct{} // holds an element while somebody encrypts or decrypts
	opts      Options
	storeID   string
	published atomic.Int64 // the last commit known to be durable
	snapshots snapshots
	catalog   catalog
	columns   columnCache
	bell      bell
	watchers  watchers
	uploads   uploads
	outbox    outbox
	indexer   indexer
	sizes     stageSizes
	off       guards // what a test has switched off; none elsewhere
	advisor   advisor
	access    atomic.Int32 // the access that a test wants
	turnstile turnstile    // of writes
	unswept   atomic.Bool  // a bulk write may have left something behind
	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// Open opens a database file, which it creates when there is none. Nil options
// mean the defaults.
//
// It fails with ErrLocked, within a second, when another process holds the file;
// with ErrNotDatabase for a file that is something else; with ErrCorrupt for a
// damaged one; with ErrNoKey for one with encrypted data sources whose keys
// Options.Keys does not have; and with the system's error (errors.Is fs.ErrNotExist and so on)
// when the file cannot be reached.
func Open(ctx context.Context, path string, options *Options) (*DB, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := bolt.Open(path, bolt.Options{ReadOnly: opts.ReadOnly, Log: !logNever, LogInFile: opts.NoLog || logInside, LogBytes: logBytes})
	if err != nil {
		return nil, openError(err)
	}
	return openStore(ctx, store, opts)
}

// logNever keeps no log at all, logInside one inside every file; logBytes bounds those that there are,
// as in the options of the storage. Tests set them.
var (
	logNever, logInside bool
	logBytes            int64
)

// OpenMemory opens an empty database that lives in memory and is gone after
// Close. Nil options mean the defaults.
func OpenMemory(options *Options) (*DB, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	opts.ReadOnly = false
	return openStore(context.Background(), memory.New(), opts)
}

// OpenStorage opens a database over a storage engine of the caller's. The
// database owns the storage from now on: Close closes it, and so does OpenStorage
// when it fails.
func OpenStorage(ctx context.Context, store storage.Storage, options *Options) (*DB, error) {
	if store == nil {
		return nil, errs.New(errs.InvalidInput, "there is no storage to open")
	}
	opts, err := options.withDefaults()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return openStore(ctx, store, opts)
}

// openStore opens a storage, and goes on with what was under way when it was closed.
func openStore(ctx context.Context, store storage.Storage, opts Options) (*DB, error) {
	return openWith(ctx, store, opts, true)
}

// openWith reads the store's counters, or writes the first ones. resume says to go on with
// the building of indexes.
func openWith(ctx context.Context, store storage.Storage, opts Options, resume bool) (*DB, error) {
	db := &DB{core: &core{engine: store, store: store, opts: opts, sealer: make(chan struct{}, 1), sizes: defaultSizes}}
	db.outbox.init()
	db.indexer.init()
	db.columns.open(&opts)
	var meta layout.Meta
	var found, pending bool
	var unbuilt []int64
	err := store.View(ctx, func(r storage.Reader) (err error) {
		if meta, found, err = layout.ReadMeta(r); err == nil {
			pending, err = anyDue(r)
		}
		if err == nil {
			unbuilt, err = layout.Indexing(r)
		}
		return err
	})
	if err == nil && !found {
		if opts.ReadOnly {
			err = errs.New(errs.NotDatabase, "the file holds no siftdb database")
		} else {
			err = mustBeEmpty(ctx, store)
		}
		if err == nil {
			meta = layout.Meta{Format: layout.Format, StoreID: ulid.Make().String(), NextSource: 1}
			err = store.Update(ctx, func(w storage.Writer) error { return layout.WriteMeta(w, meta) })
		}
	}
	if err == nil {
		db.storeID = meta.StoreID
		err = db.openKeys(ctx)
	}
	if err != nil {
		return nil, errors.Join(fromStorage(err), store.Close())
	}
	db.published.Store(meta.Commit)
	if db.unswept.Store(!opts.ReadOnly); !opts.ReadOnly {
		if err := db.sweepStaged(ctx); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	if pending {
		db.outbox.begin(db)
	}
	if len(unbuilt) > 0 && !opts.ReadOnly && resume {
		db.indexer.begin(db)
	}
	return db, nil
}

// mustBeEmpty makes sure that a store without counters is a new one, and neither
// somebody else's nor one that has lost them.
func mustBeEmpty(ctx context.Context, store storage.Storage) error {
	if lister, ok := store.(storage.Lister); ok {
		list, err := lister.Keyspaces()
		if err != nil {
			return err
		}
		for _, ks := range list {
			if !slices.Contains(layout.Keyspaces, ks) {
				return errs.New(errs.NotDatabase, "the file belongs to another program: it holds %q", ks)
			}
		}
	}
	return store.View(ctx, func(r storage.Reader) error {
		for _, ks := range layout.Keyspaces {
			c := r.Scan(ks, nil, nil, false)
			if _, _, ok := c.Next(); ok {
				return errs.New(errs.Corrupt, "the database has lost its counters")
			}
			if err := c.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// As returns a handle on which everything is done in the name of a principal: the
// access rules of each data source decide what it may do, and what it may not read is
// absent, wherever it is asked for (spec 11). A nil principal is trusted Go code. The
// handle shares the database with this one; closing either closes both.
func (db *DB) As(p *security.Principal) *DB {
	other := &DB{core: db.core, as: p, prefix: db.prefix}
	if p != nil {
		other.session = plainSession(p.ViewSession())
	}
	return other
}

// Close ends subscriptions and waits for their callbacks, for the tries to send
// something that have begun (Shutdown limits that), and for running calls, releases the
// storage and, for a file, writes what makes the next Open quick. Later calls return
// ErrClosed; a second Close returns what the first one did. Neither the callback of a
// subscription nor anything that sends or reports deliveries must call it, or Shutdown.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.outbox.close() // first: what has begun may still read
		db.indexer.close()
		db.closed.Store(true)
		db.watchers.close()
		db.bell.ring()
		db.columns.close()
		db.closeErr = fromStorage(db.store.Close())
	})
	return db.closeErr
}

// Shutdown is Close within a context: when that ends, the contexts end of all tries to
// send something, which are made again when the database is next opened. It waits a
// second for them to return, as they should at once; a sender that goes on all the same is
// left to itself, and how it ends is neither noted nor reported. It returns the context's
// error if it had to interrupt any.
func (db *DB) Shutdown(ctx context.Context) error {
	o := &db.outbox
	o.halt()
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { o.interrupt(over) })
	err := db.Close()
	close(over)
	stop()
	if err == nil && o.interrupted.Load() {
		err = ctx.Err()
	}
	return err
}

// Fork returns an independent copy of a database in memory, in constant time:
// what is written to one is not seen by the other. Fixtures for tests are built
// once and forked for each test. Other storages return ErrInvalidInput. The store of
// files is not copied: both use it, and neither deletes from it any more. The outbox of
// the copy begins empty: it sends what is written to it, and nothing that its origin
// sends.
func (db *DB) Fork() (*DB, error) {
	forker, ok := db.engine.(storage.Forker)
	if !ok {
		return nil, errs.New(errs.InvalidInput, "this storage cannot be forked; open the database with OpenMemory")
	}
	store, err := forker.Fork()
	if err != nil {
		return nil, fromStorage(err)
	}
	if err := emptyOutbox(store); err != nil {
		return nil, errors.Join(fromStorage(err), store.Close())
	}
	fork, err := openWith(context.Background(), store, db.opts, false)
	if err != nil {
		return nil, err
	}
	db.uploads.shared.Store(true)
	fork.uploads.shared.Store(true)
	fork.prefix = db.prefix
	return fork.As(db.as), nil
}

// Size returns what the storage occupies in bytes, and how much of that is in
// use. Storages that cannot tell return zeros.
func (db *DB) Size() (storage.Size, error) {
	if err := db.everything("ask for the size of the database"); err != nil {
		return storage.Size{}, err
	}
	sizer, ok := db.engine.(storage.Sizer)
	if !ok {
		return storage.Size{}, nil
	}
	size, err := sizer.Size()
	return size, fromStorage(err)
}

// view runs fn on a snapshot of the storage.
func (db *DB) view(ctx context.Context, fn func(storage.Reader) error) error {
	if db.closed.Load() {
		return errs.New(errs.Closed, "the database is closed")
	}
	return fromStorage(db.store.View(ctx, fn))
}
