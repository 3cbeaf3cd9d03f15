package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

var background = context.Background()

const secret = "a value that nobody may find"

// world is a sealed store in which data source 1 is encrypted and 2 is not.
type world struct {
	*Store
	engine storage.Storage
	ring   *Ring
}

func newWorld(t testing.TB) *world {
	t.Helper()
	engine, ring := memory.New(), new(Ring)
	w := &world{New(engine, ring), engine, ring}
	t.Cleanup(func() { w.Close() })
	w.key(t, 1, layout.SourceKeys{Target: 1, Keys: []layout.WrappedKey{newWrapped(t, ring, 1)}})
	return w
}

func newWrapped(t testing.TB, ring *Ring, number byte) layout.WrappedKey {
	t.Helper()
	key := NewKey()
	wrapped, err := Wrap(NewKey(), key, "here")
	if err == nil {
		err = ring.Add(wrapped, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return layout.WrappedKey{Number: number, ID: "k", Wrapped: wrapped}
}

func (w *world) key(t testing.TB, source int64, keys layout.SourceKeys) {
	t.Helper()
	w.update(t, func(w storage.Writer) error { return layout.WriteKeys(w, source, keys) })
}

func (w *world) update(t testing.TB, fn func(storage.Writer) error) {
	t.Helper()
	if err := w.Update(background, fn); err != nil {
		t.Fatal(err)
	}
}

// value is a value in an envelope, as layout stores them.
func value(ks storage.Keyspace, key []byte, text string) []byte {
	return document.Seal(nil, string(ks), key, 0, []byte(text))
}

func TestWrap(t *testing.T) {
	host, key := NewKey(), NewKey()
	wrapped, err := Wrap(host, key, "here")
	if err != nil || bytes.Contains(wrapped, key) {
		t.Fatalf("%x, %v", wrapped, err)
	}
	if got, err := Unwrap(host, wrapped, "here"); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	wrong := func(what string, host, wrapped []byte, place string) {
		t.Helper()
		var e *errs.Error
		if got, err := Unwrap(host, wrapped, place); got != nil || !errors.As(err, &e) || e.Code != errs.NoKey {
			t.Errorf("%s: %x, %v", what, got, err)
		}
	}
	wrong("another key", NewKey(), wrapped, "here")
	wrong("another place", host, wrapped, "there")
	wrong("cut off", host, wrapped[:10], "here")
	wrong("nothing", host, nil, "here")
	for i := range wrapped {
		damaged := bytes.Clone(wrapped)
		damaged[i] ^= 4
		wrong(fmt.Sprintf("byte %d changed", i), host, damaged, "here")
	}
	if _, err := Wrap(host[:16], key, "here"); err == nil {
		t.Error("a key of 16 bytes is taken")
	}
}

// TestModel makes the same random writes to a sealed and to a plain store, and finds
// the same in both; what lies below holds nothing of the encrypted data source in plain.
func TestModel(t *testing.T) {
	w, model := newWorld(t), memory.New()
	t.Cleanup(func() { model.Close() })
	rnd := rand.New(rand.NewPCG(1, 2))
	spaces := []storage.Keyspace{layout.Entries, layout.Images, layout.Versions, layout.Catalog, layout.Heads}
	randomKey := func(rnd *rand.Rand, ks storage.Keyspace) []byte {
		source, n := int64(1+rnd.IntN(3)), int64(rnd.IntN(20))
		switch ks {
		case layout.Images:
			return layout.ImageKey(source, n, int64(rnd.IntN(3)))
		case layout.Heads:
			return layout.HeadKey(source)
		case layout.Catalog:
			return [][]byte{layout.SourceKey(source), layout.NameKey(source, uint16(n)), layout.ColumnsKey(source, uint32(n)), layout.BlockKey(n)}[rnd.IntN(4)]
		}
		return layout.EntryKey(source, n)
	}
	for step := range 2000 {
		seed := rnd.Uint64()
		change := func(w storage.Writer) error {
			rnd := rand.New(rand.NewPCG(seed, 0))
			for range 1 + rnd.IntN(5) {
				ks := spaces[rnd.IntN(len(spaces))]
				key := randomKey(rnd, ks)
				var err error
				switch rnd.IntN(6) {
				case 0:
					err = w.Delete(ks, key)
				case 1:
					err = w.DeleteRange(ks, key, append(bytes.Clone(key), 5))
				default:
					err = w.Put(ks, bytes.Clone(key), value(ks, key, fmt.Sprintf("%s %d %s", secret, step, make([]byte, rnd.IntN(200)*rnd.IntN(40)))))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		w.update(t, change)
		if err := model.Update(background, change); err != nil {
			t.Fatal(err)
		}
		if step%50 == 0 {
			compare(t, w, model, spaces)
		}
	}
	compare(t, w, model, spaces)
	sealed, plain := 0, 0
	err := w.engine.View(background, func(r storage.Reader) error {
		for _, ks := range spaces {
			c := r.Scan(ks, nil, nil, false)
			for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
				switch source := layout.ContentOf(ks, k); {
				case source == 1:
					sealed++
					if err := Verify(ks, k, v); err != nil || bytes.Contains(v, []byte(secret)) {
						t.Errorf("%s %x is stored as %q (%v)", ks, k, v, err)
					}
				case bytes.Contains(v, []byte(secret)):
					plain++
				}
			}
		}
		return nil
	})
	if err != nil || sealed < 50 || plain < 50 {
		t.Errorf("%d sealed and %d plain values, %v", sealed, plain, err)
	}
}

// compare finds the same in two stores, by every key, in both directions, and through
// ranges of one data source.
func compare(t *testing.T, a, b storage.Storage, spaces []storage.Keyspace) {
	t.Helper()
	dump := func(s storage.Storage) (text []string) {
		err := s.View(background, func(r storage.Reader) error {
			note := func(ks storage.Keyspace, from, to []byte, reverse bool) error {
				c := r.Scan(ks, from, to, reverse)
				for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
					if layout.IsKeysKey(k) {
						continue
					}
					again, err := r.Get(ks, k)
					if err != nil || !bytes.Equal(again, v) {
						t.Errorf("%s %x: Get finds %x, Scan %x (%v)", ks, k, again, v, err)
					}
					text = append(text, fmt.Sprintf("%s %x %x", ks, k, v))
				}
				return c.Err()
			}
			for _, ks := range spaces {
				err := errors.Join(note(ks, nil, nil, false), note(ks, nil, nil, true))
				for source := range int64(4) {
					from, to := layout.Prefix(source)
					err = errors.Join(err, note(ks, from, to, false))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	got, want := dump(a), dump(b)
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s\nwant %s", got[i], want[i])
		}
	}
}

// TestDamage changes every byte of a sealed value, moves it, and takes its key away.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	key := layout.EntryKey(1, 7)
	w.update(t, func(w storage.Writer) error { return w.Put(layout.Entries, key, value(layout.Entries, key, secret)) })
	var stored []byte
	raw := func(fn func(w storage.Writer) error) {
		t.Helper()
		if err := w.engine.Update(background, fn); err != nil {
			t.Fatal(err)
		}
	}
	raw(func(w storage.Writer) (err error) {
		stored, err = w.Get(layout.Entries, key)
		stored = bytes.Clone(stored)
		return err
	})
	corrupt := func(what string, at []byte) {
		t.Helper()
		err := w.View(background, func(r storage.Reader) error {
			v, err := r.Get(layout.Entries, at)
			if err == nil && isSealed(stored) {
				_, _, _, err = document.Open(string(layout.Entries), at, v)
			}
			c := r.Scan(layout.Entries, nil, nil, false)
			for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
			}
			if err != nil && c.Err() == nil && v == nil {
				t.Errorf("%s: Get fails and Scan does not", what)
			}
			return err
		})
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.Corrupt {
			t.Errorf("%s: %v", what, err)
		}
	}
	put := func(at, v []byte) {
		raw(func(w storage.Writer) error { return w.Put(layout.Entries, bytes.Clone(at), bytes.Clone(v)) })
	}
	for i := range stored {
		if i >= 2 && i < head {
			continue // the checksum, which only Verify looks at
		}
		damaged := bytes.Clone(stored)
		damaged[i] ^= 1 << (i % 8)
		put(key, damaged)
		corrupt(fmt.Sprintf("byte %d changed", i), key)
	}
	for i := range stored {
		damaged := bytes.Clone(stored)
		damaged[i] ^= 1 << (i % 8)
		if Verify(layout.Entries, key, damaged) == nil {
			t.Errorf("byte %d changed is not seen without the key", i)
		}
	}
	for n := 1; n < len(stored); n += 7 {
		put(key, stored[:n])
		corrupt(fmt.Sprintf("cut off after %d bytes", n), key)
	}
	put(key, stored)
	other := layout.EntryKey(1, 8)
	put(other, stored)
	corrupt("moved to another key", other)
	foreign := layout.EntryKey(2, 7)
	put(foreign, stored)
	corrupt("moved to a data source that is not encrypted", foreign)
}

// TestKeysChange changes keys in the middle of a function, and while values of several
// kinds are stored.
func TestKeysChange(t *testing.T) {
	w := newWorld(t)
	second := newWrapped(t, w.ring, 2)
	var first layout.WrappedKey
	entry := func(id int64) []byte { return layout.EntryKey(1, id) }
	put := func(w storage.Writer, id int64) error {
		return w.Put(layout.Entries, entry(id), value(layout.Entries, entry(id), fmt.Sprint(secret, id)))
	}
	w.update(t, func(w storage.Writer) error {
		keys, _, err := layout.ReadKeys(w, 1)
		if err != nil {
			return err
		}
		first = keys.Keys[0]
		steps := []layout.SourceKeys{
			{Target: 1, Keys: []layout.WrappedKey{first}},
			{Target: 2, Keys: []layout.WrappedKey{first, second}},
			{Target: 0, Keys: []layout.WrappedKey{first, second}},
		}
		for i, keys := range steps {
			if err := errors.Join(layout.WriteKeys(w, 1, keys), put(w, int64(i))); err != nil {
				return err
			}
		}
		return nil
	})
	numbers := []string{}
	err := w.View(background, func(r storage.Reader) error {
		for id := range int64(3) {
			v, err := r.Get(layout.Entries, entry(id))
			if err != nil || !bytes.Equal(v, value(layout.Entries, entry(id), fmt.Sprint(secret, id))) {
				t.Errorf("entry %d reads as %q, %v", id, v, err)
			}
			raw, err := Raw(r).Get(layout.Entries, entry(id))
			if err != nil {
				return err
			}
			numbers = append(numbers, fmt.Sprint(isSealed(raw), raw[1]))
		}
		return nil
	})
	if err != nil || fmt.Sprint(numbers) != "[true 1 true 2 false 0]" {
		t.Errorf("stored with %v, %v", numbers, err)
	}
	// A key that is gone, and one that is not known.
	w.key(t, 1, layout.SourceKeys{Target: 2, Keys: []layout.WrappedKey{second}})
	get := func(store storage.Storage, id int64) error {
		return store.View(background, func(r storage.Reader) error { _, err := r.Get(layout.Entries, entry(id)); return err })
	}
	var e *errs.Error
	if err := get(w, 0); !errors.As(err, &e) || e.Code != errs.Corrupt {
		t.Errorf("sealed with a key that is gone: %v", err)
	}
	if err := get(New(w.engine, new(Ring)), 1); !errors.As(err, &e) || e.Code != errs.NoKey {
		t.Errorf("sealed with a key that is not known: %v", err)
	}
}

func BenchmarkScan(b *testing.B) {
	for _, source := range []int64{1, 2} {
		b.Run(map[int64]string{1: "sealed", 2: "plain"}[source], func(b *testing.B) {
			w := newWorld(b)
			text := string(make([]byte, 300))
			w.update(b, func(w storage.Writer) error {
				for id := range int64(10_000) {
					key := layout.EntryKey(source, id)
					if err := w.Put(layout.Entries, key, value(layout.Entries, key, text)); err != nil {
						return err
					}
				}
				return nil
			})
			from, to := layout.Prefix(source)
			b.ReportAllocs()
			for b.Loop() {
				err := w.View(background, func(r storage.Reader) error {
					c := r.Scan(layout.Entries, from, to, false)
					n := 0
					for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
						n++
					}
					if n != 10_000 {
						b.Fatal(n, c.Err())
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
