package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/media/mediatest"
	"github.com/siftdb/siftdb/storage/memory"
	"github.com/siftdb/siftdb/storage/storagetest"
)

// fileCalls are the calls that concern files, on a database with entry e, which has a
// file, and an empty folder.
var fileCalls = map[string]func(db *siftdb.DB, ds *siftdb.DataSource, e *siftdb.Entry, folder int64) error{
	"insert": func(_ *siftdb.DB, ds *siftdb.DataSource, _ *siftdb.Entry, _ int64) error {
		_, err := ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"), textPart("new column", "x"), filePart("g", "b", "2")))
		return err
	},
	"update": func(_ *siftdb.DB, ds *siftdb.DataSource, e *siftdb.Entry, _ int64) error {
		_, err := ds.UpdateWithFiles(ctx, e.ID, siftdb.FormOf(textPart("_flSchema", `{"f":{"append":true}}`), filePart("f", "c", "3")))
		return err
	},
	"insert as a principal": func(_ *siftdb.DB, ds *siftdb.DataSource, _ *siftdb.Entry, _ int64) error {
		_, err := ds.As(userToken("u")).InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"), textPart("x", "y")))
		return err
	},
	"upload": func(db *siftdb.DB, _ *siftdb.DataSource, _ *siftdb.Entry, _ int64) error {
		_, err := db.Files().UploadForm(ctx, siftdb.FormOf(filePart("f", "a", "1"), filePart("f", "b", "2")))
		return err
	},
	"delete": func(db *siftdb.DB, _ *siftdb.DataSource, e *siftdb.Entry, _ int64) error {
		return db.Files().Delete(ctx, int64(e.Get("fMediaFileId").(float64)))
	},
	"delete a folder": func(db *siftdb.DB, _ *siftdb.DataSource, _ *siftdb.Entry, folder int64) error {
		return db.Files().DeleteFolder(ctx, folder)
	},
	"sweep": func(db *siftdb.DB, _ *siftdb.DataSource, _ *siftdb.Entry, _ int64) error {
		_, err := db.SweepMedia(ctx, 0)
		return err
	},
	"list": func(db *siftdb.DB, _ *siftdb.DataSource, _ *siftdb.Entry, _ int64) error {
		_, err := db.Files().List(ctx, siftdb.FileQuery{})
		return err
	},
	"open": func(db *siftdb.DB, _ *siftdb.DataSource, e *siftdb.Entry, _ int64) error {
		f, _, err := db.Files().Open(ctx, int64(e.Get("fMediaFileId").(float64)))
		if err == nil {
			_, err = io.ReadAll(f)
			err = errors.Join(err, f.Close())
		}
		return err
	},
}

// faultySite is a database whose storage and whose store of files fail when told to.
type faultySite struct {
	db     *siftdb.DB
	ds     *siftdb.DataSource
	e      *siftdb.Entry
	folder int64
	store  media.Store // below the faults
	rows   *storagetest.Faults
	files  *mediatest.Faults
}

func newFaultySite(t *testing.T) *faultySite {
	t.Helper()
	s := &faultySite{store: media.Memory()}
	storage, rows := storagetest.Faulty(memory.New())
	faulty, files := mediatest.Faulty(s.store)
	s.rows, s.files = rows, files
	s.db = must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, storage, &siftdb.Options{Media: faulty}))
	t.Cleanup(func() { s.db.Close() })
	s.ds = fileTable(t, s.db, `[{"type": ["insert", "select"], "allow": "loggedIn"}]`)
	s.e = must[*siftdb.Entry](t)(s.ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "old", "0"))))
	s.folder = must[siftdb.FolderInfo](t)(s.db.Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "F"})).ID
	return s
}

// sound makes sure that every reference in an entry leads to a record, and every record
// to a file, and, after a sweep, every file to a record.
func (s *faultySite) sound(t *testing.T, failed string, exact bool) {
	t.Helper()
	if exact {
		agree(t, s.db, s.store)
	} else if _, err := s.db.SweepMedia(ctx, -time.Hour); err != nil {
		t.Errorf("%s: %v", failed, err)
	}
	agree(t, s.db, s.store)
	for _, e := range must[[]*siftdb.Entry](t)(s.ds.Find(ctx, siftdb.Query{})) {
		for _, column := range []string{"f", "g"} {
			ids, ok := e.Get(column + "MediaFileId").([]any)
			if id := e.Get(column + "MediaFileId"); !ok && id != nil {
				ids = []any{id}
			}
			for _, id := range ids {
				if _, err := s.db.Files().Get(ctx, int64(id.(float64))); err != nil && !strings.HasPrefix(failed, "delete") {
					t.Errorf("%s: file %v of entry %d: %v", failed, id, e.ID, err)
				}
			}
		}
	}
	if report := must[*siftdb.Report](t)(s.db.Check(ctx)); report.Err() != nil {
		t.Errorf("%s: %v", failed, report.Err())
	}
}

