package layout

import (
	"encoding/binary"
	"math"
)

// Decoder takes a record apart field by field. After the first field that is not
// there every further one is zero, and Failed reports it.
type Decoder struct {
	b      []byte
	failed bool
}

// NewDecoder returns a decoder over b, which it does not copy.
func NewDecoder(b []byte) Decoder { return Decoder{b: b} }

// Failed reports whether a field was missing or malformed.
func (d *Decoder) Failed() bool { return d.failed }

// Rest returns what has not been read yet.
func (d *Decoder) Rest() []byte { return d.b }

// Uvarint reads an unsigned number.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Varint reads a signed number.
func (d *Decoder) Varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Int reads an id or a counter that must fit an int64.
func (d *Decoder) Int() int64 {
	v := d.Uvarint()
	if v > math.MaxInt64 {
		d.failed = true
		return 0
	}
	return int64(v)
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if len(d.b) == 0 {
		d.failed = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// Uint64 reads eight bytes.
func (d *Decoder) Uint64() uint64 {
	if len(d.b) < 8 {
		d.failed, d.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// Bytes reads a length and that many bytes, which alias the record.
func (d *Decoder) Bytes() []byte {
	n := d.Uvarint()
	if n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// AppendBytes appends a length and the bytes.
func AppendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}
