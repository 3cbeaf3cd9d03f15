package layout

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb/storage"
)

func someIndexes() Indexes {
	return Indexes{Top: 9, List: []IndexState{
		{Number: 2, Phase: IndexReady, Cipher: 3, Counts: IndexCounts{1, 2, 3, 4, 5, 6, math.MaxInt64}},
		{Number: 5, Phase: IndexBuilding, Upto: 1 << 40},
		{Number: 9, Phase: IndexDropped},
	}}
}

func TestIndexesRoundTrip(t *testing.T) {
	for _, x := range []Indexes{{}, {Top: 7, List: []IndexState{}}, someIndexes()} {
		got, err := DecodeIndexes(x.Encode())
		if err != nil || cmp.Diff(x, got) != "" {
			t.Errorf("%v: %s", err, cmp.Diff(x, got))
		}
	}
	text := someIndexes().Encode()
	for n := 1; n < len(text); n++ {
		if _, err := DecodeIndexes(text[:n]); err == nil {
			t.Errorf("%d of %d bytes are read", n, len(text))
		}
	}
	twice := someIndexes()
	twice.List[1].Number = 2
	above := someIndexes()
	above.Top = 8
	for _, x := range []Indexes{twice, above} {
		if _, err := DecodeIndexes(x.Encode()); err == nil {
			t.Errorf("%+v is read", x)
		}
	}
	if _, err := DecodeIndexes(someIndexes().Encode() + "x"); err == nil {
		t.Error("what comes after is read over")
	}
	if negative := (Indexes{Top: 1, List: []IndexState{{Number: 1, Counts: IndexCounts{-1}}}}); negative.Encode() != (Indexes{Top: 1, List: []IndexState{{Number: 1}}}).Encode() {
		t.Error("a count below 0 is stored")
	}
}

// TestHeadWithIndexes reads a head as it was written before there were indexes, too.
func TestHeadWithIndexes(t *testing.T) {
	for _, h := range []Head{{Count: 5, Names: 3}, {Count: 5, Names: 3, Trashed: true, Staged: true, Indexes: someIndexes().Encode()}} {
		w := &oneValue{}
		if err := WriteHead(w, 4, h); err != nil {
			t.Fatal(err)
		}
		got, err := DecodeHead(w.key, w.value)
		if err != nil || got != h {
			t.Errorf("%+v becomes %+v, %v", h, got, err)
		}
	}
}

func TestIndexKeys(t *testing.T) {
	key := IndexKey(7, 3, []byte("abc"), 99)
	number, part, id, ok := IndexParts(key)
	if !ok || number != 3 || string(part) != "abc" || id != 99 || KeySource(key) != 7 || len(key) != IndexKeySize(3) || ContentOf(Index, key) != 7 {
		t.Errorf("%x is taken for %d, %q, %d, %v", key, number, part, id, ok)
	}
	in := func(key, from, to []byte) bool { return bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0 }
	from, to := IndexRange(7, 3)
	for _, other := range [][]byte{IndexKey(7, 2, []byte("zzz"), math.MaxInt64), IndexKey(7, 4, nil, 0), IndexKey(6, 3, nil, 0), IndexKey(8, 3, nil, 0)} {
		if in(other, from, to) {
			t.Errorf("%x is in the range of another index", other)
		}
	}
	if !in(key, from, to) || !in(IndexKey(7, 3, nil, 0), from, to) || !in(IndexKey(7, 3, bytes.Repeat([]byte{255}, 500), math.MaxInt64), from, to) {
		t.Error("a key is outside of the range of its index")
	}
	from, to = IndexHolders(key)
	if !in(key, from, to) || !in(IndexKey(7, 3, []byte("abc"), math.MaxInt64), from, to) || in(IndexKey(7, 3, []byte("abd"), 0), from, to) || in(IndexKey(7, 3, []byte("abb"), 1), from, to) {
		t.Error("the holders of a key are others")
	}
	if _, _, _, ok := IndexParts(key[:15]); ok {
		t.Error("half a key is a key")
	}
	from, to = IndexDefRange(7)
	if !in(IndexDefKey(7, 1), from, to) || !in(IndexDefKey(7, MaxIndex), from, to) || in(IndexDefKey(8, 1), from, to) || ContentOf(Catalog, IndexDefKey(7, 1)) != 7 {
		t.Error("the range of definitions is another")
	}
}

func FuzzDecodeIndexes(f *testing.F) {
	f.Add(someIndexes().Encode())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := DecodeIndexes(text)
		if err != nil {
			return
		}
		again, err := DecodeIndexes(x.Encode())
		if x.Top > 0 && (err != nil || cmp.Diff(x, again) != "") {
			t.Errorf("%q: %v, %s", text, err, cmp.Diff(x, again))
		}
	})
}

// oneValue is a writer that keeps what was put last.
type oneValue struct {
	storage.Writer
	key, value []byte
}

func (w *oneValue) Put(_ storage.Keyspace, key, value []byte) error {
	w.key, w.value = key, value
	return nil
}
