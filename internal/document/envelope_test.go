package document

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// TestEnvelopeLayout holds the bytes of sealed values, which files are made of.
func TestEnvelopeLayout(t *testing.T) {
	for _, c := range []struct {
		ks, key string
		flags   byte
		payload string
		want    string
	}{
		{"", "", 0, "", "01008b9473e890e58af4"}, {"entries", "\x00\x01", 0, "payload", "01009fefda1fe06f7bcc"},
		{"entries", "\x00\x01", 0x80, strings.Repeat("payload ", 40), "018035f182779e475d8d"},
	} {
		got := Seal([]byte("x"), c.ks, []byte(c.key), c.flags, []byte(c.payload))[1:]
		if hex.EncodeToString(got[:EnvelopeSize]) != c.want || string(got[EnvelopeSize:]) != c.payload {
			t.Errorf("sealed as %x, want %s and the payload", got[:EnvelopeSize], c.want)
		}
		inPlace := append(make([]byte, EnvelopeSize), c.payload...)
		SealInPlace(inPlace, c.ks, []byte(c.key), c.flags)
		if !bytes.Equal(inPlace, got) {
			t.Errorf("sealed in place as %x", inPlace)
		}
		flags, payload, sum, err := Open(c.ks, []byte(c.key), got)
		if err != nil || flags != c.flags || string(payload) != c.payload || sum == 0 {
			t.Errorf("opened as %x %q %x %v", flags, payload, sum, err)
		}
	}
}

// TestEnvelopeFindsDamage flips every bit of what is covered, and moves values about.
func TestEnvelopeFindsDamage(t *testing.T) {
	payload := mustParse(t, string(benchText)).Raw()
	s, key := NewSealer("entries"), []byte("key-17")
	sealed := s.Seal(nil, key, 3, payload)
	damaged := func(what string, s Sealer, key, value []byte) {
		t.Helper()
		_, p, _, err := s.Open(key, value)
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.Corrupt || p != nil {
			t.Errorf("%s: %v", what, err)
		} else if !strings.Contains(e.Message, s.keyspace) || !strings.Contains(e.Message, hex.EncodeToString(key)) {
			t.Errorf("%s: %q names neither keyspace nor key", what, e.Message)
		}
	}
	for bit := range 8 * len(sealed) {
		sealed[bit/8] ^= 1 << (bit % 8)
		damaged("a flipped bit", s, key, sealed)
		sealed[bit/8] ^= 1 << (bit % 8)
	}
	for bit := range 8 * len(key) {
		key[bit/8] ^= 1 << (bit % 8)
		damaged("another key", s, key, sealed)
		key[bit/8] ^= 1 << (bit % 8)
	}
	for n := range sealed {
		damaged("cut off", s, key, sealed[:n])
	}
	damaged("longer", s, key, append(bytes.Clone(sealed), 0))
	damaged("another keyspace", NewSealer("entriez"), key, sealed)
	damaged("key and keyspace shifted", NewSealer("entriesk"), key[1:], sealed)
	if _, _, _, err := s.Open(key, sealed); err != nil {
		t.Error(err)
	}
}
