package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// faultySizes make logs inside the file grow and layers go into bbolt all the time.
var faultySizes = logSizes{flush: 4 << 10, direct: 2 << 10, reserve: 1 << 10, room: 5 << 10, first: 16 << 10, most: 64 << 10, idle: -1}

// faulty is a store of which everything that writes fails now and then, beside a model of what it
// holds. While a bbolt transaction is committed, and between commits, it is looked at as it would be
// after the power has failed.
type faulty struct {
	t       *testing.T
	r       *rand.Rand
	name    string
	dir     string
	s       *Store
	model   map[string]string
	maybe   map[string]string // what the model is if the commit in flight is there; nil for none
	failing bool
	seen    map[string]int // what the test has met
}

// faultyFile is the file of a log.
type faultyFile struct {
	commitlog.File
	f *faulty
}

func (c faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if c.f.failing && c.f.r.IntN(40) == 0 {
		c.f.seen["log write failed"]++
		n, _ := c.File.WriteAt(b[:c.f.r.IntN(len(b)+1)], at)
		return n, errDisk
	}
	return c.File.WriteAt(b, at)
}

func (c faultyFile) Sync() error {
	if c.f.failing && c.f.r.IntN(100) == 0 {
		c.f.seen["log sync failed"]++
		return errDisk
	}
	return nil
}

func (c faultyFile) SyncAll() error { return nil }

func (f *faulty) path() string { return filepath.Join(f.dir, "db") }

// options are of a store with its log anywhere.
func (f *faulty) options() Options {
	o := Options{NoSync: true, sizes: &faultySizes}
	place := f.r.IntN(8)
	o.Log, o.LogInFile = place > 0, place > 1
	return o
}

func (f *faulty) open() {
	lateFrom = []int{0, 512}[f.r.IntN(2)]
	o := f.options()
	o.NoSync, o.wrapLog = false, func(file commitlog.File) commitlog.File { return faultyFile{file, f} }
	s, err := Open(f.path(), o)
	if err != nil {
		f.t.Fatalf("%s: %v", f.name, err)
	}
	f.s, s.commitTx, s.db.NoSync = s, f.commit, true
	if got := f.holds(s, "opened"); f.maybe != nil {
		f.model, f.maybe = got, nil
	}
	f.failing = true
}

// holds makes sure that a store holds what the model does, and returns that.
func (f *faulty) holds(s *Store, when string) map[string]string {
	f.t.Helper()
	got := map[string]string{}
	err := s.View(background, func(r storage.Reader) error {
		c := r.Scan(rows, nil, nil, false)
		for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
			got[string(k)] = string(v)
		}
		return c.Err()
	})
	if err != nil || !maps.Equal(got, f.model) && (f.maybe == nil || !maps.Equal(got, f.maybe)) {
		f.t.Fatalf("%s, %s: %d keys of which some are others, want %d, %v", f.name, when, len(got), len(f.model), err)
	}
	return got
}

// commit is the commit of a bbolt transaction.
func (f *faulty) commit(tx *bbolt.Tx) error {
	odds, what := 25, "commit"
	if makesInside(tx) {
		odds, what = 3, "new log"
	}
	switch {
	case !f.failing:
		return tx.Commit()
	case f.r.IntN(odds) == 0:
		f.seen[what+" failed"]++
		return failBefore(tx)
	case f.r.IntN(2*odds) == 0:
		f.seen[what+" unknown"]++
		return failAfter(tx)
	case f.r.IntN(3) > 0:
		f.seen[what]++
		return tx.Commit()
	}
	f.failing = false
	defer func() { f.failing = true }()
	before := f.file()
	err := tx.Commit()
	after, metas, odd := f.file(), 2*f.s.pageSize, f.r.IntN(5)
	keep := func() bool { return f.r.IntN(4) < odd }
	f.cut(what+" cut at its pages", mixed(before, after, func(at int) bool { return at >= metas && keep() }))
	f.cut(what+" cut at the end", mixed(before, after, func(at int) bool { return at >= metas || keep() }))
	return err
}