// TestFileFaults has every call of the storage, and every one of the store of files, fail
// once: the call happens as a whole or not at all, and leaves no file behind.
func TestFileFaults(t *testing.T) {
	for name, call := range fileCalls {
		t.Run(name, func(t *testing.T) {
			s := newFaultySite(t)
			s.rows.Arm(storagetest.Fault{})
			s.files.Arm(mediatest.Fault{})
			if err := call(s.db, s.ds, s.e, s.folder); err != nil {
				t.Fatal(err)
			}
			rows, files := s.rows.Calls(), s.files.Calls()
			s.sound(t, name, true)
			for n := 1; n <= rows; n++ {
				for _, mode := range []storagetest.Mode{storagetest.NotApplied, storagetest.UnknownApplied, storagetest.UnknownNotApplied} {
					s := newFaultySite(t)
					before := len(stored(t, s.store))
					s.rows.Arm(storagetest.Fault{Call: n, Mode: mode})
					err := call(s.db, s.ds, s.e, s.folder)
					s.rows.Arm(storagetest.Fault{})
					what := fmt.Sprintf("%s, call %d of the storage fails with %v", name, n, mode)
					unknown := errors.Is(err, siftdb.ErrUnknownOutcome)
					if unknown {
						if len(stored(t, s.store)) < before {
							t.Errorf("%s: files were deleted", what)
						}
						s.rows.Reopen()
						continue // what is left is swept after the next start
					}
					if err == nil && s.rows.Hits() > 0 {
						t.Errorf("%s: no error", what)
					}
					s.sound(t, what, true)
				}
			}
			for n := 1; n <= files; n++ {
				for _, mode := range []mediatest.Mode{mediatest.NotApplied, mediatest.Applied} {
					s := newFaultySite(t)
					s.files.Arm(mediatest.Fault{Call: n, Mode: mode})
					err := call(s.db, s.ds, s.e, s.folder)
					s.files.Arm(mediatest.Fault{})
					what := fmt.Sprintf("%s, call %d of the store fails in mode %d", name, n, mode)
					if err != nil && !errors.Is(err, mediatest.ErrInjected) {
						t.Errorf("%s: %v", what, err)
					}
					s.sound(t, what, name != "delete")
				}
			}
			// A store that fails for good: only a sweep can clean up then.
			for n := 1; n <= files; n++ {
				s := newFaultySite(t)
				s.files.Arm(mediatest.Fault{Call: n, Mode: mediatest.Applied, Sticky: true})
				_ = call(s.db, s.ds, s.e, s.folder)
				s.files.Arm(mediatest.Fault{})
				s.sound(t, name, false)
			}
		})
	}
}

// TestUnknownOutcome: files of a write that may have been applied are not touched, not
// even by a sweep of this process.
func TestUnknownOutcome(t *testing.T) {
	s := newFaultySite(t)
	s.rows.Arm(storagetest.Fault{})
	if err := fileCalls["insert"](s.db, s.ds, s.e, 0); err != nil {
		t.Fatal(err)
	}
	last := s.rows.Calls()
	for _, mode := range []storagetest.Mode{storagetest.UnknownApplied, storagetest.UnknownNotApplied} {
		s := newFaultySite(t)
		s.rows.Arm(storagetest.Fault{Call: last, Mode: mode})
		if err := fileCalls["insert"](s.db, s.ds, s.e, 0); !errors.Is(err, siftdb.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		s.rows.Arm(storagetest.Fault{})
		if n := len(stored(t, s.store)); n != 3 {
			t.Errorf("%v: %d files", mode, n)
		}
		s.rows.Reopen()
		if n := must[int](t)(s.db.SweepMedia(ctx, -time.Hour)); n != 0 || len(stored(t, s.store)) != 3 {
			t.Errorf("%v: %d files swept", mode, n)
		}
	}
}

// TestSweep deletes what is old and not known, and nothing else.
func TestSweep(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	put := func() {
		t.Helper()
		if _, err := store.Put(ctx, media.NewPath(nil, nil, "orphan"), strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if n := must[int](t)(db.SweepMedia(ctx, -time.Hour)); n != 0 {
		t.Errorf("a database without files deleted %d", n)
	}
	ds := fileTable(t, db, `[]`)
	e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"))))
	if n := must[int](t)(db.SweepMedia(ctx, time.Hour)); n != 0 {
		t.Errorf("%d young files deleted", n)
	}
	// An upload that is under way is safe.
	form := siftdb.FormOf(filePart("f", "a", "1"), siftdb.Part{Name: "g", FileName: "b", Content: io.MultiReader(strings.NewReader("x"), sweeping{t, db, 1})})
	must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, form))
	agree(t, db, store)
	put()
	put()
	if n := must[int](t)(db.SweepMedia(ctx, -time.Hour)); n != 2 {
		t.Errorf("%d files deleted, want 2", n)
	}
	agree(t, db, store)
	if got := contentOf(t, db, fileID(t, e, "f")); got != "1" {
		t.Errorf("content %q", got)
	}
	if _, err := db.As(userToken("u")).SweepMedia(ctx, 0); !errors.Is(err, siftdb.ErrForbidden) {
		t.Error(err)
	}
}

// sweeping is a reader that sweeps when it is read.
type sweeping struct {
	t    *testing.T
	db   *siftdb.DB
	want int
}

func (s sweeping) Read([]byte) (int, error) {
	if n, err := s.db.SweepMedia(ctx, -time.Hour); n != s.want || err != nil {
		s.t.Errorf("%d files deleted, %v", n, err)
	}
	return 0, io.EOF
}

// TestForkedFiles: neither of two databases that share a store takes files from the other.
func TestForkedFiles(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[]`)
	e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"))))
	fork := must[*siftdb.DB](t)(db.Fork())
	checked(t, fork)
	id := fileID(t, e, "f")
	if err := fork.Files().Delete(ctx, id); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, db, id); got != "1" || len(stored(t, store)) != 1 {
		t.Errorf("content %q", got)
	}
	if _, err := fork.SweepMedia(ctx, -time.Hour); !errors.Is(err, siftdb.ErrReadOnly) {
		t.Error(err)
	}
}

// TestCanceledUpload: an upload that its caller gives up leaves nothing.
func TestCanceledUpload(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[]`)
	gone, cancel := context.WithCancel(ctx)
	form := siftdb.FormOf(filePart("f", "a", "1"), siftdb.Part{Name: "g", FileName: "b", Content: canceling{cancel}})
	if _, err := ds.InsertWithFiles(gone, form); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	agree(t, db, store)
	func() {
		defer func() { _ = recover() }()
		_, _ = ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"), siftdb.Part{Name: "g", FileName: "b", Content: canceling{nil}}))
		t.Error("no panic")
	}()
	agree(t, db, store)
}

