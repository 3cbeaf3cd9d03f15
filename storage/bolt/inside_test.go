package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

var inside = Options{Log: true, LogInFile: true}

// TestInsideOfACrash is opened in each way. Nothing is ever beside the file but where it is to have a
// log there.
func TestInsideOfACrash(t *testing.T) {
	for _, o := range []Options{inside, {Log: true}, {}, {ReadOnly: true}, {Log: true, LogInFile: true, ReadOnly: true}} {
		path := crashedWith(t, inside)
		alone(t, path, "after the crash")
		s := openStore(t, path, o)
		if n := count(t, s); n != 6 {
			t.Errorf("%+v: %d keys", o, n)
		}
		if list, err := s.Keyspaces(); err != nil || len(list) != 1 || list[0] != rows {
			t.Errorf("%+v: keyspaces %v, %v", o, list, err)
		}
		want := 6
		if o.ReadOnly {
			another := openStore(t, path, o) // at the same time
			if n := count(t, another); n != 6 {
				t.Errorf("%+v: %d keys", o, n)
			}
			another.Close()
		} else {
			mustPut(t, s, "more", "1")
			want++
		}
		if _, err := os.Stat(path + logSuffix); (err == nil) != (o.Log && !o.LogInFile) {
			t.Errorf("%+v: a log beside the file: %v", o, err)
		}
		left := filepath.Join(copyDir(t, filepath.Dir(path)), "db")
		if n := count(t, openStore(t, left, Options{})); n != want {
			t.Errorf("%+v: %d keys after a crash, want %d", o, n, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		alone(t, path, fmt.Sprintf("%+v, closed", o))
		s = openStore(t, path, Options{ReadOnly: true})
		if n := count(t, s); n != want {
			t.Errorf("%+v: then %d keys", o, n)
		}
		if m, ok, err := s.readMark(); !ok || err != nil || m.open != o.ReadOnly || s.hasInside() != o.ReadOnly {
			t.Errorf("%+v: closed, a log in the file: %v, mark %+v, %v, %v", o, s.hasInside(), m, ok, err)
		}
		s.Close()
	}
}

// TestInsideIsGoneAfterClose: a file that was closed is as one that never had a log, but for free
// pages, and is opened as fast.
func TestInsideIsGoneAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	for i := range 3 {
		s := openStore(t, path, inside)
		mustPut(t, s, fmt.Sprint(i), "1")
		if s.recent.log == nil || s.recent.layers.Load() == nil {
			t.Fatal("the commit is not in the log")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !freelistSaved(t, path) {
			t.Errorf("round %d: the next open has to search for free pages", i)
		}
		s = openStore(t, path, Options{ReadOnly: true})
		if n := count(t, s); n != i+1 || s.hasInside() {
			t.Errorf("round %d: %d keys, a log in the file: %v", i, n, s.hasInside())
		}
		s.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 3*firstInside {
		t.Errorf("the file has %d bytes, %v: pages of logs before are not used again", info.Size(), err)
	}
}

// TestInsideGrows: much that is written at once makes the log a larger one, again and again, and
// nothing is lost at any time.
func TestInsideGrows(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "db"), Options{Log: true, LogInFile: true, LogBytes: 1 << 20})
	most := s.opts.mostInside()
	sizes := map[int64]int{}
	n := 0
	value := string(make([]byte, 2000))
	for ; n < 20_000 && sizes[most] < 1000; n++ {
		mustPut(t, s, fmt.Sprintf("%06d", n), value)
		size := s.openLogNow().Size()
		if sizes[size]++; sizes[size] == 1 {
			left := openStore(t, filepath.Join(copyDir(t, dir), "db"), Options{})
			if got := count(t, left); got != n+1 {
				t.Fatalf("%d keys after a crash with a log of %d bytes, want %d", got, size, n+1)
			}
			left.Close()
		}
	}
	if len(sizes) < 3 || sizes[most] == 0 {
		t.Errorf("commits with logs of each size: %v, the largest is %d", sizes, most)
	}
	// What is too large for the first log makes it larger before it comes again.
	path := filepath.Join(t.TempDir(), "db")
	s = openStore(t, path, inside)
	mustPut(t, s, "small", "1")
	mustPut(t, s, "large", string(make([]byte, 200<<10)))
	if size := s.openLogNow().Size(); size <= firstInside {
		t.Errorf("the log still has %d bytes", size)
	}
	if n := count(t, s); n != 2 {
		t.Errorf("%d keys", n)
	}
}

// TestInsideSize: the log counts for nothing in what is used, and is part of the file.
func TestInsideSize(t *testing.T) {
	used := func(o Options) storage.Size {
		s := openStore(t, filepath.Join(t.TempDir(), "db"), o)
		for i := range 50 {
			mustPut(t, s, fmt.Sprintf("%06d", i), string(make([]byte, 1000)))
		}
		size, err := s.Size()
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(s.path); o.LogInFile && (err != nil || info.Size() != size.Total) {
			t.Errorf("%+v: a total of %d, the file has %d", o, size.Total, info.Size())
		}
		return size
	}
	with, without := used(inside), used(Options{Log: true})
	if page := int64(os.Getpagesize()); with.Used > without.Used+2*page || with.Used < without.Used-2*page {
		t.Errorf("in use %d, with a log beside the file %d", with.Used, without.Used)
	}
}

// TestInsideNotMade: where the log cannot be made, or not be made larger, the commit is not applied,
// or the log there is goes on; where it is not known, nothing more is written.
func TestInsideNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := openStore(t, path, inside)
	s.commitTx = failBefore
	wantOutcome(t, put(s, "a", "1"), storage.NotApplied)
	s.commitTx = (*bbolt.Tx).Commit
	mustPut(t, s, "a", "1")

	grow := func() {
		s.lead()
		s.recent.flushing.Lock()
		if err := s.drain(); err != nil {
			t.Error(err)
		}
		s.growInside()
		s.recent.flushing.Unlock()
		s.queue.pass()
	}
	grow()
	if size := s.openLogNow().Size(); size != insideSteps*firstInside {
		t.Errorf("the log has %d bytes", size)
	}
	mustPut(t, s, "b", "1")
	fail := func(how func(*bbolt.Tx) error) {
		commit := s.commitTx
		s.commitTx = func(tx *bbolt.Tx) error {
			b := tx.Bucket(insideBucket)
			if b == nil || b.Root() != 0 { // no new log
				return commit(tx)
			}
			return how(tx)
		}
	}
	fail(failBefore)
	grow()
	if size := s.openLogNow().Size(); size != insideSteps*firstInside {
		t.Errorf("the log has %d bytes, though a larger one could not be made", size)
	}
	mustPut(t, s, "c", "1")
	left := openStore(t, filepath.Join(copyDir(t, filepath.Dir(path)), "db"), inside)
	if n := count(t, left); n != 3 {
		t.Errorf("%d keys after a crash", n)
	}
	s.commitTx = (*bbolt.Tx).Commit
	fail(failAfter)
	grow()
	if err := put(s, "d", "1"); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path, inside)
	if n := count(t, s); n != 3 {
		t.Errorf("%d keys", n)
	}
	mustPut(t, s, "d", "1")
}

