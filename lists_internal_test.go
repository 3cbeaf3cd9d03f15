package siftdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// listsModel changes lists at random beside sets of ids.
type listsModel struct {
	t     *testing.T
	rng   *rand.Rand
	store *memory.Store
	lists map[string]map[int64]bool
	next  int64
	ends  []int64 // of blocks
}

// TestListsModel puts entries into lists and takes them out, at random, and compares with sets.
func TestListsModel(t *testing.T) {
	for seed := range uint64(4) {
		m := &listsModel{t: t, rng: rand.New(rand.NewPCG(seed, 3)), store: memory.New(), lists: make(map[string]map[int64]bool), next: 1}
		for _, list := range []string{"\x02abc", "\x02bcd", "\x02\xc3\xa4\xc3\xa4\xc3\xa4", "\x05"} {
			m.lists[list] = make(map[int64]bool)
		}
		for range 100 {
			m.change()
			m.compare()
		}
		for _, set := range m.lists { // and in the end all go
			clear(set)
		}
		m.write(func(list string) (ids []int64) { return m.stored(list) }, false)
		m.compare()
		if n := len(m.blocks("")); n > 0 {
			t.Errorf("%d blocks of nothing are left", n)
		}
	}
}

// change makes one write to all lists.
func (m *listsModel) change() {
	come := m.rng.IntN(3) > 0
	kind, most := m.rng.IntN(5), 1+m.rng.IntN(400)
	from := m.next
	if kind < 2 {
		m.next += int64(most)
	}
	m.write(func(list string) (ids []int64) {
		set := m.lists[list]
		switch kind {
		case 0, 1: // what comes last
			step := int64(1 + m.rng.IntN(4))
			for id := from; id < m.next; id += step {
				ids = append(ids, id)
			}
		case 2: // anywhere
			for range 1 + most/10 {
				ids = append(ids, 1+m.rng.Int64N(m.next))
			}
		case 3: // at the borders of blocks
			for _, end := range m.ends {
				if m.rng.IntN(4) == 0 {
					ids = append(ids, max(1, end-1+m.rng.Int64N(3)))
				}
			}
		case 4: // many in a row
			first := 1 + m.rng.Int64N(m.next)
			for id := first; id < first+int64(most); id++ {
				ids = append(ids, min(id, m.next))
			}
		}
		for _, id := range ids {
			if set[id] = true; !come {
				delete(set, id)
			}
		}
		return ids
	}, come)
}

