package overlay

import (
	"encoding/binary"
	"errors"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// A set as bytes: the number of its keyspaces, and of each the name, the number of deleted
// ranges, their bounds, the number of keys, and those with their values. Numbers are uvarints.
// Bytes have their length before them; what can be nil has that plus one, or 0.

// AppendTo appends the writes of the set to b, for Layer.Read.
func (s *Set) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.spaces)))
	for _, sp := range s.spaces {
		b = appendBytes(b, []byte(sp.Name))
		b = binary.AppendUvarint(b, uint64(len(sp.Deleted)))
		for _, d := range sp.Deleted {
			b = appendOptional(appendBytes(b, d.From), d.To)
		}
		b = binary.AppendUvarint(b, uint64(sp.Writes.Len()))
		all := sp.Writes.Scan(tree.Bounds{}, false)
		for k, v, ok := all.Next(); ok; k, v, ok = all.Next() {
			b = appendOptional(appendBytes(b, k), v)
		}
	}
	return b
}

func appendBytes(b, value []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

func appendOptional(b, value []byte) []byte {
	if value == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(value))+1), value...)
}

var errDecode = errors.New("the write set is not one")

// Read makes the writes of sets that AppendTo wrote one after the other. It keeps b. After an
// error the layer holds part of them.
func (l *Layer) Read(b []byte) error {
	d := decoder{rest: b}
	for len(d.rest) > 0 && !d.bad {
		for n := d.number(); n > 0 && !d.bad; n-- {
			l.readSpace(&d)
		}
	}
	if d.bad {
		return errDecode
	}
	return nil
}

// readSpace makes the writes to a keyspace.
func (l *Layer) readSpace(d *decoder) {
	name := d.bytes()
	if d.bad {
		return
	}
	sp := l.space(storage.Keyspace(name))
	for n := d.number(); n > 0 && !d.bad; n-- {
		b := tree.Bounds{From: d.bytes(), To: d.optional()}
		if d.bad = d.bad || b.Empty(); !d.bad {
			sp.deleteRange(b)
		}
	}
	for n := d.number(); n > 0 && !d.bad; n-- {
		key, value := d.bytes(), d.optional()
		if d.bad = d.bad || len(key) == 0 || len(key) > storage.MaxKeySize; !d.bad {
			sp.write(key, value)
		}
	}
}

// decoder reads what stands in bytes until something does not fit.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes() []byte { return d.take(d.number()) }

func (d *decoder) optional() []byte {
	n := d.number()
	if n == 0 {
		return nil
	}
	return d.take(n - 1)
}

// take returns the next n bytes, not nil.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.bad = true
		return []byte{}
	}
	value := d.rest[:n:n]
	d.rest = d.rest[n:]
	return value
}
