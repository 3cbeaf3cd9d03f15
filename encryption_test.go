package siftdb_test

import (
	"bytes"
	"context"
	"encoding/json"
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

// key is a key of 32 bytes made of a number.
func key(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// oneKey is a keyring with one key.
var oneKey = ring("one", map[string][]byte{"one": key(1)})

func ring(current string, keys map[string][]byte) siftdb.Keyring {
	r, err := siftdb.FixedKeys(current, keys)
	if err != nil {
		panic(err)
	}
	return r
}

// secrets are planted wherever a data source can hold text. Each is found in the file of
// one that is not encrypted.
var secrets = []string{"planted-entry", "planted-before", "planted-deleted", "planted-column", "planted-nested", "planted-name",
	"planted-definition", "planted-rule", "planted-hook", "planted-label", "planted-user", "planted-listed", "planted-type", "planted-image", "planted-index"}

// secretive makes a data source that holds every secret.
func secretive(t *testing.T, db *siftdb.DB, encrypted bool) *siftdb.DataSource {
	t.Helper()
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{
		Name: "planted-name", Encrypted: encrypted, Type: new("planted-type"), Columns: []string{"planted-listed"},
		Definition:  json.RawMessage(`{"views":[],"x":"planted-definition"}`),
		AccessRules: json.RawMessage(`[{"type":["select"],"allow":{"user":{"Email":{"equals":"planted-rule"}}}}]`),
		Hooks:       json.RawMessage(`[{"type":"operations","runOn":["beforeSave"],"payload":{"Note":"planted-hook {{Name}}"}}]`),
		Entries:     raws(`{"planted-column":"planted-entry","deep":{"planted-nested":1}}`, `{"n":"planted-deleted"}`),
	}, siftdb.WithSource("planted-label"), siftdb.ByUser(siftdb.User{ID: 1, LastName: "planted-user"})))
	ids := entryIDs(t, ds)
	create(t, ds, siftdb.IndexSpec{Name: "planted-index", Fields: []siftdb.IndexField{{Name: "x"}, {Name: "planted-column"}}, Unique: true},
		indexOn("text"), indexOn("n"), siftdb.IndexSpec{Name: "ignoring", Fields: []siftdb.IndexField{{Name: "x"}}, IgnoreCase: true})
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"x": "planted-before"}))
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"x": "planted-image"}))
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, ids[0], siftdb.M{"x": "now"}))
	if err := ds.Remove(ctx, ids[1]); err != nil {
		t.Fatal(err)
	}
	for i := range 300 { // so that there are pages to spare
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": i, "text": "planted-entry" + strings.Repeat(" text", 30)}))
	}
	return ds
}

// found returns which secrets stand in a file, or in its commit log.
func found(t *testing.T, path string) (list []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(path + ".siftdb-log"); err == nil {
		raw = append(raw, log...)
	}
	for _, s := range secrets {
		if bytes.Contains(raw, []byte(s)) {
			list = append(list, s)
		}
	}
	return list
}

// answers are all that a caller can see of a data source, but for the flag and the time of
// the last change of its description.
func answers(t *testing.T, ds *siftdb.DataSource) []string {
	t.Helper()
	info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
	info.Encrypted, info.UpdatedAt = false, info.CreatedAt
	out := []string{fmt.Sprintf("%s %s %s", must[[]byte](t)(json.Marshal(info)), info.Definition, info.AccessRules)}
	for _, e := range all(t, ds) {
		out = append(out, describeEntries([]*siftdb.Entry{e})...)
	}
	for _, v := range must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{})) {
		out = append(out, fmt.Sprint(v.ID, v.Action, v.Source, v.User, v.Count))
		if v.ID%40 < 8 {
			out = append(out, describeEntries(must[[]*siftdb.Entry](t)(ds.At(v.ID).Find(ctx, siftdb.Query{})))...)
		}
	}
	return out
}

