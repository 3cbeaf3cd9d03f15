package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/siftdb/siftdb/media"
)

// readerFunc is a reader that is a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func testReaders(t *testing.T, e Engine) {
	content := bytesOf(10, 150_000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"OneByte":  iotest.OneByteReader,
		"Half":     iotest.HalfReader,
		"DataErr":  iotest.DataErrReader,
		"WriterTo": func(r io.Reader) io.Reader { return bytes.NewBuffer(bytes.Clone(content)) },
		"Empty":    emptyReads,
		"Slow":     slowReads,
	} {
		t.Run(name, func(t *testing.T) {
			s := e.Open(t)
			info, err := s.Put(background, "a/b", wrap(bytes.NewReader(content)))
			if err != nil {
				t.Fatal(err)
			}
			checkInfo(t, "Put", info, "a/b", len(content))
			holds(t, s, map[string][]byte{"a/b": content})
		})
	}
}

// emptyReads gives nothing in two reads of three.
func emptyReads(r io.Reader) io.Reader {
	i := 0
	return readerFunc(func(p []byte) (int, error) {
		if i++; i%3 != 0 {
			return 0, nil
		}
		return r.Read(p)
	})
}

// slowReads takes a while for each read.
func slowReads(r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		time.Sleep(2 * time.Millisecond)
		return r.Read(p[:min(len(p), 4000)])
	})
}

var errCut = errors.New("mediatest: the connection is gone")

func testFailingReaders(t *testing.T, e Engine) {
	s := e.Open(t)
	kept := map[string][]byte{"a/kept": bytesOf(11, 1000)}
	put(t, s, "a/kept", kept["a/kept"])
	content := bytesOf(12, 300_000)
	for _, cause := range []error{errCut, io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF), fs.ErrExist} {
		for _, n := range []int{0, 1, 511, 4096, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 256 << 10, len(content)} {
			cut := io.MultiReader(bytes.NewReader(content[:n]), iotest.ErrReader(cause))
			_, err := s.Put(background, "a/cut", cut)
			if !errors.Is(err, cause) {
				t.Errorf("cut off after %d bytes: error %v, want %v in it", n, err, cause)
			}
			lacks(t, s, "a/cut")
			// The error comes with the last bytes.
			_, err = s.Put(background, "a/cut", iotest.DataErrReader(cut2(content[:n], cause)))
			if !errors.Is(err, cause) {
				t.Errorf("cut off with byte %d: error %v, want %v in it", n, err, cause)
			}
			lacks(t, s, "a/cut")
		}
	}
	holds(t, s, kept)
	if _, err := s.Put(background, "a/cut", readerFunc(func([]byte) (int, error) { return 0, nil })); err == nil {
		t.Error("a reader that gives nothing makes a file")
	}
	holds(t, s, kept)
	kept["a/cut"] = content
	put(t, s, "a/cut", content) // the path is still free
	holds(t, s, kept)
}

// cut2 gives content and then an error.
func cut2(content []byte, cause error) io.Reader {
	return io.MultiReader(bytes.NewReader(content), iotest.ErrReader(cause))
}

func testPanic(t *testing.T, e Engine) {
	s := e.Open(t)
	content := bytes.NewReader(bytesOf(13, 100_000))
	func() {
		defer func() {
			if r := recover(); r != "on purpose" {
				t.Errorf("the panic of a reader became %v", r)
			}
		}()
		s.Put(background, "a/b", io.MultiReader(content, readerFunc(func([]byte) (int, error) { panic("on purpose") })))
	}()
	holds(t, s, nil)
	put(t, s, "a/b", []byte("after"))
}

func testContext(t *testing.T, e Engine) {
	s := e.Open(t)
	put(t, s, "a/b", []byte("x"))
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := s.Put(ctx, "a/c", bytes.NewReader(nil))
	wantCanceled(t, "Put", err)
	_, err = s.Get(ctx, "a/b")
	wantCanceled(t, "Get", err)
	wantCanceled(t, "Delete", s.Delete(ctx, "a/b"))
	for _, err := range s.List(ctx) {
		wantCanceled(t, "List", err)
	}
	holds(t, s, map[string][]byte{"a/b": []byte("x")})
}

func wantCanceled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s with a context that ended: error %v", what, err)
	}
}

