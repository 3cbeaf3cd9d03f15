package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
)

func testContext(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1")
	ended, cancel := context.WithCancel(background)
	cancel()
	late, cancelLate := context.WithDeadline(background, time.Unix(1, 0))
	defer cancelLate()
	for ctx, want := range map[context.Context]error{ended: context.Canceled, late: context.DeadlineExceeded} {
		err := s.View(ctx, func(storage.Reader) error { t.Error("View ran"); return nil })
		if !errors.Is(err, want) {
			t.Errorf("View: %v, want %v", err, want)
		}
		err = s.Update(ctx, func(storage.Writer) error { t.Error("Update ran"); return nil })
		if !errors.Is(err, want) {
			t.Errorf("Update: %v, want %v", err, want)
		}
	}
	// A context that ends while the function runs changes nothing.
	ctx, cancel := context.WithCancel(background)
	err := s.Update(ctx, func(w storage.Writer) error {
		cancel()
		return w.Put(ks, []byte("a"), []byte("2"))
	})
	if err != nil {
		t.Errorf("Update whose context ended within: %v", err)
	}
	ctx, cancel = context.WithCancel(background)
	err = s.View(ctx, func(r storage.Reader) error {
		cancel()
		_, err := r.Get(ks, []byte("a"))
		return err
	})
	if err != nil {
		t.Errorf("View whose context ended within: %v", err)
	}
}

// testContextWhileWaiting ends the context of an Update that waits for another.
func testContextWhileWaiting(t *testing.T, e Engine) {
	s := open(t, e)
	running, proceed := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		announced := false
		first <- s.Update(background, func(w storage.Writer) error {
			if !announced {
				announced = true
				close(running)
				<-proceed
			}
			return w.Put(ks, []byte("first"), nil)
		})
	}()
	<-running
	ctx, cancel := context.WithCancel(background)
	second, third := make(chan error, 1), make(chan error, 1)
	go func() {
		second <- s.Update(ctx, func(w storage.Writer) error { return w.Put(ks, []byte("second"), nil) })
	}()
	go func() {
		third <- s.Update(background, func(w storage.Writer) error { return w.Put(ks, []byte("third"), nil) })
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	select {
	case err := <-second:
		is(t, "Update whose context ended while it waited", err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Error("Update does not notice that its context ended")
	}
	close(proceed)
	is(t, "the first Update", <-first, nil)
	is(t, "the third Update", <-third, nil)
	equal(t, "content", s.all(), []string{"first=", "third="})
}

func testClose(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1")
	for range 3 {
		is(t, "Close", s.Close(), nil)
		err := s.View(background, func(storage.Reader) error { t.Error("View ran"); return nil })
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("View: %v, want ErrClosed", err)
		}
		err = s.Update(background, func(storage.Writer) error { t.Error("Update ran"); return nil })
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("Update: %v, want ErrClosed", err)
		}
		if f, ok := s.Storage.(storage.Forker); ok {
			if _, err := f.Fork(); !errors.Is(err, storage.ErrClosed) {
				t.Errorf("Fork: %v, want ErrClosed", err)
			}
		}
		if f, ok := s.Storage.(storage.Sizer); ok {
			if _, err := f.Size(); !errors.Is(err, storage.ErrClosed) {
				t.Errorf("Size: %v, want ErrClosed", err)
			}
		}
	}
}

