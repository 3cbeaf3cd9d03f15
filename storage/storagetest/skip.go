package storagetest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// testSeek finds keys, and holds them against those of a cursor. It is for engines that can.
func testSeek(t *testing.T, e Engine) {
	s := open(t, e)
	rnd := rand.New(rand.NewPCG(5, 6))
	for round := range 12 {
		s.view(func(r reader) {
			seeker, ok := r.Reader.(storage.Seeker)
			if !ok {
				t.Skip("readers of the engine cannot seek")
			}
			for range 300 {
				prefix := []byte(key(rnd.IntN(2100)))
				if rnd.IntN(3) != 0 {
					prefix = prefix[:rnd.IntN(len(prefix)+1)]
				}
				k, v, ok, err := seeker.Seek(ks, prefix)
				wk, wv, wok := r.Scan(ks, prefix, nil, false).Next()
				if !bytes.HasPrefix(wk, prefix) {
					wk, wv, wok = nil, nil, false
				}
				if err != nil || ok != wok || string(k) != string(wk) || string(v) != string(wv) {
					t.Fatalf("with %q: %q %q %v %v, want %q %q %v", prefix, k, v, ok, err, wk, wv, wok)
				}
			}
		})
		s.update(func(w writer) {
			for range 200 {
				w.set(key(rnd.IntN(2000)), "value")
				w.delete(key(rnd.IntN(2000)))
			}
			if at := rnd.IntN(1900); round%3 == 2 {
				w.deleteRange(key(at), key(at+rnd.IntN(200)))
			}
		})
	}
}

// testSkip walks with random skips, and holds what comes against a cursor of its own for each. It
// is for engines whose cursors can skip.
func testSkip(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 3000
	s.update(func(w writer) {
		for i := range n {
			w.set(key(2*i), "old")
		}
	})
	rnd := rand.New(rand.NewPCG(3, 4))
	walk := func(what string, r reader, reverse bool) {
		from, to := key(rnd.IntN(n)), key(n+rnd.IntN(2*n))
		c, ok := r.Scan(ks, []byte(from), []byte(to), reverse).(storage.Skipper)
		if !ok {
			t.Skip("cursors of the engine cannot skip")
		}
		at := -1
		for at < 2*n {
			at += 1 + rnd.IntN(1+rnd.IntN(n/4))
			to, lo, hi := to, key(at), to
			if lo < from {
				lo = from
			}
			if reverse {
				if lo, hi = from, key(2*n-at); to < hi {
					hi = to
				}
				c.Skip([]byte(hi))
			} else {
				c.Skip([]byte(lo))
			}
			own := r.Scan(ks, []byte(lo), []byte(hi), reverse)
			for range rnd.IntN(4) {
				k, _, ok := c.Next()
				wk, _, wok := own.Next()
				if ok != wok || string(k) != string(wk) {
					t.Fatalf("%s, reverse %v: %q %v, want %q %v", what, reverse, k, ok, wk, wok)
				}
				if !ok {
					break
				}
				for key(at) < string(k) && !reverse || reverse && key(2*n-at) > string(k) {
					at++
				}
			}
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	}
	for range 20 {
		for _, reverse := range []bool{false, true} {
			s.view(func(r reader) { walk("View", r, reverse) })
		}
	}
	err := s.Update(background, func(sw storage.Writer) error {
		w := writer{reader{sw, t}, sw}
		for range n / 4 {
			w.set(key(rnd.IntN(2*n)), "own")
			w.delete(key(rnd.IntN(2 * n)))
		}
		w.deleteRange(key(n/2), key(n/2+100))
		for range 20 {
			walk("Update", w.reader, false)
			walk("Update", w.reader, true)
		}
		return errDrop
	})
	if err != errDrop {
		t.Error(err)
	}
}
