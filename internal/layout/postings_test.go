package layout

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

func postingKey(last int64) []byte { return IndexKey(7, 3, []byte("\x02abc"), last) }

func ascending(first, step int64, n int) (ids []int64) {
	for i := range int64(n) {
		ids = append(ids, first+i*step)
	}
	return ids
}

func TestPostings(t *testing.T) {
	for _, ids := range [][]int64{
		{1}, {0, 1}, {5, 6, 7}, {1, math.MaxInt64 - 1}, {1 << 31, 1<<31 + 1, 1 << 40}, ascending(1, 1, MaxPostings),
		ascending(1<<40, 1<<50, MaxPostings), {math.MaxInt64 - 1},
	} {
		for _, last := range []int64{ids[len(ids)-1], OpenBlock} {
			key := postingKey(last)
			value := AppendPostings([]byte("before"), key, ids)[6:]
			got, err := ReadPostings([]int64{-1}, key, value)
			if err != nil || !slices.Equal(got[1:], ids) || got[0] != -1 || len(value) > 10+10*len(ids) {
				t.Errorf("%v becomes %v, %v in %d bytes", ids, got, err, len(value))
			}
		}
	}
	if got, err := ReadPostings(nil, postingKey(9), []byte{}); err != nil || !slices.Equal(got, []int64{9}) {
		t.Errorf("a key alone lists %v, %v", got, err)
	}
}

func TestDamagedPostings(t *testing.T) {
	key := postingKey(8)
	good := AppendPostings(nil, key, []int64{3, 8})
	if _, err := ReadPostings(nil, key, good); err != nil {
		t.Fatal(err)
	}
	form := bytes.Clone(good)
	postingSealer.SealInPlace(form, key, 1)
	endless := append(bytes.Clone(good[:10]), bytes.Repeat([]byte{255}, 12)...)
	postingSealer.SealInPlace(endless, key, 0)
	for name, c := range map[string]struct{ key, value []byte }{
		"cut off":             {key, good[:len(good)-1]},
		"a changed bit":       {key, append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1)},
		"of another key":      {postingKey(9), good},
		"another last one":    {postingKey(9), AppendPostings(nil, postingKey(9), []int64{3, 8})},
		"none":                {postingKey(OpenBlock), AppendPostings(nil, postingKey(OpenBlock), nil)},
		"open, and empty":     {postingKey(OpenBlock), []byte{}},
		"in no order":         {key, AppendPostings(nil, key, []int64{9, 8})},
		"twice":               {key, AppendPostings(nil, key, []int64{8, 8})},
		"too many":            {postingKey(OpenBlock), AppendPostings(nil, postingKey(OpenBlock), ascending(1, 1, MaxPostings+1))},
		"beyond all ids":      {postingKey(OpenBlock), AppendPostings(nil, postingKey(OpenBlock), []int64{1, OpenBlock})},
		"of an unknown form":  {key, form},
		"a number of no end":  {key, endless},
		"no key":              {key[:12], []byte{}},
		"a value of no block": {key, []byte("x")},
	} {
		if got, err := ReadPostings(nil, c.key, c.value); err == nil {
			t.Errorf("%s: %v is read", name, got)
		}
	}
}

// FuzzPostings reads bytes as a block, and makes a block of bytes.
func FuzzPostings(f *testing.F) {
	f.Add([]byte{1, 1, 1}, int64(3))
	f.Add([]byte{5, 0x80, 2}, int64(OpenBlock))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int64(OpenBlock))
	f.Add([]byte{}, int64(8))
	f.Fuzz(func(t *testing.T, payload []byte, last int64) {
		key := postingKey(last)
		value := append(make([]byte, 10), payload...)
		postingSealer.SealInPlace(value, key, 0)
		ids, err := ReadPostings(nil, key, value)
		if err != nil {
			if len(ids) > 0 {
				t.Fatalf("%v comes with %v", ids, err)
			}
			return
		}
		if len(ids) == 0 || len(ids) > MaxPostings || ids[0] < 0 || ids[len(ids)-1] >= OpenBlock {
			t.Fatalf("%x is read as %v", payload, ids)
		}
		for i := range ids[1:] {
			if ids[i] >= ids[i+1] {
				t.Fatalf("%v are in no order", ids)
			}
		}
		again, err := ReadPostings(nil, key, AppendPostings(nil, key, ids))
		if err != nil || !slices.Equal(ids, again) {
			t.Fatalf("%v become %v, %v", ids, again, err)
		}
	})
}