// TestEncryptedFile searches the file of a data source that is encrypted later, and of one
// that was from the start, for all that they hold.
func TestEncryptedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	options := &siftdb.Options{Keys: oneKey}
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, options))
	ds := secretive(t, db, false)
	if got := found(t, path); !slices.Equal(got, secrets) {
		t.Fatalf("of what is not encrypted the file holds only %v", got)
	}
	before := answers(t, ds)
	info := must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
	if got := found(t, path); len(got) > 0 || !info.Encrypted {
		t.Errorf("when the call returns (encrypted %v) the file holds %v", info.Encrypted, got)
	}
	same := func(what string, ds *siftdb.DataSource) {
		t.Helper()
		if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	same("encrypted", ds)
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true), Name: new("planted-name")}))
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"planted-column": "planted-entry", "new": "planted-nested"}))
	if err := ds.Remove(ctx, entryIDs(t, ds)[301]); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := found(t, path); len(got) > 0 {
		t.Errorf("after more writes the file holds %v", got)
	}

	for name, keys := range map[string]siftdb.Keyring{
		"no keyring": nil, "another key": ring("one", map[string][]byte{"one": key(2)}), "another name": ring("two", map[string][]byte{"two": key(1)}),
	} {
		if _, err := siftdb.Open(ctx, path, &siftdb.Options{Keys: keys}); !errors.Is(err, siftdb.ErrNoKey) {
			t.Errorf("opened with %s: %v", name, err)
		}
	}

	db = fileDB(t, path, options)
	ds = must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "planted-name", siftdb.Scope{}))
	before = answers(t, ds)
	info = must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(false)}))
	if got := found(t, path); !slices.Equal(got, secrets) || info.Encrypted {
		t.Errorf("decrypted, the file holds only %v", got)
	}
	same("decrypted", must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "planted-name", siftdb.Scope{})))
}

// TestEncryptedFromTheStart never has anything in the file.
func TestEncryptedFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := fileDB(t, path, &siftdb.Options{Keys: oneKey})
	ds := secretive(t, db, true)
	copied := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "copy", Version: &siftdb.VersionRef{
		DataSourceID: ds.ID(), ID: must[[]siftdb.Version](t)(ds.Versions(ctx, siftdb.Page{}))[0].ID}}))
	for _, ds := range []*siftdb.DataSource{ds, copied} {
		if info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)); !info.Encrypted {
			t.Errorf("data source %d is not encrypted", info.ID)
		}
	}
	if got := found(t, path); len(got) > 0 {
		t.Errorf("the file holds %v", got)
	}
	if err := ds.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
	if got := found(t, path); len(got) > 0 {
		t.Errorf("from the trash, the file holds %v", got)
	}
	if err := db.Purge(ctx, ds.ID()); err != nil {
		t.Fatal(err)
	}
}

// keyed runs a test on each engine, whose databases it opens with options of its own.
func keyed(t *testing.T, test func(t *testing.T, open func(*siftdb.Options) *siftdb.DB)) {
	t.Run("memory", func(t *testing.T) {
		test(t, func(o *siftdb.Options) *siftdb.DB { return memoryDB(t, o) })
	})
	t.Run("bolt", func(t *testing.T) {
		test(t, func(o *siftdb.Options) *siftdb.DB { return fileDB(t, filepath.Join(t.TempDir(), "db"), o) })
	})
}

// TestEncryptedTwin makes an encrypted and a plain twin that answer the same.
func TestEncryptedTwin(t *testing.T) {
	keyed(t, func(t *testing.T, open func(*siftdb.Options) *siftdb.DB) {
		clock := newClock()
		options := clock.options()
		options.Keys = oneKey
		var got [2][]string
		for i, encrypted := range []bool{false, true} {
			got[i] = answers(t, secretive(t, open(options), encrypted))
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRotateKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open := func(keys siftdb.Keyring) *siftdb.DB {
		t.Helper()
		return must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: keys, Media: media.Memory()}))
	}
	db := open(oneKey)
	ds := secretive(t, db, true)
	must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "plain"}))
	before := answers(t, ds)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(ring("two", map[string][]byte{"one": key(1), "two": key(2)}))
	if n, err := db.RotateKeys(ctx); n != 1 || err != nil {
		t.Errorf("%d data sources, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}); !errors.Is(err, siftdb.ErrNoKey) {
		t.Errorf("opened with the old key: %v", err)
	}
	db = open(ring("two", map[string][]byte{"two": key(2)}))
	checked(t, db)
	ds = must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
	if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
		t.Error(diff)
	}
	for range 300 { // more often than there are numbers
		if _, err := db.RotateKeys(ctx); err != nil {
			t.Fatal(err)
		}
		if testing.Short() {
			break
		}
	}
	if got := found(t, path); len(got) > 0 {
		t.Errorf("the file holds %v", got)
	}
}

// failingKeys is a keyring that fails when told to.
type failingKeys struct {
	siftdb.Keyring
	err error
}

func (f *failingKeys) Current(ctx context.Context) (string, error) {
	if f.err != nil {
		return "", f.err
	}
	return f.Keyring.Current(ctx)
}

