package layout

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/siftdb/siftdb/internal/document"
)

func TestKeysSortAsNumbers(t *testing.T) {
	orders := []float64{math.Inf(-1), -1e300, -2.5, -1, -1e-300, 0, 1e-300, 1, 2.5, 1e300, math.Inf(1)}
	var keys [][]byte
	for _, source := range []int64{1, 2, 255, 256, MaxSource} {
		for _, order := range orders {
			for _, id := range []int64{1, 255, 256, 1 << 40} {
				key := OrderKey(source, order, id)
				keys = append(keys, key)
				if o, i := OrderParts(key); o != order || i != id || KeySource(key) != source {
					t.Errorf("order %v id %d of %d reads back as %v, %d, %d", order, id, source, o, i, KeySource(key))
				}
			}
		}
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Error("order keys do not sort as their parts do")
	}
	if OrderedBits(math.Copysign(0, -1)) != OrderedBits(0) {
		t.Error("-0 and 0 have different places")
	}
}

func TestRangesHoldTheirKeys(t *testing.T) {
	in := func(key, from, to []byte) bool {
		return bytes.Compare(key, from) >= 0 && (to == nil || bytes.Compare(key, to) < 0)
	}
	for _, source := range []int64{1, 255, 256, 65535, MaxSource} {
		from, to := Prefix(source)
		inside := [][]byte{EntryKey(source, 0), EntryKey(source, 1<<53), OrderKey(source, -1, 1), ImageKey(source, 7, 9), VersionKey(source, 3)}
		for _, key := range inside {
			if !in(key, from, to) {
				t.Errorf("key %x is outside the range of data source %d", key, source)
			}
		}
		if in(EntryKey(source-1, 1<<53), from, to) || source < MaxSource && in(EntryKey(source+1, 0), from, to) {
			t.Errorf("the range of data source %d holds its neighbours", source)
		}
		lo, hi := ImageRange(source, 7, 5)
		if in(ImageKey(source, 7, 4), lo, hi) || !in(ImageKey(source, 7, 5), lo, hi) || !in(ImageKey(source, 7, 1<<60), lo, hi) || in(ImageKey(source, 8, 5), lo, hi) {
			t.Errorf("the range of an entry's images is wrong for data source %d", source)
		}
		from, to = NameRange(source)
		if !in(NameKey(source, 0), from, to) || !in(NameKey(source, math.MaxUint16), from, to) || in(ColumnsKey(source, 0), from, to) {
			t.Errorf("the range of names is wrong for data source %d", source)
		}
		from, to = ByNameRange("Users")
		if key := ByNameKey("Users", source); !in(key, from, to) || ByNameSource(key) != source || in(ByNameKey("users", source), from, to) {
			t.Errorf("the range of a name is wrong for data source %d", source)
		}
	}
	if BlockOf(BlockKey(1<<40)) != 1<<40 || SourceOf(HeadKey(MaxSource)) != MaxSource || ImageVersion(ImageKey(1, 2, 3)) != 3 || EntryID(ImageKey(1, 2, 3)) != 2 {
		t.Error("a key does not read back")
	}
}

