package storagetest

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// errDrop is returned by functions whose writes are to be dropped.
var errDrop = errors.New("drop these writes")

func testOwnWrites(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1", "c", "3")
	s.update(func(w writer) {
		w.set("b", "2")
		is(t, "put", w.get("b"), "2")
		w.set("a", "one")
		is(t, "overwritten", w.get("a"), "one")
		w.delete("c")
		is(t, "deleted", w.get("c"), "-")
		equal(t, "scan", w.all(), []string{"a=one", "b=2"})
		equal(t, "reverse", w.scan(nil, nil, true), []string{"b=2", "a=one"})
		w.set("c", "again")
		w.delete("b")
		equal(t, "scan", w.all(), []string{"a=one", "c=again"})
		is(t, "committed value during the update", s.get("a"), "1")
	})
	equal(t, "committed", s.all(), []string{"a=one", "c=again"})
}

func testDroppedWrites(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1", "b", "2")
	own := fmt.Errorf("wrapped: %w", errDrop)
	for range 3 {
		err := s.Update(background, func(w storage.Writer) error {
			writer{reader{w, t}, w}.set("a", "x", "c", "x")
			w.DeleteRange(ks, []byte("b"), nil)
			w.Put("other", []byte("k"), nil)
			return own
		})
		is(t, "error", err, own)
		equal(t, "content", s.all(), []string{"a=1", "b=2"})
		s.view(func(r reader) { equal(t, "other", collect(t, r.Scan("other", nil, nil, false)), nil) })
	}
	is(t, "View's error", s.View(background, func(storage.Reader) error { return own }), own)
	s.set("c", "3")
	equal(t, "content", s.all(), []string{"a=1", "b=2", "c=3"})
}

// testSnapshot commits while a View is open, which must not see it.
func testSnapshot(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 1000
	s.update(func(w writer) {
		for i := range n {
			w.set(key(i), "old")
		}
	})
	s.view(func(r reader) {
		before := r.Scan(ks, nil, nil, false)
		before.Next()
		for i := range 10 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.update(func(w writer) {
					for j := range n / 10 {
						w.set(key(i*n/10+j), "new", key(i*n/10+j)+"+", "new")
					}
					w.delete(key(i))
				})
			}()
			<-done
		}
		is(t, "keys of the walk", 1+len(collect(t, before)), n)
		for _, reverse := range []bool{false, true} {
			c := r.Scan(ks, nil, nil, reverse)
			for i := range n {
				k, v, ok := c.Next()
				if reverse {
					i = n - 1 - i
				}
				if !ok || string(k) != key(i) || string(v) != "old" {
					t.Fatalf("reverse %v: %q=%q, %v, want %s=old", reverse, k, v, ok, key(i))
				}
			}
		}
	})
	is(t, "keys after", len(s.all()), 2*n-10)
}

