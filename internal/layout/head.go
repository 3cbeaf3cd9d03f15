package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// Head holds the counters of a data source: everything that a read must know
// before it begins, and everything that a write moves.
type Head struct {
	Count      int64  // live entries
	Ordered    int64  // live entries whose order is not 0
	Digest     Digest // of the live entries
	Last       int64  // the last commit that changed entries; 0 when none did
	Floor      int64  // states before this commit cannot be read any more
	FloorTime  int64  // the time of that commit; 0 while nothing was dropped
	Seq        int64  // versions ever written
	FirstSeq   int64  // the number of the oldest version kept; Seq+1 when none is
	NextID     int64  // the next entry id of the current block
	BlockEnd   int64  // the end of the current block; NextID == BlockEnd when it is used up
	Names      int64  // interned column names
	Columns    int64  // revision of the list of columns; 0 when there is none
	ColumnsTop int64  // the highest revision ever used
	Revision   int64  // of the definition; moves with every change to it
	UpdatedAt  int64  // milliseconds since 1970
	Trashed    bool
	Staged     bool   // among the entries are some of a commit to come
	Indexes    string // of its indexes; see DecodeIndexes
}

const (
	flagTrashed = 1 << iota
	flagStaged
)

// ReadHead returns the counters of a data source, ok false when it does not exist.
func ReadHead(r storage.Reader, source int64) (h Head, ok bool, err error) {
	if source < 1 || source > MaxSource {
		return h, false, nil // its key would be another's
	}
	key := HeadKey(source)
	value, err := r.Get(Heads, key)
	if err != nil || value == nil {
		return h, false, err
	}
	h, err = DecodeHead(key, value)
	return h, err == nil, err
}

// DecodeHead returns the counters in a value of the head keyspace.
func DecodeHead(key, value []byte) (h Head, err error) {
	flags, payload, _, err := headSealer.Open(key, value)
	if err != nil {
		return h, err
	}
	d := NewDecoder(payload)
	h.Digest = Digest{d.Uint64(), d.Uint64()}
	for _, p := range h.numbers() {
		*p = d.Int()
	}
	h.Trashed, h.Staged = flags&flagTrashed != 0, flags&flagStaged != 0
	h.Indexes = string(d.Rest())
	if d.Failed() {
		return h, errs.New(errs.Corrupt, "the counters of data source %d cannot be read", SourceOf(key))
	}
	return h, nil
}

// WriteHead stores the counters of a data source.
func WriteHead(w storage.Writer, source int64, h Head) error {
	b := make([]byte, document.EnvelopeSize, 96+len(h.Indexes))
	b = binary.LittleEndian.AppendUint64(b, h.Digest[0])
	b = binary.LittleEndian.AppendUint64(b, h.Digest[1])
	for _, p := range h.numbers() {
		b = binary.AppendUvarint(b, uint64(*p))
	}
	b = append(b, h.Indexes...)
	var flags byte
	if h.Trashed {
		flags |= flagTrashed
	}
	if h.Staged {
		flags |= flagStaged
	}
	key := HeadKey(source)
	headSealer.SealInPlace(b, key, flags)
	return w.Put(Heads, key, b)
}

// numbers lists the counters in the order in which they are stored.
func (h *Head) numbers() [14]*int64 {
	return [14]*int64{&h.Count, &h.Ordered, &h.Last, &h.Floor, &h.FloorTime, &h.Seq, &h.FirstSeq, &h.NextID, &h.BlockEnd,
		&h.Names, &h.Columns, &h.ColumnsTop, &h.Revision, &h.UpdatedAt}
}

// Digest is a commutative sum over entries: it does not matter in which order
// they are added, and what was added can be taken away again.
type Digest [2]uint64

// Add adds an entry, given as the checksum of its envelope.
func (d *Digest) Add(sum uint64) {
	d[0] += sum
	d[1] += mix(sum)
}

// Remove takes an entry away again.
func (d *Digest) Remove(sum uint64) {
	d[0] -= sum
	d[1] -= mix(sum)
}

// mix is the finaliser of MurmurHash3: a bijection that spreads every bit.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