func (f *faulty) file() []byte {
	raw, err := os.ReadFile(f.path())
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// cut opens what is left of the file, and of the log beside it.
func (f *faulty) cut(when string, file []byte) {
	path := filepath.Join(f.t.TempDir(), "db")
	err := os.WriteFile(path, file, 0o600)
	if log, failed := os.ReadFile(f.path() + logSuffix); failed == nil {
		err = errors.Join(err, os.WriteFile(path+logSuffix, log, 0o600))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := Open(path, f.options())
	if err != nil {
		f.t.Fatalf("%s, %s: %v", f.name, when, err)
	}
	f.holds(s, when)
	if err := errors.Join(s.Close(), os.RemoveAll(filepath.Dir(path))); err != nil {
		f.t.Error(err)
	}
	f.seen[when]++
}

func (f *faulty) step(n int) {
	switch k := f.r.IntN(100); {
	case k < 2:
		f.compact()
	case k < 3:
		f.reopen()
	case k < 8:
		f.cut("between", f.file())
	case k < 12:
		if _, err := f.s.Size(); err != nil {
			f.t.Fatal(err)
		}
	case k < 16:
		f.s.freeze()
		f.s.recent.flushing.Lock()
		_ = f.s.flush()
		f.s.recent.flushing.Unlock()
	default:
		f.write(n)
	}
	f.holds(f.s, fmt.Sprint("step ", n))
}

func (f *faulty) compact() {
	if f.r.IntN(3) == 0 {
		f.s.steps = func(name string) error {
			if name != "copied" && name != "renamed" {
				return nil
			}
			f.seen["compact failed"]++
			return errDisk
		}
	}
	renameOpen = f.r.IntN(2) == 0
	f.failing = false
	err := f.s.Compact(background)
	f.failing, f.s.steps = true, nil
	f.seen["compact"]++
	if err != nil && !errors.Is(err, errDisk) && !errors.Is(err, storage.ErrReadOnly) {
		f.t.Fatalf("%s: compact: %v", f.name, err)
	}
}

// write commits some keys, and opens the store again where it takes no more.
func (f *faulty) write(n int) {
	size := []int{10, 300, 600, 600, 900}[f.r.IntN(5)]
	if f.r.IntN(200) == 0 {
		size = 100_000
	}
	next := maps.Clone(f.model)
	puts := map[string]string{}
	for range 1 + f.r.IntN(3) {
		puts[fmt.Sprint(f.r.IntN(30))] = string(bytes.Repeat([]byte{byte(n)}, 1+f.r.IntN(size)))
	}
	maps.Copy(next, puts)
	f.maybe = next
	err := f.s.Update(background, func(w storage.Writer) (err error) {
		for k, v := range puts {
			err = errors.Join(err, w.Put(rows, []byte(k), []byte(v)))
		}
		return err
	})
	switch {
	case err == nil:
		f.model, f.maybe = next, nil
		f.seen["committed"]++
	case errors.Is(err, storage.ErrReadOnly):
		f.maybe = nil
		f.seen["read-only"]++
		f.reopen()
	case notApplied(err):
		f.maybe = nil
		f.seen["not applied"]++
	default:
		f.seen["unknown"]++
		f.reopen()
	}
}

func (f *faulty) reopen() {
	f.failing = f.r.IntN(2) == 0
	if err := f.s.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.failing = false
	f.open()
	f.seen["opened again"]++
}

// TestFaultModel makes random commits, compactions and openings with logs in every place that grow, in
// files and on a disk that fail.
func TestFaultModel(t *testing.T) {
	late, rename := lateFrom, renameOpen
	t.Cleanup(func() { lateFrom, renameOpen = late, rename })
	base := uint64(time.Now().UnixNano())
	t.Logf("first seed %d", base)
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("SIFTDB_CUTS")); err == nil {
		rounds = n
	}
	seen := map[string]int{}
	missing := func() (list []string) {
		for _, what := range []string{"committed", "not applied", "unknown", "read-only", "log write failed", "log sync failed", "commit failed",
			"commit unknown", "new log", "new log failed", "new log unknown", "new log cut at its pages", "new log cut at the end", "between",
			"compact", "compact failed"} {
			if seen[what] == 0 {
				list = append(list, what)
			}
		}
		return list
	}
	for i := 0; i < rounds || i < 10*rounds && len(missing()) > 0; i++ {
		seed := base + uint64(i)
		f := &faulty{t: t, r: rand.New(rand.NewPCG(seed, 1)), name: fmt.Sprint("seed ", seed), dir: t.TempDir(), model: map[string]string{}, seen: seen}
		f.open()
		for n := range 300 {
			f.step(n)
		}
		f.failing = false
		if err := f.s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Log(seen)
	if list := missing(); len(list) > 0 {
		t.Errorf("the test has not met %q", list)
	}
}
