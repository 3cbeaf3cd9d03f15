package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// Record is an entry as it is stored, in the entry keyspace or as an image.
// Order and Doc alias the stored bytes.
type Record struct {
	ID        int64
	Born      int64  // the commit that created the entry
	Changed   int64  // the commit that touched it last
	CreatedAt int64  // milliseconds since 1970
	UpdatedAt int64  // milliseconds since 1970
	Order     []byte // the order as a stored number; nil for 0
	Doc       []byte // the document, numbered by the data source's names
	Sum       uint64 // the checksum of the envelope
}

// OrderValue returns the order as a number.
func (r *Record) OrderValue() float64 {
	if r.Order == nil {
		return 0
	}
	return document.Stored(r.Order, nil).Float()
}

const flagOrdered = 1

var (
	entrySealer = document.NewSealer(string(Entries))
	imageSealer = document.NewSealer(string(Images))
)

// DecodeEntry reads a value of the entry keyspace, verifying its checksum.
func (r *Record) DecodeEntry(key, value []byte) error {
	return r.decode(&entrySealer, Entries, key, value)
}

// DecodeImage reads a value of the image keyspace, verifying its checksum.
func (r *Record) DecodeImage(key, value []byte) error {
	return r.decode(&imageSealer, Images, key, value)
}

func (r *Record) decode(s *document.Sealer, ks storage.Keyspace, key, value []byte) error {
	flags, payload, sum, err := s.Open(key, value)
	if err != nil {
		return err
	}
	d := Decoder{b: payload}
	r.ID, r.Sum = EntryID(key), sum
	r.Born, r.Changed = d.Int(), d.Int()
	r.CreatedAt = d.Varint()
	r.UpdatedAt = r.CreatedAt + d.Varint()
	r.Order = nil
	if flags&flagOrdered != 0 {
		r.Order = d.Bytes()
	}
	r.Doc = d.b
	if d.failed {
		return errs.New(errs.Corrupt, "record %x of keyspace %s cannot be read", key, ks)
	}
	return nil
}

// EncodeEntry returns the value that stores the record in the entry keyspace, and
// its checksum.
func (r *Record) EncodeEntry(key []byte) (value []byte, sum uint64) {
	return r.encode(&entrySealer, key)
}

// EncodeImage returns the value that stores the record in the image keyspace.
func (r *Record) EncodeImage(key []byte) []byte {
	value, _ := r.encode(&imageSealer, key)
	return value
}

func (r *Record) encode(s *document.Sealer, key []byte) (value []byte, sum uint64) {
	b := make([]byte, document.EnvelopeSize, document.EnvelopeSize+32+len(r.Order)+len(r.Doc))
	b = binary.AppendUvarint(b, uint64(r.Born))
	b = binary.AppendUvarint(b, uint64(r.Changed))
	b = binary.AppendVarint(b, r.CreatedAt)
	b = binary.AppendVarint(b, r.UpdatedAt-r.CreatedAt)
	var flags byte
	if r.Order != nil {
		flags |= flagOrdered
		b = AppendBytes(b, r.Order)
	}
	b = append(b, r.Doc...)
	return b, s.SealInPlace(b, key, flags)
}