// testReadersAndWriters checks, under writers that keep a sum, that every View
// sees the same sum throughout.
func testReadersAndWriters(t *testing.T, e Engine) {
	s := open(t, e)
	const accounts, rounds = 20, 60
	s.update(func(w writer) {
		for i := range accounts {
			w.set(key(i), "100")
		}
	})
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	for n := range 4 {
		writers.Go(func() {
			for i := range rounds {
				s.update(func(w writer) {
					from, to := key((i+n)%accounts), key((i*7+n*3+1)%accounts)
					if from == to {
						return
					}
					w.set(from, add(w.get(from), -1))
					w.set(to, add(w.get(to), 1))
				})
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			for !stop.Load() {
				s.view(func(r reader) {
					for range 2 {
						sum := 0
						c := r.Scan(ks, nil, nil, sum%2 == 0)
						for _, v, ok := c.Next(); ok; _, v, ok = c.Next() {
							n, _ := strconv.Atoi(string(v))
							sum += n
						}
						is(t, "sum", sum, 100*accounts)
					}
				})
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

func add(number string, n int) string {
	i, _ := strconv.Atoi(number)
	return strconv.Itoa(i + n)
}

func testPanics(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1")
	for _, value := range []any{"boom", errDrop, fmt.Errorf("as error: %w", errDrop)} {
		err := s.Update(background, func(w storage.Writer) error {
			w.Put(ks, []byte("a"), []byte("x"))
			panic(value)
		})
		var p *storage.PanicError
		if !errors.As(err, &p) || p.Value != value || len(p.Stack) == 0 {
			t.Errorf("Update that panics with %v: %v", value, err)
		}
		if _, ok := value.(error); ok && !errors.Is(err, errDrop) {
			t.Errorf("%v does not unwrap to the panic's error", err)
		}
		func() {
			defer func() { is(t, "panic of a View", recover(), value) }()
			s.View(background, func(storage.Reader) error { panic(value) })
		}()
	}
	err := s.Update(background, func(storage.Writer) error { var p *int; *p = 1; return nil })
	var p *storage.PanicError
	if !errors.As(err, &p) || errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("Update with a nil dereference: %v, want a PanicError", err)
	}
	func() {
		defer func() {
			if _, ok := recover().(runtime.Error); !ok {
				t.Error("a nil dereference in View did not pass through")
			}
		}()
		s.View(background, func(storage.Reader) error { var p *int; *p = 1; return nil })
	}()
	equal(t, "content", s.all(), []string{"a=1"})
	s.set("b", "2")
	equal(t, "content", s.all(), []string{"a=1", "b=2"})
}

// testExit ends the goroutine of the caller inside the functions, as t.FailNow
// does.
func testExit(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1")
	for range 3 {
		done := make(chan struct{}, 2)
		go func() {
			defer func() { done <- struct{}{} }()
			s.Update(background, func(w storage.Writer) error {
				w.Put(ks, []byte("a"), []byte("x"))
				runtime.Goexit()
				return nil
			})
		}()
		go func() {
			defer func() { done <- struct{}{} }()
			s.View(background, func(storage.Reader) error { runtime.Goexit(); return nil })
		}()
		<-done
		<-done
		equal(t, "content", s.all(), []string{"a=1"})
		s.update(func(w writer) { is(t, "in Update", w.get("a"), "1") })
	}
}

// testCounter has eight writers increment one counter.
func testCounter(t *testing.T, e Engine) {
	s := open(t, e)
	const writers, rounds = 8, 50
	var wg sync.WaitGroup
	seen := make([]atomic.Int32, writers*rounds+1)
	for range writers {
		wg.Go(func() {
			last := 0
			for range rounds {
				var n int
				s.update(func(w writer) {
					n, _ = strconv.Atoi(w.get("n"))
					n++
					w.set("n", strconv.Itoa(n))
				})
				seen[n].Add(1)
				if n <= last {
					t.Errorf("counted to %d after %d", n, last)
				}
				last = n
				// What was returned as durable is there to read.
				if now, _ := strconv.Atoi(s.get("n")); now < n {
					t.Errorf("read %d after %d was committed", now, n)
				}
			}
		})
	}
	wg.Wait()
	is(t, "count", s.get("n"), strconv.Itoa(writers*rounds))
	for n := 1; n < len(seen); n++ {
		if seen[n].Load() != 1 {
			t.Errorf("%d callers counted to %d", seen[n].Load(), n)
		}
	}
}

// testErrorsAreOnesOwn runs Updates that fail, panic and succeed side by side.
func testErrorsAreOnesOwn(t *testing.T, e Engine) {
	s := open(t, e)
	const writers, rounds = 12, 20
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range rounds {
				k := fmt.Sprintf("%02d-%02d", n, i)
				own := errors.New(k)
				err := s.Update(background, func(w storage.Writer) error {
					w.Put(ks, []byte(k), nil)
					switch n % 3 {
					case 1:
						return own
					case 2:
						panic(own)
					}
					return nil
				})
				var p *storage.PanicError
				switch {
				case n%3 == 0 && err != nil, n%3 == 1 && err != own,
					n%3 == 2 && !(errors.As(err, &p) && p.Value == own):
					t.Errorf("%s: %v", k, err)
				}
			}
		})
	}
	wg.Wait()
	is(t, "keys", len(s.all()), writers/3*rounds)
}