func testContextInPut(t *testing.T, e Engine) {
	s := e.Open(t)
	for _, n := range []int{0, 1, 10_000, 64 << 10, 200_000} {
		ctx, cancel := context.WithCancel(background)
		r := bytes.NewReader(bytesOf(14, n))
		_, err := s.Put(ctx, "a/b", readerFunc(func(p []byte) (int, error) {
			m, err := r.Read(p)
			if r.Len() == 0 {
				cancel() // with the last bytes, or with the end
			}
			return m, err
		}))
		wantCanceled(t, fmt.Sprintf("Put of %d bytes", n), err)
		holds(t, s, nil)
		cancel()
	}
	// Without an end, only the context ends it.
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	endless := stream(15)
	_, err := s.Put(ctx, "a/b", readerFunc(func(p []byte) (int, error) {
		time.Sleep(time.Millisecond)
		return endless.Read(p[:min(len(p), 1000)])
	}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put without an end: error %v", err)
	}
	holds(t, s, nil)
}

func testContextInRead(t *testing.T, e Engine) {
	s := e.Open(t)
	put(t, s, "a/b", bytesOf(16, 1<<20))
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	f, err := s.Get(ctx, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	cancel()
	// A file may have read some ahead.
	_, err = io.Copy(io.Discard, f)
	wantCanceled(t, "Read", err)
}

func testOnePathAtOnce(t *testing.T, e Engine) {
	s := e.Open(t)
	for round := range 10 {
		path := fmt.Sprintf("a/%d/b", round)
		var won sync.Map
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				content := bytesOf(i, 10_000+i)
				_, err := s.Put(background, path, slowly(content))
				if err == nil {
					won.Store(i, content)
				} else if !errors.Is(err, fs.ErrExist) {
					t.Errorf("Put: error %v, want fs.ErrExist", err)
				}
			})
		}
		wg.Wait()
		winners := 0
		won.Range(func(_, content any) bool {
			winners++
			has(t, s, path, content.([]byte))
			return true
		})
		if winners != 1 {
			t.Fatalf("%d puts for one path succeeded", winners)
		}
	}
}

// slowly gives content in parts, and lets others run in between.
func slowly(content []byte) io.Reader {
	r := bytes.NewReader(content)
	return readerFunc(func(p []byte) (int, error) {
		runtime.Gosched()
		return r.Read(p[:min(len(p), 1000)])
	})
}

func testManyPathsAtOnce(t *testing.T, e Engine) {
	s := e.Open(t)
	files := map[string][]byte{}
	for i := range 64 {
		files[fmt.Sprintf("apps/%d/%d/x", i%2, i)] = bytesOf(i, i*2500)
	}
	var wg sync.WaitGroup
	for path, content := range files {
		wg.Go(func() {
			if _, err := s.Put(background, path, slowly(content)); err != nil {
				t.Errorf("Put %q: %v", path, err)
				return
			}
			has(t, s, path, content)
		})
	}
	wg.Wait()
	holds(t, s, files)
}

// testNeighboursComeAndGo has files come and go in one place, where directories may
// come and go with them.
func testNeighboursComeAndGo(t *testing.T, e Engine) {
	s := e.Open(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			path := fmt.Sprintf("apps/1/same/%d", i)
			for j := range 50 {
				content := bytesOf(j, 100)
				if _, err := s.Put(background, path, bytes.NewReader(content)); err != nil {
					t.Errorf("Put %q: %v", path, err)
					return
				}
				has(t, s, path, content)
				if err := s.Delete(background, path); err != nil {
					t.Errorf("Delete %q: %v", path, err)
				}
			}
		})
	}
	wg.Wait()
	holds(t, s, nil)
}

const (
	largeSize = 64 << 20
	// largeHeap is how much more memory may be in use while a large file passes.
	largeHeap = 4 << 20
)

func testLarge(t *testing.T, e Engine) {
	s := e.Open(t)
	limit := uint64(largeHeap)
	if e.InMemory {
		limit += largeSize
	}
	before := heap()
	peak := before
	watch := func(r io.Reader) io.Reader {
		var total, looked int64
		return readerFunc(func(p []byte) (int, error) {
			n, err := r.Read(p)
			if total += int64(n); total-looked >= largeSize/8 {
				looked = total
				peak = max(peak, heap())
			}
			return n, err
		})
	}
	info, err := s.Put(background, "a/large", watch(io.LimitReader(stream(20), largeSize)))
	if err != nil {
		t.Fatal(err)
	}
	checkInfo(t, "Put", info, "a/large", largeSize)
	f, err := s.Get(background, "a/large")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := sameAs(watch(f), stream(20)); n != largeSize {
		t.Errorf("a file of %d bytes is others after %d", largeSize, n)
	}
	if peak > before+limit {
		t.Errorf("%d bytes of memory in use before a file of %d bytes, %d during", before, largeSize, peak)
	}
	large := checkLarge(s, f.Info())
	if large != nil {
		t.Error(large)
	}
}

// checkLarge checks that List tells of the large file what Get told.
func checkLarge(s media.Store, want media.Info) error {
	for info, err := range s.List(background) {
		if err != nil {
			return err
		}
		if info.Path != want.Path || info.Size != want.Size {
			return fmt.Errorf("List tells %+v, Get told %+v", info, want)
		}
	}
	return nil
}

// sameAs returns how many bytes of r are those of want.
func sameAs(r, want io.Reader) (n int) {
	a, b := make([]byte, 100_000), make([]byte, 100_000)
	for {
		m, err := r.Read(a)
		io.ReadFull(want, b[:m])
		if !bytes.Equal(a[:m], b[:m]) {
			return n
		}
		n += m
		if err == io.EOF {
			return n
		}
		if err != nil {
			return -1
		}
	}
}

// heap returns how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
