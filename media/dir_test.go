package media_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/media"
)

// tree returns what is in a directory, directories with a slash.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, dir)[1:])
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func wantTree(t testing.TB, dir string, want ...string) {
	t.Helper()
	want = append([]string{media.TempDir + "/"}, want...)
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("in the directory are %q, want %q", got, want)
	}
}

func wantCode(t testing.TB, what string, err error, code errs.Code) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: error %v, want one with code %q", what, err, code)
	}
}

// TestDirCodes has errors carry the codes that callers know.
func TestDirCodes(t *testing.T) {
	d := openDir(t, t.TempDir())
	mustPut(t, d, "a/b", nil)
	_, err := d.Put(t.Context(), "a/b", strings.NewReader(""))
	wantCode(t, "Put twice", err, errs.Conflict)
	_, err = d.Get(t.Context(), "a/c")
	wantCode(t, "Get", err, errs.NotFound)
	_, err = d.Get(t.Context(), "../c")
	wantCode(t, "Get of no path", err, errs.InvalidInput)
	for _, below := range []string{"a/b/c", "a/b/c/d", "a/b/c/d/e"} {
		_, err = d.Put(t.Context(), below, strings.NewReader(""))
		wantCode(t, "Put below a file", err, errs.Conflict)
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("Put below a file: %v", err)
		}
		_, err = d.Get(t.Context(), below)
		wantCode(t, "Get below a file", err, errs.NotFound)
	}
	mustPut(t, d, "x/y/z", nil)
	if _, err = d.Put(t.Context(), "x/y", strings.NewReader("")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Put in place of a directory: %v", err)
	}
}

// TestDirTree has directories come and go with their files, and no temporary file
// stay.
func TestDirTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	d := openDir(t, dir)
	wantTree(t, dir)
	mustPut(t, d, "apps/1/a/x", []byte("x"))
	mustPut(t, d, "apps/1/b/y", []byte("y"))
	wantTree(t, dir, "apps/", "apps/1/", "apps/1/a/", "apps/1/a/x", "apps/1/b/", "apps/1/b/y")
	for _, path := range []string{"apps", "apps/1", "apps/1/a"} { // no files
		if err := d.Delete(t.Context(), path); err != nil {
			t.Error(err)
		}
	}
	if err := d.Delete(t.Context(), "apps/1/a/x"); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, "apps/", "apps/1/", "apps/1/b/", "apps/1/b/y")
	if err := d.Delete(t.Context(), "apps/1/b/y"); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir)
	// Somebody tidies up.
	if err := os.Remove(filepath.Join(dir, media.TempDir)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, d, "x", []byte("x"))
	wantTree(t, dir, "x")
}

func TestDirModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := filepath.Join(t.TempDir(), "store")
	d := openDir(t, dir)
	mustPut(t, d, "apps/1/x.sh", []byte("#!/bin/sh"))
	for path, want := range map[string]fs.FileMode{
		"": 0o700, "apps": 0o700, "apps/1": 0o700, media.TempDir: 0o700, "apps/1/x.sh": 0o600,
	} {
		st, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", path, got, want)
		}
	}
}

// TestDirSweep has what unfinished uploads left go when the store is opened.
func TestDirSweep(t *testing.T) {
	dir := t.TempDir()
	openDir(t, dir).Close()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, media.TempDir, fmt.Sprint(i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, media.TempDir, "sub", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	wantTree(t, dir)
	for info, err := range d.List(t.Context()) {
		t.Errorf("List yields %v, %v", info, err)
	}
}

// TestDirTakenOver has a second store of one directory end the uploads of the
// first, with no other harm.
func TestDirTakenOver(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files that are open stay")
	}
	dir := t.TempDir()
	first := openDir(t, dir)
	mustPut(t, first, "a", []byte("a"))
	r := io.MultiReader(bytes.NewReader(make([]byte, 100_000)), readerFunc(func([]byte) (int, error) {
		second := openDir(t, dir)
		mustPut(t, second, "b", []byte("b"))
		return 0, io.EOF
	}))
	if _, err := first.Put(t.Context(), "c", r); err == nil {
		t.Error("the upload succeeds")
	}
	wantTree(t, dir, "a", "b")
	mustPut(t, first, "c", []byte("c"))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestDirForeign has the store take nothing for a file that is none, and lead
// nobody out of its directory.
func TestDirForeign(t *testing.T) {
	base := t.TempDir()
	dir, outside := filepath.Join(base, "store"), filepath.Join(base, "outside")
	if err := os.MkdirAll(filepath.Join(outside, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	mustPut(t, d, "a/x", []byte("x"))
	for name, target := range map[string]string{
		"link": secret, "up": "../outside/secret", "out": outside, "rel": "../outside", "in": "a/x", "loop": "loop", "a/dir": outside,
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	os.WriteFile(filepath.Join(dir, ".DS_Store"), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "bad name "), nil, 0o600)
	before := tree(t, base)
	for _, path := range []string{"link", "up", "out", "rel", "in", "loop", "out/secret", "rel/secret", "a/dir/secret", "a/dir/sub"} {
		if f, err := d.Get(t.Context(), path); err == nil {
			f.Close()
			t.Errorf("Get %q succeeds", path)
		}
		d.Delete(t.Context(), path)
		if _, err := d.Put(t.Context(), path, strings.NewReader("x")); err == nil {
			t.Errorf("Put %q succeeds", path)
		}
	}
	for _, path := range []string{"out/new", "rel/sub/new", "a/dir/new", "loop/new"} {
		if _, err := d.Put(t.Context(), path, strings.NewReader("x")); err == nil {
			t.Errorf("Put %q succeeds", path)
		}
	}
	if after := tree(t, base); !slices.Equal(after, before) {
		t.Errorf("there were %q, now %q", before, after)
	}
	var listed []string
	for info, err := range d.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, info.Path)
	}
	if !slices.Equal(listed, []string{"a/x"}) {
		t.Errorf("List yields %q", listed)
	}
}

// TestDirLinkOutside has the directory of unfinished uploads lead out, and the
// store not follow.
func TestDirLinkOutside(t *testing.T) {
	base := t.TempDir()
	dir, outside := filepath.Join(base, "store"), filepath.Join(base, "outside")
	for _, name := range []string{dir, outside} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(outside, "x"), nil, 0o600)
	if err := os.Symlink(outside, filepath.Join(dir, media.TempDir)); err != nil {
		t.Skip(err)
	}
	if d, err := media.Dir(dir); err == nil {
		d.Close()
		t.Error("Dir succeeds")
	}
	if _, err := os.Stat(filepath.Join(outside, "x")); err != nil {
		t.Error(err)
	}
}

func TestDirCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "x")} {
		if d, err := media.Dir(path); err == nil {
			d.Close()
			t.Errorf("Dir %q succeeds", path)
		} else {
			wantCode(t, "Dir", err, errs.Unavailable)
		}
	}
}

func TestDirClose(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	content := bytes.Repeat([]byte("x"), 100_000)
	mustPut(t, d, "a", content)
	f, err := d.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Closed in the middle of an upload.
	r := io.MultiReader(bytes.NewReader(content), readerFunc(func(p []byte) (int, error) {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		return len(p), nil
	}))
	_, err = d.Put(t.Context(), "b", r)
	wantCode(t, "Put", err, errs.Closed)
	wantTree(t, dir, "a")
	if !d.IsReleased() {
		t.Error("the directory is still held")
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("a file open when the store was closed: error %v", err)
	}
	_, err = d.Put(t.Context(), "c", bytes.NewReader(nil))
	wantCode(t, "Put", err, errs.Closed)
	_, err = d.Get(t.Context(), "a")
	wantCode(t, "Get", err, errs.Closed)
	wantCode(t, "Delete", d.Delete(t.Context(), "a"), errs.Closed)
	for _, err := range d.List(t.Context()) {
		wantCode(t, "List", err, errs.Closed)
	}
}

// TestDirFaults has each step of a Put fail once, in each way. Nothing may stay.
func TestDirFaults(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	mustPut(t, d, "apps/1/a", []byte("kept"))
	content := bytes.Repeat([]byte("x"), 300_000)
	put := func() error {
		_, err := d.Put(t.Context(), "apps/1/new/b", bytes.NewReader(content))
		return err
	}
	var steps []string
	d.SetFault(func(step string) error {
		steps = append(steps, step)
		return nil
	})
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 10 {
		t.Errorf("only the steps %q", steps)
	}
	all := steps
	for i, failing := range all {
		for cause, code := range map[error]errs.Code{syscall.EIO: errs.Unavailable, syscall.ENOSPC: errs.Full} {
			if runtime.GOOS == "windows" && code == errs.Full {
				continue
			}
			d.SetFault(nil)
			if err := d.Delete(t.Context(), "apps/1/new/b"); err != nil {
				t.Fatal(err)
			}
			n := 0
			d.SetFault(func(string) error {
				if n++; n == i+1 {
					return cause
				}
				return nil
			})
			err := put()
			if failing == "link" { // the renaming takes its place
				if err != nil {
					t.Errorf("without links: %v", err)
				}
				continue
			}
			wantCode(t, failing, err, code)
			if !errors.Is(err, cause) {
				t.Errorf("%s: error %v without its cause", failing, err)
			}
			wantTree(t, dir, "apps/", "apps/1/", "apps/1/a")
		}
	}
	d.SetFault(nil)
	if got, err := readAll(t, d, "apps/1/a"); err != nil || string(got) != "kept" {
		t.Errorf("another file: %q, %v", got, err)
	}
}

// TestDirWithoutLinks has a file system that has no hard links.
func TestDirWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	noLinks := func(step string) error {
		if step == "link" {
			return syscall.EPERM
		}
		return nil
	}
	d.SetFault(noLinks)
	mustPut(t, d, "apps/1/a", []byte("first"))
	wantTree(t, dir, "apps/", "apps/1/", "apps/1/a")
	// The path is taken while the second is on its way.
	_, err := d.Put(t.Context(), "apps/1/b", readerFunc(func([]byte) (int, error) {
		mustPut(t, d, "apps/1/b", []byte("quick"))
		return 0, io.EOF
	}))
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("Put over a file: %v", err)
	}
	if got, err := readAll(t, d, "apps/1/b"); err != nil || string(got) != "quick" {
		t.Errorf("the file: %q, %v", got, err)
	}
	wantTree(t, dir, "apps/", "apps/1/", "apps/1/a", "apps/1/b")
	d.SetFault(func(step string) error {
		if step == "rename" {
			return syscall.EIO
		}
		return noLinks(step)
	})
	_, err = d.Put(t.Context(), "apps/2/c", strings.NewReader("x"))
	wantCode(t, "Put", err, errs.Unavailable)
	wantTree(t, dir, "apps/", "apps/1/", "apps/1/a", "apps/1/b")
}

// TestDirDeleteFaults has a Delete fail.
func TestDirDeleteFaults(t *testing.T) {
	d := openDir(t, t.TempDir())
	mustPut(t, d, "a/b", []byte("x"))
	for _, failing := range []string{"remove", "syncdir"} {
		d.SetFault(func(step string) error {
			if step == failing {
				return syscall.EIO
			}
			return nil
		})
		wantCode(t, failing, d.Delete(t.Context(), "a/b"), errs.Unavailable)
	}
	d.SetFault(nil)
	if err := d.Delete(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
}
