package siftdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/bolt"
)

// dropping is a file store that drops the first run of some functions, as the contract of
// Update allows, and whose compaction fails when it is told to.
type dropping struct {
	*bolt.Store
	drop    func(call int) bool
	calls   int
	compact error
	cut     int // fail this call; 0 is none
}

var (
	errDropped = errors.New("dropped")
	errCut     = errors.New("cut off")
)

func (d *dropping) Update(ctx context.Context, fn func(storage.Writer) error) error {
	d.calls++
	if d.calls == d.cut {
		return errCut
	}
	if d.drop != nil && d.drop(d.calls) {
		err := d.Store.Update(ctx, func(w storage.Writer) error {
			if err := fn(w); err != nil {
				return err
			}
			return errDropped
		})
		if !errors.Is(err, errDropped) {
			return err
		}
	}
	return d.Store.Update(ctx, fn)
}

func (d *dropping) Compact(ctx context.Context) error {
	if d.compact != nil {
		return d.compact
	}
	return d.Store.Compact(ctx)
}

func openDropping(t *testing.T, path string, keys siftdb.Keyring) (*siftdb.DB, *dropping) {
	t.Helper()
	d := &dropping{Store: must[*bolt.Store](t)(bolt.Open(path, bolt.Options{NoSync: true}))}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, d, &siftdb.Options{Keys: keys}))
	checked(t, db)
	return db, d
}

// TestEncryptionRunsAgain drops the first run of one write of encrypting, decrypting and
// rotating, of each in turn.
func TestEncryptionRunsAgain(t *testing.T) {
	for _, name := range []string{"encrypt", "decrypt", "rotate"} {
		t.Run(name, func(t *testing.T) {
			for dropped := 1; ; dropped++ {
				path := filepath.Join(t.TempDir(), "db")
				db, store := openDropping(t, path, oneKey)
				ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: name != "encrypt"}))
				rows := []any{}
				for i := range 6000 { // several slices
					rows = append(rows, siftdb.M{"n": i, "s": "planted-entry"})
				}
				must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
				store.calls, store.drop = 0, func(call int) bool { return call == dropped }
				var err error
				if name == "rotate" {
					_, err = db.RotateKeys(ctx)
				} else {
					err = setEncrypted(db, ds.ID(), name == "encrypt")
				}
				if err != nil {
					t.Fatal(err)
				}
				calls := store.calls
				store.drop = nil
				if n := must[int64](t)(ds.Count(ctx, siftdb.Query{Where: `{"s":"planted-entry"}`})); n != 6000 {
					t.Errorf("write %d run again: %d entries", dropped, n)
				}
				if got := found(t, path); (len(got) > 0) != (name == "decrypt") {
					t.Errorf("write %d run again: the file holds %v", dropped, got)
				}
				if dropped > calls {
					if calls < 6 {
						t.Errorf("only %d writes", calls)
					}
					return
				}
			}
		})
	}
}

// TestRotateAfterCut rotates where encrypting was cut off: nothing says that the data source is
// encrypted while its text stands in the file.
func TestRotateAfterCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, store := openDropping(t, path, oneKey)
	ds := secretive(t, db, false)
	store.compact = errCut
	if err := setEncrypted(db, ds.ID(), true); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if _, err := db.RotateKeys(ctx); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	store.compact = nil
	encrypted := func() bool { return must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Encrypted }
	if encrypted() && len(found(t, path)) > 0 {
		t.Error("it is said to be encrypted, and is not")
	}
	if err := setEncrypted(db, ds.ID(), true); err != nil || !encrypted() {
		t.Errorf("again: %v", err)
	}
	if got := found(t, path); len(got) > 0 {
		t.Errorf("again: the file holds %v", got)
	}
}

