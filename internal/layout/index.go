package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// IndexPhase is how far an index has come.
type IndexPhase byte

// The phases of an index.
const (
	// IndexBuilding: it holds the keys of entries with ids below Upto, and of no others.
	IndexBuilding IndexPhase = iota
	// IndexReady: it holds the keys of all entries.
	IndexReady
	// IndexDropped: it is gone, and some of its keys are still there.
	IndexDropped
)

// IndexState is what the head of a data source knows of one of its indexes.
type IndexState struct {
	Number int64 // in its keys; never used again within the data source
	Phase  IndexPhase
	Upto   int64 // while it is being built: the first id that is not in
	Cipher byte  // the number of the data key under which its keys are hashed; 0 when they are stored as they are

	Counts IndexCounts // of the entries that are in
}

// IndexCounts are what package index counts of the entries in an index, in its order.
type IndexCounts [7]int64

// Indexes is what a head knows of all indexes of its data source.
type Indexes struct {
	Top  int64        // the highest number ever used
	List []IndexState // by number
}

// Encode returns the form that Head.Indexes holds.
func (x Indexes) Encode() string {
	if x.Top == 0 {
		return ""
	}
	b := binary.AppendUvarint(make([]byte, 0, 8+24*len(x.List)), uint64(x.Top))
	b = binary.AppendUvarint(b, uint64(len(x.List)))
	for i := range x.List {
		s := &x.List[i]
		b = append(b, byte(s.Phase), s.Cipher)
		b = binary.AppendUvarint(b, uint64(s.Number))
		b = binary.AppendUvarint(b, uint64(s.Upto))
		for _, n := range s.Counts {
			b = binary.AppendUvarint(b, uint64(max(n, 0)))
		}
	}
	return string(b)
}

// DecodeIndexes is the inverse of Encode.
func DecodeIndexes(text string) (x Indexes, err error) {
	if text == "" {
		return x, nil
	}
	d := NewDecoder([]byte(text))
	x.Top = d.Int()
	n := d.Uvarint()
	if n > uint64(len(text)) {
		d.failed = true
		n = 0
	}
	x.List = make([]IndexState, n)
	last := int64(0)
	for i := range x.List {
		s := &x.List[i]
		s.Phase, s.Cipher = IndexPhase(d.Byte()), d.Byte()
		s.Number, s.Upto = d.Int(), d.Int()
		for j := range s.Counts {
			s.Counts[j] = d.Int()
		}
		if s.Phase > IndexDropped || s.Number <= last || s.Number > x.Top {
			d.failed = true
		}
		last = s.Number
	}
	if x.Top > MaxIndex || d.Failed() || len(d.Rest()) > 0 {
		return Indexes{}, errs.New(errs.Corrupt, "the states of indexes cannot be read")
	}
	return x, nil
}

// Find returns the state of an index, nil when there is none.
func (x Indexes) Find(number int64) *IndexState {
	for i := range x.List {
		if x.List[i].Number == number {
			return &x.List[i]
		}
	}
	return nil
}

// MaxIndex is the highest number of an index.
const MaxIndex = 1<<32 - 1

// indexPrefix is how long the part of an index key is that names the index.
const indexPrefix = 8

// AppendIndexPrefix appends what all keys of an index begin with.
func AppendIndexPrefix(dst []byte, source, number int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(source))
	return binary.BigEndian.AppendUint32(dst, uint32(number))
}

// IndexKey is the key that lists an entry in an index.
func IndexKey(source, number int64, key []byte, id int64) []byte {
	return AppendIndexKey(make([]byte, 0, IndexKeySize(len(key))), source, number, key, id)
}

// IndexKeySize is the length of an IndexKey with a key of n bytes.
func IndexKeySize(n int) int { return indexPrefix + n + 8 }

// AppendIndexKey appends an IndexKey.
func AppendIndexKey(dst []byte, source, number int64, key []byte, id int64) []byte {
	dst = append(AppendIndexPrefix(dst, source, number), key...)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// IndexParts takes an index key apart. ok is false for what is none.
func IndexParts(stored []byte) (number int64, key []byte, id int64, ok bool) {
	n := len(stored) - 8
	if n < indexPrefix {
		return 0, nil, 0, false
	}
	number = int64(binary.BigEndian.Uint32(stored[4:]))
	return number, stored[indexPrefix:n:n], int64(binary.BigEndian.Uint64(stored[n:])), true
}

// IndexHolders holds the entries that an index lists under the same key as one that is
// stored.
func IndexHolders(stored []byte) (from, to []byte) {
	return prefixRange(stored[: len(stored)-8 : len(stored)-8])
}

// IndexRange holds all keys of an index.
func IndexRange(source, number int64) (from, to []byte) {
	return prefixRange(AppendIndexPrefix(nil, source, number))
}

// IndexDefKey is the key of the definition of an index.
func IndexDefKey(source, number int64) []byte {
	return binary.BigEndian.AppendUint32(sourceKey(kindIndex, source), uint32(number))
}

// IndexDefRange holds the definitions of all indexes of a data source, by number.
func IndexDefRange(source int64) (from, to []byte) { return prefixRange(sourceKey(kindIndex, source)) }

// IndexDef is the definition of an index, as JSON.
type IndexDef struct {
	Number int64
	Text   []byte
}

// ReadIndexDefs returns the definitions of all indexes of a data source, by number.
func ReadIndexDefs(r storage.Reader, source int64) (list []IndexDef, err error) {
	from, to := IndexDefRange(source)
	c := r.Scan(Catalog, from, to, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		_, payload, _, err := catalogSealer.Open(key, value)
		if err != nil {
			return nil, err
		}
		if len(key) != 9 {
			return nil, errs.New(errs.Corrupt, "the definition of an index of data source %d has the key %x", source, key)
		}
		list = append(list, IndexDef{int64(binary.BigEndian.Uint32(key[5:])), append([]byte(nil), payload...)})
	}
	return list, c.Err()
}

// WriteIndexDef stores the definition of an index.
func WriteIndexDef(w storage.Writer, source int64, def IndexDef) error {
	return writeSealed(w, IndexDefKey(source, def.Number), def.Text)
}

// IndexingKey is the key that says that there is something to do for the indexes of a data
// source: one is being built, or what is left of one is to be removed.
func IndexingKey(source int64) []byte { return sourceKey(kindIndexing, source) }

// Indexing returns the data sources that have an IndexingKey.
func Indexing(r storage.Reader) (list []int64, err error) {
	c := r.Scan(Catalog, []byte{kindIndexing}, []byte{kindIndexing + 1}, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		list = append(list, SourceOf(key))
	}
	return list, c.Err()
}
