package siftdb

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// TestCheckFindsFaultsOfIndexes plants faults in the index of the fixture, whose number is 1,
// and in a unique one over n, whose number is 2.
func TestCheckFindsFaultsOfIndexes(t *testing.T) {
	ctx := context.Background()
	for _, options := range []*Options{{}, {Keys: testKeys(t)}} {
		store := checkFixtureOf(t, options)
		db, err := OpenStorage(ctx, unclosed{store}, options)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := db.DataSource(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := ds.CreateIndex(ctx, IndexSpec{Name: "n", Fields: []IndexField{{Name: "n"}}, Unique: true}); err != nil {
			t.Fatal(err)
		}
		keys := func(w storage.Writer, number int64) (list [][]byte) {
			from, to := layout.IndexRange(1, number)
			c := w.Scan(layout.Index, from, to, false)
			for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
				list = append(list, bytes.Clone(key))
			}
			return list
		}
		put := func(w storage.Writer, key []byte) error { return w.Put(layout.Index, key, []byte{}) }
		for name, plant := range map[string]struct {
			kinds []string
			fn    func(w storage.Writer) error
		}{
			"a key gone": {[]string{"index-missing"}, func(w storage.Writer) error { return w.Delete(layout.Index, keys(w, 1)[3]) }},
			"a key too many": {[]string{"index-extra"}, func(w storage.Writer) error {
				key := keys(w, 1)[3]
				key[8+3] ^= 1
				return put(w, key)
			}},
			"a key of nobody": {[]string{"index-extra"}, func(w storage.Writer) error {
				key := keys(w, 1)[3]
				key[len(key)-4] = 9
				return put(w, key)
			}},
			"a key of another entry": {[]string{"index-missing", "index-extra"}, func(w storage.Writer) error {
				var key, other []byte
				for _, key = range keys(w, 1) {
					other = bytes.Clone(key)
					other[len(other)-1] ^= 1
					if there, err := w.Get(layout.Index, other); there == nil || err != nil {
						break // else both entries lack the column
					}
				}
				if err := w.Delete(layout.Index, key); err != nil {
					return err
				}
				return put(w, other)
			}},
			"keys of no index": {[]string{"index-extra"}, func(w storage.Writer) error { return put(w, layout.IndexKey(1, 3, []byte("x"), 5)) }},
			"no key":           {[]string{"index-extra"}, func(w storage.Writer) error { return put(w, []byte{0, 0, 0, 1, 0, 0, 0, 3, 1}) }},
			"of no data source": {[]string{"extra-entry"}, func(w storage.Writer) error {
				return put(w, layout.IndexKey(9, 1, []byte("x"), 5))
			}},
			"no definition": {[]string{"index-missing"}, func(w storage.Writer) error {
				return w.Delete(layout.Catalog, layout.IndexDefKey(1, 1))
			}},
			"a mark of no data source": {[]string{"index-extra"}, func(w storage.Writer) error {
				return w.Put(layout.Catalog, layout.IndexingKey(9), []byte{})
			}},
		} {
			name := name
			if options.Keys != nil {
				name += " of an encrypted data source"
			}
			t.Run(name, func(t *testing.T) { plantFault(t, store, options, plant.kinds, plant.fn) })
		}
		// What the head says can only be changed by somebody who has the key.
		if options.Keys == nil {
			for name, change := range map[string]func(x *layout.Indexes){
				"counts":          func(x *layout.Indexes) { x.List[0].Counts[1]++ },
				"unfinished":      func(x *layout.Indexes) { x.List[0].Phase = layout.IndexBuilding },
				"a state too few": func(x *layout.Indexes) { x.List = x.List[1:] },
			} {
				kinds := []string{"counter"}
				if name == "a state too few" {
					kinds = []string{"index-extra"}
				}
				t.Run(name, func(t *testing.T) {
					plantFault(t, store, options, kinds, func(w storage.Writer) error {
						h, _, err := layout.ReadHead(w, 1)
						if err != nil {
							return err
						}
						x, err := layout.DecodeIndexes(h.Indexes)
						if err != nil {
							return err
						}
						change(&x)
						h.Indexes = x.Encode()
						return layout.WriteHead(w, 1, h)
					})
				})
			}
			t.Run("twice in a unique one", func(t *testing.T) {
				plantFault(t, store, options, []string{"index-unique"}, func(w storage.Writer) error {
					var of [2]layout.Record // the second becomes the first
					for i := range of {
						key := layout.EntryKey(1, int64(4+i))
						value, err := w.Get(layout.Entries, key)
						if err != nil {
							return err
						}
						if err := of[i].DecodeEntry(key, value); err != nil {
							return err
						}
					}
					of[1].Doc = of[0].Doc
					key := layout.EntryKey(1, 5)
					value, _ := of[1].EncodeEntry(key)
					if err := w.Put(layout.Entries, key, value); err != nil {
						return err
					}
					for _, key := range keys(w, 2) {
						if _, part, id, _ := layout.IndexParts(key); id == 4 {
							return put(w, layout.IndexKey(1, 2, part, 5))
						}
					}
					return nil
				})
			})
		}
	}
}

// unclosed is a store that others go on with.
type unclosed struct{ *memory.Store }

func (unclosed) Close() error { return nil }

// plantFault changes a fork of a store and makes sure that the check has findings of all kinds.
func plantFault(t *testing.T, store *memory.Store, options *Options, kinds []string, fn func(w storage.Writer) error) {
	t.Helper()
	report, err := tamperWith(t, store, options, fn).Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Kind == kind }) {
			t.Errorf("no finding of kind %s, but %v", kind, report.Findings)
		}
	}
}