// canceling is a reader that ends a context, or panics without one.
type canceling struct{ cancel context.CancelFunc }

func (c canceling) Read(p []byte) (int, error) {
	c.cancel()
	return len(p), nil
}

// TestConcurrentAppends: files that several updates add to one column at once are all
// there in the end, or their update fails as overtaken.
func TestConcurrentAppends(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[]`)
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 8 {
		wg.Go(func() {
			form := siftdb.FormOf(textPart("_flSchema", `{"f":{"append":true}}`), filePart("f[]", fmt.Sprint(i), "x"))
			_, err := ds.UpdateWithFiles(ctx, e.ID, form)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !isConflict(err) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	urls, _ := must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)).Get("f").([]any)
	if len(urls) != done || done == 0 {
		t.Errorf("%d updates, and %d files", done, len(urls))
	}
	agree(t, db, store)
}

// TestLargeUpload: a file of 64 MiB passes through without being held in memory.
func TestLargeUpload(t *testing.T) {
	dir := must[*media.DirStore](t)(media.Dir(t.TempDir()))
	defer dir.Close()
	db, _ := mediaDB(t, siftdb.Options{Media: dir, MediaKey: make([]byte, 32)})
	ds := fileTable(t, db, `[{"type": ["insert"], "allow": "all", "require": ["late"]}]`)
	for name, insert := range map[string]func(siftdb.Form) (*siftdb.Entry, error){
		"straight":  func(f siftdb.Form) (*siftdb.Entry, error) { return ds.InsertWithFiles(ctx, f) },
		"kept back": func(f siftdb.Form) (*siftdb.Entry, error) { return ds.As(userToken("u")).InsertWithFiles(ctx, f) },
	} {
		peak := &heapWatch{left: 64 << 20}
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		must[*siftdb.Entry](t)(insert(siftdb.FormOf(siftdb.Part{Name: "f", FileName: "big", Content: peak}, textPart("late", "x"))))
		if grown := int64(peak.most) - int64(before.HeapAlloc); grown > 8<<20 {
			t.Errorf("%s: the heap grew by %d bytes", name, grown)
		}
		files := must[[]siftdb.FileInfo](t)(db.Files().List(ctx, siftdb.FileQuery{}))
		if n := len(files); files[n-1].Bytes != 64<<20 {
			t.Errorf("%s: %d bytes", name, files[n-1].Bytes)
		}
	}
}

// heapWatch gives bytes, and notes the largest heap that it sees.
type heapWatch struct {
	left, reads int
	most        uint64
}

func (h *heapWatch) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	if h.reads++; h.reads%256 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.most = max(h.most, m.HeapAlloc)
	}
	n := min(len(p), h.left)
	clear(p[:n])
	h.left -= n
	return n, nil
}