// TestManyCutRotations cuts off more rotations than there are numbers for keys.
func TestManyCutRotations(t *testing.T) {
	db, store := openDropping(t, filepath.Join(t.TempDir(), "db"), oneKey)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Encrypted: true, Entries: raws(`{"n":1}`)}))
	for i := range 600 {
		store.calls, store.cut = 0, 3+i%7
		if _, err := db.RotateKeys(ctx); err != nil && !errors.Is(err, errCut) {
			t.Fatalf("rotation %d: %v", i, err)
		}
	}
	store.cut = 0
	if n, err := db.RotateKeys(ctx); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := texts(all(t, ds)); !slices.Equal(got, []string{`{"n":1}`}) {
		t.Errorf("it holds %v", got)
	}
}

// TestEncryptedFileNamesLater creates an encrypted data source where files are stored already,
// and finds no name of a file from then on.
func TestEncryptedFileNamesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	files := media.Memory()
	first := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Media: files}))
	must[siftdb.FileInfo](t)(upload(first, "planted-before.txt"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	db := fileDB(t, path, &siftdb.Options{Media: files, Keys: oneKey})
	must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "e", Encrypted: true}))
	must[siftdb.FileInfo](t)(upload(db, "planted-image.txt"))
	if got := found(t, path); len(got) > 0 {
		t.Errorf("the file holds %v", got)
	}
}

// slowRing is a keyring whose current key changes, and which holds up whoever asks for a key.
type slowRing struct {
	mu      sync.Mutex
	current string
	held    string // the key that is not given at once, once
	asked   chan struct{}
	release chan struct{}
	count   int
}

func (s *slowRing) Current(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, nil
}

func (s *slowRing) hold(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.asked, s.release = name, make(chan struct{}), make(chan struct{})
}

func (s *slowRing) Key(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	s.count++
	wait := name == s.held
	if wait {
		s.held = ""
		close(s.asked)
	}
	s.mu.Unlock()
	if wait {
		<-s.release
	}
	return map[string][]byte{"old": key(1), "new": key(2)}[name], nil
}

// TestRotateMeetsOthers rotates keys while a data source is being created with the old one, and
// while one is purged.
func TestRotateMeetsOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	keys := &slowRing{current: "old"}
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: keys, Media: media.Memory()}))
	first := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "a", Encrypted: true}))
	keys.hold("old")
	created := make(chan error)
	go func() {
		_, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "b", Encrypted: true})
		created <- err
	}()
	<-keys.asked
	keys.mu.Lock()
	keys.current = "new"
	keys.mu.Unlock()
	if n, err := db.RotateKeys(ctx); n != 1 || err != nil {
		t.Errorf("rotated %d, %v", n, err)
	}
	close(keys.release)
	if err := <-created; err != nil {
		t.Error(err)
	}

	keys.hold("new")
	rotated := make(chan error)
	go func() { _, err := db.RotateKeys(ctx); rotated <- err }()
	<-keys.asked
	if err := db.Purge(ctx, first.ID()); err != nil {
		t.Fatal(err)
	}
	close(keys.release)
	if err := <-rotated; err != nil {
		t.Errorf("while one is purged: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = fileDB(t, path, &siftdb.Options{Keys: ring("new", map[string][]byte{"new": key(2)})})
	must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "b", siftdb.Scope{}))
}

// TestOpenAsksOnce asks the keyring once for each key, whatever the number of data sources.
func TestOpenAsksOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	keys := &slowRing{current: "old"}
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: keys}))
	for i := range 20 {
		must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: fmt.Sprint(i), Encrypted: true}))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	keys.count = 0
	fileDB(t, path, &siftdb.Options{Keys: keys})
	if keys.count != 1 {
		t.Errorf("asked %d times", keys.count)
	}
}

