package sealed

import (
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// writer seals what is put into data sources that are encrypted.
type writer struct {
	reader
	raw storage.Writer
}

// Put is storage.Writer's. Keys that are put hold from then on, in the same function too.
func (w *writer) Put(ks storage.Keyspace, key, value []byte) error {
	if ks == layout.Catalog && layout.IsKeysKey(key) {
		w.forget()
		return w.raw.Put(ks, key, value)
	}
	source := layout.ContentOf(ks, key)
	if source == 0 || len(value) == 0 {
		return w.raw.Put(ks, key, value)
	}
	keys, err := w.of(source)
	if err != nil {
		return err
	}
	if keys == nil || keys.target == nil {
		return w.raw.Put(ks, key, value)
	}
	w.extra = appendExtra(w.extra[:0], ks, keys.number, key)
	sealed := make([]byte, head, len(value)+overhead)
	sealed = keys.target.Seal(sealed, nil, value, w.extra)
	sealerOf(ks).SealInPlace(sealed, key, keys.number)
	return w.raw.Put(ks, key, sealed)
}

// Delete is storage.Writer's.
func (w *writer) Delete(ks storage.Keyspace, key []byte) error {
	if ks == layout.Catalog && layout.IsKeysKey(key) {
		w.forget()
	}
	return w.raw.Delete(ks, key)
}

// DeleteRange is storage.Writer's.
func (w *writer) DeleteRange(ks storage.Keyspace, from, to []byte) error {
	if ks == layout.Catalog {
		w.forget()
	}
	return w.raw.DeleteRange(ks, from, to)
}