func testCloseWaits(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("a", "1")
	inside, proceed := make(chan struct{}, 2), make(chan struct{})
	results := make(chan error, 2)
	go func() {
		results <- s.View(background, func(r storage.Reader) error {
			inside <- struct{}{}
			<-proceed
			v, err := r.Get(ks, []byte("a"))
			is(t, "read while Close waits", string(v), "1")
			return err
		})
	}()
	go func() {
		announced := false
		results <- s.Update(background, func(w storage.Writer) error {
			if !announced {
				announced = true
				inside <- struct{}{}
				<-proceed
			}
			return w.Put(ks, []byte("b"), []byte("2"))
		})
	}()
	<-inside
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		t.Error("Close did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(proceed)
	// Under Twice the second run may begin after Close was called.
	if err := errors.Join(<-results, <-results); err != nil && !errors.Is(err, storage.ErrClosed) {
		t.Errorf("calls that ran: %v", err)
	}
	is(t, "Close", <-closed, nil)
}

// testReopen checks that all that was committed is there after reopening.
func testReopen(t *testing.T, e Engine) {
	if e.Reopen == nil {
		t.Skip("the engine keeps nothing")
	}
	s := open(t, e)
	var want []string
	for round := range 4 {
		s.update(func(w writer) {
			for i := range 300 {
				w.set(key(1000*round+i), "v")
			}
		})
		for i := range 300 {
			want = append(want, key(1000*round+i)+"=v")
		}
		s.Update(background, func(w storage.Writer) error {
			w.DeleteRange(ks, nil, nil)
			return errDrop
		})
		if round == 2 {
			s.update(func(w writer) { w.deleteRange(nil, key(1000)) })
			want = want[300:]
		}
		is(t, "Close", s.Close(), nil)
		s.Storage = e.Reopen(t, s.Storage)
		defer s.Storage.Close()
		equal(t, "after reopening", s.all(), want)
	}
}

func testFork(t *testing.T, e Engine) {
	s := open(t, e)
	f, ok := s.Storage.(storage.Forker)
	if !ok {
		t.Skip("the engine does not fork")
	}
	fork := func(f storage.Storage) store {
		t.Helper()
		copied, err := f.(storage.Forker).Fork()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { copied.Close() })
		return store{copied, t}
	}
	empty := fork(f.(storage.Storage))
	s.set("a", "1", "b", "2")
	one := fork(s.Storage)
	s.set("a", "original")
	one.set("a", "one", "c", "one")
	two := fork(one.Storage)
	two.update(func(w writer) { w.deleteRange(nil, "c") })
	equal(t, "empty fork", empty.all(), nil)
	equal(t, "original", s.all(), []string{"a=original", "b=2"})
	equal(t, "fork", one.all(), []string{"a=one", "b=2", "c=one"})
	equal(t, "fork of the fork", two.all(), []string{"c=one"})

	var during store
	s.update(func(w writer) {
		w.set("d", "uncommitted")
		during = fork(s.Storage)
	})
	equal(t, "fork during an update", during.all(), []string{"a=original", "b=2"})

	// Writers of a store and of its forks share nothing.
	const n = 300
	done := make(chan struct{})
	for _, s := range []store{s, one, two} {
		go func() {
			for i := range n {
				s.set(key(i), "v")
			}
			done <- struct{}{}
		}()
	}
	for range 20 {
		last := fork(s.Storage)
		last.set("z", "z")
	}
	for range 3 {
		<-done
	}
	is(t, "Close", s.Close(), nil)
	is(t, "keys of a fork whose origin is closed", len(one.all()), 3+n)
}

func testSize(t *testing.T, e Engine) {
	s := open(t, e)
	sizer, ok := s.Storage.(storage.Sizer)
	if !ok {
		t.Skip("the engine does not tell its size")
	}
	size := func() storage.Size {
		t.Helper()
		n, err := sizer.Size()
		if err != nil || n.Used > n.Total || n.Used < 0 {
			t.Fatalf("size %+v, %v", n, err)
		}
		return n
	}
	const megabyte = 1 << 20
	before := size()
	s.update(func(w writer) {
		for i := range 1024 {
			w.set(key(i), string(make([]byte, 1024)))
		}
	})
	full := size()
	if d := full.Used - before.Used; d < megabyte || d > 2*megabyte {
		t.Errorf("%d bytes in use after putting %d", d, megabyte)
	}
	s.update(func(w writer) { w.deleteRange(nil, nil) })
	if d := size().Used - before.Used; d > megabyte/10 {
		t.Errorf("%d bytes in use after deleting all", d)
	}
}

// testCompact compacts while views read, and finds everything as it was.
func testCompact(t *testing.T, e Engine) {
	s := open(t, e)
	engine := s.Storage
	for {
		w, ok := engine.(wrapper)
		if !ok {
			break
		}
		engine = w.unwrap()
	}
	compacter, ok := engine.(storage.Compacter)
	if !ok {
		t.Skip("the engine keeps nothing that was deleted")
	}
	for i := range 500 {
		s.set(key(i), "1")
	}
	s.update(func(w writer) { w.deleteRange(key(100), key(400)) })
	want := s.all()
	reading, proceed := make(chan struct{}), make(chan struct{})
	done := make(chan []string)
	go func() {
		var seen []string
		s.view(func(r reader) { close(reading); <-proceed; seen = r.all() })
		done <- seen
	}()
	<-reading
	compacted := make(chan error)
	go func() { compacted <- compacter.Compact(background) }()
	writing := make(chan struct{})
	go func() { defer close(writing); s.set("written meanwhile", "1") }()
	close(proceed)
	<-writing
	equal(t, "what a view sees that began before", <-done, want)
	is(t, "Compact", <-compacted, nil)
	is(t, "the write", s.get("written meanwhile"), "1")
	s.update(func(w writer) { w.delete("written meanwhile") })
	equal(t, "the content", s.all(), want)
	is(t, "Close", s.Close(), nil)
	is(t, "Compact after Close", errors.Is(compacter.Compact(background), storage.ErrClosed), true)
	if e.Reopen != nil {
		s.Storage = e.Reopen(t, s.Storage)
		defer s.Storage.Close()
		equal(t, "the content after opening again", s.all(), want)
	}
}
