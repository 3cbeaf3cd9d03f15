package siftdb

import (
	"context"
	"errors"
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
