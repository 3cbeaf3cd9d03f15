package layout

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/siftdb/siftdb/storage"
)

// The keyspaces of a store.
const (
	Heads    storage.Keyspace = "head"
	Catalog  storage.Keyspace = "catalog"
	Entries  storage.Keyspace = "entry"
	Orders   storage.Keyspace = "order"
	Images   storage.Keyspace = "image"
	Versions storage.Keyspace = "version"
	Outbox   storage.Keyspace = "outbox"
	Dues     storage.Keyspace = "due"
	Index    storage.Keyspace = "index"
)

// Keyspaces lists all of them.
var Keyspaces = []storage.Keyspace{Heads, Catalog, Entries, Orders, Images, Versions, Outbox, Dues, Index}

// OfSources lists those whose keys all begin with the id of a data source.
var OfSources = []storage.Keyspace{Entries, Orders, Images, Versions, Outbox, Dues, Index}

// The first byte of keys in the head and catalog keyspaces.
const (
	kindMeta = 0x00
	kindHead = 0x01

	kindSource   = 0x01
	kindName     = 0x02
	kindColumns  = 0x03
	kindByName   = 0x04
	kindBlock    = 0x05
	kindKeys     = 0x06
	kindStaged   = 0x07
	kindIndex    = 0x08
	kindIndexing = 0x09
)

// MaxSource is the largest id of a data source.
const MaxSource = math.MaxUint32

// MetaKey is the key of the store's counters.
func MetaKey() []byte { return []byte{kindMeta} }

// HeadKey is the key of a data source's counters.
func HeadKey(source int64) []byte { return sourceKey(kindHead, source) }

// HeadRange holds the heads of all data sources, by id.
func HeadRange() (from, to []byte) { return []byte{kindHead}, []byte{kindHead + 1} }

// SourceKey is the key of a data source's definition.
func SourceKey(source int64) []byte { return sourceKey(kindSource, source) }

// NameKey is the key of an interned column name.
func NameKey(source int64, number uint16) []byte {
	return binary.BigEndian.AppendUint16(sourceKey(kindName, source), number)
}

// ColumnsKey is the key of a list of columns.
func ColumnsKey(source int64, revision uint32) []byte {
	return binary.BigEndian.AppendUint32(sourceKey(kindColumns, source), revision)
}

// NameRange holds the interned names of a data source, by number.
func NameRange(source int64) (from, to []byte) { return prefixRange(sourceKey(kindName, source)) }

// ColumnsRange holds the lists of columns of a data source, by revision.
func ColumnsRange(source int64) (from, to []byte) { return prefixRange(sourceKey(kindColumns, source)) }

// ByNameKey is the key that finds a data source by its name.
func ByNameKey(name string, source int64) []byte {
	return binary.BigEndian.AppendUint32(byName(name), uint32(source))
}

// ByNameRange holds the data sources whose name may be the one given, by id. The
// key holds a hash of the name, so the definition must be compared.
func ByNameRange(name string) (from, to []byte) { return prefixRange(byName(name)) }

func byName(name string) []byte {
	b := make([]byte, 1, 13)
	b[0] = kindByName
	return binary.BigEndian.AppendUint64(b, xxhash.Sum64String(name))
}

// SealedNameKey is the key that finds an encrypted data source by its name: it says
// nothing of that, so the definitions of all of them must be compared.
func SealedNameKey(source int64) []byte {
	return binary.BigEndian.AppendUint32(append([]byte{kindByName}, make([]byte, 8)...), uint32(source))
}

// SealedNameRange holds the encrypted data sources, by id.
func SealedNameRange() (from, to []byte) {
	return prefixRange(append([]byte{kindByName}, make([]byte, 8)...))
}

// ByNameAll holds every key that finds a data source by its name.
func ByNameAll() (from, to []byte) { return []byte{kindByName}, []byte{kindByName + 1} }

// ByNameSource returns the data source that a by-name key points at.
func ByNameSource(key []byte) int64 {
	if len(key) != 13 {
		return 0
	}
	return int64(binary.BigEndian.Uint32(key[9:]))
}

// BlockKey is the key that says who owns a block of entry ids.
func BlockKey(block int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindBlock}, uint64(block))
}

// BlockRange holds the owners of all blocks.
func BlockRange() (from, to []byte) { return []byte{kindBlock}, []byte{kindBlock + 1} }

// BlockOf returns the block number in a block key.
func BlockOf(key []byte) int64 {
	if len(key) != 9 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key[1:]))
}

// KeysKey is the key of what a data source is encrypted with.
func KeysKey(source int64) []byte { return sourceKey(kindKeys, source) }

// KeysRange holds what each data source is encrypted with, by id.
func KeysRange() (from, to []byte) { return []byte{kindKeys}, []byte{kindKeys + 1} }

// IsKeysKey reports whether a key of the catalog is a KeysKey.
func IsKeysKey(key []byte) bool { return len(key) == 5 && key[0] == kindKeys }

