package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Record is an entry as it is stored, in the entry keyspace or as an image: the
// length of a header, the header (born, changed, times, order), and the document.
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

	header []byte
	flags  byte
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
	if err := r.OpenEntry(key, value); err != nil {
		return err
	}
	return r.DecodeHeader()
}

// DecodeImage reads a value of the image keyspace, verifying its checksum.
func (r *Record) DecodeImage(key, value []byte) error {
	if err := r.open(&imageSealer, key, value); err != nil {
		return err
	}
	return r.DecodeHeader()
}

// OpenEntry is the first half of DecodeEntry, for scans that leave most entries
// out: it verifies the checksum and sets ID, Sum and Doc alone.
func (r *Record) OpenEntry(key, value []byte) error { return r.open(&entrySealer, key, value) }

func (r *Record) open(s *document.Sealer, key, value []byte) error {
	flags, payload, sum, err := s.Open(key, value)
	if err != nil {
		return err
	}
	size, n := uint64(0), 1
	if len(payload) > 0 && payload[0] < 0x80 {
		size = uint64(payload[0])
	} else {
		size, n = binary.Uvarint(payload)
	}
	if n <= 0 || size > uint64(len(payload)-n) {
		return errs.New(errs.Corrupt, "record %x cannot be read", key)
	}
	r.ID, r.Sum, r.flags = EntryID(key), sum, flags
	r.header, r.Doc = payload[n:n+int(size)], payload[n+int(size):]
	return nil
}

// DecodeHeader is the second half of DecodeEntry: it sets what OpenEntry left out.
func (r *Record) DecodeHeader() error {
	d := Decoder{b: r.header}
	r.Born, r.Changed = d.Int(), d.Int()
	r.CreatedAt = d.Varint()
	r.UpdatedAt = r.CreatedAt + d.Varint()
	r.Order = nil
	if r.flags&flagOrdered != 0 {
		r.Order = d.Bytes()
	}
	if d.failed {
		return errs.New(errs.Corrupt, "the header of entry %d cannot be read", r.ID)
	}
	return nil
}

// DecodeOrder is DecodeHeader for who wants only the order of an entry, which hardly any has.
func (r *Record) DecodeOrder() error {
	if r.flags&flagOrdered == 0 {
		r.Order = nil
		return nil
	}
	return r.DecodeHeader()
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
	var room [64]byte
	header := binary.AppendUvarint(room[:0], uint64(r.Born))
	header = binary.AppendUvarint(header, uint64(r.Changed))
	header = binary.AppendVarint(header, r.CreatedAt)
	header = binary.AppendVarint(header, r.UpdatedAt-r.CreatedAt)
	var flags byte
	if r.Order != nil {
		flags |= flagOrdered
		header = AppendBytes(header, r.Order)
	}
	b := make([]byte, document.EnvelopeSize, document.EnvelopeSize+2+len(header)+len(r.Doc))
	b = AppendBytes(b, header)
	b = append(b, r.Doc...)
	return b, s.SealInPlace(b, key, flags)
}
