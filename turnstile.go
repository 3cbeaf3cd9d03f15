package siftdb

import (
	"context"
	"sync"
)

// turnstile lets writes through, any number at once, unless one that takes several
// transactions has shut it: between these nobody else may write.
type turnstile struct {
	mu     sync.Mutex
	inside int
	shut   chan struct{} // while somebody has it shut, or waits to; closed when it opens
	empty  chan struct{} // closed when the last one has left; nil when nobody waits for that
}

// enter waits until the turnstile is open, and goes in. Whoever went in leaves again.
func (g *turnstile) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		shut := g.shut
		if shut == nil {
			g.inside++
		}
		g.mu.Unlock()
		if shut == nil {
			return nil
		}
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *turnstile) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// close shuts the turnstile and waits until nobody is inside. Whoever closed it opens it
// again.
func (g *turnstile) close(ctx context.Context) error {
	for {
		g.mu.Lock()
		if other := g.shut; other != nil {
			g.mu.Unlock()
			select {
			case <-other:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		g.shut = make(chan struct{})
		empty := make(chan struct{})
		if g.inside == 0 {
			close(empty)
		} else {
			g.empty = empty
		}
		g.mu.Unlock()
		select {
		case <-empty:
			return nil
		case <-ctx.Done():
			g.open()
			return ctx.Err()
		}
	}
}

func (g *turnstile) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut, g.empty = nil, nil
}