// TestEncryptionRefused is what is refused, and changes nothing.
func TestEncryptionRefused(t *testing.T) {
	plain := memoryDB(t, nil)
	ds := table(t, plain, "t", `{"n":1}`)
	if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true), Name: new("other")}); !isInvalid(err) {
		t.Errorf("without a keyring: %v", err)
	}
	if _, err := plain.Create(ctx, siftdb.DataSourceSpec{Name: "x", Encrypted: true}); !isInvalid(err) {
		t.Errorf("created without a keyring: %v", err)
	}
	if _, err := plain.RotateKeys(ctx); !isInvalid(err) {
		t.Errorf("rotated without a keyring: %v", err)
	}
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(false)}))
	if info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)); info.Name != "t" || info.Encrypted {
		t.Errorf("it has become %+v", info)
	}

	keys := &failingKeys{Keyring: oneKey}
	db := memoryDB(t, &siftdb.Options{Keys: keys})
	ds = table(t, db, "t", `{"n":1}`)
	other := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "e", Encrypted: true, Entries: raws(`{"n":2}`)}))
	keys.err = errors.New("the service is away")
	if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}); !errors.Is(err, keys.err) || !errors.Is(err, siftdb.ErrNoKey) {
		t.Errorf("with a keyring that fails: %v", err)
	}
	if _, err := db.RotateKeys(ctx); !errors.Is(err, keys.err) {
		t.Errorf("rotated with a keyring that fails: %v", err)
	}
	if got := texts(all(t, other)); !slices.Equal(got, []string{`{"n":2}`}) {
		t.Errorf("reads without the keyring: %v", got)
	}
	must[*siftdb.Entry](t)(other.Insert(ctx, siftdb.M{"n": 3}))
	if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true), Name: new("")}); !isInvalid(err) {
		t.Errorf("with a bad name: %v", err)
	}
	for what, set := range map[string]map[string][]byte{"short": {"k": make([]byte, 16)}, "missing": {"j": key(1)}, "none": nil} {
		if _, err := siftdb.FixedKeys("k", set); !isInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestEncryptedNames finds data sources by name, encrypted or not, of the same name too.
func TestEncryptedNames(t *testing.T) {
	keyed(t, func(t *testing.T, open func(*siftdb.Options) *siftdb.DB) {
		db := open(&siftdb.Options{Keys: oneKey})
		var ids []int64
		for i := range 6 {
			ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "same", Encrypted: i%2 == 0, AppID: new(int64(i))}))
			ids = append(ids, ds.ID())
		}
		name := func(scope siftdb.Scope) int64 {
			t.Helper()
			return must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "same", scope)).ID()
		}
		if got := name(siftdb.Scope{}); got != ids[0] {
			t.Errorf("found %d, want the first, %d", got, ids[0])
		}
		for i, id := range ids {
			if got := name(siftdb.Scope{AppID: new(int64(i))}); got != id {
				t.Errorf("app %d: found %d, want %d", i, got, id)
			}
			ds := must[*siftdb.DataSource](t)(db.DataSource(ctx, id))
			must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new(fmt.Sprint("own ", i))}))
			if got := must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, fmt.Sprint("own ", i), siftdb.Scope{})).ID(); got != id {
				t.Errorf("renamed: found %d, want %d", got, id)
			}
		}
		if _, err := db.DataSourceByName(ctx, "same", siftdb.Scope{}); !isNotFound(err) {
			t.Errorf("after all are renamed: %v", err)
		}
	})
}

// TestEncryptedFileNames looks for the names of files of an encrypted data source.
func TestEncryptedFileNames(t *testing.T) {
	for _, early := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "db")
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Media: media.Memory()}))
		if early {
			must[siftdb.FileInfo](t)(upload(db, "planted-entry.txt"))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = fileDB(t, path, &siftdb.Options{Media: media.Memory(), Keys: oneKey})
		ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "e"}))
		must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: new(true)}))
		file := must[siftdb.FileInfo](t)(upload(db, "planted-image.txt"))
		if got := found(t, path); len(got) > 0 {
			t.Errorf("files stored before %v: the file holds %v", early, got)
		}
		if f := must[siftdb.FileInfo](t)(db.Files().Get(ctx, file.ID)); f.Name != "planted-image.txt" {
			t.Errorf("the name is %q", f.Name)
		}
	}
}

func upload(db *siftdb.DB, name string) (siftdb.FileInfo, error) {
	return db.Files().Upload(ctx, siftdb.FileUpload{Name: name, Content: strings.NewReader("content")})
}

// TestEncryptUnderLoad encrypts, decrypts and rotates while others write and read: nobody
// notices.
func TestEncryptUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := fileDB(t, path, &siftdb.Options{Keys: oneKey})
	ds := numbered(t, db, 3000)
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	counts := make([]int, 3)
	for g := range counts {
		wg.Go(func() {
			for running.Err() == nil {
				if _, err := ds.Insert(ctx, siftdb.M{"writer": g, "i": counts[g]}); err != nil {
					t.Error(err)
					return
				}
				counts[g]++
			}
		})
	}
	wg.Go(func() {
		for running.Err() == nil {
			n := 0
			for _, err := range ds.Each(ctx, siftdb.Query{Where: `{"n":{"$gte":0}}`}) {
				if n++; err != nil {
					t.Error(err)
					return
				}
			}
			if n != 3000 {
				t.Errorf("a read sees %d entries", n)
			}
		}
	})
	for range 4 {
		for _, encrypted := range []bool{true, false, true} {
			must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: &encrypted}))
			if encrypted {
				must[int](t)(db.RotateKeys(ctx))
			}
		}
	}
	stop()
	wg.Wait()
	total := 3000
	for _, n := range counts {
		total += n
	}
	if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != int64(total) {
		t.Errorf("%d entries, want %d", n, total)
	}
}

