package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/siftdb/siftdb/media"
)

func testEmpty(t *testing.T, e Engine) {
	s := e.Open(t)
	lacks(t, s, "apps/1/a/x.txt")
	holds(t, s, nil)
	if err := s.Delete(background, "apps/1/a/x.txt"); err != nil {
		t.Errorf("Delete of what is not there: %v", err)
	}
}

// sizes are around those at which a store may change its ways.
var sizes = []int{
	0, 1, 2, 15, 16, 17, 511, 512, 513, 4095, 4096, 4097, 32 << 10,
	64<<10 - 17, 64<<10 - 16, 64<<10 - 1, 64 << 10, 64<<10 + 1, 64<<10 + 16,
	128<<10 - 1, 128 << 10, 128<<10 + 1, 192 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1,
	512 << 10, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 12345,
}

func testSizes(t *testing.T, e Engine) {
	s := e.Open(t)
	files := map[string][]byte{}
	for i, size := range sizes {
		path := fmt.Sprintf("apps/7/%d/file", size)
		files[path] = bytesOf(i, size)
		put(t, s, path, files[path])
	}
	holds(t, s, files)
	for path, content := range files {
		if len(content) > 300<<10 {
			continue
		}
		f, err := s.Get(background, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(f, content); err != nil {
			t.Errorf("%q: %v", path, err)
		}
		f.Close()
	}
}

func testPaths(t *testing.T, e Engine) {
	s := e.Open(t)
	files := map[string][]byte{}
	for i, path := range []string{
		"x", "a/b", "a/c", "apps/2/0123456789abcdef/foo.jpg", "organizations/-5/x/y",
		"p/My holiday (1) & more.jpeg", "p/100% #1 a+b=c;d,e'f.txt", "p/é€𝄞 日本語.txt",
		"p/" + strings.Repeat("n", 255), "p/" + strings.Repeat("é", 127), "p/a.tar.gz", "p/~$x.docx",
		"p/-rf", "p/%2e%2e%2fetc", "p/a\u0301",
		strings.TrimSuffix(strings.Repeat("deep/", 60), "/"),
	} {
		files[path] = bytesOf(i, 10+i)
		put(t, s, path, files[path])
	}
	holds(t, s, files)
	// What is a directory to some is nothing.
	for _, path := range []string{"a", "p", "apps", "apps/2"} {
		lacks(t, s, path)
		if err := s.Delete(background, path); err != nil {
			t.Errorf("Delete %q: %v", path, err)
		}
	}
	// So is what would be below a file.
	lacks(t, s, "x/below")
	if err := s.Delete(background, "x/below"); err != nil {
		t.Errorf("Delete below a file: %v", err)
	}
	holds(t, s, files)
}

func testBadPaths(t *testing.T, e Engine) {
	s := e.Open(t)
	put(t, s, "a/b", []byte("ab"))
	for _, path := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "a/..", "../a", "a/../b", "a/../../b", "/etc/passwd",
		`a\b`, `..\a`, "C:/a", "C:a", "a:b", "a\x00b", "a\nb", "a/b\xff", ".hidden", "a/.hidden", "a/b.", "a/b ", "a/ b",
		"NUL", "a/con.txt", "a/com1", ".uploads/x", "a/b*", "a/b?", "a/<b>", "a/\u202eb",
		strings.Repeat("n", 256), strings.TrimSuffix(strings.Repeat("deep/", 300), "/"),
	} {
		_, err := s.Put(background, path, strings.NewReader("x"))
		wantInvalid(t, "Put", path, err)
		f, err := s.Get(background, path)
		if err == nil {
			f.Close()
		}
		wantInvalid(t, "Get", path, err)
		wantInvalid(t, "Delete", path, s.Delete(background, path))
	}
	holds(t, s, map[string][]byte{"a/b": []byte("ab")})
}

func wantInvalid(t *testing.T, what, path string, err error) {
	t.Helper()
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%s %q: error %v, want fs.ErrInvalid", what, path, err)
	}
}

func testNoOverwrite(t *testing.T, e Engine) {
	s := e.Open(t)
	first := bytesOf(1, 100_000)
	put(t, s, "a/b", first)
	for _, second := range [][]byte{nil, first, bytesOf(2, 200_000)} {
		if _, err := s.Put(background, "a/b", bytes.NewReader(second)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second Put: error %v, want fs.ErrExist", err)
		}
		holds(t, s, map[string][]byte{"a/b": first})
	}
}

func testDelete(t *testing.T, e Engine) {
	s := e.Open(t)
	files := map[string][]byte{"a/1/x": []byte("1"), "a/2/x": []byte("2"), "a/2/y": []byte("3"), "b": nil}
	for path, content := range files {
		put(t, s, path, content)
	}
	for _, path := range []string{"a/2/x", "a/2/y", "a/1/x", "b"} {
		for range 2 {
			if err := s.Delete(background, path); err != nil {
				t.Fatalf("Delete %q: %v", path, err)
			}
			lacks(t, s, path)
		}
		delete(files, path)
		holds(t, s, files)
	}
	put(t, s, "a/2/x", []byte("again")) // the path is free
	holds(t, s, map[string][]byte{"a/2/x": []byte("again")})
}