// write has ids come to each list, or go from it.
func (m *listsModel) write(of func(list string) []int64, come bool) {
	k := &keptIndex{def: &index.Def{Trigram: true}, state: layout.IndexState{Number: 2}}
	for _, list := range slices.Sorted(maps.Keys(m.lists)) {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(of(list)))) {
			k.events = append(k.events, keyEvent{key: k.stored(1, []byte(list), id), come: come})
			if m.rng.IntN(20) == 0 { // it goes, and comes again, or the other way round
				k.events = append(k.events, keyEvent{key: k.stored(1, []byte(list), id), come: !come}, k.events[len(k.events)-1])
			}
		}
	}
	err := m.store.Update(context.Background(), func(w storage.Writer) error {
		own := *k
		own.events = slices.Clone(k.events)
		return (&sourceTx{t: &tx{w: w}}).writeLists(&own)
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// stored returns what a list holds.
func (m *listsModel) stored(list string) (ids []int64) { return m.walk(list, false) }

func (m *listsModel) walk(list string, reverse bool) (ids []int64) {
	err := m.store.View(context.Background(), func(r storage.Reader) error {
		x := &readIndex{number: 2, source: 1, end: layout.OpenBlock}
		c := x.scan(r, []byte(list), append([]byte(list), 0xff), reverse)
		if !reverse {
			c = x.equal(r, []byte(list))
		}
		for key, id, ok := c.Next(); ok; key, id, ok = c.Next() {
			if string(key) != list {
				m.t.Fatalf("%q comes for %q", key, list)
			}
			ids = append(ids, id)
		}
		return c.Err()
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return ids
}

// blocks returns the ends of all blocks of lists that begin with something.
func (m *listsModel) blocks(list string) (ends []int64) {
	err := m.store.View(context.Background(), func(r storage.Reader) error {
		from, to := layout.IndexRange(1, 2)
		c := r.Scan(layout.Index, from, to, false)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			ids, err := layout.ReadPostings(nil, key, value)
			if err != nil {
				return err
			}
			if bytes.HasPrefix(listOf(key)[8:], []byte(list)) {
				ends = append(ends, ids[len(ids)-1])
			}
		}
		return c.Err()
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return ends
}

func (m *listsModel) compare() {
	m.t.Helper()
	m.ends = m.blocks("")
	for list, set := range m.lists {
		want := slices.Sorted(maps.Keys(set))
		if got := m.walk(list, false); !slices.Equal(got, want) {
			m.t.Fatalf("%q lists %v, and not %v", list, got, want)
		}
		back := m.walk(list, true)
		if slices.Reverse(back); !slices.Equal(back, want) {
			m.t.Fatalf("%q lists %v backwards, and not %v", list, back, want)
		}
	}
}

// TestListsOfOneWrite: what comes in one write makes full blocks, and single entries that come
// one after the other do as well.
func TestListsOfOneWrite(t *testing.T) {
	for _, step := range []int{1, 7, 1000} {
		m := &listsModel{t: t, rng: rand.New(rand.NewPCG(1, 1)), store: memory.New(), lists: map[string]map[int64]bool{"\x02abc": {}}}
		for first := 1; first <= 1000; first += step {
			m.write(func(string) (ids []int64) {
				for id := first; id < first+step && id <= 1000; id++ {
					ids = append(ids, int64(id))
				}
				return ids
			}, true)
		}
		if n := len(m.blocks("\x02abc")); n != (1000+layout.MaxPostings-1)/layout.MaxPostings {
			t.Errorf("1000 entries that come by %d are in %d blocks", step, n)
		}
	}
}

// trigramFixture is a database with a trigram index over 300 entries.
func trigramFixture(t *testing.T) *memory.Store {
	t.Helper()
	ctx := context.Background()
	store := memory.New()
	db, err := OpenStorage(ctx, unclosed{store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ds, err := db.Create(ctx, DataSourceSpec{Name: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if _, err := ds.Insert(ctx, M{"text": fmt.Sprint("entry ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := ds.CreateIndex(ctx, IndexSpec{Name: "text", Trigram: true, Fields: []IndexField{{Name: "text"}}}); err != nil {
		t.Fatal(err)
	}
	return store
}

// eachBlock calls fn with the blocks of the index of the fixture.
func eachBlock(w storage.Writer, fn func(key []byte, ids []int64) error) error {
	type block struct {
		key []byte
		ids []int64
	}
	var all []block
	from, to := layout.IndexRange(1, 1)
	c := w.Scan(layout.Index, from, to, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		ids, err := layout.ReadPostings(nil, key, value)
		if err != nil {
			return err
		}
		all = append(all, block{bytes.Clone(key), ids})
	}
	for _, b := range all {
		if err := fn(b.key, b.ids); err != nil {
			return err
		}
	}
	return c.Err()
}

// TestFormerTrigramIndex goes on with a file in which a trigram index has a key for each trigram
// of each entry.
func TestFormerTrigramIndex(t *testing.T) {
	ctx := context.Background()
	store := trigramFixture(t)
	err := store.Update(ctx, func(w storage.Writer) error {
		return eachBlock(w, func(key []byte, ids []int64) error {
			if err := w.Delete(layout.Index, key); err != nil {
				return err
			}
			for _, id := range ids {
				one := bytes.Clone(key)
				layout.SetIndexID(one, id)
				if err := w.Put(layout.Index, one, []byte{}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := OpenStorage(ctx, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	compare := func() {
		t.Helper()
		for _, text := range []string{"entry 17", "y 2", "299", "new", "try 100"} {
			var n [2]int64
			for i, way := range []access{accessScan, accessAlways} {
				db.access.Store(int32(way))
				if n[i], err = ds.Count(ctx, Query{Where: M{"text": M{"$iLike": "%" + text + "%"}}}); err != nil {
					t.Fatal(err)
				}
			}
			if n[0] != n[1] {
				t.Errorf("%q is in %d entries, and the index says %d", text, n[0], n[1])
			}
		}
		if report, err := db.Check(ctx); err != nil || report.Err() != nil {
			t.Fatal(err, report.Err())
		}
	}
	compare()
	for i := range 200 {
		if _, err := ds.UpdateEntry(ctx, int64(1+i), M{"text": fmt.Sprint("entry 1", i, " is new")}); err != nil {
			t.Fatal(err)
		}
		if _, err := ds.Insert(ctx, M{"text": fmt.Sprint("entry ", 300+i)}); err != nil {
			t.Fatal(err)
		}
		if i == 100 {
			compare()
		}
	}
	compare()
	if _, err := ds.UpdateWhere(ctx, M{}, Patch{Set: M{"text": "entry 17"}}); err != nil {
		t.Fatal(err)
	}
	compare()
}

// TestCheckFindsFaultsOfLists plants faults in the blocks of a trigram index.
func TestCheckFindsFaultsOfLists(t *testing.T) {
	store := trigramFixture(t)
	put := func(w storage.Writer, key []byte, ids []int64) error {
		return w.Put(layout.Index, key, layout.AppendPostings(nil, key, ids))
	}
	// of calls fn with the first block of the list that every entry is in, or with the last one.
	of := func(open bool, fn func(w storage.Writer, key []byte, ids []int64) error) func(storage.Writer) error {
		return func(w storage.Writer) error {
			done := false
			return eachBlock(w, func(key []byte, ids []int64) error {
				if done || string(listOf(key)[9:]) != "ent" || open != (entryIn(key) == layout.OpenBlock) {
					return nil
				}
				done = true
				return fn(w, key, ids)
			})
		}
	}
	for name, plant := range map[string]struct {
		kinds []string
		fn    func(storage.Writer) error
	}{
		"an entry gone": {[]string{"index-missing"}, of(false, func(w storage.Writer, key []byte, ids []int64) error {
			return put(w, key, slices.Delete(ids, 5, 6))
		})},
		"the first entry gone": {[]string{"index-missing"}, of(true, func(w storage.Writer, key []byte, ids []int64) error {
			return put(w, key, ids[1:])
		})},
		"an entry too many": {[]string{"index-extra"}, of(true, func(w storage.Writer, key []byte, ids []int64) error {
			return put(w, key, append(ids, 1000))
		})},
		"an entry of another": {[]string{"index-missing", "index-extra"}, of(true, func(w storage.Writer, key []byte, ids []int64) error {
			ids[len(ids)-1] += 9
			return put(w, key, ids)
		})},
		"an entry twice": {[]string{"index-extra"}, of(true, func(w storage.Writer, key []byte, ids []int64) error {
			return put(w, key, append([]int64{1}, ids...))
		})},
		"a block gone": {[]string{"index-missing"}, of(false, func(w storage.Writer, key []byte, _ []int64) error {
			return w.Delete(layout.Index, key)
		})},
		"a block under a key that lists it twice": {[]string{"index-extra"}, of(false, func(w storage.Writer, key []byte, ids []int64) error {
			key = bytes.Clone(key)
			layout.SetIndexID(key, ids[len(ids)-1]-1)
			return put(w, key, ids[:len(ids)-1])
		})},
		"damage": {[]string{"checksum"}, of(false, func(w storage.Writer, key []byte, ids []int64) error {
			value := layout.AppendPostings(nil, key, ids)
			value[20] ^= 1
			return w.Put(layout.Index, key, value)
		})},
		"nothing in the last block": {[]string{"checksum", "index-missing"}, of(true, func(w storage.Writer, key []byte, _ []int64) error {
			if err := w.Delete(layout.Index, key); err != nil {
				return err
			}
			key = bytes.Clone(key)
			key[len(key)-9] ^= 1
			return w.Put(layout.Index, key, []byte{})
		})},
	} {
		t.Run(name, func(t *testing.T) { plantFault(t, store, nil, plant.kinds, plant.fn) })
	}
}

// TestDamagedList: a query by a block that cannot be read fails, and says what.
func TestDamagedList(t *testing.T) {
	ctx := context.Background()
	store := trigramFixture(t)
	db := tamperWith(t, store, nil, func(w storage.Writer) error {
		return eachBlock(w, func(key []byte, ids []int64) error {
			value := layout.AppendPostings(nil, key, ids)
			value[len(value)-1] ^= 1
			return w.Put(layout.Index, key, value)
		})
	})
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	db.access.Store(int32(accessAlways))
	if _, err := ds.Count(ctx, Query{Where: M{"text": M{"$iLike": "%entry 17%"}}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged block: %v", err)
	}
	if _, err := ds.Insert(ctx, M{"text": "entry 17"}); err == nil {
		t.Error("a damaged block is written over")
	}
}
