package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// Format is the number of the file format that this package writes and reads.
const Format = 1

// BlockSize is how many entry ids a data source is handed at a time. Blocks are
// aligned: block n holds the ids n*BlockSize to n*BlockSize+BlockSize-1.
const BlockSize = 4096

// Meta holds the counters of a store.
type Meta struct {
	Format     uint64
	StoreID    string // a ULID, made with the store
	Commit     int64  // the last commit id given out
	Time       int64  // its time in milliseconds since 1970; never goes back
	NextBlock  int64  // the first block of entry ids that nobody owns
	NextSource int64  // the next id of a data source
}

var headSealer = document.NewSealer(string(Heads))

// ReadMeta returns the counters of the store, ok false when it holds none yet.
func ReadMeta(r storage.Reader) (m Meta, ok bool, err error) {
	key := MetaKey()
	value, err := r.Get(Heads, key)
	if err != nil || value == nil {
		return m, false, err
	}
	_, payload, _, err := headSealer.Open(key, value)
	if err != nil {
		return m, false, err
	}
	d := NewDecoder(payload)
	m.Format = d.Uvarint()
	if m.Format != Format {
		return m, false, errs.New(errs.NotDatabase, "the file has format %d, this siftdb reads format %d", m.Format, Format)
	}
	m.StoreID = string(d.Bytes())
	m.Commit, m.Time = d.Int(), d.Int()
	m.NextBlock, m.NextSource = d.Int(), d.Int()
	if d.Failed() {
		return m, false, errs.New(errs.Corrupt, "the store's counters cannot be read")
	}
	return m, true, nil
}

// WriteMeta stores the counters of the store.
func WriteMeta(w storage.Writer, m Meta) error {
	b := make([]byte, document.EnvelopeSize, 64)
	b = binary.AppendUvarint(b, m.Format)
	b = AppendBytes(b, []byte(m.StoreID))
	for _, v := range []int64{m.Commit, m.Time, m.NextBlock, m.NextSource} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	key := MetaKey()
	headSealer.SealInPlace(b, key, 0)
	return w.Put(Heads, key, b)
}