func testDeleteOpen(t *testing.T, e Engine) {
	s := e.Open(t)
	content := bytesOf(3, 1<<20)
	put(t, s, "a/b", content)
	f, err := s.Get(background, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 1000)
	if _, err := io.ReadFull(f, got); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(background, "a/b"); err != nil {
		t.Fatalf("Delete of an open file: %v", err)
	}
	lacks(t, s, "a/b")
	put(t, s, "a/b", []byte("another"))
	rest, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(append(got, rest...), content) {
		t.Errorf("a file open when it was deleted: %d bytes, error %v", len(rest), err)
	}
}

func testList(t *testing.T, e Engine) {
	s := e.Open(t)
	files := map[string][]byte{}
	for i := range 300 {
		path := fmt.Sprintf("apps/%d/%d/file", i%3, i)
		files[path] = bytesOf(i, i)
		put(t, s, path, files[path])
	}
	holds(t, s, files)
	n := 0
	for _, err := range s.List(background) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 5 {
			break
		}
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	n = 0
	var last error
	for _, err := range s.List(ctx) {
		last = err
		if n++; n == 5 {
			cancel()
		}
		if n > 290 {
			break
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("List with a context that ended: %d files, then error %v", n, last)
	}
}

func testListWhileDeleting(t *testing.T, e Engine) {
	s := e.Open(t)
	for i := range 100 {
		put(t, s, fmt.Sprintf("apps/%d/%d/file", i%3, i), nil)
	}
	for range 100 { // a store may skip some files, but not all
		for info, err := range s.List(background) {
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(background, info.Path); err != nil {
				t.Fatal(err)
			}
		}
		if len(list(t, s)) == 0 {
			return
		}
	}
	t.Error("deleting what List yields does not come to an end")
}

func testSeek(t *testing.T, e Engine) {
	s := e.Open(t)
	for _, size := range []int{0, 1, 64 << 10, 300_000} {
		path := fmt.Sprintf("f/%d", size)
		content := bytesOf(4, size)
		put(t, s, path, content)
		f, err := s.Get(background, path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		seeker, ok := f.(io.Seeker)
		if !ok {
			t.Skip("files are no io.Seekers")
		}
		for i := range 200 {
			from := i * 7919 % (size + 1)
			n := min(i*613%100_000, size-from)
			pos, err := seekBy(seeker, i, from, size)
			if err != nil || pos != int64(from) {
				t.Fatalf("Seek to %d: at %d, error %v", from, pos, err)
			}
			got := make([]byte, n)
			if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, content[from:from+n]) {
				t.Fatalf("reading %d bytes from %d of %d: error %v, or others", n, from, size, err)
			}
		}
		badSeeks(t, f, seeker, size)
	}
}

// seekBy goes to a place in one of three ways.
func seekBy(s io.Seeker, way, to, size int) (int64, error) {
	switch way % 3 {
	case 0:
		return s.Seek(int64(to), io.SeekStart)
	case 1:
		return s.Seek(int64(to-size), io.SeekEnd)
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	return s.Seek(int64(to)-at, io.SeekCurrent)
}

func badSeeks(t *testing.T, f media.File, s io.Seeker, size int) {
	t.Helper()
	if _, err := s.Seek(int64(size), io.SeekStart); err != nil {
		t.Errorf("Seek to the end: %v", err)
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek to before the start succeeds")
	}
	if _, err := s.Seek(0, 99); err == nil {
		t.Error("Seek from nowhere succeeds")
	}
	if n, err := f.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end: %d bytes, error %v", n, err)
	}
	if _, err := s.Seek(1<<40, io.SeekStart); err != nil {
		t.Errorf("Seek to beyond the end: %v", err)
	}
	if n, err := f.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("Read beyond the end: %d bytes, error %v", n, err)
	}
}

func testClosedFile(t *testing.T, e Engine) {
	s := e.Open(t)
	put(t, s, "a/b", bytesOf(5, 200_000))
	f, err := s.Get(background, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if n, err := f.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("Read after Close: %d bytes, error %v", n, err)
	}
}

func testReopen(t *testing.T, e Engine) {
	if e.Reopen == nil {
		t.Skip("the store keeps nothing")
	}
	s := e.Open(t)
	files := map[string][]byte{"a/b": bytesOf(6, 100_000), "a/c": nil, "apps/1/ab/x y.txt": []byte("x")}
	for path, content := range files {
		put(t, s, path, content)
	}
	put(t, s, "a/d", nil)
	if err := s.Delete(background, "a/d"); err != nil {
		t.Fatal(err)
	}
	s = e.Reopen(t, s)
	holds(t, s, files)
	if _, err := s.Put(background, "a/b", strings.NewReader("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Put over a file of before: error %v, want fs.ErrExist", err)
	}
	put(t, s, "a/d", []byte("again"))
}
