package history

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

func TestIDSet(t *testing.T) {
	tests := []struct {
		ids  []int64
		want IDSet
	}{
		{nil, nil},
		{[]int64{5}, IDSet{{5, 5}}},
		{[]int64{3, 1, 2, 2, 7}, IDSet{{1, 3}, {7, 7}}},
		{[]int64{9, 8, 6, 4, 5}, IDSet{{4, 6}, {8, 9}}},
	}
	for _, test := range tests {
		set := MakeIDSet(slices.Clone(test.ids))
		if diff := cmp.Diff(test.want, set); diff != "" {
			t.Errorf("%v: %s", test.ids, diff)
		}
		distinct := slices.Compact(slices.Sorted(slices.Values(test.ids)))
		if !slices.Equal(distinct, slices.Collect(set.All())) || set.Len() != int64(len(distinct)) {
			t.Errorf("%v has members %v", test.ids, slices.Collect(set.All()))
		}
	}
}

// FuzzIDSet encodes sets of any ids and decodes any bytes.
func FuzzIDSet(f *testing.F) {
	f.Add([]byte{1, 2, 3, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := layout.NewDecoder(b)
		if set, ok := decodeIDSet(&d); ok && len(set) > 0 {
			d := layout.NewDecoder(set.append(nil))
			again, ok := decodeIDSet(&d)
			if diff := cmp.Diff(set, again); !ok || diff != "" {
				t.Errorf("a decoded set changes: %s", diff)
			}
		}
		ids := make([]int64, len(b))
		for i, x := range b {
			ids[i] = int64(x) + 1
		}
		set := MakeIDSet(ids)
		d = layout.NewDecoder(set.append(nil))
		if again, ok := decodeIDSet(&d); !ok || !slices.Equal(set, again) {
			t.Errorf("%v reads back as %v", set, again)
		}
	})
}

// FuzzVersion decodes sealed headers of any content: no panic.
func FuzzVersion(f *testing.F) {
	key := layout.VersionKey(1, 2)
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, payload []byte) {
		v, err := Decode(key, sealer.Seal(nil, key, 0, payload))
		if err != nil {
			return
		}
		if v.ID != 2 || v.Inserted.Len() < 0 {
			t.Errorf("decoded %+v", v)
		}
	})
}

// TestStateAt follows an entry through a life, a deletion and a second life, and
// asks for its state after every commit.
func TestStateAt(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	t.Cleanup(func() { store.Close() })
	// Born by 2, updated by 4, deleted by 6, brought back by 8, updated by 9.
	state := func(born, changed int64) *layout.Record {
		enc := document.NewEncoder(nil, document.Limits{})
		doc, err := enc.AppendJSON(nil, []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		return &layout.Record{ID: 5, Born: born, Changed: changed, Doc: doc}
	}
	err := store.Update(ctx, func(w storage.Writer) error {
		for _, image := range []struct {
			version int64
			rec     *layout.Record
		}{{4, state(2, 2)}, {6, state(2, 4)}, {9, state(8, 8)}} {
			if err := WriteImage(w, 1, image.version, image.rec); err != nil {
				return err
			}
		}
		key := layout.EntryKey(1, 5)
		value, _ := state(8, 9).EncodeEntry(key)
		return w.Put(layout.Entries, key, value)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]int64{0: 0, 1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 6: 0, 7: 0, 8: 8, 9: 9, 10: 9}
	for c := range int64(11) {
		err := store.View(ctx, func(r storage.Reader) error {
			var rec layout.Record
			ok, err := StateAt(r, 1, 5, c, &rec)
			if ok != (want[c] != 0) || ok && rec.Changed != want[c] {
				t.Errorf("after commit %d: there %v, changed %d, want %d", c, ok, rec.Changed, want[c])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestVersionRoundTrip(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	t.Cleanup(func() { store.Close() })
	versions := []*Version{
		{ID: 3, Seq: 1, Time: 1000, Action: "insert", Inserted: IDSet{{1, 100}}},
		{ID: 9, Previous: 3, Seq: 2, Time: 1001, Action: "commit", Source: "form", User: []byte(`{"id":1}`), Count: 100, Ordered: 2,
			Digest: layout.Digest{1, 1 << 63}, Columns: 4, Inserted: IDSet{{101, 101}}, Updated: IDSet{{1, 1}, {5, 9}}, Deleted: IDSet{{10, 10}}},
	}
	err := store.Update(ctx, func(w storage.Writer) error {
		for _, v := range versions {
			if err := Write(w, 7, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = store.View(ctx, func(r storage.Reader) error {
		var got []*Version
		for v, err := range Range(r, 7, 0, 0, false) {
			if err != nil {
				return err
			}
			got = append(got, v)
		}
		if diff := cmp.Diff(versions, got); diff != "" {
			t.Error(diff)
		}
		for v, err := range Range(r, 7, 0, 9, true) {
			if err != nil || v.ID != 3 {
				t.Errorf("the version before 9 is %+v, %v", v, err)
			}
		}
		if v, err := Read(r, 7, 5); v != nil || err != nil {
			t.Errorf("an unknown version reads as %v, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
