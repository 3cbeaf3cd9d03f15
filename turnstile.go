package siftdb

import (
	"context"
	"sync"
)

// turnstile lets writes through, any number at once, unless one that takes several
// transactions has shut it: between these nobody else may write. Whoever waits while it is shut
// goes in before it is shut again.
type turnstile struct {
	mu      sync.Mutex
	inside  int
	waiting int           // how many want to go in while it is shut
	due     int           // of these, how many were there when it opened, and have not gone in yet
	gone    chan struct{} // closed when none of them is left; nil when nobody waits for that
	shut    chan struct{} // while somebody has it shut, or waits to; closed when it opens
	empty   chan struct{} // closed when the last one has left; nil when nobody waits for that
}

// enter waits until the turnstile is open, and goes in. Whoever went in leaves again.
func (g *turnstile) enter(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut != nil {
		shut := g.shut
		g.waiting++
		g.mu.Unlock()
		var err error
		select {
		case <-shut:
		case <-ctx.Done():
			err = ctx.Err()
		}
		g.mu.Lock()
		if g.shut == shut { // it has not opened
			g.waiting--
			return err
		}
		if g.due--; g.due == 0 && g.gone != nil {
			close(g.gone)
			g.gone = nil
		}
		if err != nil {
			return err
		}
	}
	g.inside++
	return nil
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
		other := g.shut
		if other == nil && g.due > 0 {
			if g.gone == nil {
				g.gone = make(chan struct{})
			}
			other = g.gone
		}
		if other != nil {
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
	g.due, g.waiting = g.due+g.waiting, 0
}
