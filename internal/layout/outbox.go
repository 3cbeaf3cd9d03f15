package layout

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// DeliveryID is the id of a delivery, a ULID.
type DeliveryID [16]byte

// Next returns the id after this one: deliveries of one write sort as they were made.
func (id DeliveryID) Next() DeliveryID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

// Previous returns the id before this one.
func (id DeliveryID) Previous() DeliveryID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}

// Delivery is something that a hook has to send, as the outbox keeps it: until it is
// sent, or, once it has failed for good, until it is dropped. What is pending is
// listed in the due keyspace, too.
type Delivery struct {
	ID      DeliveryID
	Source  int64 // the data source
	Commit  int64 // the write that it is of
	Entry   int64
	Hook    int64  // its place in the hooks of that time
	Event   string // insert or update
	Type    string
	Created int64 // milliseconds since 1970, as all times here
	Due     int64 // when it is to be tried
	Tries   int64 // tries that failed
	Tried   int64 // the last of them; 0 for none
	Failed  int64 // when it was given up; 0 while it is pending

	// Error tells what was wrong the last time.
	Error string
	// Payload is what is to be sent; empty when it could not be rendered.
	Payload []byte
}

const flagFailed = 1

var outboxSealer = document.NewSealer(string(Outbox))

// DeliveryKey is the key of a delivery.
func DeliveryKey(source int64, id DeliveryID) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 20), uint32(source))
	return append(b, id[:]...)
}

// Due is a place in the list of what is to be tried. Places of one hook are a lane, in
// which they sort by time, commit and id.
type Due struct {
	Source, Hook, Time, Commit int64
	ID                         DeliveryID
}

// DueOf returns the place of a pending delivery.
func (d *Delivery) DueOf() Due { return Due{d.Source, d.Hook, max(d.Due, 0), d.Commit, d.ID} }

const dueSize = 38

// Key is the key of the place.
func (u Due) Key() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, dueSize), uint32(u.Source))
	b = binary.BigEndian.AppendUint16(b, uint16(u.Hook))
	b = binary.BigEndian.AppendUint64(b, uint64(u.Time))
	b = binary.BigEndian.AppendUint64(b, uint64(u.Commit))
	return append(b, u.ID[:]...)
}

// ParseDue reads a key of the due keyspace.
func ParseDue(key []byte) (u Due, ok bool) {
	if len(key) != dueSize {
		return u, false
	}
	u = Due{Source: int64(binary.BigEndian.Uint32(key)), Hook: int64(binary.BigEndian.Uint16(key[4:])),
		Time: int64(binary.BigEndian.Uint64(key[6:])), Commit: int64(binary.BigEndian.Uint64(key[14:]))}
	copy(u.ID[:], key[22:])
	return u, true
}

// LaneEnd is the end of the lane of a place; nil after the last one of all.
func (u Due) LaneEnd() []byte {
	_, to := prefixRange(u.Key()[:6])
	return to
}

// AppendDelivery appends the value that stores a delivery in the outbox.
func AppendDelivery(dst []byte, d *Delivery) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, document.EnvelopeSize)...)
	for _, n := range []int64{d.Commit, d.Entry, d.Hook, d.Tries} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	for _, ms := range []int64{d.Created, d.Due, d.Tried, d.Failed} {
		dst = binary.AppendVarint(dst, ms)
	}
	for _, text := range []string{d.Event, d.Type, d.Error} {
		dst = AppendBytes(dst, []byte(text))
	}
	dst = append(dst, d.Payload...)
	var flags byte
	if d.Failed != 0 {
		flags |= flagFailed
	}
	outboxSealer.SealInPlace(dst[start:], DeliveryKey(d.Source, d.ID), flags)
	return dst
}

// ReadDelivery reads a value of the outbox, verifying its checksum. The payload is part
// of the value.
func ReadDelivery(key, value []byte) (*Delivery, error) {
	flags, payload, _, err := outboxSealer.Open(key, value)
	if err != nil {
		return nil, err
	}
	d := &Delivery{Source: KeySource(key)}
	in := NewDecoder(payload)
	for _, n := range []*int64{&d.Commit, &d.Entry, &d.Hook, &d.Tries} {
		*n = in.Int()
	}
	for _, ms := range []*int64{&d.Created, &d.Due, &d.Tried, &d.Failed} {
		*ms = in.Varint()
	}
	for _, text := range []*string{&d.Event, &d.Type, &d.Error} {
		*text = string(in.Bytes())
	}
	d.Payload = in.Rest()
	if copy(d.ID[:], key[min(4, len(key)):]) != len(d.ID) || in.Failed() || (d.Failed != 0) != (flags&flagFailed != 0) {
		return nil, errs.New(errs.Corrupt, "delivery %x cannot be read", key)
	}
	return d, nil
}

// FindDelivery returns a delivery, nil when there is none of that id.
func FindDelivery(r storage.Reader, source int64, id DeliveryID) (*Delivery, error) {
	key := DeliveryKey(source, id)
	value, err := r.Get(Outbox, key)
	if err != nil || value == nil {
		return nil, err
	}
	return ReadDelivery(key, value)
}

// PutDelivery stores a delivery, in place of the one found if that is not nil.
func PutDelivery(w storage.Writer, found, d *Delivery) error {
	if err := unlistDelivery(w, found); err != nil {
		return err
	}
	if d.Failed == 0 {
		if err := w.Put(Dues, d.DueOf().Key(), []byte{}); err != nil {
			return err
		}
	}
	return w.Put(Outbox, DeliveryKey(d.Source, d.ID), AppendDelivery(nil, d))
}

// DropDelivery removes a delivery that was found.
func DropDelivery(w storage.Writer, found *Delivery) error {
	if err := unlistDelivery(w, found); err != nil {
		return err
	}
	return w.Delete(Outbox, DeliveryKey(found.Source, found.ID))
}

func unlistDelivery(w storage.Writer, found *Delivery) error {
	if found == nil || found.Failed != 0 {
		return nil
	}
	return w.Delete(Dues, found.DueOf().Key())
}
