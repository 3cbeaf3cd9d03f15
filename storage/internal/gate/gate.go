// Package gate counts the calls that are inside a store, so that Close can shut
// the door and wait for the last one to leave.
package gate

import (
	"sync"
	"sync/atomic"
)

// closed is the bit of Gate.state that says that the gate is shut; the bits
// below it count the calls inside.
const closed = 1 << 62

// Gate lets calls in until it is shut. The zero Gate is not usable: see New.
type Gate struct {
	state atomic.Int64
	once  sync.Once
	empty chan struct{}
}

// New returns an open gate.
func New() *Gate { return &Gate{empty: make(chan struct{})} }

// Enter reports whether the gate is open, and if so counts the caller, who must
// call Leave. It never blocks, so a call inside another call is safe.
func (g *Gate) Enter() bool {
	if g.state.Add(1) < closed {
		return true
	}
	g.Leave()
	return false
}

// Leave undoes one Enter.
func (g *Gate) Leave() {
	if g.state.Add(-1) == closed {
		g.once.Do(func() { close(g.empty) })
	}
}

// Shut closes the gate and waits until everyone inside has left. It reports
// whether this call was the first.
func (g *Gate) Shut() (first bool) {
	for {
		s := g.state.Load()
		if s >= closed {
			<-g.empty
			return false
		}
		if !g.state.CompareAndSwap(s, s+closed) {
			continue
		}
		if s == 0 {
			g.once.Do(func() { close(g.empty) })
		}
		<-g.empty
		return true
	}
}