// TestRecordGolden holds the bytes of the format: a change here is a new format.
func TestRecordGolden(t *testing.T) {
	doc := document.NewEncoder(nil, document.Limits{})
	body, err := doc.AppendJSON(nil, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	order, _ := document.FromGo(2.5, document.Limits{})
	rec := Record{ID: 4097, Born: 3, Changed: 300, CreatedAt: 1_700_000_000_000, UpdatedAt: 1_700_000_000_005, Order: order.Raw(), Doc: body}
	key := EntryKey(7, rec.ID)
	value, sum := rec.EncodeEntry(key)
	want := []byte("\x14\x03\xac\x02\x80\xa0\xab\xfe\xf9b\x0a\x09\x04\x00\x00\x00\x00\x00\x00\x04\x40")
	if !bytes.Equal(value[document.EnvelopeSize:document.EnvelopeSize+len(want)], want) || !bytes.HasSuffix(value, body) {
		t.Errorf("the record is %q", value[document.EnvelopeSize:])
	}
	var back Record
	if err := back.DecodeEntry(key, value); err != nil {
		t.Fatal(err)
	}
	rec.Sum = sum
	if diff := cmp.Diff(rec, back, cmpopts.IgnoreUnexported(Record{})); diff != "" {
		t.Error(diff)
	}
	if back.OrderValue() != 2.5 {
		t.Errorf("order is %v", back.OrderValue())
	}
	for i := range value {
		for bit := range 8 {
			bad := slices.Clone(value)
			bad[i] ^= 1 << bit
			if back.DecodeEntry(key, bad) == nil {
				t.Fatalf("bit %d of byte %d flipped without being noticed", bit, i)
			}
		}
	}
	if back.DecodeEntry(EntryKey(7, 4098), value) == nil || back.DecodeImage(key, value) == nil {
		t.Error("a record passes under another key or keyspace")
	}
}

// FuzzRecord decodes sealed records of any content: no panic, and what is decoded
// encodes to a record that decodes the same.
func FuzzRecord(f *testing.F) {
	f.Add(byte(0), []byte("\x04\x03\x04\x00\x00\x09\x00\x00"))
	f.Add(byte(1), []byte("\x07\x03\x04\x00\x00\x02\x03\x05\x09\x00\x00"))
	f.Fuzz(func(t *testing.T, flags byte, payload []byte) {
		key := EntryKey(1, 2)
		var rec, back Record
		if rec.DecodeEntry(key, entrySealer.Seal(nil, key, flags, payload)) != nil {
			return
		}
		value, _ := rec.EncodeEntry(key)
		if err := back.DecodeEntry(key, value); err != nil {
			t.Fatal(err)
		}
		rec.Sum, back.Sum = 0, 0
		if diff := cmp.Diff(rec, back, cmpopts.IgnoreUnexported(Record{})); diff != "" {
			t.Error(diff)
		}
		_ = rec.OrderValue()
		_ = document.Verify(rec.Doc, nil)
	})
}

// FuzzHead decodes sealed heads of any content: no panic.
func FuzzHead(f *testing.F) {
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, payload []byte) {
		key := HeadKey(1)
		if h, err := DecodeHead(key, headSealer.Seal(nil, key, 0, payload)); err == nil && (h.Count < 0 || h.Names < 0) {
			t.Errorf("a head counts below zero: %+v", h)
		}
	})
}

func TestDeliveriesReadBack(t *testing.T) {
	id := DeliveryID{15: 0xff, 14: 0xff}
	if next := id.Next(); next != (DeliveryID{13: 1}) || next.Previous() != id || bytes.Compare(id[:], next[:]) >= 0 {
		t.Errorf("after %x comes %x", id, next)
	}
	for _, d := range []Delivery{
		{Source: 1},
		{Source: MaxSource, ID: id, Commit: 1 << 40, Entry: 1<<53 - 1, Hook: 999, Event: "insert", Type: "web", Created: -5, Due: -7,
			Tries: 5, Tried: 1 << 41, Failed: 9, Error: "a\x00b", Payload: []byte(`{"a":1}`)},
	} {
		key, value := DeliveryKey(d.Source, d.ID), AppendDelivery([]byte("before"), &d)[6:]
		got, err := ReadDelivery(key, value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&d, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if _, err := ReadDelivery(DeliveryKey(d.Source, d.ID.Next()), value); err == nil {
			t.Error("a delivery is read under the key of another")
		}
		if _, err := ReadDelivery(key, value[:len(value)-1]); err == nil {
			t.Error("a delivery that was cut is read")
		}
		if u, ok := ParseDue(d.DueOf().Key()); !ok || u != d.DueOf() {
			t.Errorf("%+v reads back as %+v, %v", d.DueOf(), u, ok)
		}
	}
	places := []Due{{Source: 1, Hook: 0, Time: 9}, {Source: 1, Hook: 1, Time: 1, Commit: 5}, {Source: 1, Hook: 1, Time: 2, Commit: 3},
		{Source: 1, Hook: 1, Time: 2, Commit: 4}, {Source: 1, Hook: 1, Time: 2, Commit: 4, ID: id}, {Source: 2}}
	if !slices.IsSortedFunc(places, func(a, b Due) int { return bytes.Compare(a.Key(), b.Key()) }) {
		t.Error("places do not sort by lane, time, commit and id")
	}
	for i, u := range places {
		for j, v := range places {
			later := bytes.Compare(v.Key(), u.LaneEnd()) >= 0
			if want := v.Source > u.Source || v.Source == u.Source && v.Hook > u.Hook; later != want {
				t.Errorf("place %d is behind the lane of place %d: %v", j, i, later)
			}
		}
	}
}
