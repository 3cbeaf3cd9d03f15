package siftdb

import (
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// ForgeKeys changes what a data source is encrypted with as somebody does who has no key.
func ForgeKeys(w storage.Writer, source int64) error {
	keys, _, err := layout.ReadKeys(w, source)
	if err != nil {
		return err
	}
	keys.Target, keys.Only = 0, false
	return layout.WriteKeys(w, source, keys)
}
