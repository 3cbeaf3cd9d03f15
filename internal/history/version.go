package history

import (
	"encoding/binary"
	"iter"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// Version is the header of one write: what it did, and how it found things.
type Version struct {
	ID       int64  // the commit
	Previous int64  // the commit before it that changed this data source; 0 for the first
	Seq      int64  // 1 for the first version of the data source, without gaps
	Time     int64  // milliseconds since 1970
	Action   string // "commit", "insert", "pre-restore" and so on
	Source   string // the caller's label; may be empty
	User     []byte // the user as JSON; nil when nobody was named

	Count   int64         // entries before the write
	Ordered int64         // of these, entries whose order is not 0
	Digest  layout.Digest // of the entries before the write
	Columns int64         // revision of the list of columns before the write

	Inserted, Updated, Deleted IDSet
}

var sealer = document.NewSealer(string(layout.Versions))

// Write stores a header.
func Write(w storage.Writer, source int64, v *Version) error {
	b := make([]byte, document.EnvelopeSize, 160)
	for _, n := range []int64{v.Previous, v.Seq, v.Time, v.Count, v.Ordered, v.Columns} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.LittleEndian.AppendUint64(b, v.Digest[0])
	b = binary.LittleEndian.AppendUint64(b, v.Digest[1])
	b = layout.AppendBytes(b, []byte(v.Action))
	b = layout.AppendBytes(b, []byte(v.Source))
	b = layout.AppendBytes(b, v.User)
	for _, s := range []IDSet{v.Inserted, v.Updated, v.Deleted} {
		b = s.append(b)
	}
	key := layout.VersionKey(source, v.ID)
	sealer.SealInPlace(b, key, 0)
	return w.Put(layout.Versions, key, b)
}

// Decode reads a header; it copies what it keeps.
func Decode(key, value []byte) (*Version, error) {
	_, payload, _, err := sealer.Open(key, value)
	if err != nil {
		return nil, err
	}
	d := layout.NewDecoder(payload)
	v := &Version{ID: layout.VersionID(key)}
	for _, p := range []*int64{&v.Previous, &v.Seq, &v.Time, &v.Count, &v.Ordered, &v.Columns} {
		*p = d.Int()
	}
	v.Digest = layout.Digest{d.Uint64(), d.Uint64()}
	v.Action, v.Source = string(d.Bytes()), string(d.Bytes())
	if user := d.Bytes(); len(user) > 0 {
		v.User = append([]byte(nil), user...)
	}
	for _, s := range []*IDSet{&v.Inserted, &v.Updated, &v.Deleted} {
		var ok bool
		if *s, ok = decodeIDSet(&d); !ok {
			return nil, errs.New(errs.Corrupt, "version %d cannot be read", v.ID)
		}
	}
	if d.Failed() {
		return nil, errs.New(errs.Corrupt, "version %d cannot be read", v.ID)
	}
	return v, nil
}

// Read returns the header of a version, nil when the data source has none of
// that id.
func Read(r storage.Reader, source, id int64) (*Version, error) {
	key := layout.VersionKey(source, id)
	value, err := r.Get(layout.Versions, key)
	if err != nil || value == nil {
		return nil, err
	}
	return Decode(key, value)
}

// Range yields the headers with ids in [from, to), ascending or descending; to 0
// means no end. A header that cannot be read ends the walk with its error.
func Range(r storage.Reader, source, from, to int64, descending bool) iter.Seq2[*Version, error] {
	return func(yield func(*Version, error) bool) {
		lo, hi := layout.VersionRange(source, from)
		if to > 0 {
			hi = layout.VersionKey(source, to)
		}
		c := r.Scan(layout.Versions, lo, hi, descending)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			v, err := Decode(key, value)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := c.Err(); err != nil {
			yield(nil, err)
		}
	}
}