// TestInsideBesideForeign: the log of another file that lies beside one with its log inside is not
// touched.
func TestInsideBesideForeign(t *testing.T) {
	foreign, err := os.ReadFile(crashed(t) + logSuffix)
	if err != nil {
		t.Fatal(err)
	}
	path := crashedWith(t, inside)
	if err := os.WriteFile(path+logSuffix, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, path, storage.ErrNotDatabase, "another file")
	if b, err := os.ReadFile(path + logSuffix); err != nil || !bytes.Equal(b, foreign) {
		t.Errorf("the log was touched: %v", err)
	}
	wantRecovered(t, "foreign", path, 6, storage.ErrNotDatabase, "another file")
}

// TestRecoverInside breaks the log inside a file in every part of it.
func TestRecoverInside(t *testing.T) {
	path := crashedWith(t, inside)
	if r := wantRecovered(t, "nothing wrong", path, 6, nil, ""); r.Records == 0 || r.Aside != "" {
		t.Errorf("nothing wrong: %+v", r)
	}
	offsets := recordsIn(t, inside, crashedWith(t, inside))
	last := len(offsets) - 2
	if last < 2 {
		t.Fatalf("records at %d only", offsets)
	}
	for i, from := range offsets[:last+1] {
		for _, at := range []int64{0, 16, offsets[i+1] - from - 1} {
			path := crashedWith(t, inside)
			log := logIn(t, inside, path)
			log.held()[from+at] ^= 0x40
			log.write()
			what := fmt.Sprintf("record %d, byte %d", i, at)
			if i == last { // not to be told from a crash
				wantRecovered(t, what, path, 5-last+i, nil, "")
				continue
			}
			wantOpenError(t, path, storage.ErrCorrupt, "comes after it")
			r := wantRecovered(t, what, path, 5-last+i, storage.ErrCorrupt, "comes after it")
			if kept, err := os.ReadFile(r.Aside); r.Records != i || err != nil || !bytes.Equal(kept, log.held()) {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
	}
	for what, damage := range map[string]struct {
		do   func(*logFile)
		lost error
		text string
	}{
		"no header":   {func(f *logFile) { clear(f.held()[:64]) }, storage.ErrCorrupt, "bytes begins"},
		"another one": {func(f *logFile) { clear(f.held()); commitlog.Format(f.held()) }, storage.ErrNotDatabase, "another file"},
		"no page":     {func(f *logFile) { clear(f.raw[f.from-int64(os.Getpagesize())+8:][:8]) }, nil, ""},
	} {
		path := crashedWith(t, inside)
		log := logIn(t, inside, path)
		damage.do(log)
		log.write()
		if s, err := Open(path, Options{}); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
			s.Close()
		}
		if what == "no page" { // a page of bbolt's is damaged, which Recover is not for
			continue
		}
		r := wantRecovered(t, what, path, 5-last, damage.lost, damage.text)
		if kept, err := os.ReadFile(r.Aside); err != nil || !bytes.Equal(kept, log.held()) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}
