package sealed

import (
	"bytes"
	"errors"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

func TestHasher(t *testing.T) {
	w := newWorld(t)
	first, second := newWrapped(t, w.ring, 1), newWrapped(t, w.ring, 2)
	w.key(t, 1, layout.SourceKeys{Target: 2, Keys: []layout.WrappedKey{first, second}})
	hash := func(number byte, index int64, key string) []byte {
		var out []byte
		err := w.View(background, func(r storage.Reader) error {
			h, err := w.ring.Hasher(r, 1, number)
			if err == nil {
				h.Append(nil, 9, []byte("something before")) // which leaves no trace
				out = h.Append([]byte("in front"), index, []byte(key))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	one := hash(1, 1, secret)
	if !bytes.HasPrefix(one, []byte("in front")) || len(one) != len("in front")+HashSize || bytes.Contains(one, []byte(secret[:4])) {
		t.Errorf("the hash is %x", one)
	}
	if !bytes.Equal(one, hash(1, 1, secret)) {
		t.Error("the same key has two hashes")
	}
	for what, other := range map[string][]byte{"another key": hash(1, 1, secret+"!"), "another index": hash(1, 2, secret), "another data key": hash(2, 1, secret)} {
		if bytes.Equal(one, other) {
			t.Errorf("%s has the same hash", what)
		}
	}
	err := w.View(background, func(r storage.Reader) error {
		for _, of := range []struct {
			source int64
			number byte
		}{{1, 3}, {1, 0}, {2, 1}} {
			var e *errs.Error
			if _, err := w.ring.Hasher(r, of.source, of.number); !errors.As(err, &e) || e.Code != errs.Corrupt {
				t.Errorf("key %d of data source %d: %v", of.number, of.source, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
