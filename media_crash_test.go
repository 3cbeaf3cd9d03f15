package siftdb_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// crashUploads is the database, and beside it the folder of files, of a crash test.
func crashUploads(path string) (*siftdb.DB, *media.DirStore, error) {
	store, err := media.Dir(path + ".files")
	if err != nil {
		return nil, nil, err
	}
	db, err := siftdb.Open(ctx, path, &siftdb.Options{Media: store, MediaKey: make([]byte, 32)})
	return db, store, err
}

// slowFile is the content of a file, which follows from its name, in small parts.
func slowFile(name string) io.Reader {
	sum := sha256.Sum256([]byte(name))
	return smallParts{bytes.NewReader(bytes.Repeat(sum[:], int(sum[0])*20+1))}
}

type smallParts struct{ r io.Reader }

func (s smallParts) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 500)]) }

// uploadWriter inserts entries with files until it is killed, some of which it deletes, and
// prints the id of each entry that it keeps.
func uploadWriter(path string) error {
	db, _, err := crashUploads(path)
	if err != nil {
		return err
	}
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	failed := make(chan error)
	first := time.Now().UnixNano()
	for w := range int64(4) {
		go func() {
			for n := first + w; ; n += 4 {
				a, b := fmt.Sprint("a", n), fmt.Sprint("b", n)
				e, err := ds.InsertWithFiles(ctx, siftdb.FormOf(siftdb.Part{Name: "f", FileName: a, Content: slowFile(a)}, siftdb.Part{Name: "g", FileName: b, Content: slowFile(b)}))
				if err != nil {
					failed <- err
					return
				}
				if n/4%3 != 0 {
					fmt.Println(e.ID)
					continue
				}
				id, _ := e.Get("gMediaFileId").(float64)
				if err := db.Files().Delete(ctx, int64(id)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// TestKillUpload kills a process in the middle of uploads, again and again: whatever record
// there is has its file, whole, and a sweep leaves no file without a record.
func TestKillUpload(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := uploadWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	rounds, total, orphans := kills(15), 0, 0
	var path string
	var acked map[string]bool
	for round := range rounds {
		if round%20 == 0 { // all files are read after each kill
			path, acked = filepath.Join(t.TempDir(), "crash.db"), map[string]bool{}
			db, store, err := crashUploads(path)
			if err != nil {
				t.Fatal(err)
			}
			table(t, db, "t")
			if err := errors.Join(db.Close(), store.Close()); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range killOnce(t, "TestKillUpload", crashFile, path, time.Duration(rng.IntN(60))) {
			acked[id] = true
			total++
		}
		orphans += afterKill(t, path, acked)
	}
	t.Logf("%d kills: %d entries acknowledged, %d files without a record swept", rounds, total, orphans)
	if orphans == 0 && rounds > 10 {
		t.Error("no upload was interrupted")
	}
}

// afterKill checks a database that a process left behind, and returns how many files the
// sweep deleted.
func afterKill(t *testing.T, path string, acked map[string]bool) (swept int) {
	t.Helper()
	db, store, err := crashUploads(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(db.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	known := map[string]bool{}
	for _, p := range stored(t, store) {
		known[p] = true
	}
	for _, p := range listed(t, db) {
		if !known[p] {
			t.Errorf("a record without a file: %q", p)
		}
	}
	swept = must[int](t)(db.SweepMedia(ctx, -time.Hour))
	agree(t, db, store)
	seen := map[string]bool{}
	for _, e := range all(t, must[*siftdb.DataSource](t)(db.DataSource(ctx, 1))) {
		seen[fmt.Sprint(e.ID)] = true
	}
	for id := range acked {
		if !seen[id] {
			t.Errorf("entry %s was acknowledged and is lost", id)
		}
	}
	for _, info := range must[[]siftdb.FileInfo](t)(db.Files().List(ctx, siftdb.FileQuery{})) {
		want := must[[]byte](t)(io.ReadAll(slowFile(info.Name)))
		if got := contentOf(t, db, info.ID); got != string(want) {
			t.Errorf("%s has %d bytes, and not those that were stored", info.Name, len(got))
		}
	}
	if report := must[*siftdb.Report](t)(db.Check(ctx)); report.Err() != nil {
		t.Error(report.Err())
	}
	return swept
}