// StagedKey is the key that says that a data source may have entries, images and blocks
// which do not count, or not yet. Its value, unless it is empty, tells the ids of entries
// among those that count; see WriteStaged.
func StagedKey(source int64) []byte { return sourceKey(kindStaged, source) }

// Staged returns the data sources that have a StagedKey.
func Staged(r storage.Reader) (list []int64, err error) {
	c := r.Scan(Catalog, []byte{kindStaged}, []byte{kindStaged + 1}, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		list = append(list, SourceOf(key))
	}
	return list, c.Err()
}

// SourceOf returns the data source in a head or definition key.
func SourceOf(key []byte) int64 {
	if len(key) < 5 {
		return 0
	}
	return int64(binary.BigEndian.Uint32(key[1:]))
}

// EntrySize is the length of an entry key.
const EntrySize = 12

// EntryKey is the key of an entry.
func EntryKey(source, id int64) []byte { return AppendEntryKey(make([]byte, 0, EntrySize), source, id) }

// AppendEntryKey appends the key of an entry.
func AppendEntryKey(dst []byte, source, id int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(source))
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// EntryID returns the entry id in an entry or image key.
func EntryID(key []byte) int64 {
	if len(key) < EntrySize {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key[4:]))
}

// EntrySource returns the data source in an entry key.
func EntrySource(key []byte) int64 {
	if len(key) < EntrySize {
		return 0
	}
	return int64(binary.BigEndian.Uint32(key))
}

// EntryRange holds the entries of a data source with ids of at least from.
func EntryRange(source, from int64) (lo, hi []byte) {
	_, hi = prefixRange(binary.BigEndian.AppendUint32(nil, uint32(source)))
	return EntryKey(source, from), hi
}

// Prefix is the range of everything that a data source keeps in the entry,
// order, image, version, outbox, due and index keyspaces.
func Prefix(source int64) (from, to []byte) {
	return prefixRange(binary.BigEndian.AppendUint32(nil, uint32(source)))
}

// OrderKey is the key that lists an entry whose order is not 0.
func OrderKey(source int64, order float64, id int64) []byte {
	b := make([]byte, 0, 20)
	b = binary.BigEndian.AppendUint32(b, uint32(source))
	b = binary.BigEndian.AppendUint64(b, OrderedBits(order))
	return binary.BigEndian.AppendUint64(b, uint64(id))
}

// OrderParts returns the order and the entry id in an order key.
func OrderParts(key []byte) (order float64, id int64) {
	if len(key) != 20 {
		return 0, 0
	}
	return FromOrderedBits(binary.BigEndian.Uint64(key[4:])), int64(binary.BigEndian.Uint64(key[12:]))
}

// OrderRange holds the listed entries that come after the one given: those with
// a negative order when positive is false, else those with a positive one.
func OrderRange(source int64, positive bool) (from, to []byte) {
	zero := OrderKey(source, 0, 0)
	from, to = Prefix(source)
	if positive {
		return zero, to
	}
	return from, zero
}

// OrderedBits maps a double to bits that sort as the doubles do, -0 as 0.
func OrderedBits(f float64) uint64 {
	if f == 0 {
		f = 0
	}
	u := math.Float64bits(f)
	if u>>63 != 0 {
		return ^u
	}
	return u | 1<<63
}

// FromOrderedBits is the inverse of OrderedBits.
func FromOrderedBits(u uint64) float64 {
	if u>>63 != 0 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

// ImageKey is the key of an entry's before-image.
func ImageKey(source, id, version int64) []byte {
	b := AppendEntryKey(make([]byte, 0, 20), source, id)
	return binary.BigEndian.AppendUint64(b, uint64(version))
}

// ImageRange holds the images of an entry with versions of at least from.
func ImageRange(source, id, from int64) (lo, hi []byte) {
	return ImageKey(source, id, from), EntryKey(source, id+1)
}

// ImageVersion returns the version in an image key.
func ImageVersion(key []byte) int64 {
	if len(key) != 20 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key[12:]))
}

// VersionKey is the key of a version's header.
func VersionKey(source, version int64) []byte { return EntryKey(source, version) }

// VersionRange holds the headers of a data source with versions of at least from.
func VersionRange(source, from int64) (lo, hi []byte) { return EntryRange(source, from) }

// VersionID returns the version in a version key.
func VersionID(key []byte) int64 { return EntryID(key) }

func sourceKey(kind byte, source int64) []byte {
	b := make([]byte, 1, 16)
	b[0] = kind
	return binary.BigEndian.AppendUint32(b, uint32(source))
}

// prefixRange returns the range of all keys that begin with prefix.
func prefixRange(prefix []byte) (from, to []byte) {
	to = append([]byte(nil), prefix...)
	for i := len(to) - 1; i >= 0; i-- {
		if to[i]++; to[i] != 0 {
			return prefix, to[:i+1]
		}
	}
	return prefix, nil
}

// KeySource returns the data source in a key of the entry, order, image, version,
// outbox, due or index keyspace.
func KeySource(key []byte) int64 {
	if len(key) < 4 {
		return 0
	}
	return int64(binary.BigEndian.Uint32(key))
}