// keptStore keeps a copy of its file after every commit.
type keptStore struct {
	*bolt.Store
	path   string
	copies *[][]byte
}

func (k keptStore) keep() error {
	raw, err := os.ReadFile(k.path)
	*k.copies = append(*k.copies, raw)
	return err
}

func (k keptStore) Update(ctx context.Context, fn func(storage.Writer) error) error {
	return errors.Join(k.Store.Update(ctx, fn), k.keep())
}

func (k keptStore) Compact(ctx context.Context) error {
	return errors.Join(k.Store.Compact(ctx), k.keep())
}

// TestEncryptionCutOff opens the file as it was after every commit of encrypting,
// decrypting and rotating: all is there, and the call can be made again.
func TestEncryptionCutOff(t *testing.T) {
	both := ring("two", map[string][]byte{"one": key(1), "two": key(2)})
	calls := map[string]func(db *siftdb.DB, id int64) error{
		"encrypt": func(db *siftdb.DB, id int64) error { return setEncrypted(db, id, true) },
		"decrypt": func(db *siftdb.DB, id int64) error { return setEncrypted(db, id, false) },
		"rotate":  func(db *siftdb.DB, id int64) error { _, err := db.RotateKeys(ctx); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "db")
			var copies [][]byte
			first := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{Keys: oneKey}))
			id := secretive(t, first, name != "encrypt").ID()
			before := answers(t, must[*siftdb.DataSource](t)(first.DataSource(ctx, id)))
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			store := keptStore{must[*bolt.Store](t)(bolt.Open(path, bolt.Options{NoSync: true})), path, &copies}
			db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, &siftdb.Options{Keys: both}))
			checked(t, db)
			copies = nil
			if err := call(db, id); err != nil {
				t.Fatal(err)
			}
			if len(copies) < 5 {
				t.Fatalf("only %d commits", len(copies))
			}
			for i, raw := range copies {
				crashed := filepath.Join(dir, fmt.Sprint("crashed", i))
				if err := os.WriteFile(crashed, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				db := fileDB(t, crashed, &siftdb.Options{Keys: both})
				ds := must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "planted-name", siftdb.Scope{}))
				if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
					t.Fatalf("after commit %d: %s", i, diff)
				}
				if info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)); info.Encrypted && len(found(t, crashed)) > 0 {
					t.Errorf("after commit %d it is said to be encrypted, and the file holds %v", i, found(t, crashed))
				}
				if err := call(db, ds.ID()); err != nil {
					t.Errorf("again after commit %d: %v", i, err)
				}
				if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
					t.Fatalf("again after commit %d: %s", i, diff)
				}
				encrypted := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)).Encrypted
				if encrypted != (name != "decrypt") || encrypted && len(found(t, crashed)) > 0 {
					t.Errorf("again after commit %d: encrypted %v, the file holds %v", i, encrypted, found(t, crashed))
				}
			}
		})
	}
}

func setEncrypted(db *siftdb.DB, id int64, encrypted bool) error {
	ds, err := db.DataSource(ctx, id)
	if err == nil {
		_, err = ds.Update(ctx, siftdb.DataSourceUpdate{Encrypted: &encrypted})
	}
	return err
}

// TestCompact gives back space, and everything that was deleted.
func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := fileDB(t, path, &siftdb.Options{Retention: siftdb.Retention{Versions: -1}})
	ds := secretive(t, db, false)
	must[*siftdb.Result](t)(ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{"n":{"$gt":1}}`}))
	before, size := answers(t, ds), must[storage.Size](t)(db.Size())
	if err := db.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, answers(t, ds)); diff != "" {
		t.Error(diff)
	}
	if now := must[storage.Size](t)(db.Size()); now.Total >= size.Total {
		t.Errorf("the file takes %d bytes, of %d", now.Total, size.Total)
	}
	if got := found(t, path); slices.Contains(got, "planted-deleted") || slices.Contains(got, "planted-before") {
		t.Errorf("the file holds %v", got)
	}
	if err := memoryDB(t, nil).Compact(ctx); err != nil {
		t.Error(err)
	}
}
