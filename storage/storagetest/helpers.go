package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// ks is the keyspace of most tests.
const ks = storage.Keyspace("rows")

var background = context.Background()

// store is a store with methods that fail the test instead of returning errors.
type store struct {
	storage.Storage
	t testing.TB
}

// open opens a store that is closed with the test.
func open(t testing.TB, e Engine) store {
	t.Helper()
	s := e.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store{s, t}
}

// view runs fn in a View.
func (s store) view(fn func(r reader)) {
	s.t.Helper()
	err := s.View(background, func(r storage.Reader) error {
		fn(reader{r, s.t})
		return nil
	})
	if err != nil {
		s.t.Fatalf("View: %v", err)
	}
}

// update runs fn in an Update.
func (s store) update(fn func(w writer)) {
	s.t.Helper()
	err := s.Update(background, func(w storage.Writer) error {
		fn(writer{reader{w, s.t}, w})
		return nil
	})
	if err != nil {
		s.t.Fatalf("Update: %v", err)
	}
}

// set puts pairs of keys and values.
func (s store) set(pairs ...string) {
	s.t.Helper()
	s.update(func(w writer) { w.set(pairs...) })
}

// get returns a value as text, "-" for an absent key.
func (s store) get(key string) (value string) {
	s.t.Helper()
	s.view(func(r reader) { value = r.get(key) })
	return value
}

// all returns the content of ks as "key=value".
func (s store) all() (pairs []string) {
	s.t.Helper()
	s.view(func(r reader) { pairs = r.all() })
	return pairs
}

type reader struct {
	storage.Reader
	t testing.TB
}

func (r reader) get(key string) string {
	r.t.Helper()
	v, err := r.Get(ks, []byte(key))
	switch {
	case err != nil:
		r.t.Errorf("Get %q: %v", key, err)
	case v == nil:
		return "-"
	}
	return string(v)
}

func (r reader) all() []string {
	r.t.Helper()
	return r.scan(nil, nil, false)
}

// scan walks a range and returns "key=value"; a nil bound is a nil slice.
func (r reader) scan(from, to any, reverse bool) []string {
	r.t.Helper()
	return collect(r.t, r.Scan(ks, bound(from), bound(to), reverse))
}

func collect(t testing.TB, c storage.Cursor) []string {
	t.Helper()
	pairs := []string{}
	for {
		k, v, ok := c.Next()
		if !ok {
			break
		}
		if v == nil {
			t.Errorf("cursor returned a nil value for %q", k)
		}
		pairs = append(pairs, string(k)+"="+string(v))
	}
	if err := c.Err(); err != nil {
		t.Errorf("cursor: %v", err)
	}
	if _, _, ok := c.Next(); ok {
		t.Error("cursor goes on after its end")
	}
	return pairs
}

func bound(v any) []byte {
	if v == nil {
		return nil
	}
	return []byte(v.(string))
}

type writer struct {
	reader
	w storage.Writer
}

func (w writer) set(pairs ...string) {
	w.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := w.w.Put(ks, []byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			w.t.Errorf("Put %q: %v", pairs[i], err)
		}
	}
}

func (w writer) delete(keys ...string) {
	w.t.Helper()
	for _, k := range keys {
		if err := w.w.Delete(ks, []byte(k)); err != nil {
			w.t.Errorf("Delete %q: %v", k, err)
		}
	}
}

func (w writer) deleteRange(from, to any) {
	w.t.Helper()
	if err := w.w.DeleteRange(ks, bound(from), bound(to)); err != nil {
		w.t.Errorf("DeleteRange %v to %v: %v", from, to, err)
	}
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %.2000q\nwant %.2000q", what, got, want)
	}
}

func is[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// key returns the nth of many keys in order.
func key(n int) string { return fmt.Sprintf("key%07d", n) }