// TestEncryptedForged puts values of a plain twin into an encrypted data source, and changes
// what it is encrypted with: nothing is read, and nothing is stored in plain text.
func TestEncryptedForged(t *testing.T) {
	make := func(encrypted bool) (path string) {
		path = filepath.Join(t.TempDir(), "db")
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
		must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "s", Encrypted: encrypted, Entries: raws(`{"a":"real"}`)}))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := must[*bolt.Store](t)(bolt.Open(make(false), bolt.Options{}))
	defer plain.Close()
	forgeries := map[string][]storage.Keyspace{"an entry": {"entry"}, "an entry and the head": {"entry", "head"}, "everything": {"entry", "head", "version", "catalog"}}
	for what, spaces := range forgeries {
		path := make(true)
		store := must[*bolt.Store](t)(bolt.Open(path, bolt.Options{}))
		err := plain.View(ctx, func(r storage.Reader) error {
			return store.Update(ctx, func(w storage.Writer) error {
				for _, ks := range spaces {
					c := r.Scan(ks, nil, nil, false)
					for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
						if len(k) == 1 {
							continue // the counters of the store
						}
						if err := w.Put(ks, bytes.Clone(k), bytes.Clone(v)); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
		if err = errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
		defer db.Close()
		ds, err := db.DataSource(ctx, 1)
		if err == nil {
			_, err = ds.Find(ctx, siftdb.Query{})
		}
		if !errors.Is(err, siftdb.ErrCorrupt) {
			t.Errorf("with %s of a plain twin: %v", what, err)
		}
		if report, err := db.Check(ctx); err != nil || report.Err() == nil {
			t.Errorf("with %s of a plain twin the check says %+v, %v", what, report, err)
		}
	}
	path := make(true)
	store := must[*bolt.Store](t)(bolt.Open(path, bolt.Options{}))
	err := store.Update(ctx, func(w storage.Writer) error { return siftdb.ForgeKeys(w, 1) })
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
	defer db.Close()
	if _, err := db.DataSource(ctx, 1); !errors.Is(err, siftdb.ErrCorrupt) {
		t.Errorf("with changed keys: %v", err)
	}
}

// TestEncryptedDamage finds every damaged value of several data sources in one check.
func TestEncryptedDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
	for i := range 3 {
		must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: fmt.Sprint(i), Encrypted: true, Entries: raws(`{"a":1}`, `{"a":2}`)}))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	store := must[*bolt.Store](t)(bolt.Open(path, bolt.Options{}))
	err := store.Update(ctx, func(w storage.Writer) error {
		c := w.Scan("entry", nil, nil, false)
		for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
			v = bytes.Clone(v)
			v[len(v)-1] ^= 1
			if err := w.Put("entry", bytes.Clone(k), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	db = must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
	defer db.Close()
	report := must[*siftdb.Report](t)(db.Check(ctx))
	hurt := map[int64]bool{}
	for _, f := range report.Findings {
		hurt[f.DataSourceID] = true
	}
	if len(hurt) != 3 || len(report.Findings) < 6 {
		t.Errorf("found %v", report.Findings)
	}
}

// TestEncryptionNeedsCompact refuses to encrypt what stands in a storage that may keep it.
func TestEncryptionNeedsCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	engine := struct{ storage.Storage }{must[*bolt.Store](t)(bolt.Open(path, bolt.Options{}))}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, engine, &siftdb.Options{Keys: oneKey}))
	checked(t, db)
	ds := secretive(t, db, false)
	if err := setEncrypted(db, ds.ID(), true); !isInvalid(err) || !strings.Contains(err.Error(), "Compacter") {
		t.Errorf("%v", err)
	}
	early := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "early", Encrypted: true, Entries: raws(`{"n":1}`)}))
	if got := texts(all(t, early)); !slices.Equal(got, []string{`{"n":1}`}) {
		t.Errorf("it holds %v", got)
	}
}

// TestEncryptionCancelled ends the context of encrypting at many points, and then encrypts.
func TestEncryptionCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, store := openDropping(t, path, oneKey)
	ds := secretive(t, db, false)
	before := answers(t, ds)
	for cut := 1; cut < 12; cut++ {
		running, cancel := context.WithCancel(ctx)
		store.calls, store.drop = 0, func(call int) bool {
			if call == cut {
				cancel()
			}
			return false
		}
		_, err := ds.Update(running, siftdb.DataSourceUpdate{Encrypted: new(cut%3 != 0)})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		cancel()
		if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
	}
	store.drop = nil
	if err := setEncrypted(db, ds.ID(), true); err != nil || len(found(t, path)) > 0 {
		t.Errorf("at last: %v, the file holds %v", err, found(t, path))
	}
	if _, err := os.Stat(path + ".siftdb-compact"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
