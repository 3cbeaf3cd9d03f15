package siftdb

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTurnstile: whoever shuts it is alone inside, and who waits can give up without a trace.
func TestTurnstile(t *testing.T) {
	var g turnstile
	ctx := context.Background()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.enter(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.close(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("shutting it on somebody inside: %v", err)
	}
	g.leave()
	if err := g.close(ctx); err != nil {
		t.Fatal(err)
	}
	for what, wait := range map[string]func(context.Context) error{"entering": g.enter, "shutting": g.close} {
		if err := wait(canceled); !errors.Is(err, context.Canceled) {
			t.Errorf("%s what is shut: %v", what, err)
		}
	}
	g.open()

	var inside, alone atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 500 {
				if i < 6 {
					if err := g.enter(ctx); err != nil {
						t.Error(err)
					}
					inside.Add(1)
					if alone.Load() != 0 {
						t.Error("somebody is inside beside who shut it")
					}
					inside.Add(-1)
					g.leave()
					continue
				}
				if err := g.close(ctx); err != nil {
					t.Error(err)
				}
				if alone.Add(1) != 1 || inside.Load() != 0 {
					t.Error("who shut it is not alone")
				}
				alone.Add(-1)
				g.open()
			}
		})
	}
	wg.Wait()
}

// TestTurnstileIsFair: who waited to go in while it was shut goes in before it is shut again,
// however many wait to shut it.
func TestTurnstileIsFair(t *testing.T) {
	for range 200 {
		var g turnstile
		ctx := context.Background()
		if err := g.close(ctx); err != nil {
			t.Fatal(err)
		}
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := g.enter(ctx); err != nil {
					t.Error(err)
				}
				in.Add(1)
				g.leave()
			})
		}
		for n := 0; n < 3; {
			g.mu.Lock()
			n = g.waiting
			g.mu.Unlock()
			runtime.Gosched()
		}
		for range 3 {
			wg.Go(func() {
				if err := g.close(ctx); err != nil {
					t.Error(err)
				}
				if in.Load() < 3 {
					t.Errorf("it is shut when %d of 3 that waited have gone in", in.Load())
				}
				g.open()
			})
		}
		g.open()
		wg.Wait()
		if g.due != 0 || g.waiting != 0 || g.inside != 0 {
			t.Fatalf("%d are due, %d wait, %d are inside", g.due, g.waiting, g.inside)
		}
	}
}
