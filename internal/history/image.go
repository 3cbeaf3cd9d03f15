package history

import (
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// WriteImage stores how a version found an entry.
func WriteImage(w storage.Writer, source, version int64, rec *layout.Record) error {
	key := layout.ImageKey(source, rec.ID, version)
	return w.Put(layout.Images, key, rec.EncodeImage(key))
}

// Now sets rec to an entry as it is after the last commit that changed its data source, and
// reports whether it exists.
func Now(r storage.Reader, source, id, last int64, rec *layout.Record) (bool, error) {
	return NowUnder(r, layout.EntryKey(source, id), last, rec)
}

// NowUnder is Now for whoever has the key of the entry.
func NowUnder(r storage.Reader, key []byte, last int64, rec *layout.Record) (bool, error) {
	value, err := r.Get(layout.Entries, key)
	if err != nil || value == nil {
		return false, err
	}
	if err := rec.DecodeEntry(key, value); err != nil {
		return false, err
	}
	return rec.Changed <= last, nil // else a bulk write is under way
}

// StateAt sets rec to the state of an entry after commit c and reports whether it
// existed then. The record's bytes are the store's.
func StateAt(r storage.Reader, source, id, c int64, rec *layout.Record) (bool, error) {
	return StateUnder(r, layout.EntryKey(source, id), c, rec)
}

// StateUnder is StateAt for whoever has the key of the entry.
func StateUnder(r storage.Reader, key []byte, c int64, rec *layout.Record) (bool, error) {
	value, err := r.Get(layout.Entries, key)
	if err != nil {
		return false, err
	}
	if value != nil {
		if err := rec.DecodeEntry(key, value); err != nil {
			return false, err
		}
		if rec.Changed <= c {
			return true, nil
		}
	}
	// Touched since c, or gone: only an image can tell, and an entry that was
	// touched but has none was born after c.
	found, err := ImageAfter(r, layout.EntrySource(key), layout.EntryID(key), c, rec)
	return found && rec.Born <= c, err
}

// ImageAfter sets rec to the first image of an entry with a version above c, and
// reports whether there is one. The entry may have been born after c.
func ImageAfter(r storage.Reader, source, id, c int64, rec *layout.Record) (bool, error) {
	lo, hi := layout.ImageRange(source, id, c+1)
	cur := r.Scan(layout.Images, lo, hi, false)
	key, value, ok := cur.Next()
	if !ok {
		return false, cur.Err()
	}
	return true, rec.DecodeImage(key, value)
}

// Drop removes a version: its header and its images. The version must be the
// oldest of the data source.
func Drop(w storage.Writer, source int64, v *Version) error {
	for _, s := range []IDSet{v.Updated, v.Deleted} {
		for id := range s.All() {
			if err := w.Delete(layout.Images, layout.ImageKey(source, id, v.ID)); err != nil {
				return err
			}
		}
	}
	return w.Delete(layout.Versions, layout.VersionKey(source, v.ID))
}

// LastImage sets rec to the last image of an entry with a version of at most c: of an
// entry that does not exist after c, the state in which it was deleted. It reports
// whether there is one.
func LastImage(r storage.Reader, source, id, c int64, rec *layout.Record) (bool, error) {
	lo, _ := layout.ImageRange(source, id, 0)
	cur := r.Scan(layout.Images, lo, layout.ImageKey(source, id, c+1), true)
	key, value, ok := cur.Next()
	if !ok {
		return false, cur.Err()
	}
	return true, rec.DecodeImage(key, value)
}
