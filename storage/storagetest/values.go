package storagetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

func testEmpty(t *testing.T, e Engine) {
	s := open(t, e)
	is(t, "absent key", s.get("a"), "-")
	equal(t, "content", s.all(), nil)
	s.view(func(r reader) { equal(t, "reverse", r.scan("a", "z", true), nil) })
	s.update(func(w writer) {
		w.delete("a")
		w.deleteRange(nil, nil)
		equal(t, "content", w.all(), nil)
	})
	s.update(func(writer) {})
	equal(t, "content", s.all(), nil)
}

func testGetPutDelete(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("b", "2", "a", "1", "c", "3")
	equal(t, "put", s.all(), []string{"a=1", "b=2", "c=3"})
	s.set("b", "two", "aa", "11")
	s.update(func(w writer) { w.delete("a", "absent") })
	equal(t, "put, deleted", s.all(), []string{"aa=11", "b=two", "c=3"})
	is(t, "a prefix of a key", s.get("a"), "-")
	is(t, "behind the last", s.get("d"), "-")
	is(t, "present", s.get("b"), "two")
	s.update(func(w writer) { w.delete("aa", "b", "c") })
	equal(t, "all deleted", s.all(), nil)
	s.set("a", "again")
	equal(t, "put again", s.all(), []string{"a=again"})
}

func testEmptyValues(t *testing.T, e Engine) {
	s := open(t, e)
	check := func(when string, r storage.Reader) {
		for _, k := range []string{"nil", "empty"} {
			v, err := r.Get(ks, []byte(k))
			if err != nil || v == nil || len(v) != 0 {
				t.Errorf("%s: %s is %#v, %v, want empty and not nil", when, k, v, err)
			}
		}
		equal(t, when, collect(t, r.Scan(ks, nil, nil, false)), []string{"empty=", "nil="})
		equal(t, when, collect(t, r.Scan(ks, nil, nil, true)), []string{"nil=", "empty="})
	}
	s.update(func(w writer) {
		w.w.Put(ks, []byte("nil"), nil)
		w.w.Put(ks, []byte("empty"), []byte{})
		check("own writes", w)
	})
	s.view(func(r reader) { check("committed", r) })
	s.update(func(w writer) { check("in the next update", w) })
}

func testKeySizes(t *testing.T, e Engine) {
	s := open(t, e)
	longest := strings.Repeat("k", storage.MaxKeySize)
	s.update(func(w writer) {
		w.set("k", "short", longest, "long")
		for _, k := range []string{"", longest + "k"} {
			if err := w.w.Put(ks, []byte(k), nil); !errors.Is(err, storage.ErrKeySize) {
				t.Errorf("Put of a key of %d bytes: %v, want ErrKeySize", len(k), err)
			}
			w.delete(k)
			is(t, "Get of an impossible key", w.get(k), "-")
		}
		if err := w.w.Put(ks, nil, nil); !errors.Is(err, storage.ErrKeySize) {
			t.Errorf("Put of a nil key: %v, want ErrKeySize", err)
		}
	})
	is(t, "longest", s.get(longest), "long")
	is(t, "shortest", s.get("k"), "short")
	for _, k := range []string{"", longest + "k"} {
		is(t, "Get of an impossible key", s.get(k), "-")
	}
	s.view(func(r reader) {
		equal(t, "bounds longer than keys", r.scan(longest, longest+"kk", false), []string{longest + "=long"})
	})
	s.update(func(w writer) {
		for b := range 256 {
			w.w.Put("bytes", []byte{byte(b)}, nil)
			w.w.Put("bytes", []byte{byte(b), 0}, nil)
		}
	})
	s.view(func(r reader) {
		var last []byte
		n := 0
		c := r.Scan("bytes", nil, nil, false)
		for k, _, ok := c.Next(); ok; k, _, ok = c.Next() {
			if bytes.Compare(last, k) >= 0 {
				t.Errorf("%x after %x", k, last)
			}
			last = k
			n++
		}
		is(t, "keys of all bytes", n, 512)
	})
}

func testLargeValues(t *testing.T, e Engine) {
	s := open(t, e)
	want := map[string][]byte{}
	for _, n := range []int{1, 1000, 4 << 10, 100_000, 5 << 20} {
		v := bytes.Repeat([]byte{byte(n), byte(n >> 8), 7}, n/3+1)[:n]
		want[key(n)] = v
		s.update(func(w writer) { w.w.Put(ks, []byte(key(n)), bytes.Clone(v)) })
	}
	s.view(func(r reader) {
		for k, v := range want {
			if got, err := r.Get(ks, []byte(k)); err != nil || !bytes.Equal(got, v) {
				t.Errorf("value of %d bytes comes back as %d bytes, %v", len(v), len(got), err)
			}
		}
	})
	s.update(func(w writer) { w.set(key(5<<20), "small") })
	is(t, "overwritten", s.get(key(5<<20)), "small")
}

func testKeyspaces(t *testing.T, e Engine) {
	s := open(t, e)
	names := []storage.Keyspace{"b", "a", "ab", "c", "d", "e", "f", "g", "h", "i"}
	s.update(func(w writer) {
		for _, n := range names {
			w.w.Put(n, []byte("name"), []byte(n))
		}
		w.w.DeleteRange("c", nil, nil)
	})
	for _, when := range []string{"View", "Update"} {
		check := func(r storage.Reader) {
			for _, n := range names {
				v, err := r.Get(n, []byte("name"))
				if want := string(n); err != nil || string(v) != want && n != "c" || n == "c" && v != nil {
					t.Errorf("%s: in %q: %q, %v", when, n, v, err)
				}
			}
			equal(t, when, collect(t, r.Scan("ab", nil, nil, true)), []string{"name=ab"})
			equal(t, when, collect(t, r.Scan("never", nil, nil, false)), nil)
		}
		if when == "View" {
			s.view(func(r reader) { check(r) })
		} else {
			s.update(func(w writer) { check(w) })
		}
	}
}

// testOwnership changes what was lent to the store as soon as it may be changed.
func testOwnership(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
	s.update(func(w writer) {
		k := []byte("a")
		is(t, "get", w.get("a"), "1")
		w.w.Get(ks, k)
		w.w.Delete(ks, k)
		k[0] = 'e'
		from, to := []byte("b"), []byte("d")
		w.w.DeleteRange(ks, from, to)
		from[0], to[0] = 'd', 'z'
		equal(t, "own writes", w.all(), []string{"d=4", "e=5"})
	})
	equal(t, "committed", s.all(), []string{"d=4", "e=5"})
}

// testLifetime keeps what a reader returned until its function returns.
func testLifetime(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1", "b", "2")
	check := func(r storage.Reader, during func()) {
		a, _ := r.Get(ks, []byte("a"))
		c := r.Scan(ks, nil, nil, false)
		k, v, _ := c.Next()
		c.Next()
		c.Next()
		during()
		if string(a) != "1" || string(k) != "a" || string(v) != "1" {
			t.Errorf("read %q, %q and %q, want 1, a and 1", a, k, v)
		}
	}
	s.view(func(r reader) {
		check(r, func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range 5 {
					s.set("a", key(i), key(i), strings.Repeat("x", 10_000))
				}
			}()
			<-done
		})
	})
	s.set("a", "1")
	s.update(func(w writer) {
		check(w, func() {
			w.set("a", "x", "b", "y")
			w.deleteRange(nil, nil)
			for i := range 1000 {
				w.set(key(i), "z")
			}
		})
		w.set("a", "1")
	})
}
