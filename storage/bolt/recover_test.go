package bolt

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

// recordsOf returns where the records of a log begin that the file does not have, and where the
// last one ends.
func recordsOf(t *testing.T, path string) (offsets []int64) {
	t.Helper()
	return recordsIn(t, Options{Log: true}, path)
}

func recordsIn(t *testing.T, o Options, path string) (offsets []int64) {
	t.Helper()
	s := openStore(t, path, Options{ReadOnly: true})
	defer s.Close()
	m, ok, err := s.readMark()
	if err != nil || !ok || m.inside != o.LogInFile {
		t.Fatal(m, ok, err)
	}
	log, err := s.openKept(m)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	offsets = append(offsets, m.next.Offset)
	if err := log.Replay(m.next, func([]byte) error {
		offsets = append(offsets, log.Head().Offset)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return offsets
}

// wantRecovered recovers a file, and expects so many keys in it from then on, however it is opened.
func wantRecovered(t *testing.T, what, path string, keys int, lost error, text string) Recovered {
	t.Helper()
	r, err := Recover(path, Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !errors.Is(r.Lost, lost) || lost != nil && !strings.Contains(r.Lost.Error(), text) {
		t.Errorf("%s: %v, want %v with %q", what, r.Lost, lost, text)
	}
	if _, err := os.Stat(path + logSuffix); err == nil {
		t.Errorf("%s: the log is still there", what)
	}
	for _, o := range []Options{{ReadOnly: true}, {}, {Log: true}} {
		s := openStore(t, path, o)
		if n := count(t, s); n != keys {
			t.Errorf("%s: %+v: %d keys, want %d", what, o, n, keys)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if again, err := Recover(path, Options{}); err != nil || again != (Recovered{}) {
		t.Errorf("%s: again: %+v, %v", what, again, err)
	}
	return r
}

// TestRecover breaks each record of a log at several places: the file has all that came before it.
func TestRecover(t *testing.T) {
	offsets := recordsOf(t, crashed(t))
	if len(offsets) < 4 {
		t.Fatalf("records at %d only", offsets)
	}
	for i, from := range offsets[:len(offsets)-1] {
		size := offsets[i+1] - from
		for _, at := range []int64{0, 9, 16, size / 2, size - 1} {
			path := crashed(t)
			b, err := os.ReadFile(path + logSuffix)
			if err != nil {
				t.Fatal(err)
			}
			b[from+at] ^= 0x40
			if err := os.WriteFile(path+logSuffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("record %d, byte %d", i, at)
			keys := 6 - (len(offsets) - 1) + i // each record has one key
			if i == len(offsets)-2 {           // not to be told from a crash
				wantRecovered(t, what, path, keys, nil, "")
				continue
			}
			wantOpenError(t, path, storage.ErrCorrupt, "comes after it")
			r := wantRecovered(t, what, path, keys, storage.ErrCorrupt, "comes after it")
			if kept, err := os.ReadFile(r.Aside); r.Records != i || err != nil || string(kept) != string(b) {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
	}
}

// TestRecoverWithout is without the log, or with one that is none of it.
func TestRecoverWithout(t *testing.T) {
	sound := crashed(t)
	if r := wantRecovered(t, "nothing wrong", sound, 6, nil, ""); r.Records == 0 || r.Aside != "" {
		t.Errorf("nothing wrong: %+v", r)
	}
	base := 6 - (len(recordsOf(t, crashed(t))) - 1)
	path := crashed(t)
	if err := os.Remove(path + logSuffix); err != nil {
		t.Fatal(err)
	}
	if r := wantRecovered(t, "missing", path, base, storage.ErrCorrupt, "missing"); r.Aside != "" || r.Records != 0 {
		t.Errorf("missing: %+v", r)
	}
	foreign, err := os.ReadFile(crashed(t) + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"another file's": foreign, "no log": []byte("something else"), "empty": nil} {
		for _, clean := range []bool{false, true} {
			path, keys, lost, text := crashed(t), base, storage.ErrCorrupt, "begin as one"
			if clean {
				openStore(t, path, Options{}).Close()
				keys = 6
			}
			if what == "another file's" {
				lost, text = storage.ErrNotDatabase, "another file"
			}
			aside := path + lostLogSuffix
			for _, name := range []string{path + logSuffix, aside, aside + "-2"} {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := wantRecovered(t, what, path, keys, lost, text)
			if kept, err := os.ReadFile(r.Aside); r.Aside != aside+"-3" || err != nil || string(kept) != string(b) {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
	}
}

// TestRecoverMark is when the file does not know what is in its log.
func TestRecoverMark(t *testing.T) {
	path := crashed(t)
	base := 6 - (len(recordsOf(t, path)) - 1)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(markBucket).Put(markKey, []byte("?")) }); err != nil {
		t.Fatal(err)
	}
	db.Close()
	wantOpenError(t, path, storage.ErrCorrupt, "cannot be read")
	if r := wantRecovered(t, "mark", path, base, storage.ErrCorrupt, "cannot be read"); r.Aside != path+lostLogSuffix {
		t.Errorf("%+v", r)
	}
	if _, err := Recover(path+"-none/x", Options{}); err == nil {
		t.Error("a file in no folder can be recovered")
	}
}
