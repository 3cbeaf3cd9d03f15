package siftdb

import (
	"context"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// Options are the settings of a database. The zero value, and nil, mean the
// defaults.
type Options struct {
	// ReadOnly opens a file without the right to write. It must exist.
	ReadOnly bool
	// NoLog keeps no commit log beside the file, but one inside it. With a log a write is durable after
	// one wait for the disk, and where it belongs in the file it comes later. The one beside the file is
	// there from the first write on, at its path with ".siftdb-log" behind it; Close brings the file up
	// to date and removes the log. Until then, and after a crash, one is of no use without the other. The
	// one inside the file takes 256 KiB of it at first, and up to 16 MiB where much is written; its pages
	// are free after Close, and of single writes it takes 0.6 to 0.9 times as many a second. Open goes on
	// with a log that a crash has left behind, whatever this says. Databases in memory have none.
	NoLog bool
	// Retention limits how many versions are kept. The zero value keeps all.
	Retention Retention
	// SnapshotAge is how long one read may take before the versions it needs may
	// be dropped by retention; it then ends with ErrSnapshotGone. 0 means 10
	// minutes. Without retention no read ever ends for its age.
	SnapshotAge time.Duration
	// Scripts runs the scripts of access rules; nil means that no script grants.
	Scripts security.ScriptRunner
	// ScriptFailed is told of scripts of access rules that fail or take too long, which
	// grants nothing, with the data source whose rules they are of. It may be called by
	// several goroutines, and holds up the call that the rules are asked about. Nil tells
	// nobody.
	ScriptFailed func(dataSourceID int64, failure security.ScriptFailure)
	// Hash is the operation hash of hooks; it must give the same text for the same text,
	// always. Nil means an HMAC-SHA-256 whose key belongs to the store.
	Hash func(text string) string
	// Keys supplies the keys of encrypted data sources; nil means that there are none, and
	// that no data source can be encrypted (spec 14.1).
	Keys Keyring
	// Media keeps the bytes of files; nil means that files are refused (spec 13). The
	// store stays the caller's, who closes it after the database. One database uses it.
	Media media.Store
	// MediaKey, of 32 random bytes, has files stored encrypted under it; nil stores them
	// as they are. Files stored before it was set can then no longer be read.
	MediaKey []byte
	// MediaURL is what URLs of files begin with, before the path in the store, where the
	// host serves them. Empty, they lead to the contents endpoint of the REST handler.
	MediaURL string
	// FileAccess is a further check on who may read a file, after this library's own; it
	// reports whether they may. Nil allows.
	FileAccess func(ctx context.Context, who *security.Principal, file FileInfo) bool
	// Deliveries say how that is sent which hooks deliver.
	Deliveries DeliveryOptions
	// ColumnBytes is how much memory may hold columns of data sources, which queries without
	// an index are answered from; what was used longest ago goes first. 0 means 256 MiB, -1
	// none.
	ColumnBytes int
	// Limits bound what may be stored.
	Limits Limits
	// Now is the clock; nil means time.Now. Tests freeze it.
	Now func() time.Time
}

// Retention limits the versions kept of each data source, oldest dropped first.
// Live entries are never touched, and no version that an open read needs is
// dropped before SnapshotAge. Versions are dropped by the writes that follow, not
// by a timer, and a few hundred at a time.
type Retention struct {
	// Versions is the number of versions kept; 0 means all, -1 none at all, as a
	// test or a cache may want it.
	Versions int
	// Age is how long versions are kept; 0 means for ever.
	Age time.Duration
}

// Limits bound entries and queries. A zero field means its default, -1 no limit (Depth never
// goes above 10,000).
type Limits struct {
	Depth       int // nesting of a value; default 100
	Keys        int // keys of one object; default 10,000
	KeyBytes    int // length of a key in bytes; default 1,024
	NumberBytes int // digits of a number in bytes; default 400
	// QueryBytes is what the joins of one query, and the stages of one pipeline, may
	// hold in memory, roughly counted, before they end with ErrTooLarge; default
	// 256 MiB. What a query returns does not count.
	QueryBytes int
	// WriteBytes is what the rows or members of one write may take that has to be held in
	// memory as a whole, roughly counted: of an import or a commit body that is read from a
	// stream, and that rules or hooks must see together, or whose members have ids or orders.
	// Then it is refused with ErrTooLarge. Default 1 GiB.
	WriteBytes int
}

func (l Limits) document() document.Limits {
	return document.Limits{Depth: l.Depth, Keys: l.Keys, KeyBytes: l.KeyBytes, NumberBytes: l.NumberBytes}
}

// withDefaults returns checked options with every default filled in.
func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.SnapshotAge == 0 {
		opts.SnapshotAge = 10 * time.Minute
	}
	if opts.Limits.QueryBytes == 0 {
		opts.Limits.QueryBytes = 256 << 20
	}
	if opts.Limits.WriteBytes == 0 {
		opts.Limits.WriteBytes = 1 << 30
	}
	if opts.ColumnBytes == 0 {
		opts.ColumnBytes = 256 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var err error
	if opts.Deliveries, err = opts.Deliveries.withDefaults(); err != nil {
		return opts, err
	}
	if opts.Media != nil && opts.MediaKey != nil {
		if opts.Media, err = media.Encrypted(opts.Media, opts.MediaKey); err != nil {
			return opts, err
		}
	}
	if opts.ColumnBytes < -1 {
		return opts, errs.New(errs.InvalidInput, "option ColumnBytes is below -1")
	}
	if opts.SnapshotAge < 0 {
		return opts, errs.New(errs.InvalidInput, "option SnapshotAge is negative")
	}
	if opts.Retention.Versions < -1 || opts.Retention.Age < 0 {
		return opts, errs.New(errs.InvalidInput, "option Retention is negative")
	}
	for _, n := range []int{opts.Limits.Depth, opts.Limits.Keys, opts.Limits.KeyBytes, opts.Limits.NumberBytes, opts.Limits.QueryBytes, opts.Limits.WriteBytes} {
		if n < -1 {
			return opts, errs.New(errs.InvalidInput, "a field of option Limits is below -1")
		}
	}
	return opts, nil
}
