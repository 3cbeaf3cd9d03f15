// Package storage is the contract between siftdb and whatever keeps its bytes:
// snapshot reads and serialisable writes over ordered byte keys in a few named
// keyspaces. It knows nothing of entries, indexes or queries.
//
// An engine lives in a folder of its own (bolt, memory) and passes the suite in
// storagetest, which is also where a new engine starts.
package storage

import "context"

// Keyspace names one ordered set of keys. Keyspaces are created by the first
// write to them; one that was never written reads as empty. A store uses a
// handful of them, so an engine may look them up by a short linear search.
type Keyspace string

// Storage keeps keys and values. All methods are safe for concurrent use.
type Storage interface {
	// View calls fn with a reader on one snapshot: every read in fn sees the
	// state after one commit, whatever is committed meanwhile. Views run
	// concurrently with each other and with Update.
	//
	// View returns fn's error as it is, ErrClosed, ErrCorrupt (wrapped) when the
	// stored bytes cannot be read, or the context's error when it ended before fn
	// began. A context that ends later does not interrupt fn. A panic in fn that
	// comes from reading damaged memory is returned as ErrCorrupt; any other
	// panic passes through after the snapshot is released.
	//
	// fn should be short: an open snapshot may keep an engine from reusing space
	// or from growing its file. fn must not call Update on the same store.
	View(ctx context.Context, fn func(Reader) error) error

	// Update calls fn with a private write set laid over the latest state, and
	// commits it. Updates are serialisable: functions run one at a time, in the
	// order in which they will be applied, and each sees the write sets of the
	// ones before it.
	//
	// Grouping: calls that wait at the same time may be committed together. Each
	// returns only after the commit that holds its own writes is durable, and
	// an error or panic in one function drops that function's write set alone.
	// When a shared commit is certainly not applied, each member is tried once
	// again alone, so one member's failure never fails another.
	//
	// Retries: fn may be called more than once, on other goroutines than the
	// caller's, each time with a fresh write set. It must have no effect outside
	// its Writer other than setting variables that every run sets again.
	//
	// Outcomes:
	//   - nil: applied and durable.
	//   - fn's own error as it is, the context's error if the context ended before
	//     fn began, ErrClosed, ErrReadOnly, or ErrCorrupt (wrapped) when fn or its
	//     write set met damaged memory: nothing was applied.
	//   - *CommitError with NotApplied: nothing was applied; the store works on.
	//   - *CommitError with Unknown: the writes are applied or not, all or none.
	//     The store is read-only (ErrReadOnly) until it is closed and opened again.
	// A panic in fn is returned as *PanicError: nothing was applied.
	Update(ctx context.Context, fn func(Writer) error) error

	// Close waits for running Views and Updates and releases the store. Calls that
	// begin later return ErrClosed. A second Close returns nil.
	Close() error
}

// Reader reads one snapshot. It is valid until the function it was given to
// returns, and is not safe for concurrent use.
//
// Byte lifetime: keys and values point into the store's own memory. They are
// valid until the function returns and must not be modified; copy what is kept.
type Reader interface {
	// Get returns the value of a key, nil when the key is absent. A present
	// empty value is empty and not nil. The key is not retained.
	Get(ks Keyspace, key []byte) ([]byte, error)

	// Scan returns a cursor over the keys in [from, to), ascending, or descending
	// when reverse is true. A nil from means the first key, a nil to means past
	// the last. The bounds are not retained. A cursor over a Writer sees the state of the write set at the
	// time of the call; whether it sees later writes of the same function is not
	// promised, but it never fails or repeats a key because of them.
	Scan(ks Keyspace, from, to []byte, reverse bool) Cursor
}

// Cursor walks a range of keys.
type Cursor interface {
	// Next returns the next key and its value, or ok false at the end or after
	// an error.
	Next() (key, value []byte, ok bool)
	// Err returns the error that ended the walk, nil at a plain end.
	Err() error
}

// Seeker is implemented by Readers that find a key without a cursor, which costs less.
type Seeker interface {
	// Seek returns the first key of a keyspace that begins with prefix, and its value. ok is
	// false where there is none, and after an error. What is said of bytes at Reader holds.
	Seek(ks Keyspace, prefix []byte) (key, value []byte, ok bool, err error)
}

// Skipper is implemented by cursors that can pass over keys. One cursor that skips from key to key,
// in the order of its walk, costs less than a cursor for each.
type Skipper interface {
	Cursor

	// Skip leaves out what lies before key in the direction of the walk: the next key is the
	// first at or above it, or in reverse the last below it, within the bounds of the cursor.
	// The walk must not have come further than that. The key must not be modified before the
	// next call of Skip.
	Skip(key []byte)
}

// Writer is a Reader that sees its own writes, and takes more.
type Writer interface {
	Reader

	// Put sets a key. Keys are 1 to MaxKeySize bytes long. The writer takes
	// ownership of both slices: the caller must not modify them afterwards,
	// neither before Update returns nor later.
	Put(ks Keyspace, key, value []byte) error

	// Delete removes a key; an absent key is no error. The key is not retained.
	Delete(ks Keyspace, key []byte) error

	// DeleteRange removes every key in [from, to); bounds as in Scan. It costs
	// the writer's memory no more than the keys it holds itself.
	DeleteRange(ks Keyspace, from, to []byte) error
}

// MaxKeySize is the longest key in bytes that every engine takes.
const MaxKeySize = 1024

// Forker is implemented by engines that can copy the whole store in O(1).
type Forker interface {
	// Fork returns an independent store with the same content: writes to one are
	// not seen by the other.
	Fork() (Storage, error)
}

// Lister is implemented by engines that know their keyspaces.
type Lister interface {
	// Keyspaces returns the keyspaces that were ever written, in no fixed order, by
	// whatever program wrote them.
	Keyspaces() ([]Keyspace, error)
}

// Sizer is implemented by engines that can tell what they occupy.
type Sizer interface {
	// Size returns the space the store takes and the part of it in use.
	Size() (Size, error)
}

// Size is what a store occupies, in bytes.
type Size struct {
	Total int64 // of the file, or of all keys and values in memory
	Used  int64 // Total less what is free for reuse
}

// Compacter is implemented by engines that can make sure that nothing is left of bytes which
// were deleted or written over; one that keeps none does nothing. Without it a data source
// that holds something cannot be encrypted.
type Compacter interface {
	// Compact rewrites the store so that it occupies no more than it needs, and holds
	// nothing any more of what was deleted or written over. It returns when that is
	// durable; after an error, or a crash, the store is as it was. Views go on meanwhile.
	// It must not be called from within a View or an Update.
	Compact(ctx context.Context) error
}
