package layout

import (
	"bytes"
	"encoding/binary"

	"github.com/siftdb/siftdb/storage"
)

// ContentOf returns the data source to whose content the value of a key belongs: what is
// encrypted when the data source is. It is 0 for what belongs to the store.
func ContentOf(ks storage.Keyspace, key []byte) int64 {
	source, _ := content(ks, key)
	return source
}

// ContentOfRange is ContentOf for all keys in [from, to), 0 also where these belong to
// several data sources.
func ContentOfRange(ks storage.Keyspace, from, to []byte) int64 {
	source, prefix := content(ks, from)
	if source == 0 || to == nil {
		return 0
	}
	if _, end := prefixRange(from[:prefix]); end != nil && bytes.Compare(to, end) > 0 {
		return 0
	}
	return source
}

// content returns the data source that a key of content names, and how long the part of
// the key is that all its keys have in common; 0 for other keys.
func content(ks storage.Keyspace, key []byte) (source int64, prefix int) {
	switch ks {
	case Entries, Orders, Images, Versions, Outbox, Dues, Index:
		if len(key) >= 4 {
			return int64(binary.BigEndian.Uint32(key)), 4
		}
	case Heads:
		if len(key) >= 5 && key[0] == kindHead {
			return SourceOf(key), 5
		}
	case Catalog:
		if len(key) >= 5 && (key[0] == kindSource || key[0] == kindName || key[0] == kindColumns || key[0] == kindIndex) {
			return SourceOf(key), 5
		}
	}
	return 0, 0
}

// A Range is a range of keys of one keyspace.
type Range struct {
	Keyspace storage.Keyspace
	From, To []byte
}

// ContentRanges are all keys of the content of a data source whose values are not empty.
func ContentRanges(source int64) []Range {
	list := []Range{}
	add := func(ks storage.Keyspace, prefix []byte) {
		from, to := prefixRange(prefix)
		list = append(list, Range{ks, from, to})
	}
	for _, kind := range []byte{kindSource, kindName, kindColumns, kindIndex} {
		add(Catalog, sourceKey(kind, source))
	}
	for _, ks := range []storage.Keyspace{Entries, Images, Versions, Outbox} {
		add(ks, binary.BigEndian.AppendUint32(nil, uint32(source)))
	}
	add(Heads, HeadKey(source))
	return list
}
