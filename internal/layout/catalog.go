package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

var catalogSealer = document.NewSealer(string(Catalog))

// ReadSource returns the definition of a data source as JSON, nil when there is
// none. The bytes are the store's.
func ReadSource(r storage.Reader, source int64) ([]byte, error) {
	return readSealed(r, SourceKey(source))
}

// WriteSource stores the definition of a data source.
func WriteSource(w storage.Writer, source int64, definition []byte) error {
	return writeSealed(w, SourceKey(source), definition)
}

// ReadNames returns the interned names of a data source from number from up to,
// not including, number to.
func ReadNames(r storage.Reader, source int64, from, to int) ([]string, error) {
	lo, hi := NameKey(source, uint16(from)), NameKey(source, uint16(to))
	names := make([]string, 0, to-from)
	c := r.Scan(Catalog, lo, hi, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		_, payload, _, err := catalogSealer.Open(key, value)
		if err != nil {
			return nil, err
		}
		if n := from + len(names); int(binary.BigEndian.Uint16(key[len(key)-2:])) != n {
			return nil, errs.New(errs.Corrupt, "column name %d of data source %d is missing", n, source)
		}
		names = append(names, string(payload))
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if len(names) != to-from {
		return nil, errs.New(errs.Corrupt, "data source %d has %d column names where %d were written", source, from+len(names), to)
	}
	return names, nil
}

// WriteName stores an interned name.
func WriteName(w storage.Writer, source int64, number uint16, name string) error {
	return writeSealed(w, NameKey(source, number), []byte(name))
}

// ReadColumns returns a list of columns; revision 0 is nil, the absent list.
func ReadColumns(r storage.Reader, source, revision int64) ([]string, error) {
	if revision == 0 {
		return nil, nil
	}
	payload, err := readSealed(r, ColumnsKey(source, uint32(revision)))
	if err != nil {
		return nil, err
	}
	if payload == nil {
		return nil, errs.New(errs.Corrupt, "list of columns %d of data source %d is missing", revision, source)
	}
	d := NewDecoder(payload)
	n := d.Uvarint()
	if n > uint64(len(payload)) {
		return nil, errs.New(errs.Corrupt, "list of columns %d of data source %d cannot be read", revision, source)
	}
	columns := make([]string, 0, n)
	for range n {
		columns = append(columns, string(d.Bytes()))
	}
	if d.Failed() {
		return nil, errs.New(errs.Corrupt, "list of columns %d of data source %d cannot be read", revision, source)
	}
	return columns, nil
}

// WriteColumns stores a list of columns under a revision of its own.
func WriteColumns(w storage.Writer, source, revision int64, columns []string) error {
	b := binary.AppendUvarint(nil, uint64(len(columns)))
	for _, c := range columns {
		b = AppendBytes(b, []byte(c))
	}
	return writeSealed(w, ColumnsKey(source, uint32(revision)), b)
}

// WriteStaged stores a StagedKey, and which entries do not count, or not yet, although their ids
// have been given out; nil for none.
func WriteStaged(w storage.Writer, source int64, ids []byte) error {
	if ids == nil {
		return w.Put(Catalog, StagedKey(source), []byte{})
	}
	return writeSealed(w, StagedKey(source), ids)
}

// ReadStaged returns the ids that WriteStaged stored, nil for none.
func ReadStaged(r storage.Reader, source int64) ([]byte, error) {
	value, err := r.Get(Catalog, StagedKey(source))
	if err != nil || len(value) == 0 {
		return nil, err
	}
	return readSealed(r, StagedKey(source))
}

// BlockOwner returns the data source that owns a block of entry ids, 0 when
// nobody does.
func BlockOwner(r storage.Reader, block int64) (int64, error) {
	payload, err := readSealed(r, BlockKey(block))
	if err != nil || payload == nil {
		return 0, err
	}
	d := NewDecoder(payload)
	source := d.Int()
	if d.Failed() {
		return 0, errs.New(errs.Corrupt, "the owner of block %d cannot be read", block)
	}
	return source, nil
}

// WriteBlock stores the owner of a block of entry ids.
func WriteBlock(w storage.Writer, block, source int64) error {
	return writeSealed(w, BlockKey(block), binary.AppendUvarint(nil, uint64(source)))
}

func readSealed(r storage.Reader, key []byte) ([]byte, error) {
	value, err := r.Get(Catalog, key)
	if err != nil || value == nil {
		return nil, err
	}
	_, payload, _, err := catalogSealer.Open(key, value)
	if payload == nil && err == nil {
		payload = []byte{}
	}
	return payload, err
}

func writeSealed(w storage.Writer, key, payload []byte) error {
	b := make([]byte, document.EnvelopeSize, document.EnvelopeSize+len(payload))
	b = append(b, payload...)
	catalogSealer.SealInPlace(b, key, 0)
	return w.Put(Catalog, key, b)
}
