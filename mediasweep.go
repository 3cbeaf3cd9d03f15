package siftdb

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// SweepMedia deletes files from the store that no record tells of, if they are older
// than the time given, and returns how many it deleted. An upload that is cut off by a
// crash leaves such a file. Uploads that this DB has under way are safe whatever the
// time; those of another process are not, and no two databases may share a store.
//
// A database that has never had a file deletes nothing: it may have been opened with the
// store of another. Call it when a database was opened, and now and then. It reads the list of the store
// and every record, and keeps 16 bytes for each record in memory.
func (db *DB) SweepMedia(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	if err := db.everything("sweep the store of files"); err != nil {
		return 0, err
	}
	store, err := db.mediaStore()
	if err != nil {
		return 0, err
	}
	if db.uploads.shared.Load() || db.opts.ReadOnly {
		return 0, errs.New(errs.ReadOnly, "the store of files is shared, or the database was opened read-only")
	}
	if ds, err := db.ownSource(ctx, filesType); err != nil || ds == nil {
		return 0, err
	}
	suspects, err := db.suspects(ctx, time.Now().Add(-olderThan))
	if err != nil || len(suspects) == 0 {
		return 0, err
	}
	// Between the two readings an upload may have ended: it is written down now.
	if err := db.ownPaths(ctx, func(path string) { delete(suspects, path) }); err != nil {
		return 0, err
	}
	for path := range suspects {
		if err := store.Delete(ctx, path); err != nil {
			return removed, fromMedia(err)
		}
		removed++
	}
	return removed, nil
}

// suspects returns the paths in the store that no record tells of, that are on no
// upload's way, and that were stored before a time.
func (db *DB) suspects(ctx context.Context, before time.Time) (map[string]bool, error) {
	type key [16]byte
	sum := func(path string) key {
		full := sha256.Sum256([]byte(path))
		return key(full[:16])
	}
	known := make(map[key]struct{})
	if err := db.ownPaths(ctx, func(path string) { known[sum(path)] = struct{}{} }); err != nil {
		return nil, err
	}
	suspects := make(map[string]bool)
	for info, err := range db.opts.Media.List(ctx) {
		if err != nil {
			return nil, fromMedia(err)
		}
		if _, ok := known[sum(info.Path)]; ok || info.Modified.After(before) || db.uploads.has(info.Path) {
			continue
		}
		suspects[info.Path] = true
	}
	return suspects, nil
}
